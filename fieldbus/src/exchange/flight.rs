//! Which frames are under way: tells a frame of this cycle from a late one, and knows when one is lost.

/// A frame that is not back after this many cycles is lost.
const CYCLES_MAX: u64 = 4;

/// What the index of a frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// Of this cycle: the n-th frame.
    Now(usize),
    /// Of an earlier cycle.
    Late,
    /// Nothing with this index is under way: a duplicate, or not ours.
    Unknown,
}

/// Frames under way by index. Indices count up over all frames and wrap; with at most 16 frames a cycle they are told apart for 16 cycles.
#[derive(Clone, Debug)]
pub(crate) struct Flight {
    /// Cycle in which the frame was sent; 0 = not under way.
    sent_in: [u64; 256],
    /// This cycle, from 1.
    cycle: u64,
    /// Index of this cycle's first frame.
    base: u8,
    /// Next index.
    next: u8,
    /// Nothing before this index is under way.
    oldest: u8,
}

impl Flight {
    pub(crate) fn new() -> Self {
        Self { sent_in: [0; 256], cycle: 0, base: 0, next: 0, oldest: 0 }
    }

    /// A cycle begins. Returns how many frames are lost for good.
    pub(crate) fn begin(&mut self) -> u64 {
        self.cycle += 1;
        self.base = self.next;
        let mut lost = 0;
        // At most once round: 255 steps.
        while self.oldest != self.next {
            let Some(sent_in) = self.sent_in.get_mut(usize::from(self.oldest)) else { break };
            if *sent_in != 0 {
                if self.cycle - *sent_in <= CYCLES_MAX {
                    break;
                }
                *sent_in = 0;
                lost += 1;
            }
            self.oldest = self.oldest.wrapping_add(1);
        }
        lost
    }

    /// The index of this cycle's next frame; [`Self::sent`] must follow, whether it could be sent or not.
    pub(crate) fn next_index(&self) -> u8 {
        self.next
    }

    /// The frame with the next index was sent, or could not be.
    pub(crate) fn sent(&mut self, is_under_way: bool) {
        if let Some(slot) = self.sent_in.get_mut(usize::from(self.next)) {
            *slot = if is_under_way { self.cycle } else { 0 };
        }
        self.next = self.next.wrapping_add(1);
    }

    /// A frame with this index came back; it is no longer under way.
    pub(crate) fn arrived(&mut self, index: u8) -> Arrival {
        let Some(slot) = self.sent_in.get_mut(usize::from(index)) else {
            return Arrival::Unknown;
        };
        let sent_in = core::mem::take(slot);
        if sent_in == 0 {
            Arrival::Unknown
        } else if sent_in == self.cycle {
            Arrival::Now(usize::from(index.wrapping_sub(self.base)))
        } else {
            Arrival::Late
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_of_this_cycle_then_late_then_lost_and_counts_once() {
        let mut flight = Flight::new();
        assert_eq!(flight.begin(), 0);
        let index = flight.next_index();
        flight.sent(true);
        flight.sent(true);
        assert_eq!(flight.arrived(index.wrapping_add(1)), Arrival::Now(1));
        assert_eq!(flight.arrived(index.wrapping_add(1)), Arrival::Unknown, "a duplicate");
        flight.begin();
        flight.sent(true);
        assert_eq!(flight.arrived(index), Arrival::Late);
        let lost: u64 = (0..6).map(|_| flight.begin()).sum();
        assert_eq!(lost, 1, "the frame of the second cycle");
        assert_eq!(flight.arrived(index.wrapping_add(2)), Arrival::Unknown);
    }

    #[test]
    fn indices_wrap_without_mixing_cycles() {
        let mut flight = Flight::new();
        let mut lost = 0;
        for cycle in 0..1000u32 {
            lost += flight.begin();
            for frame in 0..16 {
                let index = flight.next_index();
                flight.sent(true);
                if cycle % 3 != 0 {
                    assert_eq!(flight.arrived(index), Arrival::Now(frame));
                }
            }
        }
        for _ in 0..6 {
            lost += flight.begin();
        }
        assert_eq!(lost, 334 * 16);
    }
}
