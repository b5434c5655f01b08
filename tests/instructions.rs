//! Instructions that the pieces of `tactus_benches::counted` execute, against those stored in `benches/counts.json`.
//!
//! Counts do not depend on how busy the machine is. They do depend on the compiler and a little on the C library's choice of
//! `memcpy` by CPU, so both are pinned or noted. `UPDATE_COUNTS=1 cargo test --release -p tactus-tests --test instructions`
//! stores what was counted.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::json;
use tactus_tests::{root, run, said, scratch, tactus};

/// The only function that is counted, with everything that it calls.
const MEASURED: &str = "tactus_benches::counted::measured";
/// Extensions that the C library must not choose by: its string functions are then the same on every x86-64 CPU.
const TUNABLES: &str = "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX512BW,-AVX2,-AVX2_Usable,-AVX,-ERMS,-FSRM,\
                        -AVX_Fast_Unaligned_Load,-SSSE3,-SSE4_2";
/// A count may grow by this much, percent.
const TOLERANCE_PERCENT: u64 = 5;
/// With another compiler than the one the stored counts are from, percent.
const TOLERANCE_OTHER_COMPILER_PERCENT: u64 = 25;
/// Turns of a loop that is planted to be found: a few instructions each, well below what an axis takes.
const PLANTED_TURNS: u32 = 400;

/// The program that does the pieces, always as it is released.
fn program() -> PathBuf {
    let tactus = tactus();
    let target = tactus.parent().and_then(|profile| profile.parent()).expect("target/<profile>");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(root()).args(["build", "--quiet", "--release", "-p", "tactus-benches"]);
    cargo.args(["--bin", "counted", "--target-dir"]).arg(target);
    assert!(cargo.status().expect("cargo runs").success(), "`counted` does not build");
    target.join("release/counted")
}

/// Instructions of one turn of `name`.
fn count(name: &str, repeats: u64, planted: u32) -> u64 {
    // Two tests count the same piece at the same time: each run writes into a folder of its own.
    static RUNS: AtomicU32 = AtomicU32::new(0);
    let run_of_its_own = RUNS.fetch_add(1, Ordering::Relaxed);
    let out = scratch(&format!("counted-{run_of_its_own}")).join("out");
    let mut valgrind = Command::new("valgrind");
    valgrind
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("GLIBC_TUNABLES", TUNABLES)
        .args(["--tool=callgrind", &format!("--toggle-collect={MEASURED}")])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(program())
        .args([name, &planted.to_string()]);
    let output = run(&mut valgrind);
    assert!(output.status.success(), "{name}: {}", said(&output));
    let text = std::fs::read_to_string(&out).expect("callgrind wrote what it counted");
    let total = text.lines().find_map(|line| line.strip_prefix("totals: ")?.trim().parse().ok());
    let total: u64 = total.unwrap_or_else(|| panic!("{name}: no totals: {}", said(&output)));
    assert!(total > 0, "{name}: {MEASURED} was not found in the program");
    total / repeats
}

/// Every piece with how often it is done.
fn pieces() -> Vec<(String, u64)> {
    let output = run(&mut Command::new(program()));
    let text = String::from_utf8(output.stdout).expect("names");
    let line = |line: &str| {
        let (name, repeats) = line.split_once(' ').expect("name and repeats");
        (name.to_owned(), repeats.parse().expect("a number"))
    };
    text.lines().map(line).collect()
}

fn compiler() -> String {
    let output = run(Command::new("rustc").arg("--version"));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

struct Stored {
    compiler: String,
    counts: BTreeMap<String, u64>,
}

fn file() -> PathBuf {
    root().join("benches/counts.json")
}

fn stored() -> Stored {
    let stored = tactus_tests::json(&file());
    let counts = stored["counts"].as_object().expect("counts").iter();
    Stored {
        compiler: stored["compiler"].as_str().expect("compiler").to_owned(),
        counts: counts
            .map(|(name, count)| (name.clone(), count.as_u64().expect("a count")))
            .collect(),
    }
}

fn percent(stored: u64, counted: u64) -> f64 {
    let exact = |count: u64| f64::from(u32::try_from(count).expect("counts are small"));
    100.0 * (exact(counted) / exact(stored) - 1.0)
}

/// What has grown, in words; nothing when all is well.
fn grown(stored: &Stored, counted: &BTreeMap<String, u64>, compiler: &str) -> Vec<String> {
    let tolerance = if stored.compiler == compiler {
        TOLERANCE_PERCENT
    } else {
        TOLERANCE_OTHER_COMPILER_PERCENT
    };
    let mut wrong = Vec::new();
    for (name, counted) in counted {
        let Some(before) = stored.counts.get(name) else {
            wrong.push(format!("{name}: {counted} instructions, none are stored"));
            continue;
        };
        let by = percent(*before, *counted);
        if counted * 100 > before * (100 + tolerance) {
            wrong.push(format!(
                "{name}: {counted} instructions, stored are {before}: {by:+.1} % (at most {tolerance} %)"
            ));
        }
    }
    for name in stored.counts.keys().filter(|name| !counted.contains_key(*name)) {
        wrong.push(format!("{name}: stored, but nothing is counted under this name"));
    }
    wrong
}

#[test]
fn no_piece_executes_more_instructions_than_stored() {
    let counted: BTreeMap<_, _> = pieces()
        .into_iter()
        .map(|(name, repeats)| {
            let count = count(&name, repeats, 0);
            println!("{name}: {count}");
            (name, count)
        })
        .collect();
    if std::env::var_os("UPDATE_COUNTS").is_some() {
        let text = json!({
            "what": "instructions of one turn, counted by callgrind (tests/instructions.rs); x86-64 without extensions",
            "compiler": compiler(),
            "tolerance_percent": TOLERANCE_PERCENT,
            "counts": counted,
        });
        let text = serde_json::to_string_pretty(&text).expect("it is JSON") + "\n";
        std::fs::write(file(), text).expect("benches/counts.json can be written");
    }
    let wrong = grown(&stored(), &counted, &compiler());
    assert!(
        wrong.is_empty(),
        "{}\nif this is meant: UPDATE_COUNTS=1 cargo test --release -p tactus-tests --test instructions",
        wrong.join("\n")
    );
}

#[test]
fn the_same_piece_is_counted_the_same_twice_and_a_planted_loop_is_found() {
    let (name, repeats) = pieces().into_iter().find(|(name, _)| name == "step/4").expect("there");
    let [first, second] = [0; 2].map(|planted| count(&name, repeats, planted));
    assert_eq!(first, second, "counts do not depend on anything that changes between two runs");
    let planted = count(&name, repeats, PLANTED_TURNS);
    let stored = Stored { compiler: compiler(), counts: BTreeMap::from([(name.clone(), first)]) };
    let same = BTreeMap::from([(name.clone(), second)]);
    assert_eq!(grown(&stored, &same, &compiler()), Vec::<String>::new());
    let wrong = grown(&stored, &BTreeMap::from([(name, planted)]), &compiler());
    assert_eq!(wrong.len(), 1, "{first} and {planted} instructions");
    assert!(wrong[0].contains("step/4") && wrong[0].contains("% (at most 5 %)"), "{wrong:?}");
}

#[test]
fn what_grew_is_told_and_another_compiler_may_differ_more() {
    let stored = |compiler: &str| Stored {
        compiler: compiler.to_owned(),
        counts: BTreeMap::from([("a/1".to_owned(), 1000)]),
    };
    let counted = |count| BTreeMap::from([("a/1".to_owned(), count)]);
    assert!(grown(&stored("x"), &counted(1050), "x").is_empty());
    assert_eq!(
        grown(&stored("x"), &counted(1060), "x"),
        ["a/1: 1060 instructions, stored are 1000: +6.0 % (at most 5 %)"]
    );
    assert!(grown(&stored("x"), &counted(1060), "y").is_empty());
    assert_eq!(grown(&stored("x"), &counted(1300), "y").len(), 1);
    assert_eq!(grown(&stored("x"), &BTreeMap::new(), "x").len(), 1, "a piece is missing");
}

/// The step is linear: an axis costs the same in a machine of 64 and of 256, and hardly more than in one of 4.
#[test]
fn an_axis_costs_the_same_in_a_machine_of_any_size() {
    let counts = stored().counts;
    let an_axis = |many: u64, few: u64| {
        let of = |axes: u64| counts[&format!("step/{axes}")];
        (of(many) - of(few)) / (many - few)
    };
    let (small, large) = (an_axis(16, 4), an_axis(256, 64));
    assert!(large * 100 < small * 115, "an axis: {small} instructions of few, {large} of many");
}

/// The exchange is linear in process data: four times as much costs at most four times as much, and 15 % to spare.
#[test]
fn four_times_the_process_data_cost_at_most_four_times_as_much() {
    let counts = stored().counts;
    let (small, large) = (counts["exchange/1KiB"], counts["exchange/4KiB"]);
    assert!(large * 100 <= small * 4 * 115, "1 KiB: {small} instructions, 4 KiB: {large}");
    assert!(large > small * 2, "all of it is looked at: 1 KiB: {small}, 4 KiB: {large}");
}
