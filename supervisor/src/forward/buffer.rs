//! Between the thread that reduces and the one that writes: bounded, and what does not fit is counted, what matters least first.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use queue::{Class, Entry, LaneId, Losses, Reason};

/// Bytes that may wait for the disk.
pub(super) const BYTES_MAX: usize = 16 << 20;

#[derive(Debug, Default)]
struct Inside {
    waiting: VecDeque<(Class, Entry)>,
    bytes: usize,
    losses: Losses,
    /// Last sequence given in each lane, as the page has it.
    given: BTreeMap<LaneId, u64>,
    urgent: bool,
    /// Handed out, and neither committed nor given back: counts by lane, and what was lost.
    out: BTreeMap<LaneId, u64>,
    losses_out: Losses,
}

/// What waits for the disk.
#[derive(Debug, Default)]
pub(super) struct Buffer(Mutex<Inside>);

impl Buffer {
    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sequences go on behind these: the accounts hold from the first record on.
    pub(super) fn begin(&self, given: &BTreeMap<LaneId, u64>) {
        self.inside().given.clone_from(given);
    }

    /// One more. Beyond [`BYTES_MAX`] the oldest of the lowest class goes, or this one.
    pub(super) fn put(&self, class: Class, entry: Entry) {
        let mut inside = self.inside();
        inside.given.insert(entry.lane, entry.sequence);
        inside.urgent |= class == Class::Safety;
        inside.bytes += entry.body.len();
        inside.waiting.push_back((class, entry));
        while inside.bytes > BYTES_MAX {
            let lowest = inside.waiting.iter().map(|(class, _)| *class).max();
            let place = inside.waiting.iter().position(|(class, _)| Some(*class) == lowest);
            let Some((_, gone)) = place.and_then(|place| inside.waiting.remove(place)) else {
                break;
            };
            inside.bytes -= gone.body.len();
            inside.losses.add(gone.lane, gone.sequence, Reason::Memory);
        }
    }

    /// Something in it must not wait.
    pub(super) fn is_urgent(&self) -> bool {
        self.inside().urgent
    }

    /// All of it, for a commit. Until [`settled`](Self::settled) it counts as in memory.
    pub(super) fn take(&self) -> (Vec<Entry>, Losses) {
        let mut inside = self.inside();
        inside.urgent = false;
        inside.bytes = 0;
        let entries: Vec<Entry> = inside.waiting.drain(..).map(|(_, entry)| entry).collect();
        for entry in &entries {
            *inside.out.entry(entry.lane).or_default() += 1;
        }
        let losses = std::mem::take(&mut inside.losses);
        inside.losses_out = losses.clone();
        (entries, losses)
    }

    /// What was taken is on the disk.
    pub(super) fn settled(&self) {
        let mut inside = self.inside();
        inside.out.clear();
        inside.losses_out.clear();
    }

    /// Of one moment, by lane: last sequence given, in memory, lost in memory.
    pub(super) fn counts(&self) -> impl Fn(LaneId) -> (u64, u64, u64) {
        let inside = self.inside();
        let mut counts = inside.out.clone();
        for (_, entry) in &inside.waiting {
            *counts.entry(entry.lane).or_default() += 1;
        }
        let (given, losses, out) =
            (inside.given.clone(), inside.losses.clone(), inside.losses_out.clone());
        move |lane| {
            let lost = losses.count(lane) + out.count(lane);
            (given.get(&lane).copied().unwrap_or(0), counts.get(&lane).copied().unwrap_or(0), lost)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(lane: u16, sequence: u64, bytes: usize) -> Entry {
        let body = "x".repeat(bytes).into();
        Entry { lane: LaneId(lane), sequence, made: 0, retention_ns: 0, body }
    }

    #[test]
    fn a_lane_that_got_nothing_yet_has_what_was_given_before() {
        let buffer = Buffer::default();
        buffer.begin(&BTreeMap::from([(LaneId(3), 17)]));
        assert_eq!(buffer.counts()(LaneId(3)), (17, 0, 0));
    }

    #[test]
    fn what_does_not_fit_is_counted_and_telemetry_goes_before_safety_events() {
        let buffer = Buffer::default();
        let piece = BYTES_MAX / 8;
        (1..=4).for_each(|sequence| buffer.put(Class::Telemetry, entry(2, sequence, piece)));
        (1..=6).for_each(|sequence| buffer.put(Class::Safety, entry(0, sequence, piece)));
        assert!(buffer.is_urgent());
        let counts = buffer.counts();
        assert_eq!(counts(LaneId(0)), (6, 6, 0));
        assert_eq!(counts(LaneId(2)), (4, 2, 2));
        let (entries, losses) = buffer.take();
        let kept: Vec<_> = entries.iter().map(|it| (it.lane.0, it.sequence)).collect();
        assert_eq!(kept[..3], [(2, 3), (2, 4), (0, 1)]);
        assert_eq!(losses.ranges().len(), 1);
        assert_eq!(buffer.counts()(LaneId(2)), (4, 2, 2), "not on the disk yet");
        buffer.settled();
        assert_eq!(buffer.counts()(LaneId(2)), (4, 0, 0));
    }
}
