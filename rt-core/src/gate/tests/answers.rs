//! What the gate says of itself, and what it writes: people, the trip's record and the controlled end go by it.

use super::*;
use crate::SignalId;
use crate::plan::{BrakePlan, OutputPlan, OutputSource};

#[test]
fn what_it_says_of_a_group_is_true_of_that_group_alone() {
    let (first, second) = (GroupId(0), GroupId(1));
    let mut bench = Bench::new();
    assert!(!bench.gate.all_permitted(), "it comes up");
    for _ in 0..3 {
        bench.cycle(|_, track| Nano(track.position));
    }
    assert!(bench.gate.all_permitted());
    bench.stop(0, Reaction::Stop2);
    bench.cycle(|_, track| Nano(track.position));
    assert!(!bench.gate.all_permitted(), "all but one are not all");
    assert!(!bench.gate.is_lost(first) && !bench.gate.is_lost(second));
    bench.facts[2].view.enabled = false;
    bench.cycle(|_, track| Nano(track.position));
    assert!(!bench.gate.is_lost(first) && bench.gate.is_lost(second));
    assert!(!bench.gate.is_lost(GroupId(9)), "nor one that does not exist");
}

#[test]
fn it_is_off_when_no_group_has_power_or_a_way_to_go() {
    let mut bench = Bench::permitted();
    assert!(Gate::new(&machine_plan()).unwrap().is_off());
    assert!(!bench.gate.is_off(), "at rest, but with power");
    bench.speed_up(60);
    bench.stop(0, Reaction::Stop0);
    bench.stop(1, Reaction::Stop0);
    let mut ramped_without_power = 0;
    for _ in 0..200 {
        bench.cycle(|_, _| Nano(0));
        let power = [0, 1].map(|group| bench.gate.power(GroupId(group)));
        let ramping = bench.gate.is_ramping(GroupId(0));
        assert_eq!(bench.gate.is_off(), power == [Power::Off; 2] && !ramping);
        ramped_without_power += u32::from(power == [Power::Off; 2] && ramping);
    }
    assert!(ramped_without_power > 10, "power goes before the ramp is over");
    assert!(bench.gate.is_off());
}

/// One axis with a brake on an output, a pump that the program switches and its brake as a signal of its own.
const PUMP: SignalId = SignalId(50);
const RELEASE: SignalId = SignalId(51);
const SHOWN: SignalId = SignalId(52);
/// An air jet that an inspection works.
const JET: SignalId = SignalId(53);

fn with_outputs() -> MachinePlan {
    let mut plan = machine_plan();
    let ms = 1_000_000;
    plan.axes[0].brake =
        Some(BrakePlan { release: Some(RELEASE), engage_ns: 20 * ms, release_ns: 5 * ms });
    let output = |signal, source| OutputPlan { signal, safe: 0, hold: false, group: None, source };
    plan.outputs = Box::new([
        output(PUMP, OutputSource::Program),
        output(SHOWN, OutputSource::Brake(AxisId(0))),
        output(JET, OutputSource::Inspection),
    ]);
    plan
}

/// What `bench` would write now, of these signals.
fn written<const N: usize>(
    bench: &mut Bench,
    plan: &MachinePlan,
    of: [SignalId; N],
) -> [Option<i64>; N] {
    let mut axes: Vec<Axis> =
        plan.axes.iter().map(|axis| Axis::new(axis, plan.period_ns)).collect();
    let mut signals = Signals::new(60);
    let allowed = Allowed {
        machine: bench.machine,
        ending: false,
        demands: &bench.demands,
        facts: &bench.facts,
    };
    bench.gate.write(&mut axes, &allowed, &mut signals, bench.now);
    of.map(|signal| signals.good(signal))
}

#[test]
// SR-023
fn a_brake_is_let_go_only_with_power_and_a_drive_that_holds_or_stops_by_itself() {
    let plan = with_outputs();
    let brakes = [RELEASE, SHOWN];
    let mut bench = Bench::with(&plan);
    bench.facts[0].view.enabled = false;
    assert_eq!(written(&mut bench, &plan, brakes), [Some(0); 2], "it comes up");
    bench.facts[0].view.enabled = true;
    assert_eq!(written(&mut bench, &plan, brakes), [Some(0); 2], "the power is not moved yet");
    for _ in 0..10 {
        bench.cycle(|_, track| Nano(track.position));
    }
    for (enabled, quick_stopping, free) in
        [(true, false, 1), (false, true, 1), (true, true, 1), (false, false, 0)]
    {
        bench.facts[0].view.enabled = enabled;
        bench.facts[0].quick_stopping = quick_stopping;
        assert_eq!(written(&mut bench, &plan, brakes), [Some(free); 2]);
    }
    bench.facts[0].view.enabled = true;
    bench.stop(0, Reaction::Stop0);
    bench.cycle(|_, track| Nano(track.position));
    assert_eq!(written(&mut bench, &plan, brakes), [Some(0); 2], "another group has its power");
}

#[test]
// SR-025
fn an_output_that_interlocks_hold_is_safe_whatever_the_program_asks() {
    let plan = with_outputs();
    let mut bench = Bench::with(&plan);
    assert!(bench.gate.ask_output(PUMP, 1));
    assert_eq!(written(&mut bench, &plan, [PUMP]), [Some(1)]);
    bench.gate.hold_outputs(&[OutputDemand { signal: PUMP, safe: true, lamp: false }]);
    assert_eq!(written(&mut bench, &plan, [PUMP]), [Some(0)]);
    assert!(!bench.gate.ask_output(SHOWN, 1), "a brake is not the program's");
}

#[test]
// SR-093
fn an_ejector_is_driven_by_its_inspection_and_held_by_interlocks_as_any_output() {
    let plan = with_outputs();
    let mut bench = Bench::with(&plan);
    assert!(!bench.gate.ask_output(JET, 1), "it is not the program's");
    bench.gate.drive_output(JET, true);
    assert_eq!(written(&mut bench, &plan, [JET]), [Some(1)]);
    bench.gate.drive_output(JET, false);
    assert_eq!(written(&mut bench, &plan, [JET]), [Some(0)]);
    bench.gate.drive_output(JET, true);
    bench.gate.hold_outputs(&[OutputDemand { signal: JET, safe: true, lamp: false }]);
    assert_eq!(written(&mut bench, &plan, [JET]), [Some(0)]);
}

#[test]
fn a_reset_sends_a_drive_with_a_fault_an_edge_and_nothing_else_does() {
    let plan = machine_plan();
    let to = plan.axes[0].signals;
    let mut bench = Bench::permitted();
    let mut axes: Vec<Axis> =
        plan.axes.iter().map(|axis| Axis::new(axis, plan.period_ns)).collect();
    let mut signals = Signals::new(60);
    signals.set(to.statusword, 0x08, 1);
    signals.set(to.actual_position, 0, 1);
    axes[0].sense(&signals, 1);
    let mut resets = |bench: &mut Bench| {
        let (demands, facts) = (&bench.demands, &bench.facts);
        let allowed = Allowed { machine: bench.machine, ending: false, demands, facts };
        bench.gate.write(&mut axes, &allowed, &mut signals, bench.now);
        signals.good(to.controlword).unwrap() & 0x80 != 0
    };
    assert!(!resets(&mut bench));
    bench.gate.reset_faults();
    let edges: Vec<bool> = (0..50).map(|_| resets(&mut bench)).collect();
    assert!(edges.contains(&true));
    assert!(!edges[49], "and it ends");
}

#[test]
fn a_drive_without_a_mode_object_and_an_axis_that_is_not_there_are_written_no_mode() {
    let mut plan = machine_plan();
    let mode = plan.axes[0].signals.mode.take();
    let other = plan.axes[1].signals.mode;
    let mut bench = Bench::with(&plan);
    let of = [mode, other].map(|signal| signal.unwrap());
    assert_eq!(written(&mut bench, &plan, of), [None, Some(MODE_CSP)]);
    plan.axes = Box::default();
    bench.gate.commanded(&mut []);
    assert_eq!(written(&mut bench, &plan, of), [None, None]);
}

#[test]
fn a_speed_limit_that_changes_by_less_than_an_eighth_is_not_told_again() {
    let mut bench = Bench::permitted();
    let mut told = |limits: &[i64]| -> Vec<i64> {
        bench.kept = Kept::default();
        for limit in limits {
            bench.demands[0].speed_advised = Nano(*limit);
            bench.cycle(|_, track| Nano(track.position));
        }
        let of = |event: Event| match event {
            Event::SpeedLimit { limit, .. } => Some(limit.0),
            _ => None,
        };
        bench.kept.events().into_iter().filter_map(of).collect()
    };
    assert_eq!(told(&[800, 800, 899, 701, 800]), [800], "each is near to what was told last");
    assert_eq!(told(&[900]), [900]);
    assert_eq!(told(&[788]), [788], "an eighth of 900, rounded down, is 112");
    assert_eq!(told(&[691, 885]), [], "an eighth of 788 is 98");
    assert_eq!(told(&[690]), [690]);
    assert_eq!(told(&[i64::MAX, i64::MAX, 690]), [i64::MAX, 690], "none at all is no small step");
}

#[test]
fn what_was_sent_to_an_endless_axis_goes_through_the_wrap_with_it() {
    let plan = machine_plan();
    let mut axes: Vec<Axis> =
        plan.axes.iter().map(|axis| Axis::new(axis, plan.period_ns)).collect();
    let mut bench = Bench::permitted();
    let belt = plan.axes[2].signals;
    let mut see = |counts: i64| {
        let mut signals = Signals::new(60);
        signals.set(belt.statusword, 0x1027, 1);
        signals.set(belt.actual_position, counts, 1);
        axes[2].sense(&signals, 1);
        bench.gate.rebase(&axes);
        [0, 2].map(|axis| bench.track(axis).position)
    };
    let before = see(9_990_000);
    assert_eq!(see(9_995_000), before);
    assert_eq!(see(10_005_000), [before[0], before[1] - 1000 * MM], "it wraps at 1000 mm");
    assert_eq!(see(9_995_000), before, "and back");
}
