//! The other end of a link: a virtual segment that answers frames.

use core::sync::atomic::{AtomicBool, Ordering};

use super::{FRAME_MAX, Link, Wire};

/// Longest time without telling the segment that time goes on, ns.
const TICK_NS: u64 = 250_000;

/// What [`serve`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Served {
    /// Frames that came.
    pub received: u64,
    /// Frames that went back.
    pub returned: u64,
    /// Times that the link did not work (down, other end gone).
    pub faults: u64,
}

/// Answers frames until `stop` is set: takes one, passes it through the segment, sends it back. A link that is down is waited for.
pub fn serve<L: Link, W: Wire>(link: &mut L, wire: &mut W, stop: &AtomicBool) -> Served {
    let mut buffer = vec![0; FRAME_MAX].into_boxed_slice();
    let mut served = Served::default();
    while !stop.load(Ordering::Relaxed) {
        let deadline = link.now() + TICK_NS;
        let received = link.receive(&mut buffer, deadline);
        let now = link.now();
        wire.advance(now);
        match received {
            Ok(Some(length)) => {
                served.received += 1;
                // Longer than a frame can be: not for us.
                let Some(frame) = buffer.get_mut(..length) else { continue };
                if wire.pass(frame, now) {
                    match link.send(frame) {
                        Ok(()) => served.returned += 1,
                        Err(_) => served.faults += 1,
                    }
                }
            }
            Ok(None) => {}
            Err(_) => {
                served.faults += 1;
                link.idle(deadline);
            }
        }
    }
    served
}

#[cfg(test)]
mod tests {
    use super::super::pair;
    use super::*;

    struct Mark {
        advanced: u64,
    }

    impl Wire for Mark {
        fn pass(&mut self, frame: &mut [u8], _now: u64) -> bool {
            frame[1] = 0xAA;
            frame[0] != 9
        }

        fn advance(&mut self, now: u64) {
            assert!(now >= self.advanced);
            self.advanced = now;
        }

        fn round_trip_ns(&self, _len: usize) -> u64 {
            0
        }
    }

    #[test]
    fn it_answers_what_the_segment_returns_and_goes_on_in_time_without_frames() {
        let (mut ours, mut theirs) = pair().unwrap();
        let stop = AtomicBool::new(false);
        let (served, advanced, started) = std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                let mut wire = Mark { advanced: 0 };
                let started = theirs.now();
                let served = serve(&mut theirs, &mut wire, &stop);
                (served, wire.advanced, started)
            });
            ours.send(&[9; 60]).unwrap();
            ours.send(&[1; 60]).unwrap();
            let mut buffer = [0; 60];
            let deadline = ours.now() + 5_000_000_000;
            assert_eq!(ours.receive(&mut buffer, deadline), Ok(Some(60)));
            assert_eq!(buffer[..2], [1, 0xAA]);
            ours.idle(ours.now() + 2_000_000);
            stop.store(true, Ordering::Relaxed);
            thread.join().unwrap()
        });
        assert_eq!(served, Served { received: 2, returned: 1, faults: 0 });
        assert!(advanced > started);
    }
}
