//! Mailbox and CANopen over EtherCAT (ETG1000.6 §5.6): requests in, responses and emergencies out.

mod info;
mod sdo;

use crate::dictionary::Dictionary;
use crate::num::{put, u8_at, u16_at};
use sdo::Transfer;

/// Bytes of the mailbox header.
pub(crate) const MAILBOX_HEADER: usize = 6;
/// Messages that wait for the MainDevice to read.
const QUEUE_MAX: usize = 8;
/// Bytes of one transfer that need no allocation.
const TRANSFER_CAPACITY: usize = 4096;
const TYPE_ERROR: u8 = 0;
const TYPE_COE: u8 = 3;
const SERVICE_EMERGENCY: u8 = 1;
const SERVICE_SDO_REQUEST: u8 = 2;
const SERVICE_SDO_RESPONSE: u8 = 3;
const SERVICE_SDO_INFO: u8 = 8;
/// Mailbox error details, ETG1000.4 Table 31.
const ERROR_UNSUPPORTED_PROTOCOL: u16 = 2;
const ERROR_SERVICE: u16 = 4;
const ERROR_SIZE: u16 = 8;

/// An emergency, ETG1000.6 Table 50.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Emergency {
    /// Error code (CiA 402: as 0x603F); 0: the error is gone.
    pub code: u16,
    /// Error register (0x1001).
    pub register: u8,
    /// Whatever the manufacturer says.
    pub data: [u8; 5],
}

/// What its mailbox does wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MailboxFault {
    /// Nothing.
    #[default]
    None,
    /// Takes requests and answers none.
    Silent,
    /// Takes no request: the mailbox stays full.
    Full,
    /// Every message has the counter of the one before.
    SameCounter,
    /// Messages are longer than they say, by this much, in the eyes of the reader: they are cut.
    Truncated,
    /// Answers are about another object.
    OtherObject,
    /// It does not know the repeat request.
    NoRepeat,
}

/// Refuses to show or take an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SdoRefusal {
    /// Reading is refused with this abort code.
    Read(u32),
    /// Writing is refused with this abort code.
    Write(u32),
    /// Writing is confirmed, and the entry keeps what it had.
    Keep,
}

/// The CoE side of a device.
pub(crate) struct Coe {
    pub(crate) dictionary: Dictionary,
    queue: Vec<Vec<u8>>,
    head: usize,
    waiting: usize,
    counter: u8,
    transfer: Transfer,
    data: Vec<u8>,
    room: usize,
    /// The message that was read last, for who asks again.
    last: Vec<u8>,
    /// Counter of the last request; the same again is a repetition.
    heard: u8,
    pub(crate) fault: MailboxFault,
    /// Index and subindex, and what is done with it.
    pub(crate) refusal: Option<(u16, u8, SdoRefusal)>,
}

impl Coe {
    /// `mailbox_length`: bytes of the mailbox to the MainDevice.
    pub(crate) fn new(dictionary: Dictionary, mailbox_length: u16) -> Self {
        let room = usize::from(mailbox_length).max(MAILBOX_HEADER + 10);
        Self {
            dictionary,
            queue: (0..QUEUE_MAX).map(|_| Vec::with_capacity(room)).collect(),
            head: 0,
            waiting: 0,
            counter: 0,
            transfer: Transfer::Idle,
            data: Vec::with_capacity(TRANSFER_CAPACITY),
            room,
            last: Vec::with_capacity(room),
            heard: 0,
            fault: MailboxFault::None,
            refusal: None,
        }
    }

    /// The mailbox is opened (Init → PreOp): nothing of before is left.
    pub(crate) fn open(&mut self) {
        self.waiting = 0;
        self.counter = 0;
        self.heard = 0;
        self.last.clear();
        self.transfer = Transfer::Idle;
    }

    /// Whether a response or emergency waits.
    pub(crate) fn has_message(&self) -> bool {
        self.waiting != 0
    }

    /// Whether another request can be answered.
    pub(crate) fn has_room(&self) -> bool {
        self.waiting < QUEUE_MAX
    }

    /// Moves the oldest message into the mailbox.
    pub(crate) fn take_message(&mut self, mailbox: &mut [u8]) {
        if self.waiting == 0 {
            return;
        }
        if let Some(message) = self.queue.get(self.head) {
            mailbox.fill(0);
            put(mailbox, 0, message.get(..mailbox.len().min(message.len())).unwrap_or(&[]));
            self.last.clear();
            self.last.extend(message);
        }
        self.head = (self.head + 1) % QUEUE_MAX;
        self.waiting -= 1;
    }

    /// Puts the message that was read last into the mailbox again. False: there is none.
    pub(crate) fn repeat_message(&self, mailbox: &mut [u8]) -> bool {
        mailbox.fill(0);
        put(mailbox, 0, self.last.get(..mailbox.len().min(self.last.len())).unwrap_or(&[]));
        !self.last.is_empty()
    }

    /// An emergency to the MainDevice; lost when the queue is full, as in a device.
    pub(crate) fn emergency(&mut self, emergency: Emergency) {
        let [low, high] = emergency.code.to_le_bytes();
        let [a, b, c, d, e] = emergency.data;
        let body = [low, high, emergency.register, a, b, c, d, e];
        self.send_coe(SERVICE_EMERGENCY, &[&body]);
    }

    /// A request as it stood in the mailbox.
    pub(crate) fn request(&mut self, mailbox: &[u8], pre_op: bool) {
        let length = usize::from(u16_at(mailbox, 0));
        let kind = u8_at(mailbox, 5) & 0x0F;
        let counter = u8_at(mailbox, 5) >> 4 & 7;
        let is_repetition = counter != 0 && counter == self.heard;
        self.heard = counter;
        if is_repetition || self.fault == MailboxFault::Silent {
            return;
        }
        let body = mailbox.get(MAILBOX_HEADER..).and_then(|rest| rest.get(..length));
        match (kind, body) {
            (TYPE_COE, Some(body)) if body.len() >= 2 => self.coe(body, pre_op),
            (TYPE_COE, _) => self.mailbox_error(ERROR_SIZE),
            _ => self.mailbox_error(ERROR_UNSUPPORTED_PROTOCOL),
        }
    }

    fn coe(&mut self, body: &[u8], pre_op: bool) {
        let service = u8_at(body, 1) >> 4;
        let rest = body.get(2..).unwrap_or(&[]);
        match service {
            SERVICE_SDO_REQUEST if rest.len() >= 4 => self.sdo(rest, pre_op),
            SERVICE_SDO_INFO if rest.len() >= 6 => self.information(rest),
            SERVICE_SDO_REQUEST | SERVICE_SDO_INFO => self.mailbox_error(ERROR_SIZE),
            _ => self.mailbox_error(ERROR_SERVICE),
        }
    }

    fn mailbox_error(&mut self, detail: u16) {
        let [low, high] = detail.to_le_bytes();
        self.send(TYPE_ERROR, &[&[1, 0, low, high]]);
    }

    /// Bytes that a CoE response has behind its header.
    fn coe_room(&self) -> usize {
        self.room - MAILBOX_HEADER - 2
    }

    fn send_coe(&mut self, service: u8, parts: &[&[u8]]) {
        let header = [0, service << 4];
        let mut all: [&[u8]; 5] = [&[]; 5];
        for (to, from) in all.iter_mut().zip([&header[..]].iter().chain(parts)) {
            *to = from;
        }
        self.send(TYPE_COE, &all);
    }

    fn send(&mut self, kind: u8, parts: &[&[u8]]) {
        if !self.has_room() {
            return;
        }
        let place = (self.head + self.waiting) % QUEUE_MAX;
        if self.fault != MailboxFault::SameCounter || self.counter == 0 {
            self.counter = self.counter % 7 + 1;
        }
        let (counter, room) = (self.counter, self.room);
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let Some(message) = self.queue.get_mut(place) else { return };
        message.clear();
        message.extend(u16::try_from(length).unwrap_or(u16::MAX).to_le_bytes());
        message.extend([0, 0, 0, kind | counter << 4]);
        for part in parts {
            message.extend(part.iter());
        }
        message.truncate(room);
        let (length, object) = match self.fault {
            MailboxFault::Truncated => (u16::try_from(room).unwrap_or(u16::MAX), None),
            MailboxFault::OtherObject if kind == TYPE_COE => (u16_at(message, 0), Some(0x2FFF_u16)),
            _ => (u16_at(message, 0), None),
        };
        put(message, 0, &length.to_le_bytes());
        if let Some(object) = object {
            put(message, MAILBOX_HEADER + 3, &object.to_le_bytes());
        }
        self.waiting += 1;
    }
}

#[cfg(test)]
mod tests;
