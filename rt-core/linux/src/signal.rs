//! Ctrl-C and SIGTERM for the supervisor: the first asks, the second insists.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::{SigSet, Signal};
use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};
use signal_hook::flag;

/// Exit status when a second signal ended the process before the axes had stopped in a controlled
/// way.
pub const FORCED_EXIT: i32 = 130;

/// Whether a person or the service manager asked to end.
#[derive(Clone, Debug)]
pub struct Shutdown(Arc<AtomicBool>);

impl Shutdown {
    /// Takes over SIGINT and SIGTERM. The first sets the flag; any further one ends the process at
    /// once with [`FORCED_EXIT`]: frames end, and the devices' watchdogs do the rest. Once per
    /// process, before the real-time thread is spawned.
    ///
    /// # Errors
    /// The kernel refused the handler.
    pub fn install() -> io::Result<Shutdown> {
        let requested = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // In this order: the first signal finds the flag still clear here, and sets it there.
            flag::register_conditional_shutdown(signal, FORCED_EXIT, Arc::clone(&requested))?;
            flag::register(signal, Arc::clone(&requested))?;
        }
        Ok(Shutdown(requested))
    }

    /// A flag without signals, for runs that end by themselves.
    #[must_use]
    pub fn detached() -> Shutdown {
        Shutdown(Arc::new(AtomicBool::new(false)))
    }

    /// Asked to end.
    #[must_use]
    pub fn requested(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// Asks to end, as the first signal does.
    pub fn request(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// The flag itself.
    #[must_use]
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }
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
