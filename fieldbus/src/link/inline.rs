//! The virtual segment in the same thread, in virtual time.

use super::{FRAME_MAX, Link, LinkFault, Wire, line_time_ns};
use crate::time;

/// Most frames under way at once.
const SLOTS: usize = 32;

#[derive(Debug)]
struct Slot {
    frame: Box<[u8]>,
    length: usize,
    /// When it is back, ns.
    back_at: u64,
}

/// A link to a [`Wire`] in this thread. Time is virtual and the thread's own ([`crate::time`]): receiving moves it on to the arrival of
/// the next frame, or to the deadline. Frames follow each other on the line as they would at 100 Mbit/s.
#[derive(Debug)]
pub struct InlineLink<W> {
    wire: W,
    slots: Vec<Slot>,
    /// Where the oldest frame under way is.
    first: usize,
    /// How many are under way.
    count: usize,
    /// When the line is free again, ns.
    free_at: u64,
}

impl<W: Wire> InlineLink<W> {
    /// A link to `wire`; switches this thread to virtual time, from `start` on (ns, above 0).
    #[must_use]
    pub fn new(wire: W, start: u64) -> Self {
        time::set_virtual(start);
        let slot = || Slot { frame: vec![0; FRAME_MAX].into_boxed_slice(), length: 0, back_at: 0 };
        Self { wire, slots: (0..SLOTS).map(|_| slot()).collect(), first: 0, count: 0, free_at: 0 }
    }

    /// The segment behind it.
    pub fn wire(&self) -> &W {
        &self.wire
    }

    /// The segment behind it.
    pub fn wire_mut(&mut self) -> &mut W {
        &mut self.wire
    }
}

impl<W: Wire> Link for InlineLink<W> {
    fn send(&mut self, frame: &[u8]) -> Result<(), LinkFault> {
        if self.count == SLOTS {
            return Err(LinkFault::Full);
        }
        let now = time::now();
        let at = (self.first + self.count) % SLOTS;
        let Some(slot) = self.slots.get_mut(at) else { return Err(LinkFault::Full) };
        let Some(room) = slot.frame.get_mut(..frame.len()) else {
            return Err(LinkFault::Os(libc::EMSGSIZE));
        };
        room.copy_from_slice(frame);
        let sent_at = now.max(self.free_at);
        self.free_at = sent_at.saturating_add(line_time_ns(frame.len()));
        self.wire.advance(now);
        if self.wire.pass(room, sent_at) {
            slot.length = frame.len();
            slot.back_at = sent_at.saturating_add(self.wire.round_trip_ns(frame.len()));
            self.count += 1;
        }
        Ok(())
    }

    fn receive(&mut self, buffer: &mut [u8], deadline: u64) -> Result<Option<usize>, LinkFault> {
        let until = deadline.max(time::now());
        let oldest =
            self.slots.get(self.first).filter(|slot| self.count > 0 && slot.back_at <= until);
        let Some(slot) = oldest else {
            time::advance_virtual(until);
            return Ok(None);
        };
        time::advance_virtual(slot.back_at);
        let length = slot.length.min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..length), slot.frame.get(..length)) {
            to.copy_from_slice(from);
        }
        let whole = slot.length;
        self.first = (self.first + 1) % SLOTS;
        self.count -= 1;
        Ok(Some(whole))
    }

    fn now(&self) -> u64 {
        time::now()
    }

    fn idle(&mut self, until: u64) {
        time::advance_virtual(until);
        self.wire.advance(time::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Adds one to the first byte; swallows frames that begin with 9.
    struct Echo {
        advanced: u64,
    }

    impl Wire for Echo {
        fn pass(&mut self, frame: &mut [u8], _now: u64) -> bool {
            frame[0] += 1;
            frame[0] != 10
        }

        fn advance(&mut self, now: u64) {
            self.advanced = now;
        }

        fn round_trip_ns(&self, len: usize) -> u64 {
            line_time_ns(len) + 1_000
        }
    }

    #[test]
    fn time_moves_by_the_wire_and_frames_follow_each_other_on_the_line() {
        let mut link = InlineLink::new(Echo { advanced: 0 }, 1_000_000);
        let mut buffer = [0; 60];
        link.send(&[1; 60]).unwrap();
        link.send(&[5; 60]).unwrap();
        assert_eq!(link.receive(&mut buffer, 2_000_000), Ok(Some(60)));
        assert_eq!((buffer[0], link.now()), (2, 1_000_000 + 84 * 80 + 1_000));
        assert_eq!(link.receive(&mut buffer, 2_000_000), Ok(Some(60)));
        assert_eq!((buffer[0], link.now()), (6, 1_000_000 + 2 * 84 * 80 + 1_000));
        assert_eq!(link.receive(&mut buffer, 2_000_000), Ok(None));
        assert_eq!(link.now(), 2_000_000);
        assert_eq!(link.wire().advanced, 1_000_000);
    }

    #[test]
    fn a_frame_that_does_not_come_back_is_missed_at_the_deadline() {
        let mut link = InlineLink::new(Echo { advanced: 0 }, 1);
        link.send(&[9; 60]).unwrap();
        assert_eq!(link.receive(&mut [0; 60], 50_000), Ok(None));
        assert_eq!(link.now(), 50_000);
        assert_eq!(link.receive(&mut [0; 60], 0), Ok(None), "0 does not wait");
        assert_eq!(link.now(), 50_000);
    }

    #[test]
    fn a_full_line_refuses_frames() {
        let mut link = InlineLink::new(Echo { advanced: 0 }, 1);
        for _ in 0..SLOTS {
            link.send(&[0; 60]).unwrap();
        }
        assert_eq!(link.send(&[0; 60]), Err(LinkFault::Full));
    }
}
