//! The segment beside real devices: captures that ethercrab's published package carries.

mod capture;
#[path = "../common/mod.rs"]
mod common;
mod devices;
mod mailbox;
