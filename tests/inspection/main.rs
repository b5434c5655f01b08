//! The whole inspection cell in virtual time, against the truth of its world: every bad part is taken, no good one but those whose
//! camera failed or was late, and the air jet meets them.
//!
//! `TACTUS_INSPECTION_PARTS=100000` runs as many parts; `./test` runs 5000.

use std::path::PathBuf;
use std::time::Duration;

use rt_core::record::{Body, Event, Record};
use rt_linux::run::WatchCalls;
use rt_linux::signal::Shutdown;
use supervisor::cell::Cell;
use supervisor::cli::Link;
use supervisor::flight;
use supervisor::report::Report;
use supervisor::run::{Onlooker, Options, Source, watched};
use tactus_tests::machine;
use twin_lite::track::Fate;
use world::{Ejection, StationCounts};

/// Parts of a run in `./test`.
const PARTS: u64 = 5_000;
/// Parts a second that the shipped file brings, less a margin.
const PARTS_PER_SECOND: u64 = 8;

/// The truth of a run.
#[derive(Default)]
struct Truth {
    counts: StationCounts,
    /// Of each part that was taken: middle of the pulse after the middle of the part, ms, and mm on the belt.
    errors: Vec<(f64, f64)>,
    last: Option<Ejection>,
    pulse_ms: f64,
    /// What the loop says of each part.
    fates: Vec<Fate>,
}

impl Onlooker for Truth {
    fn record(&mut self, record: &Record) {
        if let Body::Event(Event::Part { fate, .. }) = record.body {
            self.fates.push(fate);
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "ns within seconds")]
    fn cycle(&mut self, cell: &Cell, _: u64) {
        let Some((counts, last)) = cell.world().inspected(0) else { return };
        self.counts = counts;
        if last != self.last
            && let Some(taken) = last
        {
            let middle = taken.acts_since as f64 / 1e6 + self.pulse_ms / 2.0;
            let ms = middle - taken.passed_at as f64 / 1e6;
            self.errors.push((ms, ms * taken.speed / 1e3));
        }
        self.last = last;
    }
}

fn parts() -> u64 {
    let asked = std::env::var("TACTUS_INSPECTION_PARTS").ok();
    asked.and_then(|parts| parts.parse().ok()).unwrap_or(PARTS)
}

/// The shipped file, changed line by line.
fn source(changes: &[(&str, &str)]) -> Source {
    let mut text = std::fs::read_to_string(machine("inspection-cell.toml")).expect("it is shipped");
    for (from, to) in changes {
        assert!(text.contains(from), "the shipped file has no {from:?}");
        text = text.replacen(from, to, 1);
    }
    let machine = config::load(&text, "inspection-cell.toml").expect("the file is right");
    Source { machine, file_name: "inspection-cell.toml".into(), bytes: text.into_bytes() }
}

fn run(changes: &[(&str, &str)], seed: u64, seconds: u64) -> (Report, Truth) {
    let source = source(changes);
    let options = Options {
        link: Link::Virtual,
        virtual_time: true,
        seed,
        duration: Some(Duration::from_secs(seconds)),
        headless: true,
        record: None,
        capture: None,
        vision_socket: PathBuf::new(),
        flight: flight::Options::default(),
        state: None,
        home_again: false,
        watch_calls: WatchCalls::No,
        park: None,
    };
    let shutdown = Shutdown::detached();
    let mut truth = Truth { pulse_ms: 16.0, ..Truth::default() };
    let report = watched(&source, &options, &shutdown, &mut truth).expect("it runs");
    (report, truth)
}

/// The middle one and the worst of some sizes.
fn spread(sizes: impl Iterator<Item = f64>) -> (f64, f64) {
    let mut sizes: Vec<f64> = sizes.map(f64::abs).collect();
    sizes.sort_by(f64::total_cmp);
    (sizes[sizes.len() / 2], sizes[sizes.len() - 1])
}

fn rejected(truth: &Truth) -> u64 {
    let rejected = truth.fates.iter().filter(|fate| matches!(fate, Fate::Rejected(_)));
    u64::try_from(rejected.count()).unwrap()
}

// SR-090
#[test]
fn every_bad_part_is_taken_and_good_ones_only_where_their_camera_failed() {
    let seconds = parts() / PARTS_PER_SECOND;
    let (report, truth) = run(&[], 1, seconds);
    let Truth { counts, errors, .. } = &truth;
    let passed = counts.good_kept + counts.good_ejected + counts.bad_kept + counts.bad_ejected;
    let time = spread(errors.iter().map(|at| at.0));
    let place = spread(errors.iter().map(|at| at.1));
    println!("{counts:?}\n{:#?}", report.inspections);
    println!(
        "air jet against part, {} parts: p50 {:.2} ms, worst {:.2} ms; p50 {:.2} mm, worst {:.2} mm",
        errors.len(),
        time.0,
        time.1,
        place.0,
        place.1
    );
    assert!(passed >= parts(), "only {passed} parts");
    assert_eq!(counts.bad_kept, 0, "{counts:?}");
    assert_eq!(counts.good_ejected_clean, 0, "{counts:?}");
    assert!(counts.bad_ejected > passed / 40 && counts.good_ejected > 0, "{counts:?}");
    // The loop knows what it did: its counts are the world's, but for parts under way at the end.
    let [told] = &report.inspections[..] else { panic!("{:?}", report.inspections) };
    assert_eq!((told.missed, told.missed_unseen), (0, 0));
    assert!(told.parts.abs_diff(passed) <= 2, "{} against {passed}", told.parts);
    assert!(rejected(&truth).abs_diff(counts.bad_ejected + counts.good_ejected) <= 2);
    assert!(told.rejected_for.late > 0 && told.rejected_for.missing > 0, "{told:?}");
    // Parts slip by up to 2 mm: by the encoder where their result comes when the jet can no longer be moved, in truth also where none comes.
    let timing = told.timing.as_ref().expect("some were taken");
    assert!(timing.p50_ms <= 0.6 && timing.worst <= 2.0 + 0.6, "{timing:?}");
    assert!(time.0 <= 0.6 && place.1 <= 2.0 + 0.6, "the air jet is off: {time:?} ms, {place:?} mm");
}

// SR-090
#[test]
fn a_camera_that_misses_a_trigger_has_the_wrong_numbers_from_then_on_and_nothing_passes() {
    let silent = "silent = \"0.2 %\"";
    let (report, truth) = run(&[(silent, "deaf = \"1 %\"")], 5, 120);
    let counts = truth.counts;
    assert_eq!(counts.bad_kept, 0, "{counts:?}");
    let [told] = &report.inspections[..] else { panic!("{:?}", report.inspections) };
    assert!(told.troubles.mismatch > 100, "{told:?}");
    let last_good = truth.fates.iter().rposition(|fate| *fate == Fate::Good).unwrap_or(0);
    assert!(truth.fates.len() - last_good > 100, "the last good one is {last_good}");
}

// SR-091
#[test]
fn a_bad_part_that_passes_while_the_belt_is_being_stopped_is_told_and_stops_the_belt() {
    let event = "\n[[scenario.event]]\nat = \"10 s\"\nevery = \"8 s\"\ntimes = 20\npress = [\"estop_a\", \"estop_b\"]\nfor = \"500 ms\"\n\n[[scenario.rule]]";
    let chain = "[virtual.safety_chain]\ninputs = [\"estop_a\", \"estop_b\"]\ndelay = \"500 ms\"\n";
    let bad = ("bad = \"5 %\"", "bad = \"50 %\"");
    let (report, truth) = run(&[bad, ("\n[[scenario.rule]]", event), (chain, "")], 3, 170);
    let counts = truth.counts;
    let [told] = &report.inspections[..] else { panic!("{:?}", report.inspections) };
    println!("{counts:?} {told:?}");
    assert!(counts.bad_kept > 0, "none passed: this test shows nothing");
    assert!(told.missed >= counts.bad_kept, "{counts:?} {told:?}");
    // A good one is lost to a stop only where its trigger was held back, and that is told.
    let why = &told.rejected_for;
    let counted = why.untriggered + why.slip + why.late + why.neighbour;
    assert!(counts.good_ejected_clean <= counted, "{counts:?} {told:?}");
    let trips = &report.trips;
    assert!(trips.iter().any(|trip| trip.kind == "emergency_stop"), "{trips:?}");
}
