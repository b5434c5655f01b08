//! Process image ↔ signals: copy plans worked out once, with short ways for whole bytes.

use rt_core::SignalId;
use rt_core::signal::Signals;

use super::sampled::{FREE, Sampled};
use crate::wire::put;

/// How the bits of a signal lie from its first byte on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// One bit.
    Bit {
        shift: u8,
    },
    /// Whole bytes, unsigned.
    U8,
    U16,
    U32,
    /// Whole bytes, signed.
    I8,
    I16,
    I32,
    /// Anything else, 1..=64 bits from bit `shift` on.
    Bits {
        shift: u8,
        bits: u8,
        signed: bool,
    },
}

/// A signal's place in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) signal: SignalId,
    /// Frame.
    pub(crate) frame: usize,
    /// First byte within the frame.
    byte: usize,
    shape: Shape,
    /// When it was sampled, see [`Sampled::at`].
    stamp: u8,
}

impl Place {
    /// `start`: where the device's data begin in the frame; the signal is `bit_offset` further.
    pub(crate) fn new(
        signal: SignalId,
        frame: usize,
        start: usize,
        bit_offset: u32,
        bits: u8,
        signed: bool,
    ) -> Self {
        let byte = start + usize::try_from(bit_offset / 8).unwrap_or(usize::MAX - start);
        let shift = u8::try_from(bit_offset % 8).unwrap_or(0);
        let shape = match (shift, bits, signed) {
            (_, 1, false) => Shape::Bit { shift },
            (0, 8, false) => Shape::U8,
            (0, 16, false) => Shape::U16,
            (0, 32, false) => Shape::U32,
            (0, 8, true) => Shape::I8,
            (0, 16, true) => Shape::I16,
            (0, 32, true) => Shape::I32,
            _ => Shape::Bits { shift, bits, signed },
        };
        Self { signal, frame, byte, shape, stamp: FREE }
    }

    /// The same, sampled by its device's own clock.
    pub(crate) fn sampled(self, stamp: u8) -> Self {
        Self { stamp, ..self }
    }

    /// The signal's value in the bytes of its frame; `None` when the frame is shorter than the place.
    pub(crate) fn read(&self, frame: &[u8]) -> Option<i64> {
        let bytes = frame.get(self.byte..)?;
        Some(match self.shape {
            Shape::Bit { shift } => i64::from(bytes.first()? >> shift & 1),
            Shape::U8 => i64::from(*bytes.first()?),
            Shape::U16 => i64::from(u16::from_le_bytes(*bytes.first_chunk()?)),
            Shape::U32 => i64::from(u32::from_le_bytes(*bytes.first_chunk()?)),
            Shape::I8 => i64::from(i8::from_le_bytes(*bytes.first_chunk()?)),
            Shape::I16 => i64::from(i16::from_le_bytes(*bytes.first_chunk()?)),
            Shape::I32 => i64::from(i32::from_le_bytes(*bytes.first_chunk()?)),
            Shape::Bits { shift, bits, signed } => read_bits(bytes, shift, bits, signed)?,
        })
    }

    /// Puts the low bits of `value` in their place; nothing is written when the frame is shorter than the place.
    pub(crate) fn write(&self, frame: &mut [u8], value: i64) {
        let [b0, b1, b2, b3, ..] = value.to_le_bytes();
        match self.shape {
            Shape::Bit { shift } => {
                if let Some(byte) = frame.get_mut(self.byte) {
                    *byte = *byte & !(1 << shift) | (b0 & 1) << shift;
                }
            }
            Shape::U8 | Shape::I8 => drop(put(frame, self.byte, &[b0])),
            Shape::U16 | Shape::I16 => drop(put(frame, self.byte, &[b0, b1])),
            Shape::U32 | Shape::I32 => drop(put(frame, self.byte, &[b0, b1, b2, b3])),
            Shape::Bits { shift, bits, .. } => {
                if let Some(bytes) = frame.get_mut(self.byte..) {
                    write_bits(bytes, shift, bits, value);
                }
            }
        }
    }
}

fn mask(bits: u8) -> u64 {
    u64::MAX.checked_shr(64 - u32::from(bits.min(64))).unwrap_or(0)
}

fn read_bits(bytes: &[u8], shift: u8, bits: u8, signed: bool) -> Option<i64> {
    let count = usize::from(shift + bits).div_ceil(8);
    let mut window = [0; 16];
    window.get_mut(..count)?.copy_from_slice(bytes.get(..count)?);
    let [low @ .., _, _, _, _, _, _, _, _] = (u128::from_le_bytes(window) >> shift).to_le_bytes();
    let raw = u64::from_le_bytes(low) & mask(bits);
    let unused = 64 - u32::from(bits.clamp(1, 64));
    let value = i64::from_le_bytes((raw << unused).to_le_bytes());
    let unsigned = i64::from_le_bytes(raw.to_le_bytes());
    Some(if signed { value >> unused } else { unsigned })
}

fn write_bits(bytes: &mut [u8], shift: u8, bits: u8, value: i64) {
    let count = usize::from(shift + bits).div_ceil(8);
    let Some(bytes) = bytes.get_mut(..count) else { return };
    let raw = u64::from_le_bytes(value.to_le_bytes()) & mask(bits);
    let value = (u128::from(raw) << shift).to_le_bytes();
    let clear = (u128::from(mask(bits)) << shift).to_le_bytes();
    for (byte, (value, clear)) in bytes.iter_mut().zip(value.into_iter().zip(clear)) {
        *byte = *byte & !clear | value;
    }
}

/// All inputs of one sync unit.
#[derive(Clone, Debug, Default)]
pub(crate) struct UnitInputs {
    pub(crate) places: Box<[Place]>,
}

impl UnitInputs {
    /// Process image → signals, each with the time at which its device sampled it.
    pub(crate) fn decode<'a>(
        &self,
        frames: impl Fn(usize) -> Option<&'a [u8]>,
        signals: &mut Signals,
        sampled: &Sampled,
    ) {
        for place in &self.places {
            match frames(place.frame).and_then(|frame| place.read(frame)) {
                Some(value) => signals.set(place.signal, value, sampled.at(place.stamp)),
                None => signals.age(place.signal),
            }
        }
    }

    /// None of them came.
    // SR-032
    pub(crate) fn age(&self, signals: &mut Signals) {
        for place in &self.places {
            signals.age(place.signal);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_place_reads_back_what_was_written_and_touches_no_other_bit(
            background in proptest::collection::vec(any::<u8>(), 40),
            value: i64, bit_offset in 0u32..200, bits in 1u8..=64, signed: bool,
        ) {
            let place = Place::new(SignalId(0), 0, 5, bit_offset, bits, signed);
            let mut frame = background.clone();
            place.write(&mut frame, value);
            let unused = 64 - u32::from(bits);
            let expected = if signed {
                value << unused >> unused
            } else {
                (value.cast_unsigned() << unused >> unused).cast_signed()
            };
            prop_assert_eq!(place.read(&frame), Some(expected));
            let first = 40 + usize::try_from(bit_offset).unwrap();
            for bit in 0..frame.len() * 8 {
                if !(first..first + usize::from(bits)).contains(&bit) {
                    let of = |bytes: &[u8]| bytes[bit / 8] >> (bit % 8) & 1;
                    prop_assert_eq!(of(&frame), of(&background), "bit {}", bit);
                }
            }
        }

        #[test]
        fn a_place_outside_the_frame_is_neither_read_nor_written(
            length in 0usize..20, bit_offset in 160u32..400, bits in 1u8..=64,
        ) {
            let place = Place::new(SignalId(0), 0, 0, bit_offset, bits, false);
            let mut frame = vec![0; length];
            place.write(&mut frame, -1);
            prop_assert_eq!(place.read(&frame), None);
            prop_assert!(frame.iter().all(|byte| *byte == 0));
        }
    }
}
