//! `guard-cost`: what watching system calls costs each of them. One declared call, made over and over by three threads on one CPU that take
//! turns block by block: unwatched, counted (`--guards=count`), behind the filter (`--guards=trap`). Needs the right to count.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use nix::poll::ppoll;
use rt_linux::Monotonic;
use rt_linux::clock::now;
use rt_linux::guard::filter::Filter;
use rt_linux::guard::perf::Counter;

const WAYS: [&str; 3] = ["unwatched", "counted", "filtered"];
const BLOCKS: usize = 100;
const CALLS: u64 = 5_000;
/// Between two looks whether it is one's turn, ns.
const LOOK_NS: u64 = 100_000;

/// What a block of a way took, ns, by way and block; and whose turn it is, counted on.
static TOOK: [[AtomicU64; BLOCKS]; 3] = [const { [const { AtomicU64::new(0) }; BLOCKS] }; 3];
static TURN: AtomicUsize = AtomicUsize::new(0);

fn measure(way: usize) {
    let mut clock = Monotonic::new(0);
    for (block, into) in TOOK[way].iter().enumerate() {
        while TURN.load(Ordering::Acquire) != block * WAYS.len() + way {
            clock.sleep_until(now() + LOOK_NS);
        }
        let began = now();
        for _ in 0..CALLS {
            let _ = ppoll(&mut [], Some(nix::sys::time::TimeSpec::new(0, 0)), None);
        }
        into.store(now() - began, Ordering::Relaxed);
        TURN.fetch_add(1, Ordering::AcqRel);
    }
}

fn main() {
    // The threads inherit it: they share one CPU.
    let mut one = nix::sched::CpuSet::new();
    one.set(0).expect("a small number");
    nix::sched::sched_setaffinity(nix::unistd::Pid::from_raw(0), &one).expect("CPU 0 is ours");
    thread::spawn(|| measure(0));
    thread::spawn(|| {
        let counter = Counter::new().unwrap_or_else(|why| panic!("cannot count here: {why}"));
        counter.start();
        measure(1);
        let counted = counter.stop().expect("counted");
        println!("{counted:?}");
    });
    thread::spawn(|| {
        Filter::new().expect("a filter").install().expect("it takes");
        measure(2);
        // Behind a filter a thread cannot end.
        loop {
            Monotonic::new(0).sleep_until(u64::MAX / 4);
        }
    });
    while TURN.load(Ordering::Acquire) < BLOCKS * WAYS.len() {
        thread::sleep(Duration::from_millis(10));
    }
    thread::sleep(Duration::from_millis(50));
    for (way, blocks) in WAYS.iter().zip(&TOOK) {
        let mut each: Vec<u64> =
            blocks.iter().map(|took| took.load(Ordering::Relaxed) / CALLS).collect();
        each.sort_unstable();
        println!("{way}: median {} ns a call, of {BLOCKS} blocks of {CALLS}", each[BLOCKS / 2]);
    }
}
