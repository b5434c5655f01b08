//! `tactus tune` on the command line.

use std::time::Duration;

use crate::app::{install_signals, load, print};
use crate::cli::TuneArgs;
use crate::exit::{Error, ExitCode};

use super::Options;

/// A shorter trial is over before the devices are in Op.
const TRIAL_MIN: Duration = Duration::from_millis(200);

pub(crate) fn run(arguments: &TuneArgs) -> Result<ExitCode, Error> {
    if arguments.trial < TRIAL_MIN {
        return Err(Error::file(format!(
            "--trial: expected at least 200ms, found {:?}\n  a p99.9 wants a thousand cycles and more",
            arguments.trial
        )));
    }
    let source = load(&arguments.file)?;
    let options = Options {
        link: arguments.link.clone(),
        seed: arguments.seed,
        margin_percent: u64::from(arguments.margin),
        trial: arguments.trial,
        shortest: arguments.shortest,
        longest: arguments.longest,
        enable_axes: arguments.enable_axes,
        delay: arguments.delay,
    };
    let shutdown = install_signals()?;
    let tuning = super::run(&source, &options, &shutdown, &mut |line| eprintln!("{line}"))?;
    if arguments.json {
        print(&tuning.to_json().map_err(|wrong| {
            Error::environment(format!("the search cannot be written: {wrong}"))
        })?);
    } else {
        print(&super::render(&tuning));
    }
    if let Some(path) = &arguments.output
        && super::write_snippet(&tuning, path)?.is_none()
    {
        eprintln!("tactus: nothing is recommended, {} is not written", path.display());
    }
    Ok(tuning.code())
}
