//! The gateway, from outside: started, heard, and started again. It can be killed, stopped, send garbage or run out of memory.

use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use config::forward::{Forwarding, SinkKind};
use crossbeam::channel::{Sender, bounded};
use nix::sys::socket::{getsockopt, sockopt};
use queue::store::Lane;
use queue::wire::{self, SinkSpec, SinkState, Sparkplug, ToGateway, ToOwner, WireError};
use queue::{Class, LaneId};
use serde::Serialize;

use super::sparkplug::next_session;
use super::thread::{Ask, Shared};

/// Between two starts: at first, and at most.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));
/// It has so long to come to the socket.
const FIRST: Duration = Duration::from_secs(10);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(10);
/// The queue has so long to answer: a disk may stall.
const DISK: Duration = Duration::from_secs(30);

/// How the gateway is, for report and status.
#[derive(Clone, Debug, Default, Serialize)]
pub struct GatewayState {
    /// Its process; `null`: there is none now.
    pub pid: Option<u32>,
    /// Times that it was started.
    pub starts: u64,
    /// Why it had to be started again, the last time.
    pub fault: Option<String>,
    /// Connections of other processes to its socket, and frames that were none.
    pub refused: u64,
    /// Its sinks, as it said last.
    pub sinks: Vec<SinkState>,
    /// Who came to its socket since somebody looked; at most [`KNOCKS_MAX`].
    #[serde(skip)]
    pub knocks: Vec<Knock>,
}

/// A process that came to the gateway's socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Knock {
    /// Its process.
    pub pid: u32,
    /// Its user.
    pub uid: u32,
    /// It is the gateway that we started.
    pub let_in: bool,
}

/// Who comes more often between two looks is only counted.
const KNOCKS_MAX: usize = 32;

/// What starts the gateway.
#[derive(Clone, Debug)]
pub struct Program {
    /// A tactus.
    pub path: PathBuf,
}

pub(super) struct Watcher {
    pub(super) program: Program,
    pub(super) socket: PathBuf,
    pub(super) machine: String,
    /// Where the queue is.
    pub(super) directory: PathBuf,
    /// What each sink needs, if it is an edge node.
    pub(super) sparkplug: Vec<Option<Sparkplug>>,
    pub(super) forwarding: Forwarding,
    pub(super) asks: Sender<Ask>,
    pub(super) shared: Arc<Shared>,
    pub(super) state: Arc<std::sync::Mutex<GatewayState>>,
}

impl Watcher {
    /// Until it is told to stop.
    pub(super) fn run(self) {
        let mut wait = BACK_OFF.0;
        while !self.stopping() {
            if self.shared.ready.lock().is_ok_and(|ready| ready.is_none()) {
                // Nothing to serve before the queue is open.
                std::thread::sleep(LOOK);
                continue;
            }
            let began = Instant::now();
            let why = self.life();
            if self.stopping() {
                break;
            }
            tracing::warn!("the gateway is started again: {why}");
            self.note(|state| {
                state.pid = None;
                state.fault = Some(why);
                state.sinks.iter_mut().for_each(|sink| sink.connected = false);
            });
            wait = if began.elapsed() > BACK_OFF.1 { BACK_OFF.0 } else { wait };
            let until = Instant::now() + wait;
            while Instant::now() < until && !self.stopping() {
                std::thread::sleep(LOOK);
            }
            wait = (wait * 2).min(BACK_OFF.1);
        }
        let _ = std::fs::remove_file(&self.socket);
    }

    fn stopping(&self) -> bool {
        self.shared.stop.load(Ordering::Acquire)
    }

    fn note(&self, change: impl FnOnce(&mut GatewayState)) {
        change(&mut self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
    }

    /// One gateway, from its start to its end: why it ended.
    fn life(&self) -> String {
        let listener = match listen(&self.socket) {
            Ok(listener) => listener,
            Err(source) => return format!("no socket at {}: {source}", self.socket.display()),
        };
        let mut child = match self.start() {
            Ok(child) => child,
            Err(source) => {
                return format!("{} cannot be started: {source}", self.program.path.display());
            }
        };
        self.note(|state| {
            state.starts += 1;
            state.pid = Some(child.id());
        });
        let why = self.heard(&listener, &mut child);
        // Stopped, out of its mind or gone: this ends it in every case.
        let _ = child.kill();
        let status = child.wait().map(|status| status.to_string()).unwrap_or_default();
        format!("{why} ({status})")
    }

    /// Without anything between fork and exec, so that the kernel need not copy this process, whose memory is locked.
    fn start(&self) -> std::io::Result<Child> {
        let settings = &self.forwarding.gateway;
        Command::new(&self.program.path)
            .arg("gateway")
            .arg("--socket")
            .arg(&self.socket)
            .args(["--user", &settings.user])
            .args(["--memory", &settings.memory_bytes.to_string()])
            .args(["--parent", &std::process::id().to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
    }

    fn heard(&self, listener: &UnixListener, child: &mut Child) -> String {
        let until = Instant::now() + FIRST;
        let mut stream = loop {
            if self.stopping() {
                return "the run ends".to_owned();
            }
            if let Ok(Some(_)) = child.try_wait() {
                return "it ended before it said anything".to_owned();
            }
            if let Ok((stream, _)) = listener.accept()
                && self.let_in(&stream, child.id())
            {
                break stream;
            }
            if Instant::now() > until {
                return "it did not come to its socket".to_owned();
            }
            std::thread::sleep(LOOK);
        };
        match self.serve(&mut stream, listener, child.id()) {
            Ok(()) => "the run ends".to_owned(),
            Err(WireError::Garbage(what)) => {
                self.note(|state| state.refused += 1);
                format!("it sent what it must not: {what}")
            }
            Err(WireError::Io(source)) => match source.kind() {
                std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut => {
                    "it was silent for too long".to_owned()
                }
                _ => format!("it hung up: {source}"),
            },
        }
    }

    /// Nobody is let in but the process that we started.
    fn let_in(&self, stream: &UnixStream, pid: u32) -> bool {
        let mut known = false;
        self.note(|state| {
            state.knock(stream, Some(pid));
            known = state.knocks.last().is_some_and(|knock| knock.let_in);
        });
        known
    }

    /// Answers what it asks.
    fn serve(
        &self,
        stream: &mut UnixStream,
        listener: &UnixListener,
        pid: u32,
    ) -> Result<(), WireError> {
        let heartbeat = Duration::from_nanos(self.forwarding.gateway.heartbeat_ns);
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(heartbeat))?;
        stream.set_write_timeout(Some(heartbeat))?;
        while !self.stopping() {
            // Nobody else has business here.
            while let Ok((other, _)) = listener.accept() {
                self.note(|state| state.knock(&other, None));
                drop(other);
            }
            let answer = match wire::receive::<ToOwner>(stream)? {
                ToOwner::Hello { pid: said } if said == pid => self.welcome(heartbeat),
                ToOwner::Hello { pid: said } => {
                    return Err(WireError::Garbage(format!("it calls itself {said}")));
                }
                ToOwner::Pull { lane, after, records_max } => {
                    let (answer, hear) = bounded(1);
                    let ask = Ask::Pull { lane: LaneId(lane), after, records_max, answer };
                    let records = self.ask(ask, &hear)?;
                    ToGateway::Records { lane, records }
                }
                ToOwner::Ack { lane, up_to } => {
                    let (answer, hear) = bounded(1);
                    match self.ask(Ask::Ack { lane: LaneId(lane), up_to, answer }, &hear)? {
                        Ok(()) => ToGateway::Acked { lane },
                        Err(why) => ToGateway::Refused { lane, why },
                    }
                }
                ToOwner::Heartbeat { sinks } => {
                    self.note(|state| state.sinks = sinks);
                    ToGateway::Heartbeat
                }
                ToOwner::Birth { sink } => self.birth(&sink)?,
            };
            wire::send(stream, &answer)?;
        }
        Ok(())
    }

    fn birth(&self, sink: &str) -> Result<ToGateway, WireError> {
        if self.forwarding.sinks.iter().all(|known| known.name != sink) {
            return Err(WireError::Garbage(format!("it asks for a birth of {sink}")));
        }
        Ok(match next_session(&self.directory, sink) {
            Ok(number) => ToGateway::Birth { number },
            Err(source) => ToGateway::NoBirth { why: source.to_string() },
        })
    }

    fn ask<T>(&self, ask: Ask, hear: &crossbeam::channel::Receiver<T>) -> Result<T, WireError> {
        let gone = |_| WireError::Io(std::io::Error::other("the queue does not answer"));
        self.asks.send_timeout(ask, DISK).map_err(|_| gone(()))?;
        hear.recv_timeout(DISK).map_err(|_| gone(()))
    }

    fn welcome(&self, heartbeat: Duration) -> ToGateway {
        let queue = self.shared.state().queue.clone();
        let lanes = self.shared.ready.lock().ok();
        let lanes =
            lanes.as_ref().and_then(|ready| ready.as_ref()).map(super::thread::Ready::lanes);
        let lanes = lanes.unwrap_or_default();
        let text = |path: &Path| path.display().to_string();
        let sinks = self.forwarding.sinks.iter().zip(&self.sparkplug);
        let sinks = sinks.map(|(sink, sparkplug)| SinkSpec {
            sparkplug: sparkplug.clone(),
            name: sink.name.clone(),
            kind: match sink.kind {
                SinkKind::Nats => "nats".to_owned(),
                SinkKind::Mqtt => "mqtt".to_owned(),
            },
            address: sink.address.clone(),
            prefix: sink.prefix.clone(),
            stream: sink.stream.clone(),
            tls: sink
                .tls
                .as_ref()
                .map(|tls| [text(&tls.ca), text(&tls.certificate), text(&tls.key)]),
            rate_max: sink.catch_up_rate,
            lanes: of_sink(&lanes, &sink.name),
        });
        ToGateway::Welcome {
            queue,
            machine: self.machine.clone(),
            sinks: sinks.collect(),
            heartbeat_ms: u64::try_from(heartbeat.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

/// Safety first.
fn of_sink(lanes: &[Lane], sink: &str) -> Vec<Lane> {
    let of_class =
        |class: Class| lanes.iter().filter(move |it| it.sink == sink && it.class == class);
    Class::ALL.into_iter().flat_map(of_class).cloned().collect()
}

impl GatewayState {
    /// Somebody is at the socket; `expected`: who has business there.
    fn knock(&mut self, stream: &UnixStream, expected: Option<u32>) {
        let credentials = getsockopt(stream, sockopt::PeerCredentials).ok();
        let pid = credentials.and_then(|it| u32::try_from(it.pid()).ok());
        let let_in = pid.is_some() && pid == expected;
        self.refused += u64::from(!let_in);
        if self.knocks.len() >= KNOCKS_MAX {
            self.knocks.remove(0);
        }
        let uid = credentials.map_or(u32::MAX, |it| it.uid());
        self.knocks.push(Knock { pid: pid.unwrap_or(0), uid, let_in });
    }
}

/// Anybody may knock (the gateway has another user); who is let in, [`Watcher::let_in`] says.
fn listen(path: &Path) -> std::io::Result<UnixListener> {
    use std::os::unix::fs::PermissionsExt as _;
    match std::fs::remove_file(path) {
        Err(wrong) if wrong.kind() != std::io::ErrorKind::NotFound => return Err(wrong),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}
