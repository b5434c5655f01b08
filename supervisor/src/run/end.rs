//! How a run ended, and what a person should know of it.

use fieldbus::al;
use rt_core::bus::BusFault;
use rt_core::machine::SafeCause;

use crate::events;
use crate::exit::ExitCode;
use crate::labels::Labels;
use crate::report::Ended;
use crate::stats::Statistics;

/// The bus may be faulted for so long without a break before the run gives up, ns.
pub const BUS_GRACE_NS: u64 = 2_000_000_000;
/// A controlled end may take so long, ns; then the loop is ended as it is.
pub(super) const SHUTDOWN_MAX_NS: u64 = 10_000_000_000;

/// Why the end was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// The time of `--for` is over.
    Completed,
    /// Ctrl-C or SIGTERM.
    Interrupted,
    /// The bus was faulted for longer than [`BUS_GRACE_NS`], or never became operational.
    Bus,
    /// The loop's thread ended by itself.
    Loop,
}

/// What is needed to judge an end.
#[derive(Clone, Debug)]
pub(super) struct End {
    /// Why it was asked for.
    pub(super) why: Why,
    /// Machine state at that moment.
    pub(super) machine: &'static str,
    /// What was stopped at that moment and nobody had resolved: its cause.
    pub(super) unresolved: Option<SafeCause>,
}

impl End {
    /// Takes the machine's state at the moment in which the end is asked for.
    #[must_use]
    pub(super) fn asked(why: Why, statistics: &Statistics) -> Self {
        let machine = events::machine(statistics.machine);
        Self { why, machine, unresolved: statistics.stop_unresolved }
    }

    /// The exit code and the words.
    #[must_use]
    pub(super) fn judge(&self, statistics: &Statistics, labels: &Labels) -> (ExitCode, Ended) {
        let ended = |reason, message: String| Ended {
            reason,
            message,
            machine: Some(self.machine),
            // What does not answer confirms nothing.
            controlled: statistics.shutdown_done && self.why != Why::Bus,
        };
        match (self.why, self.unresolved) {
            (Why::Bus, _) => {
                let message = bus_message(statistics, labels);
                (ExitCode::Bus, ended("bus", message))
            }
            (Why::Loop, _) => {
                let message = "the cyclic thread ended by itself: this is a fault of tactus; \
                               keep the recording and report it"
                    .to_owned();
                (ExitCode::Bus, ended("loop", message))
            }
            (Why::Completed | Why::Interrupted, Some(cause)) => {
                let message = format!(
                    "ended in a safety stop by {} that nobody resolved: {}",
                    labels.cause(cause),
                    match labels.cause_remedy(cause) {
                        "" => "find and clear its cause, then reset and start",
                        remedy => remedy,
                    }
                );
                (ExitCode::SafetyStop, ended("safety_stop", message))
            }
            (Why::Completed, None) => {
                (ExitCode::Done, ended("completed", "done, the time asked for is over".into()))
            }
            (Why::Interrupted, None) => {
                (ExitCode::Done, ended("interrupted", "ended on request".into()))
            }
        }
    }
}

fn bus_message(statistics: &Statistics, labels: &Labels) -> String {
    let what = if statistics.was_operational {
        "the bus was lost"
    } else {
        "the bus did not become operational"
    };
    match (&statistics.cable, statistics.bus_fault) {
        (Some(cable), _) => format!("{what}: {cable}"),
        (None, Some(fault)) => format!("{what}: {}", fault_text(&fault, labels)),
        (None, None) => {
            format!("{what}: no device reported an error; its state machine did not reach Op")
        }
    }
}

/// What is known of a bus fault, and what to do.
#[must_use]
pub fn fault_text(fault: &BusFault, labels: &Labels) -> String {
    if fault.link_down {
        return "the link is down; check cable, power of the first device, and the interface"
            .into();
    }
    let who = match fault.position {
        u16::MAX => "the segment".to_owned(),
        position => labels.device(position),
    };
    if fault.clocks_apart {
        return format!(
            "the clocks did not get in step within lock_timeout, {who} is farthest from the reference clock; make \
             lock_window or lock_timeout longer, and look at the device's clock"
        );
    }
    if fault.al_status == 0 {
        return format!("{who} does not answer; check its power and the cable to it");
    }
    format!(
        "{who} is in {} (AL status 0x{:04X}, code 0x{:04X}: {}), expected Op{}",
        al::state_name(fault.al_status),
        fault.al_status,
        fault.al_status_code,
        al::status_code_text(fault.al_status_code),
        match al::status_code_hint(fault.al_status_code) {
            "" => String::new(),
            hint => format!("; {hint}"),
        }
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels::example;
    use rt_core::plan::InterlockId;

    fn asked(why: Why, unresolved: Option<SafeCause>) -> (ExitCode, Ended) {
        let mut statistics = Statistics::new(vec![]);
        statistics.stop_unresolved = unresolved;
        End::asked(why, &statistics).judge(&statistics, &example())
    }

    #[test]
    fn each_end_has_its_exit_code() {
        assert_eq!(asked(Why::Completed, None).0, ExitCode::Done);
        assert_eq!(asked(Why::Interrupted, None).0, ExitCode::Done);
        let (code, ended) = asked(Why::Completed, Some(SafeCause::Interlock(InterlockId(0))));
        assert_eq!(code, ExitCode::SafetyStop);
        assert!(ended.message.contains("emergency_stop"), "{}", ended.message);
        assert!(ended.message.contains("pull the button out"), "{}", ended.message);
        assert_eq!(asked(Why::Bus, Some(SafeCause::Interlock(InterlockId(0)))).0, ExitCode::Bus);
        assert!(!asked(Why::Completed, None).1.controlled);
    }

    #[test]
    fn a_bus_without_a_cable_says_so_before_anything_else() {
        let mut statistics = Statistics::new(vec![]);
        statistics.bus_fault = Some(BusFault { position: 1, ..BusFault::default() });
        statistics.cable = Some("cable of eth1: no carrier since 01:02:03 UTC".to_owned());
        let (code, ended) = End::asked(Why::Bus, &statistics).judge(&statistics, &example());
        assert_eq!(code, ExitCode::Bus);
        assert!(ended.message.ends_with("cable of eth1: no carrier since 01:02:03 UTC"));
    }

    #[test]
    fn a_bus_fault_says_who_what_and_what_to_do() {
        let refuses = |al_status_code| {
            let fault =
                BusFault { position: 1, al_status: 0x14, al_status_code, ..BusFault::default() };
            fault_text(&fault, &example())
        };
        assert_eq!(
            refuses(0x1B),
            "device 1 (drive_x) is in SafeOp (AL status 0x0014, code 0x001B: SyncManager watchdog: no process data came in \
             time), expected Op; frames were lost or the loop stood still: look at overruns, lost frames, and the watchdog time"
        );
        assert_eq!(
            refuses(0x1D),
            "device 1 (drive_x) is in SafeOp (AL status 0x0014, code 0x001D: invalid output configuration), expected Op; the \
             outputs are longer, shorter or others than the device expects: compare its PDO assignment (0x1C12) with the \
             machine file"
        );
        assert_eq!(
            refuses(0x2D),
            "device 1 (drive_x) is in SafeOp (AL status 0x0014, code 0x002D: no SYNC0 received), expected Op; distributed \
             clocks are not set for this device: check its SYNC0 in the machine file"
        );
        let apart = BusFault { position: 1, clocks_apart: true, ..BusFault::default() };
        assert_eq!(
            fault_text(&apart, &example()),
            "the clocks did not get in step within lock_timeout, device 1 (drive_x) is farthest from the reference clock; \
             make lock_window or lock_timeout longer, and look at the device's clock"
        );
        let silent = BusFault { position: 1, ..BusFault::default() };
        assert!(fault_text(&silent, &example()).contains("does not answer"));
        let down = BusFault { link_down: true, ..BusFault::default() };
        assert!(fault_text(&down, &example()).contains("link is down"));
    }
}
