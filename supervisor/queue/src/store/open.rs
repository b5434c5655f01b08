//! Opening the queue: what a killed process left is counted before anything new is taken.

use std::fs::OpenOptions;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use nix::fcntl::{Flock, FlockArg};
use rusqlite::{Connection, params};

use super::{BUSY, Bounds, Class, Lane, LaneId, Store, StoreError, account, count, count_of, lose};
use crate::clock::{self, QueueClock, Written};
use crate::lost::Reason;
use crate::page::{LANES_MAX, Page};

/// Version of the tables.
const FORMAT: i64 = 1;

const TABLES: &str = "
BEGIN;
CREATE TABLE queue (identity BLOB NOT NULL);
CREATE TABLE clock (value INTEGER NOT NULL, mono INTEGER NOT NULL, wall INTEGER NOT NULL, boot TEXT NOT NULL);
CREATE TABLE lane (
    id INTEGER PRIMARY KEY, sink TEXT NOT NULL, class TEXT NOT NULL,
    produced INTEGER NOT NULL DEFAULT 0, acked INTEGER NOT NULL DEFAULT 0, lost INTEGER NOT NULL DEFAULT 0,
    UNIQUE (sink, class));
CREATE TABLE record (
    lane INTEGER NOT NULL, sequence INTEGER NOT NULL, born INTEGER NOT NULL, retention INTEGER NOT NULL,
    wall INTEGER NOT NULL, acked INTEGER NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (lane, sequence)) WITHOUT ROWID;
CREATE INDEX waiting ON record (lane, sequence) WHERE acked = 0;
CREATE INDEX kept ON record (acked) WHERE acked > 0;
CREATE TABLE lost (
    lane INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, reason TEXT NOT NULL, wall INTEGER NOT NULL);
CREATE INDEX lost_lane ON lost (lane, last);
PRAGMA user_version = 1;
COMMIT;";

impl Store {
    /// Opens the queue in `directory`, which is made if it is missing, for these sinks.
    ///
    /// What was given a sequence and is neither on the disk nor counted was in the memory of a process that was killed: it is counted as
    /// lost now. So is what waits for a sink that the machine file does not have any more.
    ///
    /// # Errors
    /// The disk; the queue is open elsewhere; it was made by another version.
    pub fn open(directory: &Path, sinks: &[String], bounds: Bounds) -> Result<Self, StoreError> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let lock = lock(directory)?;
        let db = Connection::open(directory.join("queue.sqlite"))?;
        configure(&db)?;
        let identity = identity(&db)?;
        let page = Page::open(&directory.join("produced"), identity)?;
        let written = db.query_row("SELECT value, mono, wall, boot FROM clock", [], |row| {
            Ok(Written {
                value: count_of(row.get(0)?),
                mono: count_of(row.get(1)?),
                wall: count_of(row.get(2)?),
                boot: row.get(3)?,
            })
        })?;
        let clock = QueueClock::resume(&written, &clock::now());
        let bytes: i64 = db.query_row(
            "SELECT COALESCE(SUM(LENGTH(CAST(body AS BLOB)) + 64), 0) FROM record",
            [],
            |row| row.get(0),
        )?;
        let mut store = Self {
            db,
            directory: directory.to_owned(),
            page,
            identity,
            lanes: Vec::new(),
            clock,
            bounds,
            bytes: count_of(bytes),
            _lock: lock,
        };
        store.close_what_was_left()?;
        store.settle_sinks(sinks)?;
        Ok(store)
    }

    /// Every lane of the database against the page.
    fn close_what_was_left(&mut self) -> Result<(), StoreError> {
        let lanes = self.all_lanes()?;
        let transaction = self.db.transaction()?;
        for lane in &lanes {
            let produced = account(&transaction, lane.id)?.produced;
            let given = self.page.get(lane.id)?;
            if given > produced {
                lose(&transaction, lane.id, (produced + 1, given), Reason::Killed)?;
                count(&transaction, lane.id, "produced", given - produced)?;
            } else if given < produced {
                self.page.set(lane.id, produced)?;
            }
        }
        transaction.commit()?;
        Ok(())
    }

    fn all_lanes(&self) -> Result<Vec<Lane>, StoreError> {
        let mut select = self.db.prepare("SELECT id, sink, class FROM lane ORDER BY id")?;
        let lanes = select.query_map([], |row| {
            let word: String = row.get(2)?;
            let class = Class::ALL.into_iter().find(|class| class.word() == word);
            Ok(Lane {
                id: LaneId(row.get(0)?),
                sink: row.get(1)?,
                class: class.unwrap_or(Class::Telemetry),
            })
        })?;
        Ok(lanes.collect::<Result<_, _>>()?)
    }

    /// A lane for each class of each sink; sinks that are gone get nothing any more.
    fn settle_sinks(&mut self, sinks: &[String]) -> Result<(), StoreError> {
        let before = self.all_lanes()?;
        let transaction = self.db.transaction()?;
        for lane in before.iter().filter(|lane| !sinks.contains(&lane.sink)) {
            super::caps::lose_waiting(&transaction, lane.id, None, Reason::SinkRemoved)?;
            transaction.execute("DELETE FROM record WHERE lane = ?", [lane.id.0])?;
        }
        let mut next = u16::try_from(before.len()).unwrap_or(u16::MAX);
        for sink in sinks {
            for class in Class::ALL {
                if before.iter().any(|lane| lane.sink == *sink && lane.class == class) {
                    continue;
                }
                if next >= LANES_MAX {
                    return Err(StoreError::Refused(format!(
                        "the queue in {} has known {LANES_MAX} lanes: drain it, then move it away",
                        self.directory.display()
                    )));
                }
                transaction.execute(
                    "INSERT INTO lane (id, sink, class) VALUES (?, ?, ?)",
                    params![next, sink, class.word()],
                )?;
                next += 1;
            }
        }
        transaction.commit()?;
        self.lanes = self.all_lanes()?.into_iter().filter(|it| sinks.contains(&it.sink)).collect();
        Ok(())
    }
}

fn lock(directory: &Path) -> Result<Flock<std::fs::File>, StoreError> {
    let path = directory.join("lock");
    let file =
        OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path)?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|_| {
        StoreError::Refused(format!(
            "the queue in {} is open in another process: a tactus run, or tactus forward",
            directory.display()
        ))
    })
}

fn configure(db: &Connection) -> Result<(), StoreError> {
    db.busy_timeout(BUSY)?;
    let mode: String = db.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if mode != "wal" {
        return Err(StoreError::Disk(format!("the file system takes no WAL: {mode}")));
    }
    // Small: the process is locked in memory.
    db.execute_batch(
        "PRAGMA synchronous = FULL; PRAGMA cache_size = -2048; PRAGMA mmap_size = 0; PRAGMA temp_store = MEMORY;
         PRAGMA journal_size_limit = 4194304;",
    )?;
    db.set_prepared_statement_cache_capacity(32);
    let version: i64 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    match version {
        0 => db.execute_batch(TABLES)?,
        FORMAT => {}
        other => {
            return Err(StoreError::Refused(format!(
                "the queue has format {other}, this tactus reads {FORMAT}: drain it with the tactus that made it"
            )));
        }
    }
    Ok(())
}

fn identity(db: &Connection) -> Result<[u8; 16], StoreError> {
    let rows: i64 = db.query_row("SELECT COUNT(*) FROM queue", [], |row| row.get(0))?;
    if rows == 0 {
        let now = clock::now();
        db.execute_batch("BEGIN")?;
        db.execute("INSERT INTO queue (identity) VALUES (randomblob(16))", [])?;
        db.execute(
            "INSERT INTO clock (value, mono, wall, boot) VALUES (0, ?, ?, ?)",
            params![super::number(now.mono), super::number(now.wall), now.boot],
        )?;
        db.execute_batch("COMMIT")?;
    }
    Ok(db.query_row("SELECT identity FROM queue", [], |row| row.get(0))?)
}
