//! The vision receiver of a run in real time: a thread that takes camera datagrams from a Unix socket, judges them, and leaves the
//! newest of each stream for the loop.

use std::io::ErrorKind;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam::channel::{Receiver, Sender, bounded};

use rt_channel::latest;
use rt_core::vision::{DATAGRAM_LENGTH, VisionInputs};

use crate::exit::Error;
use crate::report::VisionReport;
use crate::vision::{Datagram, Judge};

/// Between looks at the stop flag.
const LOOK: Duration = Duration::from_millis(50);
/// Datagrams that may wait for the recording; more are not recorded (the loop has them all the same).
const WAITING_MAX: usize = 256;

/// The socket of the machine's cameras, bound; gone from the file system when it is dropped.
pub struct Socket {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Socket {
    /// Binds `path`. A socket that nobody listens on any more is replaced.
    ///
    /// # Errors
    /// Somebody listens there, there is another file, or the folder cannot be written.
    pub fn bind(path: &Path) -> Result<Self, Error> {
        let wrong = |what: &dyn std::fmt::Display| {
            Error::environment(format!(
                "the vision socket {} cannot be opened: {what}\n  \
                 choose another path in the machine file, or end the process that has it",
                path.display()
            ))
        };
        if let Ok(found) = std::fs::symlink_metadata(path) {
            if !found.file_type().is_socket() {
                return Err(wrong(&"there is a file that is not a socket"));
            }
            let probe = UnixDatagram::unbound().map_err(|source| wrong(&source))?;
            if probe.connect(path).is_ok() {
                return Err(wrong(&"another process listens there"));
            }
            std::fs::remove_file(path).map_err(|source| wrong(&source))?;
        }
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(|source| wrong(&source))?;
        }
        let socket = UnixDatagram::bind(path).map_err(|source| wrong(&source))?;
        socket.set_read_timeout(Some(LOOK)).map_err(|source| wrong(&source))?;
        Ok(Self { socket, path: path.to_owned() })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // Whoever cleaned up before us did no harm.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// The receiver's thread.
pub struct VisionThread {
    thread: Option<JoinHandle<VisionReport>>,
    stop: Arc<AtomicBool>,
    /// Datagrams for recording and console.
    pub datagrams: Receiver<Datagram>,
}

impl VisionThread {
    /// Starts it.
    ///
    /// # Errors
    /// The system refused a thread.
    pub fn spawn(
        socket: Socket,
        judge: Judge,
        newest: latest::Writer<VisionInputs>,
    ) -> Result<Self, Error> {
        let stop = Arc::new(AtomicBool::new(false));
        let (give, datagrams) = bounded(WAITING_MAX);
        let flag = Arc::clone(&stop);
        let thread = rt_linux::thread::spawn_helper("tactus-vision", move || {
            receive(&socket, judge, newest, &give, &flag)
        })
        .map_err(|source| Error::environment(format!("no thread for vision: {source}")))?;
        Ok(Self { thread: Some(thread), stop, datagrams })
    }

    /// Ends it.
    pub fn finish(&mut self) -> VisionReport {
        self.stop.store(true, Ordering::Release);
        self.thread.take().and_then(|thread| thread.join().ok()).unwrap_or_default()
    }
}

impl Drop for VisionThread {
    fn drop(&mut self) {
        self.finish();
    }
}

fn receive(
    socket: &Socket,
    mut judge: Judge,
    mut newest: latest::Writer<VisionInputs>,
    give: &Sender<Datagram>,
    stop: &AtomicBool,
) -> VisionReport {
    // One byte more than a datagram has, so that a longer one is seen to be longer.
    let mut buffer = [0; DATAGRAM_LENGTH + 1];
    while !stop.load(Ordering::Acquire) {
        match socket.socket.recv(&mut buffer) {
            Ok(length) => {
                let bytes = buffer.get(..length).unwrap_or_default();
                if let Some(datagram) = judge.take(bytes, rt_linux::clock::now()) {
                    newest.write(*judge.inputs());
                    // Full: the drain is behind; the recording misses this one.
                    let _ = give.try_send(datagram);
                }
            }
            Err(source) if matches!(source.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            }
            Err(source) if source.kind() == ErrorKind::Interrupted => {}
            // Cannot happen on a bound socket; silence makes every zone not clear.
            Err(_) => std::thread::sleep(LOOK),
        }
    }
    judge.counts()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vision::tests::{datagram, judge};
    use rt_core::vision::{Received, STREAMS_MAX};

    #[test]
    fn a_datagram_on_the_socket_reaches_the_loop_and_the_recording() {
        let folder = crate::folder::Folder::new("receiver");
        let path = folder.join("vision.sock");
        let (writer, mut reader) = latest::channel([Received::default(); STREAMS_MAX]);
        let socket = Socket::bind(&path).unwrap();
        let mut thread = VisionThread::spawn(socket, judge(), writer).unwrap();
        let camera = UnixDatagram::unbound().unwrap();
        camera.send_to(&datagram(1, 5), &path).unwrap();
        camera.send_to(&[1, 2, 3], &path).unwrap();
        let recorded = thread.datagrams.recv_timeout(Duration::from_secs(10)).unwrap();
        assert!(recorded.sequence_good);
        assert!(reader.read()[0].received_at > 0);
        camera.send_to(&datagram(2, 6), &path).unwrap();
        thread.datagrams.recv_timeout(Duration::from_secs(10)).unwrap();
        assert_eq!(thread.finish(), VisionReport { received: 3, refused: 1, stored: 0 });
        assert!(!path.exists(), "the socket is gone from the file system");
    }

    #[test]
    fn a_socket_in_use_and_another_file_are_refused_and_a_dead_socket_is_replaced() {
        let folder = crate::folder::Folder::new("bind");
        let path = folder.join("vision.sock");
        drop(UnixDatagram::bind(&path).unwrap());
        let first = Socket::bind(&path).unwrap();
        let Err(second) = Socket::bind(&path) else { panic!("two receivers on one socket") };
        assert!(second.message.contains("another process listens"), "{second}");
        drop(first);
        std::fs::write(&path, "precious").unwrap();
        assert!(Socket::bind(&path).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"precious");
    }
}
