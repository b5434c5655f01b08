//! The reference in docs/guide/machine-file.md is made from the schema, so that it never says anything else than the reader.
//! `UPDATE_GOLDEN=1 cargo test -p config --test reference` writes it anew.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;

use serde_json::Value;

const INTRODUCTION: &str = include_str!("golden/reference-introduction.md");

/// Sections in the order in which a file has them: heading, name in the schema.
const SECTIONS: [(&str, &str); 25] = [
    ("[machine]", "Identification"),
    ("[cycle]", "Cycle"),
    ("[link]", "Link"),
    ("[bus]", "Bus"),
    ("[[subdevice]]", "SubDevice"),
    ("[[axis]]", "Axis"),
    ("[[group]]", "Group"),
    ("[control]", "Control"),
    ("[mode]", "Modes"),
    ("[[output]]", "Output"),
    ("[[interlock]]", "Interlock"),
    ("[[part]]", "Part"),
    ("[[stream]]", "Stream"),
    ("[[zone]]", "Zone"),
    ("[[inspection]]", "Inspection"),
    ("[program]", "Program"),
    ("[twin]", "TwinSettings"),
    ("[recording]", "Recording"),
    ("[state]", "State"),
    ("[forward]", "Forward"),
    ("[gateway]", "Gateway"),
    ("[[sink]]", "Sink"),
    ("[[export]]", "Export"),
    ("[virtual]", "Virtual"),
    ("[scenario]", "Scenario"),
];

struct Writer {
    schema: Value,
    out: String,
    /// Words, each explained once where they first come up.
    seen: BTreeSet<String>,
}

/// The definition that a key refers to, directly, as an option or as the elements of a list.
fn reference(key: &Value) -> Option<&str> {
    let direct = key["$ref"].as_str();
    let choices = key["anyOf"].as_array();
    let chosen = || choices.and_then(|all| all.iter().find_map(reference));
    let listed = || (!key["items"].is_null()).then(|| reference(&key["items"])).flatten();
    direct.and_then(|path| path.strip_prefix("#/$defs/")).or_else(chosen).or_else(listed)
}

fn is_type(key: &Value, name: &str) -> bool {
    key["type"] == name || key["type"].as_array().is_some_and(|all| all.contains(&name.into()))
}

impl Writer {
    fn section(&mut self, heading: &str, name: &str, depth: usize) {
        let section = self.schema["$defs"][name].clone();
        let hashes = "#".repeat(depth.min(4) + 1);
        let text = section["description"].as_str().unwrap_or_default();
        writeln!(self.out, "\n{hashes} `{heading}`\n\n{text}\n").unwrap();
        self.out.push_str("| key | takes | meaning |\n| --- | --- | --- |\n");
        let required: Vec<&str> = section["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let properties = section["properties"].as_object().unwrap();
        let optional = properties.keys().map(String::as_str).filter(|key| !required.contains(key));
        let keys: Vec<&str> = required.iter().copied().chain(optional).collect();
        for key in &keys {
            let takes = self.takes(&properties[*key]);
            let text = properties[*key]["description"].as_str().unwrap_or_default();
            let star = if required.contains(key) { " (required)" } else { "" };
            let row = format!("| `{key}`{star} | {takes} | {text} |")
                .replace("|commanded − actual|", "\\|commanded − actual\\|");
            writeln!(self.out, "{row}").unwrap();
        }
        // Words first: they belong to this table, not to those inside.
        for (key, words) in
            keys.iter().map(|key| (key, true)).chain(keys.iter().map(|key| (key, false)))
        {
            let property = properties[*key].clone();
            let Some(name) = reference(&property).map(ToOwned::to_owned) else { continue };
            let definition = &self.schema["$defs"][&name];
            let is_words = definition["oneOf"].is_array() || definition["enum"].is_array();
            if words != is_words || !self.seen.insert(name.clone()) {
                continue;
            }
            if is_words {
                self.words(key, &name);
            } else {
                let list = is_type(&property, "array");
                let path = heading.trim_matches(['[', ']']);
                let inner =
                    if list { format!("[[{path}.{key}]]") } else { format!("[{path}.{key}]") };
                self.section(&inner, &name, depth + 1);
            }
        }
    }

    fn words(&mut self, key: &str, name: &str) {
        writeln!(self.out, "\nWords for `{key}`:\n").unwrap();
        let definition = self.schema["$defs"][name].clone();
        for word in definition["enum"].as_array().into_iter().flatten() {
            writeln!(self.out, "- `{word}`").unwrap();
        }
        for word in definition["oneOf"].as_array().into_iter().flatten() {
            let (text, meaning) = (&word["const"], word["description"].as_str());
            match meaning {
                Some(meaning) => writeln!(self.out, "- `{text}`: {meaning}").unwrap(),
                None => writeln!(self.out, "- `{text}`").unwrap(),
            }
        }
    }

    fn takes(&self, key: &Value) -> String {
        if let Some(example) = key["examples"][0].as_str() {
            return format!("like `\"{example}\"`");
        }
        if let (Some(least), Some(most)) = (key["minimum"].as_i64(), key["maximum"].as_i64()) {
            return format!("{least} to {most}");
        }
        if is_type(key, "boolean") {
            return "`true`, `false`".to_owned();
        }
        if let Some(name) = reference(key) {
            let definition = &self.schema["$defs"][name];
            let what = if definition["oneOf"].is_array() || definition["enum"].is_array() {
                "a word"
            } else {
                "a table"
            };
            return if is_type(key, "array") {
                format!("a list: {what} each")
            } else {
                what.to_owned()
            };
        }
        if is_type(key, "array") {
            return format!("a list: {} each", self.takes(&key["items"]));
        }
        if is_type(key, "object") {
            return format!("name = {}", self.takes(&key["additionalProperties"]));
        }
        if let Some(choices) = key["anyOf"].as_array() {
            return self.takes(&choices[0])
                + if is_type(&choices[1], "array") { ", or a list" } else { "" };
        }
        "a text".to_owned()
    }
}

#[test]
fn the_reference_says_what_the_schema_says() {
    let schema: Value = serde_json::from_str(&config::schema()).unwrap();
    assert_eq!(schema["properties"].as_object().unwrap().len(), SECTIONS.len());
    let mut writer = Writer { schema, out: INTRODUCTION.to_owned(), seen: BTreeSet::new() };
    for (heading, name) in SECTIONS {
        writer.section(heading, name, 1);
    }
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/guide/machine-file.md");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &writer.out).unwrap();
    }
    let stored = std::fs::read_to_string(&path).unwrap();
    assert!(stored == writer.out, "docs/guide/machine-file.md is not what the schema says");
}
