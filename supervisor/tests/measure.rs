//! `tactus latency` and `tactus tune` from outside: what they must find, what they must not claim, bad input, and Ctrl-C.
//!
//! Run as root they measure; without the rights for it they must say what is missing.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid};
mod folder;

use folder::Folder;
use serde_json::Value;

const NOBODY: u32 = 65_534;

/// Two that measure at once would measure each other.
static ALONE: Mutex<()> = Mutex::new(());

fn machine(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/machines").join(name)
}

fn tactus(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tactus"));
    command.args(arguments).current_dir(folder).env("XDG_RUNTIME_DIR", folder).stdin(Stdio::null());
    command
}

fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{:?}\n{}\n{}", output.status, text(&output.stdout), text(&output.stderr))
}

fn expect(output: &Output, code: i32, words: &[&str]) {
    let said = said(output);
    assert_eq!(output.status.code(), Some(code), "{said}");
    for word in words {
        assert!(said.contains(word), "{word} is missing in:\n{said}");
    }
    assert!(!said.contains("panicked"), "{said}");
}

/// What a measurement says; its exit code must say the same. `None`: there are no rights here, and it said so.
fn measured(output: &Output, codes: &[(&str, i32)]) -> Option<Value> {
    if !Uid::effective().is_root() && output.status.code() == Some(3) && output.stdout.is_empty() {
        expect(output, 3, &["fix:"]);
        return None;
    }
    let found: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|wrong| panic!("{wrong}: {}", said(output)));
    let verdict = found["verdict"].as_str().unwrap();
    let code = codes.iter().find(|(name, _)| *name == verdict).map(|(_, code)| *code);
    assert_eq!(output.status.code(), code, "{}", said(output));
    Some(found)
}

fn latency(arguments: &[&str]) -> Option<Value> {
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let common = ["latency", "--json", "--period", "500us", "--block-length", "200ms"];
    let output = tactus(&std::env::temp_dir(), &[&common, arguments].concat()).output().unwrap();
    measured(&output, &[("pass", 0), ("fail", 3), ("inconclusive", 6)])
}

#[test]
fn our_loop_against_itself_does_not_fail() {
    let Some(found) = latency(&["--against-itself", "--blocks", "12"]) else { return };
    assert_ne!(found["verdict"], "fail", "{found:#}");
    assert_eq!(found["ours"]["latency_ns"]["count"], 12 * 400, "every wake-up is there");
    assert_eq!(found["pairs"].as_array().unwrap().len(), 12);
    assert!(found["disturbance"]["steal_permille"].is_u64(), "{found:#}");
    // A second CPU, and there is a witness on it, before all ordinary threads.
    if std::thread::available_parallelism().unwrap().get() > 1 {
        assert_ne!(found["witness"]["cpu"], found["cpu"], "{found:#}");
        assert_eq!(found["witness"]["realtime"], true, "{found:#}");
    }
}

#[test]
fn twenty_microseconds_a_cycle_are_found() {
    for against in [&["--against-itself", "--blocks", "16"][..], &["--blocks", "12"]] {
        let arguments = [&["--inject", "20us"], against].concat();
        let Some(found) = latency(&arguments) else { return };
        // An open verdict has an excuse, or there is none.
        let excused = !found["unquiet"].as_array().unwrap().is_empty();
        let verdict = found["verdict"].as_str().unwrap();
        assert!(verdict == "fail" || (verdict == "inconclusive" && excused), "{found:#}");
        assert!(found["p50"]["difference_ns"].as_f64().unwrap() > 0.0, "{found:#}");
    }
}

#[test]
fn what_nobody_could_overlook_fails_on_any_machine() {
    let Some(found) = latency(&["--against-itself", "--inject", "400us", "--blocks", "9"]) else {
        return;
    };
    assert_eq!(found["verdict"], "fail", "{found:#}");
    assert!(found["ours"]["latency_ns"]["p50"].as_u64().unwrap() >= 400_000);
}

#[test]
fn cyclictest_is_measured_as_we_are_and_both_are_drawn() {
    let folder = Folder::new("measure-plot");
    let plot = folder.join("latency.svg");
    let arguments = ["--blocks", "9", "--load", "hackbench", "--plot", plot.to_str().unwrap()];
    let Some(found) = latency(&arguments) else { return };
    for side in ["ours", "theirs"] {
        let bins = found[side]["histogram"].as_array().unwrap();
        let counted: u64 = bins.iter().map(|bin| bin[1].as_u64().unwrap()).sum();
        let above = found[side]["above"].as_u64().unwrap();
        assert!((counted + above).abs_diff(9 * 400) <= 9, "{side}: {counted} and {above}");
    }
    assert_eq!(found["theirs"]["name"], "cyclictest");
    assert_eq!(found["load"], "hackbench");
    let svg = std::fs::read_to_string(plot).unwrap();
    assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
    assert_eq!(svg.matches("<path").count(), 2, "two curves");
    assert!(
        svg.contains("cyclictest: p50") && svg.contains("tactus: p50") && svg.contains("100 µs")
    );
    assert!(!svg.contains("NaN") && !svg.contains("inf"), "every place is a number");
}

#[test]
fn latency_says_what_is_wrong_with_what_it_is_asked() {
    let folder = Folder::new("measure-latency-input");
    let cases: [(&[&str], i32, &[&str]); 9] = [
        (&["--priority", "100"], 2, &["1..=99"]),
        (&["--priority", "0"], 2, &["1..=99"]),
        (&["--blocks", "3"], 2, &["9..=1000"]),
        (&["--period", "10us"], 2, &["--period", "50us to 100ms"]),
        (&["--period", "1"], 2, &["with its unit"]),
        (&["--spin", "1ms"], 2, &["--spin", "never sleep"]),
        (&["--block-length", "10ms"], 2, &["--block-length", "200 periods"]),
        (&["--load", "dd"], 2, &["stress-ng", "hackbench"]),
        (&["--cpu", "4000", "--against-itself"], 3, &["CPU 4000", "online", "fix:", "--cpu"]),
    ];
    for (arguments, code, words) in cases {
        let output = tactus(&folder, &[&["latency"], arguments].concat()).output().unwrap();
        expect(&output, code, words);
    }
    let plot =
        ["latency", "--against-itself", "--blocks", "9", "--block-length", "20ms", "--period"];
    let plot = [&plot[..], &["50us", "--plot", "/nowhere/at/all.svg"]].concat();
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    expect(&tactus(&folder, &plot).output().unwrap(), 3, &[]);
}

#[test]
fn programs_that_are_not_installed_are_named_with_the_command_that_installs_them() {
    let folder = Folder::new("measure-not-installed");
    let output = tactus(&folder, &["latency"]).env("PATH", &folder).output().unwrap();
    expect(&output, 3, &["cyclictest is not installed", "apt-get install rt-tests"]);
    if Uid::effective().is_root() {
        let found = std::env::split_paths(&std::env::var_os("PATH").unwrap())
            .map(|folder| folder.join("cyclictest"))
            .find(|path| path.is_file())
            .expect("./test installs it");
        symlink(found, folder.join("cyclictest")).unwrap();
        let arguments = ["latency", "--load", "stress-ng"];
        let output = tactus(&folder, &arguments).env("PATH", &folder).output().unwrap();
        expect(&output, 3, &["stress-ng is not installed", "apt-get install stress-ng"]);
    }
}

#[test]
fn without_the_right_to_be_real_time_it_says_so_and_measures_nothing_else() {
    let folder = Folder::new("measure-no-right");
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777)).unwrap();
    let program = folder.join("tactus");
    std::fs::copy(env!("CARGO_BIN_EXE_tactus"), &program).unwrap();
    let mut command = Command::new(&program);
    command.args(["latency", "--against-itself"]).current_dir(&folder).stdin(Stdio::null());
    if Uid::effective().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    let output = command.output().unwrap();
    expect(&output, 3, &["SCHED_FIFO 80", "CAP_SYS_NICE", "setcap"]);
    assert!(output.stdout.is_empty(), "{}", said(&output));
}

/// Processes whose parent is `parent`.
fn children(parent: u32) -> Vec<i32> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let rest = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
        rest.split(' ').nth(1) == Some(&parent.to_string())
    })
    .collect()
}

#[test]
fn ctrl_c_ends_it_and_everything_that_it_began() {
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let folder = Folder::new("measure-ctrl-c");
    let arguments = ["latency", "--json", "--load", "hackbench", "--block-length", "3s"];
    let mut command = tactus(&folder, &arguments);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Load and cyclictest are there.
    let began = Instant::now();
    let mut begun = Vec::new();
    while begun.len() < 2 && began.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(20));
        begun = children(child.id());
    }
    let there = |pid: &i32| Path::new(&format!("/proc/{pid}")).exists();
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGINT).unwrap();
    let asked = Instant::now();
    let output = child.wait_with_output().unwrap();
    if let Some(found) = measured(&output, &[("inconclusive", 6)]) {
        assert_eq!(begun.len(), 2, "load and cyclictest were there");
        assert_eq!(found["interrupted"], true);
        assert!(asked.elapsed() < Duration::from_secs(15), "{:?}", asked.elapsed());
    }
    assert!(!begun.iter().any(there), "somebody outlived it");
}

fn tune(arguments: &[&str]) -> Value {
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let folder = Folder::new("measure-tune");
    let file = machine("demo-cell.toml");
    let common = ["tune", "--json", file.to_str().unwrap()];
    let output = tactus(&folder, &[&common, arguments].concat()).output().unwrap();
    let codes = [("found", 0), ("nothing_sustained", 3), ("inconclusive", 6)];
    measured(&output, &codes).unwrap_or_else(|| panic!("{}", said(&output)))
}

#[test]
fn tune_finds_a_planted_limit_and_enables_no_axis() {
    let top = Folder::new("measure-tune-snippet");
    let snippet = top.join("cycle.toml");
    let found = tune(&[
        "--delay",
        "1ms",
        "--shortest",
        "1ms",
        "--longest",
        "4ms",
        "--trial",
        "1s",
        "--output",
        snippet.to_str().unwrap(),
    ]);
    // given a step of more than 1 ms: 1 ms cannot be sustained, whatever the machine does meanwhile
    let first = &found["trials"][0];
    assert_eq!(first["setting"]["period_ns"], 1_000_000);
    assert_eq!((&first["result"], &first["limit"]), (&"not_sustained".into(), &"step".into()));
    assert!(first["measured"]["step"]["p50"].as_u64().unwrap() >= 1_000_000, "{found:#}");
    // then nothing below 1.5 ms is recommended, and what is can be read as a machine file's [cycle]
    match found["recommended"]["period_ns"].as_u64() {
        Some(period) => {
            assert!(period >= 1_500_000, "{found:#}");
            let text = std::fs::read_to_string(&snippet).unwrap();
            assert_eq!(Some(text.as_str()), found["snippet"].as_str());
            assert!(text.contains("[cycle]\nperiod = "), "{text}");
        }
        // A machine that others use may leave it open, and then says why.
        None => {
            assert_eq!(found["verdict"], "inconclusive", "{found:#}");
            let trials = found["trials"].as_array().unwrap();
            assert!(trials.iter().any(|trial| trial["result"] == "unclear"), "{found:#}");
        }
    }
    assert_eq!(found["axes_had_power"], false);
}

#[test]
fn tune_lets_axes_be_enabled_only_when_asked_to() {
    let one = ["--shortest", "1ms", "--longest", "1ms", "--trial", "12s"];
    let found = tune(&[&one[..], &["--enable-axes"]].concat());
    assert_eq!(found["axes_had_power"], true, "the operator started it: {found:#}");
    let found = tune(&one);
    assert_eq!((&found["axes_allowed"], &found["axes_had_power"]), (&false.into(), &false.into()));
    assert!(found["trials"][0]["measured"]["cycles"].as_u64().unwrap() > 1_000, "{found:#}");
}

#[test]
fn tune_says_what_is_wrong_with_what_it_is_asked() {
    let folder = Folder::new("measure-tune-input");
    let demo = machine("demo-cell.toml");
    let demo = demo.to_str().unwrap();
    let cases: [(&[&str], i32, &[&str]); 6] = [
        (&["absent.toml"], 2, &["absent.toml", "expected a TOML file"]),
        (&[demo, "--shortest", "2ms", "--longest", "1ms"], 2, &["--shortest", "--longest"]),
        (&[demo, "--margin", "100"], 2, &["5..=90"]),
        (&[demo, "--trial", "10ms"], 2, &["--trial", "200ms"]),
        (&[demo, "--link", "eth1"], 2, &["raw:"]),
        (&[demo, "--link", "raw:none0"], 3, &["none0"]),
    ];
    for (arguments, code, words) in cases {
        let output = tactus(&folder, &[&["tune"], arguments].concat()).output().unwrap();
        expect(&output, code, words);
    }
}
