//! What will never arrive: which sequences, and why.

use serde::{Deserialize, Serialize};

use crate::store::LaneId;

/// Why records were lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The process ended before they were on the disk.
    Killed,
    /// The disk took nothing for longer than memory lasted.
    Memory,
    /// The queue was full; what matters less went first.
    Size,
    /// Nobody fetched them in time.
    Age,
    /// The machine file has no such sink any more.
    SinkRemoved,
}

impl Reason {
    const ALL: [Self; 5] = [Self::Killed, Self::Memory, Self::Size, Self::Age, Self::SinkRemoved];

    /// Its number in the database.
    #[must_use]
    pub fn number(self) -> i64 {
        Self::ALL
            .iter()
            .position(|it| *it == self)
            .and_then(|at| i64::try_from(at).ok())
            .unwrap_or(0)
    }
}

/// Records lost together. `last − first + 1` of them: ranges do not overlap and have no holes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LostRange {
    /// Their lane.
    #[serde(skip)]
    pub lane: LaneId,
    /// First sequence.
    pub first: u64,
    /// Last sequence.
    pub last: u64,
    /// Why.
    pub reason: Reason,
}

impl LostRange {
    /// How many.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.last.saturating_sub(self.first).saturating_add(1)
    }
}

/// What was lost since it was written down last.
#[derive(Clone, Debug, Default)]
pub struct Losses(Vec<LostRange>);

impl Losses {
    /// One more.
    pub fn add(&mut self, lane: LaneId, sequence: u64, reason: Reason) {
        let joins = |it: &&mut LostRange| {
            it.lane == lane && it.reason == reason && it.last.checked_add(1) == Some(sequence)
        };
        match self.0.iter_mut().rev().find(joins) {
            Some(range) => range.last = sequence,
            None => self.0.push(LostRange { lane, first: sequence, last: sequence, reason }),
        }
    }

    /// All of them.
    #[must_use]
    pub fn ranges(&self) -> &[LostRange] {
        &self.0
    }

    /// How many of a lane.
    #[must_use]
    pub fn count(&self, lane: LaneId) -> u64 {
        self.0.iter().filter(|it| it.lane == lane).map(LostRange::count).sum()
    }

    /// Adds what another one holds.
    pub fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    /// They are written down.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Nothing was lost.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_in_a_row_is_one_range_and_another_lane_or_reason_is_another() {
        let mut losses = Losses::default();
        for sequence in [3, 4, 5, 9] {
            losses.add(LaneId(1), sequence, Reason::Memory);
            losses.add(LaneId(2), sequence, Reason::Memory);
        }
        losses.add(LaneId(1), 10, Reason::Age);
        assert_eq!(losses.ranges().len(), 5);
        assert_eq!((losses.count(LaneId(1)), losses.count(LaneId(2))), (5, 4));
    }
}
