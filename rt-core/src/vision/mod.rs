//! Vision as the loop sees it: a result counts only while it is fresh, verified and alive.
//!
//! The bytes are those of `docs/vision-channel.md`. They are judged at receipt (sequence) by the supervisor's receiver and verified
//! *again* here, where they are used. Silence, staleness, a frozen picture, a repeated or forged message: not clear.

mod crc;
mod verify;
mod wire;

pub use crc::crc32;
#[cfg(test)]
pub(crate) use verify::testing;
pub use verify::{Refusal, StreamState, StreamView, inspect};
pub use wire::{
    CLOCK_LENGTH, HEADER_LENGTH, Header, Inspection, Kind, Object, Occupancy, RECEIPT_LENGTH,
    VERSION, Verdict, ZONES_LENGTH, carried_crc, exact, header, inspection, objects, parse,
};

/// Length of the longest datagram (occupancy), bytes. Source: docs/vision-channel.md.
pub const DATAGRAM_LENGTH: usize = 436;
/// Length of an inspection result, bytes.
pub const INSPECTION_LENGTH: usize = 92;
/// Most measured values in an inspection result.
pub const VALUES_MAX: usize = 8;
/// Most inspection results that the loop takes in one cycle; more wait in the stream.
pub const INSPECTIONS_PER_CYCLE: usize = 4;
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
    /// The datagram, unchanged; behind a shorter kind there are zeros.
    pub bytes: [u8; DATAGRAM_LENGTH],
    /// When it arrived, ns of CLOCK_MONOTONIC; 0 = nothing yet.
    pub received_at: u64,
    /// The receiver found the sequence to go forward by exactly one step or more, never back, never the same.
    pub sequence_good: bool,
    /// How many results the receiver has refused since start (any reason).
    pub refused: u64,
    /// For a camera with a clock of its own: this host's clock less the camera's at the least, ns; `None`: not known.
    pub offset_ns: Option<i64>,
}

impl Default for Received {
    fn default() -> Self {
        Self {
            bytes: [0; DATAGRAM_LENGTH],
            received_at: 0,
            sequence_good: false,
            refused: 0,
            offset_ns: None,
        }
    }
}

/// What the cameras say this cycle, one entry a stream.
pub type VisionInputs = [Received; STREAMS_MAX];

/// An inspection result as the receiver hands it over: each one, in the order of arrival.
#[derive(Clone, Copy, Debug)]
pub struct Inspected {
    /// Which stream it came in.
    pub stream: StreamId,
    /// The datagram, unchanged.
    pub bytes: [u8; INSPECTION_LENGTH],
    /// When it arrived, ns of CLOCK_MONOTONIC.
    pub received_at: u64,
    /// The receiver found the sequence to go forward.
    pub sequence_good: bool,
    /// As in [`Received`].
    pub offset_ns: Option<i64>,
}

impl Default for Inspected {
    fn default() -> Self {
        Self {
            stream: StreamId(0),
            bytes: [0; INSPECTION_LENGTH],
            received_at: 0,
            sequence_good: false,
            offset_ns: None,
        }
    }
}
