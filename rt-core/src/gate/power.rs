//! Power and brakes of a group, in the order that keeps what hangs from falling: holding before letting go.
//!
//! ```text
//! Off ─start─► Enabling ─all enabled─► Releasing ─release time─► On ─stop 1, standing─► Braking ─engage time─► Off
//!                                                                 ╰──────stop 0──────► Cutting ─engage time─► Off
//! ```
//! *Braking*: brakes engage, torque stays on. *Cutting*: brakes engage and torque goes at once; only a vertical axis with a brake keeps
//! its torque for the engage time. Stop category 2 changes nothing here.

use crate::plan::Reaction;
use twin_lite::taped_enum;

/// Drives must be enabled within this after a start, ns.
pub const POWER_UP_MAX_NS: u64 = 5_000_000_000;

/// Power of a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Power {
    /// No torque, brakes engaged.
    #[default]
    Off,
    /// The drives are being enabled, brakes engaged.
    Enabling {
        /// ns.
        since: u64,
    },
    /// Torque holds, brakes let go.
    Releasing {
        /// ns.
        since: u64,
    },
    /// Torque holds, brakes are free: motion may be permitted.
    On,
    /// Brakes engage, torque still holds.
    Braking {
        /// ns.
        since: u64,
    },
    /// Brakes engage, torque is gone but where a vertical axis waits for its brake.
    Cutting {
        /// ns.
        since: u64,
    },
}

taped_enum!(Power {
    0: Off,
    1: Enabling { since },
    2: Releasing { since },
    3: On,
    4: Braking { since },
    5: Cutting { since },
});

/// What decides about a group's power this cycle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PowerNeeds {
    /// ns of CLOCK_MONOTONIC.
    pub now: u64,
    /// The machine runs.
    pub run: bool,
    /// The strongest stop asked of the group.
    pub stop: Option<Reaction>,
    /// Every drive is in operation enabled, in CSP.
    pub all_enabled: bool,
    /// The ramp is over and the axes stand, or were given time enough to.
    pub standing: bool,
    /// Longest time of the group's brakes to let go, ns.
    pub release_ns: u64,
    /// Longest time of the group's brakes to hold, ns.
    pub engage_ns: u64,
}

impl Power {
    /// One cycle.
    #[must_use]
    pub fn next(self, needs: &PowerNeeds) -> Self {
        let now = needs.now;
        let over = |since: u64, ns: u64| now.saturating_sub(since) >= ns;
        let (cut, end) = (needs.stop == Some(Reaction::Stop0), needs.stop >= Some(Reaction::Stop1));
        match self {
            Self::Off if needs.run && needs.stop.is_none() => Self::Enabling { since: now },
            Self::Off => Self::Off,
            // Brakes have not let go yet: nothing to hold.
            Self::Enabling { .. } if end || !needs.run => Self::Off,
            Self::Enabling { .. } if needs.all_enabled => Self::Releasing { since: now },
            Self::Enabling { since } => Self::Enabling { since },
            Self::Releasing { .. } | Self::On | Self::Braking { .. } if cut => {
                Self::Cutting { since: now }
            }
            Self::Releasing { .. } if end => Self::Braking { since: now },
            Self::Releasing { since } if over(since, needs.release_ns) => Self::On,
            Self::Releasing { since } => Self::Releasing { since },
            Self::On if end && needs.standing => Self::Braking { since: now },
            Self::On => Self::On,
            Self::Braking { since } if over(since, needs.engage_ns) => Self::Off,
            Self::Braking { since } => Self::Braking { since },
            Self::Cutting { since } if over(since, needs.engage_ns) => Self::Off,
            Self::Cutting { since } => Self::Cutting { since },
        }
    }

    /// Whether an axis gets torque; `waits`: it is vertical and has a brake.
    #[must_use]
    pub fn torque(self, waits: bool) -> bool {
        match self {
            Self::Off => false,
            Self::Enabling { .. } | Self::Releasing { .. } | Self::On | Self::Braking { .. } => {
                true
            }
            Self::Cutting { .. } => waits,
        }
    }

    /// Whether brakes are let go; an axis whose drive is not enabled never lets go.
    #[must_use]
    pub fn brakes_released(self) -> bool {
        match self {
            Self::Releasing { .. } | Self::On => true,
            Self::Off | Self::Enabling { .. } | Self::Braking { .. } | Self::Cutting { .. } => {
                false
            }
        }
    }

    /// The drives were asked to come up and did not.
    #[must_use]
    pub fn is_overdue(self, now: u64) -> bool {
        matches!(self, Self::Enabling { since } if now.saturating_sub(since) > POWER_UP_MAX_NS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    const STATES: [Power; 6] = [
        Power::Off,
        Power::Enabling { since: 90 },
        Power::Releasing { since: 90 },
        Power::On,
        Power::Braking { since: 90 },
        Power::Cutting { since: 90 },
    ];

    fn letter(power: Power) -> char {
        match power {
            Power::Off => 'f',
            Power::Enabling { .. } => 'e',
            Power::Releasing { .. } => 'r',
            Power::On => 'n',
            Power::Braking { .. } => 'b',
            Power::Cutting { .. } => 'c',
        }
    }

    /// The oracle: rows are states as in [`STATES`], columns run × (no stop, 2, 1, 0), for brakes whose times are over and the
    /// drives enabled and standing; second block: nothing is over, enabled or standing.
    #[rustfmt::skip]
    const TABLE: [[&str; 2]; 6] = [
        // not run: -210   run: -210      the same, nothing over
        ["ffff efff", "ffff efff"],
        ["ffff rrff", "ffff eeff"],
        ["nnbc nnbc", "rrbc rrbc"],
        ["nnbc nnbc", "nnnc nnnc"],
        ["fffc fffc", "bbbc bbbc"],
        ["ffff ffff", "cccc cccc"],
    ];

    #[test]
    fn every_state_goes_where_the_table_says() {
        let stops = [None, Some(Reaction::Stop2), Some(Reaction::Stop1), Some(Reaction::Stop0)];
        for (state, row) in STATES.iter().zip(TABLE) {
            for (over, want) in [true, false].into_iter().zip(row) {
                let want: Vec<char> = want.chars().filter(|c| *c != ' ').collect();
                let mut column = 0;
                for run in [false, true] {
                    for stop in stops {
                        let (release_ns, engage_ns) = if over { (10, 10) } else { (11, 11) };
                        let needs = PowerNeeds {
                            now: 100,
                            run,
                            stop,
                            all_enabled: over,
                            standing: over,
                            release_ns,
                            engage_ns,
                        };
                        let next = letter(state.next(&needs));
                        assert_eq!(next, want[column], "{state:?} {needs:?}");
                        column += 1;
                    }
                }
            }
        }
    }

    #[test]
    fn a_brake_is_never_released_without_torque() {
        for state in STATES {
            assert!(!state.brakes_released() || state.torque(false), "{state:?}");
        }
        let released: Vec<char> =
            STATES.into_iter().filter(|state| state.brakes_released()).map(letter).collect();
        assert_eq!(released, ['r', 'n'], "not before every drive of the group holds");
        assert!(Power::Cutting { since: 0 }.torque(true), "a vertical axis waits for its brake");
        assert!(!Power::Cutting { since: 0 }.torque(false));
    }
}
