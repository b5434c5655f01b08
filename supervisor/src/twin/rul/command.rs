//! `tactus twin rul`.

use std::path::{Path, PathBuf};

use super::advice::Assessment;
use super::drift::Prior;
use super::page::page;
use super::store::Store;
use crate::app::print;
use crate::cli::TwinRulArgs;
use crate::exit::{Error, ExitCode};

/// Name of the store beside the recordings.
const STORE: &str = "tactus-rul.json";

pub(crate) fn run(arguments: &TwinRulArgs) -> Result<ExitCode, Error> {
    let prior = prior(arguments)?;
    let recordings = recordings(&arguments.from)?;
    let place = place(arguments);
    let mut store = Store::open(&place)?;
    let mut changed = false;
    for path in &recordings {
        changed |= store.take(path)?;
    }
    if store.recordings.is_empty() {
        return Err(Error::file(format!(
            "no recordings: {} has none, and {} knows of none\n  expected folders or .mcap files that `tactus run` has written",
            shown(&arguments.from),
            place.display()
        )));
    }
    for axis in arguments.axis.iter().chain(&arguments.repaired) {
        let axes = store.axes();
        if !axes.contains(axis.as_str()) {
            let all = axes.into_iter().collect::<Vec<_>>().join(", ");
            let text = format!("the recordings have no axis {axis}\n  expected one of {all}");
            return Err(Error::file(text));
        }
    }
    if let Some(axis) = &arguments.repaired {
        store.repaired(axis);
        changed = true;
    }
    if changed {
        store.save(&place)?;
    }
    let (only, horizon) = (arguments.axis.as_deref(), arguments.horizon_hours);
    let assessment = Assessment::of(&store, only, prior, horizon);
    if let Some(path) = &arguments.html {
        std::fs::write(path, page(&assessment)).map_err(|wrong| {
            Error::environment(format!("{} cannot be written: {wrong}", path.display()))
        })?;
    }
    if arguments.json {
        let json = serde_json::to_string_pretty(&assessment);
        print(&json.map_err(|wrong| Error::environment(wrong.to_string()))?);
    } else {
        print(&assessment.render());
    }
    Ok(ExitCode::Done)
}

fn shown(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

fn prior(arguments: &TwinRulArgs) -> Result<Prior, Error> {
    let limit = arguments.limit / 100.0;
    let (shape, life_hours) = (arguments.shape, arguments.life_hours);
    let wrong = |what: &str, expected: &str, found: f64| {
        Err(Error::file(format!("--{what} is {found}\n  expected {expected}")))
    };
    if !(1.05..=20.0).contains(&limit) {
        return wrong("limit", "105 to 2000 (percent of the baseline)", arguments.limit);
    }
    if !(0.5..=10.0).contains(&shape) {
        return wrong("shape", "0.5 to 10", shape);
    }
    if !(1e-3..=1e7).contains(&life_hours) {
        return wrong("life-hours", "0.001 to 10000000", life_hours);
    }
    Ok(Prior { shape, life_hours, limit })
}

/// Beside the first recording.
fn place(arguments: &TwinRulArgs) -> PathBuf {
    if let Some(store) = &arguments.store {
        return store.clone();
    }
    let first = arguments.from.first().map_or(Path::new("."), PathBuf::as_path);
    let folder = if first.is_dir() { Some(first) } else { first.parent() };
    folder.unwrap_or(Path::new(".")).join(STORE)
}

/// The recordings in folders and files, by name.
fn recordings(from: &[PathBuf]) -> Result<Vec<PathBuf>, Error> {
    let mut found = Vec::new();
    for path in from {
        if !path.is_dir() {
            found.push(path.clone());
            continue;
        }
        let entries = std::fs::read_dir(path).map_err(|wrong| {
            Error::environment(format!("{} cannot be read: {wrong}", path.display()))
        })?;
        let mut here: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|extension| extension == "mcap"))
            .collect();
        here.sort();
        found.extend(here);
    }
    Ok(found)
}
