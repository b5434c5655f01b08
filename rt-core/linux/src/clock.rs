//! CLOCK_MONOTONIC: the time of the loop, and its sleep.

use std::marker::PhantomData;

use nix::errno::Errno;
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, ClockNanosleepFlags, clock_gettime, clock_nanosleep};
use rt_core::Clock;

const SECOND_NS: u64 = 1_000_000_000;

/// ns of CLOCK_MONOTONIC. Reads the vDSO; no system call on the usual clock sources.
#[must_use]
pub fn now() -> u64 {
    let Ok(time) = clock_gettime(ClockId::CLOCK_MONOTONIC) else {
        // Only a wrong clock or address can fail, and both are fixed here: a machine must not run
        // on invented time.
        std::process::abort()
    };
    let seconds = u64::try_from(time.tv_sec()).unwrap_or(0);
    let rest = u64::try_from(time.tv_nsec()).unwrap_or(0);
    seconds.saturating_mul(SECOND_NS).saturating_add(rest)
}

/// Absolute sleeps of any thread on the real machine. The loop's clock is [`LoopClock`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Monotonic {
    spin_tail: u64,
    interrupted: u64,
    failed: u64,
}

impl Monotonic {
    /// A clock that wakes `spin_tail` ns ahead and waits out the rest awake: lower latency for that
    /// much of the CPU in each cycle. 0 sleeps to the end; 60 000 brought the median near 0 on a
    /// virtual machine, and left the maximum as it was.
    #[must_use]
    pub fn new(spin_tail: u64) -> Self {
        Monotonic { spin_tail, interrupted: 0, failed: 0 }
    }

    /// Sleeps that a signal cut short and that were resumed.
    #[must_use]
    pub fn interrupted(&self) -> u64 {
        self.interrupted
    }

    /// Sleeps that the kernel refused and that were waited out awake. Above 0 something filters
    /// system calls.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.failed
    }

    /// Sleeps on an absolute timer (what the kernel's `rtapp` monitors accept), then spins the
    /// tail; gives back the time then. A time in the past returns at once.
    pub fn sleep_until(&mut self, wake: u64) -> u64 {
        let nap_end = wake.saturating_sub(self.spin_tail);
        let mut time = now();
        if nap_end > time {
            self.sleep_to(nap_end);
            time = now();
        }
        while time < wake {
            std::hint::spin_loop();
            time = now();
        }
        time
    }

    fn sleep_to(&mut self, wake: u64) {
        let seconds = libc::time_t::try_from(wake / SECOND_NS).unwrap_or(libc::time_t::MAX);
        let rest = libc::c_long::try_from(wake % SECOND_NS).unwrap_or(0);
        let wake = TimeSpec::new(seconds, rest);
        let absolute = ClockNanosleepFlags::TIMER_ABSTIME;
        // Ends: each turn needs a signal of its own, and the time asked for does not move.
        loop {
            match clock_nanosleep(ClockId::CLOCK_MONOTONIC, absolute, &wake) {
                Ok(_) => return,
                Err(Errno::EINTR) => self.interrupted = self.interrupted.saturating_add(1),
                Err(_) => {
                    self.failed = self.failed.saturating_add(1);
                    return;
                }
            }
        }
    }
}

/// The clock of the loop, and so its right to run: a [`Cycle`](rt_core::cycle::Cycle) needs a [`Clock`], on the machine this is the only
/// one, and [`Armed::clock`](crate::Armed::clock) alone makes it. It stays on the armed thread.
///
/// ```compile_fail,E0277
/// fn runs_a_cycle<C: rt_core::Clock>(_: C) {}
/// runs_a_cycle(rt_linux::Monotonic::new(0));
/// ```
///
/// ```compile_fail,E0277
/// fn must_be_send<T: Send>() {}
/// must_be_send::<rt_linux::LoopClock>();
/// ```
///
/// ```
/// fn runs_a_cycle<C: rt_core::Clock>(_: C) {}
/// let request = rt_linux::admission::Request::default();
/// let armed = rt_linux::admission::lock(&request)?.arm()?;
/// runs_a_cycle(armed.clock(0));
/// # Ok::<(), rt_linux::admission::Refused>(())
/// ```
#[derive(Debug)]
pub struct LoopClock {
    sleeps: Monotonic,
    /// Scheduling belongs to a thread: not `Send`.
    _thread: PhantomData<*const ()>,
}

impl LoopClock {
    /// For [`Armed::clock`](crate::Armed::clock).
    pub(crate) fn new(spin_tail: u64) -> Self {
        LoopClock { sleeps: Monotonic::new(spin_tail), _thread: PhantomData }
    }
}

impl Clock for LoopClock {
    fn now(&self) -> u64 {
        now()
    }

    fn sleep_until(&mut self, wake: u64) -> u64 {
        self.sleeps.sleep_until(wake)
    }
}
