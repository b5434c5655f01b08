//! The other end of the loop's mailbox service: requests go in through a stream, answers come back through one.

use rt_channel::stream;

use super::{Failure, Notice, Object};

/// Largest object that travels through the streams, bytes. `tactus sdo`, without a loop, takes larger ones.
pub const DATA_MAX: usize = 4096;
/// Requests that may be under way at once.
pub const QUEUE_MAX: usize = 16;
/// Notices that may wait.
const NOTICES_MAX: usize = 32;
/// Longest run of registers read at once, bytes.
pub const REGISTERS_MAX: usize = 64;

/// Tells which answer belongs to which request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u32);

/// What is asked of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// An object is to be read.
    Read(Object),
    /// An object is to be written.
    Write(Object),
    /// Registers are to be read.
    Registers {
        /// The first.
        register: u16,
        /// How many bytes, 1..=64.
        length: u16,
    },
}

/// Why a request was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// [`QUEUE_MAX`] are under way: take answers first.
    Busy,
    /// More than [`DATA_MAX`] bytes, or none or more than 64 bytes of registers.
    Length,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Request {
    pub(super) ticket: Ticket,
    pub(super) device: u16,
    pub(super) asked: Asked,
    pub(super) length: u16,
    pub(super) data: [u8; DATA_MAX],
}

/// What became of a request.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    /// Of this request.
    pub ticket: Ticket,
    /// Position of the device.
    pub device: u16,
    /// What was asked.
    pub asked: Asked,
    /// Whether it came about.
    pub outcome: Result<(), Failure>,
    pub(super) length: u16,
    pub(super) data: [u8; DATA_MAX],
}

impl Answer {
    /// What was read.
    #[must_use]
    pub fn data(&self) -> &[u8] {
        self.data.get(..usize::from(self.length)).unwrap_or_default()
    }

    /// What was read as a number, little-endian, unsigned. `None`: it failed, or has more than 8 bytes, or none.
    #[must_use]
    pub fn number(&self) -> Option<u64> {
        let data = self.data();
        if self.outcome.is_err() || data.is_empty() || data.len() > 8 {
            return None;
        }
        Some(data.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }
}

/// Asks the loop for mailbox traffic, and hears what became of it. Never blocks; belongs to one thread at a time.
#[derive(Debug)]
pub struct CoeClient {
    requests: stream::Producer<Request>,
    answers: stream::Consumer<Answer>,
    notices: stream::Consumer<Notice>,
    next: u32,
    under_way: usize,
}

/// The loop's ends.
#[derive(Debug)]
pub(super) struct Ends {
    pub(super) requests: stream::Consumer<Request>,
    pub(super) answers: stream::Producer<Answer>,
    pub(super) notices: stream::Producer<Notice>,
}

pub(super) fn streams() -> (CoeClient, Ends) {
    let (produce, requests) = stream::channel(QUEUE_MAX);
    // As many answers as requests: none is ever dropped.
    let (answers, consume) = stream::channel(QUEUE_MAX);
    let (notices, heard) = stream::channel(NOTICES_MAX);
    let client =
        CoeClient { requests: produce, answers: consume, notices: heard, next: 0, under_way: 0 };
    (client, Ends { requests, answers, notices })
}

impl CoeClient {
    fn ask(&mut self, device: u16, asked: Asked, bytes: &[u8]) -> Result<Ticket, Refused> {
        let mut data = [0; DATA_MAX];
        data.get_mut(..bytes.len()).ok_or(Refused::Length)?.copy_from_slice(bytes);
        let length = u16::try_from(bytes.len()).map_err(|_| Refused::Length)?;
        let ticket = Ticket(self.next);
        if self.under_way >= QUEUE_MAX
            || !self.requests.push(Request { ticket, device, asked, length, data })
        {
            return Err(Refused::Busy);
        }
        self.next = self.next.wrapping_add(1);
        self.under_way += 1;
        Ok(ticket)
    }

    /// Asks to read an object of the device at a position.
    ///
    /// # Errors
    /// Too many requests are under way.
    pub fn read(&mut self, device: u16, object: Object) -> Result<Ticket, Refused> {
        self.ask(device, Asked::Read(object), &[])
    }

    /// Asks to write an object of the device at a position.
    ///
    /// # Errors
    /// Too many requests are under way, or too many bytes.
    pub fn write(&mut self, device: u16, object: Object, data: &[u8]) -> Result<Ticket, Refused> {
        self.ask(device, Asked::Write(object), data)
    }

    /// Asks to read registers of the device at a position: error counters, AL status, and the like.
    ///
    /// # Errors
    /// Too many requests are under way, or too many bytes.
    pub fn registers(
        &mut self,
        device: u16,
        register: u16,
        length: u16,
    ) -> Result<Ticket, Refused> {
        if length == 0 || usize::from(length) > REGISTERS_MAX {
            return Err(Refused::Length);
        }
        self.ask(device, Asked::Registers { register, length }, &[])
    }

    /// The oldest answer that has not been taken.
    pub fn take(&mut self) -> Option<Answer> {
        let (_, answer) = self.answers.pop()?;
        self.under_way = self.under_way.saturating_sub(1);
        Some(answer)
    }

    /// The oldest notice that has not been taken.
    pub fn take_notice(&mut self) -> Option<Notice> {
        self.notices.pop().map(|(_, notice)| notice)
    }

    /// Requests whose answers have not been taken.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.under_way
    }
}
