//! Bring-up and exchange against the virtual segment, in virtual time.

#[path = "../cell/mod.rs"]
mod cell;
mod clocks;
mod counted;
mod damage;
mod links;
mod mailbox;
mod many;
mod refusals;
mod restart;
#[path = "../stop/mod.rs"]
mod stop;
#[path = "../terminals/mod.rs"]
mod terminals;
mod threaded;
#[path = "../wired/mod.rs"]
mod wired;

use cell::{Cell, PERIOD, cell, plan, with_dc};
use fieldbus::link::{Fault, Faults, InlineLink, Link};
use fieldbus::plan::{BusPlan, SdoValue, StartupSdo};
use fieldbus::{BringupError, EtherCat, Progress, bring_up};
use links::{Forger, Sending};
use rt_core::Bus;
use rt_core::SignalId;
use rt_core::bus::{BusState, Exchange};
use rt_core::signal::{Quality, Signals};
use segment::AlState;

/// Signals of the cell by their places.
const INPUT_3: SignalId = SignalId(0);
const OUTPUT_1: SignalId = SignalId(1);
/// Statusword, position, mode display, controlword, target, mode of the first drive.
const DRIVE: u16 = 2;

type Faulty = Fault<InlineLink<Cell>>;

struct Rig<L> {
    bus: EtherCat<L>,
    signals: Signals,
    next: u64,
    last: Exchange,
    /// The schedule takes the trim, as the loop's does.
    follows: bool,
}

impl<L: Link> Rig<L> {
    fn new(link: L, plan: &BusPlan) -> Self {
        let mut bus = bring_up(link, plan, &mut |_| {}).unwrap_or_else(|error| panic!("{error}"));
        let next = bus.link_mut().now() + PERIOD;
        let next = bus.aligned_start(next);
        Self {
            bus,
            signals: Signals::new(plan.signals.len()),
            next,
            last: Exchange::default(),
            follows: false,
        }
    }

    fn cycle(&mut self) -> Exchange {
        self.bus.link_mut().idle(self.next);
        let now = self.bus.link_mut().now();
        self.last = self.bus.exchange(now, self.next + 500_000);
        self.bus.decode(&mut self.signals);
        self.bus.encode(&self.signals);
        let trim_ns = if self.follows { self.bus.pace().trim_ns } else { 0 };
        self.next = (self.next + PERIOD).saturating_add_signed(i64::from(trim_ns));
        self.last
    }

    fn cycles(&mut self, count: u32) -> Exchange {
        for _ in 0..count {
            self.cycle();
        }
        self.last
    }

    fn until(&mut self, state: BusState) -> u32 {
        for cycle in 0..20_000 {
            if self.cycle().state == state {
                return cycle;
            }
        }
        panic!("not {state:?}: {:?}", self.last);
    }
}

impl Rig<Faulty> {
    fn segment(&mut self) -> &mut segment::Segment<cell::World> {
        &mut self.bus.link_mut().inner_mut().wire_mut().0
    }

    fn inject(&mut self, fault: segment::Fault) {
        self.segment().inject(fault);
    }
}

fn faulty(faults: Faults) -> Faulty {
    Fault::new(InlineLink::new(cell(), 1_000_000_000), faults)
}

fn operational(plan: &BusPlan) -> Rig<Faulty> {
    let mut rig = Rig::new(faulty(Faults::default()), plan);
    rig.until(BusState::Operational);
    rig
}

fn refused(plan: &BusPlan) -> BringupError {
    match bring_up(InlineLink::new(cell(), 1_000_000_000), plan, &mut |_| {}) {
        Ok(_) => panic!("it came up"),
        Err(error) => error,
    }
}

#[test]
fn the_cell_comes_to_op_and_signals_go_both_ways() {
    let mut seen = Vec::new();
    let link = InlineLink::new(cell(), 1_000_000_000);
    let bus = bring_up(link, &plan(), &mut |progress| seen.push(progress)).unwrap();
    let found: Vec<_> =
        bus.devices().iter().map(|d| (d.name.as_str(), d.identity.serial)).collect();
    let expected = [
        ("BK-1", None),
        ("DI-8", None),
        ("DO-4", None),
        ("SD-400", Some(4711)),
        ("SD-400", Some(4712)),
    ];
    assert_eq!(found, expected);
    assert_eq!(seen.first(), Some(&Progress::Scanning));
    assert_eq!(seen.last(), Some(&Progress::Ready));
    drop(bus);

    let mut rig = operational(&plan());
    rig.segment().process().inputs = 0b1000;
    rig.signals.set(OUTPUT_1, 1, 1);
    for (offset, value) in [(3, 6), (4, 0), (5, 8)] {
        rig.signals.set(SignalId(DRIVE + offset), value, 1);
    }
    let exchange = rig.cycles(20);
    assert!(rig.signals.is_on(INPUT_3));
    assert_eq!(rig.segment().process().outputs, 0b10);
    assert_eq!(rig.signals.good(SignalId(DRIVE)).map(|word| word & 0x6F), Some(0x21));
    assert_eq!(rig.signals.good(SignalId(DRIVE + 2)), Some(8), "mode display");
    assert_eq!(exchange.counts.working_counter_errors, 0);
    assert_eq!(exchange.counts.sent, exchange.counts.received);
    for position in 0..5 {
        let status = rig.segment().snapshot(position).unwrap();
        assert_eq!((status.al_state, status.al_error), (AlState::Op, false), "{position}");
    }
}

#[test]
fn with_distributed_clocks_it_locks_before_op_and_stays_in_phase() {
    let mut rig = Rig::new(faulty(Faults::default()), &with_dc(plan()));
    assert!(rig.cycle().dc_unlocked);
    rig.until(BusState::Operational);
    let exchange = rig.cycles(2_000);
    assert_eq!(exchange.state, BusState::Operational);
    assert!(!exchange.dc_unlocked);
    assert_eq!(exchange.counts.working_counter_errors, 0);
    assert!(exchange.dc_offset_ns.abs() < 100_000, "{}", exchange.dc_offset_ns);
}

#[test]
fn clocks_that_drift_apart_are_brought_in_step_and_kept_there() {
    let mut seen = Vec::new();
    for drift_ppb in [0, 20_000, -50_000] {
        let link = Fault::new(
            InlineLink::new(cell::with_drift(drift_ppb), 1_000_000_000),
            Faults::default(),
        );
        let mut rig = Rig::new(link, &with_dc(plan()));
        let cycles = rig.until(BusState::Operational);
        for _ in 0..3_000 {
            let exchange = rig.cycle();
            assert!(!exchange.dc_unlocked, "drift {drift_ppb}");
            assert_eq!(exchange.state, BusState::Operational);
        }
        seen.push((cycles, rig.last.dc_offset_ns));
    }
    // The reference runs away from the loop by its own drift: 20 ppm over 3 s are 60 µs.
    let [(_, none), (_, ahead), (_, behind)] = seen[..] else { panic!("three runs") };
    assert!(none.abs() < 10_000, "{seen:?}");
    assert!((40_000..80_000).contains(&ahead), "{seen:?}");
    assert!((-200_000..-100_000).contains(&behind), "{seen:?}");
}

#[test]
fn a_loop_that_takes_the_trim_keeps_its_phase_to_a_reference_that_drifts() {
    for drift_ppb in [20_000, -50_000, 90_000] {
        let link = InlineLink::new(cell::with_drift(drift_ppb), 1_000_000_000);
        let mut rig = Rig::new(link, &with_dc(plan()));
        rig.follows = true;
        rig.until(BusState::Operational);
        rig.cycles(2_000);
        for _ in 0..3_000 {
            let exchange = rig.cycle();
            assert!(!exchange.dc_unlocked && exchange.dc_offset_ns.abs() < 3_000, "{exchange:?}");
        }
        let dc = rig.bus.dc().unwrap();
        assert!(dc.locked && dc.missed == 0 && dc.frames > 5_000, "{dc:?}");
        assert!((290_000..=310_000).contains(&dc.margin_ns.p50), "{dc:?}");
        assert!(dc.difference_max_ns < 1_000 && dc.difference_worst.is_some(), "{dc:?}");
    }
}

#[test]
fn a_bad_line_does_not_keep_the_cell_from_coming_up() {
    for seed in 0..5 {
        let faults = Faults {
            seed,
            loss_ppm: 2_000,
            duplicate_ppm: 5_000,
            late_ppm: 2_000,
            late_ns: 3_000_000,
            corrupt_ppm: 2_000,
            reorder_ppm: 2_000,
            ..Faults::default()
        };
        let mut rig = Rig::new(faulty(faults), &plan());
        rig.until(BusState::Operational);
    }
}

#[test]
fn a_link_that_goes_down_during_bring_up_is_told_and_does_not_hang() {
    for down_after_ms in [0, 1, 5, 20] {
        let from = 1_000_000_000 + down_after_ms * 1_000_000;
        let faults = Faults { outages: vec![(from, u64::MAX)], ..Faults::default() };
        let error = bring_up(faulty(faults), &plan(), &mut |_| {}).err().unwrap();
        assert!(matches!(error, BringupError::Link { .. }), "{down_after_ms}: {error}");
    }
}

#[test]
fn a_segment_that_falls_silent_during_bring_up_ends_it() {
    for frames in [2_u32, 50, 500, 1_500] {
        let mut left = frames;
        let sends = |_: &mut Cell| {
            left = left.saturating_sub(1);
            left > 0
        };
        let link = Sending { inner: InlineLink::new(cell(), 1_000_000_000), sends };
        let started = link.now();
        let mut now = 0;
        let outcome = bring_up(link, &plan(), &mut |_| {});
        if let Err(error) = outcome {
            now = fieldbus::time::now();
            assert!(!error.to_string().is_empty());
        }
        assert!(now > started && now < started + 130_000_000_000, "after {frames} frames: {now}");
    }
}

#[test]
// SR-041
fn a_wrong_device_is_named() {
    let mut wrong = plan();
    wrong.subdevices.swap(1, 2);
    wrong.signals.clear();
    let error = refused(&wrong);
    assert!(matches!(error, BringupError::Identity { position: 1, .. }), "{error}");
    let mut serial = plan();
    serial.subdevices[4].identity.serial = Some(4711);
    let error = refused(&serial);
    assert!(matches!(error, BringupError::Identity { position: 4, .. }), "{error}");
    assert!(error.to_string().contains("4712"), "{error}");
}

#[test]
fn a_missing_and_a_surplus_device_are_named() {
    let mut more = plan();
    more.subdevices.push(more.subdevices[1].clone());
    let error = refused(&more);
    let expected = BringupError::Missing {
        position: 5,
        name: "inputs".to_owned(),
        expected: more.subdevices[1].identity,
        found: 5,
        expected_count: 6,
    };
    assert_eq!(error, expected);
    let mut less = plan();
    less.subdevices.pop();
    less.signals.truncate(8);
    let error = refused(&less);
    assert!(
        matches!(
            error,
            BringupError::Unplanned { position: 4, found_count: 5, expected_count: 4, .. }
        ),
        "{error}"
    );
}

#[test]
fn no_device_and_a_loop_are_told_apart() {
    let mut dead = cell();
    dead.0.inject(segment::Fault::LinkLost { after: None });
    let link = InlineLink::new(dead, 1_000_000_000);
    let error = bring_up(link, &plan(), &mut |_| {}).err().unwrap();
    assert_eq!(error, BringupError::Silent { expected: 5 });

    struct Loop;
    impl fieldbus::link::Wire for Loop {
        fn pass(&mut self, _frame: &mut [u8], _now: u64) -> bool {
            true
        }
        fn advance(&mut self, _now: u64) {}
        fn round_trip_ns(&self, _len: usize) -> u64 {
            10_000
        }
    }
    let error = bring_up(InlineLink::new(Loop, 1), &plan(), &mut |_| {}).err().unwrap();
    assert_eq!(error, BringupError::LoopedBack);
}

#[test]
fn process_data_of_another_length_are_refused() {
    let mut plan = plan();
    let entries = &mut plan.subdevices[1].inputs[0].entries;
    entries.push(entries[0]);
    let error = refused(&plan);
    let expected = BringupError::Length {
        position: 1,
        name: "inputs".to_owned(),
        direction: "inputs",
        expected: 2,
        found: 1,
    };
    assert_eq!(error, expected);
}

#[test]
// SR-041
fn a_reaction_that_differs_and_an_object_that_is_not_there_are_refused() {
    let mut plan = plan();
    plan.subdevices[3].startup[2].value = SdoValue::I16(1);
    let error = refused(&plan);
    assert!(
        matches!(
            error,
            BringupError::SdoValue { position: 3, index: 0x605E, expected: 1, found: 2, .. }
        ),
        "{error}"
    );
    plan.subdevices[3].startup[2].index = 0x2FFF;
    let error = refused(&plan);
    assert!(matches!(error, BringupError::Sdo { position: 3, index: 0x2FFF, .. }), "{error}");
}

#[test]
fn a_watchdog_that_cannot_be_set_is_refused() {
    let mut plan = plan();
    plan.subdevices[2].watchdog_ns = Some(1_000);
    let error = refused(&plan);
    assert!(matches!(error, BringupError::Watchdog { position: 2, .. }), "{error}");
}

/// Cycles from the loss of the link until the device at `position` has left Op.
fn cycles_to_safe_op(rig: &mut Rig<Faulty>, position: usize) -> u32 {
    rig.inject(segment::Fault::LinkLost { after: None });
    for cycle in 0..1_000 {
        if rig.segment().snapshot(position).unwrap().al_state == AlState::SafeOp {
            return cycle;
        }
        rig.cycle();
    }
    panic!("it never left Op");
}

#[test]
// SR-040
fn outputs_are_safe_after_the_planned_time_of_their_watchdogs() {
    // 50 ms are written to the drive, 100 ms are the terminal's own.
    assert!((50..=52).contains(&cycles_to_safe_op(&mut operational(&plan()), 3)));
    assert!((100..=102).contains(&cycles_to_safe_op(&mut operational(&plan()), 2)));
    let mut longer = plan();
    longer.subdevices[2].watchdog_ns = Some(200_000_000);
    assert!((200..=202).contains(&cycles_to_safe_op(&mut operational(&longer), 2)));
}

#[test]
fn a_watchdog_that_is_off_is_switched_on() {
    let mut description = cell::terminal().description().clone();
    description.sync_managers[0].control &= !0x40;
    let cell = cell::made_of(0, segment::Device::described(description));
    let mut rig =
        Rig::new(Fault::new(InlineLink::new(cell, 1_000_000_000), Faults::default()), &plan());
    rig.until(BusState::Operational);
    assert!((100..=102).contains(&cycles_to_safe_op(&mut rig, 2)));
}

#[test]
fn a_value_that_the_device_does_not_take_is_refused() {
    let mut plan = plan();
    // Rated current: the drive's own.
    plan.subdevices[3].startup[3] =
        StartupSdo { index: 0x6075, subindex: 0, value: SdoValue::U32(1), verify_only: false };
    let error = refused(&plan);
    assert!(matches!(error, BringupError::Sdo { position: 3, index: 0x6075, .. }), "{error}");
}

#[test]
fn bring_up_needs_no_more_stack_than_the_loop_has() {
    let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(|| {
        operational(&with_dc(plan()));
    });
    thread.unwrap().join().unwrap();
}

#[test]
fn a_device_that_refuses_op_is_named_and_the_others_go_on() {
    let mut rig = Rig::new(faulty(Faults::default()), &plan());
    rig.inject(segment::Fault::RefuseOp { position: 3, code: Some(0x001D) });
    rig.until(BusState::Faulted);
    let exchange = rig.cycles(50);
    assert_eq!(exchange.state, BusState::Faulted);
    assert_eq!((exchange.fault.position, exchange.fault.al_status_code), (3, 0x001D));
    assert_eq!(rig.signals.get(INPUT_3).quality, Quality::Good);
    rig.inject(segment::Fault::RefuseOp { position: 3, code: None });
    rig.until(BusState::Operational);
}

#[test]
fn a_lost_link_trips_the_watchdogs_and_the_bus_comes_back() {
    let mut rig = operational(&plan());
    rig.inject(segment::Fault::LinkLost { after: None });
    let lost = rig.until(BusState::Faulted);
    assert!(lost <= 3, "{lost}");
    rig.cycles(200);
    assert_eq!(rig.signals.get(INPUT_3).quality, Quality::Stale);
    let drive = rig.segment().snapshot(3).unwrap();
    assert_eq!((drive.al_state, drive.al_status_code), (AlState::SafeOp, 0x001B));
    rig.inject(segment::Fault::LinkRestored { after: None });
    let back = rig.until(BusState::Operational);
    assert!(back < 1_000, "{back}");
    assert_eq!(rig.last.fault.al_status_code, 0);
    assert_eq!(rig.signals.get(INPUT_3).quality, Quality::Good);
}

#[test]
fn a_device_without_power_is_found_and_ages_only_what_is_behind_it() {
    let mut rig = operational(&plan());
    rig.inject(segment::Fault::PowerOff { position: 4 });
    let exchange = rig.cycles(20);
    assert_eq!((exchange.state, exchange.fault.position), (BusState::Faulted, 4));
    assert_eq!(exchange.units_good, 0b01);
    assert_eq!(rig.signals.get(INPUT_3).quality, Quality::Good);
    assert_eq!(rig.signals.get(SignalId(DRIVE)).quality, Quality::Stale);
}

#[test]
// SR-032
fn a_device_that_ignores_process_data_ages_its_unit_alone() {
    let mut rig = operational(&plan());
    rig.inject(segment::Fault::IgnoreProcessData { position: 1, active: true });
    let exchange = rig.cycle();
    assert_eq!((exchange.units_good, exchange.state), (0b10, BusState::Operational));
    assert_eq!(exchange.counts.working_counter_errors, 1);
    rig.inject(segment::Fault::IgnoreProcessData { position: 1, active: false });
    assert_eq!(rig.cycle().units_good, 0b11);
}

#[test]
fn on_a_bad_line_every_frame_is_accounted_for() {
    let faults = Faults {
        seed: 7,
        loss_ppm: 10_000,
        duplicate_ppm: 10_000,
        late_ppm: 10_000,
        late_ns: 700_000,
        corrupt_ppm: 10_000,
        reorder_ppm: 10_000,
        working_counter_ppm: 10_000,
        outages: Vec::new(),
    };
    let mut rig = operational(&plan());
    rig.bus.link_mut().set_faults(faults);
    rig.cycles(5_000);
    rig.bus.link_mut().set_faults(Faults::default());
    let counts = rig.cycles(10).counts;
    let wrong = counts.working_counter_errors;
    let damaged = counts.corrupt + counts.truncated;
    for count in [counts.late, counts.duplicate, counts.corrupt, counts.lost, wrong] {
        assert!(count > 10, "{counts:?}");
    }
    assert!(counts.truncated > 2 && counts.foreign > 0, "{counts:?}");
    // What came back damaged beyond recognition is foreign, and lost.
    let accounted = counts.received + counts.late + damaged + counts.lost;
    assert_eq!(counts.sent, accounted, "{counts:?}");
}

#[test]
fn an_emergency_during_bring_up_is_kept_from_ethercrab_and_told() {
    let emergency = segment::Emergency { code: 0x8130, register: 0x11, data: [0; 5] };
    let emergency = segment::Fault::Emergency { position: 3, emergency };
    let mut cell = cell();
    cell.0.inject(emergency);
    let mut told = Vec::new();
    // Again and again while SDOs are exchanged.
    let mut sent = 0_u32;
    let sends = |cell: &mut Cell| {
        sent += 1;
        if sent.is_multiple_of(400) {
            cell.0.inject(emergency);
        }
        true
    };
    let link = Sending { inner: InlineLink::new(cell, 1_000_000_000), sends };
    bring_up(link, &plan(), &mut |progress| {
        if let Progress::Emergency(emergency) = progress {
            told.push((emergency.position, emergency.code));
        }
    })
    .unwrap();
    assert!(!told.is_empty());
    assert!(told.iter().all(|one| *one == (3, 0x8130)), "{told:?}");
}

#[test]
fn a_forged_reply_does_not_reach_ethercrab() {
    let link = Forger::new(InlineLink::new(cell(), 1_000_000_000));
    let mut bus = bring_up(link, &plan(), &mut |_| {}).unwrap_or_else(|error| panic!("{error}"));
    assert!(bus.link_mut().forged > 1_000);
    assert_eq!(bus.devices()[3].identity.serial, Some(4711));
}

#[test]
fn the_segment_is_taken_down_in_order() {
    let mut rig = operational(&with_dc(plan()));
    rig.bus.shutdown().unwrap();
    for position in 0..5 {
        assert_eq!(rig.segment().snapshot(position).unwrap().al_state, AlState::Init);
    }
}

#[test]
fn the_same_cell_comes_up_twice_in_one_process() {
    for _ in 0..2 {
        operational(&plan());
    }
}
