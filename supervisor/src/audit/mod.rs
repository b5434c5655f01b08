//! The audit log: what an auditor asks for, in a chain that shows whether it was touched (docs/audit-log.md).
//!
//! Records are made where the loop's events are drained, and written off the real-time thread. A log that cannot be written stops
//! nothing: the machine runs on, people are told, and the gap becomes a record as soon as there is a disk for it.

pub mod command;
pub mod files;
pub mod key;
pub mod line;
mod origin;
mod parameters;
pub mod report;
pub mod scribe;
mod text;
mod thread;
pub mod verify;
pub mod writer;

use std::path::{Path, PathBuf};

use rt_core::record::{Event, Record};
use serde::Serialize;

use crate::cli::Link;
use crate::exit::Error;
use crate::forward::Knock;
use crate::labels::Labels;
use crate::record::Stored;
use crate::run::{Options, Source, hex};
use crate::stats::Statistics;
use key::Key;
use line::{Fields, Stamp};
use scribe::Scribe;
use thread::AuditThread;
use writer::{Bounds, Owner, Writer, Written};

/// Between looks at what else is to be recorded, ns of the loop.
const LOOK_NS: u64 = 1_000_000_000;

/// What the report says of the log.
#[derive(Clone, Debug, Serialize)]
pub struct AuditReport {
    /// Where it is.
    pub directory: String,
    /// Public key of its signatures.
    pub key: String,
    /// What became of its records.
    #[serde(flatten)]
    pub written: Written,
}

/// Where a machine's log is below its state directory.
#[must_use]
pub fn directory(state: &Path, machine: &str, link: &Link) -> PathBuf {
    let name = match link {
        Link::Raw(_) => machine.to_owned(),
        Link::Virtual => format!("{machine}.virtual"),
    };
    state.join("audit").join(name)
}

enum Out {
    Here(Box<Writer>),
    Beside(AuditThread),
}

struct Log {
    scribe: Scribe,
    out: Out,
    directory: String,
    key: String,
    dropped: u64,
    recording_failed: bool,
    looked_at: u64,
    news: Vec<String>,
}

/// The audit log of a run; off when nothing outlives it.
#[derive(Default)]
pub struct Audit(Option<Box<Log>>);

impl Audit {
    /// No log.
    #[must_use]
    pub fn off() -> Self {
        Self(None)
    }

    /// The log of this run, with its start recorded; off if nothing outlives the run.
    ///
    /// # Errors
    /// The device's key is not to be trusted. (A disk that refuses is no error: the machine runs on, and people are told.)
    pub fn open(source: &Source, labels: &Labels, options: &Options) -> Result<Self, Error> {
        let Some(state) = &options.state else { return Ok(Self::off()) };
        let machine = &source.machine;
        let directory = directory(state, &machine.name, &options.link);
        let mut news = Vec::new();
        let key = if options.virtual_time {
            Key::virtual_time()
        } else {
            match Key::of_device(state)? {
                Ok(key) => key,
                Err(source) => {
                    let path = state.join(key::FILE_NAME);
                    eprintln!(
                        "tactus: there is NO AUDIT LOG: no key in {}: {source}",
                        path.display()
                    );
                    return Ok(Self::off());
                }
            }
        };
        let owner = Owner {
            machine: machine.name.clone(),
            config: hex(&machine.hash),
            virtual_time: options.virtual_time,
        };
        let public = key.public();
        let scribe = Scribe::new(labels.clone(), options.virtual_time);
        let mut writer = Writer::new(directory.clone(), owner, key, Bounds::default());
        let mono = if options.virtual_time { 0 } else { rt_linux::clock::now() };
        begin(&mut writer, &scribe, (mono, &directory), source, options);
        news.extend(writer.news());
        let directory = directory.display().to_string();
        let out = if options.virtual_time {
            Out::Here(Box::new(writer))
        } else {
            let thread = AuditThread::spawn(writer, directory.clone()).map_err(|source| {
                Error::environment(format!("no thread for the audit log: {source}"))
            })?;
            Out::Beside(thread)
        };
        Ok(Self(Some(Box::new(Log {
            scribe,
            out,
            directory,
            key: public,
            dropped: 0,
            recording_failed: false,
            looked_at: 0,
            news,
        }))))
    }

    /// An event of the loop.
    pub fn event(&mut self, record: &Record, event: &Event) {
        let Some(log) = &mut self.0 else { return };
        if let Some(entry) = log.scribe.event(record.cycle, record.now, event) {
            log.take(entry);
        }
    }

    /// A remark of the supervisor.
    pub fn note(&mut self, mono: u64, text: &str) {
        let Some(log) = &mut self.0 else { return };
        let entry = log.scribe.entry("note", mono, Fields::default().text("text", text));
        log.take(entry);
    }

    /// Somebody outside asked something of the run.
    pub fn command(&mut self, mono: u64, what: &str, sender: rt_linux::signal::Sender) {
        let Some(log) = &mut self.0 else { return };
        let from = if sender.pid == 0 { "terminal" } else { "signal" };
        let fields = Fields::default().text("command", what).text("interface", from);
        let fields = origin::process(fields, sender.pid, sender.uid);
        let entry = log.scribe.entry("command", mono, fields);
        log.take(entry);
    }

    /// Somebody came to the gateway's socket.
    pub fn knock(&mut self, mono: u64, knock: &Knock) {
        let Some(log) = &mut self.0 else { return };
        let kind = if knock.let_in { "login" } else { "login_refused" };
        let fields = Fields::default().text("interface", "gateway socket");
        let entry = log.scribe.entry(kind, mono, origin::process(fields, knock.pid, knock.uid));
        log.take(entry);
    }

    /// Every round: what was lost before it came here, and what became of the recording.
    pub fn look(&mut self, now: u64, dropped: u64, stored: impl Fn() -> Stored) {
        let Some(log) = &mut self.0 else { return };
        if dropped > log.dropped {
            let fields = Fields::default()
                .value("lost", dropped - log.dropped)
                .value("lost_total", dropped)
                .text("why", "the stream from the loop was full: events may be among them");
            log.dropped = dropped;
            let entry = log.scribe.entry("records_lost", now, fields);
            log.take(entry);
        }
        if now.saturating_sub(log.looked_at) < LOOK_NS {
            return;
        }
        log.looked_at = now;
        let fault = if log.recording_failed { None } else { stored().fault };
        if let Some(fault) = fault {
            log.recording_failed = true;
            let entry =
                log.scribe.entry("recording_failed", now, Fields::default().text("why", &fault));
            log.take(entry);
        }
        if let Some(entry) = log.scribe.held_back(now, false) {
            log.take(entry);
        }
        let stamp = log.scribe.stamp(now);
        match &mut log.out {
            Out::Here(writer) => {
                writer.flush(stamp);
                log.news.extend(writer.news());
            }
            Out::Beside(thread) => log.news.extend(thread.news()),
        }
    }

    /// Faults that people have not been told yet.
    pub fn news(&mut self) -> Vec<String> {
        let news = self.0.as_mut().map(|log| std::mem::take(&mut log.news)).unwrap_or_default();
        let tell = |fault| format!("THE AUDIT LOG IS NOT WRITTEN, the machine runs on: {fault}");
        news.into_iter().map(tell).collect()
    }

    /// The run is over: its end is recorded, signed, and on the disk.
    pub fn finish(&mut self, statistics: &Statistics) -> Option<AuditReport> {
        let mut log = self.0.take()?;
        let now = statistics.now;
        if let Some(entry) = log.scribe.held_back(now, true) {
            log.take(entry);
        }
        let entry = log.scribe.shutdown(statistics);
        let stamp = entry.stamp;
        log.take(entry);
        let written = match &mut log.out {
            Out::Here(writer) => {
                writer.finish(stamp);
                writer.written().clone()
            }
            Out::Beside(thread) => thread.finish(),
        };
        Some(AuditReport { directory: log.directory, key: log.key, written })
    }
}

impl Log {
    fn take(&mut self, entry: line::Entry) {
        match &mut self.out {
            Out::Here(writer) => writer.take(entry),
            Out::Beside(thread) => thread.take(entry),
        }
    }
}

/// Finds the log's end and records the start.
fn begin(
    writer: &mut Writer,
    scribe: &Scribe,
    (mono, directory): (u64, &Path),
    source: &Source,
    options: &Options,
) {
    let stamp: Stamp = scribe.stamp(mono);
    let tail = writer.begin(stamp).ok();
    // Virtual time knows no person.
    if !options.virtual_time {
        let fields = Fields::default().text("interface", "command line");
        writer.take(scribe.entry("login", mono, origin::own(fields)));
    }
    let config = hex(&source.machine.hash);
    let before = tail.as_ref().and_then(|tail| tail.config.clone());
    if let Some(before) = before.filter(|before| *before != config) {
        let fields = Fields::default().text("from", &before).text("to", &config);
        writer.take(scribe.entry("configuration_changed", mono, fields));
        // SR-082
        for fields in parameters::changes(directory, &before, &source.bytes) {
            writer.take(scribe.entry("parameter", mono, fields));
        }
    }
    if let Err(wrong) = parameters::keep(directory, &config, &source.bytes) {
        let text = format!("no copy of the machine file could be kept: {wrong}");
        writer.take(scribe.entry("note", mono, Fields::default().text("text", &text)));
    }
    let previous = match tail.and_then(|tail| tail.in_order) {
        None => "none",
        Some(true) => "in_order",
        Some(false) => "not_in_order",
    };
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok();
    let boot = boot.filter(|_| !options.virtual_time);
    let fields = Fields::default()
        .text("program", concat!("tactus ", env!("CARGO_PKG_VERSION")))
        .text("config", &config)
        .text("machine_file", &source.file_name)
        .text("machine", &source.machine.name)
        .text("link", &options.link.to_string())
        .value("period_ns", source.machine.plan.period_ns)
        .text("time", if options.virtual_time { "virtual" } else { "real" })
        .value("seed", (options.link == Link::Virtual).then_some(options.seed))
        .maybe("boot", boot.as_deref().map(str::trim))
        .text("previous_run", previous);
    writer.take(scribe.entry("start_up", mono, fields));
}
