//! The flight recorder outside the loop: takes frozen rings, writes them as dumps, exports them as traces.

mod command;
mod dumps;
pub mod file;
mod summary;
mod trace;
mod words;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rt_channel::swap;
use rt_core::cycle::Quantiles;
use rt_core::flight::{Account, Flight, FlightPlan, Phase, Ring};
use rt_linux::thread::spawn_helper;

pub(crate) use command::run as trace_command;
pub use dumps::{Bounds, Dumps, Written};
pub use trace::export;

use crate::labels::Labels;
use crate::report::{FlightReport, PhaseReport};
use file::Head;

/// Rings besides the one that the loop writes: so many triggers may wait for the disk.
const SPARES: usize = 2;
/// Between two looks for a frozen ring.
const LOOK: Duration = Duration::from_millis(20);

/// The loop's end: gives frozen rings away.
pub type RingGiver = swap::Giver<Box<Ring>>;
/// The other end.
pub type RingTaker = swap::Taker<Box<Ring>>;

/// What is asked of the flight recorder of a run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where dumps go; `None`: nowhere. The recorder itself is always on.
    pub directory: Option<PathBuf>,
    /// What is kept around a trigger.
    pub plan: FlightPlan,
    /// How much may lie in the folder.
    pub bounds: Bounds,
    /// Set by whoever wants a dump now (SIGUSR1); it is cleared when it was heard.
    pub request: Arc<AtomicBool>,
}

impl Default for Options {
    fn default() -> Self {
        let bounds = Bounds { files: 16, bytes: DUMPS_BYTES_MAX };
        let request = Arc::new(AtomicBool::new(false));
        Self { directory: None, plan: FlightPlan::default(), bounds, request }
    }
}

/// Bytes of all dumps of one machine in a folder.
pub const DUMPS_BYTES_MAX: u64 = 256 << 20;

/// The recorder of a run before it begins: one part goes to the loop, the other stays.
pub struct Prepared {
    /// For [`Cycle::with_flight`](rt_core::cycle::Cycle::with_flight).
    pub flight: Flight,
    /// For the loop's ports.
    pub giver: RingGiver,
    /// For whoever watches.
    pub watch: Watch,
    /// For whoever writes.
    pub taker: RingTaker,
}

/// Allocates the recorder of a loop and its spare rings.
#[must_use]
pub fn prepare(period_ns: u64, options: &Options) -> Prepared {
    let flight = Flight::new(period_ns, options.plan);
    let (giver, taker) = swap::channel((0..SPARES).map(|_| flight.spare()).collect());
    let watch = Watch { account: flight.account(), request: Arc::clone(&options.request) };
    Prepared { flight, giver, watch, taker }
}

/// Watches the recorder of a running loop.
#[derive(Clone, Debug)]
pub struct Watch {
    account: Arc<Account>,
    request: Arc<AtomicBool>,
}

impl Watch {
    /// Hands a request on to the loop, if there was one.
    pub fn look(&self) {
        if self.request.swap(false, Ordering::AcqRel) {
            self.account.request();
        }
    }

    /// Wake-up latency, execution time, and each phase, with their names.
    #[must_use]
    pub fn durations(&self) -> Vec<(&'static str, Quantiles)> {
        let account = &self.account;
        let phases = Phase::ALL.into_iter().zip(&account.phases);
        let phases = phases.map(|(phase, durations)| (phase.name(), durations));
        let all = [("latency", &account.latency), ("total", &account.execution)];
        all.into_iter().chain(phases).map(|(name, it)| (name, it.quantiles())).collect()
    }

    /// What goes into the report.
    #[must_use]
    pub fn report(&self, dumps: &Dumps) -> FlightReport {
        let (counts, written) = (self.account.counts(), dumps.written());
        FlightReport {
            dumps: written.dumps,
            records: counts.records,
            lost: counts.lost,
            triggers: counts.triggers,
            held_off: counts.held_off,
            not_written: written.not_written,
            deleted: written.deleted,
            directory: dumps.directory().map(|path| path.display().to_string()),
            fault: written.fault.clone(),
            phases: self.durations().into_iter().map(PhaseReport::from).collect(),
        }
    }
}

/// What every dump of a run says of it.
#[must_use]
pub fn head(labels: &Labels, config_hash: &str, link: &str, period_ns: u64) -> Head {
    Head {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        machine: labels.machine.clone(),
        config_hash: config_hash.to_owned(),
        link: link.to_owned(),
        period_ns,
        interlocks: labels.interlocks.clone(),
        groups: labels.groups.clone(),
        axes: labels.axes.iter().map(|axis| axis.name.clone()).collect(),
        steps: labels.steps.clone(),
        ..Head::default()
    }
}

/// Takes what is frozen, writes it, and gives the rings back empty. Returns whether there was any.
pub fn take(taker: &mut RingTaker, dumps: &mut Dumps) -> bool {
    let mut any = false;
    while let Some(mut ring) = taker.take() {
        dumps.write(&ring);
        ring.clear();
        // It was taken from there, so there is room.
        let _ = taker.give_back(ring);
        any = true;
    }
    any
}

/// Writes dumps on a thread of its own: neither the loop nor the supervisor waits for a disk.
pub struct FlightThread {
    thread: Option<JoinHandle<Dumps>>,
    stop: Arc<AtomicBool>,
}

impl FlightThread {
    /// Starts it.
    ///
    /// # Errors
    /// The system refused a thread.
    pub fn spawn(mut taker: RingTaker, mut dumps: Dumps) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stop);
        let thread = spawn_helper("tactus-flight", move || {
            loop {
                let last = flag.load(Ordering::Acquire);
                if !take(&mut taker, &mut dumps) && last {
                    return dumps;
                }
                if !last {
                    std::thread::park_timeout(LOOK);
                }
            }
        })?;
        Ok(Self { thread: Some(thread), stop })
    }

    /// After the loop has ended: writes what is left, and ends. `None`: the thread panicked.
    pub fn finish(mut self) -> Option<Dumps> {
        self.end()
    }

    fn end(&mut self) -> Option<Dumps> {
        self.stop.store(true, Ordering::Release);
        let thread = self.thread.take()?;
        thread.thread().unpark();
        thread.join().ok()
    }
}

impl Drop for FlightThread {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
