//! A wired push button, 1 = pressed.

use crate::record::ButtonFault;
use twin_lite::taped_enum;

/// What is known of a button.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Button {
    /// Not seen since start, or since its signal was lost.
    #[default]
    Unseen,
    /// Not pressed.
    Released,
    /// Pressed, after it was seen released.
    Pressed {
        /// When, ns.
        since: u64,
    },
    /// Pressed when first seen, or for too long: a fault until it is let go.
    Stuck,
}

/// What a button did this cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Press {
    /// Nothing that counts.
    None,
    /// Pressed and released within the window.
    Done,
    /// Wrong.
    Fault(ButtonFault),
}

taped_enum!(Button { 0: Unseen, 1: Released, 2: Pressed { since }, 3: Stuck });

impl Button {
    /// One cycle. `pressed`: `None` when the signal is not good. The window is `shortest ..= longest`, ns.
    // SR-008
    pub fn update(
        &mut self,
        pressed: Option<bool>,
        now: u64,
        shortest: u64,
        longest: u64,
    ) -> Press {
        let (next, press) = match (*self, pressed) {
            (_, None) => (Self::Unseen, Press::None),
            // SR-009
            (Self::Unseen, Some(true)) => (Self::Stuck, Press::Fault(ButtonFault::HeldAtBoot)),
            (Self::Unseen | Self::Released | Self::Stuck, Some(false)) => {
                (Self::Released, Press::None)
            }
            (Self::Released, Some(true)) => (Self::Pressed { since: now }, Press::None),
            (Self::Stuck, Some(true)) => (Self::Stuck, Press::None),
            (Self::Pressed { since }, Some(true)) if now.saturating_sub(since) > longest => {
                (Self::Stuck, Press::Fault(ButtonFault::TooLong))
            }
            (Self::Pressed { since }, Some(true)) => (Self::Pressed { since }, Press::None),
            (Self::Pressed { since }, Some(false)) => {
                let held = now.saturating_sub(since);
                let press = if held < shortest {
                    Press::Fault(ButtonFault::TooShort)
                } else if held > longest {
                    Press::Fault(ButtonFault::TooLong)
                } else {
                    Press::Done
                };
                (Self::Released, press)
            }
        };
        *self = next;
        press
    }

    /// Pressed since then, if it was seen released before.
    #[must_use]
    pub fn pressed_since(&self) -> Option<u64> {
        match self {
            Self::Pressed { since } => Some(*since),
            Self::Unseen | Self::Released | Self::Stuck => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    const DONE: Press = Press::Done;
    const SHORT: Press = Press::Fault(ButtonFault::TooShort);
    const LONG: Press = Press::Fault(ButtonFault::TooLong);
    const HELD: Press = Press::Fault(ButtonFault::HeldAtBoot);

    /// Feeds one letter a ns: `.` released, `#` pressed, `?` lost. Window 3..=6. Gives what was reported, with its time.
    fn feed(levels: &str) -> Vec<(usize, Press)> {
        let mut button = Button::default();
        let mut reported = Vec::new();
        for (at, level) in levels.chars().enumerate() {
            let pressed = match level {
                '.' => Some(false),
                '#' => Some(true),
                _ => None,
            };
            let press = button.update(pressed, u64::try_from(at).unwrap(), 3, 6);
            if press != Press::None {
                reported.push((at, press));
            }
        }
        reported
    }

    /// The oracle: state before, held for, input → state after, what is reported. `.` released, `#` pressed, `?` lost. Window 3..=6;
    /// `young` below it, `in` it, `old` beyond it.
    const TABLE: [(&str, &str, char, &str, Press); 18] = [
        ("unseen", "", '?', "unseen", Press::None),
        ("unseen", "", '.', "released", Press::None),
        ("unseen", "", '#', "stuck", HELD),
        ("released", "", '?', "unseen", Press::None),
        ("released", "", '.', "released", Press::None),
        ("released", "", '#', "pressed", Press::None),
        ("stuck", "", '?', "unseen", Press::None),
        ("stuck", "", '.', "released", Press::None),
        ("stuck", "", '#', "stuck", Press::None),
        ("pressed", "young", '?', "unseen", Press::None),
        ("pressed", "young", '.', "released", SHORT),
        ("pressed", "young", '#', "pressed", Press::None),
        ("pressed", "in", '?', "unseen", Press::None),
        ("pressed", "in", '.', "released", DONE),
        ("pressed", "in", '#', "pressed", Press::None),
        ("pressed", "old", '?', "unseen", Press::None),
        ("pressed", "old", '.', "released", LONG),
        ("pressed", "old", '#', "stuck", LONG),
    ];

    #[test]
    fn every_state_and_input_goes_where_the_table_says() {
        let now = 100;
        for (from, held, input, to, reported) in TABLE {
            let ages: &[u64] = match held {
                "young" => &[0, 1, 2],
                "in" => &[3, 4, 5, 6],
                "old" => &[7, 8, 90],
                _ => &[0],
            };
            for age in ages {
                let since = now - age;
                let mut button = match from {
                    "unseen" => Button::Unseen,
                    "released" => Button::Released,
                    "stuck" => Button::Stuck,
                    _ => Button::Pressed { since },
                };
                let began = if from == "released" { now } else { since };
                let pressed = match input {
                    '.' => Some(false),
                    '#' => Some(true),
                    _ => None,
                };
                let after = match to {
                    "unseen" => Button::Unseen,
                    "released" => Button::Released,
                    "stuck" => Button::Stuck,
                    _ => Button::Pressed { since: began },
                };
                assert_eq!(button.update(pressed, now, 3, 6), reported, "{from} {age} {input}");
                assert_eq!(button, after, "{from} {age} {input}");
            }
        }
    }

    // SR-008
    #[test]
    // SR-008
    fn only_a_press_and_release_within_the_window_counts() {
        assert_eq!(feed(".##.."), [(3, SHORT)]);
        assert_eq!(feed(".###.."), [(4, DONE)], "3 is the shortest");
        assert_eq!(feed(".######.."), [(7, DONE)], "6 is the longest");
        assert_eq!(feed(".########.."), [(8, LONG)], "stuck as soon as it is too long, and once");
        assert_eq!(feed(".####"), [], "no release, no press");
    }

    #[test]
    // SR-009
    fn held_at_boot_is_a_fault_until_let_go() {
        assert_eq!(feed("#####..###."), [(0, HELD), (10, DONE)]);
    }

    #[test]
    // SR-009
    fn stuck_is_a_fault_until_let_go() {
        assert_eq!(feed(".###########..####."), [(8, LONG), (18, DONE)]);
    }

    #[test]
    fn a_lost_signal_breaks_the_press_and_must_be_seen_released_again() {
        assert_eq!(feed(".##?##."), [(4, HELD)]);
        assert_eq!(feed(".##?.###."), [(8, DONE)]);
        assert_eq!(feed("???"), []);
    }
}
