//! Is our loop later than cyclictest? A verdict from paired blocks, with three values.
//!
//! What a block measures depends on what else the machine does in those seconds; the difference between two blocks side by side
//! hardly does. So each pair of blocks (ours, theirs) gives one *excess*: how much later ours was, as a share of what is allowed.
//! 1 is the bound. The median excess of all pairs is bracketed by order statistics (the sign test), which assume nothing about how
//! noise is distributed but that it strikes both sides alike: a pair is above the median as often as below.
//!
//! | quantile | allowed: ours may be later by |
//! | --- | --- |
//! | p50 | 25 % of theirs, at least 3 µs, at most 10 µs |
//! | p99 | 100 % of theirs, at least 20 µs |
//!
//! The ceiling of 10 µs is what makes 20 µs a cycle impossible to pass, however late the machine is. p99.9 and maxima are reported,
//! and judge nothing: on a machine that others use they are about the others.

use serde::Serialize;

/// Fewer pairs can prove nothing at [`CHANCE_FAIL`].
pub const PAIRS_MIN: usize = 9;
/// A fail is this unlikely, at most, when nothing is wrong.
pub const CHANCE_FAIL: f64 = 0.0025;
/// A pass is this unlikely, at most, when ours is later than allowed.
pub const CHANCE_PASS: f64 = 0.02;

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Ours is no later than allowed.
    Pass,
    /// Ours is later than allowed.
    Fail,
    /// These blocks do not say.
    Inconclusive,
}

/// p50 and p99 of a block, ns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Block {
    /// Median.
    pub p50: u64,
    /// 99 %.
    pub p99: u64,
}

/// Two blocks side by side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Pair {
    /// Our loop.
    pub ours: Block,
    /// cyclictest.
    pub theirs: Block,
    /// The machine stood still in one of them: p99 says nothing of this pair.
    pub frozen: bool,
}

/// One quantile over all pairs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// Pairs compared.
    pub pairs: usize,
    /// Median of ours ÷ theirs; `null`: no pair.
    pub ratio: Option<f64>,
    /// Median of ours − theirs, ns; `null`: no pair.
    pub difference_ns: Option<f64>,
    /// Median excess: 1 is the bound; `null`: no pair.
    pub excess: Option<f64>,
    /// The median excess is at least this, or chance played less than [`CHANCE_FAIL`]; `null`: too few pairs.
    pub excess_low: Option<f64>,
    /// The median excess is at most this, or chance played less than [`CHANCE_PASS`]; `null`: too few pairs.
    pub excess_high: Option<f64>,
}

/// The verdict, and why.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// For people.
    pub reasons: Vec<String>,
    /// Medians.
    pub p50: Comparison,
    /// 99 %.
    pub p99: Comparison,
}

/// Judges. `unquiet` says what disturbed the machine meanwhile; p99 then makes no fail, for it is about the disturbance.
#[must_use]
pub fn judge(pairs: &[Pair], unquiet: &[String]) -> Judgement {
    let p50 = compare(pairs.iter().map(|pair| (pair.ours.p50, pair.theirs.p50)), allowed_p50);
    let whole = pairs.iter().filter(|pair| !pair.frozen);
    let p99 = compare(whole.map(|pair| (pair.ours.p99, pair.theirs.p99)), allowed_p99);
    let (verdict, reasons) = decide(&p50, &p99, unquiet);
    Judgement { verdict, reasons, p50, p99 }
}

fn decide(p50: &Comparison, p99: &Comparison, unquiet: &[String]) -> (Verdict, Vec<String>) {
    let share = |of: Option<f64>| of.map_or_else(|| "?".into(), |it| format!("{:.0} %", it * 100.));
    let blame = || unquiet.iter().map(|what| format!("the machine was disturbed: {what}"));
    let (Some(low), Some(high)) = (p50.excess_low, p50.excess_high) else {
        let too_few = format!("{} pairs of blocks, at least {PAIRS_MIN} are needed", p50.pairs);
        return (Verdict::Inconclusive, vec![too_few]);
    };
    if low > 1.0 {
        let why = format!("p50 is later than allowed: {} of the allowance", share(p50.excess));
        return (Verdict::Fail, vec![why]);
    }
    if high > 1.0 {
        let why =
            format!("p50 may lie on either side of its bound: up to {} of it", share(Some(high)));
        return (Verdict::Inconclusive, std::iter::once(why).chain(blame()).collect());
    }
    let within = format!("p50 is within its bound: at most {} of it", share(Some(high)));
    match p99.excess_low {
        None => {
            let why = format!("p99: {} pairs in which the machine did not freeze", p99.pairs);
            (Verdict::Inconclusive, std::iter::once(why).chain(blame()).collect())
        }
        Some(low) if low > 1.0 && unquiet.is_empty() => {
            let why = format!("p99 is later than allowed: {} of the allowance", share(p99.excess));
            (Verdict::Fail, vec![within, why])
        }
        Some(_) if p99.excess.is_none_or(|excess| excess > 1.0) => {
            let why = format!("p99 is not within its bound: {} of it", share(p99.excess));
            (Verdict::Inconclusive, [within, why].into_iter().chain(blame()).collect())
        }
        Some(_) => {
            let why = format!("p99 is within its bound: {} of it", share(p99.excess));
            (Verdict::Pass, vec![within, why])
        }
    }
}

/// So much later ours may be at the median, ns.
fn allowed_p50(theirs: f64) -> f64 {
    (theirs / 4.0).clamp(3_000.0, 10_000.0)
}

/// So much later ours may be at 99 %, ns.
fn allowed_p99(theirs: f64) -> f64 {
    theirs.max(20_000.0)
}

fn compare(pairs: impl Iterator<Item = (u64, u64)>, allowed: fn(f64) -> f64) -> Comparison {
    let pairs: Vec<(f64, f64)> = pairs.map(|(ours, theirs)| (float(ours), float(theirs))).collect();
    let of = |value: fn(f64, f64) -> f64| {
        sorted(pairs.iter().map(|(ours, theirs)| value(*ours, *theirs)))
    };
    // A bin is 1 µs wide: less than that is no divisor.
    let ratio = median(&of(|ours, theirs| ours / theirs.max(1_000.0)));
    let difference_ns = median(&of(|ours, theirs| ours - theirs));
    let excess = sorted(pairs.iter().map(|(ours, theirs)| (ours - theirs) / allowed(*theirs)));
    let low = place(excess.len(), CHANCE_FAIL).and_then(|at| excess.get(at).copied());
    let high = place(excess.len(), CHANCE_PASS)
        .and_then(|at| excess.len().checked_sub(at + 1))
        .and_then(|at| excess.get(at).copied());
    Comparison {
        pairs: pairs.len(),
        ratio,
        difference_ns,
        excess: median(&excess),
        // Both or none: a verdict that could only ever pass is none.
        excess_low: low,
        excess_high: low.and(high),
    }
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

fn median(sorted: &[f64]) -> Option<f64> {
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    match sorted.len() % 2 {
        1 => Some(upper),
        _ => Some(f64::midpoint(*sorted.get(middle - 1)?, upper)),
    }
}

/// Place (from 0) of the largest order statistic of `count` values that exceeds their true median with a probability of at most
/// `chance`; `None`: even the smallest does so more often. That it does means that at most `place` values lie below the median.
fn place(count: usize, chance: f64) -> Option<usize> {
    let size = u32::try_from(count).ok().filter(|size| *size <= 1_000)?;
    // Binomial with probability 1/2: the chance of no value, then of one more each turn.
    let mut exactly = 0.5_f64.powi(i32::try_from(size).unwrap_or(i32::MAX));
    let mut at_most = 0.0;
    let mut found = None;
    for below in 0..size {
        at_most += exactly;
        if at_most > chance {
            break;
        }
        found = usize::try_from(below).ok();
        exactly *= f64::from(size - below) / f64::from(below + 1);
    }
    found
}

#[expect(clippy::cast_precision_loss, reason = "latencies are far below 2^53 ns")]
fn float(ns: u64) -> f64 {
    ns as f64
}

#[cfg(test)]
mod tests;
