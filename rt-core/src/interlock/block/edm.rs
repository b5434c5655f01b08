//! External device monitoring (SF_EDM): a contactor is what it was told to be, within a time.

use super::{Code, Level, is_over};
use twin_lite::{taped, taped_enum};

/// States.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// 0000
    #[default]
    Idle,
    /// 8000: told on, and is.
    On,
    /// 8010: told off, and is.
    Off,
    /// 8020: told off, not yet dropped.
    Dropping { since: u64 },
    /// 8030: told on, not yet pulled in.
    Pulling { since: u64 },
    /// C010: it did not drop in time: welded.
    Welded,
    /// C020: it did not pull in in time.
    NotPulled,
    /// C030: it pulled in by itself.
    PulledByItself,
    /// C040: it dropped by itself.
    DroppedByItself,
}

taped_enum!(State {
    0: Idle,
    1: On,
    2: Off,
    3: Dropping { since },
    4: Pulling { since },
    5: Welded,
    6: NotPulled,
    7: PulledByItself,
    8: DroppedByItself
});

/// A contactor with its feedback.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Edm {
    state: State,
}

taped!(Edm { state });

impl Edm {
    /// One cycle. `on`: what it is told; `follows`: every feedback contact says that. An error is left when it is told off, and is.
    pub fn update(&mut self, on: Level, follows: Level, time_ns: u64, now: u64) -> Code {
        let (Some(on), Some(follows)) = (on, follows) else { return Code::UNKNOWN };
        let over = |since| is_over(since, time_ns, now);
        self.state = match (self.state, on, follows) {
            (
                error @ (State::Welded
                | State::NotPulled
                | State::PulledByItself
                | State::DroppedByItself),
                on,
                follows,
            ) => {
                if !on && follows {
                    State::Off
                } else {
                    error
                }
            }
            (State::Dropping { since }, false, _) if over(since) => State::Welded,
            (State::Pulling { since }, true, _) if over(since) => State::NotPulled,
            (_, true, true) => State::On,
            (_, false, true) => State::Off,
            (State::On, true, false) => State::DroppedByItself,
            (State::Off, false, false) => State::PulledByItself,
            (State::Dropping { since }, false, false) => State::Dropping { since },
            (State::Pulling { since }, true, false) => State::Pulling { since },
            (State::Idle | State::On | State::Pulling { .. }, false, false) => {
                State::Dropping { since: now }
            }
            (State::Idle | State::Off | State::Dropping { .. }, true, false) => {
                State::Pulling { since: now }
            }
        };
        self.code()
    }

    fn code(&self) -> Code {
        Code(match self.state {
            State::Idle => 0x0000,
            State::On => 0x8000,
            State::Off => 0x8010,
            State::Dropping { .. } => 0x8020,
            State::Pulling { .. } => 0x8030,
            State::Welded => 0xC010,
            State::NotPulled => 0xC020,
            State::PulledByItself => 0xC030,
            State::DroppedByItself => 0xC040,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::{LIMIT, Tabled, compare};
    use super::*;

    impl Tabled for Edm {
        const INPUTS: usize = 2;
        fn at(code: u16, since: u64) -> Self {
            let state = match code {
                0x0000 => State::Idle,
                0x8000 => State::On,
                0x8010 => State::Off,
                0x8020 => State::Dropping { since },
                0x8030 => State::Pulling { since },
                0xC010 => State::Welded,
                0xC020 => State::NotPulled,
                0xC030 => State::PulledByItself,
                _ => State::DroppedByItself,
            };
            Self { state }
        }
        fn state(&self) -> (u16, Option<u64>) {
            let since = match self.state {
                State::Dropping { since } | State::Pulling { since } => Some(since),
                _ => None,
            };
            (self.code().0, since)
        }
        fn step(&mut self, inputs: &[Level], now: u64) -> Code {
            self.update(inputs[0], inputs[1], LIMIT, now)
        }
    }

    /// Inputs: told on, follows.
    #[test]
    fn it_goes_where_the_table_says() {
        compare::<Edm>(
            &[0x0000, 0x8000, 0x8010, 0x8020, 0x8030, 0xC010, 0xC020, 0xC030, 0xC040],
            "0000 8000 8010 8020 8030 C010 C020 C030 C040 | ?* | * | same/C0F0
             0000 8000 8010 8020 8030 C010 C020 C030 C040 | .? | * | same/C0F0
             0000 8000 8010 8020 | 11 | * | 8000
             0000 8000 8010 8030 | 01 | * | 8010
             8030 | 11 | y | 8000
             8030 | 11 | o | C020
             8020 | 01 | y | 8010
             8020 | 01 | o | C010
             0000 8010 8020 | 10 | * | 8030+
             0000 8000 8030 | 00 | * | 8020+
             8030 | 10 | y | 8030
             8030 | 10 | o | C020
             8020 | 00 | y | 8020
             8020 | 00 | o | C010
             8000 | 10 | * | C040
             8010 | 00 | * | C030
             C010 C020 C030 C040 | 01 | * | 8010
             C010 C020 C030 C040 | 00 | * | same
             C010 C020 C030 C040 | 10 | * | same
             C010 C020 C030 C040 | 11 | * | same",
        );
    }
}
