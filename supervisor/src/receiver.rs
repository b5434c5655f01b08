//! The vision receiver of a run in real time: a thread that takes camera datagrams from a Unix socket and from UDP, judges them, leaves
//! the newest occupancy of each stream and every inspection result for the loop, and tells senders what became of theirs.
//!
//! A flood costs this thread its time and nobody else's: it has no real-time priority, takes a bounded number from each socket in turn,
//! and what does not fit into a socket the kernel drops.

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use config::{Machine, StreamSocket};
use crossbeam::channel::{Receiver, Sender, bounded};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use rt_channel::{latest, stream};
use rt_core::vision::{DATAGRAM_LENGTH, Inspected, StreamId, VisionInputs};
use rt_linux::clock;

use crate::exit::Error;
use crate::report::VisionReport;
use crate::vision::mac::MAC_LENGTH;
use crate::vision::receipt::Receipt;
use crate::vision::{Datagram, Judge, Taken, Way};

/// Between looks at the stop flag.
const LOOK: Duration = Duration::from_millis(50);
/// The same, ms.
const LOOK_MS: u8 = 50;
/// Datagrams that may wait for the recording; more are not recorded (the loop has them all the same).
const WAITING_MAX: usize = 256;
/// Datagrams taken from one socket before the next has its turn.
const BURST: usize = 128;
/// Datagrams whose sender may still hear that the loop took them.
const UNTAKEN_MAX: usize = 32;
/// Between two lines about datagrams that do not count, ns.
const LOG_NS: u64 = 1_000_000_000;

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
        socket.set_nonblocking(true).map_err(|source| wrong(&source))?;
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

/// Every socket on which the streams of a machine are heard.
pub struct Sockets {
    unix: Socket,
    udp: Vec<UdpSocket>,
}

impl Sockets {
    /// Binds `path`, and the address of each UDP stream.
    ///
    /// # Errors
    /// An address or the path is taken, or may not be bound.
    pub fn bind(path: &Path, machine: &Machine) -> Result<Self, Error> {
        let mut addresses: Vec<SocketAddr> = Vec::new();
        for source in &machine.stream_sources {
            if let StreamSocket::Udp { listen, .. } = &source.socket
                && !addresses.contains(listen)
            {
                addresses.push(*listen);
            }
        }
        let udp = addresses.iter().map(|address| {
            let socket = UdpSocket::bind(address);
            let socket = socket.and_then(|socket| socket.set_nonblocking(true).map(|()| socket));
            socket.map_err(|source| {
                Error::environment(format!(
                    "cameras cannot be heard on udp {address}: {source}\n  \
                     expected an address of this host that no other process listens on; see ip address and ss -ulpn"
                ))
            })
        });
        Ok(Self { udp: udp.collect::<Result<_, _>>()?, unix: Socket::bind(path)? })
    }

    /// Only the Unix socket.
    #[must_use]
    pub fn local(unix: Socket) -> Self {
        Self { unix, udp: Vec::new() }
    }

    /// Waits until something came, or for a look at the stop flag.
    fn wait(&self) {
        let mut all = vec![PollFd::new(self.unix.socket.as_fd(), PollFlags::POLLIN)];
        all.extend(self.udp.iter().map(|udp| PollFd::new(udp.as_fd(), PollFlags::POLLIN)));
        match poll(&mut all, PollTimeout::from(LOOK_MS)) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            // Cannot happen on bound sockets; silence makes every zone not clear.
            Err(_) => std::thread::sleep(LOOK),
        }
    }

    /// Sockets are numbered: 0 is the Unix socket.
    fn receive(&self, number: usize, buffer: &mut [u8]) -> std::io::Result<(usize, Origin)> {
        match number.checked_sub(1) {
            None => {
                let (length, from) = self.unix.socket.recv_from(buffer)?;
                Ok((length, Origin::Unix(from)))
            }
            Some(at) => {
                let socket = self.udp.get(at).ok_or(ErrorKind::WouldBlock)?;
                let (length, from) = socket.recv_from(buffer)?;
                Ok((length, Origin::Udp(at, from)))
            }
        }
    }

    /// Whoever does not listen does not hear it.
    fn tell(&self, to: &Origin, bytes: &[u8]) {
        match to {
            Origin::Unix(address) if address.is_unnamed() => {}
            Origin::Unix(address) => drop(self.unix.socket.send_to_addr(bytes, address)),
            Origin::Udp(at, address) => {
                let _ = self.udp.get(*at).map(|socket| socket.send_to(bytes, address));
            }
        }
    }
}

/// Where a datagram came from.
#[derive(Clone, Debug)]
enum Origin {
    Unix(std::os::unix::net::SocketAddr),
    /// On which socket, and from where.
    Udp(usize, SocketAddr),
}

/// A datagram that the loop is to see.
#[derive(Clone, Debug)]
struct Heard {
    datagram: Datagram,
    receipt: Option<Receipt>,
    from: Origin,
}

/// The receiver's thread.
pub struct VisionThread {
    thread: Option<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
    /// Until the end.
    sockets: Option<Arc<Sockets>>,
    judge: Arc<Mutex<Judge>>,
    heard: Receiver<Heard>,
    /// Not known to be taken by the loop yet.
    untaken: Vec<Heard>,
    /// Inspection results that the loop had no place for, when the thread ended.
    dropped: Arc<std::sync::atomic::AtomicU64>,
}

impl VisionThread {
    /// Starts it.
    ///
    /// # Errors
    /// The system refused a thread.
    pub fn spawn(
        sockets: Sockets,
        judge: Judge,
        newest: latest::Writer<VisionInputs>,
        results: stream::Producer<Inspected>,
    ) -> Result<Self, Error> {
        let stop = Arc::new(AtomicBool::new(false));
        let dropped = Arc::new(std::sync::atomic::AtomicU64::new(0));
        let (give, heard) = bounded(WAITING_MAX);
        let (sockets, judge) = (Arc::new(sockets), Arc::new(Mutex::new(judge)));
        let mut thread = Thread {
            sockets: Arc::clone(&sockets),
            judge: Arc::clone(&judge),
            newest,
            results,
            give,
            dropped: Arc::clone(&dropped),
            logged_at: 0,
            unlogged: 0,
        };
        let flag = Arc::clone(&stop);
        let thread = rt_linux::thread::spawn_helper("tactus-vision", move || thread.run(&flag))
            .map_err(|source| Error::environment(format!("no thread for vision: {source}")))?;
        let (thread, sockets) = (Some(thread), Some(sockets));
        Ok(Self { thread, stop, sockets, judge, heard, untaken: Vec::new(), dropped })
    }

    /// The next datagram for recording and console.
    pub fn take(&mut self) -> Option<Datagram> {
        let heard = self.heard.try_recv().ok()?;
        let datagram = heard.datagram;
        if heard.receipt.is_some() {
            if self.untaken.len() >= UNTAKEN_MAX {
                self.untaken.remove(0);
            }
            self.untaken.push(heard);
        }
        Some(datagram)
    }

    /// The loop took what arrived at `received_at` at `at`: its sender hears it.
    pub fn taken(&mut self, stream: StreamId, received_at: u64, at: u64) {
        self.judged().taken(stream, received_at, at);
        let place = self.untaken.iter().position(|heard| {
            heard.datagram.stream == stream && heard.datagram.received_at == received_at
        });
        let Some(heard) = place.map(|place| self.untaken.remove(place)) else { return };
        if let (Some(receipt), Some(sockets)) = (heard.receipt, &self.sockets) {
            let sealed = self.judged().seal(&Receipt { taken_at: at, ..receipt });
            sockets.tell(&heard.from, &sealed);
        }
    }

    fn judged(&self) -> std::sync::MutexGuard<'_, Judge> {
        self.judge.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As it stands at `now`.
    #[must_use]
    pub fn counts(&self, now: u64) -> VisionReport {
        let mut counts = self.judged().counts();
        counts.look(now);
        counts.inspections_dropped = self.dropped.load(Ordering::Relaxed);
        counts
    }

    /// Ends it.
    pub fn finish(&mut self) -> VisionReport {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            // A panic there was printed where it happened.
            let _ = thread.join();
        }
        self.sockets = None;
        self.counts(clock::now())
    }
}

impl Drop for VisionThread {
    fn drop(&mut self) {
        self.finish();
    }
}

/// What the thread works with.
struct Thread {
    sockets: Arc<Sockets>,
    judge: Arc<Mutex<Judge>>,
    newest: latest::Writer<VisionInputs>,
    results: stream::Producer<Inspected>,
    give: Sender<Heard>,
    dropped: Arc<std::sync::atomic::AtomicU64>,
    logged_at: u64,
    unlogged: u64,
}

impl Thread {
    fn run(&mut self, stop: &AtomicBool) {
        while !stop.load(Ordering::Acquire) {
            self.sockets.wait();
            for number in 0..=self.sockets.udp.len() {
                self.drain(number);
            }
        }
    }

    /// A bounded number from one socket; the loop sees the newest of them.
    // SR-073
    fn drain(&mut self, number: usize) {
        // One byte more than a datagram has, so that a longer one is seen to be longer.
        let mut buffer = [0; DATAGRAM_LENGTH + MAC_LENGTH + 1];
        let way = if number == 0 { Way::Unix } else { Way::Udp };
        let sockets = Arc::clone(&self.sockets);
        let mut any = false;
        for _ in 0..BURST {
            let Ok((length, from)) = sockets.receive(number, &mut buffer) else { break };
            let bytes = buffer.get(..length).unwrap_or_default();
            let now = clock::now();
            let taken = lock(&self.judge).take_from(bytes, now, way);
            any |= taken.datagram.is_some();
            self.hand_on(taken, from, now);
        }
        if any {
            self.newest.write(*lock(&self.judge).inputs());
        }
    }

    fn hand_on(&mut self, taken: Taken, from: Origin, now: u64) {
        if let Some(reason) = taken.reason {
            self.log(reason.word(), now);
        }
        if let Some(receipt) = &taken.receipt {
            let sealed = lock(&self.judge).seal(receipt);
            self.sockets.tell(&from, &sealed);
        }
        let Some(datagram) = taken.datagram else { return };
        // SR-071
        if let Some(result) = datagram.inspected()
            && !self.results.push(result)
        {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        // Full: the drain is behind; the recording misses this one.
        let _ = self.give.try_send(Heard { datagram, receipt: taken.receipt, from });
    }

    /// A line a second at most; what came between is counted in it.
    fn log(&mut self, reason: &str, now: u64) {
        if self.logged_at != 0 && now.saturating_sub(self.logged_at) < LOG_NS {
            self.unlogged += 1;
            return;
        }
        tracing::warn!("a camera datagram does not count: {reason}; {} more before", self.unlogged);
        (self.logged_at, self.unlogged) = (now, 0);
    }
}

fn lock(judge: &Mutex<Judge>) -> std::sync::MutexGuard<'_, Judge> {
    judge.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vision::Reason;
    use crate::vision::mac::Key;
    use crate::vision::tests::{datagram, judge, own as own_datagram};
    use rt_core::vision::{Kind, Received, STREAMS_MAX};

    #[test]
    fn a_datagram_on_the_socket_reaches_the_loop_and_the_recording() {
        let folder = crate::folder::Folder::new("receiver");
        let path = folder.join("vision.sock");
        let (writer, mut reader) = latest::channel([Received::default(); STREAMS_MAX]);
        let sockets = Sockets::local(Socket::bind(&path).unwrap());
        let (results, mut taken) = stream::channel(4);
        let mut thread = VisionThread::spawn(sockets, judge(), writer, results).unwrap();
        let camera = UnixDatagram::unbound().unwrap();
        camera.send_to(&datagram(1, 5), &path).unwrap();
        camera.send_to(&[1, 2, 3], &path).unwrap();
        let recorded = next(&mut thread);
        assert!(recorded.sequence_good);
        assert!(reader.read()[0].received_at > 0);
        camera.send_to(&datagram(2, 6), &path).unwrap();
        assert_eq!(next(&mut thread).received_at, reader.read()[0].received_at);
        let counts = thread.finish();
        assert_eq!((counts.received, counts.refused_by["format"]), (3, 1));
        assert!(taken.pop().is_none(), "no inspection result was there");
        assert!(!path.exists(), "the socket is gone from the file system");
    }

    /// A run that hears stream 7 on UDP, with a key.
    fn on_udp(key: &Key) -> (VisionThread, SocketAddr, latest::Reader<VisionInputs>) {
        let folder = crate::folder::Folder::new("udp");
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        udp.set_nonblocking(true).unwrap();
        let address = udp.local_addr().unwrap();
        let unix = Socket::bind(&folder.join("vision.sock")).unwrap();
        let (writer, reader) = latest::channel([Received::default(); STREAMS_MAX]);
        let (results, _) = stream::channel(4);
        let judge = crate::vision::tests::from_network(Some(key.clone()), true);
        let sockets = Sockets { unix, udp: vec![udp] };
        (VisionThread::spawn(sockets, judge, writer, results).unwrap(), address, reader)
    }

    #[test]
    // SR-072
    fn over_udp_the_key_counts_clocks_are_compared_and_the_sender_hears_its_delay() {
        let key = Key::new([7; 32]);
        let (mut thread, address, mut reader) = on_udp(&key);
        let camera = UdpSocket::bind("127.0.0.1:0").unwrap();
        camera.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let send = |bytes: &[u8], key: &Key| {
            camera.send_to(&[bytes, &key.code(bytes)].concat(), address).unwrap();
        };
        // Its clock began 1000 s before this host's.
        let own = || clock::now() + 1_000_000_000_000;
        let hear = || {
            let mut receipt = [0; 200];
            let length = camera.recv(&mut receipt).unwrap();
            let (bytes, code) = receipt[..length].split_at(length - MAC_LENGTH);
            assert!(key.fits(bytes, code), "receipts are signed too");
            let number = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
            (bytes[37], bytes[38], number(24), number(40), number(56))
        };
        send(&own_datagram(1, own(), Kind::Clock, (0, 0)), &Key::new([8; 32]));
        send(&own_datagram(1, own(), Kind::Clock, (0, 0)), &key);
        let (reason, stage, echo, ..) = hear();
        assert_eq!((reason, stage), (0, 1), "the first answer is to the one with the key");
        let arrived = own();
        send(&own_datagram(2, own(), Kind::Clock, (echo, arrived)), &key);
        assert_eq!(hear().0, 0);
        let (before, picture) = (clock::now(), own());
        send(&own_datagram(3, picture, Kind::Occupancy, (0, 0)), &key);
        // The clock may be so wrong that it seems older than the 100 ns of the plan.
        let (reason, _, _, received_at, captured_at) = hear();
        assert!(reason == 0 || reason == Reason::Stale.number(), "{reason}");
        assert!(captured_at <= clock::now() && captured_at <= picture - 1_000_000_000_000);
        assert!(received_at >= before);
        let datagram = next(&mut thread);
        assert!(datagram.offset_ns.is_some_and(|offset| offset <= -1_000_000_000_000));
        assert_eq!(reader.read()[0].offset_ns, datagram.offset_ns);
        thread.taken(datagram.stream, datagram.received_at, 77);
        assert_eq!(hear().1, 2, "and that the loop took it");
        let counts = thread.finish();
        assert_eq!(counts.refused_by["mac"], 1);
    }

    #[test]
    // SR-073
    fn a_flood_is_counted_by_reason_and_the_newest_good_one_still_comes_through() {
        let folder = crate::folder::Folder::new("flood");
        let path = folder.join("vision.sock");
        let (writer, mut reader) = latest::channel([Received::default(); STREAMS_MAX]);
        let sockets = Sockets::local(Socket::bind(&path).unwrap());
        let (results, _taken) = stream::channel(4);
        let mut thread = VisionThread::spawn(sockets, judge(), writer, results).unwrap();
        let camera = UnixDatagram::unbound().unwrap();
        let good = datagram(1, 5);
        let mut damaged = good;
        damaged[50] ^= 1;
        let mut foreign = good;
        foreign[6] = 9;
        let crc = rt_core::vision::crc32(&foreign[..432]);
        foreign[432..].copy_from_slice(&crc.to_le_bytes());
        // The socket blocks when it is full: none of these is lost.
        for _ in 0..25_000 {
            camera.send_to(&damaged, &path).unwrap();
            camera.send_to(&foreign, &path).unwrap();
            camera.send_to(&[7; 2000], &path).unwrap();
            camera.send_to(&good[..99], &path).unwrap();
        }
        camera.send_to(&good, &path).unwrap();
        assert_eq!(next(&mut thread).received_at, reader.read()[0].received_at);
        let counts = thread.finish();
        assert_eq!(counts.received, 100_001);
        // The good one's time is of long ago: seen at receipt, and left to the loop.
        assert_eq!(
            counts.refused_by.into_iter().collect::<Vec<_>>(),
            [("crc", 25_000), ("format", 50_000), ("stale", 1), ("stream", 25_000)]
        );
        assert_eq!(reader.read()[0].refused, 100_001);
    }

    fn next(thread: &mut VisionThread) -> Datagram {
        for _ in 0..1000 {
            if let Some(datagram) = thread.take() {
                return datagram;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("nothing came");
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
