//! What the flight recorder costs a cycle, in instructions: exact, whatever else the machine does.

use std::process::Command;

/// Instructions of one cycle of the recorder, as counted; what compilers change lies within [`TOLERANCE`].
const STORED: u64 = 1260;
/// Allowed deviation upwards, percent.
const TOLERANCE: u64 = 10;

/// Instructions of a run of so many cycles, counted by callgrind.
fn instructions(cycles: u64, planted: bool) -> u64 {
    let mut command = Command::new("valgrind");
    command
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(env!("CARGO_BIN_EXE_flight-cost"))
        .arg(cycles.to_string());
    if planted {
        command.arg("planted");
    }
    let output = command.output().expect("valgrind is there: apt-get install valgrind");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let collected = said.lines().find_map(|line| line.split_once("Collected :"));
    let (_, count) = collected.unwrap_or_else(|| panic!("callgrind counts: {said}"));
    count.trim().parse().expect("a number")
}

/// Of one cycle: what a thousand more cost, by number.
fn per_cycle(planted: bool) -> u64 {
    const MORE: u64 = 5_000;
    // Past the first turn of the ring.
    let few = instructions(2_000, planted);
    (instructions(2_000 + MORE, planted) - few) / MORE
}

#[test]
fn a_cycle_of_the_recorder_costs_no_more_than_it_did() {
    let found = per_cycle(false);
    let most = STORED * (100 + TOLERANCE) / 100;
    assert!(found <= most, "{found} instructions a cycle, at most {most} expected");
    assert!(
        found * 2 > STORED,
        "{found}: it no longer does what was counted; store the new number"
    );
}

#[test]
fn needless_work_is_found() {
    assert!(per_cycle(true) > STORED * (100 + TOLERANCE) / 100);
}
