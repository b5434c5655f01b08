//! What disturbed the machine while something was measured: pressure (PSI), steal, throttling. Unknown is `null`, never 0.

use std::path::{Path, PathBuf};

use serde::Serialize;

/// From here on the hypervisor took enough to show, ‰ of the CPU.
const STEAL_PERMILLE: u64 = 10;
/// From here on threads waited for a CPU often enough to show, ‰ of the time.
const PRESSURE_PERMILLE: u64 = 200;
/// A tick of /proc/stat, ns (USER_HZ is 100 on every Linux that runs this).
const TICK_NS: u64 = 10_000_000;

/// Counters at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// CLOCK_MONOTONIC, ns.
    at: u64,
    /// Some thread waited for a CPU, µs.
    waited_us: Option<u64>,
    /// The hypervisor ran something else on this CPU, ticks.
    steal: Option<u64>,
    /// Periods in which the control group's quota was used up.
    throttled: Option<u64>,
    /// Times the CPU slowed itself down because it was hot.
    hot: Option<u64>,
}

/// What happened between two readings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Disturbance {
    /// Some thread waited for a CPU, ‰ of the time (PSI `cpu`, `some`).
    pub cpu_pressure_permille: Option<u64>,
    /// The hypervisor ran something else on the CPU, ‰ of the time.
    pub steal_permille: Option<u64>,
    /// Periods in which the control group's quota was used up.
    pub throttled: Option<u64>,
    /// Times the CPU slowed itself down because it was hot.
    pub thermal_throttled: Option<u64>,
    /// `kernel.sched_rt_runtime_us`: below its period, real-time threads are throttled; -1: never.
    pub rt_runtime_us: Option<i64>,
}

impl Reading {
    /// Reads the counters that concern `cpu`.
    #[must_use]
    pub fn now(cpu: usize) -> Self {
        Self::below(Path::new("/"), cpu, rt_linux::clock::now())
    }

    fn below(root: &Path, cpu: usize, at: u64) -> Self {
        let text = |path: &str| std::fs::read_to_string(root.join(path)).ok();
        let hot = format!("sys/devices/system/cpu/cpu{cpu}/thermal_throttle/core_throttle_count");
        Self {
            at,
            waited_us: text("proc/pressure/cpu").and_then(|text| total_of_some(&text)),
            steal: text("proc/stat").and_then(|text| steal_of(&text, cpu)),
            throttled: text("proc/self/cgroup").and_then(|text| throttled(root, &text)),
            hot: text(&hot).and_then(|text| text.trim().parse().ok()),
        }
    }

    /// What happened since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Disturbance {
        let took_ns = self.at.saturating_sub(earlier.at).max(1);
        let more = |now: Option<u64>, then: Option<u64>| Some(now?.saturating_sub(then?));
        let permille = |ns: u64| ns.saturating_mul(1_000) / took_ns;
        let rt = std::fs::read_to_string("/proc/sys/kernel/sched_rt_runtime_us").ok();
        Disturbance {
            cpu_pressure_permille: more(self.waited_us, earlier.waited_us)
                .map(|us| permille(us.saturating_mul(1_000))),
            steal_permille: more(self.steal, earlier.steal)
                .map(|ticks| permille(ticks.saturating_mul(TICK_NS))),
            throttled: more(self.throttled, earlier.throttled),
            thermal_throttled: more(self.hot, earlier.hot),
            rt_runtime_us: rt.and_then(|text| text.trim().parse().ok()),
        }
    }
}

impl Disturbance {
    /// In words, what is large enough to show in tails; empty: quiet. `loaded`: the pressure is our own.
    #[must_use]
    pub fn unquiet(&self, loaded: bool) -> Vec<String> {
        let mut what = Vec::new();
        if let Some(steal) = self.steal_permille.filter(|steal| *steal >= STEAL_PERMILLE) {
            what.push(format!("steal {}: the hypervisor ran something else", percent(steal)));
        }
        if let Some(waited) =
            self.cpu_pressure_permille.filter(|it| *it >= PRESSURE_PERMILLE && !loaded)
        {
            what.push(format!("CPU pressure {}: other programs compete", percent(waited)));
        }
        if let Some(times) = self.throttled.filter(|times| *times > 0) {
            what.push(format!("the control group's CPU quota ran out {times} times"));
        }
        if let Some(times) = self.thermal_throttled.filter(|times| *times > 0) {
            what.push(format!("the CPU was too hot and slowed down {times} times"));
        }
        what
    }

    /// All of it in a line.
    #[must_use]
    pub fn line(&self) -> String {
        let share = |of: Option<u64>| of.map_or_else(|| "unknown".into(), percent);
        let count = |of: Option<u64>| of.map_or_else(|| "unknown".into(), |it| it.to_string());
        let limit = match self.rt_runtime_us {
            Some(-1) => "off".to_owned(),
            Some(us) => format!("at {us} µs a second"),
            None => "unknown".to_owned(),
        };
        format!(
            "CPU pressure {}, steal {}, quota exhausted {}, thermal {}, RT throttling {limit}",
            share(self.cpu_pressure_permille),
            share(self.steal_permille),
            count(self.throttled),
            count(self.thermal_throttled)
        )
    }
}

fn percent(permille: u64) -> String {
    format!("{}.{} %", permille / 10, permille % 10)
}

/// `some avg10=… total=N`.
fn total_of_some(text: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.starts_with("some "))?;
    line.split_whitespace().find_map(|field| field.strip_prefix("total="))?.parse().ok()
}

/// user nice system idle iowait irq softirq steal: proc_stat(5).
fn steal_of(text: &str, cpu: usize) -> Option<u64> {
    let name = format!("cpu{cpu}");
    let line = text.lines().find(|line| line.split(' ').next() == Some(&name))?;
    line.split_whitespace().nth(8)?.parse().ok()
}

/// The control group of this process, version 2 or 1: `0::/path`, `4:cpu,cpuacct:/path`.
fn throttled(root: &Path, groups: &str) -> Option<u64> {
    let mut places: Vec<PathBuf> = Vec::new();
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { continue };
        let base = root.join("sys/fs/cgroup");
        let path = path.trim_start_matches('/');
        if controllers.split(',').any(|controller| controller == "cpu") {
            places.push(base.join(controllers).join(path));
            places.push(base.join("cpu").join(path));
        } else if controllers.is_empty() {
            places.push(base.join(path));
        }
    }
    places.iter().find_map(|place| {
        let text = std::fs::read_to_string(place.join("cpu.stat")).ok()?;
        let value = text.lines().find_map(|line| line.strip_prefix("nr_throttled "))?;
        value.trim().parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::folder::Folder;

    fn tree(name: &str, some: u64, steal: u64, throttled: u64) -> Folder {
        let root = Folder::new(name);
        let put = |path: &str, text: String| {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        put("proc/pressure/cpu", format!("some avg10=1.00 total={some}\nfull avg10=0 total=9\n"));
        put("proc/stat", format!("cpu  9 9 9 9 9 9 9 99 0 0\ncpu1 1 2 3 4 5 6 7 {steal} 0 0\n"));
        put("proc/self/cgroup", "2:cpu,cpuacct:/a\n0::/b\n".into());
        put(
            "sys/fs/cgroup/cpu,cpuacct/a/cpu.stat",
            format!("nr_periods 5\nnr_throttled {throttled}\n"),
        );
        root
    }

    #[test]
    fn what_happened_between_two_readings_is_told_in_shares() {
        let second = 1_000_000_000;
        let then = Reading::below(&tree("pressure-then", 1_000_000, 5, 2), 1, second);
        let now = Reading::below(&tree("pressure-now", 1_600_000, 9, 5), 1, 3 * second);
        let found = now.since(&then);
        assert_eq!(found.cpu_pressure_permille, Some(300));
        assert_eq!(found.steal_permille, Some(20));
        assert_eq!(found.throttled, Some(3));
        assert_eq!(found.unquiet(false).len(), 3);
        assert_eq!(found.unquiet(true).len(), 2, "pressure of our own load is no disturbance");
        assert!(found.line().contains("steal 2.0 %"), "{}", found.line());
        assert!(then.since(&then).unquiet(false).is_empty());
    }

    #[test]
    fn what_cannot_be_read_is_unknown_and_not_zero() {
        let nothing = Reading::below(&Folder::new("pressure-nothing"), 1, 5);
        let found = nothing.since(&nothing);
        assert_eq!((found.steal_permille, found.throttled), (None, None));
        assert!(found.line().contains("unknown"), "{}", found.line());
    }

    #[test]
    fn this_machine_says_what_was_stolen() {
        assert!(Reading::now(0).steal.is_some());
    }
}
