//! `[cycle]`, `[link]`, `[bus.dc]` and `[recording]`.

use std::path::PathBuf;

use fieldbus::plan::{DcPlan, Follow, SubDevicePlan};
use rt_core::plan::{Cause, InterlockPlan, OverrunLimit, OverrunPlan};

use super::axes::time_in;
use super::image::{IMAGE_MAX, unit_bytes};
use crate::file;
use crate::machine::{
    Compression, CycleSettings, FlightSettings, LinkChoice, Realtime, RecordingSettings,
};
use crate::problem::{Problem, Problems};
use crate::quantity::{self, Dimension};
use crate::read::Time;

/// What is used for checks where the period could not be read, ns.
pub(crate) const PERIOD_FALLBACK_NS: u64 = 1_000_000;

pub(crate) fn cycle(section: &file::Cycle, problems: &mut Problems) -> Option<CycleSettings> {
    let period = time_in(&section.period, 62_500..=100_000_000, "the period", problems);
    let deadline = match &section.receive_deadline {
        None => period.map(|period| period / 5 * 2),
        Some(time) => time_in(time, 10_000..=100_000_000, "the receive deadline", problems),
    };
    if let (Some(at), Some(deadline), Some(period)) = (&section.receive_deadline, deadline, period)
        && deadline >= period
    {
        problems.push(
            Problem::error(
                "receive-deadline",
                &at.span,
                "frames are awaited longer than the cycle",
            )
            .expected(format!("below the period, {}", section.period.show()))
            .found(at.show())
            .remedy("leave time for the calculations of the cycle"),
        );
    }
    let spin = match &section.spin {
        None => Some(0),
        Some(time) => time_in(time, 0..=200_000, "the spin time", problems),
    };
    if let (Some(at), Some(spin), Some(period)) = (&section.spin, spin, period)
        && spin >= period
    {
        problems.push(
            Problem::error("spin-too-long", &at.span, "the loop would never sleep")
                .expected(format!("below the period, {}", section.period.show()))
                .found(at.show())
                .remedy("20 us to 100 us is what helps; 0 us sleeps to the end"),
        );
    }
    let demand = section
        .overrun
        .as_ref()
        .map(|overrun| OverrunLimit { count: overrun.count.to(), cycles: overrun.cycles.to() });
    if let (Some(limit), Some(section)) = (demand, &section.overrun)
        && limit.count >= limit.cycles
    {
        problems.push(
            Problem::error("cause-impossible", &section.span, "there cannot be so many overruns")
                .expected("count below cycles")
                .found(format!("more than {} in {} cycles", limit.count, limit.cycles))
                .remedy("correct one of the two"),
        );
    }
    Some(CycleSettings {
        period_ns: period?,
        receive_deadline_ns: deadline?,
        cpu: section.cpu.as_ref().map(|cpu| cpu.to::<usize>()),
        priority: section.priority.as_ref().map(|priority| priority.to::<u8>()),
        realtime: match section.realtime {
            None | Some(file::Realtime::Strict) => Realtime::Strict,
            Some(file::Realtime::Degraded) => Realtime::Degraded,
        },
        spin_ns: spin?,
        overrun: OverrunPlan { demand },
    })
}

pub(crate) fn link(section: Option<&file::Link>, problems: &mut Problems) -> LinkChoice {
    let Some(section) = section else { return LinkChoice::Virtual };
    match (section.kind, &section.interface) {
        (file::LinkKind::Virtual, None) => LinkChoice::Virtual,
        (file::LinkKind::Virtual, Some(name)) => {
            problems.push(
                Problem::error("key-does-not-fit", &name.span, "the virtual link has no interface")
                    .expected("no `interface`")
                    .found(format!("`{}`", name.value))
                    .remedy("remove it, or use kind = \"raw\""),
            );
            LinkChoice::Virtual
        }
        (file::LinkKind::Raw, Some(name)) if interface_name(&name.value) => {
            LinkChoice::Raw(name.value.clone())
        }
        (file::LinkKind::Raw, name) => {
            let span = name.as_ref().map_or(&section.span, |name| &name.span);
            problems.push(
                Problem::error("link-interface", span, "a raw link needs a network interface")
                    .expected("`interface`: 1 to 15 characters, for instance \"eth1\"")
                    .found(name.as_ref().map_or("none".into(), |name| format!("`{}`", name.value)))
                    .remedy("`ip link` lists the interfaces of this computer"),
            );
            LinkChoice::Virtual
        }
    }
}

/// As Linux takes them.
pub(crate) fn interface_name(name: &str) -> bool {
    (1..=15).contains(&name.len())
        && !matches!(name, "." | "..")
        && name.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '/' | ':'))
}

pub(crate) fn dc(
    section: Option<&file::bus::Dc>,
    period_ns: u64,
    problems: &mut Problems,
) -> Option<DcPlan> {
    let section = section?;
    let period = i64::try_from(period_ns).unwrap_or(i64::MAX);
    let before = match &section.frame_before_sync0 {
        None => Some(period_ns / 2),
        Some(time) => time_in(time, 0..=period - 1, "the distance to SYNC0", problems),
    };
    let window = match &section.lock_window {
        None => Some(1_000),
        Some(time) => time_in(time, 100..=1_000_000, "the lock window", problems),
    };
    let timeout = match &section.lock_timeout {
        None => Some(10_000_000_000),
        Some(time) => time_in(time, 100_000_000..=600_000_000_000, "the time to lock", problems),
    };
    let follow = match section.follow {
        Some(file::bus::FollowWord::Loop) => Follow::Loop,
        Some(file::bus::FollowWord::Reference) | None => Follow::Reference,
    };
    Some(DcPlan {
        follow,
        frame_before_sync0_ns: before?,
        lock_window_ns: window.and_then(|window| u32::try_from(window).ok())?,
        lock_timeout_ns: timeout?,
    })
}

/// How long a device that is missing is waited for, ns.
pub(crate) fn bus_patience_ns(section: Option<&file::bus::Bus>, problems: &mut Problems) -> u64 {
    const DEFAULT_NS: u64 = 2_000_000_000;
    let time = section.and_then(|section| section.wait_for_devices.as_ref());
    let range = 1_000_000_000..=3_600_000_000_000;
    let time = time.and_then(|time| time_in(time, range, "the time to wait for devices", problems));
    time.unwrap_or(DEFAULT_NS)
}

/// A limit on overruns makes a demand; an interlock must turn it into a stop.
pub(crate) fn check_overrun(
    section: &file::Cycle,
    interlocks: &[InterlockPlan],
    problems: &mut Problems,
) {
    let answered = interlocks.iter().any(|interlock| interlock.cause == Cause::Overrun);
    if let Some(overrun) = &section.overrun
        && !answered
    {
        problems.push(
            Problem::warning(
                "overrun-unanswered",
                &overrun.span,
                "nothing stops on these overruns",
            )
            .expected("an [[interlock]] with cause = { kind = \"overrun\" }")
            .found("none")
            .remedy("add one, or remove `overrun`: overruns are then counted and skipped"),
        );
    }
}

/// Time that the cyclic frames take on a 100 Mbit/s wire and through the devices, ns.
pub(crate) fn wire_time_ns(plans: &[SubDevicePlan], units: usize, dc: Option<&DcPlan>) -> u64 {
    /// Ethernet and EtherCAT headers.
    const HEADERS: u64 = 16;
    /// Header and working counter of a datagram.
    const DATAGRAM: u64 = 12;
    let frame = |payload: u64| ((HEADERS + payload).max(60) + 24) * 80;
    let mut datagrams: Vec<u64> = (0..units)
        .map(|unit| u64::from(unit_bytes(plans, unit)))
        .filter(|bytes| *bytes > 0)
        .map(|bytes| bytes + DATAGRAM)
        .collect();
    if let Some(dc) = dc {
        datagrams.push(8 + DATAGRAM);
        if dc.follow == Follow::Loop {
            datagrams.push(4 + DATAGRAM);
        }
    }
    // The AL status of all, by one broadcast read.
    datagrams.push(2 + DATAGRAM);
    let mut time = 0;
    let mut filled = 0;
    for bytes in datagrams {
        if filled > 0 && filled + bytes > u64::from(IMAGE_MAX) + DATAGRAM {
            time += frame(filled);
            filled = 0;
        }
        filled += bytes;
    }
    let devices = u64::try_from(plans.len()).unwrap_or(u64::MAX);
    time + frame(filled) + devices.saturating_mul(1_000)
}

pub(crate) fn check_wire(
    section: &file::Cycle,
    cycle: &CycleSettings,
    wire_ns: u64,
    problems: &mut Problems,
) {
    let show = |ns: u64| quantity::show(i64::try_from(ns).unwrap_or(i64::MAX), Dimension::Time);
    if wire_ns >= cycle.receive_deadline_ns {
        let span = section.receive_deadline.as_ref().map_or(&section.period.span, |at| &at.span);
        problems.push(
            Problem::error("wire-time", span, "the frames cannot be back in time")
                .expected(format!("more than {}, what they take on the wire", show(wire_ns)))
                .found(show(cycle.receive_deadline_ns))
                .remedy("make the period longer, or map less process data"),
        );
    } else if wire_ns.saturating_mul(5) > cycle.receive_deadline_ns.saturating_mul(4) {
        problems.push(
            Problem::warning("wire-time", &section.period.span, "the frames are only just in time")
                .expected("a wire time of at most 80 % of the receive deadline")
                .found(format!("{} of {}", show(wire_ns), show(cycle.receive_deadline_ns)))
                .remedy("leave room for the computer's own delay"),
        );
    }
}

pub(crate) fn recording(
    section: Option<&file::Recording>,
    problems: &mut Problems,
) -> RecordingSettings {
    let file = section.and_then(|section| section.file.clone());
    if let (Some(name), Some(section)) = (&file, section)
        && (name.is_empty() || name.contains(['/', '\0']) || name == "..")
    {
        problems.push(
            Problem::error("bad-file-name", &section.span, "this cannot be the name of a file")
                .expected("a name without `/`; `directory` says where it goes")
                .found(format!("`{name}`"))
                .remedy("move the directory to `directory`"),
        );
    }
    RecordingSettings {
        enabled: section.and_then(|section| section.enabled).unwrap_or(true),
        directory: PathBuf::from(
            section.and_then(|section| section.directory.as_deref()).unwrap_or("recordings"),
        ),
        file,
        compression: match section.and_then(|section| section.compression) {
            Some(file::Compression::None) => Compression::None,
            None | Some(file::Compression::Lz4) => Compression::Lz4,
        },
        flight: flight(section, problems),
    }
}

fn flight(section: Option<&file::Recording>, problems: &mut Problems) -> FlightSettings {
    const SECOND: i64 = 1_000_000_000;
    let mut time = |time: Option<&Time>, default: u64, max: i64, what: &str| {
        // What is out of range is a problem already; the default serves the checks that follow.
        time.map_or(Some(default), |time| time_in(time, 0..=max, what, problems)).unwrap_or(default)
    };
    let before = section.and_then(|section| section.flight_before.as_ref());
    let after = section.and_then(|section| section.flight_after.as_ref());
    let dumps = section.and_then(|section| section.flight_dumps.as_ref());
    FlightSettings {
        before_ns: time(before, 10_000_000_000, 60 * SECOND, "the time before a trigger"),
        after_ns: time(after, 1_000_000_000, 10 * SECOND, "the time after a trigger"),
        dumps: dumps.map_or(16, |dumps| dumps.to()),
    }
}

/// Where what outlives a run is kept.
pub(crate) fn state_directory(section: Option<&file::State>) -> PathBuf {
    let directory = section.and_then(|section| section.directory.as_deref());
    PathBuf::from(directory.filter(|at| !at.is_empty()).unwrap_or("state"))
}
