//! `tactus twin`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args, Subcommand};

pub(super) const TWIN_EXAMPLES: &str = "Examples:
  tactus twin export --fmu x.fmu --axis x demo-cell.toml
      the twin of an axis as an FMU (FMI 3.0, co-simulation): fmpy simulate x.fmu
  tactus twin export --csv x.csv --axis x recordings/demo-cell-seed-1.mcap
      what the recording says of an axis, as data for `twin evaluate`
  tactus twin evaluate x.csv --labels faults.csv --axis x --machine demo-cell.toml
      the twin's detector over the data: precision, recall, F1, delay";

/// `tactus twin`.
#[derive(Args, Clone, Debug)]
pub struct TwinArgs {
    /// Export or evaluate.
    #[command(subcommand)]
    pub command: TwinCommand,
}

/// Export or evaluate.
#[derive(Clone, Debug, Subcommand)]
pub enum TwinCommand {
    /// Write an axis twin as an FMU, or an axis' recorded data as CSV.
    #[command(after_help = super::help(TWIN_EXAMPLES))]
    Export(TwinExportArgs),
    /// Run the twin's detector over data with labels.
    #[command(after_help = super::help(TWIN_EXAMPLES))]
    Evaluate(TwinEvaluateArgs),
}

/// `tactus twin export`.
#[derive(Args, Clone, Debug)]
#[command(group(ArgGroup::new("what").required(true).args(["fmu", "csv"])))]
pub struct TwinExportArgs {
    /// Machine file (TOML) for --fmu, recording (MCAP) for --csv.
    pub file: PathBuf,
    /// Name of the axis.
    #[arg(long)]
    pub axis: String,
    /// Write the twin as an FMU.
    #[arg(long, value_name = "OUT.fmu")]
    pub fmu: Option<PathBuf>,
    /// Write the axis' data.
    #[arg(long, value_name = "OUT.csv")]
    pub csv: Option<PathBuf>,
    /// The FMU's library (libtwin_fmu_library.so); without it, the one beside tactus.
    #[arg(long, value_name = "PATH", requires = "fmu")]
    pub library: Option<PathBuf>,
}

/// `tactus twin evaluate`.
#[derive(Args, Clone, Debug)]
pub struct TwinEvaluateArgs {
    /// Data: time_s, position, torque_permille.
    #[arg(value_name = "DATA.csv")]
    pub data: PathBuf,
    /// When something was wrong: from_s, to_s, name.
    #[arg(long, value_name = "LABELS.csv")]
    pub labels: PathBuf,
    /// Machine file (TOML) whose model the axis has.
    #[arg(long, value_name = "FILE")]
    pub machine: PathBuf,
    /// Name of the axis in it.
    #[arg(long)]
    pub axis: String,
    /// So long from the first sample on all is well: what is usual is learnt.
    #[arg(long, value_name = "TIME", default_value = "20s", value_parser = super::duration)]
    pub learn: Duration,
    /// Print everything as JSON.
    #[arg(long)]
    pub json: bool,
}
