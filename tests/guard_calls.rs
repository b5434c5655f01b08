//! The guards of the kernel's account: page faults, context switches, system calls.

use std::sync::atomic::AtomicBool;
use std::thread;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, sched_setaffinity, unshare};
use nix::unistd::Pid;
use rt_linux::Monotonic;
use rt_linux::admission::{self, Locked, Request};
use rt_linux::clock::now;

use super::*;

/// So many cycles must be without a fault, an allocation, a free and an undeclared call.
const MANY: u64 = 100_000;
/// Short, so that many cycles take seconds.
const FAST: &[(&str, &str)] = &[
    ("period = \"1 ms\"", "period = \"100 us\""),
    ("receive_deadline = \"800 us\"", "receive_deadline = \"90 us\""),
    ("frame_before_sync0 = \"700 us\"", "frame_before_sync0 = \"70 us\""),
];

/// tracefs, for this thread and those it spawns alone. Whether it could be had.
fn tracefs() -> bool {
    let nowhere: Option<&str> = None;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    let place = "/sys/kernel/tracing";
    if std::fs::exists(format!("{place}/events/raw_syscalls")).unwrap_or(false) {
        return true;
    }
    unshare(CloneFlags::CLONE_NEWNS).is_ok()
        && mount(nowhere, "/", nowhere, private, nowhere).is_ok()
        && mount(Some("none"), place, Some("tracefs"), MsFlags::empty(), nowhere).is_ok()
}

/// Runs it with tracefs, if that can be had.
fn counted(run: &Run) -> (bool, Value) {
    thread::scope(|scope| {
        scope.spawn(|| (tracefs(), run.report())).join().expect("it runs to its end")
    })
}

fn memory_is_locked(report: &Value) -> bool {
    report["guards"]["memory_locked"] == true
}

/// Counts by name; the rest is in `undeclared_system_calls`.
fn calls(report: &Value, name: &str) -> u64 {
    let list = report["guards"]["system_calls"].as_array().expect("counted");
    let call = list.iter().find(|call| call["name"] == name);
    call.unwrap_or_else(|| panic!("{name} is declared"))["count"].as_u64().expect("a count")
}

#[test]
// SR-045
fn a_hundred_thousand_cycles_take_no_fault_no_memory_and_exactly_the_declared_calls() {
    let _turn = turn();
    let mut run = Run::new("guard-many", false, Planted::Nothing, MANY);
    (run.watch_calls, run.changes) = (WatchCalls::Count, FAST);
    let (has_tracefs, report) = counted(&run);
    assert_eq!(quiet(&report), Ok(()), "{report:#}");
    let guards = &report["guards"];
    let cycles = report["cycles"].as_u64().expect("a count");
    assert!(cycles >= MANY, "{report:#}");
    if memory_is_locked(&report) {
        assert_eq!(guards["page_faults"], 0, "{guards:#}");
        assert_eq!(guards["worst_window"]["page_faults"], 0, "{guards:#}");
        assert_eq!(guards["violations"], serde_json::json!([]), "{guards:#}");
    }
    if !has_tracefs {
        // Unknown is not 0: it says what would permit it.
        assert!(guards["system_calls"].is_null() && guards["undeclared_system_calls"].is_null());
        let why = guards["system_calls_unknown"].as_str().expect("a reason");
        assert!(why.contains("tracefs") || why.contains("cap_perfmon"), "{why}");
        return;
    }
    assert_eq!(guards["undeclared_system_calls"], 0, "{guards:#}");
    let frames = |of: &str, what: &str| report[of][what].as_u64().expect("a count");
    let sent = frames("frames", "sent") + frames("mailbox", "sent");
    assert_eq!(calls(&report, "sendto"), sent, "one a frame: {report:#}");
    let sleeps = calls(&report, "clock_nanosleep");
    // One a cycle, but where the time had passed already.
    let late = report["periods_skipped"].as_u64().expect("a count") + cycles / 100;
    assert!(sleeps <= cycles && sleeps + late >= cycles, "{sleeps} of {cycles}: {report:#}");
    let (waits, takes) = (calls(&report, "ppoll"), calls(&report, "recvfrom"));
    let received = frames("frames", "received");
    // What is left of mailbox traffic is taken without a wait.
    let unwaited = frames("mailbox", "sent");
    let is_each_taken = takes >= received && takes <= waits + unwaited;
    assert!(is_each_taken, "a frame is waited for and taken: {guards:#}");
    assert!(waits <= 2 * cycles, "{guards:#}");
    assert_eq!((calls(&report, "clock_gettime"), calls(&report, "rt_sigreturn")), (0, 0));
}

#[test]
fn behind_the_filter_the_loop_runs_as_ever_and_ends_in_order() {
    let _turn = turn();
    let mut run = Run::new("guard-trap", false, Planted::Nothing, CYCLES_MIN);
    run.watch_calls = WatchCalls::Trap;
    let report = run.report();
    assert_eq!(quiet(&report), Ok(()), "{report:#}");
    worked(&report);
    assert_eq!(report["guards"]["filtered"], true);
    assert_eq!(report["ended"]["controlled"], true, "{report:#}");
    // The supervisor asked for the account of a thread that could not.
    assert!(report["guards"]["switches"]["voluntary"].as_u64() >= Some(CYCLES_MIN), "{report:#}");
    if memory_is_locked(&report) {
        assert_eq!(report["guards"]["page_faults"], 0, "{report:#}");
    }
}

#[test]
fn one_planted_system_call_is_trapped_and_named() {
    let _turn = turn();
    let mut run = Run::new("guard-trap-call", false, Planted::Call, 2 * PLANTED_IN);
    run.watch_calls = WatchCalls::Trap;
    let message = run.outcome().expect_err("the run ends there");
    assert!(message.contains("called getpid, which is not declared"), "{message}");
    assert_eq!(run.seen.cycles(), PLANTED_IN, "in that very cycle");
}

#[test]
fn one_planted_system_call_is_counted() {
    let _turn = turn();
    let mut run = Run::new("guard-count-call", false, Planted::Call, 2 * PLANTED_IN);
    run.watch_calls = WatchCalls::Count;
    let (has_tracefs, report) = counted(&run);
    let guards = &report["guards"];
    if !has_tracefs {
        assert!(guards["undeclared_system_calls"].is_null(), "{guards:#}");
        return;
    }
    assert_eq!(guards["undeclared_system_calls"], 1, "{guards:#}");
    let violations = guards["violations"].to_string();
    assert!(violations.contains("1 system calls that are not declared"), "{violations}");
}

#[test]
fn a_planted_page_fault_is_found_out() {
    let _turn = turn();
    let report = Run::new("guard-fault", false, Planted::Fault, 2 * PLANTED_IN).report();
    assert!(report["guards"]["page_faults"].as_u64() >= Some(1), "{report:#}");
    if memory_is_locked(&report) {
        let violations = report["guards"]["violations"].to_string();
        assert!(violations.contains("page faults in the cycle though"), "{violations}");
    }
}

/// Takes the CPU from everybody on it, often and for a moment.
fn disturb(cpu: usize, over: &AtomicBool) {
    let mut only = nix::sched::CpuSet::new();
    only.set(cpu).expect("a small number");
    // Not ours to have: then it disturbs elsewhere.
    let _ = sched_setaffinity(Pid::from_raw(0), &only);
    let request = Request { cpu: Some(cpu), priority: Some(99), strict: false };
    let _armed = admission::lock(&request).and_then(Locked::arm);
    let mut clock = Monotonic::new(0);
    while !over.load(Ordering::Acquire) {
        let until = now() + 100_000;
        while now() < until {
            std::hint::spin_loop();
        }
        let wake = now() + 150_000;
        clock.sleep_until(wake);
    }
}

#[test]
fn a_planted_thread_that_takes_the_cpu_is_found_out() {
    let _turn = turn();
    let over = AtomicBool::new(false);
    let cpus = thread::available_parallelism().map_or(1, usize::from);
    let report = thread::scope(|scope| {
        for cpu in 0..cpus {
            let over = &over;
            scope.spawn(move || disturb(cpu, over));
        }
        let report = Run::new("guard-switch", false, Planted::Nothing, 2 * PLANTED_IN).report();
        over.store(true, Ordering::Release);
        report
    });
    let taken = &report["guards"]["switches"]["involuntary"];
    assert!(taken.as_u64() >= Some(10), "{report:#}");
}
