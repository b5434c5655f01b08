//! Digital values that know since when they are what they are.

/// A digital value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Timed {
    pub(crate) on: bool,
    before: bool,
    since: u64,
}

impl Timed {
    /// At rest since ever.
    pub(crate) fn at_rest(on: bool, now: u64) -> Self {
        Self { on, before: on, since: now }
    }

    pub(crate) fn set(&mut self, on: bool, now: u64) {
        if on != self.on {
            *self = Self { on, before: self.on, since: now };
        }
    }

    /// It has been `on` for at least `for_ns`.
    pub(crate) fn has_been(&self, on: bool, for_ns: u64, now: u64) -> bool {
        self.on == on && now.saturating_sub(self.since) >= for_ns
    }

    /// What something that follows `delay_ns` late does.
    pub(crate) fn delayed(&self, delay_ns: u64, now: u64) -> bool {
        if now.saturating_sub(self.since) >= delay_ns { self.on } else { self.before }
    }
}

/// A digital source of the world: a button, a channel, a barrier.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source {
    pub(crate) value: Timed,
    /// Its value without a pulse.
    pub(crate) rest: bool,
    /// `u64::MAX`: there is no pulse.
    pub(crate) pulse_end: u64,
}

impl Source {
    pub(crate) fn at_rest(rest: bool, now: u64) -> Self {
        Self { value: Timed::at_rest(rest, now), rest, pulse_end: u64::MAX }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_knows_how_long_it_has_been_there() {
        let mut value = Timed::at_rest(false, 100);
        assert!(!value.delayed(50, 100), "what rests does not follow anything");
        value.set(true, 200);
        value.set(true, 240);
        assert!(!value.has_been(true, 50, 249) && value.has_been(true, 50, 250));
        assert!(!value.delayed(50, 249) && value.delayed(50, 250));
        assert!(!value.has_been(false, 0, 250));
    }
}
