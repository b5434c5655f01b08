//! A running machine whose loop is late.

use super::*;
use crate::plan::{InterlockId, OverrunLimit};

/// The cell with an interlock on overruns, its last.
fn plan_with(limit: OverrunLimit) -> (MachinePlan, InterlockId) {
    let mut plan = plan();
    plan.overrun.demand = Some(limit);
    let mut rows = core::mem::take(&mut plan.interlocks).into_vec();
    let number = u16::try_from(rows.len()).unwrap();
    rows.push(interlock(Cause::Overrun, &[0, 1], Reaction::Stop1, true));
    plan.interlocks = rows.into_boxed_slice();
    (plan, InterlockId(number))
}

#[test]
fn a_freeze_of_three_and_a_half_seconds_takes_a_running_machine_to_its_safe_state_at_once() {
    let (plan, late) = plan_with(OverrunLimit { count: 5, cycles: 100 });
    let mut bench = Bench::running(plan);
    bench.until_fast(300.0);
    let before = bench.kept.events().len();
    bench.skipped = 3_500;
    bench.cycle();
    let events = bench.kept.events().split_off(before);
    assert_eq!(events[0], Event::Overrun { missed: 3_500 });
    assert!(events.contains(&Event::Demand { interlock: late }), "{events:?}");
    let trips = events.iter().filter(
        |event| matches!(event, Event::Trip { cause, .. } if *cause == SafeCause::Interlock(late)),
    );
    assert_eq!(trips.count(), 2, "both groups, in the same cycle: {events:?}");
    assert_eq!(bench.machine(), MachineState::Safe);
    bench.cycles(600);
    assert_eq!(bench.enabled(), [false; 3], "stop category 1 ends without power");
    let events = bench.kept.events();
    let overruns = events.iter().filter(|event| matches!(event, Event::Overrun { .. }));
    assert_eq!(overruns.count(), 1, "one event, not one a cycle");
    bench.no_violation();
}

#[test]
fn it_stops_after_n_of_m_and_not_before() {
    let (plan, late) = plan_with(OverrunLimit { count: 2, cycles: 100 });
    let mut bench = Bench::running(plan);
    bench.until_fast(300.0);
    for _ in 0..2 {
        bench.skipped = 1;
        bench.cycles(10);
    }
    assert_eq!(bench.machine(), MachineState::Run, "two of a hundred are allowed");
    bench.skipped = 1;
    bench.cycle();
    assert_eq!(bench.machine(), MachineState::Safe, "three are not");
    assert!(bench.kept.events().contains(&Event::Demand { interlock: late }));
}

// SR-036
#[test]
fn after_missed_cycles_targets_go_on_where_they_were_without_a_leap() {
    let mut bench = Bench::running(plan());
    bench.until_fast(300.0);
    // Counts of axis 0: what its limits let a target move in a period, and change that by; 10 000 counts a mm.
    let (fastest, change) = (1000 * 10_000 / 1000, 5000 * 10_000 / 1_000_000);
    let target = |bench: &Bench| bench.signals.get(SignalId(11)).value;
    let mut before = target(&bench);
    bench.cycle();
    let mut step = target(&bench) - before;
    before += step;
    for skipped in [1, 2, 3, 0, 40, 1, 1, 1, 0, 0, 3] {
        bench.skipped = skipped;
        bench.cycle();
        let next = target(&bench) - before;
        assert!(next.abs() <= fastest, "{skipped} missed: {next} counts at once");
        let changed = (next - step).abs();
        assert!(changed <= change + 2, "{skipped} missed: {step} counts, then {next}");
        (before, step) = (before + next, next);
    }
    assert!(step.abs() > 100, "it went on: {step}");
    assert_eq!(bench.machine(), MachineState::Run);
    bench.no_violation();
}
