//! The recording on disk: named, bounded in size, finished on every way out. A disk that fails costs records, never the machine.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mcap::McapResult;
use mcap::write::NoSeek;
use rt_core::record::{Body, Record};

use super::{Recorder, RunInfo, Stored, messages};
use crate::exit::Error;
use crate::labels::Labels;
use crate::vision::Datagram;

/// A file that has grown beyond this is finished, and the next one (`name-1.mcap`, …) begins.
pub const FILE_BYTES_MAX: u64 = 1 << 30;

/// Counts what goes into the file; the count is shared, as the recorder owns the writing end.
struct Counted {
    file: File,
    bytes: Arc<AtomicU64>,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.file.write(bytes)?;
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
    index: u32,
    bytes_before: u64,
    file_bytes_max: u64,
    stored: Stored,
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
        let (recorder, bytes) = begin(path, labels, info).map_err(|source| wrong(&source))?;
        Ok(Self {
            path: path.to_owned(),
            labels: labels.clone(),
            info: info.clone(),
            recorder: Some(recorder),
            bytes,
            index: 0,
            bytes_before: 0,
            file_bytes_max,
            stored: Stored::default(),
            unconfirmed: 0,
        })
    }

    /// Takes one record of the loop; after a failure it is counted as dropped.
    pub fn record(&mut self, sequence: u64, record: &Record) {
        let bytes = self.bytes_now();
        let result = match self.recorder.as_mut() {
            Some(recorder) => recorder.record(sequence, record),
            None => {
                self.stored.dropped += 1;
                return;
            }
        };
        self.unconfirmed += 1;
        self.settle(result, bytes);
        // Between cycles only: within one, objects of drives wait for its end.
        let cycle_over = matches!(record.body, Body::Cycle(_));
        if cycle_over && self.bytes_now() > self.file_bytes_max {
            self.next_file();
        }
    }

    /// Takes a camera's datagram.
    pub fn vision(&mut self, datagram: &Datagram) {
        let bytes = self.bytes_now();
        let Some(recorder) = self.recorder.as_mut() else { return };
        let result = recorder.vision(datagram);
        self.stored.vision += u64::from(result.is_ok());
        self.settle(result, bytes);
    }

    /// Takes a checkpoint of the loop.
    pub fn checkpoint(&mut self, checkpoint: &messages::Checkpoint, now: u64) {
        let bytes = self.bytes_now();
        let Some(recorder) = self.recorder.as_mut() else { return };
        let result = recorder.checkpoint(checkpoint, now);
        self.settle(result, bytes);
    }

    /// Leaves a remark of the supervisor.
    pub fn note(&mut self, time: u64, text: &str) {
        let bytes = self.bytes_now();
        let Some(recorder) = self.recorder.as_mut() else { return };
        let result = recorder.note(time, text);
        self.settle(result, bytes);
    }

    /// Ends the file. Safe to call twice.
    pub fn finish(&mut self) -> &Stored {
        if let Some(mut recorder) = self.recorder.take() {
            match recorder.finish() {
                Ok(()) => self.confirm(),
                Err(source) => self.fail(&source),
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

    /// Where the first file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn settle(&mut self, result: McapResult<()>, bytes_before: u64) {
        if let Err(source) = result {
            self.fail(&source);
            return;
        }
        if self.bytes_now() == bytes_before {
            return;
        }
        // A chunk went to the file: everything before the present record is in it.
        self.stored.stored += self.unconfirmed.saturating_sub(1);
        self.unconfirmed = self.unconfirmed.min(1);
    }

    fn bytes_now(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    fn confirm(&mut self) {
        self.stored.stored += self.unconfirmed;
        self.unconfirmed = 0;
    }

    /// The chunk in memory is lost, and so is everything that follows.
    fn fail(&mut self, source: &dyn std::fmt::Display) {
        self.stored.dropped += self.unconfirmed;
        self.unconfirmed = 0;
        self.stored.fault = Some(format!("{}: {source}", self.path.display()));
        self.recorder = None;
    }

    fn next_file(&mut self) {
        self.finish();
        if self.stored.fault.is_some() {
            return;
        }
        self.index += 1;
        let path = numbered(&self.path, self.index);
        match begin(&path, &self.labels, &self.info) {
            Ok((recorder, bytes)) => {
                self.bytes_before += self.bytes_now();
                self.recorder = Some(recorder);
                self.bytes = bytes;
            }
            Err(source) => self.fail(&source),
        }
    }
}

impl Drop for FileRecorder {
    fn drop(&mut self) {
        self.finish();
    }
}

fn begin(
    path: &Path,
    labels: &Labels,
    info: &RunInfo,
) -> McapResult<(Recorder<NoSeek<Counted>>, Arc<AtomicU64>)> {
    let bytes = Arc::new(AtomicU64::new(0));
    let file = Counted { file: File::create(path)?, bytes: Arc::clone(&bytes) };
    Recorder::begin(NoSeek::new(file), labels, info).map(|recorder| (recorder, bytes))
}

/// `folder/name.mcap` → `folder/name-3.mcap`.
fn numbered(path: &Path, index: u32) -> PathBuf {
    let stem = path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into());
    path.with_file_name(format!("{stem}-{index}.mcap"))
}
