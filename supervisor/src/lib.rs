//! *supervisor*: everything around the loop: command line, threads, recording, console, report.
//!
//! The binary `tactus` is a thin shell around this library; integrators link it with a [`Program`](rt_core::Program) of their own.
#![forbid(unsafe_code)]

pub mod app;
pub mod audit;
pub mod budget;
pub mod capture;
pub mod cell;
pub mod cli;
pub mod console;
pub mod doctor;
pub mod drain;
pub mod events;
pub mod exit;
pub mod export;
pub mod flight;
pub mod foresight;
pub mod forward;
pub mod histogram;
pub mod inquiry;
pub mod inspection;
pub mod labels;
pub mod latency;
pub mod ledger;
pub mod matrix;
pub mod pressure;
pub mod receiver;
pub mod record;
pub mod references;
pub mod replay;
pub mod report;
pub mod run;
pub mod sdo;
pub mod separation;
pub mod sim;
pub mod stats;
pub mod stops;
pub mod tune;
pub mod twin;
pub mod vision;
pub mod what_if;
pub mod zones;

#[cfg(test)]
#[path = "../tests/folder/mod.rs"]
mod folder;
