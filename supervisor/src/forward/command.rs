//! `tactus policy`, `tactus forward` and `tactus gateway`.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use queue::Store;
use serde_json::json;

use super::{policy, thread};
use crate::app::{load, print};
use crate::cli::{ForwardAt, ForwardCommand, GatewayArgs, Link, PolicyArgs};
use crate::exit::{Error, ExitCode};

/// `tactus policy`.
///
/// # Errors
/// The file is wrong.
pub fn show_policy(arguments: &PolicyArgs) -> Result<ExitCode, Error> {
    let source = load(&arguments.file)?;
    if arguments.names {
        print(&policy::names(&source.machine));
    } else if arguments.json {
        print(&format!("{:#}", policy::json(&source.machine)));
    } else {
        print(&policy::text(&source.machine));
    }
    Ok(ExitCode::Done)
}

/// `tactus gateway`: for `tactus run`, which starts it.
///
/// # Errors
/// Whoever started it is gone, or it may do more than it should.
#[cfg(feature = "gateway")]
pub fn be_gateway(arguments: &GatewayArgs) -> Result<ExitCode, Error> {
    let options = gateway::Options {
        socket: arguments.socket.clone(),
        confine: gateway::confine::Confine {
            user: arguments.user.clone(),
            memory_bytes: arguments.memory,
            parent: arguments.parent,
        },
    };
    gateway::run(&options).map_err(Error::environment)?;
    Ok(ExitCode::Done)
}

/// `tactus gateway`, in a build without it.
///
/// # Errors
/// Always.
#[cfg(not(feature = "gateway"))]
pub fn be_gateway(_: &GatewayArgs) -> Result<ExitCode, Error> {
    Err(Error::environment("this tactus was built without the feature `gateway`"))
}

/// `tactus forward`.
///
/// # Errors
/// The file is wrong, or the queue cannot be opened: a run has it.
pub fn forward(command: &ForwardCommand) -> Result<ExitCode, Error> {
    match command {
        ForwardCommand::Status { at, json } => status(at, *json),
        ForwardCommand::Drain { at, for_ } => drain(at, for_.unwrap_or(Duration::from_secs(60))),
        ForwardCommand::Replay { at, sink, from } => replay(at, sink, *from),
    }
}

fn open(at: &ForwardAt) -> Result<(Store, crate::run::Source, PathBuf), Error> {
    let source = load(&at.file)?;
    let directory = directory(at, &source);
    if !directory.join("queue.sqlite").exists() {
        return Err(Error::environment(format!(
            "there is no queue in {}: nothing was exported yet, or --state or --link name another",
            directory.display()
        )));
    }
    let store = thread::open(&directory, &source.machine.forwarding)
        .map_err(|wrong| Error::environment(wrong.to_string()))?;
    Ok((store, source, directory))
}

fn directory(at: &ForwardAt, source: &crate::run::Source) -> PathBuf {
    let machine = &source.machine;
    let state = at.state.clone().unwrap_or_else(|| machine.state_directory.clone());
    let link = at.link.clone().unwrap_or_else(|| crate::app::configured_link(machine));
    super::directory(machine, &state, link == Link::Virtual)
}

fn status(at: &ForwardAt, as_json: bool) -> Result<ExitCode, Error> {
    let (store, _, directory) = open(at)?;
    let broken = |wrong: queue::StoreError| Error::environment(wrong.to_string());
    let lost = store.lost(64).map_err(broken)?;
    let checked = store.check();
    let balanced = checked.is_ok();
    let lanes = match checked {
        Ok(lanes) => lanes,
        Err(queue::StoreError::Refused(why)) => {
            return Err(Error::environment(format!(
                "the accounts of the queue in {} do not hold: {why}: this is a fault of tactus",
                directory.display()
            )));
        }
        Err(wrong) => return Err(broken(wrong)),
    };
    if as_json {
        let status = json!({
            "directory": directory.display().to_string(), "queue": store.identity(),
            "balanced": balanced, "bytes": store.bytes(), "lanes": lanes, "lost": lost,
        });
        print(&format!("{status:#}"));
        return Ok(ExitCode::Done);
    }
    let mut out = format!(
        "{}: queue {}, {} bytes of records; produced = acked + queued + lost in every lane\n",
        directory.display(),
        store.identity(),
        store.bytes()
    );
    for lane in &lanes {
        out.push_str(&format!(
            "  {:<16} {:<10} produced {:>10}  acked {:>10}  queued {:>10}  lost {:>8}\n",
            lane.sink, lane.class, lane.produced, lane.acked, lane.queued, lane.lost
        ));
    }
    for range in &lost {
        out.push_str(&format!(
            "  lost: {}/{} {} to {}: {}\n",
            range.sink, range.class, range.first, range.last, range.reason
        ));
    }
    print(&out);
    Ok(ExitCode::Done)
}

fn drain(at: &ForwardAt, time: Duration) -> Result<ExitCode, Error> {
    let source = load(&at.file)?;
    let directory = directory(at, &source);
    let program = super::this_program()
        .ok_or_else(|| Error::environment("this program does not find itself"))?;
    let report = super::drain(&source.machine, &directory, program, time)
        .map_err(Error::environment)?
        .ok_or_else(|| Error::environment("there is no queue"))?;
    let left: u64 = report.queue.lanes.iter().map(|lane| lane.queued).sum();
    print(&serde_json::to_string_pretty(&report).unwrap_or_default());
    match left {
        0 => Ok(ExitCode::Done),
        _ => Err(Error::environment(format!(
            "{left} records still wait: the sink did not take them; see `sinks` above"
        ))),
    }
}

fn replay(at: &ForwardAt, sink: &str, from: Duration) -> Result<ExitCode, Error> {
    let (mut store, source, _) = open(at)?;
    if !source.machine.forwarding.sinks.iter().any(|it| it.name == sink) {
        return Err(Error::file(format!("{} has no sink `{sink}`", at.file.display())));
    }
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let wall = u64::try_from(now.saturating_sub(from).as_nanos()).unwrap_or(0);
    let again = store.replay(sink, wall).map_err(|wrong| Error::environment(wrong.to_string()))?;
    print(&format!(
        "{again} records are sent to {sink} again, as far as it does not have them: with the next `tactus run`, or with `tactus forward drain`"
    ));
    Ok(ExitCode::Done)
}
