//! Registers of all devices that are to be changed: written at once, read back at once, and again one by one where a device did not take
//! them, which says what is wrong.

use super::error::BringupError;
use super::image::{Wanted, read_all};
use super::registers::Device;
use super::request::{NoReply, REPLY_TIMEOUT_NS, Requests};
use crate::layout::station;
use crate::link::Link;
use crate::plan::BusPlan;
use crate::wire::{Command, DatagramSpec};

/// One register that is to hold something.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) register: u16,
    pub(super) data: Vec<u8>,
    pub(super) what: &'static str,
    /// What is written is read again.
    pub(super) is_kept: bool,
    /// What it means that the device does not take it, where that says more than the register.
    pub(super) refused: Option<BringupError>,
}

impl Change {
    /// Written and read back.
    pub(super) fn set(register: u16, data: &[u8], what: &'static str) -> Self {
        Self { register, data: data.to_vec(), what, is_kept: true, refused: None }
    }

    /// Written; what it reads as afterwards is the device's own.
    pub(super) fn write(register: u16, data: &[u8], what: &'static str) -> Self {
        Self { is_kept: false, ..Self::set(register, data, what) }
    }

    fn length(&self) -> u16 {
        u16::try_from(self.data.len()).unwrap_or(u16::MAX)
    }
}

/// Makes the changes of every device, by position, in their order.
pub(super) fn make_all<L: Link>(
    link: &mut L,
    requests: &mut Requests,
    plan: &BusPlan,
    changes: Vec<Vec<Change>>,
) -> Result<(), BringupError> {
    let mut datagrams = Vec::new();
    let mut wanted = Vec::new();
    for (position, changes) in changes.iter().enumerate() {
        for change in changes {
            let (station, length) = (station(position), change.length());
            let spec = DatagramSpec::register(Command::Fpwr, station, change.register, length);
            datagrams.push((spec, change.data.clone()));
        }
        let kept = last_of_each(changes).filter(|change| change.is_kept);
        wanted.extend(kept.map(|change| Wanted {
            position,
            register: change.register,
            length: change.length(),
            what: change.what,
        }));
    }
    let answers = requests.ask_all(link, &datagrams, REPLY_TIMEOUT_NS);
    let answers = answers
        .map_err(|fault| BringupError::no_reply("writing registers", NoReply::Link(fault)))?;
    let mut taken =
        answers.into_iter().map(|answer| answer.is_some_and(|answer| answer.working_counter == 1));
    let mut found = read_all(link, requests, plan, &wanted)?.into_iter();
    for ((position, changes), planned) in changes.into_iter().enumerate().zip(&plan.subdevices) {
        let all_taken = taken.by_ref().take(changes.len()).filter(|taken| !taken).count() == 0;
        let kept = last_of_each(&changes).filter(|change| change.is_kept);
        // All of them are looked at: what was read lies in their order.
        let differs = |change: &Change| found.next().as_ref() != Some(&change.data);
        if kept.map(differs).filter(|differs| *differs).count() > 0 || !all_taken {
            let mut device = Device { link, requests, position, plan: planned };
            changes.into_iter().try_for_each(|change| device.make(change))?;
        }
    }
    Ok(())
}

/// Without those that a later one overwrites.
fn last_of_each(changes: &[Change]) -> impl Iterator<Item = &Change> {
    changes.iter().enumerate().filter_map(|(n, change)| {
        let mut later = changes.iter().skip(n + 1);
        later.all(|later| later.register != change.register).then_some(change)
    })
}

impl<L: Link> Device<'_, L> {
    fn make(&mut self, change: Change) -> Result<(), BringupError> {
        let made = if change.is_kept {
            self.set(change.register, &change.data, change.what)
        } else {
            self.write(change.register, &change.data, change.what)
        };
        made.map_err(|error| change.refused.unwrap_or(error))
    }
}
