//! Speed and separation over a run: the least distance that was left, and how long it held the machine back.

use std::fmt::Write as _;

use rt_core::plan::InterlockId;
use rt_core::separation::SeparationRecord;
use serde::Serialize;

use crate::labels::Labels;

/// An interlock of kind `separation` over a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Totals {
    /// Which.
    pub interlock: InterlockId,
    /// Cycles in which it was judged.
    pub cycles: u64,
    /// Cycles without a picture that counts, or without inputs of the axes.
    pub blind: u64,
    /// Cycles in which somebody was too near.
    pub too_near: u64,
    /// Cycles in which it advised a speed.
    pub limited: u64,
    /// Least margin, mm; `None`: there was none.
    pub margin_min: Option<f64>,
    /// Least margin while the part moved, mm.
    pub margin_moving_min: Option<f64>,
    /// Oldest picture that was judged, ns.
    pub age_max_ns: u64,
    /// Longest time until the part stands, ns.
    pub rest_max_ns: u64,
}

impl Totals {
    fn new(interlock: InterlockId) -> Self {
        Self {
            interlock,
            cycles: 0,
            blind: 0,
            too_near: 0,
            limited: 0,
            margin_min: None,
            margin_moving_min: None,
            age_max_ns: 0,
            rest_max_ns: 0,
        }
    }

    fn take(&mut self, record: &SeparationRecord) {
        self.cycles += 1;
        self.limited += u64::from(record.speed.is_some());
        let Some(margin) = record.margin else {
            self.blind += 1;
            return;
        };
        let margin = margin.units();
        self.too_near += u64::from(margin < 0.0);
        let least = |before: Option<f64>| Some(before.map_or(margin, |before| before.min(margin)));
        self.margin_min = least(self.margin_min);
        if record.moving {
            self.margin_moving_min = least(self.margin_moving_min);
        }
        self.age_max_ns = self.age_max_ns.max(record.age_ns);
        self.rest_max_ns = self.rest_max_ns.max(record.rest_ns);
    }
}

/// Takes a record among those of its interlock.
pub fn take(all: &mut Vec<Totals>, record: &SeparationRecord) {
    let at = all.iter().position(|totals| totals.interlock == record.interlock);
    let at = at.unwrap_or_else(|| {
        all.push(Totals::new(record.interlock));
        all.len() - 1
    });
    if let Some(totals) = all.get_mut(at) {
        totals.take(record);
    }
}

/// As the report has it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SeparationReport {
    /// Name of the interlock.
    pub interlock: String,
    /// Cycles in which it was judged.
    pub cycles: u64,
    /// Least distance that was left beyond Sp, mm, also at rest; `null`: no picture ever counted.
    pub margin_min: Option<f64>,
    /// The same while the part moved; below 0 it was being stopped. `null`: it did not move.
    pub margin_moving_min: Option<f64>,
    /// Share of all cycles in which it held the speed down or stopped, 0 to 1.
    pub limited_share: f64,
    /// Share in which somebody was too near.
    pub too_near_share: f64,
    /// Share without a picture that counts, or without inputs.
    pub blind_share: f64,
    /// Oldest picture that was judged, ns.
    pub picture_age_max_ns: u64,
    /// Longest time that the part would have taken to stand, ns.
    pub rest_max_ns: u64,
}

/// All of a run.
#[must_use]
pub fn report(all: &[Totals], labels: &Labels) -> Vec<SeparationReport> {
    all.iter()
        .map(|totals| SeparationReport {
            interlock: labels.interlock(totals.interlock).to_owned(),
            cycles: totals.cycles,
            margin_min: totals.margin_min,
            margin_moving_min: totals.margin_moving_min,
            limited_share: share(totals.limited, totals.cycles),
            too_near_share: share(totals.too_near, totals.cycles),
            blind_share: share(totals.blind, totals.cycles),
            picture_age_max_ns: totals.age_max_ns,
            rest_max_ns: totals.rest_max_ns,
        })
        .collect()
}

#[expect(clippy::cast_precision_loss, reason = "a share, for people")]
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// For people.
///
/// # Errors
/// What the writer said.
pub(crate) fn write(all: &[SeparationReport], out: &mut String) -> std::fmt::Result {
    if all.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nSpeed and separation")?;
    for one in all {
        let mm = |value: Option<f64>| value.map_or("-".into(), |mm| format!("{mm:.0} mm"));
        writeln!(
            out,
            "  {}: least margin {} (moving {}), held back {:.1} %, too near {:.1} %, blind {:.1} %",
            one.interlock,
            mm(one.margin_min),
            mm(one.margin_moving_min),
            100.0 * one.limited_share,
            100.0 * one.too_near_share,
            100.0 * one.blind_share
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use twin_lite::Nano;

    #[test]
    fn the_least_margin_and_the_shares_are_those_of_the_records() {
        let mut all = Vec::new();
        let record = |mm: Option<i64>, moving| SeparationRecord {
            interlock: InterlockId(1),
            margin: mm.map(|mm| Nano(mm * 1_000_000_000)),
            speed: mm.is_none_or(|mm| mm < 500).then_some(Nano(1)),
            moving,
            age_ns: 40,
            rest_ns: 300,
        };
        for (mm, moving) in [(Some(900), true), (Some(-20), false), (Some(300), true), (None, true)]
        {
            take(&mut all, &record(mm, moving));
        }
        let [report] = &report(&all, &crate::labels::example())[..] else { panic!("one row") };
        assert_eq!(report.margin_min, Some(-20.0));
        assert_eq!(report.margin_moving_min, Some(300.0));
        assert_eq!((report.limited_share, report.too_near_share), (0.75, 0.25));
        assert_eq!((report.blind_share, report.cycles), (0.25, 4));
    }
}
