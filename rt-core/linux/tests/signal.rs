//! The first signal asks, the second insists.

mod common;

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::{Signal, kill, raise};
use nix::unistd::Pid;
use rt_linux::signal::{FORCED_EXIT, Shutdown, on_dump_request};

fn start(arguments: &[&str]) -> (Child, BufReader<ChildStdout>) {
    let mut child = Command::new(common::example("shutdown"))
        .args(arguments)
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    let mut out = BufReader::new(child.stdout.take().expect("piped"));
    expect_line(&mut out, "ready");
    (child, out)
}

fn expect_line(out: &mut impl BufRead, expected: &str) {
    let mut line = String::new();
    out.read_line(&mut line).expect("readable");
    assert_eq!(line.trim(), expected);
}

fn send(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a pid"));
    kill(pid, signal).expect("it runs");
}

#[test]
fn the_first_signal_of_either_kind_asks_and_the_process_ends_by_itself() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let (mut child, mut out) = start(&[]);
        send(&child, signal);
        expect_line(&mut out, "asked");
        assert_eq!(child.wait().expect("ends").code(), Some(0));
    }
}

#[test]
fn the_second_signal_forces_the_end() {
    for (first, second) in [(Signal::SIGINT, Signal::SIGINT), (Signal::SIGTERM, Signal::SIGINT)] {
        let (mut child, mut out) = start(&["--stubborn"]);
        send(&child, first);
        expect_line(&mut out, "asked");
        send(&child, second);
        assert_eq!(child.wait().expect("ends").code(), Some(FORCED_EXIT));
    }
}

#[test]
fn a_run_without_signals_can_be_asked_too() {
    let shutdown = Shutdown::detached();
    assert!(!shutdown.requested());
    shutdown.clone().request();
    assert!(shutdown.requested());
}

#[test]
fn a_request_for_a_dump_is_heard_and_ends_nothing() {
    let asked = Arc::new(AtomicBool::new(false));
    on_dump_request(&asked).expect("a handler");
    raise(Signal::SIGUSR1).expect("to this process");
    assert!(asked.swap(false, Ordering::AcqRel));
    raise(Signal::SIGUSR1).expect("and again");
    assert!(asked.load(Ordering::Acquire));
}
