//! `tactus twin`.

use std::fmt::Write as _;
use std::path::Path;

use super::{Evaluation, ResidualCusum, csv, evaluate, fmu, labels, rul, samples};
use crate::app::{load, print};
use crate::cli::{TwinArgs, TwinCommand, TwinEvaluateArgs, TwinExportArgs};
use crate::exit::{Error, ExitCode};
use crate::replay::Reading;
use crate::run::Source;

pub(crate) fn run(arguments: &TwinArgs) -> Result<ExitCode, Error> {
    match &arguments.command {
        TwinCommand::Export(arguments) => export(arguments),
        TwinCommand::Evaluate(arguments) => evaluation(arguments),
        TwinCommand::Rul(arguments) => rul::command(arguments),
    }
}

fn export(arguments: &TwinExportArgs) -> Result<ExitCode, Error> {
    let leave = |path: &Path, bytes: &[u8]| {
        std::fs::write(path, bytes).map_err(|source| {
            Error::environment(format!("{} cannot be written: {source}", path.display()))
        })
    };
    if let Some(path) = &arguments.csv {
        let reading = Reading::open(&arguments.file)?;
        leave(path, csv::export(&reading, &arguments.axis)?.as_bytes())?;
    }
    if let Some(path) = &arguments.fmu {
        let source = load(&arguments.file)?;
        let axis = place(&source, &arguments.axis)?;
        leave(path, &fmu::export(&source.machine, axis, arguments.library.as_deref())?)?;
    }
    Ok(ExitCode::Done)
}

fn place(source: &Source, axis: &str) -> Result<usize, Error> {
    let names = &source.machine.names.axes;
    names.iter().position(|name| name == axis).ok_or_else(|| {
        let expected = names.join(", ");
        Error::file(format!(
            "{} has no axis {axis}\n  expected one of {expected}",
            source.file_name
        ))
    })
}

fn evaluation(arguments: &TwinEvaluateArgs) -> Result<ExitCode, Error> {
    let source = load(&arguments.machine)?;
    let axis = place(&source, &arguments.axis)?;
    let read = |path: &Path| {
        std::fs::read_to_string(path).map_err(|wrong| {
            Error::environment(format!("{} cannot be read: {wrong}", path.display()))
        })
    };
    let named = |path: &Path, error: Error| Error {
        message: format!("{}: {}", path.display(), error.message),
        ..error
    };
    let data = samples(&read(&arguments.data)?).map_err(|it| named(&arguments.data, it))?;
    let marks = labels(&read(&arguments.labels)?).map_err(|it| named(&arguments.labels, it))?;
    let plan = source.machine.plan.axes.get(axis);
    let model = plan.map(|plan| plan.model).ok_or_else(|| Error::file("there is no such axis"))?;
    let period_ns = source.machine.plan.period_ns;
    let learn_s = arguments.learn.as_secs_f64();
    let from = data.first().map_or(0.0, |sample| sample.time_s);
    let mut detector = ResidualCusum::new(&model, period_ns, from + learn_s);
    let found = evaluate(&mut detector, &data, &marks);
    if arguments.json {
        let json = serde_json::to_string_pretty(&found);
        print(&json.map_err(|wrong| Error::environment(wrong.to_string()))?);
    } else {
        print(&render(&found));
    }
    Ok(ExitCode::Done)
}

fn render(of: &Evaluation) -> String {
    let share = |value: Option<f64>| value.map_or("-".into(), |value| format!("{value:.3}"));
    let seconds = |value: Option<f64>| value.map_or("-".into(), |value| format!("{value:.2} s"));
    let mut out = format!("{}: {} samples, {} labels\n", of.detector, of.samples, of.labels);
    let lines = [
        ("alarms", of.alarms.to_string()),
        ("precision", share(of.precision)),
        ("recall", share(of.recall)),
        ("F1", share(of.f1)),
        ("delay, mean", seconds(of.delay_mean_s)),
        ("delay, longest", seconds(of.delay_max_s)),
    ];
    for (name, value) in lines {
        let _ = writeln!(out, "  {name:<16} {value}");
    }
    for (from, to) in &of.intervals {
        let _ = writeln!(out, "  alarm from {from:.2} s to {to:.2} s");
    }
    out
}
