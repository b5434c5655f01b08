//! One SDO transfer, as messages: expedited, normal, segmented, complete access (ETG1000.6 §5.6.2).

use rt_core::bus::Emergency;

use super::{Failure, Object};
use crate::wire::{put, u16_at, u32_at};

/// Mailbox types (ETG1000.4 Table 29).
const TYPE_ERROR: u8 = 0;
pub(super) const TYPE_COE: u8 = 3;
/// CoE services (ETG1000.6 Table 28).
const SERVICE_EMERGENCY: u8 = 1;
const SERVICE_REQUEST: u8 = 2;
const SERVICE_RESPONSE: u8 = 3;
/// Commands: the upper three bits.
const DOWNLOAD_SEGMENT: u8 = 0;
const DOWNLOAD: u8 = 1;
const UPLOAD: u8 = 2;
const UPLOAD_SEGMENT: u8 = 3;
const ABORT: u8 = 4;
/// Bits of the commands.
const COMPLETE: u8 = 0x10;
const TOGGLE: u8 = 0x10;
const EXPEDITED: u8 = 0x02;
const SIZED: u8 = 0x01;
const LAST: u8 = 0x01;
/// Abort codes that we send: no room; what came makes no sense.
const NO_MEMORY: u32 = 0x0504_0005;
const GENERAL: u32 = 0x0800_0000;
/// CoE header, command, index, subindex, and 4 bytes of data or size.
const HEAD: usize = 10;
/// CoE header and command of a segment.
const SEGMENT_HEAD: usize = 3;
/// Shortest data of a segment: the message keeps the length of a classic SDO.
const SEGMENT_MIN: usize = 7;

/// What a message of the device was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// The transfer goes on: [`Transfer::message`] has the next one.
    More,
    /// It is complete.
    Done,
    /// It has nothing to do with this transfer.
    Nothing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Begin,
    Segments { toggle: bool },
}

/// A transfer and its bytes. The buffer is as large as the largest object that it takes, and is allocated when it is made.
#[derive(Debug)]
pub(crate) struct Transfer {
    object: Object,
    is_write: bool,
    data: Box<[u8]>,
    /// Bytes of the object: to be written, or announced.
    length: usize,
    /// Bytes that the other side has confirmed or given.
    done: usize,
    /// Bytes in the message that was built last.
    sent: usize,
    phase: Phase,
}

impl Transfer {
    /// With room for objects of `room` bytes.
    pub(crate) fn new(room: usize) -> Self {
        Self {
            object: Object::default(),
            is_write: false,
            data: vec![0; room].into_boxed_slice(),
            length: 0,
            done: 0,
            sent: 0,
            phase: Phase::Begin,
        }
    }

    /// An object is to be read.
    pub(crate) fn read(&mut self, object: Object) {
        (self.object, self.is_write) = (object, false);
        self.restart();
    }

    /// An object is to be written. False: there is no room for so much.
    pub(crate) fn write(&mut self, object: Object, data: &[u8]) -> bool {
        (self.object, self.is_write, self.length) = (object, true, data.len());
        self.restart();
        put(&mut self.data, 0, data).is_some()
    }

    /// From its first message on, again.
    pub(crate) fn restart(&mut self) {
        (self.phase, self.done, self.sent) = (Phase::Begin, 0, 0);
        if !self.is_write {
            self.length = 0;
        }
    }

    /// What was read.
    pub(crate) fn data(&self) -> &[u8] {
        self.data.get(..self.done).unwrap_or_default()
    }

    /// Bytes that are waiting to be written.
    fn rest(&self) -> &[u8] {
        self.data.get(self.done..self.length).unwrap_or_default()
    }

    /// Puts the next message (CoE header and what follows) into `room`, the mailbox behind its header; returns its length. The same until
    /// [`Self::take`] says that it goes on.
    pub(crate) fn message(&mut self, room: &mut [u8]) -> Option<usize> {
        let [low, high] = self.object.index.to_le_bytes();
        let complete = if self.object.complete { COMPLETE } else { 0 };
        put(room, 0, &[0, SERVICE_REQUEST << 4])?;
        match (self.phase, self.is_write) {
            (Phase::Begin, false) => {
                put(room, 2, &[UPLOAD << 5 | complete, low, high, self.object.subindex])?;
                put(room, 6, &[0; 4])?;
                Some(HEAD)
            }
            (Phase::Begin, true) if self.length <= 4 && self.length > 0 && complete == 0 => {
                let unused = u8::try_from(4 - self.length).unwrap_or(0);
                let command = DOWNLOAD << 5 | unused << 2 | EXPEDITED | SIZED;
                put(room, 2, &[command, low, high, self.object.subindex])?;
                put(room, 6, &[0; 4])?;
                put(room, 6, self.rest())?;
                self.sent = self.length;
                Some(HEAD)
            }
            (Phase::Begin, true) => {
                let command = DOWNLOAD << 5 | complete | SIZED;
                put(room, 2, &[command, low, high, self.object.subindex])?;
                put(room, 6, &u32::try_from(self.length).ok()?.to_le_bytes())?;
                let now = self.length.min(room.len().checked_sub(HEAD)?);
                put(room, HEAD, self.rest().get(..now)?)?;
                self.sent = now;
                Some(HEAD + now)
            }
            (Phase::Segments { toggle }, false) => {
                let command = UPLOAD_SEGMENT << 5 | if toggle { TOGGLE } else { 0 };
                put(room, 2, &[command, 0, 0, 0, 0, 0, 0, 0])?;
                Some(HEAD)
            }
            (Phase::Segments { toggle }, true) => self.segment(toggle, room),
        }
    }

    fn segment(&mut self, toggle: bool, room: &mut [u8]) -> Option<usize> {
        let rest = self.rest();
        let now = rest.len().min(room.len().checked_sub(SEGMENT_HEAD)?);
        let is_last = now == rest.len();
        let padding = SEGMENT_MIN.saturating_sub(now);
        let unused = u8::try_from(padding).unwrap_or(0);
        let toggle = if toggle { TOGGLE } else { 0 };
        let last = if is_last { LAST } else { 0 };
        let command = (DOWNLOAD_SEGMENT << 5) | toggle | (unused << 1) | last;
        put(room, 2, &[command])?;
        put(room, SEGMENT_HEAD, rest.get(..now)?)?;
        for at in 0..padding {
            put(room, SEGMENT_HEAD + now + at, &[0])?;
        }
        self.sent = now;
        Some(SEGMENT_HEAD + now + padding)
    }

    /// Tells the device that we give this transfer up; it does not answer that.
    pub(crate) fn abort(&self, room: &mut [u8], failure: Failure) -> Option<usize> {
        let code = if matches!(failure, Failure::TooLong { .. }) { NO_MEMORY } else { GENERAL };
        let [low, high] = self.object.index.to_le_bytes();
        put(room, 0, &[0, SERVICE_REQUEST << 4, ABORT << 5, low, high, self.object.subindex])?;
        put(room, 6, &code.to_le_bytes())?;
        Some(HEAD)
    }

    /// Takes a message of the device: its mailbox type and what stands behind the mailbox header.
    pub(crate) fn take(&mut self, kind: u8, body: &[u8]) -> Result<Said, Failure> {
        if kind == TYPE_ERROR {
            return Err(u16_at(body, 2).map_or(Failure::Malformed, Failure::Mailbox));
        }
        let (Some(header), Some(command)) = (u16_at(body, 0), body.get(2).copied()) else {
            return if kind == TYPE_COE { Err(Failure::Malformed) } else { Ok(Said::Nothing) };
        };
        let [_, service] = header.to_le_bytes();
        match (kind, service >> 4, command >> 5) {
            (TYPE_COE, SERVICE_REQUEST | SERVICE_RESPONSE, ABORT) => self.aborted(body),
            (TYPE_COE, SERVICE_RESPONSE, _) => self.response(command, body),
            (_, _, _) => Ok(Said::Nothing),
        }
    }

    fn is_about_it(&self, body: &[u8]) -> bool {
        u16_at(body, 3) == Some(self.object.index)
            && (self.object.complete || body.get(5) == Some(&self.object.subindex))
    }

    fn aborted(&self, body: &[u8]) -> Result<Said, Failure> {
        let Some(code) = u32_at(body, 6) else { return Err(Failure::Malformed) };
        // In the middle of a transfer some devices do not say which object it was.
        let is_ours = self.is_about_it(body) || self.phase != Phase::Begin;
        if is_ours { Err(Failure::Abort(code)) } else { Ok(Said::Nothing) }
    }

    fn response(&mut self, command: u8, body: &[u8]) -> Result<Said, Failure> {
        // The answer's command beside ours: ETG1000.6 Tables 30 to 45.
        match (self.phase, self.is_write, command >> 5) {
            (Phase::Begin, true, 3) if self.is_about_it(body) => Ok(self.confirmed(false)),
            (Phase::Begin, false, 2) if self.is_about_it(body) => self.upload(command, body),
            (Phase::Segments { toggle }, true, 1) if (command & TOGGLE != 0) == toggle => {
                Ok(self.confirmed(!toggle))
            }
            (Phase::Segments { toggle }, false, 0) if (command & TOGGLE != 0) == toggle => {
                self.upload_segment(command, body, toggle)
            }
            // Of an earlier transfer, or a segment that we have already.
            (Phase::Begin | Phase::Segments { .. }, _, _) => Ok(Said::Nothing),
        }
    }

    /// What was sent has arrived; the next segment has this toggle bit.
    fn confirmed(&mut self, toggle: bool) -> Said {
        self.done += self.sent;
        self.sent = 0;
        if self.done >= self.length {
            return Said::Done;
        }
        self.phase = Phase::Segments { toggle };
        Said::More
    }

    fn upload(&mut self, command: u8, body: &[u8]) -> Result<Said, Failure> {
        if command & EXPEDITED != 0 {
            let unused = if command & SIZED != 0 { usize::from(command >> 2 & 3) } else { 0 };
            let data = body.get(6..HEAD - unused).ok_or(Failure::Malformed)?;
            self.length = data.len();
            self.append(data)?;
            return Ok(Said::Done);
        }
        let size = u32_at(body, 6).ok_or(Failure::Malformed)?;
        self.length = usize::try_from(size).unwrap_or(usize::MAX);
        if self.length > self.data.len() {
            return Err(Failure::TooLong { bytes: size });
        }
        let data = body.get(HEAD..).unwrap_or_default();
        // What is more than announced is padding.
        self.append(data.get(..self.length.min(data.len())).unwrap_or_default())?;
        if self.done == self.length {
            return Ok(Said::Done);
        }
        self.phase = Phase::Segments { toggle: false };
        Ok(Said::More)
    }

    fn upload_segment(&mut self, command: u8, body: &[u8], toggle: bool) -> Result<Said, Failure> {
        let data = body.get(SEGMENT_HEAD..).unwrap_or_default();
        let unused = if data.len() <= SEGMENT_MIN { usize::from(command >> 1 & 7) } else { 0 };
        let data = data.get(..data.len().saturating_sub(unused)).unwrap_or_default();
        let is_last = command & LAST != 0;
        if data.is_empty() && !is_last {
            return Err(Failure::Malformed);
        }
        self.append(data)?;
        if !is_last {
            self.phase = Phase::Segments { toggle: !toggle };
            return if self.done < self.length { Ok(Said::More) } else { Err(Failure::Malformed) };
        }
        if self.done == self.length { Ok(Said::Done) } else { Err(Failure::Malformed) }
    }

    fn append(&mut self, data: &[u8]) -> Result<(), Failure> {
        if self.done + data.len() > self.length {
            return Err(Failure::Malformed);
        }
        let bytes = u32::try_from(self.length).unwrap_or(u32::MAX);
        put(&mut self.data, self.done, data).ok_or(Failure::TooLong { bytes })?;
        self.done += data.len();
        Ok(())
    }
}

/// The emergency in a mailbox message, if it is one (ETG1000.6 Table 50).
pub(crate) fn emergency(device: u16, kind: u8, body: &[u8]) -> Option<Emergency> {
    let [_, service] = u16_at(body, 0)?.to_le_bytes();
    if kind != TYPE_COE || service >> 4 != SERVICE_EMERGENCY {
        return None;
    }
    Some(Emergency {
        device,
        code: u16_at(body, 2)?,
        register: *body.get(4)?,
        data: *body.get(5..)?.first_chunk()?,
    })
}
