//! `tactus what-if`: the machine with another value, in virtual time, with the very code that runs in the loop; compared with how it
//! is now.
//!
//! | file | what it does |
//! | --- | --- |
//! | `set.rs` | changes, under the names of the machine file |
//! | `sweep.rs` | one value after the other, and which of them the machine can bear |
//! | `gauge.rs` | looks on at a run and measures the world |
//! | `figures.rs`, `table.rs` | what a run amounts to; several side by side |
//! | `pool.rs` | many runs on all cores |
//! | `recorded.rs` | a run against a recording: the same to the bit, or how far apart |
//! | `moment.rs` | from a moment in a recording on |
//! | `text.rs`, `page.rs`, `plot.rs` | answers for people |
//! | `command.rs` | the command line |

mod command;
mod figures;
mod gauge;
mod moment;
mod page;
mod plot;
mod pool;
mod recorded;
mod set;
mod sweep;
mod table;
#[cfg(test)]
pub(crate) mod testing;
mod text;

use std::time::Duration;

use rt_linux::signal::Shutdown;
use serde::Serialize;

pub(crate) use command::run as command;
pub(crate) use figures::float;
pub use figures::{AxisFigures, Figures, Stops};
pub use moment::{At, Moment};
pub(crate) use moment::{Stand, not_this};
pub(crate) use plot::escape;
pub use recorded::{Divergence, SignalDivergence, compare};
pub use set::{Changed, Set, apply};
pub use sweep::{Point, Sweep};
pub use table::{Row, Spread};

use self::gauge::Gauge;
use crate::cli::Link;
use crate::exit::Error;
use crate::flight;
use crate::run::{Options, Source};

/// Version of the JSON; goes up when a field changes its meaning or goes away.
pub const FORMAT: u32 = 1;

/// After a moment in a recording this much is not counted, ns: what drives and couplings store is not in a checkpoint.
const SETTLING_NS: u64 = 500_000_000;

/// What a question amounts to.
#[derive(Clone, Debug, Serialize)]
pub struct Study {
    /// [`FORMAT`].
    pub format: u32,
    /// `tactus` that calculated it.
    pub version: &'static str,
    /// The machine's name.
    pub machine: String,
    /// The machine file, or the recording.
    pub from: String,
    /// What was changed: `PATH=VALUE`.
    pub changes: Vec<String>,
    /// Seeds of the virtual cell.
    pub seeds: Vec<u64>,
    /// Time of the machine that each run took, s.
    pub duration_s: f64,
    /// What a part is.
    pub counted: String,
    /// What was assumed because it cannot be known.
    pub assumed: Vec<String>,
    /// What else people should know.
    pub notes: Vec<String>,
    /// The baseline against the recording; `null`: there is none, or it begins within it.
    pub recorded: Option<Divergence>,
    /// Figure by figure.
    pub table: Vec<Row>,
    /// As it is now, by seed.
    pub baseline: Vec<Figures>,
    /// With the changes, by seed; empty: nothing was changed.
    pub changed: Vec<Figures>,
    /// What is swept.
    pub sweep: Option<SweepStudy>,
}

/// A sweep's points.
#[derive(Clone, Debug, Serialize)]
pub struct SweepStudy {
    /// Where.
    pub path: String,
    /// Unit of the values.
    pub unit: String,
    /// In order.
    pub points: Vec<Point>,
}

/// One run: which machine, which seed, how long, from where.
pub(crate) struct Job<'a> {
    pub(crate) source: &'a Source,
    pub(crate) seed: u64,
    pub(crate) duration: Duration,
    pub(crate) moment: Option<&'a Moment>,
}

/// A run in virtual time that leaves nothing behind.
pub(crate) fn quietly(seed: u64, duration: Duration) -> Options {
    Options {
        link: Link::Virtual,
        virtual_time: true,
        seed,
        duration: Some(duration),
        headless: true,
        record: None,
        capture: None,
        vision_socket: std::path::PathBuf::new(),
        flight: flight::Options::default(),
        state: None,
        home_again: false,
        watch_calls: rt_linux::run::WatchCalls::No,
        park: None,
    }
}

/// Runs the machine and measures it.
///
/// # Errors
/// It cannot be run.
pub(crate) fn measure(job: &Job<'_>, shutdown: &Shutdown) -> Result<Figures, Error> {
    let settles_ns = job.moment.map_or(0, |_| SETTLING_NS);
    let mut gauge = Gauge::new(&job.source.machine, job.seed).settling(settles_ns);
    let options = quietly(job.seed, job.duration);
    let report = match job.moment {
        None => crate::run::watched(job.source, &options, shutdown, &mut gauge)?,
        Some(moment) => {
            crate::run::watched_from(job.source, &options, shutdown, &mut gauge, moment)?
        }
    };
    Ok(gauge.done(&report))
}
