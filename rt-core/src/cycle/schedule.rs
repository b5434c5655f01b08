//! When the next cycle is due. All times are ns of CLOCK_MONOTONIC; differences are signed before they are judged.

/// A trim is at most this part of the period: 1 %. A clock that asks for more is wrong, not slow: quartzes differ by 0.02 %.
const TRIM_PART: u64 = 100;

/// The absolute schedule of a loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    period_ns: u64,
    /// When the next cycle is due; always the first time plus whole periods, plus all trims taken.
    next: u64,
    /// Largest trim that is taken, ns.
    trim_max_ns: i64,
    /// What the end of this cycle moves `next` by; within ± `trim_max_ns`.
    trim_ns: i64,
    /// Periods skipped since the last cycle.
    skipped: u64,
    missed: u64,
    overruns: u64,
}

impl Schedule {
    /// First due at `first`, then every `period_ns` (at least 1).
    #[must_use]
    pub fn new(first: u64, period_ns: u64) -> Self {
        let period_ns = period_ns.max(1);
        let trim_max_ns = i64::try_from(period_ns / TRIM_PART).unwrap_or(i64::MAX);
        Self { period_ns, next: first, trim_max_ns, trim_ns: 0, skipped: 0, missed: 0, overruns: 0 }
    }

    /// When the next cycle is due.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Woke at `wake`: how late (below one period), and how many periods were skipped since the last cycle. A wake-up that is
    /// later than a period takes the latest due time that has passed.
    pub fn woke(&mut self, wake: u64) -> (u64, u32) {
        let late = self.periods_since_due(wake);
        if late > 0 {
            self.overruns = self.overruns.saturating_add(1);
            self.skip(late);
        }
        let latency = wake.saturating_sub(self.next);
        let skipped = core::mem::take(&mut self.skipped);
        (latency, u32::try_from(skipped).unwrap_or(u32::MAX))
    }

    /// Asks that the next due time moves by `trim_ns` (later if positive), so that the loop keeps in step with a clock of the bus.
    /// Taken within ±1 % of the period, by the end of this cycle, once; the newest wish counts. Returns what is taken.
    pub fn trim(&mut self, trim_ns: i32) -> i64 {
        self.trim_ns = i64::from(trim_ns).clamp(-self.trim_max_ns, self.trim_max_ns);
        self.trim_ns
    }

    /// The cycle that was due is over at `end`: on to the next due time that has not passed. A trim moves it first; periods are
    /// skipped on the phase that the trim gives.
    pub fn ended(&mut self, end: u64) {
        let trim_ns = core::mem::take(&mut self.trim_ns);
        self.next = self.next.saturating_add(self.period_ns).saturating_add_signed(trim_ns);
        if end >= self.next {
            self.overruns = self.overruns.saturating_add(1);
            self.skip(self.periods_since_due(end).saturating_add(1));
        }
    }

    /// Whole periods that have passed since the due time; 0 if it is still to come.
    fn periods_since_due(&self, now: u64) -> u64 {
        let late = i128::from(now) - i128::from(self.next);
        u64::try_from(late).map_or(0, |late| late / self.period_ns)
    }

    fn skip(&mut self, periods: u64) {
        self.next = self.next.saturating_add(periods.saturating_mul(self.period_ns));
        self.skipped = self.skipped.saturating_add(periods);
        self.missed = self.missed.saturating_add(periods);
    }

    /// Cycles that began or were over only when the next one was due already.
    #[must_use]
    pub fn overruns(&self) -> u64 {
        self.overruns
    }

    /// Periods skipped since start.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.missed
    }
}
