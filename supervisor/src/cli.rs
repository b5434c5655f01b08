//! The command line: what can be asked, and what each answer means.

mod audit;
mod forward;
mod measure;
mod recordings;
mod twin;
mod what_if;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::exit::EXIT_CODES_HELP;
use crate::run::Park;

pub use audit::{
    AuditArgs, AuditCommand, AuditKeyArgs, AuditReportArgs, AuditVerifyArgs, BudgetArgs, MatrixArgs,
};
pub use forward::{ForwardArgs, ForwardAt, ForwardCommand, GatewayArgs, PolicyArgs};
pub use measure::{LatencyArgs, LoadKind, TuneArgs};
pub use recordings::{ExportArgs, ExportFormat, LedgerArgs, RecoverArgs};
pub use twin::{TwinArgs, TwinCommand, TwinEvaluateArgs, TwinExportArgs, TwinRulArgs};
pub use what_if::{Seeds, WhatIfArgs};

const RUN_EXAMPLES: &str = "Examples:
  tactus run config/machines/demo-cell.toml
      the whole cell in this process, in real time, until Ctrl-C
  tactus run demo-cell.toml --virtual-time --seed 7 --for 60s --report report.json
      one minute as fast as it goes; the same seed gives the same bytes
  tactus run demo-cell.toml --link raw:eth1 --report report.json
      the same machine on a network interface; a run that fails leaves its report too
  tactus run demo-cell.toml --link raw:eth1 --home-again
      after work on motor, encoder or mechanics: no kept reference counts
  tactus run demo-cell.toml --guards=count --for 60s
      system calls of the loop too: the report says whether any was made that is not declared";

const CHECK_EXAMPLES: &str = "Examples:
  tactus check demo-cell.toml
      every problem at once: where, what was expected, what was found, what to do
  tactus check demo-cell.toml --hash
      the number that camera processes carry in their datagrams";

const ZONES_EXAMPLES: &str = "Examples:
  tactus zones demo-cell.toml
      for whoever sets a camera up
  tactus zones demo-cell.toml --json > zones.json
      for its program: python -m tactus_opencv --zones zones.json";

const SCHEMA_EXAMPLES: &str = "Example:
  tactus schema > tactus.schema.json
      then name the file in your editor's TOML settings: it completes and checks machine files";

const SIM_EXAMPLES: &str = "Example, with a pair of interfaces:
  ip link add ec0 type veth peer name ec1; ip link set ec0 up; ip link set ec1 up
  tactus sim demo-cell.toml --iface ec1 &
  tactus run demo-cell.toml --link raw:ec0";

const DOCTOR_EXAMPLES: &str = "Examples:
  sudo tactus doctor machine.toml
      what must be right for this machine: its CPU, its priority, its interface
  tactus doctor --iface eth1 --json > doctor.json
      every check with evidence, for scripts
  tactus doctor machine.toml --fix > fix.sh
      one script of all that is left to do, to read and to run; nothing is changed here
  tactus doctor --root tree --iface eth1
      the files of another machine, copied to ./tree/proc, ./tree/sys, ...

Exit codes here: 0 no check fails and none is unknown; 3 a check fails; 6 none fails, one is unknown.
With --fix: 0 as soon as the script is printed.";
const SDO_EXAMPLES: &str = "Examples:
  tactus sdo read demo-cell.toml drive_x 0x6064 --type i32
      the actual position of the drive that the machine file calls drive_x
  tactus sdo read demo-cell.toml 3 0x1018 --complete --link raw:eth1
      the whole identity of the device at position 3
  tactus sdo write demo-cell.toml drive_x 0x6065 50000 --type u32
      its following error window

The segment is brought to PreOp for it, and down to Init afterwards: no device takes outputs.
It refuses while another MainDevice cycles on the interface.";

const TRACE_EXAMPLES: &str = "Examples:
  tactus trace recordings/demo-cell-flight-*.tfr
      what froze each dump, what happened around it, and where the time of the cycles went
  tactus trace recordings/demo-cell-flight-seed-1-001-trip-18211.tfr -o trip.json
      a trace: open ui.perfetto.dev and drop trip.json on it; nothing leaves your computer
  tactus trace overrun.tfr --from=-50ms --to=10ms -o overrun.json
      only what lies around the trigger
  kill -USR1 $(pidof tactus)
      a running tactus writes a dump now";

const REPLAY_EXAMPLES: &str = "Examples:
  tactus replay recordings/demo-cell-seed-1.mcap
      every cycle of the recording again: outputs and checkpoints, bit by bit
  tactus replay run.mcap --from 90s
      from the last checkpoint before 90 s on";

/// Control and safety service for machines with EtherCAT axes and cameras.
#[derive(Debug, Parser)]
#[command(name = "tactus", version, after_help = EXIT_CODES_HELP, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Bring a machine up and run it.
    #[command(after_help = help(RUN_EXAMPLES))]
    Run(RunArgs),
    /// Check a machine file and print every problem at once.
    #[command(after_help = help(CHECK_EXAMPLES))]
    Check(CheckArgs),
    /// Print the JSON Schema of machine files.
    #[command(after_help = help(SCHEMA_EXAMPLES))]
    Schema,
    /// Read or write one object of a device, while the machine does not run.
    #[command(after_help = help(SDO_EXAMPLES))]
    Sdo(SdoArgs),
    /// Be the machine: virtual devices and the world behind them, on a network interface.
    #[command(after_help = help(SIM_EXAMPLES))]
    Sim(SimArgs),
    /// Check what must be right on this PC for real time, and say what gives it. Changes nothing.
    #[command(after_help = help(DOCTOR_EXAMPLES))]
    Doctor(DoctorArgs),
    /// Measure wake-up latency against cyclictest, block by block in turns, and judge it.
    #[command(after_help = help(measure::LATENCY_EXAMPLES))]
    Latency(LatencyArgs),
    /// Find the shortest period that this machine, bus and configuration sustain. No axis is enabled.
    #[command(after_help = help(measure::TUNE_EXAMPLES))]
    Tune(TuneArgs),
    /// Look into dumps of the flight recorder, and export them as a trace for Perfetto.
    #[command(after_help = help(TRACE_EXAMPLES))]
    Trace(TraceArgs),
    /// Run a recording through the same step again and compare every output bit.
    #[command(after_help = help(REPLAY_EXAMPLES))]
    Replay(ReplayArgs),
    /// Close recordings that a killed run left open, so that every reader opens them.
    #[command(after_help = help(recordings::RECOVER_EXAMPLES))]
    Recover(RecoverArgs),
    /// Print a recording as JSON lines or CSV.
    #[command(after_help = help(recordings::EXPORT_EXAMPLES))]
    Export(ExportArgs),
    /// Print what became of everything that the loop left, over all runs of a machine.
    #[command(after_help = help(recordings::LEDGER_EXAMPLES))]
    Ledger(LedgerArgs),
    /// Print what a camera process must know: streams, hash, zones and their corners.
    #[command(after_help = help(ZONES_EXAMPLES))]
    Zones(ZonesArgs),
    /// Run the machine in virtual time with other values and compare.
    #[command(after_help = help(what_if::WHAT_IF_EXAMPLES))]
    WhatIf(WhatIfArgs),
    /// The axis twins outside of the loop: as an FMU, against data with labels, and what wears.
    #[command(after_help = help(twin::TWIN_EXAMPLES))]
    Twin(TwinArgs),
    /// Print the cause-and-effect matrix as the loop evaluates it.
    #[command(after_help = help(audit::MATRIX_EXAMPLES))]
    Matrix(MatrixArgs),
    /// Print the response-time budget of every interlock, and what a run measured of it.
    #[command(after_help = help(audit::BUDGET_EXAMPLES))]
    Budget(BudgetArgs),
    /// Print who gets what of what the machine knows.
    #[command(after_help = help(forward::POLICY_EXAMPLES))]
    Policy(PolicyArgs),
    /// Look after the queue of what has not arrived at plant systems yet.
    #[command(after_help = help(forward::FORWARD_EXAMPLES))]
    Forward(ForwardArgs),
    /// Talk to plant systems. For tactus run, which starts it.
    #[command(after_help = help(forward::GATEWAY_EXAMPLES))]
    Gateway(GatewayArgs),
    /// Look after the audit log: is it whole, and whose key signs it.
    #[command(after_help = help(audit::AUDIT_EXAMPLES))]
    Audit(AuditArgs),
}

const LOG_HELP: &str = "TACTUS_LOG=info logs what happens to the standard error.";

fn help(examples: &str) -> String {
    format!("{examples}\n\n{EXIT_CODES_HELP}\n\n{LOG_HELP}")
}

/// `tactus run`.
#[derive(Args, Clone, Debug)]
pub struct RunArgs {
    /// Machine file (TOML).
    pub file: PathBuf,
    /// Where the devices are; without it, where the machine file says.
    #[arg(long, value_name = "virtual|raw:IFACE", value_parser = link)]
    pub link: Option<Link>,
    /// Run on a virtual clock in one thread, as fast as it goes, deterministic to the byte. Needs the virtual link.
    #[arg(long)]
    pub virtual_time: bool,
    /// Seed of the virtual cell: its tolerances, noise and faults.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// End after this time of the machine (500ms, 60s, 5min, 1h); without it: run until Ctrl-C. In virtual time 60s.
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    pub for_: Option<Duration>,
    /// No console, no report for people on the standard output.
    #[arg(long)]
    pub headless: bool,
    /// Print the report as JSON instead of text.
    #[arg(long)]
    pub json: bool,
    /// Write the report as JSON to this file.
    #[arg(long, value_name = "FILE.json")]
    pub report: Option<PathBuf>,
    /// Write the recording to this file; without it, where the machine file says.
    #[arg(long, value_name = "FILE.mcap", conflicts_with = "no_record")]
    pub record: Option<PathBuf>,
    /// Do not record.
    #[arg(long)]
    pub no_record: bool,
    /// Directory of what outlives the run: the audit log, the device's key, and the state file in which axes with `homing.keep` find their references again; without it, where the machine file says. In virtual time nothing is kept without it.
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// No kept reference counts in this run: every axis is to be homed, and what is found replaces what was kept.
    #[arg(long)]
    pub home_again: bool,
    /// Write the frames of the run, while it goes on, for Wireshark: files of 64 MB, the newest 8 of them.
    #[arg(long, value_name = "FILE.pcapng")]
    pub capture: Option<PathBuf>,
    /// Write the flight recorder's dumps into this folder; without it, beside the recording, and nowhere with --no-record.
    #[arg(long, value_name = "DIR")]
    pub trace: Option<PathBuf>,
    /// Socket on which camera processes are heard (in real time); without it, one in the user's runtime folder, and on the virtual link one of this process alone.
    #[arg(long, value_name = "PATH")]
    pub vision_socket: Option<PathBuf>,
    /// Watch the system calls of the loop: `count` counts them where that is permitted (root, or CAP_PERFMON and tracefs); `trap`
    /// ends the run at the first that is not declared. Allocations, page faults and context switches are always watched.
    #[arg(long, value_name = "count|trap", num_args = 0..=1, default_missing_value = "count", conflicts_with = "virtual_time")]
    pub guards: Option<GuardCalls>,
    /// Test hook (docs/guide/on-target.md): so long after the first cycle the supervisor's thread stops for so long.
    #[arg(long, hide = true, value_name = "AFTER,LENGTH", value_parser = park, conflicts_with = "virtual_time")]
    pub park_supervisor: Option<Park>,
}

/// What `--guards` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum GuardCalls {
    /// Count.
    Count,
    /// End at the first that is not declared.
    Trap,
}

/// `tactus check`.
#[derive(Args, Clone, Debug)]
pub struct CheckArgs {
    /// Machine file (TOML).
    pub file: PathBuf,
    /// Print the problems as JSON.
    #[arg(long)]
    pub json: bool,
    /// Print the configuration hash that camera datagrams carry, and nothing else.
    #[arg(long, conflicts_with = "json")]
    pub hash: bool,
}

/// `tactus zones`.
#[derive(Args, Clone, Debug)]
pub struct ZonesArgs {
    /// Machine file (TOML).
    pub file: PathBuf,
    /// Print it as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `tactus sim`.
#[derive(Args, Clone, Debug)]
pub struct SimArgs {
    /// Machine file (TOML).
    pub file: PathBuf,
    /// Network interface on which the devices answer.
    #[arg(long, value_name = "IFACE")]
    pub iface: String,
    /// Seed of the virtual cell.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// End after this time; without it: run until SIGTERM or Ctrl-C.
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    pub for_: Option<Duration>,
    /// Print events as JSON, one a line.
    #[arg(long)]
    pub json: bool,
    /// Where the cameras send their datagrams; without it, where `tactus run` of the same user listens.
    #[arg(long, value_name = "PATH")]
    pub vision_socket: Option<PathBuf>,
}

/// `tactus doctor`.
#[derive(Args, Clone, Debug)]
pub struct DoctorArgs {
    /// Machine file (TOML): its CPU, priority and interface are judged; without it, the isolated CPUs.
    pub file: Option<PathBuf>,
    /// Network interface of the fieldbus; without it, the one of the machine file.
    #[arg(long, value_name = "IFACE")]
    pub iface: Option<String>,
    /// Print the findings as JSON.
    #[arg(long)]
    pub json: bool,
    /// Print a shell script of all that is left to do, and nothing else.
    #[arg(long, conflicts_with_all = ["json", "verbose"])]
    pub fix: bool,
    /// Show evidence and reason of what passes, too.
    #[arg(long, short, conflicts_with = "json")]
    pub verbose: bool,
    /// Look at the files below this folder instead of this machine's.
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
}

/// `tactus sdo`.
#[derive(Args, Clone, Debug)]
pub struct SdoArgs {
    /// Read or write.
    #[command(subcommand)]
    pub command: SdoCommand,
}

/// Read or write.
#[derive(Clone, Debug, Subcommand)]
pub enum SdoCommand {
    /// Read an object.
    #[command(after_help = help(SDO_EXAMPLES))]
    Read(SdoObject),
    /// Write an object.
    #[command(after_help = help(SDO_EXAMPLES))]
    Write {
        /// What.
        #[command(flatten)]
        object: SdoObject,
        /// The value: a number (decimal, or hexadecimal with 0x), a text, or pairs of hexadecimal digits.
        #[arg(allow_hyphen_values = true)]
        value: String,
    },
}

/// An object of a device.
#[derive(Args, Clone, Debug)]
pub struct SdoObject {
    /// Machine file (TOML).
    pub file: PathBuf,
    /// Name of the device in the machine file, or its position from 0.
    pub device: String,
    /// Index and perhaps subindex, such as 0x6064 or 0x1018:4.
    #[arg(value_name = "INDEX[:SUB]", value_parser = crate::sdo::object)]
    pub object: (u16, u8),
    /// How the bytes are meant; needed to write.
    #[arg(long = "type", value_name = "TYPE")]
    pub kind: Option<SdoType>,
    /// Every entry in one transfer (complete access).
    #[arg(long)]
    pub complete: bool,
    /// Where the devices are; without it, where the machine file says.
    #[arg(long, value_name = "virtual|raw:IFACE", value_parser = link)]
    pub link: Option<Link>,
    /// Print it as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `tactus trace`.
#[derive(Args, Clone, Debug)]
pub struct TraceArgs {
    /// Dumps of the flight recorder.
    #[arg(required = true, value_name = "FILE.tfr")]
    pub files: Vec<PathBuf>,
    /// Write a trace (Trace Event Format, JSON) to this file; - is the standard output.
    #[arg(short, long, value_name = "OUT.json")]
    pub output: Option<PathBuf>,
    /// Leave out what is before this time, counted from the trigger of the first dump (-2s, 10ms).
    #[arg(long, value_name = "TIME", value_parser = offset, allow_hyphen_values = true)]
    pub from: Option<i64>,
    /// Leave out what is after this time, counted from the trigger of the first dump.
    #[arg(long, value_name = "TIME", value_parser = offset, allow_hyphen_values = true)]
    pub to: Option<i64>,
    /// Print the summary as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `tactus replay`.
#[derive(Args, Clone, Debug)]
pub struct ReplayArgs {
    /// A recording of `tactus run`.
    #[arg(value_name = "FILE.mcap")]
    pub file: PathBuf,
    /// Begin at the last checkpoint before this time of the recording (500ms, 60s, 5min).
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub from: Option<Duration>,
    /// Print what was found as JSON.
    #[arg(long)]
    pub json: bool,
}

/// How the bytes of an object are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
#[expect(missing_docs, reason = "their names say it")]
pub enum SdoType {
    U8,
    U16,
    U32,
    U64,
    I8,
    I16,
    I32,
    I64,
    Text,
    Hex,
}

/// Where the devices are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// In this process.
    Virtual,
    /// On this network interface.
    Raw(String),
}

impl std::fmt::Display for Link {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Virtual => formatter.write_str("virtual"),
            Self::Raw(interface) => write!(formatter, "raw:{interface}"),
        }
    }
}

fn link(text: &str) -> Result<Link, String> {
    match (text, text.strip_prefix("raw:")) {
        ("virtual", _) => Ok(Link::Virtual),
        (_, Some(interface)) if !interface.is_empty() => Ok(Link::Raw(interface.to_owned())),
        (_, _) => Err("expected virtual, or raw: and a network interface, such as raw:eth1".into()),
    }
}

/// A signed time, ns.
fn offset(text: &str) -> Result<i64, String> {
    let wrong = "expected a time with its unit, such as -2s, 0s, 500us or 10ms";
    let (sign, size) = match text.strip_prefix('-') {
        Some(size) => (-1, size),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let digits = size.find(|c: char| !c.is_ascii_digit()).unwrap_or(size.len());
    let (number, unit) = size.split_at(digits);
    let number: i64 = number.parse().map_err(|_| wrong)?;
    let unit_ns = match unit {
        "us" | "µs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        _ => return Err(wrong.into()),
    };
    number.checked_mul(unit_ns).map(|ns| sign * ns).ok_or_else(|| wrong.into())
}

/// Longest time that `--for` takes.
const FOR_MAX: Duration = Duration::from_secs(366 * 24 * 3600);

fn duration(text: &str) -> Result<Duration, String> {
    let wrong = "expected a time with its unit, such as 500ms, 60s, 5min or 1h, above 0";
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| wrong)?;
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "min" | "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(wrong.into()),
    };
    let duration = number.checked_mul(unit_ms).map(Duration::from_millis).ok_or(wrong)?;
    if duration.is_zero() || duration > FOR_MAX {
        return Err(format!("{wrong} and at most a year"));
    }
    Ok(duration)
}

fn park(text: &str) -> Result<Park, String> {
    let (after, length) =
        text.split_once(',').ok_or("expected two times with their units, such as 6s,3s")?;
    Ok(Park { after: duration(after)?, length: duration(length)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_help_has_an_example_and_the_exit_codes() {
        for command in Cli::command().get_subcommands_mut() {
            let text = command.render_long_help().to_string();
            assert!(text.contains("Example"), "{text}");
            assert!(text.contains("ended in a safety stop that nobody resolved"), "{text}");
        }
    }

    #[test]
    fn times_have_units_and_bounds() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2min"), Ok(Duration::from_secs(120)));
        for wrong in ["", "60", "s", "0s", "-1s", "1.5s", "99999999999999999999s", "9000h1", "1d"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
        assert!(duration("10000h").is_err());
    }

    #[test]
    fn times_around_a_trigger_are_signed() {
        assert_eq!(offset("-2s"), Ok(-2_000_000_000));
        assert_eq!(offset("500us"), Ok(500_000));
        assert_eq!(offset("+10ms"), Ok(10_000_000));
        for wrong in ["", "2", "-", "--2s", "1h", "1.5s", "99999999999999999999s"] {
            assert!(offset(wrong).is_err(), "{wrong}");
        }
        let line = ["tactus", "trace", "a.tfr", "--from", "-2s"];
        assert!(Cli::try_parse_from(line).is_ok(), "as people write it");
    }

    #[test]
    fn a_link_is_virtual_or_names_an_interface() {
        assert_eq!(link("virtual"), Ok(Link::Virtual));
        assert_eq!(link("raw:eth1"), Ok(Link::Raw("eth1".into())));
        assert!(link("raw:").is_err());
        assert!(link("eth1").is_err());
    }

    #[test]
    fn parking_the_supervisor_takes_two_times_and_is_not_offered_to_people() {
        let seconds = Duration::from_secs;
        assert_eq!(park("6s,3s"), Ok(Park { after: seconds(6), length: seconds(3) }));
        for wrong in ["6s", "6s,", "6,3", "6s,3s,1s"] {
            assert!(park(wrong).is_err(), "{wrong}");
        }
        let mut run = Cli::command();
        let run = run.find_subcommand_mut("run").expect("there is one");
        assert!(!run.render_long_help().to_string().contains("park"));
    }

    #[test]
    fn recording_and_not_recording_exclude_each_other() {
        let both = ["tactus", "run", "m.toml", "--record", "a.mcap", "--no-record"];
        assert!(Cli::try_parse_from(both).is_err());
        assert!(Cli::try_parse_from(&both[..5]).is_ok());
    }
}
