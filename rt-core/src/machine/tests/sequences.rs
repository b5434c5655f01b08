//! Whatever people and causes do in whatever order: it runs only after a reset where one is needed, and a start that is fresh.

use super::*;
use alloc::string::String;
use proptest::prelude::*;

/// One cycle as it was seen from outside.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    reset: bool,
    start: bool,
    jog: bool,
    stop_pressed: bool,
    /// Something stops it, or the mode is not known or has changed.
    cause: bool,
    /// What stops it needs a reset.
    latches: bool,
    state: MachineState,
}

/// What must hold of every run, judged from the outside only.
fn judge(history: &[Seen]) -> Result<(), String> {
    for now in 1..history.len() {
        let begins =
            history[now].state == MachineState::Run && history[now - 1].state != MachineState::Run;
        let runs_on =
            history[now].state == MachineState::Run && history[now - 1].state == MachineState::Run;
        if runs_on && (history[now].cause || history[now].stop_pressed) {
            return Err(alloc::format!("cycle {now}: it runs on though something stops it"));
        }
        if begins {
            begins_rightly(history, now)?;
        }
    }
    Ok(())
}

/// The last cycle before `end` in which `is` holds.
fn last(history: &[Seen], end: usize, is: impl Fn(&Seen) -> bool) -> Option<usize> {
    (0..end).rev().find(|at| is(&history[*at]))
}

/// Pressed in this cycle, and not in the one before.
fn edge(history: &[Seen], at: usize, pressed: impl Fn(&Seen) -> bool) -> bool {
    at > 0 && pressed(&history[at]) && !pressed(&history[at - 1])
}

fn begins_rightly(history: &[Seen], now: usize) -> Result<(), String> {
    if history[now].cause || history[now].stop_pressed {
        return Err(alloc::format!("cycle {now}: it starts though something stops it"));
    }
    // It waited, and the start that is held now began after that.
    let Some(waited) = last(history, now, |seen| seen.state != MachineState::AwaitStart) else {
        return Err(alloc::format!("cycle {now}: it never waited for a start"));
    };
    let fresh = |pressed: fn(&Seen) -> bool| {
        let began = (waited..=now).rev().find(|at| edge(history, *at, pressed));
        began.is_some_and(|began| began > waited && (began..=now).all(|at| pressed(&history[at])))
    };
    if !fresh(|seen| seen.start) && !fresh(|seen| seen.jog) {
        return Err(alloc::format!("cycle {now}: no fresh start"));
    }
    // Since the last run (or boot): what needs a reset was followed by a press and release.
    let ran = last(history, now, |seen| seen.state == MachineState::Run);
    let from = ran.map_or(0, |ran| ran + 1);
    let needing = (from..now).rev().find(|at| history[*at].latches);
    let needing = needing.or_else(|| ran.is_none().then_some(0));
    if let Some(needing) = needing {
        let released = (needing + 1..now).any(|at| {
            let pressed = last(history, at, |seen| !seen.reset).map_or(0, |before| before + 1);
            history[at - 1].reset && !history[at].reset && pressed > 0 && !history[at].latches
        });
        if !released {
            return Err(alloc::format!("cycle {now}: no reset after cycle {needing}"));
        }
    }
    Ok(())
}

/// What changes in a cycle; most of the time nothing does.
fn steps() -> impl Strategy<Value = Vec<u8>> {
    // Presses of the right length are likely enough to get through.
    proptest::collection::vec(prop_oneof![12 => Just(0_u8), 3 => 1_u8..4, 1 => 4_u8..12], 60..240)
}

fn play(steps: &[u8]) -> (Vec<Seen>, bool) {
    let mut bench = Bench::new();
    let (mut history, mut seen) = (Vec::new(), Seen::default());
    let (mut demand, mut latched, mut jog_since, mut ran) = (None, false, None, false);
    for step in steps {
        let mut changed = false;
        match step {
            1 => seen.reset = !seen.reset,
            2 => seen.start = !seen.start,
            3 => {
                seen.jog = !seen.jog;
                jog_since = seen.jog.then_some(bench.now + 1);
            }
            4 | 5 => demand = if demand.is_some() { None } else { Some(*step == 5) },
            6 => seen.stop_pressed = !seen.stop_pressed,
            7 => changed = true,
            8 => bench.situation.no_mode = !bench.situation.no_mode,
            9 => bench.situation.fault = Some(SafeCause::Program),
            _ => {}
        }
        latched |= demand == Some(true);
        let stops = demand.is_some() || latched;
        bench.situation.stop = stops.then_some((CAUSE, latched));
        bench.situation.demanded = demand.is_some();
        bench.situation.refuses_reset = demand.is_some();
        bench.situation.mode_changed = changed;
        bench.situation.jog_since = jog_since;
        bench.signals.set(RESET, i64::from(seen.reset), bench.now);
        bench.signals.set(START, i64::from(seen.start), bench.now);
        bench.signals.set(STOP, i64::from(!seen.stop_pressed), bench.now);
        let fault = bench.situation.fault.is_some();
        let outcome = bench.cycle();
        if outcome.reset && demand.is_none() {
            latched = false;
        }
        bench.situation.fault = None;
        seen.cause = stops || changed || bench.situation.no_mode || fault;
        seen.latches = demand == Some(true) || fault;
        seen.state = bench.state();
        ran |= seen.state == MachineState::Run;
        history.push(seen);
    }
    (history, ran)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, ..ProptestConfig::default() })]
    #[test]
    fn it_never_runs_without_a_reset_where_one_is_needed_and_a_fresh_start(steps in steps()) {
        let (history, _) = play(&steps);
        if let Err(wrong) = judge(&history) {
            return Err(TestCaseError::fail(alloc::format!("{wrong}\n{history:?}")));
        }
    }
}

/// Reset for 3 cycles, then start for 4: what a person does.
const PERSON: [u8; 14] = [0, 0, 1, 0, 0, 1, 0, 2, 0, 0, 0, 2, 0, 0];

#[test]
fn what_a_person_does_runs_and_is_judged_right() {
    let (history, ran) = play(&PERSON);
    assert!(ran);
    assert_eq!(judge(&history), Ok(()));
}

#[test]
fn a_run_that_nobody_started_or_reset_is_found() {
    let (right, _) = play(&PERSON);
    let forged = |edit: fn(&mut Seen)| {
        let mut history = right.clone();
        history.iter_mut().for_each(edit);
        judge(&history)
    };
    assert!(forged(|seen| seen.start = false).is_err(), "no start");
    assert!(forged(|seen| seen.reset = false).is_err(), "no reset");
    assert!(forged(|seen| seen.start = true).is_err(), "the start was held all the time");
    assert!(forged(|seen| seen.cause = true).is_err(), "something stops it");
    assert!(forged(|seen| seen.stop_pressed = true).is_err(), "the stop button is pressed");
}
