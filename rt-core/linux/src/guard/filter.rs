//! System calls of the cycle, held to [`DECLARED`]: a seccomp filter of the calling thread alone.
//! Any other call never happens; the thread ends where it stands and [`broken`] says which it was.
//!
//! A filter stays for the thread's life: after its last cycle the thread can do nothing but sleep.
//! So it is for tests and for a look at the machine, not for production. Install it before the
//! first cycle: the kernel may interrupt other CPUs while it does.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

use super::calls::DECLARED;
use crate::broken;

/// Why there is no filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "system calls cannot be filtered: {0}; the kernel needs CONFIG_SECCOMP_FILTER and a container \
     must not forbid it; without the filter: `--guards count`"
)]
pub struct NoFilter(String);

/// A filter, ready to be installed.
#[derive(Clone, Debug)]
pub struct Filter(BpfProgram);

impl Filter {
    /// Makes it, and the handler that tells what was trapped. Allocates.
    ///
    /// # Errors
    /// Not an architecture for which filters can be made; no handler.
    pub fn new() -> Result<Filter, NoFilter> {
        let said = |error: &dyn std::fmt::Display| NoFilter(error.to_string());
        let last_words = broken::watch().map_err(|error| said(&error))?;
        let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(|error| said(&error))?;
        let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
            DECLARED.iter().map(|call| (call.number, Vec::new())).collect();
        // The handler's own: a line to a copy of the standard error that nobody else knows, and the end.
        for (number, argument) in
            [(libc::SYS_write, last_words.descriptor), (libc::SYS_exit_group, last_words.exit_code)]
        {
            let only = u64::try_from(argument).map_err(|error| said(&error))?;
            let rule = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, only)
                .and_then(|condition| SeccompRule::new(vec![condition]))
                .map_err(|error| said(&error))?;
            rules.insert(number, vec![rule]);
        }
        let filter = SeccompFilter::new(rules, SeccompAction::Trap, SeccompAction::Allow, arch)
            .and_then(BpfProgram::try_from)
            .map_err(|error| said(&error))?;
        Ok(Filter(filter))
    }

    /// Holds the calling thread to it, for good. It can gain no privileges afterwards (that is what
    /// lets anyone install a filter).
    ///
    /// # Errors
    /// The kernel refused.
    pub fn install(&self) -> Result<(), NoFilter> {
        broken::this_thread_is_watched();
        seccompiler::apply_filter(&self.0).map_err(|error| NoFilter(error.to_string()))
    }
}
