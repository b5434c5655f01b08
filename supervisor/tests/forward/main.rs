//! Store and forward from outside: real processes, a real NATS server, and accounts that must hold whatever is killed.

mod broker;
mod fleet;
mod mqtt;
mod plant;
mod proxy;
mod sparkplug;

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use plant::{Authority, Folder, Hub, Process, answer, gateway_of, machine, run, stream, until};
use proxy::Proxy;

const SUBJECTS: [(&str, &str); 3] = [
    ("safety", "tactus.one-axis.safety"),
    ("event", "tactus.one-axis.event"),
    ("telemetry", "tactus.one-axis.telemetry"),
];

fn signal(process: i32, signal: Signal) {
    let _ = kill(Pid::from_raw(process), signal);
}

fn sleep_ms(ms: u64) {
    std::thread::sleep(Duration::from_millis(ms));
}

fn count(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("no number: {value}"))
}

/// Every sequence from 1 to what was produced is in the stream exactly once, or named as lost. Returns how many are there.
fn account(status: &Value, stream: &Value) -> Result<u64, String> {
    let mut there: BTreeMap<(&str, u64), u64> = BTreeMap::new();
    for message in stream.as_array().expect("messages") {
        let subject = message["subject"].as_str().expect("a subject");
        let (class, _) =
            SUBJECTS.iter().find(|(_, it)| *it == subject).ok_or("a foreign subject")?;
        let mut before = count(&message["first"]) - 1;
        for record in message["records"].as_array().expect("records") {
            let sequence = count(&record[0]);
            if sequence <= before {
                return Err(format!("{subject}: {sequence} after {before}"));
            }
            before = sequence;
            *there.entry((*class, sequence)).or_default() += 1;
        }
    }
    let mut all = 0;
    for lane in status["lanes"].as_array().expect("lanes") {
        let class = lane["class"].as_str().expect("a class");
        let lost = status["lost"].as_array().expect("losses").iter();
        let lost: Vec<_> = lost.filter(|range| range["class"] == class).collect();
        for sequence in 1..=count(&lane["produced"]) {
            let is_lost = lost
                .iter()
                .any(|range| (count(&range["first"])..=count(&range["last"])).contains(&sequence));
            match (there.remove(&(class, sequence)), is_lost) {
                (Some(1), false) => all += 1,
                (None, true) => {}
                (times, _) => {
                    return Err(format!("{class} {sequence}: {times:?} times, lost: {is_lost}"));
                }
            }
        }
        if count(&lane["queued"]) != 0 {
            return Err(format!("{class}: some still wait"));
        }
    }
    if let Some(((class, sequence), _)) = there.first_key_value() {
        return Err(format!("{class} {sequence} was never produced"));
    }
    Ok(all)
}

/// In order. A busy machine may hold the virtual axis up, which is a stop (5); that is not what is tested here.
fn ended(run: &mut Process) {
    let code = run.0.wait().unwrap().code();
    assert!(matches!(code, Some(0 | 5)), "{code:?}");
}

/// Sends the rest, and compares.
fn settle(folder: &Folder, machine: &str, hub: &Hub) -> (Value, u64) {
    let (code, drained) =
        answer(folder, &["forward", "drain", machine, "--state", "state", "--for", "60s"]);
    assert_eq!((code, &drained["balanced"]), (0, &true.into()), "{drained:#}");
    let (code, status) =
        answer(folder, &["forward", "status", machine, "--state", "state", "--json"]);
    assert_eq!((code, &status["balanced"]), (0, &true.into()), "{status:#}");
    let there =
        account(&status, &stream(hub.port)).unwrap_or_else(|wrong| panic!("{wrong}: {status:#}"));
    (status, there)
}

/// What the accounts of this test are worth: each kind of fault is found.
#[test]
fn the_accounts_find_what_is_missing_twice_out_of_order_or_invented() {
    let status = serde_json::json!({
        "lanes": [{ "class": "telemetry", "produced": 4, "queued": 0 }],
        "lost": [{ "class": "telemetry", "first": 3, "last": 3 }],
    });
    let stream = |sequences: &[u64]| {
        let records: Vec<_> = sequences.iter().map(|it| serde_json::json!([it, [0, 1]])).collect();
        serde_json::json!([{ "subject": SUBJECTS[2].1, "first": sequences[0], "records": records }])
    };
    assert_eq!(account(&status, &stream(&[1, 2, 4])), Ok(3));
    for (wrong, why) in [
        (vec![1, 4], "2: None times"),
        (vec![1, 2, 2, 4], "2 after 2"),
        (vec![1, 4, 2], "2 after 4"),
        (vec![1, 2, 3, 4], "3: Some(1) times, lost: true"),
        (vec![1, 2, 4, 5], "5 was never produced"),
    ] {
        let found = account(&status, &stream(&wrong)).unwrap_err();
        assert!(found.contains(why), "{wrong:?}: {found}");
    }
}

/// The gateway has no rights, and may be killed, stopped or imitated: the loop goes on, and nothing is lost.
#[test]
fn a_gateway_that_is_killed_or_stands_still_is_started_again_and_nothing_is_lost() {
    let folder = Folder::new("gateway");
    let hub = Hub::start(&folder, false);
    let file = machine(&folder, "machine.toml", hub.port, None);
    let mut process = run(&folder, &file, "14s");
    let pid = process.0.id();
    until("a gateway", || gateway_of(pid).is_some());
    let first = gateway_of(pid).unwrap();
    let status = || std::fs::read_to_string(format!("/proc/{first}/status")).unwrap_or_default();
    until("it has given its rights away", || status().contains("NoNewPrivs:\t1"));
    if nix::unistd::geteuid().is_root() {
        assert!(status().contains("CapEff:\t0000000000000000"), "{}", status());
        assert!(!status().contains("Uid:\t0"), "{}", status());
    }
    sleep_ms(1500);
    signal(first, Signal::SIGKILL);
    until("another gateway", || gateway_of(pid).is_some_and(|it| it != first));
    // Somebody else at its socket, with garbage, and with what looks right.
    let socket = std::env::temp_dir().join(format!("tactus-gateway-{pid}.sock"));
    for garbage in [vec![0xFF; 64], b"TGW\x01\xFF\xFF\xFF\xFF".to_vec()] {
        let mut stream = std::os::unix::net::UnixStream::connect(&socket).unwrap();
        let _ = stream.write_all(&garbage);
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        assert!(rest.is_empty(), "nobody else is answered");
    }
    let second = gateway_of(pid).unwrap();
    sleep_ms(1000);
    signal(second, Signal::SIGSTOP);
    until("the one that stands still is replaced", || {
        gateway_of(pid).is_some_and(|it| it != second)
    });
    ended(&mut process);
    let report: Value =
        serde_json::from_slice(&std::fs::read(folder.path("report.json")).unwrap()).unwrap();
    let forward = &report["forward"];
    assert_eq!(
        (&forward["balanced"], &forward["raw_lost"]),
        (&true.into(), &0.into()),
        "{forward:#}"
    );
    assert!(count(&forward["gateway"]["starts"]) >= 3, "{forward:#}");
    assert!(count(&forward["gateway"]["refused"]) >= 2, "{forward:#}");
    // Who knocked, and who was let in, is in the audit log.
    let logs = std::fs::read_dir(folder.path("state/audit")).unwrap();
    let log = logs.last().unwrap().unwrap().path().join("audit-00000001.jsonl");
    let log = std::fs::read_to_string(log).unwrap();
    let said: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |kind: &str, pid: u32| {
        said.iter().filter(|it| it["type"] == kind && it["pid"] == pid).count()
    };
    assert_eq!((of("login", first.unsigned_abs()), of("login", second.unsigned_abs())), (1, 1));
    assert!(of("login_refused", std::process::id()) >= 2);
    // A commit a tenth of a second, and one more for each safety event at most.
    assert!(
        count(&forward["commits"]) < 700,
        "the disk is not made to write all the time: {forward:#}"
    );
    let (status, there) = settle(&folder, &file, &hub);
    assert!(there > 1000, "{there}");
    assert_eq!(status["lost"].as_array().map(Vec::len), Some(0), "{status:#}");
}

/// Mutual TLS or nothing: refused, counted, and everything waits.
#[test]
fn a_wrong_an_expired_and_no_certificate_are_refused_and_what_waits_is_sent_with_the_right_one() {
    let folder = Folder::new("tls");
    let authority = Authority::new(&folder, "ca");
    let stranger = Authority::new(&folder, "stranger");
    authority.sign(&folder, "hub", false);
    authority.sign(&folder, "ours", false);
    authority.sign(&folder, "expired", true);
    stranger.sign(&folder, "forged", false);
    let mut hub = Hub::start(&folder, true);
    let right = machine(&folder, "right.toml", hub.port, Some(("ca", "ours")));
    hub.down();
    ended(&mut run(&folder, &right, "4s"));
    hub.up();
    for (name, tls) in [
        ("forged", Some(("ca", "forged"))),
        ("expired", Some(("ca", "expired"))),
        ("stranger", Some(("stranger", "ours"))),
        ("none", None),
    ] {
        let file = machine(&folder, &format!("{name}.toml"), hub.port, tls);
        let (code, report) =
            answer(&folder, &["forward", "drain", &file, "--state", "state", "--for", "2s"]);
        let sink = &report["gateway"]["sinks"][0];
        assert_eq!((code, &sink["records"]), (3, &0.into()), "{name}: {report:#}");
        assert!(sink["fault"].is_string(), "{name}: {report:#}");
        assert!(count(&sink["refused"]) >= 1 && report["balanced"] == true, "{name}: {report:#}");
    }
    let (code, report) =
        answer(&folder, &["forward", "drain", &right, "--state", "state", "--for", "60s"]);
    assert_eq!(code, 0, "{report:#}");
    assert!(report["lanes"].as_array().unwrap().iter().any(|lane| count(&lane["acked"]) > 100));
}

/// A small disk of its own (in a namespace of its own) is filled while the machine runs, and emptied again.
#[test]
fn a_full_disk_costs_nothing_as_long_as_memory_lasts_and_is_told() {
    let folder = Folder::new("full");
    // No hub: everything is to wait on the disk.
    let file = machine(&folder, "machine.toml", 9, None);
    std::fs::create_dir(folder.0.join("state")).unwrap();
    let script = format!(
        "set -e; mount -t tmpfs -o size=24m none state
         {tactus} run {file} --headless --no-record --state state --for 8s --report report.json 2> said &
         sleep 3; dd if=/dev/zero of=state/fill bs=64k 2> /dev/null || true
         sleep 2; rm state/fill; wait $! || true
         {tactus} forward status {file} --state state --json > status.json",
        tactus = env!("CARGO_BIN_EXE_tactus")
    );
    let mut command = std::process::Command::new("unshare");
    command.args(["--map-root-user", "--mount", "sh", "-c", &script]).current_dir(&folder.0);
    assert!(command.env("XDG_RUNTIME_DIR", &folder.0).status().unwrap().success());
    let read = |name: &str| std::fs::read_to_string(folder.0.join(name)).unwrap();
    let said = read("said");
    assert!(said.contains("NOTHING IS QUEUED") && said.contains("takes records again"), "{said}");
    assert!(!said.contains("DO NOT HOLD"), "{said}");
    let report: Value = serde_json::from_str(&read("report.json")).unwrap();
    let forward = &report["forward"];
    assert!(count(&forward["faults"]) >= 1 && forward["fault"].is_null(), "{forward:#}");
    assert!(count(&report["cycles"]) > 4000, "the machine ran on");
    let status: Value = serde_json::from_str(&read("status.json")).unwrap();
    assert_eq!(status["lost"].as_array().map(Vec::len), Some(0), "{status:#}");
    let telemetry = &status["lanes"][2];
    assert!(count(&telemetry["queued"]) > 1000, "{status:#}");
    assert_eq!(telemetry["produced"], telemetry["queued"], "{status:#}");
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

/// kill -9 of run, of gateway, of the server, a network that is cut or swallows everything, a run that stands still, at any moment, and
/// answers that come twice and out of order: every record is in the stream exactly once, or was in the
/// memory of the killed run and is named as lost. `TACTUS_ROUNDS` asks for more than what `./test` has time for.
#[test]
fn whatever_is_killed_every_record_is_there_exactly_once_or_counted() {
    let folder = Folder::new("rounds");
    let mut hub = Hub::start(&folder, false);
    let proxy = Proxy::start(hub.port);
    let file = machine(&folder, "machine.toml", proxy.port, None);
    let rounds =
        std::env::var("TACTUS_ROUNDS").ok().and_then(|it| it.parse().ok()).unwrap_or(10_u64);
    let mut seed =
        Seed(std::env::var("TACTUS_SEED").ok().and_then(|it| it.parse().ok()).unwrap_or(1));
    for _ in 0..rounds {
        let mut process: Process = run(&folder, &file, "1h");
        let pid = process.0.id();
        until("a gateway", || gateway_of(pid).is_some());
        sleep_ms(500 + seed.below(1500));
        match seed.below(7) {
            0 => {}
            1 | 2 => {
                hub.down();
                sleep_ms(seed.below(600));
                hub.up();
            }
            3 => proxy.cut(Duration::from_millis(seed.below(600))),
            4 => proxy.black_hole(Duration::from_millis(seed.below(600))),
            5 => {
                // The run stands still, and its gateway hears nothing.
                let run = i32::try_from(pid).unwrap();
                signal(run, Signal::SIGSTOP);
                sleep_ms(seed.below(600));
                signal(run, Signal::SIGCONT);
            }
            _ => {
                if let Some(gateway) = gateway_of(pid) {
                    signal(gateway, Signal::SIGKILL);
                }
            }
        }
        sleep_ms(seed.below(700));
        process.kill();
    }
    let said = std::fs::read_to_string(folder.0.join("said")).unwrap();
    assert!(!said.contains("DO NOT HOLD"), "at every moment: {said}");
    let (status, there) = settle(&folder, &file, &hub);
    assert!(proxy.repeated() > rounds, "{} answers came twice", proxy.repeated());
    assert!(there > 100 * rounds, "{there} in {rounds} rounds");
    println!("{rounds} rounds: {there} records, {} answers twice", proxy.repeated());
    let lost = status["lost"].as_array().unwrap();
    assert!(lost.iter().all(|range| range["reason"] == "killed"), "{status:#}");
}
