//! A checkpoint that was kept elsewhere: the log must have it, unchanged. What was cut off since is found by nothing else.

use super::Checker;
use crate::audit::key::{fingerprint, is_signed};
use crate::audit::line::{Hash, parse, unhex};
use crate::run::hex;

/// Checkpoints kept elsewhere: number and hash of each record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept(Vec<(u64, Hash)>);

impl Kept {
    /// Reads lines of a log, each a checkpoint.
    ///
    /// # Errors
    /// A sentence: one of them is none, is damaged, or not signed by one of `allowed` (if there are any).
    pub fn read(text: &str, allowed: &[Hash]) -> Result<Self, String> {
        let mut kept = Vec::new();
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let wrong = |why: &str| format!("line {}: {why}", number + 1);
            let framed = parse(line.trim().as_bytes())
                .ok_or_else(|| wrong("expected a checkpoint, a line of the log"))?;
            if framed.computed() != framed.told {
                return Err(wrong("its hash does not belong to its bytes: it was changed"));
            }
            let content = framed.content().unwrap_or_default();
            let public = content["key"].as_str().and_then(|key| unhex(key.as_bytes()));
            let (signed, public) = framed
                .signed()
                .zip(public)
                .ok_or_else(|| wrong("expected a checkpoint, found another record"))?;
            if !is_signed(&public, signed.0, signed.1) {
                return Err(wrong("its signature is not by the key that it names"));
            }
            if !allowed.is_empty() && !allowed.contains(&public) {
                return Err(wrong(&format!(
                    "it is signed by {}, which is not among --key",
                    fingerprint(&public)
                )));
            }
            kept.push((framed.sequence, framed.told));
        }
        if kept.is_empty() { Err("it holds no checkpoint".to_owned()) } else { Ok(Self(kept)) }
    }
}

/// Every checkpoint that was kept is in the log.
pub(super) fn compare(checker: &mut Checker) {
    let end = checker.seen.last().map(|last| (last.file, last.line, last.offset, last.sequence));
    for (sequence, hash) in std::mem::take(&mut checker.kept).0 {
        let found = checker.seen.iter().find(|record| record.sequence == sequence);
        match (found.copied(), end) {
            (Some(record), _) if record.told == hash && record.sound => {
                checker.verdict.checkpoint = checker.verdict.checkpoint.max(Some(sequence));
            }
            (Some(record), _) => {
                let conclusion = "the log was written anew since the checkpoint was kept";
                let place = (record.file, record.line, record.offset);
                checker.find(
                    "checkpoint",
                    place,
                    Some(sequence),
                    &hex(&hash),
                    &hex(&record.told),
                    conclusion,
                );
            }
            (None, Some((file, line, offset, last))) => {
                let expected = format!("record {sequence}, which was signed and kept");
                let found = format!("the log ends with record {last}");
                let conclusion = if last < sequence {
                    "the log was cut off since the checkpoint was kept"
                } else {
                    "the record of the checkpoint was removed"
                };
                checker.find(
                    "cut",
                    (file, line, offset),
                    Some(last),
                    &expected,
                    &found,
                    conclusion,
                );
            }
            (None, None) => {
                let expected = format!("record {sequence}, which was signed and kept");
                checker.find("cut", (1, 1, 0), None, &expected, "no record", "the log was emptied");
            }
        }
    }
}
