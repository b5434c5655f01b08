//! A device that lost its supply, brought back to SafeOp while the others go on: one datagram a cycle, in the time that a cycle leaves.
//!
//! ```text
//! address ► identity (SII) ► Init ► mailboxes ► PreOp ► serial number ► start-up objects, read back ► SyncManagers, watchdog
//!         ► clock: delay, offset, in step, SYNC0 ► FMMUs ► SafeOp          (then the ladder raises it to Op)
//! ```
//!
//! What is written is what bring-up found right: [`Saved`]. Every step may be repeated, so a datagram that is lost is sent again. Nothing
//! here makes anything move: the bus is faulted until the device is in Op, and what had to be reset and started then still has.

use crate::bringup::{SERIAL, Setting, identity_agrees};
use crate::coe::{Failure, Object, Refusal};
use crate::layout::station;
use crate::plan::{Identity, Sync0Plan};
use crate::wire::{Command, DatagramSpec, put, register, u16_at, u32_at, u64_at};

/// Longest datagram of a restoration: an FMMU.
const DATA_MAX: usize = 16;
/// One AL transition, ns (ETG1020: 3 s to PreOp, 10 s to SafeOp).
const STATE_NS: u64 = 10_000_000_000;
/// The SII answers, ns.
const SII_NS: u64 = 200_000_000;
/// The clock gets in step, ns.
const CLOCK_NS: u64 = 5_000_000_000;
/// Cycles between setting the clock and looking at it: the filter of differences settles.
const SETTLE_CYCLES: u16 = 32;
/// SYNC0 begins so long after it is set up, ns.
const SYNC_AHEAD_NS: u64 = 50_000_000;
/// Datagrams in a row that nobody counts, or that are lost, before the device counts as gone.
const UNANSWERED_MAX: u8 = 50;
/// SII: words of vendor, product, revision and serial number (ETG1000.6 Table 17); read command, busy and error.
const SII_WORDS: [u8; 4] = [0x08, 0x0A, 0x0C, 0x0E];
const SII_READ: u8 = 1;
const SII_BUSY: u16 = 0x8000;
const SII_ERRORS: u16 = 0x7800;
/// AL states, the error bit, and its acknowledgement (ETG1000.6 Table 9).
const INIT: u8 = 1;
const PRE_OP: u8 = 2;
const SAFE_OP: u8 = 4;
const ERROR: u8 = 0x10;
/// Sign of 0x092C.
const SIGN: u32 = 0x8000_0000;

/// A register and what belongs into it.
pub(crate) type Written = (u16, Box<[u8]>);

/// The clock of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SavedClock {
    /// System time delay (0x0928).
    pub(crate) delay: [u8; 4],
    /// Its SYNC0.
    pub(crate) sync0: Option<Sync0Plan>,
    /// It must be in step with the reference by this much, ns.
    pub(crate) window_ns: u32,
    /// It is the reference.
    pub(crate) leads: bool,
    /// The cycle, ns.
    pub(crate) period_ns: u64,
}

/// What a device needs after it lost its supply.
#[derive(Clone, Debug)]
pub(crate) struct Saved {
    /// What answered at bring-up.
    pub(crate) identity: Identity,
    /// SyncManagers of its mailboxes.
    pub(crate) mailboxes: Vec<Written>,
    /// Start-up objects.
    pub(crate) settings: Vec<Setting>,
    /// SyncManagers of its process data, watchdog.
    pub(crate) process_data: Vec<Written>,
    /// Its clock; `None`: none, or not used.
    pub(crate) clock: Option<SavedClock>,
    /// Its FMMUs.
    pub(crate) fmmus: Vec<Written>,
}

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next<'a> {
    /// This datagram.
    Datagram(DatagramSpec, &'a [u8]),
    /// This object is read.
    Read(Object),
    /// This object is written.
    Write(Object, &'a [u8]),
    /// It is over.
    Over(Result<(), Refusal>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Address,
    OwnSii,
    AskSii { word: usize },
    HearSii { word: usize, until: u64 },
    GiveSii,
    Request { state: u8 },
    Await { state: u8, until: u64 },
    Mailboxes { number: usize },
    Serial,
    Write { setting: usize },
    Read { setting: usize },
    ProcessData { number: usize },
    Delay,
    ClearOffset,
    ReadClock,
    Offset,
    ResetFilter,
    Settle { cycles: u16 },
    SyncOff,
    SyncCycle,
    SyncStart,
    SyncOn,
    Fmmus { number: usize },
    Over(Result<(), Refusal>),
}

/// One device on its way back.
#[derive(Clone, Debug)]
pub(crate) struct Restore {
    position: u16,
    step: Step,
    data: [u8; DATA_MAX],
    found: [u32; 4],
    unanswered: u8,
    begun_at: u64,
    /// DC time less the link's, ns.
    dc_lag: i64,
    /// When the datagram under way was sent, ns of the link's clock.
    sent_at: u64,
    offset: u64,
    /// Its clock must be in step by then, ns.
    clock_until: u64,
}

impl Restore {
    /// Of the device at `position`.
    pub(crate) fn new(position: u16, now: u64) -> Self {
        Self {
            position,
            step: Step::Address,
            data: [0; DATA_MAX],
            found: [0; 4],
            unanswered: 0,
            begun_at: now,
            dc_lag: 0,
            sent_at: 0,
            offset: 0,
            clock_until: 0,
        }
    }

    pub(crate) fn position(&self) -> u16 {
        self.position
    }

    pub(crate) fn begun_at(&self) -> u64 {
        self.begun_at
    }

    /// A datagram goes out at `at`, when DC time is `lag` ahead of the link's.
    pub(crate) fn sent(&mut self, at: u64, lag: i64) {
        (self.sent_at, self.dc_lag) = (at, lag);
    }

    fn write(&mut self, register: u16, bytes: &[u8]) -> Next<'_> {
        let station = station(usize::from(self.position));
        self.send(Command::Fpwr, station, register, bytes)
    }

    fn send(&mut self, command: Command, station: u16, register: u16, bytes: &[u8]) -> Next<'_> {
        let length = bytes.len().min(DATA_MAX);
        let _ = put(&mut self.data, 0, bytes.get(..length).unwrap_or_default());
        let spec =
            DatagramSpec::register(command, station, register, u16::try_from(length).unwrap_or(0));
        Next::Datagram(spec, self.data.get(..length).unwrap_or_default())
    }

    fn read(&self, register: u16, length: u16) -> Next<'_> {
        let station = station(usize::from(self.position));
        Next::Datagram(DatagramSpec::register(Command::Fprd, station, register, length), &[])
    }

    /// What is to be done next; the same until it is answered.
    pub(crate) fn next(&mut self, saved: &Saved) -> Next<'_> {
        match self.step {
            Step::Address => {
                // By position: every device adds one, the one that sees 0 is meant.
                let address = station(usize::from(self.position)).to_le_bytes();
                self.send(
                    Command::Apwr,
                    0u16.wrapping_sub(self.position),
                    register::STATION,
                    &address,
                )
            }
            Step::OwnSii => self.write(register::SII_OWNER, &[0]),
            Step::AskSii { word } => {
                let word = SII_WORDS.get(word).copied().unwrap_or(0);
                self.write(register::SII_CONTROL, &[0, SII_READ, word, 0, 0, 0])
            }
            Step::HearSii { .. } => self.read(register::SII_CONTROL, 10),
            Step::GiveSii => self.write(register::SII_OWNER, &[1]),
            Step::Request { state } => {
                let acknowledge = if state == INIT { ERROR } else { 0 };
                self.write(register::AL_CONTROL, &[state | acknowledge, 0])
            }
            Step::Await { .. } => self.read(register::AL_STATUS, 6),
            Step::Mailboxes { number } => self.saved(saved.mailboxes.get(number)),
            Step::ProcessData { number } => self.saved(saved.process_data.get(number)),
            Step::Fmmus { number } => self.saved(saved.fmmus.get(number)),
            Step::Serial => Next::Read(SERIAL),
            Step::Write { setting } => match saved.settings.get(setting) {
                Some(setting) => {
                    let (bytes, length) = setting.bytes();
                    let _ = put(&mut self.data, 0, &bytes);
                    Next::Write(setting.object, self.data.get(..length).unwrap_or_default())
                }
                None => Next::Over(Ok(())),
            },
            Step::Read { setting } => match saved.settings.get(setting) {
                Some(setting) => Next::Read(setting.object),
                None => Next::Over(Ok(())),
            },
            Step::Delay
            | Step::ClearOffset
            | Step::ReadClock
            | Step::Offset
            | Step::ResetFilter
            | Step::Settle { .. }
            | Step::SyncOff
            | Step::SyncCycle
            | Step::SyncStart
            | Step::SyncOn => self.next_of_clock(saved.clock),
            Step::Over(outcome) => Next::Over(outcome),
        }
    }

    fn saved(&mut self, written: Option<&Written>) -> Next<'_> {
        match written {
            Some((register, bytes)) => self.write(*register, bytes),
            None => Next::Over(Ok(())),
        }
    }

    fn next_of_clock(&mut self, clock: Option<SavedClock>) -> Next<'_> {
        let Some(clock) = clock else { return Next::Over(Ok(())) };
        let sync0 = clock.sync0.unwrap_or(Sync0Plan { cycle_ns: 0, shift_ns: 0 });
        match self.step {
            Step::Delay => self.write(register::DC_DELAY, &clock.delay),
            Step::ClearOffset => self.write(register::DC_OFFSET, &[0; 8]),
            Step::ReadClock => self.read(register::DC_SYSTEM_TIME, 8),
            Step::Offset => {
                let offset = self.offset.to_le_bytes();
                self.write(register::DC_OFFSET, &offset)
            }
            // Its usual value; writing it resets the filter (ETG1020 §22.2.4).
            Step::ResetFilter => self.write(register::DC_SPEED_START, &[0x00, 0x10]),
            Step::SyncOff => self.write(register::DC_CYCLIC_CONTROL, &[0, 0]),
            Step::SyncCycle => self.write(register::DC_SYNC0_CYCLE, &sync0.cycle_ns.to_le_bytes()),
            Step::SyncStart => {
                let now = self.sent_at.wrapping_add_signed(self.dc_lag);
                let start = now.saturating_add(SYNC_AHEAD_NS);
                let start = start.checked_next_multiple_of(clock.period_ns).unwrap_or(u64::MAX);
                let start = start.saturating_add_signed(i64::from(sync0.shift_ns));
                self.write(register::DC_START, &start.to_le_bytes())
            }
            Step::SyncOn => self.write(register::DC_CYCLIC_CONTROL, &[0, 3]),
            _ => self.read(register::DC_DIFFERENCE, 4),
        }
    }

    /// What became of the datagram: its working counter and data; `None`: it is not back.
    pub(crate) fn answered(&mut self, answer: Option<(u16, &[u8])>, saved: &Saved, now: u64) {
        let Some((1, data)) = answer else {
            self.unanswered = self.unanswered.saturating_add(1);
            if self.unanswered >= UNANSWERED_MAX {
                self.step = Step::Over(Err(Refusal::Gone));
            }
            return;
        };
        self.unanswered = 0;
        self.step = match self.step {
            Step::Address => Step::OwnSii,
            Step::OwnSii => Step::AskSii { word: 0 },
            Step::AskSii { word } => Step::HearSii { word, until: now.saturating_add(SII_NS) },
            Step::HearSii { word, until } => self.heard_sii(word, until, data, saved, now),
            Step::GiveSii => Step::Request { state: INIT },
            Step::Request { state } => Step::Await { state, until: now.saturating_add(STATE_NS) },
            Step::Await { state, until } => Self::arrived(state, until, data, saved, now),
            Step::Mailboxes { number } if number + 1 < saved.mailboxes.len() => {
                Step::Mailboxes { number: number + 1 }
            }
            Step::Mailboxes { .. } => Step::Request { state: PRE_OP },
            Step::ProcessData { number } if number + 1 < saved.process_data.len() => {
                Step::ProcessData { number: number + 1 }
            }
            Step::ProcessData { .. } => Self::clock_or_fmmus(saved),
            Step::Fmmus { number } if number + 1 < saved.fmmus.len() => {
                Step::Fmmus { number: number + 1 }
            }
            Step::Fmmus { .. } => Step::Request { state: SAFE_OP },
            Step::Serial | Step::Write { .. } | Step::Read { .. } | Step::Over(_) => self.step,
            Step::Delay
            | Step::ClearOffset
            | Step::ReadClock
            | Step::Offset
            | Step::ResetFilter
            | Step::Settle { .. }
            | Step::SyncOff
            | Step::SyncCycle
            | Step::SyncStart
            | Step::SyncOn => self.answered_by_clock(data, saved, now),
        };
    }

    fn heard_sii(&mut self, word: usize, until: u64, data: &[u8], saved: &Saved, now: u64) -> Step {
        let status = u16_at(data, 0).unwrap_or(SII_BUSY);
        if status & SII_BUSY != 0 && now < until {
            return self.step;
        }
        if status & (SII_BUSY | SII_ERRORS) != 0 {
            return Step::Over(Err(Refusal::Sii { status }));
        }
        if let (Some(place), Some(value)) = (self.found.get_mut(word), u32_at(data, 6)) {
            *place = value;
        }
        if word + 1 < SII_WORDS.len() {
            return Step::AskSii { word: word + 1 };
        }
        let [vendor, product, revision, serial] = self.found;
        let serial = (serial != 0).then_some(serial);
        let found = Identity { vendor, product, revision: Some(revision), serial };
        if identity_agrees(&saved.identity, &found) {
            Step::GiveSii
        } else {
            Step::Over(Err(Refusal::Identity { expected: saved.identity, found }))
        }
    }

    /// It shows a state, after `state` was requested.
    fn arrived(state: u8, until: u64, data: &[u8], saved: &Saved, now: u64) -> Step {
        let (status, code) = (u16_at(data, 0).unwrap_or(0), u16_at(data, 4).unwrap_or(0));
        if status == u16::from(state) {
            return match state {
                INIT if saved.mailboxes.is_empty() => Step::Request { state: PRE_OP },
                INIT => Step::Mailboxes { number: 0 },
                PRE_OP if !saved.mailboxes.is_empty() && saved.identity.serial.is_some() => {
                    Step::Serial
                }
                PRE_OP => Self::setting(0, saved),
                _ => Step::Over(Ok(())),
            };
        }
        let has_failed = status & u16::from(ERROR) != 0 && state != INIT;
        if has_failed || now >= until {
            return Step::Over(Err(Refusal::State { requested: u16::from(state), status, code }));
        }
        Step::Await { state, until }
    }

    fn setting(setting: usize, saved: &Saved) -> Step {
        match saved.settings.get(setting) {
            Some(next) if next.is_compared_only() => Step::Read { setting },
            Some(_) => Step::Write { setting },
            None if saved.process_data.is_empty() => Self::clock_or_fmmus(saved),
            None => Step::ProcessData { number: 0 },
        }
    }

    fn clock_or_fmmus(saved: &Saved) -> Step {
        if saved.clock.is_some() { Step::Delay } else { Self::fmmus(saved) }
    }

    fn fmmus(saved: &Saved) -> Step {
        if saved.fmmus.is_empty() {
            Step::Request { state: SAFE_OP }
        } else {
            Step::Fmmus { number: 0 }
        }
    }

    fn answered_by_clock(&mut self, data: &[u8], saved: &Saved, now: u64) -> Step {
        let Some(clock) = saved.clock else { return Self::fmmus(saved) };
        match self.step {
            Step::Delay => {
                self.clock_until = now.saturating_add(CLOCK_NS);
                Step::ClearOffset
            }
            Step::ClearOffset => Step::ReadClock,
            Step::ReadClock => {
                let time = self.sent_at.wrapping_add_signed(self.dc_lag);
                self.offset = time.wrapping_sub(u64_at(data, 0).unwrap_or(0));
                Step::Offset
            }
            Step::Offset => Step::ResetFilter,
            // Nobody tells the reference: it is where it was put.
            Step::ResetFilter if clock.leads => Self::sync_or_fmmus(clock, saved),
            Step::ResetFilter => Step::Settle { cycles: SETTLE_CYCLES },
            Step::Settle { cycles } if cycles > 0 => Step::Settle { cycles: cycles - 1 },
            Step::Settle { .. } => {
                let raw = u32_at(data, 0).unwrap_or(u32::MAX);
                self.settled(raw, (clock, saved), now)
            }
            Step::SyncOff => Step::SyncCycle,
            Step::SyncCycle => Step::SyncStart,
            Step::SyncStart => Step::SyncOn,
            _ => Self::fmmus(saved),
        }
    }

    /// What the clock says of itself when it was left alone for a while.
    fn settled(&mut self, raw: u32, (clock, saved): (SavedClock, &Saved), now: u64) -> Step {
        let difference_ns = raw & !SIGN;
        if difference_ns < clock.window_ns {
            return Self::sync_or_fmmus(clock, saved);
        }
        if now >= self.clock_until {
            return Step::Over(Err(Refusal::Clock { difference_ns }));
        }
        // It would take long to get there by itself: what it says of itself is exact.
        let difference = u64::from(difference_ns);
        self.offset = if raw & SIGN == 0 {
            self.offset.wrapping_sub(difference)
        } else {
            self.offset.wrapping_add(difference)
        };
        Step::Offset
    }

    fn sync_or_fmmus(clock: SavedClock, saved: &Saved) -> Step {
        if clock.sync0.is_some() { Step::SyncOff } else { Self::fmmus(saved) }
    }

    /// What became of the object that was read or written.
    pub(crate) fn transferred(&mut self, outcome: Result<&[u8], Failure>, saved: &Saved) {
        self.step = match self.step {
            Step::Serial => match outcome {
                Ok(data) => {
                    let serial = u32_at(data, 0).filter(|serial| *serial != 0);
                    let found = Identity { serial, ..saved.identity };
                    if serial == saved.identity.serial {
                        Self::setting(0, saved)
                    } else {
                        Step::Over(Err(Refusal::Identity { expected: saved.identity, found }))
                    }
                }
                // Its serial number stands in the SII alone: that was compared.
                Err(Failure::Abort(_)) => Self::setting(0, saved),
                Err(failure) => self.failed(SERIAL, failure, false),
            },
            Step::Write { setting } => match (saved.settings.get(setting), outcome) {
                (None, _) => self.step,
                (Some(of), Err(failure)) => self.failed(of.object, failure, true),
                (Some(of), Ok(_)) if of.is_read_back() => Step::Read { setting },
                (Some(_), Ok(_)) => Self::setting(setting + 1, saved),
            },
            Step::Read { setting } => match (saved.settings.get(setting), outcome) {
                (None, _) => self.step,
                // The device took it and will not show it: there is nothing to compare with.
                (Some(of), Err(Failure::Abort(crate::coe::WRITE_ONLY))) if of.is_read_back() => {
                    Self::setting(setting + 1, saved)
                }
                (Some(of), Err(failure)) => self.failed(of.object, failure, false),
                (Some(of), Ok(data)) => {
                    let expected = i64::from(of.value);
                    match of.number(data) {
                        Some(found) if found == expected => Self::setting(setting + 1, saved),
                        found => {
                            let object = of.object;
                            Step::Over(Err(Refusal::Value { object, expected, found }))
                        }
                    }
                }
            },
            step => step,
        };
    }

    fn failed(&self, object: Object, failure: Failure, writing: bool) -> Step {
        Step::Over(Err(Refusal::Sdo { object, failure, writing }))
    }
}
