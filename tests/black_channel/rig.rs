//! A machine with homing, two modes and a camera in virtual time, and a channel that can be wrong.

use config::Machine;
use fieldbus::link::InlineLink;
use fieldbus::{EtherCat, bring_up, time};
use rt_core::Record;
use rt_core::cycle::{Command, Cycle, Ports};
use rt_core::interlock::Mode;
use rt_core::program::{AxisState, Sequence};
use rt_core::record::{Body, Event, MachineState};
use rt_core::step::{Core, Snapshot};
use rt_core::vision::VisionInputs;
use supervisor::cell::{Cell, HORIZON_NS};
use supervisor::vision::Judge;
use tactus_tests::virtual_time::Clock;

use super::errors::{Channel, Error, LENGTH, fix, seal, set};

const START_NS: u64 = 1_000_000_000;
const CYCLES_MAX: u32 = 40_000;
/// The camera's zone.
const ZONE: u32 = 1;

/// When an error begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// An axis looks for its reference.
    Homing,
    /// After the reset, before the start.
    Waiting,
    /// The program moves an axis.
    Running,
    /// After an emergency stop, before standstill.
    Stopping,
    /// It stands, tripped; soon the emergency stop is unlocked and somebody resets.
    Tripped,
    /// A person jogs.
    Manual,
}

const VISION: &str = r#"
[[stream]]
name = "camera"
id = 1
age_max = "150 ms"
quality_min = 60

[[zone]]
name = "cell"
stream = "camera"
bit = 0
polygon = [["0 mm", "0 mm"], ["1 m", "0 mm"], ["1 m", "1 m"]]

[[virtual.camera]]
stream = "camera"
period = "40 ms"
delay = "10 ms"

[[interlock]]
name = "person"
cause = { kind = "zone", zone = "cell" }
effects = { all = "stop 1" }
latch = true
"#;

fn press(at: &str, inputs: &str, lasts: &str) -> String {
    format!("\n[[scenario.event]]\nat = \"{at}\"\npress = [{inputs}]\nfor = \"{lasts}\"\n")
}

/// The manual cell with a camera, a slide that must look for its reference, and what leads to `phase`.
pub(crate) fn machine_with(phase: Phase) -> Machine {
    let path = tactus_tests::machine("manual-cell.toml");
    let text = std::fs::read_to_string(path).expect("shipped");
    let search = "homing = { method = \"switch_index\", direction = \"negative\", \
                  velocity_search = \"40 mm/s\", velocity_latch = \"10 mm/s\", position = \"0 mm\" }\n\
                  virtual = { start = \"40 mm\", hard_stops = [\"-330 mm\", \"330 mm\"], \
                  limit_switches = [\"-320 mm\", \"320 mm\"], reference = [\"-25 mm\", \"-5 mm\"], \
                  index_at = \"0 mm\" }";
    let here = "homing = { method = \"here\", mark = \"the arrow in the middle of the rail\" }";
    assert!(text.contains(here), "the manual cell is another one now");
    let text = text.replacen(here, search, 1);
    let events = match phase {
        Phase::Homing | Phase::Waiting | Phase::Running => String::new(),
        Phase::Stopping | Phase::Tripped => press("14 s", "\"estop_a\", \"estop_b\"", "2 s"),
        Phase::Manual => {
            press("12 s", "\"key_automatic\", \"key_manual\"", "60 s")
                + &press("14 s", "\"enable_a\"", "60 s")
                + &press("15 s", "\"jog_plus\"", "60 s")
        }
    };
    config::load(&format!("{text}\n{VISION}{events}"), "black channel")
        .unwrap_or_else(|wrong| panic!("{wrong}"))
}

struct Outside {
    vision: VisionInputs,
    clear: bool,
}

impl Ports for Outside {
    fn vision(&mut self) -> &VisionInputs {
        &self.vision
    }

    fn command(&mut self) -> Command {
        Command { shutdown: false, supervisor_at: time::now() }
    }

    fn record(&mut self, record: Record) {
        if let Body::Event(Event::Vision { not_clear, .. }) = record.body {
            self.clear = not_clear & ZONE == 0;
        }
    }
}

pub(crate) struct Rig {
    cycle: Cycle<EtherCat<InlineLink<Cell>>, Clock, Sequence, Outside>,
    judge: Judge,
    channel: Channel,
    error: Option<Error>,
    /// What a receiver without checks takes as right.
    fixes: u8,
    right: Right,
    stood: u32,
    hash: u64,
}

/// What a receiver without checks writes into a datagram.
struct Right {
    sequence: u64,
}

impl Rig {
    pub(crate) fn new(machine: &Machine) -> Self {
        let cell = Cell::new(machine, 1, START_NS, HORIZON_NS, None).expect("the cell");
        let bus = bring_up(InlineLink::new(cell, START_NS), &machine.bus, &mut |_| {})
            .unwrap_or_else(|error| panic!("{error}"));
        time::advance_virtual(bus.aligned_start(time::now()));
        let core = Core::new(machine.plan.clone(), Sequence::new(&machine.plan)).expect("right");
        let judge = Judge::new(&machine.plan.streams, machine.hash64);
        let outside = Outside { vision: *judge.inputs(), clear: false };
        let deadline_ns = machine.cycle.receive_deadline_ns;
        let channel = Channel { last: Vec::new(), waiting: Vec::new(), count: 0, now: 0 };
        Self {
            cycle: Cycle::new(bus, Clock::default(), core, outside, deadline_ns),
            judge,
            channel,
            error: None,
            fixes: fix::NOTHING,
            right: Right { sequence: 0 },
            stood: 0,
            hash: machine.hash64,
        }
    }

    pub(crate) fn now(&self) -> u64 {
        time::now()
    }

    /// From now on the channel is wrong; `fixes`: and the receiver lacks these checks.
    pub(crate) fn inject(&mut self, error: &Error, fixes: Option<u8>) {
        self.error = Some(*error);
        self.fixes = fixes.unwrap_or(fix::NOTHING);
        self.right.sequence = super::errors::number(&self.channel.last, 16);
    }

    pub(crate) fn one(&mut self) {
        self.cycle.run_one();
        self.channel.now = time::now();
        while let Some(bytes) = self.cycle.bus_mut().link_mut().wire_mut().take_datagram() {
            self.channel.count += 1;
            let Some(error) = self.error else {
                self.channel.last = bytes.to_vec();
                self.judge.take(&bytes, time::now());
                continue;
            };
            for bytes in (error.passes)(&mut self.channel, bytes.to_vec()) {
                self.deliver(bytes);
            }
        }
        let now = time::now();
        while let Some(due) = self.channel.waiting.iter().position(|(at, _)| *at <= now) {
            let (_, bytes) = self.channel.waiting.remove(due);
            self.deliver(bytes);
        }
        self.cycle.ports_mut().vision = *self.judge.inputs();
        self.stood = if self.fastest() > 0.5 { 0 } else { self.stood + 1 };
    }

    /// To the receiver; one that lacks checks takes what it does not check as right.
    fn deliver(&mut self, mut bytes: Vec<u8>) {
        if self.fixes != fix::NOTHING && bytes.len() == LENGTH {
            if self.fixes & fix::SEQUENCE != 0 {
                self.right.sequence += 1;
                set(&mut bytes, 16, self.right.sequence);
            }
            if self.fixes & fix::TIME != 0 {
                set(&mut bytes, 24, time::now() - 1 + self.right.sequence % 2);
            }
            if self.fixes & fix::HASH != 0 {
                set(&mut bytes, 8, self.hash);
            }
            if self.fixes & fix::STREAM != 0 {
                bytes[6..8].copy_from_slice(&[1, 0]);
            }
            if self.fixes & fix::LIVE != 0 {
                bytes[37] = 1;
            }
            if self.fixes & fix::QUALITY != 0 {
                bytes[36] = 90;
            }
            bytes = seal(bytes);
        }
        self.judge.take(&bytes, time::now());
    }

    /// Runs until `phase` has come.
    pub(crate) fn until(&mut self, phase: Phase) {
        for _ in 0..CYCLES_MAX {
            self.one();
            if self.is_in(phase) {
                return;
            }
        }
        panic!("{phase:?} never came: {:?}", self.status());
    }

    fn is_in(&mut self, phase: Phase) -> bool {
        let state = self.cycle.core().status().machine;
        let mode = self.cycle.core().status().mode;
        let homing = self.cycle.core().axes().iter().any(|axis| axis.state() == AxisState::Homing);
        let after_stop = self.now() > START_NS + 14_000_000_000;
        match phase {
            Phase::Homing => state == MachineState::Run && homing && self.fastest() > 10.0,
            Phase::Waiting => state == MachineState::AwaitStart,
            Phase::Running => state == MachineState::Run && !homing && self.fastest() > 300.0,
            Phase::Stopping => state == MachineState::Safe && after_stop && self.fastest() > 50.0,
            Phase::Tripped => state == MachineState::Safe && after_stop && self.stood > 300,
            Phase::Manual => {
                let jogs = self.now() > START_NS + 15_000_000_000 && self.fastest() > 50.0;
                mode == Mode::Manual && jogs && self.is_permitted()
            }
        }
    }

    pub(crate) fn status(&self) -> &Snapshot {
        self.cycle.core().status()
    }

    /// What the loop last said of the zone.
    pub(crate) fn is_clear(&mut self) -> bool {
        self.cycle.ports_mut().clear
    }

    pub(crate) fn is_permitted(&self) -> bool {
        let status = self.cycle.core().status();
        status.groups[..usize::from(status.group_count)].iter().any(|group| group.permit)
    }

    /// Of all axes as they move in truth, axis units / s.
    pub(crate) fn fastest(&mut self) -> f64 {
        let world = self.cycle.bus_mut().link_mut().wire_mut().world();
        let axes = (0..world.axis_count()).filter_map(|axis| world.axis(axis));
        axes.map(|axis| axis.velocity.abs()).fold(0.0, f64::max)
    }

    /// The loop still asks a drive for operation (0x6040).
    pub(crate) fn is_operating(&self) -> bool {
        let plans = &self.cycle.core().plan().axes;
        plans
            .iter()
            .any(|axis| self.cycle.signals().get(axis.signals.controlword).value & 0x0F == 0x0F)
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        time::set_monotonic();
    }
}
