//! A belt that carries parts, and the gripper that takes them away.

use crate::num::Rng;
use crate::station::{Ejection, Station, StationCounts, StationPlan};

/// A belt driven by an endless axis.
#[derive(Clone, Debug, PartialEq)]
pub struct ConveyorPlan {
    /// The axis whose load is the belt.
    pub axis: usize,
    /// Where parts fall off the end, mm from where they appear, above 0.
    pub length: f64,
    /// A part's length along the belt, mm, above 0.
    pub part_length: f64,
    /// Belt travel from the start to the first part, mm, ≥ 0.
    pub first_part: f64,
    /// Belt travel from part to part (centres), mm, above `part_length`.
    pub spacing: f64,
    /// The spacing is up to this much longer, mm, ≥ 0.
    pub spacing_jitter: f64,
    /// A light barrier across the belt.
    pub barrier: Option<Barrier>,
    /// Who takes parts.
    pub gripper: Option<GripperPlan>,
    /// Camera and ejector of an inspection.
    pub station: Option<StationPlan>,
}

/// A light barrier.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Barrier {
    /// Along the belt, mm.
    pub position: f64,
    /// Digital source that is on while a part covers it.
    pub source: usize,
}

/// A place of the gripper with its tolerances, axis units.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spot {
    /// Along the horizontal axis.
    pub x: f64,
    /// Along the vertical axis.
    pub z: f64,
    /// Either way, above 0.
    pub x_tolerance: f64,
    /// Either way, above 0.
    pub z_tolerance: f64,
}

impl Spot {
    fn holds(&self, x: f64, z: f64) -> bool {
        (x - self.x).abs() <= self.x_tolerance && (z - self.z).abs() <= self.z_tolerance
    }

    fn is_valid(&self) -> bool {
        self.x.is_finite()
            && self.z.is_finite()
            && self.x_tolerance > 0.0
            && self.z_tolerance > 0.0
            && self.x_tolerance.is_finite()
            && self.z_tolerance.is_finite()
    }
}

/// A gripper on a horizontal and a vertical axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GripperPlan {
    /// The horizontal axis.
    pub axis_x: usize,
    /// The vertical axis.
    pub axis_z: usize,
    /// Output that closes it (vacuum on).
    pub output: usize,
    /// From the output to the grip, and from off to the release, ns.
    pub delay_ns: u64,
    /// Where it takes a part that is at `pick_belt` of the belt.
    pub pick: Spot,
    /// Along the belt, mm.
    pub pick_belt: f64,
    /// How x goes with the belt: 0 across, 1 along, −1 against it. Across, the part must be at
    /// `pick_belt` within `x_tolerance`.
    pub along: f64,
    /// Gripper and part may differ by this much, mm / s, above 0.
    pub speed_tolerance: f64,
    /// Where it may let go.
    pub place: Spot,
    /// Payload of the vertical axis while a part is held, factor; 1: nothing.
    pub part_payload: f64,
    /// Digital source that is on while a part is held (vacuum switch).
    pub held_source: Option<usize>,
}

/// What became of the parts: `spawned = on the belt + held + placed + ran_off + dropped`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PartCounts {
    /// Appeared on the belt.
    pub spawned: u64,
    /// Taken by the gripper.
    pub picked: u64,
    /// Let go where they belong.
    pub placed: u64,
    /// Fell off the end of the belt.
    pub ran_off: u64,
    /// Let go elsewhere.
    pub dropped: u64,
    /// On the belt now.
    pub on_belt: u64,
    /// In the gripper now, 0 or 1.
    pub held: u64,
}

impl PartCounts {
    /// Neither placed nor on the way.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.ran_off.saturating_add(self.dropped)
    }
}

/// Where an axis is and how fast.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Motion {
    pub(crate) position: f64,
    pub(crate) velocity: f64,
}

/// What the gripper's axes do, and whether it is told to hold (delay included).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Gripper {
    pub(crate) x: Motion,
    pub(crate) z: Motion,
    pub(crate) closed: bool,
}

/// A part on a belt.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Part {
    /// Belt position at which it appeared.
    pub(crate) appeared: f64,
    /// It is bad, in truth.
    pub(crate) bad: bool,
    /// It will slip forward by this much.
    pub(crate) slip: f64,
    /// Its camera did all that it must.
    pub(crate) clean: bool,
    /// The ejector took it.
    pub(crate) taken: bool,
    /// Its middle has passed the ejector.
    pub(crate) passed: bool,
    /// It is out of the ejector's reach and counted.
    pub(crate) counted: bool,
}

impl Part {
    /// Where it is, mm from where parts appear.
    pub(crate) fn at(&self, belt: f64) -> f64 {
        belt - self.appeared
    }
}

/// What the outputs of an inspection do.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct StationOutputs {
    pub(crate) trigger: bool,
    pub(crate) reject: bool,
    pub(crate) now: u64,
}

/// Most parts on a belt; while it is full none appear.
pub(crate) const PARTS_MAX: usize = 64;

/// One belt.
#[derive(Clone, Debug)]
pub(crate) struct Conveyor {
    plan: ConveyorPlan,
    rng: Rng,
    /// The oldest first.
    parts: [Part; PARTS_MAX],
    station: Option<Station>,
    count: usize,
    start: f64,
    next_part: f64,
    belt: f64,
    held: bool,
    barrier: bool,
    counts: PartCounts,
}

impl Conveyor {
    pub(crate) fn check(plan: &ConveyorPlan) -> Result<(), &'static str> {
        let finite = |value: f64, low: f64| value.is_finite() && value >= low;
        if !(finite(plan.length, 1.0)) {
            return Err("length");
        }
        if !(finite(plan.part_length, 1e-3)) {
            return Err("part_length");
        }
        if !(finite(plan.spacing, plan.part_length)) {
            return Err("spacing");
        }
        if !finite(plan.first_part, 0.0) || !finite(plan.spacing_jitter, 0.0) {
            return Err("first_part, spacing_jitter");
        }
        if plan.barrier.is_some_and(|barrier| !finite(barrier.position, 0.0)) {
            return Err("barrier");
        }
        if let Some(station) = &plan.station {
            Station::check(station)?;
        }
        if let Some(gripper) = &plan.gripper {
            let along = gripper.along.is_finite() && gripper.pick_belt.is_finite();
            if !along || !gripper.pick.is_valid() || !gripper.place.is_valid() {
                return Err("gripper");
            }
            if !finite(gripper.speed_tolerance, 1e-3) || !finite(gripper.part_payload, 0.2) {
                return Err("gripper");
            }
        }
        Ok(())
    }

    /// `belt` is where its axis stands. The plan has been checked.
    pub(crate) fn new(plan: ConveyorPlan, rng: Rng, belt: f64) -> Self {
        Self {
            next_part: plan.first_part,
            station: plan.station.clone().map(|station| {
                let mut seeds = rng.clone();
                let rng = Rng::new(seeds.next_u64(), 3);
                Station::new(station, plan.part_length, rng)
            }),
            rng,
            parts: [Part::default(); PARTS_MAX],
            count: 0,
            start: belt,
            belt: 0.0,
            held: false,
            barrier: false,
            counts: PartCounts::default(),
            plan,
        }
    }

    pub(crate) fn plan(&self) -> &ConveyorPlan {
        &self.plan
    }

    /// A part covers the light barrier.
    pub(crate) fn barrier(&self) -> bool {
        self.barrier
    }

    /// A part is in the gripper.
    pub(crate) fn held(&self) -> bool {
        self.held
    }

    pub(crate) fn counts(&self) -> PartCounts {
        let on_belt = u64::try_from(self.count).unwrap_or(u64::MAX);
        PartCounts { on_belt, held: u64::from(self.held), ..self.counts }
    }

    /// Where the parts on the belt are, oldest (furthest) first, mm from where they appear.
    pub(crate) fn parts(&self) -> impl Iterator<Item = f64> {
        self.parts.iter().take(self.count).map(|part| part.at(self.belt))
    }

    /// What became of inspected parts, and the last one that was taken.
    pub(crate) fn inspected(&self) -> Option<(StationCounts, Option<Ejection>)> {
        self.station.as_ref().map(|station| (station.counts(), station.last()))
    }

    /// The next result of its camera.
    pub(crate) fn station(&mut self) -> Option<&mut Station> {
        self.station.as_mut()
    }

    /// The camera looks and the ejector acts; after [`advance`](Self::advance).
    pub(crate) fn inspect(&mut self, belt: Motion, outputs: &StationOutputs) {
        let Some(station) = &mut self.station else { return };
        let parts = self.parts.get_mut(..self.count).unwrap_or_default();
        let motion = (self.belt, belt.velocity);
        station.advance(parts, motion, (outputs.trigger, outputs.reject), outputs.now);
        // What was taken is gone.
        let taken = parts.iter().position(|part| part.taken && part.counted);
        if let Some(place) = taken {
            self.remove(place);
        }
    }

    /// One tick: the belt has moved to `belt`.
    pub(crate) fn advance(&mut self, belt: Motion, gripper: Option<&Gripper>) {
        self.belt = belt.position - self.start;
        self.spawn();
        self.run_off();
        if let (Some(gripper), Some(plan)) = (gripper, self.plan.gripper) {
            self.grip(&plan, gripper, belt.velocity);
        }
        let half = self.plan.part_length * 0.5;
        self.barrier = self.plan.barrier.is_some_and(|barrier| {
            self.parts().any(|part| (part - barrier.position).abs() <= half)
        });
    }

    fn spawn(&mut self) {
        if self.belt < self.next_part {
            return;
        }
        if let Some(place) = self.parts.get_mut(self.count) {
            *place = Part { appeared: self.next_part, ..Part::default() };
            if let Some(station) = &mut self.station {
                station.draw(place);
            }
            self.count += 1;
            self.counts.spawned = self.counts.spawned.saturating_add(1);
        }
        self.next_part += self.plan.spacing + self.plan.spacing_jitter * self.rng.unit();
    }

    fn run_off(&mut self) {
        let oldest = self.parts.first().copied().unwrap_or_default();
        if self.count > 0 && oldest.at(self.belt) > self.plan.length {
            self.remove(0);
            self.counts.ran_off = self.counts.ran_off.saturating_add(1);
        }
    }

    fn remove(&mut self, place: usize) {
        if place < self.count {
            self.parts.copy_within(place + 1..self.count, place);
            self.count -= 1;
        }
    }

    fn grip(&mut self, plan: &GripperPlan, gripper: &Gripper, belt_speed: f64) {
        let (x, z) = (gripper.x.position, gripper.z.position);
        if gripper.closed && !self.held {
            let slip = gripper.x.velocity - plan.along * belt_speed;
            let across = if plan.along == 0.0 { belt_speed.abs() } else { slip.abs() };
            let slow = across <= plan.speed_tolerance && slip.abs() <= plan.speed_tolerance;
            let low = (z - plan.pick.z).abs() <= plan.pick.z_tolerance;
            if slow
                && low
                && let Some(place) = self.reachable(plan, x)
            {
                self.remove(place);
                self.held = true;
                self.counts.picked = self.counts.picked.saturating_add(1);
            }
        } else if !gripper.closed && self.held {
            self.held = false;
            let good = plan.place.holds(x, z);
            let count = if good { &mut self.counts.placed } else { &mut self.counts.dropped };
            *count = count.saturating_add(1);
        }
    }

    fn reachable(&self, plan: &GripperPlan, x: f64) -> Option<usize> {
        let tolerance = plan.pick.x_tolerance;
        self.parts().position(|part| {
            let ahead = part - plan.pick_belt;
            let there = plan.along != 0.0 || ahead.abs() <= tolerance;
            there && (x - plan.pick.x - plan.along * ahead).abs() <= tolerance
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A belt with one part at 500 and a gripper that takes parts at 500 = x 100.
    fn belt(along: f64) -> Conveyor {
        let spot = |x, z| Spot { x, z, x_tolerance: 5.0, z_tolerance: 2.0 };
        let gripper = GripperPlan {
            axis_x: 1,
            axis_z: 2,
            output: 0,
            delay_ns: 0,
            pick: spot(100.0, 0.0),
            pick_belt: 500.0,
            along,
            speed_tolerance: 20.0,
            place: spot(300.0, 0.0),
            part_payload: 1.0,
            held_source: None,
        };
        let plan = ConveyorPlan {
            axis: 0,
            length: 1_000.0,
            part_length: 50.0,
            first_part: 0.0,
            spacing: 5_000.0,
            spacing_jitter: 0.0,
            barrier: None,
            gripper: Some(gripper),
            station: None,
        };
        let mut belt = Conveyor::new(plan, Rng::new(1, 1), 0.0);
        belt.advance(Motion::default(), None);
        belt
    }

    /// The part at `part`, the belt at `speed`, the gripper at `x`, `x_speed`.
    fn picks(along: f64, part: f64, speed: f64, x: f64, x_speed: f64) -> bool {
        let mut belt = belt(along);
        let gripper = Gripper {
            x: Motion { position: x, velocity: x_speed },
            z: Motion::default(),
            closed: true,
        };
        belt.advance(Motion { position: part, velocity: speed }, Some(&gripper));
        belt.held()
    }

    #[test]
    fn across_the_belt_part_and_gripper_must_both_be_at_the_spot_and_stand() {
        assert!(picks(0.0, 503.0, 0.0, 98.0, 0.0));
        assert!(!picks(0.0, 507.0, 0.0, 98.0, 0.0), "the part is too far");
        assert!(!picks(0.0, 503.0, 0.0, 92.0, 0.0), "the gripper is too far");
        assert!(!picks(0.0, 503.0, 200.0, 98.0, 0.0), "the belt runs");
        assert!(!picks(0.0, 503.0, 0.0, 98.0, 200.0), "the gripper passes");
    }

    #[test]
    fn along_the_belt_the_gripper_may_follow_the_part() {
        assert!(picks(1.0, 560.0, 200.0, 160.0, 195.0));
        assert!(!picks(1.0, 560.0, 200.0, 100.0, 195.0), "the part has gone on");
        assert!(!picks(1.0, 560.0, 200.0, 160.0, 0.0), "it does not follow");
        assert!(picks(-1.0, 560.0, 200.0, 40.0, -195.0), "mounted the other way round");
    }
}
