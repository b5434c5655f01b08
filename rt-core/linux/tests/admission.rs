//! Admission with and without rights. What the kernel should say is derived here from the rights
//! that the process holds, by other means than the code under test uses: no case is skipped, each
//! asserts the grant or the documented refusal.

mod common;

use std::fs;
use std::process::Command;

use common::rights::*;

#[test]
fn degraded_without_rights_runs_and_gives_every_reason() {
    let ran = admission(Rights::None, &["--cpu", "0", "--priority", "70"]);

    assert_eq!(ran.status, 0, "{}", ran.err);
    assert_eq!(ran.line("realtime:"), "false");
    let (memory, granted) = ran.step("memory");
    assert!(!granted && memory.contains(MEMORY_REFUSED), "{memory}");
    let (scheduling, granted) = ran.step("scheduling");
    assert!(!granted, "{scheduling}");
    assert!(
        scheduling.contains("no CAP_SYS_NICE, and RLIMIT_RTPRIO is 0, below 70"),
        "{scheduling}"
    );
    assert!(ran.out.contains(&format!("fix: {SETCAP}; or `ulimit -l unlimited`")), "{}", ran.out);
    assert!(ran.out.contains(&format!("fix: {SETCAP}; or `ulimit -r 70`")), "{}", ran.out);
    // and what needs no right is there
    for name in ["allocator", "runaway", "cpu", "slack"] {
        assert!(ran.step(name).1, "{}", ran.out);
    }
    assert!(ran.step("slack").0.contains("1 ns"));
    assert_eq!(ran.line("cpus:"), "0");
    // and nothing was half done: no memory is locked, its limit is as it was, the thread is an
    // ordinary one
    assert_eq!(ran.line("RLIMIT_MEMLOCK:"), "8388608");
    assert!(ran.line("memory:").starts_with("locked 0,"), "{}", ran.out);
    assert_eq!(ran.line("policy:"), "0");
}

#[test]
fn strict_without_rights_ends_at_the_first_refusal() {
    let ran = admission(Rights::None, &["--strict", "--cpu", "0", "--priority", "70"]);
    assert_eq!(ran.status, 3);
    assert_eq!(
        ran.err.trim(),
        format!(
            "real time refused at step `memory`: {MEMORY_REFUSED}; fix: {SETCAP}; or `ulimit -l \
             unlimited` by `@realtime - memlock unlimited` in /etc/security/limits.conf"
        )
    );
    assert_eq!(ran.out, "", "nothing ran");
}

#[test]
fn degraded_takes_all_that_its_rights_give() {
    let ran = admission(Rights::Own, &["--cpu", "0", "--priority", "70"]);
    assert_eq!(ran.status, 0, "{}", ran.err);
    assert_eq!(ran.step("memory").1, has(CAP_IPC_LOCK) || memlock_is_unlimited(), "{}", ran.out);
    assert_eq!(ran.step("kernel").1, preempt_rt(), "{}", ran.out);
    if has(CAP_SYS_NICE) {
        assert!(ran.step("scheduling").0.contains("SCHED_FIFO 70"), "{}", ran.out);
        assert_eq!(ran.line("policy:"), (libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK).to_string());
    }
    // helpers are ordinary threads, before the promotion and after it
    assert_eq!(ran.line("helper:"), "policy 0");
    assert_eq!(ran.line("spawned from the cycle:"), "policy 0");
    if ran.step("memory").1 {
        let (locked, resident) = memory(ran.line("memory:"));
        assert!(locked + 64 * 1024 >= resident && locked > 1_000_000, "{}", ran.out);
        assert!(ran.line("cycles:").ends_with("faults 0"), "{}", ran.out);
    }
}

fn memlock_is_unlimited() -> bool {
    let (_, hard) = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_MEMLOCK)
        .expect("readable");
    hard >= 256 * 1024 * 1024
}

fn memory(line: &str) -> (u64, u64) {
    let mut numbers = line.split([' ', ',']).filter_map(|word| word.parse().ok());
    (numbers.next().expect("locked"), numbers.next().expect("resident"))
}

#[test]
fn the_cycle_never_wakes_early_and_never_allocates() {
    let ran = admission(Rights::None, &[]);
    let counts = ran.line("cycles:");
    assert!(counts.starts_with("200, early 0, allocations 0, frees 0,"), "{counts}");
}

#[test]
fn strict_ends_at_the_kernel_when_all_else_is_given() {
    let ran = admission(Rights::Own, &["--strict", "--cpu", "0", "--priority", "70"]);
    let power = fs::OpenOptions::new().write(true).open("/dev/cpu_dma_latency").is_ok();
    let expected = if !has(CAP_IPC_LOCK) && !memlock_is_unlimited() {
        "step `memory`: no CAP_IPC_LOCK"
    } else if !power {
        "step `power`: /dev/cpu_dma_latency"
    } else if !has(CAP_SYS_NICE) {
        "step `scheduling`: no CAP_SYS_NICE"
    } else if !preempt_rt() {
        "step `kernel`: the kernel is not PREEMPT_RT"
    } else {
        assert_eq!((ran.status, ran.line("realtime:")), (0, "true"));
        return;
    };
    assert_eq!(ran.status, 3);
    assert!(ran.err.contains(&format!("real time refused at {expected}")), "{}", ran.err);
}

#[test]
fn granted_capabilities_serve_an_ordinary_user() {
    if !is_root() {
        // Only root can grant. What an ordinary user gets without is the refusal, whatever it asks.
        let ran = admission(Rights::None, &["--priority", "70"]);
        assert!(!ran.step("memory").1 && !ran.step("scheduling").1, "{}", ran.out);
        return;
    }
    // given both: memory and priority, as after setcap
    let both =
        admission(Rights::Granted("+ipc_lock,+sys_nice"), &["--cpu", "0", "--priority", "70"]);
    assert_eq!((both.step("memory").1, both.step("scheduling").1), (true, true), "{}", both.out);
    // given one: that one
    let memory = admission(Rights::Granted("+ipc_lock"), &["--priority", "70"]);
    assert_eq!((memory.step("memory").1, memory.step("scheduling").1), (true, false));
    let nice = admission(Rights::Granted("+sys_nice"), &["--priority", "70"]);
    assert_eq!((nice.step("memory").1, nice.step("scheduling").1), (false, true));
    // and strict names the next thing missing: the device belongs to root
    let strict = admission(Rights::Granted("+ipc_lock,+sys_nice"), &["--strict"]);
    assert_eq!(strict.status, 3);
    assert!(
        strict.err.contains("step `power`: /dev/cpu_dma_latency: EACCES")
            && strict.err.contains("fix: a udev rule: KERNEL==\"cpu_dma_latency\""),
        "{}",
        strict.err
    );
}

#[test]
fn limits_serve_an_ordinary_user_as_capabilities_do() {
    if !has(CAP_SYS_RESOURCE) {
        // Nobody else can raise a ceiling: prlimit is refused, and nothing runs.
        let ran = admission(Rights::Limits, &[]);
        assert!(ran.err.contains("failed to set the RTPRIO resource limit"), "{}", ran.err);
        return;
    }
    // given limits, and a soft one that is still low
    let ran = admission(Rights::Limits, &["--cpu", "0", "--priority", "75"]);
    assert_eq!((ran.step("memory").1, ran.step("scheduling").1), (true, true), "{}", ran.out);
    assert!(ran.line("cycles:").ends_with("faults 0"), "{}", ran.out);
    // and the ceiling holds
    let ran = admission(Rights::Limits, &["--cpu", "0", "--priority", "76"]);
    let (scheduling, granted) = ran.step("scheduling");
    assert!(!granted && scheduling.contains("RLIMIT_RTPRIO is 75, below 76"), "{scheduling}");
}

#[test]
fn what_the_machine_file_does_not_ask_for_is_named_in_a_degraded_run() {
    let ran = admission(Rights::Own, &[]);
    assert_eq!((ran.status, ran.line("realtime:")), (0, "false"));
    assert!(ran.step("cpu").0.contains("no CPU asked for; allowed are"), "{}", ran.out);
    assert!(ran.step("scheduling").0.contains("no priority asked for; runs as SCHED_OTHER"));
    assert!(ran.out.contains("fix: cycle.cpu in the machine file"), "{}", ran.out);
}

#[test]
fn a_cpu_or_priority_that_does_not_exist_is_refused() {
    let ran = admission(Rights::Own, &["--cpu", "4000", "--priority", "100"]);
    assert_eq!(ran.status, 0);
    let (cpu, granted) = ran.step("cpu");
    assert!(!granted && cpu.contains("CPU 4000 is not online; online are 0"), "{cpu}");
    let (scheduling, granted) = ran.step("scheduling");
    assert!(!granted && scheduling.contains("priority 100 is not within 1..=99"), "{scheduling}");
    assert_ne!(ran.line("cpus:"), "4000");
}

#[test]
fn a_cpu_that_is_offline_is_refused_with_the_way_to_switch_it_on() {
    // given a machine whose second CPU is there and off, as its sysfs says
    let one = format!("rt-linux-online-{}", std::process::id());
    let (one, cpu) = (std::env::temp_dir().join(one), "1");
    fs::write(&one, "0\n").expect("a file of ours");
    let mut inside = Command::new("unshare");
    inside.args(if is_root() { &["--mount"][..] } else { &["--map-root-user", "--mount"] });
    let script = "mount --bind \"$1\" /sys/devices/system/cpu/online && shift && exec \"$@\"";
    inside.args(["sh", "-c", script, "sh"]).arg(&one).arg(program());
    // when the loop is to run there
    let (status, out, err) =
        common::run(inside.args(["--cpu", cpu, "--priority", "60", "--strict"]));
    fs::remove_file(&one).expect("is still there");
    // then strict refuses; without rights it ends a step before, at memory or power
    assert_eq!(status, 3, "{out}{err}");
    if has(CAP_IPC_LOCK) {
        let refused = "step `cpu`: CPU 1 is not online; online are 0; fix: echo 1 > \
                       /sys/devices/system/cpu/cpu1/online, or another cycle.cpu";
        assert!(err.contains(refused), "{err}");
    }
}
