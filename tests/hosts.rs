//! Two hosts, a veth pair, real frames: `tactus run` here, `tactus sim` there.

use std::path::Path;

use serde_json::{Value, json as value};
use tactus_tests::hosts::with_sim;
use tactus_tests::{dissected, json, machine, malformed, run, said, scratch};

/// The last of a run in which a stop may still be unresolved: people reset within this, cycles.
const RECENT: u64 = 10_000;

/// What lateness alone can bring about in the demo cell: data that are not there in time, inputs that are stale because of it, axes
/// that were not told in time, a twin that has only old samples. Without lateness (in virtual time) nothing but `zone` and `twin_zone`
/// ever stops it: see `cell.rs`.
const BY_LATENESS: [&str; 8] = [
    "working_counter",
    "bus",
    "emergency_stop",
    "guard_door",
    "twin_limit",
    "following_error",
    "dc_unlocked",
    "supervisor",
];

/// Whether a minute on the wire ended as it must: done; or, on a machine without real time alone, in a stop that only lateness can
/// have brought about, with late frames counted to prove it. A stop by anything else fails.
fn ended_well(report: &Value) -> Result<(), String> {
    let number = |value: &Value| value.as_u64().unwrap_or(0);
    match number(&report["exit_code"]) {
        0 => return Ok(()),
        5 => {}
        code => return Err(format!("exit code {code}")),
    }
    if report["realtime"] != "degraded" {
        return Err("a machine with real time ended in a stop".to_owned());
    }
    let since = number(&report["cycles"]).saturating_sub(RECENT);
    let by_late_frames = |trip: &&Value| {
        let kind = trip["kind"].as_str().unwrap_or_default();
        number(&trip["at_cycle"]) >= since && BY_LATENESS.contains(&kind)
    };
    let trips = report["trips"].as_array().ok_or("no trips")?;
    let Some(_) = trips.iter().find(by_late_frames) else {
        return Err(format!("nothing late stopped it: {}", report["ended"]["message"]));
    };
    let late = number(&report["frames"]["late"]) + number(&report["frames"]["lost"]);
    if late == 0 {
        return Err("no frame was late, and yet the bus stopped it".to_owned());
    }
    Ok(())
}

#[test]
fn a_stop_by_late_frames_is_told_apart_from_every_other() {
    let ended = |code: u64, realtime: &str, kind: &str, at_cycle: u64, late: u64| {
        ended_well(&value!({
            "exit_code": code, "realtime": realtime, "cycles": 68_000, "ended": { "message": "" },
            "trips": [{ "kind": kind, "at_cycle": at_cycle }], "frames": { "late": late, "lost": 0 },
        }))
    };
    assert!(ended(0, "strict", "zone", 11_000, 0).is_ok());
    assert!(ended(5, "degraded", "working_counter", 66_000, 9).is_ok());
    assert!(ended(5, "degraded", "emergency_stop", 66_000, 9).is_ok(), "its inputs were stale");
    assert!(ended(5, "degraded", "zone", 66_000, 9).is_err(), "a person was in the zone");
    assert!(ended(5, "degraded", "drive_fault", 66_000, 9).is_err(), "a drive failed");
    assert!(ended(5, "degraded", "working_counter", 11_000, 9).is_err(), "that one was resolved");
    assert!(ended(5, "degraded", "working_counter", 66_000, 0).is_err(), "nothing was late");
    assert!(ended(5, "strict", "working_counter", 66_000, 9).is_err(), "real time is not late");
    assert!(ended(4, "degraded", "bus", 66_000, 9).is_err(), "a lost bus is no late frame");
}

#[test]
fn the_cell_runs_for_a_minute_over_a_wire_without_a_working_counter_error() {
    let directory = scratch("wire-minute");
    let output = with_sim(
        &directory,
        &machine("demo-cell.toml"),
        "$tactus run $file --link raw:bus0 --vision-socket vision.sock --for 68s --headless --report report.json \
         --record run.mcap; code=$?; kill $SIM; wait $SIM || true; exit $code",
    );
    let report = json(&directory.join("report.json"));
    // 68 s: the world on the other host is older than the run by its bring-up, and at 61.5 s of its life a person walks in. A run of
    // 60 s ends in that stop whenever bring-up takes a second and a half; from 68 to 73 s nobody is in the way.
    let well = ended_well(&report);
    assert!(well.is_ok(), "{well:?}: {}\n{report:#}", said(&output));
    assert_eq!(report["working_counter_errors"], 0, "{report:#}");
    let axes = report["axes"].as_array().expect("axes");
    assert!(axes.iter().all(|axis| axis["referenced"] == true), "homed: {report:#}");
    assert_eq!(report["allocations"], 0);
    assert_eq!(report["frees"], 0);
    assert!(report["cycles"].as_u64() >= Some(60_000), "{report:#}");
    let trips = report["trips"].as_array().expect("trips");
    assert!(trips.iter().any(|trip| trip["kind"] == "zone"), "the person was not seen: {report:#}");
}

#[test]
// SR-040
fn a_killed_master_leaves_outputs_safe_and_sim_says_how_far_each_axis_travelled() {
    let directory = scratch("wire-kill");
    let output = with_sim(
        &directory,
        &machine("demo-cell.toml"),
        "$tactus run $file --link raw:bus0 --vision-socket vision.sock --headless --record run.mcap & RUN=$!; sleep 6; \
         kill -9 $RUN; sleep 2; kill $SIM; wait $SIM",
    );
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let events = events(&directory.join("sim.json"));
    let lost = events.iter().find(|e| e["event"] == "main_device_lost").expect("sim noticed");
    assert!(lost["stood_after_ns"].is_number(), "every axis came to rest: {lost:#}");
    let axes = lost["axes"].as_array().expect("axes");
    assert_eq!(axes.len(), 3);
    assert!(axes.iter().all(|axis| axis["travel"].is_number()), "{lost:#}");
    for device in ["outputs", "drive_x", "drive_z", "drive_belt"] {
        let fell = events
            .iter()
            .rfind(|e| e["event"] == "al_state" && e["device"] == device)
            .unwrap_or_else(|| panic!("{device} did not notice: {events:#?}"));
        assert_eq!(fell["state"], "SafeOp", "{fell:#}");
        assert_eq!(fell["code"], 0x1B, "{fell:#}");
        let after = fell["since_last_frame_ns"].as_u64().expect("a time");
        assert!((90_000_000..150_000_000).contains(&after), "the watchdog is 100 ms: {fell:#}");
    }
}

fn events(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).expect("sim wrote");
    text.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect()
}

#[test]
fn a_cable_pulled_stops_the_machine_and_the_recording_is_complete() {
    let directory = scratch("wire-pulled");
    let output = with_sim(
        &directory,
        &machine("demo-cell.toml"),
        "$tactus run $file --link raw:bus0 --vision-socket vision.sock --for 8s --headless --report report.json --record run.mcap & RUN=$!; \
         sleep 5; there ip link set bus1 down; code=0; wait $RUN || code=$?; kill $SIM; exit $code",
    );
    assert_eq!(output.status.code(), Some(4), "{}", said(&output));
    let report = json(&directory.join("report.json"));
    assert!(!report["trips"].as_array().expect("trips").is_empty(), "{report:#}");
    let message = report["ended"]["message"].as_str().expect("words");
    assert!(message.contains("the bus was lost: cable of bus0: no carrier since "), "{message}");
    let interface = &report["interface"];
    assert_eq!(interface["carrier_losses"], 1, "{interface:#}");
    assert_eq!(interface["qdisc_bypass"], true, "{interface:#}");
    assert!(interface["ring_frames"].as_u64() > Some(0), "{interface:#}");
    let recording = std::fs::read(directory.join("run.mcap")).expect("recorded");
    assert!(!recording.is_empty());
    assert_eq!(
        report["records"]["produced"].as_u64(),
        Some(
            report["records"]["stored"].as_u64().expect("stored")
                + report["records"]["dropped"].as_u64().expect("dropped")
        )
    );
}

#[test]
fn a_segment_that_does_not_match_says_which_position_what_was_expected_and_what_answered() {
    let directory = scratch("wire-mismatch");
    let demo = std::fs::read_to_string(machine("demo-cell.toml")).expect("we ship it");
    let other = demo.replacen(
        "product = 0x53525631, serial = 102",
        "product = 0x53525632, serial = 102",
        1,
    );
    assert_ne!(demo, other);
    std::fs::write(directory.join("other.toml"), other).expect("writable");
    let output = with_sim(
        &directory,
        &machine("demo-cell.toml"),
        "code=0; $tactus run other.toml --link raw:bus0 --vision-socket vision.sock --headless --record run.mcap || code=$?; \
         kill $SIM; wait $SIM || true; exit $code",
    );
    assert_eq!(output.status.code(), Some(4), "{}", said(&output));
    let text = String::from_utf8_lossy(&output.stderr).to_lowercase();
    for word in ["5", "drive_z", "0x53525632", "0x53525631"] {
        assert!(text.contains(word), "{word} is missing: {text}");
    }
    let recording = std::fs::read(directory.join("run.mcap")).expect("a recording was left");
    assert!(recording.ends_with(b"\x89MCAP0\r\n"), "the recording is not complete");
}

#[test]
fn a_capture_of_a_whole_run_on_the_wire_dissects_without_a_malformed_packet() {
    let directory = scratch("wire-capture");
    let output = with_sim(
        &directory,
        &machine("demo-cell.toml"),
        "code=0; $tactus run $file --link raw:bus0 --vision-socket vision.sock --for 6s --headless --report report.json \
         --no-record --capture run.pcapng || code=$?; kill $SIM; wait $SIM || true; exit $code",
    );
    // Its end may be a stop; what went over the wire is what counts here.
    assert!(matches!(output.status.code(), Some(0 | 5)), "{}", said(&output));
    let report = json(&directory.join("report.json"));
    assert_eq!(report["link"], "raw:bus0");
    let capture = directory.join("run.pcapng");
    let sent = report["frames"]["sent"].as_u64().expect("counted");
    let frames = u64::try_from(dissected(&capture, "ecat")).expect("a few");
    assert!(sent > 5_000 && frames > sent, "{frames} frames of {sent} sent, there and back");
    assert!(dissected(&capture, "ecat.ado == 0x0502") > 100, "bring-up is in it");
    assert_eq!(dissected(&capture, "frame and not ecat"), 0, "nothing else is on this wire");
    assert_eq!(malformed(&capture), 0);
    // A frame cut in half is one: the check can fail.
    let broken = directory.join("broken.pcapng");
    let mut editcap = std::process::Command::new("editcap");
    let cut = run(editcap.args(["-s", "24", "-r"]).arg(&capture).arg(&broken).arg("2000-2010"));
    assert!(cut.status.success(), "{}", said(&cut));
    assert!(dissected(&broken, "_ws.malformed || _ws.short") > 0, "a cut frame was not noticed");
}
