//! An object's place in the process image of a device.

use crate::dictionary::Slot;
use crate::num::{put, u8_at, u16_at, u32_at};

/// Most mapped objects a direction.
pub(crate) const MAPPED_MAX: usize = 64;

/// One mapped object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mapped {
    /// Which.
    pub(crate) slot: Slot,
    /// First bit in the image.
    pub(crate) at: usize,
    /// 1..=32.
    pub(crate) bits: u8,
}

impl Mapped {
    /// Its value in the image.
    pub(crate) fn read(self, image: &[u8]) -> u32 {
        let byte = self.at / 8;
        match (self.at % 8, self.bits) {
            (0, 8) => u32::from(u8_at(image, byte)),
            (0, 16) => u32::from(u16_at(image, byte)),
            (0, 32) => u32_at(image, byte),
            _ => (0..usize::from(self.bits.min(32))).fold(0, |value, bit| {
                let at = self.at + bit;
                value | u32::from(u8_at(image, at / 8) >> (at % 8) & 1) << bit
            }),
        }
    }

    /// Puts `value` into the image.
    pub(crate) fn write(self, image: &mut [u8], value: u32) {
        let (byte, bytes) = (self.at / 8, value.to_le_bytes());
        match (self.at % 8, self.bits) {
            (0, 8) => put(image, byte, &bytes[..1]),
            (0, 16) => put(image, byte, &bytes[..2]),
            (0, 32) => put(image, byte, &bytes),
            _ => {
                for bit in 0..usize::from(self.bits.min(32)) {
                    let at = self.at + bit;
                    if let Some(place) = image.get_mut(at / 8) {
                        let one = 1_u8 << (at % 8);
                        *place = if value >> bit & 1 != 0 { *place | one } else { *place & !one };
                    }
                }
            }
        }
    }
}
