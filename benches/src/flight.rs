//! One cycle of the flight recorder: what it costs the loop, without the clock readings.

use rt_core::bus::{BusState, Exchange, Pace};
use rt_core::flight::{Flight, FlightPlan, Phase};
use rt_core::plan::AxisId;
use rt_core::program::AxisView;
use rt_core::record::{AxisRecord, Body, CycleRecord, Record};

const PERIOD_NS: u64 = 1_000_000;
/// Records of a cycle: three axes and the cycle itself.
const AXES: u8 = 3;

/// A recorder that looks on as a machine of three axes works.
pub struct Flying {
    flight: Flight,
    cycle: u64,
}

impl Default for Flying {
    fn default() -> Self {
        Self::new()
    }
}

impl Flying {
    /// A second before, none after: the ring is full soon.
    #[must_use]
    pub fn new() -> Self {
        let plan = FlightPlan { before_ns: 1_000_000_000, after_ns: 0 };
        Self { flight: Flight::new(PERIOD_NS, plan), cycle: 0 }
    }

    /// All that the recorder does in a cycle in which nothing happens.
    pub fn cycle(&mut self) {
        let due = (self.cycle + 1) * PERIOD_NS;
        // Durations that differ, so that different places are counted in.
        let wake = due + 20_000 + (self.cycle % 61) * 100;
        self.flight.begin(self.cycle, (due, wake), 0);
        let exchange = Exchange {
            state: BusState::Operational,
            units_good: 1,
            units_all: 1,
            received_at: wake + 30_000 + (self.cycle % 37) * 100,
            ..Exchange::default()
        };
        let pace = Pace { sent_at: wake + 6_000, ..Pace::default() };
        self.flight.exchanged(&exchange, &pace);
        let mut now = exchange.received_at;
        for phase in Phase::ALL.into_iter().skip(2).take(7) {
            now += 900;
            if phase == Phase::Records {
                self.records(now);
            }
            self.flight.over(phase, now);
        }
        let frozen = self.flight.end(now + 100, false);
        assert!(!frozen, "nothing happened");
        self.cycle += 1;
    }

    fn records(&mut self, now: u64) {
        for axis in 0..AXES {
            let body = Body::Axis(AxisRecord {
                axis: AxisId(axis),
                view: AxisView::default(),
                stopping_distance: 0.0,
                disturbance_nm: 0.0,
            });
            self.flight.note(&Record { cycle: self.cycle, now, body });
        }
        let body = Body::Cycle(CycleRecord::default());
        self.flight.note(&Record { cycle: self.cycle, now, body });
    }

    /// Cycles recorded.
    #[must_use]
    pub fn recorded(&self) -> u64 {
        self.flight.account().counts().records
    }
}
