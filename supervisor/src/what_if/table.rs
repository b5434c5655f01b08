//! Figures of several runs side by side: mean, range over the seeds, and the difference that the change makes.

use serde::Serialize;

use super::figures::{Figures, float};

/// A number over several seeds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Spread {
    /// Mean.
    pub mean: f64,
    /// The smallest.
    pub low: f64,
    /// The largest.
    pub high: f64,
}

impl Spread {
    /// `None`: no value.
    fn of(values: &[f64]) -> Option<Self> {
        let count = u64::try_from(values.len()).unwrap_or(u64::MAX);
        (count > 0).then(|| Self {
            mean: values.iter().sum::<f64>() / float(count),
            low: values.iter().copied().fold(f64::INFINITY, f64::min),
            high: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        })
    }
}

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// For programs.
    pub key: String,
    /// For people.
    pub label: String,
    /// Its unit; empty: a count.
    pub unit: String,
    /// As it is.
    pub baseline: Option<Spread>,
    /// With the changes; `null`: there are none.
    pub changed: Option<Spread>,
    /// changed − baseline, mean over the seeds.
    pub difference: Option<f64>,
    /// The difference has the same sign with every seed, or is 0 with all.
    pub seeds_agree: Option<bool>,
}

type Metric = (String, String, &'static str, Option<f64>);

/// Every number of a run that is compared.
pub(super) fn metrics(of: &Figures) -> Vec<Metric> {
    let all = |key: &str, label: &str, unit: &'static str, value: Option<f64>| {
        (key.to_owned(), label.to_owned(), unit, value)
    };
    let some = |key: &str, label: &str, unit, value: f64| all(key, label, unit, Some(value));
    let mut metrics = vec![
        some("parts_per_h", "throughput", "parts/h", of.parts_per_h),
        all("cycle_time_median_s", "cycle time, median", "s", of.cycle_time_median_s),
        all("cycle_time_p95_s", "cycle time, p95", "s", of.cycle_time_p95_s),
        some("parts_lost", "parts lost", "", float(of.parts_lost)),
        some("energy_j", "energy driven", "J", of.energy_j),
        some("regenerated_j", "energy regenerated", "J", of.regenerated_j),
        all("energy_per_part_j", "energy a part, net", "J", of.energy_per_part_j),
        some("separation_stops", "stops by zones", "", float(of.separation_stops)),
        some("limit_stops", "stops by limits", "", float(of.limit_stops)),
        some("stopped_s", "time stopped", "s", of.stopped_s),
        some("slow_s", "time slow", "s", of.slow_s),
        some("gate_violations", "held back by the gate", "", float(of.gate_violations)),
    ];
    for axis in &of.axes {
        let name = &axis.name;
        let mut add = |key: &str, label: &str, unit, value: f64| {
            metrics.push(some(&format!("{name}.{key}"), &format!("{name}: {label}"), unit, value));
        };
        add("torque_peak_nm", "peak torque", "N m", axis.torque_peak_nm);
        add("torque_margin", "margin to its limit", "%", 100.0 * axis.torque_margin);
        add("torque_rms_nm", "RMS torque", "N m", axis.torque_rms_nm);
        add("thermal_margin", "thermal margin", "%", 100.0 * axis.thermal_margin);
        add("velocity_margin", "margin to velocity limit", "%", 100.0 * axis.velocity_margin);
        let following = 100.0 * axis.following_error_margin;
        add("following_error_margin", "margin to following error", "%", following);
        add("energy_j", "energy driven", "J", axis.energy_j);
        add("regenerated_j", "energy regenerated", "J", axis.regenerated_j);
        add("wear_per_h", "wear: load x way", "rad/h", axis.wear_per_h);
        add("reversal_load_per_h", "wear: reversals x load", "1/h", axis.reversal_load_per_h);
    }
    metrics
}

/// The lines of a table; `changed` has the same seeds in the same order, or is empty.
pub(super) fn rows(baseline: &[Figures], changed: &[Figures]) -> Vec<Row> {
    let Some(first) = baseline.first().or(changed.first()) else { return Vec::new() };
    let values = |runs: &[Figures]| runs.iter().map(metrics).collect::<Vec<_>>();
    let (before, after) = (values(baseline), values(changed));
    let column = |runs: &[Vec<Metric>], at: usize| -> Vec<Option<f64>> {
        runs.iter().map(|run| run.get(at).and_then(|metric| metric.3)).collect()
    };
    let names = metrics(first).into_iter().enumerate();
    names
        .map(|(at, (key, label, unit, _))| {
            let (before, after) = (column(&before, at), column(&after, at));
            let known =
                |values: &[Option<f64>]| values.iter().copied().flatten().collect::<Vec<_>>();
            let pairs = before
                .iter()
                .zip(&after)
                .filter_map(|(before, after)| Some((*after)? - (*before)?));
            let differences: Vec<f64> = pairs.collect();
            let all = |test: fn(f64) -> bool| differences.iter().all(|it| test(*it));
            let agree = all(|it| it > 0.0) || all(|it| it < 0.0) || all(|it| it == 0.0);
            let compared = !differences.is_empty();
            Row {
                key,
                label,
                unit: unit.to_owned(),
                baseline: Spread::of(&known(&before)),
                changed: Spread::of(&known(&after)),
                difference: Spread::of(&differences).map(|spread| spread.mean),
                seeds_agree: compared.then_some(agree),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(parts_per_h: f64, median: Option<f64>) -> Figures {
        Figures { parts_per_h, cycle_time_median_s: median, ..Figures::default() }
    }

    #[test]
    fn differences_are_taken_seed_by_seed_and_say_whether_all_seeds_agree() {
        let before = [run(10.0, Some(5.0)), run(20.0, None)];
        let after = [run(12.0, Some(4.0)), run(19.0, Some(4.0))];
        let rows = rows(&before, &after);
        let throughput = &rows[0];
        assert_eq!(throughput.baseline, Some(Spread { mean: 15.0, low: 10.0, high: 20.0 }));
        assert_eq!((throughput.difference, throughput.seeds_agree), (Some(0.5), Some(false)));
        let median = &rows[1];
        assert_eq!((median.difference, median.seeds_agree), (Some(-1.0), Some(true)));
    }

    #[test]
    fn without_changes_there_is_nothing_to_compare() {
        let rows = rows(&[run(10.0, None)], &[]);
        assert_eq!(rows[0].changed, None);
        assert_eq!((rows[0].difference, rows[0].seeds_agree), (None, None));
    }
}
