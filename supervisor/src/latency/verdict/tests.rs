//! The verdict on machines made of random numbers: what it must find, and what it must not claim.

use super::*;

/// xorshift64*: the same numbers for the same seed.
struct Dice(u64);

impl Dice {
    fn unit(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        float(self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) / float(1 << 53)
    }

    /// Positive, with a long tail: median 1.
    fn noise(&mut self, spread: f64) -> f64 {
        let sum: f64 = (0..12).map(|_| self.unit()).sum::<f64>() - 6.0;
        (sum * spread).exp()
    }
}

/// A machine: blocks side by side share a drift, and each has noise of its own.
struct Machine {
    /// Latency that both have at the median, ns.
    base: f64,
    /// Of the drift that pairs share.
    drift: f64,
    /// Of each block alone.
    spread: f64,
    /// Share of blocks in which others held the CPU: three times as late.
    hit: f64,
}

const MACHINES: [Machine; 4] = [
    Machine { base: 4_000.0, drift: 0.02, spread: 0.02, hit: 0.0 },
    Machine { base: 40_000.0, drift: 0.3, spread: 0.05, hit: 0.0 },
    Machine { base: 60_000.0, drift: 0.5, spread: 0.15, hit: 0.1 },
    Machine { base: 300_000.0, drift: 0.5, spread: 0.3, hit: 0.2 },
];

impl Machine {
    fn block(&self, dice: &mut Dice, base: f64, added: f64) -> Block {
        let hit = if dice.unit() < self.hit { 3.0 } else { 1.0 };
        let p50 = base * dice.noise(self.spread) * hit + added;
        let p99 = base * 2.0 * dice.noise(self.spread * 2.0) * hit + added;
        let whole = |ns: f64| Duration::from_nanos_f64(ns);
        Block { p50: whole(p50), p99: whole(p99) }
    }

    fn pairs(&self, dice: &mut Dice, count: usize, added: f64) -> Vec<Pair> {
        let pair = |_| {
            let base = self.base * dice.noise(self.drift);
            let ours = self.block(dice, base, added);
            let theirs = self.block(dice, base, 0.0);
            Pair { ours, theirs, frozen: false }
        };
        (0..count).map(pair).collect()
    }
}

/// Rounds to whole ns.
struct Duration;

impl Duration {
    fn from_nanos_f64(ns: f64) -> u64 {
        u64::try_from(std::time::Duration::from_secs_f64(ns / 1e9).as_nanos()).unwrap()
    }
}

fn count(machine: &Machine, pairs: usize, added: f64, quiet: bool, verdict: Verdict) -> usize {
    let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
    let unquiet: Vec<String> = if quiet { vec![] } else { vec!["steal".into()] };
    (0..400)
        .filter(|_| judge(&machine.pairs(&mut dice, pairs, added), &unquiet).verdict == verdict)
        .count()
}

#[test]
fn equals_do_not_fail_on_any_machine() {
    for machine in &MACHINES {
        for pairs in [9, 12, 30] {
            let fails = count(machine, pairs, 0.0, true, Verdict::Fail);
            assert!(fails <= 2, "{} ns, {pairs} pairs: {fails} of 400", machine.base);
        }
    }
}

#[test]
fn twenty_microseconds_more_never_pass() {
    for machine in &MACHINES {
        for pairs in [9, 12, 30] {
            for quiet in [true, false] {
                let passes = count(machine, pairs, 20_000.0, quiet, Verdict::Pass);
                // The noisiest machine is nine tenths noise: there the stated chance is all that is left.
                let most = if machine.base > 100_000.0 { 16 } else { 0 };
                assert!(passes <= most, "{} ns, {pairs} pairs: {passes} of 400", machine.base);
            }
        }
    }
}

#[test]
fn twenty_microseconds_more_are_found_on_a_quiet_machine_and_mostly_on_a_busy_one() {
    assert_eq!(count(&MACHINES[0], 9, 20_000.0, true, Verdict::Fail), 400);
    assert!(count(&MACHINES[1], 16, 20_000.0, true, Verdict::Fail) >= 390);
    assert!(count(&MACHINES[2], 30, 20_000.0, true, Verdict::Fail) > 100);
}

#[test]
fn equals_pass_on_a_quiet_machine() {
    assert!(count(&MACHINES[0], 12, 0.0, true, Verdict::Pass) >= 398);
    assert!(count(&MACHINES[1], 12, 0.0, true, Verdict::Pass) >= 398);
}

#[test]
fn earlier_is_no_fault() {
    let pair = |at: u64| Pair {
        ours: Block { p50: 1_000 + at, p99: 9_000 },
        theirs: Block { p50: 30_000, p99: 60_000 },
        frozen: false,
    };
    let pairs: Vec<Pair> = (0..12).map(pair).collect();
    let found = judge(&pairs, &[]);
    assert_eq!(found.verdict, Verdict::Pass);
    assert!(found.p50.ratio.unwrap() < 0.1 && found.p50.excess.unwrap() < 0.0);
}

fn with_tail(ours: u64, frozen: usize, unquiet: &[String]) -> Judgement {
    let pair = |at| Pair {
        ours: Block { p50: 30_000, p99: ours },
        theirs: Block { p50: 30_000, p99: 60_000 },
        frozen: at < frozen,
    };
    judge(&(0..12).map(pair).collect::<Vec<_>>(), unquiet)
}

#[test]
fn a_tail_that_is_too_long_fails_unless_the_machine_was_disturbed() {
    assert_eq!(with_tail(100_000, 0, &[]).verdict, Verdict::Pass);
    assert_eq!(with_tail(200_000, 0, &[]).verdict, Verdict::Fail);
    let disturbed = with_tail(200_000, 0, &["steal 3 %".into()]);
    assert_eq!(disturbed.verdict, Verdict::Inconclusive);
    assert!(disturbed.reasons.iter().any(|why| why.contains("steal 3 %")), "{disturbed:?}");
    // and a disturbance takes no fail of the medians back
    let pair = Pair {
        ours: Block { p50: 50_000, p99: 60_000 },
        theirs: Block { p50: 30_000, p99: 60_000 },
        frozen: false,
    };
    assert_eq!(judge(&[pair; 12], &["steal 3 %".into()]).verdict, Verdict::Fail);
}

#[test]
fn pairs_in_which_the_machine_froze_say_nothing_of_the_tail() {
    assert_eq!(with_tail(100_000, 3, &[]).verdict, Verdict::Pass);
    let found = with_tail(100_000, 4, &[]);
    assert_eq!((found.verdict, found.p99.pairs), (Verdict::Inconclusive, 8));
}

#[test]
fn too_few_pairs_prove_nothing() {
    let pair = Pair {
        ours: Block { p50: 900_000, p99: 900_000 },
        theirs: Block { p50: 30_000, p99: 60_000 },
        frozen: false,
    };
    assert_eq!(judge(&[], &[]).verdict, Verdict::Inconclusive);
    assert_eq!(judge(&vec![pair; PAIRS_MIN - 1], &[]).verdict, Verdict::Inconclusive);
    assert_eq!(judge(&vec![pair; PAIRS_MIN], &[]).verdict, Verdict::Fail);
}

#[test]
fn places_of_order_statistics_are_those_of_the_binomial() {
    // 1/2^9 = 0.00195; (1 + 9)/2^9 = 0.0195; 1/2^8 = 0.0039.
    assert_eq!(place(9, CHANCE_FAIL), Some(0));
    assert_eq!(place(9, CHANCE_PASS), Some(1));
    assert_eq!(place(8, CHANCE_FAIL), None);
    // (1 + 20 + 190)/2^20 = 0.0002; with 1140 more 0.0013; with 4845 more 0.0059.
    assert_eq!(place(20, CHANCE_FAIL), Some(3));
    assert_eq!(place(1_000, CHANCE_FAIL).map(|at| (450..460).contains(&at)), Some(true));
    // (1 + 16 + 120)/2^16 = 0.0021
    assert_eq!(place(16, CHANCE_FAIL), Some(2));
    assert_eq!(place(0, CHANCE_FAIL), None);
}
