//! No faster than the limit in force, with the time that it is allowed to take to come down.

use rt_core::record::Event;

use super::demand::Zone;
use super::{Found, Rule, Seen, Since, Wiring};
use crate::draw::{Excuse, Kind, MS, Shift};

/// A target may be faster by rounding, units / s.
const ROUNDING: f64 = 0.5;
/// A load swings about its set-point: part of its speed, and units / s.
const SWING: (f64, f64) = (0.1, 20.0);
/// In manual nothing is ever faster, mm / s.
const MANUAL: f64 = 250.0;
/// An input is seen within this, a picture is too old after it on top.
const SEEN_NS: u64 = 50 * MS;

/// A limit that holds a group while something is so.
struct Limit {
    axes: Vec<usize>,
    speed: f64,
    rule: Rule,
    cause: Cause,
    since: Since,
    /// Until it must hold, ns.
    after_ns: u64,
}

enum Cause {
    Entered(Zone),
    Off(Option<usize>),
    On(Option<usize>),
}

pub(super) struct Speeds {
    /// Velocity limit, and that without reference.
    axes: Vec<(f64, f64)>,
    referenced: Vec<bool>,
    limits: Vec<Limit>,
}

/// Until a group that runs at full speed is down to `speed`: acceleration turned round within its jerk, then all of it; ns.
fn comes_down(shift: &Shift, axes: &[usize], speed: f64) -> u64 {
    let longest = axes.iter().map(|axis| {
        let limits = &shift.machine.plan.axes[*axis].limits;
        let (velocity, acceleration) = (limits.velocity.units(), limits.acceleration.units());
        3.0 * acceleration / limits.jerk.units() + (velocity - speed).max(0.0) / acceleration
    });
    // All axes of a group share the weakest.
    let weakest =
        axes.iter().map(|axis| shift.machine.plan.axes[*axis].limits.acceleration.units());
    let weakest = weakest.fold(f64::INFINITY, f64::min);
    let norm =
        axes.iter().map(|axis| shift.machine.plan.axes[*axis].limits.velocity.units().powi(2));
    let group = 0.2 + (norm.sum::<f64>().sqrt() - speed).max(0.0) / weakest;
    crate::number::whole(longest.fold(group, f64::max) * 1.0e9)
}

impl Speeds {
    pub(super) fn new(shift: &Shift) -> Self {
        let wiring = Wiring::new(shift);
        let plan = &shift.machine.plan;
        let axes: Vec<(f64, f64)> = plan
            .axes
            .iter()
            .map(|axis| (axis.limits.velocity.units(), axis.limits.velocity_unreferenced.units()))
            .collect();
        let group = |name: &str| -> Vec<usize> {
            let group = shift.machine.names.group(name).expect("a group of the machine");
            plan.groups[usize::from(group.0)].axes.iter().map(|axis| usize::from(axis.0)).collect()
        };
        let near = || Cause::Entered(Zone::new(shift, "warn").expect("the zone"));
        let limit = |axes: Vec<usize>, speed, rule, cause| {
            let age_ns = plan.streams.first().map_or(0, |stream| stream.age_max_ns);
            let after_ns = comes_down(shift, &axes, speed) + SEEN_NS + age_ns;
            Limit { axes, speed, rule, cause, since: Since::default(), after_ns }
        };
        let limits = match shift.kind {
            Kind::Demo => vec![
                limit(group("gantry"), 250.0, Rule::Speed, near()),
                limit(group("conveyor"), 100.0, Rule::Speed, near()),
            ],
            Kind::Manual => {
                let manual = || Cause::On(wiring.source("key_manual"));
                let air = Cause::Off(wiring.source("air_pressure"));
                vec![
                    limit(group("slide"), 100.0, Rule::Speed, air),
                    limit(group("slide"), MANUAL, Rule::Manual, manual()),
                    limit(group("feed"), MANUAL, Rule::Manual, manual()),
                ]
            }
        };
        Self { referenced: vec![false; axes.len()], axes, limits }
    }

    pub(super) fn cycle(&mut self, seen: &Seen<'_>, found: &mut Found) {
        for event in seen.events {
            if let Event::Referenced { axis, .. } = event {
                self.referenced[usize::from(axis.0)] = true;
            }
        }
        for (number, (axis, (full, creeping))) in seen.axes.iter().zip(&self.axes).enumerate() {
            let limit = if self.referenced[number] { *full } else { *creeping };
            found.unless(axis.commanded.abs() <= limit + ROUNDING, Rule::Speed, || {
                format!("axis {number} is told {:.3} /s, limit {limit}", axis.commanded)
            });
            let excuse = [Excuse::RunsOn, Excuse::Chain, Excuse::Clock, Excuse::Mechanics];
            let most = full * (1.0 + SWING.0) + SWING.1;
            let holds = axis.velocity.abs() <= most || seen.excused(number, &excuse, 3_000 * MS);
            found.unless(holds || !axis.powered || seen.is_late(), Rule::Speed, || {
                format!("axis {number} truly does {:.1} /s, limit {full}", axis.velocity)
            });
        }
        for limit in &mut self.limits {
            limit.hold(seen, found);
        }
    }
}

impl Limit {
    fn hold(&mut self, seen: &Seen<'_>, found: &mut Found) {
        let holds = match &self.cause {
            Cause::Entered(zone) => zone.is_entered(seen),
            Cause::Off(source) => !seen.input(*source),
            Cause::On(source) => seen.input(*source),
        };
        let held = self.since.update(holds, seen.now);
        if held.is_none_or(|held| held < self.after_ns) {
            return;
        }
        let axes = || self.axes.iter().map(|axis| &seen.axes[*axis]);
        let told = axes().map(|axis| axis.commanded.powi(2)).sum::<f64>().sqrt();
        let (rule, speed) = (self.rule, self.speed);
        found.unless(told <= speed + ROUNDING, rule, || {
            format!("axes {:?} are told {told:.3} /s, limit {speed}", self.axes)
        });
        let excuse = [Excuse::RunsOn, Excuse::Chain, Excuse::Clock, Excuse::Mechanics];
        let excused = self.axes.iter().any(|axis| seen.excused(*axis, &excuse, 4_000 * MS));
        let truly = axes().map(|axis| axis.velocity.powi(2)).sum::<f64>().sqrt();
        let most = speed * (1.0 + SWING.0) + SWING.1;
        found.unless(truly <= most || excused || seen.is_late(), rule, || {
            format!("axes {:?} truly do {truly:.1} /s, limit {speed}", self.axes)
        });
    }
}
