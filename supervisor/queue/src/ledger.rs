//! The account of a lane.

use serde::Serialize;

/// Where the records of a lane are. [`check`](Self::check) holds at every moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Ledger {
    /// Name of the sink.
    pub sink: String,
    /// `safety`, `event` or `telemetry`.
    pub class: String,
    /// Sequences given: the last one.
    pub produced: u64,
    /// The sink has them.
    pub acked: u64,
    /// On the disk, not acknowledged: counted one by one, not calculated.
    pub queued: u64,
    /// Made, and waiting for the disk.
    pub in_memory: u64,
    /// Counted as lost; their ranges are kept.
    pub lost: u64,
    /// Sum of the ranges of what was lost.
    pub lost_in_ranges: u64,
}

/// An account that does not hold: a fault of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imbalance(pub String);

impl std::fmt::Display for Imbalance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Imbalance {}

impl Ledger {
    /// `produced = acked + queued + lost`, and what is lost is named.
    ///
    /// # Errors
    /// What does not hold, with the numbers.
    pub fn check(&self) -> Result<(), Imbalance> {
        let there = [self.acked, self.queued, self.in_memory, self.lost];
        let there = there.iter().fold(0_u64, |sum, count| sum.saturating_add(*count));
        if there != self.produced {
            return Err(Imbalance(format!(
                "{}/{}: produced {} is not acked {} + queued {} + in memory {} + lost {}",
                self.sink,
                self.class,
                self.produced,
                self.acked,
                self.queued,
                self.in_memory,
                self.lost
            )));
        }
        if self.lost != self.lost_in_ranges {
            return Err(Imbalance(format!(
                "{}/{}: lost {}, but the ranges hold {}",
                self.sink, self.class, self.lost, self.lost_in_ranges
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_is_nowhere_or_twice_is_found() {
        let right = Ledger { produced: 6, acked: 3, queued: 1, in_memory: 1, ..Ledger::default() };
        let right = Ledger { lost: 1, lost_in_ranges: 1, ..right };
        assert_eq!(right.check(), Ok(()));
        assert!(Ledger { acked: 2, ..right.clone() }.check().is_err(), "deleted before it arrived");
        assert!(Ledger { queued: 2, ..right.clone() }.check().is_err(), "acked and still there");
        assert!(Ledger { lost_in_ranges: 0, ..right }.check().is_err(), "lost without a name");
    }
}
