//! Outputs that are not an axis' own: what the program asks passes with permit only, otherwise they are safe.

use crate::plan::{AxisId, GroupId, OutputPlan, OutputSource};
use crate::record::MachineState;
use crate::signal::{SignalId, Signals};
use alloc::boxed::Box;
use twin_lite::tape::{Tape, Taped};

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

/// All outputs, and what the program asked of them last.
#[derive(Clone, Debug)]
pub struct Outputs {
    outputs: Box<[(OutputPlan, i64)]>,
}

impl Taped for Outputs {
    fn tape<T: Tape>(&mut self, tape: &mut T) {
        let Self { outputs } = self;
        for (_, asked) in outputs {
            asked.tape(tape);
        }
    }
}

impl Outputs {
    /// All safe.
    #[must_use]
    pub fn new(plan: &[OutputPlan]) -> Self {
        Self { outputs: plan.iter().map(|output| (*output, output.safe)).collect() }
    }

    /// The program asks for a value, kept over stops; `false` if the output is not the program's.
    pub fn ask(&mut self, signal: SignalId, value: i64) -> bool {
        let of_program =
            |output: &OutputPlan| output.signal == signal && output.source == OutputSource::Program;
        match self.outputs.iter_mut().find(|(output, _)| of_program(output)) {
            Some((_, asked)) => {
                *asked = value;
                true
            }
            None => false,
        }
    }

    /// Writes every output.
    pub fn write(&self, needs: &OutputNeeds<'_>, signals: &mut Signals, now: u64) {
        let running = needs.machine == MachineState::Run;
        let waiting = match needs.machine {
            MachineState::Safe | MachineState::AwaitStart => !needs.ending,
            MachineState::Boot | MachineState::Run => false,
        };
        for (output, asked) in &self.outputs {
            let permit = output.group.map_or(running, needs.released) && !needs.ending;
            let value = match output.source {
                OutputSource::Program if permit => *asked,
                OutputSource::Running if running && permit => 1,
                OutputSource::Waiting if waiting => 1,
                OutputSource::Brake(axis) if (needs.brake_released)(axis) => 1,
                OutputSource::Program
                | OutputSource::Running
                | OutputSource::Waiting
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
        OutputPlan { signal, safe, group, source }
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
    fn the_program_cannot_ask_for_what_is_not_its_own() {
        let mut outputs = outputs();
        assert!(!outputs.ask(LAMP, 1));
        assert!(!outputs.ask(SignalId(9), 1));
    }
}
