//! Detectors over data with labels: how many of their alarms are right, how many faults they find, and how late.

use serde::Serialize;
use twin_lite::{AxisModel, AxisTwin};

use super::csv::{Label, Sample};
use crate::what_if::float;

/// What says that something is wrong with an axis. To be given every sample in order.
pub trait Detector {
    /// Its name.
    fn name(&self) -> &'static str;

    /// Takes a sample; true: an alarm is on.
    fn take(&mut self, sample: &Sample, elapsed_ns: u64) -> bool;
}

/// Samples of a window whose residuals are averaged.
const WINDOW_S: f64 = 0.1;
/// A deviation of this many standard deviations counts for nothing.
const SLACK: f64 = 1.0;
/// Sum of what is beyond at which the alarm begins.
const ALARM: f64 = 12.0;
/// Slower than this share of the largest speed seen, friction says nothing.
const CREEP: f64 = 0.05;
/// Windows that are learnt from, at least.
const LEARNT_MIN: u64 = 20;

/// The torque that the observer cannot explain, while the axis moves and against its motion, in a two-sided CUSUM. What is usual is
/// learnt from the beginning of the data. Source: Page, Continuous inspection schemes, Biometrika 41 (1954).
#[derive(Clone, Debug)]
pub struct ResidualCusum {
    twin: AxisTwin,
    learn_s: f64,
    fastest: f64,
    sum: f64,
    count: u64,
    window_ends: f64,
    learnt: (u64, f64, f64),
    up: f64,
    down: f64,
    on: bool,
}

impl ResidualCusum {
    /// Of an axis with this model, that learns for `learn_s` from the first sample on.
    #[must_use]
    pub fn new(model: &AxisModel, period_ns: u64, learn_s: f64) -> Self {
        Self {
            twin: AxisTwin::new(model, period_ns),
            learn_s,
            fastest: 0.0,
            sum: 0.0,
            count: 0,
            window_ends: f64::NEG_INFINITY,
            learnt: (0, 0.0, 0.0),
            up: 0.0,
            down: 0.0,
            on: false,
        }
    }

    fn window(&mut self, residual: f64, learning: bool) {
        let (count, mean, squares) = &mut self.learnt;
        if learning || *count < LEARNT_MIN {
            // Welford: mean and sum of squares in one pass.
            *count += 1;
            let before = residual - *mean;
            *mean += before / float(*count);
            *squares += before * (residual - *mean);
            return;
        }
        let deviation = (*squares / float(*count - 1)).sqrt().max(1e-6);
        let score = (residual - *mean) / deviation;
        self.up = (self.up + score - SLACK).clamp(0.0, 2.0 * ALARM);
        self.down = (self.down - score - SLACK).clamp(0.0, 2.0 * ALARM);
        let most = self.up.max(self.down);
        self.on = if self.on { most > 0.0 } else { most > ALARM };
    }
}

impl Detector for ResidualCusum {
    fn name(&self) -> &'static str {
        "residual torque, two-sided CUSUM"
    }

    fn take(&mut self, sample: &Sample, elapsed_ns: u64) -> bool {
        self.twin.update(sample.position, sample.torque_permille, Some(elapsed_ns));
        let estimate = self.twin.estimate();
        let speed = estimate.velocity.abs();
        self.fastest = self.fastest.max(speed);
        if speed > CREEP * self.fastest {
            self.sum += estimate.disturbance_nm * estimate.velocity.signum();
            self.count += 1;
        }
        if sample.time_s >= self.window_ends {
            if self.count > 0 {
                let residual = self.sum / float(self.count);
                self.window(residual, sample.time_s < self.learn_s);
            }
            (self.sum, self.count) = (0.0, 0);
            self.window_ends = sample.time_s + WINDOW_S;
        }
        self.on
    }
}

/// What a detector is worth on these data.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evaluation {
    /// Which.
    pub detector: String,
    /// Samples.
    pub samples: u64,
    /// Faults, as labelled.
    pub labels: u64,
    /// Times that the alarm began.
    pub alarms: u64,
    /// Alarms that began within a label.
    pub right: u64,
    /// Labels within which an alarm began or was on.
    pub found: u64,
    /// right ÷ alarms; `null`: no alarms.
    pub precision: Option<f64>,
    /// found ÷ labels; `null`: no labels.
    pub recall: Option<f64>,
    /// Harmonic mean of both; `null`: one of them is not known or both are 0.
    pub f1: Option<f64>,
    /// From the begin of a label to its first alarm, mean over those found, s; `null`: none was.
    pub delay_mean_s: Option<f64>,
    /// The longest, s.
    pub delay_max_s: Option<f64>,
    /// Each alarm: from, to, s.
    pub intervals: Vec<(f64, f64)>,
}

/// Runs a detector over the data.
pub fn evaluate(detector: &mut dyn Detector, samples: &[Sample], labels: &[Label]) -> Evaluation {
    let mut intervals: Vec<(f64, f64)> = Vec::new();
    let mut before: Option<&Sample> = None;
    let mut was = false;
    for sample in samples {
        let elapsed = before.map_or(0.0, |before| sample.time_s - before.time_s);
        let elapsed = twin_lite::Nano::from_units(elapsed);
        let elapsed_ns = elapsed.and_then(|it| u64::try_from(it.0).ok()).unwrap_or(0);
        let on = detector.take(sample, elapsed_ns);
        match intervals.last_mut() {
            Some(last) if on && was => last.1 = sample.time_s,
            _ if on => intervals.push((sample.time_s, sample.time_s)),
            _ => {}
        }
        (was, before) = (on, Some(sample));
    }
    judge(detector.name(), samples.len(), labels, intervals)
}

fn judge(name: &str, samples: usize, labels: &[Label], intervals: Vec<(f64, f64)>) -> Evaluation {
    let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    let begins_in = |alarm: &&(f64, f64)| {
        labels.iter().any(|label| (label.from_s..label.to_s).contains(&alarm.0))
    };
    let right = count(intervals.iter().filter(begins_in).count());
    let delays: Vec<f64> = labels
        .iter()
        .filter_map(|label| {
            let within =
                intervals.iter().find(|(from, _)| (label.from_s..label.to_s).contains(from));
            within.map(|(from, _)| from - label.from_s)
        })
        .collect();
    let (alarms, all, found) = (count(intervals.len()), count(labels.len()), count(delays.len()));
    let share = |part: u64, of: u64| (of > 0).then(|| float(part) / float(of));
    let (precision, recall) = (share(right, alarms), share(found, all));
    let f1 = precision.zip(recall).filter(|(p, r)| p + r > 0.0).map(|(p, r)| 2.0 * p * r / (p + r));
    Evaluation {
        detector: name.to_owned(),
        samples: count(samples),
        labels: all,
        alarms,
        right,
        found,
        precision,
        recall,
        f1,
        delay_mean_s: share(1, found).map(|each| each * delays.iter().sum::<f64>()),
        delay_max_s: delays.iter().copied().max_by(f64::total_cmp),
        intervals,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(from_s: f64, to_s: f64) -> Label {
        Label { from_s, to_s, name: String::new() }
    }

    #[test]
    fn alarms_are_right_within_labels_and_labels_are_found_by_alarms() {
        let labels = [label(10.0, 20.0), label(30.0, 40.0)];
        let alarms = vec![(5.0, 6.0), (12.0, 19.0), (15.0, 16.0)];
        let found = judge("", 100, &labels, alarms);
        assert_eq!((found.right, found.found), (2, 1));
        assert_eq!(found.precision, Some(2.0 / 3.0));
        assert_eq!((found.recall, found.delay_mean_s), (Some(0.5), Some(2.0)));
        assert!((found.f1.unwrap() - 4.0 / 7.0).abs() < 1e-12);
    }

    #[test]
    fn without_alarms_or_labels_nothing_is_claimed() {
        let none = judge("", 0, &[], vec![]);
        assert_eq!((none.precision, none.recall, none.f1), (None, None, None));
        assert_eq!(judge("", 0, &[label(0.0, 1.0)], vec![]).recall, Some(0.0));
    }
}
