//! `latest` under every interleaving, and protocols with a planted bug that must not survive it.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p rt-channel --release --test loom`
#![cfg(loom)]

use std::sync::atomic::Ordering;

use loom::thread;
use rt_channel::latest::{Protocol, Reader, Sound, channel_with};

/// Two halves that always agree, so that a torn value shows.
type Value = (u64, u64);

/// As many as it takes for the writer to come back to a slot that the reader has read.
const WRITES: u64 = 4;

/// Reads; the value must be whole and never older than before.
fn read_checked<P: Protocol>(reader: &mut Reader<Value, P>, seen: u64) -> u64 {
    let (a, b) = *reader.read();
    assert_eq!(a, b, "torn");
    assert!(a >= seen, "went back from {seen} to {a}");
    a
}

/// A writer against a reader, exhaustively.
fn exchange<P: Protocol + Send + 'static>() {
    loom::model(|| {
        let (mut writer, mut reader) = channel_with::<Value, P>((0, 0));
        let writing = thread::spawn(move || {
            for n in 1..=WRITES {
                writer.write((n, n));
            }
            writer
        });
        let mut seen = 0;
        for _ in 0..2 {
            seen = read_checked(&mut reader, seen);
        }
        let writer = writing.join().expect("the writer ends");
        assert_eq!(read_checked(&mut reader, seen), WRITES, "the newest is there in the end");
        assert!(!reader.updated());
        drop(writer);
    });
}

#[test]
fn values_are_whole_newest_and_never_go_back() {
    exchange::<Sound>();
}

#[test]
fn changing_in_place_starts_from_the_value_written_last() {
    loom::model(|| {
        let (mut writer, mut reader) = channel_with::<Value, Sound>((0, 0));
        let writing = thread::spawn(move || {
            for _ in 0..WRITES {
                writer.write_with(|value| {
                    value.0 += 1;
                    value.1 += 1;
                });
            }
        });
        let seen = read_checked(&mut reader, 0);
        let seen = read_checked(&mut reader, seen);
        writing.join().expect("the writer ends");
        assert_eq!(read_checked(&mut reader, seen), WRITES);
    });
}

#[test]
fn updated_promises_a_newer_value() {
    loom::model(|| {
        let (mut writer, mut reader) = channel_with::<Value, Sound>((0, 0));
        let writing = thread::spawn(move || {
            writer.write((1, 1));
            writer.write((2, 2));
        });
        let first = read_checked(&mut reader, 0);
        if reader.updated() {
            assert!(read_checked(&mut reader, first) > first, "nothing newer came");
        }
        writing.join().expect("the writer ends");
    });
}

/// The writer does not release its value.
struct PublishNotReleased;

impl Protocol for PublishNotReleased {
    const PUBLISH: Ordering = Ordering::Acquire;
}

/// The writer does not wait for the end of the reader's reads.
struct PublishNotAcquired;

impl Protocol for PublishNotAcquired {
    const PUBLISH: Ordering = Ordering::Release;
}

/// The reader does not say that it has finished reading.
struct TakeNotReleased;

impl Protocol for TakeNotReleased {
    const TAKE: Ordering = Ordering::Acquire;
}

/// The reader takes whatever lies between, fresh or not.
struct TakesStale;

impl Protocol for TakesStale {
    const ONLY_FRESH: bool = false;
}

#[test]
#[should_panic(expected = "Causality violation")]
fn planted_value_not_released_is_found() {
    exchange::<PublishNotReleased>();
}

#[test]
#[should_panic(expected = "Causality violation")]
fn planted_slot_not_acquired_is_found() {
    exchange::<PublishNotAcquired>();
}

#[test]
#[should_panic(expected = "Causality violation")]
fn planted_slot_not_released_is_found() {
    exchange::<TakeNotReleased>();
}

#[test]
#[should_panic(expected = "went back")]
fn planted_stale_slot_is_found() {
    exchange::<TakesStale>();
}
