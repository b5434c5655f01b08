//! Whole shifts of two machines in virtual time, full frames and all: people walk and press, doors open, cameras fail, drives fault, run
//! on, are blocked and lose their power, frames are lost, clocks jump, the supervisor is silent, the loop is late, and an operator
//! starts it again and again, rightly or wrongly. In every cycle the world is held against what must never be (`judge`).
//!
//! Every shift is a seed. `TACTUS_SHIFTS_CYCLES=1e8` works so many cycles instead of the few of CI, `TACTUS_SHIFTS_FIRST=n` begins with
//! that seed, `TACTUS_SHIFTS_SEED=n` works that one alone, `TACTUS_SHIFTS_LOG=file` tells of each shift (docs/guide/shifts.md).

mod draw;
mod faults;
mod judge;
mod number;
mod people;
mod planted;
mod rig;
mod shadow;
mod tally;

use std::collections::VecDeque;
use std::io::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use draw::{End, Shift};
use judge::{Judge, Rule, Seen, Violation};
use planted::{Plant, Tamper};
use rig::Rig;
use shadow::Shadow;
use tally::Tally;

/// Cycles of one shift.
const SHIFT_CYCLES: u64 = 200_000;
/// Cycles of CI.
const CYCLES: u64 = 2_400_000;
/// The controlled end takes no longer, cycles.
const END_CYCLES: u64 = 12_000;
/// After the loop is gone the world is watched for so many more.
const AFTERWARDS: u64 = 1_600;

/// As many cycles are shown before a violation.
const TRACE_CYCLES: usize = 400;

/// How a shift went.
pub(crate) struct Outcome {
    pub(crate) tally: Tally,
    /// The first violation, and the cycle it was found in.
    pub(crate) found: Option<(u64, Violation)>,
}

/// One shift at work.
struct Work<'a> {
    shift: &'a Shift,
    rig: Rig,
    judge: Judge,
    tally: Tally,
    /// What happened last, where somebody asked for it.
    trace: Option<VecDeque<String>>,
}

impl Work<'_> {
    /// One cycle, judged; gives whether the loop goes on.
    fn one(&mut self, alive: bool, shutdown: bool) -> Result<bool, Violation> {
        let more = if alive {
            self.rig.run_one(self.shift, shutdown)
        } else {
            self.rig.idle_one(self.shift.machine.plan.period_ns);
            false
        };
        let now = self.rig.now();
        let events = core::mem::take(&mut self.rig.cycle.ports_mut().events);
        for event in &events {
            self.tally.event(self.shift.kind, &self.shift.machine, event);
        }
        let (sent, cell) = self.rig.cycle.bus_mut().view();
        let seen = Seen {
            now,
            alive,
            cell,
            sent,
            events: &events,
            axes: &[],
            run: false,
            shift: self.shift,
        };
        let found = self.judge.cycle(seen);
        if let Some(trace) = &mut self.trace {
            let line = self.judge.line(now, &events);
            trace.push_back(line);
            if trace.len() > TRACE_CYCLES {
                trace.pop_front();
            }
        }
        self.rig.cycle.ports_mut().events = events;
        if let Some(violation) = found {
            return Err(violation);
        }
        match self.rig.shadow.violation.take() {
            Some(what) => Err(Violation { rule: Rule::Twin, what }),
            None => Ok(more),
        }
    }

    /// What happened before a violation.
    fn show(&self) {
        let Some(trace) = &self.trace else { return };
        let now = self.rig.now();
        let recent = now.saturating_sub(8_000_000_000)..=now;
        for event in &self.shift.machine.virtual_cell.events {
            if recent.contains(&event.at_ns) {
                println!("{:>14} {:?}", event.at_ns, event.action);
            }
        }
        for (at, fault) in self.shift.injections.iter().filter(|(at, _)| recent.contains(at)) {
            println!("{at:>14} {fault:?}");
        }
        for (at, cycles, periods) in self.shift.lates.iter().filter(|it| recent.contains(&it.0)) {
            println!("{at:>14} {cycles} cycles late by {periods}");
        }
        trace.iter().for_each(|line| println!("{line}"));
    }

    fn whole(&mut self) -> Result<(), Violation> {
        for _ in 0..self.shift.cycles {
            self.one(true, false)?;
        }
        if self.shift.end == End::Shutdown {
            let mut left = END_CYCLES;
            while self.one(true, true)? {
                left -= 1;
                if left == 0 {
                    let what = "the loop does not end".to_owned();
                    return Err(Violation { rule: Rule::End, what });
                }
            }
        }
        for _ in 0..AFTERWARDS {
            self.one(false, false)?;
        }
        if self.shift.end == End::Shutdown && !self.judge.is_off() {
            let what = "an axis moves, or has torque, after the end".to_owned();
            return Err(Violation { rule: Rule::End, what });
        }
        Ok(())
    }
}

/// Works a shift, with or without something planted.
pub(crate) fn work(shift: &Shift, plant: Option<&Plant>) -> Outcome {
    let (machine, tamper) =
        plant.map_or_else(|| (shift.machine.clone(), Tamper::default()), |it| it.worked(shift));
    let mut rig = Rig::new(shift, &machine, tamper);
    if let Some(plan) = plant.and_then(|plant| plant.shadow(shift)) {
        rig.shadow = Shadow::of(&plan);
    }
    let judge = Judge::new(shift, rig.cell());
    let trace = number("TACTUS_SHIFTS_SEED").map(|_| VecDeque::new());
    let mut work = Work { shift, rig, judge, tally: Tally::default(), trace };
    let found = work.whole().err().map(|violation| (work.rig.number, violation));
    if found.is_some() {
        work.show();
    }
    let Work { rig, judge, mut tally, .. } = work;
    tally.over(shift, rig.number, &judge, rig.shadow.tightened);
    fieldbus::time::set_monotonic();
    Outcome { tally, found }
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    let value: f64 = text.parse().unwrap_or_else(|_| panic!("{name} is a number, not {text:?}"));
    Some(number::whole(value))
}

fn replay(seed: u64) -> String {
    format!(
        "again: TACTUS_SHIFTS_SEED={seed} cargo test --release -p tactus-tests --test shifts -- --nocapture whole_shifts"
    )
}

/// Tells of a shift where somebody asked for it.
fn tell(line: &str) {
    let Ok(path) = std::env::var("TACTUS_SHIFTS_LOG") else { return };
    let file = std::fs::OpenOptions::new().create(true).append(true).open(&path);
    let written = file.and_then(|mut file| writeln!(file, "{line}"));
    written.unwrap_or_else(|error| panic!("{path}: {error}"));
}

/// Shifts from `first` on, on all CPUs, until `cycles` are worked or something is found. What was found, by seed.
fn campaign(first: u64, cycles: u64) -> (Tally, Vec<(u64, u64, Violation)>) {
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let (next, begun) = (AtomicU64::new(first), AtomicU64::new(0));
    let (total, found) = (Mutex::new(Tally::default()), Mutex::new(Vec::new()));
    let stop = AtomicBool::new(false);
    let goes_on = || {
        !stop.load(Ordering::Relaxed) && begun.fetch_add(SHIFT_CYCLES, Ordering::Relaxed) < cycles
    };
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while goes_on() {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    let outcome = work(&Shift::draw(seed, SHIFT_CYCLES), None);
                    let mut total = total.lock().expect("nobody panics with it");
                    total.add(&outcome.tally);
                    tell(&format!(
                        "seed {seed}: {} cycles in all, {:?}",
                        total.cycles, outcome.found
                    ));
                    if let Some((cycle, violation)) = outcome.found {
                        found.lock().expect("nobody panics with it").push((seed, cycle, violation));
                        stop.store(number("TACTUS_SHIFTS_ALL").is_none(), Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let total = total.into_inner().expect("all threads have ended");
    (total, found.into_inner().expect("all threads have ended"))
}

// SR-001, SR-002, SR-006, SR-010, SR-011, SR-013, SR-014, SR-015, SR-019, SR-021, SR-023, SR-025, SR-029, SR-030, SR-031, SR-040, SR-046
#[test]
fn whole_shifts_with_random_faults_break_no_rule() {
    if let Some(seed) = number("TACTUS_SHIFTS_SEED") {
        let outcome = work(&Shift::draw(seed, SHIFT_CYCLES), None);
        println!("{}", outcome.tally.summary());
        assert_eq!(outcome.found, None, "seed {seed}");
        return;
    }
    let first = number("TACTUS_SHIFTS_FIRST").unwrap_or(1);
    let cycles = number("TACTUS_SHIFTS_CYCLES").unwrap_or(CYCLES);
    let (total, found) = campaign(first, cycles);
    println!("{}", total.summary());
    tell(&format!("from seed {first}: {}", total.summary()));
    for (seed, cycle, violation) in &found {
        let Violation { rule, what } = violation;
        eprintln!("seed {seed}, cycle {cycle}: {}: {what}\n{}", rule.words(), replay(*seed));
    }
    assert!(found.is_empty(), "{} shifts broke a rule", found.len());
    assert!(total.cycles >= cycles, "{} cycles", total.cycles);
    let missing = total.missing();
    assert!(missing.is_empty(), "blind: these never occurred: {missing:#?}");
}
