//! The diagnosis for people, at most 100 columns wide.

use std::fmt::Write as _;

use super::finding::{Finding, Verdict};
use super::lists::show;
use super::{Diagnosis, Fieldbus, THEMES};

const WIDTH: usize = 100;
/// Where the text of a finding begins.
const INDENT: usize = 12;
/// Width of an id.
const ID: usize = 26;
/// Evidence shown of one finding; JSON has all of it.
const EVIDENCE_MAX: usize = 6;
/// Fixes shown of one finding; the script has all of them.
const FIXES_MAX: usize = 6;

/// What is right in one line, what is not with evidence, reason and fix. `verbose`: all of it for everything.
#[must_use]
pub fn render(diagnosis: &Diagnosis, verbose: bool) -> String {
    let mut out = head(diagnosis);
    for (theme, title) in THEMES {
        let belongs = |finding: &&Finding| finding.id.split('.').next() == Some(theme);
        let _ = writeln!(out, "\n{title}");
        for finding in diagnosis.checks.iter().filter(belongs) {
            one(finding, verbose, &mut out);
        }
    }
    tail(diagnosis, &mut out);
    out
}

fn head(diagnosis: &Diagnosis) -> String {
    let target = &diagnosis.target;
    let cpus = match target.cpus.is_empty() {
        true => "CPU unknown".to_owned(),
        false => format!("CPU {} ({})", show(&target.cpus), target.cpus_from),
    };
    let fieldbus = match &target.fieldbus {
        Fieldbus::Interface(name) => format!("interface {}", name.escape_debug()),
        Fieldbus::Virtual => "virtual segment".to_owned(),
        Fieldbus::NotNamed => "no interface named".to_owned(),
    };
    format!("Judged for a loop on {cpus}, priority {}, {fieldbus}\n", target.priority)
}

fn one(finding: &Finding, verbose: bool, out: &mut String) {
    let word = match finding.verdict {
        Verdict::Pass => "pass",
        Verdict::Warn => "WARN",
        Verdict::Fail => "FAIL",
        Verdict::Unknown => "UNKNOWN",
        Verdict::NotApplicable => "n/a",
    };
    let head = format!("  {word:<8}  {:<ID$}", finding.id);
    wrapped(&head, &finding.found, out);
    if !verbose && matches!(finding.verdict, Verdict::Pass | Verdict::NotApplicable) {
        return;
    }
    for evidence in finding.evidence.iter().take(EVIDENCE_MAX) {
        wrapped(&label("read"), &format!("{}: {}", evidence.path, evidence.said), out);
    }
    if let Some(more) = finding.evidence.len().checked_sub(EVIDENCE_MAX).filter(|more| *more > 0) {
        wrapped(&label(""), &format!("and {more} more: see --json"), out);
    }
    wrapped(&label("why"), finding.why, out);
    for fix in finding.fix.iter().take(FIXES_MAX) {
        wrapped(&label("fix"), fix, out);
    }
    if let Some(more) = finding.fix.len().checked_sub(FIXES_MAX).filter(|more| *more > 0) {
        wrapped(&label(""), &format!("and {more} more: see --fix"), out);
    }
}

fn label(word: &str) -> String {
    format!("{:INDENT$}{word:<6}", "")
}

/// `head`, then `text` broken between words, below itself.
fn wrapped(head: &str, text: &str, out: &mut String) {
    let indent = head.chars().count().min(INDENT + ID);
    let mut line = head.to_owned();
    let mut width = head.chars().count();
    let mut is_first = true;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if !is_first && width + 1 + length > WIDTH {
            let _ = writeln!(out, "{}", line.trim_end());
            line = " ".repeat(indent);
            width = indent;
            is_first = true;
        }
        if !is_first || !line.ends_with(' ') {
            line.push(' ');
            width += 1;
        }
        line.push_str(word);
        width += length;
        is_first = false;
    }
    let _ = writeln!(out, "{}", line.trim_end());
}

fn tail(diagnosis: &Diagnosis, out: &mut String) {
    let counts = diagnosis.counts;
    let numbers = [counts.pass, counts.warn, counts.fail, counts.unknown, counts.not_applicable];
    let parts: Vec<_> = Verdict::ALL
        .iter()
        .zip(numbers)
        .filter(|(_, count)| *count > 0)
        .map(|(verdict, count)| format!("{count} {}", verdict.word()))
        .collect();
    let _ = writeln!(out, "\n{} checks: {}", diagnosis.checks.len(), parts.join(", "));
    let text = match diagnosis.verdict {
        Verdict::Fail => "Real time does not hold on this machine as it is.",
        Verdict::Unknown => "Nothing fails, but what is unknown is not proved: it is no pass.",
        Verdict::Warn => "Nothing fails; the warnings cost something.",
        Verdict::Pass | Verdict::NotApplicable => "Everything that was looked at is right.",
    };
    let _ = writeln!(out, "{text}");
    if diagnosis.checks.iter().any(|f| f.verdict > Verdict::Pass && !f.fix.is_empty()) {
        let _ =
            writeln!(out, "The same command with --fix prints a script of all that is left to do.");
    }
}
