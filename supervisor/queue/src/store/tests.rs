//! The store, by itself: what it promises about order, loss and restarts.

use super::*;
use crate::lost::Reason;

const HUB: &str = "hub";
const TELEMETRY: usize = 2;

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("tactus-queue-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn bounds(bytes_max: u64) -> Bounds {
    Bounds { bytes_max, age_max_ns: [None; 3] }
}

fn open(folder: &Folder, bytes_max: u64) -> Store {
    Store::open(&folder.0, &[HUB.to_owned()], bounds(bytes_max)).unwrap()
}

/// Gives the next `count` sequences of a lane.
fn make(store: &Store, lane: LaneId, count: u64, retention_ns: u64) -> Vec<Entry> {
    let page = store.page().unwrap();
    let first = page.get(lane).unwrap() + 1;
    page.set(lane, first + count - 1).unwrap();
    let entry = |sequence| Entry {
        lane,
        sequence,
        made: clock::mono(),
        retention_ns,
        body: format!("{{\"n\":{sequence},\"pad\":\"{}\"}}", "x".repeat(200)).into(),
    };
    (first..first + count).map(entry).collect()
}

fn lane(store: &Store, class: usize) -> LaneId {
    store.lanes()[class].id
}

#[test]
fn what_was_committed_is_there_in_order_until_it_is_acknowledged_and_not_longer() {
    let folder = Folder::new("order");
    let mut store = open(&folder, u64::MAX);
    let lane = lane(&store, TELEMETRY);
    let entries = make(&store, lane, 10, 0);
    store.commit(&entries, &Losses::default()).unwrap();
    let read = store.read(lane, 0, (100, usize::MAX)).unwrap();
    assert_eq!(read.iter().map(|it| it.0).collect::<Vec<_>>(), (1..=10).collect::<Vec<_>>());
    assert_eq!(store.read(lane, 4, (2, usize::MAX)).unwrap()[0].0, 5);
    assert_eq!(store.read(lane, 0, (100, 1)).unwrap().len(), 1, "at least one");
    assert_eq!(store.ack(lane, 4).unwrap(), 4);
    assert_eq!(store.read(lane, 0, (100, usize::MAX)).unwrap()[0].0, 5);
    let ledger = &store.check().unwrap()[TELEMETRY];
    assert_eq!((ledger.produced, ledger.acked, ledger.queued, ledger.lost), (10, 4, 6, 0));
}

#[test]
fn acknowledgements_that_are_repeated_late_or_invented_change_nothing() {
    let folder = Folder::new("acks");
    let mut store = open(&folder, u64::MAX);
    let lane = lane(&store, TELEMETRY);
    let entries = make(&store, lane, 10, 0);
    store.commit(&entries, &Losses::default()).unwrap();
    assert_eq!(store.ack(lane, 7).unwrap(), 7);
    assert_eq!(store.ack(lane, 7).unwrap(), 0, "repeated");
    assert_eq!(store.ack(lane, 3).unwrap(), 0, "late");
    assert!(matches!(store.ack(lane, 11), Err(StoreError::Refused(_))), "never made");
    assert!(matches!(store.ack(LaneId(60), 1), Err(StoreError::Refused(_))), "no such lane");
    assert_eq!(store.check().unwrap()[TELEMETRY].queued, 3);
}

#[test]
fn what_a_killed_process_had_in_memory_is_counted_with_its_range_at_the_next_start() {
    let folder = Folder::new("killed");
    let mut store = open(&folder, u64::MAX);
    let lane = lane(&store, TELEMETRY);
    let entries = make(&store, lane, 10, 0);
    store.commit(&entries[..6], &Losses::default()).unwrap();
    assert!(store.check().is_err(), "four of them are nowhere");
    drop(store);
    let store = open(&folder, u64::MAX);
    let ledger = &store.check().unwrap()[TELEMETRY];
    assert_eq!((ledger.produced, ledger.queued, ledger.lost), (10, 6, 4));
    let lost = store.lost(10).unwrap();
    assert_eq!((lost[0].first, lost[0].last, &*lost[0].reason), (7, 10, "killed"));
    assert_eq!(make(&store, lane, 1, 0)[0].sequence, 11, "no sequence is given twice");
}

#[test]
fn a_page_that_a_power_cut_took_back_does_not_give_a_sequence_twice() {
    let folder = Folder::new("power");
    let mut store = open(&folder, u64::MAX);
    let lane = lane(&store, TELEMETRY);
    let entries = make(&store, lane, 10, 0);
    store.commit(&entries, &Losses::default()).unwrap();
    drop(store);
    std::fs::remove_file(folder.0.join("produced")).unwrap();
    let store = open(&folder, u64::MAX);
    assert_eq!(store.check().unwrap()[TELEMETRY].produced, 10);
    assert_eq!(make(&store, lane, 1, 0)[0].sequence, 11);
}

#[test]
fn the_size_cap_takes_telemetry_first_and_safety_last_and_counts_all_of_it() {
    let folder = Folder::new("size");
    let mut store = open(&folder, 10_000);
    for class in [0, 1, TELEMETRY] {
        let entries = make(&store, lane(&store, class), 20, 0);
        store.commit(&entries, &Losses::default()).unwrap();
    }
    let lost = store.keep_bounds().unwrap();
    let ledgers = store.check().unwrap();
    assert!(store.bytes() <= 10_000 && lost > 0, "{}", store.bytes());
    assert_eq!(ledgers[0].lost, 0, "safety");
    assert_eq!(ledgers[TELEMETRY].queued, 0, "telemetry went first");
    assert_eq!(ledgers.iter().map(|it| it.lost).sum::<u64>(), lost);
    let first = store.read(lane(&store, 1), 0, (1, 1)).unwrap()[0].0;
    assert_eq!(first, ledgers[1].lost + 1, "the oldest went");
    // Given still less room, safety events go too, and are counted.
    store.bounds.bytes_max = 1_000;
    store.keep_bounds().unwrap();
    assert!(store.check().unwrap()[0].lost > 0);
}

#[test]
fn what_nobody_fetched_in_time_is_lost_and_counted() {
    let folder = Folder::new("age");
    let age = Bounds { bytes_max: u64::MAX, age_max_ns: [None, None, Some(1_000_000)] };
    let mut store = Store::open(&folder.0, &[HUB.to_owned()], age).unwrap();
    for class in [0, TELEMETRY] {
        let entries = make(&store, lane(&store, class), 5, 0);
        store.commit(&entries, &Losses::default()).unwrap();
    }
    std::thread::sleep(Duration::from_millis(5));
    assert_eq!(store.keep_bounds().unwrap(), 5);
    let ledgers = store.check().unwrap();
    assert_eq!((ledgers[0].queued, ledgers[TELEMETRY].lost), (5, 5));
    assert_eq!(store.lost(1).unwrap()[0].reason, "age");
}

#[test]
fn what_is_kept_after_its_acknowledgement_can_be_sent_again_and_is_forgotten_in_time() {
    let folder = Folder::new("replay");
    let mut store = open(&folder, u64::MAX);
    let lane = lane(&store, TELEMETRY);
    let entries = make(&store, lane, 6, 3_600_000_000_000);
    store.commit(&entries, &Losses::default()).unwrap();
    assert_eq!(store.ack(lane, 6).unwrap(), 6);
    assert!(store.read(lane, 0, (10, usize::MAX)).unwrap().is_empty(), "acknowledged");
    assert_eq!(store.replay(HUB, 0).unwrap(), 6);
    let ledger = &store.check().unwrap()[TELEMETRY];
    assert_eq!((ledger.acked, ledger.queued), (0, 6));
    assert_eq!(store.ack(lane, 6).unwrap(), 6);
    store.check().unwrap();
    store.db.execute("UPDATE record SET retention = 1", []).unwrap();
    std::thread::sleep(Duration::from_millis(2));
    assert_eq!(store.keep_bounds().unwrap(), 0);
    assert_eq!(store.replay(HUB, 0).unwrap(), 0, "forgotten, not lost");
    assert_eq!(store.bytes(), 0);
}

#[test]
fn a_sink_that_the_file_has_no_more_gets_nothing_and_what_waited_for_it_is_counted() {
    let folder = Folder::new("removed");
    let mut store = open(&folder, u64::MAX);
    let entries = make(&store, lane(&store, 1), 5, 0);
    store.commit(&entries, &Losses::default()).unwrap();
    drop(store);
    let store = Store::open(&folder.0, &["other".to_owned()], bounds(u64::MAX)).unwrap();
    assert!(store.lanes().iter().all(|lane| lane.sink == "other"));
    assert_eq!(store.lost(1).unwrap()[0].reason, "sink_removed");
    drop(store);
    let store = open(&folder, u64::MAX);
    assert_eq!(store.check().unwrap()[1].lost, 5);
}

#[test]
fn the_queue_is_open_in_one_process_at_a_time() {
    let folder = Folder::new("lock");
    let store = open(&folder, u64::MAX);
    let again = Store::open(&folder.0, &[HUB.to_owned()], bounds(u64::MAX));
    assert!(again.err().unwrap().to_string().contains("open in another process"));
    drop(store);
    open(&folder, u64::MAX);
}

/// The test of the test: what a careless queue would do is found by the accounts.
#[test]
fn a_record_deleted_before_its_acknowledgement_or_never_written_is_found() {
    let folder = Folder::new("planted");
    let mut store = open(&folder, u64::MAX);
    let lane = lane(&store, TELEMETRY);
    let entries = make(&store, lane, 10, 0);
    store.commit(&entries, &Losses::default()).unwrap();
    store.db.execute("DELETE FROM record WHERE sequence = 3", []).unwrap();
    let wrong = store.check().unwrap_err().to_string();
    assert!(wrong.contains("produced 10 is not acked 0 + queued 9"), "{wrong}");
    store.db.execute("UPDATE lane SET lost = 1 WHERE id = 2", []).unwrap();
    let wrong = store.check().unwrap_err().to_string();
    assert!(wrong.contains("the ranges hold 0"), "{wrong}");
}

#[test]
fn losses_in_memory_are_written_with_what_survived() {
    let folder = Folder::new("memory");
    let mut store = open(&folder, u64::MAX);
    let lane = lane(&store, TELEMETRY);
    let entries = make(&store, lane, 10, 0);
    let mut losses = Losses::default();
    (4..=6).for_each(|sequence| losses.add(lane, sequence, Reason::Memory));
    let kept: Vec<Entry> =
        entries.into_iter().filter(|it| !(4..=6).contains(&it.sequence)).collect();
    store.commit(&kept, &losses).unwrap();
    let ledger = &store.check().unwrap()[TELEMETRY];
    assert_eq!((ledger.queued, ledger.lost), (7, 3));
    assert_eq!(store.ack(lane, 10).unwrap(), 7, "what is lost is not acknowledged");
    store.check().unwrap();
}
