//! *queue*: what has left the loop and has not arrived yet. Durable, ordered, deleted only when it was acknowledged, and accounted for.
//!
//! A **lane** is all records of one class for one sink. A record gets its place in its lane, a sequence from 1 on without gaps, when it
//! is made; from then on it is in exactly one of these places, and [`Ledger`] counts them:
//!
//! `produced = acked + queued + lost`
//!
//! - [`page`]: the last sequence given, in a file that outlives a process that is killed: what it had in memory is counted as lost.
//! - [`store`]: SQLite (WAL, synchronous=FULL). What was committed is there after a power cut too.
//! - [`lost`]: ranges of sequences that will never arrive, and why.
//! - [`wire`]: the frames between `tactus run`, which owns the queue, and `tactus gateway`, which sends.
#![forbid(unsafe_code)]

pub mod clock;
pub mod ledger;
pub mod lost;
pub mod page;
pub mod store;
pub mod wire;

pub use ledger::{Imbalance, Ledger};
pub use lost::{Losses, LostRange, Reason};
pub use page::Page;
pub use store::{Bounds, Class, Entry, LaneId, Store, StoreError};
