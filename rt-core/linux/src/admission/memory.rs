//! Memory that stays: the allocator keeps what it has, and the kernel pages nothing out.

use nix::errno::Errno;
use nix::sys::mman::{MlockAllFlags, mlockall};
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit, setrlimit};

use super::{Asked, Cause};
use crate::guard;

/// Limit that suffices without CAP_IPC_LOCK: four times what the process may have resident (64
/// MiB), as mapped address space counts.
const LOCKABLE_BYTES_MIN: u64 = 256 * 1024 * 1024;

/// One arena for all threads, none of it given back, nothing mapped apart: the heap grows, and
/// pages once touched stay. Read back by what the C library does with a large block.
pub(super) fn allocator() -> Asked {
    Asked {
        name: "allocator",
        required: true,
        wanted: "one arena, no trimming, no separate mappings".to_owned(),
        found: set_allocator().and_then(|()| read_allocator()),
    }
}

/// Twice what the C library maps apart, and gives back, if it is left alone (128 KiB).
#[cfg(target_env = "gnu")]
const LARGE_BYTES: usize = 256 << 10;

/// A large block comes from the heap, and the heap keeps it when it is given back.
#[cfg(target_env = "gnu")]
fn read_allocator() -> Result<String, Cause> {
    let before = heap();
    let block = std::hint::black_box(Vec::<u8>::with_capacity(LARGE_BYTES));
    let held = heap();
    drop(block);
    let after = heap();
    if held.hblks > before.hblks || after.arena < held.arena {
        return Err(Cause::AllocatorNotTaken { held: held.arena, kept: after.arena });
    }
    Ok(format!("heap {} bytes, {} bytes mapped apart before", after.arena, after.hblkhd))
}

#[cfg(target_env = "gnu")]
fn heap() -> libc::mallinfo2 {
    // SAFETY: no arguments; the C library counts under its own lock.
    unsafe { libc::mallinfo2() }
}

#[cfg(not(target_env = "gnu"))]
fn read_allocator() -> Result<String, Cause> {
    Err(Cause::Allocator { option: "M_ARENA_MAX" })
}

#[cfg(target_env = "gnu")]
fn set_allocator() -> Result<(), Cause> {
    for (option, parameter, value) in [
        ("M_ARENA_MAX", libc::M_ARENA_MAX, 1),
        ("M_TRIM_THRESHOLD", libc::M_TRIM_THRESHOLD, -1),
        ("M_MMAP_MAX", libc::M_MMAP_MAX, 0),
    ] {
        // SAFETY: mallopt takes two integers, locks its state itself, and refuses what it does not
        // know.
        let taken = unsafe { libc::mallopt(parameter, value) };
        if taken != 1 {
            return Err(Cause::Allocator { option });
        }
    }
    Ok(())
}

#[cfg(not(target_env = "gnu"))]
fn set_allocator() -> Result<(), Cause> {
    Err(Cause::Allocator { option: "M_ARENA_MAX" })
}

/// Locks all memory, present and future.
pub(super) fn lock() -> Asked {
    Asked {
        name: "memory",
        required: true,
        wanted: "all memory locked, present and future".to_owned(),
        found: lock_all().and_then(|()| read_back()),
    }
}

/// With the right, whatever the limit; else if the limit suffices; else not at all. Locking under a
/// low limit would succeed now, and the next thread or mapping would fail.
fn lock_all() -> Result<(), Cause> {
    let failed = |errno| Cause::MemoryLock { errno };
    let (soft, hard) = getrlimit(Resource::RLIMIT_MEMLOCK).map_err(failed)?;
    // The kernel judges the right, also in a user namespace, where the capability sets promise too
    // much: with a limit of 0 only a holder of CAP_IPC_LOCK may lock.
    setrlimit(Resource::RLIMIT_MEMLOCK, 0, hard).map_err(failed)?;
    let by_right = mlockall(all());
    setrlimit(Resource::RLIMIT_MEMLOCK, soft, hard).map_err(failed)?;
    match by_right {
        Ok(()) => return Ok(()),
        Err(Errno::EPERM | Errno::ENOMEM) => {}
        Err(errno) => return Err(failed(errno)),
    }
    if hard != RLIM_INFINITY && hard < LOCKABLE_BYTES_MIN {
        return Err(Cause::MemoryLimit { limit: hard, needed: LOCKABLE_BYTES_MIN });
    }
    setrlimit(Resource::RLIMIT_MEMLOCK, hard, hard).map_err(failed)?;
    mlockall(all()).map_err(failed)
}

fn all() -> MlockAllFlags {
    MlockAllFlags::MCL_CURRENT | MlockAllFlags::MCL_FUTURE
}

fn read_back() -> Result<String, Cause> {
    let memory = guard::memory().unwrap_or_default();
    let guard::Memory { resident, locked } = memory;
    if memory.is_all_locked() {
        Ok(format!("{locked} bytes locked, {resident} resident"))
    } else {
        Err(Cause::MemoryNotLocked { locked, resident })
    }
}
