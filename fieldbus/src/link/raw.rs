//! A network interface as a link (AF_PACKET): how it is opened, and what the kernel granted of what makes it faster.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use nix::unistd::{SysconfVar, sysconf};

use super::awake::Awake;
use super::ring::{PLACES, Ring};
use super::socket::SocketLink;
use super::{ETHERTYPE, LinkError};

/// Not in `libc` for every target: `linux/if_packet.h`.
const PACKET_IGNORE_OUTGOING: libc::c_int = 23;
/// Busy polling in the driver where it is granted, µs.
const BUSY_POLL_US: libc::c_int = 50;
/// Stay awake for a frame so long, ns: what 30 devices at 100 Mbit/s take, and far below every deadline.
const AWAKE_NS: u64 = 100_000;

/// How an interface is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawOptions {
    /// Take frames from a ring of shared memory, without a system call.
    pub ring: bool,
    /// Stay awake for a frame so long before sleeping, ns; needs the ring and a second CPU. 0: sleep at once.
    pub awake_ns: u64,
}

impl RawOptions {
    /// For a cycle: awake for a bounded time, see `docs/guide/bus.md`.
    pub const CYCLIC: Self = Self { ring: true, awake_ns: AWAKE_NS };
    /// For everything else: it sleeps.
    pub const PATIENT: Self = Self { ring: true, awake_ns: 0 };
}

/// What the kernel granted, read back; `None`: it would not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Granted {
    /// Frames bypass the queueing discipline (PACKET_QDISC_BYPASS).
    pub qdisc_bypass: Option<bool>,
    /// Places of the receive ring; 0: there is none, each frame is a system call.
    pub ring_frames: u32,
    /// SO_BUSY_POLL, µs.
    pub busy_poll_us: Option<u32>,
    /// SO_PREFER_BUSY_POLL.
    pub prefer_busy_poll: Option<bool>,
    /// The NAPI instance that busy polling would poll (SO_INCOMING_NAPI_ID); 0: none, so it does nothing.
    pub napi_id: Option<u32>,
    /// Awake for a frame at most so long, ns.
    pub awake_ns: u64,
}

/// Opens a network interface for EtherCAT frames alone, to be used without haste.
///
/// # Errors
/// No permission, no such interface (those present are listed), it is down, or what the system said.
pub fn raw(interface: &str) -> Result<SocketLink, LinkError> {
    raw_with(interface, RawOptions::PATIENT)
}

/// Opens a network interface for EtherCAT frames alone.
///
/// # Errors
/// As [`raw`].
pub fn raw_with(interface: &str, options: RawOptions) -> Result<SocketLink, LinkError> {
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
    set_option(&fd, libc::SOL_PACKET, PACKET_IGNORE_OUTGOING, &1)
        .map_err(io("ignore own frames"))?;
    // What follows makes it faster where it is granted; nothing depends on it, and [`Granted`] says what was.
    let _ = set_option(&fd, libc::SOL_PACKET, libc::PACKET_QDISC_BYPASS, &1);
    let _ = set_option(&fd, libc::SOL_SOCKET, libc::SO_PREFER_BUSY_POLL, &1);
    let _ = set_option(&fd, libc::SOL_SOCKET, libc::SO_BUSY_POLL, &BUSY_POLL_US);
    let ring = if options.ring { Ring::of(&fd).ok() } else { None };
    bind_packet(&fd, index).map_err(io("bind"))?;
    let awake_ns = if ring.is_some() && is_shared() { options.awake_ns } else { 0 };
    Ok(SocketLink { fd, ring, awake: Awake::new(awake_ns) })
}

/// Somebody else can take a frame in while a thread stays awake for it: not if there is one CPU.
fn is_shared() -> bool {
    let online = sysconf(SysconfVar::_NPROCESSORS_ONLN);
    online.ok().flatten().is_none_or(|cpus| cpus > 1)
}

/// Reads back what the kernel granted.
pub(super) fn granted(link: &SocketLink) -> Granted {
    let read = |level, option| option_of(&link.fd, level, option).ok();
    let number = |value: i32| u32::try_from(value).ok();
    Granted {
        qdisc_bypass: read(libc::SOL_PACKET, libc::PACKET_QDISC_BYPASS).map(|value| value != 0),
        ring_frames: if link.ring.is_some() { PLACES } else { 0 },
        busy_poll_us: read(libc::SOL_SOCKET, libc::SO_BUSY_POLL).and_then(number),
        prefer_busy_poll: read(libc::SOL_SOCKET, libc::SO_PREFER_BUSY_POLL).map(|value| value != 0),
        napi_id: read(libc::SOL_SOCKET, libc::SO_INCOMING_NAPI_ID).and_then(number),
        awake_ns: link.awake.bound_ns(),
    }
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

/// Sets an option that is a plain C value.
#[expect(unsafe_code, reason = "options of AF_PACKET have no safe wrapper")]
pub(super) fn set_option<T: Copy>(
    fd: &OwnedFd,
    level: libc::c_int,
    option: libc::c_int,
    value: &T,
) -> io::Result<()> {
    let length = size_of_u32::<T>();
    let value: *const T = value;
    // SAFETY: `value` lives through the call and `length` is its size.
    let result = unsafe { libc::setsockopt(fd.as_raw_fd(), level, option, value.cast(), length) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[expect(unsafe_code, reason = "options of AF_PACKET have no safe wrapper")]
fn option_of(fd: &OwnedFd, level: libc::c_int, option: libc::c_int) -> io::Result<i32> {
    let mut value = 0_i32;
    let mut length = size_of_u32::<i32>();
    let room = (&raw mut value).cast();
    // SAFETY: `value` and `length` live through the call and `length` is the size of `value`.
    let result = unsafe { libc::getsockopt(fd.as_raw_fd(), level, option, room, &raw mut length) };
    if result == 0 { Ok(value) } else { Err(io::Error::last_os_error()) }
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

#[cfg(test)]
mod tests {
    use super::*;

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
