//! Causes in words, with their parameters and the names of the machine file.

use config::Machine;
use rt_core::plan::{AxisId, Cause, DualChannelKind};
use rt_core::signal::SignalId;
use rt_core::vision::StreamId;

use crate::labels::Labels;
use crate::report::duration;

/// The names that causes are told with.
pub(super) struct Words<'a> {
    pub(super) machine: &'a Machine,
    pub(super) labels: &'a Labels,
}

impl Words<'_> {
    fn signal(&self, id: SignalId) -> &str {
        self.labels.signal(id)
    }

    fn zone(&self, stream: StreamId, zone: u8) -> String {
        let name = self.machine.names.zone(stream.0, zone).unwrap_or("?");
        format!("zone {name} of {}", self.labels.stream(stream))
    }

    fn limits(&self, axis: AxisId) -> String {
        let plan = self.machine.plan.axes.get(usize::from(axis.0));
        match plan.and_then(|plan| plan.limits.position) {
            Some((low, high)) => {
                let unit = self.labels.axis_unit(axis);
                format!("{} to {} {unit}", low.units(), high.units())
            }
            None => "none: it demands for ever".to_owned(),
        }
    }

    fn unit(&self, unit: u8) -> &str {
        self.machine.bus.sync_units.get(usize::from(unit)).map_or("?", |name| name)
    }

    /// When it demands.
    pub(super) fn cause(&self, cause: &Cause) -> String {
        let axis = |axis: &AxisId| self.labels.axis(*axis);
        match cause {
            Cause::DualChannel { a, b, discrepancy_ns, kind } => {
                let what = match kind {
                    DualChannelKind::EmergencyStop => "emergency stop",
                    DualChannelKind::GuardDoor => "guard door",
                };
                format!(
                    "{what}: {} or {} is 0, or they differ for more than {}",
                    self.signal(*a),
                    self.signal(*b),
                    duration(*discrepancy_ns)
                )
            }
            Cause::Zone { stream, zone } => {
                let age = self.machine.plan.streams.get(usize::from(stream.0));
                let age = age.map_or(0, |stream| stream.age_max_ns);
                format!(
                    "{} is not clear, or no verified picture younger than {} says so",
                    self.zone(*stream, *zone),
                    duration(age)
                )
            }
            Cause::TwinLimit { axis: id } => format!(
                "the twin predicts that {} cannot stop within its soft limits ({})",
                axis(id),
                self.limits(*id)
            ),
            Cause::TwinZone { axis: id, stream, zone, from, to } => format!(
                "{} is not clear, and {} is in {} to {} {} or the twin predicts that it would come there",
                self.zone(*stream, *zone),
                axis(id),
                from.units(),
                to.units(),
                self.labels.axis_unit(*id)
            ),
            Cause::FollowingError { axis: id } => {
                let plan = self.machine.plan.axes.get(usize::from(id.0));
                let limit = plan.map_or(0.0, |plan| plan.limits.following_error.units());
                let unit = self.labels.axis_unit(*id);
                format!("{} is more than {limit} {unit} from where it should be", axis(id))
            }
            Cause::DriveFault { axis: id } => format!("the drive of {} reports a fault", axis(id)),
            Cause::TargetIgnored { axis: id } => {
                format!(
                    "{} is enabled and its drive ignores the target (statusword bit 12)",
                    axis(id)
                )
            }
            Cause::WorkingCounter { unit, cycles } => format!(
                "{cycles} cycles in a row without valid process data of {}",
                self.unit(*unit)
            ),
            Cause::Bus => {
                "the bus is not operational: a device is not in Op, or the link is lost".to_owned()
            }
            Cause::DcUnlocked => "the distributed clocks are not in step".to_owned(),
            Cause::Overrun => match self.machine.plan.overrun.demand {
                Some(limit) => format!("more than {} late cycles in {}", limit.count, limit.cycles),
                None => "never: no overrun limit is configured".to_owned(),
            },
            Cause::Supervisor { age_max_ns } => {
                format!("the supervisor's heartbeat is older than {}", duration(*age_max_ns))
            }
            Cause::Input { signal } => format!("{} is not 1", self.signal(*signal)),
        }
    }

    /// When its demand ends.
    pub(super) fn clear(&self, cause: &Cause) -> String {
        match cause {
            Cause::DualChannel { .. } => {
                "both channels are 1; after they differed too long, both must have been 0 before"
                    .to_owned()
            }
            Cause::Zone { .. } => "a fresh verified picture says that the zone is clear".to_owned(),
            Cause::TwinLimit { .. } => "the axis can stop within its limits".to_owned(),
            Cause::TwinZone { .. } => {
                "the zone is clear, or the axis is out of it and stays out".to_owned()
            }
            Cause::FollowingError { .. } => "the axis is where it should be".to_owned(),
            Cause::DriveFault { .. } => {
                "the drive's fault is gone; an accepted reset sends its fault reset".to_owned()
            }
            Cause::TargetIgnored { .. } => "the drive follows, or is not enabled".to_owned(),
            Cause::WorkingCounter { .. } => {
                "one exchange with the expected working counter".to_owned()
            }
            Cause::Bus => "every device is in Op".to_owned(),
            Cause::DcUnlocked => "the clocks are in step".to_owned(),
            Cause::Overrun => "the late cycles are long enough ago".to_owned(),
            Cause::Supervisor { .. } => "the heartbeat is back".to_owned(),
            Cause::Input { .. } => "the input is 1, and fresh".to_owned(),
        }
    }
}
