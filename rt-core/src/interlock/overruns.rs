//! How often the loop was late within the last cycles.

use crate::plan::OverrunLimit;
use twin_lite::taped;

/// Longest window, cycles. Source: `OverrunLimit::cycles`.
const WINDOW_MAX: u32 = 1024;
const WORDS: usize = 16;

/// A window of cycles, one bit each: late or in time. A period that was skipped counts as a cycle that was late.
#[derive(Clone, Debug)]
pub struct Overruns {
    limit: Option<OverrunLimit>,
    bits: [u64; WORDS],
    /// Where the next bit goes, in `0 .. limit.cycles`.
    next: u32,
    /// Set bits in the window.
    late: u32,
}

taped!(Overruns { bits, next, late; limit });

impl Overruns {
    /// An empty window.
    #[must_use]
    pub fn new(limit: Option<OverrunLimit>) -> Self {
        Self { limit, bits: [0; WORDS], next: 0, late: 0 }
    }

    /// One cycle, before which `skipped` periods were skipped. Whether more were late than the limit allows.
    // SR-036
    pub fn update(&mut self, skipped: u32) -> bool {
        let Some(limit) = self.limit else { return false };
        let length = u32::from(limit.cycles).clamp(1, WINDOW_MAX);
        for _ in 0..skipped.min(length) {
            self.put(true, length);
        }
        self.put(false, length);
        self.late > u32::from(limit.count)
    }

    fn put(&mut self, late: bool, length: u32) {
        let (word, mask) = (self.next / 64, 1_u64 << (self.next % 64));
        let slot = usize::try_from(word).ok().and_then(|word| self.bits.get_mut(word));
        slot.into_iter().for_each(|bits| {
            let before = *bits & mask != 0;
            *bits = if late { *bits | mask } else { *bits & !mask };
            self.late = self.late - u32::from(before) + u32::from(late);
        });
        self.next = (self.next + 1) % length;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::VecDeque;

    #[test]
    fn without_a_limit_there_is_never_a_demand() {
        assert!(!Overruns::new(None).update(u32::MAX));
    }

    proptest::proptest! {
        #[test]
        // SR-036
        fn it_counts_what_a_list_of_the_last_cycles_counts(
            count in 0_u16..20, cycles in 1_u16..=1024,
            skips in proptest::collection::vec(0_u32..4, 0..600),
        ) {
            let mut window = Overruns::new(Some(OverrunLimit { count, cycles }));
            let mut list = VecDeque::new();
            for skipped in skips {
                let exceeded = window.update(skipped);
                for _ in 0..skipped {
                    list.push_back(true);
                }
                list.push_back(false);
                while list.len() > usize::from(cycles) {
                    list.pop_front();
                }
                let late = list.iter().filter(|late| **late).count();
                proptest::prop_assert_eq!(exceeded, late > usize::from(count));
            }
        }
    }
}
