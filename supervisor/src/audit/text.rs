//! The verdict on a log, for people.

use std::fmt::Write as _;

use super::verify::{Finding, Verdict};

/// The verdict as text.
#[must_use]
pub(super) fn render(directory: &str, verdict: &Verdict) -> String {
    let mut out = String::new();
    // Writing to a String does not fail.
    let _ = write_all(directory, verdict, &mut out);
    out
}

fn write_all(directory: &str, verdict: &Verdict, out: &mut String) -> std::fmt::Result {
    let word = if verdict.whole { "whole" } else { "NOT WHOLE" };
    let last = verdict.last_sequence.map_or("none".to_owned(), |last| last.to_string());
    writeln!(out, "{directory}: {word}")?;
    writeln!(
        out,
        "  {} files, {} records in order, the last is {last}; {} checkpoints",
        verdict.files, verdict.records, verdict.checkpoints
    )?;
    for key in &verdict.keys {
        writeln!(out, "  signed by {} ({}) from record {}", key.fingerprint, key.kind, key.since)?;
    }
    match (verdict.signed_up_to, verdict.last_sequence) {
        (Some(signed), Some(last)) if signed < last => writeln!(
            out,
            "  signed up to record {signed}; the {} after it are chained and not signed yet",
            last - signed
        )?,
        (Some(_), _) => writeln!(out, "  signed up to its end")?,
        (None, _) => writeln!(out, "  nothing of it is signed")?,
    }
    match verdict.checkpoint {
        Some(sequence) => {
            writeln!(out, "  the checkpoint kept elsewhere is its record {sequence}")?
        }
        None => writeln!(
            out,
            "  no checkpoint was given (--checkpoint): what was cut off at the end cannot be seen"
        )?,
    }
    if verdict.virtual_time {
        writeln!(
            out,
            "  virtual time: signed with a published key, it proves nothing about a machine"
        )?;
    }
    if verdict.lost > 0 {
        writeln!(out, "  the log itself says that {} records could not be written", verdict.lost)?;
    }
    for torn in &verdict.torn {
        let seen = if torn.acknowledged { ", and the next start says so" } else { "" };
        writeln!(
            out,
            "  torn: {} bytes of an unfinished record at byte {} of {}{seen}: the run was killed, or power failed; \
             this is no tampering",
            torn.bytes, torn.offset, torn.file
        )?;
    }
    for finding in &verdict.findings {
        write_finding(finding, out)?;
    }
    let hidden =
        verdict.findings_total.saturating_sub(u64::try_from(verdict.findings.len()).unwrap_or(0));
    if hidden > 0 {
        writeln!(out, "  and {hidden} more")?;
    }
    Ok(())
}

fn write_finding(finding: &Finding, out: &mut String) -> std::fmt::Result {
    let Finding { kind, file, line, offset, sequence, expected, found, conclusion } = finding;
    let record = sequence.map(|sequence| format!(", record {sequence}")).unwrap_or_default();
    writeln!(
        out,
        "\n  {kind}: {file}, line {line} (byte {offset}){record}\n    expected  {expected}\n    found     {found}\n    so        {conclusion}"
    )
}
