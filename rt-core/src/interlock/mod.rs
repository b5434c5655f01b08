//! Interlocks: every cause yields permit or demand, the worst reaction of a group wins, a latch outlives its demand.
//!
//! A check that did not run, a value that is missing, stale or unknown: demand. What loosens is never automatic beyond what the plan says:
//!
//! | reaction | `latch = false` | `latch = true` |
//! | --- | --- | --- |
//! | `Warn`, `LimitSpeed` | ends by itself with its demand | once clear, a reset lets it go, in `Run` too |
//! | `Stop2`, `Stop1`, `Stop0` | once clear, a fresh start is needed (no reset) | once clear, reset, then a fresh start |

mod checks;
mod dual_channel;
mod overruns;
mod twin;

pub use checks::Verdict;
pub use dual_channel::DualChannel;
pub use overruns::Overruns;
pub use twin::{Boundary, Prediction, TwinCheck, still};

use crate::bus::Exchange;
use crate::plan::{Cause, Effect, GroupId, InterlockId, InterlockPlan, MachinePlan, Reaction};
use crate::program::AxisView;
use crate::record::Event;
use crate::signal::{Quality, Sample, SignalId, Signals};
use crate::step::Log;
use crate::vision::StreamView;
use alloc::boxed::Box;
use checks::Memory;
use twin_lite::{Nano, taped};

/// What interlocks and gate know of an axis this cycle, in integers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct AxisFacts {
    /// As everyone sees it.
    pub view: AxisView,
    /// The drive's mode is CSP, or it does not say which it is in.
    pub in_position_mode: bool,
    /// Actual position.
    pub position: Nano,
    /// Actual velocity as the twin estimates it, per s.
    pub velocity: Nano,
    /// Velocity last sent to the drive, per s.
    pub commanded_velocity: Nano,
    /// Where the gate's ramp would end if it began now.
    pub commanded_stop: Nano,
    /// Stopping distance that the twin predicts for the gate's ramp, ≥ 0, margin included.
    pub stopping: Nano,
    /// Largest following error that is no demand.
    pub following_error_max: Nano,
    /// What of the stopping distance is margin.
    pub margin: Nano,
}

/// Everything that interlocks look at in one cycle.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// ns of CLOCK_MONOTONIC.
    pub now: u64,
    /// All signals.
    pub signals: &'a Signals,
    /// What the bus did.
    pub exchange: &'a Exchange,
    /// By `AxisId`.
    pub axes: &'a [AxisFacts],
    /// By `StreamId`.
    pub streams: &'a [StreamView],
    /// More overruns than the plan allows.
    pub overruns_exceeded: bool,
    /// Last heartbeat of the supervisor, ns; 0 = never.
    pub supervisor_at: u64,
    /// From [`stale_after_ns`]: how old an input may be that the last exchange did not bring.
    pub stale_after_ns: u64,
}

impl Facts<'_> {
    /// An input as interlocks take it: the last good value counts until it is older than its age limit.
    #[must_use]
    pub fn sample(&self, signal: SignalId) -> Sample {
        let sample = self.signals.get(signal);
        let young = self.now.saturating_sub(sample.at) <= self.stale_after_ns;
        match sample.quality {
            Quality::Stale if young => Sample { quality: Quality::Good, ..sample },
            Quality::Stale | Quality::Good | Quality::Missing => sample,
        }
    }

    /// The value of an input that counts.
    #[must_use]
    pub fn value(&self, signal: SignalId) -> Option<i64> {
        let sample = self.sample(signal);
        (sample.quality == Quality::Good).then_some(sample.value)
    }
}

/// Age limit of inputs, ns: they may miss fewer exchanges in a row than the strictest `WorkingCounter` interlock allows; without one, none.
///
/// On top of what they may miss comes a period each for the age that a sample has when it arrives (it was taken at SYNC0), and for the wait
/// until the deadline of the exchange that is judged.
#[must_use]
pub fn stale_after_ns(plan: &MachinePlan) -> u64 {
    let cycles = |interlock: &InterlockPlan| match interlock.cause {
        Cause::WorkingCounter { cycles, .. } => Some(u64::from(cycles)),
        _ => None,
    };
    match plan.interlocks.iter().filter_map(cycles).min() {
        Some(cycles) if cycles > 1 => (cycles + 1) * plan.period_ns,
        Some(_) | None => 0,
    }
}

/// The strongest stop that is asked of a group, and by whom.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stop {
    /// `Stop2`, `Stop1` or `Stop0`.
    pub reaction: Reaction,
    /// Who asks.
    pub interlock: InterlockId,
    /// When the input that caused it came in, ns.
    pub input_at: u64,
}

/// What all interlocks together ask of one group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupDemand {
    /// The strongest stop; `None`: no stop.
    pub stop: Option<Stop>,
    /// The lowest speed limit, per s; `Nano::MAX`: none. The gate holds motion to it.
    pub speed_limit: Nano,
    /// The lowest speed that the twin advises, per s; `Nano::MAX`: none. Motion is told; what it does not heed ends in the twin's stop.
    pub speed_advised: Nano,
}

taped!(Stop { reaction, interlock, input_at });
taped!(GroupDemand { stop, speed_limit, speed_advised });

impl GroupDemand {
    /// Nothing is asked.
    pub const NONE: Self = Self { stop: None, speed_limit: Nano::MAX, speed_advised: Nano::MAX };

    /// Takes one effect in: stops by strength, the first of equals stays; speed limits by value.
    fn add(&mut self, reaction: Reaction, interlock: InterlockId, input_at: u64) {
        match reaction {
            Reaction::None | Reaction::Warn => {}
            Reaction::LimitSpeed(limit) => self.speed_limit = self.speed_limit.min(limit),
            Reaction::Stop2 | Reaction::Stop1 | Reaction::Stop0 => {
                if self.stop.is_none_or(|stop| reaction > stop.reaction) {
                    self.stop = Some(Stop { reaction, interlock, input_at });
                }
            }
        }
    }
}

/// One interlock with its memory.
#[derive(Clone, Debug)]
struct Row {
    plan: InterlockPlan,
    /// Any of its effects stops a group.
    stops: bool,
    memory: Memory,
    /// Since when it demands, as evidence; `None`: it permits.
    demand: Option<u64>,
    /// It demanded, and nobody has reset since: the evidence of the first demand.
    latched: Option<u64>,
    /// It has run at least once.
    ran: bool,
}

taped!(Row { memory, demand, latched, ran; plan, stops });

impl Row {
    /// Its effects apply, with this evidence.
    fn active(&self) -> Option<u64> {
        self.latched.or(self.demand)
    }
}

/// What all rows together say, taken in one pass.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    /// The first row that stops a group, demanding or latched; and the first of those that latch.
    first_stop: Option<InterlockId>,
    first_latching_stop: Option<InterlockId>,
    stop_demanded: bool,
    stop_demanded_but_drive_faults: bool,
    demanding: u16,
    latched: u16,
}

taped!(Tally {
    first_stop,
    first_latching_stop,
    stop_demanded,
    stop_demanded_but_drive_faults,
    demanding,
    latched,
});

impl Tally {
    fn of(rows: &[Row]) -> Self {
        let mut tally = Self::default();
        for (number, row) in (0_u16..=u16::MAX).zip(rows) {
            tally.add(InterlockId(number), row);
        }
        tally
    }

    fn add(&mut self, interlock: InterlockId, row: &Row) {
        let demands = row.demand.is_some();
        self.demanding = self.demanding.saturating_add(u16::from(demands));
        self.latched = self.latched.saturating_add(u16::from(!demands && row.latched.is_some()));
        if !row.stops || (row.active().is_none() && row.ran) {
            return;
        }
        self.first_stop = self.first_stop.or(Some(interlock));
        if row.plan.latch {
            self.first_latching_stop = self.first_latching_stop.or(Some(interlock));
        }
        // What never ran demands.
        if demands || !row.ran {
            self.stop_demanded = true;
            self.stop_demanded_but_drive_faults |=
                !matches!(row.plan.cause, Cause::DriveFault { .. });
        }
    }
}

/// All interlocks of the machine.
#[derive(Clone, Debug)]
pub struct Interlocks {
    rows: Box<[Row]>,
    /// Of `rows` as they are.
    tally: Tally,
    groups: Box<[GroupDemand]>,
    /// By `AxisId`: the group it slows with.
    axis_groups: Box<[GroupId]>,
}

taped!(Interlocks { rows, tally, groups; axis_groups });

impl Interlocks {
    /// All of `plan`, none of them run yet.
    #[must_use]
    pub fn new(plan: &MachinePlan) -> Self {
        let stops = |effect: &Effect| effect.reaction >= Reaction::Stop2;
        let rows: Box<[Row]> = plan
            .interlocks
            .iter()
            .map(|interlock| Row {
                plan: interlock.clone(),
                stops: interlock.effects.iter().any(stops),
                memory: Memory::new(&interlock.cause, plan),
                demand: None,
                latched: None,
                ran: false,
            })
            .collect();
        Self {
            tally: Tally::of(&rows),
            rows,
            groups: plan.groups.iter().map(|_| GroupDemand::NONE).collect(),
            axis_groups: plan.axes.iter().map(|axis| axis.group).collect(),
        }
    }

    /// Runs every check, writes demands and clearances, and collects what is asked of each group.
    pub fn evaluate(&mut self, facts: &Facts<'_>, log: &mut Log<'_>) {
        self.groups.fill(GroupDemand::NONE);
        let mut tally = Tally::default();
        for (number, row) in self.rows.iter_mut().enumerate() {
            let interlock = InterlockId(u16::try_from(number).unwrap_or(u16::MAX));
            let verdict = row.memory.check(&row.plan.cause, facts);
            match (row.demand, verdict.demand) {
                (None, Some(_)) => log.event(Event::Demand { interlock }),
                (Some(_), None) => log.event(Event::Clear { interlock }),
                (Some(_), Some(_)) | (None, None) => {}
            }
            // The evidence of a demand is what began it.
            row.demand = verdict.demand.map(|input_at| row.demand.unwrap_or(input_at));
            row.ran = true;
            if row.plan.latch {
                row.latched = row.latched.or(row.demand);
            }
            tally.add(interlock, row);
            if let Some(input_at) = row.active() {
                for Effect { group, reaction } in &row.plan.effects {
                    if let Some(demand) = self.groups.get_mut(usize::from(group.0)) {
                        demand.add(*reaction, interlock, input_at);
                    }
                }
            }
            if let Some(cap) = verdict.cap
                && let Some(group) = self.axis_groups.get(usize::from(cap.axis.0))
                && row.plan.effects.iter().any(|effect| effect.group == *group)
                && let Some(demand) = self.groups.get_mut(usize::from(group.0))
            {
                demand.speed_advised = demand.speed_advised.min(cap.speed);
            }
        }
        self.tally = tally;
    }

    /// What is asked of each group, by `GroupId`.
    #[must_use]
    pub fn groups(&self) -> &[GroupDemand] {
        &self.groups
    }

    /// An interlock that stops a group demands right now, or has never run.
    #[must_use]
    pub fn any_stop_demanded(&self) -> bool {
        self.tally.stop_demanded
    }

    /// The first interlock that stops a group, demanding or latched, and whether it is one that latches.
    #[must_use]
    pub fn first_stop(&self) -> Option<(InterlockId, bool)> {
        let latching = self.tally.first_latching_stop.map(|interlock| (interlock, true));
        latching.or(self.tally.first_stop.map(|interlock| (interlock, false)))
    }

    /// A person has reset: every latch whose demand is gone is let go.
    pub fn reset(&mut self) {
        for row in &mut self.rows {
            if row.demand.is_none() {
                row.latched = None;
            }
        }
        self.tally = Tally::of(&self.rows);
    }

    /// Something else than a drive fault stops a group right now. (A drive fault goes only through a reset, so it must not prevent one.)
    #[must_use]
    pub fn any_stop_demanded_but_drive_faults(&self) -> bool {
        self.tally.stop_demanded_but_drive_faults
    }

    /// How many demand, and how many are held by their latch alone.
    #[must_use]
    pub fn counts(&self) -> (u16, u16) {
        (self.tally.demanding, self.tally.latched)
    }
}

#[cfg(test)]
mod tests;
