//! Protective blocks: small pure state machines over contacts and a clock.
//!
//! Their states follow the state diagrams of PLCopen Safety's blocks of the same name (SF_Equivalent, SF_Antivalent,
//! SF_GuardMonitoring, SF_EnableSwitch, SF_TwoHandControlTypeIII, SF_MutingPar_2Sensor, SF_MutingSeq, SF_EDM, SF_SafetyRequest,
//! SF_ModeSelector). Reset and restart are not in them: the matrix latches, a person resets, a fresh start follows. Each code's first
//! half says its class as PLCopen does; its second half is ours. No conformance is claimed.
//!
//! | code | what it means | verdict |
//! | --- | --- | --- |
//! | 0000 | nothing seen yet | demand |
//! | 80xx | in order | permit |
//! | 84xx | clear, but a latch holds until a person resets | demand |
//! | 88xx | what the device is there for: pressed, open, let go | demand |
//! | Cxxx | an error: contacts that contradict each other, a time that passed, an input that is not known | demand |
//!
//! Each block is compared, state by state and input by input, with a transition table that stands in its tests.

pub mod antivalent;
pub mod edm;
pub mod enabling;
pub mod equivalent;
pub mod guard;
pub mod muting;
pub mod request;
pub mod selector;
#[cfg(test)]
pub(crate) mod table;
pub mod threshold;
pub mod two_hand;

use crate::signal::{Quality, Sample};
use twin_lite::tape::{Tape, Taped};

/// A diagnostic code, see the table of this module.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Code(pub u16);

impl Taped for Code {
    fn tape<T: Tape>(&mut self, tape: &mut T) {
        self.0.tape(tape);
    }
}

impl Code {
    /// Nothing seen yet.
    pub const IDLE: Self = Self(0);
    /// In order.
    pub const ENABLED: Self = Self(0x8000);
    /// Clear, but a latch holds until a person resets.
    pub const RESET_REQUIRED: Self = Self(0x8401);
    /// A cause that has no states of its own demands.
    pub const DEMAND: Self = Self(0x8801);
    /// An input is missing, stale, or neither 0 nor 1.
    pub const UNKNOWN: Self = Self(0xC0F0);

    /// In order; every other code is a demand.
    #[must_use]
    pub fn permits(self) -> bool {
        self.0 >> 8 == 0x80
    }

    /// The device or its wiring is wrong, or not known.
    #[must_use]
    pub fn is_error(self) -> bool {
        self.0 >> 12 == 0xC
    }
}

/// A contact as it is known: `None` when its input is missing, stale, or neither 0 nor 1.
pub type Level = Option<bool>;

/// The level that a sample says.
#[must_use]
pub fn level(sample: Sample) -> Level {
    match (sample.quality, sample.value) {
        (Quality::Good, 0) => Some(false),
        (Quality::Good, 1) => Some(true),
        (Quality::Good | Quality::Stale | Quality::Missing, _) => None,
    }
}

/// More than `limit` ns have passed since `since`.
fn is_over(since: u64, limit: u64, now: u64) -> bool {
    now.saturating_sub(since) > limit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_class_80_permits() {
        for code in 0..=u16::MAX {
            assert_eq!(Code(code).permits(), (0x8000..0x8100).contains(&code), "{code:04X}");
            assert_eq!(Code(code).is_error(), (0xC000..0xD000).contains(&code), "{code:04X}");
        }
        assert!(!Code::default().permits(), "what never ran demands");
    }

    #[test]
    fn only_a_good_0_or_1_is_a_level() {
        let sample = |value, quality| Sample { value, at: 1, quality };
        assert_eq!(level(sample(0, Quality::Good)), Some(false));
        assert_eq!(level(sample(1, Quality::Good)), Some(true));
        for value in [-1, 2, i64::MAX] {
            assert_eq!(level(sample(value, Quality::Good)), None);
        }
        assert_eq!(level(sample(1, Quality::Stale)), None);
        assert_eq!(level(sample(1, Quality::Missing)), None);
    }
}
