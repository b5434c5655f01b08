//! What an ejector does, from its output as it was really written.

use crate::taped;

/// Edges that are remembered: as many as there may be within the ejector's own delay.
const EDGES_MAX: usize = 16;

/// Edges of an output.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ejector {
    on: bool,
    /// When the output went on or off, ns, the newest first: `(at, on)`.
    edges: [(u64, bool); EDGES_MAX],
}

taped!(Ejector { on, edges });

impl Ejector {
    /// The output is so from `now` on.
    pub(super) fn wrote(&mut self, on: bool, now: u64) {
        if on == self.on {
            return;
        }
        self.on = on;
        self.edges.rotate_right(1);
        if let Some(newest) = self.edges.first_mut() {
            *newest = (now, on);
        }
    }

    /// Whether it acts at `at`, `delay_ns` after its output.
    pub(super) fn acts(&self, at: u64, delay_ns: u64) -> bool {
        let before = |(edge, _): &&(u64, bool)| edge.saturating_add(delay_ns) <= at;
        self.edges.iter().find(before).is_some_and(|(_, on)| *on)
    }
}
