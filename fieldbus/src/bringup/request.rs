//! Single datagrams of our own, one after the other: for what is set up and taken down, never in the cycle.

use crate::layout::station;
use crate::link::{FRAME_MAX, Link, LinkFault};
use crate::wire::{
    Command, DATAGRAM_OVERHEAD, DatagramSpec, FIRST_DATAGRAM, Origin, PAYLOAD_MAX, Template,
    origin, register, u16_at,
};

/// How long a reply is waited for, ns; a loaded machine may take long to wake a virtual segment.
pub(super) const REPLY_TIMEOUT_NS: u64 = 100_000_000;
/// How often a datagram is sent until it is answered.
const SENDS_MAX: u32 = 3;
/// Between two looks at a state that is to change, ns.
const LOOK_NS: u64 = 1_000_000;

/// Frames under way at once.
const FRAMES_MAX: usize = 16;

/// How many of these fit into one frame; at least one.
fn fit_one_frame(datagrams: &[(DatagramSpec, Vec<u8>)]) -> usize {
    let mut used = 0;
    let fits = |(spec, _): &&(DatagramSpec, Vec<u8>)| {
        used += DATAGRAM_OVERHEAD + usize::from(spec.length);
        used <= PAYLOAD_MAX
    };
    datagrams.iter().take_while(fits).count().max(1)
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoReply {
    /// Nothing came back.
    Silent,
    /// Our own frames came back untouched: there is no device, only a wire back.
    LoopedBack,
    /// The link said so.
    Link(LinkFault),
}

/// The answer to a datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) working_counter: u16,
    pub(crate) data: Vec<u8>,
}

/// AL status and code of one device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct AlStatus {
    pub(crate) status: u16,
    pub(crate) code: u16,
}

/// Sends datagrams and waits for their answers.
#[derive(Debug)]
pub(crate) struct Requests {
    index: u8,
    buffer: Box<[u8]>,
}

impl Requests {
    pub(crate) fn new() -> Self {
        Self { index: 0, buffer: vec![0; FRAME_MAX].into_boxed_slice() }
    }

    /// Sends one datagram until it is answered, a few times at most.
    pub(crate) fn ask<L: Link>(
        &mut self,
        link: &mut L,
        spec: DatagramSpec,
        data: &[u8],
    ) -> Result<Answer, NoReply> {
        let mut template = Template::build(&[spec]).ok_or(NoReply::Silent)?;
        let place = template.places().first().copied().ok_or(NoReply::Silent)?;
        let _ = crate::wire::put(template.bytes_mut(), place.data_at(), data);
        let mut failure = NoReply::Silent;
        for _ in 0..SENDS_MAX {
            self.index = self.index.wrapping_add(1);
            template.set_index(self.index);
            match link.send(template.bytes()) {
                Ok(()) => {}
                Err(LinkFault::Full | LinkFault::Refused) => {
                    link.idle(link.now() + LOOK_NS);
                    continue;
                }
                Err(fault) => return Err(NoReply::Link(fault)),
            }
            let deadline = link.now() + REPLY_TIMEOUT_NS;
            while link.now() < deadline {
                let length = match link.receive(&mut self.buffer, deadline) {
                    Ok(Some(length)) => length,
                    Ok(None) => break,
                    Err(fault) => return Err(NoReply::Link(fault)),
                };
                let Some(bytes) = self.buffer.get(..length) else { continue };
                match origin(bytes) {
                    Origin::Ours if template.is_answered(bytes, self.index) => {
                        let working_counter = place.working_counter(bytes).unwrap_or(0);
                        return Ok(Answer { working_counter, data: place.data(bytes).to_vec() });
                    }
                    // It is back as it went: waiting on is of no use.
                    Origin::LoopedBack if bytes.get(FIRST_DATAGRAM + 1) == Some(&self.index) => {
                        failure = NoReply::LoopedBack;
                        break;
                    }
                    Origin::Ours
                    | Origin::Mailbox
                    | Origin::LoopedBack
                    | Origin::Ethercrab
                    | Origin::Foreign => {}
                }
            }
        }
        Err(failure)
    }

    /// Sends many datagrams at once, in as many frames as they need, and takes what comes back within `timeout_ns`. `None` in a place:
    /// that one is not back.
    pub(crate) fn ask_all<L: Link>(
        &mut self,
        link: &mut L,
        datagrams: &[(DatagramSpec, Vec<u8>)],
        timeout_ns: u64,
    ) -> Result<Vec<Option<Answer>>, LinkFault> {
        let mut answers = Vec::with_capacity(datagrams.len());
        let mut rest = datagrams;
        while !rest.is_empty() {
            let mut under_way = Vec::new();
            while under_way.len() < FRAMES_MAX && !rest.is_empty() {
                let (frame, behind) = rest.split_at(fit_one_frame(rest));
                rest = behind;
                let specs: Vec<_> = frame.iter().map(|(spec, _)| *spec).collect();
                let Some(mut template) = Template::build(&specs) else { continue };
                for (place, (_, data)) in template.places().to_vec().iter().zip(frame) {
                    let _ = crate::wire::put(template.bytes_mut(), place.data_at(), data);
                }
                self.index = self.index.wrapping_add(1);
                template.set_index(self.index);
                match link.send(template.bytes()) {
                    // A frame for which there was no room is one that is not back.
                    Ok(()) | Err(LinkFault::Full | LinkFault::Refused) => {}
                    Err(fault) => return Err(fault),
                }
                under_way.push((self.index, template, None));
            }
            self.gather(link, &mut under_way, timeout_ns)?;
            for (_, template, reply) in under_way {
                answers.extend(template.places().iter().map(|place| {
                    let reply: &Vec<u8> = reply.as_ref()?;
                    let working_counter = place.working_counter(reply)?;
                    Some(Answer { working_counter, data: place.data(reply).to_vec() })
                }));
            }
        }
        Ok(answers)
    }

    fn gather<L: Link>(
        &mut self,
        link: &mut L,
        under_way: &mut [(u8, Template, Option<Vec<u8>>)],
        timeout_ns: u64,
    ) -> Result<(), LinkFault> {
        let deadline = link.now() + timeout_ns;
        while under_way.iter().any(|(_, _, reply)| reply.is_none()) && link.now() < deadline {
            let Some(length) = link.receive(&mut self.buffer, deadline)? else { break };
            let Some(bytes) = self.buffer.get(..length) else { continue };
            if origin(bytes) != Origin::Ours {
                continue;
            }
            let mut awaited = under_way.iter_mut();
            if let Some((_, _, reply)) = awaited
                .find(|(index, frame, reply)| reply.is_none() && frame.is_answered(bytes, *index))
            {
                *reply = Some(bytes.to_vec());
            }
        }
        Ok(())
    }

    /// Reads registers of the device at `position`; `None` when it did not answer.
    pub(crate) fn read<L: Link>(
        &mut self,
        link: &mut L,
        position: usize,
        register: u16,
        length: u16,
    ) -> Result<Option<Vec<u8>>, NoReply> {
        let spec = DatagramSpec::register(Command::Fprd, station(position), register, length);
        let answer = self.ask(link, spec, &[])?;
        Ok((answer.working_counter == 1).then_some(answer.data))
    }

    /// Writes registers of the device at `position`; false when it did not take them.
    pub(crate) fn write<L: Link>(
        &mut self,
        link: &mut L,
        position: usize,
        register: u16,
        data: &[u8],
    ) -> Result<bool, NoReply> {
        let length = u16::try_from(data.len()).unwrap_or(u16::MAX);
        let spec = DatagramSpec::register(Command::Fpwr, station(position), register, length);
        Ok(self.ask(link, spec, data)?.working_counter == 1)
    }

    /// How many devices there are.
    pub(crate) fn count<L: Link>(&mut self, link: &mut L) -> Result<u16, NoReply> {
        let spec = DatagramSpec::register(Command::Brd, 0, register::TYPE, 1);
        Ok(self.ask(link, spec, &[])?.working_counter)
    }

    /// AL status and code of the device at `position`; all 0 when it does not answer.
    pub(crate) fn al_status<L: Link>(
        &mut self,
        link: &mut L,
        position: usize,
    ) -> Result<AlStatus, NoReply> {
        let data = self.read(link, position, register::AL_STATUS, 6)?.unwrap_or_default();
        let status = u16_at(&data, 0).unwrap_or(0);
        Ok(AlStatus { status, code: u16_at(&data, 4).unwrap_or(0) })
    }

    /// Requests an AL state of all devices (`flags` beside it) and waits until all have it. `Ok(Some(..))`: this device does not.
    pub(crate) fn bring_all_to<L: Link>(
        &mut self,
        link: &mut L,
        devices: usize,
        state: u8,
        flags: u8,
        timeout_ns: u64,
    ) -> Result<Option<(usize, AlStatus)>, NoReply> {
        let spec = DatagramSpec::register(Command::Bwr, 0, register::AL_CONTROL, 2);
        self.ask(link, spec, &[state | flags, 0])?;
        let until = link.now().saturating_add(timeout_ns);
        loop {
            let spec = DatagramSpec::register(Command::Brd, 0, register::AL_STATUS, 2);
            let answer = self.ask(link, spec, &[])?;
            let status = u16_at(&answer.data, 0).unwrap_or(0);
            let is_complete = usize::from(answer.working_counter) == devices;
            if is_complete && status == u16::from(state) {
                return Ok(None);
            }
            if status & 0x10 != 0 || link.now() >= until {
                break;
            }
            link.idle(link.now() + LOOK_NS);
        }
        for position in 0..devices {
            let found = self.al_status(link, position)?;
            if found.status != u16::from(state) {
                return Ok(Some((position, found)));
            }
        }
        Ok(None)
    }
}
