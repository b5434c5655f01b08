//! The queue on the disk: SQLite, WAL, `synchronous=FULL`. A commit that returned is there after a power cut.

mod caps;
mod open;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Transaction, params};
use serde::{Deserialize, Serialize};

use crate::clock::{self, QueueClock};
use crate::ledger::{Imbalance, Ledger};
use crate::lost::Losses;
use crate::page::Page;

/// Place of a lane, from 0; the same for as long as the queue lives.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct LaneId(pub u16);

/// What goes first, and is dropped last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// Dropped last.
    Safety,
    /// What happens.
    Event,
    /// Dropped first.
    Telemetry,
}

impl Class {
    /// In the order in which they go.
    pub const ALL: [Self; 3] = [Self::Safety, Self::Event, Self::Telemetry];

    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Safety => "safety",
            Self::Event => "event",
            Self::Telemetry => "telemetry",
        }
    }
}

/// A lane, by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lane {
    /// Its place.
    pub id: LaneId,
    /// Name of its sink.
    pub sink: String,
    /// Its class.
    pub class: Class,
}

/// A record that has its sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its lane.
    pub lane: LaneId,
    /// Its place in the lane, from 1.
    pub sequence: u64,
    /// CLOCK_BOOTTIME when it was made, ns.
    pub made: u64,
    /// Kept for so long after it was acknowledged, ns.
    pub retention_ns: u64,
    /// What is sent.
    pub body: Box<str>,
}

/// What the queue may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of records, those kept after acknowledgement included.
    pub bytes_max: u64,
    /// Age by class, ns; `None`: any.
    pub age_max_ns: [Option<u64>; 3],
}

/// Why the store did not do it.
#[derive(Debug)]
pub enum StoreError {
    /// The disk, or the database on it.
    Disk(String),
    /// What was asked cannot be: a fault of the other side.
    Refused(String),
}

impl std::fmt::Display for StoreError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Disk(why) | Self::Refused(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for StoreError {}

impl From<rusqlite::Error> for StoreError {
    fn from(wrong: rusqlite::Error) -> Self {
        Self::Disk(wrong.to_string())
    }
}

impl From<std::io::Error> for StoreError {
    fn from(wrong: std::io::Error) -> Self {
        Self::Disk(wrong.to_string())
    }
}

/// Counts of one lane as they stand in the database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Account {
    produced: u64,
    acked: u64,
    lost: u64,
}

/// The queue. One process has it open.
pub struct Store {
    db: Connection,
    directory: PathBuf,
    page: Page,
    identity: [u8; 16],
    lanes: Vec<Lane>,
    clock: QueueClock,
    bounds: Bounds,
    /// Bytes of all records on the disk.
    bytes: u64,
    /// Held for as long as the queue is open.
    _lock: nix::fcntl::Flock<std::fs::File>,
}

impl Store {
    /// Lanes of the sinks that the machine file has now.
    #[must_use]
    pub fn lanes(&self) -> &[Lane] {
        &self.lanes
    }

    /// Who this queue is: lower-case hexadecimal, made at random with it.
    #[must_use]
    pub fn identity(&self) -> String {
        self.identity.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Where it is.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The page, for whoever gives sequences.
    ///
    /// # Errors
    /// What the file system said.
    pub fn page(&self) -> Result<Page, StoreError> {
        Ok(Page::open(&self.directory.join("produced"), self.identity)?)
    }

    /// Makes records, and what is known to be lost, durable: all of it or nothing.
    ///
    /// # Errors
    /// The disk is full, read-only or broken: nothing has changed.
    pub fn commit(&mut self, entries: &[Entry], losses: &Losses) -> Result<(), StoreError> {
        if entries.is_empty() && losses.is_empty() {
            return Ok(());
        }
        let clock = self.clock.clone();
        let mut bytes = 0_u64;
        let transaction = self.db.transaction()?;
        {
            let mut insert = transaction.prepare_cached(
                "INSERT INTO record (lane, sequence, born, retention, wall, acked, body) VALUES (?, ?, ?, ?, ?, 0, ?)",
            )?;
            let wall = clock::wall();
            for entry in entries {
                let born = clock.at(entry.made);
                insert.execute(params![
                    entry.lane.0,
                    number(entry.sequence),
                    number(born),
                    number(entry.retention_ns),
                    number(wall),
                    &*entry.body
                ])?;
                count(&transaction, entry.lane, "produced", 1)?;
                bytes += size(entry);
            }
        }
        for range in losses.ranges() {
            count(&transaction, range.lane, "produced", range.count())?;
            lose(&transaction, range.lane, (range.first, range.last), range.reason)?;
        }
        write_clock(&transaction, &clock)?;
        transaction.commit()?;
        self.bytes = self.bytes.saturating_add(bytes);
        Ok(())
    }

    /// The sink has everything up to this sequence. Repeated or out of order: nothing changes.
    ///
    /// Returns how many records that settled.
    ///
    /// # Errors
    /// [`StoreError::Refused`]: nothing with that sequence was ever committed. Or the disk.
    pub fn ack(&mut self, lane: LaneId, up_to: u64) -> Result<u64, StoreError> {
        let now = number(self.clock.at(clock::mono()));
        let transaction = self.db.transaction()?;
        let produced = account(&transaction, lane)?.produced;
        if up_to > produced {
            return Err(StoreError::Refused(format!(
                "an acknowledgement of {up_to} in lane {}, where {produced} is the last",
                lane.0
            )));
        }
        let (lane_number, up_to) = (lane.0, number(up_to));
        let gone: i64 = transaction
            .prepare_cached(
                "SELECT COALESCE(SUM(LENGTH(CAST(body AS BLOB)) + 64), 0) FROM record WHERE lane = ? AND sequence <= ? AND acked = 0 \
                 AND retention = 0",
            )?
            .query_row(params![lane_number, up_to], |row| row.get(0))?;
        let deleted = transaction
            .prepare_cached(
                "DELETE FROM record WHERE lane = ? AND sequence <= ? AND acked = 0 AND retention = 0",
            )?
            .execute(params![lane_number, up_to])?;
        let kept = transaction
            .prepare_cached(
                "UPDATE record SET acked = ? WHERE lane = ? AND sequence <= ? AND acked = 0",
            )?
            .execute(params![now.max(1), lane_number, up_to])?;
        let settled = u64::try_from(deleted + kept).unwrap_or(0);
        count(&transaction, lane, "acked", settled)?;
        transaction.commit()?;
        self.bytes = self.bytes.saturating_sub(u64::try_from(gone).unwrap_or(0));
        Ok(settled)
    }

    /// What comes after a sequence in a lane, oldest first: at most so many records, and at least one if there is one.
    ///
    /// # Errors
    /// The disk.
    pub fn read(
        &self,
        lane: LaneId,
        after: u64,
        (records_max, bytes_max): (usize, usize),
    ) -> Result<Vec<(u64, String)>, StoreError> {
        let mut select = self.db.prepare_cached(
            "SELECT sequence, body FROM record WHERE lane = ? AND sequence > ? AND acked = 0 ORDER BY sequence LIMIT ?",
        )?;
        let limit = i64::try_from(records_max).unwrap_or(i64::MAX);
        let mut rows = select.query(params![lane.0, number(after), limit])?;
        let (mut read, mut bytes) = (Vec::new(), 0_usize);
        while let Some(row) = rows.next()? {
            let body: String = row.get(1)?;
            bytes = bytes.saturating_add(body.len());
            if !read.is_empty() && bytes > bytes_max {
                break;
            }
            read.push((count_of(row.get(0)?), body));
        }
        Ok(read)
    }

    /// Sends again what was acknowledged and is still kept, made at or after `wall` (ns since 1970). The sink knows by their sequences
    /// which of them it has. Returns how many.
    ///
    /// # Errors
    /// The disk.
    pub fn replay(&mut self, sink: &str, wall: u64) -> Result<u64, StoreError> {
        let lanes: Vec<LaneId> =
            self.lanes.iter().filter(|it| it.sink == sink).map(|it| it.id).collect();
        let transaction = self.db.transaction()?;
        let mut all = 0;
        for lane in lanes {
            let again = transaction
                .prepare_cached(
                    "UPDATE record SET acked = 0 WHERE lane = ? AND acked > 0 AND wall >= ?",
                )?
                .execute(params![lane.0, number(wall)])?;
            let again = u64::try_from(again).unwrap_or(0);
            transaction
                .prepare_cached("UPDATE lane SET acked = acked - ? WHERE id = ?")?
                .execute(params![number(again), lane.0])?;
            all += again;
        }
        transaction.commit()?;
        Ok(all)
    }

    /// The account of every lane, with what waits in memory as the caller says. What is queued is counted in the database, record by
    /// record.
    ///
    /// # Errors
    /// The disk.
    pub fn ledgers(
        &self,
        in_memory: impl Fn(LaneId) -> u64,
        lost_in_memory: impl Fn(LaneId) -> u64,
        given: impl Fn(LaneId) -> u64,
    ) -> Result<Vec<Ledger>, StoreError> {
        let mut ledgers = Vec::with_capacity(self.lanes.len());
        for lane in &self.lanes {
            let account = account(&self.db, lane.id)?;
            let single = |sql: &str| -> rusqlite::Result<i64> {
                self.db.prepare_cached(sql)?.query_row([lane.id.0], |row| row.get(0))
            };
            let queued = single("SELECT COUNT(*) FROM record WHERE lane = ? AND acked = 0")?;
            let ranges =
                single("SELECT COALESCE(SUM(last - first + 1), 0) FROM lost WHERE lane = ?")?;
            let losing = lost_in_memory(lane.id);
            ledgers.push(Ledger {
                sink: lane.sink.clone(),
                class: lane.class.word().to_owned(),
                produced: given(lane.id),
                acked: account.acked,
                queued: count_of(queued),
                in_memory: in_memory(lane.id),
                lost: account.lost.saturating_add(losing),
                lost_in_ranges: count_of(ranges).saturating_add(losing),
            });
        }
        Ok(ledgers)
    }

    /// The accounts while nothing waits in memory, checked.
    ///
    /// # Errors
    /// The disk, or accounts that do not hold.
    pub fn check(&self) -> Result<Vec<Ledger>, StoreError> {
        let mut given = std::collections::BTreeMap::new();
        for lane in &self.lanes {
            given.insert(lane.id, self.page.get(lane.id)?);
        }
        let given = |lane| given.get(&lane).copied().unwrap_or(0);
        let ledgers = self.ledgers(|_| 0, |_| 0, given)?;
        for ledger in &ledgers {
            ledger.check().map_err(|Imbalance(why)| StoreError::Refused(why))?;
        }
        Ok(ledgers)
    }

    /// Ranges of what was lost, newest first, at most so many.
    ///
    /// # Errors
    /// The disk.
    pub fn lost(&self, ranges_max: usize) -> Result<Vec<LostRow>, StoreError> {
        let mut select = self.db.prepare_cached(
            "SELECT lane.sink, lane.class, first, last, reason FROM lost JOIN lane ON lane.id = lost.lane ORDER BY lost.rowid DESC LIMIT ?",
        )?;
        let limit = i64::try_from(ranges_max).unwrap_or(i64::MAX);
        let rows = select.query_map([limit], |row| {
            Ok(LostRow {
                sink: row.get(0)?,
                class: row.get(1)?,
                first: count_of(row.get(2)?),
                last: count_of(row.get(3)?),
                reason: row.get(4)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

/// A range of what was lost, in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LostRow {
    /// Name of the sink.
    pub sink: String,
    /// Word of the class.
    pub class: String,
    /// First sequence.
    pub first: u64,
    /// Last sequence.
    pub last: u64,
    /// Why.
    pub reason: String,
}

/// What a record takes, bytes.
fn size(entry: &Entry) -> u64 {
    u64::try_from(entry.body.len()).unwrap_or(0).saturating_add(64)
}

/// SQLite's integers are signed; nothing here comes near their end.
fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn count_of(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

fn account(db: &Connection, lane: LaneId) -> Result<Account, StoreError> {
    let found = db
        .prepare_cached("SELECT produced, acked, lost FROM lane WHERE id = ?")?
        .query_row([lane.0], |row| {
            Ok(Account {
                produced: count_of(row.get(0)?),
                acked: count_of(row.get(1)?),
                lost: count_of(row.get(2)?),
            })
        })
        .optional()?;
    found.ok_or_else(|| StoreError::Refused(format!("there is no lane {}", lane.0)))
}

fn count(
    transaction: &Transaction<'_>,
    lane: LaneId,
    what: &'static str,
    by: u64,
) -> Result<(), StoreError> {
    let sql = match what {
        "produced" => "UPDATE lane SET produced = produced + ? WHERE id = ?",
        "acked" => "UPDATE lane SET acked = acked + ? WHERE id = ?",
        _ => "UPDATE lane SET lost = lost + ? WHERE id = ?",
    };
    transaction.prepare_cached(sql)?.execute(params![number(by), lane.0])?;
    Ok(())
}

/// Counts a range as lost, and keeps it; a range that goes on where the last one of its lane ended makes that longer.
fn lose(
    transaction: &Transaction<'_>,
    lane: LaneId,
    (first, last): (u64, u64),
    reason: crate::lost::Reason,
) -> Result<(), StoreError> {
    let word = serde_json::to_value(reason).ok();
    let word = word.as_ref().and_then(|word| word.as_str()).unwrap_or_default();
    let joined = transaction
        .prepare_cached("UPDATE lost SET last = ? WHERE lane = ? AND last = ? AND reason = ?")?
        .execute(params![number(last), lane.0, number(first) - 1, word])?;
    if joined == 0 {
        transaction
            .prepare_cached(
                "INSERT INTO lost (lane, first, last, reason, wall) VALUES (?, ?, ?, ?, ?)",
            )?
            .execute(params![lane.0, number(first), number(last), word, number(clock::wall())])?;
    }
    count(transaction, lane, "lost", last.saturating_sub(first).saturating_add(1))
}

fn write_clock(transaction: &Transaction<'_>, clock: &QueueClock) -> Result<(), StoreError> {
    let now = clock::now();
    transaction
        .prepare_cached("UPDATE clock SET value = ?, mono = ?, wall = ?, boot = ?")?
        .execute(params![
            number(clock.at(now.mono)),
            number(now.mono),
            number(now.wall),
            now.boot
        ])?;
    Ok(())
}

/// How long a lock of the database is waited for: only `tactus forward` looks at it besides us.
const BUSY: Duration = Duration::from_secs(2);
