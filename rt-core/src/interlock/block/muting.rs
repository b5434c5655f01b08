//! A light curtain that a part may pass and a person may not: muting by sensors (SF_MutingPar_2Sensor, SF_MutingSeq).
//!
//! Two sensors with crossed beams: both must be covered within the entry time. Four sensors in a row, two before the curtain and two
//! behind it: the first, then the second, and while the part passes one of the pairs is covered all the time; either direction. A
//! person who covers the sensors in any other way ends in an error, and the curtain holds. Muting never lasts longer than its time, and
//! never begins while the curtain is interrupted.

use super::{Code, Level, is_over};
use twin_lite::{taped, taped_enum};

/// Most sensors.
pub const SENSORS_MAX: usize = 4;

/// What the sensors are, and how long things may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Four sensors in a row; otherwise two with crossed beams.
    pub sequence: bool,
    /// From the first sensor to the second, ns.
    pub entry_ns: u64,
    /// From the first sensor until all are free again, ns.
    pub muting_ns: u64,
}

/// Which way a part comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
enum Way {
    #[default]
    There,
    Back,
}

taped_enum!(Way { 0: There, 1: Back });

/// States.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// 0000
    #[default]
    Idle,
    /// 8000: the curtain is free and no sensor is covered.
    Free,
    /// 8011, 8021: the first sensor is covered, the second must follow.
    Entering { way: Way, since: u64 },
    /// 8012: muted.
    Muted { since: u64 },
    /// 8013: no longer muted, until all sensors are free.
    Leaving { since: u64 },
    /// 8802: the curtain is interrupted.
    Interrupted,
    /// C001: sensors are covered when first seen, or when the curtain becomes free.
    CoveredAtStart,
    /// C011: the second sensor did not follow in time.
    SecondLate,
    /// C012: sensors in a wrong order.
    Order,
    /// C021: muted for too long.
    TooLong,
}

taped_enum!(State {
    0: Idle,
    1: Free,
    2: Entering { way, since },
    3: Muted { since },
    4: Leaving { since },
    5: Interrupted,
    6: CoveredAtStart,
    7: SecondLate,
    8: Order,
    9: TooLong
});

/// A light curtain with muting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Muting {
    state: State,
}

taped!(Muting { state });

impl Limits {
    /// The way that begins with exactly these sensors.
    fn first(&self, covered: u8) -> Option<Way> {
        match (self.sequence, covered) {
            (_, 0b0001) => Some(Way::There),
            (false, 0b0010) | (true, 0b1000) => Some(Way::Back),
            (_, _) => None,
        }
    }

    /// Exactly the two sensors of the entry.
    fn entered(&self, way: Way, covered: u8) -> bool {
        match (self.sequence, way) {
            (false, _) | (true, Way::There) => covered == 0b0011,
            (true, Way::Back) => covered == 0b1100,
        }
    }

    /// A pair is covered.
    fn holds(&self, covered: u8) -> bool {
        covered & 0b0011 == 0b0011 || (self.sequence && covered & 0b1100 == 0b1100)
    }
}

impl Muting {
    /// One cycle. `clear`: the curtain is free. `sensors`: 1 = covered; those that there are not are 0.
    pub fn update(
        &mut self,
        clear: Level,
        sensors: [Level; SENSORS_MAX],
        limits: &Limits,
        now: u64,
    ) -> Code {
        let (Some(clear), [Some(a), Some(b), Some(c), Some(d)]) = (clear, sensors) else {
            self.state = State::Idle;
            return Code::UNKNOWN;
        };
        let covered = u8::from(a) | u8::from(b) << 1 | u8::from(c) << 2 | u8::from(d) << 3;
        self.state = self.next(clear, covered, limits, now);
        self.code()
    }

    fn next(&self, clear: bool, covered: u8, limits: &Limits, now: u64) -> State {
        let too_long = |since| is_over(since, limits.muting_ns, now);
        match self.state {
            State::Muted { since } | State::Leaving { since } if too_long(since) => State::TooLong,
            State::Muted { since } if limits.holds(covered) => State::Muted { since },
            State::CoveredAtStart | State::SecondLate | State::Order | State::TooLong => {
                if clear && covered == 0 { State::Free } else { self.state }
            }
            _ if !clear => State::Interrupted,
            _ if covered == 0 => State::Free,
            State::Idle | State::Interrupted => State::CoveredAtStart,
            State::Free => self.enter(covered, limits, now),
            State::Entering { way, since } => {
                let entered = limits.entered(way, covered);
                if !entered && limits.first(covered) != Some(way) {
                    State::Order
                } else if is_over(since, limits.entry_ns, now) {
                    State::SecondLate
                } else if entered {
                    State::Muted { since }
                } else {
                    State::Entering { way, since }
                }
            }
            State::Muted { since } | State::Leaving { since } => State::Leaving { since },
        }
    }

    /// The first sensors are covered.
    fn enter(&self, covered: u8, limits: &Limits, now: u64) -> State {
        match limits.first(covered) {
            Some(way) => State::Entering { way, since: now },
            None if !limits.sequence && limits.holds(covered) => State::Muted { since: now },
            None => State::Order,
        }
    }

    /// A part passes: the lamp is on.
    #[must_use]
    pub fn is_muted(&self) -> bool {
        matches!(self.state, State::Muted { .. })
    }

    fn code(&self) -> Code {
        Code(match self.state {
            State::Idle => 0x0000,
            State::Free => 0x8000,
            State::Entering { way: Way::There, .. } => 0x8011,
            State::Entering { way: Way::Back, .. } => 0x8021,
            State::Muted { .. } => 0x8012,
            State::Leaving { .. } => 0x8013,
            State::Interrupted => 0x8802,
            State::CoveredAtStart => 0xC001,
            State::SecondLate => 0xC011,
            State::Order => 0xC012,
            State::TooLong => 0xC021,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::{LIMIT, Tabled, compare};
    use super::*;

    const STATES: [u16; 11] =
        [0x0000, 0x8000, 0x8011, 0x8012, 0x8013, 0x8021, 0x8802, 0xC001, 0xC011, 0xC012, 0xC021];

    fn limits(sequence: bool) -> Limits {
        Limits { sequence, entry_ns: LIMIT, muting_ns: LIMIT }
    }

    fn at(code: u16, since: u64) -> Muting {
        let state = match code {
            0x0000 => State::Idle,
            0x8000 => State::Free,
            0x8011 => State::Entering { way: Way::There, since },
            0x8012 => State::Muted { since },
            0x8013 => State::Leaving { since },
            0x8021 => State::Entering { way: Way::Back, since },
            0x8802 => State::Interrupted,
            0xC001 => State::CoveredAtStart,
            0xC011 => State::SecondLate,
            0xC012 => State::Order,
            _ => State::TooLong,
        };
        Muting { state }
    }

    fn state(muting: &Muting) -> (u16, Option<u64>) {
        let since = match muting.state {
            State::Entering { since, .. } | State::Muted { since } | State::Leaving { since } => {
                Some(since)
            }
            _ => None,
        };
        (muting.code().0, since)
    }

    /// Two sensors. Inputs: curtain free, first, second.
    #[derive(Clone, Copy, Debug)]
    struct Two(Muting);

    impl Tabled for Two {
        const INPUTS: usize = 3;
        fn at(code: u16, since: u64) -> Self {
            Self(at(code, since))
        }
        fn state(&self) -> (u16, Option<u64>) {
            state(&self.0)
        }
        fn step(&mut self, inputs: &[Level], now: u64) -> Code {
            let off = Some(false);
            self.0.update(inputs[0], [inputs[1], inputs[2], off, off], &limits(false), now)
        }
    }

    #[test]
    fn two_sensors_go_where_the_table_says() {
        compare::<Two>(
            &STATES,
            "0000 8000 8011 8012 8013 8021 8802 C001 C011 C012 C021 | ?** | * | 0000/C0F0
             0000 8000 8011 8012 8013 8021 8802 C001 C011 C012 C021 | .?* | * | 0000/C0F0
             0000 8000 8011 8012 8013 8021 8802 C001 C011 C012 C021 | ..? | * | 0000/C0F0
             0000 8000 8011 8021 8802 | 0.. | * | 8802
             0000 8000 8011 8021 8802 | 100 | * | 8000
             0000 8802 | 110 | * | C001
             0000 8802 | 101 | * | C001
             0000 8802 | 111 | * | C001
             8000      | 110 | * | 8011+
             8000      | 101 | * | 8021+
             8000      | 111 | * | 8012+
             8011      | 110 | y | 8011
             8011      | 110 | o | C011
             8011      | 101 | * | C012
             8021      | 101 | y | 8021
             8021      | 101 | o | C011
             8021      | 110 | * | C012
             8011 8021 | 111 | y | 8012
             8011 8021 | 111 | o | C011
             8012      | .11 | y | 8012
             8012 8013 | 100 | y | 8000
             8012 8013 | 110 | y | 8013
             8012 8013 | 101 | y | 8013
             8012 8013 | 000 | y | 8802
             8012 8013 | 010 | y | 8802
             8012 8013 | 001 | y | 8802
             8013      | 111 | y | 8013
             8013      | 011 | y | 8802
             8012 8013 | ... | o | C021
             C001 C011 C012 C021 | 100 | * | 8000
             C001 C011 C012 C021 | 0.. | * | same
             C001 C011 C012 C021 | 11. | * | same
             C001 C011 C012 C021 | 101 | * | same",
        );
    }

    /// Four sensors. Inputs: curtain free, the four in their order.
    #[derive(Clone, Copy, Debug)]
    struct Four(Muting);

    impl Tabled for Four {
        const INPUTS: usize = 5;
        fn at(code: u16, since: u64) -> Self {
            Self(at(code, since))
        }
        fn state(&self) -> (u16, Option<u64>) {
            state(&self.0)
        }
        fn step(&mut self, inputs: &[Level], now: u64) -> Code {
            let sensors = [inputs[1], inputs[2], inputs[3], inputs[4]];
            self.0.update(inputs[0], sensors, &limits(true), now)
        }
    }

    const FOUR: &str =
        "0000 8000 8011 8012 8013 8021 8802 C001 C011 C012 C021 | ?**** | * | 0000/C0F0
        0000 8000 8011 8012 8013 8021 8802 C001 C011 C012 C021 | .?*** | * | 0000/C0F0
        0000 8000 8011 8012 8013 8021 8802 C001 C011 C012 C021 | ..?** | * | 0000/C0F0
        0000 8000 8011 8012 8013 8021 8802 C001 C011 C012 C021 | ...?* | * | 0000/C0F0
        0000 8000 8011 8012 8013 8021 8802 C001 C011 C012 C021 | ....? | * | 0000/C0F0
        0000 8000 8011 8021 8802 | 0.... | * | 8802
        0000 8000 8011 8021 8802 | 10000 | * | 8000
        0000 8802 | 11... | * | C001
        0000 8802 | 101.. | * | C001
        0000 8802 | 1001. | * | C001
        0000 8802 | 10001 | * | C001
        8000      | 11000 | * | 8011+
        8000      | 10001 | * | 8021+
        8000      | 111.. | * | C012
        8000      | 1101. | * | C012
        8000      | 11001 | * | C012
        8000      | 101.. | * | C012
        8000      | 1001. | * | C012
        8011      | 11000 | y | 8011
        8011      | 11000 | o | C011
        8011      | 11100 | y | 8012
        8011      | 11100 | o | C011
        8011      | 1111. | * | C012
        8011      | 11101 | * | C012
        8011      | 1101. | * | C012
        8011      | 11001 | * | C012
        8011      | 101.. | * | C012
        8011      | 1001. | * | C012
        8011      | 10001 | * | C012
        8021      | 10001 | y | 8021
        8021      | 10001 | o | C011
        8021      | 10011 | y | 8012
        8021      | 10011 | o | C011
        8021      | 11... | * | C012
        8021      | 101.. | * | C012
        8021      | 10010 | * | C012
        8012      | .11.. | y | 8012
        8012      | .1011 | y | 8012
        8012      | .0.11 | y | 8012
        8012 8013 | 10000 | y | 8000
        8012      | 00000 | y | 8802
        8012      | 11000 | y | 8013
        8012      | 11001 | y | 8013
        8012      | 11010 | y | 8013
        8012      | 10100 | y | 8013
        8012      | 10101 | y | 8013
        8012      | 10110 | y | 8013
        8012      | 10001 | y | 8013
        8012      | 10010 | y | 8013
        8012      | 01000 | y | 8802
        8012      | 01001 | y | 8802
        8012      | 01010 | y | 8802
        8012      | 00100 | y | 8802
        8012      | 00101 | y | 8802
        8012      | 00110 | y | 8802
        8012      | 00001 | y | 8802
        8012      | 00010 | y | 8802
        8013      | 0.... | y | 8802
        8013      | 11... | y | 8013
        8013      | 101.. | y | 8013
        8013      | 1001. | y | 8013
        8013      | 10001 | y | 8013
        8012 8013 | ..... | o | C021
        C001 C011 C012 C021 | 10000 | * | 8000
        C001 C011 C012 C021 | 0.... | * | same
        C001 C011 C012 C021 | 11... | * | same
        C001 C011 C012 C021 | 101.. | * | same
        C001 C011 C012 C021 | 1001. | * | same
        C001 C011 C012 C021 | 10001 | * | same";

    #[test]
    fn four_sensors_go_where_the_table_says() {
        compare::<Four>(&STATES, FOUR);
    }

    fn walk(limits: &Limits, scenes: &[(bool, u8, u64)]) -> Muting {
        let mut muting = Muting::default();
        let mut now = 0;
        for &(clear, covered, lasts) in scenes {
            for _ in 0..lasts {
                let sensors = [1, 2, 4, 8].map(|bit| Some(covered & bit != 0));
                muting.update(Some(clear), sensors, limits, now);
                now += 1;
            }
        }
        muting
    }

    #[test]
    fn each_timer_has_its_own_limit_and_both_count_from_the_first_sensor() {
        let limits = Limits { sequence: false, entry_ns: 5, muting_ns: 20 };
        let code = |scenes: &[_]| walk(&limits, scenes).code().0;
        assert_eq!(code(&[(true, 0, 1), (true, 1, 5), (true, 3, 1)]), 0x8012);
        assert_eq!(code(&[(true, 0, 1), (true, 1, 6), (true, 3, 1)]), 0xC011);
        assert_eq!(code(&[(true, 0, 1), (true, 1, 5), (true, 3, 1), (false, 3, 15)]), 0x8012);
        assert_eq!(code(&[(true, 0, 1), (true, 1, 5), (true, 3, 1), (false, 3, 16)]), 0xC021);
    }

    #[test]
    fn a_part_passes_both_ways_and_a_person_does_not() {
        let limits = Limits { sequence: true, entry_ns: 10, muting_ns: 100 };
        let there = [
            (true, 0b0000, 3),
            (true, 0b0001, 3),
            (true, 0b0011, 3),
            (false, 0b0011, 3),
            (false, 0b0111, 3),
            (false, 0b1111, 3),
            (false, 0b1100, 3),
            (true, 0b1100, 3),
            (true, 0b1000, 3),
            (true, 0b0000, 3),
        ];
        let flip = |covered: u8| covered.reverse_bits() >> 4;
        let back = there.map(|(clear, covered, lasts)| (clear, flip(covered), lasts));
        for part in [there, back] {
            for scenes in 1..=part.len() {
                let muting = walk(&limits, &part[..scenes]);
                assert!(muting.code().permits(), "{scenes} scenes: {:04X}", muting.code().0);
                assert_eq!(muting.is_muted(), (3..9).contains(&scenes), "{scenes} scenes");
            }
        }
        // One sensor, then the curtain.
        let person = walk(&limits, &[(true, 0, 3), (true, 0b0001, 3), (false, 0b0001, 1)]);
        assert_eq!(person.code().0, 0x8802);
    }
}
