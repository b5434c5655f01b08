//! The step again: from the first checkpoint on, cycle by cycle, with the recorded inputs; outputs and state compared bit by bit.

use config::Machine;
use rt_core::checkpoint::{Checkpoint, Whole};
use rt_core::cycle::Command;
use rt_core::plan::{MachinePlan, OutputPlan};
use rt_core::program::{Program, Sequence};
use rt_core::record::Record;
use rt_core::signal::{Sample, SignalId, Signals};
use rt_core::step::{Core, Sink, Stamps, StepInputs};
use rt_core::vision::{
    DATAGRAM_LENGTH, INSPECTION_LENGTH, Inspected, Received, STREAMS_MAX, StreamId, VisionInputs,
};
use serde::Serialize;

use super::read::{CycleInputs, PROGRAM_OF_THE_FILE, Reading, Recorded, quality};
use super::state::{lacking, name_of};
use crate::exit::Error;
use crate::labels::Labels;
use crate::record::messages::{InputPicture, Inputs};

/// Differences that are told; the others are counted.
const TOLD_MAX: usize = 20;

/// Something that is not as it was recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// In which cycle; of the state: before it.
    pub cycle: u64,
    /// Which signal, or which part of the state.
    pub what: String,
    /// As recorded.
    pub recorded: String,
    /// As replayed.
    pub replayed: String,
}

/// Cycles that were not replayed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// The first.
    pub from: u64,
    /// The cycle with which it went on.
    pub to: u64,
    /// Why.
    pub why: String,
}

/// What a replay found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// Version that made the recording.
    pub recorded_by: String,
    /// Cycles in the recording.
    pub cycles_recorded: u64,
    /// Cycles that were replayed and compared.
    pub cycles_replayed: u64,
    /// Output samples that were compared.
    pub outputs_compared: u64,
    /// Checkpoints that were compared, word by word.
    pub checkpoints_compared: u64,
    /// Where cycles are missing, or could not be replayed.
    pub gaps: Vec<Gap>,
    /// How many outputs and states differ.
    pub differing: u64,
    /// The first of them.
    pub differences: Vec<Difference>,
    /// Fields of the state that this version has and the recording lacks.
    pub lacks: Vec<String>,
    /// Fields of the state that only the recording has.
    pub only_recorded: Vec<String>,
    /// Why the recording ends early, if it does.
    pub ends_early: Option<String>,
}

/// Records of the step are not needed: what it leaves is compared as state and outputs.
struct Nowhere;

impl Sink for Nowhere {
    fn record(&mut self, _: Record) {}
}

/// What a recording calls a program: that of the machine file, or the type of one that was linked.
#[must_use]
pub fn program_name<P: Program>() -> &'static str {
    let name = core::any::type_name::<P>();
    if name == core::any::type_name::<Sequence>() { PROGRAM_OF_THE_FILE } else { name }
}

/// A machine that is run again.
struct Rerun<'a, P: Program> {
    recorded: &'a Recorded,
    labels: Labels,
    core: Core<P>,
    signals: Signals,
    vision: Box<VisionInputs>,
    /// Inspection results of this cycle.
    inspected: Vec<Inspected>,
    command: Command,
    /// By signal: written by the step.
    is_output: Vec<bool>,
    /// What the recording says of every signal.
    samples: Vec<Sample>,
    /// The cycle that can be replayed next; `None`: a checkpoint is needed.
    next: Option<u64>,
    /// The first cycle that was not replayed since.
    missing: Option<(u64, String)>,
    outcome: Outcome,
}

/// Replays `reading`, from the last checkpoint at or before `from_ns` after its first cycle on.
///
/// # Errors
/// It is no recording, its machine file is wrong for this version, or another program than that of the machine file ran.
pub fn replay(reading: &Reading, from_ns: u64) -> Result<Outcome, Error> {
    replay_program(reading, from_ns, Sequence::new)
}

/// As [`replay`], with the program that `program` makes from the plan: the one that was linked when the recording was made.
///
/// # Errors
/// As [`replay`]; another program ran.
pub fn replay_program<P: Program>(
    reading: &Reading,
    from_ns: u64,
    program: impl FnOnce(&MachinePlan) -> P,
) -> Result<Outcome, Error> {
    let recorded = reading.recorded()?;
    ran::<P>(&recorded)?;
    let machine = config::load(&recorded.file, &recorded.file_name).map_err(|wrong| {
        let wrong = wrong.render(config::Style::Plain, 100);
        Error::file(format!(
            "the machine file in the recording is wrong for this version:\n{wrong}"
        ))
    })?;
    let program = program(&machine.plan);
    let mut rerun = Rerun::new(&recorded, &machine, program)?;
    let mut first = None;
    reading.cycles(|given| {
        let began = *first.get_or_insert(given.inputs.now);
        let after = given.inputs.now.saturating_sub(began);
        rerun.cycle(&given, after, from_ns);
    })?;
    Ok(rerun.end())
}

/// The recording is of this program.
///
/// # Errors
/// Another one ran; who has it, for people.
pub(crate) fn ran<P: Program>(recorded: &Recorded) -> Result<(), Error> {
    if recorded.program == program_name::<P>() {
        return Ok(());
    }
    let remedy = match recorded.program.as_str() {
        PROGRAM_OF_THE_FILE => "replay it with `tactus replay`",
        _ => "run it in the binary that it is linked into (supervisor::replay::replay_program)",
    };
    Err(Error::environment(format!(
        "the recording was made with another program\n  expected the program {}\n  found    {}\n  {remedy}",
        program_name::<P>(),
        recorded.program,
    )))
}

impl<'a, P: Program> Rerun<'a, P> {
    fn new(recorded: &'a Recorded, machine: &Machine, program: P) -> Result<Self, Error> {
        let plan = &machine.plan;
        let mut core = Core::new(plan.clone(), program)
            .map_err(|wrong| Error::file(format!("{}: {wrong:?}", machine.name)))?;
        let here = super::fields(&mut core);
        let outcome = Outcome {
            recorded_by: recorded.version.clone(),
            lacks: lacking(&here, &recorded.state),
            only_recorded: lacking(&recorded.state, &here),
            ends_early: recorded.ends_early.clone(),
            ..Outcome::default()
        };
        let count = usize::from(plan.signal_count);
        Ok(Self {
            recorded,
            labels: Labels::of(machine),
            core,
            signals: Signals::new(count),
            vision: Box::new([Received::default(); STREAMS_MAX]),
            inspected: Vec::new(),
            command: Command::default(),
            is_output: outputs(plan),
            samples: vec![Sample::default(); count],
            next: None,
            missing: None,
            outcome,
        })
    }

    fn whole(&mut self) -> Whole<'_, P> {
        Whole { core: &mut self.core, signals: &mut self.signals, vision: &mut self.vision }
    }

    fn cycle(&mut self, given: &CycleInputs, after_ns: u64, from_ns: u64) {
        self.outcome.cycles_recorded += 1;
        let number = given.inputs.cycle;
        if let Some(expected) = self.next.filter(|expected| *expected != number) {
            self.lose(expected, format!("cycles {expected} to {number} are not in the recording"));
        }
        // The wanted start is the last checkpoint before it: later ones are compared, this one is taken.
        let wanted = after_ns >= from_ns || !self.a_later_start(number, after_ns, from_ns);
        if self.next.is_none() && wanted {
            self.resume(number);
        }
        if self.next.is_none() {
            return;
        }
        self.step(given);
        self.compare_state(number + 1);
    }

    /// Another checkpoint lies between this cycle and the wanted start.
    fn a_later_start(&self, number: u64, after_ns: u64, from_ns: u64) -> bool {
        let left = from_ns.saturating_sub(after_ns) / self.core.plan().period_ns;
        self.recorded.checkpoints().any(|at| at > number && at <= number + left)
    }

    fn lose(&mut self, from: u64, why: String) {
        self.missing.get_or_insert((from, why));
        self.next = None;
    }

    /// Takes the state up that was put down before this cycle, if there is one.
    fn resume(&mut self, number: u64) {
        let Some(words) = self.recorded.checkpoint(number) else { return };
        match Checkpoint::give_back(words, &mut self.whole()) {
            Ok(()) => {
                self.next = Some(number);
                self.samples.copy_from_slice(self.signals.samples());
                self.command = self.core.told_command();
                if let Some((from, why)) = self.missing.take() {
                    self.outcome.gaps.push(Gap { from, to: number, why });
                }
            }
            Err(wrong) => {
                let why = format!(
                    "the checkpoint before cycle {number} has {} words, this version's state {}",
                    wrong.found, wrong.expected
                );
                self.missing.get_or_insert((number, why));
            }
        }
    }

    fn step(&mut self, given: &CycleInputs) {
        let number = given.inputs.cycle;
        self.hear(&given.inputs);
        if let Err(why) = self.look(&given.inputs) {
            self.lose(number, why);
            return;
        }
        for ((id, sample), is_output) in (0_u16..).zip(&self.samples).zip(&self.is_output) {
            if !is_output {
                self.signals.put(SignalId(id), *sample);
            }
        }
        let inputs = StepInputs {
            now: given.inputs.now,
            cycle: number,
            exchange: given.exchange(),
            skipped: given.cycle.skipped,
            latency_ns: given.cycle.latency_ns,
            execution_ns: given.cycle.execution_ns,
            vision: &self.vision,
            inspected: &self.inspected,
            command: self.command,
        };
        self.core.step(&inputs, &mut self.signals, &mut Nowhere);
        self.next = Some(number + 1);
        self.outcome.cycles_replayed += 1;
        self.compare_outputs(number);
    }

    /// What the recording says of every signal in this cycle, outputs included.
    fn hear(&mut self, inputs: &Inputs) {
        let mut stamps = Stamps::default();
        let (mut moved, mut told) =
            (inputs.stamps.iter().peekable(), inputs.signals.iter().peekable());
        for (number, sample) in (0_u32..).zip(&mut self.samples) {
            if let Some(stamp) = moved.next_if(|stamp| stamp.signal == number) {
                // More than the loop can tell would be of a newer version; what is told then is still right.
                let _ = stamps.tell(sample.at, stamp.at);
            }
            match told.next_if(|signal| signal.signal == number) {
                Some(signal) => {
                    let quality = quality(signal.quality);
                    *sample = Sample { value: signal.value, at: signal.at, quality };
                }
                None => sample.at = stamps.now(sample.at).unwrap_or(sample.at),
            }
        }
        if let Some(command) = inputs.command {
            let (shutdown, supervisor_at) = (command.shutdown, command.supervisor_at);
            self.command = Command { shutdown, supervisor_at };
        }
    }

    /// The datagrams that the loop took in this cycle.
    fn look(&mut self, inputs: &Inputs) -> Result<(), String> {
        for picture in &inputs.pictures {
            let (number, bytes) = self.datagram(picture)?;
            let Some(place) = self.vision.get_mut(number) else { continue };
            *place = Received {
                bytes,
                received_at: picture.received_at,
                sequence_good: picture.sequence_good,
                refused: picture.refused,
                offset_ns: picture.offset_ns,
            };
        }
        self.inspected.clear();
        for result in &inputs.results {
            let (number, bytes) = self.datagram(result)?;
            let bytes = bytes.first_chunk::<INSPECTION_LENGTH>().copied();
            self.inspected.push(Inspected {
                stream: StreamId(u8::try_from(number).unwrap_or(u8::MAX)),
                bytes: bytes.unwrap_or([0; INSPECTION_LENGTH]),
                received_at: result.received_at,
                sequence_good: result.sequence_good,
                offset_ns: result.offset_ns,
            });
        }
        Ok(())
    }

    /// The stream and the bytes of a datagram that the loop took.
    fn datagram(&self, taken: &InputPicture) -> Result<(usize, [u8; DATAGRAM_LENGTH]), String> {
        let number = usize::try_from(taken.stream).unwrap_or(usize::MAX);
        let stream = self.labels.streams.get(number).map(|stream| stream.name.as_str());
        let stream = stream.ok_or_else(|| {
            format!("a datagram of stream {number}, which the machine does not have")
        })?;
        let key = (stream, taken.received_at, taken.sequence_good, taken.crc);
        let bytes = self.recorded.picture(key).ok_or_else(|| {
            format!("a datagram of camera {stream} that the loop took is not in the recording")
        })?;
        Ok((number, bytes))
    }

    fn compare_outputs(&mut self, cycle: u64) {
        let mut differing = Vec::new();
        let mut compared = 0;
        for ((id, recorded), is_output) in (0_u16..).zip(&self.samples).zip(&self.is_output) {
            let replayed = self.signals.get(SignalId(id));
            compared += u64::from(*is_output);
            if *is_output && replayed != *recorded {
                let name = self.labels.signals.get(usize::from(id)).cloned().unwrap_or_default();
                differing.push((name, show(recorded), show(&replayed)));
            }
        }
        self.outcome.outputs_compared += compared;
        let differs = !differing.is_empty();
        for (what, recorded, replayed) in differing {
            self.differ(Difference { cycle, what, recorded, replayed });
        }
        if differs {
            self.lose(
                cycle + 1,
                "an output differs: what follows is from the next checkpoint".into(),
            );
        }
    }

    /// The state before cycle `next`, if the recording has it.
    fn compare_state(&mut self, next: u64) {
        if self.next != Some(next) {
            return;
        }
        let Some(words) = self.recorded.checkpoint(next) else { return };
        let mut here = Checkpoint::for_state(&mut self.whole());
        here.take(next, 0, &mut self.whole());
        self.outcome.checkpoints_compared += 1;
        let longest = words.len().max(here.words().len());
        let word = |words: &[u64], at: usize| words.get(at).copied();
        let differing = (0..longest).find(|at| word(words, *at) != word(here.words(), *at));
        let Some(at) = differing else { return };
        let show = |word: Option<u64>| word.map_or("nothing".into(), |word| format!("{word:#x}"));
        let what = format!("state {}", name_of(at, &mut self.whole()));
        let (recorded, replayed) = (show(word(words, at)), show(word(here.words(), at)));
        self.differ(Difference { cycle: next, what, recorded, replayed });
        // From here on with what was recorded.
        self.next = None;
    }

    fn differ(&mut self, difference: Difference) {
        self.outcome.differing += 1;
        if self.outcome.differences.len() < TOLD_MAX {
            self.outcome.differences.push(difference);
        }
    }

    fn end(mut self) -> Outcome {
        if let Some((from, why)) = self.missing.take() {
            let to = self.recorded.checkpoints().next_back().unwrap_or(from).max(from);
            self.outcome.gaps.push(Gap { from, to, why });
        }
        self.outcome
    }
}

fn show(sample: &Sample) -> String {
    format!("{} ({:?}, at {} ns)", sample.value, sample.quality, sample.at)
}

/// Which signals the step writes.
fn outputs(plan: &MachinePlan) -> Vec<bool> {
    let mut is_output = vec![false; usize::from(plan.signal_count)];
    let of_axes = plan.axes.iter().flat_map(|axis| {
        let to = &axis.signals;
        let brake = axis.brake.and_then(|brake| brake.release);
        [Some(to.controlword), Some(to.target_position), to.mode, brake]
    });
    let of_machine = plan.outputs.iter().map(|OutputPlan { signal, .. }| Some(*signal));
    for signal in of_axes.chain(of_machine).flatten() {
        if let Some(place) = is_output.get_mut(usize::from(signal.0)) {
            *place = true;
        }
    }
    is_output
}
