//! One function a cause: from what is known this cycle to permit or demand.

use super::block::antivalent::Antivalent;
use super::block::edm::Edm;
use super::block::enabling::Enabling;
use super::block::equivalent::Equivalent;
use super::block::guard::Guard;
use super::block::muting::{Limits as MutingLimits, Muting};
use super::block::request::Request;
use super::block::threshold::Threshold;
use super::block::two_hand::TwoHand;
use super::block::{Code, Level, level};
use super::ledger::Foresight;
use super::{AxisFacts, Boundary, Facts, TwinCheck};
use crate::bus::BusState;
use crate::plan::{AxisId, AxisPlan, Bits, Cause, DualChannelKind, MachinePlan, Watched};
use crate::separation::{Judged, Separation};
use crate::signal::SignalId;
use crate::vision::{StreamId, StreamView};
use alloc::boxed::Box;
use twin_lite::Nano;
use twin_lite::tape::{Tape, Taped};

/// Enabling a drive takes some cycles before it follows the target, ns.
const TARGET_IGNORED_DEBOUNCE_NS: u64 = 20_000_000;

/// A speed that an axis may not exceed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cap {
    /// Which axis.
    pub axis: AxisId,
    /// per s, ≥ 0.
    pub speed: Nano,
}

/// What one check says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// A demand, and when the input that caused it came in, ns; `None`: permit.
    pub demand: Option<u64>,
    /// Slow before stop.
    pub cap: Option<Cap>,
    /// What is wrong, in a code.
    pub code: Code,
    /// What separation found, to be recorded.
    pub separation: Option<Judged>,
    /// What the twin foresees, where its decisions are recorded.
    pub foresight: Option<Foresight>,
}

impl Verdict {
    const PERMIT: Self =
        Self { demand: None, cap: None, code: Code::ENABLED, separation: None, foresight: None };

    fn demanded(input_at: u64) -> Self {
        Self::of(Code::DEMAND, input_at)
    }

    fn demand_if(demand: bool, input_at: u64) -> Self {
        Self::of(if demand { Code::DEMAND } else { Code::ENABLED }, input_at)
    }

    /// What a block says.
    fn of(code: Code, input_at: u64) -> Self {
        let demand = (!code.permits()).then_some(input_at);
        Self { demand, cap: None, code, separation: None, foresight: None }
    }
}

/// What a check remembers from cycle to cycle, or was prepared with.
#[derive(Clone, Debug)]
pub(super) enum Memory {
    /// Nothing.
    None,
    /// Wrong working counters in a row.
    Cycles(u8),
    /// Since when the target has been ignored, ns.
    Since(Option<u64>),
    /// What to ask the twin; `None`: the plan names no such axis or limit, unknown is a demand.
    Twin(Option<TwinCheck>),
    /// What to ask of separation; `None`: the plan names what is not there.
    Separation(Option<Box<Separation>>),
    /// The blocks.
    Equivalent(Equivalent),
    Antivalent(Antivalent),
    Guard(Guard),
    Enabling(Enabling),
    TwoHand(TwoHand),
    Muting(Equivalent, Muting),
    Edm(Edm),
    Request(Request),
    Threshold(Threshold),
}

/// Which memory it is, its cause decides.
impl Taped for Memory {
    fn tape<T: Tape>(&mut self, tape: &mut T) {
        match self {
            Self::None | Self::Twin(_) | Self::Separation(_) => {}
            Self::Equivalent(pair) => pair.tape(tape),
            Self::Antivalent(pair) => pair.tape(tape),
            Self::Guard(guard) => guard.tape(tape),
            Self::Enabling(switch) => switch.tape(tape),
            Self::TwoHand(hands) => hands.tape(tape),
            Self::Muting(pair, muting) => {
                pair.tape(tape);
                muting.tape(tape);
            }
            Self::Edm(edm) => edm.tape(tape),
            Self::Request(request) => request.tape(tape),
            Self::Threshold(threshold) => threshold.tape(tape),
            Self::Cycles(wrong) => wrong.tape(tape),
            Self::Since(since) => since.tape(tape),
        }
    }
}

impl Memory {
    /// For `cause`.
    pub(super) fn new(cause: &Cause, plan: &MachinePlan) -> Self {
        let check = |axis: &AxisId, boundary: &dyn Fn(&AxisPlan) -> Option<Boundary>| {
            let axis = plan.axes.get(usize::from(axis.0))?;
            let can_coast = plan.can_coast(axis.group);
            Some(TwinCheck::new(axis, boundary(axis)?, plan.period_ns, can_coast))
        };
        match cause {
            Cause::DualChannel { kind: DualChannelKind::GuardDoor, .. } => {
                Self::Guard(Guard::default())
            }
            Cause::DualChannel { .. } => Self::Equivalent(Equivalent::default()),
            Cause::Antivalent { .. } => Self::Antivalent(Antivalent::default()),
            Cause::EnablingSwitch { .. } => Self::Enabling(Enabling::default()),
            Cause::TwoHand { .. } => Self::TwoHand(TwoHand::default()),
            Cause::Muting(_) => Self::Muting(Equivalent::default(), Muting::default()),
            Cause::Edm { .. } => Self::Edm(Edm::default()),
            Cause::SafetyRequest { .. } => Self::Request(Request::default()),
            Cause::Threshold { .. } => Self::Threshold(Threshold::default()),
            Cause::WorkingCounter { .. } => Self::Cycles(0),
            Cause::TargetIgnored { .. } => Self::Since(None),
            Cause::TwinLimit { axis } => {
                let limits = |(low, high)| Boundary::Limits(low, high);
                let check = check(axis, &|axis| axis.limits.position.map(limits));
                let modes = plan.twin.as_ref().map(|twin| (twin.slow, twin.stop));
                Self::Twin(check.map(|check| check.recorded(modes)))
            }
            Cause::TwinZone { axis, from, to, .. } => {
                Self::Twin(check(axis, &|_| Some(Boundary::Zone(*from, *to))))
            }
            Cause::Separation(separation) => {
                Self::Separation(Separation::new(*separation, plan).map(Box::new))
            }
            Cause::Zone { .. }
            | Cause::TwinDoubt { .. }
            | Cause::FollowingError { .. }
            | Cause::DriveFault { .. }
            | Cause::Bus
            | Cause::DcUnlocked
            | Cause::Overrun
            | Cause::Supervisor { .. }
            | Cause::Input { .. }
            | Cause::NotReferenced { .. }
            | Cause::StaleVision { .. }
            | Cause::Inspection { .. }
            | Cause::ModeSelector => Self::None,
        }
    }

    /// One cycle of `cause`; `mode` is what the selector says. A memory that does not fit its cause is a check that did not run: demand.
    pub(super) fn check(&mut self, cause: &Cause, facts: &Facts<'_>, mode: Code) -> Verdict {
        let now = facts.now;
        // SR-002, SR-014, SR-033, SR-034, SR-035, SR-037
        match (cause, self) {
            (Cause::Zone { stream, zone }, Self::None) => {
                not_clear(facts, *stream, *zone).map_or(Verdict::PERMIT, Verdict::demanded)
            }
            (Cause::StaleVision { stream }, Self::None) => {
                let view = facts.streams.get(usize::from(stream.0));
                Verdict::demand_if(view.is_none_or(|view| view.refusal.is_some()), now)
            }
            // SR-091
            (Cause::Inspection { inspection }, Self::None) => {
                let missed = facts.missed.get(usize::from(inspection.0));
                Verdict::demand_if(missed.is_none_or(|missed| *missed), now)
            }
            (Cause::TwinLimit { axis }, Self::Twin(Some(twin))) => predict(twin, facts, *axis, now),
            (Cause::TwinZone { axis, stream, zone, .. }, Self::Twin(Some(twin))) => {
                match not_clear(facts, *stream, *zone) {
                    Some(input_at) => predict(twin, facts, *axis, input_at),
                    None => Verdict::PERMIT,
                }
            }
            (Cause::Separation(_), Self::Separation(Some(separation))) => {
                let judged = separation.judge(facts);
                let cap = judged.speed.map(|speed| Cap { axis: separation.axis(), speed });
                let verdict = Verdict::demand_if(judged.stop, judged.input_at);
                Verdict { cap, separation: Some(judged), ..verdict }
            }
            (Cause::TargetIgnored { axis }, Self::Since(since)) => of_axis(facts, *axis, |axis| {
                let ignored = axis.view.enabled && !axis.view.follows_target;
                *since = ignored.then(|| since.unwrap_or(now));
                let patience = TARGET_IGNORED_DEBOUNCE_NS.saturating_add(axis.brake_release_ns);
                since.is_some_and(|since| now.saturating_sub(since) > patience)
            }),
            (Cause::WorkingCounter { unit, cycles }, Self::Cycles(wrong)) => {
                let good = 1_u64.checked_shl(u32::from(*unit)).is_some_and(|bit| {
                    facts.exchange.units_all & facts.exchange.units_good & bit != 0
                });
                *wrong = if good { 0 } else { wrong.saturating_add(1) };
                Verdict::demand_if(*wrong >= (*cycles).max(1), now)
            }
            (Cause::ModeSelector, Self::None) => Verdict::of(mode, now),
            (cause, Self::None) => stateless(cause, facts),
            (cause, memory) => memory.block(cause, facts),
        }
    }

    /// One cycle of a cause that is a block.
    fn block(&mut self, cause: &Cause, facts: &Facts<'_>) -> Verdict {
        let now = facts.now;
        let level = |signal: SignalId| level(facts.sample(signal));
        match (cause, self) {
            // SR-014
            (Cause::DualChannel { a, b, discrepancy_ns, .. }, Self::Equivalent(pair)) => {
                let code = pair.update(level(*a), level(*b), *discrepancy_ns, now);
                Verdict::of(code, evidence(facts, &[*a, *b]))
            }
            (Cause::DualChannel { a, b, discrepancy_ns, .. }, Self::Guard(guard)) => {
                let code = guard.update(level(*a), level(*b), *discrepancy_ns, now);
                Verdict::of(code, evidence(facts, &[*a, *b]))
            }
            (Cause::Antivalent { closed, open, discrepancy_ns }, Self::Antivalent(pair)) => {
                let code = pair.update(level(*closed), level(*open), *discrepancy_ns, now);
                Verdict::of(code, evidence(facts, &[*closed, *open]))
            }
            (Cause::EnablingSwitch { a, b }, Self::Enabling(switch)) => {
                Verdict::of(switch.update(level(*a), level(*b)), evidence(facts, &[*a, *b]))
            }
            (Cause::TwoHand { a, b, synchronous_ns }, Self::TwoHand(hands)) => {
                let code = hands.update(level(*a), level(*b), *synchronous_ns, now);
                Verdict::of(code, evidence(facts, &[*a, *b]))
            }
            (Cause::Muting(plan), Self::Muting(pair, muting)) => {
                let curtain = pair.update(level(plan.a), level(plan.b), plan.discrepancy_ns, now);
                let clear = (curtain != Code::UNKNOWN).then(|| curtain.permits());
                let sensors = plan.sensors.map(|sensor| sensor.map_or(Some(false), level));
                let sequence = plan.sensors.iter().flatten().count() > 2;
                let (entry_ns, muting_ns) = (plan.entry_ns, plan.muting_ns);
                let limits = MutingLimits { sequence, entry_ns, muting_ns };
                let code = muting.update(clear, sensors, &limits, now);
                Verdict::of(code, evidence(facts, &[plan.a, plan.b]))
            }
            (Cause::Edm { output, feedback, second, time_ns }, Self::Edm(edm)) => {
                let on = level(*output);
                let contacts = [Some(*feedback), *second].map(|at| at.map(level));
                let known = contacts.iter().flatten().all(Option::is_some);
                let follows = contacts.iter().flatten().all(|closed| closed.map(|c| !c) == on);
                let code = edm.update(on, known.then_some(follows), *time_ns, now);
                Verdict::of(code, facts.sample(*feedback).at.max(1))
            }
            (Cause::SafetyRequest { request, confirmation, time_ns }, Self::Request(block)) => {
                let code =
                    block.update(says(facts, request), says(facts, confirmation), *time_ns, now);
                Verdict::of(code, now)
            }
            (Cause::Threshold { of, band }, Self::Threshold(threshold)) => {
                Verdict::of(threshold.update(watched(facts, *of), band, now), now)
            }
            (_, _) => Verdict::of(Code::IDLE, now),
        }
    }

    /// Its light curtain is muted.
    pub(super) fn is_muted(&self) -> bool {
        matches!(self, Self::Muting(_, muting) if muting.is_muted())
    }
}

/// Causes that remember nothing.
fn stateless(cause: &Cause, facts: &Facts<'_>) -> Verdict {
    let now = facts.now;
    match cause {
        Cause::FollowingError { axis } => of_axis(facts, *axis, |axis| {
            let error = Nano::from_units(axis.view.following_error);
            error.is_none_or(|error| error.magnitude() > axis.following_error_max)
        }),
        // SR-053
        Cause::TwinDoubt { axis } => of_axis(facts, *axis, |axis| axis.doubted),
        Cause::DriveFault { axis } => of_axis(facts, *axis, |axis| axis.view.fault),
        Cause::NotReferenced { axis } => of_axis(facts, *axis, |axis| !axis.view.referenced),
        // SR-034
        Cause::Bus => Verdict::demand_if(facts.exchange.state != BusState::Operational, now),
        // SR-035
        Cause::DcUnlocked => Verdict::demand_if(facts.exchange.dc_unlocked, now),
        Cause::Overrun => Verdict::demand_if(facts.overruns_exceeded, now),
        // SR-037
        Cause::Supervisor { age_max_ns } => {
            let silent =
                facts.supervisor_at == 0 || now.saturating_sub(facts.supervisor_at) > *age_max_ns;
            Verdict::demand_if(silent, facts.supervisor_at.max(1))
        }
        Cause::Input { signal } => {
            let open = facts.value(*signal) != Some(1);
            Verdict::demand_if(open, evidence(facts, &[*signal]))
        }
        // SR-002
        _ => Verdict::of(Code::IDLE, now),
    }
}

/// When the first input that is not 1 came in; now, if it is not known.
fn evidence(facts: &Facts<'_>, signals: &[SignalId]) -> u64 {
    let mut at = facts.now;
    for signal in signals {
        let sample = facts.sample(*signal);
        match level(sample) {
            None => return facts.now,
            Some(false) => return sample.at,
            Some(true) => at = sample.at,
        }
    }
    at
}

/// What some bits say.
fn says(facts: &Facts<'_>, bits: &Bits) -> Level {
    facts.value(bits.signal).map(|value| value & bits.mask == bits.value)
}

/// The value that a threshold watches; `None`: not known.
fn watched(facts: &Facts<'_>, of: Watched) -> Option<i64> {
    let axis = |id: AxisId| facts.axes.get(usize::from(id.0)).filter(|axis| axis.view.inputs_good);
    match of {
        Watched::Signal(signal) => facts.value(signal),
        Watched::Speed(id) => axis(id).map(|axis| axis.velocity.magnitude().0),
        Watched::Position(id) => {
            axis(id).filter(|axis| axis.view.referenced).map(|axis| axis.position.0)
        }
        Watched::Torque(id) => axis(id).map(|axis| i64::from(axis.view.torque_permille).abs()),
    }
}

/// A zone that is not clear, and since which picture: when it was captured, or now if there is none that counts.
fn not_clear(facts: &Facts<'_>, stream: StreamId, zone: u8) -> Option<u64> {
    let view = facts.streams.get(usize::from(stream.0)).copied().unwrap_or(StreamView::SILENT);
    let input_at = if view.refusal.is_none() { view.captured_at } else { facts.now };
    (!view.is_clear(zone)).then_some(input_at)
}

/// Asks the twin; an axis that does not exist cannot be predicted.
fn predict(twin: &TwinCheck, facts: &Facts<'_>, axis: AxisId, input_at: u64) -> Verdict {
    let Some(known) = facts.axes.get(usize::from(axis.0)) else {
        return Verdict::demand_if(true, facts.now);
    };
    let foreseen = twin.predict(known);
    let foresight = twin.foresight(axis, known, &foreseen);
    // SR-051
    let prediction = twin.in_mode(foreseen);
    let cap = prediction.speed.map(|speed| Cap { axis, speed });
    Verdict { cap, foresight, ..Verdict::demand_if(prediction.stop, input_at) }
}

/// A demand if `bad`, or if the axis' inputs do not say.
fn of_axis(facts: &Facts<'_>, axis: AxisId, mut bad: impl FnMut(&AxisFacts) -> bool) -> Verdict {
    let known = facts.axes.get(usize::from(axis.0));
    let demand = known.is_none_or(|axis| bad(axis) || !axis.view.inputs_good);
    Verdict::demand_if(demand, facts.now)
}
