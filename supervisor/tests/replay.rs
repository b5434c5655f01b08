//! `tactus replay`: a recording through the same step gives every bit again, and whatever was changed in it is found.

use std::collections::{BTreeMap, HashMap};
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

mod folder;

use folder::Folder;
use mcap::read::ChunkFlattener;
use mcap::records::Record;
use mcap::write::NoSeek;
use mcap::{Attachment, WriteOptions};
use prost::Message;
use rt_core::plan::AxisId;
use rt_core::program::{Program, Request, Requests, View};
use rt_linux::run::WatchCalls;
use rt_linux::signal::Shutdown;
use serde_json::Value;
use supervisor::record::messages::{Checkpoint, Cycle, Inputs, Vision};
use supervisor::replay::{Reading, replay_program};
use twin_lite::Nano;

fn machine() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/machines/demo-cell.toml")
}

fn tactus(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tactus"));
    command.current_dir(folder).env("XDG_RUNTIME_DIR", folder).stdin(Stdio::null());
    command.args(arguments).output().unwrap()
}

fn run(folder: &Path, arguments: &[&str]) -> Vec<u8> {
    let file = machine();
    let all = [&["run", file.to_str().unwrap(), "--headless", "--record", "run.mcap"], arguments];
    let output = tactus(folder, &all.concat());
    // A visitor may be in the cell when the time is over.
    assert!(matches!(output.status.code(), Some(0 | 5)), "{output:?}");
    std::fs::read(folder.join("run.mcap")).unwrap()
}

/// Half a minute of the demo cell in virtual time: homing, work, a visitor, a stop, a start.
fn recording() -> &'static [u8] {
    static RECORDING: OnceLock<Vec<u8>> = OnceLock::new();
    RECORDING.get_or_init(|| {
        let folder = Folder::new("replay-recording");
        run(&folder, &["--virtual-time", "--for", "30s"])
    })
}

/// What `tactus replay --json` says of these bytes, and its exit code.
fn replayed(name: &str, bytes: &[u8], arguments: &[&str]) -> (i32, Value) {
    let folder = Folder::new(&format!("replay-{name}"));
    std::fs::write(folder.join("run.mcap"), bytes).unwrap();
    let output = tactus(&folder, &[&["replay", "run.mcap", "--json"], arguments].concat());
    let found = serde_json::from_slice(&output.stdout);
    let found = found.unwrap_or_else(|wrong| panic!("{wrong}: {output:?}"));
    (output.status.code().unwrap(), found)
}

/// The recording written anew, each message as `change` leaves it; `false`: without it.
fn rewritten(bytes: &[u8], mut change: impl FnMut(&str, &mut Vec<u8>) -> bool) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    let options = WriteOptions::new().compression(None).disable_seeking(true);
    let mut writer = options.create(NoSeek::new(&mut out)).unwrap();
    let mut schemas = HashMap::new();
    let mut channels: HashMap<u16, (u16, String)> = HashMap::new();
    for record in ChunkFlattener::new(bytes).unwrap() {
        match record.unwrap() {
            Record::Schema { header, data } => {
                let id = writer.add_schema(&header.name, &header.encoding, &data).unwrap();
                schemas.insert(header.id, id);
            }
            Record::Channel(channel) if !channels.contains_key(&channel.id) => {
                let (schema, none) = (schemas[&channel.schema_id], BTreeMap::new());
                let id = writer
                    .add_channel(schema, &channel.topic, &channel.message_encoding, &none)
                    .unwrap();
                channels.insert(channel.id, (id, channel.topic));
            }
            Record::Attachment { header, data, .. } => {
                let (name, media_type) = (header.name, header.media_type);
                let (log_time, create_time) = (header.log_time, header.create_time);
                writer
                    .attach(&Attachment { log_time, create_time, name, media_type, data })
                    .unwrap();
            }
            Record::Metadata(metadata) => {
                let (name, metadata) = (metadata.name, metadata.metadata);
                writer.write_metadata(&mcap::records::Metadata { name, metadata }).unwrap();
            }
            Record::Message { mut header, data } => {
                let (id, topic) = &channels[&header.channel_id];
                let mut data = data.into_owned();
                header.channel_id = *id;
                if change(topic, &mut data) {
                    writer.write_to_known_channel(&header, &data).unwrap();
                }
            }
            _ => {}
        }
    }
    writer.finish().unwrap();
    drop(writer);
    out.into_inner()
}

/// Message number `count` of those of `topic` that `change` accepts, changed by it.
fn with_one_changed<M: Message + Default>(
    topic: &str,
    mut count: u32,
    change: impl Fn(&mut M) -> bool,
) -> Vec<u8> {
    let mut done = false;
    let bytes = rewritten(recording(), |found, data| {
        if found == topic && !done {
            let mut message = M::decode(&data[..]).unwrap();
            if change(&mut message) {
                done = count == 0;
                if done {
                    *data = message.encode_to_vec();
                } else {
                    count -= 1;
                }
            }
        }
        true
    });
    assert!(done, "nothing to change in {topic}");
    bytes
}

#[test]
fn a_run_in_virtual_time_gives_every_bit_again() {
    let (code, found) = replayed("virtual", recording(), &[]);
    assert_eq!(code, 0, "{found:#}");
    assert_eq!(found["cycles_recorded"], found["cycles_replayed"]);
    assert!(found["cycles_replayed"].as_u64() >= Some(30_000), "{found:#}");
    assert!(found["checkpoints_compared"].as_u64() >= Some(30), "{found:#}");
    assert_eq!((&found["gaps"], &found["differing"]), (&Value::Array(vec![]), &0.into()));
    // Written anew without a change it is the same recording: what the other tests do is their change alone.
    let (code, again) = replayed("again", &rewritten(recording(), |_, _| true), &[]);
    assert_eq!((code, again), (0, found));
}

#[test]
fn a_run_in_real_time_gives_every_bit_again() {
    let folder = Folder::new("replay-real");
    let bytes = run(&folder, &["--for", "8s"]);
    let (code, found) = replayed("real-time", &bytes, &[]);
    assert_eq!(code, 0, "{found:#}");
    assert!(found["cycles_replayed"].as_u64() >= Some(7_000), "{found:#}");
}

#[test]
fn one_changed_bit_of_any_input_is_found() {
    let flip = |place: u32| {
        with_one_changed::<Inputs>("/replay/inputs", 9_000, move |inputs| {
            inputs.signals.first_mut().is_some_and(|signal| {
                signal.value ^= 1 << place;
                true
            })
        })
    };
    let stamp = with_one_changed::<Inputs>("/replay/inputs", 5_000, |inputs| {
        inputs.stamps.first_mut().is_some_and(|stamp| {
            stamp.at ^= 1;
            true
        })
    });
    let heartbeat = with_one_changed::<Inputs>("/replay/inputs", 5_000, |inputs| {
        inputs.command.as_mut().is_some_and(|command| {
            command.supervisor_at ^= 1;
            true
        })
    });
    let time = with_one_changed::<Inputs>("/replay/inputs", 12_000, |inputs| {
        inputs.now ^= 1;
        true
    });
    let lost = with_one_changed::<Cycle>("/cycle", 7_000, |cycle| {
        cycle.frames_lost ^= 1;
        true
    });
    let units = with_one_changed::<Cycle>("/cycle", 20_000, |cycle| {
        cycle.units_good ^= 2;
        true
    });
    let cases = [
        ("bit-0", flip(0)),
        ("bit-7", flip(7)),
        ("stamp", stamp),
        ("heartbeat", heartbeat),
        ("time", time),
        ("lost", lost),
        ("units", units),
    ];
    for (name, bytes) in cases {
        let (code, found) = replayed(name, &bytes, &[]);
        assert_eq!(code, 8, "{name}: {found:#}");
        assert!(found["differing"].as_u64() >= Some(1), "{name}: {found:#}");
    }
}

#[test]
fn a_changed_output_a_changed_state_and_a_changed_picture_are_found_where_they_are() {
    let output = with_one_changed::<Inputs>("/replay/inputs", 10_000, |inputs| {
        // The lamps: outputs whose value is 0 or 1 and of which nothing in the loop depends.
        let target = inputs.signals.iter_mut().find(|signal| signal.value.abs() > 100_000);
        target.is_some_and(|signal| {
            signal.value ^= 4;
            true
        })
    });
    let (code, found) = replayed("output", &output, &[]);
    assert_eq!(code, 8, "{found:#}");
    let state = with_one_changed::<Checkpoint>("/replay/checkpoints", 12, |checkpoint| {
        let middle = checkpoint.words.len() / 2;
        checkpoint.words[middle] ^= 1;
        true
    });
    let (code, found) = replayed("state", &state, &[]);
    assert_eq!(code, 8, "{found:#}");
    let what = found["differences"][0]["what"].as_str().unwrap();
    assert!(what.starts_with("state core."), "{found:#}");
    let picture = with_one_changed::<Vision>("/vision/overhead", 100, |vision| {
        vision.datagram[20] ^= 1;
        true
    });
    let (code, found) = replayed("picture", &picture, &[]);
    assert_eq!(code, 8, "{found:#}");
}

#[test]
fn after_cycles_that_are_missing_it_goes_on_at_the_next_checkpoint_and_says_so() {
    let mut number = 0;
    let bytes = rewritten(recording(), |topic, _| {
        number += u32::from(topic == "/replay/inputs");
        !(topic == "/replay/inputs" && (8_200..8_300).contains(&number))
    });
    let (code, found) = replayed("gap", &bytes, &[]);
    assert_eq!(code, 6, "{found:#}");
    let gap = &found["gaps"][0];
    let (from, to) = (gap["from"].as_u64().unwrap(), gap["to"].as_u64().unwrap());
    assert_eq!((found["gaps"].as_array().unwrap().len(), from), (1, 8_199));
    assert!(to > 8_298 && to <= 9_000, "{found:#}");
    let recorded = found["cycles_recorded"].as_u64().unwrap();
    assert_eq!(found["cycles_replayed"].as_u64().unwrap() + (to - from) - 100, recorded);
    assert_eq!(found["differing"], 0);
    // The datagram of a camera that is missing is a gap, too.
    let mut number = 0;
    let bytes = rewritten(recording(), |topic, _| {
        number += u32::from(topic == "/vision/overhead");
        !(topic == "/vision/overhead" && number == 200)
    });
    let (code, found) = replayed("picture-gone", &bytes, &[]);
    assert_eq!(code, 6, "{found:#}");
    let why = found["gaps"][0]["why"].as_str().unwrap();
    assert!(why.contains("camera overhead"), "{found:#}");
}

#[test]
fn it_begins_where_it_is_told_to() {
    let (code, found) = replayed("from", recording(), &["--from", "20500ms"]);
    assert_eq!(code, 0, "{found:#}");
    let recorded = found["cycles_recorded"].as_u64().unwrap();
    let replayed = found["cycles_replayed"].as_u64().unwrap();
    assert!((recorded - 20_500..=recorded - 19_500).contains(&replayed), "{found:#}");
}

#[test]
fn a_recording_of_another_version_says_which_fields_it_lacks() {
    let metadata = |change: &dyn Fn(&str) -> String| {
        let mut out = Cursor::new(Vec::new());
        let bytes = recording();
        let mut writer =
            WriteOptions::new().disable_seeking(true).create(NoSeek::new(&mut out)).unwrap();
        for record in ChunkFlattener::new(bytes).unwrap() {
            if let Record::Metadata(mut metadata) = record.unwrap() {
                let state = change(&metadata.metadata["state"]);
                metadata.metadata.insert("state".into(), state);
                writer.write_metadata(&metadata).unwrap();
            }
        }
        writer.finish().unwrap();
        drop(writer);
        out.into_inner()
    };
    // An MCAP file may hold the same metadata twice; the last one counts.
    let older =
        metadata(&|state| state.replace("core.gate.violations\n", "").to_owned() + "\nold.thing");
    let mut lacking = Vec::new();
    for record in ChunkFlattener::new(&older).unwrap() {
        if let Record::Metadata(metadata) = record.unwrap() {
            lacking.push(metadata.metadata["state"].clone());
        }
    }
    assert!(!lacking[0].contains("core.gate.violations"), "the field has another name now");
    let folder = Folder::new("replay-older");
    std::fs::write(folder.join("run.mcap"), &older).unwrap();
    let output = tactus(&folder, &["replay", "run.mcap"]);
    // Without inputs there is nothing to replay, and that is said.
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("/replay/inputs") && said.contains(env!("CARGO_PKG_VERSION")), "{said}");
}

#[test]
fn what_is_no_recording_is_told_so_and_one_that_was_cut_is_replayed_as_far_as_it_goes() {
    let folder = Folder::new("replay-wrong");
    std::fs::write(folder.join("text.mcap"), "hello").unwrap();
    let output = tactus(&folder, &["replay", "text.mcap"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("expected an MCAP file"),
        "{output:?}"
    );
    assert_eq!(tactus(&folder, &["replay", "none.mcap"]).status.code(), Some(3));
    let cut = &recording()[..recording().len() * 2 / 3];
    let (code, found) = replayed("cut", cut, &[]);
    assert_eq!((code, &found["differing"]), (0, &0.into()), "{found:#}");
    assert!(found["ends_early"].is_string(), "{found:#}");
    assert!(found["cycles_replayed"].as_u64() >= Some(15_000), "{found:#}");
}

/// A program that an integrator linked: it runs the belt, and counts what it does.
#[derive(Clone, Debug, Default)]
struct Belt {
    cycles: u64,
    asked: u64,
    /// What the recording was not made with.
    faster: bool,
}

twin_lite::taped!(Belt { cycles, asked; faster });

impl Program for Belt {
    fn cycle(&mut self, view: View<'_>, requests: &mut dyn Requests) {
        let belt = AxisId(2);
        let homed = view.axes.get(2).is_some_and(|axis| axis.referenced);
        let speed = if self.faster { 60 } else { 50 };
        let velocity = Nano(speed * 1_000_000_000);
        let request = match homed {
            false => Request::Home { axis: belt },
            true => Request::MoveVelocity { axis: belt, velocity },
        };
        self.cycles += 1;
        if view.started || self.cycles.is_multiple_of(500) {
            self.asked += u64::from(requests.put(request));
        }
    }

    fn position(&self) -> u16 {
        0
    }
}

/// Twelve seconds of the demo cell with that program.
fn of_belt(folder: &Folder) -> Vec<u8> {
    let bytes = std::fs::read(machine()).unwrap();
    let text = String::from_utf8(bytes.clone()).unwrap();
    let source = supervisor::run::Source {
        machine: config::load(&text, "demo-cell.toml").unwrap(),
        file_name: "demo-cell.toml".into(),
        bytes,
    };
    let options = supervisor::run::Options {
        link: supervisor::cli::Link::Virtual,
        virtual_time: true,
        seed: 1,
        duration: Some(std::time::Duration::from_secs(12)),
        headless: true,
        record: Some(folder.join("run.mcap")),
        capture: None,
        vision_socket: folder.join("camera.sock"),
        flight: supervisor::flight::Options::default(),
        state: None,
        home_again: false,
        watch_calls: WatchCalls::No,
        park: None,
    };
    let shutdown = Shutdown::detached();
    supervisor::run::run_program(&source, &options, &shutdown, Belt::default()).unwrap();
    std::fs::read(folder.join("run.mcap")).unwrap()
}

#[test]
fn a_program_that_was_linked_is_replayed_where_it_is_linked_and_named_where_it_is_not() {
    let folder = Folder::new("replay-linked");
    let bytes = of_belt(&folder);
    let reading = Reading::of(bytes.clone(), "run.mcap");
    let same = replay_program(&reading, 0, |_| Belt::default()).unwrap();
    assert!(same.cycles_replayed > 10_000 && same.checkpoints_compared > 10, "{same:?}");
    assert_eq!((same.differing, same.gaps.len()), (0, 0), "{same:?}");
    let other = replay_program(&reading, 0, |_| Belt { faster: true, ..Belt::default() }).unwrap();
    assert!(other.differing > 0, "another program is found: {other:?}");
    // The command has only the program of the file.
    for command in [&["replay", "run.mcap"][..], &["what-if", "--from", "run.mcap"]] {
        let output = tactus(&folder, command);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(3), "{command:?}: {said}");
        assert!(said.contains("replay::Belt") && said.contains("sequence"), "{said}");
        assert!(said.contains("the binary that it is linked into"), "{said}");
    }
    let file =
        replay_program(&Reading::of(recording().to_vec(), "run.mcap"), 0, |_| Belt::default());
    let wrong = file.unwrap_err().message;
    assert!(wrong.contains("`tactus replay`"), "{wrong}");
}
