//! The recorder on a thread of its own: a disk that stalls for seconds delays nobody, and what does not fit is counted.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};

use rt_core::record::Record;

use super::{FileRecorder, Stored, messages};
use crate::vision::Datagram;

/// Batches that may wait for the disk. With [`BATCH`] records each that is about a second of a busy machine at 1 kHz.
const BATCHES_MAX: usize = 128;
/// Records handed over at once.
const BATCH: usize = 128;
/// Small on purpose: the process is locked in memory.
const STACK_BYTES: usize = 128 * 1024;
/// When nothing comes for so long, what there is goes to the file.
const IDLE: Duration = Duration::from_millis(250);

enum Work {
    Records(Vec<(u64, Record)>),
    Vision(Box<Datagram>),
    Checkpoint(Box<messages::Checkpoint>, u64),
    Note(u64, String),
}

/// What became of what was handed over, at one moment.
#[derive(Default)]
struct Written {
    stored: Stored,
    /// Records handed over and not written.
    in_flight: u64,
}

/// Hands records to a thread that writes them.
pub struct RecorderThread {
    work: Option<Sender<Work>>,
    used: Receiver<Vec<(u64, Record)>>,
    batch: Vec<(u64, Record)>,
    dropped: u64,
    written: Arc<Mutex<Written>>,
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
        let written = Written { stored: recorder.stored(), in_flight: 0 };
        let written = Arc::new(Mutex::new(written));
        let shared = Arc::clone(&written);
        let thread = std::thread::Builder::new()
            .name("tactus-record".into())
            .stack_size(STACK_BYTES)
            .spawn(move || write_all(recorder, &incoming, &give_back, &shared))?;
        let batch = Vec::with_capacity(BATCH);
        let thread = Some(thread);
        Ok(Self { work: Some(work), used, batch, dropped: 0, written, thread })
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
        let Some(work) = &self.work else { return };
        self.written().in_flight += count;
        if let Err(TrySendError::Full(work) | TrySendError::Disconnected(work)) =
            work.try_send(Work::Records(batch))
        {
            self.written().in_flight -= count;
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
        self.account().0
    }

    /// What became of what was taken, and how many records wait.
    #[must_use]
    pub fn account(&self) -> (Stored, u64) {
        let written = self.written();
        let mut stored = written.stored.clone();
        stored.dropped += self.dropped;
        (stored, written.in_flight + u64::try_from(self.batch.len()).unwrap_or(0))
    }

    fn written(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the file and the thread.
    pub fn finish(&mut self) -> Stored {
        self.hand_over();
        self.work = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            // It panicked: nothing of what was under way is known to be in the file.
            let lost = std::mem::take(&mut self.written().in_flight);
            self.dropped += lost;
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
    shared: &Mutex<Written>,
) {
    loop {
        let mut count = 0;
        let work = match incoming.recv_timeout(IDLE) {
            Ok(work) => work,
            Err(RecvTimeoutError::Timeout) => {
                recorder.flush();
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => break,
        };
        match work {
            Work::Records(mut batch) => {
                for (sequence, record) in &batch {
                    recorder.record(*sequence, record);
                }
                count = u64::try_from(batch.len()).unwrap_or(0);
                batch.clear();
                // Full or gone: the buffer is freed instead of used again.
                let _ = give_back.try_send(batch);
            }
            Work::Vision(datagram) => recorder.vision(&datagram),
            Work::Checkpoint(checkpoint, now) => recorder.checkpoint(&checkpoint, now),
            Work::Note(time, text) => recorder.note(time, &text),
        }
        let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.stored = recorder.stored();
        shared.in_flight -= count;
    }
    let stored = recorder.finish().clone();
    shared.lock().unwrap_or_else(PoisonError::into_inner).stored = stored;
}
