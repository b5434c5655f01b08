//! One function a cause: from what is known this cycle to permit or demand.

use super::{AxisFacts, Boundary, DualChannel, Facts, TwinCheck};
use crate::bus::BusState;
use crate::plan::{AxisId, Cause, MachinePlan};
use crate::signal::Quality;
use crate::vision::{StreamId, StreamView};
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
}

impl Verdict {
    const PERMIT: Self = Self { demand: None, cap: None };

    fn demand_if(demand: bool, input_at: u64) -> Self {
        Self { demand: demand.then_some(input_at), cap: None }
    }
}

/// What a check remembers from cycle to cycle, or was prepared with.
#[derive(Clone, Debug)]
pub(super) enum Memory {
    /// Nothing.
    None,
    /// Agreement of two channels.
    Dual(DualChannel),
    /// Wrong working counters in a row.
    Cycles(u8),
    /// Since when the target has been ignored, ns.
    Since(Option<u64>),
    /// What to ask the twin; `None`: the plan names no such axis or limit, unknown is a demand.
    Twin(Option<TwinCheck>),
}

/// Which memory it is, its cause decides.
impl Taped for Memory {
    fn tape<T: Tape>(&mut self, tape: &mut T) {
        match self {
            Self::None | Self::Twin(_) => {}
            Self::Dual(pair) => pair.tape(tape),
            Self::Cycles(wrong) => wrong.tape(tape),
            Self::Since(since) => since.tape(tape),
        }
    }
}

impl Memory {
    /// For `cause`.
    pub(super) fn new(cause: &Cause, plan: &MachinePlan) -> Self {
        let check = |axis: &AxisId, boundary: &dyn Fn() -> Option<Boundary>| {
            let axis = plan.axes.get(usize::from(axis.0))?;
            Some(TwinCheck::new(axis, boundary()?, plan.period_ns))
        };
        match cause {
            Cause::DualChannel { .. } => Self::Dual(DualChannel::default()),
            Cause::WorkingCounter { .. } => Self::Cycles(0),
            Cause::TargetIgnored { .. } => Self::Since(None),
            Cause::TwinLimit { axis } => {
                let limits = || {
                    let axis = plan.axes.get(usize::from(axis.0))?;
                    axis.limits.position.map(|(low, high)| Boundary::Limits(low, high))
                };
                Self::Twin(check(axis, &limits))
            }
            Cause::TwinZone { axis, from, to, .. } => {
                Self::Twin(check(axis, &|| Some(Boundary::Zone(*from, *to))))
            }
            Cause::Zone { .. }
            | Cause::FollowingError { .. }
            | Cause::DriveFault { .. }
            | Cause::Bus
            | Cause::DcUnlocked
            | Cause::Overrun
            | Cause::Supervisor { .. }
            | Cause::Input { .. } => Self::None,
        }
    }

    /// One cycle of `cause`. A memory that does not fit its cause is a check that did not run: demand.
    pub(super) fn check(&mut self, cause: &Cause, facts: &Facts<'_>) -> Verdict {
        let now = facts.now;
        match (cause, self) {
            (Cause::DualChannel { a, b, discrepancy_ns, kind: _ }, Self::Dual(pair)) => {
                let (a, b) = (facts.sample(*a), facts.sample(*b));
                Verdict { demand: pair.update(a, b, *discrepancy_ns, now), cap: None }
            }
            (Cause::Zone { stream, zone }, Self::None) => {
                Verdict { demand: not_clear(facts, *stream, *zone), cap: None }
            }
            (Cause::TwinLimit { axis }, Self::Twin(Some(twin))) => predict(twin, facts, *axis, now),
            (Cause::TwinZone { axis, stream, zone, .. }, Self::Twin(Some(twin))) => {
                match not_clear(facts, *stream, *zone) {
                    Some(input_at) => predict(twin, facts, *axis, input_at),
                    None => Verdict::PERMIT,
                }
            }
            (Cause::FollowingError { axis }, Self::None) => of_axis(facts, *axis, |axis| {
                let error = Nano::from_units(axis.view.following_error);
                error.is_none_or(|error| error.magnitude() > axis.following_error_max)
            }),
            (Cause::DriveFault { axis }, Self::None) => {
                of_axis(facts, *axis, |axis| axis.view.fault)
            }
            (Cause::TargetIgnored { axis }, Self::Since(since)) => of_axis(facts, *axis, |axis| {
                let ignored = axis.view.enabled && !axis.view.follows_target;
                *since = ignored.then(|| since.unwrap_or(now));
                since.is_some_and(|since| now.saturating_sub(since) > TARGET_IGNORED_DEBOUNCE_NS)
            }),
            (Cause::WorkingCounter { unit, cycles }, Self::Cycles(wrong)) => {
                let good = 1_u64.checked_shl(u32::from(*unit)).is_some_and(|bit| {
                    facts.exchange.units_all & facts.exchange.units_good & bit != 0
                });
                *wrong = if good { 0 } else { wrong.saturating_add(1) };
                Verdict::demand_if(*wrong >= (*cycles).max(1), now)
            }
            (Cause::Bus, Self::None) => {
                Verdict::demand_if(facts.exchange.state != BusState::Operational, now)
            }
            (Cause::DcUnlocked, Self::None) => Verdict::demand_if(facts.exchange.dc_unlocked, now),
            (Cause::Overrun, Self::None) => Verdict::demand_if(facts.overruns_exceeded, now),
            (Cause::Supervisor { age_max_ns }, Self::None) => {
                let silent = facts.supervisor_at == 0
                    || now.saturating_sub(facts.supervisor_at) > *age_max_ns;
                Verdict::demand_if(silent, facts.supervisor_at.max(1))
            }
            (Cause::Input { signal }, Self::None) => {
                let sample = facts.sample(*signal);
                let good = sample.quality == Quality::Good;
                let input_at = if good { sample.at } else { now };
                Verdict::demand_if(!good || sample.value != 1, input_at)
            }
            (_, _) => Verdict::demand_if(true, now),
        }
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
    let prediction = twin.predict(known);
    Verdict {
        demand: prediction.stop.then_some(input_at),
        cap: prediction.speed.map(|speed| Cap { axis, speed }),
    }
}

/// A demand if `bad`, or if the axis' inputs do not say.
fn of_axis(facts: &Facts<'_>, axis: AxisId, mut bad: impl FnMut(&AxisFacts) -> bool) -> Verdict {
    let known = facts.axes.get(usize::from(axis.0));
    let demand = known.is_none_or(|axis| bad(axis) || !axis.view.inputs_good);
    Verdict::demand_if(demand, facts.now)
}
