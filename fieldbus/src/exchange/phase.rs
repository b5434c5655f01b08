//! The loop's phase against SYNC0: where frames arrive, and by how much the next wake-up should move to keep them there.
//!
//! A wake-up is late by chance, never early: the *earliest* arrival of a window tells where the schedule is, the others tell how the
//! machine is loaded. Once a window a proportional and an integral part follow it; between readings, and when the reference is gone,
//! the last known rate is kept (two quartzes differ by a constant more than by anything else).

use rt_core::cycle::{Histogram, Quantiles};

use super::lock::ClockReport;
use crate::plan::Follow;

/// Readings that make a window.
const WINDOW: i64 = 64;
/// Rates are kept in this part of a nanosecond a cycle.
const FRACTION: i64 = 1024;
/// The largest rate that is kept: this part of the period a cycle (500 ppm; quartzes differ by 100).
const RATE_PART: i64 = 2000;
/// What is earlier than this part of the period is late by the rest of it.
const EARLY_PART: i32 = 8;
/// The largest trim: this part of the period (1 %).
const TRIM_PART: i64 = 100;

/// A phase within half a period either way, as lateness: frames are late by chance, up to most of a period, and early by hardly
/// anything.
pub(crate) fn lateness(offset_ns: i32, period_ns: u64) -> i32 {
    let period = i32::try_from(period_ns).unwrap_or(i32::MAX);
    if offset_ns < -(period / EARLY_PART) { offset_ns.saturating_add(period) } else { offset_ns }
}

/// Follows the reference clock with the loop's schedule.
#[derive(Clone, Debug)]
pub(crate) struct Follower {
    period_ns: i64,
    /// Earliest arrival in this window, ns behind the place where it should be.
    earliest: i64,
    readings: i64,
    /// What the window before asked for, a cycle, 1/1024 ns; used up over the next window.
    proportional: i64,
    left: i64,
    /// What the clocks differ by, a cycle, 1/1024 ns.
    rate: i64,
    /// What was not a whole nanosecond yet, 1/1024 ns.
    rest: i64,
}

impl Follower {
    pub(crate) fn new(period_ns: u64) -> Self {
        Self {
            period_ns: i64::try_from(period_ns).unwrap_or(i64::MAX).max(1),
            earliest: i64::MAX,
            readings: 0,
            proportional: 0,
            left: 0,
            rate: 0,
            rest: 0,
        }
    }

    /// One cycle; `offset_ns`: how far behind its place the frame arrived, `None`: the clock was not read. Returns what the next
    /// wake-up should move by, ns, within ±1 % of the period.
    pub(crate) fn cycle(&mut self, offset_ns: Option<i32>) -> i32 {
        if let Some(offset) = offset_ns {
            self.earliest = self.earliest.min(i64::from(offset));
            self.readings += 1;
        }
        if self.readings >= WINDOW {
            self.window();
        }
        let most = self.period_ns / TRIM_PART;
        let proportional = if self.left > 0 { self.proportional } else { 0 };
        self.left = (self.left - 1).max(0);
        let wanted = self.rate + proportional + self.rest;
        let trim = (wanted / FRACTION).clamp(-most, most);
        self.rest = wanted % FRACTION;
        i32::try_from(trim).unwrap_or(0)
    }

    /// The reference is lost: on at the rate it had, and nothing else. Returns the trim, as [`Self::cycle`].
    pub(crate) fn hold(&mut self) -> i32 {
        (self.earliest, self.readings, self.left) = (i64::MAX, 0, 0);
        self.cycle(None)
    }

    fn window(&mut self) {
        let late = core::mem::replace(&mut self.earliest, i64::MAX);
        self.readings = 0;
        // Half of the offset over the next window; an eighth of that is taken for a difference of rates.
        self.proportional = -late.saturating_mul(FRACTION) / (2 * WINDOW);
        self.left = WINDOW;
        let most = self.period_ns.saturating_mul(FRACTION) / RATE_PART;
        // Far off is a phase to be found, not a rate.
        if late.abs() < self.period_ns / 20 {
            self.rate = (self.rate + self.proportional / 8).clamp(-most, most);
        }
    }
}

/// From a frame's arrival at the reference to the SYNC0 that it is meant for, over all cycles.
#[derive(Clone, Debug)]
pub(crate) struct Margins {
    before_sync0_ns: i64,
    margins: Histogram,
    min_ns: i64,
    missed: u64,
}

/// What is known of distributed clocks. [`EtherCat::dc`](super::EtherCat::dc).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DcReport {
    /// Who follows whom.
    pub follow: Follow,
    /// Clocks are in step now, and the reference is there.
    pub locked: bool,
    /// How often the reference was lost: not there, stopped, or jumped.
    pub reference_lost: u64,
    /// For how many cycles in all.
    pub cycles_lost: u64,
    /// Shortest time from a frame's arrival to the SYNC0 that it was meant for, ns; below 0: it missed it.
    pub margin_min_ns: i64,
    /// Those of the frames that did not miss it.
    pub margin_ns: Quantiles,
    /// Frames that arrived.
    pub frames: u64,
    /// Frames that arrived behind their SYNC0.
    pub missed: u64,
    /// Largest difference of a device to the reference (0x092C) while locked, ns.
    pub difference_max_ns: u32,
    /// Where that was, a position; `None`: only the reference has a clock.
    pub difference_worst: Option<u16>,
    /// What every clock that follows said of itself.
    pub clocks: Vec<ClockReport>,
}

impl Margins {
    pub(crate) fn new(before_sync0_ns: u64) -> Self {
        let before_sync0_ns = i64::try_from(before_sync0_ns).unwrap_or(i64::MAX);
        Self { before_sync0_ns, margins: Histogram::new(), min_ns: i64::MAX, missed: 0 }
    }

    /// A frame arrived so far behind its place.
    pub(crate) fn record(&mut self, offset_ns: i32) {
        let margin = self.before_sync0_ns - i64::from(offset_ns);
        self.min_ns = self.min_ns.min(margin);
        match u64::try_from(margin) {
            Ok(margin) if margin > 0 => self.margins.record(margin),
            Ok(_) | Err(_) => self.missed = self.missed.saturating_add(1),
        }
    }

    pub(crate) fn report(
        &self,
        (follow, locked): (Follow, bool),
        (reference_lost, cycles_lost): (u64, u64),
        (position, worst): (Option<u16>, u32),
    ) -> DcReport {
        let frames = self.margins.count().saturating_add(self.missed);
        DcReport {
            follow,
            locked,
            reference_lost,
            cycles_lost,
            margin_min_ns: if frames > 0 { self.min_ns } else { 0 },
            margin_ns: self.margins.quantiles(),
            frames,
            missed: self.missed,
            difference_max_ns: worst,
            difference_worst: position,
            clocks: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PERIOD: i64 = 1_000_000;

    /// A schedule that runs by `drift` slow against the reference and is `offset` behind at first; wakes late at random.
    struct Plant {
        /// ns.
        offset: i32,
        /// ns a cycle; at 1 kHz that is ppm.
        drift: i32,
        random: u64,
    }

    impl Plant {
        fn late(&mut self, most: u64) -> i32 {
            self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            i32::try_from((self.random >> 33) % (most + 1)).expect("below a period")
        }

        fn cycle(&mut self, follower: &mut Follower, jitter: u64, is_read: bool) -> i32 {
            let seen = self.offset + self.late(jitter);
            let trim = follower.cycle(is_read.then_some(seen));
            self.offset += self.drift + trim;
            trim
        }
    }

    proptest! {
        #[test]
        fn the_phase_is_found_and_kept_whatever_the_drift_and_the_load(
            ppm in -150i32..150, offset in -400_000i32..400_000, jitter in 0u64..200_000, seed: u64,
        ) {
            let mut follower = Follower::new(1_000_000);
            let mut plant = Plant { offset, drift: ppm, random: seed };
            for cycle in 0..20_000 {
                let trim = plant.cycle(&mut follower, jitter, true);
                prop_assert!(i64::from(trim).abs() <= PERIOD / TRIM_PART);
                if cycle > 10_000 {
                    // The earliest of 64 is not quite punctual.
                    let slack = 3_000 + i32::try_from(jitter / 6).expect("below a period");
                    prop_assert!(plant.offset.abs() < slack, "{} after {}", plant.offset, cycle);
                }
            }
        }
    }

    #[test]
    fn more_than_half_a_period_late_is_late_not_early() {
        assert_eq!(lateness(-400_000, 1_000_000), 600_000);
        assert_eq!(lateness(-100_000, 1_000_000), -100_000);
        assert_eq!(lateness(400_000, 1_000_000), 400_000);
    }

    #[test]
    fn a_reference_that_disappears_leaves_the_loop_at_its_last_rate() {
        let mut follower = Follower::new(1_000_000);
        let mut plant = Plant { offset: 0, drift: 100, random: 1 };
        for _ in 0..10_000 {
            plant.cycle(&mut follower, 0, true);
        }
        let before = plant.offset;
        for _ in 0..10_000 {
            plant.cycle(&mut follower, 0, false);
        }
        // 100 ppm alone would be 1 ms.
        assert!((plant.offset - before).abs() < 20_000, "{} {before}", plant.offset);
    }

    #[test]
    fn a_follower_that_is_held_keeps_its_rate_and_lets_go_of_the_phase() {
        let mut follower = Follower::new(1_000_000);
        let mut plant = Plant { offset: 0, drift: 100, random: 1 };
        for _ in 0..10_000 {
            plant.cycle(&mut follower, 0, true);
        }
        for _ in 0..2 * WINDOW {
            follower.cycle(Some(200_000));
        }
        assert!(follower.cycle(None) < -1_000, "on its way to a phase that is far off");
        let held: Vec<_> = (0..1_000).map(|_| follower.hold()).collect();
        assert!(held.iter().all(|trim| (-105..=-95).contains(trim)), "{held:?}");
    }

    #[test]
    fn a_frame_behind_its_pulse_is_counted_and_the_shortest_margin_kept() {
        let mut margins = Margins::new(300_000);
        for offset in [0, 100_000, -50_000, 299_999, 300_000, 400_000] {
            margins.record(offset);
        }
        let report = margins.report((Follow::Reference, true), (0, 0), (Some(3), 77));
        assert_eq!((report.frames, report.missed), (6, 2));
        assert_eq!(report.margin_min_ns, -100_000);
        assert_eq!(report.margin_ns.max, 350_000);
    }
}
