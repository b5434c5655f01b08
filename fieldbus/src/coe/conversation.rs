//! How a transfer gets to a device and back: datagram by datagram, whoever brings them.
//!
//! ```text
//!            taken              not full                              not ours, emergency
//! Send ───────────────► Ask ─┬──────────► Ask …          ┌──────────────────────────────┐
//!  ▲   full: again           │ full                      │                              │
//!  │                         └────────► Fetch ──────────►┴─ answer: more ─► Send, or done
//!  │                                       │ lost: is it still there?
//!  │                                       ▼
//!  └── it cannot repeat: from its start ── Repeat ─► AwaitRepeat ─► Ask
//! ```
//!
//! A message that is written carries a counter, 1 to 7: a device that has it already ignores it. So whatever is not answered is simply
//! sent again. A mailbox that was read and whose frame was lost is asked for again by the repeat bit of its SyncManager (ETG1000.4 §6.7.4).

use rt_core::bus::Emergency;

use super::transfer::{Said, TYPE_COE, emergency};
use super::{Failure, Object, Transfer};
use crate::wire::{Command, DatagramSpec, put, register, u16_at};

/// Mailbox header: length, address, channel, type and counter (ETG1000.4 Table 28).
pub(super) const MAILBOX_HEADER: usize = 6;
/// Shortest mailbox that holds an SDO.
const MAILBOX_MIN: u16 = 16;
/// SyncManager status: the mailbox is full; activate, PDI control: repeat request, and its acknowledgement.
const FULL: u8 = 0x08;
const REPEAT: u8 = 0x02;
/// Activate: the SyncManager works.
const ACTIVE: u8 = 0x01;
/// Status, activate and PDI control of a SyncManager.
const REPEAT_REGISTERS: u16 = 3;

/// Time-outs, ns. A device may take its time with flash memory; one that hangs must not hold the others up for ever.
const ACCEPT_NS: u64 = 500_000_000;
const ANSWER_NS: u64 = 2_000_000_000;
const REPEAT_NS: u64 = 20_000_000;
/// A mailbox that is full over and over, and never of the answer, is given so long beyond the time for one.
const STRAY_NS: u64 = 500_000_000;
/// A message that nothing was heard of is sent again after this.
const AGAIN_NS: u64 = 100_000_000;
/// Transfers that are begun for one request.
const TRIES_MAX: u8 = 3;
/// Datagrams in a row that the device does not answer before it counts as gone.
const UNANSWERED_MAX: u8 = 50;
/// Messages of other kinds that are taken while an answer is awaited.
const STRAY_MAX: u8 = 64;

/// The two mailboxes of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mailbox {
    /// To the device (SyncManager 0): first byte, bytes.
    pub(crate) out: (u16, u16),
    /// From the device (SyncManager 1).
    pub(crate) into: (u16, u16),
}

impl Mailbox {
    /// From the registers of the first two SyncManagers (0x0800, 16 bytes). `None`: they are no mailboxes.
    pub(crate) fn parse(registers: &[u8]) -> Option<Self> {
        let one = |at: usize, direction: u8| {
            let (start, length) = (u16_at(registers, at)?, u16_at(registers, at + 2)?);
            let (control, active) = (*registers.get(at + 4)?, *registers.get(at + 6)?);
            let is_mailbox = control & 0x0F == 0x02 | direction && active & 1 != 0;
            (is_mailbox && length >= MAILBOX_MIN).then_some((start, length))
        };
        Some(Self { out: one(0, 0x04)?, into: one(8, 0x00)? })
    }
}

/// Counters of the messages of a device; they outlive its transfers. 0: not known yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    /// Of the message that we sent last.
    pub(crate) ours: u8,
    /// Of the message that came last.
    pub(crate) theirs: u8,
    /// Messages that came twice.
    pub(crate) repeated: u32,
    /// Messages that never came, as the counter shows.
    pub(crate) missed: u32,
}

impl Counters {
    fn next(counter: u8) -> u8 {
        counter % 7 + 1
    }

    /// Judges the counter of a message. False: it came before.
    fn is_new(&mut self, counter: u8) -> bool {
        if counter == 0 || self.theirs == 0 {
            self.theirs = counter;
            return true;
        }
        if counter == self.theirs {
            self.repeated = self.repeated.saturating_add(1);
            return false;
        }
        if counter != Self::next(self.theirs) {
            self.missed = self.missed.saturating_add(1);
        }
        self.theirs = counter;
        true
    }
}

/// What became of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The next one, please.
    Next,
    /// The same; the device sent an emergency.
    Emergency(Emergency),
    /// The transfer is over.
    Done(Result<(), Failure>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Idle,
    Send,
    Ask,
    Fetch,
    /// The fetched frame is lost: is the message still there?
    AskAgain,
    Repeat {
        control: u8,
    },
    AwaitRepeat {
        control: u8,
        until: u64,
    },
}

/// A transfer with one device under way. Everything is allocated when it is made.
#[derive(Debug)]
pub(crate) struct Conversation {
    device: u16,
    station: u16,
    mailbox: Mailbox,
    pub(crate) transfer: Transfer,
    phase: Phase,
    /// The mailbox as it is written.
    message: Box<[u8]>,
    is_built: bool,
    /// The device has taken the message.
    is_taken: bool,
    /// Nothing is asked: only what the device says of itself is fetched.
    is_listening: bool,
    control: [u8; 1],
    /// What ends this step.
    until: u64,
    /// When a message that was lost is sent again.
    again: u64,
    tries: u8,
    unanswered: u8,
    stray: u8,
    /// A failure that the device is being told of.
    giving_up: Option<Failure>,
}

impl Conversation {
    /// For objects of `room` bytes and mailboxes of `mailbox_bytes`.
    pub(crate) fn new(room: usize, mailbox_bytes: usize) -> Self {
        Self {
            device: 0,
            station: 0,
            mailbox: Mailbox { out: (0, 0), into: (0, 0) },
            transfer: Transfer::new(room),
            phase: Phase::Idle,
            message: vec![0; mailbox_bytes].into_boxed_slice(),
            is_built: false,
            is_taken: false,
            is_listening: false,
            control: [0],
            until: 0,
            again: 0,
            tries: 0,
            unanswered: 0,
            stray: 0,
            giving_up: None,
        }
    }

    /// Turns to a device. What is asked of it follows: [`Self::read`], [`Self::write`].
    pub(crate) fn turn_to(&mut self, device: u16, mailbox: Mailbox) {
        self.device = device;
        self.station = crate::layout::station(usize::from(device));
        self.mailbox = mailbox;
        self.phase = Phase::Idle;
    }

    /// Begins to read.
    pub(crate) fn read(&mut self, object: Object, now: u64) {
        self.transfer.read(object);
        self.begin(now);
    }

    /// Begins to write. False: there is no room for so much.
    pub(crate) fn write(&mut self, object: Object, data: &[u8], now: u64) -> bool {
        let fits = self.transfer.write(object, data);
        if fits {
            self.begin(now);
        }
        fits
    }

    fn begin(&mut self, now: u64) {
        (self.tries, self.unanswered, self.stray) = (1, 0, 0);
        self.giving_up = None;
        self.send(now);
    }

    /// Begins to listen: one look whether there is a message.
    pub(crate) fn listen(&mut self, now: u64) {
        (self.tries, self.unanswered, self.stray) = (TRIES_MAX, 0, 0);
        (self.giving_up, self.is_listening, self.is_taken) = (None, true, true);
        self.phase = Phase::Ask;
        self.until = now.saturating_add(ACCEPT_NS);
        self.again = u64::MAX;
    }

    fn send(&mut self, now: u64) {
        self.phase = Phase::Send;
        (self.is_built, self.is_taken, self.is_listening) = (false, false, false);
        self.until = now.saturating_add(ACCEPT_NS);
    }

    /// The device has not answered yet.
    pub(crate) fn is_waiting(&self) -> bool {
        matches!(self.phase, Phase::Ask | Phase::AwaitRepeat { .. })
    }

    /// Ends without a word.
    pub(crate) fn cancel(&mut self) {
        self.phase = Phase::Idle;
    }

    /// The next datagram and its data. `None`: nothing is under way.
    pub(crate) fn datagram(&mut self, counters: &mut Counters) -> Option<(DatagramSpec, &[u8])> {
        let (out, into) = (self.mailbox.out, self.mailbox.into);
        let at = |command, register, length| {
            DatagramSpec::register(command, self.station, register, length)
        };
        match self.phase {
            Phase::Idle => None,
            Phase::Send => {
                if !self.is_built {
                    self.build(counters)?;
                }
                let data = self.message.get(..usize::from(out.1))?;
                Some((DatagramSpec::register(Command::Fpwr, self.station, out.0, out.1), data))
            }
            Phase::Ask => Some((at(Command::Fprd, register::MAILBOX_IN_STATUS, 1), &[])),
            Phase::Fetch => Some((at(Command::Fprd, into.0, into.1), &[])),
            Phase::AskAgain | Phase::AwaitRepeat { .. } => {
                Some((at(Command::Fprd, register::MAILBOX_IN_STATUS, REPEAT_REGISTERS), &[]))
            }
            Phase::Repeat { control } => {
                let spec = at(Command::Fpwr, register::MAILBOX_IN_STATUS + 1, 1);
                self.control = [control];
                Some((spec, &self.control))
            }
        }
    }

    fn build(&mut self, counters: &mut Counters) -> Option<()> {
        let length = usize::from(self.mailbox.out.1);
        let room = self.message.get_mut(..length)?;
        room.fill(0);
        let (header, body) = room.split_at_mut_checked(MAILBOX_HEADER)?;
        let bytes = match self.giving_up {
            Some(failure) => self.transfer.abort(body, failure)?,
            None => self.transfer.message(body)?,
        };
        counters.ours = Counters::next(counters.ours);
        let [low, high] = u16::try_from(bytes).ok()?.to_le_bytes();
        put(header, 0, &[low, high, 0, 0, 0, TYPE_COE | counters.ours << 4])?;
        self.is_built = true;
        Some(())
    }

    /// What became of the datagram: its working counter and data, or `None`: it is not back.
    pub(crate) fn answered(
        &mut self,
        answer: Option<(u16, &[u8])>,
        counters: &mut Counters,
        now: u64,
    ) -> Step {
        let is_register = !matches!(self.phase, Phase::Send | Phase::Fetch);
        match answer {
            Some((0, _)) if is_register => self.unanswered = self.unanswered.saturating_add(1),
            Some((1, _)) => self.unanswered = 0,
            Some(_) | None => {}
        }
        if self.unanswered >= UNANSWERED_MAX {
            return self.over(Err(Failure::Unreachable));
        }
        match self.phase {
            Phase::Idle => Step::Next,
            Phase::Send => self.sent(answer.map(|(counter, _)| counter), now),
            Phase::Ask => self.asked(answer, now),
            Phase::Fetch => self.fetched(answer, counters, now),
            Phase::AskAgain => self.asked_again(answer, now),
            Phase::Repeat { control } => {
                if answer.is_some() {
                    let until = now.saturating_add(REPEAT_NS);
                    self.phase = Phase::AwaitRepeat { control, until };
                }
                Step::Next
            }
            Phase::AwaitRepeat { control, until } => self.repeated(control, until, answer, now),
        }
    }

    fn over(&mut self, result: Result<(), Failure>) -> Step {
        self.phase = Phase::Idle;
        Step::Done(result)
    }

    /// A message that was not answered at all may have been taken: its answer decides.
    fn sent(&mut self, working_counter: Option<u16>, now: u64) -> Step {
        match working_counter {
            Some(1) if self.giving_up.is_some() => {
                let failure = self.giving_up.take().unwrap_or(Failure::Malformed);
                self.over(Err(failure))
            }
            Some(1) | None => {
                self.phase = Phase::Ask;
                self.again = now.saturating_add(AGAIN_NS);
                if working_counter.is_some() {
                    self.is_taken = true;
                    self.until = now.saturating_add(ANSWER_NS);
                    self.again = u64::MAX;
                }
                Step::Next
            }
            Some(_) if now >= self.until => {
                let failure = self.giving_up.take().unwrap_or(Failure::Full);
                self.over(Err(failure))
            }
            // Full. Perhaps it waits for us to take something first.
            Some(_) => {
                self.phase = Phase::Ask;
                self.again = 0;
                Step::Next
            }
        }
    }

    fn asked(&mut self, answer: Option<(u16, &[u8])>, now: u64) -> Step {
        let status = answer.and_then(|(counter, data)| (counter == 1).then(|| data.first()));
        let is_full = status.flatten().is_some_and(|status| status & FULL != 0);
        // Full, and never of the answer: not for ever.
        if is_full && now < self.until.saturating_add(STRAY_NS) {
            self.phase = Phase::Fetch;
        } else if self.is_listening && (answer.is_some() || now >= self.until) {
            return self.over(Ok(()));
        } else if now >= self.until {
            let failure = if self.is_taken { Failure::Silent } else { Failure::Full };
            return self.try_again(failure, now);
        } else if now >= self.again {
            // As it is: with the same counter.
            self.phase = Phase::Send;
        }
        Step::Next
    }

    /// The transfer from its start, if that may help.
    fn try_again(&mut self, failure: Failure, now: u64) -> Step {
        if self.is_listening {
            return self.over(Ok(()));
        }
        if self.tries >= TRIES_MAX || self.giving_up.is_some() {
            return self.over(Err(self.giving_up.unwrap_or(failure)));
        }
        self.tries += 1;
        self.transfer.restart();
        self.send(now);
        Step::Next
    }

    fn fetched(&mut self, answer: Option<(u16, &[u8])>, counters: &mut Counters, now: u64) -> Step {
        let Some((counter, data)) = answer else {
            self.phase = Phase::AskAgain;
            return Step::Next;
        };
        // Whatever it was: unless it is the answer, the wait goes on.
        self.phase = Phase::Ask;
        if counter != 1 {
            return Step::Next;
        }
        let (Some(length), Some(kind)) = (u16_at(data, 0), data.get(5).copied()) else {
            return Step::Next;
        };
        if !counters.is_new(kind >> 4 & 7) {
            return Step::Next;
        }
        let end = MAILBOX_HEADER + usize::from(length);
        let Some(body) = data.get(MAILBOX_HEADER..end) else {
            if self.is_listening {
                return self.over(Ok(()));
            }
            return self.give_up(Failure::Malformed, now);
        };
        if let Some(emergency) = emergency(self.device, kind & 0x0F, body) {
            return Step::Emergency(emergency);
        }
        if self.is_listening || self.giving_up.is_some() {
            return Step::Next;
        }
        match self.transfer.take(kind & 0x0F, body) {
            Ok(Said::Done) => self.over(Ok(())),
            Ok(Said::More) => {
                self.stray = 0;
                self.send(now);
                Step::Next
            }
            Ok(Said::Nothing) if self.stray < STRAY_MAX => {
                self.stray += 1;
                Step::Next
            }
            Ok(Said::Nothing) => self.give_up(Failure::Malformed, now),
            Err(failure @ (Failure::Abort(_) | Failure::Mailbox(_))) => self.over(Err(failure)),
            Err(failure) => self.give_up(failure, now),
        }
    }

    /// The device is told, so that it does not wait for the next segment.
    fn give_up(&mut self, failure: Failure, now: u64) -> Step {
        self.giving_up = Some(failure);
        self.send(now);
        Step::Next
    }

    fn asked_again(&mut self, answer: Option<(u16, &[u8])>, now: u64) -> Step {
        let registers = answer.filter(|(counter, _)| *counter == 1).map(|(_, data)| data);
        let Some([status, activate, ..]) = registers else {
            return if now >= self.until {
                self.try_again(Failure::Silent, now)
            } else {
                Step::Next
            };
        };
        self.phase = if status & FULL != 0 {
            // The frame was lost before it reached the device.
            Phase::Fetch
        } else {
            // Of what was read only that bit: a mailbox that is switched off by mistake would stay full for ever.
            Phase::Repeat { control: ACTIVE | ((activate ^ REPEAT) & REPEAT) }
        };
        Step::Next
    }

    fn repeated(
        &mut self,
        control: u8,
        until: u64,
        answer: Option<(u16, &[u8])>,
        now: u64,
    ) -> Step {
        let registers = answer.filter(|(counter, _)| *counter == 1).map(|(_, data)| data);
        if let Some([status, _, acknowledge, ..]) = registers
            && (acknowledge & REPEAT == control & REPEAT || status & FULL != 0)
        {
            self.phase = Phase::Ask;
        } else if now >= until {
            // It does not know how to repeat.
            return self.try_again(Failure::Silent, now);
        }
        Step::Next
    }
}
