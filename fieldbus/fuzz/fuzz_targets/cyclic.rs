//! Cycles and mailbox traffic behind a line that does what the fuzzer says. The cell is brought up once; one that was garbled out of Op
//! for good is brought up anew.
#![no_main]

#[path = "../../tests/cell/mod.rs"]
mod cell;
#[path = "../../tests/garbled/drive.rs"]
mod drive;
#[path = "../../tests/garbled/line.rs"]
mod line;
#[path = "../../tests/wired/mod.rs"]
mod wired;

use std::cell::RefCell;

use drive::Driven;

thread_local! {
    static DRIVEN: RefCell<Option<Driven>> = const { RefCell::new(None) };
}

libfuzzer_sys::fuzz_target!(|script: &[u8]| {
    DRIVEN.with_borrow_mut(|kept| {
        let mut driven = kept.take().unwrap_or_else(Driven::new);
        driven.follow(script);
        driven.cycles(100);
        driven.follow(&[]);
        if driven.comes_back(2_500) {
            *kept = Some(driven);
        }
    });
});
