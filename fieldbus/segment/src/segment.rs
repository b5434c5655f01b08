//! The segment: devices in a line behind the MainDevice, and the frames that pass them.

use crate::al::AlState;
use crate::device::Device;
use crate::esc::FrameTimes;
use crate::fault::{DeviceStatus, Fault};
use crate::frame::{Command, DATA_MAX, DATAGRAM_HEADER, Datagram, datagrams};
use crate::num::{put, u8_at, u16_at, u32_at};
use crate::process::{Process, TICK_NS};

/// Longest time that is caught up tick by tick, ns; a clock that jumps further is followed without.
const CATCH_UP_MAX_NS: u64 = 60_000_000_000;
/// One byte at 100 Mbit/s, ns.
const BYTE_NS: u64 = 80;
/// Preamble, FCS and inter-frame gap, bytes.
const FRAME_OVERHEAD: u64 = 24;
/// Shortest frame on the wire, without FCS.
const FRAME_MIN: u64 = 60;

/// Devices in a line, and what is behind them.
pub struct Segment<P: Process> {
    devices: Vec<Device>,
    process: P,
    next_tick: Option<u64>,
    now: u64,
    /// Bit by position: the cable into the device is broken.
    broken: Vec<bool>,
    /// From the MainDevice to each device, ns.
    hops: Vec<u64>,
    /// How many devices a frame reaches.
    reachable: usize,
    scratch: Box<[u8; DATA_MAX]>,
}

impl<P: Process> Segment<P> {
    /// All devices powered, in Init.
    #[must_use]
    pub fn new(devices: Vec<Device>, process: P) -> Self {
        let mut sum = 0;
        let hops = devices
            .iter()
            .map(|device| {
                let hop = sum;
                sum += device.description.esc.forwarding_ns;
                hop
            })
            .collect();
        let mut segment = Self {
            broken: vec![false; devices.len()],
            devices,
            process,
            next_tick: None,
            now: 0,
            hops,
            reachable: 0,
            scratch: Box::new([0; DATA_MAX]),
        };
        segment.connect();
        segment
    }

    /// What is behind the devices.
    pub fn process(&mut self) -> &mut P {
        &mut self.process
    }

    /// What is behind the devices.
    pub fn process_ref(&self) -> &P {
        &self.process
    }

    /// How many devices there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.devices.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.devices.is_empty()
    }

    /// A device from outside the bus; `None`: there is no such position.
    #[must_use]
    pub fn snapshot(&self, position: usize) -> Option<DeviceStatus> {
        let device = self.devices.get(position)?;
        Some(device.status(position < self.reachable, self.now))
    }

    /// The distributed clock of a device at `now`, ns; `None`: there is no such position.
    #[must_use]
    pub fn system_time(&self, position: usize, now: u64) -> Option<u64> {
        Some(self.devices.get(position)?.esc.clock.system(now))
    }

    /// SYNC0 of a device is active; `None`: there is no such position.
    #[must_use]
    pub fn sync0_active(&self, position: usize) -> Option<bool> {
        Some(self.devices.get(position)?.esc.clock.sync0_active())
    }

    /// Puts another device in the place of one; it is switched on. Returns the one that was there.
    pub fn replace(&mut self, position: usize, device: Device) -> Option<Device> {
        let place = self.devices.get_mut(position)?;
        let before = std::mem::replace(place, device);
        place.power_on(self.now);
        self.connect();
        Some(before)
    }

    /// A device forgets its station address, and nothing else.
    pub fn forget_address(&mut self, position: usize) {
        if let Some(device) = self.devices.get_mut(position) {
            device.esc.set(0x0010, &[0, 0]);
        }
    }

    /// From the first bit sent until the last bit is back, ns: (bytes + 24) × 80 ns, and through
    /// every device and back.
    #[must_use]
    pub fn round_trip_ns(&self, frame_len: usize) -> u64 {
        let bytes = u64::try_from(frame_len).unwrap_or(u64::MAX / 1024).max(FRAME_MIN);
        let reached = self.devices.iter().take(self.reachable);
        let forwarding: u64 = reached.map(|device| device.description.esc.forwarding_ns).sum();
        (bytes + FRAME_OVERHEAD) * BYTE_NS + 2 * forwarding
    }

    /// Moves devices and world on to `now`, ns, in steps of [`TICK_NS`] at multiples of it.
    pub fn advance(&mut self, now: u64) {
        self.now = self.now.max(now);
        let first = (now / TICK_NS + 1).saturating_mul(TICK_NS);
        let mut next = self.next_tick.unwrap_or(first);
        if now.saturating_sub(next) > CATCH_UP_MAX_NS {
            next = now / TICK_NS * TICK_NS;
        }
        while next <= now {
            self.process.advance(next);
            for (position, device) in self.devices.iter_mut().enumerate() {
                device.tick(position, next, &mut self.process);
            }
            let Some(after) = next.checked_add(TICK_NS) else { break };
            next = after;
        }
        self.next_tick = Some(next);
    }

    /// Processes a whole Ethernet frame in place, at `now`, ns. `false`: it does not come back: not
    /// EtherCAT, no room for the headers, or nobody is connected.
    pub fn pass(&mut self, frame: &mut [u8], now: u64) -> bool {
        self.advance(now);
        let Some(mut walk) = datagrams(frame) else { return false };
        if self.reachable == 0 {
            return false;
        }
        let since_tick =
            self.next_tick.map_or(0, |next| now.saturating_add(TICK_NS).saturating_sub(next));
        for (position, device) in self.devices.iter_mut().take(self.reachable).enumerate() {
            let hop = self.hops.get(position).copied().unwrap_or(0);
            device.latch_at_sync0(now.saturating_add(hop), since_tick.saturating_add(hop));
            device.refresh_inputs(position, now, &self.process);
        }
        while let Some(datagram) = walk.next(frame) {
            self.datagram(frame, datagram, now);
        }
        // The first device marks the frame as processed: locally administered source address.
        let mark = u8_at(frame, 6) | 0x02;
        put(frame, 6, &[mark]);
        true
    }

    fn datagram(&mut self, frame: &mut [u8], datagram: Datagram, now: u64) {
        if datagram.command == Command::Nop {
            return;
        }
        let Some(bytes) =
            frame.get_mut(datagram.at..datagram.at + DATAGRAM_HEADER + datagram.length + 2)
        else {
            return;
        };
        let (header, rest) = bytes.split_at_mut(DATAGRAM_HEADER);
        let (data, counter) = rest.split_at_mut(datagram.length);
        let mut working_counter = u16_at(counter, 0);
        let total = self.hops.get(self.reachable - 1).copied().unwrap_or(0);
        for (position, device) in self.devices.iter_mut().take(self.reachable).enumerate() {
            let hop = self.hops.get(position).copied().unwrap_or(0);
            let times = device.times(now, hop, total, position + 1 == self.reachable);
            let added = process(device, datagram.command, header, data, times, &mut *self.scratch);
            working_counter = working_counter.wrapping_add(added);
            if !device.esc.events.is_none() {
                device.handle_events(position, times.forward, &mut self.process);
            }
        }
        put(counter, 0, &working_counter.to_le_bytes());
    }

    /// Breaks something, or mends it.
    pub fn inject(&mut self, fault: Fault) {
        match fault {
            Fault::LinkLost { after } => self.set_broken(after, true),
            Fault::LinkRestored { after } => self.set_broken(after, false),
            Fault::PowerOff { position } => {
                if let Some(device) = self.devices.get_mut(position) {
                    device.power_off(position, &mut self.process);
                }
                self.connect();
            }
            Fault::PowerOn { position } => {
                if let Some(device) = self.devices.get_mut(position)
                    && !device.powered
                {
                    device.power_on(self.now);
                }
                self.connect();
            }
            Fault::RefuseOp { position, code } => {
                if let Some(device) = self.devices.get_mut(position) {
                    device.refuse = code.map(|code| (AlState::Op, code));
                }
            }
            Fault::RefuseState { position, state, code } => {
                if let Some(device) = self.devices.get_mut(position) {
                    device.refuse = code.map(|code| (state, code));
                }
            }
            Fault::Mailbox { position, fault } => {
                if let Some(device) = self.devices.get_mut(position) {
                    device.inject_mailbox_fault(fault);
                }
            }
            Fault::Sdo { position, refusal } => {
                if let Some(device) = self.devices.get_mut(position) {
                    device.inject_refusal(refusal);
                }
            }
            Fault::IgnoreProcessData { position, active } => {
                if let Some(device) = self.devices.get_mut(position) {
                    device.deaf = active;
                }
            }
            Fault::Drive { position, code } => {
                if let Some(device) = self.devices.get_mut(position) {
                    device.inject_drive_fault(code);
                }
            }
            Fault::ClockStopped { position, active } => {
                let now = self.now;
                if let Some(device) = self.devices.get_mut(position) {
                    device.esc.clock.stop(active, now);
                }
            }
            Fault::ClockJump { position, by_ns } => {
                if let Some(device) = self.devices.get_mut(position) {
                    device.esc.clock.jump(by_ns);
                }
            }
            Fault::Emergency { position, emergency } => {
                if let Some(device) = self.devices.get_mut(position) {
                    device.inject_emergency(emergency);
                }
            }
        }
    }

    fn set_broken(&mut self, after: Option<usize>, broken: bool) {
        let into = after.map_or(0, |position| position.saturating_add(1));
        if let Some(cable) = self.broken.get_mut(into) {
            *cable = broken;
        }
        self.connect();
    }

    /// Finds out who is reached, and tells every device which of its ports have a link.
    fn connect(&mut self) {
        self.reachable = (0..self.devices.len()).take_while(|place| self.is_joined(*place)).count();
        for position in 0..self.devices.len() {
            let before = position.checked_sub(1).and_then(|before| self.devices.get(before));
            let port0 = self.broken.get(position) == Some(&false)
                && before.is_none_or(|before| before.powered);
            let port1 = self.is_joined(position + 1);
            if let Some(device) = self.devices.get_mut(position) {
                show_links(device, port0, port1);
            }
        }
    }

    /// The device has supply and a whole cable to the one before it.
    fn is_joined(&self, position: usize) -> bool {
        self.broken.get(position) == Some(&false)
            && self.devices.get(position).is_some_and(|device| device.powered)
    }
}

/// DL status (0x0110): link, open or closed, and signal of the four ports; lost links are counted
/// (0x0310).
fn show_links(device: &mut Device, port0: bool, port1: bool) {
    let before = u16_at(device.esc.memory(), 0x0110);
    let mut status = 0x0001_u16;
    for (port, linked) in [port0, port1, false, false].into_iter().enumerate() {
        if linked {
            status |= 1 << (4 + port) | 1 << (9 + 2 * port);
        } else {
            status |= 1 << (8 + 2 * port);
        }
        let was = before >> (4 + port) & 1 != 0;
        if was && !linked {
            let lost = u8_at(device.esc.memory(), 0x0310 + port).saturating_add(1);
            device.esc.set(0x0310 + port, &[lost]);
        }
    }
    device.esc.set(0x0110, &status.to_le_bytes());
}

/// One datagram in one device; returns what it adds to the working counter (ETG1000.4 Table 16).
fn process(
    device: &mut Device,
    command: Command,
    header: &mut [u8],
    data: &mut [u8],
    times: FrameTimes,
    scratch: &mut [u8],
) -> u16 {
    let (position, offset) = (u16_at(header, 2), u16_at(header, 4));
    match command {
        Command::Nop => 0,
        Command::Aprd | Command::Apwr | Command::Aprw | Command::Armw => {
            let mine = position == 0;
            put(header, 2, &position.wrapping_add(1).to_le_bytes());
            match (command, mine) {
                (Command::Aprd | Command::Armw, true) => read(device, offset, data, false, times),
                (Command::Apwr, true) | (Command::Armw, false) => {
                    write(device, offset, data, times)
                }
                (Command::Aprw, true) => read_write(device, offset, data, false, times, scratch),
                _ => 0,
            }
        }
        Command::Fprd | Command::Fpwr | Command::Fprw | Command::Frmw => {
            let mine = device.esc.answers_to(position);
            match (command, mine) {
                (Command::Fprd | Command::Frmw, true) => read(device, offset, data, false, times),
                (Command::Fpwr, true) | (Command::Frmw, false) => {
                    write(device, offset, data, times)
                }
                (Command::Fprw, true) => read_write(device, offset, data, false, times, scratch),
                _ => 0,
            }
        }
        Command::Brd | Command::Bwr | Command::Brw => {
            put(header, 2, &position.wrapping_add(1).to_le_bytes());
            match command {
                Command::Brd => read(device, offset, data, true, times),
                Command::Bwr => write(device, offset, data, times),
                _ => read_write(device, offset, data, true, times, scratch),
            }
        }
        Command::Lrd | Command::Lwr | Command::Lrw => {
            if device.deaf {
                return 0;
            }
            let wants = (command != Command::Lwr, command != Command::Lrd);
            let start = u32_at(header, 2);
            let (did_read, did_write) = device.esc.logical(wants, start, data, times);
            let for_write = if command == Command::Lrw { 2 } else { 1 };
            u16::from(did_read) + if did_write { for_write } else { 0 }
        }
    }
}

fn read(device: &mut Device, offset: u16, data: &mut [u8], or: bool, times: FrameTimes) -> u16 {
    u16::from(device.esc.read(offset, data, or, times))
}

fn write(device: &mut Device, offset: u16, data: &[u8], times: FrameTimes) -> u16 {
    u16::from(device.esc.write(offset, data, times))
}

/// Reads what was there, writes what came; +1 for the read, +2 for the write.
fn read_write(
    device: &mut Device,
    offset: u16,
    data: &mut [u8],
    or: bool,
    times: FrameTimes,
    scratch: &mut [u8],
) -> u16 {
    let Some(came) = scratch.get_mut(..data.len()) else { return 0 };
    came.copy_from_slice(data);
    let did_read = device.esc.read(offset, data, or, times);
    let did_write = device.esc.write(offset, came, times);
    u16::from(did_read) + if did_write { 2 } else { 0 }
}
