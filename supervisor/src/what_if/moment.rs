//! From a moment in a recording on: the loop's state from the checkpoint there, the virtual cell as far as the checkpoint knows it.

use std::path::PathBuf;

use config::Machine;
use config::cell::DeviceKind;
use rt_core::checkpoint::{Checkpoint, Whole};
use rt_core::program::Program;
use rt_core::signal::Signals;
use rt_core::step::Core;
use rt_core::vision::{Received, STREAMS_MAX};

use crate::exit::Error;
use crate::replay::{Reading, Recorded};

const SECOND_NS: u64 = 1_000_000_000;
const DAY_S: u64 = 86_400;

/// A moment in a recording, as people say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// So long after its first cycle, ns.
    After(u64),
    /// This cycle.
    Cycle(u64),
    /// This time of the day (UTC), ns since midnight.
    Clock(u64),
}

impl At {
    /// Reads `FILE.mcap`, `FILE.mcap@12:31:07`, `FILE.mcap@90s`, `FILE.mcap@cycle:90000`.
    ///
    /// # Errors
    /// A sentence that says what is expected.
    pub fn parse_from(text: &str) -> Result<(PathBuf, Option<Self>), String> {
        match text.rsplit_once('@') {
            None => Ok((text.into(), None)),
            Some((path, at)) => Ok((path.into(), Some(Self::parse(at)?))),
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        let wrong = "expected a moment after @: a time of the day (UTC) such as 12:31:07, seconds \
                     from the first cycle such as 90s or 90.5s, or cycle:90000";
        if let Some(number) = text.strip_prefix("cycle:") {
            return number.parse().map(Self::Cycle).map_err(|_| wrong.into());
        }
        if let Some(seconds) = text.strip_suffix('s') {
            let (whole, part) = seconds.split_once('.').unwrap_or((seconds, ""));
            let whole: u64 = whole.parse().map_err(|_| wrong)?;
            let digits = format!("{part:0<9}");
            let part: u64 = digits.get(..9).unwrap_or("x").parse().map_err(|_| wrong)?;
            return Ok(Self::After(whole.saturating_mul(SECOND_NS).saturating_add(part)));
        }
        let parts: Option<Vec<u64>> = text.split(':').map(|part| part.parse().ok()).collect();
        match parts.as_deref() {
            Some([hour @ 0..24, minute @ 0..60, second @ 0..60]) => {
                Ok(Self::Clock(((hour * 60 + minute) * 60 + second) * SECOND_NS))
            }
            _ => Err(wrong.into()),
        }
    }
}

/// Where a run begins that does not begin at the beginning.
#[derive(Clone, Debug)]
pub struct Moment {
    /// The cycle that comes next.
    pub cycle: u64,
    /// Time of the cycle before it, ns of the recording's clock.
    pub now: u64,
    /// How long after the first cycle, ns.
    pub after_ns: u64,
    words: Vec<u64>,
}

/// One axis as the checkpoint knows it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Stand {
    /// Encoder.
    pub(crate) counts: i64,
    /// Axis units / s.
    pub(crate) velocity: f64,
    /// ‰ of rated.
    pub(crate) torque_permille: i16,
    /// In operation enabled.
    pub(crate) enabled: bool,
    /// Axis units; `None`: not homed, and only the encoder says where it is.
    pub(crate) position: Option<f64>,
}

impl Moment {
    /// The last checkpoint of the recording at or before `at`.
    ///
    /// # Errors
    /// There is none, or the recording does not say which time of the day it was.
    pub fn find(reading: &Reading, recorded: &Recorded, at: At) -> Result<Self, Error> {
        let mut cycles: Vec<(u64, u64)> = Vec::new();
        reading.cycles(|given| cycles.push((given.inputs.cycle, given.inputs.now)))?;
        let first = cycles.first().map_or(0, |(_, now)| *now);
        let last = cycles.last().map_or(0, |(_, now)| *now);
        let wanted = match at {
            At::Cycle(cycle) => {
                let known = cycles.iter().find(|(number, _)| *number >= cycle);
                known.map_or(u64::MAX, |(_, now)| *now)
            }
            At::After(after) => first.saturating_add(after),
            At::Clock(of_day) => on_clock(of_day, first, recorded)?,
        };
        if wanted > last {
            return Err(Error::file(format!(
                "the recording has no such moment: it lasts {:.3} s",
                super::figures::float(last.saturating_sub(first)) / 1e9
            )));
        }
        let before = |cycle: u64| {
            let place = cycles.partition_point(|(number, _)| *number < cycle);
            place.checked_sub(1).and_then(|place| cycles.get(place)).copied()
        };
        let found = recorded.checkpoints().rev().find_map(|cycle| {
            let (_, now) = before(cycle)?;
            (now <= wanted).then(|| recorded.checkpoint(cycle).map(|words| (cycle, now, words)))?
        });
        let (cycle, now, words) = found.ok_or_else(|| {
            Error::file(
                "the recording has no checkpoint before this moment\n  there is one a second; \
                 for the beginning leave the moment out",
            )
        })?;
        Ok(Self { cycle, now, after_ns: now.saturating_sub(first), words: words.to_vec() })
    }

    /// The state, word by word.
    pub(crate) fn words(&self) -> &[u64] {
        &self.words
    }

    /// Every signal and every axis as they were.
    ///
    /// # Errors
    /// The state is of another machine, or of another version.
    pub(crate) fn look<P: Program>(
        &self,
        machine: &Machine,
        program: P,
    ) -> Result<(Signals, Vec<Stand>), Error> {
        let mut core = Core::new(machine.plan.clone(), program)
            .map_err(|wrong| Error::file(format!("{}: {wrong:?}", machine.name)))?;
        let mut signals = Signals::new(usize::from(machine.plan.signal_count));
        let mut vision = [Received::default(); STREAMS_MAX];
        let mut whole = Whole { core: &mut core, signals: &mut signals, vision: &mut vision };
        Checkpoint::give_back(&self.words, &mut whole).map_err(|wrong| not_this(&wrong))?;
        let axes = machine.plan.axes.iter().zip(core.axes()).map(|(plan, axis)| {
            let torque = plan.signals.actual_torque.and_then(|id| signals.good(id));
            Stand {
                counts: signals.get(plan.signals.actual_position).value,
                velocity: axis.twin().estimate().velocity,
                torque_permille: torque.and_then(|it| i16::try_from(it).ok()).unwrap_or(0),
                position: axis.is_referenced().then(|| axis.position().units()),
                enabled: signals.get(plan.signals.statusword).value & 0x6F == 0x27,
            }
        });
        let axes = axes.collect();
        Ok((signals, axes))
    }

    /// The machine with its axes where they were; what their encoders said then they say again.
    pub(crate) fn placed(&self, machine: &Machine, axes: &[Stand]) -> Machine {
        let mut machine = machine.clone();
        for device in &mut machine.virtual_cell.devices {
            let DeviceKind::Servo(servo) = &mut device.kind else { continue };
            let Some(stand) = axes.get(usize::from(servo.axis.0)) else { continue };
            match stand.position {
                Some(position) => {
                    servo.start_position = position;
                    let counts = twin_lite::Nano::from_units(position * servo.counts_per_unit);
                    let whole = counts.map_or(0, |counts| counts.0.div_euclid(1_000_000_000));
                    servo.encoder_offset_counts = stand.counts.saturating_sub(whole);
                }
                // Where its counts put it, seen from place 0 of the encoder, which the file knows.
                None => {
                    let from_zero = stand.counts.saturating_sub(servo.encoder_offset_counts);
                    servo.start_position = float(from_zero) / servo.counts_per_unit;
                }
            }
        }
        machine
    }

    /// What is assumed of a world that a recording does not show.
    #[must_use]
    pub fn assumed(&self) -> Vec<String> {
        [
            "position, velocity and torque of the axes are those of the recording; what drives and \
             couplings store beside them is at rest, so the first half second is not counted",
            "friction, load and all else that is drawn at random are those of the seed: a recording \
             does not show them",
            "the belts carry no parts and the gripper holds none at this moment",
            "people, cameras and scripted events begin anew at this moment; buttons are at rest",
        ]
        .map(str::to_owned)
        .to_vec()
    }
}

pub(crate) fn not_this(wrong: &twin_lite::tape::NotThisState) -> Error {
    Error::file(format!(
        "the state in the recording has {} words, this machine's {}: it is of another version or \
         machine, or a change makes it another one\n  begin from the file: leave the moment out",
        wrong.found, wrong.expected
    ))
}

/// Where a time of the day is on the recording's clock.
fn on_clock(of_day: u64, first: u64, recorded: &Recorded) -> Result<u64, Error> {
    let Some(offset) = recorded.unix_minus_monotonic_ns else {
        return Err(Error::file(
            "the recording does not say what time of the day it was (virtual time, or made before \
             recordings said so)\n  say seconds from its first cycle (@90s) or @cycle:90000",
        ));
    };
    let began = first.saturating_add(offset);
    let midnight = began / (DAY_S * SECOND_NS) * (DAY_S * SECOND_NS);
    let mut wanted = midnight.saturating_add(of_day);
    if wanted < began {
        wanted = wanted.saturating_add(DAY_S * SECOND_NS);
    }
    Ok(wanted.saturating_sub(offset))
}

#[expect(clippy::cast_precision_loss, reason = "counts of an encoder: far below 2^53")]
fn float(counts: i64) -> f64 {
    counts as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_time_of_the_day_seconds_or_a_cycle() {
        let at = |text: &str| At::parse_from(text).map(|(_, at)| at);
        assert_eq!(at("a.mcap"), Ok(None));
        let clock = (12 * 3600 + 31 * 60 + 7) * SECOND_NS;
        assert_eq!(at("a.mcap@12:31:07"), Ok(Some(At::Clock(clock))));
        assert_eq!(at("a@b.mcap@90.25s"), Ok(Some(At::After(90_250_000_000))));
        assert_eq!(at("a.mcap@cycle:7"), Ok(Some(At::Cycle(7))));
        for wrong in ["a@", "a@24:00:00", "a@12:31", "a@cycle:", "a@s", "a@-3s", "a@9"] {
            assert!(at(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_time_of_the_day_is_found_on_the_clock_of_the_recording_also_past_midnight() {
        // It began at 23:59:50 of some day, when the recording's clock said 5 s.
        let unix = (20_000 * DAY_S + 86_390) * SECOND_NS;
        let first = 5 * SECOND_NS;
        let mut recorded = Recorded::default();
        recorded.unix_minus_monotonic_ns = Some(unix - first);
        let at = |seconds: u64| on_clock(seconds * SECOND_NS, first, &recorded).unwrap();
        assert_eq!(at(86_395), 10 * SECOND_NS);
        assert_eq!(at(5), 20 * SECOND_NS, "five past midnight");
        assert!(on_clock(0, first, &Recorded::default()).is_err());
    }
}
