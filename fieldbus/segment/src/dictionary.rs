//! Object dictionary of a CoE device (ETG1000.6 §5.6.7), and the PDO assignment and mapping in it.

use crate::num::{low8, low16, mask, u8_at, u32_at};
use crate::pdo::Mapped;

/// SDO abort codes, ETG1000.6 Table 41.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Abort(pub(crate) u32);

impl Abort {
    pub(crate) const TOGGLE: Self = Self(0x0503_0000);
    pub(crate) const COMMAND: Self = Self(0x0504_0001);
    pub(crate) const MEMORY: Self = Self(0x0504_0005);
    pub(crate) const ACCESS: Self = Self(0x0601_0000);
    pub(crate) const READ_ONLY: Self = Self(0x0601_0002);
    pub(crate) const SUBINDEX_ZERO_FIRST: Self = Self(0x0601_0003);
    pub(crate) const NO_OBJECT: Self = Self(0x0602_0000);
    pub(crate) const NOT_MAPPABLE: Self = Self(0x0604_0041);
    pub(crate) const PDO_LENGTH: Self = Self(0x0604_0042);
    pub(crate) const LENGTH: Self = Self(0x0607_0010);
    pub(crate) const NO_SUBINDEX: Self = Self(0x0609_0011);
    pub(crate) const RANGE: Self = Self(0x0609_0030);
    pub(crate) const STATE: Self = Self(0x0800_0022);
}

/// Data type of an entry, ETG1000.6 Table 64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataType {
    /// 8 bits, signed.
    I8,
    /// 16 bits, signed.
    I16,
    /// 32 bits, signed.
    I32,
    /// 8 bits.
    U8,
    /// 16 bits.
    U16,
    /// 32 bits.
    U32,
    /// Text; not mappable.
    Text,
}

impl DataType {
    /// Its number.
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::I8 => 2,
            Self::I16 => 3,
            Self::I32 => 4,
            Self::U8 => 5,
            Self::U16 => 6,
            Self::U32 => 7,
            Self::Text => 9,
        }
    }

    /// Width; 0 for text.
    #[must_use]
    pub const fn bits(self) -> u8 {
        match self {
            Self::I8 | Self::U8 => 8,
            Self::I16 | Self::U16 => 16,
            Self::I32 | Self::U32 => 32,
            Self::Text => 0,
        }
    }
}

/// Who may do what with an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Read.
    Constant,
    /// Read, may be sent in a TxPDO.
    Input,
    /// Read and write.
    Parameter,
    /// Read and write, may be received in an RxPDO.
    Output,
    /// Read; written in PreOp only (PDO configuration).
    Configuration,
}

/// One entry of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryDescription {
    /// Subindex.
    pub subindex: u8,
    /// Type.
    pub kind: DataType,
    /// Rights.
    pub access: Access,
    /// Value after power-up; two's complement for signed types.
    pub value: u32,
    /// Value of a text.
    pub text: String,
}

/// One object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectDescription {
    /// Index.
    pub index: u16,
    /// Name in the SDO information.
    pub name: String,
    /// Object code: 7 variable, 8 array, 9 record.
    pub code: u8,
    /// Sorted by subindex.
    pub entries: Vec<EntryDescription>,
}

impl ObjectDescription {
    /// A variable: subindex 0 alone.
    #[must_use]
    pub fn variable(index: u16, name: &str, kind: DataType, access: Access, value: u32) -> Self {
        let entry = EntryDescription { subindex: 0, kind, access, value, text: String::new() };
        Self { index, name: name.to_owned(), code: 7, entries: vec![entry] }
    }

    /// A text.
    #[must_use]
    pub fn text(index: u16, name: &str, text: &str) -> Self {
        let mut object = Self::variable(index, name, DataType::Text, Access::Constant, 0);
        for entry in &mut object.entries {
            text.clone_into(&mut entry.text);
        }
        object
    }

    /// An array (8) or record (9): subindex 0 counts, the entries follow from 1.
    #[must_use]
    pub fn list(index: u16, name: &str, code: u8, entries: &[(DataType, Access, u32)]) -> Self {
        let count = u8::try_from(entries.len()).unwrap_or(u8::MAX);
        let mut object =
            Self::variable(index, name, DataType::U8, Access::Constant, u32::from(count));
        object.code = code;
        for (subindex, (kind, access, value)) in (1..=count).zip(entries) {
            let entry = EntryDescription {
                subindex,
                kind: *kind,
                access: *access,
                value: *value,
                text: String::new(),
            };
            object.entries.push(entry);
        }
        object
    }

    /// A PDO assignment (U16) or mapping (U32) with room for `room` entries.
    pub(crate) fn pdo_list(
        index: u16,
        name: &str,
        kind: DataType,
        access: Access,
        room: usize,
        values: &[u32],
    ) -> Self {
        let entries: Vec<_> = (0..room)
            .map(|place| (kind, access, values.get(place).copied().unwrap_or(0)))
            .collect();
        let mut object =
            Self::list(index, name, if kind == DataType::U16 { 8 } else { 9 }, &entries);
        if let Some(count) = object.entries.first_mut() {
            count.access = access;
            count.value = u32::try_from(values.len()).unwrap_or(0);
        }
        object
    }
}

/// An entry's place in the dictionary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot(usize);

impl Slot {
    /// No entry: reads 0, takes nothing.
    pub(crate) const NONE: Self = Self(usize::MAX);
}

struct Object {
    index: u16,
    first: usize,
    count: usize,
}

/// All objects of a device and their values.
pub(crate) struct Dictionary {
    descriptions: Vec<ObjectDescription>,
    objects: Vec<Object>,
    entries: Vec<EntryDescription>,
    values: Vec<u32>,
    output_bytes_max: usize,
    input_bytes_max: usize,
}

impl Dictionary {
    /// `output_bytes_max`, `input_bytes_max`: room between the SyncManagers.
    pub(crate) fn new(
        mut descriptions: Vec<ObjectDescription>,
        output_bytes_max: usize,
        input_bytes_max: usize,
    ) -> Self {
        descriptions.sort_by_key(|object| object.index);
        descriptions.dedup_by_key(|object| object.index);
        let (mut objects, mut entries) = (Vec::new(), Vec::new());
        for object in &descriptions {
            let (first, count) = (entries.len(), object.entries.len());
            objects.push(Object { index: object.index, first, count });
            entries.extend(object.entries.iter().cloned());
        }
        let values = entries.iter().map(|entry: &EntryDescription| entry.value).collect();
        Self { descriptions, objects, entries, values, output_bytes_max, input_bytes_max }
    }

    /// As after power-up.
    pub(crate) fn power_up(&mut self) {
        for (value, entry) in self.values.iter_mut().zip(&self.entries) {
            *value = entry.value;
        }
    }

    /// All descriptions, sorted by index.
    pub(crate) fn descriptions(&self) -> &[ObjectDescription] {
        &self.descriptions
    }

    fn object(&self, index: u16) -> Option<&Object> {
        let place = self.objects.binary_search_by_key(&index, |object| object.index).ok()?;
        self.objects.get(place)
    }

    /// The entry, or why there is none.
    pub(crate) fn find(&self, index: u16, subindex: u8) -> Result<Slot, Abort> {
        let object = self.object(index).ok_or(Abort::NO_OBJECT)?;
        let range = object.first..object.first + object.count;
        let entries = self.entries.get(range).unwrap_or(&[]);
        let place = entries.binary_search_by_key(&subindex, |entry| entry.subindex);
        place.map(|place| Slot(object.first + place)).map_err(|_| Abort::NO_SUBINDEX)
    }

    /// Its description.
    pub(crate) fn entry(&self, slot: Slot) -> Option<&EntryDescription> {
        self.entries.get(slot.0)
    }

    /// Its value.
    pub(crate) fn value(&self, slot: Slot) -> u32 {
        self.values.get(slot.0).copied().unwrap_or(0)
    }

    /// The device's side sets it.
    pub(crate) fn set(&mut self, slot: Slot, value: u32) {
        if let Some(place) = self.values.get_mut(slot.0) {
            *place = value;
        }
    }

    /// Bytes of an entry as they go over the bus, appended to `out`.
    pub(crate) fn read(&self, slot: Slot, out: &mut Vec<u8>) {
        let Some(entry) = self.entry(slot) else { return };
        if entry.kind == DataType::Text {
            out.extend(entry.text.as_bytes());
            return;
        }
        let bytes = self.value(slot).to_le_bytes();
        out.extend(bytes.iter().take(usize::from(entry.kind.bits() / 8)));
    }

    /// The MainDevice writes an entry.
    pub(crate) fn write(
        &mut self,
        index: u16,
        subindex: u8,
        data: &[u8],
        pre_op: bool,
    ) -> Result<(), Abort> {
        let slot = self.find(index, subindex)?;
        let entry = self.entry(slot).ok_or(Abort::NO_SUBINDEX)?;
        match entry.access {
            Access::Constant | Access::Input => return Err(Abort::READ_ONLY),
            Access::Configuration if !pre_op => return Err(Abort::STATE),
            Access::Configuration | Access::Parameter | Access::Output => {}
        }
        if data.len() != usize::from(entry.kind.bits() / 8) {
            return Err(Abort::LENGTH);
        }
        let is_configuration = entry.access == Access::Configuration;
        let mut bytes = [0; 4];
        for (to, from) in bytes.iter_mut().zip(data) {
            *to = *from;
        }
        let value = u32_at(&bytes, 0);
        if is_configuration {
            self.check_configuration(index, subindex, value)?;
        }
        self.set(slot, value);
        Ok(())
    }

    /// PDO configuration: entries only while subindex 0 is 0; subindex 0 validates the whole
    /// (ETG1000.6 §5.6.7.4).
    fn check_configuration(&self, index: u16, subindex: u8, value: u32) -> Result<(), Abort> {
        if subindex != 0 {
            let count = self.find(index, 0).map(|slot| self.value(slot))?;
            return if count == 0 { Ok(()) } else { Err(Abort::SUBINDEX_ZERO_FIRST) };
        }
        let room = self.object(index).map_or(0, |object| object.count - 1);
        let count = u8::try_from(value).map_err(|_| Abort::RANGE)?;
        if usize::from(count) > room {
            return Err(Abort::RANGE);
        }
        let mut bits = 0;
        for place in 1..=count {
            let wanted = self.find(index, place).map(|slot| self.value(slot))?;
            bits += self.check_configured(index, wanted)?;
        }
        let room = if index == 0x1C12 || index & 0xFF00 == 0x1600 {
            self.output_bytes_max
        } else {
            self.input_bytes_max
        };
        if bits > room * 8 { Err(Abort::PDO_LENGTH) } else { Ok(()) }
    }

    /// Whether `wanted` may stand in the assignment or mapping `index`; how many bits it has.
    fn check_configured(&self, index: u16, wanted: u32) -> Result<usize, Abort> {
        let wanted = u64::from(wanted);
        match index {
            0x1C12 | 0x1C13 => {
                let pdo = low16(wanted);
                let kind = if index == 0x1C12 { 0x1600 } else { 0x1A00 };
                if pdo & 0xFE00 != kind {
                    return Err(Abort::NOT_MAPPABLE);
                }
                self.object(pdo).ok_or(Abort::NOT_MAPPABLE)?;
                Ok(self.pdo_bits(pdo))
            }
            _ => {
                let (object, subindex, bits) =
                    (low16(wanted >> 16), low8(wanted >> 8), low8(wanted));
                if object == 0 {
                    return if bits == 0 {
                        Err(Abort::NOT_MAPPABLE)
                    } else {
                        Ok(usize::from(bits))
                    };
                }
                let slot = self.find(object, subindex).map_err(|_| Abort::NOT_MAPPABLE)?;
                let entry = self.entry(slot).ok_or(Abort::NOT_MAPPABLE)?;
                let needed = if index & 0xFE00 == 0x1600 { Access::Output } else { Access::Input };
                let fits = entry.access == needed
                    || (needed == Access::Input && entry.access == Access::Output);
                if fits && entry.kind.bits() == bits {
                    Ok(usize::from(bits))
                } else {
                    Err(Abort::NOT_MAPPABLE)
                }
            }
        }
    }

    /// Values of a list, in order.
    fn listed(&self, index: u16) -> impl Iterator<Item = u32> {
        let (first, count) =
            self.object(index).map_or((0, 0), |object| (object.first, object.count));
        let filled = usize::try_from(self.values.get(first).copied().unwrap_or(0)).unwrap_or(0);
        let filled = filled.min(count.saturating_sub(1));
        let range = if count == 0 { 0..0 } else { first + 1..first + 1 + filled };
        self.values.get(range).unwrap_or(&[]).iter().copied()
    }

    fn pdo_bits(&self, pdo: u16) -> usize {
        self.listed(pdo).map(|entry| usize::from(u8_at(&entry.to_le_bytes(), 0))).sum()
    }

    /// Lays out the PDOs assigned in `assignment`; returns the bits. Never more entries than
    /// `layout` has room for.
    pub(crate) fn layout(&self, assignment: u16, layout: &mut Vec<Mapped>) -> usize {
        layout.clear();
        let mut at = 0;
        for pdo in self.listed(assignment) {
            for entry in self.listed(low16(u64::from(pdo))) {
                let entry = u64::from(entry);
                let bits = low8(entry);
                let slot = self.find(low16(entry >> 16), low8(entry >> 8));
                if let (Ok(slot), true) = (slot, layout.len() < layout.capacity()) {
                    layout.push(Mapped { slot, at, bits });
                }
                at += usize::from(bits);
            }
        }
        at
    }

    /// Outputs of the image into the objects.
    pub(crate) fn scatter(&mut self, layout: &[Mapped], image: &[u8]) {
        for mapped in layout {
            self.set(mapped.slot, mapped.read(image));
        }
    }

    /// Objects into the inputs of the image.
    pub(crate) fn gather(&self, layout: &[Mapped], image: &mut [u8]) {
        for mapped in layout {
            mapped.write(image, self.value(mapped.slot) & low_mask(mapped.bits));
        }
    }
}

fn low_mask(bits: u8) -> u32 {
    u32::try_from(mask(u32::from(bits.min(32)))).unwrap_or(u32::MAX)
}
