//! CANopen over EtherCAT, our own client: SDO transfers of any length up to the room they are given, complete access, emergencies.
//!
//! ```text
//! Transfer      what is said: CoE messages out of and into a buffer        (bytes in, bytes out; ETG1000.6 §5.6.2)
//! Conversation  how it gets there: mailboxes, their counters and status,   (a datagram out, its answer in; ETG1000.4 §6.7)
//!               repeats and time-outs
//! Service       the loop's: one datagram a cycle after the cyclic frames, requests and answers through streams
//! ```
//!
//! Whether a device has something to say is asked by one datagram of one byte (status of its second SyncManager, 0x080D): no FMMU is
//! needed, the cyclic frames stay what they are, and a mailbox of a kilobyte is fetched only when it is full.

mod client;
mod codes;
mod conversation;
mod notice;
mod service;
mod transfer;

pub use client::{Answer, Asked, CoeClient, DATA_MAX, QUEUE_MAX, REGISTERS_MAX, Refused, Ticket};
pub use codes::{
    ABORT_CODES, DRIVE_ERRORS, abort_hint, abort_text, drive_error_text, mailbox_error_text,
    object_name,
};
pub(crate) use conversation::{Conversation, Counters, Mailbox, Step};
pub use notice::{News, Notice, Refusal};
pub(crate) use service::Service;
pub use service::ServiceCounts;
pub(crate) use transfer::Transfer;

use core::fmt;

/// "The object can only be written."
pub(crate) const WRITE_ONLY: u32 = 0x0601_0001;

/// An object of a device, or all of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Object {
    /// Index.
    pub index: u16,
    /// Subindex; with `complete` 0 (with the count) or 1.
    pub subindex: u8,
    /// Every entry from `subindex` on, in one transfer.
    pub complete: bool,
}

impl Object {
    /// One entry.
    #[must_use]
    pub const fn entry(index: u16, subindex: u8) -> Self {
        Self { index, subindex, complete: false }
    }
}

impl fmt::Display for Object {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.complete {
            write!(formatter, "0x{:04X} (complete)", self.index)
        } else {
            write!(formatter, "0x{:04X}:{}", self.index, self.subindex)
        }
    }
}

/// Why a transfer did not come about. `Copy`: it goes through a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The device refused, with this SDO abort code.
    Abort(u32),
    /// The device did not understand the message: mailbox error reply with this detail (ETG1000.4 Table 31).
    Mailbox(u16),
    /// The device has no mailbox, or it is not there.
    NoMailbox,
    /// The device does not answer datagrams: gone, without supply, or with another address.
    Unreachable,
    /// Its mailbox stayed full: it does not take the request.
    Full,
    /// It took the request and did not answer in time.
    Silent,
    /// Its answer is cut, or its lengths do not agree.
    Malformed,
    /// The object has more bytes than there is room for.
    TooLong {
        /// Bytes that the device announced, or sent so far.
        bytes: u32,
    },
    /// No cycle left room for the datagrams of this transfer.
    NoSlack,
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Abort(code) => {
                write!(formatter, "the device refuses: abort code 0x{code:08X} ({})", abort_text(code))
            }
            Self::Mailbox(detail) => write!(
                formatter,
                "the device does not accept the message: mailbox error {detail} ({})",
                mailbox_error_text(detail)
            ),
            Self::NoMailbox => formatter.write_str("the device has no CoE mailbox"),
            Self::Unreachable => formatter.write_str(
                "the device does not answer any datagram: check its cable and supply",
            ),
            Self::Full => formatter.write_str(
                "the device's mailbox stays full: its application does not take the request (it may hang; restart the device)",
            ),
            Self::Silent => formatter.write_str(
                "the device took the request and did not answer in time (it may be busy, or not support the object)",
            ),
            Self::Malformed => {
                formatter.write_str("the device's answer is cut or contradicts itself")
            }
            Self::TooLong { bytes } => {
                write!(formatter, "the object has {bytes} bytes or more, there is no room for them")
            }
            Self::NoSlack => formatter.write_str(
                "no cycle left time for it: the cyclic frames use the whole time until the receive deadline",
            ),
        }
    }
}
