//! *fieldbus*: the EtherCAT MainDevice.
//!
//! ethercrab (without `std`) brings the segment to PreOp; everything above is ours, on the same socket: start-up SDOs, logical layout,
//! the transitions to Op and the cyclic exchange.

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
pub mod exchange;
pub mod layout;
pub mod link;
pub mod plan;
pub mod time;
pub mod wire;

pub use bringup::{BringupError, Emergency, FoundDevice, Progress, bring_up};
pub use exchange::EtherCat;
pub use layout::estimate_cycle_ns;
pub use link::Link;
pub use plan::BusPlan;
