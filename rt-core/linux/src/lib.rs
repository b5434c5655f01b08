//! *rt-linux*: every call that the real-time thread makes to the operating system, and the checks
//! around it.
//!
//! - [`admission`]: may this thread run in real time? Each step is asked for, read back from the
//!   kernel, and written down with the command that would give it. The way is a type:
//!   [`admission::Locked`], then [`admission::Armed`].
//! - [`clock`]: CLOCK_MONOTONIC, and the sleep to an absolute time that is never early.
//! - [`ethtool`]: what a network interface is set to, for `tactus doctor`.
//! - [`thread`]: a thread whose stack is there before it is needed.
//! - [`guard`]: counts of what must not happen in the cycle: allocations, page faults, context
//!   switches, system calls that are not declared.
//! - [`broken`]: what becomes of a real-time thread that does not sleep, or calls what it must not.
//! - [`page`]: counters that outlive the process.
//! - [`run`]: the cycle on an armed thread, watched.
//! - [`signal`]: Ctrl-C and SIGTERM as a flag for the supervisor.
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions
)]

pub mod admission;
pub mod broken;
pub mod clock;
mod cpus;
pub mod ethtool;
pub mod guard;
pub mod page;
pub mod run;
pub mod signal;
pub mod thread;

pub use admission::{Armed, Locked, Outcome, Refused, Request, Step};
pub use clock::{LoopClock, Monotonic};
pub use guard::CountingAllocator;
