//! The machine file: what a machine is made of, how it stops, what it does, and the virtual world to run it in without hardware.
//!
//! [`load`] reads TOML and returns a [`Machine`]: the plans that the other crates own, complete and checked. Whatever is wrong
//! is reported at once, as [`Diagnostics`]: each with line and column, what was expected, what was found, and what to do.
//!
//! Three layers: `read` turns spanned TOML into the sections of `file` (types, ranges, unknown keys), `build` turns the
//! sections into plans (names, references, everything that needs more than one key), `machine` and `cell` are the outcome.
#![forbid(unsafe_code)]

mod amount;
pub mod budget;
mod build;
pub mod cell;
mod change;
mod file;
pub mod forward;
pub mod machine;
pub mod problem;
mod quantity;
mod read;
mod schema;
mod units;

pub use amount::Amount;
pub use cell::VirtualCell;
pub use change::{Difference, NoSuchPlace, change, differences, value_at};
pub use forward::Forwarding;
pub use machine::{
    AxisUnit, Compression, CycleSettings, FlightSettings, LinkChoice, Machine, Names, Realtime,
    RecordingSettings, StreamSocket, StreamSource,
};
pub use problem::{Diagnostics, Problem, Severity, Style};
pub use schema::schema;

use problem::Problems;
use read::FromToml;

/// Longest machine file, bytes.
pub const FILE_MAX: usize = 4 << 20;

/// Reads and checks a machine file. `path_for_messages` is shown, not opened.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load(text: &str, path_for_messages: &str) -> Result<Machine, Diagnostics> {
    let mut problems = Problems::default();
    let machine = read_all(text, &mut problems);
    match machine {
        Some(mut machine) if !problems.any_error() => {
            problem::locate(text, &mut problems.list);
            machine.warnings = problems.list;
            Ok(machine)
        }
        _ => Err(Diagnostics::new(path_for_messages, text, problems.list)),
    }
}

fn read_all(text: &str, problems: &mut Problems) -> Option<Machine> {
    if text.len() > FILE_MAX {
        problems.push(
            Problem::error("file-too-long", &(0..1), "the machine file is too long")
                .expected(format!("at most {FILE_MAX} bytes"))
                .found(format!("{} bytes", text.len()))
                .remedy("is this the right file?"),
        );
        return None;
    }
    let (table, faults) = toml::de::DeTable::parse_recoverable(text);
    for fault in &faults {
        let span = fault.span().unwrap_or(0..0);
        problems.push(
            Problem::error("syntax", &span, fault.message().trim())
                .expected("TOML: https://toml.io")
                .found(snippet(text, &span))
                .remedy("texts and quantities stand in quotes; tables end with their brackets"),
        );
    }
    let span = table.span();
    let root = serde_spanned::Spanned::new(span, toml::de::DeValue::Table(table.into_inner()));
    if !faults.is_empty() {
        // What stands around a syntax error is not to be trusted: only what is there is judged, not what is missing.
        problems.lost.insert(String::new());
    }
    let file = file::File::read(&root, problems)?;
    build::machine(&file, *blake3::hash(text.as_bytes()).as_bytes(), problems)
}

fn snippet(text: &str, span: &problem::Span) -> String {
    match text.get(span.clone()).map(str::trim).filter(|found| !found.is_empty()) {
        Some(found) => format!("`{}`", found.chars().take(40).collect::<String>()),
        None => "something else".to_owned(),
    }
}

/// Reads the command line's `--link`: `virtual`, or `raw:INTERFACE`.
///
/// # Errors
/// A sentence that says what is expected.
pub fn parse_link(text: &str) -> Result<LinkChoice, String> {
    match text.split_once(':') {
        None if text == "virtual" => Ok(LinkChoice::Virtual),
        Some(("raw", interface)) if build::interface_name(interface) => {
            Ok(LinkChoice::Raw(interface.to_owned()))
        }
        _ => Err(format!(
            "`{text}` is no link: expected `virtual`, or `raw:` and the name of a network \
             interface, for instance `raw:eth1`"
        )),
    }
}
