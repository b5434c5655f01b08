//! How a test's threads end.

use core::sync::atomic::{AtomicBool, Ordering};

/// Ends the segment's thread, also when the test fails before its end.
pub(crate) struct StopOnDrop<'a>(pub(crate) &'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
