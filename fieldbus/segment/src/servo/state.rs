//! The power drive state machine (CiA 402-2 §6.2, Figure 4).

/// States, with the statusword bits that show them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DriveState {
    /// Initialising.
    NotReadyToSwitchOn,
    /// Waits for shutdown.
    #[default]
    SwitchOnDisabled,
    /// Waits for switch on.
    ReadyToSwitchOn,
    /// High-level power may be on, no torque.
    SwitchedOn,
    /// Torque; follows its mode.
    OperationEnabled,
    /// Ramping down, or standing after it.
    QuickStopActive,
    /// Ramping down because of a fault.
    FaultReactionActive,
    /// No torque; waits for fault reset.
    Fault,
}

impl DriveState {
    /// Bits 0..=3, 5 and 6 of the statusword.
    pub(super) const fn bits(self) -> u16 {
        match self {
            Self::NotReadyToSwitchOn => 0x00,
            Self::SwitchOnDisabled => 0x40,
            Self::ReadyToSwitchOn => 0x21,
            Self::SwitchedOn => 0x23,
            Self::OperationEnabled => 0x27,
            Self::QuickStopActive => 0x07,
            Self::FaultReactionActive => 0x0F,
            Self::Fault => 0x08,
        }
    }

    /// The power stage works.
    pub(super) const fn has_power(self) -> bool {
        matches!(self, Self::OperationEnabled | Self::QuickStopActive | Self::FaultReactionActive)
    }

    /// A fault is shown or on its way.
    pub(super) const fn is_faulted(self) -> bool {
        matches!(self, Self::Fault | Self::FaultReactionActive)
    }
}

/// What a controlword commands (CiA 402-2 Table 24).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    DisableVoltage,
    QuickStop,
    Shutdown,
    SwitchOn,
    EnableOperation,
}

/// Decodes bits 0..=3; fault reset is an edge and looked at apart.
pub(super) const fn command(controlword: u16) -> Command {
    match controlword & 0x0F {
        0x0F => Command::EnableOperation,
        0x07 => Command::SwitchOn,
        0x06 | 0x0E => Command::Shutdown,
        bits if bits & 0x02 != 0 => Command::QuickStop,
        _ => Command::DisableVoltage,
    }
}

/// Where `command` leads from `state`; the same state when it does not apply. Fault states are left
/// by reset alone.
/// `resumable`: the quick stop option lets the drive stay, so that operation may be enabled again
/// (transition 16).
pub(super) const fn next(state: DriveState, command: Command, resumable: bool) -> DriveState {
    use Command as C;
    use DriveState as S;
    match (state, command) {
        (S::SwitchOnDisabled, C::Shutdown) => S::ReadyToSwitchOn,
        (S::ReadyToSwitchOn, C::SwitchOn | C::EnableOperation) => S::SwitchedOn,
        (S::SwitchedOn, C::EnableOperation) => S::OperationEnabled,
        (S::SwitchedOn | S::OperationEnabled, C::Shutdown) => S::ReadyToSwitchOn,
        (S::OperationEnabled, C::SwitchOn) => S::SwitchedOn,
        (S::OperationEnabled, C::QuickStop) => S::QuickStopActive,
        (S::QuickStopActive, C::EnableOperation) if resumable => S::OperationEnabled,
        (S::ReadyToSwitchOn | S::SwitchedOn, C::QuickStop | C::DisableVoltage)
        | (S::OperationEnabled | S::QuickStopActive, C::DisableVoltage) => S::SwitchOnDisabled,
        (state, _) => state,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use DriveState as S;

    /// CiA 402-2 Figure 4 written down a second time: (from, controlword, to).
    const TABLE: &[(S, u16, S)] = &[
        (S::SwitchOnDisabled, 0x06, S::ReadyToSwitchOn),
        (S::ReadyToSwitchOn, 0x07, S::SwitchedOn),
        (S::ReadyToSwitchOn, 0x0F, S::SwitchedOn),
        (S::ReadyToSwitchOn, 0x00, S::SwitchOnDisabled),
        (S::ReadyToSwitchOn, 0x02, S::SwitchOnDisabled),
        (S::SwitchedOn, 0x0F, S::OperationEnabled),
        (S::SwitchedOn, 0x06, S::ReadyToSwitchOn),
        (S::SwitchedOn, 0x00, S::SwitchOnDisabled),
        (S::SwitchedOn, 0x02, S::SwitchOnDisabled),
        (S::OperationEnabled, 0x07, S::SwitchedOn),
        (S::OperationEnabled, 0x06, S::ReadyToSwitchOn),
        (S::OperationEnabled, 0x00, S::SwitchOnDisabled),
        (S::OperationEnabled, 0x02, S::QuickStopActive),
        (S::QuickStopActive, 0x00, S::SwitchOnDisabled),
    ];

    #[test]
    fn only_the_transitions_of_the_profile_exist() {
        let states = [
            S::NotReadyToSwitchOn,
            S::SwitchOnDisabled,
            S::ReadyToSwitchOn,
            S::SwitchedOn,
            S::OperationEnabled,
            S::QuickStopActive,
            S::FaultReactionActive,
            S::Fault,
        ];
        for from in states {
            for word in [0x00_u16, 0x02, 0x06, 0x07, 0x0F] {
                let row = TABLE.iter().find(|row| row.0 == from && row.1 == word);
                let expected = row.map_or(from, |row| row.2);
                assert_eq!(next(from, command(word), false), expected, "{from:?} {word:#x}");
            }
        }
    }

    #[test]
    fn operation_goes_on_after_a_quick_stop_that_stays_only() {
        assert_eq!(next(S::QuickStopActive, command(0x0F), true), S::OperationEnabled);
        assert_eq!(next(S::QuickStopActive, command(0x0F), false), S::QuickStopActive);
    }
}
