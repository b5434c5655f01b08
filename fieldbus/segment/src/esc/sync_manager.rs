//! SyncManager: consistent exchange between bus and application (ETG1000.4 Table 59).

use crate::num::{u8_at, u16_at};

/// Most SyncManagers in one controller.
pub(crate) const SYNC_MANAGER_MAX: usize = 16;
/// Status bit: the mailbox is full.
pub(crate) const STATUS_FULL: u8 = 0x08;

/// One SyncManager as its registers say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SyncManager {
    /// Activate bit 0.
    pub(crate) enabled: bool,
    /// First byte of the buffer.
    pub(crate) start: u16,
    /// Bytes.
    pub(crate) length: u16,
    /// Control byte: mode, direction, watchdog.
    pub(crate) control: u8,
    /// Mailbox: a message is in it.
    pub(crate) full: bool,
}

impl SyncManager {
    /// Parses the 8 register bytes; whether it is full is not theirs to say.
    pub(crate) fn parse(registers: &[u8], full: bool) -> Self {
        Self {
            enabled: u8_at(registers, 6) & 1 != 0,
            start: u16_at(registers, 0),
            length: u16_at(registers, 2),
            control: u8_at(registers, 4),
            full,
        }
    }

    /// One message at a time, against buffered process data.
    pub(crate) fn is_mailbox(&self) -> bool {
        self.control & 0x03 == 0x02
    }

    /// The MainDevice writes, the device reads.
    pub(crate) fn is_output(&self) -> bool {
        self.control & 0x0C == 0x04
    }

    /// Writing it triggers the process data watchdog.
    pub(crate) fn triggers_watchdog(&self) -> bool {
        self.control & 0x40 != 0
    }

    /// The first and the last byte of an access of `length` bytes at `start` fall on the buffer.
    pub(crate) fn touches(&self, start: usize, length: usize) -> bool {
        let (first, end) = self.range();
        self.enabled && self.length != 0 && start < end && start + length > first
    }

    /// Whether the MainDevice may access these bytes; asked only of a SyncManager that is touched.
    pub(crate) fn admits(&self, start: usize, write: bool) -> bool {
        if write != self.is_output() {
            return false;
        }
        if !self.is_mailbox() {
            return true;
        }
        // A message starts with its first byte; a full one is not overwritten, an empty one not
        // read.
        let from_start = start <= usize::from(self.start);
        if write { from_start && !self.full } else { self.full }
    }

    /// The access reaches the last byte: the buffer changes hands.
    pub(crate) fn completes(&self, start: usize, length: usize) -> bool {
        let (_, end) = self.range();
        start < end && start + length >= end
    }

    fn range(&self) -> (usize, usize) {
        (usize::from(self.start), usize::from(self.start) + usize::from(self.length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mailbox_out(full: bool) -> SyncManager {
        SyncManager::parse(&[0x00, 0x10, 0x80, 0x00, 0x26, 0, 1, 0], full)
    }

    #[test]
    fn a_full_mailbox_takes_no_second_message() {
        assert!(mailbox_out(false).admits(0x1000, true));
        assert!(!mailbox_out(true).admits(0x1000, true));
        assert!(!mailbox_out(false).admits(0x1001, true));
    }

    #[test]
    fn the_wrong_direction_is_refused() {
        let input = SyncManager::parse(&[0x00, 0x14, 4, 0, 0x20, 0, 1, 0], false);
        assert!(input.admits(0x1400, false));
        assert!(!input.admits(0x1400, true));
    }

    #[test]
    fn the_last_byte_completes() {
        let output = SyncManager::parse(&[0x00, 0x11, 4, 0, 0x64, 0, 1, 0], false);
        assert!(output.triggers_watchdog());
        assert!(output.completes(0x1100, 4) && output.completes(0x1103, 1));
        assert!(!output.completes(0x1100, 3));
        assert!(!output.touches(0x1104, 1) && output.touches(0x1103, 9));
    }
}
