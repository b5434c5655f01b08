//! Whether it pays to stay awake for a frame.
//!
//! Waking up a thread costs more than most round trips take. A frame that is about to come is therefore waited for awake, for a bounded
//! time, and then asleep. Where frames come only once the thread sleeps (its CPU serves the interface, or the way is longer than the
//! bound), staying awake is given up and tried again now and then, ever more rarely: a trial in vain makes its cycle longer by the bound.

/// So many frames in a row that came only asleep, and it does not pay.
const IN_VAIN_MAX: u8 = 4;
/// Waits until it is tried again; twice as many after each trial in vain.
const REST: u32 = 1_000;
/// At most so many.
const REST_MAX: u32 = 512_000;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Awake {
    /// At most so long, ns; 0: never.
    bound_ns: u64,
    in_vain: u8,
    rest: u32,
    /// `rest` after the next failure.
    rest_next: u32,
}

impl Awake {
    pub(super) const fn new(bound_ns: u64) -> Self {
        Self { bound_ns, in_vain: 0, rest: 0, rest_next: REST }
    }

    pub(super) const fn bound_ns(&self) -> u64 {
        self.bound_ns
    }

    /// A wait begins at `now`: how long to stay awake, until when; `None`: not at all. At most half of what is left until `deadline`.
    pub(super) fn until(&mut self, now: u64, deadline: u64) -> Option<u64> {
        if self.rest > 0 {
            self.rest -= 1;
            return None;
        }
        let bound_ns = self.bound_ns.min(deadline.saturating_sub(now) / 2);
        (bound_ns > 0).then(|| now.saturating_add(bound_ns))
    }

    /// The frame came while awake.
    pub(super) fn paid(&mut self) {
        (self.in_vain, self.rest_next) = (0, REST);
    }

    /// The frame came, but only asleep.
    pub(super) fn in_vain(&mut self) {
        self.in_vain += 1;
        if self.in_vain == IN_VAIN_MAX {
            // One more failure is enough then.
            self.in_vain = IN_VAIN_MAX - 1;
            self.rest = self.rest_next;
            self.rest_next = self.rest_next.saturating_mul(2).min(REST_MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stays_awake_for_the_bound_and_never_beyond_half_of_what_is_left() {
        let mut awake = Awake::new(100);
        assert_eq!(awake.until(1_000, 10_000), Some(1_100));
        assert_eq!(awake.until(1_000, 1_100), Some(1_050));
        assert_eq!(awake.until(1_000, 1_000), None);
        assert_eq!(awake.until(1_000, 900), None);
        assert_eq!(Awake::new(0).until(1_000, 10_000), None);
    }

    #[test]
    fn what_does_not_pay_is_given_up_and_tried_again_now_and_then() {
        let mut awake = Awake::new(100);
        for _ in 0..IN_VAIN_MAX {
            assert!(awake.until(0, 10_000).is_some());
            awake.in_vain();
        }
        let slept = |awake: &mut Awake| {
            (0..=2 * REST_MAX).take_while(|_| awake.until(0, 10_000).is_none()).count()
        };
        assert_eq!(slept(&mut awake), 1_000);
        for rest in [2, 4, 8, 16, 32, 64, 128, 256, 512, 512].map(|thousands| thousands * 1_000) {
            awake.in_vain();
            assert_eq!(slept(&mut awake), rest, "once more is enough");
        }
        awake.paid();
        (0..IN_VAIN_MAX).for_each(|_| awake.in_vain());
        assert_eq!(slept(&mut awake), 1_000, "it paid once: as at first");
    }

    #[test]
    fn one_slow_frame_now_and_then_changes_nothing() {
        let mut awake = Awake::new(100);
        for _ in 0..100 {
            for _ in 1..IN_VAIN_MAX {
                awake.in_vain();
            }
            assert!(awake.until(0, 10_000).is_some());
            awake.paid();
        }
    }
}
