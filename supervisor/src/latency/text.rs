//! The measurement for people.

use std::fmt::Write as _;

use super::verdict::{Comparison, PAIRS_MIN, Pair, Verdict};
use super::{Measurement, Options, Side};
use crate::report::duration;

/// The measurement as text, at most 100 columns wide.
#[must_use]
pub fn render(of: &Measurement) -> String {
    let mut out = String::with_capacity(2048);
    // Writing to a String does not fail.
    let _ = write_all(of, &mut out);
    out
}

/// One pair is done.
pub(super) fn progress(number: u32, options: &Options, pair: &Pair) -> String {
    let pairs_left = options.blocks.saturating_sub(number);
    let left = options.block_length.saturating_mul(2).saturating_mul(pairs_left);
    format!(
        "pair {number} of {}: p50 {} against {}{}; about {} s left",
        options.blocks,
        duration(pair.ours.p50),
        duration(pair.theirs.p50),
        if pair.frozen { ", the machine stood still" } else { "" },
        left.as_secs()
    )
}

fn write_all(of: &Measurement, out: &mut String) -> std::fmt::Result {
    writeln!(
        out,
        "wake-up latency on CPU {}, SCHED_FIFO {}, period {}, spin tail {}, load {}",
        of.cpu,
        of.priority,
        duration(of.period_ns),
        duration(of.spin_ns),
        of.load.unwrap_or("none of ours")
    )?;
    if of.injected_ns > 0 {
        writeln!(out, "  a test: {} were added to each wake-up of ours", duration(of.injected_ns))?;
    }
    for reason in &of.degraded_reasons {
        writeln!(out, "  not granted: {reason}")?;
    }
    let head = ["p50", "p99", "p99.9", "max", "wake-ups"];
    let [p50, p99, p999, max, count] = head;
    writeln!(out, "\n  {:<14}{p50:>12}{p99:>12}{p999:>12}{max:>12}{count:>12}", "")?;
    side(&of.ours, out)?;
    side(&of.theirs, out)?;
    writeln!(out, "\n  {} pairs of blocks; medians over pairs:", of.pairs.len())?;
    comparison("p50", &of.judgement.p50, out)?;
    comparison("p99", &of.judgement.p99, out)?;
    writeln!(out, "\n  {}", of.disturbance.line())?;
    witness(of, out)?;
    let verdict = match of.judgement.verdict {
        Verdict::Pass => "PASS",
        Verdict::Fail => "FAIL",
        Verdict::Inconclusive => "INCONCLUSIVE",
    };
    writeln!(out, "\n{verdict}: {}", of.judgement.reasons.join("; "))?;
    if of.interrupted {
        writeln!(out, "  it was ended before all pairs were there ({PAIRS_MIN} are needed)")?;
    }
    match of.judgement.verdict {
        Verdict::Pass => Ok(()),
        Verdict::Fail => writeln!(out, "  what to look at: sudo tactus doctor"),
        Verdict::Inconclusive => writeln!(
            out,
            "  more pairs (--blocks), longer blocks (--block-length) or a quieter machine decide it"
        ),
    }
}

fn side(of: &Side, out: &mut String) -> std::fmt::Result {
    let latency = &of.latency_ns;
    let [p50, p99, p999, max] = [latency.p50, latency.p99, latency.p999, latency.max].map(duration);
    writeln!(out, "  {:<14}{p50:>12}{p99:>12}{p999:>12}{max:>12}{:>12}", of.name, latency.count)
}

fn comparison(name: &str, of: &Comparison, out: &mut String) -> std::fmt::Result {
    let (Some(ratio), Some(difference_ns), Some(excess)) = (of.ratio, of.difference_ns, of.excess)
    else {
        return writeln!(out, "    {name}: none");
    };
    let range = match of.excess_low.zip(of.excess_high) {
        Some((low, high)) => format!("{:.0} % to {:.0} %", low * 100.0, high * 100.0),
        None => "too few pairs".to_owned(),
    };
    writeln!(
        out,
        "    {name}: ratio {ratio:.2}, ours later by {:.1} µs, {:.0} % of the allowance ({range})",
        difference_ns / 1e3,
        excess * 100.0
    )
}

fn witness(of: &Measurement, out: &mut String) -> std::fmt::Result {
    let seen = &of.witness;
    let Some(cpu) = seen.cpu else {
        return writeln!(
            out,
            "  no witness: there is no second CPU, a frozen machine looks like a late wake-up"
        );
    };
    writeln!(
        out,
        "  witness on CPU {cpu}{}: stood still {} times, {} at most; of our wake-ups later than \
         0.5 ms,\n  {} came while it stood still too, {} alone",
        if seen.realtime { "" } else { " (an ordinary thread: its own delays count as freezes)" },
        seen.frozen,
        duration(seen.longest_ns),
        seen.late_frozen,
        seen.late_alone
    )
}
