//! What the cycle exchanges with the other side, once a cycle, lock-free.

use crate::record::Record;
use crate::vision::VisionInputs;

/// What the other side asks and says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Command {
    /// End in a controlled way: stop the axes, engage brakes, take power, then end.
    pub shutdown: bool,
    /// Last heartbeat of the supervisor, ns of CLOCK_MONOTONIC; 0 = never.
    pub supervisor_at: u64,
}

/// The loop's ends of the channels. No call allocates, blocks, retries or fails.
pub trait Ports {
    /// The newest result of each vision stream.
    fn vision(&mut self) -> &VisionInputs;

    /// The newest command.
    fn command(&mut self) -> Command;

    /// Leaves a record; full: it is dropped and counted by the port.
    fn record(&mut self, record: Record);
}
