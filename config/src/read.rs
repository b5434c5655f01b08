//! Reading the parsed TOML into the sections of `file`, without stopping at the first thing that is wrong.
//!
//! Serde ends at the first error of a table. People want all of them, so each type reads itself from the spanned tree and
//! leaves what is wrong in [`Problems`]; a section with a bad key is lost, its neighbours are not.

mod value;

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_spanned::Spanned;
use toml::de::{DeTable, DeValue};

use crate::problem::{Problem, Problems, Span, did_you_mean};

pub(crate) use value::{At, Int, Map, Name, OneOrMany, Pair};

pub(crate) use crate::units::{
    Acceleration, Inertia, Jerk, Length, Mass, Position, Quantity, Share, Speed, Stiffness, Time,
    Torque, Viscous, Walk,
};

pub(crate) type Node<'a> = Spanned<DeValue<'a>>;

/// A value that reads itself.
pub(crate) trait FromToml: Sized {
    /// `None`: it could not be read, and the problem is in `problems`.
    fn read(node: &Node<'_>, problems: &mut Problems) -> Option<Self>;
}

/// A table of the file that has been read.
pub(crate) trait Section: FromToml {
    /// Where it is.
    fn span(&self) -> &Span;
}

/// A key of a section: required, optional or a list.
pub(crate) trait Field: Sized {
    fn field(section: &SectionReader<'_, '_>, key: &str, problems: &mut Problems) -> Option<Self>;
}

impl<T: FromToml> Field for T {
    fn field(section: &SectionReader<'_, '_>, key: &str, problems: &mut Problems) -> Option<Self> {
        if let Some(node) = section.get(key) {
            return T::read(node, problems);
        }
        if section.misspelt(key) {
            return None;
        }
        problems.push(
            Problem::error(
                "missing-key",
                &section.span,
                format!("{} has no `{key}`", section.what),
            )
            .expected(format!("the key `{key}`"))
            .found(format!("no `{key}` here"))
            .remedy(format!("add `{key} = …`; docs/guide/machine-file.md says what it takes")),
        );
        None
    }
}

impl<T: FromToml> Field for Option<T> {
    fn field(section: &SectionReader<'_, '_>, key: &str, problems: &mut Problems) -> Option<Self> {
        match section.get(key) {
            Some(node) => T::read(node, problems).map(Some),
            None => Some(None),
        }
    }
}

impl<T: FromToml> Field for Vec<T> {
    fn field(section: &SectionReader<'_, '_>, key: &str, problems: &mut Problems) -> Option<Self> {
        match section.get(key) {
            Some(node) => read_list(node, key, problems),
            None => Some(Self::new()),
        }
    }
}

/// Gives a wrapper the schema of what it wraps.
macro_rules! schema_of_content {
    ($name:ident) => {
        impl<T: JsonSchema> JsonSchema for $name<T> {
            fn inline_schema() -> bool {
                T::inline_schema()
            }
            fn schema_name() -> Cow<'static, str> {
                T::schema_name()
            }
            fn schema_id() -> Cow<'static, str> {
                T::schema_id()
            }
            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                T::json_schema(generator)
            }
        }
    };
}
use schema_of_content;

/// A whole section of the file that may be wrong without hiding the others: what could be read of it, and whether it is there.
#[derive(Debug)]
pub(crate) struct Part<T>(pub(crate) Option<T>, pub(crate) bool);

impl<T> Default for Part<T> {
    fn default() -> Self {
        Self(None, false)
    }
}

impl<T: FromToml> Field for Part<T> {
    fn field(section: &SectionReader<'_, '_>, key: &str, problems: &mut Problems) -> Option<Self> {
        let node = section.get(key);
        Some(Self(node.and_then(|node| T::read(node, problems)), node.is_some()))
    }
}

schema_of_content!(Part);

/// Elements that cannot be read are left out; the strings in them are remembered as lost.
fn read_list<T: FromToml>(node: &Node<'_>, key: &str, problems: &mut Problems) -> Option<Vec<T>> {
    let Some(list) = node.get_ref().as_array() else {
        problems.push(wrong_type(node, &format!("a list for `{key}`"), "[ … ], or [[…]] sections"));
        return None;
    };
    let mut out = Vec::new();
    for element in list.iter() {
        match T::read(element, problems) {
            Some(value) => out.push(value),
            None => lose(element.get_ref(), problems),
        }
    }
    Some(out)
}

fn lose(value: &DeValue<'_>, problems: &mut Problems) {
    match value {
        DeValue::String(text) => {
            problems.lost.insert(text.to_string());
        }
        DeValue::Array(list) => list.iter().for_each(|node| lose(node.get_ref(), problems)),
        DeValue::Table(table) => {
            table.iter().for_each(|(_, node)| lose(node.get_ref(), problems));
        }
        _ => {}
    }
}

pub(crate) fn wrong_type(node: &Node<'_>, expected: &str, remedy: &str) -> Problem {
    Problem::error("wrong-type", &node.span(), format!("this should be {expected}"))
        .expected(expected)
        .found(format!("{} here", describe(node.get_ref())))
        .remedy(format!("write {remedy}"))
}

fn describe(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("the text \"{text}\""),
        DeValue::Integer(number) => format!("the number {number}"),
        DeValue::Float(number) => format!("the number {number}"),
        DeValue::Boolean(value) => format!("{value}"),
        DeValue::Datetime(_) => "a date".to_owned(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

/// A table being read.
pub(crate) struct SectionReader<'t, 'i> {
    table: &'t DeTable<'i>,
    pub(crate) span: Span,
    what: &'static str,
    known: &'static [&'static str],
}

impl<'t, 'i> SectionReader<'t, 'i> {
    /// Reports every key that is not in `known`.
    pub(crate) fn open(
        node: &'t Node<'i>,
        what: &'static str,
        known: &'static [&'static str],
        problems: &mut Problems,
    ) -> Option<Self> {
        let Some(table) = node.get_ref().as_table() else {
            problems.push(wrong_type(node, &format!("a table ({what})"), "{ key = value, … }"));
            return None;
        };
        for (key, _) in table.iter() {
            let name: &str = key.get_ref();
            if known.contains(&name) {
                continue;
            }
            let remedy = match did_you_mean(name, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "remove it, or look the key up in docs/guide/machine-file.md".to_owned(),
            };
            problems.push(
                Problem::error("unknown-key", &key.span(), format!("{what} has no key `{name}`"))
                    .expected(format!("one of {}", known.join(", ")))
                    .found(format!("`{name}`"))
                    .remedy(remedy),
            );
        }
        Some(Self { table, span: node.span(), what, known })
    }

    /// A key that nobody knows was probably meant to be `key`, and has been reported.
    fn misspelt(&self, key: &str) -> bool {
        let unknown = self.table.iter().map(|(name, _)| name.get_ref().as_ref());
        let unknown = unknown.filter(|name| !self.known.contains(name));
        unknown.into_iter().any(|name| did_you_mean(name, [key]).is_some())
    }

    pub(crate) fn get(&self, key: &str) -> Option<&'t Node<'i>> {
        self.table.get(key)
    }
}

/// The key of a field: its name without `r#`.
pub(crate) const fn key(field: &'static str) -> &'static str {
    match field.as_bytes() {
        [b'r', b'#', rest @ ..] => match std::str::from_utf8(rest) {
            Ok(name) => name,
            Err(_) => field,
        },
        _ => field,
    }
}

/// The value of a key that this section needs here, though not everywhere.
pub(crate) fn need<'v, T>(
    value: Option<&'v T>,
    key: &str,
    section: &impl Section,
    problems: &mut Problems,
) -> Option<&'v T> {
    if value.is_none() {
        problems.push(
            Problem::error("missing-key", section.span(), format!("this needs `{key}`"))
                .expected(format!("the key `{key}`"))
                .found("nothing")
                .remedy(format!("add `{key} = …`")),
        );
    }
    value
}

/// Declares a section: a struct whose fields are its keys, that reads itself and has a schema.
macro_rules! section {
    ($(#[$meta:meta])* $what:literal $name:ident {
        $( $(#[$field_meta:meta])* $field:ident : $type:ty ),* $(,)?
    }) => {
        $(#[$meta])*
        #[derive(Debug, schemars::JsonSchema)]
        #[schemars(deny_unknown_fields)]
        pub(crate) struct $name {
            $( $(#[$field_meta])* pub(crate) $field: $type, )*
            /// Where the section is.
            #[schemars(skip)]
            pub(crate) span: $crate::problem::Span,
        }

        impl $crate::read::Section for $name {
            fn span(&self) -> &$crate::problem::Span {
                &self.span
            }
        }

        impl $crate::read::FromToml for $name {
            fn read(
                node: &$crate::read::Node<'_>,
                problems: &mut $crate::problem::Problems,
            ) -> Option<Self> {
                const KEYS: &[&str] = &[$($crate::read::key(stringify!($field))),*];
                let section = $crate::read::SectionReader::open(node, $what, KEYS, problems)?;
                $( let $field = <$type as $crate::read::Field>::field(
                    &section, $crate::read::key(stringify!($field)), problems); )*
                Some(Self { $( $field: $field?, )* span: section.span })
            }
        }
    };
}
pub(crate) use section;

/// Declares a word: an enum whose variants are written as text.
macro_rules! word {
    ($(#[$meta:meta])* $what:literal $name:ident {
        $( $(#[$variant_meta:meta])* $text:literal => $variant:ident ),* $(,)?
    }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, schemars::JsonSchema)]
        pub(crate) enum $name {
            $( $(#[$variant_meta])* #[schemars(rename = $text)] $variant, )*
        }

        impl $crate::read::FromToml for $name {
            fn read(
                node: &$crate::read::Node<'_>,
                problems: &mut $crate::problem::Problems,
            ) -> Option<Self> {
                const WORDS: &[&str] = &[$($text),*];
                match $crate::read::read_word(node, $what, WORDS, problems)? {
                    $( $text => Some(Self::$variant), )*
                    _ => None,
                }
            }
        }
    };
}
pub(crate) use word;

/// One of `words`.
pub(crate) fn read_word<'w>(
    node: &Node<'_>,
    what: &str,
    words: &[&'w str],
    problems: &mut Problems,
) -> Option<&'w str> {
    let listed = format!("one of {}", quoted(words));
    let Some(text) = node.get_ref().as_str() else {
        problems.push(wrong_type(node, &format!("{what}: {listed}"), "the word in quotes"));
        return None;
    };
    if let Some(word) = words.iter().find(|word| **word == text) {
        return Some(word);
    }
    let remedy = match did_you_mean(text, words.iter().copied()) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => "use one of the words listed".to_owned(),
    };
    problems.push(
        Problem::error("unknown-word", &node.span(), format!("\"{text}\" is no {what}"))
            .expected(listed)
            .found(format!("\"{text}\""))
            .remedy(remedy),
    );
    None
}

fn quoted(words: &[&str]) -> String {
    words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ")
}
