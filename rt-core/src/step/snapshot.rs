//! What people may know of the machine now: plain data, copied out once a cycle.

use crate::bus::Exchange;
use crate::gate::Power;
use crate::interlock::{Mode, Stop};
use crate::machine::SafeCause;
use crate::plan::MachinePlan;
use crate::program::AxisView;
use crate::record::MachineState;
use twin_lite::Nano;

/// Axes that a snapshot shows.
pub const AXES_SHOWN: usize = 8;
/// Groups that a snapshot shows.
pub const GROUPS_SHOWN: usize = 16;

/// A group, now.
#[derive(Clone, Copy, Debug)]
pub struct GroupStatus {
    /// The strongest stop that is asked; `None`: no stop.
    pub stop: Option<Stop>,
    /// Speed limit, per s; `Nano::MAX`: none.
    pub speed_limit: Nano,
    /// It may move.
    pub permit: bool,
    /// Power and brakes.
    pub power: Power,
}

/// The machine, now. Counters are totals since start.
#[derive(Clone, Copy, Debug)]
pub struct Snapshot {
    /// Number of the cycle.
    pub cycle: u64,
    /// Its time, ns of CLOCK_MONOTONIC.
    pub now: u64,
    /// Machine state.
    pub machine: MachineState,
    /// How it is worked.
    pub mode: Mode,
    /// Why it was safe last.
    pub cause: SafeCause,
    /// Since when it was, ns.
    pub safe_since: u64,
    /// A reset must come before the next start.
    pub reset_needed: bool,
    /// Interlocks that demand.
    pub demanding: u16,
    /// Interlocks that only their latch holds.
    pub latched: u16,
    /// How many groups there are; the first [`GROUPS_SHOWN`] are shown.
    pub group_count: u16,
    /// Groups, by `GroupId`.
    pub groups: [GroupStatus; GROUPS_SHOWN],
    /// How many axes there are; the first [`AXES_SHOWN`] are shown.
    pub axis_count: u16,
    /// Axes, by `AxisId`.
    pub axes: [AxisView; AXES_SHOWN],
    /// What the bus did in this cycle.
    pub exchange: Exchange,
    /// Periods skipped.
    pub missed: u64,
    /// Trips, a group each.
    pub trips: u32,
    /// Set-points that the gate did not pass.
    pub gate_violations: u32,
    /// The step the program is in.
    pub program_step: u16,
    /// Records produced.
    pub records: u64,
}

impl Snapshot {
    /// Before the first cycle.
    #[must_use]
    pub(super) fn new(plan: &MachinePlan) -> Self {
        let group =
            GroupStatus { stop: None, speed_limit: Nano::MAX, permit: false, power: Power::Off };
        Self {
            cycle: 0,
            now: 0,
            machine: MachineState::Boot,
            mode: Mode::Unknown,
            cause: SafeCause::Boot,
            safe_since: 0,
            reset_needed: true,
            demanding: 0,
            latched: 0,
            group_count: u16::try_from(plan.groups.len()).unwrap_or(u16::MAX),
            groups: [group; GROUPS_SHOWN],
            axis_count: u16::try_from(plan.axes.len()).unwrap_or(u16::MAX),
            axes: [AxisView::default(); AXES_SHOWN],
            exchange: Exchange::default(),
            missed: 0,
            trips: 0,
            gate_violations: 0,
            program_step: 0,
            records: 0,
        }
    }
}
