//! One record of the audit log, as bytes: a line of JSON that carries the hash of the line before it (docs/audit-log.md).
//!
//! Who checks it needs to know three things: `hash` is the BLAKE3 of the line's bytes before `,"hash":"`; `prev` is the `hash` of the
//! line before; `seq` counts by one over all files.

use std::fmt::Write as _;

use crate::run::hex;

/// A BLAKE3 hash.
pub type Hash = [u8; 32];

/// What the first record of all follows.
pub const ROOT: Hash = [0; 32];

/// What stands between the bytes that are hashed and their hash.
pub const HASH_MARK: &str = ",\"hash\":\"";
/// What stands between the bytes that are signed and their signature.
pub const SIGNATURE_MARK: &str = ",\"sig\":\"";
/// The last bytes of a line, its line break left out.
const END: &str = "\"}";
const HEX_LENGTH: usize = 64;

/// When something happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    /// CLOCK_MONOTONIC, ns; begins anew with every boot of the system.
    pub mono: u64,
    /// Since 1970, ns; `None` in virtual time.
    pub wall: Option<u64>,
}

/// What a record says besides its place in the chain: JSON members, each begun by a comma.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(String);

impl Fields {
    /// A text.
    #[must_use]
    pub fn text(self, name: &str, value: &str) -> Self {
        self.json(name, &serde_json::Value::from(value))
    }

    /// A text, or `null` where there is none.
    #[must_use]
    pub fn maybe(self, name: &str, value: Option<&str>) -> Self {
        self.json(name, &serde_json::Value::from(value))
    }

    /// A number, or anything else that is JSON.
    #[must_use]
    pub fn value(self, name: &str, value: impl Into<serde_json::Value>) -> Self {
        self.json(name, &value.into())
    }

    fn json(mut self, name: &str, value: &serde_json::Value) -> Self {
        // Writing to a String does not fail.
        let _ = write!(self.0, ",\"{name}\":{value}");
        self
    }
}

/// A record that has no place in the chain yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Stable word: `trip`, `reset`, `start_up`, …
    pub kind: &'static str,
    /// When.
    pub stamp: Stamp,
    /// What.
    pub fields: Fields,
    /// It is brought to the disk at once, and signed soon.
    pub urgent: bool,
}

/// The part of a line that is hashed, for `entry` at this place of the chain.
fn body(sequence: u64, previous: &Hash, entry: &Entry) -> String {
    let mut text = String::with_capacity(400);
    let Entry { kind, stamp, fields, .. } = entry;
    let wall = stamp.wall.map_or_else(|| "null".to_owned(), |wall| wall.to_string());
    let previous = hex(previous);
    // Writing to a String does not fail.
    let _ = write!(
        text,
        "{{\"seq\":{sequence},\"prev\":\"{previous}\",\"mono\":{},\"wall\":{wall},\"type\":\"{kind}\"{}",
        stamp.mono, fields.0
    );
    text
}

fn close(mut body: String) -> (String, Hash) {
    let hash = *blake3::hash(body.as_bytes()).as_bytes();
    let _ = writeln!(body, "{HASH_MARK}{}{END}", hex(&hash));
    (body, hash)
}

/// The line of `entry` at this place of the chain, and its hash.
#[must_use]
pub fn line(sequence: u64, previous: &Hash, entry: &Entry) -> (String, Hash) {
    close(body(sequence, previous, entry))
}

/// As [`line`], with a signature over all that stands before it.
#[must_use]
// SR-048
pub fn signed_line(
    sequence: u64,
    previous: &Hash,
    entry: &Entry,
    sign: impl Fn(&[u8]) -> String,
) -> (String, Hash) {
    let mut text = body(sequence, previous, entry);
    let signature = sign(text.as_bytes());
    let _ = write!(text, "{SIGNATURE_MARK}{signature}\"");
    close(text)
}

/// A line taken apart. Its hash has not been compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Framed<'a> {
    /// Its number over all files.
    pub sequence: u64,
    /// What it says of the line before.
    pub previous: Hash,
    /// The hash that it carries.
    pub told: Hash,
    /// What is hashed.
    pub body: &'a [u8],
}

impl Framed<'_> {
    /// The hash that belongs to its bytes.
    #[must_use]
    pub fn computed(&self) -> Hash {
        *blake3::hash(self.body).as_bytes()
    }

    /// What it says; `None` if it is no JSON.
    #[must_use]
    pub fn content(&self) -> Option<serde_json::Value> {
        let mut text = self.body.to_vec();
        text.push(b'}');
        serde_json::from_slice(&text).ok()
    }

    /// What is signed, and the signature's text; `None`: it has none.
    #[must_use]
    pub fn signed(&self) -> Option<(&[u8], &str)> {
        let text = std::str::from_utf8(self.body).ok()?;
        let (before, signature) = text.rsplit_once(SIGNATURE_MARK)?;
        Some((before.as_bytes(), signature.strip_suffix('"')?))
    }
}

/// Takes a line apart, without its line break. `None`: it is not a record.
#[must_use]
pub fn parse(line: &[u8]) -> Option<Framed<'_>> {
    let tail = HASH_MARK.len() + HEX_LENGTH + END.len();
    let (body, end) = line.split_at_checked(line.len().checked_sub(tail)?)?;
    let told = end.strip_prefix(HASH_MARK.as_bytes())?.strip_suffix(END.as_bytes())?;
    let rest = body.strip_prefix(b"{\"seq\":")?;
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, rest) = rest.split_at_checked(digits)?;
    let previous = rest.strip_prefix(b",\"prev\":\"")?.get(..HEX_LENGTH)?;
    Some(Framed {
        sequence: std::str::from_utf8(number).ok()?.parse().ok()?,
        previous: unhex(previous)?,
        told: unhex(told)?,
        body,
    })
}

/// How a line at this place of the chain must begin.
#[must_use]
pub fn beginning(sequence: u64, previous: &Hash) -> String {
    format!("{{\"seq\":{sequence},\"prev\":\"{}\",\"mono\":", hex(previous))
}

/// 32 bytes of lower-case hexadecimal.
#[must_use]
pub fn unhex(text: &[u8]) -> Option<Hash> {
    let mut bytes = ROOT;
    fill(text, &mut bytes)?;
    Some(bytes)
}

/// Fills `bytes` from lower-case hexadecimal of exactly that length.
pub(super) fn fill(text: &[u8], bytes: &mut [u8]) -> Option<()> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = text.as_chunks::<2>();
    if !rest.is_empty() || pairs.len() != bytes.len() {
        return None;
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry {
        Entry {
            kind: "trip",
            stamp: Stamp { mono: 12, wall: Some(34) },
            fields: Fields::default().text("what", "a \"name\"\n").value("distance", 5),
            urgent: true,
        }
    }

    #[test]
    fn a_line_is_json_and_is_taken_apart_as_it_was_written() {
        let (text, hash) = line(7, &[0xab; 32], &entry());
        assert!(text.ends_with("\"}\n") && text.matches('\n').count() == 1, "{text}");
        let framed = parse(text.trim_end().as_bytes()).unwrap();
        assert_eq!((framed.sequence, framed.previous, framed.told), (7, [0xab; 32], hash));
        assert_eq!(framed.computed(), hash);
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["what"], "a \"name\"\n");
        assert_eq!(framed.content().unwrap()["distance"], 5);
        assert!(text.starts_with(&beginning(7, &[0xab; 32])), "{text}");
    }

    #[test]
    fn a_signature_covers_what_stands_before_it_and_the_hash_covers_both() {
        let sign = |bytes: &[u8]| hex(blake3::hash(bytes).as_bytes());
        let (text, hash) = signed_line(0, &ROOT, &entry(), sign);
        let framed = parse(text.trim_end().as_bytes()).unwrap();
        let (signed, signature) = framed.signed().unwrap();
        assert_eq!(signature, sign(signed));
        assert_eq!(framed.computed(), hash);
        assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
    }

    #[test]
    fn what_is_not_a_record_is_none_and_never_a_crash() {
        let (text, _) = line(7, &[0xab; 32], &entry());
        let bytes = text.trim_end().as_bytes();
        for length in 0..bytes.len() {
            assert!(parse(&bytes[..length]).is_none(), "cut at {length}");
        }
        assert!(parse(text.as_bytes()).is_none(), "with its line break");
        assert!(parse(text.replace("\"hash\":\"", "\"hash\":\"A").as_bytes()).is_none());
        assert_eq!(unhex(&[b'g'; 64]), None);
        assert_eq!(unhex(&[b'A'; 64]), None, "one way to write a hash, and no other");
    }
}
