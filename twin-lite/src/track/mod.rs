//! Parts on their way along conveyors: from the sensor past the camera to where the bad ones leave.
//!
//! *Equations.* A part's middle is at `s`, nano-units behind the sensor: `s ← s + Δ` of the belt that carries it, each cycle, integers, so
//! nothing drifts. In the time `t` a belt goes `v t + ½ a t²`, and when it brakes never further than to rest. An output that is decided now
//! acts after `output + delay`; it is decided in the cycle from which the part's middle will be at the ejector in the middle of its pulse.
//!
//! *Assumptions.* Parts do not slip on the belt but as far as the camera corrects it, lie at least `spacing` apart (nearer ones are both
//! rejected), and keep their order. Velocity and acceleration stay as they are for `output + delay + pulse ÷ 2`.
//!
//! *Rule.* A part passes only if exactly one result answered its own trigger in time, of a picture that was taken when it was under the
//! camera, and said good. Everything else is rejected; what should have been and was not is told as missed, never forgotten.

mod ejector;

use crate::units::Nano;
use crate::{taped, taped_enum};
use ejector::Ejector;

/// Most parts that are followed at once on one track.
pub const TRACK_MAX: usize = 64;
/// Most belts in a row on one track.
pub const LEGS_MAX: usize = 4;
const SECOND_NS: i128 = 1_000_000_000;

/// What a track is told of its machine. Places are those of a part's middle, from the sensor along the belts, ≥ 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrackPlan {
    /// Where each belt takes over, ascending, the first at 0; `Nano::MAX`: there is none.
    pub legs: [Nano; LEGS_MAX],
    /// Length of a part along the belt, above 0.
    pub part_length: Nano,
    /// Middle to middle; nearer parts cannot be told apart. Above `part_length`.
    pub spacing: Nano,
    /// From the edge at the sensor until the input is sampled on average, ns.
    pub sensor_ns: u64,
    /// Where the camera is triggered.
    pub camera_at: Nano,
    /// Where the ejector is; behind the camera.
    pub reject_at: Nano,
    /// How far behind the ejector a part is still followed: the belt may go back by less.
    pub tail: Nano,
    /// From a decision until its output is at the terminal, ns.
    pub output_ns: u64,
    /// How long the trigger is on, ns.
    pub trigger_ns: u64,
    /// A picture counts that was taken so long after its trigger at most, ns.
    pub capture_ns: u64,
    /// How early its capture time may be, for clocks differ and a cycle is not a point, ns.
    pub early_ns: u64,
    /// How long the ejector is on, ns, above 0.
    pub pulse_ns: u64,
    /// From the ejector's output until it acts, ns.
    pub delay_ns: u64,
    /// The camera may correct the place of a part by this much at most; beyond, nobody knows where it is.
    pub slip_max: Nano,
}

/// What one belt does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Belt {
    /// Since the cycle before.
    pub moved: Nano,
    /// per s.
    pub velocity: Nano,
    /// per s².
    pub acceleration: Nano,
}

impl Belt {
    /// How far it goes in `ns`; braking ends at rest.
    #[must_use]
    pub fn travel(&self, ns: u64) -> Nano {
        let (v, a, t) =
            (i128::from(self.velocity.0), i128::from(self.acceleration.0), i128::from(ns));
        let t = match (v.signum() * a.signum(), a) {
            (-1, a) => t.min(v.saturating_mul(SECOND_NS).saturating_abs() / a.saturating_abs()),
            (_, _) => t,
        };
        let linear = v.saturating_mul(t) / SECOND_NS;
        let bent = a.saturating_mul(t).saturating_mul(t) / (2 * SECOND_NS * SECOND_NS);
        Nano(saturated(linear.saturating_add(bent)))
    }
}

fn saturated(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}

/// What a track is given in a cycle.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// ns.
    pub now: u64,
    /// A part covers the sensor; `None`: nobody knows.
    pub sensor: Option<bool>,
    /// In order; `None`: the encoder of one is not heard.
    pub belts: Option<&'a [Belt]>,
    /// The outputs as they were really written in the cycle before, so on the wire at the beginning of this one.
    pub trigger: bool,
    /// As `trigger`.
    pub reject: bool,
}

/// What a track asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Trigger the camera.
    pub trigger: bool,
    /// Reject.
    pub reject: bool,
}

taped!(Asked { trigger, reject });

/// A camera's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The trigger that it answers: the first pulse since start is 1.
    pub trigger: u64,
    /// `None`: the camera does not know.
    pub good: Option<bool>,
    /// When the picture was taken, ns.
    pub captured_at: u64,
    /// How far behind the middle of the camera the part was in the picture; `None`: not measured.
    pub ahead: Option<Nano>,
}

/// Why a part is rejected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reason {
    /// The camera says so.
    #[default]
    Bad,
    /// The camera does not know.
    Unknown,
    /// No result had come when it had to be decided.
    Missing,
    /// As `Missing`, and one came after that.
    Late,
    /// A part before or behind it was too near.
    Close,
    /// More than one result.
    Duplicate,
    /// It slipped too far.
    Slip,
    /// Its camera was not triggered.
    Untriggered,
    /// It is good and was near a part that was rejected.
    Neighbour,
}

taped_enum!(Reason {
    0: Bad,
    1: Unknown,
    2: Missing,
    3: Late,
    4: Close,
    5: Duplicate,
    6: Slip,
    7: Untriggered,
    8: Neighbour,
});

/// What became of a part at the ejector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Good, and left alone.
    Good,
    /// The ejector acted when it passed.
    Rejected(Reason),
    /// The ejector should have acted and did not: it is still on the belt.
    Missed(Reason),
}

/// What a track tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// A part passed the ejector.
    Passed {
        /// Which, from 1, in the order of the sensor.
        part: u64,
        /// What became of it.
        fate: Fate,
        /// Middle of the ejector's pulse after the part's middle passed it, ns; `None`: no pulse of its own, or it was held on.
        error_ns: Option<i64>,
        /// The same on the belt.
        error: Nano,
    },
    /// Something is not as it should be.
    Trouble {
        /// Which part, or which trigger where no part is known.
        part: u64,
        /// What.
        trouble: Trouble,
    },
}

/// What is not as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// A result came after its part was decided.
    Late,
    /// A second result.
    Duplicate,
    /// A result that answers no trigger of a part on the track.
    Stray,
    /// A result whose picture was taken at another time.
    Mismatch,
    /// A result that does not count at all.
    Refused,
    /// A part that there is no room for: it and what is near it is rejected unseen.
    Full,
    /// The encoder or the sensor was not heard: all that is on the belts is rejected unseen.
    Lost,
    /// Something unseen passed the ejector while it could not act.
    MissedUnseen,
    /// A part went back over the sensor.
    Returned,
}

/// What is known of a part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Finding {
    /// No result yet.
    #[default]
    Awaited,
    /// One result, good.
    Good,
    /// It will be rejected.
    Condemned(Reason),
}

taped_enum!(Finding { 0: Awaited, 1: Good, 2: Condemned(reason) });

/// A part on its way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Part {
    id: u64,
    /// Its middle.
    at: Nano,
    /// Its trigger; 0: none yet.
    trigger: u64,
    /// When that was on the wire, ns.
    triggered_at: u64,
    /// How far behind the middle of the camera it was then.
    beyond: Nano,
    finding: Finding,
    /// A result of its own has come.
    answered: bool,
    /// It was decided; the ejector was told if need be.
    decided: bool,
    /// When its pulse was decided, ns; 0: it has none.
    fired_at: u64,
    /// Its pulse was held on beyond its time, for the belt slowed down.
    held: bool,
    /// It has passed the ejector.
    passed: bool,
}

taped!(Part {
    id,
    at,
    trigger,
    triggered_at,
    beyond,
    finding,
    answered,
    decided,
    fired_at,
    held,
    passed
});

/// A stretch of belt on which something may lie that nobody has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Unseen {
    low: Nano,
    /// `Nano::MAX`: to the end.
    high: Nano,
}

taped!(Unseen { low, high });

/// Follows parts.
#[derive(Clone, Debug)]
pub struct Track {
    plan: TrackPlan,
    /// The oldest first; `count` of them.
    parts: [Part; TRACK_MAX],
    count: usize,
    /// Parts so far.
    seen: u64,
    /// Trigger pulses so far.
    triggers: u64,
    /// Part whose trigger was asked for and is not on the wire yet; 0: none.
    pending: u64,
    trigger_until: u64,
    trigger_was: bool,
    covered: Option<bool>,
    unseen: Option<Unseen>,
    /// That something unseen was missed has been told.
    told: bool,
    lost: bool,
    ejector: Ejector,
}

taped!(Track {
    parts, count, seen, triggers, pending, trigger_until, trigger_was, covered, unseen, told, lost, ejector; plan,
});

/// Where news go.
pub type Tell<'a> = &'a mut dyn FnMut(News);

impl Track {
    /// At the start nobody knows what lies on the belts: all of it is rejected.
    #[must_use]
    pub fn new(plan: &TrackPlan) -> Self {
        Self {
            plan: *plan,
            parts: [Part::default(); TRACK_MAX],
            count: 0,
            seen: 0,
            triggers: 0,
            pending: 0,
            trigger_until: 0,
            trigger_was: false,
            covered: None,
            unseen: Some(all_of(plan)),
            told: false,
            lost: true,
            ejector: Ejector::default(),
        }
    }

    /// Parts that are followed now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// None is followed now.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn here(&mut self) -> &mut [Part] {
        self.parts.get_mut(..self.count).unwrap_or_default()
    }

    /// A result has come.
    pub fn answer(&mut self, answer: &Answer, tell: Tell<'_>) {
        let plan = self.plan;
        let of_trigger = |part: &&mut Part| part.trigger == answer.trigger && answer.trigger != 0;
        let Some(part) = self.here().iter_mut().find(of_trigger) else {
            return tell(News::Trouble { part: answer.trigger, trouble: Trouble::Stray });
        };
        let mut trouble = |trouble| tell(News::Trouble { part: part.id, trouble });
        let earliest = part.triggered_at.saturating_sub(plan.early_ns);
        let latest = part.triggered_at.saturating_add(plan.capture_ns);
        if !(earliest..=latest).contains(&answer.captured_at) {
            // Of another part, whatever it says: this one goes on waiting.
            return trouble(Trouble::Mismatch);
        }
        let finding = if part.answered {
            trouble(Trouble::Duplicate);
            Finding::Condemned(Reason::Duplicate)
        } else if answer
            .ahead
            .is_some_and(|ahead| minus(ahead, part.beyond).magnitude() > plan.slip_max)
        {
            Finding::Condemned(Reason::Slip)
        } else {
            if let Some(ahead) = answer.ahead {
                part.at = plus(part.at, minus(ahead, part.beyond));
            }
            match answer.good {
                Some(true) => Finding::Good,
                Some(false) => Finding::Condemned(Reason::Bad),
                None => Finding::Condemned(Reason::Unknown),
            }
        };
        let first = !part.answered;
        part.answered = true;
        if part.decided {
            // What is on its way to the ejector is not called back.
            if first && part.finding == Finding::Condemned(Reason::Missing) {
                part.finding = Finding::Condemned(Reason::Late);
                trouble(Trouble::Late);
            }
            return;
        }
        // What was condemned stays condemned.
        if !matches!(part.finding, Finding::Condemned(_)) {
            part.finding = finding;
        }
    }

    /// One cycle.
    pub fn update(&mut self, seen: &Seen<'_>, tell: Tell<'_>) -> Asked {
        self.ejector.wrote(seen.reject, seen.now);
        let (Some(belts), Some(covered)) = (seen.belts, seen.sensor) else {
            self.count_trigger(seen);
            self.lose(tell);
            return Asked::default();
        };
        self.lost = false;
        self.advance(belts, tell);
        self.count_trigger(seen);
        self.sense(covered, belts, tell);
        let trigger = self.trigger(seen.now, belts);
        let fired = self.decide(seen.now, belts);
        self.cross(seen.now, belts, tell);
        self.leave();
        let blind = self.reject_unseen(seen, belts, tell);
        Asked { trigger, reject: fired || blind }
    }

    /// Nothing is known any more.
    fn lose(&mut self, tell: Tell<'_>) {
        if !self.lost {
            let part = u64::try_from(self.count).unwrap_or(u64::MAX);
            tell(News::Trouble { part, trouble: Trouble::Lost });
        }
        (self.lost, self.covered, self.count, self.pending) = (true, None, 0, 0);
        self.trigger_until = 0;
        self.unseen = Some(all_of(&self.plan));
    }

    /// A trigger has a number as soon as it is on the wire: the camera counts the same pulses.
    fn count_trigger(&mut self, seen: &Seen<'_>) {
        if seen.trigger && !self.trigger_was {
            self.triggers = self.triggers.saturating_add(1);
            let (pending, number) = (core::mem::take(&mut self.pending), self.triggers);
            let camera_at = self.plan.camera_at;
            if let Some(part) = self.here().iter_mut().find(|part| part.id == pending) {
                (part.trigger, part.triggered_at) = (number, seen.now);
                part.beyond = minus(part.at, camera_at);
            }
        }
        self.trigger_was = seen.trigger;
    }

    /// Everything goes on with the belt that carries it.
    fn advance(&mut self, belts: &[Belt], tell: Tell<'_>) {
        let plan = self.plan;
        let moved = |at: Nano| belt_at(&plan, belts, at).moved;
        for part in self.here() {
            part.at = plus(part.at, moved(part.at));
        }
        if let Some(unseen) = &mut self.unseen {
            unseen.low = plus(unseen.low, moved(unseen.low));
            if unseen.high != Nano::MAX {
                unseen.high = plus(unseen.high, moved(unseen.high));
            }
        }
        // What went back over the sensor comes again, or was taken away.
        let back = minus(Nano::ZERO, plus(plan.spacing, plan.part_length));
        while let Some(part) = self.here().last().filter(|part| part.at < back).copied() {
            self.count = self.count.saturating_sub(1);
            if !part.passed {
                tell(News::Trouble { part: part.id, trouble: Trouble::Returned });
            }
        }
    }

    /// A new part begins where the sensor sees its front.
    fn sense(&mut self, covered: bool, belts: &[Belt], tell: Tell<'_>) {
        let edge = covered && self.covered == Some(false);
        // Something is under the sensor, and nobody saw it come.
        let surprise = covered && self.covered.is_none();
        self.covered = Some(covered);
        if surprise {
            self.unseen = Some(all_of(&self.plan));
        }
        if !edge {
            if covered {
                self.too_long();
            }
            return;
        }
        let plan = self.plan;
        let half = Nano(plan.part_length.0 / 2);
        let belt = belt_at(&plan, belts, Nano::ZERO);
        // The edge came at some time since the sample before: half way on average.
        let since = plus(Nano(belt.moved.0 / 2), belt.travel(plan.sensor_ns));
        // Going back, it is the rear that comes first.
        let middle = if belt.moved < Nano::ZERO { half } else { minus(Nano::ZERO, half) };
        let at = plus(middle, since);
        let newest = self.here().last().copied();
        if newest.is_some_and(|part| minus(part.at, at).magnitude() <= half) {
            // It bounces, or went back and comes again.
            return;
        }
        self.seen = self.seen.saturating_add(1);
        let id = self.seen;
        let close = newest.is_some_and(|part| minus(part.at, at) < plan.spacing);
        let mut finding = Finding::Awaited;
        if close {
            finding = Finding::Condemned(Reason::Close);
            if let Some(part) = self.here().last_mut().filter(|part| !part.decided) {
                part.finding = finding;
            }
        }
        match self.parts.get_mut(self.count) {
            Some(place) => {
                *place = Part { id, at, finding, ..Part::default() };
                self.count = self.count.saturating_add(1);
            }
            None => {
                tell(News::Trouble { part: id, trouble: Trouble::Full });
                let low = minus(at, plan.spacing);
                let high = plus(at, plan.spacing);
                let high = self.unseen.map_or(high, |unseen| unseen.high.max(high));
                self.unseen = Some(Unseen { low, high });
            }
        }
    }

    /// A sensor that is covered for longer than a part is: another one lies against it, and nobody saw where it began.
    fn too_long(&mut self) {
        let half = Nano(self.plan.part_length.0 / 2);
        let end = plus(half, Nano(half.0 / 2));
        let Some(part) = self.here().last_mut().filter(|part| part.at > end) else { return };
        if !part.decided {
            part.finding = Finding::Condemned(Reason::Close);
        }
        let (low, high) = (minus(Nano::ZERO, half), part.at);
        let high = self.unseen.map_or(high, |unseen| unseen.high.max(high));
        self.unseen = Some(Unseen { low, high });
    }

    /// The camera is triggered when the part is under it.
    fn trigger(&mut self, now: u64, belts: &[Belt]) -> bool {
        let plan = self.plan;
        let on = now < self.trigger_until;
        let belt = belt_at(&plan, belts, plan.camera_at);
        let ahead = plus(belt.travel(plan.output_ns), Nano(belt.moved.0 / 2));
        let near = Nano(plan.part_length.0 / 2);
        let mut wanted = 0;
        for part in self.here() {
            let at = plus(part.at, ahead);
            if part.trigger != 0 || at < plan.camera_at {
                continue;
            }
            if at > plus(plan.camera_at, near) {
                if part.finding == Finding::Awaited && !part.decided {
                    part.finding = Finding::Condemned(Reason::Untriggered);
                }
            } else if wanted == 0 {
                wanted = part.id;
            }
        }
        if wanted != 0 && !on && !self.trigger_was {
            self.pending = wanted;
            self.trigger_until = now.saturating_add(plan.trigger_ns.max(1));
            return true;
        }
        on
    }

    /// What is not known to be good when it has to be decided is rejected.
    // SR-090
    fn decide(&mut self, now: u64, belts: &[Belt]) -> bool {
        let plan = self.plan;
        let (acts, centre) = leads(&plan, belts);
        // Of two cycles the nearer one.
        let nearest = Nano(belt_at(&plan, belts, plan.reject_at).moved.0.max(0) / 2);
        let mut on = false;
        for part in self.here().iter_mut().filter(|part| !part.passed) {
            if !part.decided && plus(part.at, plus(centre, nearest)) >= plan.reject_at {
                part.decided = true;
                if part.finding == Finding::Awaited {
                    part.finding = Finding::Condemned(Reason::Missing);
                }
                if part.finding != Finding::Good {
                    part.fired_at = now;
                }
            }
            if part.fired_at != 0 {
                let on_time = now < part.fired_at.saturating_add(plan.pulse_ns);
                // The belt slowed down: on until the part is there.
                let early = !on_time && plus(part.at, acts) < plan.reject_at;
                part.held |= early;
                on |= on_time || early;
            }
        }
        // A pulse goes on beyond its part.
        let pulse =
            |part: &Part| part.fired_at != 0 && now < part.fired_at.saturating_add(plan.pulse_ns);
        on || self.here().iter().any(pulse)
    }

    /// Whoever passes the ejector now: did it act?
    // SR-091
    fn cross(&mut self, now: u64, belts: &[Belt], tell: Tell<'_>) {
        let plan = self.plan;
        let ejector = self.ejector;
        let belt = belt_at(&plan, belts, plan.reject_at);
        for part in self.here() {
            let beyond = minus(part.at, plan.reject_at);
            if part.passed || beyond < Nano::ZERO {
                continue;
            }
            part.passed = true;
            part.decided = true;
            let crossed_at = now.saturating_sub(time_for(beyond, belt.velocity));
            let acted = ejector.acts(crossed_at, plan.delay_ns);
            let fate = match (part.finding, acted) {
                (Finding::Good, false) => Fate::Good,
                (Finding::Good, true) => Fate::Rejected(Reason::Neighbour),
                (Finding::Awaited, true) => Fate::Rejected(Reason::Missing),
                (Finding::Awaited, false) => Fate::Missed(Reason::Missing),
                (Finding::Condemned(reason), true) => Fate::Rejected(reason),
                (Finding::Condemned(reason), false) => Fate::Missed(reason),
            };
            let own = acted && part.fired_at != 0 && !part.held;
            let middle = plan.output_ns.saturating_add(plan.delay_ns) + plan.pulse_ns / 2;
            let middle = part.fired_at.saturating_add(middle);
            let error_ns = own.then(|| difference(middle, crossed_at));
            let error = error_ns.map_or(Nano::ZERO, |ns| {
                let far = i128::from(belt.velocity.0).saturating_mul(i128::from(ns)) / SECOND_NS;
                Nano(saturated(far))
            });
            tell(News::Passed { part: part.id, fate, error_ns, error });
        }
    }

    /// Parts far enough behind the ejector are forgotten.
    fn leave(&mut self) {
        let end = plus(self.plan.reject_at, self.plan.tail);
        let gone = self.here().iter().take_while(|part| part.at > end).count();
        if gone > 0 {
            self.parts.copy_within(gone..self.count.max(gone), 0);
            self.count = self.count.saturating_sub(gone);
        }
    }

    /// The ejector acts while something unseen may pass it.
    fn reject_unseen(&mut self, seen: &Seen<'_>, belts: &[Belt], tell: Tell<'_>) -> bool {
        // SR-092
        let plan = self.plan;
        let Some(unseen) = self.unseen else { return false };
        let (acts, centre) = leads(&plan, belts);
        let margin = Nano(plan.part_length.0 / 2);
        let belt = belt_at(&plan, belts, plan.reject_at);
        if minus(unseen.low, margin) > plan.reject_at {
            self.unseen = None;
            self.told = false;
            return false;
        }
        let reaches = unseen.high == Nano::MAX || plus(unseen.high, margin) >= plan.reject_at;
        if reaches && belt.moved > Nano::ZERO {
            let acted = self.ejector.acts(seen.now, plan.delay_ns);
            // A belt that has just begun to move has not gone far.
            if !acted && !self.told && belt.travel(plan.delay_ns.max(plan.output_ns)) > margin {
                self.told = true;
                tell(News::Trouble { part: 0, trouble: Trouble::MissedUnseen });
            }
        }
        let coming = unseen.high == Nano::MAX
            || plus(plus(unseen.high, margin), centre.max(acts)) >= plan.reject_at;
        coming && minus(plus(unseen.low, acts), margin) <= plan.reject_at
    }
}

/// All that there is between the sensor and the end.
fn all_of(plan: &TrackPlan) -> Unseen {
    Unseen { low: minus(Nano::ZERO, plan.part_length), high: Nano::MAX }
}

/// How far parts go until an output acts that is decided now, and until the middle of its pulse.
fn leads(plan: &TrackPlan, belts: &[Belt]) -> (Nano, Nano) {
    let belt = belt_at(plan, belts, plan.reject_at);
    let acts = plan.output_ns.saturating_add(plan.delay_ns);
    (belt.travel(acts), belt.travel(acts.saturating_add(plan.pulse_ns / 2)))
}

/// The belt that carries what is there; a plan without belts stands.
fn belt_at(plan: &TrackPlan, belts: &[Belt], at: Nano) -> Belt {
    let later = plan.legs.iter().skip(1).take_while(|from| at >= **from && **from != Nano::MAX);
    belts.get(later.count()).or(belts.last()).copied().unwrap_or_default()
}

/// How long it takes for `far` at `velocity`, ns; standing: 0.
fn time_for(far: Nano, velocity: Nano) -> u64 {
    if velocity <= Nano::ZERO {
        return 0;
    }
    let ns = i128::from(far.0).saturating_mul(SECOND_NS) / i128::from(velocity.0);
    u64::try_from(ns).unwrap_or(0)
}

/// `later − earlier`, ns.
fn difference(later: u64, earlier: u64) -> i64 {
    saturated(i128::from(later) - i128::from(earlier))
}

fn plus(a: Nano, b: Nano) -> Nano {
    Nano(a.0.saturating_add(b.0))
}

fn minus(a: Nano, b: Nano) -> Nano {
    Nano(a.0.saturating_sub(b.0))
}

#[cfg(test)]
mod tests;
