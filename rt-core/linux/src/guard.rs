//! Counts of what must not happen in the cycle. Whoever asserts on them takes a reading before and
//! after.
//!
//! | guard | how it knows | what it costs the cycle |
//! | --- | --- | --- |
//! | [allocations, frees](thread_counts) | the allocator counts, per thread | nothing: there are none |
//! | [page faults, switches](faults) | getrusage before and after | nothing |
//! | the same [beside the thread](account()) | /proc, read by the supervisor | nothing |
//! | [system calls](perf) | perf events on `raw_syscalls` | well below 1 µs |
//! | [system calls](filter) | a seccomp filter that traps | below 1 µs; the thread can never do more |

pub mod account;
pub mod calls;
pub mod filter;
pub mod perf;

pub use account::{Account, account, thread_id};

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fs;
use std::io;

use nix::sys::resource::{UsageWho, getrusage};

thread_local! {
    // Initialised at compile time and without a destructor: a plain thread-local word, safe to
    // touch from the allocator.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    static FREES: Cell<u64> = const { Cell::new(0) };
}

/// The system's allocator, counting per thread. The binary declares it:
///
/// ```
/// use rt_linux::guard::{CountingAllocator, thread_counts};
///
/// #[global_allocator]
/// static ALLOCATOR: CountingAllocator = CountingAllocator;
///
/// let before = thread_counts();
/// drop(std::hint::black_box(Box::new(1)));
/// let counts = thread_counts().since(before);
/// assert_eq!((counts.allocations, counts.frees), (1, 1));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct CountingAllocator;

/// Calls to the allocator by one thread. Changing a block's size counts as both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Blocks asked for.
    pub allocations: u64,
    /// Blocks given back.
    pub frees: u64,
}

impl Counts {
    /// What was added after `earlier`.
    #[must_use]
    pub fn since(self, earlier: Counts) -> Counts {
        Counts {
            allocations: self.allocations.saturating_sub(earlier.allocations),
            frees: self.frees.saturating_sub(earlier.frees),
        }
    }
}

/// What the calling thread has asked of [`CountingAllocator`] in its life. All 0 where the binary
/// does not declare it; ask [`is_counting`].
#[must_use]
// SR-045
pub fn thread_counts() -> Counts {
    Counts { allocations: ALLOCATIONS.get(), frees: FREES.get() }
}

/// [`CountingAllocator`] is the allocator of this process. Allocates once to find out; not for the
/// cycle.
#[must_use]
pub fn is_counting() -> bool {
    let before = thread_counts();
    drop(std::hint::black_box(Box::new(0_u8)));
    thread_counts() != before
}

fn count(counter: &'static std::thread::LocalKey<Cell<u64>>) {
    counter.set(counter.get().wrapping_add(1));
}

// SAFETY: every call goes to `System` unchanged; counting touches only words of the calling thread
// and never allocates.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(&ALLOCATIONS);
        // SAFETY: the caller's promises for `alloc` are `System`'s.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(&ALLOCATIONS);
        // SAFETY: the caller's promises for `alloc_zeroed` are `System`'s.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(&FREES);
        // SAFETY: the block came from `System`, as all of ours do.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(&ALLOCATIONS);
        count(&FREES);
        // SAFETY: the block came from `System`, as all of ours do.
        unsafe { System.realloc(block, layout, size) }
    }
}

/// What the kernel did to the calling thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Page faults served without reading a disk.
    pub minor: u64,
    /// Page faults that read a disk.
    pub major: u64,
    /// Times the thread waited: one a cycle for the sleep, one for the frame.
    pub voluntary_switches: u64,
    /// Times another thread took the CPU.
    pub involuntary_switches: u64,
}

impl Faults {
    /// What was added after `earlier`.
    #[must_use]
    pub fn since(self, earlier: Faults) -> Faults {
        let added = u64::saturating_sub;
        Faults {
            minor: added(self.minor, earlier.minor),
            major: added(self.major, earlier.major),
            voluntary_switches: added(self.voluntary_switches, earlier.voluntary_switches),
            involuntary_switches: added(self.involuntary_switches, earlier.involuntary_switches),
        }
    }
}

/// The calling thread's account with the kernel (getrusage, RUSAGE_THREAD): one system call.
#[must_use]
pub fn faults() -> Faults {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_THREAD) else {
        return Faults::default();
    };
    let unsigned = |count: libc::c_long| u64::try_from(count).unwrap_or(0);
    Faults {
        minor: unsigned(usage.minor_page_faults()),
        major: unsigned(usage.major_page_faults()),
        voluntary_switches: unsigned(usage.voluntary_context_switches()),
        involuntary_switches: unsigned(usage.involuntary_context_switches()),
    }
}

/// Bytes of the process that are in memory (VmRSS). Allocates; not for the cycle.
///
/// # Errors
/// /proc is not there.
pub fn resident_bytes() -> io::Result<u64> {
    Ok(memory()?.resident)
}

/// Bytes of the process that cannot be paged out (VmLck). Allocates; not for the cycle.
///
/// # Errors
/// /proc is not there.
pub fn locked_bytes() -> io::Result<u64> {
    Ok(memory()?.locked)
}

/// The memory of the process at one moment, bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// In memory (VmRSS).
    pub resident: u64,
    /// Mapped and kept in memory (VmLck).
    pub locked: u64,
}

/// Pages that are resident and never locked: those that the kernel maps itself (vDSO and its data),
/// and what its counters, kept per CPU, may be off. More than that is memory of ours.
const NEVER_LOCKED_BYTES: u64 = 64 * 1024;

impl Memory {
    /// All memory that is ours to lock is locked.
    #[must_use]
    pub fn is_all_locked(&self) -> bool {
        self.locked > 0 && self.locked.saturating_add(NEVER_LOCKED_BYTES) >= self.resident
    }
}

/// The memory of the process, both figures of one moment. Allocates; not for the cycle.
///
/// # Errors
/// /proc is not there.
pub fn memory() -> io::Result<Memory> {
    let status = fs::read_to_string("/proc/self/status")?;
    Ok(Memory { resident: bytes(&status, "VmRSS:")?, locked: bytes(&status, "VmLck:")? })
}

/// A field of /proc/self/status that is given in kB.
fn bytes(status: &str, field: &str) -> io::Result<u64> {
    status
        .lines()
        .find_map(|line| line.strip_prefix(field))
        .and_then(|value| value.trim().strip_suffix("kB"))
        .and_then(|value| value.trim().parse::<u64>().ok())
        .and_then(|kib| kib.checked_mul(1024))
        .ok_or_else(|| io::Error::other(format!("/proc/self/status has no usable {field}")))
}
