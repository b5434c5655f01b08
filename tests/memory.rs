//! Memory of a whole machine, and that 256 axes work. A test binary of its own: one machine runs at a time.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;

use tactus_benches::machine;
use tactus_tests::{json, run, said, scratch, tactus};

/// One run at a time.
static TURN: Mutex<()> = Mutex::new(());
const MIB: u64 = 1 << 20;

fn file(axes: usize, test: &str) -> PathBuf {
    let path = scratch(test).join(format!("axes-{axes}.toml"));
    std::fs::write(&path, machine::file(axes)).expect("the scratch folder is writable");
    path
}

/// Bytes resident while the whole program runs a machine of this size in real time and records it.
fn resident(axes: usize, seconds: u32) -> u64 {
    let _turn = TURN.lock();
    let machine = file(axes, &format!("resident-{axes}"));
    let (report, record) = (machine.with_extension("json"), machine.with_extension("mcap"));
    let folder = machine.parent().expect("a scratch directory");
    let output = run(Command::new(tactus())
        .current_dir(folder)
        .arg("run")
        .arg(&machine)
        .args(["--for", &format!("{seconds}s"), "--headless", "--report"])
        .arg(&report)
        .arg("--record")
        .arg(&record));
    // A machine without real time may be too late for the bus or the interlocks; its memory is what it is.
    assert!(matches!(output.status.code(), Some(0 | 4 | 5)), "{}", said(&output));
    let report = json(&report);
    assert!(report["records"]["produced"].as_u64() > Some(1000), "the loop ran: {report}");
    report["resident_bytes"].as_u64().expect("resident_bytes is measured in real time")
}

#[test]
fn a_machine_of_4_axes_stays_within_64_mib() {
    let bytes = resident(4, 4);
    println!("4 axes: {bytes} bytes resident");
    assert!(bytes <= 64 * MIB, "{bytes} bytes");
}

#[test]
fn a_machine_of_256_axes_stays_within_256_mib() {
    let bytes = resident(256, 8);
    println!("256 axes: {bytes} bytes resident");
    assert!(bytes <= 256 * MIB, "{bytes} bytes");
}

#[test]
fn a_machine_of_256_axes_comes_up_is_started_and_moves_every_axis() {
    let _turn = TURN.lock();
    let machine = file(256, "virtual-256");
    let report = machine.with_extension("json");
    let output = run(Command::new(tactus())
        .arg("run")
        .arg(&machine)
        .args(["--virtual-time", "--for", "6s", "--headless", "--no-record", "--report"])
        .arg(&report));
    assert!(output.status.success(), "{}", said(&output));
    let report = json(&report);
    let axes = report["axes"].as_array().expect("axes");
    let moved = axes.iter().filter(|axis| axis["travel"].as_f64() > Some(10.0)).count();
    assert_eq!((axes.len(), moved), (256, 256));
    assert_eq!(report["trips_total"], 0);
    assert_eq!(report["allocations"], 0, "the loop allocates nothing");
}
