//! cyclictest (Debian's rt-tests): one block of it, and what it says.

use std::process::Command;
use std::time::Duration;

use super::child::{Cpus, Helper, installed};
use super::distribution::{BINS, Distribution};
use super::own::Job;
use crate::exit::Error;

/// The program.
pub(super) const PROGRAM: &str = "cyclictest";

/// Beyond the length of a block, for its start and its end.
const SLACK: Duration = Duration::from_secs(20);

/// It is there.
pub(super) fn check() -> Result<(), Error> {
    installed(PROGRAM, "rt-tests")
}

/// One block; `None`: stopped.
pub(super) fn block(
    job: &Job,
    (cpu, priority): (usize, u8),
    cpus: &Cpus,
    stop: &dyn Fn() -> bool,
) -> Result<Option<Distribution>, Error> {
    let arguments = [
        "--quiet".to_owned(),
        "--mlockall".to_owned(),
        "--threads=1".to_owned(),
        format!("--affinity={cpu}"),
        format!("--priority={priority}"),
        format!("--interval={}", job.period_ns / 1_000),
        format!("--histogram={BINS}"),
        format!("--loops={}", job.cycles),
    ];
    let mut helper = Helper::spawn(Command::new(PROGRAM).args(&arguments), cpus)?;
    let length = Duration::from_nanos(job.period_ns.saturating_mul(job.cycles));
    let status = helper.wait(length.saturating_mul(3).saturating_add(SLACK), stop)?;
    let (said, complained) = helper.words();
    match status {
        None if stop() => Ok(None),
        Some(status) if status.success() => read(&said, job.cycles).map(Some),
        status => Err(Error::environment(format!(
            "{PROGRAM} {} {}\n  {}\n  run it by hand to see what it misses: {PROGRAM} {}",
            arguments.join(" "),
            status.map_or_else(|| "did not end".into(), |status| format!("ended with {status}")),
            complained.trim().lines().next().unwrap_or("it says nothing"),
            arguments.join(" ")
        ))),
    }
}

/// Its histogram: `000023 000451` a line, then `# Max Latencies: 00049` and `# Histogram Overflows: 00000`.
fn read(said: &str, cycles: u64) -> Result<Distribution, Error> {
    let mut bins = vec![0_u64; BINS];
    let (mut longest_us, mut above) = (None, None);
    for line in said.lines() {
        let value = |of: &str| of.trim().parse::<u64>().ok();
        if let Some(rest) = line.strip_prefix("# Max Latencies:") {
            longest_us = value(rest);
        } else if let Some(rest) = line.strip_prefix("# Histogram Overflows:") {
            above = value(rest);
        } else if let Some((bin, count)) = line.split_once([' ', '\t'])
            && let (Some(bin), Some(count)) = (value(bin), value(count))
            && let Some(slot) = usize::try_from(bin).ok().and_then(|bin| bins.get_mut(bin))
        {
            *slot = count;
        }
    }
    let counted = bins.iter().sum::<u64>().saturating_add(above.unwrap_or(0));
    match longest_us.zip(above) {
        // It may stop a cycle early or late.
        Some((longest_us, above)) if counted.abs_diff(cycles) <= 1 => {
            Ok(Distribution::new(bins, above, longest_us.saturating_mul(1_000)))
        }
        _ => Err(Error::environment(format!(
            "{PROGRAM} says something else than expected\n  expected a histogram of {cycles} \
             wake-ups, as rt-tests 2.x prints it\n  found {counted} wake-ups in {} lines; \
             {PROGRAM} --help shows its version",
            said.lines().count()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "# /dev/cpu_dma_latency set to 0us\n# Histogram\n000000 000000\n000031 000007\n\
        000032 000002\n# Total: 000000009\n# Min Latencies: 00031\n# Avg Latencies: 00031\n\
        # Max Latencies: 09041\n# Histogram Overflows: 00001\n# Histogram Overflow at cycle number:\n\
        # Thread 0: 4\n\n";

    #[test]
    fn its_histogram_is_read_whole() {
        let found = read(SAID, 10).unwrap();
        assert_eq!((found.count(), found.above(), found.bins()[31]), (10, 1, 7));
        assert_eq!(found.quantiles().max, 9_041_000);
        assert_eq!(found.quantile(500) / 1_000, 31);
    }

    #[test]
    fn what_is_no_histogram_of_so_many_wake_ups_is_refused() {
        for (said, cycles) in [(SAID, 5), ("", 10), ("nonsense\n", 10)] {
            let error = read(said, cycles).unwrap_err();
            assert!(error.message.contains("expected a histogram"), "{}", error.message);
        }
        let cut = SAID.replace("# Max Latencies: 09041\n", "");
        assert!(read(&cut, 10).is_err());
    }
}
