//! Links over a file descriptor: a network interface (AF_PACKET), or one end of a socket pair.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, recv, send, setsockopt, socketpair, sockopt,
};
use nix::sys::time::TimeSpec;

use super::{ETHERTYPE, Link, LinkError, LinkFault};
use crate::time::monotonic;

/// Not in `libc` for every target: `linux/if_packet.h`.
const PACKET_IGNORE_OUTGOING: libc::c_int = 23;
/// Busy polling in the driver where it is granted, µs.
const BUSY_POLL_US: libc::c_int = 50;
/// Room for frames in each direction of a pair, bytes.
const PAIR_BUFFER: usize = 1 << 20;

/// A link over a file descriptor. One system call to send; one to wait and one to take a frame.
#[derive(Debug)]
pub struct SocketLink {
    fd: OwnedFd,
}

/// Opens a network interface for EtherCAT frames alone.
///
/// # Errors
/// No permission, no such interface (those present are listed), it is down, or what the system said.
pub fn raw(interface: &str) -> Result<SocketLink, LinkError> {
    let io = |what| move |source| LinkError::Io { interface: interface.to_owned(), what, source };
    let index = nix::net::if_::if_nametoindex(interface).map_err(|_| LinkError::NoInterface {
        interface: interface.to_owned(),
        present: interfaces().join(", "),
    })?;
    let fd = packet_socket().map_err(|error| match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => {
            LinkError::Permission { interface: interface.to_owned() }
        }
        _ => {
            LinkError::Io { interface: interface.to_owned(), what: "open AF_PACKET", source: error }
        }
    })?;
    if !is_up(interface) {
        return Err(LinkError::Down { interface: interface.to_owned() });
    }
    set_int(&fd, libc::SOL_PACKET, PACKET_IGNORE_OUTGOING, 1).map_err(io("ignore own frames"))?;
    // What follows makes it faster where it is granted; nothing depends on it.
    let _ = set_int(&fd, libc::SOL_PACKET, libc::PACKET_QDISC_BYPASS, 1);
    let _ = set_int(&fd, libc::SOL_SOCKET, libc::SO_BUSY_POLL, BUSY_POLL_US);
    bind_packet(&fd, index).map_err(io("bind"))?;
    Ok(SocketLink { fd })
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
    Ok((SocketLink { fd: a }, SocketLink { fd: b }))
}

/// Names of the network interfaces that there are.
#[must_use]
pub fn interfaces() -> Vec<String> {
    let names = nix::net::if_::if_nameindex();
    let mut names: Vec<String> = names
        .iter()
        .flat_map(|list| list.iter())
        .map(|interface| interface.name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

fn is_up(interface: &str) -> bool {
    let flags = nix::ifaddrs::getifaddrs().into_iter().flatten();
    flags
        .filter(|address| address.interface_name == interface)
        .any(|address| address.flags.contains(nix::net::if_::InterfaceFlags::IFF_UP))
}

#[expect(unsafe_code, reason = "AF_PACKET with a protocol of its own has no safe wrapper")]
fn packet_socket() -> io::Result<OwnedFd> {
    let kind = libc::SOCK_RAW | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // Protocol 0: no frame is queued before bind names the interface and the EtherType.
    // SAFETY: no pointers; the result is checked below.
    let fd = unsafe { libc::socket(libc::AF_PACKET, kind, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: `fd` was just opened and is owned by nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

#[expect(
    unsafe_code,
    reason = "PACKET_IGNORE_OUTGOING and PACKET_QDISC_BYPASS have no safe wrapper"
)]
fn set_int(fd: &OwnedFd, level: libc::c_int, option: libc::c_int, value: i32) -> io::Result<()> {
    let length = size_of_u32::<i32>();
    // SAFETY: `value` lives through the call and `length` is its size.
    let result = unsafe {
        libc::setsockopt(fd.as_raw_fd(), level, option, (&raw const value).cast(), length)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[expect(unsafe_code, reason = "bind to a sockaddr_ll has no safe wrapper that sets the protocol")]
fn bind_packet(fd: &OwnedFd, index: u32) -> io::Result<()> {
    let address = libc::sockaddr_ll {
        sll_family: u16::try_from(libc::AF_PACKET).unwrap_or_default(),
        sll_protocol: ETHERTYPE.to_be(),
        sll_ifindex: i32::try_from(index).unwrap_or_default(),
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    let length = size_of_u32::<libc::sockaddr_ll>();
    // SAFETY: `address` is a whole sockaddr_ll that lives through the call and `length` is its size.
    let result = unsafe { libc::bind(fd.as_raw_fd(), (&raw const address).cast(), length) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn size_of_u32<T>() -> libc::socklen_t {
    libc::socklen_t::try_from(size_of::<T>()).unwrap_or_default()
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
        Errno::ENOBUFS | Errno::EAGAIN | Errno::ENOMEM => LinkFault::Full,
        // Errno's discriminants are the numbers themselves.
        #[expect(clippy::as_conversions, reason = "the enum is repr(i32)")]
        other => LinkFault::Os(other as i32),
    }
}

fn timespec(ns: u64) -> TimeSpec {
    TimeSpec::from_duration(core::time::Duration::from_nanos(ns))
}

impl SocketLink {
    /// Takes a frame that is there. The length is the frame's own, even if it was cut.
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

    fn receive(&mut self, buffer: &mut [u8], deadline: u64) -> Result<Option<usize>, LinkFault> {
        if deadline == 0 {
            return self.take(buffer);
        }
        // A signal may interrupt the wait: a few times at most, then the frame counts as not there.
        for _ in 0..4 {
            let left = deadline.saturating_sub(monotonic());
            let mut fds = [PollFd::new(self.fd.as_fd(), PollFlags::POLLIN)];
            match ppoll(&mut fds, Some(timespec(left)), None) {
                Ok(0) => return Ok(None),
                Ok(_) => match self.take(buffer)? {
                    Some(length) => return Ok(Some(length)),
                    None => continue,
                },
                Err(Errno::EINTR) => continue,
                Err(errno) => return Err(fault(errno)),
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
    fn an_interface_that_does_not_exist_is_named_with_those_present() {
        let error = raw("tactus-none0").unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, LinkError::NoInterface { .. }), "{text}");
        for present in interfaces() {
            assert!(text.contains(&present), "{text}");
        }
    }
}
