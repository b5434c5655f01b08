//! The recording: an MCAP file that explains itself (protobuf with embedded descriptors), for Foxglove, PlotJuggler and any other
//! MCAP reader.
//!
//! | topic | schema | when |
//! | --- | --- | --- |
//! | `/cycle` | `tactus.Cycle` | every cycle |
//! | `/axes/<name>` | `tactus.Axis` | every cycle |
//! | `/drives/<axis>` | `tactus.Drive` | when one of the drive's objects changed, and once a second |
//! | `/signals/<name>` | `tactus.Signal` | every other signal, when it changed, and once a second |
//! | `/events` | `tactus.Event` | when something happened |
//! | `/log` | `foxglove.Log` | the same, in words |
//! | `/separation/<interlock>` | `tactus.Separation` | every cycle |
//! | `/vision/<name>` | `tactus.Vision` | each datagram of a camera |
//! | `/replay/inputs` | `tactus.Inputs` | every cycle: what `tactus replay` gives the step again |
//! | `/replay/checkpoints` | `tactus.Checkpoint` | at the start, each second, after each trip |
//! | `/ledger` | `tactus.Ledger` | at the end of each chunk: what the file holds of what the loop left |
//!
//! `log_time` is the time of the cycle (CLOCK_MONOTONIC, or virtual time). In virtual time the bytes depend on machine file, seed
//! and version alone.

mod descriptor;
mod drives;
mod file;
mod inputs;
pub mod messages;
pub mod recover;
mod thread;

use std::collections::BTreeMap;
use std::io::{Seek, Write};

use mcap::records::{MessageHeader, Metadata};
use mcap::{Attachment, McapResult, WriteOptions, Writer};
use prost::Message as _;
use rt_core::bus::BusState;
use rt_core::machine::SafeCause;
use rt_core::record::{AxisRecord, Body, CycleRecord, Record};
use rt_core::separation::SeparationRecord;
use rt_core::signal::{Quality, Sample, SignalId};

pub(crate) use file::numbered;
pub use file::{FILE_BYTES_MAX, FileRecorder};
pub use thread::RecorderThread;

use drives::Drives;

use crate::events::describe;
use crate::labels::Labels;
use crate::vision::Datagram;

/// Uncompressed size of a chunk: what a reader must hold.
const CHUNK_BYTES: usize = 256 * 1024;
/// A chunk is on its way to the file so long after its first message, in the time of the loop, ns: what a killed process can lose.
const CHUNK_NS: u64 = 250_000_000;

/// What a recording says of the run it belongs to.
#[derive(Clone, Debug, Default)]
pub struct RunInfo {
    /// BLAKE3 of the machine file, hexadecimal.
    pub config_hash: String,
    /// Name of the machine file, without its folder.
    pub file_name: String,
    /// The machine file itself.
    pub file: Vec<u8>,
    /// Seed of the virtual cell.
    pub seed: u64,
    /// `strict`, `degraded` or `virtual`.
    pub realtime: String,
    /// Time of the day − CLOCK_MONOTONIC, ns; `None` in virtual time, which has no time of the day.
    pub unix_minus_monotonic_ns: Option<u64>,
    /// `virtual` or `raw:<interface>`.
    pub link: String,
    /// Chunks are packed with LZ4.
    pub packed: bool,
    /// Fields of the loop's state in a checkpoint, one a line.
    pub state: String,
    /// Which run of the ledger it belongs to; 0 in virtual time.
    pub run: u64,
    /// Which program ran ([`program_name`](crate::replay::program_name)); a recording without it is of the program of the file.
    pub program: String,
}

/// What was asked of a recorder, and what became of it. `taken = stored + dropped` whenever it is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// Records of the loop that are in the file.
    pub stored: u64,
    /// Records of the loop that are not, because writing failed.
    pub dropped: u64,
    /// Camera datagrams in the file.
    pub vision: u64,
    /// Bytes of finished chunks.
    pub bytes: u64,
    /// Why writing failed, the last time; `None`: it did not.
    pub fault: Option<String>,
    /// Times that it failed.
    pub faults: u64,
    /// Times that it went on in another file afterwards.
    pub resumed: u64,
}

/// Everything that topics of `tactus.*` need, encoded.
#[cfg(test)]
pub(crate) fn descriptors() -> Vec<u8> {
    descriptor::tactus()
}

struct Channels {
    cycle: u16,
    axes: Vec<u16>,
    drives: Vec<u16>,
    /// `None`: the signal is an object of a drive.
    signals: Vec<Option<u16>>,
    events: u16,
    log: u16,
    vision: Vec<u16>,
    /// By interlock; `None`: of another kind.
    separations: Vec<Option<u16>>,
    inputs: u16,
    checkpoints: u16,
    ledger: u16,
}

/// Writes one MCAP file.
pub struct Recorder<W: Write + Seek> {
    writer: Writer<W>,
    channels: Channels,
    labels: Labels,
    drives: Drives,
    /// Of the cycle whose records are coming in.
    inputs: messages::Inputs,
    /// Sequence and time of the last record.
    last: (u64, u64),
    buffer: Vec<u8>,
    /// Of the chunk that is open: its bytes, and the time of its first message.
    open: Option<(usize, u64)>,
}

impl<W: Write + Seek> Recorder<W> {
    /// Begins a file: schemas, channels, metadata, and the machine file as attachment.
    ///
    /// # Errors
    /// What the file said.
    pub fn begin(sink: W, labels: &Labels, info: &RunInfo) -> McapResult<Self> {
        let mut writer = WriteOptions::new()
            .compression(info.packed.then_some(mcap::Compression::Lz4))
            .chunk_size(None)
            .profile("tactus")
            .library(concat!("tactus ", env!("CARGO_PKG_VERSION")))
            .disable_seeking(true)
            .create(sink)?;
        writer.attach(&Attachment {
            log_time: 0,
            create_time: 0,
            name: info.file_name.clone(),
            media_type: "application/toml".into(),
            data: info.file.as_slice().into(),
        })?;
        writer.write_metadata(&metadata(labels, info))?;
        let drives = Drives::new(labels.signals.len(), &labels.drives);
        let channels = Channels::add(&mut writer, labels, &drives)?;
        Ok(Self {
            writer,
            channels,
            labels: labels.clone(),
            drives,
            inputs: messages::Inputs::default(),
            last: (0, 0),
            buffer: Vec::with_capacity(1024),
            open: None,
        })
    }

    /// Takes one record of the loop. `sequence` is the one its stream gave it.
    ///
    /// # Errors
    /// What the file said; the record is not stored.
    pub fn record(&mut self, sequence: u64, record: &Record) -> McapResult<()> {
        self.buffer.clear();
        self.last = (sequence, record.now);
        let channel = match &record.body {
            Body::Cycle(cycle) => {
                self.drive_messages(sequence, record.now)?;
                self.inputs_message(sequence, record)?;
                cycle_message(record, cycle).encode_raw(&mut self.buffer);
                Some(self.channels.cycle)
            }
            Body::Axis(axis) => {
                axis_message(axis).encode_raw(&mut self.buffer);
                self.channels.axes.get(usize::from(axis.axis.0)).copied()
            }
            Body::Separation(found) => {
                separation_message(found).encode_raw(&mut self.buffer);
                let place = usize::from(found.interlock.0);
                self.channels.separations.get(place).copied().flatten()
            }
            Body::Stamp { .. } | Body::Command(_) | Body::Picture(_) | Body::Result(_) => {
                inputs::take(&mut self.inputs, &record.body);
                None
            }
            Body::Signal { signal, sample } => {
                inputs::take(&mut self.inputs, &record.body);
                if self.drives.take(*signal, *sample) {
                    return Ok(());
                }
                signal_message(sample).encode_raw(&mut self.buffer);
                self.channels.signals.get(usize::from(signal.0)).copied().flatten()
            }
            Body::Event(_) => {
                self.event_messages(sequence, record)?;
                Some(self.channels.events)
            }
        };
        match channel {
            Some(channel) => self.write(channel, sequence, record.now),
            None => Ok(()),
        }
    }

    /// Takes a camera's datagram; `log_time` is when it arrived.
    ///
    /// # Errors
    /// What the file said.
    pub fn vision(&mut self, datagram: &Datagram) -> McapResult<()> {
        let Some(channel) = self.channels.vision.get(usize::from(datagram.stream.0)).copied()
        else {
            return Ok(());
        };
        let message = datagram.message();
        let sequence = message.sequence;
        self.buffer.clear();
        message.encode_raw(&mut self.buffer);
        self.write(channel, sequence, datagram.received_at)
    }

    /// Takes a checkpoint of the loop.
    ///
    /// # Errors
    /// What the file said; the checkpoint is not stored.
    pub fn checkpoint(&mut self, checkpoint: &messages::Checkpoint, now: u64) -> McapResult<()> {
        self.buffer.clear();
        checkpoint.encode_raw(&mut self.buffer);
        let (sequence, _) = self.last;
        self.write(self.channels.checkpoints, sequence, now)
    }

    /// The open chunk has become long enough, or old enough at `now`, ns.
    #[must_use]
    pub fn is_due(&self, now: u64) -> bool {
        self.open.is_some_and(|(bytes, since)| {
            bytes > CHUNK_BYTES || now.saturating_sub(since) > CHUNK_NS
        })
    }

    /// Ends the chunk: with the account of the loop's records up to here as its last message, so that whoever finds the chunk has both.
    ///
    /// # Errors
    /// What the file said; nothing of the chunk is in it.
    pub fn flush(&mut self, ledger: &messages::Ledger) -> McapResult<()> {
        if self.open.is_none() {
            return Ok(());
        }
        self.buffer.clear();
        ledger.encode_raw(&mut self.buffer);
        let (sequence, time) = self.last;
        self.write(self.channels.ledger, sequence, time)?;
        self.open = None;
        self.writer.flush()
    }

    /// What came in for the cycle that `record` ends.
    fn inputs_message(&mut self, sequence: u64, record: &Record) -> McapResult<()> {
        (self.inputs.cycle, self.inputs.now) = (record.cycle, record.now);
        self.inputs.encode_raw(&mut self.buffer);
        inputs::clear(&mut self.inputs);
        self.write(self.channels.inputs, sequence, record.now)?;
        self.buffer.clear();
        Ok(())
    }

    /// Leaves a remark of the supervisor: an error, as an event and in the log.
    ///
    /// # Errors
    /// What the file said.
    pub fn note(&mut self, time: u64, text: &str) -> McapResult<()> {
        let severity = crate::events::Severity::Error;
        let (sequence, _) = self.last;
        self.buffer.clear();
        self.log_message(time, severity.number(), text).encode_raw(&mut self.buffer);
        self.write(self.channels.log, sequence, time)?;
        self.buffer.clear();
        let event = messages::Event {
            severity: severity.number(),
            kind: "note".into(),
            text: text.to_owned(),
            ..messages::Event::default()
        };
        event.encode_raw(&mut self.buffer);
        self.write(self.channels.events, sequence, time)
    }

    /// Ends the file: without it indexed readers refuse it.
    ///
    /// # Errors
    /// What the file said.
    pub fn finish(&mut self, ledger: &messages::Ledger) -> McapResult<()> {
        let (sequence, time) = self.last;
        self.buffer.clear();
        self.drive_messages(sequence, time)?;
        self.flush(ledger)?;
        self.writer.finish().map(drop)
    }

    /// The drives of which something changed in this cycle, whose last record is the cycle itself.
    fn drive_messages(&mut self, sequence: u64, time: u64) -> McapResult<()> {
        for drive in 0..self.drives.len() {
            let Some(message) = self.drives.changed(drive) else { continue };
            let Some(channel) = self.channels.drives.get(drive).copied() else { continue };
            message.encode_raw(&mut self.buffer);
            self.write(channel, sequence, time)?;
            self.buffer.clear();
        }
        Ok(())
    }

    /// Puts the log line of an event into the file, and leaves its `/events` message in the buffer.
    fn event_messages(&mut self, sequence: u64, record: &Record) -> McapResult<()> {
        let Body::Event(event) = &record.body else { return Ok(()) };
        let described = describe(event, &self.labels);
        let log = self.log_message(record.now, described.severity.number(), &described.text);
        log.encode_raw(&mut self.buffer);
        self.write(self.channels.log, sequence, record.now)?;
        self.buffer.clear();
        let ids = event_ids(event);
        messages::Event {
            cycle: record.cycle,
            severity: described.severity.number(),
            kind: described.kind.to_owned(),
            subject: described.subject,
            text: described.text,
            ..ids
        }
        .encode_raw(&mut self.buffer);
        Ok(())
    }

    fn log_message(&self, time: u64, level: i32, text: &str) -> messages::Log {
        messages::Log {
            timestamp: Some(timestamp(time)),
            level,
            message: text.to_owned(),
            name: self.labels.machine.clone(),
            file: String::new(),
            line: 0,
        }
    }

    fn write(&mut self, channel_id: u16, sequence: u64, time: u64) -> McapResult<()> {
        let header = MessageHeader {
            channel_id,
            sequence: u32::try_from(sequence & u64::from(u32::MAX)).unwrap_or(0),
            log_time: time,
            publish_time: time,
        };
        // Opcode, length and header of a message.
        let bytes = self.buffer.len() + 31;
        let (before, since) = self.open.unwrap_or((0, time));
        self.open = Some((before + bytes, since.min(time)));
        self.writer.write_to_known_channel(&header, &self.buffer)
    }
}

impl Channels {
    fn add<W: Write + Seek>(
        writer: &mut Writer<W>,
        labels: &Labels,
        of_drives: &Drives,
    ) -> McapResult<Self> {
        let tactus = descriptor::tactus();
        let log = descriptor::foxglove_log();
        let none = BTreeMap::new();
        let cycle = writer.add_schema(descriptor::name::CYCLE, "protobuf", &tactus)?;
        let axis = writer.add_schema(descriptor::name::AXIS, "protobuf", &tactus)?;
        let signal = writer.add_schema(descriptor::name::SIGNAL, "protobuf", &tactus)?;
        let drive = writer.add_schema(descriptor::name::DRIVE, "protobuf", &tactus)?;
        let event = writer.add_schema(descriptor::name::EVENT, "protobuf", &tactus)?;
        let vision = writer.add_schema(descriptor::name::VISION, "protobuf", &tactus)?;
        let separation = writer.add_schema(descriptor::name::SEPARATION, "protobuf", &tactus)?;
        let inputs = writer.add_schema(descriptor::name::INPUTS, "protobuf", &tactus)?;
        let checkpoint = writer.add_schema(descriptor::name::CHECKPOINT, "protobuf", &tactus)?;
        let ledger = writer.add_schema(descriptor::name::LEDGER, "protobuf", &tactus)?;
        let log = writer.add_schema(descriptor::name::LOG, "protobuf", &log)?;
        let mut channel = |schema, topic: &str, metadata: &BTreeMap<String, String>| {
            writer.add_channel(schema, topic, "protobuf", metadata)
        };
        let mut axes = Vec::with_capacity(labels.axes.len());
        for label in &labels.axes {
            let unit = BTreeMap::from([("unit".to_owned(), label.unit.clone())]);
            axes.push(channel(axis, &format!("/axes/{}", label.name), &unit)?);
        }
        let mut drives = Vec::with_capacity(labels.drives.len());
        for label in labels.axes.iter().take(labels.drives.len()) {
            drives.push(channel(drive, &format!("/drives/{}", label.name), &none)?);
        }
        let mut signals = Vec::with_capacity(labels.signals.len());
        for (id, name) in (0_u16..).zip(&labels.signals) {
            signals.push(match of_drives.contains(SignalId(id)) {
                true => None,
                false => Some(channel(signal, &format!("/signals/{name}"), &none)?),
            });
        }
        let mut streams = Vec::with_capacity(labels.streams.len());
        for stream in &labels.streams {
            let zones = BTreeMap::from([("zones".to_owned(), stream.zones.join(","))]);
            streams.push(channel(vision, &format!("/vision/{}", stream.name), &zones)?);
        }
        let mut separations = Vec::with_capacity(labels.interlocks.len());
        for (name, kind) in labels.interlocks.iter().zip(&labels.kinds) {
            separations.push(match *kind {
                "separation" => Some(channel(separation, &format!("/separation/{name}"), &none)?),
                _ => None,
            });
        }
        Ok(Self {
            separations,
            cycle: channel(cycle, "/cycle", &none)?,
            axes,
            drives,
            signals,
            events: channel(event, "/events", &none)?,
            log: channel(log, "/log", &none)?,
            vision: streams,
            inputs: channel(inputs, "/replay/inputs", &none)?,
            checkpoints: channel(checkpoint, "/replay/checkpoints", &none)?,
            ledger: channel(ledger, "/ledger", &none)?,
        })
    }
}

fn metadata(labels: &Labels, info: &RunInfo) -> Metadata {
    let pairs = [
        ("machine", labels.machine.clone()),
        ("config_hash", info.config_hash.clone()),
        ("seed", info.seed.to_string()),
        ("realtime", info.realtime.clone()),
        ("link", info.link.clone()),
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
        ("state", info.state.clone()),
        ("program", info.program.clone()),
    ];
    let clock = info.unix_minus_monotonic_ns.map(|ns| ("unix_minus_monotonic_ns", ns.to_string()));
    let pairs = pairs.into_iter().chain(clock);
    let metadata = pairs.map(|(key, value)| (key.to_owned(), value)).collect();
    Metadata { name: "tactus".into(), metadata }
}

fn timestamp(now: u64) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: i64::try_from(now / 1_000_000_000).unwrap_or(i64::MAX),
        nanos: i32::try_from(now % 1_000_000_000).unwrap_or(0),
    }
}

fn cycle_message(record: &Record, cycle: &CycleRecord) -> messages::Cycle {
    let exchange = &cycle.exchange;
    messages::Cycle {
        cycle: record.cycle,
        machine: machine_number(cycle),
        bus: match exchange.state {
            BusState::Starting => 0,
            BusState::Operational => 1,
            BusState::Faulted => 2,
        },
        latency_ns: cycle.latency_ns,
        execution_ns: cycle.execution_ns,
        skipped: cycle.skipped,
        units_good: exchange.units_good,
        units_all: exchange.units_all,
        dc_unlocked: exchange.dc_unlocked,
        dc_offset_ns: exchange.dc_offset_ns,
        received_at: exchange.received_at,
        frames_sent: exchange.counts.sent,
        frames_received: exchange.counts.received,
        frames_late: exchange.counts.late,
        frames_foreign: exchange.counts.foreign,
        frames_corrupt: exchange.counts.corrupt,
        frames_lost: exchange.counts.lost,
        working_counter_errors: exchange.counts.working_counter_errors,
        frames_duplicate: exchange.counts.duplicate,
        frames_truncated: exchange.counts.truncated,
    }
}

fn separation_message(found: &SeparationRecord) -> messages::Separation {
    messages::Separation {
        margin: found.margin.map(twin_lite::Nano::units),
        speed_limit: found.speed.map(twin_lite::Nano::units),
        moving: found.moving,
        picture_age_ns: found.age_ns,
        rest_ns: found.rest_ns,
    }
}

fn machine_number(cycle: &CycleRecord) -> i32 {
    use rt_core::record::MachineState::{AwaitStart, Boot, Run, Safe};
    match cycle.machine {
        Boot => 0,
        Safe => 1,
        AwaitStart => 2,
        Run => 3,
    }
}

fn axis_message(axis: &AxisRecord) -> messages::Axis {
    use rt_core::program::AxisState as State;
    let view = &axis.view;
    messages::Axis {
        state: match view.state {
            State::Disabled => 0,
            State::Standstill => 1,
            State::Homing => 2,
            State::DiscreteMotion => 3,
            State::ContinuousMotion => 4,
            State::SynchronizedMotion => 5,
            State::Stopping => 6,
            State::ErrorStop => 7,
        },
        position: view.position,
        velocity: view.velocity,
        commanded: view.commanded,
        following_error: view.following_error,
        torque_permille: i32::from(view.torque_permille),
        stopping_distance: axis.stopping_distance,
        disturbance_nm: axis.disturbance_nm,
        referenced: view.referenced,
        enabled: view.enabled,
        fault: view.fault,
        follows_target: view.follows_target,
        done: view.done,
        inputs_good: view.inputs_good,
    }
}

fn signal_message(sample: &Sample) -> messages::Signal {
    messages::Signal { value: sample.value, quality: quality_number(sample.quality), at: sample.at }
}

fn quality_number(quality: Quality) -> i32 {
    match quality {
        Quality::Missing => 0,
        Quality::Good => 1,
        Quality::Stale => 2,
    }
}

/// The interlock that caused a trip, if it was one.
fn interlock_of(cause: SafeCause) -> Option<u32> {
    match cause {
        SafeCause::Interlock(interlock) => Some(u32::from(interlock.0)),
        SafeCause::Boot
        | SafeCause::Program
        | SafeCause::Gate(_)
        | SafeCause::Axis(_)
        | SafeCause::PowerUp(_)
        | SafeCause::Shutdown => None,
    }
}

/// The numbers of an event; the words are the caller's.
fn event_ids(event: &rt_core::record::Event) -> messages::Event {
    use rt_core::record::Event as E;
    let none = messages::Event::default();
    match *event {
        E::Demand { interlock } | E::Clear { interlock } | E::Diagnostic { interlock, .. } => {
            messages::Event { interlock: Some(u32::from(interlock.0)), ..none }
        }
        E::Trip { cause, group, input_at, predicted, .. } => messages::Event {
            interlock: interlock_of(cause),
            group: Some(u32::from(group.0)),
            distance_predicted: Some(predicted.units()),
            input_at: Some(input_at),
            ..none
        },
        E::Stopped { group, cause, distance, predicted, .. } => messages::Event {
            interlock: interlock_of(cause),
            group: Some(u32::from(group.0)),
            distance_predicted: Some(predicted.units()),
            distance: Some(distance.units()),
            ..none
        },
        E::Escalated { group, axis, .. } => messages::Event {
            group: Some(u32::from(group.0)),
            axis: Some(u32::from(axis.0)),
            ..none
        },
        E::SpeedLimit { group, .. } => messages::Event { group: Some(u32::from(group.0)), ..none },
        E::GateViolation { axis, .. }
        | E::Axis { axis, .. }
        | E::Referenced { axis, .. }
        | E::ReferenceRefused { axis, .. }
        | E::Foresight { axis, .. }
        | E::Foreseen { axis, .. }
        | E::Doubt { axis, .. }
        | E::Health { axis, .. }
        | E::Learnt { axis, .. }
        | E::HomingFailed { axis, .. }
        | E::DriveFault { axis, .. } => messages::Event { axis: Some(u32::from(axis.0)), ..none },
        E::Emergency(emergency) => messages::Event {
            device: Some(u32::from(emergency.device)),
            emergency_code: Some(u32::from(emergency.code)),
            error_register: Some(u32::from(emergency.register)),
            emergency_data: Some(emergency.data.to_vec()),
            ..none
        },
        E::Machine { .. }
        | E::Mode { .. }
        | E::Reset
        | E::ResetRefused { .. }
        | E::Start
        | E::Step { .. }
        | E::ProgramFault { .. }
        | E::Vision { .. }
        | E::Inspection { .. }
        | E::Part { .. }
        | E::Track { .. }
        | E::Overrun { .. }
        | E::ShutdownRequested
        | E::ShutdownDone => none,
    }
}

#[cfg(test)]
mod tests;
