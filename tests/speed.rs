//! How fast virtual time is. A test binary of its own, so that nothing runs beside it.

use std::process::Command;

use nix::sys::resource::{UsageWho, getrusage};
use tactus_tests::{machine, run, tactus};

/// Virtual time must run at least this many times faster than real time (release build).
const SPEED_MIN: f64 = 100.0;
/// A machine that is shared slows a run down, never speeds it up: the best of this many counts.
const RUNS: usize = 20;
/// Virtual time of one run, s.
const DURATION_S: f64 = 60.0;

/// CPU time of all children that have ended, s. How long they waited for a CPU is not in it.
fn cpu_seconds() -> f64 {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("the kernel knows");
    let [user, system] = [usage.user_time(), usage.system_time()].map(|time| {
        let micros = u32::try_from(time.tv_usec()).expect("below a second");
        f64::from(u32::try_from(time.tv_sec()).expect("of a test")) + f64::from(micros) / 1e6
    });
    user + system
}

/// What a run costs, s.
fn seconds(binary: &std::path::Path) -> f64 {
    let before = cpu_seconds();
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
    cpu_seconds() - before
}

#[test]
fn virtual_time_runs_a_hundred_times_faster_than_real_time() {
    let binary = tactus();
    let mut speed = 0.0_f64;
    for _ in 0..RUNS {
        speed = speed.max(DURATION_S / seconds(&binary));
        if speed >= SPEED_MIN {
            break;
        }
    }
    println!("virtual time: {speed:.0} times real time or faster");
    // The promise is the release build's; ./test runs it so.
    assert!(cfg!(debug_assertions) || speed >= SPEED_MIN, "only {speed:.0} times real time");
}
