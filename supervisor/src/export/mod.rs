//! `tactus export`: a recording as JSON lines or CSV, for programs that read no MCAP. What a message means, the recording says itself.

mod decode;
mod write;

use std::collections::{BTreeMap, HashMap};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use mcap::read::{ChunkFlattener, Options};
use mcap::records::Record;

use crate::cli::{ExportArgs, ExportFormat};
use crate::exit::{Error, ExitCode};
use decode::Schema;
use write::{Csv, Jsonl, Row};

/// What only a replay reads, and nobody else unless asked for by name.
const REPLAY: &str = "/replay/";

/// `tactus export`.
///
/// # Errors
/// The recording cannot be read, or what it holds cannot be written.
pub(crate) fn command(arguments: &ExportArgs) -> Result<ExitCode, Error> {
    let bytes = std::fs::read(&arguments.file).map_err(|source| {
        let path = arguments.file.display();
        Error::environment(format!("the recording {path} cannot be read: {source}"))
    })?;
    let place = arguments.out.as_deref();
    let result = match place {
        Some(path) => std::fs::File::create(path)
            .and_then(|file| export(&bytes, arguments, &mut BufWriter::new(file))),
        None => export(&bytes, arguments, &mut BufWriter::new(io::stdout().lock())),
    };
    match result {
        Ok(0) => Err(Error::environment(format!(
            "{}: no message of these topics in this time\n  mcap topics look like /cycle, /events, /axes/<name>, /signals/<name>",
            arguments.file.display()
        ))),
        Ok(_) => Ok(ExitCode::Done),
        // Whoever closed the pipe has enough.
        Err(wrong) if wrong.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::Done),
        Err(wrong) if wrong.kind() == io::ErrorKind::InvalidData => Err(Error::file(format!(
            "{} is no recording that this tactus reads: {wrong}",
            arguments.file.display()
        ))),
        Err(wrong) => {
            let place = place.unwrap_or(Path::new("the standard output")).display().to_string();
            Err(Error::environment(format!("{place} cannot be written: {wrong}")))
        }
    }
}

fn damaged(wrong: &dyn std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, wrong.to_string())
}

/// Topics by channel, with what their messages look like.
struct Topics {
    schemas: HashMap<u16, std::rc::Rc<Schema>>,
    channels: BTreeMap<u16, (String, std::rc::Rc<Schema>)>,
}

/// Writes what was asked for; returns how many messages.
fn export(bytes: &[u8], arguments: &ExportArgs, out: &mut dyn Write) -> io::Result<u64> {
    let ns = |time: std::time::Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    let (from, to) = (arguments.from.map_or(0, ns), arguments.to.map_or(u64::MAX, ns));
    let mut topics = Topics { schemas: HashMap::new(), channels: BTreeMap::new() };
    let mut wall = None;
    let mut csv = Csv::default();
    let (mut first, mut count) = (None, 0);
    // Without a mark at its end a recording is read as far as it goes.
    let records = ChunkFlattener::new_with_options(bytes, Options::IgnoreEndMagic.into());
    for record in records.map_err(|wrong| damaged(&wrong))? {
        let record = match record {
            Ok(record) => record,
            Err(_) if count > 0 => break,
            Err(wrong) => return Err(damaged(&wrong)),
        };
        match record {
            Record::Schema { header, data } => {
                let schema = Schema::of(&header.name, &data).map_err(|wrong| damaged(&wrong))?;
                topics.schemas.insert(header.id, std::rc::Rc::new(schema));
            }
            Record::Channel(channel) => {
                let is_wanted = wanted(&channel.topic, &arguments.topics);
                let schema = topics.schemas.get(&channel.schema_id).filter(|_| is_wanted);
                if let Some(schema) = schema {
                    let schema = std::rc::Rc::clone(schema);
                    topics.channels.insert(channel.id, (channel.topic, schema));
                }
            }
            Record::Metadata(found) if found.name == "tactus" => {
                let text = found.metadata.get("unix_minus_monotonic_ns");
                wall = text.and_then(|text| text.parse::<u64>().ok());
            }
            Record::Message { header, data } => {
                let first = *first.get_or_insert(header.log_time);
                let at = header.log_time.saturating_sub(first);
                let Some((topic, schema)) = topics.channels.get(&header.channel_id) else {
                    continue;
                };
                if !(from..=to).contains(&at) {
                    continue;
                }
                let fields = schema.decode(&data).map_err(|wrong| damaged(&wrong))?;
                let time_ns = header.log_time;
                let unix_ns = wall.map(|wall| wall.saturating_add(time_ns));
                let row = Row { topic, time_ns, unix_ns, fields };
                match arguments.format {
                    ExportFormat::Jsonl => Jsonl::write(&row, out)?,
                    ExportFormat::Csv => csv.write(&row, topics.channels.values(), out)?,
                }
                count += 1;
            }
            _ => {}
        }
    }
    out.flush()?;
    Ok(count)
}

/// `*` stands for anything.
fn wanted(topic: &str, patterns: &[String]) -> bool {
    if patterns.is_empty() {
        return !topic.starts_with(REPLAY);
    }
    patterns.iter().any(|pattern| matches(topic, pattern))
}

fn matches(text: &str, pattern: &str) -> bool {
    match pattern.split_once('*') {
        None => text == pattern,
        Some((head, rest)) => text.strip_prefix(head).is_some_and(|tail| {
            tail.char_indices()
                .map(|(at, _)| at)
                .chain([tail.len()])
                .any(|at| matches(&tail[at..], rest))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything_and_without_patterns_a_replay_keeps_its_own() {
        for (topic, pattern, is) in [
            ("/axes/x", "/axes/*", true),
            ("/axes/x", "/axes", false),
            ("/axes/x", "*", true),
            ("/axes/x", "*x", true),
            ("/axes/x", "/*/y", false),
            ("/signals/drive_x.status", "/signals/*.status", true),
        ] {
            assert_eq!(wanted(topic, &[pattern.to_owned()]), is, "{topic} {pattern}");
        }
        assert!(wanted("/cycle", &[]) && !wanted("/replay/inputs", &[]));
        assert!(wanted("/replay/inputs", &["/replay/*".to_owned()]));
    }
}
