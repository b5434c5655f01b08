//! A link that keeps what went over it, as a pcapng capture (ns stamps, with directions) that Wireshark opens.

use std::io::{self, Write};

use super::{Link, LinkFault, Sent};

/// pcapng block types and options (draft-ietf-opsawg-pcapng).
const SECTION_HEADER: u32 = 0x0A0D_0D0A;
const INTERFACE: u32 = 1;
const ENHANCED_PACKET: u32 = 6;
const STATISTICS: u32 = 5;
const BYTE_ORDER: u32 = 0x1A2B_3C4D;
const LINKTYPE_ETHERNET: u16 = 1;
/// Header, stamps, lengths, flags option, end of options, trailer.
const PACKET_OVERHEAD: usize = 28 + 8 + 4 + 4;

/// Wraps a link and records both directions into memory that is taken once and bounded: when it is full, frames are counted, not kept.
#[derive(Debug)]
pub struct Record<L> {
    inner: L,
    blocks: Vec<u8>,
    limit: usize,
    kept: u64,
    dropped: u64,
    /// Added to the link's time to get wall time, ns.
    wall_offset_ns: u64,
}

impl<L: Link> Record<L> {
    /// Wraps `inner` and takes `bytes` of memory. `wall_offset_ns` is wall time (since 1970) less the link's time; 0 in virtual time.
    #[must_use]
    pub fn new(inner: L, bytes: usize, wall_offset_ns: u64) -> Self {
        let blocks = Vec::with_capacity(bytes);
        Self { inner, blocks, limit: bytes, kept: 0, dropped: 0, wall_offset_ns }
    }

    /// Frames kept and frames for which there was no room.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        (self.kept, self.dropped)
    }

    /// The link within.
    pub fn inner_mut(&mut self) -> &mut L {
        &mut self.inner
    }

    /// Writes the capture.
    ///
    /// # Errors
    /// What writing said.
    pub fn write_to(&self, out: &mut impl Write) -> io::Result<()> {
        out.write_all(&section_header())?;
        out.write_all(&interface())?;
        out.write_all(&self.blocks)?;
        out.write_all(&self.statistics())
    }

    fn keep(&mut self, frame: &[u8], outbound: bool) {
        let padded = frame.len().next_multiple_of(4);
        let length = PACKET_OVERHEAD + padded;
        let (Ok(block), Ok(captured)) = (u32::try_from(length), u32::try_from(frame.len())) else {
            return;
        };
        if self.blocks.len() + length > self.limit {
            self.dropped += 1;
            return;
        }
        let [high, low] = halves(self.inner.now().wrapping_add(self.wall_offset_ns));
        let head = [ENHANCED_PACKET, block, 0, high, low, captured, captured];
        // Within the capacity taken at construction: nothing is allocated here.
        for word in head {
            self.blocks.extend_from_slice(&word.to_le_bytes());
        }
        self.blocks.extend_from_slice(frame);
        self.blocks.resize(self.blocks.len() + padded - frame.len(), 0);
        let direction: u32 = if outbound { 2 } else { 1 };
        for word in [2 | 4 << 16, direction, 0, block] {
            self.blocks.extend_from_slice(&word.to_le_bytes());
        }
        self.kept += 1;
    }

    /// Interface statistics: received, and dropped for want of room.
    fn statistics(&self) -> Vec<u8> {
        let [high, low] = halves(self.inner.now().wrapping_add(self.wall_offset_ns));
        let mut body = words(&[0, high, low]);
        for (code, count) in [(4u16, self.kept + self.dropped), (5, self.dropped)] {
            body.extend(code.to_le_bytes());
            body.extend(8u16.to_le_bytes());
            body.extend(count.to_le_bytes());
        }
        body.extend([0; 4]);
        block(STATISTICS, &body)
    }
}

fn halves(ns: u64) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = ns.to_be_bytes();
    [u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h])]
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 12).unwrap_or(u32::MAX);
    [&words(&[kind, length]), body, &words(&[length])].concat()
}

fn section_header() -> Vec<u8> {
    // Version 1.0, section length not given.
    block(SECTION_HEADER, &words(&[BYTE_ORDER, 1, u32::MAX, u32::MAX]))
}

fn interface() -> Vec<u8> {
    // if_tsresol (9): 10^-9 s.
    let mut body = words(&[u32::from(LINKTYPE_ETHERNET), 0]);
    body.extend([9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0]);
    block(INTERFACE, &body)
}

impl<L: Link> Link for Record<L> {
    fn send(&mut self, frame: &[u8]) -> Result<(), LinkFault> {
        self.inner.send(frame)?;
        self.keep(frame, true);
        Ok(())
    }

    fn send_all(&mut self, frames: &[&[u8]]) -> Sent {
        let sent = self.inner.send_all(frames);
        for (number, frame) in frames.iter().enumerate() {
            if sent.has(number) {
                self.keep(frame, true);
            }
        }
        sent
    }

    fn receive(&mut self, buffer: &mut [u8], deadline: u64) -> Result<Option<usize>, LinkFault> {
        let length = self.inner.receive(buffer, deadline)?;
        if let Some(frame) = length.and_then(|length| buffer.get(..length)) {
            self.keep(frame, false);
        }
        Ok(length)
    }

    fn now(&self) -> u64 {
        self.inner.now()
    }

    fn idle(&mut self, until: u64) {
        self.inner.idle(until);
    }
}

#[cfg(test)]
mod tests {
    use super::super::InlineLink;
    use super::super::testing::Echo;
    use super::*;
    use pcap_file::pcapng::{Block, PcapNgReader};

    #[test]
    fn a_foreign_reader_finds_every_frame_with_its_time_and_direction() {
        let mut link = Record::new(InlineLink::new(Echo { adds: 1 }, 1_000), 10_000, 5_000_000_000);
        link.send(&[1; 61]).unwrap();
        link.receive(&mut [0; 100], 1_000_000).unwrap();
        let mut file = Vec::new();
        link.write_to(&mut file).unwrap();
        let mut reader = PcapNgReader::new(&file[..]).unwrap();
        let mut packets = Vec::new();
        while let Some(block) = reader.next_block() {
            if let Block::EnhancedPacket(packet) = block.unwrap() {
                packets.push((packet.timestamp.as_nanos(), packet.data[0], packet.data.len()));
            }
        }
        assert_eq!(packets, [(5_000_001_000, 1, 61), (5_000_011_000, 2, 61)]);
    }

    #[test]
    fn a_full_recording_counts_what_it_did_not_keep_and_takes_no_more_memory() {
        let mut link = Record::new(InlineLink::new(Echo { adds: 1 }, 1_000), 300, 0);
        let before = link.blocks.as_ptr();
        for _ in 0..3 {
            link.send(&[1; 60]).unwrap();
        }
        assert_eq!(link.counts(), (2, 1));
        assert_eq!(link.blocks.as_ptr(), before);
    }
}
