//! From a cable to SafeOp: ethercrab (without `std`) scans, addresses and brings the devices to PreOp with mailbox and process data set up;
//! everything else is ours, by single datagrams on the same link.
//!
//! Nothing of ethercrab lives on afterwards: storage, futures and group end with [`bring_up`], so that a process may bring up as many
//! segments as it likes, one after the other or in several threads.

mod clocks;
mod error;
mod registers;
mod request;
mod runner;
mod scan;
mod sdo;

pub use error::BringupError;
pub use runner::Emergency;

use clocks::{anchor, find_clocks, start_sync};
use registers::{Device, stop_sync};
use request::Requests;
use scan::scan;

use crate::exchange::EtherCat;
use crate::layout::{Layout, ReferenceClock};
use crate::link::Link;
use crate::plan::{BusPlan, Identity};

/// PreOp → SafeOp, all devices (ETG1020: 10 s at most).
const SAFE_OP_TIMEOUT_NS: u64 = 10_000_000_000;
/// One step of the way down, ns.
const SHUTDOWN_TIMEOUT_NS: u64 = 500_000_000;
/// AL states (ETG1000.6 Table 9); with the bit that acknowledges an error.
const SAFE_OP: u8 = 4;
const ACKNOWLEDGE: u8 = 0x10;

/// A device that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundDevice {
    /// Its position, from 0.
    pub position: usize,
    /// Its name in the device itself (SII).
    pub name: String,
    /// Vendor, product, revision and serial number; serial `None`: it has none.
    pub identity: Identity,
    /// It has a distributed clock with a system time.
    pub has_clock: bool,
}

/// How far bring-up is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Devices are counted, addressed and asked who they are.
    Scanning,
    /// A device was found.
    Found(FoundDevice),
    /// Its start-up SDOs are written and read back.
    Configuring {
        /// Its position.
        position: usize,
        /// Its name in the machine file.
        name: String,
    },
    /// Process data are laid out, watchdogs and clocks set.
    Mapping,
    /// All are on their way to SafeOp.
    SafeOp,
    /// A device sent an emergency meanwhile.
    Emergency(Emergency),
    /// All are in SafeOp; the exchange may begin.
    Ready,
}

/// Brings the segment to SafeOp as planned. Takes its time and memory, and most of a MiB of stack: not for a thread that is real-time
/// already. From then on [`Bus::exchange`](rt_core::Bus::exchange), called every period, takes it to Op.
///
/// # Errors
/// What does not fit or does not answer, where, and what to do.
pub fn bring_up<L: Link>(
    mut link: L,
    plan: &BusPlan,
    progress: &mut dyn FnMut(Progress),
) -> Result<EtherCat<L>, BringupError> {
    Layout::new(plan, None)?;
    let mut requests = Requests::new();
    let mut devices = scan(&mut link, &mut requests, plan, progress)?;
    progress(Progress::Mapping);
    let clocks = find_clocks(&mut link, &mut requests, &mut devices)?;
    let reference = clocks.first().map(|position| ReferenceClock {
        position: *position,
        devices: u16::try_from(clocks.len()).unwrap_or(u16::MAX),
    });
    if plan.dc.is_some() && reference.is_none() {
        return Err(BringupError::NoClock);
    }
    let layout = Layout::new(plan, reference)?;
    for (position, device) in plan.subdevices.iter().enumerate() {
        let region = layout.regions.get(position).copied().flatten();
        let mut device =
            Device { link: &mut link, requests: &mut requests, position, plan: device };
        device.map(region)?;
        device.watchdog()?;
    }
    let sync_start = match reference.filter(|_| plan.dc.is_some()) {
        Some(reference) => start_sync(&mut link, &mut requests, plan, reference)?,
        None => 0,
    };
    progress(Progress::SafeOp);
    to_safe_op(&mut link, &mut requests, plan)?;
    let clocks = match reference.filter(|_| plan.dc.is_some()) {
        Some(reference) => {
            let members = clocks.into_iter().filter(|p| *p != reference.position).collect();
            Some(anchor(&mut link, &mut requests, plan, reference, (members, sync_start))?)
        }
        None => None,
    };
    let bus = EtherCat::new(link, plan, &layout, clocks, devices);
    let bus = bus.ok_or(BringupError::Plan(crate::layout::LayoutError::Frames))?;
    progress(Progress::Ready);
    Ok(bus)
}

/// Takes the segment down, in order: SafeOp, PreOp, SYNC0 off, Init. Goes on when a step fails; the first failure is returned.
pub(crate) fn take_down<L: Link>(link: &mut L, known: &[FoundDevice]) -> Result<(), BringupError> {
    let devices = known.len();
    let mut requests = Requests::new();
    let mut outcome = Ok(());
    for state in [SAFE_OP, 2, 1] {
        if state == 1 {
            stop_sync(link, &mut requests, devices);
        }
        let step = requests.bring_all_to(link, devices, state, ACKNOWLEDGE, SHUTDOWN_TIMEOUT_NS);
        let step = match step {
            Ok(None) => Ok(()),
            Ok(Some((position, found))) => Err(BringupError::State {
                position,
                name: known.get(position).map_or_else(String::new, |device| device.name.clone()),
                requested: u16::from(state),
                status: found.status,
                code: found.code,
            }),
            Err(reason) => Err(BringupError::no_reply("taking the segment down", reason)),
        };
        outcome = outcome.and(step);
        if matches!(outcome, Err(BringupError::Link { .. } | BringupError::TimedOut { .. })) {
            break;
        }
    }
    outcome
}

fn to_safe_op<L: Link>(
    link: &mut L,
    requests: &mut Requests,
    plan: &BusPlan,
) -> Result<(), BringupError> {
    let devices = plan.subdevices.len();
    let outcome = requests.bring_all_to(link, devices, SAFE_OP, 0, SAFE_OP_TIMEOUT_NS);
    let outcome = outcome.map_err(|reason| BringupError::no_reply("going to SafeOp", reason))?;
    let Some((position, found)) = outcome else { return Ok(()) };
    Err(BringupError::State {
        position,
        name: plan.subdevices.get(position).map_or_else(String::new, |device| device.name.clone()),
        requested: u16::from(SAFE_OP),
        status: found.status,
        code: found.code,
    })
}
