//! The oracle: a bus that watches another and knows what the segment really returned.
//!
//! An input may be good only if the segment returned it in this very cycle, with every device of its sync unit taking part, and the
//! MainDevice was given it; and then its value is the segment's. Everything else may only age.

use fieldbus::EtherCat;
use fieldbus::layout::{Layout, Region};
use fieldbus::link::{Link, Wire};
use fieldbus::plan::{BusPlan, Direction, SignalPlan};
use rt_core::bus::{Emergency, Exchange, Pace};
use rt_core::signal::{Quality, Sample, Signals};
use rt_core::{Bus, SignalId};

use super::line::{Line, Witness, logical};

/// How the oracle reaches the witness below whatever lies between.
pub(crate) trait Watchable {
    type Behind: Wire;

    fn witness(&mut self) -> &mut Witness<Self::Behind>;
}

/// An input signal and where the segment puts it.
struct Input {
    id: SignalId,
    place: SignalPlan,
    region: Region,
}

/// One sync unit: logical address of each of its datagrams, their length, and the working counter with all its devices.
#[derive(Default)]
struct Unit {
    regions: Vec<Region>,
}

/// The mistakes that are planted to try the oracle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mistake {
    None,
    /// Whatever came last is decoded, whatever its working counter.
    TakesAnyCounter,
    /// Inputs that were good once stay so.
    NeverAges,
}

pub(crate) struct Watched<L: Link> {
    pub(crate) bus: EtherCat<Line<L>>,
    inputs: Vec<Input>,
    units: Vec<Unit>,
    before: Vec<Sample>,
    exchange: Exchange,
    /// By unit: the segment's own data of this cycle, if they reached the MainDevice.
    reached: Vec<bool>,
    /// By unit: for so many cycles in a row they did not.
    pub(crate) missing: Vec<u32>,
    /// What must never be, in words.
    pub(crate) violations: Vec<String>,
    pub(crate) mistake: Mistake,
    /// Good inputs that were compared with the segment's.
    pub(crate) compared: u64,
}

impl<L: Link + Watchable> Watched<L> {
    pub(crate) fn new(bus: EtherCat<Line<L>>, plan: &BusPlan) -> Self {
        let layout = Layout::new(plan, None).expect("it came up");
        let mut units: Vec<Unit> = plan.sync_units.iter().map(|_| Unit::default()).collect();
        for region in layout.regions.iter().flatten() {
            units[usize::from(region.unit)].regions.push(*region);
        }
        let inputs = (0u16..).zip(&plan.signals).filter_map(|(id, place)| {
            let region = layout.regions[place.subdevice]?;
            let is_input = place.direction == Direction::Input;
            is_input.then_some(Input { id: SignalId(id), place: *place, region })
        });
        Self {
            bus,
            inputs: inputs.collect(),
            before: vec![Sample::default(); plan.signals.len()],
            exchange: Exchange::default(),
            reached: vec![false; units.len()],
            missing: vec![0; units.len()],
            units,
            violations: Vec::new(),
            mistake: Mistake::None,
            compared: 0,
        }
    }

    fn line(&mut self) -> &mut Line<L> {
        self.bus.link_mut()
    }

    fn wrong(&mut self, what: String) {
        if self.violations.len() < 8 {
            self.violations.push(what);
        }
    }

    /// The region's bytes as the newest of these frames has them, if all devices of the unit took part.
    fn truth(frames: &[Vec<u8>], unit: &Unit, region: &Region) -> Option<Vec<u8>> {
        frames.iter().rev().find_map(|frame| {
            let (from, bytes, counter) = of_region(frame, region)?;
            let members = unit.regions.iter().filter(|other| of(frame, other) == Some(from));
            let expected: u16 = members.map(Region::working_counter).sum();
            (counter == expected).then_some(bytes)
        })
    }

    /// Whether this unit's data of this cycle came through whole.
    fn judge(&mut self, number: usize) -> bool {
        let line = self.bus.link_mut();
        let given = core::mem::take(&mut line.given);
        let returned = core::mem::take(&mut line.inner_mut().witness().returned);
        let unit = &self.units[number];
        let whole = unit.regions.iter().all(|region| {
            let Some(truth) = Self::truth(&returned, unit, region) else { return false };
            let mut given = given.iter();
            given.any(|frame| {
                Self::truth(std::slice::from_ref(frame), unit, region).as_ref() == Some(&truth)
            })
        });
        let line = self.bus.link_mut();
        line.given = given;
        line.inner_mut().witness().returned = returned;
        whole && !unit.regions.is_empty()
    }
}

/// Where the LRW datagram with this region begins.
fn of(frame: &[u8], region: &Region) -> Option<usize> {
    logical(frame).into_iter().find_map(|(at, counter_at)| {
        let start = u32::from_le_bytes(frame.get(at + 2..at + 6)?.try_into().ok()?);
        let length = u32::try_from(counter_at - at - 10).ok()?;
        let end = region.logical.checked_add(u32::from(region.bytes()))?;
        (start <= region.logical && end <= start.checked_add(length)?).then_some(at)
    })
}

/// Where the datagram of a region begins in a frame, the region's bytes, and the datagram's working counter.
fn of_region(frame: &[u8], region: &Region) -> Option<(usize, Vec<u8>, u16)> {
    let at = of(frame, region)?;
    let start = u32::from_le_bytes(frame[at + 2..at + 6].try_into().ok()?);
    let from = at + 10 + usize::try_from(region.logical - start).ok()?;
    let length = u16::from_le_bytes([frame[at + 6], frame[at + 7]]) & 0x07FF;
    let counter_at = at + 10 + usize::from(length);
    let counter = u16::from_le_bytes(frame[counter_at..counter_at + 2].try_into().ok()?);
    Some((at, frame[from..from + usize::from(region.bytes())].to_vec(), counter))
}

/// The signal's bits, one by one.
fn value(bytes: &[u8], place: &SignalPlan) -> i64 {
    let bit = |n: u32| {
        let at = place.bit_offset + n;
        i64::from(bytes[usize::try_from(at / 8).unwrap()] >> (at % 8) & 1)
    };
    let bits = u32::from(place.bits);
    let raw = (0..bits).fold(0, |sum, n| sum | bit(n) << n);
    let negative = place.signed && bits < 64 && bit(bits - 1) == 1;
    if negative { raw | -1 << bits } else { raw }
}

impl<L: Link + Watchable> Bus for Watched<L> {
    fn take_emergency(&mut self) -> Option<Emergency> {
        self.bus.take_emergency()
    }

    fn exchange(&mut self, now: u64, deadline: u64) -> Exchange {
        let line = self.line();
        line.given.clear();
        line.inner_mut().witness().returned.clear();
        let mut exchange = self.bus.exchange(now, deadline);
        if self.mistake == Mistake::TakesAnyCounter {
            exchange.units_good = exchange.units_all;
        }
        for number in 0..self.units.len() {
            self.reached[number] = self.judge(number);
            let is_missing = !self.reached[number];
            self.missing[number] = if is_missing { self.missing[number] + 1 } else { 0 };
            let is_good = exchange.units_good >> number & 1 == 1;
            if is_good && is_missing && !self.units[number].regions.is_empty() {
                self.wrong(format!("unit {number} is good, and its data of this cycle never came"));
            }
        }
        if exchange.units_good & !exchange.units_all != 0 {
            self.wrong("a unit that does not exist is good".to_owned());
        }
        self.exchange = exchange;
        exchange
    }

    fn pace(&self) -> Pace {
        self.bus.pace()
    }

    fn decode(&mut self, signals: &mut Signals) {
        self.bus.decode(signals);
        if self.mistake == Mistake::NeverAges {
            for input in &self.inputs {
                let sample = signals.get(input.id);
                signals.set(input.id, sample.value, sample.at);
            }
        }
        let returned = core::mem::take(&mut self.line().inner_mut().witness().returned);
        let mut wrong = Vec::new();
        for input in &self.inputs {
            let sample = signals.get(input.id);
            let before = self.before[usize::from(input.id.0)];
            let unit = usize::from(input.region.unit);
            let is_good = self.exchange.units_good >> unit & 1 == 1;
            let name = format!("signal {} of unit {unit}", input.id.0);
            if sample.quality == Quality::Good && !is_good {
                wrong.push(format!("{name} is good, its unit is not"));
            } else if sample.quality == Quality::Good {
                let truth = Self::truth(&returned, &self.units[unit], &input.region);
                let truth = truth.map(|bytes| value(&bytes, &input.place));
                self.compared += 1;
                if truth != Some(sample.value) {
                    wrong.push(format!("{name} is {}, the segment said {truth:?}", sample.value));
                }
            } else if (sample.value, sample.at) != (before.value, before.at) {
                wrong.push(format!("{name} is not good and yet not what it was"));
            }
            self.before[usize::from(input.id.0)] = sample;
        }
        self.line().inner_mut().witness().returned = returned;
        wrong.into_iter().for_each(|what| self.wrong(what));
    }

    fn encode(&mut self, signals: &Signals) {
        self.bus.encode(signals);
    }
}
