//! What recordings said, kept beside them: each is read once, and may be deleted after.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use prost::Message as _;
use serde::{Deserialize, Serialize};

use super::work::{Slice, Work};
use crate::exit::Error;
use crate::record::messages::Axis;
use crate::replay::Reading;

/// Version of the file; goes up when a field changes its meaning or goes away.
const FORMAT: u32 = 1;
/// A slice of work, hours: longer recordings make several.
const SLICE_HOURS: f64 = 1.0;

/// A recording that was read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Read {
    /// Its name.
    pub file: String,
    /// BLAKE3 of its bytes: the same recording under another name counts once.
    pub blake3: String,
    /// When it began, ns since 1970; `None`: made in virtual time.
    pub began_unix_ns: Option<u64>,
    /// What each axis did.
    pub axes: BTreeMap<String, Vec<Slice>>,
}

/// Everything that was read, in the order in which it happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Store {
    /// Its version.
    pub format: u32,
    /// By begin, then by name.
    pub recordings: Vec<Read>,
    /// Axes that were repaired after so many recordings, by hash of the last one before: their baseline begins anew.
    pub repaired: BTreeMap<String, String>,
}

impl Default for Store {
    fn default() -> Self {
        Self { format: FORMAT, recordings: Vec::new(), repaired: BTreeMap::new() }
    }
}

impl Store {
    /// Reads it; a file that does not exist is an empty store.
    ///
    /// # Errors
    /// It is not such a file, or cannot be read.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(wrong) if wrong.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self::default());
            }
            Err(wrong) => {
                let text = format!("{} cannot be read: {wrong}", path.display());
                return Err(Error::environment(text));
            }
        };
        let store: Self = serde_json::from_slice(&bytes).map_err(|wrong| {
            Error::file(format!(
                "{} is no store of `tactus twin rul`: {wrong}\n  move it away and read the recordings again",
                path.display()
            ))
        })?;
        if store.format != FORMAT {
            return Err(Error::file(format!(
                "{} has format {}\n  expected {FORMAT}; move it away and read the recordings again",
                path.display(),
                store.format
            )));
        }
        Ok(store)
    }

    /// Writes it so that either the old one or the new one is there, whatever happens.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        let wrong = |wrong: std::io::Error| {
            Error::environment(format!("{} cannot be written: {wrong}", path.display()))
        };
        let text = serde_json::to_vec(self).map_err(|it| Error::environment(it.to_string()))?;
        let new = path.with_extension(format!("new-{}", std::process::id()));
        let written = File::create(&new).and_then(|mut file| {
            file.write_all(&text)?;
            file.sync_all()
        });
        let moved = written.and_then(|()| fs::rename(&new, path));
        if moved.is_err() {
            let _ = fs::remove_file(&new);
        }
        moved.map_err(wrong)?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new("."))).and_then(|it| it.sync_all()).map_err(wrong)
    }

    /// Takes a recording in. False: it was there.
    ///
    /// # Errors
    /// It is no recording.
    pub fn take(&mut self, path: &Path) -> Result<bool, Error> {
        let bytes = fs::read(path).map_err(|source| {
            Error::environment(format!("the recording {} cannot be read: {source}", path.display()))
        })?;
        let blake3 = blake3::hash(&bytes).to_hex().to_string();
        if self.recordings.iter().any(|read| read.blake3 == blake3) {
            return Ok(false);
        }
        let file = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        let reading = Reading::of(bytes, &path.display().to_string());
        let (first, axes) = work(&reading)?;
        let offset = reading.recorded().ok().and_then(|it| it.unix_minus_monotonic_ns);
        let began_unix_ns = offset.zip(first).map(|(offset, first)| offset.wrapping_add(first));
        self.recordings.push(Read { file, blake3, began_unix_ns, axes });
        self.recordings.sort_by(|a, b| (a.began_unix_ns, &a.file).cmp(&(b.began_unix_ns, &b.file)));
        Ok(true)
    }

    /// `axis` was repaired after all that is in the store: its baseline begins with the next recording.
    pub fn repaired(&mut self, axis: &str) {
        if let Some(last) = self.recordings.last() {
            self.repaired.insert(axis.to_owned(), last.blake3.clone());
        }
    }

    /// Names of all axes.
    #[must_use]
    pub fn axes(&self) -> BTreeSet<&str> {
        self.recordings.iter().flat_map(|read| read.axes.keys().map(String::as_str)).collect()
    }

    /// What an axis did since its last repair, oldest first.
    #[must_use]
    pub fn slices(&self, axis: &str) -> Vec<Slice> {
        let repaired = self.repaired.get(axis);
        let last = self.recordings.iter().position(|read| Some(&read.blake3) == repaired);
        let since = self.recordings.iter().skip(last.map_or(0, |place| place + 1));
        since.filter_map(|read| read.axes.get(axis)).flatten().cloned().collect()
    }
}

type Worked = (Option<u64>, BTreeMap<String, Vec<Slice>>);

/// When the recording began on its own clock, and what each axis did.
fn work(reading: &Reading) -> Result<Worked, Error> {
    let (mut open, mut first) = (BTreeMap::<String, Work>::new(), None);
    let mut axes: BTreeMap<String, Vec<Slice>> = BTreeMap::new();
    reading.messages(|topic, time, data| {
        first.get_or_insert(time);
        let Some(name) = topic.strip_prefix("/axes/") else { return };
        let Ok(view) = Axis::decode(data) else { return };
        if !open.contains_key(name) {
            open.insert(name.to_owned(), Work::default());
        }
        let Some(work) = open.get_mut(name) else { return };
        if view.enabled && view.inputs_good {
            work.take(time, view.velocity, f64::from(view.torque_permille) * 1e-3);
        } else {
            work.interrupt();
        }
        if work.hours() >= SLICE_HOURS {
            axes.entry(name.to_owned()).or_default().extend(work.slice());
        }
    })?;
    for (name, mut work) in open {
        axes.entry(name).or_default().extend(work.slice());
    }
    Ok((first, axes))
}
