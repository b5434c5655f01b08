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
      the twin's detector over the data: precision, recall, F1, delay
  tactus twin rul recordings --html rul.html
      what wears, and how long until its limit, with an interval; each recording is read once";

/// `tactus twin`.
#[derive(Args, Clone, Debug)]
pub struct TwinArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: TwinCommand,
}

/// What to do.
#[derive(Clone, Debug, Subcommand)]
pub enum TwinCommand {
    /// Write an axis twin as an FMU, or an axis' recorded data as CSV.
    #[command(after_help = super::help(TWIN_EXAMPLES))]
    Export(TwinExportArgs),
    /// Run the twin's detector over data with labels.
    #[command(after_help = super::help(TWIN_EXAMPLES))]
    Evaluate(TwinEvaluateArgs),
    /// How long until worn parts reach their limit: an interval from the trend over many recordings, or "not enough data".
    #[command(after_help = super::help(TWIN_EXAMPLES))]
    Rul(TwinRulArgs),
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

/// `tactus twin rul`.
#[derive(Args, Clone, Debug)]
pub struct TwinRulArgs {
    /// Folders with recordings, or recordings (MCAP).
    #[arg(value_name = "DIR|FILE", required = true)]
    pub from: Vec<PathBuf>,
    /// Only this axis.
    #[arg(long)]
    pub axis: Option<String>,
    /// Failed when an indicator is at so many percent of its baseline.
    #[arg(long, value_name = "PERCENT", default_value_t = 200.0)]
    pub limit: f64,
    /// Life that is expected before anything is seen, the scale of a Weibull distribution: 63 % fail before it.
    #[arg(long, value_name = "HOURS", default_value_t = 20_000.0)]
    pub life_hours: f64,
    /// Shape of it: 1, failures by chance; 2 to 4, wear.
    #[arg(long, default_value_t = 2.0)]
    pub shape: f64,
    /// Maintenance is told when one of ten would fail within this time.
    #[arg(long, value_name = "HOURS", default_value_t = 500.0)]
    pub horizon_hours: f64,
    /// This axis was repaired after the recordings so far: its baseline begins with the next one.
    #[arg(long, value_name = "AXIS")]
    pub repaired: Option<String>,
    /// Where what was read is kept; without it, tactus-rul.json beside the recordings.
    #[arg(long, value_name = "FILE")]
    pub store: Option<PathBuf>,
    /// Write the trends as an HTML page with pictures.
    #[arg(long, value_name = "OUT.html")]
    pub html: Option<PathBuf>,
    /// Print everything as JSON.
    #[arg(long)]
    pub json: bool,
}
