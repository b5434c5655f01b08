//! A device that loses its supply while the machine runs: the machine stops, the device is set up again, and nothing moves until a person
//! has reset and started the machine.

use std::fs;
use std::process::Command;

use serde_json::Value;
use tactus_tests::{json, machine, run, said, scratch, tactus};

/// A run of the demo cell, in virtual time, in which a device is without supply from 9 s on, for as long as given.
fn demo(
    name: &str,
    device: &str,
    off_for: &str,
    until: &str,
    edit: impl Fn(String) -> String,
) -> (Option<i32>, String, Value) {
    let directory = scratch(&format!("restart-{name}"));
    let file = directory.join("machine.toml");
    let demo = edit(fs::read_to_string(machine("demo-cell.toml")).expect("we ship it"));
    let event = format!(
        "[[scenario.event]]\nat = \"9 s\"\nbus = \"power_off\"\ndevice = \"{device}\"\nfor = \"{off_for}\"\n"
    );
    fs::write(&file, format!("{demo}\n{event}")).expect("writable");
    let report = directory.join("report.json");
    let output = run(Command::new(tactus())
        .arg("run")
        .arg(&file)
        .args(["--virtual-time", "--headless", "--for", until, "--report"])
        .arg(&report)
        .arg("--record")
        .arg(directory.join("run.mcap"))
        .env("TACTUS_LOG", "warn"));
    (output.status.code(), said(&output), json(&report))
}

fn axis<'r>(report: &'r Value, name: &str) -> &'r Value {
    let axes = report["axes"].as_array().expect("axes");
    axes.iter().find(|axis| axis["name"] == name).expect("that axis")
}

#[test]
fn a_drive_that_was_restarted_comes_back_and_the_machine_goes_on_when_it_is_started_again() {
    let (code, text, report) = demo("back", "drive_z", "1 s", "30s", |demo| demo);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("drive_z was restarted and has lost its settings"), "{text}");
    assert!(text.contains("drive_z is set up again"), "{text}");
    let trips = report["trips"].as_array().expect("trips");
    let by_bus = |trip: &Value| trip["kind"] == "working_counter";
    assert!(trips.iter().any(by_bus), "{trips:#?}");
    // The operator reset and started it; z was homed again, and the machine works.
    assert_eq!(report["ended"]["machine"], "run", "{:#}", report["ended"]);
    assert_eq!(axis(&report, "z")["referenced"], true, "{:#}", report["axes"]);
    assert_eq!(report["dc"]["locked"], true);
    // Half as far again as it had gone by then (114 mm); what a drive that initialises says is no travel.
    let travel = axis(&report, "z")["travel"].as_f64();
    assert!(travel > Some(150.0) && travel < Some(250.0), "{:#}", report["axes"]);
}

#[test]
fn without_reset_and_start_a_restarted_drive_has_no_power_and_its_axis_no_reference() {
    // The operator starts the machine once, and never again.
    let alone = |demo: String| demo.replace("cooldown = \"2 s\"", "cooldown = \"600 s\"");
    let (_, text, report) = demo("alone", "drive_z", "1 s", "14s", alone);
    assert!(text.contains("drive_z is set up again"), "{text}");
    assert_ne!(report["ended"]["machine"], "run", "{:#}", report["ended"]);
    assert_eq!(axis(&report, "z")["referenced"], false, "{:#}", report["axes"]);
    // The others ran on, and know where they are.
    assert_eq!(axis(&report, "x")["referenced"], true, "{:#}", report["axes"]);
}
