//! The recording on disk: named, bounded in size, finished on every way out. A disk that fails costs records, never the machine.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use mcap::McapResult;
use mcap::write::NoSeek;
use rt_core::record::{Body, Record};

use super::{Recorder, RunInfo, Stored, messages, recover};
use crate::exit::Error;
use crate::labels::Labels;
use crate::vision::Datagram;

/// A file that has grown beyond this is finished, and the next one (`name-1.mcap`, …) begins.
pub const FILE_BYTES_MAX: u64 = 1 << 30;

/// After a failure, the next file is tried so much later in the time of the loop, ns.
const RETRY_NS: u64 = 5_000_000_000;

/// Counts what goes into the file; the count is shared, as the recorder owns the writing end.
struct Counted {
    file: File,
    bytes: Arc<AtomicU64>,
    /// After the first failure nothing is written any more: what is behind a half-written chunk could not be found again.
    broken: Arc<AtomicBool>,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.broken.load(Ordering::Relaxed) {
            return Err(std::io::Error::other("the file was given up"));
        }
        let written = match self.file.write(bytes) {
            Err(wrong) if wrong.kind() != std::io::ErrorKind::Interrupted => {
                self.broken.store(true, Ordering::Relaxed);
                return Err(wrong);
            }
            written => written?,
        };
        self.bytes.fetch_add(u64::try_from(written).unwrap_or(0), Ordering::Relaxed);
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

/// Writes a recording to disk, file after file.
pub struct FileRecorder {
    path: PathBuf,
    labels: Labels,
    info: RunInfo,
    recorder: Option<Recorder<NoSeek<Counted>>>,
    /// Bytes in the present file.
    bytes: Arc<AtomicU64>,
    /// The present file was given up.
    broken: Arc<AtomicBool>,
    /// The file that is written now.
    present: PathBuf,
    /// One that writing failed in, and that is not closed.
    given_up: Option<PathBuf>,
    index: u32,
    bytes_before: u64,
    file_bytes_max: u64,
    stored: Stored,
    /// Sequence that follows the last record taken.
    next: u64,
    /// Time of the last record, and from when on another file is tried after a failure, ns.
    now: u64,
    again_at: u64,
    /// Records handed to the file that its present chunk still holds in memory.
    unconfirmed: u64,
}

impl FileRecorder {
    /// Creates the file, and what is before it in every recording.
    ///
    /// # Errors
    /// The folder is not there, is read-only, is full.
    pub fn create(path: &Path, labels: &Labels, info: &RunInfo) -> Result<Self, Error> {
        Self::create_bounded(path, labels, info, FILE_BYTES_MAX)
    }

    /// As [`create`](Self::create), with another bound for one file, bytes.
    ///
    /// # Errors
    /// The folder is not there, is read-only, is full.
    pub fn create_bounded(
        path: &Path,
        labels: &Labels,
        info: &RunInfo,
        file_bytes_max: u64,
    ) -> Result<Self, Error> {
        let wrong = |source: &dyn std::fmt::Display| {
            Error::environment(format!(
                "the recording cannot be written to {}: {source}\n  \
                 give another place with --record FILE.mcap, or run without one: --no-record",
                path.display()
            ))
        };
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(|source| wrong(&source))?;
        }
        let (recorder, bytes, broken) =
            begin(path, labels, info).map_err(|source| wrong(&source))?;
        Ok(Self {
            path: path.to_owned(),
            present: path.to_owned(),
            given_up: None,
            next: 0,
            now: 0,
            again_at: 0,
            labels: labels.clone(),
            info: info.clone(),
            recorder: Some(recorder),
            bytes,
            broken,
            index: 0,
            bytes_before: 0,
            file_bytes_max,
            stored: Stored::default(),
            unconfirmed: 0,
        })
    }

    /// Takes one record of the loop; after a failure it is counted as dropped, until another file could be begun.
    pub fn record(&mut self, sequence: u64, record: &Record) {
        self.next = sequence.saturating_add(1);
        // Between cycles only: within one, objects of drives wait for its end.
        let cycle_over = matches!(record.body, Body::Cycle(_));
        let Some(recorder) = self.recorder.as_mut() else {
            self.stored.dropped += 1;
            if cycle_over {
                self.try_again(record.now);
            }
            return;
        };
        let result = recorder.record(sequence, record);
        let due = cycle_over && recorder.is_due(record.now);
        self.unconfirmed += 1;
        self.now = record.now;
        self.settle(result);
        if due {
            self.flush();
        }
        if cycle_over && self.bytes_now() > self.file_bytes_max {
            self.next_file();
        }
    }

    /// Takes a camera's datagram.
    pub fn vision(&mut self, datagram: &Datagram) {
        let Some(recorder) = self.recorder.as_mut() else { return };
        let result = recorder.vision(datagram);
        self.stored.vision += u64::from(result.is_ok());
        self.settle(result);
    }

    /// Takes a checkpoint of the loop.
    pub fn checkpoint(&mut self, checkpoint: &messages::Checkpoint, now: u64) {
        let Some(recorder) = self.recorder.as_mut() else { return };
        let result = recorder.checkpoint(checkpoint, now);
        self.settle(result);
    }

    /// Leaves a remark of the supervisor.
    pub fn note(&mut self, time: u64, text: &str) {
        let Some(recorder) = self.recorder.as_mut() else { return };
        let result = recorder.note(time, text);
        self.settle(result);
    }

    /// Brings what the open chunk holds to the file.
    pub fn flush(&mut self) {
        let ledger = self.ledger();
        let Some(recorder) = self.recorder.as_mut() else { return };
        match recorder.flush(&ledger) {
            Ok(()) => self.confirm(),
            Err(source) => self.fail(&source),
        }
    }

    /// Ends the file. Safe to call twice.
    pub fn finish(&mut self) -> &Stored {
        let ledger = self.ledger();
        if let Some(mut recorder) = self.recorder.take() {
            match recorder.finish(&ledger) {
                Ok(()) => self.confirm(),
                Err(source) => {
                    self.given_up = Some(self.present.clone());
                    self.fail(&source);
                }
            }
        }
        self.stored.bytes = self.bytes_before + self.bytes_now();
        &self.stored
    }

    /// What became of what was taken; what a chunk still holds counts as stored.
    #[must_use]
    pub fn stored(&self) -> Stored {
        let mut stored = self.stored.clone();
        stored.stored += self.unconfirmed;
        stored.bytes = self.bytes_before + self.bytes_now();
        stored
    }

    /// What the file holds of what the loop left as soon as its open chunk is in it.
    fn ledger(&self) -> messages::Ledger {
        let stored = self.stored.stored + self.unconfirmed;
        messages::Ledger { run: self.info.run, next: self.next, stored }
    }

    /// As a killed process leaves it: not ended, and nobody holds it.
    #[cfg(test)]
    pub(crate) fn abandon_for_a_test(mut self) {
        self.break_for_a_test();
        self.recorder = None;
    }

    /// From now on the disk takes nothing for this file.
    #[cfg(test)]
    pub(crate) fn break_for_a_test(&self) {
        self.broken.store(true, Ordering::Relaxed);
    }

    /// Where the first file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn settle(&mut self, result: McapResult<()>) {
        if let Err(source) = result {
            self.fail(&source);
        }
    }

    fn bytes_now(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    fn confirm(&mut self) {
        self.stored.stored += self.unconfirmed;
        self.unconfirmed = 0;
    }

    /// The chunk in memory is lost, and so is what follows until another file can be begun.
    fn fail(&mut self, source: &dyn std::fmt::Display) {
        self.stored.dropped += self.unconfirmed;
        self.unconfirmed = 0;
        self.stored.faults += 1;
        self.stored.fault = Some(format!("{}: {source}", self.present.display()));
        if self.recorder.take().is_some() {
            self.given_up = Some(self.present.clone());
        }
        self.again_at = self.now.saturating_add(RETRY_NS);
    }

    fn next_file(&mut self) {
        let faults = self.stored.faults;
        self.finish();
        if self.stored.faults == faults {
            self.begin_next();
        }
    }

    /// The disk may take something again.
    fn try_again(&mut self, now: u64) {
        self.now = now;
        if now < self.again_at {
            return;
        }
        // What is in the file that was given up is worth having.
        self.given_up = self.given_up.take().filter(|path| recover::close(path).is_err());
        self.begin_next();
        if self.recorder.is_some() {
            self.stored.resumed += 1;
            let lost = format!("the recording goes on; {} records were lost", self.stored.dropped);
            self.note(now, &lost);
        }
    }

    fn begin_next(&mut self) {
        self.index += 1;
        self.present = numbered(&self.path, self.index);
        self.bytes_before += self.bytes_now();
        match begin(&self.present, &self.labels, &self.info) {
            Ok((recorder, bytes, broken)) => {
                self.recorder = Some(recorder);
                (self.bytes, self.broken) = (bytes, broken);
            }
            Err(source) => {
                self.bytes = Arc::default();
                self.fail(&source);
                // An empty file of that name tells nothing; where it cannot be removed, it is found unfinished.
                let _ = std::fs::remove_file(&self.present);
                self.index -= 1;
            }
        }
    }
}

impl Drop for FileRecorder {
    fn drop(&mut self) {
        self.finish();
    }
}

/// A recorder, the bytes that it wrote, and whether its file was given up.
type Begun = (Recorder<NoSeek<Counted>>, Arc<AtomicU64>, Arc<AtomicBool>);

fn begin(path: &Path, labels: &Labels, info: &RunInfo) -> McapResult<Begun> {
    let (bytes, broken) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let file = File::create(path)?;
    // Where locks are unknown nothing is held off; nobody but `tactus recover` asks.
    let _ = file.try_lock();
    let file = Counted { file, bytes: Arc::clone(&bytes), broken: Arc::clone(&broken) };
    Recorder::begin(NoSeek::new(file), labels, info).map(|recorder| (recorder, bytes, broken))
}

/// `folder/name.mcap` → `folder/name-3.mcap`.
pub(crate) fn numbered(path: &Path, index: u32) -> PathBuf {
    let stem = path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into());
    path.with_file_name(format!("{stem}-{index}.mcap"))
}
