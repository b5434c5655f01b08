//! Two hosts, a veth pair, real frames: `tactus run` here, `tactus sim` there.

use std::path::Path;
use std::process::Output;

use tactus_tests::hosts::two_hosts;
use tactus_tests::{json, machine, run, said, scratch, tactus};

/// `tactus sim` on the other host in the background, then `body` with `$SIM` as its process id here.
fn with_sim(directory: &Path, file: &Path, body: &str) -> Output {
    let script = format!(
        r#"
cd {directory}
tactus={tactus}
file={file}
there $tactus sim $file --iface bus1 --json >sim.json 2>sim.err & SIM=$!
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
        "$tactus run $file --link raw:bus0 --for 60s --headless --report report.json \
         --record run.mcap --capture run.pcapng; code=$?; kill $SIM; wait $SIM || true; exit $code",
    );
    let report = json(&directory.join("report.json"));
    assert_eq!(output.status.code(), Some(0), "{}\n{report:#}", said(&output));
    assert_eq!(report["working_counter_errors"], 0, "{report:#}");
    assert_eq!(report["allocations"], 0);
    assert_eq!(report["frees"], 0);
    assert!(report["cycles"].as_u64() >= Some(50_000), "{report:#}");
    assert!(!report["trips"].as_array().expect("trips").is_empty(), "the person was not seen");
    dissects_without_a_malformed_packet(&directory.join("run.pcapng"));
}

fn dissects_without_a_malformed_packet(capture: &Path) {
    let tshark = |filter: &str| {
        let output = run(std::process::Command::new("tshark").args([
            "-r",
            capture.to_str().expect("UTF-8"),
            "-Y",
            filter,
            "-T",
            "fields",
            "-e",
            "frame.number",
        ]));
        assert!(output.status.success(), "{}", said(&output));
        output.stdout.iter().filter(|b| **b == b'\n').count()
    };
    assert!(tshark("ecat") > 10_000, "the capture holds the run");
    assert_eq!(tshark("_ws.malformed || _ws.expert.severity == error"), 0);
}

#[test]
fn a_killed_master_leaves_outputs_safe_and_sim_says_how_far_each_axis_travelled() {
    let directory = scratch("wire-kill");
    let output = with_sim(
        &directory,
        &machine("demo-cell.toml"),
        "$tactus run $file --link raw:bus0 --headless --record run.mcap & RUN=$!; sleep 6; \
         kill -9 $RUN; sleep 2; kill $SIM; wait $SIM",
    );
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let events = std::fs::read_to_string(directory.join("sim.json")).expect("sim wrote");
    let lost: serde_json::Value = events
        .lines()
        .filter_map(|l| serde_json::from_str::<serde_json::Value>(l).ok())
        .find(|e| e["event"] == "main_device_lost")
        .unwrap_or_else(|| panic!("sim did not notice:\n{events}"));
    for device in lost["devices"].as_array().expect("devices") {
        assert_ne!(device["al_state"], "Op", "{lost:#}");
    }
    let axes = lost["axes"].as_array().expect("axes");
    assert!(!axes.is_empty() && axes.iter().all(|a| a["travel"].is_number()), "{lost:#}");
}

#[test]
fn a_cable_pulled_stops_the_machine_and_the_recording_is_complete() {
    let directory = scratch("wire-pulled");
    let output = with_sim(
        &directory,
        &machine("demo-cell.toml"),
        "$tactus run $file --link raw:bus0 --for 8s --headless --report report.json --record run.mcap & RUN=$!; \
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
