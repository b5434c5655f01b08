//! Every stop within the distance that was predicted for it when it was demanded.

use rt_core::plan::{Reaction, StopWay};
use rt_core::record::Event;

use super::{Found, Rule, Seen};
use crate::draw::{Excuse, MS, Shift};

/// Declared margin on top of what is predicted, units: the load swings behind the encoder.
const MARGIN: f64 = 1.0;
/// A stop out of motion goes further than this, units.
const FAR: f64 = 5.0;
/// It is over when all axes stand for so many cycles.
const STANDING: u32 = 20;
/// What had begun so shortly before could not be known yet.
const UNKNOWN_NS: u64 = 20 * MS;

/// A stop that is going on.
struct Stop {
    at: u64,
    predicted: f64,
    way: StopWay,
    from: Vec<f64>,
    furthest: f64,
    standing: u32,
    excused: bool,
}

struct Group {
    axes: Vec<usize>,
    /// Promises that hold: a worse stop on the same way takes none back.
    stops: Vec<Stop>,
}

pub(crate) struct Stops {
    groups: Vec<Group>,
    /// Stops that were judged, and those that no prediction could know of.
    pub(crate) judged: u64,
    pub(crate) excused: u64,
    /// Those judged that went further than [`FAR`].
    pub(crate) far: u64,
    /// How much further than predicted one went, units; below 0: none did.
    pub(crate) shortfall: f64,
    /// The largest part of its prediction that one used, of those that went further than [`FAR`].
    pub(crate) used: f64,
}

impl Stops {
    pub(super) fn new(shift: &Shift) -> Self {
        let groups = shift.machine.plan.groups.iter();
        let axes = |group: &rt_core::plan::GroupPlan| {
            group.axes.iter().map(|axis| usize::from(axis.0)).collect()
        };
        Self {
            groups: groups.map(|group| Group { axes: axes(group), stops: Vec::new() }).collect(),
            judged: 0,
            excused: 0,
            far: 0,
            shortfall: f64::NEG_INFINITY,
            used: 0.0,
        }
    }

    pub(super) fn cycle(&mut self, seen: &Seen<'_>, found: &mut Found) {
        for event in seen.events {
            match event {
                Event::Trip { group, way, reaction, predicted, .. } => {
                    let group = &mut self.groups[usize::from(group.0)];
                    let from = group.axes.iter().map(|axis| seen.axes[*axis].position).collect();
                    // Whoever takes the power as well says how far it coasts.
                    let same = |stop: &Stop| stop.way == *way && *reaction != Reaction::Stop0;
                    group.stops.retain(same);
                    group.stops.push(Stop {
                        at: seen.now,
                        predicted: predicted.units(),
                        way: *way,
                        from,
                        furthest: 0.0,
                        standing: 0,
                        excused: false,
                    });
                }
                // What follows is longer, and the loop says so.
                Event::Escalated { group, .. } => self.excuse(usize::from(group.0)),
                _ => {}
            }
        }
        for number in 0..self.groups.len() {
            self.follow(number, seen, found);
        }
    }

    fn excuse(&mut self, group: usize) {
        for stop in &mut self.groups[group].stops {
            stop.excused = true;
        }
    }

    fn follow(&mut self, number: usize, seen: &Seen<'_>, found: &mut Found) {
        let Group { axes, stops } = &mut self.groups[number];
        let stands = axes.iter().all(|axis| seen.axes[*axis].velocity.abs() < super::still::STANDS);
        for stop in &mut *stops {
            stop.cycle(axes, stands, seen);
            let holds = stop.excused || stop.furthest - stop.predicted <= MARGIN;
            found.unless(holds, Rule::StopDistance, || {
                let Stop { at, predicted, way, furthest, .. } = stop;
                format!(
                    "group {number} stops since {at} ns by {way:?}: {furthest:.3}, not {predicted:.3}"
                )
            });
        }
        for stop in stops.extract_if(.., |stop| stop.standing >= STANDING) {
            if stop.excused {
                self.excused += 1;
                continue;
            }
            self.judged += 1;
            self.shortfall = self.shortfall.max(stop.furthest - stop.predicted);
            if stop.furthest > FAR {
                self.used = self.used.max(stop.furthest / stop.predicted);
                self.far += 1;
            }
        }
    }
}

impl Stop {
    fn cycle(&mut self, axes: &[usize], stands: bool, seen: &Seen<'_>) {
        let ways = axes.iter().zip(&self.from).map(|(axis, from)| seen.axes[*axis].position - from);
        let square: f64 = ways.map(|way| way * way).sum();
        self.furthest = self.furthest.max(square.sqrt());
        let excuses = [Excuse::RunsOn, Excuse::Chain, Excuse::Clock, Excuse::Mechanics];
        self.excused |= axes.iter().any(|axis| seen.excused(*axis, &excuses, 0));
        let unknown = if self.way == StopWay::ConnectionLost { 0 } else { UNKNOWN_NS };
        self.excused |= seen.shocked((self.at + 1).saturating_sub(unknown)) || seen.is_late();
        self.standing = if stands { self.standing + 1 } else { 0 };
    }
}
