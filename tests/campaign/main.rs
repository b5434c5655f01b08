//! The fault campaign: the whole demo cell in virtual time, moving, behind a line that does everything that a line can do.
//!
//! Whatever happens: no hang, no panic; no input is ever taken from a bad datagram; what the machine file declares as a demand is one in
//! the cycle it declares, and then everything comes to rest; and when the fault ends the operator gets the machine going again.
//!
//! Every run is a seed. `TACTUS_CAMPAIGN_SEED=n` replays one run; `TACTUS_CAMPAIGN_RUNS=n` makes more than the few of CI.

mod cell;
mod faults;
mod line;
mod oracle;
mod tried;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cell::{Rig, alone};
use faults::{Family, Planned};
use tactus_tests::random::Random;

/// Faults of one run, one after the other.
const FAULTS: u32 = 6;
/// Runs of each family in CI.
const RUNS: u64 = 5;
/// Until the operator has it going again, cycles: he waits for the lamp, resets, starts; a device's way back to Op is 1 s at most.
const RECOVERY_MAX: u32 = 15_000;
/// No cycle takes so long; if nothing goes on for this time, something hangs.
const HANGS_AFTER: Duration = Duration::from_secs(60);

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Ends the process when nothing goes on any more in a test, and says which run it was. Ends itself when the test is over.
fn watch(family: Family, seed: Arc<AtomicU64>, beats: Arc<AtomicU64>) {
    std::thread::spawn(move || {
        let mut before = beats.load(Ordering::Relaxed);
        while Arc::strong_count(&beats) > 1 {
            std::thread::park_timeout(HANGS_AFTER);
            let now = beats.load(Ordering::Relaxed);
            if now == before && Arc::strong_count(&beats) > 1 {
                eprintln!("it hangs: {}", replay(seed.load(Ordering::Relaxed), family));
                std::process::abort();
            }
            before = now;
        }
    });
}

fn replay(seed: u64, family: Family) -> String {
    format!(
        "seed {seed}; again: TACTUS_CAMPAIGN_SEED={seed} cargo test --release -p tactus-tests --test campaign -- --nocapture {}",
        family.test()
    )
}

/// One run: faults one after the other, each until the machine works again.
fn run(machine: &config::Machine, family: Family, seed: u64, beats: &AtomicU64) -> Vec<String> {
    let mut rig = Rig::new(machine, seed);
    let mut random = Random(seed ^ 0xCA11);
    let mut said = Vec::new();
    for _ in 0..FAULTS {
        let planned = Planned::draw(family, &mut random);
        // At any moment of its work.
        for _ in 0..random.below(1_500) {
            rig.one();
        }
        assert!(rig.is_normal(), "it stopped without a fault, before {planned:?}");
        planned.begin(&mut rig);
        for cycle in 0..planned.cycles {
            planned.meanwhile(&mut rig, cycle);
            rig.one();
            beats.fetch_add(1, Ordering::Relaxed);
        }
        planned.end(&mut rig);
        let stopped = !rig.is_normal();
        let mut took = 0;
        // Working again means: for a while.
        let mut well = 0;
        while well < 200 && took < RECOVERY_MAX {
            rig.one();
            beats.fetch_add(1, Ordering::Relaxed);
            took += 1;
            well = if rig.is_normal() { well + 1 } else { 0 };
        }
        let line = format!("{planned:?}: stopped {stopped}, back after {took} cycles");
        assert!(rig.violations.is_empty(), "{line}\n{:#?}", rig.violations);
        assert!(well >= 200, "{line}: it never came back: {:#?}", rig.cycle.core().status());
        said.push(line);
    }
    assert!(rig.cycle.bus().compared > 100_000, "nothing was compared");
    fieldbus::time::set_monotonic();
    said
}

fn campaign(family: Family) {
    let (seed_now, beats) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    watch(family, Arc::clone(&seed_now), Arc::clone(&beats));
    let machine = alone();
    let one = number("TACTUS_CAMPAIGN_SEED");
    let runs = number("TACTUS_CAMPAIGN_RUNS").unwrap_or(RUNS);
    let first = one.unwrap_or(1);
    let last = one.unwrap_or(runs);
    for seed in first..=last {
        seed_now.store(seed, Ordering::Relaxed);
        let outcome = std::panic::catch_unwind(|| run(&machine, family, seed, &beats));
        match outcome {
            Ok(said) => {
                if one.is_some() {
                    println!("{said:#?}");
                }
            }
            Err(wrong) => {
                eprintln!("{}", replay(seed, family));
                std::panic::resume_unwind(wrong);
            }
        }
    }
}

#[test]
fn frames_that_are_lost_late_doubled_or_out_of_order() {
    campaign(Family::Timing);
}

#[test]
fn frames_that_are_damaged_cut_or_somebody_elses() {
    campaign(Family::Damage);
}

#[test]
fn devices_and_cables_that_go_and_come_back() {
    campaign(Family::Devices);
}

#[test]
fn mailboxes_full_of_garbage_while_it_works() {
    campaign(Family::Mailbox);
}

#[test]
fn everything_at_once() {
    campaign(Family::Storm);
}

/// The index pulse of an encoder falls anywhere between two pulses of SYNC0; whoever misses it is a turn off.
#[test]
fn every_world_is_homed_where_its_reference_is() {
    let machine = alone();
    for world in 0..10 {
        let mut rig = Rig::new(&machine, world);
        for axis in [0, 1] {
            let truth = rig.cell().world().axis(axis).expect("an axis").position;
            let found = rig.cycle.core().axes()[axis].view().position;
            assert!((found - truth).abs() < 3.0, "world {world}, axis {axis}: {found}, {truth}");
        }
        fieldbus::time::set_monotonic();
    }
}
