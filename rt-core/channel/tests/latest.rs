//! `latest` by hand and under two threads; `tests/loom.rs` proves its protocol.
#![cfg(not(loom))]

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rt_channel::latest;

#[test]
fn the_initial_value_is_there_and_not_new() {
    let (_writer, mut reader) = latest::channel(7);
    assert!(!reader.updated());
    assert_eq!(*reader.read(), 7);
}

#[test]
fn only_the_newest_of_several_is_read_and_it_stays() {
    let (mut writer, mut reader) = latest::channel(0);
    for n in 1..=5 {
        writer.write(n);
    }
    assert!(reader.updated());
    assert_eq!(*reader.read(), 5);
    assert!(!reader.updated());
    assert_eq!(*reader.read(), 5, "no news: the same, not an older one");
}

#[test]
fn a_change_starts_from_the_value_written_last() {
    let (mut writer, mut reader) = latest::channel([1, 1]);
    for _ in 0..5 {
        writer.write_with(|value| value[0] += 1);
    }
    writer.write([10, 0]);
    writer.write_with(|value| value[1] = 3);
    assert_eq!(*reader.read(), [10, 3]);
    writer.write_with(|value| value[0] += 1);
    assert_eq!(*reader.read(), [11, 3]);
}

#[test]
fn two_threads_never_see_a_torn_or_older_value() {
    const WRITES: u64 = 300_000;
    let (mut writer, mut reader) = latest::channel([0_u64; 16]);
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for n in 1..=WRITES {
                writer.write([n; 16]);
            }
            ended.store(true, Ordering::Release);
        });
        let mut seen = 0;
        loop {
            let last = ended.load(Ordering::Acquire);
            let value = *reader.read();
            assert!(value.iter().all(|part| *part == value[0]), "torn");
            assert!(value[0] >= seen, "went back");
            seen = value[0];
            if last {
                break;
            }
        }
        assert_eq!(seen, WRITES);
    });
}
