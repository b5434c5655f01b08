//! What the channel may do wrong, as functions over the datagrams that pass. Source: IEC 61784-3 by way of OPC 10000-15 §5.3, and what only
//! cameras do (a picture that stands still).

use rt_core::vision::crc32;

/// Length of a datagram of the virtual camera.
pub(crate) const LENGTH: usize = 436;

/// What a receiver without a check would do: take a field as right.
pub(crate) mod fix {
    pub(crate) const NOTHING: u8 = 0;
    pub(crate) const CRC: u8 = 1;
    pub(crate) const SEQUENCE: u8 = 2;
    pub(crate) const TIME: u8 = 4;
    pub(crate) const HASH: u8 = 8;
    pub(crate) const STREAM: u8 = 16;
    pub(crate) const LIVE: u8 = 32;
    pub(crate) const QUALITY: u8 = 64;
}

/// The channel while something is wrong with it.
pub(crate) struct Channel {
    /// The last datagram before it.
    pub(crate) last: Vec<u8>,
    /// Datagrams that wait, and until when, ns.
    pub(crate) waiting: Vec<(u64, Vec<u8>)>,
    pub(crate) count: u64,
    pub(crate) now: u64,
}

/// What comes out when a datagram goes in.
type Passes = fn(&mut Channel, Vec<u8>) -> Vec<Vec<u8>>;

/// Something that the channel does wrong.
#[derive(Clone, Copy)]
pub(crate) struct Error {
    pub(crate) name: &'static str,
    pub(crate) passes: Passes,
    /// Without which checks it would not be found.
    pub(crate) fixes: u8,
}

pub(crate) fn number(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("8 bytes"))
}

pub(crate) fn set(bytes: &mut [u8], at: usize, value: u64) {
    bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
}

pub(crate) fn seal(mut bytes: Vec<u8>) -> Vec<u8> {
    let crc = crc32(&bytes[..LENGTH - 4]);
    bytes[LENGTH - 4..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

fn edited(mut bytes: Vec<u8>, edit: impl FnOnce(&mut Vec<u8>)) -> Vec<Vec<u8>> {
    edit(&mut bytes);
    vec![seal(bytes)]
}

/// How much later than `age_max` a delayed datagram comes, ns.
const LATER_NS: u64 = 160_000_000;

/// A bit is turned in each one, another one each time.
fn corruption(channel: &mut Channel, mut bytes: Vec<u8>) -> Vec<Vec<u8>> {
    // In the objects, which nobody needs to call a zone clear.
    let bit = usize::try_from(channel.count * 37 % 2000).expect("small") + 8 * 60;
    bytes[bit / 8] ^= 1 << (bit % 8);
    vec![bytes]
}

fn truncation(_: &mut Channel, bytes: Vec<u8>) -> Vec<Vec<u8>> {
    vec![bytes[..LENGTH - 1].to_vec(), [bytes, vec![0]].concat()]
}

fn repetition(channel: &mut Channel, _: Vec<u8>) -> Vec<Vec<u8>> {
    vec![channel.last.clone()]
}

fn loss(_: &mut Channel, _: Vec<u8>) -> Vec<Vec<u8>> {
    Vec::new()
}

fn delay(channel: &mut Channel, bytes: Vec<u8>) -> Vec<Vec<u8>> {
    channel.waiting.push((channel.now + LATER_NS, bytes));
    Vec::new()
}

/// Two and two change places.
fn wrong_order(channel: &mut Channel, bytes: Vec<u8>) -> Vec<Vec<u8>> {
    match channel.waiting.pop() {
        None => {
            channel.waiting.push((u64::MAX, bytes));
            Vec::new()
        }
        Some((_, before)) => vec![bytes, before],
    }
}

/// Somebody else's stands before each one: well made, but the camera's own then go back.
fn insertion(_: &mut Channel, bytes: Vec<u8>) -> Vec<Vec<u8>> {
    let mut foreign = bytes.clone();
    let ahead = number(&foreign, 16) + 1_000_000;
    set(&mut foreign, 16, ahead);
    vec![seal(foreign), bytes]
}

/// Another machine's camera in place of ours.
fn masquerade(_: &mut Channel, bytes: Vec<u8>) -> Vec<Vec<u8>> {
    edited(bytes, |bytes| bytes[8] ^= 0xFF)
}

/// Another of our own streams.
fn addressing(_: &mut Channel, bytes: Vec<u8>) -> Vec<Vec<u8>> {
    edited(bytes, |bytes| bytes[6] ^= 0x40)
}

/// The picture stands still, and the camera process sees it.
fn frozen(_: &mut Channel, bytes: Vec<u8>) -> Vec<Vec<u8>> {
    edited(bytes, |bytes| bytes[37] = 0)
}

/// The picture stands still, and the process sends it as it was captured, under new numbers.
fn frozen_time(channel: &mut Channel, bytes: Vec<u8>) -> Vec<Vec<u8>> {
    let captured_at = number(&channel.last, 24);
    edited(bytes, |bytes| set(bytes, 24, captured_at))
}

/// Captured after it arrived: a clock that runs ahead.
fn future(_: &mut Channel, bytes: Vec<u8>) -> Vec<Vec<u8>> {
    let captured_at = number(&bytes, 24) + 3_600_000_000_000;
    edited(bytes, |bytes| set(bytes, 24, captured_at))
}

/// A covered lens.
fn poor(_: &mut Channel, bytes: Vec<u8>) -> Vec<Vec<u8>> {
    edited(bytes, |bytes| bytes[36] = 59)
}

/// Of an older version of the format.
fn version(_: &mut Channel, bytes: Vec<u8>) -> Vec<Vec<u8>> {
    edited(bytes, |bytes| bytes[4] = 1)
}

/// A time of another clock, said to be one.
fn other_clock(_: &mut Channel, bytes: Vec<u8>) -> Vec<Vec<u8>> {
    edited(bytes, |bytes| bytes[39] = 1)
}

/// The list.
pub(crate) const ERRORS: &[Error] = &[
    Error { name: "corruption", passes: corruption, fixes: fix::CRC },
    Error { name: "truncation", passes: truncation, fixes: fix::NOTHING },
    Error { name: "repetition", passes: repetition, fixes: fix::SEQUENCE | fix::TIME },
    Error { name: "loss", passes: loss, fixes: fix::NOTHING },
    Error { name: "delay", passes: delay, fixes: fix::TIME },
    Error { name: "wrong order", passes: wrong_order, fixes: fix::SEQUENCE | fix::TIME },
    Error { name: "insertion", passes: insertion, fixes: fix::SEQUENCE | fix::TIME },
    Error { name: "masquerade", passes: masquerade, fixes: fix::HASH },
    Error { name: "addressing", passes: addressing, fixes: fix::STREAM },
    Error { name: "frozen picture", passes: frozen, fixes: fix::LIVE },
    Error { name: "frozen picture and time", passes: frozen_time, fixes: fix::TIME },
    Error { name: "captured in the future", passes: future, fixes: fix::TIME },
    Error { name: "poor picture", passes: poor, fixes: fix::QUALITY },
    Error { name: "older version", passes: version, fixes: fix::NOTHING },
    Error { name: "another clock", passes: other_clock, fixes: fix::NOTHING },
];
