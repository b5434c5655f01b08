//! May this thread run in real time? Asked step by step, read back from the kernel, written down.
//!
//! The way there is a type: [`lock`] does what concerns the process and gives [`Locked`], which
//! moves to the real-time thread; [`Locked::arm`] does what concerns that thread and gives
//! [`Armed`], which stays there. Who starts a cycle on the machine asks for an [`Armed`].
//!
//! Two ways to take a refusal: *strict* ends at the first one, with an error that names what is
//! missing and the command that gives it; *degraded* goes on and carries every reason in the
//! [`Outcome`], for the console and every report. There is no third, silent way.

mod cause;
mod memory;
mod process;
mod scheduling;

use std::fmt;
use std::fs::File;
use std::marker::PhantomData;

pub use cause::{Cause, Refused};
pub use scheduling::{cpu_default, fifo_is_granted};

use crate::broken;

/// SCHED_FIFO priority of a strict run that names none. Above threaded interrupts (50), below the
/// kernel's watchdogs (99).
pub const PRIORITY_DEFAULT: u8 = 80;

/// What the machine file asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// CPU of the real-time thread. None: strict takes the last isolated, else the last one online;
    /// degraded takes any.
    pub cpu: Option<usize>,
    /// SCHED_FIFO priority, 1..=99. None: strict takes [`PRIORITY_DEFAULT`]; degraded stays an
    /// ordinary thread.
    pub priority: Option<u8>,
    /// End at the first refusal of what real time needs.
    pub strict: bool,
}

/// One step: asked, and read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Short and stable: `allocator`, `memory`, `runaway`, `power`, `helpers`, `cpu`, `slack`,
    /// `scheduling`, `kernel`, `isolation`, `throttling`.
    pub name: &'static str,
    /// What real time needs.
    pub wanted: String,
    /// What the kernel says, or why it refused.
    pub found: String,
    /// What was found is what was wanted.
    pub ok: bool,
    /// Without it the run is degraded (strict: refused). Else it is advice.
    pub required: bool,
    /// The command that gives it; empty if it is given.
    pub fix: String,
}

/// All steps in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The steps taken so far.
    pub steps: Vec<Step>,
}

impl Outcome {
    /// Nothing that real time needs was refused, and the thread has been armed.
    #[must_use]
    pub fn is_realtime(&self) -> bool {
        self.step(scheduling::SCHEDULING).is_some() && self.reasons().next().is_none()
    }

    /// Why the run is degraded: what is needed and was refused.
    pub fn reasons(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|step| step.required && !step.ok)
    }

    /// What would make it better and is not needed.
    pub fn advice(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|step| !step.required && !step.ok)
    }

    /// The step of that name.
    #[must_use]
    pub fn step(&self, name: &str) -> Option<&Step> {
        self.steps.iter().find(|step| step.name == name)
    }

    /// Notes a step; strict and needed, its refusal is the end.
    fn note(&mut self, strict: bool, asked: Asked) -> Result<(), Refused> {
        let Asked { name, required, wanted, found } = asked;
        match found {
            Ok(found) => {
                let fix = String::new();
                self.steps.push(Step { name, wanted, found, ok: true, required, fix });
            }
            Err(cause) if strict && required => return Err(Refused { step: name, cause }),
            Err(cause) => {
                let (found, fix) = (cause.to_string(), cause.fix());
                self.steps.push(Step { name, wanted, found, ok: false, required, fix });
            }
        }
        Ok(())
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Step { name, wanted, found, ok, required, fix } in &self.steps {
            let mark = match (ok, required) {
                (true, _) => "ok",
                (false, true) => "REFUSED",
                (false, false) => "advice",
            };
            writeln!(to, "{mark:<8}{name:<12}{found} (wanted: {wanted})")?;
            if !ok {
                writeln!(to, "{:<8}{:<12}fix: {fix}", "", "")?;
            }
        }
        Ok(())
    }
}

/// A step on its way into the [`Outcome`].
struct Asked {
    name: &'static str,
    required: bool,
    wanted: String,
    found: Result<String, Cause>,
}

/// The process is prepared: its memory is locked, or the outcome says why not.
#[derive(Debug)]
pub struct Locked {
    request: Request,
    outcome: Outcome,
    /// The wish for no power saving holds while this is open.
    power: Option<File>,
}

/// The thread is prepared, and the cycle may start. Bound to that thread, and made by
/// [`Locked::arm`] alone.
///
/// ```compile_fail,E0277
/// fn must_be_send<T: Send>() {}
/// must_be_send::<rt_linux::Armed>();
/// ```
///
/// ```
/// fn must_be_send<T: Send>() {}
/// must_be_send::<rt_linux::Locked>();
/// ```
#[derive(Debug)]
pub struct Armed {
    outcome: Outcome,
    /// Held, not read: see [`Locked`].
    _power: Option<File>,
    /// Scheduling belongs to a thread: not `Send`.
    _thread: PhantomData<*const ()>,
}

/// Prepares the process: allocator, memory, runaway limit, power saving; and keeps the calling
/// thread off the loop's CPU. Call it once, before other threads are spawned: helpers stay where
/// their parent is.
///
/// # Errors
/// Strict: the first refusal. The steps before it stay in force.
pub fn lock(request: &Request) -> Result<Locked, Refused> {
    let strict = request.strict;
    let mut outcome = Outcome::default();
    outcome.note(strict, memory::allocator())?;
    outcome.note(strict, memory::lock())?;
    outcome.note(strict, process::runaway())?;
    let (asked, power) = process::power();
    outcome.note(strict, asked)?;
    outcome.note(strict, scheduling::housekeeping(request))?;
    Ok(Locked { request: *request, outcome, power })
}

impl Locked {
    /// Prepares the calling thread: CPU, timer slack, SCHED_FIFO; and looks at the kernel it runs
    /// on. Spawn helpers before.
    ///
    /// # Errors
    /// Strict: the first refusal. The thread stays as it is then; end it.
    pub fn arm(self) -> Result<Armed, Refused> {
        let Locked { request, mut outcome, power } = self;
        let strict = request.strict;
        broken::this_thread_is_watched();
        outcome.note(strict, scheduling::cpu(&request))?;
        outcome.note(strict, scheduling::slack())?;
        outcome.note(strict, scheduling::fifo(&request))?;
        outcome.note(strict, process::kernel())?;
        outcome.note(strict, scheduling::isolation())?;
        outcome.note(strict, process::throttling())?;
        Ok(Armed { outcome, _power: power, _thread: PhantomData })
    }

    /// The steps so far.
    #[must_use]
    pub fn outcome(&self) -> &Outcome {
        &self.outcome
    }
}

impl Armed {
    /// All steps.
    #[must_use]
    pub fn outcome(&self) -> &Outcome {
        &self.outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(required: bool, found: Result<String, Cause>) -> Asked {
        Asked { name: scheduling::SCHEDULING, required, wanted: "-1".to_owned(), found }
    }

    fn refusal() -> Cause {
        Cause::Throttled { found: "950000".to_owned() }
    }

    #[test]
    fn strict_ends_at_what_is_needed_and_not_at_advice() {
        let mut outcome = Outcome::default();
        assert_eq!(outcome.note(true, asked(false, Err(refusal()))), Ok(()));
        assert_eq!(outcome.advice().count(), 1);
        assert!(outcome.is_realtime(), "advice degrades nothing");
        let refused = Refused { step: scheduling::SCHEDULING, cause: refusal() };
        assert_eq!(outcome.note(true, asked(true, Err(refusal()))), Err(refused));
    }

    #[test]
    fn degraded_goes_on_and_is_not_real_time() {
        let mut outcome = Outcome::default();
        assert_eq!(outcome.note(false, asked(true, Err(refusal()))), Ok(()));
        assert_eq!(outcome.note(false, asked(true, Ok("FIFO".to_owned()))), Ok(()));
        assert!(!outcome.is_realtime());
        let reasons: Vec<_> = outcome.reasons().map(|step| step.found.as_str()).collect();
        assert_eq!(reasons, ["sched_rt_runtime_us is 950000"]);
        let text = outcome.to_string();
        assert!(text.contains("REFUSED") && text.contains("fix: sysctl"), "{text}");
    }

    #[test]
    fn a_process_whose_thread_was_never_armed_is_not_real_time() {
        assert!(!Outcome::default().is_realtime());
    }
}
