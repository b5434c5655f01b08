//! A shipped machine in virtual time, changed and with people who press: what its report then says.

use std::process::Command;

use serde_json::Value;

use crate::{json, machine, run, scratch, tactus};

/// A scenario event of the machine file: these inputs change for so long.
#[must_use]
pub fn press(at: &str, inputs: &str, lasts: &str) -> String {
    format!("\n[[scenario.event]]\nat = \"{at}\"\npress = [{inputs}]\nfor = \"{lasts}\"\n")
}

/// A machine file as it was shipped.
#[must_use]
pub fn unchanged(text: String) -> String {
    text
}

/// Runs the shipped machine `file`, changed and with these events, for `duration` in the folder `name`; gives its report.
///
/// # Panics
/// The run ends in another way than done or a safety stop.
pub fn work(
    (name, file, duration): (&str, &str, &str),
    change: impl Fn(String) -> String,
    events: &[String],
) -> Value {
    let directory = scratch(name);
    let text = std::fs::read_to_string(machine(file)).expect("shipped");
    let file = directory.join("cell.toml");
    std::fs::write(&file, change(text) + &events.concat()).expect("written");
    let report = directory.join("report.json");
    let output = run(Command::new(tactus())
        .arg("run")
        .arg(&file)
        .args(["--virtual-time", "--for", duration, "--headless", "--no-record", "--report"])
        .arg(&report));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(matches!(output.status.code(), Some(0 | 5)), "{text}");
    json(&report)
}

/// Trips in order, what they watch; the same in a row once.
///
/// # Panics
/// It is no report.
#[must_use]
pub fn kinds(report: &Value) -> Vec<&str> {
    let trips = report["trips"].as_array().expect("trips");
    let mut kinds: Vec<_> = trips.iter().filter_map(|trip| trip["kind"].as_str()).collect();
    kinds.dedup();
    kinds
}
