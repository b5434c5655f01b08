//! Friction of an axis: viscous and Coulomb, as the twin believes it.
//!
//! `T(ω) = b·ω + c·clamp(ω ÷ ω_creep, −1, 1)`, N m at the motor shaft, ω in rad/s. Below the creep speed dry friction is taken as
//! proportional: the sign of a speed that is nearly 0 is noise. What the model leaves out (breakaway, the Stribeck dip, memory) ends
//! in the observer's disturbance. Source: Armstrong-Hélouvry, Dupont, Canudas de Wit, "A survey of models, analysis tools and
//! compensation methods for the control of machines with friction", Automatica 30 (1994), the static part of section 2.

use crate::axis::AxisModel;

/// Below this Coulomb friction is taken as proportional, rad / s.
pub const CREEP_RAD_PER_S: f64 = 0.5;
/// Part of the dry friction that is there cold or warm, dry or oiled.
const SURE: f64 = 0.5;

/// The friction of one axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Friction {
    /// N m s / rad, ≥ 0.
    pub viscous_nms: f64,
    /// N m, ≥ 0.
    pub coulomb_nm: f64,
}

impl Friction {
    /// That of `model`.
    #[must_use]
    pub fn of(model: &AxisModel) -> Self {
        Self { viscous_nms: model.viscous_nms, coulomb_nm: model.coulomb_nm }
    }

    /// Against a motor that turns at `speed` rad / s, N m; it has the sign of `speed`.
    #[must_use]
    pub fn torque(&self, speed: f64) -> f64 {
        let slide = (speed * (1.0 / CREEP_RAD_PER_S)).clamp(-1.0, 1.0);
        self.viscous_nms * speed + self.coulomb_nm * slide
    }

    /// What of the dry friction can be counted on to slow an axis, N m.
    #[must_use]
    pub fn sure(&self) -> f64 {
        SURE * self.coulomb_nm
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_odd_grows_with_speed_and_is_proportional_where_the_axis_creeps() {
        let friction = Friction { viscous_nms: 1e-3, coulomb_nm: 0.1 };
        assert_eq!(friction.torque(0.0), 0.0);
        assert!((friction.torque(100.0) - 0.2).abs() < 1e-12);
        assert!((friction.torque(0.25) - 0.050_25).abs() < 1e-12);
        for speed in [0.01, 0.4, 3.0, 500.0] {
            assert_eq!(friction.torque(-speed), -friction.torque(speed));
            assert!(friction.torque(speed * 1.01) > friction.torque(speed));
        }
        assert_eq!(friction.sure(), 0.05);
    }
}
