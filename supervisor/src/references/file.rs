//! The state file: references of axes, written whole and found whole, or not believed.
//!
//! It is JSON that people can read, with a checksum over all of it: what was cut, mixed up or edited is damaged, and a damaged place
//! is worse than none. It is written beside itself, brought to the disk, and then renamed over the old one.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

/// Version of the format; goes up when what is written means something else.
pub const FORMAT: u32 = 1;
/// A state file is not larger than this, bytes.
const BYTES_MAX: u64 = 1 << 20;
const ABOUT: &str = "References of axes, written by tactus. Delete an axis' drive, or this file, to have all homed again; \
                     what is edited is not believed.";

/// Where an axis was found, and for which drive and scaling that holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// Vendor of the drive.
    pub vendor: u32,
    /// Product code of the drive.
    pub product: u32,
    /// Serial number of the drive.
    pub serial: u32,
    /// Everything that gives counts their meaning, in words; another word, and the offset is that of another machine.
    pub scaling: String,
    /// position = counts ÷ counts per unit + this, 10⁻⁹ axis units.
    pub offset_nano: i64,
    /// When, UTC; `None` in virtual time.
    pub homed_at: Option<String>,
}

/// References by the names of their axes.
pub type References = BTreeMap<String, Reference>;

/// Whose a state file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The machine's name.
    pub machine: String,
    /// `raw` or `virtual`: a virtual machine says nothing of the real one.
    pub link: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    about: String,
    format: u32,
    machine: String,
    link: String,
    axes: References,
    /// BLAKE3 of the file with an empty text here.
    check: String,
}

/// Why a state file says nothing.
#[derive(Debug)]
pub enum Unusable {
    /// It cannot be read.
    Unreadable(io::Error),
    /// It is not what was written.
    Damaged(String),
    /// It is another machine's, or of another `tactus`.
    Foreign(String),
}

impl fmt::Display for Unusable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(source) => write!(formatter, "cannot be read: {source}"),
            Self::Damaged(how) => write!(formatter, "is damaged: {how}"),
            Self::Foreign(whose) => write!(formatter, "is not of this machine: {whose}"),
        }
    }
}

/// What the file says; nothing if there is none.
///
/// # Errors
/// [`Unusable`]: it is not to be believed.
pub fn load(path: &Path, owner: &Owner) -> Result<References, Unusable> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(References::new()),
        Err(source) => return Err(Unusable::Unreadable(source)),
    };
    let mut bytes = Vec::new();
    file.take(BYTES_MAX + 1).read_to_end(&mut bytes).map_err(Unusable::Unreadable)?;
    parse(&bytes, owner)
}

fn parse(bytes: &[u8], owner: &Owner) -> Result<References, Unusable> {
    let damaged = |how: &dyn fmt::Display| Unusable::Damaged(how.to_string());
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > BYTES_MAX {
        return Err(damaged(&format!("more than {BYTES_MAX} bytes")));
    }
    let value: serde_json::Value =
        serde_json::from_slice(bytes).map_err(|wrong| damaged(&wrong))?;
    match value.get("format").and_then(serde_json::Value::as_u64) {
        Some(format) if format == u64::from(FORMAT) => {}
        Some(format) => {
            return Err(Unusable::Foreign(format!("its format is {format}, expected {FORMAT}")));
        }
        None => return Err(damaged(&"it has no format")),
    }
    let mut content: Content = serde_json::from_value(value).map_err(|wrong| damaged(&wrong))?;
    let told = std::mem::take(&mut content.check);
    let found = checksum(&content).map_err(|wrong| damaged(&wrong))?;
    if told != found {
        return Err(damaged(&format!("its checksum is {found}, it says {told}")));
    }
    if (&content.machine, &content.link) != (&owner.machine, &owner.link) {
        return Err(Unusable::Foreign(format!(
            "it is of {} on a {} link, expected {} on a {} link",
            content.machine, content.link, owner.machine, owner.link
        )));
    }
    Ok(content.axes)
}

fn checksum(content: &Content) -> Result<String, serde_json::Error> {
    let text = serde_json::to_vec(content)?;
    Ok(blake3::hash(&text).to_hex().to_string())
}

/// The bytes of a state file.
fn render(owner: &Owner, references: &References) -> Result<String, serde_json::Error> {
    let mut content = Content {
        about: ABOUT.to_owned(),
        format: FORMAT,
        machine: owner.machine.clone(),
        link: owner.link.clone(),
        axes: references.clone(),
        check: String::new(),
    };
    content.check = checksum(&content)?;
    Ok(serde_json::to_string_pretty(&content)? + "\n")
}

/// Writes the file: afterwards there is the old one or the new one, whole, whatever happens to power.
///
/// # Errors
/// The disk's; the old file is still there.
pub fn save(path: &Path, owner: &Owner, references: &References) -> io::Result<()> {
    let text = render(owner, references)?;
    let directory = path.parent().filter(|at| !at.as_os_str().is_empty());
    let directory = directory.unwrap_or_else(|| Path::new("."));
    std::fs::create_dir_all(directory)?;
    let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
    let written = File::create(&temporary).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    let done = written.and_then(|()| std::fs::rename(&temporary, path));
    if done.is_err() {
        // What is half written helps nobody; the first failure is what people are told.
        let _ = std::fs::remove_file(&temporary);
    }
    done.and_then(|()| File::open(directory)?.sync_all())
}

/// Moves a file that is not believed out of the way, so that a person can look at it.
///
/// # Errors
/// The disk's.
pub fn set_aside(path: &Path) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".unusable");
    std::fs::rename(path, name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner() -> Owner {
        Owner { machine: "cell".into(), link: "raw".into() }
    }

    fn references() -> References {
        let reference = Reference {
            vendor: 1,
            product: 2,
            serial: 3,
            scaling: "1000/1 counts/mm".into(),
            offset_nano: -123_456_789_012,
            homed_at: Some("2026-11-22T10:00:00Z".into()),
        };
        [("x".to_owned(), reference)].into()
    }

    #[test]
    fn what_was_saved_is_loaded_and_nothing_else_is_left() {
        let top = crate::folder::Folder::new("state-file");
        let folder = top.join("deep/er");
        let path = folder.join("cell.json");
        assert_eq!(load(&path, &owner()).unwrap(), References::new(), "there is none yet");
        save(&path, &owner(), &References::new()).unwrap();
        save(&path, &owner(), &references()).unwrap();
        assert_eq!(load(&path, &owner()).unwrap(), references());
        let left: Vec<_> =
            std::fs::read_dir(&folder).unwrap().map(|it| it.unwrap().path()).collect();
        assert_eq!(left, [path]);
    }

    #[test]
    fn every_changed_cut_or_added_byte_is_found() {
        let text = render(&owner(), &references()).unwrap();
        assert!(parse(text.as_bytes(), &owner()).is_ok());
        for place in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            for bit in 0..8 {
                bytes[place] ^= 1 << bit;
                // White space between the words carries nothing.
                if let Ok(read) = parse(&bytes, &owner()) {
                    assert_eq!(read, references(), "byte {place}, bit {bit}");
                }
                bytes[place] ^= 1 << bit;
            }
            // The last byte is the line break.
            if place < text.len() - 1 {
                assert!(parse(&text.as_bytes()[..place], &owner()).is_err(), "cut at {place}");
            }
        }
        let edited = text.replace("-123456789012", "-123456789013");
        let wrong = parse(edited.as_bytes(), &owner()).unwrap_err();
        assert!(wrong.to_string().contains("checksum"), "{wrong}");
    }

    #[test]
    fn the_file_of_another_machine_link_or_format_is_foreign() {
        let text = render(&owner(), &references()).unwrap();
        for other in [
            Owner { machine: "other".into(), ..owner() },
            Owner { link: "virtual".into(), ..owner() },
        ] {
            let wrong = parse(text.as_bytes(), &other).unwrap_err();
            assert!(matches!(wrong, Unusable::Foreign(_)), "{wrong}");
        }
        let newer = text.replace("\"format\": 1", "\"format\": 2");
        assert!(matches!(parse(newer.as_bytes(), &owner()), Err(Unusable::Foreign(_))));
    }

    #[test]
    fn what_is_no_state_file_is_refused_and_never_a_crash() {
        let huge = vec![b' '; (1 << 20) + 1];
        for bytes in [&b""[..], b"{}", b"[1]", b"\xFF\xFE", b"{\"format\": 1}", &huge] {
            assert!(matches!(parse(bytes, &owner()), Err(Unusable::Damaged(_))));
        }
        let folder = crate::folder::Folder::new("state-folder");
        assert!(matches!(load(&folder, &owner()), Err(Unusable::Unreadable(_))), "a directory");
    }

    #[test]
    fn a_directory_that_cannot_be_is_an_error_and_no_more() {
        assert!(save(Path::new("/proc/none/cell.json"), &owner(), &references()).is_err());
    }
}
