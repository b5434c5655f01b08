//! Whatever may happen around the machine, in any order.

use super::*;

/// What a person, a wire or a drive does in a fuzzed run.
#[derive(Clone, Copy, Debug)]
pub(super) enum Act {
    Toggle(u16),
    Press(u16),
    Fault(usize),
    Lost,
    Pause(u32),
}

pub(super) fn acts() -> impl proptest::strategy::Strategy<Value = Vec<Act>> {
    use proptest::prelude::*;
    let act = prop_oneof![
        (2_u16..=5).prop_map(Act::Toggle),
        (0_u16..=1).prop_map(Act::Press),
        (0_u16..=1).prop_map(Act::Press),
        (0_usize..3).prop_map(Act::Fault),
        Just(Act::Lost),
        (1_u32..400).prop_map(Act::Pause),
        (1_u32..400).prop_map(Act::Pause),
    ];
    proptest::collection::vec(act, 1..40)
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(40))]

    /// Whatever happens around the machine: what reaches a drive that follows holds the limits, nothing runs without a cause to,
    /// a brake is never let go without torque, and there is always a way back.
    #[test]
    fn nothing_that_happens_breaks_a_limit_or_starts_the_machine_by_itself(acts in acts()) {
        let mut bench = Bench::running(vertical_plan(Reaction::Stop0));
        let mut watch = Watch::default();
        for act in acts {
            watch.does(act, &mut bench);
        }
        for signal in [STOP, ESTOP_A, ESTOP_B, GUARD] {
            bench.set(signal, 0);
            bench.cycles(2);
        }
        for signal in [STOP, ESTOP_A, ESTOP_B, GUARD] {
            bench.set(signal, 1);
        }
        bench.cycles(1200);
        bench.press(RESET);
        bench.cycles(50);
        bench.press(START);
        proptest::prop_assert_eq!(bench.machine(), MachineState::Run);
        bench.until_fast(300.0);
    }
}

/// Looks at every cycle of a fuzzed run.
#[derive(Default)]
pub(super) struct Watch {
    targets: [Vec<i64>; 3],
    machine: MachineState,
    start_pressed: bool,
}

impl Watch {
    pub(super) fn does(&mut self, act: Act, bench: &mut Bench) {
        match act {
            Act::Toggle(signal) => {
                let value = bench.signals.get(SignalId(signal)).value;
                bench.set(SignalId(signal), 1 - value);
                self.cycles(bench, 3);
            }
            Act::Press(button) => {
                bench.set(SignalId(button), 1);
                self.pressed(button);
                self.cycles(bench, 120);
                bench.set(SignalId(button), 0);
                self.cycles(bench, 2);
            }
            Act::Fault(drive) => {
                bench.drives[drive].fault = true;
                self.cycles(bench, 5);
            }
            Act::Lost => {
                bench.signals.age(ESTOP_A);
                self.cycles(bench, 1);
                let value = bench.signals.get(ESTOP_A).value;
                bench.set(ESTOP_A, value);
            }
            Act::Pause(cycles) => self.cycles(bench, cycles),
        }
    }

    fn pressed(&mut self, button: u16) {
        self.start_pressed |= SignalId(button) == START;
    }

    fn cycles(&mut self, bench: &mut Bench, count: u32) {
        for _ in 0..count {
            bench.cycle();
            let machine = bench.machine();
            if machine == MachineState::Run && self.machine == MachineState::AwaitStart {
                assert!(core::mem::take(&mut self.start_pressed), "nobody has pressed start");
            }
            self.machine = machine;
            let released = bench.signals.get(BRAKE).value == 1;
            assert!(!released || bench.core.axes()[1].is_enabled());
            for (axis, targets) in self.targets.iter_mut().enumerate() {
                // 10 000 counts a mm: 1000 mm/s are 10 000 counts a cycle, the ramp takes 100 a cycle².
                if !bench.core.axes()[axis].is_enabled() {
                    targets.clear();
                    continue;
                }
                let base = u16::try_from(10 + 10 * axis).unwrap();
                targets.push(bench.signals.get(SignalId(base + 1)).value);
                if let [.., a, b, c] = targets[..] {
                    assert!((c - b).abs() <= 10_001, "velocity of {axis}: {a} {b} {c}");
                    assert!((c - 2 * b + a).abs() <= 103, "acceleration of {axis}: {a} {b} {c}");
                }
            }
        }
    }
}
