//! Reads a recording from its beginning to where it stops being one.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read as _, Seek as _, SeekFrom};

use mcap::read::{ChunkReader, parse_record};
use mcap::records::{ChunkHeader, MessageIndexEntry, Record, op};
use prost::Message as _;

use super::super::messages::Ledger;
use super::index;

/// At both ends of an MCAP file.
pub(super) const MAGIC: &[u8; 8] = b"\x89MCAP0\r\n";
/// No record of ours is longer, bytes: a chunk is 256 KB, an attachment a machine file.
const RECORD_MAX: u64 = 256 << 20;
/// Opcode and length.
const HEAD: u64 = 9;

/// A chunk, and where its indexes are.
pub(super) struct Chunk {
    pub(super) header: ChunkHeader,
    pub(super) start: u64,
    /// With opcode and length.
    pub(super) length: u64,
    /// Channel → place of its index; those of the file, or those that will be written behind it.
    pub(super) indexes: BTreeMap<u16, u64>,
    pub(super) indexes_length: u64,
    /// Of the last chunk: its messages by channel, as they are in it.
    entries: BTreeMap<u16, Vec<MessageIndexEntry>>,
}

/// What a recording holds.
#[derive(Default)]
pub(super) struct Scan {
    /// Bodies of records as they stand in the summary.
    pub(super) schemas: BTreeMap<u16, Vec<u8>>,
    pub(super) channels: BTreeMap<u16, Vec<u8>>,
    pub(super) attachments: Vec<Vec<u8>>,
    pub(super) metadata: Vec<Vec<u8>>,
    pub(super) chunks: Vec<Chunk>,
    /// Messages by channel.
    pub(super) counts: BTreeMap<u16, u64>,
    /// First and last.
    pub(super) times: Option<(u64, u64)>,
    /// Up to here it is whole.
    pub(super) whole: u64,
    /// Indexes of the last chunk that were cut off with what was behind it.
    pub(super) missing: Vec<u8>,
    pub(super) ledger: Option<Ledger>,
    ledger_channel: Option<u16>,
}

impl Scan {
    /// Reads as far as it goes.
    ///
    /// # Errors
    /// The disk; or it is no MCAP file.
    pub(super) fn of(file: &mut File) -> io::Result<Self> {
        file.seek(SeekFrom::Start(0))?;
        let length = file.metadata()?.len();
        let mut from = BufReader::with_capacity(256 << 10, file);
        let mut magic = [0; 8];
        let is_mcap = from.read_exact(&mut magic).is_ok() && magic == *MAGIC;
        if !is_mcap {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is no MCAP recording"));
        }
        let mut scan = Self { whole: 8, ..Self::default() };
        let mut body = Vec::new();
        loop {
            let mut head = [0; 9];
            if length.saturating_sub(scan.whole) < HEAD {
                break;
            }
            from.read_exact(&mut head)?;
            let [opcode, long @ ..] = head;
            let long = u64::from_le_bytes(long);
            let left = length - scan.whole - HEAD;
            if long > left.min(RECORD_MAX) || matches!(opcode, op::DATA_END | op::FOOTER | 0) {
                break;
            }
            body.resize(usize::try_from(long).unwrap_or(0), 0);
            from.read_exact(&mut body)?;
            if !scan.take(opcode, &body) {
                break;
            }
            scan.whole += HEAD + long;
        }
        scan.mend_last_chunk();
        Ok(scan)
    }

    pub(super) fn messages(&self) -> u64 {
        self.counts.values().sum()
    }

    /// False: it is damaged, and so is what follows.
    fn take(&mut self, opcode: u8, body: &[u8]) -> bool {
        let Ok(record) = parse_record(opcode, body) else { return false };
        match record {
            Record::Chunk { header, data } => self.chunk(header, &data, body.len()),
            Record::MessageIndex(found) => {
                let Some(chunk) = self.chunks.last_mut() else { return false };
                // A damaged one is as good as none: it is written again.
                let right = chunk.entries.get(&found.channel_id) == Some(&found.records);
                if right {
                    chunk.indexes.insert(found.channel_id, self.whole);
                    chunk.indexes_length += HEAD + count(body.len());
                }
                right
            }
            Record::Attachment { header, data, .. } => {
                let long = (HEAD + count(body.len()), count(data.len()));
                self.attachments.push(index::attachment(&header, self.whole, long));
                true
            }
            Record::Metadata(found) => {
                let long = HEAD + count(body.len());
                self.metadata.push(index::metadata(&found.name, self.whole, long));
                true
            }
            other => {
                self.common(&other);
                true
            }
        }
    }

    /// What may be in a chunk and outside of one.
    fn common(&mut self, record: &Record<'_>) {
        match record {
            Record::Schema { header, data } => {
                self.schemas.insert(header.id, index::schema(header, data));
            }
            Record::Channel(channel) => {
                if channel.topic == "/ledger" {
                    self.ledger_channel = Some(channel.id);
                }
                self.channels.insert(channel.id, index::channel(channel));
            }
            Record::Message { header, data } => {
                *self.counts.entry(header.channel_id).or_default() += 1;
                let time = header.log_time;
                let (first, last) = self.times.unwrap_or((time, time));
                self.times = Some((first.min(time), last.max(time)));
                if self.ledger_channel == Some(header.channel_id) {
                    self.ledger = Ledger::decode(&data[..]).ok().or(self.ledger);
                }
            }
            _ => {}
        }
    }

    fn chunk(&mut self, header: ChunkHeader, data: &[u8], long: usize) -> bool {
        let Ok(reader) = ChunkReader::new(header.clone(), data) else { return false };
        let Ok(records) = reader.collect::<Result<Vec<_>, _>>() else { return false };
        let mut entries: BTreeMap<u16, Vec<MessageIndexEntry>> = BTreeMap::new();
        let mut offset = 0;
        for record in &records {
            if let Record::Message { header, .. } = record {
                let entry = MessageIndexEntry { log_time: header.log_time, offset };
                entries.entry(header.channel_id).or_default().push(entry);
            }
            self.common(record);
            offset += HEAD + index::body_length(record);
        }
        if let Some(before) = self.chunks.last_mut() {
            // It is followed by another that is whole: nothing of it will be mended.
            before.entries.clear();
        }
        self.chunks.push(Chunk {
            header,
            start: self.whole,
            length: HEAD + count(long),
            indexes: BTreeMap::new(),
            indexes_length: 0,
            entries,
        });
        true
    }

    /// The last chunk may have lost some of its indexes, or their ends: all of them are written again then.
    fn mend_last_chunk(&mut self) {
        let Some(chunk) = self.chunks.last_mut() else { return };
        if chunk.entries.len() == chunk.indexes.len() {
            return;
        }
        let behind = chunk.start + chunk.length;
        // Between the chunk and its indexes there is nothing else.
        self.whole = behind;
        chunk.indexes.clear();
        for (channel, entries) in &chunk.entries {
            chunk.indexes.insert(*channel, behind + count(self.missing.len()));
            self.missing.extend(index::message_index(*channel, entries));
        }
        chunk.indexes_length = count(self.missing.len());
    }
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
