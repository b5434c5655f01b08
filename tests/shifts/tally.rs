//! What occurred: a campaign in which something never did has not tested it, and fails as blind.

use std::collections::BTreeMap;

use config::Machine;
use rt_core::plan::Reaction;
use rt_core::record::Event;

use super::draw::{End, Kind, Shift};
use super::judge::Judge;

/// Occurrences by name, and the worst of what is measured.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    pub(crate) cycles: u64,
    pub(crate) shifts: u64,
    pub(crate) starts: u64,
    pub(crate) stops: u64,
    pub(crate) stops_judged: u64,
    pub(crate) stops_excused: u64,
    pub(crate) stops_far: u64,
    pub(crate) shortfall: f64,
    pub(crate) used: f64,
    pub(crate) ran: u64,
    pub(crate) moved: u64,
    pub(crate) tightened: u64,
    pub(crate) occurred: BTreeMap<String, u64>,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            cycles: 0,
            shifts: 0,
            starts: 0,
            stops: 0,
            stops_judged: 0,
            stops_excused: 0,
            stops_far: 0,
            shortfall: f64::NEG_INFINITY,
            used: 0.0,
            ran: 0,
            moved: 0,
            tightened: 0,
            occurred: BTreeMap::new(),
        }
    }
}

fn cell(kind: Kind) -> &'static str {
    match kind {
        Kind::Demo => "demo",
        Kind::Manual => "manual",
    }
}

fn reaction(of: Reaction) -> &'static str {
    match of {
        Reaction::None => "none",
        Reaction::Warn => "warn",
        Reaction::LimitSpeed(_) => "speed limit",
        Reaction::Stop2 => "stop 2",
        Reaction::Stop1 => "stop 1",
        Reaction::Stop0 => "stop 0",
    }
}

impl Tally {
    fn count(&mut self, what: String) {
        *self.occurred.entry(what).or_default() += 1;
    }

    pub(crate) fn event(&mut self, kind: Kind, machine: &Machine, event: &Event) {
        match event {
            Event::Demand { interlock } => {
                let row = usize::from(interlock.0);
                let name = &machine.names.interlocks[row].name;
                self.count(format!("cause {}: {name}", cell(kind)));
                for effect in &machine.plan.interlocks[row].effects {
                    self.count(format!("effect {}", reaction(effect.reaction)));
                }
                if !machine.plan.interlocks[row].outputs.is_empty() {
                    self.count("effect output safe".to_owned());
                }
            }
            Event::Trip { way, reaction: of, .. } => {
                self.count(format!("trip {}", reaction(*of)));
                self.count(format!("way {way:?}"));
            }
            Event::Escalated { to, .. } => self.count(format!("escalated to {to:?}")),
            Event::GateViolation { limit, .. } => self.count(format!("gate {limit:?}")),
            Event::ResetRefused { reason } => self.count(format!("reset refused {reason:?}")),
            Event::Reset => self.count("reset".to_owned()),
            Event::Mode { to, .. } => self.count(format!("mode {to:?}")),
            Event::Stopped { .. } => self.stops += 1,
            Event::Start => self.starts += 1,
            Event::Overrun { .. } => self.count("overrun".to_owned()),
            _ => {}
        }
    }

    /// A shift is over.
    pub(crate) fn over(&mut self, shift: &Shift, cycles: u64, judge: &Judge, tightened: u64) {
        self.count(match shift.end {
            End::Shutdown => "end controlled".to_owned(),
            End::Kill => "end killed".to_owned(),
        });
        self.shifts += 1;
        self.cycles += cycles;
        let stops = &judge.stops;
        self.ran += judge.ran;
        self.moved += judge.moved;
        self.stops_far += stops.far;
        self.used = self.used.max(stops.used);
        self.stops_judged += stops.judged;
        self.stops_excused += stops.excused;
        self.shortfall = self.shortfall.max(stops.shortfall);
        self.tightened += tightened;
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.cycles += other.cycles;
        self.shifts += other.shifts;
        self.starts += other.starts;
        self.stops += other.stops;
        self.stops_judged += other.stops_judged;
        self.stops_excused += other.stops_excused;
        self.stops_far += other.stops_far;
        self.shortfall = self.shortfall.max(other.shortfall);
        self.used = self.used.max(other.used);
        self.ran += other.ran;
        self.moved += other.moved;
        self.tightened += other.tightened;
        for (what, count) in &other.occurred {
            *self.occurred.entry(what.clone()).or_default() += count;
        }
    }

    /// What must occur in a campaign and did not. Every row of the matrices by itself; every effect and kind of stop.
    pub(crate) fn missing(&self) -> Vec<String> {
        let rows = [Kind::Demo, Kind::Manual].into_iter().flat_map(|kind| {
            let machine = Shift::of(kind, 1, 1).machine;
            let names = machine.names.interlocks.into_iter();
            names.map(move |row| format!("cause {}: {}", cell(kind), row.name)).collect::<Vec<_>>()
        });
        let others = OTHERS.iter().map(|what| (*what).to_owned());
        rows.chain(others).filter(|what| !self.occurred.contains_key(what)).collect()
    }

    pub(crate) fn summary(&self) -> String {
        let mut text = format!(
            "{} cycles in {} shifts, {} of them running, {} moving; {} starts, {} stops\n\
             {} stops held against their prediction, {} of them further than 5; {} that no prediction could know of\n\
             furthest beyond a prediction {:.3} (margin 1); largest part of one used {:.3}\n\
             the twin made a difference in {} cycles\n",
            self.cycles,
            self.shifts,
            self.ran,
            self.moved,
            self.starts,
            self.stops,
            self.stops_judged,
            self.stops_far,
            self.stops_excused,
            self.shortfall,
            self.used,
            self.tightened,
        );
        for (what, count) in &self.occurred {
            text += &format!("{count:>9}  {what}\n");
        }
        text
    }
}

/// What must occur besides the rows.
const OTHERS: [&str; 27] = [
    "effect warn",
    "effect speed limit",
    "effect stop 2",
    "effect stop 1",
    "effect stop 0",
    "effect output safe",
    "trip stop 2",
    "trip stop 1",
    "trip stop 0",
    "way Ramp",
    "way QuickStop",
    "way ConnectionLost",
    "way PowerRemoval",
    "escalated to QuickStop",
    "escalated to PowerRemoval",
    "gate Power",
    "gate Envelope",
    "reset",
    "reset refused TooShort",
    "reset refused TooLong",
    "reset refused HeldAtBoot",
    "reset refused CauseNotClear",
    "mode Automatic",
    "mode Manual",
    "mode Unknown",
    "end controlled",
    "end killed",
];
