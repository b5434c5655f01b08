//! Finds every record of an audit log that was changed, removed, moved, repeated, put in or cut off, and says where.
//!
//! The log is read file by file; of each record only its place stays in memory. Nothing here uses the writer: both follow
//! docs/audit-log.md.

mod checkpoint;
mod classify;

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

pub use checkpoint::Kept;

use super::files;
use super::key::{fingerprint, is_signed};
use super::line::{Framed, HASH_MARK, Hash, ROOT, beginning, parse, unhex};
use super::writer::{CHECKPOINT_RECORDS, FORMAT};
use crate::run::hex;

/// Findings beyond this many are counted only.
const FINDINGS_MAX: usize = 100;
/// A log has a checkpoint after at most so many records; some slack for a file that begins, and for a run that was killed.
const UNSIGNED_MAX: u64 = 2 * CHECKPOINT_RECORDS as u64 + 64;

/// What is wrong with a log, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Stable word: `changed`, `removed`, `moved`, `repeated`, `inserted`, `malformed`, `cut`, `signature`, `key`, `unsigned`, `file`,
    /// `checkpoint`.
    pub kind: &'static str,
    /// Name of the file.
    pub file: String,
    /// Line in it, from 1.
    pub line: u64,
    /// Bytes before that line.
    pub offset: u64,
    /// Number that the record carries, if it is one.
    pub sequence: Option<u64>,
    /// What should be there.
    pub expected: String,
    /// What is there.
    pub found: String,
    /// What to conclude.
    pub conclusion: String,
}

/// Bytes behind the last record that are part of one: a run that was killed, or a power failure, while it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Torn {
    /// Name of the file.
    pub file: String,
    /// Bytes before them.
    pub offset: u64,
    /// How many.
    pub bytes: u64,
    /// The next start found them too, and said so in the log.
    pub acknowledged: bool,
}

/// A key that signed checkpoints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Signer {
    /// Public key, hexadecimal.
    pub public: String,
    /// To compare with `tactus audit key`.
    pub fingerprint: String,
    /// `device`, or `virtual`: the published key of virtual time, which proves nothing.
    pub kind: String,
    /// First record that names it.
    pub since: u64,
}

/// What the log amounts to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// No finding.
    pub whole: bool,
    /// Files read.
    pub files: u64,
    /// Records that are in order.
    pub records: u64,
    /// Number of the last record.
    pub last_sequence: Option<u64>,
    /// Its hash.
    pub last_hash: Option<String>,
    /// Checkpoints whose signatures hold.
    pub checkpoints: u64,
    /// The last of them: what comes after is chained, but could have been written anew by whoever may write the files.
    pub signed_up_to: Option<u64>,
    /// Who signed.
    pub keys: Vec<Signer>,
    /// It is of a virtual machine.
    pub virtual_time: bool,
    /// Records that the log itself says are missing.
    pub lost: u64,
    /// Of the disk, or of a run that was killed; no tampering.
    pub torn: Vec<Torn>,
    /// A checkpoint kept elsewhere was asked for, and this is its record.
    pub checkpoint: Option<u64>,
    /// What is wrong; the first 100.
    pub findings: Vec<Finding>,
    /// All that is wrong.
    pub findings_total: u64,
}

/// A record's place, and what the chain says of it.
#[derive(Clone, Copy, Debug)]
struct Seen {
    file: u32,
    line: u64,
    offset: u64,
    sequence: u64,
    previous: Hash,
    told: Hash,
    /// Its hash belongs to its bytes.
    sound: bool,
}

/// What stands behind the last record of a file.
#[derive(Clone, Debug)]
struct Rest {
    file: u32,
    line: u64,
    offset: u64,
    bytes: u64,
    hash: String,
    /// It looks like the beginning of the next record.
    plausible: bool,
    acknowledged: bool,
}

/// Reads a log, file by file, in order.
#[derive(Debug)]
pub struct Checker {
    verdict: Verdict,
    seen: Vec<Seen>,
    rests: Vec<Rest>,
    files: Vec<u32>,
    key: Option<Hash>,
    allowed: Vec<Hash>,
    last_signed: Option<u64>,
    /// Hashes by number, for checkpoints kept elsewhere.
    kept: Kept,
}

impl Checker {
    /// Signatures must be of one of `allowed`, or of one and the same key if it is empty; `kept` must be in the log.
    #[must_use]
    pub fn new(allowed: Vec<Hash>, kept: Kept) -> Self {
        Self {
            verdict: Verdict::default(),
            seen: Vec::new(),
            rests: Vec::new(),
            files: Vec::new(),
            key: None,
            allowed,
            last_signed: None,
            kept,
        }
    }

    /// The next file.
    pub fn file(&mut self, number: u32, bytes: &[u8]) {
        self.files.push(number);
        self.verdict.files += 1;
        let (mut offset, mut count) = (0, 0_u64);
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            count += 1;
            let place = (number, count, offset);
            offset += length(line);
            let Some(framed) = line.strip_suffix(b"\n").and_then(parse) else {
                let last = offset == length(bytes);
                self.no_record(place, line, last);
                continue;
            };
            self.record(place, &framed);
        }
        if count == 0 {
            self.find("file", (number, 1, 0), None, "a record", "an empty file", EMPTY);
        }
    }

    fn record(&mut self, (file, line, offset): (u32, u64, u64), framed: &Framed<'_>) {
        let sound = framed.computed() == framed.told;
        let Framed { sequence, previous, told, .. } = *framed;
        self.seen.push(Seen { file, line, offset, sequence, previous, told, sound });
        // What a changed record says counts for nothing.
        if !sound {
            return;
        }
        let content = framed.content().unwrap_or_default();
        let place = (file, line, offset);
        let is_header = content["type"] == "file";
        if is_header != (line == 1) {
            let conclusion = "every file begins with a record of type file, and has one";
            let found = if is_header { "another one" } else { "none" };
            self.find("file", place, Some(sequence), "one, at the beginning", found, conclusion);
        }
        if line == 2 && content["type"] != "checkpoint" {
            self.find(
                "unsigned",
                place,
                Some(sequence),
                "a checkpoint",
                "another record",
                UNSIGNED,
            );
        }
        match content["type"].as_str() {
            Some("file") => self.header(place, sequence, &content),
            Some("checkpoint") => self.checkpoint(place, framed, &content),
            Some("gap") => self.verdict.lost += content["lost"].as_u64().unwrap_or(0),
            _ => {}
        }
        let since = self.last_signed.map_or(sequence, |signed| sequence.saturating_sub(signed));
        if since == UNSIGNED_MAX {
            let found = format!("none for {since} records");
            self.find("unsigned", place, Some(sequence), "a checkpoint", &found, UNSIGNED);
        }
    }

    fn header(&mut self, place: (u32, u64, u64), sequence: u64, content: &Value) {
        let (format, number) = (content["format"].as_u64(), content["file"].as_u64());
        if (format, number) != (Some(u64::from(FORMAT)), Some(u64::from(place.0))) {
            let expected = format!("format {FORMAT}, file {}", place.0);
            let found = format!("format {}, file {}", content["format"], content["file"]);
            let conclusion = "the file was renamed, or is of another tactus";
            self.find("file", place, Some(sequence), &expected, &found, conclusion);
        }
        self.verdict.virtual_time |= content["time"] == "virtual";
        if let Some(public) = content["key"].as_str().and_then(|key| unhex(key.as_bytes())) {
            self.signer(place, sequence, public, content["key_kind"].as_str().unwrap_or("unknown"));
        }
        for torn in content["torn"].as_array().into_iter().flatten() {
            let same = |rest: &&mut Rest| {
                torn["file"] == files::name(rest.file)
                    && torn["offset"] == rest.offset
                    && torn["bytes"] == rest.bytes
                    && torn["blake3"] == rest.hash
            };
            match self.rests.iter_mut().find(same) {
                Some(rest) => rest.acknowledged = true,
                None => {
                    let expected = format!(
                        "the {} bytes at {} of {}",
                        torn["bytes"], torn["offset"], torn["file"]
                    );
                    let conclusion = "what the last run left behind its last record was changed or removed since";
                    self.find(
                        "changed",
                        place,
                        Some(sequence),
                        &expected,
                        "others, or none",
                        conclusion,
                    );
                }
            }
        }
    }

    /// A key that the log says signs from here on.
    fn signer(&mut self, place: (u32, u64, u64), sequence: u64, public: Hash, kind: &str) {
        if self.key == Some(public) {
            return;
        }
        let known = self.verdict.keys.iter().any(|signer| signer.public == hex(&public));
        if self.key.is_some() && self.allowed.is_empty() {
            let (found, conclusion) = (
                fingerprint(&public),
                "from here on another key signs: the device's key was \
                                       replaced, or somebody else wrote this; name all keys that you trust with --key",
            );
            self.find("key", place, Some(sequence), "the key of before", &found, conclusion);
        }
        if !self.allowed.is_empty() && !self.allowed.contains(&public) {
            let conclusion = "this key is not among those of --key";
            self.find(
                "key",
                place,
                Some(sequence),
                "a key of --key",
                &fingerprint(&public),
                conclusion,
            );
        }
        self.key = Some(public);
        if !known {
            self.verdict.keys.push(Signer {
                public: hex(&public),
                fingerprint: fingerprint(&public),
                kind: kind.to_owned(),
                since: sequence,
            });
        }
    }

    fn checkpoint(&mut self, place: (u32, u64, u64), framed: &Framed<'_>, content: &Value) {
        let sequence = framed.sequence;
        let public = content["key"].as_str().and_then(|key| unhex(key.as_bytes()));
        let signed = framed.signed().zip(public).is_some_and(|((bytes, signature), public)| {
            Some(public) == self.key && is_signed(&public, bytes, signature)
        });
        if signed {
            self.verdict.checkpoints += 1;
            self.last_signed = Some(sequence);
        } else {
            let conclusion =
                "the log was written anew up to here by somebody without the device's key";
            let expected = "a signature by the key that the file names";
            self.find("signature", place, Some(sequence), expected, "another, or none", conclusion);
        }
    }

    /// Bytes that are no record: the end of a run that was killed, or something that nobody of us wrote.
    fn no_record(&mut self, (file, line, offset): (u32, u64, u64), bytes: &[u8], last: bool) {
        let (sequence, hash) = self.end();
        let text = bytes.strip_suffix(b"\n");
        let plausible = last && text.is_none() && is_torn(bytes, sequence, &hash);
        let (bytes, hash) = (length(bytes), hex(blake3::hash(bytes).as_bytes()));
        let rest = Rest { file, line, offset, bytes, hash, plausible, acknowledged: false };
        // Several lines that are none are one rest.
        match self.rests.last_mut().filter(|before| before.file == file) {
            Some(before) => before.plausible = false,
            None => self.rests.push(rest),
        }
    }

    fn end(&self) -> (u64, Hash) {
        self.seen.last().map_or((0, ROOT), |last| (last.sequence.saturating_add(1), last.told))
    }

    fn find(
        &mut self,
        kind: &'static str,
        (file, line, offset): (u32, u64, u64),
        sequence: Option<u64>,
        expected: &str,
        found: &str,
        conclusion: &str,
    ) {
        self.verdict.findings_total += 1;
        if self.verdict.findings.len() < FINDINGS_MAX {
            self.verdict.findings.push(Finding {
                kind,
                file: files::name(file),
                line,
                offset,
                sequence,
                expected: expected.to_owned(),
                found: found.to_owned(),
                conclusion: conclusion.to_owned(),
            });
        }
    }

    /// The log ends.
    #[must_use]
    pub fn finish(mut self) -> Verdict {
        self.numbers();
        self.tails();
        classify::chain(&mut self);
        checkpoint::compare(&mut self);
        self.verdict.signed_up_to = self.last_signed;
        self.verdict
            .findings
            .sort_by(|one, other| (&one.file, one.line).cmp(&(&other.file, other.line)));
        self.verdict.whole = self.verdict.findings_total == 0;
        self.verdict
    }

    /// Every file is there.
    fn numbers(&mut self) {
        for (expected, number) in (1..=u32::MAX).zip(self.files.clone()) {
            if number != expected {
                let expected = format!("file {expected}");
                let conclusion = "a file of the log is missing: it was removed, or moved elsewhere";
                self.find(
                    "removed",
                    (number, 1, 0),
                    None,
                    &expected,
                    &format!("file {number}"),
                    conclusion,
                );
                return;
            }
        }
    }

    /// What stands behind records: torn, or not of us.
    fn tails(&mut self) {
        let last = self.files.last().copied();
        for rest in std::mem::take(&mut self.rests) {
            let torn = rest.acknowledged || (rest.plausible && Some(rest.file) == last);
            if torn && rest.plausible {
                self.verdict.torn.push(Torn {
                    file: files::name(rest.file),
                    offset: rest.offset,
                    bytes: rest.bytes,
                    acknowledged: rest.acknowledged,
                });
            } else {
                let found = format!("{} bytes that are none", rest.bytes);
                let place = (rest.file, rest.line, rest.offset);
                self.find("malformed", place, None, "a record", &found, MALFORMED);
            }
        }
    }
}

const EMPTY: &str = "the file was emptied, or its first record never reached the disk";
const UNSIGNED: &str =
    "checkpoints were removed, or the log was written by somebody without the device's key";
const MALFORMED: &str =
    "a record was changed so that it is none any more, or bytes were put in that are none";

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

/// Whether bytes without a line break are the beginning of the record at this place: cut anywhere, or filled with zeros by a file
/// system that lost power.
fn is_torn(bytes: &[u8], sequence: u64, previous: &Hash) -> bool {
    let zeros = bytes.iter().rev().take_while(|byte| **byte == 0).count();
    let written = bytes.get(..bytes.len() - zeros).unwrap_or_default();
    let begins = beginning(sequence, previous);
    let common = written.len().min(begins.len());
    // Behind a whole record there is nothing but its line break.
    let mark = HASH_MARK.as_bytes();
    let hash_at = written.windows(mark.len()).rposition(|window| window == mark);
    let more = hash_at.is_some_and(|at| written.len() > at + mark.len() + 64 + 2);
    written.get(..common) == begins.as_bytes().get(..common) && !more
}

/// Places of records by what they carry, to tell what happened to one that is not where it should be.
type Places = BTreeMap<u64, Vec<usize>>;

#[cfg(test)]
mod tests;
