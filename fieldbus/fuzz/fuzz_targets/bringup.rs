//! Bring-up behind a line that does what the fuzzer says: SII, registers, mailboxes, ethercrab behind our filter.
#![no_main]

#[path = "../../tests/cell/mod.rs"]
mod cell;
#[path = "../../tests/garbled/drive.rs"]
mod drive;
#[path = "../../tests/garbled/line.rs"]
mod line;
#[path = "../../tests/wired/mod.rs"]
mod wired;

libfuzzer_sys::fuzz_target!(|script: &[u8]| {
    drive::bring_up_garbled(script);
});
