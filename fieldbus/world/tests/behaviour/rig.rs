//! A drive firmware for tests: targets at 1 kHz, interpolated to the tick as a CiA 402 drive does,
//! along a jerk-limited profile.

use world::{AxisPhysics, ServoDrive, TICK_NS, World, WorldPlan};

pub(crate) const MS: u64 = 1_000_000;
pub(crate) const S: u64 = 1_000 * MS;

/// A world of these axes.
pub(crate) fn world(axes: &[AxisPhysics]) -> World {
    World::new(WorldPlan { axes: axes.to_vec(), ..WorldPlan::default() }, 0).unwrap()
}

/// Counts at a place, axis units.
pub(crate) fn counts(axis: &AxisPhysics, place: f64) -> f64 {
    let turns = place / axis.units_per_radian / std::f64::consts::TAU;
    turns * f64::from(axis.counts_per_revolution)
}

/// A powered drive that holds a place, axis units.
pub(crate) fn hold(axis: &AxisPhysics, place: f64) -> ServoDrive {
    ServoDrive {
        power: true,
        brake_released: true,
        target_counts: counts(axis, place),
        velocity_counts_per_s: 0.0,
        torque_limit_permille: 3_000,
    }
}

/// Runs for a time.
pub(crate) fn run(world: &mut World, ns: u64) {
    let end = world.now() + ns;
    while world.now() < end {
        world.advance(world.now() + TICK_NS);
    }
}

/// A rest-to-rest move in S-shape (phases of constant jerk), long enough to reach velocity and
/// acceleration.
#[derive(Clone, Copy)]
pub(crate) struct Move {
    pub(crate) from: f64,
    pub(crate) distance: f64,
    pub(crate) velocity: f64,
    pub(crate) acceleration: f64,
    pub(crate) jerk: f64,
}

impl Move {
    pub(crate) fn duration(&self) -> f64 {
        let ramp = self.velocity / self.acceleration + self.acceleration / self.jerk;
        self.distance / self.velocity + ramp
    }

    /// Place and velocity at a time, s: integrated phase by phase.
    pub(crate) fn at(&self, time: f64) -> (f64, f64) {
        let jerk_time = self.acceleration / self.jerk;
        let steady = self.velocity / self.acceleration - jerk_time;
        let cruise = self.duration() - 2.0 * (2.0 * jerk_time + steady);
        let phases = [
            (self.jerk, jerk_time),
            (0.0, steady),
            (-self.jerk, jerk_time),
            (0.0, cruise),
            (-self.jerk, jerk_time),
            (0.0, steady),
            (self.jerk, jerk_time),
        ];
        let (mut x, mut v, mut a, mut left) = (self.from, 0.0, 0.0, time);
        for (jerk, length) in phases {
            let t = left.min(length).max(0.0);
            x += v * t + a * t * t / 2.0 + jerk * t * t * t / 6.0;
            v += a * t + jerk * t * t / 2.0;
            a += jerk * t;
            left -= length;
        }
        (x, v)
    }
}

/// What a move showed, sampled each tick.
#[derive(Default)]
pub(crate) struct Trace {
    /// Load, axis units.
    pub(crate) load: Vec<f64>,
    /// Target − encoder, axis units.
    pub(crate) error: Vec<f64>,
    /// ‰ of rated torque.
    pub(crate) torque: Vec<i16>,
}

/// Follows a move with axis 0 and then holds its end for `after_s`.
pub(crate) fn follow(world: &mut World, axis: &AxisPhysics, path: &Move, after_s: f64) -> Trace {
    let mut trace = Trace::default();
    let cycles = ((path.duration() + after_s) * 1e3) as u64;
    let (mut last, _) = path.at(0.0);
    for cycle in 1..=cycles {
        let (next, _) = path.at(cycle as f64 * 1e-3);
        for tick in 1..=8 {
            let place = last + (next - last) * f64::from(tick) / 8.0;
            let command = ServoDrive {
                velocity_counts_per_s: counts(axis, (next - last) * 1e3),
                ..hold(axis, place)
            };
            world.servo_command(0, &command);
            world.advance(world.now() + TICK_NS);
            let sense = world.servo_feedback(0);
            let per_unit = counts(axis, 1.0);
            let encoder = sense.position_counts - axis.encoder_offset_counts;
            trace.error.push(place - encoder as f64 / per_unit);
            trace.load.push(world.axis(0).unwrap().position);
            trace.torque.push(sense.torque_permille);
        }
        last = next;
    }
    trace
}

pub(crate) fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |most, value| value.abs().max(most))
}
