//! Counters in memory that outlives the process: a page of a file in memory (tmpfs), shared with whoever comes after a kill.
//!
//! A file on a disk would not do: while the kernel writes such a page back, a store to it faults, and may wait for the disk.

use std::fs::{File, OpenOptions};
use std::io;
use std::num::NonZeroUsize;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::atomic::AtomicU64;

use nix::sys::mman::{MapFlags, ProtFlags, mmap};
use nix::sys::statfs::{TMPFS_MAGIC, fstatfs};

/// Counters in a page.
pub const WORDS: usize = 8;
/// Of the file; less than a page of any machine.
const BYTES: NonZeroUsize = NonZeroUsize::MIN.saturating_add(WORDS * 8 - 1);

/// Counters that outlive the process. The memory is there until the process ends.
#[derive(Clone, Copy, Debug)]
pub struct Page([&'static AtomicU64; WORDS]);

impl Page {
    /// Opens the page, or makes it with zeros. Only this user may read it.
    ///
    /// # Errors
    /// The file is not in memory, or what the system said.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let file =
            options.read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        if fstatfs(&file)?.filesystem_type() != TMPFS_MAGIC {
            return Err(io::Error::other("it is not a file in memory (tmpfs)"));
        }
        let long = u64::try_from(BYTES.get()).map_err(io::Error::other)?;
        if file.metadata()?.len() != long {
            file.set_len(0)?;
            file.set_len(long)?;
        }
        Self::map(&file)
    }

    fn map(file: &File) -> io::Result<Self> {
        let (may, how) = (ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, MapFlags::MAP_SHARED);
        let how = how | MapFlags::MAP_POPULATE;
        // SAFETY: a new mapping at an address that the kernel chooses; nobody else in this process knows it, and it is never
        // unmapped. The file is ours alone (mode 0600) and is not made shorter while it lives.
        let start = unsafe { mmap(None, BYTES, may, how, file, 0) }?;
        let start = start.cast::<u64>().as_ptr();
        Ok(Self(std::array::from_fn(|place| {
            let word = start.wrapping_add(place);
            // SAFETY: within the mapping (`WORDS` words), aligned (a page begins there), valid for the life of the process,
            // and reached through atomics only.
            unsafe { AtomicU64::from_ptr(word) }
        })))
    }

    /// The counters.
    #[must_use]
    pub fn words(&self) -> &[&'static AtomicU64; WORDS] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::Ordering;

    #[test]
    fn what_was_counted_is_there_for_who_opens_the_page_again_and_a_disk_is_refused() {
        let path = format!("/dev/shm/tactus-page-test-{}", std::process::id());
        let path = Path::new(&path);
        let page = Page::open(path).expect("/dev/shm is in memory");
        let [first, .., last] = page.words();
        first.store(7, Ordering::Relaxed);
        last.store(u64::MAX, Ordering::Relaxed);
        let again = Page::open(path).expect("it is there");
        let found: Vec<u64> = again.words().iter().map(|it| it.load(Ordering::Relaxed)).collect();
        std::fs::remove_file(path).expect("it was there");
        assert_eq!(found, [7, 0, 0, 0, 0, 0, 0, u64::MAX]);
        assert!(Page::open(Path::new("/proc/tactus")).is_err());
    }
}
