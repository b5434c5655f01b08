//! The matrix as text.

use std::fmt::Write as _;

use super::{Effect, Matrix, OutputEffect, Row};

/// What a cell says.
pub(super) fn effect(effect: Effect, unit: &str) -> String {
    match effect {
        Effect::None => "–".to_owned(),
        Effect::Warn => "warn".to_owned(),
        Effect::LimitSpeed(limit) => format!("≤ {limit} {unit}/s"),
        Effect::Stop2 => "stop2".to_owned(),
        Effect::Stop1 => "stop1".to_owned(),
        Effect::Stop0 => "stop0".to_owned(),
        Effect::Rest => "rest".to_owned(),
    }
}

/// What a cell of an output says.
pub(super) fn output(effect: OutputEffect, safe: i64) -> String {
    match effect {
        OutputEffect::None => "–".to_owned(),
        OutputEffect::Safe => format!("→ {safe}"),
        OutputEffect::Waiting => "→ 1".to_owned(),
        OutputEffect::Brake => "engages".to_owned(),
    }
}

/// Cells of a row: effects by group, then by output.
pub(super) fn cells(matrix: &Matrix, row: &Row) -> Vec<String> {
    let groups = row.effects.iter().zip(&matrix.groups);
    let outputs = row.outputs.iter().zip(&matrix.outputs);
    groups
        .map(|(cell, group)| effect(*cell, &group.unit))
        .chain(outputs.map(|(cell, of)| output(*cell, of.safe)))
        .collect()
}

/// The matrix as a table, one row an interlock, and its causes below.
#[must_use]
pub fn render(matrix: &Matrix) -> String {
    let mut out = String::new();
    // Writing to a String does not fail.
    let _ = write_all(matrix, &mut out);
    out
}

fn write_all(matrix: &Matrix, out: &mut String) -> std::fmt::Result {
    let hash = matrix.config_hash.get(..16).unwrap_or(&matrix.config_hash);
    writeln!(
        out,
        "{}: cause and effect, machine file {hash}…, tactus {}\n",
        matrix.machine, matrix.version
    )?;
    let columns = matrix.groups.iter().map(|group| &group.name);
    let columns: Vec<&String> =
        columns.chain(matrix.outputs.iter().map(|output| &output.name)).collect();
    let rows: Vec<Vec<String>> = matrix.rows.iter().map(|row| cells(matrix, row)).collect();
    let wide = |texts: &mut dyn Iterator<Item = usize>| texts.max().unwrap_or(0);
    let names = matrix.rows.iter().map(|row| row.name.chars().count());
    let first = wide(&mut names.chain([5]));
    let widths: Vec<usize> = columns
        .iter()
        .enumerate()
        .map(|(at, name)| {
            let cells = rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count());
            wide(&mut cells.chain([name.chars().count()]))
        })
        .collect();
    write!(out, "  # {:<first$}", "cause")?;
    for (name, width) in columns.iter().zip(&widths) {
        write!(out, "  {name:<width$}")?;
    }
    writeln!(out, "  latch")?;
    for (row, cells) in matrix.rows.iter().zip(&rows) {
        write!(out, "{:>3} {:<first$}", row.number, row.name)?;
        for (cell, width) in cells.iter().zip(&widths) {
            write!(out, "  {cell:<width$}")?;
        }
        writeln!(out, "  {}", if row.latch { "yes" } else { "no" })?;
    }
    writeln!(out, "\nDemands when … / is clear when … / goes on after …")?;
    for row in &matrix.rows {
        writeln!(
            out,
            "{:>3} {}\n      clear: {}\n      then:  {}",
            row.number, row.cause, row.clear, row.restart
        )?;
    }
    writeln!(out, "\nFor all of them")?;
    for rule in &matrix.rules {
        writeln!(out, "  - {rule}")?;
    }
    Ok(())
}
