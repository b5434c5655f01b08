//! Fieldbus memory management unit: logical bits to physical bits (ETG1000.4 Table 57).

use crate::num::{u8_at, u16_at, u32_at};

/// Most units in one controller.
pub(crate) const FMMU_MAX: usize = 16;

/// One unit as its registers say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fmmu {
    /// It maps.
    pub(crate) active: bool,
    /// Answers logical reads.
    pub(crate) read: bool,
    /// Takes logical writes.
    pub(crate) write: bool,
    /// Logical byte address.
    pub(crate) logical: u32,
    /// Logical bytes touched.
    pub(crate) length: u16,
    /// First bit in the first byte.
    pub(crate) start_bit: u8,
    /// Last bit in the last byte.
    pub(crate) stop_bit: u8,
    /// Physical byte address.
    pub(crate) physical: u16,
    /// First bit in the first physical byte.
    pub(crate) physical_bit: u8,
}

/// A byte-wise overlap of a unit and a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Overlap {
    /// First byte within the datagram's data.
    pub(crate) data: usize,
    /// Physical address of that byte.
    pub(crate) physical: usize,
    /// How many bytes.
    pub(crate) length: usize,
}

impl Fmmu {
    /// Parses 16 register bytes.
    pub(crate) fn parse(registers: &[u8]) -> Self {
        let kind = u8_at(registers, 11);
        let length = u16_at(registers, 4);
        Self {
            active: u8_at(registers, 12) & 1 != 0 && length != 0,
            read: kind & 1 != 0,
            write: kind & 2 != 0,
            logical: u32_at(registers, 0),
            length,
            start_bit: u8_at(registers, 6) & 7,
            stop_bit: u8_at(registers, 7) & 7,
            physical: u16_at(registers, 8),
            physical_bit: u8_at(registers, 10) & 7,
        }
    }

    /// Whole bytes on both sides: the usual case.
    pub(crate) fn is_byte_wise(&self) -> bool {
        self.start_bit == 0 && self.stop_bit == 7 && self.physical_bit == 0
    }

    /// Where the unit and `length` logical bytes from `start` meet, in bytes.
    pub(crate) fn overlap(&self, start: u32, length: usize) -> Option<Overlap> {
        let (unit, data) = (u64::from(self.logical), u64::from(start));
        let first = unit.max(data);
        let end = (unit + u64::from(self.length)).min(data + u64::try_from(length).ok()?);
        if first >= end {
            return None;
        }
        Some(Overlap {
            data: usize::try_from(first - data).ok()?,
            physical: usize::from(self.physical) + usize::try_from(first - unit).ok()?,
            length: usize::try_from(end - first).ok()?,
        })
    }

    /// The unit's bits, one by one: `(bit within the datagram, physical bit address)` of those the
    /// datagram has.
    pub(crate) fn bits(&self, start: u32, length: usize) -> impl Iterator<Item = (usize, usize)> {
        let unit_first = u64::from(self.logical) * 8 + u64::from(self.start_bit);
        let unit_end = (u64::from(self.logical) + u64::from(self.length) - 1) * 8
            + u64::from(self.stop_bit)
            + 1;
        let data_first = u64::from(start) * 8;
        let data_end = data_first + u64::try_from(length).unwrap_or(0) * 8;
        let physical = u64::from(self.physical) * 8 + u64::from(self.physical_bit);
        (unit_first.max(data_first)..unit_end.min(data_end)).filter_map(move |bit| {
            Some((
                usize::try_from(bit - data_first).ok()?,
                usize::try_from(physical + (bit - unit_first)).ok()?,
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bitwise() -> Fmmu {
        // Logical 0x100 bit 4 .. 0x101 bit 1 on physical 0x0F00 bit 2 ..
        let registers = [0, 1, 0, 0, 2, 0, 4, 1, 0x00, 0x0F, 2, 2, 1, 0, 0, 0];
        Fmmu::parse(&registers)
    }

    #[test]
    fn bits_keep_their_order_over_byte_borders_on_both_sides() {
        let pairs: Vec<_> = bitwise().bits(0x100, 2).collect();
        let physical = 0x0F00 * 8 + 2;
        let expected: Vec<_> = (0..6).map(|bit| (4 + bit, physical + bit)).collect();
        assert_eq!(pairs, expected);
    }

    #[test]
    fn a_datagram_that_has_only_the_second_byte_gets_only_its_bits() {
        let pairs: Vec<_> = bitwise().bits(0x101, 4).collect();
        assert_eq!(pairs, [(0, 0x0F00 * 8 + 6), (1, 0x0F00 * 8 + 7)]);
    }

    #[test]
    fn a_unit_is_byte_wise_only_if_it_starts_and_ends_on_bytes_on_both_sides() {
        let whole = Fmmu { stop_bit: 7, ..Fmmu::default() };
        assert!(whole.is_byte_wise());
        assert!(!Fmmu { start_bit: 1, ..whole }.is_byte_wise());
        assert!(!Fmmu { stop_bit: 6, ..whole }.is_byte_wise());
        assert!(!Fmmu { physical_bit: 4, ..whole }.is_byte_wise());
    }

    #[test]
    fn overlap_is_cut_on_both_ends() {
        let fmmu =
            Fmmu { active: true, logical: 10, length: 4, physical: 0x1000, ..Fmmu::default() };
        assert_eq!(fmmu.overlap(12, 9), Some(Overlap { data: 0, physical: 0x1002, length: 2 }));
        assert_eq!(fmmu.overlap(8, 3), Some(Overlap { data: 2, physical: 0x1000, length: 1 }));
        assert_eq!(fmmu.overlap(14, 1), None);
        assert_eq!(fmmu.overlap(u32::MAX, 1486), None);
    }
}
