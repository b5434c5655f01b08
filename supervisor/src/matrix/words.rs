//! Causes in words, with their parameters and the names of the machine file.

use config::Machine;
use rt_core::interlock::Band;
use rt_core::plan::{AxisId, Cause, DualChannelKind, Watched};
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
                    DualChannelKind::Equivalent => "two contacts",
                    DualChannelKind::LightCurtain => "light curtain",
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
            cause => self.device(cause),
        }
    }

    /// When a device, a contactor, a request or a limit demands.
    fn device(&self, cause: &Cause) -> String {
        let axis = |axis: &AxisId| self.labels.axis(*axis);
        match cause {
            Cause::Antivalent { closed, open, discrepancy_ns } => format!(
                "{} is 0 or {} is 1, or they say the same for more than {}",
                self.signal(*closed),
                self.signal(*open),
                duration(*discrepancy_ns)
            ),
            Cause::EnablingSwitch { a, b } => format!(
                "the enabling switch ({}, {}) is not held in its middle, coming from let go",
                self.signal(*a),
                self.signal(*b)
            ),
            Cause::TwoHand { a, b, synchronous_ns } => format!(
                "{} and {} are not pressed within {} and held",
                self.signal(*a),
                self.signal(*b),
                duration(*synchronous_ns)
            ),
            Cause::Muting(plan) => {
                let sensors = plan.sensors.iter().flatten().map(|sensor| self.signal(*sensor));
                format!(
                    "light curtain: {} or {} is 0, unless a part covers {} in their order (within {}, for at most {})",
                    self.signal(plan.a),
                    self.signal(plan.b),
                    sensors.collect::<Vec<_>>().join(", "),
                    duration(plan.entry_ns),
                    duration(plan.muting_ns)
                )
            }
            Cause::Edm { output, feedback, second, time_ns } => {
                let contacts = [Some(*feedback), *second].into_iter().flatten();
                let contacts: Vec<&str> = contacts.map(|contact| self.signal(contact)).collect();
                format!(
                    "{} does not follow {} within {}",
                    contacts.join(" or "),
                    self.signal(*output),
                    duration(*time_ns)
                )
            }
            Cause::SafetyRequest { request, confirmation, time_ns } => format!(
                "{} asks to be safe and {} does not confirm it within {}",
                self.signal(request.signal),
                self.signal(confirmation.signal),
                duration(*time_ns)
            ),
            Cause::Threshold { of, band } => self.threshold(*of, band),
            Cause::NotReferenced { axis: id } => format!("{} has no reference", axis(id)),
            Cause::StaleVision { stream } => {
                format!("{} brings no fresh verified picture", self.labels.stream(*stream))
            }
            _ => "the mode selector says no mode, or was just turned".to_owned(),
        }
    }

    fn threshold(&self, of: Watched, band: &Band) -> String {
        let (what, unit, scale) = match of {
            Watched::Signal(signal) => (self.signal(signal).to_owned(), String::new(), 1.0),
            Watched::Speed(axis) => {
                let name = format!("the speed of {}", self.labels.axis(axis));
                (name, format!(" {}/s", self.labels.axis_unit(axis)), 1e9)
            }
            Watched::Position(axis) => {
                let name = format!("the position of {}", self.labels.axis(axis));
                (name, format!(" {}", self.labels.axis_unit(axis)), 1e9)
            }
            Watched::Torque(axis) => (
                format!("the torque of {}", self.labels.axis(axis)),
                " % of rated".to_owned(),
                10.0,
            ),
        };
        #[expect(clippy::cast_precision_loss, reason = "for people")]
        let value = |limit: i64| format!("{}{unit}", limit as f64 / scale);
        let limits = match (band.low, band.high) {
            (Some(low), Some(high)) => format!("outside {} to {}", value(low), value(high)),
            (Some(low), None) => format!("below {}", value(low)),
            (None, Some(high)) => format!("above {}", value(high)),
            (None, None) => "not known".to_owned(),
        };
        format!("{what} is {limits} for {}", duration(band.filter_ns))
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
            Cause::Antivalent { .. } => {
                "the contacts say the opposite again; after an error both must have been open before"
                    .to_owned()
            }
            Cause::EnablingSwitch { .. } => "it is let go, then held in its middle".to_owned(),
            Cause::TwoHand { .. } => "both are released, then pressed together and held".to_owned(),
            Cause::Muting(_) => {
                "the curtain is free; after an error all sensors are free, too".to_owned()
            }
            Cause::Edm { .. } => "the contactor does what it is told; after an error: off".to_owned(),
            Cause::SafetyRequest { .. } => {
                "the request is confirmed, or was withdrawn in time".to_owned()
            }
            Cause::Threshold { .. } => "the value is back by its hysteresis".to_owned(),
            Cause::NotReferenced { .. } => "the axis is homed".to_owned(),
            Cause::StaleVision { .. } => "a fresh verified picture has come".to_owned(),
            Cause::ModeSelector => "exactly one mode is selected".to_owned(),
        }
    }
}
