//! Motion of one axis at a velocity: conveyors, homing, jogging.

use super::profile::{Limits, Profile, State};
use crate::plan::AxisLimits;
use twin_lite::Nano;
use twin_lite::math::seconds;
use twin_lite::taped;

/// Motion of one axis at a velocity.
#[derive(Clone, Copy, Debug, Default)]
pub struct Turn {
    limits: Limits,
    target: Nano,
    profile: Profile,
    elapsed_ns: u64,
    /// Position where the profile's 0 is; once the velocity is held, the set-point itself.
    base: Nano,
    /// While the velocity is held: nano-units a cycle, and what is lost by rounding, in 10⁻⁹ of them.
    held: Option<Held>,
}

/// A velocity that is held moves by whole nano-units a cycle and carries the rest: an endless axis never drifts.
#[derive(Clone, Copy, Debug, Default)]
struct Held {
    step: i64,
    rest: i64,
    carried: i64,
}

taped!(Turn { limits, target, profile, elapsed_ns, base, held });
taped!(Held { step, rest, carried });

const SECOND_NS: i64 = 1_000_000_000;

impl Turn {
    /// At rest at `position`.
    #[must_use]
    pub fn new(position: Nano, limits: AxisLimits) -> Self {
        let limits = Limits {
            velocity: limits.velocity.units(),
            acceleration: limits.acceleration.units(),
            jerk: limits.jerk.units(),
        };
        Self {
            limits,
            target: Nano::ZERO,
            profile: Profile::resting(0.0),
            elapsed_ns: 0,
            base: position,
            held: None,
        }
    }

    /// One period on, towards `target` (per s, signed).
    pub fn advance(&mut self, period_ns: u64, target: Nano) -> Nano {
        if target != self.target {
            self.aim(target);
        }
        if self.held.is_none() {
            self.elapsed_ns = self.elapsed_ns.saturating_add(period_ns);
            if seconds(self.elapsed_ns) < self.profile.duration() {
                return self.position();
            }
            // From here on the velocity is held, in integers.
            self.base = self.position();
            self.held = Some(Held::new(self.target, period_ns));
            return self.base;
        }
        if let Some(held) = &mut self.held {
            self.base.0 = self.base.0.saturating_add(held.next());
        }
        self.base
    }

    fn aim(&mut self, target: Nano) {
        let start = if self.held.is_some() {
            State { velocity: self.target.units(), ..State::default() }
        } else {
            // Part of a nano-unit stays with the profile, so that the set-point does not jump by it.
            let state = self.profile.at(seconds(self.elapsed_ns));
            let whole = Nano::from_units(state.position).unwrap_or_default();
            State { position: state.position - whole.units(), ..state }
        };
        self.base = self.position();
        self.profile = Profile::velocity(start, target.units(), self.limits);
        self.elapsed_ns = 0;
        self.held = None;
        self.target = target;
    }

    /// The set-point of this cycle.
    #[must_use]
    pub fn position(&self) -> Nano {
        if self.held.is_some() {
            return self.base;
        }
        let moved = self.profile.at(seconds(self.elapsed_ns)).position;
        let moved = Nano::from_units(moved).unwrap_or_default();
        Nano(self.base.0.saturating_add(moved.0))
    }

    /// The velocity asked for is reached.
    #[must_use]
    pub fn is_steady(&self) -> bool {
        self.held.is_some()
    }

    /// It has come to rest and shall stay there.
    #[must_use]
    pub fn is_resting(&self) -> bool {
        self.is_steady() && self.target == Nano::ZERO
    }

    /// The axis' positions are counted from elsewhere.
    pub fn shift(&mut self, by: Nano) {
        self.base.0 = self.base.0.saturating_add(by.0);
    }
}

impl Held {
    fn new(velocity: Nano, period_ns: u64) -> Self {
        let period = i128::from(period_ns);
        let product = i128::from(velocity.0) * period;
        let second = i128::from(SECOND_NS);
        Self {
            step: i64::try_from(product / second).unwrap_or(0),
            rest: i64::try_from(product % second).unwrap_or(0),
            carried: 0,
        }
    }

    fn next(&mut self) -> i64 {
        self.carried += self.rest;
        let whole = self.carried / SECOND_NS;
        self.carried -= whole * SECOND_NS;
        self.step.saturating_add(whole)
    }
}
