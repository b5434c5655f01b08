//! Causes that are devices in a person's hand or way, contactors, requests and limits.

use rt_core::interlock::Band;
use rt_core::plan::{AxisId, Bits, Cause, DualChannelKind, MutingPlan, Watched};
use rt_core::signal::SignalId;

use super::axes::{above_zero, in_unit, positive, time_in};
use super::interlocks::Scope;
use crate::file::safety as file;
use crate::file::safety::CauseKind;
use crate::problem::{Problem, Problems, Span};
use crate::read::{Name, Time};

const MS: i64 = 1_000_000;
/// 0x6040 bit 3: enable operation.
const ENABLE_OPERATION: i64 = 0x08;
/// 0x6041 bit 2: operation enabled.
const OPERATION_ENABLED: i64 = 0x04;

/// A cause that is one device.
pub(crate) fn device(
    cause: &file::Cause,
    scope: &Scope<'_, '_>,
    problems: &mut Problems,
) -> Option<Cause> {
    use CauseKind as K;
    match cause.kind.value {
        K::Edm => edm(cause, scope, problems),
        K::SafetyRequest => request(cause, scope, problems),
        K::SignalLimit => signal_limit(cause, scope, problems),
        K::StaleVision => {
            let place = scope.vision.streams.find(cause.stream.as_ref()?, problems)?;
            let stream = rt_core::vision::StreamId(u8::try_from(place).ok()?);
            Some(Cause::StaleVision { stream })
        }
        K::TwoHand => {
            let (a, b) = channels(cause, scope, problems)?;
            let synchronous_ns =
                or(cause.synchronous.as_ref(), 500 * MS, 50 * MS..=500 * MS, "the time", problems)?;
            Some(Cause::TwoHand { a, b, synchronous_ns })
        }
        K::EnablingSwitch => {
            let (a, b) = channels(cause, scope, problems)?;
            Some(Cause::EnablingSwitch { a, b })
        }
        _ => contacts(cause, scope, problems),
    }
}

/// Two contacts that must agree.
fn contacts(cause: &file::Cause, scope: &Scope<'_, '_>, problems: &mut Problems) -> Option<Cause> {
    use CauseKind as K;
    let kind = cause.kind.value;
    let (a, b) = channels(cause, scope, problems)?;
    let default = if kind == K::LightCurtain { 50 * MS } else { 500 * MS };
    let range = MS..=10_000 * MS;
    let discrepancy_ns =
        or(cause.discrepancy.as_ref(), default, range, "the discrepancy time", problems)?;
    let dual = |kind| Cause::DualChannel { a, b, discrepancy_ns, kind };
    Some(match (kind, &cause.muting) {
        (K::Antivalent, _) => Cause::Antivalent { closed: a, open: b, discrepancy_ns },
        (K::EmergencyStop, _) => dual(DualChannelKind::EmergencyStop),
        (K::GuardDoor, _) => dual(DualChannelKind::GuardDoor),
        (K::LightCurtain, Some(section)) => {
            muting(section, (a, b, discrepancy_ns), scope, problems)?
        }
        (K::LightCurtain, None) => dual(DualChannelKind::LightCurtain),
        (_, _) => dual(DualChannelKind::Equivalent),
    })
}

fn or(
    time: Option<&Time>,
    default: i64,
    range: std::ops::RangeInclusive<i64>,
    what: &str,
    problems: &mut Problems,
) -> Option<u64> {
    time.map_or_else(|| u64::try_from(default).ok(), |time| time_in(time, range, what, problems))
}

/// Channels a and b: two inputs.
fn channels(
    cause: &file::Cause,
    scope: &Scope<'_, '_>,
    problems: &mut Problems,
) -> Option<(SignalId, SignalId)> {
    let channel = |name: &Option<Name>, role: &str, problems: &mut Problems| {
        name.as_ref().and_then(|name| scope.signals.input_bit(name, role, problems))
    };
    let a = channel(&cause.a, "channel a", problems);
    let b = channel(&cause.b, "channel b", problems);
    if let (Some(first), Some(second)) = (&cause.a, &cause.b)
        && first.value == second.value
    {
        problems.push(same_channel(first, second));
        return None;
    }
    Some((a?, b?))
}

fn same_channel(first: &Name, second: &Name) -> Problem {
    Problem::error("same-channel", &second.span, "both channels are the same signal")
        .expected("two inputs: two contacts, two wires")
        .found(format!("`{}` twice", second.value))
        .remedy("wire and name the second contact")
        .related(&first.span, "channel a")
}

fn muting(
    section: &file::Muting,
    (a, b, discrepancy_ns): (SignalId, SignalId, u64),
    scope: &Scope<'_, '_>,
    problems: &mut Problems,
) -> Option<Cause> {
    let count = section.sensors.len();
    if count != 2 && count != 4 {
        problems.push(
            Problem::error("muting-sensors", &section.span, "these sensors cannot tell a part")
                .expected("two sensors with crossed beams, or four in a row")
                .found(count.to_string())
                .remedy("list two, or two before the curtain and two behind it"),
        );
    }
    let mut sensors = [None; 4];
    for (at, name) in section.sensors.iter().enumerate() {
        let id = scope.signals.input_bit(name, "the muting sensor", problems);
        if let Some(first) = section.sensors.iter().take(at).find(|one| one.value == name.value) {
            problems.push(same_channel(first, name));
        }
        if let Some(place) = sensors.get_mut(at) {
            *place = id;
        }
    }
    let entry = section.entry.as_ref();
    let entry_ns = or(entry, 1_000 * MS, 10 * MS..=4_000 * MS, "the entry time", problems);
    let range = 100 * MS..=600_000 * MS;
    let muting_ns = time_in(&section.max, range, "the longest muting", problems);
    let lamp = section.lamp.as_ref();
    let lamp = lamp.map(|name| scope.signals.output_bit(name, "the muting lamp", problems));
    let (entry_ns, muting_ns) = (entry_ns?, muting_ns?);
    if entry_ns >= muting_ns {
        problems.push(
            Problem::error("limits-order", &section.max.span, "muting ends before it can begin")
                .expected("`max` above `entry`")
                .found(section.max.show())
                .remedy("allow the time that a part needs to pass"),
        );
    }
    let complete = sensors.iter().flatten().count() == count;
    complete.then_some(Cause::Muting(MutingPlan {
        a,
        b,
        discrepancy_ns,
        sensors,
        entry_ns,
        muting_ns,
        lamp: lamp.flatten(),
    }))
}

fn within(cause: &file::Cause, most: i64, problems: &mut Problems) -> Option<u64> {
    time_in(cause.within.as_ref()?, MS..=most, "the time", problems)
}

fn edm(cause: &file::Cause, scope: &Scope<'_, '_>, problems: &mut Problems) -> Option<Cause> {
    let output = cause.output.as_ref();
    let output = output.and_then(|at| scope.signals.output_bit(at, "the contactor", problems));
    let names = cause.feedback.as_ref().map_or(&[][..], |list| &list.0);
    if let Some(third) = names.get(2) {
        problems.push(
            Problem::error("too-many", &third.span, "too many feedback contacts")
                .expected("one contactor, or two in series")
                .found(names.len().to_string())
                .remedy("make an interlock of each contactor"),
        );
    }
    let mut contacts = names.iter().take(2);
    let mut contact = |problems: &mut Problems| {
        contacts.next().map(|at| scope.signals.input_bit(at, "the feedback contact", problems))
    };
    let (feedback, second) = (contact(problems), contact(problems));
    let time_ns = within(cause, 10_000 * MS, problems);
    let second = match second {
        Some(second) => Some(second?),
        None => None,
    };
    Some(Cause::Edm { output: output?, feedback: feedback??, second, time_ns: time_ns? })
}

/// An output asks with 0, an input confirms with 1.
fn request(cause: &file::Cause, scope: &Scope<'_, '_>, problems: &mut Problems) -> Option<Cause> {
    let output = cause.output.as_ref();
    let output = output.and_then(|at| scope.signals.output_bit(at, "the request", problems));
    let input = cause.confirmation.as_ref();
    let input = input.and_then(|at| scope.signals.input_bit(at, "the confirmation", problems));
    let time_ns = within(cause, 60_000 * MS, problems)?;
    Some(Cause::SafetyRequest {
        request: Bits { signal: output?, mask: 1, value: 0 },
        confirmation: Bits { signal: input?, mask: 1, value: 1 },
        time_ns,
    })
}

/// The raw value of an input.
fn signal_limit(
    cause: &file::Cause,
    scope: &Scope<'_, '_>,
    problems: &mut Problems,
) -> Option<Cause> {
    let name = cause.signal.as_ref()?;
    let signal = scope.signals.find(name, problems)?;
    let direction = scope.signals.plan(signal)?.direction;
    if direction != fieldbus::plan::Direction::Input {
        problems.push(
            Problem::error("not-an-input", &name.span, "a limit watches an input")
                .expected("a channel that a device writes")
                .found(format!("the output `{}`", name.value))
                .remedy("use the signal of an input terminal"),
        );
    }
    let low = cause.low.as_ref().map(|low| low.to::<i64>());
    let high = cause.high.as_ref().map(|high| high.to::<i64>());
    let wrong = match (low, high) {
        (None, None) => Some("neither `low` nor `high`".to_owned()),
        (Some(low), Some(high)) if low >= high => Some(format!("{low} and {high}")),
        (_, _) => None,
    };
    if let Some(found) = wrong {
        problems.push(
            Problem::error("limits-order", &cause.span, "this limit limits nothing")
                .expected("`low`, `high`, or both with low < high")
                .found(found)
                .remedy("say what is in order"),
        );
        return None;
    }
    let hysteresis = cause.hysteresis.as_ref().map_or(0, |at| at.to::<i64>());
    let band = Band { low, high, hysteresis, filter_ns: filter(cause, problems)? };
    Some(Cause::Threshold { of: Watched::Signal(signal), band })
}

fn filter(cause: &file::Cause, problems: &mut Problems) -> Option<u64> {
    or(cause.filter.as_ref(), 0, 0..=60_000 * MS, "the filter time", problems)
}

/// Limits and requests of one axis.
pub(crate) fn of_axis(
    cause: &file::Cause,
    axis: AxisId,
    span: &Span,
    scope: &Scope<'_, '_>,
    problems: &mut Problems,
) -> Option<Cause> {
    let plan = scope.axes.plan(axis)?;
    let unit = scope.axes.unit(axis);
    match cause.kind.value {
        CauseKind::NotReferenced => Some(Cause::NotReferenced { axis }),
        CauseKind::SafetyRequest => Some(Cause::SafetyRequest {
            request: Bits { signal: plan.signals.controlword, mask: ENABLE_OPERATION, value: 0 },
            confirmation: Bits {
                signal: plan.signals.statusword,
                mask: OPERATION_ENABLED,
                value: 0,
            },
            time_ns: within(cause, 60_000 * MS, problems)?,
        }),
        CauseKind::SpeedLimit => {
            let speed_at = cause.speed.as_ref()?;
            let high = positive(speed_at, unit, "the speed", problems)?;
            if high >= plan.limits.velocity {
                problems.push(never(&speed_at.span, &speed_at.show()));
            }
            let filter_ns = filter(cause, problems)?;
            let band = Band { high: Some(high.0), hysteresis: high.0 / 20, filter_ns, low: None };
            Some(Cause::Threshold { of: Watched::Speed(axis), band })
        }
        CauseKind::PositionLimit => {
            let (from_at, to_at) = (cause.from.as_ref()?, cause.to.as_ref()?);
            let (from, to) = (in_unit(from_at, unit, problems), in_unit(to_at, unit, problems));
            let (from, to) = (from?, to?);
            if from >= to {
                problems.push(
                    Problem::error("limits-order", &from_at.span, "`from` is not below `to`")
                        .expected("from < to")
                        .found(format!("{} and {}", from_at.show(), to_at.show()))
                        .remedy("swap them"),
                );
            }
            let filter_ns = filter(cause, problems)?;
            let band = Band { low: Some(from.0), high: Some(to.0), hysteresis: 0, filter_ns };
            Some(Cause::Threshold { of: Watched::Position(axis), band })
        }
        _ => torque(cause, axis, span, scope, problems),
    }
}

fn never(span: &Span, found: &str) -> Problem {
    Problem::error("without-effect", span, "the axis is never so fast")
        .expected("below the velocity limit of the axis, which the gate holds anyway")
        .found(found)
        .remedy("choose a lower speed, or remove the interlock")
}

fn torque(
    cause: &file::Cause,
    axis: AxisId,
    span: &Span,
    scope: &Scope<'_, '_>,
    problems: &mut Problems,
) -> Option<Cause> {
    let share = cause.torque.as_ref()?;
    above_zero(share, "the torque", problems);
    if !(10_000_000..=5_000_000_000).contains(&share.nano) {
        problems.push(
            Problem::error("out-of-range", &share.span, "the torque is out of range")
                .expected("1 % to 500 % of the rated torque")
                .found(share.show())
                .remedy("choose a share in this range"),
        );
    }
    if scope.axes.plan(axis)?.signals.actual_torque.is_none() {
        problems.push(
            Problem::error("cause-impossible", span, "the drive does not say its torque")
                .expected("0x6077 mapped")
                .found("it is not")
                .remedy("map it in `input_pdo` of the drive"),
        );
    }
    let high = Some(share.nano / 1_000_000);
    let band = Band { high, hysteresis: 20, filter_ns: filter(cause, problems)?, low: None };
    Some(Cause::Threshold { of: Watched::Torque(axis), band })
}
