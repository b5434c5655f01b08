//! A camera on another host: what its clock is in the time of this one.
//!
//! The camera says when a receipt of ours reached it (`arrived`, its clock) and when it sends that (`sent`, its clock). The receipt left
//! here before it arrived there, and the answer left there before it arrived here, whatever the network did in between. So this host's
//! clock less the camera's lies between `echo − arrived` and `received − sent`: no symmetry is assumed, and a slow network only makes
//! pictures older.

/// Two crystals may drift apart by so much, parts per million.
const DRIFT_PPM: u64 = 200;
/// An exchange counts for so long, ns.
const EXCHANGE_AGE_MAX_NS: u64 = 10_000_000_000;
/// An exchange that leaves more room than this says nothing, ns.
const WIDTH_MAX_NS: i128 = 100_000_000;
/// Receipts that may be echoed: the newest so many.
const ECHOES: usize = 16;

/// What is known of a camera's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offset {
    /// This host's clock less the camera's, at the least, ns.
    pub least_ns: i64,
    /// And at the most so much more, ns.
    pub uncertainty_ns: u64,
}

#[derive(Clone, Copy, Debug)]
struct Exchange {
    least: i128,
    width: i128,
    /// In the camera's clock.
    sent: u64,
    /// In this host's.
    received: u64,
}

/// The clock of one stream's camera.
#[derive(Clone, Debug, Default)]
pub struct CameraClock {
    issued: [u64; ECHOES],
    next: usize,
    exchange: Option<Exchange>,
}

impl CameraClock {
    /// A receipt leaves at `now`.
    pub fn issue(&mut self, now: u64) {
        if let Some(place) = self.issued.get_mut(self.next % ECHOES) {
            *place = now;
        }
        self.next = self.next.wrapping_add(1);
    }

    /// The camera's answer. `false`: it says nothing, or what cannot be.
    // SR-070
    pub fn hear(&mut self, sent: u64, (echo, arrived): (u64, u64), received: u64) -> bool {
        if echo == 0 {
            return true;
        }
        let known = self.issued.contains(&echo) && echo <= received && arrived <= sent;
        let least = i128::from(echo) - i128::from(arrived);
        let width = i128::from(received) - i128::from(sent) - least;
        if !known || !(0..=WIDTH_MAX_NS).contains(&width) {
            return false;
        }
        // Each receipt is good for one exchange.
        for issued in self.issued.iter_mut().filter(|issued| **issued == echo) {
            *issued = 0;
        }
        self.exchange = Some(Exchange { least, width, sent, received });
        true
    }

    /// What it is for a picture captured at `captured_at` (the camera's clock), at `now`. `None`: nobody knows.
    // SR-070
    #[must_use]
    pub fn offset(&self, captured_at: u64, now: u64) -> Option<Offset> {
        let exchange = self.exchange.as_ref()?;
        let since = now.checked_sub(exchange.received)?;
        if since > EXCHANGE_AGE_MAX_NS {
            return None;
        }
        // Outwards, on either side of the exchange.
        let apart = since.max(captured_at.abs_diff(exchange.sent));
        let drift = i128::from(apart.saturating_mul(DRIFT_PPM).div_ceil(1_000_000));
        Some(Offset {
            least_ns: i64::try_from(exchange.least - drift).ok()?,
            uncertainty_ns: u64::try_from(exchange.width + 2 * drift).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    // SR-070
    fn without_an_exchange_or_long_after_it_nobody_knows() {
        let mut clock = CameraClock::default();
        assert_eq!(clock.offset(5, 10), None);
        assert!(clock.hear(100, (0, 0), SECOND), "the first one asks");
        assert_eq!(clock.offset(100, SECOND), None);
        clock.issue(SECOND);
        assert!(!clock.hear(300, (SECOND + 1, 200), SECOND + 200), "never issued");
        assert!(clock.hear(300, (SECOND, 200), SECOND + 200));
        assert!(!clock.hear(300, (SECOND, 200), SECOND + 200), "once and no more");
        assert_eq!(
            clock.offset(300, SECOND + 200),
            Some(Offset { least_ns: 999_999_800, uncertainty_ns: 100 })
        );
        assert!(clock.offset(300, 11 * SECOND + 200).is_some());
        assert_eq!(clock.offset(300, 11 * SECOND + 201), None);
    }

    #[test]
    // SR-070
    fn an_exchange_that_cannot_be_or_is_too_wide_says_nothing() {
        for (sent, arrived, received) in
            [(300, 200, 2 * SECOND), (200, 300, SECOND + 10), (SECOND, 200, SECOND + 200)]
        {
            let mut clock = CameraClock::default();
            clock.issue(SECOND);
            assert!(!clock.hear(sent, (SECOND, arrived), received), "{sent} {arrived} {received}");
            assert_eq!(clock.offset(300, received), None);
        }
    }

    proptest! {
        /// The camera's clock runs wrong by up to the declared drift, the network takes what it takes: a picture is never younger than it is
        /// taken to be.
        #[test]
        // SR-070
        fn a_picture_is_at_least_as_old_as_it_is_in_truth(
            begins in 0_u64..1_000 * SECOND,
            drift_ppm in -200_i64..=200,
            there in 0_u64..40_000_000,
            thinks in 0_u64..1_000_000,
            back in 0_u64..40_000_000,
            later in 0_u64..9 * SECOND,
        ) {
            // True time is this host's; the camera's clock is a line through `begins`.
            let camera = |at: u64| {
                let off = i128::from(at) * i128::from(drift_ppm) / 1_000_000;
                u64::try_from(i128::from(begins) + i128::from(at) + off).unwrap()
            };
            let start = 2_000 * SECOND;
            let mut clock = CameraClock::default();
            clock.issue(start);
            let arrived = start + there;
            let sent = arrived + thinks;
            let received = sent + back;
            prop_assert!(clock.hear(camera(sent), (start, camera(arrived)), received));
            let now = received + later;
            let offset = clock.offset(camera(now), now).unwrap();
            let taken = i128::from(camera(now)) + i128::from(offset.least_ns);
            prop_assert!(taken <= i128::from(now), "younger than it is by {}", taken - i128::from(now));
            prop_assert!(taken + i128::from(offset.uncertainty_ns) >= i128::from(now));
        }
    }
}
