//! Distributed clock unit: receive times, system time, drift compensation, SYNC0 (ETG1000.4 §6.7,
//! ESC data sheet section I, 9).
//!
//! The drift compensation is a proportional and integral controller on the mean of the measured
//! differences (0x0934: depth of that filter). The real unit's dynamics are vendor-specific; what a
//! MainDevice can see of it is the same: 0x092C falls as long as times are distributed, or told to the
//! reference, and a single time that is off moves hardly anything.

use super::DcSupport;
use crate::num::{bits64, low16, low32, put, signed64, u8_at, u32_at, u64_at};

/// Largest speed correction, ppb.
const CORRECTION_MAX_PPB: i64 = 500_000;
/// Depth of the filter for differences after power-up: 2 to this power (0x0934).
const DEPTH: u32 = 4;
/// Parts of a nanosecond in the mean.
const FRACTION: i64 = 256;
/// Differences below this are controlled, ns; above it the clock hurries.
const NEAR_NS: i64 = 20_000;
/// Cyclic operation and SYNC0 are active (0x0981).
const SYNC0_ACTIVE: u8 = 0x03;

/// Where a frame is seen by a device, ns of the segment's time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct FrameTimes {
    /// It arrives at port 0.
    pub(crate) forward: u64,
    /// It comes back to port 1; `None`: that port is closed.
    pub(crate) back: Option<u64>,
}

/// The local clock of a device and what the bus does with it.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    support: DcSupport,
    base_now: u64,
    base_local: u64,
    drift_ppb: i64,
    correction_ppb: i64,
    offset: u64,
    delay: u32,
    /// Mean difference, 1/256 ns.
    mean: i64,
    /// Comparisons since the filter was reset, up to its depth.
    compared: u32,
    /// Depth of the filter: 2 to this power (0x0934).
    depth: u32,
    compared_at: u64,
    /// A broken oscillator stands still since then, ns.
    stopped_at: Option<u64>,
    sync_next: Option<u64>,
    sync_cycle: u64,
}

impl Clock {
    /// A clock that shows `local` at time 0 and runs `drift_ppb` fast.
    pub(crate) fn new(support: DcSupport, local: u64, drift_ppb: i32) -> Self {
        Self {
            support,
            base_now: 0,
            base_local: local,
            drift_ppb: i64::from(drift_ppb),
            correction_ppb: 0,
            offset: 0,
            delay: 0,
            mean: 0,
            compared: 0,
            depth: DEPTH,
            compared_at: 0,
            stopped_at: None,
            sync_next: None,
            sync_cycle: 0,
        }
    }

    /// The device was switched on at `now`: the clock starts from 0.
    pub(crate) fn restart(&mut self, now: u64) {
        *self = Self::new(self.support, 0, 0).with_drift(self.drift_ppb);
        self.base_now = now;
    }

    fn with_drift(mut self, drift_ppb: i64) -> Self {
        self.drift_ppb = drift_ppb;
        self
    }

    /// A broken oscillator: the clock stands still, or runs on from where it stood.
    pub(crate) fn stop(&mut self, stopped: bool, now: u64) {
        if stopped {
            self.stopped_at = self.stopped_at.or(Some(now));
        } else if self.stopped_at.is_some() {
            self.base_local = self.local(now);
            (self.base_now, self.stopped_at) = (now, None);
        }
    }

    /// The clock shows something else from now on.
    pub(crate) fn jump(&mut self, by_ns: i64) {
        self.base_local = self.base_local.wrapping_add_signed(by_ns);
    }

    /// The free-running clock, ns.
    pub(crate) fn local(&self, now: u64) -> u64 {
        let elapsed = self.stopped_at.unwrap_or(now).saturating_sub(self.base_now);
        let parts = signed64(elapsed).saturating_mul(self.drift_ppb + self.correction_ppb);
        self.base_local.wrapping_add(elapsed).wrapping_add(bits64(parts / 1_000_000_000))
    }

    /// Difference to the time received, ns; positive: this clock is ahead.
    pub(crate) fn difference(&self) -> i64 {
        self.mean / FRACTION
    }

    /// The clock of the bus as this device has it, ns.
    pub(crate) fn system(&self, now: u64) -> u64 {
        self.local(now).wrapping_add(self.offset)
    }

    /// Cyclic operation with SYNC0 is active.
    pub(crate) fn sync0_active(&self) -> bool {
        self.sync_next.is_some()
    }

    /// SYNC0 cycle time as set, ns.
    pub(crate) fn sync0_cycle(&self) -> u64 {
        self.sync_cycle
    }

    /// Whether SYNC0 fired since the last call: how long before `now` it did last, ns.
    pub(crate) fn take_sync0(&mut self, now: u64) -> Option<u64> {
        let next = self.sync_next?;
        let behind = signed64(self.system(now).wrapping_sub(next));
        if behind < 0 {
            return None;
        }
        let behind = bits64(behind);
        let whole = behind.checked_div(self.sync_cycle).unwrap_or(0);
        let cycles = (whole + 1).saturating_mul(self.sync_cycle);
        self.sync_next = Some(next.wrapping_add(cycles));
        Some(behind - whole.saturating_mul(self.sync_cycle))
    }

    /// Puts what moves by itself into the registers before a read.
    pub(crate) fn refresh(&self, registers: &mut [u8], times: FrameTimes) {
        if self.support == DcSupport::Full {
            put(registers, 0x0910, &self.system(times.forward).to_le_bytes());
            put(registers, 0x092C, &sign_magnitude(self.difference()).to_le_bytes());
            put(registers, 0x0932, &low16(bits64(self.correction_ppb)).to_le_bytes());
        }
    }

    /// A write to 0x0900: the receive times of this frame are latched.
    pub(crate) fn latch(&self, registers: &mut [u8], times: FrameTimes) {
        let port0 = self.local(times.forward);
        put(registers, 0x0900, &low32(port0).to_le_bytes());
        if let Some(back) = times.back {
            put(registers, 0x0904, &low32(self.local(back)).to_le_bytes());
        }
        if self.support == DcSupport::Full {
            put(registers, 0x0918, &port0.to_le_bytes());
        }
    }

    /// A write to 0x0910: the clock follows the time received.
    pub(crate) fn compare(&mut self, received: u32, times: FrameTimes) {
        let now = times.forward;
        let own = low32(self.system(now));
        let wrapped = own.wrapping_sub(received.wrapping_add(self.delay));
        let difference = i64::from(i32::from_ne_bytes(wrapped.to_ne_bytes()));
        let elapsed = signed64(now.saturating_sub(self.compared_at)).clamp(1_000, 100_000_000);
        self.compared_at = now;
        self.average(difference);
        self.rebase(now);
        let mean = self.difference();
        // Far: at most 1 % of the time that has passed. Near: a part of the mean a telegram.
        let far = mean.abs() >= NEAR_NS;
        let most = elapsed / 100;
        let step = if far { mean.clamp(-most, most) } else { mean / 16 };
        let step = if step == 0 { mean.signum() } else { step };
        self.base_local = self.base_local.wrapping_sub(bits64(step));
        // What is corrected is no longer a difference.
        self.mean -= step * FRACTION;
        if !far {
            let speed = (mean * 1_000_000_000 / elapsed / 512).clamp(-5_000, 5_000);
            self.correction_ppb =
                (self.correction_ppb - speed).clamp(-CORRECTION_MAX_PPB, CORRECTION_MAX_PPB);
        }
    }

    /// Takes one more difference into the mean; a first one, or one that is far off, at once.
    fn average(&mut self, difference: i64) {
        let jumped = (difference - self.difference()).abs() >= NEAR_NS;
        let fresh = self.compared == 0 || (jumped && self.difference().abs() < NEAR_NS);
        self.compared = if fresh { 1 } else { (self.compared + 1).min(1 << self.depth) };
        let new = difference.saturating_mul(FRACTION);
        self.mean += (new - self.mean) / i64::from(self.compared);
    }

    /// Registers of the unit were written: takes them over.
    pub(crate) fn written(&mut self, registers: &[u8], first: usize, end: usize, now: u64) {
        let touches = |from: usize, to: usize| first < to && end > from;
        if touches(0x0920, 0x0928) {
            self.offset = u64_at(registers, 0x0920);
        }
        if touches(0x0928, 0x092C) {
            self.delay = u32_at(registers, 0x0928);
        }
        if touches(0x0930, 0x0932) {
            // Resets the filter (ETG1020 §22.2.4).
            self.rebase(now);
            self.correction_ppb = 0;
            (self.mean, self.compared) = (0, 0);
        }
        if touches(0x0934, 0x0935) {
            self.depth = u32::from(u8_at(registers, 0x0934) & 0x0F);
            self.compared = 0;
        }
        if touches(0x0981, 0x0982) {
            self.activate(registers, now);
        }
    }

    /// A start time that has passed never comes again: no SYNC0, as the real unit with 64 bits
    /// does.
    fn activate(&mut self, registers: &[u8], now: u64) {
        let start = u64_at(registers, 0x0990);
        self.sync_cycle = u64::from(u32_at(registers, 0x09A0));
        let wanted = u8_at(registers, 0x0981) & SYNC0_ACTIVE == SYNC0_ACTIVE;
        let ahead = signed64(start.wrapping_sub(self.system(now))) > 0;
        self.sync_next = (wanted && ahead).then_some(start);
    }

    fn rebase(&mut self, now: u64) {
        self.base_local = self.local(now);
        self.base_now = now;
    }
}

/// 0x092C: bit 31 set when the local copy is behind, magnitude below it.
fn sign_magnitude(difference: i64) -> u32 {
    let magnitude = u32::try_from(difference.unsigned_abs()).unwrap_or(u32::MAX) & 0x7FFF_FFFF;
    if difference < 0 { magnitude | 0x8000_0000 } else { magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(forward: u64) -> FrameTimes {
        FrameTimes { forward, back: None }
    }

    #[test]
    fn a_drifting_clock_locks_to_the_distributed_time() {
        // Given a reference and a clock that starts 5 µs apart and drifts by 90 ppm against it.
        let reference = Clock::new(DcSupport::Full, 1_000_000, -40_000);
        let mut clock = Clock::new(DcSupport::Full, 1_005_000, 50_000);
        clock.delay = 300;
        // When the time is distributed each ms for 2 s.
        for cycle in 1..2_000_u64 {
            let now = cycle * 1_000_000;
            let received = low32(reference.system(now));
            clock.compare(received, at(now + 300));
        }
        // Then they differ by less than 50 ns, and would drift apart without it.
        assert!(clock.difference().abs() < 50, "difference {}", clock.difference());
        assert!((clock.correction_ppb + 90_000).abs() < 2_000, "{}", clock.correction_ppb);
    }

    #[test]
    fn a_reference_that_is_told_the_time_follows_it_and_not_its_jitter() {
        // Given a reference that runs 50 ppm fast, and somebody whose frames are up to 10 µs late.
        let mut reference = Clock::new(DcSupport::Full, 0, 50_000);
        let mut worst = 0;
        for cycle in 1..8_000_u64 {
            let told = cycle * 1_000_000;
            let late = cycle.wrapping_mul(2_654_435_761) % 10_000;
            let off = signed64(reference.system(told + 5_000).wrapping_sub(told));
            let before = reference.system(told + late);
            reference.compare(low32(told), at(told + late));
            let moved = signed64(reference.system(told + late).wrapping_sub(before)).abs();
            // When it is told the time each ms, then it never steps and stays where it is told.
            if cycle > 4_000 {
                assert!(moved <= 400, "{moved} ns in one step");
                worst = worst.max(off.abs());
            }
        }
        assert!(worst < 2_000, "{worst} ns");
        assert!((reference.correction_ppb + 50_000).abs() < 8_000, "{}", reference.correction_ppb);
    }

    #[test]
    fn a_broken_oscillator_stands_and_a_clock_can_jump() {
        let mut clock = Clock::new(DcSupport::Full, 0, 0);
        clock.stop(true, 5_000);
        assert_eq!((clock.system(5_000), clock.system(9_000)), (5_000, 5_000));
        clock.stop(false, 10_000);
        assert_eq!(clock.system(11_000), 6_000);
        clock.jump(-2_000);
        assert_eq!(clock.system(11_000), 4_000);
    }

    #[test]
    fn sync0_fires_once_a_cycle_from_its_start_time() {
        let mut clock = Clock::new(DcSupport::Full, 0, 0);
        let mut registers = vec![0; 0x1000];
        put(&mut registers, 0x0990, &10_000_u64.to_le_bytes());
        put(&mut registers, 0x09A0, &1_000_u32.to_le_bytes());
        put(&mut registers, 0x0981, &[3]);
        clock.written(&registers, 0x0981, 0x0982, 5_000);
        let fired: Vec<_> = (0..16).map(|k| clock.take_sync0(8_000 + k * 500)).collect();
        assert_eq!(fired.iter().flatten().count(), 6);
        assert_eq!(fired[3..7], [None, Some(0), None, Some(0)]);
        assert_eq!(clock.take_sync0(18_300), Some(300), "two at once: the last one counts");
    }

    #[test]
    fn a_start_time_in_the_past_gives_no_sync0() {
        let mut clock = Clock::new(DcSupport::Full, 0, 0);
        let mut registers = vec![0; 0x1000];
        put(&mut registers, 0x0990, &1_000_u64.to_le_bytes());
        put(&mut registers, 0x09A0, &1_000_u32.to_le_bytes());
        put(&mut registers, 0x0981, &[3]);
        clock.written(&registers, 0x0981, 0x0982, 5_000);
        assert!(!clock.sync0_active() && clock.take_sync0(50_000).is_none());
    }

    #[test]
    fn a_clock_behind_shows_its_sign_in_bit_31() {
        assert_eq!(sign_magnitude(-5), 0x8000_0005);
        assert_eq!(sign_magnitude(5), 5);
    }
}
