//! Remaining useful life: whether its intervals hold what they say, over seeds.
//!
//! Wear is simulated with what the model lacks: paths that are linear, exponential or a power of time, rates, wander, noise and number of
//! looks drawn, lives from a Weibull distribution whose shape and scale are up to 30 % other than the prior says. The table of
//! docs/twin.md is printed by `TACTUS_RUL=400 cargo test --release -p supervisor --test rul intervals -- --nocapture` on seeds from
//! 1 000 000 on; `WIDER` was tuned on those from 0 on (`TACTUS_RUL_FROM=0`).

use supervisor::twin::rul::{Left, Outlook, Point, Prior, outlook};

const PRIOR: Prior = Prior { shape: 2.5, life_hours: 10_000.0, limit: 2.0 };
/// First seed of those that are reported.
const REPORTED: u64 = 1_000_000;
/// Of the outcomes this share must be within the interval, and may be off by so much: 80 % ± 6 %.
const HOLDS: (f64, f64) = (0.8, 0.06);
/// Steps of a simulated life.
const STEP_HOURS: f64 = 5.0;

struct Draw(u64);

impl Draw {
    fn new(seed: u64) -> Self {
        let mut mixed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        Self((mixed ^ (mixed >> 31)) | 1)
    }

    fn unit(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        f64::from(u32::try_from(self.0 >> 32).unwrap()) / 4_294_967_296.0
    }

    fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Sum of twelve: what measurements and wear scatter by.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }
}

/// A part that wears: the indicator at each step until its limit, and what was seen of it until an inspection.
struct Worn {
    fails: f64,
    looked: f64,
    points: Vec<Point>,
    kind: usize,
}

/// `None`: it failed before the inspection.
fn worn(seed: u64) -> Option<Worn> {
    let mut draw = Draw::new(seed);
    let shape = PRIOR.shape * draw.between(0.7, 1.3);
    let scale = PRIOR.life_hours * draw.between(0.7, 1.3);
    let life = scale * (-(1.0 - draw.unit()).ln()).powf(1.0 / shape);
    let kind = usize::from(draw.unit() > 0.4) + usize::from(draw.unit() > 0.7);
    let power = draw.between(1.1, 1.5);
    let far = PRIOR.limit - 1.0;
    // The mean path reaches the limit at the end of the drawn life.
    let mean = |part: f64| match kind {
        0 => 1.0 + far * part,
        1 => PRIOR.limit.powf(part),
        _ => 1.0 + far * part.powf(power),
    };
    let wander = far * draw.between(0.02, 0.12) * (STEP_HOURS / life).sqrt();
    let noise = far * draw.between(0.01, 0.06);
    // People look when they look, not when it is about to fail.
    let looked = draw.between(0.15, 1.0) * PRIOR.life_hours;
    let every = looked / draw.between(10.0, 60.0);
    let (mut hours, mut walk, mut next) = (0.0, 0.0, every);
    let mut points = Vec::new();
    loop {
        hours += STEP_HOURS;
        walk += wander * draw.normal();
        let value = mean(hours / life) + walk;
        if value >= PRIOR.limit {
            let seen = hours > looked;
            return seen.then_some(Worn { fails: hours, looked, points, kind });
        }
        if hours >= next && hours <= looked {
            points.push(Point { hours, value: value + noise * draw.normal() });
            next += every;
        }
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    inspected: u32,
    answered: u32,
    under: u32,
    over: u32,
    /// Sum of |p50 − truth| ÷ truth, and of (p90 − p10) ÷ truth.
    error: f64,
    width: f64,
}

impl Tally {
    fn take(&mut self, worn: &Worn, narrower: f64) {
        self.inspected += 1;
        let Outlook::Left(Left { p10, p50, p90, .. }) = outlook(&worn.points, &PRIOR) else {
            return;
        };
        let last = worn.points.last().expect("points").hours;
        let truth = worn.fails - last;
        assert!(p10 <= p50 && p50 <= p90 && p10 >= 0.0, "{p10} {p50} {p90}");
        let (low, high) = (p50 - (p50 - p10) * narrower, p50 + (p90 - p50) * narrower);
        self.answered += 1;
        self.under += u32::from(truth < low);
        self.over += u32::from(truth > high);
        self.error += (p50 - truth).abs() / truth.max(worn.looked * 0.02);
        self.width += (p90 - p10) / truth.max(worn.looked * 0.02);
    }

    fn holds(&self) -> f64 {
        1.0 - f64::from(self.under + self.over) / f64::from(self.answered)
    }

    fn is_calibrated(&self) -> bool {
        let (share, tolerance) = HOLDS;
        (self.holds() - share).abs() <= tolerance
    }

    fn row(&self, name: &str) -> String {
        let share = |count: u32| 100.0 * f64::from(count) / f64::from(self.answered);
        format!(
            "| {name} | {} | {} | {:.1} % | {:.1} % | {:.1} % | {:.0} % |",
            self.inspected,
            self.answered,
            100.0 * self.holds(),
            share(self.under),
            share(self.over),
            100.0 * self.error / f64::from(self.answered)
        )
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn tallies(seeds: std::ops::Range<u64>, narrower: f64) -> [Tally; 4] {
    let mut tallies = [Tally::default(); 4];
    for worn in seeds.filter_map(worn) {
        tallies[worn.kind].take(&worn, narrower);
        tallies[3].take(&worn, narrower);
    }
    tallies
}

#[test]
fn intervals_of_80_percent_hold_80_percent_of_the_outcomes() {
    let from = number("TACTUS_RUL_FROM").unwrap_or(REPORTED);
    let count = number("TACTUS_RUL").unwrap_or(400);
    let tallies = tallies(from..from + count, 1.0);
    for (tally, name) in tallies.iter().zip(["linear", "exponential", "power 1.1 to 1.5", "all"]) {
        println!("{}", tally.row(name));
    }
    let [.., all] = tallies;
    assert!(all.answered > 100, "{all:?}");
    assert!(all.is_calibrated(), "{:.3}: {all:?}", all.holds());
}

#[test]
fn intervals_that_are_halved_are_found_out() {
    let [.., halved] = tallies(REPORTED..REPORTED + 120, 0.5);
    assert!(!halved.is_calibrated(), "{:.3}: {halved:?}", halved.holds());
}
