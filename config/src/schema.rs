//! The JSON Schema of the machine file, for editors.

use crate::file::File;

/// The JSON Schema (draft 2020-12), pretty-printed, with the documentation of every key.
#[must_use]
pub fn schema() -> String {
    let mut schema = schemars::schema_for!(File);
    schema.insert("title".to_owned(), "Tactus machine file".into());
    let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    text.push('\n');
    text
}
