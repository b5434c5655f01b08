//! The machine's state: starts safe, goes to run only by a person's reset and a person's fresh start.
//!
//! ```text
//! Boot ──first cycle──► Safe ──reset, all causes clear──► AwaitStart ──fresh press of start──► Run
//!                        ▲  ╰─no reset needed, all clear──► ▲  │                               │ │
//!                        ╰──────────────a cause─────────────┼──╯◄───────────a cause────────────╯ │
//!                                                           ╰────────────stop button─────────────╯
//! ```
//! A reset is needed at boot, after a cause that latches, and after a fault of program, gate, axis or power-up. After a cause that does not
//! latch, `Safe` goes to `AwaitStart` by itself once it is clear. Nothing ever goes to `Run` by itself. Leaving `Run` takes the permit
//! of every group: groups that no interlock names come to rest on the gate's ramp and keep their power.

mod button;

pub use button::{Button, Press};

use crate::plan::{AxisId, ControlPlan, GroupId, InterlockId};
use crate::record::{ButtonFault, Event, MachineState};
use crate::signal::SignalId;
use crate::step::Log;
use twin_lite::{taped, taped_enum};

/// From the fault reset that an accepted reset sends to the drives until their faults must be gone, ns.
const FAULT_RESET_NS: u64 = 1_000_000_000;

/// Why the machine is safe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SafeCause {
    /// It always starts so.
    #[default]
    Boot,
    /// An interlock stopped a group.
    Interlock(InterlockId),
    /// The program failed.
    Program,
    /// The gate did not pass what motion asked, or the axis lost its power while it should have it.
    Gate(AxisId),
    /// The axis is in `ErrorStop` (homing failed, its drive had a fault); only a reset leads out.
    Axis(AxisId),
    /// The drives of the group did not come up in time.
    PowerUp(GroupId),
    /// The controlled end.
    Shutdown,
}

taped_enum!(SafeCause {
    0: Boot,
    1: Interlock(interlock),
    2: Program,
    3: Gate(axis),
    4: Axis(axis),
    5: PowerUp(group),
    6: Shutdown,
});
taped_enum!(Machine { 0: Boot, 1: Safe { cause, since }, 2: AwaitStart, 3: Run });

/// The machine's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Machine {
    /// Nothing has been checked yet.
    Boot,
    /// No permit.
    Safe {
        /// The first cause.
        cause: SafeCause,
        /// Since when, ns.
        since: u64,
    },
    /// A fresh start is needed.
    AwaitStart,
    /// Running.
    Run,
}

impl Machine {
    /// The state without its data.
    #[must_use]
    pub fn state(&self) -> MachineState {
        match self {
            Self::Boot => MachineState::Boot,
            Self::Safe { .. } => MachineState::Safe,
            Self::AwaitStart => MachineState::AwaitStart,
            Self::Run => MachineState::Run,
        }
    }
}

/// What decides about the machine's state this cycle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Situation {
    /// An interlock that stops a group demands or is latched, and whether one of them latches.
    pub stop: Option<(InterlockId, bool)>,
    /// One demands right now.
    pub demanded: bool,
    /// One demands that refuses a reset: neither a drive fault, nor a device that a person holds.
    pub refuses_reset: bool,
    /// A drive fault demands right now.
    pub drive_fault: bool,
    /// A fault that needs a reset: program, gate, axis or power-up.
    pub fault: Option<SafeCause>,
    /// The controlled end was asked for.
    pub shutdown: bool,
    /// There is a mode selector, and it does not say a mode: nothing starts.
    pub no_mode: bool,
    /// The mode selector was turned since the last cycle: what runs stops, and a fresh start must follow.
    pub mode_changed: bool,
    /// In manual: a jog input has been held since then. A fresh press is a start.
    pub jog_since: Option<u64>,
}

/// What the machine's state did this cycle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// A reset was pressed that may be accepted: send the fault reset to the drives.
    pub fault_reset: bool,
    /// A reset was accepted: let latches go.
    pub reset: bool,
}

/// The machine's state, and the buttons that move it.
#[derive(Clone, Debug)]
pub struct Control {
    plan: ControlPlan,
    machine: Machine,
    /// When the machine's state changed last, ns.
    since: u64,
    /// When it began to wait for a start last, ns.
    awaited_since: u64,
    reset: Button,
    start: Button,
    reset_needed: bool,
    /// A reset is accepted as soon as the drives' faults are gone, until then, ns.
    resetting_until: Option<u64>,
}

taped!(Control { machine, since, awaited_since, reset, start, reset_needed, resetting_until; plan });

impl Control {
    /// At boot.
    #[must_use]
    pub fn new(plan: ControlPlan) -> Self {
        Self {
            plan,
            // SR-001
            machine: Machine::Boot,
            since: 0,
            awaited_since: 0,
            reset: Button::default(),
            start: Button::default(),
            reset_needed: true,
            resetting_until: None,
        }
    }

    /// The state.
    #[must_use]
    pub fn machine(&self) -> Machine {
        self.machine
    }

    /// A reset must come before the next start.
    #[must_use]
    pub fn reset_needed(&self) -> bool {
        self.reset_needed
    }

    /// One cycle: reads the buttons and moves the state by at most one transition. `read` gives a signal that is good, or young enough.
    pub fn update(
        &mut self,
        read: impl Fn(SignalId) -> Option<i64>,
        now: &Situation,
        log: &mut Log<'_>,
    ) -> Outcome {
        let (shortest, longest) = (self.plan.press_min_ns, self.plan.press_max_ns);
        let pressed = |signal| read(signal).map(|value| value != 0);
        let reset = self.reset.update(pressed(self.plan.reset), log.now, shortest, longest);
        self.start.update(pressed(self.plan.start), log.now, shortest, longest);
        // SR-013
        let stop_pressed = self.plan.stop.is_some_and(|stop| read(stop) != Some(1));

        if let Press::Fault(reason) = reset {
            log.event(Event::ResetRefused { reason });
        }
        self.reset_needed |= now.fault.is_some() || now.stop.is_some_and(|(_, latches)| latches);
        // SR-010, SR-011
        let (next, outcome) = match self.machine {
            Machine::Safe { cause: SafeCause::Shutdown, .. } => (self.machine, Outcome::default()),
            _ if now.shutdown => (safe(SafeCause::Shutdown, log.now), Outcome::default()),
            Machine::Boot => (safe(SafeCause::Boot, log.now), Outcome::default()),
            Machine::Safe { .. } => self.while_safe(reset, now, log),
            Machine::AwaitStart => match stopped_by(now) {
                Some(cause) => (safe(cause, log.now), Outcome::default()),
                None if now.mode_changed || now.no_mode => {
                    // A press from before the change is not fresh.
                    self.since = log.now;
                    (Machine::AwaitStart, acknowledge(reset, log))
                }
                // SR-011
                None if self.fresh_start(now.jog_since, log.now) && !stop_pressed => {
                    log.event(Event::Start);
                    (Machine::Run, Outcome::default())
                }
                None => (Machine::AwaitStart, acknowledge(reset, log)),
            },
            Machine::Run => match stopped_by(now) {
                Some(cause) => (safe(cause, log.now), Outcome::default()),
                None if stop_pressed || now.mode_changed || now.no_mode => {
                    (Machine::AwaitStart, Outcome::default())
                }
                None => (Machine::Run, acknowledge(reset, log)),
            },
        };
        self.enter(next, log);
        if self.machine == Machine::AwaitStart {
            self.awaited_since = self.since;
        }
        outcome
    }

    /// Only here a reset means anything.
    // SR-007
    fn while_safe(
        &mut self,
        reset: Press,
        now: &Situation,
        log: &mut Log<'_>,
    ) -> (Machine, Outcome) {
        let mut outcome = Outcome::default();
        let refuse = |reason, log: &mut Log<'_>| log.event(Event::ResetRefused { reason });
        match reset {
            Press::None | Press::Fault(_) => {}
            Press::Done if now.refuses_reset || now.fault.is_some() => {
                refuse(ButtonFault::CauseNotClear, log);
            }
            Press::Done => {
                outcome.fault_reset = true;
                self.resetting_until = Some(log.now.saturating_add(FAULT_RESET_NS));
            }
        }
        if let Some(until) = self.resetting_until {
            if !now.drive_fault && !now.refuses_reset && now.fault.is_none() {
                self.resetting_until = None;
                self.reset_needed = false;
                outcome.reset = true;
                log.event(Event::Reset);
                // A device that a person must hold may be let go meanwhile: then it waits for that.
                let next = if now.demanded { self.machine } else { Machine::AwaitStart };
                return (next, outcome);
            }
            if log.now > until || now.refuses_reset {
                self.resetting_until = None;
                refuse(ButtonFault::CauseNotClear, log);
            }
        }
        if !self.reset_needed && now.stop.is_none() && !now.demanded {
            return (Machine::AwaitStart, outcome);
        }
        (self.machine, outcome)
    }

    /// Start is pressed (in manual: or an axis is jogged), and was pressed after the machine began to wait for it.
    // SR-010
    fn fresh_start(&self, jog_since: Option<u64>, now: u64) -> bool {
        let fresh =
            |since: u64| since > self.since && now.saturating_sub(since) >= self.plan.press_min_ns;
        self.start.pressed_since().is_some_and(fresh) || jog_since.is_some_and(fresh)
    }

    /// When the machine began to wait for the start that made it run, ns; presses from before move nothing.
    #[must_use]
    pub fn awaited_since(&self) -> u64 {
        self.awaited_since
    }

    fn enter(&mut self, next: Machine, log: &mut Log<'_>) {
        let (from, to) = (self.machine.state(), next.state());
        if from != to {
            self.since = log.now;
            self.resetting_until = None;
            log.event(Event::Machine { from, to });
        }
        self.machine = next;
    }
}

fn safe(cause: SafeCause, since: u64) -> Machine {
    Machine::Safe { cause, since }
}

/// While nothing stops the machine a reset lets go of the latches of warnings and speed limits, and does no more.
fn acknowledge(reset: Press, log: &mut Log<'_>) -> Outcome {
    let reset = reset == Press::Done;
    if reset {
        log.event(Event::Reset);
    }
    Outcome { reset, ..Outcome::default() }
}

/// What takes the permit: a fault of ours before an interlock, for nothing else would name it.
fn stopped_by(now: &Situation) -> Option<SafeCause> {
    now.fault.or(now.stop.map(|(interlock, _)| SafeCause::Interlock(interlock)))
}

#[cfg(test)]
mod tests;
