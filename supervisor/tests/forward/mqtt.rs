//! The edge node of Sparkplug B: real processes, a real Mosquitto, hosts that we did not write.

use std::collections::BTreeMap;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::broker::{Broker, Watcher, certificates, machine, paths};
use crate::plant::{Folder, answer, gateway_of, run, until};
use crate::sparkplug::violations;
use crate::{Seed, count, ended, sleep_ms};

const NCMD: &str = "spBv1.0/tactus/NCMD/one-axis";

fn report(folder: &Folder) -> Value {
    let report = std::fs::read(folder.path("report.json")).expect("a report");
    serde_json::from_slice::<Value>(&report).expect("JSON")["forward"].clone()
}

fn kind(message: &Value) -> &str {
    message["topic"].as_str().and_then(|it| it.split('/').nth(2)).unwrap_or_default()
}

fn assert_conforms(heard: &[Value]) {
    let wrong = violations(heard, "tactus", "one-axis");
    assert!(wrong.is_empty(), "{} violations: {:#?}", wrong.len(), &wrong[..wrong.len().min(5)]);
}

/// Metrics of a message; of a template its members.
fn leaves(message: &Value) -> Vec<&Value> {
    let mut all = Vec::new();
    for metric in message["metrics"].as_array().into_iter().flatten() {
        match metric["value"]["metrics"].as_array() {
            Some(members) => all.extend(members),
            None => all.push(metric),
        }
    }
    all
}

/// Class and sequence of each record, as often as it came.
fn sequences(heard: &[Value]) -> BTreeMap<(String, u64), u64> {
    let mut there = BTreeMap::new();
    for leaf in heard.iter().filter(|it| kind(it).ends_with("DATA")).flat_map(leaves) {
        let properties = &leaf["properties"];
        if let (Some(class), Some(number)) =
            (properties["Class"].as_str(), properties["Sequence"].as_u64())
        {
            *there.entry((class.to_owned(), number)).or_default() += 1;
        }
    }
    there
}

/// Every sequence that was produced has come, at least once, or is named as lost; nothing else has. Returns how many.
fn account(status: &Value, heard: &[Value]) -> Result<usize, String> {
    let mut there = sequences(heard);
    let mut all = 0;
    for lane in status["lanes"].as_array().ok_or("no lanes")? {
        let class = lane["class"].as_str().ok_or("no class")?;
        let lost = status["lost"].as_array().ok_or("no losses")?;
        let is_lost = |sequence| {
            lost.iter().any(|it| {
                it["class"] == class
                    && (count(&it["first"])..=count(&it["last"])).contains(&sequence)
            })
        };
        for sequence in 1..=count(&lane["produced"]) {
            match (there.remove(&(class.to_owned(), sequence)), is_lost(sequence)) {
                (Some(_), false) => all += 1,
                (None, true) => {}
                (times, lost) => {
                    return Err(format!("{class} {sequence}: {times:?} times, lost: {lost}"));
                }
            }
        }
    }
    match there.first_key_value() {
        Some((invented, _)) => Err(format!("{invented:?} was never produced")),
        None => Ok(all),
    }
}

#[test]
fn births_and_data_come_over_mutual_tls_as_the_specification_says_and_a_foreign_host_reads_them() {
    let folder = Folder::new("sparkplug");
    certificates(&folder);
    let broker = Broker::start(&folder, true);
    let [ca, certificate, key] = paths(&folder, ("ca", "host"));
    let tls = ["--tls", &ca, &certificate, &key];
    let mut watcher = Watcher::start("watch_sparkplug.py", broker.port, &tls);
    watcher.ready();
    // A command that the broker keeps is of yesterday.
    watcher.publish(&rebirth(true));
    let more = [&["tactus", "one-axis", "--data", "20"], &tls[..]].concat();
    let host = Watcher::start("host_sparkplug.py", broker.port, &more);
    until("the foreign host listens", || host.count(|it| it["kind"] == "ready") > 0);
    let file = machine(
        &folder,
        "machine.toml",
        broker.port,
        Some(("ca", "ours")),
        "rebirth_cooldown = \"1 s\"",
    );
    let mut process = run(&folder, &file, "12s");
    until("data", || watcher.of_kind("DDATA") > 3);
    hostile(&mut watcher);
    until("the foreign host asked for a birth and got it", || {
        host.count(|it| it["kind"] == "NBIRTH") >= 2
    });
    ended(&mut process);
    let heard = watcher.heard();
    assert_conforms(&heard);
    // What the foreign host made of it: names and types from the birth.
    let read = host.heard();
    let position = |it: &Value| {
        let metrics = it["metrics"].as_array().map_or(&[][..], Vec::as_slice);
        metrics.iter().any(|it| it[0] == "axes/table/position" && it[2].is_f64())
    };
    assert!(read.iter().any(|it| it["kind"] == "DDATA" && position(it)), "{read:#?}");
    let forward = report(&folder);
    let state = &forward["gateway"]["sinks"][0];
    let counts = &state["sparkplug"];
    assert!(count(&counts["rebirths"]) >= 1, "{state:#}");
    // A metric that is none, one that nobody may write, one of a wrong type, a device's, one that was kept, and what acknowledges
    // where nobody is asked to.
    assert!(count(&counts["commands_refused"]) >= 6, "{state:#}");
    assert!(count(&counts["malformed"]) >= 2, "{state:#}");
    assert_eq!(count(&state["attempts"]), 1, "nothing else happened: {state:#}");
    assert_eq!(forward["balanced"], true, "{forward:#}");
}

fn rebirth(retain: bool) -> Value {
    let metrics = json!([["Node Control/Rebirth", null, true]]);
    json!({ "topic": NCMD, "metrics": metrics, "retain": retain })
}

/// What a broker may let through to us.
fn hostile(watcher: &mut Watcher) {
    let device = "spBv1.0/tactus/DCMD/one-axis/drive";
    watcher.publish(&json!({ "topic": NCMD, "hex": "", "retain": true }));
    for (topic, name, datatype, value) in [
        (NCMD, "Node Control/Reboot", 11, json!(true)),
        (NCMD, "loop/latency", 10, json!(1.0)),
        (NCMD, "Node Control/Rebirth", 12, json!("true")),
        (device, "statusword", 4, json!(1)),
        (NCMD, "Tactus/Acknowledge", 12, json!("x safety 1")),
    ] {
        watcher.publish(&json!({ "topic": topic, "metrics": [[name, datatype, value]] }));
    }
    watcher.publish(&json!({ "topic": NCMD, "hex": "ffffffffff" }));
    watcher.publish(&json!({ "topic": NCMD, "hex": "00".repeat(200_000) }));
}

fn state(watcher: &mut Watcher, online: bool, timestamp: u64) {
    let text = json!({ "online": online, "timestamp": timestamp }).to_string();
    let topic = "spBv1.0/STATE/line1";
    watcher.publish(&json!({ "topic": topic, "text": text, "qos": 1, "retain": true }));
}

#[test]
fn nothing_is_said_before_the_primary_host_is_online_and_an_older_state_says_nothing() {
    let folder = Folder::new("primary");
    let broker = Broker::start(&folder, false);
    let mut watcher = Watcher::start("watch_sparkplug.py", broker.port, &[]);
    watcher.ready();
    let more = "primary_host = \"line1\"\ntemplates = true\ndatatype_on_data = \"always\"";
    let file = machine(&folder, "machine.toml", broker.port, None, more);
    let mut process = run(&folder, &file, "14s");
    let pid = process.0.id();
    until("a gateway", || gateway_of(pid).is_some());
    state(&mut watcher, false, 1_000);
    sleep_ms(1500);
    // tck-id-message-flow-edge-node-birth-publish-phid-wait
    assert_eq!(watcher.of_kind("NBIRTH"), 0);
    state(&mut watcher, true, 2_000);
    until("a birth", || watcher.of_kind("NBIRTH") == 1);
    until("data", || watcher.of_kind("DDATA") > 3);
    // tck-id-message-flow-edge-node-birth-publish-phid-wait-timestamp
    state(&mut watcher, false, 1_999);
    watcher.publish(&json!({ "topic": "spBv1.0/STATE/line1", "text": "OFFLINE" }));
    let before = watcher.of_kind("DDATA");
    until("more data", || watcher.of_kind("DDATA") > before + 5);
    assert_eq!(watcher.of_kind("NDEATH"), 0);
    // tck-id-operational-behavior-edge-node-termination-host-offline
    state(&mut watcher, false, 3_000);
    until("a death", || watcher.of_kind("NDEATH") == 1);
    let before = watcher.of_kind("DDATA");
    sleep_ms(1000);
    assert_eq!((watcher.of_kind("DDATA"), watcher.of_kind("NBIRTH")), (before, 1));
    state(&mut watcher, true, 4_000);
    until("another birth", || watcher.of_kind("NBIRTH") == 2);
    ended(&mut process);
    let heard = watcher.heard();
    assert_conforms(&heard);
    let data: Vec<_> = heard.iter().filter(|it| kind(it) == "DDATA").collect();
    let types = data.iter().flat_map(|it| it["metrics"].as_array().unwrap());
    let (mut templates, mut all) = (0, 0);
    for metric in types {
        assert!(metric["datatype"].as_u64().is_some(), "datatype_on_data: {metric:#}");
        templates += usize::from(metric["value"]["ref"] == "Axis");
        all += 1;
    }
    assert!(templates > 10 && templates <= all);
    // What was made while nobody was there is of the past, and says so.
    let past = heard.iter().flat_map(leaves).filter(|it| it["historical"] == true).count();
    assert!(past > 10, "{past}");
    let counts = &report(&folder)["gateway"]["sinks"][0]["sparkplug"];
    assert_eq!((&counts["states_stale"], &counts["malformed"]), (&1.into(), &1.into()));
}

/// The broker is killed and comes back, the gateway is killed, at any moment: with a host that acknowledges, every record comes. What comes
/// twice has the same sequence. `TACTUS_ROUNDS` asks for more than what `./test` has time for.
#[test]
fn with_a_host_that_acknowledges_every_record_comes_whatever_is_killed() {
    let folder = Folder::new("acknowledged");
    let mut broker = Broker::start(&folder, false);
    let watcher = Watcher::start("watch_sparkplug.py", broker.port, &["--acknowledge"]);
    watcher.ready();
    let file = machine(
        &folder,
        "machine.toml",
        broker.port,
        None,
        "delivery = \"acknowledged\"\nrebirth_cooldown = \"0 s\"",
    );
    let rounds = std::env::var("TACTUS_ROUNDS").ok().and_then(|it| it.parse().ok());
    let seed = std::env::var("TACTUS_SEED").ok().and_then(|it| it.parse().ok());
    let (rounds, mut seed) = (rounds.unwrap_or(6_u64), Seed(seed.unwrap_or(1)));
    let mut process = run(&folder, &file, "1h");
    let pid = process.0.id();
    for round in 0..rounds {
        let births = usize::try_from(round).unwrap();
        until("a session", || watcher.of_kind("NBIRTH") > births);
        sleep_ms(seed.below(1500));
        match round % 3 {
            0 => {
                broker.down();
                sleep_ms(seed.below(900));
                broker.up();
            }
            _ => {
                if let Some(gateway) = gateway_of(pid) {
                    let _ = kill(Pid::from_raw(gateway), Signal::SIGKILL);
                }
            }
        }
    }
    process.kill();
    let arguments = ["forward", "drain", &file, "--state", "state", "--for", "60s"];
    let (code, drained) = answer(&folder, &arguments);
    assert_eq!((code, &drained["balanced"]), (0, &true.into()), "{drained:#}");
    let (_, status) = answer(&folder, &["forward", "status", &file, "--state", "state", "--json"]);
    let heard = watcher.heard();
    let there = account(&status, &heard).unwrap_or_else(|wrong| panic!("{wrong}: {status:#}"));
    assert!(there > 100, "{there} records");
    let lost = status["lost"].as_array().unwrap();
    assert!(lost.iter().all(|range| range["reason"] == "killed"), "{status:#}");
    let past = heard.iter().flat_map(leaves).filter(|it| it["historical"] == true).count();
    assert!(past > 10, "what waited is of the past: {past}");
    assert_conforms(&heard);
}

/// Mutual TLS or nothing: refused, counted, and everything waits.
#[test]
fn a_broker_refuses_a_wrong_an_expired_and_no_certificate_and_gets_everything_with_the_right_one() {
    let folder = Folder::new("mqtt-tls");
    certificates(&folder);
    let mut broker = Broker::start(&folder, true);
    broker.down();
    let file = |name: &str, tls| machine(&folder, &format!("{name}.toml"), broker.port, tls, "");
    let right = file("right", Some(("ca", "ours")));
    let wrong = [
        ("forged", file("forged", Some(("ca", "forged")))),
        ("expired", file("expired", Some(("ca", "expired")))),
        ("stranger", file("stranger", Some(("stranger", "ours")))),
        ("none", file("none", None)),
    ];
    ended(&mut run(&folder, &right, "4s"));
    broker.up();
    for (name, file) in wrong {
        let arguments = ["forward", "drain", &file, "--state", "state", "--for", "2s"];
        let (code, report) = answer(&folder, &arguments);
        let sink = &report["gateway"]["sinks"][0];
        assert_eq!((code, &sink["records"]), (3, &0.into()), "{name}: {report:#}");
        assert!(sink["fault"].is_string(), "{name}: {report:#}");
        assert!(count(&sink["refused"]) >= 1 && report["balanced"] == true, "{name}: {report:#}");
    }
    let [ca, certificate, key] = paths(&folder, ("ca", "host"));
    let tls = ["--tls", &ca, &certificate, &key];
    let watcher = Watcher::start("watch_sparkplug.py", broker.port, &tls);
    watcher.ready();
    let arguments = ["forward", "drain", &right, "--state", "state", "--for", "60s"];
    let (code, report) = answer(&folder, &arguments);
    assert_eq!(code, 0, "{report:#}");
    let (_, status) = answer(&folder, &["forward", "status", &right, "--state", "state", "--json"]);
    until("everything", || account(&status, &watcher.heard()).is_ok());
    assert_conforms(&watcher.heard());
}

fn birth(kind: &str, device: Option<&str>, seq: u64, alias: u64) -> Value {
    let topic = format!("spBv1.0/tactus/{kind}/one-axis");
    let topic = device.map_or(topic.clone(), |device| format!("{topic}/{device}"));
    let metric = |name: &str, datatype: u64, value: Value| json!({ "name": name, "alias": null, "datatype": datatype, "timestamp": 1, "value": value });
    let mut value = metric("value", 10, json!(1.0));
    value["alias"] = alias.into();
    let mut metrics = vec![value];
    if kind == "NBIRTH" {
        metrics.push(metric("bdSeq", 4, json!(7)));
        metrics.push(metric("Node Control/Rebirth", 11, json!(false)));
    }
    json!({ "topic": topic, "qos": 0, "retain": false, "seq": seq, "timestamp": 1, "metrics": metrics })
}

fn data(device: &str, seq: u64, alias: u64) -> Value {
    let metrics = json!([{ "name": null, "alias": alias, "timestamp": 1, "value": 2.0 }]);
    let topic = format!("spBv1.0/tactus/DDATA/one-axis/{device}");
    json!({ "topic": topic, "qos": 0, "retain": false, "seq": seq, "timestamp": 1, "metrics": metrics })
}

fn death(number: i64) -> Value {
    let metrics = json!([{ "name": "bdSeq", "datatype": 4, "timestamp": 1, "value": number }]);
    let topic = "spBv1.0/tactus/NDEATH/one-axis";
    json!({ "topic": topic, "qos": 1, "retain": false, "seq": null, "timestamp": 1, "metrics": metrics })
}

/// What the checker is worth: each fault that is planted is found, by its rule.
#[test]
fn the_checker_finds_a_wrong_order_a_gap_a_wrong_death_and_an_alias_that_is_there_twice() {
    let right = vec![
        birth("NBIRTH", None, 0, 1),
        birth("DBIRTH", Some("a"), 1, 2),
        data("a", 2, 2),
        death(7),
    ];
    assert_eq!(violations(&right, "tactus", "one-axis"), Vec::<String>::new());
    type Plant = fn(&mut Vec<Value>);
    let planted: [(&str, Plant); 12] = [
        ("tck-id-message-flow-device-birth-publish-nbirth-wait", |it| it.swap(0, 1)),
        ("tck-id-payloads-ddata-order", |it| it.swap(1, 2)),
        ("tck-id-payloads-sequence-num-incrementing", |it| it[2]["seq"] = 3.into()),
        ("tck-id-payloads-nbirth-seq", |it| it[0]["seq"] = 5.into()),
        ("tck-id-payloads-ndeath-bdseq", |it| it[3] = death(8)),
        ("tck-id-payloads-ndeath-will-message-qos", |it| it[3]["qos"] = 0.into()),
        ("tck-id-payloads-alias-uniqueness", |it| it[1]["metrics"][0]["alias"] = 1.into()),
        ("tck-id-payloads-alias-data-cmd-requirement", |it| {
            it[2]["metrics"][0]["name"] = "x".into()
        }),
        ("tck-id-topics-nbirth-bdseq-included", |it| it[0]["metrics"][1]["name"] = "bd".into()),
        ("tck-id-message-flow-device-birth-publish-dbirth-retained", |it| {
            it[1]["retain"] = true.into()
        }),
        ("tck-id-payloads-metric-datatype-req", |it| it[1]["metrics"][0]["datatype"] = Value::Null),
        ("tck-id-topics-nbirth-bdseq-increment", |it| it.push(birth("NBIRTH", None, 0, 1))),
    ];
    for (id, plant) in planted {
        let mut wrong = right.clone();
        plant(&mut wrong);
        let found = violations(&wrong, "tactus", "one-axis");
        assert!(found.iter().any(|it| it.starts_with(id)), "{id}: {found:#?}");
    }
    let status = json!({ "lanes": [{ "class": "safety", "produced": 2 }], "lost": [] });
    let mut heard = vec![data("a", 2, 2)];
    heard[0]["metrics"][0]["properties"] = json!({ "Class": "safety", "Sequence": 2 });
    assert!(account(&status, &heard).unwrap_err().contains("safety 1"));
}
