//! The kernel's threads and how it schedules them.

use std::fmt;

use super::system::{Probe, Unread, Why};

const SCHED_FIFO: u32 = 1;
const SCHED_RR: u32 = 2;

/// A thread as /proc/PID/stat tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Thread {
    pub(super) path: String,
    pub(super) name: String,
    /// Linux, `include/uapi/linux/sched.h`.
    policy: u32,
    /// 1..=99 under SCHED_FIFO and SCHED_RR, else 0.
    pub(super) priority: u8,
}

impl Thread {
    pub(super) fn is_realtime(&self) -> bool {
        matches!(self.policy, SCHED_FIFO | SCHED_RR)
    }
}

impl fmt::Display for Thread {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.policy {
            0 => write!(to, "{} SCHED_OTHER", self.name),
            SCHED_FIFO => write!(to, "{} SCHED_FIFO {}", self.name, self.priority),
            SCHED_RR => write!(to, "{} SCHED_RR {}", self.name, self.priority),
            other => write!(to, "{} policy {other}", self.name),
        }
    }
}

/// Source: proc_pid_stat(5): the name stands in parentheses and may hold any; fields 40 and 41 are priority and policy.
fn parse(path: &str, stat: &str) -> Option<Thread> {
    let (head, rest) = stat.rsplit_once(')')?;
    let (_, name) = head.split_once('(')?;
    let mut fields = rest.split_whitespace().skip(37);
    let priority = fields.next()?.parse().ok()?;
    let policy = fields.next()?.parse().ok()?;
    Some(Thread { path: path.to_owned(), name: name.to_owned(), policy, priority })
}

/// All processes (a thread of the kernel is one); those that end meanwhile are left out. Where the kernel's own cannot be
/// seen (a container), that is an error: their absence would prove nothing.
pub(super) fn all(probe: &Probe) -> Result<Vec<Thread>, Unread> {
    let kernels = "/proc/2/stat";
    let kthreadd = parse(kernels, &probe.long_text(kernels)?);
    if kthreadd.is_none_or(|thread| thread.name != "kthreadd") {
        return Err(Unread::garbled(kernels, "kthreadd: the kernel's threads cannot be seen here"));
    }
    let is_number = |name: &String| name.bytes().all(|byte| byte.is_ascii_digit());
    let pids = probe.names("/proc")?.into_iter().filter(is_number);
    let mut threads = Vec::new();
    for pid in pids {
        let path = format!("/proc/{pid}/stat");
        let stat = match probe.quiet_text(&path) {
            Ok(stat) => stat,
            Err(unread) if matches!(unread.why, Why::Garbled { .. }) => return Err(unread),
            // It has ended, or it is not ours to see: then it is not a thread of the kernel.
            Err(_) => continue,
        };
        let garbled = || Unread::garbled(&path, "a line of proc_pid_stat(5)");
        threads.push(parse(&path, &stat).ok_or_else(garbled)?);
    }
    Ok(threads)
}

/// Those whose name begins with `prefix`, noted.
pub(super) fn named(probe: &Probe, prefix: &str) -> Result<Vec<Thread>, Unread> {
    let mut threads = all(probe)?;
    let count = threads.len();
    threads.retain(|thread| thread.name.starts_with(prefix));
    probe.note("/proc", &format!("{count} processes, {} called {prefix}…", threads.len()));
    for thread in &threads {
        probe.note(&thread.path, &thread.to_string());
    }
    Ok(threads)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_parentheses_and_blanks() {
        let stat = format!("7 (a) b (c)) S {} 85 1 0 0", "0 ".repeat(36));
        let thread = parse("/proc/7/stat", &stat).unwrap();
        assert_eq!(thread.to_string(), "a) b (c) SCHED_FIFO 85");
        assert!(thread.is_realtime());
        assert_eq!(parse("", "7 (x) S 1 2 3"), None);
        assert_eq!(parse("", ""), None);
    }

    #[test]
    fn this_process_is_found_as_it_is() {
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
        let thread = parse("/proc/self/stat", &stat).unwrap();
        assert!(!thread.is_realtime(), "{thread}");
    }
}
