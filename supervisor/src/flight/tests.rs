use std::collections::BTreeMap;

use super::testing::{BEGAN, PERIOD, cycle, frozen, trip};
use super::*;
use crate::flight::file::Dump;
use crate::flight::trace::Span;
use serde_json::Value;

const PLAN: FlightPlan = FlightPlan { before_ns: 100 * PERIOD, after_ns: 10 * PERIOD };

fn options() -> Options {
    Options { plan: PLAN, ..Options::default() }
}

fn dumps(folder: &std::path::Path) -> Dumps {
    let head = Head { machine: "cell".into(), period_ns: PERIOD, ..Head::default() };
    let bounds = Bounds { files: 10, bytes: 1 << 20 };
    Dumps::new(Some(folder.to_owned()), "1".into(), bounds, head)
}

fn read(bytes: &[u8]) -> Dump {
    file::read(bytes).expect("a dump")
}

fn dumps_of(folder: &std::path::Path) -> Vec<Dump> {
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| read(&std::fs::read(path).unwrap())).collect()
}

/// A loop with a stop in every 500th cycle.
fn run_loop(prepared: &mut Prepared, cycles: std::ops::Range<u64>) -> u64 {
    let mut frozen = 0;
    for number in cycles {
        let events = if number % 500 == 250 { vec![trip()] } else { vec![] };
        if cycle(&mut prepared.flight, number, 1_000, &events) {
            prepared.flight.freeze(|ring| prepared.giver.swap(ring));
            frozen += u64::from(!prepared.flight.is_pending());
        }
    }
    frozen
}

#[test]
fn while_nobody_takes_dumps_the_loop_goes_on_and_what_is_lost_is_counted() {
    let folder = crate::folder::Folder::new("flight-parked");
    let mut prepared = prepare(PERIOD, &options());
    // Four stops and two spare rings; nobody is there.
    assert_eq!(run_loop(&mut prepared, 0..2_000), 2);
    let mut dumps = dumps(&folder);
    assert!(take(&mut prepared.taker, &mut dumps));
    run_loop(&mut prepared, 2_000..2_050);
    take(&mut prepared.taker, &mut dumps);
    let report = prepared.watch.report(&dumps);
    assert_eq!((report.records, report.triggers, report.dumps), (2_050, 4, 3));
    // The third stop, in cycle 1250, should have been frozen in 1260 and was in 2000.
    assert_eq!(report.lost, 2_000 - 1_260);
    let written = dumps_of(&folder);
    let stops: Vec<_> = written.iter().map(|dump| (dump.head.cycle, dump.head.lost)).collect();
    assert_eq!(stops, [(250, 0), (750, 0), (1250, 740)]);
    for dump in &written[..2] {
        let [first, .., last] = &dump.cycles[..] else { panic!("cycles") };
        assert_eq!((first.cycle, last.cycle), (dump.head.cycle - 100, dump.head.cycle + 10));
    }
    let latest = &written[2];
    assert_eq!(latest.cycles.last().unwrap().cycle, 2_000, "it is the newest that is kept");
    assert!(latest.marks.iter().any(|mark| mark.cycle == 1_250), "and the stop is told");
}

#[test]
fn a_thread_writes_what_is_frozen_and_everything_that_is_left_at_the_end() {
    let folder = crate::folder::Folder::new("flight-thread");
    let mut prepared = prepare(PERIOD, &options());
    let (_, taker) = swap::channel(Vec::new());
    let taker = std::mem::replace(&mut prepared.taker, taker);
    let thread = FlightThread::spawn(taker, dumps(&folder)).unwrap();
    assert_eq!(run_loop(&mut prepared, 0..900), 2);
    let dumps = thread.finish().unwrap();
    assert_eq!(dumps.written().dumps, 2);
    assert_eq!(dumps_of(&folder).len(), 2);
}

#[test]
fn a_request_is_heard_once_and_makes_a_dump() {
    let folder = crate::folder::Folder::new("flight-request");
    let options = options();
    let mut prepared = prepare(PERIOD, &options);
    run_loop(&mut prepared, 0..100);
    options.request.store(true, Ordering::Release);
    prepared.watch.look();
    prepared.watch.look();
    assert_eq!(run_loop(&mut prepared, 100..200), 1);
    let mut dumps = dumps(&folder);
    take(&mut prepared.taker, &mut dumps);
    let written = dumps_of(&folder);
    assert_eq!((written[0].head.trigger.as_str(), written[0].head.cycle), ("request", 100));
}

#[test]
fn without_a_place_for_dumps_they_are_counted_and_the_rings_go_round() {
    let mut prepared = prepare(PERIOD, &options());
    let mut nowhere = Dumps::new(None, String::new(), options().bounds, Head::default());
    for part in 0..4 {
        run_loop(&mut prepared, part * 500..(part + 1) * 500);
        take(&mut prepared.taker, &mut nowhere);
    }
    let report = prepared.watch.report(&nowhere);
    assert_eq!((report.dumps, report.not_written, report.lost), (0, 4, 0));
}

fn dump(cycles: u64) -> Dump {
    let head = Head {
        machine: "cell".into(),
        period_ns: PERIOD,
        cycle: cycles - 40,
        at: BEGAN + (cycles - 39) * PERIOD + 3_000,
        trigger: "trip".into(),
        interlocks: vec!["guard door".into()],
        groups: vec!["gantry".into()],
        ..Head::default()
    };
    let mut bytes = Vec::new();
    file::write(&head, &frozen(cycles), &mut bytes).unwrap();
    read(&bytes)
}

fn trace(dumps: &mut [Dump], span: Span) -> Vec<Value> {
    let mut bytes = Vec::new();
    let exported = export(dumps, span, &mut bytes).unwrap();
    let trace: Value = serde_json::from_slice(&bytes).unwrap();
    let events = trace["traceEvents"].as_array().unwrap().clone();
    assert_eq!(exported.events, events.len() as u64);
    events
}

/// The rules of the Trace Event Format that a viewer relies on; else what is wrong.
fn rules(events: &[Value]) -> Result<(), String> {
    // End of the open slices, and time of the last event, of each track, ns.
    let mut tracks: BTreeMap<String, (Vec<i64>, i64)> = BTreeMap::new();
    for event in events {
        let ns = |key: &str| {
            let micros = event[key].as_f64().ok_or(format!("{key}: {event}"))?;
            #[expect(clippy::cast_possible_truncation, reason = "ns of a test")]
            Ok::<_, String>((micros * 1000.0).round() as i64)
        };
        let phase = event["ph"].as_str().ok_or("no ph")?;
        if event["name"].as_str().is_none_or(str::is_empty) || !event["pid"].is_u64() {
            return Err(format!("no name or no pid: {event}"));
        }
        if phase == "M" {
            continue;
        }
        let track = match phase {
            "C" => format!("{} {}", event["pid"], event["name"]),
            _ => format!("{} {}", event["pid"], event["tid"].as_u64().ok_or("no tid")?),
        };
        let at = ns("ts")?;
        let (open, last) = tracks.entry(track).or_insert((Vec::new(), at));
        if at < *last {
            return Err(format!("goes back in time: {event}"));
        }
        *last = at;
        match phase {
            "X" => {
                let end = at + ns("dur")?;
                open.retain(|open| *open > at);
                if end < at || open.last().is_some_and(|outer| end > *outer) {
                    return Err(format!("reaches beyond the slice that it is in: {event}"));
                }
                open.push(end);
            }
            "i" if event["s"] == "p" => {}
            "C" if event["args"]
                .as_object()
                .is_some_and(|args| args.values().all(Value::is_number)) => {}
            _ => return Err(format!("not of the format: {event}")),
        }
    }
    Ok(())
}

fn named<'a>(events: &'a [Value], name: &'a str) -> impl Iterator<Item = &'a Value> {
    events.iter().filter(move |event| event["name"].as_str() == Some(name))
}

#[test]
fn a_trace_has_every_cycle_its_phases_and_what_happened_and_keeps_the_rules() {
    let events = trace(&mut [dump(300)], Span::default());
    assert_eq!(rules(&events), Ok(()));
    assert_eq!(named(&events, "cycle").count(), 300);
    assert_eq!(named(&events, "interlock").count(), 300);
    assert_eq!(events.iter().filter(|event| event["ph"] == "C").count(), 600);
    let stop = named(&events, "trip: guard door → gantry stop1").next().expect("the stop");
    assert_eq!(stop["args"]["cycle"], 260);
    let overrun = named(&events, "overrun").next().expect("the overrun");
    assert_eq!(overrun["args"]["cycle"], 240);
    assert!(overrun["args"]["cause"].as_str().unwrap().contains("1.50 ms"), "{overrun}");
    assert_eq!(named(&events, "frozen: trip").count(), 1);
}

#[test]
fn the_check_of_the_rules_finds_what_it_is_for() {
    let fine = trace(&mut [dump(100)], Span::default());
    let at = fine.iter().position(|event| event["name"] == "twin").unwrap();
    let mut broken = fine.clone();
    broken[at]["dur"] = 99_999.into();
    assert!(rules(&broken).unwrap_err().contains("beyond"));
    let mut broken = fine.clone();
    broken[at]["ts"] = 1.into();
    assert!(rules(&broken).unwrap_err().contains("back"));
    let mut broken = fine.clone();
    broken[at]["ph"] = "B".into();
    assert!(rules(&broken).is_err(), "begun and never ended");
}

#[test]
fn two_dumps_of_a_run_are_one_trace_without_a_cycle_twice() {
    let (mut early, mut late) = (dump(300), dump(300));
    early.cycles.truncate(200);
    late.cycles.drain(..150);
    early.head.cycle = 140;
    let events = trace(&mut [late, early], Span::default());
    assert_eq!(rules(&events), Ok(()));
    assert_eq!(named(&events, "cycle").count(), 300);
    assert_eq!(named(&events, "process_name").count(), 1);
    let mut other = dump(300);
    other.head.began = 77;
    let events = trace(&mut [dump(300), other], Span::default());
    assert_eq!(named(&events, "process_name").count(), 2, "another run is another process");
    assert_eq!(rules(&events), Ok(()));
}

#[test]
fn a_part_of_the_time_is_cut_out_exactly() {
    let dump = dump(300);
    let span = Span { from: dump.head.at - 5 * PERIOD, to: dump.head.at + 2 * PERIOD };
    let events = trace(&mut [dump], span);
    let cycles: Vec<_> =
        named(&events, "cycle").map(|event| event["args"]["cycle"].as_u64().unwrap()).collect();
    assert_eq!(cycles, (255..=262).collect::<Vec<_>>());
    assert_eq!(rules(&events), Ok(()));
}
