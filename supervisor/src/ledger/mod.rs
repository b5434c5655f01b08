//! The raw ledger: every record that the loop left, over all runs of a machine, is in a recording or counted as lost:
//! `produced = stored + lost + not_recorded`.
//!
//! Three places know, and any of them may be the last to know something when a process is killed:
//! - the **page** (`/dev/shm`): how many records the loop has left, written by the loop itself ahead of each;
//! - the **recording**: each chunk ends with the account up to there (`/ledger`);
//! - the **book** (`<machine>.ledger.json` in the state directory): what earlier runs amount to, and which run is open.
//!
//! A run that finds an earlier one open in the book closes its recording, and counts what the page has and the recording lacks.

mod book;
pub(crate) mod command;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rt_linux::page::Page;
use serde::{Deserialize, Serialize};

use crate::record::recover;

pub use book::{Book, name};

/// Why records of the loop are not in a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The ring was full, or the disk took nothing.
    Dropped,
    /// The process was killed before they were in the file.
    Killed,
}

/// Records that are in no recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// Which run.
    pub run: u64,
    /// Why.
    pub reason: Reason,
    /// How many.
    pub records: u64,
    /// First and last sequence, where they are one range.
    pub range: Option<[u64; 2]>,
}

/// What all runs of a machine amount to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Life {
    /// Runs that are over.
    pub runs: u64,
    /// Of those, killed.
    pub killed: u64,
    /// Of those, with a page that was gone (a restart of the machine): what the loop had left was not known to the last record.
    pub without_page: u64,
    /// Records that their loops left.
    pub produced: u64,
    /// In recordings.
    pub stored: u64,
    /// Of runs with `--no-record`.
    pub not_recorded: u64,
    /// Lost while a run went on: the ring was full, or the disk took nothing.
    pub dropped: u64,
    /// Lost with the process.
    pub lost_by_kill: u64,
    /// The last 64 losses.
    pub losses: Vec<Loss>,
}

/// Losses that are told one by one.
const LOSSES_MAX: usize = 64;

impl Life {
    /// `produced = stored + lost + not_recorded`.
    #[must_use]
    pub fn balanced(&self) -> bool {
        let there = [self.stored, self.not_recorded, self.dropped, self.lost_by_kill];
        there.iter().fold(0_u64, |sum, count| sum.saturating_add(*count)) == self.produced
    }

    /// A run is over.
    fn add(&mut self, run: u64, over: Over) {
        self.runs += 1;
        self.killed += u64::from(over.killed);
        self.without_page += u64::from(over.without_page);
        self.produced += over.produced;
        self.stored += over.stored;
        self.not_recorded += over.not_recorded;
        let known = over.known_to;
        let dropped = known.saturating_sub(over.stored + over.not_recorded);
        self.dropped += dropped;
        let tail = over.produced.saturating_sub(known);
        self.lost_by_kill += tail;
        if dropped > 0 {
            self.losses.push(Loss { run, reason: Reason::Dropped, records: dropped, range: None });
        }
        if tail > 0 {
            let range = Some([known, over.produced - 1]);
            self.losses.push(Loss { run, reason: Reason::Killed, records: tail, range });
        }
        let more = self.losses.len().saturating_sub(LOSSES_MAX);
        self.losses.drain(..more);
    }
}

/// What a run that is over amounts to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Over {
    killed: bool,
    without_page: bool,
    produced: u64,
    /// Of those up to here it is known whether they are stored.
    known_to: u64,
    stored: u64,
    not_recorded: u64,
}

/// A run that the book says is open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Open {
    run: u64,
    /// First file of its recording.
    recording: Option<PathBuf>,
    page: Option<PathBuf>,
}

impl Open {
    /// Nobody is left who could say what became of it: page and recording do.
    fn close(&self) -> Over {
        let page = self.page.as_deref().and_then(|path| page_of(path, self.run));
        let seen = page.unwrap_or(0);
        let Some(recording) = &self.recording else {
            let without_page = page.is_none();
            let over = Over { killed: true, without_page, ..Over::default() };
            return Over { produced: seen, known_to: seen, not_recorded: seen, ..over };
        };
        let (next, stored) = recorded(recording, self.run);
        let produced = seen.max(next);
        let killed = Over { killed: true, without_page: page.is_none(), ..Over::default() };
        Over { produced, known_to: next, stored, ..killed }
    }
}

/// The account at the end of the last file of a run: closed, if nobody did.
fn recorded(first: &Path, run: u64) -> (u64, u64) {
    let (mut account, mut path) = ((0, 0), first.to_owned());
    let mut index = 0;
    while path.exists() {
        let found = recover::close(&path).or_else(|_| recover::look(&path));
        if let Some(found) = found.ok().filter(|found| found.run == run && found.produced > 0) {
            account = (found.produced, found.stored).max(account);
        }
        index += 1;
        path = crate::record::numbered(first, index);
    }
    account
}

/// Places of the page.
const RUN: usize = 0;
const PRODUCED: usize = 1;

/// What the loop of this run had left.
fn page_of(path: &Path, run: u64) -> Option<u64> {
    let bytes = std::fs::read(path).ok()?;
    let word = |place: usize| bytes.get(place * 8..place * 8 + 8)?.try_into().ok();
    let word = |place: usize| word(place).map(u64::from_le_bytes);
    (word(RUN)? == run).then(|| word(PRODUCED)).flatten()
}

/// The loop's end of the page.
#[derive(Clone, Copy, Debug)]
pub struct Witness(&'static AtomicU64);

impl Witness {
    fn of(page: &Page, run: u64) -> Self {
        let words = page.words();
        words[PRODUCED].store(0, Ordering::Release);
        words[RUN].store(run, Ordering::Release);
        Self(words[PRODUCED])
    }

    /// So many records have been left, the one about to be left included.
    pub fn note(&self, produced: u64) {
        self.0.store(produced, Ordering::Release);
    }
}

/// The account of the run that goes on, at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Account {
    /// Records that the loop left.
    pub produced: u64,
    /// In the recording, or in its chunk that is open (at most a quarter of a second).
    pub stored: u64,
    /// The ring was full.
    pub dropped_by_ring: u64,
    /// The recorder was too far behind, or the disk took nothing.
    pub dropped_by_recorder: u64,
    /// Nobody was asked to record them.
    pub not_recorded: u64,
    /// In the ring, or on their way to the recorder.
    pub waiting: u64,
    /// Most that waited in the ring.
    pub ring_high_water: u64,
    /// Records that fit into the ring.
    pub ring_capacity: u64,
    /// Times that the account was looked at.
    pub looks: u64,
    /// Times that it did not hold: a fault of ours.
    pub imbalances: u64,
}

impl Account {
    /// Everything that the loop left is somewhere.
    #[must_use]
    pub fn holds(&self) -> bool {
        let there = [self.stored, self.dropped_by_ring, self.dropped_by_recorder];
        let there = there.iter().sum::<u64>() + self.not_recorded + self.waiting;
        there == self.produced
    }
}

#[cfg(test)]
mod tests;
