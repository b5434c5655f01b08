//! Power and brakes of a group, in the order that keeps what hangs from falling: holding before letting go.
//!
//! ```text
//! Off ─start─► Enabling ─all enabled─► Releasing ─release time─► On ─stop 1, standing─► Braking ─engage time─► Off
//!                                                                 ├─quick stop─► Quick ─standing─► Braking
//!                                                                 ╰──────stop 0──────► Cutting ─engage time─► Off
//! ```
//! *Quick*: the drives stop by themselves (0x6085), brakes are free. *Braking*: brakes engage, torque stays on. *Cutting*: brakes engage
//! and torque goes at once; only a vertical axis with a brake keeps its torque until that holds. Stop category 2 changes nothing here.
//! What a stop that does not slow down asks on top ([`Envelope`](super::Envelope)) comes in as `escalated`.
//! While nobody hears the drive of what hangs, neither the brake's engaging nor the torque's going is known to have arrived: the time that
//! the brake is given begins with the first frame that is heard again.

use crate::axis::cia402;
use crate::plan::{Reaction, StopWay};
use twin_lite::taped_enum;

/// Drives must be enabled within this after a start, ns.
pub const POWER_UP_MAX_NS: u64 = 5_000_000_000;

/// So long the brakes wait for a drive that is not heard, ns. Devices whose watchdog is twice the usual 100 ms have made
/// their outputs safe by then, and what waits for them are the other axes of the group.
pub const UNHEARD_MAX_NS: u64 = 250_000_000;

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
    /// The drives were told to stop quickly by themselves, brakes are free.
    Quick {
        /// ns.
        since: u64,
    },
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
    6: Quick { since },
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
    /// Category 1 is the drives' quick stop.
    pub quick_1: bool,
    /// What a stop that does not happen asks for: `QuickStop`, then `PowerRemoval`.
    pub escalated: Option<StopWay>,
    /// A drive works a brake: it may have let go as soon as it was enabled.
    pub drive_brakes: bool,
    /// Every drive is in operation enabled, in CSP.
    pub all_enabled: bool,
    /// A drive that works the brake of a load that hangs is still enabled: it did not take the command that engages it.
    pub brake_waits: bool,
    /// The drive of what hangs is not heard, and not for longer than [`UNHEARD_MAX_NS`].
    pub unheard: bool,
    /// The ramp is over and the axes stand, or were given time enough to.
    pub standing: bool,
    /// Longest time of the group's brakes to let go, ns.
    pub release_ns: u64,
    /// Longest time of the group's brakes to hold, ns.
    pub engage_ns: u64,
    /// Longest time until what hangs is held when power is cut, ns: at least `engage_ns`.
    pub cut_ns: u64,
}

/// What holds an axis when its torque goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holding {
    /// Nothing.
    Nothing,
    /// A brake on an output of ours.
    Output,
    /// A brake that the drive works by itself.
    Drive,
}

impl Power {
    /// One cycle.
    #[must_use]
    // SR-022
    pub fn next(self, needs: &PowerNeeds) -> Self {
        let now = needs.now;
        let over = |since: u64, ns: u64| now.saturating_sub(since) >= ns;
        let cut =
            needs.stop == Some(Reaction::Stop0) || needs.escalated == Some(StopWay::PowerRemoval);
        let end = matches!(needs.stop, Some(Reaction::Stop1 | Reaction::Stop0));
        let quick = needs.escalated == Some(StopWay::QuickStop)
            || (needs.quick_1 && needs.stop == Some(Reaction::Stop1));
        match self {
            Self::Off if needs.run && needs.stop.is_none() => Self::Enabling { since: now },
            Self::Off => Self::Off,
            // A brake of ours has not let go yet: nothing to hold. One that a drive works may have.
            Self::Enabling { .. } if (end || !needs.run) && needs.drive_brakes => {
                Self::Braking { since: now }
            }
            Self::Enabling { .. } if end || !needs.run => Self::Off,
            Self::Enabling { .. } if needs.all_enabled => Self::Releasing { since: now },
            Self::Enabling { since } => Self::Enabling { since },
            Self::Releasing { .. } | Self::On | Self::Quick { .. } | Self::Braking { .. }
                if cut =>
            {
                Self::Cutting { since: now }
            }
            Self::Releasing { .. } if end => Self::Braking { since: now },
            Self::Releasing { since } if over(since, needs.release_ns) => Self::On,
            Self::Releasing { since } => Self::Releasing { since },
            Self::On if end && needs.standing => Self::Braking { since: now },
            Self::On if quick => Self::Quick { since: now },
            Self::On => Self::On,
            Self::Quick { .. } if needs.standing => Self::Braking { since: now },
            Self::Quick { since } => Self::Quick { since },
            Self::Braking { .. } if needs.unheard => Self::Braking { since: now },
            // A drive that ignores the disabling may still obey a quick stop; the voltage alone would drop the load until its brake holds.
            Self::Braking { since } if over(since, needs.engage_ns) && needs.brake_waits => {
                Self::Cutting { since: now }
            }
            Self::Braking { since } if over(since, needs.engage_ns) => Self::Off,
            Self::Braking { since } => Self::Braking { since },
            Self::Cutting { .. } if needs.unheard => Self::Cutting { since: now },
            Self::Cutting { since } if over(since, needs.cut_ns) => Self::Off,
            Self::Cutting { since } => Self::Cutting { since },
        }
    }

    /// What the drive of an axis is told. Torque goes after the brake holds; only what does not hang loses it at once when power is
    /// cut.
    #[must_use]
    pub fn drive(self, vertical: bool, holding: Holding) -> cia402::Power {
        match (self, holding) {
            (Self::Off, _) => cia402::Power::Off,
            (Self::Enabling { .. } | Self::Releasing { .. } | Self::On, _) => cia402::Power::On,
            (Self::Quick { .. }, _) => cia402::Power::QuickStop,
            (Self::Braking { .. }, Holding::Nothing | Holding::Output) => cia402::Power::Hold,
            (Self::Braking { .. }, Holding::Drive) => cia402::Power::Disable,
            (Self::Cutting { .. }, Holding::Output) if vertical => cia402::Power::Hold,
            (Self::Cutting { .. }, Holding::Drive) if vertical => cia402::Power::QuickStop,
            (Self::Cutting { .. }, _) => cia402::Power::Off,
        }
    }

    /// Whether brakes are let go; an axis whose drive is not enabled never lets go.
    #[must_use]
    // SR-023
    pub fn brakes_released(self) -> bool {
        match self {
            Self::Releasing { .. } | Self::On | Self::Quick { .. } => true,
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

    const STATES: [Power; 7] = [
        Power::Off,
        Power::Enabling { since: 90 },
        Power::Releasing { since: 90 },
        Power::On,
        Power::Quick { since: 90 },
        Power::Braking { since: 90 },
        Power::Cutting { since: 90 },
    ];

    fn letter(power: Power) -> char {
        match power {
            Power::Off => 'f',
            Power::Enabling { .. } => 'e',
            Power::Releasing { .. } => 'r',
            Power::On => 'n',
            Power::Quick { .. } => 'q',
            Power::Braking { .. } => 'b',
            Power::Cutting { .. } => 'c',
        }
    }

    /// The oracle: rows are states as in [`STATES`], columns run × (no stop, 2, 1, 0), for brakes whose times are over and the
    /// drives enabled and standing; second block: nothing is over, enabled or standing.
    #[rustfmt::skip]
    const TABLE: [[&str; 2]; 7] = [
        // not run: -210   run: -210      the same, nothing over
        ["ffff efff", "ffff efff"],
        ["ffff rrff", "ffff eeff"],
        ["nnbc nnbc", "rrbc rrbc"],
        ["nnbc nnbc", "nnnc nnnc"],
        ["bbbc bbbc", "qqqc qqqc"],
        ["fffc fffc", "bbbc bbbc"],
        ["ffff ffff", "cccc cccc"],
    ];

    /// The same with category 1 as a quick stop: only a group that is on and moves differs.
    #[rustfmt::skip]
    const QUICK: [[&str; 2]; 7] = [
        ["ffff efff", "ffff efff"],
        ["ffff rrff", "ffff eeff"],
        ["nnbc nnbc", "rrbc rrbc"],
        ["nnbc nnbc", "nnqc nnqc"],
        ["bbbc bbbc", "qqqc qqqc"],
        ["fffc fffc", "bbbc bbbc"],
        ["ffff ffff", "cccc cccc"],
    ];

    /// After an escalation to the quick stop, and to the removal of power.
    #[rustfmt::skip]
    const ESCALATED: [[[&str; 2]; 7]; 2] = [
        [
            ["ffff efff", "ffff efff"],
            ["ffff rrff", "ffff eeff"],
            ["nnbc nnbc", "rrbc rrbc"],
            ["qqbc qqbc", "qqqc qqqc"],
            ["bbbc bbbc", "qqqc qqqc"],
            ["fffc fffc", "bbbc bbbc"],
            ["ffff ffff", "cccc cccc"],
        ],
        [
            ["ffff efff", "ffff efff"],
            ["ffff rrff", "ffff eeff"],
            ["cccc cccc", "cccc cccc"],
            ["cccc cccc", "cccc cccc"],
            ["cccc cccc", "cccc cccc"],
            ["cccc cccc", "cccc cccc"],
            ["ffff ffff", "cccc cccc"],
        ],
    ];

    /// `base`: what is the same in every cell of the table.
    fn holds(table: &[[&str; 2]; 7], base: PowerNeeds) {
        let stops = [None, Some(Reaction::Stop2), Some(Reaction::Stop1), Some(Reaction::Stop0)];
        for (state, row) in STATES.iter().zip(table) {
            for (over, want) in [true, false].into_iter().zip(row) {
                let want: Vec<char> = want.chars().filter(|c| *c != ' ').collect();
                let mut column = 0;
                for run in [false, true] {
                    for stop in stops {
                        let ns = if over { 10 } else { 11 };
                        let needs = PowerNeeds {
                            now: 100,
                            run,
                            stop,
                            all_enabled: over,
                            standing: over,
                            release_ns: ns,
                            engage_ns: ns,
                            cut_ns: ns,
                            ..base
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
    // SR-022
    fn every_state_goes_where_the_table_says() {
        holds(&TABLE, PowerNeeds::default());
        holds(&QUICK, PowerNeeds { quick_1: true, ..PowerNeeds::default() });
        let [quick, cut] = ESCALATED;
        let escalated = |way| PowerNeeds { escalated: Some(way), ..PowerNeeds::default() };
        holds(&quick, escalated(StopWay::QuickStop));
        holds(&cut, escalated(StopWay::PowerRemoval));
    }

    #[test]
    // SR-023
    fn a_brake_that_a_drive_may_have_let_go_is_engaged_before_torque_goes() {
        let mut table = TABLE;
        table[1] = ["bbbb rrbb", "bbbb eebb"];
        holds(&table, PowerNeeds { drive_brakes: true, ..PowerNeeds::default() });
    }

    #[test]
    // SR-023
    fn brakes_are_given_their_time_from_the_first_frame_that_is_heard() {
        let needs = |now, unheard| PowerNeeds {
            now,
            engage_ns: 10,
            cut_ns: 30,
            unheard,
            ..PowerNeeds::default()
        };
        let braking = Power::Braking { since: 90 };
        let held = braking.next(&needs(120, true));
        assert_eq!(held, Power::Braking { since: 120 });
        assert_eq!(held.next(&needs(129, false)), held);
        assert_eq!(held.next(&needs(130, false)), Power::Off);
        let cutting = Power::Cutting { since: 90 };
        let held = cutting.next(&needs(150, true));
        assert_eq!(held, Power::Cutting { since: 150 });
        assert_eq!(held.next(&needs(179, false)), held);
        assert_eq!(held.next(&needs(180, false)), Power::Off);
        // Nothing else waits: what is not heard does not come up, and a stop 0 cuts.
        let cut = PowerNeeds { stop: Some(Reaction::Stop0), ..needs(120, true) };
        assert_eq!(braking.next(&cut), Power::Cutting { since: 120 });
        assert_eq!(Power::Enabling { since: 90 }.next(&needs(120, true)), Power::Off);
        assert_eq!(Power::Off.next(&needs(120, true)), Power::Off);
    }

    #[test]
    // SR-023
    fn a_drive_that_did_not_engage_its_brake_is_told_the_quick_stop_before_power_goes() {
        let needs = |now| PowerNeeds {
            now,
            engage_ns: 10,
            cut_ns: 30,
            brake_waits: true,
            ..PowerNeeds::default()
        };
        let braking = Power::Braking { since: 90 };
        assert_eq!(braking.next(&needs(99)), braking);
        let cutting = braking.next(&needs(100));
        assert_eq!(cutting, Power::Cutting { since: 100 });
        assert_eq!(cutting.drive(true, Holding::Drive), cia402::Power::QuickStop);
        assert_eq!(cutting.next(&needs(129)), cutting);
        assert_eq!(cutting.next(&needs(130)), Power::Off, "it is not waited for without end");
    }

    #[test]
    fn what_hangs_is_held_longer_than_a_brake_takes_when_power_is_cut() {
        let needs = |now| PowerNeeds { now, engage_ns: 10, cut_ns: 30, ..PowerNeeds::default() };
        let (cutting, braking) = (Power::Cutting { since: 90 }, Power::Braking { since: 90 });
        assert_eq!(braking.next(&needs(100)), Power::Off);
        assert_eq!(cutting.next(&needs(119)), cutting);
        assert_eq!(cutting.next(&needs(120)), Power::Off);
    }

    /// What the drive is told, by state as in [`STATES`], for: no brake, one on an output, one of the drive; then the same vertical.
    /// f off, q quick stop, n on, h hold, d disable in the drive's order.
    const TOLD: [&str; 7] =
        ["fff fff", "nnn nnn", "nnn nnn", "nnn nnn", "qqq qqq", "hhd hhd", "fff fhq"];

    #[test]
    fn every_drive_is_told_what_the_table_says() {
        let holdings = [Holding::Nothing, Holding::Output, Holding::Drive];
        for (state, row) in STATES.into_iter().zip(TOLD) {
            let cells = [false, true].into_iter().flat_map(|vertical| {
                holdings.map(|holding| match state.drive(vertical, holding) {
                    cia402::Power::Off => 'f',
                    cia402::Power::QuickStop => 'q',
                    cia402::Power::On => 'n',
                    cia402::Power::Hold => 'h',
                    cia402::Power::Disable => 'd',
                })
            });
            let want: Vec<char> = row.chars().filter(|c| *c != ' ').collect();
            assert_eq!(cells.collect::<Vec<_>>(), want, "{state:?}");
        }
    }

    #[test]
    fn a_brake_is_let_go_only_where_every_drive_has_torque() {
        for state in STATES.into_iter().filter(|state| state.brakes_released()) {
            let power = state.drive(false, Holding::Nothing);
            assert!(matches!(power, cia402::Power::On | cia402::Power::QuickStop), "{state:?}");
        }
        let released: Vec<char> =
            STATES.into_iter().filter(|state| state.brakes_released()).map(letter).collect();
        assert_eq!(released, ['r', 'n', 'q'], "not before every drive of the group holds");
    }
}
