//! Whether what a drive says of itself can be: encoder and torque, judged every cycle.
//!
//! | finding | when |
//! | --- | --- |
//! | flat line | the position has not changed by a count while the set-points went on by [`FLAT_COUNTS`] counts and [`FLAT_SAMPLES`] samples |
//! | range | the torque is above [`TORQUE_OVER`] of the peak that the motor has |
//! | rate | a position moved faster than [`RATE_OVER`] times the velocity limit |
//! | age | no new sample for [`AGE_PERIODS`] periods |
//! | jump | one innovation above [`JUMP`] standard deviations: no torque that the motor has explains it |
//! | disagreement | the mean square of the innovations is above [`DISAGREES`] of their variance: encoder and model diverge |
//!
//! Each outlives its cause by [`HOLD`] samples, so that people and recordings see it.

use crate::taped;

/// Counts that set-points may go on while the position stands still.
pub const FLAT_COUNTS: f64 = 200.0;
/// And by what the axis does in this time at its velocity limit, s: what creeps into its target stands before its set-point does.
pub const FLAT_S: f64 = 2e-4;
/// Samples that it may: at the begin of a move friction holds an axis for some of them.
pub const FLAT_SAMPLES: u16 = 20;
/// Of peak torque.
pub const TORQUE_OVER: f64 = 1.25;
/// Of the velocity limit.
pub const RATE_OVER: f64 = 2.0;
/// Periods without a new sample.
pub const AGE_PERIODS: u64 = 10;
/// Standard deviations.
pub const JUMP: f64 = 4.0;
/// Of the variance.
pub const DISAGREES: f64 = 4.0;
/// Samples that a finding outlives its cause.
pub const HOLD: u16 = 1000;
/// Part of a new square in the mean: about 64 samples.
const STEP: f64 = 1.0 / 64.0;

/// What can be wrong with a sensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum SensorFault {
    /// The position does not change.
    FlatLine = 0,
    /// A torque that the motor does not have.
    Range,
    /// A position that moves too fast.
    Rate,
    /// No new sample.
    Age,
    /// A step that no torque explains.
    Jump,
    /// Encoder and model diverge.
    Disagreement,
}

impl SensorFault {
    /// All.
    pub const ALL: [Self; 6] =
        [Self::FlatLine, Self::Range, Self::Rate, Self::Age, Self::Jump, Self::Disagreement];

    fn bit(self) -> u8 {
        match self {
            Self::FlatLine => 1,
            Self::Range => 2,
            Self::Rate => 4,
            Self::Age => 8,
            Self::Jump => 16,
            Self::Disagreement => 32,
        }
    }
}

/// Several of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SensorFaults {
    /// Bit by bit in the order of [`SensorFault::ALL`].
    pub bits: u8,
}

taped!(SensorFaults { bits });

impl SensorFaults {
    /// None.
    pub const NONE: Self = Self { bits: 0 };

    /// It is among them.
    #[must_use]
    pub fn has(self, fault: SensorFault) -> bool {
        self.bits & fault.bit() != 0
    }

    fn put(&mut self, fault: SensorFault, there: bool) {
        if there {
            self.bits |= fault.bit();
        }
    }
}

/// What is known of the sensors, fixed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SensorPlan {
    /// One encoder count, axis units, above 0.
    pub count: f64,
    /// Velocity limit, axis units / s, above 0.
    pub velocity: f64,
    /// Peak torque, ‰ of rated, above 0.
    pub peak_permille: f64,
    /// Nominal time between two samples, s.
    pub period: f64,
}

/// One cycle of an axis' sensors.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sensed {
    /// Axis units; shifts of the origin taken out.
    pub moved: f64,
    /// Set-points moved by, axis units.
    pub commanded: f64,
    /// From the last good sample to this one, ns; 0: no new one.
    pub elapsed_ns: u64,
    /// ‰ of rated.
    pub torque_permille: i16,
    /// Innovation in standard deviations, of a regular sample.
    pub surprise: Option<f64>,
}

/// The sensors of one axis.
#[derive(Clone, Copy, Debug)]
pub struct Sensors {
    plan: SensorPlan,
    flat: f64,
    flat_samples: u16,
    missing: u16,
    mean_square: f64,
    found: SensorFaults,
    hold: u16,
    jumps: u32,
}

taped!(Sensors { flat, flat_samples, missing, mean_square, found, hold, jumps; plan });

impl Sensors {
    /// Sound until something else is seen.
    #[must_use]
    pub fn new(plan: SensorPlan) -> Self {
        Self {
            plan,
            flat: 0.0,
            flat_samples: 0,
            missing: 0,
            mean_square: 0.0,
            found: SensorFaults::NONE,
            hold: 0,
            jumps: 0,
        }
    }

    /// One cycle. Returns what is wrong now or was a moment ago.
    pub fn update(&mut self, sensed: &Sensed) -> SensorFaults {
        let mut now = SensorFaults::NONE;
        let torque = f64::from(sensed.torque_permille).abs();
        now.put(SensorFault::Range, torque > TORQUE_OVER * self.plan.peak_permille);
        if sensed.elapsed_ns == 0 {
            self.missing = self.missing.saturating_add(1);
            now.put(SensorFault::Age, u64::from(self.missing) >= AGE_PERIODS);
        } else {
            self.missing = 0;
            self.sample(sensed, &mut now);
        }
        if now == SensorFaults::NONE {
            self.hold = self.hold.saturating_sub(1);
            if self.hold == 0 {
                self.found = SensorFaults::NONE;
            }
        } else {
            self.found.bits |= now.bits;
            self.hold = HOLD;
        }
        self.found
    }

    fn sample(&mut self, sensed: &Sensed, now: &mut SensorFaults) {
        if sensed.moved.abs() < 0.5 * self.plan.count {
            self.flat += sensed.commanded.abs();
            self.flat_samples = self.flat_samples.saturating_add(1);
        } else {
            (self.flat, self.flat_samples) = (0.0, 0);
        }
        let flat = self.flat > (FLAT_COUNTS * self.plan.count).max(FLAT_S * self.plan.velocity)
            && self.flat_samples >= FLAT_SAMPLES;
        now.put(SensorFault::FlatLine, flat);
        let elapsed = crate::math::seconds(sensed.elapsed_ns).max(0.5 * self.plan.period);
        let fastest = RATE_OVER * self.plan.velocity * elapsed;
        now.put(SensorFault::Rate, sensed.moved.abs() > fastest.max(2.0 * self.plan.count));
        if let Some(surprise) = sensed.surprise {
            let square = (surprise * surprise).min(1e6);
            self.mean_square += (square - self.mean_square) * STEP;
            let jumped = surprise.abs() > JUMP;
            self.jumps = self.jumps.saturating_add(u32::from(jumped));
            now.put(SensorFault::Jump, jumped);
            now.put(SensorFault::Disagreement, self.mean_square > DISAGREES);
        }
    }

    /// What is wrong now or was a moment ago.
    #[must_use]
    pub fn faults(&self) -> SensorFaults {
        self.found
    }

    /// Jumps since the start.
    #[must_use]
    pub fn jumps(&self) -> u32 {
        self.jumps
    }

    /// Mean square of the innovations in their variance: about 1 or below while model and encoder agree.
    #[must_use]
    pub fn mean_square(&self) -> f64 {
        self.mean_square
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: SensorPlan =
        SensorPlan { count: 1e-5, velocity: 1000.0, peak_permille: 3000.0, period: 1e-3 };
    const GOOD: Sensed = Sensed {
        moved: 0.1,
        commanded: 0.1,
        elapsed_ns: 1_000_000,
        torque_permille: 200,
        surprise: Some(0.5),
    };

    fn found(bad: Sensed, cycles: u32) -> SensorFaults {
        let mut sensors = Sensors::new(PLAN);
        for _ in 0..100 {
            assert_eq!(sensors.update(&GOOD), SensorFaults::NONE);
        }
        (0..cycles).map(|_| sensors.update(&bad)).last().unwrap()
    }

    #[test]
    fn each_fault_is_found_by_its_own_name_and_not_a_cycle_before() {
        use SensorFault as F;
        let jump = Sensed { surprise: Some(4.1), ..GOOD };
        let cases = [
            (Sensed { moved: 0.0, ..GOOD }, u32::from(FLAT_SAMPLES), F::FlatLine),
            (Sensed { torque_permille: -3751, ..GOOD }, 1, F::Range),
            (Sensed { moved: 2.01, ..GOOD }, 1, F::Rate),
            (Sensed { elapsed_ns: 0, ..GOOD }, 10, F::Age),
            (jump, 1, F::Jump),
            (Sensed { surprise: Some(3.9), ..GOOD }, 19, F::Disagreement),
        ];
        for (bad, cycles, fault) in cases {
            let wrong = found(bad, cycles);
            assert!(wrong.has(fault), "{fault:?}: {wrong:?}");
            assert_eq!(wrong.bits.count_ones(), 1, "{fault:?} and nothing else: {wrong:?}");
            if cycles > 1 {
                assert!(!found(bad, cycles - 1).has(fault), "{fault:?}");
            }
        }
    }

    #[test]
    fn an_axis_that_stands_or_creeps_by_less_than_a_count_is_no_flat_line() {
        let still = Sensed { moved: 0.0, commanded: 0.0, ..GOOD };
        assert_eq!(found(still, 100_000), SensorFaults::NONE);
    }

    #[test]
    fn a_finding_outlives_its_cause_and_then_goes() {
        let mut sensors = Sensors::new(PLAN);
        sensors.update(&Sensed { torque_permille: 4000, ..GOOD });
        for _ in 1..HOLD {
            assert!(sensors.update(&GOOD).has(SensorFault::Range));
        }
        assert_eq!(sensors.update(&GOOD), SensorFaults::NONE);
    }
}
