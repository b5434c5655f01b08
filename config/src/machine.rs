//! What a machine file becomes: the plans that the other crates own, and what people call things.

use std::net::SocketAddr;
use std::path::PathBuf;

use fieldbus::plan::BusPlan;
use rt_core::plan::{AxisId, GroupId, MachinePlan};
use rt_core::signal::SignalId;

use crate::budget::Budget;
use crate::cell::VirtualCell;
use crate::forward::Forwarding;
use crate::problem::Problem;

/// A machine, checked: every reference holds, every number is in its range.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Its name.
    pub name: String,
    /// What it is, for people; may be empty.
    pub description: String,
    /// What the loop knows of it.
    pub plan: MachinePlan,
    /// What the fieldbus knows of it.
    pub bus: BusPlan,
    /// The bus may be faulted for so long without a break before a run ends, ns: a drive takes its time to start.
    pub bus_patience_ns: u64,
    /// What people call its parts.
    pub names: Names,
    /// Response-time budgets, by `InterlockId`.
    pub budgets: Vec<Budget>,
    /// How the loop is run.
    pub cycle: CycleSettings,
    /// What the file says carries the frames.
    pub link: LinkChoice,
    /// What stands behind the devices when there is no machine.
    pub virtual_cell: VirtualCell,
    /// How datagrams of each stream come, by `StreamId`.
    pub stream_sources: Vec<StreamSource>,
    /// What is kept of a run.
    pub recording: RecordingSettings,
    /// What leaves the machine.
    pub forwarding: Forwarding,
    /// Where the state file is; relative to the directory in which the run was started.
    pub state_directory: PathBuf,
    /// BLAKE3 of the bytes of the file.
    pub hash: [u8; 32],
    /// First 8 bytes of `hash`, little endian; camera processes carry it.
    pub hash64: u64,
    /// What is allowed but looks like a mistake.
    pub warnings: Vec<Problem>,
}

/// How datagrams of a stream come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamSource {
    /// Where they come in.
    pub socket: StreamSocket,
    /// Capture times are of the camera process's own clock.
    pub own_clock: bool,
}

/// Where datagrams of a stream come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamSocket {
    /// The Unix datagram socket of the run.
    Unix,
    /// A UDP socket.
    Udp {
        /// Where this host listens.
        listen: SocketAddr,
        /// The file with the shared key; `None`: written out as insecure.
        key_file: Option<PathBuf>,
    },
}

/// Names, each by the id that the loop uses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// By [`SignalId`]. Objects of a drive are called `drive.statusword` and so on.
    pub signals: Vec<String>,
    /// By [`AxisId`].
    pub axes: Vec<String>,
    /// By [`AxisId`].
    pub axis_units: Vec<AxisUnit>,
    /// By [`GroupId`].
    pub groups: Vec<String>,
    /// By `InterlockId`.
    pub interlocks: Vec<InterlockName>,
    /// Numbered over all strands in order, as [`rt_core::program::Program::position`] counts.
    pub steps: Vec<StepName>,
    /// By `PartId`.
    pub parts: Vec<String>,
    /// By `InspectionId`.
    pub inspections: Vec<String>,
    /// By `StreamId`.
    pub streams: Vec<String>,
    /// Zones of all streams, as the file lists them.
    pub zones: Vec<ZoneName>,
}

impl Names {
    /// The signal called `name`.
    #[must_use]
    pub fn signal(&self, name: &str) -> Option<SignalId> {
        place(&self.signals, name).and_then(|at| u16::try_from(at).ok()).map(SignalId)
    }

    /// The axis called `name`.
    #[must_use]
    pub fn axis(&self, name: &str) -> Option<AxisId> {
        place(&self.axes, name).and_then(|at| u8::try_from(at).ok()).map(AxisId)
    }

    /// The group called `name`.
    #[must_use]
    pub fn group(&self, name: &str) -> Option<GroupId> {
        place(&self.groups, name).and_then(|at| u8::try_from(at).ok()).map(GroupId)
    }

    /// What zone `bit` of stream `stream` is called.
    #[must_use]
    pub fn zone(&self, stream: u8, bit: u8) -> Option<&str> {
        self.zones
            .iter()
            .find(|zone| zone.stream == stream && zone.bit == bit)
            .map(|zone| zone.name.as_str())
    }
}

fn place(names: &[String], name: &str) -> Option<usize> {
    names.iter().position(|candidate| candidate == name)
}

/// What an interlock is called and says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterlockName {
    /// Its name; rows that one entry of the file makes carry the axis or unit too: `drive fault x`.
    pub name: String,
    /// What a person reads when it trips.
    pub text: String,
    /// What to do about it.
    pub remedy: String,
}

/// What a step of the program is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepName {
    /// Place of its strand.
    pub strand: usize,
    /// Name of its strand.
    pub strand_name: String,
    /// Its name, or what it does.
    pub name: String,
}

/// What a zone is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneName {
    /// Place of its stream.
    pub stream: u8,
    /// Bit in the datagram's zone words.
    pub bit: u8,
    /// Its name.
    pub name: String,
}

/// Unit of an axis' positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AxisUnit {
    /// mm
    Millimetre,
    /// deg
    Degree,
}

impl AxisUnit {
    /// `mm` or `deg`.
    #[must_use]
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Millimetre => "mm",
            Self::Degree => "deg",
        }
    }
}

/// How the loop is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CycleSettings {
    /// Range `62_500..=100_000_000` ns.
    pub period_ns: u64,
    /// From the start of a cycle until frames count as lost, ns; below the period.
    pub receive_deadline_ns: u64,
    /// Where the loop runs; `None`: the system chooses.
    pub cpu: Option<usize>,
    /// `SCHED_FIFO`, range `1..=98`; `None`: 80 where the rights are there.
    pub priority: Option<u8>,
    /// What happens without the rights to real time.
    pub realtime: Realtime,
    /// How long before the wake-up time the loop spins instead of sleeping, ns; 0: it sleeps.
    pub spin_ns: u64,
    /// What happens when the loop is late.
    pub overrun: rt_core::plan::OverrunPlan,
}

/// What happens without the rights to real time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Realtime {
    /// The run is refused.
    Strict,
    /// It runs, and says in every report that it ran degraded.
    Degraded,
}

/// What carries the frames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkChoice {
    /// The virtual segment in this process.
    Virtual,
    /// `AF_PACKET` on this network interface.
    Raw(String),
}

/// What is kept of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingSettings {
    /// Whether anything is.
    pub enabled: bool,
    /// Where files go; relative to the directory in which the run was started.
    pub directory: PathBuf,
    /// Name of the file; `None`: made from the machine's name and the time of the start.
    pub file: Option<String>,
    /// How it is packed.
    pub compression: Compression,
    /// The flight recorder.
    pub flight: FlightSettings,
}

/// What the flight recorder keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlightSettings {
    /// Before a trigger, ns. Range `0..=60_000_000_000`.
    pub before_ns: u64,
    /// After it, ns. Range `0..=10_000_000_000`.
    pub after_ns: u64,
    /// Dumps in the folder, 1 to 1000.
    pub dumps: usize,
}

/// How a recording is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// LZ4.
    Lz4,
}
