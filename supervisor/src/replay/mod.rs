//! `tactus replay`: the inputs of a recording through the very step that ran on the machine, and a comparison of every output bit.
//!
//! | file | what it does |
//! | --- | --- |
//! | `read.rs` | the recording as a sequence of cycles with what their steps were given |
//! | `rerun.rs` | the step again, compared with what was recorded |
//! | `state.rs` | what the words of a checkpoint are called |
//! | `command.rs` | the command line and its answers |

mod command;
mod read;
mod rerun;
mod state;

pub(crate) use command::run as command;
pub use read::{CycleInputs, Reading, Recorded};
pub(crate) use rerun::ran;
pub use rerun::{Difference, Gap, Outcome, program_name, replay, replay_program};
pub use state::fields;
