//! A run that fails leaves its report too: the same shape, why it ended, and null for what nobody knows.

use std::collections::BTreeSet;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

mod folder;

use folder::Folder;
use serde_json::Value;

const NOBODY: u32 = 65_534;

fn demo() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/machines/demo-cell.toml");
    std::fs::read_to_string(path).unwrap()
}

struct Run {
    code: i32,
    report: Value,
    said: String,
}

/// Runs `text` as a machine file; the report of `--report` and that of `--json` are the same.
fn run(name: &str, text: Option<&str>, arguments: &[&str], unprivileged: bool) -> Run {
    let folder = Folder::new(&format!("failed-{name}"));
    if let Some(text) = text {
        std::fs::write(folder.join("machine.toml"), text).unwrap();
    }
    let mut program = PathBuf::from(env!("CARGO_BIN_EXE_tactus"));
    if unprivileged {
        // Where anybody may read it. By a process of its own: a copy that is still open for writing in this one when another test
        // forks cannot be run.
        let copy = folder.join("tactus");
        assert!(Command::new("cp").arg(&program).arg(&copy).status().unwrap().success());
        program = copy;
    }
    let mut command = Command::new(program);
    command.current_dir(&folder).env("XDG_RUNTIME_DIR", &folder).stdin(Stdio::null());
    if unprivileged && nix::unistd::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command.args(["run", "machine.toml", "--report", "report.json", "--json"]).args(arguments);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!said.contains("panicked"), "{said}");
    let report = std::fs::read(folder.join("report.json"));
    let report = report.unwrap_or_else(|wrong| panic!("no report: {wrong}: {said}"));
    let report: Value = serde_json::from_slice(&report).unwrap();
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report, printed, "--json prints what --report leaves");
    Run { code: output.status.code().unwrap(), report, said }
}

fn keys(report: &Value) -> BTreeSet<String> {
    report.as_object().unwrap().keys().cloned().collect()
}

/// All that holds of every run that failed before its first cycle.
fn check(run: &Run, code: i32, reason: &str, words: &[&str]) {
    let Run { report, said, .. } = run;
    assert_eq!(run.code, code, "{report:#} {said}");
    assert_eq!(report["exit_code"], code);
    assert_eq!(report["ended"]["reason"], reason, "{report:#}");
    assert_eq!(report["ended"]["machine"], Value::Null);
    assert_eq!(report["ended"]["controlled"], false);
    let message = report["ended"]["message"].as_str().unwrap();
    for word in words {
        assert!(message.contains(word), "{word}: {message}");
    }
    assert!(said.contains(message), "the report says what people are told: {said}");
    assert_eq!(report["cycles"], 0);
    assert_eq!(report["trips_total"], 0);
    let nobody_knows =
        ["allocations", "frees", "page_faults", "wake_up_latency_ns", "execution_time_ns"];
    for unknown in nobody_knows {
        assert_eq!(report[unknown], Value::Null, "{unknown}: {report:#}");
    }
    for axis in report["axes"].as_array().unwrap() {
        assert_eq!(axis["position"], Value::Null, "{axis}");
        assert_eq!(axis["state"], Value::Null, "{axis}");
        assert_eq!(axis["referenced"], Value::Null, "{axis}");
    }
}

/// What the machine file says is in it.
fn knows_the_machine(report: &Value) {
    assert_eq!(report["machine"], "demo-cell");
    assert_eq!(report["period_ns"], 1_000_000);
    assert_eq!(report["axes"].as_array().unwrap().len(), 3, "{report:#}");
    assert_eq!(report["config_hash"].as_str().unwrap().len(), 64);
}

#[test]
fn a_run_that_works_and_one_that_fails_have_the_same_keys() {
    let arguments = ["--virtual-time", "--for", "1s", "--no-record"];
    let well = run("well", Some(&demo()), &arguments, false);
    assert_eq!(well.code, 0, "{}", well.said);
    assert_eq!(well.report["ended"]["reason"], "completed");
    for text in [Some("[nonsense]\n"), None] {
        let failed = run("nonsense", text, &arguments, false);
        assert_eq!(keys(&well.report), keys(&failed.report));
        assert_eq!(keys(&well.report["ended"]), keys(&failed.report["ended"]));
        assert_eq!(keys(&well.report["records"]), keys(&failed.report["records"]));
    }
}

#[test]
fn a_wrong_file_leaves_a_report_with_2() {
    let wrong = run("wrong-file", Some("[nonsense]\n"), &[], false);
    check(&wrong, 2, "file", &["nonsense"]);
    for unknown in ["machine", "period_ns", "link", "realtime", "seed"] {
        assert_eq!(wrong.report[unknown], Value::Null, "{unknown}");
    }
    assert_eq!(wrong.report["config_hash"].as_str().unwrap().len(), 64, "its bytes are known");
    let absent = run("absent-file", None, &["--link", "virtual", "--seed", "9"], false);
    check(&absent, 2, "file", &["machine.toml"]);
    assert_eq!(absent.report["config_hash"], Value::Null);
    assert_eq!((&absent.report["link"], &absent.report["seed"]), (&"virtual".into(), &9.into()));
    let arguments = ["--virtual-time", "--link", "raw:eth7"];
    let contradiction = run("contradiction", Some(&demo()), &arguments, false);
    check(&contradiction, 2, "file", &["raw:eth7"]);
    knows_the_machine(&contradiction.report);
}

#[test]
fn an_interface_that_is_absent_or_forbidden_leaves_a_report_with_3() {
    let absent = run("absent-interface", Some(&demo()), &["--link", "raw:none0"], false);
    check(&absent, 3, "environment", &["none0"]);
    knows_the_machine(&absent.report);
    assert_eq!(absent.report["link"], "raw:none0");
    assert_eq!(absent.report["seed"], Value::Null, "real devices have none");
    let forbidden = run("forbidden", Some(&demo()), &["--link", "raw:lo"], true);
    check(&forbidden, 3, "environment", &["no permission"]);
    knows_the_machine(&forbidden.report);
}

#[test]
// SR-047
fn strict_real_time_that_is_refused_leaves_a_report_with_3() {
    let strict = demo().replacen("realtime = \"degraded\"", "realtime = \"strict\"", 1);
    let refused = run("strict", Some(&strict), &["--no-record"], true);
    check(&refused, 3, "environment", &["strict real time"]);
    knows_the_machine(&refused.report);
}

#[test]
fn a_recording_that_cannot_be_written_leaves_a_report_with_3() {
    let arguments = ["--virtual-time", "--for", "1s", "--record", "/proc/none/run.mcap"];
    let refused = run("no-recording", Some(&demo()), &arguments, false);
    check(&refused, 3, "environment", &["/proc/none"]);
    knows_the_machine(&refused.report);
}

#[test]
fn a_segment_that_does_not_match_leaves_a_report_with_4_in_virtual_and_in_real_time() {
    let event = "[[scenario.event]]\nat = \"0 s\"\nbus = \"power_off\"\ndevice = \"drive_z\"\n";
    let text = format!("{}\n{event}", demo());
    for arguments in [&["--virtual-time", "--for", "5s"][..], &["--for", "5s"]] {
        let arguments = [arguments, &["--record", "run.mcap"]].concat();
        let missing = run("missing-device", Some(&text), &arguments, false);
        check(&missing, 4, "bus", &["position 5", "drive_z"]);
        knows_the_machine(&missing.report);
        assert!(missing.report["realtime"].is_string(), "admission was over");
        assert_eq!(missing.report["recording"], "run.mcap");
        let records = &missing.report["records"];
        assert_eq!(records["produced"], 0);
        assert!(records["bytes"].as_u64() > Some(0), "the recording says why: {records}");
    }
}

#[test]
fn a_safety_stop_that_nobody_resolves_leaves_its_report_with_5() {
    let event = "[[scenario.event]]\nat = \"6 s\"\npress = [\"estop_a\", \"estop_b\"]\n";
    let arguments = ["--virtual-time", "--for", "8s", "--no-record"];
    let stopped = run("stopped", Some(&format!("{}\n{event}", demo())), &arguments, false);
    assert_eq!((stopped.code, &stopped.report["exit_code"]), (5, &5.into()), "{}", stopped.said);
    assert_eq!(stopped.report["ended"]["reason"], "safety_stop");
    assert!(stopped.report["cycles"].as_u64() > Some(6000));
}
