//! What goes back to a sender: what became of its datagram, so that it knows its own delay.

use rt_core::vision::{Kind, RECEIPT_LENGTH, VERSION, crc32};

use super::reason::Reason;

/// What became of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Stream id of the sender.
    pub wire_id: u16,
    /// Of the machine file that runs here.
    pub config_hash: u64,
    /// Of the datagram that this answers.
    pub sequence: u64,
    /// Why it does not count, as far as it is seen at receipt.
    pub reason: Option<Reason>,
    /// When it arrived, ns of CLOCK_MONOTONIC of this host.
    pub received_at: u64,
    /// When the loop took it, ns; 0: this receipt is of its arrival.
    pub taken_at: u64,
    /// When it was captured, at the earliest, ns of CLOCK_MONOTONIC of this host; 0: not known.
    pub captured_at: u64,
    /// And at the latest so much later, ns.
    pub uncertainty_ns: u64,
}

impl Receipt {
    /// Its bytes; it leaves at `sent_at`.
    #[must_use]
    pub fn bytes(&self, sent_at: u64) -> [u8; RECEIPT_LENGTH] {
        let mut bytes = [0; RECEIPT_LENGTH];
        let stage = if self.taken_at == 0 { 1 } else { 2 };
        let fields: [(usize, &[u8]); 11] = [
            (0, b"TVIS"),
            (4, &[VERSION, Kind::Receipt.byte()]),
            (6, &self.wire_id.to_le_bytes()),
            (8, &self.config_hash.to_le_bytes()),
            (16, &self.sequence.to_le_bytes()),
            (24, &sent_at.to_le_bytes()),
            (37, &[self.reason.map_or(0, Reason::number), stage]),
            (40, &self.received_at.to_le_bytes()),
            (48, &self.taken_at.to_le_bytes()),
            (56, &self.captured_at.to_le_bytes()),
            (64, &self.uncertainty_ns.to_le_bytes()),
        ];
        for (at, field) in fields {
            let place = bytes.get_mut(at..at + field.len()).unwrap_or_default();
            place.copy_from_slice(field);
        }
        let crc = crc32(bytes.get(..RECEIPT_LENGTH - 4).unwrap_or_default()).to_le_bytes();
        bytes.iter_mut().skip(RECEIPT_LENGTH - 4).zip(crc).for_each(|(to, from)| *to = from);
        bytes
    }
}
