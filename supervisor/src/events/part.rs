//! What became of inspected parts, in words.

use rt_core::record::Event;
use twin_lite::track::{Fate, Reason, Trouble};

use super::{Described, Severity, described};
use crate::labels::Labels;

pub(super) fn describe(event: &Event, labels: &Labels) -> Described {
    use Severity::{Error, Info, Warning};
    match *event {
        Event::Part { inspection, part, fate, error_ns, error } => {
            let (name, unit) = labels.inspection(inspection);
            let timing = error_ns.map_or_else(String::new, |ns| {
                format!(", {:+.2} ms ({:+.2} {unit}) off", milliseconds(ns), error.units())
            });
            let (kind, severity, what) = match fate {
                Fate::Good => ("part", Info, "good".to_owned()),
                Fate::Rejected(Reason::Bad) => ("part", Info, "rejected: bad".to_owned()),
                Fate::Rejected(why) => ("part", Warning, format!("rejected: {}", reason(why))),
                Fate::Missed(why) => (
                    "part_missed",
                    Error,
                    format!("NOT REJECTED though {}: take it out by hand", reason(why)),
                ),
            };
            described(kind, severity, name, format!("{name}: part {part} {what}{timing}"))
        }
        Event::Track { inspection, part, trouble } => {
            let (name, _) = labels.inspection(inspection);
            let severity = if trouble == Trouble::MissedUnseen { Error } else { Warning };
            let text = format!("{name}: {}", trouble_words(trouble, part));
            described("track", severity, name, text)
        }
        _ => described("track", Info, "", String::new()),
    }
}

/// Why a part is rejected.
#[must_use]
pub(crate) fn reason(reason: Reason) -> &'static str {
    match reason {
        Reason::Bad => "bad",
        Reason::Unknown => "the camera does not know",
        Reason::Missing => "no result",
        Reason::Late => "its result came late",
        Reason::Close => "too near another part",
        Reason::Duplicate => "two results",
        Reason::Slip => "it slipped too far",
        Reason::Untriggered => "its camera was not triggered",
        Reason::Neighbour => "good, beside a part that was rejected",
    }
}

fn trouble_words(trouble: Trouble, part: u64) -> String {
    match trouble {
        Trouble::Late => format!("the result of part {part} came after it was decided"),
        Trouble::Duplicate => format!("a second result of part {part}"),
        Trouble::Stray => format!("a result for trigger {part}, which no part on the belt had"),
        Trouble::Mismatch => {
            format!("the result of part {part} is of a picture that was taken at another time")
        }
        Trouble::Refused => "a result does not count".to_owned(),
        Trouble::Full => format!("no room to follow part {part}: it is rejected unseen"),
        Trouble::Lost => format!(
            "sensor or encoder not heard: {part} parts are not followed any more, all on the belt is rejected"
        ),
        Trouble::MissedUnseen => {
            "something unseen passed while the ejector could not act: take it out by hand"
                .to_owned()
        }
        Trouble::Returned => format!("part {part} went back over the sensor"),
    }
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn milliseconds(ns: i64) -> f64 {
    ns as f64 / 1e6
}
