//! The raw ledger over ends of every kind.

use rt_core::record::{Body, CycleRecord, Record};

use super::*;
use crate::folder::Folder;
use crate::labels::example;
use crate::record::{FileRecorder, RunInfo, Stored};
use crate::report::Ledger;

const MS: u64 = 1_000_000;

/// A run that leaves `produced` records and is killed; every one of `lost` never reached the recorder.
fn killed(book: &Path, recording: &Path, produced: u64, lost: impl Fn(u64) -> bool) {
    let mut open = Book::open(book).unwrap();
    let run = open.begin(Some(recording)).unwrap();
    let info = RunInfo { run, packed: true, ..RunInfo::default() };
    let mut recorder = FileRecorder::create(recording, &example(), &info).unwrap();
    let witness = open.witness().expect("/dev/shm is in memory");
    for cycle in 0..produced {
        witness.note(cycle + 1);
        if !lost(cycle) {
            let body = Body::Cycle(CycleRecord::default());
            recorder.record(cycle, &Record { cycle, now: cycle * MS, body });
        }
    }
    // As SIGKILL leaves it: the file not ended, its lock gone with the process.
    recorder.abandon_for_a_test();
}

#[test]
fn what_a_killed_run_had_left_is_stored_or_counted_to_the_last_record() {
    let folder = Folder::new("ledger-killed");
    let book = folder.join("m.ledger.json");
    let recording = folder.join("a.mcap");
    killed(&book, &recording, 2_345, |cycle| (100..150).contains(&cycle));
    let mut next = Book::open(&book).unwrap();
    assert!(next.news().unwrap().contains("2345 records"), "it is told");
    let life = next.life().clone();
    let found = recover::look(&recording).unwrap();
    assert!(found.was_whole, "the recording is closed by the next start");
    assert_eq!((life.produced, life.stored, life.dropped), (2_345, found.stored, 50));
    assert_eq!(life.lost_by_kill, 2_345 - 50 - found.stored);
    assert!(life.lost_by_kill > 0 && life.lost_by_kill <= 500, "{life:?}");
    assert!(life.balanced() && life.killed == 1);
    let tail = life.losses.last().unwrap();
    assert_eq!(tail.range, Some([found.produced, 2_344]), "the range is named");
    drop(next);
    assert_eq!(Book::open(&book).unwrap().life(), &life, "counted once");
}

#[test]
fn runs_that_end_that_record_nothing_and_that_lose_their_page_add_up() {
    let folder = Folder::new("ledger-adds");
    let book = folder.join("m.ledger.json");
    let mut open = Book::open(&book).unwrap();
    open.begin(None).unwrap();
    assert!(Book::open(&book).unwrap_err().to_string().contains("another tactus"), "one at a time");
    let stored = Stored { stored: 90, dropped: 6, ..Stored::default() };
    let ledger = Ledger { produced: 100, dropped_by_stream: 4, stored, ..Ledger::default() };
    let life = open.end(&ledger).unwrap();
    assert_eq!((life.runs, life.produced, life.stored, life.dropped), (1, 100, 90, 10));
    // Killed, and nothing was recorded.
    let mut open = Book::open(&book).unwrap();
    open.begin(None).unwrap();
    open.witness().unwrap().note(40);
    drop(open);
    let mut open = Book::open(&book).unwrap();
    assert_eq!((open.life().produced, open.life().not_recorded), (140, 40));
    // Killed, and the machine was restarted: the page is gone.
    open.begin(None).unwrap();
    let page = open.written_page_for_a_test();
    drop(open);
    std::fs::remove_file(page).unwrap();
    let open = Book::open(&book).unwrap();
    assert_eq!((open.life().runs, open.life().killed, open.life().without_page), (3, 2, 1));
    assert!(open.life().balanced());
}

/// The test of the test.
#[test]
fn a_ledger_that_lacks_one_record_does_not_hold() {
    let mut life = Life { produced: 10, stored: 8, lost_by_kill: 2, ..Life::default() };
    assert!(life.balanced());
    life.stored -= 1;
    assert!(!life.balanced());
    let account = Account { produced: 5, stored: 3, waiting: 2, ..Account::default() };
    assert!(account.holds() && !Account { waiting: 1, ..account }.holds());
}
