//! Names and references: what may be called how, and what a reference means.

use crate::problem::{Problem, Problems, did_you_mean};
use crate::read::Name;

/// Things of one kind, by name.
#[derive(Debug)]
pub(crate) struct Table {
    what: &'static str,
    entries: Vec<Name>,
}

impl Table {
    /// `what`: singular, with article: "an axis".
    pub(crate) fn new(what: &'static str) -> Self {
        Self { what, entries: Vec::new() }
    }

    /// Adds a name; its place is the number of those before. Doubles are reported and keep their place.
    pub(crate) fn add(&mut self, name: &Name, problems: &mut Problems) -> usize {
        if let Some(first) = self.entries.iter().find(|entry| entry.value == name.value) {
            problems.push(
                Problem::error(
                    "duplicate-name",
                    &name.span,
                    format!("`{}` names {} twice", name.value, self.what),
                )
                .expected("a name that nothing else of this kind has")
                .found("the second")
                .remedy("rename one of the two")
                .related(&first.span, "the first"),
            );
        }
        self.entries.push(name.clone());
        self.entries.len() - 1
    }

    /// The place of what `name` refers to.
    pub(crate) fn find(&self, name: &Name, problems: &mut Problems) -> Option<usize> {
        let place = self.place(&name.value);
        if place.is_none() && !problems.lost.contains(&name.value) {
            problems.push(self.unknown(name));
        }
        place
    }

    pub(crate) fn place(&self, name: &str) -> Option<usize> {
        self.entries.iter().position(|entry| entry.value == name)
    }

    fn unknown(&self, name: &Name) -> Problem {
        let known = self.entries.iter().map(|entry| entry.value.as_str());
        let remedy = match did_you_mean(&name.value, known.clone()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "correct the name, or describe what it names".to_owned(),
        };
        let listed: Vec<&str> = known.take(12).collect();
        let expected = match listed.len() {
            0 => format!("{}, but the file has none", self.what),
            _ => format!("{}: {}", self.what, listed.join(", ")),
        };
        let message = format!("`{}` is not {}", name.value, self.what);
        Problem::error("unknown-name", &name.span, message)
            .expected(expected)
            .found(format!("`{}`", name.value))
            .remedy(remedy)
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.entries.iter().map(|entry| entry.value.clone()).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn get(&self, place: usize) -> Option<&Name> {
        self.entries.get(place)
    }
}

/// Names that other places refer to: letters, digits, `_` and `-`, at most 64.
pub(crate) fn check_identifier(name: &Name, problems: &mut Problems) {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
    if !name.value.is_empty() && name.value.chars().count() <= 64 && name.value.chars().all(plain) {
        return;
    }
    problems.push(
        Problem::error("bad-name", &name.span, format!("`{}` cannot be a name", name.value))
            .expected("1 to 64 letters, digits, `_` and `-`")
            .found(format!("`{}`", name.value))
            .remedy("for instance: replace spaces by `_`"),
    );
}

/// Names for people (interlocks, steps, strands, rules): anything but nothing, at most 64 characters, no control characters.
pub(crate) fn check_title(name: &Name, problems: &mut Problems) {
    let length = name.value.chars().count();
    if (1..=64).contains(&length) && !name.value.chars().any(char::is_control) {
        return;
    }
    problems.push(
        Problem::error("bad-name", &name.span, "this cannot be a name")
            .expected("1 to 64 characters in one line")
            .found(format!("{length} characters"))
            .remedy("shorten it"),
    );
}

/// Reports more than `max` of something.
pub(crate) fn check_count(
    count: usize,
    max: usize,
    what: &str,
    span: &crate::problem::Span,
    problems: &mut Problems,
) {
    if count > max {
        problems.push(
            Problem::error("too-many", span, format!("too many {what}"))
                .expected(format!("at most {max}"))
                .found(format!("{count}"))
                .remedy("leave some out, or split the machine"),
        );
    }
}
