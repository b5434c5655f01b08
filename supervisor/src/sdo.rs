//! `tactus sdo`: one object of one device, read or written, while no machine runs on the segment.

use config::Machine;
use fieldbus::bringup::{Transfer, Transferred, transfer};
use fieldbus::coe::{Failure, Object, abort_hint, object_name};
use fieldbus::link::{InlineLink, Link as _, raw};
use fieldbus::{BringupError, FoundDevice, time};

use crate::cell::{Cell, HORIZON_NS};
use crate::cli::{Link, SdoType};
use crate::exit::Error;
use crate::run::hex;

/// Largest object, bytes.
const ROOM: usize = 1 << 20;
/// How long the line is listened to before anything is sent, ns: whoever cycles there is heard within that.
const LISTEN_NS: u64 = 150_000_000;
/// Where virtual time begins, ns.
const START_NS: u64 = 1_000_000_000;
/// Largest text that is shown as such.
const TEXT_MAX: usize = 4_096;

/// What is asked.
#[derive(Clone, Debug)]
pub struct Request {
    /// Name or position of the device.
    pub device: String,
    /// What of it.
    pub object: Object,
    /// How the bytes are meant.
    pub kind: Option<SdoType>,
    /// What is written; `None`: it is read.
    pub value: Option<String>,
    /// Where the devices are.
    pub link: Link,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Name of the device.
    pub device: String,
    /// Its position.
    pub position: usize,
    /// Which object.
    pub object: Object,
    /// The bytes that were read or written.
    pub data: Vec<u8>,
    /// The same, as they are meant.
    pub value: String,
    /// It was written.
    pub written: bool,
}

impl Outcome {
    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        let verb = if self.written { "written:" } else { "=" };
        let plural = if self.data.len() == 1 { "" } else { "s" };
        format!(
            "{} (position {}) {} ({}) {verb} {}  [{} byte{plural}: {}]\n",
            self.device,
            self.position,
            self.object,
            object_name(self.object.index),
            self.value,
            self.data.len(),
            hex(&self.data)
        )
    }

    /// For programs.
    #[must_use]
    pub fn json(&self) -> String {
        let json = serde_json::json!({
            "device": self.device,
            "position": self.position,
            "index": self.object.index,
            "subindex": self.object.subindex,
            "complete": self.object.complete,
            "bytes": hex(&self.data),
            "value": self.value,
            "written": self.written,
        });
        format!("{json:#}\n")
    }
}

/// `0x6064`, `0x6064:0`, `24676:0`.
///
/// # Errors
/// What was expected instead.
pub fn object(text: &str) -> Result<(u16, u8), String> {
    let wrong =
        || "expected an index and perhaps a subindex, such as 0x6064 or 0x1018:4".to_owned();
    let (index, subindex) = text.split_once(':').unwrap_or((text, "0"));
    let index = number(index).and_then(|index| u16::try_from(index).ok()).ok_or_else(wrong)?;
    let subindex = number(subindex).and_then(|at| u8::try_from(at).ok()).ok_or_else(wrong)?;
    Ok((index, subindex))
}

fn number(text: &str) -> Option<i128> {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let value = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(digits) => i128::from(u64::from_str_radix(digits, 16).ok()?),
        None => i128::from(digits.parse::<u64>().ok()?),
    };
    Some(if negative { -value } else { value })
}

fn bytes_of(text: &str, kind: SdoType) -> Result<Vec<u8>, Error> {
    let wrong = |expected: String| Error::file(format!("value {text:?}: expected {expected}"));
    let (bits, signed) = match kind {
        SdoType::Text => return Ok(text.as_bytes().to_vec()),
        SdoType::Hex => {
            let digits: Vec<char> = text.chars().filter(|c| !c.is_whitespace()).collect();
            let pairs = digits.chunks(2).map(|pair| {
                let pair: String = pair.iter().collect();
                (pair.len() == 2).then(|| u8::from_str_radix(&pair, 16).ok()).flatten()
            });
            let bytes: Option<Vec<u8>> = pairs.collect();
            return bytes.ok_or_else(|| wrong("pairs of hexadecimal digits".into()));
        }
        SdoType::U8 => (8, false),
        SdoType::U16 => (16, false),
        SdoType::U32 => (32, false),
        SdoType::U64 => (64, false),
        SdoType::I8 => (8, true),
        SdoType::I16 => (16, true),
        SdoType::I32 => (32, true),
        SdoType::I64 => (64, true),
    };
    let (least, most) = if signed {
        (-(1_i128 << (bits - 1)), (1_i128 << (bits - 1)) - 1)
    } else {
        (0, (1_i128 << bits) - 1)
    };
    let value = number(text).filter(|value| (least..=most).contains(value));
    let value = value.ok_or_else(|| wrong(format!("a number from {least} to {most}")))?;
    Ok(value.to_le_bytes().into_iter().take(bits / 8).collect())
}

/// Bytes as they are meant. Without a type: numbers unsigned, with the signed reading where it differs; text when it is printable.
fn value_of(data: &[u8], kind: Option<SdoType>) -> String {
    let printable = !data.is_empty()
        && data.len() <= TEXT_MAX
        && data.iter().all(|byte| (0x20..0x7F).contains(byte) || *byte == 0);
    let text = || String::from_utf8_lossy(data).trim_end_matches('\0').to_owned();
    let unsigned =
        data.iter().rev().take(8).fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
    let bits = data.len().min(8) * 8;
    let signed = match bits {
        0 => 0,
        bits => i64::from_le_bytes((unsigned << (64 - bits)).to_le_bytes()) >> (64 - bits),
    };
    let is_number = matches!(data.len(), 1 | 2 | 4 | 8);
    match kind {
        Some(SdoType::Text) => text(),
        Some(SdoType::Hex) => hex(data),
        Some(SdoType::I8 | SdoType::I16 | SdoType::I32 | SdoType::I64) => signed.to_string(),
        Some(SdoType::U8 | SdoType::U16 | SdoType::U32 | SdoType::U64) => unsigned.to_string(),
        None if is_number && signed < 0 => format!("{unsigned} (signed {signed})"),
        None if is_number => unsigned.to_string(),
        None if printable => format!("{:?}", text()),
        None => hex(data),
    }
}

fn position_of(machine: &Machine, device: &str) -> Result<usize, Error> {
    let devices = &machine.bus.subdevices;
    let named = devices.iter().position(|known| known.name == device);
    let counted = || device.parse().ok().filter(|position| *position < devices.len());
    named.or_else(counted).ok_or_else(|| {
        let names: Vec<_> = devices.iter().map(|device| device.name.as_str()).collect();
        Error::file(format!(
            "there is no device {device} in the machine file; expected a position below {} or one of: {}",
            devices.len(),
            names.join(", ")
        ))
    })
}

/// Reads or writes.
///
/// # Errors
/// The request is wrong (2), the interface cannot be used or another MainDevice cycles on it (3), the segment or the device does not do
/// it (4).
pub fn run(machine: &Machine, request: &Request) -> Result<Outcome, Error> {
    let position = position_of(machine, &request.device)?;
    let planned = machine.bus.subdevices.get(position);
    let asked = match (&request.value, request.kind) {
        (None, _) => Transfer::Read(request.object, ROOM),
        (Some(value), Some(kind)) => Transfer::Write(request.object, bytes_of(value, kind)?),
        (Some(_), None) => {
            return Err(Error::file(
                "what is written needs its type: --type u8, u16, u32, u64, i8, i16, i32, i64, text or hex",
            ));
        }
    };
    let done = match &request.link {
        Link::Virtual => {
            let cell = Cell::new(machine, 1, START_NS, HORIZON_NS, None)?;
            let done = transfer(InlineLink::new(cell, START_NS), (position, planned), &asked);
            time::set_monotonic();
            done
        }
        Link::Raw(interface) => {
            let mut link = raw(interface).map_err(|wrong| Error::environment(wrong.to_string()))?;
            let mut buffer = [0; 64];
            let until = link.now() + LISTEN_NS;
            if matches!(link.receive(&mut buffer, until), Ok(Some(_))) {
                return Err(Error::environment(format!(
                    "EtherCAT frames pass on {interface}: another MainDevice is running there, and this command would take its \
                     devices to PreOp; end it first"
                )));
            }
            transfer(link, (position, planned), &asked)
        }
    };
    finish(machine, request, done, asked)
}

type Done = Result<Transferred<FoundDevice>, BringupError>;

fn finish(
    machine: &Machine,
    request: &Request,
    done: Done,
    asked: Transfer,
) -> Result<Outcome, Error> {
    let (found, outcome) =
        done.map_err(|wrong| Error::bus(format!("{}: {wrong}", machine.name)))?;
    let position = found.position;
    let planned = machine.bus.subdevices.get(position);
    let device = planned.map_or(found.name, |planned| planned.name.clone());
    let read = outcome.map_err(|failure| {
        let hint = match failure {
            Failure::Abort(code) if !abort_hint(code).is_empty() => {
                format!("\n  {}", abort_hint(code))
            }
            _ => String::new(),
        };
        let (object, name) = (request.object, object_name(request.object.index));
        Error::bus(format!("{device} (position {position}) {object} ({name}): {failure}{hint}"))
    })?;
    let (data, written) = match asked {
        Transfer::Read(..) => (read, false),
        Transfer::Write(_, data) => (data, true),
    };
    let value = value_of(&data, request.kind);
    Ok(Outcome { device, position, object: request.object, data, value, written })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_an_index_and_perhaps_a_subindex() {
        assert_eq!(object("0x6064"), Ok((0x6064, 0)));
        assert_eq!(object("0x1018:4"), Ok((0x1018, 4)));
        assert_eq!(object("24676:0x0A"), Ok((24_676, 10)));
        for wrong in ["", "0x10000", "0x1018:256", "0x1018:", "x", "-1"] {
            assert!(object(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn values_have_the_bytes_of_their_type_or_are_refused() {
        assert_eq!(bytes_of("-2", SdoType::I16).unwrap(), [0xFE, 0xFF]);
        assert_eq!(bytes_of("0x12345678", SdoType::U32).unwrap(), [0x78, 0x56, 0x34, 0x12]);
        assert_eq!(bytes_of("18446744073709551615", SdoType::U64).unwrap(), [0xFF; 8]);
        assert_eq!(bytes_of("0a 0B", SdoType::Hex).unwrap(), [10, 11]);
        for (wrong, kind) in
            [("256", SdoType::U8), ("-1", SdoType::U8), ("128", SdoType::I8), ("abc", SdoType::Hex)]
        {
            assert!(bytes_of(wrong, kind).is_err(), "{wrong}");
        }
    }

    #[test]
    fn bytes_without_a_type_are_shown_as_what_they_look_like() {
        assert_eq!(value_of(&[0xFE, 0xFF], None), "65534 (signed -2)");
        assert_eq!(value_of(&[0xFE, 0xFF], Some(SdoType::I16)), "-2");
        assert_eq!(value_of(&[1, 0, 0, 0], None), "1");
        assert_eq!(value_of(b"SD-400", None), "\"SD-400\"");
        assert_eq!(value_of(&[1, 2, 3], None), "010203");
        assert_eq!(value_of(&[], None), "");
    }
}
