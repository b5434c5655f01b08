//! What the scenario does to frames: so many are lost, damaged, doubled, late, or somebody else's.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use fieldbus::link::{ETHERTYPE, FRAME_MAX, Link, LinkFault};
use fieldbus::wire::is_mailbox;

/// Shortest Ethernet frame without FCS.
const FRAME_MIN: usize = 60;
/// The first byte of the first datagram's command, behind Ethernet and EtherCAT header.
const COMMAND_AT: usize = 16;
/// Frames held back at once; more are lost.
const HELD_MAX: usize = 8;
/// A locally administered address that no MainDevice uses.
const STRANGER: [u8; 6] = [0x06, 0, 0, 0x5A, 0x5A, 0x5A];

/// How many of the next frames are hit, set by the scenario, used up by [`Disturbed`].
#[derive(Debug, Default)]
pub struct Disturbance {
    lose: AtomicU32,
    corrupt: AtomicU32,
    duplicate: AtomicU32,
    delay: AtomicU32,
    delay_ns: AtomicU64,
    foreign: AtomicU32,
}

/// A kind of disturbance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Frames vanish.
    Lose,
    /// Frames come back damaged.
    Corrupt,
    /// Frames come back twice.
    Duplicate,
    /// Frames come back so much later, ns.
    Delay(u64),
    /// A frame of somebody else comes as well.
    Foreign,
}

impl Disturbance {
    /// From now on the next `count` frames are hit; `u32::MAX`: all, 0: none any more.
    pub fn set(&self, kind: Kind, count: u32) {
        if let Kind::Delay(delay_ns) = kind {
            self.delay_ns.store(delay_ns, Ordering::Relaxed);
        }
        self.counter(kind).store(count, Ordering::Release);
    }

    fn counter(&self, kind: Kind) -> &AtomicU32 {
        match kind {
            Kind::Lose => &self.lose,
            Kind::Corrupt => &self.corrupt,
            Kind::Duplicate => &self.duplicate,
            Kind::Delay(_) => &self.delay,
            Kind::Foreign => &self.foreign,
        }
    }

    /// Something hits every frame.
    fn is_endless(&self) -> bool {
        let kinds = [&self.lose, &self.corrupt, &self.duplicate, &self.delay, &self.foreign];
        kinds.iter().any(|count| count.load(Ordering::Acquire) == u32::MAX)
    }

    /// Whether this frame is hit; one less is left then.
    fn hits(&self, kind: Kind) -> bool {
        let counter = self.counter(kind);
        match counter.load(Ordering::Acquire) {
            0 => false,
            u32::MAX => true,
            left => {
                counter.store(left - 1, Ordering::Release);
                true
            }
        }
    }
}

struct Held {
    due: u64,
    length: usize,
    frame: Box<[u8]>,
}

/// A link whose frames are disturbed on their way in. All memory is taken when it is made.
pub struct Disturbed<L> {
    inner: L,
    disturbance: Arc<Disturbance>,
    /// Frames that come (again) later, in no order.
    held: Vec<Held>,
    spare: Vec<Box<[u8]>>,
}

impl<L: Link> Disturbed<L> {
    /// Wraps `inner`.
    #[must_use]
    pub fn new(inner: L, disturbance: Arc<Disturbance>) -> Self {
        let spare = (0..HELD_MAX).map(|_| vec![0; FRAME_MAX].into_boxed_slice()).collect();
        Self { inner, disturbance, held: Vec::with_capacity(HELD_MAX), spare }
    }

    /// The link within.
    pub fn inner_mut(&mut self) -> &mut L {
        &mut self.inner
    }

    /// Keeps a frame until `due`; without room it is lost.
    fn hold(&mut self, bytes: &[u8], due: u64) {
        let Some(mut frame) = self.spare.pop() else { return };
        let length = bytes.len().min(FRAME_MAX);
        if let (Some(to), Some(from)) = (frame.get_mut(..length), bytes.get(..length)) {
            to.copy_from_slice(from);
        }
        self.held.push(Held { due, length, frame });
    }

    /// A held frame whose time has come by `now`.
    fn due(&mut self, buffer: &mut [u8], now: u64) -> Option<usize> {
        let place = self.held.iter().position(|held| held.due <= now)?;
        let held = self.held.swap_remove(place);
        let length = held.length.min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..length), held.frame.get(..length)) {
            to.copy_from_slice(from);
        }
        self.spare.push(held.frame);
        Some(held.length)
    }

    /// What becomes of a frame that has come in.
    fn disturb(&mut self, buffer: &mut [u8], length: usize) -> Option<usize> {
        let disturbance = Arc::clone(&self.disturbance);
        let now = self.inner.now();
        let frame = buffer.get_mut(..length)?;
        // What a scenario counts are cyclic frames; a line that is bad altogether is so for all.
        if is_mailbox(frame) && !disturbance.is_endless() {
            return Some(length);
        }
        if disturbance.hits(Kind::Lose) {
            return None;
        }
        if disturbance.hits(Kind::Foreign) {
            self.hold(&stranger(), now);
        }
        if disturbance.hits(Kind::Duplicate) {
            self.hold(frame, now);
        }
        if disturbance.hits(Kind::Corrupt)
            && let Some(command) = frame.get_mut(COMMAND_AT)
        {
            *command ^= 0x40;
        }
        if disturbance.hits(Kind::Delay(0)) {
            let delay_ns = disturbance.delay_ns.load(Ordering::Relaxed);
            self.hold(frame, now.saturating_add(delay_ns));
            return None;
        }
        Some(length)
    }
}

/// A frame of EtherCAT's type that nobody here sent: one NOP.
fn stranger() -> [u8; FRAME_MIN] {
    let mut frame = [0; FRAME_MIN];
    let header = [[0xFF; 6], STRANGER].concat();
    let content = [ETHERTYPE.to_be_bytes().as_slice(), &[0x0C, 0x10]].concat();
    for (to, from) in frame.iter_mut().zip(header.iter().chain(&content)) {
        *to = *from;
    }
    frame
}

impl<L: Link> Link for Disturbed<L> {
    fn send(&mut self, frame: &[u8]) -> Result<(), LinkFault> {
        self.inner.send(frame)
    }

    fn receive(&mut self, buffer: &mut [u8], deadline: u64) -> Result<Option<usize>, LinkFault> {
        // Ends: each turn takes a frame off the line or a place of the bounded store.
        loop {
            if !self.held.is_empty() {
                let now = self.inner.now();
                if let Some(length) = self.due(buffer, now) {
                    return Ok(Some(length));
                }
            }
            let next = self.held.iter().map(|held| held.due).min().unwrap_or(u64::MAX);
            let until = if deadline == 0 { 0 } else { deadline.min(next) };
            match self.inner.receive(buffer, until)? {
                Some(length) if length > buffer.len() => return Ok(Some(length)),
                Some(length) => {
                    if let Some(length) = self.disturb(buffer, length) {
                        return Ok(Some(length));
                    }
                }
                None if until < deadline => {}
                None => return Ok(None),
            }
        }
    }

    fn now(&self) -> u64 {
        self.inner.now()
    }

    fn idle(&mut self, until: u64) {
        self.inner.idle(until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fieldbus::link::{InlineLink, Wire};

    struct Echo;

    impl Wire for Echo {
        fn pass(&mut self, _frame: &mut [u8], _now: u64) -> bool {
            true
        }

        fn advance(&mut self, _now: u64) {}

        fn round_trip_ns(&self, _len: usize) -> u64 {
            10_000
        }
    }

    /// Sends ten frames one by one and returns what comes back of each within 100 µs: its number, and byte 16.
    fn ten(kind: Kind, count: u32) -> Vec<Vec<(u8, u8)>> {
        let disturbance = Arc::new(Disturbance::default());
        disturbance.set(kind, count);
        let mut link = Disturbed::new(InlineLink::new(Echo, 1_000_000), disturbance);
        let mut buffer = [0; FRAME_MAX];
        let one = |number: u8| {
            link.send(&[number; 60]).unwrap();
            let deadline = link.now() + 100_000;
            let mut back = Vec::new();
            while let Some(length) = link.receive(&mut buffer, deadline).unwrap() {
                assert_eq!(length, 60);
                back.push((buffer[0], buffer[COMMAND_AT]));
            }
            back
        };
        (1..=10).map(one).collect()
    }

    #[test]
    fn so_many_frames_are_hit_and_then_no_more() {
        let lost = ten(Kind::Lose, 3);
        assert!(lost[..3].iter().all(Vec::is_empty));
        assert!(lost[3..].iter().all(|back| back.len() == 1));
        let doubled = ten(Kind::Duplicate, 2);
        assert_eq!(
            doubled.iter().map(Vec::len).collect::<Vec<_>>(),
            [2, 2, 1, 1, 1, 1, 1, 1, 1, 1]
        );
        let damaged = ten(Kind::Corrupt, 1);
        assert_eq!(damaged[0], [(1, 1 ^ 0x40)]);
        assert_eq!(damaged[1], [(2, 2)]);
        let strange = ten(Kind::Foreign, 1);
        assert_eq!(strange[0].len(), 2);
        assert_eq!(strange[0][1].0, 0xFF);
    }

    #[test]
    fn a_late_frame_comes_in_a_later_cycle() {
        let late = ten(Kind::Delay(150_000), 1);
        assert!(late[0].is_empty());
        assert_eq!(late[1], [(2, 2), (1, 1)]);
    }

    #[test]
    fn for_good_means_for_good() {
        assert!(ten(Kind::Lose, u32::MAX).iter().all(Vec::is_empty));
        assert!(ten(Kind::Lose, 0).iter().all(|back| back.len() == 1));
    }
}
