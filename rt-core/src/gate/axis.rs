//! The gate's side of one axis: what it was sent, what was seen of it, and what it may not do whatever it is sent.

use super::envelope::{Envelope, EnvelopePlan, Seen};
use super::limits::{AxisCheck, Track, Violation};
use super::power::{Holding, Power};
use crate::axis::cia402;
use crate::interlock::{AxisFacts, still};
use crate::plan::{AxisId, AxisPlan, AxisSignals, BrakePlan, Directions, StopWay};
use crate::record::GateLimit;
use twin_lite::{Nano, taped};

/// Torque may be above its limit for so long, ns: current loops overshoot.
const TORQUE_PATIENCE_NS: u64 = 20_000_000;
/// A velocity that comes of rounding has no direction, nano-units a cycle.
const ROUNDING: i64 = 1;

/// One axis.
#[derive(Clone, Debug)]
pub(super) struct AxisGate {
    pub(super) id: AxisId,
    pub(super) signals: AxisSignals,
    pub(super) brake: Option<BrakePlan>,
    pub(super) holding: Holding,
    pub(super) vertical: bool,
    pub(super) still: Nano,
    pub(super) check: AxisCheck,
    /// What was sent last.
    pub(super) track: Track,
    /// What was sent when the ramp began.
    pub(super) start: Track,
    seen: Seen,
    plan: EnvelopePlan,
    envelope: Option<Envelope>,
    /// Its drive has torque by our command.
    driven: bool,
    /// Its drive ignored the quick stop: power is all that can still be taken from it.
    pub(super) ran_on: bool,
    /// Ways that it may go now.
    directions: Directions,
    allowed_ways: Directions,
    torque: TorqueWatch,
    rest: RestWatch,
}

taped!(AxisGate { track, start, seen, envelope, driven, ran_on, directions, torque, rest; id, signals, brake, holding, vertical, still, check, plan, allowed_ways });

/// 0x6077 against the limit that the drive was given.
#[derive(Clone, Copy, Debug)]
struct TorqueWatch {
    /// ‰, tolerance included; `None`: not watched.
    most: Option<i32>,
    limit: u16,
    patience: u32,
    beyond: u32,
}

taped!(TorqueWatch { beyond; most, limit, patience });

/// What hangs must stay where its torque was taken from it.
#[derive(Clone, Copy, Debug)]
struct RestWatch {
    /// Where it was; `None`: it has torque, or was not seen yet.
    at: Option<i64>,
    most: i64,
    told: bool,
}

taped!(RestWatch { at, told; most });

impl AxisGate {
    /// `None`: a limit cannot be held.
    pub(super) fn new(axis: &AxisPlan, id: AxisId, period_ns: u64) -> Option<Self> {
        let patience = TORQUE_PATIENCE_NS.div_ceil(period_ns.max(1));
        let tolerance = |limit: u16| i32::from(limit) + i32::from((limit / 20).max(10));
        Some(Self {
            id,
            signals: axis.signals,
            brake: axis.brake,
            holding: match axis.brake {
                None => Holding::Nothing,
                Some(BrakePlan { release: Some(_), .. }) => Holding::Output,
                Some(BrakePlan { release: None, .. }) => Holding::Drive,
            },
            vertical: axis.vertical,
            still: still(axis.limits.velocity),
            check: AxisCheck::new(axis, period_ns)?,
            track: Track::default(),
            start: Track::default(),
            seen: Seen::default(),
            plan: EnvelopePlan::new(axis, period_ns),
            envelope: None,
            driven: false,
            ran_on: false,
            directions: axis.limits.direction,
            allowed_ways: axis.limits.direction,
            torque: TorqueWatch {
                most: axis.limits.torque_permille.map(tolerance),
                limit: axis.limits.torque_permille.unwrap_or(0),
                patience: u32::try_from(patience).unwrap_or(u32::MAX),
                beyond: 0,
            },
            rest: RestWatch { at: None, most: axis.limits.following_error.0, told: false },
        })
    }

    /// Positions are counted from elsewhere.
    pub(super) fn shift(&mut self, by: i64) {
        self.track.position = self.track.position.saturating_add(by);
        self.start.position = self.start.position.saturating_add(by);
        self.rest.at = self.rest.at.map(|at| at.saturating_add(by));
        self.seen.shift(by);
    }

    /// What is known of it in this cycle; `None`: nothing.
    pub(super) fn look(&mut self, facts: Option<&AxisFacts>) {
        let seen = facts.filter(|facts| facts.view.inputs_good);
        self.seen.take(seen.map(|facts| facts.position));
        self.driven = facts.is_some_and(|facts| facts.view.enabled || facts.quick_stopping);
        let now = facts.map_or(Directions::BOTH, |facts| facts.directions);
        self.directions = self.allowed_ways.and(now);
    }

    /// It moves, as commanded, where it may not go any more.
    pub(super) fn is_blocked(&self) -> bool {
        !self.may_go(self.track.velocity)
    }

    fn may_go(&self, velocity: i64) -> bool {
        velocity.saturating_abs() <= ROUNDING || self.directions.allow(velocity)
    }

    /// Whether it may go where `asked` goes.
    pub(super) fn check_direction(&self, asked: &Track) -> Result<(), Violation> {
        if self.may_go(asked.velocity) {
            return Ok(());
        }
        let asked = self.check.per_second(asked.velocity, 1);
        Err(Violation { limit: GateLimit::Direction, asked, allowed: Nano::ZERO })
    }

    /// What its drive is told while the group is in `power`.
    pub(super) fn drive(&self, power: Power) -> cia402::Power {
        let told = power.drive(self.vertical, self.holding);
        let cutting = matches!(power, Power::Cutting { .. });
        // A quick stop that was ignored is not asked for again.
        if cutting && self.ran_on && told == cia402::Power::QuickStop {
            return cia402::Power::Off;
        }
        told
    }

    /// Its stop begins; `ramp_cycles`: of the whole group.
    pub(super) fn begin_stop(&mut self, way: StopWay, ramp_cycles: i64) {
        let commanded = self.track.velocity;
        let fall = commanded.saturating_abs() / ramp_cycles.max(1);
        let seen = self.seen.speed();
        self.envelope = Some(Envelope::begin(&self.plan, way, commanded, seen, fall));
    }

    /// Where it is, and so how fast, is known.
    pub(super) fn is_seen(&self) -> bool {
        self.seen.speed().is_some()
    }

    /// While it stops and is driven: the stop does not happen, and by how much.
    pub(super) fn runs_on(&mut self) -> Option<Violation> {
        let envelope = self.envelope.as_mut().filter(|_| self.driven)?;
        let allowed = envelope.allowed();
        let seen = self.seen.speed();
        if !envelope.escalates(&self.plan, seen) {
            return None;
        }
        let asked = seen.map_or(Nano::MAX, |speed| self.check.per_second(speed, 1));
        let allowed = self.check.per_second(allowed, 1);
        Some(Violation { limit: GateLimit::Envelope, asked, allowed })
    }

    /// Its torque is above what its drive was told to hold, for longer than a current loop overshoots.
    pub(super) fn pulls_too_hard(&mut self, facts: Option<&AxisFacts>) -> Option<Violation> {
        let most = self.torque.most?;
        let torque = facts.map_or(0, |facts| i32::from(facts.view.torque_permille)).abs();
        let beyond = if torque > most { self.torque.beyond.saturating_add(1) } else { 0 };
        self.torque.beyond = beyond;
        // Told once, in the cycle in which patience ends.
        (beyond == self.torque.patience.saturating_add(1)).then(|| Violation {
            limit: GateLimit::Torque,
            asked: permille(torque),
            allowed: permille(i32::from(self.torque.limit)),
        })
    }

    /// It hangs, its torque was taken, and its brake does not hold it.
    pub(super) fn falls(&mut self, powered: bool, facts: Option<&AxisFacts>) -> Option<Violation> {
        let facts = facts.filter(|facts| facts.view.inputs_good)?;
        if powered || !self.vertical {
            self.rest.at = None;
            self.rest.told = false;
            return None;
        }
        let at = *self.rest.at.get_or_insert(facts.position.0);
        let moved = facts.position.0.saturating_sub(at);
        if self.rest.told || moved.saturating_abs() <= self.rest.most {
            return None;
        }
        self.rest.told = true;
        let (asked, allowed) = (Nano(moved), Nano(self.rest.most));
        Some(Violation { limit: GateLimit::Fall, asked, allowed })
    }
}

/// A torque in ‰ of rated, as a share: 1 is rated.
fn permille(torque: i32) -> Nano {
    Nano(i64::from(torque).saturating_mul(1_000_000))
}
