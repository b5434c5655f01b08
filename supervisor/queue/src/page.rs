//! The last sequence given in each lane, in a file that a killed process leaves behind as it was.
//!
//! It is written, not synchronised: the kernel keeps it when the process is killed. After a power cut it may be older than the store,
//! which then is right: what was made and not committed is forgotten together with its sequence, and nobody has seen it.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use crate::store::LaneId;

/// Lanes that fit: 8 sinks, 3 classes, and as many again for sinks that were renamed.
pub const LANES_MAX: u16 = 64;
const MAGIC: &[u8; 8] = b"tactusP1";
const HEAD: u64 = 24;

/// The file.
#[derive(Debug)]
pub struct Page {
    file: File,
}

impl Page {
    /// Opens the page of this queue; another queue's is begun anew.
    ///
    /// # Errors
    /// What the file system said.
    pub fn open(path: &Path, queue: [u8; 16]) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let file =
            options.read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        let mut head = [0; 24];
        let mut right = [0; 24];
        right[..8].copy_from_slice(MAGIC);
        right[8..].copy_from_slice(&queue);
        let size = HEAD + u64::from(LANES_MAX) * 8;
        let known = file.metadata()?.len() == size;
        if known {
            file.read_exact_at(&mut head, 0)?;
        }
        if head != right {
            file.set_len(0)?;
            file.write_all_at(&right, 0)?;
            file.set_len(size)?;
            // There from now on: writing to it later needs no space.
            file.write_all_at(&vec![0; usize::from(LANES_MAX) * 8], HEAD)?;
            file.sync_all()?;
        }
        Ok(Self { file })
    }

    /// The last sequence given in a lane; 0: none.
    ///
    /// # Errors
    /// What the file system said.
    pub fn get(&self, lane: LaneId) -> io::Result<u64> {
        let mut bytes = [0; 8];
        self.file.read_exact_at(&mut bytes, place(lane)?)?;
        Ok(u64::from_le_bytes(bytes))
    }

    /// This sequence is given now.
    ///
    /// # Errors
    /// What the file system said.
    pub fn set(&self, lane: LaneId, sequence: u64) -> io::Result<()> {
        self.file.write_all_at(&sequence.to_le_bytes(), place(lane)?)
    }
}

fn place(lane: LaneId) -> io::Result<u64> {
    if lane.0 >= LANES_MAX {
        return Err(io::Error::other("more lanes than the page has places"));
    }
    Ok(HEAD + u64::from(lane.0) * 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_remembers_over_a_restart_and_knows_its_queue() {
        let path = std::env::temp_dir().join(format!("tactus-page-{}", std::process::id()));
        let page = Page::open(&path, [1; 16]).unwrap();
        page.set(LaneId(0), 7).unwrap();
        page.set(LaneId(63), u64::MAX).unwrap();
        assert!(page.set(LaneId(64), 1).is_err());
        drop(page);
        let again = Page::open(&path, [1; 16]).unwrap();
        assert_eq!((again.get(LaneId(0)).unwrap(), again.get(LaneId(1)).unwrap()), (7, 0));
        assert_eq!(again.get(LaneId(63)).unwrap(), u64::MAX);
        let other = Page::open(&path, [2; 16]).unwrap();
        assert_eq!(other.get(LaneId(0)).unwrap(), 0);
        std::fs::remove_file(path).unwrap();
    }
}
