//! A link that does to frames on their way in whatever a script of bytes says. The same script, the same frames: for the mutation test and
//! for the fuzzer. Allocates when it is made, and never after.

use fieldbus::link::{FRAME_MAX, Link, LinkFault};

/// Frames that wait behind others.
const WAITING: usize = 4;
/// Where the datagrams of a frame begin.
const DATAGRAMS: usize = 16;

/// Bytes that say what happens.
#[derive(Default)]
pub(crate) struct Script {
    bytes: Box<[u8]>,
    at: usize,
}

impl Script {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        Self { bytes: bytes.into(), at: 0 }
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.bytes.get(self.at).copied();
        self.at += 1;
        byte
    }

    /// A number below `range`; 0 when the script is over.
    fn below(&mut self, range: usize) -> usize {
        let bytes = [self.next().unwrap_or(0), self.next().unwrap_or(0)];
        usize::from(u16::from_le_bytes(bytes)).checked_rem(range).unwrap_or(0)
    }
}

pub(crate) struct Garbled<L> {
    inner: L,
    script: Script,
    /// So many frames come as they are before the script begins.
    quiet: u32,
    waiting: Vec<(usize, Box<[u8]>)>,
    spare: Vec<Box<[u8]>>,
}

impl<L: Link> Garbled<L> {
    pub(crate) fn new(inner: L, script: Script) -> Self {
        let spare = (0..WAITING).map(|_| vec![0; FRAME_MAX].into_boxed_slice()).collect();
        Self { inner, script, quiet: 0, waiting: Vec::with_capacity(WAITING), spare }
    }

    /// The script begins after so many frames.
    pub(crate) fn after(self, quiet: u32) -> Self {
        Self { quiet, ..self }
    }

    /// From now on this happens.
    pub(crate) fn follow(&mut self, script: Script) {
        self.script = script;
    }

    /// What becomes of a frame; `None`: it is lost.
    fn garble(&mut self, frame: &mut [u8], length: usize) -> Option<usize> {
        if self.quiet > 0 {
            self.quiet -= 1;
            return Some(length);
        }
        let Some(what) = self.script.next() else { return Some(length) };
        let length = length.min(frame.len());
        match what % 8 {
            0 => return None,
            1 => return Some(self.script.below(length + 1)),
            // Any bytes.
            2 | 3 => {
                for _ in 0..=what >> 5 {
                    let at = self.script.below(length);
                    frame[at] = self.script.next().unwrap_or(0);
                }
            }
            // Other datagrams, with an index that fits.
            4 => {
                let index = frame[DATAGRAMS + 1];
                let end = length.min(DATAGRAMS + usize::from(what));
                for byte in frame.iter_mut().take(end).skip(DATAGRAMS) {
                    *byte = self.script.next().unwrap_or(*byte);
                }
                frame[DATAGRAMS + 1] = index;
            }
            // Data only: what a device says.
            5 | 6 => {
                for _ in 0..=what >> 5 {
                    let at = DATAGRAMS
                        + 10
                        + self.script.below(length.saturating_sub(DATAGRAMS + 12).max(1));
                    frame[at.min(length - 1)] = self.script.next().unwrap_or(0);
                }
            }
            // It comes again behind this one, as it was.
            _ => {
                if let Some(mut copy) = self.spare.pop() {
                    copy[..length].copy_from_slice(&frame[..length]);
                    self.waiting.push((length, copy));
                    let at = self.script.below(length);
                    frame[at] ^= self.script.next().unwrap_or(1);
                }
            }
        }
        Some(length)
    }
}

impl<L: Link> Link for Garbled<L> {
    fn send(&mut self, frame: &[u8]) -> Result<(), LinkFault> {
        self.inner.send(frame)
    }

    fn receive(&mut self, buffer: &mut [u8], deadline: u64) -> Result<Option<usize>, LinkFault> {
        if let Some((length, frame)) = self.waiting.pop() {
            let whole = length.min(buffer.len());
            buffer[..whole].copy_from_slice(&frame[..whole]);
            self.spare.push(frame);
            return Ok(Some(length));
        }
        loop {
            let Some(length) = self.inner.receive(buffer, deadline)? else { return Ok(None) };
            if let Some(length) = self.garble(buffer, length) {
                return Ok(Some(length));
            }
        }
    }

    fn now(&self) -> u64 {
        self.inner.now()
    }

    fn idle(&mut self, until: u64) {
        self.inner.idle(until);
    }
}
