//! A three-position enabling switch (SF_EnableSwitch): let go, enabled in the middle, pressed through in panic.
//!
//! | position | contact a | contact b |
//! | --- | --- | --- |
//! | 1 let go | 0 | 1 |
//! | 2 middle | 1 | 1 |
//! | 3 pressed through | 0 | 0 |
//!
//! Only the way from 1 to 2 enables; who comes back from 3 must let go first. On the way to 3 contact b may open before a.

use super::{Code, Level};
use twin_lite::{taped, taped_enum};

/// States.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// 0000
    #[default]
    Idle,
    /// 8000
    Enabled,
    /// 8802
    Released,
    /// 8804: pressed through; it must be let go.
    Panic,
    /// C001: held when first seen, or after its inputs were lost; it must be let go.
    HeldAtStart,
    /// C010: contacts that no position has.
    Invalid,
}

taped_enum!(State { 0: Idle, 1: Enabled, 2: Released, 3: Panic, 4: HeldAtStart, 5: Invalid });

/// A three-position enabling switch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Enabling {
    state: State,
}

taped!(Enabling { state });

impl Enabling {
    /// One cycle. After inputs that are not known it must be let go first.
    pub fn update(&mut self, a: Level, b: Level) -> Code {
        let (Some(a), Some(b)) = (a, b) else {
            self.state = State::Idle;
            return Code::UNKNOWN;
        };
        self.state = match (self.state, a, b) {
            (_, false, true) => State::Released,
            (State::Released | State::Enabled, true, true) => State::Enabled,
            (State::Idle, true, true) => State::HeldAtStart,
            (State::Idle | State::Released, true, false) => State::Invalid,
            (State::Idle | State::Released | State::Enabled, _, false) => State::Panic,
            (same @ (State::Panic | State::HeldAtStart | State::Invalid), _, _) => same,
        };
        self.code()
    }

    fn code(&self) -> Code {
        Code(match self.state {
            State::Idle => 0x0000,
            State::Enabled => 0x8000,
            State::Released => 0x8802,
            State::Panic => 0x8804,
            State::HeldAtStart => 0xC001,
            State::Invalid => 0xC010,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::{Tabled, compare};
    use super::*;

    impl Tabled for Enabling {
        const INPUTS: usize = 2;
        fn at(code: u16, _: u64) -> Self {
            let state = match code {
                0x0000 => State::Idle,
                0x8000 => State::Enabled,
                0x8802 => State::Released,
                0x8804 => State::Panic,
                0xC001 => State::HeldAtStart,
                _ => State::Invalid,
            };
            Self { state }
        }
        fn state(&self) -> (u16, Option<u64>) {
            (self.code().0, None)
        }
        fn step(&mut self, inputs: &[Level], _: u64) -> Code {
            self.update(inputs[0], inputs[1])
        }
    }

    #[test]
    fn it_goes_where_the_table_says() {
        compare::<Enabling>(
            &[0x0000, 0x8000, 0x8802, 0x8804, 0xC001, 0xC010],
            "0000 8000 8802 8804 C001 C010 | 01 | * | 8802
             0000 8000 8802 8804 C001 C010 | ?* | * | 0000/C0F0
             0000 8000 8802 8804 C001 C010 | .? | * | 0000/C0F0
             0000           | 11 | * | C001
             0000           | 00 | * | 8804
             0000           | 10 | * | C010
             8802           | 11 | * | 8000
             8802           | 00 | * | 8804
             8802           | 10 | * | C010
             8000           | 11 | * | 8000
             8000           | 00 | * | 8804
             8000           | 10 | * | 8804
             8804 C001 C010 | 11 | * | same
             8804 C001 C010 | 00 | * | same
             8804 C001 C010 | 10 | * | same",
        );
    }
}
