//! What becomes of a real-time thread that breaks a rule which the kernel watches: it used the CPU
//! for a second without a sleep (RLIMIT_RTTIME, SIGXCPU), or made a system call that is not
//! declared (seccomp, SIGSYS).
//!
//! It stops where it stands: no more frames leave, and the devices' watchdogs take the machine to
//! its safe state. The CPU is free again at once. The supervisor [sees](take) what happened, finishes
//! the recording, says it, and [has settled it](settled). If it has not after [`GRACE`] (the thread
//! may hold a lock that the supervisor needs: that of the allocator), the thread writes a line itself
//! and ends the process with [`EXIT_CODE`].
//!
//! Everything in the handler is a store, a declared system call, or that last line.

use std::cell::Cell;
use std::fmt;
use std::io;
use std::os::fd::IntoRawFd;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicI64, Ordering};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

use crate::guard::calls;

/// So long the supervisor has to settle it.
pub const GRACE: Duration = Duration::from_secs(4);
/// Exit code where it did not: the bus was left alone.
pub const EXIT_CODE: i32 = 4;

/// What a thread broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// It did not sleep for as long as RLIMIT_RTTIME allows.
    Runaway,
    /// It made this system call, which is not declared.
    SystemCall(i32),
}

impl fmt::Display for Broken {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Broken::Runaway => to.write_str(RUNAWAY),
            Broken::SystemCall(number) => {
                match calls::name(libc::c_long::from(*number)) {
                    Some(name) => write!(to, "the cyclic thread called {name}")?,
                    None => write!(to, "the cyclic thread made system call {number}")?,
                }
                write!(
                    to,
                    ", which is not declared; declared are {}. The call was not made and the loop \
                     was stopped. Find it with `perf trace` or a debugger (break on SIGSYS); move \
                     it out of the cycle, or declare it (rt-core/linux/src/guard/calls.rs)",
                    calls::declared_names()
                )
            }
        }
    }
}

const RUNAWAY: &str = "a real-time thread used the CPU for 1 s without a sleep (RLIMIT_RTTIME) and was stopped, so \
     that this computer stays usable: a loop in the program does not end, or the work of a cycle, \
     or [cycle] spin, takes longer than the period. See overruns and execution time in the \
     recording";

const NOTHING: i32 = 0;
const RUNAWAY_SEEN: i32 = 1;
const CALL_SEEN: i32 = 2;

static WHAT: AtomicI32 = AtomicI32::new(NOTHING);
static CALL: AtomicI32 = AtomicI32::new(0);
static SETTLED: AtomicBool = AtomicBool::new(false);
/// Copy of the standard error for the last line; -1: none.
static LAST_WORDS: AtomicI64 = AtomicI64::new(-1);

thread_local! {
    // Initialised at compile time and without a destructor: safe to read in a handler.
    static WATCHED: Cell<bool> = const { Cell::new(false) };
}

/// What a thread broke, if one did since the last time. Whoever takes it has [`GRACE`] to do what is
/// to be done, and then says that it is [`settled`].
#[must_use]
pub fn take() -> Option<Broken> {
    let broken = match WHAT.swap(NOTHING, Ordering::AcqRel) {
        RUNAWAY_SEEN => Broken::Runaway,
        CALL_SEEN => Broken::SystemCall(CALL.load(Ordering::Acquire)),
        _ => return None,
    };
    Some(broken)
}

/// What was [taken](take) has been dealt with: the thread sleeps until the process ends.
pub fn settled() {
    SETTLED.store(true, Ordering::Release);
}

/// What a handler uses at the very end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LastWords {
    /// Copy of the standard error.
    pub(crate) descriptor: i32,
    /// See [`EXIT_CODE`].
    pub(crate) exit_code: i32,
}

/// Installs the handlers, once per process.
pub(crate) fn watch() -> io::Result<LastWords> {
    static WATCH: OnceLock<Result<i32, Errno>> = OnceLock::new();
    let descriptor = (*WATCH.get_or_init(|| {
        let copy = fcntl(io::stderr(), FcntlArg::F_DUPFD_CLOEXEC(3));
        let copy = copy.or_else(|_| null().map(IntoRawFd::into_raw_fd))?;
        LAST_WORDS.store(i64::from(copy), Ordering::Release);
        handle(Signal::SIGXCPU)?;
        handle(Signal::SIGSYS)?;
        Ok(copy)
    }))?;
    Ok(LastWords { descriptor, exit_code: EXIT_CODE })
}

/// Where nobody listens.
fn null() -> Result<std::fs::File, Errno> {
    let null = std::fs::OpenOptions::new().write(true).open("/dev/null");
    null.map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(0)))
}

/// The calling thread stops where it stands if it breaks a rule. Other threads do not: a SIGXCPU
/// that somebody sends to the process changes nothing.
pub(crate) fn this_thread_is_watched() {
    WATCHED.set(true);
}

fn handle(signal: Signal) -> Result<(), Errno> {
    let flags = SaFlags::SA_SIGINFO | SaFlags::SA_ONSTACK | SaFlags::SA_RESTART;
    let action = SigAction::new(SigHandler::SigAction(stop_here), flags, SigSet::empty());
    // SAFETY: the handler does only what is safe in a handler.
    unsafe { sigaction(signal, &action) }.map(drop)
}

/// The part of `siginfo_t` that SIGSYS fills. Source: Linux, `include/uapi/asm-generic/siginfo.h`.
#[repr(C)]
struct SigSys {
    signal: libc::c_int,
    errno: libc::c_int,
    code: libc::c_int,
    address: *const libc::c_void,
    system_call: libc::c_int,
    architecture: libc::c_uint,
}

extern "C" fn stop_here(signal: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    if !WATCHED.get() {
        return;
    }
    if signal == libc::SIGSYS {
        // SAFETY: with SA_SIGINFO the kernel hands over a whole siginfo_t, filled for this signal.
        let number = unsafe { (*info.cast::<SigSys>()).system_call };
        CALL.store(number, Ordering::Release);
        SETTLED.store(false, Ordering::Release);
        WHAT.store(CALL_SEEN, Ordering::Release);
    } else {
        SETTLED.store(false, Ordering::Release);
        WHAT.store(RUNAWAY_SEEN, Ordering::Release);
    }
    // Ends: with the process, or after the grace.
    for _ in 0..GRACE.as_millis() / STEP.as_millis() {
        sleep(STEP);
        while SETTLED.load(Ordering::Acquire) {
            sleep(GRACE);
        }
    }
    last_words(signal == libc::SIGSYS);
}

const STEP: Duration = Duration::from_millis(10);

fn sleep(time: Duration) {
    let seconds = libc::time_t::try_from(time.as_secs()).unwrap_or(1);
    let time = libc::timespec { tv_sec: seconds, tv_nsec: time.subsec_nanos().into() };
    let none = std::ptr::null_mut();
    // SAFETY: `time` lives through the call, which only reads it; nothing is written back.
    unsafe { libc::clock_nanosleep(libc::CLOCK_MONOTONIC, 0, &raw const time, none) };
}

/// Writes what happened without formatting, and ends the process.
fn last_words(called: bool) -> ! {
    let mut digits = [0_u8; 11];
    let number = CALL.load(Ordering::Acquire);
    if called {
        say(b"tactus: the cyclic thread made an undeclared system call, ");
        match calls::name(libc::c_long::from(number)) {
            Some(name) => say(name.as_bytes()),
            None => say(decimal(number, &mut digits)),
        }
    } else {
        say(b"tactus: ");
        say(RUNAWAY.as_bytes());
    }
    say(b"; the supervisor did not settle it, so the process ends here\n");
    // SAFETY: takes an integer, does not return, runs no handlers of the process.
    unsafe { libc::_exit(EXIT_CODE) }
}

fn say(text: &[u8]) {
    let descriptor = i32::try_from(LAST_WORDS.load(Ordering::Acquire)).unwrap_or(-1);
    // SAFETY: `text` lives through the call and its length is given with it.
    unsafe { libc::write(descriptor, text.as_ptr().cast(), text.len()) };
}

fn decimal(number: i32, digits: &mut [u8; 11]) -> &[u8] {
    let mut left = number.unsigned_abs();
    let mut used = 0_usize;
    for digit in digits.iter_mut().rev() {
        *digit = b'0'.saturating_add(u8::try_from(left % 10).unwrap_or(0));
        used = used.saturating_add(1);
        left /= 10;
        if left == 0 {
            break;
        }
    }
    digits.get(digits.len().saturating_sub(used)..).unwrap_or(&[])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_without_the_formatter() {
        let mut digits = [0; 11];
        for number in [0, 7, 39, 450, i32::MAX] {
            assert_eq!(decimal(number, &mut digits), number.to_string().as_bytes());
        }
    }

    #[test]
    fn people_read_the_name_of_the_call_and_what_may_be_called() {
        let getpid = i32::try_from(libc::SYS_getpid).expect("small");
        let text = Broken::SystemCall(getpid).to_string();
        assert!(
            text.contains("called getpid, which is not declared; declared are clock_"),
            "{text}"
        );
        assert!(Broken::SystemCall(99_999).to_string().contains("system call 99999"));
        assert!(Broken::Runaway.to_string().contains("1 s without a sleep"));
    }
}
