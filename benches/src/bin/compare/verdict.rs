//! From blocks to verdicts: ratios of paired blocks against bounds, with what disturbed the machine beside them.

use std::fs;

use serde_json::{Value, json};

/// Fewer pairs say nothing.
const PAIRS_MIN: usize = 4;
/// Share of the time in which something waited for a CPU, and share that the hypervisor took: above, a failure may be the machine's.
/// Starting the processes of a block makes a few hundredths of pressure by itself.
const PRESSURE_MAX: f64 = 0.1;
const STEAL_MAX: f64 = 0.01;

/// What may be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It holds.
    Pass,
    /// It does not.
    Fail,
    /// The blocks do not agree, or the machine was busy with other things.
    Inconclusive,
}

impl Verdict {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Inconclusive => "inconclusive",
        }
    }
}

/// The value below which `share` (0..=1) of them are; 0 of none.
pub(crate) fn quantile(values: &[f64], per_mille: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = sorted.len().saturating_sub(1) * per_mille / 1_000;
    sorted.get(at).copied().unwrap_or(0.0)
}

pub(crate) fn median(values: &[f64]) -> f64 {
    quantile(values, 500)
}

/// Three quarters of the pairs must be on one side of the bound.
pub(crate) fn judge(ratios: &[f64], bound: f64) -> Verdict {
    if ratios.len() < PAIRS_MIN || ratios.iter().any(|ratio| !ratio.is_finite()) {
        Verdict::Inconclusive
    } else if quantile(ratios, 750) <= bound {
        Verdict::Pass
    } else if quantile(ratios, 250) > bound {
        Verdict::Fail
    } else {
        Verdict::Inconclusive
    }
}

/// Totals since boot.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Machine {
    pressure_us: Option<u64>,
    steal_ticks: u64,
    all_ticks: u64,
    throttled: Option<u64>,
    at_ns: u64,
}

impl Machine {
    pub(crate) fn now() -> Self {
        let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
        let ticks: Vec<u64> = stat
            .lines()
            .next()
            .map(|line| line.split_whitespace().skip(1).flat_map(str::parse).collect())
            .unwrap_or_default();
        let pressure = fs::read_to_string("/proc/pressure/cpu").unwrap_or_default();
        let throttled = fs::read_to_string("/sys/fs/cgroup/cpu.stat").unwrap_or_default();
        Self {
            pressure_us: after(&pressure, "total="),
            steal_ticks: ticks.get(7).copied().unwrap_or(0),
            all_ticks: ticks.iter().take(8).sum(),
            throttled: after(&throttled, "nr_throttled "),
            at_ns: rt_linux::clock::now(),
        }
    }

    pub(crate) fn since(&self, earlier: &Self) -> Disturbance {
        let part = |now: Option<u64>, before: Option<u64>| Some(now?.saturating_sub(before?));
        let share = |part: u64, whole: u64| real(part) / real(whole).max(1.0);
        Disturbance {
            pressure: part(self.pressure_us, earlier.pressure_us)
                .map(|us| share(us, (self.at_ns - earlier.at_ns) / 1_000)),
            steal: share(
                self.steal_ticks - earlier.steal_ticks,
                self.all_ticks - earlier.all_ticks,
            ),
            throttled: part(self.throttled, earlier.throttled),
        }
    }
}

fn after(text: &str, key: &str) -> Option<u64> {
    let rest = text.split(key).nth(1)?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// Good to nine digits, which is more than is measured.
pub(crate) fn real(value: u64) -> f64 {
    let high = u32::try_from(value >> 32).unwrap_or(u32::MAX);
    let low = u32::try_from(value & u64::from(u32::MAX)).unwrap_or(u32::MAX);
    f64::from(high) * 4_294_967_296.0 + f64::from(low)
}

/// What else the machine did meanwhile; `None`: it cannot be known here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Disturbance {
    pub(crate) pressure: Option<f64>,
    pub(crate) steal: f64,
    pub(crate) throttled: Option<u64>,
}

impl Disturbance {
    /// Of a run: the median block, and every time that the processes were throttled.
    pub(crate) fn of(blocks: &[Self]) -> Self {
        let known: Vec<f64> = blocks.iter().filter_map(|block| block.pressure).collect();
        let steal: Vec<f64> = blocks.iter().map(|block| block.steal).collect();
        let throttled = blocks.iter().map(|block| block.throttled);
        Self {
            pressure: (!known.is_empty()).then(|| median(&known)),
            steal: median(&steal),
            throttled: throttled.sum(),
        }
    }

    /// A failure may be the machine's.
    pub(crate) fn is_much(&self) -> bool {
        self.pressure.is_some_and(|share| share > PRESSURE_MAX)
            || self.steal > STEAL_MAX
            || self.throttled.is_some_and(|times| times > 0)
    }

    /// A failure on a disturbed machine is none; the other verdicts stand.
    pub(crate) fn soften(&self, verdict: Verdict) -> Verdict {
        match verdict {
            Verdict::Fail if self.is_much() => Verdict::Inconclusive,
            Verdict::Fail | Verdict::Pass | Verdict::Inconclusive => verdict,
        }
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "cpu_pressure_share": self.pressure,
            "steal_share": self.steal,
            "throttled_times": self.throttled,
            "is_much": self.is_much(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_needs_three_quarters_of_the_pairs_on_one_side() {
        assert_eq!(judge(&[0.6, 0.61, 0.7, 0.74, 0.9], 0.75), Verdict::Pass);
        assert_eq!(judge(&[0.7, 0.8, 0.81, 0.9, 0.95], 0.75), Verdict::Fail);
        assert_eq!(judge(&[0.5, 0.6, 0.9, 0.95, 0.99], 0.75), Verdict::Inconclusive);
        assert_eq!(judge(&[0.5, 0.5, 0.5], 0.75), Verdict::Inconclusive, "too few");
        assert_eq!(judge(&[0.5, 0.5, f64::NAN, 0.5], 0.75), Verdict::Inconclusive);
        assert_eq!(judge(&[0.5, 0.5, f64::INFINITY, 0.5], 0.75), Verdict::Inconclusive);
    }

    #[test]
    fn a_busy_machine_makes_a_failure_inconclusive_and_nothing_else() {
        let quiet = Disturbance { pressure: Some(0.0), steal: 0.0, throttled: Some(0) };
        for busy in [
            Disturbance { pressure: Some(0.3), ..quiet },
            Disturbance { steal: 0.02, ..quiet },
            Disturbance { throttled: Some(1), ..quiet },
        ] {
            assert_eq!(busy.soften(Verdict::Fail), Verdict::Inconclusive);
            assert_eq!(busy.soften(Verdict::Pass), Verdict::Pass);
        }
        assert_eq!(quiet.soften(Verdict::Fail), Verdict::Fail);
    }

    #[test]
    fn a_run_is_as_disturbed_as_its_median_block() {
        let quiet = Disturbance { pressure: Some(0.01), steal: 0.0, throttled: Some(0) };
        let busy = Disturbance { pressure: Some(0.5), steal: 0.1, throttled: Some(0) };
        assert!(!Disturbance::of(&[quiet, busy, quiet]).is_much());
        assert!(Disturbance::of(&[busy, busy, quiet]).is_much());
        let throttled = Disturbance { throttled: Some(1), ..quiet };
        assert!(Disturbance::of(&[quiet, quiet, throttled]).is_much());
        assert_eq!(Disturbance::of(&[]).pressure, None);
    }

    #[test]
    fn the_machine_is_read_as_the_kernel_writes_it() {
        let pressure =
            "some avg10=0.00 avg60=0.10 avg300=0.00 total=12345\nfull avg10=0.00 total=9";
        assert_eq!(after(pressure, "total="), Some(12_345));
        assert_eq!(after("nr_periods 7\nnr_throttled 3\nx 4", "nr_throttled "), Some(3));
        assert_eq!(after("", "total="), None);
        assert!((real(10_000_000_000) - 1e10).abs() < 1.0);
    }
}
