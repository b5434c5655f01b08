//! What a check says: a verdict, what was found, and what gives it.

use serde::Serialize;

use super::system::{Evidence, Unread, Why};

/// The verdict of a check. Ordered: the worst is the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// There is nothing to judge here.
    NotApplicable,
    /// Right.
    Pass,
    /// It costs something, or may.
    Warn,
    /// It could not be found out: never a pass.
    Unknown,
    /// Real time does not hold like this.
    Fail,
}

impl Verdict {
    /// All of them, in the order of a summary.
    pub const ALL: [Self; 5] =
        [Self::Pass, Self::Warn, Self::Fail, Self::Unknown, Self::NotApplicable];

    /// For people.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::NotApplicable => "not applicable",
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Unknown => "unknown",
            Self::Fail => "fail",
        }
    }
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fix {
    /// A kernel setting (sysctl).
    Sysctl(&'static str, &'static str),
    /// A value written to a file of /proc or /sys.
    Write(String, String),
    /// The same, where the file is gone when the machine starts anew or its interrupt is requested again.
    WriteNow(String, String),
    /// A parameter on the kernel's command line.
    Boot(String),
    /// Settings of an interface: name, option, its arguments.
    Ethtool(String, &'static str, &'static str),
    /// Threads of this name, or whose name begins like this if it ends in `-`, get this SCHED_FIFO priority.
    Threads(String, u8),
    /// A shell command that may be repeated.
    Run(String),
    /// What only a person can do.
    ByHand(String),
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) verdict: Verdict,
    pub(super) found: String,
    pub(super) fixes: Vec<Fix>,
}

/// An answer, or why there is none.
pub(super) type Answered = Result<Answer, Unread>;

impl Answer {
    fn new(verdict: Verdict, found: impl Into<String>) -> Self {
        Self { verdict, found: found.into(), fixes: Vec::new() }
    }

    pub(super) fn pass(found: impl Into<String>) -> Self {
        Self::new(Verdict::Pass, found)
    }

    pub(super) fn warn(found: impl Into<String>) -> Self {
        Self::new(Verdict::Warn, found)
    }

    pub(super) fn fail(found: impl Into<String>) -> Self {
        Self::new(Verdict::Fail, found)
    }

    pub(super) fn unknown(found: impl Into<String>) -> Self {
        Self::new(Verdict::Unknown, found)
    }

    pub(super) fn not_applicable(found: impl Into<String>) -> Self {
        Self::new(Verdict::NotApplicable, found)
    }

    /// The worst of several, with what all of them leave to do.
    pub(super) fn worst(mut answers: Vec<Self>) -> Option<Self> {
        let mut fixes: Vec<Fix> = Vec::new();
        for fix in answers.iter().flat_map(|answer| &answer.fixes) {
            if !fixes.contains(fix) {
                fixes.push(fix.clone());
            }
        }
        answers.sort_by_key(|answer| answer.verdict);
        answers.pop().map(|answer| Self { fixes, ..answer })
    }

    /// Also to be done.
    pub(super) fn fix(mut self, fix: Fix) -> Self {
        self.fixes.push(fix);
        self
    }

    /// What a check that ended early says.
    pub(super) fn unread(unread: &Unread) -> Self {
        let answer = Self::unknown(unread.to_string());
        match (&unread.why, unread.path.as_str()) {
            (Why::Denied, _) => answer.fix(Fix::ByHand("run tactus doctor as root".to_owned())),
            (Why::Absent, path) if path.starts_with("/sys/kernel/debug/") => {
                answer.fix(Fix::ByHand(
                    "mount -t debugfs debugfs /sys/kernel/debug, and run tactus doctor as root"
                        .to_owned(),
                ))
            }
            (Why::Absent, path) if path.starts_with("/sys/kernel/tracing") => {
                answer.fix(Fix::ByHand(
                    "mount -t tracefs tracefs /sys/kernel/tracing, and run tactus doctor as root"
                        .to_owned(),
                ))
            }
            (Why::NotNamed(_), _) => answer
                .fix(Fix::ByHand("tactus doctor FILE, or tactus doctor --iface IFACE".to_owned())),
            (Why::Absent | Why::Garbled { .. } | Why::Refused(_), path) => {
                answer.fix(Fix::ByHand(format!("see what hides or damages {path}: a container?")))
            }
        }
    }
}

/// A check's answer with all that belongs to it.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// Stable name of the check, `theme.what`.
    pub id: &'static str,
    /// What is judged, in a few words.
    pub title: &'static str,
    /// The verdict.
    pub verdict: Verdict,
    /// What was found.
    pub found: String,
    /// What was looked at.
    pub evidence: Vec<Evidence>,
    /// Why it matters.
    pub why: &'static str,
    /// What gives it, one step each; empty if there is nothing to do.
    pub fix: Vec<String>,
    #[serde(skip)]
    pub(super) fixes: Vec<Fix>,
}
