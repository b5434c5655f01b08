//! Two contacts of which one says the opposite of the other (SF_Antivalent): the normally closed one closed and the normally open
//! one open is a permit.

use super::equivalent::Equivalent;
use super::{Code, Level};
use twin_lite::taped;

/// A normally closed and a normally open contact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Antivalent {
    pair: Equivalent,
}

taped!(Antivalent { pair });

impl Antivalent {
    /// One cycle. The states are those of two equal contacts, the second seen inverted.
    pub fn update(&mut self, closed: Level, open: Level, discrepancy_ns: u64, now: u64) -> Code {
        self.pair.update(closed, open.map(|open| !open), discrepancy_ns, now)
    }
}

#[cfg(test)]
mod tests {
    use super::super::equivalent::tests::STATES;
    use super::super::table::{LIMIT, Tabled, compare};
    use super::*;

    impl Tabled for Antivalent {
        const INPUTS: usize = 2;
        fn at(code: u16, since: u64) -> Self {
            Self { pair: Equivalent::at(code, since) }
        }
        fn state(&self) -> (u16, Option<u64>) {
            self.pair.state()
        }
        fn step(&mut self, inputs: &[Level], now: u64) -> Code {
            self.update(inputs[0], inputs[1], LIMIT, now)
        }
    }

    #[test]
    fn it_goes_where_the_table_says() {
        compare::<Antivalent>(
            &STATES,
            "0000 8000 8801 8804 8805 8814 C001 C002 C003 | 01 | * | 8801
             0000 8000 8801 8804 8805 8814 C001 C002 C003 | ?* | * | same/C0F0
             0000 8000 8801 8804 8805 8814 C001 C002 C003 | .? | * | same/C0F0
             0000 8801 8000 | 10 | * | 8000
             0000 8801      | 11 | * | 8804+
             0000 8801      | 00 | * | 8814+
             8804 8814      | 10 | y | 8000
             8804 8814      | 11 | y | 8804
             8804 8814      | 00 | y | 8814
             8804           | 10 | o | C001
             8804           | 11 | o | C001
             8804           | 00 | o | C001
             8814           | 10 | o | C002
             8814           | 11 | o | C002
             8814           | 00 | o | C002
             8000           | 11 | * | 8805+
             8000           | 00 | * | 8805+
             8805           | 10 | y | 8805
             8805           | 11 | y | 8805
             8805           | 00 | y | 8805
             8805           | 10 | o | C003
             8805           | 11 | o | C003
             8805           | 00 | o | C003
             C001 C002 C003 | 10 | * | same
             C001 C002 C003 | 11 | * | same
             C001 C002 C003 | 00 | * | same",
        );
    }
}
