//! What bring-up found right, saved for a device that loses its supply.

use super::FoundDevice;
use super::error::BringupError;
use super::registers::Device;
use super::request::Requests;
use super::sdo::settings;
use crate::exchange::{Saved, SavedClock, Written};
use crate::link::Link;
use crate::plan::BusPlan;
use crate::wire::register;

const SYNC_MANAGER_BYTES: u16 = 8;
const FMMU_BYTES: u16 = 16;
/// The first two SyncManagers of a device with mailboxes are theirs.
const MAILBOXES: usize = 2;

/// Reads what every device would need again. `leads`: position of the reference clock, when clocks are used.
pub(super) fn save<L: Link>(
    link: &mut L,
    requests: &mut Requests,
    plan: &BusPlan,
    (found, leads): (&[FoundDevice], Option<u16>),
) -> Result<Box<[Saved]>, BringupError> {
    let mut saved = Vec::with_capacity(found.len());
    for (known, planned) in found.iter().zip(&plan.subdevices) {
        let position = known.position;
        let mut device = Device { link, requests, position, plan: planned };
        let (fmmus, managers) = device.entities()?;
        let managers = device.rows((register::SYNC_MANAGER, SYNC_MANAGER_BYTES, managers))?;
        let fmmus = device.rows((register::FMMU, FMMU_BYTES, fmmus))?;
        let has_mailbox = device.mailbox()?.is_some();
        // Status and what is the device's side are not ours to write.
        let managers = managers.into_iter().map(|(register, mut bytes)| {
            for at in [5, 7] {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = 0;
                }
            }
            (register, bytes)
        });
        let mut managers: Vec<Written> = managers.collect();
        let mailboxes = if has_mailbox { MAILBOXES } else { 0 };
        let mut process_data = managers.split_off(mailboxes.min(managers.len()));
        process_data.retain(|(_, bytes)| bytes.get(6).is_some_and(|active| active & 1 != 0));
        for register in [register::WATCHDOG_DIVIDER, register::WATCHDOG_TIME] {
            if planned.watchdog_ns.is_some() {
                process_data.push((register, device.read(register, 2, "watchdog")?.into()));
            }
        }
        let clock = match (leads, known.has_clock, &plan.dc) {
            (Some(leads), true, Some(dc)) => Some(SavedClock {
                delay: device.delay()?,
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
            fmmus: fmmus.into_iter().filter(active).collect(),
        });
    }
    Ok(saved.into_boxed_slice())
}

impl<L: Link> Device<'_, L> {
    /// `count` equal pieces of registers.
    fn rows(
        &mut self,
        (first, bytes, count): (u16, u16, u16),
    ) -> Result<Vec<Written>, BringupError> {
        let mut rows = Vec::with_capacity(usize::from(count));
        for number in 0..count {
            let register = first + number * bytes;
            rows.push((register, self.read(register, bytes, "settings")?.into()));
        }
        Ok(rows)
    }

    fn delay(&mut self) -> Result<[u8; 4], BringupError> {
        let bytes = self.read(register::DC_DELAY, 4, "system time delay")?;
        Ok(bytes.first_chunk().copied().unwrap_or_default())
    }
}
