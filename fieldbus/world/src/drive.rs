//! The drive's control loops: position P with velocity feed-forward, velocity PI with anti-windup,
//! dead time, torque limit. They run once a tick (8 kHz) on what the encoder says, never on the
//! true state.

use crate::num::{TICK_S, from_counts, limit};
use crate::physics::AxisPhysics;

/// What a servo drive's firmware commands its power stage and loops to do. Mirrors the segment's
/// `ServoCommand`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ServoDrive {
    /// The power stage is on: the loops work. Off: no torque.
    pub power: bool,
    /// The drive's own brake output: released.
    pub brake_released: bool,
    /// Set-point of the position loop, counts, unwrapped.
    pub target_counts: f64,
    /// Feed-forward of the velocity loop, counts / s.
    pub velocity_counts_per_s: f64,
    /// ‰ of rated torque.
    pub torque_limit_permille: u16,
}

/// What encoder, current sensors and switches say. Mirrors the segment's `ServoFeedback`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ServoSense {
    /// Encoder, counts, unwrapped.
    pub position_counts: i64,
    /// counts / s, filtered.
    pub velocity_counts_per_s: f64,
    /// ‰ of rated torque, from the current.
    pub torque_permille: i16,
    /// Position at the last index pulse since the start.
    pub index_counts: Option<i64>,
    /// How many index pulses have passed.
    pub index_pulses: u32,
    /// Negative limit switch is hit.
    pub limit_negative: bool,
    /// Positive limit switch is hit.
    pub limit_positive: bool,
    /// Reference switch is hit.
    pub reference: bool,
    /// Scripted fault: CiA 402 error code, 0 = none.
    pub fault_code: u16,
    /// The safety chain has taken the torque.
    pub safe_torque_off: bool,
    /// What the firmware still obeys.
    pub obeys: Obeys,
}

/// What a drive's firmware still obeys. Mirrors the segment's `Obeys`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Obeys {
    /// Everything: it is sound.
    #[default]
    All,
    /// Targets are ignored, quick stop is not.
    QuickStop,
    /// Only disable voltage.
    Power,
    /// Nothing.
    Nothing,
}

/// Places in the line of delayed set-points: the longest dead time and the newest.
const LINE: usize = 16;

/// The loops of one drive.
#[derive(Clone, Debug)]
pub(crate) struct Loops {
    radians_per_count: f64,
    velocity_gain: f64,
    /// Integral gain × tick.
    integral_step: f64,
    position_gain: f64,
    velocity_max: f64,
    peak_torque: f64,
    rated_permille: f64,
    filter: f64,
    delay: usize,
    line: [(f64, f64); LINE],
    newest: usize,
    powered: bool,
    integral: f64,
    /// Measured, filtered, rad / s.
    velocity: f64,
    counts: i64,
}

impl Loops {
    pub(crate) fn new(axis: &AxisPhysics, counts: i64) -> Self {
        let tuning = &axis.drive;
        Self {
            radians_per_count: crate::num::TAU / f64::from(axis.counts_per_revolution),
            velocity_gain: tuning.velocity_gain_nms,
            integral_step: tuning.velocity_gain_nms / tuning.velocity_integral_s * TICK_S,
            position_gain: tuning.position_gain_per_s,
            velocity_max: tuning.velocity_max_rad_per_s,
            peak_torque: axis.peak_torque_nm,
            rated_permille: axis.rated_torque_nm * 1e-3,
            filter: TICK_S / (TICK_S + tuning.velocity_filter_s),
            delay: usize::from(tuning.dead_time_ticks),
            line: [(from_counts(counts), 0.0); LINE],
            newest: 0,
            powered: false,
            integral: 0.0,
            velocity: 0.0,
            counts,
        }
    }

    /// Measured velocity, rad / s.
    pub(crate) fn velocity(&self) -> f64 {
        self.velocity
    }

    /// It has been moving like this for a while: `velocity` rad / s with `torque` N m, at `counts`.
    pub(crate) fn set_moving(&mut self, velocity: f64, torque: f64, counts: i64) {
        self.velocity = velocity;
        self.counts = counts;
        self.integral = limit(torque, self.peak_torque);
        self.line = [(from_counts(counts), velocity / self.radians_per_count); LINE];
    }

    /// One tick: the torque asked of the current loop, N m as the drive reckons.
    pub(crate) fn torque(&mut self, command: &ServoDrive, counts: i64) -> f64 {
        let moved = from_counts(counts.wrapping_sub(self.counts)) * self.radians_per_count;
        self.counts = counts;
        self.velocity += (moved / TICK_S - self.velocity) * self.filter;
        if !command.power {
            self.powered = false;
            return 0.0;
        }
        if !self.powered {
            // Bumpless: it starts from where it stands.
            self.powered = true;
            self.integral = 0.0;
            self.line = [(from_counts(counts), 0.0); LINE];
        }
        let (target, feed_forward) = self.delayed(command);
        let error = (target - from_counts(counts)) * self.radians_per_count;
        let wanted = feed_forward * self.radians_per_count + error * self.position_gain;
        let missing = limit(wanted, self.velocity_max) - self.velocity;
        let bound =
            (f64::from(command.torque_limit_permille) * self.rated_permille).min(self.peak_torque);
        let asked = missing * self.velocity_gain + self.integral;
        let torque = limit(asked, bound);
        // Anti-windup: at the limit the integral only ever goes back.
        let further = missing * self.integral_step;
        if (asked - torque) * further <= 0.0 {
            self.integral = limit(self.integral + further, bound);
        }
        torque
    }

    /// Puts the newest set-point in line and takes out the one that is due.
    fn delayed(&mut self, command: &ServoDrive) -> (f64, f64) {
        self.newest = (self.newest + 1) % LINE;
        let last = self.line.get(self.newest.wrapping_sub(1) % LINE).copied().unwrap_or_default();
        let finite = command.target_counts.is_finite() && command.velocity_counts_per_s.is_finite();
        let entry =
            if finite { (command.target_counts, command.velocity_counts_per_s) } else { last };
        if let Some(place) = self.line.get_mut(self.newest) {
            *place = entry;
        }
        let due = self.newest.wrapping_sub(self.delay) % LINE;
        self.line.get(due).copied().unwrap_or(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nominal::Nominal;

    fn loops() -> Loops {
        Loops::new(&AxisPhysics::from_nominal(&Nominal::default()), 0)
    }

    fn at(target: f64) -> ServoDrive {
        ServoDrive {
            power: true,
            target_counts: target,
            torque_limit_permille: 3_000,
            ..ServoDrive::default()
        }
    }

    #[test]
    fn a_set_point_takes_effect_after_the_dead_time() {
        // Given a drive that stands still and is told a new place,
        let mut drive = loops();
        drive.torque(&at(0.0), 0);
        // then it does nothing for two ticks and acts in the third.
        assert_eq!(drive.torque(&at(1e4), 0), 0.0);
        assert_eq!(drive.torque(&at(1e4), 0), 0.0);
        assert!(drive.torque(&at(1e4), 0) > 0.0);
    }

    #[test]
    fn power_off_means_no_torque_and_forgets() {
        let mut drive = loops();
        for _ in 0..1_000 {
            drive.torque(&at(1e5), 0);
        }
        assert_eq!(drive.torque(&ServoDrive { power: false, ..at(1e5) }, 0), 0.0);
        assert_eq!(drive.torque(&at(0.0), 0), 0.0);
    }

    #[test]
    fn the_integral_does_not_wind_up_at_the_torque_limit() {
        // Given a drive against a wall at its torque limit for 5 s,
        let mut drive = loops();
        let push = ServoDrive { torque_limit_permille: 500, ..at(1e6) };
        for _ in 0..40_000 {
            assert!(drive.torque(&push, 0) <= 0.5 * 1.27 + 1e-12);
        }
        // when the target goes to the other side, then the torque follows within 10 ms.
        let back = ServoDrive { torque_limit_permille: 500, ..at(-1e6) };
        let torque = (0..80).map(|_| drive.torque(&back, 0)).last();
        assert!(torque < Some(-0.4));
    }

    #[test]
    fn a_set_point_that_is_no_number_is_ignored() {
        let mut drive = loops();
        for _ in 0..10 {
            assert_eq!(drive.torque(&at(f64::NAN), 0), 0.0);
            assert_eq!(drive.torque(&at(f64::INFINITY), 0), 0.0);
        }
    }

    #[test]
    fn nothing_of_a_saturated_push_is_left_when_the_target_comes_back() {
        let mut drive = loops();
        let push = ServoDrive { torque_limit_permille: 500, ..at(1e6) };
        for _ in 0..40_000 {
            drive.torque(&push, 0);
        }
        let here = ServoDrive { torque_limit_permille: 500, ..at(0.0) };
        let torque = (0..4).map(|_| drive.torque(&here, 0)).last().unwrap();
        assert!(torque.abs() < 0.1, "{torque} N m of 0.63 are left");
    }

    #[test]
    fn the_peak_torque_holds_whatever_limit_is_commanded() {
        let mut drive = loops();
        let push = ServoDrive { torque_limit_permille: u16::MAX, ..at(1e9) };
        let torque = (0..100).map(|_| drive.torque(&push, 0)).last();
        assert_eq!(torque, Some(3.8));
    }

    #[test]
    fn the_measured_velocity_is_filtered() {
        let mut drive = loops();
        drive.torque(&at(0.0), 100);
        let quantum = 100.0 * drive.radians_per_count / TICK_S;
        assert!((drive.velocity() - quantum * 125.0 / 325.0).abs() < 1e-9 * quantum);
    }
}
