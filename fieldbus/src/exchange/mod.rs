//! The cyclic exchange: frames built once, sent together, matched datagram by datagram, judged by their working counters.
//!
//! From the first [`Bus::exchange`] on: no allocation, no lock, no panic; system calls are those of the link: one to send all frames of a
//! cycle, and to wait and receive.

mod flight;
mod image;
mod ladder;
mod lock;
mod phase;
mod reference;
mod restore;
mod sampled;
#[cfg(test)]
mod tests;
mod timing;

use rt_core::Bus;
use rt_core::SignalId;
use rt_core::bus::{Emergency, Exchange, FrameCounts, Pace};
use rt_core::signal::Signals;

use crate::bringup::{BringupError, FoundDevice, Took};
use crate::coe::{CoeClient, Counters, Mailbox, Service, ServiceCounts};
use crate::layout::{CyclicDatagram, FORWARDING_NS, FRAMES_MAX, Layout, Purpose};
use crate::link::{FRAME_MAX, Link, LinkFault};
use crate::plan::{BusPlan, Direction, Follow};
use crate::wire::{FIRST_DATAGRAM, Origin, Template, origin, put, u16_at, u64_at};
use flight::{Arrival, Flight};
use image::{Place, UnitInputs};
use ladder::{Ladder, Reply, Seen};
use lock::Lock;
pub use lock::{ClockReport, Difference};
pub use phase::DcReport;
pub(crate) use restore::{Next, Restore, Saved, SavedClock, Written};
use sampled::{FREE, Sampled};
use timing::Timing;

/// Frames taken from the link in one exchange, whatever they are: a flood must not hold the loop.
const RECEIVE_MAX: usize = 64;

/// What the exchange knows of distributed clocks after bring-up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Clocks {
    /// Position of the reference clock.
    pub(crate) reference: u16,
    /// Positions of the devices that follow it.
    pub(crate) members: Vec<u16>,
    /// DC system time at the reference, ns ...
    pub(crate) dc_time: u64,
    /// ... when the link's time was this, ns.
    pub(crate) link_time: u64,
    /// SYNC0 of the devices begins at this DC system time, ns.
    pub(crate) sync_start: u64,
}

/// What bring-up leaves of the devices.
#[derive(Clone, Debug, Default)]
pub(crate) struct BroughtUp {
    /// By position.
    pub(crate) devices: Vec<FoundDevice>,
    /// By position: mailboxes, and the counters of the messages so far.
    pub(crate) mailboxes: Vec<(Option<Mailbox>, Counters)>,
    /// By position: what a device needs that lost its supply.
    pub(crate) saved: Box<[Saved]>,
    /// How long it took.
    pub(crate) took: Took,
}

/// One frame of every cycle.
#[derive(Debug)]
struct CyclicFrame {
    template: Template,
    datagrams: Box<[CyclicDatagram]>,
    /// The last whole reply.
    reply: Box<[u8]>,
    /// It is of this very exchange.
    is_answered: bool,
}

/// Bytes carried from an input to an output unseen.
#[derive(Clone, Copy, Debug)]
struct Carry {
    from_frame: usize,
    from_at: usize,
    to_frame: usize,
    to_at: usize,
    bytes: usize,
}

/// The segment in operation. [`crate::bring_up`] makes it; devices are in SafeOp then and come to Op while [`Bus::exchange`] is called
/// every period.
#[derive(Debug)]
pub struct EtherCat<L> {
    link: L,
    frames: Box<[CyclicFrame]>,
    scratch: Box<[u8]>,
    flight: Flight,
    /// How often the indices of frames have come round.
    round: u8,
    inputs: Box<[UnitInputs]>,
    outputs: Box<[Place]>,
    carries: Box<[Carry]>,
    ladder: Ladder,
    timing: Option<Timing>,
    /// Datagrams of the first frame that carry a time.
    times: [Option<usize>; 2],
    sampled: Sampled,
    counts: FrameCounts,
    units_all: u64,
    units_good: u64,
    sent_at: u64,
    received_at: u64,
    dc_offset_ns: i32,
    is_link_down: bool,
    devices: Vec<FoundDevice>,
    mailboxes: Service,
    /// By position: bit of the device's sync unit.
    units: Box<[u64]>,
    /// Every input signal and the position of its device.
    owners: Box<[(SignalId, u16)]>,
    /// This device was switched on anew: nothing was received from it yet.
    restarted: Option<u16>,
    took: Took,
}

/// Every input and whose it is.
fn owners(plan: &BusPlan) -> Box<[(SignalId, u16)]> {
    let inputs = (0u16..).zip(&plan.signals);
    let inputs = inputs.filter(|(_, place)| place.direction == Direction::Input);
    let owner = |place: usize| u16::try_from(place).unwrap_or(u16::MAX);
    inputs.map(|(signal, place)| (SignalId(signal), owner(place.subdevice))).collect()
}

/// From a pulse until its sample is surely there for a frame that passes the reference: the way through the segment, and clocks
/// that are not quite in step.
fn settle_ns(plan: &BusPlan) -> u64 {
    let devices = u64::try_from(plan.subdevices.len()).unwrap_or(u64::MAX);
    let window_ns = plan.dc.map_or(0, |dc| u64::from(dc.lock_window_ns));
    devices.saturating_mul(FORWARDING_NS).saturating_add(window_ns)
}

fn unit_bit(unit: u8) -> u64 {
    1u64.checked_shl(u32::from(unit)).unwrap_or(0)
}

fn cyclic_frames(layout: &Layout) -> Option<Box<[CyclicFrame]>> {
    let frames = layout.frames.iter().map(|datagrams| {
        let specs: Vec<_> = datagrams.iter().map(|datagram| datagram.spec).collect();
        Some(CyclicFrame {
            template: Template::build(&specs)?,
            datagrams: datagrams.clone().into_boxed_slice(),
            reply: vec![0; FRAME_MAX].into_boxed_slice(),
            is_answered: false,
        })
    });
    frames.collect()
}

/// Where a device's data begin: frame, byte within it.
fn start(layout: &Layout, frames: &[CyclicFrame], position: usize) -> Option<(u8, usize, usize)> {
    let region = layout.regions.get(position).copied().flatten()?;
    let place = frames.get(region.frame)?.template.places().get(region.datagram)?;
    Some((region.unit, region.frame, place.data_at() + region.offset))
}

/// Where every signal is: inputs by sync unit, and outputs. `sampled`: gives stamps to those of devices with SYNC0, when clocks are used.
fn signal_places(
    plan: &BusPlan,
    layout: &Layout,
    frames: &[CyclicFrame],
    mut sampled: Option<&mut Sampled>,
) -> Option<(Vec<Vec<Place>>, Vec<Place>)> {
    let mut inputs: Vec<Vec<Place>> = vec![Vec::new(); plan.sync_units.len()];
    let mut outputs = Vec::new();
    for (signal, place) in (0u16..).zip(&plan.signals) {
        let sync0 = plan.subdevices.get(place.subdevice)?.sync0;
        let (unit, frame, at) = start(layout, frames, place.subdevice)?;
        let place_of =
            |signal| Place::new(signal, frame, at, place.bit_offset, place.bits, place.signed);
        match place.direction {
            Direction::Input => {
                let stamps = sync0.zip(sampled.as_deref_mut());
                let stamp =
                    stamps.map_or(FREE, |(sync0, sampled)| sampled.stamp_for(sync0.shift_ns));
                let place = place_of(SignalId(signal)).sampled(stamp);
                inputs.get_mut(usize::from(unit))?.push(place);
            }
            Direction::Output => outputs.push(place_of(SignalId(signal))),
        }
    }
    Some((inputs, outputs))
}

impl<L: Link> EtherCat<L> {
    /// Puts the exchange together. `None`: the layout does not fit its frames (`Layout` makes none such).
    pub(crate) fn new(
        link: L,
        plan: &BusPlan,
        layout: &Layout,
        clocks: Option<Clocks>,
        BroughtUp { devices, mailboxes, saved, took }: BroughtUp,
    ) -> Option<Self> {
        let frames = cyclic_frames(layout)?;
        let mut sampled = Sampled::new(plan.period_ns, settle_ns(plan));
        let (inputs, outputs) =
            signal_places(plan, layout, &frames, clocks.is_some().then_some(&mut sampled))?;
        let units_all = layout.regions.iter().flatten().fold(0, |all, r| all | unit_bit(r.unit));
        let dc = plan.dc.filter(|_| clocks.is_some());
        let lock = dc.zip(clocks.as_ref()).map(|(dc, clocks)| {
            // A reference that follows the loop has a difference of its own.
            let leads = dc.follow == Follow::Loop;
            let mut followers = clocks.members.clone();
            followers.extend(leads.then_some(clocks.reference));
            Lock::new(followers.into_boxed_slice(), dc.lock_window_ns)
        });
        let timing = dc
            .zip(clocks.as_ref())
            .map(|(dc, clocks)| Timing::new(plan.period_ns, &dc, clocks, plan.silent_cycles_max));
        let place_of = |purpose| {
            let first = layout.frames.first().filter(|_| timing.is_some())?;
            first.iter().position(|datagram| datagram.purpose == purpose)
        };
        let times = [place_of(Purpose::Tell), place_of(Purpose::Clock)];
        let count = u16::try_from(plan.subdevices.len()).ok()?;
        let lock_timeout_ns = dc.map_or(0, |dc| dc.lock_timeout_ns);
        let sync_from = clocks.as_ref().map_or(0, |clocks| {
            clocks.link_time.saturating_add(clocks.sync_start.saturating_sub(clocks.dc_time))
        });
        let ladder = Ladder::new(count, plan.silent_cycles_max, lock, (sync_from, lock_timeout_ns));
        let carries = carries(plan, layout, &frames)?;
        Some(Self {
            link,
            frames,
            scratch: vec![0; FRAME_MAX].into_boxed_slice(),
            flight: Flight::new(),
            round: 0,
            inputs: inputs.into_iter().map(|places| UnitInputs { places: places.into() }).collect(),
            outputs: outputs.into(),
            carries,
            ladder,
            timing,
            times,
            sampled,
            counts: FrameCounts::default(),
            units_all,
            units_good: 0,
            sent_at: 0,
            received_at: 0,
            dc_offset_ns: 0,
            is_link_down: false,
            devices,
            mailboxes: Service::new(mailboxes, saved),
            units: layout
                .regions
                .iter()
                .map(|region| region.map_or(0, |r| unit_bit(r.unit)))
                .collect(),
            owners: owners(plan),
            restarted: None,
            took,
        })
    }

    /// What was found on the segment, by position.
    #[must_use]
    pub fn devices(&self) -> &[FoundDevice] {
        &self.devices
    }

    /// How well the clocks keep step, and how long before SYNC0 frames arrive; `None`: distributed clocks are not used. Allocates: for
    /// reports.
    #[must_use]
    pub fn dc(&self) -> Option<DcReport> {
        let timing = self.timing.as_ref()?;
        let state = (timing.follow(), !self.ladder.is_dc_unlocked());
        let losses = timing.reference().losses();
        let report = timing.margins.report(state, losses, self.ladder.dc_difference());
        Some(DcReport { clocks: self.ladder.clocks(), ..report })
    }

    /// How long bring-up took.
    #[must_use]
    pub fn bring_up_took(&self) -> Took {
        self.took
    }

    /// The end through which others ask for mailbox traffic, for whoever asks first.
    pub fn take_coe_client(&mut self) -> Option<CoeClient> {
        self.mailboxes.take_client()
    }

    /// What mailbox traffic there was.
    #[must_use]
    pub fn mailbox_counts(&self) -> ServiceCounts {
        self.mailboxes.counts()
    }

    /// The link.
    pub fn link_mut(&mut self) -> &mut L {
        &mut self.link
    }

    /// The first time from `earliest` on (ns of the link's clock) to begin a cycle so that its frames arrive where they should before
    /// SYNC0. Without distributed clocks: `earliest`.
    #[must_use]
    pub fn aligned_start(&self, earliest: u64) -> u64 {
        let Some(timing) = &self.timing else { return earliest };
        let dc_time = timing.dc_time.wrapping_add(earliest.wrapping_sub(timing.link_time));
        let beyond = dc_time.wrapping_add(timing.before_sync0_ns).checked_rem(timing.period_ns);
        match beyond {
            Some(0) | None => earliest,
            Some(beyond) => earliest.saturating_add(timing.period_ns - beyond),
        }
    }

    /// Takes the segment down, in order: SafeOp, PreOp, SYNC0 off, Init. Waits for each step, half a second at most; not for the cycle.
    ///
    /// # Errors
    /// The first step that failed; the others are tried none the less.
    pub fn shutdown(&mut self) -> Result<(), BringupError> {
        crate::bringup::take_down(&mut self.link, &self.devices)
    }

    /// Puts the time into the datagrams that carry one.
    fn set_clock(&mut self, now: u64) {
        let Some((timing, frame)) = self.timing.as_ref().zip(self.frames.first_mut()) else {
            return;
        };
        let (told, distributed) = timing.times(now);
        for (datagram, time) in self.times.iter().zip([told, distributed]) {
            let place = datagram.and_then(|place| frame.template.places().get(place).copied());
            if let Some(place) = place {
                let time = time.to_le_bytes();
                let bytes = time.get(..place.bytes().min(time.len())).unwrap_or_default();
                let _ = put(frame.template.bytes_mut(), place.data_at(), bytes);
            }
        }
    }

    /// Sends this cycle's frames; returns how many are under way.
    fn send(&mut self, now: u64) -> u32 {
        self.set_clock(now);
        let request = self.ladder.request();
        self.counts.lost += self.flight.begin();
        for (number, frame) in self.frames.iter_mut().enumerate() {
            frame.is_answered = false;
            if number == 0 {
                match request {
                    Some(request) => drop(frame.template.append(request.spec, &request.data)),
                    None => frame.template.remove_appended(),
                }
            }
            let index = self.flight.index(number);
            self.round = if index == 0 { self.round.wrapping_add(1) } else { self.round };
            frame.template.set_indices(index, self.round);
        }
        let mut together = [&[][..]; FRAMES_MAX];
        for (place, frame) in together.iter_mut().zip(&self.frames) {
            *place = frame.template.bytes();
        }
        // Never more than there is room for: Layout sees to it.
        let sent = self.link.send_all(together.get(..self.frames.len()).unwrap_or_default());
        (0..self.frames.len()).for_each(|number| self.flight.sent(sent.has(number)));
        let under_way = sent.frames.count_ones();
        self.is_link_down = match sent.fault {
            Some(LinkFault::Down) => true,
            // Not one of them: the carrier is gone. The working counters would tell it only after the cycles that may be missed.
            Some(LinkFault::Refused) => under_way == 0,
            Some(LinkFault::Full | LinkFault::Os(_)) | None => false,
        };
        self.counts.sent += u64::from(under_way);
        under_way
    }

    fn receive(&mut self, mut under_way: u32, mut deadline: u64) {
        if under_way == 0 {
            // Nothing went out. A line that is full gets room only by taking what has come; nothing is waited for.
            (under_way, deadline) = (u32::MAX, 0);
        }
        // What came of the last cycle's mailbox traffic lies ahead of them: there is nothing to wait for.
        let mut is_ahead = self.mailboxes.is_under_way();
        for _ in 0..RECEIVE_MAX {
            if under_way == 0 {
                break;
            }
            let without_wait = core::mem::take(&mut is_ahead);
            let until = if without_wait { 0 } else { deadline };
            match self.link.receive(&mut self.scratch, until) {
                Ok(Some(length)) => {
                    if self.sort(length) {
                        under_way -= 1;
                    }
                }
                Ok(None) if without_wait => {}
                Ok(None) => break,
                Err(fault) => {
                    self.is_link_down |= fault == LinkFault::Down;
                    break;
                }
            }
        }
        self.received_at = self.link.now();
    }

    /// Takes the frame in `scratch` for what it is. True: one of this cycle's is no longer under way.
    fn sort(&mut self, length: usize) -> bool {
        let Some(bytes) = self.scratch.get(..length) else {
            self.counts.foreign += 1;
            return false;
        };
        match origin(bytes) {
            Origin::Ours => {}
            Origin::Mailbox => {
                self.mailboxes.arrived(bytes);
                return false;
            }
            Origin::Ethercrab | Origin::LoopedBack | Origin::Foreign => {
                self.counts.foreign += 1;
                return false;
            }
        }
        let Some(index) = bytes.get(FIRST_DATAGRAM + 1).copied() else {
            // Cut before it says which of ours it was: that one is lost.
            self.counts.foreign += 1;
            return false;
        };
        match self.flight.arrived(index) {
            Arrival::Now(number) => {
                if let Some(frame) = self.frames.get_mut(number)
                    && frame.template.is_answered(bytes, index)
                {
                    core::mem::swap(&mut frame.reply, &mut self.scratch);
                    frame.is_answered = true;
                    self.counts.received += 1;
                } else if self.is_cut(number, length) {
                    self.counts.truncated += 1;
                } else {
                    self.counts.corrupt += 1;
                }
                true
            }
            Arrival::Late => {
                self.counts.late += 1;
                false
            }
            Arrival::Again => {
                self.counts.duplicate += 1;
                false
            }
            Arrival::Unknown => {
                self.counts.foreign += 1;
                false
            }
        }
    }

    /// Of this cycle's frame `number` so many bytes came back: fewer than were sent.
    fn is_cut(&self, number: usize, length: usize) -> bool {
        self.frames.get(number).is_some_and(|frame| length < frame.template.bytes().len())
    }

    /// Judges every datagram of the exchange.
    fn judge(&mut self, now: u64) -> Seen {
        let mut seen = Seen { now, is_link_down: self.is_link_down, ..Seen::default() };
        let mut clock = None;
        self.units_good = self.units_all;
        for frame in &self.frames {
            seen.is_answered |= frame.is_answered;
            for (datagram, place) in frame.datagrams.iter().zip(frame.template.places()) {
                let counter = place.working_counter(&frame.reply).filter(|_| frame.is_answered);
                let is_right = counter == Some(datagram.working_counter);
                if counter.is_some() && !is_right {
                    self.counts.working_counter_errors += 1;
                }
                match datagram.purpose {
                    Purpose::Process(unit) if !is_right => self.units_good &= !unit_bit(unit),
                    Purpose::Process(_) => {}
                    Purpose::Status => {
                        seen.is_complete = is_right;
                        let status = u16_at(place.data(&frame.reply), 0);
                        seen.status = status.filter(|_| counter.is_some_and(|count| count > 0));
                    }
                    Purpose::Tell => {}
                    Purpose::Clock => {
                        let at = |bytes| u64_at(place.data(bytes), 0);
                        let times = (at(&frame.reply), at(frame.template.bytes()));
                        let is_counted = counter.is_some_and(|count| count > 0);
                        let timing = self.timing.as_mut().filter(|_| counter.is_some());
                        clock = timing.and_then(|t| t.reading(times, (is_right, is_counted)));
                    }
                }
            }
        }
        if let Some(timing) = &mut self.timing {
            if let Some(offset) = timing.cycle(now, clock, self.received_at) {
                self.dc_offset_ns = offset;
            }
            seen.is_reference_lost = timing.reference().is_lost();
        }
        self.sampled.cycle(now, clock.filter(|_| !seen.is_reference_lost), self.received_at);
        seen.reply = self.reply();
        seen.restoring = self.mailboxes.restoring();
        seen
    }

    /// A device that has lost its settings is set up again; until it is, its sync unit is not good.
    fn restore(&mut self, now: u64) {
        if let Some(timing) = &self.timing {
            self.mailboxes.set_dc_lag(timing.dc_lag());
        }
        if let Some(position) = self.ladder.take_lost()
            && self.mailboxes.restore(position, now)
        {
            self.restarted = Some(position);
        }
        if let Some(position) = self.mailboxes.restoring() {
            let unit = self.units.get(usize::from(position)).copied().unwrap_or(0);
            self.units_good &= !unit;
        }
    }

    /// Answer to our own datagram of this cycle.
    fn reply(&self) -> Option<Reply> {
        let frame = self.frames.first().filter(|frame| frame.is_answered)?;
        let place = frame.template.appended()?;
        let working_counter = place.working_counter(&frame.reply)?;
        let mut data = [0; 8];
        for (to, from) in data.iter_mut().zip(place.data(&frame.reply)) {
            *to = *from;
        }
        Some(Reply { working_counter, data })
    }
}

fn carries(plan: &BusPlan, layout: &Layout, frames: &[CyclicFrame]) -> Option<Box<[Carry]>> {
    let carry = plan.copies.iter().map(|copy| {
        let (_, from_frame, from_start) = start(layout, frames, copy.from)?;
        let (_, to_frame, to_start) = start(layout, frames, copy.to)?;
        Some(Carry {
            from_frame,
            from_at: from_start + usize::try_from(copy.from_byte).ok()?,
            to_frame,
            to_at: to_start + usize::try_from(copy.to_byte).ok()?,
            bytes: usize::try_from(copy.bytes).ok()?,
        })
    });
    carry.collect()
}

impl<L: Link> Bus for EtherCat<L> {
    fn take_emergency(&mut self) -> Option<Emergency> {
        self.mailboxes.take_emergency()
    }

    fn exchange(&mut self, now: u64, deadline: u64) -> Exchange {
        let under_way = self.send(now);
        self.sent_at = self.link.now();
        self.receive(under_way, deadline);
        let seen = self.judge(now);
        self.ladder.advance(&seen);
        self.restore(now);
        self.mailboxes.hear_out(now, deadline);
        Exchange {
            state: self.ladder.state(),
            units_good: self.units_good,
            units_all: self.units_all,
            dc_unlocked: self.ladder.is_dc_unlocked(),
            dc_offset_ns: self.dc_offset_ns,
            received_at: self.received_at,
            counts: self.counts,
            fault: self.ladder.fault(),
        }
    }

    fn pace(&self) -> Pace {
        let timing = self.timing.as_ref();
        Pace {
            sent_at: self.sent_at,
            trim_ns: timing.map_or(0, |timing| timing.trim_ns),
            is_reference_lost: timing.is_some_and(|timing| timing.reference().is_lost()),
        }
    }

    fn decode(&mut self, signals: &mut Signals) {
        for (unit, inputs) in (0u8..).zip(&self.inputs) {
            if self.units_good & unit_bit(unit) == 0 {
                inputs.age(signals);
            } else {
                let frames = |number: usize| self.frames.get(number).map(|frame| &*frame.reply);
                inputs.decode(frames, signals, &self.sampled);
            }
        }
        if let Some(device) = self.restarted.take() {
            let owned = self.owners.iter().filter(|(_, owner)| *owner == device);
            owned.for_each(|(signal, _)| signals.forget(*signal));
        }
    }

    fn encode(&mut self, signals: &Signals) {
        self.encode_outputs(signals);
        // Last of all: nothing of the cycle waits for it.
        self.mailboxes.work(&mut self.link);
    }
}

impl<L: Link> EtherCat<L> {
    fn encode_outputs(&mut self, signals: &Signals) {
        for place in &self.outputs {
            if let Some(frame) = self.frames.get_mut(place.frame) {
                place.write(frame.template.bytes_mut(), signals.get(place.signal).value);
            }
        }
        let mut window = [0; 256];
        for carry in &self.carries {
            let mut done = 0;
            while done < carry.bytes {
                let count = (carry.bytes - done).min(window.len());
                let from = self.frames.get(carry.from_frame).and_then(|frame| {
                    frame.reply.get(carry.from_at + done..carry.from_at + done + count)
                });
                let (Some(from), Some(room)) = (from, window.get_mut(..count)) else { break };
                room.copy_from_slice(from);
                if let Some(frame) = self.frames.get_mut(carry.to_frame) {
                    let _ = put(frame.template.bytes_mut(), carry.to_at + done, room);
                }
                done += count;
            }
        }
    }
}
