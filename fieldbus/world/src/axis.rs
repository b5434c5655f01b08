//! One axis in motion: motor and load on a compliant coupling with play, friction on both, brake,
//! hard stops, encoder, switches.

use crate::brake::BrakeState;
use crate::coupling::Coupling;
use crate::drive::{Loops, Obeys, ServoDrive, ServoSense};
use crate::friction::Bristles;
use crate::num::{TAU, TICK_S, floor, from_counts, limit, nearest_i16};
use crate::physics::AxisPhysics;
use crate::wear::Wear;

/// How fast the load would swing on a hard stop, rad / s.
const STOP_RAD_PER_S: f64 = 800.0;
/// No axis turns faster, rad / s: keeps a hopeless parameter finite.
const VELOCITY_MOST: f64 = 1e5;
/// How far a coupling may swing in a step, rad of phase.
const PHASE_A_STEP: f64 = 0.08;

/// What is the same in every step.
#[derive(Clone, Copy, Debug)]
struct Fixed {
    step: f64,
    half_step: f64,
    current: f64,
    constant: f64,
    coupling: Coupling,
    gravity: f64,
    motor_rate: f64,
    load_rate: f64,
    motor_viscous: f64,
    load_viscous: f64,
    stop_low: f64,
    stop_high: f64,
    stop_stiffness: f64,
    stop_damping: f64,
}

impl Fixed {
    fn new(axis: &AxisPhysics, friction_scale: f64, payload_scale: f64, steps: u32) -> Self {
        let step = TICK_S / f64::from(steps);
        let motor = axis.motor_inertia_kgm2;
        let load = axis.load_inertia_kgm2 * payload_scale;
        let viscous = |nms: f64, inertia: f64| 1.0 / (1.0 + nms * friction_scale * step / inertia);
        let motor_viscous = viscous(axis.motor_friction.viscous_nms, motor);
        let load_viscous = viscous(axis.load_friction.viscous_nms, load);
        let (low, high) = axis.hard_stops.unwrap_or((f64::NEG_INFINITY, f64::INFINITY));
        Self {
            step,
            half_step: step * 0.5,
            current: step / (step + axis.drive.current_s),
            constant: axis.torque_constant_nm_per_a,
            coupling: Coupling::new(axis),
            gravity: axis.gravity_nm * payload_scale,
            motor_rate: step / motor * motor_viscous,
            load_rate: step / load * load_viscous,
            motor_viscous,
            load_viscous,
            stop_low: low / axis.units_per_radian,
            stop_high: high / axis.units_per_radian,
            stop_stiffness: load * STOP_RAD_PER_S * STOP_RAD_PER_S,
            stop_damping: load * STOP_RAD_PER_S,
        }
    }
}

/// One axis.
#[derive(Clone, Debug)]
pub(crate) struct Axis {
    physics: AxisPhysics,
    fixed: Fixed,
    steps: u32,
    friction_scale: f64,
    payload_scale: f64,
    part_scale: f64,
    motor_angle: f64,
    motor_velocity: f64,
    load_angle: f64,
    load_velocity: f64,
    current: f64,
    current_asked: f64,
    load_before: f64,
    teeth_per_radian: f64,
    cogging: f64,
    counts: i64,
    amperes_a_nm: f64,
    permille_an_ampere: f64,
    motor_bristles: Bristles,
    load_bristles: Bristles,
    brake: Option<BrakeState>,
    loops: Loops,
    command: ServoDrive,
    brake_output: Option<bool>,
    counts_per_radian: f64,
    turn: i64,
    index_counts: Option<i64>,
    index_pulses: u32,
    limit_negative: bool,
    limit_positive: bool,
    reference: bool,
    fault_code: u16,
    safe_torque_off: bool,
    obeys: Obeys,
    travel: f64,
    work: f64,
    wear: Wear,
    worn_torque: f64,
}

impl Axis {
    /// `physics` has been checked.
    pub(crate) fn new(physics: AxisPhysics) -> Self {
        let steps = steps_a_tick(&physics);
        let fixed = Fixed::new(&physics, 1.0, 1.0, steps);
        let angle = physics.start_position / physics.units_per_radian;
        let counts_per_radian = f64::from(physics.counts_per_revolution) / TAU;
        let bristles = |friction, inertia| Bristles::new(friction, inertia, fixed.step);
        let mut axis = Self {
            motor_bristles: bristles(&physics.motor_friction, physics.motor_inertia_kgm2),
            load_bristles: bristles(&physics.load_friction, physics.load_inertia_kgm2),
            brake: physics
                .brake
                .map(|brake| BrakeState::new(brake, physics.motor_inertia_kgm2, fixed.step)),
            loops: Loops::new(&physics, encoder(&physics, counts_per_radian, angle)),
            physics,
            fixed,
            steps,
            friction_scale: 1.0,
            payload_scale: 1.0,
            part_scale: 1.0,
            motor_angle: angle,
            motor_velocity: 0.0,
            load_angle: angle,
            load_velocity: 0.0,
            current: 0.0,
            current_asked: 0.0,
            load_before: angle,
            teeth_per_radian: f64::from(physics.cogging_per_revolution) / TAU,
            cogging: 0.0,
            counts: encoder(&physics, counts_per_radian, angle),
            amperes_a_nm: 1.0 / physics.torque_constant_nominal_nm_per_a,
            permille_an_ampere: physics.torque_constant_nominal_nm_per_a / physics.rated_torque_nm
                * 1e3,
            command: ServoDrive::default(),
            brake_output: None,
            counts_per_radian,
            turn: floor((angle - physics.index_rad) * (1.0 / TAU)),
            index_counts: None,
            index_pulses: 0,
            limit_negative: false,
            limit_positive: false,
            reference: false,
            fault_code: 0,
            safe_torque_off: false,
            obeys: Obeys::All,
            travel: 0.0,
            work: 0.0,
            wear: Wear::default(),
            worn_torque: 0.0,
        };
        axis.sense_switches();
        axis
    }

    /// What the drive does from the next tick on.
    pub(crate) fn command(&mut self, command: &ServoDrive) {
        self.command = *command;
    }

    /// The brake is wired to an output of a terminal and not to the drive.
    pub(crate) fn brake_output(&mut self, released: bool) {
        self.brake_output = Some(released);
    }

    /// Starts a tick: brake and drive do as commanded. [`Axis::steps`] steps follow, then
    /// [`Axis::finish`].
    pub(crate) fn begin(&mut self) {
        // The power stage is blocked in hardware.
        let power = self.command.power && !self.safe_torque_off;
        let asked = self.loops.torque(&ServoDrive { power, ..self.command }, self.counts);
        self.current_asked = asked * self.amperes_a_nm;
        let released = self.brake_output.unwrap_or(self.command.brake_released);
        if let Some(brake) = self.brake.as_mut() {
            brake.tick(released);
        }
        self.load_before = self.load_angle;
        let teeth = self.motor_angle * self.teeth_per_radian;
        self.cogging = self.physics.cogging_nm * wave(teeth - from_counts(floor(teeth)));
        self.worn_torque = self.wear.torque(self.motor_angle, self.motor_velocity);
    }

    /// Steps of mechanics a tick.
    pub(crate) fn steps(&self) -> u32 {
        self.steps
    }

    /// Ends a tick: sensors.
    pub(crate) fn finish(&mut self) {
        self.motor_velocity = limit(self.motor_velocity, VELOCITY_MOST);
        self.load_velocity = limit(self.load_velocity, VELOCITY_MOST);
        self.travel += (self.load_angle - self.load_before).abs();
        self.counts = encoder(&self.physics, self.counts_per_radian, self.motor_angle)
            .saturating_add(self.wear.slip_counts);
        self.sense_index();
        self.sense_switches();
    }

    /// One step of mechanics.
    #[inline]
    pub(crate) fn step(&mut self) {
        let f = &self.fixed;
        self.current += (self.current_asked - self.current) * f.current;
        let motor = self.current * f.constant;
        let before = self.motor_velocity;
        let twist = self.motor_angle - self.load_angle;
        let coupling = f.coupling.torque(twist, self.motor_velocity - self.load_velocity);
        let mut on_motor = motor
            - self.cogging
            - self.worn_torque
            - coupling
            - self.motor_bristles.torque(self.motor_velocity);
        if let Some(brake) = self.brake.as_mut() {
            on_motor -= brake.torque(self.motor_velocity);
        }
        let mut on_load = coupling - f.gravity - self.load_bristles.torque(self.load_velocity);
        if self.load_angle < f.stop_low {
            on_load += stop(f.stop_low - self.load_angle, -self.load_velocity, f);
        } else if self.load_angle > f.stop_high {
            on_load -= stop(self.load_angle - f.stop_high, self.load_velocity, f);
        }
        self.motor_velocity = self.motor_velocity * f.motor_viscous + on_motor * f.motor_rate;
        self.load_velocity = self.load_velocity * f.load_viscous + on_load * f.load_rate;
        self.work += motor * (before + self.motor_velocity) * f.half_step;
        self.motor_angle += self.motor_velocity * f.step;
        self.load_angle += self.load_velocity * f.step;
    }

    /// The drive latches the place of the pulse itself, not of the tick that saw it.
    fn sense_index(&mut self) {
        let turn = floor((self.motor_angle - self.physics.index_rad) * (1.0 / TAU));
        if turn != self.turn {
            // A pulse lies at the start of a turn: upwards the new one's, downwards the old one's.
            let pulse = turn.max(self.turn);
            let angle = from_counts(pulse) * TAU + self.physics.index_rad;
            self.index_counts = Some(encoder(&self.physics, self.counts_per_radian, angle));
            let passed = u32::try_from(turn.abs_diff(self.turn)).unwrap_or(u32::MAX);
            self.index_pulses = self.index_pulses.wrapping_add(passed);
            self.turn = turn;
        }
    }

    fn sense_switches(&mut self) {
        let place = self.position();
        let slack = self.physics.switch_hysteresis;
        let held = |hit: bool| if hit { slack } else { 0.0 };
        let below = |low: f64, hit: bool| place <= low + held(hit);
        let above = |high: f64, hit: bool| place >= high - held(hit);
        self.limit_negative =
            self.physics.limit_negative.is_some_and(|low| below(low, self.limit_negative));
        self.limit_positive =
            self.physics.limit_positive.is_some_and(|high| above(high, self.limit_positive));
        self.reference = self
            .physics
            .reference
            .is_some_and(|(low, high)| above(low, self.reference) && below(high, self.reference));
    }

    /// What the drive tells its firmware.
    pub(crate) fn sense(&self) -> ServoSense {
        ServoSense {
            position_counts: self.counts,
            velocity_counts_per_s: self.loops.velocity() * self.counts_per_radian,
            torque_permille: nearest_i16(
                self.current * self.permille_an_ampere + self.wear.torque_offset_permille,
            ),
            index_counts: self.index_counts,
            index_pulses: self.index_pulses,
            limit_negative: self.limit_negative,
            limit_positive: self.limit_positive,
            reference: self.reference,
            fault_code: self.fault_code,
            safe_torque_off: self.safe_torque_off,
            obeys: self.obeys,
        }
    }

    /// It moves at `velocity`, axis units / s, with `torque_permille`, as if it had for a while. What is not finite is taken as 0.
    pub(crate) fn set_moving(&mut self, velocity: f64, torque_permille: i16) {
        let given = if velocity.is_finite() { velocity } else { 0.0 };
        let velocity = limit(given / self.physics.units_per_radian, VELOCITY_MOST);
        let torque = f64::from(torque_permille) * 1e-3 * self.physics.rated_torque_nm;
        (self.motor_velocity, self.load_velocity) = (velocity, velocity);
        self.current_asked = torque * self.amperes_a_nm;
        self.current = self.current_asked;
        self.loops.set_moving(velocity, torque, self.counts);
    }

    /// The drive's scripted fault; 0 takes it away.
    pub(crate) fn set_fault(&mut self, code: u16) {
        self.fault_code = code;
    }

    /// The safety chain takes the torque, or gives it free.
    pub(crate) fn set_safe_torque_off(&mut self, active: bool) {
        self.safe_torque_off = active;
    }

    /// What the drive's firmware obeys from now on.
    pub(crate) fn set_obeys(&mut self, obeys: Obeys) {
        self.obeys = obeys;
    }

    /// The brake holds nothing from now on, or holds again.
    pub(crate) fn set_brake_failed(&mut self, failed: bool) {
        if let Some(brake) = self.brake.as_mut() {
            brake.set_failed(failed);
        }
    }

    /// Friction of motor and load times `scale`, kept within 0 ..= 50.
    pub(crate) fn set_friction_scale(&mut self, scale: f64) {
        self.friction_scale = within(scale, 0.0, 50.0, self.friction_scale);
        self.retune();
    }

    /// Inertia and gravity of the load times `scale`, kept within 0.2 ..= 5.
    pub(crate) fn set_payload_scale(&mut self, scale: f64) {
        self.payload_scale = within(scale, 0.2, 5.0, self.payload_scale);
        self.retune();
    }

    /// What is worn from now on.
    pub(crate) fn set_wear(&mut self, wear: Wear) {
        self.wear = wear.bounded();
        self.retune();
    }

    /// What a gripped part makes of inertia and gravity, on top, within 0.2 ..= 5.
    pub(crate) fn set_part_scale(&mut self, scale: f64) {
        self.part_scale = within(scale, 0.2, 5.0, self.part_scale);
        self.retune();
    }

    fn retune(&mut self) {
        let payload = within(self.payload_scale * self.part_scale, 0.2, 5.0, 1.0);
        let slack = self.wear.slack;
        let worn = AxisPhysics {
            stiffness_nm_per_rad: self.physics.stiffness_nm_per_rad / slack,
            backlash_rad: self.physics.backlash_rad * slack,
            ..self.physics
        };
        self.fixed = Fixed::new(&worn, self.friction_scale, payload, self.steps);
        let scaled = |friction: &crate::friction::Friction| crate::friction::Friction {
            coulomb_nm: friction.coulomb_nm * self.friction_scale,
            static_nm: friction.static_nm * self.friction_scale,
            ..*friction
        };
        let step = self.fixed.step;
        let motor = scaled(&self.physics.motor_friction);
        let load = scaled(&self.physics.load_friction);
        // The bristles are the surface's: their stiffness does not follow the payload.
        self.motor_bristles =
            self.motor_bristles.retuned(&motor, self.physics.motor_inertia_kgm2, step);
        self.load_bristles =
            self.load_bristles.retuned(&load, self.physics.load_inertia_kgm2, step);
    }

    /// Load, axis units.
    pub(crate) fn position(&self) -> f64 {
        self.load_angle * self.physics.units_per_radian
    }

    /// Load, axis units / s.
    pub(crate) fn velocity(&self) -> f64 {
        self.load_velocity * self.physics.units_per_radian
    }

    /// Way of the load since the start, both directions added, axis units.
    pub(crate) fn travel(&self) -> f64 {
        self.travel * self.physics.units_per_radian
    }

    /// The brake holds (or slips); false without a brake.
    pub(crate) fn brake_holds(&self) -> bool {
        self.brake.is_some_and(|brake| brake.holds())
    }

    /// Kinetic, elastic and potential energy, J.
    pub(crate) fn energy(&self) -> f64 {
        let load = self.physics.load_inertia_kgm2 * self.payload_scale * self.part_scale;
        let twist = self.motor_angle - self.load_angle;
        let kinetic = self.physics.motor_inertia_kgm2 * self.motor_velocity * self.motor_velocity
            + load * self.load_velocity * self.load_velocity;
        0.5 * kinetic
            + self.fixed.coupling.energy(twist)
            + self.brake.map_or(0.0, |brake| brake.energy())
            + self.motor_bristles.energy()
            + self.load_bristles.energy()
            + self.fixed.gravity * self.load_angle
    }

    /// What the motor has put in since the start, J.
    pub(crate) fn work(&self) -> f64 {
        self.work
    }
}

/// What the encoder says at an angle of the motor.
fn encoder(physics: &AxisPhysics, counts_per_radian: f64, angle: f64) -> i64 {
    floor(angle * counts_per_radian).saturating_add(physics.encoder_offset_counts)
}

/// One period of a wave over 0 .. 1, between −1 and 1: two parabolas, within 6 % of a sine.
fn wave(phase: f64) -> f64 {
    let half = 2.0 * phase - 1.0;
    -4.0 * half * (1.0 - half.abs())
}

fn stop(depth: f64, inwards: f64, fixed: &Fixed) -> f64 {
    (depth * fixed.stop_stiffness + inwards * fixed.stop_damping).max(0.0)
}

fn within(value: f64, low: f64, high: f64, otherwise: f64) -> f64 {
    if value.is_finite() { value.max(low).min(high) } else { otherwise }
}

/// At least 2 (62.5 µs), more for a stiff coupling.
fn steps_a_tick(physics: &AxisPhysics) -> u32 {
    let inverse = 1.0 / physics.motor_inertia_kgm2 + 1.0 / physics.load_inertia_kgm2;
    let phase = (physics.stiffness_nm_per_rad * inverse).sqrt() * TICK_S;
    let steps = floor(phase / PHASE_A_STEP).saturating_add(1);
    u32::try_from(steps.clamp(2, 64)).unwrap_or(64)
}
