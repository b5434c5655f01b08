use super::*;
use crate::bus::Pace;
use crate::machine::SafeCause;
use crate::plan::{GroupId, InterlockId, Reaction, StopWay};
use alloc::vec::Vec;
use twin_lite::Nano;

const PERIOD: u64 = 1_000_000;
/// 10 cycles before, 3 after.
const PLAN: FlightPlan = FlightPlan { before_ns: 10 * PERIOD, after_ns: 3 * PERIOD };

/// A recorder and whoever takes its rings.
struct Rig {
    flight: Flight,
    spares: Vec<Ring>,
    frozen: Vec<Ring>,
    cycle: u64,
}

impl Rig {
    fn new(spares: usize) -> Self {
        let flight = Flight::new(PERIOD, PLAN);
        let spares = (0..spares).map(|_| *flight.spare()).collect();
        Self { flight, spares, frozen: Vec::new(), cycle: 0 }
    }

    /// A cycle in which every phase takes 10 µs, and `happens`.
    fn cycle(&mut self, is_overrun: bool, happens: &[Event]) {
        let due = (self.cycle + 1) * PERIOD;
        self.flight.begin(self.cycle, (due, due + 5_000), 0);
        let at = |phases: u64| due + 5_000 + phases * 10_000;
        let exchange =
            Exchange { state: BusState::Operational, received_at: at(2), ..Exchange::default() };
        self.flight.exchanged(&exchange, &Pace { sent_at: at(1), ..Pace::default() });
        for event in happens {
            let body = Body::Event(*event);
            self.flight.note(&Record { cycle: self.cycle, now: due, body });
        }
        for (phase, number) in Phase::ALL.into_iter().zip(1..).skip(2).take(PHASES - 3) {
            self.flight.over(phase, at(number));
        }
        let now = at(10);
        if self.flight.end(now, is_overrun) {
            let (spares, frozen) = (&mut self.spares, &mut self.frozen);
            self.flight.freeze(|ring| {
                let Some(spare) = spares.pop() else { return false };
                frozen.push(core::mem::replace(&mut **ring, spare));
                true
            });
        }
        self.cycle += 1;
    }

    fn quiet(&mut self, cycles: u64) {
        (0..cycles).for_each(|_| self.cycle(false, &[]));
    }
}

fn trip(reaction: Reaction) -> Event {
    Event::Trip {
        cause: SafeCause::Interlock(InterlockId(7)),
        way: StopWay::Ramp,
        group: GroupId(1),
        reaction,
        input_at: 1,
        predicted: Nano(5),
    }
}

fn cycles(ring: &Ring) -> Vec<u64> {
    ring.cycles().map(|stamps| stamps.cycle).collect()
}

#[test]
fn a_stop_is_frozen_with_what_came_before_and_a_little_of_what_came_after() {
    let mut rig = Rig::new(1);
    rig.quiet(100);
    rig.cycle(false, &[trip(Reaction::Stop1)]);
    rig.quiet(2);
    assert!(rig.frozen.is_empty(), "what comes after is still to come");
    rig.quiet(1);
    let [ring] = &rig.frozen[..] else { panic!("one ring, {}", rig.frozen.len()) };
    assert_eq!(cycles(ring), (90..104).collect::<Vec<_>>(), "10 before, itself, 3 after");
    let trigger = ring.trigger();
    assert_eq!((trigger.kind, trigger.cycle, trigger.subject), (TriggerKind::Trip, 100, 7));
    let flagged: Vec<u64> = ring.cycles().filter(|c| c.is(TRIP)).map(|c| c.cycle).collect();
    assert_eq!(flagged, [100]);
    let mark = ring.marks().next().unwrap();
    assert_eq!((mark.cycle, mark.kind, mark.subject, mark.group), (100, MarkKind::Trip, 7, 1));
    rig.quiet(50);
    assert_eq!(rig.frozen.len(), 1, "once");
}

#[test]
fn an_emergency_is_a_mark_with_all_that_it_said_and_no_trigger() {
    let mut rig = Rig::new(1);
    rig.quiet(20);
    let emergency =
        crate::bus::Emergency { device: 4, code: 0x8611, register: 0x21, data: [1, 2, 3, 4, 0xFE] };
    rig.cycle(false, &[Event::Emergency(emergency)]);
    rig.quiet(20);
    assert!(rig.frozen.is_empty());
    rig.cycle(false, &[trip(Reaction::Stop1)]);
    rig.quiet(10);
    let mark = rig.frozen[0].marks().find(|mark| mark.kind == MarkKind::Emergency).copied();
    let mark = mark.expect("a mark");
    assert_eq!((mark.cycle, mark.subject), (20, 4));
    assert_eq!(mark.value.to_le_bytes(), [0x11, 0x86, 0x21, 1, 2, 3, 4, 0xFE]);
    assert_eq!(Mark::from_bytes(&mark.to_bytes()), mark);
}

#[test]
fn slowing_down_and_the_stop_of_the_controlled_end_are_no_triggers() {
    let mut rig = Rig::new(1);
    rig.cycle(false, &[trip(Reaction::LimitSpeed(Nano(1)))]);
    rig.cycle(false, &[Event::ShutdownRequested, trip(Reaction::Stop1)]);
    rig.quiet(20);
    assert!(rig.frozen.is_empty());
    assert_eq!(rig.flight.account().counts().triggers, 0);
}

#[test]
fn an_overrun_and_a_request_are_triggers_and_name_their_cycle() {
    let mut rig = Rig::new(2);
    rig.quiet(20);
    rig.cycle(true, &[]);
    rig.quiet(30);
    rig.flight.account().request();
    rig.quiet(10);
    let kinds: Vec<_> = rig.frozen.iter().map(|ring| ring.trigger()).collect();
    assert_eq!((kinds[0].kind, kinds[0].cycle), (TriggerKind::Overrun, 20));
    assert_eq!((kinds[1].kind, kinds[1].cycle), (TriggerKind::Request, 51));
}

#[test]
fn overruns_that_follow_a_freeze_too_soon_are_counted_and_make_no_dump_of_their_own() {
    let mut rig = Rig::new(5);
    rig.cycle(true, &[]);
    rig.quiet(5);
    rig.cycle(true, &[]);
    rig.quiet(5);
    assert_eq!(rig.frozen.len(), 1);
    rig.cycle(false, &[trip(Reaction::Stop2)]);
    rig.quiet(5);
    assert_eq!(rig.frozen.len(), 2, "a stop is never held off");
    let counts = rig.flight.account().counts();
    assert_eq!((counts.triggers, counts.held_off, counts.frozen), (3, 1, 2));
}

#[test]
fn a_stop_soon_after_an_overrun_is_in_the_same_dump_with_what_followed_it() {
    let mut rig = Rig::new(2);
    rig.quiet(20);
    rig.cycle(true, &[]);
    rig.cycle(false, &[trip(Reaction::Stop1)]);
    rig.cycle(false, &[trip(Reaction::Stop0)]);
    rig.quiet(20);
    let [ring] = &rig.frozen[..] else { panic!("one dump") };
    let trigger = ring.trigger();
    assert_eq!((trigger.kind, trigger.cycle), (TriggerKind::Trip, 21));
    assert_eq!(cycles(ring), (11..25).collect::<Vec<_>>());
    assert!(ring.cycles().any(|stamps| stamps.cycle == 20 && stamps.is(OVERRUN)));
}

#[test]
fn without_an_empty_ring_the_loop_goes_on_and_what_is_overwritten_is_counted() {
    let mut rig = Rig::new(0);
    rig.quiet(30);
    rig.cycle(false, &[trip(Reaction::Stop1)]);
    rig.quiet(3 + 6);
    assert_eq!(rig.flight.account().counts().lost, 7);
    let spare = *rig.flight.spare();
    rig.spares.push(spare);
    rig.quiet(1);
    let [ring] = &rig.frozen[..] else { panic!("frozen as soon as it could be") };
    assert_eq!(ring.late(), 7);
    assert_eq!(ring.trigger().cycle, 30);
    assert_eq!(cycles(ring), (27..41).collect::<Vec<_>>(), "7 of the 10 before are gone");
}

#[test]
fn a_ring_that_is_not_full_loses_nothing_by_waiting() {
    let mut rig = Rig::new(0);
    rig.cycle(true, &[]);
    rig.quiet(6);
    assert_eq!(rig.flight.account().counts().lost, 0);
}

#[test]
fn phases_follow_each_other_and_what_was_left_out_took_no_time() {
    let mut rig = Rig::new(1);
    rig.cycle(true, &[]);
    rig.flight.begin(1, (2 * PERIOD, 2 * PERIOD), 9);
    rig.flight.over(Phase::Decode, 2 * PERIOD + 300);
    // A clock that goes back, which none should, makes no negative phase.
    rig.flight.over(Phase::Twin, 2 * PERIOD + 100);
    rig.flight.end(2 * PERIOD + 1_000, false);
    let stamps: Vec<_> = rig.flight.ring.cycles().copied().collect();
    assert_eq!(stamps[0].latency_ns, 5_000);
    assert_eq!(stamps[0].execution_ns(), 100_000);
    assert!(stamps[0].phases().all(|(_, _, took)| took == 10_000), "{:?}", stamps[0]);
    assert_eq!(stamps[1].over_ns, [0, 0, 300, 300, 300, 300, 300, 300, 300, 1_000]);
    assert_eq!(stamps[1].skipped, 9);
}

#[test]
fn what_made_periods_be_skipped_is_told_apart() {
    let mut rig = Rig::new(0);
    rig.cycle(true, &[]);
    rig.flight.begin(1, (2 * PERIOD, 2 * PERIOD), 1);
    rig.flight.end(2 * PERIOD, false);
    rig.flight.begin(2, (9 * PERIOD, 9 * PERIOD), 6);
    rig.flight.end(9 * PERIOD, false);
    let late = |flags: u16| flags & (SKIPPED | WOKE_LATE);
    let flags: Vec<_> = rig.flight.ring.cycles().map(|stamps| late(stamps.flags)).collect();
    assert_eq!(flags, [0, SKIPPED, SKIPPED | WOKE_LATE]);
}

#[test]
fn distributions_are_kept_of_each_phase() {
    let mut rig = Rig::new(0);
    rig.quiet(1000);
    let account = rig.flight.account();
    assert_eq!(account.latency.quantiles().max, 5_000);
    assert_eq!(account.execution.quantiles().max, 100_000);
    for durations in &account.phases {
        assert_eq!((durations.count(), durations.quantiles().max), (1000, 10_000));
    }
}

proptest::proptest! {
    #[test]
    fn a_record_and_a_mark_survive_their_bytes(
        bytes in proptest::collection::vec(0_u8.., RECORD_BYTES),
    ) {
        let bytes: [u8; RECORD_BYTES] = bytes.try_into().unwrap();
        proptest::prop_assert_eq!(CycleStamps::from_bytes(&bytes).to_bytes(), bytes);
        let mut short: [u8; MARK_BYTES] = bytes[..MARK_BYTES].try_into().unwrap();
        short[26] %= 13;
        short[29..].fill(0);
        proptest::prop_assert_eq!(Mark::from_bytes(&short).to_bytes(), short);
    }

    /// The newest, whatever was written.
    #[test]
    fn a_ring_holds_the_newest(capacity in 1_usize..20, written in 0_u64..70) {
        let mut ring = Ring::new(capacity);
        for cycle in 0..written {
            ring.push(CycleStamps { cycle, ..CycleStamps::default() });
        }
        let first = written.saturating_sub(u64::try_from(capacity).unwrap());
        proptest::prop_assert_eq!(cycles(&ring), (first..written).collect::<Vec<_>>());
        ring.clear();
        proptest::prop_assert_eq!(cycles(&ring), Vec::<u64>::new());
    }
}

#[test]
fn a_reference_clock_that_is_lost_is_a_mark_and_one_more_when_it_is_back() {
    let mut rig = Rig::new(1);
    let exchange = Exchange { state: BusState::Operational, ..Exchange::default() };
    for (cycle, is_reference_lost) in [(1, false), (2, true), (3, true), (4, false), (5, false)] {
        let wake = cycle * PERIOD;
        rig.flight.begin(cycle, (wake, wake), 0);
        rig.flight
            .exchanged(&exchange, &Pace { sent_at: wake, is_reference_lost, ..Pace::default() });
        assert!(!rig.flight.end(wake + 10, false));
    }
    let seen = |mark: &Mark| (mark.cycle, mark.at, mark.kind, mark.subject);
    let marks: Vec<_> = rig.flight.ring.marks().map(seen).collect();
    let at = |cycle, subject| (cycle, cycle * PERIOD, MarkKind::Reference, subject);
    assert_eq!(marks, [at(2, 1), at(4, 0)]);
}
