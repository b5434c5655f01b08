//! Taking a cycle's inputs: what is good becomes position, torque, switches and state; what is not good leaves the last value.

use super::cia402::DriveState;
use super::scale::{self, Unwrapped};
use super::{Axis, AxisEvent, ReferenceNews, saturated};
use crate::signal::{Quality, SignalId, Signals};
use twin_lite::{Nano, taped};

/// Bits of 0x60FD.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Switches {
    /// Negative limit switch.
    pub limit_negative: bool,
    /// Positive limit switch.
    pub limit_positive: bool,
    /// Reference switch.
    pub reference: bool,
    /// The index pulse was seen since the last cycle.
    pub index: bool,
}

taped!(Switches { limit_negative, limit_positive, reference, index });

impl Switches {
    fn from_bits(bits: i64) -> Self {
        let on = |bit: u32| bits >> bit & 1 == 1;
        Self { limit_negative: on(0), limit_positive: on(1), reference: on(2), index: on(16) }
    }
}

impl Axis {
    /// Takes this cycle's inputs: statusword, counts, torque, error code, switches. What is not good keeps its last value;
    /// `inputs_good` tells. Then the drive's power and faults move the PLCopen state.
    pub fn sense(&mut self, signals: &Signals, now: u64) {
        // Ages are judged by those who set limits to them; the axis needs no clock of its own.
        let _ = now;
        self.rebased = Nano::ZERO;
        self.news = self.not_found.take().map(ReferenceNews::NotFound);
        if let Some(offset) = self.found.take() {
            self.take_over(offset);
        }
        let statusword = signals.good(self.plan.signals.statusword).map(scale::low_word);
        let state = statusword.map(DriveState::from_statusword);
        // SR-027
        // A drive that initialises has written no position yet: the frame brings what its memory held.
        let initialises = state == Some(DriveState::NotReadyToSwitchOn);
        let missing = signals.get(self.plan.signals.actual_position).quality == Quality::Missing;
        if missing || initialises {
            self.restarted();
        }
        let counts = signals.good(self.plan.signals.actual_position).filter(|_| !initialises);
        self.inputs_good = statusword.is_some() && counts.is_some();
        self.statusword = statusword.unwrap_or(self.statusword);
        self.drive_state = state.unwrap_or(self.drive_state);
        self.sense_optional(signals);
        if let Some(counts) = counts {
            self.sense_position(scale::raw(counts));
        }
        let elapsed = counts.is_some().then(|| self.elapsed(signals));
        let refused = self.twin.refused();
        self.twin.update(self.position.units(), self.torque_permille, elapsed);
        // SR-050
        self.twin_refused = self.twin.refused() != refused;
        self.elapsed = elapsed;
        if self.inputs_good {
            self.follow_drive();
        }
    }

    /// The drive was switched on anew: where it counts from now is not known. An encoder that keeps its place is looked at again.
    fn restarted(&mut self) {
        if self.counter.take().is_some() {
            self.kept = self.keeps_reference().then_some(self.offset);
            (self.referenced, self.is_restarted) = (false, true);
            self.drive_state = DriveState::Unknown;
        }
    }

    /// Time between the samplings of this cycle's good position and of the one before, ns; 0: the same sample came twice.
    fn elapsed(&mut self, signals: &Signals) -> u64 {
        let at = signals.get(self.plan.signals.actual_position).at;
        at.saturating_sub(core::mem::replace(&mut self.sampled_at, at))
    }

    fn sense_optional(&mut self, signals: &Signals) {
        let mut take = |id: Option<SignalId>| -> Option<i64> {
            let value = signals.good(id?);
            self.inputs_good &= value.is_some();
            value
        };
        let torque = take(self.plan.signals.actual_torque);
        let error_code = take(self.plan.signals.error_code);
        let switches = take(self.plan.signals.digital_inputs);
        let touch_probe = take(self.plan.signals.touch_probe_position);
        if let Some(torque) = torque {
            self.torque_permille = scale::low_word(torque).cast_signed();
        }
        if let Some(error_code) = error_code {
            self.error_code = scale::low_word(error_code);
        }
        self.touch_probe = touch_probe.map(scale::raw);
        match switches {
            Some(bits) => self.switches = Switches::from_bits(bits),
            // An edge that is old is none.
            None => self.switches.index = false,
        }
    }

    fn sense_position(&mut self, raw: i32) {
        let (first, before) = (self.counter.is_none(), self.position);
        let counter = self.counter.get_or_insert(Unwrapped::new(raw));
        let counts = counter.update(raw);
        if let Some(offset) = self.kept.take() {
            self.place(counts, offset);
        }
        let mut position = self.scale.position(counts);
        if let Some(wrap) = self.plan.wrap
            && wrap > Nano::ZERO
        {
            let wrap = i128::from(wrap.0);
            // Dividing is slow in 128 bits, and nearly always needless.
            if !(0..wrap).contains(&position) {
                let turns = position.div_euclid(wrap); // integer
                self.turns = self.turns.saturating_add(saturated(turns));
                self.rebase(-turns * wrap);
                position -= turns * wrap;
            }
        }
        self.position = Nano(saturated(position));
        if first {
            if core::mem::take(&mut self.is_restarted) {
                // Not a movement: the model goes on from there.
                self.twin.shift(Nano(self.position.0.saturating_sub(before.0)).units());
            }
            self.commanded = self.position;
            self.rebased = Nano::ZERO;
        }
    }

    /// The offset of an earlier homing meets the first position. The encoder may have gone through its range meanwhile, or the
    /// drive's 32 bits through theirs: of all places that fit what the encoder shows, the axis is at the one nearest to the middle of
    /// its travel (`config` has checked that the next one is out of reach). Endless axes: every fitting place is the same one.
    fn place(&mut self, counts: i64, offset: Nano) {
        let mut origin = i128::from(offset.0);
        if let Some((from, to)) = self.plan.limits.position {
            let middle = (i128::from(from.0) + i128::from(to.0)) / 2;
            let range = self.plan.keeps.and_then(|counts| i64::try_from(counts).ok());
            if let Some(range) = range.filter(|range| *range > 0) {
                let length = self.scale.length(range).max(1);
                let beyond = self.scale.length(counts) + origin - middle;
                let ranges = (beyond + length / 2).div_euclid(length); // integer
                origin -= self.scale.length(saturated(ranges.saturating_mul(i128::from(range))));
            }
            let position = self.scale.length(counts) + origin;
            let slack = i128::from(self.plan.limits.following_error.0);
            if position < i128::from(from.0) - slack || position > i128::from(to.0) + slack {
                self.news = Some(ReferenceNews::Refused(Nano(saturated(position))));
                return;
            }
        }
        self.scale.set_origin(origin);
        self.offset = Nano(saturated(origin));
        self.referenced = true;
        self.news = Some(ReferenceNews::Kept);
    }

    /// Power and faults of the drive move the PLCopen state.
    fn follow_drive(&mut self) {
        let event = if self.drive_state.is_fault() {
            AxisEvent::Fault
        } else if self.is_enabled() {
            AxisEvent::PowerOn
        } else {
            AxisEvent::PowerOff
        };
        self.apply(event);
    }

    /// Everything shifts by `delta`, nano-units.
    fn rebase(&mut self, delta: i128) {
        self.scale.set_origin(self.scale.origin() + delta);
        let delta = Nano(saturated(delta));
        self.rebased = Nano(self.rebased.0.saturating_add(delta.0));
        self.position = Nano(self.position.0.saturating_add(delta.0));
        self.commanded = Nano(self.commanded.0.saturating_add(delta.0));
        self.twin.shift(delta.units());
    }

    fn take_over(&mut self, offset: Nano) {
        let before = self.scale.origin();
        self.offset = offset;
        self.turns = 0;
        self.rebase(i128::from(offset.0) - before);
        self.referenced = true;
        self.news = Some(ReferenceNews::Found);
    }
}
