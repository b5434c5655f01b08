//! Trips: what the twin predicted when a group was stopped, and how far it then went.

use crate::axis::Axis;
use crate::interlock::{AxisFacts, GroupDemand, still};
use crate::plan::{AxisId, GroupId, GroupPlan, InterlockId, MachinePlan, Reaction};
use crate::program::GROUP_AXES_MAX;
use crate::record::Event;
use crate::step::Log;
use alloc::boxed::Box;
use twin_lite::{Nano, math, taped};

/// A group is at rest when it stood for this many cycles.
const STANDING_CYCLES: u8 = 10;

/// A trip whose group still moves.
#[derive(Clone, Copy, Debug, Default)]
struct Trip {
    interlock: InterlockId,
    at_cycle: u64,
    predicted: Nano,
    /// Way of each axis since, nano-units.
    way: [i64; GROUP_AXES_MAX],
    standing: u8,
}

/// One group.
#[derive(Clone, Debug)]
struct Group {
    axes: Box<[AxisId]>,
    trip: Option<Trip>,
    /// The strongest reaction since the machine ran last.
    reaction: Reaction,
    /// Where each axis was a cycle ago.
    last: [Nano; GROUP_AXES_MAX],
}

/// All groups.
#[derive(Clone, Debug)]
pub(super) struct Trips {
    groups: Box<[Group]>,
    total: u32,
}

taped!(Trip { interlock, at_cycle, predicted, way, standing });
taped!(Group { trip, reaction, last; axes });
taped!(Trips { groups, total });

impl Trips {
    pub(super) fn new(plan: &MachinePlan) -> Self {
        let group = |plan: &GroupPlan| Group {
            axes: plan.axes.clone(),
            trip: None,
            reaction: Reaction::None,
            last: [Nano::ZERO; GROUP_AXES_MAX],
        };
        Self { groups: plan.groups.iter().map(group).collect(), total: 0 }
    }

    /// How many there were.
    pub(super) fn total(&self) -> u32 {
        self.total
    }

    /// After the interlocks: a group that had its permit (`ran`) and lost it has tripped; so has one that must stop harder.
    pub(super) fn judge(
        &mut self,
        ran: bool,
        demands: &[GroupDemand],
        axes: &[Axis],
        facts: &[AxisFacts],
        log: &mut Log<'_>,
    ) {
        for ((id, group), demand) in GroupId::all().zip(&mut self.groups).zip(demands) {
            group.track(axes, facts);
            if ran {
                group.reaction = Reaction::None;
            }
            let Some(stop) = demand.stop else { continue };
            let worse = stop.reaction > group.reaction;
            if !worse || !(ran || group.trip.is_some()) {
                continue;
            }
            let predicted = group.predicted(axes, facts);
            group.reaction = stop.reaction;
            group.trip = Some(Trip {
                interlock: stop.interlock,
                at_cycle: log.cycle,
                predicted,
                way: [0; GROUP_AXES_MAX],
                standing: 0,
            });
            self.total = self.total.saturating_add(1);
            log.event(Event::Trip {
                interlock: stop.interlock,
                group: id,
                reaction: stop.reaction,
                input_at: stop.input_at,
                predicted,
            });
        }
    }

    /// After the gate: a group whose ramp is over and whose axes stand has come to rest.
    pub(super) fn settle(
        &mut self,
        axes: &[Axis],
        facts: &[AxisFacts],
        ramping: impl Fn(GroupId) -> bool,
        log: &mut Log<'_>,
    ) {
        for (id, group) in GroupId::all().zip(&mut self.groups) {
            let stands = !ramping(id) && group.stands(axes, facts);
            let Some(trip) = &mut group.trip else { continue };
            trip.standing = if stands { trip.standing.saturating_add(1) } else { 0 };
            if trip.standing >= STANDING_CYCLES {
                log.event(Event::Stopped {
                    group: id,
                    interlock: trip.interlock,
                    tripped_at_cycle: trip.at_cycle,
                    distance: length(trip.way.iter().map(|way| Nano(*way))),
                    predicted: trip.predicted,
                });
                group.trip = None;
            }
        }
    }
}

impl Group {
    /// Adds this cycle's way of each axis, without what its origin moved.
    fn track(&mut self, axes: &[Axis], facts: &[AxisFacts]) {
        let trip = &mut self.trip;
        for (slot, (id, last)) in self.axes.iter().zip(&mut self.last).enumerate() {
            let number = usize::from(id.0);
            let (Some(axis), Some(facts)) = (axes.get(number), facts.get(number)) else { continue };
            let from = last.0.saturating_add(axis.rebased().0);
            if let Some(way) = trip.as_mut().and_then(|trip| trip.way.get_mut(slot)) {
                *way = way.saturating_add(facts.position.0.saturating_sub(from));
            }
            *last = facts.position;
        }
    }

    /// The twin's stopping distance along the path, for the ramp that all axes share: the slowest to stop sets the time.
    fn predicted(&self, axes: &[Axis], facts: &[AxisFacts]) -> Nano {
        let known = || {
            self.axes.iter().filter_map(|id| {
                let number = usize::from(id.0);
                let (axis, facts) = (axes.get(number)?, facts.get(number)?);
                let speed = facts.velocity.magnitude().max(facts.commanded_velocity.magnitude());
                Some((axis, speed, axis.plan().stop.ramp_deceleration))
            })
        };
        let seconds = known()
            .map(|(_, speed, deceleration)| speed.units() / deceleration.units())
            .fold(0.0_f64, |longest, time| if time > longest { time } else { longest });
        length(known().map(|(axis, speed, deceleration)| {
            let stands = speed <= still(axis.plan().limits.velocity);
            let shared = Nano::from_units(speed.units() / seconds).filter(|_| !stands);
            axis.stopping_distance(shared.unwrap_or(deceleration))
        }))
    }

    fn stands(&self, axes: &[Axis], facts: &[AxisFacts]) -> bool {
        self.axes.iter().all(|id| {
            let number = usize::from(id.0);
            let (Some(axis), Some(facts)) = (axes.get(number), facts.get(number)) else {
                return true;
            };
            facts.velocity.magnitude() <= still(axis.plan().limits.velocity)
        })
    }
}

/// Length of a vector of axis ways.
fn length(ways: impl Iterator<Item = Nano>) -> Nano {
    let square = ways.fold(0.0, |sum, way| sum + way.units() * way.units());
    Nano::from_units(math::sqrt(square)).unwrap_or(Nano::MAX)
}
