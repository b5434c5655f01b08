//! *rt-core*: the cycle, and everything that decides in it.
//!
//! `step(state, inputs, now) → outputs` is one pure function: the same code runs on the machine, in the virtual cell, in replay
//! and in what-if. This crate knows no bus and no operating system; it owns the traits [`Bus`] and [`Clock`] that others implement.
//! Memory is allocated in constructors only.
#![no_std]
#![forbid(unsafe_code)]
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions
)]

extern crate alloc;

pub mod axis;
pub mod bus;
pub mod checkpoint;
pub mod clock;
pub mod cycle;
pub mod flight;
pub mod gate;
pub mod inspection;
pub mod interlock;
pub mod machine;
pub mod motion;
pub mod plan;
pub mod program;
pub mod record;
pub mod separation;
pub mod signal;
pub mod step;
pub mod vision;
pub mod watch;

pub use axis::Axis;
pub use bus::Bus;
pub use clock::Clock;
pub use motion::Motion;
pub use plan::MachinePlan;
pub use program::Program;
pub use record::Record;
pub use signal::SignalId;
pub use step::Core;
// For programs that integrators write: their state goes into checkpoints.
pub use twin_lite::{tape, taped, taped_enum};
