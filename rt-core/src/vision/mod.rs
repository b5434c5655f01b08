//! Vision as the loop sees it: a result counts only while it is fresh, verified and alive.
//!
//! The bytes are those of `docs/vision-channel.md`. They are judged at receipt (sequence) by the supervisor's receiver and verified
//! *again* here, where they are used. Silence, staleness, a frozen picture, a repeated or forged message: not clear.

mod crc;
mod verify;

pub use crc::crc32;
#[cfg(test)]
pub(crate) use verify::testing;
pub use verify::{Object, Occupancy, Refusal, StreamState, StreamView, objects, parse};

/// Length of a datagram, bytes. Source: docs/vision-channel.md.
pub const DATAGRAM_LENGTH: usize = 436;
/// Most objects in one datagram.
pub const OBJECTS_MAX: usize = 16;
/// Most vision streams a machine can have.
pub const STREAMS_MAX: usize = 8;

/// A vision stream's place in the machine file, dense from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamId(pub u8);

/// The newest datagram of a stream as the receiver hands it over: the bytes themselves, and what was judged at receipt.
#[derive(Clone, Copy, Debug)]
pub struct Received {
    /// The datagram, unchanged.
    pub bytes: [u8; DATAGRAM_LENGTH],
    /// When it arrived, ns of CLOCK_MONOTONIC; 0 = nothing yet.
    pub received_at: u64,
    /// The receiver found the sequence to go forward by exactly one step or more, never back, never the same.
    pub sequence_good: bool,
    /// How many results the receiver has refused since start (any reason).
    pub refused: u64,
}

impl Default for Received {
    fn default() -> Self {
        Self { bytes: [0; DATAGRAM_LENGTH], received_at: 0, sequence_good: false, refused: 0 }
    }
}

/// What the cameras say this cycle, one entry a stream.
pub type VisionInputs = [Received; STREAMS_MAX];
