//! The audit log of whole runs, from outside: it verifies, it shows what was touched, it outlives kill -9, and it becomes one page.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tactus_tests::{machine, run, said, scratch, tactus};

/// Runs `tactus` in `directory`.
fn call(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(tactus());
    command.current_dir(directory).env("XDG_RUNTIME_DIR", directory).stdin(Stdio::null());
    run(command.args(arguments))
}

/// A run of `file` in virtual time that keeps its state.
fn virtual_run(directory: &Path, file: &str, seed: &str, time: &str) -> Output {
    let fixed = ["run", file, "--virtual-time", "--no-record", "--headless", "--state", "state"];
    call(directory, &[&fixed[..], &["--seed", seed, "--for", time]].concat())
}

const LOG: &str = "state/audit/demo-cell.virtual";

/// A copy of the demo cell with changes, in the directory.
fn demo(directory: &Path, changes: &[(&str, &str)]) {
    let text = std::fs::read_to_string(machine("demo-cell.toml")).expect("the demo cell");
    let text = changes.iter().fold(text, |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replace(from, to)
    });
    std::fs::write(directory.join("cell.toml"), text).expect("written");
}

fn records(directory: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(directory.join(LOG).join("audit-00000001.jsonl"));
    let text = text.expect("a log");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn of_kind<'a>(records: &'a [Value], kind: &str) -> Vec<&'a Value> {
    records.iter().filter(|record| record["type"] == kind).collect()
}

fn verify(directory: &Path, more: &[&str]) -> (Option<i32>, Value) {
    let output = call(directory, &[&["audit", "verify", LOG, "--json"][..], more].concat());
    let verdict = serde_json::from_slice(&output.stdout);
    (output.status.code(), verdict.unwrap_or_else(|wrong| panic!("{wrong}: {}", said(&output))))
}

#[test]
fn a_run_leaves_a_log_that_verifies_and_a_changed_file_is_a_record() {
    let directory = scratch("audit-run");
    demo(&directory, &[]);
    let first = virtual_run(&directory, "cell.toml", "1", "60s");
    assert_eq!(first.status.code(), Some(0), "{}", said(&first));
    let said_first = records(&directory);
    for kind in ["file", "checkpoint", "start_up", "trip", "stopped", "reset", "start", "shutdown"]
    {
        assert!(!of_kind(&said_first, kind).is_empty(), "no record of type {kind}");
    }
    let stopped = of_kind(&said_first, "stopped");
    assert!(stopped.iter().all(|stop| stop["distance"].as_f64() <= stop["predicted"].as_f64()));
    let (code, verdict) = verify(&directory, &[]);
    assert_eq!((code, &verdict["whole"]), (Some(0), &Value::Bool(true)), "{verdict}");
    assert_eq!(verdict["signed_up_to"], verdict["last_sequence"]);
    demo(&directory, &[("speed = \"400 mm/s\"", "speed = \"350 mm/s\"")]);
    let kept = directory.join("kept.json");
    std::fs::copy(directory.join(LOG).join("checkpoint.json"), &kept).expect("copied");
    virtual_run(&directory, "cell.toml", "1", "3s");
    let both = records(&directory);
    assert_eq!(both[..said_first.len()], said_first[..], "nothing is rewritten");
    let starts = of_kind(&both, "start_up");
    assert_eq!((starts.len(), &starts[1]["previous_run"]), (2, &"in_order".into()));
    let changed = of_kind(&both, "configuration_changed");
    assert_eq!((changed.len(), &changed[0]["from"]), (1, &starts[0]["config"]));
    let values = of_kind(&both, "parameter");
    let places: Vec<_> = values.iter().map(|value| value["parameter"].to_string()).collect();
    assert!(!values.is_empty() && places.iter().all(|it| it.contains("speed")), "{places:?}");
    let (from, to) = (Value::from("\"400 mm/s\""), Value::from("\"350 mm/s\""));
    assert!(values.iter().all(|value| value["from"] == from && value["to"] == to), "{values:?}");
    assert!(of_kind(&both, "login").is_empty(), "virtual time knows no person");
    let (code, verdict) = verify(&directory, &["--checkpoint", "kept.json"]);
    assert_eq!((code, verdict["checkpoint"].is_u64()), (Some(0), true), "{verdict}");
}

#[test]
fn the_same_seed_gives_the_same_log_and_another_seed_does_not() {
    let logs: Vec<Vec<u8>> = ["1", "1", "2"]
        .iter()
        .enumerate()
        .map(|(number, seed)| {
            let directory = scratch(&format!("audit-seed-{number}"));
            demo(&directory, &[]);
            virtual_run(&directory, "cell.toml", seed, "30s");
            std::fs::read(directory.join(LOG).join("audit-00000001.jsonl")).expect("a log")
        })
        .collect();
    assert_eq!(logs[0], logs[1]);
    assert_ne!(logs[0], logs[2]);
}

#[test]
fn what_is_touched_ends_with_7_and_says_where_and_what_is_not_there_with_3() {
    let directory = scratch("audit-touched");
    demo(&directory, &[]);
    virtual_run(&directory, "cell.toml", "1", "20s");
    let path = directory.join(LOG).join("audit-00000001.jsonl");
    let bytes = std::fs::read(&path).expect("a log");
    // Places over the whole file; every byte of a log is changed in a test of the verifier itself.
    for place in (0..bytes.len()).step_by(bytes.len() / 25) {
        let mut changed = bytes.clone();
        changed[place] ^= 1;
        std::fs::write(&path, &changed).expect("written");
        let output = call(&directory, &["audit", "verify", LOG]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(7), "byte {place}: {text}");
        assert!(
            text.contains("NOT WHOLE") && text.contains("audit-00000001.jsonl, line"),
            "{text}"
        );
    }
    std::fs::write(&path, &bytes).expect("written");
    assert_eq!(verify(&directory, &[]).0, Some(0));
    let absent = call(&directory, &["audit", "verify", "nowhere"]);
    assert_eq!(absent.status.code(), Some(3), "{}", said(&absent));
    let wrong = call(&directory, &["audit", "verify", LOG, "--key", "12"]);
    assert_eq!(wrong.status.code(), Some(2), "{}", said(&wrong));
}

#[test]
fn a_run_that_is_killed_leaves_a_log_that_verifies_and_the_next_start_says_so() {
    let directory = scratch("audit-killed");
    demo(&directory, &[]);
    let mut child = Command::new(tactus())
        .current_dir(&directory)
        .env("XDG_RUNTIME_DIR", &directory)
        .stdin(Stdio::null())
        .args(["run", "cell.toml", "--no-record", "--headless"])
        .spawn()
        .expect("it starts");
    let log: PathBuf = directory.join(LOG).join("audit-00000001.jsonl");
    let patience = Instant::now() + Duration::from_secs(60);
    let demanded = || std::fs::read_to_string(&log).is_ok_and(|text| text.contains("\"demand\""));
    while !demanded() && Instant::now() < patience {
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().expect("SIGKILL");
    child.wait().expect("it ends");
    assert!(demanded(), "the loop left something");
    let (code, verdict) = verify(&directory, &[]);
    assert_eq!(code, Some(0), "{verdict}");
    assert_eq!(verdict["keys"][0]["kind"], "device");
    call(&directory, &["run", "cell.toml", "--no-record", "--headless", "--for", "1s"]);
    let (code, verdict) = verify(&directory, &[]);
    assert_eq!(code, Some(0), "{verdict}");
    let records = records(&directory);
    let starts = of_kind(&records, "start_up");
    assert_eq!(starts.last().map(|start| &start["previous_run"]), Some(&"not_in_order".into()));
    assert!(starts[0]["wall"].is_u64() && starts[0]["boot"].is_string(), "{}", starts[0]);
}

/// Waits until the log of the demo cell says this so often.
fn until(directory: &Path, what: &str, times: usize) {
    let log: PathBuf = directory.join(LOG).join("audit-00000001.jsonl");
    let patience = Instant::now() + Duration::from_secs(60);
    while !std::fs::read_to_string(&log).is_ok_and(|text| text.matches(what).count() >= times) {
        assert!(Instant::now() < patience, "{what} never comes");
        std::thread::sleep(Duration::from_millis(20));
    }
}

// SR-082
#[test]
fn who_starts_a_run_who_ends_it_and_what_was_changed_before_are_records() {
    let directory = scratch("audit-people");
    demo(&directory, &[]);
    for (starts, from) in [(1, "velocity = \"1000 mm/s\""), (2, "no such value")] {
        let text = std::fs::read_to_string(directory.join("cell.toml")).expect("the cell");
        let mut child = Command::new(tactus())
            .current_dir(&directory)
            .env("XDG_RUNTIME_DIR", &directory)
            .stdin(Stdio::null())
            .args(["run", "cell.toml", "--no-record", "--headless"])
            .spawn()
            .expect("it starts");
        until(&directory, "\"start_up\"", starts);
        let asked = run(Command::new("sh").args(["-c", &format!("kill -TERM {}", child.id())]));
        assert!(asked.status.success(), "{}", said(&asked));
        child.wait().expect("it ends");
        let changed = text.replacen(from, "velocity = \"900 mm/s\"", 1);
        std::fs::write(directory.join("cell.toml"), changed).expect("written");
    }
    let said = records(&directory);
    let logins = of_kind(&said, "login");
    assert_eq!(logins.len(), 2, "{said:#?}");
    let uid = &logins[0]["uid"];
    assert!(uid.is_u64() && logins[0]["interface"] == "command line", "{}", logins[0]);
    assert!(logins[0]["started_by"].is_string(), "{}", logins[0]);
    let ends = of_kind(&said, "command");
    assert_eq!(ends.len(), 2, "{ends:?}");
    for end in ends {
        assert_eq!((&end["command"], &end["uid"]), (&"end".into(), uid), "{end}");
        assert!(end["pid"].as_u64() > Some(1), "{end}");
    }
    let values = of_kind(&said, "parameter");
    assert_eq!(values.len(), 1, "{values:?}");
    assert_eq!(values[0]["parameter"], "axis.x.limits.velocity", "{}", values[0]);
    assert_eq!(values[0]["to"], "\"900 mm/s\"");
    assert_eq!(verify(&directory, &[]).0, Some(0));
    let page = call(&directory, &["audit", "report", LOG]);
    let page = String::from_utf8_lossy(&page.stdout).into_owned();
    for part in ["axis.x.limits.velocity", "Logins, and commands from outside", "started_by"] {
        assert!(page.contains(part), "{part}");
    }
}

#[test]
fn a_copy_of_the_machine_file_that_was_touched_is_not_believed() {
    let directory = scratch("audit-copy");
    demo(&directory, &[]);
    virtual_run(&directory, "cell.toml", "1", "1s");
    let folder = directory.join(LOG).join("configurations");
    let copy = std::fs::read_dir(&folder).expect("copies").next().expect("one").expect("an entry");
    let text = std::fs::read_to_string(copy.path()).expect("a copy");
    std::fs::write(copy.path(), text.replace("400 mm/s", "350 mm/s")).expect("written");
    demo(&directory, &[("speed = \"400 mm/s\"", "speed = \"350 mm/s\"")]);
    virtual_run(&directory, "cell.toml", "1", "1s");
    let said = records(&directory);
    let values = of_kind(&said, "parameter");
    assert_eq!(values.len(), 1, "{values:?}");
    assert!(values[0]["text"].as_str().is_some_and(|it| it.contains("no true copy")), "{values:?}");
}

#[test]
fn a_key_that_others_can_read_is_refused_and_a_place_without_a_log_stops_nothing() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = scratch("audit-key");
    demo(&directory, &[]);
    let arguments = ["run", "cell.toml", "--no-record", "--headless", "--for", "1s"];
    let first = call(&directory, &arguments);
    assert_ne!(first.status.code(), Some(3), "{}", said(&first));
    let key = directory.join("state/device.key");
    assert_eq!(std::fs::metadata(&key).expect("a key").permissions().mode() & 0o777, 0o600);
    let shown = call(&directory, &["audit", "key", "--json"]);
    let shown: Value = serde_json::from_slice(&shown.stdout).expect("JSON");
    let (_, verdict) = verify(&directory, &["--key", shown["public"].as_str().expect("a key")]);
    assert_eq!(verdict["keys"][0]["fingerprint"], shown["fingerprint"]);
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).expect("chmod");
    let refused = call(&directory, &arguments);
    assert_eq!(refused.status.code(), Some(3), "{}", said(&refused));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("chmod 600"), "{}", said(&refused));
    let nowhere = call(&directory, &[&arguments[..], &["--state", "/proc/none"]].concat());
    assert_ne!(nowhere.status.code(), Some(3), "{}", said(&nowhere));
    assert!(
        String::from_utf8_lossy(&nowhere.stderr).contains("NO AUDIT LOG"),
        "{}",
        said(&nowhere)
    );
}

/// Parses a page as XML with Python's parser, which we did not write, and prints what a test asks of it.
const PARSE: &str = r#"
import sys, xml.etree.ElementTree as tree
page = tree.parse(sys.argv[1]).getroot()
tags = [element.tag.split("}")[1] for element in page.iter()]
texts = [text.strip() for text in page.itertext()]
outside = [value for element in page.iter() for value in element.attrib.values() if "//" in value]
print("tables", tags.count("table"), "scripts", tags.count("script"), "outside", len(outside))
print("name", sum("<script>alert(1)</script> & 'x'" in text for text in texts) > 0)
print("attributes", sorted({name for element in page.iter() for name in element.attrib}))
"#;

fn parse(page: &Path) -> String {
    let output = run(Command::new("python3").args(["-c", PARSE]).arg(page));
    assert!(output.status.success(), "{}", said(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn the_pages_are_well_formed_hold_everything_and_no_name_is_ever_markup() {
    let directory = scratch("audit-page");
    let name = "name = \"<script>alert(1)</script> & 'x'\"";
    demo(&directory, &[("name = \"person in the cell\"", name)]);
    let ran = virtual_run(&directory, "cell.toml", "1", "60s");
    assert_eq!(ran.status.code(), Some(0), "{}", said(&ran));
    let report = ["audit", "report", LOG, "--machine", "cell.toml", "--out", "report.html"];
    let output = call(&directory, &report);
    assert!(output.status.success(), "{}", said(&output));
    let output = call(&directory, &["matrix", "cell.toml", "--html", "matrix.html"]);
    assert!(output.status.success(), "{}", said(&output));
    for page in ["report.html", "matrix.html"] {
        let seen = parse(&directory.join(page));
        assert!(seen.contains("scripts 0 outside 0"), "{page}: {seen}");
        assert!(seen.contains("name True"), "{page}: {seen}");
        assert!(!seen.contains("'onclick'") && !seen.contains("'src'"), "{page}: {seen}");
    }
    let text = std::fs::read_to_string(directory.join("report.html")).expect("a page");
    let trips = records(&directory);
    let trips = of_kind(&trips, "trip");
    assert!(trips.len() > 3);
    for trip in trips {
        assert!(text.contains(&format!("<td>{}</td>", trip["seq"])), "trip {}", trip["seq"]);
    }
    for part in
        ["Is this log whole?", "Yes: every record", "Response-time budget", "Three ways to stop"]
    {
        assert!(text.contains(part), "{part}");
    }
    demo(&directory, &[("speed = \"400 mm/s\"", "speed = \"350 mm/s\"")]);
    let other = call(&directory, &report);
    assert_eq!(other.status.code(), Some(2), "another file than that of the log: {}", said(&other));
}

#[test]
fn a_page_over_a_log_that_was_touched_says_so_first() {
    let directory = scratch("audit-page-touched");
    demo(&directory, &[]);
    virtual_run(&directory, "cell.toml", "1", "5s");
    let path = directory.join(LOG).join("audit-00000001.jsonl");
    let text = std::fs::read_to_string(&path).expect("a log");
    std::fs::write(
        &path,
        text.replacen("emergency stop demands", "emergency stop Demands", 1).replacen(
            "person near demands",
            "person near Demands",
            1,
        ),
    )
    .expect("written");
    let output = call(&directory, &["audit", "report", LOG]);
    let page = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(page.contains("NO: ") && page.contains("changed after it was written"), "{page}");
}
