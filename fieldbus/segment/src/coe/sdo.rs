//! SDO server: expedited, normal and segmented transfers, complete access (ETG1000.6 §5.6.2).

use super::{Coe, SERVICE_SDO_REQUEST, SERVICE_SDO_RESPONSE, SdoRefusal};
use crate::dictionary::{Abort, DataType, Dictionary};
use crate::num::{u8_at, u16_at, u32_at};

const COMPLETE_ACCESS: u8 = 0x10;
const TOGGLE: u8 = 0x10;
/// Largest object that may be written, bytes.
const DOWNLOAD_MAX: usize = 4096;

/// A segmented transfer under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transfer {
    /// None.
    Idle,
    /// To the MainDevice: bytes sent, toggle expected next.
    Upload { index: u16, subindex: u8, sent: usize, toggle: bool },
    /// From the MainDevice: whole size announced, toggle expected next.
    Download { index: u16, subindex: u8, complete: bool, size: usize, toggle: bool },
}

impl Coe {
    pub(super) fn sdo(&mut self, body: &[u8], pre_op: bool) {
        let command = u8_at(body, 0);
        let (index, subindex) = (u16_at(body, 1), u8_at(body, 3));
        let done = match command >> 5 {
            0 => self.download_segment(command, body, pre_op),
            1 => self.download(command, index, subindex, body, pre_op),
            2 => self.upload(command, index, subindex),
            3 => self.upload_segment(command),
            4 => {
                self.transfer = Transfer::Idle;
                Ok(())
            }
            _ => Err(Abort::COMMAND),
        };
        if let Err(abort) = done {
            let (index, subindex) = match self.transfer {
                Transfer::Upload { index, subindex, .. }
                | Transfer::Download { index, subindex, .. }
                    if matches!(command >> 5, 0 | 3) =>
                {
                    (index, subindex)
                }
                _ => (index, subindex),
            };
            self.transfer = Transfer::Idle;
            let [low, high] = index.to_le_bytes();
            self.send_coe(
                SERVICE_SDO_REQUEST,
                &[&[0x80, low, high, subindex], &abort.0.to_le_bytes()],
            );
        }
    }

    fn upload(&mut self, command: u8, index: u16, subindex: u8) -> Result<(), Abort> {
        self.transfer = Transfer::Idle;
        if let Some((_, _, SdoRefusal::Read(code))) = self.refused(index, subindex) {
            return Err(Abort(code));
        }
        let mut data = core::mem::take(&mut self.data);
        data.clear();
        let found = if command & COMPLETE_ACCESS != 0 {
            read_complete(&self.dictionary, index, subindex, &mut data)
        } else {
            self.dictionary.find(index, subindex).map(|slot| self.dictionary.read(slot, &mut data))
        };
        self.data = data;
        found?;
        let [low, high] = index.to_le_bytes();
        let size = self.data.len();
        let data = core::mem::take(&mut self.data);
        if (1..=4).contains(&size) {
            let mut four = [0; 4];
            four.iter_mut().zip(&data).for_each(|(to, from)| *to = *from);
            let unused = u8::try_from(4 - size).unwrap_or(0);
            let command = 0x43 | (command & COMPLETE_ACCESS) | unused << 2;
            self.send_coe(SERVICE_SDO_RESPONSE, &[&[command, low, high, subindex], &four]);
        } else {
            let now = size.min(self.coe_room() - 8);
            let head = [0x41 | (command & COMPLETE_ACCESS), low, high, subindex];
            let whole = u32::try_from(size).unwrap_or(u32::MAX).to_le_bytes();
            self.send_coe(SERVICE_SDO_RESPONSE, &[&head, &whole, data.get(..now).unwrap_or(&[])]);
            if now < size {
                self.transfer = Transfer::Upload { index, subindex, sent: now, toggle: false };
            }
        }
        self.data = data;
        Ok(())
    }

    fn upload_segment(&mut self, command: u8) -> Result<(), Abort> {
        let Transfer::Upload { index, subindex, sent, toggle } = self.transfer else {
            return Err(Abort::COMMAND);
        };
        if (command & TOGGLE != 0) != toggle {
            return Err(Abort::TOGGLE);
        }
        let data = core::mem::take(&mut self.data);
        let rest = data.get(sent..).unwrap_or(&[]);
        let now = rest.len().min(self.coe_room() - 1);
        let last = now == rest.len();
        let padding = 7_usize.saturating_sub(now);
        let unused = u8::try_from(padding).unwrap_or(0);
        let head = [(command & TOGGLE) | unused << 1 | u8::from(last)];
        let zeros = [0; 7];
        let parts =
            [&head[..], rest.get(..now).unwrap_or(&[]), zeros.get(..padding).unwrap_or(&[])];
        self.send_coe(SERVICE_SDO_RESPONSE, &parts);
        self.data = data;
        self.transfer = if last {
            Transfer::Idle
        } else {
            Transfer::Upload { index, subindex, sent: sent + now, toggle: !toggle }
        };
        Ok(())
    }

    fn download(
        &mut self,
        command: u8,
        index: u16,
        subindex: u8,
        body: &[u8],
        pre_op: bool,
    ) -> Result<(), Abort> {
        self.transfer = Transfer::Idle;
        match self.refused(index, subindex) {
            Some((_, _, SdoRefusal::Write(code))) => return Err(Abort(code)),
            Some((_, _, SdoRefusal::Keep)) => return self.confirm(index, subindex),
            Some((_, _, SdoRefusal::Read(_))) | None => {}
        }
        let complete = command & COMPLETE_ACCESS != 0;
        if command & 0x02 != 0 {
            let size = if command & 0x01 != 0 { 4 - usize::from(command >> 2 & 3) } else { 4 };
            let data = body.get(4..).and_then(|data| data.get(..size)).ok_or(Abort::LENGTH)?;
            write(&mut self.dictionary, index, subindex, complete, data, pre_op)?;
            return self.confirm(index, subindex);
        }
        let size = usize::try_from(u32_at(body, 4)).map_err(|_| Abort::MEMORY)?;
        let data = body.get(8..).ok_or(Abort::LENGTH)?;
        if size > DOWNLOAD_MAX {
            return Err(Abort::MEMORY);
        }
        self.dictionary.find(index, subindex)?;
        if data.len() >= size {
            let data = data.get(..size).unwrap_or(&[]);
            write(&mut self.dictionary, index, subindex, complete, data, pre_op)?;
        } else {
            self.data.clear();
            self.data.extend(data);
            self.transfer = Transfer::Download { index, subindex, complete, size, toggle: false };
        }
        self.confirm(index, subindex)
    }

    fn refused(&self, index: u16, subindex: u8) -> Option<(u16, u8, SdoRefusal)> {
        self.refusal.filter(|(of, at, _)| (*of, *at) == (index, subindex))
    }

    fn confirm(&mut self, index: u16, subindex: u8) -> Result<(), Abort> {
        let [low, high] = index.to_le_bytes();
        self.send_coe(SERVICE_SDO_RESPONSE, &[&[0x60, low, high, subindex, 0, 0, 0, 0]]);
        Ok(())
    }

    fn download_segment(&mut self, command: u8, body: &[u8], pre_op: bool) -> Result<(), Abort> {
        let Transfer::Download { index, subindex, complete, size, toggle } = self.transfer else {
            return Err(Abort::COMMAND);
        };
        if (command & TOGGLE != 0) != toggle {
            return Err(Abort::TOGGLE);
        }
        let segment = body.get(1..).unwrap_or(&[]);
        let unused = if segment.len() <= 7 { usize::from(command >> 1 & 7) } else { 0 };
        let segment = segment.get(..segment.len().saturating_sub(unused)).unwrap_or(&[]);
        if self.data.len() + segment.len() > size {
            return Err(Abort::LENGTH);
        }
        self.data.extend(segment);
        let last = command & 1 != 0;
        if last {
            if self.data.len() != size {
                return Err(Abort::LENGTH);
            }
            write(&mut self.dictionary, index, subindex, complete, &self.data, pre_op)?;
            self.transfer = Transfer::Idle;
        } else {
            self.transfer = Transfer::Download { index, subindex, complete, size, toggle: !toggle };
        }
        self.send_coe(SERVICE_SDO_RESPONSE, &[&[0x20 | (command & TOGGLE), 0, 0, 0, 0, 0, 0, 0]]);
        Ok(())
    }
}

/// All entries of an object from `subindex` (0 or 1) on; subindex 0 takes two bytes.
fn read_complete(
    dictionary: &Dictionary,
    index: u16,
    subindex: u8,
    out: &mut Vec<u8>,
) -> Result<(), Abort> {
    if subindex > 1 {
        return Err(Abort::NO_SUBINDEX);
    }
    let count = dictionary.find(index, 0).map(|slot| dictionary.value(slot))?;
    let text = dictionary.find(index, 0).ok().and_then(|slot| dictionary.entry(slot));
    if text.is_some_and(|entry| entry.kind == DataType::Text) {
        return Err(Abort::ACCESS);
    }
    if subindex == 0 {
        out.extend([u8_at(&count.to_le_bytes(), 0), 0]);
    }
    for place in 1..=u8::try_from(count).unwrap_or(u8::MAX) {
        if let Ok(slot) = dictionary.find(index, place) {
            dictionary.read(slot, out);
        }
    }
    Ok(())
}

fn write(
    dictionary: &mut Dictionary,
    index: u16,
    subindex: u8,
    complete: bool,
    data: &[u8],
    pre_op: bool,
) -> Result<(), Abort> {
    if !complete {
        return dictionary.write(index, subindex, data, pre_op);
    }
    if subindex > 1 {
        return Err(Abort::NO_SUBINDEX);
    }
    // Subindex 0 last: a PDO list is validated whole.
    let (count, mut rest) = if subindex == 0 {
        (Some(u8_at(data, 0)), data.get(2..).ok_or(Abort::LENGTH)?)
    } else {
        (None, data)
    };
    if count.is_some() {
        dictionary.write(index, 0, &[0], pre_op)?;
    }
    let mut place = 1;
    while !rest.is_empty() {
        let slot = dictionary.find(index, place)?;
        let width = dictionary.entry(slot).map_or(0, |entry| usize::from(entry.kind.bits() / 8));
        let bytes = rest.get(..width).filter(|bytes| !bytes.is_empty()).ok_or(Abort::LENGTH)?;
        dictionary.write(index, place, bytes, pre_op)?;
        rest = rest.get(width..).unwrap_or(&[]);
        place = place.checked_add(1).ok_or(Abort::LENGTH)?;
    }
    count.map_or(Ok(()), |count| dictionary.write(index, 0, &[count], pre_op))
}
