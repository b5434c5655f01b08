//! One belt, one part or two, a cycle of 1 ms at 500 mm/s: 0.5 mm a cycle.

extern crate std;

use super::*;
use std::vec;
use std::vec::Vec;

const MS: u64 = 1_000_000;
const MM: i64 = 1_000_000_000;

const PLAN: TrackPlan = TrackPlan {
    legs: [Nano(0), Nano::MAX, Nano::MAX, Nano::MAX],
    part_length: Nano(20 * MM),
    spacing: Nano(40 * MM),
    sensor_ns: 0,
    camera_at: Nano(100 * MM),
    reject_at: Nano(300 * MM),
    tail: Nano(100 * MM),
    output_ns: MS,
    trigger_ns: 5 * MS,
    capture_ns: 10 * MS,
    early_ns: MS,
    pulse_ns: 20 * MS,
    delay_ns: 10 * MS,
    slip_max: Nano(5 * MM),
};

/// A belt with a sensor, and what it told.
struct Bench {
    track: Track,
    now: u64,
    asked: Asked,
    /// Middles of parts in truth.
    parts: Vec<i64>,
    speed: i64,
    permit: bool,
    heard: bool,
    news: Vec<News>,
    /// Cycle in which the trigger came, for each.
    triggered: Vec<u64>,
}

impl Bench {
    /// Empty, and known to be.
    fn new() -> Self {
        let mut bench = Self {
            track: Track::new(&PLAN),
            now: MS,
            asked: Asked::default(),
            parts: vec![],
            speed: 500,
            permit: true,
            heard: true,
            news: vec![],
            triggered: vec![],
        };
        bench.run(700);
        assert_eq!(bench.track.unseen, None, "everything went through");
        assert_eq!(bench.news, []);
        bench
    }

    fn run(&mut self, cycles: u64) {
        for _ in 0..cycles {
            self.now += MS;
            let moved = self.speed * MM / 1000;
            self.parts.iter_mut().for_each(|part| *part += moved);
            let covered = self.parts.iter().any(|at| at.abs() <= 10 * MM);
            let belt = Belt {
                moved: Nano(moved),
                velocity: Nano(self.speed * MM),
                acceleration: Nano::ZERO,
            };
            let before = self.asked;
            let seen = Seen {
                now: self.now,
                sensor: Some(covered),
                belts: self.heard.then_some(core::slice::from_ref(&belt)),
                trigger: before.trigger && self.permit,
                reject: before.reject && self.permit,
            };
            let news = &mut self.news;
            self.asked = self.track.update(&seen, &mut |it| news.push(it));
            if self.asked.trigger && !before.trigger {
                self.triggered.push(self.now);
            }
        }
    }

    fn answer(&mut self, trigger: u64, good: Option<bool>) {
        let captured_at = self.triggered.last().copied().unwrap_or(self.now) + 2 * MS;
        self.tell(Answer { trigger, good, captured_at, ahead: None });
    }

    fn tell(&mut self, answer: Answer) {
        let news = &mut self.news;
        self.track.answer(&answer, &mut |it| news.push(it));
    }

    /// A part, up to under the camera and a little beyond.
    fn with_part() -> Self {
        let mut bench = Self::new();
        bench.parts.push(-30 * MM);
        bench.run(280);
        assert_eq!(bench.triggered.len(), 1);
        bench
    }

    fn fates(&self) -> Vec<Fate> {
        let fate = |news: &News| match *news {
            News::Passed { fate, .. } => Some(fate),
            News::Trouble { .. } => None,
        };
        self.news.iter().filter_map(fate).collect()
    }

    fn troubles(&self) -> Vec<Trouble> {
        let trouble = |news: &News| match *news {
            News::Trouble { trouble, .. } => Some(trouble),
            News::Passed { .. } => None,
        };
        self.news.iter().filter_map(trouble).collect()
    }
}

#[test]
fn the_camera_is_triggered_when_the_part_is_under_it() {
    let mut bench = Bench::new();
    let began = bench.now;
    bench.parts.push(-30 * MM);
    bench.run(280);
    // 130 mm at 0.5 mm a cycle, one cycle ahead for the wire.
    assert!((258..=260).contains(&((bench.triggered[0] - began) / MS)), "{:?}", bench.triggered);
}

// SR-090
#[test]
fn only_one_good_result_in_time_lets_a_part_pass() {
    type Told = fn(&mut Bench);
    let cases: [(Told, Fate); 6] = [
        (|bench| bench.answer(1, Some(true)), Fate::Good),
        (|bench| bench.answer(1, Some(false)), Fate::Rejected(Reason::Bad)),
        (|bench| bench.answer(1, None), Fate::Rejected(Reason::Unknown)),
        (|_| {}, Fate::Rejected(Reason::Missing)),
        (
            |bench| {
                bench.answer(1, Some(true));
                bench.answer(1, Some(true));
            },
            Fate::Rejected(Reason::Duplicate),
        ),
        (
            |bench| {
                let captured_at = bench.triggered[0] + 30 * MS;
                bench.tell(Answer { trigger: 1, good: Some(true), captured_at, ahead: None });
            },
            Fate::Rejected(Reason::Missing),
        ),
    ];
    for (told, fate) in cases {
        let mut bench = Bench::with_part();
        told(&mut bench);
        bench.run(600);
        assert_eq!(bench.fates(), [fate]);
        assert!(bench.track.is_empty(), "it is forgotten behind the end");
    }
}

// SR-091
#[test]
fn the_pulse_has_its_middle_where_the_part_has_its_own() {
    let mut bench = Bench::with_part();
    bench.run(600);
    let News::Passed { error_ns: Some(ns), error, .. } = bench.news[0] else {
        panic!("{:?}", bench.news);
    };
    assert!(ns.unsigned_abs() <= MS, "{ns} ns");
    assert!(error.magnitude() <= Nano(MM / 2), "{error:?}");
}

// SR-091
#[test]
fn a_bad_part_that_passes_while_the_ejector_may_not_act_is_told_as_missed() {
    let mut bench = Bench::with_part();
    bench.answer(1, Some(false));
    bench.permit = false;
    bench.run(600);
    assert_eq!(bench.fates(), [Fate::Missed(Reason::Bad)]);
}

#[test]
fn a_result_that_comes_after_the_decision_is_late_and_the_part_is_rejected() {
    let mut bench = Bench::with_part();
    bench.run(375);
    assert!(bench.asked.reject && bench.fates().is_empty(), "it is decided and not there yet");
    bench.answer(1, Some(true));
    bench.run(300);
    assert_eq!(bench.fates(), [Fate::Rejected(Reason::Late)]);
    assert_eq!(bench.troubles(), [Trouble::Late]);
}

#[test]
fn a_result_for_nobody_changes_nothing_and_is_told() {
    let mut bench = Bench::with_part();
    bench.answer(7, Some(true));
    bench.answer(0, Some(true));
    bench.answer(1, Some(true));
    bench.run(600);
    assert_eq!(bench.fates(), [Fate::Good]);
    assert_eq!(bench.troubles(), [Trouble::Stray, Trouble::Stray]);
}

#[test]
fn parts_that_lie_too_near_are_both_rejected_whatever_the_camera_says() {
    let mut bench = Bench::new();
    bench.parts.extend([-30 * MM, -60 * MM]);
    bench.run(280);
    bench.answer(1, Some(true));
    bench.run(60);
    bench.answer(2, Some(true));
    bench.run(600);
    assert_eq!(bench.fates(), [Fate::Rejected(Reason::Close); 2]);
}

// SR-092
#[test]
fn parts_that_touch_are_all_rejected_though_the_sensor_sees_one() {
    let mut bench = Bench::new();
    bench.parts.extend([-30 * MM, -50 * MM]);
    bench.run(280);
    bench.answer(1, Some(true));
    bench.run(345);
    assert!(bench.asked.reject && bench.track.unseen.is_some());
    bench.run(400);
    assert_eq!(bench.fates(), [Fate::Rejected(Reason::Close)]);
    assert_eq!(bench.track.unseen, None);
}

#[test]
fn a_belt_that_stops_short_holds_the_ejector_on_until_the_part_has_passed() {
    let mut bench = Bench::with_part();
    bench.answer(1, Some(false));
    bench.run(375);
    assert!(bench.asked.reject);
    bench.speed = 0;
    bench.run(3000);
    assert!(bench.asked.reject, "the part is not there yet");
    bench.speed = 500;
    bench.run(400);
    assert_eq!(bench.fates(), [Fate::Rejected(Reason::Bad)]);
    assert!(!bench.asked.reject);
}

#[test]
fn a_part_that_goes_back_and_comes_again_is_the_same_part() {
    let mut bench = Bench::new();
    bench.parts.push(-30 * MM);
    bench.run(100);
    bench.speed = -500;
    bench.run(90);
    bench.speed = 500;
    bench.run(270);
    bench.answer(1, Some(true));
    bench.run(600);
    assert_eq!(bench.fates(), [Fate::Good]);
    assert_eq!(bench.track.seen, 1);
    assert_eq!(bench.triggered.len(), 1);
}

// SR-092
#[test]
fn an_encoder_that_is_not_heard_makes_everything_on_the_belt_unseen_and_rejected() {
    let mut bench = Bench::with_part();
    bench.answer(1, Some(true));
    bench.heard = false;
    bench.run(1);
    bench.heard = true;
    bench.run(1);
    assert!(bench.asked.reject && bench.track.is_empty());
    assert_eq!(bench.troubles(), [Trouble::Lost]);
    bench.run(500);
    assert!(bench.asked.reject, "what was at the sensor has not passed");
    bench.run(180);
    assert!(!bench.asked.reject);
    bench.heard = false;
    bench.run(3);
    assert_eq!(bench.troubles(), [Trouble::Lost; 2], "told once");
}

// SR-092
#[test]
fn a_part_that_there_is_no_room_for_is_rejected_unseen() {
    let mut bench = Bench::new();
    bench.track.plan.reject_at = Nano(4000 * MM);
    let first = bench.parts.len();
    bench.parts.extend((0..70).map(|place| -(30 + 50 * place) * MM));
    bench.run(7100);
    assert!(bench.troubles().contains(&Trouble::Full));
    assert_eq!(bench.track.len(), TRACK_MAX);
    assert!(bench.track.unseen.is_some());
    assert_eq!(first, 0);
}

#[test]
fn what_the_camera_measures_moves_the_part_and_too_much_rejects_it() {
    for (ahead, fate) in [(3, Fate::Good), (6, Fate::Rejected(Reason::Slip))] {
        let mut bench = Bench::with_part();
        let (before, captured_at) = (bench.track.parts[0].at, bench.triggered[0] + MS);
        let ahead = Nano(ahead * MM);
        bench.tell(Answer { trigger: 1, good: Some(true), captured_at, ahead: Some(ahead) });
        if fate == Fate::Good {
            let slipped = minus(ahead, bench.track.parts[0].beyond);
            assert_eq!(bench.track.parts[0].at, plus(before, slipped));
        }
        bench.run(600);
        assert_eq!(bench.fates(), [fate]);
    }
}

#[test]
fn the_second_belt_takes_over_where_it_begins() {
    let legs = [Nano(0), Nano(200 * MM), Nano::MAX, Nano::MAX];
    let plan = TrackPlan { legs, ..PLAN };
    let belt = |mm: i64| Belt { velocity: Nano(mm * MM), ..Belt::default() };
    let belts = [belt(1), belt(2)];
    let speed = |at: i64| belt_at(&plan, &belts, Nano(at * MM)).velocity;
    assert_eq!([0, 199, 200, 900].map(speed), [1, 1, 2, 2].map(|mm| Nano(mm * MM)));
}

#[test]
fn a_belt_that_brakes_goes_no_further_than_to_rest() {
    let belt = Belt { moved: Nano(0), velocity: Nano(100 * MM), acceleration: Nano(-1000 * MM) };
    assert_eq!(belt.travel(50 * MS), Nano(3_750_000_000));
    assert_eq!(belt.travel(100 * MS), Nano(5 * MM));
    assert_eq!(belt.travel(10_000 * MS), Nano(5 * MM));
    assert_eq!(Belt::default().travel(u64::MAX), Nano::ZERO);
}
