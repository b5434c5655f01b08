//! A link that goes wrong as it is told, the same way for the same seed.

use super::{FRAME_MAX, Link, LinkFault};
use crate::wire::{DATAGRAM_HEADER, Frame, is_mailbox, put};

/// Frames held back at once; more than that are lost.
const HELD: usize = 8;
/// Corruption hits the headers: what damages data, the FCS of a real link catches, and the frame is lost.
const CORRUPT_FROM: u32 = 12;
const CORRUPT_BYTES: u32 = 14;

/// What goes wrong on the way back, in millionths of the frames.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Same seed, same faults.
    pub seed: u64,
    /// Never come back.
    pub loss_ppm: u32,
    /// Come back twice.
    pub duplicate_ppm: u32,
    /// Come back `late_ns` after they should.
    pub late_ppm: u32,
    /// How late, ns.
    pub late_ns: u64,
    /// Come back with a damaged header, or cut.
    pub corrupt_ppm: u32,
    /// Come back behind the frame after them.
    pub reorder_ppm: u32,
    /// Come back with the working counter of their last datagram one too small.
    pub working_counter_ppm: u32,
    /// The link is down from .. to, ns of the link's clock.
    pub outages: Vec<(u64, u64)>,
}

/// What went wrong so far, in frames other than those with mailbox traffic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Injected {
    /// Taken away.
    pub lost: u64,
    /// Given twice.
    pub duplicated: u64,
    /// Held back for [`Faults::late_ns`].
    pub late: u64,
    /// Held back until the next one.
    pub reordered: u64,
    /// With a damaged header.
    pub corrupted: u64,
    /// Cut.
    pub truncated: u64,
    /// With a wrong working counter.
    pub working_counters: u64,
}

/// Held back until the next frame has come.
const AFTER_NEXT: u64 = u64::MAX;

#[derive(Debug)]
struct Held {
    frame: Box<[u8]>,
    length: usize,
    release_at: u64,
    used: bool,
}

/// Wraps a link and injects faults. Allocates only when it is made.
#[derive(Debug)]
pub struct Fault<L> {
    inner: L,
    faults: Faults,
    random: u64,
    held: Vec<Held>,
    down: bool,
    injected: Injected,
}

impl<L: Link> Fault<L> {
    /// Wraps `inner`.
    #[must_use]
    pub fn new(inner: L, faults: Faults) -> Self {
        let held = || Held {
            frame: vec![0; FRAME_MAX].into_boxed_slice(),
            length: 0,
            release_at: 0,
            used: false,
        };
        let random = faults.seed;
        let held = (0..HELD).map(|_| held()).collect();
        Self { inner, faults, random, held, down: false, injected: Injected::default() }
    }

    /// Pulls the plug, or puts it back.
    pub fn set_down(&mut self, down: bool) {
        self.down = down;
    }

    /// Changes what goes wrong from now on; the seed is not taken again.
    pub fn set_faults(&mut self, faults: Faults) {
        self.faults = faults;
    }

    /// What went wrong so far.
    #[must_use]
    pub fn injected(&self) -> Injected {
        self.injected
    }

    /// The link within.
    pub fn inner_mut(&mut self) -> &mut L {
        &mut self.inner
    }

    /// SplitMix64.
    fn next(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.random ^ self.random >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ z >> 31
    }

    /// A number below `range`.
    fn below(&mut self, range: u32) -> u32 {
        u32::try_from(((self.next() >> 32) * u64::from(range)) >> 32).unwrap_or(0)
    }

    fn happens(&mut self, ppm: u32) -> bool {
        ppm > 0 && self.below(1_000_000) < ppm
    }

    fn is_down(&self) -> bool {
        let now = self.inner.now();
        self.down || self.faults.outages.iter().any(|(from, to)| (*from..*to).contains(&now))
    }

    fn hold(&mut self, frame: &[u8], release_at: u64) {
        if let Some(slot) = self.held.iter_mut().find(|slot| !slot.used)
            && let Some(room) = slot.frame.get_mut(..frame.len())
        {
            room.copy_from_slice(frame);
            slot.length = frame.len();
            slot.release_at = release_at;
            slot.used = true;
        }
    }

    /// A held frame whose time has come.
    fn release(&mut self, buffer: &mut [u8], now: u64) -> Option<usize> {
        let slot = self.held.iter_mut().find(|slot| slot.used && slot.release_at <= now)?;
        slot.used = false;
        let length = slot.length.min(buffer.len());
        buffer.get_mut(..length)?.copy_from_slice(slot.frame.get(..length)?);
        Some(slot.length)
    }

    /// A frame has come: those that were to come behind it may.
    fn overtaken(&mut self) {
        let now = self.inner.now();
        for slot in &mut self.held {
            slot.release_at = if slot.release_at == AFTER_NEXT { now } else { slot.release_at };
        }
    }

    /// What becomes of a frame that came back; `None`: nothing arrives now.
    fn afflict(&mut self, buffer: &mut [u8], length: usize) -> Option<usize> {
        let Faults { loss_ppm, duplicate_ppm, late_ppm, late_ns, corrupt_ppm, .. } = self.faults;
        let Faults { reorder_ppm, working_counter_ppm, .. } = self.faults;
        let whole = length.min(buffer.len());
        let counted = u64::from(!is_mailbox(buffer));
        if self.happens(loss_ppm) {
            self.injected.lost += counted;
            return None;
        }
        if self.happens(late_ppm) {
            self.injected.late += counted;
            let release_at = self.inner.now().saturating_add(late_ns);
            self.hold(buffer.get(..whole)?, release_at);
            return None;
        }
        if self.happens(reorder_ppm) {
            self.injected.reordered += counted;
            self.hold(buffer.get(..whole)?, AFTER_NEXT);
            return None;
        }
        if self.happens(working_counter_ppm)
            && let Some(frame) = buffer.get_mut(..whole)
        {
            self.injected.working_counters += counted;
            spoil_working_counter(frame);
        }
        if self.happens(duplicate_ppm) {
            self.injected.duplicated += counted;
            let now = self.inner.now();
            self.hold(buffer.get(..whole)?, now);
        }
        if self.happens(corrupt_ppm) {
            if self.below(4) == 0 {
                self.injected.truncated += counted;
                return Some(length / 2);
            }
            self.injected.corrupted += counted;
            let at = usize::try_from(CORRUPT_FROM + self.below(CORRUPT_BYTES)).unwrap_or(0);
            let bit = self.below(8);
            if let Some(byte) = buffer.get_mut(at) {
                *byte ^= 1 << bit;
            }
        }
        Some(length)
    }
}

/// One less in the working counter of the last datagram; what is no EtherCAT stays as it is.
fn spoil_working_counter(frame: &mut [u8]) {
    let Ok(view) = Frame::parse(frame) else { return };
    let Some(last) = view.datagrams().filter_map(Result::ok).last() else { return };
    let counter = last.working_counter.wrapping_sub(1);
    let at = last.at + DATAGRAM_HEADER + last.data.len();
    let _ = put(frame, at, &counter.to_le_bytes());
}

impl<L: Link> Link for Fault<L> {
    fn send(&mut self, frame: &[u8]) -> Result<(), LinkFault> {
        if self.is_down() { Err(LinkFault::Down) } else { self.inner.send(frame) }
    }

    fn receive(&mut self, buffer: &mut [u8], deadline: u64) -> Result<Option<usize>, LinkFault> {
        if self.is_down() {
            return Err(LinkFault::Down);
        }
        // Each turn takes one frame from the line; a line can hold only so many.
        for _ in 0..4 * HELD {
            if let Some(length) = self.release(buffer, self.inner.now()) {
                return Ok(Some(length));
            }
            let due = self.held.iter().filter(|slot| slot.used).map(|slot| slot.release_at).min();
            let until = due.map_or(deadline, |due| due.min(deadline));
            match self.inner.receive(buffer, until)? {
                Some(length) => {
                    if let Some(length) = self.afflict(buffer, length) {
                        self.overtaken();
                        return Ok(Some(length));
                    }
                }
                None if until < deadline => {}
                None => return Ok(self.release(buffer, self.inner.now())),
            }
        }
        Ok(None)
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
    use super::super::InlineLink;
    use super::super::testing::Echo;
    use super::*;

    /// Frames (their first bytes and arrival) that come back of 200, one a ms.
    fn run(faults: Faults) -> Vec<(u8, u64, bool)> {
        let mut link = Fault::new(InlineLink::new(Echo { adds: 0 }, 0), faults);
        let mut seen = Vec::new();
        for n in 0..200u8 {
            let start = u64::from(n) * 1_000_000;
            link.idle(start);
            link.send(&[n; 60]).unwrap();
            let mut buffer = [0; 60];
            while let Some(length) = link.receive(&mut buffer, start + 500_000).unwrap() {
                let damaged = length != 60 || buffer.iter().any(|byte| *byte != buffer[0]);
                seen.push((buffer[0], link.now(), damaged));
            }
        }
        seen
    }

    #[test]
    fn without_faults_every_frame_comes_back_once() {
        let seen = run(Faults::default());
        assert_eq!(seen.len(), 200);
        assert!(seen.iter().all(|(_, _, damaged)| !damaged));
    }

    #[test]
    fn the_same_seed_goes_wrong_in_the_same_way() {
        let faults = Faults {
            seed: 3,
            loss_ppm: 100_000,
            duplicate_ppm: 100_000,
            late_ppm: 100_000,
            late_ns: 800_000,
            corrupt_ppm: 100_000,
            ..Faults::default()
        };
        let seen = run(faults.clone());
        assert_eq!(seen, run(faults.clone()));
        assert_ne!(seen, run(Faults { seed: 4, ..faults }));
        let count = |n: u8| seen.iter().filter(|(frame, _, _)| *frame == n).count();
        assert!((0..200).any(|n| count(n) == 0), "lost");
        assert!((0..200).any(|n| count(n) == 2), "duplicated");
        assert!(seen.iter().any(|(_, _, damaged)| *damaged), "corrupted");
        let late = |(n, at, _): &(u8, u64, bool)| *at >= (u64::from(*n) + 1) * 1_000_000 - 200_000;
        assert!(seen.iter().any(late), "late");
    }

    #[test]
    fn a_frame_out_of_order_comes_behind_the_next_one() {
        let seen = run(Faults { seed: 1, reorder_ppm: 100_000, ..Faults::default() });
        let order: Vec<u8> = seen.iter().map(|(frame, _, _)| *frame).collect();
        let turned = order.windows(2).filter(|pair| pair[0] == pair[1].wrapping_add(1)).count();
        assert!(turned > 5, "{order:?}");
        assert!(order.len() >= 199, "none is lost but one that waits at the end");
    }

    #[test]
    fn a_spoilt_working_counter_is_that_of_the_last_datagram_alone() {
        use crate::wire::{Command, DatagramSpec, Template};
        let spec = |length| DatagramSpec { command: Command::Lrw, address: 0, length };
        let template = Template::build(&[spec(4), spec(8)]).unwrap();
        let mut frame = template.bytes().to_vec();
        spoil_working_counter(&mut frame);
        let counters = template.places().iter().map(|place| place.working_counter(&frame));
        assert_eq!(counters.collect::<Vec<_>>(), [Some(0), Some(u16::MAX)]);
    }

    #[test]
    fn during_an_outage_the_link_is_down() {
        let outages = vec![(1_000, 2_000)];
        let mut link = Fault::new(
            InlineLink::new(Echo { adds: 0 }, 0),
            Faults { outages, ..Faults::default() },
        );
        assert_eq!(link.send(&[0; 60]), Ok(()));
        link.idle(1_500);
        assert_eq!(link.send(&[0; 60]), Err(LinkFault::Down));
        assert_eq!(link.receive(&mut [0; 60], 0), Err(LinkFault::Down));
        link.idle(2_000);
        assert_eq!(link.send(&[0; 60]), Ok(()));
        link.set_down(true);
        assert_eq!(link.send(&[0; 60]), Err(LinkFault::Down));
    }
}
