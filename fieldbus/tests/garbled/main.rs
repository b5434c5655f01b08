//! Whatever comes in: no panic, nothing out of bounds, no allocation after SafeOp, and a bounded time. The fuzzer (`fieldbus/fuzz`) drives
//! the same code with scripts of its own. This binary has one test: the counter is the process'.

#[path = "../cell/mod.rs"]
mod cell;
#[path = "../counting/mod.rs"]
mod counting;
mod drive;
mod line;
#[path = "../wired/mod.rs"]
mod wired;

use counting::calls;
use drive::{Driven, bring_up_garbled};
use rt_core::bus::BusState;

/// Scripts of each kind in CI; `TACTUS_GARBLED` makes it more.
const SCRIPTS: u64 = 150;

/// SplitMix64.
fn script(seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (state ^ state >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ z >> 31
    };
    let length = next() % 3_000;
    // Some scripts change only a frame here and there: 0x55 & 7 = 5 at a place far out changes nothing that is told apart.
    (0..length).map(|_| next().to_le_bytes()[0]).collect()
}

#[test]
fn whatever_comes_in_nothing_panics_hangs_or_allocates() {
    let scripts = std::env::var("TACTUS_GARBLED").ok().and_then(|n| n.parse().ok());
    let scripts = scripts.unwrap_or(SCRIPTS);
    let mut came_up = 0;
    for seed in 0..scripts {
        // Most of a bring-up goes well, and then something does not.
        let mut script = script(seed);
        script.truncate(
            usize::try_from(1 + seed % 40).unwrap() * usize::try_from(1 + seed % 7).unwrap(),
        );
        println!("bring-up {seed}");
        came_up += u64::from(bring_up_garbled(&script));
    }
    assert!(came_up > 0 && came_up < scripts, "{came_up} of {scripts} came up: nothing was tried");
    let mut driven = Driven::new();
    let mut restarts = 0;
    for seed in 0..scripts {
        println!("cycles {seed}");
        driven.follow(&script(seed));
        let before = calls();
        driven.cycles(400);
        assert_eq!(calls() - before, 0, "script {seed}");
        driven.follow(&[]);
        // A device is set up again when the transfer with another one is over, which is given up after three times 2 s.
        if !driven.comes_back(10_000) {
            // A device that was said to have lost its configuration, in a frame that the FCS would have caught, was asked to
            // acknowledge just that, and lost it. Nobody is told that it works.
            let seen = driven.cycles(1);
            assert_eq!(seen.state, BusState::Faulted, "script {seed}: {seen:?}");
            assert_ne!(seen.fault.position, u16::MAX, "script {seed}: {seen:?}");
            driven = Driven::new();
            restarts += 1;
        }
    }
    assert!(restarts * 10 < scripts, "{restarts} of {scripts} needed a restart");
    assert!(counting::counts());
}
