//! The dump file: what a frozen ring looks like on disk. Little endian.
//!
//! ```text
//! file   = "TACTFR\r\n" · version u16 = 1 · bytes of a cycle u16 = 64 · bytes of a mark u16 = 32 · 0 u16 · block*
//! block  = kind [u8; 4] · length of payload u32 · CRC-32 (IEEE 802.3) of kind, length and payload u32 · payload
//! "HEAD" = JSON: machine, trigger, names ([`Head`]); first, once
//! "CYCL" = at most 1024 cycles ([`CycleStamps`]), oldest first
//! "MARK" = at most 1024 marks ([`Mark`]), oldest first
//! "DONE" = number of cycles u64 · number of marks u64; last, once
//! ```
//!
//! A reader skips kinds that it does not know. What is damaged or cut off costs its block and no other.

use std::io::{self, Write};

use rt_core::flight::{CycleStamps, MARK_BYTES, Mark, RECORD_BYTES, Ring};
use rt_core::vision::crc32;
use serde::{Deserialize, Serialize};

/// The first bytes of a dump. A file that went through a text conversion has lost them.
const MAGIC: &[u8; 8] = b"TACTFR\r\n";
/// Version of the format.
const VERSION: u16 = 1;
const PREAMBLE_BYTES: usize = 16;
const BLOCK_HEAD_BYTES: usize = 12;
/// Cycles or marks of a block.
const BLOCK_ITEMS: usize = 1024;

/// Whose dump it is, why it was made, and what the numbers in it are called.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Head {
    /// `tactus` that wrote it.
    pub version: String,
    /// The machine's name.
    pub machine: String,
    /// BLAKE3 of the machine file, hexadecimal.
    pub config_hash: String,
    /// `real` or `virtual`: there phases take the time of the modelled wire and no other.
    pub time: String,
    /// `virtual` or `raw:<interface>`.
    pub link: String,
    /// Seed of the virtual cell; `null` on a real link.
    pub seed: Option<u64>,
    /// Nominal length of a cycle, ns.
    pub period_ns: u64,
    /// Beginning of the run, ns of the loop's clock: dumps of one run have the same.
    pub began: u64,
    /// Of this run, from 1.
    pub number: u64,
    /// `overrun`, `trip` or `request`.
    pub trigger: String,
    /// Cycle of the trigger.
    pub cycle: u64,
    /// When that cycle woke, ns.
    pub at: u64,
    /// Of a trip: the interlock; of an overrun: where the time went; else empty.
    pub cause: String,
    /// Cycles overwritten at the beginning, because nobody took the ring in time.
    pub lost: u64,
    /// By number in marks.
    pub interlocks: Vec<String>,
    /// By number in marks.
    pub groups: Vec<String>,
    /// By number in marks.
    pub axes: Vec<String>,
    /// By number in marks.
    pub steps: Vec<String>,
}

/// A dump as it was read.
#[derive(Clone, Debug, Default)]
pub struct Dump {
    /// Whose, why.
    pub head: Head,
    /// Oldest first.
    pub cycles: Vec<CycleStamps>,
    /// Oldest first.
    pub marks: Vec<Mark>,
    /// What could not be read, in words; empty: the file is whole.
    pub damage: Vec<String>,
}

/// Writes a dump.
///
/// # Errors
/// What `out` said.
pub fn write(head: &Head, ring: &Ring, out: &mut impl Write) -> io::Result<()> {
    out.write_all(MAGIC)?;
    let sizes = [usize::from(VERSION), RECORD_BYTES, MARK_BYTES, 0];
    for size in sizes {
        out.write_all(&u16::try_from(size).unwrap_or(0).to_le_bytes())?;
    }
    block(*b"HEAD", &serde_json::to_vec(head)?, out)?;
    let cycles = items(*b"CYCL", ring.cycles().map(CycleStamps::to_bytes), out)?;
    let marks = items(*b"MARK", ring.marks().map(Mark::to_bytes), out)?;
    let mut done = cycles.to_le_bytes().to_vec();
    done.extend(marks.to_le_bytes());
    block(*b"DONE", &done, out)
}

fn items<const N: usize>(
    kind: [u8; 4],
    items: impl Iterator<Item = [u8; N]>,
    out: &mut impl Write,
) -> io::Result<u64> {
    let mut payload = Vec::with_capacity(BLOCK_ITEMS * N);
    let mut count = 0;
    for item in items {
        payload.extend_from_slice(&item);
        count += 1;
        if payload.len() >= BLOCK_ITEMS * N {
            block(kind, &payload, out)?;
            payload.clear();
        }
    }
    if !payload.is_empty() {
        block(kind, &payload, out)?;
    }
    Ok(count)
}

fn block(kind: [u8; 4], payload: &[u8], out: &mut impl Write) -> io::Result<()> {
    let length = u32::try_from(payload.len()).map_err(io::Error::other)?;
    let mut bytes = Vec::with_capacity(8 + payload.len());
    bytes.extend(kind);
    bytes.extend(length.to_le_bytes());
    bytes.extend_from_slice(payload);
    let crc = crc32(&bytes).to_le_bytes();
    out.write_all(&kind)?;
    out.write_all(&length.to_le_bytes())?;
    out.write_all(&crc)?;
    out.write_all(payload)
}

/// Reads a dump; what is damaged is said in [`Dump::damage`] and the rest is there.
///
/// # Errors
/// It is no dump, one of a newer format, or its head cannot be read: nothing in it can be named then.
pub fn read(bytes: &[u8]) -> Result<Dump, String> {
    let Some((preamble, mut rest)) = bytes.split_at_checked(PREAMBLE_BYTES) else {
        return Err(format!(
            "expected a flight-recorder dump, found a file of {} bytes",
            bytes.len()
        ));
    };
    preamble_of(preamble)?;
    let mut dump = Dump::default();
    let (mut head, mut done) = (None, None);
    let mut at = PREAMBLE_BYTES;
    while !rest.is_empty() {
        let Some((kind, payload, is_right, after)) = next_block(rest) else {
            dump.damage.push(format!("cut off in a block that begins at byte {at}"));
            break;
        };
        if is_right {
            match kind {
                b"HEAD" => head = serde_json::from_slice(payload).ok(),
                b"CYCL" => dump.cycles.extend(fixed(payload).map(CycleStamps::from_bytes)),
                b"MARK" => dump.marks.extend(fixed(payload).map(Mark::from_bytes)),
                b"DONE" => done = payload.first_chunk().map(|count| u64::from_le_bytes(*count)),
                _ => {}
            }
        } else {
            dump.damage.push(format!(
                "checksum of the block of {} bytes at byte {at} is wrong: it was left out",
                payload.len()
            ));
        }
        at += rest.len() - after.len();
        rest = after;
    }
    dump.head = head.ok_or_else(|| {
        format!("its head, which names the machine and the trigger, is damaged ({at} bytes read)")
    })?;
    let found = u64::try_from(dump.cycles.len()).unwrap_or(u64::MAX);
    match done {
        Some(cycles) if cycles == found => {}
        Some(cycles) => dump.damage.push(format!("{found} of {cycles} cycles could be read")),
        None => dump.damage.push(format!("its end is missing; {found} cycles could be read")),
    }
    Ok(dump)
}

fn preamble_of(preamble: &[u8]) -> Result<(), String> {
    let Some(sizes) = preamble.strip_prefix(MAGIC) else {
        return Err("expected a flight-recorder dump (it begins with TACTFR), found something \
                    else; recordings (.mcap) open in Foxglove or PlotJuggler"
            .into());
    };
    let sizes: Vec<u16> = sizes.as_chunks::<2>().0.iter().map(|s| u16::from_le_bytes(*s)).collect();
    match sizes[..] {
        [VERSION, cycle, mark, _]
            if usize::from(cycle) == RECORD_BYTES && usize::from(mark) == MARK_BYTES =>
        {
            Ok(())
        }
        [version, cycle, mark, _] => Err(format!(
            "expected format {VERSION} with {RECORD_BYTES} and {MARK_BYTES} bytes, found format \
             {version} with {cycle} and {mark}; read it with the tactus that wrote it"
        )),
        _ => Err("its preamble is cut off".into()),
    }
}

type Block<'a> = (&'a [u8], &'a [u8], bool, &'a [u8]);

/// Kind, payload, whether the checksum is right, and what follows; `None`: it is not all there.
fn next_block(bytes: &[u8]) -> Option<Block<'_>> {
    let (head, rest) = bytes.split_at_checked(BLOCK_HEAD_BYTES)?;
    let (kind, numbers) = head.split_at_checked(4)?;
    let (length, crc) = numbers.split_at_checked(4)?;
    let payload_length =
        usize::try_from(u32::from_le_bytes(length.try_into().ok()?)).unwrap_or(usize::MAX);
    let (payload, after) = rest.split_at_checked(payload_length)?;
    let whole = [kind, length, payload].concat();
    Some((kind, payload, crc32(&whole).to_le_bytes() == *crc, after))
}

fn fixed<const N: usize>(payload: &[u8]) -> impl Iterator<Item = &[u8; N]> {
    payload.as_chunks::<N>().0.iter()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flight::testing::frozen;

    fn dump() -> Vec<u8> {
        let head = Head { machine: "cell".into(), period_ns: 1_000_000, ..Head::default() };
        let mut bytes = Vec::new();
        write(&head, &frozen(2500), &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn what_is_written_is_read() {
        let read = read(&dump()).unwrap();
        let ring = frozen(2500);
        assert_eq!(read.head.machine, "cell");
        assert_eq!(read.cycles, ring.cycles().copied().collect::<Vec<_>>());
        assert_eq!(read.marks, ring.marks().copied().collect::<Vec<_>>());
        assert!(read.damage.is_empty() && read.cycles.len() == 2500 && !read.marks.is_empty());
    }

    #[test]
    fn a_file_that_is_cut_anywhere_says_so_and_gives_what_is_whole() {
        let bytes = dump();
        let mut most = 0;
        for length in (0..bytes.len()).step_by(97) {
            match read(&bytes[..length]) {
                Ok(dump) => {
                    assert!(!dump.damage.is_empty(), "{length} bytes pass for a whole file");
                    most = most.max(dump.cycles.len());
                }
                Err(wrong) => assert!(length < 400, "{length}: {wrong}"),
            }
        }
        assert!(most >= 2048, "the blocks before the cut are there");
    }

    #[test]
    fn a_byte_that_is_wrong_anywhere_is_found_and_costs_its_block_at_most() {
        let bytes = dump();
        for at in (0..bytes.len()).step_by(61) {
            let mut wrong = bytes.clone();
            wrong[at] ^= 0x10;
            if (14..16).contains(&at) {
                continue;
            }
            match read(&wrong) {
                Ok(dump) => {
                    assert!(!dump.damage.is_empty(), "byte {at} was changed unnoticed");
                    // A wrong length makes what follows unreadable, a wrong payload does not.
                    assert!(dump.cycles.len() % 1024 == 0 || dump.cycles.len() % 1024 == 452);
                }
                Err(_) => assert!(at < 400, "byte {at} made the file unreadable"),
            }
        }
    }

    #[test]
    fn something_else_and_a_newer_format_are_refused_in_words() {
        assert!(read(b"").unwrap_err().contains("0 bytes"));
        assert!(read(&[b'{'; 100]).unwrap_err().contains("TACTFR"));
        let mut newer = dump();
        newer[8] = 2;
        assert!(read(&newer).unwrap_err().contains("format 2"));
    }
}
