//! Does an axis slow down as its stop says? If not, the stop is not happening, and a stronger one must follow.
//!
//! The speed is the gate's own: the way of the encoder over the last [`WINDOW`] cycles, integers, no model. The envelope is a line over
//! time: at the start of the stop the larger of commanded and actual speed, held for as long as an answer takes, then falling as the
//! stop does, and a margin on top of it. Once the stop is over, the margin shrinks to what counts as standing: an axis that creeps, or
//! begins to move later, is found too.

use crate::plan::{AxisPlan, StopWay};
use twin_lite::{Nano, taped};

/// Cycles over which a speed is measured.
const WINDOW: usize = 8;
/// From the command to the frame, from the frame to its inputs: cycles.
const ROUND_TRIP: u64 = 3;
/// After the stop, the margin shrinks over this time, ns.
const SETTLE_NS: u64 = 300_000_000;
/// What counts as standing, as a part of the margin.
const CREEP: i64 = 8;

/// What was seen of an axis: its own positions of the last cycles.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    /// Oldest first.
    positions: [i64; WINDOW],
    known: usize,
}

taped!(Seen { positions, known });

impl Seen {
    /// One more cycle: where the axis is; `None`: not known, and nothing before counts any more.
    pub fn take(&mut self, position: Option<Nano>) {
        let Some(position) = position else {
            *self = Self::default();
            return;
        };
        self.positions.rotate_left(1);
        let [.., newest] = &mut self.positions;
        *newest = position.0;
        self.known = (self.known + 1).min(WINDOW);
    }

    /// Positions are counted from elsewhere.
    pub fn shift(&mut self, by: i64) {
        for position in &mut self.positions {
            *position = position.saturating_add(by);
        }
    }

    /// Speed over the window, per cycle, rounded down; `None`: not known (yet).
    #[must_use]
    pub fn speed(&self) -> Option<i64> {
        if self.known < WINDOW {
            return None;
        }
        let [oldest, .., newest] = self.positions;
        let way = i128::from(newest) - i128::from(oldest);
        i64::try_from(way.abs() / 7).ok()
    }
}

const _: () = assert!(WINDOW == 8, "speed() divides by the intervals of the window");

/// What the stop of an axis must look like.
#[derive(Clone, Copy, Debug)]
pub struct EnvelopePlan {
    /// Per cycle.
    margin: i64,
    /// What is left of the margin in the end, per cycle.
    creep: i64,
    /// The margin shrinks by this a cycle.
    shrink: i64,
    /// Cycles from a command until the measured speed can show its effect.
    lag: u32,
    /// Cycles beyond the envelope in a row.
    patience: u32,
    /// Of the drive's quick stop, per cycle².
    quick: i64,
}

impl EnvelopePlan {
    /// Of `axis` in a loop of `period_ns`.
    #[must_use]
    pub fn new(axis: &AxisPlan, period_ns: u64) -> Self {
        let period = i128::from(period_ns.max(1));
        let per_cycle = |value: Nano, order: u32| {
            let scaled =
                (0..order).fold(i128::from(value.0), |value, _| value * period / 1_000_000_000);
            i64::try_from(scaled).unwrap_or(i64::MAX).max(1)
        };
        let cycles = |ns: u64| ns.div_ceil(period_ns.max(1));
        let margin = per_cycle(axis.stop.envelope, 1).max(CREEP);
        let creep = margin / CREEP;
        let settle = i64::try_from(cycles(SETTLE_NS)).unwrap_or(i64::MAX);
        let window = u64::try_from(WINDOW).unwrap_or(u64::MAX);
        let lag = cycles(axis.model.response_ns).saturating_add(ROUND_TRIP + window);
        Self {
            margin,
            creep,
            shrink: ((margin - creep) / settle.max(1)).max(1),
            lag: u32::try_from(lag).unwrap_or(u32::MAX),
            patience: u32::try_from(cycles(axis.stop.escalate_ns)).unwrap_or(u32::MAX).max(3),
            quick: per_cycle(axis.stop.quick_stop_deceleration, 2),
        }
    }

    /// Cycles from the begin of a stop that does nothing until it is found, at `speed` and slowing by `fall` a cycle.
    #[must_use]
    pub fn found_after(&self, fall: i64) -> i64 {
        let over = self.margin / fall.max(1) + 1;
        i64::from(self.lag).saturating_add(over).saturating_add(i64::from(self.patience))
    }
}

/// The stop of one axis as it must look, and how long it has not.
#[derive(Clone, Copy, Debug, Default)]
pub struct Envelope {
    /// Of the stop, without the margin, per cycle.
    speed: i64,
    fall: i64,
    margin: i64,
    lag: u32,
    beyond: u32,
}

taped!(Envelope { speed, fall, margin, lag, beyond });

impl Envelope {
    /// A stop begins: at `commanded` and `actual` speed (per cycle; `None`: not known), on this way. `fall`: what a ramp takes a cycle.
    #[must_use]
    pub fn begin(
        plan: &EnvelopePlan,
        way: StopWay,
        commanded: i64,
        actual: Option<i64>,
        fall: i64,
    ) -> Self {
        let fall = match way {
            StopWay::Ramp => fall.max(1),
            StopWay::QuickStop | StopWay::ConnectionLost | StopWay::PowerRemoval => plan.quick,
        };
        let speed = commanded.saturating_abs().max(actual.unwrap_or(0));
        Self { speed, fall, margin: plan.margin, lag: plan.lag, beyond: 0 }
    }

    /// What the axis may be at most in this cycle, per cycle.
    #[must_use]
    pub fn allowed(&self) -> i64 {
        self.speed.saturating_add(self.margin)
    }

    /// One cycle: `actual` is the speed that was measured (`None`: not known, which is no better). True: the stop is not happening.
    #[must_use]
    pub fn escalates(&mut self, plan: &EnvelopePlan, actual: Option<i64>) -> bool {
        let within = actual.is_some_and(|speed| speed <= self.allowed());
        self.beyond = if within { 0 } else { self.beyond.saturating_add(1) };
        if self.lag > 0 {
            self.lag -= 1;
        } else if self.speed > 0 {
            self.speed = self.speed.saturating_sub(self.fall).max(0);
        } else {
            self.margin = self.margin.saturating_sub(plan.shrink).max(plan.creep);
        }
        self.beyond >= plan.patience
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::testing::axis_plan;

    /// 50 mm/s of margin, 4 ms response, 20 ms of patience at 1 ms.
    fn plan() -> EnvelopePlan {
        EnvelopePlan::new(&axis_plan(0), 1_000_000)
    }

    const MM_S: i64 = 1_000_000;

    /// Cycles until it escalates when the axis is as fast as `actual(cycle)`; at most 2000.
    fn found(mut envelope: Envelope, actual: impl Fn(i64) -> Option<i64>) -> Option<i64> {
        (0..2000).find(|n| envelope.escalates(&plan(), actual(*n)))
    }

    #[test]
    fn an_axis_that_slows_as_told_is_left_alone_for_ever() {
        let ramp = |n: i64| Some((500 * MM_S - (n - 6).max(0) * 10 * MM_S).max(0));
        let envelope =
            Envelope::begin(&plan(), StopWay::Ramp, 500 * MM_S, Some(480 * MM_S), 10 * MM_S);
        assert_eq!(found(envelope, ramp), None);
    }

    #[test]
    fn an_axis_that_runs_on_is_found_within_the_time_that_is_said() {
        for fall in [MM_S, 10 * MM_S, 40 * MM_S] {
            let envelope =
                Envelope::begin(&plan(), StopWay::Ramp, 500 * MM_S, Some(500 * MM_S), fall);
            let cycles = found(envelope, |_| Some(500 * MM_S)).unwrap();
            assert!(cycles <= plan().found_after(fall), "{cycles} > {}", plan().found_after(fall));
            assert!(cycles >= 20, "an answer takes its time");
        }
        // 4 ms response, 3 cycles round trip, 8 of the window, 50 ÷ 10 + 1 over the margin, 20 of patience.
        assert_eq!(plan().found_after(10 * MM_S), 41);
    }

    #[test]
    fn an_axis_that_is_not_known_is_no_better_than_one_that_runs_on() {
        let envelope = Envelope::begin(&plan(), StopWay::Ramp, 0, None, 1);
        assert_eq!(found(envelope, |_| None), Some(19), "after 20 cycles");
    }

    #[test]
    fn an_axis_that_creeps_or_moves_off_later_is_found() {
        let rest = || Envelope::begin(&plan(), StopWay::Ramp, 0, Some(0), 1);
        // An eighth of the margin is left in the end: 6.25 mm/s.
        assert_eq!(found(rest(), |_| Some(6 * MM_S)), None);
        let creeping = found(rest(), |_| Some(7 * MM_S)).unwrap();
        assert!((300..400).contains(&creeping), "{creeping}");
        let later = found(rest(), |n| Some(if n < 1000 { 0 } else { 40 * MM_S })).unwrap();
        assert_eq!(later, 1000 + 19);
    }

    #[test]
    fn a_quick_stop_is_judged_by_its_own_deceleration() {
        // 20 000 mm/s²: 20 mm/s a cycle.
        let envelope =
            Envelope::begin(&plan(), StopWay::QuickStop, 0, Some(500 * MM_S), 999 * MM_S);
        let slow = |n: i64| Some((500 * MM_S - (n - 6).max(0) * 10 * MM_S).max(0));
        assert!(found(envelope, slow).is_some(), "half of it is not enough");
        let quick = |n: i64| Some((500 * MM_S - (n - 6).max(0) * 20 * MM_S).max(0));
        assert_eq!(found(envelope, quick), None);
    }

    #[test]
    fn one_cycle_beyond_is_forgiven() {
        let envelope = Envelope::begin(&plan(), StopWay::Ramp, 0, Some(0), 1);
        let spikes = |n: i64| Some(if n % 20 == 0 { 0 } else { 900 * MM_S });
        assert_eq!(found(envelope, spikes), None);
        let spikes = |n: i64| Some(if n % 21 == 0 { 0 } else { 900 * MM_S });
        assert_eq!(found(envelope, spikes), Some(20));
    }

    #[test]
    fn the_speed_is_the_way_over_the_window_and_is_not_known_before() {
        let mut seen = Seen::default();
        for n in 0..7 {
            seen.take(Some(Nano(n * -70)));
            assert_eq!(seen.speed(), None);
        }
        seen.take(Some(Nano(-490)));
        assert_eq!(seen.speed(), Some(70));
        seen.shift(1_000_000);
        assert_eq!(seen.speed(), Some(70), "a new origin is no motion");
        seen.take(Some(Nano(1_000_000 - 490)));
        assert_eq!(seen.speed(), Some(60));
        seen.take(None);
        assert_eq!(seen.speed(), None);
    }
}
