//! `[bus]` and `[[subdevice]]` → [`BusPlan`] and the signals.

use fieldbus::plan::{CopyPlan, Identity, SdoValue, StartupSdo, SubDevicePlan, Sync0Plan};
use rt_core::plan::AxisSignals;

use super::image::{IMAGE_MAX, bytes, pdos, unit_bytes};
use super::names::{Table, check_count, check_identifier};
use super::signals::SignalTable;
use crate::file::bus as file;
use crate::file::bus::{DeviceWord, SdoType};
use crate::problem::{Problem, Problems, Span};

/// SyncManager watchdogs are kept in steps of this, ns.
const WATCHDOG_STEP_NS: i64 = 100_000;
/// What an ESC has at power-up, ns.
const WATCHDOG_DEFAULT_NS: i64 = 100_000_000;

/// What the devices became.
#[derive(Debug)]
pub(crate) struct Devices<'f> {
    /// Sorted by position.
    pub(crate) sections: Vec<&'f file::SubDevice>,
    pub(crate) plans: Vec<SubDevicePlan>,
    pub(crate) names: Table,
    pub(crate) units: Table,
    pub(crate) signals: SignalTable,
    /// Of servos, by position.
    pub(crate) drives: Vec<Option<AxisSignals>>,
}

pub(crate) fn devices<'f>(
    sections: &'f [file::SubDevice],
    bus: Option<&'f file::Bus>,
    period_ns: u64,
    problems: &mut Problems,
) -> Devices<'f> {
    let mut units = Table::new("a sync unit");
    for name in bus.map_or(&[][..], |bus| &bus.sync_units) {
        check_identifier(name, problems);
        units.add(name, problems);
    }
    if let Some(bus) = bus {
        check_count(units.len(), rt_core::bus::SYNC_UNITS_MAX, "sync units", &bus.span, problems);
    }
    let mut sorted: Vec<&file::SubDevice> = sections.iter().collect();
    sorted.sort_by_key(|device| device.position.to::<u32>());
    check_positions(&sorted, problems);
    let mut all = Devices {
        sections: sorted.clone(),
        plans: Vec::new(),
        names: Table::new("a SubDevice"),
        units,
        signals: SignalTable::new(),
        drives: Vec::new(),
    };
    let dc = bus.is_some_and(|bus| bus.dc.is_some());
    for (position, section) in sorted.into_iter().enumerate() {
        check_identifier(&section.name, problems);
        all.names.add(&section.name, problems);
        let plan = device(&mut all, section, position, (period_ns, dc), problems);
        all.plans.push(plan);
    }
    check_units(&all, bus, problems);
    all
}

/// Positions are 0, 1, 2 …
fn check_positions(sorted: &[&file::SubDevice], problems: &mut Problems) {
    let mut due = 0_usize;
    for (place, section) in sorted.iter().enumerate() {
        let position: usize = section.position.to();
        let before = place.checked_sub(1).and_then(|at| sorted.get(at));
        if let Some(first) = before.filter(|_| position + 1 == due) {
            problems.push(
                Problem::error(
                    "duplicate-position",
                    &section.position.span,
                    format!("two SubDevices at position {position}"),
                )
                .expected("each position once")
                .found(format!("`{}` is there too", section.name.value))
                .remedy("number the devices in the order of the cable")
                .related(&first.position.span, format!("`{}`", first.name.value)),
            );
            continue;
        }
        // What could not be read may be the device that is missing.
        if position != due && problems.lost.is_empty() {
            problems.push(
                Problem::error(
                    "missing-position",
                    &section.position.span,
                    format!("no SubDevice at position {due}"),
                )
                .expected(format!("position {due} next"))
                .found(format!("position {position}"))
                .remedy("describe every device on the cable, from 0 on, without gaps"),
            );
        }
        due = position + 1;
    }
}

fn device(
    all: &mut Devices<'_>,
    section: &file::SubDevice,
    position: usize,
    (period_ns, dc): (u64, bool),
    problems: &mut Problems,
) -> SubDevicePlan {
    check_keys(section, problems);
    let (inputs, outputs) = pdos(all, section, position, problems);
    let has_data = !inputs.is_empty() || !outputs.is_empty();
    let servo = section.kind == DeviceWord::Servo;
    let sync0 = section.sync0.as_ref().map_or(servo && dc, |sync0| sync0.value);
    if let Some(at) = section.sync0.as_ref().filter(|sync0| sync0.value && !dc) {
        problems.push(
            Problem::error("sync0-without-dc", &at.span, "SYNC0 needs distributed clocks")
                .expected("a section [bus.dc]")
                .found("sync0 = true without it")
                .remedy("add [bus.dc], or leave sync0 out"),
        );
    }
    SubDevicePlan {
        name: section.name.value.clone(),
        identity: identity(&section.identity),
        sync_unit: sync_unit(all, section, has_data, problems),
        startup: section.startup.iter().filter_map(|sdo| startup(sdo, problems)).collect(),
        configurable_pdos: servo
            || section.configurable_pdos.as_ref().is_some_and(|configurable| configurable.value),
        sync0: sync0.then(|| sync0_plan(section, period_ns, problems)).flatten(),
        watchdog_ns: watchdog(section, !outputs.is_empty(), period_ns, problems),
        inputs,
        outputs,
    }
}

/// Keys that do not go with the kind of device.
fn check_keys(section: &file::SubDevice, problems: &mut Problems) {
    use DeviceWord as W;
    let terminal = matches!(
        section.kind,
        W::DigitalInput | W::DigitalOutput | W::AnalogInput | W::AnalogOutput
    );
    let pdos = !section.input_pdo.is_empty() || !section.output_pdo.is_empty();
    let generic = section.kind == W::Generic;
    let keys: [(&str, Option<Span>, bool); 5] = [
        ("channels", section.channels.first().map(|name| name.span.clone()), terminal),
        ("input_pdo/output_pdo", pdos.then(|| section.name.span.clone()), generic),
        (
            "configurable_pdos",
            section.configurable_pdos.as_ref().map(|at| at.span.clone()),
            generic,
        ),
        (
            "reactions",
            section.reactions.as_ref().map(|at| at.span.clone()),
            section.kind == W::Servo,
        ),
        (
            "status_word",
            section.status_word.as_ref().map(|at| at.span.clone()),
            section.kind == W::AnalogInput,
        ),
    ];
    for (key, span, fits) in keys {
        if let Some(span) = span.filter(|_| !fits) {
            problems.push(
                Problem::error(
                    "key-does-not-fit",
                    &span,
                    format!("`{key}` does not go with this kind of SubDevice"),
                )
                .expected("only keys of its kind")
                .found(format!("`{key}` on `{}`", section.name.value))
                .remedy("remove it, or correct `kind`"),
            );
        }
    }
    if terminal && section.channels.is_empty() {
        problems.push(
            Problem::error(
                "no-channels",
                &section.name.span,
                format!("the terminal `{}` has no channels", section.name.value),
            )
            .expected("`channels`: one name for each channel of the terminal, \"\" where unused")
            .found("none")
            .remedy("list all channels, used or not: their number is the size of the process data"),
        );
    }
}

pub(crate) fn identity(section: &file::Identity) -> Identity {
    Identity {
        vendor: section.vendor.to(),
        product: section.product.to(),
        revision: section.revision.as_ref().map(|revision| revision.to()),
        serial: section.serial.as_ref().map(|serial| serial.to()),
    }
}

fn sync_unit(
    all: &Devices<'_>,
    section: &file::SubDevice,
    has_data: bool,
    problems: &mut Problems,
) -> Option<usize> {
    let name = &section.name;
    match (&section.sync_unit, has_data) {
        (Some(unit), true) => all.units.find(unit, problems),
        (None, false) => None,
        (None, true) => {
            problems.push(
                Problem::error(
                    "no-sync-unit",
                    &name.span,
                    format!("`{}` has process data but no sync unit", name.value),
                )
                .expected("`sync_unit`: the devices that live and die together with it")
                .found("none")
                .remedy("add `sync_unit = \"…\"` with one of [bus] sync_units"),
            );
            None
        }
        (Some(unit), false) => {
            problems.push(
                Problem::error(
                    "sync-unit-without-data",
                    &unit.span,
                    format!("`{}` has no process data", name.value),
                )
                .expected("no `sync_unit`")
                .found(format!("`{}`", unit.value))
                .remedy("remove it"),
            );
            None
        }
    }
}

fn sync0_plan(
    section: &file::SubDevice,
    period_ns: u64,
    problems: &mut Problems,
) -> Option<Sync0Plan> {
    let cycle_ns = u32::try_from(period_ns).ok()?;
    let shift = section.sync0_shift.as_ref().map_or(0, |shift| shift.nano);
    let shift_ns = i32::try_from(shift).ok().filter(|shift| shift.unsigned_abs() <= cycle_ns);
    if let (None, Some(at)) = (shift_ns, &section.sync0_shift) {
        problems.push(
            Problem::error("sync0-shift", &at.span, "SYNC0 is shifted by more than a period")
                .expected("from −period to +period")
                .found(at.show())
                .remedy("shift it by less"),
        );
    }
    Some(Sync0Plan { cycle_ns, shift_ns: shift_ns? })
}

fn watchdog(
    section: &file::SubDevice,
    has_outputs: bool,
    period_ns: u64,
    problems: &mut Problems,
) -> Option<u64> {
    if !has_outputs {
        if let Some(watchdog) = &section.watchdog {
            problems.push(
                Problem::error(
                    "watchdog-without-outputs",
                    &watchdog.span,
                    format!("`{}` has no outputs to watch", section.name.value),
                )
                .expected("no `watchdog`")
                .found(watchdog.show())
                .remedy("remove it"),
            );
        }
        return None;
    }
    let ns = section.watchdog.as_ref().map_or(WATCHDOG_DEFAULT_NS, |watchdog| watchdog.nano);
    let span = section.watchdog.as_ref().map_or(&section.name.span, |watchdog| &watchdog.span);
    let periods_3 = i64::try_from(period_ns).unwrap_or(i64::MAX).saturating_mul(3);
    let problem = if ns % WATCHDOG_STEP_NS != 0 || !(WATCHDOG_STEP_NS..=6_553_500_000).contains(&ns)
    {
        Problem::error("watchdog-range", span, "a SyncManager watchdog cannot have this time")
            .expected("a multiple of 100 us, up to 6553.5 ms")
            .remedy("round it")
    } else if ns < periods_3 {
        Problem::error("watchdog-short", span, "the watchdog would bite in normal running")
            .expected("at least three periods of the cycle, so that one late frame does no harm")
            .remedy(
                "make it longer; it is part of the stopping distance, so not longer than needed",
            )
    } else {
        return u64::try_from(ns).ok();
    };
    let shown = crate::quantity::show(ns, crate::quantity::Dimension::Time);
    problems.push(problem.found(shown));
    None
}

fn startup(section: &file::Startup, problems: &mut Problems) -> Option<StartupSdo> {
    let value: i64 = section.value.to();
    let typed = match section.r#type {
        SdoType::U8 => u8::try_from(value).map(SdoValue::U8),
        SdoType::U16 => u16::try_from(value).map(SdoValue::U16),
        SdoType::U32 => u32::try_from(value).map(SdoValue::U32),
        SdoType::I8 => i8::try_from(value).map(SdoValue::I8),
        SdoType::I16 => i16::try_from(value).map(SdoValue::I16),
        SdoType::I32 => i32::try_from(value).map(SdoValue::I32),
    };
    let Ok(value) = typed else {
        problems.push(
            Problem::error("sdo-range", &section.value.span, "the value does not fit its type")
                .expected(format!("a value of type {:?}", section.r#type).to_lowercase())
                .found(value.to_string())
                .remedy("correct `type` or `value`"),
        );
        return None;
    };
    Some(StartupSdo {
        index: section.index.to(),
        subindex: section.subindex.as_ref().map_or(0, |subindex| subindex.to()),
        value,
        verify_only: section.verify_only.unwrap_or(false),
    })
}

fn check_units(all: &Devices<'_>, bus: Option<&file::Bus>, problems: &mut Problems) {
    for (unit, name) in bus.map_or(&[][..], |bus| &bus.sync_units).iter().enumerate() {
        let bytes = unit_bytes(&all.plans, unit);
        if bytes > IMAGE_MAX {
            problems.push(
                Problem::error(
                    "image-too-large",
                    &name.span,
                    format!("the sync unit `{}` does not fit one datagram", name.value),
                )
                .expected(format!("at most {IMAGE_MAX} bytes"))
                .found(format!("{bytes} bytes"))
                .remedy("split it into two sync units"),
            );
        }
        let used = all.plans.iter().any(|plan| plan.sync_unit == Some(unit));
        if !used && problems.lost.is_empty() {
            problems.push(
                Problem::error(
                    "empty-sync-unit",
                    &name.span,
                    format!("no device is in the sync unit `{}`", name.value),
                )
                .expected("a device with this `sync_unit`")
                .found("none")
                .remedy("remove it, or give it to a device"),
            );
        }
    }
}

/// Frames must be past a device before its SYNC0, and not so long before that they belong to the pulse before.
pub(crate) fn check_phase(
    devices: &Devices<'_>,
    dc: Option<&fieldbus::plan::DcPlan>,
    (period_ns, wire_ns): (u64, u64),
    problems: &mut Problems,
) {
    let Some(dc) = dc else { return };
    let signed = |ns: u64| i64::try_from(ns).unwrap_or(i64::MAX);
    let show = |ns: i64| crate::quantity::show(ns, crate::quantity::Dimension::Time);
    let (before, period) = (signed(dc.frame_before_sync0_ns), signed(period_ns));
    // Clocks that are in step are still off by as much as the window allows.
    let jitter = i64::from(dc.lock_window_ns);
    let earliest = signed(wire_ns).saturating_add(jitter);
    let latest = period.saturating_sub(jitter);
    for (section, plan) in devices.sections.iter().zip(&devices.plans) {
        let Some(sync0) = plan.sync0 else { continue };
        let shift = i64::from(sync0.shift_ns);
        let margin = before.saturating_add(shift);
        if (earliest..latest).contains(&margin) {
            continue;
        }
        let span = section.sync0_shift.as_ref().map_or(&section.name.span, |shift| &shift.span);
        problems.push(
            Problem::warning(
                "sync0-margin",
                span,
                format!("frames do not reach `{}` in time for its SYNC0", section.name.value),
            )
            .expected(format!(
                "frame_before_sync0 + sync0_shift between {} (what frames take on the wire, and lock_window) and {} (the \
                 period less lock_window)",
                show(earliest),
                show(latest)
            ))
            .found(format!("{} + {} = {}", show(before), show(shift), show(margin)))
            .remedy("change either, and leave room for late wake-ups (docs/guide/bus.md)"),
        );
    }
}

pub(crate) fn copies(
    bus: Option<&file::Bus>,
    all: &Devices<'_>,
    problems: &mut Problems,
) -> Vec<CopyPlan> {
    let mut out = Vec::new();
    for copy in bus.map_or(&[][..], |bus| &bus.copy) {
        let from = all.names.find(&copy.from, problems);
        let to = all.names.find(&copy.to, problems);
        let (Some(from), Some(to)) = (from, to) else { continue };
        let plan = CopyPlan {
            from,
            from_byte: copy.from_byte.to(),
            to,
            to_byte: copy.to_byte.to(),
            bytes: copy.bytes.to(),
        };
        let size = |place: usize, inputs: bool| {
            all.plans
                .get(place)
                .map_or(0, |plan| bytes(if inputs { &plan.inputs } else { &plan.outputs }))
        };
        let ends = [
            (plan.from_byte, size(from, true), &copy.from_byte.span, "inputs"),
            (plan.to_byte, size(to, false), &copy.to_byte.span, "outputs"),
        ];
        for (start, size, span, what) in ends {
            if start.saturating_add(plan.bytes) > size {
                problems.push(
                    Problem::error("copy-range", span, format!("the copy goes beyond the {what}"))
                        .expected(format!("bytes within {size} bytes of {what}"))
                        .found(format!("bytes {start} to {}", start + plan.bytes))
                        .remedy("correct the byte or the number of bytes"),
                );
            }
        }
        out.push(plan);
    }
    out
}
