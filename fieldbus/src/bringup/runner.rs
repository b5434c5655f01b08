//! Runs ethercrab's futures in this thread: polls them with a waker that does nothing, carries their frames over the link.
//!
//! ethercrab takes any reply whose index fits and asserts that no CoE emergency is among the mailbox replies. So only frames that carry its
//! own address come near it, and an emergency is kept from it: it is put aside and the mailbox is read again in its place.

use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};

use ethercrab::{PduRx, PduTx};

use super::error::BringupError;
use super::mailboxes::{Talk, talk};
use super::request::Requests;
use crate::coe::Counters;
use crate::layout::SUBDEVICES_MAX;
use crate::link::{FRAME_MAX, Link, LinkFault};
use crate::time;
use crate::wire::{
    Command, Datagram, DatagramSpec, FIRST_DATAGRAM, Frame, Origin, STATION_BASE, origin, put,
    u16_at,
};

/// DL status (ETG1000.4 Table 34), and the links of its four ports.
const DL_STATUS: u32 = 0x0110;
const PORTS_LINKED: u8 = 0xF0;
/// Longest wait for a frame before the future is polled again (its timers need it), ns.
const SLICE_NS: u64 = 1_000_000;
/// Time that passes when the future waits for nothing on the wire, ns.
const IDLE_NS: u64 = 20_000;
/// A frame that is not back after this is not waited for; ethercrab's own time-out decides.
const GIVE_UP_NS: u64 = 500_000_000;
/// Indices of datagrams.
const INDICES: usize = 256;
/// A mailbox is in the memory behind the registers.
const MEMORY: u16 = 0x1000;
/// Mailbox reads in place of an emergency.
const REREADS_MAX: u32 = 500;

/// A CoE emergency that a device sent during bring-up (ETG1000.6 Table 51).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Emergency {
    /// Position of the device.
    pub position: u16,
    /// Error code.
    pub code: u16,
    /// Error register.
    pub register: u8,
    /// What the vendor adds.
    pub data: [u8; 5],
}

/// Why a future did not end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stalled {
    /// The link does not work.
    Link(LinkFault),
    /// It took longer than it may.
    TimedOut,
}

/// The link and everything that goes over it during bring-up.
pub(crate) struct Runner<'a, L> {
    pub(crate) link: &'a mut L,
    pub(crate) requests: Requests,
    pub(crate) emergencies: Vec<Emergency>,
    /// Position of the device that ethercrab asked last.
    pub(crate) last_asked: Option<usize>,
    /// Counters of its messages, by position: whoever goes on must not use the same twice in a row.
    pub(crate) counters: Vec<Counters>,
    tx: PduTx<'a>,
    rx: PduRx<'a>,
    buffer: Box<[u8]>,
    /// What ethercrab sent last with each index.
    sent: Box<[Vec<u8>]>,
}

impl<'a, L: Link> Runner<'a, L> {
    pub(crate) fn new(link: &'a mut L, tx: PduTx<'a>, rx: PduRx<'a>) -> Self {
        Self {
            link,
            requests: Requests::new(),
            emergencies: Vec::new(),
            last_asked: None,
            counters: vec![Counters::default(); SUBDEVICES_MAX],
            tx,
            rx,
            buffer: vec![0; FRAME_MAX].into_boxed_slice(),
            sent: vec![Vec::new(); INDICES].into_boxed_slice(),
        }
    }

    /// Polls `future` to its end, `timeout_ns` at most.
    pub(crate) fn run<F: Future>(
        &mut self,
        future: F,
        timeout_ns: u64,
    ) -> Result<F::Output, Stalled> {
        let mut future = pin!(future);
        let mut context = Context::from_waker(Waker::noop());
        let until = self.link.now().saturating_add(timeout_ns);
        let mut under_way = 0u32;
        let mut last_sent = 0;
        loop {
            time::set_timers(self.link.now());
            if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
                return Ok(output);
            }
            let sent = self.send().map_err(Stalled::Link)?;
            let now = self.link.now();
            if now >= until {
                return Err(Stalled::TimedOut);
            }
            if sent > 0 {
                last_sent = now;
                under_way = under_way.saturating_add(sent);
            } else if now > last_sent + GIVE_UP_NS {
                under_way = 0;
            }
            if under_way == 0 {
                self.link.idle(now + IDLE_NS);
            } else if self.receive(now + SLICE_NS).map_err(Stalled::Link)? {
                under_way -= 1;
            }
        }
    }

    /// Our own conversations with mailboxes, while ethercrab is silent.
    pub(crate) fn talk(
        &mut self,
        talks: &mut [Talk<'_>],
        what: &'static str,
    ) -> Result<(), BringupError> {
        talk(self.link, &mut self.requests, talks, &mut self.counters, &mut self.emergencies)
            .map_err(|reason| BringupError::no_reply(what, reason))
    }

    /// Sends what ethercrab has to send; a frame for which there is no room stays with it.
    fn send(&mut self) -> Result<u32, LinkFault> {
        let mut sent = 0;
        // A frame that could not be sent is offered again at once: stop at the first.
        while let Some(frame) = self.tx.next_sendable_frame() {
            let mut fault = None;
            let (link, kept, asked) = (&mut *self.link, &mut self.sent, &mut self.last_asked);
            let counters = &mut self.counters;
            let result = frame.send_blocking(|bytes| match link.send(bytes) {
                Ok(()) => {
                    keep(kept, bytes);
                    *asked = position(bytes).or(*asked);
                    count_message(counters, bytes);
                    Ok(bytes.len())
                }
                Err(what) => {
                    fault = Some(what);
                    Err(ethercrab::error::Error::SendFrame)
                }
            });
            match (result, fault) {
                (Ok(_), _) => sent += 1,
                (Err(_), Some(LinkFault::Full | LinkFault::Refused) | None) => break,
                (Err(_), Some(fault)) => return Err(fault),
            }
        }
        Ok(sent)
    }

    /// Takes one frame; true when it was one for ethercrab.
    fn receive(&mut self, deadline: u64) -> Result<bool, LinkFault> {
        let Some(length) = self.link.receive(&mut self.buffer, deadline)? else {
            return Ok(false);
        };
        let Some(bytes) = self.buffer.get(..length) else { return Ok(false) };
        if origin(bytes) != Origin::Ethercrab || !self.is_answer(bytes) {
            return Ok(false);
        }
        if let Some(found) = find_emergency(bytes) {
            self.emergencies.push(found.emergency);
            self.read_in_its_place(&found);
        }
        let bytes = self.buffer.get(..length).unwrap_or_default();
        // A frame that it does not want is of no interest: its own time-out decides.
        Ok(self.rx.receive_frame(bytes).is_ok())
    }

    /// Every datagram is whole, and the answer to the one that was sent with this index: command, address, length. ethercrab itself looks
    /// at the index alone.
    fn is_answer(&self, bytes: &[u8]) -> bool {
        let index = bytes.get(FIRST_DATAGRAM + 1).copied().map(usize::from);
        let sent = index.and_then(|index| self.sent.get(index));
        let (Some(Ok(sent)), Ok(back)) = (sent.map(|sent| Frame::parse(sent)), Frame::parse(bytes))
        else {
            return false;
        };
        let (mut sent, mut back) = (sent.datagrams(), back.datagrams());
        loop {
            match (sent.next(), back.next()) {
                (Some(Ok(sent)), Some(Ok(back))) if answers(&sent, &back) => {}
                (None, None) => return true,
                _ => return false,
            }
        }
    }

    /// Reads the mailbox again, until something other than an emergency is in it, and puts that into the reply in `buffer`.
    /// If nothing comes, the reply counts as unanswered: ethercrab ends with an error, not with an assertion.
    fn read_in_its_place(&mut self, found: &Found) {
        let length = u16::try_from(found.length).unwrap_or(u16::MAX);
        let spec = DatagramSpec { command: Command::Fprd, address: found.address, length };
        for _ in 0..REREADS_MAX {
            let Ok(answer) = self.requests.ask(self.link, spec, &[]) else { break };
            if answer.working_counter != 1 {
                self.link.idle(self.link.now() + SLICE_NS);
                continue;
            }
            if let Some(emergency) = emergency(found.address, &answer.data) {
                self.emergencies.push(emergency);
                continue;
            }
            let _ = put(&mut self.buffer, found.data_at, &answer.data);
            return;
        }
        let blank = vec![0; found.length + 2];
        let _ = put(&mut self.buffer, found.data_at, &blank);
    }
}

fn keep(sent: &mut [Vec<u8>], bytes: &[u8]) {
    let index = bytes.get(FIRST_DATAGRAM + 1).copied().map(usize::from);
    if let Some(slot) = index.and_then(|index| sent.get_mut(index)) {
        slot.clear();
        slot.extend_from_slice(bytes);
    }
}

/// The device that the first datagram is for, if it is for one.
fn position(bytes: &[u8]) -> Option<usize> {
    let first = Frame::parse(bytes).ok()?.datagrams().next()?.ok()?;
    let is_for_one = [Command::Fprd, Command::Fpwr].iter().any(|c| c.code() == first.command);
    let position = usize::from(first.station().wrapping_sub(STATION_BASE));
    (is_for_one && position < SUBDEVICES_MAX).then_some(position)
}

/// Remembers the counter of a message that is written into a mailbox.
fn count_message(counters: &mut [Counters], bytes: &[u8]) {
    let first = Frame::parse(bytes).ok().and_then(|frame| frame.datagrams().next()?.ok());
    let Some(first) = first.filter(|first| first.command == Command::Fpwr.code()) else { return };
    let counter = first.data.get(5).map(|kind| kind >> 4 & 7);
    if let (Some(position), true, Some(counter)) =
        (position(bytes), first.register() >= MEMORY, counter)
        && let Some(counters) = counters.get_mut(position)
    {
        counters.ours = counter;
    }
}

fn answers(sent: &Datagram<'_>, back: &Datagram<'_>) -> bool {
    let counts = [Command::Aprd, Command::Apwr, Command::Brd, Command::Bwr];
    let mask = if counts.iter().any(|command| command.code() == sent.command) {
        0xFFFF_0000
    } else {
        u32::MAX
    };
    sent.command == back.command
        && sent.index == back.index
        && (sent.address ^ back.address) & mask == 0
        && sent.data.len() == back.data.len()
        && !back.circulating
        && !is_nowhere(back)
}

/// A device that says of itself that none of its ports is connected has not answered over any of them. ethercrab ends the process with
/// an assertion over it.
fn is_nowhere(back: &Datagram<'_>) -> bool {
    let is_dl_status = back.command == Command::Fprd.code() && back.address >> 16 == DL_STATUS;
    is_dl_status
        && back.working_counter == 1
        && back.data.first().is_some_and(|ports| ports & PORTS_LINKED == 0)
}

/// An emergency among the datagrams of a frame, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Found {
    emergency: Emergency,
    address: u32,
    data_at: usize,
    length: usize,
}

fn find_emergency(bytes: &[u8]) -> Option<Found> {
    let frame = Frame::parse(bytes).ok()?;
    frame.datagrams().flatten().find_map(|datagram| {
        let is_mailbox = datagram.command == Command::Fprd.code()
            && datagram.register() >= MEMORY
            && datagram.working_counter == 1;
        let emergency = is_mailbox.then(|| emergency(datagram.address, datagram.data)).flatten()?;
        let data_at = datagram.at + crate::wire::DATAGRAM_HEADER;
        let length = datagram.data.len();
        Some(Found { emergency, address: datagram.address, data_at, length })
    })
}

/// Mailbox header (type 3: CoE), CoE header (service 1: emergency), then code, register, data.
fn emergency(address: u32, mailbox: &[u8]) -> Option<Emergency> {
    let kind = mailbox.get(5)? & 0x0F;
    let service = u16_at(mailbox, 6)? >> 12;
    if kind != 3 || service != 1 {
        return None;
    }
    let [low, high, _, _] = address.to_le_bytes();
    let position = u16::from_le_bytes([low, high]).wrapping_sub(STATION_BASE);
    Some(Emergency {
        position,
        code: u16_at(mailbox, 8)?,
        register: *mailbox.get(10)?,
        data: *mailbox.get(11..)?.first_chunk()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Template;

    fn mailbox_reply(service: u16) -> Vec<u8> {
        let spec = DatagramSpec::register(Command::Fprd, 0x1003, 0x1080, 32);
        let mut template = Template::build(&[spec]).unwrap();
        let place = template.places()[0];
        let [low, high] = (service << 12).to_le_bytes();
        let mailbox = [10, 0, 0, 0, 0, 0x13, low, high, 0x10, 0x86, 0x81, 1, 2, 3, 4, 5];
        put(template.bytes_mut(), place.data_at(), &mailbox).unwrap();
        put(template.bytes_mut(), place.working_counter_at(), &[1, 0]).unwrap();
        template.bytes().to_vec()
    }

    #[test]
    fn an_emergency_is_told_from_an_answer() {
        let found = find_emergency(&mailbox_reply(1)).unwrap();
        let expected =
            Emergency { position: 3, code: 0x8610, register: 0x81, data: [1, 2, 3, 4, 5] };
        assert_eq!(found.emergency, expected);
        assert_eq!((found.address, found.length), (0x1080_1003, 32));
        assert_eq!(find_emergency(&mailbox_reply(3)), None);
        let mut unanswered = mailbox_reply(1);
        let counter = found.data_at + found.length;
        unanswered[counter] = 0;
        assert_eq!(find_emergency(&unanswered), None);
    }
}
