//! The exchange against scripted replies: a few devices that know their AL state and count, and whatever the test does to the frames.

mod devices;

use std::collections::VecDeque;

use rt_core::bus::BusState;
use rt_core::signal::{Quality, Sample};

use super::*;
use crate::layout::ReferenceClock;
use crate::plan::{
    CopyPlan, DcPlan, Identity, PdoEntry, PdoPlan, SignalPlan, SubDevicePlan, Sync0Plan,
};
use devices::{Devices, Script};

const PERIOD: u64 = 1_000_000;

fn device(unit: usize, input_bits: u8, output_bits: u8) -> SubDevicePlan {
    let pdo = |bits: u8| {
        let entry = PdoEntry { index: 0x6000, subindex: 1, bits, signed: false, signal: None };
        vec![PdoPlan { index: 0x1A00, entries: if bits == 0 { vec![] } else { vec![entry] } }]
    };
    let identity = Identity { vendor: 1, product: 1, revision: None, serial: None };
    SubDevicePlan {
        sync_unit: Some(unit),
        inputs: pdo(input_bits),
        outputs: pdo(output_bits),
        ..SubDevicePlan::passive(format!("device {unit}"), identity)
    }
}

fn signal(subdevice: usize, direction: Direction, bit_offset: u32, bits: u8) -> SignalPlan {
    SignalPlan { subdevice, direction, bit_offset, bits, signed: false }
}

/// Two devices, a sync unit each: 16 bits in and 8 out, 4 bits in. Signals: u16 in, bit 2 of device 1, u8 out.
fn plan() -> BusPlan {
    BusPlan {
        period_ns: PERIOD,
        receive_deadline_ns: 500_000,
        silent_cycles_max: 3,
        subdevices: vec![device(0, 16, 8), device(1, 4, 0)],
        sync_units: vec!["a".to_owned(), "b".to_owned()],
        signals: vec![
            signal(0, Direction::Input, 0, 16),
            signal(1, Direction::Input, 2, 1),
            signal(0, Direction::Output, 0, 8),
        ],
        dc: None,
        copies: Vec::new(),
    }
}

fn devices() -> Devices {
    Devices {
        states: vec![(4, 0); 2],
        is_gone: vec![false; 2],
        differences: vec![0; 2],
        units: vec![(3, vec![0x34, 0x12]), (1, vec![0b0100])],
        outputs: vec![Vec::new(); 2],
        ..Devices::default()
    }
}

struct Rig {
    bus: EtherCat<Script>,
    signals: Signals,
    last: Exchange,
    cycle: u64,
}

impl Rig {
    fn new(plan: &BusPlan, clocks: Option<Clocks>) -> Self {
        let clock = clocks.as_ref().map(|_| ReferenceClock { position: 0, devices: 2 });
        let layout = Layout::new(plan, clock).unwrap();
        let link = Script {
            devices: devices(),
            under_way: VecDeque::new(),
            tamper: None,
            now: 0,
            is_down: false,
        };
        let bus = EtherCat::new(link, plan, &layout, clocks, BroughtUp::default()).unwrap();
        Self { bus, signals: Signals::new(3), last: Exchange::default(), cycle: 0 }
    }

    fn cycle(&mut self) -> Exchange {
        self.cycle += 1;
        let now = self.cycle * PERIOD;
        self.bus.link.idle(now);
        self.last = self.bus.exchange(now, now + 500_000);
        self.bus.decode(&mut self.signals);
        self.last
    }

    fn cycles(&mut self, count: u64) -> Exchange {
        for _ in 0..count {
            self.cycle();
        }
        self.last
    }

    fn until(&mut self, state: BusState) -> Exchange {
        for _ in 0..2_000 {
            if self.cycle().state == state {
                return self.last;
            }
        }
        panic!("not {state:?}: {:?}", self.last);
    }

    fn tamper(&mut self, with: impl FnMut(&mut VecDeque<(u64, Vec<u8>)>) + 'static) {
        self.bus.link.tamper = Some(Box::new(with));
    }

    fn signal(&self, id: u16) -> Sample {
        self.signals.get(SignalId(id))
    }
}

fn operational() -> Rig {
    let mut rig = Rig::new(&plan(), None);
    rig.until(BusState::Operational);
    rig
}

#[test]
fn from_safe_op_it_comes_to_op_and_exchanges_both_ways() {
    let mut rig = Rig::new(&plan(), None);
    let first = rig.cycle();
    assert_eq!(first.state, BusState::Starting);
    assert_eq!((first.units_all, first.units_good), (0b11, 0b11));
    rig.until(BusState::Operational);
    rig.signals.set(SignalId(2), 0x5A, 1);
    rig.bus.encode(&rig.signals);
    let exchange = rig.cycle();
    assert_eq!(rig.bus.link.devices.outputs[0], [0x5A, 0]);
    let received_at = rig.cycle * PERIOD + devices::ROUND_TRIP;
    assert_eq!(exchange.received_at, received_at);
    let expected = Sample { value: 0x1234, at: received_at, quality: Quality::Good };
    assert_eq!(rig.signal(0), expected);
    assert!(rig.signals.is_on(SignalId(1)));
    assert_eq!(exchange.counts.working_counter_errors, 0);
    assert_eq!(exchange.counts.sent, exchange.counts.received);
}

#[test]
fn a_wrong_working_counter_ages_only_the_signals_of_its_unit() {
    let mut rig = operational();
    rig.bus.link.devices.units[0] = (2, vec![0xFF, 0xFF]);
    let exchange = rig.cycle();
    assert_eq!(exchange.units_good, 0b10);
    assert_eq!(exchange.counts.working_counter_errors, 1);
    assert_eq!((rig.signal(0).value, rig.signal(0).quality), (0x1234, Quality::Stale));
    assert_eq!(rig.signal(1).quality, Quality::Good);
    rig.bus.link.devices.units[0] = (3, vec![1, 0]);
    assert_eq!(rig.cycle().units_good, 0b11);
    assert_eq!((rig.signal(0).value, rig.signal(0).quality), (1, Quality::Good));
}

#[test]
fn a_lost_frame_ages_everything_and_is_counted_once() {
    let mut rig = operational();
    rig.tamper(VecDeque::clear);
    let exchange = rig.cycle();
    assert_eq!((exchange.units_good, exchange.state), (0, BusState::Operational));
    assert_eq!(rig.signal(0).quality, Quality::Stale);
    let exchange = rig.cycles(10);
    assert_eq!(exchange.counts.lost, 1);
    assert_eq!(exchange.counts.sent, exchange.counts.received + 1);
    assert_eq!(exchange.state, BusState::Operational);
}

#[test]
fn a_late_frame_is_told_from_the_one_of_this_cycle() {
    let mut rig = operational();
    rig.tamper(|frames| frames[0].0 += PERIOD - 20_000);
    assert_eq!(rig.cycle().units_good, 0);
    let exchange = rig.cycle();
    assert_eq!(exchange.units_good, 0b11);
    assert_eq!((exchange.counts.late, exchange.counts.lost, exchange.counts.foreign), (1, 0, 0));
    assert_eq!(rig.cycles(10).counts.lost, 0);
}

#[test]
fn a_duplicate_is_counted_as_such_and_changes_nothing() {
    let mut rig = operational();
    rig.tamper(|frames| {
        let mut copy = frames[0].clone();
        copy.1[40] ^= 0xFF;
        frames.push_back(copy);
    });
    let counts = rig.cycles(2).counts;
    assert_eq!((counts.duplicate, counts.foreign, rig.last.units_good), (1, 0, 0b11));
    assert_eq!(rig.signal(0).value, 0x1234);
}

#[test]
fn foreign_frames_are_counted_and_do_not_hold_the_loop() {
    let mut rig = operational();
    rig.tamper(|frames| {
        let own = frames.pop_front().unwrap();
        for n in 0..10u8 {
            let mut foreign = own.1.clone();
            foreign[6..12].copy_from_slice(&[2, 0, 0, 0, 0, n]);
            frames.push_back((own.0, foreign));
        }
        // Ours, but untouched by any device: looped back.
        let mut looped = own.1.clone();
        looped[6] &= !2;
        frames.push_back((own.0, looped));
        frames.push_back(own);
    });
    let exchange = rig.cycle();
    assert_eq!((exchange.counts.foreign, exchange.units_good), (11, 0b11));
}

#[test]
fn a_flood_of_foreign_frames_ends() {
    let mut rig = operational();
    rig.tamper(|frames| {
        let mut foreign = frames[0].1.clone();
        foreign[11] = 9;
        let at = frames[0].0;
        frames.clear();
        frames.extend((0..1000).map(|_| (at, foreign.clone())));
    });
    let exchange = rig.cycle();
    assert_eq!(exchange.units_good, 0);
    assert_eq!(exchange.counts.foreign, u64::try_from(RECEIVE_MAX).unwrap());
}

#[test]
fn a_corrupt_frame_is_never_taken_over() {
    // Header of the EtherCAT frame, command, address, length of the first and of the second datagram.
    for at in [14, 16, 20, 22, 30, 32, 34, 36] {
        let mut rig = operational();
        rig.tamper(move |frames| frames[0].1[at] ^= 0x01);
        let exchange = rig.cycle();
        assert_eq!((exchange.counts.corrupt, exchange.units_good), (1, 0), "byte {at}");
        assert_eq!(rig.signal(0).quality, Quality::Stale);
    }
    let mut rig = operational();
    rig.tamper(|frames| frames[0].1.truncate(40));
    let exchange = rig.cycle();
    assert_eq!((exchange.counts.corrupt, exchange.counts.truncated), (0, 1));
    assert_eq!((exchange.units_good, rig.signal(0).quality), (0, Quality::Stale));
    assert_eq!(rig.cycle().units_good, 0b11);
}

#[test]
fn a_device_that_refuses_op_is_named_with_its_code() {
    let mut rig = Rig::new(&plan(), None);
    rig.bus.link.devices.refuses = Some((1, 0x001D));
    rig.until(BusState::Faulted);
    let exchange = rig.cycles(20);
    assert_eq!(exchange.state, BusState::Faulted);
    let fault = exchange.fault;
    assert_eq!((fault.position, fault.al_status, fault.al_status_code), (1, 0x14, 0x001D));
    assert_eq!(exchange.units_good, 0b11, "inputs go on");
    // It changes its mind.
    rig.bus.link.devices.refuses = None;
    rig.until(BusState::Operational);
    assert_eq!(rig.last.fault.position, u16::MAX);
}

#[test]
fn a_device_that_leaves_op_faults_the_bus_at_once_and_is_brought_back() {
    let mut rig = operational();
    rig.bus.link.devices.states[0] = (0x14, 0x001B);
    assert_eq!(rig.cycle().state, BusState::Faulted);
    let exchange = rig.cycle();
    assert_eq!((exchange.fault.position, exchange.fault.al_status_code), (0, 0x001B));
    rig.until(BusState::Operational);
    assert_eq!(rig.bus.link.devices.states, [(8, 0), (8, 0)]);
}

#[test]
fn a_device_below_safe_op_stays_the_evidence() {
    let mut rig = operational();
    rig.bus.link.devices.states[1] = (0x01, 0);
    let exchange = rig.cycles(1_000);
    assert_eq!((exchange.state, exchange.fault.position), (BusState::Faulted, 1));
    assert_eq!(rig.bus.link.devices.states[1], (1, 0), "it is not raised without configuration");
}

#[test]
fn a_device_that_is_gone_is_found() {
    let mut rig = operational();
    rig.bus.link.devices.is_gone[1] = true;
    assert_eq!(rig.cycle().state, BusState::Operational, "once may be a disturbance");
    let exchange = rig.cycles(6);
    assert_eq!(exchange.state, BusState::Faulted);
    assert_eq!((exchange.fault.position, exchange.fault.al_status), (1, 0));
}

#[test]
fn a_link_that_is_down_faults_the_bus_and_comes_back_by_itself() {
    let mut rig = operational();
    rig.bus.link.is_down = true;
    let exchange = rig.cycle();
    assert_eq!((exchange.state, exchange.units_good), (BusState::Faulted, 0));
    assert!(exchange.fault.link_down);
    assert_eq!(exchange.fault.position, u16::MAX);
    rig.cycles(100);
    // Meanwhile the watchdog took the devices to SafeOp.
    rig.bus.link.devices.states = vec![(0x14, 0x1B); 2];
    rig.bus.link.is_down = false;
    rig.until(BusState::Operational);
    assert_eq!(rig.last.units_good, 0b11);
}

#[test]
fn silence_faults_the_bus_after_a_few_cycles_only() {
    let mut rig = operational();
    for cycle in 1..=3 {
        rig.tamper(VecDeque::clear);
        let expected = if cycle < 3 { BusState::Operational } else { BusState::Faulted };
        assert_eq!(rig.cycle().state, expected, "cycle {cycle}");
    }
    rig.until(BusState::Operational);
}

fn dc_plan() -> BusPlan {
    let mut plan = plan();
    plan.dc = Some(DcPlan {
        follow: Follow::Reference,
        frame_before_sync0_ns: 100_000,
        lock_window_ns: 500,
        lock_timeout_ns: 50 * PERIOD,
    });
    plan.subdevices[1].sync0 = Some(Sync0Plan { cycle_ns: 1_000_000, shift_ns: 0 });
    plan
}

fn clocks() -> Option<Clocks> {
    Some(Clocks {
        reference: 0,
        members: vec![1],
        dc_time: 5_000_000_700,
        link_time: 300,
        sync_start: 0,
    })
}

#[test]
fn op_is_requested_only_when_the_clocks_are_in_step() {
    let mut rig = Rig::new(&dc_plan(), clocks());
    rig.bus.link.devices.differences[1] = 0x8000_0000 | 501;
    let exchange = rig.cycles(10);
    assert_eq!((exchange.state, exchange.dc_unlocked), (BusState::Starting, true));
    assert_eq!(rig.bus.link.devices.states[1], (4, 0));
    rig.bus.link.devices.differences[1] = 0x8000_0000 | 499;
    let exchange = rig.until(BusState::Operational);
    assert!(!exchange.dc_unlocked);
    rig.bus.link.devices.differences[1] = 9_000;
    assert!(rig.cycles(10).dc_unlocked);
}

#[test]
fn clocks_that_do_not_get_in_step_are_a_fault_after_the_time_out() {
    let mut rig = Rig::new(&dc_plan(), clocks());
    rig.bus.link.devices.differences[1] = 100_000;
    assert_eq!(rig.cycles(40).state, BusState::Starting);
    let exchange = rig.cycles(20);
    assert_eq!((exchange.state, exchange.fault.position), (BusState::Faulted, 1));
    assert!(exchange.fault.clocks_apart);
    // They do after all.
    rig.bus.link.devices.differences[1] = 0;
    rig.until(BusState::Operational);
}

#[test]
fn the_phase_against_sync0_is_reported_and_a_start_can_be_aligned_to_it() {
    let mut rig = Rig::new(&dc_plan(), clocks());
    rig.bus.link.devices.dc_time = 7_900_000 + 123;
    assert_eq!(rig.cycle().dc_offset_ns, 123);
    rig.bus.link.devices.dc_time = 7_900_000 - 45;
    assert_eq!(rig.cycle().dc_offset_ns, -45);
    // DC time is 400 ns ahead of the link's, modulo the period: 899_600 is 100 µs before SYNC0.
    assert_eq!(rig.bus.aligned_start(20_000_000), 20_899_600);
    assert_eq!(rig.bus.aligned_start(20_899_600), 20_899_600);
    assert_eq!(Rig::new(&plan(), None).bus.aligned_start(77), 77);
}

#[test]
fn copied_bytes_go_from_an_input_to_an_output_unseen() {
    let mut plan = plan();
    plan.signals.pop();
    plan.copies = vec![CopyPlan { from: 0, from_byte: 1, to: 0, to_byte: 0, bytes: 1 }];
    let mut rig = Rig::new(&plan, None);
    rig.cycle();
    rig.bus.encode(&rig.signals);
    rig.cycle();
    assert_eq!(rig.bus.link.devices.outputs[0], [0x12, 0]);
}

proptest::proptest! {
    #[test]
    fn no_frames_make_it_panic_or_hand_over_what_was_not_judged_good(
        damage in proptest::collection::vec((0usize..80, proptest::prelude::any::<u8>()), 1..6),
        noise in proptest::collection::vec(
            proptest::collection::vec(proptest::prelude::any::<u8>(), 0..90), 0..6),
    ) {
        let mut rig = operational();
        rig.tamper(move |frames| {
            let at = frames[0].0;
            for (place, value) in &damage {
                let length = frames[0].1.len();
                frames[0].1[place % length] = *value;
            }
            for bytes in &noise {
                frames.push_front((at, bytes.clone()));
                let mut like_ours = bytes.clone();
                if like_ours.len() >= 17 {
                    like_ours[6..12].copy_from_slice(&[0x12, 0x54, 0x41, 0x43, 0x54, 0x53]);
                    like_ours[12..14].copy_from_slice(&[0x88, 0xA4]);
                }
                frames.push_front((at, like_ours));
            }
        });
        let exchange = rig.cycle();
        for (unit, signal) in [(0b01, 0), (0b10, 1)] {
            let is_good = rig.signal(signal).quality == Quality::Good;
            proptest::prop_assert_eq!(is_good, exchange.units_good & unit != 0);
        }
        let counts = rig.cycles(10).counts;
        let damaged = counts.corrupt + counts.truncated;
        let back = counts.received + counts.late + damaged + counts.lost;
        proptest::prop_assert_eq!(counts.sent, back);
    }
}
