//! Registers of a device in PreOp: FMMUs laid out anew, watchdog of the outputs, SYNC0.

use super::error::BringupError;
use super::request::Requests;
use crate::coe::Mailbox;
use crate::layout::Region;
use crate::link::Link;
use crate::plan::{BusPlan, SubDevicePlan, Sync0Plan};
use crate::wire::{register, u16_at, u32_at, u64_at};

/// FMMU: read by the MainDevice (inputs), written by it (outputs).
const FMMU_READ: u8 = 1;
const FMMU_WRITE: u8 = 2;
const FMMU_BYTES: u16 = 16;
const SYNC_MANAGER_BYTES: u16 = 8;
/// Most FMMUs and SyncManagers of a device (ETG1000.4).
const ENTITIES_MAX: u16 = 16;
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

    fn write(
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
    fn set(&mut self, register: u16, data: &[u8], what: &'static str) -> Result<(), BringupError> {
        self.write(register, data, what)?;
        let length = u16::try_from(data.len()).unwrap_or(u16::MAX);
        if self.read(register, length, what)? == data {
            return Ok(());
        }
        Err(self.problem(register, what, "does not keep what is written"))
    }

    /// How many FMMUs and SyncManagers it has.
    pub(super) fn entities(&mut self) -> Result<(u16, u16), BringupError> {
        let counts = self.read(register::TYPE + 4, 2, "FMMU and SyncManager count")?;
        let count = |n: usize| counts.get(n).map_or(0, |n| u16::from(*n).min(ENTITIES_MAX));
        Ok((count(0), count(1)))
    }

    /// Compares the lengths that the device has with the plan, and moves its FMMUs to its region.
    pub(crate) fn map(&mut self, region: Option<Region>) -> Result<(), BringupError> {
        let (count, _) = self.entities()?;
        let mut found = Vec::new();
        for number in 0..count {
            let at = register::FMMU + number * FMMU_BYTES;
            let bytes = self.read(at, FMMU_BYTES, "FMMU")?;
            let length = u16_at(&bytes, 4).unwrap_or(0);
            let kind = bytes.get(11).copied().unwrap_or(0);
            let is_active = bytes.get(12).is_some_and(|active| active & 1 != 0);
            if is_active && length == 0 {
                // Maps nothing; some devices count it none the less.
                self.set(at + 12, &[0], "FMMU activation")?;
            } else if is_active && kind & (FMMU_READ | FMMU_WRITE) != 0 {
                found.push((u32_at(&bytes, 0).unwrap_or(0), length, kind, at));
            }
        }
        // In the order in which ethercrab laid them out: that of the SyncManagers.
        found.sort_unstable();
        let (inputs, outputs) =
            region.map_or((0, 0), |region| (region.input_bytes, region.output_bytes));
        self.compare(&found, FMMU_READ, "inputs", inputs)?;
        self.compare(&found, FMMU_WRITE, "outputs", outputs)?;
        let Some(region) = region else { return Ok(()) };
        for direction in [FMMU_READ, FMMU_WRITE] {
            let mut logical = region.logical;
            for (_, length, _, at) in found.iter().filter(|(_, _, kind, _)| kind & direction != 0) {
                self.set(*at, &logical.to_le_bytes(), "FMMU logical address")?;
                logical += u32::from(*length);
            }
        }
        Ok(())
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

    /// Makes the watchdog of the outputs what the plan says.
    // SR-040
    pub(crate) fn watchdog(&mut self) -> Result<(), BringupError> {
        let Some(expected_ns) = self.plan.watchdog_ns else { return Ok(()) };
        let position = self.position;
        let name = self.plan.name.clone();
        let error = |found_ns, problem| BringupError::Watchdog {
            position,
            name: name.clone(),
            expected_ns,
            found_ns,
            problem,
        };
        let (_, count) = self.entities()?;
        let mut outputs = 0;
        for number in 0..count {
            let at = register::SYNC_MANAGER + number * SYNC_MANAGER_BYTES;
            let bytes = self.read(at, SYNC_MANAGER_BYTES, "SyncManager")?;
            let (length, control) = (u16_at(&bytes, 2), bytes.get(4).copied().unwrap_or(0));
            if length == Some(0) || control & OUTPUT_MODE_MASK != OUTPUT_MODE {
                continue;
            }
            outputs += 1;
            if control & WATCHDOG_ENABLE == 0 {
                self.enable_watchdog(at, control)
                    .map_err(|_| error(0, "it is off and cannot be switched on"))?;
            }
        }
        if outputs == 0 {
            return Err(error(0, "the device has no SyncManager for outputs"));
        }
        let divider = self.read(register::WATCHDOG_DIVIDER, 2, "watchdog divider")?;
        let unit_ns = (u64::from(u16_at(&divider, 0).unwrap_or(0)) + 2) * 40;
        let time = u16::try_from((expected_ns + unit_ns / 2) / unit_ns).unwrap_or(u16::MAX);
        let reachable_ns = u64::from(time) * unit_ns;
        if time == 0 || reachable_ns.abs_diff(expected_ns) > unit_ns / 2 {
            return Err(error(reachable_ns, "the device's divider does not allow this time"));
        }
        let found = self.read(register::WATCHDOG_TIME, 2, "watchdog time")?;
        if u16_at(&found, 0) != Some(time) {
            let found_ns = u64::from(u16_at(&found, 0).unwrap_or(0)) * unit_ns;
            self.set(register::WATCHDOG_TIME, &time.to_le_bytes(), "watchdog time")
                .map_err(|_| error(found_ns, "the device does not let it be changed"))?;
        }
        Ok(())
    }

    /// Its mailboxes, as its SyncManagers are set.
    pub(crate) fn mailbox(&mut self) -> Result<Option<Mailbox>, BringupError> {
        let (_, count) = self.entities()?;
        if count < 2 {
            return Ok(None);
        }
        let registers =
            self.read(register::SYNC_MANAGER, 2 * SYNC_MANAGER_BYTES, "mailbox SyncManagers")?;
        Ok(Mailbox::parse(&registers))
    }

    /// A SyncManager takes settings only while it is inactive.
    fn enable_watchdog(&mut self, at: u16, control: u8) -> Result<(), BringupError> {
        self.set(at + 6, &[0], "SyncManager activation")?;
        self.set(at + 4, &[control | WATCHDOG_ENABLE], "SyncManager control")?;
        self.set(at + 6, &[1], "SyncManager activation")
    }

    /// DC system time, ns.
    pub(crate) fn system_time(&mut self) -> Result<u64, BringupError> {
        let bytes = self.read(register::DC_SYSTEM_TIME, 8, "DC system time")?;
        u64_at(&bytes, 0)
            .ok_or_else(|| self.problem(register::DC_SYSTEM_TIME, "DC system time", "is too short"))
    }

    /// Sets SYNC0 up; pulses begin at `start_ns` (DC system time) and follow every cycle.
    pub(crate) fn sync0(&mut self, sync0: Sync0Plan, start_ns: u64) -> Result<(), BringupError> {
        let start = start_ns.saturating_add_signed(i64::from(sync0.shift_ns));
        self.write(register::DC_CYCLIC_CONTROL, &[0, 0], "DC cyclic unit control")?;
        self.set(register::DC_SYNC0_CYCLE, &sync0.cycle_ns.to_le_bytes(), "SYNC0 cycle time")?;
        self.write(register::DC_START, &start.to_le_bytes(), "SYNC0 start time")?;
        self.set(
            register::DC_CYCLIC_CONTROL,
            &SYNC0_ACTIVE.to_le_bytes(),
            "DC cyclic unit control",
        )?;
        if self.system_time()? < start {
            return Ok(());
        }
        Err(self.problem(register::DC_START, "SYNC0 start time", "was over before it was set up"))
    }
}

/// When SYNC0 of all devices starts, DC system time in ns: a whole number of periods, and far enough away.
pub(crate) fn sync_start(plan: &BusPlan, system_time: u64) -> u64 {
    let devices = u64::try_from(plan.subdevices.len()).unwrap_or(u64::MAX);
    let ahead = SYNC_START_NS.saturating_mul(1 + devices / 8);
    system_time.saturating_add(ahead).checked_next_multiple_of(plan.period_ns).unwrap_or(u64::MAX)
}

/// Switches SYNC0 off everywhere.
pub(crate) fn stop_sync<L: Link>(link: &mut L, requests: &mut Requests, devices: usize) {
    for position in 0..devices {
        // A device that does not answer has nothing to switch off.
        let _ = requests.write(link, position, register::DC_CYCLIC_CONTROL, &[0, 0]);
    }
}
