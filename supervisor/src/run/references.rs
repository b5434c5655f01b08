//! References that outlive a run, in its course: offered to the loop before it begins, taken from it when homing found one.

use rt_channel::stream::Consumer;
use rt_core::Record;
use rt_core::plan::AxisId;
use rt_core::program::Program;
use rt_core::step::Core;

use super::{Options, Source};
use crate::drain::Drain;
use crate::references::{Keeper, Verdict};

/// Gives the loop the offsets that count. Before its first cycle.
pub(super) fn keep<P: Program>(core: &mut Core<P>, verdicts: &[Verdict]) {
    for verdict in verdicts {
        if let Ok(offset) = verdict.offset {
            core.keep(verdict.axis, offset);
        }
    }
}

/// Keeps what homing found, and tells people what they should know: in the recording, and where nothing else is on the screen.
pub(super) fn settle(keeper: &mut Keeper, drain: &mut Drain, now: u64, headless: bool) {
    for (axis, offset) in std::mem::take(&mut drain.homed) {
        keeper.found(axis, offset);
    }
    for text in keeper.settle() {
        tracing::warn!("{text}");
        drain.note(now, &text);
        if headless {
            eprintln!("tactus: {text}");
        }
    }
}

/// After the loop has ended: takes its last records, and waits for the disk.
pub(super) fn finish(
    keeper: &mut Keeper,
    drain: &mut Drain,
    records: &mut Consumer<Record>,
    options: &Options,
) {
    while drain.take(records) > 0 {}
    let now = drain.statistics.now;
    settle(keeper, drain, now, options.headless);
    keeper.finish();
    settle(keeper, drain, now, options.headless);
}

/// What people should know of each axis' reference.
pub(super) fn notes(keeper: &Keeper, source: &Source) -> Vec<Option<String>> {
    let axes = (0_u8..=u8::MAX).map(AxisId).take(source.machine.plan.axes.len());
    axes.map(|axis| keeper.note_of(axis).map(ToOwned::to_owned)).collect()
}
