//! References that outlive a run, from outside: homed once, known in the next run, for the same drive and scaling alone.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

mod folder;

use folder::Folder;
use serde_json::Value;

/// The one-axis machine with an absolute encoder of 64 turns (2²⁶ counts, 2304 deg), which goes through the drive's 32 bits within
/// the travel. Its zero is 15 deg away from that of the virtual world.
#[derive(Clone)]
struct Bench {
    serial: u32,
    /// Where the axis stands at power-up, in the world.
    start: i64,
    /// What the encoder shows more than in the first run, counts.
    shown: i64,
    motor_turns: u32,
}

const FIRST: Bench = Bench { serial: 77, start: 25, shown: 0, motor_turns: 10 };
/// The reference as `here` finds it: at 25 deg of the world it is called 10 deg.
const ZERO: i64 = 15;
const RANGE: i64 = 1 << 26;

impl Bench {
    fn write(&self, folder: &Path) -> PathBuf {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/machines/one-axis.toml");
        let text = std::fs::read_to_string(source).unwrap();
        let Bench { serial, start, shown, motor_turns } = self;
        let offset = (1_i64 << 31) - 500_000 + shown;
        let changes = [
            (
                "product = 0x53525631 }".to_owned(),
                format!("product = 0x53525631, serial = {serial} }}"),
            ),
            (
                "motor_turns = 10 }".to_owned(),
                format!("motor_turns = {motor_turns}, absolute_turns = 64 }}"),
            ),
            (
                "homing = { method = \"here\" }".to_owned(),
                format!(
                    "homing = {{ method = \"here\", keep = true, position = \"10 deg\" }}\n\
                     virtual = {{ start = \"{start} deg\", encoder_offset = {offset} }}"
                ),
            ),
        ];
        let text = changes.iter().fold(text, |text, (from, to)| {
            assert_eq!(text.matches(from.as_str()).count(), 1, "{from}");
            text.replace(from, to)
        });
        let path = folder.join("machine.toml");
        std::fs::write(&path, text).unwrap();
        path
    }
}

fn tactus(folder: &Path, machine: &Path, arguments: &[&str]) -> (Output, Value) {
    let report = folder.join("report.json");
    let _ = std::fs::remove_file(&report);
    let output = Command::new(env!("CARGO_BIN_EXE_tactus"))
        .current_dir(folder)
        .env("XDG_RUNTIME_DIR", folder)
        .stdin(Stdio::null())
        .arg("run")
        .arg(machine)
        .args(["--headless", "--report", "report.json"])
        .args(arguments)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let report = std::fs::read(&report).unwrap_or_else(|wrong| panic!("{wrong}: {said}"));
    (output, serde_json::from_slice(&report).unwrap())
}

/// A run in virtual time that keeps its state; as long as it takes to be homed, or only a glance.
fn run(folder: &Path, bench: &Bench, duration: &str) -> (Output, Value) {
    let machine = bench.write(folder);
    let arguments = ["--virtual-time", "--for", duration, "--no-record", "--state", "state"];
    tactus(folder, &machine, &arguments)
}

/// Homed in a first run.
fn homed(name: &str) -> Folder {
    let folder = Folder::new(&format!("kept-{name}"));
    let (output, report) = run(&folder, &FIRST, "6s");
    assert_eq!(output.status.code(), Some(0), "{report:#}");
    let axis = &report["axes"][0];
    assert_eq!(
        (&axis["referenced"], &axis["reference"]),
        (&true.into(), &"homed".into()),
        "{axis}"
    );
    assert!(axis["travel"].as_f64() > Some(100.0), "it works: {axis}");
    folder
}

fn state(folder: &Path) -> PathBuf {
    folder.join("state/one-axis.virtual.references.json")
}

/// Looks at the machine before anything moves: its axis, and what was said.
fn glance(folder: &Path, bench: &Bench) -> (Value, String) {
    let (output, report) = run(folder, bench, "500ms");
    (report["axes"][0].clone(), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn is_at(axis: &Value, place: i64) {
    let position = axis["position"].as_f64().unwrap();
    #[expect(clippy::cast_precision_loss, reason = "whole degrees")]
    let error = position - (place - ZERO) as f64;
    assert!(error.abs() < 0.05, "{place} deg of the world: {axis}");
}

#[test]
fn homed_once_the_next_run_starts_referenced_where_the_axis_is() {
    let folder = homed("known");
    // Where it was left, where somebody pushed it, through the drive's 32 bits, through the encoder's range.
    for start in [25, -40, 0, 17, 18, 160, -150] {
        for shown in [0, RANGE, -RANGE, 5 * RANGE] {
            let (axis, said) = glance(&folder, &Bench { start, shown, ..FIRST });
            assert_eq!(axis["referenced"], true, "{axis} {said}");
            assert_eq!(axis["reference"], "kept");
            assert_eq!(axis["reference_note"], Value::Null);
            is_at(&axis, start);
        }
    }
    // And it works on, without being homed: a `home` step is done at once.
    let before = std::fs::read(state(&folder)).unwrap();
    let (output, report) = run(&folder, &Bench { start: -40, ..FIRST }, "6s");
    assert_eq!(output.status.code(), Some(0), "{report:#}");
    assert_eq!(report["axes"][0]["reference"], "kept", "{report:#}");
    assert!(report["axes"][0]["travel"].as_f64() > Some(100.0));
    assert_eq!(before, std::fs::read(state(&folder)).unwrap(), "nothing was found");
}

#[test]
fn what_is_another_drive_or_another_scaling_is_not_referenced_and_says_so() {
    let folder = homed("other");
    let others = [
        (Bench { serial: 78, ..FIRST }, ["another drive", "serial 77", "serial 78"]),
        (Bench { motor_turns: 20, ..FIRST }, ["another scaling", "home it", "table"]),
    ];
    for (bench, words) in others {
        let (axis, said) = glance(&folder, &bench);
        assert_eq!(axis["referenced"], false, "{axis}");
        assert_eq!(axis["reference"], Value::Null);
        assert!(axis["reference_note"].is_string(), "{axis}");
        for word in words {
            assert!(said.contains(word), "{word}: {said}");
        }
    }
    // Homed with the new drive, the old one is the other.
    let (output, _) = run(&folder, &Bench { serial: 78, ..FIRST }, "6s");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(glance(&folder, &Bench { serial: 78, ..FIRST }).0["reference"], "kept");
    assert_eq!(glance(&folder, &FIRST).0["referenced"], false);
}

#[test]
fn a_damaged_file_or_one_of_another_machine_is_told_and_never_believed() {
    let folder = homed("damaged");
    let whole = std::fs::read_to_string(state(&folder)).unwrap();
    let digit = whole.find("\"offset_nano\": ").unwrap() + "\"offset_nano\": -".len();
    let mut changed = whole.clone().into_bytes();
    changed[digit] = if changed[digit] == b'5' { b'6' } else { b'5' };
    let cases: [(Vec<u8>, &str); 4] = [
        (changed, "is damaged"),
        (whole.as_bytes()[..whole.len() / 2].to_vec(), "is damaged"),
        (Vec::new(), "is damaged"),
        (whole.replace("\"format\": 1", "\"format\": 9").into_bytes(), "is not of this machine"),
    ];
    for (bytes, word) in cases {
        std::fs::write(state(&folder), &bytes).unwrap();
        let (axis, said) = glance(&folder, &FIRST);
        assert_eq!(axis["referenced"], false, "{axis}");
        assert!(said.contains(word) && said.contains("home it"), "{said}");
        let aside = folder.join("state/one-axis.virtual.references.json.unusable");
        assert_eq!(std::fs::read(aside).unwrap(), bytes, "a person can look at it");
    }
    // Planted back, it counts: what was refused was the damage.
    std::fs::write(state(&folder), whole).unwrap();
    assert_eq!(glance(&folder, &FIRST).0["reference"], "kept");
}

#[test]
fn a_place_that_cannot_be_written_is_told_and_the_run_goes_on() {
    let folder = Folder::new("kept-unwritable");
    let machine = FIRST.write(&folder);
    std::fs::write(folder.join("file"), "in the way").unwrap();
    for place in ["/proc/none", "file/below"] {
        let arguments = ["--virtual-time", "--for", "6s", "--no-record", "--state", place];
        let (output, report) = tactus(&folder, &machine, &arguments);
        assert_eq!(output.status.code(), Some(0), "{report:#}");
        let axis = &report["axes"][0];
        assert_eq!(axis["reference"], "homed", "{axis}");
        assert!(axis["reference_note"].as_str().unwrap().contains("cannot be written"), "{axis}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("the reference of table ends with this run"), "{said}");
    }
}

#[test]
fn who_asks_for_it_homes_again() {
    let folder = homed("again");
    let moved = Bench { start: -40, ..FIRST };
    let machine = moved.write(&folder);
    let arguments =
        ["--virtual-time", "--for", "6s", "--no-record", "--state", "state", "--home-again"];
    let (_, report) = tactus(&folder, &machine, &arguments);
    assert_eq!(report["axes"][0]["reference"], "homed", "{report:#}");
    // Now −40 deg of the world is called 10 deg.
    let (axis, _) = glance(&folder, &moved);
    assert!((axis["position"].as_f64().unwrap() - 10.0).abs() < 0.05, "{axis}");
}

#[test]
fn an_encoder_that_lost_its_place_puts_the_axis_outside_its_limits_and_is_not_believed() {
    let folder = homed("lost");
    // A quarter of the range off: as if its battery had been empty.
    let (axis, said) = glance(&folder, &Bench { shown: RANGE / 4, ..FIRST });
    assert_eq!(axis["referenced"], false, "{axis} {said}");
}

#[test]
fn virtual_time_keeps_nothing_unless_asked_and_equal_runs_are_equal_bytes() {
    let folder = Folder::new("kept-virtual");
    let machine = FIRST.write(&folder);
    let mut recordings = Vec::new();
    for name in ["a", "b"] {
        let file = format!("{name}.mcap");
        let arguments = ["--virtual-time", "--for", "4s", "--record", &file];
        let (_, report) = tactus(&folder, &machine, &arguments);
        assert_eq!(report["axes"][0]["reference"], "homed");
        recordings.push(std::fs::read(folder.join(file)).unwrap());
    }
    assert!(recordings[0] == recordings[1], "the second run knew something of the first");
    assert!(!folder.join("state").exists());
    for name in ["c", "d"] {
        let arguments = ["--virtual-time", "--for", "4s", "--no-record", "--state", name];
        let _ = tactus(&folder, &machine, &arguments);
    }
    let read = |name| std::fs::read(folder.join(name).join("one-axis.virtual.references.json"));
    assert_eq!(read("c").unwrap(), read("d").unwrap());
}

#[test]
fn in_real_time_it_is_kept_without_being_asked() {
    let folder = Folder::new("kept-real-time");
    let machine = FIRST.write(&folder);
    // On a machine without real time it may end in a stop; it is homed before.
    let (_, report) = tactus(&folder, &machine, &["--for", "6s", "--no-record"]);
    assert_eq!(report["axes"][0]["reference"], "homed", "{report:#}");
    let text = std::fs::read_to_string(state(&folder)).unwrap();
    let kept: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(kept["axes"]["table"]["serial"], 77);
    assert!(kept["axes"]["table"]["homed_at"].as_str().unwrap().ends_with('Z'), "{text}");
    let (_, report) = tactus(&folder, &machine, &["--for", "1s", "--no-record"]);
    assert_eq!(report["axes"][0]["reference"], "kept", "{report:#}");
}
