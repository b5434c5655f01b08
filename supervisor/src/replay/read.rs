//! A recording as a sequence of cycles: what the step of each was given, and the checkpoints between them.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use mcap::read::ChunkFlattener;
use mcap::records::Record;
use prost::Message as _;
use rt_core::bus::{BusState, Exchange, FrameCounts};
use rt_core::signal::Quality;
use rt_core::vision::DATAGRAM_LENGTH;

use crate::exit::Error;
use crate::record::messages::{Checkpoint, Cycle, Inputs, Vision};

/// What one step was given.
#[derive(Clone, Debug, PartialEq)]
pub struct CycleInputs {
    /// From `/replay/inputs`.
    pub inputs: Inputs,
    /// From `/cycle`.
    pub cycle: Cycle,
}

impl CycleInputs {
    /// What the bus had done.
    #[must_use]
    pub fn exchange(&self) -> Exchange {
        let cycle = &self.cycle;
        Exchange {
            state: match cycle.bus {
                1 => BusState::Operational,
                2 => BusState::Faulted,
                _ => BusState::Starting,
            },
            units_good: cycle.units_good,
            units_all: cycle.units_all,
            dc_unlocked: cycle.dc_unlocked,
            dc_offset_ns: cycle.dc_offset_ns,
            received_at: cycle.received_at,
            counts: FrameCounts {
                sent: cycle.frames_sent,
                received: cycle.frames_received,
                late: cycle.frames_late,
                duplicate: cycle.frames_duplicate,
                truncated: cycle.frames_truncated,
                foreign: cycle.frames_foreign,
                corrupt: cycle.frames_corrupt,
                lost: cycle.frames_lost,
                working_counter_errors: cycle.working_counter_errors,
            },
            // Evidence for people: no step decides by it.
            ..Exchange::default()
        }
    }
}

pub(super) fn quality(number: i32) -> Quality {
    match number {
        1 => Quality::Good,
        2 => Quality::Stale,
        _ => Quality::Missing,
    }
}

/// The program of the machine file, as recordings call it.
pub(super) const PROGRAM_OF_THE_FILE: &str = "sequence";

/// A camera's datagram in the recording: stream, arrival, judged good, its CRC.
type PictureKey = (String, u64, bool, u32);

/// What a recording says of itself, and all that a replay needs beside the cycles.
#[derive(Debug, Default)]
pub struct Recorded {
    /// Version of tactus that made it.
    pub version: String,
    /// BLAKE3 of the machine file.
    pub config_hash: String,
    /// Which program ran, as [`program_name`](super::program_name) says; versions that did not record it knew that of the file only.
    pub program: String,
    /// Fields of the loop's state then.
    pub state: String,
    /// Name of the machine file.
    pub file_name: String,
    /// The machine file.
    pub file: String,
    /// Seed of the virtual cell.
    pub seed: u64,
    /// From the recording's clock to the time of the day, ns; `None`: it does not say.
    pub unix_minus_monotonic_ns: Option<u64>,
    /// `strict`, `degraded` or `virtual`: how it was made.
    pub realtime: String,
    /// Its messages, by topic.
    pub topics: BTreeMap<String, u64>,
    /// Why it ends where it ends, if it does not end well.
    pub ends_early: Option<String>,
    checkpoints: BTreeMap<u64, Vec<u64>>,
    pictures: HashMap<PictureKey, Vec<u8>>,
}

impl Recorded {
    /// The state before `cycle`.
    #[must_use]
    pub fn checkpoint(&self, cycle: u64) -> Option<&[u64]> {
        self.checkpoints.get(&cycle).map(Vec::as_slice)
    }

    /// Cycles before which there is a checkpoint, in order.
    pub fn checkpoints(&self) -> impl DoubleEndedIterator<Item = u64> + '_ {
        self.checkpoints.keys().copied()
    }

    /// A datagram.
    pub(super) fn picture(
        &self,
        (stream, at, good, crc): (&str, u64, bool, u32),
    ) -> Option<[u8; DATAGRAM_LENGTH]> {
        let found = |good| self.pictures.get(&(stream.to_owned(), at, good, crc));
        // A later datagram of another kind may have taken its stream out: then it was good when it came.
        let found = found(good).or_else(|| found(!good))?;
        let mut place = [0; DATAGRAM_LENGTH];
        place.get_mut(..found.len())?.copy_from_slice(found);
        Some(place)
    }
}

/// A recording in memory.
pub struct Reading {
    bytes: Vec<u8>,
    name: String,
}

/// A message of a recording that concerns a replay.
enum Found {
    Inputs(Inputs),
    Cycle(Cycle),
    Other,
}

impl Reading {
    /// Reads the file.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let bytes = std::fs::read(path).map_err(|source| {
            Error::environment(format!("the recording {} cannot be read: {source}", path.display()))
        })?;
        Ok(Self::of(bytes, &path.display().to_string()))
    }

    /// A recording that is in memory already.
    #[must_use]
    pub fn of(bytes: Vec<u8>, name: &str) -> Self {
        Self { bytes, name: name.to_owned() }
    }

    fn walk(&self, mut found: impl FnMut(&Record<'_>)) -> Result<Option<String>, Error> {
        let records =
            ChunkFlattener::new(&self.bytes).map_err(|wrong| self.no_recording(&wrong))?;
        for record in records {
            match record {
                Ok(record) => found(&record),
                // What is before it is whole.
                Err(wrong) => return Ok(Some(wrong.to_string())),
            }
        }
        Ok(None)
    }

    fn no_recording(&self, wrong: &dyn std::fmt::Display) -> Error {
        Error::file(format!(
            "{} is no recording: {wrong}\n  expected an MCAP file that `tactus run` has written",
            self.name
        ))
    }

    /// What it says of itself, and its checkpoints and datagrams.
    ///
    /// # Errors
    /// It is no recording, or lacks what a replay needs.
    pub fn recorded(&self) -> Result<Recorded, Error> {
        let mut recorded = Recorded::default();
        let mut topics: HashMap<u16, String> = HashMap::new();
        recorded.ends_early = self.walk(|record| match record {
            Record::Channel(channel) => {
                topics.insert(channel.id, channel.topic.clone());
            }
            Record::Attachment { header, data, .. } => {
                recorded.file_name.clone_from(&header.name);
                recorded.file = String::from_utf8_lossy(data).into_owned();
            }
            Record::Metadata(metadata) if metadata.name == "tactus" => {
                let value = |key: &str| metadata.metadata.get(key).cloned().unwrap_or_default();
                recorded.version = value("version");
                recorded.config_hash = value("config_hash");
                recorded.state = value("state");
                recorded.realtime = value("realtime");
                recorded.program = match value("program") {
                    name if name.is_empty() => PROGRAM_OF_THE_FILE.to_owned(),
                    name => name,
                };
                recorded.unix_minus_monotonic_ns = value("unix_minus_monotonic_ns").parse().ok();
                recorded.seed = value("seed").parse().unwrap_or_default();
            }
            Record::Message { header, data } => {
                let Some(topic) = topics.get(&header.channel_id) else { return };
                *recorded.topics.entry(topic.clone()).or_default() += 1;
                recorded.keep(topic, header.log_time, data);
            }
            _ => {}
        })?;
        if let Some(wrong) = recorded.ends_early.as_ref().filter(|_| recorded.topics.is_empty()) {
            return Err(self.no_recording(wrong));
        }
        for topic in ["/replay/inputs", "/replay/checkpoints"] {
            if !recorded.topics.contains_key(topic) {
                return Err(Error::file(format!(
                    "{} cannot be replayed: it has no {topic}\n  it was made by tactus {}; \
                     recordings that can be replayed have the inputs of each cycle",
                    self.name,
                    if recorded.version.is_empty() { "(unknown)" } else { &recorded.version }
                )));
            }
        }
        Ok(recorded)
    }

    /// Every message: topic, time, bytes; in the order of the file.
    ///
    /// # Errors
    /// It is no recording.
    pub fn messages(&self, mut each: impl FnMut(&str, u64, &[u8])) -> Result<(), Error> {
        let mut topics: HashMap<u16, String> = HashMap::new();
        self.walk(|record| match record {
            Record::Channel(channel) => {
                topics.insert(channel.id, channel.topic.clone());
            }
            Record::Message { header, data } => {
                if let Some(topic) = topics.get(&header.channel_id) {
                    each(topic, header.log_time, data);
                }
            }
            _ => {}
        })?;
        Ok(())
    }

    /// Every cycle of which inputs and exchange are there, in the order of the file.
    ///
    /// # Errors
    /// It is no recording.
    pub fn cycles(&self, mut each: impl FnMut(CycleInputs)) -> Result<(), Error> {
        let mut topics: HashMap<u16, String> = HashMap::new();
        let mut waiting: Option<Inputs> = None;
        self.walk(|record| match record {
            Record::Channel(channel) => {
                topics.insert(channel.id, channel.topic.clone());
            }
            Record::Message { header, data } => {
                match topics.get(&header.channel_id).map(|topic| found(topic, data)) {
                    Some(Found::Inputs(inputs)) => waiting = Some(inputs),
                    Some(Found::Cycle(cycle)) => {
                        let inputs = waiting.take().filter(|inputs| inputs.cycle == cycle.cycle);
                        if let Some(inputs) = inputs {
                            each(CycleInputs { inputs, cycle });
                        }
                    }
                    Some(Found::Other) | None => {}
                }
            }
            _ => {}
        })?;
        Ok(())
    }
}

fn found(topic: &str, data: &[u8]) -> Found {
    let inputs = || Inputs::decode(data).map(Found::Inputs).ok();
    let cycle = || Cycle::decode(data).map(Found::Cycle).ok();
    let found = match topic {
        "/replay/inputs" => inputs(),
        "/cycle" => cycle(),
        _ => None,
    };
    found.unwrap_or(Found::Other)
}

impl Recorded {
    fn keep(&mut self, topic: &str, time: u64, data: &[u8]) {
        if topic == "/replay/checkpoints" {
            if let Ok(checkpoint) = Checkpoint::decode(data) {
                let words = checkpoint.words.as_chunks::<8>().0.iter();
                let words = words.map(|word| u64::from_le_bytes(*word)).collect();
                self.checkpoints.insert(checkpoint.cycle, words);
            }
        } else if let Some(stream) = topic.strip_prefix("/vision/")
            && let Ok(vision) = Vision::decode(data)
        {
            let crc = vision.datagram.last_chunk::<4>().copied().unwrap_or_default();
            let key = (stream.to_owned(), time, vision.sequence_good, u32::from_le_bytes(crc));
            self.pictures.insert(key, vision.datagram);
        }
    }
}
