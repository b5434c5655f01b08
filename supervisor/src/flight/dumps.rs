//! Dumps on disk: named, bounded in number and size, oldest deleted. A disk that fails costs dumps, never the machine.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use rt_core::flight::{Ring, TriggerKind};

use super::file::{self, Head};
use super::words;

/// How a dump's name ends.
pub(super) const SUFFIX: &str = ".tfr";

/// How much may lie in the folder, of one machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Dumps, at least 1.
    pub files: usize,
    /// Bytes of all of them; the newest is kept whatever its size.
    pub bytes: u64,
}

/// What became of the frozen rings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Dumps written.
    pub dumps: u64,
    /// Frozen rings that are in no file: nobody asked for dumps, or the disk failed.
    pub not_written: u64,
    /// Older dumps deleted to make room.
    pub deleted: u64,
    /// Why the last one that failed did.
    pub fault: Option<String>,
}

/// Writes the dumps of a run.
#[derive(Clone, Debug)]
pub struct Dumps {
    directory: Option<PathBuf>,
    /// Between the machine's name and the dump's number: tells runs apart.
    run: String,
    bounds: Bounds,
    head: Head,
    written: Written,
}

impl Dumps {
    /// Into this folder; `None`: nowhere, and they are counted.
    #[must_use]
    pub fn new(directory: Option<PathBuf>, run: String, bounds: Bounds, head: Head) -> Self {
        Self { directory, run, bounds, head, written: Written::default() }
    }

    /// Writes a frozen ring.
    pub fn write(&mut self, ring: &Ring) {
        let Some(directory) = self.directory.clone() else {
            self.written.not_written += 1;
            return;
        };
        self.head.number = self.written.dumps + self.written.not_written + 1;
        let head = head_of(&self.head, ring);
        let name = format!(
            "{}{}-{:03}-{}-{}{SUFFIX}",
            prefix(&head.machine),
            self.run,
            head.number,
            head.trigger,
            head.cycle
        );
        let path = directory.join(name);
        match create(&path, &head, ring) {
            Ok(()) => {
                self.written.dumps += 1;
                self.make_room(&directory, &path);
            }
            Err(source) => {
                self.written.not_written += 1;
                self.written.fault = Some(format!("{}: {source}", path.display()));
            }
        }
    }

    /// What became of them so far.
    #[must_use]
    pub fn written(&self) -> &Written {
        &self.written
    }

    /// Where they go.
    #[must_use]
    pub fn directory(&self) -> Option<&Path> {
        self.directory.as_deref()
    }

    /// Deletes the oldest dumps of this machine until the bounds hold; `newest` stays.
    fn make_room(&mut self, directory: &Path, newest: &Path) {
        let mut dumps = dumps_in(directory, &self.head.machine);
        dumps.retain(|(_, path, _)| path != newest);
        dumps.sort();
        let newest_bytes = std::fs::metadata(newest).map_or(0, |data| data.len());
        let mut bytes: u64 = newest_bytes + dumps.iter().map(|(_, _, bytes)| bytes).sum::<u64>();
        let mut files = dumps.len() + 1;
        for (_, path, size) in dumps {
            if files <= self.bounds.files.max(1) && bytes <= self.bounds.bytes {
                break;
            }
            match std::fs::remove_file(&path) {
                Ok(()) => self.written.deleted += 1,
                Err(source) => {
                    self.written.fault = Some(format!("{}: {source}", path.display()));
                }
            }
            files -= 1;
            bytes -= size;
        }
    }
}

fn prefix(machine: &str) -> String {
    format!("{machine}-flight-")
}

/// Age, path and size of a machine's dumps.
fn dumps_in(directory: &Path, machine: &str) -> Vec<(Option<std::time::SystemTime>, PathBuf, u64)> {
    let prefix = prefix(machine);
    let ours = |name: &str| {
        name.strip_prefix(&prefix).is_some_and(|rest| {
            rest.ends_with(SUFFIX) && rest.starts_with(|c: char| c == 's' || c.is_ascii_digit())
        })
    };
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let found = entries.filter_map(|entry| {
        let entry = entry.ok()?;
        let data = entry.metadata().ok()?;
        let is_ours = data.is_file() && ours(entry.file_name().to_str()?);
        is_ours.then(|| (data.modified().ok(), entry.path(), data.len()))
    });
    found.collect()
}

/// Whole or not at all: what has the name of a dump was written to its end.
fn create(path: &Path, head: &Head, ring: &Ring) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let part = path.with_extension("part");
    let write = |file: File| {
        let mut out = BufWriter::with_capacity(1 << 16, file);
        file::write(head, ring, &mut out)?;
        out.flush()
    };
    let done = File::create(&part).and_then(write).and_then(|()| std::fs::rename(&part, path));
    if done.is_err() {
        // The part is of no use; where it cannot be deleted the disk is gone.
        let _ = std::fs::remove_file(&part);
    }
    done
}

fn head_of(run: &Head, ring: &Ring) -> Head {
    let trigger = ring.trigger();
    let stamps = ring.cycles().find(|stamps| stamps.cycle == trigger.cycle);
    let (kind, cause) = match trigger.kind {
        TriggerKind::Request => ("request", None),
        TriggerKind::Overrun => ("overrun", stamps.map(|it| words::late(it, run.period_ns))),
        TriggerKind::Trip => ("trip", Some(words::cause(trigger.subject, run))),
    };
    Head {
        trigger: kind.to_owned(),
        cycle: trigger.cycle,
        at: trigger.at,
        cause: cause.unwrap_or_default(),
        lost: ring.late(),
        ..run.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flight::testing::frozen;

    const BOUNDS: Bounds = Bounds { files: 3, bytes: 1 << 20 };

    fn dumps(folder: &Path, bounds: Bounds) -> Dumps {
        let head = Head {
            machine: "cell".into(),
            interlocks: vec!["guard door".into()],
            ..Head::default()
        };
        Dumps::new(Some(folder.to_owned()), "17".into(), bounds, head)
    }

    fn names(folder: &Path) -> Vec<String> {
        let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_dump_says_by_its_name_and_in_it_what_stopped_the_machine() {
        let folder = crate::folder::Folder::new("flight-name");
        dumps(&folder, BOUNDS).write(&frozen(100));
        assert_eq!(names(&folder), ["cell-flight-17-001-trip-60.tfr"]);
        let bytes = std::fs::read(folder.join(&names(&folder)[0])).unwrap();
        let dump = file::read(&bytes).unwrap();
        assert_eq!((dump.head.trigger.as_str(), dump.head.cause.as_str()), ("trip", "guard door"));
        assert_eq!(dump.head.cycle, 60);
    }

    #[test]
    fn the_oldest_are_deleted_and_files_of_others_are_not() {
        let folder = crate::folder::Folder::new("flight-bounds");
        for other in ["cell-flight-notes.txt", "cellar-flight-1-001-trip-1.tfr", "cell.mcap"] {
            std::fs::write(folder.join(other), "precious").unwrap();
        }
        let mut dumps = dumps(&folder, BOUNDS);
        (0..5).for_each(|_| dumps.write(&frozen(100)));
        assert_eq!((dumps.written().dumps, dumps.written().deleted), (5, 2));
        let left = names(&folder);
        assert_eq!(left.len(), 3 + 3, "{left:?}");
        assert!(left[0].contains("-003-"), "the newest three: {left:?}");
    }

    #[test]
    fn the_sum_of_sizes_is_bounded_too_and_the_newest_stays() {
        let folder = crate::folder::Folder::new("flight-size");
        let mut dumps = dumps(&folder, Bounds { files: 100, bytes: 20_000 });
        (0..6).for_each(|_| dumps.write(&frozen(100)));
        assert_eq!(names(&folder).len(), 2, "7 kB each");
        let mut small = self::dumps(&folder, Bounds { files: 100, bytes: 1 });
        small.write(&frozen(100));
        assert_eq!(names(&folder).len(), 1);
    }

    #[test]
    fn a_disk_that_fails_costs_the_dump_and_says_why() {
        let top = crate::folder::Folder::new("flight-disk");
        let folder = top.join("file");
        std::fs::write(&folder, "not a folder").unwrap();
        let mut dumps = dumps(&folder, BOUNDS);
        dumps.write(&frozen(100));
        assert_eq!((dumps.written().dumps, dumps.written().not_written), (0, 1));
        assert!(dumps.written().fault.as_deref().is_some_and(|fault| fault.contains("file")));
    }
}
