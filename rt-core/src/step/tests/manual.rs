//! Two modes by a wired selector, an enabling switch, jog inputs.

use super::*;
use crate::interlock::Mode;
use crate::plan::{Block, Directions, JogPlan, ModePlan};

const AUTOMATIC: SignalId = SignalId(17);
const MANUAL: SignalId = SignalId(18);
const ENABLE_A: SignalId = SignalId(19);
const ENABLE_B: SignalId = SignalId(27);
const FORWARD: SignalId = SignalId(28);
const BACK: SignalId = SignalId(29);
const DOOR: SignalId = SignalId(37);

/// The machine of the other tests with a selector; its door counts in automatic only, its enabling switch in manual only.
fn modes() -> MachinePlan {
    let mut plan = plan();
    let mut rows = plan.interlocks.to_vec();
    let door = interlock(Cause::Input { signal: DOOR }, &[0, 1], Reaction::Stop1, true);
    let switch = Cause::EnablingSwitch { a: ENABLE_A, b: ENABLE_B };
    let switch = interlock(switch, &[0, 1], Reaction::Stop2, false);
    rows.push(InterlockPlan { when: When::Automatic, ..door });
    rows.push(InterlockPlan { when: When::Manual, ..switch });
    rows.push(interlock(Cause::ModeSelector, &[0, 1], Reaction::Stop2, false));
    plan.interlocks = rows.into_boxed_slice();
    plan.mode = Some(ModePlan {
        automatic: AUTOMATIC,
        manual: MANUAL,
        monitor_ns: 50_000_000,
        speeds: Box::new([Nano(250 * MM), Nano(250 * MM)]),
        jogs: Box::new([JogPlan {
            axis: AxisId(0),
            positive: FORWARD,
            negative: BACK,
            velocity: Nano(200 * MM),
        }]),
        blocks: Box::default(),
    });
    plan
}

impl Bench {
    fn select(&mut self, automatic: i64, manual: i64) {
        self.set(AUTOMATIC, automatic);
        self.set(MANUAL, manual);
    }

    /// The enabling switch: 1 let go, 2 middle, 3 pressed through.
    fn switch(&mut self, position: u8) {
        let (a, b) = [(0, 1), (1, 1), (0, 0)][usize::from(position) - 1];
        self.set(ENABLE_A, a);
        self.set(ENABLE_B, b);
    }

    fn at_rest() -> Self {
        Self::at_rest_of(modes())
    }

    fn at_rest_of(plan: MachinePlan) -> Self {
        let mut bench = Self::new(plan);
        bench.select(1, 0);
        bench.switch(1);
        for (signal, value) in [(FORWARD, 0), (BACK, 0), (DOOR, 1)] {
            bench.set(signal, value);
        }
        bench.cycles(5);
        bench
    }

    fn homed() -> Self {
        Self::at_rest().home()
    }

    fn home(self) -> Self {
        let mut bench = self;
        bench.press(RESET);
        bench.press(START);
        bench.cycles(600);
        assert_eq!(bench.machine(), MachineState::Run, "{:#?}", bench.kept.events());
        bench
    }

    /// In manual, at rest, with the enabling switch in its middle.
    fn in_manual() -> Self {
        Self::in_manual_of(modes())
    }

    fn in_manual_of(plan: MachinePlan) -> Self {
        let mut bench = Self::at_rest_of(plan).home();
        bench.select(0, 1);
        bench.cycles(400);
        bench.switch(2);
        bench.cycles(5);
        assert_eq!(bench.machine(), MachineState::AwaitStart, "{:#?}", bench.kept.events());
        assert_eq!(bench.core.status().mode, Mode::Manual);
        bench
    }

    fn place(&self) -> i64 {
        self.core.axes()[0].commanded_position().0 / 1_000_000
    }

    /// How far axis 0 is told to go in so many cycles, µm.
    fn way(&mut self, cycles: u32) -> i64 {
        let from = self.place();
        self.cycles(cycles);
        self.place() - from
    }
}

#[test]
fn turning_the_selector_stops_what_runs_and_a_fresh_start_must_follow() {
    for (first, second) in [((0, 1), (0, 1)), ((0, 0), (0, 1)), ((0, 0), (1, 0)), ((1, 1), (1, 0))]
    {
        let mut bench = Bench::homed();
        bench.until_fast(100.0);
        bench.select(first.0, first.1);
        bench.cycle();
        assert_ne!(bench.machine(), MachineState::Run, "{first:?} stops at once");
        bench.cycles(3);
        bench.select(second.0, second.1);
        bench.switch(2);
        bench.cycles(500);
        assert_eq!(bench.way(500), 0, "nothing moves by itself");
        assert_ne!(bench.machine(), MachineState::Run);
        bench.press(START);
        assert_eq!(bench.machine(), MachineState::Run, "{first:?} {second:?}");
    }
}

#[test]
fn neither_and_both_select_nothing_and_nothing_starts() {
    for (automatic, manual) in [(0, 0), (1, 1)] {
        let mut bench = Bench::at_rest();
        bench.select(automatic, manual);
        bench.switch(2);
        bench.cycles(200);
        bench.press(RESET);
        bench.press(START);
        assert_eq!(bench.core.status().mode, Mode::Unknown);
        assert_eq!(bench.machine(), MachineState::Safe);
    }
}

#[test]
fn a_fresh_jog_moves_as_long_as_it_is_held_and_no_faster_than_manual_allows() {
    let mut bench = Bench::in_manual();
    bench.set(BACK, 1);
    bench.cycles(400);
    assert_eq!(bench.machine(), MachineState::Run, "a jog is a start: {:#?}", bench.kept.events());
    let way = bench.way(100);
    assert!((-20_100..-15_000).contains(&way), "200 mm/s for 0.1 s: {way} um");
    bench.set(BACK, 0);
    bench.cycles(150);
    assert_eq!(bench.way(200), 0);
    bench.set(FORWARD, 1);
    bench.cycles(100);
    assert!(bench.way(50) > 5_000, "and the other way");
    bench.set(BACK, 1);
    bench.cycles(150);
    assert_eq!(bench.way(50), 0, "both are neither");
    bench.no_violation();
}

#[test]
fn a_jog_ends_at_the_soft_limit_without_a_violation() {
    let mut bench = Bench::in_manual();
    bench.set(FORWARD, 1);
    bench.cycles(4000);
    assert_eq!(bench.place(), 498_000, "twice the margin before it");
    assert_eq!(bench.machine(), MachineState::Run);
    bench.no_violation();
    bench.set(FORWARD, 0);
    bench.cycles(10);
    bench.set(BACK, 1);
    bench.cycles(200);
    assert!(bench.place() < 495_000, "and back: {}", bench.place());
}

#[test]
fn without_the_enabling_switch_nothing_is_jogged_and_letting_go_stops_for_good() {
    for position in [1, 3] {
        let mut bench = Bench::in_manual();
        bench.set(BACK, 1);
        bench.cycles(400);
        bench.switch(position);
        bench.cycles(300);
        assert_eq!(bench.machine(), MachineState::Safe, "position {position}");
        assert_eq!(bench.way(100), 0);
        // The jog is still held: taking the switch again moves nothing.
        bench.switch(1);
        bench.cycles(10);
        bench.switch(2);
        assert_eq!(bench.way(500), 0, "not fresh");
        assert_eq!(bench.machine(), MachineState::AwaitStart);
        bench.set(BACK, 0);
        bench.cycles(10);
        bench.set(BACK, 1);
        assert!(bench.way(400) < -10_000, "a fresh press does");
    }
}

#[test]
fn a_jog_that_is_held_when_start_is_pressed_moves_nothing() {
    let mut bench = Bench::in_manual();
    bench.switch(1);
    bench.set(BACK, 1);
    bench.cycles(50);
    bench.switch(2);
    bench.cycles(50);
    bench.press(START);
    assert_eq!(bench.machine(), MachineState::Run);
    assert_eq!(bench.way(500), 0);
}

#[test]
fn the_program_does_not_run_in_manual_and_begins_anew_when_axes_were_moved() {
    let mut bench = Bench::in_manual();
    bench.press(START);
    bench.cycles(500);
    assert_eq!(bench.way(500), 0, "the program asks for nothing");
    bench.set(BACK, 1);
    bench.cycles(300);
    bench.set(BACK, 0);
    bench.cycles(300);
    let steps_before = bench.kept.events().len();
    bench.select(1, 0);
    bench.cycles(10);
    bench.press(START);
    bench.cycles(20);
    let first = Event::Step { strand: 0, step: 0 };
    let events = bench.kept.events();
    assert!(events[steps_before..].contains(&first), "{:?}", &events[steps_before..]);
}

#[test]
fn the_door_may_be_open_in_manual_and_stops_again_in_automatic() {
    let mut bench = Bench::in_manual();
    bench.set(DOOR, 0);
    bench.cycles(10);
    bench.set(BACK, 1);
    assert!(bench.way(400) < -10_000, "{:#?}", bench.kept.events());
    bench.set(BACK, 0);
    bench.select(1, 0);
    bench.cycles(10);
    bench.press(START);
    assert_eq!(bench.machine(), MachineState::Safe, "the door is open");
}

#[test]
fn without_a_reference_a_jog_is_slow() {
    let mut bench = Bench::at_rest();
    bench.select(0, 1);
    bench.cycles(20);
    // A reset does not need the switch, and does not move the machine on while it is let go.
    bench.press(RESET);
    assert_eq!(bench.machine(), MachineState::Safe, "{:#?}", bench.kept.events());
    bench.switch(2);
    bench.cycles(10);
    assert_eq!(bench.machine(), MachineState::AwaitStart);
    bench.set(FORWARD, 1);
    bench.cycles(400);
    let way = bench.way(100);
    assert!((9_000..=10_100).contains(&way), "100 mm/s for 0.1 s: {way} um");
    bench.no_violation();
}

#[test]
fn the_network_selects_no_mode_and_starts_nothing() {
    // Everything that comes from outside the wires and the cameras: a new field must be judged here.
    let Command { shutdown: _, supervisor_at: _ } = Command::default();
}

// SR-080
#[test]
fn a_row_that_closes_a_way_brings_a_jog_to_rest_and_leaves_the_way_back_free() {
    let mut plan = modes();
    let mut rows = plan.interlocks.to_vec();
    let left = Directions { negative: false, positive: true };
    let mut closes = interlock(Cause::Input { signal: GUARD }, &[], Reaction::None, false);
    closes.blocks = Box::new([Block { axis: AxisId(0), left }]);
    // In place of the row that limits the speed on this input.
    rows[usize::from(LIMIT_SPEED)] = closes;
    plan.interlocks = rows.into_boxed_slice();
    let mut bench = Bench::in_manual_of(plan);
    bench.set(BACK, 1);
    bench.cycles(400);
    bench.set(GUARD, 0);
    bench.cycles(100);
    assert_eq!(bench.way(300), 0, "it does not go on, held or not");
    assert_eq!(bench.machine(), MachineState::Run, "and it is no stop");
    bench.set(BACK, 0);
    bench.cycles(5);
    bench.set(FORWARD, 1);
    bench.cycles(100);
    assert!(bench.way(50) > 5_000, "back is free");
    bench.set(FORWARD, 0);
    bench.cycles(200);
    bench.set(BACK, 1);
    assert_eq!(bench.way(300), 0, "on is not");
    bench.set(BACK, 0);
    bench.set(GUARD, 1);
    bench.cycles(5);
    bench.set(BACK, 1);
    bench.cycles(100);
    assert!(bench.way(50) < -5_000, "open again");
    bench.no_violation();
}
