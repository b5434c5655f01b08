//! One page for an auditor: what the machine is, what it does, what it did, and whether the log of that is whole.

use std::collections::BTreeMap;

use config::Machine;
use serde_json::Value;

use super::verify::Verdict;
use crate::matrix::{Html, Matrix, budget, html_table};
use crate::report::duration;
use crate::run::hex;

/// Rows of a table on the page; what is more is counted.
const ROWS_MAX: usize = 500;

/// What of a log the page shows.
#[derive(Debug, Default)]
pub struct Story {
    starts: Vec<Value>,
    ends: Vec<Value>,
    trips: Vec<Trip>,
    buttons: Vec<Value>,
    faults: Vec<Value>,
    losses: Vec<Value>,
    changes: Vec<Value>,
    people: Vec<Value>,
    total: BTreeMap<String, u64>,
}

/// A trip, and the rest that it came to.
#[derive(Debug)]
struct Trip {
    said: Value,
    stopped: Option<Value>,
}

impl Story {
    /// Takes one record.
    pub fn take(&mut self, record: Value) {
        let kind = record["type"].as_str().unwrap_or("unknown").to_owned();
        *self.total.entry(kind.clone()).or_default() += 1;
        match kind.as_str() {
            "start_up" => self.starts.push(record),
            "shutdown" => self.ends.push(record),
            "trip" => self.trips.push(Trip { said: record, stopped: None }),
            "stopped" => self.stopped(record),
            "reset" | "reset_refused" | "start" | "mode" => self.buttons.push(record),
            "gate_violation" | "drive_fault" | "program_fault" => self.faults.push(record),
            "gap" | "records_lost" | "held_back" | "recording_failed" => self.losses.push(record),
            "configuration_changed" | "parameter" => self.changes.push(record),
            "login" | "login_refused" | "command" => self.people.push(record),
            _ => {}
        }
    }

    /// The rest belongs to the last trip of the same group in the same cycle.
    fn stopped(&mut self, record: Value) {
        let same = |trip: &&mut Trip| {
            trip.stopped.is_none()
                && trip.said["group"] == record["group"]
                && trip.said["cycle"] == record["tripped_at_cycle"]
        };
        if let Some(trip) = self.trips.iter_mut().rev().find(same) {
            trip.stopped = Some(record);
        }
    }

    /// Stops by cause: trips, of those that came to rest, and the largest distances.
    fn by_cause(&self) -> BTreeMap<(String, String), (u64, u64, f64, f64)> {
        let mut causes = BTreeMap::new();
        for trip in &self.trips {
            let key = (text(&trip.said, "interlock"), text(&trip.said, "group"));
            let (count, rested, measured, predicted): &mut (u64, u64, f64, f64) =
                causes.entry(key).or_default();
            *count += 1;
            if let Some(stopped) = &trip.stopped {
                *rested += 1;
                *measured = measured.max(stopped["distance"].as_f64().unwrap_or(0.0));
                *predicted = predicted.max(stopped["predicted"].as_f64().unwrap_or(0.0));
            }
        }
        causes
    }
}

/// The page. `machine`: the file of the last start, if it is at hand.
#[must_use]
pub fn page(
    directory: &str,
    verdict: &Verdict,
    story: &Story,
    machine: Option<&Machine>,
) -> String {
    let mut html = Html::default();
    let last = story.starts.last();
    let name = last.map(|start| text(start, "machine")).unwrap_or_default();
    verification(&mut html, directory, verdict);
    configuration(&mut html, story, machine);
    if let Some(machine) = machine {
        let matrix = Matrix::of(machine);
        html.markup("<h2>Cause and effect, as the code evaluates it</h2>\n");
        html_table(&matrix, &mut html);
        response(&mut html, machine, &matrix);
    }
    causes(&mut html, story);
    trips(&mut html, story);
    list(&mut html, "Resets, starts and modes", &story.buttons);
    list(&mut html, "Gate violations, drive and program faults", &story.faults);
    list(&mut html, "Starts of the program", &story.starts);
    list(&mut html, "Ends of the program", &story.ends);
    list(&mut html, "Changes of the machine file and of its parameters", &story.changes);
    list(&mut html, "Logins, and commands from outside", &story.people);
    list(&mut html, "What is missing, and the log says so", &story.losses);
    records(&mut html, story);
    html.page(&format!("Audit report: {name}"))
}

fn text(record: &Value, member: &str) -> String {
    match &record[member] {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// When, for people.
fn when(record: &Value) -> String {
    match record["wall"].as_u64() {
        Some(wall) => {
            let date = crate::references::utc(wall / 1_000_000_000);
            let date = date.trim_end_matches('Z');
            format!("{date}.{:03}Z", wall / 1_000_000 % 1_000)
        }
        None => format!("{} of virtual time", duration(record["mono"].as_u64().unwrap_or(0))),
    }
}

fn verification(html: &mut Html, directory: &str, verdict: &Verdict) {
    html.markup("<h2>Is this log whole?</h2>\n<p class=\"");
    if verdict.whole {
        html.element("good\">", "Yes: every record is there, unchanged and in order.", "</p>\n");
    } else {
        let count = verdict.findings_total;
        html.element(
            "bad\">",
            &format!("NO: {count} findings, below. What follows may not be what happened."),
            "</p>\n",
        );
    }
    html.markup("<table>\n");
    let signed =
        verdict.signed_up_to.map_or("nothing".to_owned(), |signed| format!("record {signed}"));
    let rows = [
        ("Log", directory.to_owned()),
        ("Files, records in order", format!("{}, {}", verdict.files, verdict.records)),
        ("Last record", verdict.last_sequence.map_or("none".to_owned(), |last| last.to_string())),
        ("Its hash", verdict.last_hash.clone().unwrap_or_default()),
        ("Checkpoints whose signatures hold", verdict.checkpoints.to_string()),
        ("Signed up to", signed),
        ("Records that the log says are missing", verdict.lost.to_string()),
        (
            "Checkpoint kept elsewhere",
            verdict.checkpoint.map_or(
                "none was given: what was cut off at the end cannot be seen".to_owned(),
                |sequence| format!("is record {sequence}"),
            ),
        ),
    ];
    for (name, value) in rows {
        html.row(&[name.to_owned(), value]);
    }
    for key in &verdict.keys {
        let kind = if key.kind == "device" { "device" } else { "published key, proves nothing" };
        html.row(&[
            format!("Key from record {}", key.since),
            format!("{} ({kind})", key.fingerprint),
        ]);
    }
    for torn in &verdict.torn {
        let what = format!("{} bytes at byte {} of {}", torn.bytes, torn.offset, torn.file);
        html.row(&["Torn, no tampering".to_owned(), what]);
    }
    html.markup("</table>\n");
    if verdict.findings.is_empty() {
        return;
    }
    html.markup("<table>\n").head(&["What", "Where", "Record", "Expected", "Found", "So"]);
    for finding in &verdict.findings {
        let place = format!("{}, line {}, byte {}", finding.file, finding.line, finding.offset);
        let record = finding.sequence.map(|sequence| sequence.to_string()).unwrap_or_default();
        let (kind, found) = (finding.kind.to_owned(), finding.found.clone());
        html.row(&[
            kind,
            place,
            record,
            finding.expected.clone(),
            found,
            finding.conclusion.clone(),
        ]);
    }
    html.markup("</table>\n");
}

fn configuration(html: &mut Html, story: &Story, machine: Option<&Machine>) {
    html.markup("<h2>Configuration</h2>\n<table>\n");
    if let Some(start) = story.starts.last() {
        for (name, member) in [
            ("Machine", "machine"),
            ("Machine file", "machine_file"),
            ("Its BLAKE3 hash", "config"),
            ("Program", "program"),
            ("Link", "link"),
            ("Time", "time"),
        ] {
            html.row(&[name.to_owned(), text(start, member)]);
        }
        let period = start["period_ns"].as_u64().unwrap_or(0);
        html.row(&["Period".to_owned(), duration(period)]);
        html.row(&["Last start".to_owned(), when(start)]);
    }
    html.markup("</table>\n");
    if machine.is_none() {
        html.markup("<p>Without the machine file (--machine FILE) there is no matrix and no budget on this page.</p>\n");
    }
}

fn response(html: &mut Html, machine: &Machine, matrix: &Matrix) {
    html.markup("<h2>Response-time budget</h2>\n<p>Upper bounds from the machine file. Filters of terminals, cameras and drives come on top.</p>\n<table>\n");
    html.head(&[
        "Cause",
        "Until it demands",
        "That is",
        "Loop (two periods)",
        "Frame with the reaction leaves after",
    ]);
    for row in budget::rows(machine, matrix) {
        html.row(&[
            row.row,
            duration(row.detection_ns),
            row.detection.to_owned(),
            duration(row.loop_ns),
            duration(row.total_ns),
        ]);
    }
    html.markup("</table>\n<p>Stage by stage, with the distance that somebody who walks goes meanwhile:</p>\n");
    crate::budget::Table::of(machine, None).html(html);
    html.markup("<h2>Three ways to stop, from the highest velocity</h2>\n<table>\n");
    html.head(&[
        "Group",
        "Axis",
        "Velocity",
        "Gate's ramp",
        "Drive's quick stop",
        "Loss of communication",
        "Brake",
    ]);
    for stop in budget::stops(machine) {
        let unit = &stop.unit;
        let way = |(way, time): (f64, f64)| format!("{way:.1} {unit} in {time:.3} s");
        html.row(&[
            stop.group,
            stop.axis,
            format!("{} {unit}/s", stop.velocity),
            way(stop.ramp),
            way(stop.quick_stop),
            way(stop.lost),
            stop.brake.map_or("none".to_owned(), |time| format!("{time:.3} s")),
        ]);
    }
    html.markup("</table>\n");
}

fn causes(html: &mut Html, story: &Story) {
    html.markup("<h2>Stops by cause</h2>\n<table>\n");
    html.head(&["Cause", "Group", "Trips", "Came to rest", "Longest way", "Longest predicted"]);
    for ((cause, group), (count, rested, measured, predicted)) in story.by_cause() {
        let numbers = [
            count.to_string(),
            rested.to_string(),
            format!("{measured:.2}"),
            format!("{predicted:.2}"),
        ];
        let [count, rested, measured, predicted] = numbers;
        html.row(&[cause, group, count, rested, measured, predicted]);
    }
    html.markup("</table>\n");
}

fn trips(html: &mut Html, story: &Story) {
    html.markup("<h2>Trips</h2>\n<table>\n");
    html.head(&[
        "Record",
        "When",
        "Cycle",
        "Cause",
        "Group",
        "Reaction",
        "Predicted",
        "Went",
        "Within",
    ]);
    for trip in story.trips.iter().rev().take(ROWS_MAX).rev() {
        let said = &trip.said;
        let number =
            |value: Option<f64>| value.map_or("–".to_owned(), |value| format!("{value:.2}"));
        let went = trip.stopped.as_ref().and_then(|stopped| stopped["distance"].as_f64());
        let predicted = said["predicted"].as_f64();
        let within = match (went, predicted) {
            (Some(went), Some(predicted)) if went <= predicted => "yes",
            (Some(_), Some(_)) => "NO",
            _ => "–",
        };
        let [record, cycle, cause] = ["seq", "cycle", "interlock"].map(|member| text(said, member));
        let [group, reaction] = ["group", "reaction"].map(|member| text(said, member));
        let within = within.to_owned();
        html.row(&[
            record,
            when(said),
            cycle,
            cause,
            group,
            reaction,
            number(predicted),
            number(went),
            within,
        ]);
    }
    html.markup("</table>\n");
    more(html, story.trips.len());
}

/// Other records, newest last.
fn list(html: &mut Html, title: &'static str, records: &[Value]) {
    html.element("<h2>", title, "</h2>\n");
    if records.is_empty() {
        html.markup("<p>None.</p>\n");
        return;
    }
    html.markup("<table>\n").head(&["Record", "When", "What", "Evidence"]);
    for record in records.iter().rev().take(ROWS_MAX).rev() {
        html.row(&[text(record, "seq"), when(record), text(record, "type"), evidence(record)]);
    }
    html.markup("</table>\n");
    more(html, records.len());
}

fn more(html: &mut Html, count: usize) {
    if count > ROWS_MAX {
        let hidden = count - ROWS_MAX;
        html.element("<p>", &format!("{hidden} earlier ones are in the log."), "</p>\n");
    }
}

/// Everything that a record says besides its place.
fn evidence(record: &Value) -> String {
    const PLACE: [&str; 6] = ["seq", "prev", "mono", "wall", "type", "hash"];
    let members = record.as_object().into_iter().flatten();
    let said = members.filter(|(name, value)| {
        !PLACE.contains(&name.as_str()) && !value.is_null() && value.as_str() != Some("")
    });
    let said: Vec<String> =
        said.map(|(name, _)| format!("{name}: {}", text(record, name))).collect();
    said.join("; ")
}

fn records(html: &mut Html, story: &Story) {
    html.markup("<h2>Records by type</h2>\n<table>\n").head(&["Type", "Records"]);
    for (kind, count) in &story.total {
        html.row(&[kind.clone(), count.to_string()]);
    }
    html.markup("</table>\n");
    let printed = format!("Printed by tactus {}.", env!("CARGO_PKG_VERSION"));
    html.element("<p>", &printed, "</p>\n");
}

/// The machine file belongs to the last start of the log.
///
/// # Errors
/// A sentence: it is another one.
pub fn belongs(story: &Story, machine: &Machine) -> Result<(), String> {
    let found = hex(&machine.hash);
    match story.starts.last().and_then(|start| start["config"].as_str()) {
        Some(config) if config == found => Ok(()),
        Some(config) => Err(format!(
            "the machine file is not the one of the last start: expected BLAKE3 {config}, found {found}"
        )),
        None => Ok(()),
    }
}
