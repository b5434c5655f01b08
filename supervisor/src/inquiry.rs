//! Asks the devices what process data do not say, while the machine runs: of every drive why, when something tripped, and now and then
//! the error counters of all ports. The answers become remarks in the recording. The loop answers when a cycle leaves it time.

use std::collections::VecDeque;

use config::Machine;
use fieldbus::coe::{Answer, Asked, CoeClient, Object, drive_error_text};

use crate::drain::Drain;

/// Between two looks at the error counters, ns.
const COUNTERS_NS: u64 = 10_000_000_000;
/// Requests under way at once: a trip in between must not wait long.
const UNDER_WAY_MAX: usize = 2;
/// Requests that wait; a machine that trips all the time is told once.
const WANTED_MAX: usize = 1_024;
/// Error counters of the four ports (0x0300 to 0x0313).
const PORT_ERRORS: u16 = 0x0300;
const PORT_ERRORS_BYTES: u16 = 20;
/// Error code, mode, serial number.
const ERROR_CODE: Object = Object::entry(0x603F, 0);
const MODE: Object = Object::entry(0x6061, 0);
const SERIAL: Object = Object::entry(0x1018, 4);
/// The object by which a drive is told from other devices: its controlword.
const CONTROLWORD: u16 = 0x6040;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Want {
    Drive(Object),
    PortErrors,
}

/// What is asked, and what has been heard.
#[derive(Debug, Default)]
pub struct Inquiry {
    client: Option<Box<CoeClient>>,
    names: Vec<String>,
    drives: Vec<u16>,
    wanted: VecDeque<(u16, Want)>,
    counters: Vec<[u8; 20]>,
    counters_at: Option<u64>,
    trips: u64,
    /// Of the drive that is asked: error code, mode.
    heard: (Option<u64>, Option<u64>),
}

impl Inquiry {
    /// About the devices of a machine.
    #[must_use]
    pub fn new(machine: &Machine) -> Self {
        let devices = &machine.bus.subdevices;
        let is_drive = |position: &usize| {
            devices.get(*position).is_some_and(|device| {
                let mut entries = device.outputs.iter().flat_map(|pdo| &pdo.entries);
                entries.any(|entry| entry.index == CONTROLWORD)
            })
        };
        let drives = (0..devices.len()).filter(is_drive);
        Self {
            names: devices.iter().map(|device| device.name.clone()).collect(),
            drives: drives.filter_map(|position| u16::try_from(position).ok()).collect(),
            counters: vec![[0; 20]; devices.len()],
            ..Self::default()
        }
    }

    /// From now on the loop answers.
    pub fn begin(&mut self, client: Option<Box<CoeClient>>) {
        self.client = client;
    }

    /// Looks at the run at `now`: asks, and notes what was answered.
    pub fn look(&mut self, drain: &mut Drain, now: u64) {
        if self.client.is_none() {
            return;
        }
        let trips = drain.statistics.trips_total;
        if trips > self.trips {
            self.trips = trips;
            for drive in self.drives.clone() {
                for object in [ERROR_CODE, MODE, SERIAL] {
                    self.want(drive, Want::Drive(object));
                }
            }
        }
        let due = *self.counters_at.get_or_insert(now.saturating_add(COUNTERS_NS));
        if now >= due {
            self.counters_at = Some(due.saturating_add(COUNTERS_NS));
            for position in 0..self.names.len() {
                self.want(u16::try_from(position).unwrap_or(u16::MAX), Want::PortErrors);
            }
        }
        while let Some(notice) = self.client.as_mut().and_then(|client| client.take_notice()) {
            let text = format!("{} {}", self.name(notice.device), notice.news);
            tracing::warn!("{text}");
            drain.note(now, &text);
        }
        while let Some(answer) = self.client.as_mut().and_then(|client| client.take()) {
            if let Some(text) = self.hear(&answer) {
                tracing::info!("{text}");
                drain.note(now, &text);
            }
        }
        self.ask();
    }

    fn want(&mut self, device: u16, want: Want) {
        if self.wanted.len() < WANTED_MAX && !self.wanted.contains(&(device, want)) {
            self.wanted.push_back((device, want));
        }
    }

    fn ask(&mut self) {
        let Some(client) = &mut self.client else { return };
        while client.under_way() < UNDER_WAY_MAX {
            let Some((device, want)) = self.wanted.pop_front() else { return };
            // There is room for it: that was asked above.
            let _ = match want {
                Want::Drive(object) => client.read(device, object),
                Want::PortErrors => client.registers(device, PORT_ERRORS, PORT_ERRORS_BYTES),
            };
        }
    }

    fn name(&self, device: u16) -> &str {
        self.names.get(usize::from(device)).map_or("?", |name| name)
    }

    fn hear(&mut self, answer: &Answer) -> Option<String> {
        match answer.asked {
            Asked::Read(object) if object == ERROR_CODE => {
                self.heard = (answer.number(), None);
                let failure = answer.outcome.err()?;
                Some(format!("{}: error code (0x603F): {failure}", self.name(answer.device)))
            }
            Asked::Read(object) if object == MODE => {
                self.heard.1 = answer.number();
                None
            }
            Asked::Read(_) => {
                let code = u16::try_from(self.heard.0?).unwrap_or(u16::MAX);
                let number = |value: Option<u64>| {
                    value.map_or_else(|| "not told".to_owned(), |value| value.to_string())
                };
                Some(format!(
                    "{} after the trip: error code 0x{code:04X} ({}), mode {}, serial number {}",
                    self.name(answer.device),
                    drive_error_text(code),
                    number(self.heard.1),
                    number(answer.number())
                ))
            }
            Asked::Registers { .. } => self.port_errors(answer),
            Asked::Write(_) => None,
        }
    }

    /// What has been counted since the last look; `None`: nothing.
    fn port_errors(&mut self, answer: &Answer) -> Option<String> {
        let found: [u8; 20] = answer.data().try_into().ok()?;
        let known = self.counters.get_mut(usize::from(answer.device))?;
        if found == *known || answer.outcome.is_err() {
            return None;
        }
        *known = found;
        let ports = (0..4_usize).filter_map(|port| {
            let at = |offset: usize| found.get(offset).copied().unwrap_or(0);
            let told = [
                (at(port * 2), "invalid frames"),
                (at(port * 2 + 1), "physical errors"),
                (at(8 + port), "forwarded errors"),
                (at(16 + port), "lost links"),
            ];
            let told: Vec<_> = told
                .iter()
                .filter(|(count, _)| *count > 0)
                .map(|(count, what)| format!("{count} {what}"))
                .collect();
            (!told.is_empty()).then(|| format!("port {port}: {}", told.join(", ")))
        });
        let ports: Vec<_> = ports.collect();
        let cause = "check plug and cable of that port (255: counted to its end)";
        (!ports.is_empty())
            .then(|| format!("{}: {}; {cause}", self.name(answer.device), ports.join("; ")))
    }
}
