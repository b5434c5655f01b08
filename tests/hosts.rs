//! Two hosts, a veth pair, real frames: `tactus run` here, `tactus sim` there.

use std::path::Path;
use std::process::Output;

use tactus_tests::hosts::{turn, two_hosts};
use tactus_tests::{json, machine, run, said, scratch, tactus};

/// `tactus sim` on the other host in the background, then `body` with `$SIM` as its process id here.
fn with_sim(directory: &Path, file: &Path, body: &str) -> Output {
    let _turn = turn();
    let script = format!(
        r#"
cd {directory}
tactus={tactus}
file={file}
nsenter -t $other -n $tactus sim $file --iface bus1 --json --vision-socket vision.sock >sim.json 2>sim.err & SIM=$!
until grep -q '"ready"' sim.json; do kill -0 $SIM || {{ cat sim.err >&2; exit 99; }}; done
{body}
"#,
        directory = directory.display(),
        tactus = tactus().display(),
        file = file.display(),
    );
    run(&mut two_hosts(&script))
}

#[test]
fn the_cell_runs_for_a_minute_over_a_wire_without_a_working_counter_error() {
    let directory = scratch("wire-minute");
    let output = with_sim(
        &directory,
        &machine("demo-cell.toml"),
        "$tactus run $file --link raw:bus0 --vision-socket vision.sock --for 60s --headless --report report.json \
         --record run.mcap; code=$?; kill $SIM; wait $SIM || true; exit $code",
    );
    let report = json(&directory.join("report.json"));
    // A machine that is shared may stall for some frames, and the minute may end in the stop that follows: that is no fault.
    assert!(matches!(output.status.code(), Some(0 | 5)), "{}\n{report:#}", said(&output));
    assert_eq!(report["working_counter_errors"], 0, "{report:#}");
    let axes = report["axes"].as_array().expect("axes");
    assert!(axes.iter().all(|axis| axis["referenced"] == true), "homed: {report:#}");
    assert_eq!(report["allocations"], 0);
    assert_eq!(report["frees"], 0);
    assert!(report["cycles"].as_u64() >= Some(50_000), "{report:#}");
    let trips = report["trips"].as_array().expect("trips");
    assert!(trips.iter().any(|trip| trip["kind"] == "zone"), "the person was not seen: {report:#}");
}

#[test]
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

fn events(path: &Path) -> Vec<serde_json::Value> {
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
