//! *twin-lite*: what the machine is now, and what it will do next.
//!
//! Small models of each axis, updated once a cycle inside the real-time loop: no allocation, no lock, no dependency, and no
//! floating point but `+ − × ÷ sqrt`, so that the same inputs give the same bits everywhere.
#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![deny(clippy::as_conversions)]

pub mod axis;
pub mod backlash;
pub mod following;
pub mod friction;
pub mod health;
pub mod identify;
pub mod limits;
pub mod math;
mod riccati;
pub mod sensor;
pub mod tape;
pub mod thermal;
pub mod track;
pub mod units;
pub mod window;

pub use axis::{AxisModel, AxisTwin, Deviation, Estimate, Stopping};
pub use units::Nano;
