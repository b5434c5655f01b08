//! Finding the reference: CiA 402 methods 35/37 (here), and a reference switch with the encoder's index pulse.
//!
//! Homing asks for velocities and says where the reference was; motion turns the velocities into set-points, so that gate and
//! interlocks hold while an axis is being homed as they do always.

use super::Axis;
use crate::plan::HomingPlan;
use twin_lite::{Nano, taped, taped_enum};

/// What homing wants in this cycle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Ask {
    /// This velocity, signed, per s.
    Velocity(Nano),
    /// Found: the axis was at `position` when its counter was at `counts`.
    Found {
        /// Counts, over all wraps.
        counts: i64,
        /// What that place is called.
        position: Nano,
    },
    /// The axis knows where it is; nothing is to be found.
    Known,
    /// It cannot be found.
    Failed(Failure),
}

/// Why homing failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Failure {
    /// It took longer than the plan allows.
    #[default]
    Timeout,
    /// Both limit switches were met, or the wrong one.
    NoSwitch,
    /// The drive maps no switches (0x60FD).
    NotMapped,
    /// The offset in the machine file does not fit the axis.
    NotKept,
    /// Off the switch, and no index pulse within a turn of the motor and what is to spare.
    NoIndex,
}

taped_enum!(Failure { 0: Timeout, 1: NoSwitch, 2: NotMapped, 3: NotKept, 4: NoIndex });

impl Failure {
    /// Its number in files, never given a new meaning.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Timeout => 0,
            Self::NoSwitch => 1,
            Self::NotMapped => 2,
            Self::NotKept => 3,
            Self::NoIndex => 4,
        }
    }

    /// The one of this number.
    #[must_use]
    pub fn of(number: u8) -> Option<Self> {
        let all = [Self::Timeout, Self::NoSwitch, Self::NotMapped, Self::NotKept, Self::NoIndex];
        all.into_iter().find(|failure| failure.number() == number)
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    /// The reference is kept: coming to rest.
    #[default]
    Known,
    /// Coming to rest to call this place by its name.
    Here,
    /// Towards the switch.
    Search,
    /// Away from a limit switch, over the reference switch, to come from the right side.
    Return { seen: bool },
    /// The switch was met: to rest, then back off it, slowly.
    Meet,
    /// Off the switch: it must be seen on, then off.
    BackOff { seen: bool },
    /// Off it, where the counter stood at `left`: the next index pulse counts.
    Index { left: i64 },
    /// To rest, then done.
    Rest { counts: i64 },
}

taped_enum!(Phase {
    0: Known,
    1: Here,
    2: Search,
    3: Return { seen },
    4: Meet,
    5: BackOff { seen },
    6: Index { left },
    7: Rest { counts },
});

/// One homing under way.
#[derive(Clone, Copy, Debug, Default)]
pub struct Homing {
    phase: Phase,
    started_at: u64,
}

taped!(Homing { phase, started_at });

/// Method 35/37 needs only the axis at rest; longer than this it never comes to rest.
const HERE_TIMEOUT_NS: u64 = 10_000_000_000;

impl Homing {
    /// Homing of `axis` that begins at `now`.
    #[must_use]
    pub fn new(axis: &Axis, now: u64) -> Self {
        let phase = match axis.plan().homing {
            _ if axis.keeps_reference() => Phase::Known,
            HomingPlan::SwitchIndex { .. } => Phase::Search,
            HomingPlan::Here { .. } | HomingPlan::Kept { .. } => Phase::Here,
        };
        Self { phase, started_at: now }
    }

    /// Soft limits do not hold on the way to the switch.
    #[must_use]
    pub fn loses_reference(&self) -> bool {
        self.phase == Phase::Search
    }

    /// One cycle.
    #[must_use]
    pub fn cycle(&mut self, axis: &Axis, now: u64) -> Ask {
        let age = now.saturating_sub(self.started_at);
        if self.phase == Phase::Known {
            return Self::at_rest(axis, age, Ask::Known);
        }
        match axis.plan().homing {
            HomingPlan::Here { position } => {
                let counts = axis.counts();
                let found = |counts| Ask::Found { counts, position };
                Self::at_rest(axis, age, counts.map_or(Ask::Velocity(Nano::ZERO), found))
            }
            HomingPlan::Kept { .. } => Ask::Failed(Failure::NotKept),
            HomingPlan::SwitchIndex {
                positive,
                velocity_search,
                velocity_latch,
                position,
                index_counts_max,
                timeout_ns,
            } => {
                if age > timeout_ns {
                    return Ask::Failed(Failure::Timeout);
                }
                let search = Search {
                    positive,
                    velocity_search,
                    velocity_latch,
                    position,
                    index_counts_max,
                };
                self.search(axis, search)
            }
        }
    }

    /// `then`, once the axis stands.
    fn at_rest(axis: &Axis, age: u64, then: Ask) -> Ask {
        if axis.counts().is_some() && axis.is_standing() {
            then
        } else if age > HERE_TIMEOUT_NS {
            Ask::Failed(Failure::Timeout)
        } else {
            Ask::Velocity(Nano::ZERO)
        }
    }
}

/// The numbers of `HomingPlan::SwitchIndex`.
#[derive(Clone, Copy, Debug)]
struct Search {
    positive: bool,
    velocity_search: Nano,
    velocity_latch: Nano,
    position: Nano,
    index_counts_max: i64,
}

impl Search {
    fn forward(&self, speed: Nano) -> Ask {
        Ask::Velocity(if self.positive { speed } else { Nano(-speed.0) })
    }

    fn backward(&self, speed: Nano) -> Ask {
        Ask::Velocity(if self.positive { Nano(-speed.0) } else { speed })
    }
}

impl Homing {
    fn search(&mut self, axis: &Axis, search: Search) -> Ask {
        if axis.plan().signals.digital_inputs.is_none() {
            return Ask::Failed(Failure::NotMapped);
        }
        let switches = axis.switches();
        let (ahead, behind) = if search.positive {
            (switches.limit_positive, switches.limit_negative)
        } else {
            (switches.limit_negative, switches.limit_positive)
        };
        match self.phase {
            Phase::Known | Phase::Here | Phase::Search => {
                if switches.reference {
                    self.phase = Phase::Meet;
                    return Ask::Velocity(Nano::ZERO);
                }
                if ahead {
                    self.phase = Phase::Return { seen: false };
                    return Ask::Velocity(Nano::ZERO);
                }
                search.forward(search.velocity_search)
            }
            Phase::Return { seen } => {
                if behind {
                    return Ask::Failed(Failure::NoSwitch);
                }
                if seen && !switches.reference {
                    self.phase = Phase::Search;
                    return Ask::Velocity(Nano::ZERO);
                }
                self.phase = Phase::Return { seen: seen || switches.reference };
                search.backward(search.velocity_search)
            }
            Phase::Meet => {
                if axis.is_standing() {
                    self.phase = Phase::BackOff { seen: switches.reference };
                }
                Ask::Velocity(Nano::ZERO)
            }
            Phase::BackOff { .. } | Phase::Index { .. } if behind => Ask::Failed(Failure::NoSwitch),
            Phase::BackOff { seen } => {
                self.phase = match axis.counts() {
                    Some(left) if seen && !switches.reference => Phase::Index { left },
                    Some(_) | None => Phase::BackOff { seen: seen || switches.reference },
                };
                search.backward(search.velocity_latch)
            }
            Phase::Index { left } => {
                if switches.index
                    && let Some(counts) = axis.index_counts()
                {
                    self.phase = Phase::Rest { counts };
                    return Ask::Velocity(Nano::ZERO);
                }
                let gone = axis.counts().map_or(0, |counts| counts.abs_diff(left));
                if gone > search.index_counts_max.unsigned_abs() {
                    return Ask::Failed(Failure::NoIndex);
                }
                search.backward(search.velocity_latch)
            }
            Phase::Rest { counts } => {
                if axis.is_standing() {
                    Ask::Found { counts, position: search.position }
                } else {
                    Ask::Velocity(Nano::ZERO)
                }
            }
        }
    }
}
