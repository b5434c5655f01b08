//! The demo cell in virtual time, as a person would run it: what the issue of the machine promises, checked in the report.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tactus_tests::{dissected, json, machine, malformed, run, scratch, tactus};

struct Run {
    report: Value,
    recording: PathBuf,
}

fn virtual_run(directory: &Path, seed: u64, duration_s: u64) -> Run {
    let report = directory.join(format!("report-{seed}.json"));
    let recording = directory.join(format!("run-{seed}.mcap"));
    let seed = seed.to_string();
    let duration = format!("{duration_s}s");
    let output = run(Command::new(tactus())
        .arg("run")
        .arg(machine("demo-cell.toml"))
        .args(["--virtual-time", "--seed", &seed, "--for", &duration, "--headless", "--report"])
        .arg(&report)
        .arg("--record")
        .arg(&recording));
    let text = format!(
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(output.status.code(), Some(0), "{text}");
    Run { report: json(&report), recording }
}

fn trips(report: &Value) -> &Vec<Value> {
    report["trips"].as_array().expect("trips")
}

#[test]
fn the_cell_works_sees_the_person_stops_and_goes_on() {
    let run = virtual_run(&scratch("cell"), 1, 60);
    let report = &run.report;
    assert_eq!(report["working_counter_errors"], 0, "{report:#}");
    assert_eq!(report["overruns"], 0);
    assert_eq!(report["allocations"], 0);
    assert_eq!(report["frees"], 0);
    assert_eq!(report["frames"]["lost"], 0);
    assert!(report["cycles"].as_u64() >= Some(55_000), "{report:#}");
    // What else could stop it would be lateness, and there is none here: `hosts.rs` builds on it.
    let expected = |trip: &Value| trip["kind"] == "zone" || trip["kind"] == "twin_zone";
    assert!(trips(report).iter().all(expected), "{report:#}");
    let person = trips(report).iter().filter(|t| t["cause"] == "person in the cell");
    assert!(person.count() >= 2, "the person comes twice in a minute: {report:#}");
    for axis in report["axes"].as_array().expect("axes") {
        assert!(axis["travel"].as_f64() > Some(100.0), "{axis:#} did not work");
    }
}

#[test]
// SR-031
fn no_stop_is_longer_than_the_twin_predicted() {
    let mut moving = 0;
    for seed in 1..=5 {
        let run = virtual_run(&scratch(&format!("predicted-{seed}")), seed, 60);
        for trip in trips(&run.report) {
            let distance = trip["stop_distance"].as_f64().expect("every stop was measured");
            let predicted = trip["stop_distance_predicted"].as_f64().expect("predicted");
            assert!(distance <= predicted, "seed {seed}: {trip:#}");
            moving += u32::from(distance > 0.1);
        }
    }
    assert!(moving >= 5, "too little moved when it tripped, so nothing was tested");
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_does_not() {
    let (a, b) = (scratch("bytes-a"), scratch("bytes-b"));
    let first = std::fs::read(virtual_run(&a, 7, 20).recording).expect("recorded");
    let second = std::fs::read(virtual_run(&b, 7, 20).recording).expect("recorded");
    assert!(first == second, "the recordings differ");
    let other = std::fs::read(virtual_run(&b, 8, 20).recording).expect("recorded");
    assert!(first != other, "the seed changes nothing");
}

#[test]
fn the_process_is_small_and_locked_when_it_may_lock() {
    let directory = scratch("small");
    let report = directory.join("report.json");
    let output = run(Command::new(tactus())
        .current_dir(&directory)
        .arg("run")
        .arg(machine("demo-cell.toml"))
        .args(["--for", "4s", "--headless", "--no-record", "--report"])
        .arg(&report));
    // On a machine without real time the four seconds may end in a stop.
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(matches!(output.status.code(), Some(0 | 5)), "{text}");
    let report = json(&report);
    let resident = report["resident_bytes"].as_u64().expect("resident_bytes");
    assert!(resident > 1 << 20 && resident <= 64 << 20, "{resident} bytes resident");
    let reasons = report["degraded_reasons"].as_array().expect("reasons");
    if !reasons.iter().any(|r| r.as_str().is_some_and(|r| r.starts_with("memory"))) {
        let locked = report["locked_bytes"].as_u64().expect("locked_bytes");
        assert!(locked * 100 >= resident * 99, "{locked} of {resident} bytes are locked");
    }
}

#[test]
fn a_capture_of_a_whole_run_dissects_without_a_malformed_packet() {
    let capture = scratch("capture").join("run.pcapng");
    let output = run(Command::new(tactus())
        .arg("run")
        .arg(machine("demo-cell.toml"))
        .args(["--virtual-time", "--for", "20s", "--headless", "--no-record", "--capture"])
        .arg(&capture));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // Bring-up (SII by register 0x0502), 20 000 cycles out and back, and the way down to Init (AL control).
    assert!(dissected(&capture, "ecat") > 40_000);
    assert!(dissected(&capture, "ecat.ado == 0x0502") > 100, "bring-up is in it");
    assert_eq!(malformed(&capture), 0);
}
