//! What must not happen in the cycle, and whether it did.

use std::fmt::Write as _;

use serde::Serialize;

/// Counts of the cyclic thread, from the first cycle to the last. `null` means unknown, never 0.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Guards {
    /// Blocks asked of the allocator.
    pub allocations: Option<u64>,
    /// Blocks given back.
    pub frees: Option<u64>,
    /// Page faults, with and without reading a disk.
    pub page_faults: Option<u64>,
    /// Context switches.
    pub switches: Option<Switches>,
    /// Windows of one second that were looked at from beside.
    pub windows: u64,
    /// The worst of each count over these windows; `null`: the run was too short for one.
    pub worst_window: Option<WorstWindow>,
    /// All memory was locked: a page fault is a violation.
    pub memory_locked: bool,
    /// The loop had an isolated CPU: an involuntary switch is a violation.
    pub isolated: bool,
    /// A filter let only declared system calls through (`--guards trap`).
    pub filtered: bool,
    /// System calls of the declared list, each with its count; `null`: not counted.
    pub system_calls: Option<Vec<CallCount>>,
    /// System calls beside the list; `null`: not counted.
    pub undeclared_system_calls: Option<u64>,
    /// Why system calls were not counted, and what would permit it.
    pub system_calls_unknown: Option<String>,
    /// What happened and must not, for people; empty: nothing that was looked for.
    pub violations: Vec<String>,
}

/// Context switches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Switches {
    /// The thread waited: for its wake-up, for a frame.
    pub voluntary: u64,
    /// Another thread took the CPU.
    pub involuntary: u64,
}

/// The worst of each count over windows of one second.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct WorstWindow {
    /// Page faults.
    pub page_faults: u64,
    /// Waits.
    pub voluntary_switches: u64,
    /// Times the CPU was taken.
    pub involuntary_switches: u64,
    /// Time that the thread was ready to run and did not, ns.
    pub waited_ns: u64,
}

/// How often a system call was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct CallCount {
    /// Its name.
    pub name: &'static str,
    /// How often.
    pub count: u64,
}

impl Guards {
    /// With its violations: what must be 0 under the conditions of this run and is not.
    #[must_use]
    pub fn judged(mut self) -> Self {
        let involuntary = self.switches.map(|switches| switches.involuntary);
        let rules = [
            (
                self.allocations,
                true,
                "allocations in the cycle: something in the program or a port asks for memory",
            ),
            (
                self.frees,
                true,
                "frees in the cycle: something in the program or a port gives memory back",
            ),
            (
                self.page_faults,
                self.memory_locked,
                "page faults in the cycle though all memory is locked",
            ),
            (
                involuntary,
                self.isolated,
                "times another thread took the loop's isolated CPU: see interrupts and kernel threads there",
            ),
            (
                self.undeclared_system_calls,
                true,
                "system calls that are not declared: `--guards trap` names the first",
            ),
        ];
        self.violations = rules
            .into_iter()
            .filter_map(|(count, applies, what)| match count {
                Some(count) if applies && count > 0 => Some(format!("{count} {what}")),
                Some(_) | None => None,
            })
            .collect();
        self
    }

    /// For people.
    pub(super) fn write(&self, out: &mut String) -> std::fmt::Result {
        let count = |value: Option<u64>| value.map_or("unknown".to_owned(), |v| v.to_string());
        let involuntary = self.switches.map(|switches| switches.involuntary);
        writeln!(
            out,
            "  in the cycle: allocations {}, frees {}, page faults {}, CPU taken {}",
            count(self.allocations),
            count(self.frees),
            count(self.page_faults),
            count(involuntary)
        )?;
        self.write_calls(out)?;
        if let Some(worst) = &self.worst_window {
            writeln!(
                out,
                "  worst second:  page faults {}, CPU taken {}, waited for it {}",
                worst.page_faults,
                worst.involuntary_switches,
                super::duration(worst.waited_ns)
            )?;
        }
        for violation in &self.violations {
            writeln!(out, "  GUARD: {violation}")?;
        }
        Ok(())
    }

    fn write_calls(&self, out: &mut String) -> std::fmt::Result {
        let Some(calls) = &self.system_calls else {
            return match &self.system_calls_unknown {
                Some(why) => writeln!(out, "  system calls:  {why}"),
                None => Ok(()),
            };
        };
        write!(out, "  system calls: ")?;
        for CallCount { name, count } in calls.iter().filter(|call| call.count > 0) {
            write!(out, " {name} {count},")?;
        }
        writeln!(out, " undeclared {}", self.undeclared_system_calls.unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quiet() -> Guards {
        Guards {
            allocations: Some(0),
            frees: Some(0),
            page_faults: Some(0),
            switches: Some(Switches { voluntary: 1000, involuntary: 0 }),
            memory_locked: true,
            isolated: true,
            undeclared_system_calls: Some(0),
            ..Guards::default()
        }
    }

    #[test]
    fn a_quiet_loop_violates_nothing_and_each_count_by_itself_does() {
        assert_eq!(quiet().judged().violations, Vec::<String>::new());
        let one = Some(1);
        let switches = Some(Switches { voluntary: 0, involuntary: 1 });
        for (guards, word) in [
            (Guards { allocations: one, ..quiet() }, "allocations"),
            (Guards { frees: one, ..quiet() }, "frees"),
            (Guards { page_faults: one, ..quiet() }, "page faults"),
            (Guards { switches, ..quiet() }, "took the loop's isolated CPU"),
            (Guards { undeclared_system_calls: one, ..quiet() }, "not declared"),
        ] {
            let violations = guards.judged().violations;
            assert!(
                matches!(violations.as_slice(), [only] if only.contains(word)),
                "{violations:?}"
            );
        }
    }

    #[test]
    fn what_this_machine_cannot_promise_is_reported_and_is_no_violation() {
        let switches = Some(Switches { voluntary: 0, involuntary: 5 });
        let shared = Guards {
            page_faults: Some(3),
            switches,
            memory_locked: false,
            isolated: false,
            ..quiet()
        };
        assert!(shared.judged().violations.is_empty());
    }

    #[test]
    fn unknown_is_not_nought() {
        let mut text = String::new();
        let unknown = Some("tracefs is not readable".to_owned());
        let guards = Guards { system_calls_unknown: unknown, ..Guards::default() };
        guards.judged().write(&mut text).expect("a string takes everything");
        assert!(
            text.contains("allocations unknown") && text.contains("CPU taken unknown"),
            "{text}"
        );
        assert!(text.contains("system calls:  tracefs is not readable"), "{text}");
        assert!(!text.contains(" 0"), "{text}");
    }
}
