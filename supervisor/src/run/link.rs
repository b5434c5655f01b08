//! The links of a run: plain, or with a capture of the frames.

use fieldbus::link::{InlineLink, Link, LinkFault, Record, Sent, SocketLink};

use crate::capture::Sink;
use crate::cell::{Cell, Disturbed};
use crate::exit::Error;

/// A link with the virtual cell behind it in the same thread.
pub(super) trait CellLink: Link {
    fn cell(&mut self) -> &mut Cell;
}

impl CellLink for Disturbed<InlineLink<Cell>> {
    fn cell(&mut self) -> &mut Cell {
        self.inner_mut().wire_mut()
    }
}

/// Any link, captured or not.
pub(super) enum Tapped<L> {
    Plain(L),
    Captured(Box<Record<L, Sink>>),
}

/// The link of a run in real time.
pub(super) type Wired = Tapped<SocketLink>;

impl<L: Link> Tapped<L> {
    /// Captured, if there is somewhere for the copies to go.
    pub(super) fn new(link: L, sink: Option<Sink>) -> Self {
        match sink {
            Some(sink) => Self::Captured(Box::new(Record::new(link, sink))),
            None => Self::Plain(link),
        }
    }

    pub(super) fn inner(&mut self) -> &mut L {
        match self {
            Self::Plain(link) => link,
            Self::Captured(record) => record.inner_mut(),
        }
    }

    /// Ends a capture that goes straight into its files.
    pub(super) fn finish(&mut self) -> Result<(), Error> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Captured(record) => match record.keeper_mut() {
                Sink::Stream(_) => Ok(()),
                Sink::File(file) => file.finish(0),
            },
        }
    }
}

impl<L: Link> Link for Tapped<L> {
    fn send(&mut self, frame: &[u8]) -> Result<(), LinkFault> {
        match self {
            Self::Plain(link) => link.send(frame),
            Self::Captured(link) => link.send(frame),
        }
    }

    fn send_all(&mut self, frames: &[&[u8]]) -> Sent {
        match self {
            Self::Plain(link) => link.send_all(frames),
            Self::Captured(link) => link.send_all(frames),
        }
    }

    fn receive(&mut self, buffer: &mut [u8], deadline: u64) -> Result<Option<usize>, LinkFault> {
        match self {
            Self::Plain(link) => link.receive(buffer, deadline),
            Self::Captured(link) => link.receive(buffer, deadline),
        }
    }

    fn now(&self) -> u64 {
        match self {
            Self::Plain(link) => link.now(),
            Self::Captured(link) => link.now(),
        }
    }

    fn idle(&mut self, until: u64) {
        match self {
            Self::Plain(link) => link.idle(until),
            Self::Captured(link) => link.idle(until),
        }
    }
}

impl<L: CellLink> CellLink for Tapped<L> {
    fn cell(&mut self) -> &mut Cell {
        self.inner().cell()
    }
}
