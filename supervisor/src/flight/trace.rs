//! Dumps as a trace in the Trace Event Format (JSON), which Perfetto (ui.perfetto.dev), chrome://tracing and others open. Written as
//! it goes: a trace is never held in memory.
//!
//! | track | what |
//! | --- | --- |
//! | `loop` | a slice for each cycle, in it one for each phase that took time; before it the wake-up latency |
//! | `events` | stops, demands, states, overruns: what and why; the trigger of the dump |
//! | counters | wake-up latency and execution time of each cycle, µs |
//!
//! Times are those of the loop's clock (CLOCK_MONOTONIC), µs with three decimals, so that other traces of the same machine fit. Each run
//! is a process of its own.

use std::io::{self, Write};

use rt_core::flight::{
    BUS_SHIFT, CycleStamps, DC_UNLOCKED, MACHINE_SHIFT, Mark, OVERRUN, REQUESTED, SKIPPED,
    UNITS_WRONG,
};
use serde_json::{Value, json};

use super::file::{Dump, Head};
use super::words;

/// Tracks of a run.
const LOOP: u64 = 1;
const EVENTS: u64 = 2;

/// Part of the time, ns of the loop's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first.
    pub from: u64,
    /// The last.
    pub to: u64,
}

impl Default for Span {
    fn default() -> Self {
        Self { from: 0, to: u64::MAX }
    }
}

impl Span {
    fn holds(self, at: u64) -> bool {
        (self.from..=self.to).contains(&at)
    }
}

/// How much is in a trace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// Cycles.
    pub cycles: u64,
    /// Trace events.
    pub events: u64,
}

/// Writes the trace of these dumps, oldest first. Cycles that are in two dumps of a run are written once.
///
/// # Errors
/// What `out` said.
pub fn export(dumps: &mut [Dump], span: Span, out: &mut impl Write) -> io::Result<Exported> {
    dumps.sort_by(|a, b| order(&a.head).cmp(&order(&b.head)));
    let mut trace = Trace { out, exported: Exported::default() };
    trace.out.write_all(b"{\"displayTimeUnit\":\"ns\",\"traceEvents\":[")?;
    let mut process = 0_u64;
    let mut last: Option<(&Head, u64)> = None;
    for dump in dumps.iter() {
        let same_run = last.filter(|(head, _)| run(head) == run(&dump.head));
        let after = same_run.map(|(_, cycle)| cycle);
        if after.is_none() {
            process += 1;
            trace.begin_run(process, &dump.head)?;
        }
        trace.dump(process, dump, after, span)?;
        let newest = dump.cycles.last().map(|stamps| stamps.cycle);
        let newest = newest.into_iter().chain(after).max();
        last = newest.map(|cycle| (&dump.head, cycle));
    }
    let sources: Vec<Value> = dumps.iter().map(|dump| other(&dump.head)).collect();
    write!(trace.out, "\n],\"otherData\":{}}}\n", json!({ "dumps": sources }))?;
    Ok(trace.exported)
}

/// What tells one run from another.
fn run(head: &Head) -> (&str, &str, u64, Option<u64>) {
    (&head.machine, &head.config_hash, head.began, head.seed)
}

fn order(head: &Head) -> (&str, &str, u64, Option<u64>, u64) {
    let (machine, hash, began, seed) = run(head);
    (machine, hash, began, seed, head.cycle)
}

fn other(head: &Head) -> Value {
    json!({
        "machine": head.machine, "version": head.version, "config_hash": head.config_hash,
        "time": head.time, "link": head.link, "seed": head.seed, "period_ns": head.period_ns,
        "trigger": head.trigger, "cycle": head.cycle, "cause": head.cause, "lost": head.lost,
    })
}

struct Trace<'a, W: Write> {
    out: &'a mut W,
    exported: Exported,
}

impl<W: Write> Trace<'_, W> {
    fn event(&mut self, event: &str) -> io::Result<()> {
        let comma: &[u8] = if self.exported.events == 0 { b"\n" } else { b",\n" };
        self.exported.events += 1;
        self.out.write_all(comma)?;
        self.out.write_all(event.as_bytes())
    }

    fn begin_run(&mut self, process: u64, head: &Head) -> io::Result<()> {
        let seed = head.seed.map(|seed| format!(", seed {seed}")).unwrap_or_default();
        let name = format!("tactus {} ({} time{seed})", head.machine, head.time);
        let names = [("process_name", 0, name.as_str())];
        let tracks = [("thread_name", LOOP, "loop"), ("thread_name", EVENTS, "events")];
        for (kind, track, name) in names.into_iter().chain(tracks) {
            let args = json!({ "name": name });
            self.event(&format!(
                r#"{{"ph":"M","pid":{process},"tid":{track},"name":"{kind}","args":{args}}}"#
            ))?;
        }
        Ok(())
    }

    fn dump(
        &mut self,
        process: u64,
        dump: &Dump,
        after: Option<u64>,
        span: Span,
    ) -> io::Result<()> {
        let is_new = |cycle: u64| after.is_none_or(|after| cycle > after);
        let mut marks = dump.marks.iter().filter(|mark| is_new(mark.cycle)).peekable();
        for stamps in dump.cycles.iter().filter(|stamps| is_new(stamps.cycle)) {
            // Marks of cycles that are no longer there have nothing to stand at.
            while marks.next_if(|mark| mark.cycle < stamps.cycle).is_some() {}
            if !span.holds(stamps.wake()) {
                continue;
            }
            self.cycle(process, stamps)?;
            while let Some(mark) = marks.next_if(|mark| mark.cycle == stamps.cycle) {
                self.mark(process, mark, &dump.head)?;
            }
            self.trouble(process, stamps, &dump.head)?;
        }
        Ok(())
    }

    fn cycle(&mut self, process: u64, stamps: &CycleStamps) -> io::Result<()> {
        self.exported.cycles += 1;
        let place = format!(r#""pid":{process},"tid":{LOOP}"#);
        let (due, wake) = (micros(stamps.due), micros(stamps.wake()));
        let (late, took) = (micros(stamps.latency_ns.into()), micros(stamps.execution_ns().into()));
        if stamps.latency_ns > 0 {
            self.event(&format!(
                r#"{{"ph":"X",{place},"ts":{due},"dur":{late},"name":"wake-up latency","cat":"wake"}}"#
            ))?;
        }
        let bits = |shift: u32| (stamps.flags >> shift) & 0b11;
        self.event(&format!(
            r#"{{"ph":"X",{place},"ts":{wake},"dur":{took},"name":"cycle","cat":"cycle","args":{{"cycle":{},"skipped":{},"machine":"{}","bus":"{}","units_wrong":{},"dc_unlocked":{}}}}}"#,
            stamps.cycle,
            stamps.skipped,
            words::machine(bits(MACHINE_SHIFT)),
            words::bus(bits(BUS_SHIFT)),
            stamps.is(UNITS_WRONG),
            stamps.is(DC_UNLOCKED)
        ))?;
        for (phase, began, took) in stamps.phases().filter(|(_, _, took)| *took > 0) {
            let (at, took) = (micros(stamps.wake() + u64::from(began)), micros(took.into()));
            let name = phase.name();
            self.event(&format!(
                r#"{{"ph":"X",{place},"ts":{at},"dur":{took},"name":"{name}","cat":"phase"}}"#
            ))?;
        }
        for (name, value) in [("wake-up latency", late), ("execution time", took)] {
            self.event(&format!(
                r#"{{"ph":"C","pid":{process},"ts":{wake},"name":"{name}","args":{{"µs":{value}}}}}"#
            ))?;
        }
        Ok(())
    }

    fn mark(&mut self, process: u64, mark: &Mark, head: &Head) -> io::Result<()> {
        let args = json!({ "cycle": mark.cycle, "value": mark.value });
        self.instant(process, mark.at, &words::mark(mark, head), &args)
    }

    /// What was wrong with the cycle itself, at its end; and the trigger.
    fn trouble(&mut self, process: u64, stamps: &CycleStamps, head: &Head) -> io::Result<()> {
        let end = stamps.wake() + u64::from(stamps.execution_ns());
        let args = json!({ "cycle": stamps.cycle, "cause": words::late(stamps, head.period_ns) });
        if stamps.is(OVERRUN) {
            self.instant(process, end, "overrun", &args)?;
        } else if stamps.is(SKIPPED) {
            self.instant(process, end, "periods skipped", &args)?;
        }
        if stamps.is(UNITS_WRONG) && (stamps.flags >> BUS_SHIFT) & 0b11 == 1 {
            self.instant(process, end, "working counter wrong", &json!({ "cycle": stamps.cycle }))?;
        }
        if stamps.is(REQUESTED) {
            self.instant(process, end, words::REQUEST, &json!({ "cycle": stamps.cycle }))?;
        }
        if stamps.cycle == head.cycle {
            let args = json!({ "trigger": head.trigger, "cause": head.cause, "lost": head.lost });
            self.instant(process, end, &format!("frozen: {}", head.trigger), &args)?;
        }
        Ok(())
    }

    fn instant(&mut self, process: u64, at: u64, name: &str, args: &Value) -> io::Result<()> {
        let (at, name) = (micros(at), json!(name));
        self.event(&format!(
            r#"{{"ph":"i","s":"p","pid":{process},"tid":{EVENTS},"ts":{at},"name":{name},"args":{args}}}"#
        ))
    }
}

/// ns as µs with three decimals: exact, as a float would not be after some days.
fn micros(ns: u64) -> String {
    format!("{}.{:03}", ns / 1000, ns % 1000)
}
