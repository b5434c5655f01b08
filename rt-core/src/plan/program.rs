//! The built-in program, as the loop is told.

use super::AxisId;
use crate::signal::SignalId;
use alloc::vec::Vec;

/// The built-in program: parallel strands of steps.
#[derive(Clone, Debug, Default)]
pub struct ProgramPlan {
    /// Run side by side; at most [`STRANDS_MAX`](crate::program::STRANDS_MAX).
    pub strands: Vec<StrandPlan>,
}

/// One strand: steps in order; the end goes back to `restart_at` if there is one.
#[derive(Clone, Debug, Default)]
pub struct StrandPlan {
    /// At most 256.
    pub steps: Vec<StepPlan>,
    /// After the last step; `None`: the strand is done.
    pub restart_at: Option<u16>,
}

/// One step of a strand. Step names are numbered over all strands in order.
#[derive(Clone, Copy, Debug)]
pub struct StepPlan {
    /// What it does.
    pub action: Action,
    /// Longer than this is a program fault (`None`: no time-out), ns of running time.
    pub timeout_ns: Option<u64>,
}

impl StepPlan {
    /// It homes this axis.
    #[must_use]
    pub fn homes(&self, axis: AxisId) -> bool {
        match self.action {
            Action::Do(request) | Action::Start(request) => {
                matches!(request, crate::program::Request::Home { axis: homed } if homed == axis)
            }
            _ => false,
        }
    }
}

/// What a step does; it is over when that is done.
#[derive(Clone, Copy, Debug)]
pub enum Action {
    /// A request; done when the axis or group reports done. `Output` is done at once.
    Do(crate::program::Request),
    /// Starts a velocity and goes on at once.
    Start(crate::program::Request),
    /// Waits for a time of running, ns.
    Wait(u64),
    /// Waits until a condition holds.
    WaitFor(Condition),
    /// Goes to another step of the same strand if the condition holds.
    Branch {
        /// What is asked.
        condition: Condition,
        /// Step in this strand.
        to: u16,
    },
    /// Goes to another step of the same strand.
    Jump(u16),
    /// Goes on to the next step until it has been here `count` times in all, then past `to`: a counted loop back to `to`.
    Loop {
        /// Back to this step of the strand.
        to: u16,
        /// How often, 1..=65535.
        count: u16,
    },
    /// Waits until a strand has reached this step or a later one of its present pass.
    Join {
        /// Which strand.
        strand: u8,
        /// Which of its steps.
        step: u16,
    },
}

/// A condition on a signal; a signal that is not good makes it false.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Which.
    pub signal: SignalId,
    /// How.
    pub compare: Compare,
    /// Raw value.
    pub value: i64,
}

/// How a signal is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    /// =
    Equal,
    /// ≠
    NotEqual,
    /// <
    Less,
    /// ≥
    AtLeast,
}
