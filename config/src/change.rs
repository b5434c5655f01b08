//! One value of a machine file in another way: what `--set axis.x.limits.acceleration=4m/s2` does to the text, and nothing else.
//!
//! The text around the value stays as it is, byte by byte, so that what is reported of the changed file still has the lines of
//! the file that people know.

use core::fmt;
use std::collections::BTreeMap;
use std::ops::Range;

use serde_spanned::Spanned;
use toml::de::{DeTable, DeValue};

use crate::problem::did_you_mean;

/// Keys by which an entry of a list is called.
const NAMES: [&str; 4] = ["name", "signal", "stream", "strand"];

/// Why a place cannot be found or changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoSuchPlace {
    /// What is wrong.
    pub message: String,
    /// What there is.
    pub expected: String,
    /// What to do.
    pub remedy: String,
}

impl fmt::Display for NoSuchPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n  expected {}\n  {}", self.message, self.expected, self.remedy)
    }
}

impl std::error::Error for NoSuchPlace {}

/// A place in a file.
enum Place<'p> {
    /// Its value is there.
    There(Range<usize>),
    /// It is not: this text goes before this byte, with the rest of the path and the value in it.
    Missing { at: usize, before: String, after: &'static str, rest: Vec<&'p str> },
}

/// The text of the value at `path`, as the file writes it; `None`: the file does not have it.
///
/// # Errors
/// `path` leads nowhere.
pub fn value_at(text: &str, path: &str) -> Result<Option<String>, NoSuchPlace> {
    Ok(match find(text, path)? {
        Place::There(span) => text.get(span).map(str::to_owned),
        Place::Missing { .. } => None,
    })
}

/// A value that two files do not have alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Where it is, as in [`value_at`].
    pub path: String,
    /// As the first file writes it; `None`: it has none.
    pub from: Option<String>,
    /// As the second does.
    pub to: Option<String>,
}

/// All values that differ, by path; `None`: one of both is no TOML.
#[must_use]
pub fn differences(before: &str, after: &str) -> Option<Vec<Difference>> {
    let (before, mut after) = (values(before)?, values(after)?);
    let mut found = Vec::new();
    for (path, from) in before {
        let to = after.remove(&path);
        if to.as_ref() != Some(&from) {
            found.push(Difference { path, from: Some(from), to });
        }
    }
    found.extend(after.into_iter().map(|(path, to)| Difference { path, from: None, to: Some(to) }));
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Some(found)
}

/// Every value of a file, by its path.
fn values(text: &str) -> Option<BTreeMap<String, String>> {
    let root = DeTable::parse(text).ok()?;
    let mut found = BTreeMap::new();
    take_values(text, "", root.get_ref(), &mut found);
    Some(found)
}

fn take_values(text: &str, path: &str, table: &DeTable<'_>, found: &mut BTreeMap<String, String>) {
    for (key, node) in table.iter() {
        let path = if path.is_empty() {
            key.get_ref().to_string()
        } else {
            format!("{path}.{}", key.get_ref())
        };
        match node.get_ref() {
            DeValue::Table(table) => take_values(text, &path, table, found),
            DeValue::Array(list) if list.iter().any(|it| it.get_ref().as_table().is_some()) => {
                for (place, entry) in list.iter().enumerate() {
                    let Some(table) = entry.get_ref().as_table() else { continue };
                    let mut path = format!("{path}.{}", called(entry).unwrap_or_default());
                    // Without a name, or with one that another has, its place.
                    if path.ends_with('.')
                        || found.keys().any(|it| it.starts_with(&format!("{path}.")))
                    {
                        path = format!("{path}{place}");
                    }
                    take_values(text, &path, table, found);
                }
            }
            _ => {
                let written = text.get(node.span()).unwrap_or_default();
                let written: Vec<&str> = written.split_whitespace().collect();
                found.insert(path, written.join(" "));
            }
        }
    }
}

/// `text` with the value at `path` (keys with dots between them; an entry of a list by its name or place) as `value`.
/// A quantity or word needs no quotes. What value and key mean is checked when the changed file is [loaded](crate::load).
///
/// # Errors
/// `path` leads nowhere, or `text` is no TOML.
pub fn change(text: &str, path: &str, value: &str) -> Result<String, NoSuchPlace> {
    let (span, put) = match find(text, path)? {
        Place::There(span) => {
            let now = text.get(span.clone()).unwrap_or_default();
            (span, literal(value, now.starts_with(['"', '\''])))
        }
        Place::Missing { at, before, after, rest } => {
            let keys: Vec<String> = rest.iter().map(|key| bare_or_quoted(key)).collect();
            let put = format!("{before}{} = {}{after}", keys.join("."), literal(value, false));
            (at..at, put)
        }
    };
    let (head, tail) = (text.get(..span.start), text.get(span.end..));
    Ok([head.unwrap_or_default(), &put, tail.unwrap_or_default()].concat())
}

/// As TOML writes it: numbers, truth values, lists and tables as they are, everything else as a text.
fn literal(value: &str, was_text: bool) -> String {
    let plain = value.parse::<i64>().is_ok() || matches!(value, "true" | "false");
    let hexadecimal = value.strip_prefix("0x").is_some_and(|digits| {
        !digits.is_empty() && digits.chars().all(|digit| digit.is_ascii_hexdigit())
    });
    if value.starts_with(['[', '{', '"']) || (!was_text && (plain || hexadecimal)) {
        return value.to_owned();
    }
    let escaped = value.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{escaped}\"")
}

fn bare_or_quoted(key: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if !key.is_empty() && key.chars().all(bare) { key.to_owned() } else { format!("\"{key}\"") }
}

fn find<'p>(text: &str, path: &'p str) -> Result<Place<'p>, NoSuchPlace> {
    let root = DeTable::parse(text).map_err(|wrong| NoSuchPlace {
        message: format!("the file is no TOML: {}", wrong.message()),
        expected: "a machine file".into(),
        remedy: "`tactus check` shows where".into(),
    })?;
    let keys: Vec<&str> = path.split('.').map(str::trim).collect();
    if keys.len() < 2 || keys.iter().any(|key| key.is_empty()) {
        return Err(NoSuchPlace {
            message: format!("`{path}` is no place in a machine file"),
            expected: "keys with dots between them, for instance axis.x.limits.acceleration".into(),
            remedy: "sections and entries are called as in docs/guide/machine-file.md".into(),
        });
    }
    descend(text, root.get_ref(), None, &keys)
}

fn descend<'p>(
    text: &str,
    table: &DeTable<'_>,
    inline: Option<Range<usize>>,
    keys: &[&'p str],
) -> Result<Place<'p>, NoSuchPlace> {
    let Some((key, rest)) = keys.split_first() else { return Err(nowhere("", &[])) };
    let Some(node) = table.get(*key) else {
        return Ok(missing(text, table, inline, keys.to_vec()));
    };
    below(text, node, key, rest)
}

fn below<'p>(
    text: &str,
    node: &Spanned<DeValue<'_>>,
    key: &str,
    rest: &[&'p str],
) -> Result<Place<'p>, NoSuchPlace> {
    match node.get_ref() {
        DeValue::Table(table) if !rest.is_empty() => {
            descend(text, table, braced(text, node).then(|| node.span()), rest)
        }
        DeValue::Array(list) if !rest.is_empty() => {
            let Some((name, rest)) = rest.split_first() else { return Err(nowhere(key, &[])) };
            let names: Vec<&str> = list.iter().filter_map(|entry| called(entry)).collect();
            let named = list.iter().find(|entry| called(entry) == Some(*name));
            let placed = || name.parse().ok().and_then(|place: usize| list.get(place));
            let entry = named.or_else(placed).ok_or_else(|| no_entry(key, name, &names))?;
            below(text, entry, name, rest)
        }
        DeValue::Table(_) => Err(nowhere(key, &[])),
        // A list of sections is no value; a list in brackets is one.
        DeValue::Array(_) if !is_value(text, node) => Err(nowhere(key, &[])),
        _ if rest.is_empty() => Ok(Place::There(node.span())),
        _ => Err(nowhere(key, rest)),
    }
}

fn braced(text: &str, node: &Spanned<DeValue<'_>>) -> bool {
    text.get(node.span()).is_some_and(|text| text.starts_with('{'))
}

/// It stands behind a key on a line; sections and lists of sections have headers of their own.
fn is_value(text: &str, node: &Spanned<DeValue<'_>>) -> bool {
    match node.get_ref() {
        DeValue::Table(_) => braced(text, node),
        DeValue::Array(list) => {
            let first = list.iter().next();
            first.is_none_or(|first| first.get_ref().as_table().is_none() || braced(text, first))
        }
        _ => true,
    }
}

/// What an entry of a list is called.
fn called<'t>(entry: &'t Spanned<DeValue<'_>>) -> Option<&'t str> {
    let table = entry.get_ref().as_table()?;
    NAMES.iter().find_map(|key| table.get(*key)).and_then(|name| name.get_ref().as_str())
}

fn no_entry(list: &str, name: &str, names: &[&str]) -> NoSuchPlace {
    let near = did_you_mean(name, names.iter().copied());
    NoSuchPlace {
        message: format!("there is no {list} `{name}`"),
        expected: if names.is_empty() {
            format!("the place of an entry of `{list}`, from 0")
        } else {
            format!("one of {}", names.join(", "))
        },
        remedy: match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => "names are those of the machine file".into(),
        },
    }
}

fn nowhere(key: &str, rest: &[&str]) -> NoSuchPlace {
    match rest {
        [] => NoSuchPlace {
            message: format!("`{key}` is a section and no value"),
            expected: "the path of a single value".into(),
            remedy: format!("add a key of it: …{key}.KEY"),
        },
        rest => NoSuchPlace {
            message: format!("`{key}` is a value and has nothing below it"),
            expected: format!("a path that ends at `{key}`"),
            remedy: format!("leave .{} out", rest.join(".")),
        },
    }
}

/// Where a key that the file does not have goes: before the first entry of its table, on a line of its own.
fn missing<'p>(
    text: &str,
    table: &DeTable<'_>,
    inline: Option<Range<usize>>,
    rest: Vec<&'p str>,
) -> Place<'p> {
    if let Some(span) = inline {
        let empty = table.iter().next().is_none();
        let before = if empty { " " } else { ", " }.to_owned();
        let at = span.end.saturating_sub(1);
        let trimmed = text.get(..at).map_or(at, |head| head.trim_end().len());
        return Place::Missing { at: trimmed, before, after: "", rest };
    }
    let firsts =
        table.iter().filter(|(_, node)| is_value(text, node)).map(|(key, _)| key.span().start);
    let line_of = |at: usize| {
        let start = text.get(..at).and_then(|head| head.rfind('\n')).map_or(0, |end| end + 1);
        (start, text.get(start..at).unwrap_or_default().to_owned())
    };
    match firsts.min().map(line_of) {
        // What stands before the key on its line is the dotted way to its table.
        Some((at, before)) => Place::Missing { at, before, after: "\n", rest },
        None => Place::Missing { at: 0, before: String::new(), after: "\n", rest },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
[cycle]
period = "1 ms" # kept
overrun = { count = 20 }

[[axis]]
name = "x"
[axis.limits]
position = ["0 mm", "10 mm"]
acceleration = "4 m/s2"
[[axis]]
name = "z"
twin.margin = "2 mm"
vertical = true

[[program.strand]]
name = "pick and place"
steps = [ { name = "down", speed = "400 mm/s" }, { name = "up" } ]
"#;

    fn parsed(text: &str) -> toml::Table {
        text.parse().unwrap_or_else(|wrong| panic!("{wrong}\n{text}"))
    }

    #[test]
    fn a_value_is_replaced_and_everything_else_stays() {
        let changed = change(FILE, "axis.x.limits.acceleration", "6m/s2").unwrap();
        assert_eq!(changed, FILE.replace("4 m/s2", "6m/s2"));
        let changed = change(FILE, "axis.x.limits.position.1", "8 mm").unwrap();
        assert_eq!(changed, FILE.replace("\"10 mm\"", "\"8 mm\""));
        let changed = change(FILE, "axis.x.limits.position", r#"["1 mm", "2 mm"]"#).unwrap();
        assert_eq!(changed, FILE.replace(r#"["0 mm", "10 mm"]"#, r#"["1 mm", "2 mm"]"#));
        let changed = change(FILE, "axis.z.vertical", "false").unwrap();
        assert_eq!(changed, FILE.replace("true", "false"));
        let path = "program.strand.pick and place.steps.down.speed";
        assert_eq!(change(FILE, path, "1 m/s").unwrap(), FILE.replace("400 mm/s", "1 m/s"));
        assert_eq!(value_at(FILE, path).unwrap().as_deref(), Some("\"400 mm/s\""));
    }

    #[test]
    fn a_key_that_is_not_there_is_put_into_its_table_and_no_other() {
        let at = |path: &str, value: &str| parsed(&change(FILE, path, value).unwrap());
        let limits = at("axis.x.limits.jerk", "9 m/s3");
        assert_eq!(limits["axis"][0]["limits"]["jerk"].as_str(), Some("9 m/s3"));
        let twin = at("axis.z.twin.response", "5 ms");
        assert_eq!(twin["axis"][1]["twin"]["response"].as_str(), Some("5 ms"));
        assert_eq!(twin["axis"][1]["twin"]["margin"].as_str(), Some("2 mm"));
        let twin = at("axis.x.twin.response", "5 ms");
        assert_eq!(twin["axis"][0]["twin"]["response"].as_str(), Some("5 ms"));
        let count = at("cycle.overrun.cycles", "100");
        assert_eq!(count["cycle"]["overrun"]["cycles"].as_integer(), Some(100));
        let speed = at("program.strand.0.steps.up.speed", "1 m/s");
        assert_eq!(speed["program"]["strand"][0]["steps"][1]["speed"].as_str(), Some("1 m/s"));
        let control = at("control.press_min", "60 ms");
        assert_eq!(control["control"]["press_min"].as_str(), Some("60 ms"));
        assert_eq!(value_at(FILE, "control.press_min"), Ok(None));
    }

    #[test]
    fn two_files_differ_in_what_somebody_changed_and_in_nothing_else() {
        let changed = FILE
            .replace("4 m/s2", "6 m/s2")
            .replace("# kept", "# another remark")
            .replace("vertical = true\n", "")
            .replace("{ name = \"up\" }", "{ name = \"up\", speed = \"1 m/s\" }");
        let found = differences(FILE, &changed).unwrap();
        let line = |it: &Difference| {
            let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".into());
            format!("{}: {} > {}", it.path, value(&it.from), value(&it.to))
        };
        assert_eq!(
            found.iter().map(line).collect::<Vec<_>>(),
            [
                "axis.x.limits.acceleration: \"4 m/s2\" > \"6 m/s2\"",
                "axis.z.vertical: true > -",
                "program.strand.pick and place.steps.up.speed: - > \"1 m/s\"",
            ]
        );
        for difference in &found {
            let there = value_at(FILE, &difference.path).unwrap();
            assert_eq!(there, difference.from, "{}", difference.path);
        }
        assert_eq!(differences(FILE, FILE), Some(Vec::new()));
        assert_eq!(differences(FILE, "= ["), None);
        let twice = "[[a]]\nname = \"n\"\nv = 1\n[[a]]\nname = \"n\"\nv = 2\n[[a]]\nv = 3\n";
        let values = values(twice).unwrap();
        assert_eq!(values.values().filter(|it| it.len() == 1).count(), 3, "{values:?}");
    }

    #[test]
    fn a_path_that_leads_nowhere_says_what_there_is() {
        let wrong = |path: &str| change(FILE, path, "1").unwrap_err();
        let axis = wrong("axis.y.limits.acceleration");
        assert_eq!(axis.expected, "one of x, z");
        assert_eq!(axis.remedy, "did you mean `x`?");
        assert!(wrong("axis.x.limits").message.contains("section"));
        assert!(wrong("axis").message.contains("no place"));
        assert!(wrong("axis.x").message.contains("section"));
        assert!(wrong("axis.x.name.of").message.contains("nothing below"));
        assert!(wrong("program.strand").message.contains("section"));
        assert!(wrong("axis..name").message.contains("no place"));
    }
}
