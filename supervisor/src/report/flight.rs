//! The flight recorder in the report: each phase of the cycle, and the dumps.

use std::fmt::Write as _;

use rt_core::cycle::Quantiles;
use serde::Serialize;

use super::duration;

/// The flight recorder over the run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FlightReport {
    /// Dumps written.
    pub dumps: u64,
    /// Cycles recorded.
    pub records: u64,
    /// Cycles that a dump lacks at its beginning, because nobody took the one before in time.
    pub lost: u64,
    /// Overruns, stops and requests.
    pub triggers: u64,
    /// Of them: overruns too soon after a dump to get one of their own.
    pub held_off: u64,
    /// Dumps that are in no file: the disk failed, or no place was given.
    pub not_written: u64,
    /// Older dumps deleted to make room.
    pub deleted: u64,
    /// Where they are; `null`: no place was given.
    pub directory: Option<String>,
    /// Why the last dump that failed did.
    pub fault: Option<String>,
    /// Shown as `phases_ns`, where they were measured.
    #[serde(skip)]
    pub phases: Vec<PhaseReport>,
}

/// How long a phase took, ns, to about 3 %; the maximum is exact.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PhaseReport {
    /// `latency` (due to wake), `total` (wake to publish), or a phase: `send`, `receive`, `decode`, `twin`, `interlock`, `program`,
    /// `gate`, `records`, `encode`, `publish`.
    pub phase: &'static str,
    /// Median.
    pub p50: u64,
    /// 99 %.
    pub p99: u64,
    /// 99.9 %.
    pub p999: u64,
    /// The longest.
    pub max: u64,
}

impl From<(&'static str, Quantiles)> for PhaseReport {
    fn from((phase, of): (&'static str, Quantiles)) -> Self {
        Self { phase, p50: of.p50, p99: of.p99, p999: of.p999, max: of.max }
    }
}

/// Phases as a table.
pub(crate) fn table(phases: &[PhaseReport], out: &mut String) -> std::fmt::Result {
    writeln!(out, "  {:<12}{:>12}{:>12}{:>12}{:>12}", "phase", "p50", "p99", "p99.9", "max")?;
    for phase in phases {
        let [p50, p99, p999, max] = [phase.p50, phase.p99, phase.p999, phase.max].map(duration);
        writeln!(out, "  {:<12}{p50:>12}{p99:>12}{p999:>12}{max:>12}", phase.phase)?;
    }
    Ok(())
}

/// The dumps in two lines.
pub(super) fn lines(report: &FlightReport, out: &mut String) -> std::fmt::Result {
    write!(
        out,
        "  flight recorder: {} dumps of {} triggers ({} held off), {} cycles recorded, {} lost",
        report.dumps, report.triggers, report.held_off, report.records, report.lost
    )?;
    match &report.directory {
        Some(directory) => writeln!(out, ", in {directory}")?,
        None => writeln!(out, "; no place for dumps was given")?,
    }
    if report.deleted > 0 {
        writeln!(out, "    {} older dumps were deleted to make room", report.deleted)?;
    }
    match &report.fault {
        Some(fault) => writeln!(out, "    A DUMP FAILED: {fault}"),
        None => Ok(()),
    }
}
