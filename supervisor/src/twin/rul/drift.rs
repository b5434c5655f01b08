//! How long until a health indicator reaches its limit: a Wiener process with drift, seen through noise, and a Weibull prior of life.
//!
//! The indicator `r` is 1 as new and fails at `limit`. Two shapes are weighed by their likelihood: `u = r − 1` (linear) and `u = ln r`
//! (exponential), both with
//!
//! ```text
//! u(t) = x₀ + μ·t + σ·B(t)        seen: yᵢ = u(tᵢ) + εᵢ,  ε ~ N(0, ρ²)
//! life = D ÷ μ ~ Weibull(shape, scale)                     D = u at the limit: the prior of μ
//! ```
//!
//! For each σ, ρ of a grid a Kalman filter gives level, its variance and the likelihood, a parabola in μ; so the posterior of (shape, μ, σ, ρ) is a sum
//! over a grid, and the time left is a mixture of inverse Gaussian distributions (first passages). The same points give the same bits
//! on the same machine; nothing is drawn. Source: Si, Wang, Hu, Zhou, "Remaining useful life estimation – A review on the statistical data
//! driven approaches", EJOR 213 (2011); Whitmore, Schenkelberg, Lifetime Data Analysis 3 (1997).

use serde::{Deserialize, Serialize};

use super::normal::passed;
use crate::what_if::float;

/// Points before anything is said.
pub const POINTS_MIN: usize = 8;
/// Twice the logarithm of how much likelier a trend is than none: below it, there is none (1 % by chance).
const TREND_MIN: f64 = 5.4;
/// A point that is so many deviations from what the points before it say does not belong to their trend.
const OUT_OF_LINE: f64 = 6.0;
/// Deviation of the level at the first point: what baselines are wrong by.
const START: f64 = 0.05;
/// Steps of the grid over the drift.
const DRIFTS: u32 = 21;
/// Noise and wander, as shares of what the points show.
const NOISES: [f64; 6] = [0.35, 0.5, 0.7, 1.0, 1.4, 2.0];
const WANDERS: [f64; 8] = [0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0];
/// Quantiles are this much further from the median, on a logarithmic scale, than the mixture says. Tuned on seeds that are not those of
/// docs/twin.md: real wear is neither linear nor exponential.
const WIDER: f64 = 1.13;

/// The indicator at one time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Hours since the baseline began, rising.
    pub hours: f64,
    /// 1: as new.
    pub value: f64,
}

/// What is known before anything is seen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Prior {
    /// Shape of the Weibull distribution of life: 1, failures by chance; 2 to 4, wear.
    pub shape: f64,
    /// Scale of it, hours: 63 % fail before it.
    pub life_hours: f64,
    /// The indicator at which it has failed, above 1.
    pub limit: f64,
}

/// Time that is left, hours.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Left {
    /// One of ten fails before it.
    pub p10: f64,
    /// Half fail before it.
    pub p50: f64,
    /// Nine of ten fail before it.
    pub p90: f64,
    /// How likely the trend is exponential rather than linear, 0 to 1.
    pub exponential: f64,
    /// The indicator now, as the filter sees it.
    pub level: f64,
}

/// Why nothing is said.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "why")]
pub enum NotEnough {
    /// Too few points.
    Points {
        /// So many there are.
        found: usize,
        /// So many there must be.
        needed: usize,
    },
    /// The indicator does not rise more than noise does.
    NoTrend,
    /// A point lies outside of what the model can explain: a repair, another part, another sensor.
    DoesNotFit {
        /// Hours at that point.
        hours: f64,
    },
    /// Most of the work was done in conditions of which there is no baseline.
    ConditionNotSeen {
        /// Share of the work that was, 0 to 1.
        seen: f64,
    },
    /// There is no baseline: the axis did not move steadily when it was new.
    NoBaseline,
}

/// What is said of one indicator.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum Outlook {
    /// An interval.
    Left(Left),
    /// The limit is reached.
    Reached {
        /// The indicator now.
        level: f64,
    },
    /// Not enough data.
    NotEnoughData(NotEnough),
}

/// One filter of the grid: sums of the parabola in the drift, and where the level is.
#[derive(Clone, Copy, Debug)]
struct Filtered {
    /// Log likelihood without drift.
    still: f64,
    drift: f64,
    /// Of the drift.
    deviation: f64,
    /// Level without the part of the drift, and what the drift has in it.
    level: (f64, f64),
    variance: f64,
    worst: (f64, f64),
}

impl Filtered {
    fn at_best(&self) -> f64 {
        self.still + 0.5 * (self.drift / self.deviation) * (self.drift / self.deviation)
    }
}

/// `points`: (time, u). Random walk of variance `wander` per time, seen with variance `noise`.
fn filter(points: &[(f64, f64)], wander: f64, noise: f64) -> Option<Filtered> {
    let (mut seen, mut time_part, mut variance) = (0.0, 0.0, START * START);
    let (mut squares, mut mixed, mut own, mut logs) = (0.0, 0.0, 0.0, 0.0);
    let mut before = points.first()?.0;
    let mut errors = Vec::with_capacity(points.len());
    for (time, value) in points {
        variance += wander * (time - before).max(0.0);
        before = *time;
        let total = variance + noise;
        let (error, lag) = (value - seen, time - time_part);
        squares += lag * lag / total;
        mixed += lag * error / total;
        own += error * error / total;
        logs += total.ln();
        let gain = variance / total;
        seen += gain * error;
        time_part += gain * lag;
        variance *= 1.0 - gain;
        errors.push((*time, error, lag, total));
    }
    let drift = mixed / squares;
    let worst = errors.iter().map(|(time, error, lag, total)| {
        let off = (error - drift * lag).abs() / total.sqrt();
        (*time, off)
    });
    let worst = worst.max_by(|a, b| a.1.total_cmp(&b.1))?;
    let deviation = 1.0 / squares.sqrt();
    let still = -0.5 * (logs + own);
    let level = (seen, time_part);
    (drift.is_finite() && deviation.is_finite() && still.is_finite()).then_some(Filtered {
        still,
        drift,
        deviation,
        level,
        variance,
        worst,
    })
}

/// A shape of the trend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Linear,
    Exponential,
}

impl Shape {
    fn of(self, value: f64) -> f64 {
        match self {
            Self::Linear => value - 1.0,
            Self::Exponential => value.max(1e-3).ln(),
        }
    }

    fn back(self, u: f64) -> f64 {
        match self {
            Self::Linear => u + 1.0,
            Self::Exponential => u.exp(),
        }
    }

    /// ln of du ÷ dr, so that likelihoods of both shapes are of the same data.
    fn stretch(self, points: &[Point]) -> f64 {
        match self {
            Self::Linear => 0.0,
            Self::Exponential => points.iter().map(|point| -point.value.max(1e-3).ln()).sum(),
        }
    }
}

/// Variance of the noise as differences of neighbours show it, and of the whole around a straight line.
fn spreads(points: &[(f64, f64)]) -> (f64, f64) {
    let mut bends: Vec<f64> = points
        .windows(3)
        .filter_map(|three| {
            let [(a, x), (b, y), (c, z)] = three else { return None };
            let part = (b - a) / (c - a);
            let bend = y - (x + (z - x) * part);
            Some(bend * bend / (1.0 + part * part + (1.0 - part) * (1.0 - part)))
        })
        .filter(|bend| bend.is_finite())
        .collect();
    bends.sort_by(f64::total_cmp);
    // The median of squares of a normal distribution is 0.455 of its variance.
    let noise = bends.get(bends.len() / 2).copied().unwrap_or(0.0) / 0.455;
    let count = float(u64::try_from(points.len()).unwrap_or(u64::MAX)).max(1.0);
    let mean = |of: &dyn Fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (time, value) = (mean(&|point| point.0), mean(&|point| point.1));
    let spread = mean(&|point| (point.0 - time) * (point.0 - time)).max(1e-12);
    let slope = mean(&|point| (point.0 - time) * (point.1 - value)) / spread;
    let off = |point: &(f64, f64)| point.1 - value - slope * (point.0 - time);
    let around = mean(&|point| off(point) * off(point));
    (noise.max(1e-8), around.max(1e-8))
}

/// ln of the prior of a drift, time in units of `unit_hours`.
fn prior_of(drift: f64, distance: f64, prior: &Prior, unit_hours: f64) -> f64 {
    let scale = prior.life_hours / unit_hours;
    let part = distance / drift / scale;
    (prior.shape / scale).ln() + (prior.shape - 1.0) * part.ln() - part.powf(prior.shape)
        + (distance / (drift * drift)).ln()
}

/// A way on: how likely, how far, how fast, how much it wanders.
#[derive(Clone, Copy, Debug)]
struct Way {
    weight: f64,
    distance: f64,
    drift: f64,
    wander: f64,
    exponential: bool,
    level: f64,
}

/// The ways on of one shape, weights as logarithms. `unit`: hours of the last point.
fn ways(shape: Shape, points: &[Point], prior: &Prior, unit: f64) -> (Vec<Filtered>, Vec<Way>) {
    let scaled: Vec<(f64, f64)> =
        points.iter().map(|point| (point.hours / unit, shape.of(point.value))).collect();
    let (noise, around) = spreads(&scaled);
    let (far, stretch) = (shape.of(prior.limit), shape.stretch(points));
    let (mut filtered, mut ways) = (Vec::new(), Vec::new());
    for wander in WANDERS.map(|share| share * around) {
        for noise in NOISES.map(|share| share * share * noise) {
            let Some(one) = filter(&scaled, wander, noise) else { continue };
            filtered.push(one);
            let low = (one.drift - 5.0 * one.deviation).max(1e-4 * far);
            let high = one.drift + 5.0 * one.deviation;
            if high <= low {
                continue;
            }
            let step = (high - low) / f64::from(DRIFTS - 1);
            for drift in (0..DRIFTS).map(|n| low + step * f64::from(n)) {
                let off = (drift - one.drift) / one.deviation;
                let likelihood = one.at_best() - 0.5 * off * off + stretch;
                let level = one.level.0 + drift * (1.0 - one.level.1);
                // Where it is now is uncertain too: three places that have the mean and the variance of it.
                let side = (3.0 * one.variance).sqrt();
                for (place, share) in [(-side, 1.0 / 6.0), (0.0, 2.0 / 3.0), (side, 1.0 / 6.0)] {
                    ways.push(Way {
                        weight: likelihood
                            + prior_of(drift, far, prior, unit)
                            + f64::ln(share * step),
                        distance: far - level - place,
                        drift,
                        wander,
                        exponential: shape == Shape::Exponential,
                        level: shape.back(level),
                    });
                }
            }
        }
    }
    (filtered, ways)
}

/// Time at which a part `share` of the ways has arrived.
fn quantile(ways: &[Way], share: f64) -> f64 {
    let arrived = |time: f64| -> f64 {
        ways.iter().map(|w| w.weight * passed(time, w.distance, w.drift, w.wander)).sum()
    };
    let (mut low, mut high) = (-14.0_f64, 14.0_f64);
    for _ in 0..44 {
        let middle = 0.5 * (low + high);
        if arrived(middle.exp()) < share {
            low = middle;
        } else {
            high = middle;
        }
    }
    high.exp()
}

/// What the points say.
#[must_use]
pub fn outlook(points: &[Point], prior: &Prior) -> Outlook {
    use NotEnough::{DoesNotFit, NoTrend, Points};
    let sound = |point: &&Point| point.hours.is_finite() && point.value.is_finite();
    let points: Vec<Point> = points.iter().filter(sound).copied().collect();
    let unit = points.last().map_or(0.0, |point| point.hours);
    if points.len() < POINTS_MIN || unit <= 0.0 {
        return Outlook::NotEnoughData(Points { found: points.len(), needed: POINTS_MIN });
    }
    let (linear, mut all) = ways(Shape::Linear, &points, prior, unit);
    let best = linear.iter().copied().max_by(|a, b| a.at_best().total_cmp(&b.at_best()));
    let Some(best) = best else { return Outlook::NotEnoughData(NoTrend) };
    if best.worst.1 > OUT_OF_LINE {
        return Outlook::NotEnoughData(DoesNotFit { hours: best.worst.0 * unit });
    }
    let level = 1.0 + best.level.0 + best.drift * (1.0 - best.level.1);
    if level >= prior.limit {
        return Outlook::Reached { level };
    }
    let still = linear.iter().map(|one| one.still).fold(f64::NEG_INFINITY, f64::max);
    if best.drift <= 0.0 || 2.0 * (best.at_best() - still) < TREND_MIN {
        return Outlook::NotEnoughData(NoTrend);
    }
    all.extend(ways(Shape::Exponential, &points, prior, unit).1);
    let most = all.iter().map(|way| way.weight).fold(f64::NEG_INFINITY, f64::max);
    for way in &mut all {
        way.weight = (way.weight - most).exp();
    }
    // What weighs nothing takes time only.
    all.retain(|way| way.weight > 1e-5);
    let total: f64 = all.iter().map(|way| way.weight).sum();
    for way in &mut all {
        way.weight /= total;
    }
    let middle = quantile(&all, 0.5);
    let away = |share: f64| middle * (quantile(&all, share) / middle).powf(WIDER) * unit;
    Outlook::Left(Left {
        p10: away(0.1),
        p50: middle * unit,
        p90: away(0.9),
        exponential: all.iter().filter(|way| way.exponential).map(|way| way.weight).sum(),
        level: all.iter().map(|way| way.weight * way.level).sum(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRIOR: Prior = Prior { shape: 2.0, life_hours: 10_000.0, limit: 2.0 };

    /// Rises by `rate` a thousand hours; what is added looks drawn and is the same each time.
    fn rising(count: u32, rate: f64, noise: f64) -> Vec<Point> {
        let mut state = 12345_u32;
        let mut draw = || {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            f64::from(state) / f64::from(u32::MAX) - 0.5
        };
        let hours = (1..=count).map(|n| f64::from(n) * 100.0);
        hours
            .map(|hours| Point { hours, value: 1.0 + rate * hours * 1e-3 + noise * draw() })
            .collect()
    }

    #[test]
    fn a_steady_rise_is_prolonged_to_its_limit() {
        // 0.2 a thousand hours: at 3000 h it is 1.6; the limit comes 2000 h later.
        let Outlook::Left(left) = outlook(&rising(30, 0.2, 0.04), &PRIOR) else { panic!("none") };
        assert!(left.p10 < 2000.0 && left.p90 > 1500.0 && left.p10 < left.p50, "{left:?}");
        assert!((1400.0..2400.0).contains(&left.p50), "{left:?}");
        assert!((left.level - 1.6).abs() < 0.05, "{left:?}");
    }

    #[test]
    fn too_few_points_no_trend_and_a_step_are_not_enough_data() {
        let of = |points: &[Point]| outlook(points, &PRIOR);
        let needed = NotEnough::Points { found: 7, needed: 8 };
        assert_eq!(of(&rising(7, 0.2, 0.04)), Outlook::NotEnoughData(needed));
        assert_eq!(of(&rising(30, 0.0, 0.04)), Outlook::NotEnoughData(NotEnough::NoTrend));
        assert_eq!(of(&rising(30, -0.2, 0.04)), Outlook::NotEnoughData(NotEnough::NoTrend));
        let mut repaired = rising(40, 0.2, 0.02);
        for point in &mut repaired[20..] {
            point.value -= 0.4;
        }
        let Outlook::NotEnoughData(NotEnough::DoesNotFit { hours }) = of(&repaired) else {
            panic!("{:?}", of(&repaired));
        };
        assert!((hours - 2100.0).abs() < 1.0, "{hours}");
    }

    #[test]
    fn what_is_over_its_limit_is_told_so() {
        assert!(matches!(outlook(&rising(60, 0.2, 0.04), &PRIOR), Outlook::Reached { .. }));
    }

    #[test]
    fn what_is_no_number_is_left_out_and_the_same_points_give_the_same_bits() {
        let mut points = rising(30, 0.2, 0.04);
        let before = outlook(&points, &PRIOR);
        points.insert(3, Point { hours: f64::NAN, value: 1.0 });
        points.insert(9, Point { hours: 850.0, value: f64::INFINITY });
        assert_eq!(outlook(&points, &PRIOR), before);
    }
}
