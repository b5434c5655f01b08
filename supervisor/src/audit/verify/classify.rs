//! The chain, record by record: where it breaks, and what that means.

use super::{Checker, Places, Seen};
use crate::audit::line::{Hash, ROOT};
use crate::run::hex;

/// Follows the chain over everything that was read.
pub(super) fn chain(checker: &mut Checker) {
    let seen = std::mem::take(&mut checker.seen);
    let mut places = Places::new();
    for (place, record) in seen.iter().enumerate() {
        places.entry(record.sequence).or_default().push(place);
    }
    let (mut expected, mut hash) = (0, ROOT);
    for (place, record) in seen.iter().enumerate() {
        let before = place.checked_sub(1).and_then(|before| seen.get(before));
        let fits = record.sequence == expected && record.previous == hash;
        if fits && record.sound {
            checker.verdict.records += 1;
        } else {
            let broken =
                Broken { record, before, expected, hash, places: &places, seen: &seen, place };
            broken.say(checker);
        }
        // From here on as if it were right: every further break is one of its own.
        (expected, hash) = (record.sequence.saturating_add(1), record.told);
    }
    if let Some(last) = seen.last() {
        checker.verdict.last_sequence = Some(last.sequence);
        checker.verdict.last_hash = Some(hex(&last.told));
    }
    checker.seen = seen;
}

/// A record that is not what should be here.
struct Broken<'a> {
    record: &'a Seen,
    before: Option<&'a Seen>,
    expected: u64,
    hash: Hash,
    places: &'a Places,
    seen: &'a [Seen],
    place: usize,
}

impl Broken<'_> {
    fn say(&self, checker: &mut Checker) {
        let Seen { file, line, offset, sequence, previous, told, sound } = *self.record;
        let place = (file, line, offset);
        let (kind, conclusion) = if sound { self.place() } else { ("changed", CHANGED.to_owned()) };
        let (expected, found) = if sound {
            (
                format!("record {} after {}", self.expected, hex(&self.hash)),
                format!("record {sequence} after {}", hex(&previous)),
            )
        } else {
            ("a hash that belongs to its bytes".to_owned(), hex(&told))
        };
        checker.find(kind, place, Some(sequence), &expected, &found, &conclusion);
    }

    /// A whole record at the wrong place.
    fn place(&self) -> (&'static str, String) {
        let Seen { sequence, told, previous, .. } = *self.record;
        let twins = self.places.get(&sequence).map_or(&[][..], |twins| twins);
        let twin = twins
            .iter()
            .filter(|twin| **twin != self.place)
            .filter_map(|twin| self.seen.get(*twin));
        let (mut same, mut other) = (0, 0);
        for twin in twin {
            if twin.told == told { same += 1 } else { other += 1 }
        }
        if sequence == self.expected {
            let conclusion = match self.before {
                None => "the first record of the log does not begin a chain",
                Some(before) if !before.sound => "the record before was changed",
                Some(_) => "the record before is not the one that was written there",
            };
            return ("changed", conclusion.to_owned());
        }
        if same > 0 {
            return ("repeated", format!("record {sequence} stands here a second time"));
        }
        if other > 0 {
            return (
                "inserted",
                format!("there is another record {sequence}: one of them was put in"),
            );
        }
        if sequence > self.expected {
            let absent = (self.expected..sequence)
                .take(1 << 20)
                .filter(|number| !self.places.contains_key(number))
                .count();
            return if absent > 0 {
                (
                    "removed",
                    format!(
                        "records {} to {} are not here: {absent} of them nowhere",
                        self.expected,
                        sequence - 1
                    ),
                )
            } else {
                (
                    "moved",
                    format!(
                        "records {} to {} stand elsewhere in the log",
                        self.expected,
                        sequence - 1
                    ),
                )
            };
        }
        let from = hex(previous.get(..4).unwrap_or_default());
        ("moved", format!("record {sequence} belongs behind the record with hash {from}…"))
    }
}

const CHANGED: &str = "the record, or its hash, was changed after it was written";
