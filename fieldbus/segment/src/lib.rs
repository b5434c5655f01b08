//! *segment*: the virtual EtherCAT segment: a model of devices, a pure function over frames.
#![forbid(unsafe_code)]

pub mod process;
