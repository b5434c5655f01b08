//! What a record says of its time.

use config::forward::{Class, Exported};
use rt_core::record::Event;
use rt_core::signal::SignalId;

use super::*;
use crate::labels::example;

const MS: u64 = 1_000_000;
const LAMP: SignalId = SignalId(1);

fn export(reduce: Reduce, edges: bool) -> Export {
    let value = Value::Signal(LAMP);
    Export {
        name: "lamps".into(),
        values: vec![Exported { name: "lamp".into(), value, unit: String::new() }],
        events: vec!["reset"],
        sinks: vec![0],
        interval_ns: 10 * MS,
        reduce,
        edges,
        retention_ns: 0,
        owner: "somebody".into(),
        class: Class::Telemetry,
    }
}

/// A reducer, and the raw records that go through it.
struct Bench {
    reducer: Reducer,
    sequence: u64,
    out: Vec<Reduced>,
}

impl Bench {
    fn new(export: Export) -> Self {
        let reducer = Reducer::new(&[export], example());
        Self { reducer, sequence: 0, out: Vec::new() }
    }

    fn take(&mut self, ms: u64, body: Body) {
        let record = Record { cycle: ms, now: ms * MS, body };
        self.reducer.take(&Raw { sequence: self.sequence, record }, &mut self.out);
        self.sequence += 1;
    }

    fn lamp(&mut self, ms: u64, value: i64, quality: Quality) {
        let sample = Sample { value, at: ms * MS, quality };
        self.take(ms, Body::Signal { signal: LAMP, sample });
    }

    fn cycle(&mut self, ms: u64) {
        self.take(ms, Body::Cycle(CycleRecord::default()));
    }

    fn value(&mut self) -> (Reading, ValueOverTime) {
        let reading = self.out.remove(0).body;
        let Content::Value(value) = reading.content.clone() else { panic!("{reading:?}") };
        (reading, value)
    }
}

#[test]
fn a_record_has_extremes_the_mean_over_time_edges_and_the_raw_range_that_it_stands_for() {
    let mut bench = Bench::new(export(Reduce::Statistics, true));
    bench.lamp(0, 4, Quality::Good);
    bench.cycle(0);
    bench.lamp(8, 9, Quality::Good);
    bench.cycle(8);
    assert!(bench.out.is_empty(), "the window is not over");
    bench.cycle(10);
    let (reading, value) = bench.value();
    assert_eq!((reading.raw, reading.cycles, reading.mono_ns), ([0, 4], [0, 10], [0, 10 * MS]));
    assert_eq!((value.min, value.max, value.last), (Some(4.0), Some(9.0), Some(9.0)));
    assert_eq!(value.mean, Some(5.0), "8 ms of 4 and 2 ms of 9");
    assert_eq!((value.samples, value.quality), (2, "good"));
    assert_eq!(value.edges, [(0, 4.0), (8 * MS, 9.0)]);
}

#[test]
fn a_value_that_did_not_change_is_carried_into_the_next_record() {
    let mut bench = Bench::new(export(Reduce::Statistics, true));
    bench.lamp(0, 4, Quality::Good);
    for ms in [0, 10, 11, 21] {
        bench.cycle(ms);
    }
    bench.value();
    let (reading, value) = bench.value();
    assert_eq!((value.min, value.max, value.mean), (Some(4.0), Some(4.0), Some(4.0)));
    assert_eq!((value.samples, value.edges.len(), reading.cycles), (0, 0, [11, 21]));
}

#[test]
fn the_worst_quality_counts_and_what_was_never_there_has_no_value() {
    let mut bench = Bench::new(export(Reduce::Statistics, false));
    bench.cycle(0);
    bench.cycle(10);
    let (_, value) = bench.value();
    assert_eq!((value.quality, value.last, value.mean), ("missing", None, None));
    bench.lamp(11, 1, Quality::Good);
    bench.lamp(12, 1, Quality::Stale);
    bench.lamp(13, 1, Quality::Good);
    bench.cycle(21);
    assert_eq!(bench.value().1.quality, "stale");
}

#[test]
fn edges_are_bounded_and_the_rest_is_counted() {
    let mut bench = Bench::new(export(Reduce::Last, true));
    (0..20).for_each(|at| bench.lamp(0, at, Quality::Good));
    bench.cycle(0);
    bench.cycle(10);
    let (_, value) = bench.value();
    assert_eq!((value.edges.len(), value.edges_more, value.last), (EDGES_MAX, 4, Some(19.0)));
    assert_eq!((value.min, value.max, value.mean), (None, None, None), "not asked for");
}

#[test]
fn what_was_lost_before_is_said_once_and_the_end_of_a_run_closes_the_window() {
    let mut bench = Bench::new(export(Reduce::Last, false));
    bench.cycle(0);
    bench.reducer.lost(7);
    bench.cycle(10);
    assert_eq!(bench.value().0.raw_lost, 7);
    bench.cycle(11);
    bench.cycle(12);
    bench.reducer.finish(&mut bench.out);
    let (reading, _) = bench.value();
    assert_eq!((reading.raw_lost, reading.cycles), (0, [11, 12]));
}

#[test]
fn an_event_is_exported_if_its_kind_is_listed_and_not_otherwise() {
    let mut bench = Bench::new(export(Reduce::Last, false));
    bench.take(0, Body::Event(Event::Start));
    assert!(bench.out.is_empty());
    bench.take(0, Body::Event(Event::Reset));
    let reading = &bench.out[0].body;
    assert_eq!((&*reading.name, reading.raw), ("reset", [1, 1]));
    assert!(config::forward::EVENT_KINDS.contains(&"reset"));
}
