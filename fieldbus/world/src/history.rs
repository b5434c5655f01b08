//! How far each axis had travelled, ms by ms, so that the travel since a moment can be told after
//! it.

/// ns between entries.
pub(crate) const INTERVAL_NS: u64 = 1_000_000;
/// Entries kept: 4.096 s.
const LENGTH: usize = 4_096;

/// Travel of one axis.
#[derive(Clone, Debug)]
pub(crate) struct History {
    entries: Vec<f64>,
    written: usize,
    /// Time of the newest entry.
    newest: u64,
}

impl History {
    pub(crate) fn new(now: u64) -> Self {
        Self { entries: vec![0.0; LENGTH], written: 1, newest: now }
    }

    /// One interval on.
    pub(crate) fn push(&mut self, travel: f64, now: u64) {
        if let Some(entry) = self.entries.get_mut(self.written % LENGTH) {
            *entry = travel;
        }
        self.written = self.written.wrapping_add(1);
        self.newest = now;
    }

    /// Travel at `at` (the last entry not after it); `None`: before what is kept.
    pub(crate) fn at(&self, at: u64) -> Option<f64> {
        let back = self.newest.saturating_sub(at).div_ceil(INTERVAL_NS);
        let back = usize::try_from(back).ok()?;
        if back >= self.written.min(LENGTH) {
            return None;
        }
        self.entries.get(self.written.wrapping_sub(1).wrapping_sub(back) % LENGTH).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_travel_at_a_time_is_kept_for_four_seconds() {
        let mut history = History::new(0);
        for ms in 1..=10_000_u32 {
            history.push(f64::from(ms), u64::from(ms) * INTERVAL_NS);
        }
        assert_eq!(history.at(10_000 * INTERVAL_NS), Some(10_000.0));
        assert_eq!(history.at(9_000 * INTERVAL_NS), Some(9_000.0));
        assert_eq!(history.at(9_000 * INTERVAL_NS + 1), Some(9_000.0));
        assert_eq!(history.at(5_905 * INTERVAL_NS), Some(5_905.0));
        assert_eq!(history.at(5_904 * INTERVAL_NS), None);
    }
}
