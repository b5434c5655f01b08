//! When inputs were sampled. A device with SYNC0 latches them at its pulse, on a perfect grid, whenever the frame that fetches them
//! comes: a wake-up that is late by half a period must not make two samples look half a period apart.
//!
//! ```text
//! DC time      ──┬───────────────┬───────────────┬───────────────┬──    SYNC0 at whole periods + shift
//! frames           ▲(late)    ▲       (lost)                  ▲   ▲      read the reference's time as they pass (FRMW 0x0910)
//! sample fetched   1          1                               3   4
//! ```
//!
//! The stamp is the pulse's DC time moved to local time by a *lag* that follows what each frame says only slowly: samples stay whole
//! periods apart, within a thousandth, and ages stay true over hours of quartz drift. A frame that arrives just behind a pulse counts
//! as one before it: the device may not have copied its inputs yet. If it had, the same stamp comes twice, which says "nothing new",
//! and the next sample is two periods on: right again.

/// What the lag is wrong by is made up for in so many periods, ...
const FOLLOW: i64 = 16;
/// ... by no more than this part of the time that passes (1000 ppm; quartzes differ by 100).
const DRAW: i64 = 1000;
/// For so many periods the grid is believed without a reading of the clock: at 100 ppm it moves by a tenth of a period.
const CLOCKLESS_MAX: i64 = 1000;

/// Inputs with this stamp came from a device that runs free: they are as old as the frame.
pub(crate) const FREE: u8 = 0;

/// The pulses of all devices with the same shift.
#[derive(Clone, Copy, Debug)]
struct Pulses {
    shift_ns: i64,
    /// The last one that was fetched, counted in periods of DC time.
    last: i64,
    /// When it was, ns of local time.
    at: u64,
}

/// The stamps of a cycle's inputs.
#[derive(Clone, Debug)]
pub(crate) struct Sampled {
    period_ns: i64,
    /// From the pulse until its sample is surely there, ns.
    settle_ns: i64,
    /// Local time less DC time, ns; `None`: not known.
    lag: Option<i64>,
    /// When the clock was last read, ns of local time.
    read_at: i64,
    pulses: Vec<Pulses>,
    received_at: u64,
}

impl Sampled {
    /// `settle_ns`: how long after its pulse a frame may still fetch the sample before it (propagation, clocks not quite in step).
    pub(crate) fn new(period_ns: u64, settle_ns: u64) -> Self {
        let signed = |ns: u64| i64::try_from(ns).unwrap_or(i64::MAX);
        Self {
            period_ns: signed(period_ns).max(1),
            settle_ns: signed(settle_ns),
            lag: None,
            read_at: 0,
            pulses: Vec::new(),
            received_at: 0,
        }
    }

    /// The stamp of inputs from a device with this SYNC0; the same for the same shift. Only before the first cycle.
    pub(crate) fn stamp_for(&mut self, shift_ns: i32) -> u8 {
        let shift_ns = i64::from(shift_ns).rem_euclid(self.period_ns); // integer
        let known = self.pulses.iter().position(|pulses| pulses.shift_ns == shift_ns);
        let place = known.unwrap_or_else(|| {
            self.pulses.push(Pulses { shift_ns, last: i64::MIN, at: 0 });
            self.pulses.len() - 1
        });
        // More than 255 different shifts: the others count as free.
        u8::try_from(place + 1).unwrap_or(FREE)
    }

    /// A cycle's frames are back. `now`: when they were sent, ns of local time; `clock`: the reference's system time as they
    /// passed it, `None`: not read; `received_at`: when the last one came back, ns of local time.
    pub(crate) fn cycle(&mut self, now: u64, clock: Option<u64>, received_at: u64) {
        self.received_at = received_at;
        let local = i64::try_from(now).unwrap_or(i64::MAX);
        self.follow(local, clock.and_then(|clock| i64::try_from(clock).ok()));
        let Some(lag) = self.lag else {
            for pulses in &mut self.pulses {
                (pulses.last, pulses.at) = (i64::MIN, received_at);
            }
            return;
        };
        let time = local.saturating_sub(lag);
        let clock = clock.and_then(|clock| i64::try_from(clock).ok()).unwrap_or(time);
        for pulses in &mut self.pulses {
            let phase = self.settle_ns.saturating_add(pulses.shift_ns);
            let pulse = clock.saturating_sub(phase).div_euclid(self.period_ns); // integer
            if pulse == pulses.last {
                continue;
            }
            pulses.last = pulse;
            let fired = pulse.saturating_mul(self.period_ns).saturating_add(pulses.shift_ns);
            let at = u64::try_from(fired.saturating_add(lag)).unwrap_or(0);
            // Never from the future, and time never goes back.
            pulses.at = at.min(received_at).max(pulses.at);
        }
    }

    /// Draws the lag to what this frame says; gives it up when no frame says anything for long.
    fn follow(&mut self, local: i64, clock: Option<i64>) {
        let silent = local.saturating_sub(self.read_at);
        if silent > self.period_ns.saturating_mul(CLOCKLESS_MAX) {
            self.lag = None;
        }
        let Some(clock) = clock else { return };
        self.read_at = local;
        let seen = local.saturating_sub(clock);
        self.lag = Some(match self.lag {
            Some(lag) if seen.abs_diff(lag) <= self.period_ns.unsigned_abs() / 2 => {
                let time = self.period_ns.saturating_mul(FOLLOW);
                let passed = silent.clamp(0, time);
                let step = (seen - lag).saturating_mul(passed) / time;
                let most = silent.max(0) / DRAW;
                lag + step.clamp(-most, most)
            }
            // The first reading, the first for long, or a clock that has jumped.
            Some(_) | None => seen,
        });
    }

    /// When inputs with this stamp were sampled, ns of local time; [`FREE`], or a clock that is not known: when they came.
    pub(crate) fn at(&self, stamp: u8) -> u64 {
        let place = usize::from(stamp).checked_sub(1);
        let pulses = place.and_then(|place| self.pulses.get(place));
        pulses.map_or(self.received_at, |pulses| pulses.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PERIOD: u64 = 1_000_000;
    const SETTLE: u64 = 10_000;

    /// What a segment would do: which pulse's sample a frame fetches, and when that pulse was in local time.
    struct Truth {
        /// DC time at local time 0, ns.
        origin: u64,
        ppm: i64,
        shift: i64,
    }

    impl Truth {
        fn dc(&self, local: u64) -> u64 {
            let gained = i64::try_from(local).unwrap() * self.ppm / 1_000_000;
            (self.origin + local).checked_add_signed(gained).unwrap()
        }

        fn local(&self, dc: i64) -> i64 {
            let since = i128::from(dc) - i128::from(self.origin);
            i64::try_from(since * 1_000_000 / (1_000_000 + i128::from(self.ppm))).unwrap()
        }

        /// The newest pulse that the frame sees.
        fn pulse(&self, local: u64) -> i64 {
            let period = i64::try_from(PERIOD).unwrap();
            let dc = i64::try_from(self.dc(local)).unwrap();
            (dc - self.shift).div_euclid(period)
        }

        fn fired(&self, pulse: i64) -> i64 {
            self.local(pulse * i64::try_from(PERIOD).unwrap() + self.shift)
        }
    }

    #[derive(Clone, Copy, Debug)]
    enum Event {
        /// Woke so late, ns.
        Wake(u64),
        /// As before, and the clock's datagram is lost.
        Clockless(u64),
        /// No frame at all for so many periods.
        Freeze(u64),
    }

    fn events() -> impl Strategy<Value = Vec<Event>> {
        let event = prop_oneof![
            12 => (0u64..900_000).prop_map(Event::Wake),
            2 => (0u64..900_000).prop_map(Event::Clockless),
            1 => (1u64..3_000).prop_map(Event::Freeze),
        ];
        proptest::collection::vec(event, 50..400)
    }

    proptest! {
        #[test]
        fn samples_are_whole_periods_apart_and_as_old_as_they_are(
            events in events(), ppm in -100i64..=100, shift in -900_000i32..900_000,
            origin in 1_000_000_000u64..1_000_000_000_000_000_000,
        ) {
            let period = i64::try_from(PERIOD).unwrap();
            let truth = Truth { origin, ppm, shift: i64::from(shift).rem_euclid(period) }; // integer
            let mut sampled = Sampled::new(PERIOD, SETTLE);
            let stamp = sampled.stamp_for(shift);
            let mut due = 5_000_000_000;
            sampled.cycle(due, Some(truth.dc(due)), due + 50_000);
            // Whoever is in phase at first.
            let (mut before, mut cycles, mut frozen) = (sampled.at(stamp), 0i64, 0);
            // When the clock was last read, now and when the last stamp was made.
            let (mut read_at, mut anchored) = (due, due);
            for event in events {
                due += PERIOD;
                let (late, clock) = match event {
                    Event::Freeze(periods) => {
                        due += periods * PERIOD;
                        frozen += periods;
                        continue;
                    }
                    Event::Wake(late) => (late, true),
                    Event::Clockless(late) => (late, false),
                };
                cycles += 1;
                let now = due + late;
                let received_at = now + 50_000;
                sampled.cycle(now, clock.then(|| truth.dc(now)), received_at);
                let at = sampled.at(stamp);
                prop_assert!(at <= received_at && at >= before);
                let elapsed = i64::try_from(at - before).unwrap();
                let whole = (elapsed + period / 2) / period;
                if clock {
                    read_at = now;
                }
                let slack = i64::try_from(now - anchored).unwrap() / DRAW + 1;
                if elapsed > 0 {
                    anchored = read_at;
                }
                // After a long freeze it is anchored anew, and until then as old as the frame.
                let long = frozen > 900;
                frozen = if clock { 0 } else { frozen };
                let off = (elapsed - whole * period).abs();
                prop_assert!(long && !clock || off <= slack, "{} apart", elapsed);
                before = at;
                // As old as the frame, and the next not older than that.
                if long {
                    continue;
                }
                // Of the pulse fetched, or of the one before it when the frame was hard behind a pulse.
                let age = i64::try_from(at).unwrap() - truth.fired(truth.pulse(now));
                let one_before = age + period;
                let wrong = age.abs().min(one_before.abs());
                prop_assert!(!clock || wrong <= period / 2 + 1_000, "{} ns wrong", wrong);
                // Without a reading the pulse is reckoned: off by one at most.
                prop_assert!(received_at - at <= 3 * PERIOD, "{} old", received_at - at);
                let dc = i64::try_from(truth.dc(now)).unwrap();
                let behind = (dc - truth.shift).rem_euclid(period); // integer
                let settle = i64::try_from(SETTLE).unwrap();
                if clock && (settle + 1_000..period - 1_000).contains(&behind) && cycles > 1 {
                    prop_assert!(age.abs() <= period / 2 + 1_000, "age {} behind {}", age, behind);
                }
            }
        }
    }

    #[test]
    fn hours_of_drift_do_not_make_ages_wrong() {
        // 100 ppm for an hour: 360 ms, were it not followed.
        for ppm in [-100, 100] {
            let truth = Truth { origin: 700_000_000_000_000_000, ppm, shift: 250_000 };
            let mut sampled = Sampled::new(PERIOD, SETTLE);
            let stamp = sampled.stamp_for(250_000);
            let mut worst = 0;
            for cycle in 1..3_600_000_u64 {
                // The frame always passes in the middle between two pulses, as a loop in phase would.
                let at = truth.fired(i64::try_from(700_000_000_000 + cycle).unwrap()) + 500_000;
                let now = u64::try_from(at).unwrap();
                sampled.cycle(now, Some(truth.dc(now)), now + 50_000);
                let age = i64::try_from(sampled.at(stamp)).unwrap() - truth.fired(truth.pulse(now));
                worst = worst.max(age.abs());
            }
            assert!(worst <= 2_000, "{worst} ns");
        }
    }

    #[test]
    fn two_frames_within_one_pulse_fetch_the_same_sample() {
        let mut sampled = Sampled::new(PERIOD, SETTLE);
        let stamp = sampled.stamp_for(0);
        let mut stamps = Vec::new();
        for now in [5_100_000, 5_900_000, 6_000_500, 7_100_000] {
            sampled.cycle(now, Some(now + 3_000_000_000), now + 1_000);
            stamps.push(sampled.at(stamp));
        }
        // The third came hard behind its pulse: taken for the one before; the fourth is two on.
        assert_eq!(stamps, [5_000_000, 5_000_000, 5_000_000, 7_000_000]);
    }

    #[test]
    fn a_clock_that_is_silent_for_long_is_not_believed_any_more() {
        let mut sampled = Sampled::new(PERIOD, SETTLE);
        let stamp = sampled.stamp_for(0);
        let mut now = 5_500_000;
        sampled.cycle(now, None, now + 1_000);
        assert_eq!(sampled.at(stamp), now + 1_000, "never read: as old as the frame");
        now += PERIOD;
        sampled.cycle(now, Some(now), now + 1_000);
        for _ in 0..CLOCKLESS_MAX {
            now += PERIOD;
            sampled.cycle(now, None, now + 1_000);
            assert_eq!(sampled.at(stamp), now - 500_000);
        }
        now += PERIOD;
        sampled.cycle(now, None, now + 1_000);
        assert_eq!(sampled.at(stamp), now + 1_000);
        now += 2 * PERIOD;
        sampled.cycle(now, Some(now), now + 1_000);
        assert_eq!(sampled.at(stamp), now - 500_000, "back again");
    }

    #[test]
    fn a_clock_that_jumps_is_followed_at_once_and_no_stamp_goes_back() {
        let mut sampled = Sampled::new(PERIOD, SETTLE);
        let stamp = sampled.stamp_for(0);
        sampled.cycle(5_500_000, Some(9_000_500_000), 5_600_000);
        assert_eq!(sampled.at(stamp), 5_000_000);
        // Far back, and out of phase by 0.8 periods.
        sampled.cycle(6_500_000, Some(2_000_300_000), 6_600_000);
        assert_eq!(sampled.at(stamp), 6_200_000);
        sampled.cycle(6_600_000, Some(2_000_900_000), 6_700_000);
        assert_eq!(sampled.at(stamp), 6_200_000);
    }

    #[test]
    fn devices_with_the_same_shift_share_a_stamp_and_those_without_sync0_keep_the_frame_s() {
        let mut sampled = Sampled::new(PERIOD, SETTLE);
        let (a, b) = (sampled.stamp_for(0), sampled.stamp_for(-250_000));
        assert_eq!(sampled.stamp_for(750_000), b, "the same instants");
        assert_eq!(sampled.stamp_for(0), a);
        sampled.cycle(5_500_000, Some(5_500_000), 5_600_000);
        assert_eq!((sampled.at(a), sampled.at(b)), (5_000_000, 4_750_000));
        assert_eq!(sampled.at(FREE), 5_600_000);
    }
}
