//! Closing recordings that nobody ended: `tactus recover`, and the next start of a run.
//!
//! A killed process leaves whole chunks and perhaps a part of one. Each chunk is checked by its CRC; what is behind the last whole one is
//! cut off, and the index that readers want is written behind it, in the same file. Ended in the middle of that, it is done again.

mod index;
mod scan;

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::messages::Ledger;
use crate::app::print;
use crate::cli::RecoverArgs;
use crate::exit::{Error, ExitCode};
use scan::{MAGIC, Scan};

/// What was found in a recording, and done.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Recovered {
    /// The recording.
    pub file: PathBuf,
    /// It was whole: nothing was changed.
    pub was_whole: bool,
    /// Messages in it now.
    pub messages: u64,
    /// Time of the last one, ns; 0: there is none.
    pub last_time_ns: u64,
    /// Bytes behind the last whole chunk that were cut off: nothing could be read from them.
    pub bytes_cut: u64,
    /// Which run it belongs to, if it says so.
    pub run: u64,
    /// Records of the loop up to its end, over all files of the run so far.
    pub produced: u64,
    /// Of those, in the files of the run.
    pub stored: u64,
}

/// Whether a file is an MCAP recording of ours that nobody ended.
///
/// # Errors
/// It cannot be read.
pub fn is_unfinished(path: &Path) -> io::Result<bool> {
    let mut file = File::open(path)?;
    let mut head = [0; 8];
    if file.metadata()?.len() < 16 || file.read_exact(&mut head).is_err() || head != *MAGIC {
        return Ok(false);
    }
    let mut tail = [0; 8];
    file.seek(SeekFrom::End(-8))?;
    file.read_exact(&mut tail)?;
    Ok(tail != *MAGIC)
}

/// What is in a recording, whole or not. Nothing is changed.
///
/// # Errors
/// It cannot be read, or is no recording.
pub fn look(path: &Path) -> io::Result<Recovered> {
    let mut file = File::open(path)?;
    let scan = Scan::of(&mut file)?;
    let length = file.metadata()?.len();
    Ok(told(path, &scan, length, !is_unfinished(path)?))
}

/// Closes a recording that nobody ended. A whole one stays as it is.
///
/// # Errors
/// It cannot be read or written, is no recording, or is being written by a run.
pub fn close(path: &Path) -> io::Result<Recovered> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    file.try_lock()
        .map_err(|_| io::Error::new(io::ErrorKind::ResourceBusy, "a tactus is writing to it"))?;
    let scan = Scan::of(&mut file)?;
    let length = file.metadata()?.len();
    if !is_unfinished(path)? {
        return Ok(told(path, &scan, length, true));
    }
    let tail = index::tail(&scan);
    file.set_len(scan.whole)?;
    file.seek(SeekFrom::Start(scan.whole))?;
    file.write_all(&tail)?;
    file.sync_all()?;
    Ok(told(path, &scan, length, false))
}

fn told(path: &Path, scan: &Scan, length: u64, was_whole: bool) -> Recovered {
    let Ledger { run, next, stored } = scan.ledger.unwrap_or_default();
    Recovered {
        file: path.to_owned(),
        was_whole,
        messages: scan.messages(),
        last_time_ns: scan.times.map_or(0, |(_, last)| last),
        bytes_cut: if was_whole { 0 } else { length.saturating_sub(scan.whole) },
        run,
        produced: next,
        stored,
    }
}

/// Recordings in a folder that nobody ended, by name; what a run writes to now is not among them.
///
/// # Errors
/// The folder cannot be read.
pub fn unfinished_in(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let is_mcap = path.extension().is_some_and(|extension| extension == "mcap");
        if is_mcap && is_unfinished(&path).unwrap_or(false) && is_free(&path) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Nobody writes to it.
fn is_free(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| file.try_lock().is_ok())
}

/// `tactus recover`.
///
/// # Errors
/// Something could not be closed; what could is.
pub(crate) fn command(arguments: &RecoverArgs) -> Result<ExitCode, Error> {
    let path = &arguments.path;
    let cannot = |path: &Path, wrong: &io::Error| format!("{}: {wrong}", path.display());
    let files = match path.is_dir() {
        true => unfinished_in(path).map_err(|wrong| Error::environment(cannot(path, &wrong)))?,
        false => vec![path.clone()],
    };
    let (mut done, mut wrong) = (Vec::new(), Vec::new());
    for file in files {
        match close(&file) {
            Ok(recovered) => done.push(recovered),
            Err(source) => wrong.push(cannot(&file, &source)),
        }
    }
    if arguments.json {
        print(&serde_json::to_string_pretty(&done).unwrap_or_default());
    } else if done.is_empty() && wrong.is_empty() {
        print(&format!("{}: every recording is whole", path.display()));
    } else {
        print(&done.iter().map(Recovered::text).collect::<Vec<_>>().join("\n"));
    }
    match wrong.is_empty() {
        true => Ok(ExitCode::Done),
        false => Err(Error::environment(wrong.join("\n"))),
    }
}

impl Recovered {
    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        let file = self.file.display();
        match self.was_whole {
            true => format!("{file}: was whole, {} messages", self.messages),
            false => format!(
                "{file}: closed, {} messages; {} bytes behind the last whole chunk were cut off",
                self.messages, self.bytes_cut
            ),
        }
    }
}

#[cfg(test)]
mod tests;
