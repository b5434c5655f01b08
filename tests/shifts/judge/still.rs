//! No motion without permit: what is commanded only slows down, what moves comes to rest, and what rests stays.

use super::{Found, Rule, Seen};
use crate::draw::{Excuse, MS, Shift};

/// Slower than this is standing, units / s: the two masses swing.
pub(crate) const STANDS: f64 = 2.0;
/// For so many cycles.
const STANDING: u32 = 20;
/// A target may speed up by so much by rounding, units / s.
const ROUNDING: f64 = 0.5;
/// What rests may be off by, units: brakes have play.
const OFF: f64 = 1.0;
/// It is at rest after so long: the longest ramp, the watchdog and a quick stop are shorter.
const REST_NS: u64 = 1_500 * MS;
/// Without torque it coasts.
const COAST_NS: u64 = 15_000 * MS;
/// After an excuse is over it is not judged for so long: it must come to rest first.
const TAIL_NS: u64 = 4_000 * MS;

#[derive(Clone, Copy, Debug)]
enum State {
    Moving,
    /// Since then; stands for so many cycles.
    Stopping {
        since: u64,
        standing: u32,
    },
    Rest(f64),
}

pub(super) struct Still {
    axes: Vec<(State, f64)>,
    /// The longest ramp of the machine, ns.
    ramp_ns: u64,
    off_since: Option<u64>,
}

impl Still {
    pub(super) fn new(shift: &Shift, at: &[f64]) -> Self {
        let ramp = |axis: &rt_core::plan::AxisPlan| {
            let stop = axis.stop.ramp_deceleration.units();
            axis.limits.velocity.units() / stop * 1.0e9
        };
        let longest = shift.machine.plan.axes.iter().map(ramp).fold(0.0, f64::max);
        Self {
            axes: at.iter().map(|at| (State::Rest(*at), 0.0)).collect(),
            ramp_ns: crate::number::whole(longest) + 20 * MS,
            off_since: Some(0),
        }
    }

    pub(super) fn cycle(&mut self, seen: &Seen<'_>, found: &mut Found) {
        let was_off = self.off_since.is_some();
        self.off_since = (!seen.run).then(|| self.off_since.unwrap_or(seen.now));
        let over = self.off_since.is_some_and(|since| seen.now > since + self.ramp_ns);
        for (number, (state, commanded)) in self.axes.iter_mut().enumerate() {
            let axis = &seen.axes[number];
            let before = core::mem::replace(commanded, axis.commanded);
            if !seen.run && was_off {
                let slows = axis.commanded.abs() <= before.abs() + ROUNDING;
                found.unless(slows, Rule::Motion, || {
                    let now = axis.commanded;
                    format!("axis {number} is told {now:.3} after {before:.3} /s without permit")
                });
                found.unless(!over || axis.commanded.abs() <= ROUNDING, Rule::Motion, || {
                    format!("axis {number} is still told to move, {:.3} /s", axis.commanded)
                });
            }
            *state = truth(seen, number, *state, found);
        }
    }
}

/// What the axis truly does.
fn truth(seen: &Seen<'_>, number: usize, state: State, found: &mut Found) -> State {
    let axis = &seen.axes[number];
    let fresh = State::Stopping { since: seen.now, standing: 0 };
    if seen.run {
        return State::Moving;
    }
    if seen.excused(number, &[Excuse::RunsOn, Excuse::Chain, Excuse::Clock], TAIL_NS) || axis.at_end
    {
        return fresh;
    }
    match state {
        State::Moving => fresh,
        State::Stopping { standing, .. } if standing >= STANDING => State::Rest(axis.position),
        State::Stopping { since, standing } => {
            let limit = if axis.powered { REST_NS } else { COAST_NS };
            found.unless(seen.now - since <= limit, Rule::Motion, || {
                format!("axis {number} does not come to rest: {:.2} /s", axis.velocity)
            });
            let stands = axis.velocity.abs() < STANDS;
            State::Stopping { since, standing: if stands { standing + 1 } else { 0 } }
        }
        State::Rest(at) => {
            found.unless((axis.position - at).abs() <= OFF, Rule::Motion, || {
                let moved = axis.position - at;
                format!("axis {number} rested and moved by {moved:.3} without permit")
            });
            State::Rest(at)
        }
    }
}
