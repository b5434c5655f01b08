//! Time is passed in: the loop reads it once a cycle, from whoever runs it.

/// What the cycle needs of a clock. Implemented on CLOCK_MONOTONIC by `rt-core/linux` and on virtual time by `supervisor`.
pub trait Clock {
    /// ns of CLOCK_MONOTONIC (virtual time starts at a fixed value above 0).
    fn now(&self) -> u64;

    /// Sleeps until the absolute time `wake`; returns the time at which it woke. Never early.
    fn sleep_until(&mut self, wake: u64) -> u64;
}
