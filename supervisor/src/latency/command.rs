//! `tactus latency` on the command line.

use crate::app::{install_signals, print};
use crate::cli::{LatencyArgs, LoadKind};
use crate::exit::{Error, ExitCode};

use super::{Against, Options};

pub(crate) fn run(arguments: &LatencyArgs) -> Result<ExitCode, Error> {
    let options = Options {
        cpu: arguments.cpu,
        priority: arguments.priority,
        period: arguments.period,
        blocks: arguments.blocks,
        block_length: arguments.block_length,
        spin: arguments.spin,
        load: arguments.load.map(|load| match load {
            LoadKind::StressNg => "stress-ng",
            LoadKind::Hackbench => "hackbench",
        }),
        plot: arguments.plot.clone(),
        inject: arguments.inject,
        against: if arguments.against_itself { Against::Own } else { Against::Cyclictest },
    };
    let shutdown = install_signals()?;
    let measurement = super::run(&options, &shutdown, &mut |line| eprintln!("{line}"))?;
    if arguments.json {
        print(&measurement.to_json().map_err(|wrong| {
            Error::environment(format!("the measurement cannot be written: {wrong}"))
        })?);
    } else {
        print(&super::render(&measurement));
    }
    Ok(measurement.code())
}
