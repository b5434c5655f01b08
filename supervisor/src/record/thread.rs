//! The recorder on a thread of its own: a disk that stalls for seconds delays nobody, and what does not fit is counted.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use crossbeam::channel::{Receiver, Sender, TrySendError, bounded};

use rt_core::record::Record;

use super::{FileRecorder, Stored, messages};
use crate::vision::Datagram;

/// Batches that may wait for the disk. With [`BATCH`] records each that is about a second of a busy machine at 1 kHz.
const BATCHES_MAX: usize = 128;
/// Records handed over at once.
const BATCH: usize = 128;
/// Small on purpose: the process is locked in memory.
const STACK_BYTES: usize = 128 * 1024;

enum Work {
    Records(Vec<(u64, Record)>),
    Vision(Box<Datagram>),
    Checkpoint(Box<messages::Checkpoint>, u64),
    Note(u64, String),
}

/// Hands records to a thread that writes them.
pub struct RecorderThread {
    work: Option<Sender<Work>>,
    used: Receiver<Vec<(u64, Record)>>,
    batch: Vec<(u64, Record)>,
    dropped: u64,
    written: Arc<Mutex<Stored>>,
    in_flight: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl RecorderThread {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system refused a thread.
    pub fn spawn(recorder: FileRecorder) -> std::io::Result<Self> {
        let (work, incoming) = bounded(BATCHES_MAX);
        let (give_back, used) = bounded(BATCHES_MAX);
        let written = Arc::new(Mutex::new(recorder.stored()));
        let in_flight = Arc::new(AtomicU64::new(0));
        let (shared, counter) = (Arc::clone(&written), Arc::clone(&in_flight));
        let thread = std::thread::Builder::new()
            .name("tactus-record".into())
            .stack_size(STACK_BYTES)
            .spawn(move || write_all(recorder, &incoming, &give_back, &shared, &counter))?;
        let batch = Vec::with_capacity(BATCH);
        let thread = Some(thread);
        Ok(Self { work: Some(work), used, batch, dropped: 0, written, in_flight, thread })
    }

    /// Takes one record; when the disk is too far behind, its batch is dropped and counted.
    pub fn record(&mut self, sequence: u64, record: &Record) {
        self.batch.push((sequence, *record));
        if self.batch.len() >= BATCH {
            self.hand_over();
        }
    }

    /// Takes a camera's datagram; it is dropped when the disk is too far behind.
    pub fn vision(&mut self, datagram: &Datagram) {
        if let Some(work) = &self.work {
            // A camera's datagram is not of the loop's ledger.
            let _ = work.try_send(Work::Vision(Box::new(*datagram)));
        }
    }

    /// Takes a checkpoint of the loop; it is dropped when the disk is too far behind.
    pub fn checkpoint(&mut self, checkpoint: messages::Checkpoint, now: u64) {
        if let Some(work) = &self.work {
            // A replay begins at the one before then.
            let _ = work.try_send(Work::Checkpoint(Box::new(checkpoint), now));
        }
    }

    /// Leaves a remark, after everything that was taken so far.
    pub fn note(&mut self, time: u64, text: &str) {
        self.hand_over();
        if let Some(work) = &self.work {
            // Rare, and at the end: waiting for the disk is right here, a remark lost is not.
            let _ = work.send(Work::Note(time, text.to_owned()));
        }
    }

    /// Gives the thread what has come together so far.
    pub fn hand_over(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        let empty = self.used.try_recv().unwrap_or_else(|_| Vec::with_capacity(BATCH));
        let batch = std::mem::replace(&mut self.batch, empty);
        let count = u64::try_from(batch.len()).unwrap_or(0);
        self.in_flight.fetch_add(count, Ordering::AcqRel);
        let Some(work) = &self.work else { return };
        if let Err(TrySendError::Full(work) | TrySendError::Disconnected(work)) =
            work.try_send(Work::Records(batch))
        {
            self.in_flight.fetch_sub(count, Ordering::AcqRel);
            self.dropped += count;
            if let Work::Records(mut batch) = work {
                batch.clear();
                self.batch = batch;
            }
        }
    }

    /// What became of what was taken; what waits counts as neither.
    #[must_use]
    pub fn stored(&self) -> Stored {
        let mut stored = self.written.lock().map(|stored| stored.clone()).unwrap_or_default();
        stored.dropped += self.dropped;
        stored
    }

    /// Ends the file and the thread.
    pub fn finish(&mut self) -> Stored {
        self.hand_over();
        self.work = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            // It panicked: nothing of what was under way is known to be in the file.
            self.dropped += self.in_flight.swap(0, Ordering::AcqRel);
        }
        self.stored()
    }
}

impl Drop for RecorderThread {
    fn drop(&mut self) {
        self.finish();
    }
}

fn write_all(
    mut recorder: FileRecorder,
    incoming: &Receiver<Work>,
    give_back: &Sender<Vec<(u64, Record)>>,
    shared: &Mutex<Stored>,
    in_flight: &AtomicU64,
) {
    while let Ok(work) = incoming.recv() {
        match work {
            Work::Records(mut batch) => {
                for (sequence, record) in &batch {
                    recorder.record(*sequence, record);
                }
                let count = u64::try_from(batch.len()).unwrap_or(0);
                in_flight.fetch_sub(count, Ordering::AcqRel);
                batch.clear();
                // Full or gone: the buffer is freed instead of used again.
                let _ = give_back.try_send(batch);
            }
            Work::Vision(datagram) => recorder.vision(&datagram),
            Work::Checkpoint(checkpoint, now) => recorder.checkpoint(&checkpoint, now),
            Work::Note(time, text) => recorder.note(time, &text),
        }
        if let Ok(mut shared) = shared.lock() {
            *shared = recorder.stored();
        }
    }
    let stored = recorder.finish().clone();
    if let Ok(mut shared) = shared.lock() {
        *shared = stored;
    }
}
