//! CLOCK_MONOTONIC: the time of the loop, and its sleep.

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

/// The clock of a thread on the real machine.
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

impl Clock for Monotonic {
    fn now(&self) -> u64 {
        now()
    }

    /// Sleeps on an absolute timer (what the kernel's `rtapp` monitors accept), then spins the
    /// tail. A time in the past returns at once.
    fn sleep_until(&mut self, wake: u64) -> u64 {
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
}
