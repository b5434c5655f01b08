//! Every error of the black-channel list, injected between camera and receiver in every phase of the machine: it leads to not-clear within
//! the declared deadline, and that is seen at the outputs: no permit, axes that come to rest, drives without operation.

mod errors;
mod rig;

use errors::{ERRORS, Error, fix};
use rig::{Phase, Rig, machine_with};

const MS: u64 = 1_000_000;
/// `age_max` of the stream, and two periods: input to output.
const DEADLINE_NS: u64 = (150 + 2) * MS;
/// The longest stop that this machine can need, its ramps with their jerk.
const STOP_NS: u64 = 400 * MS;
/// Then torque is given up.
const TORQUE_NS: u64 = 1_000 * MS;
/// The error stays for so long: an operator presses reset and start in the meantime.
const STAYS_NS: u64 = 4_500 * MS;

const PHASES: [Phase; 6] =
    [Phase::Homing, Phase::Waiting, Phase::Running, Phase::Stopping, Phase::Tripped, Phase::Manual];

/// What is wrong with how the machine takes `error` in `phase`; `repair`: by a receiver that lacks the check for it.
fn takes(error: &Error, phase: Phase, repair: bool) -> Vec<String> {
    let machine = machine_with(phase);
    let mut rig = Rig::new(&machine);
    rig.until(phase);
    assert!(rig.is_clear(), "{} in {phase:?}: nothing is wrong yet", error.name);
    rig.inject(error, repair.then_some(error.fixes));
    let began = rig.now();
    let mut wrong = Vec::new();
    let mut told = None;
    let since = |rig: &Rig| rig.now() - began;
    while since(&rig) < STAYS_NS {
        rig.one();
        let after = since(&rig);
        if !rig.is_clear() && told.is_none() {
            told = Some(after);
        }
        if after > DEADLINE_NS && rig.is_clear() {
            wrong.push(format!("clear {after} ns after"));
        }
        if after > DEADLINE_NS && rig.is_permitted() {
            wrong.push(format!("a permit {after} ns after"));
        }
        if after > DEADLINE_NS + STOP_NS && rig.fastest() > 1.0 {
            wrong.push(format!("{} mm/s {after} ns after", rig.fastest()));
        }
        if after > DEADLINE_NS + STOP_NS + TORQUE_NS && rig.is_operating() {
            wrong.push(format!("a drive in operation {after} ns after"));
        }
        if wrong.len() > 3 {
            break;
        }
    }
    if told.is_none_or(|told| told > DEADLINE_NS) {
        wrong.push(format!("not clear was told after {told:?} ns"));
    }
    wrong
}

fn every_error_in(phase: Phase) {
    for error in ERRORS {
        let wrong = takes(error, phase, false);
        assert!(wrong.is_empty(), "{} in {phase:?}: {wrong:#?}", error.name);
    }
}

#[test]
// SR-074
fn while_it_homes_every_error_leads_to_not_clear_and_standstill_in_time() {
    every_error_in(Phase::Homing);
}

#[test]
// SR-074
fn while_it_waits_every_error_leads_to_not_clear_and_no_start() {
    every_error_in(Phase::Waiting);
}

#[test]
// SR-074
fn while_it_runs_every_error_leads_to_not_clear_and_standstill_in_time() {
    every_error_in(Phase::Running);
}

#[test]
// SR-074
fn while_it_stops_every_error_leads_to_not_clear_and_the_stop_goes_on() {
    every_error_in(Phase::Stopping);
}

#[test]
// SR-074
fn while_it_is_tripped_every_error_leads_to_not_clear_and_no_reset() {
    every_error_in(Phase::Tripped);
}

#[test]
// SR-074
fn in_manual_every_error_leads_to_not_clear_and_standstill_in_time() {
    every_error_in(Phase::Manual);
}

#[test]
fn without_an_error_the_machine_goes_on_in_every_phase_that_moves() {
    for phase in [Phase::Homing, Phase::Running, Phase::Manual] {
        let machine = machine_with(phase);
        let mut rig = Rig::new(&machine);
        rig.until(phase);
        let began = rig.now();
        while rig.now() - began < 1_000 * MS {
            rig.one();
            assert!(rig.is_clear() && rig.is_permitted(), "{phase:?}: {:?}", rig.status());
        }
    }
}

/// The test of the test: a receiver that lacks one check is found by it.
#[test]
fn a_receiver_without_the_check_for_an_error_is_found() {
    for error in ERRORS.iter().filter(|error| error.fixes != fix::NOTHING) {
        let wrong = takes(error, Phase::Running, true);
        assert!(!wrong.is_empty(), "{}: nobody misses that check", error.name);
    }
    let checked = ERRORS.iter().filter(|error| error.fixes != fix::NOTHING).count();
    assert!(checked >= 10, "{checked}");
}

#[test]
fn phases_are_what_they_are_called() {
    for phase in PHASES {
        let machine = machine_with(phase);
        let mut rig = Rig::new(&machine);
        rig.until(phase);
        let moves = rig.fastest() > 1.0;
        let expected =
            matches!(phase, Phase::Homing | Phase::Running | Phase::Stopping | Phase::Manual);
        assert_eq!(moves, expected, "{phase:?}: {} mm/s", rig.fastest());
    }
}
