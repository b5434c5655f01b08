//! `tactus twin`: the models of the axes outside of the loop, for others' simulations and against others' data.
//!
//! | file | what it does |
//! | --- | --- |
//! | `fmu.rs`, `zip.rs` | an axis twin as an FMU |
//! | `csv.rs` | an axis' data as CSV, from a recording and back |
//! | `evaluate.rs` | detectors over data with labels: precision, recall, F1, delay |
//! | `rul/` | remaining useful life, from recordings |
//! | `command.rs` | the command line |

mod command;
mod csv;
mod evaluate;
mod fmu;
pub mod rul;
mod zip;

pub(crate) use command::run as command;
pub use csv::{Label, Sample, labels, samples};
pub use evaluate::{Detector, Evaluation, ResidualCusum, evaluate};
pub use fmu::{description, parameters};
