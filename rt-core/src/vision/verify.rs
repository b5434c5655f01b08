//! From bytes to what may be believed. Layout and rules: docs/vision-channel.md.

use super::{DATAGRAM_LENGTH, OBJECTS_MAX, Received, crc32};
use crate::plan::StreamPlan;
use twin_lite::tape::{self, Tape, Taped};
use twin_lite::{taped, taped_enum};

/// The loop's time is read before the newest datagram is fetched: one may be younger than `now` by this much, ns.
const FETCH_SLACK_NS: u64 = 1_000_000;
/// Where the objects begin in a datagram, and how long one is, bytes.
const OBJECTS_AT: usize = 48;
const OBJECT_LENGTH: usize = 24;

/// What a datagram says, before anyone asked whether it counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Occupancy {
    /// Stream id of the sender.
    pub wire_id: u16,
    /// Machine file the sender was set up for.
    pub config_hash: u64,
    /// Goes up by 1 with each datagram.
    pub sequence: u64,
    /// When the picture was taken, ns of CLOCK_MONOTONIC.
    pub captured_at: u64,
    /// 0 to 100.
    pub quality: u8,
    /// The picture moves as live pictures do.
    pub live: bool,
    /// How many objects were seen.
    pub objects: u8,
    /// Zones looked at.
    pub evaluated: u32,
    /// Zones with something in them.
    pub occupied: u32,
}

impl Occupancy {
    /// Zones that are clear, bit by bit: evaluated and not occupied.
    #[must_use]
    pub fn clear(&self) -> u32 {
        self.evaluated & !self.occupied
    }
}

/// Something that a camera sees, in cell coordinates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Object {
    /// mm.
    pub x: i32,
    /// mm.
    pub y: i32,
    /// mm/s.
    pub vx: i32,
    /// mm/s.
    pub vy: i32,
    /// mm.
    pub radius: u32,
    /// How far from the truth `x` and `y` may be, mm.
    pub uncertainty: u32,
}

impl Object {
    /// Nothing.
    const NONE: Self = Self { x: 0, y: 0, vx: 0, vy: 0, radius: 0, uncertainty: 0 };
}

taped!(Object { x, y, vx, vy, radius, uncertainty });

/// Why a stream does not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Refusal {
    /// Nothing has arrived yet.
    #[default]
    Silent,
    /// Magic, version, kind or object count is not what the format says.
    Format,
    /// The CRC does not match.
    Crc,
    /// It is another stream's.
    Stream,
    /// It was made for another machine file.
    Configuration,
    /// The receiver found the sequence not to go forward.
    Sequence,
    /// Captured no later than a picture that was already taken.
    Backwards,
    /// Captured after it arrived.
    Future,
    /// Captured longer ago than the stream may be old.
    Stale,
    /// The camera process does not trust its picture.
    Quality,
    /// The picture is frozen, or nobody knows.
    Frozen,
}

taped!(Occupancy {
    wire_id,
    config_hash,
    sequence,
    captured_at,
    quality,
    live,
    objects,
    evaluated,
    occupied,
});
taped_enum!(Refusal {
    0: Silent,
    1: Format,
    2: Crc,
    3: Stream,
    4: Configuration,
    5: Sequence,
    6: Backwards,
    7: Future,
    8: Stale,
    9: Quality,
    10: Frozen,
});

/// A stream as interlocks see it this cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamView {
    /// Zones that are clear; 0 while the stream does not count.
    pub clear: u32,
    /// Zones that were looked at; 0 while the stream does not count.
    pub evaluated: u32,
    /// When the newest picture that passed was taken, ns; 0 = never.
    pub captured_at: u64,
    /// Why it does not count; `None`: it does.
    pub refusal: Option<Refusal>,
    /// How many objects it shows; 0 while it does not count.
    pub seen: u8,
    /// What it shows, `seen` of them.
    pub shown: [Object; OBJECTS_MAX],
}

impl StreamView {
    /// Nothing arrived, nothing is clear.
    pub const SILENT: Self = Self {
        clear: 0,
        evaluated: 0,
        captured_at: 0,
        refusal: Some(Refusal::Silent),
        seen: 0,
        shown: [Object::NONE; OBJECTS_MAX],
    };

    /// What the newest picture that counts shows.
    #[must_use]
    pub fn objects(&self) -> &[Object] {
        self.shown.get(..usize::from(self.seen)).unwrap_or(&self.shown)
    }

    /// Whether zone `zone` is clear; a zone above 31 never is.
    #[must_use]
    // SR-038
    pub fn is_clear(&self, zone: u8) -> bool {
        self.clear.checked_shr(u32::from(zone)).is_some_and(|bits| bits & 1 == 1)
    }
}

/// Reads the fields of a datagram whose format is right.
#[must_use]
pub fn parse(bytes: &[u8; DATAGRAM_LENGTH]) -> Option<Occupancy> {
    let (magic, rest) = bytes.split_first_chunk::<4>()?;
    let (&[version, kind], rest) = rest.split_first_chunk::<2>()?;
    let (wire_id, rest) = rest.split_first_chunk::<2>()?;
    let (config_hash, rest) = rest.split_first_chunk::<8>()?;
    let (sequence, rest) = rest.split_first_chunk::<8>()?;
    let (captured_at, rest) = rest.split_first_chunk::<8>()?;
    let (_exposure, rest) = rest.split_first_chunk::<4>()?;
    let (&[quality, liveness, objects, _reserved], rest) = rest.split_first_chunk::<4>()?;
    let (evaluated, rest) = rest.split_first_chunk::<4>()?;
    let (occupied, _objects) = rest.split_first_chunk::<4>()?;
    let well_formed = magic == b"TVIS"
        && version == 1
        && kind == 1
        && quality <= 100
        && liveness <= 1
        && usize::from(objects) <= OBJECTS_MAX;
    well_formed.then(|| Occupancy {
        wire_id: u16::from_le_bytes(*wire_id),
        config_hash: u64::from_le_bytes(*config_hash),
        sequence: u64::from_le_bytes(*sequence),
        captured_at: u64::from_le_bytes(*captured_at),
        quality,
        live: liveness == 1,
        objects,
        evaluated: u32::from_le_bytes(*evaluated),
        occupied: u32::from_le_bytes(*occupied),
    })
}

/// What is where, of a datagram whose format is right; of any other, nothing.
pub fn objects(bytes: &[u8; DATAGRAM_LENGTH]) -> impl Iterator<Item = Object> + '_ {
    let count = parse(bytes).map_or(0, |occupancy| usize::from(occupancy.objects));
    let places = bytes.get(OBJECTS_AT..).unwrap_or_default().chunks_exact(OBJECT_LENGTH);
    places.take(count.min(OBJECTS_MAX)).map(object)
}

fn object(bytes: &[u8]) -> Object {
    let word = |place: usize| {
        bytes.get(place * 4..).and_then(|rest| rest.first_chunk::<4>()).map_or([0; 4], |word| *word)
    };
    Object {
        x: i32::from_le_bytes(word(0)),
        y: i32::from_le_bytes(word(1)),
        vx: i32::from_le_bytes(word(2)),
        vy: i32::from_le_bytes(word(3)),
        radius: u32::from_le_bytes(word(4)),
        uncertainty: u32::from_le_bytes(word(5)),
    }
}

/// One stream: the newest datagram, judged once when it is new; its age is judged every cycle.
#[derive(Clone, Debug)]
pub struct StreamState {
    plan: StreamPlan,
    config_hash: u64,
    /// The newest bytes that were judged; the same bytes again are the same picture, only older.
    judged: [u8; DATAGRAM_LENGTH],
    verdict: Result<Occupancy, Refusal>,
    /// The latest capture time that ever passed.
    captured_at: u64,
    /// What the last picture that passed shows.
    shown: [Object; OBJECTS_MAX],
}

impl Taped for StreamState {
    fn tape<T: Tape>(&mut self, tape: &mut T) {
        let Self { plan: _, config_hash: _, judged, verdict, captured_at, shown } = self;
        tape::bytes(judged, tape);
        verdict.tape(tape);
        captured_at.tape(tape);
        shown.tape(tape);
    }
}

impl StreamState {
    /// A stream that has said nothing yet. `config_hash` is the machine file's.
    #[must_use]
    pub fn new(plan: StreamPlan, config_hash: u64) -> Self {
        Self {
            plan,
            config_hash,
            judged: [0; DATAGRAM_LENGTH],
            verdict: Err(Refusal::Silent),
            captured_at: 0,
            shown: [Object::NONE; OBJECTS_MAX],
        }
    }

    /// One cycle: what of `received` counts at `now`.
    pub fn update(&mut self, received: &Received, now: u64) -> StreamView {
        if received.received_at == 0 {
            self.verdict = Err(Refusal::Silent);
        } else if received.bytes != self.judged {
            self.judged = received.bytes;
            self.verdict = self.judge(received, now);
            if let Ok(occupancy) = &self.verdict {
                self.captured_at = occupancy.captured_at;
                self.shown = [Object::NONE; OBJECTS_MAX];
                for (place, object) in self.shown.iter_mut().zip(objects(&received.bytes)) {
                    *place = object;
                }
            }
        }
        let verdict = match self.verdict {
            Ok(_) if !received.sequence_good => Err(Refusal::Sequence),
            Ok(occupancy) if now.saturating_sub(occupancy.captured_at) > self.plan.age_max_ns => {
                Err(Refusal::Stale)
            }
            verdict => verdict,
        };
        match verdict {
            Ok(occupancy) => StreamView {
                clear: occupancy.clear(),
                evaluated: occupancy.evaluated,
                captured_at: occupancy.captured_at,
                refusal: None,
                seen: occupancy.objects,
                shown: self.shown,
            },
            Err(refusal) => StreamView {
                captured_at: self.captured_at,
                refusal: Some(refusal),
                ..StreamView::SILENT
            },
        }
    }

    /// A new datagram: the CRC first, for nothing else is to be believed before.
    // SR-039
    fn judge(&self, received: &Received, now: u64) -> Result<Occupancy, Refusal> {
        let (body, crc) = received.bytes.split_last_chunk::<4>().ok_or(Refusal::Format)?;
        if crc32(body) != u32::from_le_bytes(*crc) {
            return Err(Refusal::Crc);
        }
        let occupancy = parse(&received.bytes).ok_or(Refusal::Format)?;
        let refusal = if occupancy.wire_id != self.plan.wire_id {
            Refusal::Stream
        } else if occupancy.config_hash != self.config_hash {
            Refusal::Configuration
        } else if !received.sequence_good {
            Refusal::Sequence
        } else if occupancy.captured_at <= self.captured_at {
            Refusal::Backwards
        } else if occupancy.captured_at
            > received.received_at.min(now.saturating_add(FETCH_SLACK_NS))
        {
            Refusal::Future
        } else if occupancy.quality < self.plan.quality_min {
            Refusal::Quality
        } else if !occupancy.live {
            Refusal::Frozen
        } else {
            return Ok(occupancy);
        };
        Err(refusal)
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    /// Offset of the CRC, and so the length of what it covers.
    pub(crate) const CRC_AT: usize = DATAGRAM_LENGTH - 4;

    /// A good datagram, received when it was captured.
    pub(crate) fn datagram(
        wire_id: u16,
        config_hash: u64,
        captured_at: u64,
        evaluated: u32,
        occupied: u32,
    ) -> Received {
        let mut bytes = [0; DATAGRAM_LENGTH];
        bytes[..4].copy_from_slice(b"TVIS");
        bytes[4..6].copy_from_slice(&[1, 1]);
        bytes[6..8].copy_from_slice(&wire_id.to_le_bytes());
        bytes[8..16].copy_from_slice(&config_hash.to_le_bytes());
        bytes[16..24].copy_from_slice(&captured_at.to_le_bytes());
        bytes[24..32].copy_from_slice(&captured_at.to_le_bytes());
        bytes[36..38].copy_from_slice(&[90, 1]);
        bytes[40..44].copy_from_slice(&evaluated.to_le_bytes());
        bytes[44..48].copy_from_slice(&occupied.to_le_bytes());
        let crc = crc32(&bytes[..CRC_AT]);
        bytes[CRC_AT..].copy_from_slice(&crc.to_le_bytes());
        Received { bytes, received_at: captured_at, sequence_good: true, refused: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::CRC_AT;
    use super::*;

    const HASH: u64 = 0x1122_3344_5566_7788;
    const PLAN: StreamPlan = StreamPlan { wire_id: 7, age_max_ns: 100, quality_min: 60 };

    /// A datagram of stream 7 with zone 0 evaluated and clear, zone 1 occupied, changed by `edit` before the CRC is put on.
    fn datagram(captured_at: u64, edit: impl FnOnce(&mut [u8; DATAGRAM_LENGTH])) -> Received {
        let mut received = testing::datagram(7, HASH, captured_at, 0b11, 0b10);
        edit(&mut received.bytes);
        let crc = crc32(&received.bytes[..CRC_AT]);
        received.bytes[CRC_AT..].copy_from_slice(&crc.to_le_bytes());
        Received { received_at: captured_at + 10, ..received }
    }

    fn state() -> StreamState {
        StreamState::new(PLAN, HASH)
    }

    #[test]
    fn a_good_result_clears_what_was_evaluated_and_is_not_occupied_and_no_more() {
        let view = state().update(&datagram(1000, |_| {}), 1020);
        assert_eq!((view.clear, view.evaluated), (0b01, 0b11));
        assert_eq!((view.captured_at, view.refusal), (1000, None));
        assert!(view.is_clear(0));
        assert!(!view.is_clear(1), "occupied");
        assert!(!view.is_clear(2), "not looked at");
        assert!(!view.is_clear(32), "there is no such zone");
    }

    #[test]
    // SR-038
    fn silence_is_not_clear() {
        assert_eq!(state().update(&Received::default(), 5), StreamView::SILENT);
    }

    #[test]
    // SR-038
    fn a_result_counts_until_its_age_limit_from_capture_and_not_longer() {
        let mut state = state();
        let received = datagram(1000, |_| {});
        assert!(state.update(&received, 1010).is_clear(0));
        assert!(state.update(&received, 1100).is_clear(0));
        assert_eq!(state.update(&received, 1101).refusal, Some(Refusal::Stale));
    }

    #[test]
    fn each_field_that_is_wrong_makes_the_result_not_count() {
        type Edit = fn(&mut [u8; DATAGRAM_LENGTH]);
        let cases: [(Edit, Refusal); 10] = [
            (|b| b[0] = b'X', Refusal::Format),
            (|b| b[4] = 2, Refusal::Format),
            (|b| b[5] = 2, Refusal::Format),
            (|b| b[38] = 17, Refusal::Format),
            (|b| b[36] = 101, Refusal::Format),
            (|b| b[6] = 8, Refusal::Stream),
            (|b| b[8] ^= 1, Refusal::Configuration),
            (|b| b[36] = 59, Refusal::Quality),
            (|b| b[37] = 0, Refusal::Frozen),
            (|b| b[31] = 1, Refusal::Future),
        ];
        for (edit, refusal) in cases {
            let mut received = datagram(1000, edit);
            received.received_at = 1010;
            let view = state().update(&received, 1020);
            assert_eq!(view.refusal, Some(refusal));
            assert_eq!(view.clear, 0);
        }
    }

    #[test]
    // SR-039
    fn any_single_damaged_bit_is_refused() {
        let good = datagram(1000, |_| {});
        for bit in 0..DATAGRAM_LENGTH * 8 {
            let mut damaged = good;
            damaged.bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(state().update(&damaged, 1020).refusal, Some(Refusal::Crc), "bit {bit}");
        }
    }

    #[test]
    fn a_picture_from_before_the_last_one_is_refused_even_if_the_sequence_is_good() {
        let mut state = state();
        assert!(state.update(&datagram(1000, |_| {}), 1020).is_clear(0));
        let replayed = datagram(1000, |b| b[16] = 2);
        assert_eq!(state.update(&replayed, 1030).refusal, Some(Refusal::Backwards));
        assert!(
            state.update(&datagram(1001, |b| b[16] = 3), 1040).is_clear(0),
            "and forward counts"
        );
    }

    #[test]
    fn a_sequence_that_the_receiver_did_not_like_is_refused_new_or_known() {
        let mut state = state();
        let mut received = datagram(1000, |_| {});
        assert!(state.update(&received, 1020).is_clear(0));
        received.sequence_good = false;
        assert_eq!(state.update(&received, 1021).refusal, Some(Refusal::Sequence));
        let mut fresh = datagram(1050, |_| {});
        fresh.sequence_good = false;
        assert_eq!(state.update(&fresh, 1060).refusal, Some(Refusal::Sequence));
    }

    #[test]
    // SR-039
    fn a_forged_message_takes_the_clearance_away_until_the_next_good_one() {
        let mut state = state();
        assert!(state.update(&datagram(1000, |_| {}), 1020).is_clear(0));
        let forged = datagram(1030, |b| b[8] ^= 0xFF);
        assert_eq!(state.update(&forged, 1040).refusal, Some(Refusal::Configuration));
        assert!(state.update(&datagram(1050, |_| {}), 1060).is_clear(0));
    }
}
