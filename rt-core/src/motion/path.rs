//! Along a straight line: one profile for all axes of a group, so that they start, slow, stop and arrive together.

use super::profile::{Limits, Profile, State};
use crate::plan::AxisLimits;
use crate::program::GROUP_AXES_MAX;
use twin_lite::Nano;
use twin_lite::math::{seconds, sqrt};
use twin_lite::taped;

/// Travel over a length, from rest to rest, under a speed limit that may change each cycle.
#[derive(Clone, Copy, Debug, Default)]
pub struct Travel {
    length: f64,
    limits: Limits,
    /// The speed that the present profile keeps to.
    speed: f64,
    profile: Profile,
    elapsed_ns: u64,
    halting: bool,
}

taped!(Travel { length, limits, speed, profile, elapsed_ns, halting });

impl Travel {
    /// From rest at 0 to `length` (≥ 0).
    #[must_use]
    pub fn new(length: f64, limits: Limits) -> Self {
        Self {
            length,
            limits,
            speed: limits.velocity,
            profile: Profile::rest_to_rest(length, limits),
            elapsed_ns: 0,
            halting: false,
        }
    }

    /// One period on. A `speed_limit` (≥ 0) that is lower than before is come down to, one that is higher come up to, on the
    /// path and within the limits of acceleration and jerk; 0 waits on the path.
    pub fn advance(&mut self, period_ns: u64, speed_limit: f64) {
        let speed = self.limits.velocity.min(speed_limit.max(0.0));
        if !self.halting && speed != self.speed {
            self.change_speed(speed);
        }
        self.elapsed_ns = self.elapsed_ns.saturating_add(period_ns);
    }

    fn change_speed(&mut self, speed: f64) {
        let now = self.state();
        let before = self.speed;
        self.speed = speed;
        // Slowing to the end already, or a move too short for either limit: there is nothing to plan.
        let peak = self.profile.peak();
        let is_free = peak < before && peak <= speed && now.velocity <= speed;
        if is_free || self.profile.is_slowing_to_its_end(seconds(self.elapsed_ns)) {
            return;
        }
        let limits = Limits { velocity: speed, ..self.limits };
        let planned = if speed > 0.0 {
            Profile::moving_to_rest(now, self.length, limits)
        } else {
            self.stop_before_the_end(now)
        };
        // Without a way to stop before the end it is stopping already: what is planned holds.
        if let Some(profile) = planned {
            self.profile = profile;
            self.elapsed_ns = 0;
        }
    }

    /// To rest at once, unless that is at the end anyway.
    fn stop_before_the_end(&self, now: State) -> Option<Profile> {
        let profile = Profile::velocity(now, 0.0, self.limits);
        (profile.end().position < self.length).then_some(profile)
    }

    /// Comes to rest on the path and stays there.
    pub fn halt(&mut self) {
        if self.halting {
            return;
        }
        self.halting = true;
        if let Some(profile) = self.stop_before_the_end(self.state()) {
            self.profile = profile;
            self.elapsed_ns = 0;
        }
    }

    /// Where on the path it is, and how fast.
    #[must_use]
    pub fn state(&self) -> State {
        self.profile.at(seconds(self.elapsed_ns))
    }

    /// It stands and will not go on by itself: at the end, or halted.
    #[must_use]
    pub fn is_over(&self) -> bool {
        let over = seconds(self.elapsed_ns) >= self.profile.duration();
        over && (self.halting || self.is_at_end())
    }

    /// It was told to come to rest before the end.
    #[must_use]
    pub fn is_halted(&self) -> bool {
        self.halting
    }

    /// It has arrived.
    #[must_use]
    pub fn is_at_end(&self) -> bool {
        seconds(self.elapsed_ns) >= self.profile.duration()
            && self.profile.end().position >= self.length
    }
}

/// One axis of a line.
#[derive(Clone, Copy, Debug, Default)]
struct Leg {
    start: Nano,
    target: Nano,
    /// Part of the path's length that this axis goes, signed, −1 ..= 1.
    part: f64,
}

taped!(Leg { start, target, part });

/// A straight line through the axes of a group.
#[derive(Clone, Copy, Debug, Default)]
pub struct Line {
    legs: [Leg; GROUP_AXES_MAX],
    travel: Travel,
}

taped!(Line { legs, travel });

impl Line {
    /// From rest at the starts to the targets, axis by axis, on a straight line. The path's speed is at most `velocity`, and
    /// every axis stays within its own limits: the one that needs longest sets the pace.
    #[must_use]
    pub fn new<I>(legs: I, velocity: Nano) -> Self
    where
        I: IntoIterator<Item = (Nano, Nano, AxisLimits)>,
        I::IntoIter: Clone,
    {
        let legs = legs.into_iter();
        let delta = |start: Nano, target: Nano| Nano(target.0.saturating_sub(start.0)).units();
        let square: f64 = legs
            .clone()
            .map(|(start, target, _)| delta(start, target))
            .map(|distance| distance * distance)
            .sum();
        let length = sqrt(square);
        let mut limits =
            Limits { velocity: velocity.units(), acceleration: f64::INFINITY, jerk: f64::INFINITY };
        let mut line = [Leg::default(); GROUP_AXES_MAX];
        for (leg, (start, target, of_axis)) in line.iter_mut().zip(legs) {
            let part = if length > 0.0 { delta(start, target) / length } else { 0.0 };
            *leg = Leg { start, target, part };
            limits = tightened(limits, of_axis, part.abs());
        }
        Self { legs: line, travel: Travel::new(length, limits) }
    }

    /// One period on, see [`Travel::advance`].
    pub fn advance(&mut self, period_ns: u64, speed_limit: Nano) {
        self.travel.advance(period_ns, speed_limit.units());
    }

    /// Comes to rest on the line.
    pub fn halt(&mut self) {
        self.travel.halt();
    }

    /// Where on the line it is.
    #[must_use]
    pub fn travel(&self) -> &Travel {
        &self.travel
    }

    /// The axis' positions are counted from elsewhere.
    pub fn shift(&mut self, leg: usize, by: Nano) {
        if let Some(leg) = self.legs.get_mut(leg) {
            leg.start.0 = leg.start.0.saturating_add(by.0);
            leg.target.0 = leg.target.0.saturating_add(by.0);
        }
    }

    /// Set-points of the axes in this cycle, in order; exactly the targets at the end.
    pub fn positions(&self) -> impl Iterator<Item = Nano> {
        let at_end = self.travel.is_at_end();
        let along = self.travel.state().position;
        self.legs.iter().map(move |leg| {
            if at_end {
                return leg.target;
            }
            let moved = Nano::from_units(leg.part * along).unwrap_or_default();
            Nano(leg.start.0.saturating_add(moved.0))
        })
    }
}

/// The path's limits with those of an axis that goes `part` (≥ 0) of its length.
fn tightened(limits: Limits, axis: AxisLimits, part: f64) -> Limits {
    // An axis that hardly moves limits nothing, but leaves every limit finite.
    let part = part.max(1e-9);
    Limits {
        velocity: limits.velocity.min(axis.velocity.units() / part),
        acceleration: limits.acceleration.min(axis.acceleration.units() / part),
        jerk: limits.jerk.min(axis.jerk.units() / part),
    }
}
