//! Signals: the dense, nameless values that the loop works on.

use alloc::boxed::Box;
use twin_lite::{taped, taped_enum};

/// A signal's place in [`Signals`]. Dense from 0, given by `config`; names exist only outside the loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SignalId(pub u16);

/// Whether a value may be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Quality {
    /// Never received since start, or since its device was switched on anew: there is no value.
    #[default]
    Missing,
    /// Received in an exchange whose working counter was right; how old it is, `Sample::at` says.
    Good,
    /// Received once, but not in the last exchange: the value is the last good one and ages.
    Stale,
}

taped_enum!(Quality { 0: Missing, 1: Good, 2: Stale });

/// One input as the loop sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// Raw value: a bit is 0 or 1, integers are sign-extended, REAL32 is its bit pattern.
    pub value: i64,
    /// When it was sampled, as far as is known: at the SYNC0 of its device, else when the frame that brought it came back; ns of
    /// CLOCK_MONOTONIC, 0 = never. The same value of `at` in two cycles is the same sample.
    pub at: u64,
    /// Whether it may be used.
    pub quality: Quality,
}

/// All signals of the machine, inputs and outputs alike, by [`SignalId`].
/// Inputs are written by [`Bus::decode`](crate::Bus::decode), outputs by the gate; who reads an unknown id gets `Missing`.
#[derive(Clone, Debug)]
pub struct Signals {
    samples: Box<[Sample]>,
}

taped!(Sample { value, at, quality });
taped!(Signals { samples });

impl Signals {
    /// `count` signals, all `Missing`.
    #[must_use]
    pub fn new(count: usize) -> Self {
        Self { samples: alloc::vec![Sample::default(); count].into_boxed_slice() }
    }

    /// The sample of `id`; `Missing` when there is no such signal.
    #[must_use]
    pub fn get(&self, id: SignalId) -> Sample {
        self.samples.get(usize::from(id.0)).copied().unwrap_or_default()
    }

    /// The value of `id` if its quality is `Good`.
    #[must_use]
    pub fn good(&self, id: SignalId) -> Option<i64> {
        let sample = self.get(id);
        match sample.quality {
            Quality::Good => Some(sample.value),
            Quality::Missing | Quality::Stale => None,
        }
    }

    /// Whether `id` is a good 1. Missing and stale are `false`: wire so that 1 is the permissive state.
    #[must_use]
    pub fn is_on(&self, id: SignalId) -> bool {
        self.good(id) == Some(1)
    }

    /// A fresh, good value.
    pub fn set(&mut self, id: SignalId, value: i64, at: u64) {
        if let Some(sample) = self.samples.get_mut(usize::from(id.0)) {
            *sample = Sample { value, at, quality: Quality::Good };
        }
    }

    /// `sample`, as it is: in replay.
    pub fn put(&mut self, id: SignalId, sample: Sample) {
        if let Some(place) = self.samples.get_mut(usize::from(id.0)) {
            *place = sample;
        }
    }

    /// The exchange that should have brought `id` failed: the value stays and ages.
    pub fn age(&mut self, id: SignalId) {
        if let Some(sample) = self.samples.get_mut(usize::from(id.0))
            && sample.quality == Quality::Good
        {
            sample.quality = Quality::Stale;
        }
    }

    /// The device of `id` was switched on anew: what it said before counts no longer.
    pub fn forget(&mut self, id: SignalId) {
        if let Some(sample) = self.samples.get_mut(usize::from(id.0)) {
            *sample = Sample::default();
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.samples.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// All samples in order of id.
    #[must_use]
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_aged_is_kept_but_is_no_longer_good() {
        let mut signals = Signals::new(1);
        assert_eq!(signals.get(SignalId(0)).quality, Quality::Missing);
        signals.set(SignalId(0), 1, 5);
        assert!(signals.is_on(SignalId(0)));
        signals.age(SignalId(0));
        assert_eq!(signals.get(SignalId(0)), Sample { value: 1, at: 5, quality: Quality::Stale });
        assert!(!signals.is_on(SignalId(0)));
    }

    #[test]
    fn an_unknown_id_is_missing() {
        assert_eq!(Signals::new(0).get(SignalId(7)), Sample::default());
    }
}
