//! How warm motor and drive are, and when they will be too warm.
//!
//! Motor: two nodes, winding and housing, heated by copper loss; drive: I²t, one node. All are shares of what the rated torque makes of
//! them in the end, so that no temperature and no resistance need be known; `p = (τ ÷ T_rated)²`:
//!
//! ```text
//! d(w) = ((1 − s)·p + h − w) ÷ T_w      winding over ambient, 1 = rated
//! d(h) = (s·w_loss − h) ÷ T_h           housing over ambient; w_loss = (w − h) ÷ (1 − s): what the winding gives off
//! d(i) = (p − i) ÷ T_i                  drive
//! ```
//!
//! `s` is the housing's share of the winding's rise at rated torque. In the steady state at torque τ: `w = p`, `h = s·p`, `i = p`. Each
//! step is implicit (backward Euler), stable for any step. The time to a limit is found by doubling: the step matrix over 1, 2, 4, …
//! times [`BASE_S`], made once, applied from the longest down. Source: IEC 60034-1 duty types; two-body model of Mellor, Roberts, Turner,
//! "Lumped parameter thermal model for electrical machines", IEE Proc. B 138 (1991), reduced to two nodes.
//!
//! The load that predictions go on with is the mean of `p` over about `T_w`. What it was before the start nobody knows: it is taken to be
//! the load that may be borne for ever (rated, or the limit if that is lower), over `T_w ÷ 8`; then what is measured weighs as long as it lasts.
//!
//! Assumes: resistance does not grow with temperature, ambient is as at the rating, iron loss is small, losses follow the square of
//! torque. It does not see a blocked fan: a temperature sensor does.

use crate::taped;

/// Doublings of the prediction's step: 2¹⁶ · 0.25 s are 4.5 hours.
const DOUBLINGS: usize = 17;
/// Shortest step of a prediction, s.
pub const BASE_S: f64 = 0.25;
/// Torque beyond this many times rated is not believed.
const TORQUE_MAX: f64 = 20.0;
/// While nothing has been measured, the load is that which the axis may bear for ever; this share of the winding's time constant it weighs.
const UNMEASURED: f64 = 0.125;

/// What is known of motor and drive. Times above 0, s.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ThermalModel {
    /// Time constant of the winding against the housing.
    pub winding_s: f64,
    /// Time constant of the housing against ambient.
    pub housing_s: f64,
    /// The housing's share of the winding's rise at rated torque, 0 to 0.95.
    pub housing_share: f64,
    /// Time constant of the drive's I²t.
    pub drive_s: f64,
    /// Share of the rated rise that must not be reached, above 0: 1.2 is 20 % over it.
    pub limit: f64,
}

/// Shares of the rated rise. At rated torque all come to 1, the housing to its share.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Warmth {
    /// Winding.
    pub winding: f64,
    /// Housing.
    pub housing: f64,
    /// Drive.
    pub drive: f64,
}

type Matrix = [[f64; 2]; 2];

/// How warm one axis is.
#[derive(Clone, Copy, Debug)]
pub struct Thermal {
    model: ThermalModel,
    usable: bool,
    /// One doubling more each.
    ahead: [Matrix; DOUBLINGS],
    drive_ahead: [f64; DOUBLINGS],
    warmth: Warmth,
    /// Mean of the squared torque over about the winding's time constant: the load that predictions go on with.
    load: f64,
    /// So long it is the mean of, s; up to the winding's time constant.
    known_s: f64,
    refused: u32,
}

taped!(Warmth { winding, housing, drive });
taped!(Thermal { warmth, load, known_s, refused; model, usable, ahead, drive_ahead });

/// Step matrix over `step` s without load.
fn step_matrix(model: &ThermalModel, step: f64) -> Matrix {
    let (share, winding, housing) =
        (model.housing_share, step / model.winding_s, step / model.housing_s);
    // (1 + a)·w − a·h = w₀;  −k·w + (1 + k' )·h = h₀ with k = b·s ÷ (1 − s), k' = b + k.
    let give = housing * share / (1.0 - share);
    let (a, b, c, d) = (1.0 + winding, -winding, -give, 1.0 + housing + give);
    let determinant = a * d - b * c;
    [[d / determinant, -b / determinant], [-c / determinant, a / determinant]]
}

fn squared(m: &Matrix) -> Matrix {
    let [[a, b], [c, d]] = *m;
    [[a * a + b * c, a * b + b * d], [c * a + d * c, c * b + d * d]]
}

impl Thermal {
    /// Cold. A model that is not above 0 where it must be is never warm and never judged: [`Thermal::is_usable`].
    #[must_use]
    pub fn new(model: &ThermalModel) -> Self {
        let times = [model.winding_s, model.housing_s, model.drive_s, model.limit];
        let usable = times.iter().all(|value| value.is_finite() && *value > 0.0)
            && (0.0..=0.95).contains(&model.housing_share);
        let mut thermal = Self {
            model: *model,
            usable,
            ahead: [[[0.0; 2]; 2]; DOUBLINGS],
            drive_ahead: [0.0; DOUBLINGS],
            warmth: Warmth::default(),
            load: model.limit.min(1.0),
            known_s: UNMEASURED * model.winding_s,
            refused: 0,
        };
        let mut matrix = step_matrix(model, BASE_S);
        let mut drive = 1.0 / (1.0 + BASE_S / model.drive_s);
        for (place, drive_place) in thermal.ahead.iter_mut().zip(&mut thermal.drive_ahead) {
            (*place, *drive_place) = (matrix, drive);
            matrix = squared(&matrix);
            drive *= drive;
        }
        thermal
    }

    /// Its model can be calculated with.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.usable
    }

    /// `elapsed_s` have passed in which the mean of (τ ÷ T_rated)² was `square`. What is not finite or below 0 is refused and counted.
    pub fn update(&mut self, square: f64, elapsed_s: f64) {
        let sound = (0.0..=TORQUE_MAX * TORQUE_MAX).contains(&square);
        if !self.usable || !sound || !(0.0..=1e6).contains(&elapsed_s) {
            self.refused = self.refused.saturating_add(1);
            return;
        }
        let m = step_matrix(&self.model, elapsed_s);
        let Warmth { winding, housing, drive } = self.warmth;
        let rest = [square, self.model.housing_share * square];
        let [w, h] = towards(&m, [winding, housing], rest);
        let drive_step = 1.0 / (1.0 + elapsed_s / self.model.drive_s);
        self.warmth = Warmth {
            winding: flushed(w),
            housing: flushed(h),
            drive: flushed(square + (drive - square) * drive_step),
        };
        // SR-100
        let load_step = 1.0 / (1.0 + elapsed_s / self.known_s);
        self.load = flushed(square + (self.load - square) * load_step);
        self.known_s = (self.known_s + elapsed_s).min(self.model.winding_s);
    }

    /// Where it stands.
    #[must_use]
    pub fn warmth(&self) -> Warmth {
        self.warmth
    }

    /// The mean squared torque that predictions go on with.
    #[must_use]
    pub fn load(&self) -> f64 {
        self.load
    }

    /// Warmth of the winding or the drive, whichever is warmer, in shares of the limit: at 1 it is reached.
    #[must_use]
    pub fn share(&self) -> f64 {
        self.warmth.winding.max(self.warmth.drive) / self.model.limit
    }

    /// Times that an update was refused.
    #[must_use]
    pub fn refused(&self) -> u32 {
        self.refused
    }

    /// The share of the limit after `seconds` (in whole steps of [`BASE_S`]) with this load.
    #[must_use]
    pub fn share_after(&self, seconds: u32, square: f64) -> f64 {
        let mut steps = seconds.saturating_mul(4);
        let mut state = self.state();
        for (matrix, drive) in self.ahead.iter().zip(self.drive_ahead) {
            if steps & 1 == 1 {
                state = self.moved(state, matrix, drive, square);
            }
            steps >>= 1;
        }
        worst(&state) / self.model.limit
    }

    /// From now until the limit is reached with this load, s, rounded down to [`BASE_S`]; `None`: not within hours.
    #[must_use]
    pub fn time_to_limit(&self, square: f64) -> Option<f64> {
        if !self.usable || !square.is_finite() {
            return None;
        }
        let mut state = self.state();
        if worst(&state) >= self.model.limit {
            return Some(0.0);
        }
        let (mut time, mut step) = (0.0, BASE_S * 65_536.0);
        // The longest steps that stay below the limit, from the longest down.
        for (matrix, drive) in self.ahead.iter().zip(self.drive_ahead).rev() {
            let next = self.moved(state, matrix, drive, square);
            if worst(&next) < self.model.limit {
                state = next;
                time += step;
            }
            step *= 0.5;
        }
        // All steps taken: 2¹⁷ − 1 of them.
        (time < BASE_S * 131_070.5).then_some(time)
    }

    fn state(&self) -> [f64; 3] {
        [self.warmth.winding, self.warmth.housing, self.warmth.drive]
    }

    fn moved(&self, [w, h, i]: [f64; 3], m: &Matrix, drive: f64, square: f64) -> [f64; 3] {
        let [w, h] = towards(m, [w, h], [square, self.model.housing_share * square]);
        [w, h, square + (i - square) * drive]
    }
}

fn worst([winding, _, drive]: &[f64; 3]) -> f64 {
    winding.max(*drive)
}

/// From `state` towards `rest`.
fn towards(m: &Matrix, state: [f64; 2], rest: [f64; 2]) -> [f64; 2] {
    let [[a, b], [c, d]] = *m;
    let ([w, h], [rest_w, rest_h]) = (state, rest);
    let (dw, dh) = (w - rest_w, h - rest_h);
    [rest_w + a * dw + b * dh, rest_h + c * dw + d * dh]
}

/// What has cooled to nothing is nothing: no subnormal is carried through the years.
fn flushed(value: f64) -> f64 {
    if value < 1e-12 { 0.0 } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODEL: ThermalModel = ThermalModel {
        winding_s: 60.0,
        housing_s: 1800.0,
        housing_share: 0.6,
        drive_s: 10.0,
        limit: 1.2,
    };

    fn after(seconds: u32, square: f64) -> Thermal {
        let mut thermal = Thermal::new(&MODEL);
        for _ in 0..seconds * 4 {
            thermal.update(square, 0.25);
        }
        thermal
    }

    #[test]
    fn at_rated_torque_everything_comes_to_its_rated_rise() {
        let Warmth { winding, housing, drive } = after(100_000, 1.0).warmth();
        assert!(
            (winding - 1.0).abs() < 1e-6 && (housing - 0.6).abs() < 1e-6,
            "{winding} {housing}"
        );
        assert!((drive - 1.0).abs() < 1e-9);
        assert_eq!(after(100_000, 1.0).time_to_limit(1.0), None, "it may go on for ever");
    }

    #[test]
    fn the_winding_is_quick_and_the_housing_slow() {
        let warm = after(60, 1.0).warmth();
        // Of its own 0.4 over the housing, 1 − 1/e after a time constant.
        assert!((warm.winding - warm.housing - 0.4 * 0.632).abs() < 0.03, "{warm:?}");
        assert!(warm.housing < 0.03 && warm.drive > 0.99, "{warm:?}");
    }

    #[test]
    fn the_time_that_is_predicted_is_the_time_that_it_takes() {
        for square in [1.5, 2.0, 4.0, 9.0] {
            let mut thermal = after(30, 0.5);
            let predicted = thermal.time_to_limit(square).expect("it gets too warm");
            let after_it = thermal.share_after(math_u32(predicted), square);
            let mut taken = 0.0;
            while thermal.share() < 1.0 {
                thermal.update(square, 0.25);
                taken += 0.25;
            }
            assert!((taken - predicted - 0.25).abs() < 0.3, "{predicted} s, it took {taken} s");
            assert!(after_it <= 1.0 && (after_it > 0.9 || predicted < 10.0), "{after_it}");
        }
    }

    #[test]
    // SR-100
    fn the_load_is_what_may_be_borne_until_it_is_measured_and_then_what_was_measured() {
        let cold = Thermal::new(&MODEL);
        assert_eq!((cold.load(), cold.time_to_limit(cold.load())), (1.0, None));
        let weak = Thermal::new(&ThermalModel { limit: 0.5, ..MODEL });
        assert!(weak.load() == 0.5 && weak.time_to_limit(0.5).is_none_or(|time| time > 300.0));
        for square in [0.1, 3.0, 9.0] {
            // A quarter of the time constant: twice as long as nothing was measured.
            let load = after(15, square).load();
            assert!(
                (load - (square * 15.0 + 7.5) / 22.5).abs() < 0.02 * square,
                "{square}: {load}"
            );
            let later = after(300, square).load();
            assert!((later / square - 1.0).abs() < 0.03, "{square}: {later}");
        }
    }

    #[test]
    // SR-100
    fn the_first_prediction_of_an_overload_comes_in_time() {
        for square in [1.5, 2.0, 4.0, 9.0] {
            let mut thermal = Thermal::new(&MODEL);
            let (mut seconds, mut told) = (0.0, None);
            while thermal.share() < 1.0 {
                thermal.update(square, 0.25);
                seconds += 0.25;
                let soon = thermal.time_to_limit(thermal.load()).is_some_and(|time| time < 120.0);
                told = told.or(soon.then_some(seconds));
            }
            let told = told.expect("it was foreseen");
            // Two minutes ahead, or within a third of the time that it takes.
            assert!(
                told * 3.0 <= seconds || seconds - told >= 110.0,
                "{square}: {told} of {seconds}"
            );
        }
    }

    fn math_u32(value: f64) -> u32 {
        crate::math::nearest(value - 0.5)
    }

    #[test]
    fn any_step_is_stable_and_ends_in_the_same_place() {
        for step in [1e-3, 1.0, 1e3, 1e6] {
            let mut thermal = Thermal::new(&MODEL);
            for _ in 0..200_000 {
                thermal.update(2.0, step);
                assert!(thermal.warmth().winding <= 2.0 + 1e-9);
            }
        }
        let mut thermal = after(1000, 3.0);
        for _ in 0..1000 {
            thermal.update(0.0, 1e6);
        }
        assert_eq!(thermal.warmth(), Warmth::default(), "no subnormal stays");
    }

    #[test]
    fn what_is_no_number_is_refused_and_counted() {
        let mut thermal = after(10, 1.0);
        let before = thermal.warmth();
        for bad in [f64::NAN, f64::INFINITY, -1.0, 1e9] {
            thermal.update(bad, 0.25);
            thermal.update(1.0, if bad < 1e9 { bad } else { f64::NAN });
        }
        assert_eq!((thermal.warmth(), thermal.refused()), (before, 8));
        let broken = Thermal::new(&ThermalModel { winding_s: 0.0, ..MODEL });
        assert!(!broken.is_usable() && broken.time_to_limit(9.0).is_none());
    }
}
