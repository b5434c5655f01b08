//! The recording on disk: named, bounded in size, finished on every way out. A disk that fails costs records, never the machine.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use mcap::McapResult;
use mcap::write::NoSeek;
use rt_core::record::Record;

use super::{Recorder, RunInfo, Stored};
use crate::exit::Error;
use crate::labels::Labels;
use crate::vision::Datagram;

/// A file that has grown beyond this is finished, and the next one (`name-1.mcap`, …) begins.
pub const FILE_BYTES_MAX: u64 = 1 << 30;

/// Counts what goes into the file.
struct Counted {
    file: File,
    bytes: u64,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.bytes = self.bytes.saturating_add(u64::try_from(written).unwrap_or(0));
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
    recorder: Option<Recorder<NoSeek<Shared>>>,
    counted: Shared,
    index: u32,
    bytes_before: u64,
    file_bytes_max: u64,
    stored: Stored,
    /// Records handed to the file that its present chunk still holds in memory.
    unconfirmed: u64,
}

/// The file, reachable for its count while the recorder owns its writing end.
#[derive(Clone)]
struct Shared(std::sync::Arc<std::sync::Mutex<Counted>>);

impl Shared {
    fn bytes(&self) -> u64 {
        self.0.lock().map_or(0, |counted| counted.bytes)
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let poisoned = |_| std::io::Error::other("the writer panicked");
        self.0.lock().map_err(poisoned)?.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
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
        let counted = open(path).map_err(|source| wrong(&source))?;
        let recorder = Recorder::begin(NoSeek::new(counted.clone()), labels, info)
            .map_err(|source| wrong(&source))?;
        Ok(Self {
            path: path.to_owned(),
            labels: labels.clone(),
            info: info.clone(),
            recorder: Some(recorder),
            counted,
            index: 0,
            bytes_before: 0,
            file_bytes_max,
            stored: Stored::default(),
            unconfirmed: 0,
        })
    }

    /// Takes one record of the loop; after a failure it is counted as dropped.
    pub fn record(&mut self, sequence: u64, record: &Record) {
        let bytes = self.counted.bytes();
        let result = match self.recorder.as_mut() {
            Some(recorder) => recorder.record(sequence, record),
            None => {
                self.stored.dropped += 1;
                return;
            }
        };
        self.unconfirmed += 1;
        self.settle(result, bytes);
    }

    /// Takes a camera's datagram.
    pub fn vision(&mut self, datagram: &Datagram) {
        let bytes = self.counted.bytes();
        let Some(recorder) = self.recorder.as_mut() else { return };
        let result = recorder.vision(datagram);
        self.stored.vision += u64::from(result.is_ok());
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
        self.stored.bytes = self.bytes_before + self.counted.bytes();
        &self.stored
    }

    /// What became of what was taken; what a chunk still holds counts as stored.
    #[must_use]
    pub fn stored(&self) -> Stored {
        let mut stored = self.stored.clone();
        stored.stored += self.unconfirmed;
        stored.bytes = self.bytes_before + self.counted.bytes();
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
        if self.counted.bytes() == bytes_before {
            return;
        }
        // A chunk went to the file: everything before the present record is in it.
        self.stored.stored += self.unconfirmed.saturating_sub(1);
        self.unconfirmed = self.unconfirmed.min(1);
        if self.counted.bytes() > self.file_bytes_max {
            self.next_file();
        }
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
        let begun = open(&path).map_err(mcap::McapError::from).and_then(|counted| {
            let sink = NoSeek::new(counted.clone());
            Recorder::begin(sink, &self.labels, &self.info).map(|recorder| (recorder, counted))
        });
        match begun {
            Ok((recorder, counted)) => {
                self.bytes_before += self.counted.bytes();
                self.recorder = Some(recorder);
                self.counted = counted;
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

fn open(path: &Path) -> std::io::Result<Shared> {
    let file = File::create(path)?;
    Ok(Shared(std::sync::Arc::new(std::sync::Mutex::new(Counted { file, bytes: 0 }))))
}

/// `folder/name.mcap` → `folder/name-3.mcap`.
fn numbered(path: &Path, index: u32) -> PathBuf {
    let stem = path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into());
    path.with_file_name(format!("{stem}-{index}.mcap"))
}
