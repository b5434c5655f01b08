//! An axis that can stop short of a zone that somebody is in never enters it.

use super::demand::Zone;
use super::{Found, Rule, Seen, Since};
use crate::draw::{Excuse, MS, Shift};

/// Somebody who came is seen, or the camera is not believed any more, within its age limit and this, ns.
const SEEN_NS: u64 = 50 * MS;
/// Swing of the load at its end, mm.
const SWING_MM: f64 = 1.0;
/// Where the zone of x begins in the machine file, mm.
const FROM_MM: f64 = 800.0;

pub(super) struct Separation {
    zone: Option<Zone>,
    x: usize,
    age_max_ns: u64,
    since: Since,
    /// It was out, and could stay out, when somebody had been seen.
    outside: bool,
    /// Times that it was judged.
    watched: bool,
}

impl Separation {
    pub(super) fn new(shift: &Shift) -> Self {
        Self {
            zone: Zone::new(shift, "hand_over"),
            x: 0,
            age_max_ns: shift.machine.plan.streams.first().map_or(0, |stream| stream.age_max_ns),
            since: Since::default(),
            outside: false,
            watched: false,
        }
    }

    pub(super) fn cycle(&mut self, seen: &Seen<'_>, found: &mut Found) {
        let Some(zone) = &self.zone else { return };
        let held = self.since.update(zone.is_entered(seen), seen.now);
        let is_seen = held.is_some_and(|held| held > self.age_max_ns + SEEN_NS);
        let axis = &seen.axes[self.x];
        let stop = &seen.shift.machine.plan.axes[self.x].stop;
        if is_seen && !self.watched {
            let speed = axis.velocity.max(axis.commanded).max(0.0);
            let watchdog_s = crate::number::real(stop.watchdog_ns) * 1e-9;
            let ramp = stop.ramp_deceleration.units().min(stop.quick_stop_deceleration.units());
            let reach = speed * (watchdog_s + 0.02) + speed * speed / (2.0 * ramp) + 4.0;
            self.outside = axis.position + reach < FROM_MM;
        }
        self.watched = is_seen;
        let excuse = [Excuse::RunsOn, Excuse::Chain, Excuse::Clock, Excuse::Mechanics];
        if seen.excused(self.x, &excuse, 4_000 * MS) {
            self.outside = false;
        }
        let out = !(is_seen && self.outside) || axis.position <= FROM_MM + SWING_MM;
        found.unless(out, Rule::Separation, || {
            format!("x is at {:.2}, and somebody is at the hand-over place", axis.position)
        });
    }
}
