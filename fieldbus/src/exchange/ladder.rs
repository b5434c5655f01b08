//! From SafeOp to Op and back to Op after a loss: one datagram of our own a cycle, nothing ever waits.
//!
//! The ladder sees what a cycle saw ([`Seen`]) and says which datagram to send in the next one ([`Ladder::request`]).

use rt_core::bus::{BusFault, BusState};

use super::lock::{ClockReport, Lock};
use crate::layout::station;
use crate::wire::{Command, DatagramSpec, register, u16_at, u32_at};

/// AL states (ETG1000.6 Table 9).
pub(crate) const SAFE_OP: u16 = 0x04;
pub(crate) const OP: u16 = 0x08;
/// A device reports an error; in AL control: acknowledge it.
pub(crate) const ERROR: u16 = 0x10;
const STATE_MASK: u16 = 0x0F;

/// SafeOp → Op, all devices (ETG1020: 10 s at most).
const OP_TIMEOUT_NS: u64 = 10_000_000_000;
/// One device back to Op, or its error acknowledged.
const RAISE_TIMEOUT_NS: u64 = 1_000_000_000;
/// Between two attempts to get every device back to Op.
const RETRY_NS: u64 = 200_000_000;
/// Requests of Op to all before it is found out who does not take them.
const REQUESTS_MAX: u8 = 10;
/// Acknowledgements of one device in one attempt.
const ATTEMPTS_MAX: u8 = 2;

/// Our own datagram of a cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) spec: DatagramSpec,
    pub(crate) data: [u8; 2],
}

/// Its answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) working_counter: u16,
    pub(crate) data: [u8; 8],
}

/// What a cycle saw.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) now: u64,
    /// AL status of all, OR-ed; `None`: the frame is not back.
    pub(crate) status: Option<u16>,
    /// Every device took part in it.
    pub(crate) is_complete: bool,
    /// At least one frame is back.
    pub(crate) is_answered: bool,
    /// The link said that it is down.
    pub(crate) is_link_down: bool,
    /// The reference clock is not there, or not what it was.
    pub(crate) is_reference_lost: bool,
    /// This device is being set up again: not the ladder's.
    pub(crate) restoring: Option<u16>,
    /// Answer to our own datagram.
    pub(crate) reply: Option<Reply>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Clocks get in step.
    Locking { until: u64 },
    /// Op is requested of all.
    RequestOp { tries: u8 },
    /// All are on their way.
    AwaitOp { until: u64 },
    /// All are in Op.
    Operational,
    /// Device by device: who is not in Op?
    Search { position: u16 },
    /// This device's error is acknowledged.
    Acknowledge { position: u16, state: u8 },
    /// Until its error is gone.
    AwaitAcknowledged { position: u16, until: u64 },
    /// Op is requested of this device.
    Raise { position: u16 },
    /// It is on its way.
    AwaitRaised { position: u16, until: u64 },
    /// Somebody did not come: again later.
    Pause { until: u64 },
}

/// The way to Op.
#[derive(Clone, Debug)]
pub(crate) struct Ladder {
    phase: Phase,
    devices: u16,
    lock: Option<Lock>,
    /// Devices have their SYNC0 from then on, ns of the link's clock: without it a drive refuses Op.
    sync_from: u64,
    lock_timeout_ns: u64,
    fault: BusFault,
    silent: u8,
    /// Cycles without any reply, or with devices missing from the status, before the bus is faulted.
    silent_max: u8,
    incomplete: u8,
    attempts: u8,
    /// Everyone was in Op in this round of the search.
    all_in_op: bool,
    /// Clocks did not get in step in time.
    is_lock_overdue: bool,
    is_reference_lost: bool,
    /// This device is there and has lost its settings.
    lost: Option<u16>,
    /// As the last cycle saw it: every device is there; one is being set up again.
    was: (bool, Option<u16>),
}

/// Not one device.
const NO_DEVICE: BusFault = BusFault {
    position: u16::MAX,
    al_status: 0,
    al_status_code: 0,
    link_down: false,
    clocks_apart: false,
};

impl Ladder {
    pub(crate) fn new(
        devices: u16,
        silent_max: u8,
        lock: Option<Lock>,
        (sync_from, lock_timeout_ns): (u64, u64),
    ) -> Self {
        Self {
            phase: Phase::Locking { until: 0 },
            devices,
            lock,
            sync_from,
            lock_timeout_ns,
            fault: NO_DEVICE,
            silent: 0,
            silent_max: silent_max.max(1),
            incomplete: 0,
            attempts: 0,
            all_in_op: true,
            is_lock_overdue: false,
            is_reference_lost: false,
            lost: None,
            was: (false, None),
        }
    }

    pub(crate) fn state(&self) -> BusState {
        match self.phase {
            Phase::Locking { .. } if self.is_lock_overdue => BusState::Faulted,
            Phase::Locking { .. } | Phase::RequestOp { .. } | Phase::AwaitOp { .. } => {
                BusState::Starting
            }
            Phase::Operational => BusState::Operational,
            Phase::Search { .. }
            | Phase::Acknowledge { .. }
            | Phase::AwaitAcknowledged { .. }
            | Phase::Raise { .. }
            | Phase::AwaitRaised { .. }
            | Phase::Pause { .. } => BusState::Faulted,
        }
    }

    /// Evidence; meaningful while faulted.
    pub(crate) fn fault(&self) -> BusFault {
        self.fault
    }

    pub(crate) fn is_dc_unlocked(&self) -> bool {
        self.lock.as_ref().is_some_and(|lock| !lock.is_locked() || self.is_reference_lost)
    }

    /// What every clock said of itself.
    pub(crate) fn clocks(&self) -> Vec<ClockReport> {
        self.lock.as_ref().map(Lock::report).unwrap_or_default()
    }

    /// The device that was farthest from the reference since the clocks are in step, and by how much, ns.
    pub(crate) fn dc_difference(&self) -> (Option<u16>, u32) {
        self.lock.as_ref().map_or((None, 0), Lock::farthest)
    }

    /// A device that is there and has lost its settings, once.
    pub(crate) fn take_lost(&mut self) -> Option<u16> {
        self.lost.take()
    }

    /// Our own datagram for the next cycle.
    pub(crate) fn request(&self) -> Option<Request> {
        let control = |command, station, value: u8| {
            let spec = DatagramSpec::register(command, station, register::AL_CONTROL, 2);
            Some(Request { spec, data: [value, 0] })
        };
        let status = |position: u16| {
            let address = station(usize::from(position));
            let spec = DatagramSpec::register(Command::Fprd, address, register::AL_STATUS, 6);
            Some(Request { spec, data: [0; 2] })
        };
        let op = u8::try_from(OP).unwrap_or_default();
        let acknowledge = u8::try_from(ERROR).unwrap_or_default();
        match self.phase {
            Phase::Locking { .. } | Phase::Operational => self.observe_clock(),
            Phase::RequestOp { .. } => control(Command::Bwr, 0, op),
            Phase::AwaitOp { .. } | Phase::Pause { .. } => None,
            Phase::Search { position }
            | Phase::AwaitAcknowledged { position, .. }
            | Phase::AwaitRaised { position, .. } => status(position),
            Phase::Acknowledge { position, state } => {
                control(Command::Fpwr, station(usize::from(position)), state | acknowledge)
            }
            Phase::Raise { position } => control(Command::Fpwr, station(usize::from(position)), op),
        }
    }

    fn observe_clock(&self) -> Option<Request> {
        let address = station(usize::from(self.lock.as_ref()?.member()?));
        let spec = DatagramSpec::register(Command::Fprd, address, register::DC_DIFFERENCE, 4);
        Some(Request { spec, data: [0; 2] })
    }

    /// Moves on by what the cycle saw.
    pub(crate) fn advance(&mut self, seen: &Seen) {
        self.is_reference_lost = seen.is_reference_lost;
        self.silent = if seen.is_answered { 0 } else { self.silent.saturating_add(1) };
        if seen.is_link_down || self.silent >= self.silent_max {
            self.lose(BusFault { link_down: seen.is_link_down, ..NO_DEVICE });
            return;
        }
        self.phase = match self.phase {
            Phase::Locking { until } => self.locking(until, seen),
            Phase::RequestOp { tries } => self.request_op(tries, seen),
            Phase::AwaitOp { until } => self.await_op(until, seen),
            Phase::Operational => self.operational(seen),
            Phase::Search { position } => self.search(position, seen),
            Phase::Acknowledge { position, .. } => match seen.reply {
                Some(_) => Phase::AwaitAcknowledged {
                    position,
                    until: seen.now.saturating_add(RAISE_TIMEOUT_NS),
                },
                None => self.phase,
            },
            Phase::AwaitAcknowledged { position, until } => {
                self.await_acknowledged(position, until, seen)
            }
            Phase::Raise { position } => match seen.reply {
                Some(_) => Phase::AwaitRaised {
                    position,
                    until: seen.now.saturating_add(RAISE_TIMEOUT_NS),
                },
                None => self.phase,
            },
            Phase::AwaitRaised { position, until } => self.await_raised(position, until, seen),
            Phase::Pause { until } if seen.now < until && !self.is_news(seen) => self.phase,
            Phase::Pause { .. } => self.begin_search(),
        };
        self.was = (seen.is_complete, seen.restoring);
    }

    /// Devices have come back, or one is set up again: no need to wait longer.
    fn is_news(&self, seen: &Seen) -> bool {
        let (was_complete, was_restoring) = self.was;
        !was_complete && seen.is_complete || was_restoring.is_some() && seen.restoring.is_none()
    }

    /// The link is gone. While starting, it may come back without more ado.
    fn lose(&mut self, fault: BusFault) {
        if !self.fault.link_down {
            self.fault = fault;
        }
        self.phase = self.begin_search();
    }

    fn begin_search(&mut self) -> Phase {
        self.all_in_op = true;
        self.attempts = 0;
        self.incomplete = 0;
        Phase::Search { position: 0 }
    }

    fn take_clock(&mut self, seen: &Seen) {
        if let (Some(lock), Some(reply)) = (&mut self.lock, seen.reply) {
            let difference = (reply.working_counter == 1).then(|| u32_at(&reply.data, 0)).flatten();
            lock.observe(difference);
        }
    }

    fn locking(&mut self, until: u64, seen: &Seen) -> Phase {
        self.take_clock(seen);
        let Some(lock) = &self.lock else { return Phase::RequestOp { tries: 0 } };
        if lock.is_locked() && !self.is_reference_lost && seen.now >= self.sync_from {
            self.is_lock_overdue = false;
            return Phase::RequestOp { tries: 0 };
        }
        // The first cycle starts the time-out, or SYNC0 if that comes later.
        let first = seen.now.max(self.sync_from);
        let until = if until == 0 { first.saturating_add(self.lock_timeout_ns) } else { until };
        if seen.now >= until {
            self.is_lock_overdue = true;
            let position = lock.worst().unwrap_or(u16::MAX);
            self.fault = BusFault { position, clocks_apart: true, ..NO_DEVICE };
        }
        Phase::Locking { until }
    }

    fn request_op(&mut self, tries: u8, seen: &Seen) -> Phase {
        match seen.reply {
            Some(reply) if reply.working_counter == self.devices => {
                Phase::AwaitOp { until: seen.now.saturating_add(OP_TIMEOUT_NS) }
            }
            _ if tries < REQUESTS_MAX => Phase::RequestOp { tries: tries + 1 },
            _ => self.begin_search(),
        }
    }

    fn await_op(&mut self, until: u64, seen: &Seen) -> Phase {
        match seen.status {
            Some(OP) if seen.is_complete => Phase::Operational,
            Some(status) if status & ERROR != 0 => self.begin_search(),
            _ if seen.now >= until => self.begin_search(),
            _ => self.phase,
        }
    }

    fn operational(&mut self, seen: &Seen) -> Phase {
        self.take_clock(seen);
        let Some(status) = seen.status else { return Phase::Operational };
        if seen.is_complete {
            self.incomplete = 0;
        } else {
            self.incomplete = self.incomplete.saturating_add(1);
        }
        if status == OP && self.incomplete < self.silent_max {
            return Phase::Operational;
        }
        self.fault = NO_DEVICE;
        self.begin_search()
    }

    /// Keeps the first device's evidence; that of the link gives way to it, and a device that is only on its way to one that
    /// reports an error.
    fn blame(&mut self, position: u16, al_status: u16, al_status_code: u16) {
        self.all_in_op = false;
        let accused = self.fault.position != u16::MAX;
        let on_its_way = self.fault.al_status == SAFE_OP && al_status & ERROR != 0;
        if !accused || on_its_way {
            self.fault = BusFault { position, al_status, al_status_code, ..NO_DEVICE };
        }
    }

    /// AL status and code of the device that was asked. `None`: the frame is not back; a device that does not answer is 0.
    fn al_status(seen: &Seen) -> Option<(u16, u16)> {
        let reply = seen.reply?;
        if reply.working_counter != 1 {
            return Some((0, 0));
        }
        Some((u16_at(&reply.data, 0)?, u16_at(&reply.data, 4)?))
    }

    fn search(&mut self, position: u16, seen: &Seen) -> Phase {
        let Some((status, code)) = Self::al_status(seen) else { return self.phase };
        if status == OP {
            return self.next(position, seen);
        }
        self.blame(position, status, code);
        if seen.restoring == Some(position) {
            return self.next(position, seen);
        }
        let state = status & STATE_MASK;
        if state < SAFE_OP && seen.is_complete && seen.restoring.is_none() {
            // All are there, so this one is: without its address, or on the way up again.
            self.lost = Some(position);
            return self.next(position, seen);
        }
        if status & ERROR != 0 && self.attempts < ATTEMPTS_MAX {
            self.attempts += 1;
            let state = u8::try_from(state).unwrap_or_default();
            return Phase::Acknowledge { position, state };
        }
        if status == SAFE_OP {
            // Clocks out of step: first those, then all of them together.
            let locking = Phase::Locking { until: 0 };
            return if self.is_dc_unlocked() { locking } else { Phase::Raise { position } };
        }
        self.next(position, seen)
    }

    fn next(&mut self, position: u16, seen: &Seen) -> Phase {
        self.attempts = 0;
        if position + 1 < self.devices {
            return Phase::Search { position: position + 1 };
        }
        if self.all_in_op {
            self.fault = NO_DEVICE;
            return Phase::Operational;
        }
        Phase::Pause { until: seen.now.saturating_add(RETRY_NS) }
    }

    fn await_acknowledged(&mut self, position: u16, until: u64, seen: &Seen) -> Phase {
        match Self::al_status(seen) {
            Some((status, _)) if status & ERROR == 0 => Phase::Search { position },
            _ if seen.now >= until => self.next(position, seen),
            _ => self.phase,
        }
    }

    fn await_raised(&mut self, position: u16, until: u64, seen: &Seen) -> Phase {
        match Self::al_status(seen) {
            Some((OP, _)) => self.next(position, seen),
            Some((status, code)) if status & ERROR != 0 => {
                self.blame(position, status, code);
                self.refused(position, status, code);
                self.next(position, seen)
            }
            _ if seen.now >= until => self.next(position, seen),
            _ => self.phase,
        }
    }

    /// A device that refuses Op says why: that is better evidence than the state it was found in.
    fn refused(&mut self, position: u16, al_status: u16, al_status_code: u16) {
        if self.fault.position == position {
            self.fault = BusFault { position, al_status, al_status_code, ..NO_DEVICE };
        }
    }
}
