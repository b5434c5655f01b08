//! The capture of a run: every frame, as pcapng files that Wireshark opens, written while it runs, in whole blocks.
//!
//! In real time a helper thread writes what the loop leaves in a bounded stream; in virtual time the loop's own thread does. Files are
//! rotated: `x.pcapng` is the newest, `x.1.pcapng` the one before it.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use fieldbus::link::{Copied, Keep, pcapng_frame, pcapng_head, pcapng_statistics};
use rt_channel::stream::{self, Consumer, Producer};
use rt_linux::thread::spawn_helper;

use crate::exit::Error;

/// Frames that wait for the helper thread: more than a second at 1 kHz; 6 MB, locked.
const WAITING_MAX: usize = 4_096;
/// Blocks are written together, up to so many bytes.
const TOGETHER_BYTES: usize = 256 << 10;
/// The helper thread looks so often.
const LOOK: Duration = Duration::from_millis(5);

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// A file is no longer than this, bytes.
    pub file_bytes: usize,
    /// Files, the newest included.
    pub files: usize,
}

impl Default for Bounds {
    /// Half a gigabyte in all: more than an hour of a small machine at 1 kHz.
    fn default() -> Self {
        Self { file_bytes: 64 << 20, files: 8 }
    }
}

/// The files of a capture.
#[derive(Debug)]
pub struct CaptureFile {
    path: PathBuf,
    bounds: Bounds,
    file: File,
    /// Whole blocks that are not written yet.
    pending: Vec<u8>,
    /// Bytes in this file, those pending included.
    length: usize,
    kept: u64,
    /// Time since 1970 less the link's, ns; 0 in virtual time.
    wall_offset_ns: u64,
    /// Of the newest frame.
    last: u64,
    /// What writing said; nothing is written any more then.
    failed: Option<io::Error>,
}

impl CaptureFile {
    /// Begins a capture at `path`; older ones of that name move on.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn create(path: &Path, bounds: Bounds, wall_offset_ns: u64) -> Result<Self, Error> {
        let wrong = |source: io::Error| cannot(path, &source);
        let file = File::create(path).map_err(wrong)?;
        let mut capture = Self {
            path: path.to_owned(),
            bounds,
            file,
            pending: Vec::with_capacity(TOGETHER_BYTES),
            length: 0,
            kept: 0,
            wall_offset_ns,
            last: 0,
            failed: None,
        };
        capture.head();
        capture.flush();
        match capture.failed.take() {
            None => Ok(capture),
            Some(source) => Err(wrong(source)),
        }
    }

    fn head(&mut self) {
        let head = pcapng_head();
        self.length = head.len();
        self.pending.extend(head);
    }

    /// Writes what is pending: whole blocks, so that whatever happens then the file ends with one.
    pub fn flush(&mut self) {
        if self.failed.is_none()
            && let Err(wrong) = self.file.write_all(&self.pending)
        {
            self.failed = Some(wrong);
        }
        self.pending.clear();
    }

    /// The file before the newest is `.1`, and so on; the oldest goes.
    fn rotate(&mut self) {
        self.flush();
        let name = |number: usize| match number {
            0 => self.path.clone(),
            _ => numbered(&self.path, number),
        };
        for number in (1..self.bounds.files).rev() {
            // Not all of them are there yet.
            let _ = std::fs::rename(name(number - 1), name(number));
        }
        match File::create(&self.path) {
            Ok(file) => self.file = file,
            Err(wrong) => self.failed = Some(wrong),
        }
        self.head();
    }

    /// Ends the capture: says how many frames were seen, and how many of them the stream had no room for.
    ///
    /// # Errors
    /// What could not be written.
    pub fn finish(&mut self, dropped: u64) -> Result<(), Error> {
        let wall = self.last.wrapping_add(self.wall_offset_ns);
        self.pending.extend(pcapng_statistics(wall, self.kept.saturating_add(dropped), dropped));
        self.flush();
        match &self.failed {
            None => Ok(()),
            Some(source) => Err(cannot(&self.path, source)),
        }
    }
}

impl Keep for CaptureFile {
    fn keep(&mut self, at: u64, outbound: bool, frame: &[u8]) {
        let before = self.pending.len();
        pcapng_frame(&mut self.pending, at.wrapping_add(self.wall_offset_ns), outbound, frame);
        let bytes = self.pending.len() - before;
        if self.length + bytes > self.bounds.file_bytes {
            self.pending.truncate(before);
            self.rotate();
            pcapng_frame(&mut self.pending, at.wrapping_add(self.wall_offset_ns), outbound, frame);
        }
        (self.length, self.kept, self.last) = (self.length + bytes, self.kept + 1, at);
        // Room for one more of the longest: the memory is taken once.
        if self.pending.len() + 2 * fieldbus::link::FRAME_MAX > TOGETHER_BYTES {
            self.flush();
        }
    }
}

fn numbered(path: &Path, number: usize) -> PathBuf {
    match path.extension() {
        Some(extension) => path.with_extension(format!("{number}.{}", extension.display())),
        None => path.with_extension(number.to_string()),
    }
}

fn cannot(path: &Path, source: &io::Error) -> Error {
    Error::environment(format!("the capture cannot be written to {}: {source}", path.display()))
}

/// The helper thread that writes a capture.
#[derive(Debug)]
pub struct CaptureThread {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<(), Error>>>,
}

impl CaptureThread {
    /// Begins to write to `file` what is put into the producer.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub fn spawn(file: CaptureFile) -> io::Result<(Producer<Copied>, Self)> {
        let (give, take) = stream::channel(WAITING_MAX);
        let stop = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stop);
        let thread = spawn_helper("tactus-capture", move || write(file, take, &flag))?;
        Ok((give, Self { stop, thread: Some(thread) }))
    }

    /// Writes what is left and ends. The loop must have ended.
    ///
    /// # Errors
    /// What could not be written.
    pub fn finish(mut self) -> Result<(), Error> {
        self.end()
    }

    fn end(&mut self) -> Result<(), Error> {
        self.stop.store(true, Ordering::Release);
        match self.thread.take() {
            Some(thread) => thread.join().unwrap_or_else(|_| {
                Err(Error::environment("the thread that writes the capture panicked"))
            }),
            None => Ok(()),
        }
    }
}

impl Drop for CaptureThread {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

fn write(
    mut file: CaptureFile,
    mut take: Consumer<Copied>,
    stop: &AtomicBool,
) -> Result<(), Error> {
    loop {
        // Before the look: what was put in until then is seen by it.
        let is_last = stop.load(Ordering::Acquire);
        let taken = take.drain(WAITING_MAX, |_, copied| {
            file.keep(copied.at, copied.outbound, copied.frame());
        });
        if taken == 0 && is_last {
            return file.finish(take.counts().dropped);
        }
        file.flush();
        if !is_last {
            std::thread::sleep(LOOK);
        }
    }
}

/// Where the copies of a run go.
#[derive(Debug)]
pub enum Sink {
    /// To the helper thread.
    Stream(Producer<Copied>),
    /// Straight into the files.
    File(Box<CaptureFile>),
}

impl Keep for Sink {
    fn keep(&mut self, at: u64, outbound: bool, frame: &[u8]) {
        match self {
            Self::Stream(stream) => stream.keep(at, outbound, frame),
            Self::File(file) => file.keep(at, outbound, frame),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::folder::Folder;

    const BOUNDS: Bounds = Bounds { file_bytes: 2_000, files: 3 };
    /// Of a file's head, and of a block with a frame of 60 bytes.
    const HEAD: usize = 28 + 32;
    const BLOCK: usize = 44 + 60;

    #[test]
    fn files_are_whole_rotated_and_bounded_in_number_and_length() {
        let folder = Folder::new("capture-rotate");
        let path = folder.join("bus.pcapng");
        let mut capture = CaptureFile::create(&path, BOUNDS, 0).unwrap();
        (0..200).for_each(|n: u8| capture.keep(u64::from(n), n.is_multiple_of(2), &[n; 60]));
        capture.finish(0).unwrap();
        let mut names: Vec<_> = std::fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["bus.1.pcapng", "bus.2.pcapng", "bus.pcapng"]);
        let each = (BOUNDS.file_bytes - HEAD) / BLOCK;
        let newest = 200 % each;
        let first = |name: &str| std::fs::read(folder.join(name)).unwrap()[HEAD + 28];
        assert_eq!(usize::from(first("bus.pcapng")), 200 - newest);
        assert_eq!(usize::from(first("bus.1.pcapng")), 200 - newest - each);
        for name in ["bus.1.pcapng", "bus.2.pcapng"] {
            let length = std::fs::metadata(folder.join(name)).unwrap().len();
            assert_eq!(length, u64::try_from(HEAD + each * BLOCK).unwrap(), "whole blocks: {name}");
        }
    }

    #[test]
    fn what_was_flushed_is_a_file_in_whole_blocks_at_any_moment() {
        let folder = Folder::new("capture-flush");
        let path = folder.join("bus.pcapng");
        let mut capture = CaptureFile::create(&path, Bounds::default(), 0).unwrap();
        for n in 0..50_u8 {
            capture.keep(0, true, &[n; 60]);
            capture.flush();
            let length = usize::try_from(std::fs::metadata(&path).unwrap().len()).unwrap();
            assert_eq!(length, HEAD + (usize::from(n) + 1) * BLOCK);
        }
    }

    #[test]
    fn the_thread_writes_everything_that_there_was_room_for_and_counts_the_rest() {
        let folder = Folder::new("capture-thread");
        let path = folder.join("bus.pcapng");
        let file = CaptureFile::create(&path, Bounds::default(), 0).unwrap();
        let (mut give, thread) = CaptureThread::spawn(file).unwrap();
        for n in 0..20_000_u64 {
            give.keep(n, true, &[7; 60]);
        }
        let (seen, dropped) = (give.produced(), give.dropped());
        thread.finish().unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let kept = usize::try_from(seen - dropped).unwrap();
        let statistics = pcapng_statistics(0, seen, dropped);
        assert_eq!(bytes.len(), HEAD + kept * BLOCK + statistics.len());
        let counts = &statistics[20..];
        assert!(bytes.ends_with(counts), "what was seen and dropped is told");
        assert!(kept >= WAITING_MAX);
    }

    #[test]
    fn what_cannot_be_written_says_where_and_why() {
        let error = CaptureFile::create(Path::new("/nowhere/bus.pcapng"), BOUNDS, 0).unwrap_err();
        assert!(error.message.contains("/nowhere/bus.pcapng"), "{}", error.message);
    }
}
