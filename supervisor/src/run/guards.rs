//! The guards of a run as the supervisor sees them: what the loop's thread says of itself at the end, and what the kernel says of
//! it in each window of a second meanwhile, read beside it.

use rt_linux::admission::Outcome;
use rt_linux::guard::calls::DECLARED;
use rt_linux::guard::perf::SystemCalls;
use rt_linux::guard::{Account, Counts, Faults, account};

use crate::report::guards::{CallCount, Guards, Switches, WorstWindow};

/// Length of a window, ns.
const WINDOW_NS: u64 = 1_000_000_000;

/// Watches the loop's thread from beside.
#[derive(Clone, Debug, Default)]
pub(super) struct Beside {
    /// The thread, and when its present window began; `None` before its first cycle.
    thread: Option<(i32, u64)>,
    last: Account,
    windows: u64,
    worst: WorstWindow,
}

impl Beside {
    /// From now on, ns.
    pub(super) fn begin(&mut self, thread: i32, now: u64) {
        if let Ok(account) = account(thread) {
            self.last = account;
            self.thread = Some((thread, now));
        }
    }

    /// Closes the window if it is over.
    pub(super) fn look(&mut self, now: u64) {
        let Some((thread, since)) = self.thread else { return };
        if now.saturating_sub(since) < WINDOW_NS {
            return;
        }
        // A thread that has ended has no account: its last window stays open.
        let Ok(account) = account(thread) else { return };
        self.add(account.since(self.last));
        self.last = account;
        self.thread = Some((thread, now));
    }

    fn add(&mut self, window: Account) {
        let Faults { minor, major, voluntary_switches, involuntary_switches } = window.faults;
        let worst = &mut self.worst;
        worst.page_faults = worst.page_faults.max(minor.saturating_add(major));
        worst.voluntary_switches = worst.voluntary_switches.max(voluntary_switches);
        worst.involuntary_switches = worst.involuntary_switches.max(involuntary_switches);
        worst.waited_ns = worst.waited_ns.max(window.waited_ns);
        self.windows = self.windows.saturating_add(1);
    }

    /// What the kernel did to a thread that cannot ask any more, since `before`.
    pub(super) fn faults_since(&self, before: Faults) -> Option<Faults> {
        let (thread, _) = self.thread?;
        account(thread).ok().map(|account| account.faults.since(before))
    }
}

/// What became of the system calls.
#[derive(Debug)]
pub(super) enum Calls {
    /// Counted.
    Counted(SystemCalls),
    /// Not counted, and why.
    Unknown(String),
    /// Each was let through by the filter.
    Filtered,
}

/// All of it, for the report. `counts`: `None` where the process does not count.
pub(super) fn report(
    beside: &Beside,
    outcome: &Outcome,
    counts: Option<Counts>,
    faults: Option<Faults>,
    calls: &Calls,
) -> Guards {
    let granted = |step| outcome.step(step).is_some_and(|step| step.ok);
    let (filtered, counted, unknown) = match calls {
        Calls::Counted(calls) => (false, Some(calls), None),
        Calls::Unknown(why) => (false, None, Some(why.clone())),
        Calls::Filtered => (true, None, Some("held to the declared ones, not counted".into())),
    };
    let declared = counted.map(|calls| {
        let pairs = DECLARED.iter().zip(calls.declared);
        pairs.map(|(call, count)| CallCount { name: call.name, count }).collect()
    });
    Guards {
        allocations: counts.map(|counts| counts.allocations),
        frees: counts.map(|counts| counts.frees),
        page_faults: faults.map(|faults| faults.minor.saturating_add(faults.major)),
        switches: faults.map(|faults| Switches {
            voluntary: faults.voluntary_switches,
            involuntary: faults.involuntary_switches,
        }),
        windows: beside.windows,
        worst_window: (beside.windows > 0).then(|| beside.worst.clone()),
        memory_locked: granted("memory"),
        isolated: granted("isolation"),
        filtered,
        system_calls: declared,
        undeclared_system_calls: counted.map(|calls| calls.undeclared),
        system_calls_unknown: unknown,
        violations: Vec::new(),
    }
    .judged()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rt_linux::guard::thread_id;

    #[test]
    fn the_worst_window_is_the_worst_of_each_and_not_the_last() {
        let mut beside = Beside::default();
        for (minor, involuntary, waited_ns) in [(0, 3, 10), (7, 0, 99), (1, 1, 0)] {
            let faults = Faults { minor, involuntary_switches: involuntary, ..Faults::default() };
            beside.add(Account { faults, waited_ns, ..Account::default() });
        }
        let worst = (beside.worst.page_faults, beside.worst.involuntary_switches);
        assert_eq!((worst, beside.worst.waited_ns, beside.windows), ((7, 3), 99, 3));
    }

    #[test]
    fn a_window_is_a_second_and_planted_faults_and_waits_are_in_it() {
        // On a stack that nobody has used: the heap of these tests may hold memory that was touched, and be locked.
        nix::sys::mman::munlockall().expect("needs no right");
        let fresh = std::thread::Builder::new().stack_size(4 * PLANTED_BYTES);
        let watched = fresh.spawn(watch_a_window).expect("a thread");
        watched.join().expect("what was planted is found");
    }

    const PLANTED_BYTES: usize = 4 << 20;

    /// In a frame of its own: it is touched when it is entered.
    #[inline(never)]
    fn plant() {
        let mut planted = [0_u8; PLANTED_BYTES];
        planted.iter_mut().step_by(4096).for_each(|byte| *byte = 1);
        std::hint::black_box(&planted);
    }

    fn watch_a_window() {
        let mut beside = Beside::default();
        beside.look(5 * WINDOW_NS);
        assert_eq!(beside.windows, 0, "nothing has begun");
        beside.begin(thread_id(), 0);
        // given pages touched for the first time, and waits
        plant();
        for _ in 0..5 {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        beside.look(WINDOW_NS - 1);
        assert_eq!(beside.windows, 0);
        beside.look(WINDOW_NS);
        assert_eq!(beside.windows, 1);
        // Other tests of this process lock its memory at any time: then there are none to find (tests/guard_calls.rs has a process of its own).
        let is_locked = rt_linux::guard::locked_bytes().is_ok_and(|bytes| bytes > 0);
        let faults = beside.worst.page_faults;
        assert!(faults >= 2 || is_locked, "one per huge page at the least: {faults}");
        assert!(beside.worst.voluntary_switches >= 5);
        // and nothing of it counts twice
        beside.worst = WorstWindow::default();
        beside.look(2 * WINDOW_NS);
        assert!(beside.worst.voluntary_switches < 5);
    }
}
