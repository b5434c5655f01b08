//! Start-up SDOs: PDO assignment and mapping, and what the machine file lists, written and read back; every device in its own order, all
//! devices side by side.

use super::Transfer;
use super::error::BringupError;
use super::mailboxes::{Ask, Asker};
use crate::coe::{Failure, Object, WRITE_ONLY};
use crate::plan::{PdoPlan, SdoValue, SubDevicePlan};

/// PDO assignment of outputs and inputs (ETG1000.6 Table 67).
const OUTPUT_ASSIGNMENT: u16 = 0x1C12;
const INPUT_ASSIGNMENT: u16 = 0x1C13;
/// Identity object, subindex 4: serial number.
pub(crate) const SERIAL: Object = Object::entry(0x1018, 4);

/// How an object gets its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// Written; what is there meanwhile does not matter.
    Write,
    /// Written and read back.
    Set,
    /// Only compared.
    Compare,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    pub(crate) object: Object,
    pub(crate) value: SdoValue,
    how: How,
}

impl Setting {
    /// The value as it travels, and how many bytes of it count.
    pub(crate) fn bytes(&self) -> ([u8; 4], usize) {
        let mut bytes = [0; 4];
        let (low, length) = match self.value {
            SdoValue::U8(value) => (u32::from(value), 1),
            SdoValue::U16(value) => (u32::from(value), 2),
            SdoValue::U32(value) => (value, 4),
            SdoValue::I8(value) => (i32::from(value).cast_unsigned(), 1),
            SdoValue::I16(value) => (i32::from(value).cast_unsigned(), 2),
            SdoValue::I32(value) => (value.cast_unsigned(), 4),
        };
        for (to, from) in bytes.iter_mut().zip(low.to_le_bytes()).take(length) {
            *to = from;
        }
        (bytes, length)
    }

    /// The number in `data`, which must have the size of the value.
    pub(crate) fn number(&self, data: &[u8]) -> Option<i64> {
        number(data, self.value)
    }

    pub(crate) fn is_compared_only(&self) -> bool {
        self.how == How::Compare
    }

    pub(crate) fn is_read_back(&self) -> bool {
        self.how == How::Set
    }
}

fn bytes(setting: &Setting) -> Vec<u8> {
    let (bytes, length) = setting.bytes();
    bytes.iter().copied().take(length).collect()
}

/// The number in `data`, which must have the size of `like`.
fn number(data: &[u8], like: SdoValue) -> Option<i64> {
    Some(match like {
        SdoValue::U8(_) => i64::from(u8::from_le_bytes(data.try_into().ok()?)),
        SdoValue::U16(_) => i64::from(u16::from_le_bytes(data.try_into().ok()?)),
        SdoValue::U32(_) => i64::from(u32::from_le_bytes(data.try_into().ok()?)),
        SdoValue::I8(_) => i64::from(i8::from_le_bytes(data.try_into().ok()?)),
        SdoValue::I16(_) => i64::from(i16::from_le_bytes(data.try_into().ok()?)),
        SdoValue::I32(_) => i64::from(i32::from_le_bytes(data.try_into().ok()?)),
    })
}

/// What the plan asks of a device, in order.
pub(crate) fn settings(plan: &SubDevicePlan) -> Vec<Setting> {
    let mut settings = Vec::new();
    if plan.configurable_pdos {
        assign(&mut settings, OUTPUT_ASSIGNMENT, &plan.outputs);
        assign(&mut settings, INPUT_ASSIGNMENT, &plan.inputs);
    }
    settings.extend(plan.startup.iter().map(|sdo| Setting {
        object: Object::entry(sdo.index, sdo.subindex),
        value: sdo.value,
        how: if sdo.verify_only { How::Compare } else { How::Set },
    }));
    settings
}

/// Sets one device up, in order, until something fails.
pub(crate) struct Setup<'p> {
    position: usize,
    plan: &'p SubDevicePlan,
    settings: Vec<Setting>,
    at: usize,
    is_written: bool,
    /// Why it ended early.
    pub(crate) failure: Option<BringupError>,
}

impl<'p> Setup<'p> {
    /// What the plan asks of the device at `position`.
    pub(crate) fn new(position: usize, plan: &'p SubDevicePlan) -> Self {
        let settings = settings(plan);
        Self { position, plan, settings, at: 0, is_written: false, failure: None }
    }

    /// There is something to set.
    pub(crate) fn is_needed(&self) -> bool {
        !self.settings.is_empty()
    }

    /// The device that is to be set up has no mailbox.
    pub(crate) fn no_mailbox(&mut self) {
        let first = self.settings.first().copied();
        self.failure = first.map(|setting| self.failed(setting, Failure::NoMailbox));
    }

    fn failed(&self, setting: Setting, failure: Failure) -> BringupError {
        let is_writing = setting.how != How::Compare && !self.is_written;
        BringupError::Sdo {
            position: self.position,
            name: self.plan.name.clone(),
            what: if is_writing { "writing" } else { "reading" },
            index: setting.object.index,
            subindex: setting.object.subindex,
            failure,
        }
    }

    fn advance(&mut self) {
        self.at += 1;
        self.is_written = false;
    }

    // SR-041
    fn compare(&mut self, setting: Setting, data: &[u8]) {
        let expected = i64::from(setting.value);
        let name = self.plan.name.clone();
        let Object { index, subindex, .. } = setting.object;
        let position = self.position;
        self.failure = match number(data, setting.value) {
            Some(found) if found == expected => {
                self.advance();
                return;
            }
            Some(found) => Some(BringupError::SdoValue {
                position,
                name,
                index,
                subindex,
                expected,
                found,
                verify_only: setting.how == How::Compare,
            }),
            None => Some(BringupError::SdoSize {
                position,
                name,
                index,
                subindex,
                expected: bytes(&setting).len(),
                found: data.len(),
            }),
        };
    }
}

/// The assignment and its mappings: emptied first, their number last, which is when the device checks the whole.
fn assign(settings: &mut Vec<Setting>, assignment: u16, pdos: &[PdoPlan]) {
    let count = |n: usize| SdoValue::U8(u8::try_from(n).unwrap_or(u8::MAX));
    let mut push = |index, subindex, value, how| {
        settings.push(Setting { object: Object::entry(index, subindex), value, how });
    };
    push(assignment, 0, count(0), How::Write);
    for pdo in pdos {
        push(pdo.index, 0, count(0), How::Write);
        for (subindex, entry) in (1u8..).zip(&pdo.entries) {
            let [low, high] = entry.index.to_le_bytes();
            let word = u32::from_le_bytes([entry.bits, entry.subindex, low, high]);
            push(pdo.index, subindex, SdoValue::U32(word), How::Set);
        }
        push(pdo.index, 0, count(pdo.entries.len()), How::Set);
    }
    for (subindex, pdo) in (1u8..).zip(pdos) {
        push(assignment, subindex, SdoValue::U16(pdo.index), How::Set);
    }
    push(assignment, 0, count(pdos.len()), How::Set);
}

impl Asker for Setup<'_> {
    fn next(&mut self) -> Option<Ask> {
        let setting = self.settings.get(self.at).filter(|_| self.failure.is_none())?;
        let is_read = self.is_written || setting.how == How::Compare;
        Some(if is_read {
            Ask::Read(setting.object)
        } else {
            Ask::Write(setting.object, bytes(setting))
        })
    }

    fn answered(&mut self, outcome: Result<&[u8], Failure>) {
        let Some(setting) = self.settings.get(self.at).copied() else { return };
        match outcome {
            // The device took it and will not show it: there is nothing to compare with.
            Err(Failure::Abort(WRITE_ONLY)) if self.is_written => self.advance(),
            Err(failure) => self.failure = Some(self.failed(setting, failure)),
            Ok(data) if self.is_written || setting.how == How::Compare => {
                self.compare(setting, data);
            }
            Ok(_) if setting.how == How::Write => self.advance(),
            Ok(_) => self.is_written = true,
        }
    }
}

/// Reads one object.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    object: Object,
    is_asked: bool,
    /// What came of it.
    pub(crate) outcome: Option<Result<Vec<u8>, Failure>>,
}

impl Reading {
    /// Reads this one.
    pub(crate) fn new(object: Object) -> Self {
        Self { object, is_asked: false, outcome: None }
    }

    /// It, if it has 4 bytes.
    pub(crate) fn number(&self) -> Option<u32> {
        let data = self.outcome.as_ref()?.as_ref().ok()?;
        Some(u32::from_le_bytes(data.as_slice().try_into().ok()?))
    }
}

impl Asker for Reading {
    fn next(&mut self) -> Option<Ask> {
        let is_first = !self.is_asked;
        self.is_asked = true;
        is_first.then_some(Ask::Read(self.object))
    }

    fn answered(&mut self, outcome: Result<&[u8], Failure>) {
        self.outcome = Some(outcome.map(<[u8]>::to_vec));
    }
}

/// One transfer that a person asked for.
pub(crate) struct Single<'t> {
    transfer: &'t Transfer,
    is_asked: bool,
    /// What came of it.
    pub(crate) outcome: Option<Result<Vec<u8>, Failure>>,
}

impl<'t> Single<'t> {
    pub(crate) fn new(transfer: &'t Transfer) -> Self {
        Self { transfer, is_asked: false, outcome: None }
    }

    /// Bytes that it needs room for.
    pub(crate) fn room(&self) -> usize {
        match self.transfer {
            Transfer::Read(_, room) => *room,
            Transfer::Write(_, data) => data.len(),
        }
    }
}

impl Asker for Single<'_> {
    fn next(&mut self) -> Option<Ask> {
        let is_first = !self.is_asked;
        self.is_asked = true;
        is_first.then(|| match self.transfer {
            Transfer::Read(object, _) => Ask::Read(*object),
            Transfer::Write(object, data) => Ask::Write(*object, data.clone()),
        })
    }

    fn answered(&mut self, outcome: Result<&[u8], Failure>) {
        let is_read = matches!(self.transfer, Transfer::Read(..));
        self.outcome = Some(outcome.map(|data| if is_read { data.to_vec() } else { Vec::new() }));
    }
}
