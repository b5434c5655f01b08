//! `tactus recover`, `tactus export`, `tactus ledger`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::ForwardAt;

pub(super) const RECOVER_EXAMPLES: &str = "Examples:
  tactus recover recordings/
      closes every recording in the folder that a killed run left open; what a run writes to now is left alone
  tactus recover run.mcap --json
      one file: what is in it now, and how much could not be read

`tactus run` does this for its own folder whenever it starts. Nothing that a reader could read is cut off.";

pub(super) const EXPORT_EXAMPLES: &str = "Examples:
  tactus export run.mcap --format csv --topics '/axes/*' -o axes.csv
      one row a message, one column a field
  tactus export run.mcap --topics /events,/log --from 90s --to 2min
      JSON lines, to the standard output
  tactus export run.mcap | jq -c 'select(.topic == \"/cycle\") | .latency_ns'

A recording stays on the premises and holds everything: export does not ask the [[export]] policy of the machine file, which is about
what leaves by itself. Whoever hands on what this prints decides what may be handed on.";

pub(super) const LEDGER_EXAMPLES: &str = "Examples:
  tactus ledger demo-cell.toml
      over all runs: what the loop left, what is in recordings, what was lost and why
  tactus ledger demo-cell.toml --json
      for scripts; a run that was killed is counted at the next start of the machine, or now, if none runs";

/// `tactus recover`.
#[derive(Args, Clone, Debug)]
pub struct RecoverArgs {
    /// A recording, or a folder of recordings.
    pub path: PathBuf,
    /// Print what was found and done as JSON.
    #[arg(long)]
    pub json: bool,
}

/// What `tactus export` writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// One JSON object a line.
    Jsonl,
    /// One row a message, with a head; RFC 4180.
    Csv,
}

/// `tactus export`.
#[derive(Args, Clone, Debug)]
pub struct ExportArgs {
    /// Recording (MCAP); one that nobody ended is read as far as it goes.
    pub file: PathBuf,
    /// What to write.
    #[arg(long, value_enum, default_value = "jsonl")]
    pub format: ExportFormat,
    /// Only these topics, separated by commas; `*` stands for anything. Without it: all but what only a replay reads.
    #[arg(long, value_delimiter = ',', value_name = "TOPIC,...")]
    pub topics: Vec<String>,
    /// From so long after the first message on.
    #[arg(long, value_name = "TIME", value_parser = super::duration)]
    pub from: Option<Duration>,
    /// Until so long after the first message.
    #[arg(long, value_name = "TIME", value_parser = super::duration)]
    pub to: Option<Duration>,
    /// Write to this file; without it, to the standard output.
    #[arg(long, short, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// `tactus ledger`.
#[derive(Args, Clone, Debug)]
pub struct LedgerArgs {
    /// Which machine.
    #[command(flatten)]
    pub at: ForwardAt,
    /// Print it as JSON.
    #[arg(long)]
    pub json: bool,
}
