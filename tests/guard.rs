//! The cyclic path asks nothing of the allocator and is one thread: on the virtual link, over a wire, and in virtual time.
//!
//! And the test of that test: a program that allocates, or frees, a single block in thousands of cycles is found out.

use rt_core::tape::{Tape, Taped};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rt_core::program::{Program, Requests, Sequence, View};
use rt_linux::CountingAllocator;
use rt_linux::guard::is_counting;
use rt_linux::run::WatchCalls;
use rt_linux::signal::Shutdown;
use serde_json::Value;
use supervisor::cli::Link;
use supervisor::flight;
use supervisor::run::{Options, Source, run_program};
use tactus_tests::hosts::{turn, two_hosts};
use tactus_tests::{json, machine, run, scratch, tactus};

#[path = "guard_calls.rs"]
mod calls;

/// The allocator of `tactus`, here too: the library counts with it.
#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// Cycles that a run must have to count as quiet.
const CYCLES_MIN: u64 = 10_000;
/// In this cycle a planted program does what it must not.
const PLANTED_IN: u64 = 1_000;
/// Longest that a run may take; it ends by its cycles long before, unless the machine is starved.
const RUN_MAX: Duration = Duration::from_secs(120);
/// The thread of the loop.
const LOOP: &str = "tactus-loop";
/// The devices of the virtual link: the other end of the wire, not a part of the loop.
const DEVICES: &str = "tactus-segment";

/// What a program does once, in cycle [`PLANTED_IN`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Planted {
    Nothing,
    Allocation,
    Free,
    /// Memory that was never touched and is not locked any more.
    Fault,
    /// The cheapest system call that does nothing for the cycle.
    Call,
}

/// What a program leaves for whoever watches it.
#[derive(Debug, Default)]
struct Seen {
    cycles: AtomicU64,
    /// Cycles that ran in another thread than the one before.
    elsewhere: AtomicU64,
    /// The first cycle ran in a thread called [`LOOP`].
    in_loop: AtomicBool,
}

impl Seen {
    fn cycles(&self) -> u64 {
        self.cycles.load(Ordering::Acquire)
    }
}

thread_local! {
    /// Cycles that this thread ran, of the run that is on.
    static CYCLES_HERE: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// The machine's own program; it ends the run after so many cycles.
struct Watched {
    sequence: Sequence,
    planted: Planted,
    last: u64,
    cycle: u64,
    shutdown: Shutdown,
    seen: Arc<Seen>,
    /// What is given back, and room for what is asked for.
    kept: [Option<Box<u64>>; 2],
}

impl Watched {
    fn new(
        sequence: Sequence,
        planted: Planted,
        cycles: u64,
        shutdown: &Shutdown,
        seen: &Arc<Seen>,
    ) -> Self {
        let kept = [Some(Box::new(0)), None];
        let (shutdown, seen) = (shutdown.clone(), Arc::clone(seen));
        Self { sequence, planted, last: cycles, cycle: 0, shutdown, seen, kept }
    }

    fn look(&mut self) {
        self.cycle += 1;
        if self.cycle == 1 {
            CYCLES_HERE.set(0);
            let is_loop = std::thread::current().name() == Some(LOOP);
            self.seen.in_loop.store(is_loop, Ordering::Relaxed);
        }
        CYCLES_HERE.set(CYCLES_HERE.get() + 1);
        if CYCLES_HERE.get() != self.cycle {
            CYCLES_HERE.set(self.cycle);
            self.seen.elsewhere.fetch_add(1, Ordering::Relaxed);
        }
        self.seen.cycles.store(self.cycle, Ordering::Release);
        if self.cycle == self.last {
            self.shutdown.request();
        }
    }

    fn misbehave(&mut self) {
        match self.planted {
            Planted::Nothing => {}
            Planted::Allocation => self.kept[1] = std::hint::black_box(Some(Box::new(self.cycle))),
            Planted::Free => drop(std::hint::black_box(self.kept[0].take())),
            Planted::Fault => {
                nix::sys::mman::munlockall().expect("needs no right");
                drop(std::hint::black_box(vec![1_u8; 8 << 20]));
            }
            Planted::Call => drop(std::hint::black_box(std::process::id())),
        }
    }
}

impl Taped for Watched {
    fn tape<T: Tape>(&mut self, tape: &mut T) {
        self.sequence.tape(tape);
    }
}

impl Program for Watched {
    fn cycle(&mut self, view: View<'_>, requests: &mut dyn Requests) {
        self.look();
        if self.cycle == PLANTED_IN {
            self.misbehave();
        }
        self.sequence.cycle(view, requests);
    }

    fn position(&self) -> u16 {
        self.sequence.position()
    }

    fn fault(&self) -> Option<u16> {
        self.sequence.fault()
    }

    fn strand(&self, number: u8) -> Option<u16> {
        self.sequence.strand(number)
    }
}

/// A run of the demo cell on the virtual link, in this process.
struct Run {
    directory: PathBuf,
    virtual_time: bool,
    planted: Planted,
    cycles: u64,
    watch_calls: WatchCalls,
    /// What the cell's file says otherwise.
    changes: &'static [(&'static str, &'static str)],
    seen: Arc<Seen>,
}

impl Run {
    fn new(test: &str, virtual_time: bool, planted: Planted, cycles: u64) -> Self {
        let seen = Arc::new(Seen::default());
        let (watch_calls, changes) = (WatchCalls::No, [].as_slice());
        Self { directory: scratch(test), virtual_time, planted, cycles, watch_calls, changes, seen }
    }

    /// Dumps at stops, and one that was asked for: what freezes and writes them must not disturb the loop.
    fn flight(&self) -> flight::Options {
        let request = Arc::new(true.into());
        flight::Options {
            directory: Some(self.directory.clone()),
            request,
            ..flight::Options::default()
        }
    }

    /// Runs it to its end, everything of a real run with it: recording, cameras, supervisor.
    fn report(&self) -> Value {
        self.outcome().unwrap_or_else(|message| panic!("{message}"))
    }

    /// The report, or why there is none.
    fn outcome(&self) -> Result<Value, String> {
        let path = machine("demo-cell.toml");
        let mut text = std::fs::read_to_string(&path).expect("the demo cell");
        for (from, to) in self.changes {
            assert!(text.contains(from), "the cell's file has {from}");
            text = text.replacen(from, to, 1);
        }
        let machine = config::load(&text, "demo-cell.toml").expect("a right file");
        let bytes = text.into_bytes();
        let source = Source { machine, file_name: "demo-cell.toml".into(), bytes };
        let camera = format!("tactus-guard-{}-{:p}.sock", std::process::id(), &raw const *self);
        let options = Options {
            link: Link::Virtual,
            virtual_time: self.virtual_time,
            seed: 1,
            duration: Some(RUN_MAX),
            headless: true,
            record: Some(self.directory.join("run.mcap")),
            capture: None,
            vision_socket: std::env::temp_dir().join(camera),
            flight: self.flight(),
            state: None,
            home_again: false,
            watch_calls: self.watch_calls,
            park: None,
        };
        let shutdown = Shutdown::detached();
        let sequence = Sequence::new(&source.machine.plan);
        let program = Watched::new(sequence, self.planted, self.cycles, &shutdown, &self.seen);
        let report = run_program(&source, &options, &shutdown, program);
        let text = report.map_err(|error| error.message)?.to_json().expect("a report");
        Ok(serde_json::from_str(&text).expect("JSON"))
    }
}

/// What a report must say of a loop that is quiet; else what is wrong.
fn quiet(report: &Value) -> Result<(), String> {
    for what in ["allocations", "frees"] {
        match report[what].as_u64() {
            Some(0) => {}
            Some(count) => return Err(format!("{what} by the cyclic thread: {count}")),
            None => return Err(format!("the process does not count {what}")),
        }
    }
    match report["cycles"].as_u64() {
        Some(cycles) if cycles >= CYCLES_MIN => Ok(()),
        cycles => Err(format!("{cycles:?} cycles, at least {CYCLES_MIN} expected")),
    }
}

/// The loop did its work in the run, so that there was something that could have allocated: frames went round, pictures came, axes moved.
/// Returns how many of them did.
fn worked(report: &Value) -> usize {
    // On a machine without real time some frames come back late; most do not.
    assert!(report["frames"]["received"].as_u64() >= Some(CYCLES_MIN * 9 / 10), "{report:#}");
    assert!(report["records"]["stored"].as_u64() > Some(CYCLES_MIN), "{report:#}");
    assert!(report["flight_recorder"]["records"].as_u64() >= Some(CYCLES_MIN), "{report:#}");
    assert!(report["vision"]["received"].as_u64() > Some(100), "no camera: {report:#}");
    let axes = report["axes"].as_array().expect("axes").iter();
    let moved = axes.filter(|axis| axis["travel"].as_f64() > Some(1.0)).count();
    assert!(moved > 0, "nothing moved: {report:#}");
    moved
}

/// Voluntary context switches of each thread of a process, by thread id, with the thread's name.
type Beats = BTreeMap<u32, (String, u64)>;

fn beats(tasks: &Path) -> Beats {
    let threads = std::fs::read_dir(tasks).expect("/proc is there");
    let threads = threads.filter_map(|entry| {
        // A thread may end while it is looked at.
        let path = entry.ok()?.path();
        let id = path.file_name()?.to_str()?.parse().ok()?;
        let name = std::fs::read_to_string(path.join("comm")).ok()?.trim_end().to_owned();
        let status = std::fs::read_to_string(path.join("status")).ok()?;
        let mut lines = status.lines();
        let switches = lines.find_map(|l| l.strip_prefix("voluntary_ctxt_switches:"))?;
        Some((id, (name, switches.trim().parse().ok()?)))
    });
    threads.collect()
}

/// How often each thread waited between two looks; threads that were there both times.
fn waited(before: &Beats, after: &Beats) -> Vec<(String, u64)> {
    let both = after.iter().filter_map(|(id, (name, switches))| {
        let (_, earlier) = before.get(id)?;
        Some((name.clone(), switches.saturating_sub(*earlier)))
    });
    both.collect()
}

/// Nobody but the loop lives by the beat of the cycle: a thread that carried frames for it would wait as often as it does.
fn one_beats(waited: &[(String, u64)], is_device: impl Fn(&str) -> bool) -> Result<u64, String> {
    let mut loops = waited.iter().filter(|(name, _)| name == LOOP);
    let Some((_, beat)) = loops.next() else { return Err(format!("no {LOOP}: {waited:?}")) };
    if loops.next().is_some() {
        return Err(format!("two of {LOOP}: {waited:?}"));
    }
    let other = waited.iter().find(|(name, n)| name != LOOP && !is_device(name) && n * 2 > *beat);
    match other {
        Some((name, _)) => Err(format!("{name} has the beat of the loop too: {waited:?}")),
        None => Ok(*beat),
    }
}

/// Names of the threads that a run has, sorted.
fn ours(waited: &[(String, u64)]) -> Vec<&str> {
    let mut names: Vec<_> = waited.iter().map(|(name, _)| name.as_str()).collect();
    names.retain(|name| name.starts_with("tactus-"));
    names.sort_unstable();
    names
}

/// Looks at the threads of this process when the run is at `from` cycles and again at `to`; not at `others`: a loop that was filtered rests
/// for good where it ended.
fn watch(seen: &Seen, from: u64, to: u64, others: &Beats) -> Vec<(String, u64)> {
    let until = Instant::now() + RUN_MAX;
    let look_at = |cycle| {
        while seen.cycles() < cycle && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        let mut beats = beats(Path::new("/proc/self/task"));
        beats.retain(|id, _| !others.contains_key(id));
        beats
    };
    let before = look_at(from);
    waited(&before, &look_at(to))
}

#[test]
fn the_loop_on_the_virtual_link_is_one_thread_that_never_allocates() {
    let _turn = turn();
    assert!(is_counting());
    let run = Run::new("guard-threads", false, Planted::Nothing, CYCLES_MIN);
    let others = beats(Path::new("/proc/self/task"));
    let (report, threads) = std::thread::scope(|scope| {
        let watching = scope.spawn(|| watch(&run.seen, 1_000, CYCLES_MIN - 1_000, &others));
        (run.report(), watching.join().expect("it only looks"))
    });
    assert_eq!(quiet(&report), Ok(()), "{report:#}");
    assert_eq!(report["link"], "virtual");
    worked(&report);
    assert!(run.seen.in_loop.load(Ordering::Relaxed), "the program runs in {LOOP}");
    assert_eq!(run.seen.elsewhere.load(Ordering::Relaxed), 0, "and never in another thread");
    assert_eq!(ours(&threads), ["tactus-flight", LOOP, "tactus-record", DEVICES, "tactus-vision"]);
    let beat = one_beats(&threads, |name| name == DEVICES);
    assert!(beat >= Ok(CYCLES_MIN / 2), "the loop waits in each cycle: {beat:?}");
}

#[test]
// SR-045
fn the_loop_in_virtual_time_never_allocates_and_neither_do_the_devices_behind_it() {
    assert!(is_counting());
    let run = Run::new("guard-virtual", true, Planted::Nothing, 3 * CYCLES_MIN);
    let report = run.report();
    assert_eq!(quiet(&report), Ok(()), "{report:#}");
    assert_eq!(worked(&report), 3, "every axis moved: {report:#}");
    assert_eq!(run.seen.elsewhere.load(Ordering::Relaxed), 0, "all of it is this thread");
}

#[test]
fn one_planted_allocation_in_virtual_time_is_found_out() {
    let report = Run::new("guard-v-alloc", true, Planted::Allocation, CYCLES_MIN).report();
    assert_eq!(quiet(&report), Err("allocations by the cyclic thread: 1".into()));
}

#[test]
fn one_planted_free_in_virtual_time_is_found_out() {
    let report = Run::new("guard-v-free", true, Planted::Free, CYCLES_MIN).report();
    assert_eq!(quiet(&report), Err("frees by the cyclic thread: 1".into()));
}

#[test]
fn one_planted_allocation_in_the_real_time_thread_is_found_out() {
    let _turn = turn();
    let report = Run::new("guard-alloc", false, Planted::Allocation, 2 * PLANTED_IN).report();
    assert_eq!(quiet(&report), Err("allocations by the cyclic thread: 1".into()));
    assert_eq!(report["frees"], 0, "what was kept was not given back in the cycle");
}

#[test]
fn one_planted_free_in_the_real_time_thread_is_found_out() {
    let _turn = turn();
    let report = Run::new("guard-free", false, Planted::Free, 2 * PLANTED_IN).report();
    assert_eq!(quiet(&report), Err("frees by the cyclic thread: 1".into()));
    assert_eq!(report["allocations"], 0);
}

#[test]
fn too_short_a_run_and_a_process_that_does_not_count_are_not_quiet() {
    let report = |allocations: Value, cycles: u64| {
        let frees = 0;
        quiet(&serde_json::json!({"allocations": allocations, "frees": frees, "cycles": cycles}))
    };
    assert_eq!(report(0.into(), CYCLES_MIN), Ok(()));
    assert!(report(0.into(), CYCLES_MIN - 1).is_err());
    assert!(report(Value::Null, CYCLES_MIN).is_err());
}

#[test]
fn a_helper_with_the_beat_of_the_loop_and_a_second_loop_are_found_out() {
    let thread = |name: &str, waited| (name.to_owned(), waited);
    let devices = |name: &str| name == DEVICES;
    let fine = [thread("main", 200), thread(LOOP, 2_000), thread(DEVICES, 2_000)];
    assert_eq!(one_beats(&fine, devices), Ok(2_000));
    assert!(one_beats(&fine, |_| false).is_err(), "on a wire there are no devices here");
    assert!(one_beats(&[thread(LOOP, 2_000), thread("async-io", 1_900)], devices).is_err());
    assert!(one_beats(&[thread(LOOP, 2_000), thread(LOOP, 1)], devices).is_err());
    assert!(one_beats(&[thread("main", 200)], devices).is_err());
}

/// `tactus run` here and `tactus sim` on the other host; the threads of the former at two moments.
const OVER_A_WIRE: &str = r#"
there $tactus sim $file --iface bus1 --vision-socket cameras.sock --json >sim.json 2>sim.err & SIM=$!
until grep -q '"ready"' sim.json; do kill -0 $SIM || { cat sim.err >&2; exit 99; }; sleep 0.1; done
$tactus run $file --link raw:bus0 --for 16s --headless --vision-socket cameras.sock \
  --report report.json --record run.mcap & RUN=$!
look() {
  for task in /proc/$RUN/task/*; do
    mkdir -p $1/${task##*/} && cat $task/comm >$1/${task##*/}/comm && cat $task/status >$1/${task##*/}/status
  done
}
until grep -qx tactus-loop /proc/$RUN/task/*/comm; do kill -0 $RUN || exit 98; sleep 0.1; done
sleep 4; look before; sleep 8; look after
code=0; wait $RUN || code=$?
kill $SIM; wait $SIM || true
exit $code
"#;

#[test]
fn the_loop_on_a_wire_is_one_thread_that_never_allocates() {
    let _turn = turn();
    let directory = scratch("guard-wire");
    let script = format!(
        "cd {}\ntactus={}\nfile={}\n{OVER_A_WIRE}",
        directory.display(),
        tactus().display(),
        machine("demo-cell.toml").display()
    );
    let output = run(&mut two_hosts(&script));
    let said = String::from_utf8_lossy(&output.stderr);
    // How it ends is not the question here: the visitor may hold the cell, a busy machine may hold up the other host.
    assert!(matches!(output.status.code(), Some(0 | 4 | 5)), "{:?} {said}", output.status);
    let report = json(&directory.join("report.json"));
    assert_eq!(quiet(&report), Ok(()), "{report:#}");
    assert_eq!(report["link"], "raw:bus0");
    worked(&report);
    let threads = waited(&beats(&directory.join("before")), &beats(&directory.join("after")));
    let mut names: Vec<_> = threads.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    // These and no other: the main thread supervises.
    assert_eq!(
        names,
        ["tactus", "tactus-audit", "tactus-flight", LOOP, "tactus-record", "tactus-vision"]
    );
    let beat = one_beats(&threads, |_| false);
    assert!(beat >= Ok(4_000), "8 s at 1 kHz: {beat:?}");
}
