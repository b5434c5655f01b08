//! Two hands, pressed together and held (SF_TwoHandControlTypeIII): nothing can be tied down.

use super::{Code, Level, is_over};
use twin_lite::{taped, taped_enum};

/// States.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// 0000
    #[default]
    Idle,
    /// 8000: both pressed, together.
    Enabled,
    /// 8804: both released.
    Released,
    /// 8805: the first is pressed, the second must follow.
    First { since: u64 },
    /// 8806: the second is pressed, the first must follow.
    Second { since: u64 },
    /// 8807: one was let go, or they changed over; both must be released.
    Locked,
    /// C001: the first is pressed when first seen.
    FirstAtStart,
    /// C002: the second is pressed when first seen.
    SecondAtStart,
    /// C003: both are pressed when first seen.
    BothAtStart,
    /// C004: the first alone for too long: tied down.
    FirstTied,
    /// C005: the second alone for too long: tied down.
    SecondTied,
    /// C006: both, but not together.
    NotTogether,
}

taped_enum!(State {
    0: Idle,
    1: Enabled,
    2: Released,
    3: First { since },
    4: Second { since },
    5: Locked,
    6: FirstAtStart,
    7: SecondAtStart,
    8: BothAtStart,
    9: FirstTied,
    10: SecondTied,
    11: NotTogether
});

/// Two hands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TwoHand {
    state: State,
}

taped!(TwoHand { state });

impl TwoHand {
    /// One cycle. After inputs that are not known both must be released first.
    pub fn update(&mut self, a: Level, b: Level, synchronous_ns: u64, now: u64) -> Code {
        let (Some(a), Some(b)) = (a, b) else {
            self.state = State::Idle;
            return Code::UNKNOWN;
        };
        let over = |since| is_over(since, synchronous_ns, now);
        self.state = match (self.state, a, b) {
            (_, false, false) => State::Released,
            (State::Idle, true, false) => State::FirstAtStart,
            (State::Idle, false, true) => State::SecondAtStart,
            (State::Idle, true, true) => State::BothAtStart,
            (State::Released | State::Enabled, true, true) => State::Enabled,
            (State::Released, true, false) => State::First { since: now },
            (State::Released, false, true) => State::Second { since: now },
            (State::First { since } | State::Second { since }, true, true) => {
                if over(since) {
                    State::NotTogether
                } else {
                    State::Enabled
                }
            }
            (State::First { since }, true, false) => {
                if over(since) {
                    State::FirstTied
                } else {
                    State::First { since }
                }
            }
            (State::Second { since }, false, true) => {
                if over(since) {
                    State::SecondTied
                } else {
                    State::Second { since }
                }
            }
            (State::First { .. }, false, true)
            | (State::Second { .. }, true, false)
            | (State::Enabled | State::Locked, _, _) => State::Locked,
            (
                error @ (State::FirstAtStart
                | State::SecondAtStart
                | State::BothAtStart
                | State::FirstTied
                | State::SecondTied
                | State::NotTogether),
                _,
                _,
            ) => error,
        };
        self.code()
    }

    fn code(&self) -> Code {
        Code(match self.state {
            State::Idle => 0x0000,
            State::Enabled => 0x8000,
            State::Released => 0x8804,
            State::First { .. } => 0x8805,
            State::Second { .. } => 0x8806,
            State::Locked => 0x8807,
            State::FirstAtStart => 0xC001,
            State::SecondAtStart => 0xC002,
            State::BothAtStart => 0xC003,
            State::FirstTied => 0xC004,
            State::SecondTied => 0xC005,
            State::NotTogether => 0xC006,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::{LIMIT, Tabled, compare};
    use super::*;

    impl Tabled for TwoHand {
        const INPUTS: usize = 2;
        fn at(code: u16, since: u64) -> Self {
            let state = match code {
                0x0000 => State::Idle,
                0x8000 => State::Enabled,
                0x8804 => State::Released,
                0x8805 => State::First { since },
                0x8806 => State::Second { since },
                0x8807 => State::Locked,
                0xC001 => State::FirstAtStart,
                0xC002 => State::SecondAtStart,
                0xC003 => State::BothAtStart,
                0xC004 => State::FirstTied,
                0xC005 => State::SecondTied,
                _ => State::NotTogether,
            };
            Self { state }
        }
        fn state(&self) -> (u16, Option<u64>) {
            let since = match self.state {
                State::First { since } | State::Second { since } => Some(since),
                _ => None,
            };
            (self.code().0, since)
        }
        fn step(&mut self, inputs: &[Level], now: u64) -> Code {
            self.update(inputs[0], inputs[1], LIMIT, now)
        }
    }

    #[test]
    fn it_goes_where_the_table_says() {
        compare::<TwoHand>(
            &[
                0x0000, 0x8000, 0x8804, 0x8805, 0x8806, 0x8807, 0xC001, 0xC002, 0xC003, 0xC004,
                0xC005, 0xC006,
            ],
            "0000 8000 8804 8805 8806 8807 C001 C002 C003 C004 C005 C006 | 00 | * | 8804
             0000 8000 8804 8805 8806 8807 C001 C002 C003 C004 C005 C006 | ?* | * | 0000/C0F0
             0000 8000 8804 8805 8806 8807 C001 C002 C003 C004 C005 C006 | .? | * | 0000/C0F0
             0000      | 10 | * | C001
             0000      | 01 | * | C002
             0000      | 11 | * | C003
             8804      | 11 | * | 8000
             8804      | 10 | * | 8805+
             8804      | 01 | * | 8806+
             8805      | 10 | y | 8805
             8805      | 10 | o | C004
             8805      | 01 | * | 8807
             8806      | 01 | y | 8806
             8806      | 01 | o | C005
             8806      | 10 | * | 8807
             8805 8806 | 11 | y | 8000
             8805 8806 | 11 | o | C006
             8000      | 11 | * | 8000
             8000      | 10 | * | 8807
             8000      | 01 | * | 8807
             8807 C001 C002 C003 C004 C005 C006 | 11 | * | same
             8807 C001 C002 C003 C004 C005 C006 | 10 | * | same
             8807 C001 C002 C003 C004 C005 C006 | 01 | * | same",
        );
    }
}
