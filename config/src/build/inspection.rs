//! `[[inspection]]` → [`InspectionPlan`].

use rt_core::inspection::{INSPECTIONS_MAX, InspectionId, InspectionPlan, TrackPlan};
use rt_core::plan::{AxisId, Cause, OutputPlan, OutputSource, Reaction};
use rt_core::signal::SignalId;
use rt_core::vision::StreamId;
use twin_lite::track::{LEGS_MAX, TRACK_MAX};
use twin_lite::units::Nano;

use super::Built;
use super::axes::{Axes, in_unit, positive, time_in};
use super::interlocks::Interlocks;
use super::names::{Table, check_count, check_identifier};
use super::signals::SignalTable;
use super::vision::Vision;
use crate::file::inspection as file;
use crate::machine::AxisUnit;
use crate::problem::{Problem, Problems, Span};
use crate::read::{Name, Position, Time};

const MS: i64 = 1_000_000;

/// What the sections became.
#[derive(Debug)]
pub(crate) struct Inspections {
    pub(crate) names: Table,
    /// `None`: it could not be made.
    pub(crate) plans: Vec<Option<InspectionPlan>>,
}

/// What an inspection may refer to.
pub(crate) struct Scope<'a, 'f> {
    pub(crate) axes: &'a Axes<'f>,
    pub(crate) signals: &'a SignalTable,
    pub(crate) vision: &'a Vision<'f>,
    pub(crate) period_ns: u64,
}

pub(crate) fn inspections(
    sections: &[file::Inspection],
    scope: &Scope<'_, '_>,
    problems: &mut Problems,
) -> Inspections {
    let mut out = Inspections { names: Table::new("an inspection"), plans: Vec::new() };
    if let Some(section) = sections.get(INSPECTIONS_MAX) {
        check_count(sections.len(), INSPECTIONS_MAX, "inspections", &section.name.span, problems);
    }
    for section in sections {
        check_identifier(&section.name, problems);
        out.names.add(&section.name, problems);
        let plan = inspection(section, scope, problems);
        let stream = plan.map(|plan| plan.stream);
        if stream.is_some() && out.plans.iter().flatten().any(|other| Some(other.stream) == stream)
        {
            problems.push(
                Problem::error("duplicate-id", &section.stream.span, "two inspections, one stream")
                    .expected("a stream for each: both count their triggers from 1")
                    .found(format!("`{}` again", section.stream.value))
                    .remedy("give the second camera a stream of its own"),
            );
        }
        out.plans.push(plan);
    }
    out
}

fn inspection(
    section: &file::Inspection,
    scope: &Scope<'_, '_>,
    problems: &mut Problems,
) -> Option<InspectionPlan> {
    let signals = scope.signals;
    let belts = belts(section, scope.axes, problems);
    let sensor = signals.input_bit(&section.sensor, "the sensor", problems);
    let trigger = signals.output_bit(&section.trigger, "the trigger", problems);
    let reject = signals.output_bit(&section.reject, "the ejector", problems);
    let stream = scope.vision.streams.find(&section.stream, problems);
    let belts = belts?;
    let unit = belts.iter().copied().flatten().next().map(|axis| scope.axes.unit(axis))?;
    let places = places(section, unit, problems);
    let times = times(section, scope.period_ns, problems);
    let (mut track, (ahead, slip_max)) = (places?, slip(section, unit, problems)?);
    let times = times?;
    track.sensor_ns = times.sensor_ns;
    track.trigger_ns = times.trigger_ns;
    track.capture_ns = times.capture_ns;
    track.pulse_ns = times.pulse_ns;
    track.delay_ns = times.delay_ns;
    track.output_ns = scope.period_ns;
    track.early_ns = scope.period_ns;
    track.slip_max = slip_max;
    check_room(section, &track, problems);
    let fastest = belts.iter().flatten().filter_map(|axis| scope.axes.plan(*axis));
    if let Some(fastest) = fastest.map(|axis| axis.limits.velocity).max() {
        check_speed(section, &track, fastest, problems);
    }
    Some(InspectionPlan {
        belts,
        sensor: sensor?,
        trigger: trigger?,
        reject: reject?,
        stream: StreamId(u8::try_from(stream?).ok()?),
        ahead,
        track,
    })
}

type Belts = [Option<AxisId>; LEGS_MAX];

fn belts(section: &file::Inspection, axes: &Axes<'_>, problems: &mut Problems) -> Option<Belts> {
    let names = &section.belts.0;
    let found: Vec<Option<AxisId>> = names.iter().map(|name| axes.find(name, problems)).collect();
    let mut units = found.iter().flatten().map(|axis| axes.unit(*axis));
    let first = units.next();
    let wrong = if names.is_empty() || names.len() > LEGS_MAX {
        Some(format!("{} belts", names.len()))
    } else if names.len() != section.transfers.len() + 1 {
        Some(format!("{} belts and {} transfers", names.len(), section.transfers.len()))
    } else if units.any(|unit| Some(unit) != first) {
        Some("belts of different units".to_owned())
    } else {
        None
    };
    if let Some(wrong) = wrong {
        problems.push(
            Problem::error("inspection-belts", &section.name.span, "its belts are no track")
                .expected("1 to 4 axes of one unit, and `transfers` between each two of them")
                .found(wrong)
                .remedy("list the belts in the order in which they carry a part"),
        );
        return None;
    }
    let mut out = [None; LEGS_MAX];
    for (place, axis) in out.iter_mut().zip(found) {
        *place = Some(axis?);
    }
    Some(out)
}

/// Places, in order; times are not in it yet.
fn places(
    section: &file::Inspection,
    unit: AxisUnit,
    problems: &mut Problems,
) -> Option<TrackPlan> {
    let mut above = |at: &Position, what: &str| positive(at, unit, what, problems);
    let part_length = above(&section.part_length, "the length of a part");
    let spacing = above(&section.spacing, "the spacing");
    let camera_at = above(&section.camera_at, "the place of the camera");
    let reject_at = above(&section.reject_at, "the place of the ejector");
    let tail = section.tail.as_ref().map_or(spacing, |tail| above(tail, "the tail"));
    let mut legs = [Nano::MAX; LEGS_MAX];
    let transfers: Vec<_> = section.transfers.iter().map(|at| above(at, "a transfer")).collect();
    let mut last = Nano::ZERO;
    for (leg, at) in legs.iter_mut().zip([Some(last)].into_iter().chain(transfers)) {
        let span = &section.name.span;
        *leg = at?;
        if *leg != Nano::ZERO {
            in_order((last, *leg), span, "a transfer", "the belt before it", problems);
        }
        last = *leg;
    }
    let (part_length, spacing) = (part_length?, spacing?);
    let (camera_at, reject_at) = (camera_at?, reject_at?);
    let first = section.part_length.span.clone();
    in_order(
        (part_length, spacing),
        &section.spacing.span,
        "`spacing`",
        "`part_length`",
        problems,
    )?;
    in_order(
        (camera_at, reject_at),
        &section.reject_at.span,
        "the ejector",
        "the camera",
        problems,
    )?;
    in_order((last, reject_at), &first, "the ejector", "the last transfer", problems)?;
    Some(TrackPlan {
        legs,
        part_length,
        spacing,
        camera_at,
        reject_at,
        tail: tail?,
        sensor_ns: 0,
        output_ns: 0,
        trigger_ns: 0,
        capture_ns: 0,
        early_ns: 0,
        pulse_ns: 0,
        delay_ns: 0,
        slip_max: Nano::ZERO,
    })
}

fn in_order(
    (before, after): (Nano, Nano),
    span: &Span,
    what: &str,
    other: &str,
    problems: &mut Problems,
) -> Option<()> {
    if before < after {
        return Some(());
    }
    problems.push(
        Problem::error("limits-order", span, format!("{what} is not behind {other}"))
            .expected(format!("more than {}", before.units()))
            .found(format!("{}", after.units()))
            .remedy("places are counted from the sensor, along the belts"),
    );
    None
}

struct Times {
    sensor_ns: u64,
    trigger_ns: u64,
    capture_ns: u64,
    pulse_ns: u64,
    delay_ns: u64,
}

fn times(section: &file::Inspection, period_ns: u64, problems: &mut Problems) -> Option<Times> {
    let period = i64::try_from(period_ns).unwrap_or(i64::MAX).min(100 * MS);
    let mut time =
        |at: &Option<Time>, or: i64, range: std::ops::RangeInclusive<i64>, what: &str| {
            let or = u64::try_from(or).ok();
            at.as_ref().map_or(or, |at| time_in(at, range, what, problems))
        };
    let sensor_ns = time(&section.sensor_delay, 0, 0..=1_000 * MS, "the delay of the sensor");
    let trigger_ns =
        time(&section.trigger_pulse, (5 * MS).max(period), period..=1_000 * MS, "the trigger");
    let capture_ns = time(&section.capture_within, 20 * MS, 0..=1_000 * MS, "the capture");
    let delay_ns = time(&section.delay, 0, 0..=10_000 * MS, "the delay of the ejector");
    let pulse_ns = time_in(&section.pulse, 2 * period..=10_000 * MS, "the pulse", problems);
    Some(Times {
        sensor_ns: sensor_ns?,
        trigger_ns: trigger_ns?,
        capture_ns: capture_ns?,
        pulse_ns: pulse_ns?,
        delay_ns: delay_ns?,
    })
}

/// Which value is the slip, and how much may be.
fn slip(
    section: &file::Inspection,
    unit: AxisUnit,
    problems: &mut Problems,
) -> Option<(Option<u8>, Nano)> {
    match (&section.slip_value, &section.slip_max) {
        (None, None) => Some((None, Nano::ZERO)),
        (Some(value), Some(most)) => {
            let most = in_unit(most, unit, problems)?;
            Some((Some(value.to()), most.magnitude()))
        }
        (_, _) => {
            problems.push(
                Problem::error("missing-key", &section.name.span, "half of the slip is missing")
                    .expected("`slip_value` and `slip_max`, or neither")
                    .found("one of the two")
                    .remedy("say which value is the slip, in µm, and how much may be corrected"),
            );
            None
        }
    }
}

/// All parts that can be on the track have a place.
fn check_room(section: &file::Inspection, track: &TrackPlan, problems: &mut Problems) {
    let long =
        i128::from(track.reject_at.0) + i128::from(track.tail.0) + i128::from(track.spacing.0);
    let parts = long / i128::from(track.spacing.0.max(1)) + 2;
    if parts > i128::try_from(TRACK_MAX).unwrap_or(0) {
        problems.push(
            Problem::error("track-full", &section.spacing.span, "more parts than can be followed")
                .expected(format!("at most {TRACK_MAX} from the sensor to the end of the tail"))
                .found(format!("{parts}"))
                .remedy("move the sensor towards the ejector, or shorten `tail`"),
        );
    }
}

/// At the speed that the belts may have: one trigger a part, a time for the result, and an ejector that hits one part.
fn check_speed(
    section: &file::Inspection,
    track: &TrackPlan,
    fastest: Nano,
    problems: &mut Problems,
) {
    let time_for =
        |length: Nano| i128::from(length.0) * 1_000_000_000 / i128::from(fastest.0.max(1));
    let ns = |ns: u64| i128::from(ns);
    let apart = time_for(track.spacing);
    let most = |what: &'static str, code: &'static str, span: &Span, need: i128, have: i128| {
        (need > have).then(|| {
            Problem::error(code, span, what)
                .expected(format!(
                    "at most {:.1} ms at the highest speed of the belts",
                    to_ms(have)
                ))
                .found(format!("{:.1} ms", to_ms(need)))
                .remedy("shorten it, lay parts further apart, or lower `velocity` of the belt")
        })
    };
    let trigger = ns(track.trigger_ns) + 2 * ns(track.output_ns);
    let capture = ns(track.capture_ns) + 2 * ns(track.early_ns);
    let free = Nano(track.spacing.0.saturating_sub(track.part_length.0 / 2));
    let pulse = ns(track.pulse_ns / 2) + 2 * ns(track.output_ns);
    let way = Nano(track.reject_at.0.saturating_sub(track.camera_at.0));
    let decision = ns(track.delay_ns) + pulse;
    let name = &section.name.span;
    let found = [
        most(
            "a trigger is not over when the next part comes",
            "trigger-overlap",
            name,
            trigger,
            apart,
        ),
        most(
            "`capture_within` lets a picture be of the next part",
            "capture-ambiguous",
            name,
            capture,
            apart,
        ),
        most(
            "the ejector hits the parts beside",
            "ejector-hits-neighbour",
            &section.pulse.span,
            pulse,
            time_for(free),
        ),
        most(
            "a part is decided before it is seen",
            "no-time-for-result",
            &section.reject_at.span,
            decision,
            time_for(way),
        ),
    ];
    problems.list.extend(found.into_iter().flatten());
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn to_ms(ns: i128) -> f64 {
    ns as f64 / 1e6
}

/// Trigger and ejector are outputs of an inspection, each of one.
pub(crate) fn check_outputs(
    sections: &[file::Inspection],
    built: &Built<'_>,
    outputs: &[OutputPlan],
    problems: &mut Problems,
) {
    let mut used: Vec<SignalId> = Vec::new();
    let mut check = |signal: SignalId, name: &Name| {
        let own = |output: &&OutputPlan| {
            output.signal == signal && output.source == OutputSource::Inspection
        };
        if !outputs.iter().any(|output| own(&output)) || used.contains(&signal) {
            problems.push(
                Problem::error(
                    "inspection-output",
                    &name.span,
                    "it is not the inspection's to work",
                )
                .expected("an [[output]] with `source = \"inspection\"`, used once")
                .found(format!("`{}`", name.value))
                .remedy("add it, with the group of the belt and its safe state"),
            );
        }
        used.push(signal);
    };
    for (section, plan) in sections.iter().zip(&built.inspections.plans) {
        if let Some(plan) = plan {
            check(plan.trigger, &section.trigger);
            check(plan.reject, &section.reject);
        }
    }
    let all_made = built.inspections.plans.iter().all(Option::is_some);
    for output in outputs.iter().filter(|output| output.source == OutputSource::Inspection) {
        let Some(span) = built.devices.signals.span(output.signal) else { continue };
        if all_made && problems.lost.is_empty() && !used.contains(&output.signal) {
            problems.push(
                Problem::error("inspection-output", span, "no inspection works this output")
                    .expected("an [[inspection]] with it as `trigger` or `reject`")
                    .found(format!("`{}`", built.devices.signals.name(output.signal)))
                    .remedy("name it there, or change its source"),
            );
        }
    }
}

/// A part that was to be rejected and was not stops the belt that carries it on.
// SR-091
pub(crate) fn check(
    sections: &[file::Inspection],
    built: &Built<'_>,
    interlocks: &Interlocks,
    problems: &mut Problems,
) {
    if !problems.lost.is_empty() {
        return;
    }
    let ids = (0..=u8::MAX).map(InspectionId);
    for ((section, plan), inspection) in sections.iter().zip(&built.inspections.plans).zip(ids) {
        let Some(plan) = plan else { continue };
        let last = plan.belts.iter().flatten().last().and_then(|axis| built.axes.plan(*axis));
        let Some(group) = last.map(|axis| axis.group) else { continue };
        let stops = interlocks.plans.iter().any(|row| {
            row.cause == Cause::Inspection { inspection }
                && row
                    .effects
                    .iter()
                    .any(|effect| effect.group == group && effect.reaction >= Reaction::Stop2)
        });
        if !stops {
            problems.push(
                Problem::error(
                    "uncovered-cause",
                    &section.name.span,
                    "nothing stops the belt when a bad part was not rejected",
                )
                .expected(format!(
                    "an interlock with cause {{ kind = \"inspection\", inspection = \"{}\" }} that stops its last belt",
                    section.name.value
                ))
                .found("none, or only a warning or speed limit")
                .remedy("add it, with latch = true: a person takes the part out, then resets"),
            );
        }
    }
}
