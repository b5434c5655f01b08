use std::collections::{BTreeMap, BTreeSet};
use std::io::Cursor;

use mcap::write::NoSeek;
use prost::Message;
use prost_types::field_descriptor_proto::Type;
use prost_types::{DescriptorProto, FileDescriptorProto};
use rt_core::machine::SafeCause;
use rt_core::plan::{AxisId, GroupId, InterlockId, Reaction, StopWay};
use rt_core::program::AxisView;
use rt_core::record::Event;
use rt_core::signal::SignalId;
use twin_lite::Nano;

use super::*;
use crate::labels::example;

fn info() -> RunInfo {
    RunInfo {
        config_hash: "abcd".into(),
        file_name: "demo.toml".into(),
        file: b"[machine]".to_vec(),
        seed: 7,
        unix_minus_monotonic_ns: None,
        realtime: "virtual".into(),
        link: "virtual".into(),
        packed: true,
        state: String::new(),
        run: 0,
        program: "sequence".into(),
    }
}

fn records(cycle: u64) -> Vec<Record> {
    let now = 1_000_000 * (cycle + 1);
    let view = AxisView { position: 12.5, ..AxisView::default() };
    let axis =
        |axis| Body::Axis(AxisRecord { axis, view, stopping_distance: 1.5, disturbance_nm: 0.1 });
    let sample = Sample { value: -3, at: now, quality: Quality::Good };
    let trip = Event::Trip {
        cause: SafeCause::Interlock(InterlockId(1)),
        group: GroupId(0),
        reaction: Reaction::Stop1,
        way: StopWay::Ramp,
        input_at: now,
        predicted: Nano(5_000_000_000),
    };
    [
        Body::Signal { signal: SignalId(1), sample },
        Body::Signal { signal: SignalId(4), sample },
        Body::Signal { signal: SignalId(5), sample },
        Body::Event(trip),
        axis(AxisId(0)),
        axis(AxisId(1)),
        Body::Cycle(CycleRecord::default()),
    ]
    .map(|body| Record { cycle, now, body })
    .to_vec()
}

/// A recording of `cycles` cycles, in memory.
fn recorded(cycles: u64) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let mut recorder = Recorder::begin(NoSeek::new(&mut bytes), &example(), &info()).unwrap();
    for (sequence, record) in (0..).zip((0..cycles).flat_map(records)) {
        recorder.record(sequence, &record).unwrap();
    }
    let mut judge = crate::vision::tests::judge();
    let datagram = judge.take(&crate::vision::tests::datagram(1, 5), 6).unwrap();
    recorder.vision(&datagram).unwrap();
    recorder.finish(&messages::Ledger { run: 0, next: 7 * cycles, stored: 7 * cycles }).unwrap();
    drop(recorder);
    bytes.into_inner()
}

#[test]
fn a_recording_reads_back_with_its_topics_schemas_metadata_and_machine_file() {
    let bytes = recorded(3);
    let mut by_topic: BTreeMap<String, u32> = BTreeMap::new();
    for message in mcap::MessageStream::new(&bytes).unwrap() {
        let message = message.unwrap();
        let schema = message.channel.schema.clone().unwrap();
        assert_eq!(schema.encoding, "protobuf");
        let set = prost_types::FileDescriptorSet::decode(&schema.data[..]).unwrap();
        let (package, name) = schema.name.split_once('.').unwrap();
        let file = set.file.iter().find(|file| file.package() == package).unwrap();
        assert!(file.message_type.iter().any(|message| message.name() == name));
        *by_topic.entry(message.channel.topic.clone()).or_default() += 1;
        if message.channel.topic == "/axes/belt" {
            let axis = messages::Axis::decode(&message.data[..]).unwrap();
            assert!((axis.position - 12.5).abs() < 1e-12);
        }
        if message.channel.topic == "/signals/lamp" {
            assert_eq!(messages::Signal::decode(&message.data[..]).unwrap().value, -3);
        }
        if message.channel.topic == "/drives/x" {
            assert_eq!(messages::Drive::decode(&message.data[..]).unwrap().actual_position, -3);
        }
        if message.channel.topic == "/events" {
            let event = messages::Event::decode(&message.data[..]).unwrap();
            assert_eq!((event.kind.as_str(), event.interlock), ("trip", Some(1)));
        }
    }
    let topics: Vec<(&str, u32)> = by_topic.iter().map(|(t, n)| (t.as_str(), *n)).collect();
    let expected = [
        ("/axes/belt", 3),
        ("/axes/x", 3),
        ("/cycle", 3),
        ("/drives/x", 3),
        ("/events", 3),
        ("/ledger", 1),
        ("/log", 3),
        ("/replay/inputs", 3),
        ("/signals/lamp", 3),
        ("/vision/ceiling", 1),
    ];
    assert_eq!(topics, expected);
    let summary = mcap::Summary::read(&bytes).unwrap().unwrap();
    let attachment = &summary.attachment_indexes[0];
    let attachment = mcap::read::attachment(&bytes, attachment).unwrap();
    assert_eq!((&*attachment.name, &*attachment.data), ("demo.toml", &b"[machine]"[..]));
    let metadata = mcap::read::metadata(&bytes, &summary.metadata_indexes[0]).unwrap();
    assert_eq!(metadata.metadata["seed"], "7");
    assert_eq!(metadata.metadata["machine"], "demo");
}

#[test]
fn the_same_records_give_the_same_bytes() {
    assert_eq!(recorded(200), recorded(200));
    assert_ne!(recorded(200), recorded(201));
}

#[test]
fn a_recording_that_outgrows_its_bound_goes_on_in_the_next_file_and_loses_nothing() {
    let folder = crate::folder::Folder::new("rotation");
    let path = folder.join("run.mcap");
    let mut recorder = FileRecorder::create_bounded(&path, &example(), &info(), 50_000).unwrap();
    let mut produced = 0_u64;
    for record in (0..20_000).flat_map(records) {
        recorder.record(produced, &record);
        produced += 1;
    }
    assert_eq!(recorder.finish().stored, produced);
    let mut found = 0_u64;
    let mut files = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        let stream = mcap::MessageStream::new(&bytes).unwrap();
        found += stream.map(|m| records_behind(&m.unwrap().channel.topic)).sum::<u64>();
        files += 1;
    }
    assert!(files > 2, "{files}");
    assert_eq!(found, produced);
}

#[test]
fn a_file_is_packed_or_not_as_the_machine_file_says_and_holds_the_same() {
    let folder = crate::folder::Folder::new("packed");
    let write = |name: &str, packed: bool| {
        let path = folder.join(name);
        let info = RunInfo { packed, ..info() };
        let mut recorder = FileRecorder::create(&path, &example(), &info).unwrap();
        for (number, record) in (0_u64..).zip((0..2_000).flat_map(records)) {
            recorder.record(number, &record);
        }
        recorder.finish();
        let bytes = std::fs::read(path).unwrap();
        let messages = mcap::MessageStream::new(&bytes).unwrap().map(|m| m.unwrap().data.to_vec());
        (messages.collect::<Vec<_>>(), bytes.len())
    };
    let (packed, small) = write("packed.mcap", true);
    let (plain, large) = write("plain.mcap", false);
    assert_eq!(packed, plain);
    assert!(small * 2 < large, "{small} of {large} bytes");
}

/// How many records of the loop a message of `records` stands for.
fn records_behind(topic: &str) -> u64 {
    match topic {
        // What a replay reads stands for the same records once more.
        "/log" | "/replay/inputs" | "/ledger" => 0,
        "/drives/x" => 2,
        _ => 1,
    }
}

/// Fields of a descriptor: number → (name, wire type).
fn described(message: &DescriptorProto) -> BTreeMap<u32, (String, u8)> {
    let fields = message.field.iter().map(|field| {
        let wire = match field.r#type() {
            Type::Double | Type::Fixed64 => 1,
            Type::Fixed32 => 5,
            Type::String | Type::Bytes | Type::Message => 2,
            _ => 0,
        };
        let number = u32::try_from(field.number()).unwrap();
        (number, (field.name().to_owned(), wire))
    });
    fields.collect()
}

/// Field numbers and wire types found in an encoded message.
fn on_the_wire(mut bytes: &[u8]) -> BTreeMap<u32, u8> {
    let mut found = BTreeMap::new();
    while !bytes.is_empty() {
        let key = prost::encoding::decode_varint(&mut bytes).unwrap();
        let wire = u8::try_from(key & 7).unwrap();
        found.insert(u32::try_from(key >> 3).unwrap(), wire);
        let length = match wire {
            0 => {
                prost::encoding::decode_varint(&mut bytes).unwrap();
                0
            }
            1 => 8,
            5 => 4,
            2 => usize::try_from(prost::encoding::decode_varint(&mut bytes).unwrap()).unwrap(),
            _ => panic!("wire type {wire}"),
        };
        bytes = &bytes[length..];
    }
    found
}

/// Names of a message's fields, in order, as its `Debug` shows them.
fn struct_fields(debug: &str) -> BTreeSet<String> {
    debug
        .lines()
        .filter(|line| line.starts_with("    ") && !line.starts_with("     "))
        .filter_map(|line| line.trim().split_once(':'))
        .map(|(name, _)| name.to_owned())
        .collect()
}

/// `full` has no field at its default, so all of them are on the wire.
fn agrees<M: Message + std::fmt::Debug>(file: &FileDescriptorProto, name: &str, full: &M) {
    let descriptor = file.message_type.iter().find(|message| message.name() == name).unwrap();
    let described = described(descriptor);
    let wire = on_the_wire(&full.encode_to_vec());
    let types: BTreeMap<u32, u8> =
        described.iter().map(|(number, (_, wire))| (*number, *wire)).collect();
    assert_eq!(wire, types, "{name}: numbers and wire types");
    let names: BTreeSet<String> = described.into_values().map(|(name, _)| name).collect();
    assert_eq!(struct_fields(&format!("{full:#?}")), names, "{name}: names");
}

#[test]
fn an_emergency_is_recorded_as_fields_and_not_only_as_text() {
    let emergency =
        rt_core::bus::Emergency { device: 4, code: 0x8611, register: 0x21, data: [1, 2, 3, 4, 5] };
    let ids = event_ids(&Event::Emergency(emergency));
    assert_eq!(
        (ids.device, ids.emergency_code, ids.error_register),
        (Some(4), Some(0x8611), Some(0x21))
    );
    assert_eq!(ids.emergency_data.as_deref(), Some(&[1, 2, 3, 4, 5][..]));
    assert_eq!((ids.axis, ids.interlock), (None, None));
}

#[test]
fn the_descriptors_describe_what_is_written() {
    let file = descriptor::tactus_file();
    agrees(&file, "Cycle", &full_cycle());
    agrees(&file, "Axis", &full_axis());
    agrees(&file, "Signal", &messages::Signal { value: 1, quality: 1, at: 1 });
    agrees(&file, "Drive", &full_drive());
    let event = messages::Event {
        cycle: 1,
        severity: 2,
        kind: "k".into(),
        subject: "s".into(),
        text: "t".into(),
        interlock: Some(0),
        group: Some(0),
        axis: Some(0),
        distance_predicted: Some(0.0),
        distance: Some(0.0),
        input_at: Some(0),
        device: Some(0),
        emergency_code: Some(0),
        error_register: Some(0),
        emergency_data: Some(vec![0]),
    };
    agrees(&file, "Event", &event);
    let object = messages::Object { x: 1, y: 1, vx: 1, vy: 1, radius: 1, uncertainty: 1 };
    agrees(&file, "Object", &object);
    let vision = messages::Vision {
        sequence: 1,
        sequence_good: true,
        captured_at: 1,
        quality: 1,
        alive: true,
        zones_evaluated: 1,
        zones_occupied: 1,
        objects: vec![object],
        datagram: vec![1],
    };
    agrees(&file, "Vision", &vision);
    let separation = messages::Separation {
        margin: Some(0.0),
        speed_limit: Some(0.0),
        moving: true,
        picture_age_ns: 1,
        rest_ns: 1,
    };
    agrees(&file, "Separation", &separation);
    agrees(&file, "Ledger", &messages::Ledger { run: 1, next: 1, stored: 1 });
    let log = messages::Log {
        timestamp: Some(timestamp(1)),
        level: 1,
        message: "m".into(),
        name: "n".into(),
        file: "f".into(),
        line: 1,
    };
    agrees(&descriptor::foxglove_file(), "Log", &log);
}

fn full_cycle() -> messages::Cycle {
    messages::Cycle {
        cycle: 1,
        machine: 1,
        bus: 1,
        latency_ns: 1,
        execution_ns: 1,
        skipped: 1,
        units_good: 1,
        units_all: 1,
        dc_unlocked: true,
        dc_offset_ns: -1,
        received_at: 1,
        frames_sent: 1,
        frames_received: 1,
        frames_late: 1,
        frames_foreign: 1,
        frames_corrupt: 1,
        frames_lost: 1,
        working_counter_errors: 1,
        frames_duplicate: 1,
        frames_truncated: 1,
    }
}

fn full_drive() -> messages::Drive {
    messages::Drive {
        controlword: 1,
        target_position: 1,
        mode: 1,
        statusword: 1,
        actual_position: 1,
        mode_display: 1,
        actual_torque_permille: 1,
        following_error: 1,
        error_code: 1,
        digital_inputs: 1,
        touch_probe_position: 1,
        quality: 1,
        at: 1,
    }
}

fn full_axis() -> messages::Axis {
    messages::Axis {
        state: 1,
        position: 1.0,
        velocity: 1.0,
        commanded: 1.0,
        following_error: 1.0,
        torque_permille: -1,
        stopping_distance: 1.0,
        disturbance_nm: 1.0,
        referenced: true,
        enabled: true,
        fault: true,
        follows_target: true,
        done: true,
        inputs_good: true,
    }
}

#[test]
fn enumerations_are_described_by_the_numbers_that_are_written() {
    let file = descriptor::tactus_file();
    let numbers = |name: &str| -> Vec<i32> {
        let found = file.enum_type.iter().find(|e| e.name() == name).unwrap();
        found.value.iter().map(|value| value.number()).collect()
    };
    assert_eq!(numbers("AxisState"), (0..=7).collect::<Vec<_>>());
    assert_eq!(numbers("MachineState"), (0..=3).collect::<Vec<_>>());
    assert_eq!(numbers("Quality"), [0, 1, 2]);
}
