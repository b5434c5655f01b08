//! SDO information: object list, object and entry descriptions (ETG1000.6 §5.6.3).

use super::{Coe, SERVICE_SDO_INFO};
use crate::dictionary::{Abort, Access, ObjectDescription};
use crate::num::{u8_at, u16_at};

const LIST_REQUEST: u8 = 1;
const OBJECT_REQUEST: u8 = 3;
const ENTRY_REQUEST: u8 = 5;
const ERROR: u8 = 7;

impl Coe {
    pub(super) fn information(&mut self, body: &[u8]) {
        let rest = body.get(4..).unwrap_or(&[]);
        let done = match u8_at(body, 0) & 0x7F {
            LIST_REQUEST => {
                self.object_list(u16_at(rest, 0));
                Ok(())
            }
            OBJECT_REQUEST => self.object_description(u16_at(rest, 0)),
            ENTRY_REQUEST => self.entry_description(u16_at(rest, 0), u8_at(rest, 2)),
            _ => Err(Abort::COMMAND),
        };
        if let Err(abort) = done {
            self.send_coe(SERVICE_SDO_INFO, &[&[ERROR, 0, 0, 0], &abort.0.to_le_bytes()]);
        }
    }

    /// Type 0: lengths of the five lists; 1: all; 2: RxPDO-mappable; 3: TxPDO-mappable; 4 and 5:
    /// none.
    fn object_list(&mut self, kind: u16) {
        let mut data = core::mem::take(&mut self.data);
        data.clear();
        let objects = self.dictionary.descriptions();
        if kind == 0 {
            for kind in 1..=5 {
                let count = objects.iter().filter(|object| is_in_list(object, kind)).count();
                data.extend(u16::try_from(count).unwrap_or(u16::MAX).to_le_bytes());
            }
        } else {
            for object in objects.iter().filter(|object| is_in_list(object, kind)) {
                data.extend(object.index.to_le_bytes());
            }
        }
        let opcode = LIST_REQUEST + 1;
        // The first fragment repeats the list type.
        let room = self.coe_room() - 4;
        let first = (room - 2).min(data.len()) & !1;
        let others = data.get(first..).unwrap_or(&[]).len().div_ceil(room & !1);
        let mut left = u8::try_from(others).unwrap_or(u8::MAX);
        let head = |left: u8| [if left > 0 { opcode | 0x80 } else { opcode }, 0, left, 0];
        let start = data.get(..first).unwrap_or(&[]);
        self.send_coe(SERVICE_SDO_INFO, &[&head(left), &kind.to_le_bytes(), start]);
        for fragment in data.get(first..).unwrap_or(&[]).chunks(room & !1) {
            left = left.saturating_sub(1);
            self.send_coe(SERVICE_SDO_INFO, &[&head(left), fragment]);
        }
        self.data = data;
    }

    fn object_description(&mut self, index: u16) -> Result<(), Abort> {
        let object = self.described(index)?;
        let (code, name) = (object.code, object.name.clone());
        let kind = object.entries.last().map_or(0, |entry| entry.kind.code());
        let max = object.entries.last().map_or(0, |entry| entry.subindex);
        let ([low, high], [kind_low, kind_high]) = (index.to_le_bytes(), kind.to_le_bytes());
        let head = [OBJECT_REQUEST + 1, 0, 0, 0];
        let body = [low, high, kind_low, kind_high, max, code];
        let room = self.coe_room() - head.len() - body.len();
        let name = name.as_bytes();
        let name = name.get(..name.len().min(room)).unwrap_or(&[]);
        self.send_coe(SERVICE_SDO_INFO, &[&head, &body, name]);
        Ok(())
    }

    fn entry_description(&mut self, index: u16, subindex: u8) -> Result<(), Abort> {
        let object = self.described(index)?;
        let entry = object
            .entries
            .iter()
            .find(|entry| entry.subindex == subindex)
            .ok_or(Abort::NO_SUBINDEX)?;
        let bits = if entry.text.is_empty() {
            u16::from(entry.kind.bits())
        } else {
            u16::try_from(entry.text.len() * 8).unwrap_or(u16::MAX)
        };
        let kind = entry.kind.code().to_le_bytes();
        let (bits, access) = (bits.to_le_bytes(), rights(entry.access).to_le_bytes());
        let [low, high] = index.to_le_bytes();
        let head = [ENTRY_REQUEST + 1, 0, 0, 0];
        let body =
            [low, high, subindex, 0, kind[0], kind[1], bits[0], bits[1], access[0], access[1]];
        let name = object.name.clone();
        let room = self.coe_room() - head.len() - body.len();
        let name = name.as_bytes();
        let name = name.get(..name.len().min(room)).unwrap_or(&[]);
        self.send_coe(SERVICE_SDO_INFO, &[&head, &body, name]);
        Ok(())
    }

    fn described(&self, index: u16) -> Result<&ObjectDescription, Abort> {
        let objects = self.dictionary.descriptions();
        let place = objects.binary_search_by_key(&index, |object| object.index);
        place.ok().and_then(|place| objects.get(place)).ok_or(Abort::NO_OBJECT)
    }
}

fn is_in_list(object: &ObjectDescription, kind: u16) -> bool {
    let any = |access: Access| object.entries.iter().any(|entry| entry.access == access);
    match kind {
        1 => true,
        2 => any(Access::Output),
        3 => any(Access::Input) || any(Access::Output),
        _ => false,
    }
}

/// Object access, ETG1000.6 Table 44: read in PreOp, SafeOp, Op; write in the same; RxPDO, TxPDO
/// mapping.
fn rights(access: Access) -> u16 {
    match access {
        Access::Constant => 0x0007,
        Access::Input => 0x0087,
        Access::Parameter => 0x003F,
        Access::Output => 0x00FF,
        Access::Configuration => 0x000F,
    }
}
