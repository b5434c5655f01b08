//! The loop's clock in virtual time.

use fieldbus::time;

/// Wakes the loop when it asked to be woken, or late.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock {
    /// It wakes so much too late, ns.
    pub late_ns: u64,
}

impl rt_core::Clock for Clock {
    fn now(&self) -> u64 {
        time::now()
    }

    fn sleep_until(&mut self, wake: u64) -> u64 {
        time::advance_virtual(wake.saturating_add(self.late_ns));
        time::now()
    }
}
