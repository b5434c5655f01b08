//! Free play between motor and load, seen by the motor's own encoder when the axis reverses.
//!
//! After a reversal the motor first crosses the play alone and then meets the load: that blow is an innovation against the motion, many
//! times what is usual. The way from the turning point to the first such blow is one look at the play; the mean over reversals, with its
//! deviation, is the estimate (Welford's recursion, and from [`MEMORY`] looks on an exponential mean, so that wear is followed). What
//! is crossed within two samples cannot be seen: `a·(2·Δt)² ÷ 2` is the least play that a reversal with acceleration `a` shows. Source:
//! the phases of a reversal in Nordin, Gutman, "Controlling mechanical systems with backlash: a survey", Automatica 38 (2002).

use crate::{math, taped};

/// So many times the usual innovation is a blow.
const BLOW: f64 = 6.0;
/// Samples after a reversal in which a blow is looked for.
const LOOK: u16 = 60;
/// Samples before the usual innovation is known.
const USUAL_MIN: u32 = 500;
/// Part of a new square in the usual one.
const USUAL_STEP: f64 = 1.0 / 256.0;
/// Looks that are averaged.
const MEMORY: u32 = 64;
/// Looks before anything is said.
const LOOKS_MIN: u32 = 8;
/// An estimated velocity changes its sign only when it is this much over 0, in standard deviations of the velocity.
const SURE: f64 = 3.0;

/// The play of one axis.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Backlash {
    direction: i8,
    turned_at: f64,
    /// Samples left of the look; 0: none is under way.
    left: u16,
    usual: f64,
    samples: u32,
    mean: f64,
    square: f64,
    looks: u32,
    reversals: u32,
}

taped!(Backlash { direction, turned_at, left, usual, samples, mean, square, looks, reversals });

/// What was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Play {
    /// Axis units.
    pub width: f64,
    /// Standard deviation of one look, axis units.
    pub deviation: f64,
    /// Looks that showed a blow.
    pub looks: u32,
    /// Reversals, with or without.
    pub reversals: u32,
}

impl Backlash {
    /// One sample: estimated velocity and its standard deviation, position (axis units), innovation in standard deviations.
    pub fn update(&mut self, velocity: f64, deviation: f64, position: f64, surprise: f64) {
        if !(surprise.is_finite() && velocity.is_finite() && position.is_finite()) {
            self.left = 0;
            return;
        }
        let threshold = SURE * deviation;
        let direction = i8::from(velocity > threshold) - i8::from(velocity < -threshold);
        if direction != 0 && direction != self.direction {
            let turned = self.direction != 0;
            self.direction = direction;
            self.left = if turned && self.samples >= USUAL_MIN { LOOK } else { 0 };
            self.reversals = self.reversals.saturating_add(u32::from(turned));
        }
        self.track(position, surprise);
        let square = surprise * surprise;
        self.samples = self.samples.saturating_add(1);
        if square < 1e6 {
            self.usual += (square - self.usual) * USUAL_STEP;
        }
    }

    fn track(&mut self, position: f64, surprise: f64) {
        let ahead = (position - self.turned_at) * f64::from(self.direction);
        if self.left == 0 {
            // The furthest place in the old direction is where it will have turned.
            if ahead > 0.0 || self.samples == 0 {
                self.turned_at = position;
            }
            return;
        }
        self.left -= 1;
        let blow = -surprise * f64::from(self.direction);
        if blow * blow > BLOW * BLOW * self.usual && blow > 0.0 {
            self.look(ahead.max(0.0));
            self.left = 0;
        }
        if self.left == 0 {
            self.turned_at = position;
        }
    }

    fn look(&mut self, width: f64) {
        self.looks = self.looks.saturating_add(1);
        let share = 1.0 / f64::from(self.looks.min(MEMORY));
        let off = width - self.mean;
        self.mean += off * share;
        self.square += (off * (width - self.mean) - self.square) * share;
    }

    /// Positions are counted from elsewhere from now on.
    pub fn shift(&mut self, delta: f64) {
        self.turned_at += delta;
    }

    /// The play; `None`: too few blows were seen.
    #[must_use]
    pub fn play(&self) -> Option<Play> {
        (self.looks >= LOOKS_MIN).then(|| Play {
            width: self.mean,
            deviation: math::sqrt(self.square.max(0.0)),
            looks: self.looks,
            reversals: self.reversals,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// To and fro with a blow 0.3 units after each turning point.
    fn reversing(width: Option<f64>) -> Backlash {
        let mut backlash = Backlash::default();
        let (mut position, mut speed, mut turned, mut met) = (0.0, -100.0_f64, 0.0, true);
        for n in 0..20_000_u32 {
            let before = speed;
            speed += if n / 500 % 2 == 0 { 0.4 } else { -0.4 };
            position += speed * 1e-3;
            if before * speed < 0.0 {
                (turned, met) = (position, false);
            }
            let noise = if n % 2 == 0 { 0.1 } else { -0.1 };
            let blow = !met && width.is_some_and(|width| (position - turned).abs() >= width);
            met |= blow;
            let surprise = if blow { -5.0 * speed.signum() } else { noise };
            backlash.update(speed, 0.05, position, surprise);
        }
        backlash
    }

    #[test]
    fn the_way_from_the_turning_point_to_the_blow_is_the_play() {
        let play = reversing(Some(0.3)).play().expect("forty reversals");
        assert!((play.width - 0.3).abs() < 0.02 && play.deviation < 0.02, "{play:?}");
        assert!(play.looks > 30 && play.reversals >= play.looks, "{play:?}");
    }

    #[test]
    fn without_blows_nothing_is_said() {
        assert_eq!(reversing(None).play(), None);
    }

    #[test]
    fn what_is_no_number_ends_a_look_and_is_not_taken_in() {
        let mut backlash = reversing(Some(0.3));
        let before = backlash;
        backlash.update(f64::NAN, 0.05, 1.0, 0.0);
        backlash.update(1.0, 0.05, f64::INFINITY, 0.0);
        backlash.update(1.0, 0.05, 1.0, f64::NAN);
        assert_eq!(backlash, Backlash { left: 0, ..before });
    }
}
