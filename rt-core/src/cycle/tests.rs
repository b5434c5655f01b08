use super::*;

const PERIOD: u64 = 1_000;

proptest::proptest! {
    /// Wake-ups and ends at any time: late by parts and by many periods, over by parts and by many periods.
    #[test]
    fn the_phase_is_kept_nothing_comes_in_a_burst_and_every_period_is_accounted_for(
        delays in proptest::collection::vec((0_u64..3 * PERIOD, 0_u64..3 * PERIOD, 0_u8..20), 1..300),
    ) {
        let first = 17_777;
        let mut schedule = Schedule::new(first, PERIOD);
        let mut now = first - PERIOD;
        let (mut cycles, mut skipped_sum, mut last_due) = (0_u64, 0_u64, None);
        for (late, work, freeze) in delays {
            proptest::prop_assert!(schedule.next() > now || cycles == 0, "the next is in the future");
            proptest::prop_assert_eq!((schedule.next() - first) % PERIOD, 0, "the phase is kept");
            now = now.max(schedule.next()) + if freeze == 0 { 1000 * PERIOD } else { late };
            let (latency, skipped) = schedule.woke(now);
            let due = now - latency;
            proptest::prop_assert!(latency < PERIOD);
            proptest::prop_assert_eq!((due - first) % PERIOD, 0);
            proptest::prop_assert!(last_due.is_none_or(|last| due >= last + PERIOD), "no burst");
            last_due = Some(due);
            cycles += 1;
            skipped_sum += u64::from(skipped);
            proptest::prop_assert_eq!(cycles + skipped_sum, (due - first) / PERIOD + 1);
            now += work;
            schedule.ended(now);
        }
        let due = last_due.unwrap();
        proptest::prop_assert_eq!(cycles + schedule.missed(), (schedule.next() - first) / PERIOD);
        proptest::prop_assert!(schedule.next() > due);
    }
}

#[test]
fn a_cycle_that_ends_exactly_when_the_next_is_due_is_an_overrun() {
    let mut schedule = Schedule::new(PERIOD, PERIOD);
    assert_eq!(schedule.woke(PERIOD), (0, 0));
    schedule.ended(2 * PERIOD - 1);
    assert_eq!((schedule.overruns(), schedule.missed(), schedule.next()), (0, 0, 2 * PERIOD));
    schedule.woke(2 * PERIOD);
    schedule.ended(3 * PERIOD);
    assert_eq!((schedule.overruns(), schedule.missed(), schedule.next()), (1, 1, 4 * PERIOD));
    assert_eq!(schedule.woke(4 * PERIOD), (0, 1), "and the next cycle is told");
}

#[test]
fn a_wake_up_that_is_early_by_a_clock_that_stepped_is_not_late() {
    let mut schedule = Schedule::new(5 * PERIOD, PERIOD);
    assert_eq!(schedule.woke(4 * PERIOD), (0, 0));
}
