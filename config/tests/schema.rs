//! The schema and the reader agree: what we ship fits the schema, and a key that the reader does not know does not.

use serde_json::Value;

/// A small validator: type, properties, required, additionalProperties, items, const, enum, anyOf, oneOf, ranges, $ref.
fn errors(root: &Value, schema: &Value, value: &Value, path: &str) -> Vec<String> {
    let mut out = Vec::new();
    if let Some(reference) = schema["$ref"].as_str() {
        let target =
            root.pointer(reference.trim_start_matches('#')).expect("the reference leads somewhere");
        out.extend(errors(root, target, value, path));
    }
    for key in ["anyOf", "oneOf"] {
        if let Some(branches) = schema[key].as_array()
            && branches.iter().all(|branch| !errors(root, branch, value, path).is_empty())
        {
            out.push(format!("{path}: no branch of {key} fits {value}"));
        }
    }
    if !schema["const"].is_null() && schema["const"] != *value {
        out.push(format!("{path}: {value} is not {}", schema["const"]));
    }
    if let Some(words) = schema["enum"].as_array()
        && !words.contains(value)
    {
        out.push(format!("{path}: {value} is not in {words:?}"));
    }
    if !has_type(&schema["type"], value) {
        out.push(format!("{path}: {value} is not of type {}", schema["type"]));
    }
    if let (Some(number), Some(most)) = (value.as_i64(), schema["maximum"].as_i64())
        && (number > most || schema["minimum"].as_i64().is_some_and(|least| number < least))
    {
        out.push(format!("{path}: {number} is out of range"));
    }
    if let Some(table) = value.as_object() {
        out.extend(table_errors(root, schema, table, path));
    }
    if let (Some(list), false) = (value.as_array(), schema["items"].is_null()) {
        for (at, item) in list.iter().enumerate() {
            out.extend(errors(root, &schema["items"], item, &format!("{path}[{at}]")));
        }
    }
    out
}

fn table_errors(
    root: &Value,
    schema: &Value,
    table: &serde_json::Map<String, Value>,
    path: &str,
) -> Vec<String> {
    let mut out = Vec::new();
    for required in schema["required"].as_array().into_iter().flatten() {
        if !table.contains_key(required.as_str().unwrap()) {
            out.push(format!("{path}: {required} is missing"));
        }
    }
    for (key, value) in table {
        let path = format!("{path}.{key}");
        match (schema["properties"].get(key), &schema["additionalProperties"]) {
            (Some(inner), _) => out.extend(errors(root, inner, value, &path)),
            (None, Value::Bool(false)) => out.push(format!("{path}: unknown key")),
            (None, Value::Null | Value::Bool(true)) => {}
            (None, inner) => out.extend(errors(root, inner, value, &path)),
        }
    }
    out
}

fn has_type(kind: &Value, value: &Value) -> bool {
    match kind {
        Value::Null => true,
        Value::Array(kinds) => kinds.iter().any(|kind| has_type(kind, value)),
        kind => match kind.as_str().unwrap() {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "integer" => value.is_i64() || value.is_u64(),
            "boolean" => value.is_boolean(),
            "null" => value.is_null(),
            other => panic!("the schema has a type that no key has: {other}"),
        },
    }
}

fn value(text: &str) -> Value {
    serde_json::to_value(text.parse::<toml::Table>().unwrap()).unwrap()
}

#[test]
fn the_shipped_files_fit_the_schema() {
    let schema: Value = serde_json::from_str(&config::schema()).unwrap();
    for text in
        [include_str!("../machines/demo-cell.toml"), include_str!("../machines/one-axis.toml")]
    {
        assert_eq!(errors(&schema, &schema, &value(text), ""), Vec::<String>::new());
    }
}

#[test]
fn what_the_reader_refuses_the_schema_refuses() {
    let schema: Value = serde_json::from_str(&config::schema()).unwrap();
    let demo = include_str!("../machines/demo-cell.toml");
    for (from, to) in [
        ("period = \"1 ms\"", "perod = \"1 ms\""),
        ("period = \"1 ms\"", "period = 1"),
        ("priority = 80", "priority = 99"),
        ("realtime = \"degraded\"", "realtime = \"mostly\""),
        ("kind = \"drive_fault\"", "kind = \"drive_fall\""),
        ("latch = true", ""),
        ("[axis.gear]", "[axis.gears]"),
        ("{ name = \"home z\"", "{ nome = \"home z\""),
    ] {
        let text = demo.replacen(from, to, 1);
        assert!(config::load(&text, "").is_err(), "{from} -> {to}");
        assert!(!errors(&schema, &schema, &value(&text), "").is_empty(), "{from} -> {to}");
    }
}

#[test]
fn every_key_is_documented() {
    fn undocumented(value: &Value, path: &str, out: &mut Vec<String>) {
        for (name, key) in value["properties"].as_object().into_iter().flatten() {
            if key["description"].as_str().is_none_or(str::is_empty) {
                out.push(format!("{path}.{name}"));
            }
        }
    }
    let schema: Value = serde_json::from_str(&config::schema()).unwrap();
    let mut out = Vec::new();
    undocumented(&schema, "", &mut out);
    for (name, section) in schema["$defs"].as_object().unwrap() {
        undocumented(section, name, &mut out);
    }
    assert_eq!(out, Vec::<String>::new());
}
