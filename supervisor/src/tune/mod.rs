//! `tactus tune FILE`: the shortest period that this machine, bus and configuration sustain with a stated margin.
//!
//! Every trial is a run as `tactus run` has it, with another `[cycle]`. Unless asked otherwise no axis can be enabled in it: no press of
//! a button is ever long enough to count, the virtual operator stays at home, and the report of each trial is searched for power.

mod command;
pub mod search;
mod text;

use rt_core::tape::{Tape, Taped};
use std::path::{Path, PathBuf};
use std::time::Duration;

use config::Machine;
use rt_core::program::{Program, Requests, Sequence, View};
use rt_linux::clock;
use rt_linux::run::WatchCalls;
use rt_linux::signal::Shutdown;
use serde::Serialize;

pub(crate) use command::run as command;
pub use text::{render, snippet};

use crate::cli::Link;
use crate::exit::{Error, ExitCode};
use crate::pressure::{Disturbance, Reading};
use crate::report::{PhaseReport, Report};
use crate::run::{self, Source};
use crate::{flight, report};
use search::{Asked, Bench, Found, Measured, Setting, Took, Trial};

/// Version of the JSON; goes up when a field changes its meaning or goes away.
pub const FORMAT: u32 = 1;

/// What is asked.
#[derive(Clone, Debug)]
pub struct Options {
    /// `None`: what the machine file says.
    pub link: Option<Link>,
    /// Of the virtual cell.
    pub seed: u64,
    /// So much of the period must stay free, %.
    pub margin_percent: u64,
    /// Of each trial.
    pub trial: Duration,
    /// Nothing shorter is tried.
    pub shortest: Duration,
    /// Nothing longer is tried.
    pub longest: Duration,
    /// The machine may be reset and started: axes move.
    pub enable_axes: bool,
    /// Added to each cycle's program: a test of the test.
    pub delay: Duration,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// There is a shortest period, and what limits the next is known.
    Found,
    /// No period that was tried is sustained.
    NothingSustained,
    /// The machine was disturbed, or somebody asked for the end.
    Inconclusive,
}

/// The search, and what it says.
#[derive(Clone, Debug, Serialize)]
pub struct Tuning {
    /// [`FORMAT`].
    pub format: u32,
    /// `tactus` that searched.
    pub version: &'static str,
    /// The machine's name.
    pub machine: String,
    /// `virtual` or `raw:<interface>`.
    pub link: String,
    /// What came of it.
    pub verdict: Verdict,
    /// So much of the period stays free at p99.9, %.
    pub margin_percent: u64,
    /// What the machine file has.
    pub file: Setting,
    /// What was found.
    #[serde(flatten)]
    pub found: Found,
    /// `[cycle]` for the machine file; `null`: nothing is recommended.
    pub snippet: Option<String>,
    /// Axes were allowed to be enabled.
    pub axes_allowed: bool,
    /// Some axis had power in some trial.
    pub axes_had_power: bool,
    /// Pressure, steal, throttling over all of it.
    pub disturbance: Disturbance,
    /// All that real time needs was granted in every trial.
    pub realtime: bool,
    /// What was not.
    pub degraded_reasons: Vec<String>,
}

impl Tuning {
    /// How the process ends.
    #[must_use]
    pub fn code(&self) -> ExitCode {
        match self.verdict {
            Verdict::Found => ExitCode::Done,
            Verdict::NothingSustained => ExitCode::Environment,
            Verdict::Inconclusive => ExitCode::Unknown,
        }
    }

    /// For scripts.
    ///
    /// # Errors
    /// None in practice; the serialiser's type has one.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self).map(|text| text + "\n")
    }
}

/// Searches. `tell` hears of each trial.
///
/// # Errors
/// What the environment refuses every trial; options that exclude each other.
pub fn run(
    source: &Source,
    options: &Options,
    shutdown: &Shutdown,
    tell: &mut dyn FnMut(&str),
) -> Result<Tuning, Error> {
    let cycle = &source.machine.cycle;
    let variants = Variants::new(source)?;
    let file = variants.file(&source.machine);
    let asked = asked(options, file)?;
    let link = options.link.clone().unwrap_or_else(|| crate::app::configured_link(&source.machine));
    let cpu = cycle.cpu.or_else(rt_linux::admission::cpu_default).unwrap_or(0);
    let before = Reading::now(cpu);
    let mut trials = Trials {
        variants,
        options,
        link: link.clone(),
        cpu,
        shutdown,
        tell,
        margin_percent: options.margin_percent,
        had_power: false,
        realtime: true,
        degraded_reasons: Vec::new(),
    };
    let found = search::search(&asked, &mut trials)?;
    let Trials { had_power, realtime, degraded_reasons, .. } = trials;
    Ok(Tuning {
        format: FORMAT,
        version: env!("CARGO_PKG_VERSION"),
        machine: source.machine.name.clone(),
        link: link.to_string(),
        verdict: verdict(&found),
        margin_percent: options.margin_percent,
        file,
        snippet: found.recommended.map(snippet),
        found,
        axes_allowed: options.enable_axes,
        axes_had_power: had_power,
        disturbance: Reading::now(cpu).since(&before),
        realtime,
        degraded_reasons,
    })
}

fn verdict(found: &Found) -> Verdict {
    match (found.interrupted || found.unclear, found.recommended) {
        (true, _) => Verdict::Inconclusive,
        (false, Some(_)) => Verdict::Found,
        (false, None) => Verdict::NothingSustained,
    }
}

fn asked(options: &Options, file: Setting) -> Result<Asked, Error> {
    let ns = |of: Duration| u64::try_from(of.as_nanos()).unwrap_or(u64::MAX);
    let (shortest_ns, longest_ns) = (ns(options.shortest), ns(options.longest));
    if shortest_ns > longest_ns {
        return Err(Error::file(format!(
            "--shortest is longer than --longest\n  expected at most {}\n  found {}",
            report::duration(longest_ns),
            report::duration(shortest_ns)
        )));
    }
    Ok(Asked { file, margin_percent: options.margin_percent, shortest_ns, longest_ns })
}

/// The machine file with other settings.
struct Variants {
    table: toml::Table,
    file_name: String,
}

impl Variants {
    fn new(source: &Source) -> Result<Self, Error> {
        let text = String::from_utf8_lossy(&source.bytes);
        let table = text
            .parse::<toml::Table>()
            .map_err(|wrong| Error::file(format!("{}: {wrong}", source.file_name)))?;
        Ok(Self { table, file_name: source.file_name.clone() })
    }

    /// What the file has.
    fn file(&self, machine: &Machine) -> Setting {
        let said = self.table.get("bus").and_then(|bus| bus.get("dc")?.get("frame_before_sync0"));
        let dc = machine.bus.dc.as_ref().filter(|_| said.is_some());
        Setting {
            period_ns: machine.cycle.period_ns,
            spin_ns: machine.cycle.spin_ns,
            receive_deadline_ns: machine.cycle.receive_deadline_ns,
            frame_before_sync0_ns: dc.map(|dc| dc.frame_before_sync0_ns),
        }
    }

    /// The machine with this setting, as its file would have it; `Err`: what its checks say.
    fn machine(&self, setting: Setting) -> Result<Source, String> {
        let mut table = self.table.clone();
        let put = |table: Option<&mut toml::Value>, key: &str, ns: u64| {
            let table = table.and_then(toml::Value::as_table_mut);
            let table = table.ok_or("the machine file lacks the section of a setting")?;
            table.insert(key.to_owned(), toml::Value::String(format!("{ns} ns")));
            Ok::<(), String>(())
        };
        put(table.get_mut("cycle"), "period", setting.period_ns)?;
        put(table.get_mut("cycle"), "receive_deadline", setting.receive_deadline_ns)?;
        put(table.get_mut("cycle"), "spin", setting.spin_ns)?;
        if let Some(ns) = setting.frame_before_sync0_ns {
            let dc = table.get_mut("bus").and_then(|bus| bus.get_mut("dc"));
            put(dc, "frame_before_sync0", ns)?;
        }
        let text = toml::to_string(&table).map_err(|wrong| wrong.to_string())?;
        let machine = config::load(&text, &self.file_name).map_err(|wrong| {
            let problem = wrong.problems().iter().find(|it| it.severity == config::Severity::Error);
            problem.map_or_else(
                || "the machine file is wrong".to_owned(),
                |it| format!("{}: expected {}, found {}", it.message, it.expected, it.found),
            )
        })?;
        Ok(Source { machine, file_name: self.file_name.clone(), bytes: text.into_bytes() })
    }
}

/// Nobody and nothing can start it: no press is long enough to be one, and the virtual operator is not there.
fn disarm(machine: &mut Machine) {
    machine.plan.control.press_min_ns = u64::MAX;
    machine.virtual_cell.rules.clear();
    machine.virtual_cell.events.clear();
}

/// Runs the machine.
struct Trials<'a> {
    variants: Variants,
    options: &'a Options,
    link: Link,
    cpu: usize,
    shutdown: &'a Shutdown,
    tell: &'a mut dyn FnMut(&str),
    margin_percent: u64,
    had_power: bool,
    realtime: bool,
    degraded_reasons: Vec<String>,
}

impl Bench for Trials<'_> {
    type Error = Error;

    fn allows(&self, setting: Setting) -> Result<(), String> {
        self.variants.machine(setting).map(drop)
    }

    fn measure(&mut self, setting: Setting) -> Result<Option<Measured>, Error> {
        if self.shutdown.requested() {
            return Ok(None);
        }
        let mut source = self.variants.machine(setting).map_err(Error::file)?;
        if !self.options.enable_axes {
            disarm(&mut source.machine);
        }
        let before = Reading::now(self.cpu);
        let ended = self.trial(&source);
        let unquiet = Reading::now(self.cpu).since(&before).unquiet(false);
        let report = match ended {
            Ok(report) => report,
            // The devices do not take it: a shorter period may be what they refuse.
            Err(error) if error.code == ExitCode::Bus => {
                let refused = Some(first_line(&error.message));
                return Ok(Some(Measured { refused, unquiet, ..Measured::default() }));
            }
            Err(error) => return Err(error),
        };
        if self.shutdown.requested() {
            return Ok(None);
        }
        self.note(&report)?;
        Ok(Some(Measured { unquiet, ..measured(&report) }))
    }

    fn tell(&mut self, trial: &Trial) {
        (self.tell)(&text::progress(trial, self.margin_percent));
    }
}

impl Trials<'_> {
    fn trial(&self, source: &Source) -> Result<Report, Error> {
        let socket = format!("{}-tune-{}", source.machine.name, std::process::id());
        let options = run::Options {
            link: self.link.clone(),
            virtual_time: false,
            seed: self.options.seed,
            duration: Some(self.options.trial),
            headless: true,
            record: None,
            capture: None,
            vision_socket: run::default_vision_socket(&socket),
            flight: flight::Options::default(),
            state: None,
            home_again: false,
            watch_calls: WatchCalls::No,
            park: None,
        };
        let program = Slow {
            program: Sequence::new(&source.machine.plan),
            delay_ns: u64::try_from(self.options.delay.as_nanos()).unwrap_or(u64::MAX),
        };
        run::run_program(source, &options, self.shutdown, program)
    }

    /// What a trial says besides its times.
    fn note(&mut self, report: &Report) -> Result<(), Error> {
        let powered = report.axes.iter().find(|axis| axis.powered);
        self.had_power |= powered.is_some();
        if let Some(axis) = powered.filter(|_| !self.options.enable_axes) {
            return Err(Error {
                code: ExitCode::SafetyStop,
                message: format!(
                    "axis {} had power although nobody allowed it: this is a fault of tactus, or \
                     another MainDevice is on the bus; nothing more is tried",
                    axis.name
                ),
                report: None,
            });
        }
        if report.realtime.as_deref() != Some("strict") {
            self.realtime = false;
            self.degraded_reasons.clone_from(&report.degraded_reasons);
        }
        Ok(())
    }
}

/// From the report of a trial.
fn measured(report: &Report) -> Measured {
    let phases = report.phases_ns.as_deref().unwrap_or_default();
    let of = |names: &[&str]| {
        let parts = phases.iter().filter(|phase| names.contains(&phase.phase));
        parts.fold(Took::default(), |sum, part: &PhaseReport| Took {
            p50: sum.p50.saturating_add(part.p50),
            p999: sum.p999.saturating_add(part.p999),
            max: sum.max.saturating_add(part.max),
        })
    };
    Measured {
        cycles: report.cycles,
        overruns: report.overruns,
        frames_missed: report.frames.late.saturating_add(report.frames.lost),
        wake_up: of(&["latency"]),
        execution: of(&["total"]),
        exchange: of(&["send", "receive"]),
        step: of(&["decode", "twin", "interlock", "program", "gate", "records"]),
        publish: of(&["encode", "publish"]),
        unquiet: Vec::new(),
        refused: (report.ended.reason == "bus").then(|| first_line(&report.ended.message)),
    }
}

fn first_line(message: &str) -> String {
    message.lines().next().unwrap_or_default().to_owned()
}

/// A program that takes longer: a test of the test.
struct Slow<P> {
    program: P,
    delay_ns: u64,
}

impl<P: Program> Taped for Slow<P> {
    fn tape<T: Tape>(&mut self, tape: &mut T) {
        self.program.tape(tape);
    }
}

impl<P: Program> Program for Slow<P> {
    fn cycle(&mut self, view: View<'_>, requests: &mut dyn Requests) {
        if self.delay_ns > 0 {
            let until = clock::now().saturating_add(self.delay_ns);
            while clock::now() < until {
                std::hint::spin_loop();
            }
        }
        self.program.cycle(view, requests);
    }

    fn position(&self) -> u16 {
        self.program.position()
    }

    fn fault(&self) -> Option<u16> {
        self.program.fault()
    }

    fn strand(&self, number: u8) -> Option<u16> {
        self.program.strand(number)
    }
}

/// Writes the recommendation.
///
/// # Errors
/// The disk.
pub fn write_snippet(tuning: &Tuning, path: &Path) -> Result<Option<PathBuf>, Error> {
    let Some(snippet) = &tuning.snippet else { return Ok(None) };
    std::fs::write(path, snippet).map_err(|wrong| {
        let path = path.display();
        Error::environment(format!("the recommendation cannot be written to {path}: {wrong}"))
    })?;
    Ok(Some(path.to_path_buf()))
}

#[cfg(test)]
mod tests;
