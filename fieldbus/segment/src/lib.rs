//! *segment*: the virtual EtherCAT segment: a model of devices, a pure function over frames.
//!
//! ```text
//! frame ─► Segment::pass ─► every device in order
//!                             Esc: registers, FMMUs, SyncManagers, clock, EEPROM interface
//!                              │ events
//!                             Device: AL state machine, CoE mailbox, watchdog, process data
//!                              │
//!                             terminal or servo firmware ─► Process (the world behind it)
//! ```
//!
//! Time is passed in; nothing is read from the system. From SafeOp on, cyclic frames, drives and AL
//! transitions do not allocate.
//!
//! Not modelled: bootstrap, FoE, EoE, redundancy (port 1 as entrance), SYNC1, latch units, MII
//! management, ECAT interrupts, topologies other than a line.
#![forbid(unsafe_code)]

mod al;
mod builders;
mod coe;
mod describe;
mod device;
mod dictionary;
mod esc;
mod fault;
mod frame;
mod num;
mod pdo;
pub mod process;
mod segment;
mod servo;
mod sii;

pub use al::{AlState, code as al_code};
pub use coe::{Emergency, MailboxFault, SdoRefusal};
pub use describe::{
    ClockDescription, DeviceDescription, Function, Identity, MailboxDescription, PdoDescription,
    PdoEntryDescription, StateMachine, SyncManagerDescription, Usage,
};
pub use device::Device;
pub use dictionary::{Access, DataType, EntryDescription, ObjectDescription};
pub use esc::{DcSupport, EscDescription};
pub use fault::{DeviceStatus, Fault};
pub use process::{Obeys, Process, ServoCommand, ServoFeedback, TICK_NS};
pub use segment::Segment;
pub use servo::{DriveBrake, DriveState, DriveStatus, ServoOptions};
