use super::*;
use crate::bus::{BusState, Exchange, Pace};
use crate::flight::{OVERRUN, TriggerKind, WOKE_LATE};
use crate::plan::{
    Cause, Effect, GroupId, InterlockId, InterlockPlan, MachinePlan, OverrunLimit, Reaction,
    StreamPlan,
};
use crate::program::Sequence;
use crate::record::{Body, CycleRecord, Event};
use crate::signal::SignalId;
use crate::step::testing::machine_plan;
use crate::vision::{INSPECTION_LENGTH, Refusal, StreamId, Verdict, crc32};
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;

const PERIOD: u64 = 1_000;

proptest::proptest! {
    /// Wake-ups and ends at any time: late by parts and by many periods, over by parts and by many periods.
    #[test]
    fn the_phase_is_kept_nothing_comes_in_a_burst_and_every_period_is_accounted_for(
        delays in proptest::collection::vec((0_u64..3 * PERIOD, 0_u64..3 * PERIOD, 0_u8..20), 1..300),
    ) {
        let first = 17_777;
        let mut schedule = Schedule::new(first, PERIOD);
        let mut now = first - PERIOD;
        let (mut cycles, mut skipped_sum, mut last_due) = (0_u64, 0_u64, None);
        for (late, work, freeze) in delays {
            proptest::prop_assert!(schedule.next() > now || cycles == 0, "the next is in the future");
            proptest::prop_assert_eq!((schedule.next() - first) % PERIOD, 0, "the phase is kept");
            now = now.max(schedule.next()) + if freeze == 0 { 1000 * PERIOD } else { late };
            let (latency, skipped) = schedule.woke(now);
            let due = now - latency;
            proptest::prop_assert!(latency < PERIOD);
            proptest::prop_assert_eq!((due - first) % PERIOD, 0);
            proptest::prop_assert!(last_due.is_none_or(|last| due >= last + PERIOD), "no burst");
            last_due = Some(due);
            cycles += 1;
            skipped_sum += u64::from(skipped);
            proptest::prop_assert_eq!(cycles + skipped_sum, (due - first) / PERIOD + 1);
            now += work;
            schedule.ended(now);
        }
        let due = last_due.unwrap();
        proptest::prop_assert_eq!(cycles + schedule.missed(), (schedule.next() - first) / PERIOD);
        proptest::prop_assert!(schedule.next() > due);
    }
}

proptest::proptest! {
    /// Any wishes, of any size: each moves one due time by at most 1 % of the period, and the sum of what was taken is the phase.
    #[test]
    fn a_trim_moves_the_phase_by_at_most_one_percent_a_cycle_and_by_nothing_else(
        cycles in proptest::collection::vec((proptest::num::i32::ANY, 0_u64..5 * PERIOD), 1..300),
    ) {
        let first = 1_000_000;
        let mut schedule = Schedule::new(first, PERIOD);
        let mut phase = i128::from(first);
        for (wish, work) in cycles {
            let due = schedule.next();
            schedule.woke(due);
            let taken = schedule.trim(wish);
            proptest::prop_assert_eq!(taken, i64::from(wish).clamp(-10, 10));
            schedule.ended(due + work);
            phase += i128::from(taken);
            let period = i128::from(PERIOD);
            proptest::prop_assert_eq!((i128::from(schedule.next()) - phase).rem_euclid(period), 0);
            proptest::prop_assert!(schedule.next() > due + work, "no burst");
            let least = due + PERIOD - 10;
            proptest::prop_assert!(schedule.next() >= least, "{} < {least}", schedule.next());
        }
    }
}

#[test]
fn a_trim_is_taken_once_and_the_newest_wish_counts() {
    let mut schedule = Schedule::new(PERIOD, PERIOD);
    schedule.woke(PERIOD);
    assert_eq!((schedule.trim(7), schedule.trim(-3)), (7, -3));
    schedule.ended(PERIOD);
    assert_eq!(schedule.next(), 2 * PERIOD - 3);
    schedule.woke(schedule.next());
    schedule.ended(schedule.next());
    assert_eq!(schedule.next(), 3 * PERIOD - 3, "once");
}

#[test]
fn a_trim_ahead_of_the_end_of_the_cycle_skips_a_period_on_the_new_phase() {
    let mut schedule = Schedule::new(PERIOD, PERIOD);
    schedule.woke(PERIOD);
    schedule.trim(-10);
    schedule.ended(2 * PERIOD - 5);
    assert_eq!((schedule.overruns(), schedule.missed()), (1, 1));
    assert_eq!(schedule.next(), 3 * PERIOD - 10);
}

#[test]
fn a_cycle_that_ends_exactly_when_the_next_is_due_is_an_overrun() {
    let mut schedule = Schedule::new(PERIOD, PERIOD);
    assert_eq!(schedule.woke(PERIOD), (0, 0));
    schedule.ended(2 * PERIOD - 1);
    assert_eq!((schedule.overruns(), schedule.missed(), schedule.next()), (0, 0, 2 * PERIOD));
    schedule.woke(2 * PERIOD);
    schedule.ended(3 * PERIOD);
    assert_eq!((schedule.overruns(), schedule.missed(), schedule.next()), (1, 1, 4 * PERIOD));
    assert_eq!(schedule.woke(4 * PERIOD), (0, 1), "and the next cycle is told");
}

#[test]
fn a_wake_up_that_is_early_by_a_clock_that_stepped_is_not_late() {
    let mut schedule = Schedule::new(5 * PERIOD, PERIOD);
    assert_eq!(schedule.woke(4 * PERIOD), (0, 0));
}

/// Virtual time that can freeze: sleeping and working take as long as the script says.
#[derive(Default)]
struct Script {
    now: u64,
    late: u64,
    work: u64,
    trim: i32,
}

struct VirtualClock(Rc<RefCell<Script>>);

impl Clock for VirtualClock {
    fn now(&self) -> u64 {
        self.0.borrow().now
    }

    fn sleep_until(&mut self, wake: u64) -> u64 {
        let mut script = self.0.borrow_mut();
        script.now = script.now.max(wake) + script.late;
        script.now
    }
}

/// A bus that brings one good signal and remembers when it was asked.
struct Loop {
    script: Rc<RefCell<Script>>,
    asked: Vec<(u64, u64)>,
    order: Vec<&'static str>,
}

impl Bus for Loop {
    fn exchange(&mut self, now: u64, deadline: u64) -> Exchange {
        self.asked.push((now, deadline));
        self.order.push("exchange");
        let mut script = self.script.borrow_mut();
        script.now += script.work;
        let received_at = script.now;
        Exchange { state: BusState::Operational, received_at, ..Exchange::default() }
    }

    fn pace(&self) -> Pace {
        Pace { trim_ns: self.script.borrow().trim, ..Pace::default() }
    }

    fn decode(&mut self, signals: &mut Signals) {
        self.order.push("decode");
        signals.set(SignalId(0), 0, self.script.borrow().now);
    }

    fn encode(&mut self, signals: &Signals) {
        self.order.push("encode");
        assert_eq!(signals.get(SignalId(30)).at, self.script.borrow().now, "outputs are written");
    }
}

#[derive(Default)]
struct Kept {
    vision: VisionInputs,
    inspections: Vec<Inspected>,
    cycles: Vec<CycleRecord>,
    events: Vec<(u64, Event)>,
    shown: u64,
    shutdown: bool,
    frozen: Vec<Ring>,
}

impl Ports for Kept {
    fn vision(&mut self) -> &VisionInputs {
        &self.vision
    }

    fn inspection(&mut self) -> Option<Inspected> {
        (!self.inspections.is_empty()).then(|| self.inspections.remove(0))
    }

    fn command(&mut self) -> Command {
        Command { shutdown: self.shutdown, supervisor_at: 1 }
    }

    fn record(&mut self, record: Record) {
        match record.body {
            Body::Cycle(cycle) => self.cycles.push(cycle),
            Body::Event(event) => self.events.push((record.cycle, event)),
            Body::Axis(_)
            | Body::Signal { .. }
            | Body::Stamp { .. }
            | Body::Command(_)
            | Body::Picture(_)
            | Body::Result(_)
            | Body::Separation(_) => {}
        }
    }

    fn publish(&mut self, snapshot: &Snapshot) {
        self.shown = snapshot.cycle + 1;
    }

    fn freeze(&mut self, ring: &mut Box<Ring>) -> bool {
        let empty = Ring::new(ring.capacity());
        self.frozen.push(core::mem::replace(&mut **ring, empty));
        true
    }
}

type VirtualLoop = (Rc<RefCell<Script>>, Cycle<Loop, VirtualClock, Sequence, Kept>);

fn virtual_loop() -> VirtualLoop {
    virtual_loop_of(machine_plan())
}

/// Stops at a single missed cycle; the two groups belong to one interlock.
fn safe_stop_after_none() -> MachinePlan {
    let mut plan = machine_plan();
    plan.overrun.demand = Some(OverrunLimit { count: 0, cycles: 10 });
    let effects = [0, 1].map(|group| Effect { group: GroupId(group), reaction: Reaction::Stop1 });
    let effects = effects.into_iter().collect();
    plan.interlocks = [InterlockPlan {
        cause: Cause::Overrun,
        effects,
        latch: true,
        when: crate::plan::When::Always,
        outputs: Box::default(),
        blocks: Box::default(),
    }]
    .into_iter()
    .collect();
    plan
}

fn virtual_loop_of(plan: MachinePlan) -> VirtualLoop {
    let script = Rc::new(RefCell::new(Script { now: 5_000_000, ..Script::default() }));
    let program = Sequence::new(&plan);
    let core = Core::new(plan, program).unwrap();
    let bus = Loop { script: script.clone(), asked: Vec::new(), order: Vec::new() };
    let clock = VirtualClock(script.clone());
    (script, Cycle::new(bus, clock, core, Kept::default(), 300_000))
}

#[test]
fn one_pass_exchanges_decodes_steps_encodes_and_publishes_on_the_beat() {
    let (_, mut cycle) = virtual_loop();
    for _ in 0..3 {
        assert!(cycle.run_one());
    }
    let due = [6_000_000, 7_000_000, 8_000_000];
    assert_eq!(cycle.bus().asked, due.map(|due| (due, due + 300_000)));
    assert_eq!(cycle.bus().order[..3], ["exchange", "decode", "encode"]);
    assert_eq!(cycle.ports_mut().shown, 3);
    let report = cycle.report();
    assert_eq!((report.cycles, report.overruns, report.missed), (3, 0, 0));
    assert_eq!(report.execution_time_ns, Quantiles::default(), "nothing takes time here");
}

/// The result of trigger `trigger`: a bad part.
fn inspected(config_hash: u64, trigger: u64) -> Inspected {
    let mut bytes = [0; INSPECTION_LENGTH];
    bytes[..4].copy_from_slice(b"TVIS");
    bytes[4..6].copy_from_slice(&[2, 3]);
    bytes[6] = 7;
    bytes[8..16].copy_from_slice(&config_hash.to_le_bytes());
    bytes[16..24].copy_from_slice(&trigger.to_le_bytes());
    bytes[24..32].copy_from_slice(&4_900_000_u64.to_le_bytes());
    bytes[36..38].copy_from_slice(&[90, 1]);
    bytes[40..48].copy_from_slice(&trigger.to_le_bytes());
    bytes[48] = 2;
    let crc = crc32(&bytes[..INSPECTION_LENGTH - 4]);
    bytes[INSPECTION_LENGTH - 4..].copy_from_slice(&crc.to_le_bytes());
    Inspected { bytes, received_at: 5_000_000, sequence_good: true, ..Inspected::default() }
}

#[test]
// SR-071
fn inspection_results_are_taken_one_and_all_in_order_a_few_a_cycle_and_verified() {
    let stream = StreamPlan { wire_id: 7, age_max_ns: 100_000_000, quality_min: 60 };
    let plan = MachinePlan { streams: Box::new([stream]), ..machine_plan() };
    let hash = plan.config_hash;
    let (_, mut cycle) = virtual_loop_of(plan);
    let mut results: Vec<_> = (1..=10).map(|trigger| inspected(hash, trigger)).collect();
    results[8].bytes[40] ^= 1;
    cycle.ports_mut().inspections = results;
    for _ in 0..3 {
        cycle.run_one();
    }
    let told = cycle.ports_mut().events.iter().filter_map(|(at, event)| match event {
        Event::Inspection { stream: StreamId(0), trigger, verdict, refusal } => {
            Some((*at, *trigger, *verdict, *refusal))
        }
        _ => None,
    });
    let told: Vec<_> = told.collect();
    let expected = (1..=10_u64).map(|trigger| {
        let at = (trigger - 1) / 4;
        match trigger {
            9 => (at, 0, Verdict::Unknown, Some(Refusal::Crc)),
            _ => (at, trigger, Verdict::Bad, None),
        }
    });
    assert_eq!(told, expected.collect::<Vec<_>>());
}

/// 5 cycles before a trigger, 2 after.
fn recorded_loop() -> (Rc<RefCell<Script>>, Cycle<Loop, VirtualClock, Sequence, Kept>) {
    let (script, cycle) = virtual_loop();
    let period = cycle.core().plan().period_ns;
    let plan = FlightPlan { before_ns: 5 * period, after_ns: 2 * period };
    (script, cycle.with_flight(Flight::new(period, plan)))
}

#[test]
fn a_bus_that_stalls_is_frozen_with_its_cycle_and_the_phase_that_took_the_time() {
    let (script, mut cycle) = recorded_loop();
    (0..20).for_each(|_| {
        let _ = cycle.run_one();
    });
    script.borrow_mut().work = 1_300_000;
    cycle.run_one();
    script.borrow_mut().work = 0;
    (0..10).for_each(|_| {
        let _ = cycle.run_one();
    });
    let frozen = &cycle.ports_mut().frozen;
    assert_eq!(frozen.len(), 1);
    let trigger = frozen[0].trigger();
    assert_eq!((trigger.kind, trigger.cycle), (TriggerKind::Overrun, 20));
    let cycles: Vec<u64> = frozen[0].cycles().map(|stamps| stamps.cycle).collect();
    assert_eq!(cycles, (15..23).collect::<Vec<_>>());
    let stalled = frozen[0].cycles().find(|stamps| stamps.cycle == 20).unwrap();
    assert!(stalled.is(OVERRUN));
    let longest = stalled.phases().max_by_key(|(_, _, took)| *took).unwrap();
    assert_eq!((longest.0, longest.2), (Phase::Receive, 1_300_000));
}

#[test]
fn a_loop_that_wakes_periods_late_is_frozen_with_the_cycle_that_did() {
    let (script, mut cycle) = recorded_loop();
    (0..20).for_each(|_| {
        let _ = cycle.run_one();
    });
    script.borrow_mut().late = 3_400_000;
    cycle.run_one();
    script.borrow_mut().late = 0;
    cycle.land();
    let frozen = &cycle.ports_mut().frozen;
    assert_eq!(frozen.len(), 1, "the end does not wait for what comes after");
    let late = frozen[0].cycles().last().unwrap();
    assert_eq!((late.cycle, late.skipped, late.latency_ns), (20, 3, 400_000));
    assert!(late.is(WOKE_LATE) && !late.is(OVERRUN));
}

#[test]
fn a_freeze_is_counted_told_and_not_made_up_for() {
    let (script, mut cycle) = virtual_loop();
    cycle.run_one();
    script.borrow_mut().late = 20_250_000;
    cycle.run_one();
    script.borrow_mut().late = 0;
    cycle.run_one();
    let asked: Vec<u64> = cycle.bus().asked.iter().map(|(now, _)| *now).collect();
    assert_eq!(asked, [6_000_000, 27_250_000, 28_000_000]);
    let skipped: Vec<u32> = cycle.ports_mut().cycles.iter().map(|cycle| cycle.skipped).collect();
    assert_eq!(skipped, [0, 20, 0]);
    assert_eq!(cycle.ports_mut().cycles[1].latency_ns, 250_000);
    assert_eq!(cycle.report().missed, 20);
    assert_eq!(cycle.report().wake_up_latency_ns.max, 250_000);
}

fn overruns(cycle: &mut Cycle<Loop, VirtualClock, Sequence, Kept>) -> Vec<(u64, Event)> {
    let events = cycle.ports_mut().events.iter();
    events.filter(|(_, event)| matches!(event, Event::Overrun { .. })).copied().collect()
}

#[test]
fn a_freeze_of_three_and_a_half_seconds_is_one_event_with_every_cycle_it_took_and_then_safe() {
    // given a machine that stops after one missed cycle in ten, and that runs on time
    let (script, mut cycle) = virtual_loop_of(safe_stop_after_none());
    for _ in 0..5 {
        cycle.run_one();
    }
    let demanded = Event::Demand { interlock: InterlockId(0) };
    assert!(cycle.ports_mut().events.iter().all(|(_, event)| *event != demanded));
    // when everything stands still for 3.5 s, from 100 µs after a cycle was due
    script.borrow_mut().late = 3_500_100_000;
    cycle.run_one();
    script.borrow_mut().late = 0;
    for _ in 0..20 {
        cycle.run_one();
    }
    // then there is one event, in the first cycle after it, with every cycle that was missed
    assert_eq!(overruns(&mut cycle), [(5, Event::Overrun { missed: 3_500 })]);
    assert_eq!(cycle.report().missed, 3_500);
    assert_eq!(cycle.report().overruns, 1);
    // and in that very cycle the machine has its demand, and is and stays safe
    let demands: Vec<u64> = cycle
        .ports_mut()
        .events
        .iter()
        .filter(|(_, event)| *event == demanded)
        .map(|(at, _)| *at)
        .collect();
    assert_eq!(demands, [5]);
    let last = cycle.ports_mut().cycles.last().copied().unwrap();
    assert_eq!(last.machine, crate::record::MachineState::Safe);
    // and the cycles after it are on the beat, none made up for
    let asked: Vec<u64> = cycle.bus().asked.iter().map(|(now, _)| *now).collect();
    assert_eq!(asked[5], 11_000_000 + 3_500_100_000);
    assert_eq!(asked[6..9], [1, 2, 3].map(|n| 11_000_000 + 3_500_000_000 + n * 1_000_000));
}

#[test]
fn with_the_policy_skip_a_freeze_is_an_event_and_no_demand() {
    let (script, mut cycle) = virtual_loop();
    script.borrow_mut().late = 3_500_000_000;
    cycle.run_one();
    assert_eq!(overruns(&mut cycle), [(0, Event::Overrun { missed: 3_500 })]);
    let demands = cycle.ports_mut().events.iter();
    assert_eq!(demands.filter(|(_, event)| matches!(event, Event::Demand { .. })).count(), 0);
}

#[test]
fn work_over_the_period_is_an_overrun_and_the_next_cycle_is_on_the_beat() {
    let (script, mut cycle) = virtual_loop();
    script.borrow_mut().work = 1_400_000;
    cycle.run_one();
    script.borrow_mut().work = 400_000;
    cycle.run_one();
    cycle.run_one();
    let asked: Vec<u64> = cycle.bus().asked.iter().map(|(now, _)| *now).collect();
    assert_eq!(asked, [6_000_000, 8_000_000, 9_000_000]);
    let report = cycle.report();
    assert_eq!((report.overruns, report.missed), (1, 1));
    assert_eq!(report.execution_time_ns.max, 1_400_000);
    let told: Vec<u32> = cycle.ports_mut().cycles.iter().map(|cycle| cycle.execution_ns).collect();
    assert_eq!(told, [0, 1_400_000, 400_000]);
}

#[test]
fn a_trim_that_the_bus_asks_for_moves_the_wake_ups_that_follow() {
    let (script, mut cycle) = virtual_loop();
    script.borrow_mut().trim = 250;
    cycle.run_one();
    script.borrow_mut().trim = -1_000_000;
    cycle.run_one();
    script.borrow_mut().trim = 0;
    cycle.run_one();
    cycle.run_one();
    let asked: Vec<u64> = cycle.bus().asked.iter().map(|(now, _)| *now).collect();
    assert_eq!(asked, [6_000_000, 7_000_250, 7_990_250, 8_990_250], "-1 % of 1 ms is the most");
}

#[test]
fn after_the_controlled_end_the_loop_may_be_left() {
    let (_, mut cycle) = virtual_loop();
    assert!(cycle.run_one());
    cycle.ports_mut().shutdown = true;
    assert!(!cycle.run_one(), "nothing has power: done at once");
}
