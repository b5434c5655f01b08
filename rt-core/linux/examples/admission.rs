//! Asks for real time, says what became of it, and runs a few cycles.
//!
//! `cargo run -p rt-linux --example admission -- [--strict] [--cpu N] [--priority N] [--runaway]`;
//! exit status 3 for a refusal. `--runaway` then spins without a sleep, as a broken loop would.

use std::fs;
use std::process::ExitCode;

use nix::sys::resource::{Resource, getrlimit};
use rt_core::Clock;
use rt_linux::admission::{self, Locked, Refused, Request};
use rt_linux::guard::{faults, memory, thread_counts};
use rt_linux::{CountingAllocator, Monotonic, thread};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

const CYCLES: u64 = 200;
const PERIOD_NS: u64 = 1_000_000;
/// Longer than any real-time thread may run without a sleep.
const SPIN_NS: u64 = 4_000_000_000;
const STACK_BYTES: usize = 256 * 1024;

fn main() -> ExitCode {
    let (request, runaway) = match read_request() {
        Ok(asked) => asked,
        Err(message) => {
            eprintln!("{message}");
            return ExitCode::from(2);
        }
    };
    match run(request, runaway) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(3)
        }
    }
}

fn read_request() -> Result<(Request, bool), String> {
    let mut runaway = false;
    let mut request = Request::default();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = || arguments.next().ok_or(format!("{argument} needs a number"));
        match argument.as_str() {
            "--runaway" => runaway = true,
            "--strict" => request.strict = true,
            "--cpu" => request.cpu = Some(number()?.parse().map_err(|e| format!("--cpu: {e}"))?),
            "--priority" => {
                request.priority = Some(number()?.parse().map_err(|e| format!("--priority: {e}"))?);
            }
            other => return Err(format!("unknown argument {other}")),
        }
    }
    Ok((request, runaway))
}

fn run(request: Request, runaway: bool) -> Result<(), Refused> {
    let locked = admission::lock(&request)?;
    // A low limit on locked memory must not show only now, by a thread that cannot be spawned.
    let helper = thread::spawn_helper("helper", policy).expect("a helper can be spawned");
    println!("helper: policy {}", helper.join().expect("the helper ends"));
    let cycle = thread::spawn_realtime("cycle", STACK_BYTES, move || cycle(locked, runaway))
        .expect("the real-time thread can be spawned");
    cycle.join().expect("the cycle ends")
}

fn cycle(locked: Locked, runaway: bool) -> Result<(), Refused> {
    let armed = locked.arm()?;
    let mut clock = Monotonic::new(0);
    let spin_end = clock.now() + SPIN_NS;
    while runaway && clock.now() < spin_end {
        std::hint::spin_loop();
    }
    let (mut next, mut early, mut latency_max) = (clock.now(), 0, 0);
    let (counts, faulted) = (thread_counts(), faults());
    for _ in 0..CYCLES {
        next += PERIOD_NS;
        let woke = clock.sleep_until(next);
        early += u64::from(woke < next);
        latency_max = latency_max.max(woke.saturating_sub(next));
    }
    let (counts, faulted) = (thread_counts().since(counts), faults().since(faulted));

    print!("{}", armed.outcome());
    println!("realtime: {}", armed.outcome().is_realtime());
    println!("policy: {}", policy());
    println!("cpus: {}", allowed_cpus());
    let spawned = std::thread::spawn(policy).join().expect("the thread ends");
    println!("spawned from the cycle: policy {spawned}");
    println!(
        "cycles: {CYCLES}, early {early}, allocations {}, frees {}, faults {}",
        counts.allocations,
        counts.frees,
        faulted.minor + faulted.major
    );
    println!("latency: max {latency_max} ns");
    let memory = memory().unwrap_or_default();
    println!("memory: locked {}, resident {}", memory.locked, memory.resident);
    let (soft, _) = getrlimit(Resource::RLIMIT_MEMLOCK).unwrap_or_default();
    println!("RLIMIT_MEMLOCK: {soft}");
    Ok(())
}

/// The kernel's number for how it schedules the calling thread: 0 SCHED_OTHER, 1 SCHED_FIFO, +
/// 0x40000000 not inherited.
fn policy() -> i32 {
    // SAFETY: takes an integer; 0 names the calling thread.
    unsafe { libc::sched_getscheduler(0) }
}

fn allowed_cpus() -> String {
    let status = fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    line.map_or_else(String::new, |list| list.trim().to_owned())
}
