//! `tactus ledger`.

use super::{Book, Life, Reason, name};
use crate::app::{configured_link, load, print};
use crate::cli::{LedgerArgs, Link};
use crate::exit::{Error, ExitCode};

/// `tactus ledger`.
///
/// # Errors
/// The file is wrong; there is no book, or a run has it open.
pub(crate) fn show(arguments: &LedgerArgs) -> Result<ExitCode, Error> {
    let source = load(&arguments.at.file)?;
    let machine = &source.machine;
    let state = arguments.at.state.clone().unwrap_or_else(|| machine.state_directory.clone());
    let link = arguments.at.link.clone().unwrap_or_else(|| configured_link(machine));
    let path = state.join(name(&machine.name, link == Link::Virtual));
    if !path.exists() {
        return Err(Error::environment(format!(
            "there is no ledger at {}: nothing ran yet, or --state or --link name another",
            path.display()
        )));
    }
    let mut book = Book::open(&path)
        .map_err(|wrong| Error::environment(format!("the ledger {}: {wrong}", path.display())))?;
    if let Some(text) = book.news() {
        eprintln!("tactus: {text}");
    }
    let life = book.life();
    if arguments.json {
        let mut value = serde_json::to_value(life).unwrap_or_default();
        value["balanced"] = life.balanced().into();
        print(&format!("{value:#}"));
    } else {
        print(&text(life));
    }
    match life.balanced() {
        true => Ok(ExitCode::Done),
        false => Err(Error::environment(format!(
            "the ledger {} does not hold: this is a fault of tactus",
            path.display()
        ))),
    }
}

fn text(life: &Life) -> String {
    let mut out = format!(
        "{} runs, {} of them killed: produced {} = stored {} + lost {} + not recorded {}\n",
        life.runs,
        life.killed,
        life.produced,
        life.stored,
        life.dropped + life.lost_by_kill,
        life.not_recorded
    );
    for loss in &life.losses {
        let range =
            loss.range.map_or_else(String::new, |[first, last]| format!(", {first} to {last}"));
        let why = match loss.reason {
            Reason::Dropped => "the ring was full or the disk took nothing",
            Reason::Killed => "killed before they were in the file",
        };
        out.push_str(&format!("  run {}: {} records{range}: {why}\n", loss.run, loss.records));
    }
    out
}
