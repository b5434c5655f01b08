//! The budgets for people.

use std::fmt::Write as _;

use super::{Row, Table};
use crate::report::duration;

/// As text, a line for each interlock.
#[must_use]
pub fn render(table: &Table) -> String {
    let mut out = String::new();
    // Writing to a String does not fail.
    let _ = write(table, &mut out);
    out
}

fn write(table: &Table, out: &mut String) -> std::fmt::Result {
    writeln!(
        out,
        "{}: response-time budget, from what happens to a machine that stands",
        table.machine
    )?;
    writeln!(out, "  {}", conditions(table))?;
    writeln!(
        out,
        "  {:<26} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>8}",
        "interlock", "sensor", "transport", "cycle", "bus", "drive", "mechanics", "sum", "costs"
    )?;
    for row in &table.rows {
        write!(out, "  {:<26}", row.interlock)?;
        for stage in &row.stages {
            let mark = if stage.declared { "!" } else { "" };
            write!(out, " {:>9}", format!("{}{mark}", duration(stage.ns)))?;
        }
        writeln!(out, " {:>9} {:>5} mm", duration(row.sum_ns), row.distance_mm)?;
        if let (Some(total), Some(left)) = (row.total_ns, row.left_ns) {
            writeln!(out, "  {:<26}   may take {}, {} left", "", duration(total), duration(left))?;
        }
        if row.measured.is_some() {
            writeln!(out, "  {:<26}   until the wire: {}", "", measured(row))?;
        }
    }
    writeln!(
        out,
        "  ! declared in the machine file; the others are derived from it (docs/guide/separation.md)."
    )?;
    writeln!(
        out,
        "  costs: what somebody at 1600 mm/s walks meanwhile. Terminals' filters are known only where declared."
    )
}

/// What the figures were measured under.
pub(super) fn conditions(table: &Table) -> String {
    match &table.conditions {
        None => {
            "not measured: --report FILE takes the report of a run (tactus run … --report FILE)"
                .into()
        }
        Some(run) => format!(
            "measured in {} cycles of {}, link {}, real time: {}{}",
            run.cycles,
            duration(run.period_ns),
            run.link,
            run.realtime,
            if run.same_file { "" } else { "; OF another machine file than this one" }
        ),
    }
}

fn measured(row: &Row) -> String {
    let Some(measured) = &row.measured else { return "not measured".into() };
    let word = if measured.margin_ns < 0 { "OVERRUN by" } else { "margin" };
    format!(
        "{} allowed, {} measured ({} {}), {word} {}",
        duration(row.until_wire_ns),
        duration(measured.max_ns),
        measured.samples,
        measured.of,
        duration(measured.margin_ns.unsigned_abs())
    )
}

/// A row of the page.
pub(super) fn cells(row: &Row) -> Vec<String> {
    let mut cells = vec![row.interlock.clone()];
    for stage in &row.stages {
        cells.push(format!("{}{}", duration(stage.ns), if stage.declared { " !" } else { "" }));
    }
    cells.push(duration(row.sum_ns));
    cells.push(row.total_ns.map_or_else(String::new, duration));
    cells.push(duration(row.until_wire_ns));
    match &row.measured {
        None => cells.extend(["not measured".to_owned(), String::new()]),
        Some(measured) => {
            let sign = if measured.margin_ns < 0 { "OVERRUN " } else { "" };
            cells.push(format!(
                "{} ({} {})",
                duration(measured.max_ns),
                measured.samples,
                measured.of
            ));
            cells.push(format!("{sign}{}", duration(measured.margin_ns.unsigned_abs())));
        }
    }
    cells.push(format!("{} mm", row.distance_mm));
    cells
}
