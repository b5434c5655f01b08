//! Writes the audit log: gives every record its place in the chain, signs checkpoints, begins new files, and outlives the disk.
//!
//! A disk that refuses costs nothing but time at first: records wait in memory, in order, and are written when it answers again. What
//! does not fit in memory is counted, and the count becomes a record.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::files::{self, CHECKPOINT, Tail};
use super::key::Key;
use super::line::{Entry, Fields, Hash, Stamp, line, signed_line};
use crate::run::hex;

/// Version of the format (docs/audit-log.md); goes up when what is written means something else.
pub const FORMAT: u32 = 1;
/// At most so many records follow a checkpoint before the next one.
pub const CHECKPOINT_RECORDS: u32 = 256;
/// A record is signed after this, ns; an urgent one sooner.
const CHECKPOINT_NS: u64 = 60_000_000_000;
const CHECKPOINT_URGENT_NS: u64 = 1_000_000_000;
/// A record is on the disk after this, ns, if the disk works; an urgent one at once.
const SYNC_NS: u64 = 1_000_000_000;
/// Between two attempts on a disk that refuses, ns.
const RETRY_NS: u64 = 1_000_000_000;

/// Bounds of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// A file is not made longer than this, bytes.
    pub file_bytes: u64,
    /// Records that wait in memory for a disk that refuses.
    pub waiting: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { file_bytes: 8 << 20, waiting: 4096 }
    }
}

/// What every file of the log says at its beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The machine's name.
    pub machine: String,
    /// BLAKE3 of the machine file, hexadecimal.
    pub config: String,
    /// No record is brought to the disk by itself: equal runs are equal, and fast.
    pub virtual_time: bool,
}

/// What became of the records.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Written {
    /// In the log, with its own (files, checkpoints).
    pub records: u64,
    /// Not in the log; each time, a record there says how many.
    pub lost: u64,
    /// That wait for the disk.
    pub waiting: u64,
    /// Number of the last record.
    pub last_sequence: Option<u64>,
    /// Its hash.
    pub last_hash: Option<String>,
    /// The last checkpoint, a line to keep elsewhere.
    pub checkpoint: Option<String>,
    /// How often the disk refused.
    pub faults: u64,
    /// What is wrong now.
    pub fault: Option<String>,
}

/// A file that takes records.
struct Open {
    file: File,
    number: u32,
    size: u64,
}

/// The log's end.
#[derive(Clone, Copy)]
struct Place {
    sequence: u64,
    hash: Hash,
}

/// Writes one log.
pub struct Writer {
    directory: PathBuf,
    owner: Owner,
    bounds: Bounds,
    key: Key,
    /// `None` until the disk has answered once.
    place: Option<Place>,
    open: Option<Open>,
    /// Held for as long as this log is written.
    lock: Option<File>,
    waiting: VecDeque<Entry>,
    /// Records that did not fit since the last that was written: how many, and when the first was lost.
    missing: Option<(u64, Stamp)>,
    unsigned: u32,
    /// A file was begun and has no checkpoint yet.
    sign_first: bool,
    /// When the next checkpoint is due, ns.
    sign_at: Option<u64>,
    /// When what was written must be on the disk, ns.
    sync_at: Option<u64>,
    retry_at: u64,
    /// Since when the disk refuses.
    fault_since: Option<u64>,
    running: bool,
    written: Written,
    faults_told: bool,
}

impl Writer {
    /// For the log in `directory`; nothing is touched yet.
    #[must_use]
    pub fn new(directory: PathBuf, owner: Owner, key: Key, bounds: Bounds) -> Self {
        Self {
            directory,
            owner,
            bounds,
            key,
            place: None,
            open: None,
            lock: None,
            waiting: VecDeque::new(),
            missing: None,
            unsigned: 0,
            sign_first: false,
            sign_at: None,
            sync_at: None,
            retry_at: 0,
            fault_since: None,
            running: false,
            written: Written::default(),
            faults_told: false,
        }
    }

    /// Finds the end of what is there and takes it over; what the last run left is returned.
    ///
    /// # Errors
    /// The disk's. Records may be given all the same: they wait.
    pub fn begin(&mut self, stamp: Stamp) -> io::Result<Tail> {
        let tail = self.find(stamp);
        if let Err(source) = &tail {
            (self.open, self.place) = (None, None);
            self.refused(source, stamp.mono);
        }
        tail
    }

    fn find(&mut self, stamp: Stamp) -> io::Result<Tail> {
        std::fs::create_dir_all(&self.directory)?;
        let lock = File::create(self.directory.join("lock"))?;
        lock.try_lock().map_err(|wrong| match wrong {
            TryLockError::WouldBlock => io::Error::other("another tactus writes this log"),
            TryLockError::Error(source) => source,
        })?;
        let tail = files::tail(&self.directory)?;
        let place = Place { sequence: tail.sequence, hash: tail.hash };
        // A file is signed by one key.
        let same_key = tail.key.is_none() || tail.key == Some(self.key.public());
        if tail.number > 0 && tail.torn.is_empty() && same_key {
            let path = self.directory.join(files::name(tail.number));
            let file = OpenOptions::new().append(true).open(path)?;
            self.open = Some(Open { file, number: tail.number, size: tail.size });
            self.place = Some(place);
        }
        if tail.size == 0 || self.open.is_none() {
            self.new_file(place, tail.number, &tail.torn, stamp)?;
        } else {
            // What a run that was killed left is signed as it was found.
            self.sign(stamp)?;
        }
        self.lock = Some(lock);
        Ok(tail)
    }

    /// A record. It is in the log, or waits, or is counted.
    pub fn take(&mut self, entry: Entry) {
        let (stamp, urgent) = (entry.stamp, entry.urgent);
        match entry.kind {
            "start_up" => self.running = true,
            "shutdown" => self.running = false,
            _ => {}
        }
        if self.waiting.len() < self.bounds.waiting && self.missing.is_none() {
            self.waiting.push_back(entry);
        } else {
            self.lose(1, stamp);
        }
        if urgent {
            self.flush(stamp);
        }
    }

    /// Records that were lost on the way here.
    pub fn lose(&mut self, count: u64, stamp: Stamp) {
        let (before, since) = self.missing.unwrap_or((0, stamp));
        self.missing = Some((before.saturating_add(count), since));
        self.written.lost = self.written.lost.saturating_add(count);
    }

    /// Writes what waits; signs and brings to the disk what is due.
    pub fn flush(&mut self, stamp: Stamp) {
        if self.written.fault.is_some() && stamp.mono < self.retry_at {
            return;
        }
        if self.place.is_none() && self.begin(stamp).is_err() {
            return;
        }
        match self.write(stamp) {
            Ok(()) => self.written.fault = None,
            Err(source) => self.refused(&source, stamp.mono),
        }
        self.written.waiting = u64::try_from(self.waiting.len()).unwrap_or(u64::MAX);
    }

    /// The log ends here: everything is signed and on the disk, if the disk works.
    pub fn finish(&mut self, stamp: Stamp) {
        self.retry_at = 0;
        self.flush(stamp);
        (self.sign_at, self.sync_at) = (Some(0), Some(0));
        self.flush(stamp);
        if self.written.fault.is_some() {
            let waiting = u64::try_from(self.waiting.len()).unwrap_or(u64::MAX);
            self.written.lost = self.written.lost.saturating_add(waiting);
        }
    }

    /// What became of the records so far.
    #[must_use]
    pub fn written(&self) -> &Written {
        &self.written
    }

    /// A fault that began since the last look.
    pub fn news(&mut self) -> Option<String> {
        let fault = self.written.fault.clone();
        let new = fault.is_some() && !self.faults_told;
        self.faults_told = fault.is_some();
        fault.filter(|_| new)
    }

    // SR-049
    fn refused(&mut self, source: &io::Error, now: u64) {
        self.fault_since = self.fault_since.or(Some(now));
        self.written.faults = self.written.faults.saturating_add(1);
        self.written.fault = Some(format!("{}: {source}", self.directory.display()));
        self.retry_at = now.saturating_add(RETRY_NS);
    }

    fn write(&mut self, stamp: Stamp) -> io::Result<()> {
        let after_fault = self.written.fault.clone();
        if self.sign_first {
            self.sign(stamp)?;
        }
        while let Some(entry) = self.waiting.front() {
            let entry = entry.clone();
            self.append(&entry, false)?;
            self.waiting.pop_front();
            let wait = if entry.urgent { CHECKPOINT_URGENT_NS } else { CHECKPOINT_NS };
            let due = entry.stamp.mono.saturating_add(wait);
            self.sign_at = Some(self.sign_at.map_or(due, |at| at.min(due)));
            let due = if entry.urgent { 0 } else { entry.stamp.mono.saturating_add(SYNC_NS) };
            self.sync_at = Some(self.sync_at.map_or(due, |at| at.min(due)));
            if self.unsigned >= CHECKPOINT_RECORDS {
                self.sign(entry.stamp)?;
            }
        }
        let (lost, since) = self.missing.unwrap_or((0, stamp));
        if lost > 0 || self.fault_since.is_some() {
            let mono = self.fault_since.map_or(since.mono, |fault| fault.min(since.mono));
            self.append(&gap(lost, mono, stamp, after_fault.as_deref()), false)?;
            (self.missing, self.fault_since) = (None, None);
            self.sync_at = Some(0);
        }
        if self.sign_at.is_some_and(|at| stamp.mono >= at) && self.unsigned > 0 {
            self.sign(stamp)?;
        }
        if self.sync_at.is_some_and(|at| stamp.mono >= at)
            && let Some(open) = &self.open
        {
            if !self.owner.virtual_time {
                open.file.sync_data()?;
            }
            self.sync_at = None;
        }
        Ok(())
    }

    /// Writes one record, in a new file if it does not fit. What a failed attempt left is taken back before the next.
    fn append(&mut self, entry: &Entry, sign: bool) -> io::Result<()> {
        let Some(mut place) = self.place else { return Err(io::ErrorKind::NotFound.into()) };
        let (mut text, mut hash) = self.render(place, entry, sign);
        let length = |text: &str| u64::try_from(text.len()).unwrap_or(u64::MAX);
        let full = self.open.as_ref().is_some_and(|open| {
            open.size > 0 && open.size.saturating_add(length(&text)) > self.bounds.file_bytes
        });
        if full && entry.kind != "file" && !sign {
            // The old file ends signed.
            self.sign(entry.stamp)?;
            let number = self.open.as_ref().map_or(0, |open| open.number);
            let end = self.place.unwrap_or(place);
            self.new_file(end, number, &[], entry.stamp)?;
            place = self.place.unwrap_or(end);
            (text, hash) = self.render(place, entry, sign);
        }
        let Some(open) = &mut self.open else { return Err(io::ErrorKind::NotFound.into()) };
        if open.file.metadata()?.len() != open.size {
            open.file.set_len(open.size)?;
        }
        open.file.write_all(text.as_bytes())?;
        open.size = open.size.saturating_add(length(&text));
        self.place = Some(Place { sequence: place.sequence.saturating_add(1), hash });
        self.unsigned = self.unsigned.saturating_add(1);
        self.written.records = self.written.records.saturating_add(1);
        self.written.last_sequence = Some(place.sequence);
        self.written.last_hash = Some(hex(&hash));
        if sign {
            self.written.checkpoint = Some(text);
        }
        Ok(())
    }

    fn render(&self, place: Place, entry: &Entry, sign: bool) -> (String, Hash) {
        if sign {
            signed_line(place.sequence, &place.hash, entry, |bytes| self.key.sign(bytes))
        } else {
            line(place.sequence, &place.hash, entry)
        }
    }

    fn sign(&mut self, stamp: Stamp) -> io::Result<()> {
        let fields = Fields::default().text("key", &self.key.public());
        self.append(&Entry { kind: "checkpoint", stamp, fields, urgent: false }, true)?;
        (self.unsigned, self.sign_first) = (0, false);
        self.sign_at = None;
        let Some(checkpoint) = &self.written.checkpoint else { return Ok(()) };
        // For whoever keeps it elsewhere; the log has it too.
        let temporary = self.directory.join("checkpoint.tmp");
        std::fs::write(&temporary, checkpoint)?;
        std::fs::rename(&temporary, self.directory.join(CHECKPOINT))
    }

    /// Begins the file after `number`; its first record names what the log was left with.
    fn new_file(
        &mut self,
        place: Place,
        number: u32,
        torn: &[Value],
        stamp: Stamp,
    ) -> io::Result<()> {
        // A file without a byte is not used up.
        let reuse = self.open.as_ref().is_some_and(|open| open.size == 0);
        let number = if reuse { number } else { number.saturating_add(1) };
        if let Some(open) = &self.open
            && !self.owner.virtual_time
        {
            open.file.sync_data()?;
        }
        let path = self.directory.join(files::name(number));
        let file = OpenOptions::new().append(true).create(true).open(&path)?;
        let Owner { machine, config, virtual_time } = &self.owner;
        let fields = Fields::default()
            .value("format", FORMAT)
            .value("file", number)
            .text("machine", machine)
            .text("config", config)
            .text("time", if *virtual_time { "virtual" } else { "real" })
            .text("key", &self.key.public())
            .text("key_kind", self.key.kind())
            .value("running", self.running)
            .value("torn", torn.to_vec());
        let entry = Entry { kind: "file", stamp, fields, urgent: true };
        let before = self.open.replace(Open { file, number, size: 0 });
        let place_before = self.place.replace(place);
        let done = self.append(&entry, false).and_then(|()| {
            if self.owner.virtual_time { Ok(()) } else { sync_directory(&self.directory) }
        });
        if done.is_err() && self.place.is_some_and(|now| now.sequence == place.sequence) {
            // Not begun: whatever it holds is no record, and the old file goes on.
            if let Some(open) = &self.open {
                let _ = open.file.set_len(0);
            }
            let _ = std::fs::remove_file(&path);
            (self.open, self.place) = (before, place_before);
        }
        done?;
        // Whoever writes a log anew has no second record.
        self.sign_first = true;
        self.sign(stamp)
    }
}

fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// The log could not be written, or was not fast enough: records are missing (or none is, but all came late).
fn gap(lost: u64, since_mono: u64, stamp: Stamp, why: Option<&str>) -> Entry {
    let fields = Fields::default()
        .value("lost", lost)
        .value("since_mono", since_mono)
        .text("why", why.unwrap_or("more than the log could take at once"));
    Entry { kind: "gap", stamp, fields, urgent: true }
}

#[cfg(test)]
pub(in crate::audit) mod tests;
