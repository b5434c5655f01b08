//! The machine file as written: its sections and keys. The comments here are the documentation that `tactus schema` gives to
//! editors.

pub(crate) mod axis;
pub(crate) mod bus;
pub(crate) mod cell;
pub(crate) mod forward;
pub(crate) mod inspection;
pub(crate) mod program;
pub(crate) mod safety;

use crate::read::{Int, Name, Part, Time, section, word};

section! {
    /// A machine: cycle, bus, axes, interlocks, vision, program, and the virtual world for running it without hardware.
    "the machine file" File {
        /// Who it is.
        machine: Part<Identification>,
        /// How the loop is run.
        cycle: Part<Cycle>,
        /// What carries the frames; without it: the virtual segment. `--link` on the command line wins.
        #[schemars(default)]
        link: Part<Link>,
        /// Sync units and distributed clocks.
        bus: Part<bus::Bus>,
        /// The devices on the segment.
        subdevice: Vec<bus::SubDevice>,
        /// Axes, each over one servo drive.
        #[schemars(default)]
        axis: Vec<axis::Axis>,
        /// Axes that move and stop together. Every axis is in exactly one.
        #[schemars(default)]
        group: Vec<axis::Group>,
        /// Reset, start and stop.
        control: Part<safety::Control>,
        /// Automatic and manual.
        #[schemars(default)]
        mode: Part<safety::Modes>,
        /// Outputs that are not an axis' own.
        #[schemars(default)]
        output: Vec<safety::Output>,
        /// Cause and effect.
        #[schemars(default)]
        interlock: Vec<safety::Interlock>,
        /// Parts that move among people.
        #[schemars(default)]
        part: Vec<safety::Part>,
        /// Camera processes.
        #[schemars(default)]
        stream: Vec<safety::Stream>,
        /// Areas that a stream watches.
        #[schemars(default)]
        zone: Vec<safety::Zone>,
        /// Parts that a camera looks at, and that are rejected.
        #[schemars(default)]
        inspection: Vec<inspection::Inspection>,
        /// The built-in program.
        #[schemars(default)]
        program: Part<program::Program>,
        /// What the twin watches and decides beyond stopping distances; without it: limits are predicted and acted upon, nothing is
        /// learnt and recorded.
        #[schemars(default)]
        twin: Part<TwinSettings>,
        /// What is kept of a run.
        #[schemars(default)]
        recording: Part<Recording>,
        /// What outlives a run.
        #[schemars(default)]
        state: Part<State>,
        /// The durable queue before the sinks.
        #[schemars(default)]
        forward: Part<forward::Forward>,
        /// The process that talks to plant systems.
        #[schemars(default)]
        gateway: Part<forward::Gateway>,
        /// Plant systems.
        #[schemars(default)]
        sink: Vec<forward::Sink>,
        /// What may leave the machine; what is not listed stays.
        #[schemars(default)]
        export: Vec<forward::Export>,
        /// What the virtual cell is made of; ignored at a real machine.
        #[schemars(default)]
        r#virtual: Part<cell::Virtual>,
        /// What happens in the virtual cell; ignored at a real machine.
        #[schemars(default)]
        scenario: Part<cell::Scenario>,
    }
}

section! {
    /// Who the machine is.
    "[machine]" Identification {
        /// Its name: letters, digits, `-`, `_`. Recordings are called after it.
        name: Name,
        /// One sentence for people.
        description: Option<String>,
    }
}

section! {
    /// How the loop is run.
    "[cycle]" Cycle {
        /// Time between two cycles, 62.5 us to 100 ms.
        period: Time,
        /// From the start of a cycle until frames that are not back count as lost. Below `period`; default: 40 % of it.
        receive_deadline: Option<Time>,
        /// CPU that the loop is pinned to; without it the system chooses.
        cpu: Option<Int<0, 1023>>,
        /// SCHED_FIFO priority, 1 to 98; default 80.
        priority: Option<Int<1, 98>>,
        /// What happens without the rights to real time: default `strict`.
        realtime: Option<Realtime>,
        /// How long before each wake-up the loop spins instead of sleeping, 0 to 200 us; default 0.
        spin: Option<Time>,
        /// When the loop being late becomes a demand. Without it overruns are counted and skipped.
        overrun: Option<Overrun>,
    }
}

word! {
    /// What happens without the rights to real time.
    "realtime setting" Realtime {
        /// The run is refused.
        "strict" => Strict,
        /// It runs, and every report says so.
        "degraded" => Degraded,
    }
}

section! {
    /// More than `count` overruns within `cycles` cycles are a demand (cause `overrun`).
    "the overrun policy" Overrun {
        /// 0 to 255.
        count: Int<0, 255>,
        /// 1 to 1024.
        cycles: Int<1, 1024>,
    }
}

section! {
    /// What carries the frames.
    "[link]" Link {
        /// `virtual`: the segment in process; `raw`: a network interface.
        kind: LinkKind,
        /// For `raw`: the network interface.
        interface: Option<Name>,
    }
}

word! {
    /// What carries the frames.
    "kind of link" LinkKind {
        /// The virtual segment in process.
        "virtual" => Virtual,
        /// AF_PACKET on a network interface.
        "raw" => Raw,
    }
}

section! {
    /// What becomes of the twin's decisions. Whatever is said here, the twin only tightens; see docs/guide/twin.md.
    "[twin]" TwinSettings {
        /// Slow down before a soft limit; default `act`.
        slow_before_limit: Option<crate::read::At<TwinMode>>,
        /// Stop before a soft limit (cause `twin_limit`); default `act`. In the other modes only the gate holds the soft limits.
        stop_before_limit: Option<crate::read::At<TwinMode>>,
        /// Slow down before motor or drive are too warm; needs `[axis.twin.thermal]`; default `observe`.
        thermal_derating: Option<crate::read::At<TwinMode>>,
    }
}

word! {
    /// What becomes of a decision.
    "mode of a decision" TwinMode {
        /// What it would have done is recorded, and what happened then.
        "observe" => Observe,
        /// People are told, too.
        "advise" => Advise,
        /// It is done.
        "act" => Act,
    }
}

section! {
    /// What is kept of a run.
    "[recording]" Recording {
        /// Default true.
        enabled: Option<bool>,
        /// Where files go; default `recordings`.
        directory: Option<String>,
        /// Name of the file; default: machine and time.
        file: Option<String>,
        /// Default `lz4`.
        compression: Option<Compression>,
        /// What the flight recorder keeps before an overrun, a stop or a request, up to 60 s (and 65536 cycles); default 10 s.
        flight_before: Option<Time>,
        /// What it keeps after it, up to 10 s; default 1 s.
        flight_after: Option<Time>,
        /// Dumps of the flight recorder that are kept, the newest; default 16.
        flight_dumps: Option<Int<1, 1000>>,
    }
}

section! {
    /// What outlives a run: the references of axes with `homing.keep`. Runs on the virtual link have a file of their own; runs in
    /// virtual time have none unless `--state` asks for one.
    "[state]" State {
        /// Where the state file is; default `state`, relative to the directory in which the run is started. `--state` wins.
        directory: Option<String>,
    }
}

word! {
    /// How a recording is packed.
    "compression" Compression {
        /// Not at all.
        "none" => None,
        /// LZ4.
        "lz4" => Lz4,
    }
}
