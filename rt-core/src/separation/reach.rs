//! Where a part can be by the time it stands.

use super::{PartPlan, Rectangle};
use crate::interlock::{AxisFacts, still};
use crate::plan::{AxisId, AxisPlan};
use twin_lite::Nano;

const NS_PER_S: i128 = 1_000_000_000;

/// Positions that are possible, nano-units; both ends count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Lowest.
    pub low: i64,
    /// Highest.
    pub high: i64,
}

impl Span {
    /// Nothing moves it.
    pub const HERE: Self = Self { low: 0, high: 0 };
    /// Nobody knows.
    pub const ANYWHERE: Self = Self { low: i64::MIN, high: i64::MAX };
}

/// A box in the cell that the part does not leave until it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    /// Along x, along y.
    pub spans: [Span; 2],
}

impl Reach {
    /// The box of `part` whose axes are within `spans`, clipped to where mechanics let it be.
    #[must_use]
    pub fn of(part: &PartPlan, spans: [Span; 2]) -> Self {
        let Rectangle { low: [x_low, y_low], high: [x_high, y_high] } = part.shape;
        let [x, y] = spans;
        let grown = |span: Span, low: Nano, high: Nano| Span {
            low: span.low.saturating_add(low.0),
            high: span.high.saturating_add(high.0),
        };
        let mut spans = [grown(x, x_low, x_high), grown(y, y_low, y_high)];
        if let Some(travel) = part.travel {
            let ends = travel.low.into_iter().zip(travel.high);
            for (span, (low, high)) in spans.iter_mut().zip(ends) {
                // Outside of what mechanics allow, mechanics are not as they were said to be: what is measured counts.
                if span.low <= high.0 && span.high >= low.0 {
                    *span = Span { low: span.low.max(low.0), high: span.high.min(high.0) };
                }
            }
        }
        Self { spans }
    }

    /// From the box to a place, rounded down; 0 inside.
    #[must_use]
    pub fn distance(&self, place: [i64; 2]) -> i64 {
        let mut square = 0_u128;
        for (span, at) in self.spans.iter().zip(place) {
            let below = i128::from(span.low) - i128::from(at);
            let above = i128::from(at) - i128::from(span.high);
            let off = u128::try_from(below.max(above)).unwrap_or(0);
            square = square.saturating_add(off.saturating_mul(off));
        }
        i64::try_from(square.isqrt()).unwrap_or(i64::MAX)
    }

    /// From the box to the nearest place outside of `area`; 0 if it is not wholly inside.
    #[must_use]
    pub fn to_outside(&self, area: &Rectangle) -> i64 {
        let ends = area.low.into_iter().zip(area.high);
        let gaps = self.spans.iter().zip(ends).map(|(span, (low, high))| {
            let below = i128::from(span.low) - i128::from(low.0);
            let above = i128::from(high.0) - i128::from(span.high);
            below.min(above)
        });
        let least = gaps.min().unwrap_or(0).max(0);
        i64::try_from(least).unwrap_or(i64::MAX)
    }
}

/// An axis of the group: what it can do, prepared once.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    id: AxisId,
    velocity: i128,
    acceleration: i128,
    ramp: i128,
    quick: i128,
    watchdog_ns: i128,
    /// From a set-point that was computed to a drive that follows it, and as long as an input may be old, ns.
    answer_ns: i128,
    /// The weakest of the ways to slow down that motion, gate and drive have, per s².
    slow: i128,
    /// Until motion, which is told to slow down, does, ns.
    turn_ns: i128,
    margin: i128,
    still: Nano,
}

impl Member {
    /// Of `axis`; its inputs may be `stale_ns` old.
    #[must_use]
    pub fn new(id: AxisId, axis: &AxisPlan, period_ns: u64, stale_ns: u64) -> Self {
        let whole = |value: Nano| i128::from(value.0.max(1));
        let (limits, stop) = (&axis.limits, &axis.stop);
        let (ramp, quick) = (whole(stop.ramp_deceleration), whole(stop.quick_stop_deceleration));
        let acceleration = whole(limits.acceleration);
        let answer = axis.model.response_ns.saturating_add(period_ns.saturating_mul(3));
        Self {
            id,
            velocity: whole(limits.velocity),
            acceleration,
            ramp,
            quick,
            watchdog_ns: i128::from(stop.watchdog_ns),
            answer_ns: i128::from(answer.saturating_add(stale_ns)),
            slow: acceleration.min(ramp).min(quick),
            turn_ns: up(acceleration.saturating_mul(NS_PER_S), whole(limits.jerk)),
            margin: i128::from(Nano::from_units(axis.model.margin).unwrap_or(Nano::MAX).0.max(0)),
            still: still(limits.velocity),
        }
    }

    /// Which axis.
    #[must_use]
    pub fn id(&self) -> AxisId {
        self.id
    }

    /// The fastest that it may be.
    #[must_use]
    pub fn fastest(&self) -> Nano {
        Nano(narrow(self.velocity))
    }

    /// It moves, or has been told to.
    #[must_use]
    pub fn moves(&self, facts: &AxisFacts) -> bool {
        facts.velocity.magnitude() > self.still || facts.commanded_velocity.magnitude() > self.still
    }

    /// What it may gain until the next decision.
    fn gain(&self, period_ns: i128) -> i128 {
        up(self.acceleration.saturating_mul(period_ns), NS_PER_S)
    }

    /// How fast it may be, in the direction of `sign`, when the stop begins.
    fn towards(&self, facts: &AxisFacts, sign: i128, period_ns: i128) -> i128 {
        let actual = i128::from(facts.velocity.0) * sign;
        // What is sent a cycle is rounded: one nano-unit a cycle, per s.
        let rounding = NS_PER_S / period_ns.max(1) + 1;
        let commanded = i128::from(facts.commanded_velocity.0) * sign + rounding;
        actual.max(commanded).saturating_add(self.gain(period_ns)).max(0)
    }
}

/// What holds for all axes of a group that stop together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// From when the drives are told until all stand, at worst, ns.
    pub rest_ns: u64,
    /// The gate's ramp takes this, ns: one for all axes.
    ramp_ns: i128,
    period_ns: i128,
    /// At most this path speed, instead of the present one, per s.
    speed: Option<i128>,
    /// The weakest deceleration and the slowest turn of all.
    slow: i128,
}

impl Bounds {
    /// Of a group that moves as `facts` say.
    #[must_use]
    pub fn of(members: &[Member], facts: &[AxisFacts], period_ns: u64) -> Self {
        let period_ns = i128::from(period_ns.max(1));
        let fastest = |member: &Member| {
            facts.get(usize::from(member.id.0)).map_or(member.velocity, |facts| {
                member.towards(facts, 1, period_ns).max(member.towards(facts, -1, period_ns))
            })
        };
        Self::rest(members, period_ns, fastest)
    }

    /// Each axis as fast as `fastest` says when the stop begins.
    fn rest(members: &[Member], period_ns: i128, fastest: impl Fn(&Member) -> i128) -> Self {
        let (mut ramp_ns, mut rest_ns, mut slow) = (0, 0, i128::MAX);
        for member in members {
            let speed = fastest(member);
            // In whole cycles, each of which takes a whole number of nano-units.
            let ramp =
                up(speed.saturating_mul(NS_PER_S), member.ramp).saturating_add(2 * period_ns);
            let quick = up(speed.saturating_mul(NS_PER_S), member.quick);
            ramp_ns = ramp.max(ramp_ns);
            let lost = quick.saturating_add(member.watchdog_ns);
            rest_ns = rest_ns.max(ramp.max(lost).saturating_add(member.answer_ns));
            slow = slow.min(member.slow);
        }
        rest_ns = rest_ns.max(ramp_ns);
        let rest_ns = u64::try_from(rest_ns).unwrap_or(u64::MAX);
        Self { rest_ns, ramp_ns, period_ns, speed: None, slow }
    }

    /// The same group on a path at `speed`, with motion that is told so and obeys.
    #[must_use]
    pub fn at_speed(&self, members: &[Member], speed: i64) -> Self {
        let speed = i128::from(speed);
        let still = Self::rest(members, self.period_ns, |member| member.gain(self.period_ns));
        let turn_ns = members.iter().map(|member| member.turn_ns).max().unwrap_or(0);
        let slowing = up(speed.saturating_mul(NS_PER_S), self.slow.max(1)).saturating_add(turn_ns);
        let slowing = u64::try_from(slowing).unwrap_or(u64::MAX);
        Self { rest_ns: still.rest_ns.saturating_add(slowing), speed: Some(speed), ..still }
    }

    /// Where an axis can be until it stands: the longest of all ways, from where it is and from where it was sent.
    #[must_use]
    // SR-063
    pub fn of_axis(&self, member: &Member, facts: &AxisFacts) -> Span {
        let low = i128::from(facts.position.0.min(facts.commanded.0));
        let high = i128::from(facts.position.0.max(facts.commanded.0));
        let down = self.travel(member, facts, -1);
        let up = self.travel(member, facts, 1);
        Span { low: narrow(low.saturating_sub(down)), high: narrow(high.saturating_add(up)) }
    }

    /// How far in the direction of `sign`.
    fn travel(&self, member: &Member, facts: &AxisFacts, sign: i128) -> i128 {
        let now = member.towards(facts, sign, self.period_ns);
        let Some(speed) = self.speed else {
            return self.gate(member, now).max(self.twin(member, facts, now, sign));
        };
        // Only where it goes, or may begin to go, it can get that fast.
        let idle = self.gate(member, member.gain(self.period_ns)).saturating_add(member.margin);
        if !member.moves(facts) || now > member.gain(self.period_ns).saturating_mul(2) {
            let lead_ns = member.answer_ns + member.watchdog_ns + member.turn_ns;
            let lead = up(speed.saturating_mul(lead_ns), NS_PER_S);
            let slowing = up(speed.saturating_mul(speed), self.slow.saturating_mul(2).max(1));
            return idle.saturating_add(lead).saturating_add(slowing);
        }
        idle
    }

    /// Without asking the twin: as far as integers say.
    fn gate(&self, member: &Member, speed: i128) -> i128 {
        let ramp = up(speed.saturating_mul(self.ramp_ns), 2 * NS_PER_S);
        let quick = up(speed.saturating_mul(speed), member.quick.saturating_mul(2));
        let lost = up(speed.saturating_mul(member.watchdog_ns), NS_PER_S).saturating_add(quick);
        up(speed.saturating_mul(member.answer_ns), NS_PER_S).saturating_add(ramp.max(lost))
    }

    /// What the twin predicts from how it moves now, and what it may gain until the stop begins.
    // SR-064
    fn twin(&self, member: &Member, facts: &AxisFacts, speed: i128, sign: i128) -> i128 {
        let gain = member.gain(self.period_ns);
        let before = speed.saturating_sub(gain).max(0);
        let away = i128::from(facts.velocity.0) * sign <= 0
            && i128::from(facts.commanded_velocity.0) * sign <= 0;
        let stopping = facts.stopping.0.max(facts.stopping_worst.0);
        let stopping = if away { member.margin } else { i128::from(stopping).max(member.margin) };
        let until = up(speed.saturating_mul(self.period_ns), NS_PER_S);
        let longer = up(gain.saturating_mul(member.answer_ns + member.watchdog_ns), NS_PER_S);
        let squares = speed.saturating_mul(speed).saturating_sub(before.saturating_mul(before));
        let faster = up(squares, member.quick.min(member.ramp).saturating_mul(2));
        stopping.saturating_add(until).saturating_add(longer).saturating_add(faster)
    }
}

/// A quotient, rounded up; both ≥ 0, `by` > 0.
fn up(value: i128, by: i128) -> i128 {
    value.saturating_add(by - 1) / by.max(1)
}

fn narrow(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}
