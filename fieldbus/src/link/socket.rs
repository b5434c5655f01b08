//! Links over a file descriptor: a network interface (AF_PACKET), or one end of a socket pair.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, recv, send, setsockopt, socketpair, sockopt,
};
use nix::sys::time::TimeSpec;

use super::awake::Awake;
use super::raw::{Granted, granted};
use super::ring::Ring;
use super::{Link, LinkError, LinkFault, Sent};
use crate::layout::FRAMES_MAX;
use crate::time::monotonic;

/// Looks into the ring between two looks at the clock.
const LOOKS: u32 = 8;
/// A signal may interrupt a wait so often, then the frame counts as not there.
const WAITS_MAX: u32 = 4;
/// Room for frames in each direction of a pair, bytes.
const PAIR_BUFFER: usize = 1 << 20;

/// A link over a file descriptor. One system call sends all frames of a cycle. A frame is taken from the ring without one, where there is
/// a ring, else with one; before that one call waits, if the frame is not there yet.
#[derive(Debug)]
pub struct SocketLink {
    pub(super) fd: OwnedFd,
    pub(super) ring: Option<Ring>,
    pub(super) awake: Awake,
}

/// Two ends of a link within this machine, one for the MainDevice, one for [`serve`](super::serve).
///
/// # Errors
/// What the system said.
pub fn pair() -> Result<(SocketLink, SocketLink), LinkError> {
    let io = |what| {
        move |errno: Errno| LinkError::Io {
            interface: "pair".to_owned(),
            what,
            source: errno.into(),
        }
    };
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let (a, b) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)
        .map_err(io("socketpair"))?;
    for fd in [&a, &b] {
        setsockopt(fd, sockopt::SndBuf, &PAIR_BUFFER).map_err(io("buffer"))?;
    }
    let link = |fd| SocketLink { fd, ring: None, awake: Awake::new(0) };
    Ok((link(a), link(b)))
}

fn fault(errno: Errno) -> LinkFault {
    match errno {
        Errno::ENETDOWN
        | Errno::ENXIO
        | Errno::ENODEV
        | Errno::EPIPE
        | Errno::ECONNRESET
        | Errno::ENOTCONN
        | Errno::ECONNREFUSED => LinkFault::Down,
        Errno::ENOBUFS => LinkFault::Refused,
        Errno::EAGAIN | Errno::ENOMEM => LinkFault::Full,
        // Errno's discriminants are the numbers themselves.
        #[expect(clippy::as_conversions, reason = "the enum is repr(i32)")]
        other => LinkFault::Os(other as i32),
    }
}

fn timespec(ns: u64) -> TimeSpec {
    TimeSpec::from_duration(core::time::Duration::from_nanos(ns))
}

/// What came of a wait.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Waited {
    /// There is something to take.
    Ready,
    /// The time is over.
    Nothing,
    /// A signal came.
    Interrupted,
}

impl SocketLink {
    /// What the kernel granted of what makes it faster, read back. Takes system calls: not for the cycle.
    #[must_use]
    pub fn granted(&self) -> Granted {
        granted(self)
    }

    /// Takes a frame that is there, with a system call. The length is the frame's own, even if it was cut.
    fn take(&self, buffer: &mut [u8]) -> Result<Option<usize>, LinkFault> {
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_TRUNC;
        match recv(self.fd.as_raw_fd(), buffer, flags) {
            // A pair whose other end is gone reads 0 bytes; Ethernet frames are never empty.
            Ok(0) => Err(LinkFault::Down),
            Ok(length) => Ok(Some(length)),
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(None),
            Err(errno) => Err(fault(errno)),
        }
    }

    fn wait(&self, deadline: u64) -> Result<Waited, LinkFault> {
        let left = deadline.saturating_sub(monotonic());
        let mut fds = [PollFd::new(self.fd.as_fd(), PollFlags::POLLIN)];
        match ppoll(&mut fds, Some(timespec(left)), None) {
            Ok(0) => Ok(Waited::Nothing),
            Ok(_) => Ok(Waited::Ready),
            Err(Errno::EINTR) => Ok(Waited::Interrupted),
            Err(errno) => Err(fault(errno)),
        }
    }

    /// Looks into the ring until `until`, ns, without sleeping.
    fn look(&mut self, buffer: &mut [u8], until: u64) -> Option<usize> {
        let ring = self.ring.as_mut()?;
        // Ends with the time, which is bounded.
        while monotonic() < until {
            for _ in 0..LOOKS {
                if let Some(length) = ring.take(buffer) {
                    self.awake.paid();
                    return Some(length);
                }
                core::hint::spin_loop();
            }
        }
        None
    }

    fn receive_ring(
        &mut self,
        buffer: &mut [u8],
        deadline: u64,
    ) -> Result<Option<usize>, LinkFault> {
        let there = |link: &mut Self, buffer: &mut [u8]| link.ring.as_mut()?.take(buffer);
        if let Some(length) = there(self, buffer) {
            return Ok(Some(length));
        }
        if deadline == 0 {
            return Ok(None);
        }
        let awake = self.awake.until(monotonic(), deadline);
        if let Some(length) = awake.and_then(|until| self.look(buffer, until)) {
            return Ok(Some(length));
        }
        for _ in 0..WAITS_MAX {
            match self.wait(deadline)? {
                Waited::Nothing => return Ok(None),
                Waited::Interrupted => {}
                Waited::Ready => {
                    if let Some(length) = there(self, buffer) {
                        if awake.is_some() {
                            self.awake.in_vain();
                        }
                        return Ok(Some(length));
                    }
                    // No frame, so an error: the call takes it, and says what it is.
                    self.take(buffer)?;
                }
            }
        }
        Ok(None)
    }

    /// Sends as many of them, in order, as the kernel takes with one call. Returns how many.
    #[expect(unsafe_code, reason = "the safe wrapper of sendmmsg allocates")]
    fn send_many(&self, frames: &[&[u8]]) -> Result<usize, Errno> {
        let part = libc::iovec { iov_base: core::ptr::null_mut(), iov_len: 0 };
        let mut parts = [part; FRAMES_MAX];
        // SAFETY: a message header of zeros is one without anything in it.
        let mut messages: [libc::mmsghdr; FRAMES_MAX] = unsafe { core::mem::zeroed() };
        for ((message, part), frame) in messages.iter_mut().zip(&mut parts).zip(frames) {
            // The kernel only reads it.
            part.iov_base = frame.as_ptr().cast_mut().cast();
            part.iov_len = frame.len();
            message.msg_hdr.msg_iov = part;
            message.msg_hdr.msg_iovlen = 1;
        }
        let count = u32::try_from(frames.len().min(FRAMES_MAX)).unwrap_or(0);
        let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        let first = messages.as_mut_ptr();
        // SAFETY: `count` headers are there, each with one part that is a frame; all of them live through the call.
        let sent = unsafe { libc::sendmmsg(self.fd.as_raw_fd(), first, count, flags) };
        usize::try_from(sent).map_err(|_| Errno::last())
    }
}

impl AsFd for SocketLink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Link for SocketLink {
    fn send(&mut self, frame: &[u8]) -> Result<(), LinkFault> {
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        match send(self.fd.as_raw_fd(), frame, flags) {
            Ok(_) => Ok(()),
            Err(errno) => Err(fault(errno)),
        }
    }

    fn send_all(&mut self, frames: &[&[u8]]) -> Sent {
        let mut sent = Sent::default();
        if let [frame] = frames {
            sent.note(0, self.send(frame));
            return sent;
        }
        let mut done = 0;
        // Each turn sends at least one, or ends it.
        while let Some(left @ [_, ..]) = frames.get(done..) {
            match self.send_many(left) {
                Ok(count @ 1..) => {
                    (done..done + count).for_each(|number| sent.note(number, Ok(())));
                    done += count;
                }
                // The frame after those that were sent; it is left out, and the others have their turn.
                Ok(0) | Err(Errno::EINTR) => return sent,
                Err(errno) => {
                    sent.note(done, Err(fault(errno)));
                    if sent.fault == Some(LinkFault::Down) {
                        return sent;
                    }
                    done += 1;
                }
            }
        }
        sent
    }

    fn receive(&mut self, buffer: &mut [u8], deadline: u64) -> Result<Option<usize>, LinkFault> {
        if self.ring.is_some() {
            return self.receive_ring(buffer, deadline);
        }
        if deadline == 0 {
            return self.take(buffer);
        }
        for _ in 0..WAITS_MAX {
            match self.wait(deadline)? {
                Waited::Nothing => return Ok(None),
                Waited::Interrupted => {}
                Waited::Ready => {
                    if let Some(length) = self.take(buffer)? {
                        return Ok(Some(length));
                    }
                }
            }
        }
        Ok(None)
    }

    fn now(&self) -> u64 {
        monotonic()
    }

    fn idle(&mut self, until: u64) {
        let left = until.saturating_sub(monotonic());
        if left > 0 {
            std::thread::sleep(core::time::Duration::from_nanos(left));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_crosses_a_pair_whole_and_a_long_one_tells_its_length() {
        let (mut a, mut b) = pair().unwrap();
        a.send(&[7; 100]).unwrap();
        let mut buffer = [0; 60];
        assert_eq!(b.receive(&mut buffer, monotonic() + 1_000_000_000), Ok(Some(100)));
        assert_eq!(buffer, [7; 60]);
        assert_eq!(b.receive(&mut buffer, 0), Ok(None));
    }

    #[test]
    fn an_empty_link_waits_until_the_deadline_and_no_longer_than_needed() {
        let (mut a, _b) = pair().unwrap();
        let deadline = monotonic() + 3_000_000;
        assert_eq!(a.receive(&mut [0; 60], deadline), Ok(None));
        assert!(monotonic() >= deadline);
    }

    #[test]
    fn a_pair_whose_other_end_is_gone_is_down() {
        let (mut a, b) = pair().unwrap();
        drop(b);
        assert_eq!(a.send(&[0; 60]), Err(LinkFault::Down));
        assert_eq!(a.receive(&mut [0; 60], monotonic() + 1_000_000_000), Err(LinkFault::Down));
    }

    #[test]
    fn frames_sent_together_arrive_in_order_and_what_was_sent_is_said() {
        let (mut a, mut b) = pair().unwrap();
        let frames: Vec<Vec<u8>> = (1..=5).map(|n| vec![n; 60 + usize::from(n)]).collect();
        let parts: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
        assert_eq!(a.send_all(&parts), Sent { frames: 0b1_1111, fault: None });
        assert_eq!(a.send_all(&parts[..1]), Sent { frames: 1, fault: None });
        assert_eq!(a.send_all(&[]), Sent::default());
        let mut buffer = [0; 100];
        for frame in frames.iter().chain(&frames[..1]) {
            assert_eq!(b.receive(&mut buffer, 0), Ok(Some(frame.len())));
            assert_eq!(&buffer[..frame.len()], frame);
        }
        assert_eq!(b.receive(&mut buffer, 0), Ok(None));
    }

    #[test]
    fn a_queue_that_is_full_takes_the_first_frames_and_says_so() {
        let (mut a, mut b) = pair().unwrap();
        let frame = [7; 1500];
        let frames = [&frame[..]; 16];
        let mut sent = Sent { frames: 0xFFFF, fault: None };
        let mut all = 0;
        while sent.fault.is_none() {
            sent = a.send_all(&frames);
            all += sent.frames.count_ones();
        }
        assert_eq!(sent.fault, Some(LinkFault::Full));
        assert_eq!(sent.frames & sent.frames.wrapping_add(1), 0, "the first ones: {sent:?}");
        let mut came = 0;
        while b.receive(&mut [0; 1500], 0).unwrap().is_some() {
            came += 1;
        }
        assert_eq!(came, all);
    }

    #[test]
    fn nothing_is_sent_over_a_pair_whose_other_end_is_gone() {
        let (mut a, b) = pair().unwrap();
        drop(b);
        let sent = a.send_all(&[&[0; 60], &[1; 60]]);
        assert_eq!(sent, Sent { frames: 0, fault: Some(LinkFault::Down) });
    }
}
