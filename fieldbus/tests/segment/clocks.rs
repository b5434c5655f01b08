//! Distributed clocks both ways round: drift, jitter, and a reference that disappears.

use super::*;
use fieldbus::plan::Follow;

/// The reference clock of the cell: the coupler.
const REFERENCE: usize = 0;

fn plan_with(follow: Follow) -> BusPlan {
    let mut plan = with_dc(plan());
    plan.dc.as_mut().unwrap().follow = follow;
    plan.dc.as_mut().unwrap().lock_window_ns = 3_000;
    plan
}

/// A rig whose wake-ups are late at random.
struct Late {
    rig: Rig<Faulty>,
    random: u64,
    most_ns: u64,
}

impl Late {
    fn new(follow: Follow, drift_ppb: i32, most_ns: u64) -> Self {
        let link = InlineLink::new(cell::with_drift(drift_ppb), 1_000_000_000);
        let mut rig = Rig::new(Fault::new(link, Faults::default()), &plan_with(follow));
        rig.follows = true;
        Self { rig, random: 7, most_ns }
    }

    fn cycle(&mut self) -> Exchange {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let late = (self.random >> 33) % (self.most_ns + 1);
        let trim = self.rig.bus.pace().trim_ns;
        assert!(u64::from(trim.unsigned_abs()) <= PERIOD / 100, "trim {trim}");
        let due = self.rig.next;
        self.rig.next += late;
        let exchange = self.rig.cycle();
        self.rig.next -= late;
        assert!(self.rig.next.abs_diff(due + PERIOD) <= PERIOD / 100);
        exchange
    }

    fn cycles(&mut self, count: u32) -> Exchange {
        (0..count).for_each(|_| {
            self.cycle();
        });
        self.rig.last
    }

    fn until(&mut self, what: &str, mut is_so: impl FnMut(&Exchange) -> bool) -> u64 {
        for cycle in 0..60_000 {
            let exchange = self.cycle();
            if is_so(&exchange) {
                return cycle;
            }
        }
        panic!("never {what}: {:?} {:?}", self.rig.last, self.rig.bus.dc());
    }

    fn operational(&mut self) -> u64 {
        self.until("operational", |e| e.state == BusState::Operational)
    }

    /// The reference's own time, as the segment has it.
    fn clock(&mut self) -> u64 {
        let now = self.rig.bus.link_mut().now();
        self.rig.segment().system_time(REFERENCE, now).unwrap()
    }
}

#[test]
fn the_reference_follows_the_loop_whatever_the_drift_and_the_jitter() {
    for (drift_ppb, jitter) in [(50_000, 0), (-50_000, 20_000), (50_000, 100_000)] {
        let mut late = Late::new(Follow::Loop, drift_ppb, jitter);
        late.operational();
        late.cycles(6_000);
        let (mut slowest, mut fastest) = (i64::MAX, i64::MIN);
        let started = (late.rig.bus.link_mut().now(), late.clock());
        let mut before = started;
        for _ in 0..4_000 {
            let exchange = late.cycle();
            assert!(!exchange.dc_unlocked, "{drift_ppb} ppb, {jitter} ns");
            assert_eq!(exchange.state, BusState::Operational);
            // Then the schedule is the loop's own, ...
            assert_eq!(late.rig.bus.pace().trim_ns, 0);
            let at = (late.rig.bus.link_mut().now(), late.clock());
            let gained = at.1.wrapping_sub(before.1).cast_signed()
                - at.0.wrapping_sub(before.0).cast_signed();
            (slowest, fastest) = (slowest.min(gained), fastest.max(gained));
            before = at;
        }
        // ... the reference never steps, and does not run away from it.
        let all = before.1.wrapping_sub(started.1).abs_diff(before.0 - started.0);
        assert!(all < 3_000, "{drift_ppb} ppb: {all} ns away in 4 s");
        assert!(slowest > -1_500 && fastest < 1_500, "{slowest} {fastest}");
        let dc = late.rig.bus.dc().unwrap();
        assert_eq!(
            (dc.follow, dc.locked, dc.missed, dc.reference_lost),
            (Follow::Loop, true, 0, 0)
        );
        let p50 = i64::try_from(dc.margin_ns.p50).unwrap() + i64::try_from(jitter / 2).unwrap();
        assert!((285_000..=315_000).contains(&p50) || jitter > 50_000, "{p50}");
        let clocks = dc.clocks;
        assert_eq!(clocks.len(), 3, "both drives and the reference: {clocks:?}");
        assert!(clocks.iter().all(|clock| clock.difference.readings > 1_000), "{clocks:?}");
        assert!(clocks.iter().all(|clock| clock.difference.mean_ns().abs() < 500), "{clocks:?}");
    }
}

#[test]
fn a_reference_that_is_far_from_its_place_is_led_there_slowly() {
    let mut late = Late::new(Follow::Loop, 20_000, 0);
    // Given a loop that begins 200 µs away from where its frames should arrive.
    late.rig.next += 200_000;
    late.operational();
    let first = late.rig.last.dc_offset_ns;
    assert!((100_000..300_000).contains(&first), "{first}");
    let mut before = late.cycle().dc_offset_ns;
    let cycles = late.until("in place", |exchange| {
        assert!(!exchange.dc_unlocked, "{exchange:?}");
        let moved = (exchange.dc_offset_ns - before).abs();
        before = exchange.dc_offset_ns;
        assert!(moved < 500, "{moved} ns in one cycle");
        exchange.dc_offset_ns.abs() < 2_000
    });
    assert!(cycles < 5_000, "{cycles}");
    let exchange = late.cycles(3_000);
    assert!(exchange.dc_offset_ns.abs() < 1_000, "{exchange:?}");
}

/// A fault begins, is seen as unlocked within the declared cycles, ends, and all is well again. Returns cycles until locked again.
fn lost_and_found(follow: Follow, begin: segment::Fault, end: Option<segment::Fault>) -> u64 {
    let mut late = Late::new(follow, 30_000, 20_000);
    late.operational();
    late.cycles(3_000);
    let trim = late.rig.bus.pace().trim_ns;
    late.rig.inject(begin);
    let cycles = late.until("unlocked", |exchange| exchange.dc_unlocked);
    assert!(cycles < 3, "{cycles} cycles");
    assert_eq!(late.rig.bus.dc().unwrap().reference_lost, 1);
    if let Some(end) = end {
        for _ in 0..500 {
            assert!(late.cycle().dc_unlocked);
            // The schedule goes on at the rate it had.
            let now = late.rig.bus.pace().trim_ns;
            assert!((now - trim).abs() <= 40, "{trim} {now}");
        }
        late.rig.inject(end);
    }
    let back = late.until("locked", |exchange| !exchange.dc_unlocked);
    let (mut units, mut at) = (true, 0);
    late.until("in place", |exchange| {
        units &= exchange.units_good == exchange.units_all;
        at += 1;
        at > 8_000
    });
    assert!(units, "process data are not concerned");
    let exchange = late.rig.last;
    assert!(!exchange.dc_unlocked && exchange.state == BusState::Operational, "{exchange:?}");
    assert!((-3_000..25_000).contains(&exchange.dc_offset_ns), "{exchange:?}");
    let dc = late.rig.bus.dc().unwrap();
    assert!(dc.locked && dc.reference_lost == 1 && dc.cycles_lost >= 32, "{dc:?}");
    back
}

#[test]
fn a_reference_that_stops_counting_is_a_demand_until_it_counts_again() {
    for follow in [Follow::Reference, Follow::Loop] {
        let stopped = |active| segment::Fault::ClockStopped { position: REFERENCE, active };
        let back = lost_and_found(follow, stopped(true), Some(stopped(false)));
        assert!((32..60_000).contains(&back), "{back}");
    }
}

#[test]
fn a_reference_that_jumps_is_a_demand_until_everybody_is_in_step_with_it() {
    for follow in [Follow::Reference, Follow::Loop] {
        for by_ns in [-300_000, 200_000] {
            let jump = segment::Fault::ClockJump { position: REFERENCE, by_ns };
            let back = lost_and_found(follow, jump, None);
            assert!((20..2_000).contains(&back), "{back}");
        }
    }
}

#[test]
fn devices_that_miss_the_reference_follow_the_loop_and_not_zeros() {
    let mut late = Late::new(Follow::Reference, 30_000, 0);
    late.operational();
    late.cycles(2_000);
    let now = late.rig.bus.link_mut().now();
    let before = late.rig.segment().system_time(4, now).unwrap().wrapping_sub(now);
    // Given a reference that has forgotten its address: it takes FRMW for a write, like everybody else.
    late.rig.segment().forget_address(REFERENCE);
    let cycles = late.until("unlocked", |exchange| exchange.dc_unlocked);
    assert!(cycles <= 4, "{cycles}");
    late.cycles(1_000);
    let now = late.rig.bus.link_mut().now();
    let after = late.rig.segment().system_time(4, now).unwrap().wrapping_sub(now);
    // A clock that follows zeros would be 10 ms off.
    let moved = after.wrapping_sub(before).cast_signed();
    assert!(moved.abs() < 5_000, "{moved}");
}
