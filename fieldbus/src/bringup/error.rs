//! Why a segment cannot be brought up, for people: which position, what was expected, what answered, what to do.

use thiserror::Error;

use super::request::NoReply;
use super::runner::Stalled;
use crate::al::{state_name, status_code_hint, status_code_text};
use crate::coe::{Failure, abort_hint, object_name};
use crate::layout::LayoutError;
use crate::link::LinkFault;
use crate::plan::Identity;

/// Why a segment cannot be brought up.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum BringupError {
    /// The plan cannot be.
    #[error("the plan of the bus cannot be laid out: {0}")]
    Plan(#[from] LayoutError),
    /// No device answers.
    #[error(
        "no EtherCAT device answers (expected {expected}): check the cable to the first device, its power, and that this is the right interface"
    )]
    Silent {
        /// How many are planned.
        expected: usize,
    },
    /// Our frames come back untouched.
    #[error(
        "frames come back but no device has processed them: this interface is looped back or leads to another computer, not to an EtherCAT segment"
    )]
    LoopedBack,
    /// The link does not work.
    #[error("the link failed during {during}: {}", link_fault_text(.fault))]
    Link {
        /// What was done.
        during: &'static str,
        /// What the system said.
        fault: LinkFault,
    },
    /// Another device than planned.
    #[error(
        "position {position} ({name}): expected {}, but {} answers: {}",
        identity_text(.expected), identity_text(.found), identity_hint(.expected, .found)
    )]
    Identity {
        /// Where.
        position: usize,
        /// Its name in the machine file.
        name: String,
        /// What is planned.
        expected: Identity,
        /// What answered.
        found: Identity,
    },
    /// Fewer devices than planned.
    #[error(
        "position {position} ({name}): expected {}, but nothing answers; the segment has {found} devices, {expected_count} are planned: check cable and power from position {position} on",
        identity_text(.expected)
    )]
    Missing {
        /// First missing position.
        position: usize,
        /// Its name in the machine file.
        name: String,
        /// What is planned there.
        expected: Identity,
        /// Devices found.
        found: usize,
        /// Devices planned.
        expected_count: usize,
    },
    /// More devices than planned.
    #[error(
        "position {position}: nothing is planned there, but {} answers; the segment has {found_count} devices, {expected_count} are planned: add it to the machine file or take it off",
        identity_text(.found)
    )]
    Unplanned {
        /// First unplanned position.
        position: usize,
        /// What answered.
        found: Identity,
        /// Devices found.
        found_count: usize,
        /// Devices planned.
        expected_count: usize,
    },
    /// Somebody asked for a device that is not there.
    #[error("there is no device at position {position}: the segment has {count}, counted from 0")]
    NoSuchDevice {
        /// Where.
        position: usize,
        /// Devices there are.
        count: usize,
    },
    /// ethercrab could not bring the segment to PreOp.
    #[error("{what} failed{}: {cause}{}", at_text(*.at), evidence_text(.evidence))]
    Scan {
        /// What was done.
        what: &'static str,
        /// Position of the device that was asked last.
        at: Option<usize>,
        /// What went wrong.
        cause: String,
        /// First device with an error: position, AL status, AL status code.
        evidence: Option<(usize, u16, u16)>,
    },
    /// An SDO could not be read or written.
    #[error(
        "position {position} ({name}): {what} 0x{index:04X}:{subindex} ({}) failed: {failure}{}",
        object_name(*.index), sdo_hint(.failure)
    )]
    Sdo {
        /// Where.
        position: usize,
        /// Its name in the machine file.
        name: String,
        /// Reading or writing.
        what: &'static str,
        /// Object.
        index: u16,
        /// Subindex.
        subindex: u8,
        /// What the device or the mailbox said.
        failure: Failure,
    },
    /// An SDO has another size than the machine file says.
    #[error(
        "position {position} ({name}): 0x{index:04X}:{subindex} ({}) should have {expected} bytes but has {found}: correct its type in the machine file",
        object_name(*.index)
    )]
    SdoSize {
        /// Where.
        position: usize,
        /// Its name in the machine file.
        name: String,
        /// Object.
        index: u16,
        /// Subindex.
        subindex: u8,
        /// Bytes planned.
        expected: usize,
        /// Bytes there.
        found: usize,
    },
    /// An SDO holds something else than it should.
    #[error(
        "position {position} ({name}): 0x{index:04X}:{subindex} ({}) should be {expected} but is {found}{}",
        object_name(*.index), if *.verify_only { ": set it in the drive, or correct the machine file" } else { " after it was written: the device does not take this value; choose one that its manual allows" }
    )]
    SdoValue {
        /// Where.
        position: usize,
        /// Its name in the machine file.
        name: String,
        /// Object.
        index: u16,
        /// Subindex.
        subindex: u8,
        /// What is planned.
        expected: i64,
        /// What is there.
        found: i64,
        /// It was only compared.
        verify_only: bool,
    },
    /// Process data have another length than planned.
    #[error(
        "position {position} ({name}): {expected} bytes of {direction} are planned, the device has {found}: compare its PDO assignment with the machine file"
    )]
    Length {
        /// Where.
        position: usize,
        /// Its name in the machine file.
        name: String,
        /// inputs or outputs.
        direction: &'static str,
        /// Bytes planned.
        expected: u16,
        /// Bytes found.
        found: u16,
    },
    /// A register could not be read or written, or did not keep what was written.
    #[error("position {position} ({name}): register {register:#06X} ({what}) {problem}")]
    Register {
        /// Where.
        position: usize,
        /// Its name in the machine file.
        name: String,
        /// Which.
        register: u16,
        /// What it is for.
        what: &'static str,
        /// What is wrong.
        problem: &'static str,
    },
    /// The SyncManager watchdog is not what the machine file says.
    #[error(
        "position {position} ({name}): the watchdog of the outputs should be {expected_ns} ns, the device has {found_ns} ns (divider 0x0400, time 0x0420, SyncManager control bit 6): {problem}"
    )]
    Watchdog {
        /// Where.
        position: usize,
        /// Its name in the machine file.
        name: String,
        /// What is planned, ns.
        expected_ns: u64,
        /// What is there, ns; 0 = off.
        found_ns: u64,
        /// What is wrong.
        problem: &'static str,
    },
    /// A device does not go where it should.
    #[error(
        "position {position} ({name}) does not go to {}: it is in {}{}, AL status code 0x{code:04X} ({}){}",
        state_name(*.requested), state_name(*.status), if .status & 0x10 != 0 { " with an error" } else { "" },
        status_code_text(*.code), state_hint(*.status, *.code)
    )]
    State {
        /// Where.
        position: usize,
        /// Its name in the machine file.
        name: String,
        /// AL state requested.
        requested: u16,
        /// AL status found; 0: it does not answer.
        status: u16,
        /// AL status code.
        code: u16,
    },
    /// Distributed clocks are planned, but no device has one.
    #[error("distributed clocks are planned, but no device on the segment supports them")]
    NoClock,
    /// It took too long.
    #[error("{what} took longer than {limit_ms} ms")]
    TimedOut {
        /// What.
        what: &'static str,
        /// How long it may take.
        limit_ms: u64,
    },
}

impl BringupError {
    pub(crate) fn no_reply(during: &'static str, reason: NoReply) -> Self {
        match reason {
            NoReply::Silent => Self::TimedOut { what: during, limit_ms: 300 },
            NoReply::LoopedBack => Self::LoopedBack,
            NoReply::Link(fault) => Self::Link { during, fault },
        }
    }

    pub(crate) fn stalled(during: &'static str, reason: Stalled, limit_ns: u64) -> Self {
        match reason {
            Stalled::Link(fault) => Self::Link { during, fault },
            Stalled::TimedOut => Self::TimedOut { what: during, limit_ms: limit_ns / 1_000_000 },
        }
    }
}

fn link_fault_text(fault: &LinkFault) -> String {
    match fault {
        LinkFault::Down => "it is down, or the other end is gone".to_owned(),
        LinkFault::Full => "its queue is full".to_owned(),
        LinkFault::Refused => {
            "it takes no frames: there is no carrier (plug the cable in, see that the first device has power)".to_owned()
        }
        LinkFault::Os(errno) => std::io::Error::from_raw_os_error(*errno).to_string(),
    }
}

pub(crate) fn identity_hint(expected: &Identity, found: &Identity) -> &'static str {
    if (expected.vendor, expected.product) != (found.vendor, found.product) {
        "check the order of the devices against the machine file"
    } else if expected.serial != found.serial && expected.serial.is_some() {
        "was it exchanged? then home its axis anew and take its serial number into the machine file; else check the order of the devices"
    } else {
        "its firmware is older or newer: check that it behaves as planned and take its revision into the machine file"
    }
}

/// What usually is the reason, and what to do.
fn sdo_hint(failure: &Failure) -> String {
    let Failure::Abort(code) = *failure else { return String::new() };
    match abort_hint(code) {
        "" => String::new(),
        hint => format!("; {hint}"),
    }
}

fn state_hint(status: u16, code: u16) -> String {
    let hint = if status == 0 {
        "check its cable and supply, and those of the devices before it"
    } else if code == 0 {
        "it gives no reason: it may be busy; look at its display, and try again"
    } else {
        status_code_hint(code)
    };
    if hint.is_empty() { String::new() } else { format!("; {hint}") }
}

pub(crate) fn identity_text(identity: &Identity) -> String {
    let mut text = format!("vendor {:#010X} product {:#010X}", identity.vendor, identity.product);
    if let Some(revision) = identity.revision {
        text += &format!(" revision {revision:#010X}");
    }
    if let Some(serial) = identity.serial {
        text += &format!(" serial {serial}");
    }
    text
}

fn at_text(at: Option<usize>) -> String {
    at.map_or_else(String::new, |position| format!(" at position {position}"))
}

fn evidence_text(evidence: &Option<(usize, u16, u16)>) -> String {
    evidence.map_or_else(String::new, |(position, status, code)| {
        format!(
            "; position {position} is in {} with AL status code 0x{code:04X} ({}){}",
            state_name(status),
            status_code_text(code),
            state_hint(status, code)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_device_is_told_with_place_expectation_finding_and_remedy() {
        let identity = |product, revision| Identity { vendor: 2, product, revision, serial: None };
        let error = BringupError::Identity {
            position: 3,
            name: "gripper".to_owned(),
            expected: identity(0x03F0_3052, None),
            found: identity(0x07D8_3052, Some(0x0011_0000)),
        };
        assert_eq!(
            error.to_string(),
            "position 3 (gripper): expected vendor 0x00000002 product 0x03F03052, but vendor 0x00000002 product \
             0x07D83052 revision 0x00110000 answers: check the order of the devices against the machine file"
        );
    }

    #[test]
    fn a_refused_state_says_why_in_words() {
        let error = BringupError::State {
            position: 2,
            name: "x".to_owned(),
            requested: 4,
            status: 0x12,
            code: 0x1E,
        };
        assert_eq!(
            error.to_string(),
            "position 2 (x) does not go to SafeOp: it is in PreOp with an error, AL status code 0x001E (invalid \
             input configuration); the inputs are longer, shorter or others than the device expects: compare its PDO \
             assignment (0x1C13) with the machine file"
        );
    }
}
