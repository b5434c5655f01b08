//! Inspection stations: parts are followed along their conveyors, the camera is triggered, and what is not known to be good is rejected.
//!
//! The track itself is [`twin_lite::track`]; here it gets its inputs (sensor, encoders, results, what was really written) and hands on
//! what it asks. Outputs go through the gate as any other: without permit they are in their safe state, and a part that passes the
//! ejector meanwhile is missed: told, and a demand (`Cause::Inspection`).

use crate::axis::Axis;
use crate::interlock::AxisFacts;
use crate::plan::AxisId;
use crate::record::Event;
use crate::signal::{Quality, SignalId, Signals};
use crate::step::Log;
use crate::vision::{Inspection, StreamId, Verdict};
use twin_lite::track::{Answer, Asked, Belt, Fate, LEGS_MAX, News, Seen, Track, Trouble};
use twin_lite::{Nano, math, taped};

pub use twin_lite::track::TrackPlan;

/// Most inspections of a machine.
pub const INSPECTIONS_MAX: usize = 8;
/// What a camera measures of a part's place, µm, in axis units.
const MICROMETRE: i64 = 1_000_000;

/// An inspection's place in [`MachinePlan::inspections`](crate::MachinePlan).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InspectionId(pub u8);

/// One inspection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InspectionPlan {
    /// The belts in the order in which they carry a part.
    pub belts: [Option<AxisId>; LEGS_MAX],
    /// 1 while a part covers it.
    pub sensor: SignalId,
    /// Triggers the camera with its rising edge.
    pub trigger: SignalId,
    /// The ejector.
    pub reject: SignalId,
    /// Where results come in.
    pub stream: StreamId,
    /// Which of a result's values says how far behind the middle of the camera the part was, µm; `None`: none.
    pub ahead: Option<u8>,
    /// Places and times.
    pub track: TrackPlan,
}

/// When a station is asked.
#[derive(Clone, Copy, Debug)]
pub struct Time {
    /// ns.
    pub now: u64,
    /// ns.
    pub period_ns: u64,
    /// An input that was not renewed counts for so long, ns.
    pub stale_after_ns: u64,
}

/// One station.
#[derive(Clone, Debug)]
pub struct Station {
    id: InspectionId,
    plan: InspectionPlan,
    track: Track,
    /// Of each belt: its position a cycle ago; `None`: it was not heard.
    before: [Option<Nano>; LEGS_MAX],
    /// Of each belt: the velocity that was commanded a cycle ago, per s.
    commanded: [Nano; LEGS_MAX],
    asked: Asked,
    /// Something that should have been rejected was not, in this cycle.
    missed: bool,
}

taped!(Station { track, before, commanded, asked, missed; id, plan });

impl Station {
    /// Nothing is known of its belts yet.
    #[must_use]
    pub fn new(id: InspectionId, plan: &InspectionPlan) -> Self {
        Self {
            id,
            plan: *plan,
            track: Track::new(&plan.track),
            before: [None; LEGS_MAX],
            commanded: [Nano::ZERO; LEGS_MAX],
            asked: Asked::default(),
            missed: false,
        }
    }

    /// Something that should have been rejected passed the ejector in this cycle.
    #[must_use]
    pub fn missed(&self) -> bool {
        self.missed
    }

    /// Its outputs, and what is asked of each.
    #[must_use]
    pub fn asked(&self) -> [(SignalId, bool); 2] {
        [(self.plan.trigger, self.asked.trigger), (self.plan.reject, self.asked.reject)]
    }

    /// A result of `stream` that was looked at; `None`: it does not count, and nobody knows whose it would have been.
    pub fn answer(&mut self, stream: StreamId, found: Option<&Inspection>, log: &mut Log<'_>) {
        if stream != self.plan.stream {
            return;
        }
        let inspection = self.id;
        let tell = &mut |news| log.event(event(inspection, news));
        let Some(found) = found else {
            return tell(News::Trouble { part: 0, trouble: Trouble::Refused });
        };
        let measured = self.plan.ahead.filter(|place| *place < found.value_count);
        let ahead = measured.and_then(|place| found.values.get(usize::from(place)));
        let answer = Answer {
            trigger: found.trigger,
            good: match found.verdict {
                Verdict::Good => Some(true),
                Verdict::Bad => Some(false),
                Verdict::Unknown => None,
            },
            captured_at: found.header.captured_at,
            ahead: ahead.map(|um| Nano(i64::from(*um).saturating_mul(MICROMETRE))),
        };
        self.track.answer(&answer, tell);
    }

    /// One cycle, after the axes were sensed.
    pub fn update(
        &mut self,
        axes: &[Axis],
        facts: &[AxisFacts],
        signals: &Signals,
        time: &Time,
        log: &mut Log<'_>,
    ) {
        let (now, period_ns) = (time.now, time.period_ns);
        let mut belts = [Belt::default(); LEGS_MAX];
        let mut heard = true;
        let mut count = 0_usize;
        let memory = self.before.iter_mut().zip(&mut self.commanded);
        for ((axis, (before, commanded)), belt) in
            self.plan.belts.iter().zip(memory).zip(&mut belts)
        {
            let Some(id) = axis else { continue };
            count = count.saturating_add(1);
            let place = usize::from(id.0);
            let (axis, facts) = (axes.get(place), facts.get(place));
            let good = facts.is_some_and(|facts| facts.view.inputs_good);
            let now_at = axis.filter(|_| good).map(Axis::position);
            let (Some(axis), Some(facts), Some(at)) = (axis, facts, now_at) else {
                (*before, heard) = (None, false);
                continue;
            };
            match before.replace(at) {
                Some(before) => {
                    let moved = at.0.saturating_sub(before.0).saturating_sub(axis.rebased().0);
                    belt.moved = Nano(moved);
                }
                None => heard = false,
            }
            belt.velocity = facts.velocity;
            let next = Nano::from_units(axis.commanded_velocity()).unwrap_or(Nano::ZERO);
            let gained = next.units() - commanded.units();
            *commanded = next;
            let rate = gained / math::seconds(period_ns.max(1));
            belt.acceleration = Nano::from_units(rate).unwrap_or(Nano::ZERO);
        }
        let sensor = signals.get(self.plan.sensor);
        let young = now.saturating_sub(sensor.at) <= time.stale_after_ns;
        let known = match sensor.quality {
            Quality::Good => true,
            Quality::Stale => young,
            Quality::Missing => false,
        };
        let on = |signal: SignalId| signals.get(signal).value == 1;
        let seen = Seen {
            now,
            sensor: known.then_some(sensor.value == 1),
            belts: belts.get(..count).filter(|_| heard),
            trigger: on(self.plan.trigger),
            reject: on(self.plan.reject),
        };
        let inspection = self.id;
        let mut missed = false;
        self.asked = self.track.update(&seen, &mut |news| {
            missed |= is_missed(&news);
            log.event(event(inspection, news));
        });
        self.missed = missed;
    }
}

fn is_missed(news: &News) -> bool {
    match news {
        News::Passed { fate, .. } => matches!(fate, Fate::Missed(_)),
        News::Trouble { trouble, .. } => *trouble == Trouble::MissedUnseen,
    }
}

fn event(inspection: InspectionId, news: News) -> Event {
    match news {
        News::Passed { part, fate, error_ns, error } => {
            Event::Part { inspection, part, fate, error_ns, error }
        }
        News::Trouble { part, trouble } => Event::Track { inspection, part, trouble },
    }
}
