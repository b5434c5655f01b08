//! Asks for real time, says what became of it, and runs a few cycles.
//!
//! `cargo run -p rt-linux --example admission -- [--strict] [--cpu N] [--priority N] [--hold]
//! [--break HOW] [--supervised]`; exit status 3 for a refusal. `--hold` waits for the end of the
//! standard input once armed. `--break` then does what a broken loop would: `spin` without a sleep,
//! `deaf` the same without an ear for signals, `getpid`, `write`, or `allocate` behind the filter of
//! system calls. `--supervised`: the main thread takes over what broke.

use std::fs;
use std::hint::black_box;
use std::process::ExitCode;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit};
use nix::sys::signal::{SigSet, Signal};
use rt_linux::admission::{self, Locked, Refused, Request};
use rt_linux::guard::filter::Filter;
use rt_linux::guard::{faults, memory, thread_counts};
use rt_linux::{CountingAllocator, Monotonic, broken, clock, thread};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

const CYCLES: u64 = 200;
const PERIOD_NS: u64 = 1_000_000;
/// Longer than any real-time thread may run without a sleep.
const SPIN_NS: u64 = 4_000_000_000;
const STACK_BYTES: usize = 256 * 1024;

/// What the command line asks for.
#[derive(Clone, Default)]
struct Asked {
    request: Request,
    hold: bool,
    /// Whether FIFO would be granted, before anything else.
    ask: bool,
    breaks: Option<String>,
    supervised: bool,
}

fn main() -> ExitCode {
    let asked = match read_request() {
        Ok(asked) => asked,
        Err(message) => {
            eprintln!("{message}");
            return ExitCode::from(2);
        }
    };
    match run(asked) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(3)
        }
    }
}

fn read_request() -> Result<Asked, String> {
    let mut asked = Asked::default();
    let request = &mut asked.request;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--break" => asked.breaks = Some(value()?),
            "--hold" => asked.hold = true,
            "--ask" => asked.ask = true,
            "--supervised" => asked.supervised = true,
            "--strict" => request.strict = true,
            "--cpu" => request.cpu = Some(value()?.parse().map_err(|e| format!("--cpu: {e}"))?),
            "--priority" => {
                request.priority = Some(value()?.parse().map_err(|e| format!("--priority: {e}"))?);
            }
            other => return Err(format!("unknown argument {other}")),
        }
    }
    Ok(asked)
}

fn run(asked: Asked) -> Result<ExitCode, Refused> {
    if let Some(priority) = asked.request.priority.filter(|_| asked.ask) {
        println!("fifo is granted: {}", admission::fifo_is_granted(priority));
    }
    let locked = admission::lock(&asked.request)?;
    // A low limit on locked memory must not show only now, by a thread that cannot be spawned.
    let helper = thread::spawn_helper("helper", || (policy(), allowed_cpus()));
    let (helper, cpus) = helper.expect("a helper can be spawned").join().expect("it ends");
    println!("helper: policy {helper}");
    println!("helper cpus: {cpus}");
    let supervised = asked.supervised;
    let cycle = thread::spawn_realtime("cycle", STACK_BYTES, move || cycle(locked, &asked))
        .expect("the real-time thread can be spawned");
    while supervised && !cycle.is_finished() {
        if let Some(broken) = broken::take() {
            println!("taken over: {broken}");
            return Ok(ExitCode::from(7));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    cycle.join().expect("the cycle ends").map(|()| ExitCode::SUCCESS)
}

/// Does what a loop must not.
fn misbehave(how: &str) {
    if let "getpid" | "write" | "allocate" = how {
        Filter::new().expect("a filter").install().expect("it takes");
    }
    match how {
        "getpid" => {
            black_box(std::process::id());
        }
        "write" => println!("hello from the cycle"),
        // More than the heap has: the allocator asks the kernel, and holds its lock while it does.
        "allocate" => drop(black_box(vec![1_u8; 64 << 20])),
        "deaf" => {
            let mut deaf = SigSet::empty();
            deaf.add(Signal::SIGXCPU);
            deaf.thread_block().expect("a valid set");
        }
        _ => {}
    }
    let spin_end = clock::now() + SPIN_NS;
    while clock::now() < spin_end {
        std::hint::spin_loop();
    }
}

fn cycle(locked: Locked, asked: &Asked) -> Result<(), Refused> {
    let armed = locked.arm()?;
    let mut clock = Monotonic::new(0);
    if asked.hold {
        println!("armed");
        let _ = std::io::stdin().read_line(&mut String::new());
    }
    if let Some(how) = &asked.breaks {
        misbehave(how);
    }
    let (mut next, mut early, mut latency_max) = (clock::now(), 0, 0);
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
