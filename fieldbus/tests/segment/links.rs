//! Links that go wrong in ways of their own.

use crate::cell::Cell;
use fieldbus::link::{InlineLink, Link, LinkFault};

/// Asks `sends` before every frame, which may do something to the segment: whether the frame goes out.
pub(crate) struct Sending<F> {
    pub(crate) inner: InlineLink<Cell>,
    pub(crate) sends: F,
}

impl<F: FnMut(&mut Cell) -> bool> Link for Sending<F> {
    fn send(&mut self, frame: &[u8]) -> Result<(), LinkFault> {
        if (self.sends)(self.inner.wire_mut()) { self.inner.send(frame) } else { Ok(()) }
    }

    fn receive(&mut self, buffer: &mut [u8], deadline: u64) -> Result<Option<usize>, LinkFault> {
        self.inner.receive(buffer, deadline)
    }

    fn now(&self) -> u64 {
        self.inner.now()
    }

    fn idle(&mut self, until: u64) {
        self.inner.idle(until);
    }
}

/// Answers every frame of ethercrab first with a forgery: its index, another register, other data.
pub(crate) struct Forger {
    inner: InlineLink<Cell>,
    genuine: Option<Vec<u8>>,
    pub(crate) forged: u32,
}

impl Forger {
    pub(crate) fn new(inner: InlineLink<Cell>) -> Self {
        Self { inner, genuine: None, forged: 0 }
    }
}

impl Link for Forger {
    fn send(&mut self, frame: &[u8]) -> Result<(), LinkFault> {
        self.inner.send(frame)
    }

    fn receive(&mut self, buffer: &mut [u8], deadline: u64) -> Result<Option<usize>, LinkFault> {
        if let Some(genuine) = self.genuine.take() {
            buffer[..genuine.len()].copy_from_slice(&genuine);
            return Ok(Some(genuine.len()));
        }
        let Some(length) = self.inner.receive(buffer, deadline)? else { return Ok(None) };
        if buffer[7] == 0x10 {
            self.genuine = Some(buffer[..length].to_vec());
            self.forged += 1;
            // Register of the first datagram, and everything behind its header.
            buffer[20] ^= 0x04;
            buffer[26..length].fill(0xA5);
        }
        Ok(Some(length))
    }

    fn now(&self) -> u64 {
        self.inner.now()
    }

    fn idle(&mut self, until: u64) {
        self.inner.idle(until);
    }
}
