//! Friction with memory: elastic bristles that slip (LuGre), with the Stribeck curve as a rational
//! function.
//!
//! At rest it holds any torque up to breakaway with a small elastic give, so an axis sticks;
//! breaking loose costs more than sliding on, so a slow axis stutters. Source: Canudas de Wit et
//! al., "A new model for control of systems with friction", 1995; the bristle's differential
//! equation is solved by one implicit step, which is stable at any speed.

/// Friction of one inertia.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Friction {
    /// Sliding, N m, ≥ 0.
    pub coulomb_nm: f64,
    /// Breakaway, N m, ≥ `coulomb_nm`.
    pub static_nm: f64,
    /// Where the Stribeck curve has come half-way down, rad / s, above 0.
    pub stribeck_rad_per_s: f64,
    /// N m s / rad, ≥ 0.
    pub viscous_nms: f64,
}

/// How fast the inertia would swing on its bristles, rad / s.
const BRISTLE_RAD_PER_S: f64 = 600.0;
/// Damping of that swing.
const BRISTLE_DAMPING: f64 = 0.5;
/// Below this there is no friction, N m.
const LEAST_NM: f64 = 1e-9;

/// The bristles of one inertia, ready to calculate (viscous friction is the inertia's own, solved
/// implicitly).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bristles {
    coulomb: f64,
    excess: f64,
    /// 1 / Stribeck velocity².
    stribeck: f64,
    stiffness: f64,
    step: f64,
    stiffness_step: f64,
    /// Damping ÷ step.
    damping_rate: f64,
    /// Deflection, rad.
    deflection: f64,
}

impl Bristles {
    /// `inertia` kg m², `step` s.
    pub(crate) fn new(friction: &Friction, inertia: f64, step: f64) -> Self {
        let stiffness = inertia * BRISTLE_RAD_PER_S * BRISTLE_RAD_PER_S;
        let damping = 2.0 * BRISTLE_DAMPING * inertia * BRISTLE_RAD_PER_S;
        Self {
            coulomb: friction.coulomb_nm.max(LEAST_NM),
            excess: friction.static_nm - friction.coulomb_nm,
            stribeck: 1.0 / (friction.stribeck_rad_per_s * friction.stribeck_rad_per_s),
            stiffness,
            step,
            stiffness_step: stiffness * step,
            damping_rate: damping / step,
            deflection: 0.0,
        }
    }

    /// New parameters, the deflection stays.
    pub(crate) fn retuned(self, friction: &Friction, inertia: f64, step: f64) -> Self {
        Self { deflection: self.deflection, ..Self::new(friction, inertia, step) }
    }

    /// The torque against `velocity`, N m, one step on.
    #[inline]
    pub(crate) fn torque(&mut self, velocity: f64) -> f64 {
        // z' = (z + h v) / (1 + h σ |v| / g), g = Fc + (Fs − Fc) / (1 + (v / vs)²); one division
        // for both.
        let curve = 1.0 + velocity * velocity * self.stribeck;
        let slide = self.coulomb * curve + self.excess;
        let travel = self.deflection + self.step * velocity;
        let next = travel * slide / (slide + self.stiffness_step * velocity.abs() * curve);
        let rate = next - self.deflection;
        self.deflection = next;
        self.stiffness * next + self.damping_rate * rate
    }

    /// What the bristles store, J.
    pub(crate) fn energy(&self) -> f64 {
        0.5 * self.stiffness * self.deflection * self.deflection
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: f64 = 62.5e-6;

    fn friction() -> Friction {
        Friction { coulomb_nm: 0.1, static_nm: 0.15, stribeck_rad_per_s: 2.0, viscous_nms: 0.0 }
    }

    fn steady(velocity: f64) -> f64 {
        let mut bristles = Bristles::new(&friction(), 2e-4, STEP);
        let mut torque = 0.0;
        for _ in 0..400_000 {
            torque = bristles.torque(velocity);
        }
        torque
    }

    #[test]
    fn the_steady_curve_falls_from_breakaway_to_sliding() {
        assert!((steady(0.001) - 0.15).abs() < 1e-4);
        assert!((steady(2.0) - 0.125).abs() < 1e-6, "half-way at the Stribeck velocity");
        assert!((steady(300.0) - 0.1).abs() < 1e-4);
        assert!((steady(-300.0) + 0.1).abs() < 1e-4);
    }

    #[test]
    fn it_sticks_below_breakaway_and_slides_above() {
        // Given an inertia at rest under a constant torque.
        let travel = |torque: f64| {
            let mut bristles = Bristles::new(&friction(), 2e-4, STEP);
            let (mut position, mut velocity) = (0.0, 0.0);
            for step in 0..32_000 {
                // Put on over 1 s: a jolt would swing on the bristles and break them loose.
                let applied = torque * (f64::from(step) / 16_000.0).min(1.0);
                velocity += (applied - bristles.torque(velocity)) * (STEP / 2e-4);
                position += velocity * STEP;
            }
            position
        };
        // Then, after 2 s, it has given way elastically below breakaway and run away above.
        assert!(travel(0.14) < 0.01);
        assert!(travel(0.16) > 10.0);
    }

    #[test]
    fn it_takes_energy_at_any_speed() {
        for velocity in [0.01, 1.0, 50.0, 5_000.0, 1e5] {
            assert!(steady(velocity) * velocity > 0.0);
            assert!(steady(velocity).is_finite());
        }
    }
}
