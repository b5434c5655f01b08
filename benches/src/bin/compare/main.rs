//! Compares exchanges of process data over one veth pair, against one virtual segment, in one run with alternating blocks.
//! `compare --help`; how it is measured stands in docs/performance.md.

mod harness;
mod partner;
mod round;
mod table;
mod verdict;
mod ways;

use std::path::PathBuf;
use std::process::ExitCode;

use fieldbus::link::RawOptions;
use harness::Settings;
use partner::Block;
use rt_linux::guard::CountingAllocator;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

const HELP: &str = "\
Compares the exchange with other masters over a veth pair in a network namespace of its own (root, or user namespaces).

usage: compare [--soem FILE] [--stock FILE] [options]
  --soem FILE       soem-exchange, as tests/third-party/soem/build.sh builds it
  --stock FILE      stock-exchange of tests/third-party/stock-ethercrab
  --drives 1,16,64  numbers of drives
  --blocks 5        blocks of each partner, alternating
  --cycles 500      measured cycles of a block at 1 kHz; ten times as many back to back
  --cpus 0,1        CPU of the masters, CPU of the segment
  --fifo N          SCHED_FIFO priority for all of them (none: as this process)
  --ways 1,4        measures ways of sending and receiving so many frames against each other instead
  --json FILE       writes everything that was measured

examples:
  compare --soem target/third-party/soem/soem-exchange --stock target/third-party/stock-ethercrab/release/stock-exchange
  compare --drives 1 --blocks 4 --cycles 200

exit: 0 every gate holds, 1 one does not, 2 wrong arguments, 3 nothing can be said (the machine is busy, or lacks something)";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["--help" | "-h"] => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        [kind @ ("ours" | "ours-asleep"), interface, cycles, pace, warm, drives, planted] => {
            let asleep = *kind == "ours-asleep";
            let options = if asleep { RawOptions::PATIENT } else { RawOptions::CYCLIC };
            block(cycles, pace, warm).and_then(|b| {
                partner::ours(interface, options, number(drives)?, b, number(planted)?)
            })
        }
        ["way", interface, cycles, pace, warm, count, bytes, way] => block(cycles, pace, warm)
            .and_then(|b| {
                let size = (number(count)?, number(bytes)?);
                ways::run(interface, ways::Way::of(way)?, size, b)
            }),
        [kind @ ("floor" | "floor-spin"), interface, cycles, pace, warm, count, bytes] => {
            block(cycles, pace, warm).and_then(|b| {
                let size = (number(count)?, number(bytes)?);
                partner::floor(interface, size, b, *kind == "floor-spin")
            })
        }
        ["segment", interface, drives] => {
            number(drives).and_then(|drives| partner::segment(interface, drives))
        }
        _ => match settings(&arguments) {
            Ok(settings) => return harness::run(&settings, &arguments),
            Err(wrong) => {
                eprintln!("{wrong}\n{HELP}");
                return ExitCode::from(2);
            }
        },
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(wrong) => {
            eprintln!("{wrong}");
            ExitCode::FAILURE
        }
    }
}

fn number<N: std::str::FromStr>(text: &str) -> Result<N, String> {
    text.parse().map_err(|_| format!("{text} is not a number that fits here"))
}

fn numbers<N: std::str::FromStr>(text: &str) -> Result<Vec<N>, String> {
    text.split(',').map(number).collect()
}

fn block(cycles: &str, pace: &str, warm: &str) -> Result<Block, String> {
    Ok(Block { cycles: number(cycles)?, pace_ns: number(pace)?, warm: number(warm)? })
}

fn settings(arguments: &[String]) -> Result<Settings, String> {
    let mut settings = Settings::default();
    let mut rest = arguments.iter();
    while let Some(key) = rest.next() {
        let value = rest.next().ok_or_else(|| format!("{key} needs a value"))?;
        match key.as_str() {
            "--soem" => settings.soem = Some(PathBuf::from(value)),
            "--stock" => settings.stock = Some(PathBuf::from(value)),
            "--json" => settings.json = Some(PathBuf::from(value)),
            "--ways" => settings.ways = Some(numbers(value)?),
            "--drives" => settings.drives = numbers(value)?,
            "--blocks" => settings.blocks = number(value)?,
            "--cycles" => settings.cycles = number(value)?,
            "--fifo" => settings.fifo = Some(number(value)?),
            "--cpus" => {
                let cpus = numbers(value)?;
                let [masters, segment] = cpus.as_slice() else {
                    return Err(String::from("--cpus: two CPUs"));
                };
                settings.cpus = (*masters, *segment);
            }
            _ => return Err(format!("there is no {key}")),
        }
    }
    Ok(settings)
}
