//! A segment behind a link.

use fieldbus::link::Wire;
use segment::{Process, Segment};

/// A segment with its world as a link sees it.
pub(crate) struct Wired<P: Process>(pub(crate) Segment<P>);

impl<P: Process> Wire for Wired<P> {
    fn pass(&mut self, frame: &mut [u8], now: u64) -> bool {
        self.0.pass(frame, now)
    }

    fn advance(&mut self, now: u64) {
        self.0.advance(now);
    }

    fn round_trip_ns(&self, len: usize) -> u64 {
        self.0.round_trip_ns(len)
    }
}
