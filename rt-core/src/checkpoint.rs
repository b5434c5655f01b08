//! A checkpoint: all that the loop remembers between two cycles, so that a replay may begin there.

use crate::program::Program;
use crate::signal::Signals;
use crate::step::Core;
use crate::vision::{Received, VisionInputs};
use alloc::boxed::Box;
use twin_lite::tape::{Counter, NotThisState, Reader, Tape, Taped, Writer};

/// What a state may grow by for each axis while it moves (a line of eight legs, a velocity, a homing), words.
const GROWTH_PER_AXIS: usize = 256;
/// And for each group and everything else.
const GROWTH_PER_GROUP: usize = 128;
const GROWTH: usize = 512;

/// The loop's state between two cycles.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// The cycle that comes next.
    pub cycle: u64,
    /// Time of the cycle before it, ns of CLOCK_MONOTONIC; 0: there was none.
    pub now: u64,
    words: Box<[u64]>,
    count: usize,
}

/// What a checkpoint is taken of, in this order.
#[derive(Debug)]
pub struct Whole<'a, P: Program> {
    /// Everything that decides.
    pub core: &'a mut Core<P>,
    /// All signals.
    pub signals: &'a mut Signals,
    /// What the cameras said last.
    pub vision: &'a mut VisionInputs,
}

impl<P: Program> Taped for Whole<'_, P> {
    fn tape<T: Tape>(&mut self, tape: &mut T) {
        let streams = self.core.plan().streams.len();
        tape.open("core");
        self.core.tape(tape);
        tape.close();
        tape.open("signals");
        self.signals.tape(tape);
        tape.close();
        tape.open("vision");
        for received in self.vision.iter_mut().take(streams) {
            received.tape(tape);
        }
        tape.close();
    }
}

impl Taped for Received {
    fn tape<T: Tape>(&mut self, tape: &mut T) {
        let Self { bytes, received_at, sequence_good, refused, offset_ns } = self;
        twin_lite::tape::bytes(bytes, tape);
        received_at.tape(tape);
        sequence_good.tape(tape);
        refused.tape(tape);
        offset_ns.tape(tape);
    }
}

impl Checkpoint {
    /// An empty one with room for any state that this machine can be in. Allocates.
    pub fn for_state<P: Program>(whole: &mut Whole<'_, P>) -> Self {
        let mut counter = Counter::default();
        whole.tape(&mut counter);
        let plan = whole.core.plan();
        let growth =
            GROWTH + plan.axes.len() * GROWTH_PER_AXIS + plan.groups.len() * GROWTH_PER_GROUP;
        let words = alloc::vec![0; counter.0.saturating_add(growth)].into_boxed_slice();
        Self { cycle: 0, now: 0, words, count: 0 }
    }

    /// Takes a state down. `false`: there is no room for it, and the checkpoint is empty.
    pub fn take<P: Program>(&mut self, cycle: u64, now: u64, whole: &mut Whole<'_, P>) -> bool {
        let mut writer = Writer::new(&mut self.words);
        whole.tape(&mut writer);
        let written = writer.written();
        (self.cycle, self.now, self.count) = (cycle, now, written.unwrap_or(0));
        written.is_some()
    }

    /// Puts the state of `words` into `whole`.
    ///
    /// # Errors
    /// [`NotThisState`]: it is of another machine, another program or another version; `whole` is of no use then.
    pub fn give_back<P: Program>(
        words: &[u64],
        whole: &mut Whole<'_, P>,
    ) -> Result<(), NotThisState> {
        let mut reader = Reader::new(words);
        whole.tape(&mut reader);
        reader.finish()
    }

    /// The state, word by word.
    #[must_use]
    pub fn words(&self) -> &[u64] {
        self.words.get(..self.count).unwrap_or_default()
    }
}
