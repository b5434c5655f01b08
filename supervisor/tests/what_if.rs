//! `tactus what-if`: what is changed shows, what is not comes out again bit by bit, and a moment in a recording can be gone on from.

use std::path::Path;
use std::process::{Command, Output, Stdio};

mod folder;

use folder::Folder;
use serde_json::Value;

fn machine() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/machines/demo-cell.toml");
    path.to_str().unwrap().to_owned()
}

fn tactus(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tactus"));
    command.current_dir(folder).env("XDG_RUNTIME_DIR", folder).stdin(Stdio::null());
    command.args(arguments).output().unwrap()
}

/// The answer as JSON, and the exit code.
fn asked(folder: &Path, arguments: &[&str]) -> (i32, Value) {
    let output = tactus(folder, &[&["what-if", "--json"], arguments].concat());
    let found = serde_json::from_slice(&output.stdout);
    let found = found.unwrap_or_else(|wrong| panic!("{wrong}: {output:?}"));
    (output.status.code().unwrap(), found)
}

fn record(folder: &Path, arguments: &[&str]) {
    let file = machine();
    let all = [&["run", &file, "--headless", "--record", "run.mcap"], arguments].concat();
    let output = tactus(folder, &all);
    assert!(matches!(output.status.code(), Some(0 | 5)), "{output:?}");
}

fn row<'a>(study: &'a Value, key: &str) -> &'a Value {
    let table = study["table"].as_array().unwrap();
    table.iter().find(|row| row["key"] == key).unwrap_or_else(|| panic!("{key}"))
}

#[test]
fn a_heavier_load_shows_in_torque_and_energy_and_every_seed_agrees() {
    let folder = Folder::new("what-if-payload");
    let file = machine();
    let question = [&file, "--set", "axis.x.payload=60kg", "--for", "40s", "--seeds", "1..2"];
    let (code, study) = asked(&folder, &question);
    assert_eq!(code, 0);
    for key in ["x.torque_rms_nm", "x.energy_j", "x.regenerated_j", "x.wear_per_h"] {
        let row = row(&study, key);
        assert!(row["difference"].as_f64().unwrap() > 0.0, "{row}");
        assert_eq!(row["seeds_agree"], true, "{row}");
    }
    // What the change does not concern hardly moves: the belt waits for the same parts.
    let difference = |key| row(&study, key)["difference"].as_f64().unwrap().abs();
    assert!(difference("belt.energy_j") < difference("x.energy_j") / 1000.0);
    assert_eq!(study["baseline"].as_array().unwrap().len(), 2);
    assert!(study["baseline"][0]["parts"].as_u64().unwrap() >= 1);
    let again = asked(&folder, &question).1;
    assert_eq!(study, again, "the same question has the same answer");
}

#[test]
fn a_run_recorded_in_virtual_time_comes_out_again_bit_by_bit() {
    let folder = Folder::new("what-if-same");
    record(&folder, &["--virtual-time", "--seed", "4", "--for", "25s"]);
    let (code, study) = asked(&folder, &["--from", "run.mcap"]);
    assert_eq!(code, 0);
    assert_eq!(study["recorded"]["identical"], true, "{}", study["recorded"]);
    assert!(study["recorded"]["messages"].as_u64().unwrap() > 100_000);
    assert_eq!(study["seeds"][0], 4);
}

#[test]
fn a_recording_of_another_world_is_told_from_this_one() {
    // The planted difference: the recording claims another seed than the one that ran.
    let folder = Folder::new("what-if-planted");
    record(&folder, &["--virtual-time", "--seed", "5", "--for", "15s"]);
    let mut planted = std::fs::read(folder.join("run.mcap")).unwrap();
    let key = b"seed\x01\x00\x00\x00";
    let place = planted.windows(key.len()).position(|at| at == key).unwrap() + key.len();
    assert_eq!(planted[place], b'5');
    planted[place] = b'4';
    std::fs::write(folder.join("planted.mcap"), planted).unwrap();
    let output = tactus(&folder, &["what-if", "--json", "--from", "planted.mcap"]);
    let study: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|wrong| panic!("{wrong}: {}", String::from_utf8_lossy(&output.stderr)));
    assert_eq!(output.status.code(), Some(8), "{}", study["recorded"]);
    let recorded = &study["recorded"];
    assert_eq!(recorded["identical"], false);
    let signals = recorded["signals"].as_array().unwrap();
    let torque = signals.iter().find(|it| it["signal"] == "drive_x.actual_torque").unwrap();
    assert!(torque["most"].as_f64().unwrap() > 0.0, "{torque}");
    assert_eq!(torque["unit"], "% of rated torque");
}

#[test]
fn of_a_run_recorded_in_real_time_the_divergence_is_stated_signal_by_signal() {
    let folder = Folder::new("what-if-real");
    record(&folder, &["--for", "4s"]);
    let (code, study) = asked(&folder, &["--from", "run.mcap"]);
    assert_eq!(code, 0, "it is stated, it is no error");
    let recorded = &study["recorded"];
    assert_eq!(recorded["identical"], false);
    assert_ne!(recorded["realtime"], "virtual");
    assert!(recorded["compared_s"].as_f64().unwrap() > 0.5, "{recorded}");
    let signals = recorded["signals"].as_array().unwrap();
    let of = |name: &str| signals.iter().find(|it| it["signal"] == name).unwrap();
    let x = of("drive_x.actual_position");
    // Homing at 150 mm/s: a second of delay would be 150 mm.
    assert!(x["mean"].as_f64().unwrap() < 150.0 && x["unit"] == "mm", "{x}");
    assert_eq!(of("estop_a")["share"], 0.0);
}

#[test]
fn from_a_moment_on_it_goes_on_where_the_recording_was() {
    let folder = Folder::new("what-if-moment");
    record(&folder, &["--virtual-time", "--for", "25s"]);
    // In 10 s from the file nothing is placed: homing alone takes longer.
    let (_, from_file) = asked(&folder, &["--from", "run.mcap", "--for", "7s"]);
    assert_eq!(from_file["baseline"][0]["parts"], 0);
    // Given the moment, homed and in motion, it goes on, and no axis loses its set-point on the way.
    let (code, study) = asked(&folder, &["--from", "run.mcap@6.1s", "--for", "7s"]);
    assert_eq!(code, 0);
    let run = &study["baseline"][0];
    assert!(run["window_s"].as_f64().unwrap() > 5.0, "{run}");
    assert_eq!(run["stops"].as_array().unwrap().len(), 0, "{run}");
    assert_eq!(run["gate_violations"], 0);
    assert!(!study["assumed"].as_array().unwrap().is_empty());
    let changed = ["--from", "run.mcap@cycle:20000", "--set", "cycle.speed=40%"];
    let (_, study) = asked(&folder, &[&changed[..], &["--for", "20s"]].concat());
    assert!(study["changed"][0]["axes"][0]["velocity_peak"].as_f64().unwrap() < 430.0);
    assert!(study["baseline"][0]["axes"][0]["velocity_peak"].as_f64().unwrap() > 800.0);
}

#[test]
fn a_sweep_marks_what_the_file_check_and_the_motor_do_not_bear() {
    let folder = Folder::new("what-if-sweep");
    let file = machine();
    let sweep = "axis.x.limits.acceleration=3..7:2";
    let question = [&file, "--sweep", sweep, "--for", "30s", "--seeds", "1", "--html", "a.html"];
    let (_, study) = asked(&folder, &question);
    let points = study["sweep"]["points"].as_array().unwrap();
    let feasible: Vec<_> = points.iter().map(|point| &point["feasible"]).collect();
    assert_eq!(feasible, [true, true, false], "the ramp is 6 m/s2");
    assert!(points[2]["why"][0].as_str().unwrap().contains("weaker than normal braking"));
    let page = std::fs::read_to_string(folder.join("a.html")).unwrap();
    assert!(page.contains("<svg") && page.contains("axis.x.limits.acceleration"));
    assert!(!page.contains("http") && !page.contains("NaN"), "it loads nothing");
    // Friction that the motor hardly overcomes: the file is right, and the machine does not work.
    let sweep = "axis.x.mechanics.coulomb=0.1..1.3:1.2";
    let (_, study) = asked(&folder, &[&file, "--sweep", sweep, "--for", "30s", "--seeds", "1"]);
    let heavy = &study["sweep"]["points"][1];
    assert_eq!(heavy["feasible"], false, "{heavy}");
    assert!(!heavy["runs"].as_array().unwrap().is_empty());
}

#[test]
fn what_is_wrong_is_said_with_what_is_near() {
    let folder = Folder::new("what-if-wrong");
    let file = machine();
    let wrong = |arguments: &[&str], said: &str| {
        let output = tactus(&folder, &[&["what-if"], arguments].concat());
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains(said), "{text}");
    };
    wrong(&[&file, "--set", "axis.w.limits.velocity=1m/s"], "one of x, z, belt");
    wrong(&[&file, "--set", "axis.x.limits.velosity=1m/s"], "did you mean `velocity`?");
    wrong(&[&file, "--set", "axis.x.limits.velocity=1kg"], "mm/s");
    wrong(&[&file, "--set", "axis.x"], "axis.x.limits.acceleration=6m/s2");
    wrong(&[&file, "--sweep", "axis.x.limits.velocity=1..2kg"], "expected");
    wrong(&[], "FILE");
    record(&folder, &["--virtual-time", "--for", "3s"]);
    wrong(&["--from", "run.mcap@50s"], "no such moment");
    wrong(&["--from", "run.mcap@12:00:00"], "what time of the day");
    wrong(&["--from", "run.mcap@noon"], "12:31:07");
}
