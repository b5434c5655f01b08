//! Store and forward: what the policy exports is reduced, given a sequence, kept on the disk, and handed to the gateway, which says
//! what has arrived. The loop knows nothing of it; the supervisor's own thread only hands batches over and never waits.

mod buffer;
mod child;
pub mod command;
pub mod policy;
pub mod reduce;
mod sparkplug;
mod thread;

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use config::Machine;
use config::forward::{Forwarding, Value};
use crossbeam::channel::{Sender, TrySendError, bounded};
use queue::Losses;
use queue::store::LostRow;
use rt_core::record::{Body, Record};
use serde::Serialize;

use crate::labels::Labels;
use child::Watcher;
use reduce::{Raw, Reducer};
use thread::{Keeper, Shared, Work};

pub use child::{GatewayState, Knock, Program};
pub use thread::QueueState;

/// Raw records handed over at once.
const BATCH: usize = 128;
/// Batches that may wait for the reducer: about a second of a busy machine at 1 kHz.
const BATCHES_MAX: usize = 128;
/// Questions of the gateway that may wait.
const ASKS_MAX: usize = 4;
/// Stack of a helper: SQLite needs more than the others.
const STACK_BYTES: usize = 512 * 1024;
/// At the end of a run the gateway has so long to send what waits.
const LEAVE: Duration = Duration::from_secs(1);
/// Between two looks whether it has.
const LOOK: Duration = Duration::from_millis(20);
/// Ranges of losses that a report shows.
const LOST_SHOWN: usize = 16;

/// What a report says of what left the machine.
#[derive(Clone, Debug, Serialize)]
pub struct ForwardReport {
    /// Where the queue is.
    pub directory: String,
    /// The queue.
    #[serde(flatten)]
    pub queue: QueueState,
    /// Ranges of what was lost, newest first, over the life of the queue.
    pub lost: Vec<LostRow>,
    /// The gateway; `null`: it was not started.
    pub gateway: Option<GatewayState>,
}

/// Which records of the loop an export needs.
#[derive(Clone, Debug)]
struct Wanted {
    signals: Vec<bool>,
    axes: Vec<bool>,
}

impl Wanted {
    fn of(forwarding: &Forwarding, machine: &Machine) -> Self {
        let mut signals = vec![false; machine.names.signals.len()];
        let mut axes = vec![false; machine.plan.axes.len()];
        for exported in forwarding.exports.iter().flat_map(|export| &export.values) {
            let place = match exported.value {
                Value::Signal(id) => signals.get_mut(usize::from(id.0)),
                Value::Axis(id, _) => axes.get_mut(usize::from(id.0)),
                Value::Latency | Value::Execution => None,
            };
            if let Some(place) = place {
                *place = true;
            }
        }
        Self { signals, axes }
    }

    fn is(&self, body: &Body) -> bool {
        let of = |all: &[bool], place: usize| all.get(place).copied().unwrap_or(false);
        match body {
            Body::Signal { signal, .. } => of(&self.signals, usize::from(signal.0)),
            Body::Axis(axis) => of(&self.axes, usize::from(axis.axis.0)),
            Body::Cycle(_) | Body::Event(_) => true,
            Body::Stamp { .. }
            | Body::Command(_)
            | Body::Picture(_)
            | Body::Result(_)
            | Body::Separation(_) => false,
        }
    }
}

struct Running {
    work: Option<Sender<Work>>,
    batch: Vec<Raw>,
    expected: u64,
    lost: u64,
    wanted: Wanted,
    threads: Vec<JoinHandle<()>>,
    keeper: Option<JoinHandle<()>>,
    service: Service,
}

/// Where the queue is, and what it is.
struct Service {
    directory: PathBuf,
    forwarding: Forwarding,
    shared: Arc<Shared>,
    gateway: Option<Arc<Mutex<GatewayState>>>,
}

/// Forwards the records of a run; off when the machine file exports nothing.
#[derive(Default)]
pub struct Forward(Option<Box<Running>>);

/// Where the queue of a machine is.
#[must_use]
pub fn directory(machine: &Machine, state: &Path, virtual_link: bool) -> PathBuf {
    let base = machine.forwarding.directory.clone().unwrap_or_else(|| state.join("forward"));
    // What a virtual cell says is not of the machine.
    let name = match virtual_link {
        true => format!("{}.virtual", machine.name),
        false => machine.name.clone(),
    };
    base.join(name)
}

impl Forward {
    /// Nothing leaves the machine.
    #[must_use]
    pub fn off() -> Self {
        Self(None)
    }

    /// Starts the helpers, and the gateway if `program` says which. A queue that cannot be opened stops nothing: it is tried again.
    ///
    /// # Errors
    /// The system refused a thread.
    pub fn start(
        machine: &Machine,
        labels: &Labels,
        directory: PathBuf,
        program: Option<Program>,
    ) -> std::io::Result<Self> {
        let forwarding = &machine.forwarding;
        if !forwarding.is_on() {
            return Ok(Self::off());
        }
        let service = Service {
            directory,
            forwarding: forwarding.clone(),
            shared: Arc::new(Shared::default()),
            gateway: None,
        };
        let (service, keeper, mut threads) = service.begin(machine, program)?;
        let (work, incoming) = bounded(BATCHES_MAX);
        let reducer = Reducer::new(&forwarding.exports, labels.clone());
        let (shared, policy) = (Arc::clone(&service.shared), forwarding.clone());
        threads.push(spawn("tactus-reduce", move || {
            thread::reduce(reducer, &policy, &incoming, &shared);
        })?);
        Ok(Self(Some(Box::new(Running {
            work: Some(work),
            batch: Vec::with_capacity(BATCH),
            expected: 0,
            lost: 0,
            wanted: Wanted::of(forwarding, machine),
            threads,
            keeper: Some(keeper),
            service,
        }))))
    }

    /// Takes a record of the loop: every one of them, in order, so that gaps are seen.
    pub fn take(&mut self, sequence: u64, record: &Record) {
        let Some(running) = &mut self.0 else { return };
        running.lost += sequence.saturating_sub(running.expected);
        running.expected = sequence.saturating_add(1);
        if running.wanted.is(&record.body) {
            running.batch.push(Raw { sequence, record: *record });
            if running.batch.len() >= BATCH {
                running.hand_over();
            }
        }
    }

    /// Gives the reducer what has come together so far.
    pub fn hand_over(&mut self) {
        if let Some(running) = &mut self.0 {
            running.hand_over();
        }
    }

    /// Who came to the gateway's socket since the last look.
    #[must_use]
    pub fn knocks(&self) -> Vec<Knock> {
        let running = self.0.as_ref();
        let state = running.and_then(|running| running.service.gateway.as_ref());
        let state = state.map(|state| state.lock().unwrap_or_else(PoisonError::into_inner));
        state.map(|mut state| std::mem::take(&mut state.knocks)).unwrap_or_default()
    }

    /// How the queue and the gateway are.
    #[must_use]
    pub fn state(&self) -> Option<(QueueState, Option<GatewayState>)> {
        let service = &self.0.as_ref()?.service;
        Some((service.shared.state().clone(), service.gateway_state()))
    }

    /// The run is over: what is there is reduced and written, the gateway has a moment to send it, and everything ends.
    pub fn finish(&mut self) -> Option<ForwardReport> {
        let mut running = self.0.take()?;
        running.hand_over();
        running.work = None;
        running.service.end(running.threads, running.keeper, LEAVE)
    }
}

impl Running {
    fn hand_over(&mut self) {
        let Some(work) = &self.work else { return };
        if self.lost > 0 && work.try_send(Work::Lost(self.lost)).is_ok() {
            self.lost = 0;
        }
        if self.batch.is_empty() {
            return;
        }
        let batch = std::mem::replace(&mut self.batch, Vec::with_capacity(BATCH));
        if let Err(TrySendError::Full(work) | TrySendError::Disconnected(work)) =
            work.try_send(Work::Raws(batch))
            && let Work::Raws(batch) = work
        {
            self.lost += u64::try_from(batch.len()).unwrap_or(0);
        }
    }
}

type Begun = (Service, JoinHandle<()>, Vec<JoinHandle<()>>);

impl Service {
    /// The thread of the queue, and the one that watches the gateway.
    fn begin(mut self, machine: &Machine, program: Option<Program>) -> std::io::Result<Begun> {
        let (asks, hear) = bounded(ASKS_MAX);
        let keeper = Keeper {
            directory: self.directory.clone(),
            forwarding: self.forwarding.clone(),
            shared: Arc::clone(&self.shared),
            asks: hear,
            store: None,
            unsaved: (Vec::new(), Losses::default()),
        };
        let keeper = spawn("tactus-queue", move || keeper.run())?;
        let mut threads = Vec::new();
        if let Some(program) = program.filter(|_| self.forwarding.gateway.enabled) {
            let state = Arc::new(Mutex::new(GatewayState::default()));
            self.gateway = Some(Arc::clone(&state));
            let watcher = Watcher {
                program,
                socket: socket(),
                machine: machine.name.clone(),
                directory: self.directory.clone(),
                sparkplug: sparkplug::specs(machine),
                forwarding: self.forwarding.clone(),
                asks,
                shared: Arc::clone(&self.shared),
                state,
            };
            threads.push(spawn("tactus-gateway", move || watcher.run())?);
        }
        Ok((self, keeper, threads))
    }

    fn gateway_state(&self) -> Option<GatewayState> {
        let state = self.gateway.as_ref()?;
        Some(state.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// Nothing waits for a sink that takes records.
    fn is_empty(&self) -> bool {
        let state = self.shared.state();
        state.lanes.iter().all(|lane| lane.queued == 0 && lane.in_memory == 0)
    }

    fn end(
        self,
        threads: Vec<JoinHandle<()>>,
        keeper: Option<JoinHandle<()>>,
        leave: Duration,
    ) -> Option<ForwardReport> {
        let until = Instant::now() + leave;
        let reduced = || self.shared.reduced.load(Ordering::Acquire);
        // The reducer ends by itself as soon as it has everything.
        while !reduced()
            && threads.iter().any(|thread| !thread.is_finished())
            && Instant::now() < until
        {
            std::thread::sleep(LOOK);
        }
        let connected = || {
            self.gateway_state().is_some_and(|state| state.sinks.iter().any(|sink| sink.connected))
        };
        // Twice a commit, so that what was reduced last is among what is waited for.
        let seen = self.shared.state().looks + 2;
        let behind = || self.shared.state().looks < seen || !self.is_empty();
        while connected() && behind() && Instant::now() < until {
            std::thread::sleep(LOOK);
        }
        self.shared.stop.store(true, Ordering::Release);
        let gateway = self.gateway_state();
        for thread in threads.into_iter().chain(keeper) {
            // A panic of a helper was printed where it happened.
            let _ = thread.join();
        }
        let lost = match thread::open(&self.directory, &self.forwarding) {
            Ok(store) => store.lost(LOST_SHOWN).unwrap_or_default(),
            Err(_) => Vec::new(),
        };
        let queue = self.shared.state().clone();
        Some(ForwardReport {
            directory: self.directory.display().to_string(),
            queue,
            lost,
            gateway,
        })
    }
}

/// The gateway has another user: a place where both may be.
fn socket() -> PathBuf {
    std::env::temp_dir().join(format!("tactus-gateway-{}.sock", std::process::id()))
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name.into()).stack_size(STACK_BYTES).spawn(run)
}

/// The program that is running: it is its own gateway.
#[must_use]
pub fn this_program() -> Option<Program> {
    // By its name in /proc it is found even after an update has replaced the file.
    let path = std::env::current_exe().ok()?;
    Some(Program { path })
}

/// Sends what waits in a queue whose machine does not run, for so long or until it is empty.
///
/// # Errors
/// The system refused a thread; the queue cannot be opened.
pub fn drain(
    machine: &Machine,
    directory: &Path,
    program: Program,
    time: Duration,
) -> Result<Option<ForwardReport>, String> {
    let shared = Arc::new(Shared::default());
    shared.reduced.store(true, Ordering::Release);
    let service = Service {
        directory: directory.to_owned(),
        forwarding: machine.forwarding.clone(),
        shared,
        gateway: None,
    };
    let (service, keeper, threads) =
        service.begin(machine, Some(program)).map_err(|source| source.to_string())?;
    let until = Instant::now() + time;
    while Instant::now() < until {
        let state = service.shared.state().clone();
        if state.looks == 0
            && let Some(fault) = state.fault
        {
            service.shared.stop.store(true, Ordering::Release);
            return Err(fault);
        }
        if state.looks > 0 && service.is_empty() {
            break;
        }
        std::thread::sleep(LOOK);
    }
    Ok(service.end(threads, Some(keeper), Duration::ZERO))
}
