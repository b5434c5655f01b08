//! Many runs on all cores: each in a thread of its own with a virtual clock of its own, with progress for people.

use std::io::{IsTerminal, Write};
use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// Stack of a thread that runs a machine: bring-up needs some of it.
const STACK_BYTES: usize = 8 << 20;

/// Does `work` for each of `jobs`, as many at once as there are processors; the answers are in the order of the jobs.
pub(super) fn all<J: Sync, R: Send>(jobs: &[J], work: impl Fn(&J) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new((0_usize, jobs.iter().map(|_| None).collect::<Vec<Option<R>>>()));
    let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let progress = Progress::new(jobs.len());
    std::thread::scope(|scope| {
        for _ in 0..threads.min(jobs.len()) {
            let turn = || {
                loop {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    let Some(job) = jobs.get(place) else { break };
                    let answer = work(job);
                    let Ok(mut done) = done.lock() else { break };
                    if let Some(slot) = done.1.get_mut(place) {
                        *slot = Some(answer);
                    }
                    done.0 += 1;
                    progress.show(done.0);
                }
            };
            // Without a thread of its own the others do its work.
            let _ = std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, turn);
        }
    });
    progress.end();
    let answers = done.into_inner().map(|(_, answers)| answers).unwrap_or_default();
    answers.into_iter().flatten().collect()
}

/// Tells on the standard error how far it is.
struct Progress {
    total: usize,
    began: Instant,
    terminal: bool,
}

impl Progress {
    fn new(total: usize) -> Self {
        Self { total, began: Instant::now(), terminal: std::io::stderr().is_terminal() }
    }

    fn show(&self, done: usize) {
        let seconds = self.began.elapsed().as_secs_f64();
        let text = format!("what-if: {done} of {} runs, {seconds:.1} s", self.total);
        let mut err = std::io::stderr();
        // Nobody there to read it: the work goes on.
        let _ = if self.terminal {
            write!(err, "\r{text} ")
        } else if done == self.total || done.is_multiple_of(self.total.div_ceil(10)) {
            writeln!(err, "{text}")
        } else {
            Ok(())
        };
    }

    fn end(&self) {
        if self.terminal {
            let _ = writeln!(std::io::stderr());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_job_is_done_once_and_answers_keep_their_order() {
        let jobs: Vec<u64> = (0..100).collect();
        let calls = AtomicUsize::new(0);
        let answers = all(&jobs, |job| {
            calls.fetch_add(1, Ordering::Relaxed);
            job * 2
        });
        assert_eq!(answers, jobs.iter().map(|job| job * 2).collect::<Vec<_>>());
        assert_eq!(calls.load(Ordering::Relaxed), 100);
        assert!(all(&[], |job: &u64| *job).is_empty());
    }
}
