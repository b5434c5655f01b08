//! The command line of what measures: `tactus latency`, `tactus tune`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::{Link, link, offset};

pub(super) const LATENCY_EXAMPLES: &str = "Examples:
  sudo tactus latency --cpu 3
      16 pairs of blocks of 4 s on CPU 3: two minutes, then pass, fail or inconclusive
  sudo tactus latency --cpu 3 --load hackbench --blocks 30 --plot latency.svg
      under load, more certain, and with the histograms of both as a picture
  sudo tactus latency --cpu 3 --period 250us --spin 60us --json > latency.json
      the loop as a machine file with that period and spin tail has it

Allowed: at p50 ours may be later than cyclictest by 25 %, 3 µs at least and 10 µs at most; at p99 by
100 %, 20 µs at least. Exit codes here: 0 pass, 3 fail (or it cannot be measured), 6 inconclusive.";

pub(super) const TUNE_EXAMPLES: &str = "Examples:
  sudo tactus tune machine.toml --link raw:eth1
      steps period, spin tail and receive deadline; the machine stays in its safe state meanwhile
  sudo tactus tune machine.toml --margin 50 --trial 60s --output cycle.toml
      half of each period must stay free, a minute each; writes [cycle] for the machine file
  tactus tune config/machines/demo-cell.toml --shortest 250us --json
      the virtual cell, nothing below 250 µs, for scripts

Exit codes here: 0 found, 3 no period is sustained (or it cannot be tried), 6 inconclusive.";

/// What loads the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LoadKind {
    /// CPU, memory and context switches (Debian: stress-ng).
    #[value(name = "stress-ng")]
    StressNg,
    /// Many processes that talk to each other (Debian: rt-tests).
    Hackbench,
}

/// `tactus latency`.
#[derive(Args, Clone, Debug)]
pub struct LatencyArgs {
    /// CPU of both; without it, the last isolated, else the last one online.
    #[arg(long)]
    pub cpu: Option<usize>,
    /// SCHED_FIFO priority of both, 1 to 99.
    #[arg(long, default_value_t = 80, value_parser = clap::value_parser!(u8).range(1..=99))]
    pub priority: u8,
    /// Time between two wake-ups, 50us to 100ms in whole microseconds.
    #[arg(long, default_value = "1ms", value_name = "TIME", value_parser = time)]
    pub period: Duration,
    /// Pairs of blocks, 9 to 1000; more pairs decide what fewer leave open.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(9..=1000))]
    pub blocks: u32,
    /// Length of each block, at least 200 periods.
    #[arg(long, default_value = "4s", value_name = "TIME", value_parser = time)]
    pub block_length: Duration,
    /// Spin tail of our loop, below the period; 0us sleeps to the end.
    #[arg(long, default_value = "0us", value_name = "TIME", value_parser = time_or_none)]
    pub spin: Duration,
    /// Load the machine meanwhile.
    #[arg(long)]
    pub load: Option<LoadKind>,
    /// Write the histograms of both as a picture.
    #[arg(long, value_name = "FILE.svg")]
    pub plot: Option<PathBuf>,
    /// Print the measurement as JSON.
    #[arg(long)]
    pub json: bool,
    /// Test hook: each wake-up of ours is taken so much later; it must be found.
    #[arg(long, hide = true, default_value = "0us", value_name = "TIME", value_parser = time_or_none)]
    pub inject: Duration,
    /// Test hook: our own loop takes the place of cyclictest; it must not fail.
    #[arg(long, hide = true)]
    pub against_itself: bool,
}

/// `tactus tune`.
#[derive(Args, Clone, Debug)]
pub struct TuneArgs {
    /// Machine file (TOML).
    pub file: PathBuf,
    /// Where the devices are; without it, where the machine file says.
    #[arg(long, value_name = "virtual|raw:IFACE", value_parser = link)]
    pub link: Option<Link>,
    /// Seed of the virtual cell.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// So much of the period must stay free at p99.9, percent, 5 to 90.
    #[arg(long, default_value_t = 30, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(5..=90))]
    pub margin: u8,
    /// Length of each trial, from its first cycle, at least 200ms.
    #[arg(long, default_value = "10s", value_name = "TIME", value_parser = time)]
    pub trial: Duration,
    /// Try nothing shorter.
    #[arg(long, default_value = "62500ns", value_name = "TIME", value_parser = time)]
    pub shortest: Duration,
    /// Try nothing longer.
    #[arg(long, default_value = "10ms", value_name = "TIME", value_parser = time)]
    pub longest: Duration,
    /// Let the machine be reset and started in the trials: AXES MOVE. Without it no axis is enabled, whatever is pressed.
    #[arg(long)]
    pub enable_axes: bool,
    /// Write the recommendation as [cycle] to this file.
    #[arg(short, long, value_name = "FILE.toml")]
    pub output: Option<PathBuf>,
    /// Print the search as JSON.
    #[arg(long)]
    pub json: bool,
    /// Test hook: the program of each cycle takes so much longer; it must be found.
    #[arg(long, hide = true, default_value = "0us", value_name = "TIME", value_parser = time_or_none)]
    pub delay: Duration,
}

/// Longest time that is taken here.
const TIME_MAX: Duration = Duration::from_secs(24 * 3600);

/// A time above 0.
fn time(text: &str) -> Result<Duration, String> {
    time_or_none(text).and_then(|time| {
        if time.is_zero() { Err("expected a time above 0".into()) } else { Ok(time) }
    })
}

/// A time, or 0.
fn time_or_none(text: &str) -> Result<Duration, String> {
    let wrong = "expected a time with its unit, such as 500us, 10ms or 5s, at most a day";
    let ns = match text.strip_suffix("ns") {
        Some(number) => number.parse::<u64>().map_err(|_| wrong)?,
        None => match text.strip_suffix("min") {
            Some(number) => {
                number.parse::<u64>().map_err(|_| wrong)?.saturating_mul(60_000_000_000)
            }
            None => offset(text).ok().and_then(|ns| u64::try_from(ns).ok()).ok_or(wrong)?,
        },
    };
    let time = Duration::from_nanos(ns);
    if time > TIME_MAX { Err(wrong.into()) } else { Ok(time) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use clap::{CommandFactory, Parser};

    #[test]
    fn times_have_units_and_bounds() {
        assert_eq!(time("250us"), Ok(Duration::from_micros(250)));
        assert_eq!(time("62500ns"), Ok(Duration::from_nanos(62_500)));
        assert_eq!(time("2min"), Ok(Duration::from_secs(120)));
        assert_eq!(time_or_none("0us"), Ok(Duration::ZERO));
        for wrong in ["", "5", "0us", "-1ms", "1d", "25h", "90000s", "1.5ms", "ns"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn priorities_blocks_and_margins_have_bounds() {
        let latency = |option, value| Cli::try_parse_from(["tactus", "latency", option, value]);
        assert!(latency("--priority", "99").is_ok() && latency("--blocks", "9").is_ok());
        for (option, value) in
            [("--priority", "0"), ("--priority", "100"), ("--blocks", "8"), ("--load", "dd")]
        {
            let error = latency(option, value).unwrap_err().to_string();
            assert!(error.contains(value), "{error}");
        }
        assert!(Cli::try_parse_from(["tactus", "tune", "m.toml", "--margin", "95"]).is_err());
    }

    #[test]
    fn test_hooks_are_not_offered_to_people() {
        for (command, hook) in [("latency", "inject"), ("latency", "itself"), ("tune", "--delay")] {
            let mut cli = Cli::command();
            let help = cli.find_subcommand_mut(command).expect("there is one").render_long_help();
            assert!(!help.to_string().contains(hook), "{hook}");
        }
    }
}
