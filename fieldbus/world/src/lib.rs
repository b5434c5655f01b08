//! The physical world behind the virtual EtherCAT segment: axes, conveyors with parts, persons,
//! cameras, and what happens when.
//!
//! It has what the twin lacks, on purpose: two masses on a compliant coupling with backlash,
//! friction that sticks, the drive's own loops with dead time and a torque limit, encoder
//! quantisation, brakes that engage late and slip, parameters drawn at random. A twin that stops
//! in time in front of this has not been proved against its own equations.
//!
//! ```text
//! ServoDrive ─► dead time ─► position P ─► velocity PI ─► current ─► motor ═ coupling ═ load
//!                                ▲ encoder (counts, index pulse) ◄─────┘ friction,  play └ friction,
//!                                                                        brake       gravity, stops
//! ```
//!
//! A world is a pure function of its plan and of what is commanded: the same seed gives the same
//! bits. It calculates with `+ − × ÷ sqrt` only, allocates in [`World::new`] only, and stays
//! finite for every plan that [`WorldPlan::check`] accepts.
#![forbid(unsafe_code)]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod axis;
mod brake;
mod camera;
mod conveyor;
mod coupling;
mod datagram;
mod drive;
mod friction;
mod geometry;
mod history;
mod nominal;
mod num;
mod operator;
mod person;
mod physics;
mod plan;
mod script;
mod signals;
mod station;
mod views;
mod wear;
mod world;

pub use camera::{CameraFault, CameraPlan};
pub use conveyor::{Barrier, ConveyorPlan, GripperPlan, PartCounts, Spot};
pub use datagram::{DATAGRAM_LENGTH, OBJECTS_MAX, RESULT_LENGTH};
pub use drive::{Obeys, ServoDrive, ServoSense};
pub use friction::Friction;
pub use geometry::{Area, Point};
pub use nominal::Nominal;
pub use num::TICK_NS;
pub use person::{PersonPlan, PersonState, Waypoint};
pub use physics::{AxisPhysics, Brake, DriveTuning};
pub use plan::{BrakeOutput, Echo, PlanError, SafetyChain, WorldPlan};
pub use script::{Action, BusAction, Condition, Event, Rule, Step};
pub use station::{Ejection, StationCounts, StationPlan};
pub use views::AxisView;
pub use wear::Wear;
pub use world::World;
