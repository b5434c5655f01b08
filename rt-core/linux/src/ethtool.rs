//! What a network interface is set to, asked by ioctl SIOCETHTOOL: coalescing, offloads, Energy-Efficient Ethernet. Reads
//! only; none of it needs a right.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

// Source of numbers and layouts: Linux, `include/uapi/linux/ethtool.h` and `sockios.h`.
const SIOCETHTOOL: libc::Ioctl = 0x8946;
const ETHTOOL_GCOALESCE: u32 = 0x0e;
const ETHTOOL_GTSO: u32 = 0x1e;
const ETHTOOL_GGSO: u32 = 0x23;
const ETHTOOL_GFLAGS: u32 = 0x25;
const ETHTOOL_GGRO: u32 = 0x2b;
const ETHTOOL_GEEE: u32 = 0x44;
/// Bit of `ETHTOOL_GFLAGS`: large receive offload.
const ETH_FLAG_LRO: u32 = 1 << 15;
/// Words of the longest answer asked for (`struct ethtool_coalesce` has 23), with room for a driver that writes too much.
const WORDS: usize = 64;

/// One setting of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// Its value; µs or counts as ethtool(8) shows them, switches 0 or 1.
    Is(u32),
    /// The driver does not know it.
    Unsupported,
    /// The kernel refused for another reason.
    Refused(Errno),
}

/// What an answer's words are called.
struct Question {
    command: u32,
    /// Name, place of its word, bits of it that count.
    settings: &'static [(&'static str, usize, u32)],
}

const QUESTIONS: &[Question] = &[
    Question {
        command: ETHTOOL_GCOALESCE,
        settings: &[
            ("rx-usecs", 1, u32::MAX),
            ("rx-frames", 2, u32::MAX),
            ("tx-usecs", 5, u32::MAX),
            ("tx-frames", 6, u32::MAX),
            ("adaptive-rx", 10, u32::MAX),
            ("adaptive-tx", 11, u32::MAX),
        ],
    },
    Question { command: ETHTOOL_GTSO, settings: &[("tso", 1, u32::MAX)] },
    Question { command: ETHTOOL_GGSO, settings: &[("gso", 1, u32::MAX)] },
    Question { command: ETHTOOL_GGRO, settings: &[("gro", 1, u32::MAX)] },
    Question { command: ETHTOOL_GFLAGS, settings: &[("lro", 1, ETH_FLAG_LRO)] },
    Question {
        command: ETHTOOL_GEEE,
        settings: &[("eee-active", 4, u32::MAX), ("eee-enabled", 5, u32::MAX)],
    },
];

/// Everything known of `interface`, by name. Off the cycle: it allocates and asks six times.
///
/// # Errors
/// There is no such interface, its name is too long, or the kernel gives no socket.
pub fn read(interface: &str) -> io::Result<Vec<(&'static str, Setting)>> {
    let name = name(interface)?;
    let asker = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None::<_>)?;
    let mut found = Vec::with_capacity(16);
    for Question { command, settings } in QUESTIONS {
        let answer = ask(&asker, &name, *command);
        if let Err(Errno::ENODEV) = answer {
            return Err(Errno::ENODEV.into());
        }
        for (setting, word, bits) in *settings {
            let value = match &answer {
                Ok(words) => {
                    Setting::Is(words.get(*word).map_or(0, |word| bit_value(word & bits, *bits)))
                }
                Err(Errno::EOPNOTSUPP) => Setting::Unsupported,
                Err(errno) => Setting::Refused(*errno),
            };
            found.push((*setting, value));
        }
    }
    Ok(found)
}

/// A flag among others counts as 0 or 1.
fn bit_value(value: u32, bits: u32) -> u32 {
    if bits == u32::MAX { value } else { u32::from(value != 0) }
}

type Name = [libc::c_char; libc::IFNAMSIZ];

/// With the 0 that ends it.
fn name(interface: &str) -> io::Result<Name> {
    let mut name: Name = [0; libc::IFNAMSIZ];
    let bytes = interface.as_bytes();
    if bytes.is_empty() || bytes.len() >= name.len() || bytes.contains(&0) {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    for (to, from) in name.iter_mut().zip(bytes) {
        *to = libc::c_char::from_ne_bytes([*from]);
    }
    Ok(name)
}

fn ask(asker: &OwnedFd, name: &Name, command: u32) -> Result<[u32; WORDS], Errno> {
    let mut words = [0_u32; WORDS];
    if let Some(first) = words.first_mut() {
        *first = command;
    }
    let mut request = libc::ifreq {
        ifr_name: *name,
        ifr_ifru: libc::__c_anonymous_ifr_ifru { ifru_data: words.as_mut_ptr().cast() },
    };
    // SAFETY: `request` and the `words` it points to live through the call and belong to it alone; the kernel writes at
    // most the structure of the command, of which the longest (92 bytes) is shorter than `words`.
    let result = unsafe { libc::ioctl(asker.as_raw_fd(), SIOCETHTOOL, &raw mut request) };
    Errno::result(result).map(|_| words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(settings: &[(&str, Setting)], name: &str) -> Setting {
        settings.iter().find(|(known, _)| *known == name).expect("a setting of that name").1
    }

    #[test]
    fn the_loopback_interface_has_offloads_and_no_coalescing() {
        let settings = read("lo").expect("there is a loopback interface");
        assert!(matches!(value(&settings, "gso"), Setting::Is(0 | 1)), "{settings:?}");
        assert!(matches!(value(&settings, "gro"), Setting::Is(0 | 1)), "{settings:?}");
        assert_eq!(value(&settings, "lro"), Setting::Is(0));
        assert_eq!(value(&settings, "rx-usecs"), Setting::Unsupported);
        assert_eq!(value(&settings, "eee-enabled"), Setting::Unsupported);
    }

    #[test]
    fn an_interface_that_is_not_there_is_an_error() {
        let error = read("tactus-none").expect_err("no such interface");
        assert_eq!(error.raw_os_error(), Some(libc::ENODEV));
        for name in ["", "a-name-that-is-too-long", "a\0b"] {
            assert_eq!(read(name).expect_err(name).kind(), io::ErrorKind::InvalidInput);
        }
    }
}
