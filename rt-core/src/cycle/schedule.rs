//! When the next cycle is due. All times are ns of CLOCK_MONOTONIC; differences are signed before they are judged.

/// The absolute schedule of a loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    period_ns: u64,
    /// When the next cycle is due; always the first time plus whole periods.
    next: u64,
    /// Periods skipped since the last cycle.
    skipped: u64,
    missed: u64,
    overruns: u64,
}

impl Schedule {
    /// First due at `first`, then every `period_ns` (at least 1).
    #[must_use]
    pub fn new(first: u64, period_ns: u64) -> Self {
        Self { period_ns: period_ns.max(1), next: first, skipped: 0, missed: 0, overruns: 0 }
    }

    /// When the next cycle is due.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Woke at `wake`: how late (below one period), and how many periods were skipped since the last cycle. A wake-up that is
    /// later than a period takes the latest due time that has passed.
    pub fn woke(&mut self, wake: u64) -> (u64, u32) {
        self.skip(self.periods_since_due(wake));
        let latency = wake.saturating_sub(self.next);
        let skipped = core::mem::take(&mut self.skipped);
        (latency, u32::try_from(skipped).unwrap_or(u32::MAX))
    }

    /// The cycle that was due is over at `end`: on to the next due time that has not passed.
    pub fn ended(&mut self, end: u64) {
        self.next = self.next.saturating_add(self.period_ns);
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

    /// Cycles that were over only when the next one was due already.
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
