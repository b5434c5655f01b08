//! The datagram of `docs/vision-channel.md`, encoded here on our own so that encoder and reader do
//! not share a mistake.

/// Length, bytes.
pub const DATAGRAM_LENGTH: usize = 436;
/// Most objects in one datagram.
pub const OBJECTS_MAX: usize = 16;

const OBJECTS_AT: usize = 48;
const OBJECT_LENGTH: usize = 24;
const CRC_AT: usize = 432;

/// Something that is seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Object {
    pub(crate) x: i32,
    pub(crate) y: i32,
    pub(crate) vx: i32,
    pub(crate) vy: i32,
    pub(crate) radius: u32,
    pub(crate) uncertainty: u32,
}

/// What one datagram says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Picture {
    pub(crate) stream_id: u16,
    pub(crate) config_hash: u64,
    pub(crate) sequence: u64,
    pub(crate) captured_at: u64,
    pub(crate) exposure_ns: u32,
    pub(crate) quality: u8,
    pub(crate) alive: bool,
    pub(crate) zones_evaluated: u32,
    pub(crate) zones_occupied: u32,
    pub(crate) objects: [Object; OBJECTS_MAX],
    pub(crate) object_count: u8,
}

/// The bytes of a picture.
pub(crate) fn encode(picture: &Picture) -> [u8; DATAGRAM_LENGTH] {
    let mut bytes = [0; DATAGRAM_LENGTH];
    put(&mut bytes, 0, b"TVIS");
    put(&mut bytes, 4, &[2, 1]);
    put(&mut bytes, 6, &picture.stream_id.to_le_bytes());
    put(&mut bytes, 8, &picture.config_hash.to_le_bytes());
    put(&mut bytes, 16, &picture.sequence.to_le_bytes());
    put(&mut bytes, 24, &picture.captured_at.to_le_bytes());
    put(&mut bytes, 32, &picture.exposure_ns.to_le_bytes());
    put(&mut bytes, 36, &[picture.quality, u8::from(picture.alive), picture.object_count, 0]);
    put(&mut bytes, 40, &picture.zones_evaluated.to_le_bytes());
    put(&mut bytes, 44, &picture.zones_occupied.to_le_bytes());
    let seen = picture.objects.iter().take(usize::from(picture.object_count));
    for (place, object) in seen.enumerate() {
        let at = OBJECTS_AT + place * OBJECT_LENGTH;
        put(&mut bytes, at, &object.x.to_le_bytes());
        put(&mut bytes, at + 4, &object.y.to_le_bytes());
        put(&mut bytes, at + 8, &object.vx.to_le_bytes());
        put(&mut bytes, at + 12, &object.vy.to_le_bytes());
        put(&mut bytes, at + 16, &object.radius.to_le_bytes());
        put(&mut bytes, at + 20, &object.uncertainty.to_le_bytes());
    }
    let crc = crc32(bytes.get(..CRC_AT).unwrap_or_default());
    put(&mut bytes, CRC_AT, &crc.to_le_bytes());
    bytes
}

/// Length of an inspection result, bytes.
pub const RESULT_LENGTH: usize = 92;

/// What a camera found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Unknown,
    Good,
    Bad,
}

/// The bytes of an inspection result with one value: how far ahead of its place the part was, µm.
pub(crate) fn encode_result(
    stream_id: u16,
    config_hash: u64,
    sequence: u64,
    captured_at: u64,
    trigger: u64,
    verdict: Verdict,
    ahead_um: i32,
) -> [u8; RESULT_LENGTH] {
    let mut bytes = [0; RESULT_LENGTH];
    put(&mut bytes, 0, b"TVIS");
    put(&mut bytes, 4, &[2, 3]);
    put(&mut bytes, 6, &stream_id.to_le_bytes());
    put(&mut bytes, 8, &config_hash.to_le_bytes());
    put(&mut bytes, 24, &captured_at.to_le_bytes());
    put(&mut bytes, 36, &[90, 1, 0, 0]);
    put(&mut bytes, 40, &trigger.to_le_bytes());
    let verdict = match verdict {
        Verdict::Unknown => 0,
        Verdict::Good => 1,
        Verdict::Bad => 2,
    };
    put(&mut bytes, 48, &[verdict, 1]);
    put(&mut bytes, 52, &900_000_u32.to_le_bytes());
    put(&mut bytes, 56, &ahead_um.to_le_bytes());
    stamp_result(&mut bytes, sequence);
    bytes
}

/// Its sequence, and the CRC anew.
pub(crate) fn stamp_result(bytes: &mut [u8; RESULT_LENGTH], sequence: u64) {
    put(bytes, 16, &sequence.to_le_bytes());
    let crc = crc32(bytes.get(..RESULT_LENGTH - 4).unwrap_or_default());
    put(bytes, RESULT_LENGTH - 4, &crc.to_le_bytes());
}

/// Spoils the CRC and nothing else.
pub(crate) fn spoil(bytes: &mut [u8; DATAGRAM_LENGTH]) {
    for byte in bytes.iter_mut().skip(CRC_AT) {
        *byte ^= 0x55;
    }
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    for (to, from) in bytes.iter_mut().skip(at).zip(value) {
        *to = *from;
    }
}

const TABLE: [u32; 256] = table();

#[expect(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "evaluated by the compiler, the index is below 256"
)]
const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut entry = 0;
    while entry < table.len() {
        let mut value = entry as u32;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 { (value >> 1) ^ 0xEDB8_8320 } else { value >> 1 };
            bit += 1;
        }
        table[entry] = value;
        entry += 1;
    }
    table
}

/// CRC-32 of IEEE 802.3: reflected, 0xEDB88320, init and final xor all ones.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        let [low, ..] = crc.to_le_bytes();
        let entry = TABLE.get(usize::from(low ^ byte)).copied().unwrap_or_default();
        crc = entry ^ (crc >> 8);
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_crc_is_that_of_the_check_strings() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(crc32(b""), 0);
        assert_eq!(crc32(b"The quick brown fox jumps over the lazy dog"), 0x414F_A339);
    }

    #[test]
    fn every_field_is_where_the_page_says() {
        let mut picture = Picture {
            stream_id: 0x0102,
            config_hash: 0x1122_3344_5566_7788,
            sequence: 9,
            captured_at: 0x0A0B_0C0D,
            exposure_ns: 5_000_000,
            quality: 97,
            alive: true,
            zones_evaluated: 0b11,
            zones_occupied: 0b10,
            object_count: 1,
            ..Picture::default()
        };
        picture.objects[0] = Object { x: -1, y: 2, vx: -3, vy: 4, radius: 300, uncertainty: 60 };
        let bytes = encode(&picture);
        assert_eq!(&bytes[..8], b"TVIS\x02\x01\x02\x01");
        assert_eq!(bytes[8..16], 0x1122_3344_5566_7788_u64.to_le_bytes());
        assert_eq!(bytes[16..24], 9_u64.to_le_bytes());
        assert_eq!(bytes[24..32], 0x0A0B_0C0D_u64.to_le_bytes());
        assert_eq!(bytes[32..36], 5_000_000_u32.to_le_bytes());
        assert_eq!(bytes[36..40], [97, 1, 1, 0]);
        assert_eq!(bytes[40..48], [3, 0, 0, 0, 2, 0, 0, 0]);
        assert_eq!(bytes[48..52], (-1_i32).to_le_bytes());
        assert_eq!(bytes[60..64], 4_i32.to_le_bytes());
        assert_eq!(bytes[64..72], [44, 1, 0, 0, 60, 0, 0, 0]);
        assert!(bytes[72..432].iter().all(|&byte| byte == 0));
        assert_eq!(bytes[432..436], crc32(&bytes[..432]).to_le_bytes());
    }
}
