//! Who follows whom: the loop's schedule the reference clock, or the reference clock the loop's time.
//!
//! Following the reference, the loop moves its wake-ups ([`Follower`]). Leading, it writes its own time into the reference each cycle
//! (FPWR to 0x0910, ahead of the FRMW that distributes it): the clock unit compares and follows by itself. Either way frames arrive at
//! the reference where they should before SYNC0.

use super::Clocks;
use super::lock::phase_offset;
use super::phase::{Follower, Margins, lateness};
use super::reference::{Reference, behind};
use crate::plan::{DcPlan, Follow};

/// Cycles that make a window.
const WINDOW: u32 = 64;
/// What is told moves against the loop's time by at most this part of the time that passes (100 ppm): devices follow without a step.
const SLEW_PART: i64 = 10_000;
/// After the first window the place is known: later ones correct a quarter of what they see.
const LATER: i64 = 4;

/// The time that the reference clock is told.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    period_ns: u64,
    before_sync0_ns: u64,
    /// What is told less local time, ns.
    base: i64,
    /// The base comes from a reading: telling it was no step.
    is_based: bool,
    is_placed: bool,
    earliest: i32,
    cycles: u32,
    /// Still to be moved, ns.
    left: i64,
}

impl Told {
    fn new(period_ns: u64, before_sync0_ns: u64, base: i64) -> Self {
        Self {
            period_ns,
            before_sync0_ns,
            base,
            is_based: false,
            is_placed: false,
            earliest: i32::MAX,
            cycles: 0,
            left: 0,
        }
    }

    /// What a frame tells that is sent at `now`, ns of local time.
    pub(crate) fn at(&self, now: u64) -> u64 {
        now.wrapping_add_signed(self.base)
    }

    /// Goes on from where the clock is.
    fn begin_at(&mut self, clock: u64, now: u64) {
        self.base = behind(clock, now);
        (self.is_based, self.is_placed, self.left) = (true, false, 0);
        (self.earliest, self.cycles) = (i32::MAX, 0);
    }

    /// One cycle, woken at `now`: moves towards the place where frames should be.
    fn cycle(&mut self, now: u64) {
        let offset = phase_offset(self.at(now), self.before_sync0_ns, self.period_ns);
        self.earliest = self.earliest.min(lateness(offset, self.period_ns));
        self.cycles += 1;
        if self.cycles >= WINDOW {
            let late = i64::from(core::mem::replace(&mut self.earliest, i32::MAX));
            self.left = if self.is_placed { -late / LATER } else { -late };
            (self.is_placed, self.cycles) = (true, 0);
        }
        let most = (i64::try_from(self.period_ns).unwrap_or(i64::MAX) / SLEW_PART).max(1);
        let step = self.left.clamp(-most, most);
        self.base = self.base.wrapping_add(step);
        self.left -= step;
    }
}

/// Phase of the loop against SYNC0.
#[derive(Clone, Debug)]
pub(crate) struct Timing {
    pub(crate) period_ns: u64,
    pub(crate) before_sync0_ns: u64,
    pub(crate) dc_time: u64,
    pub(crate) link_time: u64,
    follower: Follower,
    told: Option<Told>,
    reference: Reference,
    /// Cycles; what is sent in place of the reference's time differs from one to the next.
    turn: u64,
    /// Cycles in a row in which that came back.
    echoes: u8,
    pub(crate) margins: Margins,
    pub(crate) trim_ns: i32,
}

impl Timing {
    /// `lost_after`: cycles without a clock that can be believed.
    pub(crate) fn new(period_ns: u64, dc: &DcPlan, clocks: &Clocks, lost_after: u8) -> Self {
        let lag = behind(clocks.dc_time, clocks.link_time);
        let before_sync0_ns = dc.frame_before_sync0_ns;
        let leads = dc.follow == Follow::Loop;
        Self {
            period_ns,
            before_sync0_ns,
            dc_time: clocks.dc_time,
            link_time: clocks.link_time,
            follower: Follower::new(period_ns),
            told: leads.then(|| Told::new(period_ns, before_sync0_ns, lag)),
            reference: Reference::new(period_ns, lag, lost_after),
            turn: 0,
            echoes: 0,
            margins: Margins::new(before_sync0_ns),
            trim_ns: 0,
        }
    }

    pub(crate) fn follow(&self) -> Follow {
        if self.told.is_some() { Follow::Loop } else { Follow::Reference }
    }

    /// DC time less local time, ns.
    pub(crate) fn dc_lag(&self) -> i64 {
        behind(self.times(0).0, 0)
    }

    pub(crate) fn reference(&self) -> &Reference {
        &self.reference
    }

    /// What a frame that is sent at `now` tells the reference, and what it distributes should the reference not answer: devices that
    /// miss it follow that, and not the zeros of an empty datagram.
    pub(crate) fn times(&self, now: u64) -> (u64, u64) {
        let time =
            self.told.as_ref().map_or_else(|| self.reference.expected(now), |told| told.at(now));
        (time, time.wrapping_sub(1 + self.turn % 2))
    }

    /// What the datagram that distributes the clock brought back, if that is the clock. Every device counts in it, also a reference that
    /// has forgotten its address: what was `sent` comes back then. By chance that happens once, not again when it was another.
    pub(crate) fn reading(
        &mut self,
        (read, sent): (Option<u64>, Option<u64>),
        (is_right, is_counted): (bool, bool),
    ) -> Option<u64> {
        let is_echo = read == sent;
        self.echoes = if is_echo { self.echoes.saturating_add(1) } else { 0 };
        let is_clock = if is_echo { is_right && self.echoes < 2 } else { is_counted };
        read.filter(|_| is_clock)
    }

    /// A cycle is over; `clock`: the reference's time as a frame passed it that was sent at `now` and was back at `received_at`. Returns
    /// how far the frame was behind its place, ns.
    pub(crate) fn cycle(&mut self, now: u64, clock: Option<u64>, received_at: u64) -> Option<i32> {
        self.turn = self.turn.wrapping_add(1);
        let was_lost = self.reference.is_lost();
        let believed = self.reference.cycle(now, clock, received_at);
        let is_lost = self.reference.is_lost();
        if let (Some(told), Some(clock)) = (&mut self.told, believed)
            && (was_lost || !told.is_based)
        {
            told.begin_at(clock, now);
        }
        let seen = if is_lost { None } else { clock };
        let offset = seen.map(|time| phase_offset(time, self.before_sync0_ns, self.period_ns));
        let late = offset.map(|offset| lateness(offset, self.period_ns));
        if let Some(late) = late {
            self.margins.record(late);
        }
        self.trim_ns = match &mut self.told {
            Some(told) => {
                told.cycle(now);
                0
            }
            None if is_lost => self.follower.hold(),
            None => self.follower.cycle(late.filter(|_| believed.is_some())),
        };
        offset
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PERIOD: u64 = 1_000_000;
    const BEFORE: u64 = 300_000;

    proptest! {
        #[test]
        fn what_is_told_comes_to_its_place_without_a_step_however_late_wake_ups_are(
            lag in 0_i64..1_000_000_000_000, jitter in 0_u64..200_000, seed: u64,
        ) {
            let mut told = Told::new(PERIOD, BEFORE, 0);
            let mut random = seed;
            let mut late = || {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (random >> 33) % (jitter + 1)
            };
            told.begin_at(5_000_000_u64.wrapping_add_signed(lag), 5_000_000);
            let mut before = told.base;
            for cycle in 5..15_000 {
                let due = cycle * PERIOD;
                told.cycle(due + late());
                let step = (told.base - before).abs();
                prop_assert!(step <= 100, "{} ns in one cycle", step);
                before = told.base;
                let off = phase_offset(told.at(due), BEFORE, PERIOD);
                // The earliest of 64 is not quite punctual.
                let slack = 3_000 + i32::try_from(jitter / 6).expect("below a period");
                prop_assert!(cycle < 12_000 || off.abs() < slack, "{} off at {}", off, cycle);
            }
        }
    }
}
