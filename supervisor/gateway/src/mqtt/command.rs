//! What comes from the broker: commands to the node, and the state of the primary host. Everything else is refused and counted; nothing
//! that comes from here ever reaches the machine.

use prost::Message as _;
use serde::Deserialize;

use super::catalogue::{ACKNOWLEDGE, Catalogue, REBIRTH};
use super::payload::{Metric, Payload, Value};

/// Longest message that is looked at, bytes.
pub(super) const MESSAGE_MAX: usize = 64 << 10;

/// What a host may ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// Births of everything.
    Rebirth,
    /// It has a class of records up to a sequence.
    Acknowledge { queue: String, class: String, up_to: u64 },
}

/// What was in a message.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Read {
    pub(super) commands: Vec<Command>,
    /// Metrics that nobody may write, or with a value that is none.
    pub(super) refused: u64,
    /// It was no message.
    pub(super) malformed: bool,
}

/// A command to the node (NCMD) or to a device (DCMD, where nothing may be written). A command that the broker kept is of yesterday.
pub(super) fn read(bytes: &[u8], to_node: bool, kept: bool, catalogue: &Catalogue) -> Read {
    let mut read = Read::default();
    let payload = match Payload::decode(bytes) {
        Ok(payload) if bytes.len() <= MESSAGE_MAX => payload,
        Ok(_) | Err(_) => return Read { malformed: true, ..read },
    };
    for metric in &payload.metrics {
        match judge(metric, catalogue).filter(|_| to_node && !kept) {
            Some(Some(command)) => read.commands.push(command),
            Some(None) => {}
            None => read.refused += 1,
        }
    }
    read
}

/// `None`: refused. `Some(None)`: allowed, and nothing is asked for.
fn judge(metric: &Metric, catalogue: &Catalogue) -> Option<Option<Command>> {
    let (name, datatype) = catalogue.of_node(metric)?;
    // Some hosts leave the type out: then it is what our birth says.
    let said = metric.datatype.filter(|said| *said != 0).unwrap_or(datatype.number());
    let value = metric.value.as_ref().filter(|value| datatype.fits(value))?;
    if said != datatype.number() {
        return None;
    }
    match (name, value) {
        (REBIRTH, Value::Boolean(asked)) => Some(asked.then_some(Command::Rebirth)),
        (ACKNOWLEDGE, Value::String(text)) => acknowledgement(text).map(Some),
        _ => None,
    }
}

/// `<queue> <class> <sequence>`.
fn acknowledgement(text: &str) -> Option<Command> {
    let mut words = text.split(' ');
    let (queue, class) = (words.next()?.to_owned(), words.next()?.to_owned());
    let up_to = words.next()?.parse().ok()?;
    words.next().is_none().then_some(Command::Acknowledge { queue, class, up_to })
}

/// What STATE says of the primary host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct State {
    pub(super) online: bool,
    /// ms since 1970, by its clock.
    pub(super) timestamp: u64,
}

/// What is known of the primary host in a session.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Host(Option<State>);

/// What a STATE message changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// It is online.
    Online,
    /// It is not.
    Offline,
    /// Older than what is known: says nothing.
    Stale,
    /// It is no state.
    Malformed,
}

impl Host {
    pub(super) fn take(&mut self, bytes: &[u8]) -> News {
        let short = bytes.len() <= MESSAGE_MAX;
        let Some(state) = serde_json::from_slice::<State>(bytes).ok().filter(|_| short) else {
            return News::Malformed;
        };
        if self.0.is_some_and(|known| state.timestamp < known.timestamp) {
            return News::Stale;
        }
        self.0 = Some(state);
        if state.online { News::Online } else { News::Offline }
    }

    pub(super) fn is_online(self) -> bool {
        self.0.is_some_and(|state| state.online)
    }
}
