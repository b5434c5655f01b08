//! Where records go, and the one line that writes an event.

use crate::flight::Phase;
use crate::record::{Body, Event, Record};

/// Takes the records of a cycle. Bounded, never blocks, never fails: what does not fit is dropped and counted by the sink.
pub trait Sink {
    /// Leaves one record.
    fn record(&mut self, record: Record);

    /// A phase of the cycle is over: for whoever measures. What decides never sees it.
    fn over(&mut self, phase: Phase) {
        let _ = phase;
    }
}

/// A sink, and the cycle that its records belong to.
pub struct Log<'a> {
    sink: &'a mut dyn Sink,
    /// Number of the cycle, from 0.
    pub cycle: u64,
    /// Time of the cycle, ns of CLOCK_MONOTONIC.
    pub now: u64,
    written: u32,
}

impl<'a> Log<'a> {
    /// Records of this cycle go to `sink`.
    pub fn new(sink: &'a mut dyn Sink, cycle: u64, now: u64) -> Self {
        Self { sink, cycle, now, written: 0 }
    }

    /// Something happened.
    pub fn event(&mut self, event: Event) {
        self.write(Body::Event(event));
    }

    /// Leaves one record.
    pub fn write(&mut self, body: Body) {
        self.written = self.written.saturating_add(1);
        self.sink.record(Record { cycle: self.cycle, now: self.now, body });
    }

    /// A phase is over.
    pub fn over(&mut self, phase: Phase) {
        self.sink.over(phase);
    }

    /// How many records this cycle has left so far.
    #[must_use]
    pub fn written(&self) -> u32 {
        self.written
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use super::{Log, Sink};
    use crate::record::{Body, Event, Record};
    use alloc::vec::Vec;

    /// Keeps everything.
    #[derive(Clone, Default)]
    pub(crate) struct Kept(pub(crate) Vec<Record>);

    impl Sink for Kept {
        fn record(&mut self, record: Record) {
            self.0.push(record);
        }
    }

    impl Kept {
        /// A log of cycle 0 at `now`.
        pub(crate) fn log(&mut self, now: u64) -> Log<'_> {
            Log::new(self, 0, now)
        }

        /// The events, in order.
        pub(crate) fn events(&self) -> Vec<Event> {
            self.0
                .iter()
                .filter_map(|record| match record.body {
                    Body::Event(event) => Some(event),
                    _ => None,
                })
                .collect()
        }
    }
}
