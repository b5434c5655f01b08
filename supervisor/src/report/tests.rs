use rt_core::cycle::Quantiles as Own;
use rt_core::machine::SafeCause;
use rt_core::plan::{GroupId, InterlockId, Reaction, StopWay};
use rt_core::record::{Body, CycleRecord, Event, MachineState, Record};
use twin_lite::Nano;

use super::*;
use crate::labels::example;

fn statistics() -> Statistics {
    let mut statistics = Statistics::new(vec![None, Some(1000.0)]);
    for number in 0..1000_u32 {
        let body = Body::Cycle(CycleRecord {
            latency_ns: number * 10,
            execution_ns: 2000,
            machine: MachineState::Run,
            ..CycleRecord::default()
        });
        let now = 1_000_000 * (1 + u64::from(number));
        statistics.take(&Record { cycle: u64::from(number), now, body });
    }
    let trip = Event::Trip {
        cause: SafeCause::Interlock(InterlockId(0)),
        group: GroupId(0),
        reaction: Reaction::Stop1,
        way: StopWay::Ramp,
        input_at: 999_500_000,
        predicted: Nano(10_000_000_000),
    };
    let stopped = Event::Stopped {
        group: GroupId(0),
        cause: SafeCause::Interlock(InterlockId(0)),
        tripped_at_cycle: 999,
        distance: Nano(8_000_000_000),
        predicted: Nano(10_000_000_000),
    };
    for (cycle, event) in [(999, trip), (1100, stopped)] {
        statistics.take(&Record { cycle, now: cycle * 1_000_000, body: Body::Event(event) });
    }
    statistics
}

fn report(measured: bool) -> Report {
    let loop_report = CycleReport { cycles: 1000, ..Default::default() };
    report_with(measured, loop_report)
}

fn report_with(measured: bool, loop_report: CycleReport) -> Report {
    let context = Context {
        realtime: if measured { "degraded" } else { "virtual" }.into(),
        degraded_reasons: vec!["SCHED_FIFO was refused: setcap cap_sys_nice=ep".into()],
        link: "virtual".into(),
        config_hash: "0123456789abcdef0123".into(),
        seed: Some(1),
        period_ns: 1_000_000,
        loop_report,
        measured,
        guards: Guards { allocations: Some(0), frees: Some(0), ..Default::default() },
        ..Context::default()
    };
    let ledger = Ledger {
        produced: 1002,
        dropped_by_stream: 2,
        high_water: 9,
        stored: Stored { stored: 1000, ..Stored::default() },
        not_recorded: 0,
        audit: None,
        forward: None,
        ..Ledger::default()
    };
    let ended = Ended {
        reason: "completed",
        message: "done".into(),
        machine: Some("run"),
        controlled: true,
    };
    let end = (ExitCode::Done, ended);
    let vision = VisionReport::default();
    Report::new(&statistics(), &example(), &context, &ledger, vision, end)
}

#[test]
fn the_json_has_every_field_that_scripts_rely_on() {
    let json: serde_json::Value = serde_json::from_str(&report(true).to_json().unwrap()).unwrap();
    for path in [
        "/ended/reason",
        "/realtime",
        "/link",
        "/config_hash",
        "/seed",
        "/cycles",
        "/overruns",
        "/allocations",
        "/frees",
        "/guards/allocations",
        "/guards/frees",
        "/guards/page_faults",
        "/guards/switches",
        "/guards/worst_window",
        "/guards/system_calls",
        "/guards/undeclared_system_calls",
        "/guards/system_calls_unknown",
        "/guards/violations",
        "/working_counter_errors",
        "/frames/sent",
        "/frames/received",
        "/frames/late",
        "/frames/duplicate",
        "/frames/foreign",
        "/frames/truncated",
        "/frames/corrupt",
        "/frames/lost",
        "/wake_up_latency_ns/p50",
        "/wake_up_latency_ns/p99",
        "/wake_up_latency_ns/p999",
        "/wake_up_latency_ns/max",
        "/execution_time_ns/max",
        "/axes/0/name",
        "/axes/0/state",
        "/axes/0/powered",
        "/axes/0/travel",
        "/axes/0/following_error_max",
        "/trips/0/cause",
        "/trips/0/kind",
        "/trips/0/reaction",
        "/trips/0/at_cycle",
        "/trips/0/reaction_ns",
        "/trips/0/stop_distance",
        "/trips/0/stop_distance_predicted",
        "/records/produced",
        "/records/stored",
        "/records/dropped",
        "/resident_bytes",
        "/bring_up_ms",
    ] {
        assert!(json.pointer(path).is_some(), "{path} is missing");
    }
    assert_eq!(json["wake_up_latency_ns"]["max"], 9990);
    assert_eq!(json["trips"][0]["cause"], "emergency_stop");
    assert_eq!(json["trips"][0]["stop_distance"], 8.0);
}

#[test]
fn the_longest_cycle_is_the_loops_own_even_if_its_record_was_dropped() {
    let own = |max| Own { max, ..Own::default() };
    let longest = |latency| {
        let loop_report = CycleReport { wake_up_latency_ns: own(latency), ..Default::default() };
        report_with(true, loop_report).wake_up_latency_ns.map(|latency| latency.max)
    };
    assert_eq!(longest(50_000), Some(50_000));
    assert_eq!(longest(9), Some(9990), "and never less than what the records say");
}

#[test]
fn what_was_not_measured_is_null_and_said_so() {
    let report = report(false);
    let json: serde_json::Value = serde_json::from_str(&report.to_json().unwrap()).unwrap();
    assert!(json["wake_up_latency_ns"].is_null());
    assert!(json["execution_time_ns"].is_null());
    assert!(render(&report).contains("not measured"));
}

#[test]
fn a_degraded_run_says_so_loudly_and_why() {
    let text = render(&report(true));
    assert!(text.contains("DEGRADED"), "{text}");
    assert!(text.contains("cap_sys_nice"), "{text}");
    assert!(!render(&report(false)).contains("DEGRADED"));
}

#[test]
fn the_ledger_adds_up_and_is_shown() {
    let report = report(true);
    let records = &report.records;
    assert_eq!(records.produced, records.stored + records.dropped);
    assert!(render(&report).contains("produced 1002 = stored 1000 + dropped 2"));
}

#[test]
fn a_stop_that_went_further_than_predicted_is_counted() {
    let trip = |distance, predicted| Trip {
        cause: SafeCause::Interlock(InterlockId(0)),
        group: GroupId(0),
        reaction: Reaction::Stop1,
        way: StopWay::Ramp,
        escalated: None,
        at_cycle: 0,
        at: 0,
        input_at: 0,
        reaction_ns: None,
        stop_distance: distance,
        stop_distance_predicted: predicted,
    };
    let trips = [trip(Some(5.0), 10.0), trip(Some(12.0), 10.0), trip(None, 99.0)];
    let prediction = Prediction::of(&trips).unwrap();
    assert_eq!((prediction.stops, prediction.exceeded), (2, 1));
    assert!((prediction.error_max - 2.0).abs() < 1e-12);
    assert!((prediction.ratio_mean.unwrap() - 0.85).abs() < 1e-12);
    assert!(Prediction::of(&trips[2..]).is_none());
}

#[test]
fn lines_fit_a_terminal() {
    for line in render(&report(true)).lines() {
        assert!(line.chars().count() <= 110, "{line}");
    }
}
