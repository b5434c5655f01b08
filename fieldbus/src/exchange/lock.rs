//! Whether the distributed clocks are in step: every device's own difference to the reference (0x092C), one device a cycle.

/// Good readings in a row that make a device count as locked.
const SCORE_LOCKED: u8 = 3;
/// Sign bit of 0x092C.
const SIGN: u32 = 0x8000_0000;

/// Readings of 0x092C of one device while the clocks were in step, ns; positive: it is ahead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// How many.
    pub readings: u64,
    /// Their sum.
    pub sum_ns: i64,
    /// The lowest.
    pub min_ns: i32,
    /// The highest.
    pub max_ns: i32,
}

impl Difference {
    fn record(&mut self, ns: i32) {
        let first = self.readings == 0;
        self.min_ns = if first { ns } else { self.min_ns.min(ns) };
        self.max_ns = if first { ns } else { self.max_ns.max(ns) };
        self.readings = self.readings.saturating_add(1);
        self.sum_ns = self.sum_ns.saturating_add(i64::from(ns));
    }

    /// Their mean, ns; 0 when there were none.
    #[must_use]
    pub fn mean_ns(&self) -> i64 {
        self.sum_ns.checked_div(self.readings.cast_signed()).unwrap_or(0)
    }
}

/// One clock over a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockReport {
    /// Position of the device.
    pub position: u16,
    /// What it said of itself.
    pub difference: Difference,
}

/// 0x092C as a number: bit 31 set when the device is behind.
fn signed(raw: u32) -> i32 {
    let magnitude = (raw & !SIGN).cast_signed();
    if raw & SIGN == 0 { magnitude } else { -magnitude }
}

/// The clocks of a segment.
#[derive(Clone, Debug)]
pub(crate) struct Lock {
    /// Positions of the devices that follow the reference clock.
    members: Box<[u16]>,
    /// Good readings less bad ones, within 0 ..= `SCORE_LOCKED`.
    scores: Box<[u8]>,
    /// Whose turn it is.
    turn: usize,
    window_ns: u32,
    locked: bool,
    /// Largest difference since they are in step, ns, and whose it was.
    farthest: (Option<u16>, u32),
    /// By member.
    differences: Box<[Difference]>,
}

impl Lock {
    /// `members`: positions of the devices that follow the reference.
    pub(crate) fn new(members: Box<[u16]>, window_ns: u32) -> Self {
        let scores = vec![0; members.len()].into_boxed_slice();
        let differences = vec![Difference::default(); members.len()].into_boxed_slice();
        let locked = members.is_empty();
        Self { members, scores, turn: 0, window_ns, locked, farthest: (None, 0), differences }
    }

    /// The device to read next; `None`: there is only the reference.
    pub(crate) fn member(&self) -> Option<u16> {
        self.members.get(self.turn).copied()
    }

    /// What 0x092C of that device said; `None`: it did not answer.
    pub(crate) fn observe(&mut self, difference: Option<u32>) {
        if let (true, Some(raw)) = (self.locked, difference)
            && (raw & !SIGN) >= self.farthest.1
        {
            self.farthest = (self.member(), raw & !SIGN);
        }
        if let (true, Some(raw), Some(record)) =
            (self.locked, difference, self.differences.get_mut(self.turn))
        {
            record.record(signed(raw));
        }
        let inside = difference.is_some_and(|raw| raw & !SIGN < self.window_ns);
        if let Some(score) = self.scores.get_mut(self.turn) {
            *score = if inside { (*score + 1).min(SCORE_LOCKED) } else { score.saturating_sub(1) };
        }
        self.turn = if self.turn + 1 < self.members.len() { self.turn + 1 } else { 0 };
        if self.locked {
            self.locked = self.scores.iter().all(|score| *score > 0);
        } else {
            self.locked = self.scores.iter().all(|score| *score == SCORE_LOCKED);
        }
    }

    /// The device that was farthest from the reference since the clocks are in step, and by how much, ns.
    pub(crate) fn farthest(&self) -> (Option<u16>, u32) {
        self.farthest
    }

    /// What every member said of itself while they were in step.
    pub(crate) fn report(&self) -> Vec<ClockReport> {
        let clocks = self.members.iter().zip(&self.differences);
        let report = |(position, difference): (&u16, &Difference)| ClockReport {
            position: *position,
            difference: *difference,
        };
        clocks.map(report).collect()
    }

    /// Every device is inside the window; one that falls out must do so several times.
    pub(crate) fn is_locked(&self) -> bool {
        self.locked
    }

    /// The first device that is not in step.
    pub(crate) fn worst(&self) -> Option<u16> {
        let score = self.scores.iter().zip(&self.members).min_by_key(|(score, _)| **score);
        score.map(|(_, position)| *position)
    }
}

/// How far the arrival of the frame at the reference clock is behind the place where it should be: `before_sync0_ns` ahead of SYNC0,
/// ns, within half a period either way.
pub(crate) fn phase_offset(dc_time: u64, before_sync0_ns: u64, period_ns: u64) -> i32 {
    let Some(phase) = dc_time.wrapping_add(before_sync0_ns).checked_rem(period_ns) else {
        return 0;
    };
    let late = i64::try_from(phase).unwrap_or(0);
    let period = i64::try_from(period_ns).unwrap_or(i64::MAX);
    let signed = if late > period / 2 { late - period } else { late };
    i32::try_from(signed).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_are_locked_only_when_every_device_was_inside_several_times() {
        let mut lock = Lock::new(Box::new([3, 5]), 100);
        for reading in [50, 99, SIGN | 20, 100, 10, 0] {
            assert!(!lock.is_locked());
            lock.observe(Some(reading));
        }
        assert!(!lock.is_locked(), "device 5 was once at the edge of the window");
        assert_eq!(lock.worst(), Some(5));
        for _ in 0..4 {
            lock.observe(Some(1));
        }
        assert!(lock.is_locked());
        // One bad reading does not unlock, a device that stays outside does.
        for reading in [Some(500), Some(1), Some(500), Some(1)] {
            lock.observe(reading);
            assert!(lock.is_locked());
        }
        assert_eq!(lock.farthest(), (Some(3), 500), "of those since it was locked");
        let seen = lock.report();
        assert_eq!((seen[0].position, seen[1].position), (3, 5));
        let expected = Difference { readings: 2, sum_ns: 1_000, min_ns: 500, max_ns: 500 };
        assert_eq!(seen[0].difference, expected);
        assert_eq!(seen[0].difference.mean_ns(), 500);
        assert_eq!(lock.member(), Some(3));
        lock.observe(None);
        assert!(!lock.is_locked());
        assert_eq!(lock.worst(), Some(3));
    }

    #[test]
    fn the_reference_alone_is_in_step_with_itself() {
        assert!(Lock::new(Box::new([]), 1).is_locked());
    }

    #[test]
    fn the_phase_is_signed_and_within_half_a_period() {
        assert_eq!(phase_offset(10_900_000, 100_000, 1_000_000), 0);
        assert_eq!(phase_offset(10_900_007, 100_000, 1_000_000), 7);
        assert_eq!(phase_offset(10_899_990, 100_000, 1_000_000), -10);
        assert_eq!(phase_offset(1, 1, 0), 0);
    }
}
