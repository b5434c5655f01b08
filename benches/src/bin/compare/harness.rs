//! Blocks in turn, and the gates.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use serde_json::{Value, json};

use crate::partner::Block;
use crate::round::{self, Case, FAR, Measured, NEAR, Partner};
use crate::table;
use crate::verdict::{Disturbance, Machine, Verdict, judge, median};
use crate::ways::Way;

/// Set where the namespace is already ours.
const INSIDE: &str = "TACTUS_COMPARE_NAMESPACE";
/// Period of the paced cycles, ns.
const PERIOD_NS: u64 = 1_000_000;
/// Back to back so many times the cycles are measured.
const BACK_TO_BACK: u32 = 10;
/// Length of the frames with which ways are measured.
const WAY_BYTES: f64 = 300.0;
/// Cycles under strace, which makes each of them slow.
const TRACED: u32 = 200;

/// What is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) soem: Option<PathBuf>,
    pub(crate) stock: Option<PathBuf>,
    pub(crate) json: Option<PathBuf>,
    pub(crate) drives: Vec<u16>,
    /// Numbers of frames, to measure ways of sending and receiving in place of masters.
    pub(crate) ways: Option<Vec<u16>>,
    /// Processes may be put ahead of others.
    pub(crate) favoured: bool,
    pub(crate) blocks: usize,
    pub(crate) cycles: u32,
    /// Of the masters, of the segment.
    pub(crate) cpus: (u32, u32),
    pub(crate) fifo: Option<u8>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            soem: None,
            stock: None,
            json: None,
            drives: vec![1, 16, 64],
            ways: None,
            favoured: false,
            blocks: 5,
            cycles: 500,
            cpus: (0, 1),
            fifo: None,
        }
    }
}

/// What is held against what, at one drive.
#[derive(Clone, Copy, Debug)]
struct Gate {
    what: &'static str,
    ours: Partner,
    against: Partner,
    with_segment: bool,
    bound: f64,
    aim: f64,
}

/// A bare socket is held against ours where both wait in the same way.
const GATES: [Gate; 4] = [
    Gate {
        what: "ours / SOEM",
        ours: Partner::Ours,
        against: Partner::Soem,
        with_segment: false,
        bound: 0.75,
        aim: 0.6,
    },
    Gate {
        what: "ours / ethercrab, std",
        ours: Partner::Ours,
        against: Partner::Stock,
        with_segment: false,
        bound: 0.5,
        aim: 0.4,
    },
    Gate {
        what: "ours / (bare socket, awake + segment)",
        ours: Partner::Ours,
        against: Partner::FloorSpin,
        with_segment: true,
        bound: 1.15,
        aim: 1.15,
    },
    Gate {
        what: "ours, asleep / (bare socket, asleep + segment)",
        ours: Partner::Asleep,
        against: Partner::Floor,
        with_segment: true,
        bound: 1.15,
        aim: 1.15,
    },
];

/// All blocks of a partner in one case.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) partner: Partner,
    pub(crate) blocks: Vec<Measured>,
    pub(crate) system_calls: Option<f64>,
    /// Why there are no more blocks.
    pub(crate) failed: Option<String>,
}

/// One number of drives, paced or back to back.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub(crate) drives: u16,
    pub(crate) paced: bool,
    pub(crate) columns: Vec<Column>,
}

/// A gate and what became of it.
#[derive(Clone, Debug)]
pub(crate) struct Judged {
    pub(crate) what: String,
    pub(crate) ratio: f64,
    pub(crate) bound: f64,
    pub(crate) aim: f64,
    pub(crate) verdict: Verdict,
}

pub(crate) fn run(settings: &Settings, arguments: &[String]) -> ExitCode {
    let outcome = if std::env::var_os(INSIDE).is_none() {
        return again(arguments);
    } else {
        let settings = Settings { favoured: is_favoured(), ..settings.clone() };
        cable().and_then(|()| measure(&settings))
    };
    match outcome {
        Ok(Verdict::Pass) => ExitCode::SUCCESS,
        Ok(Verdict::Fail) => ExitCode::FAILURE,
        Ok(Verdict::Inconclusive) => ExitCode::from(3),
        Err(wrong) => {
            eprintln!("{wrong}");
            ExitCode::from(3)
        }
    }
}

/// Starts again in a network namespace of its own, which ends with it.
fn again(arguments: &[String]) -> ExitCode {
    let flags = if nix::unistd::geteuid().is_root() { "-n" } else { "-Urn" };
    let status = std::env::current_exe().and_then(|me| {
        Command::new("unshare").arg(flags).arg(me).args(arguments).env(INSIDE, "1").status()
    });
    match status {
        Ok(status) => {
            ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(3))
        }
        Err(error) => {
            eprintln!("unshare (util-linux): {error}");
            ExitCode::from(3)
        }
    }
}

/// Puts this run ahead of what else the machine does, where that is granted: all partners alike. Says whether processes may be.
fn is_favoured() -> bool {
    // A session of its own is a group of its own for the scheduler, within which alone niceness counts (sched_autogroup).
    let _ = nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGTERM);
    if nix::unistd::setsid().is_ok() {
        let _ = std::fs::write("/proc/self/autogroup", "-20");
    }
    let asked = Command::new("nice").args(["-n", "-20", "nice"]).output();
    asked.is_ok_and(|output| output.stdout == b"-20\n")
}

fn cable() -> Result<(), String> {
    let ip = |arguments: &str| {
        let status = Command::new("ip").args(arguments.split(' ')).status();
        let is_done = status.is_ok_and(|status| status.success());
        if is_done { Ok(()) } else { Err(format!("ip {arguments} (iproute2) failed")) }
    };
    ip(&format!("link add {NEAR} type veth peer name {FAR}"))?;
    for end in [NEAR, FAR] {
        // Nothing but our frames on the cable; a kernel without IPv6 has nothing to switch off.
        let _ = std::fs::write(format!("/proc/sys/net/ipv6/conf/{end}/disable_ipv6"), "1");
        ip(&format!("link set {end} up"))?;
    }
    Ok(())
}

fn measure(settings: &Settings) -> Result<Verdict, String> {
    let mut tables = Vec::new();
    for drives in settings.ways.as_ref().unwrap_or(&settings.drives) {
        for paced in [true, false] {
            tables.push(case(settings, *drives, paced)?);
        }
    }
    let disturbance = Disturbance::of(&disturbances(&tables));
    for table in &tables {
        print!("{}", table::text(table));
    }
    let (judged, verdict) = verdict(&tables, &disturbance);
    print!("{}", table::gates(&judged, &disturbance));
    println!("\n{}", verdict.word());
    if let Some(path) = &settings.json {
        let all = document(settings, &tables, &judged, (&disturbance, verdict));
        std::fs::write(path, format!("{all:#}\n"))
            .map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(verdict)
}

/// Of every block but those of ethercrab: its threads wait for each other on the masters' CPU, which is pressure of its own making.
fn disturbances(tables: &[Table]) -> Vec<Disturbance> {
    let columns = tables.iter().flat_map(|table| &table.columns);
    let alone = columns.filter(|column| column.partner != Partner::Stock);
    alone.flat_map(|column| &column.blocks).filter_map(|block| block.disturbance).collect()
}

fn document(
    settings: &Settings,
    tables: &[Table],
    judged: &[Judged],
    (disturbance, verdict): (&Disturbance, Verdict),
) -> Value {
    json!({
        "blocks": settings.blocks,
        "cycles_paced": settings.cycles,
        "cycles_back_to_back": settings.cycles * BACK_TO_BACK,
        "fifo": settings.fifo,
        "cpus": [settings.cpus.0, settings.cpus.1],
        "tables": tables.iter().map(table::json).collect::<Vec<_>>(),
        "gates": judged.iter().map(table::gate_json).collect::<Vec<_>>(),
        "disturbance": disturbance.json(),
        "verdict": verdict.word(),
    })
}

/// Who takes part; the planted fault where there are gates.
fn partners(settings: &Settings, drives: u16) -> Vec<Partner> {
    if settings.ways.is_some() {
        return Way::ALL.map(Partner::Way).into();
    }
    let planted = |partner: &Partner| *partner != Partner::Planted || drives == 1;
    Partner::ALL.into_iter().filter(planted).collect()
}

/// All blocks of one case: every partner once, then every partner again, until there are enough.
fn case(settings: &Settings, drives: u16, paced: bool) -> Result<Table, String> {
    let cycles = settings.cycles.saturating_mul(if paced { 1 } else { BACK_TO_BACK });
    let pace_ns = if paced { PERIOD_NS } else { 0 };
    let warm = if paced { cycles / 10 } else { cycles / 20 };
    let frames = if settings.ways.is_some() { (u32::from(drives), WAY_BYTES) } else { (1, 60.0) };
    let mut case = Case { drives, block: Block { cycles, pace_ns, warm }, frames };
    let empty = |partner| Column { partner, blocks: Vec::new(), system_calls: None, failed: None };
    let mut columns: Vec<Column> = partners(settings, drives).into_iter().map(empty).collect();
    for number in 1..=settings.blocks {
        let way = if paced { "at 1 kHz" } else { "back to back" };
        eprintln!("{drives} {way}: block {number} of {}", settings.blocks);
        for column in &mut columns {
            if column.failed.is_some() {
                continue;
            }
            let before = Machine::now();
            let mut measured = match round::block(settings, column.partner, &case, None) {
                Ok(Some(measured)) => measured,
                Ok(None) => continue,
                Err(wrong) => {
                    // The others go on; what is missing for a gate makes it inconclusive.
                    eprintln!("{wrong}; left out");
                    column.failed = Some(wrong);
                    continue;
                }
            };
            measured.disturbance = Some(Machine::now().since(&before));
            if measured.wrong > 0 {
                eprintln!("{}: {} wrong cycles", column.partner.name(), measured.wrong);
            }
            if column.partner == Partner::Ours {
                case.frames = measured.cyclic;
            }
            column.blocks.push(measured);
        }
    }
    columns.retain(|column| !column.blocks.is_empty() || column.failed.is_some());
    for column in columns.iter_mut().filter(|column| column.failed.is_none()) {
        column.system_calls = traced(settings, column.partner, &case);
    }
    Ok(Table { drives, paced, columns })
}

/// System calls a cycle, from a block of its own; `None` where strace is missing or refused.
fn traced(settings: &Settings, partner: Partner, case: &Case) -> Option<f64> {
    let log = std::env::temp_dir().join(format!("tactus-compare-{}.strace", std::process::id()));
    let block = Block { cycles: TRACED, warm: TRACED / 10, ..case.block };
    let case = Case { block, ..*case };
    let outcome = round::block(settings, partner, &case, Some(&log));
    let text = std::fs::read_to_string(&log).unwrap_or_default();
    let _ = std::fs::remove_file(&log);
    outcome.ok().flatten()?;
    round::system_calls(&text, TRACED)
}

/// Medians of `partner` over those of the other, pair by pair.
fn ratios(table: &Table, partner: Partner, gate: &Gate) -> Vec<f64> {
    let blocks = |partner| {
        let column = table.columns.iter().find(|column| column.partner == partner);
        column.map_or(&[][..], |column| &column.blocks)
    };
    let pairs = blocks(partner).iter().zip(blocks(gate.against));
    pairs
        .map(|(mine, other)| {
            let segment = if gate.with_segment { mine.segment_ns } else { 0.0 };
            mine.median_ns / (other.median_ns + segment)
        })
        .collect()
}

/// The gates at one drive; and the planted fault, which one of them at least must find wherever ours passes all.
fn verdict(tables: &[Table], disturbance: &Disturbance) -> (Vec<Judged>, Verdict) {
    let mut judged = Vec::new();
    for table in tables.iter().filter(|table| table.drives == 1) {
        let way = if table.paced { "1 kHz" } else { "back to back" };
        let mut found = false;
        if !table.columns.iter().any(|column| column.partner == Partner::Planted) {
            continue;
        }
        for gate in &GATES {
            let ours = ratios(table, gate.ours, gate);
            if !table.columns.iter().any(|column| column.partner == gate.against) {
                continue;
            }
            let planted = ratios(table, Partner::Planted, gate);
            found |= judge(&planted, gate.bound) == Verdict::Fail;
            judged.push(Judged {
                what: format!("{way}: {}", gate.what),
                ratio: median(&ours),
                bound: gate.bound,
                aim: gate.aim,
                verdict: disturbance.soften(judge(&ours, gate.bound)),
            });
        }
        judged.push(Judged {
            what: format!("{way}: the planted 20 us are found"),
            ratio: f64::from(u8::from(found)),
            bound: 1.0,
            aim: 1.0,
            verdict: disturbance.soften(if found { Verdict::Pass } else { Verdict::Fail }),
        });
    }
    let any = |verdict| judged.iter().any(|judged| judged.verdict == verdict);
    let verdict = if any(Verdict::Fail) {
        Verdict::Fail
    } else if any(Verdict::Inconclusive) || judged.is_empty() {
        Verdict::Inconclusive
    } else {
        Verdict::Pass
    };
    (judged, verdict)
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: Disturbance = Disturbance { pressure: Some(0.0), steal: 0.0, throttled: Some(0) };

    /// Ours in `ours_ns`, planted in `planted_ns`; SOEM in 24, ethercrab in 37, the floor in 12 and the segment in 3 us.
    fn tables(ours_ns: f64, planted_ns: f64) -> [Table; 1] {
        let column = |partner, median_ns| Column {
            partner,
            blocks: vec![Measured { median_ns, segment_ns: 3_000.0, ..Measured::default() }; 5],
            system_calls: None,
            failed: None,
        };
        let columns = vec![
            column(Partner::Ours, ours_ns),
            column(Partner::Soem, 24_000.0),
            column(Partner::Stock, 37_000.0),
            column(Partner::FloorSpin, 12_000.0),
            column(Partner::Asleep, 30_000.0),
            column(Partner::Floor, 25_000.0),
            column(Partner::Planted, planted_ns),
        ];
        [Table { drives: 1, paced: true, columns }]
    }

    #[test]
    fn the_gates_hold_and_the_planted_fault_is_found() {
        let (judged, verdict) = verdict(&tables(16_000.0, 36_000.0), &QUIET);
        assert_eq!((judged.len(), verdict), (5, Verdict::Pass), "{judged:?}");
    }

    #[test]
    fn twenty_microseconds_more_fail_every_gate() {
        let (judged, verdict) = verdict(&tables(36_000.0, 56_000.0), &QUIET);
        assert_eq!(verdict, Verdict::Fail);
        let failed = judged.iter().filter(|judged| judged.verdict == Verdict::Fail);
        assert_eq!(failed.count(), 3, "{judged:?}");
    }

    #[test]
    fn gates_that_do_not_find_the_planted_fault_fail_themselves() {
        let (judged, verdict) = verdict(&tables(16_000.0, 16_000.0), &QUIET);
        assert_eq!(verdict, Verdict::Fail);
        assert_eq!(judged.last().map(|last| last.verdict), Some(Verdict::Fail));
    }

    #[test]
    fn on_a_busy_machine_a_failure_says_nothing_and_no_blocks_say_nothing() {
        let busy = Disturbance { pressure: Some(0.5), ..QUIET };
        assert_eq!(verdict(&tables(36_000.0, 56_000.0), &busy).1, Verdict::Inconclusive);
        assert_eq!(verdict(&[], &QUIET).1, Verdict::Inconclusive);
    }
}
