//! The two formats.

use std::io::{self, Write};
use std::rc::Rc;

use serde_json::{Map, Value};

use super::decode::Schema;

/// A message.
pub(super) struct Row<'a> {
    pub(super) topic: &'a str,
    pub(super) time_ns: u64,
    /// `None`: in virtual time.
    pub(super) unix_ns: Option<u64>,
    pub(super) fields: Map<String, Value>,
}

/// One JSON object a line.
pub(super) struct Jsonl;

impl Jsonl {
    pub(super) fn write(row: &Row<'_>, out: &mut dyn Write) -> io::Result<()> {
        let mut object = Map::new();
        object.insert("topic".to_owned(), row.topic.into());
        object.insert("time_ns".to_owned(), row.time_ns.into());
        object.insert("unix_ns".to_owned(), row.unix_ns.into());
        object.extend(row.fields.clone());
        serde_json::to_writer(&mut *out, &object)?;
        out.write_all(b"\n")
    }
}

/// One row a message; the columns are the fields of all topics that were asked for.
#[derive(Default)]
pub(super) struct Csv {
    columns: Option<Vec<String>>,
}

impl Csv {
    pub(super) fn write<'a>(
        &mut self,
        row: &Row<'_>,
        topics: impl Iterator<Item = &'a (String, Rc<Schema>)>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        if self.columns.is_none() {
            let mut columns: Vec<String> = Vec::new();
            for name in topics.flat_map(|(_, schema)| schema.fields()) {
                if !columns.contains(&name) {
                    columns.push(name);
                }
            }
            let head = ["topic", "time_ns", "unix_ns"].map(str::to_owned);
            let head: Vec<String> = head.into_iter().chain(columns.iter().cloned()).collect();
            line(out, &head)?;
            self.columns = Some(columns);
        }
        let columns = self.columns.as_deref().unwrap_or_default();
        let mut cells = vec![row.topic.to_owned(), row.time_ns.to_string()];
        cells.push(row.unix_ns.map_or_else(String::new, |ns| ns.to_string()));
        cells
            .extend(columns.iter().map(|name| row.fields.get(name).map_or_else(String::new, cell)));
        line(out, &cells)
    }
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn line(out: &mut dyn Write, cells: &[String]) -> io::Result<()> {
    for (place, text) in cells.iter().enumerate() {
        if place > 0 {
            out.write_all(b",")?;
        }
        match text.contains(['"', ',', '\n', '\r']) {
            true => write!(out, "\"{}\"", text.replace('"', "\"\""))?,
            false => out.write_all(text.as_bytes())?,
        }
    }
    out.write_all(b"\r\n")
}
