//! The wired mode selector (SF_ModeSelector): exactly one of two contacts. None or both select nothing, and nothing is a demand.

use super::{Code, Level, is_over};
use twin_lite::{taped, taped_enum};

/// How the machine is worked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Mode {
    /// Not known: the selector says nothing, or contradicts itself.
    #[default]
    Unknown = 0,
    /// The program works.
    Automatic,
    /// A person works it, with an enabling device in hand.
    Manual,
}

taped_enum!(Mode { 0: Unknown, 1: Automatic, 2: Manual });

/// States.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// 0000
    #[default]
    Idle,
    /// 8010
    Automatic,
    /// 8020
    Manual,
    /// 8802: between two positions.
    Changing { since: u64 },
    /// C001: both contacts.
    Both,
    /// C002: no contact for too long.
    None,
}

taped_enum!(State { 0: Idle, 1: Automatic, 2: Manual, 3: Changing { since }, 4: Both, 5: None });

/// The selector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    state: State,
}

taped!(Selector { state });

impl Selector {
    /// One cycle. A change is always seen as one, for one cycle at least.
    pub fn update(&mut self, automatic: Level, manual: Level, monitor_ns: u64, now: u64) -> Code {
        let (Some(automatic), Some(manual)) = (automatic, manual) else {
            self.state = State::Idle;
            return Code::UNKNOWN;
        };
        self.state = match (self.state, automatic, manual) {
            (_, true, true) => State::Both,
            (State::Idle | State::Changing { .. } | State::Automatic, true, false) => {
                State::Automatic
            }
            (State::Idle | State::Changing { .. } | State::Manual, false, true) => State::Manual,
            (State::Changing { since }, false, false) if is_over(since, monitor_ns, now) => {
                State::None
            }
            (State::Changing { since }, false, false) => State::Changing { since },
            (error @ (State::Both | State::None), false, false) => error,
            (State::Idle | State::Automatic | State::Manual, false, false)
            | (State::Automatic | State::Both | State::None, false, true)
            | (State::Manual | State::Both | State::None, true, false) => {
                State::Changing { since: now }
            }
        };
        self.code()
    }

    /// What is selected.
    #[must_use]
    pub fn mode(&self) -> Mode {
        match self.state {
            State::Automatic => Mode::Automatic,
            State::Manual => Mode::Manual,
            State::Idle | State::Changing { .. } | State::Both | State::None => Mode::Unknown,
        }
    }

    fn code(&self) -> Code {
        Code(match self.state {
            State::Idle => 0x0000,
            State::Automatic => 0x8010,
            State::Manual => 0x8020,
            State::Changing { .. } => 0x8802,
            State::Both => 0xC001,
            State::None => 0xC002,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::{LIMIT, Tabled, compare};
    use super::*;

    impl Tabled for Selector {
        const INPUTS: usize = 2;
        fn at(code: u16, since: u64) -> Self {
            let state = match code {
                0x0000 => State::Idle,
                0x8010 => State::Automatic,
                0x8020 => State::Manual,
                0x8802 => State::Changing { since },
                0xC001 => State::Both,
                _ => State::None,
            };
            Self { state }
        }
        fn state(&self) -> (u16, Option<u64>) {
            let since = match self.state {
                State::Changing { since } => Some(since),
                _ => None,
            };
            (self.code().0, since)
        }
        fn step(&mut self, inputs: &[Level], now: u64) -> Code {
            let code = self.update(inputs[0], inputs[1], LIMIT, now);
            let selected = self.mode() != Mode::Unknown;
            assert_eq!(selected, code.permits(), "a mode is known exactly when the block permits");
            code
        }
    }

    /// Inputs: automatic, manual.
    #[test]
    fn it_goes_where_the_table_says() {
        compare::<Selector>(
            &[0x0000, 0x8010, 0x8020, 0x8802, 0xC001, 0xC002],
            "0000 8010 8020 8802 C001 C002 | ?* | * | 0000/C0F0
             0000 8010 8020 8802 C001 C002 | .? | * | 0000/C0F0
             0000 8010 8020 8802 C001 C002 | 11 | * | C001
             0000 8010 8802 | 10 | * | 8010
             0000 8020 8802 | 01 | * | 8020
             0000 8010 8020 | 00 | * | 8802+
             8010 C001 C002 | 01 | * | 8802+
             8020 C001 C002 | 10 | * | 8802+
             8802           | 00 | y | 8802
             8802           | 00 | o | C002
             C001 C002      | 00 | * | same",
        );
    }
}
