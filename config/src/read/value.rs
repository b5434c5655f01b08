//! Values that are written in one place of the file.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::{FromToml, Node, read_list, schema_of_content, wrong_type};
use crate::problem::{Problem, Problems, Span};

/// A value and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct At<T> {
    pub(crate) value: T,
    pub(crate) span: Span,
}

impl<T: FromToml> FromToml for At<T> {
    fn read(node: &Node<'_>, problems: &mut Problems) -> Option<Self> {
        T::read(node, problems).map(|value| Self { value, span: node.span() })
    }
}

schema_of_content!(At);

/// A name or a reference to one.
pub(crate) type Name = At<String>;

impl FromToml for String {
    fn read(node: &Node<'_>, problems: &mut Problems) -> Option<Self> {
        let text = node.get_ref().as_str().map(ToOwned::to_owned);
        if text.is_none() {
            problems.push(wrong_type(node, "a text", "it in quotes: \"…\""));
        }
        text
    }
}

impl FromToml for bool {
    fn read(node: &Node<'_>, problems: &mut Problems) -> Option<Self> {
        let value = node.get_ref().as_bool();
        if value.is_none() {
            problems.push(wrong_type(node, "true or false", "true or false, without quotes"));
        }
        value
    }
}

/// An integer in `MIN..=MAX`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Int<const MIN: i64, const MAX: i64> {
    value: i64,
    pub(crate) span: Span,
}

impl<const MIN: i64, const MAX: i64> Int<MIN, MAX> {
    /// As an integer type that holds `MIN..=MAX`.
    pub(crate) fn to<T: TryFrom<i64> + Default>(&self) -> T {
        T::try_from(self.value).unwrap_or_default()
    }
}

impl<const MIN: i64, const MAX: i64> FromToml for Int<MIN, MAX> {
    fn read(node: &Node<'_>, problems: &mut Problems) -> Option<Self> {
        let range = format!("a whole number from {MIN} to {MAX}");
        let Some(number) = node.get_ref().as_integer() else {
            problems.push(wrong_type(node, &range, "a whole number without quotes"));
            return None;
        };
        let value = i64::from_str_radix(number.as_str(), number.radix()).ok();
        if let Some(value) = value.filter(|value| (MIN..=MAX).contains(value)) {
            return Some(Self { value, span: node.span() });
        }
        problems.push(
            Problem::error("out-of-range", &node.span(), format!("{number} is out of range"))
                .expected(range)
                .found(number.to_string())
                .remedy("choose a number in this range"),
        );
        None
    }
}

impl<const MIN: i64, const MAX: i64> JsonSchema for Int<MIN, MAX> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "integer".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": MIN, "maximum": MAX })
    }
}

/// One value or a list of them.
#[derive(Debug)]
pub(crate) struct OneOrMany<T>(pub(crate) Vec<T>);

impl<T: FromToml> FromToml for OneOrMany<T> {
    fn read(node: &Node<'_>, problems: &mut Problems) -> Option<Self> {
        if node.get_ref().is_array() {
            return read_list(node, "this", problems).map(Self);
        }
        T::read(node, problems).map(|value| Self(vec![value]))
    }
}

impl<T: JsonSchema> JsonSchema for OneOrMany<T> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        format!("OneOrMany_{}", T::schema_name()).into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [one, { "type": "array", "items": one }] })
    }
}

/// Exactly two values.
#[derive(Debug)]
pub(crate) struct Pair<T>(pub(crate) T, pub(crate) T);

impl<T: FromToml> FromToml for Pair<T> {
    fn read(node: &Node<'_>, problems: &mut Problems) -> Option<Self> {
        let pair = node.get_ref().as_array().filter(|list| list.len() == 2);
        let Some((first, second)) = pair.and_then(|list| Some((list.first()?, list.get(1)?)))
        else {
            problems.push(wrong_type(node, "a list of two values", "[first, second]"));
            return None;
        };
        let (first, second) = (T::read(first, problems), T::read(second, problems));
        Some(Self(first?, second?))
    }
}

impl<T: JsonSchema> JsonSchema for Pair<T> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        format!("Pair_{}", T::schema_name()).into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<T>();
        json_schema!({ "type": "array", "items": one, "minItems": 2, "maxItems": 2 })
    }
}

/// A table from names to values, in the order of the names.
#[derive(Debug)]
pub(crate) struct Map<T>(pub(crate) Vec<(Name, T)>);

impl<T: FromToml> FromToml for Map<T> {
    fn read(node: &Node<'_>, problems: &mut Problems) -> Option<Self> {
        let Some(table) = node.get_ref().as_table() else {
            problems.push(wrong_type(node, "a table from names to values", "{ name = value, … }"));
            return None;
        };
        let mut out = Vec::new();
        for (key, value) in table.iter() {
            let name = At { value: key.get_ref().to_string(), span: key.span() };
            if let Some(value) = T::read(value, problems) {
                out.push((name, value));
            }
        }
        Some(Self(out))
    }
}

impl<T: JsonSchema> JsonSchema for Map<T> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        format!("Map_{}", T::schema_name()).into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        BTreeMap::<String, T>::json_schema(generator)
    }
}
