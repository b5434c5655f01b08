//! The reference clock as the loop sees it: whether what it says can be, and what it will say next.
//!
//! A frame reads the clock between the time it was sent and the time it came back. What lies outside is not the clock that was known: it
//! has stopped, has jumped, or is another one. A few such readings in a row, or as many cycles without any, and the reference is *lost*:
//! nobody follows it, and that is a demand. It is taken up again when its readings agree with each other for long enough, wherever it
//! is then.

/// A reading may be off by this part of the period: way of the frame, and quartzes.
const SLACK_PART: i64 = 8;
/// Quartzes differ by less than this part of the time that passed (1000 ppm; real ones by 100).
const DRIFT_PART: i64 = 1000;
/// Readings in a row that agree with each other before a lost clock is taken up again.
const STEADY: u8 = 32;

/// `a − b` of two clocks that may be anywhere, ns.
pub(crate) fn behind(a: u64, b: u64) -> i64 {
    a.wrapping_sub(b).cast_signed()
}

/// The reference clock of a segment.
#[derive(Clone, Debug)]
pub(crate) struct Reference {
    period_ns: i64,
    /// Clock less local time, ns.
    lag: i64,
    /// `lag` comes from a reading in the cycle, not from bring-up.
    is_known: bool,
    /// When the clock was last read and believed, ns of local time.
    read_at: u64,
    /// Cycles in a row without a reading that can be.
    bad: u8,
    bad_max: u8,
    is_lost: bool,
    /// While lost: the last reading, and how many before it agree with it.
    candidate: Option<i64>,
    steady: u8,
    losses: u64,
    cycles_lost: u64,
}

impl Reference {
    /// `lag`: clock less local time as bring-up found it, ns. Lost after `bad_max` cycles.
    pub(crate) fn new(period_ns: u64, lag: i64, bad_max: u8) -> Self {
        Self {
            period_ns: i64::try_from(period_ns).unwrap_or(i64::MAX).max(1),
            lag,
            is_known: false,
            read_at: 0,
            bad: 0,
            bad_max: bad_max.max(1),
            is_lost: false,
            candidate: None,
            steady: 0,
            losses: 0,
            cycles_lost: 0,
        }
    }

    /// What the clock will say to a frame that is sent at `now`, ns of local time.
    pub(crate) fn expected(&self, now: u64) -> u64 {
        now.wrapping_add_signed(self.lag)
    }

    /// Nobody may follow it.
    pub(crate) fn is_lost(&self) -> bool {
        self.is_lost
    }

    /// How often it was lost, and for how many cycles in all.
    pub(crate) fn losses(&self) -> (u64, u64) {
        (self.losses, self.cycles_lost)
    }

    /// A cycle is over. `clock`: what a frame read that was sent at `now` and was back at `received_at`. Returns the reading if it can
    /// be believed.
    pub(crate) fn cycle(&mut self, now: u64, clock: Option<u64>, received_at: u64) -> Option<u64> {
        if self.is_lost {
            self.cycles_lost = self.cycles_lost.saturating_add(1);
            return clock.filter(|clock| self.is_steady(behind(*clock, now), now));
        }
        let seen = clock.map(|clock| behind(clock, now));
        match seen {
            Some(seen) if !self.is_known => {
                (self.is_known, self.lag, self.read_at, self.bad) = (true, seen, now, 0);
                clock
            }
            Some(seen) if self.can_be(seen, now, received_at) => {
                self.follow(seen, now);
                self.bad = 0;
                clock
            }
            Some(_) | None => {
                self.bad = self.bad.saturating_add(1);
                if self.bad >= self.bad_max {
                    self.is_lost = true;
                    self.losses = self.losses.saturating_add(1);
                    (self.candidate, self.steady) = (None, 0);
                }
                None
            }
        }
    }

    fn can_be(&self, seen: i64, now: u64, received_at: u64) -> bool {
        let silent = behind(now, self.read_at).max(0);
        let slack = self.period_ns / SLACK_PART + silent / DRIFT_PART;
        let way = behind(received_at, now).clamp(0, self.period_ns.saturating_mul(2));
        (-slack..=slack.saturating_add(way)).contains(&seen.wrapping_sub(self.lag))
    }

    fn follow(&mut self, seen: i64, now: u64) {
        let most = behind(now, self.read_at).max(0) / DRIFT_PART;
        // Frames are late by chance and never early: down at once, up no faster than quartzes drift.
        let step = seen.wrapping_sub(self.lag).min(most);
        self.lag = self.lag.wrapping_add(step);
        self.read_at = now;
    }

    /// A lost clock was read: true when it is taken up again.
    fn is_steady(&mut self, seen: i64, now: u64) -> bool {
        let agrees = self.candidate.is_some_and(|before| {
            seen.wrapping_sub(before).unsigned_abs() <= (self.period_ns / SLACK_PART).unsigned_abs()
        });
        self.steady = if agrees { self.steady.saturating_add(1) } else { 0 };
        self.candidate = Some(seen);
        if self.steady < STEADY {
            return false;
        }
        (self.is_lost, self.bad, self.lag, self.read_at) = (false, 0, seen, now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PERIOD: u64 = 1_000_000;

    fn known() -> Reference {
        let mut reference = Reference::new(PERIOD, 0, 3);
        assert_eq!(reference.cycle(1_000_000, Some(7_000_000), 1_050_000), Some(7_000_000));
        reference
    }

    #[test]
    fn a_clock_that_stops_is_lost_after_the_declared_cycles() {
        let mut reference = known();
        for cycle in 2..=4 {
            let now = cycle * PERIOD;
            assert_eq!(reference.cycle(now, Some(7_000_000), now + 50_000), None);
            assert_eq!(reference.is_lost(), cycle == 4, "cycle {cycle}");
        }
        // It stands for an hour of cycles: its readings never agree with each other.
        for cycle in 5..3_600 {
            let now = cycle * PERIOD;
            assert_eq!(reference.cycle(now, Some(7_000_000), now + 50_000), None);
        }
        assert_eq!(reference.losses(), (1, 3_595));
        // It runs again, from where it stood.
        let mut back = None;
        for cycle in 3_600..3_700_u64 {
            let now = cycle * PERIOD;
            let clock = now - 3_500 * PERIOD;
            if reference.cycle(now, Some(clock), now + 50_000) == Some(clock) {
                back = back.or(Some(cycle));
            }
        }
        assert_eq!(back, Some(3_600 + u64::from(STEADY)));
        assert!(!reference.is_lost());
    }

    #[test]
    fn a_clock_that_jumps_is_lost_and_taken_up_where_it_is() {
        for jump in [-400_000_000_000_i64, -200_000, 700_000, 5_000_000_000_000] {
            let mut reference = known();
            let mut lost_at = None;
            for cycle in 2..100_u64 {
                let now = cycle * PERIOD;
                let clock = (now + 6_000_000).wrapping_add_signed(jump);
                let believed = reference.cycle(now, Some(clock), now + 50_000);
                lost_at = lost_at.or(reference.is_lost().then_some(cycle));
                assert!(believed.is_none_or(|believed| believed == clock && cycle > 30));
            }
            assert_eq!((lost_at, reference.is_lost()), (Some(4), false), "jump {jump}");
            assert_eq!(reference.losses().0, 1);
        }
    }

    #[test]
    fn a_clock_that_is_not_read_is_lost_and_its_time_goes_on() {
        let mut reference = known();
        for cycle in 2..=4 {
            assert_eq!(reference.cycle(cycle * PERIOD, None, cycle * PERIOD), None);
        }
        assert!(reference.is_lost());
        assert_eq!(reference.expected(9_000_000), 15_000_000);
    }

    proptest! {
        #[test]
        fn a_clock_that_drifts_is_never_lost_however_late_frames_are_sent(
            ppm in -200_i64..=200,
            way in proptest::collection::vec((0_u64..400_000, 0_u8..12), 100..600),
        ) {
            let mut reference = known();
            let (mut now, mut gaps) = (1_000_000_u64, 0);
            for (late, fate) in way {
                now += PERIOD;
                let arrived = now + late;
                let gained = i64::try_from(arrived - 1_000_000).unwrap() * ppm / 1_000_000;
                let clock = (arrived + 6_000_000).wrapping_add_signed(gained);
                // One reading in twelve is missing, but never three in a row.
                let read = fate != 0 || gaps == 2;
                gaps = if read { 0 } else { gaps + 1 };
                let believed = reference.cycle(now, read.then_some(clock), arrived + 20_000);
                prop_assert_eq!(believed, read.then_some(clock));
                prop_assert!(!reference.is_lost());
            }
        }
    }
}
