//! What the twin watches and decides, beyond stopping distances.

use super::ThermalModel;
use alloc::boxed::Box;
use twin_lite::taped_enum;

/// What the twin watches and decides.
#[derive(Clone, Debug, Default)]
pub struct TwinPlan {
    /// Slow down before a soft limit.
    pub slow: TwinMode,
    /// Stop before a soft limit.
    pub stop: TwinMode,
    /// Slow down before motor or drive are too warm.
    pub derate: TwinMode,
    /// By `AxisId`; `None`, or none there: its warmth is not watched.
    pub thermal: Box<[Option<ThermalModel>]>,
}

/// What becomes of a decision of the twin, for rolling it out in phases. None of them can allow what would not be allowed without.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum TwinMode {
    /// What it would have done is recorded.
    Observe,
    /// People are told.
    Advise,
    /// It is done.
    #[default]
    Act,
}

taped_enum!(TwinMode { 0: Observe, 1: Advise, 2: Act });
