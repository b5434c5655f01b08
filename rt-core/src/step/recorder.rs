//! The records that every cycle leaves: what changed, what the axes did, how the cycle went.

use super::StepInputs;
use crate::axis::Axis;
use crate::interlock::AxisFacts;
use crate::plan::{AxisId, MachinePlan};
use crate::record::{AxisRecord, Body, CycleRecord, MachineState};
use crate::signal::{Quality, SignalId, Signals};
use crate::step::Log;
use alloc::boxed::Box;
use twin_lite::taped;

/// Remembers what was told last.
#[derive(Clone, Debug)]
pub(super) struct Recorder {
    told: Box<[(i64, Quality)]>,
    /// Cycles of one second: within them every signal is told once, spread out evenly.
    cycles_per_second: u64,
}

taped!(Recorder { told; cycles_per_second });

impl Recorder {
    pub(super) fn new(plan: &MachinePlan) -> Self {
        Self {
            told: (0..plan.signal_count).map(|_| (0, Quality::Missing)).collect(),
            cycles_per_second: (1_000_000_000 / plan.period_ns.max(1)).max(1),
        }
    }

    /// At the end of a cycle: signals whose value or quality changed since they were told and this cycle's share of all the others,
    /// the axes, and the cycle itself.
    pub(super) fn cycle(
        &mut self,
        inputs: &StepInputs<'_>,
        machine: MachineState,
        axes: &[Axis],
        facts: &[AxisFacts],
        signals: &Signals,
        log: &mut Log<'_>,
    ) {
        let mut keyframe = log.cycle % self.cycles_per_second;
        for ((number, sample), told) in (0_u16..).zip(signals.samples()).zip(&mut self.told) {
            let turn = u64::from(number) == keyframe;
            if turn {
                keyframe += self.cycles_per_second;
            }
            let changed = (sample.value, sample.quality) != *told;
            if changed || (turn && sample.quality != Quality::Missing) {
                *told = (sample.value, sample.quality);
                log.write(Body::Signal { signal: SignalId(number), sample: *sample });
            }
        }
        for ((id, axis), facts) in AxisId::all().zip(axes).zip(facts) {
            log.write(Body::Axis(AxisRecord {
                axis: id,
                view: axis.view(),
                stopping_distance: facts.stopping.units(),
                disturbance_nm: axis.twin().estimate().disturbance_nm,
            }));
        }
        log.write(Body::Cycle(CycleRecord {
            latency_ns: inputs.latency_ns,
            execution_ns: inputs.execution_ns,
            skipped: inputs.skipped,
            exchange: inputs.exchange,
            machine,
        }));
    }
}
