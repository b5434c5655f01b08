//! `swap` against a model, and under two threads.
#![cfg(not(loom))]

use std::collections::VecDeque;
use std::thread;

use proptest::prelude::*;
use rt_channel::swap;

/// What may be done to a channel of buffers.
#[derive(Clone, Copy, Debug)]
enum Action {
    Swap,
    Take,
    GiveBack,
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![Just(Action::Swap), Just(Action::Take), Just(Action::GiveBack)]
}

proptest! {
    /// Buffers are numbered; each is in one place at a time, and none is ever lost or made.
    #[test]
    fn any_order_of_calls_does_what_the_model_does(
        spares in 0_usize..4,
        actions in prop::collection::vec(action(), 0..120),
    ) {
        let (mut giver, mut taker) = swap::channel((1..=spares).collect());
        let mut mine = 0_usize;
        let mut empty: VecDeque<usize> = (1..=spares).collect();
        let (mut filled, mut taken) = (VecDeque::new(), VecDeque::new());
        for action in actions {
            match action {
                Action::Swap => {
                    let before = mine;
                    let wanted = empty.pop_front();
                    prop_assert_eq!(giver.swap(&mut mine), wanted.is_some());
                    prop_assert_eq!(mine, wanted.unwrap_or(before));
                    if wanted.is_some() {
                        filled.push_back(before);
                    }
                }
                Action::Take => {
                    let buffer = taker.take();
                    prop_assert_eq!(buffer, filled.pop_front());
                    taken.extend(buffer);
                }
                Action::GiveBack => {
                    if let Some(buffer) = taken.pop_front() {
                        prop_assert_eq!(taker.give_back(buffer), Ok(()));
                        empty.push_back(buffer);
                    }
                }
            }
            prop_assert_eq!(empty.len() + filled.len() + taken.len(), spares);
        }
    }
}

#[test]
fn a_buffer_that_is_not_of_the_channel_comes_back() {
    let (_giver, mut taker) = swap::channel(vec![1]);
    assert_eq!(taker.give_back(7), Err(7));
}

#[test]
fn what_one_thread_filled_the_other_reads_whole_and_in_order() {
    const ROUNDS: u64 = 20_000;
    let blank = || Box::new([0_u64; 64]);
    let (mut giver, mut taker) = swap::channel(vec![blank(), blank()]);
    let filler = thread::spawn(move || {
        let mut mine = blank();
        let mut given = 0;
        let mut refused = 0_u64;
        while given < ROUNDS {
            mine.fill(given + 1);
            if giver.swap(&mut mine) {
                given += 1;
            } else {
                refused += 1;
                thread::yield_now();
            }
        }
        refused
    });
    let mut next = 1;
    while next <= ROUNDS {
        let Some(mut buffer) = taker.take() else {
            thread::yield_now();
            continue;
        };
        assert_eq!(*buffer, [next; 64], "all of it, and in order");
        buffer.fill(0);
        taker.give_back(buffer).expect("it was taken from there");
        next += 1;
    }
    filler.join().expect("it only fills");
    assert!(taker.is_abandoned() && taker.take().is_none());
}
