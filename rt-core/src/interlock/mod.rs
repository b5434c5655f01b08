//! Interlocks: every cause yields permit or demand, the worst reaction of a group wins, a latch outlives its demand.
//!
//! A check that did not run, a value that is missing, stale or unknown: demand. What loosens is never automatic beyond what the plan says:
//!
//! | reaction | `latch = false` | `latch = true` |
//! | --- | --- | --- |
//! | `Warn`, `LimitSpeed` | ends by itself with its demand | once clear, a reset lets it go, in `Run` too |
//! | `Stop2`, `Stop1`, `Stop0` | once clear, a fresh start is needed (no reset) | once clear, reset, then a fresh start |

pub mod block;
mod checks;
mod ledger;
mod overruns;
mod twin;

pub use block::selector::Mode;
pub use block::threshold::Band;
pub use checks::Verdict;
pub use overruns::Overruns;
pub use twin::{Boundary, Prediction, TwinCheck, still};

use crate::bus::Exchange;
use crate::plan::{
    Block, Cause, Directions, Effect, GroupId, InterlockId, InterlockPlan, MachinePlan, ModePlan,
    Reaction, StopOrder, When,
};
use crate::program::AxisView;
use crate::record::{Body, Event};
use crate::separation::SeparationRecord;
use crate::signal::{Quality, Sample, SignalId, Signals};
use crate::step::Log;
use crate::vision::StreamView;
use alloc::boxed::Box;
use alloc::vec::Vec;
use block::selector::Selector;
use block::{Code, level};
use checks::Memory;
use ledger::Ledger;
use twin_lite::tape::{Tape, Taped};
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
    /// Position last sent to the drive.
    pub commanded: Nano,
    /// Where the gate's ramp would end if it began now.
    pub commanded_stop: Nano,
    /// Stopping distance that the twin predicts for the gate's ramp, ≥ 0, margin included.
    pub stopping: Nano,
    /// Largest following error that is no demand.
    pub following_error_max: Nano,
    /// What of the stopping distance is margin.
    pub margin: Nano,
    /// The longest of the stopping distances that can happen: the ramp's, that of a loop that is gone, and where torque is gone or a row may
    /// take it, how far it coasts. Separation uses it.
    pub stopping_worst: Nano,
    /// A row may take its torque in motion.
    pub can_coast: bool,
    /// The drive stops by itself (quick stop active).
    pub quick_stopping: bool,
    /// Ways that are free: a limit switch that is hit blocks its own, a row or the mode what it says.
    pub directions: Directions,
    /// The twin doubts its model of this axis.
    pub doubted: bool,
    /// Speed that keeps motor and drive cool enough, per s; `None`: any.
    pub derated: Option<Nano>,
    /// From enabling the drive until its brake is free, ns: it ignores its target so long.
    pub brake_release_ns: u64,
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
    /// By `InspectionId`: something that should have been rejected passed in this cycle.
    pub missed: &'a [bool],
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
    // SR-002
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

    /// Takes one effect in: stops by the group's order, the first of equals stays; speed limits by value.
    fn add(&mut self, order: StopOrder, reaction: Reaction, interlock: InterlockId, input_at: u64) {
        match reaction {
            // SR-005
            Reaction::None | Reaction::Warn => {}
            Reaction::LimitSpeed(limit) => self.speed_limit = self.speed_limit.min(limit),
            Reaction::Stop2 | Reaction::Stop1 | Reaction::Stop0 => {
                if self.stop.is_none_or(|stop| order.rank(reaction) > order.rank(stop.reaction)) {
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
    /// What its check said last.
    code: Code,
    /// What became of the twin's decisions.
    ledger: Ledger,
}

/// What an interlock asks of an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputDemand {
    /// Which.
    pub signal: SignalId,
    /// Be in the safe state.
    pub safe: bool,
    /// A light curtain is muted: its lamp is on.
    pub lamp: bool,
}

/// How a demand is read where a person holds a device for as long as the machine may move: letting go is no fault, and refuses no reset.
fn is_held(cause: &Cause) -> bool {
    matches!(cause, Cause::EnablingSwitch { .. } | Cause::TwoHand { .. })
}

taped!(Row { memory, demand, latched, ran, code, ledger; plan, stops });

impl Row {
    /// It counts in this mode.
    fn counts(&self, mode: Mode) -> bool {
        match (self.plan.when, mode) {
            (When::Always, _) | (_, Mode::Unknown) => true,
            (When::Automatic, Mode::Automatic) | (When::Manual, Mode::Manual) => true,
            (When::Automatic, Mode::Manual) | (When::Manual, Mode::Automatic) => false,
        }
    }

    /// One cycle; `selected` is what the mode selector says.
    fn run(
        &mut self,
        interlock: InterlockId,
        facts: &Facts<'_>,
        (mode, selected): (Mode, Code),
        log: &mut Log<'_>,
    ) -> Verdict {
        let mut verdict = self.memory.check(&self.plan.cause, facts, selected);
        if let Some(foresight) = verdict.foresight {
            self.ledger.update(&foresight, log);
        }
        if !self.counts(mode) {
            (verdict.demand, verdict.cap) = (None, None);
        }
        if let Some(judged) = verdict.separation {
            log.write(Body::Separation(SeparationRecord::of(interlock, &judged)));
        }
        match (self.demand, verdict.demand) {
            (None, Some(_)) => log.event(Event::Demand { interlock }),
            (Some(_), None) => log.event(Event::Clear { interlock }),
            (Some(_), Some(_)) | (None, None) => {}
        }
        let told = self.demand.is_some() && self.code == verdict.code;
        if verdict.demand.is_some() && verdict.code != Code::DEMAND && !told {
            log.event(Event::Diagnostic { interlock, code: verdict.code.0 });
        }
        // The evidence of a demand is what began it.
        self.demand = verdict.demand.map(|input_at| self.demand.unwrap_or(input_at));
        self.code = verdict.code;
        self.ran = true;
        if self.plan.latch {
            // SR-006
            self.latched = self.latched.or(self.demand);
        }
        verdict
    }

    /// What it asks of outputs.
    fn ask_outputs(&self, outputs: &mut [OutputDemand]) {
        let (active, muted) = (self.active().is_some(), self.memory.is_muted());
        let lamp = match self.plan.cause {
            Cause::Muting(muting) if muted => muting.lamp,
            _ => None,
        };
        if !active && lamp.is_none() {
            return;
        }
        for output in outputs {
            output.safe |= active && self.plan.outputs.contains(&output.signal);
            output.lamp |= lamp == Some(output.signal);
        }
    }

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
    drive_fault: bool,
    reset_refused: bool,
    demanding: u16,
    latched: u16,
}

taped!(Tally {
    first_stop,
    first_latching_stop,
    stop_demanded,
    drive_fault,
    reset_refused,
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
        // SR-003
        // What never ran demands.
        if demands || !row.ran {
            let drive_fault = matches!(row.plan.cause, Cause::DriveFault { .. });
            self.stop_demanded = true;
            self.drive_fault |= drive_fault;
            self.reset_refused |= !drive_fault && !is_held(&row.plan.cause);
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
    /// By `GroupId`: which stop is the worse.
    orders: Box<[StopOrder]>,
    /// By `AxisId`: the group it slows with.
    axis_groups: Box<[GroupId]>,
    outputs: Box<[OutputDemand]>,
    /// By `AxisId`: ways that no row and no mode closes.
    directions: Box<[Directions]>,
    selector: Option<(ModePlan, Selector)>,
    mode: Mode,
}

impl Taped for Interlocks {
    fn tape<T: Tape>(&mut self, tape: &mut T) {
        let Self {
            rows,
            tally,
            groups,
            orders: _,
            axis_groups: _,
            outputs,
            // Written before they are read, in each cycle.
            directions: _,
            selector,
            mode,
        } = self;
        rows.tape(tape);
        tally.tape(tape);
        groups.tape(tape);
        for OutputDemand { signal: _, safe, lamp } in outputs {
            safe.tape(tape);
            lamp.tape(tape);
        }
        if let Some((_, selector)) = selector {
            selector.tape(tape);
        }
        mode.tape(tape);
    }
}

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
                code: Code::IDLE,
                ledger: Ledger::default(),
            })
            .collect();
        Self {
            outputs: outputs_of(plan),
            directions: plan.axes.iter().map(|_| Directions::BOTH).collect(),
            selector: plan.mode.clone().map(|mode| (mode, Selector::default())),
            mode: if plan.mode.is_some() { Mode::Unknown } else { Mode::Automatic },
            tally: Tally::of(&rows),
            rows,
            groups: plan.groups.iter().map(|_| GroupDemand::NONE).collect(),
            orders: plan.groups.iter().map(|group| group.stop.order).collect(),
            axis_groups: plan.axes.iter().map(|axis| axis.group).collect(),
        }
    }

    /// What warmth leaves of the speed: motion is told, and nothing is ever given that was not there.
    // SR-052
    fn derate(&mut self, axes: &[AxisFacts]) {
        for (facts, group) in axes.iter().zip(&self.axis_groups) {
            if let Some(speed) = facts.derated
                && let Some(demand) = self.groups.get_mut(usize::from(group.0))
            {
                demand.speed_advised = demand.speed_advised.min(speed);
            }
        }
    }

    /// Runs every check, writes demands and clearances, and collects what is asked of each group.
    // SR-004, SR-006
    pub fn evaluate(&mut self, facts: &Facts<'_>, log: &mut Log<'_>) {
        self.groups.fill(GroupDemand::NONE);
        for output in &mut self.outputs {
            (output.safe, output.lamp) = (false, false);
        }
        self.directions.fill(Directions::BOTH);
        let selected = self.select(facts, log);
        let mut tally = Tally::default();
        for (number, row) in self.rows.iter_mut().enumerate() {
            let interlock = InterlockId(u16::try_from(number).unwrap_or(u16::MAX));
            let verdict = row.run(interlock, facts, (self.mode, selected), log);
            tally.add(interlock, row);
            row.ask_outputs(&mut self.outputs);
            if let Some(input_at) = row.active() {
                for Effect { group, reaction } in &row.plan.effects {
                    let place = usize::from(group.0);
                    let order = self.orders.get(place).copied().unwrap_or_default();
                    if let Some(demand) = self.groups.get_mut(place) {
                        demand.add(order, *reaction, interlock, input_at);
                    }
                }
                close(&mut self.directions, &row.plan.blocks);
            }
            if let Some(cap) = verdict.cap
                && let Some(group) = self.axis_groups.get(usize::from(cap.axis.0))
                && row.plan.effects.iter().any(|effect| effect.group == *group)
                && let Some(demand) = self.groups.get_mut(usize::from(group.0))
            {
                // SR-029
                demand.speed_advised = demand.speed_advised.min(cap.speed);
            }
        }
        self.derate(facts.axes);
        self.tally = tally;
    }

    /// Reads the mode selector; in manual every group is held to its speed and its ways.
    fn select(&mut self, facts: &Facts<'_>, log: &mut Log<'_>) -> Code {
        let Some((plan, selector)) = &mut self.selector else { return Code::UNKNOWN };
        let sample = |signal| level(facts.sample(signal));
        let (automatic, manual) = (sample(plan.automatic), sample(plan.manual));
        let code = selector.update(automatic, manual, plan.monitor_ns, facts.now);
        let (from, to) = (self.mode, selector.mode());
        if from != to {
            self.mode = to;
            log.event(Event::Mode { from, to });
        }
        if to != Mode::Automatic {
            for (demand, speed) in self.groups.iter_mut().zip(&plan.speeds) {
                demand.speed_limit = demand.speed_limit.min(*speed);
            }
            close(&mut self.directions, &plan.blocks);
        }
        code
    }

    /// How the machine is worked; automatic if it has no selector.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// What is asked of outputs.
    #[must_use]
    pub fn outputs(&self) -> &[OutputDemand] {
        &self.outputs
    }

    /// Ways that no row and no mode closes, by `AxisId`.
    #[must_use]
    pub fn directions(&self) -> &[Directions] {
        &self.directions
    }

    /// What an interlock says of its device; one that does not exist has never run.
    #[must_use]
    pub fn code(&self, interlock: InterlockId) -> Code {
        let row = self.rows.get(usize::from(interlock.0));
        row.map_or(Code::IDLE, |row| match (row.code.permits(), row.latched) {
            (true, Some(_)) => Code::RESET_REQUIRED,
            (_, _) => row.code,
        })
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

    /// A stop is demanded that refuses a reset: not by a drive fault (it goes only through a reset, so it must not prevent one), nor by
    /// a device that a person holds for as long as the machine may move.
    #[must_use]
    pub fn refuses_reset(&self) -> bool {
        self.tally.reset_refused
    }

    /// A drive fault stops a group right now.
    #[must_use]
    pub fn any_drive_fault(&self) -> bool {
        self.tally.drive_fault
    }

    /// How many demand, and how many are held by their latch alone.
    #[must_use]
    pub fn counts(&self) -> (u16, u16) {
        (self.tally.demanding, self.tally.latched)
    }
}

/// Takes these ways out.
// SR-080
fn close(directions: &mut [Directions], blocks: &[Block]) {
    for Block { axis, left } in blocks {
        if let Some(ways) = directions.get_mut(usize::from(axis.0)) {
            *ways = ways.and(*left);
        }
    }
}

/// Every output that an interlock asks something of, once.
fn outputs_of(plan: &MachinePlan) -> Box<[OutputDemand]> {
    let lamp = |interlock: &InterlockPlan| match interlock.cause {
        Cause::Muting(muting) => muting.lamp,
        _ => None,
    };
    let all = plan.interlocks.iter();
    let all = all.flat_map(|row| row.outputs.iter().copied().chain(lamp(row)));
    let mut out: Vec<OutputDemand> = Vec::new();
    for signal in all {
        if out.iter().all(|output| output.signal != signal) {
            out.push(OutputDemand { signal, safe: true, lamp: false });
        }
    }
    out.into_boxed_slice()
}

#[cfg(test)]
mod tests;
