//! The world's behaviour, seen from outside: one binary, one module a topic.
#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "small known numbers"
)]

mod camera;
mod cell;
mod demo;
mod determinism;
mod gravity;
mod mechanics;
mod rig;
mod sensing;
mod tracking;
