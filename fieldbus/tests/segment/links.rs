//! Links that go wrong in ways of their own.

use crate::cell::Cell;
use fieldbus::link::{InlineLink, Link, LinkFault};

pub(crate) const EMERGENCY: segment::Emergency =
    segment::Emergency { code: 0x8130, register: 0x11, data: [0; 5] };

/// Swallows everything after some frames.
pub(crate) struct Silent {
    pub(crate) inner: InlineLink<Cell>,
    pub(crate) frames: u32,
}

impl Link for Silent {
    fn send(&mut self, frame: &[u8]) -> Result<(), LinkFault> {
        self.frames = self.frames.saturating_sub(1);
        if self.frames > 0 { self.inner.send(frame) } else { Ok(()) }
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

/// Makes drive 3 send an emergency again and again while SDOs are exchanged.
pub(crate) struct EmergencyLink {
    pub(crate) inner: InlineLink<Cell>,
    pub(crate) sent: u32,
}

impl Link for EmergencyLink {
    fn send(&mut self, frame: &[u8]) -> Result<(), LinkFault> {
        self.sent += 1;
        if self.sent.is_multiple_of(400) {
            let fault = segment::Fault::Emergency { position: 3, emergency: EMERGENCY };
            self.inner.wire_mut().0.inject(fault);
        }
        self.inner.send(frame)
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
