//! The EtherCAT SubDevice controller: memory, registers, FMMUs, SyncManagers, clock, EEPROM interface.

mod access;
pub(crate) mod clock;
pub(crate) mod eeprom;
mod fmmu;
pub(crate) mod sync_manager;

use crate::num::{put, u8_at, u16_at, u32_at};
pub(crate) use clock::{Clock, FrameTimes};
pub(crate) use eeprom::Eeprom;
use fmmu::{FMMU_MAX, Fmmu};
use sync_manager::{STATUS_FULL, SYNC_MANAGER_MAX, SyncManager};

/// Bytes of register space; process RAM follows.
pub(crate) const REGISTERS: usize = 0x1000;

/// What of the distributed clocks a controller has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DcSupport {
    /// Nothing.
    #[default]
    None,
    /// It latches receive times, so that delays can be measured; it has no system time.
    ReceiveTimes,
    /// All of it, 64 bits.
    Full,
}

/// The controller chip of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EscDescription {
    /// Type (0x0000): 0x11 ET1100, 0x12 ET1200, 0x04 IP core.
    pub kind: u8,
    /// Revision (0x0001).
    pub revision: u8,
    /// Build (0x0002).
    pub build: u16,
    /// FMMUs, 0..=16.
    pub fmmu_count: u8,
    /// SyncManagers, 0..=16.
    pub sync_manager_count: u8,
    /// Process RAM, KiB, 1..=60.
    pub ram_kib: u8,
    /// Port descriptor (0x0007): 2 bits a port; 0 absent, 2 EBUS, 3 MII.
    pub ports: u8,
    /// Features (0x0008), without the bits of the distributed clocks.
    pub features: u16,
    /// Distributed clocks.
    pub dc: DcSupport,
    /// Constant bits of the EEPROM control register (0x0502); bit 6: 8 bytes a read.
    pub eeprom_flags: u16,
    /// How long an EEPROM command takes, ns.
    pub eeprom_busy_ns: u64,
    /// From port 0 in to the next device's port 0, and the same back, ns.
    pub forwarding_ns: u64,
}

impl EscDescription {
    /// As an ET1100 in a drive: 8 FMMUs, 8 SyncManagers, 8 KiB, two MII ports, distributed clocks.
    #[must_use]
    pub const fn et1100() -> Self {
        Self {
            kind: 0x11,
            revision: 0,
            build: 2,
            fmmu_count: 8,
            sync_manager_count: 8,
            ram_kib: 8,
            ports: 0b1111,
            features: 0x00F0,
            dc: DcSupport::Full,
            eeprom_flags: 0x0040,
            eeprom_busy_ns: 100_000,
            forwarding_ns: 500,
        }
    }

    /// As an ET1200 in a terminal: 3 FMMUs, 4 SyncManagers, 1 KiB, EBUS, receive times only.
    #[must_use]
    pub const fn et1200() -> Self {
        Self {
            kind: 0x12,
            fmmu_count: 3,
            sync_manager_count: 4,
            ram_kib: 1,
            ports: 0b1010,
            dc: DcSupport::ReceiveTimes,
            forwarding_ns: 150,
            ..Self::et1100()
        }
    }
}

/// What the bus did since the device looked last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Events {
    /// AL control was written.
    pub(crate) al_control: bool,
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
        let divider = u64::from(u16_at(&self.memory, 0x0400)) + 2;
        let time = u64::from(u16_at(&self.memory, 0x0420));
        (time != 0).then_some(divider * 40 * time)
    }

    /// The MainDevice reads `out.len()` bytes; `or`: into what is there (broadcast). False: nothing was read.
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
        if start >= REGISTERS && !or {
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
        for number in 0..self.counts.0 {
            let Some(fmmu) = self.fmmus.get(number).copied() else { break };
            if fmmu.active && write && fmmu.write {
                done.1 |= self.map(&fmmu, true, start, data, times);
            }
        }
        for number in 0..self.counts.0 {
            let Some(fmmu) = self.fmmus.get(number).copied() else { break };
            if fmmu.active && read && fmmu.read {
                done.0 |= self.map(&fmmu, false, start, data, times);
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

    fn admitted(&self, start: usize, length: usize, write: bool) -> bool {
        self.sync_managers
            .iter()
            .take(self.counts.1)
            .all(|sm| !sm.touches(start, length) || sm.admits(start, write))
    }

    /// Buffers whose last byte was reached change hands.
    fn completed(&mut self, start: usize, length: usize, write: bool, now: u64) {
        for (number, sm) in self.sync_managers.iter_mut().take(self.counts.1).enumerate() {
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

    fn refresh(&mut self, first: usize, end: usize, times: FrameTimes) {
        if first < 0x0504 && end > 0x0502 {
            self.eeprom.refresh(&mut self.memory, times.forward);
        }
        if first < 0x0934 && end > 0x0910 {
            self.clock.refresh(&mut self.memory, times);
        }
    }

    fn write_registers(&mut self, start: usize, data: &[u8], times: FrameTimes) -> bool {
        let end = start + data.len();
        let mut any = false;
        for (offset, byte) in data.iter().enumerate() {
            let at = start + offset;
            let rights = self.access.get(at).copied().unwrap_or(access::WRITE);
            if rights & access::WRITE == 0 || at >= self.memory.len() {
                continue;
            }
            any = true;
            if !self.is_locked(at) {
                put(&mut self.memory, at, &[*byte]);
            }
        }
        if any {
            self.react(start, end, times);
        }
        any
    }

    /// Settings of an enabled SyncManager, its status and its device's side keep what they have.
    fn is_locked(&self, at: usize) -> bool {
        if !(0x0800..0x0900).contains(&at) {
            return false;
        }
        match at % 8 {
            6 => false,
            5 | 7 => true,
            _ => self.sync_managers.get((at - 0x0800) / 8).is_some_and(|sm| sm.enabled),
        }
    }

    fn react(&mut self, first: usize, end: usize, times: FrameTimes) {
        let now = times.forward;
        let touches = |from: usize, to: usize| first < to && end > from;
        if touches(0x0120, 0x0122) {
            self.events.al_control = true;
        }
        if touches(0x0300, 0x0314) {
            for (from, to) in [(0x0300, 0x030C), (0x030C, 0x030E), (0x0310, 0x0314)] {
                if let (true, Some(counters)) = (touches(from, to), self.memory.get_mut(from..to)) {
                    counters.fill(0);
                }
            }
        }
        if touches(0x0442, 0x0444) {
            self.set(0x0442, &[0, 0]);
        }
        if touches(0x0503, 0x0504) {
            self.eeprom.command(&mut self.memory, now);
        }
        if touches(0x0600, 0x0700) {
            self.parse_fmmus();
        }
        if touches(0x0800, 0x0880) {
            self.parse_sync_managers();
        }
        if touches(0x0900, 0x0904) {
            self.clock.latch(&mut self.memory, times);
        }
        if touches(0x0910, 0x0914) {
            self.clock.compare(u32_at(&self.memory, 0x0910), times);
        }
        if touches(0x0920, 0x0982) {
            self.clock.written(&self.memory, first, end, now);
        }
    }

    fn parse_fmmus(&mut self) {
        for (number, fmmu) in self.fmmus.iter_mut().take(self.counts.0).enumerate() {
            *fmmu = Fmmu::parse(self.memory.get(0x0600 + number * 16..).unwrap_or(&[]));
        }
    }

    fn parse_sync_managers(&mut self) {
        for (number, sm) in self.sync_managers.iter_mut().take(self.counts.1).enumerate() {
            let at = 0x0800 + number * 8;
            let was = *sm;
            *sm = SyncManager::parse(self.memory.get(at..).unwrap_or(&[]), was.full);
            if !sm.enabled || !was.enabled {
                sm.full = false;
                put(&mut self.memory, at + 5, &[0]);
            }
            // Repeat request (activate bit 1) toggled: the device presents its last message again (ETG1000.4 §6.6).
            let (activate, device_side) =
                (u8_at(&self.memory, at + 6), u8_at(&self.memory, at + 7));
            if sm.enabled && sm.is_mailbox() && !sm.is_output() && (activate ^ device_side) & 2 != 0
            {
                sm.full = true;
                put(&mut self.memory, at + 5, &[STATUS_FULL]);
                put(&mut self.memory, at + 7, &[(device_side & !2) | (activate & 2)]);
            }
        }
    }
}

fn copy_bit(from: u8, from_bit: usize, to: &mut u8, to_bit: usize, allowed: bool) {
    if allowed {
        *to = (*to & !(1 << to_bit)) | ((from >> from_bit & 1) << to_bit);
    }
}
