//! Records of the queue as data: each record is a metric (or an instance of a template) with its sequence, in the order of its lane.

use serde::Deserialize;

use super::catalogue::{BAD, Catalogue, GOOD, Now, OTHER, Place, STALE, quality};
use super::payload::{DataType, Metric, Payload, Property, PropertySet, Value, long};

/// What is older than this when it is sent is not of now, ms.
pub(super) const LIVE_MS: u64 = 5_000;

/// A record, as the queue holds it.
#[derive(Debug, Deserialize)]
struct Record {
    wall_ns: u64,
    name: String,
    mono_ns: [u64; 2],
    #[serde(default)]
    quality: Option<String>,
    #[serde(default)]
    sampled_ns: u64,
    last: Option<f64>,
    min: Option<f64>,
    max: Option<f64>,
    mean: Option<f64>,
    #[serde(default)]
    edges: Vec<(u64, f64)>,
    text: Option<String>,
    subject: Option<String>,
    severity: Option<String>,
}

/// When it is sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// ms since 1970.
    pub(super) wall_ms: u64,
    /// CLOCK_MONOTONIC, ns.
    pub(super) mono_ns: u64,
    /// The same, when the session was born.
    pub(super) born_ns: u64,
}

impl Moment {
    /// A record that was made before the session, long ago, or before the machine was started last.
    fn is_past(&self, made_ns: u64) -> bool {
        made_ns < self.born_ns
            || made_ns > self.mono_ns
            || self.mono_ns - made_ns > LIVE_MS * 1_000_000
    }
}

/// A message: who says it, and what.
#[derive(Debug, PartialEq)]
pub(super) struct Said {
    pub(super) speaker: usize,
    pub(super) payload: Payload,
    /// Records in it that are not of now.
    pub(super) historical: u64,
}

/// Lanes have names, sequences and a moment.
pub(super) struct Sending<'a> {
    pub(super) class: &'static str,
    /// The sequence before the first record; 0: what is before it is settled.
    pub(super) after: u64,
    pub(super) moment: Moment,
    pub(super) datatypes: bool,
    pub(super) catalogue: &'a mut Catalogue,
}

impl Sending<'_> {
    /// Records in their order; what follows each other from one speaker is one message. `seq` goes on with each message.
    pub(super) fn say(&mut self, records: &[(u64, String)], seq: &mut u8) -> Vec<Said> {
        let mut all: Vec<Said> = Vec::new();
        for (sequence, body) in records {
            let (speaker, metrics, past) = self.record(*sequence, body);
            self.after = *sequence;
            let historical = u64::from(past);
            match all.last_mut().filter(|said| said.speaker == speaker) {
                Some(said) => {
                    said.payload.metrics.extend(metrics);
                    said.historical += historical;
                }
                None => {
                    *seq = seq.wrapping_add(1);
                    let (timestamp, seq) = (Some(self.moment.wall_ms), Some(u64::from(*seq)));
                    let payload = Payload { timestamp, metrics, seq };
                    all.push(Said { speaker, payload, historical });
                }
            }
        }
        all
    }

    fn record(&mut self, sequence: u64, body: &str) -> (usize, Vec<Metric>, bool) {
        let parsed: Option<Record> = serde_json::from_str(body).ok();
        let known = parsed.as_ref().map_or(OTHER, |record| &record.name);
        let (place, known) = self.catalogue.place(known);
        let place = place.clone();
        let Some(record) = parsed.filter(|_| known) else {
            // Whatever it is, it arrives.
            let now = Now {
                value: Some(Value::String(body.to_owned())),
                at_ms: self.moment.wall_ms,
                quality: GOOD,
            };
            let mut metric = self.leaf(place.last, now, false, true);
            self.number(&mut metric, sequence);
            return (place.speaker, vec![metric], true);
        };
        let past = self.moment.is_past(record.mono_ns[1]);
        let mut leaves = match record.text {
            Some(_) => vec![self.event(&place, &record, past)],
            None => self.values(&place, &record, past),
        };
        if let Some(last) = leaves.last_mut() {
            self.number(last, sequence);
        }
        let metrics = match place.instance {
            None => leaves,
            Some(instance) => vec![self.instance(instance, leaves, past)],
        };
        (place.speaker, metrics, past)
    }

    fn instance(&self, instance: usize, members: Vec<Metric>, past: bool) -> Metric {
        let instance = &self.catalogue.instances[instance];
        Metric {
            alias: Some(instance.alias),
            timestamp: members.last().and_then(|member| member.timestamp),
            datatype: self.datatypes.then_some(DataType::Template.number()),
            is_historical: past.then_some(true),
            value: Some(instance.of(members)),
            ..Metric::default()
        }
    }

    fn event(&mut self, place: &Place, record: &Record, past: bool) -> Metric {
        let text = record.text.as_deref().unwrap_or_default();
        let now = Now {
            value: Some(Value::String(text.to_owned())),
            at_ms: record.wall_ns / 1_000_000,
            quality: GOOD,
        };
        let mut metric = self.leaf(place.last, now, past, true);
        let properties = metric.properties.get_or_insert_with(PropertySet::default);
        for (key, value) in [("Subject", &record.subject), ("Severity", &record.severity)] {
            properties.add(key, Property::String(value.clone().unwrap_or_default()));
        }
        metric
    }

    /// Smallest, largest and mean; edges; and the last value at the end.
    fn values(&mut self, place: &Place, record: &Record, past: bool) -> Vec<Metric> {
        let quality = match record.quality.as_deref() {
            Some("good") => GOOD,
            Some("stale") => STALE,
            _ => BAD,
        };
        // The wall clock when the record was made, and how long before something was.
        let at = |mono_ns: u64| {
            let before = record.mono_ns[1].saturating_sub(mono_ns);
            record.wall_ns.saturating_sub(before) / 1_000_000
        };
        let mut metrics = Vec::new();
        if let Some(statistics) = place.statistics {
            let values = [record.min, record.max, record.mean];
            for (leaf, value) in statistics.into_iter().zip(values) {
                let value = value.map(|value| self.valued(leaf, value));
                let at_ms = at(record.mono_ns[1]);
                metrics.push(self.leaf(leaf, Now { value, at_ms, quality }, past, true));
            }
        }
        for (mono_ns, value) in &record.edges {
            let value = Some(self.valued(place.last, *value));
            // An edge is what was: the last value is what is.
            let now = Now { value, at_ms: at(*mono_ns), quality };
            metrics.push(self.leaf(place.last, now, true, false));
        }
        let value = record.last.map(|value| self.valued(place.last, value));
        let sampled = if record.sampled_ns == 0 { record.mono_ns[1] } else { record.sampled_ns };
        metrics.push(self.leaf(place.last, Now { value, at_ms: at(sampled), quality }, past, true));
        metrics
    }

    fn valued(&self, leaf: usize, value: f64) -> Value {
        match self.catalogue.leaves[leaf].datatype {
            DataType::Int64 => long(integer(value)),
            _ => Value::Double(value),
        }
    }

    fn leaf(&mut self, leaf: usize, now: Now, past: bool, keep: bool) -> Metric {
        let leaf = &mut self.catalogue.leaves[leaf];
        let metric = Metric {
            name: leaf.alias.is_none().then(|| leaf.name.clone()),
            alias: leaf.alias,
            timestamp: Some(now.at_ms),
            datatype: (self.datatypes || leaf.alias.is_none()).then_some(leaf.datatype.number()),
            is_historical: past.then_some(true),
            is_null: now.value.is_none().then_some(true),
            properties: Some(quality(now.quality)),
            value: now.value.clone(),
        };
        if keep && now.at_ms >= leaf.now.at_ms {
            leaf.now = now;
        }
        metric
    }

    fn number(&self, metric: &mut Metric, sequence: u64) {
        let properties = metric.properties.get_or_insert_with(PropertySet::default);
        properties.add("Class", Property::String(self.class.to_owned()));
        properties.add("Sequence", Property::Long(sequence));
        // A host that has everything up to here has everything up to the sequence now, whatever numbers are between.
        properties.add("After", Property::Long(self.after));
    }
}

/// Signals are integers; on their way they were written as floating point.
#[expect(
    clippy::cast_possible_truncation,
    reason = "saturates; beyond 2⁵³ it was rounded when the record was made"
)]
fn integer(value: f64) -> i64 {
    value as i64
}
