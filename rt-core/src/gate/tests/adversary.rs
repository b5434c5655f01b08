//! An adversary asks, the machine around it fails at random, and a checker with its own arithmetic watches what comes out.
//!
//! The checker knows the plan in units, seconds and floating point, and the targets that were sent; nothing of the gate's.

extern crate std;

use super::*;
use crate::axis::cia402;
use crate::plan::Directions;
use alloc::format;

/// A number that looks drawn.
struct Draw(u64);

impl Draw {
    fn next(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.next(n) == 0
    }

    fn between(&mut self, low: i64, high: i64) -> i64 {
        let span = u64::try_from(high - low).unwrap() + 1;
        low + i64::try_from(self.next(span)).unwrap()
    }
}

/// How one axis is asked: never twice the same for long.
fn ask(draw: &mut Draw, mood: u64, track: Track) -> i64 {
    let jerk = draw.between(-100_000, 100_000);
    let smooth = |acceleration: i64| {
        let acceleration = acceleration.clamp(-5_000_000, 5_000_000);
        track.position.saturating_add(track.velocity).saturating_add(acceleration)
    };
    match mood {
        // As fast as it can in one way, then in the other: into every limit.
        0..=4 => smooth(track.acceleration + 99_000),
        5..=9 => smooth(track.acceleration - 99_000),
        10 => smooth(track.acceleration + jerk),
        11 => track.position + track.velocity,
        12 => i64::MAX,
        13 => i64::MIN,
        14 => draw.between(i64::MIN / 4, i64::MAX / 4),
        15 => track.position + jerk * 100,
        _ => track.position,
    }
}

/// Targets of one axis as they were sent, in mm.
#[derive(Clone, Copy, Default)]
struct Sent {
    last: [f64; 3],
    known: u32,
}

impl Sent {
    fn take(&mut self, position: Nano) {
        self.last.rotate_left(1);
        self.last[2] = position.units();
        self.known += 1;
    }

    /// Velocity and its change, mm/s and mm/s², at 1 ms; `None`: too few.
    fn motion(&self) -> Option<(f64, f64)> {
        let [a, b, c] = self.last;
        (self.known >= 3).then_some(((c - b) * 1e3, (c - 2.0 * b + a) * 1e6))
    }
}

struct Checker {
    sent: [Sent; 3],
    slower: [f64; 3],
}

/// What a nano-unit of rounding is in a velocity and in its change.
const ROUND_V: f64 = 2e-6;
const ROUND_A: f64 = 5e-3;

impl Checker {
    /// After one cycle. `driven`: the drive follows, so that what is sent counts.
    fn cycle(&mut self, bench: &Bench, plan: &MachinePlan, driven: [bool; 3]) {
        for axis in 0..3 {
            let limits = &plan.axes[axis].limits;
            if !driven[axis] {
                self.sent[axis] = Sent::default();
                self.slower[axis] = f64::INFINITY;
            }
            let position = Nano(bench.track(axis).position);
            self.sent[axis].take(position);
            let Some((velocity, change)) = self.sent[axis].motion() else { continue };
            let told =
                || format!("axis {axis}: {velocity} mm/s, {change} mm/s² at {}", position.units());
            assert!(velocity.abs() <= limits.velocity.units() + ROUND_V, "{}", told());
            let ramp = plan.axes[axis].stop.ramp_deceleration.units();
            let most = ramp.max(limits.acceleration.units()) + ROUND_A;
            assert!(change.abs() <= most, "{}", told());
            let group = usize::from(axis == 2);
            let permit = bench.gate.permits()[group].motion;
            if !permit {
                // Without permit it only ever gets slower.
                assert!(velocity.abs() <= self.slower[axis] + ROUND_V, "{}", told());
            }
            self.slower[axis] = velocity.abs();
            if let Some((low, high)) = limits.position {
                // It is inside, and would stop inside: v² ÷ 2d beyond where it is.
                let way = velocity * velocity / (2.0 * ramp) * velocity.signum();
                let end = position.units() + way * 0.999;
                let inside = low.units() - 1e-3..=high.units() + 1e-3;
                assert!(inside.contains(&position.units()), "{}", told());
                assert!(inside.contains(&end) || !permit, "would end at {end}: {}", told());
            }
            let ways = limits.direction.and(bench.facts[axis].directions);
            if permit && bench.gate.groups[group].passed && velocity.abs() > 2e-6 {
                assert!(if velocity > 0.0 { ways.positive } else { ways.negative }, "{}", told());
            }
        }
    }
}

fn surroundings(draw: &mut Draw, bench: &mut Bench) {
    if draw.one_in(150) {
        bench.machine = match draw.next(4) {
            0 => MachineState::Safe,
            1 => MachineState::AwaitStart,
            _ => MachineState::Run,
        };
    }
    for group in 0..2 {
        if draw.one_in(200) {
            let stops =
                [None, None, Some(Reaction::Stop2), Some(Reaction::Stop1), Some(Reaction::Stop0)];
            let stop = stops[usize::try_from(draw.next(5)).unwrap()];
            bench.demands[group].stop =
                stop.map(|reaction| Stop { reaction, interlock: InterlockId(1), input_at: 1 });
        }
        if draw.one_in(300) {
            let limits = [Nano::MAX, Nano(100 * MM), Nano(0), Nano(-5)];
            bench.demands[group].speed_limit = limits[usize::try_from(draw.next(4)).unwrap()];
        }
    }
    for axis in 0..3 {
        let facts = &mut bench.facts[axis];
        if draw.one_in(400) {
            facts.directions = Directions { negative: !draw.one_in(2), positive: !draw.one_in(2) };
        }
        if draw.one_in(900) {
            facts.view.inputs_good = !facts.view.inputs_good;
        } else if draw.one_in(20) {
            facts.view.inputs_good = true;
        }
        if draw.one_in(1500) {
            facts.in_position_mode = false;
        } else if draw.one_in(20) {
            facts.in_position_mode = true;
        }
    }
}

/// Drives come up when told, and go when told; now and then by themselves.
fn drives(draw: &mut Draw, bench: &mut Bench, lags: &mut [[i64; 3]; 3]) -> [bool; 3] {
    let mut driven = [false; 3];
    for axis in 0..3 {
        let power = bench.gate.power(GroupId(u8::from(axis == 2)));
        let told = bench.gate.axes[axis].drive(power);
        let facts = &mut bench.facts[axis];
        facts.quick_stopping = told == cia402::Power::QuickStop;
        facts.view.enabled =
            matches!(told, cia402::Power::On | cia402::Power::Hold) && !draw.one_in(4000);
        if facts.view.enabled {
            facts.position = Nano(lags[axis][0]);
        }
        lags[axis].rotate_left(1);
        lags[axis][2] = bench.gate.axes[axis].track.position;
        driven[axis] = facts.view.enabled;
    }
    driven
}

fn run(seed: u64, cycles: u32) -> (u32, u32) {
    let mut draw = Draw(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let mut plan = machine_plan();
    plan.axes[2].limits.direction = Directions { negative: false, positive: true };
    let mut bench = Bench::with(&plan);
    for _ in 0..4 {
        bench.cycle(|_, track| Nano(track.position));
    }
    let mut checker = Checker { sent: [Sent::default(); 3], slower: [f64::INFINITY; 3] };
    let mut lags = [0, 1, 2].map(|axis| [bench.track(axis).position; 3]);
    let (mut moods, mut passed) = ([0_u64; 3], 0);
    for _ in 0..cycles {
        surroundings(&mut draw, &mut bench);
        let driven = drives(&mut draw, &mut bench, &mut lags);
        if draw.one_in(120) {
            moods = [draw.next(18); 3];
        } else if draw.one_in(300) {
            moods[usize::try_from(draw.next(3)).unwrap()] = draw.next(18);
        }
        let asked = [0, 1, 2].map(|axis| ask(&mut draw, moods[axis], bench.track(axis)));
        bench.cycle(|axis, _| Nano(asked[usize::from(axis.0)]));
        passed += u32::from(bench.gate.groups[0].passed && bench.track(0).velocity != 0);
        checker.cycle(&bench, &plan, driven);
    }
    (passed, bench.gate.violations())
}

#[test]
fn whatever_an_adversary_asks_what_is_sent_holds_every_limit() {
    let (mut passed, mut violations) = (0, 0);
    for seed in 1..=40 {
        let (moved, refused) = run(seed, 5_000);
        passed += moved;
        violations += refused;
    }
    // It was not only ever refused, and not only ever obeyed.
    assert!(passed > 5_000, "{passed}");
    assert!(violations > 200, "{violations}");
}

#[test]
fn the_checker_finds_a_gate_that_lets_a_limit_go() {
    type Plant = fn(&mut Bench);
    let plants: [Plant; 3] = [
        |bench| bench.gate.axes[0].track.position += 3 * MM,
        |bench| bench.gate.axes[0].track.velocity += 1_100_000_000,
        |bench| bench.gate.axes[0].track.position = 501 * MM,
    ];
    for plant in plants {
        let found = std::panic::catch_unwind(|| {
            let plan = machine_plan();
            let mut bench = Bench::permitted();
            let mut checker = Checker { sent: [Sent::default(); 3], slower: [f64::INFINITY; 3] };
            for n in 0..10 {
                bench.cycle(|_, track| Nano(track.position + track.velocity));
                if n == 5 {
                    plant(&mut bench);
                }
                checker.cycle(&bench, &plan, [true; 3]);
            }
        });
        assert!(found.is_err());
    }
}
