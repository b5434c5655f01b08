//! The two helper threads of the queue: one reduces and gives sequences, one writes and answers the gateway. Neither runs in real time.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use config::forward::{Class as Written, Export, Forwarding};
use crossbeam::channel::{Receiver, RecvTimeoutError, Sender};
use queue::store::Lane;
use queue::wire::{BODY_MAX, RECORDS_BYTES_MAX, RECORDS_MAX};
use queue::{Bounds, Class, Entry, LaneId, Ledger, Losses, Page, Store, StoreError, clock};
use serde::Serialize;

use super::buffer::Buffer;
use super::reduce::{Raw, Reading, Reduced, Reducer};

/// Between two commits, at least: bounds how often the disk is made to write.
const COMMIT: Duration = Duration::from_millis(100);
/// The same when a safety event waits.
const COMMIT_URGENT: Duration = Duration::from_millis(20);
/// After a commit that failed.
const RETRY: Duration = Duration::from_secs(1);
/// Between two looks at the caps.
const CAPS: Duration = Duration::from_secs(5);
/// Between two looks at what waits.
const ROUND: Duration = Duration::from_millis(10);

/// What the gateway asks of the queue.
pub(super) enum Ask {
    /// Records of a lane behind a sequence.
    Pull { lane: LaneId, after: u64, records_max: usize, answer: Sender<Vec<(u64, String)>> },
    /// A lane is there up to a sequence.
    Ack { lane: LaneId, up_to: u64, answer: Sender<Result<(), String>> },
}

/// How the queue is, for report and status.
#[derive(Clone, Debug, Default, Serialize)]
pub struct QueueState {
    /// Accounts of all lanes, the last time that they were looked at.
    pub lanes: Vec<Ledger>,
    /// `produced = acked + queued + lost` in each of them, every time that they were looked at.
    pub balanced: bool,
    /// What did not hold, the first time.
    pub imbalance: Option<String>,
    /// Times that the accounts were looked at.
    pub looks: u64,
    /// Commits to the disk.
    pub commits: u64,
    /// Why the disk takes nothing now; `null`: it does.
    pub fault: Option<String>,
    /// Times that it took nothing.
    pub faults: u64,
    /// Bytes of records on the disk.
    pub bytes: u64,
    /// Raw records that did not get as far as a sequence: no queue was open, or the helper was late.
    pub raw_lost: u64,
    /// Acknowledgements of what was never sent.
    pub acks_refused: u64,
    /// Who the queue is.
    pub queue: String,
}

/// What the threads share.
#[derive(Default)]
pub(super) struct Shared {
    pub(super) buffer: Buffer,
    pub(super) state: Mutex<QueueState>,
    /// Raw records that did not get as far as a sequence.
    pub(super) raw_lost: AtomicU64,
    /// Set once the store is open.
    pub(super) ready: Mutex<Option<Ready>>,
    pub(super) stop: AtomicBool,
    /// The reducer has given everything.
    pub(super) reduced: AtomicBool,
}

impl Shared {
    pub(super) fn state(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An open queue, for the thread that gives sequences.
pub(super) struct Ready {
    page: Page,
    lanes: BTreeMap<(String, Class), LaneId>,
    /// Last given.
    given: BTreeMap<LaneId, u64>,
}

/// What goes to the reducer.
pub(super) enum Work {
    Raws(Vec<Raw>),
    Lost(u64),
}

pub(super) fn class(of: Written) -> Class {
    match of {
        Written::Safety => Class::Safety,
        Written::Event => Class::Event,
        Written::Telemetry => Class::Telemetry,
    }
}

/// Reduces until nobody gives any more.
pub(super) fn reduce(
    mut reducer: Reducer,
    forwarding: &Forwarding,
    work: &Receiver<Work>,
    shared: &Shared,
) {
    let mut out = Vec::new();
    while let Ok(work) = work.recv() {
        match work {
            Work::Raws(raws) => raws.iter().for_each(|raw| reducer.take(raw, &mut out)),
            Work::Lost(count) => {
                shared.raw_lost.fetch_add(count, Ordering::AcqRel);
                reducer.lost(count);
            }
        }
        give(&mut out, forwarding, &mut reducer, shared);
    }
    reducer.finish(&mut out);
    give(&mut out, forwarding, &mut reducer, shared);
    shared.reduced.store(true, Ordering::Release);
}

/// Each record gets its sequence in every lane that it goes to.
fn give(out: &mut Vec<Reduced>, forwarding: &Forwarding, reducer: &mut Reducer, shared: &Shared) {
    if out.is_empty() {
        return;
    }
    let mut ready = shared.ready.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(ready) = ready.as_mut() else {
        // No queue: what these stand for is lost, and the first record that gets through says so.
        let raw: u64 = out.iter().map(|it| it.body.raw[1] - it.body.raw[0] + 1).max().unwrap_or(0);
        shared.raw_lost.fetch_add(raw, Ordering::AcqRel);
        reducer.lost(raw);
        out.clear();
        return;
    };
    for reduced in out.drain(..) {
        let Some(export) = forwarding.exports.get(reduced.export) else { continue };
        for sink in &export.sinks {
            let Some(sink) = forwarding.sinks.get(*sink) else { continue };
            if let Err(source) = ready.give(&sink.name, export, &reduced.body, shared) {
                let mut state = shared.state();
                state.faults += 1;
                state.fault = Some(format!("no sequence can be given: {source}"));
                let raw = reduced.body.raw[1] - reduced.body.raw[0] + 1;
                shared.raw_lost.fetch_add(raw, Ordering::AcqRel);
            }
        }
    }
}

/// A record as it is sent.
#[derive(Serialize)]
struct Sent<'a> {
    sequence: u64,
    wall_ns: u64,
    #[serde(flatten)]
    reading: &'a Reading,
}

impl Ready {
    pub(super) fn of(store: &Store) -> Result<Self, StoreError> {
        let page = store.page()?;
        let (mut lanes, mut given) = (BTreeMap::new(), BTreeMap::new());
        for lane in store.lanes() {
            lanes.insert((lane.sink.clone(), lane.class), lane.id);
            given.insert(lane.id, page.get(lane.id)?);
        }
        Ok(Self { page, lanes, given })
    }

    /// All of them.
    pub(super) fn lanes(&self) -> Vec<Lane> {
        let lane = |((sink, class), id): (&(String, Class), &LaneId)| Lane {
            id: *id,
            sink: sink.clone(),
            class: *class,
        };
        self.lanes.iter().map(lane).collect()
    }

    fn give(
        &mut self,
        sink: &str,
        export: &Export,
        reading: &Reading,
        shared: &Shared,
    ) -> std::io::Result<()> {
        let class = class(export.class);
        let Some(lane) = self.lanes.get(&(sink.to_owned(), class)).copied() else { return Ok(()) };
        let last = self.given.entry(lane).or_default();
        let sequence = *last + 1;
        // Wall time is shown, and decides nothing.
        let sent = Sent { sequence, wall_ns: clock::wall(), reading };
        let body = serde_json::to_string(&sent).unwrap_or_default();
        if body.is_empty() || body.len() > BODY_MAX {
            return Err(std::io::Error::other("a record is too long"));
        }
        // From here on it is counted, whatever happens to this process.
        self.page.set(lane, sequence)?;
        *last = sequence;
        let made = clock::mono();
        let retention_ns = export.retention_ns;
        shared.buffer.put(class, Entry { lane, sequence, made, retention_ns, body: body.into() });
        Ok(())
    }
}

/// Opens the queue, writes what is reduced, answers the gateway.
pub(super) struct Keeper {
    pub(super) directory: PathBuf,
    pub(super) forwarding: Forwarding,
    pub(super) shared: Arc<Shared>,
    pub(super) asks: Receiver<Ask>,
    pub(super) store: Option<Store>,
    /// Taken from the buffer, not on the disk.
    pub(super) unsaved: (Vec<Entry>, Losses),
}

/// Opens the queue of a machine file.
pub(super) fn open(
    directory: &std::path::Path,
    forwarding: &Forwarding,
) -> Result<Store, StoreError> {
    let sinks: Vec<String> = forwarding.sinks.iter().map(|sink| sink.name.clone()).collect();
    let bounds = Bounds { bytes_max: forwarding.bytes_max, age_max_ns: forwarding.age_max_ns };
    Store::open(directory, &sinks, bounds)
}

impl Keeper {
    /// Until it is told to stop.
    pub(super) fn run(mut self) {
        let start = Instant::now();
        let (mut next_try, mut next_commit, mut next_caps) = (start, start, start);
        let mut urgent_from = start;
        loop {
            let stop = self.shared.stop.load(Ordering::Acquire);
            let now = Instant::now();
            if self.store.is_none() && now >= next_try {
                next_try = now + RETRY;
                self.open();
            }
            let urgent = self.shared.buffer.is_urgent() && now >= urgent_from;
            if self.store.is_some() && (now >= next_commit || urgent || stop) {
                let saved = self.commit();
                (next_commit, urgent_from) = match saved {
                    true => (now + COMMIT, now + COMMIT_URGENT),
                    false => (now + RETRY, now + RETRY),
                };
                if now >= next_caps {
                    next_caps = now + CAPS;
                    self.keep_bounds();
                }
                self.look();
            }
            if stop {
                return;
            }
            match self.asks.recv_timeout(ROUND) {
                Ok(ask) => self.answer(ask),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => std::thread::sleep(ROUND),
            }
        }
    }

    fn open(&mut self) {
        match open(&self.directory, &self.forwarding).and_then(|store| {
            let ready = Ready::of(&store)?;
            Ok((store, ready))
        }) {
            Ok((store, ready)) => {
                let mut state = self.shared.state();
                state.queue = store.identity();
                state.fault = None;
                self.shared.buffer.begin(&ready.given);
                *self.shared.ready.lock().unwrap_or_else(PoisonError::into_inner) = Some(ready);
                self.store = Some(store);
            }
            Err(wrong) => {
                let directory = self.directory.display().to_string();
                self.fault(&format!("the queue in {directory} cannot be opened: {wrong}"));
            }
        }
    }

    /// Said once for as long as it lasts.
    fn fault(&self, text: &str) {
        let mut state = self.shared.state();
        state.faults += 1;
        if state.fault.as_deref() != Some(text) {
            tracing::error!("{text}");
            eprintln!("tactus: NOTHING IS QUEUED for plant systems, the machine runs on: {text}");
            state.fault = Some(text.to_owned());
        }
    }

    /// Whether all that was reduced is on the disk.
    fn commit(&mut self) -> bool {
        let Some(store) = &mut self.store else { return false };
        if self.unsaved.0.is_empty() && self.unsaved.1.is_empty() {
            self.unsaved = self.shared.buffer.take();
        }
        let (entries, losses) = &self.unsaved;
        if entries.is_empty() && losses.is_empty() {
            return true;
        }
        match store.commit(entries, losses) {
            Ok(()) => {
                self.unsaved = (Vec::new(), Losses::default());
                self.shared.buffer.settled();
                let mut state = self.shared.state();
                state.commits += 1;
                if let Some(fault) = state.fault.take() {
                    eprintln!("tactus: the queue takes records again, after: {fault}");
                }
                true
            }
            Err(wrong) => {
                self.fault(&format!("the disk takes nothing: {wrong}"));
                false
            }
        }
    }

    fn keep_bounds(&mut self) {
        let Some(store) = &mut self.store else { return };
        match store.keep_bounds() {
            Ok(0) => {}
            Ok(lost) => tracing::warn!("{lost} records for plant systems were lost to the caps"),
            Err(wrong) => self.fault(&format!("the queue cannot be kept in bounds: {wrong}")),
        }
    }

    /// The accounts of this moment: only this thread changes what is on the disk.
    fn look(&self) {
        let Some(store) = &self.store else { return };
        let counts = self.shared.buffer.counts();
        let ledgers =
            store.ledgers(|lane| counts(lane).1, |lane| counts(lane).2, |lane| counts(lane).0);
        let mut state = self.shared.state();
        state.bytes = store.bytes();
        state.raw_lost = self.shared.raw_lost.load(Ordering::Acquire);
        let Ok(ledgers) = ledgers else { return };
        let wrong = ledgers.iter().find_map(|ledger| ledger.check().err());
        state.looks += 1;
        state.balanced = wrong.is_none() && (state.balanced || state.looks == 1);
        if let (Some(wrong), None) = (wrong, &state.imbalance) {
            eprintln!("tactus: THE ACCOUNTS OF THE QUEUE DO NOT HOLD: {wrong}");
            state.imbalance = Some(wrong.to_string());
        }
        state.lanes = ledgers;
    }

    fn answer(&mut self, ask: Ask) {
        // Whoever asked may be gone: nothing is lost by an answer that nobody takes.
        match ask {
            Ask::Pull { lane, after, records_max, answer } => {
                let most = (records_max.min(RECORDS_MAX), RECORDS_BYTES_MAX);
                let records = self.store.as_ref().map(|store| store.read(lane, after, most));
                let records = match records {
                    Some(Ok(records)) => records,
                    Some(Err(wrong)) => {
                        self.fault(&format!("the queue cannot be read: {wrong}"));
                        Vec::new()
                    }
                    None => Vec::new(),
                };
                let _ = answer.send(records);
            }
            Ask::Ack { lane, up_to, answer } => {
                let Some(store) = &mut self.store else {
                    let _ = answer.send(Err("the queue is not open".to_owned()));
                    return;
                };
                let done = store.ack(lane, up_to).map(drop);
                match &done {
                    Ok(()) => {}
                    Err(StoreError::Refused(_)) => self.shared.state().acks_refused += 1,
                    Err(StoreError::Disk(wrong)) => {
                        self.fault(&format!("an acknowledgement cannot be written: {wrong}"));
                    }
                }
                let _ = answer.send(done.map_err(|wrong| wrong.to_string()));
            }
        }
    }
}
