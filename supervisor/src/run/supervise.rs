//! When a run ends: the time is over, somebody asks, or the bus is gone.

use super::end::{BUS_GRACE_NS, End, SHUTDOWN_MAX_NS, Why};
use crate::stats::Statistics;

/// From SafeOp until every device is in Op, at most, ns. Devices may take their time with distributed clocks.
const OPERATIONAL_MAX_NS: u64 = 60_000_000_000;
/// The loop gives up a controlled end by itself; this much later the run does, ns.
const PATIENCE_NS: u64 = 2_000_000_000;

/// Watches a run.
#[derive(Clone, Debug)]
pub(super) struct Supervise {
    started_at: u64,
    duration_ns: Option<u64>,
    /// A bus that was operational may be faulted for so long without a break.
    bus_patience_ns: u64,
    asked: Option<(u64, End)>,
}

impl Supervise {
    /// From `started_at` on, for so long.
    pub(super) fn new(started_at: u64, duration_ns: Option<u64>) -> Self {
        Self { started_at, duration_ns, bus_patience_ns: BUS_GRACE_NS, asked: None }
    }

    /// Once it was operational, the bus may be faulted for so long.
    pub(super) fn waiting_for_devices(self, bus_patience_ns: u64) -> Self {
        Self { bus_patience_ns, ..self }
    }

    /// Looks at the run at `now`. True: the controlled end is asked for.
    pub(super) fn look(&mut self, statistics: &Statistics, interrupted: bool, now: u64) -> bool {
        if self.asked.is_none()
            && let Some(why) = self.why(statistics, interrupted, now)
        {
            self.asked = Some((now, End::asked(why, statistics)));
        }
        self.asked.is_some()
    }

    fn why(&self, statistics: &Statistics, interrupted: bool, now: u64) -> Option<Why> {
        let elapsed = now.saturating_sub(self.started_at);
        let was_operational = statistics.was_operational;
        let patience_ns = if was_operational { self.bus_patience_ns } else { BUS_GRACE_NS };
        let faulted = statistics.bus_faulted_since.map(|since| now.saturating_sub(since));
        if interrupted {
            Some(Why::Interrupted)
        } else if faulted.is_some_and(|faulted| faulted > patience_ns)
            || (!statistics.was_operational && elapsed > OPERATIONAL_MAX_NS)
        {
            Some(Why::Bus)
        } else if self.duration_ns.is_some_and(|duration| elapsed >= duration) {
            Some(Why::Completed)
        } else {
            None
        }
    }

    /// The controlled end takes too long: leave the loop as it is.
    pub(super) fn out_of_patience(&self, now: u64) -> bool {
        self.asked.as_ref().is_some_and(|(since, _)| {
            now.saturating_sub(*since) > SHUTDOWN_MAX_NS.saturating_add(PATIENCE_NS)
        })
    }

    /// How it ended; a loop that ended without being asked did so by itself.
    pub(super) fn end(self, statistics: &Statistics) -> End {
        match self.asked {
            Some((_, end)) if end.why == Why::Completed && self_bus_lost(statistics) => {
                End { why: Why::Bus, ..end }
            }
            Some((_, end)) => end,
            None => End::asked(Why::Loop, statistics),
        }
    }
}

/// The bus never came up, or was faulted when the time was over.
fn self_bus_lost(statistics: &Statistics) -> bool {
    !statistics.was_operational || statistics.bus_faulted_since.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn well() -> Statistics {
        let mut statistics = Statistics::new(vec![]);
        statistics.was_operational = true;
        statistics
    }

    #[test]
    fn a_run_ends_when_its_time_is_over_and_not_before() {
        let mut supervise = Supervise::new(SECOND, Some(SECOND));
        assert!(!supervise.look(&well(), false, 2 * SECOND - 1));
        assert!(supervise.look(&well(), false, 2 * SECOND));
        assert!(!supervise.out_of_patience(13 * SECOND));
        assert!(supervise.out_of_patience(15 * SECOND));
        assert_eq!(supervise.end(&well()).why, Why::Completed);
    }

    #[test]
    fn a_device_that_is_missing_is_waited_for_as_long_as_the_file_says_once_the_bus_was_there() {
        let mut lost = well();
        lost.bus_faulted_since = Some(5 * SECOND);
        let mut supervise = Supervise::new(SECOND, None).waiting_for_devices(30 * SECOND);
        assert!(!supervise.look(&lost, false, 35 * SECOND));
        assert!(supervise.look(&lost, false, 36 * SECOND));
        lost.was_operational = false;
        let mut supervise = Supervise::new(SECOND, None).waiting_for_devices(30 * SECOND);
        assert!(supervise.look(&lost, false, 8 * SECOND), "it never was there");
    }

    #[test]
    fn somebody_may_end_it_at_any_time() {
        let mut supervise = Supervise::new(SECOND, None);
        assert!(!supervise.look(&well(), false, 1000 * SECOND));
        assert!(supervise.look(&well(), true, 1000 * SECOND));
        assert_eq!(supervise.end(&well()).why, Why::Interrupted);
    }

    #[test]
    fn a_bus_that_stays_away_ends_the_run_and_one_that_comes_back_does_not() {
        let mut supervise = Supervise::new(SECOND, None);
        let mut statistics = well();
        statistics.bus_faulted_since = Some(10 * SECOND);
        assert!(!supervise.look(&statistics, false, 12 * SECOND));
        statistics.bus_faulted_since = None;
        assert!(!supervise.look(&statistics, false, 13 * SECOND));
        statistics.bus_faulted_since = Some(20 * SECOND);
        assert!(supervise.look(&statistics, false, 22 * SECOND + 1));
        assert_eq!(supervise.end(&statistics).why, Why::Bus);
    }

    #[test]
    fn a_bus_that_never_came_up_is_no_completed_run() {
        let mut supervise = Supervise::new(SECOND, Some(SECOND));
        let never = Statistics::new(vec![]);
        assert!(supervise.look(&never, false, 3 * SECOND));
        assert_eq!(supervise.end(&never).why, Why::Bus);
        let mut patient = Supervise::new(SECOND, None);
        assert!(!patient.look(&never, false, 60 * SECOND));
        assert!(patient.look(&never, false, 62 * SECOND));
    }

    #[test]
    fn a_loop_that_nobody_ended_ended_by_itself() {
        assert_eq!(Supervise::new(SECOND, None).end(&well()).why, Why::Loop);
    }
}
