//! A bad line: what the wrappers of `fieldbus` know, and what only an adversary would do. And what the oracle must know: every frame as
//! the segment really returned it, and every frame as the MainDevice was given it.

use std::collections::VecDeque;

use fieldbus::link::{FRAME_MAX, Link, LinkFault, Wire};
use fieldbus::wire::{Origin, origin};
use tactus_tests::random::Random;

/// Frames of earlier cycles that may come again.
const KEPT: usize = 700;

/// Writes down what the segment made of every cyclic frame.
pub(crate) struct Witness<W> {
    pub(crate) wire: W,
    /// Frames of this exchange as they left the segment.
    pub(crate) returned: Vec<Vec<u8>>,
}

impl<W: Wire> Wire for Witness<W> {
    fn pass(&mut self, frame: &mut [u8], now: u64) -> bool {
        let back = self.wire.pass(frame, now);
        if back && origin(frame) == Origin::Ours {
            self.returned.push(frame.to_vec());
        }
        back
    }

    fn advance(&mut self, now: u64) {
        self.wire.advance(now);
    }

    fn round_trip_ns(&self, len: usize) -> u64 {
        self.wire.round_trip_ns(len)
    }
}

/// What happens to a frame on its way in, beside what [`fieldbus::link::Fault`] does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trick {
    /// Cut anywhere.
    Truncate,
    /// Longer than any frame.
    Giant,
    /// Any bits of its headers, of any of its datagrams, are turned.
    Headers,
    /// Any working counter is another, such as no number of devices gives.
    Counter,
    /// A stranger's frame comes before it.
    Foreign,
    /// More strangers' frames than an exchange takes come before it.
    Flood,
    /// An earlier frame of ours comes again before it, whole: so many frames ago.
    Again(usize),
    /// Any bytes of mailbox frames are others.
    Mailbox,
    /// The test of the test: process data are others and everything else is right, as if the FCS had not seen it.
    Forge,
}

/// A link that does tricks. Its memory is a test's, not a loop's.
pub(crate) struct Line<L> {
    inner: L,
    pub(crate) random: Random,
    /// What is done to this many of 1000 frames.
    pub(crate) tricks: Vec<(Trick, u64)>,
    queue: VecDeque<Vec<u8>>,
    earlier: VecDeque<Vec<u8>>,
    /// Frames of this exchange as they were given to the MainDevice.
    pub(crate) given: Vec<Vec<u8>>,
    /// Tricks played so far.
    pub(crate) played: u64,
}

impl<L: Link> Line<L> {
    pub(crate) fn new(inner: L, seed: u64) -> Self {
        let (queue, earlier) = (VecDeque::new(), VecDeque::with_capacity(KEPT));
        let random = Random(seed);
        Self { inner, random, tricks: Vec::new(), queue, earlier, given: Vec::new(), played: 0 }
    }

    pub(crate) fn inner_mut(&mut self) -> &mut L {
        &mut self.inner
    }

    /// Takes a frame off the line and plays with it; what comes of it waits in the queue.
    fn take(&mut self, frame: &[u8]) {
        if origin(frame) == Origin::Ours {
            if self.earlier.len() == KEPT {
                self.earlier.pop_front();
            }
            self.earlier.push_back(frame.to_vec());
        }
        let mut frame = frame.to_vec();
        for (trick, per_mille) in self.tricks.clone() {
            if self.random.below(1000) < per_mille {
                self.played += 1;
                self.play(trick, &mut frame);
            }
        }
        self.queue.push_back(frame);
    }

    fn play(&mut self, trick: Trick, frame: &mut Vec<u8>) {
        let is_mailbox = origin(frame) == Origin::Mailbox;
        match trick {
            Trick::Truncate => frame.truncate(self.random.place(frame.len()).max(1)),
            Trick::Giant => frame.resize(FRAME_MAX + 1 + self.random.place(600), 0xA5),
            Trick::Headers => self.turn_headers(frame),
            Trick::Counter => {
                let places = datagrams(frame);
                if !places.is_empty() {
                    let (_, counter_at) = self.random.of(&places);
                    let other = frame[counter_at] ^ self.random.of(&[0x10, 0x40, 0x80, 0xFF]);
                    frame[counter_at] = other;
                }
            }
            Trick::Foreign => {
                let stranger = self.stranger(frame);
                self.queue.push_back(stranger);
            }
            Trick::Flood => {
                for _ in 0..70 {
                    let stranger = self.stranger(frame);
                    self.queue.push_back(stranger);
                }
            }
            Trick::Again(ago) => {
                if let Some(earlier) =
                    self.earlier.len().checked_sub(ago + 1).and_then(|at| self.earlier.get(at))
                {
                    self.queue.push_back(earlier.clone());
                }
            }
            Trick::Mailbox if is_mailbox => {
                for _ in 0..=self.random.below(4) {
                    let at = self.random.place(frame.len().min(60));
                    frame[at] = self.random.byte();
                }
            }
            Trick::Mailbox => {}
            Trick::Forge => {
                // Behind the header of the last datagram: process data.
                if !is_mailbox && let Some((at, _)) = logical(frame).last() {
                    frame[*at + 10] ^= 0x01;
                }
            }
        }
    }

    /// Not the process data and not the working counters: those the FCS of a real line protects, and no MainDevice can tell.
    fn turn_headers(&mut self, frame: &mut [u8]) {
        let places = datagrams(frame);
        for _ in 0..=self.random.below(3) {
            let mut at = self.random.place(16);
            if let Some((datagram, _)) = (!places.is_empty())
                .then(|| self.random.of(&places))
                .filter(|_| at.is_multiple_of(2))
            {
                at = datagram + self.random.place(10);
            }
            if let Some(byte) = frame.get_mut(at) {
                *byte ^= 1 << self.random.below(8);
            }
        }
    }

    /// A frame that nobody of ours sent: noise, another MainDevice's, or one that looks like `like` from another address.
    fn stranger(&mut self, like: &[u8]) -> Vec<u8> {
        let mut frame = like.to_vec();
        match self.random.below(4) {
            0 => frame = (0..60 + self.random.below(200)).map(|_| self.random.byte()).collect(),
            1 => frame[6..12].copy_from_slice(&[0x06, 0, 0, 0x5A, 0x5A, 0x5A]),
            2 => frame[6] &= !0x02,
            _ => frame[13] = 0x00,
        }
        frame
    }
}

impl<L: Link> Link for Line<L> {
    fn send(&mut self, frame: &[u8]) -> Result<(), LinkFault> {
        self.inner.send(frame)
    }

    fn receive(&mut self, buffer: &mut [u8], deadline: u64) -> Result<Option<usize>, LinkFault> {
        if self.queue.is_empty() {
            let mut room = [0; FRAME_MAX];
            let Some(length) = self.inner.receive(&mut room, deadline)? else { return Ok(None) };
            self.take(&room[..length.min(FRAME_MAX)]);
        }
        let Some(frame) = self.queue.pop_front() else { return Ok(None) };
        let whole = frame.len().min(buffer.len());
        buffer[..whole].copy_from_slice(&frame[..whole]);
        self.given.push(frame.clone());
        Ok(Some(frame.len()))
    }

    fn now(&self) -> u64 {
        self.inner.now()
    }

    fn idle(&mut self, until: u64) {
        self.inner.idle(until);
    }
}

/// Where each datagram of a frame begins, and where its working counter is. The oracle's own way through a frame: it shares nothing with
/// the code that it judges.
pub(crate) fn datagrams(frame: &[u8]) -> Vec<(usize, usize)> {
    let mut places = Vec::new();
    let mut at = 16;
    while let Some(head) = frame.get(at..at + 10) {
        let length = u16::from_le_bytes([head[6], head[7]]);
        let counter_at = at + 10 + usize::from(length & 0x07FF);
        if counter_at + 2 > frame.len() {
            break;
        }
        places.push((at, counter_at));
        if length & 0x8000 == 0 {
            break;
        }
        at = counter_at + 2;
    }
    places
}

/// The LRW datagrams alone.
pub(crate) fn logical(frame: &[u8]) -> Vec<(usize, usize)> {
    datagrams(frame).into_iter().filter(|(at, _)| frame[*at] == 12).collect()
}
