//! The network between a gateway and its server: it can be cut, stand still, and say things twice and out of order.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

const LOOK: Duration = Duration::from_millis(5);

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    /// Connections are refused.
    cut: AtomicBool,
    /// Bytes are taken and go nowhere.
    still: AtomicBool,
    /// Messages of the server that came twice, the second time behind later ones.
    repeated: AtomicU64,
    open: Mutex<Vec<TcpStream>>,
}

/// A network.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Between the port that it gets and the server's.
    pub(crate) fn start(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared::default());
        let ours = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            let mut pumps = Vec::new();
            while !ours.stop.load(Ordering::Acquire) {
                let Ok((client, _)) = listener.accept() else {
                    std::thread::sleep(LOOK);
                    continue;
                };
                let there = TcpStream::connect(("127.0.0.1", server));
                let Some(there) = there.ok().filter(|_| !ours.cut.load(Ordering::Acquire)) else {
                    continue;
                };
                client.set_nonblocking(false).unwrap();
                let mut open = ours.open.lock().unwrap();
                open.push(client.try_clone().unwrap());
                open.push(there.try_clone().unwrap());
                drop(open);
                let (from, to) = (client.try_clone().unwrap(), there.try_clone().unwrap());
                let shared = Arc::clone(&ours);
                pumps.push(std::thread::spawn(move || requests(from, to, &shared)));
                let shared = Arc::clone(&ours);
                pumps.push(std::thread::spawn(move || answers(there, client, &shared)));
            }
            ours.hang_up();
            pumps.into_iter().for_each(|pump| pump.join().unwrap());
        });
        Self { port, shared, thread: Some(thread) }
    }

    /// Every connection breaks, and none is to be had for so long.
    pub(crate) fn cut(&self, time: Duration) {
        self.shared.cut.store(true, Ordering::Release);
        self.shared.hang_up();
        std::thread::sleep(time);
        self.shared.cut.store(false, Ordering::Release);
    }

    /// Nothing arrives for so long, and nobody is told; then the connections break.
    pub(crate) fn black_hole(&self, time: Duration) {
        self.shared.still.store(true, Ordering::Release);
        std::thread::sleep(time);
        self.shared.hang_up();
        self.shared.still.store(false, Ordering::Release);
    }

    /// Messages that came twice.
    pub(crate) fn repeated(&self) -> u64 {
        self.shared.repeated.load(Ordering::Acquire)
    }
}

impl Shared {
    fn hang_up(&self) {
        for stream in self.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn requests(mut from: TcpStream, mut to: TcpStream, shared: &Shared) {
    let mut bytes = [0; 16_384];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        if !shared.still.load(Ordering::Acquire) && to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

/// What the server says, message by message: every third comes again, behind the two that follow it.
fn answers(mut from: TcpStream, mut to: TcpStream, shared: &Shared) {
    let (mut waiting, mut bytes) = (Vec::new(), [0; 16_384]);
    let (mut count, mut again) = (0_u64, Vec::new());
    while let Ok(read @ 1..) = from.read(&mut bytes) {
        waiting.extend_from_slice(&bytes[..read]);
        while let Some(length) = whole(&waiting) {
            let message: Vec<u8> = waiting.drain(..length).collect();
            if shared.still.load(Ordering::Acquire) {
                continue;
            }
            let mut out = message.clone();
            if message.starts_with(b"MSG ") || message.starts_with(b"HMSG ") {
                count += 1;
                if count.is_multiple_of(3) {
                    out.extend(std::mem::take(&mut again));
                    shared.repeated.fetch_add(1, Ordering::AcqRel);
                } else if count % 3 == 1 {
                    again = message;
                }
            }
            if to.write_all(&out).is_err() {
                return;
            }
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

/// Length of the message at the beginning, if it is whole. Source: the NATS client protocol.
fn whole(bytes: &[u8]) -> Option<usize> {
    let line = bytes.windows(2).position(|it| it == b"\r\n")? + 2;
    let text = std::str::from_utf8(&bytes[..line]).ok()?.trim_end();
    let has_payload = text.starts_with("MSG ") || text.starts_with("HMSG ");
    let payload = match has_payload {
        true => text.rsplit(' ').next()?.parse::<usize>().ok()? + 2,
        false => 0,
    };
    (bytes.len() >= line + payload).then_some(line + payload)
}
