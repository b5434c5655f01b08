//! Why a datagram does not count, as it is counted at receipt and told to its sender.

use rt_core::vision::Refusal;

/// Why a datagram does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// Magic, version, kind, length or a field is not what the format says.
    Format,
    /// The CRC does not match.
    Crc,
    /// No stream of this machine has this id.
    Stream,
    /// It was made for another machine file.
    Configuration,
    /// The sequence does not go forward.
    Sequence,
    /// Captured no later than a picture before it.
    Backwards,
    /// Captured after it arrived.
    Future,
    /// It arrived older than its stream may be.
    Stale,
    /// The camera process does not trust its picture.
    Quality,
    /// The picture is frozen, or nobody knows.
    Frozen,
    /// Its time is of a clock that nobody has compared with this host's of late.
    Clock,
    /// The code of the key is not that of the stream.
    Mac,
    /// It came in where its stream does not.
    Way,
}

impl Reason {
    /// Every one, in the order of their numbers.
    pub const ALL: [Self; 13] = [
        Self::Format,
        Self::Crc,
        Self::Stream,
        Self::Configuration,
        Self::Sequence,
        Self::Backwards,
        Self::Future,
        Self::Stale,
        Self::Quality,
        Self::Frozen,
        Self::Clock,
        Self::Mac,
        Self::Way,
    ];

    /// As receipts carry it, from 1. Source: docs/vision-channel.md.
    #[must_use]
    pub fn number(self) -> u8 {
        let place = Self::ALL.iter().position(|reason| *reason == self).unwrap_or(0);
        u8::try_from(place).unwrap_or(u8::MAX).saturating_add(1)
    }

    /// In reports.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Format => "format",
            Self::Crc => "crc",
            Self::Stream => "stream",
            Self::Configuration => "configuration",
            Self::Sequence => "sequence",
            Self::Backwards => "backwards",
            Self::Future => "future",
            Self::Stale => "stale",
            Self::Quality => "quality",
            Self::Frozen => "frozen",
            Self::Clock => "clock",
            Self::Mac => "mac",
            Self::Way => "way",
        }
    }
}

/// In words, as the loop refuses.
#[must_use]
pub fn refusal_word(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Silent => "silent",
        Refusal::Format => Reason::Format.word(),
        Refusal::Crc => Reason::Crc.word(),
        Refusal::Stream => Reason::Stream.word(),
        Refusal::Configuration => Reason::Configuration.word(),
        Refusal::Sequence => Reason::Sequence.word(),
        Refusal::Backwards => Reason::Backwards.word(),
        Refusal::Future => Reason::Future.word(),
        Refusal::Stale => Reason::Stale.word(),
        Refusal::Quality => Reason::Quality.word(),
        Refusal::Frozen => Reason::Frozen.word(),
        Refusal::Clock => Reason::Clock.word(),
    }
}
