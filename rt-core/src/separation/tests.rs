use super::testing::*;
use super::*;
use crate::bus::Exchange;
use crate::interlock::AxisFacts;
use crate::signal::Signals;
use crate::vision::{Object, Refusal};
use alloc::vec::Vec;

const NOW: u64 = 10_000_000_000;

fn separation() -> Separation {
    Separation::new(plan(), &machine()).unwrap()
}

fn judge(separation: &Separation, axes: &[AxisFacts], view: StreamView, now: u64) -> Judged {
    let (signals, exchange) = (Signals::new(1), Exchange::default());
    separation.judge(&Facts {
        now,
        signals: &signals,
        exchange: &exchange,
        axes,
        missed: &[],
        streams: &[view],
        overruns_exceeded: false,
        supervisor_at: 0,
        stale_after_ns: 0,
    })
}

/// Axis x moves, y stands.
fn judged(position: i64, velocity: i64, persons: &[Object], age_ns: u64) -> Judged {
    let axes = [axis(position, velocity), axis(0, 0)];
    judge(&separation(), &axes, view(NOW - age_ns, persons), NOW)
}

fn float(value: u64) -> f64 {
    f64::from(u32::try_from(value).unwrap())
}

fn signed(value: i64) -> f64 {
    f64::from(i32::try_from(value).unwrap())
}

/// Sp by the formula, term by term as the guide has it, in µm and µs and rounded nowhere but up: another hand, another order.
fn sp_um(speed_mm_s: i128, age_us: i128, person_mm_s: i128) -> i128 {
    // axis_plan: 5000 mm/s² up, 10 000 down, quick stop 20 000, watchdog 100 ms, answer 4 ms; loop 1 ms.
    let speed = speed_mm_s * 1000 + 5 * 1000 + 2;
    let answer_us = 4_000 + 3 * 1_000;
    let up = |value: i128, by: i128| (value + by - 1) / by;
    let ramp_us = up(speed * 1_000_000, 10_000_000) + 2 * 1_000;
    let lost_us = up(speed * 1_000_000, 20_000_000) + 100_000;
    let stop_us = ramp_us.max(lost_us);
    let reaction = up(speed * answer_us, 1_000_000);
    let ramp = up(speed * ramp_us, 2_000_000);
    let lost = up(speed * 100_000, 1_000_000) + up(speed * speed, 2 * 20_000_000);
    let human = up(person_mm_s * 1000 * (age_us + answer_us + stop_us), 1_000_000);
    human + reaction + ramp.max(lost) + 200_000 + (50 + 30 + 1) * 1000 + 5_000
}

#[test]
// SR-060
fn the_margin_is_what_the_formula_says_term_by_term() {
    for speed in [0, 1, 100, 250, 500, 999, 1000] {
        for age_ms in [0, 20, 80] {
            let judged = judged(0, speed, &[person(3000, 0)], age_ms * 1_000_000);
            // The part's edge is at 100, the person's at 3000 − 300.
            let gap = (3000 - 300 - 100) * 1000;
            let expected = gap - sp_um(i128::from(speed), i128::from(age_ms) * 1000, 1600);
            let margin = i128::from(judged.margin.unwrap().0) / 1_000_000;
            assert!(
                (expected - margin).abs() <= 8,
                "{speed} mm/s, {age_ms} ms: {margin} {expected}"
            );
            assert!(margin >= expected - 8, "never more than rounding too careful");
        }
    }
}

#[test]
// SR-060
fn stops_when_sp_is_more_than_the_distance_and_not_before() {
    let sp_mm = i32::try_from(sp_um(500, 20_000, 1600) / 1000).unwrap();
    let near = judged(0, 500, &[person(400 + sp_mm - 1, 0)], 20_000_000);
    let far = judged(0, 500, &[person(400 + sp_mm + 2, 0)], 20_000_000);
    assert!(near.stop && !far.stop, "{near:?} {far:?}");
    assert!(far.margin.unwrap() < Nano(2 * MM));
}

#[test]
// SR-061
fn a_person_who_runs_counts_at_the_speed_that_was_measured_and_one_who_stands_at_the_worst() {
    let runs = Object { vx: -2400, vy: 1800, ..person(3000, 0) };
    let (stands, runs) = (judged(0, 500, &[person(3000, 0)], 0), judged(0, 500, &[runs], 0));
    let lost = stands.margin.unwrap().0 - runs.margin.unwrap().0;
    // 3001 instead of 1600 mm/s over the time until it stands.
    let expected = i128::from(stands.rest_ns) * 1401 * i128::from(MM) / 1_000_000_000;
    assert!((i128::from(lost) - expected).abs() <= 2, "{lost} {expected}");
    let slow = Object { vx: 3, ..person(3000, 0) };
    assert_eq!(judged(0, 500, &[slow], 0).margin, stands.margin, "never below K");
}

#[test]
// SR-062
fn whoever_is_not_seen_stands_at_the_edge_of_what_is_watched() {
    let mut plan = plan();
    plan.watched = square(-2000, 2000);
    let separation = Separation::new(plan, &machine()).unwrap();
    let at = |x| {
        let axes = [axis(x, 0), axis(0, 0)];
        judge(&separation, &axes, view(NOW, &[]), NOW)
    };
    let (far, near) = (at(0), at(1600));
    assert!(!far.stop && near.stop, "{far:?} {near:?}");
    let outside = at(2500);
    assert!(outside.stop, "nobody watches it there");
}

#[test]
// SR-066
fn a_picture_that_does_not_count_is_a_person_anywhere() {
    let good = view(NOW, &[]);
    let axes = [axis(0, 0), axis(0, 0)];
    let stop = |view| judge(&separation(), &axes, view, NOW).stop;
    assert!(!stop(good));
    let refused = |refusal| {
        let mut view = good;
        view.refusal = Some(refusal);
        view
    };
    assert!(stop(StreamView::SILENT));
    assert!(stop(refused(Refusal::Stale)));
    assert!(stop(refused(Refusal::Frozen)));
    assert!(stop(StreamView { evaluated: 0b10, ..good }), "the area was not looked at");
    assert!(stop(StreamView { clear: 0, ..good }), "somebody is there, and nobody says where");
    assert!(!stop(view(NOW, &[person(9000, 9000); 15])));
    assert!(stop(view(NOW, &[person(9000, 9000); 16])), "there may be more than fit");
    let blind = judge(&separation(), &[axis(0, 0)], good, NOW);
    assert!(blind.stop && blind.margin.is_none(), "an axis is not there");
    let mut unheard = axes;
    unheard[1].view.inputs_good = false;
    assert!(judge(&separation(), &unheard, good, NOW).stop);
}

#[test]
// SR-063
fn without_a_reference_the_part_is_anywhere_that_mechanics_let_it_be() {
    let mut axes = [axis(0, 0), axis(0, 0)];
    axes[0].view.referenced = false;
    let at = |machine: &MachinePlan, x, y| {
        let separation = Separation::new(plan(), machine).unwrap();
        judge(&separation, &axes, view(NOW, &[person(x, y)]), NOW).stop
    };
    assert!(at(&machine(), 0, 20_000), "it may be outside of what is watched");
    let mut bounded = machine();
    bounded.parts[0].travel = Some(square(-500, 4000));
    assert!(!at(&bounded, 0, 3000));
    assert!(at(&bounded, 4600, 0), "it may be at the far end");
    assert!(!at(&bounded, 9000, 0));
}

#[test]
// SR-063
fn mechanics_clip_the_reach_and_never_make_it_larger() {
    let reach = |travel| {
        let part = PartPlan { travel, ..part() };
        let span = Span { low: -MM, high: 600 * MM };
        Reach::of(&part, [span, Span::HERE]).spans[0]
    };
    assert_eq!(reach(None), Span { low: -101 * MM, high: 700 * MM });
    assert_eq!(reach(Some(square(-50, 650))), Span { low: -50 * MM, high: 650 * MM });
    assert_eq!(reach(Some(square(-500, 9000))), reach(None));
    assert_eq!(
        reach(Some(square(5000, 9000))),
        reach(None),
        "it is where it cannot be: believe that"
    );
}

#[test]
// SR-064
fn the_twin_makes_it_tighter_or_changes_nothing() {
    let persons = [person(3000, 0)];
    let plain = judged(0, 500, &persons, 0);
    let with = |stopping: i64, worst: i64| {
        let mut axes = [axis(0, 500), axis(0, 0)];
        (axes[0].stopping, axes[0].stopping_worst) = (Nano(stopping * MM), Nano(worst * MM));
        judge(&separation(), &axes, view(NOW, &persons), NOW).margin
    };
    assert_eq!(with(1, 1), plain.margin, "a twin that sees it stop sooner");
    assert!(with(1, 400) < plain.margin);
    assert!(with(400, 1) < plain.margin);
}

#[test]
fn moving_away_is_nearer_than_it_was_by_nothing_but_time() {
    let persons = [person(3000, 0)];
    let (towards, away) = (judged(0, 800, &persons, 0), judged(0, -800, &persons, 0));
    assert!(away.margin > towards.margin);
    assert!(away.margin < judged(0, 0, &persons, 0).margin, "the group takes longer to stand");
}

#[test]
// SR-065
fn the_speed_falls_with_the_distance_before_the_stop_comes() {
    let separation = separation();
    let mut before = Nano::ZERO;
    let mut slower = 0;
    for x in 400..4000 {
        let axes = [axis(0, 0), axis(0, 0)];
        let judged = judge(&separation, &axes, view(NOW, &[person(x, 0)]), NOW);
        let speed = judged.speed.unwrap_or(Nano(1000 * MM));
        assert!(speed >= before, "monotone at {x}");
        assert!(speed.0 - before.0 < 12 * MM, "continuous at {x}: {before:?} {speed:?}");
        slower += u32::from(speed > Nano::ZERO && speed < Nano(1000 * MM));
        // Whoever moves as fast as it says does not run into the stop.
        let axes = [axis(0, speed.0 / MM), axis(0, 0)];
        let moving = judge(&separation, &axes, view(NOW - 99_000_000, &[person(x, 0)]), NOW);
        assert!(speed == Nano::ZERO || !moving.stop, "{x}: {speed:?} {moving:?}");
        before = speed;
    }
    assert!(before == Nano(1000 * MM) && slower > 300, "{slower}");
}

#[test]
fn a_plan_that_names_what_is_not_there_cannot_be_judged() {
    let none = |edit: fn(&mut SeparationPlan, &mut MachinePlan)| {
        let (mut plan, mut machine) = (plan(), machine());
        edit(&mut plan, &mut machine);
        Separation::new(plan, &machine).is_none()
    };
    assert!(none(|plan, _| plan.part = PartId(1)));
    assert!(none(|plan, _| plan.stream = StreamId(1)));
    assert!(none(|_, machine| machine.parts[0].axes[0] = Some(AxisId(2))), "of another group");
    assert!(none(|_, machine| machine.parts[0].group = GroupId(9)));
}

/// Age of the picture, distance to the part's path: the nearest at which `separation` lets the part go on at 1 m/s.
fn nearest(separation: &Separation, age_ns: u64) -> i32 {
    let goes_on = |x: &i32| {
        let axes = [axis(0, 1000), axis(0, 0)];
        !judge(separation, &axes, view(NOW - age_ns, &[person(*x, 0)]), NOW).stop
    };
    (0..9000).find(goes_on).expect("somewhere it is far enough")
}

/// A person at `x` runs at the part from the moment of the picture, which gains speed until it hears of it, and then takes the longest
/// way there is; true: they meet before it stands.
fn they_meet(x: i32, age_ms: u64) -> bool {
    let (mut at, mut speed) = (0.0, 1005.0);
    let mut person = f64::from(x) - 1.6 * float(age_ms);
    for ms in 0..1000 {
        if speed <= 0.0 {
            return false;
        }
        // 300 and 30 of the person, C, Zd, Zr.
        if person - 585.0 <= at + 100.0 {
            return true;
        }
        at += speed * 1e-3;
        person -= 1.6;
        speed -= if ms >= 107 { 20.0 } else { 0.0 };
    }
    true
}

#[test]
// SR-060
fn what_is_forgotten_is_found() {
    let age = 80_000_000;
    let right = nearest(&separation(), age);
    assert!(!they_meet(right, 80), "{right}");
    assert!(they_meet(right - 40, 80), "and it asks for hardly more than it needs");
    let with = |edit: fn(&mut SeparationPlan, &mut MachinePlan)| {
        let (mut plan, mut machine) = (plan(), machine());
        edit(&mut plan, &mut machine);
        nearest(&Separation::new(plan, &machine).unwrap(), age)
    };
    let no_person = with(|plan, _| plan.person_speed = Nano::ZERO);
    assert!(they_meet(no_person, 80), "Sh: {no_person}");
    let no_answer = with(|_, machine| machine.axes[0].model.response_ns = 0);
    assert!(no_answer < right - 8, "Sr: {no_answer} {right}");
    let no_watchdog = with(|_, machine| machine.axes[0].stop.watchdog_ns = 0);
    assert!(they_meet(no_watchdog, 80), "the longest way to stop: {no_watchdog}");
    let no_stop = with(|_, machine| {
        machine.axes[0].stop.quick_stop_deceleration = Nano(i64::MAX / 4);
        machine.axes[0].stop.ramp_deceleration = Nano(i64::MAX / 4);
    });
    assert!(they_meet(no_stop, 80), "Ss: {no_stop}");
    let no_age = nearest(&separation(), 0);
    assert!(they_meet(no_age, 80), "the age of the picture: {no_age}");
    let no_intrusion = with(|plan, _| plan.intrusion = Nano::ZERO);
    assert!(they_meet(no_intrusion, 80), "C: {no_intrusion}");
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(300))]

    /// An axis that speeds up until the stop begins and takes the longest way there is, and a person who runs straight at it.
    #[test]
    // SR-060
    fn nobody_is_met_before_the_part_stands(
        position in -200_i64..200, velocity in -1000_i64..1000, other in -1000_i64..1000,
        x in -4000_i32..4000, y in -4000_i32..4000, age_ms in 0_u64..100, extremes: [bool; 2],
    ) {
        let axes = [axis(position, velocity), axis(0, other)];
        let judged = judge(
            &separation(), &axes, view(NOW - age_ms * 1_000_000, &[person(x, y)]), NOW,
        );
        if judged.stop {
            return Ok(());
        }
        // In mm and s, as it happens: 1 ms of full acceleration, 7 ms of answer, 100 ms of watchdog, then the quick stop.
        let gained = |speed: f64, up: bool| speed + if up { 5.0 } else { -5.0 };
        let start = [(signed(position), signed(velocity)), (0.0, signed(other))];
        let mut part: Vec<(f64, f64)> = start.into_iter().zip(extremes)
            .map(|((at, speed), up)| (at, gained(speed, up))).collect();
        for ms in 0..=(judged.rest_ns / 1_000_000) {
            let person_reach = 1.6 * float(age_ms + ms) + 300.0 + 30.0 + 200.0 + 50.0 + 5.0;
            let mut square = 0.0;
            for ((at, speed), person) in part.iter_mut().zip([f64::from(x), f64::from(y)]) {
                let off = (person - *at).abs() - 100.0;
                square += off.max(0.0) * off.max(0.0);
                *at += *speed * 1e-3;
                if ms >= 107 {
                    *speed -= speed.signum() * speed.abs().min(20.0);
                }
            }
            let touched = square.sqrt() < person_reach;
            proptest::prop_assert!(!touched, "after {ms} ms: {judged:?}");
        }
        proptest::prop_assert!(part.iter().all(|(_, speed)| speed.abs() < 1e-9), "{part:?}");
    }
}
