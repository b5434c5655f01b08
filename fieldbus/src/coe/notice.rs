//! What the loop tells unasked: a device that lost its supply, and what became of it.

use core::fmt;

use super::{Failure, Object, abort_hint, object_name};
use crate::al::{state_name, status_code_hint, status_code_text};
use crate::bringup::{identity_hint, identity_text};
use crate::plan::Identity;

/// Why a device that was restarted is not brought back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It does not answer any more.
    Gone,
    /// No cycle leaves time for it.
    NoSlack,
    /// Its SII cannot be read: status of 0x0502.
    Sii {
        /// That status.
        status: u16,
    },
    /// Another device is in its place.
    Identity {
        /// What was there.
        expected: Identity,
        /// What is there.
        found: Identity,
    },
    /// It does not go to a state.
    State {
        /// AL state requested.
        requested: u16,
        /// AL status.
        status: u16,
        /// AL status code.
        code: u16,
    },
    /// An object cannot be written or read.
    Sdo {
        /// Which.
        object: Object,
        /// Why.
        failure: Failure,
        /// It was to be written.
        writing: bool,
    },
    /// An object has another value than was written, or must be there.
    Value {
        /// Which.
        object: Object,
        /// What it should be.
        expected: i64,
        /// What it is; `None`: of another size.
        found: Option<i64>,
    },
    /// Its clock does not get in step.
    Clock {
        /// By so much it is off, ns.
        difference_ns: u32,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Gone => out.write_str("it does not answer any more: check its cable and supply"),
            Self::NoSlack => write!(out, "{}", Failure::NoSlack),
            Self::Sii { status } => write!(
                out,
                "its SII cannot be read (0x0502 is 0x{status:04X}): restart it; if it stays, replace it"
            ),
            Self::Identity { expected, found } => write!(
                out,
                "{} was there, but {} answers now: {}; start anew for another device",
                identity_text(&expected),
                identity_text(&found),
                identity_hint(&expected, &found)
            ),
            Self::State { requested, status, code } => {
                write!(
                    out,
                    "it does not go to {}: it is in {}, AL status code 0x{code:04X} ({})",
                    state_name(requested),
                    state_name(status),
                    status_code_text(code)
                )?;
                hint(out, status_code_hint(code))
            }
            Self::Sdo { object, failure, writing } => {
                let what = if writing { "writing" } else { "reading" };
                let name = object_name(object.index);
                write!(out, "{what} {object} ({name}) failed: {failure}")?;
                match failure {
                    Failure::Abort(code) => hint(out, abort_hint(code)),
                    _ => Ok(()),
                }
            }
            Self::Value { object, expected, found: Some(found) } => write!(
                out,
                "{object} ({}) should be {expected} but is {found}: it came back with other settings",
                object_name(object.index)
            ),
            Self::Value { object, found: None, .. } => {
                write!(out, "{object} ({}) has another size", object_name(object.index))
            }
            Self::Clock { difference_ns } => write!(
                out,
                "its clock does not get in step: it is {difference_ns} ns off; check the reference clock and lock_window"
            ),
        }
    }
}

fn hint(out: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    if text.is_empty() { Ok(()) } else { write!(out, "; {text}") }
}

/// Something about a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// It is there again without its settings: it is being set up anew.
    Restarted,
    /// It is set up and in SafeOp, after so many ns.
    Restored {
        /// ns of the link's clock.
        took_ns: u64,
    },
    /// It is not brought back; it is tried again, and said again only when the reason is another.
    Refused(Refusal),
}

/// Who it is about, and what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Position of the device.
    pub device: u16,
    /// What.
    pub news: News,
}

impl fmt::Display for News {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Restarted => out.write_str(
                "was restarted and has lost its settings: they are written anew; its axis needs homing unless its encoder is absolute",
            ),
            Self::Restored { took_ns } => {
                write!(out, "is set up again, {} ms after it was found", took_ns / 1_000_000)
            }
            Self::Refused(refusal) => write!(out, "is not brought back: {refusal}"),
        }
    }
}
