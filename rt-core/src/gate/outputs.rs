//! Outputs that are not an axis' own: what the program asks passes with permit only, otherwise they are safe.

use crate::interlock::OutputDemand;
use crate::plan::{AxisId, GroupId, OutputPlan, OutputSource};
use crate::record::MachineState;
use crate::signal::{SignalId, Signals};
use alloc::boxed::Box;
use twin_lite::tape::{Tape, Taped};
use twin_lite::taped;

/// What outputs depend on this cycle.
pub struct OutputNeeds<'a> {
    /// Machine state.
    pub machine: MachineState,
    /// The controlled end is on its way: everything is safe.
    pub ending: bool,
    /// Whether a group has its permit.
    pub released: &'a dyn Fn(GroupId) -> bool,
    /// Whether the brake of an axis is let go.
    pub brake_released: &'a dyn Fn(AxisId) -> bool,
}

/// An output, and what is asked of it.
#[derive(Clone, Copy, Debug)]
struct Output {
    plan: OutputPlan,
    /// By the program, last.
    asked: i64,
    /// An interlock asks for the safe state.
    held: bool,
    /// A light curtain is muted.
    lit: bool,
}

taped!(Output { asked, held, lit; plan });

/// All outputs.
#[derive(Clone, Debug)]
pub struct Outputs {
    outputs: Box<[Output]>,
}

impl Taped for Outputs {
    fn tape<T: Tape>(&mut self, tape: &mut T) {
        let Self { outputs } = self;
        outputs.tape(tape);
    }
}

impl Outputs {
    /// All safe.
    #[must_use]
    pub fn new(plan: &[OutputPlan]) -> Self {
        let output =
            |plan: &OutputPlan| Output { plan: *plan, asked: plan.safe, held: false, lit: false };
        Self { outputs: plan.iter().map(output).collect() }
    }

    /// The program asks for a value, kept over stops (an output that holds goes on with it); `false` if the output is not the program's.
    pub fn ask(&mut self, signal: SignalId, value: i64) -> bool {
        // SR-026
        let of_program =
            |plan: &OutputPlan| plan.signal == signal && plan.source == OutputSource::Program;
        match self.outputs.iter_mut().find(|output| of_program(&output.plan)) {
            Some(output) => {
                output.asked = value;
                true
            }
            None => false,
        }
    }

    /// An inspection asks for its trigger or ejector, in every cycle.
    pub fn drive(&mut self, signal: SignalId, on: bool) {
        let of_inspection =
            |plan: &OutputPlan| plan.signal == signal && plan.source == OutputSource::Inspection;
        if let Some(output) = self.outputs.iter_mut().find(|at| of_inspection(&at.plan)) {
            output.asked = i64::from(on);
        }
    }

    /// Interlocks ask: before [`Outputs::write`], in every cycle. An output that they do not name is not held.
    pub fn hold(&mut self, demands: &[OutputDemand]) {
        for output in &mut self.outputs {
            let demand = demands.iter().find(|demand| demand.signal == output.plan.signal);
            output.held = demand.is_some_and(|demand| demand.safe);
            output.lit = demand.is_some_and(|demand| demand.lamp);
        }
    }

    /// Writes every output.
    // SR-025
    pub fn write(&self, needs: &OutputNeeds<'_>, signals: &mut Signals, now: u64) {
        let running = needs.machine == MachineState::Run;
        let waiting = match needs.machine {
            MachineState::Safe | MachineState::AwaitStart => !needs.ending,
            MachineState::Boot | MachineState::Run => false,
        };
        for Output { plan: output, asked, held, lit } in &self.outputs {
            let permit = output.group.map_or(running, needs.released) && !needs.ending && !held;
            let value = match output.source {
                OutputSource::Program if permit || (output.hold && !held) => *asked,
                // SR-093
                OutputSource::Inspection if permit => *asked,
                OutputSource::Running if running && permit => 1,
                OutputSource::Muted if *lit && !needs.ending => 1,
                OutputSource::Waiting if waiting => 1,
                OutputSource::Brake(axis) if (needs.brake_released)(axis) => 1,
                OutputSource::Program
                | OutputSource::Running
                | OutputSource::Waiting
                | OutputSource::Muted
                | OutputSource::Inspection
                | OutputSource::Brake(_) => output.safe,
            };
            signals.set(output.signal, value, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUMP: SignalId = SignalId(0);
    const LAMP: SignalId = SignalId(1);
    const WAIT: SignalId = SignalId(2);

    fn plan(
        signal: SignalId,
        safe: i64,
        group: Option<GroupId>,
        source: OutputSource,
    ) -> OutputPlan {
        OutputPlan { signal, safe, hold: false, group, source }
    }

    fn outputs() -> Outputs {
        Outputs::new(&[
            plan(PUMP, 7, Some(GroupId(0)), OutputSource::Program),
            plan(LAMP, 0, None, OutputSource::Running),
            plan(WAIT, 0, None, OutputSource::Waiting),
        ])
    }

    fn written(outputs: &Outputs, machine: MachineState, ending: bool, permit: bool) -> [i64; 3] {
        let mut signals = Signals::new(3);
        let needs =
            OutputNeeds { machine, ending, released: &|_| permit, brake_released: &|_| false };
        outputs.write(&needs, &mut signals, 1);
        [PUMP, LAMP, WAIT].map(|signal| signals.get(signal).value)
    }

    #[test]
    // SR-025
    fn what_the_program_asks_passes_with_permit_and_is_safe_without() {
        let mut outputs = outputs();
        assert!(outputs.ask(PUMP, 1));
        assert_eq!(written(&outputs, MachineState::Run, false, true), [1, 1, 0]);
        assert_eq!(written(&outputs, MachineState::Run, false, false), [7, 1, 0]);
        assert_eq!(written(&outputs, MachineState::Safe, false, false), [7, 0, 1]);
        assert_eq!(written(&outputs, MachineState::Run, true, true), [7, 0, 0], "the end is safe");
        assert_eq!(written(&outputs, MachineState::Boot, false, false), [7, 0, 0]);
    }

    #[test]
    fn an_output_that_outlives_its_permit_yields_to_an_interlock_that_names_it() {
        let holding = OutputPlan { hold: true, ..plan(PUMP, 7, None, OutputSource::Program) };
        let mut outputs = Outputs::new(&[holding]);
        assert!(outputs.ask(PUMP, 1));
        assert_eq!(written(&outputs, MachineState::Safe, false, false)[0], 1);
        outputs.hold(&[OutputDemand { signal: PUMP, safe: true, lamp: false }]);
        assert_eq!(written(&outputs, MachineState::Safe, false, false)[0], 7);
    }

    #[test]
    fn an_interlock_holds_an_output_in_its_safe_state_and_lights_a_muting_lamp() {
        let mut outputs = Outputs::new(&[
            plan(PUMP, 7, None, OutputSource::Program),
            plan(LAMP, 0, None, OutputSource::Muted),
            plan(WAIT, 5, None, OutputSource::Program),
        ]);
        assert!(outputs.ask(PUMP, 1) && outputs.ask(WAIT, 1));
        let demand = |signal, safe, lamp| OutputDemand { signal, safe, lamp };
        outputs.hold(&[demand(PUMP, true, false), demand(LAMP, false, true)]);
        assert_eq!(written(&outputs, MachineState::Run, false, true), [7, 1, 1]);
        outputs.hold(&[demand(PUMP, false, false), demand(LAMP, false, false)]);
        assert_eq!(written(&outputs, MachineState::Run, false, true), [1, 0, 1]);
    }

    #[test]
    // SR-023
    fn the_output_of_a_brake_is_what_the_gate_says_of_that_brake() {
        let outputs = Outputs::new(&[
            plan(PUMP, 0, None, OutputSource::Brake(AxisId(1))),
            plan(LAMP, 0, None, OutputSource::Brake(AxisId(2))),
        ]);
        for released in [1, 2] {
            let mut signals = Signals::new(3);
            let needs = OutputNeeds {
                machine: MachineState::Run,
                ending: false,
                released: &|_| true,
                brake_released: &|axis| axis == AxisId(released),
            };
            outputs.write(&needs, &mut signals, 1);
            let values = [PUMP, LAMP].map(|signal| signals.get(signal).value);
            assert_eq!(values, [i64::from(released == 1), i64::from(released == 2)]);
        }
    }

    // SR-093
    #[test]
    fn an_ejector_acts_with_permit_only_and_nobody_but_its_inspection_works_it() {
        let mut outputs = Outputs::new(&[
            plan(PUMP, 0, Some(GroupId(0)), OutputSource::Inspection),
            plan(LAMP, 0, None, OutputSource::Program),
        ]);
        outputs.drive(PUMP, true);
        outputs.drive(LAMP, true);
        assert!(!outputs.ask(PUMP, 0), "the program cannot");
        assert_eq!(written(&outputs, MachineState::Run, false, true), [1, 0, 0]);
        assert_eq!(written(&outputs, MachineState::Run, false, false), [0, 0, 0]);
        assert_eq!(written(&outputs, MachineState::Run, true, true), [0, 0, 0]);
        outputs.hold(&[OutputDemand { signal: PUMP, safe: true, lamp: false }]);
        assert_eq!(written(&outputs, MachineState::Run, false, true), [0, 0, 0]);
    }

    // SR-026
    #[test]
    fn the_program_cannot_ask_for_what_is_not_its_own() {
        let mut outputs = outputs();
        assert!(!outputs.ask(LAMP, 1));
        assert!(!outputs.ask(SignalId(9), 1));
    }
}
