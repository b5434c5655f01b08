//! Causes in words, with their parameters and the names of the machine file.

use config::Machine;
use rt_core::plan::{AxisId, Cause, DualChannelKind, Watched};
use rt_core::separation::SeparationPlan;
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
                format!(
                    "{}: {} or {} is 0, or they differ for more than {}",
                    contacts(*kind),
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
            Cause::TwinDoubt { axis: id } => format!(
                "the twin's residuals say that {} is heavier than its model, or that encoder and model diverge",
                axis(id)
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
            other => self.block(other),
        }
    }

    /// When a block of its own demands.
    fn block(&self, cause: &Cause) -> String {
        let signal = |id: &SignalId| self.signal(*id);
        match cause {
            Cause::Separation(plan) => self.separation(plan),
            Cause::Antivalent { closed, open, discrepancy_ns } => format!(
                "{} is 0 or {} is 1, or they contradict each other for more than {}",
                signal(closed),
                signal(open),
                duration(*discrepancy_ns)
            ),
            Cause::EnablingSwitch { a, b } => {
                format!(
                    "enabling switch: {} and {} do not say its middle position",
                    signal(a),
                    signal(b)
                )
            }
            Cause::TwoHand { a, b, synchronous_ns } => format!(
                "{} and {} are not held, or were not pressed within {}, or not both let go before",
                signal(a),
                signal(b),
                duration(*synchronous_ns)
            ),
            Cause::Muting(muting) => format!(
                "light curtain: {} or {} is 0, unless it is muted for at most {}",
                signal(&muting.a),
                signal(&muting.b),
                duration(muting.muting_ns)
            ),
            Cause::Edm { output, feedback, second, time_ns } => format!(
                "{}{} does not follow {} within {}",
                signal(feedback),
                second.as_ref().map_or(String::new(), |second| format!(" or {}", signal(second))),
                signal(output),
                duration(*time_ns)
            ),
            Cause::SafetyRequest { request, confirmation, time_ns } => format!(
                "what {} requests is not confirmed by {} within {}",
                signal(&request.signal),
                signal(&confirmation.signal),
                duration(*time_ns)
            ),
            Cause::Threshold { of, .. } => format!("{} is beyond its limits", self.watched(*of)),
            Cause::NotReferenced { axis } => {
                format!("{} has no reference", self.labels.axis(*axis))
            }
            Cause::StaleVision { stream } => {
                format!("no fresh verified picture of {}", self.labels.stream(*stream))
            }
            Cause::Inspection { inspection } => format!(
                "{}: a part that was to be rejected, or something unseen, passed the ejector while it did not act",
                self.labels.inspection(*inspection).0
            ),
            Cause::ModeSelector => {
                "the mode selector says nothing, contradicts itself, or has just been turned"
                    .to_owned()
            }
            _ => "?".to_owned(),
        }
    }

    fn separation(&self, plan: &SeparationPlan) -> String {
        let part = self.machine.names.parts.get(usize::from(plan.part.0));
        format!(
            "{} would not stand before somebody at {} mm/s can be there (C {} mm, Zd {} mm, Zr {} mm), or {} was not \
             seen by a verified picture",
            part.map_or("?", |name| name),
            plan.person_speed.units(),
            plan.intrusion.units(),
            plan.person_uncertainty.units(),
            plan.part_uncertainty.units(),
            self.zone(plan.stream, plan.zone)
        )
    }

    fn watched(&self, of: Watched) -> String {
        match of {
            Watched::Signal(signal) => self.signal(signal).to_owned(),
            Watched::Speed(axis) => format!("the speed of {}", self.labels.axis(axis)),
            Watched::Position(axis) => format!("the position of {}", self.labels.axis(axis)),
            Watched::Torque(axis) => format!("the torque of {}", self.labels.axis(axis)),
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
            Cause::TwinDoubt { .. } => "the residuals agree with the model again".to_owned(),
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
                "the contacts say free, and say the opposite of each other".to_owned()
            }
            Cause::EnablingSwitch { .. } => {
                "the switch is held in its middle, from released".to_owned()
            }
            Cause::TwoHand { .. } => "both let go, then both pressed together".to_owned(),
            Cause::Muting(_) => "the curtain is free, or muted in order".to_owned(),
            Cause::Edm { .. } => "the contacts follow".to_owned(),
            Cause::SafetyRequest { .. } => "a request is confirmed".to_owned(),
            Cause::Threshold { .. } => {
                "the value is back within its limits and hysteresis".to_owned()
            }
            Cause::NotReferenced { .. } => "the axis has a reference".to_owned(),
            Cause::StaleVision { .. } => "a fresh verified picture is there".to_owned(),
            Cause::Separation(_) => "everybody is far enough away".to_owned(),
            Cause::ModeSelector => "the selector says one mode".to_owned(),
            Cause::Inspection { .. } => "nothing that was to be rejected passed".to_owned(),
        }
    }
}

/// What two contacts are.
fn contacts(kind: DualChannelKind) -> &'static str {
    match kind {
        DualChannelKind::EmergencyStop => "emergency stop",
        DualChannelKind::GuardDoor => "guard door",
        DualChannelKind::Equivalent => "two contacts",
        DualChannelKind::LightCurtain => "light curtain",
    }
}
