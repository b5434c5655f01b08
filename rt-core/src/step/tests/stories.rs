//! What a day brings: each story through the whole core.

use super::*;
use crate::plan::StopWay;

#[test]
fn it_homes_runs_is_stopped_and_goes_on_only_after_reset_and_start() {
    let mut bench = Bench::running(plan());
    bench.until_fast(300.0);
    assert_eq!((bench.signals.get(PUMP).value, bench.signals.get(LAMP).value), (1, 1));
    let tripped_at = bench.now;
    bench.set(ESTOP_A, 0);
    bench.set(ESTOP_B, 0);
    bench.cycle();
    assert_eq!((bench.signals.get(PUMP).value, bench.signals.get(LAMP).value), (0, 0));
    bench.cycles(400);
    assert_eq!(bench.enabled(), [false; 3], "stop category 1 ends without power");
    let events = bench.kept.events();
    let trips: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::Trip { cause, group, reaction, input_at, .. } => {
                Some((*cause, group.0, *reaction, *input_at))
            }
            _ => None,
        })
        .collect();
    let cause = SafeCause::Interlock(InterlockId(ESTOP));
    let trip = |group| (cause, group, Reaction::Stop1, tripped_at);
    assert_eq!(trips, [trip(0), trip(1)]);
    let mut stops = 0;
    for event in &events {
        if let Event::Stopped { distance, predicted, group, .. } = event {
            assert!(distance <= predicted, "{event:?}");
            assert!(distance.0 > MM, "group {group:?} moved when it tripped");
            stops += 1;
        }
    }
    assert_eq!(stops, 2);

    bench.press(START);
    bench.press(RESET);
    assert_eq!(bench.machine(), MachineState::Safe, "the emergency stop is still pressed");
    bench.set(ESTOP_A, 1);
    bench.set(ESTOP_B, 1);
    bench.press(START);
    assert_eq!(bench.machine(), MachineState::Safe, "no start without reset");
    bench.press(RESET);
    bench.cycles(500);
    assert_eq!(bench.machine(), MachineState::AwaitStart);
    assert_eq!(bench.enabled(), [false; 3], "a reset moves nothing");
    bench.press(START);
    bench.until_fast(300.0);
    bench.cycles(100);
    assert!(bench.core.axes()[2].commanded_velocity() > 199.0, "the belt goes on too");
    bench.no_violation();
}

#[test]
fn the_controlled_end_stops_the_axes_takes_power_and_then_finishes() {
    let mut bench = Bench::running(plan());
    bench.until_fast(300.0);
    bench.shutdown = true;
    let mut before = bench.core.axes()[0].commanded_velocity();
    for _ in 0..1000 {
        bench.cycle();
        let now = bench.core.axes()[0].commanded_velocity();
        assert!(before - now <= 10.1, "never harder than the ramp: {before} {now}");
        before = now;
        if bench.core.finished() {
            break;
        }
    }
    assert!(bench.core.finished());
    assert_eq!(bench.enabled(), [false; 3]);
    assert_eq!((bench.signals.get(PUMP).value, bench.signals.get(LAMP).value), (0, 0));
    assert!(bench.kept.events().contains(&Event::ShutdownDone));
    bench.no_violation();
}

#[test]
fn a_drive_fault_is_cleared_by_a_reset_and_by_nothing_else() {
    let mut bench = Bench::running(plan());
    bench.until_fast(300.0);
    bench.drives[1].fault = true;
    bench.cycles(500);
    assert_eq!(bench.machine(), MachineState::Safe);
    assert_eq!(
        bench.enabled(),
        [false, false, true],
        "the belt is another group: it stands with power"
    );
    assert!(bench.drives[1].fault, "nobody has reset");
    let fault = Event::DriveFault { axis: AxisId(1), code: 0x7305 };
    assert!(bench.kept.events().contains(&fault));
    bench.press(RESET);
    bench.cycles(50);
    assert!(!bench.drives[1].fault);
    assert_eq!(bench.machine(), MachineState::AwaitStart);
    bench.press(START);
    bench.until_fast(300.0);
}

#[test]
fn a_speed_limit_slows_the_group_and_lets_it_go_by_itself() {
    let mut bench = Bench::running(plan());
    bench.until_fast(300.0);
    bench.set(GUARD, 0);
    bench.cycles(500);
    let path_speed = |bench: &Bench| {
        let [x, y] = [0, 1].map(|axis| bench.core.axes()[axis].commanded_velocity());
        x * x + y * y
    };
    for _ in 0..500 {
        bench.cycle();
        assert!(path_speed(&bench) <= 50.01 * 50.01);
    }
    assert!(bench.core.status().groups[0].speed_limit == Nano(50 * MM));
    bench.set(GUARD, 1);
    bench.until_fast(300.0);
    assert_eq!(bench.machine(), MachineState::Run);
    bench.no_violation();
    assert!(bench.kept.events().contains(&Event::Demand { interlock: InterlockId(LIMIT_SPEED) }));
}

#[test]
fn the_twin_slows_and_stops_an_axis_before_a_zone_that_is_not_clear() {
    let mut plan = plan();
    plan.interlocks[usize::from(TWIN_ZONE)].effects =
        Box::new([Effect { group: GroupId(0), reaction: Reaction::Stop2 }]);
    // No camera: the zone is never clear. An axis without reference could not even home then.
    plan.axes[0].homing = crate::plan::HomingPlan::Kept { offset: Nano(20 * MM) };
    plan.program.strands[0].steps[0] = step(Action::Wait(0));
    plan.program.strands[0].steps[3] = step(Action::Do(linear([299, 100], 500)));
    let mut bench = Bench::new(plan);
    bench.cycles(5);
    bench.press(RESET);
    bench.press(START);
    let mut furthest = Nano::ZERO;
    let mut fastest = 0.0_f64;
    for _ in 0..4000 {
        bench.cycle();
        let axis = &bench.core.axes()[0];
        if axis.is_referenced() {
            furthest = furthest.max(axis.position());
            let speed = axis.commanded_velocity();
            fastest = if speed > fastest { speed } else { fastest };
        }
    }
    assert!(fastest > 200.0, "it moved: {fastest}");
    assert!(furthest > Nano(250 * MM) && furthest < Nano(300 * MM), "{furthest:?}");
    let slowed = |event: &Event| matches!(event, Event::SpeedLimit { group: GroupId(0), limit } if *limit < Nano::MAX);
    assert!(bench.kept.events().iter().any(slowed));
    bench.no_violation();
}

#[test]
fn the_same_inputs_give_the_same_records_and_outputs() {
    let run = || {
        let mut bench = Bench::running(plan());
        bench.set(ESTOP_A, 0);
        bench.cycles(300);
        (format(&bench.kept.0), format(&bench.signals))
    };
    let (first, second) = (run(), run());
    assert!(first.0.len() > 100_000);
    assert!(first == second);
}

fn format(what: &impl core::fmt::Debug) -> String {
    alloc::format!("{what:?}")
}

#[test]
fn every_signal_is_recorded_when_it_changes_and_once_a_second() {
    let mut bench = Bench::new(plan());
    bench.cycles(2100);
    let told = |records: &[Record], wanted: SignalId| {
        records
            .iter()
            .filter(|record| {
                matches!(record.body, crate::record::Body::Signal { signal, .. } if signal == wanted)
            })
            .count()
    };
    assert_eq!(told(&bench.kept.0, GUARD), 4, "first seen, then each second");
    bench.set(GUARD, 0);
    bench.cycle();
    assert_eq!(told(&bench.kept.0, GUARD), 5);
    let per_cycle = bench.kept.0.iter().filter(|record| record.cycle == 2000).count();
    assert!(per_cycle >= 4, "three axes and the cycle itself: {per_cycle}");
}

#[test]
fn an_axis_whose_homing_fails_stops_the_machine_and_a_reset_leads_out() {
    let mut plan = plan();
    // No switch is mapped: it cannot be found.
    plan.axes[0].homing = crate::plan::HomingPlan::SwitchIndex {
        positive: true,
        velocity_search: Nano(50 * MM),
        velocity_latch: Nano(5 * MM),
        position: Nano(0),
        index_counts_max: 10_000,
        timeout_ns: 300_000_000,
    };
    let mut bench = Bench::new(plan);
    bench.cycles(5);
    bench.press(RESET);
    bench.press(START);
    bench.cycles(600);
    assert_eq!(bench.machine(), MachineState::Safe);
    assert_eq!(bench.core.status().cause, SafeCause::Axis(AxisId(0)));
    assert_eq!(bench.core.axes()[0].state(), AxisState::ErrorStop);
    bench.press(RESET);
    assert_eq!(bench.machine(), MachineState::AwaitStart);
    assert_eq!(bench.core.axes()[0].state(), AxisState::Standstill);
    bench.press(START);
    let starts = bench.kept.events().iter().filter(|event| **event == Event::Start).count();
    assert_eq!(starts, 2, "and it is tried again");
}

#[test]
fn a_step_that_takes_too_long_stops_the_machine() {
    let mut plan = plan();
    plan.program.strands[1].steps[2].timeout_ns = Some(900_000_000);
    let mut bench = Bench::running(plan);
    bench.cycles(400);
    assert_eq!(bench.machine(), MachineState::Safe);
    assert_eq!(bench.core.status().cause, SafeCause::Program);
    let faults = bench.kept.events();
    let faults = faults.iter().filter(|event| **event == Event::ProgramFault { step: 7 });
    assert_eq!(faults.count(), 1);
    assert!(bench.core.axes().iter().all(Axis::is_standing));
    assert_eq!(bench.enabled(), [true; 3], "stop category 2: power is kept");
    bench.no_violation();
}

#[test]
fn a_zone_is_clear_only_while_the_camera_says_so_and_the_trip_tells_when_the_picture_was_taken() {
    let mut plan = plan();
    plan.streams = Box::new([crate::plan::StreamPlan {
        wire_id: 7,
        age_max_ns: 200_000_000,
        quality_min: 50,
    }]);
    plan.interlocks[usize::from(TWIN_ZONE)] =
        interlock(Cause::Zone { stream: StreamId(0), zone: 0 }, &[0, 1], Reaction::Stop2, true);
    let hash = plan.config_hash;
    for silent in [false, true] {
        let mut bench = Bench::new(plan.clone());
        let picture = |at, occupied| crate::vision::testing::datagram(7, hash, at, 1, occupied);
        for button in [STOP, RESET, START, STOP] {
            for n in 0..300 {
                // 20 pictures a second; the button is held for 200 cycles, STOP stands for none.
                if n % 50 == 0 {
                    bench.vision[0] = picture(bench.now, 0);
                }
                bench.set(button, i64::from(n < 200 || button == STOP));
                bench.cycle();
            }
        }
        assert_eq!(bench.machine(), MachineState::Run);
        let taken_at = bench.now;
        if !silent {
            bench.vision[0] = picture(taken_at, 1);
        }
        let since = bench.now;
        while bench.machine() == MachineState::Run {
            bench.cycle();
        }
        let events = bench.kept.events();
        let trip = events.iter().find_map(|event| match event {
            Event::Trip { cause, input_at, .. } => Some((*cause, *input_at)),
            _ => None,
        });
        let after = bench.now - since;
        if silent {
            assert!((150_000_000..=200_000_000).contains(&after), "stale: {after}");
        } else {
            let cause = SafeCause::Interlock(InterlockId(TWIN_ZONE));
            assert_eq!((trip, after), (Some((cause, taken_at)), 1_000_000));
        }
        let told = Event::Vision { stream: StreamId(0), not_clear: u32::MAX, valid: !silent };
        assert!(events.contains(&told), "{events:?}");
    }
}

#[test]
fn the_controlled_end_does_not_wait_for_drives_that_are_not_heard() {
    let mut bench = Bench::running(plan());
    bench.until_fast(300.0);
    bench.shutdown = true;
    bench.link_down = true;
    for _ in 0..800 {
        bench.cycle();
        if bench.core.finished() {
            return;
        }
    }
    panic!("{:?}", bench.core.status());
}

#[test]
fn a_stop_that_goes_through_the_wrap_of_an_endless_axis_is_as_smooth_as_any() {
    let mut bench = Bench::running(plan());
    let target = |bench: &Bench| bench.signals.get(SignalId(31)).value;
    while bench.core.axes()[2].position() < Nano(998 * MM) {
        bench.cycle();
    }
    bench.set(ESTOP_A, 0);
    let mut steps = alloc::vec![target(&bench)];
    for _ in 0..40 {
        bench.cycle();
        steps.push(target(&bench));
    }
    assert!(bench.core.axes()[2].position() < Nano(10 * MM), "it went through");
    // Then it stands, and loses its power.
    for window in steps.windows(3).skip(1).take(25) {
        let change = window[2] - 2 * window[1] + window[0];
        assert!(change.abs() <= 102, "{steps:?}");
    }
    bench.cycles(200);
    let belt = GroupId(1);
    let stopped = |event: &Event| match event {
        Event::Stopped { group, distance, .. } => *group == belt && *distance < Nano(9 * MM),
        _ => false,
    };
    assert!(bench.kept.events().iter().any(stopped), "measured without the wrap");
}

#[test]
fn a_demand_while_nothing_has_a_permit_is_no_trip() {
    let mut bench = Bench::new(plan());
    bench.cycles(5);
    bench.set(ESTOP_A, 0);
    bench.cycles(5);
    let events = bench.kept.events();
    assert!(!events.iter().any(|event| matches!(event, Event::Trip { .. })), "{events:?}");
}

#[test]
fn the_controlled_end_has_an_end_even_if_a_drive_keeps_its_power() {
    let mut bench = Bench::running(plan());
    bench.drives[0].stuck = true;
    bench.shutdown = true;
    bench.cycles(10_000);
    assert!(!bench.core.finished());
    bench.cycles(2);
    assert!(bench.core.finished());
}

/// Trips of group 0 in order: what was asked, by which way it comes to rest, and how far, mm.
fn ways(events: &[Event]) -> Vec<(Reaction, StopWay, f64)> {
    let trip = |event: &Event| match event {
        Event::Trip { group: GroupId(0), reaction, way, predicted, .. } => {
            Some((*reaction, *way, predicted.units()))
        }
        _ => None,
    };
    events.iter().filter_map(trip).collect()
}

// SR-031
#[test]
fn a_group_that_coasts_is_told_to_coast_whatever_is_asked_of_it() {
    // Category 1 outranks 0 in this group: it may be asked after power went.
    let mut plan = plan();
    plan.groups[0].stop.order = crate::plan::StopOrder::Category1Worst;
    for effect in &mut plan.interlocks[usize::from(ESTOP)].effects {
        effect.reaction = Reaction::Stop0;
    }
    for (stuck, wait) in [(false, 10), (true, 1)] {
        let mut bench = Bench::running(plan.clone());
        bench.until_fast(300.0);
        for drive in &mut bench.drives {
            (drive.coasts, drive.stuck) = (true, stuck);
        }
        bench.set(ESTOP_A, 0);
        bench.set(ESTOP_B, 0);
        bench.cycles(wait);
        bench.drives[0].fault = true;
        bench.cycles(1500);
        let told = ways(&bench.kept.events());
        let [(Reaction::Stop0, StopWay::PowerRemoval, _), (Reaction::Stop1, way, far)] = told[..]
        else {
            panic!("stuck {stuck}: {told:?}");
        };
        assert_eq!(way, StopWay::PowerRemoval, "stuck {stuck}");
        assert!(far > 100.0, "what it coasts, not a ramp: {far} mm");
        let stopped = |event: &Event| match event {
            Event::Stopped { group: GroupId(0), distance, predicted, .. } => {
                Some((distance.units(), predicted.units()))
            }
            _ => None,
        };
        let (went, promised) = bench.kept.events().iter().find_map(stopped).unwrap();
        assert!(went > 10.0 && went <= promised, "stuck {stuck}: {went} mm, told {promised}");
    }
}

// SR-031
#[test]
fn a_group_whose_drives_follow_is_told_the_way_that_is_asked() {
    let mut bench = Bench::running(plan());
    bench.until_fast(300.0);
    bench.set(ESTOP_A, 0);
    bench.set(ESTOP_B, 0);
    bench.cycles(300);
    let told = ways(&bench.kept.events());
    assert!(matches!(told[..], [(Reaction::Stop1, StopWay::Ramp, far)] if far < 50.0), "{told:?}");
}

/// Axis 0 knows where it is, and goes to and fro between 20 mm and `far`; no camera: the zone from 300 mm on is never clear.
fn before_a_zone(far: i64) -> MachinePlan {
    let mut plan = plan();
    plan.axes[0].homing = crate::plan::HomingPlan::Kept { offset: Nano(20 * MM) };
    plan.program.strands[0].steps[0] = step(Action::Wait(0));
    plan.program.strands[0].steps[3] = step(Action::Do(linear([far, 100], 500)));
    plan
}

// SR-081
#[test]
fn an_axis_that_lost_its_torque_is_kept_out_of_a_zone_by_what_it_coasts() {
    let demand = Event::Demand { interlock: InterlockId(TWIN_ZONE) };
    let mut bench = Bench::new(before_a_zone(150));
    bench.cycles(5);
    bench.press(RESET);
    bench.press(START);
    bench.until_fast(250.0);
    assert!(bench.core.axes()[0].position() < Nano(150 * MM));
    let before = bench.kept.events().len();
    assert!(!bench.kept.events().contains(&demand), "whatever else happens it stops short");
    (bench.drives[0].coasts, bench.drives[0].fault) = (true, true);
    bench.cycles(3);
    let events = bench.kept.events().split_off(before);
    assert!(events.contains(&demand), "{events:?}");
    assert!(bench.core.axes()[0].position() < Nano(160 * MM), "long before it is there");
}

// SR-081
#[test]
fn where_a_row_may_take_the_torque_an_axis_could_coast_short_of_the_zone_at_every_moment() {
    let mut plan = before_a_zone(299);
    for (row, reaction) in [(ESTOP, Reaction::Stop0), (TWIN_ZONE, Reaction::Stop2)] {
        plan.interlocks[usize::from(row)].effects =
            Box::new([Effect { group: GroupId(0), reaction }]);
    }
    let mut bench = Bench::new(plan);
    bench.cycles(5);
    bench.press(RESET);
    bench.press(START);
    let (mut fastest, mut nearest) = (0.0_f64, f64::MAX);
    for _ in 0..4000 {
        bench.cycle();
        let axis = &bench.core.axes()[0];
        if axis.is_standing() || axis.commanded_velocity() <= 0.0 {
            continue;
        }
        let ends = axis.position().units() + axis.stopping_by(StopWay::PowerRemoval).units();
        fastest = fastest.max(axis.commanded_velocity());
        nearest = nearest.min(300.0 - ends);
    }
    assert!(fastest > 50.0, "it moved: {fastest}");
    // A cycle goes by until a demand is obeyed.
    assert!(nearest > -1.0, "it would coast {nearest} mm into the zone");
}
