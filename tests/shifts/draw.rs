//! A shift, drawn from its seed: which machine, who walks where, what goes wrong when, how the operator works, and how it ends.

use config::Machine;
use config::cell::{Channel, DeviceKind, ScenarioAction, ScenarioEvent};
use segment::Fault;
use tactus_tests::machine;
use tactus_tests::random::Random;

use super::{faults, people};

pub(crate) const MS: u64 = 1_000_000;

/// Which machine works the shift.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Demo,
    Manual,
}

/// How a shift ends, at its last cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// A person asks for the controlled end.
    Shutdown,
    /// The process is killed.
    Kill,
}

/// What an axis cannot be blamed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Excuse {
    /// The firmware of its drive runs on.
    RunsOn,
    /// The certified chain, or the supply, took its torque, or its brake holds nothing.
    Chain,
    /// The clock of its drive stands still or jumped: it does not take targets in step.
    Clock,
    /// Friction or load are not what the machine file says.
    Mechanics,
}

/// Excuse `what` of an axis, from .. to, ns since the start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Excused {
    pub(crate) axis: usize,
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) what: Excuse,
}

/// Everything that happens in a shift. Times are ns since the start of the world.
#[derive(Clone, Debug)]
pub(crate) struct Shift {
    pub(crate) seed: u64,
    pub(crate) kind: Kind,
    /// As declared, with what happens in its virtual cell.
    pub(crate) machine: Machine,
    pub(crate) cycles: u64,
    pub(crate) end: End,
    /// What no scenario of a machine file can say.
    pub(crate) injections: Vec<(u64, Fault)>,
    /// The supervisor is silent from .. to.
    pub(crate) silences: Vec<(u64, u64)>,
    /// From then on so many cycles are so many periods late.
    pub(crate) lates: Vec<(u64, u32, u64)>,
    pub(crate) excused: Vec<Excused>,
    /// When bus or drives begin to do what no prediction knew of.
    pub(crate) shocks: Vec<u64>,
}

impl Shift {
    /// The shift of `seed`, of so many cycles.
    pub(crate) fn draw(seed: u64, cycles: u64) -> Self {
        let mut random = Random(seed.wrapping_mul(0xA076_1D64_78BD_642F));
        let kind = random.of(&[Kind::Demo, Kind::Demo, Kind::Manual]);
        Self::draw_of(kind, seed, cycles, &mut random)
    }

    /// The shift of `seed` on this machine.
    pub(crate) fn of(kind: Kind, seed: u64, cycles: u64) -> Self {
        let mut random = Random(seed.wrapping_mul(0xA076_1D64_78BD_642F));
        random.next();
        Self::draw_of(kind, seed, cycles, &mut random)
    }

    fn draw_of(kind: Kind, seed: u64, cycles: u64, random: &mut Random) -> Self {
        let machine = load(kind, random);
        let mut shift = Self {
            seed,
            kind,
            machine,
            cycles,
            end: random.of(&[End::Shutdown, End::Kill]),
            injections: Vec::new(),
            silences: Vec::new(),
            lates: Vec::new(),
            excused: Vec::new(),
            shocks: Vec::new(),
        };
        people::draw(&mut shift, random);
        faults::draw(&mut shift, random);
        shift.machine.virtual_cell.events.sort_by_key(|event| event.at_ns);
        shift.injections.sort_by_key(|(at, _)| *at);
        shift.lates.sort_unstable();
        shift.shocks.sort_unstable();
        shift
    }

    /// How long it lasts, ns.
    pub(crate) fn length(&self) -> u64 {
        self.cycles * self.machine.plan.period_ns
    }

    pub(crate) fn event(&mut self, at_ns: u64, action: ScenarioAction) {
        self.machine.virtual_cell.events.push(ScenarioEvent { at_ns, action });
    }

    /// An input leaves its rest level for a while.
    pub(crate) fn pulse(&mut self, at_ns: u64, input: &str, duration_ns: u64) {
        let input = self.channel(input);
        self.event(at_ns, ScenarioAction::Pulse { input, duration_ns });
    }

    /// The channel of a terminal that an input comes from.
    pub(crate) fn channel(&self, input: &str) -> Channel {
        let signal = self.machine.names.signal(input).expect("an input of the machine");
        let place = self.machine.bus.signals[usize::from(signal.0)];
        let channel = u8::try_from(place.bit_offset).expect("few channels");
        Channel { device: place.subdevice, channel }
    }

    /// Positions of its servos, by axis.
    pub(crate) fn servos(&self) -> Vec<usize> {
        let devices = self.machine.virtual_cell.devices.iter().enumerate();
        let mut servos: Vec<(u8, usize)> = devices
            .filter_map(|(position, device)| match &device.kind {
                DeviceKind::Servo(servo) => Some((servo.axis.0, position)),
                _ => None,
            })
            .collect();
        servos.sort_unstable();
        servos.into_iter().map(|(_, position)| position).collect()
    }
}

/// The machine file, with what a shift may change of it.
fn load(kind: Kind, random: &mut Random) -> Machine {
    let file = match kind {
        Kind::Demo => "demo-cell.toml",
        Kind::Manual => "manual-cell.toml",
    };
    let mut text = std::fs::read_to_string(machine(file)).expect("we ship it");
    match kind {
        Kind::Demo => demo(&mut text, random),
        Kind::Manual => manual(&mut text, random),
    }
    config::load(&text, file)
        .unwrap_or_else(|wrong| panic!("{}", wrong.render(config::Style::Plain, 100)))
}

/// `from` must be there: a shift that changes nothing would not be what it says.
fn change(text: &mut String, from: &str, to: &str, count: usize) {
    assert!(text.contains(from), "{from:?} is not in the machine file any more");
    *text = text.replacen(from, to, count);
}

fn demo(text: &mut String, random: &mut Random) {
    let stop = random.of(&["stop 2", "stop 1", "stop 0"]);
    // The first two are lost data and the bus; an emergency stop is never category 2.
    let rows = if stop == "stop 2" { 2 } else { 3 };
    let effects = format!("effects = {{ all = \"{stop}\" }}");
    change(text, "effects = { all = \"stop 1\" }", &effects, rows);
    if random.once_in(3) {
        let door = random.of(&["stop 2", "stop 0"]);
        let from = "discrepancy = \"1 s\" }\neffects = { all = \"stop 1\" }";
        change(text, from, &from.replace("stop 1", door), 1);
    }
    if random.once_in(3) {
        let order = "order = [\"stop 2\", \"stop 0\", \"stop 1\"]";
        change(text, order, &format!("{order}\ncategory_1 = \"quick stop\""), 1);
    }
    if random.once_in(3) {
        change(text, "hold = true ", "hold = false ", 1);
    }
}

fn manual(text: &mut String, random: &mut Random) {
    if random.once_in(3) {
        change(text, "speed = \"700 mm/s\", filter", "speed = \"450 mm/s\", filter", 1);
    }
    if random.once_in(2) {
        let from = "cause = { kind = \"guard_door\", a = \"door_a\", b = \"door_b\", discrepancy = \"1 s\" }\neffects = { all = \"stop 1\" }";
        change(text, from, &from.replace("stop 1", random.of(&["stop 2", "stop 0"])), 1);
    }
}
