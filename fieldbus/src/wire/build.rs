//! Frames that are built once and patched in place every cycle.

use super::{
    Command, DATAGRAM_HEADER, DATAGRAM_OVERHEAD, ETHERNET_HEADER, FIRST_DATAGRAM, FRAME_MIN,
    LENGTH_MASK, MORE, OUR_ADDRESS, PAYLOAD_MAX, put, u16_at, u32_at,
};
use crate::link::{ETHERTYPE, FRAME_MAX};

/// One datagram to build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DatagramSpec {
    /// Command.
    pub command: Command,
    /// Station (low half) and register (high half), or logical address.
    pub address: u32,
    /// Bytes of data.
    pub length: u16,
}

impl DatagramSpec {
    /// A datagram to a register of one device, or of all (`station` 0 with a broadcast command).
    #[must_use]
    pub fn register(command: Command, station: u16, register: u16, length: u16) -> Self {
        Self { command, address: u32::from(station) | u32::from(register) << 16, length }
    }
}

/// A datagram's place in its frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    spec: DatagramSpec,
    /// Where its header begins.
    header_at: usize,
}

impl Place {
    /// Where its data begins.
    #[must_use]
    pub fn data_at(&self) -> usize {
        self.header_at + DATAGRAM_HEADER
    }

    /// Bytes of its data.
    #[must_use]
    pub fn bytes(&self) -> usize {
        usize::from(self.spec.length)
    }

    /// Where its working counter is.
    #[must_use]
    pub fn working_counter_at(&self) -> usize {
        self.data_at() + usize::from(self.spec.length)
    }

    /// Its data in `frame`.
    #[must_use]
    pub fn data<'a>(&self, frame: &'a [u8]) -> &'a [u8] {
        frame.get(self.data_at()..self.working_counter_at()).unwrap_or_default()
    }

    /// Its working counter in `frame`.
    #[must_use]
    pub fn working_counter(&self, frame: &[u8]) -> Option<u16> {
        u16_at(frame, self.working_counter_at())
    }

    /// Whether `reply` holds, at this very place, the answer to this datagram of `sent` with this index: command, index, address, and
    /// the whole field of the length: neither that another datagram follows nor that the frame went round twice may have changed.
    #[must_use]
    pub fn is_answered(&self, sent: &[u8], reply: &[u8], index: u8) -> bool {
        let (Some(head), Some(address), Some(length)) = (
            u16_at(reply, self.header_at),
            u32_at(reply, self.header_at + 2),
            u16_at(reply, self.header_at + 6),
        ) else {
            return false;
        };
        let [command, found_index] = head.to_le_bytes();
        let mask = if self.spec.command.counts_position() { 0xFFFF_0000 } else { u32::MAX };
        command == self.spec.command.code()
            && found_index == index
            && (address ^ self.spec.address) & mask == 0
            && Some(length) == u16_at(sent, self.header_at + 6)
            && self.working_counter_at() + 2 <= reply.len()
    }
}

/// A frame of ours, ready to be sent: built once, patched every cycle. Its memory has room for the longest frame.
#[derive(Clone, Debug)]
pub struct Template {
    bytes: Box<[u8]>,
    places: Vec<Place>,
    /// Where the next datagram goes.
    end: usize,
    /// The appended datagram, patched every cycle.
    appended: Option<Place>,
    /// Index of every datagram but the first.
    round: u8,
}

impl Template {
    /// Builds a frame of these datagrams, all data 0. `None`: they do not fit one frame, or there are none.
    #[must_use]
    pub fn build(specs: &[DatagramSpec]) -> Option<Self> {
        let mut bytes = vec![0; FRAME_MAX].into_boxed_slice();
        put(&mut bytes, 0, &[0xFF; 6])?;
        put(&mut bytes, 6, &OUR_ADDRESS)?;
        put(&mut bytes, 12, &ETHERTYPE.to_be_bytes())?;
        let mut template = Self {
            bytes,
            places: Vec::with_capacity(specs.len()),
            end: FIRST_DATAGRAM,
            appended: None,
            round: 0,
        };
        for spec in specs {
            let place = template.put_datagram(template.end, *spec)?;
            template.end = place.working_counter_at() + 2;
            template.places.push(place);
        }
        template.finish(template.end, None)?;
        (!specs.is_empty()).then_some(template)
    }

    /// A frame without datagrams, from another address of ours: what is appended is all that it carries.
    #[must_use]
    pub fn blank(source: [u8; 6]) -> Self {
        let mut bytes = vec![0; FRAME_MAX].into_boxed_slice();
        let _ = put(&mut bytes, 0, &[0xFF; 6]);
        let _ = put(&mut bytes, 6, &source);
        let _ = put(&mut bytes, 12, &ETHERTYPE.to_be_bytes());
        Self { bytes, places: Vec::new(), end: FIRST_DATAGRAM, appended: None, round: 0 }
    }

    fn put_datagram(&mut self, header_at: usize, spec: DatagramSpec) -> Option<Place> {
        let room = FIRST_DATAGRAM + PAYLOAD_MAX;
        if header_at + DATAGRAM_OVERHEAD + usize::from(spec.length) > room {
            return None;
        }
        put(&mut self.bytes, header_at, &[spec.command.code(), 0])?;
        put(&mut self.bytes, header_at + 2, &spec.address.to_le_bytes())?;
        put(&mut self.bytes, header_at + 6, &spec.length.to_le_bytes())?;
        put(&mut self.bytes, header_at + 8, &[0, 0])?;
        Some(Place { spec, header_at })
    }

    /// Sets the EtherCAT length and the `more` flags for datagrams that end at `end`.
    fn finish(&mut self, end: usize, appended: Option<Place>) -> Option<()> {
        let length = u16::try_from(end - FIRST_DATAGRAM).ok()? & LENGTH_MASK;
        put(&mut self.bytes, ETHERNET_HEADER, &(length | 0x1000).to_le_bytes())?;
        let count = self.places.len();
        for (n, place) in self.places.iter().enumerate() {
            let more = if n + 1 < count || appended.is_some() { MORE } else { 0 };
            let field = place.spec.length | more;
            put(&mut self.bytes, place.header_at + 6, &field.to_le_bytes())?;
        }
        self.appended = appended;
        Some(())
    }

    /// Puts one more datagram behind those it was built with, in place of the one appended before. `None`: no room, nothing is appended.
    pub fn append(&mut self, spec: DatagramSpec, data: &[u8]) -> Option<Place> {
        let place = self.put_datagram(self.end, spec)?;
        let room = self.bytes.get_mut(place.data_at()..place.working_counter_at() + 2)?;
        for (n, byte) in room.iter_mut().enumerate() {
            *byte = data.get(n).copied().unwrap_or(0);
        }
        put(&mut self.bytes, place.working_counter_at(), &[0, 0])?;
        self.finish(place.working_counter_at() + 2, Some(place))?;
        Some(place)
    }

    /// Takes the appended datagram away.
    pub fn remove_appended(&mut self) {
        if self.appended.is_some() {
            let _ = self.finish(self.end, None);
        }
    }

    /// Gives every datagram this index.
    pub fn set_index(&mut self, index: u8) {
        self.set_indices(index, index);
    }

    /// Gives the first datagram this index, and the others how often indices have come round: a frame as old as a whole round is told
    /// apart by them.
    pub fn set_indices(&mut self, first: u8, round: u8) {
        self.round = round;
        let mut index = first;
        for place in self.places.iter().chain(&self.appended) {
            if let Some(byte) = self.bytes.get_mut(place.header_at + 1) {
                *byte = index;
            }
            index = round;
        }
    }

    /// The frame as it is sent.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        let end = self.appended.map_or(self.end, |place| place.working_counter_at() + 2);
        self.bytes.get(..end.max(FRAME_MIN)).unwrap_or_default()
    }

    /// The whole memory of the frame, for the process data.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// Places of the datagrams it was built with.
    #[must_use]
    pub fn places(&self) -> &[Place] {
        &self.places
    }

    /// Place of the appended datagram.
    #[must_use]
    pub fn appended(&self) -> Option<Place> {
        self.appended
    }

    /// Whether `reply` is this frame come back, its first datagram with this index: EtherCAT header and every datagram.
    #[must_use]
    pub fn is_answered(&self, reply: &[u8], index: u8) -> bool {
        let mut places = self.places.iter().chain(&self.appended);
        u16_at(reply, ETHERNET_HEADER) == u16_at(&self.bytes, ETHERNET_HEADER)
            && places.next().is_some_and(|first| first.is_answered(&self.bytes, reply, index))
            && places.all(|place| place.is_answered(&self.bytes, reply, self.round))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template() -> Template {
        Template::build(&[
            DatagramSpec::register(Command::Brd, 0, 0x0130, 2),
            DatagramSpec { command: Command::Lrw, address: 0x1_0000, length: 40 },
        ])
        .unwrap()
    }

    #[test]
    fn a_reply_is_taken_only_if_every_datagram_is_the_one_sent() {
        let mut template = template();
        template.set_index(7);
        let mut reply = template.bytes().to_vec();
        reply[18] = 3;
        assert!(template.is_answered(&reply, 7), "a broadcast counts its position up");
        assert!(!template.is_answered(&reply, 8));
        let second = template.places()[1].data_at() - DATAGRAM_HEADER;
        for at in [14, 16, 17, 20, 21, 22, second, second + 1, second + 2, second + 6] {
            let mut wrong = reply.clone();
            wrong[at] ^= 1;
            assert!(!template.is_answered(&wrong, 7), "byte {at}");
        }
        for (bit, what) in [(0x40, "circulated"), (0x80, "more follow"), (0x08, "reserved")] {
            let mut wrong = reply.clone();
            wrong[second + 7] |= bit;
            assert!(!template.is_answered(&wrong, 7), "{what}");
        }
        reply[23] &= !0x80;
        assert!(!template.is_answered(&reply, 7), "the second one is cut off");
    }

    #[test]
    fn a_frame_as_old_as_a_whole_round_of_indices_is_not_taken() {
        let mut template = template();
        template.set_indices(7, 3);
        let mut reply = template.bytes().to_vec();
        reply[18] = 3;
        assert!(template.is_answered(&reply, 7));
        template.set_indices(7, 4);
        assert!(!template.is_answered(&reply, 7));
    }

    #[test]
    fn an_appended_datagram_comes_and_goes_without_a_trace() {
        let mut template = template();
        let before = template.bytes().to_vec();
        let spec = DatagramSpec::register(Command::Fpwr, 0x1001, 0x0120, 2);
        let place = template.append(spec, &[8, 0]).unwrap();
        assert_eq!(place.data(template.bytes()), [8, 0]);
        assert_eq!(template.bytes().len(), before.len() + 14);
        template.remove_appended();
        assert_eq!(template.bytes(), before);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let spec = |length| DatagramSpec { command: Command::Lrw, address: 0, length };
        assert!(Template::build(&[spec(1486)]).is_some());
        assert!(Template::build(&[spec(1487)]).is_none());
        assert!(Template::build(&[]).is_none());
        let mut full = Template::build(&[spec(1480)]).unwrap();
        assert!(full.append(spec(2), &[]).is_none());
        assert!(full.appended().is_none());
    }
}
