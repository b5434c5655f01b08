mod tightens;

use super::*;
use crate::bus::BusState;
use crate::plan::{AxisId, Bits, DualChannelKind, MutingPlan, OverrunLimit, Watched};
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
    missed: &'static [bool],
    overruns_exceeded: bool,
    supervisor_at: u64,
    stale_after_ns: u64,
    now: u64,
    kept: Kept,
}

fn facts_at_rest() -> AxisFacts {
    let mut facts = AxisFacts {
        position: Nano(100 * MM),
        commanded: Nano(100 * MM),
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
        let mut plan = crate::separation::testing::machine();
        plan.interlocks = rows.into_boxed_slice();
        let mut signals = Signals::new(10);
        for (signal, value) in [(IN_A, 1), (IN_B, 1), (OFF, 0), (OFF_2, 0)] {
            signals.set(signal, value, 1000);
        }
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
            stream: StreamView {
                clear: 1,
                evaluated: 1,
                captured_at: 900,
                refusal: None,
                ..StreamView::SILENT
            },
            missed: &[],
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
            missed: self.missed,
            streams: &streams,
            overruns_exceeded: self.overruns_exceeded,
            supervisor_at: self.supervisor_at,
            stale_after_ns: self.stale_after_ns,
        };
        self.interlocks.evaluate(&facts, &mut self.kept.log(self.now));
        self.interlocks.groups().to_vec()
    }

    /// As [`Bench::new`], and devices that a person holds have been taken in hand.
    fn well(rows: Vec<InterlockPlan>) -> Self {
        let mut bench = Self::new(rows);
        for (a, b) in [(0, 1), (0, 0), (1, 1)] {
            bench.signals.set(IN_A, a, bench.now);
            bench.signals.set(IN_B, b, bench.now);
            bench.evaluate();
        }
        bench.interlocks.reset();
        bench.kept = Kept::default();
        bench
    }

    fn stops(&mut self) -> bool {
        self.evaluate()[0].stop.is_some()
    }
}

fn row(cause: Cause, reaction: Reaction, latch: bool) -> InterlockPlan {
    let effects = [Effect { group: GroupId(0), reaction }];
    InterlockPlan {
        cause,
        effects: effects.into(),
        latch,
        when: When::Always,
        outputs: Box::default(),
        blocks: Box::default(),
    }
}

fn all_causes() -> Vec<Cause> {
    let axis = AxisId(0);
    let band = Band::default();
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
        Cause::DualChannel {
            a: IN_A,
            b: IN_B,
            discrepancy_ns: 5_000_000,
            kind: DualChannelKind::EmergencyStop,
        },
        Cause::Antivalent { closed: IN_A, open: OFF, discrepancy_ns: 5_000_000 },
        Cause::EnablingSwitch { a: IN_A, b: IN_B },
        Cause::TwoHand { a: IN_A, b: IN_B, synchronous_ns: 5_000_000 },
        Cause::Muting(MutingPlan {
            a: IN_A,
            b: IN_B,
            discrepancy_ns: 5_000_000,
            sensors: [Some(OFF), Some(OFF_2), None, None],
            entry_ns: 5_000_000,
            muting_ns: 20_000_000,
            lamp: None,
        }),
        Cause::Edm { output: OFF, feedback: IN_A, second: Some(IN_B), time_ns: 5_000_000 },
        Cause::SafetyRequest {
            request: Bits { signal: IN_A, mask: 1, value: 1 },
            confirmation: Bits { signal: IN_B, mask: 1, value: 1 },
            time_ns: 5_000_000,
        },
        Cause::Threshold {
            of: Watched::Signal(IN_A),
            band: Band { high: Some(5), ..Band::default() },
        },
        Cause::Threshold { of: Watched::Speed(axis), band: Band { high: Some(MM), ..band } },
        Cause::Threshold {
            of: Watched::Position(axis),
            band: Band { high: Some(400 * MM), ..band }
        },
        Cause::Threshold { of: Watched::Torque(axis), band: Band { high: Some(900), ..band } },
        Cause::NotReferenced { axis },
        Cause::StaleVision { stream: StreamId(0) },
        Cause::Separation(crate::separation::testing::plan()),
    ]
}

// SR-091
#[test]
fn a_part_that_was_missed_stops_until_a_person_resets_and_an_inspection_that_is_not_there_demands()
{
    let inspection = crate::inspection::InspectionId(0);
    let mut bench =
        Bench::well(alloc::vec![row(Cause::Inspection { inspection }, Reaction::Stop2, true)]);
    assert!(bench.stops(), "nobody says anything");
    bench.missed = &[false];
    bench.interlocks.reset();
    bench.evaluate();
    bench.interlocks.reset();
    assert!(!bench.stops());
    bench.missed = &[true];
    assert!(bench.stops());
    bench.missed = &[false];
    assert!(bench.stops(), "it latches");
    bench.interlocks.reset();
    assert!(!bench.stops());
}

/// Inputs that must be 0.
const OFF: SignalId = SignalId(5);
const OFF_2: SignalId = SignalId(6);

/// What a cause reads: signals, axes, streams.
fn reads(cause: &Cause) -> Reads {
    let signals = |all: &[SignalId]| Reads { signals: all.to_vec(), ..Reads::default() };
    let axis = Reads { axis: true, ..Reads::default() };
    let stream = Reads { stream: true, ..Reads::default() };
    match *cause {
        Cause::DualChannel { a, b, .. }
        | Cause::EnablingSwitch { a, b }
        | Cause::TwoHand { a, b, .. } => signals(&[a, b]),
        Cause::Antivalent { closed, open, .. } => signals(&[closed, open]),
        Cause::Muting(plan) => {
            let sensors = plan.sensors.iter().copied().flatten();
            Reads { signals: sensors.chain([plan.a, plan.b]).collect(), ..Reads::default() }
        }
        Cause::Edm { output, feedback, second, .. } => Reads {
            signals: [output, feedback].into_iter().chain(second).collect(),
            ..Reads::default()
        },
        Cause::SafetyRequest { request, confirmation, .. } => {
            signals(&[request.signal, confirmation.signal])
        }
        Cause::Input { signal } | Cause::Threshold { of: Watched::Signal(signal), .. } => {
            signals(&[signal])
        }
        Cause::Threshold { .. }
        | Cause::TwinLimit { .. }
        | Cause::TwinDoubt { .. }
        | Cause::FollowingError { .. }
        | Cause::DriveFault { .. }
        | Cause::TargetIgnored { .. }
        | Cause::NotReferenced { .. } => axis,
        Cause::TwinZone { .. } => Reads { axis: true, ..Reads::default() },
        Cause::Separation(_) => Reads { axis: true, stream: true, ..Reads::default() },
        Cause::Zone { .. } | Cause::StaleVision { .. } => stream,
        // What the exchange says is never missing: a state that is not good is a demand by itself.
        Cause::WorkingCounter { .. }
        | Cause::Bus
        | Cause::DcUnlocked
        | Cause::Overrun
        | Cause::Supervisor { .. }
        | Cause::Inspection { .. }
        | Cause::ModeSelector => Reads::default(),
    }
}

#[derive(Default)]
struct Reads {
    signals: Vec<SignalId>,
    axis: bool,
    stream: bool,
}

/// A bench with this cause alone, not latching, and whether it stops after `edit` for `cycles` cycles of 1 ms.
fn stops_after(cause: Cause, cycles: u32, edit: impl Fn(&mut Bench)) -> bool {
    let mut bench = Bench::well(alloc::vec![row(cause, Reaction::Stop1, false)]);
    if let Cause::EnablingSwitch { .. } = cause {
        bench.signals.set(IN_A, 0, bench.now);
        bench.evaluate();
        bench.signals.set(IN_A, 1, bench.now);
    }
    assert!(!bench.stops(), "{cause:?} demands though all is well");
    edit(&mut bench);
    let mut stops = false;
    for _ in 0..cycles {
        bench.now += 1_000_000;
        stops = bench.stops();
    }
    stops
}

#[test]
// SR-003
fn when_all_is_well_everything_permits_and_nothing_is_told() {
    let rows = all_causes().into_iter().map(|cause| row(cause, Reaction::Stop0, true)).collect();
    let bench = Bench::new(rows);
    assert!(bench.interlocks.any_stop_demanded(), "a check that did not run is a demand");
    let rows: Vec<_> = bench.interlocks.rows.iter().map(|row| row.plan.clone()).collect();
    let held = |row: &InterlockPlan| matches!(row.cause, Cause::EnablingSwitch { .. });
    let mut bench = Bench::well(rows.into_iter().filter(|row| !held(row)).collect());
    assert_eq!(bench.evaluate(), [GroupDemand::NONE; 2]);
    assert!(!bench.interlocks.any_stop_demanded());
    assert_eq!(bench.kept.events(), []);
}

#[test]
// SR-035
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

/// Over every cause there is: an input that is missing, stale, or no level is a demand at once, and so is an axis or stream that says nothing.
#[test]
fn whatever_a_cause_reads_and_does_not_get_is_a_demand() {
    let spoil: [fn(&mut Bench, SignalId); 3] = [
        |bench, signal| bench.signals.age(signal),
        |bench, signal| bench.signals.set(signal, 7, bench.now),
        |bench, _| bench.signals = Signals::new(10),
    ];
    let mut cases = 0;
    for cause in all_causes() {
        let reads = reads(&cause);
        for signal in reads.signals {
            for (how, spoil) in spoil.iter().enumerate() {
                // Its signals are words, of which it reads some bits: 7 is one.
                if how == 1 && matches!(cause, Cause::SafetyRequest { .. }) {
                    continue;
                }
                assert!(stops_after(cause, 1, |b| spoil(b, signal)), "{cause:?} {signal:?} {how}");
                cases += 1;
            }
        }
        if reads.axis {
            // Only a zone that is not clear asks where the axis is.
            let person = |b: &mut Bench| b.stream.clear = 0;
            assert!(stops_after(cause, 1, |b| (person(b), b.axes.clear()).1), "{cause:?}");
            let blind = |b: &mut Bench| (person(b), b.axes[0].view.inputs_good = false).1;
            assert!(stops_after(cause, 1, blind), "{cause:?}");
            cases += 2;
        }
        if reads.stream {
            assert!(stops_after(cause, 1, |b| b.stream = StreamView::SILENT), "{cause:?}");
            cases += 1;
        }
    }
    assert!(cases > 80, "{cases}");
}

#[test]
fn a_selector_that_is_not_there_or_says_nothing_is_a_demand() {
    let mut bench = Bench::new(alloc::vec![row(Cause::ModeSelector, Reaction::Stop2, false)]);
    assert!(bench.stops());
    assert_eq!(bench.interlocks.mode(), Mode::Automatic, "a machine without one is automatic");
}

mod matrix;

fn moving(position: i64, velocity: i64) -> AxisFacts {
    AxisFacts {
        position: Nano(position * MM),
        velocity: Nano(velocity * MM),
        stopping: Nano(20 * MM),
        commanded_stop: Nano(position * MM),
        ..facts_at_rest()
    }
}

#[test]
// SR-002
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

#[test]
// SR-002
fn without_a_working_counter_interlock_that_forgives_no_input_may_miss_an_exchange() {
    let counter = |cycles| row(Cause::WorkingCounter { unit: 0, cycles }, Reaction::Stop1, false);
    let age = |rows: &[InterlockPlan]| {
        let mut plan = machine_plan();
        plan.interlocks = rows.into();
        stale_after_ns(&plan)
    };
    assert_eq!(age(&[]), 0);
    assert_eq!(age(&[row(Cause::Bus, Reaction::Stop1, false)]), 0);
    assert_eq!(age(&[counter(1)]), 0);
    assert_eq!(age(&[counter(2)]), 3_000_000);
    assert_eq!(age(&[counter(7), counter(3), counter(5)]), 4_000_000, "the strictest");
}

#[test]
// SR-005
fn of_equal_stops_the_first_is_told_and_a_worse_one_replaces_it() {
    let stop_of = |reactions: &[Reaction]| {
        let of = |reaction: &Reaction| row(Cause::Input { signal: IN_A }, *reaction, false);
        let mut bench = Bench::new(reactions.iter().map(of).collect());
        bench.signals.set(IN_A, 0, 990);
        bench.evaluate()[0].stop.map(|stop| (stop.reaction, stop.interlock.0))
    };
    use Reaction::{Stop0, Stop1, Stop2};
    assert_eq!(stop_of(&[Stop1, Stop1, Stop1]), Some((Stop1, 0)));
    assert_eq!(stop_of(&[Stop2, Stop1, Stop2, Stop1]), Some((Stop1, 1)));
    assert_eq!(stop_of(&[Stop0, Stop1, Stop0]), Some((Stop0, 0)));
}

#[test]
// SR-005
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

#[test]
// SR-006
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
    assert!(!bench.interlocks.refuses_reset());
    bench.signals.set(IN_A, 0, 1);
    bench.evaluate();
    assert!(bench.interlocks.refuses_reset());
}

#[test]
fn an_overrun_limit_comes_from_the_plan() {
    let mut overruns = Overruns::new(Some(OverrunLimit { count: 2, cycles: 10 }));
    assert!(!overruns.update(2));
    assert!(overruns.update(1));
}

proptest::proptest! {
    /// The twin may only tighten: whatever it says, no group gets more than the same machine without twin gives it.
    #[test]
    // SR-029
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
