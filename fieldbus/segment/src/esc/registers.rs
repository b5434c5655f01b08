//! What writing a register sets off.

use super::access;
use super::fmmu::Fmmu;
use super::sync_manager::{STATUS_FULL, SyncManager};
use super::{Esc, FrameTimes};
use crate::num::{put, u8_at, u32_at};

impl Esc {
    pub(super) fn write_registers(&mut self, start: usize, data: &[u8], times: FrameTimes) -> bool {
        let end = start + data.len();
        // Usual: all of it is writable, and no SyncManager's.
        if self.grants(start, data.len(), access::WRITE)
            && !(start < 0x0900 && end > 0x0800)
            && let Some(place) = self.memory.get_mut(start..end)
        {
            place.copy_from_slice(data);
            self.react(start, end, times);
            return true;
        }
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
        if touches(0x0400, 0x0422) {
            self.set_watchdog();
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
            self.events.sync_managers = true;
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
        self.fmmus_active = 0;
        for (number, fmmu) in self.fmmus.iter_mut().take(self.counts.0).enumerate() {
            *fmmu = Fmmu::parse(self.memory.get(0x0600 + number * 16..).unwrap_or(&[]));
            self.fmmus_active |= u16::from(fmmu.active) << number;
        }
    }

    fn parse_sync_managers(&mut self) {
        self.sync_managers_enabled = 0;
        for (number, sm) in self.sync_managers.iter_mut().take(self.counts.1).enumerate() {
            let at = 0x0800 + number * 8;
            let was = *sm;
            *sm = SyncManager::parse(self.memory.get(at..).unwrap_or(&[]), was.full);
            self.sync_managers_enabled |= u16::from(sm.enabled) << number;
            if !sm.enabled || !was.enabled {
                sm.full = false;
                put(&mut self.memory, at + 5, &[0]);
            }
            // Repeat request (activate bit 1) toggled: the device presents its last message again
            // (ETG1000.4 §6.6).
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
