//! One axis: the drive's process data become position, velocity and state; set-points become counts.
//!
//! Positions of an axis are rebased when an endless axis goes through its wrap and when homing finds the reference. That
//! happens in [`Axis::sense`] only; [`Axis::rebased`] says by how much, and whoever keeps positions of this axis shifts them
//! before using them in that cycle.

pub mod cia402;
pub mod homing;
pub mod scale;
mod sense;
pub mod state;

use crate::plan::{AxisPlan, HomingPlan, StopWay};
use crate::program::{AxisState, AxisView};
use cia402::DriveState;
use scale::{Scale, Unwrapped};
pub use sense::Switches;
pub use state::{AxisEvent, transition};
use twin_lite::{AxisTwin, Nano, Stopping, math, taped, taped_enum};

/// One axis over one drive.
#[derive(Clone, Debug)]
pub struct Axis {
    plan: AxisPlan,
    period: f64,
    twin: AxisTwin,
    scale: Scale,
    counter: Option<Unwrapped>,
    /// position = counts ÷ counts_per_unit + offset (− whole turns, on an endless axis).
    offset: Nano,
    turns: i64,
    /// Offset found by homing, taken over by the next `sense`.
    found: Option<Nano>,
    /// Offset of an earlier homing, judged when the first position comes in.
    kept: Option<Nano>,
    /// Homing failed for this, told by the next `sense`.
    not_found: Option<homing::Failure>,
    /// What became of the reference in this cycle.
    news: Option<ReferenceNews>,
    referenced: bool,
    /// The drive was switched on anew and nothing was received since.
    is_restarted: bool,
    position: Nano,
    rebased: Nano,
    commanded: Nano,
    commanded_velocity: f64,
    /// When the last good position came in, ns.
    sampled_at: u64,
    /// From the good position before the last to this cycle's, ns; `None`: this cycle brought none.
    elapsed: Option<u64>,
    /// The twin could not calculate with this cycle's inputs.
    twin_refused: bool,
    drive_state: DriveState,
    statusword: u16,
    torque_permille: i16,
    error_code: u16,
    switches: Switches,
    /// The drive's counter at the last index pulse, as received.
    touch_probe: Option<i32>,
    inputs_good: bool,
    state: AxisState,
    done: bool,
}

/// What became of an axis' reference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReferenceNews {
    /// Homing found it.
    #[default]
    Found,
    /// That of an earlier homing counts.
    Kept,
    /// That of an earlier homing would put the axis here, outside its soft limits: it does not count.
    Refused(Nano),
    /// Homing did not find it.
    NotFound(homing::Failure),
}

taped_enum!(ReferenceNews { 0: Found, 1: Kept, 2: Refused(position), 3: NotFound(failure) });

taped!(Axis {
    twin, scale, counter, offset, turns, found, kept, not_found, news, referenced, is_restarted, position, rebased, commanded, commanded_velocity, sampled_at,
    elapsed, twin_refused,
    drive_state, statusword, torque_permille, error_code, switches, touch_probe, inputs_good, state, done;
    plan, period,
});

/// The axis stands when it is slower than this part of its velocity limit.
const STANDING: f64 = 2e-3;

impl Axis {
    /// An axis of which nothing was received yet: `Disabled`, at 0, not referenced. An offset that its plan keeps counts from the
    /// first position on.
    #[must_use]
    pub fn new(plan: &AxisPlan, period_ns: u64) -> Self {
        let twin = AxisTwin::new(&plan.model, period_ns);
        let twin = if plan.signals.actual_torque.is_some() { twin } else { twin.without_torque() };
        let kept = match plan.homing {
            HomingPlan::Kept { offset } => Some(offset),
            HomingPlan::Here { .. } | HomingPlan::SwitchIndex { .. } => None,
        };
        Self {
            plan: plan.clone(),
            period: math::seconds(period_ns.max(1)),
            twin,
            scale: Scale::new(plan.counts_per_unit),
            counter: None,
            offset: Nano::ZERO,
            turns: 0,
            found: None,
            kept,
            not_found: None,
            news: None,
            referenced: false,
            is_restarted: false,
            position: Nano::ZERO,
            rebased: Nano::ZERO,
            commanded: Nano::ZERO,
            commanded_velocity: 0.0,
            sampled_at: 0,
            elapsed: None,
            twin_refused: false,
            drive_state: DriveState::Unknown,
            statusword: 0,
            torque_permille: 0,
            error_code: 0,
            switches: Switches::default(),
            touch_probe: None,
            inputs_good: false,
            state: AxisState::Disabled,
            done: false,
        }
    }

    /// Before the first cycle: `offset` was found by an earlier homing of this axis over this drive. It counts from the first
    /// position on, unless it puts the axis where it cannot be.
    pub fn keep(&mut self, offset: Nano) {
        if self.counter.is_none() {
            self.kept = Some(offset);
        }
    }

    /// Homing did not find the reference, for this reason.
    pub fn not_found(&mut self, failure: homing::Failure) {
        self.not_found = Some(failure);
    }

    /// What became of the reference in this cycle.
    #[must_use]
    pub fn reference_news(&self) -> Option<ReferenceNews> {
        self.news
    }

    /// It has a reference that need not be found again: homing is done at once.
    #[must_use]
    pub fn keeps_reference(&self) -> bool {
        let kept = matches!(self.plan.homing, HomingPlan::Kept { .. });
        self.referenced && (kept || self.plan.keeps.is_some())
    }

    /// What everyone may know of it this cycle.
    #[must_use]
    pub fn view(&self) -> AxisView {
        AxisView {
            state: self.state,
            position: self.position.units(),
            velocity: self.twin.estimate().velocity,
            commanded: self.commanded.units(),
            following_error: self.following_error().units(),
            torque_permille: self.torque_permille,
            referenced: self.referenced,
            enabled: self.is_enabled(),
            fault: self.drive_state.is_fault(),
            follows_target: self.statusword >> 12 & 1 == 1,
            done: self.done,
            inputs_good: self.inputs_good,
        }
    }

    /// Its plan.
    #[must_use]
    pub fn plan(&self) -> &AxisPlan {
        &self.plan
    }

    /// Its model, up to date.
    #[must_use]
    pub fn twin(&self) -> &AxisTwin {
        &self.twin
    }

    /// So many times worse than its model is it taken to be: stopping distances grow by it. Below 1 or no number: 1.
    pub fn set_doubt(&mut self, factor: f64) {
        self.twin.set_doubt(factor);
    }

    /// From the good position before the last to this cycle's, ns; `None`: this cycle brought none; 0: the same sample once more.
    #[must_use]
    pub fn elapsed_ns(&self) -> Option<u64> {
        self.elapsed
    }

    /// The twin could not calculate with this cycle's inputs: what it says of the axis is not to be believed.
    #[must_use]
    pub fn twin_refused(&self) -> bool {
        self.twin_refused
    }

    /// 0x6077 as last received, ‰ of rated.
    #[must_use]
    pub fn torque_permille(&self) -> i16 {
        self.torque_permille
    }

    /// Actual position; endless axes: in `0 .. wrap`.
    #[must_use]
    pub fn position(&self) -> Nano {
        self.position
    }

    /// What was added to all positions of this axis in this cycle, mostly 0.
    #[must_use]
    pub fn rebased(&self) -> Nano {
        self.rebased
    }

    /// Position last sent to the drive.
    #[must_use]
    pub fn commanded_position(&self) -> Nano {
        self.commanded
    }

    /// Velocity of what was last sent to the drive, axis units / s.
    #[must_use]
    pub fn commanded_velocity(&self) -> f64 {
        self.commanded_velocity
    }

    /// Commanded − actual.
    #[must_use]
    pub fn following_error(&self) -> Nano {
        Nano(self.commanded.0.saturating_sub(self.position.0))
    }

    /// The gate says what it really sent in this cycle. Once a cycle.
    pub fn commanded(&mut self, position: Nano) {
        let moved = Nano(position.0.saturating_sub(self.commanded.0));
        self.commanded_velocity = if self.is_enabled() { moved.units() / self.period } else { 0.0 };
        self.commanded = position;
    }

    /// 0x607A for `position`.
    #[must_use]
    pub fn target_counts(&self, position: Nano) -> i32 {
        scale::wire(self.scale.counts(position))
    }

    /// State of the drive as last received.
    #[must_use]
    pub fn drive_state(&self) -> DriveState {
        self.drive_state
    }

    /// 0x603F as last received; 0 when it is not mapped.
    #[must_use]
    pub fn error_code(&self) -> u16 {
        self.error_code
    }

    /// 0x60FD as last received; all off when it is not mapped.
    #[must_use]
    pub fn switches(&self) -> Switches {
        self.switches
    }

    /// The drive was last seen in operation enabled.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        matches!(self.drive_state, DriveState::OperationEnabled)
    }

    /// Homed: soft limits and separation hold.
    #[must_use]
    pub fn is_referenced(&self) -> bool {
        self.referenced
    }

    /// Set-point and axis are at rest.
    #[must_use]
    pub fn is_standing(&self) -> bool {
        let slow = self.plan.limits.velocity.units() * STANDING;
        self.commanded_velocity == 0.0 && self.twin.estimate().velocity.abs() <= slow
    }

    /// PLCopen state.
    #[must_use]
    pub fn state(&self) -> AxisState {
        self.state
    }

    /// Lets `event` happen; `false`: the present state refuses it.
    pub fn apply(&mut self, event: AxisEvent) -> bool {
        match transition(self.state, event) {
            Some(state) => {
                self.state = state;
                true
            }
            None => false,
        }
    }

    /// The last request is done, or not any more.
    pub fn set_done(&mut self, done: bool) {
        self.done = done;
    }

    /// position = counts ÷ counts_per_unit + offset.
    #[must_use]
    pub fn offset(&self) -> Nano {
        self.offset
    }

    /// The reference is lost: soft limits and separation hold no longer.
    pub fn lose_reference(&mut self) {
        self.referenced = false;
    }

    /// Homing found that `counts` are at `position`: taken over, as a rebase, by the next [`Axis::sense`]. Endless axes keep
    /// the offset within one turn.
    pub fn reference(&mut self, counts: i64, position: Nano) {
        let mut offset = i128::from(position.0) - self.scale.length(counts);
        if let Some(wrap) = self.plan.wrap
            && wrap > Nano::ZERO
        {
            offset = offset.rem_euclid(i128::from(wrap.0)); // integer
        }
        self.found = Some(Nano(saturated(offset)));
    }

    /// A reference was found and is taken over by the next [`Axis::sense`].
    #[must_use]
    pub fn is_reference_pending(&self) -> bool {
        self.found.is_some()
    }

    /// Counts received, over all wraps of the drive's counter; `None` before the first.
    #[must_use]
    pub fn counts(&self) -> Option<i64> {
        self.counter.map(|counter| counter.total())
    }

    /// Counts at the index pulse that [`Switches::index`] reports, over all wraps: as the drive latched them (0x60BA), or where
    /// the axis is now if it does not map them; `None` while they are not good.
    #[must_use]
    pub fn index_counts(&self) -> Option<i64> {
        let counter = self.counter?;
        match self.plan.signals.touch_probe_position {
            Some(_) => self.touch_probe.map(|raw| counter.near(raw)),
            None => Some(counter.total()),
        }
    }

    /// How far and how long it still moves, from its actual position, when told now to stop with `deceleration`: the twin's
    /// word for the worse of estimated and commanded velocity, and never less than what the set-point is ahead.
    #[must_use]
    pub fn stopping(&self, deceleration: Nano) -> Stopping {
        let velocity = self.faster();
        let mut stopping = self.twin.stopping(deceleration.units(), velocity);
        let ahead = self.following_error().units() * if velocity < 0.0 { -1.0 } else { 1.0 };
        let latency_travel = velocity.abs() * self.twin.latency();
        stopping.distance += (ahead - latency_travel).max(0.0);
        stopping
    }

    /// [`Axis::stopping`]'s distance.
    #[must_use]
    pub fn stopping_distance(&self, deceleration: Nano) -> Nano {
        Nano::from_units(self.stopping(deceleration).distance).unwrap_or(Nano::MAX)
    }

    /// How far it still moves on each way to come to rest; never less than what the set-point is ahead.
    #[must_use]
    pub fn stopping_by(&self, way: StopWay) -> Nano {
        let stop = &self.plan.stop;
        match way {
            StopWay::Ramp => self.stopping_distance(stop.ramp_deceleration),
            StopWay::QuickStop => self.stopping_distance(stop.quick_stop_deceleration),
            StopWay::ConnectionLost => {
                let on = self.speed() * math::seconds(stop.watchdog_ns);
                let on = Nano::from_units(on).unwrap_or(Nano::MAX);
                let after = match stop.connection_lost {
                    StopWay::Ramp | StopWay::QuickStop | StopWay::ConnectionLost => {
                        self.stopping_distance(stop.quick_stop_deceleration)
                    }
                    StopWay::PowerRemoval => self.stopping_by(StopWay::PowerRemoval),
                };
                Nano(on.0.saturating_add(after.0))
            }
            StopWay::PowerRemoval => match self.plan.brake {
                // Torque stays until the brake holds, on the gate's ramp or on the drive's own.
                Some(brake) if self.plan.vertical && brake.release.is_some() => {
                    self.stopping_distance(stop.ramp_deceleration)
                }
                Some(_) if self.plan.vertical => {
                    self.stopping_distance(stop.quick_stop_deceleration)
                }
                Some(_) | None => {
                    let coasting = self.twin.coasting(self.faster());
                    Nano::from_units(coasting.distance).unwrap_or(Nano::MAX)
                }
            },
        }
    }

    /// How far it would go on this way from `velocity`, at worst: what a person is told before anything moves.
    #[must_use]
    pub fn stopping_from(plan: &AxisPlan, period_ns: u64, way: StopWay, velocity: Nano) -> Nano {
        let worst = [velocity, Nano(velocity.0.saturating_neg())].map(|velocity| {
            let mut axis = Self::new(plan, period_ns);
            axis.commanded_velocity = velocity.units();
            axis.stopping_by(way)
        });
        worst.into_iter().max().unwrap_or(Nano::MAX)
    }

    /// The faster of estimated and commanded velocity, axis units / s.
    fn faster(&self) -> f64 {
        let estimated = self.twin.estimate().velocity;
        let commanded = self.commanded_velocity;
        if commanded.abs() > estimated.abs() { commanded } else { estimated }
    }

    fn speed(&self) -> f64 {
        self.faster().abs()
    }
}

fn saturated(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}

#[cfg(test)]
mod tests;
