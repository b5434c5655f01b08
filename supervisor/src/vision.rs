//! Cameras: datagrams come in, are judged at receipt, and the newest of each stream goes to the loop.
//!
//! Format and rules: docs/vision-channel.md. The loop verifies everything again; what is judged here is the sequence, which only
//! the receiver sees in full.

use rt_core::plan::StreamPlan;
use rt_core::vision::{
    DATAGRAM_LENGTH, Received, STREAMS_MAX, StreamId, VisionInputs, crc32, objects, parse,
};

use crate::record::messages;
use crate::report::VisionReport;

/// A datagram that belongs to a stream of the machine.
#[derive(Clone, Copy, Debug)]
pub struct Datagram {
    /// Which stream.
    pub stream: StreamId,
    /// When it arrived, ns.
    pub received_at: u64,
    /// Its sequence goes forward.
    pub sequence_good: bool,
    /// Its bytes.
    pub bytes: [u8; DATAGRAM_LENGTH],
}

impl Datagram {
    /// As it goes into the recording.
    #[must_use]
    pub fn message(&self) -> messages::Vision {
        let mut message = messages::Vision {
            sequence_good: self.sequence_good,
            datagram: self.bytes.to_vec(),
            ..messages::Vision::default()
        };
        if let Some(occupancy) = parse(&self.bytes) {
            message.sequence = occupancy.sequence;
            message.captured_at = occupancy.captured_at;
            message.quality = u32::from(occupancy.quality);
            message.alive = occupancy.live;
            message.zones_evaluated = occupancy.evaluated;
            message.zones_occupied = occupancy.occupied;
        }
        message.objects = objects(&self.bytes)
            .map(|object| messages::Object {
                x: object.x,
                y: object.y,
                vx: object.vx,
                vy: object.vy,
                radius: object.radius,
                uncertainty: object.uncertainty,
            })
            .collect();
        message
    }
}

/// Judges datagrams at receipt.
#[derive(Clone, Debug)]
pub struct Judge {
    streams: Vec<StreamPlan>,
    config_hash: u64,
    /// The last sequence of each stream that went forward.
    sequences: [u64; STREAMS_MAX],
    inputs: VisionInputs,
    counts: VisionReport,
}

impl Judge {
    /// For the streams of a machine, by id; `config_hash` is the machine file's.
    #[must_use]
    pub fn new(streams: &[StreamPlan], config_hash: u64) -> Self {
        Self {
            streams: streams.to_vec(),
            config_hash,
            sequences: [0; STREAMS_MAX],
            inputs: [Received::default(); STREAMS_MAX],
            counts: VisionReport::default(),
        }
    }

    /// Takes what arrived at `now`. A datagram that is damaged or not for this machine changes nothing but counts: the newest good
    /// one ages. One whose sequence does not go forward takes its stream out, as somebody repeats or invents it.
    pub fn take(&mut self, bytes: &[u8], now: u64) -> Option<Datagram> {
        self.counts.received += 1;
        let Some((stream, bytes, sequence)) = self.verify(bytes) else {
            self.counts.refused += 1;
            for received in &mut self.inputs {
                received.refused += 1;
            }
            return None;
        };
        let last = self.sequences.get_mut(usize::from(stream.0))?;
        let sequence_good = sequence > *last;
        *last = sequence.max(*last);
        let received = self.inputs.get_mut(usize::from(stream.0))?;
        let refused = received.refused + u64::from(!sequence_good);
        self.counts.refused += u64::from(!sequence_good);
        *received = Received { bytes, received_at: now, sequence_good, refused };
        Some(Datagram { stream, received_at: now, sequence_good, bytes })
    }

    /// The newest of each stream.
    #[must_use]
    pub fn inputs(&self) -> &VisionInputs {
        &self.inputs
    }

    /// How many arrived and were refused.
    #[must_use]
    pub fn counts(&self) -> VisionReport {
        self.counts
    }

    fn verify(&self, bytes: &[u8]) -> Option<(StreamId, [u8; DATAGRAM_LENGTH], u64)> {
        let bytes: [u8; DATAGRAM_LENGTH] = bytes.try_into().ok()?;
        let (body, crc) = bytes.split_last_chunk::<4>()?;
        if crc32(body) != u32::from_le_bytes(*crc) {
            return None;
        }
        let occupancy = parse(&bytes)?;
        let stream = self.streams.iter().position(|stream| stream.wire_id == occupancy.wire_id)?;
        let stream = StreamId(u8::try_from(stream).ok()?);
        (occupancy.config_hash == self.config_hash).then_some((stream, bytes, occupancy.sequence))
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
        bytes[4..8].copy_from_slice(&[1, 1, 7, 0]);
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
        assert_eq!(judge.counts(), VisionReport { received: 5, refused: 2, stored: 0 });
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
        use rt_core::vision::Object;
        let seen: Vec<Object> = objects(&datagram.bytes).collect();
        assert_eq!(seen, [Object { x: -1500, radius: 300, ..Object::default() }]);
        let message = datagram.message();
        assert_eq!((message.zones_evaluated, message.zones_occupied), (3, 2));
    }
}
