//! The search for people.

use std::fmt::Write as _;

use super::search::{Meaning, Part, Setting, Trial};
use super::{Tuning, Verdict};
use crate::report::duration;

/// The search as text, at most 100 columns wide.
#[must_use]
pub fn render(of: &Tuning) -> String {
    let mut out = String::with_capacity(2048);
    // Writing to a String does not fail.
    let _ = write_all(of, &mut out);
    out
}

/// `[cycle]`, and `[bus.dc]` where the file has a distance to SYNC0, for the machine file.
#[must_use]
pub fn snippet(of: Setting) -> String {
    let dc = of.frame_before_sync0_ns.map_or_else(String::new, |ns| {
        format!("\n[bus.dc]\nframe_before_sync0 = \"{}\"\n", quantity(ns))
    });
    format!(
        "[cycle]\nperiod = \"{}\"\nspin = \"{}\"\nreceive_deadline = \"{}\"\n{dc}",
        quantity(of.period_ns),
        quantity(of.spin_ns),
        quantity(of.receive_deadline_ns)
    )
}

/// As machine files have it.
fn quantity(ns: u64) -> String {
    let (whole, rest) = (ns / 1_000, ns % 1_000);
    match rest {
        0 => format!("{whole} us"),
        _ => format!("{whole}.{} us", format!("{rest:03}").trim_end_matches('0')),
    }
}

/// One trial is done.
pub(super) fn progress(trial: &Trial, margin_percent: u64) -> String {
    let setting = &trial.setting;
    let said = match &trial.meaning {
        Meaning::Sustained => format!("sustained with {margin_percent} %"),
        Meaning::NotSustained { limit, why } => format!("not sustained ({}): {why}", limit.name()),
        Meaning::Unclear { limit, why } => format!("unclear ({}): {why}", limit.name()),
    };
    format!(
        "period {}, spin {}, deadline {}: {said}",
        duration(setting.period_ns),
        duration(setting.spin_ns),
        duration(setting.receive_deadline_ns)
    )
}

fn write_all(of: &Tuning, out: &mut String) -> std::fmt::Result {
    writeln!(
        out,
        "{} on {}: shortest period of which {} % stay free at p99.9",
        of.machine, of.link, of.margin_percent
    )?;
    if of.link == "virtual" {
        writeln!(out, "  on the virtual link the exchange is that of a model, not of your wire")?;
    }
    if !of.realtime && !of.found.trials.is_empty() {
        writeln!(out, "  DEGRADED: not all of real time was granted; this proves nothing")?;
        for reason in &of.degraded_reasons {
            writeln!(out, "   - {reason}")?;
        }
    }
    trials(of, out)?;
    for not in &of.found.not_allowed {
        writeln!(out, "  not allowed: {}: {}", duration(not.period_ns), not.why)?;
    }
    writeln!(out, "  {}", of.disturbance.line())?;
    let axes = match (of.axes_allowed, of.axes_had_power) {
        (false, false) => "no axis was enabled",
        (true, true) => "axes were enabled, as asked",
        (true, false) => "axes were allowed to be enabled, and nobody started the machine",
        (false, true) => "AN AXIS HAD POWER",
    };
    writeln!(out, "  {axes}\n")?;
    end(of, out)
}

fn trials(of: &Tuning, out: &mut String) -> std::fmt::Result {
    let [period, wake, exchange, step, publish] =
        ["period", "wake-up", "exchange", "step", "publish"];
    writeln!(out, "\n  p99.9 of each part")?;
    writeln!(out, "  {period:>10}{wake:>12}{exchange:>12}{step:>12}{publish:>12}  ")?;
    for trial in &of.found.trials {
        let measured = &trial.measured;
        let parts = [measured.wake_up, measured.exchange, measured.step, measured.publish];
        let [wake, exchange, step, publish] = parts.map(|part| duration(part.p999));
        let said = match &trial.meaning {
            Meaning::Sustained => "sustained".to_owned(),
            Meaning::NotSustained { limit, .. } => format!("limit: {}", limit.name()),
            Meaning::Unclear { .. } => "unclear: disturbed".to_owned(),
        };
        let period = duration(trial.setting.period_ns);
        writeln!(out, "  {period:>10}{wake:>12}{exchange:>12}{step:>12}{publish:>12}  {said}")?;
    }
    Ok(())
}

fn end(of: &Tuning, out: &mut String) -> std::fmt::Result {
    match (of.verdict, of.found.limit) {
        (Verdict::Found, None) => {
            writeln!(
                out,
                "FOUND: nothing shorter is allowed by the machine file or was asked for"
            )?;
        }
        (Verdict::Found, Some(limit)) => {
            writeln!(out, "FOUND: what limits it is the {}: {}", limit.name(), remedy(limit))?;
        }
        (Verdict::NothingSustained, limit) => {
            let limit = limit.unwrap_or(Part::Step);
            writeln!(
                out,
                "NOTHING SUSTAINED: the limit is the {}: {}",
                limit.name(),
                remedy(limit)
            )?;
        }
        (Verdict::Inconclusive, _) if of.found.interrupted => {
            writeln!(out, "INCONCLUSIVE: it was ended before the search was over")?;
        }
        (Verdict::Inconclusive, _) => writeln!(
            out,
            "INCONCLUSIVE: the machine was disturbed in trials that decide; a quieter machine or a \
             longer --trial decides it"
        )?,
    }
    match &of.snippet {
        Some(snippet) => writeln!(out, "\n{snippet}"),
        None => Ok(()),
    }
}

fn remedy(limit: Part) -> &'static str {
    match limit {
        Part::WakeUp => {
            "see tactus doctor and tactus latency; an isolated CPU, a PREEMPT_RT kernel"
        }
        Part::Exchange => {
            "less process data, fewer frames, the interface's interrupts and coalescing"
        }
        Part::Step => "fewer axes or checks a cycle, a shorter program, a faster CPU",
        Part::Publish => "less process data to encode",
        Part::Bus => "the devices refuse it: their manuals say which cycle times they take",
    }
}
