//! From a cable to SafeOp: ethercrab (without `std`) scans, addresses and brings the devices to PreOp with mailbox and process data set up;
//! everything else is ours, by single datagrams on the same link.
//!
//! Nothing of ethercrab lives on afterwards: storage, futures and group end with [`bring_up`], so that a process may bring up as many
//! segments as it likes, one after the other or in several threads.

mod error;
mod registers;
mod request;
mod runner;
mod sdo;

use ethercrab::error::Error;
use ethercrab::subdevice_group::PreOp;
use ethercrab::{
    DefaultLock, MainDevice, MainDeviceConfig, PduStorage, RetryBehaviour, SubDevice,
    SubDeviceGroup, Timeouts,
};

pub use error::BringupError;
pub use runner::Emergency;

use core::time::Duration;
use registers::{Device, stop_sync, sync_start};
use request::{NoReply, Requests};
use runner::Runner;
use sdo::Mailbox;

use crate::exchange::{Clocks, EtherCat};
use crate::layout::{Layout, ReferenceClock, SUBDEVICES_MAX};
use crate::link::Link;
use crate::plan::{BusPlan, Identity};
use crate::time;
use crate::wire::register;

/// Frames of ethercrab under way at once; it sends one at a time.
const FRAMES: usize = 16;
/// Longest datagram of ethercrab: a mailbox.
const FRAME_BYTES: usize = PduStorage::element_size(1486);
/// Most process data that ethercrab lays out.
const PROCESS_DATA_MAX: usize = 16_384;
/// Scan to PreOp, ns.
const SCAN_TIMEOUT_NS: u64 = 120_000_000_000;
/// Tries to scan.
const SCAN_TRIES_MAX: u32 = 3;
/// PreOp → SafeOp, all devices (ETG1020: 10 s at most).
const SAFE_OP_TIMEOUT_NS: u64 = 10_000_000_000;
/// One step of the way down, ns.
const SHUTDOWN_TIMEOUT_NS: u64 = 500_000_000;
/// Frames of static drift compensation (ETG1020 recommends about 15 000).
const STATIC_SYNC_FRAMES: u32 = 10_000;
/// AL states (ETG1000.6 Table 9); with the bit that acknowledges an error.
const SAFE_OP: u8 = 4;
const ACKNOWLEDGE: u8 = 0x10;

type Group = SubDeviceGroup<SUBDEVICES_MAX, PROCESS_DATA_MAX, DefaultLock, PreOp>;

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

/// Brings the segment to SafeOp as planned. From then on [`Bus::exchange`](rt_core::Bus::exchange), called every period, takes it to Op.
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
    if let Some(reference) = reference.filter(|_| plan.dc.is_some()) {
        start_sync(&mut link, &mut requests, plan, reference)?;
    }
    progress(Progress::SafeOp);
    to_safe_op(&mut link, &mut requests, plan)?;
    let clocks = match reference.filter(|_| plan.dc.is_some()) {
        Some(reference) => {
            let members = clocks.into_iter().filter(|p| *p != reference.position).collect();
            Some(anchor(&mut link, &mut requests, plan, reference, members)?)
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

/// To PreOp. A line that loses frames may need more than one try; what a device refuses is final.
fn scan<L: Link>(
    link: &mut L,
    requests: &mut Requests,
    plan: &BusPlan,
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<FoundDevice>, BringupError> {
    let mut tries = 1;
    loop {
        progress(Progress::Scanning);
        let outcome = to_pre_op(link, requests, plan, progress);
        match outcome {
            Err(BringupError::Scan { evidence: None, .. }) if tries < SCAN_TRIES_MAX => tries += 1,
            Ok(_) | Err(_) => return outcome,
        }
    }
}

fn to_pre_op<L: Link>(
    link: &mut L,
    requests: &mut Requests,
    plan: &BusPlan,
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<FoundDevice>, BringupError> {
    let expected = plan.subdevices.len();
    let count = match requests.count(link) {
        Ok(0) | Err(NoReply::Silent) => return Err(BringupError::Silent { expected }),
        Ok(count) => usize::from(count),
        Err(reason) => return Err(BringupError::no_reply("counting the devices", reason)),
    };
    let scan =
        |cause: String| BringupError::Scan { what: "scanning the segment", cause, evidence: None };
    if count > SUBDEVICES_MAX {
        return Err(scan(format!("{count} devices answer, {SUBDEVICES_MAX} are supported")));
    }
    let storage = Box::new(PduStorage::<FRAMES, FRAME_BYTES>::new());
    let Ok((tx, rx, pdu_loop)) = storage.try_split() else {
        return Err(scan("frame storage is in use".to_owned()));
    };
    let config = MainDeviceConfig {
        dc_static_sync_iterations: if plan.dc.is_some() { STATIC_SYNC_FRAMES } else { 0 },
        retry_behaviour: RetryBehaviour::Count(3),
    };
    let maindevice = MainDevice::new(pdu_loop, timeouts(), config);
    let mut runner = Runner::new(link, tx, rx);
    let outcome = set_up(&mut runner, &maindevice, plan, progress);
    // They may say why it failed.
    for emergency in runner.emergencies {
        progress(Progress::Emergency(emergency));
    }
    outcome
}

/// Everything that ethercrab does.
fn set_up<L: Link>(
    runner: &mut Runner<'_, L>,
    maindevice: &MainDevice<'_>,
    plan: &BusPlan,
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<FoundDevice>, BringupError> {
    const MAPPING: &str = "laying out process data";
    let mut found = Vec::new();
    let group = scan_devices(runner, maindevice, plan, &mut found)?;
    configure(runner, maindevice, &group, plan, &mut found, progress)?;
    let mapped = runner.run(Box::pin(group.into_pre_op_pdi(maindevice)), SCAN_TIMEOUT_NS);
    let mapped =
        mapped.map_err(|reason| BringupError::stalled(MAPPING, reason, SCAN_TIMEOUT_NS))?;
    match mapped {
        Ok(_) => Ok(found),
        Err(error) => Err(failed(runner, MAPPING, error, found.len())),
    }
}

fn timeouts() -> Timeouts {
    Timeouts {
        state_transition: Duration::from_secs(10),
        pdu: Duration::from_millis(100),
        eeprom: Duration::from_millis(200),
        wait_loop_delay: Duration::from_micros(200),
        mailbox_echo: Duration::from_millis(500),
        mailbox_response: Duration::from_secs(2),
    }
}

/// ethercrab's error with the first device that reports one.
fn failed<L: Link>(
    runner: &mut Runner<'_, L>,
    what: &'static str,
    error: Error,
    devices: usize,
) -> BringupError {
    let evidence = (0..devices).find_map(|position| {
        let found = runner.requests.al_status(runner.link, position).ok()?;
        (found.status & u16::from(ACKNOWLEDGE) != 0).then_some((position, found.status, found.code))
    });
    BringupError::Scan { what, cause: error.to_string(), evidence }
}

fn scan_devices<L: Link>(
    runner: &mut Runner<'_, L>,
    maindevice: &MainDevice<'_>,
    plan: &BusPlan,
    found: &mut Vec<FoundDevice>,
) -> Result<Group, BringupError> {
    let mut mismatch = None;
    let init = maindevice.init::<SUBDEVICES_MAX, Group>(
        time::now,
        Group::default(),
        |group, subdevice| {
            let device = describe(found.len(), subdevice);
            let outcome = compare(plan, &device);
            found.push(device);
            match outcome {
                Ok(()) => Ok(group),
                Err(error) => {
                    mismatch = Some(error);
                    Err(Error::UnknownSubDevice)
                }
            }
        },
    );
    let outcome = runner.run(Box::pin(init), SCAN_TIMEOUT_NS);
    let outcome = outcome
        .map_err(|reason| BringupError::stalled("scanning the segment", reason, SCAN_TIMEOUT_NS))?;
    let group = match (outcome, mismatch) {
        (_, Some(BringupError::Unplanned { position, found, expected_count, .. })) => {
            let found_count = maindevice.num_subdevices();
            return Err(BringupError::Unplanned { position, found, found_count, expected_count });
        }
        (_, Some(mismatch)) => return Err(mismatch),
        (Ok(group), None) => group,
        (Err(error), None) => {
            let devices = maindevice.num_subdevices();
            return Err(failed(runner, "scanning the segment", error, devices));
        }
    };
    if let Some(missing) = plan.subdevices.get(found.len()) {
        return Err(BringupError::Missing {
            position: found.len(),
            name: missing.name.clone(),
            expected: missing.identity,
            found: found.len(),
            expected_count: plan.subdevices.len(),
        });
    }
    Ok(group)
}

fn describe(position: usize, subdevice: &SubDevice) -> FoundDevice {
    let identity = subdevice.identity();
    FoundDevice {
        position,
        name: subdevice.name().to_owned(),
        identity: Identity {
            vendor: identity.vendor_id,
            product: identity.product_id,
            revision: Some(identity.revision),
            serial: (identity.serial != 0).then_some(identity.serial),
        },
        has_clock: subdevice.dc_support().any(),
    }
}

/// Whether the device at its position is the one planned. A serial number that the SII does not have is compared later.
fn compare(plan: &BusPlan, device: &FoundDevice) -> Result<(), BringupError> {
    let (position, found) = (device.position, device.identity);
    let Some(planned) = plan.subdevices.get(position) else {
        return Err(BringupError::Unplanned {
            position,
            found,
            found_count: position + 1,
            expected_count: plan.subdevices.len(),
        });
    };
    let expected = planned.identity;
    let agrees = |expected: Option<u32>, found: Option<u32>| {
        expected.is_none() || found.is_none() || expected == found
    };
    if expected.vendor == found.vendor
        && expected.product == found.product
        && agrees(expected.revision, found.revision)
        && agrees(expected.serial, found.serial)
    {
        return Ok(());
    }
    Err(BringupError::Identity { position, name: planned.name.clone(), expected, found })
}

fn configure<L: Link>(
    runner: &mut Runner<'_, L>,
    maindevice: &MainDevice<'_>,
    group: &Group,
    plan: &BusPlan,
    found: &mut [FoundDevice],
    progress: &mut dyn FnMut(Progress),
) -> Result<(), BringupError> {
    for (planned, device) in plan.subdevices.iter().zip(found) {
        let position = device.position;
        let Ok(subdevice) = group.subdevice(maindevice, position) else { continue };
        let mailbox = Mailbox { position, plan: planned, device: subdevice };
        if device.identity.serial.is_none() {
            device.identity.serial = mailbox.serial(runner)?.filter(|serial| *serial != 0);
        }
        let (expected, identity) = (planned.identity, device.identity);
        if expected.serial.is_some() && expected.serial != identity.serial {
            let name = planned.name.clone();
            return Err(BringupError::Identity { position, name, expected, found: identity });
        }
        progress(Progress::Found(device.clone()));
        if planned.configurable_pdos || !planned.startup.is_empty() {
            progress(Progress::Configuring { position, name: planned.name.clone() });
        }
        if planned.configurable_pdos {
            mailbox.assign_pdos(runner)?;
        }
        mailbox.start_up(runner)?;
    }
    Ok(())
}

fn start_sync<L: Link>(
    link: &mut L,
    requests: &mut Requests,
    plan: &BusPlan,
    reference: ReferenceClock,
) -> Result<(), BringupError> {
    let position = usize::from(reference.position);
    let Some(planned) = plan.subdevices.get(position) else { return Err(BringupError::NoClock) };
    let now = Device { link, requests, position, plan: planned }.system_time()?;
    let start = sync_start(plan, now);
    for (position, planned) in plan.subdevices.iter().enumerate() {
        if let Some(sync0) = planned.sync0 {
            Device { link, requests, position, plan: planned }.sync0(sync0, start)?;
        }
    }
    Ok(())
}

/// Positions of the devices with a system time. Some say that they have distributed clocks and only measure delays.
fn find_clocks<L: Link>(
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
fn anchor<L: Link>(
    link: &mut L,
    requests: &mut Requests,
    plan: &BusPlan,
    reference: ReferenceClock,
    members: Vec<u16>,
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
            best = Some((took, Clocks { members: members.clone(), dc_time, link_time }));
        }
    }
    best.map(|(_, clocks)| clocks).ok_or(BringupError::NoClock)
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
