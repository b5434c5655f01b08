//! Frames on the wire: Ethernet header, EtherCAT header, datagrams (ETG1000.4, clause 5).
//!
//! Views over bytes that check every bound once; templates that are patched in place. No panic on any bytes.

mod build;
mod view;

pub use build::{DatagramSpec, Place, Template};
pub use view::{Datagram, Datagrams, Frame, Malformed};

/// Ethernet header: destination, source, EtherType.
pub const ETHERNET_HEADER: usize = 14;
/// EtherCAT header: 11 bits length, 1 reserved, 4 bits type.
pub const ETHERCAT_HEADER: usize = 2;
/// Datagram header: command, index, address (4), length and flags (2), event (2).
pub const DATAGRAM_HEADER: usize = 10;
/// Working counter at the end of a datagram.
pub const WORKING_COUNTER: usize = 2;
/// What a datagram costs beside its data.
pub const DATAGRAM_OVERHEAD: usize = DATAGRAM_HEADER + WORKING_COUNTER;
/// Where the first datagram of a frame begins.
pub const FIRST_DATAGRAM: usize = ETHERNET_HEADER + ETHERCAT_HEADER;
/// Shortest Ethernet frame without FCS.
pub const FRAME_MIN: usize = 60;
/// Most bytes of datagrams in one frame.
pub const PAYLOAD_MAX: usize = crate::link::FRAME_MAX - FIRST_DATAGRAM;

/// Length field of a datagram: 11 bits.
pub(crate) const LENGTH_MASK: u16 = 0x07FF;
/// The frame has gone round a broken ring.
pub(crate) const CIRCULATING: u16 = 0x4000;
/// Another datagram follows.
pub(crate) const MORE: u16 = 0x8000;

/// Station address of the first device; the others count up. ethercrab gives them so.
pub const STATION_BASE: u16 = 0x1000;

/// Source address of our own frames. The first EtherCAT device sets bit 0x02 of the first byte: a frame that comes back unchanged met none.
pub const OUR_ADDRESS: [u8; 6] = [0x10, 0x54, 0x41, 0x43, 0x54, 0x53];
/// Source address of our frames with mailbox traffic.
pub const MAILBOX_ADDRESS: [u8; 6] = [0x10, 0x54, 0x41, 0x43, 0x54, 0x4D];
/// Source address of ethercrab's frames.
pub const ETHERCRAB_ADDRESS: [u8; 6] = [0x10; 6];
/// What the first device makes of the first byte.
const PROCESSED: u8 = 0x02;

/// Commands that we use (ETG1000.4 Table 15 and following).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Command {
    /// Read by position.
    Aprd = 1,
    /// Write by position.
    Apwr = 2,
    /// Read by station address.
    Fprd = 4,
    /// Write by station address.
    Fpwr = 5,
    /// Read all, OR-ed.
    Brd = 7,
    /// Write all.
    Bwr = 8,
    /// Logical read and write.
    Lrw = 12,
    /// Read one by station address, write the others: distributes the reference clock.
    Frmw = 14,
}

impl Command {
    /// The byte on the wire.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Aprd => 1,
            Self::Apwr => 2,
            Self::Fprd => 4,
            Self::Fpwr => 5,
            Self::Brd => 7,
            Self::Bwr => 8,
            Self::Lrw => 12,
            Self::Frmw => 14,
        }
    }

    /// Whether every device that it passes counts the first half of the address up.
    #[must_use]
    pub const fn counts_position(self) -> bool {
        matches!(self, Self::Aprd | Self::Apwr | Self::Brd | Self::Bwr)
    }
}

/// Whose frame came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Ours, through at least one device.
    Ours,
    /// Ours with mailbox traffic, through at least one device.
    Mailbox,
    /// ethercrab's, through at least one device.
    Ethercrab,
    /// Ours or ethercrab's, unchanged: no device has seen it.
    LoopedBack,
    /// Not EtherCAT, or another MainDevice's.
    Foreign,
}

/// Whether this is a frame of ours with mailbox traffic, on its way out or back.
#[must_use]
pub fn is_mailbox(frame: &[u8]) -> bool {
    let [_, tail @ ..] = MAILBOX_ADDRESS;
    frame.get(7..ETHERNET_HEADER - 2) == Some(&tail)
}

/// Tells by EtherType and source address whose frame this is.
#[must_use]
pub fn origin(frame: &[u8]) -> Origin {
    let Some(([_, _, _, _, _, _, first, rest @ .., high, low], _)) =
        frame.split_first_chunk::<ETHERNET_HEADER>()
    else {
        return Origin::Foreign;
    };
    if u16::from_be_bytes([*high, *low]) != crate::link::ETHERTYPE {
        return Origin::Foreign;
    }
    let unprocessed = first & !PROCESSED;
    let is =
        |address: [u8; 6]| matches!(address, [a, tail @ ..] if a == unprocessed && tail == *rest);
    let origin = if is(OUR_ADDRESS) {
        Origin::Ours
    } else if is(MAILBOX_ADDRESS) {
        Origin::Mailbox
    } else if is(ETHERCRAB_ADDRESS) {
        Origin::Ethercrab
    } else {
        return Origin::Foreign;
    };
    if first & PROCESSED != 0 { origin } else { Origin::LoopedBack }
}

/// Registers (ETG1000.4 clause 6, ETG1000.6 for AL).
pub mod register {
    /// Type, revision, build, FMMU count (0x0004), SyncManager count (0x0005).
    pub const TYPE: u16 = 0x0000;
    /// Configured station address.
    pub const STATION: u16 = 0x0010;
    /// Who may use the SII: 0 the MainDevice, 1 the device.
    pub const SII_OWNER: u16 = 0x0500;
    /// SII control and status; address and data follow.
    pub const SII_CONTROL: u16 = 0x0502;
    /// AL control.
    pub const AL_CONTROL: u16 = 0x0120;
    /// AL status; the code is 4 bytes on.
    pub const AL_STATUS: u16 = 0x0130;
    /// Watchdog divider.
    pub const WATCHDOG_DIVIDER: u16 = 0x0400;
    /// Process data watchdog time.
    pub const WATCHDOG_TIME: u16 = 0x0420;
    /// First FMMU, 16 bytes each.
    pub const FMMU: u16 = 0x0600;
    /// First SyncManager, 8 bytes each.
    pub const SYNC_MANAGER: u16 = 0x0800;
    /// Status of the second SyncManager, the mailbox from the device; activate and PDI control follow.
    pub const MAILBOX_IN_STATUS: u16 = 0x080D;
    /// Error counters of the ports: invalid frames and physical errors, forwarded errors, of the unit itself, lost links.
    pub const PORT_ERRORS: u16 = 0x0300;
    /// DC system time.
    pub const DC_SYSTEM_TIME: u16 = 0x0910;
    /// System time offset.
    pub const DC_OFFSET: u16 = 0x0920;
    /// System time delay.
    pub const DC_DELAY: u16 = 0x0928;
    /// Speed counter start; a write resets the filter of differences.
    pub const DC_SPEED_START: u16 = 0x0930;
    /// Difference to the reference clock: bit 31 sign, 30..0 absolute.
    pub const DC_DIFFERENCE: u16 = 0x092C;
    /// Cyclic unit control; activation is the byte after.
    pub const DC_CYCLIC_CONTROL: u16 = 0x0980;
    /// SYNC0 start time.
    pub const DC_START: u16 = 0x0990;
    /// SYNC0 cycle time.
    pub const DC_SYNC0_CYCLE: u16 = 0x09A0;
}

pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|chunk| u16::from_le_bytes(*chunk))
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|chunk| u32::from_le_bytes(*chunk))
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|chunk| u64::from_le_bytes(*chunk))
}

/// Writes `value` at `at`; `None` and nothing written when it does not fit.
pub(crate) fn put(bytes: &mut [u8], at: usize, value: &[u8]) -> Option<()> {
    let end = at.checked_add(value.len())?;
    bytes.get_mut(at..end)?.copy_from_slice(value);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_source(source: [u8; 6]) -> Vec<u8> {
        let mut frame = vec![0xFF; 6];
        frame.extend(source);
        frame.extend([0x88, 0xA4, 0, 0]);
        frame
    }

    #[test]
    fn the_source_address_tells_whose_frame_it_is() {
        let mut ours = OUR_ADDRESS;
        assert_eq!(origin(&with_source(ours)), Origin::LoopedBack);
        ours[0] |= 2;
        assert_eq!(origin(&with_source(ours)), Origin::Ours);
        assert_eq!(origin(&with_source([0x12, 0x10, 0x10, 0x10, 0x10, 0x10])), Origin::Ethercrab);
        assert_eq!(origin(&with_source([0x10; 6])), Origin::LoopedBack);
        let mut mailbox = MAILBOX_ADDRESS;
        assert_eq!(origin(&with_source(mailbox)), Origin::LoopedBack);
        mailbox[0] |= 2;
        assert_eq!(origin(&with_source(mailbox)), Origin::Mailbox);
        assert_eq!(origin(&with_source([2, 0, 0, 0, 0, 1])), Origin::Foreign);
        let mut other_type = with_source(ours);
        other_type[13] = 0;
        assert_eq!(origin(&other_type), Origin::Foreign);
        assert_eq!(origin(&[0; 13]), Origin::Foreign);
    }
}
