//! What must hold in every cycle, judged from the world's truth and from what leaves on the wire; never from what the loop thinks.
//!
//! All of it goes by the machine *as declared*. Events of the loop are outputs as well: that a stop was predicted to be so long is a
//! promise, and it is held against the world.

mod demand;
mod hang;
mod outputs;
mod restart;
mod separation;
mod speed;
mod still;
mod stops;

use config::cell::DeviceKind;
use rt_core::SignalId;
use rt_core::record::Event;
use rt_core::signal::Signals;
use segment::DriveState;
use supervisor::cell::Cell;

use super::draw::{Excuse, Shift};
use stops::Stops;

/// A rule that was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rule {
    Motion,
    Restart,
    Latch,
    ResetMoves,
    Demand,
    StopDistance,
    Speed,
    Drop,
    Outputs,
    Manual,
    Separation,
    Twin,
    End,
}

impl Rule {
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Motion => "no motion without permit (SR-015, SR-021)",
            Self::Restart => "no restart without a fresh start (SR-010, SR-011)",
            Self::Latch => "a latched trip stays until a reset (SR-006, SR-008)",
            Self::ResetMoves => "a reset never moves anything (SR-010)",
            Self::Demand => {
                "what is pressed, open, entered or silent takes the permit (SR-002, SR-013, SR-014)"
            }
            Self::StopDistance => "no stop is longer than was predicted (SR-020, SR-031)",
            Self::Speed => "no faster than the limit in force (SR-016, SR-018, SR-019)",
            Self::Drop => "what hangs never drops (SR-023)",
            Self::Outputs => "outputs are safe without permit (SR-025, SR-040)",
            Self::Manual => "in manual slow, and only while held (SR-004, SR-019)",
            Self::Separation => "out of a zone that somebody is in (SR-030)",
            Self::Twin => "the twin only tightens (SR-029)",
            Self::End => "the end is controlled (SR-046)",
        }
    }
}

/// A rule, and what was seen.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Violation {
    pub(crate) rule: Rule,
    pub(crate) what: String,
}

/// Collects the first violation of a cycle.
#[derive(Debug, Default)]
pub(crate) struct Found(pub(crate) Option<Violation>);

impl Found {
    pub(crate) fn unless(&mut self, holds: bool, rule: Rule, what: impl FnOnce() -> String) {
        if !holds && self.0.is_none() {
            self.0 = Some(Violation { rule, what: what() });
        }
    }
}

/// An axis in truth, and what it is told.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AxisSeen {
    pub(crate) position: f64,
    pub(crate) velocity: f64,
    /// What its target moved by in this cycle, units / s; 0 while its drive does not take targets.
    pub(crate) commanded: f64,
    /// Its drive takes targets.
    pub(crate) takes: bool,
    /// It is pressed against a mechanical end, and springs back from it.
    pub(crate) at_end: bool,
    /// It has torque.
    pub(crate) powered: bool,
    pub(crate) faulted: bool,
}

/// One cycle from outside.
pub(crate) struct Seen<'a> {
    /// ns since the start of the world.
    pub(crate) now: u64,
    /// The loop runs.
    pub(crate) alive: bool,
    pub(crate) cell: &'a Cell,
    /// What left the loop last.
    pub(crate) sent: &'a Signals,
    pub(crate) events: &'a [Event],
    pub(crate) axes: &'a [AxisSeen],
    /// The machine says that it runs: its lamp, as sent.
    pub(crate) run: bool,
    pub(crate) shift: &'a Shift,
}

impl Seen<'_> {
    pub(crate) fn input(&self, source: Option<usize>) -> bool {
        source.is_some_and(|source| self.cell.world().input(source))
    }

    /// This axis cannot be blamed for `what`, now or until `tail_ns` ago.
    pub(crate) fn excused(&self, axis: usize, what: &[Excuse], tail_ns: u64) -> bool {
        self.shift.excused.iter().any(|excused| {
            let time = excused.from..excused.to.saturating_add(tail_ns);
            excused.axis == axis && what.contains(&excused.what) && time.contains(&self.now)
        })
    }

    /// The loop is late by periods, or was shortly before: a drive stands while no target comes, and is told to go on at speed.
    pub(crate) fn is_late(&self) -> bool {
        let period = self.shift.machine.plan.period_ns;
        self.shift.lates.iter().any(|(at, cycles, periods)| {
            let length = u64::from(*cycles) * (periods + 1) * period;
            (*at..at + length + LEAPS_NS).contains(&self.now)
        })
    }

    /// Bus or drives began to do something that nobody knew of, since then.
    pub(crate) fn shocked(&self, since: u64) -> bool {
        self.shift.shocks.iter().any(|at| (since..=self.now).contains(at))
    }
}

/// Where things are.
pub(crate) struct Wiring<'a> {
    shift: &'a Shift,
}

impl<'a> Wiring<'a> {
    pub(crate) fn new(shift: &'a Shift) -> Self {
        Self { shift }
    }

    pub(crate) fn signal(&self, name: &str) -> Option<SignalId> {
        self.shift.machine.names.signal(name)
    }

    /// The world's source behind an input of that name.
    pub(crate) fn source(&self, name: &str) -> Option<usize> {
        self.place(self.signal(name)?, |kind| match kind {
            DeviceKind::DigitalInput { channels, .. } => Some(usize::from(*channels)),
            _ => None,
        })
    }

    /// The world's output behind an output signal.
    pub(crate) fn output(&self, signal: SignalId) -> Option<usize> {
        self.place(signal, |kind| match kind {
            DeviceKind::DigitalOutput { channels } => Some(usize::from(*channels)),
            _ => None,
        })
    }

    /// Channels of such devices are counted through.
    fn place(
        &self,
        signal: SignalId,
        count: impl Fn(&DeviceKind) -> Option<usize>,
    ) -> Option<usize> {
        let machine = &self.shift.machine;
        let place = machine.bus.signals.get(usize::from(signal.0))?;
        let devices = &machine.virtual_cell.devices;
        count(&devices.get(place.subdevice)?.kind)?;
        let before = devices[..place.subdevice].iter();
        let first: usize = before.filter_map(|device| count(&device.kind)).sum();
        Some(first + usize::try_from(place.bit_offset).ok()?)
    }
}

/// A condition and since when it holds, without a break.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Since(Option<u64>);

impl Since {
    /// For how long it has held now, ns; `None`: it does not.
    pub(crate) fn update(&mut self, holds: bool, now: u64) -> Option<u64> {
        self.0 = holds.then(|| self.0.unwrap_or(now));
        self.0.map(|since| now - since)
    }
}

/// How many units of an axis a count is.
struct Scale {
    target: SignalId,
    controlword: SignalId,
    units_per_count: f64,
    servo: usize,
    /// Its place in the world.
    world: usize,
    /// Mechanical ends.
    ends: (f64, f64),
    before: i64,
    enabled_for: u32,
}

/// Everything that is judged.
pub(crate) struct Judge {
    scales: Vec<Scale>,
    axes: Vec<AxisSeen>,
    lamp: SignalId,
    still: still::Still,
    restart: restart::Restart,
    demand: demand::Demands,
    pub(crate) stops: Stops,
    speed: speed::Speeds,
    hang: hang::Hang,
    outputs: outputs::Outputs,
    separation: separation::Separation,
    /// Cycles in which the machine ran, and in which it moved too.
    pub(crate) ran: u64,
    pub(crate) moved: u64,
}

/// After the loop was late, loads swing for so long.
const LEAPS_NS: u64 = 1_000_000_000;
/// From an end that it was pressed against an axis springs back by less, units.
const END_MM: f64 = 5.0;
/// After so many cycles with torque a drive follows its targets, and the loop knows.
const FOLLOWS_AFTER: u32 = 6;

impl Judge {
    pub(crate) fn new(shift: &Shift, cell: &Cell) -> Self {
        let wiring = Wiring::new(shift);
        let machine = &shift.machine;
        let servos = shift.servos();
        let scales = machine.plan.axes.iter().enumerate().map(|(number, axis)| {
            let servo = &machine.virtual_cell.devices[servos[number]].kind;
            let DeviceKind::Servo(servo) = servo else { unreachable!("it is a servo") };
            let world = (0..machine.plan.axes.len())
                .find(|world| cell.machine_axis(*world) == Some(number));
            Scale {
                target: axis.signals.target_position,
                controlword: axis.signals.controlword,
                units_per_count: 1.0 / servo.counts_per_unit,
                ends: servo.hard_stops.unwrap_or((f64::NEG_INFINITY, f64::INFINITY)),
                servo: servos[number],
                world: world.expect("every axis is in the world"),
                before: 0,
                enabled_for: 0,
            }
        });
        let scales: Vec<Scale> = scales.collect();
        let world: Vec<usize> = scales.iter().map(|scale| scale.world).collect();
        let at: Vec<f64> =
            world.iter().map(|axis| cell.world().axis(*axis).expect("there").position).collect();
        Self {
            axes: vec![AxisSeen::default(); scales.len()],
            scales,
            lamp: wiring.signal("lamp_running").expect("the machine has a lamp"),
            still: still::Still::new(shift, &at),
            restart: restart::Restart::new(shift),
            demand: demand::Demands::new(shift),
            stops: Stops::new(shift),
            speed: speed::Speeds::new(shift),
            hang: hang::Hang::new(shift, &at),
            outputs: outputs::Outputs::new(shift),
            separation: separation::Separation::new(shift),
            ran: 0,
            moved: 0,
        }
    }

    /// Looks at the axes, then asks every rule.
    pub(crate) fn cycle(&mut self, seen: Seen<'_>) -> Option<Violation> {
        for (axis, scale) in self.axes.iter_mut().zip(&mut self.scales) {
            *axis = scale.look(&seen);
        }
        let run = seen.alive && seen.sent.get(self.lamp).value == 1;
        let seen = Seen { axes: &self.axes, run, ..seen };
        let mut found = Found::default();
        self.restart.cycle(&seen, &mut found);
        self.demand.cycle(&seen, &mut found);
        self.still.cycle(&seen, &mut found);
        self.stops.cycle(&seen, &mut found);
        self.speed.cycle(&seen, &mut found);
        self.hang.cycle(&seen, &mut found);
        self.outputs.cycle(&seen, &mut found);
        self.separation.cycle(&seen, &mut found);
        self.ran += u64::from(run);
        self.moved +=
            u64::from(run && self.axes.iter().any(|axis| axis.velocity.abs() > still::STANDS));
        found.0
    }

    /// This cycle, for people.
    pub(crate) fn line(&self, now: u64, events: &[Event]) -> String {
        let axes = self.axes.iter().map(|axis| {
            let AxisSeen { position, velocity, commanded, powered, .. } = axis;
            let power = if *powered { '+' } else { '-' };
            format!("  {power}{position:.3} {velocity:.2} ({commanded:.2})")
        });
        let told: Vec<String> = events.iter().map(|event| format!("\n    {event:?}")).collect();
        format!("{now:>14}{}{}", axes.collect::<String>(), told.concat())
    }

    /// All axes stand and have no torque.
    pub(crate) fn is_off(&self) -> bool {
        self.axes.iter().all(|axis| !axis.powered && axis.velocity.abs() < still::STANDS)
    }
}

impl Scale {
    fn look(&mut self, seen: &Seen<'_>) -> AxisSeen {
        let truth = seen.cell.world().axis(self.world).unwrap_or_default();
        let drive = seen.cell.segment().snapshot(self.servo).and_then(|device| device.drive);
        let state = drive.map(|drive| drive.state);
        let enabled = state == Some(DriveState::OperationEnabled)
            && seen.sent.get(self.controlword).value & 0x0F == 0x0F;
        self.enabled_for = if enabled { self.enabled_for.saturating_add(1) } else { 0 };
        let target = seen.sent.get(self.target).value;
        // Targets are 32 bits and wrap.
        let moved = i32::try_from((target - self.before) << 32 >> 32).expect("32 bits are kept");
        self.before = target;
        let takes = seen.alive && self.enabled_for >= FOLLOWS_AFTER;
        let commanded = if takes { f64::from(moved) * self.units_per_count * 1000.0 } else { 0.0 };
        AxisSeen {
            position: truth.position,
            velocity: truth.velocity,
            commanded,
            takes,
            at_end: truth.position < self.ends.0 + END_MM || truth.position > self.ends.1 - END_MM,
            powered: drive.is_some_and(|drive| drive.power),
            faulted: matches!(state, Some(DriveState::Fault | DriveState::FaultReactionActive)),
        }
    }
}
