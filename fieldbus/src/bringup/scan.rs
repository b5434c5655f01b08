//! ethercrab's part: scan, identities, start-up SDOs, PreOp with process data mapped.

use core::time::Duration;

use ethercrab::error::{Error, TimeoutError};
use ethercrab::subdevice_group::PreOp;
use ethercrab::{
    DefaultLock, MainDevice, MainDeviceConfig, PduStorage, RetryBehaviour, SubDevice,
    SubDeviceGroup, Timeouts,
};

use super::error::BringupError;
use super::mailboxes::Talk;
use super::request::{NoReply, Requests};
use super::runner::Runner;
use super::sdo::{Reading, SERIAL, Setup, Single};
use super::{FoundDevice, Progress, Transfer, Transferred};
use crate::coe::{Counters, Failure, Mailbox, Object};
use crate::layout::SUBDEVICES_MAX;
use crate::link::Link;
use crate::plan::{BusPlan, Identity, SubDevicePlan};
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
/// Frames of static drift compensation (ETG1020 recommends about 15 000).
const STATIC_SYNC_FRAMES: u32 = 10_000;
/// AL status: an error; the state that ethercrab goes to.
const ERROR: u16 = 0x10;
const PRE_OP: u16 = 2;

/// What the way to PreOp leaves behind besides the devices.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// Counters of the messages, by position.
    pub(super) counters: Vec<Counters>,
    /// Every device was in PreOp, link time.
    pub(super) scanned_at: u64,
    /// Every start-up object was written, link time.
    pub(super) configured_at: u64,
}

type Group = SubDeviceGroup<SUBDEVICES_MAX, PROCESS_DATA_MAX, DefaultLock, PreOp>;

/// To PreOp. A line that loses frames may need more than one try; what a device refuses is final.
pub(super) fn scan<L: Link>(
    link: &mut L,
    requests: &mut Requests,
    plan: &BusPlan,
    gathered: &mut Gathered,
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<FoundDevice>, BringupError> {
    let mut tries = 1;
    loop {
        progress(Progress::Scanning);
        let outcome = to_pre_op(link, requests, plan, gathered, progress);
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
    gathered: &mut Gathered,
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<FoundDevice>, BringupError> {
    let expected = plan.subdevices.len();
    let count = match requests.count(link) {
        Ok(0) | Err(NoReply::Silent) => return Err(BringupError::Silent { expected }),
        Ok(count) => usize::from(count),
        Err(reason) => return Err(BringupError::no_reply("counting the devices", reason)),
    };
    let scan = |cause: String| BringupError::Scan {
        what: "scanning the segment",
        at: None,
        cause,
        evidence: None,
    };
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
    let outcome = set_up(&mut runner, &maindevice, plan, gathered, progress);
    gathered.counters.clone_from(&runner.counters);
    // They may say why it failed.
    for emergency in runner.emergencies {
        progress(Progress::Emergency(emergency));
    }
    outcome
}

/// To PreOp without a plan, and one transfer. What the device says of it is the inner result.
pub(super) fn transfer<L: Link>(
    link: &mut L,
    requests: &mut Requests,
    (position, planned): (usize, Option<&SubDevicePlan>),
    transfer: &Transfer,
) -> Result<Transferred<Vec<FoundDevice>>, BringupError> {
    match requests.count(link) {
        Ok(0) | Err(NoReply::Silent) => return Err(BringupError::Silent { expected: 1 }),
        Ok(_) => {}
        Err(reason) => return Err(BringupError::no_reply("counting the devices", reason)),
    }
    let storage = Box::new(PduStorage::<FRAMES, FRAME_BYTES>::new());
    let Ok((tx, rx, pdu_loop)) = storage.try_split() else {
        return Err(BringupError::LoopedBack);
    };
    let config = MainDeviceConfig {
        dc_static_sync_iterations: 0,
        retry_behaviour: RetryBehaviour::Count(3),
    };
    let maindevice = MainDevice::new(pdu_loop, timeouts(), config);
    let mut runner = Runner::new(link, tx, rx);
    let mut found = Vec::new();
    let _group = scan_devices(&mut runner, &maindevice, None, &mut found)?;
    let Some(device) = found.get(position) else {
        return Err(BringupError::NoSuchDevice { position, count: found.len() });
    };
    if let Some(planned) = planned {
        compare_one(planned, device)?;
    }
    let registers = runner
        .requests
        .read(runner.link, position, register::SYNC_MANAGER, 16)
        .map_err(|reason| BringupError::no_reply("reading the mailbox SyncManagers", reason))?;
    let Some(mailbox) = registers.and_then(|registers| Mailbox::parse(&registers)) else {
        return Ok((found, Err(Failure::NoMailbox)));
    };
    let mut single = Single::new(transfer);
    let talk = Talk::new(position, mailbox, Some(single.room()), &mut single);
    runner.talk(&mut [talk], "the transfer")?;
    let outcome = single.outcome.unwrap_or(Err(Failure::Silent));
    Ok((found, outcome))
}

/// Everything that ethercrab does.
fn set_up<L: Link>(
    runner: &mut Runner<'_, L>,
    maindevice: &MainDevice<'_>,
    plan: &BusPlan,
    gathered: &mut Gathered,
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<FoundDevice>, BringupError> {
    const MAPPING: &str = "laying out process data";
    let mut found = Vec::new();
    let group = scan_devices(runner, maindevice, Some(plan), &mut found)?;
    gathered.scanned_at = runner.link.now();
    configure(runner, plan, &mut found, progress)?;
    gathered.configured_at = runner.link.now();
    let mapped = runner.run(Box::pin(group.into_pre_op_pdi(maindevice)), SCAN_TIMEOUT_NS);
    let mapped =
        mapped.map_err(|reason| BringupError::stalled(MAPPING, reason, SCAN_TIMEOUT_NS))?;
    match mapped {
        Ok(_) => Ok(found),
        Err(error) => Err(failed(runner, &plan.subdevices, (MAPPING, error), found.len())),
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
    planned: &[SubDevicePlan],
    (what, error): (&'static str, Error),
    devices: usize,
) -> BringupError {
    let evidence = (0..devices).find_map(|position| {
        let found = runner.requests.al_status(runner.link, position).ok()?;
        (found.status & ERROR != 0).then_some((position, found.status, found.code))
    });
    // What a device says of itself in its SII decides how it is set up.
    let hint = match error {
        Error::Eeprom(_) | Error::Wire(_) | Error::Capacity(_) => {
            " (its SII EEPROM is damaged, or describes what is not supported)"
        }
        _ => "",
    };
    if let (Some((position, status, code)), Error::Timeout(TimeoutError::StateTransition)) =
        (evidence, &error)
    {
        let name = planned.get(position).map_or("not planned", |planned| &planned.name);
        let (name, requested) = (name.to_owned(), PRE_OP);
        return BringupError::State { position, name, requested, status, code };
    }
    BringupError::Scan { what, at: runner.last_asked, cause: format!("{error}{hint}"), evidence }
}

fn scan_devices<L: Link>(
    runner: &mut Runner<'_, L>,
    maindevice: &MainDevice<'_>,
    plan: Option<&BusPlan>,
    found: &mut Vec<FoundDevice>,
) -> Result<Box<Group>, BringupError> {
    let mut mismatch = None;
    let init = maindevice.init::<SUBDEVICES_MAX, Group>(
        time::timers,
        Group::default(),
        |group, subdevice| {
            let device = describe(found.len(), subdevice);
            let outcome = plan.map_or(Ok(()), |plan| compare(plan, &device));
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
        (Ok(group), None) => Box::new(group),
        (Err(error), None) => {
            let devices = maindevice.num_subdevices();
            let names = plan.map_or(&[][..], |plan| &plan.subdevices);
            return Err(failed(runner, names, ("scanning the segment", error), devices));
        }
    };
    let Some(plan) = plan else { return Ok(group) };
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
    compare_one(planned, device)
}

/// Whether a device that says `found` of itself is the one expected. What one side does not say does not count.
pub(crate) fn identity_agrees(expected: &Identity, found: &Identity) -> bool {
    let agrees = |expected: Option<u32>, found: Option<u32>| {
        expected.is_none() || found.is_none() || expected == found
    };
    expected.vendor == found.vendor
        && expected.product == found.product
        && agrees(expected.revision, found.revision)
        && agrees(expected.serial, found.serial)
}

// SR-041
fn compare_one(planned: &SubDevicePlan, device: &FoundDevice) -> Result<(), BringupError> {
    let (expected, position, found) = (planned.identity, device.position, device.identity);
    if identity_agrees(&expected, &found) {
        return Ok(());
    }
    Err(BringupError::Identity { position, name: planned.name.clone(), expected, found })
}

/// Serial numbers that the SII does not have, identities, start-up SDOs: by our own CoE client, all devices side by side.
fn configure<L: Link>(
    runner: &mut Runner<'_, L>,
    plan: &BusPlan,
    found: &mut [FoundDevice],
    progress: &mut dyn FnMut(Progress),
) -> Result<(), BringupError> {
    let mut mailboxes = Vec::with_capacity(found.len());
    for device in found.iter() {
        let registers = runner
            .requests
            .read(runner.link, device.position, register::SYNC_MANAGER, 16)
            .map_err(|reason| BringupError::no_reply("reading the mailbox SyncManagers", reason))?;
        mailboxes.push(registers.and_then(|registers| Mailbox::parse(&registers)));
    }
    let mut serials: Vec<_> = found.iter().map(|_| Reading::new(SERIAL)).collect();
    let mut talks: Vec<_> = found
        .iter()
        .zip(&mut serials)
        .filter(|(device, _)| device.identity.serial.is_none())
        .filter_map(|(device, serial)| {
            let mailbox = mailboxes.get(device.position).copied().flatten()?;
            Some(Talk::new(device.position, mailbox, None, serial))
        })
        .collect();
    runner.talk(&mut talks, "reading serial numbers")?;
    drop(talks);
    for ((planned, device), serial) in plan.subdevices.iter().zip(found.iter_mut()).zip(&serials) {
        let known = device.identity.serial;
        device.identity.serial = known.or_else(|| serial.number().filter(|serial| *serial != 0));
        let (expected, identity) = (planned.identity, device.identity);
        if expected.serial.is_some() && expected.serial != identity.serial {
            let (position, name) = (device.position, planned.name.clone());
            return Err(BringupError::Identity { position, name, expected, found: identity });
        }
        progress(Progress::Found(device.clone()));
    }
    let mut setups: Vec<_> =
        plan.subdevices.iter().enumerate().map(|(n, planned)| Setup::new(n, planned)).collect();
    let mut talks = Vec::new();
    for ((position, setup), planned) in setups.iter_mut().enumerate().zip(&plan.subdevices) {
        if !setup.is_needed() {
            continue;
        }
        progress(Progress::Configuring { position, name: planned.name.clone() });
        match mailboxes.get(position).copied().flatten() {
            Some(mailbox) => talks.push(Talk::new(position, mailbox, None, setup)),
            None => setup.no_mailbox(),
        }
    }
    runner.talk(&mut talks, "writing start-up SDOs")?;
    drop(talks);
    match setups.into_iter().find_map(|setup| setup.failure) {
        Some(failure) => Err(failure),
        None => hand_back(runner, &mailboxes),
    }
}

/// ethercrab goes on with mailbox counters of its own, from 1. A device to which we said 1 last would take its first message for a
/// repetition: it hears one more.
fn hand_back<L: Link>(
    runner: &mut Runner<'_, L>,
    mailboxes: &[Option<Mailbox>],
) -> Result<(), BringupError> {
    let mut readings: Vec<_> =
        mailboxes.iter().map(|_| Reading::new(Object::entry(0x1000, 0))).collect();
    let mut talks = Vec::new();
    for ((position, mailbox), reading) in mailboxes.iter().enumerate().zip(&mut readings) {
        let last = runner.counters.get(position).map_or(0, |counters| counters.ours);
        if let (Some(mailbox), 1) = (mailbox, last) {
            talks.push(Talk::new(position, *mailbox, None, reading));
        }
    }
    runner.talk(&mut talks, "reading the device type")
}
