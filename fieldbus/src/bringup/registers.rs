//! Registers of a device in PreOp: FMMUs laid out anew, watchdog of the outputs, SYNC0.

use super::change::Change;
use super::error::BringupError;
use super::image::Image;
use super::request::Requests;
use crate::layout::Region;
use crate::link::Link;
use crate::plan::{BusPlan, SubDevicePlan, Sync0Plan};
use crate::wire::{register, u16_at, u32_at, u64_at};

/// FMMU: read by the MainDevice (inputs), written by it (outputs).
const FMMU_READ: u8 = 1;
const FMMU_WRITE: u8 = 2;
/// SyncManager control: mode and direction of buffered outputs, and the watchdog's enable.
const OUTPUT_MODE_MASK: u8 = 0x0F;
const OUTPUT_MODE: u8 = 0x04;
const WATCHDOG_ENABLE: u8 = 0x40;
/// SYNC0 starts this long after it is set up, ns.
const SYNC_START_NS: u64 = 100_000_000;
/// Cyclic unit active, SYNC0 active.
const SYNC0_ACTIVE: u16 = 0x0300;

/// One device, seen through its registers.
pub(crate) struct Device<'a, L> {
    pub(crate) link: &'a mut L,
    pub(crate) requests: &'a mut Requests,
    pub(crate) position: usize,
    pub(crate) plan: &'a SubDevicePlan,
}

impl<L: Link> Device<'_, L> {
    fn problem(&self, register: u16, what: &'static str, problem: &'static str) -> BringupError {
        let name = self.plan.name.clone();
        BringupError::Register { position: self.position, name, register, what, problem }
    }

    pub(super) fn read(
        &mut self,
        register: u16,
        length: u16,
        what: &'static str,
    ) -> Result<Vec<u8>, BringupError> {
        let answer = self.requests.read(self.link, self.position, register, length);
        let answer = answer.map_err(|reason| BringupError::no_reply(what, reason))?;
        answer.ok_or_else(|| self.problem(register, what, "cannot be read"))
    }

    pub(super) fn write(
        &mut self,
        register: u16,
        data: &[u8],
        what: &'static str,
    ) -> Result<(), BringupError> {
        let taken = self.requests.write(self.link, self.position, register, data);
        let taken = taken.map_err(|reason| BringupError::no_reply(what, reason))?;
        if taken { Ok(()) } else { Err(self.problem(register, what, "cannot be written")) }
    }

    /// Writes and reads back.
    pub(super) fn set(
        &mut self,
        register: u16,
        data: &[u8],
        what: &'static str,
    ) -> Result<(), BringupError> {
        self.write(register, data, what)?;
        let length = u16::try_from(data.len()).unwrap_or(u16::MAX);
        if self.read(register, length, what)? == data {
            return Ok(());
        }
        Err(self.problem(register, what, "does not keep what is written"))
    }

    /// Compares the lengths that the device has with the plan; what moves its FMMUs to its region.
    pub(super) fn map(
        &self,
        image: &Image,
        region: Option<Region>,
    ) -> Result<Vec<Change>, BringupError> {
        let (mut found, mut changes) = (Vec::new(), Vec::new());
        for (at, bytes) in image.fmmus() {
            let length = u16_at(bytes, 4).unwrap_or(0);
            let kind = bytes.get(11).copied().unwrap_or(0);
            let is_active = bytes.get(12).is_some_and(|active| active & 1 != 0);
            if is_active && length == 0 {
                // Maps nothing; some devices count it none the less.
                changes.push(Change::set(at + 12, &[0], "FMMU activation"));
            } else if is_active && kind & (FMMU_READ | FMMU_WRITE) != 0 {
                found.push((u32_at(bytes, 0).unwrap_or(0), length, kind, at));
            }
        }
        // In the order in which ethercrab laid them out: that of the SyncManagers.
        found.sort_unstable();
        let (inputs, outputs) =
            region.map_or((0, 0), |region| (region.input_bytes, region.output_bytes));
        self.compare(&found, FMMU_READ, "inputs", inputs)?;
        self.compare(&found, FMMU_WRITE, "outputs", outputs)?;
        let Some(region) = region else { return Ok(changes) };
        for direction in [FMMU_READ, FMMU_WRITE] {
            let mut logical = region.logical;
            for (_, length, _, at) in found.iter().filter(|(_, _, kind, _)| kind & direction != 0) {
                changes.push(Change::set(*at, &logical.to_le_bytes(), "FMMU logical address"));
                logical += u32::from(*length);
            }
        }
        Ok(changes)
    }

    fn compare(
        &self,
        found: &[(u32, u16, u8, u16)],
        kind: u8,
        direction: &'static str,
        expected: u16,
    ) -> Result<(), BringupError> {
        let of_kind = found.iter().filter(|(_, _, of, _)| of & kind != 0);
        let found = of_kind.fold(0u16, |sum, (_, length, _, _)| sum.saturating_add(*length));
        if found == expected {
            return Ok(());
        }
        let name = self.plan.name.clone();
        Err(BringupError::Length { position: self.position, name, direction, expected, found })
    }

    /// What makes the watchdog of the outputs what the plan says.
    // SR-040
    pub(super) fn watchdog(&self, image: &Image) -> Result<Vec<Change>, BringupError> {
        let Some(expected_ns) = self.plan.watchdog_ns else { return Ok(Vec::new()) };
        let error = |found_ns, problem| BringupError::Watchdog {
            position: self.position,
            name: self.plan.name.clone(),
            expected_ns,
            found_ns,
            problem,
        };
        let mut changes = Vec::new();
        let mut outputs = 0;
        for (at, bytes) in image.managers() {
            let (length, control) = (u16_at(bytes, 2), bytes.get(4).copied().unwrap_or(0));
            if length == Some(0) || control & OUTPUT_MODE_MASK != OUTPUT_MODE {
                continue;
            }
            outputs += 1;
            if control & WATCHDOG_ENABLE == 0 {
                let refused = || Some(error(0, "it is off and cannot be switched on"));
                let enable = enable_watchdog(at, control);
                changes.extend(enable.map(|change| Change { refused: refused(), ..change }));
            }
        }
        if outputs == 0 {
            return Err(error(0, "the device has no SyncManager for outputs"));
        }
        let [divider, time_found] = image.watchdog.clone().unwrap_or_default();
        let unit_ns = (u64::from(u16_at(&divider, 0).unwrap_or(0)) + 2) * 40;
        let time = u16::try_from((expected_ns + unit_ns / 2) / unit_ns).unwrap_or(u16::MAX);
        let reachable_ns = u64::from(time) * unit_ns;
        if time == 0 || reachable_ns.abs_diff(expected_ns) > unit_ns / 2 {
            return Err(error(reachable_ns, "the device's divider does not allow this time"));
        }
        if u16_at(&time_found, 0) != Some(time) {
            let found_ns = u64::from(u16_at(&time_found, 0).unwrap_or(0)) * unit_ns;
            let refused = Some(error(found_ns, "the device does not let it be changed"));
            let change = Change::set(register::WATCHDOG_TIME, &time.to_le_bytes(), "watchdog time");
            changes.push(Change { refused, ..change });
        }
        Ok(changes)
    }

    /// DC system time, ns.
    pub(super) fn system_time(&mut self) -> Result<u64, BringupError> {
        let bytes = self.read(register::DC_SYSTEM_TIME, 8, "DC system time")?;
        u64_at(&bytes, 0)
            .ok_or_else(|| self.problem(register::DC_SYSTEM_TIME, "DC system time", "is too short"))
    }

    /// That SYNC0 was set up before its first pulse was due.
    pub(super) fn sync0_in_time(&mut self, start_ns: u64) -> Result<(), BringupError> {
        if self.system_time()? < start_ns {
            return Ok(());
        }
        Err(self.problem(register::DC_START, "SYNC0 start time", "was over before it was set up"))
    }
}

/// A SyncManager takes settings only while it is inactive.
fn enable_watchdog(at: u16, control: u8) -> [Change; 3] {
    let activation = "SyncManager activation";
    [
        Change::set(at + 6, &[0], activation),
        Change::set(at + 4, &[control | WATCHDOG_ENABLE], "SyncManager control"),
        Change::set(at + 6, &[1], activation),
    ]
}

/// The first pulse of SYNC0 whose pulses are counted from `start_ns`.
pub(super) fn first_pulse(sync0: Sync0Plan, start_ns: u64) -> u64 {
    start_ns.saturating_add_signed(i64::from(sync0.shift_ns))
}

/// Sets SYNC0 up; pulses begin at `start_ns` (DC system time) and follow every cycle.
pub(super) fn sync0(sync0: Sync0Plan, start_ns: u64) -> Vec<Change> {
    let start = first_pulse(sync0, start_ns).to_le_bytes();
    let control = "DC cyclic unit control";
    vec![
        Change::write(register::DC_CYCLIC_CONTROL, &[0, 0], control),
        Change::set(register::DC_SYNC0_CYCLE, &sync0.cycle_ns.to_le_bytes(), "SYNC0 cycle time"),
        Change::write(register::DC_START, &start, "SYNC0 start time"),
        Change::set(register::DC_CYCLIC_CONTROL, &SYNC0_ACTIVE.to_le_bytes(), control),
    ]
}

/// When SYNC0 of all devices starts, DC system time in ns: a whole number of periods, and far enough away.
pub(super) fn sync_start(plan: &BusPlan, system_time: u64) -> u64 {
    let devices = u64::try_from(plan.subdevices.len()).unwrap_or(u64::MAX);
    let ahead = SYNC_START_NS.saturating_mul(1 + devices / 8);
    system_time.saturating_add(ahead).checked_next_multiple_of(plan.period_ns).unwrap_or(u64::MAX)
}

/// Switches SYNC0 off everywhere.
pub(super) fn stop_sync<L: Link>(link: &mut L, requests: &mut Requests, devices: usize) {
    for position in 0..devices {
        // A device that does not answer has nothing to switch off.
        let _ = requests.write(link, position, register::DC_CYCLIC_CONTROL, &[0, 0]);
    }
}
