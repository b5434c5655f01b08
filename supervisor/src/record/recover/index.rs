//! The records at the end of an MCAP file, as bytes. Source: the MCAP specification, `DataEnd` to `Footer`.

use std::collections::BTreeMap;

use mcap::records::{AttachmentHeader, Channel, MessageIndexEntry, Record, SchemaHeader, op};

use super::scan::{Chunk, MAGIC, Scan};

/// Little endian, lengths in front.
#[derive(Default)]
struct Body(Vec<u8>);

impl Body {
    fn u16(mut self, value: u16) -> Self {
        self.0.extend(value.to_le_bytes());
        self
    }

    fn u32(mut self, value: u32) -> Self {
        self.0.extend(value.to_le_bytes());
        self
    }

    fn u64(mut self, value: u64) -> Self {
        self.0.extend(value.to_le_bytes());
        self
    }

    fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
        self.0.extend(bytes);
        self
    }

    fn text(self, text: &str) -> Self {
        self.bytes(text.as_bytes())
    }

    fn texts(self, map: &BTreeMap<String, String>) -> Self {
        let inside =
            map.iter().fold(Self::default(), |body, (key, text)| body.text(key).text(text));
        self.bytes(&inside.0)
    }

    fn places(self, map: &BTreeMap<u16, u64>) -> Self {
        let inside = map.iter().fold(Self::default(), |body, (key, at)| body.u16(*key).u64(*at));
        self.bytes(&inside.0)
    }
}

fn record(opcode: u8, body: &[u8]) -> Vec<u8> {
    let length = u64::try_from(body.len()).unwrap_or(u64::MAX);
    [&[opcode][..], &length.to_le_bytes(), body].concat()
}

pub(super) fn schema(header: &SchemaHeader, data: &[u8]) -> Vec<u8> {
    Body::default().u16(header.id).text(&header.name).text(&header.encoding).bytes(data).0
}

pub(super) fn channel(channel: &Channel) -> Vec<u8> {
    let body = Body::default().u16(channel.id).u16(channel.schema_id).text(&channel.topic);
    body.text(&channel.message_encoding).texts(&channel.metadata).0
}

/// Length of a record inside a chunk, without opcode and length.
pub(super) fn body_length(record: &Record<'_>) -> u64 {
    let length = match record {
        Record::Message { data, .. } => 22 + data.len(),
        Record::Schema { header, data } => schema(header, data).len(),
        Record::Channel(found) => channel(found).len(),
        Record::Unknown { data, .. } => data.len(),
        // Nothing else is written into chunks.
        _ => 0,
    };
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// `long`: of the record as a whole, and of the data in it.
pub(super) fn attachment(header: &AttachmentHeader, at: u64, long: (u64, u64)) -> Vec<u8> {
    let body = Body::default().u64(at).u64(long.0).u64(header.log_time).u64(header.create_time);
    body.u64(long.1).text(&header.name).text(&header.media_type).0
}

pub(super) fn metadata(name: &str, at: u64, long: u64) -> Vec<u8> {
    Body::default().u64(at).u64(long).text(name).0
}

pub(super) fn message_index(channel: u16, entries: &[MessageIndexEntry]) -> Vec<u8> {
    let inside =
        entries.iter().fold(Body::default(), |body, it| body.u64(it.log_time).u64(it.offset));
    record(op::MESSAGE_INDEX, &Body::default().u16(channel).bytes(&inside.0).0)
}

fn chunk_index(chunk: &Chunk) -> Vec<u8> {
    let header = &chunk.header;
    let body = Body::default().u64(header.message_start_time).u64(header.message_end_time);
    let body = body.u64(chunk.start).u64(chunk.length).places(&chunk.indexes);
    let body = body.u64(chunk.indexes_length).text(&header.compression);
    body.u64(header.compressed_size).u64(header.uncompressed_size).0
}

fn statistics(scan: &Scan) -> Vec<u8> {
    let short = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
    let (first, last) = scan.times.unwrap_or_default();
    let schemas = u16::try_from(scan.schemas.len()).unwrap_or(u16::MAX);
    let body = Body::default().u64(scan.messages()).u16(schemas).u32(short(scan.channels.len()));
    let body = body.u32(short(scan.attachments.len())).u32(short(scan.metadata.len()));
    body.u32(short(scan.chunks.len())).u64(first).u64(last).places(&scan.counts).0
}

/// Everything that belongs behind [`Scan::whole`].
pub(super) fn tail(scan: &Scan) -> Vec<u8> {
    let mut tail = scan.missing.clone();
    // No CRC of the data: each chunk has its own.
    tail.extend(record(op::DATA_END, &Body::default().u32(0).0));
    let place = |tail: &Vec<u8>| scan.whole + u64::try_from(tail.len()).unwrap_or(u64::MAX);
    let start = place(&tail);
    let groups: [(u8, Vec<Vec<u8>>); 6] = [
        (op::SCHEMA, scan.schemas.values().cloned().collect()),
        (op::CHANNEL, scan.channels.values().cloned().collect()),
        (op::STATISTICS, vec![statistics(scan)]),
        (op::CHUNK_INDEX, scan.chunks.iter().map(chunk_index).collect()),
        (op::ATTACHMENT_INDEX, scan.attachments.clone()),
        (op::METADATA_INDEX, scan.metadata.clone()),
    ];
    let mut offsets = Vec::new();
    for (opcode, bodies) in groups.iter().filter(|(_, bodies)| !bodies.is_empty()) {
        let from = place(&tail);
        tail.extend(bodies.iter().flat_map(|body| record(*opcode, body)));
        let mut body = Body(vec![*opcode]);
        body = body.u64(from).u64(place(&tail) - from);
        offsets.extend(record(op::SUMMARY_OFFSET, &body.0));
    }
    let offsets_at = place(&tail);
    tail.extend(offsets);
    let footer = Body::default().u64(start).u64(offsets_at).u32(0);
    tail.extend(record(op::FOOTER, &footer.0));
    tail.extend(MAGIC);
    tail
}
