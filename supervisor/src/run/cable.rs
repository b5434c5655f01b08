//! The interface beside the cycle: whether there is a cable, and since when not.

use std::time::{SystemTime, UNIX_EPOCH};

use fieldbus::link::{Carrier, CarrierState};

use crate::cli::Link;

/// Between two looks, ns.
const LOOK_NS: u64 = 20_000_000;

/// Watches the interface of a run. Asks the kernel, so never from the cyclic thread.
#[derive(Debug)]
pub(super) struct Cable {
    interface: String,
    carrier: Carrier,
    state: CarrierState,
    /// Since when the link is as it is: ns of CLOCK_MONOTONIC, and seconds since 1970.
    since: (u64, u64),
    look_at: u64,
    /// Times that it was lost.
    losses: u64,
}

impl Cable {
    /// Of a run on an interface; a virtual link has no cable.
    pub(super) fn of(link: &Link) -> Option<Self> {
        let Link::Raw(interface) = link else { return None };
        let carrier = Carrier::of(interface).ok()?;
        let interface = interface.clone();
        let state = CarrierState::Up;
        Some(Self { interface, carrier, state, since: (0, 0), look_at: 0, losses: 0 })
    }

    /// Looks now and then; what has changed, for people.
    pub(super) fn look(&mut self, now: u64) -> Option<String> {
        if now < self.look_at {
            return None;
        }
        self.look_at = now.saturating_add(LOOK_NS);
        let state = self.carrier.state();
        if state == self.state {
            return None;
        }
        let before = self.since.0;
        (self.state, self.since) = (state, (now, seconds()));
        if state == CarrierState::Up {
            let away_ms = now.saturating_sub(before) / 1_000_000;
            return Some(format!("cable of {}: carrier again after {away_ms} ms", self.interface));
        }
        self.losses += 1;
        self.reason()
    }

    /// Why the bus cannot be there; `None`: the interface is as it should be.
    pub(super) fn reason(&self) -> Option<String> {
        let interface = &self.interface;
        let since = time_of_day(self.since.1);
        match self.state {
            CarrierState::Up => None,
            CarrierState::NoCarrier => Some(format!(
                "cable of {interface}: no carrier since {since}; plug it in, at the first device as well, and see that it has power"
            )),
            CarrierState::Down => Some(format!(
                "interface {interface} was switched off at {since}; bring it up: sudo ip link set {interface} up"
            )),
            CarrierState::Gone => Some(format!(
                "interface {interface} is gone since {since}; see ip link, dmesg: its card or driver"
            )),
        }
    }

    /// Times that it was lost.
    pub(super) fn losses(&self) -> u64 {
        self.losses
    }
}

fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn time_of_day(seconds: u64) -> String {
    let (hours, minutes) = (seconds / 3_600 % 24, seconds / 60 % 60);
    format!("{hours:02}:{minutes:02}:{:02} UTC", seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_that_goes_is_told_once_with_the_time_and_stays_the_reason() {
        let mut cable = Cable::of(&Link::Raw("tactus-none0".into())).unwrap();
        assert_eq!(cable.reason(), None);
        let text = cable.look(1).unwrap();
        assert!(text.contains("tactus-none0 is gone since"), "{text}");
        assert!(text.contains(" UTC"), "{text}");
        assert_eq!((cable.look(2), cable.look(2 * LOOK_NS)), (None, None));
        assert_eq!((cable.reason(), cable.losses()), (Some(text), 1));
        assert!(Cable::of(&Link::Virtual).is_none());
    }

    #[test]
    fn a_carrier_that_is_back_says_how_long_it_was_away_and_is_no_reason() {
        let mut cable = Cable::of(&Link::Raw("lo".into())).unwrap();
        (cable.state, cable.since) = (CarrierState::NoCarrier, (5_000_000, 45_296));
        let reason = cable.reason().unwrap();
        assert!(reason.starts_with("cable of lo: no carrier since 12:34:56 UTC; "), "{reason}");
        if cable.carrier.state() == CarrierState::Up {
            let text = cable.look(1_205_000_000).unwrap();
            assert_eq!(text, "cable of lo: carrier again after 1200 ms");
            assert_eq!(cable.reason(), None);
        }
    }
}
