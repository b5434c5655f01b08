//! Threads around the loop.

use std::hint::black_box;
use std::io;
use std::thread::{Builder, JoinHandle};

use crate::signal;

/// Enough for a helper that formats, writes files and talks to sockets. Small, because locked
/// memory counts whole stacks.
pub const HELPER_STACK_BYTES: usize = 512 * 1024;

/// Least stack that a thread gets.
const STACK_BYTES_MIN: usize = 64 * 1024;

/// What the C library and the thread's start take of a stack before ours begins.
const START_BYTES: usize = 64 * 1024;

const PAGE: usize = 4096;

/// Spawns the thread that will run the cycle: never the main thread, whose stack faults even when
/// all memory is locked. Before `f` runs, `stack_bytes` of stack (at least 64 KiB) have been
/// touched, and the signals for people are left to others. It is an ordinary thread still; `f`
/// promotes it with [`Locked::arm`](crate::admission::Locked::arm). Spawn the helpers before.
///
/// # Errors
/// The kernel gives no thread; with locked memory and a low `ulimit -l` that is EAGAIN.
pub fn spawn_realtime<F, R>(name: &str, stack_bytes: usize, f: F) -> io::Result<JoinHandle<R>>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    let stack_bytes = stack_bytes.max(STACK_BYTES_MIN);
    // What it owns may be large: it comes onto the stack when it is called, below what has been touched, and not before.
    let f = Box::new(f);
    let builder = Builder::new().name(name.to_owned());
    builder.stack_size(stack_bytes.saturating_add(START_BYTES)).spawn(move || {
        // Cannot fail with a valid set; if it ever does, a handler may run in the cycle, which
        // costs time and nothing else.
        let _ = signal::leave_to_other_threads();
        prefault(stack_bytes);
        call(f)
    })
}

/// In a frame of its own, below the caller's.
#[inline(never)]
fn call<F: FnOnce() -> R, R>(f: Box<F>) -> R {
    f()
}

/// Spawns a thread beside the loop, with a stack of [`HELPER_STACK_BYTES`].
///
/// # Errors
/// As [`spawn_realtime`].
pub fn spawn_helper<F, R>(name: &str, f: F) -> io::Result<JoinHandle<R>>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    Builder::new().name(name.to_owned()).stack_size(HELPER_STACK_BYTES).spawn(f)
}

/// Touches every page of the calling thread's stack down to `bytes` below here.
#[inline(never)]
fn prefault(bytes: usize) {
    let top = 0_u8;
    descend(std::ptr::from_ref(black_box(&top)).addr(), bytes);
}

/// One page of stack a turn; depth is at most `bytes / PAGE`.
#[inline(never)]
fn descend(top: usize, bytes: usize) {
    let mut page = [0_u8; PAGE];
    let here = black_box(&mut page).as_ptr().addr();
    if top.saturating_sub(here) < bytes {
        descend(top, bytes);
    }
    // After the call, so that it cannot become a jump that uses one page over and over.
    black_box(&mut page);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_may_own_more_than_what_its_start_takes() {
        let large = [7_u8; 8 * START_BYTES];
        let thread = spawn_realtime("large", 16 * START_BYTES, move || black_box(large).len());
        assert_eq!(thread.expect("a thread").join().expect("it ends"), 8 * START_BYTES);
    }
}
