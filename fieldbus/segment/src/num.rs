//! Bytes and numbers: little-endian access that cannot panic, and the named roundings.

/// `u16` at `at`; 0 where there is no memory.
pub(crate) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    array_at::<2>(bytes, at).map_or(0, u16::from_le_bytes)
}

/// `u32` at `at`; 0 where there is no memory.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    array_at::<4>(bytes, at).map_or(0, u32::from_le_bytes)
}

/// `u64` at `at`; 0 where there is no memory.
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    array_at::<8>(bytes, at).map_or(0, u64::from_le_bytes)
}

/// `u8` at `at`; 0 where there is no memory.
pub(crate) fn u8_at(bytes: &[u8], at: usize) -> u8 {
    bytes.get(at).copied().unwrap_or(0)
}

fn array_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk::<N>().copied()
}

/// Writes `value` at `at`; bytes outside the memory are dropped.
pub(crate) fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(place) = bytes.get_mut(at..).and_then(|rest| rest.get_mut(..value.len())) {
        place.copy_from_slice(value);
    }
}

/// The two's complement of the same bits.
pub(crate) fn signed64(bits: u64) -> i64 {
    i64::from_ne_bytes(bits.to_ne_bytes())
}

/// The bits of a two's complement.
pub(crate) fn bits64(value: i64) -> u64 {
    u64::from_ne_bytes(value.to_ne_bytes())
}

/// The lower 32 bits.
pub(crate) fn low32(value: u64) -> u32 {
    u32_at(&value.to_le_bytes(), 0)
}

/// The lower 32 bits as a signed number: how a drive sends an unwrapped position.
pub(crate) fn low_i32(value: i64) -> i32 {
    i32::from_ne_bytes(low32(bits64(value)).to_ne_bytes())
}

/// The lower 16 bits.
pub(crate) fn low16(value: u64) -> u16 {
    u16_at(&value.to_le_bytes(), 0)
}

/// The lower 8 bits.
pub(crate) fn low8(value: u64) -> u8 {
    u8_at(&value.to_le_bytes(), 0)
}

/// A mask of the lower `bits` bits.
pub(crate) fn mask(bits: u32) -> u64 {
    if bits >= 64 { u64::MAX } else { (1 << bits) - 1 }
}

/// Nearest integer, ties away from zero; saturates, NaN is 0.
#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "the named rounding function: float to int saturates"
)]
pub(crate) fn round(value: f64) -> i64 {
    (value + if value < 0.0 { -0.5 } else { 0.5 }) as i64
}

/// Exact to 2⁻⁵³ of the value.
#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "counts and ns of a simulated drive are far below 2⁵³"
)]
pub(crate) fn float(value: i64) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn access_outside_of_memory_reads_zero_and_writes_nothing() {
        let mut memory = [1, 2, 3];
        assert_eq!(u32_at(&memory, 0), 0);
        assert_eq!(u16_at(&memory, 1), 0x0302);
        assert_eq!(u16_at(&memory, usize::MAX), 0);
        put(&mut memory, 2, &[9, 9]);
        assert_eq!(memory, [1, 2, 3]);
    }

    #[test]
    fn a_position_beyond_31_bits_wraps_as_on_the_wire() {
        assert_eq!(low_i32(0x8000_0000), i32::MIN);
        assert_eq!(low_i32(-1), -1);
        assert_eq!(low_i32(0x1_0000_0005), 5);
    }

    #[test]
    fn rounding_is_to_nearest() {
        assert_eq!((round(1.5), round(-1.5), round(f64::NAN)), (2, -2, 0));
        assert_eq!(round(f64::INFINITY), i64::MAX);
    }
}
