//! The system calls of the cycle: one table, which the filter holds the thread to and the counter
//! counts by. A link that needs another call adds a row here.

/// A system call that the cycle may make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Declared {
    /// Its name.
    pub name: &'static str,
    /// Its number on this architecture.
    pub number: libc::c_long,
    /// What for, and how often a cycle.
    pub why: &'static str,
}

/// All of them.
pub const DECLARED: [Declared; 7] = [
    Declared {
        name: "clock_nanosleep",
        number: libc::SYS_clock_nanosleep,
        why: "the sleep to the next wake-up: one, none if it has passed",
    },
    Declared {
        name: "sendto",
        number: libc::SYS_sendto,
        why: "the frame of the cycle, if it is one; one for a frame with mailbox traffic",
    },
    Declared {
        name: "sendmmsg",
        number: libc::SYS_sendmmsg,
        why: "all frames of the cycle, if there are more",
    },
    Declared { name: "ppoll", number: libc::SYS_ppoll, why: "one for each wait for a frame" },
    Declared {
        name: "recvfrom",
        number: libc::SYS_recvfrom,
        why: "one for each frame taken, one that finds none; without frames on an interface with a ring",
    },
    Declared {
        name: "clock_gettime",
        number: libc::SYS_clock_gettime,
        why: "none, but where the clock source has no vDSO (then several)",
    },
    Declared {
        name: "rt_sigreturn",
        number: libc::SYS_rt_sigreturn,
        why: "none: the end of a signal's handler",
    },
];

macro_rules! known {
    ($($name:literal $number:ident),* $(,)?) => {
        /// Calls that code in a cycle might make by mistake, for messages.
        const KNOWN: &[(&str, libc::c_long)] = &[$(($name, libc::$number)),*];
    };
}

known! {
    "read" SYS_read, "write" SYS_write, "close" SYS_close, "fstat" SYS_fstat, "lseek" SYS_lseek,
    "mmap" SYS_mmap, "mprotect" SYS_mprotect, "munmap" SYS_munmap, "brk" SYS_brk,
    "mremap" SYS_mremap, "madvise" SYS_madvise, "rt_sigaction" SYS_rt_sigaction,
    "rt_sigprocmask" SYS_rt_sigprocmask, "ioctl" SYS_ioctl, "pread64" SYS_pread64,
    "pwrite64" SYS_pwrite64, "readv" SYS_readv, "writev" SYS_writev, "sched_yield" SYS_sched_yield,
    "nanosleep" SYS_nanosleep, "getpid" SYS_getpid, "gettid" SYS_gettid, "socket" SYS_socket,
    "connect" SYS_connect, "sendmsg" SYS_sendmsg, "recvmsg" SYS_recvmsg,
    "recvmmsg" SYS_recvmmsg, "clone" SYS_clone, "clone3" SYS_clone3, "execve" SYS_execve,
    "exit" SYS_exit, "exit_group" SYS_exit_group, "kill" SYS_kill, "tgkill" SYS_tgkill,
    "fcntl" SYS_fcntl, "fsync" SYS_fsync, "fdatasync" SYS_fdatasync, "openat" SYS_openat,
    "newfstatat" SYS_newfstatat, "unlinkat" SYS_unlinkat, "futex" SYS_futex,
    "sched_setaffinity" SYS_sched_setaffinity, "sched_getaffinity" SYS_sched_getaffinity,
    "sched_setscheduler" SYS_sched_setscheduler, "getrusage" SYS_getrusage, "prctl" SYS_prctl,
    "getrandom" SYS_getrandom, "epoll_pwait" SYS_epoll_pwait, "sigaltstack" SYS_sigaltstack,
    "setsockopt" SYS_setsockopt, "getsockopt" SYS_getsockopt, "timerfd_settime" SYS_timerfd_settime,
    "eventfd2" SYS_eventfd2, "pselect6" SYS_pselect6, "statx" SYS_statx, "membarrier" SYS_membarrier,
}

/// What a system call is called; `None`: its number is all that is known here.
#[must_use]
pub fn name(number: libc::c_long) -> Option<&'static str> {
    let declared = DECLARED.iter().map(|call| (call.name, call.number));
    declared.chain(KNOWN.iter().copied()).find(|(_, n)| *n == number).map(|(name, _)| name)
}

/// The names of the table, for people.
#[must_use]
pub fn declared_names() -> String {
    DECLARED.map(|call| call.name).join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_call_is_declared_twice_and_each_has_its_reason() {
        for (index, call) in DECLARED.iter().enumerate() {
            assert!(!call.why.is_empty());
            assert!(DECLARED.iter().skip(index + 1).all(|other| other.number != call.number));
            assert_eq!(name(call.number), Some(call.name));
        }
    }

    #[test]
    fn what_a_mistake_would_call_has_a_name_and_is_not_declared() {
        for expected in ["write", "futex", "mmap", "brk", "getpid", "openat"] {
            let number = KNOWN.iter().find(|(name, _)| *name == expected).expect("known").1;
            assert_eq!(name(number), Some(expected));
            assert!(!declared_names().split(", ").any(|name| name == expected));
        }
        assert_eq!(name(99_999), None);
    }
}
