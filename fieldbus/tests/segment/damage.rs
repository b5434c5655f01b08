//! Data that a device sends may be anything: bring-up ends, in an error or not, never in a panic.

use fieldbus::link::{InlineLink, Link, LinkFault};
use fieldbus::{BringupError, bring_up};

use crate::cell::{self, Cell, cell, plan};

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ z >> 31
    }

    fn below(&mut self, range: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(range).unwrap()).unwrap()
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.next() & 0xFF).unwrap()
    }
}

/// Damages one byte behind the headers in three of a thousand replies.
struct Damaged {
    inner: InlineLink<Cell>,
    random: Random,
    damaged: u32,
}

impl Link for Damaged {
    fn send(&mut self, frame: &[u8]) -> Result<(), LinkFault> {
        self.inner.send(frame)
    }

    fn receive(&mut self, buffer: &mut [u8], deadline: u64) -> Result<Option<usize>, LinkFault> {
        let received = self.inner.receive(buffer, deadline)?;
        if let Some(length) = received
            && self.random.below(1_000) < 3
        {
            let at = 26 + self.random.below(length - 26);
            buffer[at] = self.random.byte();
            self.damaged += 1;
        }
        Ok(received)
    }

    fn now(&self) -> u64 {
        self.inner.now()
    }

    fn idle(&mut self, until: u64) {
        self.inner.idle(until);
    }
}

#[test]
fn damaged_data_end_in_an_error_or_not_at_all() {
    let (mut good, mut bad) = (0, 0);
    for seed in 0..300 {
        let inner = InlineLink::new(cell(), 1_000_000_000);
        let link = Damaged { inner, random: Random(seed), damaged: 0 };
        match bring_up(link, &plan(), &mut |_| {}) {
            Ok(mut bus) => {
                good += u32::from(bus.link_mut().damaged > 0);
            }
            Err(error) => {
                assert!(!error.to_string().is_empty());
                bad += 1;
            }
        }
    }
    assert!(good > 10 && bad > 10, "{good} {bad}");
}

/// An SII with the right identity and anything else.
fn sii(random: &mut Random) -> Vec<u8> {
    let length = 128 + random.below(400);
    let is_small = random.below(2) == 0;
    let mut image: Vec<u8> = (0..length)
        .map(|at| match (is_small && at >= 128, at % 2) {
            (true, 1) => 0,
            (true, _) => random.byte() % 64,
            (false, _) => random.byte(),
        })
        .collect();
    let identity = [0x0A5C_u32, 0x2004, 0x0001_0000, 0];
    for (word, value) in image[16..32].chunks_exact_mut(4).zip(identity) {
        word.copy_from_slice(&value.to_le_bytes());
    }
    image
}

#[test]
fn a_damaged_sii_is_an_error_that_names_the_device() {
    let mut errors = 0;
    for seed in 0..300 {
        let mut description = cell::terminal().description().clone();
        description.sii_image = Some(sii(&mut Random(seed)));
        let cell = cell::made_of(0, segment::Device::described(description));
        let link = InlineLink::new(cell, 1_000_000_000);
        let Err(error) = bring_up(link, &plan(), &mut |_| {}) else { continue };
        let position = match &error {
            BringupError::Scan { at, .. } => *at,
            BringupError::Length { position, .. } => Some(*position),
            other => panic!("{other}"),
        };
        assert_eq!(position, Some(2), "{error}");
        assert!(error.to_string().contains("position 2"), "{error}");
        errors += 1;
    }
    assert!(errors > 200, "{errors}");
}
