//! A full update of the twin alone, as the step does it for a machine whose file has `[twin]` with every mode `act`: observer, stopping
//! distances, sensors, identification, health, play, lag, warmth, doubt.

use rt_core::Axis;
use rt_core::interlock::AxisFacts;
use rt_core::plan::{AxisId, StopWay};
use rt_core::record::Record;
use rt_core::signal::Signals;
use rt_core::step::{Log, Sink};
use rt_core::watch::Watch;
use std::hint::black_box;

use crate::machine;

/// Cycles of a move to one side.
const MOVE_CYCLES: u64 = 500;
/// Of them, those that accelerate.
const RAMP_CYCLES: u64 = 100;

struct Count(u64);

impl Sink for Count {
    fn record(&mut self, _: Record) {
        self.0 += 1;
    }
}

struct Watched {
    axis: Axis,
    watch: Watch,
    facts: AxisFacts,
}

/// Axes of [`machine::watched`] that go to and fro.
pub struct Twins {
    axes: Vec<Watched>,
    signals: Signals,
    sink: Count,
    period_ns: u64,
    cycle: u64,
    position: i64,
}

impl Twins {
    /// `axes` axes that have moved for `cycles`.
    ///
    /// # Panics
    /// When the generated file is wrong.
    #[must_use]
    pub fn moving(axes: usize, cycles: u64) -> Self {
        let machine = config::load(&machine::watched(axes), "generated").expect("a right file");
        let plan = machine.plan;
        let twin = plan.twin.as_ref().expect("the file has [twin]");
        let watched = |(id, axis)| Watched {
            axis: Axis::new(axis, plan.period_ns),
            watch: Watch::new(id, axis, twin, plan.period_ns),
            facts: AxisFacts::default(),
        };
        let mut twins = Self {
            axes: AxisId::all().zip(&plan.axes).map(watched).collect(),
            signals: Signals::new(machine.bus.signals.len()),
            sink: Count(0),
            period_ns: plan.period_ns,
            cycle: 0,
            position: 0,
        };
        for _ in 0..cycles {
            twins.surroundings();
            twins.update();
        }
        twins
    }

    /// What the drives say next: they are on their way, and their torque is that of the way.
    pub fn surroundings(&mut self) {
        self.cycle += 1;
        let phase = self.cycle % MOVE_CYCLES;
        let sign = if (self.cycle / MOVE_CYCLES).is_multiple_of(2) { 1 } else { -1 };
        let ramp = phase.min(MOVE_CYCLES - phase).min(RAMP_CYCLES);
        let steps = i64::try_from(ramp).unwrap_or(0);
        self.position += sign * 100 * steps;
        let torque = sign * if ramp < RAMP_CYCLES { 300 } else { 70 };
        let now = self.now();
        for watched in &self.axes {
            let drive = &watched.axis.plan().signals;
            self.signals.set(drive.statusword, 0x1237, now);
            self.signals.set(drive.actual_position, self.position, now);
            if let Some(signal) = drive.actual_torque {
                self.signals.set(signal, torque, now);
            }
        }
    }

    fn now(&self) -> u64 {
        (1000 + self.cycle) * self.period_ns
    }

    /// The update of all axes.
    pub fn update(&mut self) {
        let now = self.now();
        let log = &mut Log::new(&mut self.sink, self.cycle, now);
        for Watched { axis, watch, facts } in &mut self.axes {
            axis.sense(&self.signals, now);
            for way in [StopWay::Ramp, StopWay::QuickStop, StopWay::ConnectionLost] {
                black_box(axis.stopping_by(way));
            }
            watch.update(axis, facts, log);
        }
    }

    /// Axes of which something was learnt.
    #[must_use]
    pub fn learnt(&self) -> usize {
        self.axes.iter().filter(|watched| watched.watch.identified().is_some()).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_has_been_learnt_from() {
        assert_eq!(Twins::moving(4, 20_000).learnt(), 4);
    }
}
