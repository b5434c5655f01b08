//! `tactus latency`: our loop against cyclictest, in alternating paired blocks on the same CPU and priority.
//!
//! | file | what |
//! | --- | --- |
//! | `distribution` | latencies in bins of 1 µs |
//! | `verdict` | from pairs of blocks to pass, fail or inconclusive |
//! | `own`, `cyclictest` | a block of either |
//! | `witness` | tells a frozen machine from a late wake-up |
//! | `child` | helper processes: load, cyclictest |
//! | `plot`, `text` | for people |

mod child;
mod command;
mod cyclictest;
pub mod distribution;
mod own;
mod plot;
mod text;
pub mod verdict;
mod witness;

use std::path::PathBuf;
use std::time::Duration;

use rt_linux::admission;
use rt_linux::signal::Shutdown;
use serde::Serialize;

pub(crate) use command::run as command;
pub use text::render;
pub use witness::Testimony;

use crate::exit::{Error, ExitCode};
use crate::pressure::{Disturbance, Reading};
use child::{Cpus, Load};
use distribution::{Distribution, Quantiles};
use own::{Job, Own};
use verdict::{Block, Judgement, Pair, Verdict};
use witness::Witness;

/// Version of the JSON; goes up when a field changes its meaning or goes away.
pub const FORMAT: u32 = 1;
/// A block of fewer wake-ups has no 99 %.
const CYCLES_MIN: u64 = 200;

/// A block is frozen if the witness stood still for this part of it: 1 in 200, half of what lies beyond 99 %.
const FROZEN_PART: u64 = 200;

/// Against what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Against {
    /// cyclictest.
    Cyclictest,
    /// Our own loop: a test of the test, which must not fail.
    Own,
}

/// What is asked.
#[derive(Clone, Debug)]
pub struct Options {
    /// `None`: the last isolated CPU, else the last online.
    pub cpu: Option<usize>,
    /// SCHED_FIFO.
    pub priority: u8,
    /// Of both loops; whole µs.
    pub period: Duration,
    /// Pairs of blocks.
    pub blocks: u32,
    /// Of each block.
    pub block_length: Duration,
    /// Of our loop.
    pub spin: Duration,
    /// A program that loads the machine meanwhile.
    pub load: Option<&'static str>,
    /// Where the plot goes.
    pub plot: Option<PathBuf>,
    /// Added to each wake-up of ours: a test of the test.
    pub inject: Duration,
    /// Against what.
    pub against: Against,
}

/// One side over all blocks.
#[derive(Clone, Debug, Serialize)]
pub struct Side {
    /// `tactus` or `cyclictest`.
    pub name: &'static str,
    /// Over all blocks, ns.
    pub latency_ns: Quantiles,
    /// `[µs, count]` of each bin of 1 µs that is not empty.
    pub histogram: Vec<(u64, u64)>,
    /// Longer than the last bin.
    pub above: u64,
    #[serde(skip)]
    pub(crate) distribution: Distribution,
}

/// The measurement, and what it says.
#[derive(Clone, Debug, Serialize)]
pub struct Measurement {
    /// [`FORMAT`].
    pub format: u32,
    /// `tactus` that measured.
    pub version: &'static str,
    /// The verdict.
    #[serde(flatten)]
    pub judgement: Judgement,
    /// What disturbed the machine enough to show in tails.
    pub unquiet: Vec<String>,
    /// Pressure, steal, throttling.
    pub disturbance: Disturbance,
    /// The witness.
    pub witness: Testimony,
    /// It was ended before all pairs were there.
    pub interrupted: bool,
    /// Where both ran.
    pub cpu: usize,
    /// SCHED_FIFO of both.
    pub priority: u8,
    /// ns.
    pub period_ns: u64,
    /// ns, of our loop.
    pub spin_ns: u64,
    /// Added to each wake-up of ours, ns: 0 but in tests.
    pub injected_ns: u64,
    /// The load, if there was one.
    pub load: Option<&'static str>,
    /// All that real time needs was granted.
    pub realtime: bool,
    /// What was not, and what gives it.
    pub degraded_reasons: Vec<String>,
    /// Ours.
    pub ours: Side,
    /// Theirs.
    pub theirs: Side,
    /// Blocks, pair by pair.
    pub pairs: Vec<Pair>,
}

impl Measurement {
    /// How the process ends.
    #[must_use]
    pub fn code(&self) -> ExitCode {
        match self.judgement.verdict {
            Verdict::Pass => ExitCode::Done,
            Verdict::Fail => ExitCode::Environment,
            Verdict::Inconclusive => ExitCode::Unknown,
        }
    }

    /// For scripts.
    ///
    /// # Errors
    /// None in practice; the serialiser's type has one.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self).map(|text| text + "\n")
    }
}

/// Measures. `tell` hears how far it is.
///
/// # Errors
/// What was asked cannot be measured here: the CPU, the rights, cyclictest, the load, the file of the plot.
pub fn run(
    options: &Options,
    shutdown: &Shutdown,
    tell: &mut dyn FnMut(&str),
) -> Result<Measurement, Error> {
    let job = job(options)?;
    let cpu = options.cpu.or_else(admission::cpu_default).unwrap_or(0);
    let cpus = Cpus::of_this_thread(cpu);
    if options.against == Against::Cyclictest {
        cyclictest::check()?;
    }
    let own = Own::spawn(cpu, options.priority)?;
    let beside = cpus.other_than(cpu);
    let witness = beside.map(|other| Witness::spawn(other, options.priority)).transpose()?;
    let load = options.load.map(|program| Load::begin(program, cpus)).transpose()?;
    let mut bench = Bench {
        options,
        job,
        cpu,
        cpus,
        own,
        testimony: Testimony {
            cpu: beside,
            realtime: witness.as_ref().is_some_and(|it| it.realtime),
            ..Testimony::default()
        },
        witness,
        load,
        pairs: Vec::new(),
        ours: Distribution::default(),
        theirs: Distribution::default(),
    };
    let before = Reading::now(cpu);
    bench.pairs(shutdown, tell)?;
    let disturbance = Reading::now(cpu).since(&before);
    let measurement = bench.judge(disturbance);
    if let Some(path) = &options.plot {
        let shown = path.display();
        std::fs::write(path, plot::svg(&measurement)).map_err(|wrong| {
            Error::environment(format!("the plot cannot be written to {shown}: {wrong}"))
        })?;
    }
    Ok(measurement)
}

fn job(options: &Options) -> Result<Job, Error> {
    let ns = |of: Duration| u64::try_from(of.as_nanos()).unwrap_or(u64::MAX);
    let period_ns = ns(options.period);
    if !(50_000..=100_000_000).contains(&period_ns) || !period_ns.is_multiple_of(1_000) {
        return Err(Error::file(format!(
            "--period: expected 50us to 100ms in whole microseconds, found {} ns\n  \
             cyclictest counts in microseconds",
            period_ns
        )));
    }
    let spin_ns = ns(options.spin);
    if spin_ns >= period_ns {
        return Err(Error::file(format!(
            "--spin: expected less than the period of {period_ns} ns, found {spin_ns} ns\n  \
             the loop would never sleep; 20us to 100us is what helps"
        )));
    }
    let cycles = ns(options.block_length) / period_ns;
    if cycles < CYCLES_MIN {
        return Err(Error::file(format!(
            "--block-length: expected at least {CYCLES_MIN} periods, found {cycles}\n  \
             a shorter block has no 99 %; make it longer, or the period shorter"
        )));
    }
    Ok(Job { period_ns, cycles, spin_ns, inject_ns: ns(options.inject) })
}

/// What the blocks are measured with, and what they gave so far.
struct Bench<'a> {
    options: &'a Options,
    job: Job,
    cpu: usize,
    cpus: Cpus,
    own: Own,
    witness: Option<Witness>,
    testimony: Testimony,
    load: Option<Load>,
    pairs: Vec<Pair>,
    ours: Distribution,
    theirs: Distribution,
}

impl Bench<'_> {
    fn pairs(&mut self, shutdown: &Shutdown, tell: &mut dyn FnMut(&str)) -> Result<(), Error> {
        for number in 0..self.options.blocks {
            if let Some(load) = &mut self.load {
                load.keep()?;
            }
            // Whoever comes second may find the machine changed by the first: take turns.
            let pair = if number % 2 == 0 {
                let Some(ours) = self.ours(shutdown)? else { return Ok(()) };
                let Some(theirs) = self.theirs(shutdown)? else { return Ok(()) };
                (ours, theirs)
            } else {
                let Some(theirs) = self.theirs(shutdown)? else { return Ok(()) };
                let Some(ours) = self.ours(shutdown)? else { return Ok(()) };
                (ours, theirs)
            };
            let ((ours, ours_frozen), (theirs, theirs_frozen)) = pair;
            self.ours.add(&ours);
            self.theirs.add(&theirs);
            let block = |of: &Distribution| Block { p50: of.quantile(500), p99: of.quantile(990) };
            let pair = Pair {
                ours: block(&ours),
                theirs: block(&theirs),
                frozen: ours_frozen || theirs_frozen,
            };
            self.pairs.push(pair);
            tell(&text::progress(number + 1, self.options, &pair));
        }
        Ok(())
    }

    /// A block of ours, and whether the machine stood still in it; `None`: it was asked to end.
    fn ours(&mut self, shutdown: &Shutdown) -> Result<Option<(Distribution, bool)>, Error> {
        if shutdown.requested() {
            return Ok(None);
        }
        self.seen();
        let measured = self.own.block(&self.job)?;
        let seen = self.seen();
        self.testimony.add(&measured.late, &seen);
        let frozen = self.frozen(&seen);
        Ok((!shutdown.requested()).then_some((measured.distribution, frozen)))
    }

    fn theirs(&mut self, shutdown: &Shutdown) -> Result<Option<(Distribution, bool)>, Error> {
        if shutdown.requested() {
            return Ok(None);
        }
        self.seen();
        let found = match self.options.against {
            Against::Cyclictest => {
                let place = (self.cpu, self.options.priority);
                cyclictest::block(&self.job, place, &self.cpus, &|| shutdown.requested())?
            }
            Against::Own => {
                let plain = Job { inject_ns: 0, ..self.job };
                Some(self.own.block(&plain)?.distribution)
            }
        };
        let seen = self.seen();
        self.testimony.add(&[], &seen);
        let frozen = self.frozen(&seen);
        Ok(found.map(|found| (found, frozen)))
    }

    /// The witness stood still for a share of the block that can move its 99 %.
    fn frozen(&self, seen: &[witness::Late]) -> bool {
        let stood_ns = seen.iter().map(|late| late.wake.saturating_sub(late.due)).sum::<u64>();
        let block_ns = self.job.period_ns.saturating_mul(self.job.cycles);
        stood_ns.saturating_mul(FROZEN_PART) >= block_ns
    }

    fn seen(&self) -> Vec<witness::Late> {
        self.witness.as_ref().map(Witness::take).unwrap_or_default()
    }

    fn judge(self, disturbance: Disturbance) -> Measurement {
        let unquiet = disturbance.unquiet(self.options.load.is_some());
        let outcome = &self.own.outcome;
        let side = |name, distribution: Distribution| Side {
            name,
            latency_ns: distribution.quantiles(),
            histogram: (0_u64..)
                .zip(distribution.bins())
                .filter(|(_, count)| **count > 0)
                .map(|(us, count)| (us, *count))
                .collect(),
            above: distribution.above(),
            distribution,
        };
        Measurement {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION"),
            judgement: verdict::judge(&self.pairs, &unquiet),
            unquiet,
            disturbance,
            witness: self.testimony,
            interrupted: u32::try_from(self.pairs.len()) != Ok(self.options.blocks),
            cpu: self.cpu,
            priority: self.options.priority,
            period_ns: self.job.period_ns,
            spin_ns: self.job.spin_ns,
            injected_ns: self.job.inject_ns,
            load: self.options.load,
            realtime: outcome.is_realtime(),
            degraded_reasons: outcome
                .reasons()
                .map(|step| format!("{}: {}; {}", step.name, step.found, step.fix))
                .collect(),
            ours: side("tactus", self.ours),
            theirs: side(
                match self.options.against {
                    Against::Cyclictest => cyclictest::PROGRAM,
                    Against::Own => "tactus again",
                },
                self.theirs,
            ),
            pairs: self.pairs,
        }
    }
}
