//! What the registers of all devices hold, read side by side: as many round trips as frames are needed, not as there are registers.

use super::error::BringupError;
use super::registers::Device;
use super::request::{NoReply, REPLY_TIMEOUT_NS, Requests};
use crate::layout::station;
use crate::link::Link;
use crate::plan::BusPlan;
use crate::wire::{Command, DatagramSpec, register};

pub(super) const FMMU_BYTES: u16 = 16;
pub(super) const SYNC_MANAGER_BYTES: u16 = 8;
/// Most FMMUs and SyncManagers of a device (ETG1000.4).
const ENTITIES_MAX: u16 = 16;

/// Registers of one device that lie side by side.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    pub(super) position: usize,
    pub(super) register: u16,
    pub(super) length: u16,
    pub(super) what: &'static str,
}

/// One device's settings as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Image {
    /// All FMMUs, 16 bytes each.
    pub(super) fmmus: Vec<u8>,
    /// All SyncManagers, 8 bytes each.
    pub(super) managers: Vec<u8>,
    /// Watchdog divider and time, where the plan has a watchdog.
    pub(super) watchdog: Option<[Vec<u8>; 2]>,
}

impl Image {
    /// Address and bytes of each FMMU.
    pub(super) fn fmmus(&self) -> impl Iterator<Item = (u16, &[u8])> {
        (register::FMMU..).step_by(FMMU_BYTES.into()).zip(self.fmmus.chunks(FMMU_BYTES.into()))
    }

    /// Address and bytes of each SyncManager.
    pub(super) fn managers(&self) -> impl Iterator<Item = (u16, &[u8])> {
        let places = (register::SYNC_MANAGER..).step_by(SYNC_MANAGER_BYTES.into());
        places.zip(self.managers.chunks(SYNC_MANAGER_BYTES.into()))
    }
}

/// Reads all of it at once; what is not back is asked for by itself.
pub(super) fn read_all<L: Link>(
    link: &mut L,
    requests: &mut Requests,
    plan: &BusPlan,
    wanted: &[Wanted],
) -> Result<Vec<Vec<u8>>, BringupError> {
    let ask = |it: &Wanted| {
        let spec =
            DatagramSpec::register(Command::Fprd, station(it.position), it.register, it.length);
        (spec, Vec::new())
    };
    let datagrams: Vec<_> = wanted.iter().map(ask).collect();
    let answers = requests.ask_all(link, &datagrams, REPLY_TIMEOUT_NS);
    let answers = answers
        .map_err(|fault| BringupError::no_reply("reading registers", NoReply::Link(fault)))?;
    let mut found = Vec::with_capacity(wanted.len());
    for (it, answer) in wanted.iter().zip(answers) {
        let read = answer.filter(|answer| answer.working_counter == 1).map(|answer| answer.data);
        found.push(match (read, plan.subdevices.get(it.position)) {
            (Some(data), _) => data,
            (None, Some(planned)) => {
                let position = it.position;
                Device { link, requests, position, plan: planned }.read(
                    it.register,
                    it.length,
                    it.what,
                )?
            }
            (None, None) => Vec::new(),
        });
    }
    Ok(found)
}

/// The settings of all devices of the plan.
pub(super) fn read_images<L: Link>(
    link: &mut L,
    requests: &mut Requests,
    plan: &BusPlan,
) -> Result<Vec<Image>, BringupError> {
    let positions = 0..plan.subdevices.len();
    let count = |position| Wanted {
        position,
        register: register::TYPE + 4,
        length: 2,
        what: "FMMU and SyncManager count",
    };
    let counts: Vec<_> = positions.clone().map(count).collect();
    let counts = read_all(link, requests, plan, &counts)?;
    let mut wanted = Vec::new();
    for ((position, counts), planned) in positions.zip(&counts).zip(&plan.subdevices) {
        let count = |n: usize| counts.get(n).map_or(0, |n| u16::from(*n).min(ENTITIES_MAX));
        let mut want = |register, length, what| {
            wanted.push(Wanted { position, register, length, what });
        };
        want(register::FMMU, count(0) * FMMU_BYTES, "FMMUs");
        want(register::SYNC_MANAGER, count(1) * SYNC_MANAGER_BYTES, "SyncManagers");
        if planned.watchdog_ns.is_some() {
            want(register::WATCHDOG_DIVIDER, 2, "watchdog divider");
            want(register::WATCHDOG_TIME, 2, "watchdog time");
        }
    }
    wanted.retain(|it| it.length > 0);
    let found = read_all(link, requests, plan, &wanted)?;
    let mut images = vec![Image::default(); plan.subdevices.len()];
    for (it, bytes) in wanted.iter().zip(found) {
        let Some(image) = images.get_mut(it.position) else { continue };
        match it.register {
            register::FMMU => image.fmmus = bytes,
            register::SYNC_MANAGER => image.managers = bytes,
            register::WATCHDOG_DIVIDER => image.watchdog = Some([bytes, Vec::new()]),
            _ => {
                if let Some([_, time]) = &mut image.watchdog {
                    *time = bytes;
                }
            }
        }
    }
    Ok(images)
}
