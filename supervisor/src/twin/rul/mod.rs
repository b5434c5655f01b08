//! Remaining useful life, from recordings, off the real-time thread.
//!
//! | ISO 13374 block | file |
//! | --- | --- |
//! | data acquisition | recordings (`crate::record`) |
//! | data manipulation | `work.rs`: steady work, by operating condition |
//! | state detection, health assessment | `assess.rs`: against the baseline of each condition |
//! | prognostic assessment | `drift.rs`, `normal.rs`: how long until the limit, with an interval |
//! | advisory generation | `advice.rs`, `page.rs`: who is told what |
//!
//! `store.rs` keeps what was seen between two runs. Nothing here reaches the loop: people decide.

mod advice;
mod assess;
mod command;
mod drift;
mod normal;
mod page;
mod store;
mod work;

pub use advice::{Advice, Assessment};
pub use assess::{BASELINE_POINTS, Indicator, Trend, assess};
pub(super) use command::run as command;
pub use drift::{Left, NotEnough, Outlook, POINTS_MIN, Point, Prior, outlook};
pub use store::Store;
pub use work::{Condition, Done, Slice, Work};
