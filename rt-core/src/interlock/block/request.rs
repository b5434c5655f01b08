//! A request to a drive or device that it must confirm within a time (SF_SafetyRequest). A confirmation that stays away is a demand:
//! the matrix answers it with something stronger.

use super::{Code, Level, is_over};
use twin_lite::{taped, taped_enum};

/// States.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// 0000
    #[default]
    Idle,
    /// 8000: nothing is requested.
    Operation,
    /// 8010: requested and confirmed.
    Confirmed,
    /// 8020: requested, not yet confirmed.
    Waiting { since: u64 },
    /// 8030: no longer requested, still confirmed.
    Releasing,
    /// C010: not confirmed in time.
    NotConfirmed,
    /// C020: the confirmation went while the request stood.
    Lost,
}

taped_enum!(State {
    0: Idle,
    1: Operation,
    2: Confirmed,
    3: Waiting { since },
    4: Releasing,
    5: NotConfirmed,
    6: Lost
});

/// A request and its confirmation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Request {
    state: State,
}

taped!(Request { state });

impl Request {
    /// One cycle. An error is left only by a confirmation of the request.
    pub fn update(&mut self, requested: Level, confirmed: Level, time_ns: u64, now: u64) -> Code {
        let (Some(requested), Some(confirmed)) = (requested, confirmed) else {
            return Code::UNKNOWN;
        };
        self.state = match (self.state, requested, confirmed) {
            (error @ (State::NotConfirmed | State::Lost), requested, confirmed) => {
                if requested && confirmed { State::Confirmed } else { error }
            }
            (_, false, false) => State::Operation,
            (_, false, true) => State::Releasing,
            (State::Waiting { since }, true, _) if is_over(since, time_ns, now) => {
                State::NotConfirmed
            }
            (_, true, true) => State::Confirmed,
            (State::Confirmed, true, false) => State::Lost,
            (State::Waiting { since }, true, false) => State::Waiting { since },
            (State::Idle | State::Operation | State::Releasing, true, false) => {
                State::Waiting { since: now }
            }
        };
        self.code()
    }

    fn code(&self) -> Code {
        Code(match self.state {
            State::Idle => 0x0000,
            State::Operation => 0x8000,
            State::Confirmed => 0x8010,
            State::Waiting { .. } => 0x8020,
            State::Releasing => 0x8030,
            State::NotConfirmed => 0xC010,
            State::Lost => 0xC020,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::{LIMIT, Tabled, compare};
    use super::*;

    impl Tabled for Request {
        const INPUTS: usize = 2;
        fn at(code: u16, since: u64) -> Self {
            let state = match code {
                0x0000 => State::Idle,
                0x8000 => State::Operation,
                0x8010 => State::Confirmed,
                0x8020 => State::Waiting { since },
                0x8030 => State::Releasing,
                0xC010 => State::NotConfirmed,
                _ => State::Lost,
            };
            Self { state }
        }
        fn state(&self) -> (u16, Option<u64>) {
            let since = match self.state {
                State::Waiting { since } => Some(since),
                _ => None,
            };
            (self.code().0, since)
        }
        fn step(&mut self, inputs: &[Level], now: u64) -> Code {
            self.update(inputs[0], inputs[1], LIMIT, now)
        }
    }

    /// Inputs: requested, confirmed.
    #[test]
    fn it_goes_where_the_table_says() {
        compare::<Request>(
            &[0x0000, 0x8000, 0x8010, 0x8020, 0x8030, 0xC010, 0xC020],
            "0000 8000 8010 8020 8030 C010 C020 | ?* | * | same/C0F0
             0000 8000 8010 8020 8030 C010 C020 | .? | * | same/C0F0
             0000 8000 8010 8020 8030 | 00 | * | 8000
             0000 8000 8010 8020 8030 | 01 | * | 8030
             0000 8000 8010 8030      | 11 | * | 8010
             0000 8000 8030           | 10 | * | 8020+
             8010                     | 10 | * | C020
             8020                     | 10 | y | 8020
             8020                     | 11 | y | 8010
             8020                     | 10 | o | C010
             8020                     | 11 | o | C010
             C010 C020                | 11 | * | 8010
             C010 C020                | 10 | * | same
             C010 C020                | 01 | * | same
             C010 C020                | 00 | * | same",
        );
    }
}
