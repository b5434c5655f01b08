//! The memory of the recorder: the newest cycles, and the newest marks.

use alloc::boxed::Box;

use super::mark::Mark;
use super::record::CycleStamps;

/// Marks that a ring holds.
const MARKS: usize = 1024;

/// What made a ring freeze.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum TriggerKind {
    /// Somebody asked.
    #[default]
    Request = 0,
    /// A cycle was over only when the next was due, or periods were skipped.
    Overrun,
    /// A group was stopped.
    Trip,
}

/// Why and when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trigger {
    /// Why.
    pub kind: TriggerKind,
    /// In which cycle.
    pub cycle: u64,
    /// When that cycle woke, ns.
    pub at: u64,
    /// Interlock of a trip, else 0.
    pub subject: u16,
}

/// The newest of what was written, oldest overwritten first. One cache line and a counter a write, no division.
#[derive(Clone, Debug)]
struct Newest<T> {
    slots: Box<[T]>,
    /// Where the next goes; below the number of slots.
    next: usize,
    written: u64,
}

impl<T: Copy> Newest<T> {
    /// Touches every page, so that none faults later.
    fn new(capacity: usize, blank: T) -> Self {
        let slots = core::iter::repeat_n(blank, capacity.max(1)).collect();
        Self { slots, next: 0, written: 0 }
    }

    fn push(&mut self, item: T) {
        if let Some(slot) = self.slots.get_mut(self.next) {
            *slot = item;
        }
        self.next = if self.next + 1 < self.slots.len() { self.next + 1 } else { 0 };
        self.written = self.written.saturating_add(1);
    }

    fn clear(&mut self) {
        (self.next, self.written) = (0, 0);
    }

    /// Oldest first.
    fn iter(&self) -> impl Iterator<Item = &T> {
        let (new, old) = self.slots.split_at_checked(self.next).unwrap_or((&self.slots, &[]));
        let old = if self.is_full() { old } else { &[] };
        old.iter().chain(new)
    }

    fn is_full(&self) -> bool {
        usize::try_from(self.written).map_or(true, |written| written >= self.slots.len())
    }
}

/// The newest cycles and marks of a loop.
#[derive(Clone, Debug)]
pub struct Ring {
    cycles: Newest<CycleStamps>,
    marks: Newest<Mark>,
    trigger: Trigger,
    late: u64,
}

impl Ring {
    /// For so many cycles. Allocates, and touches all of it.
    #[must_use]
    pub fn new(cycles: usize) -> Self {
        let blank = CycleStamps { cycle: u64::MAX, due: u64::MAX, ..CycleStamps::default() };
        let mark = Mark { cycle: u64::MAX, ..Mark::default() };
        Self {
            cycles: Newest::new(cycles, blank),
            marks: Newest::new(MARKS, mark),
            trigger: Trigger::default(),
            late: 0,
        }
    }

    /// How many cycles it holds at most.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.cycles.slots.len()
    }

    /// The next cycle overwrites the oldest.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.cycles.is_full()
    }

    /// Empty again; costs the same whatever was in it.
    pub fn clear(&mut self) {
        self.cycles.clear();
        self.marks.clear();
        (self.trigger, self.late) = (Trigger::default(), 0);
    }

    pub(super) fn push(&mut self, cycle: CycleStamps) {
        self.cycles.push(cycle);
    }

    pub(super) fn mark(&mut self, mark: Mark) {
        self.marks.push(mark);
    }

    pub(super) fn freeze(&mut self, trigger: Trigger, late: u64) {
        (self.trigger, self.late) = (trigger, late);
    }

    /// The cycles, oldest first.
    pub fn cycles(&self) -> impl Iterator<Item = &CycleStamps> {
        self.cycles.iter()
    }

    /// The marks, oldest first.
    pub fn marks(&self) -> impl Iterator<Item = &Mark> {
        self.marks.iter()
    }

    /// Why it was frozen.
    #[must_use]
    pub fn trigger(&self) -> Trigger {
        self.trigger
    }

    /// Cycles by which it was frozen later than it should have been, because no empty ring was there: as many were overwritten at
    /// its beginning.
    #[must_use]
    pub fn late(&self) -> u64 {
        self.late
    }
}
