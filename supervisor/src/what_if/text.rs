//! The answer as text.

use std::fmt::Write as _;

use super::recorded::Divergence;
use super::table::{Row, Spread};
use super::{Study, SweepStudy};

/// Signals of a divergence that are told one by one.
const SIGNALS_TOLD: usize = 20;

/// The whole answer.
#[must_use]
pub(super) fn render(study: &Study) -> String {
    let mut out = String::new();
    let _ = write_all(&mut out, study);
    out
}

fn write_all(out: &mut String, study: &Study) -> std::fmt::Result {
    let seeds = match study.seeds[..] {
        [one] => format!("seed {one}"),
        _ => format!("{} seeds", study.seeds.len()),
    };
    writeln!(out, "{}: {}, {seeds}, {} s each", study.machine, study.from, study.duration_s)?;
    if !study.changes.is_empty() {
        writeln!(out, "changed: {}", study.changes.join("  "))?;
    }
    writeln!(out, "parts: {}", study.counted)?;
    for note in &study.notes {
        writeln!(out, "note: {note}")?;
    }
    for assumed in &study.assumed {
        writeln!(out, "assumed: {assumed}")?;
    }
    if let Some(recorded) = &study.recorded {
        divergence(out, recorded)?;
    }
    writeln!(out)?;
    table(out, &study.table, !study.changed.is_empty())?;
    stops(out, study)?;
    if let Some(sweep) = &study.sweep {
        points(out, sweep)?;
    }
    Ok(())
}

fn divergence(out: &mut String, of: &Divergence) -> std::fmt::Result {
    if of.identical {
        return writeln!(
            out,
            "the baseline is the recording, bit by bit: {} messages compared",
            of.messages
        );
    }
    writeln!(
        out,
        "the baseline is not the recording (made in {} time); over {:.1} s from the first cycle in Op they differ by:",
        of.realtime, of.compared_s
    )?;
    let mut differing: Vec<_> = of.signals.iter().filter(|signal| signal.share > 0.0).collect();
    differing.sort_by(|a, b| b.share.total_cmp(&a.share));
    writeln!(out, "  {:<30} {:>8} {:>12} {:>12}  first", "signal", "of time", "mean", "most")?;
    for signal in differing.iter().take(SIGNALS_TOLD) {
        writeln!(
            out,
            "  {:<30} {:>7.1}% {:>12} {:>12}  {:.3} s {}",
            signal.signal,
            100.0 * signal.share,
            number(signal.mean),
            number(signal.most),
            signal.first_s.unwrap_or_default(),
            signal.unit
        )?;
    }
    let left = differing.len().saturating_sub(SIGNALS_TOLD);
    if left > 0 {
        writeln!(out, "  and {left} more: --json has all")?;
    }
    Ok(())
}

/// Four digits that count.
pub(super) fn number(value: f64) -> String {
    let size = value.abs();
    match size {
        _ if value == 0.0 => "0".into(),
        _ if size >= 1000.0 => format!("{value:.0}"),
        _ if size >= 100.0 => format!("{value:.1}"),
        _ if size >= 1.0 => format!("{value:.2}"),
        _ if size >= 0.001 => format!("{value:.4}"),
        _ => format!("{value:.1e}"),
    }
}

pub(super) fn spread(of: Option<Spread>) -> String {
    match of {
        None => "-".into(),
        Some(spread) if spread.low == spread.high => number(spread.mean),
        Some(Spread { mean, low, high }) => {
            format!("{} ({} to {})", number(mean), number(low), number(high))
        }
    }
}

/// The difference, as a share of the baseline where that means something.
pub(super) fn change(row: &Row) -> String {
    let Some(difference) = row.difference else { return String::new() };
    let sign = if difference > 0.0 { "+" } else { "" };
    let base = row.baseline.map_or(0.0, |spread| spread.mean);
    let doubt = if row.seeds_agree == Some(false) { " (seeds differ)" } else { "" };
    if difference == 0.0 {
        return format!("same{doubt}");
    }
    if row.unit.is_empty() || row.unit == "%" || base == 0.0 {
        return format!("{sign}{}{doubt}", number(difference));
    }
    format!("{sign}{:.1} %{doubt}", 100.0 * difference / base.abs())
}

fn table(out: &mut String, rows: &[Row], compared: bool) -> std::fmt::Result {
    let shown: Vec<[String; 4]> = rows
        .iter()
        .map(|row| {
            let unit = if row.unit.is_empty() { String::new() } else { format!(", {}", row.unit) };
            let label = format!("{}{unit}", row.label);
            [label, spread(row.baseline), spread(row.changed), change(row)]
        })
        .collect();
    let heads = ["", "baseline", "changed", "difference"];
    let wide = |column: usize| {
        let cells = shown.iter().filter_map(|cells| cells.get(column));
        let longest = cells.map(|cell| cell.chars().count()).max().unwrap_or(0);
        longest.max(heads.get(column).map_or(0, |head| head.len()))
    };
    let widths = [wide(0), wide(1), wide(2)];
    let mut line = |cells: [&str; 4]| {
        let [label, before, after, change] = cells;
        let [a, b, c] = widths;
        let text = if compared {
            format!("{label:<a$}  {before:>b$}  {after:>c$}  {change}")
        } else {
            format!("{label:<a$}  {before:>b$}")
        };
        writeln!(out, "{}", text.trim_end())
    };
    line(heads)?;
    for [label, before, after, change] in &shown {
        line([label, before, after, change])?;
    }
    Ok(())
}

fn stops(out: &mut String, study: &Study) -> std::fmt::Result {
    let count = |runs: &[super::Figures], cause: &str| -> u64 {
        let all = runs.iter().flat_map(|run| &run.stops);
        all.filter(|stops| stops.cause == cause).map(|stops| stops.count).sum()
    };
    let runs = study.baseline.iter().chain(&study.changed);
    let causes: std::collections::BTreeSet<&str> =
        runs.flat_map(|run| &run.stops).map(|stops| stops.cause.as_str()).collect();
    if causes.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nstops of groups by cause, all seeds")?;
    for cause in causes {
        write!(out, "  {cause:<30} {:>6}", count(&study.baseline, cause))?;
        if !study.changed.is_empty() {
            write!(out, " {:>6}", count(&study.changed, cause))?;
        }
        writeln!(out)?;
    }
    Ok(())
}

fn points(out: &mut String, sweep: &SweepStudy) -> std::fmt::Result {
    writeln!(out, "\nsweep of {}", sweep.path)?;
    writeln!(
        out,
        "{:>16} {:>10} {:>10} {:>10} {:>12} {:>9}",
        "", "parts/h", "median, s", "p95, s", "J a part", "feasible"
    )?;
    for point in &sweep.points {
        let rows = super::table::rows(&point.runs, &[]);
        let mean = |key: &str| {
            let row = rows.iter().find(|row| row.key == key);
            row.and_then(|row| row.baseline).map_or("-".into(), |spread| number(spread.mean))
        };
        writeln!(
            out,
            "{:>16} {:>10} {:>10} {:>10} {:>12} {:>9}  {}",
            point.shown,
            mean("parts_per_h"),
            mean("cycle_time_median_s"),
            mean("cycle_time_p95_s"),
            mean("energy_per_part_j"),
            if point.feasible { "yes" } else { "no" },
            point.why.join("; ")
        )?;
    }
    Ok(())
}
