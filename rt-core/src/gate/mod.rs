//! The gate: the single exit. Nothing reaches a drive or an output but through here, and it trusts nobody.
//!
//! It knows limits, permits, what it sent last and where the encoders are, in integers. With permit it passes a set-point that holds
//! every limit; a set-point that does not, and a permit that is lost, begin the closed-form [`Ramp`]. By induction the ramp is always
//! possible: no set-point is ever passed from which it would not be. A stop that does not slow the axes as it must ([`Envelope`])
//! is followed by the drives' quick stop, and that by the removal of power.

mod axis;
mod envelope;
mod limits;
mod outputs;
mod power;
mod ramp;
mod speed;

use axis::AxisGate;
pub use envelope::{Envelope, EnvelopePlan, Seen};
pub use limits::{AxisCheck, Track, Violation, ramp_distance};
pub use outputs::{OutputNeeds, Outputs};
pub use power::{Holding, POWER_UP_MAX_NS, Power, PowerNeeds, UNHEARD_MAX_NS};
pub use ramp::Ramp;
pub use speed::SpeedLimit;

use crate::axis::Axis;
use crate::axis::cia402::{ResetPulse, next_controlword};
use crate::interlock::{AxisFacts, GroupDemand, OutputDemand};
use crate::machine::SafeCause;
use crate::motion::{GroupPermit, Motion};
use crate::plan::{AxisId, GroupId, GroupStop, MachinePlan, StopWay};
use crate::program::AXES_MAX;
use crate::record::{Event, MachineState};
use crate::signal::Signals;
use crate::step::{Log, PlanError};
use alloc::boxed::Box;
use twin_lite::{Nano, taped};

/// Cyclic synchronous position (0x6060).
pub const MODE_CSP: i64 = 8;
/// An axis that does not come to rest is braked all the same this long after its ramp, ns.
const STANDSTILL_WAIT_NS: u64 = 500_000_000;

/// The gate's side of one group.
#[derive(Clone, Debug)]
struct GroupGate {
    id: GroupId,
    axes: Box<[AxisId]>,
    stop: GroupStop,
    power: Power,
    ramp: Option<Ramp>,
    speed: SpeedLimit,
    times: group::BrakeTimes,
    /// It comes to rest, or rests, and is watched.
    stopping: bool,
    /// What a stop that did not happen asked for; until power is off.
    escalated: Option<StopWay>,
    /// Since when nothing moves any more as commanded, ns.
    rested_at: Option<u64>,
    /// A drive left operation enabled, or did not come up: power goes before anything else.
    lost: bool,
    /// Since when the drive of what hangs is not heard, ns.
    unheard: Option<u64>,
    /// The speed limit that motion is held to.
    held: Nano,
    /// The speed limit that people were told last.
    told: Nano,
    /// The machine runs and no stop is asked: outputs of the group pass.
    released: bool,
    /// What was asked in this cycle was passed.
    passed: bool,
}

taped!(GroupGate {
    power, ramp, speed, stopping, escalated, rested_at, lost, unheard, held, told, released, passed;
    id, axes, stop, times,
});
taped!(GroupPermit { motion, speed_limit });
taped!(Gate { axes, groups, permits, outputs, fault_reset, fault, violations });

/// The single exit.
#[derive(Clone, Debug)]
pub struct Gate {
    axes: Box<[AxisGate]>,
    groups: Box<[GroupGate]>,
    permits: Box<[GroupPermit]>,
    outputs: Outputs,
    fault_reset: ResetPulse,
    fault: Option<SafeCause>,
    violations: u32,
}

/// What the machine allows this cycle.
#[derive(Clone, Copy, Debug)]
pub struct Allowed<'a> {
    /// Machine state.
    pub machine: MachineState,
    /// The controlled end is on its way: every group stops with category 1 at least.
    pub ending: bool,
    /// What interlocks ask, by `GroupId`.
    pub demands: &'a [GroupDemand],
    /// By `AxisId`.
    pub facts: &'a [AxisFacts],
}

impl Gate {
    /// Everything at rest, without power, outputs safe.
    ///
    /// # Errors
    /// [`PlanError`]: an axis or a group that cannot be held.
    pub fn new(plan: &MachinePlan) -> Result<Self, PlanError> {
        if plan.axes.len() > AXES_MAX {
            return Err(PlanError::TooManyAxes);
        }
        let axes = plan.axes.iter().zip(AxisId::all()).map(|(axis, id)| {
            AxisGate::new(axis, id, plan.period_ns).ok_or(PlanError::Limits { axis: id })
        });
        let groups = GroupId::all().take(plan.groups.len()).map(|id| GroupGate::new(plan, id));
        let none = GroupPermit { motion: false, speed_limit: Nano::MAX };
        Ok(Self {
            axes: axes.collect::<Result<_, _>>()?,
            groups: groups.collect::<Result<_, _>>()?,
            permits: plan.groups.iter().map(|_| none).collect(),
            outputs: Outputs::new(&plan.outputs),
            fault_reset: ResetPulse::default(),
            fault: None,
            violations: 0,
        })
    }

    /// Before anything else in a cycle: positions of an axis have moved with its origin.
    pub fn rebase(&mut self, axes: &[Axis]) {
        for (gate, axis) in self.axes.iter_mut().zip(axes) {
            gate.shift(axis.rebased().0);
        }
    }

    /// What the gate has commanded: velocity per s, and where its ramp would end if it began now.
    pub fn commanded(&self, facts: &mut [AxisFacts]) {
        for group in &self.groups {
            let cycles = group.ramp_cycles(&self.axes, |axis| axis.track.velocity);
            for axis in members(&group.axes, &self.axes) {
                if let Some(facts) = facts.get_mut(usize::from(axis.id.0)) {
                    let track = &axis.track;
                    let end = track.position.saturating_add(ramp_distance(track.velocity, cycles));
                    facts.commanded_velocity = axis.check.per_second(track.velocity, 1);
                    facts.commanded = Nano(track.position);
                    facts.commanded_stop = Nano(end);
                }
            }
        }
    }

    // SR-027
    /// Moves power and brakes on, and says which groups may move this cycle.
    pub fn permit(&mut self, allowed: &Allowed<'_>, log: &mut Log<'_>) -> &[GroupPermit] {
        let run = allowed.machine == MachineState::Run;
        for axis in &mut self.axes {
            axis.look(allowed.facts.get(usize::from(axis.id.0)));
        }
        for (group, permit) in self.groups.iter_mut().zip(&mut self.permits) {
            let demand = allowed.demands.get(usize::from(group.id.0));
            let demand = demand.copied().unwrap_or(GroupDemand::NONE);
            let lost = group.first_lost(allowed.facts);
            let fault = group.guard(&mut self.axes, lost, allowed.facts, log);
            self.violations = self.violations.saturating_add(u32::from(fault.violated));
            self.fault = self.fault.or(fault.cause);
            let stop = group.worst_stop(&demand, allowed.ending);
            group.move_power(&mut self.axes, allowed, (run, stop, lost.is_none()), log.now);
            group.released = run && stop.is_none();
            group.held = demand.speed_limit;
            let speed_limit = demand.speed_limit.min(demand.speed_advised);
            let motion = group.released
                && group.power == Power::On
                && group.ramp.is_none()
                && group.escalated.is_none()
                && !fault.violated
                && !group.is_blocked(&self.axes);
            group.log_speed(group.id, speed_limit, log);
            *permit = GroupPermit { motion, speed_limit };
        }
        &self.permits
    }

    /// What the groups may do this cycle, as [`Gate::permit`] said.
    #[must_use]
    pub fn permits(&self) -> &[GroupPermit] {
        &self.permits
    }

    /// Passes what holds, stops what does not, and writes everything that leaves the loop.
    // SR-015
    pub fn pass(
        &mut self,
        motion: &mut Motion,
        axes: &mut [Axis],
        allowed: &Allowed<'_>,
        signals: &mut Signals,
        log: &mut Log<'_>,
    ) {
        self.decide(|axis| motion.set_point(axis).position, allowed, log);
        for group in self.groups.iter().filter(|group| !group.passed) {
            for axis in members(&group.axes, &self.axes) {
                motion.follow(axis.id, Nano(axis.track.position));
            }
        }
        self.write(axes, allowed, signals, log.now);
    }

    /// What each group is sent: what is `asked` if all of it holds, the ramp otherwise.
    fn decide(&mut self, asked: impl Fn(AxisId) -> Nano, allowed: &Allowed<'_>, log: &mut Log<'_>) {
        for (group, permit) in self.groups.iter_mut().zip(&self.permits) {
            group.passed = false;
            if permit.motion {
                match group.try_pass(&mut self.axes, &asked, allowed.facts) {
                    Ok(()) => group.passed = true,
                    Err((axis, violation)) => {
                        self.violations = self.violations.saturating_add(1);
                        self.fault = self.fault.or(Some(SafeCause::Gate(axis)));
                        let Violation { limit, asked, allowed } = violation;
                        log.event(Event::GateViolation { axis, limit, asked, allowed });
                    }
                }
            }
            if group.passed {
                group.stopping = false;
            } else {
                group.stop(&mut self.axes);
            }
            group.settle(&mut self.axes, allowed.facts, log.now);
        }
    }

    fn write(&mut self, axes: &mut [Axis], allowed: &Allowed<'_>, signals: &mut Signals, now: u64) {
        let fault_reset = self.fault_reset.cycle();
        let (gates, groups) = (&self.axes, &self.groups);
        let free = |axis: AxisId| {
            let power = groups.iter().find(|group| group.axes.contains(&axis));
            let facts = allowed.facts.get(usize::from(axis.0));
            power.is_some_and(|group| group.power.brakes_released())
                && facts.is_some_and(|facts| facts.view.enabled || facts.quick_stopping)
        };
        for group in groups {
            for gate in members(&group.axes, gates) {
                let Some(axis) = axes.get_mut(usize::from(gate.id.0)) else { continue };
                let position = Nano(gate.track.position);
                axis.commanded(position);
                let power = gate.drive(group.power);
                let controlword = next_controlword(axis.drive_state(), power, fault_reset);
                let to = &gate.signals;
                signals.set(to.controlword, i64::from(controlword), now);
                signals.set(to.target_position, i64::from(axis.target_counts(position)), now);
                if let Some(mode) = to.mode {
                    signals.set(mode, MODE_CSP, now);
                }
                if let Some(release) = gate.brake.and_then(|brake| brake.release) {
                    signals.set(release, i64::from(free(gate.id)), now);
                }
            }
        }
        let released =
            |group: GroupId| groups.get(usize::from(group.0)).is_some_and(|group| group.released);
        let needs = OutputNeeds {
            machine: allowed.machine,
            ending: allowed.ending,
            released: &released,
            brake_released: &free,
        };
        self.outputs.write(&needs, signals, now);
    }

    /// The program asks for an output.
    pub fn ask_output(&mut self, signal: crate::SignalId, value: i64) -> bool {
        self.outputs.ask(signal, value)
    }

    /// An inspection asks for its trigger or ejector.
    pub fn drive_output(&mut self, signal: crate::SignalId, on: bool) {
        self.outputs.drive(signal, on);
    }

    /// What interlocks ask of outputs in this cycle.
    pub fn hold_outputs(&mut self, demands: &[OutputDemand]) {
        self.outputs.hold(demands);
    }

    /// A person has reset: drives get the edge that clears their faults.
    pub fn reset_faults(&mut self) {
        self.fault_reset.trigger();
    }

    /// What the machine must stop for since this was last asked.
    pub fn take_fault(&mut self) -> Option<SafeCause> {
        self.fault.take()
    }

    /// Set-points that were not passed since start.
    #[must_use]
    pub fn violations(&self) -> u32 {
        self.violations
    }

    /// What the stop of a group was escalated to; `None`: it is (or was) as asked.
    #[must_use]
    pub fn escalated(&self, group: GroupId) -> Option<StopWay> {
        self.groups.get(usize::from(group.0)).and_then(|group| group.escalated)
    }

    /// A drive of the group left operation enabled, or did not come up: it ends with power off.
    #[must_use]
    pub fn is_lost(&self, group: GroupId) -> bool {
        self.groups.get(usize::from(group.0)).is_some_and(|group| group.lost)
    }

    /// Power of a group.
    #[must_use]
    pub fn power(&self, group: GroupId) -> Power {
        self.groups.get(usize::from(group.0)).map_or(Power::Off, |group| group.power)
    }

    /// The group comes to rest on the gate's ramp.
    #[must_use]
    pub fn is_ramping(&self, group: GroupId) -> bool {
        self.groups.get(usize::from(group.0)).is_some_and(|group| group.ramp.is_some())
    }

    /// Every group is without power and every set-point at rest.
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.groups.iter().all(|group| group.power == Power::Off && group.ramp.is_none())
    }

    /// Every group that is to run may: none is still coming up.
    #[must_use]
    pub fn all_permitted(&self) -> bool {
        self.permits.iter().all(|permit| permit.motion)
    }
}

mod group;

use group::members;

#[cfg(test)]
mod tests;
