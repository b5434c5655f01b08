//! What is wrong with a machine file: all of it at once, each with its place, what was expected, what was found, what to do.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode};
use serde::Serialize;

/// A place in the file: bytes `start..end`.
pub type Span = Range<usize>;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The file cannot be used.
    Error,
    /// The file can be used, but this looks like a mistake.
    Warning,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// How bad.
    pub severity: Severity,
    /// Its kind: a fixed word, for filters and tests.
    pub code: &'static str,
    /// What is wrong, in one sentence.
    pub message: String,
    /// What should be there.
    pub expected: String,
    /// What is there.
    pub found: String,
    /// What to do.
    pub remedy: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// Bytes of the file.
    #[serde(skip)]
    pub span: Span,
    /// Another place that matters: where, and why.
    #[serde(skip)]
    pub related: Option<(Span, String)>,
}

impl Problem {
    /// An error at `span`; the other parts are added with the methods below.
    pub(crate) fn error(code: &'static str, span: &Span, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            code,
            message: message.into(),
            expected: String::new(),
            found: String::new(),
            remedy: String::new(),
            line: 0,
            column: 0,
            span: span.clone(),
            related: None,
        }
    }

    /// A warning at `span`.
    pub(crate) fn warning(code: &'static str, span: &Span, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, span, message) }
    }

    pub(crate) fn expected(mut self, text: impl Into<String>) -> Self {
        self.expected = text.into();
        self
    }

    pub(crate) fn found(mut self, text: impl Into<String>) -> Self {
        self.found = text.into();
        self
    }

    pub(crate) fn remedy(mut self, text: impl Into<String>) -> Self {
        self.remedy = text.into();
        self
    }

    pub(crate) fn related(mut self, span: &Span, why: impl Into<String>) -> Self {
        self.related = Some((span.clone(), why.into()));
        self
    }
}

/// Where problems are gathered while the file is read.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    pub(crate) list: Vec<Problem>,
    /// Strings in sections that could not be read: a reference to one of them is not reported as unknown.
    pub(crate) lost: BTreeSet<String>,
}

impl Problems {
    pub(crate) fn push(&mut self, problem: Problem) {
        self.list.push(problem);
    }

    pub(crate) fn any_error(&self) -> bool {
        self.list.iter().any(|problem| problem.severity == Severity::Error)
    }
}

/// All that is wrong with a file; at least one error.
#[derive(Clone, Debug)]
pub struct Diagnostics {
    path: String,
    text: Arc<str>,
    problems: Vec<Problem>,
}

/// How to show problems.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// With the lines of the file, in colour.
    Colour,
    /// With the lines of the file, without colour.
    Graphical,
    /// A few lines each: `path:line:column: error[code]: message`.
    Plain,
}

impl Diagnostics {
    pub(crate) fn new(path: &str, text: &str, mut problems: Vec<Problem>) -> Self {
        locate(text, &mut problems);
        Self { path: path.to_owned(), text: Arc::from(text), problems }
    }

    /// All of them, in the order of the file.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The path that was given for messages.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// For people. `width`: columns of the terminal.
    #[must_use]
    pub fn render(&self, style: Style, width: usize) -> String {
        render(&self.path, &self.text, &self.problems, style, width)
    }

    /// `{"file": …, "problems": [{severity, code, message, expected, found, remedy, line, column}]}`.
    #[must_use]
    pub fn to_json(&self) -> String {
        json(&self.path, &self.problems)
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.render(Style::Plain, 100).trim_end())
    }
}

impl std::error::Error for Diagnostics {}

/// Shows problems of any severity, for instance the warnings of a machine that loaded.
#[must_use]
pub fn render(path: &str, text: &str, problems: &[Problem], style: Style, width: usize) -> String {
    let theme = match style {
        Style::Plain => {
            return problems.iter().map(|problem| plain(path, problem)).collect();
        }
        Style::Colour => GraphicalTheme::unicode(),
        Style::Graphical => GraphicalTheme::unicode_nocolor(),
    };
    let handler = GraphicalReportHandler::new_themed(theme).with_width(width.max(40));
    let source = NamedSource::new(path, text.to_owned());
    let mut out = String::new();
    for problem in problems {
        let shown = Shown { problem, source: &source, length: text.len() };
        // Writing to a String does not fail; a problem that cannot be drawn is still told.
        if handler.render_report(&mut out, &shown).is_err() {
            out.push_str(&plain(path, problem));
        }
    }
    out
}

/// The JSON of [`Diagnostics::to_json`], for problems of any severity.
#[must_use]
pub fn json(path: &str, problems: &[Problem]) -> String {
    #[derive(Serialize)]
    struct Out<'a> {
        file: &'a str,
        problems: &'a [Problem],
    }
    serde_json::to_string_pretty(&Out { file: path, problems }).unwrap_or_default()
}

fn plain(path: &str, problem: &Problem) -> String {
    let severity = match problem.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let Problem { line, column, code, message, expected, found, remedy, .. } = problem;
    let mut out = format!("{path}:{line}:{column}: {severity}[{code}]: {message}\n");
    for (what, text) in [("expected", expected), ("found", found), ("to do", remedy)] {
        if !text.is_empty() {
            out.push_str(&format!("    {what}: {text}\n"));
        }
    }
    out
}

/// Fills in lines and columns, and puts the problems in the order of the file.
pub(crate) fn locate(text: &str, problems: &mut [Problem]) {
    for problem in problems.iter_mut() {
        let mut start = problem.span.start.min(text.len());
        while !text.is_char_boundary(start) {
            start -= 1;
        }
        let before = text.get(..start).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        problem.line = before.matches('\n').count() + 1;
        problem.column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
    }
    problems.sort_by_key(|problem| (problem.span.start, problem.span.end));
}

/// One problem as miette wants it.
struct Shown<'a> {
    problem: &'a Problem,
    source: &'a NamedSource<String>,
    length: usize,
}

impl Shown<'_> {
    fn label(&self, span: &Span, text: &str, primary: bool) -> LabeledSpan {
        let start = span.start.min(self.length);
        let end = span.end.clamp(start, self.length);
        let label = Some(text.to_owned()).filter(|text| !text.is_empty());
        if primary {
            LabeledSpan::new_primary_with_span(label, start..end)
        } else {
            LabeledSpan::new_with_span(label, start..end)
        }
    }
}

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problem.fmt(formatter)
    }
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.problem.message)
    }
}

impl std::error::Error for Shown<'_> {}

impl miette::Diagnostic for Shown<'_> {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.problem.code))
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.problem.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let Problem { expected, remedy, .. } = self.problem;
        match (expected.is_empty(), remedy.is_empty()) {
            (true, true) => None,
            (true, false) => Some(Box::new(remedy)),
            (false, true) => Some(Box::new(format!("expected {expected}"))),
            (false, false) => Some(Box::new(format!("expected {expected}\n{remedy}"))),
        }
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let found = self.label(&self.problem.span, &self.problem.found, true);
        let related = self.problem.related.as_ref().map(|(span, why)| self.label(span, why, false));
        Some(Box::new(std::iter::once(found).chain(related)))
    }
}

/// The one of `known` that `word` was probably meant to be.
pub(crate) fn did_you_mean<'a>(
    word: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let limit = (word.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Edits (insert, delete, replace, swap of neighbours) from `a` to `b`, without regard to case. Long words count as far apart.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().flat_map(char::to_lowercase).collect();
    let b: Vec<char> = b.chars().flat_map(char::to_lowercase).collect();
    if a.len() > 64 || b.len() > 64 {
        return usize::MAX;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (row, &ca) in a.iter().enumerate() {
        let mut next = vec![row + 1; b.len() + 1];
        for (column, &cb) in b.iter().enumerate() {
            let mut best = (last[column] + usize::from(ca != cb))
                .min(last[column + 1] + 1)
                .min(next[column] + 1);
            if row > 0 && column > 0 && ca == b[column - 1] && a[row - 1] == cb {
                best = best.min(before[column - 1] + 1);
            }
            next[column + 1] = best;
        }
        before = std::mem::replace(&mut last, next);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_word_is_suggested_and_a_far_one_is_not() {
        let known = ["velocity", "acceleration", "jerk"];
        assert_eq!(did_you_mean("velcoity", known), Some("velocity"));
        assert_eq!(did_you_mean("Jerk", known), Some("jerk"));
        assert_eq!(did_you_mean("brake", known), None);
    }

    #[test]
    fn columns_count_characters_and_lines_count_from_one() {
        let text = "a\nµµx";
        let mut problems = vec![Problem::error("t", &(6..7), "m")];
        locate(text, &mut problems);
        assert_eq!((problems[0].line, problems[0].column), (2, 3));
    }
}
