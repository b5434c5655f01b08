//! Ways of sending the frames of a cycle and taking the answers, each measured alone: which system calls are worth having.

use std::io::IoSliceMut;
use std::os::fd::{AsFd as _, AsRawFd as _};

use fieldbus::link::{ETHERTYPE, FRAME_MAX, Link as _, RawOptions, SocketLink, raw_with};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    MsgFlags, MultiHeaders, recv, recvmmsg, setsockopt, sockopt::ReceiveTimeout,
};
use nix::sys::time::{TimeVal, TimeValLike as _};
use rt_linux::clock::now;

use crate::partner::{Block, Outcome, REPLY_NS, measure, text};

/// Most frames at once.
const FRAMES_MAX: usize = 16;

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// A system call to send each, to wait for each and to take each.
    Each,
    /// One to send all; to wait for each and to take each.
    Together,
    /// One to send all, to wait, and to take all that are there.
    Batch,
    /// One to send all, one that waits for and takes each; no deadline finer than the kernel's tick.
    Blocking,
    /// One to send all, one to wait; taken from the ring.
    Ring,
    /// One to send all; awake, asking the kernel again and again.
    AwakeCalls,
    /// One to send all; awake, looking into the ring.
    AwakeRing,
}

impl Way {
    pub(crate) const ALL: [Self; 7] = [
        Self::Each,
        Self::Together,
        Self::Batch,
        Self::Blocking,
        Self::Ring,
        Self::AwakeCalls,
        Self::AwakeRing,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Each => "send, ppoll + recv a frame",
            Self::Together => "sendmmsg; ppoll + recv a frame",
            Self::Batch => "sendmmsg; ppoll + recvmmsg",
            Self::Blocking => "sendmmsg; blocking recv a frame",
            Self::Ring => "sendmmsg; ppoll, ring",
            Self::AwakeCalls => "sendmmsg; awake on recv",
            Self::AwakeRing => "sendmmsg; awake on the ring",
        }
    }

    /// As an argument.
    pub(crate) fn word(self) -> String {
        format!("{self:?}")
    }

    pub(crate) fn of(word: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|way| way.word() == word);
        found.ok_or_else(|| format!("there is no way {word}"))
    }

    fn options(self) -> RawOptions {
        match self {
            Self::Ring => RawOptions::PATIENT,
            Self::AwakeRing => RawOptions::CYCLIC,
            Self::Each | Self::Together | Self::Batch | Self::Blocking | Self::AwakeCalls => {
                RawOptions { ring: false, awake_ns: 0 }
            }
        }
    }
}

/// Takes frames as the way says; how many at once came.
struct Taker {
    way: Way,
    headers: MultiHeaders<()>,
    buffers: Vec<[u8; FRAME_MAX]>,
    /// Of every frame, bytes.
    length: usize,
}

impl Taker {
    /// Takes frames, at most `left`; returns how many, 0: none came in time.
    fn take(&mut self, link: &mut SocketLink, left: usize) -> Result<usize, String> {
        let deadline = now() + REPLY_NS;
        match self.way {
            Way::Each | Way::Together | Way::Ring | Way::AwakeRing => {
                let came = link.receive(&mut self.buffers[0], deadline);
                self.right(came.map_err(|fault| format!("{fault:?}"))?.unwrap_or(0))
            }
            Way::Batch => self.batch(link, left),
            Way::Blocking => {
                let length =
                    recv(link.as_fd().as_raw_fd(), &mut self.buffers[0], MsgFlags::empty());
                self.right(length.map_err(text)?)
            }
            Way::AwakeCalls => loop {
                let flags = MsgFlags::MSG_DONTWAIT;
                match recv(link.as_fd().as_raw_fd(), &mut self.buffers[0], flags) {
                    Err(Errno::EAGAIN) if now() < deadline => {}
                    Err(Errno::EAGAIN) => return Ok(0),
                    other => return self.right(other.map_err(text)?),
                }
            },
        }
    }

    fn batch(&mut self, link: &SocketLink, left: usize) -> Result<usize, String> {
        let mut ready = [PollFd::new(link.as_fd(), PollFlags::POLLIN)];
        poll(&mut ready, PollTimeout::from(20_u8)).map_err(text)?;
        let mut parts: Vec<[IoSliceMut<'_>; 1]> =
            self.buffers.iter_mut().take(left).map(|room| [IoSliceMut::new(room)]).collect();
        let fd = link.as_fd().as_raw_fd();
        let came = recvmmsg(fd, &mut self.headers, &mut parts, MsgFlags::MSG_DONTWAIT, None);
        match came {
            Err(Errno::EAGAIN) => Ok(0),
            came => Ok(came.map_err(text)?.count()),
        }
    }

    /// How many frames that is: none, or one of the right length.
    fn right(&self, length: usize) -> Result<usize, String> {
        match length {
            0 => Ok(0),
            _ if length == self.length => Ok(1),
            _ => Err(format!("a frame of {length} bytes came")),
        }
    }
}

/// Sends `count` frames of `bytes` out and takes them back, in this way.
pub(crate) fn run(
    interface: &str,
    way: Way,
    (count, bytes): (usize, usize),
    block: Block,
) -> Outcome {
    let mut link = raw_with(interface, way.options()).map_err(text)?;
    if way == Way::Blocking {
        setsockopt(&link.as_fd(), ReceiveTimeout, &TimeVal::seconds(1)).map_err(text)?;
        fcntl(link.as_fd(), FcntlArg::F_SETFL(OFlag::empty())).map_err(text)?;
    }
    let mut frame = vec![0; bytes.clamp(60, FRAME_MAX)];
    frame[..6].fill(0xFF);
    frame[6] = 0x10;
    frame[12..14].copy_from_slice(&ETHERTYPE.to_be_bytes());
    let frames = [frame.as_slice(); FRAMES_MAX];
    let count = count.clamp(1, FRAMES_MAX);
    let mut taker = Taker {
        way,
        headers: MultiHeaders::preallocate(FRAMES_MAX, None),
        buffers: vec![[0; FRAME_MAX]; FRAMES_MAX],
        length: frame.len(),
    };
    measure((interface, block), u64::try_from(count).unwrap_or(0), |_| {
        let sent = if way == Way::Each {
            (0..count).filter(|_| link.send(&frame).is_ok()).count()
        } else {
            usize::try_from(link.send_all(&frames[..count]).frames.count_ones()).unwrap_or(0)
        };
        let mut came = 0;
        while came < sent {
            match taker.take(&mut link, sent - came)? {
                0 => break,
                more => came += more,
            }
        }
        Ok(came == count)
    })
}
