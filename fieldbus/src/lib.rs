//! *fieldbus*: the EtherCAT MainDevice.
//!
//! ethercrab (without `std`) brings the segment to PreOp; everything above is ours, on the same socket: start-up SDOs, logical layout,
//! the transitions to Op and the cyclic exchange.

#![deny(unsafe_code)]

pub mod link;
pub mod plan;
pub mod time;
pub mod wire;

pub use link::Link;
pub use plan::BusPlan;
