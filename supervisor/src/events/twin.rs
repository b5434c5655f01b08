//! What the twin decided, foresaw and learnt, in words.

use rt_core::plan::{AxisId, TwinMode};
use rt_core::record::{Decision, Event};
use twin_lite::Nano;

use super::{Described, Severity, described};
use crate::labels::Labels;
use crate::report::duration;

/// A decision, a stable word.
pub(crate) fn decision(decision: Decision) -> &'static str {
    match decision {
        Decision::Slow => "slow_before_limit",
        Decision::Stop => "stop_before_limit",
        Decision::Derate => "thermal_derating",
    }
}

/// A mode, as the machine file says it.
pub(crate) fn twin_mode(mode: TwinMode) -> &'static str {
    match mode {
        TwinMode::Observe => "observe",
        TwinMode::Advise => "advise",
        TwinMode::Act => "act",
    }
}

/// Names of the bits that are set.
fn named(bits: u8, names: &[&'static str]) -> Vec<&'static str> {
    let set = names.iter().enumerate().filter(|(bit, _)| bits >> bit & 1 == 1);
    set.map(|(_, name)| *name).collect()
}

/// Channels of health that alarm.
pub(crate) fn channels(bits: u8) -> Vec<&'static str> {
    named(bits, &["load", "friction", "inertia", "roughness", "ripple"])
}

/// What is wrong with the sensors.
pub(crate) fn sensors(bits: u8) -> Vec<&'static str> {
    named(bits, &["flat_line", "range", "rate", "age", "jump", "disagreement"])
}

/// A quantity of a decision, with its unit.
fn amount(what: Decision, value: Nano, axis: AxisId, labels: &Labels) -> String {
    match what {
        Decision::Slow | Decision::Stop => {
            format!("{:.2} {} left", value.units(), labels.axis_unit(axis))
        }
        Decision::Derate => format!("{:.1} % of what is allowed", value.units() * 100.0),
    }
}

pub(super) fn describe(event: &Event, labels: &Labels) -> Described {
    use Severity::{Info, Warning};
    match *event {
        Event::Foresight { axis, decision: what, mode, predicted, lead_ns } => {
            let name = labels.axis(axis);
            let does = match (mode, what) {
                (TwinMode::Act, Decision::Stop) => "stops",
                (TwinMode::Act, Decision::Slow | Decision::Derate) => "slows",
                (TwinMode::Advise, Decision::Stop) => "should stop",
                (TwinMode::Advise, Decision::Slow | Decision::Derate) => "should slow",
                (TwinMode::Observe, Decision::Stop) => "would stop",
                (TwinMode::Observe, Decision::Slow | Decision::Derate) => "would slow",
            };
            let why = if what == Decision::Derate { "too warm" } else { "its limit" };
            let lead = if lead_ns == u64::MAX { "?".into() } else { duration(lead_ns) };
            let text = format!(
                "{name} {does} before it is {}{why} ({}): {} predicted, {lead} ahead",
                if what == Decision::Derate { "" } else { "at " },
                decision(what),
                amount(what, predicted, axis, labels)
            );
            let severity = if mode == TwinMode::Advise { Warning } else { Info };
            described("foresight", severity, name, text)
        }
        Event::Foreseen { axis, decision: what, mode, predicted, actual, after_ns } => {
            let name = labels.axis(axis);
            let text = format!(
                "{name}: {} ({}) predicted {}, it was {}, {} later",
                decision(what),
                twin_mode(mode),
                amount(what, predicted, axis, labels),
                amount(what, actual, axis, labels),
                duration(after_ns)
            );
            described("foreseen", Info, name, text)
        }
        Event::Doubt { axis, factor } => {
            let name = labels.axis(axis);
            if factor <= Nano::ONE {
                let text = format!("{name}: the twin's model fits again");
                return described("doubt", Info, name, text);
            }
            let text = format!(
                "{name} is not as its model says (× {:.2}): stopping distances and margins are wider by as much; \
                 check load and [axis.mechanics]",
                factor.units()
            );
            described("doubt", Warning, name, text)
        }
        Event::Health { axis, channels: bits, sensors: faults } => {
            let name = labels.axis(axis);
            let all = [channels(bits), sensors(faults)].concat();
            if all.is_empty() {
                return described("health", Info, name, format!("{name}: as it was learnt"));
            }
            let text = format!("{name} has changed since it was learnt: {}", all.join(", "));
            described("health", Warning, name, text)
        }
        Event::Learnt { .. } => learnt(event, labels),
        _ => described("event", Info, "", format!("{event:?}")),
    }
}

fn learnt(event: &Event, labels: &Labels) -> Described {
    let Event::Learnt { axis, inertia_kgm2, coulomb_nm, viscous_nms, .. } = *event else {
        return described("event", Severity::Info, "", format!("{event:?}"));
    };
    let name = labels.axis(axis);
    let text = format!(
        "{name}: inertia {:.3} kg cm2, friction {:.4} N m + {:.3} mN m s/rad",
        inertia_kgm2 * 1e4,
        coulomb_nm,
        viscous_nms * 1e3
    );
    described("learnt", Severity::Info, name, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels::example;

    #[test]
    fn what_is_only_observed_is_no_warning_and_what_is_advised_is_one() {
        let event = |mode| Event::Foresight {
            axis: AxisId(0),
            decision: Decision::Slow,
            mode,
            predicted: Nano(2_000_000_000),
            lead_ns: 150_000_000,
        };
        let told = |mode| describe(&event(mode), &example());
        assert_eq!(told(TwinMode::Observe).severity, Severity::Info);
        assert_eq!(told(TwinMode::Advise).severity, Severity::Warning);
        let text = told(TwinMode::Advise).text;
        assert!(text.contains("x should slow") && text.contains("2.00 mm left"), "{text}");
    }

    #[test]
    fn every_bit_of_health_has_its_own_word() {
        assert_eq!(channels(0b1_1111).len(), 5);
        assert_eq!(sensors(0b11_1111).len(), 6);
        assert_eq!((channels(0b0010), sensors(0b1_0000)), (vec!["friction"], vec!["jump"]));
        let axis = AxisId(0);
        let well = describe(&Event::Health { axis, channels: 0, sensors: 0 }, &example());
        assert_eq!(well.severity, Severity::Info);
    }
}
