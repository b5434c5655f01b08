//! One device loses its supply and comes back while the others go on.

use super::*;
use fieldbus::coe::{CoeClient, News, Object};
use fieldbus::plan::Follow;

const TERMINALS: u64 = 0b01;
const DRIVES: u64 = 0b10;
/// The last drive, and the one before it.
const Y: usize = 4;
const X: usize = 3;

struct Cut {
    rig: Rig<Faulty>,
    client: CoeClient,
    /// All units that were wrong since it was cut off.
    wrong: u64,
}

impl Cut {
    fn new(plan: &BusPlan) -> Self {
        let mut rig = Rig::new(faulty(Faults::default()), plan);
        rig.follows = true;
        rig.until(BusState::Operational);
        let client = rig.bus.take_coe_client().unwrap();
        Self { rig, client, wrong: 0 }
    }

    fn power(&mut self, position: usize, on: bool) {
        self.rig.inject(if on {
            segment::Fault::PowerOn { position }
        } else {
            segment::Fault::PowerOff { position }
        });
    }

    fn cycles(&mut self, count: u32) -> Exchange {
        for _ in 0..count {
            let exchange = self.rig.cycle();
            self.wrong |= exchange.units_all & !exchange.units_good;
        }
        self.rig.last
    }

    /// Cycles until all is well.
    fn back(&mut self) -> u32 {
        for cycle in 0..5_000 {
            if self.cycles(1).state == BusState::Operational {
                return cycle;
            }
        }
        let news = self.news();
        panic!("never back: {:?} {news:?}", self.rig.last);
    }

    fn news(&mut self) -> Vec<(u16, News)> {
        core::iter::from_fn(|| self.client.take_notice().map(|n| (n.device, n.news))).collect()
    }

    fn refusals(&mut self) -> Vec<String> {
        let refused = |(_, news): &(u16, News)| matches!(news, News::Refused(_));
        self.news().iter().filter(|n| refused(n)).map(|n| n.1.to_string()).collect()
    }

    fn read(&mut self, device: u16, object: Object) -> Option<u64> {
        self.client.read(device, object).unwrap();
        for _ in 0..3_000 {
            self.cycles(1);
            if let Some(answer) = self.client.take() {
                return answer.number();
            }
        }
        None
    }

    fn state(&mut self, position: usize) -> (AlState, bool) {
        let status = self.rig.segment().snapshot(position).unwrap();
        (status.al_state, status.al_error)
    }
}

#[test]
fn a_drive_that_was_restarted_is_set_up_again_while_the_others_go_on() {
    for follow in [None, Some(Follow::Reference), Some(Follow::Loop)] {
        let mut plan = plan();
        if let Some(follow) = follow {
            plan = with_dc(plan);
            plan.dc.as_mut().unwrap().follow = follow;
        }
        let mut cut = Cut::new(&plan);
        cut.cycles(200);
        cut.wrong = 0;
        // Given a drive that loses its supply for 300 ms,
        cut.power(Y, false);
        let exchange = cut.cycles(300);
        assert_eq!((exchange.state, exchange.units_good), (BusState::Faulted, TERMINALS));
        assert_eq!(cut.rig.signals.get(SignalId(DRIVE + 6)).quality, Quality::Stale);
        // when it comes back without address, mailboxes, mapping, objects and clock,
        cut.power(Y, true);
        assert_eq!(cut.state(Y), (AlState::Init, false));
        let cycles = cut.back();
        // then it is in Op again within a second, ...
        assert!(cycles < 500, "{follow:?}: {cycles}");
        assert_eq!(cut.state(Y), (AlState::Op, false));
        // ... no datagram of another unit was ever wrong, ...
        assert_eq!(cut.wrong, DRIVES);
        // ... and it was told, with the time that it took.
        let news = cut.news();
        let [(4, News::Restarted), (4, News::Restored { took_ns })] = news[..] else {
            panic!("{news:?}");
        };
        println!("{follow:?}: set up in {} ms, in Op {cycles} cycles after", took_ns / 1_000_000);
        assert!(took_ns < 500_000_000, "{took_ns}");
        let exchange = cut.cycles(2_000);
        assert_eq!((exchange.units_good, exchange.state), (0b11, BusState::Operational));
        assert!(!exchange.dc_unlocked);
        // What was written at start-up is there again.
        assert_eq!(cut.read(4, Object::entry(0x6065, 0)), Some(123_456));
        assert_eq!(cut.read(4, Object::entry(0x1A00, 0)), Some(3));
        let sync0 = cut.rig.segment().sync0_active(Y);
        assert_eq!(sync0, Some(follow.is_some()), "{follow:?}");
    }
}

#[test]
fn what_a_restarted_device_said_before_counts_no_longer() {
    let mut cut = Cut::new(&plan());
    cut.cycles(50);
    let position = SignalId(DRIVE + 7);
    assert_eq!(cut.rig.signals.get(position).quality, Quality::Good);
    cut.power(Y, false);
    cut.cycles(50);
    assert_eq!(cut.rig.signals.get(position).quality, Quality::Stale);
    cut.power(Y, true);
    let mut seen = Vec::new();
    while cut.cycles(1).state != BusState::Operational {
        seen.push(cut.rig.signals.get(position).quality);
    }
    seen.dedup();
    // Never good before it was forgotten; what comes then is new.
    assert_eq!(seen[..2], [Quality::Stale, Quality::Missing], "{seen:?}");
    // The other drive of the unit is not switched on anew.
    let other = cut.rig.signals.get(SignalId(DRIVE + 1));
    assert_eq!(other.quality, Quality::Good);
}

#[test]
fn a_device_in_the_middle_takes_those_behind_it_along_and_all_come_back() {
    let mut cut = Cut::new(&with_dc(plan()));
    cut.cycles(100);
    cut.power(X, false);
    cut.cycles(300);
    cut.power(X, true);
    let cycles = cut.back();
    assert!(cycles < 2_000, "{cycles}");
    for position in 0..5 {
        assert_eq!(cut.state(position), (AlState::Op, false), "{position}");
    }
    assert_eq!(cut.wrong, DRIVES);
    // Only the one that lost its supply is set up again.
    assert!(cut.news().iter().all(|(device, _)| *device == 3));
}

#[test]
fn the_reference_clock_itself_may_be_restarted() {
    for follow in [Follow::Reference, Follow::Loop] {
        let mut plan = with_dc(plan());
        plan.dc.as_mut().unwrap().follow = follow;
        let mut cut = Cut::new(&plan);
        cut.cycles(500);
        cut.power(0, false);
        cut.cycles(300);
        assert!(cut.rig.last.dc_unlocked);
        cut.power(0, true);
        let cycles = cut.back();
        assert!(cycles < 3_000, "{follow:?} {cycles}");
        let exchange = cut.cycles(3_000);
        assert!(!exchange.dc_unlocked && exchange.state == BusState::Operational, "{exchange:?}");
        assert!(exchange.dc_offset_ns.abs() < 10_000, "{exchange:?}");
    }
}

#[test]
fn a_restarted_device_comes_back_on_a_bad_line_too() {
    for seed in 0..4 {
        let mut cut = Cut::new(&plan());
        let faults = Faults {
            seed,
            loss_ppm: 10_000,
            late_ppm: 10_000,
            late_ns: 1_500_000,
            duplicate_ppm: 10_000,
            corrupt_ppm: 10_000,
            ..Faults::default()
        };
        cut.power(Y, false);
        cut.cycles(20);
        cut.rig.bus.link_mut().set_faults(faults);
        cut.power(Y, true);
        cut.back();
        assert_eq!(cut.read(4, Object::entry(0x6065, 0)), Some(123_456));
    }
}

#[test]
fn another_device_in_its_place_is_refused_and_the_right_one_is_taken() {
    let mut cut = Cut::new(&plan());
    let make = |serial| cell::servo(serial, 0);
    for (other, hint) in [
        (
            make(99),
            "vendor 0x00000A5C product 0x00005044 revision 0x00010000 serial 99 answers now: was it exchanged?",
        ),
        (
            cell::terminal(),
            "vendor 0x00000A5C product 0x00002004 revision 0x00010000 answers now: check the order of the devices",
        ),
    ] {
        cut.power(Y, false);
        cut.cycles(20);
        let right = cut.rig.segment().replace(Y, other).unwrap();
        let exchange = cut.cycles(3_000);
        assert_eq!((exchange.state, exchange.units_good), (BusState::Faulted, TERMINALS));
        assert_eq!(cut.state(Y).0, AlState::Init, "it is left alone");
        let refusals = cut.refusals();
        let [refusal] = &refusals[..] else { panic!("said once: {refusals:?}") };
        let expected = format!(
            "is not brought back: vendor 0x00000A5C product 0x00005044 revision 0x00010000 serial 4712 was there, but {hint}"
        );
        assert!(refusal.starts_with(&expected), "{refusal}");
        drop(right);
        cut.power(Y, false);
        cut.rig.segment().replace(Y, make(4712)).unwrap();
        cut.back();
    }
}

#[test]
fn a_restarted_device_that_does_not_come_up_says_why() {
    use segment::{Fault, SdoRefusal};
    let state = |state, code| Fault::RefuseState { position: Y, state, code };
    let sdo = |refusal| Fault::Sdo { position: Y, refusal };
    let cases = [
        (
            state(AlState::SafeOp, Some(0x0030)),
            state(AlState::SafeOp, None),
            "is not brought back: it does not go to SafeOp: it is in PreOp, AL status code 0x0030 (invalid DC SYNC \
             configuration); the device does not take this SYNC0 cycle or shift: see 0x1C32:4 and :5, and its manual",
        ),
        (
            state(AlState::PreOp, Some(0x0016)),
            state(AlState::PreOp, None),
            "is not brought back: it does not go to PreOp: it is in Init, AL status code 0x0016 (invalid mailbox \
             configuration (PreOp)); the mailbox in the SII does not fit the device: program the SII that belongs to the firmware",
        ),
        (
            sdo(Some((0x60C2, 1, SdoRefusal::Write(0x0800_0022)))),
            sdo(None),
            "is not brought back: writing 0x60C2:1 (interpolation period) failed: the device refuses: abort code 0x08000022 \
             (data cannot be transferred in the present device state); the device takes it in another AL state only, mostly \
             PreOp: list it under startup",
        ),
        (
            sdo(Some((0x6065, 0, SdoRefusal::Keep))),
            sdo(None),
            "is not brought back: 0x6065:0 (following error window) should be 123456 but is 1048576: it came back with other \
             settings",
        ),
    ];
    for (begin, end, text) in cases {
        let mut cut = Cut::new(&plan());
        cut.power(Y, false);
        cut.cycles(20);
        cut.rig.inject(begin);
        cut.power(Y, true);
        let exchange = cut.cycles(3_000);
        assert_eq!(exchange.state, BusState::Faulted);
        assert_eq!(cut.wrong, DRIVES);
        assert_eq!(cut.refusals(), [text]);
        // It is tried again: what was wrong is mended, and it comes.
        cut.rig.inject(end);
        cut.back();
    }
}
