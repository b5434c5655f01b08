//! System calls of a thread, counted by the kernel: perf events on the tracepoint
//! `raw_syscalls:sys_enter`, one for all calls and one for each that is [declared](DECLARED).
//!
//! It needs a right (CAP_PERFMON, or root) and tracefs; where either is missing the counts are
//! unknown, which is not 0. While such an event is open, *every* thread of the machine takes the
//! traced way into the kernel, which costs each system call a little: so it is switched on for
//! commissioning and tests, and closed with the run.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use nix::errno::Errno;

use super::calls::DECLARED;

/// Where tracefs may be.
const TRACEFS: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];

/// Why system calls are not counted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotCounted {
    /// The tracepoint has no number that can be read.
    #[error("tracefs is not readable ({0}); mount -t tracefs tracefs /sys/kernel/tracing, as root")]
    Tracefs(String),
    /// No right.
    #[error(
        "perf events on system calls are refused ({errno}); setcap cap_perfmon+ep PROGRAM, or run \
         as root; a container must not forbid perf_event_open"
    )]
    Refused {
        /// What the kernel said.
        errno: Errno,
    },
}

/// System calls of one thread.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SystemCalls {
    /// Of each declared call, in the order of [`DECLARED`].
    pub declared: [u64; DECLARED.len()],
    /// All others.
    pub undeclared: u64,
}

/// Counts the system calls of the thread that made it.
#[derive(Debug)]
pub struct Counter {
    /// Counts all; the others follow it.
    leader: OwnedFd,
    declared: Vec<OwnedFd>,
}

// Source: Linux, include/uapi/linux/perf_event.h.
const TRACEPOINT: u32 = 2;
const ATTRIBUTE_BYTES: u32 = 64;
const FLAG_DISABLED: u64 = 1;
const CLOSE_ON_EXEC: libc::c_ulong = 8;
const IOC_ENABLE: libc::c_ulong = 0x2400;
const IOC_DISABLE: libc::c_ulong = 0x2401;
const IOC_SET_FILTER: libc::c_ulong = 0x4008_2406;
const WHOLE_GROUP: libc::c_ulong = 1;

/// `struct perf_event_attr`, first version.
#[repr(C)]
#[derive(Default)]
struct Attribute {
    kind: u32,
    size: u32,
    config: u64,
    sample_period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup_events: u32,
    breakpoint_type: u32,
    config1: u64,
}

impl Counter {
    /// For the calling thread; counts nothing yet. Allocates.
    ///
    /// # Errors
    /// Not permitted here, with what would permit it.
    pub fn new() -> Result<Counter, NotCounted> {
        let tracepoint = tracepoint()?;
        let refused = |errno| NotCounted::Refused { errno };
        let leader = open(tracepoint, FLAG_DISABLED, -1).map_err(refused)?;
        let mut declared = Vec::with_capacity(DECLARED.len());
        for call in DECLARED {
            let event = open(tracepoint, 0, leader.as_raw_fd()).map_err(refused)?;
            // A number as text holds no zero byte.
            let filter = CString::new(format!("id == {}", call.number)).unwrap_or_default();
            // SAFETY: the text lives through the call, which copies it.
            let result = unsafe { libc::ioctl(event.as_raw_fd(), IOC_SET_FILTER, filter.as_ptr()) };
            Errno::result(result).map_err(refused)?;
            declared.push(event);
        }
        Ok(Counter { leader, declared })
    }

    /// Counts from here on.
    pub fn start(&self) {
        self.switch(IOC_ENABLE);
    }

    /// Counts no more, and says what it was. Allocates nothing.
    ///
    /// # Errors
    /// The kernel does not tell.
    pub fn stop(&self) -> io::Result<SystemCalls> {
        self.switch(IOC_DISABLE);
        let mut calls = SystemCalls::default();
        let mut known = 0_u64;
        for (count, event) in calls.declared.iter_mut().zip(&self.declared) {
            *count = read(event)?;
            known = known.saturating_add(*count);
        }
        // One is the call by which counting stopped; that by which it started came before.
        calls.undeclared = read(&self.leader)?.saturating_sub(known).saturating_sub(1);
        Ok(calls)
    }

    fn switch(&self, how: libc::c_ulong) {
        // SAFETY: takes integers. An event of ours that is open can be switched: nothing to handle.
        unsafe { libc::ioctl(self.leader.as_raw_fd(), how, WHOLE_GROUP) };
    }
}

fn tracepoint() -> Result<u64, NotCounted> {
    let mut said = String::new();
    for place in TRACEFS {
        match fs::read_to_string(format!("{place}/events/raw_syscalls/sys_enter/id")) {
            Ok(text) => {
                if let Ok(number) = text.trim().parse() {
                    return Ok(number);
                }
            }
            Err(error) => said = error.to_string(),
        }
    }
    Err(NotCounted::Tracefs(said))
}

fn open(tracepoint: u64, flags: u64, group: i32) -> Result<OwnedFd, Errno> {
    let attribute = Attribute {
        kind: TRACEPOINT,
        size: ATTRIBUTE_BYTES,
        config: tracepoint,
        flags,
        ..Attribute::default()
    };
    let (this_thread, any_cpu) = (0_i32, -1_i32);
    // SAFETY: `attribute` is a whole perf_event_attr of the size it names and lives through the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_perf_event_open,
            &raw const attribute,
            this_thread,
            any_cpu,
            group,
            CLOSE_ON_EXEC,
        )
    };
    let descriptor = i32::try_from(Errno::result(result)?).map_err(|_| Errno::EBADF)?;
    // SAFETY: the kernel has just opened it for us; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

fn read(event: &OwnedFd) -> io::Result<u64> {
    let mut count = [0; 8];
    let file = event.as_raw_fd();
    // SAFETY: `count` has room for the 8 bytes asked for and lives through the call.
    let read = unsafe { libc::read(file, count.as_mut_ptr().cast(), count.len()) };
    if read == 8 { Ok(u64::from_ne_bytes(count)) } else { Err(io::Error::last_os_error()) }
}

const _: () = assert!(size_of::<Attribute>() == 64);
