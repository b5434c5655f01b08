//! Rings as a loop would leave them.

use rt_core::flight::{Flight, FlightPlan, Phase, Ring};
use rt_core::machine::SafeCause;
use rt_core::plan::{GroupId, InterlockId, Reaction, StopWay};
use rt_core::record::{Body, Event, Record};
use twin_lite::Nano;

pub(crate) const PERIOD: u64 = 1_000_000;
/// When the first cycle is due, ns.
pub(crate) const BEGAN: u64 = 50 * PERIOD;

/// One cycle: `phase_ns` for each phase, woken 3 µs late.
pub(crate) fn cycle(flight: &mut Flight, number: u64, phase_ns: u64, events: &[Event]) -> bool {
    cycle_at(flight, (number, BEGAN + number * PERIOD), phase_ns, events)
}

fn cycle_at(
    flight: &mut Flight,
    (number, due): (u64, u64),
    phase_ns: u64,
    events: &[Event],
) -> bool {
    let wake = due + 3_000;
    flight.begin(number, (due, wake), 0);
    for event in events {
        let body = Body::Event(*event);
        flight.note(&Record { cycle: number, now: wake + phase_ns, body });
    }
    for (phase, end) in Phase::ALL.into_iter().zip(1..).take(9) {
        flight.over(phase, wake + end * phase_ns);
    }
    let end = wake + 10 * phase_ns;
    flight.end(end, end >= due + PERIOD)
}

pub(crate) fn trip() -> Event {
    Event::Trip {
        cause: SafeCause::Interlock(InterlockId(0)),
        group: GroupId(0),
        reaction: Reaction::Stop1,
        way: StopWay::Ramp,
        input_at: 1,
        predicted: Nano(5_000_000_000),
    }
}

/// A ring of so many cycles in the middle of a run, frozen 40 cycles after a trip, with one overrun 20 cycles before it.
pub(crate) fn frozen(cycles: u64) -> Ring {
    let plan = FlightPlan { before_ns: (cycles - 41) * PERIOD, after_ns: 40 * PERIOD };
    let mut flight = Flight::new(PERIOD, plan);
    let mut frozen = None;
    for number in 0..cycles {
        let is_trip = number == cycles - 40;
        let phase_ns = if number == cycles - 60 { 150_000 } else { 2_000 };
        let events = if is_trip { vec![trip()] } else { vec![] };
        // After the overrun a period is skipped.
        let due = BEGAN + (number + u64::from(number > cycles - 60)) * PERIOD;
        cycle_at(&mut flight, (number, due), phase_ns, &events);
    }
    // The overrun was the first trigger; the trip is what people look for.
    let mut spare = Flight::new(PERIOD, plan).spare();
    flight.freeze(|ring| {
        std::mem::swap(ring, &mut spare);
        frozen = Some(*spare.clone());
        true
    });
    frozen.expect("a trigger was pending")
}
