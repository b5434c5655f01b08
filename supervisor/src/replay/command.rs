//! `tactus replay FILE.mcap`.

use super::{Outcome, Reading, replay};
use crate::app::print;
use crate::cli::ReplayArgs;
use crate::exit::{Error, ExitCode};

/// Replays a recording and says what was found.
pub(crate) fn run(arguments: &ReplayArgs) -> Result<ExitCode, Error> {
    let reading = Reading::open(&arguments.file)?;
    let from = arguments.from.unwrap_or_default();
    let from_ns = u64::try_from(from.as_nanos()).unwrap_or(u64::MAX);
    let outcome = replay(&reading, from_ns)?;
    if arguments.json {
        let text = serde_json::to_string_pretty(&outcome)
            .map_err(|wrong| Error::environment(wrong.to_string()))?;
        print(&text);
    } else {
        print(&render(&outcome));
    }
    Ok(code(&outcome))
}

fn code(outcome: &Outcome) -> ExitCode {
    if outcome.differing > 0 {
        ExitCode::Differs
    } else if outcome.cycles_replayed == 0 || !outcome.gaps.is_empty() {
        ExitCode::Unknown
    } else {
        ExitCode::Done
    }
}

fn render(outcome: &Outcome) -> String {
    let mut lines = vec![format!(
        "{} of {} cycles replayed: {} outputs and {} checkpoints compared",
        outcome.cycles_replayed,
        outcome.cycles_recorded,
        outcome.outputs_compared,
        outcome.checkpoints_compared
    )];
    for gap in &outcome.gaps {
        lines.push(format!("not replayed: cycles {} to {}: {}", gap.from, gap.to, gap.why));
    }
    for difference in &outcome.differences {
        lines.push(format!(
            "cycle {}: {}: recorded {}, replayed {}",
            difference.cycle, difference.what, difference.recorded, difference.replayed
        ));
    }
    let told = u64::try_from(outcome.differences.len()).unwrap_or(u64::MAX);
    if outcome.differing > told {
        lines.push(format!("and {} more that differ", outcome.differing - told));
    }
    if !outcome.lacks.is_empty() || !outcome.only_recorded.is_empty() {
        lines.push(format!("recorded by tactus {}:", outcome.recorded_by));
        lines.extend(outcome.lacks.iter().map(|field| format!("  it lacks {field}")));
        let only = outcome.only_recorded.iter();
        lines.extend(only.map(|field| format!("  this version has no {field}")));
    }
    if let Some(why) = &outcome.ends_early {
        lines.push(format!("the recording ends early: {why}"));
    }
    lines.push(match code(outcome) {
        ExitCode::Done => "every bit is as it was recorded".into(),
        ExitCode::Differs => format!("{} differ", outcome.differing),
        _ => "nothing differs in what could be replayed".into(),
    });
    lines.join("\n")
}
