//! Recordings from outside: killed runs, what is left of them, and what other programs read of it.

mod folder;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use folder::Folder;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

const MACHINE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/machines/one-axis.toml");
const SECOND_NS: u64 = 1_000_000_000;

/// Killed with its test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn tactus(folder: &Folder, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tactus"));
    command.current_dir(folder).env("XDG_RUNTIME_DIR", folder as &Path).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn answer(folder: &Folder, arguments: &[&str]) -> Value {
    let output = tactus(folder, arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).output();
    let output = output.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|wrong| panic!("{wrong}: {said}"))
}

fn python(folder: &Folder, script: &str, arguments: &[&str]) -> String {
    let python = std::env::var("TACTUS_PYTHON").expect("TACTUS_PYTHON names a Python; ./test does");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/third-party").join(script);
    let output = Command::new(python).current_dir(folder).arg(script).args(arguments).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn count(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("no number: {value}"))
}

/// A run that is killed so long after its recording has begun to grow. When that was, ns of CLOCK_MONOTONIC.
fn killed_run(folder: &Folder, name: &str, after: Duration) -> u64 {
    let recording = format!("rec/{name}.mcap");
    let arguments = ["run", MACHINE, "--headless", "--record", &recording, "--state", "state"];
    let process = Process(tactus(folder, &arguments).spawn().unwrap());
    let patience = Instant::now() + Duration::from_secs(60);
    let length = || std::fs::metadata(folder.join(&recording)).map_or(0, |it| it.len());
    while length() < 100_000 {
        assert!(Instant::now() < patience, "nothing is recorded");
        std::thread::sleep(Duration::from_millis(10));
    }
    // When it happens is what is drawn here; nothing is waited for.
    std::thread::sleep(after);
    let at = rt_linux::clock::now();
    kill(Pid::from_raw(process.0.id().cast_signed()), Signal::SIGKILL).unwrap();
    at
}

/// A seeded number, the same on every machine.
struct Seed(u64);

impl Seed {
    fn below(&mut self, end: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// kill -9 at any moment: the recording is closed, other readers open it, the last second at most is missing, and the ledger says how
/// many records that were. `TACTUS_ROUNDS` asks for more than what `./test` has time for.
#[test]
fn a_killed_run_loses_the_last_second_at_most_and_the_ledger_counts_every_record_of_it() {
    let folder = Folder::new("killed-recordings");
    let rounds = std::env::var("TACTUS_ROUNDS").ok().and_then(|it| it.parse().ok()).unwrap_or(3);
    let mut seed = Seed(7);
    let mut longest = 0;
    for round in 0..rounds {
        let name = format!("r{round}");
        let at = killed_run(&folder, &name, Duration::from_millis(seed.below(1_200)));
        let recording = format!("rec/{name}.mcap");
        if round % 2 == 0 {
            // By hand; every other time the next run does it.
            let recovered = answer(&folder, &["recover", &recording, "--json"]);
            let lost_ns = at.saturating_sub(count(&recovered[0]["last_time_ns"]));
            longest = longest.max(lost_ns);
            assert_eq!(recovered[0]["was_whole"], false, "{recovered}");
            python(&folder, "read_recording.py", &[&recording]);
        }
    }
    println!("longest lost tail: {} ms", longest / 1_000_000);
    assert!(longest <= SECOND_NS, "{longest} ns are missing");
    let last = ["run", MACHINE, "--headless", "--record", "rec/last.mcap", "--state", "state"];
    let mut command = tactus(&folder, &last);
    let code = command.args(["--for", "1s", "--report", "report.json"]).status().unwrap().code();
    // A busy machine may hold the virtual axis up, which is a stop (5); that is not what is tested here.
    assert!(matches!(code, Some(0 | 5)), "{code:?}");
    for round in 0..rounds {
        python(&folder, "read_recording.py", &[&format!("rec/r{round}.mcap")]);
    }
    let report: Value =
        serde_json::from_slice(&std::fs::read(folder.join("report.json")).unwrap()).unwrap();
    assert_eq!(report["records"]["balanced"], true, "{}", report["records"]);
    assert!(count(&report["records"]["high_water"]) > 0, "{}", report["records"]);
    let ledger = answer(&folder, &["ledger", MACHINE, "--state", "state", "--json"]);
    assert_eq!(ledger["balanced"], true, "{ledger:#}");
    assert_eq!((count(&ledger["runs"]), count(&ledger["killed"])), (rounds + 1, rounds));
    assert_eq!(count(&ledger["without_page"]), 0, "{ledger:#}");
    let there =
        count(&ledger["stored"]) + count(&ledger["dropped"]) + count(&ledger["lost_by_kill"]);
    assert_eq!(there, count(&ledger["produced"]), "{ledger:#}");
    assert!(count(&ledger["stored"]) > 1_000 * rounds, "{ledger:#}");
    // Less than a second of this machine, a kill.
    assert!(count(&ledger["lost_by_kill"]) < 20_000 * rounds, "{ledger:#}");
    for loss in ledger["losses"].as_array().unwrap().iter().filter(|it| it["reason"] == "killed") {
        let (first, last) = (count(&loss["range"][0]), count(&loss["range"][1]));
        assert_eq!(last - first + 1, count(&loss["records"]), "{loss}");
    }
}

/// The other formats, read by programs that we did not write, hold what the recording holds.
#[test]
fn what_is_exported_is_what_is_recorded() {
    let folder = Folder::new("exported");
    let arguments = ["run", MACHINE, "--virtual-time", "--for", "2s", "--headless"];
    let status = tactus(&folder, &arguments).args(["--record", "a.mcap"]).status().unwrap();
    assert!(status.success());
    let export = |arguments: &[&str]| {
        let status = tactus(&folder, &["export", "a.mcap"]).args(arguments).status().unwrap();
        status.code()
    };
    assert_eq!(export(&["-o", "all.jsonl"]), Some(0));
    let csv = ["--format", "csv", "--topics", "/axes/*,/events", "-o", "axes.csv"];
    assert_eq!(export(&csv), Some(0));
    python(&folder, "read_export.py", &["a.mcap", "all.jsonl", "axes.csv"]);
    let times = ["--topics", "/cycle", "--from", "500ms", "--to", "600ms", "-o", "some.jsonl"];
    assert_eq!(export(&times), Some(0));
    let some = std::fs::read_to_string(folder.join("some.jsonl")).unwrap();
    assert!((100..=102).contains(&some.lines().count()), "{}", some.lines().count());
    assert_eq!(export(&["--topics", "/nothing", "-o", "none"]), Some(3), "it is told");
    // One that nobody ended is read as far as it goes.
    let bytes = std::fs::read(folder.join("a.mcap")).unwrap();
    std::fs::write(folder.join("a.mcap"), &bytes[..bytes.len() / 2]).unwrap();
    assert_eq!(export(&["--topics", "/cycle", "-o", "half.jsonl"]), Some(0));
    let half = std::fs::read_to_string(folder.join("half.jsonl")).unwrap();
    assert!((500..1_800).contains(&half.lines().count()), "{}", half.lines().count());
}
