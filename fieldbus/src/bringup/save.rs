//! What bring-up found right, saved for a device that loses its supply.

use super::FoundDevice;
use super::error::BringupError;
use super::image::read_images;
use super::registers::Device;
use super::request::Requests;
use super::sdo::settings;
use crate::coe::Mailbox;
use crate::exchange::{Saved, SavedClock, Written};
use crate::link::Link;
use crate::plan::BusPlan;
use crate::wire::register;

/// The first two SyncManagers of a device with mailboxes are theirs.
const MAILBOXES: usize = 2;

/// Reads what every device would need again. `leads`: position of the reference clock, when clocks are used.
pub(super) fn save<L: Link>(
    link: &mut L,
    requests: &mut Requests,
    plan: &BusPlan,
    (found, leads): (&[FoundDevice], Option<u16>),
) -> Result<Box<[Saved]>, BringupError> {
    let images = read_images(link, requests, plan)?;
    let mut saved = Vec::with_capacity(found.len());
    for ((known, planned), image) in found.iter().zip(&plan.subdevices).zip(&images) {
        let position = known.position;
        // Status and what is the device's side are not ours to write.
        let managers = rows(image.managers()).map(|(register, mut bytes)| {
            for at in [5, 7] {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = 0;
                }
            }
            (register, bytes)
        });
        let mut managers: Vec<Written> = managers.collect();
        let has_mailbox = Mailbox::parse(&image.managers).is_some();
        let mailboxes = if has_mailbox { MAILBOXES } else { 0 };
        let mut process_data = managers.split_off(mailboxes.min(managers.len()));
        process_data.retain(|(_, bytes)| bytes.get(6).is_some_and(|active| active & 1 != 0));
        if let Some([divider, time]) = &image.watchdog {
            process_data.push((register::WATCHDOG_DIVIDER, divider.as_slice().into()));
            process_data.push((register::WATCHDOG_TIME, time.as_slice().into()));
        }
        let clock = match (leads, known.has_clock, &plan.dc) {
            (Some(leads), true, Some(dc)) => Some(SavedClock {
                delay: Device { link, requests, position, plan: planned }.delay()?,
                sync0: planned.sync0,
                window_ns: dc.lock_window_ns,
                leads: usize::from(leads) == position,
                period_ns: plan.period_ns,
            }),
            _ => None,
        };
        let active = |row: &Written| row.1.get(12).is_some_and(|active| active & 1 != 0);
        saved.push(Saved {
            identity: known.identity,
            mailboxes: managers,
            settings: settings(planned),
            process_data,
            clock,
            fmmus: rows(image.fmmus()).filter(active).collect(),
        });
    }
    Ok(saved.into_boxed_slice())
}

/// Equal pieces of registers.
fn rows<'a>(rows: impl Iterator<Item = (u16, &'a [u8])>) -> impl Iterator<Item = Written> {
    rows.map(|(register, bytes)| (register, bytes.into()))
}

impl<L: Link> Device<'_, L> {
    fn delay(&mut self) -> Result<[u8; 4], BringupError> {
        let bytes = self.read(register::DC_DELAY, 4, "system time delay")?;
        Ok(bytes.first_chunk().copied().unwrap_or_default())
    }
}
