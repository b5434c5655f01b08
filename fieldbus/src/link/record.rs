//! A link that hands on a copy of what goes over it, and the pcapng blocks that a copy becomes (ns stamps, with directions).

use rt_channel::stream::Producer;

use super::{FRAME_MAX, Link, LinkFault, Sent};

/// pcapng block types and options (draft-ietf-opsawg-pcapng).
const SECTION_HEADER: u32 = 0x0A0D_0D0A;
const INTERFACE: u32 = 1;
const ENHANCED_PACKET: u32 = 6;
const STATISTICS: u32 = 5;
const BYTE_ORDER: u32 = 0x1A2B_3C4D;
const LINKTYPE_ETHERNET: u16 = 1;
/// Header, stamps, lengths, flags option, end of options, trailer.
const PACKET_OVERHEAD: usize = 28 + 8 + 4 + 4;

/// Where copies go. Called in the cycle: in real time no allocation, no lock, no system call.
pub trait Keep {
    /// A frame went over the link at `at`, ns of its clock.
    fn keep(&mut self, at: u64, outbound: bool, frame: &[u8]);
}

/// A copy of a frame, on its way to who writes it down.
#[derive(Clone, Copy, Debug)]
pub struct Copied {
    /// When, ns of the link's clock.
    pub at: u64,
    /// Out, or in.
    pub outbound: bool,
    length: u16,
    bytes: [u8; FRAME_MAX],
}

impl Copied {
    /// The frame.
    #[must_use]
    pub fn frame(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or_default()
    }
}

/// A full stream drops the newest and counts it.
impl Keep for Producer<Copied> {
    fn keep(&mut self, at: u64, outbound: bool, frame: &[u8]) {
        let length = frame.len().min(FRAME_MAX);
        let mut copied = Copied {
            at,
            outbound,
            length: u16::try_from(length).unwrap_or(0),
            bytes: [0; FRAME_MAX],
        };
        copied.bytes.iter_mut().zip(frame).for_each(|(to, from)| *to = *from);
        self.push(copied);
    }
}

/// Wraps a link and hands on both directions.
#[derive(Debug)]
pub struct Record<L, K> {
    inner: L,
    keeper: K,
}

impl<L: Link, K: Keep> Record<L, K> {
    /// Wraps `inner`.
    #[must_use]
    pub fn new(inner: L, keeper: K) -> Self {
        Self { inner, keeper }
    }

    /// The link within.
    pub fn inner_mut(&mut self) -> &mut L {
        &mut self.inner
    }

    /// Where the copies go.
    pub fn keeper_mut(&mut self) -> &mut K {
        &mut self.keeper
    }
}

/// What a pcapng file begins with: one section, one Ethernet interface, stamps in ns.
#[must_use]
pub fn pcapng_head() -> Vec<u8> {
    [section_header(), interface()].concat()
}

/// Appends the block of one frame to `out`; `wall` is its time since 1970, or virtual time, ns. Takes no memory while `out` has room.
pub fn pcapng_frame(out: &mut Vec<u8>, wall: u64, outbound: bool, frame: &[u8]) {
    let padded = frame.len().next_multiple_of(4);
    let (Ok(block), Ok(captured)) =
        (u32::try_from(PACKET_OVERHEAD + padded), u32::try_from(frame.len()))
    else {
        return;
    };
    let [high, low] = halves(wall);
    for word in [ENHANCED_PACKET, block, 0, high, low, captured, captured] {
        out.extend_from_slice(&word.to_le_bytes());
    }
    out.extend_from_slice(frame);
    out.resize(out.len() + padded - frame.len(), 0);
    let direction: u32 = if outbound { 2 } else { 1 };
    for word in [2 | 4 << 16, direction, 0, block] {
        out.extend_from_slice(&word.to_le_bytes());
    }
}

/// What a file ends with if it ends in order: frames seen, and those dropped for want of room. `wall` as in [`pcapng_frame`].
#[must_use]
pub fn pcapng_statistics(wall: u64, seen: u64, dropped: u64) -> Vec<u8> {
    let [high, low] = halves(wall);
    let mut body = words(&[0, high, low]);
    for (code, count) in [(4u16, seen), (5, dropped)] {
        body.extend(code.to_le_bytes());
        body.extend(8u16.to_le_bytes());
        body.extend(count.to_le_bytes());
    }
    body.extend([0; 4]);
    block(STATISTICS, &body)
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

impl<L: Link, K: Keep> Link for Record<L, K> {
    fn send(&mut self, frame: &[u8]) -> Result<(), LinkFault> {
        self.inner.send(frame)?;
        self.keeper.keep(self.inner.now(), true, frame);
        Ok(())
    }

    fn send_all(&mut self, frames: &[&[u8]]) -> Sent {
        let sent = self.inner.send_all(frames);
        for (number, frame) in frames.iter().enumerate() {
            if sent.has(number) {
                self.keeper.keep(self.inner.now(), true, frame);
            }
        }
        sent
    }

    fn receive(&mut self, buffer: &mut [u8], deadline: u64) -> Result<Option<usize>, LinkFault> {
        let length = self.inner.receive(buffer, deadline)?;
        if let Some(frame) = length.and_then(|length| buffer.get(..length)) {
            self.keeper.keep(self.inner.now(), false, frame);
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
    use rt_channel::stream;

    #[test]
    fn a_foreign_reader_finds_every_frame_with_its_time_and_direction() {
        let (give, mut take) = stream::channel(8);
        let mut link = Record::new(InlineLink::new(Echo { adds: 1 }, 1_000), give);
        link.send(&[1; 61]).unwrap();
        assert_eq!(link.send_all(&[&[7; 60]]), Sent { frames: 1, fault: None });
        link.receive(&mut [0; 100], 1_000_000).unwrap();
        let mut file = pcapng_head();
        take.drain(8, |_, copied| {
            pcapng_frame(&mut file, copied.at + 5_000_000_000, copied.outbound, copied.frame());
        });
        file.extend(pcapng_statistics(6_000_000_000, 3, 0));
        let mut reader = PcapNgReader::new(&file[..]).unwrap();
        let mut packets = Vec::new();
        while let Some(block) = reader.next_block() {
            if let Block::EnhancedPacket(packet) = block.unwrap() {
                packets.push((packet.timestamp.as_nanos(), packet.data[0], packet.data.len()));
            }
        }
        let out = 5_000_001_000;
        assert_eq!(packets, [(out, 1, 61), (out, 7, 60), (out + 10_000, 2, 61)]);
    }

    #[test]
    fn what_nobody_takes_in_time_is_dropped_newest_first_and_counted() {
        let (give, mut take) = stream::channel(2);
        let mut link = Record::new(InlineLink::new(Echo { adds: 0 }, 1_000), give);
        for n in 0..5 {
            link.send(&[n; 60]).unwrap();
        }
        assert_eq!((link.keeper_mut().produced(), link.keeper_mut().dropped()), (5, 3));
        let mut kept = Vec::new();
        take.drain(8, |_, copied| kept.push(copied.frame()[0]));
        assert_eq!(kept, [0, 1]);
    }
}
