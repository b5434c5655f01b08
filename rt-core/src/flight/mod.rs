//! The flight recorder: always on, it holds the newest cycles of the loop phase by phase, and is frozen when something goes wrong.
//!
//! *Ring*: the newest cycles, [`CycleStamps`] of 64 bytes each, and the newest [`Mark`]s. *Trigger*: an overrun, a stop, or somebody
//! asks. *Freeze*: some time after a trigger the ring is handed over whole and an empty one takes its place
//! ([`Ports::freeze`](crate::cycle::Ports::freeze)); nothing is copied. While no empty one is there the loop goes on in the same ring, and
//! the cycles that are overwritten meanwhile are counted as lost. *Account*: counters and distributions that anyone may read at any time.
//!
//! A cycle costs one record, [`PHASES`] + 2 counts and one clock reading a phase, whatever happens; a freeze exchanges two pointers.

mod account;
mod durations;
mod mark;
mod record;
mod ring;

pub use account::{Account, Counts};
pub use durations::Durations;
pub use mark::{
    CAUSE_AXIS, CAUSE_GATE, CAUSE_NONE, CAUSE_POWER_UP, CAUSE_PROGRAM, MARK_BYTES, Mark, MarkKind,
    cause_number,
};
pub use record::{
    BUS_SHIFT, CycleStamps, DC_UNLOCKED, MACHINE_SHIFT, OVERRUN, PHASES, Phase, RECORD_BYTES,
    REQUESTED, SKIPPED, TRIP, UNITS_WRONG, WOKE_LATE,
};
pub use ring::{Ring, Trigger, TriggerKind};

use alloc::boxed::Box;
use alloc::sync::Arc;

use crate::bus::{BusState, Exchange, Pace};
use crate::record::{Body, Event, MachineState, Record};

/// Most cycles that a ring holds: 4 MiB.
pub const CYCLES_MAX: u64 = 1 << 16;

/// How much is kept around a trigger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlightPlan {
    /// Before the trigger, ns.
    pub before_ns: u64,
    /// After it, ns: how it went on. The ring is frozen then.
    pub after_ns: u64,
}

impl Default for FlightPlan {
    fn default() -> Self {
        Self { before_ns: 10_000_000_000, after_ns: 1_000_000_000 }
    }
}

/// A trigger that has not been followed by its freeze yet.
#[derive(Clone, Copy, Debug)]
struct Pending {
    trigger: Trigger,
    /// The ring is to be frozen after this cycle.
    freeze_in: u64,
    /// Cycles for which no empty ring was there.
    late: u64,
}

/// The recorder of one loop. Allocates in its constructor only.
#[derive(Debug)]
pub struct Flight {
    ring: Box<Ring>,
    account: Arc<Account>,
    current: CycleStamps,
    wake: u64,
    /// Of `current`: how many phases are over, and when the last of them was, ns after the wake.
    over: usize,
    last_ns: u32,
    /// Interlock of the first stop in this cycle.
    stopped_by: Option<u16>,
    ending: bool,
    pending: Option<Pending>,
    /// Overruns before this cycle make no dump of their own.
    held_until: u64,
    requests: u64,
    is_reference_lost: bool,
    before: u64,
    after: u64,
}

impl Flight {
    /// For a loop of `period_ns` (at least 1).
    #[must_use]
    pub fn new(period_ns: u64, plan: FlightPlan) -> Self {
        let cycles = |ns: u64| ns.div_ceil(period_ns.max(1));
        // Room for the cycle of the trigger itself.
        let after = cycles(plan.after_ns).min(CYCLES_MAX / 2);
        let before = cycles(plan.before_ns).min(CYCLES_MAX - 1 - after);
        let capacity = usize::try_from(before + 1 + after).unwrap_or(1);
        Self {
            ring: Box::new(Ring::new(capacity)),
            account: Arc::new(Account::default()),
            current: CycleStamps::default(),
            wake: 0,
            over: 0,
            last_ns: 0,
            stopped_by: None,
            ending: false,
            pending: None,
            held_until: 0,
            requests: 0,
            is_reference_lost: false,
            before,
            after,
        }
    }

    /// Counters and distributions, for whoever watches.
    #[must_use]
    pub fn account(&self) -> Arc<Account> {
        Arc::clone(&self.account)
    }

    /// An empty ring of the same size, for whoever takes the frozen ones.
    #[must_use]
    pub fn spare(&self) -> Box<Ring> {
        Box::new(Ring::new(self.ring.capacity()))
    }

    /// A cycle begins: it was due at `due` and woke at `wake`.
    pub fn begin(&mut self, cycle: u64, (due, wake): (u64, u64), skipped: u32) {
        let flags = match (skipped > 0, self.current.is(OVERRUN)) {
            (false, _) => 0,
            (true, true) => SKIPPED,
            (true, false) => SKIPPED | WOKE_LATE,
        };
        self.current = CycleStamps {
            cycle,
            due,
            latency_ns: narrow(wake.saturating_sub(due)),
            skipped: u16::try_from(skipped).unwrap_or(u16::MAX),
            flags,
            ..CycleStamps::default()
        };
        self.wake = wake;
        (self.over, self.last_ns) = (0, 0);
        self.stopped_by = None;
    }

    /// A phase is over. Phases that were left out take no time.
    pub fn over(&mut self, phase: Phase, now: u64) {
        let began = self.last_ns;
        self.last_ns = began.max(narrow(now.saturating_sub(self.wake)));
        let until = phase.place() + 1;
        let rest = self.current.over_ns.get_mut(self.over..until).unwrap_or_default();
        if let Some((last, before)) = rest.split_last_mut() {
            before.fill(began);
            *last = self.last_ns;
            self.over = until;
        }
    }

    /// What the bus did, and when.
    pub fn exchanged(&mut self, exchange: &Exchange, pace: &Pace) {
        self.over(Phase::Send, pace.sent_at);
        self.over(Phase::Receive, exchange.received_at);
        let wrong = exchange.units_good & exchange.units_all != exchange.units_all;
        let bus = match exchange.state {
            BusState::Starting => 0,
            BusState::Operational => 1,
            BusState::Faulted => 2,
        };
        self.current.flags |= if wrong { UNITS_WRONG } else { 0 };
        self.current.flags |= if exchange.dc_unlocked { DC_UNLOCKED } else { 0 };
        self.current.flags |= bus << BUS_SHIFT;
        if pace.is_reference_lost != self.is_reference_lost {
            self.is_reference_lost = pace.is_reference_lost;
            let subject = u16::from(pace.is_reference_lost);
            let (cycle, at) = (self.current.cycle, self.wake);
            let kind = MarkKind::Reference;
            self.ring.mark(Mark { cycle, at, subject, kind, ..Mark::default() });
        }
    }

    /// Looks at a record of this cycle: events become marks, the first stop a trigger.
    pub fn note(&mut self, record: &Record) {
        match &record.body {
            Body::Event(event) => self.note_event(record, event),
            Body::Cycle(cycle) => {
                self.current.flags |= machine_number(cycle.machine) << MACHINE_SHIFT;
            }
            Body::Axis(_)
            | Body::Signal { .. }
            | Body::Stamp { .. }
            | Body::Command(_)
            | Body::Picture(_)
            | Body::Result(_)
            | Body::Separation(_) => {}
        }
    }

    fn note_event(&mut self, record: &Record, event: &Event) {
        self.ending |= matches!(event, Event::ShutdownRequested);
        let Some(mark) = Mark::of(record.cycle, record.now, event) else { return };
        self.ring.mark(mark);
        // What the controlled end stops is no incident.
        if mark.kind == MarkKind::Trip && mark.reaction >= mark::STOP && !self.ending {
            self.current.flags |= TRIP;
            self.stopped_by = self.stopped_by.or(Some(mark.subject));
        }
    }

    /// The cycle is over at `now`. `is_overrun`: the next was due already. Returns whether the ring is to be frozen.
    pub fn end(&mut self, now: u64, is_overrun: bool) -> bool {
        self.over(Phase::Publish, now);
        self.current.flags |= if is_overrun { OVERRUN } else { 0 };
        let requests = self.account.requests();
        if requests != self.requests {
            self.requests = requests;
            self.current.flags |= REQUESTED;
        }
        self.account.cycle(&self.current);
        self.ring.push(self.current);
        self.judge();
        self.pending.is_some_and(|pending| self.current.cycle >= pending.freeze_in)
    }

    /// Whether this cycle is a trigger.
    fn judge(&mut self) {
        let cycle = self.current.cycle;
        let late = self.current.is(OVERRUN | SKIPPED);
        let kind = match self.stopped_by {
            Some(_) => TriggerKind::Trip,
            None if self.current.is(REQUESTED) => TriggerKind::Request,
            None if late => TriggerKind::Overrun,
            None => return,
        };
        let held_off = kind == TriggerKind::Overrun && cycle < self.held_until;
        self.account.triggered(held_off);
        let is_stop = |pending: Pending| pending.trigger.kind == TriggerKind::Trip;
        let is_in_it = self.pending.is_some_and(|p| kind != TriggerKind::Trip || is_stop(p));
        if held_off || is_in_it {
            // It is in the dump that is being made. Only the first stop draws it out, so that what follows it is there.
            return;
        }
        let subject = self.stopped_by.unwrap_or(0);
        let trigger = Trigger { kind, cycle, at: self.wake, subject };
        let freeze_in = cycle.saturating_add(self.after);
        self.pending = Some(Pending { trigger, freeze_in, late: 0 });
    }

    /// Hands the ring over: `exchange` puts an empty one in its place, or returns `false`.
    pub fn freeze(&mut self, exchange: impl FnOnce(&mut Box<Ring>) -> bool) {
        let Some(pending) = &mut self.pending else { return };
        self.ring.freeze(pending.trigger, pending.late);
        if exchange(&mut self.ring) {
            self.account.froze();
            self.held_until = self.current.cycle.saturating_add(self.before);
            self.pending = None;
        } else if self.ring.is_full() {
            pending.late = pending.late.saturating_add(1);
            self.account.lost();
        }
    }

    /// A trigger waits for its freeze.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        self.pending.is_some()
    }
}

/// Numbers of the machine's states, as they stand in files.
fn machine_number(state: MachineState) -> u16 {
    match state {
        MachineState::Boot => 0,
        MachineState::Safe => 1,
        MachineState::AwaitStart => 2,
        MachineState::Run => 3,
    }
}

fn narrow(ns: u64) -> u32 {
    u32::try_from(ns).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
