//! How `tactus` ends: exit codes, and errors that say what was expected, what was found, where, and what to do.

use std::fmt;

use crate::report::Report;

/// What the process tells its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitCode {
    /// Done.
    Done,
    /// The machine file, or the command line, is wrong.
    File,
    /// The environment: rights, interface, paths.
    Environment,
    /// The bus: not there, not as described, lost.
    Bus,
    /// Ended in a safety stop that nobody resolved.
    SafetyStop,
    /// `tactus doctor`: nothing fails, and something could not be found out. `tactus latency`, `tactus tune`: inconclusive.
    Unknown,
    /// `tactus audit verify`: the log was changed, cut or damaged.
    Tampered,
    /// `tactus replay`: an output or a state is not as it was recorded.
    Differs,
}

impl ExitCode {
    /// The number.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::File => 2,
            Self::Environment => 3,
            Self::Bus => 4,
            Self::SafetyStop => 5,
            Self::Unknown => 6,
            Self::Tampered => 7,
            Self::Differs => 8,
        }
    }
}

/// The table that every `--help` ends with.
pub const EXIT_CODES_HELP: &str = "Exit codes:
  0  done
  2  the machine file or the command line is wrong
  3  the environment: rights, network interface, files that cannot be written; a check of doctor or
     latency fails; tune finds no period that is sustained
  4  the bus: a device is missing, is another one, refuses Op, or the link was lost
  5  ended in a safety stop that nobody resolved
  6  doctor: nothing fails, but something could not be found out; latency, tune: inconclusive;
     replay: not all of it could be replayed
  7  audit verify: the log was changed, cut or damaged
  8  replay: an output or a state is not as it was recorded";

/// An error for people, with the exit code that belongs to it.
#[derive(Debug)]
pub struct Error {
    /// How the process ends because of it.
    pub code: ExitCode,
    /// What was expected, what was found, where, and what to do.
    pub message: String,
    /// What is known of the run that ended with it, if one had begun.
    pub report: Option<Box<Report>>,
}

impl Error {
    /// The machine file or command line is wrong.
    pub fn file(message: impl Into<String>) -> Self {
        Self { code: ExitCode::File, message: message.into(), report: None }
    }

    /// Rights, interface, paths.
    pub fn environment(message: impl Into<String>) -> Self {
        Self { code: ExitCode::Environment, message: message.into(), report: None }
    }

    /// The bus.
    pub fn bus(message: impl Into<String>) -> Self {
        Self { code: ExitCode::Bus, message: message.into(), report: None }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
