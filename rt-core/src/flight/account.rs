//! What the recorder shows while it runs: counters and distributions that anyone may read, and the one thing that anyone may ask.

use core::sync::atomic::{AtomicU64, Ordering};

use super::durations::Durations;
use super::record::{CycleStamps, PHASES};

/// Written by the loop's thread alone, except for the requests. Every number is a total since start.
#[derive(Debug, Default)]
pub struct Account {
    /// Actual − scheduled wake.
    pub latency: Durations,
    /// Wake to publish.
    pub execution: Durations,
    /// By [`Phase`](super::Phase).
    pub phases: [Durations; PHASES],
    records: AtomicU64,
    triggers: AtomicU64,
    held_off: AtomicU64,
    frozen: AtomicU64,
    lost: AtomicU64,
    requests: AtomicU64,
}

/// The counters, at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Cycles recorded.
    pub records: u64,
    /// Overruns, trips and requests.
    pub triggers: u64,
    /// Of them: overruns too soon after a freeze to deserve another. They are in the ring, not in a dump of their own.
    pub held_off: u64,
    /// Rings handed over.
    pub frozen: u64,
    /// Cycles overwritten while a trigger waited for an empty ring.
    pub lost: u64,
}

impl Account {
    /// Asks for a freeze at the next cycle. Wait-free, from any thread.
    pub fn request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    /// The counters.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            records: read(&self.records),
            triggers: read(&self.triggers),
            held_off: read(&self.held_off),
            frozen: read(&self.frozen),
            lost: read(&self.lost),
        }
    }

    pub(super) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    pub(super) fn cycle(&self, stamps: &CycleStamps) {
        self.latency.record(stamps.latency_ns);
        self.execution.record(stamps.execution_ns());
        for (durations, (_, _, took)) in self.phases.iter().zip(stamps.phases()) {
            durations.record(took);
        }
        add(&self.records, 1);
    }

    pub(super) fn triggered(&self, held_off: bool) {
        add(&self.triggers, 1);
        add(&self.held_off, u64::from(held_off));
    }

    pub(super) fn froze(&self) {
        add(&self.frozen, 1);
    }

    pub(super) fn lost(&self) {
        add(&self.lost, 1);
    }
}

/// One writer: no locked instruction.
fn add(counter: &AtomicU64, count: u64) {
    counter.store(counter.load(Ordering::Relaxed).saturating_add(count), Ordering::Relaxed);
}
