//! *fieldbus*: the EtherCAT MainDevice.
//!
//! ```text
//! BusPlan ─► bring_up: ethercrab (no std) to PreOp ─► our datagrams: layout, watchdogs, SYNC0, SafeOp ─► EtherCat
//!                                                                                                          │
//!            rt_core::Bus: exchange ─► decode ─► (step) ─► encode, every period; on to Op and back to Op   ◄┘
//!                 │
//!            Link: raw (AF_PACKET) │ pair (a virtual segment on its own thread) │ InlineLink (in virtual time) │ Fault, Record (wrappers)
//! ```
//!
//! | module | what it is |
//! | --- | --- |
//! | [`plan`] | the bus as it is told, made by `config` |
//! | [`layout`] | where process data lives: one LRW datagram a sync unit, with its expected working counter |
//! | [`link`] | how frames travel |
//! | [`wire`] | frames as bytes: views, templates, whose frame it is |
//! | [`bringup`] | from a cable to SafeOp, with an error for people |
//! | [`coe`] | SDO transfers and emergencies, in the time that a cycle leaves |
//! | [`exchange`] | the cycle: 0 allocations, no panic; send, poll and receive are its only system calls |
//! | [`time`] | the thread's clock, which ethercrab's timers read |
//!
//! Not supported: FoE, EoE, redundancy.

#![deny(unsafe_code)]
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions
)]

pub mod al;
pub mod bringup;
pub mod coe;
pub mod exchange;
pub mod layout;
pub mod link;
pub mod plan;
pub mod time;
pub mod wire;

pub use bringup::{BringupError, Emergency, FoundDevice, Progress, Took, bring_up};
pub use exchange::EtherCat;
pub use layout::estimate_cycle_ns;
pub use link::Link;
pub use plan::BusPlan;
