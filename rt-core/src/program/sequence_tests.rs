use super::*;
use crate::program::AxisView;
use crate::signal::SignalId;
use crate::step::testing::{MM, machine_plan};
use alloc::vec::Vec;

const INPUT: SignalId = SignalId(3);
const MS: u64 = 1_000_000;

/// Takes what the program asks, or refuses it.
#[derive(Default)]
struct Taken {
    requests: Vec<Request>,
    refuse: bool,
}

impl Requests for Taken {
    fn put(&mut self, request: Request) -> bool {
        if !self.refuse {
            self.requests.push(request);
        }
        !self.refuse
    }
}

struct Bench {
    program: Sequence,
    axes: [AxisView; 3],
    signals: Signals,
    taken: Taken,
    now: u64,
    running: bool,
    moved_by_hand: bool,
}

impl Bench {
    fn new(strands: Vec<StrandPlan>) -> Self {
        let mut plan = machine_plan();
        plan.program.strands = strands;
        Self {
            program: Sequence::new(&plan),
            axes: [AxisView::default(); 3],
            signals: Signals::new(10),
            taken: Taken::default(),
            now: 0,
            running: false,
            moved_by_hand: false,
        }
    }

    /// One cycle of 1 ms; gives what was asked in it.
    fn cycle(&mut self, running: bool) -> Vec<Request> {
        self.now += MS;
        let started = running && !self.running;
        self.running = running;
        let (now, signals, axes) = (self.now, &self.signals, &self.axes[..]);
        let view = View {
            now,
            signals,
            axes,
            running,
            started,
            moved_by_hand: self.moved_by_hand,
            mode: crate::interlock::Mode::Automatic,
        };
        self.program.cycle(view, &mut self.taken);
        core::mem::take(&mut self.taken.requests)
    }

    fn cycles(&mut self, count: u32) -> Vec<Request> {
        (0..count).flat_map(|_| self.cycle(true)).collect()
    }

    fn done(&mut self, axis: usize, done: bool) {
        self.axes[axis].done = done;
    }
}

fn strand(actions: &[Action], restart_at: Option<u16>) -> StrandPlan {
    let steps = actions.iter().map(|action| StepPlan { action: *action, timeout_ns: None });
    StrandPlan { steps: steps.collect(), restart_at }
}

fn home(axis: u8) -> Request {
    Request::Home { axis: AxisId(axis) }
}

fn output(value: i64) -> Request {
    Request::Output { signal: SignalId(6), value }
}

fn relative(distance: i64) -> Request {
    Request::MoveRelative { axis: AxisId(2), distance: Nano(distance * MM), velocity: Nano(MM) }
}

fn belt(velocity: i64) -> Request {
    Request::MoveVelocity { axis: AxisId(2), velocity: Nano(velocity * MM) }
}

fn input(compare: Compare, value: i64) -> Condition {
    Condition { signal: INPUT, compare, value }
}

#[test]
fn steps_follow_each_other_when_what_was_asked_is_done() {
    let mut bench = Bench::new(alloc::vec![strand(
        &[Action::Do(home(0)), Action::Do(output(1)), Action::Do(home(1))],
        None
    )]);
    assert_eq!(bench.cycle(false), [], "nothing is asked while the machine does not run");
    assert_eq!(bench.cycle(true), [home(0)]);
    assert_eq!(bench.cycles(20), [], "asked once");
    bench.done(0, true);
    assert_eq!(bench.cycle(true), [output(1), home(1)], "an output takes no time");
    assert_eq!(bench.program.strand(0), Some(2));
    bench.done(1, true);
    bench.cycle(true);
    assert_eq!((bench.program.strand(0), bench.program.position()), (None, 0), "done");
}

#[test]
fn a_group_is_done_when_all_of_its_axes_are() {
    let point = [Some(Nano::ONE); crate::program::GROUP_AXES_MAX];
    let line = Request::MoveLinear { group: GroupId(0), target: point, velocity: Nano::ONE };
    let mut bench = Bench::new(alloc::vec![strand(&[Action::Do(line), Action::Do(home(0))], None)]);
    assert_eq!(bench.cycle(true), [line]);
    bench.done(0, true);
    assert_eq!(bench.cycles(3), []);
    bench.done(1, true);
    assert_eq!(bench.cycle(true), [home(0)]);
}

#[test]
fn waits_and_time_outs_count_running_time_only() {
    let mut steps =
        strand(&[Action::Wait(5 * MS), Action::WaitFor(input(Compare::Equal, 1))], None);
    steps.steps[1].timeout_ns = Some(3 * MS);
    let mut bench = Bench::new(alloc::vec![steps]);
    bench.cycles(3);
    for _ in 0..100 {
        bench.cycle(false);
    }
    assert_eq!(bench.program.strand(0), Some(0));
    bench.cycles(3);
    assert_eq!(
        bench.program.strand(0),
        Some(0),
        "2 ms and 2 ms: the first cycle after a pause adds none"
    );
    bench.cycle(true);
    assert_eq!(bench.program.strand(0), Some(1));
    bench.cycles(3);
    assert_eq!(bench.program.fault(), None);
    bench.cycle(true);
    assert_eq!(bench.program.fault(), Some(1), "waited for longer than 3 ms");
}

#[test]
fn after_a_fault_nothing_is_asked_until_the_next_start_which_tries_again() {
    let mut steps = strand(&[Action::Do(home(0))], None);
    steps.steps[0].timeout_ns = Some(2 * MS);
    let mut bench = Bench::new(alloc::vec![steps]);
    assert_eq!(bench.cycles(10), [home(0)]);
    assert_eq!(bench.program.fault(), Some(0));
    bench.cycle(false);
    assert_eq!(bench.program.fault(), Some(0), "people may still read it");
    assert_eq!(bench.cycle(true), [home(0)]);
    assert_eq!(bench.program.fault(), None);
}

#[test]
fn what_a_stop_interrupted_is_asked_again_and_of_a_relative_move_only_what_is_left() {
    let mut bench = Bench::new(alloc::vec![
        strand(&[Action::Do(home(0))], None),
        strand(&[Action::Do(relative(100))], None),
    ]);
    bench.axes[2].commanded = 950.0;
    assert_eq!(bench.cycle(true), [home(0), relative(100)]);
    bench.axes[2].commanded = 990.0;
    bench.cycle(true);
    bench.cycle(false);
    // While it comes to rest it goes on by 20 mm, through the wrap at 1000 mm.
    bench.axes[2].commanded = 10.0;
    bench.cycle(false);
    let again = bench.cycle(true);
    assert_eq!(again[0], home(0));
    let Request::MoveRelative { distance, .. } = again[1] else { panic!("{again:?}") };
    assert_eq!(distance, Nano(40 * MM));
}

#[test]
fn a_velocity_that_was_started_goes_on_after_a_stop_until_something_else_is_asked() {
    let mut bench = Bench::new(alloc::vec![strand(
        &[
            Action::Start(belt(200)),
            Action::WaitFor(input(Compare::Equal, 1)),
            Action::Start(belt(0)),
            Action::Wait(1000 * MS),
        ],
        None
    )]);
    assert_eq!(bench.cycle(true), [belt(200)], "and goes on at once");
    assert_eq!(bench.program.strand(0), Some(1));
    bench.cycle(false);
    bench.taken.refuse = true;
    assert_eq!(bench.cycles(20), [], "the axis comes to rest");
    bench.taken.refuse = false;
    assert_eq!(bench.cycles(5), [belt(200)]);
    bench.signals.set(INPUT, 1, 1);
    assert_eq!(bench.cycle(true), [belt(0)]);
    bench.cycle(false);
    assert_eq!(bench.cycle(true), [], "it was told to rest");
}

#[test]
fn a_request_that_is_refused_for_too_long_is_a_fault() {
    let mut bench = Bench::new(alloc::vec![strand(&[Action::Do(home(0))], None)]);
    bench.taken.refuse = true;
    bench.cycles(250);
    assert_eq!(bench.program.fault(), None);
    bench.cycles(2);
    assert_eq!(bench.program.fault(), Some(0));
}

#[test]
fn branches_jumps_and_counted_loops_go_where_they_say() {
    let actions = [
        Action::Do(output(0)),
        Action::Loop { to: 0, count: 3 },
        Action::Branch { condition: input(Compare::AtLeast, 5), to: 4 },
        Action::Jump(5),
        Action::Do(output(4)),
        Action::Do(output(5)),
    ];
    for (value, asked) in [
        (None, &[output(0), output(0), output(0), output(5)][..]),
        (Some(4), &[output(0), output(0), output(0), output(5)]),
        (Some(5), &[output(0), output(0), output(0), output(4), output(5)]),
    ] {
        let mut bench = Bench::new(alloc::vec![strand(&actions, None)]);
        if let Some(value) = value {
            bench.signals.set(INPUT, value, 1);
        }
        assert_eq!(bench.cycle(true), asked, "{value:?}");
        assert_eq!(bench.program.strand(0), None);
    }
}

#[test]
fn behind_its_last_step_a_strand_begins_again_where_it_says_with_its_loops_fresh() {
    let actions = [
        Action::Do(output(0)),
        Action::Do(output(1)),
        Action::Loop { to: 1, count: 2 },
        Action::Wait(2 * MS),
    ];
    let mut bench = Bench::new(alloc::vec![strand(&actions, Some(1))]);
    assert_eq!(bench.cycle(true), [output(0), output(1), output(1)]);
    assert_eq!(bench.cycles(2), [output(1), output(1)]);
    assert_eq!(bench.cycles(2), [output(1), output(1)]);
}

#[test]
fn a_circle_of_jumps_does_not_take_all_the_time() {
    let mut bench = Bench::new(alloc::vec![
        strand(&[Action::Jump(0)], None),
        strand(&[Action::Do(home(0))], None),
    ]);
    assert_eq!(bench.cycle(true), [home(0)]);
}

#[test]
fn a_join_waits_until_the_other_strand_is_there_or_done() {
    let mut bench = Bench::new(alloc::vec![
        strand(&[Action::Do(home(0)), Action::Do(home(0)), Action::Do(home(0))], None),
        strand(&[Action::Join { strand: 0, step: 2 }, Action::Do(output(1))], None),
    ]);
    bench.cycles(10);
    assert_eq!(bench.program.strand(1), Some(3));
    bench.done(0, true);
    bench.cycle(true);
    bench.done(0, false);
    assert_eq!(bench.program.strand(1), Some(3), "it is at its second step");
    bench.cycle(true);
    bench.done(0, true);
    bench.cycle(true);
    assert!(bench.cycle(true).contains(&output(1)));
}

#[test]
fn conditions_compare_good_values_only() {
    let mut signals = Signals::new(10);
    let all = [Compare::Equal, Compare::NotEqual, Compare::Less, Compare::AtLeast];
    let held = |signals: &Signals| all.map(|compare| holds(&input(compare, 5), signals));
    assert_eq!(held(&signals), [false; 4], "missing");
    signals.set(INPUT, 4, 1);
    assert_eq!(held(&signals), [false, true, true, false]);
    signals.set(INPUT, 5, 1);
    assert_eq!(held(&signals), [true, false, false, true]);
    signals.age(INPUT);
    assert_eq!(held(&signals), [false; 4], "stale");
}

#[test]
fn an_axis_that_lost_its_reference_is_homed_again_with_everything_from_the_start() {
    let again = Some(1);
    let mut bench = Bench::new(alloc::vec![
        strand(&[Action::Do(home(0)), Action::Do(output(1)), Action::Wait(5 * MS)], again),
        strand(&[Action::Start(belt(5)), Action::Wait(1_000 * MS)], None),
    ]);
    assert_eq!(bench.cycle(true), [home(0), belt(5)]);
    bench.axes[0].referenced = true;
    bench.done(0, true);
    assert_eq!(bench.cycles(3), [output(1)]);
    // A stop alone changes nothing: it goes on where it was.
    bench.cycle(false);
    assert_eq!(bench.cycle(true), [belt(5)]);
    assert_eq!(bench.program.strand(0), Some(2));
    // Its drive was switched on anew meanwhile; without a start nothing is asked.
    bench.cycle(false);
    bench.axes[0].referenced = false;
    bench.done(0, false);
    assert_eq!(bench.cycle(false), []);
    assert_eq!(bench.cycle(true), [home(0), belt(5)], "as after power-up");
    assert_eq!(bench.program.strand(0), Some(0));
    // While it is being homed a stop is a stop like any other.
    bench.cycle(false);
    assert_eq!(bench.cycle(true), [belt(5), home(0)]);
    assert_eq!(bench.program.strand(1), Some(4));
}

#[test]
fn after_axes_were_moved_by_hand_every_strand_begins_anew() {
    for moved_by_hand in [false, true] {
        // Given a strand that is in its second step,
        let actions = [Action::Do(output(1)), Action::Do(home(0)), Action::Do(output(0))];
        let mut bench = Bench::new(alloc::vec![strand(&actions, None)]);
        assert_eq!(bench.cycles(3), [output(1), home(0)]);
        // when it is stopped and started again,
        bench.cycle(false);
        bench.moved_by_hand = moved_by_hand;
        let asked = bench.cycle(true);
        // then it goes on, or begins anew.
        let expected =
            if moved_by_hand { alloc::vec![output(1), home(0)] } else { alloc::vec![home(0)] };
        assert_eq!(asked, expected);
    }
}
