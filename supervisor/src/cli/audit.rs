//! The command line of `tactus audit` and `tactus matrix`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

pub(super) const AUDIT_EXAMPLES: &str = "Examples:
  tactus audit verify state/audit/demo-cell
      is every record there, unchanged and in order? Says where it is not
  tactus audit verify state/audit/demo-cell --checkpoint kept/monday.json --key 3f9c…
      the same, and nothing was cut off since Monday, and this device's key signed it
  tactus audit report state/audit/demo-cell --machine demo-cell.toml --out audit.html
      one page to print: configuration, matrix, budget, trips with evidence, and whether the log is whole
  tactus audit key --state state --pem
      the public half of the device's key, for openssl
  cp state/audit/demo-cell/checkpoint.json kept/$(date +%F).json
      what to keep elsewhere, as often as you like

Exit codes here: 0 the log is whole (a torn end after a power failure is named, and is whole);
7 it was changed, or damaged; 3 it cannot be read.";

pub(super) const MATRIX_EXAMPLES: &str = "Examples:
  tactus matrix demo-cell.toml
      which cause does what to which group and output, with latch, clear condition and restart
  tactus matrix demo-cell.toml --html matrix.html
      the same as a page to print and sign";

pub(super) const BUDGET_EXAMPLES: &str = "Examples:
  tactus budget demo-cell.toml
      how long each interlock takes from what happens to a machine that stands, and the distance that it costs
  tactus budget demo-cell.toml --report run.json
      the same, with what that run measured and what is left (run.json: tactus run demo-cell.toml --report run.json)
  tactus budget demo-cell.toml --report run.json --html budget.html
      the same as a page to print and sign

A budget that does not add up is an error of tactus check (exit code 2).";

/// `tactus audit`.
#[derive(Args, Clone, Debug)]
pub struct AuditArgs {
    /// Verify, or print the key.
    #[command(subcommand)]
    pub command: AuditCommand,
}

/// What to do with an audit log.
#[derive(Clone, Debug, Subcommand)]
pub enum AuditCommand {
    /// Find every record that was changed, removed, moved, repeated, put in or cut off.
    #[command(after_help = super::help(AUDIT_EXAMPLES))]
    Verify(AuditVerifyArgs),
    /// Write one page (HTML, printable, no network) for an auditor.
    #[command(after_help = super::help(AUDIT_EXAMPLES))]
    Report(AuditReportArgs),
    /// Print the public half of the device's key.
    #[command(after_help = super::help(AUDIT_EXAMPLES))]
    Key(AuditKeyArgs),
}

/// `tactus audit verify`.
#[derive(Args, Clone, Debug)]
pub struct AuditVerifyArgs {
    /// Directory of one machine's log.
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
    /// Checkpoints that were kept elsewhere (lines of the log): the log must have them.
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Option<PathBuf>,
    /// Public key that may sign; may be given more than once. Without it, one and the same key must have signed all.
    #[arg(long, value_name = "HEX")]
    pub key: Vec<String>,
    /// Print the verdict as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `tactus audit report`.
#[derive(Args, Clone, Debug)]
pub struct AuditReportArgs {
    /// Directory of one machine's log.
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
    /// Machine file of the last start: with it the page has the matrix and the budget.
    #[arg(long, value_name = "FILE")]
    pub machine: Option<PathBuf>,
    /// Write the page to this file; without it, to the standard output.
    #[arg(long, value_name = "FILE.html")]
    pub out: Option<PathBuf>,
    /// As with verify.
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Option<PathBuf>,
    /// As with verify.
    #[arg(long, value_name = "HEX")]
    pub key: Vec<String>,
}

/// `tactus matrix`.
#[derive(Args, Clone, Debug)]
pub struct MatrixArgs {
    /// Machine file (TOML).
    pub file: PathBuf,
    /// Write it as a page (HTML, printable, no network) to this file.
    #[arg(long, value_name = "FILE.html")]
    pub html: Option<PathBuf>,
    /// Print it as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `tactus budget`.
#[derive(Args, Clone, Debug)]
pub struct BudgetArgs {
    /// Machine file (TOML).
    pub file: PathBuf,
    /// Report of a run: what it measured is set beside what is allowed.
    #[arg(long, value_name = "FILE.json")]
    pub report: Option<PathBuf>,
    /// Write it as a page (HTML, printable, no network) to this file.
    #[arg(long, value_name = "FILE.html")]
    pub html: Option<PathBuf>,
    /// Print it as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `tactus audit key`.
#[derive(Args, Clone, Debug)]
pub struct AuditKeyArgs {
    /// State directory in which the key is.
    #[arg(long, value_name = "DIR", default_value = "state")]
    pub state: PathBuf,
    /// Print it as PEM.
    #[arg(long)]
    pub pem: bool,
    /// Print it as JSON.
    #[arg(long, conflicts_with = "pem")]
    pub json: bool,
}
