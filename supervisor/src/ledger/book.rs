//! The book: what earlier runs amount to, and which one is open. Written beside itself and renamed: whole, or as it was.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use rt_linux::page::Page;
use serde::{Deserialize, Serialize};

use super::{Life, Open, Over, Witness};
use crate::report::Ledger;

const FORMAT: u32 = 1;
/// Where pages are: in memory, over the end of a process.
const PAGES: &str = "/dev/shm";

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Written {
    format: u32,
    life: Life,
    open: Option<Open>,
}

/// The book of a machine. One process has it open.
#[derive(Debug)]
pub struct Book {
    path: PathBuf,
    written: Written,
    run: u64,
    witness: Option<Witness>,
    /// What an earlier run that was killed amounts to.
    closed: Option<String>,
    /// Held for as long as the book is open.
    _lock: File,
}

/// Name of a machine's book.
#[must_use]
pub fn name(machine: &str, is_virtual: bool) -> String {
    match is_virtual {
        // What a virtual cell leaves is not of the machine.
        true => format!("{machine}.virtual.ledger.json"),
        false => format!("{machine}.ledger.json"),
    }
}

impl Book {
    /// Opens the book at this place, and counts a run that was killed.
    ///
    /// # Errors
    /// Another process has it open; it cannot be read or written; it is damaged.
    pub fn open(path: &Path) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let lock = File::create(path.with_extension("lock"))?;
        lock.try_lock().map_err(|_| io::Error::other("another tactus has it open"))?;
        let written = match std::fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .ok()
                .filter(|written: &Written| written.format == FORMAT)
                .ok_or_else(|| io::Error::other("it is damaged, or of another version"))?,
            Err(wrong) if wrong.kind() == io::ErrorKind::NotFound => {
                Written { format: FORMAT, ..Written::default() }
            }
            Err(wrong) => return Err(wrong),
        };
        let path = path.to_owned();
        let mut book = Self { path, written, run: 0, witness: None, closed: None, _lock: lock };
        if let Some(open) = book.written.open.take() {
            let over = open.close();
            book.written.life.add(open.run, over);
            book.closed = Some(told(&over));
            book.write()?;
        }
        Ok(book)
    }

    /// A run begins; `recording`: the first file of its recording.
    ///
    /// # Errors
    /// It cannot be written down.
    pub fn begin(&mut self, recording: Option<&Path>) -> io::Result<u64> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.run = u64::try_from(since.as_nanos()).unwrap_or(1).max(1);
        let page = page(&self.path);
        // Without a page, what a killed loop had left is known as far as the recording goes.
        self.witness = Page::open(&page).ok().map(|page| Witness::of(&page, self.run));
        let recording = recording.map(std::path::absolute).transpose()?;
        let page = self.witness.is_some().then_some(page);
        self.written.open = Some(Open { run: self.run, recording, page });
        self.write()?;
        Ok(self.run)
    }

    /// What an earlier run that was killed amounts to, in words.
    pub fn news(&mut self) -> Option<String> {
        self.closed.take()
    }

    /// Which run this is.
    #[must_use]
    pub fn run(&self) -> u64 {
        self.run
    }

    /// For the loop.
    #[must_use]
    pub fn witness(&self) -> Option<Witness> {
        self.witness
    }

    /// What the runs before this one amount to.
    #[must_use]
    pub fn life(&self) -> &Life {
        &self.written.life
    }

    /// This run is over.
    ///
    /// # Errors
    /// It cannot be written down: the next start finds page and recording.
    pub fn end(mut self, ledger: &Ledger) -> io::Result<Life> {
        let stored = &ledger.stored;
        self.written.life.add(
            self.run,
            Over {
                produced: ledger.produced,
                known_to: ledger.produced,
                stored: stored.stored,
                not_recorded: ledger.not_recorded,
                ..Over::default()
            },
        );
        self.written.open = None;
        self.write()?;
        let _ = std::fs::remove_file(page(&self.path));
        Ok(self.written.life.clone())
    }

    /// Where the page of the open run is.
    #[cfg(test)]
    pub(super) fn written_page_for_a_test(&self) -> PathBuf {
        page(&self.path)
    }

    fn write(&self) -> io::Result<()> {
        let text = serde_json::to_vec_pretty(&self.written)?;
        let beside = self.path.with_extension("new");
        let mut file = File::create(&beside)?;
        file.write_all(&text)?;
        file.sync_all()?;
        std::fs::rename(&beside, &self.path)
    }
}

fn told(over: &Over) -> String {
    format!(
        "an earlier run was killed: its loop had left {} records, {} are in the recording, {} are lost",
        over.produced,
        over.stored,
        over.produced.saturating_sub(over.stored + over.not_recorded)
    )
}

/// The page that belongs to a book: one for each place.
fn page(book: &Path) -> PathBuf {
    let place = std::path::absolute(book).unwrap_or_else(|_| book.to_owned());
    let hash = blake3::hash(place.as_os_str().as_encoded_bytes()).to_hex();
    Path::new(PAGES).join(format!("tactus-{}.page", &hash.as_str()[..16]))
}
