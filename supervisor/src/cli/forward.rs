//! `tactus policy`, `tactus forward`, `tactus gateway`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::Link;

pub(super) const POLICY_EXAMPLES: &str = "Examples:
  tactus policy demo-cell.toml
      who gets what, at what rate, who decides on it
  tactus policy demo-cell.toml --names
      everything that an [[export]] could list";

pub(super) const FORWARD_EXAMPLES: &str = "Examples:
  tactus forward status demo-cell.toml
      what was produced, what has arrived, what waits, what was lost; while no run has the queue open
  tactus forward drain demo-cell.toml --for 10min
      sends what waits, without the machine
  tactus forward replay demo-cell.toml --sink hub --from 2h
      what was made in the last two hours and is still kept is sent again; the sink takes what it does not have";

pub(super) const GATEWAY_EXAMPLES: &str = "Example, as tactus run starts it:
  tactus gateway --socket /tmp/tactus-gateway-4711.sock --user nobody --memory 1024000000 --parent 4711
      it is watched and started again by that run; nobody else needs to start one";

/// `tactus policy`.
#[derive(Args, Clone, Debug)]
pub struct PolicyArgs {
    /// Machine file (TOML).
    pub file: PathBuf,
    /// Print it as JSON.
    #[arg(long)]
    pub json: bool,
    /// Print everything that an [[export]] could list.
    #[arg(long, conflicts_with = "json")]
    pub names: bool,
}

/// `tactus forward`.
#[derive(Args, Clone, Debug)]
pub struct ForwardArgs {
    /// What to do with the queue.
    #[command(subcommand)]
    pub command: ForwardCommand,
}

/// Which queue.
#[derive(Args, Clone, Debug)]
pub struct ForwardAt {
    /// Machine file (TOML).
    pub file: PathBuf,
    /// State directory of the runs; without it, where the machine file says.
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// Link of the runs; without it, what the machine file says.
    #[arg(long, value_name = "virtual|raw:IFACE", value_parser = super::link)]
    pub link: Option<Link>,
}

/// What to do with the queue.
#[derive(Clone, Debug, Subcommand)]
pub enum ForwardCommand {
    /// Show the accounts of the queue.
    Status {
        /// Which queue.
        #[command(flatten)]
        at: ForwardAt,
        /// Print them as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Send what waits, while the machine does not run.
    Drain {
        /// Which queue.
        #[command(flatten)]
        at: ForwardAt,
        /// For so long at most; without it 60s.
        #[arg(long = "for", value_name = "TIME", value_parser = super::duration)]
        for_: Option<Duration>,
    },
    /// Send again what has arrived once and is still kept.
    Replay {
        /// Which queue.
        #[command(flatten)]
        at: ForwardAt,
        /// To this sink.
        #[arg(long, value_name = "NAME")]
        sink: String,
        /// What was made in the last so long.
        #[arg(long, value_name = "TIME", value_parser = super::duration)]
        from: Duration,
    },
}

/// `tactus gateway`.
#[derive(Args, Clone, Debug)]
pub struct GatewayArgs {
    /// Socket of the run.
    #[arg(long, value_name = "PATH")]
    pub socket: PathBuf,
    /// User to become, when root.
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// Address space, bytes.
    #[arg(long, value_name = "BYTES")]
    pub memory: Option<u64>,
    /// Process of the run: when it is gone, so is the gateway.
    #[arg(long, value_name = "PID")]
    pub parent: Option<u32>,
}
