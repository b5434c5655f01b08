use super::*;
use crate::signal::{SignalId, Signals};
use crate::step::log_testing::Kept;
use alloc::vec::Vec;

const RESET: SignalId = SignalId(0);
const START: SignalId = SignalId(1);
const STOP: SignalId = SignalId(2);
const PLAN: ControlPlan =
    ControlPlan { reset: RESET, start: START, stop: Some(STOP), press_min_ns: 2, press_max_ns: 9 };
const CAUSE: InterlockId = InterlockId(3);

/// A machine with its buttons and a clock that ticks 1 ns a cycle.
struct Bench {
    control: Control,
    signals: Signals,
    situation: Situation,
    kept: Kept,
    now: u64,
}

impl Bench {
    fn new() -> Self {
        let mut signals = Signals::new(3);
        for (signal, value) in [(RESET, 0), (START, 0), (STOP, 1)] {
            signals.set(signal, value, 1);
        }
        let control = Control::new(PLAN);
        let kept = Kept::default();
        Self { control, signals, situation: Situation::default(), kept, now: 100 }
    }

    fn cycle(&mut self) -> Outcome {
        self.now += 1;
        let mut log = self.kept.log(self.now);
        self.control.update(|id| self.signals.good(id), &self.situation, &mut log)
    }

    /// Presses for `cycles`, lets go, and gives what happened meanwhile.
    fn press(&mut self, button: SignalId, cycles: u32) -> Vec<Outcome> {
        self.signals.set(button, 1, self.now);
        let mut outcomes: Vec<_> = (0..cycles).map(|_| self.cycle()).collect();
        self.signals.set(button, 0, self.now);
        outcomes.push(self.cycle());
        outcomes
    }

    fn demand(&mut self, latches: bool) {
        self.situation.stop = Some((CAUSE, latches));
        self.situation.demanded = true;
        self.situation.refuses_reset = true;
    }

    /// The demand is gone; its latch stays until the reset.
    fn clear(&mut self, latched: bool) {
        self.situation = Situation::default();
        self.situation.stop = latched.then_some((CAUSE, true));
    }

    fn running() -> Self {
        let mut bench = Self::new();
        bench.cycle();
        bench.cycle();
        bench.press(RESET, 3);
        bench.press(START, 4);
        assert_eq!(bench.control.machine(), Machine::Run);
        bench
    }

    fn state(&self) -> MachineState {
        self.control.machine().state()
    }
}

#[test]
// SR-001
fn it_starts_safe_and_needs_reset_then_start() {
    let mut bench = Bench::new();
    bench.cycle();
    assert_eq!(bench.control.machine(), Machine::Safe { cause: SafeCause::Boot, since: 101 });
    bench.press(START, 4);
    assert_eq!(bench.state(), MachineState::Safe, "a start before the reset does nothing");
    assert!(bench.press(RESET, 3).iter().any(|outcome| outcome.reset));
    assert_eq!(bench.state(), MachineState::AwaitStart, "a reset never starts");
    bench.press(START, 4);
    assert_eq!(bench.state(), MachineState::Run);
}

#[test]
// SR-010
fn a_start_that_is_held_over_the_reset_is_not_fresh() {
    let mut bench = Bench::new();
    bench.cycle();
    bench.signals.set(START, 1, bench.now);
    bench.press(RESET, 3);
    for _ in 0..50 {
        bench.cycle();
    }
    assert_eq!(bench.state(), MachineState::AwaitStart);
}

#[test]
// SR-007
fn a_reset_while_a_cause_demands_is_refused() {
    let mut bench = Bench::new();
    bench.cycle();
    bench.demand(true);
    let outcomes = bench.press(RESET, 3);
    assert!(outcomes.iter().all(|outcome| *outcome == Outcome::default()));
    let refused = Event::ResetRefused { reason: ButtonFault::CauseNotClear };
    assert!(bench.kept.events().contains(&refused));
    bench.clear(true);
    for _ in 0..50 {
        bench.cycle();
    }
    assert_eq!(bench.state(), MachineState::Safe, "and is not remembered");
}

#[test]
fn a_latching_cause_needs_reset_and_start_and_one_that_does_not_latch_only_start() {
    for latches in [true, false] {
        let mut bench = Bench::running();
        bench.demand(latches);
        bench.cycle();
        assert!(matches!(
            bench.control.machine(),
            Machine::Safe { cause: SafeCause::Interlock(CAUSE), .. }
        ));
        bench.clear(latches);
        for _ in 0..50 {
            bench.cycle();
        }
        let expected = if latches { MachineState::Safe } else { MachineState::AwaitStart };
        assert_eq!(bench.state(), expected);
        if latches {
            bench.press(RESET, 3);
            bench.clear(false);
        }
        bench.press(START, 4);
        assert_eq!(bench.state(), MachineState::Run);
    }
}

#[test]
fn a_drive_fault_gets_its_fault_reset_and_the_reset_holds_only_if_it_is_gone_in_time() {
    for gone in [true, false] {
        let mut bench = Bench::running();
        bench.situation.stop = Some((CAUSE, true));
        bench.situation.demanded = true;
        bench.situation.drive_fault = true;
        bench.cycle();
        let outcomes = bench.press(RESET, 3);
        assert!(outcomes.iter().any(|outcome| outcome.fault_reset));
        assert!(outcomes.iter().all(|outcome| !outcome.reset), "not yet: the fault is there");
        if gone {
            bench.clear(true);
        } else {
            bench.now += FAULT_RESET_NS;
        }
        assert_eq!(bench.cycle().reset, gone);
        let expected = if gone { MachineState::AwaitStart } else { MachineState::Safe };
        assert_eq!(bench.state(), expected);
        bench.clear(true);
        if !gone {
            bench.cycle();
            assert_eq!(bench.state(), MachineState::Safe, "a reset that failed is not remembered");
        }
    }
}

#[test]
fn a_cause_that_comes_while_drive_faults_are_reset_refuses_the_reset_for_good() {
    let mut bench = Bench::running();
    bench.situation.stop = Some((CAUSE, true));
    bench.situation.demanded = true;
    bench.situation.drive_fault = true;
    bench.cycle();
    bench.press(RESET, 3);
    bench.demand(true);
    bench.cycle();
    bench.clear(true);
    assert!(!bench.cycle().reset);
    assert_eq!(bench.state(), MachineState::Safe);
}

#[test]
// SR-013
fn the_stop_button_takes_the_permit_and_holds_the_start_off_and_a_lost_one_is_pressed() {
    for lost in [false, true] {
        let mut bench = Bench::running();
        if lost {
            bench.signals.age(STOP);
        } else {
            bench.signals.set(STOP, 0, bench.now);
        }
        bench.cycle();
        assert_eq!(bench.state(), MachineState::AwaitStart);
        bench.press(START, 5);
        assert_eq!(bench.state(), MachineState::AwaitStart);
        bench.signals.set(STOP, 1, bench.now);
        bench.press(START, 5);
        assert_eq!(bench.state(), MachineState::Run);
    }
}

#[test]
fn while_it_runs_a_reset_lets_latches_go_once_and_moves_no_state() {
    let mut bench = Bench::running();
    bench.kept = Kept::default();
    let outcomes = bench.press(RESET, 3);
    let (released, held) = outcomes.split_last().unwrap();
    assert_eq!(*released, Outcome { reset: true, fault_reset: false });
    assert!(held.iter().all(|outcome| *outcome == Outcome::default()));
    assert_eq!(bench.kept.events(), [Event::Reset]);
    assert_eq!(bench.state(), MachineState::Run);
}

#[test]
// SR-010
fn it_says_whether_a_reset_is_needed() {
    assert!(Bench::new().control.reset_needed(), "at boot");
    let mut bench = Bench::running();
    assert!(!bench.control.reset_needed());
    bench.demand(false);
    bench.cycle();
    assert!(!bench.control.reset_needed(), "a cause that does not latch needs none");
    bench.demand(true);
    bench.cycle();
    assert!(bench.control.reset_needed());
}

#[test]
fn drive_faults_that_are_gone_with_the_last_cycle_of_their_time_are_in_time() {
    for late in [0, 1] {
        let mut bench = Bench::running();
        bench.situation.stop = Some((CAUSE, true));
        bench.situation.demanded = true;
        bench.situation.drive_fault = true;
        bench.cycle();
        bench.press(RESET, 3);
        // The press ended in this cycle, and its time began.
        bench.now += FAULT_RESET_NS - 1 + late;
        assert!(!bench.cycle().reset, "the fault is still there");
        bench.clear(true);
        assert_eq!(bench.cycle().reset, late == 0);
    }
}

#[test]
// SR-010
fn a_start_pressed_in_the_very_cycle_of_the_reset_is_not_fresh_and_one_after_it_is() {
    for (after, runs) in [(0, false), (1, true)] {
        let mut bench = Bench::new();
        bench.cycle();
        bench.signals.set(RESET, 1, bench.now);
        for _ in 0..3 {
            bench.cycle();
        }
        // The cycle that sees the reset button let go begins to wait for a start.
        bench.signals.set(RESET, 0, bench.now);
        for n in 0..20 {
            if n == after {
                bench.signals.set(START, 1, bench.now);
            }
            bench.cycle();
            assert!(n > 0 || bench.state() == MachineState::AwaitStart);
        }
        assert_eq!(bench.state() == MachineState::Run, runs, "{after}");
    }
}

#[test]
fn a_reset_button_that_is_held_at_boot_is_told_and_counts_only_after_it_was_let_go() {
    let mut bench = Bench::new();
    bench.signals.set(RESET, 1, 1);
    for _ in 0..5 {
        bench.cycle();
    }
    bench.signals.set(RESET, 0, 1);
    bench.cycle();
    assert_eq!(bench.state(), MachineState::Safe);
    let reason = ButtonFault::HeldAtBoot;
    assert!(bench.kept.events().contains(&Event::ResetRefused { reason }));
    bench.press(RESET, 3);
    assert_eq!(bench.state(), MachineState::AwaitStart);
}

#[test]
fn nothing_leaves_the_shutdown() {
    let mut bench = Bench::running();
    bench.situation.shutdown = true;
    bench.cycle();
    assert!(matches!(bench.control.machine(), Machine::Safe { cause: SafeCause::Shutdown, .. }));
    bench.situation = Situation::default();
    bench.press(RESET, 3);
    bench.press(START, 5);
    assert!(matches!(bench.control.machine(), Machine::Safe { cause: SafeCause::Shutdown, .. }));
}

/// The oracle for one cycle without reset: written as rules over the whole space and not as the code.
fn expected(
    from: MachineState,
    now: &Situation,
    needed: bool,
    start: bool,
    stop: bool,
) -> MachineState {
    let caused = now.stop.is_some() || now.fault.is_some();
    let clear = !caused && !now.demanded;
    let needed = needed || now.fault.is_some() || matches!(now.stop, Some((_, true)));
    match (from, now.shutdown) {
        (_, true) | (MachineState::Boot, false) => MachineState::Safe,
        (MachineState::Safe, false) if clear && !needed => MachineState::AwaitStart,
        (MachineState::Safe, false) => MachineState::Safe,
        (_, false) if caused => MachineState::Safe,
        (MachineState::AwaitStart, false) if start && !stop => MachineState::Run,
        (MachineState::Run, false) if stop => MachineState::AwaitStart,
        (same, false) => same,
    }
}

#[test]
// SR-011
fn every_state_in_every_situation_goes_where_the_rules_say() {
    let machines = [Machine::Boot, safe(SafeCause::Boot, 1), Machine::AwaitStart, Machine::Run];
    let stops = [None, Some((CAUSE, false)), Some((CAUSE, true))];
    let faults = [None, Some(SafeCause::Program)];
    let mut cases = 0;
    for machine in machines {
        for stop in stops {
            for fault in faults {
                for bits in 0_u8..32 {
                    let bit = |n: u8| bits & (1 << n) != 0;
                    let mut bench = Bench::new();
                    bench.control.machine = machine;
                    bench.control.reset_needed = bit(0);
                    bench.control.start =
                        if bit(1) { Button::Pressed { since: 50 } } else { Button::Released };
                    bench.signals.set(START, i64::from(bit(1)), 1);
                    bench.signals.set(STOP, i64::from(!bit(2)), 1);
                    bench.situation = Situation {
                        stop,
                        fault,
                        demanded: stop.is_some() && bit(3),
                        refuses_reset: stop.is_some() && bit(3),
                        drive_fault: false,
                        shutdown: bit(4),
                        ..Situation::default()
                    };
                    bench.control.plan.press_max_ns = 1000;
                    let want = expected(machine.state(), &bench.situation, bit(0), bit(1), bit(2));
                    bench.cycle();
                    assert_eq!(bench.state(), want, "{machine:?} {:?} {bits:05b}", bench.situation);
                    cases += 1;
                }
            }
        }
    }
    assert_eq!(cases, 4 * 3 * 2 * 32);
}

mod sequences;
