//! What goes wrong, and what must come of it: a clear message, a defined reaction, a complete recording, the right exit code.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tactus_tests::{json, machine, run, scratch, tactus};

/// Outcome of one run of the demo cell with something added to its scenario.
struct Outcome {
    code: Option<i32>,
    text: String,
    report: Value,
    recording: PathBuf,
}

/// `added` is TOML behind the demo cell's own.
fn demo_with(name: &str, added: &str, duration: &str) -> Outcome {
    let directory = scratch(&format!("fault-{name}"));
    let file = directory.join("machine.toml");
    let demo = fs::read_to_string(machine("demo-cell.toml")).expect("we ship it");
    fs::write(&file, format!("{demo}\n{added}")).expect("writable");
    virtual_run(&directory, &file, duration)
}

fn virtual_run(directory: &Path, file: &Path, duration: &str) -> Outcome {
    let (report, recording) = (directory.join("report.json"), directory.join("run.mcap"));
    let output = run(Command::new(tactus())
        .arg("run")
        .arg(file)
        .args(["--virtual-time", "--headless", "--for", duration, "--report"])
        .arg(&report)
        .arg("--record")
        .arg(&recording));
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(!text.contains("panicked"), "{text}");
    Outcome { code: output.status.code(), text, report: json(&report), recording }
}

impl Outcome {
    fn trips(&self) -> &Vec<Value> {
        self.report["trips"].as_array().expect("trips")
    }

    fn tripped_by(&self, cause: &str) -> bool {
        self.trips().iter().any(|trip| trip["cause"].as_str().is_some_and(|c| c.starts_with(cause)))
    }

    /// The recording has its footer: indexed readers open it. And the ledger of the report is even.
    fn recorded_completely(&self) {
        let bytes = fs::read(&self.recording).expect("a recording was left");
        assert!(bytes.starts_with(b"\x89MCAP0\r\n") && bytes.ends_with(b"\x89MCAP0\r\n"));
        let records = &self.report["records"];
        let of = |name: &str| records[name].as_u64().expect("a count");
        assert_eq!(of("produced"), of("stored") + of("dropped"), "{records:#}");
        assert!(of("stored") > 0);
    }
}

/// The machine was stopped for `cause`, was started again by the operator, and went on to the end.
fn stops_and_goes_on(name: &str, event: &str, cause: &str) -> Outcome {
    let outcome = demo_with(name, event, "16s");
    assert!(outcome.tripped_by(cause), "{:#}", outcome.report["trips"]);
    outcome.recorded_completely();
    outcome
}

#[test]
// SR-034
fn a_device_without_supply_stops_the_machine_and_ends_on_the_bus() {
    let event = "[[scenario.event]]\nat = \"5 s\"\nbus = \"power_off\"\ndevice = \"drive_x\"\n";
    let outcome = demo_with("power-off", event, "10s");
    assert_eq!(outcome.code, Some(4), "{}", outcome.text);
    assert!(outcome.tripped_by("bus"), "{:#}", outcome.report["trips"]);
    assert!(outcome.text.contains("drive_x"), "which device: {}", outcome.text);
    outcome.recorded_completely();
}

#[test]
fn a_cable_that_is_out_at_one_device_stops_the_machine_and_ends_on_the_bus() {
    let event = "[[scenario.event]]\nat = \"5 s\"\nbus = \"unplug\"\ndevice = \"drive_z\"\n";
    let outcome = demo_with("unplug", event, "10s");
    assert_eq!(outcome.code, Some(4), "{}", outcome.text);
    assert!(outcome.tripped_by("bus"), "{:#}", outcome.report["trips"]);
    outcome.recorded_completely();
}

#[test]
fn a_drive_that_refuses_op_is_named_with_its_al_status_code() {
    let event = "[[scenario.event]]\nat = \"0 s\"\nbus = \"refuse_op\"\ndevice = \"drive_z\"\ncode = 0x1D\n";
    let outcome = demo_with("refuse-op", event, "10s");
    assert_eq!(outcome.code, Some(4), "{}", outcome.text);
    assert!(outcome.text.contains("drive_z"), "{}", outcome.text);
    assert!(outcome.text.to_lowercase().contains("0x001d"), "{}", outcome.text);
    outcome.recorded_completely();
}

#[test]
// SR-033
fn frames_that_vanish_trip_after_as_many_as_the_file_allows_and_not_before() {
    let event =
        |n: u32| format!("[[scenario.event]]\nat = \"5 s\"\nbus = \"lose\"\nframes = {n}\n");
    let few = demo_with("lose-few", &event(4), "7s");
    assert_eq!(few.code, Some(0), "{}", few.text);
    assert!(few.trips().is_empty(), "four of five: {:#}", few.report["trips"]);
    assert_eq!(few.report["frames"]["lost"], 4);
    few.recorded_completely();
    let many = stops_and_goes_on("lose-many", &event(5), "bus data lost");
    assert_eq!(many.report["frames"]["lost"], 5);
}

#[test]
fn damaged_frames_are_counted_and_their_inputs_are_not_taken() {
    let event = "[[scenario.event]]\nat = \"5 s\"\nbus = \"corrupt\"\nframes = 3\n";
    let outcome = demo_with("corrupt", event, "7s");
    assert_eq!(outcome.code, Some(0), "{}", outcome.text);
    let frames = &outcome.report["frames"];
    let of = |name: &str| frames[name].as_u64().expect("a count");
    let errors = outcome.report["working_counter_errors"].as_u64().expect("a count");
    assert!(of("corrupt") + of("truncated") + of("lost") + errors >= 3, "{:#}", outcome.report);
    outcome.recorded_completely();
}

#[test]
fn duplicate_and_foreign_frames_are_counted_and_change_nothing() {
    for kind in ["duplicate", "foreign"] {
        let event = format!("[[scenario.event]]\nat = \"5 s\"\nbus = \"{kind}\"\nframes = 7\n");
        let outcome = demo_with(kind, &event, "7s");
        assert_eq!(outcome.code, Some(0), "{kind}: {}", outcome.text);
        assert!(outcome.trips().is_empty(), "{kind}: {:#}", outcome.report["trips"]);
        let other = if kind == "duplicate" { "foreign" } else { "duplicate" };
        let frames = &outcome.report["frames"];
        assert_eq!((&frames[kind], &frames[other]), (&7.into(), &0.into()), "{kind}: {frames}");
        assert_eq!(outcome.report["working_counter_errors"], 0, "{kind}");
    }
}

#[test]
fn frames_that_come_after_their_deadline_are_counted_as_late() {
    let event =
        "[[scenario.event]]\nat = \"5 s\"\nbus = \"delay\"\ndelay = \"900 us\"\nframes = 3\n";
    let outcome = demo_with("delay", event, "7s");
    assert_eq!(outcome.code, Some(0), "{}", outcome.text);
    assert!(outcome.report["frames"]["late"].as_u64() >= Some(1), "{:#}", outcome.report["frames"]);
    outcome.recorded_completely();
}

#[test]
// SR-014
fn emergency_stop_door_and_drive_fault_stop_and_a_person_gets_it_going_again() {
    let press =
        |what: &str| format!("[[scenario.event]]\nat = \"5 s\"\npress = [{what}]\nfor = \"1 s\"\n");
    stops_and_goes_on("estop", &press("\"estop_a\", \"estop_b\""), "emergency stop");
    stops_and_goes_on("door", &press("\"door_a\", \"door_b\""), "guard door");
    stops_and_goes_on("one-channel", &press("\"estop_b\""), "emergency stop");
    let fault = "[[scenario.event]]\nat = \"5 s\"\ndrive_fault = \"x\"\nfor = \"500 ms\"\n";
    stops_and_goes_on("drive-fault", fault, "drive fault");
}

#[test]
fn a_camera_that_is_silent_frozen_or_lies_is_a_person_in_the_cell() {
    for fault in ["silent", "frozen", "repeat", "wrong_crc", "wrong_hash"] {
        let event = format!(
            "[[scenario.event]]\nat = \"5 s\"\ncamera = \"overhead\"\nfault = \"{fault}\"\nfor = \"1 s\"\n"
        );
        stops_and_goes_on(&format!("camera-{fault}"), &event, "person in the cell");
    }
}

#[test]
fn an_unresolved_safety_stop_has_its_own_exit_code() {
    let event = "[[scenario.event]]\nat = \"5 s\"\npress = [\"estop_a\", \"estop_b\"]\n";
    let outcome = demo_with("unresolved", event, "8s");
    assert_eq!(outcome.code, Some(5), "{}", outcome.text);
    outcome.recorded_completely();
}

/// A command that must fail before anything moves: its exit code and what it says.
fn refused(arguments: &[&str]) -> (Option<i32>, String) {
    let output = run(Command::new(tactus()).args(arguments));
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn an_interface_that_is_absent_or_down_or_not_allowed_is_said_so() {
    let file = machine("demo-cell.toml");
    let file = file.to_str().expect("UTF-8");
    let (code, text) = refused(&["run", file, "--link", "raw:nosuch0", "--headless"]);
    assert_eq!(code, Some(3), "{text}");
    assert!(text.contains("nosuch0"), "{text}");
    let down = "ip link set bus0 down; \"$TACTUS\" run \"$FILE\" --link raw:bus0 --headless";
    let output =
        run(tactus_tests::hosts::two_hosts(down).env("TACTUS", tactus()).env("FILE", file));
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains("is down") && text.contains("ip link set bus0 up"), "{text}");
    let bare = "setpriv --bounding-set=-net_raw --inh-caps=-net_raw \
                \"$TACTUS\" run \"$FILE\" --link raw:bus0 --headless";
    let output =
        run(tactus_tests::hosts::two_hosts(bare).env("TACTUS", tactus()).env("FILE", file));
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains("CAP_NET_RAW"), "{text}");
}

#[test]
fn a_file_that_is_wrong_shows_every_problem_with_its_place() {
    let directory = scratch("wrong-file");
    let file = directory.join("wrong.toml");
    let demo = fs::read_to_string(machine("demo-cell.toml")).expect("we ship it");
    let wrong = demo
        .replace("period = \"1 ms\"", "period = 1")
        .replace("drive = \"drive_z\"", "drive = \"drive_q\"")
        .replace("receive_deadline", "recieve_deadline");
    fs::write(&file, wrong).expect("writable");
    let output = run(Command::new(tactus()).arg("check").arg(&file));
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(output.status.code(), Some(2), "{text}");
    for word in ["period", "drive_q", "recieve_deadline", "wrong.toml"] {
        assert!(text.contains(word), "{word} is not named: {text}");
    }
}
