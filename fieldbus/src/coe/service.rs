//! The loop's mailbox service: one datagram a cycle at most, in a frame of its own, sent when everything else of the cycle is done.
//!
//! Its answer is not waited for: it lies in the link's queue when the next cycle receives. So no cycle gets longer than by sending and
//! receiving one frame more. A datagram that would not be back before the receive deadline is not sent in that cycle.

use rt_core::bus::Emergency;

use super::client::{Answer, Asked, CoeClient, DATA_MAX, Ends, REGISTERS_MAX, Request, streams};
use super::{Conversation, Counters, Failure, Mailbox, News, Notice, Refusal, Step};
use crate::exchange::{Next, Restore, Saved};
use crate::layout::{FORWARDING_NS, station};
use crate::link::{FRAME_MAX, Link, line_time_ns};
use crate::wire::{
    Command, DATAGRAM_OVERHEAD, DatagramSpec, FIRST_DATAGRAM, FRAME_MIN, MAILBOX_ADDRESS, Template,
};

/// Between two looks into a mailbox that nobody has asked for, ns: one device at a time. Emergencies are news, not control: what a
/// drive does about a fault is in its statusword.
const LISTEN_NS: u64 = 2_000_000;
/// Cycles after which a datagram that is not back is lost.
const LOST_AFTER: u32 = 4;
/// What the computers at both ends add, ns.
const HOST_NS: u64 = 20_000;
/// A request for which no cycle had room for so long fails, ns.
const NO_SLACK_NS: u64 = 2_000_000_000;
/// Datagrams that read registers, tries.
const REGISTER_TRIES_MAX: u8 = 5;
/// A device that was not brought back is tried again after this, ns.
const RESTORE_AGAIN_NS: u64 = 1_000_000_000;
/// Emergencies that wait to be taken.
const EMERGENCIES_MAX: usize = 16;

/// What the mailbox service did; totals since start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServiceCounts {
    /// Frames given to the link.
    pub sent: u64,
    /// Frames back.
    pub received: u64,
    /// Frames that never came back in time.
    pub lost: u64,
    /// Cycles in which a frame waited for want of time.
    pub no_slack: u64,
    /// Emergencies that nobody took in time.
    pub emergencies_dropped: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    None,
    /// A look into the mailbox.
    Listen,
    /// A transfer that somebody asked for.
    Transfer,
    /// Registers that somebody asked for.
    Registers {
        spec: DatagramSpec,
        tries: u8,
    },
    /// A device that lost its supply is set up again: a datagram, or a transfer of an object.
    Restore {
        is_transfer: bool,
    },
}

#[derive(Clone, Copy, Debug)]
struct Device {
    mailbox: Option<Mailbox>,
    counters: Counters,
}

/// Devices that are set up again.
#[derive(Debug, Default)]
struct Restoring {
    /// By position.
    saved: Box<[Saved]>,
    now: Option<Restore>,
    /// Device, time: not before.
    again: Option<(u16, u64)>,
    /// Why it was refused last.
    refused: Option<(u16, Refusal)>,
    /// DC time less the link's, ns.
    dc_lag: i64,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Service {
    devices: Box<[Device]>,
    work: Work,
    /// Position of the device that it is about.
    device: usize,
    conversation: Conversation,
    request: Box<Request>,
    ends: Ends,
    client: Option<CoeClient>,
    template: Template,
    index: u8,
    /// Cycles since the frame under way was sent.
    under_way: Option<u32>,
    reply: Box<[u8]>,
    replied: Option<usize>,
    listen_at: u64,
    restoring: Restoring,
    /// This cycle's time and receive deadline, ns, until its turn was used.
    turn: Option<(u64, u64)>,
    /// Since when there has been no room, ns.
    no_slack_since: Option<u64>,
    emergencies: [Emergency; EMERGENCIES_MAX],
    first: usize,
    waiting: usize,
    counts: ServiceCounts,
}

impl Service {
    /// For these devices: their mailboxes, and the counters of the messages so far.
    pub(crate) fn new(devices: Vec<(Option<Mailbox>, Counters)>, saved: Box<[Saved]>) -> Self {
        let bytes = |device: &(Option<Mailbox>, _)| device.0.map_or(0, |m| usize::from(m.out.1));
        let mailbox_bytes = devices.iter().map(bytes).max().unwrap_or(0);
        let (client, ends) = streams();
        let request = Request {
            ticket: super::Ticket(0),
            device: 0,
            asked: Asked::Registers { register: 0, length: 0 },
            length: 0,
            data: [0; DATA_MAX],
        };
        let device = |(mailbox, counters)| Device { mailbox, counters };
        Self {
            devices: devices.into_iter().map(device).collect(),
            work: Work::None,
            device: 0,
            conversation: Conversation::new(DATA_MAX, mailbox_bytes),
            request: Box::new(request),
            ends,
            client: Some(client),
            template: Template::blank(MAILBOX_ADDRESS),
            index: 0,
            under_way: None,
            reply: vec![0; FRAME_MAX].into_boxed_slice(),
            replied: None,
            listen_at: 0,
            restoring: Restoring { saved, ..Restoring::default() },
            turn: None,
            no_slack_since: None,
            emergencies: [Emergency::default(); EMERGENCIES_MAX],
            first: 0,
            waiting: 0,
            counts: ServiceCounts::default(),
        }
    }

    /// The other end, once.
    pub(crate) fn take_client(&mut self) -> Option<CoeClient> {
        self.client.take()
    }

    pub(crate) fn counts(&self) -> ServiceCounts {
        self.counts
    }

    /// A frame of it is on its way, or back already.
    pub(crate) fn is_under_way(&self) -> bool {
        self.under_way.is_some()
    }

    /// The oldest emergency.
    pub(crate) fn take_emergency(&mut self) -> Option<Emergency> {
        if self.waiting == 0 {
            return None;
        }
        let emergency = self.emergencies.get(self.first).copied();
        self.first = (self.first + 1) % EMERGENCIES_MAX;
        self.waiting -= 1;
        emergency
    }

    fn keep(&mut self, emergency: Emergency) {
        if self.waiting == EMERGENCIES_MAX {
            self.counts.emergencies_dropped += 1;
            return;
        }
        let at = (self.first + self.waiting) % EMERGENCIES_MAX;
        if let Some(place) = self.emergencies.get_mut(at) {
            *place = emergency;
            self.waiting += 1;
        }
    }

    /// The device at `position` answers, and has lost its settings: it is set up again, unless another one is, or it was refused just
    /// now. True: that begins now.
    pub(crate) fn restore(&mut self, position: u16, now: u64) -> bool {
        let is_known = self.restoring.saved.get(usize::from(position)).is_some();
        let is_early =
            self.restoring.again.is_some_and(|(device, until)| device == position && now < until);
        if self.restoring.now.is_some() || is_early || !is_known {
            return false;
        }
        if let Some(device) = self.devices.get_mut(usize::from(position)) {
            device.counters = Counters::default();
        }
        self.restoring.now = Some(Restore::new(position, now));
        let was_refused = self.restoring.refused.is_some_and(|(device, _)| device == position);
        if !was_refused {
            self.ends.notices.push(Notice { device: position, news: News::Restarted });
        }
        true
    }

    /// The device that is being set up again.
    pub(crate) fn restoring(&self) -> Option<u16> {
        self.restoring.now.as_ref().map(Restore::position)
    }

    /// DC time is `lag` ns ahead of the link's.
    pub(crate) fn set_dc_lag(&mut self, lag: i64) {
        self.restoring.dc_lag = lag;
    }

    fn restored(&mut self, outcome: Result<(), Refusal>, now: u64) {
        let Some(restore) = self.restoring.now.take() else { return };
        self.work = Work::None;
        let device = restore.position();
        match outcome {
            Ok(()) => {
                let took_ns = now.saturating_sub(restore.begun_at());
                self.restoring.refused = None;
                self.ends.notices.push(Notice { device, news: News::Restored { took_ns } });
            }
            Err(refusal) => {
                self.restoring.again = Some((device, now.saturating_add(RESTORE_AGAIN_NS)));
                if self.restoring.refused != Some((device, refusal)) {
                    self.restoring.refused = Some((device, refusal));
                    self.ends.notices.push(Notice { device, news: News::Refused(refusal) });
                }
            }
        }
    }

    /// What is to be done for the device that is set up again becomes the work of this cycle.
    fn go_on_restoring(&mut self, now: u64) {
        let Some(restore) = &mut self.restoring.now else { return };
        let position = restore.position();
        self.device = usize::from(position);
        let Some(saved) = self.restoring.saved.get(self.device) else { return };
        let (object, data) = match restore.next(saved) {
            Next::Datagram(..) => {
                self.work = Work::Restore { is_transfer: false };
                return;
            }
            Next::Over(outcome) => return self.restored(outcome, now),
            Next::Read(object) => (object, None),
            Next::Write(object, data) => (object, Some(data)),
        };
        let Some(mailbox) = self.devices.get(self.device).and_then(|device| device.mailbox) else {
            restore.transferred(Err(Failure::NoMailbox), saved);
            return;
        };
        self.conversation.turn_to(position, mailbox);
        match data {
            // 4 bytes always fit.
            Some(data) => drop(self.conversation.write(object, data, now)),
            None => self.conversation.read(object, now),
        }
        self.work = Work::Restore { is_transfer: true };
    }

    /// Takes a frame with mailbox traffic that the link brought. What is not the answer to the frame under way is nobody's.
    pub(crate) fn arrived(&mut self, bytes: &[u8]) {
        let is_awaited = self.under_way.is_some() && self.replied.is_none();
        if is_awaited
            && self.template.is_answered(bytes, self.index)
            && let Some(room) = self.reply.get_mut(..bytes.len())
        {
            room.copy_from_slice(bytes);
            self.replied = Some(bytes.len());
        }
    }

    /// The cyclic frames of this cycle are back, or given up: takes what came of the last mailbox traffic.
    pub(crate) fn hear_out(&mut self, now: u64, deadline: u64) {
        self.turn = Some((now, deadline));
        if let Some(cycles) = self.under_way {
            if self.replied.is_none() && cycles < LOST_AFTER {
                self.under_way = Some(cycles + 1);
                return;
            }
            self.under_way = None;
            self.hear(now);
        }
    }

    /// The cycle has done what it must: what there is to do for mailboxes is done now, once a cycle.
    pub(crate) fn work<L: Link>(&mut self, link: &mut L) {
        let Some((now, deadline)) = self.turn.take() else { return };
        if self.under_way.is_some() {
            return;
        }
        if self.work == Work::None || self.work == (Work::Restore { is_transfer: false }) {
            self.go_on_restoring(now);
        }
        if self.work == Work::None {
            self.find_work(now);
        }
        self.say(link, now, deadline);
    }

    /// Takes what became of the frame that was under way.
    fn hear(&mut self, now: u64) {
        let bytes = self.replied.take().and_then(|length| self.reply.get(..length));
        let answer = bytes
            .zip(self.template.appended())
            .and_then(|(bytes, place)| Some((place.working_counter(bytes)?, place.data(bytes))));
        match answer {
            Some(_) => self.counts.received += 1,
            None => self.counts.lost += 1,
        }
        match self.work {
            Work::None => {}
            Work::Listen | Work::Transfer => {
                let Some(device) = self.devices.get_mut(self.device) else { return };
                match self.conversation.answered(answer, &mut device.counters, now) {
                    Step::Next => {}
                    Step::Emergency(emergency) => self.keep(emergency),
                    Step::Done(outcome) => self.finish(outcome),
                }
            }
            Work::Restore { is_transfer: false } => {
                if let Some(restore) = &mut self.restoring.now
                    && let Some(saved) = self.restoring.saved.get(self.device)
                {
                    restore.answered(answer, saved, now);
                }
            }
            Work::Restore { is_transfer: true } => {
                let Some(device) = self.devices.get_mut(self.device) else { return };
                match self.conversation.answered(answer, &mut device.counters, now) {
                    Step::Next => {}
                    Step::Emergency(emergency) => self.keep(emergency),
                    Step::Done(outcome) => self.heard_of_restored(outcome),
                }
            }
            Work::Registers { spec, tries } => {
                let mut data = [0; REGISTERS_MAX];
                let length = answer.filter(|(counter, _)| *counter == 1).map(|(_, bytes)| {
                    data.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
                    bytes.len().min(data.len())
                });
                match length {
                    Some(length) => {
                        self.reply_with(Ok(()), data.get(..length).unwrap_or_default());
                    }
                    None if tries < REGISTER_TRIES_MAX => {
                        self.work = Work::Registers { spec, tries: tries + 1 };
                    }
                    None => self.reply_with(Err(Failure::Unreachable), &[]),
                }
            }
        }
    }

    /// An object of the device that is set up again was read or written.
    fn heard_of_restored(&mut self, outcome: Result<(), Failure>) {
        self.work = Work::None;
        if let Some(restore) = &mut self.restoring.now
            && let Some(saved) = self.restoring.saved.get(self.device)
        {
            restore.transferred(outcome.map(|()| self.conversation.transfer.data()), saved);
        }
    }

    fn finish(&mut self, outcome: Result<(), Failure>) {
        if self.work == (Work::Restore { is_transfer: true }) {
            self.heard_of_restored(outcome);
            return;
        }
        if self.work == Work::Listen {
            self.work = Work::None;
            return;
        }
        let is_read = matches!(self.request.asked, Asked::Read(_)) && outcome.is_ok();
        let mut answer = self.answer(outcome);
        if is_read {
            let data = self.conversation.transfer.data();
            answer.length = u16::try_from(data.len()).unwrap_or(0);
            answer.data.iter_mut().zip(data).for_each(|(to, from)| *to = *from);
        }
        self.ends.answers.push(answer);
        self.work = Work::None;
    }

    fn answer(&self, outcome: Result<(), Failure>) -> Answer {
        let Request { ticket, device, asked, .. } = *self.request;
        Answer { ticket, device, asked, outcome, length: 0, data: [0; DATA_MAX] }
    }

    fn reply_with(&mut self, outcome: Result<(), Failure>, data: &[u8]) {
        let mut answer = self.answer(outcome);
        answer.length = u16::try_from(data.len()).unwrap_or(0);
        answer.data.iter_mut().zip(data).for_each(|(to, from)| *to = *from);
        self.ends.answers.push(answer);
        self.work = Work::None;
    }

    /// What somebody has asked for; else, now and then, a look into a mailbox.
    fn find_work(&mut self, now: u64) {
        if let Some((_, request)) = self.ends.requests.pop() {
            *self.request = request;
            self.device = usize::from(request.device);
            self.begin(now);
            return;
        }
        if now < self.listen_at {
            return;
        }
        self.listen_at = now.saturating_add(LISTEN_NS);
        // At most once round.
        for _ in 0..self.devices.len() {
            self.device = if self.device + 1 < self.devices.len() { self.device + 1 } else { 0 };
            if let Some(mailbox) = self.devices.get(self.device).and_then(|d| d.mailbox) {
                self.conversation.turn_to(u16::try_from(self.device).unwrap_or(0), mailbox);
                self.conversation.listen(now);
                self.work = Work::Listen;
                return;
            }
        }
    }

    fn begin(&mut self, now: u64) {
        let (number, length) = (self.request.device, usize::from(self.request.length));
        let Some(device) = self.devices.get(self.device) else {
            self.reply_with(Err(Failure::Unreachable), &[]);
            return;
        };
        let (asked, mailbox) = (self.request.asked, device.mailbox);
        if let Asked::Registers { register, length } = asked {
            let spec =
                DatagramSpec::register(Command::Fprd, station(self.device), register, length);
            self.work = Work::Registers { spec, tries: 1 };
            return;
        }
        let Some(mailbox) = mailbox else {
            self.reply_with(Err(Failure::NoMailbox), &[]);
            return;
        };
        self.conversation.turn_to(number, mailbox);
        match asked {
            Asked::Read(object) => self.conversation.read(object, now),
            Asked::Write(object) => {
                let data = self.request.data.get(..length).unwrap_or_default();
                // A request is never longer than the room for one.
                let _ = self.conversation.write(object, data, now);
            }
            Asked::Registers { .. } => {}
        }
        self.work = Work::Transfer;
    }

    /// Sends the next datagram, if there is one and its answer will be back in time.
    fn say<L: Link>(&mut self, link: &mut L, now: u64, deadline: u64) {
        let Some(device) = self.devices.get_mut(self.device) else { return };
        let next = match self.work {
            Work::None => None,
            Work::Listen | Work::Transfer => self.conversation.datagram(&mut device.counters),
            Work::Registers { spec, .. } => Some((spec, &[][..])),
            Work::Restore { is_transfer: true } => self.conversation.datagram(&mut device.counters),
            Work::Restore { is_transfer: false } => {
                let saved = self.restoring.saved.get(self.device);
                let restore = self.restoring.now.as_mut().zip(saved);
                restore.and_then(|(restore, saved)| {
                    restore.sent(link.now(), self.restoring.dc_lag);
                    match restore.next(saved) {
                        Next::Datagram(spec, data) => Some((spec, data)),
                        Next::Read(_) | Next::Write(..) | Next::Over(_) => None,
                    }
                })
            }
        };
        let Some((spec, data)) = next else { return };
        let bytes = (FIRST_DATAGRAM + DATAGRAM_OVERHEAD + usize::from(spec.length)).max(FRAME_MIN);
        let devices = u64::try_from(self.devices.len()).unwrap_or(u64::MAX);
        let takes = line_time_ns(bytes) + HOST_NS + FORWARDING_NS.saturating_mul(devices);
        if link.now().saturating_add(takes) > deadline {
            self.wait_for_slack(now);
            return;
        }
        self.no_slack_since = None;
        if self.template.append(spec, data).is_none() {
            // Longer than a frame: no device has such a mailbox.
            self.conversation.cancel();
            self.finish(Err(Failure::Malformed));
            return;
        }
        self.index = self.index.wrapping_add(1);
        self.template.set_index(self.index);
        // A frame that could not be sent is one that is not back.
        let sent = link.send(self.template.bytes());
        self.counts.sent += u64::from(sent.is_ok());
        self.under_way = Some(if sent.is_ok() { 0 } else { LOST_AFTER });
    }

    fn wait_for_slack(&mut self, now: u64) {
        self.counts.no_slack += 1;
        let since = *self.no_slack_since.get_or_insert(now);
        if now.saturating_sub(since) < NO_SLACK_NS {
            return;
        }
        self.no_slack_since = None;
        self.conversation.cancel();
        match self.work {
            Work::None | Work::Listen => self.work = Work::None,
            Work::Restore { .. } => self.restored(Err(Refusal::NoSlack), now),
            Work::Transfer | Work::Registers { .. } => {
                self.reply_with(Err(Failure::NoSlack), &[]);
            }
        }
    }
}
