//! What was measured, for people and for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::harness::{Column, Judged, Table};
use crate::round::Measured;
use crate::verdict::{Disturbance, median};

/// The median of the blocks.
fn of(column: &Column, value: impl Fn(&Measured) -> f64) -> f64 {
    median(&column.blocks.iter().map(value).collect::<Vec<_>>())
}

fn or_dash(value: Option<f64>) -> String {
    value.map_or_else(|| String::from("-"), |value| format!("{value:.1}"))
}

/// One case, medians of the blocks, a cycle.
pub(crate) fn text(table: &Table) -> String {
    let way = if table.paced { "paced at 1 kHz" } else { "back to back" };
    let plural = if table.drives == 1 { "drive" } else { "drives" };
    let mut text = format!("\n{} {plural}, {way}\n\n", table.drives);
    text += "| a cycle | median us | p99 us | CPU us | system calls | allocations | switches | segment us | frames | bytes |\n";
    text += "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n";
    for column in &table.columns {
        if let Some(wrong) = &column.failed {
            let _ = writeln!(text, "| {} | {wrong} |", column.partner.name());
            continue;
        }
        let us = |value: fn(&Measured) -> f64| of(column, value) / 1_000.0;
        let _ = writeln!(
            text,
            "| {} | {:.1} | {:.1} | {:.1} | {} | {:.1} | {:.1} | {:.1} | {:.1} | {:.0} |",
            column.partner.name(),
            us(|block| block.median_ns),
            us(|block| block.p99_ns),
            us(|block| block.cpu_ns),
            or_dash(column.system_calls),
            of(column, |block| block.allocations),
            of(column, |block| block.switches_voluntary + block.switches_involuntary),
            us(|block| block.segment_ns),
            of(column, |block| block.sent_frames),
            of(column, |block| block.sent_bytes),
        );
    }
    text
}

/// The gates, and what disturbed the machine.
pub(crate) fn gates(judged: &[Judged], disturbance: &Disturbance) -> String {
    let mut text = String::from("\n| gate | median ratio | bound | aim | verdict |\n");
    text += "| --- | --- | --- | --- | --- |\n";
    for gate in judged {
        let Judged { what, ratio, bound, aim, verdict } = gate;
        let _ = writeln!(text, "| {what} | {ratio:.2} | {bound} | {aim} | {} |", verdict.word());
    }
    let percent = |share: f64| format!("{:.1} %", share * 100.0);
    let pressure = disturbance.pressure.map_or_else(|| String::from("unknown"), percent);
    let throttled =
        disturbance.throttled.map_or_else(|| String::from("unknown"), |times| times.to_string());
    let steal = percent(disturbance.steal);
    let _ = writeln!(text, "\nCPU pressure {pressure}, steal {steal}, throttled {throttled}");
    text
}

/// One case with every block.
pub(crate) fn json(table: &Table) -> Value {
    let columns = table.columns.iter().map(|column| {
        let blocks = column.blocks.iter().map(|block| {
            json!({
                "median_ns": block.median_ns,
                "p99_ns": block.p99_ns,
                "cpu_ns": block.cpu_ns,
                "allocations": block.allocations,
                "switches_voluntary": block.switches_voluntary,
                "switches_involuntary": block.switches_involuntary,
                "wrong": block.wrong,
                "segment_ns": block.segment_ns,
                "sent_frames": block.sent_frames,
                "sent_bytes": block.sent_bytes,
                "disturbance": block.disturbance.map(|disturbance| disturbance.json()),
            })
        });
        json!({
            "partner": column.partner.name(),
            "system_calls": column.system_calls,
            "failed": column.failed,
            "blocks": blocks.collect::<Vec<_>>(),
        })
    });
    json!({
        "drives": table.drives,
        "period_ns": if table.paced { Some(1_000_000) } else { None },
        "partners": columns.collect::<Vec<_>>(),
    })
}

/// One gate.
pub(crate) fn gate_json(gate: &Judged) -> Value {
    json!({
        "gate": gate.what,
        "ratio": gate.ratio,
        "bound": gate.bound,
        "aim": gate.aim,
        "verdict": gate.verdict.word(),
    })
}
