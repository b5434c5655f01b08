//! Speed and separation against the world: the shipped separation cell in virtual time, full EtherCAT frames, and people who come, stand,
//! run and go as a seed says, while the camera goes silent, freezes, repeats itself, lags and lies, and comes back.
//!
//! The oracle knows nothing of the formula: it looks at the axis and the persons of the world as they truly are. A part that moves and a
//! person are never nearer than the person's own radius and C. `TACTUS_SEPARATION_CYCLES=10000000` makes more than the few runs of CI,
//! `TACTUS_SEPARATION_SEED=n` begins with that seed.

use config::Machine;
use fieldbus::link::InlineLink;
use fieldbus::{EtherCat, bring_up, time};
use rt_core::Record;
use rt_core::cycle::{Command, Cycle, Ports};
use rt_core::plan::Cause;
use rt_core::program::Sequence;
use rt_core::record::{Body, MachineState};
use rt_core::step::Core;
use rt_core::vision::VisionInputs;
use std::fmt::Write as _;
use supervisor::cell::{Cell, HORIZON_NS};
use supervisor::vision::Judge;
use tactus_tests::machine;
use tactus_tests::random::Random;
use tactus_tests::virtual_time::Clock;
use twin_lite::Nano;

const START_NS: u64 = 1_000_000_000;
/// Cycles of one run, homing included.
const CYCLES: u64 = 40_000;
/// Cycles in CI.
const CYCLES_CI: u64 = 240_000;
/// The load still swings when it stands, mm/s.
const STANDS: f64 = 10.0;
/// C of the machine file, mm.
const INTRUSION: f64 = 300.0;

#[derive(Default)]
struct Outside {
    vision: Box<VisionInputs>,
    limited: u64,
    too_near: u64,
    blind: u64,
}

impl Ports for Outside {
    fn vision(&mut self) -> &VisionInputs {
        &self.vision
    }

    fn command(&mut self) -> Command {
        Command { shutdown: false, supervisor_at: time::now() }
    }

    fn record(&mut self, record: Record) {
        if let Body::Separation(found) = record.body {
            let slowed = found.speed.is_some_and(|speed| speed > Nano::ZERO);
            self.limited += u64::from(slowed && found.moving);
            self.too_near += u64::from(found.margin.is_some_and(|margin| margin < Nano::ZERO));
            self.blind += u64::from(found.margin.is_none());
        }
    }
}

/// From `low` up to `high`, which does not come.
fn between(random: &mut Random, low: i64, high: i64) -> i64 {
    low + i64::try_from(random.below(u64::try_from(high - low).unwrap_or(1))).unwrap_or(0)
}

/// Somebody who comes from outside of what is watched, by some places near the gantry, and goes again. Never faster than 1.6 m/s.
fn person(number: u32, random: &mut Random) -> String {
    let outside = |random: &mut Random| match random.below(4) {
        0 => (between(random, -3000, 4000), -4500),
        1 => (between(random, -3000, 4000), 4500),
        2 => (-4500, between(random, -3000, 3000)),
        _ => (5500, between(random, -3000, 3000)),
    };
    let mut path = String::new();
    let (x, y) = outside(random);
    let _ = writeln!(path, "  {{ at = [\"{x} mm\", \"{y} mm\"] }},");
    for _ in 0..1 + random.below(4) {
        let (x, y) = (between(random, -1200, 2400), between(random, -1800, 1800));
        let stay = random.below(3) * random.below(1500);
        let _ = writeln!(path, "  {{ at = [\"{x} mm\", \"{y} mm\"], stay = \"{stay} ms\" }},");
    }
    let (x, y) = outside(random);
    let _ = writeln!(path, "  {{ at = [\"{x} mm\", \"{y} mm\"] }},");
    format!(
        "[[virtual.person]]\nname = \"p{number}\"\nradius = \"{} mm\"\nspeed = \"{} mm/s\"\nstart = \"{} ms\"\nevery = \"{} ms\"\n\
         path = [\n{path}]\n\n",
        between(random, 200, 400),
        if random.below(2) == 0 { 1600 } else { between(random, 300, 1600) },
        between(random, 9_000, 20_000),
        between(random, 12_000, 30_000),
    )
}

fn fault(at_ms: i64, random: &mut Random) -> String {
    let kinds = ["silent", "frozen", "repeat", "wrong_crc", "wrong_hash", "poor", "lag"];
    let kind = kinds[usize::try_from(random.below(7)).expect("below 7")];
    let more = if kind == "lag" {
        format!("delay = \"{} ms\"\n", between(random, 1, 400))
    } else {
        String::new()
    };
    format!(
        "[[scenario.event]]\nat = \"{at_ms} ms\"\ncamera = \"overhead\"\nfault = \"{kind}\"\nfor = \"{} ms\"\n{more}\n",
        between(random, 20, 1500)
    )
}

/// The shipped cell without its people, and with an operator who starts whenever the lamp is on.
fn alone() -> String {
    let text = std::fs::read_to_string(machine("separation-cell.toml")).expect("the cell");
    let mut kept = String::new();
    let mut skips = false;
    for line in text.lines() {
        if line.starts_with('[') {
            skips = line.starts_with("[[virtual.person");
        }
        if !skips && !line.contains("zone_free") {
            kept += line;
            kept.push('\n');
        }
    }
    kept
}

/// The shipped cell with other people and other mishaps.
fn cell(seed: u64) -> Machine {
    let mut random = Random(seed ^ 0x5EBA);
    let mut kept = alone();
    let people = 1 + random.below(3);
    for number in 0..u32::try_from(people).expect("few") {
        kept += &person(number, &mut random);
    }
    let mut at = 8_000;
    while at < 38_000 && !seed.is_multiple_of(4) {
        kept += &fault(at, &mut random);
        at += between(&mut random, 2_000, 9_000);
    }
    config::load(&kept, "separation cell").unwrap_or_else(|wrong| panic!("seed {seed}: {wrong}"))
}

struct Rig {
    cycle: Cycle<EtherCat<InlineLink<Cell>>, Clock, Sequence, Outside>,
    judge: Judge,
    people: usize,
    moved: f64,
    nearest: f64,
}

impl Rig {
    /// The world of `machine`, and a loop that was told `told`.
    fn new(machine: &Machine, told: &Machine, seed: u64) -> Self {
        let cell = Cell::new(machine, seed, START_NS, HORIZON_NS, None).expect("a sound cell");
        let link = InlineLink::new(cell, START_NS);
        let mut bus = bring_up(link, &machine.bus, &mut |_| {}).unwrap_or_else(|e| panic!("{e}"));
        drop(bus.take_coe_client());
        time::advance_virtual(bus.aligned_start(time::now()));
        let core = Core::new(told.plan.clone(), Sequence::new(&told.plan)).expect("a right plan");
        let judge = Judge::new(&machine.plan.streams, machine.hash64);
        let deadline_ns = machine.cycle.receive_deadline_ns;
        let people = machine.virtual_cell.persons.len();
        let cycle = Cycle::new(bus, Clock::default(), core, Outside::default(), deadline_ns);
        Self { cycle, judge, people, moved: 0.0, nearest: f64::INFINITY }
    }

    /// One cycle; `Some`: the part moved though somebody was this near.
    fn one(&mut self) -> Option<f64> {
        self.cycle.run_one();
        while let Some(bytes) = self.cycle.bus_mut().link_mut().wire_mut().take_datagram() {
            self.judge.take(&bytes, time::now());
        }
        *self.cycle.ports_mut().vision = *self.judge.inputs();
        let world = self.cycle.bus_mut().link_mut().wire_mut().world();
        let x = world.axis(0).expect("x");
        if x.velocity.abs() < STANDS {
            return None;
        }
        self.moved += x.velocity.abs() * 1e-3;
        let mut worst = None;
        for person in (0..self.people).filter_map(|person| world.person(person)) {
            let dx = (x.position - 120.0 - person.at.x).max(person.at.x - x.position - 120.0);
            let dy = (-150.0 - person.at.y).max(person.at.y - 150.0);
            let (dx, dy) = (dx.max(0.0), dy.max(0.0));
            let left = (dx * dx + dy * dy).sqrt() - person.radius_mm;
            self.nearest = self.nearest.min(left);
            if left < INTRUSION {
                worst = Some(left);
            }
        }
        worst
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// A run; the nearest to a moving part, and by how much that was too near.
fn run(seed: u64, spoil: impl Fn(&mut Machine)) -> (Rig, Option<(u64, f64)>) {
    let machine = cell(seed);
    let mut told = cell(seed);
    spoil(&mut told);
    let mut rig = Rig::new(&machine, &told, seed);
    let mut found = None;
    for cycle in 0..CYCLES {
        if let Some(left) = rig.one() {
            found = found.or(Some((cycle, left)));
        }
    }
    (rig, found)
}

#[test]
// SR-060, SR-062, SR-065, SR-066
fn nobody_is_ever_near_a_part_that_moves() {
    let cycles = number("TACTUS_SEPARATION_CYCLES").unwrap_or(CYCLES_CI);
    let first = number("TACTUS_SEPARATION_SEED").unwrap_or(1);
    let (mut moved, mut limited, mut too_near, mut blind, mut stops) = (0.0, 0, 0, 0, 0);
    let mut nearest = f64::INFINITY;
    for seed in first..first + cycles.div_ceil(CYCLES) {
        let (mut rig, found) = run(seed, |_| {});
        assert_eq!(
            found, None,
            "cycle and distance; again: TACTUS_SEPARATION_SEED={seed} TACTUS_SEPARATION_CYCLES=1 \
             cargo test --release -p tactus-tests --test separation"
        );
        let status = *rig.cycle.core().status();
        assert!(rig.cycle.core().axes().iter().all(|axis| axis.view().referenced), "{status:?}");
        assert_ne!(status.machine, MachineState::Boot);
        stops += status.trips;
        let told = rig.cycle.ports_mut();
        (limited, too_near) = (limited + told.limited, too_near + told.too_near);
        blind += told.blind;
        moved += rig.moved;
        nearest = nearest.min(rig.nearest);
    }
    println!(
        "{cycles} cycles, x moved {moved:.0} mm, slowed in {limited} cycles, too near in {too_near}, \
         blind in {blind}, {stops} stops, nearest to a moving part {nearest:.0} mm"
    );
    assert!(moved > 1000.0 && stops > 0, "nothing happened");
    assert!(limited > 0 && too_near > 0 && blind > 0, "{limited} {too_near} {blind}");
}

/// The oracle finds what it is there to find: a loop that believes that whoever stands will not walk, and forgets C.
#[test]
// SR-060
fn a_loop_that_forgets_the_way_of_the_person_is_found() {
    let forgets = |machine: &mut Machine| {
        for interlock in &mut machine.plan.interlocks {
            if let Cause::Separation(plan) = &mut interlock.cause {
                (plan.person_speed, plan.intrusion) = (Nano::ZERO, Nano::ZERO);
            }
        }
    };
    let found = (1..12).find_map(|seed| run(seed, forgets).1);
    assert!(found.is_some(), "nobody was ever too near");
}

/// Output `lamp_running`: 1 while the machine runs, by the frame that has just been carried out.
const LAMP_RUNNING: usize = 1;
/// Frames may leave this much later in a cycle than they did in the last, ns.
const PHASE_NS: u64 = 50_000;

/// A picture that does not count is handed over right after a step has looked: it has just missed it. The frame with the safe outputs
/// reaches the terminal two periods later. In virtual time no wake-up is late and sending takes nothing: on a machine both come on top.
#[test]
// SR-066
fn from_the_arrival_of_a_datagram_to_the_safe_frame_on_the_wire_it_takes_at_most_two_periods() {
    let (mut least, mut most) = (u64::MAX, 0);
    // Pictures come every 40.013 ms: each time at another moment of the cycle.
    for at_ms in [13_000, 13_700, 14_400, 15_100, 15_800, 16_500, 17_200] {
        let text = alone().replace("period = \"40 ms\"\ndelay", "period = \"40.013 ms\"\ndelay");
        let event = format!(
            "[[scenario.event]]\nat = \"{at_ms} ms\"\ncamera = \"overhead\"\nfault = \"poor\"\nfor = \"1 s\"\n"
        );
        let machine = config::load(&(text + &event), "cell").unwrap_or_else(|e| panic!("{e}"));
        let mut rig = Rig::new(&machine, &machine, 5);
        let (mut ran, mut left) = (false, None);
        for _ in 0..20_000 {
            rig.one();
            let link = rig.cycle.bus_mut().link_mut().wire_mut();
            let (frame_at, lit) = (link.last_frame().0, link.world().output(LAMP_RUNNING));
            if ran && !lit {
                left = Some(frame_at);
                break;
            }
            // What came before is the start.
            ran = lit && time::now() > START_NS + 12_000_000_000;
        }
        let left = left.expect("it stopped");
        let took = left - rig.judge.inputs()[0].received_at;
        (least, most) = (least.min(took), most.max(took));
    }
    println!("datagram to safe frame: {least} to {most} ns of 1000000 a period");
    assert!(most <= 2 * 1_000_000 + PHASE_NS, "{most} ns");
    assert!(least > 1_000_000, "{least} ns: a step that it has missed cannot answer");
}
