//! The EtherCAT SubDevice controller: memory, registers, FMMUs, SyncManagers, clock, EEPROM
//! interface.

mod access;
pub(crate) mod clock;
mod description;
pub(crate) mod eeprom;
mod fmmu;
mod registers;
pub(crate) mod sync_manager;

use crate::num::{put, u8_at, u16_at};
pub(crate) use clock::{Clock, FrameTimes};
pub use description::{DcSupport, EscDescription};
pub(crate) use eeprom::Eeprom;
use fmmu::{FMMU_MAX, Fmmu};
use sync_manager::{STATUS_FULL, SYNC_MANAGER_MAX, SyncManager};

/// Bytes of register space; process RAM follows.
pub(crate) const REGISTERS: usize = 0x1000;

/// What the bus did since the device looked last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Events {
    /// AL control was written.
    pub(crate) al_control: bool,
    /// Registers of SyncManagers were written.
    pub(crate) sync_managers: bool,
    /// Bit n: the bus completed a write to SyncManager n.
    pub(crate) written: u16,
    /// Bit n: the bus completed a read of SyncManager n.
    pub(crate) read: u16,
}

impl Events {
    /// Nothing happened.
    pub(crate) fn is_none(self) -> bool {
        self == Self::default()
    }
}

/// The controller.
#[derive(Clone, Debug)]
pub(crate) struct Esc {
    memory: Box<[u8]>,
    access: Box<[u8]>,
    fmmus: [Fmmu; FMMU_MAX],
    sync_managers: [SyncManager; SYNC_MANAGER_MAX],
    counts: (usize, usize),
    /// Bit n: FMMU n maps.
    fmmus_active: u16,
    /// Bit n: SyncManager n is enabled.
    sync_managers_enabled: u16,
    watchdog_ns: Option<u64>,
    pub(crate) clock: Clock,
    pub(crate) eeprom: Eeprom,
    pub(crate) events: Events,
    /// When the process data watchdog was last triggered, ns.
    pub(crate) watchdog_triggered: Option<u64>,
}

impl Esc {
    /// As after power-up.
    pub(crate) fn new(description: &EscDescription, clock: Clock, eeprom: Eeprom) -> Self {
        let ram = usize::from(description.ram_kib.clamp(1, 60)) * 1024;
        let fmmus = usize::from(description.fmmu_count).min(FMMU_MAX);
        let sync_managers = usize::from(description.sync_manager_count).min(SYNC_MANAGER_MAX);
        let mut esc = Self {
            memory: vec![0; REGISTERS + ram].into_boxed_slice(),
            access: access::table(description),
            fmmus: [Fmmu::default(); FMMU_MAX],
            sync_managers: [SyncManager::default(); SYNC_MANAGER_MAX],
            counts: (fmmus, sync_managers),
            fmmus_active: 0,
            sync_managers_enabled: 0,
            watchdog_ns: None,
            clock,
            eeprom,
            events: Events::default(),
            watchdog_triggered: None,
        };
        esc.power_up(description);
        esc
    }

    /// Everything written is lost; the registers have their values of power-up.
    pub(crate) fn power_up(&mut self, description: &EscDescription) {
        self.memory.fill(0);
        self.fmmus = [Fmmu::default(); FMMU_MAX];
        self.sync_managers = [SyncManager::default(); SYNC_MANAGER_MAX];
        (self.fmmus_active, self.sync_managers_enabled) = (0, 0);
        self.events = Events::default();
        self.watchdog_triggered = None;
        let dc_features = match description.dc {
            DcSupport::None => 0,
            DcSupport::ReceiveTimes | DcSupport::Full => 0x000C,
        };
        let [build_low, build_high] = description.build.to_le_bytes();
        let identity = [
            description.kind,
            description.revision,
            build_low,
            build_high,
            description.fmmu_count,
            description.sync_manager_count,
            description.ram_kib,
            description.ports,
        ];
        self.set(0x0000, &identity);
        self.set(0x0008, &(description.features | dc_features).to_le_bytes());
        self.set(0x0012, &self.eeprom.alias().to_le_bytes());
        self.set(0x0100, &[0x01, 0, 0, 0]);
        self.set(0x0140, &self.eeprom.pdi_control().to_le_bytes());
        self.set(0x0400, &2_498_u16.to_le_bytes());
        self.set(0x0410, &1_000_u16.to_le_bytes());
        self.set(0x0420, &1_000_u16.to_le_bytes());
        self.set_watchdog();
        self.set(0x0440, &[1]);
        self.set(0x0930, &0x1000_u16.to_le_bytes());
        self.set(0x0934, &[0, 4]);
        self.set(0x0982, &10_u16.to_le_bytes());
    }

    /// The device's side writes its registers and memory.
    pub(crate) fn set(&mut self, at: usize, bytes: &[u8]) {
        put(&mut self.memory, at, bytes);
    }

    /// All memory, for the device's side.
    pub(crate) fn memory(&self) -> &[u8] {
        &self.memory
    }

    /// All memory, for the device's side.
    pub(crate) fn memory_mut(&mut self) -> &mut [u8] {
        &mut self.memory
    }

    /// A SyncManager; a disabled one when there is no such.
    pub(crate) fn sync_manager(&self, number: usize) -> SyncManager {
        self.sync_managers.get(number).copied().unwrap_or_default()
    }

    /// Whether the device answers to this configured address.
    pub(crate) fn answers_to(&self, address: u16) -> bool {
        let alias_enabled = u8_at(&self.memory, 0x0103) & 1 != 0;
        address == u16_at(&self.memory, 0x0010)
            || (alias_enabled && address == u16_at(&self.memory, 0x0012))
    }

    /// Process data watchdog, ns: divider (0x0400) and time (0x0420); `None`: switched off.
    pub(crate) fn watchdog_ns(&self) -> Option<u64> {
        self.watchdog_ns
    }

    fn set_watchdog(&mut self) {
        let divider = u64::from(u16_at(&self.memory, 0x0400)) + 2;
        let time = u64::from(u16_at(&self.memory, 0x0420));
        self.watchdog_ns = (time != 0).then_some(divider * 40 * time);
    }

    /// The MainDevice reads `out.len()` bytes; `or`: into what is there (broadcast). False: nothing
    /// was read.
    pub(crate) fn read(&mut self, start: u16, out: &mut [u8], or: bool, times: FrameTimes) -> bool {
        let start = usize::from(start);
        if out.is_empty() || !self.admitted(start, out.len(), false) {
            return false;
        }
        if start < REGISTERS {
            self.refresh(start, start + out.len(), times);
        }
        let mut any = false;
        let memory = self.memory.get(start..).unwrap_or(&[]);
        let granted = start >= REGISTERS || self.grants(start, out.len(), access::READ);
        if granted && !or {
            any = memory.len() >= out.len();
            if let (true, Some(bytes)) = (any, memory.get(..out.len())) {
                out.copy_from_slice(bytes);
            }
        } else {
            for (offset, (to, from)) in out.iter_mut().zip(memory).enumerate() {
                if self.access.get(start + offset).is_some_and(|a| a & access::READ == 0) {
                    continue;
                }
                any = true;
                *to = if or { *to | *from } else { *from };
            }
        }
        if any {
            self.completed(start, out.len(), false, times.forward);
        }
        any
    }

    /// The MainDevice writes. False: nothing was written.
    pub(crate) fn write(&mut self, start: u16, data: &[u8], times: FrameTimes) -> bool {
        let start = usize::from(start);
        if data.is_empty() || !self.admitted(start, data.len(), true) {
            return false;
        }
        if start >= REGISTERS {
            let Some(place) = self.memory.get_mut(start..start + data.len()) else { return false };
            place.copy_from_slice(data);
        } else if !self.write_registers(start, data, times) {
            return false;
        }
        self.completed(start, data.len(), true, times.forward);
        true
    }

    /// A logical datagram: `(read, written)` whether any of its bits fell on this device.
    pub(crate) fn logical(
        &mut self,
        (read, write): (bool, bool),
        start: u32,
        data: &mut [u8],
        times: FrameTimes,
    ) -> (bool, bool) {
        let mut done = (false, false);
        if write {
            for number in bits(self.fmmus_active) {
                if let Some(fmmu) = self.fmmus.get(number).filter(|fmmu| fmmu.write).copied() {
                    done.1 |= self.map(&fmmu, true, start, data, times);
                }
            }
        }
        if read {
            for number in bits(self.fmmus_active) {
                if let Some(fmmu) = self.fmmus.get(number).filter(|fmmu| fmmu.read).copied() {
                    done.0 |= self.map(&fmmu, false, start, data, times);
                }
            }
        }
        done
    }

    fn map(
        &mut self,
        fmmu: &Fmmu,
        write: bool,
        start: u32,
        data: &mut [u8],
        times: FrameTimes,
    ) -> bool {
        let Some(overlap) = fmmu.overlap(start, data.len()) else { return false };
        if !fmmu.is_byte_wise() {
            return self.map_bits(fmmu, write, start, data, times);
        }
        let Ok(physical) = u16::try_from(overlap.physical) else { return false };
        let range = overlap.data..overlap.data + overlap.length;
        let Some(bytes) = data.get_mut(range) else { return false };
        if write {
            self.write(physical, bytes, times)
        } else {
            self.read(physical, bytes, false, times)
        }
    }

    fn map_bits(
        &mut self,
        fmmu: &Fmmu,
        write: bool,
        start: u32,
        data: &mut [u8],
        times: FrameTimes,
    ) -> bool {
        let mut bits = fmmu.bits(start, data.len());
        let Some((_, first)) = bits.next() else { return false };
        let last = bits.last().map_or(first, |(_, bit)| bit);
        let (from, length) = (first / 8, last / 8 - first / 8 + 1);
        if !self.admitted(from, length, write) || from + length > self.memory.len() {
            return false;
        }
        if from < REGISTERS {
            self.refresh(from, from + length, times);
        }
        for (logical, physical) in fmmu.bits(start, data.len()) {
            let (Some(outer), Some(inner)) =
                (data.get_mut(logical / 8), self.memory.get_mut(physical / 8))
            else {
                continue;
            };
            if write {
                let writable = self.access.get(physical / 8).is_none_or(|a| a & access::WRITE != 0);
                copy_bit(*outer, logical % 8, inner, physical % 8, writable);
            } else {
                copy_bit(*inner, physical % 8, outer, logical % 8, true);
            }
        }
        self.completed(from, length, write, times.forward);
        true
    }

    /// Every register byte of the range may be accessed like this.
    fn grants(&self, start: usize, length: usize, right: u8) -> bool {
        let rights = self.access.get(start..start + length);
        rights.is_some_and(|rights| rights.iter().all(|byte| byte & right != 0))
    }

    fn admitted(&self, start: usize, length: usize, write: bool) -> bool {
        bits(self.sync_managers_enabled).all(|number| {
            let sm = self.sync_managers.get(number);
            sm.is_none_or(|sm| !sm.touches(start, length) || sm.admits(start, write))
        })
    }

    /// Buffers whose last byte was reached change hands.
    fn completed(&mut self, start: usize, length: usize, write: bool, now: u64) {
        for number in bits(self.sync_managers_enabled) {
            let Some(sm) = self.sync_managers.get_mut(number) else { break };
            if !sm.touches(start, length) || !sm.completes(start, length) {
                continue;
            }
            if write {
                self.events.written |= 1 << number;
                if sm.triggers_watchdog() {
                    self.watchdog_triggered = Some(now);
                }
            } else {
                self.events.read |= 1 << number;
            }
            if sm.is_mailbox() {
                sm.full = write;
                let status = if write { STATUS_FULL } else { 0 };
                put(&mut self.memory, 0x0800 + number * 8 + 5, &[status]);
            }
        }
    }

    /// The device's side fills or empties a mailbox.
    pub(crate) fn set_mailbox_full(&mut self, number: usize, full: bool) {
        if let Some(sm) = self.sync_managers.get_mut(number) {
            sm.full = full;
            let status = if full { STATUS_FULL } else { 0 };
            put(&mut self.memory, 0x0800 + number * 8 + 5, &[status]);
        }
    }

    /// The MainDevice asks for the last message of mailbox `number` again: its repeat request (activate bit 1) differs from the
    /// device's acknowledgement (PDI control bit 1), ETG1000.4 §6.7.4.
    pub(crate) fn wants_repeat(&self, number: usize) -> bool {
        let at = 0x0800 + number * 8;
        (u8_at(&self.memory, at + 6) ^ u8_at(&self.memory, at + 7)) & 2 != 0
    }

    /// The device has seen it.
    pub(crate) fn acknowledge_repeat(&mut self, number: usize) {
        let at = 0x0800 + number * 8;
        let control = u8_at(&self.memory, at + 7) ^ 2;
        self.set(at + 7, &[control]);
    }

    fn refresh(&mut self, first: usize, end: usize, times: FrameTimes) {
        if first < 0x0504 && end > 0x0502 {
            self.eeprom.refresh(&mut self.memory, times.forward);
        }
        if first < 0x0934 && end > 0x0910 {
            self.clock.refresh(&mut self.memory, times);
        }
    }
}

/// Numbers of the bits that are set.
fn bits(mut mask: u16) -> impl Iterator<Item = usize> {
    core::iter::from_fn(move || {
        let number = usize::try_from(mask.trailing_zeros()).ok()?;
        if mask == 0 {
            return None;
        }
        mask &= mask - 1;
        Some(number)
    })
}

fn copy_bit(from: u8, from_bit: usize, to: &mut u8, to_bit: usize, allowed: bool) {
    if allowed {
        *to = (*to & !(1 << to_bit)) | ((from >> from_bit & 1) << to_bit);
    }
}
