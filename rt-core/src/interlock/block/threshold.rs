//! A value that must stay within limits: beyond them for longer than a filter time is a demand, and it is clear again only when the
//! value is back by the hysteresis.

use super::Code;
use twin_lite::{taped, taped_enum};

/// What is allowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Band {
    /// Below it is beyond; `None`: no lower limit.
    pub low: Option<i64>,
    /// Above it is beyond; `None`: no upper limit.
    pub high: Option<i64>,
    /// Back by this much is clear, ≥ 0.
    pub hysteresis: i64,
    /// Beyond for so long is a demand, ns; 0: at once.
    pub filter_ns: u64,
}

impl Band {
    /// Within `margin` of the limits, or better.
    fn holds(&self, value: i64, margin: i64) -> bool {
        let above = self.low.is_none_or(|low| value >= low.saturating_add(margin));
        let below = self.high.is_none_or(|high| value <= high.saturating_sub(margin));
        above && below
    }
}

/// States.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// 0000
    #[default]
    Idle,
    /// 8000
    Within,
    /// 8010: beyond, but not for long.
    Filtering { since: u64 },
    /// 8802
    Exceeded,
}

taped_enum!(State { 0: Idle, 1: Within, 2: Filtering { since }, 3: Exceeded });

/// A value that must stay within limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Threshold {
    state: State,
}

taped!(Threshold { state });

impl Threshold {
    /// One cycle. What is not known is beyond; what was never seen within is beyond without a filter.
    pub fn update(&mut self, value: Option<i64>, band: &Band, now: u64) -> Code {
        let Some(value) = value else {
            self.state = State::Exceeded;
            return Code::UNKNOWN;
        };
        let passed = |since| now.saturating_sub(since) >= band.filter_ns;
        self.state = match (self.state, band.holds(value, 0), band.holds(value, band.hysteresis)) {
            (_, true, true) => State::Within,
            (State::Within | State::Filtering { .. }, true, false) => State::Within,
            (State::Idle | State::Exceeded, _, _) => State::Exceeded,
            (State::Within, false, _) if band.filter_ns == 0 => State::Exceeded,
            (State::Within, false, _) => State::Filtering { since: now },
            (State::Filtering { since }, false, _) if passed(since) => State::Exceeded,
            (State::Filtering { since }, false, _) => State::Filtering { since },
        };
        self.code()
    }

    fn code(&self) -> Code {
        Code(match self.state {
            State::Idle => 0x0000,
            State::Within => 0x8000,
            State::Filtering { .. } => 0x8010,
            State::Exceeded => 0x8802,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::super::table::{LIMIT, Tabled, compare};
    use super::*;

    // Filtered for more than LIMIT: the table's `o` begins there.
    const BAND: Band =
        Band { low: Some(-100), high: Some(100), hysteresis: 10, filter_ns: LIMIT + 1 };

    impl Tabled for Threshold {
        const INPUTS: usize = 2;
        fn at(code: u16, since: u64) -> Self {
            let state = match code {
                0x0000 => State::Idle,
                0x8000 => State::Within,
                0x8010 => State::Filtering { since },
                _ => State::Exceeded,
            };
            Self { state }
        }
        fn state(&self) -> (u16, Option<u64>) {
            let since = match self.state {
                State::Filtering { since } => Some(since),
                _ => None,
            };
            (self.code().0, since)
        }
        /// Inputs: beyond the limit; back by the hysteresis.
        fn step(&mut self, inputs: &[Level], now: u64) -> Code {
            let value = match (inputs[0], inputs[1]) {
                (Some(true), Some(_)) => Some([101, -101]),
                (Some(false), Some(false)) => Some([91, -91]),
                (Some(false), Some(true)) => Some([90, -90]),
                _ => None,
            };
            let mut other = *self;
            let code = self.update(value.map(|v| v[0]), &BAND, now);
            assert_eq!(other.update(value.map(|v| v[1]), &BAND, now), code, "both ends are alike");
            code
        }
    }

    #[test]
    fn it_goes_where_the_table_says() {
        compare::<Threshold>(
            &[0x0000, 0x8000, 0x8010, 0x8802],
            "0000 8000 8010 8802 | ?* | * | 8802/C0F0
             0000 8000 8010 8802 | .? | * | 8802/C0F0
             0000 8000 8010 8802 | 01 | * | 8000
             8000 8010 | 00 | * | 8000
             0000 8802 | 00 | * | 8802
             0000 8802 | 1. | * | 8802
             8000      | 1. | * | 8010+
             8010      | 1. | y | 8010
             8010      | 1. | o | 8802",
        );
    }

    #[test]
    fn the_limit_itself_is_allowed_and_one_beyond_is_not() {
        let at = |value, band: Band| {
            let mut threshold = Threshold::default();
            threshold.update(Some(0), &band, 0);
            threshold.update(Some(value), &band, 1).permits()
        };
        let now = Band { filter_ns: 0, ..BAND };
        assert!(at(100, now) && at(-100, now));
        assert!(!at(101, now) && !at(-101, now));
        assert!(
            at(i64::MAX, Band { high: None, ..now }) && at(i64::MIN, Band { low: None, ..now })
        );
    }

    #[test]
    fn it_is_beyond_from_the_filter_time_on() {
        let band = Band { filter_ns: 5, ..BAND };
        let mut threshold = Threshold::default();
        threshold.update(Some(0), &band, 0);
        for now in 10..15 {
            assert!(threshold.update(Some(200), &band, now).permits(), "{now}");
        }
        assert!(!threshold.update(Some(200), &band, 15).permits());
        assert!(!threshold.update(Some(95), &band, 16).permits(), "not back by the hysteresis");
        assert!(threshold.update(Some(90), &band, 17).permits());
    }
}
