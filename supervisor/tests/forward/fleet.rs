//! A fleet: controllers with identities and queues of their own, one hub that goes away and comes back.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use queue::{Bounds, Class, Entry, Losses, Store, clock};
use serde_json::Value;

use crate::plant::{Folder, Hub, Process, machine, stream, tactus, until};

const CONTROLLERS: usize = 32;
const RECORDS: u64 = 500;

fn count(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("no number: {value}"))
}

fn environment(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|it| it.parse().ok()).unwrap_or(otherwise)
}

/// A machine file of its own name, and its queue with what an outage has left in it.
fn controller(folder: &Folder, port: u16, number: usize, records: u64) -> (String, PathBuf) {
    let name = format!("cell-{number}");
    let file = machine(folder, &format!("{name}.toml"), port, None);
    let text = std::fs::read_to_string(&file).unwrap();
    let renamed = text.replace("name = \"one-axis\"", &format!("name = \"{name}\""));
    assert_ne!(text, renamed);
    std::fs::write(&file, renamed).unwrap();
    let directory = folder.0.join(format!("state/forward/{name}.virtual"));
    let mut store = open(&directory);
    let lane = store.lanes().iter().find(|lane| lane.class == Class::Telemetry).unwrap().id;
    store.page().unwrap().set(lane, records).unwrap();
    let pad = "x".repeat(300);
    let entry = |sequence| Entry {
        lane,
        sequence,
        made: clock::mono(),
        retention_ns: 0,
        body: format!(
            "{{\"sequence\":{sequence},\"raw\":[{sequence},{sequence}],\"pad\":\"{pad}\"}}"
        )
        .into(),
    };
    let entries: Vec<Entry> = (1..=records).map(entry).collect();
    store.commit(&entries, &Losses::default()).unwrap();
    (file, directory)
}

fn open(directory: &std::path::Path) -> Store {
    let bounds = Bounds { bytes_max: u64::MAX, age_max_ns: [None; 3] };
    Store::open(directory, &["hub".to_owned()], bounds).unwrap()
}

/// CPU time of everything that this test started and that is over, and memory of the largest of them.
fn used() -> (Duration, i64) {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    let ms = |time: nix::sys::time::TimeVal| time.tv_sec() * 1000 + time.tv_usec() / 1000;
    let all = ms(usage.user_time()) + ms(usage.system_time());
    (Duration::from_millis(u64::try_from(all).unwrap()), usage.max_rss())
}

/// `TACTUS_FLEET` asks for more records a controller than what `./test` has time for.
#[test]
fn a_fleet_catches_up_with_a_hub_that_was_away_and_every_record_arrives_once() {
    let folder = Folder::new("fleet");
    let mut hub = Hub::start(&folder, false);
    let records = environment("TACTUS_FLEET", RECORDS);
    let cells: Vec<_> =
        (0..CONTROLLERS).map(|number| controller(&folder, hub.port, number, records)).collect();
    hub.down();
    let (before, _) = used();
    let mut processes: Vec<Process> = cells
        .iter()
        .map(|(file, _)| {
            let arguments = ["forward", "drain", file, "--state", "state", "--for", "10min"];
            Process(
                tactus(&folder, &arguments).stderr(std::process::Stdio::null()).spawn().unwrap(),
            )
        })
        .collect();
    let since = Instant::now();
    hub.up();
    // In the middle of it the hub goes again: as soon as something has arrived.
    let store = folder.0.join("jetstream");
    let arrived = || length(&store) > 200_000;
    until("something arrives", arrived);
    hub.down();
    hub.up();
    for process in &mut processes {
        let status = process.0.wait().unwrap();
        assert_eq!(status.code(), Some(0), "all of it is sent");
    }
    let took = since.elapsed();
    let (after, largest_kib) = used();
    let all = records * u64::try_from(CONTROLLERS).unwrap();
    println!(
        "{CONTROLLERS} controllers x {records} records: {:.1} s, {:.0} records/s, {} ms CPU and at most {} MiB a process",
        took.as_secs_f64(),
        f64::from(u32::try_from(all).unwrap()) / took.as_secs_f64(),
        (after.saturating_sub(before)).as_millis() / 32,
        largest_kib / 1024
    );
    for (_, directory) in &cells {
        let ledgers = open(directory).check().unwrap();
        let (queued, lost): (u64, u64) =
            ledgers.iter().fold((0, 0), |sum, it| (sum.0 + it.queued, sum.1 + it.lost));
        assert_eq!((queued, lost), (0, 0), "{ledgers:?}");
    }
    let there = stream(hub.port);
    let mut next = std::collections::BTreeMap::new();
    for message in there.as_array().unwrap() {
        let subject = message["subject"].as_str().unwrap().to_owned();
        for record in message["records"].as_array().unwrap() {
            let expected = next.entry(subject.clone()).or_insert(1_u64);
            assert_eq!(count(&record[0]), *expected, "{subject}: in order, once");
            *expected += 1;
        }
    }
    assert_eq!(next.len(), CONTROLLERS, "{next:?}");
    assert!(next.values().all(|next| *next == records + 1), "{next:?}");
}

/// A backlog drains at the rate that the file says, and safety events go past it.
#[test]
fn a_safety_event_does_not_wait_behind_a_backlog_of_telemetry() {
    const BACKLOG: u64 = 6_000;
    let folder = Folder::new("backlog");
    let hub = Hub::start(&folder, false);
    let (file, _) = controller(&folder, hub.port, 99, BACKLOG);
    let text = std::fs::read_to_string(&file).unwrap();
    let slow = text.replace("kind = \"nats\"", "kind = \"nats\"\ncatch_up_rate = 1000");
    assert_ne!(text, slow);
    std::fs::write(&file, slow).unwrap();
    let since = Instant::now();
    let mut process = crate::plant::run(&folder, &file, "4s");
    // A busy machine may hold the virtual axis up, which is a stop (5); that is not what is tested here.
    assert!(matches!(process.0.wait().unwrap().code(), Some(0 | 5)));
    let there = stream(hub.port);
    let there = there.as_array().unwrap();
    let is = |message: &Value, class: &str| {
        message["subject"].as_str().is_some_and(|subject| subject.ends_with(class))
    };
    let records = |messages: &[Value]| -> usize {
        let of_backlog = messages.iter().filter(|it| is(it, "telemetry"));
        of_backlog.map(|it| it["records"].as_array().map_or(0, Vec::len)).sum()
    };
    let first = there.iter().position(|it| is(it, "safety")).expect("safety events arrived");
    let behind = records(&there[first..]);
    println!(
        "{} records of the backlog before the first safety event, {behind} behind it",
        records(&there[..first])
    );
    assert!(behind > 1_000, "{behind}: it went past the backlog");
    // The first message of a lane goes at once.
    let bound = 256 + 1_000 * since.elapsed().as_secs();
    assert!(u64::try_from(records(there)).unwrap() <= bound + 1_000, "no faster than it may");
}

/// Bytes of the files below a folder.
fn length(folder: &std::path::Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let each = entries.flatten().map(|entry| match entry.path().is_dir() {
        true => length(&entry.path()),
        false => entry.metadata().map_or(0, |it| it.len()),
    });
    each.sum()
}
