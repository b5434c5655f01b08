//! Trips: what the twin predicted when a group was stopped, and how far it then went.

use crate::axis::Axis;
use crate::gate::{Gate, Power};
use crate::interlock::{AxisFacts, GroupDemand, still};
use crate::machine::SafeCause;
use crate::plan::{AxisId, GroupId, GroupPlan, GroupStop, MachinePlan, Reaction, StopWay};
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
    cause: SafeCause,
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
    stop: GroupStop,
    trip: Option<Trip>,
    /// The worst reaction since the machine ran last.
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

/// What trips are judged by.
pub(super) struct Seen<'a> {
    /// The machine ran before this cycle.
    pub(super) ran: bool,
    /// It stopped running for a fault of ours, which no interlock names.
    pub(super) own: Option<SafeCause>,
    pub(super) demands: &'a [GroupDemand],
    pub(super) axes: &'a [Axis],
    pub(super) facts: &'a [AxisFacts],
    pub(super) gate: &'a Gate,
}
taped!(Trip { cause, at_cycle, predicted, way, standing });
taped!(Group { trip, reaction, last; axes, stop });
taped!(Trips { groups, total });

impl Trips {
    pub(super) fn new(plan: &MachinePlan) -> Self {
        let group = |plan: &GroupPlan| Group {
            axes: plan.axes.clone(),
            stop: plan.stop,
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

    /// After the interlocks: a group that had its permit and lost it has tripped; so has one that must stop harder. One of which a
    /// drive is lost ends without power.
    pub(super) fn judge(&mut self, seen: &Seen<'_>, log: &mut Log<'_>) {
        for ((id, group), demand) in GroupId::all().zip(&mut self.groups).zip(seen.demands) {
            group.track(seen.axes, seen.facts);
            if seen.ran {
                group.reaction = Reaction::None;
            }
            let own_reaction =
                if seen.gate.is_lost(id) { Reaction::Stop1 } else { Reaction::Stop2 };
            let (cause, reaction, input_at) = match (demand.stop, seen.own) {
                (Some(stop), _) => {
                    (SafeCause::Interlock(stop.interlock), stop.reaction, stop.input_at)
                }
                (None, Some(cause)) => (cause, own_reaction, log.now),
                (None, None) => continue,
            };
            let order = group.stop.order;
            let worse = order.rank(reaction) > order.rank(group.reaction);
            if !worse || !(seen.ran || group.trip.is_some()) {
                continue;
            }
            let way = group.way(id, reaction, seen);
            // Who is heard again is stopped as was asked.
            let asked = group.asked_way(reaction);
            let predicted = group.predicted(way, seen).max(group.predicted(asked, seen));
            group.reaction = reaction;
            // SR-031
            group.trip = Some(Trip {
                cause,
                at_cycle: log.cycle,
                predicted,
                way: [0; GROUP_AXES_MAX],
                standing: 0,
            });
            self.total = self.total.saturating_add(1);
            log.event(Event::Trip { cause, group: id, reaction, way, input_at, predicted });
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
                    cause: trip.cause,
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

    /// How its axes come to rest: as the reaction says, unless the drives hear nothing of it, or have no torque to do it with.
    // SR-031
    fn way(&self, id: GroupId, reaction: Reaction, seen: &Seen<'_>) -> StopWay {
        let unheard = |id: &AxisId| {
            seen.axes.get(usize::from(id.0)).is_none_or(|axis| !axis.view().inputs_good)
        };
        if self.axes.iter().any(unheard) {
            return StopWay::ConnectionLost;
        }
        let cutting = matches!(seen.gate.power(id), Power::Cutting { .. });
        if cutting || self.axes.iter().any(|id| coasts(*id, seen)) {
            return StopWay::PowerRemoval;
        }
        self.asked_way(reaction)
    }

    /// How its axes come to rest when their drives hear of it.
    fn asked_way(&self, reaction: Reaction) -> StopWay {
        match reaction {
            Reaction::Stop1 => self.stop.category_1,
            Reaction::Stop0 => StopWay::PowerRemoval,
            Reaction::None | Reaction::Warn | Reaction::LimitSpeed(_) | Reaction::Stop2 => {
                StopWay::Ramp
            }
        }
    }

    /// The twin's stopping distance along the path. On the gate's ramp, which all axes share, the slowest to stop sets the time; on
    /// every other way each axis stops for itself.
    fn predicted(&self, way: StopWay, seen: &Seen<'_>) -> Nano {
        let known = || {
            self.axes.iter().filter_map(|id| {
                let number = usize::from(id.0);
                let (axis, facts) = (seen.axes.get(number)?, seen.facts.get(number)?);
                let speed = facts.velocity.magnitude().max(facts.commanded_velocity.magnitude());
                Some((axis, speed, axis.plan().stop.ramp_deceleration))
            })
        };
        if way != StopWay::Ramp {
            return length(known().map(|(axis, _, _)| axis.stopping_by(way)));
        }
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

/// It moves, and its drive neither follows nor stops by itself: no reaction slows it.
fn coasts(id: AxisId, seen: &Seen<'_>) -> bool {
    let number = usize::from(id.0);
    let (Some(axis), Some(facts)) = (seen.axes.get(number), seen.facts.get(number)) else {
        return true;
    };
    let moves = facts.velocity.magnitude() > still(axis.plan().limits.velocity);
    moves && !axis.is_enabled() && !facts.quick_stopping
}

/// Length of a vector of axis ways.
fn length(ways: impl Iterator<Item = Nano>) -> Nano {
    let square = ways.fold(0.0, |sum, way| sum + way.units() * way.units());
    Nano::from_units(math::sqrt(square)).unwrap_or(Nano::MAX)
}
