//! `tactus trace`.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use super::file::{self, Dump};
use super::summary::Summary;
use super::trace::{Exported, Span, export};
use crate::cli::TraceArgs;
use crate::exit::{Error, ExitCode};

/// Reads dumps, says what is in them, and exports a trace if one is asked for.
pub(crate) fn run(arguments: &TraceArgs, stdout: &mut impl Write) -> Result<ExitCode, Error> {
    let mut dumps = Vec::new();
    let mut summaries = Vec::new();
    for path in &arguments.files {
        let dump = read(path)?;
        summaries.push(Summary::of(&path.display().to_string(), &dump));
        dumps.push(dump);
    }
    let span = span(arguments, &dumps);
    let to_stdout = arguments.output.as_deref() == Some(Path::new("-"));
    let exported = match arguments.output.as_deref() {
        None => None,
        Some(_) if to_stdout => Some(export(&mut dumps, span, stdout).map_err(not_written("-"))?),
        Some(path) => Some(to_file(&mut dumps, span, path)?),
    };
    if arguments.json {
        let json = serde_json::json!({ "dumps": summaries, "exported": exported.map(counts) });
        let text = serde_json::to_string_pretty(&json).unwrap_or_default();
        say(stdout, &format!("{text}\n"));
    } else if !to_stdout {
        summaries.iter().for_each(|summary| say(stdout, &summary.text()));
        match (&exported, &arguments.output) {
            (Some(exported), Some(path)) => say(stdout, &written(exported, path)),
            (_, _) => say(stdout, "-o OUT.json writes a trace that opens in ui.perfetto.dev\n"),
        }
    }
    if let Some(exported) = exported
        && exported.cycles == 0
    {
        return Err(Error::file(
            "there is no cycle in the time asked for: --from and --to count from the trigger \
             of the first dump, such as --from=-2s --to=500ms",
        ));
    }
    damaged(&summaries)
}

/// What is damaged is said, after everything that could be done was done.
fn damaged(summaries: &[Summary]) -> Result<ExitCode, Error> {
    let damaged = summaries.iter().filter(|summary| !summary.damage.is_empty());
    let lines: Vec<String> = damaged
        .map(|summary| format!("{} is damaged: {}", summary.file, summary.damage.join("; ")))
        .collect();
    if lines.is_empty() {
        return Ok(ExitCode::Done);
    }
    Err(Error::file(format!("{}\n  what could be read was used", lines.join("\n"))))
}

fn counts(exported: Exported) -> serde_json::Value {
    serde_json::json!({ "cycles": exported.cycles, "events": exported.events })
}

fn written(exported: &Exported, path: &Path) -> String {
    format!(
        "{}: {} cycles, {} trace events; open it in ui.perfetto.dev (it stays on your computer)\n",
        path.display(),
        exported.cycles,
        exported.events
    )
}

fn say(out: &mut impl Write, text: &str) {
    // Whoever closed it does not want it.
    let _ = out.write_all(text.as_bytes());
}

fn read(path: &Path) -> Result<Dump, Error> {
    let shown = path.display();
    let bytes = std::fs::read(path).map_err(|source| {
        Error::file(format!(
            "the dump {shown} cannot be read: {source}\n  \
             expected a flight-recorder dump (.tfr); tactus run writes them beside its recording"
        ))
    })?;
    file::read(&bytes).map_err(|wrong| Error::file(format!("{shown}: {wrong}")))
}

/// `--from` and `--to` count from the trigger of the first file.
fn span(arguments: &TraceArgs, dumps: &[Dump]) -> Span {
    let trigger = dumps.first().map_or(0, |dump| dump.head.at);
    let at = |offset: i64| trigger.saturating_add_signed(offset);
    Span { from: arguments.from.map_or(0, at), to: arguments.to.map_or(u64::MAX, at) }
}

fn not_written(path: &str) -> impl Fn(std::io::Error) -> Error + use<'_> {
    move |source| Error::environment(format!("the trace cannot be written to {path}: {source}"))
}

fn to_file(dumps: &mut [Dump], span: Span, path: &Path) -> Result<Exported, Error> {
    let shown = path.display().to_string();
    let wrong = not_written(&shown);
    let file = File::create(path).map_err(&wrong)?;
    let mut out = BufWriter::with_capacity(1 << 18, file);
    let exported = export(dumps, span, &mut out).map_err(&wrong)?;
    out.flush().map_err(&wrong)?;
    Ok(exported)
}
