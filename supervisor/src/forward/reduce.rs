//! From every cycle to what the policy exports: a record of each value in so long, with smallest, largest, mean and last value and, if
//! asked for, its edges; and events as they come. A record gets its sequence here, and names the raw range that it stands for.

use config::forward::{AxisValue, Export, Reduce, Value};
use rt_core::record::{AxisRecord, Body, CycleRecord, Record};
use rt_core::signal::{Quality, Sample};
use serde::Serialize;

use crate::events::describe;
use crate::labels::Labels;

/// Edges that a record can carry; further ones are counted.
pub const EDGES_MAX: usize = 16;

/// What a record of the loop brings, as far as it is exported.
#[derive(Clone, Copy, Debug)]
pub struct Raw {
    /// Its sequence in this run.
    pub sequence: u64,
    /// What it says.
    pub record: Record,
}

/// A reduced record, without its sequence.
#[derive(Clone, Debug, PartialEq)]
pub struct Reduced {
    /// Place of its export.
    pub export: usize,
    /// What is sent, as far as it does not depend on the lane.
    pub body: Reading,
}

/// What a record says.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reading {
    /// Its entry in the policy.
    pub export: String,
    /// Name of the value, or kind of the event.
    pub name: String,
    /// Raw records from, to.
    pub raw: [u64; 2],
    /// Raw records in this time that were lost before they came here.
    pub raw_lost: u64,
    /// Cycles from, to.
    pub cycles: [u64; 2],
    /// CLOCK_MONOTONIC from, to, ns.
    pub mono_ns: [u64; 2],
    /// What happened, or how it was.
    #[serde(flatten)]
    pub content: Content,
}

/// A value over a time, or an event.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Content {
    /// A value over a time.
    Value(ValueOverTime),
    /// An event.
    Event {
        /// What it is about.
        subject: String,
        /// `info`, `warning`, `error`.
        severity: &'static str,
        /// One sentence.
        text: String,
    },
}

/// A value over a time.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ValueOverTime {
    /// Of all its samples the worst: `good`, `stale`, `missing`.
    pub quality: &'static str,
    /// When the last sample was taken, CLOCK_MONOTONIC, ns; 0: never.
    pub sampled_ns: u64,
    /// Unit; empty: a bare number.
    pub unit: String,
    /// Samples that came in this time.
    pub samples: u64,
    /// The last value.
    pub last: Option<f64>,
    /// Smallest; `null` unless asked for.
    pub min: Option<f64>,
    /// Largest.
    pub max: Option<f64>,
    /// Mean over time.
    pub mean: Option<f64>,
    /// Changes: CLOCK_MONOTONIC, ns, and the value from then on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub edges: Vec<(u64, f64)>,
    /// Changes beyond those.
    #[serde(skip_serializing_if = "is_zero")]
    pub edges_more: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// One value of one export.
#[derive(Clone, Debug)]
struct Watched {
    name: String,
    unit: String,
    value: Value,
    now: Option<f64>,
    quality: Quality,
    sampled: u64,
    /// Since when `now` holds, in this window.
    since: u64,
    window: Window,
}

/// What came together since the last record.
#[derive(Clone, Debug, Default)]
struct Window {
    samples: u64,
    worst: Option<Quality>,
    min: f64,
    max: f64,
    /// Integral of the value, and for how long there was one, ns.
    area: f64,
    held: u64,
    edges: Vec<(u64, f64)>,
    edges_more: u64,
}

/// One export, and where its window is.
#[derive(Clone, Debug)]
struct Reducing {
    export: Export,
    values: Vec<Watched>,
    /// First raw record, cycle and time of the window; `None`: it has not begun.
    began: Option<(u64, u64, u64)>,
    lost: u64,
}

/// Reduces the records of a run.
#[derive(Clone, Debug)]
pub struct Reducer {
    labels: Labels,
    exports: Vec<Reducing>,
    last: Option<(u64, u64, u64)>,
    event_lost: u64,
}

impl Reducer {
    /// As the policy says.
    #[must_use]
    pub fn new(exports: &[Export], labels: Labels) -> Self {
        let exports = exports.iter().map(|export| {
            let values = export.values.iter().map(|exported| Watched {
                name: exported.name.clone(),
                unit: exported.unit.clone(),
                value: exported.value,
                now: None,
                quality: Quality::Missing,
                sampled: 0,
                since: 0,
                window: Window::default(),
            });
            let values = values.collect();
            Reducing { export: export.clone(), values, began: None, lost: 0 }
        });
        Self { labels, exports: exports.collect(), last: None, event_lost: 0 }
    }

    /// So many raw records were lost before they came here.
    pub fn lost(&mut self, count: u64) {
        for reducing in &mut self.exports {
            reducing.lost = reducing.lost.saturating_add(count);
        }
        self.event_lost = self.event_lost.saturating_add(count);
    }

    /// Takes a record of the loop.
    pub fn take(&mut self, raw: &Raw, out: &mut Vec<Reduced>) {
        let Raw { sequence, record } = raw;
        let here = (*sequence, record.cycle, record.now);
        self.last = Some(here);
        for (place, reducing) in self.exports.iter_mut().enumerate() {
            let began = *reducing.began.get_or_insert(here);
            match &record.body {
                Body::Event(event) => {
                    let said = describe(event, &self.labels);
                    if reducing.export.events.contains(&said.kind) {
                        let content = Content::Event {
                            subject: said.subject,
                            severity: severity(said.severity),
                            text: said.text,
                        };
                        let reading = reading(
                            &reducing.export,
                            said.kind,
                            (here, here),
                            self.event_lost,
                            content,
                        );
                        self.event_lost = 0;
                        out.push(Reduced { export: place, body: reading });
                    }
                }
                Body::Signal { signal, sample } => reducing.sample(record.now, |value| {
                    (value == Value::Signal(*signal)).then(|| of_signal(sample))
                }),
                Body::Axis(axis) => {
                    reducing.sample(record.now, |value| of_axis(value, axis, record.now));
                }
                Body::Cycle(cycle) => {
                    reducing.sample(record.now, |value| of_cycle(value, cycle, record.now));
                    if record.now.saturating_sub(began.2) >= reducing.export.interval_ns {
                        reducing.close(place, here, out);
                    }
                }
                Body::Stamp { .. }
                | Body::Command(_)
                | Body::Picture(_)
                | Body::Result(_)
                | Body::Separation(_) => {}
            }
        }
    }

    /// The run is over: what came together since the last records.
    pub fn finish(&mut self, out: &mut Vec<Reduced>) {
        let Some(here) = self.last else { return };
        for (place, reducing) in self.exports.iter_mut().enumerate() {
            if reducing.began.is_some_and(|began| began.1 < here.1) {
                reducing.close(place, here, out);
            }
        }
    }
}

type Sampled = (Option<f64>, Quality, u64);

impl Reducing {
    fn sample(&mut self, now: u64, of: impl Fn(Value) -> Option<Sampled>) {
        let edges = self.export.edges;
        for watched in &mut self.values {
            if let Some((value, quality, at)) = of(watched.value) {
                watched.take(now, (value, quality, at), edges);
            }
        }
    }

    /// A record of each value, and the next window begins.
    fn close(&mut self, place: usize, here: (u64, u64, u64), out: &mut Vec<Reduced>) {
        let began = self.began.unwrap_or(here);
        for watched in &mut self.values {
            let value = watched.close(here.2, self.export.reduce);
            let content = Content::Value(value);
            let body = reading(&self.export, &watched.name, (began, here), self.lost, content);
            out.push(Reduced { export: place, body });
        }
        self.lost = 0;
        // The next begins with what comes next.
        self.began = None;
    }
}

impl Watched {
    fn hold(&mut self, now: u64) {
        if let Some(value) = self.now {
            let held = now.saturating_sub(self.since);
            self.window.area += value * float(held);
            self.window.held = self.window.held.saturating_add(held);
        }
        self.since = now;
    }

    fn take(&mut self, now: u64, (value, quality, at): Sampled, edges: bool) {
        self.hold(now);
        let changed = value != self.now;
        let window = &mut self.window;
        if let Some(value) = value {
            let carried = self.now.unwrap_or(value);
            if window.worst.is_none() {
                (window.min, window.max) = (carried.min(value), carried.max(value));
            }
            (window.min, window.max) = (window.min.min(value), window.max.max(value));
            if edges && changed {
                if window.edges.len() < EDGES_MAX {
                    window.edges.push((at, value));
                } else {
                    window.edges_more += 1;
                }
            }
            self.now = Some(value);
        }
        window.samples += 1;
        window.worst = Some(worse(window.worst.unwrap_or(quality), quality));
        (self.quality, self.sampled) = (quality, at);
    }

    fn close(&mut self, now: u64, reduce: Reduce) -> ValueOverTime {
        self.hold(now);
        let window = std::mem::take(&mut self.window);
        let statistics = reduce == Reduce::Statistics;
        // Without a sample of its own, a window has the value that it began with.
        let (min, max) = match window.worst {
            Some(_) if self.now.is_some() => (Some(window.min), Some(window.max)),
            _ => (self.now, self.now),
        };
        let mean = match window.held {
            0 => self.now,
            held => Some(window.area / float(held)),
        };
        ValueOverTime {
            quality: quality(window.worst.unwrap_or(self.quality)),
            sampled_ns: self.sampled,
            unit: self.unit.clone(),
            samples: window.samples,
            last: self.now,
            min: min.filter(|_| statistics),
            max: max.filter(|_| statistics),
            mean: mean.filter(|_| statistics),
            edges: window.edges,
            edges_more: window.edges_more,
        }
    }
}

fn reading(
    export: &Export,
    name: &str,
    (from, to): ((u64, u64, u64), (u64, u64, u64)),
    raw_lost: u64,
    content: Content,
) -> Reading {
    Reading {
        export: export.name.clone(),
        name: name.to_owned(),
        raw: [from.0, to.0],
        raw_lost,
        cycles: [from.1, to.1],
        mono_ns: [from.2, to.2],
        content,
    }
}

fn of_signal(sample: &Sample) -> Sampled {
    let value = (sample.quality != Quality::Missing).then(|| signed(sample.value));
    (value, sample.quality, sample.at)
}

fn of_axis(value: Value, axis: &AxisRecord, now: u64) -> Option<Sampled> {
    let Value::Axis(id, which) = value else { return None };
    if id != axis.axis {
        return None;
    }
    let view = &axis.view;
    let value = match which {
        AxisValue::Position => view.position,
        AxisValue::Velocity => view.velocity,
        AxisValue::Commanded => view.commanded,
        AxisValue::FollowingError => view.following_error,
        AxisValue::Torque => f64::from(view.torque_permille),
    };
    let quality = if view.inputs_good { Quality::Good } else { Quality::Stale };
    Some((Some(value).filter(|value| value.is_finite()), quality, now))
}

fn of_cycle(value: Value, cycle: &CycleRecord, now: u64) -> Option<Sampled> {
    let number = match value {
        Value::Latency => cycle.latency_ns,
        Value::Execution => cycle.execution_ns,
        Value::Signal(_) | Value::Axis(..) => return None,
    };
    Some((Some(f64::from(number)), Quality::Good, now))
}

fn worse(one: Quality, other: Quality) -> Quality {
    match (one, other) {
        (Quality::Missing, _) | (_, Quality::Missing) => Quality::Missing,
        (Quality::Stale, _) | (_, Quality::Stale) => Quality::Stale,
        (Quality::Good, Quality::Good) => Quality::Good,
    }
}

fn quality(quality: Quality) -> &'static str {
    match quality {
        Quality::Missing => "missing",
        Quality::Good => "good",
        Quality::Stale => "stale",
    }
}

fn severity(severity: crate::events::Severity) -> &'static str {
    match severity {
        crate::events::Severity::Info => "info",
        crate::events::Severity::Warning => "warning",
        crate::events::Severity::Error => "error",
    }
}

#[expect(clippy::cast_precision_loss, reason = "durations of a window, to 2⁻⁵³")]
fn float(ns: u64) -> f64 {
    ns as f64
}

#[expect(
    clippy::cast_precision_loss,
    reason = "plant systems take floating point; beyond 2⁵³ it is rounded"
)]
fn signed(value: i64) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests;
