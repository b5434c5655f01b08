//! What is in a dump, in a few lines or as JSON.

use std::fmt::Write as _;

use rt_core::flight::{CycleStamps, Durations, MarkKind, OVERRUN, Phase, REQUESTED, SKIPPED};
use serde::Serialize;

use super::file::{Dump, Head};
use super::words;
use crate::report::{PhaseReport, duration};

/// Events of a summary.
const EVENTS_SHOWN: usize = 12;

/// A dump, summed up.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Summary {
    /// The file.
    pub(super) file: String,
    /// Whose, why; without the lists of names.
    pub(super) head: Head,
    /// First cycle.
    pub(super) first_cycle: Option<u64>,
    /// Last cycle.
    pub(super) last_cycle: Option<u64>,
    /// Cycles.
    pub(super) cycles: u64,
    /// Cycles between the first and the last that are not there.
    pub(super) gaps: u64,
    /// Overruns.
    pub(super) overruns: u64,
    /// Periods skipped.
    pub(super) periods_skipped: u64,
    /// Trips.
    pub(super) trips: u64,
    /// The distributions of its cycles.
    pub(super) phases: Vec<PhaseReport>,
    /// What happened, in order: `[cycle, words]`.
    pub(super) events: Vec<(u64, String)>,
    /// What could not be read.
    pub(super) damage: Vec<String>,
}

impl Summary {
    pub(super) fn of(file: &str, dump: &Dump) -> Self {
        let count = |flag| dump.cycles.iter().filter(|it| it.is(flag)).count();
        let first_cycle = dump.cycles.first().map(|stamps| stamps.cycle);
        let last_cycle = dump.cycles.last().map(|stamps| stamps.cycle);
        let span = first_cycle.zip(last_cycle).map_or(0, |(first, last)| last - first + 1);
        let cycles = number(dump.cycles.len());
        let trips = dump.marks.iter().filter(|mark| mark.kind == MarkKind::Trip).count();
        let late = dump.cycles.iter().filter(|it| it.is(OVERRUN | SKIPPED));
        let late =
            late.map(|it| (it.cycle, format!("late: {}", words::late(it, dump.head.period_ns))));
        let marks = dump.marks.iter().map(|mark| (mark.cycle, words::mark(mark, &dump.head)));
        let asked = dump.cycles.iter().filter(|it| it.is(REQUESTED));
        let asked = asked.map(|it| (it.cycle, words::REQUEST.to_owned()));
        let mut events: Vec<_> = late.chain(marks).chain(asked).collect();
        events.sort_by_key(|(cycle, _)| *cycle);
        Self {
            file: file.to_owned(),
            head: Head {
                interlocks: Vec::new(),
                groups: Vec::new(),
                axes: Vec::new(),
                steps: Vec::new(),
                ..dump.head.clone()
            },
            first_cycle,
            last_cycle,
            cycles,
            gaps: span.saturating_sub(cycles),
            overruns: number(count(OVERRUN)),
            periods_skipped: dump.cycles.iter().map(|it| u64::from(it.skipped)).sum(),
            trips: number(trips),
            phases: phases(&dump.cycles),
            events,
            damage: dump.damage.clone(),
        }
    }

    pub(super) fn text(&self) -> String {
        let mut out = String::new();
        // Writing to a String does not fail.
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let head = &self.head;
        writeln!(out, "{}", self.file)?;
        let seed = head.seed.map(|seed| format!(", seed {seed}")).unwrap_or_default();
        writeln!(
            out,
            "  {}, link {}, {} time{seed}, cycle {}",
            head.machine,
            head.link,
            head.time,
            duration(head.period_ns)
        )?;
        let cause = if head.cause.is_empty() { String::new() } else { format!(": {}", head.cause) };
        writeln!(out, "  frozen by {} in cycle {}{cause}", head.trigger, head.cycle)?;
        let span = self.first_cycle.zip(self.last_cycle);
        if let Some((first, last)) = span {
            writeln!(
                out,
                "  cycles {first} to {last} ({}), overruns {}, periods skipped {}, trips {}",
                duration(head.period_ns.saturating_mul(last - first + 1)),
                self.overruns,
                self.periods_skipped,
                self.trips
            )?;
        }
        if head.lost > 0 || self.gaps > 0 {
            writeln!(
                out,
                "  LOST: {} cycles at the beginning (nobody took the dump in time), {} within",
                head.lost, self.gaps
            )?;
        }
        crate::report::phase_table(&self.phases, out)?;
        for (cycle, event) in self.events.iter().take(EVENTS_SHOWN) {
            writeln!(out, "  {cycle:>9}  {event}")?;
        }
        if let Some(more) = self.events.len().checked_sub(EVENTS_SHOWN).filter(|more| *more > 0) {
            writeln!(out, "  {:>9}  {more} more", "…")?;
        }
        for damage in &self.damage {
            writeln!(out, "  DAMAGED: {damage}")?;
        }
        Ok(())
    }
}

fn phases(cycles: &[CycleStamps]) -> Vec<PhaseReport> {
    let distribution = |of: &dyn Fn(&CycleStamps) -> u32| {
        let durations = Durations::default();
        cycles.iter().for_each(|stamps| durations.record(of(stamps)));
        durations.quantiles()
    };
    let took = |phase: Phase| {
        move |stamps: &CycleStamps| {
            stamps.phases().find(|(it, ..)| *it == phase).map_or(0, |(.., took)| took)
        }
    };
    let all = [
        ("latency", distribution(&|stamps| stamps.latency_ns)),
        ("total", distribution(&CycleStamps::execution_ns)),
    ];
    let each = Phase::ALL.map(|phase| (phase.name(), distribution(&took(phase))));
    all.into_iter().chain(each).map(PhaseReport::from).collect()
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
