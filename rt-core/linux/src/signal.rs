//! Ctrl-C and SIGTERM for the supervisor: the first asks, the second insists.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use nix::sys::signal::{SigSet, Signal};
use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};
use signal_hook::flag;

/// Exit status when a second signal ended the process before the axes had stopped in a controlled
/// way.
pub const FORCED_EXIT: i32 = 130;

/// Whether a person or the service manager asked to end.
#[derive(Clone, Debug)]
pub struct Shutdown {
    requested: Arc<AtomicBool>,
    /// User above, process below, both plus 1; 0: nobody yet.
    sender: Arc<AtomicU64>,
}

/// Who sent a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sender {
    /// Its user.
    pub uid: u32,
    /// Its process; 0: the kernel, for a key on the terminal.
    pub pid: u32,
}

/// Half of the word in which a handler leaves the sender.
const HALF: u32 = 32;

impl Shutdown {
    /// Takes over SIGINT and SIGTERM. The first sets the flag; any further one ends the process at
    /// once with [`FORCED_EXIT`]: frames end, and the devices' watchdogs do the rest. Once per
    /// process, before the real-time thread is spawned.
    ///
    /// # Errors
    /// The kernel refused the handler.
    pub fn install() -> io::Result<Shutdown> {
        let (requested, sender) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        for signal in [SIGINT, SIGTERM] {
            note_sender(signal, &sender)?;
            // In this order: the first signal finds the flag still clear here, and sets it there.
            flag::register_conditional_shutdown(signal, FORCED_EXIT, Arc::clone(&requested))?;
            flag::register(signal, Arc::clone(&requested))?;
        }
        Ok(Shutdown { requested, sender })
    }

    /// A flag without signals, for runs that end by themselves.
    #[must_use]
    pub fn detached() -> Shutdown {
        Shutdown { requested: Arc::default(), sender: Arc::default() }
    }

    /// Asked to end.
    #[must_use]
    pub fn requested(&self) -> bool {
        self.requested.load(Ordering::Acquire)
    }

    /// Who sent the first signal; `None`: there was none.
    #[must_use]
    pub fn sender(&self) -> Option<Sender> {
        let word = self.sender.load(Ordering::Acquire);
        let half = |word: u64| u32::try_from(word & u64::from(u32::MAX)).ok()?.checked_sub(1);
        Some(Sender { uid: half(word >> HALF)?, pid: half(word)? })
    }

    /// Asks to end, as the first signal does.
    pub fn request(&self) {
        self.requested.store(true, Ordering::Release);
    }

    /// The flag itself.
    #[must_use]
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.requested)
    }
}

/// The first signal leaves its sender.
fn note_sender(signal: i32, sender: &Arc<AtomicU64>) -> io::Result<()> {
    let sender = Arc::clone(sender);
    let note = move |info: &libc::siginfo_t| {
        // SAFETY: the kernel fills the sender in for a signal that a process sent; for one of its own both read 0.
        let uid = unsafe { info.si_uid() };
        // SAFETY: as above.
        let pid = unsafe { info.si_pid() };
        let half = |value: u32| u64::from(value.saturating_add(1));
        let word = half(uid) << HALF | half(u32::try_from(pid).unwrap_or(0));
        // Whoever came first stays.
        let _ = sender.compare_exchange(0, word, Ordering::AcqRel, Ordering::Acquire);
    };
    // SAFETY: the handler is async-signal-safe: it reads its argument and does one atomic operation.
    unsafe { signal_hook_registry::register_sigaction(signal, note) }.map(drop)
}

/// Takes over SIGUSR1: each sets `asked`, for whoever looks at it and clears it. Without it the signal
/// would end the process.
///
/// # Errors
/// The kernel refused the handler.
pub fn on_dump_request(asked: &Arc<AtomicBool>) -> io::Result<()> {
    flag::register(SIGUSR1, Arc::clone(asked)).map(drop)
}

/// Keeps the signals that people and service managers send away from the calling thread: another
/// one serves them, so that no handler runs in the cycle. Faults and the end of the CPU time
/// allowed (SIGXCPU) still reach it.
pub(crate) fn leave_to_other_threads() -> io::Result<()> {
    let mut kept_away = SigSet::empty();
    for signal in [
        Signal::SIGINT,
        Signal::SIGTERM,
        Signal::SIGHUP,
        Signal::SIGQUIT,
        Signal::SIGUSR1,
        Signal::SIGUSR2,
        Signal::SIGALRM,
        Signal::SIGCHLD,
        Signal::SIGPIPE,
        Signal::SIGWINCH,
    ] {
        kept_away.add(signal);
    }
    kept_away.thread_block().map_err(io::Error::from)
}
