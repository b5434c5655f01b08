//! The tests of the test: what the oracle must find is planted, and found.

use super::cell::{Rig, alone};
use super::line::Trick;
use super::oracle::Mistake;

/// What the oracle says within 300 cycles.
fn found(mistake: Mistake, trick: Option<(Trick, u64)>) -> Vec<String> {
    let mut rig = Rig::new(&alone(), 1);
    assert!(rig.violations.is_empty(), "{:?}", rig.violations);
    rig.cycle.bus_mut().mistake = mistake;
    rig.line().tricks.extend(trick);
    for _ in 0..300 {
        rig.one();
    }
    fieldbus::time::set_monotonic();
    rig.violations
}

#[test]
fn an_exchange_that_takes_any_working_counter_is_found() {
    let said = found(Mistake::TakesAnyCounter, Some((Trick::Counter, 200)));
    assert!(said.iter().any(|what| what.contains("never came")), "{said:?}");
    assert!(found(Mistake::None, Some((Trick::Counter, 200))).is_empty());
}

#[test]
fn inputs_that_do_not_age_are_found() {
    let said = found(Mistake::NeverAges, Some((Trick::Truncate, 200)));
    assert!(said.iter().any(|what| what.contains("is good, its unit is not")), "{said:?}");
    assert!(found(Mistake::None, Some((Trick::Truncate, 200))).is_empty());
}

#[test]
fn process_data_that_the_segment_never_sent_are_found() {
    let said = found(Mistake::None, Some((Trick::Forge, 200)));
    assert!(said.iter().any(|what| what.contains("the segment said")), "{said:?}");
}
