//! An EtherCAT frame on the wire (ETG1000.4 §5): Ethernet header, EtherCAT header, datagrams.

use crate::num::u16_at;

/// EtherType of EtherCAT, as it stands in the frame.
const ETHERTYPE: [u8; 2] = [0x88, 0xA4];
/// Bytes of the Ethernet header.
const ETHERNET_HEADER: usize = 14;
/// First datagram: behind the Ethernet and EtherCAT headers.
const FIRST_DATAGRAM: usize = 16;
/// Bytes of a datagram header.
pub(crate) const DATAGRAM_HEADER: usize = 10;
/// Type in the EtherCAT header that says: datagrams follow.
const TYPE_DATAGRAMS: u16 = 1;
/// Most bytes of data in one datagram (ETG1000.4: the length has 11 bits, an Ethernet frame ends
/// before).
pub(crate) const DATA_MAX: usize = 1486;
/// Most datagrams that fit a frame: each has at least 12 bytes.
const DATAGRAMS_MAX: usize = 125;

/// Commands, ETG1000.4 Table 14.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// No operation, and every unknown number: devices leave it alone.
    Nop,
    /// Auto-increment physical read.
    Aprd,
    /// Auto-increment physical write.
    Apwr,
    /// Auto-increment physical read and write.
    Aprw,
    /// Configured address read.
    Fprd,
    /// Configured address write.
    Fpwr,
    /// Configured address read and write.
    Fprw,
    /// Broadcast read.
    Brd,
    /// Broadcast write.
    Bwr,
    /// Broadcast read and write.
    Brw,
    /// Logical read.
    Lrd,
    /// Logical write.
    Lwr,
    /// Logical read and write.
    Lrw,
    /// Auto-increment read, others write.
    Armw,
    /// Configured address read, others write.
    Frmw,
}

impl Command {
    fn from_byte(byte: u8) -> Self {
        match byte {
            1 => Self::Aprd,
            2 => Self::Apwr,
            3 => Self::Aprw,
            4 => Self::Fprd,
            5 => Self::Fpwr,
            6 => Self::Fprw,
            7 => Self::Brd,
            8 => Self::Bwr,
            9 => Self::Brw,
            10 => Self::Lrd,
            11 => Self::Lwr,
            12 => Self::Lrw,
            13 => Self::Armw,
            14 => Self::Frmw,
            _ => Self::Nop,
        }
    }
}

/// One datagram, found whole in the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Datagram {
    /// What is asked.
    pub(crate) command: Command,
    /// Where its header starts in the frame.
    pub(crate) at: usize,
    /// Length of its data.
    pub(crate) length: usize,
}

/// Where in a frame the next datagram is. It holds no reference, so that the frame can be changed
/// while it walks.
pub(crate) struct Datagrams {
    next: Option<usize>,
    left: usize,
}

/// The datagrams of `frame`, or `None` when it is not EtherCAT or has no room for a header.
/// A frame of another EtherCAT type (mailbox gateway) has none: devices forward it untouched.
pub(crate) fn datagrams(frame: &[u8]) -> Option<Datagrams> {
    if frame.get(12..ETHERNET_HEADER)? != ETHERTYPE || frame.len() < FIRST_DATAGRAM {
        return None;
    }
    let is_datagrams = u16_at(frame, ETHERNET_HEADER) >> 12 == TYPE_DATAGRAMS;
    Some(Datagrams { next: is_datagrams.then_some(FIRST_DATAGRAM), left: DATAGRAMS_MAX })
}

impl Datagrams {
    /// The next datagram that is whole; `frame` is the one that this was made from.
    pub(crate) fn next(&mut self, frame: &[u8]) -> Option<Datagram> {
        let at = self.next.take()?;
        self.left = self.left.checked_sub(1)?;
        let header = frame.get(at..at + DATAGRAM_HEADER)?;
        let length_field = u16_at(header, 6);
        let length = usize::from(length_field & 0x07FF);
        let end = at + DATAGRAM_HEADER + length + 2;
        if end > frame.len() || length > DATA_MAX {
            return None;
        }
        if length_field & 0x8000 != 0 {
            self.next = Some(end);
        }
        Some(Datagram { command: Command::from_byte(*header.first()?), at, length })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(datagrams: &[(u8, u16)]) -> Vec<u8> {
        let mut bytes = vec![0; 12];
        bytes.extend(ETHERTYPE);
        bytes.extend([0, 0x10]);
        for (number, (command, length)) in datagrams.iter().enumerate() {
            let more = if number + 1 < datagrams.len() { 0x8000 } else { 0 };
            bytes.extend([*command, 0, 0, 0, 0, 0]);
            bytes.extend((length | more).to_le_bytes());
            bytes.extend([0, 0]);
            bytes.extend(vec![0; usize::from(*length) + 2]);
        }
        bytes
    }

    fn all(bytes: &[u8]) -> Vec<Datagram> {
        let mut found = Vec::new();
        let mut iter = datagrams(bytes).expect("EtherCAT");
        while let Some(datagram) = iter.next(bytes) {
            found.push(datagram);
        }
        found
    }

    #[test]
    fn every_whole_datagram_is_found_in_order() {
        let bytes = frame(&[(7, 1), (12, 4), (200, 0)]);
        let found = all(&bytes);
        assert_eq!(found.len(), 3);
        assert_eq!(found[1], Datagram { command: Command::Lrw, at: 29, length: 4 });
        assert_eq!(found[2].command, Command::Nop);
    }

    #[test]
    fn a_datagram_that_ends_behind_the_frame_is_not_there() {
        let mut bytes = frame(&[(7, 1), (12, 4)]);
        bytes.pop();
        assert_eq!(all(&bytes).len(), 1);
    }

    #[test]
    fn what_is_not_ethercat_has_no_datagrams() {
        assert!(datagrams(&[0; 60]).is_none());
        assert!(datagrams(&[0x88, 0xA4]).is_none());
        let mut other_type = frame(&[(7, 1)]);
        other_type[15] = 0x40;
        assert_eq!(all(&other_type), []);
    }
}
