//! SDO transfers with many devices side by side: each round brings every device's next datagram, all in flight together.

use super::request::{NoReply, Requests};
use super::runner::Emergency;
use crate::coe::{Conversation, Counters, Failure, Mailbox, Object, Step};
use crate::link::Link;

/// How long the frames of a round are waited for, ns; a loaded machine may take long to wake a virtual segment.
const ROUND_NS: u64 = 30_000_000;
/// Rounds in a row of which nothing comes back before the segment counts as silent.
const SILENT_ROUNDS_MAX: u32 = 10;
/// Between two looks when nobody has an answer yet, ns.
const LOOK_NS: u64 = 100_000;
/// Room for an answer during bring-up, bytes.
const ROOM: usize = 256;

/// What a device is asked next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// To read this.
    Read(Object),
    /// To write this.
    Write(Object, Vec<u8>),
}

/// Whoever has questions to one device.
pub(crate) trait Asker {
    /// The next question, once the last was answered. `None`: there is no more.
    fn next(&mut self) -> Option<Ask>;

    /// The answer to it: what was read, or nothing when it was written.
    fn answered(&mut self, outcome: Result<&[u8], Failure>);
}

/// One device in conversation.
pub(crate) struct Talk<'a> {
    position: usize,
    asker: &'a mut dyn Asker,
    conversation: Conversation,
    is_asking: bool,
}

impl<'a> Talk<'a> {
    /// With the device at `position`, whose mailboxes are these; answers have `room` bytes.
    pub(crate) fn new(
        position: usize,
        mailbox: Mailbox,
        room: Option<usize>,
        asker: &'a mut dyn Asker,
    ) -> Self {
        let room = room.unwrap_or(ROOM);
        let mut conversation = Conversation::new(room, usize::from(mailbox.out.1));
        conversation.turn_to(u16::try_from(position).unwrap_or(u16::MAX), mailbox);
        Self { position, asker, conversation, is_asking: false }
    }

    /// Asks the next question; false when there is none.
    fn go_on(&mut self, now: u64) -> bool {
        while !self.is_asking {
            match self.asker.next() {
                Some(Ask::Read(object)) => {
                    self.conversation.read(object, now);
                    self.is_asking = true;
                }
                Some(Ask::Write(object, data)) => {
                    self.is_asking = self.conversation.write(object, &data, now);
                    if !self.is_asking {
                        let bytes = u32::try_from(data.len()).unwrap_or(u32::MAX);
                        self.asker.answered(Err(Failure::TooLong { bytes }));
                    }
                }
                None => return false,
            }
        }
        true
    }
}

/// Until every asker has no more questions. `counters`: of the messages, by position.
pub(crate) fn talk<L: Link>(
    link: &mut L,
    requests: &mut Requests,
    talks: &mut [Talk<'_>],
    counters: &mut [Counters],
    emergencies: &mut Vec<Emergency>,
) -> Result<(), NoReply> {
    let mut spare = Counters::default();
    let mut silent = 0;
    loop {
        let now = link.now();
        let (mut who, mut datagrams) = (Vec::new(), Vec::new());
        for (number, talk) in talks.iter_mut().enumerate() {
            let counters = counters.get_mut(talk.position).unwrap_or(&mut spare);
            if talk.go_on(now)
                && let Some((spec, data)) = talk.conversation.datagram(counters)
            {
                who.push(number);
                datagrams.push((spec, data.to_vec()));
            }
        }
        if who.is_empty() {
            return Ok(());
        }
        let answers = requests.ask_all(link, &datagrams, ROUND_NS).map_err(NoReply::Link)?;
        silent = if answers.iter().all(Option::is_none) { silent + 1 } else { 0 };
        if silent >= SILENT_ROUNDS_MAX {
            return Err(NoReply::Silent);
        }
        let now = link.now();
        let mut is_waiting = true;
        for (number, answer) in who.into_iter().zip(answers) {
            let Some(talk) = talks.get_mut(number) else { continue };
            let counters = counters.get_mut(talk.position).unwrap_or(&mut spare);
            let answer = answer.as_ref().map(|answer| (answer.working_counter, &*answer.data));
            let step = talk.conversation.answered(answer, counters, now);
            match step {
                Step::Next => {}
                Step::Emergency(emergency) => emergencies.push(Emergency {
                    position: emergency.device,
                    code: emergency.code,
                    register: emergency.register,
                    data: emergency.data,
                }),
                Step::Done(outcome) => {
                    talk.is_asking = false;
                    talk.asker.answered(outcome.map(|()| talk.conversation.transfer.data()));
                }
            }
            is_waiting &= step == Step::Next && talk.conversation.is_waiting();
        }
        if is_waiting {
            link.idle(now + LOOK_NS);
        }
    }
}
