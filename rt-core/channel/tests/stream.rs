//! `stream` against a model, and under two threads.
#![cfg(not(loom))]

use std::collections::VecDeque;
use std::thread;

use proptest::prelude::*;
use rt_channel::stream;

/// What may be done to a stream.
#[derive(Clone, Copy, Debug)]
enum Action {
    Push,
    Pop,
    Drain(usize),
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        3 => Just(Action::Push),
        2 => Just(Action::Pop),
        1 => (0_usize..6).prop_map(Action::Drain),
    ]
}

/// The same by the book: a queue, and the rule that the newest is dropped.
#[derive(Default)]
struct Model {
    queue: VecDeque<(u64, u64)>,
    produced: u64,
    dropped: u64,
    popped: u64,
    missed: u64,
    expected: u64,
    high_water: usize,
}

impl Model {
    fn push(&mut self, capacity: usize, item: u64) -> bool {
        let sequence = self.produced;
        self.produced += 1;
        if self.queue.len() == capacity {
            self.dropped += 1;
            self.high_water = capacity;
            return false;
        }
        self.queue.push_back((sequence, item));
        self.high_water = self.high_water.max(self.queue.len());
        true
    }

    fn pop(&mut self) -> Option<(u64, u64)> {
        let (sequence, item) = self.queue.pop_front()?;
        self.missed += sequence - self.expected;
        self.expected = sequence + 1;
        self.popped += 1;
        Some((sequence, item))
    }
}

proptest! {
    #[test]
    fn any_order_of_calls_does_what_the_model_does(
        capacity in 0_usize..5,
        actions in prop::collection::vec(action(), 0..120),
    ) {
        let (mut producer, mut consumer) = stream::channel::<u64>(capacity);
        let mut model = Model::default();
        for action in actions {
            match action {
                Action::Push => {
                    let item = model.produced * 7;
                    prop_assert_eq!(producer.push(item), model.push(capacity, item));
                }
                Action::Pop => prop_assert_eq!(consumer.pop(), model.pop()),
                Action::Drain(limit) => {
                    let mut taken = Vec::new();
                    let count =
                        consumer.drain(limit, |sequence, item| taken.push((sequence, item)));
                    let wanted: Vec<_> = (0..limit).map_while(|_| model.pop()).collect();
                    prop_assert_eq!(count, wanted.len());
                    prop_assert_eq!(taken, wanted);
                }
            }
            prop_assert_eq!(consumer.produced(), model.produced);
            prop_assert_eq!(producer.produced(), model.produced);
            prop_assert_eq!(consumer.dropped(), model.dropped);
            prop_assert_eq!(producer.dropped(), model.dropped);
            prop_assert_eq!(consumer.missed(), model.missed);
            prop_assert_eq!(consumer.queued(), model.queue.len());
            prop_assert_eq!(consumer.counts().popped, model.popped);
            let queued = u64::try_from(model.queue.len()).expect("small");
            prop_assert_eq!(model.produced, model.popped + queued + model.dropped);
        }
        while consumer.pop().is_some() { model.pop(); }
        prop_assert_eq!(consumer.high_water(), model.high_water);
    }
}

#[test]
fn the_newest_is_dropped_and_the_gap_says_which() {
    // given a full stream of two
    let (mut producer, mut consumer) = stream::channel(2);
    assert!(producer.push('a'));
    assert!(producer.push('b'));
    // when two more come
    assert!(!producer.push('c'));
    assert!(!producer.push('d'));
    // then the oldest stay, and the next one through shows the gap
    assert_eq!(consumer.pop(), Some((0, 'a')));
    assert!(producer.push('e'));
    assert_eq!(consumer.pop(), Some((1, 'b')));
    assert_eq!(consumer.missed(), 0);
    assert_eq!(consumer.pop(), Some((4, 'e')));
    assert_eq!((consumer.missed(), consumer.dropped()), (2, 2));
    assert_eq!(consumer.high_water(), 2);
}

#[test]
fn a_ring_that_overflows_during_a_drain_was_full() {
    // given one item waiting, of two that fit
    let (mut producer, mut consumer) = stream::channel(2);
    producer.push(0);
    // when two more come before its place is given back
    let mut second_queued = true;
    consumer.drain(1, |_, _| {
        producer.push(1);
        second_queued = producer.push(2);
    });
    // then the second was dropped, and the mark says how far it came
    assert!(!second_queued);
    assert_eq!(consumer.high_water(), 2);
}

#[test]
fn an_end_that_is_gone_is_seen_and_what_was_queued_stays() {
    let (mut producer, mut consumer) = stream::channel(2);
    producer.push(1_u8);
    assert!(!consumer.is_abandoned());
    drop(producer);
    assert!(consumer.is_abandoned());
    assert_eq!(consumer.pop(), Some((0, 1)));

    let (producer, consumer) = stream::channel::<u8>(2);
    assert!(!producer.is_abandoned());
    drop(consumer);
    assert!(producer.is_abandoned());
}

#[test]
fn two_threads_account_for_every_item() {
    const ITEMS: u64 = 200_000;
    // given a small ring, so that it overflows
    let (mut producer, mut consumer) = stream::channel::<[u64; 8]>(64);
    let producing = thread::spawn(move || {
        let queued = (0..ITEMS).filter(|n| producer.push([*n; 8])).count();
        (queued, producer.dropped())
    });
    // when both run freely
    let mut last = None;
    let mut taken = 0_usize;
    loop {
        let ended = consumer.is_abandoned();
        let count = consumer.drain(32, |sequence, item| {
            assert_eq!(item, [sequence; 8], "whole, and under its own sequence");
            assert!(last.is_none_or(|last| sequence > last), "in order");
            last = Some(sequence);
        });
        taken += count;
        let counts = consumer.counts();
        assert!(counts.produced >= counts.popped + counts.dropped);
        if ended && count == 0 {
            break;
        }
        if count == 0 {
            thread::yield_now();
        }
    }
    // then nothing is unaccounted for
    let (queued, dropped) = producing.join().expect("the producer ends");
    assert_eq!(taken, queued);
    let counts = consumer.counts();
    assert_eq!(counts.produced, ITEMS);
    assert_eq!(counts.dropped, dropped);
    assert_eq!(counts.produced, counts.popped + counts.dropped);
    let trailing = ITEMS - last.map_or(0, |last| last + 1);
    assert_eq!(consumer.missed() + trailing, dropped);
}
