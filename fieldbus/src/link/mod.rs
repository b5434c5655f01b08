//! A link carries Ethernet frames to the segment and back. Everything above cannot tell the kinds apart.
//!
//! [`raw`] is a network interface, [`pair`] and [`InlineLink`] lead to a virtual segment (a [`Wire`]), [`Fault`] and [`Record`] wrap any of them.

use thiserror::Error;

mod awake;
mod carrier;
mod fault;
mod inline;
mod raw;
mod record;
mod ring;
mod serve;
mod socket;
#[cfg(test)]
mod testing;

pub use carrier::{Carrier, CarrierState};
pub use fault::{Fault, Faults, Injected};
pub use inline::InlineLink;
pub use raw::{Granted, RawOptions, interfaces, raw, raw_with};
pub use record::{Copied, Keep, Record, pcapng_frame, pcapng_head, pcapng_statistics};
pub use serve::{Served, serve};
pub use socket::{SocketLink, pair};

/// Ethernet frame gap, preamble and FCS beside the frame's own bytes.
const WIRE_OVERHEAD: u64 = 24;
/// One byte at 100 Mbit/s, ns.
const BYTE_NS: u64 = 80;

/// How long a frame of `bytes` occupies a 100 Mbit/s line, ns.
#[must_use]
pub fn line_time_ns(bytes: usize) -> u64 {
    (u64::try_from(bytes).unwrap_or(u64::MAX).saturating_add(WIRE_OVERHEAD)).saturating_mul(BYTE_NS)
}

/// The devices at the other end of a virtual link.
pub trait Wire {
    /// A frame goes round the segment at `now`, ns, and is changed on its way. `false`: it does not come back.
    fn pass(&mut self, frame: &mut [u8], now: u64) -> bool;

    /// Time goes on without a frame, to `now`, ns.
    fn advance(&mut self, now: u64);

    /// How long a frame of `len` bytes takes until it is back, ns.
    fn round_trip_ns(&self, len: usize) -> u64;
}

/// Longest Ethernet frame without FCS.
pub const FRAME_MAX: usize = 1514;
/// EtherType of EtherCAT.
pub const ETHERTYPE: u16 = 0x88A4;

/// Why a link does not work.
#[derive(Debug, Error)]
pub enum LinkError {
    /// No right to open AF_PACKET.
    #[error(
        "no permission to open interface {interface}: AF_PACKET needs CAP_NET_RAW (run as root, or: sudo setcap cap_net_raw,cap_ipc_lock,cap_sys_nice=ep <tactus>)"
    )]
    Permission {
        /// Which.
        interface: String,
    },
    /// There is no such interface.
    #[error("there is no network interface {interface}; present: {present}")]
    NoInterface {
        /// Which.
        interface: String,
        /// Those that there are.
        present: String,
    },
    /// It is there, but not up.
    #[error("network interface {interface} is down (bring it up: sudo ip link set {interface} up)")]
    Down {
        /// Which.
        interface: String,
    },
    /// Anything else the system said.
    #[error("link {interface}: {what}: {source}")]
    Io {
        /// Which.
        interface: String,
        /// What was tried.
        what: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
}

/// The outcome of sending or receiving in the cycle: `Copy`, no text, no allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkFault {
    /// The interface is down or gone (ENETDOWN, ENXIO, ENODEV), or the other end closed.
    Down,
    /// The queue is full (EAGAIN on send, ENOMEM).
    Full,
    /// The interface takes no frame (ENOBUFS): nobody is at the other end of its cable, as far as the kernel knows in this very moment; or its
    /// driver has stopped sending, which frames of a cycle alone never bring about while the line works.
    Refused,
    /// Another errno.
    Os(i32),
}

/// What became of frames that were sent together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Bit n: frame n was sent.
    pub frames: u32,
    /// What was said of one that was not; `Down` before anything else.
    pub fault: Option<LinkFault>,
}

impl Sent {
    /// What became of frame `number`, below 32.
    pub fn note(&mut self, number: usize, outcome: Result<(), LinkFault>) {
        match outcome {
            Ok(()) => {
                let number = u32::try_from(number).unwrap_or(u32::MAX);
                self.frames |= 1_u32.checked_shl(number).unwrap_or(0);
            }
            Err(_) if self.fault == Some(LinkFault::Down) => {}
            Err(fault) => self.fault = Some(fault),
        }
    }

    /// Whether frame `number` was sent.
    #[must_use]
    pub fn has(&self, number: usize) -> bool {
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        self.frames.checked_shr(number).is_some_and(|rest| rest & 1 == 1)
    }
}

/// Carries frames. Frames are whole Ethernet frames without FCS.
pub trait Link {
    /// Sends one frame. Never blocks.
    ///
    /// # Errors
    /// What the system said; the frame was not sent.
    fn send(&mut self, frame: &[u8]) -> Result<(), LinkFault>;

    /// Sends the frames of a cycle, at most 32, together where the link can. Never blocks; a frame that could not be sent does not keep
    /// the others.
    fn send_all(&mut self, frames: &[&[u8]]) -> Sent {
        let mut sent = Sent::default();
        for (number, frame) in frames.iter().enumerate() {
            sent.note(number, self.send(frame));
        }
        sent
    }

    /// Receives one frame into `buffer`, waiting until `deadline` (ns of this link's clock, absolute; 0 = do not wait).
    /// `Ok(None)`: nothing until then. A frame longer than the buffer is cut and its whole length is returned.
    ///
    /// # Errors
    /// What the system said.
    fn receive(&mut self, buffer: &mut [u8], deadline: u64) -> Result<Option<usize>, LinkFault>;

    /// This link's time, ns: CLOCK_MONOTONIC, or virtual time.
    fn now(&self) -> u64;

    /// Lets time pass until `until` when there is nothing to do (bring-up only): sleeps, or moves virtual time on.
    fn idle(&mut self, until: u64);
}

impl<L: Link + ?Sized> Link for Box<L> {
    fn send(&mut self, frame: &[u8]) -> Result<(), LinkFault> {
        (**self).send(frame)
    }

    fn send_all(&mut self, frames: &[&[u8]]) -> Sent {
        (**self).send_all(frames)
    }

    fn receive(&mut self, buffer: &mut [u8], deadline: u64) -> Result<Option<usize>, LinkFault> {
        (**self).receive(buffer, deadline)
    }

    fn now(&self) -> u64 {
        (**self).now()
    }

    fn idle(&mut self, until: u64) {
        (**self).idle(until);
    }
}
