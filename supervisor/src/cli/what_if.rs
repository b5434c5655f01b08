//! `tactus what-if`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::what_if::{At, Set, Sweep};

pub(super) const WHAT_IF_EXAMPLES: &str = "Examples:
  tactus what-if demo-cell.toml --set axis.x.payload=60kg --set cycle.speed=120%
      the cell with another load and a faster program: throughput, energy, torque, margins, stops
  tactus what-if demo-cell.toml --sweep axis.x.limits.acceleration=2..10:1 --html trade-off.html
      what acceleration buys, and which values the machine can bear
  tactus what-if --from recordings/demo-cell-seed-1.mcap
      nothing changed: a run recorded in virtual time comes out again bit by bit; of one recorded in
      real time it says how far each signal is apart
  tactus what-if --from shift.mcap@12:31:07 --set axis.z.limits.velocity=300mm/s --for 60s
      from that moment on, with another value

Paths are those of the machine file, entries of lists by name. Friendly ones: axis.NAME.payload is the
load mass, cycle.speed the speed of every step of the program.";

/// `tactus what-if`.
#[derive(Args, Clone, Debug)]
pub struct WhatIfArgs {
    /// Machine file (TOML).
    #[arg(required_unless_present = "from", conflicts_with = "from")]
    pub file: Option<PathBuf>,
    /// Change a value: a path of the machine file, = and the value as the file would write it.
    #[arg(long, value_name = "PATH=VALUE", value_parser = Set::parse)]
    pub set: Vec<Set>,
    /// Run it with one value after the other.
    #[arg(long, value_name = "PATH=FROM..TO[:STEP]", value_parser = Sweep::parse)]
    pub sweep: Option<Sweep>,
    /// Begin with the machine of a recording, or from a moment in it: @12:31:07 (UTC), @90s from its first cycle, @cycle:90000.
    #[arg(long, value_name = "FILE.mcap[@MOMENT]", value_parser = At::parse_from)]
    pub from: Option<(PathBuf, Option<At>)>,
    /// Time of the machine that each run takes; without it 5min, or as long as the recording.
    #[arg(long = "for", value_name = "TIME", value_parser = super::duration)]
    pub for_: Option<Duration>,
    /// Seeds of the virtual cell: 1..5 or 1,2,7; without it 1..3, or the recording's.
    #[arg(long, value_name = "SEEDS", value_parser = Seeds::parse)]
    pub seeds: Option<Seeds>,
    /// Print everything as JSON.
    #[arg(long)]
    pub json: bool,
    /// Write tables and plots into one HTML file.
    #[arg(long, value_name = "OUT.html")]
    pub html: Option<PathBuf>,
}

/// Seeds, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seeds(pub Vec<u64>);

/// Most of them.
const SEEDS_MAX: u64 = 1000;

impl Seeds {
    fn parse(text: &str) -> Result<Self, String> {
        let wrong = format!("expected 1..5 or 1,2,7, at most {SEEDS_MAX} of them");
        let number = |text: &str| text.trim().parse::<u64>().map_err(|_| wrong.clone());
        if let Some((from, to)) = text.split_once("..") {
            let (from, to) = (number(from)?, number(to)?);
            let fits = from <= to && to - from < SEEDS_MAX;
            return if fits { Ok(Self((from..=to).collect())) } else { Err(wrong) };
        }
        text.split(',').map(number).collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_a_range_or_a_list() {
        assert_eq!(Seeds::parse("2..4"), Ok(Seeds(vec![2, 3, 4])));
        assert_eq!(Seeds::parse("7"), Ok(Seeds(vec![7])));
        assert_eq!(Seeds::parse("7, 1"), Ok(Seeds(vec![7, 1])));
        for wrong in ["", "a", "4..2", "1..9999", "1,,2"] {
            assert!(Seeds::parse(wrong).is_err(), "{wrong}");
        }
    }
}
