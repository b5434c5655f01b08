//! A run against a recording: the same to the bit, or how far apart they are, signal by signal.

use std::collections::BTreeMap;

use config::Machine;
use rt_core::bus::BusState;
use rt_core::plan::MachinePlan;
use rt_core::signal::SignalId;
use serde::Serialize;

use super::figures::float;
use crate::exit::Error;
use crate::labels::Labels;
use crate::replay::Reading;

/// How far one signal of a run is from the recorded one, over the time that both have, counted from the first cycle in Op.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SignalDivergence {
    /// Its name.
    pub signal: String,
    /// Of the differences; empty: raw.
    pub unit: String,
    /// Share of the time in which the two differ, 0 to 1.
    pub share: f64,
    /// Mean |difference| over the time.
    pub mean: f64,
    /// Largest |difference|.
    pub most: f64,
    /// When they first differ, s; `null`: never.
    pub first_s: Option<f64>,
}

/// A run against a recording.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Divergence {
    /// `virtual`, `strict` or `degraded`: how the recording was made.
    pub realtime: String,
    /// Messages that were compared.
    pub messages: u64,
    /// Every message of every topic is the same, byte by byte, and has the same time.
    pub identical: bool,
    /// Topics that are not.
    pub topics_differing: Vec<String>,
    /// Time that both have, s.
    pub compared_s: f64,
    /// By signal, in the order of the machine; empty if `identical`.
    pub signals: Vec<SignalDivergence>,
}

/// What of a recording is compared.
struct Digest {
    topics: BTreeMap<String, (u64, blake3::Hasher)>,
}

fn digest(reading: &Reading) -> Result<Digest, Error> {
    let mut topics: BTreeMap<String, (u64, blake3::Hasher)> = BTreeMap::new();
    reading.messages(|topic, time, data| {
        let known = topics.get_mut(topic);
        let (count, hash) = match known {
            Some(entry) => entry,
            None => topics.entry(topic.to_owned()).or_default(),
        };
        *count += 1;
        hash.update(&time.to_le_bytes());
        hash.update(&u64::try_from(data.len()).unwrap_or(u64::MAX).to_le_bytes());
        hash.update(data);
    })?;
    Ok(Digest { topics })
}

/// Compares `again` with the recording `was`, which was made as `realtime` says.
///
/// # Errors
/// One of them is no recording.
pub fn compare(
    was: &Reading,
    again: &Reading,
    machine: &Machine,
    realtime: &str,
) -> Result<Divergence, Error> {
    let (before, after) = (digest(was)?, digest(again)?);
    let messages = before.topics.values().map(|(count, _)| count).sum();
    let same = |topic: &String| match (before.topics.get(topic), after.topics.get(topic)) {
        (Some((count, hash)), Some((again, other))) => {
            count == again && hash.finalize() == other.finalize()
        }
        _ => false,
    };
    let all: std::collections::BTreeSet<&String> =
        before.topics.keys().chain(after.topics.keys()).collect();
    let topics_differing: Vec<String> =
        all.into_iter().filter(|topic| !same(topic)).cloned().collect();
    let identical = topics_differing.is_empty();
    let (a, b) = (series(was, machine)?, series(again, machine)?);
    let end = a.end.min(b.end);
    let signals = if identical { Vec::new() } else { signals(&a, &b, machine, end) };
    Ok(Divergence {
        realtime: realtime.to_owned(),
        messages,
        identical,
        topics_differing,
        compared_s: float(end) / 1e9,
        signals,
    })
}

/// Every change of every signal, ns from the first cycle in Op.
struct Series {
    changes: Vec<Vec<(u64, i64)>>,
    end: u64,
}

fn series(reading: &Reading, machine: &Machine) -> Result<Series, Error> {
    let mut changes = vec![Vec::new(); usize::from(machine.plan.signal_count)];
    let mut began = None;
    let mut end = 0;
    reading.cycles(|given| {
        let inputs = &given.inputs;
        if began.is_none() && given.exchange().state == BusState::Operational {
            began = Some(inputs.now);
        }
        let at = began.map_or(0, |began| inputs.now.saturating_sub(began));
        end = at;
        for signal in &inputs.signals {
            let place = usize::try_from(signal.signal).unwrap_or(usize::MAX);
            let Some(list): Option<&mut Vec<(u64, i64)>> = changes.get_mut(place) else {
                continue;
            };
            match list.last_mut() {
                Some((_, value)) if *value == signal.value => {}
                // Before it began only the last value counts.
                Some(last) if last.0 == at => *last = (at, signal.value),
                _ => list.push((at, signal.value)),
            }
        }
    })?;
    Ok(Series { changes, end })
}

fn signals(a: &Series, b: &Series, machine: &Machine, end: u64) -> Vec<SignalDivergence> {
    let labels = Labels::of(machine);
    let pairs = a.changes.iter().zip(&b.changes).zip(0_u16..);
    pairs
        .filter(|((a, b), _)| !a.is_empty() || !b.is_empty())
        .map(|((a, b), id)| {
            let (scale, unit) = scale(&machine.plan, &labels, SignalId(id));
            let name = labels.signals.get(usize::from(id)).cloned().unwrap_or_default();
            apart(a, b, end, scale, (name, unit))
        })
        .collect()
}

/// From raw to the unit of people.
fn scale(plan: &MachinePlan, labels: &Labels, id: SignalId) -> (f64, String) {
    for (axis, label) in plan.axes.iter().zip(&labels.axes) {
        let of = &axis.signals;
        let counts = [Some(of.actual_position), Some(of.target_position), of.following_error];
        if counts.contains(&Some(id)) {
            let ratio = axis.counts_per_unit;
            let units = signed(ratio.denominator) / signed(ratio.numerator);
            return (units, label.unit.clone());
        }
        if of.actual_torque == Some(id) {
            return (0.1, "% of rated torque".into());
        }
    }
    (1.0, String::new())
}

#[expect(clippy::cast_precision_loss, reason = "differences for people")]
fn signed(value: i64) -> f64 {
    value as f64
}

fn apart(
    a: &[(u64, i64)],
    b: &[(u64, i64)],
    end: u64,
    scale: f64,
    (signal, unit): (String, String),
) -> SignalDivergence {
    let (mut i, mut j, mut now) = (0, 0, 0);
    let (mut differs, mut sum, mut most, mut first) = (0_u64, 0.0, 0.0_f64, None);
    let mut values = (0_i64, 0_i64);
    while now < end {
        while let Some((_, value)) = a.get(i).filter(|(at, _)| *at <= now) {
            values.0 = *value;
            i += 1;
        }
        while let Some((_, value)) = b.get(j).filter(|(at, _)| *at <= now) {
            values.1 = *value;
            j += 1;
        }
        let next = [a.get(i), b.get(j)].into_iter().flatten().map(|(at, _)| *at);
        let next = next.min().unwrap_or(end).min(end);
        let difference = signed(values.0.saturating_sub(values.1)).abs() * scale;
        if values.0 != values.1 {
            differs += next - now;
            sum += difference * float(next - now);
            most = most.max(difference);
            first.get_or_insert(now);
        }
        now = next;
    }
    let whole = float(end.max(1));
    SignalDivergence {
        signal,
        unit,
        share: float(differs) / whole,
        mean: sum / whole,
        most,
        first_s: first.map(|at| float(at) / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_difference_of_two_signals_is_weighed_by_time() {
        // 10 against 10, then 14 for a quarter, of 8 s.
        let a = [(0, 10), (4_000_000_000, 14), (6_000_000_000, 10)];
        let b = [(0, 10)];
        let found = apart(&a, &b, 8_000_000_000, 0.5, ("a".into(), "mm".into()));
        assert_eq!((found.share, found.mean, found.most), (0.25, 0.5, 2.0));
        assert_eq!(found.first_s, Some(4.0));
        let same = apart(&b, &b, 8_000_000_000, 0.5, ("a".into(), "mm".into()));
        assert_eq!((same.share, same.most, same.first_s), (0.0, 0.0, None));
    }

    #[test]
    fn what_only_one_of_them_says_differs_from_its_rest_value() {
        let found = apart(&[(0, 1)], &[], 1_000, 1.0, ("a".into(), String::new()));
        assert_eq!((found.share, found.most), (1.0, 1.0));
    }
}
