//! The links of a run: plain, or with a capture of the frames.

use std::path::Path;

use fieldbus::link::{InlineLink, Link, LinkFault, Record, Sent, SocketLink};

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
    Captured(Box<Record<L>>),
}

/// The link of a run in real time.
pub(super) type Wired = Tapped<SocketLink>;

impl<L: Link> Tapped<L> {
    /// Captures up to so many bytes, if there is a capture at all. `wall_offset_ns` is wall time less the link's time.
    pub(super) fn new(link: L, capture: bool, bytes: usize, wall_offset_ns: u64) -> Self {
        if capture {
            Self::Captured(Box::new(Record::new(link, bytes, wall_offset_ns)))
        } else {
            Self::Plain(link)
        }
    }

    pub(super) fn inner(&mut self) -> &mut L {
        match self {
            Self::Plain(link) => link,
            Self::Captured(record) => record.inner_mut(),
        }
    }

    /// Writes the capture, if there is one. Returns frames kept and frames for which there was no room.
    pub(super) fn save(&self, path: &Path) -> Result<(u64, u64), Error> {
        let Self::Captured(record) = self else { return Ok((0, 0)) };
        let wrong = |source: std::io::Error| {
            let path = path.display();
            Error::environment(format!("the capture cannot be written to {path}: {source}"))
        };
        let mut file = std::io::BufWriter::new(std::fs::File::create(path).map_err(wrong)?);
        record.write_to(&mut file).map_err(wrong)?;
        std::io::Write::flush(&mut file).map_err(wrong)?;
        Ok(record.counts())
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
