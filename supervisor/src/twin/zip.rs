//! A ZIP archive whose files are stored as they are. Source: PKWARE APPNOTE 6.3, sections 4.3.7, 4.3.12 and 4.3.16.

/// 1980-01-01: equal inputs give equal archives.
const DATE: u16 = 0x21;
const VERSION: u16 = 20;

/// CRC-32 as ZIP has it. Source: ISO 3309, reflected polynomial 0xEDB88320.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            let low = crc & 1;
            crc = (crc >> 1) ^ (0xEDB8_8320 * low);
        }
    }
    !crc
}

/// The archive of these files; `None`: one is larger than 4 GB.
pub(super) fn archive(files: &[(&str, &[u8])]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut directory = Vec::new();
    for (name, bytes) in files {
        let at = u32::try_from(out.len()).ok()?;
        let size = u32::try_from(bytes.len()).ok()?;
        let name_length = u16::try_from(name.len()).ok()?;
        let mut common = Vec::new();
        for word in [VERSION, 0, 0, 0, DATE] {
            common.extend(word.to_le_bytes());
        }
        for word in [crc32(bytes), size, size] {
            common.extend(word.to_le_bytes());
        }
        common.extend(name_length.to_le_bytes());
        common.extend(0_u16.to_le_bytes());
        out.extend(b"PK\x03\x04");
        out.extend(&common);
        out.extend(name.as_bytes());
        out.extend(*bytes);
        directory.extend(b"PK\x01\x02");
        directory.extend(VERSION.to_le_bytes());
        directory.extend(&common);
        // Comment, disk, internal and external attributes.
        directory.extend([0; 10]);
        directory.extend(at.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let (begins, length) = (u32::try_from(out.len()).ok()?, u32::try_from(directory.len()).ok()?);
    let count = u16::try_from(files.len()).ok()?;
    out.extend(&directory);
    out.extend(b"PK\x05\x06");
    out.extend([0; 4]);
    out.extend(count.to_le_bytes());
    out.extend(count.to_le_bytes());
    out.extend(length.to_le_bytes());
    out.extend(begins.to_le_bytes());
    out.extend([0; 2]);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_one_of_the_standard() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(crc32(b""), 0);
    }

    #[test]
    fn an_archive_has_its_directory_where_its_end_says() {
        let bytes = archive(&[("a.txt", b"hello"), ("b/c", b"")]).unwrap();
        let end = bytes.len() - 22;
        assert_eq!(bytes[end..end + 4], *b"PK\x05\x06");
        let begins = u32::from_le_bytes(bytes[end + 16..end + 20].try_into().unwrap());
        let begins = usize::try_from(begins).unwrap();
        assert_eq!(bytes[begins..begins + 4], *b"PK\x01\x02");
        assert_eq!(bytes[30..35], *b"a.txt");
        assert_eq!(bytes[35..40], *b"hello");
    }
}
