//! *rt-channel*: the two ways in and out of the real-time thread for items and values, and one for whole buffers.
//!
//! - [`stream`]: every item counts. Bounded, one producer, one consumer; when it is full the newest
//!   item is dropped and counted. Telemetry and records go out; commands, inspection results and
//!   mailbox work come in.
//! - [`latest`]: only the newest value counts. A wait-free triple buffer: the state goes out;
//!   occupancy and parameters come in.
//! - [`swap`]: a buffer of megabytes changes hands in one step, for an empty one. The flight recorder's
//!   rings go out.
//!
//! Nothing here blocks, retries, allocates or frees after construction, on either side. Only
//! Acquire and Release (and their combination in one exchange) order memory; nothing relies on
//! sequential consistency.
//!
//! # How it is proved
//!
//! [`latest`] is ours from the ground up, and checked under every interleaving that loom knows;
//! protocols with a planted bug must fail there (`tests/loom.rs`). Give it a target directory of
//! its own, as `--cfg loom` rebuilds every dependency:
//!
//! ```sh
//! CARGO_TARGET_DIR=target/loom RUSTFLAGS="--cfg loom" \
//!     cargo test -p rt-channel --release --test loom
//! ```
//!
//! [`stream`] and [`swap`] stand on the ring of the crate rtrb, which has no loom hooks: they are
//! compared with a model (`tests/stream.rs`, `tests/swap.rs`) and stressed by two threads. All other tests are left out there.
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions
)]

pub mod latest;
pub mod stream;
pub mod swap;
