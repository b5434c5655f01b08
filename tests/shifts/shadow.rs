//! The same step without the twin: from the same state and the same inputs, it must never be the tighter of the two.
//!
//! The shadow is a second loop whose twin rows have no effects. It is given what the loop is given. Where both decide alike they stay
//! alike; where they differ the shadow is made like the loop again, and the comparison goes on with the next cycle.

use config::Machine;
use rt_core::checkpoint::{Checkpoint, Whole};
use rt_core::cycle::Cycle;
use rt_core::plan::{Cause, MachinePlan};
use rt_core::program::Sequence;
use rt_core::record::MachineState;
use rt_core::signal::Signals;
use rt_core::step::{Core, Sink, StepInputs};
use rt_core::vision::VisionInputs;
use tactus_tests::virtual_time::Clock;

use super::rig::{Desk, Tap};

struct Nowhere;

impl Sink for Nowhere {
    fn record(&mut self, _record: rt_core::Record) {}
}

pub(crate) struct Shadow {
    core: Core<Sequence>,
    signals: Signals,
    words: Option<Checkpoint>,
    /// Cycles in which both were compared, and in which the twin made a difference.
    pub(crate) compared: u64,
    pub(crate) tightened: u64,
    /// What must never be.
    pub(crate) violation: Option<String>,
}

/// The plan without what the twin predicts.
fn without_twin(plan: &MachinePlan) -> MachinePlan {
    let mut plan = plan.clone();
    for row in &mut plan.interlocks {
        if matches!(row.cause, Cause::TwinLimit { .. } | Cause::TwinZone { .. }) {
            row.effects = Box::new([]);
        }
    }
    plan
}

impl Shadow {
    pub(crate) fn new(machine: &Machine) -> Self {
        Self::of(&without_twin(&machine.plan))
    }

    /// A shadow that goes by this plan.
    pub(crate) fn of(plan: &MachinePlan) -> Self {
        Self {
            core: Core::new(plan.clone(), Sequence::new(plan)).expect("a plan"),
            signals: Signals::new(usize::from(plan.signal_count)),
            words: None,
            compared: 0,
            tightened: 0,
            violation: None,
        }
    }

    /// After a cycle of the loop: the same cycle without the twin, compared.
    pub(crate) fn follow(&mut self, cycle: &mut Cycle<Tap, Clock, Sequence, Desk>) {
        let desk = cycle.ports_mut();
        let (record, command) = (desk.record, desk.command);
        let vision = desk.vision;
        let status = *cycle.core().status();
        let tap = cycle.bus_mut();
        for (id, sample) in (0..).map(rt_core::SignalId).zip(tap.decoded.samples()) {
            self.signals.put(id, *sample);
        }
        let inputs = StepInputs {
            now: tap.woke_at.max(record.exchange.received_at),
            cycle: status.cycle,
            exchange: record.exchange,
            skipped: record.skipped,
            latency_ns: record.latency_ns,
            execution_ns: record.execution_ns,
            vision: &vision,
            inspected: &[],
            command,
        };
        self.core.step(&inputs, &mut self.signals, &mut Nowhere);
        self.compared += 1;
        self.compare(cycle, &vision);
    }

    fn compare(&mut self, cycle: &mut Cycle<Tap, Clock, Sequence, Desk>, vision: &VisionInputs) {
        let (with, without) = (cycle.core().status(), self.core.status());
        let run = |state| state == MachineState::Run;
        let mut same = with.machine == without.machine && with.mode == without.mode;
        let mut loosens = run(with.machine) && !run(without.machine);
        let groups = usize::from(with.group_count);
        for (with, without) in with.groups.iter().zip(&without.groups).take(groups) {
            loosens |= with.permit && !without.permit || with.speed_limit > without.speed_limit;
            same &= with.permit == without.permit && with.speed_limit == without.speed_limit;
            same &= with.power == without.power;
        }
        if loosens {
            let (with, without) = (&with.groups[..groups], &without.groups[..groups]);
            self.violation = Some(format!("with the twin {with:?}, without {without:?}"));
        }
        same &= cycle.signals().samples() == self.signals.samples();
        if !same {
            self.tightened += 1;
            self.become_like(cycle, vision);
        }
    }

    fn become_like(&mut self, cycle: &Cycle<Tap, Clock, Sequence, Desk>, vision: &VisionInputs) {
        let (mut core, mut signals) = (cycle.core().clone(), cycle.signals().clone());
        let mut vision = *vision;
        let whole = &mut Whole { core: &mut core, signals: &mut signals, vision: &mut vision };
        let words = self.words.get_or_insert_with(|| Checkpoint::for_state(whole));
        assert!(words.take(0, 0, whole), "the state has room");
        let mine =
            &mut Whole { core: &mut self.core, signals: &mut self.signals, vision: &mut vision };
        Checkpoint::give_back(words.words(), mine).expect("the same machine");
    }
}
