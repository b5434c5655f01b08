//! The kernel's account of one thread, read from beside it.
//!
//! `getrusage(RUSAGE_THREAD)` tells the same and is a system call of the thread itself: within the
//! cycle it would be one more on the list. /proc/self/task/TID is read by the supervisor instead,
//! which costs the thread nothing: `stat` takes the signal lock of the process for a moment,
//! `status` and `schedstat` only read counters, and the cycle takes none of these locks. Source:
//! Linux, `fs/proc/array.c`, `fs/proc/base.c`.

use std::fs;
use std::io;

use super::Faults;

/// What a thread has been through since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Page faults and context switches.
    pub faults: Faults,
    /// Time on a CPU, ns.
    pub ran_ns: u64,
    /// Time that it was ready to run and did not, ns.
    pub waited_ns: u64,
}

impl Account {
    /// What was added after `earlier`.
    #[must_use]
    pub fn since(self, earlier: Account) -> Account {
        Account {
            faults: self.faults.since(earlier.faults),
            ran_ns: self.ran_ns.saturating_sub(earlier.ran_ns),
            waited_ns: self.waited_ns.saturating_sub(earlier.waited_ns),
        }
    }
}

/// Number by which the kernel knows the calling thread.
#[must_use]
pub fn thread_id() -> i32 {
    nix::unistd::gettid().as_raw()
}

/// Reads the account of a thread of this process. Allocates; not for the cycle.
///
/// # Errors
/// There is no such thread (any more), or /proc is not there.
pub fn account(thread: i32) -> io::Result<Account> {
    let read = |file| fs::read_to_string(format!("/proc/self/task/{thread}/{file}"));
    parse(&read("stat")?, &read("status")?, &read("schedstat")?)
        .ok_or_else(|| io::Error::other(format!("/proc/self/task/{thread} is not understood")))
}

/// Source: proc(5); in `stat`, minflt is field 10 and majflt field 12.
fn parse(stat: &str, status: &str, schedstat: &str) -> Option<Account> {
    // The name, field 2, may hold blanks and parentheses: what follows its end is field 3 on.
    let (_, fields) = stat.rsplit_once(')')?;
    let field =
        |number: usize| fields.split_whitespace().nth(number.checked_sub(3)?)?.parse::<u64>().ok();
    let line = |name: &str| {
        let value = status.lines().find_map(|line| line.strip_prefix(name))?;
        value.trim().parse::<u64>().ok()
    };
    let mut times = schedstat.split_whitespace().map(str::parse::<u64>);
    let faults = Faults {
        minor: field(10)?,
        major: field(12)?,
        voluntary_switches: line("voluntary_ctxt_switches:")?,
        involuntary_switches: line("nonvoluntary_ctxt_switches:")?,
    };
    Some(Account { faults, ran_ns: times.next()?.ok()?, waited_ns: times.next()?.ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::faults;

    #[test]
    fn it_says_what_the_thread_itself_is_told() {
        for _ in 0..3 {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        // Reading takes faults and switches of its own: the account lies between two of the thread's.
        let before = faults();
        let read = account(thread_id()).expect("it is alive").faults;
        let after = faults();
        for (low, read, high) in [
            (before.minor, read.minor, after.minor),
            (before.major, read.major, after.major),
            (before.voluntary_switches, read.voluntary_switches, after.voluntary_switches),
            (before.involuntary_switches, read.involuntary_switches, after.involuntary_switches),
        ] {
            assert!(low <= read && read <= high, "{low} <= {read} <= {high}");
        }
        assert!(before.voluntary_switches >= 3);
    }

    #[test]
    fn names_with_blanks_and_parentheses_are_no_matter_and_nonsense_is_nothing() {
        let stat = "7 (a) b (c) S 1 2 3 4 5 6 10 11 12 13 14 15 16";
        let status = "Name:\tx\nvoluntary_ctxt_switches:\t5\nnonvoluntary_ctxt_switches:\t6\n";
        let account = parse(stat, status, "100 200 3\n").expect("whole");
        let expected =
            Faults { minor: 10, major: 12, voluntary_switches: 5, involuntary_switches: 6 };
        assert_eq!(account, Account { faults: expected, ran_ns: 100, waited_ns: 200 });
        assert_eq!(parse(stat, status, "100"), None);
        assert_eq!(parse(stat, "Name:\tx\n", "1 2 3"), None);
        assert_eq!(parse("7 (a) S 1", status, "1 2 3"), None);
    }

    #[test]
    fn a_thread_that_is_not_there_is_an_error() {
        assert!(account(-1).is_err());
    }
}
