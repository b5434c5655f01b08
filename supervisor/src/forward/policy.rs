//! `tactus policy`: who gets what.

use std::fmt::Write as _;

use config::Machine;
use config::forward::{AXIS_VALUES, Class, EVENT_KINDS, Export, Reduce};
use serde_json::{Value, json};

use crate::report::duration;

/// Who gets what, as JSON.
#[must_use]
pub fn json(machine: &Machine) -> Value {
    let forwarding = &machine.forwarding;
    let exports: Vec<Value> =
        forwarding.exports.iter().map(|export| of_export(machine, export)).collect();
    let sinks: Vec<Value> = forwarding
        .sinks
        .iter()
        .map(|sink| {
            json!({
                "name": sink.name, "kind": sink.kind, "address": sink.address,
                "encrypted": sink.tls.is_some(), "stream": sink.stream, "prefix": sink.prefix,
                "sparkplug": sink.sparkplug,
            })
        })
        .collect();
    let exported = |name: &String| {
        forwarding.exports.iter().any(|export| export.values.iter().any(|it| it.name == *name))
    };
    let all = machine.names.signals.len();
    let kept = machine.names.signals.iter().filter(|name| !exported(name)).count();
    json!({
        "machine": machine.name,
        "sinks": sinks,
        "exports": exports,
        "signals": { "all": all, "not_exported": kept },
    })
}

fn of_export(machine: &Machine, export: &Export) -> Value {
    let sinks = machine.forwarding.sinks.iter().enumerate();
    let sinks: Vec<&str> = sinks
        .filter(|(place, _)| export.sinks.contains(place))
        .map(|(_, sink)| sink.name.as_str())
        .collect();
    let values: Vec<Value> = export
        .values
        .iter()
        .map(|value| json!({ "name": value.name, "unit": value.unit }))
        .collect();
    json!({
        "name": export.name,
        "owner": export.owner,
        "class": export.class,
        "sinks": sinks,
        "signals": values,
        "events": export.events,
        "interval_ns": export.interval_ns,
        "reduce": export.reduce,
        "edges": export.edges,
        "retention_ns": export.retention_ns,
    })
}

/// Who gets what, for people.
#[must_use]
pub fn text(machine: &Machine) -> String {
    let mut out = String::new();
    let forwarding = &machine.forwarding;
    // Writing to a String does not fail.
    let _ = writeln!(out, "{}: what leaves the machine. What is not listed stays.", machine.name);
    if forwarding.exports.is_empty() {
        out.push_str("  nothing\n");
    }
    for (place, sink) in forwarding.sinks.iter().enumerate() {
        let how =
            if sink.tls.is_some() { "mutual TLS" } else { "not encrypted, this machine only" };
        let _ = writeln!(out, "\n{} ({}, {how})", sink.name, sink.address);
        let mut any = false;
        for export in forwarding.exports.iter().filter(|export| export.sinks.contains(&place)) {
            any = true;
            of_export_in_words(export, &mut out);
        }
        if !any {
            out.push_str("  gets nothing\n");
        }
    }
    let all = json(machine);
    let _ = writeln!(
        out,
        "\n{} of {} signals of devices leave the machine for nobody",
        all["signals"]["not_exported"], all["signals"]["all"]
    );
    out
}

fn of_export_in_words(export: &Export, out: &mut String) {
    let class = match export.class {
        Class::Safety => "safety, dropped last",
        Class::Event => "event",
        Class::Telemetry => "telemetry, dropped first",
    };
    let _ = writeln!(out, "  {}: decided by {}; {class}", export.name, export.owner);
    if !export.values.is_empty() {
        let names: Vec<&str> = export.values.iter().map(|value| value.name.as_str()).collect();
        let what = match (export.reduce, export.edges) {
            (Reduce::Statistics, false) => "smallest, largest, mean, last",
            (Reduce::Statistics, true) => "smallest, largest, mean, last, and edges",
            (Reduce::Last, false) => "last",
            (Reduce::Last, true) => "last, and edges",
        };
        let _ = writeln!(
            out,
            "    every {}: {what} of {}",
            duration(export.interval_ns),
            names.join(", ")
        );
    }
    if !export.events.is_empty() {
        let _ = writeln!(out, "    events: {}", export.events.join(", "));
    }
    let kept = match export.retention_ns {
        0 => "not kept once it has arrived".to_owned(),
        ns => format!("kept here for {} after it has arrived", duration(ns)),
    };
    let _ = writeln!(out, "    {kept}");
}

/// Everything that could be listed.
#[must_use]
pub fn names(machine: &Machine) -> String {
    let mut all: Vec<String> = machine.names.signals.clone();
    for axis in &machine.names.axes {
        all.extend(AXIS_VALUES.iter().map(|(word, _)| format!("axes.{axis}.{word}")));
    }
    all.extend(["loop.latency", "loop.execution"].map(String::from));
    format!("signals:\n  {}\nevents:\n  {}\n", all.join("\n  "), EVENT_KINDS.join("\n  "))
}
