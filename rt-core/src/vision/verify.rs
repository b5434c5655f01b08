//! From bytes to what may be believed. Layout and rules: docs/vision-channel.md.

use super::wire::{Header, Inspection, Kind, Occupancy, exact, inspection, parse};
use super::{DATAGRAM_LENGTH, Inspected, Received, crc32};
use crate::plan::StreamPlan;
use twin_lite::tape::{self, Tape, Taped};
use twin_lite::taped_enum;

/// The loop's time is read before the newest datagram is fetched: one may be younger than `now` by this much, ns.
const FETCH_SLACK_NS: u64 = 1_000_000;
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
    /// Its time is of a clock that nobody has compared with this host's of late.
    Clock,
}

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
    11: Clock,
});

/// A stream as interlocks see it this cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamView {
    /// Zones that are clear; 0 while the stream does not count.
    pub clear: u32,
    /// When the newest picture that passed was taken, ns; 0 = never.
    pub captured_at: u64,
    /// Why it does not count; `None`: it does.
    pub refusal: Option<Refusal>,
}

impl StreamView {
    /// Nothing arrived, nothing is clear.
    pub const SILENT: Self = Self { clear: 0, captured_at: 0, refusal: Some(Refusal::Silent) };

    /// Whether zone `zone` is clear; a zone above 31 never is.
    #[must_use]
    // SR-038
    pub fn is_clear(&self, zone: u8) -> bool {
        self.clear.checked_shr(u32::from(zone)).is_some_and(|bits| bits & 1 == 1)
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
}

impl Taped for StreamState {
    fn tape<T: Tape>(&mut self, tape: &mut T) {
        let Self { plan: _, config_hash: _, judged, verdict, captured_at } = self;
        tape::bytes(judged, tape);
        verdict.tape(tape);
        captured_at.tape(tape);
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
        }
    }

    /// One cycle: what of `received` counts at `now`.
    // SR-074
    pub fn update(&mut self, received: &Received, now: u64) -> StreamView {
        if received.received_at == 0 {
            self.verdict = Err(Refusal::Silent);
        } else if received.bytes != self.judged {
            self.judged = received.bytes;
            self.verdict = self.judge(received, now);
            if let Ok(occupancy) = &self.verdict {
                self.captured_at = occupancy.captured_at;
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
                captured_at: occupancy.captured_at,
                refusal: None,
            },
            Err(refusal) => {
                StreamView { clear: 0, captured_at: self.captured_at, refusal: Some(refusal) }
            }
        }
    }

    /// A new datagram: the CRC first, for nothing else is to be believed before.
    // SR-039
    fn judge(&self, received: &Received, now: u64) -> Result<Occupancy, Refusal> {
        let bytes = exact(&received.bytes).ok_or(Refusal::Format)?;
        intact(bytes)?;
        let mut occupancy = parse(&received.bytes).ok_or(Refusal::Format)?;
        let header = Header {
            kind: Kind::Occupancy,
            wire_id: occupancy.wire_id,
            config_hash: occupancy.config_hash,
            captured_at: occupancy.captured_at,
            quality: occupancy.quality,
            liveness: u8::from(occupancy.live),
            own_clock: occupancy.own_clock,
            ..Header::default()
        };
        let arrival = Arrival {
            received_at: received.received_at,
            sequence_good: received.sequence_good,
            offset_ns: received.offset_ns,
            after: self.captured_at,
        };
        occupancy.captured_at = counts(&header, &arrival, (&self.plan, self.config_hash), now)?;
        Ok(occupancy)
    }
}

/// How a datagram came.
struct Arrival {
    received_at: u64,
    sequence_good: bool,
    offset_ns: Option<i64>,
    /// The latest capture time that passed before it, ns.
    after: u64,
}

fn intact(bytes: &[u8]) -> Result<(), Refusal> {
    let (body, crc) = bytes.split_last_chunk::<4>().ok_or(Refusal::Format)?;
    if crc32(body) == u32::from_le_bytes(*crc) { Ok(()) } else { Err(Refusal::Crc) }
}

/// Everything that no kind may lack; when the picture was taken at the earliest, in the time of this host, ns.
fn counts(
    header: &Header,
    arrival: &Arrival,
    (plan, config_hash): (&StreamPlan, u64),
    now: u64,
) -> Result<u64, Refusal> {
    if header.wire_id != plan.wire_id {
        return Err(Refusal::Stream);
    }
    if header.config_hash != config_hash {
        return Err(Refusal::Configuration);
    }
    if !arrival.sequence_good {
        return Err(Refusal::Sequence);
    }
    let captured_at = here(header, arrival.offset_ns).ok_or(Refusal::Clock)?;
    if captured_at <= arrival.after {
        return Err(Refusal::Backwards);
    }
    if captured_at > arrival.received_at.min(now.saturating_add(FETCH_SLACK_NS)) {
        return Err(Refusal::Future);
    }
    if header.quality < plan.quality_min {
        return Err(Refusal::Quality);
    }
    if header.liveness != 1 {
        return Err(Refusal::Frozen);
    }
    Ok(captured_at)
}

/// A capture time in the time of this host, at the earliest; `None`: nobody knows.
// SR-070
fn here(header: &Header, offset_ns: Option<i64>) -> Option<u64> {
    if !header.own_clock {
        return Some(header.captured_at);
    }
    // A picture from before this host's clock began is as old as can be.
    let at = i128::from(header.captured_at).saturating_add(i128::from(offset_ns?));
    Some(u64::try_from(at.max(0)).unwrap_or(u64::MAX))
}

/// What of an inspection result counts at `now`. Each is judged for itself: none has a state.
///
/// # Errors
/// Why it does not count.
// SR-071
pub fn inspect(
    result: &Inspected,
    plan: &StreamPlan,
    config_hash: u64,
    now: u64,
) -> Result<Inspection, Refusal> {
    intact(&result.bytes)?;
    let mut found = inspection(&result.bytes).ok_or(Refusal::Format)?;
    let arrival = Arrival {
        received_at: result.received_at,
        sequence_good: result.sequence_good,
        offset_ns: result.offset_ns,
        after: 0,
    };
    found.header.captured_at = counts(&found.header, &arrival, (plan, config_hash), now)?;
    if now.saturating_sub(found.header.captured_at) > plan.age_max_ns {
        return Err(Refusal::Stale);
    }
    Ok(found)
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
        bytes[4..6].copy_from_slice(&[2, 1]);
        bytes[6..8].copy_from_slice(&wire_id.to_le_bytes());
        bytes[8..16].copy_from_slice(&config_hash.to_le_bytes());
        bytes[16..24].copy_from_slice(&captured_at.to_le_bytes());
        bytes[24..32].copy_from_slice(&captured_at.to_le_bytes());
        bytes[36..38].copy_from_slice(&[90, 1]);
        bytes[40..44].copy_from_slice(&evaluated.to_le_bytes());
        bytes[44..48].copy_from_slice(&occupied.to_le_bytes());
        let crc = crc32(&bytes[..CRC_AT]);
        bytes[CRC_AT..].copy_from_slice(&crc.to_le_bytes());
        Received { bytes, received_at: captured_at, sequence_good: true, ..Received::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::CRC_AT;
    use super::*;
    use crate::vision::{INSPECTION_LENGTH, Verdict};

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
        assert_eq!(view, StreamView { clear: 0b01, captured_at: 1000, refusal: None });
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
        let cases: [(Edit, Refusal); 12] = [
            (|b| b[0] = b'X', Refusal::Format),
            (|b| b[4] = 1, Refusal::Format),
            (|b| b[5] = 2, Refusal::Format),
            (|b| b[39] = 2, Refusal::Format),
            (|b| b[39] = 1, Refusal::Clock),
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
            let refusal = state().update(&damaged, 1020).refusal;
            // A kind that is another one may have another length, which is found first.
            let format = bit / 8 == 5 && refusal == Some(Refusal::Format);
            assert!(format || refusal == Some(Refusal::Crc), "bit {bit}: {refusal:?}");
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

    /// A datagram of zones alone: zone 0 clear, zone 1 occupied.
    fn zones(captured_at: u64) -> Received {
        let mut received = testing::datagram(7, HASH, captured_at, 0b11, 0b10);
        received.bytes[5] = 2;
        received.bytes[48..].fill(0);
        let crc = crc32(&received.bytes[..48]);
        received.bytes[48..52].copy_from_slice(&crc.to_le_bytes());
        received
    }

    #[test]
    fn zones_alone_count_as_occupancy_does_and_nothing_may_stand_behind_them() {
        assert!(state().update(&zones(1000), 1020).is_clear(0));
        let mut longer = zones(1000);
        longer.bytes[60] = 1;
        assert_eq!(state().update(&longer, 1020).refusal, Some(Refusal::Format));
    }

    #[test]
    // SR-070
    fn a_time_of_the_cameras_own_clock_counts_from_the_earliest_moment_it_can_mean() {
        let own =
            |offset_ns| Received { received_at: 5_010, offset_ns, ..datagram(1000, |b| b[39] = 1) };
        assert_eq!(state().update(&own(None), 5_020).refusal, Some(Refusal::Clock));
        let view = state().update(&own(Some(3_990)), 5_020);
        assert_eq!((view.captured_at, view.refusal), (4_990, None));
        assert_eq!(state().update(&own(Some(3_919)), 5_020).refusal, Some(Refusal::Stale));
        assert_eq!(state().update(&own(Some(4_020)), 5_020).refusal, Some(Refusal::Future));
        assert!(state().update(&own(Some(-2_000)), 50).refusal.is_some(), "before this host began");
    }

    /// An inspection result, edited before its CRC is put on.
    fn result(edit: impl FnOnce(&mut [u8; INSPECTION_LENGTH])) -> Inspected {
        let mut bytes = [0; INSPECTION_LENGTH];
        bytes[..40].copy_from_slice(&datagram(1000, |_| {}).bytes[..40]);
        bytes[5] = 3;
        bytes[40..48].copy_from_slice(&77_u64.to_le_bytes());
        bytes[48..50].copy_from_slice(&[2, 1]);
        bytes[52..56].copy_from_slice(&990_000_u32.to_le_bytes());
        bytes[56..60].copy_from_slice(&(-5_i32).to_le_bytes());
        edit(&mut bytes);
        let crc = crc32(&bytes[..INSPECTION_LENGTH - 4]);
        bytes[INSPECTION_LENGTH - 4..].copy_from_slice(&crc.to_le_bytes());
        Inspected { bytes, received_at: 1010, sequence_good: true, ..Inspected::default() }
    }

    #[test]
    // SR-071
    fn an_inspection_result_says_what_was_found_and_each_wrong_field_takes_it_out() {
        let found = inspect(&result(|_| {}), &PLAN, HASH, 1020).unwrap();
        assert_eq!((found.trigger, found.verdict, found.score), (77, Verdict::Bad, 990_000));
        assert_eq!((found.value_count, found.values[0]), (1, -5));
        type Edit = fn(&mut [u8; INSPECTION_LENGTH]);
        let cases: [(Edit, Refusal); 9] = [
            (|b| b[5] = 2, Refusal::Format),
            (|b| b[48] = 3, Refusal::Format),
            (|b| b[49] = 9, Refusal::Format),
            (|b| b[50] = 1, Refusal::Format),
            (|b| b[55] = 1, Refusal::Format),
            (|b| b[6] = 8, Refusal::Stream),
            (|b| b[8] ^= 1, Refusal::Configuration),
            (|b| b[36] = 59, Refusal::Quality),
            (|b| b[37] = 0, Refusal::Frozen),
        ];
        for (edit, refusal) in cases {
            assert_eq!(inspect(&result(edit), &PLAN, HASH, 1020), Err(refusal));
        }
        assert_eq!(inspect(&result(|_| {}), &PLAN, HASH, 1101), Err(Refusal::Stale));
        let mut damaged = result(|_| {});
        damaged.bytes[41] ^= 1;
        assert_eq!(inspect(&damaged, &PLAN, HASH, 1020), Err(Refusal::Crc));
        let repeated = Inspected { sequence_good: false, ..result(|_| {}) };
        assert_eq!(inspect(&repeated, &PLAN, HASH, 1020), Err(Refusal::Sequence));
    }
}
