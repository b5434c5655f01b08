//! The files of an audit log: their names, and where the log that is there ends.

use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::line::{Hash, ROOT, parse};
use crate::run::hex;

/// Name of the last checkpoint beside the log, for whoever keeps it elsewhere.
pub const CHECKPOINT: &str = "checkpoint.json";

/// Name of file `number`, from 1.
#[must_use]
pub fn name(number: u32) -> String {
    format!("audit-{number:08}.jsonl")
}

/// Files of a log in `directory`, by number.
///
/// # Errors
/// The directory cannot be read.
pub fn list(directory: &Path) -> io::Result<Vec<(u32, PathBuf)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        let number = path.file_name().and_then(|name| number(name.to_str()?));
        found.extend(number.map(|number| (number, path)));
    }
    found.sort();
    Ok(found)
}

fn number(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("audit-")?.strip_suffix(".jsonl")?;
    let number = digits.parse().ok()?;
    (name(number) == text).then_some(number)
}

/// Where a log ends, and what the last start said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tail {
    /// The last file's number; 0: there is none.
    pub number: u32,
    /// Bytes of it that are records.
    pub size: u64,
    /// Number of the next record.
    pub sequence: u64,
    /// Hash of the last record.
    pub hash: Hash,
    /// Bytes behind the last record, which are none: the next file's first record names them.
    pub torn: Vec<Value>,
    /// Machine file of the last start; `None`: nobody says.
    pub config: Option<String>,
    /// Public key that the last file names.
    pub key: Option<String>,
    /// Whether the last run ended in order; `None`: there was none.
    pub in_order: Option<bool>,
}

impl Tail {
    /// Of a log that begins.
    pub const NOTHING: Self = Self {
        number: 0,
        size: 0,
        sequence: 0,
        hash: ROOT,
        torn: Vec::new(),
        config: None,
        key: None,
        in_order: None,
    };
}

/// Finds the end of the log. What is no record is named, and stays where it is.
///
/// # Errors
/// The disk's.
pub fn tail(directory: &Path) -> io::Result<Tail> {
    let mut tail = Tail::NOTHING;
    let mut begun = false;
    // From the last file back to one that has a record.
    for (number, path) in list(directory)?.into_iter().rev() {
        let bytes = std::fs::read(&path)?;
        if tail.number == 0 {
            tail.number = number;
        }
        let end = walk(&bytes, &mut tail);
        begun |= end > 0;
        if let Some(rest) = bytes.get(end..).filter(|rest| !rest.is_empty()) {
            tail.torn.push(json!({
                "file": name(number),
                "offset": end,
                "bytes": rest.len(),
                "blake3": hex(blake3::hash(rest).as_bytes()),
            }));
        }
        if number == tail.number {
            tail.size = u64::try_from(end).unwrap_or(u64::MAX);
        }
        if begun {
            break;
        }
    }
    Ok(tail)
}

/// Follows the chain through one file; returns where it ends.
fn walk(bytes: &[u8], tail: &mut Tail) -> usize {
    let mut end = 0;
    let mut before = None;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let Some(framed) = line.strip_suffix(b"\n").and_then(parse) else { break };
        let follows = before
            .is_none_or(|(sequence, hash)| framed.sequence == sequence && framed.previous == hash);
        if !follows || framed.computed() != framed.told {
            break;
        }
        if let Some(content) = framed.content() {
            match content["type"].as_str() {
                Some("start_up") => {
                    tail.config = content["config"].as_str().map(ToOwned::to_owned);
                    tail.in_order = Some(false);
                }
                Some("file") => {
                    tail.config = content["config"].as_str().map(ToOwned::to_owned);
                    tail.key = content["key"].as_str().map(ToOwned::to_owned);
                    tail.in_order = content["running"].as_bool().map(|running| !running);
                }
                Some("shutdown") => tail.in_order = Some(true),
                _ => {}
            }
        }
        (tail.sequence, tail.hash) = (framed.sequence.saturating_add(1), framed.told);
        before = Some((tail.sequence, tail.hash));
        end += line.len();
    }
    end
}
