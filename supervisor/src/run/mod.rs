//! A run of a machine, from bring-up to report: in real time with threads, or in virtual time in one.
//!
//! The order of the end is the same in both: the loop is asked to stop and stops in a controlled way → the bus is taken down → the
//! recording is closed → the report is written.

mod cable;
mod end;
mod guards;
mod link;
mod real_time;
mod references;
mod resume;
mod supervise;
mod virtual_time;

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use config::Machine;
use rt_core::program::{Program, Sequence};
use rt_core::record::Record;
use rt_core::step::Core;
use rt_linux::run::WatchCalls;
use rt_linux::signal::Shutdown;

pub use end::{BUS_GRACE_NS, fault_text};

pub(crate) use real_time::beside;

use crate::audit::Audit;
use crate::cell::Cell;
use crate::cli::Link;
use crate::console::Console;
use crate::drain::{self, Checkpoints, LoopPorts, Outside, Recording};
use crate::exit::Error;
use crate::flight::{self, Dumps};
use crate::labels::Labels;
use crate::ledger::{self, Book};
use crate::record::{FileRecorder, RunInfo, recover};
use crate::replay::{fields, program_name};
use crate::report::{Context, Ledger, Report};
use crate::stats::Statistics;
use crate::what_if::Moment;

/// What is run, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the devices are.
    pub link: Link,
    /// On a virtual clock, in this thread.
    pub virtual_time: bool,
    /// Of the virtual cell.
    pub seed: u64,
    /// `None`: until somebody asks for the end.
    pub duration: Option<Duration>,
    /// No console.
    pub headless: bool,
    /// Where the recording goes; `None`: there is none.
    pub record: Option<PathBuf>,
    /// Where the frames go.
    pub capture: Option<PathBuf>,
    /// The cameras' socket, in real time.
    pub vision_socket: PathBuf,
    /// The flight recorder.
    pub flight: flight::Options,
    /// Directory of the state file; `None`: nothing outlives the run.
    pub state: Option<PathBuf>,
    /// No kept reference counts: every axis is homed.
    pub home_again: bool,
    /// What watches the system calls of the loop, in real time.
    pub watch_calls: WatchCalls,
    /// A test hook: hold the supervisor up. `None` but in tests.
    pub park: Option<Park>,
}

/// A test hook: the supervisor's thread stops in the middle of taking a record out of the loop's stream, as if it were starved there.
/// It can only make the machine stop: what it keeps from the loop is the heartbeat. Real time only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Park {
    /// After the first cycle.
    pub after: Duration,
    /// For so long.
    pub length: Duration,
}

/// A machine to run: its file as read, and as bytes.
#[derive(Clone, Debug)]
pub struct Source {
    /// Checked.
    pub machine: Machine,
    /// The file's name without its folder.
    pub file_name: String,
    /// Its bytes, for the recording.
    pub bytes: Vec<u8>,
}

/// Runs a machine with the program of its file.
///
/// # Errors
/// It never came to cycles: environment, bus, or a machine file that promises what cannot be. The error has a report with what is
/// known if the run had begun to record; [`not_begun`] makes one otherwise. Whatever happens later is in the report.
pub fn run(source: &Source, options: &Options, shutdown: &Shutdown) -> Result<Report, Error> {
    let program = Sequence::new(&source.machine.plan);
    run_program(source, options, shutdown, program)
}

/// The report of a run that failed before it began: `error` says why. Without a machine its file was wrong.
#[must_use]
pub fn not_begun(error: &Error, machine: Option<&Machine>, context: &Context) -> Report {
    let labels = machine.map(Labels::of).unwrap_or_default();
    Report::failed(error, &labels, context, &Ledger::default())
}

/// Runs a machine with a program of your own.
///
/// # Errors
/// As [`run`].
pub fn run_program<P: Program + Send + 'static>(
    source: &Source,
    options: &Options,
    shutdown: &Shutdown,
    program: P,
) -> Result<Report, Error> {
    if options.virtual_time {
        virtual_time::run(source, options, shutdown, program, &mut Alone, None)
    } else {
        real_time::run(source, options, shutdown, program)
    }
}

/// Who looks on while a machine runs in virtual time. What is seen of the world is the truth, which the machine does not know.
pub trait Onlooker {
    /// Each record of the loop, in order.
    fn record(&mut self, record: &Record) {
        let _ = record;
    }

    /// After each cycle.
    fn cycle(&mut self, cell: &Cell, now: u64) {
        let _ = (cell, now);
    }
}

/// Nobody looks on.
struct Alone;

impl Onlooker for Alone {}

/// Runs a machine in virtual time with the program of its file, while somebody looks on.
///
/// # Errors
/// As [`run`].
pub fn watched(
    source: &Source,
    options: &Options,
    shutdown: &Shutdown,
    onlooker: &mut dyn Onlooker,
) -> Result<Report, Error> {
    let program = Sequence::new(&source.machine.plan);
    virtual_time::run(source, options, shutdown, program, onlooker, None)
}

/// As [`watched`], from a moment in a recording on.
///
/// # Errors
/// As [`run`]; the state there is none of this machine, or the moment is too early for the segment to come up before it.
pub fn watched_from(
    source: &Source,
    options: &Options,
    shutdown: &Shutdown,
    onlooker: &mut dyn Onlooker,
    moment: &Moment,
) -> Result<Report, Error> {
    let program = Sequence::new(&source.machine.plan);
    virtual_time::run(source, options, shutdown, program, onlooker, Some(moment))
}

/// Name of the cameras' socket if nobody says otherwise: in the user's runtime folder, else in the folder for temporary files.
#[must_use]
pub fn default_vision_socket(machine: &str) -> PathBuf {
    let folder = std::env::var_os("XDG_RUNTIME_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    folder.join(format!("tactus-{machine}-vision.sock"))
}

/// The machine as it is before its first cycle.
fn core_of<P: Program>(machine: &Machine, program: P) -> Result<Core<P>, Error> {
    Core::new(machine.plan.clone(), program)
        .map_err(|wrong| Error::file(format!("{}: {wrong:?}", machine.name)))
}

/// The ends of all channels of a loop, with a way out for what the flight recorder freezes and for checkpoints.
fn channels<P: Program>(
    core: &mut Core<P>,
    giver: flight::RingGiver,
) -> (LoopPorts, Outside, Checkpoints) {
    let (ports, outside) = drain::channels(core.plan().axes.len());
    let (checkpoint_giver, checkpoints) = drain::checkpoints(core);
    (ports.with_flight(giver).with_checkpoints(checkpoint_giver), outside, checkpoints)
}

/// What both kinds of run begin with.
struct Parts {
    labels: Labels,
    console: Console<std::io::Stdout>,
    statistics: Statistics,
    recorder: Option<FileRecorder>,
    audit: Audit,
    config_hash: String,
    dumps: Dumps,
    /// In real time.
    book: Option<Book>,
    /// For the recording: what was found of earlier runs.
    news: Vec<String>,
}

impl Parts {
    fn new<P: Program>(
        source: &Source,
        options: &Options,
        realtime: &str,
        core: &mut Core<P>,
    ) -> Result<Self, Error> {
        let machine = &source.machine;
        let labels = Labels::of(machine);
        let config_hash = hex(&machine.hash);
        let info = RunInfo {
            config_hash: config_hash.clone(),
            file_name: source.file_name.clone(),
            file: source.bytes.clone(),
            seed: options.seed,
            realtime: realtime.to_owned(),
            unix_minus_monotonic_ns: (!options.virtual_time).then(unix_minus_monotonic),
            link: options.link.to_string(),
            packed: machine.recording.compression == config::Compression::Lz4,
            state: fields(core),
            run: 0,
            program: program_name::<P>().to_owned(),
        };
        // Before the recording begins: it may have the name of one that nobody ended.
        let Earlier { book, news } = match options.virtual_time {
            true => Earlier::default(),
            false => Earlier::settle(machine, options),
        };
        let info = RunInfo { run: book.as_ref().map_or(0, Book::run), ..info };
        let audit = Audit::open(source, &labels, options)?;
        let recorder = match &options.record {
            Some(path) => Some(FileRecorder::create(path, &labels, &info)?),
            None => None,
        };
        let wraps = machine.plan.axes.iter().map(|axis| axis.wrap.map(|turn| turn.units()));
        let statistics = Statistics::new(wraps.collect());
        let console = Console::new(options.headless);
        let dumps = dumps(source, options, &labels, &config_hash);
        Ok(Self { labels, console, statistics, recorder, audit, config_hash, dumps, book, news })
    }

    /// What every report says of a run.
    fn context(&self, source: &Source, options: &Options) -> Context {
        Context {
            link: options.link.to_string(),
            config_hash: self.config_hash.clone(),
            seed: matches!(options.link, Link::Virtual).then_some(options.seed),
            period_ns: source.machine.plan.period_ns,
            recording: options.record.as_ref().map(|path| path.display().to_string()),
            ..Context::default()
        }
    }

    /// A run that ends before its first cycle: the error takes its report along.
    fn failed(&self, error: Error, context: &Context, ledger: &Ledger) -> Error {
        let report = Report::failed(&error, &self.labels, context, ledger);
        Error { report: Some(Box::new(report)), ..error }
    }
}

/// What earlier runs left unsettled, settled.
#[derive(Default)]
struct Earlier {
    book: Option<Book>,
    news: Vec<String>,
}

impl Earlier {
    /// Closes recordings that nobody ended, counts runs that were killed, and opens the account of this one. None of it stops a run.
    fn settle(machine: &Machine, options: &Options) -> Self {
        let mut news = Vec::new();
        let mut book = None;
        if let Some(state) = &options.state {
            let path = state.join(ledger::name(&machine.name, options.link == Link::Virtual));
            let begun = Book::open(&path).and_then(|mut open| {
                news.extend(open.news());
                open.begin(options.record.as_deref())?;
                Ok(open)
            });
            match begun {
                Ok(open) => book = Some(open),
                Err(wrong) => news.push(format!("no ledger at {}: {wrong}", path.display())),
            }
        }
        let folder = options.record.as_deref().and_then(Path::parent);
        let here = Path::new(".");
        let folder = folder.map(|path| if path.as_os_str().is_empty() { here } else { path });
        for path in
            folder.into_iter().flat_map(|path| recover::unfinished_in(path).unwrap_or_default())
        {
            match recover::close(&path) {
                Ok(recovered) => news.push(recovered.text()),
                Err(wrong) => news.push(format!("{} cannot be closed: {wrong}", path.display())),
            }
        }
        for text in &news {
            tracing::warn!("{text}");
            eprintln!("tactus: {text}");
        }
        Self { book, news }
    }
}

/// From CLOCK_MONOTONIC to the time of the day, ns.
fn unix_minus_monotonic() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let unix = u64::try_from(since.as_nanos()).unwrap_or(u64::MAX);
    unix.saturating_sub(rt_linux::clock::now())
}

/// The flight recorder's dumps: a name of their own for each start in real time, one for each seed in virtual time.
fn dumps(source: &Source, options: &Options, labels: &Labels, config_hash: &str) -> Dumps {
    let period_ns = source.machine.plan.period_ns;
    let (time, began, run) = if options.virtual_time {
        ("virtual", 0, format!("seed-{}", options.seed))
    } else {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        ("real", rt_linux::clock::now(), since.as_secs().to_string())
    };
    let head = flight::file::Head {
        time: time.to_owned(),
        seed: matches!(options.link, Link::Virtual).then_some(options.seed),
        began,
        ..flight::head(labels, config_hash, &options.link.to_string(), period_ns)
    };
    Dumps::new(options.flight.directory.clone(), run, options.flight.bounds, head)
}

/// Lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn direct(recorder: Option<FileRecorder>) -> Recording {
    recorder.map_or(Recording::Off, |recorder| Recording::Direct(Box::new(recorder)))
}
