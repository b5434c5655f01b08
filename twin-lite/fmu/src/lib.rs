//! The axis twin as the variables and steps of an FMU (FMI 3.0, co-simulation); `library/` puts the C interface in front of it.
//!
//! Each step gives the twin the input that was set before it: a measured position and a torque. What is read after the step is the
//! twin's estimate for that input. Source: Functional Mock-up Interface 3.0.2, sections 2 and 4.
#![forbid(unsafe_code)]

mod instance;

pub use instance::{Causality, Instance, MODEL_IDENTIFIER, Variable, token, variables};
