//! `tactus what-if`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rt_core::program::Sequence;
use rt_linux::signal::Shutdown;

use super::gauge::Gauge;
use super::sweep::against;
use super::{
    At, Changed, Divergence, FORMAT, Figures, Job, Moment, Point, Set, Study, Sweep, SweepStudy,
    apply, compare, measure, page, pool, quietly, table, text,
};
use crate::app::{install_signals, load, print};
use crate::cli::WhatIfArgs;
use crate::exit::{Error, ExitCode};
use crate::replay::{Reading, ran};
use crate::run::{Onlooker, Source};

/// Without `--for`, and with a file or a moment.
const DURATION: Duration = Duration::from_secs(300);
/// Without `--seeds`.
const SEEDS: [u64; 3] = [1, 2, 3];

/// Where runs begin: which machine, from when, and what it is compared with.
struct Basis {
    source: Source,
    from: String,
    moment: Option<Moment>,
    /// Of the recording, if there is one.
    seed: Option<u64>,
    recording: Option<Whole>,
}

/// A recording that is run again as a whole.
struct Whole {
    reading: Reading,
    realtime: String,
    seed: u64,
    duration: Duration,
}

pub(crate) fn run(arguments: &WhatIfArgs) -> Result<ExitCode, Error> {
    let basis = match (&arguments.file, &arguments.from) {
        (_, Some((path, at))) => recorded(path, *at)?,
        (Some(file), None) => Basis {
            source: load(file)?,
            from: file.display().to_string(),
            moment: None,
            seed: None,
            recording: None,
        },
        (None, None) => {
            return Err(Error::file("expected a machine file, or --from and a recording"));
        }
    };
    let shutdown = install_signals()?;
    let study = study(&basis, arguments, &shutdown)?;
    if shutdown.requested() {
        return Err(Error::environment("interrupted: the runs are not whole"));
    }
    if let Some(path) = &arguments.html {
        std::fs::write(path, page::page(&study)).map_err(|source| {
            Error::environment(format!("{} cannot be written: {source}", path.display()))
        })?;
    }
    if arguments.json {
        let json = serde_json::to_string_pretty(&study);
        print(&json.map_err(|wrong| Error::environment(wrong.to_string()))?);
    } else {
        print(&text::render(&study));
    }
    let virtual_differs = |it: &Divergence| it.realtime == "virtual" && !it.identical;
    Ok(match &study.recorded {
        Some(divergence) if virtual_differs(divergence) => ExitCode::Differs,
        _ => ExitCode::Done,
    })
}

/// The machine of a recording, from its beginning or from a moment in it.
fn recorded(path: &Path, at: Option<At>) -> Result<Basis, Error> {
    let reading = Reading::open(path)?;
    let recorded = reading.recorded()?;
    ran::<Sequence>(&recorded)?;
    let machine = config::load(&recorded.file, &recorded.file_name).map_err(|wrong| {
        let wrong = wrong.render(config::Style::Plain, 100);
        Error::file(format!(
            "the machine file in the recording is wrong for this version:\n{wrong}"
        ))
    })?;
    let source = Source {
        machine,
        file_name: recorded.file_name.clone(),
        bytes: recorded.file.clone().into_bytes(),
    };
    let moment = at.map(|at| Moment::find(&reading, &recorded, at)).transpose()?;
    let from = match &moment {
        None => path.display().to_string(),
        Some(moment) => format!(
            "{} from cycle {}, {:.3} s after its first",
            path.display(),
            moment.cycle,
            super::figures::float(moment.after_ns) / 1e9
        ),
    };
    let recording = match moment {
        Some(_) => None,
        None => Some(Whole {
            duration: asked_for(&reading, source.machine.plan.period_ns)?,
            realtime: recorded.realtime.clone(),
            seed: recorded.seed,
            reading,
        }),
    };
    Ok(Basis { source, from, moment, seed: Some(recorded.seed), recording })
}

/// For how long the recorded run was asked to run: until the cycle before the one that was told to end.
fn asked_for(reading: &Reading, period_ns: u64) -> Result<Duration, Error> {
    let (mut first, mut last, mut ended) = (None, 0, false);
    reading.cycles(|given| {
        first.get_or_insert(given.inputs.now);
        ended |= given.inputs.command.is_some_and(|command| command.shutdown);
        if !ended {
            last = given.inputs.now;
        }
    })?;
    // The middle between the cycle that found the time to be over and the one before it.
    let ns = last.saturating_sub(first.unwrap_or(last)).saturating_add(period_ns / 2);
    Ok(Duration::from_nanos(ns))
}

fn study(basis: &Basis, arguments: &WhatIfArgs, shutdown: &Shutdown) -> Result<Study, Error> {
    let changed = apply(&basis.source, &arguments.set)?;
    let of_recording = basis.recording.as_ref();
    let duration = arguments.for_.or(of_recording.map(|it| it.duration)).unwrap_or(DURATION);
    let seeds = match (&arguments.seeds, basis.seed) {
        (Some(seeds), _) => seeds.0.clone(),
        (None, Some(seed)) => vec![seed],
        (None, None) => SEEDS.to_vec(),
    };
    let recorded = match of_recording {
        Some(whole) if arguments.for_.is_none() => {
            Some(against_recording(&basis.source, whole, shutdown)?)
        }
        _ => None,
    };
    let points = match &arguments.sweep {
        None => Vec::new(),
        Some(sweep) => swept(&changed.source, sweep)?,
    };
    let mut machines = vec![&basis.source];
    if !arguments.set.is_empty() {
        machines.push(&changed.source);
    }
    machines.extend(points.iter().filter_map(|(_, source)| source.as_ref().ok()));
    let jobs: Vec<Job<'_>> = machines
        .iter()
        .flat_map(|source| seeds.iter().map(move |seed| (source, *seed)))
        .map(|(source, seed)| Job { source, seed, duration, moment: basis.moment.as_ref() })
        .collect();
    let answers = pool::all(&jobs, |job| measure(job, shutdown));
    let runs = answers.into_iter().collect::<Result<Vec<Figures>, Error>>()?;
    let mut runs = runs.chunks(seeds.len()).map(<[Figures]>::to_vec);
    let baseline = runs.next().unwrap_or_default();
    let after = if arguments.set.is_empty() { None } else { runs.next() }.unwrap_or_default();
    let before = if after.is_empty() { &baseline } else { &after };
    let sweep = arguments.sweep.as_ref().map(|sweep| SweepStudy {
        path: sweep.path.clone(),
        unit: points.first().map_or("", |(value, _)| value.unit()).to_owned(),
        points: points
            .iter()
            .map(|(value, source)| judged(*value, source, &mut runs, before))
            .collect(),
    });
    Ok(Study {
        format: FORMAT,
        version: env!("CARGO_PKG_VERSION"),
        machine: basis.source.machine.name.clone(),
        from: basis.from.clone(),
        changes: arguments.set.iter().map(ToString::to_string).collect(),
        seeds,
        duration_s: duration.as_secs_f64(),
        counted: Gauge::counts(&basis.source.machine),
        assumed: basis.moment.as_ref().map(Moment::assumed).unwrap_or_default(),
        notes: changed.notes.clone(),
        recorded,
        table: table::rows(&baseline, &after),
        baseline,
        changed: after,
        sweep,
    })
}

type Swept = (config::Amount, Result<Source, Error>);

/// The machine with each value; one that the file check refuses is a point that cannot be.
fn swept(source: &Source, sweep: &Sweep) -> Result<Vec<Swept>, Error> {
    let values = sweep.values(source)?;
    let mut points = Vec::new();
    for value in values {
        let set = Set { path: sweep.path.clone(), value: value.to_string() };
        let changed = apply(source, std::slice::from_ref(&set));
        points.push((value, changed.map(|Changed { source, .. }| source)));
    }
    // Every value refused: the path or the unit is wrong, and the first refusal says how.
    if points.iter().all(|(_, source)| source.is_err())
        && let Some((_, Err(wrong))) = points.pop()
    {
        return Err(wrong);
    }
    Ok(points)
}

fn judged(
    value: config::Amount,
    source: &Result<Source, Error>,
    runs: &mut impl Iterator<Item = Vec<Figures>>,
    before: &[Figures],
) -> Point {
    let (runs, why) = match source {
        Ok(_) => {
            let runs = runs.next().unwrap_or_default();
            let why = against(&runs, before);
            (runs, why)
        }
        Err(wrong) => {
            let lines = wrong.message.lines().filter(|line| line.contains("error["));
            let first = lines.map(str::trim).next().unwrap_or("the machine file is wrong with it");
            (Vec::new(), vec![first.to_owned()])
        }
    };
    Point { value: value.number(), shown: value.to_string(), feasible: why.is_empty(), why, runs }
}

/// Runs the recorded machine again, records it, and compares the two.
fn against_recording(
    source: &Source,
    whole: &Whole,
    shutdown: &Shutdown,
) -> Result<Divergence, Error> {
    let file = Temporary::new();
    let mut options = quietly(whole.seed, whole.duration);
    options.record = Some(file.0.clone());
    // The dumps of the flight recorder are no part of it, but their triggers are.
    options.flight.plan = rt_core::flight::FlightPlan {
        before_ns: source.machine.recording.flight.before_ns,
        after_ns: source.machine.recording.flight.after_ns,
    };
    let _ = crate::run::watched(source, &options, shutdown, &mut Nobody)?;
    let again = Reading::open(&file.0)?;
    compare(&whole.reading, &again, &source.machine, &whole.realtime)
}

struct Nobody;

impl Onlooker for Nobody {}

/// A file that is gone afterwards.
struct Temporary(PathBuf);

impl Temporary {
    fn new() -> Self {
        use std::sync::atomic::{AtomicU32, Ordering};
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("tactus-what-if-{}-{number}.mcap", std::process::id());
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
