//! Cycles and marks in words.

use rt_core::axis::homing::Failure;
use rt_core::flight::{
    CAUSE_AXIS, CAUSE_GATE, CAUSE_POWER_UP, CAUSE_PROGRAM, CycleStamps, Mark, MarkKind, OVERRUN,
    SKIPPED, WOKE_LATE,
};

use super::file::Head;
use crate::events::homing_failure;
use crate::report::duration;

/// Of a cycle in which somebody asked; a dump for another reason may hold it.
pub(super) const REQUEST: &str = "a dump was asked for";

/// Where the time of a late cycle went.
#[must_use]
pub(super) fn late(stamps: &CycleStamps, period_ns: u64) -> String {
    let skipped = match stamps.skipped {
        1 => "1 period".to_owned(),
        periods => format!("{periods} periods"),
    };
    if stamps.is(WOKE_LATE) {
        let late = u64::from(stamps.skipped).saturating_mul(period_ns);
        let late = duration(late.saturating_add(stamps.latency_ns.into()));
        return format!("woke {late} late, {skipped} skipped");
    }
    if stamps.is(SKIPPED) && !stamps.is(OVERRUN) {
        return format!("{skipped} skipped: the cycle before it took too long");
    }
    let phases = stamps.phases().map(|(phase, _, took)| (took, phase.name()));
    let (took, longest) = phases
        .chain([(stamps.latency_ns, "wake-up latency")])
        .max_by_key(|(took, _)| *took)
        .unwrap_or_default();
    let whole = u64::from(stamps.latency_ns) + u64::from(stamps.execution_ns());
    format!(
        "{} from due to publish, most of it {longest}: {}",
        duration(whole),
        duration(took.into())
    )
}

/// A mark in a few words: what, and about what.
#[must_use]
pub(super) fn mark(mark: &Mark, head: &Head) -> String {
    let name = |names: &[String]| {
        let number = mark.subject;
        names.get(usize::from(number)).cloned().unwrap_or_else(|| format!("number {number}"))
    };
    let interlock = || name(&head.interlocks);
    let cause = || cause(mark.subject, head);
    let axis = || name(&head.axes);
    let group = || {
        let group = head.groups.get(usize::from(mark.group)).cloned();
        group.unwrap_or_else(|| format!("group {}", mark.group))
    };
    match mark.kind {
        MarkKind::Trip => format!("trip: {} → {} {}", cause(), group(), reaction(mark)),
        MarkKind::Stopped => format!("{} stands after: {}", group(), cause()),
        MarkKind::Escalated => format!("{} runs on: {} of {}", axis(), way(mark.value), group()),
        MarkKind::Demand => format!("demand: {}", interlock()),
        MarkKind::Clear => format!("clear: {}", interlock()),
        MarkKind::Machine => format!("machine: {}", machine(mark.subject)),
        MarkKind::DriveFault => format!("drive fault 0x{:04X}: {}", mark.value, axis()),
        MarkKind::ErrorStop => format!("error stop: {}", axis()),
        MarkKind::GateViolation => format!("gate violation: {}", axis()),
        MarkKind::ProgramFault => format!("program fault: {}", name(&head.steps)),
        MarkKind::Reset => "reset".into(),
        MarkKind::Start => "start".into(),
        MarkKind::Shutdown => "controlled end asked for".into(),
        MarkKind::Emergency => {
            let [low, high, register, ..] = mark.value.to_le_bytes();
            let code = u16::from_le_bytes([low, high]);
            format!(
                "emergency 0x{code:04X} ({}), error register 0x{register:02X}: device {}",
                fieldbus::coe::drive_error_text(code),
                mark.subject
            )
        }
        MarkKind::Reference if mark.subject == 0 => "reference clock followed again".into(),
        MarkKind::Reference => "reference clock lost".into(),
        MarkKind::HomingFailed => {
            let failure = u8::try_from(mark.value).ok().and_then(Failure::of);
            format!("homing failed: {}: {}", axis(), failure.map_or("unknown", homing_failure))
        }
        MarkKind::Unknown => "something that this version does not know".into(),
    }
}

/// What made a group trip, by its number.
#[must_use]
pub(super) fn cause(number: u16, head: &Head) -> String {
    let [of, kind] = number.to_le_bytes();
    let named = |names: &[String]| {
        names.get(usize::from(of)).cloned().unwrap_or_else(|| format!("number {of}"))
    };
    match u16::from(kind) << 8 {
        CAUSE_PROGRAM => "program fault".into(),
        CAUSE_GATE => format!("gate {}", named(&head.axes)),
        CAUSE_AXIS => format!("axis fault {}", named(&head.axes)),
        CAUSE_POWER_UP => format!("power-up {}", named(&head.groups)),
        _ => {
            let interlock = head.interlocks.get(usize::from(number)).cloned();
            interlock.unwrap_or_else(|| format!("number {number}"))
        }
    }
}

fn way(number: i64) -> &'static str {
    match number {
        2 => "quick stop",
        4 => "removal of power",
        _ => "another stop",
    }
}

fn reaction(mark: &Mark) -> &'static str {
    match mark.reaction {
        1 => "warn",
        2 => "limit speed",
        3 => "stop2",
        4 => "stop1",
        5 => "stop0",
        _ => "nothing",
    }
}

/// The machine's state by its number.
#[must_use]
pub(super) fn machine(number: u16) -> &'static str {
    match number {
        0 => "boot",
        1 => "safe",
        2 => "await_start",
        3 => "run",
        _ => "unknown",
    }
}

/// State of the bus by its number.
#[must_use]
pub(super) fn bus(number: u16) -> &'static str {
    match number {
        0 => "starting",
        1 => "operational",
        2 => "faulted",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: u64 = 1_000_000;

    fn stamps(flags: u16) -> CycleStamps {
        let over_ns = [5, 10, 15, 20, 25, 30, 1_200, 1_205, 1_210, 1_215].map(|us: u32| us * 1000);
        CycleStamps { skipped: 3, latency_ns: 2_000, over_ns, flags, ..CycleStamps::default() }
    }

    #[test]
    fn a_late_cycle_says_where_its_time_went() {
        assert_eq!(
            late(&stamps(OVERRUN), PERIOD),
            "1.22 ms from due to publish, most of it gate: 1.17 ms"
        );
        assert_eq!(
            late(&stamps(SKIPPED | WOKE_LATE), PERIOD),
            "woke 3.00 ms late, 3 periods skipped"
        );
        let after = late(&stamps(SKIPPED), PERIOD);
        assert!(after.contains("the cycle before it took too long"), "{after}");
    }

    #[test]
    fn an_emergency_says_its_code_in_words_and_whose_it_is() {
        let value = i64::from_le_bytes([0x11, 0x86, 0x21, 1, 2, 3, 4, 5]);
        let emergency = Mark { kind: MarkKind::Emergency, subject: 4, value, ..Mark::default() };
        assert_eq!(
            mark(&emergency, &Head::default()),
            "emergency 0x8611 (following error: blocked, overloaded, or asked for too much), error register 0x21: device 4"
        );
    }

    #[test]
    fn what_has_no_name_is_called_by_its_number() {
        let unnamed =
            Mark { kind: MarkKind::Trip, subject: 9, group: 3, reaction: 5, ..Mark::default() };
        assert_eq!(mark(&unnamed, &Head::default()), "trip: number 9 → group 3 stop0");
    }
}
