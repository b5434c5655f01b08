//! Distributed clocks: who has one, SYNC0, and how the reference clock lies to the link's time.

use super::FoundDevice;
use super::change::make_all;
use super::error::BringupError;
use super::registers::{Device, first_pulse, sync_start, sync0};
use super::request::Requests;
use crate::exchange::Clocks;
use crate::layout::ReferenceClock;
use crate::link::Link;
use crate::plan::BusPlan;
use crate::wire::register;

/// Starts SYNC0 of all devices that shall have it; returns when its pulses begin, DC system time in ns.
pub(super) fn start_sync<L: Link>(
    link: &mut L,
    requests: &mut Requests,
    plan: &BusPlan,
    reference: ReferenceClock,
) -> Result<u64, BringupError> {
    let position = usize::from(reference.position);
    let Some(planned) = plan.subdevices.get(position) else { return Err(BringupError::NoClock) };
    let now = Device { link, requests, position, plan: planned }.system_time()?;
    let start = sync_start(plan, now);
    let changes = plan
        .subdevices
        .iter()
        .map(|planned| planned.sync0.map_or_else(Vec::new, |planned| sync0(planned, start)));
    make_all(link, requests, plan, changes.collect())?;
    for (position, planned) in plan.subdevices.iter().enumerate() {
        if let Some(sync0) = planned.sync0 {
            let mut device = Device { link, requests, position, plan: planned };
            device.sync0_in_time(first_pulse(sync0, start))?;
        }
    }
    Ok(start)
}

/// Positions of the devices with a system time. Some say that they have distributed clocks and only measure delays.
pub(super) fn find_clocks<L: Link>(
    link: &mut L,
    requests: &mut Requests,
    devices: &mut [FoundDevice],
) -> Result<Vec<u16>, BringupError> {
    let mut clocks = Vec::new();
    for (position, device) in (0u16..).zip(devices) {
        if device.has_clock {
            let time = requests.read(link, device.position, register::DC_SYSTEM_TIME, 8);
            let time = time.map_err(|reason| BringupError::no_reply("finding clocks", reason))?;
            device.has_clock = time.is_some();
        }
        if device.has_clock {
            clocks.push(position);
        }
    }
    Ok(clocks)
}

/// DC system time at the reference, together with the link's time.
pub(super) fn anchor<L: Link>(
    link: &mut L,
    requests: &mut Requests,
    plan: &BusPlan,
    reference: ReferenceClock,
    (members, sync_start): (Vec<u16>, u64),
) -> Result<Clocks, BringupError> {
    let position = usize::from(reference.position);
    let Some(planned) = plan.subdevices.get(position) else { return Err(BringupError::NoClock) };
    let mut best: Option<(u64, Clocks)> = None;
    // The shortest of a few round trips says it best.
    for _ in 0..8 {
        let sent_at = link.now();
        let dc_time = Device { link, requests, position, plan: planned }.system_time()?;
        let took = link.now() - sent_at;
        if best.as_ref().is_none_or(|(shortest, _)| took < *shortest) {
            let link_time = sent_at + took / 2;
            let (reference, members) = (reference.position, members.clone());
            best = Some((took, Clocks { reference, members, dc_time, link_time, sync_start }));
        }
    }
    best.map(|(_, clocks)| clocks).ok_or(BringupError::NoClock)
}
