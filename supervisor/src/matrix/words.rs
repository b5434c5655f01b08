//! Causes in words, with their parameters and the names of the machine file.

use config::Machine;
use rt_core::plan::{AxisId, Bits, Cause, DualChannelKind, Watched};
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
                    DualChannelKind::Equivalent => "two equal contacts",
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
            other => self.device(other),
        }
    }

    /// When a device that is worked or watched demands.
    fn device(&self, cause: &Cause) -> String {
        match cause {
            Cause::Antivalent { closed, open, discrepancy_ns } => format!(
                "two opposite contacts: {} is 0 or {} is 1, or they agree for more than {}",
                self.signal(*closed),
                self.signal(*open),
                duration(*discrepancy_ns)
            ),
            Cause::EnablingSwitch { a, b } => format!(
                "the enabling switch is let go ({} is 0) or pressed through ({} is 0)",
                self.signal(*a),
                self.signal(*b)
            ),
            Cause::TwoHand { a, b, synchronous_ns } => format!(
                "{} and {} are not both pressed, or were not within {}",
                self.signal(*a),
                self.signal(*b),
                duration(*synchronous_ns)
            ),
            Cause::Muting(muting) => format!(
                "light curtain with muting: {} or {} is 0 while it is not muted by its sensors for at most {}",
                self.signal(muting.a),
                self.signal(muting.b),
                duration(muting.muting_ns)
            ),
            Cause::Edm { output, feedback, second, time_ns } => format!(
                "{}{} does not say the opposite of {} within {}",
                self.signal(*feedback),
                second.map(|second| format!(" or {}", self.signal(second))).unwrap_or_default(),
                self.signal(*output),
                duration(*time_ns)
            ),
            Cause::SafetyRequest { request, confirmation, time_ns } => format!(
                "{} is requested and {} does not confirm it within {}",
                self.bits(request),
                self.bits(confirmation),
                duration(*time_ns)
            ),
            Cause::Threshold { of, band } => {
                let (what, scale) = self.watched(of);
                let limit = |limit: i64| scale(limit);
                let low = band.low.map(|low| format!("below {}", limit(low)));
                let high = band.high.map(|high| format!("above {}", limit(high)));
                let beyond: Vec<String> = low.into_iter().chain(high).collect();
                format!("{what} is {} for {}", beyond.join(" or "), duration(band.filter_ns))
            }
            Cause::NotReferenced { axis } => {
                format!("{} has no reference", self.labels.axis(*axis))
            }
            Cause::StaleVision { stream } => {
                format!("no fresh verified picture of {}", self.labels.stream(*stream))
            }
            Cause::ModeSelector => {
                "the mode selector says nothing, contradicts itself, or has just been turned"
                    .to_owned()
            }
            _ => String::new(),
        }
    }

    fn bits(&self, bits: &Bits) -> String {
        format!("{} & 0x{:X} = 0x{:X}", self.signal(bits.signal), bits.mask, bits.value)
    }

    /// A watched value, and how its limits read.
    fn watched(&self, of: &Watched) -> (String, Box<dyn Fn(i64) -> String + '_>) {
        let units = |axis: &AxisId, per: &'static str| {
            let unit = self.labels.axis_unit(*axis);
            move |value: i64| format!("{} {unit}{per}", twin_lite::Nano(value).units())
        };
        match of {
            Watched::Signal(signal) => {
                (self.signal(*signal).to_owned(), Box::new(|value| value.to_string()))
            }
            Watched::Speed(axis) => {
                (format!("the speed of {}", self.labels.axis(*axis)), Box::new(units(axis, "/s")))
            }
            Watched::Position(axis) => {
                (format!("the position of {}", self.labels.axis(*axis)), Box::new(units(axis, "")))
            }
            Watched::Torque(axis) => (
                format!("the torque of {}", self.labels.axis(*axis)),
                Box::new(|value| format!("{value} ‰ of rated")),
            ),
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
            Cause::Antivalent { .. } => {
                "closed is 1 and open is 0; after a fault, the other way round before".to_owned()
            }
            Cause::EnablingSwitch { .. } => {
                "it is let go and pressed to its middle again".to_owned()
            }
            Cause::TwoHand { .. } => "both are let go and pressed together again".to_owned(),
            Cause::Muting(_) => "the curtain is free, or muted in order".to_owned(),
            Cause::Edm { .. } => {
                "the feedback follows its output; after a fault a reset".to_owned()
            }
            Cause::SafetyRequest { .. } => "it is confirmed, or requested no more".to_owned(),
            Cause::Threshold { .. } => {
                "the value is back within its limits, by its hysteresis".to_owned()
            }
            Cause::NotReferenced { .. } => "the axis is homed".to_owned(),
            Cause::StaleVision { .. } => "a fresh verified picture".to_owned(),
            Cause::ModeSelector => "exactly one position for its time".to_owned(),
        }
    }
}
