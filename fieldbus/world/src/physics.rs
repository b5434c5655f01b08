//! What an axis is made of: masses, coupling, friction, brake, switches, encoder, and the drive's
//! tuning.
//!
//! Mechanics are at the motor shaft in SI units; places along the axis are in axis units (mm or
//! deg).

use crate::friction::Friction;
use crate::num::{Rng, TICK_S};

/// A holding brake: it closes without current and slips above its holding torque.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Brake {
    /// At the motor shaft, N m, above 0.
    pub holding_nm: f64,
    /// From the command until it holds, ns.
    pub engage_ns: u64,
    /// From the command until it is free, ns.
    pub release_ns: u64,
}

/// How the drive's loops are tuned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DriveTuning {
    /// First-order current loop, s, ≥ 0.
    pub current_s: f64,
    /// First-order filter on the measured velocity, s, ≥ 0.
    pub velocity_filter_s: f64,
    /// Velocity loop, proportional, N m s / rad, above 0.
    pub velocity_gain_nms: f64,
    /// Velocity loop, integral time, s, above 0.
    pub velocity_integral_s: f64,
    /// Position loop, 1 / s, above 0.
    pub position_gain_per_s: f64,
    /// From a set-point to the loops that follow it, steps of 125 µs, 0 ..= 15.
    pub dead_time_ticks: u8,
    /// Largest velocity that the position loop asks for, rad / s, above 0.
    pub velocity_max_rad_per_s: f64,
}

/// One axis: motor, coupling, load and drive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AxisPhysics {
    /// Axis units a motor radian moves, above 0.
    pub units_per_radian: f64,
    /// Rotor, brake disc and coupling half, kg m², above 0.
    pub motor_inertia_kgm2: f64,
    /// Everything behind the coupling, at the motor shaft, kg m², above 0.
    pub load_inertia_kgm2: f64,
    /// Coupling and screw, N m / rad, above 0.
    pub stiffness_nm_per_rad: f64,
    /// Coupling, N m s / rad, ≥ 0.
    pub damping_nms: f64,
    /// Free play between motor and load, rad, ≥ 0.
    pub backlash_rad: f64,
    /// Bearings and seals of the motor.
    pub motor_friction: Friction,
    /// Guides, nut, belt.
    pub load_friction: Friction,
    /// Cogging: amplitude, N m, ≥ 0.
    pub cogging_nm: f64,
    /// Periods of the cogging a motor revolution, 0 ..= 1000.
    pub cogging_per_revolution: u32,
    /// Constant pull on the load towards negative positions if above 0, N m at the motor shaft.
    pub gravity_nm: f64,
    /// N m a torque ampere makes, in truth; above 0.
    pub torque_constant_nm_per_a: f64,
    /// What the drive believes of it; above 0.
    pub torque_constant_nominal_nm_per_a: f64,
    /// Name plate, N m, above 0: torque is reported in ‰ of it.
    pub rated_torque_nm: f64,
    /// Largest torque, N m, above 0.
    pub peak_torque_nm: f64,
    /// `None`: there is no brake.
    pub brake: Option<Brake>,
    /// The negative limit switch is hit at and below this place.
    pub limit_negative: Option<f64>,
    /// The positive limit switch is hit at and above this place.
    pub limit_positive: Option<f64>,
    /// The reference switch is hit between these places.
    pub reference: Option<(f64, f64)>,
    /// A switch that is hit lets go this far outside its range, axis units, ≥ 0.
    pub switch_hysteresis: f64,
    /// Where the load runs into something hard.
    pub hard_stops: Option<(f64, f64)>,
    /// Encoder counts a motor revolution, 1 ..= 2³⁰.
    pub counts_per_revolution: u32,
    /// What the encoder says at place 0, counts; beyond ±2³¹ on an old endless axis.
    pub encoder_offset_counts: i64,
    /// Motor angle of the index pulse from place 0, rad.
    pub index_rad: f64,
    /// Where the axis stands at the start.
    pub start_position: f64,
    /// The drive's loops.
    pub drive: DriveTuning,
}

impl AxisPhysics {
    /// The same axis as it was really built: every physical parameter drawn within ± `spread` (0
    /// ..= 0.5) of its value. What is on the name plate, the places of switches and the drive's
    /// tuning stay.
    #[must_use]
    pub fn randomised(self, seed: u64, spread: f64) -> Self {
        let mut rng = Rng::new(seed, 0xA815);
        let spread = spread.clamp(0.0, 0.5);
        let mut draw = |value: f64| value * (1.0 + spread * rng.symmetric());
        let mut axis = self;
        axis.motor_inertia_kgm2 = draw(axis.motor_inertia_kgm2);
        axis.load_inertia_kgm2 = draw(axis.load_inertia_kgm2);
        axis.stiffness_nm_per_rad = draw(axis.stiffness_nm_per_rad);
        axis.damping_nms = draw(axis.damping_nms);
        axis.backlash_rad = draw(axis.backlash_rad);
        for friction in [&mut axis.motor_friction, &mut axis.load_friction] {
            let breakaway = friction.static_nm - friction.coulomb_nm;
            friction.coulomb_nm = draw(friction.coulomb_nm);
            friction.static_nm = friction.coulomb_nm + draw(breakaway);
            friction.stribeck_rad_per_s = draw(friction.stribeck_rad_per_s);
            friction.viscous_nms = draw(friction.viscous_nms);
        }
        axis.cogging_nm = draw(axis.cogging_nm);
        axis.gravity_nm = draw(axis.gravity_nm);
        axis.torque_constant_nm_per_a = draw(axis.torque_constant_nm_per_a);
        axis.index_rad = draw(axis.index_rad);
        if let Some(brake) = axis.brake.as_mut() {
            brake.holding_nm = draw(brake.holding_nm);
        }
        axis
    }

    /// The first parameter that is out of range, by name.
    ///
    /// # Errors
    /// Names it.
    pub fn check(&self) -> Result<(), &'static str> {
        self.check_mechanics()?;
        self.check_places()?;
        let drive = &self.drive;
        let loops = [
            ("velocity_gain_nms", drive.velocity_gain_nms),
            ("velocity_integral_s", drive.velocity_integral_s),
            ("position_gain_per_s", drive.position_gain_per_s),
            ("velocity_max_rad_per_s", drive.velocity_max_rad_per_s),
        ];
        positive(&loops)?;
        not_negative(&[
            ("current_s", drive.current_s),
            ("velocity_filter_s", drive.velocity_filter_s),
        ])?;
        if drive.dead_time_ticks > 15 {
            return Err("dead_time_ticks");
        }
        // The loops must be stable at the rate they run; beyond this they cannot be.
        let inertia = self.motor_inertia_kgm2 + self.load_inertia_kgm2;
        if drive.velocity_gain_nms > inertia / TICK_S || drive.velocity_integral_s < TICK_S {
            return Err("velocity_gain_nms");
        }
        Ok(())
    }

    fn check_mechanics(&self) -> Result<(), &'static str> {
        positive(&[
            ("units_per_radian", self.units_per_radian),
            ("motor_inertia_kgm2", self.motor_inertia_kgm2),
            ("load_inertia_kgm2", self.load_inertia_kgm2),
            ("stiffness_nm_per_rad", self.stiffness_nm_per_rad),
            ("torque_constant_nm_per_a", self.torque_constant_nm_per_a),
            ("torque_constant_nominal_nm_per_a", self.torque_constant_nominal_nm_per_a),
            ("rated_torque_nm", self.rated_torque_nm),
            ("peak_torque_nm", self.peak_torque_nm),
            ("motor stribeck_rad_per_s", self.motor_friction.stribeck_rad_per_s),
            ("load stribeck_rad_per_s", self.load_friction.stribeck_rad_per_s),
        ])?;
        for friction in [&self.motor_friction, &self.load_friction] {
            not_negative(&[
                ("coulomb_nm", friction.coulomb_nm),
                ("static_nm", friction.static_nm - friction.coulomb_nm),
                ("viscous_nms", friction.viscous_nms),
            ])?;
        }
        not_negative(&[
            ("damping_nms", self.damping_nms),
            ("backlash_rad", self.backlash_rad),
            ("cogging_nm", self.cogging_nm),
            ("cogging_per_revolution", 1_000.0 - f64::from(self.cogging_per_revolution)),
            ("gravity_nm", self.gravity_nm.abs()),
            ("holding_nm", self.brake.map_or(1.0, |brake| brake.holding_nm)),
        ])?;
        // At most 16 steps a tick: the coupling may not swing faster than they can follow.
        let lightest = self.motor_inertia_kgm2.min(self.load_inertia_kgm2);
        let swing = (2.0 * self.stiffness_nm_per_rad / lightest).sqrt() * TICK_S;
        if swing > 4.0 || self.damping_nms / lightest * TICK_S > 4.0 {
            return Err("stiffness_nm_per_rad");
        }
        Ok(())
    }

    fn check_places(&self) -> Result<(), &'static str> {
        not_negative(&[
            ("switch_hysteresis", self.switch_hysteresis),
            ("index_rad", self.index_rad.abs()),
            ("start_position", self.start_position.abs()),
            ("limit_negative", self.limit_negative.map_or(0.0, f64::abs)),
            ("limit_positive", self.limit_positive.map_or(0.0, f64::abs)),
            ("reference", self.reference.map_or(0.0, |(low, high)| high - low)),
            ("hard_stops", self.hard_stops.map_or(0.0, |(low, high)| high - low)),
        ])?;
        if let Some((low, high)) = self.hard_stops
            && !(low..=high).contains(&self.start_position)
        {
            return Err("start_position");
        }
        if !(1..=1 << 30).contains(&self.counts_per_revolution) {
            return Err("counts_per_revolution");
        }
        Ok(())
    }
}

fn positive(values: &[(&'static str, f64)]) -> Result<(), &'static str> {
    match values.iter().find(|(_, value)| !(value.is_finite() && *value > 0.0)) {
        Some((name, _)) => Err(name),
        None => Ok(()),
    }
}

fn not_negative(values: &[(&'static str, f64)]) -> Result<(), &'static str> {
    match values.iter().find(|(_, value)| !(value.is_finite() && *value >= 0.0)) {
        Some((name, _)) => Err(name),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nominal::Nominal;

    #[test]
    fn drawn_parameters_stay_within_the_spread_and_differ_by_seed() {
        let axis = AxisPhysics::from_nominal(&Nominal::default());
        let drawn = axis.randomised(1, 0.2);
        assert_eq!(drawn, axis.randomised(1, 0.2));
        assert_ne!(drawn, axis.randomised(2, 0.2));
        assert_eq!(axis.randomised(1, 0.0), axis);
        assert_eq!(drawn.drive, axis.drive);
        for seed in 0..200 {
            let drawn = axis.randomised(seed, 0.2);
            assert_eq!(drawn.check(), Ok(()));
            let ratio = drawn.load_inertia_kgm2 / axis.load_inertia_kgm2;
            assert!((0.8..=1.2).contains(&ratio));
            assert!((0.8..=1.2).contains(&drawn.index_rad) && drawn.index_rad != axis.index_rad);
        }
    }

    #[test]
    fn parameters_out_of_range_are_named() {
        let axis = AxisPhysics::from_nominal(&Nominal::default());
        let bad = AxisPhysics { load_inertia_kgm2: f64::NAN, ..axis };
        assert_eq!(bad.check(), Err("load_inertia_kgm2"));
        let bad = AxisPhysics { stiffness_nm_per_rad: 1e9, ..axis };
        assert_eq!(bad.check(), Err("stiffness_nm_per_rad"));
        let bad = AxisPhysics { start_position: 700.0, ..axis };
        assert_eq!(bad.check(), Err("start_position"));
        let bad = AxisPhysics { counts_per_revolution: 0, ..axis };
        assert_eq!(bad.check(), Err("counts_per_revolution"));
    }

    #[test]
    fn every_physical_parameter_is_drawn() {
        let brake = Brake { holding_nm: 2.0, engage_ns: 1, release_ns: 1 };
        let nominal = Nominal { gravity_nm: 0.3, brake: Some(brake), ..Nominal::default() };
        let axis = AxisPhysics::from_nominal(&nominal);
        let values = |axis: &AxisPhysics| {
            let (motor, load) = (axis.motor_friction, axis.load_friction);
            [
                axis.motor_inertia_kgm2,
                axis.load_inertia_kgm2,
                axis.stiffness_nm_per_rad,
                axis.damping_nms,
                axis.backlash_rad,
                motor.coulomb_nm,
                motor.viscous_nms,
                motor.stribeck_rad_per_s,
                load.coulomb_nm,
                load.static_nm,
                load.viscous_nms,
                load.stribeck_rad_per_s,
                axis.cogging_nm,
                axis.gravity_nm,
                axis.torque_constant_nm_per_a,
                axis.index_rad,
                axis.brake.unwrap().holding_nm,
            ]
        };
        let drawn = values(&axis.randomised(5, 0.2));
        for (place, (drawn, nominal)) in drawn.iter().zip(values(&axis)).enumerate() {
            let ratio = drawn / nominal;
            assert!((0.7..=1.3).contains(&ratio) && (ratio - 1.0).abs() > 1e-9, "{place}: {ratio}");
        }
    }
}
