//! What hangs does not drop: whatever happens to bus, inputs, drives and loop, at whatever instant, with one exception: what the
//! certified chain (or the supply) does. And a stop that does not happen is found.
//!
//! Each scenario is the demo cell with a few drawn events, in virtual time. `TACTUS_DROPS=n` runs n of them instead of the usual few.

use std::fs;

use config::Machine;
use fieldbus::link::{InlineLink, Link as _};
use fieldbus::{bring_up, time};
use rt_core::cycle::{Command, Cycle};
use rt_core::plan::{AxisId, GroupId};
use rt_core::program::Sequence;
use rt_core::record::{Body, Event, GateLimit, MachineState};
use rt_core::step::Core;
use supervisor::cell::{Cell, Disturbed};
use supervisor::drain::{self, LoopPorts, Outside};
use supervisor::vision::Judge;
use tactus_tests::machine;
use tactus_tests::virtual_time::Clock;

/// Downward motion of a load that shall rest, mm: more is a drop.
const DROP_MM: f64 = 0.5;
/// What a moving axis may be below its set-points of the last 50 ms, mm: following error and its own swing.
const BELOW_MM: f64 = 3.0;
/// It stands: slower than this, mm/s, for so many cycles.
const STANDS: (f64, u32) = (2.0, 20);
/// After a stop began it stands within so many cycles.
const STOP_CYCLES_MAX: u32 = 1500;
const START_NS: u64 = 1_000_000_000;
const PERIOD_NS: u64 = 1_000_000;
const SCENARIOS: u64 = 60;

type Loop = Cycle<fieldbus::EtherCat<Disturbed<InlineLink<Cell>>>, Clock, Sequence, LoopPorts>;

/// The demo cell, cycle by cycle, with everything in view.
struct Rig {
    cycle: Loop,
    outside: Outside,
    judge: Judge,
    events: Vec<(u64, Event)>,
    number: u64,
}

impl Rig {
    fn new(machine: &Machine, seed: u64) -> Self {
        let cell = Cell::new(machine, seed, START_NS, 60 * START_NS, None).expect("the cell");
        let disturbance = cell.disturbance();
        let link = Disturbed::new(InlineLink::new(cell, START_NS), disturbance);
        let bus = bring_up(link, &machine.bus, &mut |_| {}).unwrap_or_else(|e| panic!("{e}"));
        let (ports, outside) = drain::channels(machine.plan.axes.len());
        let core = Core::new(machine.plan.clone(), Sequence::new(&machine.plan)).expect("a plan");
        let now = bus.aligned_start(time::now());
        time::advance_virtual(now);
        let deadline = machine.cycle.receive_deadline_ns;
        let cycle = Cycle::new(bus, Clock::default(), core, ports, deadline);
        let judge = Judge::new(&machine.plan.streams, machine.hash64);
        Self { cycle, outside, judge, events: Vec::new(), number: 0 }
    }

    /// One cycle; false: the loop has ended.
    fn run_one(&mut self, shutdown: bool) -> bool {
        let supervisor_at = time::now();
        self.outside.command.write(Command { shutdown, supervisor_at });
        let more = self.cycle.run_one();
        while let Some(bytes) = self.cell().take_datagram() {
            if self.judge.take(&bytes, time::now()).is_some() {
                self.outside.vision.write(*self.judge.inputs());
            }
        }
        let (events, number) = (&mut self.events, self.number);
        self.outside.records.drain(usize::MAX, |_, record| {
            if let Body::Event(event) = record.body {
                events.push((number, event));
            }
        });
        self.number += 1;
        more
    }

    /// The loop is gone: only the segment and the world go on.
    fn idle_one(&mut self) {
        let until = time::now() + PERIOD_NS;
        self.cycle.bus_mut().link_mut().idle(until);
    }

    fn cell(&mut self) -> &mut Cell {
        self.cycle.bus_mut().link_mut().inner_mut().wire_mut()
    }

    /// Where the load of z truly is, and its velocity.
    fn z(&mut self) -> (f64, f64) {
        let axis = self.cell().world().axis(1).expect("z is the second axis of the world");
        (axis.position, axis.velocity)
    }

    fn permitted(&self) -> bool {
        let status = self.cycle.core().status();
        status.groups[0].permit && status.machine == MachineState::Run
    }

    /// Where z is commanded to be; `None` while it has no reference, or no torque.
    fn commanded(&self) -> Option<f64> {
        let axis = &self.cycle.core().axes()[1];
        (axis.is_referenced() && axis.is_enabled()).then(|| axis.commanded_position().units())
    }
}

/// What is expected of the load.
enum Expect {
    /// It may move as commanded.
    Moving,
    /// It comes to rest, not below this.
    Stopping { lowest: f64, standing: u32, since: u32 },
    /// It rests here.
    Rest(f64),
}

/// How far it may still go down when it moves like this and is being stopped, mm. At worst the loop was gone just now: 100 ms on, then
/// the quick stop at 6 m/s².
fn still_down(velocity: f64) -> f64 {
    let down = (-velocity).max(0.0);
    down * 0.11 + down * down / 12_000.0 + DROP_MM
}

/// Watches the load of z.
struct Watch {
    expect: Expect,
    commanded: Vec<f64>,
    /// The furthest it was below where it had to be, mm.
    drop: f64,
}

impl Watch {
    fn new(rig: &mut Rig) -> Self {
        let (position, _) = rig.z();
        Self { expect: Expect::Rest(position), commanded: Vec::new(), drop: 0.0 }
    }

    fn cycle(&mut self, rig: &mut Rig, alive: bool) {
        let (position, velocity) = rig.z();
        let moving = alive && rig.permitted();
        self.expect = match self.expect {
            _ if moving => Expect::Moving,
            Expect::Moving => {
                let lowest = position - still_down(velocity);
                Expect::Stopping { lowest, standing: 0, since: 0 }
            }
            Expect::Stopping { standing, .. } if standing >= STANDS.1 => Expect::Rest(position),
            Expect::Stopping { lowest, standing, since } => {
                assert!(since < STOP_CYCLES_MAX, "cycle {}: it does not come to rest", rig.number);
                let stands = velocity.abs() < STANDS.0;
                let standing = if stands { standing + 1 } else { 0 };
                // The slower it is, the less it may still go: a load that stood and falls has used up nothing.
                let lowest = lowest.max(position - still_down(velocity));
                Expect::Stopping { lowest, standing, since: since + 1 }
            }
            Expect::Rest(at) => Expect::Rest(at),
        };
        let below = match self.expect {
            Expect::Moving => {
                self.commanded.extend(rig.commanded());
                let first = self.commanded.len().saturating_sub(50);
                self.commanded.drain(..first);
                let full = self.commanded.len() == 50;
                let lowest = self.commanded.iter().copied().fold(f64::INFINITY, f64::min);
                if full { lowest - position - BELOW_MM } else { 0.0 }
            }
            Expect::Stopping { lowest, .. } => {
                self.commanded.clear();
                lowest - position
            }
            Expect::Rest(at) => at - position,
        };
        self.drop = self.drop.max(below);
    }
}

/// A number that looks drawn.
struct Draw(u64);

impl Draw {
    fn next(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[usize::try_from(self.next(of.len() as u64)).unwrap()]
    }
}

/// How a scenario ends, at a cycle.
#[derive(Clone, Copy, Debug)]
enum End {
    /// A person asks for the controlled end.
    Shutdown(u64),
    /// The process is killed.
    Kill(u64),
}

/// What may happen that is not the certified chain's doing: TOML behind the demo cell's own.
fn event(draw: &mut Draw) -> String {
    let at = 1_000 + draw.next(14_000);
    let ms = 1 + draw.next(1_200);
    let what = match draw.next(13) {
        0 => format!("press = [\"estop_a\", \"estop_b\"]\nfor = \"{ms} ms\""),
        1 => format!("press = [\"estop_a\"]\nfor = \"{ms} ms\""),
        2 => format!("press = [\"door_a\", \"door_b\"]\nfor = \"{ms} ms\""),
        3 => format!("press = [\"stop_button\"]\nfor = \"{ms} ms\""),
        4 | 5 => {
            let axis = draw.pick(&["x", "z", "belt"]);
            format!("drive_fault = \"{axis}\"\nfor = \"{ms} ms\"")
        }
        6 => format!("bus = \"lose\"\nframes = {}", 1 + draw.next(300)),
        7 => {
            let kind = draw.pick(&["corrupt", "duplicate", "foreign"]);
            format!("bus = \"{kind}\"\nframes = {}", 1 + draw.next(40))
        }
        8 => {
            let device = draw.pick(&["drive_x", "drive_z", "drive_belt", "outputs", "inputs"]);
            format!("bus = \"unplug\"\ndevice = \"{device}\"")
        }
        9 => {
            let device = draw.pick(&["drive_x", "drive_belt", "inputs", "outputs"]);
            format!("bus = \"power_off\"\ndevice = \"{device}\"")
        }
        10 => {
            let axis = draw.pick(&["x", "z"]);
            format!("runs_on = \"{axis}\"\nobeys = \"quick_stop\"\nfor = \"{ms} ms\"")
        }
        11 => format!("camera = \"overhead\"\nfault = \"silent\"\nfor = \"{ms} ms\""),
        _ => format!("bus = \"delay\"\ndelay = \"900 us\"\nframes = {}", 1 + draw.next(200)),
    };
    format!("[[scenario.event]]\nat = \"{at} ms\"\n{what}\n")
}

/// A scenario: the machine file, and how it ends.
fn scenario(seed: u64) -> (String, End) {
    let mut draw = Draw(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    for _ in 0..8 {
        draw.next(2);
    }
    let mut text = demo();
    let stop = draw.pick(&["stop 2", "stop 1", "stop 0"]);
    // An emergency stop is never category 2.
    let rows = if stop == "stop 2" { 2 } else { 3 };
    let effects = format!("effects = {{ all = \"{stop}\" }}");
    text = text.replacen("effects = { all = \"stop 1\" }", &effects, rows);
    if draw.next(3) == 0 {
        let order = "order = [\"stop 2\", \"stop 0\", \"stop 1\"]";
        text = text.replacen(order, &format!("{order}\ncategory_1 = \"quick stop\""), 1);
    }
    for _ in 0..1 + draw.next(3) {
        text.push_str(&event(&mut draw));
    }
    let at = 2_000 + draw.next(15_000);
    (text, if draw.next(2) == 0 { End::Shutdown(at) } else { End::Kill(at) })
}

fn demo() -> String {
    fs::read_to_string(machine("demo-cell.toml")).expect("we ship it")
}

fn load(text: &str) -> Machine {
    config::load(text, "scenario.toml")
        .unwrap_or_else(|wrong| panic!("{}", wrong.render(config::Style::Plain, 100)))
}

/// Runs it to its end and 1.5 s beyond; the drop, and what happened.
fn drop_of(machine: &Machine, seed: u64, end: End) -> (f64, Rig) {
    let mut rig = Rig::new(machine, seed);
    let mut watch = Watch::new(&mut rig);
    let (End::Shutdown(last) | End::Kill(last)) = end;
    let mut alive = true;
    while alive && rig.number < last {
        alive = rig.run_one(false);
        watch.cycle(&mut rig, true);
    }
    if matches!(end, End::Shutdown(_)) {
        while alive && rig.number < last + 12_000 {
            alive = rig.run_one(true);
            watch.cycle(&mut rig, true);
        }
    }
    for _ in 0..1_500 {
        rig.idle_one();
        watch.cycle(&mut rig, false);
    }
    time::set_monotonic();
    (watch.drop, rig)
}

#[test]
fn what_hangs_drops_in_no_scenario_that_the_certified_chain_does_not_cause() {
    let count = std::env::var("TACTUS_DROPS").ok().and_then(|n| n.parse().ok());
    let (mut stops, mut cycles) = (0, 0);
    for seed in 1..=count.unwrap_or(SCENARIOS) {
        let (text, end) = scenario(seed);
        let (drop, rig) = drop_of(&load(&text), seed, end);
        let events = text.split("# bus = \"lose\"").last().unwrap_or_default();
        assert!(drop <= DROP_MM, "seed {seed}, {end:?}: dropped {drop:.2} mm\n{events}");
        stops += rig.events.iter().filter(|(_, e)| matches!(e, Event::Stopped { .. })).count();
        cycles += rig.number;
    }
    println!("{cycles} cycles, {stops} stops, no drop");
    assert!(stops > 30, "too little was stopped, so nothing was tested: {stops}");
}

/// At this cycle z is homed and carries a part, or is on its way.
const BUSY: u64 = 9_000;

#[test]
fn a_brake_that_comes_after_the_torque_is_found() {
    // The loop believes that the brake is on an output, does not hang and closes at once: it takes the voltage as soon as z stands,
    // and the drive closes its brake after that. World and drive are what they are.
    let mut machine = load(&demo());
    let lamp = machine.names.signal("lamp_running");
    machine.plan.axes[1].vertical = false;
    if let Some(brake) = &mut machine.plan.axes[1].brake {
        (brake.release, brake.engage_ns) = (lamp, 1);
    }
    let (drop, _) = drop_of(&machine, 1, End::Shutdown(BUSY));
    assert!(drop > DROP_MM, "the metric does not see a brake after torque: {drop:.2} mm");
    let (sound, _) = drop_of(&load(&demo()), 1, End::Shutdown(BUSY));
    assert!(sound <= DROP_MM, "{sound:.2} mm");
}

#[test]
fn what_the_safety_chain_takes_at_once_drops_until_the_brake_holds_and_no_further() {
    let text = format!("{}[[scenario.event]]\nat = \"9 s\"\nsafe_torque_off = \"z\"\n", demo());
    let machine = load(&text);
    let (drop, _) = drop_of(&machine, 1, End::Kill(BUSY + 1_000));
    let fall = supervisor::stops::of(&machine)[1].fall.expect("it hangs");
    // From rest; what moves when it is hit falls from its speed.
    assert!(drop > DROP_MM, "{drop:.2} mm");
    assert!(drop < fall + 40.0, "{drop:.2} mm of {fall:.2}");
}

#[test]
fn with_the_delay_of_safe_stop_1_the_chain_drops_nothing() {
    for at in [4_000, 7_500, 9_000, 9_400, 10_200, 11_100] {
        let press = "press = [\"estop_a\", \"estop_b\"]\nfor = \"3 s\"";
        let text = format!("{}[[scenario.event]]\nat = \"{at} ms\"\n{press}\n", demo());
        let (drop, rig) = drop_of(&load(&text), 3, End::Kill(at + 2_000));
        assert!(drop <= DROP_MM, "at {at} ms: {drop:.2} mm");
        assert!(rig.events.iter().any(|(_, event)| matches!(event, Event::Trip { .. })));
    }
}

/// Cycle in which the event was told first, after `from`.
fn first(rig: &Rig, from: u64, is: impl Fn(&Event) -> bool) -> Option<u64> {
    rig.events.iter().find(|(at, event)| *at >= from && is(event)).map(|(at, _)| *at)
}

#[test]
fn a_drive_that_runs_on_is_quick_stopped_or_loses_its_power_within_the_time_that_is_said() {
    for (axis, obeys, way) in [
        ("x", "quick_stop", rt_core::plan::StopWay::QuickStop),
        ("x", "power", rt_core::plan::StopWay::PowerRemoval),
        ("belt", "quick_stop", rt_core::plan::StopWay::QuickStop),
    ] {
        // It runs on from the moment at which the door opens, while x is on its way.
        let at = fast(axis);
        let text = format!(
            "{}[[scenario.event]]\nat = \"{at} ms\"\nruns_on = \"{axis}\"\nobeys = \"{obeys}\"\n\
             [[scenario.event]]\nat = \"{at} ms\"\npress = [\"door_a\", \"door_b\"]\n",
            demo()
        );
        let machine = load(&text);
        let (_, rig) = drop_of(&machine, 1, End::Kill(u64::from(at) + 1_500));
        let trip = first(&rig, 0, |event| matches!(event, Event::Trip { .. })).expect("a trip");
        let found =
            first(&rig, trip, |event| matches!(event, Event::Escalated { to, .. } if *to == way));
        let number = if axis == "x" { 0 } else { 2 };
        let said = supervisor::stops::of(&machine)[number].found_after_ns / PERIOD_NS;
        // The second is judged by the quick stop, which is steeper.
        let said = if obeys == "power" { 2 * said } else { said };
        let found = found.unwrap_or_else(|| panic!("{axis} {obeys}: {:?}", rig.events));
        assert!(found - trip <= said, "{axis} {obeys}: {} > {said}", found - trip);
    }
}

/// A time, ms, at which an axis is fast in the demo cell with seed 1.
fn fast(axis: &str) -> u32 {
    let machine = load(&demo());
    let mut rig = Rig::new(&machine, 1);
    let (number, speed) = if axis == "x" { (0, 500.0) } else { (2, 150.0) };
    let start = time::now() - START_NS;
    while rig.number < 20_000 {
        rig.run_one(false);
        let axis = &rig.cycle.core().axes()[number];
        let limit = rig.cycle.core().status().groups[0].permit;
        if limit && axis.is_referenced() && axis.commanded_velocity().abs() > speed {
            let at = (start + rig.number * PERIOD_NS) / 1_000_000;
            time::set_monotonic();
            return u32::try_from(at).expect("seconds");
        }
    }
    panic!("it is never fast")
}

#[test]
fn a_brake_that_does_not_hold_is_told_within_the_time_that_is_said() {
    let text = format!("{}[[scenario.event]]\nat = \"1 s\"\nbrake_fails = \"z\"\n", demo());
    let text =
        format!("{text}[[scenario.event]]\nat = \"9 s\"\npress = [\"door_a\", \"door_b\"]\n");
    let machine = load(&text);
    let (drop, rig) = drop_of(&machine, 1, End::Kill(BUSY + 2_500));
    assert!(drop > DROP_MM, "the world's brake holds: {drop:.2} mm");
    let off = first(&rig, 0, |event| matches!(event, Event::Trip { group: GroupId(0), .. }));
    let told = first(&rig, off.expect("a trip"), |event| {
        let limit = GateLimit::Fall;
        matches!(event, Event::GateViolation { axis: AxisId(1), limit: l, .. } if *l == limit)
    });
    // The stop, 80 ms for the brake, and 4 mm of falling at 1 m/s²: within half a second.
    let told = told.unwrap_or_else(|| panic!("never told: {:?}", rig.events));
    assert!(told - off.unwrap_or_default() < 500, "{told} {off:?}");
}
