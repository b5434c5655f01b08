//! Cameras: datagrams come in, are judged at receipt, and go to the loop: the newest occupancy of each stream, and every inspection
//! result.
//!
//! Format and rules: docs/vision-channel.md. The loop verifies everything again; what is judged here alone is what only the receiver
//! sees: the sequence in full, the way a datagram came, its code, and the clock of a camera that has one of its own.

pub mod clock;
mod counts;
pub mod mac;
mod message;
mod reason;
pub mod receipt;

use config::{Machine, StreamSocket};
use rt_core::plan::StreamPlan;
use rt_core::vision::{
    CLOCK_LENGTH, DATAGRAM_LENGTH, HEADER_LENGTH, Header, INSPECTION_LENGTH, Inspected, Kind,
    Received, STREAMS_MAX, StreamId, VisionInputs, crc32, header,
};

pub use counts::{StreamReport, VisionReport};
pub use reason::{Reason, refusal_word};

use crate::exit::Error;
use clock::CameraClock;
use mac::{Key, MAC_LENGTH};
use receipt::Receipt;

/// A datagram that belongs to a stream of the machine.
#[derive(Clone, Copy, Debug)]
pub struct Datagram {
    /// Which stream.
    pub stream: StreamId,
    /// When it arrived, ns.
    pub received_at: u64,
    /// Its sequence goes forward.
    pub sequence_good: bool,
    /// This host's clock less the camera's at the least, ns, of a camera with a clock of its own.
    pub offset_ns: Option<i64>,
    /// Its bytes, with zeros behind a shorter kind.
    pub bytes: [u8; DATAGRAM_LENGTH],
}

impl Datagram {
    /// The inspection result that it is, if it is one.
    #[must_use]
    pub fn inspected(&self) -> Option<Inspected> {
        let bytes = self.bytes.first_chunk::<INSPECTION_LENGTH>()?;
        let header = header(bytes).filter(|header| header.kind == Kind::Inspection);
        header.map(|_| Inspected {
            stream: self.stream,
            bytes: *bytes,
            received_at: self.received_at,
            sequence_good: self.sequence_good,
            offset_ns: self.offset_ns,
        })
    }
}

/// How a datagram came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From within this process (virtual time).
    Inside,
    /// Through the Unix socket.
    Unix,
    /// Through a UDP socket.
    Udp,
}

/// How datagrams of a stream must come.
#[derive(Clone, Debug)]
struct Source {
    udp: bool,
    key: Option<Key>,
    own_clock: bool,
}

/// What became of a datagram.
#[derive(Clone, Copy, Debug, Default)]
pub struct Taken {
    /// It belongs to a stream, and the loop is to see it.
    pub datagram: Option<Datagram>,
    /// What its sender is to hear.
    pub receipt: Option<Receipt>,
    /// Why it does not count, as far as it is seen at receipt.
    pub reason: Option<Reason>,
}

/// Judges datagrams at receipt.
#[derive(Clone, Debug)]
pub struct Judge {
    streams: Vec<StreamPlan>,
    sources: Vec<Source>,
    config_hash: u64,
    /// The last sequence of each stream that went forward.
    sequences: [u64; STREAMS_MAX],
    /// The latest capture time of each stream that counted, ns of this host.
    captured_at: [u64; STREAMS_MAX],
    clocks: Vec<CameraClock>,
    inputs: VisionInputs,
    counts: VisionReport,
}

impl Judge {
    /// For streams of this host, by id; `config_hash` is the machine file's.
    #[must_use]
    pub fn new(streams: &[StreamPlan], config_hash: u64) -> Self {
        let local = Source { udp: false, key: None, own_clock: false };
        let report = StreamReport { socket: "unix", ..StreamReport::default() };
        Self {
            streams: streams.to_vec(),
            sources: vec![local; streams.len()],
            config_hash,
            sequences: [0; STREAMS_MAX],
            captured_at: [0; STREAMS_MAX],
            clocks: vec![CameraClock::default(); streams.len()],
            inputs: [Received::default(); STREAMS_MAX],
            counts: VisionReport {
                streams: vec![report; streams.len()],
                ..VisionReport::default()
            },
        }
    }

    /// For the streams of a machine; key files are relative to the directory in which the run was started.
    ///
    /// # Errors
    /// A key cannot be read, or others may read it.
    pub fn of(machine: &Machine) -> Result<Self, Error> {
        let mut judge = Self::new(&machine.plan.streams, machine.hash64);
        let all = machine.stream_sources.iter().zip(&machine.names.streams);
        let mine = judge.sources.iter_mut().zip(&mut judge.counts.streams);
        for ((source, name), (mine, report)) in all.zip(mine) {
            report.name.clone_from(name);
            mine.own_clock = source.own_clock;
            let StreamSocket::Udp { key_file, .. } = &source.socket else { continue };
            mine.udp = true;
            report.socket = "udp, INSECURE";
            if let Some(key_file) = key_file {
                mine.key = Some(Key::read(key_file)?);
                report.socket = "udp with a key";
            }
        }
        Ok(judge)
    }

    /// Takes what arrived at `now` from within. See [`take_from`](Self::take_from).
    pub fn take(&mut self, bytes: &[u8], now: u64) -> Option<Datagram> {
        self.take_from(bytes, now, Way::Inside).datagram
    }

    /// Takes what arrived at `now`. A datagram that is damaged or not for this machine changes nothing but counts: the newest good
    /// one ages. One whose sequence does not go forward takes its stream out, as somebody repeats or invents it.
    pub fn take_from(&mut self, bytes: &[u8], now: u64, way: Way) -> Taken {
        self.counts.received += 1;
        let mut known = None;
        match self.identify(bytes, way, &mut known) {
            Ok((place, header)) => self.hear(place, &header, bytes, now),
            Err(reason) => {
                self.counts.refuse(known.map(|(place, _)| place), reason);
                for received in &mut self.inputs {
                    received.refused += 1;
                }
                // Only who has the key hears anything.
                let told = known.filter(|_| reason == Reason::Configuration);
                let receipt = told
                    .map(|(place, header)| self.receipt(place, &header, Some(reason), now, (0, 0)));
                Taken { datagram: None, receipt, reason: Some(reason) }
            }
        }
    }

    /// Whose it is, if it is whole and of this machine.
    fn identify(
        &mut self,
        bytes: &[u8],
        way: Way,
        known: &mut Option<(usize, Header)>,
    ) -> Result<(usize, Header), Reason> {
        let kind = bytes.get(5).copied().and_then(Kind::of).ok_or(Reason::Format)?;
        let (body, code) = bytes.split_at_checked(kind.length()).ok_or(Reason::Format)?;
        let header = header(body).ok_or(Reason::Format)?;
        if kind == Kind::Receipt || !(code.is_empty() || code.len() == MAC_LENGTH) {
            return Err(Reason::Format);
        }
        let (fields, crc) = body.split_last_chunk::<4>().ok_or(Reason::Format)?;
        if crc32(fields) != u32::from_le_bytes(*crc) {
            return Err(Reason::Crc);
        }
        let stream = self.streams.iter().position(|stream| stream.wire_id == header.wire_id);
        let place = stream.ok_or(Reason::Stream)?;
        let source = self.sources.get(place).ok_or(Reason::Stream)?;
        if way != Way::Inside && (way == Way::Udp) != source.udp {
            return Err(Reason::Way);
        }
        // SR-072
        match &source.key {
            Some(key) if !key.fits(body, code) => return Err(Reason::Mac),
            None if !code.is_empty() => return Err(Reason::Format),
            _ => {}
        }
        *known = Some((place, header));
        if let Some(report) = self.counts.streams.get_mut(place) {
            report.received += 1;
        }
        if header.own_clock != source.own_clock || (kind == Kind::Clock && !source.own_clock) {
            return Err(Reason::Clock);
        }
        if header.config_hash != self.config_hash {
            return Err(Reason::Configuration);
        }
        Ok((place, header))
    }

    /// A datagram of this machine.
    fn hear(&mut self, place: usize, header: &Header, bytes: &[u8], now: u64) -> Taken {
        let Some(last) = self.sequences.get_mut(place) else { return Taken::default() };
        let sequence_good = header.sequence > *last;
        *last = header.sequence.max(*last);
        let answered = header.kind == Kind::Clock && sequence_good;
        let exchanged = !answered || self.exchange(place, header, bytes, now);
        let offset = self.clocks.get(place).and_then(|clock| clock.offset(header.captured_at, now));
        let here = match (header.own_clock, offset) {
            (false, _) => Some((header.captured_at, 0)),
            (true, None) => None,
            (true, Some(offset)) => Some((
                header.captured_at.saturating_add_signed(offset.least_ns),
                offset.uncertainty_ns,
            )),
        };
        let reason = match here {
            _ if !sequence_good => Some(Reason::Sequence),
            _ if !exchanged => Some(Reason::Clock),
            _ if header.kind == Kind::Clock => None,
            None => Some(Reason::Clock),
            Some((captured_at, _)) => self.doubt(place, header, captured_at, now),
        };
        if let Some(reason) = reason {
            self.counts.refuse(Some(place), reason);
        }
        let report = self.counts.streams.get_mut(place);
        if let (Some(report), Some((captured_at, uncertainty))) = (report, here) {
            report.clock_uncertainty_ns = header.own_clock.then_some(uncertainty);
            if header.kind != Kind::Clock {
                report.delayed(now.saturating_sub(captured_at));
            }
        }
        let receipt = self.receipt(place, header, reason, now, here.unwrap_or((0, 0)));
        let offset_ns = offset.filter(|_| header.own_clock).map(|offset| offset.least_ns);
        let received =
            self.hand_over(place, header, bytes, (now, sequence_good, reason.is_some(), offset_ns));
        Taken { datagram: received, receipt: Some(receipt), reason }
    }

    /// What the loop will refuse, seen at receipt already: counted, and told to the sender.
    fn doubt(
        &mut self,
        place: usize,
        header: &Header,
        captured_at: u64,
        now: u64,
    ) -> Option<Reason> {
        let plan = self.streams.get(place)?;
        let before = self.captured_at.get_mut(place)?;
        // A result of an inspection may be of an earlier picture than the newest.
        let occupancy = matches!(header.kind, Kind::Occupancy | Kind::Zones);
        let reason = if occupancy && captured_at <= *before {
            Reason::Backwards
        } else if captured_at > now {
            Reason::Future
        } else if now.saturating_sub(captured_at) > plan.age_max_ns {
            Reason::Stale
        } else if header.quality < plan.quality_min {
            Reason::Quality
        } else if header.liveness != 1 {
            Reason::Frozen
        } else {
            if occupancy {
                *before = captured_at;
                let report = self.counts.streams.get_mut(place)?;
                report.captured_at = captured_at;
            }
            return None;
        };
        Some(reason)
    }

    /// `false`: it says what cannot be.
    fn exchange(&mut self, place: usize, header: &Header, bytes: &[u8], now: u64) -> bool {
        let word = |at: usize| {
            let word = bytes.get(at..CLOCK_LENGTH).and_then(|rest| rest.first_chunk::<8>());
            u64::from_le_bytes(word.copied().unwrap_or_default())
        };
        let (echo, arrived) = (word(HEADER_LENGTH), word(HEADER_LENGTH + 8));
        let clock = self.clocks.get_mut(place);
        clock.is_some_and(|clock| clock.hear(header.captured_at, (echo, arrived), now))
    }

    fn receipt(
        &mut self,
        place: usize,
        header: &Header,
        reason: Option<Reason>,
        now: u64,
        (captured_at, uncertainty_ns): (u64, u64),
    ) -> Receipt {
        if let (Some(clock), true) = (self.clocks.get_mut(place), header.own_clock) {
            clock.issue(now);
        }
        Receipt {
            wire_id: header.wire_id,
            config_hash: self.config_hash,
            sequence: header.sequence,
            reason,
            received_at: now,
            taken_at: 0,
            captured_at,
            uncertainty_ns,
        }
    }

    /// Leaves it where the loop will find it.
    fn hand_over(
        &mut self,
        place: usize,
        header: &Header,
        bytes: &[u8],
        (now, sequence_good, refused, offset_ns): (u64, bool, bool, Option<i64>),
    ) -> Option<Datagram> {
        let received = self.inputs.get_mut(place)?;
        received.refused += u64::from(refused);
        let stream = StreamId(u8::try_from(place).ok()?);
        let mut padded = [0; DATAGRAM_LENGTH];
        let length = header.kind.length();
        padded.iter_mut().zip(bytes.iter().take(length)).for_each(|(to, from)| *to = *from);
        match header.kind {
            Kind::Occupancy | Kind::Zones => {
                let refused = received.refused;
                *received =
                    Received { bytes: padded, received_at: now, sequence_good, refused, offset_ns };
            }
            Kind::Inspection | Kind::Clock if !sequence_good => received.sequence_good = false,
            Kind::Inspection => self.counts.streams.get_mut(place)?.inspections += 1,
            Kind::Clock | Kind::Receipt => {}
        }
        let datagram =
            Datagram { stream, received_at: now, sequence_good, offset_ns, bytes: padded };
        (header.kind != Kind::Clock).then_some(datagram)
    }

    /// A receipt as it goes back: with the code of the key, if its stream has one.
    #[must_use]
    pub fn seal(&self, receipt: &Receipt) -> Vec<u8> {
        let mut bytes = receipt.bytes(receipt.taken_at.max(receipt.received_at)).to_vec();
        let place = self.streams.iter().position(|stream| stream.wire_id == receipt.wire_id);
        let source = place.and_then(|place| self.sources.get(place));
        if let Some(key) = source.and_then(|source| source.key.as_ref()) {
            bytes.extend(key.code(&bytes));
        }
        bytes
    }

    /// The loop took what arrived at `received_at` at `at`.
    pub fn taken(&mut self, stream: StreamId, received_at: u64, at: u64) {
        let place = usize::from(stream.0);
        let newest = self.inputs.get(place).filter(|newest| newest.received_at == received_at);
        let Some(report) = self.counts.streams.get_mut(place).filter(|_| newest.is_some()) else {
            return;
        };
        let captured_at = report.captured_at;
        let taken = (captured_at != 0).then(|| at.saturating_sub(captured_at));
        report.taken_max_ns = report.taken_max_ns.max(taken);
    }

    /// The newest of each stream.
    #[must_use]
    pub fn inputs(&self) -> &VisionInputs {
        &self.inputs
    }

    /// How many arrived and were refused.
    #[must_use]
    pub fn counts(&self) -> VisionReport {
        self.counts.clone()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    const HASH: u64 = 0x1122_3344_5566_7788;

    /// A datagram of stream 7 with one object.
    pub(crate) fn datagram(sequence: u64, captured_at: u64) -> [u8; DATAGRAM_LENGTH] {
        let mut bytes = [0; DATAGRAM_LENGTH];
        bytes[..4].copy_from_slice(b"TVIS");
        bytes[4..8].copy_from_slice(&[2, 1, 7, 0]);
        bytes[8..16].copy_from_slice(&HASH.to_le_bytes());
        bytes[16..24].copy_from_slice(&sequence.to_le_bytes());
        bytes[24..32].copy_from_slice(&captured_at.to_le_bytes());
        bytes[36..39].copy_from_slice(&[90, 1, 1]);
        bytes[40] = 0b11;
        bytes[44] = 0b10;
        bytes[48..52].copy_from_slice(&(-1500_i32).to_le_bytes());
        bytes[64..68].copy_from_slice(&300_u32.to_le_bytes());
        let crc = crc32(&bytes[..432]);
        bytes[432..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    pub(crate) fn judge() -> Judge {
        let plan = StreamPlan { wire_id: 7, age_max_ns: 100, quality_min: 50 };
        Judge::new(&[plan], HASH)
    }

    #[test]
    fn a_sequence_that_goes_forward_is_good_and_one_that_repeats_is_not() {
        let mut judge = judge();
        assert!(judge.take(&datagram(5, 1), 2).unwrap().sequence_good);
        assert!(judge.take(&datagram(9, 2), 3).unwrap().sequence_good, "a gap goes forward");
        assert!(!judge.take(&datagram(9, 2), 4).unwrap().sequence_good);
        assert!(!judge.take(&datagram(8, 3), 5).unwrap().sequence_good);
        assert!(!judge.inputs()[0].sequence_good, "the loop sees it");
        assert!(judge.take(&datagram(10, 4), 6).unwrap().sequence_good);
        let counts = judge.counts();
        assert_eq!((counts.received, counts.refused, counts.refused_by["sequence"]), (5, 2, 2));
    }

    #[test]
    fn what_is_damaged_or_foreign_leaves_the_last_good_one_to_age() {
        let mut judge = judge();
        judge.take(&datagram(1, 1), 2).unwrap();
        let mut damaged = datagram(2, 2);
        damaged[50] ^= 1;
        assert!(judge.take(&damaged, 3).is_none());
        assert!(judge.take(&damaged[..100], 3).is_none(), "short");
        assert!(judge.take(&[0; 600], 3).is_none(), "long");
        let plan = StreamPlan { wire_id: 7, age_max_ns: 100, quality_min: 50 };
        assert!(Judge::new(&[plan], 1).take(&datagram(2, 2), 3).is_none(), "other machine file");
        let other = StreamPlan { wire_id: 8, ..plan };
        assert!(Judge::new(&[other], HASH).take(&datagram(2, 2), 3).is_none(), "other stream");
        assert_eq!(judge.inputs()[0].received_at, 2);
        assert!(judge.inputs()[0].sequence_good);
        assert_eq!(judge.inputs()[0].refused, 3);
    }

    #[test]
    fn objects_are_read_as_the_format_says() {
        let datagram = judge().take(&datagram(1, 1), 2).unwrap();
        use rt_core::vision::{Object, objects};
        let seen: Vec<Object> = objects(&datagram.bytes).collect();
        assert_eq!(seen, [Object { x: -1500, radius: 300, ..Object::default() }]);
        let message = datagram.message();
        assert_eq!((message.zones_evaluated, message.zones_occupied), (3, 2));
    }

    /// What a stream of this source makes of a datagram.
    pub(crate) fn from_network(key: Option<Key>, own_clock: bool) -> Judge {
        let mut judge = judge();
        judge.sources[0] = Source { udp: true, key, own_clock };
        judge
    }

    #[test]
    // SR-072
    fn a_stream_with_a_key_takes_what_the_key_signed_and_nothing_else() {
        let key = Key::new([7; 32]);
        let signed = |bytes: &[u8], key: &Key| [bytes, &key.code(bytes)].concat();
        let good = datagram(1, 1);
        let of =
            |bytes: &[u8], way| from_network(Some(key.clone()), false).take_from(bytes, 2, way);
        assert!(of(&signed(&good, &key), Way::Udp).reason.is_none());
        let other = signed(&good, &Key::new([8; 32]));
        for (bytes, way, reason) in [
            (good.to_vec(), Way::Udp, Reason::Mac),
            (other, Way::Udp, Reason::Mac),
            (signed(&good, &key), Way::Unix, Reason::Way),
            (signed(&good, &key)[..460].to_vec(), Way::Udp, Reason::Format),
        ] {
            let taken = of(&bytes, way);
            assert_eq!(taken.reason, Some(reason));
            assert!(taken.datagram.is_none() && taken.receipt.is_none(), "nobody is told");
        }
        let mut local = judge();
        assert_eq!(local.take_from(&good, 2, Way::Udp).reason, Some(Reason::Way));
        assert_eq!(
            local.take_from(&signed(&good, &key), 2, Way::Unix).reason,
            Some(Reason::Format)
        );
    }

    /// A datagram of a camera with a clock of its own.
    pub(crate) fn own(sequence: u64, at: u64, kind: Kind, (echo, arrived): (u64, u64)) -> Vec<u8> {
        let mut bytes = datagram(sequence, at)[..kind.length()].to_vec();
        bytes[5] = kind.byte();
        bytes[39] = 1;
        if kind == Kind::Clock {
            bytes[38] = 0;
            bytes[40..48].copy_from_slice(&echo.to_le_bytes());
            bytes[48..56].copy_from_slice(&arrived.to_le_bytes());
        }
        let body = bytes.len() - 4;
        let crc = crc32(&bytes[..body]);
        bytes[body..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    #[test]
    // SR-070
    fn a_camera_with_its_own_clock_counts_after_an_exchange_and_not_before() {
        let mut judge = from_network(None, true);
        let picture = own(1, 500, Kind::Occupancy, (0, 0));
        let first = judge.take_from(&picture, 9_000, Way::Udp);
        assert_eq!(first.reason, Some(Reason::Clock));
        assert_eq!(judge.inputs()[0].offset_ns, None, "and the loop does not know it either");
        let asked = judge.take_from(&own(2, 600, Kind::Clock, (0, 0)), 9_100, Way::Udp);
        let echo = asked.receipt.unwrap().received_at;
        assert_eq!(echo, 9_100);
        let answer = own(3, 640, Kind::Clock, (echo, 620));
        assert_eq!(judge.take_from(&answer, 9_150, Way::Udp).reason, None);
        let taken = judge.take_from(&own(4, 700, Kind::Occupancy, (0, 0)), 9_220, Way::Udp);
        assert_eq!(taken.reason, None);
        // 9100 − 620, one more for the drift; captured at 9179 to 9212 of this host.
        assert_eq!(judge.inputs()[0].offset_ns, Some(8_479));
        let receipt = taken.receipt.unwrap();
        assert_eq!((receipt.captured_at, receipt.uncertainty_ns), (9_179, 32));
        let host_time = datagram(5, 9_240);
        assert_eq!(judge.take_from(&host_time, 9_250, Way::Udp).reason, Some(Reason::Clock));
    }

    #[test]
    // SR-071
    fn an_inspection_result_does_not_overwrite_the_newest_occupancy() {
        let mut judge = judge();
        judge.take(&datagram(1, 1), 2).unwrap();
        let mut bytes = [0; INSPECTION_LENGTH];
        bytes[..40].copy_from_slice(&datagram(2, 2)[..40]);
        bytes[5] = 3;
        bytes[38] = 0;
        bytes[40] = 9;
        let crc = crc32(&bytes[..88]);
        bytes[88..].copy_from_slice(&crc.to_le_bytes());
        let taken = judge.take(&bytes, 3).unwrap();
        assert_eq!(taken.inspected().unwrap().bytes, bytes);
        assert_eq!(judge.inputs()[0].received_at, 2);
        assert!(judge.inputs()[0].sequence_good);
        assert!(!judge.take(&bytes, 4).unwrap().sequence_good);
        assert!(!judge.inputs()[0].sequence_good, "somebody repeats");
    }

    #[test]
    fn what_the_loop_will_refuse_is_counted_by_reason_and_told_to_the_sender() {
        let edited = |sequence, at, edit: fn(&mut [u8; DATAGRAM_LENGTH])| {
            let mut bytes = datagram(sequence, at);
            edit(&mut bytes);
            let crc = crc32(&bytes[..432]);
            bytes[432..].copy_from_slice(&crc.to_le_bytes());
            bytes
        };
        let mut judge = judge();
        judge.take(&datagram(1, 100), 110).unwrap();
        let mut expect = |bytes: &[u8], now, reason: Reason| {
            let taken = judge.take_from(bytes, now, Way::Inside);
            assert_eq!(taken.reason, Some(reason));
            assert_eq!(taken.receipt.map(|receipt| receipt.reason), Some(Some(reason)));
            assert_eq!(judge.counts().streams[0].refused_by[reason.word()], 1);
        };
        expect(&datagram(2, 100), 120, Reason::Backwards);
        expect(&datagram(3, 131), 130, Reason::Future);
        expect(&datagram(4, 140), 241, Reason::Stale);
        expect(&edited(5, 250, |b| b[36] = 49), 251, Reason::Quality);
        expect(&edited(6, 260, |b| b[37] = 0), 261, Reason::Frozen);
        expect(&edited(7, 270, |b| b[8] ^= 1), 271, Reason::Configuration);
    }
}
