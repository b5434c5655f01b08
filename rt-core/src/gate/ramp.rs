//! The closed-form stop: all axes of a group come to rest together, on a straight line.
//!
//! From velocities vᵢ (per cycle) the ramp takes N cycles, N = max |vᵢ| ÷ dᵢ rounded up. After n of them axis i is at
//! pᵢ + vᵢ·n − vᵢ·n·(n + 1) ÷ 2N: its velocity falls by vᵢ ÷ N ≤ dᵢ a cycle and all axes keep their ratio. The way is known in full
//! when the ramp begins; no later cycle decides anything. Deceleration outranks jerk.

use super::limits::Track;
use twin_lite::taped;

/// A ramp on its way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ramp {
    /// N, ≥ 1.
    cycles: i64,
    /// n, `0 ..= cycles`.
    elapsed: i64,
}

taped!(Ramp { cycles, elapsed });

impl Ramp {
    /// Over `cycles` cycles; `None` if there is nothing to stop.
    #[must_use]
    pub fn over(cycles: i64) -> Option<Self> {
        (cycles > 0).then_some(Self { cycles, elapsed: 0 })
    }

    /// One cycle on; `false` when it was over already.
    pub fn advance(&mut self) -> bool {
        let on = self.elapsed < self.cycles;
        self.elapsed += i64::from(on);
        on
    }

    /// The axes are at rest.
    #[must_use]
    // SR-021
    pub fn is_over(&self) -> bool {
        self.elapsed >= self.cycles
    }

    /// Where an axis is that was at `start` when the ramp began, rounded towards where it came from.
    #[must_use]
    // SR-020
    pub fn place(&self, start: &Track) -> i64 {
        let (n, cycles) = (i128::from(self.elapsed), i128::from(self.cycles));
        let way = i128::from(start.velocity) * n * (2 * cycles - n - 1) / (2 * cycles);
        start.position.saturating_add(i64::try_from(way).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::limits::ramp_distance;

    proptest::proptest! {
        #[test]
        fn it_slows_every_cycle_by_no_more_than_it_may_and_ends_where_it_said(
            velocity in -2_000_000_000_i64..2_000_000_000,
            deceleration in 1_000_000_i64..50_000_000,
        ) {
            let cycles = velocity.abs() / deceleration + i64::from(velocity.abs() % deceleration != 0);
            let start = Track { position: 77, velocity, acceleration: 0 };
            let Some(mut ramp) = Ramp::over(cycles) else { return Ok(()) };
            let mut track = start;
            while ramp.advance() {
                let next = track.to(ramp.place(&start));
                proptest::prop_assert!(next.acceleration.abs() <= deceleration + 2);
                proptest::prop_assert!(next.velocity.abs() <= track.velocity.abs() + 1);
                proptest::prop_assert!(next.velocity * velocity >= 0, "never backwards");
                track = next;
            }
            proptest::prop_assert!(track.velocity.abs() <= 1, "at rest: {track:?}");
            proptest::prop_assert_eq!(track.position, 77 + ramp_distance(velocity, cycles));
        }

        #[test]
        fn two_axes_stay_on_the_line_between_start_and_end(
            a in -1_000_000_000_i64..1_000_000_000,
            b in -1_000_000_000_i64..1_000_000_000,
            cycles in 1_i64..500,
        ) {
            let (start_a, start_b) =
                (Track { velocity: a, ..Track::default() }, Track { velocity: b, ..Track::default() });
            let mut ramp = Ramp::over(cycles).unwrap();
            while ramp.advance() {
                let (x, y) = (ramp.place(&start_a), ramp.place(&start_b));
                // x : y = a : b, to one nano-unit of either.
                let off = i128::from(x) * i128::from(b) - i128::from(y) * i128::from(a);
                proptest::prop_assert!(off.abs() <= i128::from(a.abs().max(b.abs())));
            }
        }
    }
}
