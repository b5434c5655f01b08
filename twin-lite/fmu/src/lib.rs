//! The axis twin behind the C interface of FMI 3.0, for co-simulation: the library inside of an FMU that `tactus twin export --fmu`
//! writes.
//!
//! Each step gives the twin the input that was set before it: a measured position and a torque. What is read after the step is the
//! twin's estimate for that input. Source: Functional Mock-up Interface 3.0.2, sections 2 and 4.
//!
//! Unsafe code is here because C calls: pointers and lengths are the caller's word (docs/adr/0032).

mod abi;
mod instance;

pub use instance::{Causality, Instance, MODEL_IDENTIFIER, Variable, token, variables};
