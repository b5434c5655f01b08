//! What an axis did and what it took, by operating condition: windows of steady motion out of a recording.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Length of a window, ns.
const WINDOW_NS: u64 = 100_000_000;
/// Within a window the speed stays within this share of its mean.
const STEADY: f64 = 0.05;
/// Torque filtered over this many seconds of work is what warms the axis.
const WARM_S: f64 = 600.0;
/// Before so many seconds nobody knows how warm it is.
const WARM_KNOWN_S: f64 = 60.0;
/// Upper edges of the bins of warmth: mean square of torque ÷ rated.
const WARM_EDGES: [f64; 4] = [0.05, 0.2, 0.5, 1.0];
/// A bin of load is so wide, shares of rated torque.
const LOAD_BIN: f64 = 0.1;

/// An operating condition: what is compared must have been done alike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Condition {
    /// Half octaves of speed: ⌊2·log₂(units ÷ s)⌋.
    pub speed: i8,
    /// Tenths of rated torque that both directions have in common; `None`: it moved one way only.
    pub load: Option<i8>,
    /// Bin of the mean square of torque over ten minutes; `None`: the recording had just begun.
    pub warmth: Option<u8>,
}

/// What was done in one condition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Done {
    /// The condition.
    pub condition: Condition,
    /// Windows of 100 ms.
    pub windows: u32,
    /// Torque along the motion, shares of rated.
    pub friction: f64,
    /// Deviation of the torque within a window, shares of rated.
    pub roughness: f64,
}

/// A stretch of work of one axis.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Slice {
    /// Hours that it was enabled.
    pub hours: f64,
    /// By condition.
    pub done: Vec<Done>,
}

/// Sums of windows in one direction.
#[derive(Clone, Copy, Debug, Default)]
struct Way {
    windows: u32,
    torque: f64,
    roughness: f64,
}

impl Way {
    fn mean(&self) -> f64 {
        self.torque / f64::from(self.windows.max(1))
    }
}

/// The window that is open.
#[derive(Clone, Copy, Debug, Default)]
struct Open {
    since: Option<u64>,
    samples: u32,
    velocity: f64,
    slowest: f64,
    fastest: f64,
    torque: f64,
    torque_squares: f64,
}

/// Gathers the work of one axis, sample by sample.
#[derive(Clone, Debug, Default)]
pub struct Work {
    open: Open,
    last: Option<u64>,
    enabled_ns: u64,
    /// Of this recording, s.
    known_s: f64,
    warmth: f64,
    ways: BTreeMap<(i8, Option<u8>), [Way; 2]>,
}

impl Work {
    /// One sample of an enabled axis with good inputs: time (ns), velocity (units / s), torque (shares of rated).
    pub fn take(&mut self, time: u64, velocity: f64, torque: f64) {
        let elapsed = self.last.map_or(0, |last| time.saturating_sub(last));
        self.last = Some(time);
        // A gap is not work.
        if elapsed > WINDOW_NS {
            self.open = Open::default();
            return;
        }
        self.enabled_ns += elapsed;
        let seconds = std::time::Duration::from_nanos(elapsed).as_secs_f64();
        self.known_s += seconds;
        let known = self.known_s.clamp(1e-3, WARM_S);
        self.warmth += (torque * torque - self.warmth) * (seconds / known).min(1.0);
        let open = &mut self.open;
        let since = *open.since.get_or_insert(time);
        if open.samples == 0 {
            (open.slowest, open.fastest) = (velocity, velocity);
        }
        open.samples += 1;
        open.velocity += velocity;
        open.slowest = open.slowest.min(velocity);
        open.fastest = open.fastest.max(velocity);
        open.torque += torque;
        open.torque_squares += torque * torque;
        if time.saturating_sub(since) >= WINDOW_NS {
            self.close();
        }
    }

    /// The axis is not enabled, or not heard: what is open is not used.
    pub fn interrupt(&mut self) {
        (self.open, self.last) = (Open::default(), None);
    }

    fn close(&mut self) {
        let open = std::mem::take(&mut self.open);
        let share = 1.0 / f64::from(open.samples.max(1));
        let speed = (open.velocity * share).abs();
        let steady = open.fastest - open.slowest <= 2.0 * STEADY * speed;
        if !steady || speed <= 1e-3 || open.samples < 8 {
            return;
        }
        let mean = open.torque * share;
        let spread = (open.torque_squares * share - mean * mean).max(0.0);
        let way = usize::from(open.velocity < 0.0);
        let key = (bin(2.0 * speed.log2()), self.warmth_bin());
        let ways = self.ways.entry(key).or_default();
        if let Some(way) = ways.get_mut(way) {
            way.windows += 1;
            way.torque += mean;
            way.roughness += spread.sqrt();
        }
    }

    fn warmth_bin(&self) -> Option<u8> {
        let place = WARM_EDGES.iter().filter(|edge| self.warmth >= **edge).count();
        (self.known_s >= WARM_KNOWN_S).then(|| u8::try_from(place).unwrap_or(u8::MAX))
    }

    /// Hours that it was enabled since the last slice.
    #[must_use]
    pub fn hours(&self) -> f64 {
        std::time::Duration::from_nanos(self.enabled_ns).as_secs_f64() / 3600.0
    }

    /// What was done since the last slice; `None`: it was not enabled.
    pub fn slice(&mut self) -> Option<Slice> {
        let hours = self.hours();
        self.enabled_ns = 0;
        let ways = std::mem::take(&mut self.ways);
        let done = ways.into_iter().map(|((speed, warmth), [forth, back])| {
            let windows = forth.windows + back.windows;
            let both = forth.windows.min(back.windows) > 0;
            let (friction, load) = if both {
                let common = 0.5 * (forth.mean() + back.mean());
                (0.5 * (forth.mean() - back.mean()), Some(bin(common / LOAD_BIN + 0.5)))
            } else {
                (forth.mean() - back.mean(), None)
            };
            let roughness = (forth.roughness + back.roughness) / f64::from(windows.max(1));
            let condition = Condition { speed, load, warmth };
            Done { condition, windows, friction, roughness }
        });
        let done: Vec<Done> = done.collect();
        (hours > 0.0).then_some(Slice { hours, done })
    }
}

/// ⌊value⌋ as a bin.
#[expect(clippy::cast_possible_truncation, reason = "clamped to the range of an i8")]
fn bin(value: f64) -> i8 {
    value.floor().clamp(-128.0, 127.0) as i8
}

#[cfg(test)]
mod tests {
    use super::*;

    /// To and fro at 100 units / s with this friction and load, a second each way.
    fn worked(friction: f64, load: f64, seconds: u64) -> Slice {
        let mut work = Work::default();
        for ms in 0..seconds * 1000 {
            let sign = if ms / 1000 % 2 == 0 { 1.0 } else { -1.0 };
            let noise = if ms % 2 == 0 { 0.01 } else { -0.01 };
            work.take(ms * 1_000_000, 100.0 * sign, friction * sign + load + noise);
        }
        work.slice().unwrap()
    }

    #[test]
    fn friction_is_what_the_directions_differ_by_and_load_what_they_share() {
        let slice = worked(0.08, 0.31, 20);
        let [done] = slice.done[..] else { panic!("{slice:?}") };
        assert!((done.friction - 0.08).abs() < 2e-3, "{done:?}");
        assert!((done.roughness - 0.01).abs() < 1e-3, "{done:?}");
        let condition = Condition { speed: 13, load: Some(3), warmth: None };
        assert_eq!(done.condition, condition);
        assert!((slice.hours * 3600.0 - 20.0).abs() < 0.01 && done.windows > 150, "{slice:?}");
    }

    #[test]
    fn another_speed_load_or_warmth_is_another_condition() {
        let warm = worked(0.08, 0.31, 120);
        assert_eq!(warm.done.len(), 2, "the first minute and what follows: {warm:?}");
        assert_eq!(warm.done[1].condition.warmth, Some(1));
        let light = worked(0.08, 0.1, 20).done[0].condition;
        assert_ne!(light, worked(0.08, 0.31, 20).done[0].condition);
    }

    #[test]
    fn what_accelerates_stands_or_has_gaps_is_no_steady_work() {
        let mut work = Work::default();
        for ms in 0..10_000_u32 {
            work.take(u64::from(ms) * 1_000_000, f64::from(ms % 500), 0.1);
        }
        for ms in 20_000..30_000_u64 {
            work.take(ms * 1_000_000, 0.0, 0.0);
        }
        for n in 0..1000_u64 {
            work.take(40_000_000_000 + n * 200_000_000, 100.0, 0.1);
        }
        let slice = work.slice().unwrap();
        assert!(slice.done.iter().map(|done| done.windows).sum::<u32>() < 5, "{slice:?}");
        assert!((slice.hours * 3600.0 - 20.0).abs() < 0.1, "gaps are no hours: {slice:?}");
        assert_eq!(Work::default().slice(), None);
    }
}
