use super::*;
use crate::bus::BusState;
use crate::plan::{AxisId, DualChannelKind, OverrunLimit};
use crate::step::log_testing::Kept;
use crate::step::testing::{MM, machine_plan};
use crate::vision::StreamId;
use alloc::vec::Vec;

const IN_A: SignalId = SignalId(3);
const IN_B: SignalId = SignalId(4);

/// Everything is well: inputs 1, bus up, zone 0 clear, axes homed and at rest at 100 mm.
struct Bench {
    interlocks: Interlocks,
    signals: Signals,
    exchange: Exchange,
    axes: Vec<AxisFacts>,
    stream: StreamView,
    overruns_exceeded: bool,
    supervisor_at: u64,
    stale_after_ns: u64,
    now: u64,
    kept: Kept,
}

fn facts_at_rest() -> AxisFacts {
    let mut facts = AxisFacts {
        position: Nano(100 * MM),
        commanded_stop: Nano(100 * MM),
        in_position_mode: true,
        following_error_max: Nano(5 * MM),
        margin: Nano(MM),
        ..AxisFacts::default()
    };
    facts.view.inputs_good = true;
    facts.view.referenced = true;
    facts.view.enabled = true;
    facts.view.follows_target = true;
    facts
}

impl Bench {
    fn new(rows: Vec<InterlockPlan>) -> Self {
        let mut plan = machine_plan();
        plan.interlocks = rows.into_boxed_slice();
        let mut signals = Signals::new(10);
        signals.set(IN_A, 1, 1000);
        signals.set(IN_B, 1, 1000);
        Self {
            interlocks: Interlocks::new(&plan),
            stale_after_ns: stale_after_ns(&plan),
            signals,
            exchange: Exchange {
                state: BusState::Operational,
                units_good: 0b11,
                units_all: 0b11,
                ..Exchange::default()
            },
            axes: alloc::vec![facts_at_rest(); 3],
            stream: StreamView { clear: 1, captured_at: 900, refusal: None },
            overruns_exceeded: false,
            supervisor_at: 1000,
            now: 1000,
            kept: Kept::default(),
        }
    }

    fn evaluate(&mut self) -> Vec<GroupDemand> {
        let streams = [self.stream];
        let facts = Facts {
            now: self.now,
            signals: &self.signals,
            exchange: &self.exchange,
            axes: &self.axes,
            streams: &streams,
            overruns_exceeded: self.overruns_exceeded,
            supervisor_at: self.supervisor_at,
            stale_after_ns: self.stale_after_ns,
        };
        self.interlocks.evaluate(&facts, &mut self.kept.log(self.now));
        self.interlocks.groups().to_vec()
    }

    fn stops(&mut self) -> bool {
        self.evaluate()[0].stop.is_some()
    }
}

fn row(cause: Cause, reaction: Reaction, latch: bool) -> InterlockPlan {
    let effects = [Effect { group: GroupId(0), reaction }];
    InterlockPlan { cause, effects: effects.into(), latch }
}

fn all_causes() -> Vec<Cause> {
    let axis = AxisId(0);
    let kind = DualChannelKind::GuardDoor;
    alloc::vec![
        Cause::DualChannel { a: IN_A, b: IN_B, discrepancy_ns: 5_000_000, kind },
        Cause::Zone { stream: StreamId(0), zone: 0 },
        Cause::TwinLimit { axis },
        Cause::TwinZone {
            axis,
            stream: StreamId(0),
            zone: 0,
            from: Nano(300 * MM),
            to: Nano(400 * MM)
        },
        Cause::FollowingError { axis },
        Cause::DriveFault { axis },
        Cause::TargetIgnored { axis },
        Cause::WorkingCounter { unit: 1, cycles: 3 },
        Cause::Bus,
        Cause::DcUnlocked,
        Cause::Overrun,
        Cause::Supervisor { age_max_ns: 10_000_000 },
        Cause::Input { signal: IN_A },
    ]
}

/// A bench with this cause alone, not latching, and whether it stops after `edit` for `cycles` cycles of 1 ms.
fn stops_after(cause: Cause, cycles: u32, edit: impl Fn(&mut Bench)) -> bool {
    let mut bench = Bench::new(alloc::vec![row(cause, Reaction::Stop1, false)]);
    assert!(!bench.stops(), "{cause:?} demands though all is well");
    edit(&mut bench);
    let mut stops = false;
    for _ in 0..cycles {
        bench.now += 1_000_000;
        stops = bench.stops();
    }
    stops
}

// SR-003
#[test]
fn when_all_is_well_everything_permits_and_nothing_is_told() {
    let rows = all_causes().into_iter().map(|cause| row(cause, Reaction::Stop0, true)).collect();
    let mut bench = Bench::new(rows);
    assert!(bench.interlocks.any_stop_demanded(), "a check that did not run is a demand");
    assert_eq!(bench.evaluate(), [GroupDemand::NONE; 2]);
    assert!(!bench.interlocks.any_stop_demanded());
    assert_eq!(bench.kept.events(), []);
}

// SR-035
#[test]
fn each_cause_demands_when_what_it_watches_is_bad() {
    type Edit = fn(&mut Bench);
    let cases: [(usize, u32, Edit); 16] = [
        (0, 1, |b| b.signals.set(IN_B, 0, b.now)),
        (1, 1, |b| b.stream.clear = 0),
        (2, 1, |b| b.axes[0] = moving(499, 300)),
        (3, 1, |b| {
            b.stream.clear = 0;
            b.axes[0] = moving(299, 300);
        }),
        (4, 1, |b| b.axes[0].view.following_error = -5.1),
        (4, 1, |b| b.axes[0].view.following_error = f64::NAN),
        (5, 1, |b| b.axes[0].view.fault = true),
        (6, 22, |b| b.axes[0].view.follows_target = false),
        (7, 3, |b| b.exchange.units_good = 0b01),
        (7, 3, |b| b.exchange.units_all = 0b01),
        (8, 1, |b| b.exchange.state = BusState::Faulted),
        (8, 1, |b| b.exchange.state = BusState::Starting),
        (9, 1, |b| b.exchange.dc_unlocked = true),
        (10, 1, |b| b.overruns_exceeded = true),
        (11, 11, |b| b.supervisor_at = 1000),
        (12, 1, |b| b.signals.set(IN_A, 0, b.now)),
    ];
    for (cause, cycles, edit) in cases {
        let cause = all_causes()[cause];
        assert!(stops_after(cause, cycles, edit), "{cause:?}");
        let early = cycles > 1 && stops_after(cause, cycles - 1, edit);
        assert!(!early, "{cause:?} before its time");
    }
}

fn moving(position: i64, velocity: i64) -> AxisFacts {
    AxisFacts {
        position: Nano(position * MM),
        velocity: Nano(velocity * MM),
        stopping: Nano(20 * MM),
        commanded_stop: Nano(position * MM),
        ..facts_at_rest()
    }
}

// SR-002
#[test]
fn missing_stale_and_unknown_are_demands() {
    type Edit = fn(&mut Bench);
    let cases: [(usize, Edit); 9] = [
        (0, |b| b.signals.age(IN_A)),
        (12, |b| b.signals.age(IN_A)),
        (12, |b| b.signals = Signals::new(10)),
        (1, |b| b.stream = StreamView::SILENT),
        (4, |b| b.axes[0].view.inputs_good = false),
        (5, |b| b.axes.clear()),
        (2, |b| b.axes.clear()),
        (6, |b| b.axes[0].view.inputs_good = false),
        (11, |b| b.supervisor_at = 0),
    ];
    for (cause, edit) in cases {
        let cause = all_causes()[cause];
        assert!(stops_after(cause, 1, edit), "{cause:?}");
    }
    let nowhere = Cause::Zone { stream: StreamId(7), zone: 0 };
    assert!(Bench::new(alloc::vec![row(nowhere, Reaction::Stop1, false)]).stops());
}

#[test]
fn an_input_may_miss_fewer_exchanges_than_the_working_counter_interlock_allows() {
    let input = row(Cause::Input { signal: IN_A }, Reaction::Stop1, false);
    let counter = row(Cause::WorkingCounter { unit: 0, cycles: 3 }, Reaction::Stop1, false);
    let mut bench = Bench::new(alloc::vec![input, counter]);
    assert!(!bench.stops());
    bench.signals.age(IN_A);
    // Two missed; a period old when it came, and a period until the deadline of the exchange that is judged.
    bench.now = bench.signals.get(IN_A).at + 4_000_000;
    assert!(!bench.stops());
    bench.now += 1;
    assert!(bench.stops(), "older than that, whatever the working counter says");
}

// SR-005
#[test]
fn the_worst_reaction_of_a_group_wins_and_other_groups_are_not_touched() {
    let reactions = [
        Reaction::Warn,
        Reaction::Stop2,
        Reaction::LimitSpeed(Nano(200 * MM)),
        Reaction::Stop1,
        Reaction::LimitSpeed(Nano(100 * MM)),
        Reaction::Stop0,
        Reaction::None,
    ];
    let rows =
        reactions.map(|reaction| row(Cause::Input { signal: IN_A }, reaction, false)).to_vec();
    let mut bench = Bench::new(rows);
    bench.signals.set(IN_A, 0, 990);
    let demands = bench.evaluate();
    let stop = Stop { reaction: Reaction::Stop0, interlock: InterlockId(5), input_at: 990 };
    assert_eq!(demands[0].stop, Some(stop));
    assert_eq!(demands[0].speed_limit, Nano(100 * MM), "the lower limit, not the larger value");
    assert_eq!(demands[1], GroupDemand::NONE);
}

// SR-006
#[test]
fn a_latch_outlives_its_demand_until_a_reset_and_a_reset_does_not_end_a_demand() {
    for latch in [true, false] {
        let mut bench =
            Bench::new(alloc::vec![row(Cause::Input { signal: IN_A }, Reaction::Stop1, latch)]);
        bench.evaluate();
        bench.signals.set(IN_A, 0, bench.now);
        assert!(bench.stops());
        bench.interlocks.reset();
        assert!(bench.stops(), "still pressed");
        assert_eq!(bench.interlocks.counts(), (1, 0));
        bench.signals.set(IN_A, 1, bench.now);
        assert_eq!(bench.stops(), latch);
        assert_eq!(bench.interlocks.counts(), (0, u16::from(latch)));
        assert_eq!(bench.interlocks.first_stop(), latch.then_some((InterlockId(0), true)));
        assert!(!bench.interlocks.any_stop_demanded(), "a latch alone does not refuse a reset");
        bench.interlocks.reset();
        assert!(!bench.stops());
        let interlock = InterlockId(0);
        let told = [Event::Demand { interlock }, Event::Clear { interlock }];
        assert_eq!(bench.kept.events(), told);
    }
}

#[test]
fn a_demand_keeps_the_evidence_of_what_began_it() {
    let mut bench =
        Bench::new(alloc::vec![row(Cause::Input { signal: IN_A }, Reaction::Stop1, false)]);
    bench.signals.set(IN_A, 0, 777);
    bench.evaluate();
    bench.signals.set(IN_A, 0, 888);
    assert_eq!(bench.evaluate()[0].stop.map(|stop| stop.input_at), Some(777));
    let mut bench = Bench::new(alloc::vec![row(all_causes()[1], Reaction::Stop1, false)]);
    bench.stream.clear = 0;
    assert_eq!(bench.evaluate()[0].stop.map(|stop| stop.input_at), Some(900), "the capture");
}

#[test]
fn a_drive_fault_alone_does_not_refuse_a_reset() {
    let rows = [5, 12].map(|cause| row(all_causes()[cause], Reaction::Stop1, true)).to_vec();
    let mut bench = Bench::new(rows);
    bench.axes[0].view.fault = true;
    bench.evaluate();
    assert!(bench.interlocks.any_stop_demanded());
    assert!(!bench.interlocks.any_stop_demanded_but_drive_faults());
    bench.signals.set(IN_A, 0, 1);
    bench.evaluate();
    assert!(bench.interlocks.any_stop_demanded_but_drive_faults());
}

#[test]
fn an_overrun_limit_comes_from_the_plan() {
    let mut overruns = Overruns::new(Some(OverrunLimit { count: 2, cycles: 10 }));
    assert!(!overruns.update(2));
    assert!(overruns.update(1));
}

proptest::proptest! {
    /// The twin may only tighten: whatever it says, no group gets more than the same machine without twin gives it.
    // SR-029
    #[test]
    fn with_the_twin_nothing_is_allowed_that_is_not_allowed_without(
        position in -100_i64..700, velocity in -1500_i64..1500, commanded in -1500_i64..1500,
        stopping in 0_i64..900, end in -900_i64..900,
        referenced: bool, inputs_good: bool, clear: bool, input: bool, limited: bool,
    ) {
        let mut facts = facts_at_rest();
        facts.position = Nano(position * MM);
        facts.velocity = Nano(velocity * MM);
        facts.commanded_velocity = Nano(commanded * MM);
        facts.commanded_stop = Nano(end * MM);
        facts.stopping = Nano(stopping * MM);
        facts.view.referenced = referenced;
        facts.view.inputs_good = inputs_good;
        let plain = alloc::vec![
            row(Cause::Input { signal: IN_A }, Reaction::Stop2, false),
            row(Cause::Input { signal: IN_B }, Reaction::LimitSpeed(Nano(50 * MM)), false),
        ];
        let mut with_twin = plain.clone();
        with_twin.push(row(all_causes()[2], Reaction::Stop2, false));
        with_twin.push(row(all_causes()[3], Reaction::LimitSpeed(Nano(80 * MM)), false));
        let demands = [plain, with_twin].map(|rows| {
            let mut bench = Bench::new(rows);
            bench.axes[0] = facts;
            bench.stream.clear = u32::from(clear);
            bench.signals.set(IN_A, i64::from(input), 1000);
            bench.signals.set(IN_B, i64::from(!limited), 1000);
            bench.evaluate()
        });
        for (without, with) in demands[0].iter().zip(&demands[1]) {
            let reaction = |demand: &GroupDemand| demand.stop.map(|stop| stop.reaction);
            proptest::prop_assert!(reaction(with) >= reaction(without));
            proptest::prop_assert!(with.speed_limit <= without.speed_limit);
            proptest::prop_assert!(with.speed_advised <= without.speed_advised);
        }
    }
}
