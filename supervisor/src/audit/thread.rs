//! The log's own thread: a disk that stalls holds nobody up.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::line::{Entry, Stamp};
use super::writer::{Writer, Written};

/// Records that wait for the thread; more are counted, and the count is in the log.
const WAITING_MAX: usize = 1024;
/// Between looks at what is due.
const ROUND: Duration = Duration::from_millis(100);

/// What the thread has said.
#[derive(Default)]
struct Said {
    written: Written,
    news: Vec<String>,
}

/// Hands records to the thread that writes them.
pub(super) struct AuditThread {
    work: Option<Sender<Entry>>,
    missed: Arc<AtomicU64>,
    said: Arc<Mutex<Said>>,
    thread: Option<JoinHandle<()>>,
    directory: String,
}

impl AuditThread {
    /// Starts it.
    ///
    /// # Errors
    /// The system refused a thread.
    pub(super) fn spawn(writer: Writer, directory: String) -> std::io::Result<Self> {
        let (work, incoming) = bounded(WAITING_MAX);
        let missed = Arc::new(AtomicU64::new(0));
        let said = Arc::new(Mutex::new(Said { written: writer.written().clone(), news: vec![] }));
        let (counter, shared) = (Arc::clone(&missed), Arc::clone(&said));
        let thread = rt_linux::thread::spawn_helper("tactus-audit", move || {
            write_all(writer, &incoming, &counter, &shared);
        })?;
        Ok(Self { work: Some(work), missed, said, thread: Some(thread), directory })
    }

    /// Hands a record over; never waits.
    pub(super) fn take(&mut self, entry: Entry) {
        let taken = self.work.as_ref().is_some_and(|work| work.try_send(entry).is_ok());
        if !taken {
            self.missed.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Faults since the last look.
    pub(super) fn news(&mut self) -> Vec<String> {
        self.said.lock().map(|mut said| std::mem::take(&mut said.news)).unwrap_or_default()
    }

    /// Waits until everything is written, as far as the disk takes it.
    pub(super) fn finish(&mut self) -> Written {
        self.work = None;
        let whole = self.thread.take().is_none_or(|thread| thread.join().is_ok());
        let mut written = self.said.lock().map(|said| said.written.clone()).unwrap_or_default();
        written.lost = written.lost.saturating_add(self.missed.swap(0, Ordering::AcqRel));
        if !whole {
            written.fault = Some(format!("{}: its thread ended by itself", self.directory));
        }
        written
    }
}

impl Drop for AuditThread {
    fn drop(&mut self) {
        self.finish();
    }
}

fn write_all(
    mut writer: Writer,
    incoming: &Receiver<Entry>,
    missed: &AtomicU64,
    shared: &Mutex<Said>,
) {
    let mut last = Stamp::default();
    loop {
        let ended = match incoming.recv_timeout(ROUND) {
            Ok(entry) => {
                last = entry.stamp;
                writer.take(entry);
                // What came together is written together.
                while let Ok(entry) = incoming.try_recv() {
                    last = entry.stamp;
                    writer.take(entry);
                }
                false
            }
            Err(RecvTimeoutError::Timeout) => false,
            Err(RecvTimeoutError::Disconnected) => true,
        };
        let stamp = now(last);
        match missed.swap(0, Ordering::AcqRel) {
            0 => {}
            count => writer.lose(count, stamp),
        }
        if ended {
            writer.finish(stamp);
        } else {
            writer.flush(stamp);
        }
        if let Ok(mut said) = shared.lock() {
            said.news.extend(writer.news());
            said.written = writer.written().clone();
        }
        if ended {
            return;
        }
    }
}

/// Now, wall time as far from the last record's as monotonic time.
fn now(last: Stamp) -> Stamp {
    let mono = rt_linux::clock::now().max(last.mono);
    Stamp { mono, wall: last.wall.map(|wall| wall.saturating_add(mono - last.mono)) }
}
