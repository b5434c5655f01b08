//! Any bytes as a frame, and as a camera's datagram.
#![no_main]

use fieldbus::wire::{Frame, is_mailbox, origin};
use rt_core::vision::{DATAGRAM_LENGTH, parse};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = (origin(bytes), is_mailbox(bytes));
    if let Ok(frame) = Frame::parse(bytes) {
        for datagram in frame.datagrams().flatten() {
            assert!(datagram.at + datagram.data.len() < bytes.len());
        }
    }
    if let Some(datagram) = bytes.first_chunk::<DATAGRAM_LENGTH>() {
        let _ = parse(datagram);
    }
});
