//! Modes, outputs and codes of the matrix.

use super::*;
use crate::plan::{Block, ModePlan};

const AUTOMATIC: SignalId = SignalId(7);
const MANUAL: SignalId = SignalId(8);

/// Rows on one input that must be 1: always, in automatic, in manual; group 0 each with a reaction of its own.
fn by_mode() -> Vec<InterlockPlan> {
    [(When::Always, 100), (When::Automatic, 50), (When::Manual, 30)]
        .map(|(when, limit)| InterlockPlan {
            when,
            ..row(Cause::Input { signal: IN_A }, Reaction::LimitSpeed(Nano(limit * MM)), false)
        })
        .to_vec()
}

fn with_selector(rows: Vec<InterlockPlan>) -> Bench {
    let mut bench = Bench::new(rows.clone());
    let mut plan = machine_plan();
    plan.interlocks = rows.into_boxed_slice();
    plan.mode = Some(ModePlan {
        automatic: AUTOMATIC,
        manual: MANUAL,
        monitor_ns: 5_000_000,
        speeds: Box::new([Nano(200 * MM), Nano(250 * MM)]),
        jogs: Box::default(),
        blocks: Box::default(),
    });
    bench.interlocks = Interlocks::new(&plan);
    bench
}

fn select(bench: &mut Bench, automatic: i64, manual: i64) {
    bench.signals.set(AUTOMATIC, automatic, bench.now);
    bench.signals.set(MANUAL, manual, bench.now);
}

#[test]
fn a_row_counts_in_its_mode_and_every_row_while_the_mode_is_not_known() {
    let cases = [((1, 0), 50), ((0, 1), 30), ((0, 0), 30), ((1, 1), 30)];
    for ((automatic, manual), limit) in cases {
        let mut bench = with_selector(by_mode());
        select(&mut bench, automatic, manual);
        bench.signals.set(IN_A, 0, bench.now);
        let demand = bench.evaluate()[0];
        assert_eq!(demand.speed_limit, Nano(limit * MM), "{automatic} {manual}");
        let counted = bench.interlocks.counts().0;
        let known = automatic != manual;
        assert_eq!(counted, if known { 2 } else { 3 }, "{automatic} {manual}");
    }
}

#[test]
fn outside_automatic_every_group_is_held_to_the_speed_of_manual() {
    for ((automatic, manual), limits) in [
        ((1, 0), [Nano::MAX; 2]),
        ((0, 1), [Nano(200 * MM), Nano(250 * MM)]),
        ((0, 0), [Nano(200 * MM), Nano(250 * MM)]),
    ] {
        let mut bench = with_selector(Vec::new());
        select(&mut bench, automatic, manual);
        let demands = bench.evaluate();
        assert_eq!([demands[0].speed_limit, demands[1].speed_limit], limits);
    }
}

#[test]
fn what_was_latched_in_one_mode_holds_in_the_other_until_a_reset() {
    let door = row(Cause::Input { signal: IN_A }, Reaction::Stop1, true);
    let mut bench = with_selector(alloc::vec![InterlockPlan { when: When::Automatic, ..door }]);
    select(&mut bench, 1, 0);
    bench.signals.set(IN_A, 0, bench.now);
    assert!(bench.stops());
    select(&mut bench, 0, 0);
    bench.evaluate();
    select(&mut bench, 0, 1);
    bench.evaluate();
    assert!(bench.stops(), "latched");
    assert!(!bench.interlocks.any_stop_demanded(), "but it does not demand here");
    bench.interlocks.reset();
    assert!(!bench.stops());
    select(&mut bench, 0, 0);
    assert!(bench.stops(), "the door is still open");
}

#[test]
fn turning_the_selector_demands_at_once_and_is_told() {
    let watch = row(Cause::ModeSelector, Reaction::Stop2, false);
    let mut bench = with_selector(alloc::vec![watch]);
    select(&mut bench, 1, 0);
    assert!(!bench.stops());
    bench.kept = Kept::default();
    // From one position to the other within a cycle.
    select(&mut bench, 0, 1);
    assert!(bench.stops());
    assert!(!bench.stops(), "for a cycle");
    assert_eq!(bench.interlocks.mode(), Mode::Manual);
    let interlock = InterlockId(0);
    let told = [
        Event::Mode { from: Mode::Automatic, to: Mode::Unknown },
        Event::Demand { interlock },
        Event::Diagnostic { interlock, code: 0x8802 },
        Event::Mode { from: Mode::Unknown, to: Mode::Manual },
        Event::Clear { interlock },
    ];
    assert_eq!(bench.kept.events(), told);
}

#[test]
fn a_device_says_its_code_and_a_latch_says_that_a_reset_is_needed() {
    let kind = DualChannelKind::GuardDoor;
    let door = Cause::DualChannel { a: IN_A, b: IN_B, discrepancy_ns: 5_000_000, kind };
    let mut bench = Bench::new(alloc::vec![row(door, Reaction::Stop1, true)]);
    let interlock = InterlockId(0);
    let code = |bench: &Bench| bench.interlocks.code(interlock).0;
    assert_eq!(code(&bench), 0x0000);
    bench.evaluate();
    assert_eq!(code(&bench), 0x8000);
    bench.signals.set(IN_A, 0, bench.now);
    bench.evaluate();
    bench.evaluate();
    assert_eq!(code(&bench), 0x8802, "opening");
    bench.signals.set(IN_B, 0, bench.now);
    bench.evaluate();
    for signal in [IN_A, IN_B] {
        bench.signals.set(signal, 1, bench.now);
    }
    bench.evaluate();
    assert_eq!(code(&bench), 0x8401, "closed, but latched");
    bench.interlocks.reset();
    assert_eq!(code(&bench), 0x8000);
    assert_eq!(bench.interlocks.code(InterlockId(9)).0, 0x0000);
    let told = [
        Event::Demand { interlock },
        Event::Diagnostic { interlock, code: 0x8802 },
        Event::Diagnostic { interlock, code: 0x8804 },
        Event::Clear { interlock },
    ];
    assert_eq!(bench.kept.events(), told);
}

#[test]
fn a_device_that_a_person_holds_refuses_no_reset() {
    for (cause, refuses) in [
        (Cause::EnablingSwitch { a: IN_A, b: IN_B }, false),
        (Cause::TwoHand { a: IN_A, b: IN_B, synchronous_ns: 5_000_000 }, false),
        (Cause::Antivalent { closed: IN_A, open: IN_B, discrepancy_ns: 5_000_000 }, true),
    ] {
        let mut bench = Bench::new(alloc::vec![row(cause, Reaction::Stop2, false)]);
        bench.signals.set(IN_A, 0, bench.now);
        bench.signals.set(IN_B, 1, bench.now);
        assert!(bench.stops());
        assert!(bench.interlocks.any_stop_demanded());
        assert_eq!(bench.interlocks.refuses_reset(), refuses, "{cause:?}");
    }
}

#[test]
fn outputs_are_held_safe_while_a_row_is_active_and_a_muting_lamp_is_lit() {
    let (pump, lamp) = (SignalId(20), SignalId(21));
    let muting = MutingPlan {
        a: IN_A,
        b: IN_B,
        discrepancy_ns: 5_000_000,
        sensors: [Some(OFF), Some(OFF_2), None, None],
        entry_ns: 5_000_000,
        muting_ns: 20_000_000,
        lamp: Some(lamp),
    };
    let curtain = row(Cause::Muting(muting), Reaction::Stop1, false);
    let mut bench = Bench::new(alloc::vec![InterlockPlan { outputs: Box::new([pump]), ..curtain }]);
    let asked = |bench: &Bench| {
        let all = bench.interlocks.outputs();
        let of = |signal| *all.iter().find(|output| output.signal == signal).unwrap();
        (of(pump).safe, of(lamp).lamp)
    };
    assert_eq!(asked(&bench), (true, false), "what never ran holds its outputs");
    bench.evaluate();
    assert_eq!(asked(&bench), (false, false));
    for signal in [OFF, OFF_2] {
        bench.signals.set(signal, 1, bench.now);
    }
    bench.evaluate();
    bench.signals.set(IN_A, 0, bench.now);
    bench.signals.set(IN_B, 0, bench.now);
    assert!(!bench.stops(), "muted");
    assert_eq!(asked(&bench), (false, true));
    bench.now += 21_000_000;
    assert!(bench.stops(), "for too long");
    assert_eq!(asked(&bench), (true, false));
}

#[test]
fn a_contactor_that_stays_is_found_after_its_time_and_one_of_two_is_enough() {
    let edm = Cause::Edm { output: OFF, feedback: IN_A, second: Some(IN_B), time_ns: 5_000_000 };
    for stays in [IN_A, IN_B] {
        let mut bench = Bench::new(alloc::vec![row(edm, Reaction::Stop1, true)]);
        assert!(!bench.stops());
        bench.signals.set(OFF, 1, bench.now);
        for signal in [IN_A, IN_B] {
            bench.signals.set(signal, i64::from(signal == stays), bench.now);
        }
        for _ in 0..6 {
            assert!(!bench.stops());
            bench.now += 1_000_000;
        }
        assert!(bench.stops(), "{stays:?} did not follow");
        assert_eq!(bench.interlocks.code(InterlockId(0)).0, 0xC020);
    }
}

#[test]
fn four_sensors_mute_in_their_order_and_two_in_any() {
    let sensors = [OFF, OFF_2, AUTOMATIC, MANUAL];
    let muting = |sensors| MutingPlan {
        a: IN_A,
        b: IN_B,
        discrepancy_ns: 5_000_000,
        sensors,
        entry_ns: 5_000_000,
        muting_ns: 20_000_000,
        lamp: None,
    };
    let code_after = |plan: MutingPlan, covered: &[&[SignalId]]| {
        let mut bench = Bench::new(alloc::vec![row(Cause::Muting(plan), Reaction::Stop1, false)]);
        for covered in [&[&[][..]], covered].concat() {
            for sensor in sensors {
                bench.signals.set(sensor, i64::from(covered.contains(&sensor)), bench.now);
            }
            bench.evaluate();
        }
        bench.interlocks.code(InterlockId(0)).0
    };
    let four = muting(sensors.map(Some));
    let two = muting([Some(OFF), Some(OFF_2), None, None]);
    assert_eq!(code_after(four, &[&[OFF], &[OFF, OFF_2]]), 0x8012, "muted");
    assert_eq!(code_after(four, &[&[OFF, OFF_2]]), 0xC012, "both at once are no part");
    assert_eq!(code_after(four, &[&[MANUAL], &[AUTOMATIC, MANUAL]]), 0x8012, "from behind");
    assert_eq!(code_after(two, &[&[OFF, OFF_2]]), 0x8012);
    assert_eq!(code_after(two, &[&[OFF], &[OFF, OFF_2]]), 0x8012);
}

#[test]
fn a_request_is_what_its_bits_say_and_no_others() {
    let bits = |signal, mask, value| Bits { signal, mask, value };
    let request = Cause::SafetyRequest {
        request: bits(IN_A, 0b0110, 0b0100),
        confirmation: bits(IN_B, 0b0011, 0b0001),
        time_ns: 5_000_000,
    };
    // Nothing requested; confirmed at once; not yet confirmed; still confirmed.
    for (a, b, code) in [
        (0b0000, 0b0000, 0x8000),
        (0b0110, 0b0011, 0x8000),
        (0b0010, 0b0010, 0x8000),
        (0b0100, 0b0001, 0x8010),
        (0b1101, 0b1101, 0x8010),
        (0b0100, 0b0000, 0x8020),
        (0b1101, 0b1111, 0x8020),
        (0b0000, 0b0001, 0x8030),
    ] {
        let mut bench = Bench::new(alloc::vec![row(request, Reaction::Stop1, false)]);
        bench.signals.set(IN_A, a, bench.now);
        bench.signals.set(IN_B, b, bench.now);
        bench.evaluate();
        assert_eq!(bench.interlocks.code(InterlockId(0)).0, code, "{a:04b} {b:04b}");
    }
}

#[test]
// SR-037
fn a_supervisor_is_silent_when_its_last_word_is_older_than_its_age_and_not_before() {
    let watch = row(Cause::Supervisor { age_max_ns: 10 }, Reaction::Stop1, false);
    for (age, stops) in [(0, false), (10, false), (11, true)] {
        let mut bench = Bench::new(alloc::vec![watch.clone()]);
        bench.supervisor_at = bench.now - age;
        assert_eq!(bench.stops(), stops, "{age}");
    }
}

#[test]
fn a_following_error_of_its_limit_is_none_and_a_nano_unit_more_is_one() {
    let error = Cause::FollowingError { axis: AxisId(0) };
    for (units, stops) in [(5.0, false), (-5.0, false), (5.000_000_001, true)] {
        assert_eq!(stops_after(error, 1, |b| b.axes[0].view.following_error = units), stops);
    }
}

#[test]
// SR-002
fn a_check_whose_memory_or_axis_is_not_there_has_not_run_and_demands() {
    let plan = machine_plan();
    let bench = Bench::new(Vec::new());
    let streams = [StreamView::SILENT];
    let facts = Facts {
        now: 1000,
        signals: &bench.signals,
        exchange: &bench.exchange,
        axes: &bench.axes,
        missed: &[],
        streams: &streams,
        overruns_exceeded: false,
        supervisor_at: 1000,
        stale_after_ns: 0,
    };
    let foreign =
        Memory::new(&Cause::Antivalent { closed: IN_A, open: OFF, discrepancy_ns: 1 }, &plan);
    for cause in all_causes().iter().filter(|cause| !matches!(cause, Cause::Antivalent { .. })) {
        let verdict = foreign.clone().check(cause, &facts, Code::ENABLED);
        assert_eq!((verdict.code, verdict.demand), (Code::IDLE, Some(1000)), "{cause:?}");
        if matches!(Memory::new(cause, &plan), Memory::None) {
            continue;
        }
        let verdict = Memory::None.check(cause, &facts, Code::ENABLED);
        assert_eq!((verdict.code, verdict.demand), (Code::IDLE, Some(1000)), "{cause:?}");
    }
    let axis = AxisId(9);
    let zone = Cause::TwinZone { axis, stream: StreamId(0), zone: 0, from: Nano(1), to: Nano(2) };
    for cause in [Cause::TwinLimit { axis }, zone, Cause::TwinLimit { axis: AxisId(2) }] {
        let mut memory = Memory::new(&cause, &plan);
        assert!(
            matches!(memory, Memory::Twin(None)),
            "an axis, or a limit, that the plan does not name"
        );
        assert_eq!(memory.check(&cause, &facts, Code::ENABLED).demand, Some(1000));
    }
}

#[test]
fn an_effect_on_a_group_that_does_not_exist_is_none_and_the_others_hold() {
    let mut estop = row(Cause::Input { signal: IN_A }, Reaction::Stop1, false);
    let of = |group| Effect { group: GroupId(group), reaction: Reaction::Stop1 };
    estop.effects = [of(7), of(1)].into();
    let mut bench = Bench::new(alloc::vec![estop]);
    bench.signals.set(IN_A, 0, bench.now);
    let demands = bench.evaluate();
    assert_eq!(
        demands.iter().map(|demand| demand.stop.is_some()).collect::<Vec<_>>(),
        [false, true]
    );
}

#[test]
fn an_output_that_two_rows_hold_is_held_once_and_by_either() {
    let pump = SignalId(20);
    let holds = |signal| InterlockPlan {
        outputs: Box::new([pump]),
        ..row(Cause::Input { signal }, Reaction::Warn, false)
    };
    for open in [IN_A, IN_B] {
        let mut bench = Bench::new(alloc::vec![holds(IN_A), holds(IN_B)]);
        bench.signals.set(open, 0, bench.now);
        bench.evaluate();
        let held = OutputDemand { signal: pump, safe: true, lamp: false };
        assert_eq!(bench.interlocks.outputs(), [held], "{open:?}");
    }
}

/// All that any cause remembers: put down in the middle of everything, taken up by a fresh one.
#[test]
fn what_every_check_remembers_is_put_down_and_taken_up() {
    use twin_lite::tape::{Counter, Reader, Writer};
    let holds = |cause| InterlockPlan {
        outputs: Box::new([SignalId(20)]),
        ..row(cause, Reaction::Stop1, true)
    };
    let rows: Vec<InterlockPlan> = all_causes().into_iter().map(holds).collect();
    let mut bench = with_selector(rows.clone());
    let fresh = with_selector(rows).interlocks;
    select(&mut bench, 1, 0);
    for n in 0..40_u32 {
        for signal in [IN_A, IN_B, OFF, OFF_2] {
            let on = (n >> (signal.0 % 3)) & 1;
            bench.signals.set(signal, i64::from(on), bench.now);
        }
        bench.axes[0].view.follows_target = n % 7 == 0;
        bench.exchange.units_good = u64::from(n % 5);
        bench.now += 1_000_000;
        bench.evaluate();
        let mut counter = Counter::default();
        bench.interlocks.tape(&mut counter);
        let mut words = alloc::vec![0; counter.0];
        bench.interlocks.tape(&mut Writer::new(&mut words));
        let mut again = fresh.clone();
        let mut reader = Reader::new(&words);
        again.tape(&mut reader);
        assert!(reader.finish().is_ok());
        let of = |interlocks: &Interlocks| alloc::format!("{interlocks:?}");
        assert_eq!(of(&again), of(&bench.interlocks), "cycle {n}");
        assert_ne!(of(&again), of(&fresh));
    }
}

const NO_POSITIVE: Directions = Directions { negative: true, positive: false };
const NO_NEGATIVE: Directions = Directions { negative: false, positive: true };
const NEITHER: Directions = Directions { negative: false, positive: false };

/// Rows that close ways: on input A axis 1 forwards, on input B axis 1 backwards (and latched), axis 0 forwards, and one that is not there.
fn blocking() -> Vec<InterlockPlan> {
    let closes = |signal, latch, axis, left| InterlockPlan {
        blocks: Box::new([Block { axis: AxisId(axis), left }]),
        effects: Box::default(),
        ..row(Cause::Input { signal }, Reaction::None, latch)
    };
    alloc::vec![
        closes(IN_A, false, 1, NO_POSITIVE),
        closes(IN_B, true, 1, NO_NEGATIVE),
        closes(IN_B, false, 0, NO_POSITIVE),
        closes(IN_B, false, 200, NEITHER),
    ]
}

#[test]
// SR-080
fn an_active_row_closes_its_way_of_its_axis_and_no_other() {
    let ways = |bench: &mut Bench, a, b| {
        bench.signals.set(IN_A, a, bench.now);
        bench.signals.set(IN_B, b, bench.now);
        bench.evaluate();
        bench.interlocks.directions().to_vec()
    };
    let both = Directions::BOTH;
    let mut bench = Bench::new(blocking());
    assert_eq!(ways(&mut bench, 1, 1), [both; 3]);
    assert_eq!(ways(&mut bench, 0, 1), [both, NO_POSITIVE, both]);
    assert_eq!(ways(&mut bench, 1, 1), [both; 3], "it ends by itself with its demand");
    assert_eq!(ways(&mut bench, 0, 0), [NO_POSITIVE, NEITHER, both], "what both allow");
    assert_eq!(ways(&mut bench, 1, 1), [both, NO_NEGATIVE, both], "latched");
    bench.interlocks.reset();
    assert_eq!(ways(&mut bench, 1, 1), [both; 3]);
    assert_eq!(bench.interlocks.first_stop(), None, "a closed way stops no group");
}

#[test]
// SR-080
fn outside_automatic_the_ways_that_the_mode_closes_are_closed() {
    for ((automatic, manual), closed) in [((1, 0), false), ((0, 1), true), ((0, 0), true)] {
        let mut bench = with_selector(Vec::new());
        let mut plan = machine_plan();
        plan.mode = bench.interlocks.selector.take().map(|(mode, _)| ModePlan {
            blocks: Box::new([Block { axis: AxisId(2), left: NO_POSITIVE }]),
            ..mode
        });
        bench.interlocks = Interlocks::new(&plan);
        select(&mut bench, automatic, manual);
        bench.evaluate();
        let ways = bench.interlocks.directions();
        let last = if closed { NO_POSITIVE } else { Directions::BOTH };
        assert_eq!(ways, [Directions::BOTH, Directions::BOTH, last], "{automatic} {manual}");
    }
}
