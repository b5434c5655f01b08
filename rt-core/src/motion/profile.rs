//! The double-S profile: pieces of constant jerk, in closed form.
//!
//! Only `+ − × ÷ sqrt`; where a root beyond a square root is needed, a fixed number of Newton or bisection steps. A profile knows
//! one dimension: the length along a path, or the position of an axis. Planning happens when something is asked or a limit
//! changes; a cycle only evaluates a cubic.

use twin_lite::math::sqrt;
use twin_lite::taped;

/// What a profile keeps to; all finite and above 0.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Limits {
    /// Units / s.
    pub velocity: f64,
    /// Units / s².
    pub acceleration: f64,
    /// Units / s³.
    pub jerk: f64,
}

/// Where and how fast.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct State {
    /// Units.
    pub position: f64,
    /// Units / s.
    pub velocity: f64,
    /// Units / s².
    pub acceleration: f64,
}

impl State {
    /// `time` s later under constant `jerk`.
    fn after(self, time: f64, jerk: f64) -> Self {
        let acceleration = self.acceleration + jerk * time;
        let velocity = self.velocity + (self.acceleration + 0.5 * jerk * time) * time;
        let mean = self.velocity + (0.5 * self.acceleration + jerk * time / 6.0) * time;
        Self { position: self.position + mean * time, velocity, acceleration }
    }
}

/// A stretch of constant jerk.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Piece {
    duration: f64,
    jerk: f64,
    start: State,
}

/// Most pieces of a profile: build up, hold, take back; cruise; and the same down.
const PIECES_MAX: usize = 7;

/// Planned motion from a state until a velocity is held, or until rest at a place.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Profile {
    pieces: [Piece; PIECES_MAX],
    duration: f64,
    end: State,
    /// Velocity that a move keeps, or turns at if it is short.
    peak: f64,
    /// When a move begins to slow down to its end, s; infinite for a change of velocity.
    slowing_from: f64,
}

taped!(Limits { velocity, acceleration, jerk });
taped!(State { position, velocity, acceleration });
taped!(Piece { duration, jerk, start });
taped!(Profile { pieces, duration, end, peak, slowing_from });

/// Bisections for the peak velocity of a move that starts in motion: what they leave is below 2⁻³² of the velocity limit and is
/// made up by the cruise.
const BISECTIONS: u32 = 32;
/// A remaining distance may be missed by rounding by this part of it.
const ROUNDING: f64 = 1e-9;

impl Profile {
    /// At `state`, without motion.
    #[must_use]
    pub fn resting(position: f64) -> Self {
        let end = State { position, ..State::default() };
        let pieces = [Piece { start: end, ..Piece::default() }; PIECES_MAX];
        Self { pieces, duration: 0.0, end, peak: 0.0, slowing_from: f64::INFINITY }
    }

    /// From `start` to `velocity`, which is then held.
    #[must_use]
    pub fn velocity(start: State, velocity: f64, limits: Limits) -> Self {
        let mut builder = Builder::new(start);
        builder.change_velocity(velocity, limits);
        builder.finish()
    }

    /// From rest at 0 to rest at `distance` (≥ 0), in the least time.
    #[must_use]
    pub fn rest_to_rest(distance: f64, limits: Limits) -> Self {
        let peak = limits.velocity.min(peak_of_rest_to_rest(distance, limits));
        let mut builder = Builder::new(State::default());
        builder.move_to(distance, peak, limits);
        builder.finish()
    }

    /// From `start` to rest at `target` ahead of it; `None` if it cannot stop before it.
    #[must_use]
    pub fn moving_to_rest(start: State, target: f64, limits: Limits) -> Option<Self> {
        let distance = target - start.position;
        let needed = |peak: f64| {
            let (first, up) = change(start, peak, limits);
            let (_, down) = change(State { acceleration: 0.0, ..first }, 0.0, limits);
            up + down
        };
        if needed(0.0) > distance + ROUNDING * (1.0 + distance.abs()) {
            return None;
        }
        let mut peak = limits.velocity;
        if needed(peak) > distance {
            let (mut low, mut high) = (0.0, peak);
            for _ in 0..BISECTIONS {
                let middle = 0.5 * (low + high);
                if needed(middle) > distance {
                    high = middle;
                } else {
                    low = middle;
                }
            }
            peak = low;
        }
        let mut builder = Builder::new(start);
        builder.move_to(target, peak, limits);
        Some(builder.finish())
    }

    /// Velocity that a move keeps, or turns at if it is short; 0 for a change of velocity.
    #[must_use]
    pub fn peak(&self) -> f64 {
        self.peak
    }

    /// Whether a move is, `time` s after its start, slowing down to its end as hard as it may.
    #[must_use]
    pub fn is_slowing_to_its_end(&self, time: f64) -> bool {
        time >= self.slowing_from
    }

    /// Until the end, s.
    #[must_use]
    pub fn duration(&self) -> f64 {
        self.duration
    }

    /// State at the end, exactly as planned.
    #[must_use]
    pub fn end(&self) -> State {
        self.end
    }

    /// State `time` s after the start; after the end the velocity of the end is held.
    #[must_use]
    pub fn at(&self, time: f64) -> State {
        if time >= self.duration {
            let held = self.end.velocity * (time - self.duration);
            return State { position: self.end.position + held, ..self.end };
        }
        let mut left = time.max(0.0);
        for piece in &self.pieces {
            if left < piece.duration {
                return piece.start.after(left, piece.jerk);
            }
            left -= piece.duration;
        }
        self.end
    }
}

/// Adds pieces one after the other.
struct Builder {
    pieces: [Piece; PIECES_MAX],
    used: usize,
    state: State,
    duration: f64,
    peak: f64,
    slowing_from: f64,
}

impl Builder {
    fn new(start: State) -> Self {
        Self {
            pieces: [Piece::default(); PIECES_MAX],
            used: 0,
            state: start,
            duration: 0.0,
            peak: 0.0,
            slowing_from: f64::INFINITY,
        }
    }

    fn push(&mut self, duration: f64, jerk: f64) {
        if duration > 0.0
            && let Some(piece) = self.pieces.get_mut(self.used)
        {
            *piece = Piece { duration, jerk, start: self.state };
            self.used += 1;
            self.duration += duration;
            self.state = self.state.after(duration, jerk);
        }
    }

    /// Three pieces to a velocity; it is then met exactly.
    fn change_velocity(&mut self, velocity: f64, limits: Limits) {
        for (duration, jerk) in ramp(self.state, velocity, limits) {
            self.push(duration, jerk);
        }
        self.state.velocity = velocity;
        self.state.acceleration = 0.0;
    }

    /// To `peak`, along, and to rest exactly at `target`.
    fn move_to(&mut self, target: f64, peak: f64, limits: Limits) {
        self.change_velocity(peak, limits);
        let (_, down) = change(self.state, 0.0, limits);
        let cruise = target - self.state.position - down;
        if peak > 0.0 {
            self.push(cruise / peak, 0.0);
        }
        self.peak = peak;
        self.slowing_from = self.duration;
        self.change_velocity(0.0, limits);
        self.state.position = target;
    }

    fn finish(self) -> Profile {
        Profile {
            pieces: self.pieces,
            duration: self.duration,
            end: self.state,
            peak: self.peak,
            slowing_from: self.slowing_from,
        }
    }
}

/// The three pieces (duration, jerk) that bring `start` to `velocity` without acceleration in the least time.
fn ramp(start: State, velocity: f64, limits: Limits) -> [(f64, f64); 3] {
    let Limits { acceleration: limit, jerk, .. } = limits;
    let given = start.acceleration;
    // Velocity if the acceleration were taken back at once: the target is above or below that.
    let coasting = start.velocity + given * given.abs() / (2.0 * jerk);
    let sign = if velocity < coasting { -1.0 } else { 1.0 };
    let change = sign * (velocity - start.velocity);
    let from = sign * given;
    let peak = sqrt((jerk * change + 0.5 * from * from).max(0.0));
    if peak <= limit {
        let up = (peak - from) / jerk;
        return [(up, sign * jerk), (peak / jerk, -sign * jerk), (0.0, 0.0)];
    }
    // More than the limit to begin with (a limit was lowered): down to it first.
    let (up, first) = if from > limit { (from - limit, -jerk) } else { (limit - from, jerk) };
    let gained = 0.5 * (from + limit) * (up / jerk) + 0.5 * limit * (limit / jerk);
    let hold = (change - gained) / limit;
    [(up / jerk, sign * first), (hold, 0.0), (limit / jerk, -sign * jerk)]
}

/// State after a change of velocity from `start`, and the distance it takes.
fn change(start: State, velocity: f64, limits: Limits) -> (State, f64) {
    let mut state = State { position: 0.0, ..start };
    for (duration, jerk) in ramp(start, velocity, limits) {
        if duration > 0.0 {
            state = state.after(duration, jerk);
        }
    }
    (State { velocity, ..state }, state.position)
}

/// Velocity that a move from rest to rest over `distance` reaches if nothing limits the velocity.
fn peak_of_rest_to_rest(distance: f64, limits: Limits) -> f64 {
    let Limits { acceleration, jerk, .. } = limits;
    let onset = acceleration / jerk;
    // With the acceleration held: v²/a + v·a/j = distance.
    let held =
        0.5 * acceleration * (sqrt(onset * onset + 4.0 * distance.max(0.0) / acceleration) - onset);
    if held >= acceleration * onset {
        return held;
    }
    // Four equal stretches of jerk, t long: 2·j·t³ = distance, v = j·t².
    let stretch = cube_root(0.5 * distance.max(0.0) / jerk);
    jerk * stretch * stretch
}

/// Cube root of what is ≥ 0: a guess by its bits within some percent, then Newton's iteration, which comes from above and
/// doubles the digits each time.
fn cube_root(value: f64) -> f64 {
    if value < f64::MIN_POSITIVE {
        return 0.0;
    }
    let mut root = f64::from_bits(value.to_bits() / 3 + 0x2A9F_7893_782D_A1CE);
    for _ in 0..5 {
        root -= (root - value / (root * root)) / 3.0;
    }
    root
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use proptest::prelude::*;

    fn limits() -> impl Strategy<Value = Limits> {
        (1.0..5000.0_f64, 1.0..50_000.0_f64, 10.0..1e6_f64)
            .prop_map(|(velocity, acceleration, jerk)| Limits { velocity, acceleration, jerk })
    }

    /// Samples a profile finely and checks every limit, and that velocity and acceleration are the derivatives they claim to be.
    fn check_limits(profile: &Profile, limits: Limits, from: State) {
        let steps = 2000;
        let step = profile.duration() / f64::from(steps);
        let velocity_max = limits.velocity.max(from.velocity.abs()) * (1.0 + 1e-9) + 1e-9;
        let acceleration_max = limits.acceleration.max(from.acceleration.abs()) * (1.0 + 1e-9);
        let mut before = profile.at(0.0);
        for n in 1..=steps {
            let state = profile.at(f64::from(n) * step);
            assert!(state.velocity.abs() <= velocity_max, "{state:?} {limits:?}");
            assert!(state.acceleration.abs() <= acceleration_max + 1e-6, "{state:?} {limits:?}");
            let jerk = (state.acceleration - before.acceleration).abs();
            // The end is set to exactly 0: rounding of large times small may show.
            assert!(jerk <= limits.jerk * step * (1.0 + 1e-6) + 1e-6 * acceleration_max, "{jerk}");
            let mean = 0.5 * (state.velocity + before.velocity);
            let bend = limits.jerk * step * step;
            let moved = state.position - before.position;
            assert!((moved - mean * step).abs() <= bend * step + 1e-7, "{moved} {mean}");
            before = state;
        }
    }

    #[test]
    fn the_cube_root_cubed_is_the_number() {
        let mut value = 1e-30;
        while value < 1e30 {
            let root = cube_root(value);
            assert!((root * root * root / value - 1.0).abs() < 1e-14, "{value:e}");
            value *= 1.37;
        }
        assert_eq!(cube_root(0.0), 0.0);
    }

    #[test]
    fn a_long_move_takes_the_time_of_the_textbook() {
        // v = 1, a = 2, j = 8: 0.5 s of jerk-limited build-up each; distance 10.
        let limits = Limits { velocity: 1.0, acceleration: 2.0, jerk: 8.0 };
        let profile = Profile::rest_to_rest(10.0, limits);
        // d/v + v/a + a/j
        assert!((profile.duration() - (10.0 + 0.5 + 0.25)).abs() < 1e-12);
        assert_eq!(profile.end(), State { position: 10.0, velocity: 0.0, acceleration: 0.0 });
        assert!((profile.at(5.375).position - 5.0).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn rest_to_rest_keeps_its_limits_goes_forward_only_and_ends_exactly(
            limits in limits(), distance in 1e-6..10_000.0_f64,
        ) {
            let profile = Profile::rest_to_rest(distance, limits);
            check_limits(&profile, limits, State::default());
            prop_assert_eq!(profile.end().position, distance);
            prop_assert_eq!(profile.at(profile.duration() + 1.0).position, distance);
            let just_before = profile.at(profile.duration() - 1e-9 * profile.duration().min(1.0));
            prop_assert!((just_before.position - distance).abs() <= 1e-7 * (1.0 + distance));
            let mut before = 0.0;
            for n in 0..=1000 {
                let position = profile.at(profile.duration() * f64::from(n) / 1000.0).position;
                prop_assert!(position >= before - 1e-9 && position <= distance + 1e-9);
                before = position;
            }
        }

        #[test]
        fn some_limit_is_always_used_up(limits in limits(), distance in 1e-3..10_000.0_f64) {
            // Time-optimal: jerk is ±max, or acceleration is at its limit, or velocity is.
            let profile = Profile::rest_to_rest(distance, limits);
            for piece in profile.pieces.iter().filter(|piece| piece.duration > 1e-6) {
                let full_jerk = (piece.jerk.abs() - limits.jerk).abs() < 1e-9 * limits.jerk;
                let full = (piece.start.acceleration.abs() / limits.acceleration - 1.0).abs() < 1e-6;
                let fast = (piece.start.velocity / limits.velocity - 1.0).abs() < 1e-6;
                prop_assert!(full_jerk || full || fast, "{:?} {:?}", piece, limits);
            }
        }

        #[test]
        fn any_velocity_is_reached_from_any_state(
            limits in limits(), v in -1.0..1.0_f64, a in -1.0..1.0_f64, to in -1.0..1.0_f64,
        ) {
            let start = State {
                position: 3.0,
                velocity: v * limits.velocity,
                acceleration: a * limits.acceleration,
            };
            let target = to * limits.velocity;
            let profile = Profile::velocity(start, target, limits);
            // An acceleration that must be taken back first may carry the velocity on by a²/2j.
            let carry = start.acceleration * start.acceleration / (2.0 * limits.jerk);
            let wide = Limits { velocity: limits.velocity + carry, ..limits };
            check_limits(&profile, wide, start);
            prop_assert_eq!(profile.end().velocity, target);
            prop_assert_eq!(profile.end().acceleration, 0.0);
            let late = profile.at(profile.duration() - 1e-9 * profile.duration().min(1.0));
            prop_assert!((late.velocity - target).abs() <= 1e-6 * (1.0 + limits.velocity));
        }

        #[test]
        fn a_lowered_acceleration_limit_is_come_down_to_with_the_jerk(
            limits in limits(), a in 1.0..3.0_f64, to in -1.0..1.0_f64,
        ) {
            let start = State { acceleration: a * limits.acceleration, ..State::default() };
            let profile = Profile::velocity(start, to * limits.velocity, limits);
            let carry = start.acceleration * start.acceleration / (2.0 * limits.jerk);
            check_limits(&profile, Limits { velocity: limits.velocity + carry, ..limits }, start);
        }

        #[test]
        fn a_move_that_is_replanned_with_another_speed_still_ends_exactly_and_within_limits(
            limits in limits(),
            distance in 1e-3..10_000.0_f64,
            part in 0.0..1.0_f64,
            slower in 0.05..3.0_f64,
        ) {
            let first = Profile::rest_to_rest(distance, limits);
            let start = first.at(part * first.duration());
            let changed = Limits { velocity: limits.velocity * slower, ..limits };
            let second = Profile::moving_to_rest(start, distance, changed);
            let second = second.expect("it was on its way to rest there");
            let carry = start.acceleration * start.acceleration / (2.0 * limits.jerk);
            let wide = Limits { velocity: changed.velocity.max(start.velocity + carry), ..limits };
            check_limits(&second, wide, start);
            prop_assert_eq!(second.end().position, distance);
            let late = second.at(second.duration() - 1e-9 * second.duration().min(1.0));
            prop_assert!((late.position - distance).abs() <= 1e-6 * (1.0 + distance));
            prop_assert!(late.velocity.abs() <= 1e-5 * (1.0 + limits.velocity));
        }
    }

    #[test]
    fn a_target_that_is_too_near_is_said_to_be() {
        let limits = Limits { velocity: 10.0, acceleration: 10.0, jerk: 100.0 };
        let start = State { position: 0.0, velocity: 10.0, acceleration: 0.0 };
        // v²/2a + v·a/2j = 5 + 0.5
        assert_eq!(Profile::moving_to_rest(start, 5.49, limits), None);
        assert!(Profile::moving_to_rest(start, 5.51, limits).is_some());
    }
}
