//! A guard door with two switches (SF_GuardMonitoring): closed when both are closed, and they closed together.
//!
//! It may open as slowly as it likes, but completely: both switches must be seen open before it counts as closed again.

use super::{Code, Level, is_over};
use twin_lite::{taped, taped_enum};

/// States.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// 0000
    #[default]
    Idle,
    /// 8000
    Closed,
    /// 8802: one switch has opened, the other must follow.
    Opening,
    /// 8804: both open.
    Open,
    /// 8806: the first has closed, the second has not yet.
    WaitSecond { since: u64 },
    /// 8816: the second has closed, the first has not yet.
    WaitFirst { since: u64 },
    /// C011: the second did not close in time.
    SecondLate,
    /// C012: the first did not close in time.
    FirstLate,
}

taped_enum!(State {
    0: Idle,
    1: Closed,
    2: Opening,
    3: Open,
    4: WaitSecond { since },
    5: WaitFirst { since },
    6: SecondLate,
    7: FirstLate
});

/// A guard door with two switches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Guard {
    state: State,
}

taped!(Guard { state });

impl Guard {
    /// One cycle. What is not known says nothing about a switch: the state stays, and the verdict is a demand.
    pub fn update(&mut self, a: Level, b: Level, discrepancy_ns: u64, now: u64) -> Code {
        let (Some(a), Some(b)) = (a, b) else { return Code::UNKNOWN };
        let over = |since| is_over(since, discrepancy_ns, now);
        self.state = match (self.state, a, b) {
            (_, false, false) => State::Open,
            (State::Idle | State::Closed | State::Open, true, true) => State::Closed,
            (State::Idle | State::Closed, _, _) | (State::Opening, _, _) => State::Opening,
            (State::Open, true, false) => State::WaitSecond { since: now },
            (State::Open, false, true) => State::WaitFirst { since: now },
            (State::WaitSecond { since }, _, _) if over(since) => State::SecondLate,
            (State::WaitFirst { since }, _, _) if over(since) => State::FirstLate,
            (State::WaitSecond { .. } | State::WaitFirst { .. }, true, true) => State::Closed,
            (State::WaitSecond { since } | State::WaitFirst { since }, true, false) => {
                State::WaitSecond { since }
            }
            (State::WaitSecond { since } | State::WaitFirst { since }, false, true) => {
                State::WaitFirst { since }
            }
            (error @ (State::SecondLate | State::FirstLate), _, _) => error,
        };
        self.code()
    }

    fn code(&self) -> Code {
        Code(match self.state {
            State::Idle => 0x0000,
            State::Closed => 0x8000,
            State::Opening => 0x8802,
            State::Open => 0x8804,
            State::WaitSecond { .. } => 0x8806,
            State::WaitFirst { .. } => 0x8816,
            State::SecondLate => 0xC011,
            State::FirstLate => 0xC012,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::{LIMIT, Tabled, compare};
    use super::*;

    impl Tabled for Guard {
        const INPUTS: usize = 2;
        fn at(code: u16, since: u64) -> Self {
            let state = match code {
                0x0000 => State::Idle,
                0x8000 => State::Closed,
                0x8802 => State::Opening,
                0x8804 => State::Open,
                0x8806 => State::WaitSecond { since },
                0x8816 => State::WaitFirst { since },
                0xC011 => State::SecondLate,
                _ => State::FirstLate,
            };
            Self { state }
        }
        fn state(&self) -> (u16, Option<u64>) {
            let since = match self.state {
                State::WaitSecond { since } | State::WaitFirst { since } => Some(since),
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
        compare::<Guard>(
            &[0x0000, 0x8000, 0x8802, 0x8804, 0x8806, 0x8816, 0xC011, 0xC012],
            "0000 8000 8802 8804 8806 8816 C011 C012 | 00 | * | 8804
             0000 8000 8802 8804 8806 8816 C011 C012 | ?* | * | same/C0F0
             0000 8000 8802 8804 8806 8816 C011 C012 | .? | * | same/C0F0
             0000 8000 8804 | 11 | * | 8000
             0000 8000      | 10 | * | 8802
             0000 8000      | 01 | * | 8802
             8802           | 11 | * | 8802
             8802           | 10 | * | 8802
             8802           | 01 | * | 8802
             8804           | 10 | * | 8806+
             8804           | 01 | * | 8816+
             8806 8816      | 11 | y | 8000
             8806 8816      | 10 | y | 8806
             8806 8816      | 01 | y | 8816
             8806           | 11 | o | C011
             8806           | 10 | o | C011
             8806           | 01 | o | C011
             8816           | 11 | o | C012
             8816           | 10 | o | C012
             8816           | 01 | o | C012
             C011 C012      | 11 | * | same
             C011 C012      | 10 | * | same
             C011 C012      | 01 | * | same",
        );
    }
}
