//! A machine that was put down and taken up again goes on as if nothing had been.

use super::anything::{Act, Watch, acts};
use super::*;
use alloc::format;
use twin_lite::tape::{Counter, NotThisState, Reader, Taped, Writer};

fn put_down(core: &mut Core<Sequence>) -> Vec<u64> {
    let mut counter = Counter::default();
    core.tape(&mut counter);
    let mut words = alloc::vec![0; counter.0];
    let mut writer = Writer::new(&mut words);
    core.tape(&mut writer);
    assert_eq!(writer.written(), Some(counter.0));
    words
}

fn take_up(plan: MachinePlan, words: &[u64]) -> Result<Core<Sequence>, NotThisState> {
    let program = Sequence::new(&plan);
    let mut core = Core::new(plan, program).unwrap();
    let mut reader = Reader::new(words);
    core.tape(&mut reader);
    reader.finish().map(|()| core)
}

/// Everything that leaves the loop in so many cycles from here.
fn future(mut bench: Bench, cycles: u32) -> String {
    let before = bench.kept.0.len();
    bench.cycles(cycles);
    format!("{:?} {:?} {:?}", &bench.kept.0[before..], bench.signals, put_down(&mut bench.core))
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(20))]

    #[test]
    fn it_goes_on_bit_by_bit_wherever_it_was(acts in acts()) {
        let plan = vertical_plan(Reaction::Stop0);
        let mut bench = Bench::running(plan.clone());
        let mut watch = Watch::default();
        for act in acts {
            let words = put_down(&mut bench.core);
            let again = take_up(plan.clone(), &words).expect("its own state");
            let again = Bench { core: again, ..bench.clone() };
            proptest::prop_assert_eq!(future(bench.clone(), 20), future(again.clone(), 20));
            // From here on with what was taken up.
            bench = again;
            watch.does(act, &mut bench);
        }
    }
}

/// A word that is not put down, or not taken up, must show: every word of a machine at work is changed in turn, and all that could be
/// taken up so is a state of its own.
#[test]
fn every_word_counts() {
    let plan = vertical_plan(Reaction::Stop0);
    let mut bench = Bench::running(plan.clone());
    Watch::default().does(Act::Pause(200), &mut bench);
    let words = put_down(&mut bench.core);
    for at in 0..words.len() {
        let mut changed = words.clone();
        changed[at] ^= 1;
        if let Ok(mut core) = take_up(plan.clone(), &changed) {
            assert_ne!(put_down(&mut core), words, "word {at}");
        }
    }
}

#[test]
fn the_state_of_another_machine_is_refused() {
    let mut bench = Bench::running(plan());
    let words = put_down(&mut bench.core);
    let mut other = plan();
    other.interlocks = other.interlocks[1..].to_vec().into_boxed_slice();
    assert!(take_up(other, &words).is_err());
    assert!(take_up(plan(), &words[..words.len() - 1]).is_err());
}
