//! Each guard sees what it is there for: a planted allocation, a planted fault, a planted wait.

use std::fs;
use std::hint::black_box;
use std::thread;
use std::time::Duration;

use rt_linux::clock::now;
use rt_linux::guard::{Counts, faults, is_counting, locked_bytes, resident_bytes, thread_counts};
use rt_linux::thread::spawn_realtime;
use rt_linux::{CountingAllocator, Monotonic};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

#[test]
fn a_planted_allocation_is_counted_and_a_planted_free() {
    assert!(is_counting());
    let before = thread_counts();
    let planted = black_box(vec![0_u8; 100]);
    assert_eq!(thread_counts().since(before), Counts { allocations: 1, frees: 0 });
    drop(planted);
    assert_eq!(thread_counts().since(before), Counts { allocations: 1, frees: 1 });
    // growing is both
    let mut planted: Vec<u8> = Vec::with_capacity(8);
    let before = thread_counts();
    planted.reserve_exact(black_box(10_000));
    assert_eq!(thread_counts().since(before), Counts { allocations: 1, frees: 1 });
}

#[test]
fn other_threads_do_not_count() {
    let (start, started) = std::sync::mpsc::channel::<()>();
    let (done, finished) = std::sync::mpsc::channel::<()>();
    let other = thread::spawn(move || {
        started.recv().expect("started");
        drop(black_box(vec![1; 1000]));
        let own = thread_counts();
        drop(done);
        own
    });
    start.send(()).expect("listens");
    // Only now: the channel itself may allocate.
    let _ = finished.recv();
    let before = thread_counts();
    let own = other.join().expect("the other thread ends");
    assert!(own.allocations >= 1);
    assert_eq!(thread_counts().since(before).allocations, 0);
}

#[test]
fn reading_the_guards_and_sleeping_allocates_nothing() {
    let mut clock = Monotonic::new(10_000);
    let before = thread_counts();
    for _ in 0..20 {
        let wake = now() + 200_000;
        black_box(clock.sleep_until(wake));
        black_box(faults());
    }
    assert_eq!(thread_counts().since(before), Counts::default());
}

#[test]
fn a_planted_page_fault_is_counted() {
    const BYTES: usize = 8 * 1024 * 1024;
    let before = faults();
    let mut planted = vec![0_u8; BYTES];
    for page in planted.chunks_mut(4096) {
        page[0] = 1;
    }
    black_box(&planted);
    // At least one per huge page; 2048 where there are none.
    assert!(faults().since(before).minor >= 4);
    // and the memory is there
    assert!(resident_bytes().expect("readable") >= BYTES as u64);
}

#[test]
fn a_planted_wait_is_counted() {
    let before = faults();
    for _ in 0..3 {
        thread::sleep(Duration::from_millis(1));
    }
    assert!(faults().since(before).voluntary_switches >= 3);
}

#[test]
fn locked_bytes_are_what_the_kernel_says() {
    // given a page locked by hand: 64 KiB are within any limit
    let page = vec![1_u8; 64 * 1024];
    let before = locked_bytes().expect("readable");
    let start = std::ptr::NonNull::new(page.as_ptr().cast_mut()).expect("not null").cast();
    // SAFETY: the range is ours and outlives the lock.
    unsafe { nix::sys::mman::mlock(start, page.len()) }.expect("within the limit");
    let after = locked_bytes().expect("readable");
    assert!(after >= before + 64 * 1024, "{before} then {after}");
}

const STACK_BYTES: usize = 512 * 1024;

/// Uses most of the stack.
#[inline(never)]
fn use_stack() {
    let mut area = [0_u8; STACK_BYTES - 64 * 1024];
    for byte in area.iter_mut().step_by(4096) {
        *byte = 1;
    }
    black_box(&mut area);
}

/// The minor faults that using the stack takes. Read outside, as a function touches its stack
/// before its first statement.
fn faults_of_stack() -> u64 {
    black_box(faults());
    let before = faults();
    use_stack();
    faults().since(before).minor
}

#[test]
fn the_stack_of_the_cycle_is_there_before_it_is_needed() {
    let prepared = spawn_realtime("cycle", STACK_BYTES, faults_of_stack);
    let faults_prepared = prepared.expect("spawns").join().expect("ends");
    // given the same on an ordinary thread (large, so that it gets no used stack), the guard sees
    // the faults
    let plain = thread::Builder::new().stack_size(16 * STACK_BYTES).spawn(faults_of_stack);
    let faults_plain = plain.expect("spawns").join().expect("ends");
    // one per huge page at the least; 112 where there are none
    assert!(faults_plain >= 1, "{faults_plain}");
    // the page of its code, perhaps
    assert!(faults_prepared <= 1 && faults_prepared < faults_plain, "{faults_prepared}");
}

#[test]
fn signals_for_people_stay_away_from_the_cycle() {
    fn blocked() -> u64 {
        let status = fs::read_to_string("/proc/thread-self/status").expect("readable");
        let mask = status.lines().find_map(|line| line.strip_prefix("SigBlk:")).expect("there");
        u64::from_str_radix(mask.trim(), 16).expect("hexadecimal")
    }
    let bit = |signal: i32| 1_u64 << (signal - 1);
    let plain = blocked();
    let cycle = spawn_realtime("cycle", 0, blocked).expect("spawns").join().expect("ends");
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGCHLD] {
        assert_eq!(plain & bit(signal), 0);
        assert_ne!(cycle & bit(signal), 0);
    }
    // a fault of its own, and the end of its CPU time, still reach it
    for signal in [libc::SIGSEGV, libc::SIGBUS, libc::SIGXCPU] {
        assert_eq!(cycle & bit(signal), 0);
    }
}
