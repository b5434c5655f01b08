//! Two contacts that say the same (SF_Equivalent): both closed is a permit, nothing else is.
//!
//! Once enabled, both must be seen open before they enable again: a contact that is welded shows at the first use.

use super::{Code, Level, is_over};
use twin_lite::{taped, taped_enum};

/// States.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// 0000
    #[default]
    Idle,
    /// 8801: both open.
    Open,
    /// 8804: the first has closed, the second has not yet.
    WaitSecond { since: u64 },
    /// 8814: the second has closed, the first has not yet.
    WaitFirst { since: u64 },
    /// 8000: both closed.
    Enabled,
    /// 8805: one has opened; the other must follow, and both must be open at the same time.
    Leaving { since: u64 },
    /// C001: the second did not close in time.
    SecondLate,
    /// C002: the first did not close in time.
    FirstLate,
    /// C003: they were not open together in time.
    NotOpened,
}

taped_enum!(State {
    0: Idle,
    1: Open,
    2: WaitSecond { since },
    3: WaitFirst { since },
    4: Enabled,
    5: Leaving { since },
    6: SecondLate,
    7: FirstLate,
    8: NotOpened
});

/// Two contacts that say the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Equivalent {
    state: State,
}

taped!(Equivalent { state });

impl Equivalent {
    /// One cycle. What is not known says nothing about a contact: the state stays, and the verdict is a demand.
    pub fn update(&mut self, a: Level, b: Level, discrepancy_ns: u64, now: u64) -> Code {
        let (Some(a), Some(b)) = (a, b) else { return Code::UNKNOWN };
        let over = |since| is_over(since, discrepancy_ns, now);
        self.state = match (self.state, a, b) {
            (_, false, false) => State::Open,
            (State::Idle | State::Open, true, true) => State::Enabled,
            (State::Idle | State::Open, true, false) => State::WaitSecond { since: now },
            (State::Idle | State::Open, false, true) => State::WaitFirst { since: now },
            (State::WaitSecond { since }, _, _) if over(since) => State::SecondLate,
            (State::WaitFirst { since }, _, _) if over(since) => State::FirstLate,
            (State::WaitSecond { .. } | State::WaitFirst { .. }, true, true) => State::Enabled,
            (State::WaitSecond { since } | State::WaitFirst { since }, true, false) => {
                State::WaitSecond { since }
            }
            (State::WaitSecond { since } | State::WaitFirst { since }, false, true) => {
                State::WaitFirst { since }
            }
            (State::Enabled, true, true) => State::Enabled,
            (State::Enabled, true, false) | (State::Enabled, false, true) => {
                State::Leaving { since: now }
            }
            (State::Leaving { since }, _, _) if over(since) => State::NotOpened,
            (State::Leaving { since }, _, _) => State::Leaving { since },
            (error @ (State::SecondLate | State::FirstLate | State::NotOpened), _, _) => error,
        };
        self.code()
    }

    fn code(&self) -> Code {
        Code(match self.state {
            State::Idle => 0x0000,
            State::Enabled => 0x8000,
            State::Open => 0x8801,
            State::WaitSecond { .. } => 0x8804,
            State::Leaving { .. } => 0x8805,
            State::WaitFirst { .. } => 0x8814,
            State::SecondLate => 0xC001,
            State::FirstLate => 0xC002,
            State::NotOpened => 0xC003,
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::table::{LIMIT, Tabled, compare};
    use super::*;

    impl Tabled for Equivalent {
        const INPUTS: usize = 2;
        fn at(code: u16, since: u64) -> Self {
            let state = match code {
                0x0000 => State::Idle,
                0x8000 => State::Enabled,
                0x8801 => State::Open,
                0x8804 => State::WaitSecond { since },
                0x8805 => State::Leaving { since },
                0x8814 => State::WaitFirst { since },
                0xC001 => State::SecondLate,
                0xC002 => State::FirstLate,
                _ => State::NotOpened,
            };
            Self { state }
        }
        fn state(&self) -> (u16, Option<u64>) {
            let since = match self.state {
                State::WaitSecond { since }
                | State::WaitFirst { since }
                | State::Leaving { since } => Some(since),
                _ => None,
            };
            (self.code().0, since)
        }
        fn step(&mut self, inputs: &[Level], now: u64) -> Code {
            self.update(inputs[0], inputs[1], LIMIT, now)
        }
    }

    pub(in super::super) const STATES: [u16; 9] =
        [0x0000, 0x8000, 0x8801, 0x8804, 0x8805, 0x8814, 0xC001, 0xC002, 0xC003];

    #[test]
    fn it_goes_where_the_table_says() {
        let cases = compare::<Equivalent>(
            &STATES,
            "0000 8000 8801 8804 8805 8814 C001 C002 C003 | 00 | * | 8801
             0000 8000 8801 8804 8805 8814 C001 C002 C003 | ?* | * | same/C0F0
             0000 8000 8801 8804 8805 8814 C001 C002 C003 | .? | * | same/C0F0
             0000 8801 8000 | 11 | * | 8000
             0000 8801      | 10 | * | 8804+
             0000 8801      | 01 | * | 8814+
             8804 8814      | 11 | y | 8000
             8804 8814      | 10 | y | 8804
             8804 8814      | 01 | y | 8814
             8804           | 11 | o | C001
             8804           | 10 | o | C001
             8804           | 01 | o | C001
             8814           | 11 | o | C002
             8814           | 10 | o | C002
             8814           | 01 | o | C002
             8000           | 10 | * | 8805+
             8000           | 01 | * | 8805+
             8805           | 11 | y | 8805
             8805           | 10 | y | 8805
             8805           | 01 | y | 8805
             8805           | 11 | o | C003
             8805           | 10 | o | C003
             8805           | 01 | o | C003
             C001 C002 C003 | 11 | * | same
             C001 C002 C003 | 10 | * | same
             C001 C002 C003 | 01 | * | same",
        );
        assert_eq!(cases, 9 * 9 * 6);
    }

    #[test]
    #[should_panic(expected = "state")]
    fn a_wrong_row_is_found() {
        compare::<Equivalent>(
            &[0x0000, 0x8000, 0x8801],
            "0000 8801 8000 | *. | * | 8000
             0000 8801 8000 | *? | * | same/C0F0",
        );
    }

    #[test]
    #[should_panic(expected = "exactly one row")]
    fn a_table_that_leaves_a_case_open_is_found() {
        compare::<Equivalent>(&[0x8801], "8801 | 11 | * | 8000");
    }
}
