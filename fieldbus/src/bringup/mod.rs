//! From a cable to SafeOp: ethercrab (without `std`) scans, addresses and brings the devices to PreOp with mailbox and process data set up;
//! everything else is ours, by single datagrams on the same link.
//!
//! Nothing of ethercrab lives on afterwards: storage, futures and group end with [`bring_up`], so that a process may bring up as many
//! segments as it likes, one after the other or in several threads.

mod change;
mod clocks;
mod error;
mod image;
mod mailboxes;
mod registers;
mod request;
mod runner;
mod save;
mod scan;
mod sdo;

pub use error::BringupError;
pub(crate) use error::{identity_hint, identity_text};
pub use runner::Emergency;
pub(crate) use scan::identity_agrees;
pub(crate) use sdo::{SERIAL, Setting};

use change::make_all;
use clocks::{anchor, find_clocks, start_sync};
use image::read_images;
use registers::{Device, stop_sync};
use request::Requests;
use scan::{Gathered, scan};

use crate::coe::{Counters, Failure, Mailbox, Object};
use crate::exchange::{BroughtUp, EtherCat};
use crate::layout::{Layout, ReferenceClock};
use crate::link::Link;
use crate::plan::{BusPlan, Identity, SubDevicePlan};

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

/// How long the steps of bring-up took, ns of the link's clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Took {
    /// Scan, addresses, identities, clocks' delays, until every device is in PreOp.
    pub scan_ns: u64,
    /// Start-up objects of all devices, written and read back.
    pub configure_ns: u64,
    /// Process data, watchdogs, SYNC0.
    pub map_ns: u64,
    /// Until every device is in SafeOp.
    pub safe_op_ns: u64,
}

impl Took {
    /// All of it.
    #[must_use]
    pub fn total_ns(&self) -> u64 {
        [self.configure_ns, self.map_ns, self.safe_op_ns]
            .iter()
            .fold(self.scan_ns, |sum, step| sum.saturating_add(*step))
    }
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
    /// How long it took.
    Took(Took),
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
    let mut gathered = Gathered::default();
    let begun_at = link.now();
    let mut devices = scan(&mut link, &mut requests, plan, &mut gathered, progress)?;
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
    let images = read_images(&mut link, &mut requests, plan)?;
    let mut changes = Vec::with_capacity(images.len());
    for (position, (planned, image)) in plan.subdevices.iter().zip(&images).enumerate() {
        let region = layout.regions.get(position).copied().flatten();
        let (link, requests) = (&mut link, &mut requests);
        let device = Device { link, requests, position, plan: planned };
        let mut of_device = device.map(image, region)?;
        of_device.extend(device.watchdog(image)?);
        changes.push(of_device);
    }
    make_all(&mut link, &mut requests, plan, changes)?;
    let counters = gathered.counters.iter().copied().chain(core::iter::repeat(Counters::default()));
    let mailboxes = images.iter().map(|image| Mailbox::parse(&image.managers)).zip(counters);
    let mailboxes = mailboxes.collect();
    let sync_start = match reference.filter(|_| plan.dc.is_some()) {
        Some(reference) => start_sync(&mut link, &mut requests, plan, reference)?,
        None => 0,
    };
    progress(Progress::SafeOp);
    let mapped_at = link.now();
    to_safe_op(&mut link, &mut requests, plan)?;
    let leads = reference.filter(|_| plan.dc.is_some()).map(|reference| reference.position);
    let saved = save::save(&mut link, &mut requests, plan, (&devices, leads))?;
    let clocks = match reference.filter(|_| plan.dc.is_some()) {
        Some(reference) => {
            let members = clocks.into_iter().filter(|p| *p != reference.position).collect();
            Some(anchor(&mut link, &mut requests, plan, reference, (members, sync_start))?)
        }
        None => None,
    };
    let took = Took {
        scan_ns: gathered.scanned_at.saturating_sub(begun_at),
        configure_ns: gathered.configured_at.saturating_sub(gathered.scanned_at),
        map_ns: mapped_at.saturating_sub(gathered.configured_at),
        safe_op_ns: link.now().saturating_sub(mapped_at),
    };
    progress(Progress::Took(took));
    let bus =
        EtherCat::new(link, plan, &layout, clocks, BroughtUp { devices, mailboxes, saved, took });
    let bus = bus.ok_or(BringupError::Plan(crate::layout::LayoutError::Frames))?;
    progress(Progress::Ready);
    Ok(bus)
}

/// A transfer with one device that is in PreOp or above, by whoever has the segment for himself: `tactus sdo`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transfer {
    /// Reads an object of up to so many bytes.
    Read(Object, usize),
    /// Writes an object.
    Write(Object, Vec<u8>),
}

/// With whom a transfer was, and what came of it: what was read, or nothing when it was written.
pub type Transferred<D> = (D, Result<Vec<u8>, Failure>);

/// Brings the segment to PreOp without any plan, does one transfer with the device at `position`, and takes the segment down to Init.
/// Outputs stay off: no device gets further than PreOp. With a plan the device must be the planned one. Returns the device and what was
/// read.
///
/// # Errors
/// The segment does not come to PreOp; there is no such device.
pub fn transfer<L: Link>(
    mut link: L,
    (position, planned): (usize, Option<&SubDevicePlan>),
    transfer: &Transfer,
) -> Result<Transferred<FoundDevice>, BringupError> {
    let mut requests = Requests::new();
    let (found, outcome) = scan::transfer(&mut link, &mut requests, (position, planned), transfer)?;
    // What was asked is answered; the devices fall back by themselves if this does not come about.
    let _ = requests.bring_all_to(&mut link, found.len(), 1, ACKNOWLEDGE, SHUTDOWN_TIMEOUT_NS);
    let count = found.len();
    match found.into_iter().nth(position) {
        Some(device) => Ok((device, outcome)),
        None => Err(BringupError::NoSuchDevice { position, count }),
    }
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
