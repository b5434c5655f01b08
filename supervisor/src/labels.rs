//! Names for people. The loop knows numbers only; what it leaves behind gets its names here.

use config::Machine;
use rt_core::inspection::InspectionId;
use rt_core::machine::SafeCause;
use rt_core::plan::{AxisId, AxisSignals, Cause, DualChannelKind, GroupId, InterlockId, Watched};
use rt_core::signal::SignalId;
use rt_core::vision::StreamId;

/// An axis, for people.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AxisLabel {
    /// Its name in the machine file.
    pub name: String,
    /// `mm` or `deg`.
    pub unit: String,
    /// Soft limits, axis units; `None`: endless or unlimited.
    pub range: Option<(f64, f64)>,
    /// Length of a turn of an endless axis, axis units.
    pub wrap: Option<f64>,
}

/// A vision stream, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamLabel {
    /// Its name in the machine file.
    pub name: String,
    /// Zone names by bit.
    pub zones: Vec<String>,
}

/// Every name of the machine, by the ids that the loop uses.
#[derive(Clone, Debug, Default)]
pub struct Labels {
    /// The machine.
    pub machine: String,
    /// By `AxisId`.
    pub axes: Vec<AxisLabel>,
    /// Group names by `GroupId`.
    pub groups: Vec<String>,
    /// Unit of each group's path, by `GroupId`.
    pub group_units: Vec<String>,
    /// By `InterlockId`.
    pub interlocks: Vec<String>,
    /// What kind of cause an interlock watches, by `InterlockId`: a stable word.
    pub kinds: Vec<&'static str>,
    /// What to do about an interlock, by `InterlockId`; may be empty.
    pub remedies: Vec<String>,
    /// By `SignalId`.
    pub signals: Vec<String>,
    /// Which signals are objects of a drive, by `AxisId`.
    pub drives: Vec<AxisSignals>,
    /// By `StreamId`.
    pub streams: Vec<StreamLabel>,
    /// Inspections, each with the unit of its places, by `InspectionId`.
    pub inspections: Vec<(String, String)>,
    /// Step names, numbered over all strands.
    pub steps: Vec<String>,
    /// Devices by position.
    pub devices: Vec<String>,
}

impl Labels {
    /// The names of a machine file.
    #[must_use]
    pub fn of(machine: &Machine) -> Self {
        let (names, plan) = (&machine.names, &machine.plan);
        let axes = plan.axes.iter().enumerate().map(|(place, axis)| AxisLabel {
            name: names.axes.get(place).cloned().unwrap_or_default(),
            unit: names.axis_units.get(place).map_or("", |unit| unit.symbol()).to_owned(),
            range: axis.limits.position.map(|(from, to)| (from.units(), to.units())),
            wrap: axis.wrap.map(|turn| turn.units()),
        });
        let group_units = plan.groups.iter().map(|group| {
            let first = group.axes.first().map(|axis| usize::from(axis.0));
            let unit = first.and_then(|axis| names.axis_units.get(axis));
            unit.map_or("", |unit| unit.symbol()).to_owned()
        });
        let streams = (0_u8..).zip(&names.streams).map(|(stream, name)| {
            let of_stream = names.zones.iter().filter(|zone| zone.stream == stream);
            let last = of_stream.map(|zone| zone.bit).max();
            let zones = last.map_or(0..0, |last| 0..last + 1);
            let zone = |bit| names.zone(stream, bit).unwrap_or("").to_owned();
            StreamLabel { name: name.clone(), zones: zones.map(zone).collect() }
        });
        let inspections = plan.inspections.iter().zip(&names.inspections).map(|(station, name)| {
            let belt = station.belts.iter().copied().flatten().next();
            let unit = belt.and_then(|belt| names.axis_units.get(usize::from(belt.0)));
            (name.clone(), unit.map_or("", |unit| unit.symbol()).to_owned())
        });
        Self {
            machine: machine.name.clone(),
            axes: axes.collect(),
            groups: names.groups.clone(),
            group_units: group_units.collect(),
            interlocks: names.interlocks.iter().map(|it| it.name.clone()).collect(),
            kinds: plan.interlocks.iter().map(|it| kind(&it.cause)).collect(),
            remedies: names.interlocks.iter().map(|it| it.remedy.clone()).collect(),
            signals: names.signals.clone(),
            drives: plan.axes.iter().map(|axis| axis.signals).collect(),
            streams: streams.collect(),
            inspections: inspections.collect(),
            steps: names.steps.iter().map(|step| step.name.clone()).collect(),
            devices: machine.bus.subdevices.iter().map(|device| device.name.clone()).collect(),
        }
    }

    /// Name of an inspection, and the unit of its places.
    #[must_use]
    pub fn inspection(&self, id: InspectionId) -> (&str, &str) {
        let label = self.inspections.get(usize::from(id.0));
        label.map_or(("?", ""), |(name, unit)| (name, unit))
    }

    /// What kind of cause an interlock watches.
    #[must_use]
    pub fn kind(&self, id: InterlockId) -> &'static str {
        self.kinds.get(usize::from(id.0)).copied().unwrap_or("unknown")
    }

    /// What to do about an interlock; empty when nothing is known.
    #[must_use]
    pub fn remedy(&self, id: InterlockId) -> &str {
        self.remedies.get(usize::from(id.0)).map_or("", |remedy| remedy)
    }

    /// What made a group trip: the name of the interlock, or the fault in words.
    #[must_use]
    pub fn cause(&self, cause: SafeCause) -> String {
        match cause {
            SafeCause::Interlock(interlock) => self.interlock(interlock).to_owned(),
            SafeCause::Program => "program fault".into(),
            SafeCause::Gate(axis) => format!("gate {}", self.axis(axis)),
            SafeCause::Axis(axis) => format!("axis fault {}", self.axis(axis)),
            SafeCause::PowerUp(group) => format!("power-up {}", self.group(group)),
            SafeCause::Boot => "boot".into(),
            SafeCause::Shutdown => "shutdown".into(),
        }
    }

    /// What kind of cause it is: of an interlock, what that watches.
    #[must_use]
    pub fn cause_kind(&self, cause: SafeCause) -> &'static str {
        match cause {
            SafeCause::Interlock(interlock) => self.kind(interlock),
            SafeCause::Program => "program",
            SafeCause::Gate(_) => "gate",
            SafeCause::Axis(_) => "axis",
            SafeCause::PowerUp(_) => "power_up",
            SafeCause::Boot => "boot",
            SafeCause::Shutdown => "shutdown",
        }
    }

    /// What to do about it; empty when nothing is known.
    #[must_use]
    pub fn cause_remedy(&self, cause: SafeCause) -> &str {
        match cause {
            SafeCause::Interlock(interlock) => self.remedy(interlock),
            SafeCause::Program => "see which step took too long, then reset and start",
            SafeCause::Gate(_) => {
                "the record of the gate's violation says what was asked and what is allowed; \
                 check drive, brake and program, then reset and start"
            }
            SafeCause::Axis(_) => "see why homing or the drive failed, then reset and start",
            SafeCause::PowerUp(_) => {
                "check supply and safety chain of the drives: they did not enable; then reset"
            }
            SafeCause::Boot | SafeCause::Shutdown => "",
        }
    }

    /// Name of an axis.
    #[must_use]
    pub fn axis(&self, id: AxisId) -> &str {
        self.axes.get(usize::from(id.0)).map_or("?", |axis| &axis.name)
    }

    /// Unit of an axis.
    #[must_use]
    pub fn axis_unit(&self, id: AxisId) -> &str {
        self.axes.get(usize::from(id.0)).map_or("", |axis| &axis.unit)
    }

    /// Name of a group.
    #[must_use]
    pub fn group(&self, id: GroupId) -> &str {
        self.groups.get(usize::from(id.0)).map_or("?", |name| name)
    }

    /// Unit of a group's path.
    #[must_use]
    pub fn group_unit(&self, id: GroupId) -> &str {
        self.group_units.get(usize::from(id.0)).map_or("", |unit| unit)
    }

    /// Name of an interlock.
    #[must_use]
    pub fn interlock(&self, id: InterlockId) -> &str {
        self.interlocks.get(usize::from(id.0)).map_or("?", |name| name)
    }

    /// Name of a signal.
    #[must_use]
    pub fn signal(&self, id: SignalId) -> &str {
        self.signals.get(usize::from(id.0)).map_or("?", |name| name)
    }

    /// Name of a vision stream.
    #[must_use]
    pub fn stream(&self, id: StreamId) -> &str {
        self.streams.get(usize::from(id.0)).map_or("?", |stream| &stream.name)
    }

    /// Name of a step.
    #[must_use]
    pub fn step(&self, number: u16) -> &str {
        self.steps.get(usize::from(number)).map_or("?", |name| name)
    }

    /// A device: its position, and its name if it has one.
    #[must_use]
    pub fn device(&self, position: u16) -> String {
        match self.devices.get(usize::from(position)) {
            Some(name) => format!("device {position} ({name})"),
            None => format!("device {position}"),
        }
    }

    /// Names of the zones whose bits are set; bits without a name are left out.
    #[must_use]
    pub fn zones(&self, id: StreamId, bits: u32) -> String {
        let Some(stream) = self.streams.get(usize::from(id.0)) else { return String::new() };
        let names: Vec<&str> = stream
            .zones
            .iter()
            .enumerate()
            .filter(|(bit, _)| {
                bits.checked_shr(u32::try_from(*bit).unwrap_or(32)).unwrap_or(0) & 1 == 1
            })
            .map(|(_, name)| name.as_str())
            .collect();
        names.join(", ")
    }
}

/// A stable word for what an interlock watches.
fn kind(cause: &Cause) -> &'static str {
    match cause {
        Cause::DualChannel { kind: DualChannelKind::EmergencyStop, .. } => "emergency_stop",
        Cause::DualChannel { kind: DualChannelKind::GuardDoor, .. } => "guard_door",
        Cause::DualChannel { kind: DualChannelKind::Equivalent, .. } => "equivalent",
        Cause::DualChannel { kind: DualChannelKind::LightCurtain, .. } | Cause::Muting(_) => {
            "light_curtain"
        }
        Cause::Antivalent { .. } => "antivalent",
        Cause::EnablingSwitch { .. } => "enabling_switch",
        Cause::TwoHand { .. } => "two_hand",
        Cause::Edm { .. } => "edm",
        Cause::SafetyRequest { .. } => "safety_request",
        Cause::Threshold { of: Watched::Signal(_), .. } => "signal_limit",
        Cause::Threshold { of: Watched::Speed(_), .. } => "speed_limit",
        Cause::Threshold { of: Watched::Position(_), .. } => "position_limit",
        Cause::Threshold { of: Watched::Torque(_), .. } => "torque_limit",
        Cause::NotReferenced { .. } => "not_referenced",
        Cause::StaleVision { .. } => "stale_vision",
        Cause::Separation(_) => "separation",
        Cause::ModeSelector => "mode_selector",
        Cause::Inspection { .. } => "inspection",
        Cause::Zone { .. } => "zone",
        Cause::TwinLimit { .. } => "twin_limit",
        Cause::TwinDoubt { .. } => "twin_doubt",
        Cause::TwinZone { .. } => "twin_zone",
        Cause::FollowingError { .. } => "following_error",
        Cause::DriveFault { .. } => "drive_fault",
        Cause::TargetIgnored { .. } => "target_ignored",
        Cause::WorkingCounter { .. } => "working_counter",
        Cause::Bus => "bus",
        Cause::DcUnlocked => "dc_unlocked",
        Cause::Overrun => "overrun",
        Cause::Supervisor { .. } => "supervisor",
        Cause::Input { .. } => "input",
    }
}

/// Labels for tests of this crate.
#[cfg(test)]
pub(crate) fn example() -> Labels {
    Labels {
        machine: "demo".into(),
        axes: vec![
            AxisLabel {
                name: "x".into(),
                unit: "mm".into(),
                range: Some((0.0, 600.0)),
                wrap: None,
            },
            AxisLabel { name: "belt".into(), unit: "mm".into(), range: None, wrap: Some(1000.0) },
        ],
        groups: vec!["gantry".into(), "conveyor".into()],
        group_units: vec!["mm".into(), "mm".into()],
        interlocks: vec!["emergency_stop".into(), "zone_inner".into()],
        kinds: vec!["emergency_stop", "zone"],
        remedies: vec!["pull the button out".into(), String::new()],
        signals: ["estop_a", "lamp", "x.controlword", "x.target", "x.statusword", "x.actual"]
            .map(String::from)
            .to_vec(),
        drives: vec![AxisSignals {
            controlword: SignalId(2),
            target_position: SignalId(3),
            mode: None,
            statusword: SignalId(4),
            actual_position: SignalId(5),
            mode_display: None,
            actual_torque: None,
            following_error: None,
            error_code: None,
            digital_inputs: None,
            touch_probe_position: None,
        }],
        streams: vec![StreamLabel {
            name: "ceiling".into(),
            zones: vec!["outer".into(), "inner".into()],
        }],
        inspections: vec![("labels".into(), "mm".into())],
        steps: vec!["home".into(), "pick".into()],
        devices: vec!["coupler".into(), "drive_x".into()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_named_by_their_bits_and_unknown_bits_are_left_out() {
        let labels = example();
        assert_eq!(labels.zones(StreamId(0), 0b11), "outer, inner");
        assert_eq!(labels.zones(StreamId(0), 0b1000_0010), "inner");
        assert_eq!(labels.zones(StreamId(3), u32::MAX), "");
    }
}
