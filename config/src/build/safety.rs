//! `[control]` and `[[output]]`.

use rt_core::plan::{AxisId, ControlPlan, OutputPlan, OutputSource};

use super::axes::{Axes, time_in};
use super::signals::SignalTable;
use crate::file::safety as file;
use crate::file::safety::SourceWord;
use crate::problem::{Problem, Problems};

pub(crate) fn control(
    section: &file::Control,
    signals: &SignalTable,
    problems: &mut Problems,
) -> Option<ControlPlan> {
    let reset = signals.input_bit(&section.reset, "the reset button", problems);
    let start = signals.input_bit(&section.start, "the start button", problems);
    let stop =
        section.stop.as_ref().map(|stop| signals.input_bit(stop, "the stop button", problems));
    let buttons = [Some(&section.reset), Some(&section.start), section.stop.as_ref()];
    for (at, name) in buttons.iter().enumerate() {
        let Some(name) = name else { continue };
        let earlier = buttons.iter().take(at).flatten().find(|other| other.value == name.value);
        if let Some(first) = earlier {
            problems.push(
                Problem::error("same-channel", &name.span, "two buttons on one input")
                    .expected("an input for each button")
                    .found(format!("`{}` twice", name.value))
                    .remedy("a reset must not be a start at the same time: wire them apart")
                    .related(&first.span, "the first"),
            );
        }
    }
    let ms = 1_000_000;
    let press_min = section.press_min.as_ref().map_or(Some(50_000_000), |time| {
        time_in(time, 10 * ms..=1_000 * ms, "the shortest press", problems)
    });
    let press_max = section.press_max.as_ref().map_or(Some(3_000_000_000), |time| {
        time_in(time, 100 * ms..=30_000 * ms, "the longest press", problems)
    });
    if let (Some(min), Some(max), Some(at)) =
        (press_min, press_max, section.press_max.as_ref().or(section.press_min.as_ref()))
        && min >= max
    {
        problems.push(
            Problem::error("limits-order", &at.span, "no press is long and short enough")
                .expected("press_min below press_max")
                .found(at.show())
                .remedy("correct one of the two"),
        );
    }
    Some(ControlPlan {
        reset: reset?,
        start: start?,
        stop: match stop {
            Some(stop) => Some(stop?),
            None => None,
        },
        press_min_ns: press_min?,
        press_max_ns: press_max?,
    })
}

pub(crate) fn outputs(
    (sections, interlocks): (&[file::Output], &[file::Interlock]),
    axes: &Axes<'_>,
    signals: &mut SignalTable,
    problems: &mut Problems,
) -> Vec<OutputPlan> {
    let mut out = Vec::new();
    for section in sections {
        let Some(signal) = signals.output(&section.signal, "the output", problems) else {
            continue;
        };
        let (source, who) = writer(section.source);
        signals.claim(signal, &section.signal.span, who, problems);
        let safe = section.safe.as_ref().map_or(0, |safe| safe.to::<i64>());
        if let (Some(at), Some(plan)) = (&section.safe, signals.plan(signal))
            && !fits(safe, plan.bits, plan.signed)
        {
            problems.push(
                Problem::error("value-range", &at.span, "the safe value does not fit the output")
                    .expected(format!("a value of {} bits", plan.bits))
                    .found(safe.to_string())
                    .remedy("correct it"),
            );
        }
        let hold = section.hold.as_ref().is_some_and(|hold| hold.value);
        if let Some(at) = section.hold.as_ref().filter(|_| hold && source != OutputSource::Program)
        {
            problems.push(
                Problem::error("key-does-not-fit", &at.span, "only the program's outputs can hold")
                    .expected("`hold` with source = \"program\"")
                    .found(format!("it with {who}"))
                    .remedy("remove it"),
            );
        }
        let group = match &section.group {
            Some(name) => match axes.find_group(name, problems) {
                Some(group) => Some(group),
                None => continue,
            },
            None => None,
        };
        out.push(OutputPlan { signal, safe, hold, group, source });
    }
    out.extend(brake_outputs(axes));
    for name in interlocks.iter().filter_map(|row| row.cause.muting.as_ref()?.lamp.as_ref()) {
        let Some(signal) = signals.output_bit(name, "the muting lamp", problems) else { continue };
        signals.claim(signal, &name.span, "a muting lamp", problems);
        let (safe, hold, group) = (0, false, None);
        out.push(OutputPlan { signal, safe, hold, group, source: OutputSource::Muted });
    }
    for id in signals.unclaimed_outputs() {
        if let Some(span) = signals.span(id) {
            problems.push(
                Problem::error(
                    "output-without-writer",
                    span,
                    format!("nobody writes the output `{}`", signals.name(id)),
                )
                .expected("an [[output]] with its safe state, or a brake that uses it")
                .found("neither")
                .remedy("add [[output]] for it, or \"\" where the channel is unused"),
            );
        }
    }
    out
}

/// Who drives an output.
fn writer(source: Option<SourceWord>) -> (OutputSource, &'static str) {
    match source {
        None | Some(SourceWord::Program) => (OutputSource::Program, "the program"),
        Some(SourceWord::Running) => (OutputSource::Running, "the running lamp"),
        Some(SourceWord::Waiting) => (OutputSource::Waiting, "the waiting lamp"),
        Some(SourceWord::Inspection) => (OutputSource::Inspection, "an inspection"),
    }
}

/// Brakes engage in the safe state: 0.
fn brake_outputs<'a>(axes: &'a Axes<'_>) -> impl Iterator<Item = OutputPlan> + 'a {
    (0_u8..=u8::MAX).map(AxisId).zip(&axes.plans).filter_map(|(id, plan)| {
        let plan = plan.as_ref()?;
        let signal = plan.brake?.release?;
        let source = OutputSource::Brake(id);
        Some(OutputPlan { signal, safe: 0, hold: false, group: Some(plan.group), source })
    })
}

pub(crate) fn fits(value: i64, bits: u8, signed: bool) -> bool {
    let bits = u32::from(bits.min(63));
    let span = 1_i64 << (bits - u32::from(signed && bits > 0));
    if signed { (-span..span).contains(&value) } else { (0..span).contains(&value) }
}
