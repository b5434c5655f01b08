//! The flight recorder in virtual time, through the command line: what froze it is in the dump, with the seconds before it.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::Value;
use tactus_tests::{json, machine, run, said, scratch, tactus};

/// Runs a machine file and returns its report.
fn virtual_run(directory: &Path, file: &Path, options: &[&str]) -> Value {
    let report = directory.join("report.json");
    let output = run(Command::new(tactus())
        .arg("run")
        .arg(file)
        .args(["--virtual-time", "--seed", "1", "--for", "20s", "--headless", "--report"])
        .arg(&report)
        .args(options));
    assert!(matches!(output.status.code(), Some(0 | 5)), "{}", said(&output));
    json(&report)
}

fn dumps(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).expect("dumps were written");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "tfr"));
    paths.sort();
    paths
}

fn trace(arguments: &[&str], files: &[PathBuf]) -> Output {
    run(Command::new(tactus()).arg("trace").args(files).args(arguments))
}

/// Waits for what `look` looks for; a minute and a half at most.
fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begin.elapsed() < Duration::from_secs(90), "{what}: not within 90 s");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The process has a handler for SIGUSR1. Source: proc(5), `SigCgt`.
fn catches_usr1(pid: &str) -> Option<()> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:"))?.trim();
    (u64::from_str_radix(mask, 16).ok()? >> 9 & 1 == 1).then_some(())
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

#[test]
fn a_stop_leaves_a_dump_with_its_cycle_and_the_seconds_before_it() {
    let directory = scratch("flight-stop");
    let report = virtual_run(
        &directory,
        &machine("demo-cell.toml"),
        &["--trace", text(&directory), "--no-record"],
    );
    let trips = report["trips"].as_array().expect("trips");
    let stop = trips.iter().find(|trip| trip["reaction"] == "stop1").expect("a person comes");
    let recorder = &report["flight_recorder"];
    assert!(recorder["dumps"].as_u64() >= Some(1), "{recorder:#}");
    assert_eq!(recorder["records"], report["cycles"], "always on");
    assert_eq!(recorder["lost"], 0);
    assert!(report["phases_ns"].is_null(), "virtual time measures nothing");
    let files = dumps(&directory);
    assert_eq!(Some(files.len() as u64), recorder["dumps"].as_u64());
    let output = trace(&["--json"], &files[..1]);
    assert!(output.status.success(), "{}", said(&output));
    let summary: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let dump = &summary["dumps"][0];
    let cycle = stop["at_cycle"].as_u64().expect("a cycle");
    assert_eq!(dump["head"]["cycle"].as_u64(), Some(cycle));
    assert_eq!(dump["head"]["cause"], stop["cause"]);
    assert_eq!(dump["first_cycle"].as_u64(), Some(cycle - 10_000), "10 s at 1 kHz");
    assert_eq!(dump["last_cycle"].as_u64(), Some(cycle + 1_000));
    assert_eq!(dump["gaps"], 0);
}

#[test]
fn what_is_kept_and_how_much_is_in_the_machine_file() {
    let directory = scratch("flight-settings");
    let shipped = std::fs::read_to_string(machine("demo-cell.toml")).expect("the demo cell");
    let settings = "[recording]
flight_before = \"2 s\"
flight_after = \"100 ms\"
flight_dumps = 1
";
    let text_of_file = shipped.replacen("[recording]\n", settings, 1);
    assert_ne!(text_of_file, shipped, "the section is there");
    let file = directory.join("cell.toml");
    std::fs::write(&file, text_of_file).expect("writable");
    let dumps_in = directory.join("dumps");
    let recording = dumps_in.join("run.mcap");
    for _ in 0..2 {
        virtual_run(&directory, &file, &["--record", text(&recording)]);
    }
    let files = dumps(&dumps_in);
    assert_eq!(files.len(), 1, "beside the recording, and only the newest: {files:?}");
    let output = trace(&["--json"], &files);
    let summary: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(summary["dumps"][0]["cycles"], 2_000 + 1 + 100);
}

#[test]
fn the_same_seed_gives_the_same_dumps() {
    let (a, b) = (scratch("flight-bytes-a"), scratch("flight-bytes-b"));
    for directory in [&a, &b] {
        virtual_run(
            directory,
            &machine("demo-cell.toml"),
            &["--trace", text(directory), "--no-record"],
        );
    }
    let bytes = |directory: &Path| -> Vec<Vec<u8>> {
        dumps(directory).iter().map(|path| std::fs::read(path).expect("readable")).collect()
    };
    assert!(!bytes(&a).is_empty());
    assert!(bytes(&a) == bytes(&b), "dumps differ");
}

#[test]
fn without_a_recording_and_without_a_place_no_file_is_written() {
    let directory = scratch("flight-nowhere");
    let report = virtual_run(&directory, &machine("demo-cell.toml"), &["--no-record"]);
    assert_eq!(report["flight_recorder"]["dumps"], 0);
    assert!(report["flight_recorder"]["not_written"].as_u64() >= Some(1));
    assert!(dumps(&directory).is_empty());
}

#[test]
fn a_trace_is_cut_to_the_time_asked_for_and_a_time_without_cycles_is_refused() {
    let directory = scratch("flight-cut");
    virtual_run(
        &directory,
        &machine("demo-cell.toml"),
        &["--trace", text(&directory), "--no-record"],
    );
    let files = &dumps(&directory)[..1];
    let out = directory.join("trace.json");
    let output = trace(&["-o", text(&out), "--from", "-5500us", "--to", "5500us"], files);
    assert!(output.status.success(), "{}", said(&output));
    let events = json(&out);
    let events = events["traceEvents"].as_array().expect("events");
    assert_eq!(events.iter().filter(|event| event["name"] == "cycle").count(), 11);
    assert!(events.iter().any(|event| event["name"] == "frozen: trip"));
    let output = trace(&["-o", text(&out), "--from", "50s"], files);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
}

#[test]
fn a_damaged_dump_is_said_and_what_can_be_read_is_used() {
    let directory = scratch("flight-damaged");
    virtual_run(
        &directory,
        &machine("demo-cell.toml"),
        &["--trace", text(&directory), "--no-record"],
    );
    let mut bytes = std::fs::read(&dumps(&directory)[0]).expect("readable");
    bytes.truncate(bytes.len() / 2);
    let cut = directory.join("cut.tfr");
    std::fs::write(&cut, bytes).expect("writable");
    let out = directory.join("cut.json");
    let output = trace(&["-o", text(&out)], std::slice::from_ref(&cut));
    assert_eq!(output.status.code(), Some(2));
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(message.contains("cut off") && message.contains("cycles could be read"), "{message}");
    assert!(json(&out)["traceEvents"].as_array().is_some_and(|events| events.len() > 5_000));
    let toml = machine("demo-cell.toml");
    let output = trace(&[], std::slice::from_ref(&toml));
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    assert!(message.contains("expected a flight-recorder dump"), "{message}");
}

/// In real time: a signal from outside freezes what the loop just did, and the file is written while the loop goes on.
#[test]
fn a_signal_asks_for_a_dump_of_a_machine_that_runs_and_the_loop_goes_on() {
    let directory = scratch("flight-signal");
    let report = directory.join("report.json");
    let mut running = Command::new(tactus())
        .current_dir(&directory)
        .arg("run")
        .arg(machine("one-axis.toml"))
        .args([
            "--for",
            "120s",
            "--headless",
            "--no-record",
            "--trace",
            text(&directory),
            "--report",
        ])
        .arg(&report)
        .spawn()
        .expect("tactus starts");
    let pid = running.id().to_string();
    // The cycle of a dump that somebody asked for.
    let asked_for = |path: &PathBuf| -> Option<u64> {
        let output = trace(&["--json"], std::slice::from_ref(path));
        let summary: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let dump = &summary["dumps"][0];
        // A trip or an overrun close to it gives the dump its name.
        let mut events = dump["events"].as_array()?.iter();
        events.find(|event| event[1] == "a dump was asked for")?;
        dump["head"]["cycle"].as_u64()
    };
    until("it hears the signal", || catches_usr1(&pid));
    assert!(dumps(&directory).iter().all(|path| asked_for(path).is_none()), "nobody has asked");
    // The file is there before the run is over. Asked again now and then: an overrun of this machine may have come first, and its dump
    // takes the request in.
    let (mut looked_at, mut asked) = (HashSet::new(), None);
    let (file, cycle) = until("a dump that holds a second of cycles", || {
        if asked.is_none_or(|at: Instant| at.elapsed() > Duration::from_secs(1)) {
            let _ = run(Command::new("kill").args(["-USR1", &pid]));
            asked = Some(Instant::now());
        }
        let fresh = dumps(&directory).into_iter().filter(|path| looked_at.insert(path.clone()));
        let mut fresh = fresh.filter_map(|path| asked_for(&path).map(|cycle| (path, cycle)));
        fresh.find(|(_, cycle)| *cycle > 1000)
    });
    assert!(running.try_wait().expect("our child").is_none(), "it ended on the signal");
    std::thread::sleep(Duration::from_millis(300));
    let _ = run(Command::new("kill").args(["-INT", &pid]));
    let ended = running.wait().expect("our child");
    assert!(matches!(ended.code(), Some(0 | 5)), "{ended}");
    let out = directory.join("trace.json");
    let output = trace(&["-o", text(&out)], &[file]);
    assert!(output.status.success(), "{}", said(&output));
    let events = json(&out);
    let events = events["traceEvents"].as_array().expect("events");
    let cycles = events.iter().filter(|event| event["name"] == "cycle");
    assert!(cycles.count() > 500, "the seconds before it are in it");
    assert!(events.iter().any(|event| event["name"] == "a dump was asked for"), "why is in it");
    let cycles = json(&report)["cycles"].as_u64().expect("a count");
    assert!(
        cycles > cycle,
        "the loop went on after the signal: {cycles} cycles, a dump at {cycle}"
    );
}
