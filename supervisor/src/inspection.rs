//! Inspection over a run: what became of the parts, why, and how well the ejector met them.

use std::fmt::Write as _;

use rt_core::inspection::InspectionId;
use rt_core::record::Event;
use serde::Serialize;
use twin_lite::track::{Fate, Reason, Trouble};

use crate::labels::Labels;

/// Bins of timing errors: 0.01 ms and 0.01 axis units each; the last holds all that is beyond.
const BINS: usize = 2_000;
const BIN_NS: u64 = 10_000;
const BIN_NANO: u64 = 10_000_000;

/// How often each magnitude came.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Spread {
    bins: Vec<u32>,
    bin: u64,
    count: u64,
    worst: u64,
}

impl Spread {
    fn new(bin: u64) -> Self {
        Self { bins: vec![0; BINS], bin, count: 0, worst: 0 }
    }

    fn take(&mut self, magnitude: u64) {
        let place = usize::try_from(magnitude / self.bin).unwrap_or(BINS).min(BINS - 1);
        if let Some(bin) = self.bins.get_mut(place) {
            *bin = bin.saturating_add(1);
        }
        self.count += 1;
        self.worst = self.worst.max(magnitude);
    }

    /// Upper end of the bin in which the middle one is.
    fn median(&self) -> Option<u64> {
        let mut below = 0;
        let place = self.bins.iter().position(|count| {
            below += u64::from(*count);
            2 * below >= self.count.max(1)
        });
        let place = place.filter(|_| self.count > 0)?;
        Some((u64::try_from(place).unwrap_or(0) + 1) * self.bin)
    }
}

/// An inspection over a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Totals {
    /// Which.
    pub inspection: InspectionId,
    /// Parts that passed the ejector.
    pub parts: u64,
    /// Left alone.
    pub good: u64,
    /// Taken, by reason.
    rejected: [u64; REASONS.len()],
    /// Not taken though they should have been.
    pub missed: u64,
    /// Times that something unseen may have passed.
    pub missed_unseen: u64,
    /// Other troubles, by kind.
    troubles: [u64; TROUBLES.len()],
    time: Spread,
    place: Spread,
}

/// In the order of the report.
const REASONS: [Reason; 9] = [
    Reason::Bad,
    Reason::Unknown,
    Reason::Missing,
    Reason::Late,
    Reason::Close,
    Reason::Duplicate,
    Reason::Slip,
    Reason::Untriggered,
    Reason::Neighbour,
];
/// In the order of the report.
const TROUBLES: [Trouble; 8] = [
    Trouble::Late,
    Trouble::Duplicate,
    Trouble::Stray,
    Trouble::Mismatch,
    Trouble::Refused,
    Trouble::Full,
    Trouble::Lost,
    Trouble::Returned,
];

fn count<K: PartialEq, const N: usize>(kinds: &[K; N], counts: &mut [u64; N], kind: &K) {
    let place = kinds.iter().position(|known| known == kind);
    if let Some(count) = place.and_then(|place| counts.get_mut(place)) {
        *count += 1;
    }
}

fn of<K: PartialEq, const N: usize>(kinds: &[K; N], counts: &[u64; N], kind: &K) -> u64 {
    let place = kinds.iter().position(|known| known == kind);
    place.and_then(|place| counts.get(place)).copied().unwrap_or(0)
}

impl Totals {
    fn new(inspection: InspectionId) -> Self {
        Self {
            inspection,
            parts: 0,
            good: 0,
            rejected: [0; REASONS.len()],
            missed: 0,
            missed_unseen: 0,
            troubles: [0; TROUBLES.len()],
            time: Spread::new(BIN_NS),
            place: Spread::new(BIN_NANO),
        }
    }

    fn part(&mut self, fate: Fate) {
        self.parts += 1;
        match fate {
            Fate::Good => self.good += 1,
            Fate::Rejected(reason) => count(&REASONS, &mut self.rejected, &reason),
            Fate::Missed(_) => self.missed += 1,
        }
    }
}

/// Takes an event of a station among those of its inspection.
pub fn take(all: &mut Vec<Totals>, event: &Event) {
    let (Event::Part { inspection, .. } | Event::Track { inspection, .. }) = *event else { return };
    let at = all.iter().position(|totals| totals.inspection == inspection);
    let at = at.unwrap_or_else(|| {
        all.push(Totals::new(inspection));
        all.len() - 1
    });
    let Some(totals) = all.get_mut(at) else { return };
    match *event {
        Event::Part { fate, error_ns, error, .. } => {
            totals.part(fate);
            if let Some(ns) = error_ns {
                totals.time.take(ns.unsigned_abs());
                totals.place.take(error.0.unsigned_abs());
            }
        }
        Event::Track { trouble: Trouble::MissedUnseen, .. } => totals.missed_unseen += 1,
        Event::Track { trouble, .. } => count(&TROUBLES, &mut totals.troubles, &trouble),
        _ => {}
    }
}

/// As the report has it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct InspectionReport {
    /// Its name.
    pub inspection: String,
    /// Parts that passed the ejector; `good + rejected + missed`.
    pub parts: u64,
    /// Left alone: seen, in time, and good.
    pub good: u64,
    /// Taken by the ejector, for whatever reason.
    pub rejected: u64,
    /// Not taken though they should have been: each stopped the belt.
    pub missed: u64,
    /// Times that something nobody had seen may have passed.
    pub missed_unseen: u64,
    /// Quality by ISO 22400-2: good ÷ produced; `null`: no parts.
    pub quality_ratio: Option<f64>,
    /// Why parts were rejected.
    pub rejected_for: RejectedFor,
    /// What else was not as it should be.
    pub troubles: Troubles,
    /// Middle of the ejector's pulse against the part's middle, by the encoder; `null`: none was measured.
    pub timing: Option<Timing>,
}

/// Why parts were rejected.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RejectedFor {
    /// The camera said so.
    pub bad: u64,
    /// The camera did not know.
    pub unknown: u64,
    /// No result came.
    pub missing: u64,
    /// The result came after the decision.
    pub late: u64,
    /// Too near another part.
    pub close: u64,
    /// Two results.
    pub duplicate: u64,
    /// Slipped too far.
    pub slip: u64,
    /// The camera was not triggered.
    pub untriggered: u64,
    /// Good, and beside one that was rejected.
    pub neighbour: u64,
}

/// What else was not as it should be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Troubles {
    /// Results after their part was decided.
    pub late: u64,
    /// Second results.
    pub duplicate: u64,
    /// Results for no part on the belt.
    pub stray: u64,
    /// Results of pictures that were taken at another time.
    pub mismatch: u64,
    /// Results that do not count: stale, wrong hash, poor.
    pub refused: u64,
    /// Parts that there was no room for.
    pub full: u64,
    /// Times that encoder or sensor was not heard.
    pub lost: u64,
    /// Parts that went back over the sensor.
    pub returned: u64,
}

/// How well the ejector met the parts that it took. Only sizes, without sign.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Timing {
    /// Parts with a pulse of their own.
    pub parts: u64,
    /// Half of them were not worse, ms.
    pub p50_ms: f64,
    /// The worst, ms.
    pub worst_ms: f64,
    /// The same on the belt, axis units.
    pub p50: f64,
    /// The same on the belt, axis units.
    pub worst: f64,
    /// `mm` or `deg`.
    pub unit: String,
}

/// All of a run.
#[must_use]
pub fn report(all: &[Totals], labels: &Labels) -> Vec<InspectionReport> {
    all.iter().map(|totals| one(totals, labels)).collect()
}

fn one(totals: &Totals, labels: &Labels) -> InspectionReport {
    let (name, unit) = labels.inspection(totals.inspection);
    let rejected = |reason| of(&REASONS, &totals.rejected, &reason);
    let trouble = |trouble| of(&TROUBLES, &totals.troubles, &trouble);
    let timing = totals.time.median().zip(totals.place.median()).map(|(time, place)| Timing {
        parts: totals.time.count,
        p50_ms: float(time) / 1e6,
        worst_ms: float(totals.time.worst) / 1e6,
        p50: float(place) / 1e9,
        worst: float(totals.place.worst) / 1e9,
        unit: unit.to_owned(),
    });
    // A result that came after its part had passed makes a missing one a late one.
    let late_after = trouble(Trouble::Late).saturating_sub(rejected(Reason::Late));
    let missing = rejected(Reason::Missing);
    let moved = late_after.min(missing);
    InspectionReport {
        inspection: name.to_owned(),
        parts: totals.parts,
        good: totals.good,
        rejected: totals.rejected.iter().sum(),
        missed: totals.missed,
        missed_unseen: totals.missed_unseen,
        quality_ratio: (totals.parts > 0).then(|| float(totals.good) / float(totals.parts)),
        rejected_for: RejectedFor {
            bad: rejected(Reason::Bad),
            unknown: rejected(Reason::Unknown),
            missing: missing - moved,
            late: rejected(Reason::Late) + moved,
            close: rejected(Reason::Close),
            duplicate: rejected(Reason::Duplicate),
            slip: rejected(Reason::Slip),
            untriggered: rejected(Reason::Untriggered),
            neighbour: rejected(Reason::Neighbour),
        },
        troubles: Troubles {
            late: trouble(Trouble::Late),
            duplicate: trouble(Trouble::Duplicate),
            stray: trouble(Trouble::Stray),
            mismatch: trouble(Trouble::Mismatch),
            refused: trouble(Trouble::Refused),
            full: trouble(Trouble::Full),
            lost: trouble(Trouble::Lost),
            returned: trouble(Trouble::Returned),
        },
        timing,
    }
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn float(count: u64) -> f64 {
    count as f64
}

/// For people.
///
/// # Errors
/// What the writer said.
pub(crate) fn write(all: &[InspectionReport], out: &mut String) -> std::fmt::Result {
    if all.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nInspection")?;
    for one in all {
        let why = &one.rejected_for;
        let others = one.rejected - why.bad - why.late - why.missing;
        writeln!(
            out,
            "  {}: {} parts, {} good, {} rejected ({} bad, {} late, {} without a result, {} for other reasons), {} MISSED",
            one.inspection,
            one.parts,
            one.good,
            one.rejected,
            why.bad,
            why.late,
            why.missing,
            others,
            one.missed
        )?;
        if let Some(timing) = &one.timing {
            writeln!(
                out,
                "  ejector against part: p50 {:.2} ms ({:.2} {}), worst {:.2} ms ({:.2} {}), {} parts",
                timing.p50_ms,
                timing.p50,
                timing.unit,
                timing.worst_ms,
                timing.worst,
                timing.unit,
                timing.parts
            )?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use twin_lite::Nano;

    #[test]
    fn parts_reasons_and_timing_are_those_of_the_events_and_a_late_result_is_not_missing() {
        let mut all = Vec::new();
        let inspection = InspectionId(0);
        let part = |fate, error_ns: Option<i64>| Event::Part {
            inspection,
            part: 1,
            fate,
            error_ns,
            error: Nano(error_ns.unwrap_or(0) * 500),
        };
        let late = Event::Track { inspection, part: 2, trouble: Trouble::Late };
        let events = [
            part(Fate::Good, None),
            part(Fate::Rejected(Reason::Bad), Some(-300_000)),
            part(Fate::Rejected(Reason::Bad), Some(200_000)),
            part(Fate::Rejected(Reason::Missing), Some(450_000)),
            late,
            part(Fate::Missed(Reason::Bad), None),
        ];
        events.iter().for_each(|event| take(&mut all, event));
        let [report] = &report(&all, &crate::labels::example())[..] else { panic!("one row") };
        assert_eq!((report.parts, report.good, report.rejected, report.missed), (5, 1, 3, 1));
        assert_eq!((report.rejected_for.late, report.rejected_for.missing), (1, 0));
        assert_eq!(report.quality_ratio, Some(0.2));
        let timing = report.timing.as_ref().unwrap();
        assert_eq!((timing.parts, timing.worst_ms, timing.worst), (3, 0.45, 0.225));
        assert!((timing.p50_ms - 0.31).abs() < 1e-9, "{timing:?}");
    }
}
