//! AL state machine: what a request means (ETG1000.6 §6.4.1, ETG1020 §5).

/// AL states.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum AlState {
    /// No communication on the application layer.
    #[default]
    Init,
    /// Mailbox.
    PreOp,
    /// Mailbox and inputs.
    SafeOp,
    /// Inputs and outputs.
    Op,
}

impl AlState {
    /// As in AL status (0x0130).
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Init => 1,
            Self::PreOp => 2,
            Self::SafeOp => 4,
            Self::Op => 8,
        }
    }
}

/// AL status codes, ETG1000.6 Table 11.
pub mod code {
    /// Invalid requested state change.
    pub const INVALID_STATE_CHANGE: u16 = 0x0011;
    /// Unknown requested state.
    pub const UNKNOWN_STATE: u16 = 0x0012;
    /// Bootstrap not supported.
    pub const NO_BOOTSTRAP: u16 = 0x0013;
    /// Invalid mailbox configuration.
    pub const INVALID_MAILBOX: u16 = 0x0016;
    /// Synchronisation error.
    pub const SYNC_ERROR: u16 = 0x001A;
    /// SyncManager watchdog.
    pub const WATCHDOG: u16 = 0x001B;
    /// Invalid output configuration.
    pub const INVALID_OUTPUTS: u16 = 0x001D;
    /// Invalid input configuration.
    pub const INVALID_INPUTS: u16 = 0x001E;
    /// No valid SYNC0 received.
    pub const NO_SYNC: u16 = 0x002D;
    /// Invalid DC SYNC configuration.
    pub const INVALID_DC: u16 = 0x0030;
}

/// What a write to AL control asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// Nothing happens: an error is pending and not acknowledged.
    Ignore,
    /// Refused with this code; the state stays.
    Refuse(u16),
    /// Go there; the device checks what it needs for that.
    Go(AlState),
}

/// The transition table. `control` is the value written to 0x0120.
pub(crate) fn request(state: AlState, error: bool, control: u16) -> Request {
    let acknowledge = control & 0x10 != 0;
    let target = match control & 0x0F {
        1 => AlState::Init,
        2 => AlState::PreOp,
        4 => AlState::SafeOp,
        8 => AlState::Op,
        3 => return Request::Refuse(code::NO_BOOTSTRAP),
        _ => return Request::Refuse(code::UNKNOWN_STATE),
    };
    if error && !acknowledge && target >= state {
        return Request::Ignore;
    }
    match (state, target) {
        (AlState::Init, AlState::SafeOp | AlState::Op) | (AlState::PreOp, AlState::Op) => {
            Request::Refuse(code::INVALID_STATE_CHANGE)
        }
        (_, target) => Request::Go(target),
    }
}

/// Device emulation: every state that exists is taken over.
pub(crate) fn emulated(control: u16) -> Request {
    // From Op every state can be reached, and no error is pending.
    request(AlState::Op, false, control)
}

#[cfg(test)]
mod tests {
    use super::*;
    use AlState::{Init, Op, PreOp, SafeOp};

    #[test]
    fn the_transition_table_holds_for_every_pair() {
        // An oracle of its own: rows = from, columns = to.
        let allowed = [
            [true, true, false, false],
            [true, true, true, false],
            [true, true, true, true],
            [true, true, true, true],
        ];
        for (from, row) in [Init, PreOp, SafeOp, Op].into_iter().zip(allowed) {
            for (to, allowed) in [Init, PreOp, SafeOp, Op].into_iter().zip(row) {
                let expected = if allowed {
                    Request::Go(to)
                } else {
                    Request::Refuse(code::INVALID_STATE_CHANGE)
                };
                assert_eq!(
                    request(from, false, u16::from(to.code())),
                    expected,
                    "{from:?} → {to:?}"
                );
            }
        }
    }

    #[test]
    fn an_error_holds_the_state_until_it_is_acknowledged() {
        assert_eq!(request(SafeOp, true, 0x08), Request::Ignore);
        assert_eq!(request(SafeOp, true, 0x04), Request::Ignore);
        assert_eq!(request(SafeOp, true, 0x14), Request::Go(SafeOp));
        assert_eq!(request(SafeOp, true, 0x02), Request::Go(PreOp));
    }

    #[test]
    fn states_that_do_not_exist_are_refused() {
        assert_eq!(request(Init, false, 0x03), Request::Refuse(code::NO_BOOTSTRAP));
        assert_eq!(request(Init, false, 0x00), Request::Refuse(code::UNKNOWN_STATE));
        assert_eq!(request(Op, false, 0x0F), Request::Refuse(code::UNKNOWN_STATE));
    }
}
