//! Our loop without a bus: admission, sleep, schedule and histogram are those of `tactus run`.

use std::thread::JoinHandle;

use crossbeam::channel::{Receiver, Sender, bounded};
use rt_core::cycle::{Histogram, Schedule};
use rt_linux::admission::{self, Locked, Outcome};
use rt_linux::clock::{self, Monotonic};
use rt_linux::thread::spawn_realtime;

use super::distribution::Distribution;
use super::witness::Late;
use crate::exit::Error;

const STACK_BYTES: usize = 128 * 1024;
/// Later than this is an event of its own, ns.
pub(super) const LATE_NS: u64 = 500_000;
/// Events kept of a block.
const LATE_MAX: usize = 4096;

/// What a block is asked to do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Job {
    /// ns.
    pub(super) period_ns: u64,
    /// How many.
    pub(super) cycles: u64,
    /// Wakes so much earlier and waits it out awake, ns.
    pub(super) spin_ns: u64,
    /// A test of the test: each wake-up is taken so much later, ns.
    pub(super) inject_ns: u64,
}

/// What a block was.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) distribution: Distribution,
    /// Wake-ups later than [`LATE_NS`], the first [`LATE_MAX`].
    pub(super) late: Vec<Late>,
}

/// The loop's thread: waits for jobs, and does them.
#[derive(Debug)]
pub(super) struct Own {
    jobs: Option<Sender<Job>>,
    done: Receiver<Measured>,
    thread: Option<JoinHandle<()>>,
    /// What the kernel granted.
    pub(super) outcome: Outcome,
}

impl Own {
    /// Spawns and admits it; CPU and priority must be granted, the rest is said.
    pub(super) fn spawn(cpu: usize, priority: u8) -> Result<Self, Error> {
        let request =
            admission::Request { cpu: Some(cpu), priority: Some(priority), strict: false };
        let locked =
            admission::lock(&request).map_err(|wrong| Error::environment(wrong.to_string()))?;
        let (jobs, hear) = bounded::<Job>(1);
        let (tell, done) = bounded(1);
        let (admitted, outcome) = bounded(1);
        let thread = spawn_realtime("tactus-latency", STACK_BYTES, move || {
            let armed = locked.arm();
            let outcome = armed.as_ref().map(|armed| armed.outcome().clone());
            let _ = admitted.send(outcome.map_err(ToString::to_string));
            if armed.is_err() {
                return;
            }
            while let Ok(job) = hear.recv() {
                if tell.send(measure(&job)).is_err() {
                    return;
                }
            }
        })
        .map_err(|wrong| Error::environment(format!("the system refuses a thread: {wrong}")))?;
        let gone = || Error::environment("the measuring thread ended by itself".to_owned());
        let outcome = outcome.recv().map_err(|_| gone())?.map_err(Error::environment)?;
        let own = Self { jobs: Some(jobs), done, thread: Some(thread), outcome };
        needed(&own.outcome)?;
        Ok(own)
    }

    /// One block.
    pub(super) fn block(&self, job: &Job) -> Result<Measured, Error> {
        let broken = |_| {
            let what = rt_linux::broken::take();
            rt_linux::broken::settled();
            let why = what.map_or_else(|| "it ended by itself".to_owned(), |what| what.to_string());
            Error::environment(format!("the measuring thread was stopped: {why}"))
        };
        if let Some(jobs) = &self.jobs {
            let _ = jobs.send(*job);
        }
        let length = std::time::Duration::from_nanos(job.period_ns.saturating_mul(job.cycles));
        let longest = length.saturating_mul(3).saturating_add(std::time::Duration::from_secs(20));
        self.done.recv_timeout(longest).map_err(broken)
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take()
            && thread.is_finished()
        {
            let _ = thread.join();
        }
    }
}

/// Without these two it would be another comparison.
fn needed(outcome: &Outcome) -> Result<(), Error> {
    let missing = ["cpu", "scheduling"].into_iter().filter_map(|name| outcome.step(name));
    match missing.into_iter().find(|step| !step.ok) {
        None => Ok(()),
        Some(step) => Err(Error::environment(format!(
            "the loop cannot be measured as asked, step `{}`\n  expected {}\n  found {}\n  fix: {}",
            step.name,
            step.wanted,
            step.found,
            step.fix.replace("cycle.cpu", "--cpu").replace("cycle.priority", "--priority")
        ))),
    }
}

/// The cycle's sleep on the cycle's schedule, so many times.
fn measure(job: &Job) -> Measured {
    let mut clock = Monotonic::new(job.spin_ns);
    let mut histogram = Histogram::new();
    let mut late = Vec::with_capacity(LATE_MAX);
    let first = clock::now().saturating_add(2 * job.period_ns);
    let mut schedule = Schedule::new(first, job.period_ns);
    for _ in 0..job.cycles {
        let due = schedule.next();
        let mut wake = clock.sleep_until(due);
        if job.inject_ns > 0 {
            let until = wake.saturating_add(job.inject_ns);
            while wake < until {
                std::hint::spin_loop();
                wake = clock::now();
            }
        }
        // Whole, as cyclictest has it: the schedule takes what is later than a period for skipped.
        let latency_ns = wake.saturating_sub(due);
        let _ = schedule.woke(wake);
        histogram.record(latency_ns);
        if latency_ns > LATE_NS && late.len() < LATE_MAX {
            late.push(Late { due, wake });
        }
        schedule.ended(clock::now());
    }
    Measured { distribution: Distribution::from(&histogram), late }
}

/// For the witness, which is admitted alike.
pub(super) fn arm(cpu: usize, priority: u8) -> Option<(rt_linux::Armed, bool)> {
    let request = admission::Request { cpu: Some(cpu), priority: Some(priority), strict: false };
    let armed = admission::lock(&request).and_then(Locked::arm).ok()?;
    let realtime = needed(armed.outcome()).is_ok();
    Some((armed, realtime))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cycle_is_counted_and_what_is_injected_is_there() {
        let plain = Job { period_ns: 1_000_000, cycles: 60, spin_ns: 0, inject_ns: 0 };
        let found = measure(&plain);
        assert_eq!(found.distribution.count(), 60);
        let found = measure(&Job { inject_ns: 300_000, ..plain });
        // No wake-up can be earlier than what was added to it.
        assert_eq!(found.distribution.bins()[..300].iter().sum::<u64>(), 0);
        assert!(found.distribution.quantile(500) >= 300_000);
    }

    #[test]
    fn wake_ups_that_are_much_too_late_are_kept_one_by_one() {
        let job = Job { period_ns: 2_000_000, cycles: 5, spin_ns: 0, inject_ns: 600_000 };
        let found = measure(&job);
        assert_eq!(found.late.len(), 5);
        assert!(found.late.iter().all(|late| late.wake - late.due >= 600_000));
    }
}
