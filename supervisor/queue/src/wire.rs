//! The frames between `tactus run` (or `tactus forward`), which owns the queue, and `tactus gateway`, which sends.
//!
//! A frame is `T G W`, [`VERSION`], its length (u32, little endian, at most [`FRAME_MAX`]), and JSON. The gateway asks, the owner answers:
//! nobody ever sends what was not asked for, so nothing piles up before a gateway that stands still.

use std::io::{self, Read, Write};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::store::Lane;

/// Goes up when a frame changes.
pub const VERSION: u8 = 2;
/// Longest frame, bytes.
pub const FRAME_MAX: usize = 1 << 20;
/// Most records in one answer.
pub const RECORDS_MAX: usize = 256;
/// Most bytes of records in one answer.
pub const RECORDS_BYTES_MAX: usize = 256 << 10;
/// Longest body of a record, bytes.
pub const BODY_MAX: usize = 32 << 10;
const HEAD: [u8; 4] = [b'T', b'G', b'W', VERSION];

/// A sink, as the gateway needs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SinkSpec {
    /// Its name.
    pub name: String,
    /// `nats` or `mqtt`.
    pub kind: String,
    /// Host and port.
    pub address: String,
    /// First part of its subjects.
    pub prefix: String,
    /// JetStream stream.
    pub stream: String,
    /// Paths of authority, certificate and key; `None`: not encrypted.
    pub tls: Option<[String; 3]>,
    /// Records a second and lane, at most.
    pub rate_max: u64,
    /// Its lanes.
    pub lanes: Vec<Lane>,
    /// What an `mqtt` sink needs besides.
    pub sparkplug: Option<Sparkplug>,
}

/// An edge node of Sparkplug B.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sparkplug {
    /// Its group.
    pub group: String,
    /// Its name.
    pub node: String,
    /// Host that must be online before anything is said; `None`: nobody is waited for.
    pub primary_host: Option<String>,
    /// Data name their types, for hosts that need it.
    pub datatype_on_data: bool,
    /// A lane is there when a host says so; otherwise when the broker has it.
    pub acknowledged: bool,
    /// Axes are instances of templates.
    pub templates: bool,
    /// Between two births that hosts asked for, ms.
    pub rebirth_cooldown_ms: u64,
    /// Everything that it will ever say.
    pub metrics: Vec<MetricSpec>,
}

/// A value or a kind of events, as a host sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetricSpec {
    /// Name in the records.
    pub record: String,
    /// Its device; `None`: it is of the node.
    pub device: Option<String>,
    /// Its axis, if it is of one.
    pub axis: Option<String>,
    /// Its name there.
    pub name: String,
    /// What its values are.
    pub kind: MetricKind,
    /// Smallest, largest and mean come with it.
    pub statistics: bool,
    /// Its unit; empty: a bare number.
    pub unit: String,
}

/// What the values of a metric are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MetricKind {
    /// A signed integer.
    Integer,
    /// A real number.
    Real,
    /// Texts.
    Event,
}

/// From the owner of the queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToGateway {
    /// The answer to [`ToOwner::Hello`].
    Welcome {
        /// Who the queue is.
        queue: String,
        /// The machine.
        machine: String,
        /// Where to.
        sinks: Vec<SinkSpec>,
        /// Who is silent for longer counts as dead, ms.
        heartbeat_ms: u64,
    },
    /// The answer to [`ToOwner::Pull`]: what is on the disk, and nothing else; may be empty.
    Records {
        /// Place of the lane.
        lane: u16,
        /// Sequence and body, in order.
        records: Vec<(u64, String)>,
    },
    /// The answer to [`ToOwner::Ack`]: it is written down.
    Acked {
        /// Place of the lane.
        lane: u16,
    },
    /// The other answer to [`ToOwner::Ack`]: it cannot be.
    Refused {
        /// Place of the lane.
        lane: u16,
        /// Why not.
        why: String,
    },
    /// The answer to [`ToOwner::Heartbeat`].
    Heartbeat,
    /// The answer to [`ToOwner::Birth`]: it is written down.
    Birth {
        /// Number of this birth: one more than the last, also of a gateway that was killed; 0 follows 255.
        number: u8,
    },
    /// The other answer to [`ToOwner::Birth`]: the disk does not take it.
    NoBirth {
        /// Why not.
        why: String,
    },
}

/// From the gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToOwner {
    /// The first frame.
    Hello {
        /// Its process.
        pid: u32,
    },
    /// Asks for records.
    Pull {
        /// Place of the lane.
        lane: u16,
        /// Those behind this sequence.
        after: u64,
        /// At most so many.
        records_max: usize,
    },
    /// The sink has everything of the lane up to this sequence.
    Ack {
        /// Place of the lane.
        lane: u16,
        /// Last of them.
        up_to: u64,
    },
    /// It lives; and how its sinks are.
    Heartbeat {
        /// Each of them.
        sinks: Vec<SinkState>,
    },
    /// A session begins: asks for its number.
    Birth {
        /// Name of the sink.
        sink: String,
    },
}

/// How a sink is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SinkState {
    /// Its name.
    pub name: String,
    /// It takes records.
    pub connected: bool,
    /// Why it does not; the last reason.
    pub fault: Option<String>,
    /// Connections begun.
    pub attempts: u64,
    /// Connections refused by either side: certificates above all.
    pub refused: u64,
    /// Messages that it confirmed.
    pub messages: u64,
    /// Records in them.
    pub records: u64,
    /// Times that a lane was found elsewhere than expected, and went on from where the sink is.
    pub resumed: u64,
    /// What only an `mqtt` sink counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sparkplug: Option<SparkplugState>,
}

/// What an edge node of Sparkplug B counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SparkplugState {
    /// Its primary host is online, or it waits for none.
    pub host_online: bool,
    /// Births of the node.
    pub births: u64,
    /// Births that a host asked for.
    pub rebirths: u64,
    /// Requests for a birth that came within the cool-down: one birth answers all of them.
    pub rebirths_late: u64,
    /// Metrics of commands that nobody may write, or with a value that is none.
    pub commands_refused: u64,
    /// Messages that are none: not of Sparkplug, too long, or not to be read.
    pub malformed: u64,
    /// States of the host that were older than what was known.
    pub states_stale: u64,
    /// Records that were sent again because nobody acknowledged them.
    pub sent_again: u64,
    /// Records that were sent as historical.
    pub historical: u64,
}

/// What is wrong with what came.
#[derive(Debug)]
pub enum WireError {
    /// The connection, or its end.
    Io(io::Error),
    /// Not a frame of ours, too long, or nothing that we know.
    Garbage(String),
}

impl std::fmt::Display for WireError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Io(wrong) => wrong.fmt(f),
            Self::Garbage(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for WireError {}

impl From<io::Error> for WireError {
    fn from(wrong: io::Error) -> Self {
        Self::Io(wrong)
    }
}

/// A message as a frame.
///
/// # Errors
/// It is longer than [`FRAME_MAX`].
pub fn encode(message: &impl Serialize) -> Result<Vec<u8>, WireError> {
    let mut frame = HEAD.to_vec();
    frame.extend_from_slice(&[0; 4]);
    serde_json::to_writer(&mut frame, message)
        .map_err(|wrong| WireError::Garbage(wrong.to_string()))?;
    let length = frame.len() - 8;
    let short = u32::try_from(length).ok().filter(|_| length <= FRAME_MAX);
    let Some(short) = short else {
        return Err(WireError::Garbage(format!("a frame of {length} bytes is too long")));
    };
    frame[4..8].copy_from_slice(&short.to_le_bytes());
    Ok(frame)
}

/// The length that the head of a frame says.
///
/// # Errors
/// It is none of ours.
pub fn length(head: [u8; 8]) -> Result<usize, WireError> {
    if head[..3] != HEAD[..3] {
        return Err(WireError::Garbage("what came is no frame".to_owned()));
    }
    if head[3] != VERSION {
        return Err(WireError::Garbage(format!("version {} instead of {VERSION}", head[3])));
    }
    let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if length > FRAME_MAX {
        return Err(WireError::Garbage(format!("a frame of {length} bytes is too long")));
    }
    Ok(length)
}

/// The message in a frame.
///
/// # Errors
/// It is none that we know.
pub fn decode<T: DeserializeOwned>(payload: &[u8]) -> Result<T, WireError> {
    serde_json::from_slice(payload).map_err(|wrong| WireError::Garbage(wrong.to_string()))
}

/// Sends a message, all of it.
///
/// # Errors
/// The connection, or [`encode`].
pub fn send(to: &mut impl Write, message: &impl Serialize) -> Result<(), WireError> {
    Ok(to.write_all(&encode(message)?)?)
}

/// Waits for a message.
///
/// # Errors
/// The connection, or garbage.
pub fn receive<T: DeserializeOwned>(from: &mut impl Read) -> Result<T, WireError> {
    let mut head = [0; 8];
    from.read_exact(&mut head)?;
    let mut payload = vec![0; length(head)?];
    from.read_exact(&mut payload)?;
    decode(&payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_arrives_as_it_was_sent() {
        let message = ToOwner::Pull { lane: 3, after: u64::MAX, records_max: 7 };
        let frame = encode(&message).unwrap();
        assert_eq!(receive::<ToOwner>(&mut &frame[..]).unwrap(), message);
    }

    #[test]
    fn garbage_is_told_from_frames_before_any_memory_is_asked_for() {
        let right = encode(&ToOwner::Hello { pid: 1 }).unwrap();
        let refused =
            |frame: &[u8]| matches!(receive::<ToOwner>(&mut &*frame), Err(WireError::Garbage(_)));
        assert!(!refused(&right));
        for (at, byte) in [(0, b'X'), (3, VERSION + 1), (6, 0xFF), (8, b'!')] {
            let mut wrong = right.clone();
            wrong[at] = byte;
            assert!(refused(&wrong), "byte {at}");
        }
        assert!(refused(&encode(&ToGateway::Heartbeat).unwrap()), "the other side's");
        assert!(
            encode(&ToGateway::Records { lane: 0, records: vec![(1, "x".repeat(FRAME_MAX))] })
                .is_err()
        );
    }
}
