//! Where a person can be: from the moment of the picture on, in every direction, at his worst speed.

use super::reach::Reach;
use super::{MM, SeparationPlan, WIRE_ROUNDING};
use crate::vision::Object;
use twin_lite::Nano;

const NS_PER_S: i128 = 1_000_000_000;

/// A person, seen or not: how far from the part's reach, how near he may come without moving, how fast he is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threat {
    /// From the part's reach to where he was, rounded down.
    gap: i64,
    /// C + Zd + Zr, and the person himself.
    fixed: i64,
    /// per s, rounded up.
    speed: i64,
}

impl Threat {
    /// Somebody in the picture.
    #[must_use]
    // SR-061
    pub fn seen(plan: &SeparationPlan, object: &Object, reach: &Reach) -> Self {
        let mm = |value: i32| i64::from(value).saturating_mul(MM);
        let whole = |value: u32| i64::from(value).saturating_mul(MM);
        let square = |value: i32| i128::from(value) * i128::from(value);
        let measured = u128::try_from(square(object.vx) + square(object.vy)).unwrap_or(u128::MAX);
        // One more than the root rounded down is no less than the root.
        let measured = i64::try_from(measured.isqrt()).unwrap_or(i64::MAX).saturating_add(1);
        let standing = object.vx == 0 && object.vy == 0;
        let measured = if standing { 0 } else { measured.saturating_mul(MM) };
        Self {
            gap: reach.distance([mm(object.x), mm(object.y)]),
            fixed: fixed(plan)
                .saturating_add(whole(object.radius))
                .saturating_add(whole(object.uncertainty))
                .saturating_add(plan.person_uncertainty.0.max(0))
                .saturating_add(WIRE_ROUNDING),
            speed: measured.max(plan.person_speed.0),
        }
    }

    /// Somebody who stands just outside the watched area.
    #[must_use]
    // SR-062
    pub fn unseen(plan: &SeparationPlan, reach: &Reach) -> Self {
        Self {
            gap: reach.to_outside(&plan.watched),
            fixed: fixed(plan).saturating_add(plan.person_uncertainty.0.max(0)),
            speed: plan.person_speed.0.max(0),
        }
    }

    /// What is left after `time_ns`.
    #[must_use]
    pub fn margin(&self, time_ns: u64) -> Nano {
        let walked = i128::from(self.speed).saturating_mul(i128::from(time_ns));
        let walked = walked.saturating_add(NS_PER_S - 1) / NS_PER_S;
        let need = walked.saturating_add(i128::from(self.fixed));
        let left = i128::from(self.gap).saturating_sub(need);
        Nano(i64::try_from(left).unwrap_or(if left < 0 { i64::MIN } else { i64::MAX }))
    }
}

/// C + Zr.
fn fixed(plan: &SeparationPlan) -> i64 {
    plan.intrusion.0.max(0).saturating_add(plan.part_uncertainty.0.max(0))
}
