//! What the twin decided in a run, how right it was, and what it learnt: from records alone.

use std::collections::BTreeMap;

use rt_core::plan::{AxisId, TwinMode};
use rt_core::record::{Decision, Event};
use serde::Serialize;

use crate::events;
use crate::labels::Labels;

/// Errors of one decision of one axis that are kept one by one; later ones are only counted.
pub const ERRORS_MAX: usize = 4096;

/// One decision of one axis over the run.
#[derive(Clone, Debug, Default)]
struct Decided {
    mode: TwinMode,
    taken: u64,
    seen: u64,
    errors: Vec<f64>,
    leads_ns: Vec<u64>,
}

/// What is known of one axis.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    doubt: f64,
    doubts: u64,
    channels: u8,
    sensors: u8,
    alarms: u64,
    learnt: Option<[f64; 4]>,
}

/// Everything of a run.
#[derive(Clone, Debug, Default)]
pub struct TwinTotals {
    decided: BTreeMap<(AxisId, Decision), Decided>,
    known: BTreeMap<AxisId, Known>,
}

impl TwinTotals {
    /// Takes an event of the twin.
    pub fn take(&mut self, now: u64, event: &Event) {
        let _ = now;
        match *event {
            Event::Foresight { axis, decision, mode, lead_ns, .. } => {
                let entry = self.decided.entry((axis, decision)).or_default();
                entry.mode = mode;
                entry.taken += 1;
                if lead_ns != u64::MAX && entry.leads_ns.len() < ERRORS_MAX {
                    entry.leads_ns.push(lead_ns);
                }
            }
            Event::Foreseen { axis, decision, mode, predicted, actual, .. } => {
                let entry = self.decided.entry((axis, decision)).or_default();
                entry.mode = mode;
                entry.seen += 1;
                if entry.errors.len() < ERRORS_MAX {
                    entry.errors.push(actual.units() - predicted.units());
                }
            }
            Event::Doubt { axis, factor } => {
                let known = self.known.entry(axis).or_default();
                known.doubt = factor.units();
                known.doubts += u64::from(factor.units() > 1.0);
            }
            Event::Health { axis, channels, sensors } => {
                let known = self.known.entry(axis).or_default();
                known.alarms += u64::from(channels & !known.channels != 0);
                (known.channels, known.sensors) = (channels, sensors);
            }
            Event::Learnt { axis, inertia_kgm2, coulomb_nm, viscous_nms, warmth } => {
                let known = self.known.entry(axis).or_default();
                known.learnt = Some([inertia_kgm2, coulomb_nm, viscous_nms, warmth]);
            }
            _ => {}
        }
    }

    /// For the report; `None`: nothing of the twin was recorded.
    #[must_use]
    pub fn report(&self, labels: &Labels) -> Option<TwinReport> {
        let nothing = self.decided.is_empty() && self.known.is_empty();
        (!nothing).then(|| TwinReport {
            decisions: self
                .decided
                .iter()
                .map(|(of, decided)| decided.report(of, labels))
                .collect(),
            axes: self.known.iter().map(|(axis, known)| known.report(*axis, labels)).collect(),
        })
    }
}

/// What the twin decided and learnt.
#[derive(Clone, Debug, Default, Serialize)]
pub struct TwinReport {
    /// By axis and decision.
    pub decisions: Vec<DecisionReport>,
    /// Axes of which something was learnt, or that changed.
    pub axes: Vec<TwinAxisReport>,
}

/// One decision of one axis.
#[derive(Clone, Debug, Serialize)]
pub struct DecisionReport {
    /// Name of the axis.
    pub axis: String,
    /// `slow_before_limit`, `stop_before_limit`, `thermal_derating`.
    pub decision: &'static str,
    /// `observe`, `advise`, `act`.
    pub mode: &'static str,
    /// Unit of the errors: `mm`, `deg`, or `1` (shares).
    pub unit: String,
    /// Times that it was taken.
    pub taken: u64,
    /// Of those, how often is known what happened.
    pub seen: u64,
    /// Actual − predicted; `null`: nothing to compare.
    pub error: Option<ErrorReport>,
    /// From the decision until what it prevents, as predicted, ns; `null`: it could not be said.
    pub lead_ns: Option<LeadReport>,
}

/// Errors of predictions, actual − predicted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ErrorReport {
    /// Their mean.
    pub bias: f64,
    /// 95 % of them are no larger, sign aside.
    pub p95: f64,
    /// The largest, with its sign.
    pub worst: f64,
}

/// How early decisions came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LeadReport {
    /// The latest.
    pub least: u64,
    /// The median.
    pub median: u64,
}

/// What was learnt of one axis. At the motor shaft.
#[derive(Clone, Debug, Serialize)]
pub struct TwinAxisReport {
    /// Its name.
    pub axis: String,
    /// So many times worse than its model it is taken to be at the end; 1: no doubt.
    pub doubt: f64,
    /// Times that doubt rose.
    pub doubts: u64,
    /// What has changed at the end: `load`, `friction`, `inertia`, `roughness`, `ripple`.
    pub changed: Vec<&'static str>,
    /// What is wrong with its sensors at the end: `flat_line`, `range`, `rate`, `age`, `jump`, `disagreement`.
    pub sensors: Vec<&'static str>,
    /// Times that something began to be changed.
    pub alarms: u64,
    /// kg m²; `null`: too little was seen.
    pub inertia_kgm2: Option<f64>,
    /// N m.
    pub coulomb_nm: Option<f64>,
    /// N m s / rad.
    pub viscous_nms: Option<f64>,
    /// Share of what is allowed; `null`: not watched.
    pub warmth: Option<f64>,
}

impl Decided {
    fn report(&self, (axis, what): &(AxisId, Decision), labels: &Labels) -> DecisionReport {
        let unit = match what {
            Decision::Slow | Decision::Stop => labels.axis_unit(*axis),
            Decision::Derate => "1",
        };
        DecisionReport {
            axis: labels.axis(*axis).to_owned(),
            decision: events::decision(*what),
            mode: events::twin_mode(self.mode),
            unit: unit.to_owned(),
            taken: self.taken,
            seen: self.seen,
            error: error(&self.errors),
            lead_ns: lead(&self.leads_ns),
        }
    }
}

/// The smallest of sorted values below which `percent` of them lie.
fn quantile<T: Copy>(sorted: &[T], percent: usize) -> Option<T> {
    sorted.get((sorted.len() * percent).div_ceil(100).saturating_sub(1)).copied()
}

fn error(errors: &[f64]) -> Option<ErrorReport> {
    let count = u32::try_from(errors.len()).unwrap_or(u32::MAX);
    let worst = errors.iter().copied().max_by(|a, b| a.abs().total_cmp(&b.abs()))?;
    let mut sizes: Vec<f64> = errors.iter().map(|error| error.abs()).collect();
    sizes.sort_by(f64::total_cmp);
    let bias = errors.iter().sum::<f64>() / f64::from(count);
    Some(ErrorReport { bias, p95: quantile(&sizes, 95)?, worst })
}

fn lead(leads: &[u64]) -> Option<LeadReport> {
    let mut sorted = leads.to_vec();
    sorted.sort_unstable();
    Some(LeadReport { least: sorted.first().copied()?, median: quantile(&sorted, 50)? })
}

impl Known {
    fn report(&self, axis: AxisId, labels: &Labels) -> TwinAxisReport {
        let learnt = |place: usize| {
            let value = self.learnt.and_then(|learnt| learnt.get(place).copied());
            value.filter(|value| value.is_finite())
        };
        TwinAxisReport {
            axis: labels.axis(axis).to_owned(),
            doubt: self.doubt.max(1.0),
            doubts: self.doubts,
            changed: events::channels(self.channels),
            sensors: events::sensors(self.sensors),
            alarms: self.alarms,
            inertia_kgm2: learnt(0),
            coulomb_nm: learnt(1),
            viscous_nms: learnt(2),
            warmth: learnt(3),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels::example;
    use twin_lite::Nano;

    #[test]
    fn errors_are_summed_up_with_bias_p95_and_worst_and_leads_with_the_latest() {
        let mut totals = TwinTotals::default();
        assert!(totals.report(&example()).is_none());
        let (axis, decision, mode) = (AxisId(0), Decision::Stop, TwinMode::Observe);
        for n in 0..100 {
            let (predicted, lead_ns) = (Nano::ZERO, 1000 - n);
            totals.take(n, &Event::Foresight { axis, decision, mode, predicted, lead_ns });
            let actual = Nano((i64::try_from(n).unwrap() - 89) * 1_000_000_000);
            totals
                .take(n, &Event::Foreseen { axis, decision, mode, predicted, actual, after_ns: 1 });
        }
        let report = totals.report(&example()).unwrap();
        let [decided] = &report.decisions[..] else { panic!("{report:?}") };
        assert_eq!((decided.mode, decided.taken, decided.seen), ("observe", 100, 100));
        let expected = ErrorReport { bias: -39.5, p95: 84.0, worst: -89.0 };
        assert_eq!(decided.error, Some(expected));
        assert_eq!(decided.lead_ns, Some(LeadReport { least: 901, median: 950 }));
    }

    #[test]
    fn an_alarm_is_counted_when_it_begins() {
        let mut totals = TwinTotals::default();
        let axis = AxisId(0);
        for channels in [0b10, 0b10, 0, 0b10, 0b11] {
            totals.take(0, &Event::Health { axis, channels, sensors: 0b1_0000 });
        }
        let report = totals.report(&example()).unwrap();
        assert_eq!(report.axes[0].alarms, 3);
        assert_eq!(report.axes[0].changed, ["load", "friction"]);
        assert_eq!(report.axes[0].sensors, ["jump"]);
    }
}
