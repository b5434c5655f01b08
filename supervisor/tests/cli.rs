//! The command line from outside: exit codes, messages, and what a run leaves behind.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

mod folder;

use folder::Folder;
use serde_json::Value;

const NOBODY: u32 = 65_534;

fn machine(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/machines").join(name)
}

fn tactus(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tactus"));
    command.current_dir(folder).env("XDG_RUNTIME_DIR", folder).stdin(Stdio::null());
    command
}

fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{:?}\n{}\n{}", output.status, text(&output.stdout), text(&output.stderr))
}

/// Checks the exit code, and that what was said has all of `words`.
fn expect(output: &Output, code: i32, words: &[&str]) {
    let said = said(output);
    assert_eq!(output.status.code(), Some(code), "{said}");
    for word in words {
        assert!(said.contains(word), "{word} is missing in:\n{said}");
    }
    assert!(!said.contains("panicked"), "{said}");
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// The demo cell with something added at the end, in `folder`.
fn demo_with(folder: &Path, addition: &str) -> PathBuf {
    let path = folder.join("machine.toml");
    let text = std::fs::read_to_string(machine("demo-cell.toml")).unwrap();
    std::fs::write(&path, format!("{text}\n{addition}")).unwrap();
    path
}

/// All topics of a finished recording; panics if it is not one.
fn topics(path: &Path) -> std::collections::BTreeMap<String, u64> {
    let bytes = std::fs::read(path).unwrap();
    mcap::Summary::read(&bytes).unwrap().expect("the recording is finished");
    let mut topics = std::collections::BTreeMap::new();
    for message in mcap::MessageStream::new(&bytes).unwrap() {
        *topics.entry(message.unwrap().channel.topic.clone()).or_default() += 1;
    }
    topics
}

#[test]
fn a_wrong_file_ends_with_2_and_says_where_and_what() {
    let folder = Folder::new("cli-wrong-file");
    let path = demo_with(&folder, "[nonsense]\nx = 1\n");
    let output = tactus(&folder).arg("check").arg(&path).output().unwrap();
    expect(&output, 2, &["nonsense", "expected", "machine.toml:"]);
    let output = tactus(&folder).arg("run").arg(&path).output().unwrap();
    expect(&output, 2, &["nonsense"]);
    let output = tactus(&folder).args(["run", "absent.toml"]).output().unwrap();
    expect(&output, 2, &["absent.toml", "expected a TOML file"]);
    let output = tactus(&folder).args(["run", "--for", "60"]).output().unwrap();
    expect(&output, 2, &["500ms"]);
    assert!(!folder.join("recordings").exists(), "nothing was begun");
}

#[test]
fn check_answers_with_the_hash_that_cameras_carry_and_with_json() {
    let folder = Folder::new("cli-check");
    let file = machine("demo-cell.toml");
    let output = tactus(&folder).arg("check").arg(&file).output().unwrap();
    expect(&output, 0, &["right", "axes"]);
    let output = tactus(&folder).arg("check").arg(&file).arg("--hash").output().unwrap();
    expect(&output, 0, &["0x"]);
    assert_eq!(output.stdout.len(), 2 + 16 + 1, "{}", said(&output));
    let wrong = demo_with(&folder, "[nonsense]\n");
    let output = tactus(&folder).arg("check").arg(&wrong).arg("--json").output().unwrap();
    expect(&output, 2, &[]);
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(found["problems"][0]["line"].as_u64() > Some(1), "{found}");
    let output = tactus(&folder).arg("schema").output().unwrap();
    expect(&output, 0, &[]);
    let schema: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(schema["properties"]["axis"].is_object());
}

#[test]
fn an_interface_that_is_not_there_ends_with_3_and_names_those_that_are() {
    let folder = Folder::new("cli-no-interface");
    let file = machine("demo-cell.toml");
    for arguments in [["run", "--link", "raw:none0"], ["sim", "--iface", "none0"]] {
        let output = tactus(&folder).args(arguments).arg(&file).output().unwrap();
        // Without rights the system says that first; both are 3.
        expect(&output, 3, &["none0"]);
    }
}

#[test]
fn without_the_right_to_open_a_link_it_ends_with_3_and_says_how_to_get_it() {
    let folder = Folder::new("cli-no-right");
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777)).unwrap();
    let program = folder.join("tactus");
    std::fs::copy(env!("CARGO_BIN_EXE_tactus"), &program).unwrap();
    let file = demo_with(&folder, "");
    let mut command = Command::new(&program);
    if nix::unistd::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command.current_dir(&folder).arg("run").arg(&file).args(["--link", "raw:lo", "--no-record"]);
    expect(&command.output().unwrap(), 3, &["no permission", "cap_net_raw"]);
}

#[test]
fn a_recording_that_cannot_be_written_ends_with_3_before_anything_moves() {
    let folder = Folder::new("cli-no-recording");
    let output = tactus(&folder)
        .arg("run")
        .arg(machine("demo-cell.toml"))
        .args(["--virtual-time", "--for", "1s", "--record", "/proc/none/run.mcap"])
        .output()
        .unwrap();
    expect(&output, 3, &["/proc/none", "--no-record"]);
}

#[test]
fn a_device_without_power_ends_with_4_names_its_position_and_leaves_a_readable_recording() {
    let folder = Folder::new("cli-missing-device");
    let event = "[[scenario.event]]\nat = \"0 s\"\nbus = \"power_off\"\ndevice = \"drive_z\"\n";
    let file = demo_with(&folder, event);
    let output = tactus(&folder)
        .arg("run")
        .arg(&file)
        .args(["--virtual-time", "--for", "5s", "--record", "run.mcap", "--headless"])
        .output()
        .unwrap();
    expect(&output, 4, &["position 5", "drive_z", "nothing answers"]);
    let topics = topics(&folder.join("run.mcap"));
    assert_eq!(topics.get("/events"), Some(&1), "the recording says why: {topics:?}");
}

#[test]
fn a_device_that_is_lost_in_operation_stops_the_cell_and_ends_with_4() {
    let folder = Folder::new("cli-lost-device");
    let event = "[[scenario.event]]\nat = \"6 s\"\nbus = \"power_off\"\ndevice = \"drive_z\"\n";
    let file = demo_with(&folder, event);
    let output = tactus(&folder)
        .arg("run")
        .arg(&file)
        .args(["--virtual-time", "--for", "60s", "--record", "run.mcap", "--report", "r.json"])
        .output()
        .unwrap();
    expect(&output, 4, &["the bus was lost"]);
    let report = json(&folder.join("r.json"));
    assert_eq!(report["ended"]["reason"], "bus");
    assert!(report["cycles"].as_u64() < Some(30_000), "it gave up in time: {report:#}");
    assert!(report["trips_total"].as_u64() >= Some(1), "{report:#}");
    let records = &report["records"];
    let number = |name: &str| records[name].as_u64().unwrap();
    assert_eq!(number("produced"), number("stored") + number("dropped"));
    assert!(topics(&folder.join("run.mcap"))["/cycle"] > 6000);
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_does_not() {
    let folder = Folder::new("cli-bytes");
    let run = |seed: &str, name: &str| {
        let output = tactus(&folder)
            .arg("run")
            .arg(machine("demo-cell.toml"))
            .args(["--virtual-time", "--for", "4s", "--headless", "--seed", seed])
            .args(["--record", &format!("{name}.mcap"), "--report", &format!("{name}.json")])
            .output()
            .unwrap();
        expect(&output, 0, &[]);
        let read = |end| std::fs::read(folder.join(format!("{name}.{end}"))).unwrap();
        (read("mcap"), read("json"))
    };
    let (first, second, other) = (run("7", "a"), run("7", "b"), run("8", "c"));
    assert!(first.0 == second.0, "the recordings differ");
    assert!(first.0 != other.0, "the seed changes nothing");
    let without_path = |json: &[u8]| {
        let mut report: Value = serde_json::from_slice(json).unwrap();
        report["recording"] = Value::Null;
        report
    };
    assert_eq!(without_path(&first.1), without_path(&second.1));
    let report: Value = serde_json::from_slice(&first.1).unwrap();
    assert_eq!(report["allocations"], 0, "the cycle asked for memory");
    assert_eq!(report["frees"], 0);
    assert!(report["wake_up_latency_ns"].is_null(), "virtual time has no latency");
}

#[test]
// SR-046
fn ctrl_c_stops_the_axes_first_and_leaves_report_and_recording() {
    let folder = Folder::new("cli-ctrl-c");
    let child = tactus(&folder)
        .arg("run")
        .arg(machine("demo-cell.toml"))
        .args(["--headless", "--record", "run.mcap", "--report", "r.json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It runs: more than a second of cycles is in the recording.
    let begun = Instant::now();
    while std::fs::metadata(folder.join("run.mcap")).map_or(0, |it| it.len()) < 200_000 {
        assert!(begun.elapsed() < Duration::from_secs(60), "nothing is recorded");
        std::thread::sleep(Duration::from_millis(50));
    }
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    let asked = Instant::now();
    let output = child.wait_with_output().unwrap();
    assert!(asked.elapsed() < Duration::from_secs(15), "it took {:?}", asked.elapsed());
    let code = output.status.code();
    // A machine that is loaded beyond its means may have tripped before; that is 5 and told as such.
    assert!(matches!(code, Some(0 | 5)), "{}", said(&output));
    let report = json(&folder.join("r.json"));
    assert_eq!(report["ended"]["controlled"], true, "{report:#}");
    assert_eq!(report["exit_code"].as_i64(), code.map(i64::from));
    assert!(report["wake_up_latency_ns"]["max"].as_u64() > Some(0));
    assert!(report["resident_bytes"].as_u64() < Some(64 << 20), "{report:#}");
    for axis in report["axes"].as_array().unwrap() {
        assert_eq!(axis["state"], "disabled", "{axis}");
    }
    assert!(topics(&folder.join("run.mcap"))["/cycle"] > 500);
    let left = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name());
    let left: Vec<_> = left.filter(|name| name.to_string_lossy().ends_with(".sock")).collect();
    assert!(left.is_empty(), "sockets were left behind: {left:?}");
}
