//! Typed views of received bytes.

use super::{
    CIRCULATING, DATAGRAM_HEADER, ETHERCAT_HEADER, ETHERNET_HEADER, FIRST_DATAGRAM, LENGTH_MASK,
    MORE, WORKING_COUNTER, u16_at, u32_at,
};
use crate::link::ETHERTYPE;

/// Why bytes are not a frame of EtherCAT datagrams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// Ends before its headers do.
    Short,
    /// Another EtherType.
    EtherType,
    /// EtherCAT header: not the type of datagrams (1), or longer than the frame.
    Header,
    /// A datagram reaches beyond the length in the EtherCAT header.
    Datagram,
}

/// A frame whose headers are whole.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    bytes: &'a [u8],
    /// Datagrams end here.
    end: usize,
}

impl<'a> Frame<'a> {
    /// Checks Ethernet and EtherCAT header.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let ether_type = bytes
            .get(ETHERNET_HEADER - 2..)
            .and_then(|rest| rest.first_chunk())
            .map(|chunk| u16::from_be_bytes(*chunk))
            .ok_or(Malformed::Short)?;
        if ether_type != ETHERTYPE {
            return Err(Malformed::EtherType);
        }
        let header = u16_at(bytes, ETHERNET_HEADER).ok_or(Malformed::Short)?;
        let end = FIRST_DATAGRAM + usize::from(header & LENGTH_MASK);
        if header >> 12 != 1 || end > bytes.len() {
            return Err(Malformed::Header);
        }
        Ok(Self { bytes, end })
    }

    /// Source address.
    #[must_use]
    pub fn source(&self) -> [u8; 6] {
        self.bytes.get(6..).and_then(|rest| rest.first_chunk()).copied().unwrap_or_default()
    }

    /// Its datagrams in order.
    #[must_use]
    pub fn datagrams(&self) -> Datagrams<'a> {
        let bytes = self.bytes.get(..self.end).unwrap_or_default();
        Datagrams { bytes, at: Some(ETHERNET_HEADER + ETHERCAT_HEADER) }
    }
}

/// One datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// Command code.
    pub command: u8,
    /// Index, the MainDevice's own.
    pub index: u8,
    /// Position or station address and register, or logical address.
    pub address: u32,
    /// The frame has gone round a broken ring.
    pub circulating: bool,
    /// Its data.
    pub data: &'a [u8],
    /// Its tally.
    pub working_counter: u16,
    /// Where its header begins in the frame.
    pub at: usize,
}

impl Datagram<'_> {
    /// Second half of the address.
    #[must_use]
    pub fn register(&self) -> u16 {
        let [_, _, low, high] = self.address.to_le_bytes();
        u16::from_le_bytes([low, high])
    }

    /// First half of the address: position or station address.
    #[must_use]
    pub fn station(&self) -> u16 {
        let [low, high, _, _] = self.address.to_le_bytes();
        u16::from_le_bytes([low, high])
    }
}

/// Goes through the datagrams of a frame; ends after the first one that is malformed.
#[derive(Clone, Debug)]
pub struct Datagrams<'a> {
    bytes: &'a [u8],
    at: Option<usize>,
}

impl<'a> Datagrams<'a> {
    fn read(&self, at: usize) -> Option<(Datagram<'a>, Option<usize>)> {
        let header = self.bytes.get(at..at.checked_add(DATAGRAM_HEADER)?)?;
        let [command, index] = *header.first_chunk()?;
        let address = u32_at(header, 2)?;
        let length = u16_at(header, 6)?;
        let data_at = at + DATAGRAM_HEADER;
        let data_end = data_at + usize::from(length & LENGTH_MASK);
        let data = self.bytes.get(data_at..data_end)?;
        let working_counter = u16_at(self.bytes, data_end)?;
        let next = (length & MORE != 0).then_some(data_end + WORKING_COUNTER);
        let circulating = length & CIRCULATING != 0;
        Some((Datagram { command, index, address, circulating, data, working_counter, at }, next))
    }
}

impl<'a> Iterator for Datagrams<'a> {
    type Item = Result<Datagram<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let at = self.at.take()?;
        match self.read(at) {
            Some((datagram, next)) => {
                self.at = next;
                Some(Ok(datagram))
            }
            None => Some(Err(Malformed::Datagram)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Command, DatagramSpec, Template};
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_or_run_on(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(frame) = Frame::parse(&bytes) {
                prop_assert!(frame.datagrams().count() <= 20);
            }
        }

        #[test]
        fn no_payload_makes_it_panic(payload in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut bytes = vec![0; 12];
            bytes.extend([0x88, 0xA4]);
            let length = u16::try_from(payload.len()).unwrap() | 0x1000;
            bytes.extend(length.to_le_bytes());
            bytes.extend(payload);
            let frame = Frame::parse(&bytes).unwrap();
            for datagram in frame.datagrams().flatten() {
                prop_assert!(datagram.data.len() <= bytes.len());
            }
            prop_assert!(frame.datagrams().count() <= 26);
        }

        #[test]
        fn what_is_built_is_read_back(lengths in proptest::collection::vec(0u16..200, 1..6)) {
            let specs: Vec<_> = lengths.iter().zip(0u32..).map(|(length, n)| DatagramSpec {
                command: Command::Lrw, address: n * 0x1_0001, length: *length,
            }).collect();
            let template = Template::build(&specs).unwrap();
            let frame = Frame::parse(template.bytes()).unwrap();
            let read: Vec<_> = frame.datagrams().map(|d| d.unwrap()).collect();
            prop_assert_eq!(read.len(), specs.len());
            for (datagram, spec) in read.iter().zip(&specs) {
                prop_assert_eq!(datagram.data.len(), usize::from(spec.length));
                prop_assert_eq!(datagram.address, spec.address);
                prop_assert_eq!(datagram.command, 12);
            }
        }
    }

    #[test]
    fn a_frame_cut_inside_a_datagram_is_malformed() {
        let spec = DatagramSpec { command: Command::Fprd, address: 0x0130_1000, length: 80 };
        let template = Template::build(&[spec]).unwrap();
        let cut = &template.bytes()[..70];
        assert!(matches!(Frame::parse(cut), Err(Malformed::Header)));
        let mut lying = template.bytes().to_vec();
        lying[ETHERNET_HEADER] = 40;
        let frame = Frame::parse(&lying).unwrap();
        assert_eq!(frame.datagrams().next(), Some(Err(Malformed::Datagram)));
    }
}
