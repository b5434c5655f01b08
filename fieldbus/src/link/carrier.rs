//! Whether there is a cable: asked beside the cycle, by a thread that may wait.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

/// State of a network interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CarrierState {
    /// It is up and there is somebody at the other end of the cable.
    Up,
    /// It is up, and nobody is there.
    NoCarrier,
    /// It was switched off.
    Down,
    /// There is no such interface (any more).
    Gone,
}

/// Asks for the state of an interface: one system call each time (SIOCGIFFLAGS), in the network namespace in which this was made.
#[derive(Debug)]
pub struct Carrier {
    socket: OwnedFd,
    name: [libc::c_char; libc::IFNAMSIZ],
}

impl Carrier {
    /// For the interface of this name, whether it is there or not.
    ///
    /// # Errors
    /// The name is too long, or there is no socket to be had.
    pub fn of(interface: &str) -> io::Result<Self> {
        let mut name = [0; libc::IFNAMSIZ];
        if interface.len() >= name.len() {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        }
        for (to, from) in name.iter_mut().zip(interface.bytes()) {
            *to = libc::c_char::from_ne_bytes([from]);
        }
        let flags = SockFlag::SOCK_CLOEXEC;
        let socket = socket(AddressFamily::Unix, SockType::Datagram, flags, None)?;
        Ok(Self { socket, name })
    }

    /// How it is now.
    #[must_use]
    pub fn state(&self) -> CarrierState {
        let Some(flags) = self.flags().map(libc::c_int::from) else { return CarrierState::Gone };
        if flags & libc::IFF_UP == 0 {
            CarrierState::Down
        } else if flags & libc::IFF_RUNNING == 0 {
            CarrierState::NoCarrier
        } else {
            CarrierState::Up
        }
    }

    #[expect(unsafe_code, reason = "interface flags by name have no safe wrapper")]
    fn flags(&self) -> Option<i16> {
        let ifr_ifru = libc::__c_anonymous_ifr_ifru { ifru_flags: 0 };
        let mut request = libc::ifreq { ifr_name: self.name, ifr_ifru };
        let descriptor = self.socket.as_raw_fd();
        // SAFETY: `request` is a whole ifreq with a name that ends, and lives through the call.
        let result = unsafe { libc::ioctl(descriptor, libc::SIOCGIFFLAGS, &raw mut request) };
        // SAFETY: every bit pattern of the union is a number.
        (result == 0).then_some(unsafe { request.ifr_ifru.ifru_flags })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_gone_and_a_name_that_cannot_be_is_refused() {
        assert_eq!(Carrier::of("tactus-none0").unwrap().state(), CarrierState::Gone);
        assert!(Carrier::of("a-name-longer-than-one-may-be").is_err());
    }
}
