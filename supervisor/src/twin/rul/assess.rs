//! From what was done to a trend: every slice of work against the baseline of its own operating condition.

use std::collections::BTreeMap;

use serde::Serialize;

use super::drift::{NotEnough, Outlook, Point, Prior, outlook};
use super::work::{Condition, Done, Slice};

/// Slices that make the baseline: the axis is taken to be well in them.
pub const BASELINE_POINTS: usize = 3;
/// Windows of a condition before it counts, in a slice and in the baseline.
const WINDOWS_MIN: u32 = 5;
/// A slice counts when so much of its work was done in conditions with a baseline.
const SEEN_MIN: f64 = 0.5;
/// A baseline below this tells nothing, shares of rated torque.
const LEAST: f64 = 0.002;

/// What is trended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Indicator {
    /// Torque that steady motion takes.
    Friction,
    /// How uneven it is.
    Roughness,
}

impl Indicator {
    /// All.
    pub const ALL: [Self; 2] = [Self::Friction, Self::Roughness];

    /// A stable word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Friction => "friction",
            Self::Roughness => "roughness",
        }
    }

    fn of(self, done: &Done) -> f64 {
        match self {
            Self::Friction => done.friction,
            Self::Roughness => done.roughness,
        }
    }
}

/// An indicator over time, and what is said of it.
#[derive(Clone, Debug, Serialize)]
pub struct Trend {
    /// Which.
    pub indicator: Indicator,
    /// Hours of work of all slices.
    pub hours: f64,
    /// Conditions that have a baseline.
    pub conditions: Vec<Condition>,
    /// Slices after the baseline that were left out: conditions never seen before.
    pub unseen: usize,
    /// 1: as in the baseline.
    pub points: Vec<Point>,
    /// What is said.
    pub outlook: Outlook,
}

type Baseline = BTreeMap<Condition, (u32, f64)>;

fn baseline(slices: &[Slice], indicator: Indicator) -> Baseline {
    let mut sums: Baseline = BTreeMap::new();
    for done in slices.iter().flat_map(|slice| &slice.done) {
        let (windows, sum) = sums.entry(done.condition).or_default();
        *windows += done.windows;
        *sum += indicator.of(done) * f64::from(done.windows);
    }
    sums.retain(|_, (windows, sum)| {
        *sum /= f64::from((*windows).max(1));
        *windows >= WINDOWS_MIN && *sum > LEAST
    });
    sums
}

/// Value of a slice against the baseline, and the share of its work that it comes from.
fn value(slice: &Slice, baseline: &Baseline, indicator: Indicator) -> (Option<f64>, f64) {
    let (mut all, mut seen, mut sum) = (0.0, 0.0, 0.0);
    for done in slice.done.iter().filter(|done| done.windows >= WINDOWS_MIN) {
        let windows = f64::from(done.windows);
        all += windows;
        if let Some((_, usual)) = baseline.get(&done.condition) {
            seen += windows;
            sum += windows * indicator.of(done) / usual;
        }
    }
    let share = if all > 0.0 { seen / all } else { 0.0 };
    ((share >= SEEN_MIN).then(|| sum / seen), share)
}

/// The trend of one indicator over the slices of an axis, oldest first.
#[must_use]
pub fn assess(slices: &[Slice], indicator: Indicator, prior: &Prior) -> Trend {
    let (first, later) = slices.split_at(slices.len().min(BASELINE_POINTS));
    let baseline = baseline(first, indicator);
    let began: f64 = first.iter().map(|slice| slice.hours).sum();
    let (mut hours, mut points, mut unseen, mut shares) = (began, Vec::new(), 0, 0.0);
    for slice in later {
        // Work is worn by the middle of the slice, on the average.
        let middle = hours + 0.5 * slice.hours;
        hours += slice.hours;
        let (value, share) = value(slice, &baseline, indicator);
        let worked = slice.done.iter().any(|done| done.windows >= WINDOWS_MIN);
        match value {
            Some(value) => points.push(Point { hours: middle, value }),
            None if worked => (unseen, shares) = (unseen + 1, shares + share),
            None => {}
        }
    }
    let outlook = if baseline.is_empty() {
        Outlook::NotEnoughData(NotEnough::NoBaseline)
    } else if unseen > points.len() {
        let count = f64::from(u32::try_from(unseen).unwrap_or(u32::MAX));
        Outlook::NotEnoughData(NotEnough::ConditionNotSeen { seen: shares / count })
    } else {
        outlook(&points, prior)
    };
    let conditions = baseline.into_keys().collect();
    Trend { indicator, hours, conditions, unseen, points, outlook }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRIOR: Prior = Prior { shape: 2.0, life_hours: 10_000.0, limit: 2.0 };

    fn slice(speed: i8, friction: f64) -> Slice {
        let condition = Condition { speed, load: Some(0), warmth: Some(1) };
        let done = Done { condition, windows: 100, friction, roughness: 0.01 };
        Slice { hours: 100.0, done: vec![done] }
    }

    #[test]
    fn each_condition_is_held_against_its_own_baseline() {
        // Twice as fast takes half as much again; neither has changed.
        let mut slices = vec![slice(10, 0.08), slice(12, 0.12), slice(10, 0.08)];
        slices.extend((0..10).map(|n| if n % 2 == 0 { slice(10, 0.08) } else { slice(12, 0.12) }));
        let trend = assess(&slices, Indicator::Friction, &PRIOR);
        assert!(trend.points.iter().all(|point| (point.value - 1.0).abs() < 1e-12), "{trend:?}");
        assert_eq!(trend.outlook, Outlook::NotEnoughData(NotEnough::NoTrend));
        assert_eq!((trend.conditions.len(), trend.points.len()), (2, 10));
    }

    #[test]
    fn conditions_never_seen_are_left_out_and_say_so_when_they_are_most() {
        let mut slices = vec![slice(10, 0.08); 3];
        slices.extend(vec![slice(14, 0.3); 10]);
        let trend = assess(&slices, Indicator::Friction, &PRIOR);
        let expected = NotEnough::ConditionNotSeen { seen: 0.0 };
        assert_eq!(trend.outlook, Outlook::NotEnoughData(expected));
        assert_eq!((trend.points.len(), trend.unseen), (0, 10));
        let none = assess(&[], Indicator::Friction, &PRIOR);
        assert_eq!(none.outlook, Outlook::NotEnoughData(NotEnough::NoBaseline));
    }

    #[test]
    fn what_rises_is_prolonged() {
        let mut slices = vec![slice(10, 0.08); 3];
        let noise = |n: u32| if n.is_multiple_of(3) { 0.001 } else { -0.0005 };
        slices.extend((0..30).map(|n| slice(10, 0.08 * (1.0 + 0.02 * f64::from(n)) + noise(n))));
        let trend = assess(&slices, Indicator::Friction, &PRIOR);
        let Outlook::Left(left) = trend.outlook else { panic!("{trend:?}") };
        // 2 % a slice of 100 h, at 58 %: 2100 h are left.
        assert!(left.p10 < 2100.0 && left.p90 > 2100.0, "{left:?}");
        let rough = assess(&slices, Indicator::Roughness, &PRIOR);
        assert_eq!(rough.outlook, Outlook::NotEnoughData(NotEnough::NoTrend));
    }
}
