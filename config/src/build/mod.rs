//! From the sections of the file to the plans, with every check that needs more than one key.

mod axes;
mod blocks;
mod budget;
mod bus;
mod causes;
mod cell;
mod cover;
mod cycle;
mod forward;
mod groups;
mod homing;
mod image;
mod inspection;
mod interlocks;
mod kept;
mod limits;
mod matrix;
mod model;
mod modes;
mod names;
mod parts;
mod program;
mod reactions;
mod safety;
mod scenario;
mod sdo;
mod separation;
mod signals;
mod twin;
mod vision;

use fieldbus::plan::BusPlan;
use rt_core::plan::{AxisId, Cause, ControlPlan, MachinePlan, OutputPlan};

use crate::cell::VirtualCell;
use crate::file::File;
use crate::machine::{CycleSettings, Machine, Names, ZoneName};
use crate::problem::{Problem, Problems};

pub(crate) use cycle::interface_name;

/// What the parts that refer to each other became.
#[derive(Debug)]
pub(crate) struct Built<'f> {
    devices: bus::Devices<'f>,
    axes: axes::Axes<'f>,
    vision: vision::Vision<'f>,
    parts: parts::Parts,
    inspections: inspection::Inspections,
}

/// Checks all of `file`. `None`: there are errors in `problems`.
pub(crate) fn machine(file: &File, hash: [u8; 32], problems: &mut Problems) -> Option<Machine> {
    require(file, problems);
    let cycle = file.cycle.0.as_ref().and_then(|section| cycle::cycle(section, problems));
    let period_ns = cycle.map_or(cycle::PERIOD_FALLBACK_NS, |cycle| cycle.period_ns);
    let bus_section = file.bus.0.as_ref();
    let devices = bus::devices(&file.subdevice, bus_section, period_ns, problems);
    let mut built = build(file, devices, period_ns, problems);
    let dc_section = bus_section.and_then(|section| section.dc.as_ref());
    let dc = cycle::dc(dc_section, period_ns, problems);
    let bus_patience_ns = cycle::bus_patience_ns(bus_section, problems);
    startup(&mut built, period_ns, problems);
    let (control, outputs) = buttons_and_outputs(file, &mut built, problems);
    let mode = modes::mode(file.mode.0.as_ref(), &built, problems);
    let scope = scope(&built, dc_section.is_some(), cycle.as_ref());
    let scope = interlocks::Scope { mode: file.mode.1, outputs: &outputs, ..scope };
    let interlocks = interlocks::interlocks(&file.interlock, &scope, problems);
    let (section, signals) = (file.program.0.as_ref(), &built.devices.signals);
    let (program, steps) = program::program(section, &built.axes, signals, &outputs, problems);
    let twin = twin::twin(file, problems);
    check_whole(file, &built, (control.as_ref(), mode.as_ref()), &interlocks, &program, problems);
    let virtual_cell = virtual_cell(file, &built, control.as_ref(), &interlocks, problems);
    let copies = bus::copies(bus_section, &built.devices, problems);
    check_wire(file, &built, cycle.as_ref(), dc.as_ref(), problems);
    let link = cycle::link(file.link.0.as_ref(), problems);
    let recording = cycle::recording(file.recording.0.as_ref(), problems);
    let forwarding = forward::forwarding(&exportable(file, &built), problems);
    if problems.any_error() {
        return None;
    }
    let (identification, cycle, control) = (file.machine.0.as_ref()?, cycle?, control?);
    let names = self_names(&built, interlocks.names, steps);
    let plan = MachinePlan {
        period_ns,
        config_hash: hash64(&hash),
        signal_count: u16::try_from(names.signals.len()).ok()?,
        axes: built.axes.plans.into_iter().collect::<Option<_>>()?,
        groups: built.axes.group_plans.into_boxed_slice(),
        interlocks: interlocks.plans.into_boxed_slice(),
        parts: built.parts.plans.into_iter().collect::<Option<_>>()?,
        inspections: built.inspections.plans.into_iter().collect::<Option<_>>()?,
        streams: built.vision.plans.into_boxed_slice(),
        outputs: outputs.into_boxed_slice(),
        control,
        mode,
        overrun: cycle.overrun,
        program,
        twin,
    };
    let budgets = budget::budgets(file, &plan, &interlocks.spans, problems)?;
    let bus = BusPlan { dc, copies, ..bus_plan(built.devices, &cycle, &plan) };
    Some(Machine {
        name: identification.name.value.clone(),
        description: identification.description.clone().unwrap_or_default(),
        plan,
        bus,
        bus_patience_ns,
        names,
        budgets,
        cycle,
        link,
        virtual_cell,
        stream_sources: built.vision.sources,
        recording,
        forwarding,
        state_directory: cycle::state_directory(file.state.0.as_ref()),
        hash,
        hash64: hash64(&hash),
        warnings: Vec::new(),
    })
}

/// The buttons that a person has, and what is switched.
fn buttons_and_outputs(
    file: &File,
    built: &mut Built<'_>,
    problems: &mut Problems,
) -> (Option<ControlPlan>, Vec<OutputPlan>) {
    let signals = &mut built.devices.signals;
    let control = file.control.0.as_ref();
    let control = control.and_then(|section| safety::control(section, signals, problems));
    let outputs = (&file.output[..], &file.interlock[..]);
    let outputs = safety::outputs(outputs, &built.axes, signals, problems);
    inspection::check_outputs(&file.inspection, built, &outputs, problems);
    (control, outputs)
}

/// What exports may refer to.
fn exportable<'f>(file: &'f File, built: &Built<'_>) -> forward::Names<'f> {
    let axes = built.axes.names.names().into_iter().zip(built.axes.units.iter().copied());
    forward::Names { signals: built.devices.signals.names(), axes: axes.collect(), file }
}

/// What interlocks may refer to.
fn scope<'a, 'f>(
    built: &'a Built<'f>,
    dc: bool,
    cycle: Option<&CycleSettings>,
) -> interlocks::Scope<'a, 'f> {
    interlocks::Scope {
        axes: &built.axes,
        signals: &built.devices.signals,
        vision: &built.vision,
        parts: &built.parts,
        inspections: &built.inspections,
        units: &built.devices.units,
        dc,
        overrun: cycle.is_none_or(|cycle| cycle.overrun.demand.is_some()),
        mode: false,
        outputs: &[],
    }
}

/// What only the whole file shows.
fn check_whole(
    file: &File,
    built: &Built<'_>,
    (control, mode): (Option<&ControlPlan>, Option<&rt_core::plan::ModePlan>),
    interlocks: &interlocks::Interlocks,
    program: &rt_core::plan::ProgramPlan,
    problems: &mut Problems,
) {
    cover::check(file, built, control, interlocks, program, problems);
    matrix::check(file, built, interlocks, problems);
    separation::check(built, interlocks, problems);
    inspection::check(&file.inspection, built, interlocks, problems);
    matrix::check_inputs(built, interlocks, control, mode, program, problems);
    if let Some(section) = &file.cycle.0 {
        cycle::check_overrun(section, &interlocks.plans, problems);
    }
}

/// The segment, without distributed clocks and copies.
fn bus_plan(devices: bus::Devices<'_>, cycle: &CycleSettings, plan: &MachinePlan) -> BusPlan {
    // The bus is not lost before the interlocks on its data would say so.
    let patience = plan.interlocks.iter().filter_map(|interlock| match interlock.cause {
        Cause::WorkingCounter { cycles, .. } => Some(cycles),
        _ => None,
    });
    BusPlan {
        period_ns: cycle.period_ns,
        receive_deadline_ns: cycle.receive_deadline_ns,
        silent_cycles_max: patience.max().unwrap_or(1),
        subdevices: devices.plans,
        sync_units: devices.units.names(),
        signals: devices.signals.plans,
        dc: None,
        copies: Vec::new(),
    }
}

/// The frames of one cycle are back before the deadline.
fn check_wire(
    file: &File,
    built: &Built<'_>,
    cycle: Option<&CycleSettings>,
    dc: Option<&fieldbus::plan::DcPlan>,
    problems: &mut Problems,
) {
    if let (Some(cycle), Some(section)) = (cycle, &file.cycle.0) {
        let units = built.devices.units.len();
        let wire = cycle::wire_time_ns(&built.devices.plans, units, dc);
        cycle::check_wire(section, cycle, wire, problems);
        bus::check_phase(&built.devices, dc, (cycle.period_ns, wire), problems);
    }
}

/// Sections without which there is no machine. A section that is there but wrong has been reported.
fn require(file: &File, problems: &mut Problems) {
    let sections =
        [("machine", file.machine.1), ("cycle", file.cycle.1), ("control", file.control.1)];
    for (section, present) in sections {
        if !present && problems.lost.is_empty() {
            problems.push(
                Problem::error("missing-key", &(0..0), format!("there is no section [{section}]"))
                    .expected(format!("[{section}]"))
                    .found("none in the whole file")
                    .remedy("add it; config/machines/one-axis.toml shows the smallest machine"),
            );
        }
    }
    if let Some(machine) = &file.machine.0 {
        names::check_identifier(&machine.name, problems);
    }
    if file.subdevice.is_empty() && problems.lost.is_empty() {
        let at = file.machine.0.as_ref().map_or(0..1, |machine| machine.name.span.clone());
        problems.push(
            Problem::error("missing-key", &at, "there is nothing on the segment")
                .expected("at least one [[subdevice]]")
                .found("none")
                .remedy("describe the devices; config/machines/one-axis.toml shows how"),
        );
    }
}

fn build<'f>(
    file: &'f File,
    mut devices: bus::Devices<'f>,
    period_ns: u64,
    problems: &mut Problems,
) -> Built<'f> {
    let axes = axes::axes(&file.axis, &file.group, &mut devices, problems);
    let vision = vision::vision(&file.stream, &file.zone, period_ns, problems);
    let parts = parts::parts(&file.part, &axes, problems);
    let scope =
        inspection::Scope { axes: &axes, signals: &devices.signals, vision: &vision, period_ns };
    let inspections = inspection::inspections(&file.inspection, &scope, problems);
    Built { devices, axes, vision, parts, inspections }
}

fn startup(built: &mut Built<'_>, period_ns: u64, problems: &mut Problems) {
    for (place, section) in built.axes.sections.iter().enumerate() {
        let axis = AxisId(u8::try_from(place).unwrap_or(u8::MAX));
        let drive = built.axes.drives.get(place).copied().flatten();
        if let (Some(plan), Some(drive)) = (built.axes.plan(axis), drive) {
            sdo::add(drive, plan, section, period_ns, &mut built.devices, problems);
        }
    }
}

fn virtual_cell(
    file: &File,
    built: &Built<'_>,
    control: Option<&ControlPlan>,
    interlocks: &interlocks::Interlocks,
    problems: &mut Problems,
) -> VirtualCell {
    let section = file.r#virtual.0.as_ref();
    let scenario = file.scenario.0.as_ref();
    let rest = cell::rest(section, built, problems);
    let devices = cell::devices(built, &rest, problems);
    let conveyors = cell::conveyors(section, built, problems);
    let cameras = cell::cameras(section, built, problems);
    let mut names = names::Table::new("a person");
    let persons = cell::persons(section, &mut names, problems);
    let scope = scenario::Scope { built, persons: &names, cameras: &cameras, rest: &rest };
    let events = scenario::events(scenario, &scope, problems);
    let rules = scenario::rules(scenario, &scope, problems);
    if section.is_some() && problems.lost.is_empty() {
        cover::check_rest(built, control, interlocks, (&rest, &events), problems);
    }
    let safety_chain = cell::safety_chain(section, built, problems);
    let contactors = cell::contactors(section, built, problems);
    let zones = cell::zones(built);
    VirtualCell {
        devices,
        conveyors,
        zones,
        cameras,
        persons,
        events,
        rules,
        safety_chain,
        contactors,
    }
}

fn self_names(
    built: &Built<'_>,
    interlocks: Vec<crate::machine::InterlockName>,
    steps: Vec<crate::machine::StepName>,
) -> Names {
    let zones = built.vision.sections.iter().zip(&built.vision.zone_at);
    Names {
        signals: built.devices.signals.names(),
        axes: built.axes.names.names(),
        axis_units: built.axes.units.clone(),
        groups: built.axes.groups.names(),
        interlocks,
        steps,
        parts: built.parts.names.names(),
        inspections: built.inspections.names.names(),
        streams: built.vision.streams.names(),
        zones: zones
            .filter_map(|(section, at)| {
                let (stream, bit) = (*at)?;
                Some(ZoneName { stream: stream.0, bit, name: section.name.value.clone() })
            })
            .collect(),
    }
}

/// First 8 bytes, little endian.
pub(crate) fn hash64(hash: &[u8; 32]) -> u64 {
    hash.iter().take(8).rev().fold(0, |word, byte| (word << 8) | u64::from(*byte))
}
