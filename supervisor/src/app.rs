//! What the command line does: files are read, the run is run, the answers are printed, the exit code is chosen.

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Parser;
use config::{Machine, Style};
use fieldbus::coe::Object;
use rt_linux::run::WatchCalls;
use rt_linux::signal::Shutdown;
use tracing_subscriber::EnvFilter;

use crate::budget;
use crate::cli::{
    AuditArgs, AuditCommand, BudgetArgs, CheckArgs, Cli, Command, DoctorArgs, GuardCalls, Link,
    MatrixArgs, RunArgs, SdoCommand, SimArgs,
};
use crate::doctor::{self, System, Target};
use crate::exit::{Error, ExitCode};
use crate::matrix::{self, Matrix};
use crate::report::{Context, Report};
use crate::run::{self, Options, Source};
use crate::{
    audit, export, flight, forward, latency, ledger, record, replay, report, sdo, sim, tune, twin,
    what_if, zones,
};

/// Width of messages when nobody says how wide the terminal is.
const WIDTH: usize = 100;

/// The whole program: takes the command line, returns the exit code.
#[must_use]
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(wrong) => {
            // Help and version are no errors; a closed terminal has no use for either.
            let _ = wrong.print();
            let code = if wrong.use_stderr() { ExitCode::File } else { ExitCode::Done };
            return code.number();
        }
    };
    log_as_asked();
    let done = match &cli.command {
        Command::Run(arguments) => run_machine(arguments),
        Command::Check(arguments) => check(arguments),
        Command::Schema => {
            print(&config::schema());
            Ok(ExitCode::Done)
        }
        Command::Sdo(arguments) => sdo_transfer(&arguments.command),
        Command::Sim(arguments) => simulate(arguments),
        Command::Doctor(arguments) => examine(arguments),
        Command::Latency(arguments) => latency::command(arguments),
        Command::Tune(arguments) => tune::command(arguments),
        Command::Replay(arguments) => replay::command(arguments),
        Command::Recover(arguments) => record::recover::command(arguments),
        Command::Export(arguments) => export::command(arguments),
        Command::Ledger(arguments) => ledger::command::show(arguments),
        Command::WhatIf(arguments) => what_if::command(arguments),
        Command::Twin(arguments) => twin::command(arguments),
        Command::Trace(arguments) => {
            let mut out = std::io::stdout();
            flight::trace_command(arguments, &mut out)
        }
        Command::Zones(arguments) => zones::command(arguments),
        Command::Matrix(arguments) => matrix(arguments),
        Command::Budget(arguments) => budget(arguments),
        Command::Audit(arguments) => audit_log(arguments),
        Command::Policy(arguments) => forward::command::show_policy(arguments),
        Command::Forward(arguments) => forward::command::forward(&arguments.command),
        Command::Gateway(arguments) => forward::command::be_gateway(arguments),
    };
    match done {
        Ok(code) => code.number(),
        Err(error) => {
            // Text that ends with a line break came with its own layout.
            let text = error.message.trim_end();
            let _ = writeln!(std::io::stderr(), "{text}");
            error.code.number()
        }
    }
}

/// Environment variable that says what is logged to the standard error, for instance `TACTUS_LOG=info`; without it, nothing.
const LOG_VARIABLE: &str = "TACTUS_LOG";

fn log_as_asked() {
    let Ok(filter) = EnvFilter::try_from_env(LOG_VARIABLE) else { return };
    // A second program in the same process (tests) keeps the first one's.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .try_init();
}

/// To the standard output; whoever closed it does not want it.
pub(crate) fn print(text: &str) {
    let mut out = std::io::stdout();
    let _ = out.write_all(text.as_bytes());
    if !text.ends_with('\n') {
        let _ = out.write_all(b"\n");
    }
    let _ = out.flush();
}

fn read(path: &Path) -> Result<(String, Vec<u8>), Error> {
    let bytes = std::fs::read(path).map_err(|source| {
        Error::file(format!(
            "the machine file {} cannot be read: {source}\n  \
             expected a TOML file; config/machines/ holds examples",
            path.display()
        ))
    })?;
    let text = String::from_utf8(bytes.clone()).map_err(|wrong| {
        Error::file(format!(
            "the machine file {} is not UTF-8 text: byte {} cannot be read",
            path.display(),
            wrong.utf8_error().valid_up_to()
        ))
    })?;
    Ok((text, bytes))
}

/// Reads and checks a machine file; warnings go to the standard error.
pub(crate) fn load(path: &Path) -> Result<Source, Error> {
    let (text, bytes) = read(path)?;
    let shown = path.display().to_string();
    let machine = config::load(&text, &shown)
        .map_err(|wrong| Error::file(wrong.render(style(&std::io::stderr()), WIDTH)))?;
    warn(&machine, &shown, &text);
    let file_name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Source { machine, file_name, bytes })
}

fn warn(machine: &Machine, path: &str, text: &str) {
    if !machine.warnings.is_empty() {
        let mut err = std::io::stderr();
        let style = style(&err);
        let shown = config::problem::render(path, text, &machine.warnings, style, WIDTH);
        let _ = err.write_all(shown.as_bytes());
    }
}

fn style(stream: &impl IsTerminal) -> Style {
    if stream.is_terminal() { Style::Colour } else { Style::Plain }
}

fn check(arguments: &CheckArgs) -> Result<ExitCode, Error> {
    let (text, _) = read(&arguments.file)?;
    let path = arguments.file.display().to_string();
    match config::load(&text, &path) {
        Ok(machine) => {
            if arguments.hash {
                print(&format!("0x{:016x}", machine.hash64));
            } else if arguments.json {
                print(&config::problem::json(&path, &machine.warnings));
            } else {
                warn(&machine, &path, &text);
                print(&summary(&path, &machine));
            }
            Ok(ExitCode::Done)
        }
        Err(wrong) if arguments.json => {
            print(&wrong.to_json());
            Ok(ExitCode::File)
        }
        Err(wrong) => Err(Error::file(wrong.render(style(&std::io::stderr()), WIDTH))),
    }
}

/// What a person wants to know of a file that is right.
fn summary(path: &str, machine: &Machine) -> String {
    let plan = &machine.plan;
    let stops = crate::stops::table(machine);
    format!(
        "{path}: right\n  {}: {} devices, {} axes, {} interlocks, {} signals, cycle {}\n  hash {}\n{stops}",
        machine.name,
        machine.bus.subdevices.len(),
        plan.axes.len(),
        plan.interlocks.len(),
        plan.signal_count,
        report::duration(plan.period_ns),
        run::hex(&machine.hash)
    )
}

pub(crate) fn install_signals() -> Result<Shutdown, Error> {
    Shutdown::install().map_err(|source| {
        Error::environment(format!("no handler for Ctrl-C can be installed: {source}"))
    })
}

/// A run, and its report; a run that fails leaves one too.
fn run_machine(arguments: &RunArgs) -> Result<ExitCode, Error> {
    let source = load(&arguments.file).map_err(|error| leave_report(error, arguments, None))?;
    run_source(arguments, &source).map_err(|error| leave_report(error, arguments, Some(&source)))
}

fn run_source(arguments: &RunArgs, source: &Source) -> Result<ExitCode, Error> {
    let options = options(arguments, &source.machine)?;
    let shutdown = install_signals()?;
    rt_linux::signal::on_dump_request(&options.flight.request).map_err(|source| {
        Error::environment(format!("no handler for SIGUSR1 can be installed: {source}"))
    })?;
    tracing::info!(machine = source.machine.name, seed = options.seed, "run begins");
    let report = run::run(source, &options, &shutdown)?;
    tracing::info!(exit_code = report.exit_code, "run ended: {}", report.ended.message);
    write_report(&report, arguments)?;
    if !arguments.json && !arguments.headless {
        print(&report::render(&report));
    }
    if (arguments.json || arguments.headless) && report.code() != ExitCode::Done {
        eprintln!("tactus: {}", report.ended.message);
    }
    Ok(report.code())
}

/// Where it was asked for.
fn write_report(report: &Report, arguments: &RunArgs) -> Result<(), Error> {
    let json = report
        .to_json()
        .map_err(|wrong| Error::environment(format!("the report cannot be written: {wrong}")))?;
    if arguments.json {
        print(&json);
    }
    if let Some(path) = &arguments.report {
        std::fs::write(path, &json).map_err(|source| {
            let path = path.display();
            let message = format!("the report cannot be written to {path}: {source}");
            // There was a report; it only could not be left.
            Error { report: Some(Box::new(report.clone())), ..Error::environment(message) }
        })?;
    }
    Ok(())
}

/// The report of a run that failed: what is known, and how it ended. The error stays what it was.
fn leave_report(mut error: Error, arguments: &RunArgs, source: Option<&Source>) -> Error {
    let report = match error.report.take() {
        // It ran, and writing its report is what failed.
        Some(report) if report.code() != error.code => return error,
        Some(report) => *report,
        None => {
            let machine = source.map(|source| &source.machine);
            run::not_begun(&error, machine, &known(arguments, source))
        }
    };
    if let Err(wrong) = write_report(&report, arguments) {
        error.message = format!("{}\n{}", error.message.trim_end(), wrong.message);
    }
    error
}

/// What command line and machine file say of a run that did not begin.
fn known(arguments: &RunArgs, source: Option<&Source>) -> Context {
    let machine = source.map(|source| &source.machine);
    let link = chosen_link(arguments, machine);
    let bytes = source.map(|source| source.bytes.clone());
    let bytes = bytes.or_else(|| std::fs::read(&arguments.file).ok());
    Context {
        config_hash: bytes
            .map(|bytes| blake3::hash(&bytes).to_hex().to_string())
            .unwrap_or_default(),
        seed: (link == Some(Link::Virtual)).then_some(arguments.seed),
        link: link.map(|link| link.to_string()).unwrap_or_default(),
        period_ns: machine.map_or(0, |machine| machine.plan.period_ns),
        ..Context::default()
    }
}

/// Command line over machine file; `None`: neither says.
fn chosen_link(arguments: &RunArgs, machine: Option<&Machine>) -> Option<Link> {
    match (&arguments.link, arguments.virtual_time) {
        (Some(link), _) => Some(link.clone()),
        (None, true) => Some(Link::Virtual),
        (None, false) => machine.map(configured_link),
    }
}

/// Command line over machine file.
fn options(arguments: &RunArgs, machine: &Machine) -> Result<Options, Error> {
    if let (Some(Link::Raw(interface)), true) = (&arguments.link, arguments.virtual_time) {
        return Err(Error::file(format!(
            "--virtual-time needs the virtual link, and --link says raw:{interface}: \
             real devices have real time; leave one of the two out"
        )));
    }
    let link = chosen_link(arguments, Some(machine)).unwrap_or(Link::Virtual);
    let record = match (&arguments.record, arguments.no_record || !machine.recording.enabled) {
        (Some(path), _) => Some(path.clone()),
        (None, true) => None,
        (None, false) => Some(recording_path(machine, arguments)),
    };
    let vision_socket = arguments.vision_socket.clone().unwrap_or_else(|| match &link {
        // The cameras are in this process too: nobody else needs to find it, and several runs do not meet.
        Link::Virtual => {
            run::default_vision_socket(&format!("{}-{}", machine.name, std::process::id()))
        }
        Link::Raw(_) => run::default_vision_socket(&machine.name),
    });
    let beside = |path: &PathBuf| path.parent().map(Path::to_path_buf);
    let directory = arguments.trace.clone().or_else(|| record.as_ref().and_then(beside));
    Ok(Options {
        flight: flight::Options { directory, ..flight_options(machine) },
        link,
        virtual_time: arguments.virtual_time,
        seed: arguments.seed,
        duration: arguments.for_,
        headless: arguments.headless || arguments.json,
        record,
        capture: arguments.capture.clone(),
        vision_socket,
        state: arguments.state.clone().or_else(|| {
            // Equal runs are equal to the byte: what an earlier one left must not matter.
            (!arguments.virtual_time).then(|| machine.state_directory.clone())
        }),
        home_again: arguments.home_again,
        watch_calls: match arguments.guards {
            None => WatchCalls::No,
            Some(GuardCalls::Count) => WatchCalls::Count,
            Some(GuardCalls::Trap) => WatchCalls::Trap,
        },
        park: arguments.park_supervisor,
    })
}

/// What the machine file says of the flight recorder.
fn flight_options(machine: &Machine) -> flight::Options {
    let settings = &machine.recording.flight;
    let plan =
        rt_core::flight::FlightPlan { before_ns: settings.before_ns, after_ns: settings.after_ns };
    let bounds = flight::Bounds { files: settings.dumps, bytes: flight::DUMPS_BYTES_MAX };
    flight::Options { plan, bounds, ..flight::Options::default() }
}

/// Where the machine file says; a name of its own for each start in real time, one for each seed in virtual time.
fn recording_path(machine: &Machine, arguments: &RunArgs) -> PathBuf {
    let name = match (&machine.recording.file, arguments.virtual_time) {
        (Some(file), _) => file.clone(),
        (None, true) => format!("{}-seed-{}.mcap", machine.name, arguments.seed),
        (None, false) => {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            format!("{}-{}.mcap", machine.name, since.as_secs())
        }
    };
    machine.recording.directory.join(name)
}

fn sdo_transfer(command: &SdoCommand) -> Result<ExitCode, Error> {
    let (asked, value) = match command {
        SdoCommand::Read(object) => (object, None),
        SdoCommand::Write { object, value } => (object, Some(value.clone())),
    };
    let source = load(&asked.file)?;
    let (index, subindex) = asked.object;
    let link = asked.link.clone().unwrap_or_else(|| configured_link(&source.machine));
    let request = sdo::Request {
        device: asked.device.clone(),
        object: Object { index, subindex, complete: asked.complete },
        kind: asked.kind,
        value,
        link,
    };
    let outcome = sdo::run(&source.machine, &request)?;
    print(&if asked.json { outcome.json() } else { outcome.text() });
    Ok(ExitCode::Done)
}

pub(crate) fn configured_link(machine: &Machine) -> Link {
    match &machine.link {
        config::LinkChoice::Virtual => Link::Virtual,
        config::LinkChoice::Raw(interface) => Link::Raw(interface.clone()),
    }
}

fn leave(path: &Path, text: &str) -> Result<(), Error> {
    std::fs::write(path, text).map_err(|source| {
        Error::environment(format!("{} cannot be written: {source}", path.display()))
    })
}

fn matrix(arguments: &MatrixArgs) -> Result<ExitCode, Error> {
    let source = load(&arguments.file)?;
    let matrix = Matrix::of(&source.machine);
    if let Some(path) = &arguments.html {
        leave(path, &matrix::page(&source.machine))?;
    }
    if arguments.json {
        let json = matrix.to_json();
        print(&json.map_err(|wrong| {
            Error::environment(format!("the matrix cannot be written: {wrong}"))
        })?);
    } else if arguments.html.is_none() {
        print(&matrix::render(&matrix));
    }
    Ok(ExitCode::Done)
}

fn budget(arguments: &BudgetArgs) -> Result<ExitCode, Error> {
    let source = load(&arguments.file)?;
    let run = match &arguments.report {
        Some(path) => Some(budget::read(path)?),
        None => None,
    };
    let table = budget::Table::of(&source.machine, run.as_ref());
    if let Some(path) = &arguments.html {
        leave(path, &table.page())?;
    }
    if arguments.json {
        let json = table.to_json();
        print(&json.map_err(|wrong| {
            Error::environment(format!("the budget cannot be written: {wrong}"))
        })?);
    } else if arguments.html.is_none() {
        print(&budget::render(&table));
    }
    Ok(ExitCode::Done)
}

fn audit_log(arguments: &AuditArgs) -> Result<ExitCode, Error> {
    let (text, code) = match &arguments.command {
        AuditCommand::Verify(arguments) => audit::command::verify(arguments)?,
        AuditCommand::Report(arguments) => {
            let page = audit::command::report(arguments)?;
            match &arguments.out {
                Some(path) => {
                    leave(path, &page)?;
                    return Ok(ExitCode::Done);
                }
                None => (page, ExitCode::Done),
            }
        }
        AuditCommand::Key(arguments) => (audit::command::key(arguments)?, ExitCode::Done),
    };
    print(&text);
    Ok(code)
}

fn simulate(arguments: &SimArgs) -> Result<ExitCode, Error> {
    let source = load(&arguments.file)?;
    let vision_socket = arguments
        .vision_socket
        .clone()
        .unwrap_or_else(|| run::default_vision_socket(&source.machine.name));
    let options = sim::Options {
        interface: arguments.iface.clone(),
        seed: arguments.seed,
        duration: arguments.for_,
        json: arguments.json,
        vision_socket,
    };
    let shutdown = install_signals()?;
    sim::run(&source.machine, &options, &shutdown, &mut std::io::stdout())
}

fn examine(arguments: &DoctorArgs) -> Result<ExitCode, Error> {
    let machine = arguments.file.as_deref().map(load).transpose()?.map(|source| source.machine);
    let system = match &arguments.root {
        None => System::here(),
        Some(root) if root.is_dir() => System::below(root),
        Some(root) => {
            return Err(Error::file(format!(
                "{} is not a folder\n  expected the copy of a machine's files: proc/, sys/, ...",
                root.display()
            )));
        }
    };
    let target = Target::new(&system, machine.as_ref(), arguments.iface.as_deref());
    let diagnosis = doctor::examine(&system, &target);
    if arguments.fix {
        print(&doctor::script(&diagnosis));
        return Ok(ExitCode::Done);
    }
    if arguments.json {
        print(&diagnosis.to_json().map_err(|wrong| {
            Error::environment(format!("the diagnosis cannot be written: {wrong}"))
        })?);
    } else {
        print(&doctor::render(&diagnosis, arguments.verbose));
    }
    Ok(diagnosis.code())
}
