//! How fast virtual time is. A test binary of its own, so that nothing runs beside it.

use std::process::Command;
use std::time::Instant;

use tactus_tests::{machine, run, tactus};

/// Virtual time must run at least this many times faster than real time (release build).
const SPEED_MIN: f64 = 100.0;
/// A machine that is shared slows a run down, never speeds it up: the best of this many counts.
const RUNS: usize = 5;
/// Virtual time of one run, s.
const DURATION_S: f64 = 60.0;

fn seconds(binary: &std::path::Path) -> f64 {
    let started = Instant::now();
    let output = run(Command::new(binary).arg("run").arg(machine("demo-cell.toml")).args([
        "--virtual-time",
        "--seed",
        "3",
        "--for",
        "60s",
        "--headless",
        "--no-record",
    ]));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    started.elapsed().as_secs_f64()
}

#[test]
fn virtual_time_runs_a_hundred_times_faster_than_real_time() {
    let binary = tactus();
    let best = (0..RUNS).map(|_| seconds(&binary)).fold(f64::MAX, f64::min);
    let speed = DURATION_S / best;
    println!("virtual time: {speed:.0} times real time");
    // The promise is the release build's; ./test runs it so.
    assert!(cfg!(debug_assertions) || speed >= SPEED_MIN, "only {speed:.0} times real time");
}
