//! The thread's clock: CLOCK_MONOTONIC, or virtual time.
//!
//! It is a thread's own, so that virtual time, parallel tests and many what-if runs live in one process.
//!
//! ethercrab without `std` takes its timers from `embassy-time`. The driver below shows them the time of the link that is being brought
//! up in this thread, whatever the thread's clock is. Nothing is ever woken: whoever owns the link polls.

use core::cell::Cell;
use core::task::Waker;

use nix::time::{ClockId, clock_gettime};

/// Where a thread's time comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// CLOCK_MONOTONIC.
    Monotonic,
    /// Virtual time, ns; it moves only when it is told to.
    Virtual(u64),
}

thread_local! {
    static SOURCE: Cell<Source> = const { Cell::new(Source::Monotonic) };
    static TIMERS: Cell<u64> = const { Cell::new(0) };
}

/// Where this thread's time comes from.
#[must_use]
pub fn source() -> Source {
    SOURCE.get()
}

/// This thread's time, ns.
#[must_use]
pub fn now() -> u64 {
    match SOURCE.get() {
        Source::Monotonic => monotonic(),
        Source::Virtual(ns) => ns,
    }
}

/// CLOCK_MONOTONIC, ns, whatever the thread's source is.
#[must_use]
pub fn monotonic() -> u64 {
    // CLOCK_MONOTONIC exists on every Linux: the call has no way to fail.
    clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(0, |time| {
        let seconds = u64::try_from(time.tv_sec()).unwrap_or(0);
        seconds * 1_000_000_000 + u64::try_from(time.tv_nsec()).unwrap_or(0)
    })
}

/// Switches this thread to virtual time at `ns`.
pub fn set_virtual(ns: u64) {
    SOURCE.set(Source::Virtual(ns));
}

/// Switches this thread (back) to CLOCK_MONOTONIC.
pub fn set_monotonic() {
    SOURCE.set(Source::Monotonic);
}

/// Moves virtual time on to `until`; never back. Does nothing on CLOCK_MONOTONIC.
pub fn advance_virtual(until: u64) {
    if let Source::Virtual(ns) = SOURCE.get() {
        SOURCE.set(Source::Virtual(ns.max(until)));
    }
}

/// What ethercrab's timers in this thread see as now, ns.
pub(crate) fn timers() -> u64 {
    TIMERS.get()
}

/// Shows ethercrab's timers in this thread the time of the link.
pub(crate) fn set_timers(ns: u64) {
    TIMERS.set(ns);
}

struct ThreadClock;

impl embassy_time_driver::Driver for ThreadClock {
    fn now(&self) -> u64 {
        ticks(timers())
    }

    fn schedule_wake(&self, _at: u64, _waker: &Waker) {}
}

/// ns → ticks of `embassy-time`; exact for every rate up to 1 GHz.
fn ticks(ns: u64) -> u64 {
    let ticks = u128::from(ns) * u128::from(embassy_time_driver::TICK_HZ) / 1_000_000_000;
    u64::try_from(ticks).unwrap_or(u64::MAX)
}

embassy_time_driver::time_driver_impl!(static CLOCK: ThreadClock = ThreadClock);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn virtual_time_moves_only_forward_and_only_in_its_thread() {
        set_virtual(5_000);
        advance_virtual(9_000);
        advance_virtual(7_000);
        assert_eq!(now(), 9_000);
        let other = std::thread::spawn(source).join().unwrap();
        assert_eq!(other, Source::Monotonic);
        set_monotonic();
        assert!(now() > 9_000);
    }

    #[test]
    fn timers_see_the_time_of_the_link_not_the_thread_s() {
        set_virtual(5_000);
        set_timers(7_999);
        assert_eq!(embassy_time_driver::now(), 7);
        assert_eq!(now(), 5_000);
    }

    #[test]
    fn monotonic_time_cannot_be_moved() {
        let before = now();
        advance_virtual(u64::MAX);
        assert!(now() < u64::MAX);
        assert!(now() >= before);
    }
}
