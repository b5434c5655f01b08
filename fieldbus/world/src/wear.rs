//! What wears, slips and drifts: faults that come on an axis while it runs.

use crate::num::{TAU, floor, from_counts};

/// Faults of one axis, all at once as they are now. The default is none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wear {
    /// The belt or coupling gives: stiffness ÷ and free play × this, 1 ..= 100.
    pub slack: f64,
    /// A holding brake drags: against motion of the motor, N m, ≥ 0.
    pub drag_nm: f64,
    /// A bearing is damaged: amplitude of its torque, N m, ≥ 0.
    pub bearing_nm: f64,
    /// Balls over the damage, a motor revolution, 0 ..= 100.
    pub bearing_per_revolution: f64,
    /// The encoder has slipped on its shaft by so many counts in all.
    pub slip_counts: i64,
    /// The torque that the drive reports is off by so much, ‰ of rated.
    pub torque_offset_permille: f64,
}

impl Default for Wear {
    fn default() -> Self {
        Self {
            slack: 1.0,
            drag_nm: 0.0,
            bearing_nm: 0.0,
            bearing_per_revolution: 3.58,
            slip_counts: 0,
            torque_offset_permille: 0.0,
        }
    }
}

impl Wear {
    /// Kept within its ranges; what is no number is no fault.
    pub(crate) fn bounded(self) -> Self {
        let within = |value: f64, low: f64, high: f64| {
            if value.is_finite() { value.max(low).min(high) } else { low }
        };
        Self {
            slack: within(self.slack, 1.0, 100.0),
            drag_nm: within(self.drag_nm, 0.0, 1e3),
            bearing_nm: within(self.bearing_nm, 0.0, 1e3),
            bearing_per_revolution: within(self.bearing_per_revolution, 0.0, 100.0),
            slip_counts: self.slip_counts.clamp(-(1 << 40), 1 << 40),
            torque_offset_permille: if self.torque_offset_permille.is_finite() {
                self.torque_offset_permille.clamp(-3e3, 3e3)
            } else {
                0.0
            },
        }
    }

    /// Torque against the motor at this angle and velocity: the drag, and a pulse each time that a ball rolls over the damage.
    pub(crate) fn torque(&self, angle: f64, velocity: f64) -> f64 {
        if self.drag_nm == 0.0 && self.bearing_nm == 0.0 {
            return 0.0;
        }
        let slide = (velocity * 2.0).clamp(-1.0, 1.0);
        let balls = angle * (self.bearing_per_revolution / TAU);
        let phase = balls - from_counts(floor(balls));
        // A sixth of the way from ball to ball.
        let over = if phase < 1.0 / 6.0 { 1.0 - (12.0 * phase - 1.0).abs() } else { 0.0 };
        (self.drag_nm + self.bearing_nm * over) * slide
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_wear_there_is_no_torque_and_with_it_it_is_against_motion() {
        assert_eq!(Wear::default().torque(1.0, 50.0), 0.0);
        let worn = Wear { drag_nm: 0.2, bearing_nm: 0.1, ..Wear::default() };
        for n in 0..1000 {
            let angle = f64::from(n) * 0.05;
            let torque = worn.torque(angle, 50.0);
            assert!((0.2..=0.3 + 1e-12).contains(&torque), "{torque}");
            assert_eq!(worn.torque(angle, -50.0), -torque);
        }
    }

    #[test]
    fn what_is_out_of_range_is_brought_into_it() {
        let wild =
            Wear { slack: f64::NAN, drag_nm: -1.0, torque_offset_permille: 1e9, ..Wear::default() };
        let bounded = wild.bounded();
        assert_eq!((bounded.slack, bounded.drag_nm), (1.0, 0.0));
        assert_eq!(bounded.torque_offset_permille, 3e3);
    }
}
