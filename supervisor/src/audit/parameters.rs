//! What somebody changed in the machine file since the last start, value by value.
//!
//! All parameters of a machine are in its file: limits, models, twin, matrix, program. A copy of each file that was started is kept beside
//! the log, under its BLAKE3 hash, which is in the log: who changes a copy is found.

use std::io;
use std::path::{Path, PathBuf};

use config::Difference;

use super::line::Fields;
use crate::run::hex;

/// Folder of the copies, in the log's directory.
const FOLDER: &str = "configurations";
/// More changes than this are counted.
const TOLD_MAX: usize = 500;

fn path(directory: &Path, hash: &str) -> PathBuf {
    directory.join(FOLDER).join(format!("{hash}.toml"))
}

/// Keeps a copy of a machine file.
pub(super) fn keep(directory: &Path, hash: &str, bytes: &[u8]) -> io::Result<()> {
    let path = path(directory, hash);
    if kept(directory, hash).is_some() {
        return Ok(());
    }
    std::fs::create_dir_all(directory.join(FOLDER))?;
    std::fs::write(path, bytes)
}

/// The file of this hash, if its copy is there and is what it was.
fn kept(directory: &Path, hash: &str) -> Option<String> {
    let bytes = std::fs::read(path(directory, hash)).ok()?;
    let found = hex(blake3::hash(&bytes).as_bytes());
    (found == hash).then(|| String::from_utf8(bytes).ok())?
}

/// A record for each value that was changed from the file of hash `before` to `after`.
pub(super) fn changes(directory: &Path, before: &str, after: &[u8]) -> Vec<Fields> {
    let unknown = |why: &str| vec![Fields::default().text("text", why)];
    let Some(before) = kept(directory, before) else {
        return unknown(
            "which values changed is not known: no true copy of the earlier file is here",
        );
    };
    let after = String::from_utf8_lossy(after);
    let Some(found) = config::differences(&before, &after) else {
        return unknown("which values changed is not known: a file is no TOML");
    };
    if found.is_empty() {
        return unknown("no value changed: blanks, remarks or order");
    }
    let mut records: Vec<Fields> = found.iter().take(TOLD_MAX).map(record).collect();
    if found.len() > TOLD_MAX {
        let more = format!("and {} more values", found.len() - TOLD_MAX);
        records.push(Fields::default().text("text", &more));
    }
    records
}

fn record(changed: &Difference) -> Fields {
    Fields::default()
        .text("parameter", &changed.path)
        .maybe("from", changed.from.as_deref())
        .maybe("to", changed.to.as_deref())
}
