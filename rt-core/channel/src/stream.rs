//! Every item, in order; when the ring is full the newest is dropped and counted.
//!
//! The producer gives each item a sequence, also those that it has to drop, so that the consumer
//! sees from the gap which ones it never got. Both counters are shared. While the producer rests,
//! `produced = popped + queued + dropped` holds exactly; at all times, for who reads `produced`
//! last, `produced >= popped + dropped`.
//!
//! Whoever of the two ends goes last frees the ring: keep the [`Consumer`] until the producer's
//! thread has ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What both ends know. Written by the producer only.
#[derive(Debug)]
struct Counters {
    /// Items given to [`Producer::push`], those dropped included: the next sequence.
    produced: AtomicU64,
    /// Items that found the ring full.
    dropped: AtomicU64,
}

/// A queued item with its sequence.
#[derive(Clone, Copy, Debug)]
struct Entry<T> {
    sequence: u64,
    item: T,
}

/// The real-time end that gives.
#[derive(Debug)]
pub struct Producer<T> {
    ring: rtrb::Producer<Entry<T>>,
    counters: Arc<Counters>,
    /// Equals `counters.produced`; ours, so that no read of shared memory is needed.
    produced: u64,
    /// Equals `counters.dropped`.
    dropped: u64,
}

/// The end that takes.
#[derive(Debug)]
pub struct Consumer<T> {
    ring: rtrb::Consumer<Entry<T>>,
    counters: Arc<Counters>,
    capacity: usize,
    /// The sequence that follows the item taken last.
    expected: u64,
    popped: u64,
    missed: u64,
    high_water: usize,
}

/// What was asked and what became of it, at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Items given to the producer.
    pub produced: u64,
    /// Items that found the ring full.
    pub dropped: u64,
    /// Items that the consumer took.
    pub popped: u64,
}

/// A stream that holds up to `capacity` items (0 drops every one). All memory is allocated here.
#[must_use]
pub fn channel<T: Copy + Send>(capacity: usize) -> (Producer<T>, Consumer<T>) {
    let (give, take) = rtrb::RingBuffer::new(capacity);
    let counters = Arc::new(Counters { produced: AtomicU64::new(0), dropped: AtomicU64::new(0) });
    let producer =
        Producer { ring: give, counters: Arc::clone(&counters), produced: 0, dropped: 0 };
    let consumer = Consumer {
        ring: take,
        counters,
        capacity,
        expected: 0,
        popped: 0,
        missed: 0,
        high_water: 0,
    };
    (producer, consumer)
}

impl<T: Copy + Send> Producer<T> {
    /// Gives an item the next sequence and queues it. Full, or the consumer gone long enough to
    /// fill it: the item is dropped and counted, and `false` comes back. Never blocks, never
    /// retries.
    pub fn push(&mut self, item: T) -> bool {
        let sequence = self.produced;
        self.produced = sequence.saturating_add(1);
        // Ahead of the item, so that nobody ever holds an item that is not yet counted.
        self.counters.produced.store(self.produced, Ordering::Release);
        let queued = self.ring.push(Entry { sequence, item }).is_ok();
        if !queued {
            self.dropped = self.dropped.saturating_add(1);
            self.counters.dropped.store(self.dropped, Ordering::Release);
        }
        queued
    }

    /// Items given to [`Producer::push`] so far, those dropped included.
    #[must_use]
    pub fn produced(&self) -> u64 {
        self.produced
    }

    /// Items that found the ring full.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// The consumer is gone: nobody will take what is pushed.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.ring.is_abandoned()
    }
}

impl<T: Copy + Send> Consumer<T> {
    /// The oldest item and its sequence. Sequences rise; a gap is what was dropped in between.
    pub fn pop(&mut self) -> Option<(u64, T)> {
        self.note_fill();
        let entry = self.ring.pop().ok()?;
        self.account(entry.sequence);
        Some((entry.sequence, entry.item))
    }

    /// Takes up to `limit` of the items that are there now, oldest first, and hands each to `take`
    /// with its sequence. The places are given back together, at the end. Returns how many were
    /// taken.
    pub fn drain(&mut self, limit: usize, mut take: impl FnMut(u64, T)) -> usize {
        let count = self.note_fill().min(limit);
        let (mut expected, mut missed) = (self.expected, 0_u64);
        let Ok(chunk) = self.ring.read_chunk(count) else {
            return 0;
        };
        let (first, second) = chunk.as_slices();
        for entry in first.iter().chain(second) {
            missed = missed.saturating_add(entry.sequence.saturating_sub(expected));
            expected = entry.sequence.saturating_add(1);
            take(entry.sequence, entry.item);
        }
        chunk.commit_all();
        self.expected = expected;
        self.missed = self.missed.saturating_add(missed);
        self.popped = self.popped.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        count
    }

    /// Items given to the producer so far, those dropped included.
    #[must_use]
    pub fn produced(&self) -> u64 {
        self.counters.produced.load(Ordering::Acquire)
    }

    /// Items that found the ring full, so far. Counts those at the very end too, behind which no
    /// item shows a gap.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.counters.dropped.load(Ordering::Acquire)
    }

    /// Sequences skipped between the items taken so far: the drops that a reader of the items can
    /// see. Reaches [`Consumer::dropped`] as soon as an item behind the last drop is taken.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.missed
    }

    /// The account: `produced >= popped + dropped`, and equal once all is taken and the producer
    /// rests.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let dropped = self.dropped();
        Counts { dropped, popped: self.popped, produced: self.produced() }
    }

    /// Items that wait now.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.ring.slots()
    }

    /// Items that fit.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// The most items found waiting, ever: how near the ring came to dropping. The capacity as soon
    /// as one was dropped. It is noted when the consumer comes (between its visits the ring only
    /// fills), which costs the producer nothing.
    #[must_use]
    pub fn high_water(&self) -> usize {
        if self.dropped() > 0 { self.capacity } else { self.high_water }
    }

    /// The producer is gone: what is queued now is all that comes.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.ring.is_abandoned()
    }

    fn note_fill(&mut self) -> usize {
        let fill = self.ring.slots();
        self.high_water = self.high_water.max(fill);
        fill
    }

    fn account(&mut self, sequence: u64) {
        self.missed = self.missed.saturating_add(sequence.saturating_sub(self.expected));
        self.expected = sequence.saturating_add(1);
        self.popped = self.popped.saturating_add(1);
    }
}
