//! The PLCopen state machine of an axis, as one pure table.

use crate::program::AxisState;

/// What can change the state of an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AxisEvent {
    /// The drive is in operation enabled.
    PowerOn,
    /// The drive is not.
    PowerOff,
    /// Homing begins.
    Home,
    /// A move to a target begins, or the axis is coming to rest on request.
    MoveDiscrete,
    /// A move at a velocity begins.
    MoveContinuous,
    /// A move on the group's path begins.
    MoveSynchronized,
    /// What was asked is over, and the axis is at rest.
    Done,
    /// There is no permit: come to rest.
    Stop,
    /// The axis that was stopping is at rest.
    Stopped,
    /// Fault of the drive, or of what was asked.
    Fault,
    /// A person has reset; `powered`: the drive is in operation enabled.
    Reset {
        /// The drive is in operation enabled.
        powered: bool,
    },
}

/// The state after `event` in `state`; `None`: the event is refused there, nothing changes.
/// Source: PLCopen Motion Control 2.0, figure 2.
#[must_use]
pub const fn transition(state: AxisState, event: AxisEvent) -> Option<AxisState> {
    use AxisEvent as E;
    use AxisState as S;
    match (state, event) {
        (S::ErrorStop, E::Reset { powered: true }) => Some(S::Standstill),
        (S::ErrorStop, E::Reset { powered: false }) => Some(S::Disabled),
        (S::ErrorStop, _) | (_, E::Reset { .. }) => None,
        (_, E::Fault) => Some(S::ErrorStop),
        (_, E::PowerOff) => Some(S::Disabled),
        (S::Disabled, E::PowerOn) => Some(S::Standstill),
        (S::Disabled, _) | (_, E::PowerOn) => None,
        (S::Stopping, E::Stopped) => Some(S::Standstill),
        (S::Stopping, _) | (_, E::Stopped) => None,
        (S::Standstill, E::Stop | E::Done) => None,
        (S::Standstill, E::Home) => Some(S::Homing),
        (_, E::Stop) => Some(S::Stopping),
        (_, E::Done) => Some(S::Standstill),
        (S::Homing, _) | (_, E::Home) => None,
        (_, E::MoveDiscrete) => Some(S::DiscreteMotion),
        (_, E::MoveContinuous) => Some(S::ContinuousMotion),
        (_, E::MoveSynchronized) => Some(S::SynchronizedMotion),
    }
}

#[cfg(test)]
mod tests {
    use super::AxisEvent as E;
    use super::AxisState as S;
    use super::*;

    const STATES: [S; 8] = [
        S::Disabled,
        S::Standstill,
        S::Homing,
        S::DiscreteMotion,
        S::ContinuousMotion,
        S::SynchronizedMotion,
        S::Stopping,
        S::ErrorStop,
    ];

    const EVENTS: [E; 12] = [
        E::PowerOn,
        E::PowerOff,
        E::Home,
        E::MoveDiscrete,
        E::MoveContinuous,
        E::MoveSynchronized,
        E::Done,
        E::Stop,
        E::Stopped,
        E::Fault,
        E::Reset { powered: true },
        E::Reset { powered: false },
    ];

    /// The figure, drawn as rows of states and columns of [`EVENTS`]: letters are states, a dot is "refused".
    /// D disabled, S standstill, H homing, d discrete, c continuous, y synchronized, T stopping, E error stop.
    const TABLE: [(S, &str); 8] = [
        //                        on off home disc cont sync done stop stopped fault reset+ reset-
        (S::Disabled, "S D . . . . . . . E . ."),
        (S::Standstill, ". D H d c y . . . E . ."),
        (S::Homing, ". D . . . . S T . E . ."),
        (S::DiscreteMotion, ". D . d c y S T . E . ."),
        (S::ContinuousMotion, ". D . d c y S T . E . ."),
        (S::SynchronizedMotion, ". D . d c y S T . E . ."),
        (S::Stopping, ". D . . . . . . S E . ."),
        (S::ErrorStop, ". . . . . . . . . . S D"),
    ];

    fn state_of(letter: &str) -> Option<S> {
        match letter {
            "D" => Some(S::Disabled),
            "S" => Some(S::Standstill),
            "H" => Some(S::Homing),
            "d" => Some(S::DiscreteMotion),
            "c" => Some(S::ContinuousMotion),
            "y" => Some(S::SynchronizedMotion),
            "T" => Some(S::Stopping),
            "E" => Some(S::ErrorStop),
            "." => None,
            other => panic!("{other} stands for no state"),
        }
    }

    #[test]
    fn every_pair_of_state_and_event_does_what_the_figure_says() {
        let mut checked = 0;
        for (state, row) in TABLE {
            for (event, letter) in EVENTS.iter().zip(row.split_whitespace()) {
                assert_eq!(transition(state, *event), state_of(letter), "{state:?} {event:?}");
                checked += 1;
            }
        }
        assert_eq!(checked, STATES.len() * EVENTS.len());
    }

    #[test]
    fn no_chain_of_events_without_reset_leaves_error_stop() {
        for event in EVENTS {
            if !matches!(event, E::Reset { .. }) {
                assert_eq!(transition(S::ErrorStop, event), None);
            }
        }
    }
}
