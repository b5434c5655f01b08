//! What the queue may hold. What goes is counted, with its range: telemetry first, safety events last.

use rusqlite::{Transaction, params};

use super::{Class, LaneId, Store, StoreError, count_of, lose, number};
use crate::clock;
use crate::lost::Reason;

/// Records dropped at once: a look at the caps is short.
const AT_ONCE: i64 = 2_000;

impl Store {
    /// Drops what is too old or too much, and forgets what was kept long enough. Returns how many were lost.
    ///
    /// # Errors
    /// The disk: nothing has changed.
    pub fn keep_bounds(&mut self) -> Result<u64, StoreError> {
        let now = self.clock.at(clock::mono());
        let transaction = self.db.transaction()?;
        let mut bytes = self.bytes;
        let forgotten = freed(&transaction, "acked > 0 AND acked + retention < ?1", now)?;
        transaction.execute(
            "DELETE FROM record WHERE acked > 0 AND acked + retention < ?1",
            [number(now)],
        )?;
        bytes = bytes.saturating_sub(forgotten);
        let mut lost = 0;
        for lane in &self.lanes {
            let place = lane.class as usize;
            let Some(age) = self.bounds.age_max_ns.get(place).copied().flatten() else { continue };
            let oldest = now.saturating_sub(age);
            let (gone, freed) = lose_waiting(&transaction, lane.id, Some(oldest), Reason::Age)?;
            (lost, bytes) = (lost + gone, bytes.saturating_sub(freed));
        }
        if bytes > self.bounds.bytes_max {
            let kept = freed(&transaction, "acked > 0", 0)?;
            transaction.execute("DELETE FROM record WHERE acked > 0", [])?;
            bytes = bytes.saturating_sub(kept);
        }
        for class in Class::ALL.into_iter().rev() {
            for lane in self.lanes.iter().filter(|lane| lane.class == class) {
                while bytes > self.bounds.bytes_max {
                    let over = bytes - self.bounds.bytes_max;
                    let (gone, freed) = lose_oldest(&transaction, lane.id, over)?;
                    if gone == 0 {
                        break;
                    }
                    (lost, bytes) = (lost + gone, bytes.saturating_sub(freed));
                }
            }
        }
        transaction.commit()?;
        self.bytes = bytes;
        Ok(lost)
    }

    /// Bytes of all records on the disk.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

fn freed(transaction: &Transaction<'_>, which: &'static str, now: u64) -> Result<u64, StoreError> {
    let sql = format!(
        "SELECT COALESCE(SUM(LENGTH(CAST(body AS BLOB)) + 64), 0) FROM record WHERE {which} AND ?1 >= 0"
    );
    let bytes: i64 =
        transaction.prepare_cached(&sql)?.query_row([number(now)], |row| row.get(0))?;
    Ok(count_of(bytes))
}

/// Sequences and sizes of the oldest records that wait in a lane.
fn oldest(
    transaction: &Transaction<'_>,
    lane: LaneId,
    born_before: Option<u64>,
    records_max: i64,
) -> Result<Vec<(u64, u64)>, StoreError> {
    let mut select = transaction.prepare_cached(
        "SELECT sequence, LENGTH(CAST(body AS BLOB)) + 64 FROM record WHERE lane = ? AND acked = 0 AND born < ? ORDER BY sequence LIMIT ?",
    )?;
    let before = born_before.map_or(i64::MAX, number);
    let rows = select.query_map(params![lane.0, before, records_max], |row| {
        Ok((count_of(row.get(0)?), count_of(row.get(1)?)))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Everything that waits in a lane, or what is older than so, is lost: how many, and their bytes.
pub(super) fn lose_waiting(
    transaction: &Transaction<'_>,
    lane: LaneId,
    born_before: Option<u64>,
    reason: Reason,
) -> Result<(u64, u64), StoreError> {
    let rows = oldest(transaction, lane, born_before, i64::MAX)?;
    drop_rows(transaction, lane, &rows, reason)
}

/// The oldest that wait in a lane, until so many bytes are free.
fn lose_oldest(
    transaction: &Transaction<'_>,
    lane: LaneId,
    over: u64,
) -> Result<(u64, u64), StoreError> {
    let mut rows = oldest(transaction, lane, None, AT_ONCE)?;
    let mut sum = 0_u64;
    let enough = rows.iter().position(|(_, bytes)| {
        sum = sum.saturating_add(*bytes);
        sum >= over
    });
    rows.truncate(enough.map_or(rows.len(), |at| at + 1));
    drop_rows(transaction, lane, &rows, Reason::Size)
}

fn drop_rows(
    transaction: &Transaction<'_>,
    lane: LaneId,
    rows: &[(u64, u64)],
    reason: Reason,
) -> Result<(u64, u64), StoreError> {
    let mut bytes = 0_u64;
    let mut range: Option<(u64, u64)> = None;
    let mut delete =
        transaction.prepare_cached("DELETE FROM record WHERE lane = ? AND sequence = ?")?;
    for (sequence, size) in rows {
        delete.execute(params![lane.0, number(*sequence)])?;
        bytes = bytes.saturating_add(*size);
        range = match range {
            Some((first, last)) if last + 1 == *sequence => Some((first, *sequence)),
            Some(done) => {
                lose(transaction, lane, done, reason)?;
                Some((*sequence, *sequence))
            }
            None => Some((*sequence, *sequence)),
        };
    }
    if let Some(last) = range {
        lose(transaction, lane, last, reason)?;
    }
    Ok((u64::try_from(rows.len()).unwrap_or(0), bytes))
}
