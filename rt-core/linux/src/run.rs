//! The cycle on the machine: an [`Armed`] thread runs it, watched by the guards. Without admission there is no cycle: it needs a clock
//! that sleeps, and only [`Armed::clock`] makes one.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rt_core::Bus;
use rt_core::cycle::{Cycle, Ports};
use rt_core::program::Program;

use crate::admission::Armed;
use crate::clock::{self, LoopClock, Monotonic};
use crate::guard::filter::{Filter, NoFilter};
use crate::guard::perf::{Counter, NotCounted, SystemCalls};
use crate::guard::{Counts, Faults, faults, thread_counts};

/// What watches the system calls of the cycle. What costs nothing watches always.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WatchCalls {
    /// Nobody.
    #[default]
    No,
    /// They are counted where that is permitted.
    Count,
    /// The first undeclared one ends the run.
    Trap,
}

/// A watch, ready.
#[derive(Debug)]
pub enum Watch {
    /// Nobody watches.
    No,
    /// Counted, or why not.
    Count(Result<Counter, NotCounted>),
    /// Trapped.
    Trap(Filter),
}

/// How the cycles went for the thread, from the first to the last.
#[derive(Debug)]
pub struct Ran {
    /// What it asked of the allocator.
    pub counts: Counts,
    /// What the kernel had done to it before.
    pub faults_before: Faults,
    /// What the kernel did to it; `None` behind a filter, where the thread cannot ask any more: the
    /// supervisor [can](crate::guard::account()).
    pub faults: Option<Faults>,
    /// Its system calls; `None`: nobody counted.
    pub system_calls: Option<io::Result<SystemCalls>>,
}

impl Armed {
    /// The clock of this thread's cycle. `spin_tail`, ns: see [`Monotonic::new`].
    #[must_use]
    pub fn clock(&self, spin_tail: u64) -> LoopClock {
        LoopClock::new(spin_tail)
    }

    /// Prepares the watch of this thread's system calls.
    ///
    /// # Errors
    /// A filter was asked for and cannot be had. Counting that is not permitted is no error.
    pub fn watch(&self, calls: WatchCalls) -> Result<Watch, NoFilter> {
        Ok(match calls {
            WatchCalls::No => Watch::No,
            WatchCalls::Count => Watch::Count(Counter::new()),
            WatchCalls::Trap => Watch::Trap(Filter::new()?),
        })
    }

    /// Runs the cycle to its controlled end, or until somebody says `leave`. Behind a filter the
    /// thread can then only hand over what it has and [`rest`](Armed::rest).
    ///
    /// # Errors
    /// The filter cannot be installed; no cycle ran.
    pub fn run<B: Bus, P: Program, O: Ports>(
        &self,
        cycle: &mut Cycle<B, LoopClock, P, O>,
        watch: &Watch,
        leave: &AtomicBool,
    ) -> Result<Ran, NoFilter> {
        let (counts, faults_before) = (thread_counts(), faults());
        match watch {
            Watch::No | Watch::Count(Err(_)) => {}
            Watch::Count(Ok(counter)) => counter.start(),
            Watch::Trap(filter) => filter.install()?,
        }
        while cycle.run_one() && !leave.load(Ordering::Relaxed) {}
        let system_calls = match watch {
            Watch::Count(Ok(counter)) => Some(counter.stop()),
            Watch::No | Watch::Count(Err(_)) | Watch::Trap(_) => None,
        };
        let faults = match watch {
            Watch::Trap(_) => None,
            Watch::No | Watch::Count(_) => Some(faults().since(faults_before)),
        };
        let counts = thread_counts().since(counts);
        Ok(Ran { counts, faults_before, faults, system_calls })
    }

    /// Sleeps until the process ends: all that a thread behind a filter may still do.
    pub fn rest(self) -> ! {
        let mut clock = Monotonic::new(0);
        loop {
            let long = Duration::from_secs(3600).as_nanos();
            let long = u64::try_from(long).unwrap_or(u64::MAX);
            let _ = clock.sleep_until(clock::now().saturating_add(long));
        }
    }
}
