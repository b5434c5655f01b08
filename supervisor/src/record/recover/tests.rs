//! A recording cut anywhere is whole again up to its last whole chunk.

use std::io::Write as _;

use rt_core::record::{Body, CycleRecord, Record};

use super::super::{FileRecorder, RunInfo};
use super::*;
use crate::folder::Folder;
use crate::labels::example;

const MS: u64 = 1_000_000;

fn write(path: &Path, cycles: u64, finish: bool) -> u64 {
    let info = RunInfo { packed: true, run: 77, ..RunInfo::default() };
    let mut recorder = FileRecorder::create(path, &example(), &info).unwrap();
    for cycle in 0..cycles {
        let body = Body::Cycle(CycleRecord { latency_ns: 5, ..CycleRecord::default() });
        recorder.record(cycle, &Record { cycle, now: cycle * MS, body });
    }
    let stored = recorder.stored().stored;
    if !finish {
        // As a killed process leaves it.
        std::mem::forget(recorder);
    }
    stored
}

/// Cycles that a reader with an index finds, chunk by chunk.
fn indexed(path: &Path) -> u64 {
    let bytes = std::fs::read(path).unwrap();
    let summary = mcap::Summary::read(&bytes).unwrap().unwrap();
    let cycle = summary.channels.values().find(|it| it.topic == "/cycle").unwrap().id;
    let mut found = 0;
    for chunk in &summary.chunk_indexes {
        let indexes = summary.read_message_indexes(&bytes, chunk).unwrap();
        for (channel, entries) in indexes {
            // One of each: to find it takes as long as to unpack the chunk.
            let entry = entries.last().unwrap();
            let message = summary.seek_message(&bytes, chunk, entry).unwrap();
            assert_eq!((message.log_time, message.channel.id), (entry.log_time, channel.id));
            if channel.id == cycle {
                found += u64::try_from(entries.len()).unwrap();
            }
        }
    }
    let counts = &summary.stats.unwrap().channel_message_counts;
    assert_eq!(counts.get(&cycle).copied().unwrap_or(0), found, "index and statistics agree");
    let linear = mcap::MessageStream::new(&bytes).unwrap();
    let linear = linear.filter(|it| it.as_ref().unwrap().channel.id == cycle).count();
    assert_eq!(u64::try_from(linear).unwrap(), found, "and so does who reads from the beginning");
    found
}

#[test]
fn a_recording_cut_at_any_byte_is_whole_up_to_its_last_whole_chunk_and_its_ledger_is_true() {
    let folder = Folder::new("recover-cut");
    let whole = folder.join("whole.mcap");
    write(&whole, 3_000, true);
    let bytes = std::fs::read(&whole).unwrap();
    let path = folder.join("cut.mcap");
    let mut seed = 1_u64;
    let mut found = std::collections::BTreeSet::new();
    for round in 0..300_usize {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // Every place near the end, where the index is; then anywhere.
        let cut = match round {
            0..60 => bytes.len() - 1 - round * 7,
            _ => 8 + usize::try_from(seed >> 33).unwrap() % (bytes.len() - 8),
        };
        std::fs::write(&path, &bytes[..cut]).unwrap();
        if cut >= 16 {
            assert!(is_unfinished(&path).unwrap());
        }
        let told = close(&path).unwrap();
        assert!(!told.was_whole || cut < 16, "{cut}");
        if told.messages > 0 {
            let cycles = indexed(&path);
            assert_eq!((told.run, told.produced, told.stored), (77, cycles, cycles), "cut {cut}");
            assert_eq!(told.last_time_ns, (cycles - 1) * MS);
            found.insert(cycles);
        }
        assert!(close(&path).unwrap().was_whole || cut < 16, "once is enough: {cut}");
    }
    assert!(found.len() > 5, "cuts fell into different chunks: {found:?}");
    assert!(found.contains(&3_000), "a cut in the index loses nothing: {found:?}");
}

#[test]
fn what_a_killed_process_had_not_written_is_less_than_half_a_second() {
    let folder = Folder::new("recover-killed");
    for cycles in [400_u64, 1_000, 1_999, 2_345] {
        let path = folder.join(format!("{cycles}.mcap"));
        write(&path, cycles, false);
        // The forgotten recorder of this process still has it locked: a copy is what a dead one leaves.
        let left = folder.join(format!("left-{cycles}.mcap"));
        std::fs::copy(&path, &left).unwrap();
        let told = close(&left).unwrap();
        assert!(told.last_time_ns + 500 * MS > cycles * MS, "{told:?} of {cycles} ms");
        assert_eq!(indexed(&left), told.stored);
    }
}

#[test]
fn damage_in_the_middle_ends_the_recording_there_and_what_is_being_written_is_left_alone() {
    let folder = Folder::new("recover-damaged");
    let path = folder.join("a.mcap");
    write(&path, 3_000, true);
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x55;
    bytes.truncate(bytes.len() - 3);
    std::fs::write(&path, &bytes).unwrap();
    let told = close(&path).unwrap();
    assert!(told.bytes_cut > 0 && told.stored < 2_500, "{told:?}");
    assert_eq!(indexed(&path), told.stored);
    let running = folder.join("running.mcap");
    write(&running, 1_000, false);
    assert!(unfinished_in(&folder).unwrap().is_empty());
    let refused = close(&running).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ResourceBusy, "{refused}");
    let mut other = File::create(folder.join("note.mcap")).unwrap();
    other.write_all(b"something else altogether").unwrap();
    assert!(close(&folder.join("note.mcap")).is_err());
}

#[test]
fn a_disk_that_takes_something_again_gets_another_file_and_the_first_is_closed() {
    let folder = Folder::new("recover-again");
    let path = folder.join("run.mcap");
    let info = RunInfo { packed: false, ..RunInfo::default() };
    let mut recorder = FileRecorder::create(&path, &example(), &info).unwrap();
    let record =
        |cycle| Record { cycle, now: cycle * MS, body: Body::Cycle(CycleRecord::default()) };
    (0..2_000).for_each(|cycle| recorder.record(cycle, &record(cycle)));
    recorder.break_for_a_test();
    (2_000..9_000).for_each(|cycle| recorder.record(cycle, &record(cycle)));
    let stored = recorder.finish().clone();
    assert_eq!((stored.faults, stored.resumed), (1, 1), "{stored:?}");
    assert!(stored.dropped > 0 && stored.stored + stored.dropped == 9_000, "{stored:?}");
    let both = indexed(&path) + indexed(&folder.join("run-1.mcap"));
    assert_eq!(both, stored.stored);
    let told = look(&folder.join("run-1.mcap")).unwrap();
    assert_eq!((told.produced, told.stored), (9_000, stored.stored), "over both files");
}
