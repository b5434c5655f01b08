//! A wire for the tests of the links.

use super::Wire;

/// Sends every frame back after 10 µs, its first byte larger by `adds`.
pub(super) struct Echo {
    pub(super) adds: u8,
}

impl Wire for Echo {
    fn pass(&mut self, frame: &mut [u8], _now: u64) -> bool {
        frame[0] += self.adds;
        true
    }

    fn advance(&mut self, _now: u64) {}

    fn round_trip_ns(&self, _len: usize) -> u64 {
        10_000
    }
}
