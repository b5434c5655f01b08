//! One block of one partner: a segment of its own, a process of its own, and what both say.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::harness::Settings;
use crate::partner::Block;
use crate::verdict::{Disturbance, quantile, real};
use crate::ways::Way;

/// A block that takes longer hangs, s.
const PATIENCE_S: &str = "30";
/// A block that fails so often does not work here.
const TRIES_MAX: u32 = 3;
/// One wrong cycle of so many may be the machine's.
const WRONG_MAX: u64 = 50;
/// The two ends of the cable.
pub(crate) const NEAR: &str = "bus0";
pub(crate) const FAR: &str = "bus1";

/// Who exchanges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Partner {
    /// `fieldbus`.
    Ours,
    /// SOEM.
    Soem,
    /// ethercrab with `std`.
    Stock,
    /// `fieldbus`, asleep until a frame is there.
    Asleep,
    /// A bare socket that waits in the kernel: the same frames.
    Floor,
    /// A bare socket that waits awake.
    FloorSpin,
    /// A way of sending and receiving.
    Way(Way),
    /// `fieldbus`, and [`PLANTED_NS`] wasted in every cycle: the gates must find it.
    Planted,
}

/// What is planted, ns.
pub(crate) const PLANTED_NS: u64 = 20_000;

impl Partner {
    /// In the order of a round: ours first, for the floor sends frames of the same length.
    pub(crate) const ALL: [Self; 7] = [
        Self::Ours,
        Self::FloorSpin,
        Self::Soem,
        Self::Stock,
        Self::Asleep,
        Self::Floor,
        Self::Planted,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Soem => "SOEM",
            Self::Stock => "ethercrab, std",
            Self::Asleep => "ours, asleep",
            Self::Floor => "bare socket, asleep",
            Self::FloorSpin => "bare socket, awake",
            Self::Planted => "ours + 20 us",
            Self::Way(way) => way.name(),
        }
    }

    fn is_floor(self) -> bool {
        matches!(self, Self::Floor | Self::FloorSpin | Self::Way(_))
    }
}

/// Where and what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) drives: u16,
    pub(crate) block: Block,
    /// Frames a cycle and their length, for the floor.
    pub(crate) frames: (u32, f64),
}

/// What came of a block.
#[derive(Clone, Debug, Default)]
pub(crate) struct Measured {
    pub(crate) median_ns: f64,
    pub(crate) p99_ns: f64,
    pub(crate) cpu_ns: f64,
    pub(crate) allocations: f64,
    pub(crate) switches_voluntary: f64,
    pub(crate) switches_involuntary: f64,
    /// Cycles that were measured.
    pub(crate) cycles: u32,
    /// Of those, the ones with a wrong working counter, or without an answer.
    pub(crate) wrong: u64,
    /// The segment's own time, ns a cycle.
    pub(crate) segment_ns: f64,
    /// Frames a cycle, of any kind, and their bytes.
    pub(crate) sent_frames: f64,
    pub(crate) sent_bytes: f64,
    /// Frames a cycle with process data, where it is known, and their mean length.
    pub(crate) cyclic: (u32, f64),
    /// What else the machine did meanwhile.
    pub(crate) disturbance: Option<Disturbance>,
}

fn pinned(settings: &Settings, cpu: u32, program: &Path) -> Command {
    let mut command = Command::new("timeout");
    command.args([PATIENCE_S, "taskset", "-c", &cpu.to_string()]);
    match settings.fifo {
        Some(priority) => command.args(["chrt", "-f", &priority.to_string()]),
        // Ahead of what else runs, where that is granted; all partners alike.
        None if settings.favoured => command.args(["nice", "-n", "-20"]),
        None => &mut command,
    };
    command.arg(program);
    command
}

fn program(settings: &Settings, partner: Partner) -> Option<PathBuf> {
    match partner {
        Partner::Soem => settings.soem.clone(),
        Partner::Stock => settings.stock.clone(),
        Partner::Ours
        | Partner::Asleep
        | Partner::Floor
        | Partner::FloorSpin
        | Partner::Planted
        | Partner::Way(_) => std::env::current_exe().ok(),
    }
}

/// The arguments after the program: role if it is ours, interface, cycles, pace, warm-up, and what the role needs.
fn arguments(partner: Partner, case: &Case) -> Vec<String> {
    let Case { drives, block, frames } = case;
    let mut common = vec![
        NEAR.to_owned(),
        block.cycles.to_string(),
        block.pace_ns.to_string(),
        block.warm.to_string(),
    ];
    let floor = [frames.0.to_string(), format!("{:.0}", frames.1)];
    let (role, more) = match partner {
        Partner::Ours => ("ours", [drives.to_string(), String::from("0")]),
        Partner::Asleep => ("ours-asleep", [drives.to_string(), String::from("0")]),
        Partner::Planted => ("ours", [drives.to_string(), PLANTED_NS.to_string()]),
        Partner::Floor => ("floor", floor),
        Partner::FloorSpin => ("floor-spin", floor),
        Partner::Way(_) => ("way", floor),
        Partner::Soem | Partner::Stock => return common,
    };
    common.insert(0, role.to_owned());
    common.extend(more);
    if let Partner::Way(way) = partner {
        common.push(way.word());
    }
    common
}

/// Runs one block, again if it fails: bring-up with time-outs of milliseconds fails on a busy machine. `None`: this partner is not
/// there.
pub(crate) fn block(
    settings: &Settings,
    partner: Partner,
    case: &Case,
    trace: Option<&Path>,
) -> Result<Option<Measured>, String> {
    let mut tries = 1;
    loop {
        let outcome = try_block(settings, partner, case, trace);
        let outcome = if trace.is_none() { outcome.and_then(right) } else { outcome };
        match outcome {
            Err(wrong) if tries < TRIES_MAX => {
                eprintln!("{}: {wrong}; again", partner.name());
                tries += 1;
            }
            other => return other,
        }
    }
}

/// A block in which much went wrong measured how that ends, and not an exchange.
fn right(measured: Option<Measured>) -> Result<Option<Measured>, String> {
    match measured {
        Some(Measured { wrong, cycles, .. }) if wrong * WRONG_MAX > u64::from(cycles) => {
            Err(format!("{wrong} of {cycles} cycles were wrong"))
        }
        other => Ok(other),
    }
}

/// With `trace` under strace, whose log is left there.
fn try_block(
    settings: &Settings,
    partner: Partner,
    case: &Case,
    trace: Option<&Path>,
) -> Result<Option<Measured>, String> {
    let Some(program) = program(settings, partner) else { return Ok(None) };
    let me = std::env::current_exe().map_err(|error| error.to_string())?;
    let drives = if partner.is_floor() { 0 } else { case.drives };
    let mut segment = pinned(settings, settings.cpus.1, &me)
        .args(["segment", FAR, &drives.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("the segment does not start: {error}"))?;
    let stdout = segment.stdout.take().ok_or("the segment has no stdout")?;
    let mut answers = BufReader::new(stdout);
    let mut line = String::new();
    let _ = answers.read_line(&mut line);
    let mut command = match trace {
        None => pinned(settings, settings.cpus.0, &program),
        Some(log) => {
            let mut command = pinned(settings, settings.cpus.0, Path::new("strace"));
            command.args(["-f", "-qq", "-s", "8", "-o"]).arg(log).arg(&program);
            command
        }
    };
    let output = command.args(arguments(partner, case)).output();
    drop(segment.stdin.take());
    let mut rest = String::new();
    let _ = answers.read_to_string(&mut rest);
    let ended = segment.wait();
    let output = output.map_err(|error| format!("{}: {error}", program.display()))?;
    if !output.status.success() || line != "ready\n" || !ended.is_ok_and(|end| end.success()) {
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.trim_end();
        return Err(format!("{} with {} drives: {said}", partner.name(), case.drives));
    }
    let said = String::from_utf8_lossy(&output.stdout);
    read(partner, case, &said, &rest).map(Some)
}

/// What the master and the segment said.
fn read(partner: Partner, case: &Case, said: &str, segment: &str) -> Result<Measured, String> {
    let parse = |text: &str| serde_json::from_str::<Value>(text.trim());
    let (Ok(said), Ok(segment)) = (parse(said), parse(segment)) else {
        return Err(format!(
            "{} does not answer in JSON: {said:.200} {segment:.200}",
            partner.name()
        ));
    };
    let list = |value: &Value| -> Vec<f64> {
        value.as_array().into_iter().flatten().filter_map(Value::as_f64).collect()
    };
    let (times, passes) = (list(&said["round_trips_ns"]), list(&segment["passes_ns"]));
    if times.len() != usize::try_from(case.block.cycles).unwrap_or(0) {
        return Err(format!("{}: {} cycles are missing", partner.name(), case.block.cycles));
    }
    // The last frames that the segment saw are those of the block.
    let sent = said["sent_frames"].as_u64().and_then(|frames| usize::try_from(frames).ok());
    let sent = sent.ok_or_else(|| format!("{} does not say what it sent", partner.name()))?;
    let last = |list: Vec<f64>| list.get(list.len().saturating_sub(sent)..).map(<[f64]>::to_vec);
    let passes = last(passes).unwrap_or_default();
    let usual = quantile(&passes, 990);
    let segment_ns: f64 = passes.iter().map(|pass| pass.min(usual)).sum();
    let cyclic = last(list(&segment["cyclic_bytes"])).unwrap_or_default();
    let cyclic: Vec<f64> = cyclic.into_iter().filter(|bytes| *bytes > 0.0).collect();
    let count = said["cyclic_frames"].as_u64().and_then(|count| u32::try_from(count).ok());
    let cycles = f64::from(case.block.cycles).max(1.0);
    let each = |key: &str| said[key].as_f64().unwrap_or(f64::NAN) / cycles;
    Ok(Measured {
        median_ns: quantile(&times, 500),
        p99_ns: quantile(&times, 990),
        cpu_ns: each("cpu_ns"),
        allocations: each("allocations"),
        switches_voluntary: each("switches_voluntary"),
        switches_involuntary: each("switches_involuntary"),
        cycles: case.block.cycles,
        wrong: said["wrong"].as_u64().unwrap_or(u64::MAX),
        segment_ns: segment_ns / cycles,
        sent_frames: each("sent_frames"),
        sent_bytes: each("sent_bytes"),
        cyclic: (count.unwrap_or(1), cyclic.iter().sum::<f64>() / real_length(&cyclic)),
        disturbance: None,
    })
}

fn real_length(list: &[f64]) -> f64 {
    real(u64::try_from(list.len()).unwrap_or(0)).max(1.0)
}

/// System calls a cycle between the marks of a log of strace; `None`: the marks are not there.
pub(crate) fn system_calls(log: &str, cycles: u32) -> Option<f64> {
    let (_, rest) = log.split_once("write(2, \"begin")?;
    let (between, _) = rest.split_once("write(2, \"end")?;
    // The first line is the rest of the mark, the last the number of the thread that makes the next.
    let lines = between.lines().skip(1);
    let calls = lines
        .filter(|line| line.contains('(') && !line.contains(" resumed>") && !line.contains("--- "));
    let calls = u64::try_from(calls.count()).ok()?;
    Some(real(calls) / f64::from(cycles).max(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_calls_are_counted_between_the_marks_in_all_threads() {
        let log = "7 execve(\"x\", 0) = 0\n7 write(2, \"begin\\n\", 6) = 6\n7 sendto(3, ) = 60\n\
                   8 futex(0x1 <unfinished ...>\n7 ppoll([], 1) = 1\n8 <... futex resumed>) = 0\n\
                   7 recvfrom(3) = 60\n7 --- SIGCHLD {x(1)} ---\n7 write(2, \"end\\n\", 4) = 4\n\
                   7 exit_group(0)\n";
        assert_eq!(system_calls(log, 2), Some(2.0));
        assert_eq!(system_calls("7 sendto(3) = 1\n", 2), None);
    }

    #[test]
    fn what_is_said_is_read_and_the_last_passes_count() {
        let block = Block { cycles: 3, pace_ns: 0, warm: 0 };
        let case = Case { drives: 1, block, frames: (1, 60.0) };
        let said = r#"{"wrong":1,"cpu_ns":300,"allocations":6,"switches_voluntary":3,
            "switches_involuntary":0,"sent_frames":4,"sent_bytes":240,"round_trips_ns":[30,10,20]}"#;
        let segment = r#"{"cyclic_bytes":[9,64,0,66,62],"passes_ns":[900,3,1,2,3]}"#;
        let measured = read(Partner::Soem, &case, said, segment).unwrap();
        assert!((measured.median_ns - 20.0).abs() < 0.1, "{measured:?}");
        assert!((measured.segment_ns - 3.0).abs() < 0.1, "{measured:?}");
        assert!((measured.allocations - 2.0).abs() < 0.1, "{measured:?}");
        assert!((measured.cyclic.1 - 64.0).abs() < 0.1, "{measured:?}");
        assert!((measured.sent_bytes - 80.0).abs() < 0.1, "{measured:?}");
        assert_eq!(measured.wrong, 1);
        assert!(read(Partner::Soem, &case, "nothing", segment).is_err());
        let short = said.replace("30,10,20", "30");
        assert!(read(Partner::Soem, &case, &short, segment).is_err(), "a cycle is missing");
    }
}
