//! Two contacts of one device: both closed is a permit, nothing else is.

use crate::signal::{Quality, Sample};
use twin_lite::{taped, taped_enum};

/// What is known of the pair.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// They agree, or have not differed for long.
    #[default]
    Agreeing,
    /// They have differed since then, ns.
    Differing { since: u64 },
    /// They differed for too long: a contact is welded or a wire is broken. Both must be seen open at once.
    Fault,
}

/// A dual-channel input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DualChannel {
    state: State,
}

taped_enum!(State { 0: Agreeing, 1: Differing { since }, 2: Fault });
taped!(DualChannel { state });

impl DualChannel {
    /// One cycle; `Some(input_at)` is a demand, `None` a permit. Values other than 0 and 1 are as bad as missing ones.
    pub fn update(&mut self, a: Sample, b: Sample, discrepancy_ns: u64, now: u64) -> Option<u64> {
        let (Some(a_closed), Some(b_closed)) = (level(a), level(b)) else {
            // What is not seen says nothing about a contact: the discrepancy goes on as it was.
            return Some(now);
        };
        self.state = match (self.state, a_closed, b_closed) {
            (_, false, false) | (State::Agreeing | State::Differing { .. }, true, true) => {
                State::Agreeing
            }
            (State::Fault, true, true) => State::Fault,
            (State::Agreeing, true, false) | (State::Agreeing, false, true) => {
                State::Differing { since: now }
            }
            (State::Differing { since }, true, false)
            | (State::Differing { since }, false, true) => {
                if now.saturating_sub(since) > discrepancy_ns {
                    State::Fault
                } else {
                    State::Differing { since }
                }
            }
            (State::Fault, true, false) | (State::Fault, false, true) => State::Fault,
        };
        match (self.state, a_closed, b_closed) {
            (State::Agreeing, true, true) => None,
            (_, false, _) => Some(a.at),
            (_, true, _) => Some(b.at),
        }
    }

    /// The channels differed for too long and have not both been open since.
    #[must_use]
    pub fn is_faulted(&self) -> bool {
        self.state == State::Fault
    }
}

/// A good 0 or 1; anything else is unknown.
fn level(sample: Sample) -> Option<bool> {
    match (sample.quality, sample.value) {
        (Quality::Good, 0) => Some(false),
        (Quality::Good, 1) => Some(true),
        (Quality::Good | Quality::Stale | Quality::Missing, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good(value: i64, at: u64) -> Sample {
        Sample { value, at, quality: Quality::Good }
    }

    type Case = (bool, Option<u64>, Option<bool>, Option<bool>, bool, bool);

    /// The oracle, written as a table and not as the code: (fault before, age of the difference) × channels → (permit, fault after).
    /// Channels: `None` unknown, `Some` open or closed. `limit` is 3.
    #[rustfmt::skip]
    const TABLE: [Case; 27] = [
        // fault, differed for,  a,           b,           permit, fault
        (false, None,    Some(true),  Some(true),  true,  false),
        (false, None,    Some(true),  Some(false), false, false),
        (false, None,    Some(false), Some(true),  false, false),
        (false, None,    Some(false), Some(false), false, false),
        (false, None,    None,        Some(true),  false, false),
        (false, None,    Some(true),  None,        false, false),
        (false, None,    None,        None,        false, false),
        (false, Some(3), Some(true),  Some(true),  true,  false),
        (false, Some(3), Some(true),  Some(false), false, false),
        (false, Some(3), Some(false), Some(true),  false, false),
        (false, Some(3), Some(false), Some(false), false, false),
        (false, Some(3), None,        Some(true),  false, false),
        (false, Some(3), Some(true),  None,        false, false),
        (false, Some(4), Some(true),  Some(true),  true,  false),
        (false, Some(4), Some(true),  Some(false), false, true),
        (false, Some(4), Some(false), Some(true),  false, true),
        (false, Some(4), Some(false), Some(false), false, false),
        (false, Some(4), None,        Some(false), false, false),
        (false, Some(4), Some(false), None,        false, false),
        (false, Some(4), None,        None,        false, false),
        (true,  None,    Some(true),  Some(true),  false, true),
        (true,  None,    Some(true),  Some(false), false, true),
        (true,  None,    Some(false), Some(true),  false, true),
        (true,  None,    Some(false), Some(false), false, false),
        (true,  None,    None,        Some(false), false, true),
        (true,  None,    Some(false), None,        false, true),
        (true,  None,    None,        None,        false, true),
    ];

    #[test]
    fn every_state_and_every_pair_of_channels_gives_what_the_table_says() {
        for (row, &(fault, differed, a, b, permit, fault_after)) in TABLE.iter().enumerate() {
            let mut pair = DualChannel::default();
            let now = 100;
            if fault {
                pair.state = State::Fault;
            } else if let Some(age) = differed {
                pair.state = State::Differing { since: now - age };
            }
            let sample = |level: Option<bool>| match level {
                Some(closed) => good(i64::from(closed), now),
                None => Sample { value: 1, at: 50, quality: Quality::Stale },
            };
            let demand = pair.update(sample(a), sample(b), 3, now);
            assert_eq!(demand.is_none(), permit, "permit of row {row}");
            assert_eq!(pair.is_faulted(), fault_after, "fault of row {row}");
        }
    }

    #[test]
    fn a_demand_carries_when_the_open_channel_was_read() {
        let mut pair = DualChannel::default();
        assert_eq!(pair.update(good(1, 8), good(0, 9), 3, 10), Some(9));
        assert_eq!(pair.update(good(0, 8), good(1, 9), 3, 10), Some(8));
        assert_eq!(pair.update(Sample::default(), good(1, 9), 3, 10), Some(10), "missing: now");
    }

    #[test]
    fn a_value_that_is_neither_0_nor_1_is_no_permit() {
        let mut pair = DualChannel::default();
        assert!(pair.update(good(1, 1), good(2, 1), 3, 1).is_some());
        assert!(pair.update(good(-1, 1), good(1, 1), 3, 1).is_some());
    }

    #[test]
    fn a_welded_contact_stays_a_fault_until_both_were_seen_open() {
        let mut pair = DualChannel::default();
        for now in 0..10 {
            pair.update(good(1, now), good(0, now), 3, now);
        }
        assert!(
            pair.update(good(1, 10), good(1, 10), 3, 10).is_some(),
            "closing again is not enough"
        );
        assert!(pair.update(good(0, 11), good(0, 11), 3, 11).is_some());
        assert!(pair.update(good(1, 12), good(1, 12), 3, 12).is_none());
    }
}
