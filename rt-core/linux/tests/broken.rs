//! A real-time thread that breaks a rule is stopped, the machine stays usable, and a person reads
//! why. And nothing of a run stays behind, however it ends.

mod common;

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use common::rights::{CAP_SYS_NICE, Ran, has, program};

/// One at a time: each spins, or asks the machine for something.
static TURN: Mutex<()> = Mutex::new(());

fn breaks(how: &str, supervised: bool) -> Ran {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    // One CPU for all of it: who supervises gets it only if the thread really lets go.
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", "0"]).arg(program());
    command.args(["--cpu", "0", "--priority", "1", "--break", how]);
    if supervised {
        command.arg("--supervised");
    }
    let (status, out, err) = common::run(&mut command);
    Ran { status, out, err }
}

const RUNAWAY: &str = "a real-time thread used the CPU for 1 s without a sleep (RLIMIT_RTTIME) and \
                       was stopped";

#[test]
fn a_loop_that_runs_away_is_stopped_and_taken_over() {
    let ran = breaks("spin", true);
    if has(CAP_SYS_NICE) {
        assert_eq!(ran.status, 7, "{}", ran.err);
        assert!(ran.line("taken over:").starts_with(RUNAWAY), "{}", ran.out);
    } else {
        // Without rights it hurts nobody, and runs on.
        assert_eq!((ran.status, ran.step("scheduling").1), (0, false), "{}", ran.out);
    }
}

#[test]
fn a_loop_that_runs_away_with_nobody_to_take_over_says_so_itself_and_ends_the_process() {
    let ran = breaks("spin", false);
    if has(CAP_SYS_NICE) {
        assert_eq!(ran.status, 4, "{}", ran.out);
        assert!(ran.err.starts_with(&format!("tactus: {RUNAWAY}")), "{}", ran.err);
        assert!(ran.err.trim_end().ends_with("did not settle it, so the process ends here"));
    } else {
        assert_eq!((ran.status, ran.step("scheduling").1), (0, false), "{}", ran.out);
    }
}

#[test]
fn a_loop_that_runs_away_and_takes_no_signal_is_killed_by_the_kernel() {
    let ran = breaks("deaf", true);
    if has(CAP_SYS_NICE) {
        assert_eq!(ran.status, 128 + libc::SIGKILL, "{} {}", ran.out, ran.err);
    } else {
        assert_eq!((ran.status, ran.step("scheduling").1), (0, false), "{}", ran.out);
    }
}

#[test]
fn a_system_call_that_is_not_declared_never_happens_and_is_named() {
    let ran = breaks("getpid", true);
    assert_eq!(ran.status, 7, "{} {}", ran.out, ran.err);
    let text = ran.line("taken over:");
    assert!(text.starts_with("the cyclic thread called getpid, which is not declared"), "{text}");
    assert!(text.contains("declared are clock_nanosleep, "), "{text}");
}

#[test]
fn a_call_under_a_lock_that_the_supervisor_needs_is_named_by_the_thread_itself() {
    // given the lock of the standard output, and that of the allocator
    for (how, calls) in [("write", ["write"].as_slice()), ("allocate", &["brk", "mmap"])] {
        let ran = breaks(how, true);
        let said = match ran.status {
            7 => ran.line("taken over:").to_owned(),
            4 => ran.err.clone(),
            _ => panic!("{how}: {} {} {}", ran.status, ran.out, ran.err),
        };
        assert!(calls.iter().any(|call| said.contains(call)), "{said}");
        assert!(!ran.out.contains("hello from the cycle"), "the call was not made");
    }
}

/// What the kernel keeps of power saving, µs; `None`: not for us to read.
fn latency_in_force() -> Option<i32> {
    let mut bytes = [0; 4];
    File::open("/dev/cpu_dma_latency").ok()?.read_exact(&mut bytes).ok()?;
    Some(i32::from_ne_bytes(bytes))
}

fn held() -> Child {
    let mut child = Command::new(program())
        .args(["--cpu", "0", "--priority", "1", "--hold"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let out = BufReader::new(child.stdout.as_mut().expect("piped"));
    assert!(out.lines().map_while(Result::ok).any(|line| line == "armed"), "it is armed");
    child
}

fn holds_the_device(child: &Child) -> bool {
    let files = fs::read_dir(format!("/proc/{}/fd", child.id())).expect("it runs");
    files
        .filter_map(|file| fs::read_link(file.ok()?.path()).ok())
        .any(|to| to.as_os_str() == "/dev/cpu_dma_latency")
}

/// What belongs to the machine and a run might touch.
fn machine() -> Vec<Option<String>> {
    [
        "/proc/sys/kernel/sched_rt_runtime_us",
        "/proc/sys/kernel/sched_rt_period_us",
        "/proc/sys/kernel/perf_event_paranoid",
        "/proc/sys/vm/swappiness",
        "/proc/irq/default_smp_affinity",
        "/sys/devices/system/cpu/online",
        "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor",
        "/proc/self/timerslack_ns",
    ]
    .map(|path| fs::read_to_string(path).ok())
    .to_vec()
}

#[test]
fn nothing_of_a_run_stays_behind_however_it_ends() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let (before, power_before) = (machine(), latency_in_force());
    for killed in [false, true] {
        let mut child = held();
        if power_before.is_some() {
            assert!(holds_the_device(&child));
            assert_eq!(latency_in_force(), Some(0), "held while it runs");
        } else {
            assert!(!holds_the_device(&child));
        }
        if killed {
            child.kill().expect("it runs");
        }
        drop(child.stdin.take());
        let status = child.wait().expect("it ends");
        assert_eq!(status.success(), !killed);
        assert_eq!(machine(), before);
        // Another run on this machine may hold it for a while.
        let patience = Instant::now() + Duration::from_secs(60);
        while latency_in_force() == Some(0) && power_before != Some(0) {
            assert!(Instant::now() < patience, "power saving is still off");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}
