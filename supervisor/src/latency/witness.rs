//! A witness on another CPU: if it was late at the same time, the machine stood still; if not, our wake-up was late.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use rt_linux::clock::{self, Monotonic};
use rt_linux::thread::spawn_realtime;
use serde::Serialize;

use super::own::{self, LATE_NS};
use crate::exit::Error;

const STACK_BYTES: usize = 128 * 1024;
/// It looks at the clock so often, ns.
const PERIOD_NS: u64 = 1_000_000;
/// Events kept between two questions.
const LATE_MAX: usize = 4096;

/// A wake-up that was late, ns of CLOCK_MONOTONIC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Late {
    /// When it was due.
    pub due: u64,
    /// When it came.
    pub wake: u64,
}

impl Late {
    /// Half of this lateness at least is covered by `other`'s, give or take the witness' period: both were held up at once.
    #[must_use]
    pub(super) fn shared_with(&self, other: &Late) -> bool {
        let from = self.due.max(other.due.saturating_sub(PERIOD_NS));
        let to = self.wake.min(other.wake);
        to.saturating_sub(from).saturating_mul(2) >= self.wake.saturating_sub(self.due)
    }
}

/// What the witness is worth and what it saw.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Testimony {
    /// Its CPU; `null`: there is none but the loop's, and nothing tells a frozen machine from a late wake-up.
    pub cpu: Option<usize>,
    /// It runs before all ordinary threads; if not, its own lateness says little.
    pub realtime: bool,
    /// Wake-ups of ours later than 0.5 ms that were ours alone.
    pub late_alone: u64,
    /// Wake-ups of ours later than 0.5 ms while the witness stood still, too.
    pub late_frozen: u64,
    /// Longest time for which the witness stood still, ns.
    pub longest_ns: u64,
    /// Times at which the witness stood still for longer than 0.5 ms, in blocks of either.
    pub frozen: u64,
}

/// The witness' thread.
#[derive(Debug)]
pub(super) struct Witness {
    leave: Arc<AtomicBool>,
    seen: Arc<Mutex<Vec<Late>>>,
    thread: Option<JoinHandle<()>>,
    pub(super) realtime: bool,
}

impl Witness {
    pub(super) fn spawn(cpu: usize, priority: u8) -> Result<Self, Error> {
        let leave = Arc::new(AtomicBool::new(false));
        let seen = Arc::new(Mutex::new(Vec::with_capacity(LATE_MAX)));
        let (flag, list) = (Arc::clone(&leave), Arc::clone(&seen));
        let (tell, armed) = crossbeam::channel::bounded(1);
        let thread = spawn_realtime("tactus-witness", STACK_BYTES, move || {
            let armed = own::arm(cpu, priority);
            let _ = tell.send(armed.as_ref().is_some_and(|(_, realtime)| *realtime));
            watch(&flag, &list);
        })
        .map_err(|wrong| Error::environment(format!("the system refuses a thread: {wrong}")))?;
        let realtime = armed.recv().unwrap_or(false);
        Ok(Self { leave, seen, thread: Some(thread), realtime })
    }

    /// What it has seen since it was asked last.
    pub(super) fn take(&self) -> Vec<Late> {
        self.seen.lock().map(|mut seen| std::mem::take(&mut *seen)).unwrap_or_default()
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.leave.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn watch(leave: &AtomicBool, seen: &Mutex<Vec<Late>>) {
    let mut clock = Monotonic::new(0);
    let mut due = clock::now();
    while !leave.load(Ordering::Relaxed) {
        due = due.saturating_add(PERIOD_NS);
        let wake = clock.sleep_until(due);
        if wake.saturating_sub(due) > LATE_NS
            && let Ok(mut seen) = seen.lock()
            && seen.len() < LATE_MAX
        {
            seen.push(Late { due, wake });
        }
        due = due.max(wake.saturating_sub(PERIOD_NS));
    }
}

impl Testimony {
    /// Adds what was seen during a block of ours (`ours`) or of cyclictest (none).
    pub(super) fn add(&mut self, ours: &[Late], seen: &[Late]) {
        for late in ours {
            if seen.iter().any(|other| late.shared_with(other)) {
                self.late_frozen += 1;
            } else {
                self.late_alone += 1;
            }
        }
        for late in seen {
            self.frozen += 1;
            self.longest_ns = self.longest_ns.max(late.wake.saturating_sub(late.due));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn late(due: u64, wake: u64) -> Late {
        Late { due: due * MS, wake: wake * MS }
    }

    #[test]
    fn a_frozen_machine_is_told_from_a_late_wake_up() {
        let mut testimony = Testimony::default();
        // Both stood still from 101 to 130 ms; at 200 ms only ours was late.
        testimony.add(&[late(101, 130), late(200, 230)], &[late(102, 130)]);
        assert_eq!((testimony.late_frozen, testimony.late_alone), (1, 1));
        assert_eq!((testimony.frozen, testimony.longest_ns), (1, 28 * MS));
        // A witness that was late for a moment does not excuse a long delay.
        testimony.add(&[late(300, 330)], &[late(310, 313)]);
        assert_eq!(testimony.late_alone, 2);
    }
}
