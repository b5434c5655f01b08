//! What of the loop's events belongs in the audit log, and how it reads there.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use rt_core::record::{Event, MachineState};
use twin_lite::Nano;

use super::line::{Entry, Fields, Stamp};
use crate::events::{self, describe};
use crate::labels::Labels;
use crate::stats::Statistics;

/// Events that are the course of things, and many: they are in the recording. Everything else is in the log.
const NOT_AUDITED: [&str; 7] = ["axis", "step", "vision", "inspection", "part", "track", "overrun"];
/// A contact that chatters must not fill the disk: so many records of these kinds in so long, ns; the rest is counted, and the count
/// is a record.
const CHATTER: [&str; 5] = ["demand", "clear", "speed_limit", "emergency", "reset_refused"];
const CHATTER_MAX: u32 = 500;
const CHATTER_NS: u64 = 10_000_000_000;
/// Of these every one is on the disk at once, and signed within a second.
const URGENT: [&str; 5] = ["trip", "start", "reset", "gate_violation", "drive_fault"];

/// Writes what happened in words.
pub struct Scribe {
    labels: Labels,
    virtual_time: bool,
    /// Since when chatter is counted, ns; and how much there was.
    window: (u64, u32),
    held_back: BTreeMap<&'static str, u64>,
}

impl Scribe {
    /// With these names.
    #[must_use]
    pub fn new(labels: Labels, virtual_time: bool) -> Self {
        Self { labels, virtual_time, window: (0, 0), held_back: BTreeMap::new() }
    }

    /// The stamp of something that happened at `mono`.
    #[must_use]
    pub fn stamp(&self, mono: u64) -> Stamp {
        if self.virtual_time {
            return Stamp { mono, wall: None };
        }
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let ago = u128::from(rt_linux::clock::now().saturating_sub(mono));
        Stamp { mono, wall: u64::try_from(wall.saturating_sub(ago)).ok() }
    }

    /// A record of the supervisor's own.
    #[must_use]
    pub fn entry(&self, kind: &'static str, mono: u64, fields: Fields) -> Entry {
        Entry { kind, stamp: self.stamp(mono), fields, urgent: true }
    }

    /// An event of the loop; `None`: it is not audited, or chatter.
    pub fn event(&mut self, cycle: u64, mono: u64, event: &Event) -> Option<Entry> {
        let said = describe(event, &self.labels);
        if NOT_AUDITED.contains(&said.kind) || self.is_chatter(said.kind, mono) {
            return None;
        }
        let fields = Fields::default().value("cycle", cycle).text("subject", &said.subject);
        let fields = self.evidence(fields, event).text("text", &said.text);
        let urgent = URGENT.contains(&said.kind);
        Some(Entry { kind: said.kind, stamp: self.stamp(mono), fields, urgent })
    }

    fn is_chatter(&mut self, kind: &'static str, now: u64) -> bool {
        if !CHATTER.contains(&kind) {
            return false;
        }
        let (since, count) = &mut self.window;
        if now.saturating_sub(*since) >= CHATTER_NS {
            (*since, *count) = (now, 0);
        }
        *count = count.saturating_add(1);
        let held = *count > CHATTER_MAX;
        if held {
            *self.held_back.entry(kind).or_default() += 1;
        }
        held
    }

    /// What was held back since, once there is room again.
    pub fn held_back(&mut self, now: u64, at_the_end: bool) -> Option<Entry> {
        let over = now.saturating_sub(self.window.0) >= CHATTER_NS || at_the_end;
        if self.held_back.is_empty() || !over {
            return None;
        }
        let mut counts = serde_json::Map::new();
        for (kind, count) in std::mem::take(&mut self.held_back) {
            counts.insert(kind.to_owned(), count.into());
        }
        let fields = Fields::default().value("since_mono", self.window.0).value("counts", counts);
        Some(self.entry("held_back", now, fields))
    }

    /// Numbers as numbers: what an auditor compares.
    fn evidence(&self, fields: Fields, event: &Event) -> Fields {
        let labels = &self.labels;
        let units = decimal;
        match *event {
            Event::Trip { cause, group, reaction, way, input_at, predicted } => fields
                .text("interlock", &labels.cause(cause))
                .text("cause", labels.cause_kind(cause))
                .text("way", events::stop_way(way))
                .text("group", labels.group(group))
                .text("reaction", &events::reaction(reaction, labels.group_unit(group)))
                .value("input_at", input_at)
                .value("predicted", units(predicted))
                .text("unit", labels.group_unit(group)),
            Event::Stopped { cause, group, tripped_at_cycle, distance, predicted, .. } => fields
                .text("interlock", &labels.cause(cause))
                .text("group", labels.group(group))
                .value("tripped_at_cycle", tripped_at_cycle)
                .value("distance", units(distance))
                .value("predicted", units(predicted))
                .text("unit", labels.group_unit(group)),
            Event::SpeedLimit { group, limit } => fields
                .text("group", labels.group(group))
                .value("limit", (limit != Nano::MAX).then(|| decimal(limit)))
                .text("unit", labels.group_unit(group)),
            Event::GateViolation { axis, asked, allowed, .. } => fields
                .value("asked", units(asked))
                .value("allowed", units(allowed))
                .text("unit", labels.axis_unit(axis)),
            Event::Referenced { axis, offset, kept } => fields
                .value("offset", units(offset))
                .value("kept", kept)
                .text("unit", labels.axis_unit(axis)),
            Event::DriveFault { code, .. } => fields.value("code", code),
            Event::Machine { from, to } => {
                fields.text("from", events::machine(from)).text("to", events::machine(to))
            }
            _ => fields,
        }
    }

    /// The end of a run.
    #[must_use]
    pub fn shutdown(&self, statistics: &Statistics) -> Entry {
        let fields = Fields::default()
            .value("cycles", statistics.cycles)
            .value("controlled", statistics.shutdown_done)
            .text("machine", events::machine(statistics.machine))
            .maybe(
                "unresolved",
                statistics.stop_unresolved.map(|cause| self.labels.cause(cause)).as_deref(),
            )
            .value("trips", statistics.trips_total)
            .value("gate_violations", statistics.gate_violations)
            .value("program_faults", statistics.program_faults)
            .value("ran", statistics.machine == MachineState::Run);
        self.entry("shutdown", statistics.now, fields)
    }
}

/// A length as people write it, exactly.
fn decimal(value: Nano) -> serde_json::Value {
    let size = value.0.unsigned_abs();
    let sign = if value.0 < 0 { "-" } else { "" };
    let text = format!("{sign}{}.{:09}", size / 1_000_000_000, size % 1_000_000_000);
    text.parse::<f64>().map_or(serde_json::Value::Null, serde_json::Value::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels::example;
    use rt_core::machine::SafeCause;
    use rt_core::plan::{GroupId, InterlockId, Reaction, StopWay};
    use rt_core::program::AxisState;

    const INTERLOCK: InterlockId = InterlockId(0);

    #[test]
    fn a_trip_is_urgent_and_carries_its_evidence_as_numbers() {
        let mut scribe = Scribe::new(example(), true);
        let trip = Event::Trip {
            cause: SafeCause::Interlock(INTERLOCK),
            group: GroupId(0),
            reaction: Reaction::Stop1,
            way: StopWay::Ramp,
            input_at: 5,
            predicted: Nano(12_340_000_000),
        };
        let entry = scribe.event(9, 77, &trip).unwrap();
        assert!(entry.urgent && entry.kind == "trip");
        assert_eq!(entry.stamp, Stamp { mono: 77, wall: None }, "virtual time has no wall time");
        let (text, _) = super::super::line::line(0, &[0; 32], &entry);
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&json["predicted"], &json["input_at"]), (&12.34.into(), &5.into()));
        assert_eq!(
            (&json["interlock"], &json["group"]),
            (&"emergency_stop".into(), &"gantry".into())
        );
    }

    #[test]
    fn the_course_of_things_is_not_audited() {
        let mut scribe = Scribe::new(example(), true);
        let axis = rt_core::plan::AxisId(0);
        let moves = Event::Axis { axis, from: AxisState::Standstill, to: AxisState::Homing };
        assert_eq!(scribe.event(0, 0, &moves), None);
        assert_eq!(scribe.event(0, 0, &Event::Step { strand: 0, step: 0 }), None);
        assert!(scribe.event(0, 0, &Event::Reset).is_some());
        assert!(scribe.event(0, 0, &Event::Start).is_some());
    }

    #[test]
    fn chatter_is_bounded_and_counted_and_a_trip_never_is() {
        let mut scribe = Scribe::new(example(), true);
        let now = CHATTER_NS;
        let kept = (0..800)
            .filter(|_| scribe.event(0, now, &Event::Demand { interlock: INTERLOCK }).is_some())
            .count();
        assert_eq!(kept, 500);
        assert!(scribe.event(0, now, &Event::Start).is_some());
        assert_eq!(scribe.held_back(now + 1, false), None, "not before the window is over");
        let told = scribe.held_back(now + CHATTER_NS, false).unwrap();
        let (text, _) = super::super::line::line(0, &[0; 32], &told);
        assert!(text.contains("\"counts\":{\"demand\":300}"), "{text}");
        assert_eq!(scribe.held_back(now + 2 * CHATTER_NS, true), None, "told once");
        let again = scribe.event(0, now + CHATTER_NS, &Event::Demand { interlock: INTERLOCK });
        assert!(again.is_some());
    }
}
