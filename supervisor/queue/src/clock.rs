//! How old a record is, whatever the wall clock does.

use std::time::{SystemTime, UNIX_EPOCH};

/// Time since the queue was made, ns: goes on with CLOCK_BOOTTIME while the machine is up, and over a restart of the machine with the
/// wall clock, as far as that went forward. It never goes back, and no step of the wall clock while the machine is up changes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueClock {
    /// Its value at `mono`, ns.
    value: u64,
    mono: u64,
}

/// What is written down of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Its value, ns.
    pub value: u64,
    /// CLOCK_BOOTTIME then, ns.
    pub mono: u64,
    /// The wall clock then, ns.
    pub wall: u64,
    /// Which boot of the machine.
    pub boot: String,
}

impl QueueClock {
    /// Goes on from what was written down, now.
    #[must_use]
    pub fn resume(written: &Written, now: &Written) -> Self {
        let gone = if written.boot == now.boot {
            now.mono.saturating_sub(written.mono)
        } else {
            now.wall.saturating_sub(written.wall)
        };
        Self { value: written.value.saturating_add(gone), mono: now.mono }
    }

    /// Its value at a moment of CLOCK_BOOTTIME, ns.
    #[must_use]
    pub fn at(&self, mono: u64) -> u64 {
        self.value.saturating_add(mono.saturating_sub(self.mono))
    }
}

/// What the clocks of the machine say now; `value` is not of them.
#[must_use]
pub fn now() -> Written {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    Written { value: 0, mono: mono(), wall: wall(), boot: boot.trim().to_owned() }
}

/// CLOCK_BOOTTIME, ns.
#[must_use]
pub fn mono() -> u64 {
    let time = nix::time::clock_gettime(nix::time::ClockId::CLOCK_BOOTTIME);
    time.map_or(0, |time| {
        let (seconds, nanos) = (time.tv_sec(), time.tv_nsec());
        u64::try_from(seconds).unwrap_or(0).saturating_mul(1_000_000_000)
            + u64::try_from(nanos).unwrap_or(0)
    })
}

/// The wall clock, ns since 1970: shown, and asked for by people; nothing is decided by it.
#[must_use]
pub fn wall() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000_000_000;

    fn written(value: u64, mono: u64, wall: u64, boot: &str) -> Written {
        Written { value, mono, wall, boot: boot.to_owned() }
    }

    #[test]
    fn a_step_of_the_wall_clock_makes_nothing_older_or_younger() {
        let before = written(5 * HOUR, 100 * HOUR, 1000 * HOUR, "a");
        for wall in [999 * HOUR, 1000 * HOUR, 1 << 62] {
            let clock = QueueClock::resume(&before, &written(0, 101 * HOUR, wall, "a"));
            assert_eq!(clock.at(103 * HOUR), 8 * HOUR);
        }
    }

    #[test]
    fn over_a_restart_of_the_machine_it_never_goes_back() {
        let before = written(5 * HOUR, 100 * HOUR, 1000 * HOUR, "a");
        let later = QueueClock::resume(&before, &written(0, 7, 1002 * HOUR, "b"));
        assert_eq!(later.at(7), 7 * HOUR);
        let earlier = QueueClock::resume(&before, &written(0, 7, 10 * HOUR, "b"));
        assert_eq!(earlier.at(7), 5 * HOUR);
    }
}
