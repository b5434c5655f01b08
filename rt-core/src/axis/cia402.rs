//! The drive's own state machine: CiA 402 / IEC 61800-7-201, 0x6040 and 0x6041.
//!
//! The virtual drives read the profile on their own (`segment`), so that the two do not share a mistake.

use twin_lite::{taped, taped_enum};

/// State of the drive as its statusword (0x6041) says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DriveState {
    /// The statusword is none that the profile knows, or none was received.
    #[default]
    Unknown,
    /// Not ready to switch on: the drive starts up.
    NotReadyToSwitchOn,
    /// Switch-on disabled.
    SwitchOnDisabled,
    /// Ready to switch on.
    ReadyToSwitchOn,
    /// Switched on: power stage on, no torque.
    SwitchedOn,
    /// Operation enabled: the drive follows its targets.
    OperationEnabled,
    /// Quick stop active.
    QuickStopActive,
    /// Fault reaction active: it stops by itself.
    FaultReactionActive,
    /// Fault.
    Fault,
}

taped_enum!(DriveState {
    0: Unknown,
    1: NotReadyToSwitchOn,
    2: SwitchOnDisabled,
    3: ReadyToSwitchOn,
    4: SwitchedOn,
    5: OperationEnabled,
    6: QuickStopActive,
    7: FaultReactionActive,
    8: Fault,
});

impl DriveState {
    /// State that `statusword` stands for. Source: IEC 61800-7-201, statusword bits 0 to 3, 5 and 6.
    #[must_use]
    pub const fn from_statusword(statusword: u16) -> Self {
        match statusword & 0x6F {
            0x21 => return Self::ReadyToSwitchOn,
            0x23 => return Self::SwitchedOn,
            0x27 => return Self::OperationEnabled,
            0x07 => return Self::QuickStopActive,
            _ => {}
        }
        match statusword & 0x4F {
            0x00 => Self::NotReadyToSwitchOn,
            0x40 => Self::SwitchOnDisabled,
            0x0F => Self::FaultReactionActive,
            0x08 => Self::Fault,
            _ => Self::Unknown,
        }
    }

    /// The drive has a fault, or reacts to one.
    #[must_use]
    pub const fn is_fault(self) -> bool {
        matches!(self, Self::Fault | Self::FaultReactionActive)
    }
}

/// What the machine wants of a drive's power.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Power {
    /// No torque: disable voltage, at once.
    #[default]
    Off,
    /// The drive stops by itself with 0x6085 as 0x605A says.
    QuickStop,
    /// Operation enabled.
    On,
    /// What torque there is stays, in operation enabled or after a quick stop; none is switched on.
    Hold,
    /// In the drive's own order: its brake engages, then torque goes (disable operation, 0x605C).
    Disable,
}

/// Disable voltage.
pub const DISABLE_VOLTAGE: u16 = 0x0000;
/// Quick stop (bit 2 low) with voltage.
pub const QUICK_STOP: u16 = 0x0002;
/// Shutdown: towards ready to switch on.
pub const SHUTDOWN: u16 = 0x0006;
/// Switch on.
pub const SWITCH_ON: u16 = 0x0007;
/// Enable operation.
pub const ENABLE_OPERATION: u16 = 0x000F;
/// Fault reset: acts on its rising edge.
pub const FAULT_RESET: u16 = 0x0080;

/// Controlword (0x6040) that brings a drive in `state` one step nearer to `power`.
///
/// A fault is never left but with `fault_reset`, and only from `Fault`: bit 7 acts on its rising edge, so whoever calls raises
/// `fault_reset` for some cycles and lets it go again ([`ResetPulse`]).
#[must_use]
// SR-028
pub const fn next_controlword(state: DriveState, power: Power, fault_reset: bool) -> u16 {
    match (state, power) {
        (DriveState::Fault, _) => {
            if fault_reset {
                FAULT_RESET
            } else {
                DISABLE_VOLTAGE
            }
        }
        (
            DriveState::Unknown | DriveState::NotReadyToSwitchOn | DriveState::FaultReactionActive,
            _,
        ) => DISABLE_VOLTAGE,
        (DriveState::OperationEnabled | DriveState::QuickStopActive, Power::QuickStop)
        | (DriveState::QuickStopActive, Power::Hold | Power::Disable) => QUICK_STOP,
        (DriveState::OperationEnabled, Power::Hold) => ENABLE_OPERATION,
        (DriveState::OperationEnabled | DriveState::SwitchedOn, Power::Disable) => SWITCH_ON,
        (
            DriveState::SwitchOnDisabled
            | DriveState::ReadyToSwitchOn
            | DriveState::SwitchedOn
            | DriveState::OperationEnabled
            | DriveState::QuickStopActive,
            Power::Off,
        )
        | (
            DriveState::SwitchOnDisabled | DriveState::ReadyToSwitchOn | DriveState::SwitchedOn,
            Power::QuickStop | Power::Hold,
        )
        | (DriveState::SwitchOnDisabled | DriveState::ReadyToSwitchOn, Power::Disable) => {
            DISABLE_VOLTAGE
        }
        (DriveState::SwitchOnDisabled, Power::On) => SHUTDOWN,
        (DriveState::ReadyToSwitchOn, Power::On) => SWITCH_ON,
        (DriveState::SwitchedOn | DriveState::OperationEnabled, Power::On) => ENABLE_OPERATION,
        // Not every drive leaves quick stop by enabling operation (0x605A 1 to 4); all leave it by losing voltage.
        (DriveState::QuickStopActive, Power::On) => DISABLE_VOLTAGE,
    }
}

/// Cycles for which a fault reset is held: a lost frame does not swallow it.
pub const RESET_CYCLES: u8 = 8;

/// One accepted reset makes one edge on the wire: low, then high for [`RESET_CYCLES`], then low.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResetPulse {
    left: u8,
}

taped!(ResetPulse { left });

impl ResetPulse {
    /// A reset was accepted. While one is still on the wire, nothing is added.
    pub fn trigger(&mut self) {
        if self.left == 0 {
            self.left = RESET_CYCLES + 1;
        }
    }

    /// This cycle's `fault_reset`. Call once a cycle.
    pub fn cycle(&mut self) -> bool {
        // The first cycle is low, so that a reset right after another makes an edge too.
        let high = self.left > 0 && self.left <= RESET_CYCLES;
        self.left = self.left.saturating_sub(1);
        high
    }
}

#[cfg(test)]
mod tests {
    use super::DriveState as S;
    use super::*;

    /// The standard's table, row by row and bit by bit (x: do not care), written apart from the masks above.
    const PATTERNS: [(&str, S); 8] = [
        ("0xx0000", S::NotReadyToSwitchOn),
        ("1xx0000", S::SwitchOnDisabled),
        ("01x0001", S::ReadyToSwitchOn),
        ("01x0011", S::SwitchedOn),
        ("01x0111", S::OperationEnabled),
        ("00x0111", S::QuickStopActive),
        ("0xx1111", S::FaultReactionActive),
        ("0xx1000", S::Fault),
    ];

    fn by_pattern(statusword: u16) -> S {
        let mut found = S::Unknown;
        for (pattern, state) in PATTERNS {
            let fits = pattern.bytes().rev().enumerate().all(|(bit, wanted)| match wanted {
                b'0' => statusword >> bit & 1 == 0,
                b'1' => statusword >> bit & 1 == 1,
                _ => true,
            });
            if fits {
                assert_eq!(found, S::Unknown, "{statusword:#06x} fits two rows");
                found = state;
            }
        }
        found
    }

    #[test]
    fn every_statusword_means_what_the_standards_table_says() {
        for statusword in 0..=u16::MAX {
            assert_eq!(S::from_statusword(statusword), by_pattern(statusword), "{statusword:#06x}");
        }
    }

    const STATES: [S; 9] = [
        S::Unknown,
        S::NotReadyToSwitchOn,
        S::SwitchOnDisabled,
        S::ReadyToSwitchOn,
        S::SwitchedOn,
        S::OperationEnabled,
        S::QuickStopActive,
        S::FaultReactionActive,
        S::Fault,
    ];

    /// How a drive answers a controlword: transitions 2 to 16 of the standard, as the drive sees them.
    fn drive(state: S, word: u16, before: u16) -> S {
        let bit = |n: u16| word >> n & 1 == 1;
        let (switch_on, voltage, no_quick_stop, enable) = (bit(0), bit(1), bit(2), bit(3));
        let edge = bit(7) && before >> 7 & 1 == 0;
        match state {
            S::Unknown => S::Unknown,
            S::NotReadyToSwitchOn => S::SwitchOnDisabled,
            S::FaultReactionActive => S::Fault,
            S::Fault if edge => S::SwitchOnDisabled,
            S::Fault => S::Fault,
            S::SwitchOnDisabled if voltage && no_quick_stop && !switch_on => S::ReadyToSwitchOn,
            S::SwitchOnDisabled => S::SwitchOnDisabled,
            _ if !voltage => S::SwitchOnDisabled,
            S::OperationEnabled if !no_quick_stop => S::QuickStopActive,
            S::QuickStopActive => S::QuickStopActive,
            _ if !no_quick_stop => S::SwitchOnDisabled,
            _ if !switch_on => S::ReadyToSwitchOn,
            S::ReadyToSwitchOn => S::SwitchedOn,
            _ if enable => S::OperationEnabled,
            _ => S::SwitchedOn,
        }
    }

    const POWERS: [Power; 5] =
        [Power::Off, Power::QuickStop, Power::On, Power::Hold, Power::Disable];

    #[test]
    fn holding_neither_enables_a_drive_nor_takes_its_torque() {
        for state in STATES {
            let torque = matches!(state, S::OperationEnabled | S::QuickStopActive);
            let next = run(state, Power::Hold, false, 20);
            let powered = matches!(next, S::OperationEnabled | S::QuickStopActive);
            assert_eq!(powered, torque, "{state:?} → {next:?}");
            assert!(!torque || next == state);
        }
    }

    #[test]
    fn disabling_lets_the_drive_work_its_brake_and_never_takes_the_voltage_of_an_enabled_drive() {
        assert_eq!(next_controlword(S::OperationEnabled, Power::Disable, false), SWITCH_ON);
        assert_eq!(next_controlword(S::QuickStopActive, Power::Disable, false), QUICK_STOP);
        for state in STATES {
            assert_ne!(run(state, Power::Disable, false, 20), S::OperationEnabled, "{state:?}");
        }
    }

    fn run(mut state: S, power: Power, fault_reset: bool, cycles: usize) -> S {
        let mut before = 0;
        for _ in 0..cycles {
            let word = next_controlword(state, power, fault_reset);
            state = drive(state, word, before);
            before = word;
        }
        state
    }

    #[test]
    fn a_drive_in_any_sound_state_comes_to_operation_enabled() {
        for state in STATES {
            let expected = match state {
                S::Unknown => S::Unknown,
                S::Fault | S::FaultReactionActive => S::Fault,
                _ => S::OperationEnabled,
            };
            assert_eq!(run(state, Power::On, false, 6), expected, "{state:?}");
        }
    }

    #[test]
    // SR-028
    fn a_fault_is_left_only_with_a_reset() {
        assert_eq!(run(S::Fault, Power::On, false, 1000), S::Fault);
        assert_eq!(run(S::Fault, Power::On, true, 5), S::OperationEnabled);
        assert_eq!(run(S::Fault, Power::Off, true, 5), S::SwitchOnDisabled);
    }

    #[test]
    fn power_off_takes_torque_from_every_state_within_one_cycle() {
        for state in STATES {
            let word = next_controlword(state, Power::Off, false);
            assert_eq!(word & 0x02, 0, "{state:?}: voltage stays enabled");
            assert_ne!(drive(state, word, 0), S::OperationEnabled);
        }
    }

    #[test]
    fn quick_stop_is_asked_only_of_a_drive_that_can_do_it() {
        for state in STATES {
            let word = next_controlword(state, Power::QuickStop, false);
            let holds = matches!(state, S::OperationEnabled | S::QuickStopActive);
            assert_eq!(word == QUICK_STOP, holds, "{state:?}");
            assert_ne!(drive(state, word, 0), S::OperationEnabled, "{state:?}");
        }
    }

    #[test]
    fn only_a_fault_ever_sees_the_reset_bit_and_no_other_bit_with_it() {
        for state in STATES {
            for power in POWERS {
                let word = next_controlword(state, power, true);
                assert_eq!(word == FAULT_RESET, state == S::Fault, "{state:?}");
                assert_eq!(next_controlword(state, power, false) & FAULT_RESET, 0);
            }
        }
    }

    #[test]
    fn one_reset_makes_one_edge() {
        let mut pulse = ResetPulse::default();
        let mut edges = 0;
        let mut before = false;
        for cycle in 0..100 {
            if cycle == 3 || cycle == 5 {
                pulse.trigger();
            }
            let now = pulse.cycle();
            edges += u32::from(now && !before);
            before = now;
        }
        assert_eq!(edges, 1);
        pulse.trigger();
        assert_eq!((0..20).filter(|_| pulse.cycle()).count(), usize::from(RESET_CYCLES));
    }
}
