//! From the data sheet to an axis: the parameters nobody states, and loops tuned for them.

use crate::friction::Friction;
use crate::num::TICK_S;
use crate::physics::{AxisPhysics, Brake, DriveTuning};

/// What a data sheet and a commissioning engineer know of an axis; the rest is derived.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Nominal {
    /// Axis units a motor radian moves, above 0.
    pub units_per_radian: f64,
    /// Motor and load at the motor shaft, kg m², above 0.
    pub inertia_kgm2: f64,
    /// N m, above 0.
    pub rated_torque_nm: f64,
    /// N m, above 0.
    pub peak_torque_nm: f64,
    /// N m s / rad, ≥ 0.
    pub viscous_nms: f64,
    /// N m, ≥ 0.
    pub coulomb_nm: f64,
    /// Constant load at the motor shaft, N m; above 0 pulls towards negative positions.
    pub gravity_nm: f64,
    /// Encoder counts a motor revolution, 1 ..= 2³⁰.
    pub counts_per_revolution: u32,
    /// Encoder counts at place 0.
    pub encoder_offset_counts: i64,
    /// Places of the limit switches; `None`: endless.
    pub travel: Option<(f64, f64)>,
    /// From the limit switches on to the hard stops, axis units, ≥ 0.
    pub overtravel: f64,
    /// Range of the reference switch.
    pub reference: Option<(f64, f64)>,
    /// `None`: no brake.
    pub brake: Option<Brake>,
    /// Where it stands at the start.
    pub start_position: f64,
}

impl Default for Nominal {
    /// A 400 W motor on a ball screw, 10 mm a revolution, 20-bit encoder, 600 mm of travel.
    fn default() -> Self {
        Self {
            units_per_radian: 10.0 / crate::num::TAU,
            inertia_kgm2: 1.2e-4,
            rated_torque_nm: 1.27,
            peak_torque_nm: 3.8,
            viscous_nms: 2e-4,
            coulomb_nm: 0.08,
            gravity_nm: 0.0,
            counts_per_revolution: 1 << 20,
            encoder_offset_counts: 0,
            travel: Some((-5.0, 605.0)),
            overtravel: 5.0,
            reference: None,
            brake: None,
            start_position: 0.0,
        }
    }
}

/// Share of the inertia that is the motor's.
const MOTOR_SHARE: f64 = 0.55;
/// The load on the coupling, the motor held still: 120 Hz, rad / s.
const ANTIRESONANCE_RAD_PER_S: f64 = 120.0 * crate::num::TAU;
/// Damping of that swing.
const COUPLING_DAMPING: f64 = 0.06;
/// Share of the sliding and viscous friction that is the motor's.
const MOTOR_FRICTION_SHARE: f64 = 0.35;
/// Breakaway of the load ÷ sliding.
const BREAKAWAY: f64 = 1.35;
/// Cogging ÷ rated torque.
const COGGING_SHARE: f64 = 0.01;
/// The velocity loop's bandwidth: 30 Hz, rad / s.
const VELOCITY_LOOP_RAD_PER_S: f64 = 30.0 * crate::num::TAU;
/// One count a tick must ask for less than this share of rated torque.
const QUANTUM_SHARE: f64 = 0.2;

impl AxisPhysics {
    /// Derives an axis with stable, well-damped loops: a 30 Hz velocity loop (slower for a coarse
    /// encoder), a position loop a quarter of it, 250 µs of dead time, a coupling that swings at
    /// 120 Hz, and breakaway a third above sliding friction.
    #[must_use]
    pub fn from_nominal(nominal: &Nominal) -> Self {
        let motor_inertia = nominal.inertia_kgm2 * MOTOR_SHARE;
        let load_inertia = nominal.inertia_kgm2 - motor_inertia;
        let friction = |share: f64, breakaway: f64| Friction {
            coulomb_nm: nominal.coulomb_nm * share,
            static_nm: nominal.coulomb_nm * share * breakaway,
            stribeck_rad_per_s: 2.0,
            viscous_nms: nominal.viscous_nms * share,
        };
        let constant = nominal.rated_torque_nm / 2.6;
        Self {
            units_per_radian: nominal.units_per_radian,
            motor_inertia_kgm2: motor_inertia,
            load_inertia_kgm2: load_inertia,
            stiffness_nm_per_rad: load_inertia * ANTIRESONANCE_RAD_PER_S * ANTIRESONANCE_RAD_PER_S,
            damping_nms: 2.0 * COUPLING_DAMPING * load_inertia * ANTIRESONANCE_RAD_PER_S,
            backlash_rad: 0.004,
            motor_friction: friction(MOTOR_FRICTION_SHARE, 1.0),
            load_friction: friction(1.0 - MOTOR_FRICTION_SHARE, BREAKAWAY),
            cogging_nm: COGGING_SHARE * nominal.rated_torque_nm,
            cogging_per_revolution: 24,
            gravity_nm: nominal.gravity_nm,
            torque_constant_nm_per_a: constant,
            torque_constant_nominal_nm_per_a: constant,
            rated_torque_nm: nominal.rated_torque_nm,
            peak_torque_nm: nominal.peak_torque_nm,
            brake: nominal.brake,
            limit_negative: nominal.travel.map(|(low, _)| low),
            limit_positive: nominal.travel.map(|(_, high)| high),
            reference: nominal.reference,
            switch_hysteresis: 0.01 * nominal.units_per_radian,
            hard_stops: nominal
                .travel
                .map(|(low, high)| (low - nominal.overtravel, high + nominal.overtravel)),
            counts_per_revolution: nominal.counts_per_revolution,
            encoder_offset_counts: nominal.encoder_offset_counts,
            index_rad: 1.0,
            start_position: nominal.start_position,
            drive: tuned(nominal),
        }
    }
}

fn tuned(nominal: &Nominal) -> DriveTuning {
    // One count in one tick is seen as a velocity of 2 π / (counts · tick); filtered, it must not
    // shake the motor.
    let quantum = crate::num::TAU / f64::from(nominal.counts_per_revolution.max(1)) / TICK_S;
    let jolt = nominal.inertia_kgm2 * VELOCITY_LOOP_RAD_PER_S * quantum;
    let coarse = (jolt / (QUANTUM_SHARE * nominal.rated_torque_nm)).clamp(1.0, 16.0);
    let filter = 200e-6 * coarse;
    let bandwidth = VELOCITY_LOOP_RAD_PER_S.min(0.15 / filter);
    DriveTuning {
        current_s: 200e-6,
        velocity_filter_s: filter,
        velocity_gain_nms: nominal.inertia_kgm2 * bandwidth,
        velocity_integral_s: 4.0 / bandwidth,
        position_gain_per_s: bandwidth / 4.0,
        dead_time_ticks: 2,
        velocity_max_rad_per_s: 650.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_derived_axis_has_the_nominal_sums() {
        let nominal = Nominal { gravity_nm: 0.3, ..Nominal::default() };
        let axis = AxisPhysics::from_nominal(&nominal);
        assert_eq!(axis.check(), Ok(()));
        let inertia = axis.motor_inertia_kgm2 + axis.load_inertia_kgm2;
        assert!((inertia / nominal.inertia_kgm2 - 1.0).abs() < 1e-12);
        let sliding = axis.motor_friction.coulomb_nm + axis.load_friction.coulomb_nm;
        assert!((sliding / nominal.coulomb_nm - 1.0).abs() < 1e-12);
        assert_eq!(axis.hard_stops, Some((-10.0, 610.0)));
    }

    #[test]
    fn a_coarse_encoder_gets_slower_loops() {
        let fine = AxisPhysics::from_nominal(&Nominal::default()).drive;
        let coarse = Nominal { counts_per_revolution: 1_024, ..Nominal::default() };
        let coarse = AxisPhysics::from_nominal(&coarse).drive;
        assert!(coarse.velocity_filter_s > 2.0 * fine.velocity_filter_s);
        assert!(coarse.velocity_gain_nms < fine.velocity_gain_nms);
        assert!(coarse.position_gain_per_s < fine.position_gain_per_s);
    }
}
