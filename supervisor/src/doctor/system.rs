//! The system as its files tell it: /proc, /sys and a little more below a root folder, so that a tree copied from another
//! machine, or made by a test, is examined by the same code.

use std::cell::RefCell;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};
use rt_linux::ethtool::{self, Setting};
use serde::Serialize;

use super::lists::{self, Cpus};
use super::target::Target;

/// Longest part of a file that is read, bytes.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Most entries of a folder.
const ENTRIES_MAX: usize = 100_000;
/// Longest quotation in a finding, characters.
const SAID_MAX: usize = 160;
/// Below a root that is not `/`, one file an interface stands for what the kernel is asked by ioctl:
/// a setting a line, `rx-usecs 0` or `rx-usecs unsupported`.
const ETHTOOL_FOLDER: &str = "/ethtool";

/// What was looked at, and what it said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// File, as on the machine (without the root), or the system call.
    pub path: String,
    /// Its first line, the line that counts, or why it could not be read.
    pub said: String,
}

/// Why something could not be found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unread {
    /// File, as on the machine.
    pub path: String,
    /// Why.
    pub why: Why,
}

/// Why a file told nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// It is not there.
    Absent,
    /// Not for this user.
    Denied,
    /// It could be read and not understood.
    Garbled {
        /// What should be there.
        expected: &'static str,
    },
    /// The system refused for another reason.
    Refused(String),
    /// Nobody said which one is meant.
    NotNamed(&'static str),
}

impl fmt::Display for Why {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => write!(to, "not there"),
            Self::Denied => write!(to, "permission denied"),
            Self::Garbled { expected } => write!(to, "not {expected}"),
            Self::Refused(why) => write!(to, "{why}"),
            Self::NotNamed(what) => write!(to, "{what}"),
        }
    }
}

impl Unread {
    pub(super) fn garbled(path: &str, expected: &'static str) -> Self {
        Self { path: path.to_owned(), why: Why::Garbled { expected } }
    }

    pub(super) fn absent(path: &str) -> Self {
        Self { path: path.to_owned(), why: Why::Absent }
    }
}

impl fmt::Display for Unread {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = &self.path;
        match &self.why {
            Why::Absent => write!(to, "{path} is not there"),
            Why::Denied => write!(to, "{path} may not be read by this user"),
            Why::Garbled { expected } => {
                write!(to, "{path} is not understood: expected {expected}")
            }
            Why::Refused(why) => write!(to, "{path} cannot be read: {why}"),
            Why::NotNamed(what) => write!(to, "{what}"),
        }
    }
}

/// A machine, or a copy of its files.
#[derive(Clone, Debug)]
pub struct System {
    root: PathBuf,
    is_here: bool,
}

impl System {
    /// The machine that this process runs on.
    #[must_use]
    pub fn here() -> Self {
        Self { root: PathBuf::from("/"), is_here: true }
    }

    /// The files below `root`; nothing else is asked.
    #[must_use]
    pub fn below(root: &Path) -> Self {
        Self { root: root.to_path_buf(), is_here: false }
    }

    /// Where the files are.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn at(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    fn unread(path: &str, error: &io::Error) -> Unread {
        let why = match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Why::Absent,
            io::ErrorKind::PermissionDenied => Why::Denied,
            _ => Why::Refused(error.to_string()),
        };
        Unread { path: path.to_owned(), why }
    }

    fn bytes(&self, path: &str) -> Result<Vec<u8>, Unread> {
        let mut bytes = Vec::new();
        File::open(self.at(path))
            .and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut bytes))
            .map_err(|error| Self::unread(path, &error))?;
        Ok(bytes)
    }

    fn text(&self, path: &str) -> Result<String, Unread> {
        let bytes = self.bytes(path)?;
        String::from_utf8(bytes).map_err(|_| Unread::garbled(path, "text"))
    }

    fn names(&self, path: &str) -> Result<Vec<String>, Unread> {
        let folder = fs::read_dir(self.at(path)).map_err(|error| Self::unread(path, &error))?;
        let entries = folder.take(ENTRIES_MAX).filter_map(Result::ok);
        let mut names: Vec<_> =
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        Ok(names)
    }

    fn exists(&self, path: &str) -> bool {
        self.at(path).exists()
    }

    fn link(&self, path: &str) -> Result<String, Unread> {
        let to = fs::read_link(self.at(path)).map_err(|error| Self::unread(path, &error))?;
        let name = to.file_name().ok_or_else(|| Unread::garbled(path, "a link to a folder"))?;
        Ok(name.to_string_lossy().into_owned())
    }

    fn ethtool(&self, interface: &str) -> Result<Vec<(String, Setting)>, Unread> {
        if self.is_here {
            let path = format!("ioctl SIOCETHTOOL {interface}");
            let settings = ethtool::read(interface).map_err(|error| Self::unread(&path, &error))?;
            return Ok(settings.into_iter().map(|(name, is)| (name.to_owned(), is)).collect());
        }
        let path = format!("{ETHTOOL_FOLDER}/{interface}");
        let text = self.text(&path)?;
        let setting = |line: &str| {
            let (name, value) = line.split_once(' ')?;
            let value = match value.trim() {
                "unsupported" => Setting::Unsupported,
                number => Setting::Is(number.parse().ok()?),
            };
            Some((name.to_owned(), value))
        };
        let settings: Option<Vec<_>> = text.lines().map(setting).collect();
        settings.ok_or_else(|| Unread::garbled(&path, "lines such as `rx-usecs 0`"))
    }
}

/// What one check sees: the system, what the loop wants of it, and a note of all that was looked at.
#[derive(Debug)]
pub struct Probe<'a> {
    system: &'a System,
    /// What the loop wants.
    pub target: &'a Target,
    evidence: RefCell<Vec<Evidence>>,
}

impl<'a> Probe<'a> {
    /// Nothing looked at yet.
    #[must_use]
    pub fn new(system: &'a System, target: &'a Target) -> Self {
        Self { system, target, evidence: RefCell::default() }
    }

    /// What was looked at, in order.
    #[must_use]
    pub fn into_evidence(self) -> Vec<Evidence> {
        self.evidence.into_inner()
    }

    /// Writes down what `path` said.
    pub(super) fn note(&self, path: &str, said: &str) {
        let entry = Evidence { path: path.to_owned(), said: quote(said) };
        let mut evidence = self.evidence.borrow_mut();
        if !evidence.contains(&entry) {
            evidence.push(entry);
        }
    }

    fn noted<T>(&self, path: &str, result: Result<T, Unread>) -> Result<T, Unread> {
        result.inspect_err(|unread| self.note(path, &unread.why.to_string()))
    }

    /// Writes down what ended the check, unless what that file said is written down already.
    pub(super) fn note_unread(&self, unread: &Unread) {
        let is_known = self.evidence.borrow().iter().any(|entry| entry.path == unread.path);
        if !is_known {
            self.note(&unread.path, &unread.why.to_string());
        }
    }

    /// A file; the note has its first line.
    pub(super) fn text(&self, path: &str) -> Result<String, Unread> {
        let text = self.long_text(path)?;
        self.note(path, &text);
        Ok(text)
    }

    /// A long file of which the caller notes the line that counts.
    pub(super) fn long_text(&self, path: &str) -> Result<String, Unread> {
        self.noted(path, self.system.text(path))
    }

    /// A file of many, of which the caller notes those that count.
    pub(super) fn quiet_text(&self, path: &str) -> Result<String, Unread> {
        self.system.text(path)
    }

    /// Bytes `from..from + 8` of a file, little endian.
    pub(super) fn word(&self, path: &str, from: u64) -> Result<u64, Unread> {
        let read = || {
            use std::os::unix::fs::FileExt;
            let mut word = [0_u8; 8];
            File::open(self.system.at(path))?.read_exact_at(&mut word, from)?;
            Ok(u64::from_le_bytes(word))
        };
        let word = self.noted(path, read().map_err(|error| System::unread(path, &error)))?;
        self.note(path, &format!("at {from:#x}: {word}"));
        Ok(word)
    }

    /// A file that a kernel without the feature does not have: `None` if its folder is there and it is not.
    pub(super) fn feature(&self, path: &str) -> Result<Option<String>, Unread> {
        match self.text(path) {
            Ok(text) => Ok(Some(text)),
            Err(Unread { why: Why::Absent, .. }) if self.system.exists(parent(path)) => Ok(None),
            Err(unread) => Err(unread),
        }
    }

    /// A file that holds one whole number.
    pub(super) fn number(&self, path: &str) -> Result<i64, Unread> {
        number(path, &self.text(path)?)
    }

    /// A file that holds a list of CPUs such as `0-2,4`.
    pub(super) fn cpus(&self, path: &str) -> Result<Cpus, Unread> {
        let text = self.text(path)?;
        lists::list(&text).ok_or_else(|| Unread::garbled(path, "CPUs such as 0-2,4"))
    }

    /// The same of many, of which the caller notes those that count.
    pub(super) fn quiet_cpus(&self, path: &str) -> Result<Cpus, Unread> {
        let text = self.system.text(path)?;
        lists::list(&text).ok_or_else(|| Unread::garbled(path, "CPUs such as 0-2,4"))
    }

    /// What a folder holds, sorted; not noted if it can be read.
    pub(super) fn names(&self, path: &str) -> Result<Vec<String>, Unread> {
        self.noted(path, self.system.names(path))
    }

    /// Whether something is there; noted if not.
    pub(super) fn exists(&self, path: &str) -> bool {
        let exists = self.system.exists(path);
        if !exists {
            self.note(path, "not there");
        }
        exists
    }

    /// Whether this process may write the file.
    pub(super) fn may_write(&self, path: &str) -> bool {
        let granted = access(&self.system.at(path), AccessFlags::R_OK | AccessFlags::W_OK).is_ok();
        self.note(path, if granted { "may be written" } else { "may not be written" });
        granted
    }

    /// The last part of what a symbolic link points to.
    pub(super) fn link(&self, path: &str) -> Result<String, Unread> {
        let name = self.noted(path, self.system.link(path))?;
        self.note(path, &format!("→ {name}"));
        Ok(name)
    }

    /// One setting of a network interface.
    pub(super) fn ethtool(&self, interface: &str, name: &str) -> Result<Setting, Unread> {
        let path = format!("ethtool {interface}");
        let settings = self.noted(&path, self.system.ethtool(interface))?;
        let found = settings.into_iter().find(|(known, _)| known == name);
        let missing = || Unread::garbled(&path, "coalescing, offloads and EEE");
        let setting = self.noted(&path, found.map(|(_, is)| is).ok_or_else(missing))?;
        match setting {
            Setting::Is(value) => self.note(&path, &format!("{name} {value}")),
            Setting::Unsupported => self.note(&path, &format!("{name} unsupported")),
            Setting::Refused(errno) => {
                self.note(&path, &format!("{name}: {errno}"));
                return Err(Unread { path, why: Why::Refused(errno.to_string()) });
            }
        }
        Ok(setting)
    }
}

pub(super) fn number(path: &str, text: &str) -> Result<i64, Unread> {
    text.trim().parse().map_err(|_| Unread::garbled(path, "a whole number"))
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("/", |(parent, _)| parent)
}

/// The first line, without what a terminal would obey, of bounded length.
fn quote(said: &str) -> String {
    let mut lines = said.lines().map(str::trim).filter(|line| !line.is_empty());
    let Some(first) = lines.next() else { return "(empty)".to_owned() };
    let mut quoted: String =
        first.chars().map(|c| if c.is_control() { '·' } else { c }).take(SAID_MAX).collect();
    if first.chars().count() > SAID_MAX {
        quoted.push('…');
    }
    let more = lines.count();
    if more > 0 {
        quoted.push_str(&format!(" (+{more} lines)"));
    }
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quotation_is_one_bounded_line_that_no_terminal_obeys() {
        assert_eq!(quote(" \n"), "(empty)");
        assert_eq!(quote("a\nb\nc\n"), "a (+2 lines)");
        assert_eq!(quote("x\u{1b}[2Jy"), "x·[2Jy");
        assert_eq!(quote(&"x".repeat(1000)).chars().count(), SAID_MAX + 1);
    }
}
