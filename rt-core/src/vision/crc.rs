//! CRC-32 as IEEE 802.3 has it: reflected, 0xEDB88320, init and final xor all ones.

/// `TABLES[k][b]`: what byte `b` followed by `k` zero bytes leaves in the register.
static TABLES: [[u32; 256]; 4] = [table(8), table(16), table(24), table(32)];

/// Every byte, shifted through the register by `shifts` bits.
#[expect(
    clippy::indexing_slicing,
    reason = "evaluated by the compiler: a bad index does not build"
)]
const fn table(shifts: u32) -> [u32; 256] {
    let mut table = [0_u32; 256];
    let mut index = 0_usize;
    let mut byte = 0_u32;
    while index < 256 {
        let mut value = byte;
        let mut shift = 0;
        while shift < shifts {
            value = if value & 1 == 1 { (value >> 1) ^ 0xEDB8_8320 } else { value >> 1 };
            shift += 1;
        }
        table[index] = value;
        index += 1;
        byte += 1;
    }
    table
}

/// CRC-32 of `bytes`.
#[must_use]
pub fn crc32(bytes: &[u8]) -> u32 {
    let [t0, t1, t2, t3] = &TABLES;
    let at = |table: &[u32; 256], byte: u8| table.get(usize::from(byte)).copied().unwrap_or(0);
    let (words, rest) = bytes.as_chunks::<4>();
    let mut register = u32::MAX;
    for word in words {
        let [a, b, c, d] = (register ^ u32::from_le_bytes(*word)).to_le_bytes();
        register = at(t3, a) ^ at(t2, b) ^ at(t1, c) ^ at(t0, d);
    }
    for byte in rest {
        let [low, ..] = register.to_le_bytes();
        register = (register >> 8) ^ at(t0, low ^ byte);
    }
    !register
}

#[cfg(test)]
mod tests {
    use super::crc32;

    /// The definition, a bit at a time.
    fn by_definition(bytes: &[u8]) -> u32 {
        let mut register = u32::MAX;
        for byte in bytes {
            register ^= u32::from(*byte);
            for _ in 0..8 {
                register =
                    if register & 1 == 1 { (register >> 1) ^ 0xEDB8_8320 } else { register >> 1 };
            }
        }
        !register
    }

    #[test]
    fn it_gives_the_check_value_of_the_standard() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(crc32(b""), 0);
    }

    proptest::proptest! {
        #[test]
        fn it_equals_the_definition_for_any_bytes(bytes: [u8; 67], length in 0_usize..67) {
            proptest::prop_assert_eq!(crc32(&bytes[..length]), by_definition(&bytes[..length]));
        }
    }
}
