//! Speed and separation: a part stands before a person can be where it can be.
//!
//! Sp = Sh + Sr + Ss + C + Zd + Zr, every cycle, in integers that are rounded outward. Sr and Ss are not lengths along a line but the
//! [`Reach`] of the part: the box in cell coordinates in which it can be by the time it stands, on the longest of the ways to stop that
//! can happen, if the stop begins with the *next* cycle and the set-point speeds up until then. The rest is what the person may do
//! meanwhile, from the capture of the newest verified picture: the distance between box and person must be more. What is not seen may
//! be anywhere that is not watched; without a picture that counts, anywhere.
//!
//! No speed is held by this check but the one that it demands, the stop: it is never optimistic, whatever motion does with the
//! speed that it is advised ([`Judged::speed`], slow before stop).

mod person;
mod reach;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use person::Threat;
pub use reach::{Bounds, Member, Reach, Span};

use crate::interlock::{Facts, stale_after_ns};
use crate::plan::{AxisId, GroupId, InterlockId, MachinePlan};
use crate::vision::{OBJECTS_MAX, StreamId, StreamView};
use alloc::boxed::Box;
use twin_lite::Nano;

/// Most moving parts of a machine.
pub const PARTS_MAX: usize = 16;
/// One millimetre.
const MM: i64 = 1_000_000_000;
/// The wire format gives positions in whole millimetres: half of one in x and in y.
const WIRE_ROUNDING: i64 = MM;
/// Halvings of the range of speeds: to less than a millionth of it.
const HALVINGS: u32 = 20;

/// A part's place in [`MachinePlan::parts`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PartId(pub u8);

/// A box in the plane, in cell coordinates, mm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rectangle {
    /// Lowest x, lowest y.
    pub low: [Nano; 2],
    /// Highest x, highest y; not below `low`.
    pub high: [Nano; 2],
}

/// A part of the machine that moves: a box that axes carry through the cell, seen from above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartPlan {
    /// The group whose axes move it.
    pub group: GroupId,
    /// What moves it along x and along y: linear axes of the group, 1 mm of the axis is 1 mm in the cell. `None`: nothing.
    pub axes: [Option<AxisId>; 2],
    /// The part with these axes at 0.
    pub shape: Rectangle,
    /// Where mechanics let any point of it be; `None`: not said, and without a reference it can be anywhere.
    pub travel: Option<Rectangle>,
}

/// What keeps a part away from persons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeparationPlan {
    /// Which part.
    pub part: PartId,
    /// Who sees persons.
    pub stream: StreamId,
    /// Bit of the watched area in the datagram's zone words: the picture counts only if it was evaluated.
    pub zone: u8,
    /// That area. A person who is not in the picture is outside it.
    pub watched: Rectangle,
    /// K: nobody is faster, per s.
    pub person_speed: Nano,
    /// C: how far a person reaches towards the part before the camera sees it.
    pub intrusion: Nano,
    /// Zd: how far the camera may be off, beyond what each object says itself.
    pub person_uncertainty: Nano,
    /// Zr: how far the part may be from where its encoders say.
    pub part_uncertainty: Nano,
    /// How far the clock that stamps pictures may be off, ns.
    pub clock_error_ns: u64,
}

/// What one cycle found, as it is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeparationRecord {
    /// Whose.
    pub interlock: InterlockId,
    /// Distance that is left beyond Sp; below 0: stop. `None`: no picture counts, or the axes are not heard.
    pub margin: Option<Nano>,
    /// The speed from which the part still rests in time; `None`: any that it has.
    pub speed: Option<Nano>,
    /// Some axis of the part moves.
    pub moving: bool,
    /// Age of the picture, ns.
    pub age_ns: u64,
    /// From the next decision until the part stands, ns.
    pub rest_ns: u64,
}

impl SeparationRecord {
    /// What `interlock` found.
    #[must_use]
    pub fn of(interlock: InterlockId, judged: &Judged) -> Self {
        let Judged { margin, speed, moving, age_ns, rest_ns, .. } = *judged;
        Self { interlock, margin, speed, moving, age_ns, rest_ns }
    }
}

/// What separation asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judged {
    /// The part would not rest before a person can reach it.
    pub stop: bool,
    /// Path speed from which it still would; `None`: any that it has.
    pub speed: Option<Nano>,
    /// See [`SeparationRecord::margin`].
    pub margin: Option<Nano>,
    /// Some axis of the part moves.
    pub moving: bool,
    /// Age of the picture, ns.
    pub age_ns: u64,
    /// Until the part stands, ns.
    pub rest_ns: u64,
    /// When the picture was taken, or now if there is none that counts, ns.
    pub input_at: u64,
}

/// Separation of one part, prepared once.
#[derive(Clone, Debug)]
pub struct Separation {
    plan: SeparationPlan,
    part: PartPlan,
    /// Every axis of the group: they stop together.
    members: Box<[Member]>,
    /// The oldest picture that counts, ns: what is advised must hold until the next one.
    age_max_ns: u64,
    period_ns: u64,
    /// The fastest that any axis of the group may be, per s.
    fastest: Nano,
}

impl Separation {
    /// For the cause `plan` in `machine`; `None`: it names what is not there, and is a check that cannot run.
    #[must_use]
    pub fn new(plan: SeparationPlan, machine: &MachinePlan) -> Option<Self> {
        let part = *machine.parts.get(usize::from(plan.part.0))?;
        let stream = machine.streams.get(usize::from(plan.stream.0))?;
        let group = machine.groups.get(usize::from(part.group.0))?;
        if part.axes.iter().flatten().any(|axis| !group.axes.contains(axis)) {
            return None;
        }
        let stale_ns = stale_after_ns(machine);
        let member = |id: &AxisId| {
            let axis = machine.axes.get(usize::from(id.0))?;
            Some(Member::new(*id, axis, machine.period_ns, stale_ns))
        };
        let members = group.axes.iter().map(member).collect::<Option<Box<[Member]>>>()?;
        Some(Self {
            plan,
            part,
            fastest: members.iter().map(Member::fastest).max()?,
            members,
            age_max_ns: stream.age_max_ns,
            period_ns: machine.period_ns,
        })
    }

    /// An axis of the part's group: the one whose group is slowed.
    #[must_use]
    pub fn axis(&self) -> AxisId {
        self.members.first().map_or(AxisId(0), Member::id)
    }

    /// One cycle.
    #[must_use]
    // SR-060
    pub fn judge(&self, facts: &Facts<'_>) -> Judged {
        let view = facts.streams.get(usize::from(self.plan.stream.0));
        let view = view.copied().unwrap_or(StreamView::SILENT);
        let input_at = if view.refusal.is_none() { view.captured_at } else { facts.now };
        let age_ns = facts.now.saturating_sub(view.captured_at);
        let known = |member: &Member| facts.axes.get(usize::from(member.id().0));
        let heard = |member: &Member| known(member).is_some_and(|axis| axis.view.inputs_good);
        let blind = Judged {
            stop: true,
            speed: Some(Nano::ZERO),
            margin: None,
            moving: true,
            age_ns,
            rest_ns: 0,
            input_at,
        };
        if !self.counts(&view) || !self.members.iter().all(heard) {
            return blind;
        }
        let bounds = Bounds::of(&self.members, facts.axes, self.period_ns);
        let rest_ns = bounds.rest_ns;
        let reach = self.reach(facts, |member, axis| bounds.of_axis(member, axis));
        let margin = self.margin(&view, &reach, age_ns.saturating_add(rest_ns));
        let speed = self.speed(&view, facts, &bounds, age_ns);
        let moving =
            self.members.iter().any(|member| known(member).is_some_and(|a| member.moves(a)));
        let stop = margin < Nano::ZERO;
        Judged { stop, speed, margin: Some(margin), moving, age_ns, rest_ns, input_at }
    }

    // SR-066
    /// The picture shows all of the watched area, and says of each person where he is.
    fn counts(&self, view: &StreamView) -> bool {
        let bit =
            |word: u32| word.checked_shr(u32::from(self.plan.zone)).is_some_and(|w| w & 1 == 1);
        let objects = view.objects();
        // As many as fit may be fewer than there are; somebody who is nowhere may be anywhere.
        view.refusal.is_none()
            && bit(view.evaluated)
            && objects.len() < OBJECTS_MAX
            && (bit(view.clear) || !objects.is_empty())
    }

    /// Where the part can be, if each axis can be where `span` says.
    fn reach(
        &self,
        facts: &Facts<'_>,
        span: impl Fn(&Member, &crate::interlock::AxisFacts) -> Span,
    ) -> Reach {
        let of = |axis: Option<AxisId>| {
            let Some(axis) = axis else { return Span::HERE };
            let member = self.members.iter().find(|member| member.id() == axis);
            let known = facts.axes.get(usize::from(axis.0)).filter(|axis| axis.view.referenced);
            member.zip(known).map_or(Span::ANYWHERE, |(member, axis)| span(member, axis))
        };
        Reach::of(&self.part, self.part.axes.map(of))
    }

    /// What is left between the part's reach and the nearest person, `time_ns` after the picture was taken.
    fn margin(&self, view: &StreamView, reach: &Reach, time_ns: u64) -> Nano {
        let time_ns = time_ns.saturating_add(self.plan.clock_error_ns);
        let unseen = Threat::unseen(&self.plan, reach);
        view.objects().iter().fold(unseen.margin(time_ns), |least, object| {
            least.min(Threat::seen(&self.plan, object, reach).margin(time_ns))
        })
    }

    // SR-065
    /// The largest path speed from which the part would rest in time, for as long as this picture counts.
    fn speed(
        &self,
        view: &StreamView,
        facts: &Facts<'_>,
        bounds: &Bounds,
        age_ns: u64,
    ) -> Option<Nano> {
        let age_ns = age_ns.max(self.age_max_ns);
        let enough = |speed: i64| {
            let path = bounds.at_speed(&self.members, speed);
            let reach = self.reach(facts, |member, axis| path.of_axis(member, axis));
            let time_ns = age_ns.saturating_add(path.rest_ns);
            self.margin(view, &reach, time_ns) >= Nano::ZERO
        };
        if enough(self.fastest.0) {
            return None;
        }
        // Not even at rest: neither at any speed.
        if !enough(0) {
            return Some(Nano::ZERO);
        }
        let (mut good, mut bad) = (0_i64, self.fastest.0);
        for _ in 0..HALVINGS {
            let middle = good + (bad - good) / 2;
            if enough(middle) { good = middle } else { bad = middle }
        }
        Some(Nano(good))
    }
}
