//! Faults that come on an axis of the simulated world, which has what the twin lacks: what finds them, and how late.
//!
//! The table of docs/twin.md is printed by `TACTUS_TWIN_TABLE=250 cargo test --release -p rt-core --test health -- --nocapture`, on seeds
//! from [`REPORTED`] on; the thresholds were tuned on those from [`TUNED`] on (`TACTUS_TWIN_FROM=0`). Without it a few seeds are run
//! and compared, to the cycle, with what docs/twin.md says of them.
#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "small numbers, drawn and counted"
)]

mod cell;

use rt_core::plan::{ThermalModel, TwinMode, TwinPlan};
use rt_core::record::{Decision, Event};

use cell::{Cell, FAULTS, Fault, Found, quiet, run};

/// First seed of those that the thresholds were tuned on.
const TUNED: u64 = 0;
/// First seed of those that are reported.
const REPORTED: u64 = 1_000_000;
/// Seeds of the rows that every test run reproduces.
const SLICE: u64 = 2;

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// Runs of one fault over seeds, on all processors that there are.
fn runs(fault: Fault, seeds: std::ops::Range<u64>) -> Vec<Found> {
    let workers = number("TACTUS_TWIN_JOBS").unwrap_or(2);
    let chunk = |worker: u64| {
        let seeds = seeds.clone().filter(move |seed| seed % workers == worker);
        std::thread::spawn(move || seeds.map(|seed| run(fault, seed)).collect::<Vec<_>>())
    };
    let threads: Vec<_> = (0..workers).map(chunk).collect();
    let mut found: Vec<_> =
        threads.into_iter().flat_map(|thread| thread.join().expect("it ran")).collect();
    found.sort_by_key(|found| found.seed);
    found
}

fn seconds(cycles: u32) -> f64 {
    f64::from(cycles) * 1e-3
}

/// Share found in percent, delay p50 and p95 in s.
fn summary(delays: &[Option<u32>]) -> String {
    let mut found: Vec<u32> = delays.iter().copied().flatten().collect();
    found.sort_unstable();
    let at = |percent: usize| {
        let place = (found.len() * percent).div_ceil(100).saturating_sub(1);
        found.get(place).map_or("–".to_owned(), |delay| format!("{:.1}", seconds(*delay)))
    };
    let share = 100.0 * found.len() as f64 / delays.len().max(1) as f64;
    format!("{share:.1} % · {} · {} s", at(50), at(95))
}

/// One row of the table.
fn row(fault: Fault, found: &[Found]) -> String {
    let delays = |of: fn(&Found) -> Option<u32>| found.iter().map(of).collect::<Vec<_>>();
    let early = found.iter().filter(|found| found.early).count();
    let channels = (0..6).map(|channel| {
        let name = ["load", "friction", "inertia", "roughness", "ripple", "sensor"][channel];
        (found.iter().filter(|found| found.first == Some(channel)).count(), name)
    });
    let (_, first) = channels.max().expect("six");
    format!(
        "| {} | {} | {} | {} | {} | {} | {early} |",
        fault.name(),
        found.len(),
        summary(&delays(Found::any)),
        summary(&delays(|found| found.ewma)),
        summary(&delays(|found| found.cusum)),
        if found.iter().all(|found| found.first.is_none()) { "–" } else { first },
    )
}

/// One run, to the cycle.
fn line(fault: Fault, found: &Found) -> String {
    let cycle = |delay: Option<u32>| delay.map_or("–".to_owned(), |delay| delay.to_string());
    let Found { seed, ewma, cusum, sensor, .. } = *found;
    format!(
        "| {} | {seed} | {} | {} | {} |",
        fault.name(),
        cycle(ewma),
        cycle(cusum),
        cycle(sensor)
    )
}

fn document() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/twin.md");
    std::fs::read_to_string(path).expect("docs/twin.md is there")
}

#[test]
fn faults_are_found_as_the_document_says_from_the_seeds_that_it_names() {
    let from = number("TACTUS_TWIN_FROM").unwrap_or(REPORTED);
    assert!(from >= REPORTED || number("TACTUS_TWIN_TABLE").is_some(), "{TUNED} is for tuning");
    let seeds = number("TACTUS_TWIN_TABLE");
    let all: Vec<_> =
        FAULTS.map(|fault| (fault, runs(fault, from..from + seeds.unwrap_or(SLICE)))).to_vec();
    if seeds.is_some() {
        println!(
            "| fault | seeds | found · p50 · p95 | EWMA | CUSUM | first in | before the fault |"
        );
        println!("| --- | --- | --- | --- | --- | --- | --- |");
        for (fault, found) in &all {
            println!("{}", row(*fault, found));
        }
        let watched: f64 = all.iter().flat_map(|(_, found)| found).map(|found| found.quiet_s).sum();
        let false_alarms: u32 =
            all.iter().flat_map(|(_, found)| found).map(|found| found.false_alarms).sum();
        println!(
            "\nFalse alarms: {false_alarms} in {:.1} h of motion without a fault: {:.2} an hour.\n",
            watched / 3600.0,
            f64::from(false_alarms) * 3600.0 / watched
        );
    }
    let document = document();
    let mut wrong = Vec::new();
    for (fault, found) in &all {
        for found in found.iter().take(SLICE as usize) {
            let line = line(*fault, found);
            println!("{line}");
            if !document.contains(&line) {
                wrong.push(line);
            }
        }
    }
    assert!(seeds.is_some() || wrong.is_empty(), "not so in docs/twin.md:\n{}", wrong.join("\n"));
}

/// `TACTUS_TWIN_QUIET=290 cargo test --release -p rt-core --test health alone -- --nocapture`: 300 axes that are well, 290 s each.
#[test]
fn an_axis_that_is_well_is_left_alone() {
    let asked = number("TACTUS_TWIN_QUIET");
    let (axes, seconds) = asked.map_or((4, 60), |seconds| (300, seconds));
    let from = number("TACTUS_TWIN_FROM").unwrap_or(REPORTED);
    let worker = |worker: u64| {
        let seeds = (from..from + axes).filter(move |seed| seed % 2 == worker);
        let alarms = move |seed| (seed, quiet(seed, seconds));
        std::thread::spawn(move || seeds.map(alarms).collect::<Vec<_>>())
    };
    let threads: Vec<_> = (0..2).map(worker).collect();
    let all: Vec<_> = threads.into_iter().flat_map(|it| it.join().expect("it ran")).collect();
    for (seed, alarms) in all.iter().filter(|(_, alarms)| !alarms.is_empty()) {
        println!("seed {seed}: {alarms:?} (cycle, channels, sensors)");
    }
    let alarms: usize = all.iter().map(|(_, alarms)| alarms.len()).sum();
    let hours = axes as f64 * seconds as f64 / 3600.0;
    println!(
        "{alarms} false alarms in {hours:.1} h of motion: {:.2} a day",
        alarms as f64 * 24.0 / hours
    );
    assert!(asked.is_some() || alarms == 0, "{all:?}");
}

/// What the drive's own torque makes of the inertia: a motor whose constant is 10 % too small needs 10 % more of what it calls torque.
fn inertia_as_the_drive_sees_it(cell: &Cell) -> f64 {
    let axis = cell.physics;
    let inertia = axis.motor_inertia_kgm2 + axis.load_inertia_kgm2;
    inertia * axis.torque_constant_nominal_nm_per_a / axis.torque_constant_nm_per_a
}

#[test]
fn inertia_is_learnt_within_a_twentieth_from_a_model_that_is_wrong_by_up_to_half() {
    let mut worst = 0.0_f64;
    for seed in 0..24 {
        let mut cell = Cell::new(seed);
        for _ in 0..12_000 {
            cell.cycle();
        }
        let found = cell.watch.identified().expect("it moved").inertia_kgm2;
        let off = found / inertia_as_the_drive_sees_it(&cell) - 1.0;
        worst = worst.max(off.abs());
    }
    println!("largest error of the inertia: {:.1} %", worst * 100.0);
    assert!(worst < 0.05, "{worst}");
}

#[test]
// SR-053
fn a_twin_with_the_wrong_mass_doubts_itself_and_widens_until_the_mass_is_right_again() {
    let mut cell = Cell::new(3);
    for _ in 0..12_000 {
        cell.cycle();
    }
    assert!(!cell.facts.doubted && cell.axis.twin().doubt() <= 1.0);
    let before = cell.axis.twin().stopping(20_000.0, 800.0).distance;
    cell.world.act(world::Action::PayloadScale { axis: 0, factor: 5.0 });
    for _ in 0..20_000 {
        cell.cycle();
    }
    assert!(cell.facts.doubted, "{:?}", cell.watch.identified());
    let doubt = cell.axis.twin().doubt();
    assert!(doubt > 4.0 / 3.0, "{doubt}");
    assert!(cell.axis.twin().stopping(20_000.0, 800.0).distance > before * 1.02);
    cell.world.act(world::Action::PayloadScale { axis: 0, factor: 1.0 });
    for _ in 0..20_000 {
        cell.cycle();
    }
    assert!(!cell.facts.doubted && cell.axis.twin().doubt() <= 1.0);
}

/// Motor and drive that are warm within seconds.
fn warm(derate: TwinMode) -> Cell {
    let (winding_s, housing_s, drive_s) = (20.0, 40.0, 15.0);
    let model = ThermalModel { winding_s, housing_s, housing_share: 0.5, drive_s, limit: 0.02 };
    let plan = TwinPlan { derate, thermal: Box::new([Some(model)]), ..TwinPlan::default() };
    let mut cell = Cell::watched(3, &plan);
    for _ in 0..90_000 {
        cell.cycle();
    }
    cell
}

#[test]
// SR-052, SR-100
fn who_gets_too_warm_slows_when_it_may_act_and_only_records_it_when_it_may_not() {
    let acts = warm(TwinMode::Act);
    let full = 1_000_000_000_000;
    assert!(acts.facts.derated.is_some_and(|cap| cap.0 >= full / 4 && cap.0 < full));
    let observes = warm(TwinMode::Observe);
    assert_eq!(observes.facts.derated, None);
    for (cell, mode) in [(&acts, TwinMode::Act), (&observes, TwinMode::Observe)] {
        let foreseen = cell.events.iter().find_map(|event| match *event {
            Event::Foreseen { decision: Decision::Derate, mode, predicted, actual, .. } => {
                Some((mode, predicted.units(), actual.units()))
            }
            _ => None,
        });
        let (told, predicted, actual) = foreseen.expect("a minute is over");
        assert_eq!(told, mode);
        assert!((actual / predicted - 1.0).abs() < 0.3, "{predicted} {actual}");
    }
}
