//! A ring of frames that the kernel fills in memory of ours (PACKET_RX_RING, TPACKET_V2; Linux `packet_mmap.rst`): a frame that is there
//! is taken without a system call.

use core::ptr::NonNull;
use core::sync::atomic::{AtomicU32, Ordering};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use super::FRAME_MAX;
use super::raw::set_option;

/// `enum tpacket_versions`.
const TPACKET_V2: libc::c_int = 1;
/// Places; more frames than a cycle sends, four times over.
pub(super) const PLACES: u32 = 128;
/// Bytes of a place: a header and the longest frame. A power of two, so that places fill blocks.
const PLACE_BYTES: u32 = 2048;
/// Bytes of a block: pages that lie together in the kernel.
const BLOCK_BYTES: u32 = 16_384;
/// `PLACES * PLACE_BYTES`, for the mapping.
const BYTES: usize = 128 * 2048;
const PLACE: usize = 2048;
/// In a place's header (`struct tpacket2_hdr`): length on the wire, bytes kept, where the frame begins.
const LENGTH_AT: usize = 4;
const KEPT_AT: usize = 8;
const FRAME_AT: usize = 12;

const _: () = assert!(BLOCK_BYTES.is_multiple_of(PLACE_BYTES));
const _: () = assert!((PLACES * PLACE_BYTES).is_multiple_of(BLOCK_BYTES));
// The frame begins at most 96 bytes in.
const _: () = assert!(PLACE >= 96 + FRAME_MAX);

/// See the module. Belongs to one socket and lives as long as that.
#[derive(Debug)]
pub(super) struct Ring {
    /// `BYTES` of memory that the kernel writes; which of both may use a place says its first word.
    memory: NonNull<u8>,
    /// The next place, below `PLACES`.
    next: usize,
}

// SAFETY: the mapping belongs to this value alone and to no thread.
#[expect(unsafe_code, reason = "a mapping may be used from any thread, by one at a time")]
unsafe impl Send for Ring {}

impl Ring {
    /// Asks the kernel for the ring of this socket, before it is bound.
    pub(super) fn of(fd: &OwnedFd) -> io::Result<Self> {
        set_option(fd, libc::SOL_PACKET, libc::PACKET_VERSION, &TPACKET_V2)?;
        let request = libc::tpacket_req {
            tp_block_size: BLOCK_BYTES,
            tp_block_nr: PLACES * PLACE_BYTES / BLOCK_BYTES,
            tp_frame_size: PLACE_BYTES,
            tp_frame_nr: PLACES,
        };
        set_option(fd, libc::SOL_PACKET, libc::PACKET_RX_RING, &request)?;
        Ok(Self { memory: map(fd)?, next: 0 })
    }

    /// Takes the next frame, if there is one. The length is the frame's own, even if it was cut.
    pub(super) fn take(&mut self, buffer: &mut [u8]) -> Option<usize> {
        let place = self.next * PLACE;
        if self.owner(place).load(Ordering::Acquire) & libc::TP_STATUS_USER == 0 {
            return None;
        }
        let length = usize::try_from(u32::from_ne_bytes(self.bytes(place + LENGTH_AT))).ok()?;
        let kept = usize::try_from(u32::from_ne_bytes(self.bytes(place + KEPT_AT))).ok()?;
        let from = usize::from(u16::from_ne_bytes(self.bytes(place + FRAME_AT)));
        let count = kept.min(buffer.len()).min(PLACE.saturating_sub(from));
        if let Some(room) = buffer.get_mut(..count) {
            self.copy(place + from, room);
        }
        self.owner(place).store(libc::TP_STATUS_KERNEL, Ordering::Release);
        self.next = if self.next + 1 < BYTES / PLACE { self.next + 1 } else { 0 };
        Some(length)
    }

    /// Whose the place that begins at `at` is: its first word.
    #[expect(unsafe_code, reason = "a word that the kernel shares")]
    fn owner(&self, at: usize) -> &AtomicU32 {
        // SAFETY: `at` is the start of a place, so within the mapping and aligned; kernel and we use the word only atomically.
        unsafe {
            AtomicU32::from_ptr(self.memory.as_ptr().wrapping_add(at.min(BYTES - PLACE)).cast())
        }
    }

    /// `N` bytes of a place that is ours.
    fn bytes<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut bytes = [0; N];
        self.copy(at, &mut bytes);
        bytes
    }

    /// Copies from a place that is ours; what is beyond the mapping stays as it is.
    #[expect(unsafe_code, reason = "memory that the kernel has written")]
    fn copy(&self, at: usize, to: &mut [u8]) {
        if at.saturating_add(to.len()) > BYTES {
            return;
        }
        let from = self.memory.as_ptr().wrapping_add(at);
        // SAFETY: both ranges are whole (checked above) and apart; the kernel does not write a place that is ours.
        unsafe { core::ptr::copy_nonoverlapping(from, to.as_mut_ptr(), to.len()) }
    }
}

#[expect(unsafe_code, reason = "the ring is shared by mapping it")]
fn map(fd: &OwnedFd) -> io::Result<NonNull<u8>> {
    let access = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_SHARED | libc::MAP_POPULATE;
    // SAFETY: a new mapping of the ring's size; nothing else is at the place that the kernel chooses.
    let memory =
        unsafe { libc::mmap(core::ptr::null_mut(), BYTES, access, flags, fd.as_raw_fd(), 0) };
    if memory == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    NonNull::new(memory.cast()).ok_or_else(|| io::Error::from(io::ErrorKind::OutOfMemory))
}

impl Drop for Ring {
    #[expect(unsafe_code, reason = "it was mapped")]
    fn drop(&mut self) {
        // SAFETY: the mapping is this one's, of this size, and nobody uses it any more.
        let _ = unsafe { libc::munmap(self.memory.as_ptr().cast(), BYTES) };
    }
}
