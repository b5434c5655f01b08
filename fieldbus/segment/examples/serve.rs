//! Serves a small segment on a network interface, so that any MainDevice can be tried on it: `serve
//! IFACE [SECONDS]`.
//!
//! A coupler, a digital input and a digital output terminal, an analogue input terminal and two
//! servo drives whose axes follow their set-points at once. Needs CAP_NET_RAW.

use std::os::fd::{AsRawFd, OwnedFd};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrLike, bind, recv, send,
    setsockopt, socket, sockopt::ReceiveTimeout,
};
use nix::sys::time::{TimeVal, TimeValLike};
use segment::{Device, Identity, Process, Segment, ServoCommand, ServoFeedback, ServoOptions};

const DEVICES: usize = 6;

/// Axes that follow at once; the digital inputs repeat the digital outputs.
#[derive(Default)]
struct Bench {
    axes: [ServoFeedback; DEVICES],
    outputs: u64,
}

impl Process for Bench {
    fn advance(&mut self, _now: u64) {}

    fn servo_command(&mut self, device: usize, command: &ServoCommand) {
        let Some(axis) = self.axes.get_mut(device) else { return };
        if command.power && command.brake_released {
            axis.position_counts = counts(command.target_counts);
            axis.velocity_counts_per_s = command.velocity_counts_per_s;
        } else {
            axis.velocity_counts_per_s = 0.0;
        }
    }

    fn servo_feedback(&self, device: usize) -> ServoFeedback {
        self.axes.get(device).copied().unwrap_or_default()
    }

    fn digital_inputs(&self, _device: usize) -> u64 {
        self.outputs
    }

    fn set_digital_outputs(&mut self, _device: usize, bits: u64) {
        self.outputs = bits;
    }

    fn analog_input(&self, _device: usize, channel: usize) -> i16 {
        i16::try_from(channel).unwrap_or(0) + 1_000
    }

    fn set_analog_output(&mut self, _device: usize, _channel: usize, _value: i16) {}
}

#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "float to int saturates"
)]
fn counts(value: f64) -> i64 {
    value as i64
}

fn devices() -> Vec<Device> {
    let identity = |product, serial| Identity { vendor: 0x0000_0B0B, product, revision: 1, serial };
    vec![
        Device::coupler("Coupler", identity(1, 1)),
        Device::digital_input("DI8", identity(2, 2), 8),
        Device::digital_output("DO4", identity(3, 3), 4),
        Device::analog_input("AI2", identity(4, 4), 2),
        Device::servo("Servo", identity(5, 5), ServoOptions::default()),
        Device::servo("Servo", identity(5, 6), ServoOptions::default()),
    ]
}

fn open(interface: &str) -> nix::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC;
    let fd = socket(AddressFamily::Packet, SockType::Raw, flags, SockProtocol::EthAll)?;
    let address = getifaddrs()?
        .filter(|found| found.interface_name == interface)
        .filter_map(|found| found.address)
        .find(|address| address.family() == Some(AddressFamily::Packet))
        .ok_or(Errno::ENODEV)?;
    bind(fd.as_raw_fd(), &address)?;
    setsockopt(&fd, ReceiveTimeout, &TimeVal::milliseconds(1))?;
    Ok(fd)
}

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let Some(interface) = args.next() else {
        eprintln!("usage: serve IFACE [SECONDS]");
        return ExitCode::from(2);
    };
    let seconds = args.next().and_then(|text| text.parse().ok());
    let fd = match open(&interface) {
        Ok(fd) => fd,
        Err(error) => {
            eprintln!("{interface}: {error}");
            return ExitCode::from(3);
        }
    };
    let mut segment = Segment::new(devices(), Bench::default());
    let start = Instant::now();
    let mut frame = [0; 1514];
    let mut worst = Duration::ZERO;
    while seconds.is_none_or(|seconds| start.elapsed() < Duration::from_secs(seconds)) {
        let received = recv(fd.as_raw_fd(), &mut frame, MsgFlags::empty());
        let began = Instant::now();
        let now = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX) + 1_000_000_000;
        match received {
            // Bit 0x02 of the source: our own frames on their way out.
            Ok(length) if length > 12 && frame[6] & 0x02 == 0 => {
                if segment.pass(&mut frame[..length], now) {
                    worst = worst.max(began.elapsed());
                    if let Err(error) = send(fd.as_raw_fd(), &frame[..length], MsgFlags::empty()) {
                        eprintln!("send: {error}");
                    }
                }
            }
            Ok(_) | Err(Errno::EAGAIN | Errno::EINTR) => segment.advance(now),
            Err(error) => {
                eprintln!("receive: {error}");
                return ExitCode::from(3);
            }
        }
    }
    for position in 0..segment.len() {
        println!("{position}: {:?}", segment.snapshot(position));
    }
    println!("longest pass: {worst:?}");
    ExitCode::SUCCESS
}
