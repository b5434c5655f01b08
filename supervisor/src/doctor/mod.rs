//! `tactus doctor`: what must be right on the industrial PC before a loop can hold its cycle.
//!
//! A *check* looks at files of /proc and /sys through a [`Probe`], which notes what was read, and gives a [`Verdict`] with
//! what was found and what gives it. Checks change nothing, and what they cannot find out is never a pass. [`CHECKS`] is
//! the table of all of them; [`examine`] runs it; [`script()`] makes one script of what is left to do.

mod checks;
mod clock;
mod cpus;
mod finding;
mod interrupts;
mod kernel;
mod lists;
mod memory;
mod network;
mod power;
mod rights;
mod scheduling;
mod script;
mod system;
mod target;
mod text;
mod threads;
mod virtualisation;

use serde::Serialize;

use crate::exit::ExitCode;

pub use checks::{CHECKS, Check, THEMES, check_for_step, check_of};
pub use finding::{Finding, Fix, Verdict};
pub use script::script;
pub use system::{Evidence, Probe, System};
pub use target::{Fieldbus, Target};
pub use text::render;

/// Version of the JSON; goes up when a field changes its meaning or goes away.
pub const FORMAT: u32 = 1;

/// What the doctor says.
#[derive(Clone, Debug, Serialize)]
pub struct Diagnosis {
    /// [`FORMAT`].
    pub format: u32,
    /// `tactus` that looked.
    pub version: &'static str,
    /// Where it looked: `/`, or the folder given with `--root`.
    pub root: String,
    /// What it was judged for.
    pub target: Target,
    /// The worst of all verdicts.
    pub verdict: Verdict,
    /// How the process ends, see [`Diagnosis::code`].
    pub exit_code: u8,
    /// How many checks said what.
    pub counts: Counts,
    /// Every check, in the order of [`CHECKS`].
    pub checks: Vec<Finding>,
}

/// How many checks said what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "verdicts, by their names")]
pub struct Counts {
    pub pass: usize,
    pub warn: usize,
    pub fail: usize,
    pub unknown: usize,
    pub not_applicable: usize,
}

impl Diagnosis {
    /// Something fails: [`ExitCode::Environment`]; nothing fails and something could not be found out:
    /// [`ExitCode::Unknown`]; else, warnings or not, [`ExitCode::Done`].
    #[must_use]
    pub fn code(&self) -> ExitCode {
        match self.verdict {
            Verdict::Fail => ExitCode::Environment,
            Verdict::Unknown => ExitCode::Unknown,
            Verdict::Pass | Verdict::Warn | Verdict::NotApplicable => ExitCode::Done,
        }
    }

    /// The diagnosis as JSON.
    ///
    /// # Errors
    /// Cannot happen with these types; the serialiser says so.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self)
    }
}

/// Runs every check. Reads files only; changes nothing.
#[must_use]
pub fn examine(system: &System, target: &Target) -> Diagnosis {
    let checks: Vec<Finding> = CHECKS.iter().map(|check| run(check, system, target)).collect();
    let mut counts = Counts::default();
    for finding in &checks {
        *match finding.verdict {
            Verdict::Pass => &mut counts.pass,
            Verdict::Warn => &mut counts.warn,
            Verdict::Fail => &mut counts.fail,
            Verdict::Unknown => &mut counts.unknown,
            Verdict::NotApplicable => &mut counts.not_applicable,
        } += 1;
    }
    let verdict = checks.iter().map(|finding| finding.verdict).max();
    let mut diagnosis = Diagnosis {
        format: FORMAT,
        version: env!("CARGO_PKG_VERSION"),
        root: system.root().display().to_string(),
        target: target.clone(),
        // Without a check nothing was found out.
        verdict: verdict.unwrap_or(Verdict::Unknown),
        exit_code: 0,
        counts,
        checks,
    };
    diagnosis.exit_code = diagnosis.code().number();
    diagnosis
}

/// Runs one check.
#[must_use]
pub fn run(check: &Check, system: &System, target: &Target) -> Finding {
    let probe = Probe::new(system, target);
    let answer = (check.run)(&probe).unwrap_or_else(|unread| {
        probe.note_unread(&unread);
        finding::Answer::unread(&unread)
    });
    Finding {
        id: check.id,
        title: check.title,
        verdict: answer.verdict,
        found: answer.found,
        evidence: probe.into_evidence(),
        why: check.why,
        fix: answer.fixes.iter().map(script::line).collect(),
        fixes: answer.fixes,
    }
}
