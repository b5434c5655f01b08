//! Which frames are under way: tells a frame of this cycle from a late one, and knows when one is lost.

/// A frame that is not back after this many cycles is lost.
const CYCLES_MAX: u64 = 4;
/// For so many cycles a frame is known again that was back already. Below 256 indices / 16 frames a cycle: none is mistaken for another.
const AGAIN_MAX: u64 = 15;

/// What the index of a frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// Of this cycle: the n-th frame.
    Now(usize),
    /// Of an earlier cycle.
    Late,
    /// It was back already.
    Again,
    /// Nothing with this index is under way, nor was lately: given up long ago, or not ours.
    Unknown,
}

/// A frame by its index.
#[derive(Clone, Copy, Debug)]
struct Slot {
    /// Cycle in which it was sent; 0 = never, or given up.
    sent_in: u64,
    /// It is no longer under way.
    is_back: bool,
}

const NEVER: Slot = Slot { sent_in: 0, is_back: true };

/// Frames under way by index. Indices count up over all frames and wrap; with at most 16 frames a cycle they are told apart for 16 cycles.
#[derive(Clone, Debug)]
pub(crate) struct Flight {
    slots: [Slot; 256],
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
        Self { slots: [NEVER; 256], cycle: 0, base: 0, next: 0, oldest: 0 }
    }

    /// A cycle begins. Returns how many frames are lost for good.
    pub(crate) fn begin(&mut self) -> u64 {
        self.cycle += 1;
        self.base = self.next;
        let mut lost = 0;
        // At most once round: 255 steps.
        while self.oldest != self.next {
            let Some(slot) = self.slots.get_mut(usize::from(self.oldest)) else { break };
            if !slot.is_back {
                if self.cycle - slot.sent_in <= CYCLES_MAX {
                    break;
                }
                *slot = NEVER;
                lost += 1;
            }
            self.oldest = self.oldest.wrapping_add(1);
        }
        lost
    }

    /// The index of the frame that is `ahead` frames from the next; [`Self::sent`] must follow, whether they could be sent or not.
    pub(crate) fn index(&self, ahead: usize) -> u8 {
        let [low, ..] = ahead.to_le_bytes();
        self.next.wrapping_add(low)
    }

    /// The frame with the next index was sent, or could not be.
    pub(crate) fn sent(&mut self, is_under_way: bool) {
        if let Some(slot) = self.slots.get_mut(usize::from(self.next)) {
            *slot = if is_under_way { Slot { sent_in: self.cycle, is_back: false } } else { NEVER };
        }
        self.next = self.next.wrapping_add(1);
    }

    /// A frame with this index came back; it is no longer under way.
    pub(crate) fn arrived(&mut self, index: u8) -> Arrival {
        let Some(slot) = self.slots.get_mut(usize::from(index)) else {
            return Arrival::Unknown;
        };
        let Slot { sent_in, is_back } = *slot;
        slot.is_back = true;
        if sent_in == 0 || self.cycle - sent_in > AGAIN_MAX {
            Arrival::Unknown
        } else if is_back {
            Arrival::Again
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
        let index = flight.index(0);
        flight.sent(true);
        flight.sent(true);
        assert_eq!(flight.arrived(index.wrapping_add(1)), Arrival::Now(1));
        assert_eq!(flight.arrived(index.wrapping_add(1)), Arrival::Again);
        assert_eq!(flight.arrived(index.wrapping_add(1)), Arrival::Again, "and again");
        flight.begin();
        flight.sent(true);
        assert_eq!(flight.arrived(index), Arrival::Late);
        assert_eq!(flight.arrived(index), Arrival::Again, "it was late once");
        let lost: u64 = (0..6).map(|_| flight.begin()).sum();
        assert_eq!(lost, 1, "the frame of the second cycle");
        assert_eq!(flight.arrived(index.wrapping_add(2)), Arrival::Unknown);
    }

    #[test]
    fn a_frame_that_could_not_be_sent_does_not_come_and_an_old_one_is_forgotten() {
        let mut flight = Flight::new();
        flight.begin();
        flight.sent(false);
        flight.sent(true);
        assert_eq!(flight.arrived(0), Arrival::Unknown);
        assert_eq!(flight.arrived(1), Arrival::Now(1));
        for _ in 0..AGAIN_MAX {
            flight.begin();
        }
        assert_eq!(flight.arrived(1), Arrival::Again);
        flight.begin();
        assert_eq!(flight.arrived(1), Arrival::Unknown);
    }

    #[test]
    fn indices_wrap_without_mixing_cycles() {
        let mut flight = Flight::new();
        let mut lost = 0;
        for cycle in 0..1000u32 {
            lost += flight.begin();
            for frame in 0..16 {
                let index = flight.index(0);
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
