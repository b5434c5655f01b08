//! What arrived from cameras and what became of it, in numbers.

use std::collections::BTreeMap;

use serde::Serialize;

use super::reason::Reason;

/// Camera datagrams of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct VisionReport {
    /// That arrived.
    pub received: u64,
    /// That do not count, as far as it is seen at receipt.
    pub refused: u64,
    /// Those refused, by reason; all streams, and what belongs to none.
    pub refused_by: BTreeMap<&'static str, u64>,
    /// That are in the recording.
    pub stored: u64,
    /// Inspection results that the loop found no place for; every other one reached it.
    pub inspections_dropped: u64,
    /// By stream.
    pub streams: Vec<StreamReport>,
}

/// Datagrams of one stream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct StreamReport {
    /// What the machine file calls it.
    pub name: String,
    /// `unix`, `udp with a key` or `udp, INSECURE`.
    pub socket: &'static str,
    /// That arrived with its id.
    pub received: u64,
    /// Of those, that do not count.
    pub refused: u64,
    /// Those refused, by reason.
    pub refused_by: BTreeMap<&'static str, u64>,
    /// Inspection results handed to the loop.
    pub inspections: u64,
    /// From capture to receipt, the latest datagram, ns.
    pub delay_ns: Option<u64>,
    /// The longest of these, ns.
    pub delay_max_ns: Option<u64>,
    /// From capture until the loop took it, the longest, ns.
    pub taken_max_ns: Option<u64>,
    /// From the capture of the newest picture that counts to the end of the run, ns.
    pub age_ns: Option<u64>,
    /// How far the camera's own clock may be from where it is taken to be, ns.
    pub clock_uncertainty_ns: Option<u64>,
    /// Capture time of the newest that counts, ns.
    #[serde(skip)]
    pub captured_at: u64,
}

impl VisionReport {
    /// One more that does not count; `stream`: whose it is, if that is known.
    pub(super) fn refuse(&mut self, stream: Option<usize>, reason: Reason) {
        self.refused += 1;
        *self.refused_by.entry(reason.word()).or_default() += 1;
        if let Some(stream) = stream.and_then(|at| self.streams.get_mut(at)) {
            stream.refused += 1;
            *stream.refused_by.entry(reason.word()).or_default() += 1;
        }
    }

    /// As of `now`, ns.
    pub fn look(&mut self, now: u64) {
        for stream in &mut self.streams {
            let at = stream.captured_at;
            stream.age_ns = (at != 0).then(|| now.saturating_sub(at));
        }
    }
}

impl StreamReport {
    pub(super) fn delayed(&mut self, delay_ns: u64) {
        self.delay_ns = Some(delay_ns);
        self.delay_max_ns = self.delay_max_ns.max(Some(delay_ns));
    }

    /// One line for people.
    #[must_use]
    pub fn line(&self) -> String {
        let ms = |ns: Option<u64>| {
            ns.map_or_else(
                || "?".to_owned(),
                |ns| format!("{}.{}", ns / 1_000_000, ns / 100_000 % 10),
            )
        };
        let reasons: Vec<String> =
            self.refused_by.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
        let reasons =
            if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join(", ")) };
        format!(
            "{} [{}]: received {}, refused {}{reasons}; age {} ms; delay {} ms, at most {}, \
             in the loop {}",
            self.name,
            self.socket,
            self.received,
            self.refused,
            ms(self.age_ns),
            ms(self.delay_ns),
            ms(self.delay_max_ns),
            ms(self.taken_max_ns),
        )
    }
}
