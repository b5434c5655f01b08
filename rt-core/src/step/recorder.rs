//! The records that every cycle leaves: what changed, what the axes did, how the cycle went; and with them everything that a replay
//! needs to give the step the same inputs again.
//!
//! A signal is told when its value or quality changed and once a second. When it was sampled changes in every cycle, for many signals at
//! once: a [`Body::Stamp`] says that its signal, and every signal behind it that was sampled when that one was sampled before, was now
//! sampled at another time. [`Stamps`] is that rule; whoever reads the records follows it with the same code.

use super::StepInputs;
use crate::axis::Axis;
use crate::cycle::Command;
use crate::interlock::AxisFacts;
use crate::plan::{AxisId, MachinePlan};
use crate::record::{AxisRecord, Body, CycleRecord, MachineState, Picture};
use crate::signal::{Quality, Sample, SignalId, Signals};
use crate::step::Log;
use crate::vision::{Inspected, Received, STREAMS_MAX, StreamId, carried_crc};
use alloc::boxed::Box;
use twin_lite::tape::{Digest, Tape, Taped};
use twin_lite::taped;

/// Most different times of sampling that move on together in one cycle; signals beyond are told one by one.
const STAMPS_MAX: usize = 8;

/// Which times of sampling have moved on in a cycle, and to when.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stamps {
    moved: [(u64, u64); STAMPS_MAX],
    count: usize,
}

impl Stamps {
    /// When signals were sampled now that were sampled at `before` a cycle ago; `None`: that has not moved, as far as is told.
    #[must_use]
    pub fn now(&self, before: u64) -> Option<u64> {
        let told = self.moved.iter().take(self.count);
        told.copied().find_map(|(from, to)| (from == before).then_some(to))
    }

    /// From here on: `before` has moved to `now`. `false`: there is no room for it.
    pub fn tell(&mut self, before: u64, now: u64) -> bool {
        let Some(place) = self.moved.get_mut(self.count) else { return false };
        *place = (before, now);
        self.count = self.count.saturating_add(1);
        true
    }
}

/// Remembers what was told last.
#[derive(Clone, Debug)]
pub(super) struct Recorder {
    told: Box<[Sample]>,
    command: Command,
    pictures: [Picture; STREAMS_MAX],
    /// Of everything else that came in since start: a replay with another input ends with another one.
    digest: u64,
    /// Cycles of one second: within them every signal is told once, spread out evenly.
    cycles_per_second: u64,
}

taped!(Recorder { told, command, pictures, digest; cycles_per_second });

impl Recorder {
    pub(super) fn new(plan: &MachinePlan) -> Self {
        Self {
            told: (0..plan.signal_count).map(|_| Sample::default()).collect(),
            command: Command::default(),
            pictures: [Picture::default(); STREAMS_MAX],
            digest: 0,
            cycles_per_second: (1_000_000_000 / plan.period_ns.max(1)).max(1),
        }
    }

    /// What the other side asked last.
    pub(super) fn command(&self) -> Command {
        self.command
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
        self.tell_inputs(inputs, log);
        self.tell_signals(signals, log);
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

    /// What came in besides signals and the exchange, where it is not as before.
    fn tell_inputs(&mut self, inputs: &StepInputs<'_>, log: &mut Log<'_>) {
        let mut digest = Digest(self.digest);
        let mut exchange = inputs.exchange;
        exchange.tape(&mut digest);
        for mut number in [inputs.now, inputs.cycle] {
            digest.word(&mut number);
        }
        for mut number in [inputs.skipped, inputs.latency_ns, inputs.execution_ns] {
            number.tape(&mut digest);
        }
        let mut command = inputs.command;
        command.tape(&mut digest);
        self.digest = digest.0;
        if inputs.command != self.command {
            self.command = inputs.command;
            log.write(Body::Command(inputs.command));
        }
        for ((stream, received), told) in (0_u8..).zip(inputs.vision).zip(&mut self.pictures) {
            let picture = picture(StreamId(stream), received);
            if picture != *told && received.received_at != 0 {
                *told = picture;
                let mut digest = Digest(self.digest);
                told.tape(&mut digest);
                self.digest = digest.0;
                log.write(Body::Picture(picture));
            }
        }
        for result in inputs.inspected {
            let mut picture = taken(result);
            let mut digest = Digest(self.digest);
            picture.tape(&mut digest);
            self.digest = digest.0;
            log.write(Body::Result(picture));
        }
    }

    fn tell_signals(&mut self, signals: &Signals, log: &mut Log<'_>) {
        let mut keyframe = log.cycle % self.cycles_per_second;
        let mut stamps = Stamps::default();
        for ((number, sample), told) in (0_u16..).zip(signals.samples()).zip(&mut self.told) {
            let signal = SignalId(number);
            let turn = u64::from(number) == keyframe;
            if turn {
                keyframe += self.cycles_per_second;
            }
            let changed = (sample.value, sample.quality) != (told.value, told.quality);
            let mut whole = changed || (turn && sample.quality != Quality::Missing);
            if !whole {
                match stamps.now(told.at) {
                    Some(at) => whole = at != sample.at,
                    None if told.at == sample.at => {}
                    None if stamps.tell(told.at, sample.at) => {
                        log.write(Body::Stamp { signal, at: sample.at });
                    }
                    None => whole = true,
                }
            }
            if whole {
                log.write(Body::Signal { signal, sample: *sample });
            }
            *told = *sample;
        }
    }
}

fn picture(stream: StreamId, received: &Received) -> Picture {
    Picture {
        stream,
        received_at: received.received_at,
        sequence_good: received.sequence_good,
        refused: received.refused,
        crc: carried_crc(&received.bytes),
        offset_ns: received.offset_ns,
    }
}

fn taken(result: &Inspected) -> Picture {
    let crc = result.bytes.last_chunk::<4>().copied().unwrap_or_default();
    Picture {
        stream: result.stream,
        received_at: result.received_at,
        sequence_good: result.sequence_good,
        refused: 0,
        crc: u32::from_le_bytes(crc),
        offset_ns: result.offset_ns,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::log::testing::Kept;
    use crate::step::testing::machine_plan;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    /// What a reader makes of the records of a cycle: the rule, followed by other code than the one that told.
    fn follow(samples: &mut [Sample], bodies: &[Body]) {
        let mut stamps = Stamps::default();
        for (number, sample) in (0_u16..).zip(samples) {
            let told = bodies.iter().find_map(|body| match body {
                Body::Signal { signal, sample } if signal.0 == number => Some(*sample),
                _ => None,
            });
            let moved = bodies.iter().find_map(|body| match body {
                Body::Stamp { signal, at } if signal.0 == number => Some(*at),
                _ => None,
            });
            if let Some(at) = moved {
                assert!(stamps.tell(sample.at, at));
            }
            match told {
                Some(told) => *sample = told,
                None => sample.at = stamps.now(sample.at).unwrap_or(sample.at),
            }
        }
    }

    fn quality() -> impl Strategy<Value = Quality> {
        prop_oneof![8 => Just(Quality::Good), 1 => Just(Quality::Stale), 1 => Just(Quality::Missing)]
    }

    proptest! {
        #[test]
        fn the_records_say_of_every_signal_what_it_was_and_when_it_was_sampled(
            cycles in prop::collection::vec(
                prop::collection::vec((0_i64..3, 0_u64..12, quality()), 60), 1..30),
        ) {
            let plan = machine_plan();
            let mut recorder = Recorder::new(&plan);
            let mut read = Vec::from_iter((0..plan.signal_count).map(|_| Sample::default()));
            let mut signals = Signals::new(usize::from(plan.signal_count));
            for (cycle, samples) in (0_u64..).zip(cycles) {
                for (number, (value, at, quality)) in (0_u16..).zip(samples) {
                    if quality == Quality::Stale {
                        signals.age(SignalId(number));
                    } else if quality == Quality::Good {
                        // Few different times, some of which stand still.
                        signals.set(SignalId(number), value, at / 3 + cycle * (at % 3));
                    }
                }
                let mut kept = Kept::default();
                recorder.tell_signals(&signals, &mut Log::new(&mut kept, cycle, 1));
                let bodies: Vec<Body> = kept.0.iter().map(|record| record.body).collect();
                follow(&mut read, &bodies);
                prop_assert_eq!(&read[..], signals.samples());
            }
        }
    }
}
