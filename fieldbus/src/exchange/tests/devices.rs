//! A few devices that know their AL state and count, and a link to them.

use std::collections::VecDeque;

use crate::link::{Link, LinkFault};
use crate::wire::{Command, DATAGRAM_HEADER, Frame, STATION_BASE, put};

pub(super) const ROUND_TRIP: u64 = 30_000;

/// Devices that count and know their AL state; inputs come from `inputs`, outputs go to `outputs`.
#[derive(Default)]
pub(super) struct Devices {
    pub(super) states: Vec<(u16, u16)>,
    /// Refuses Op with this code.
    pub(super) refuses: Option<(usize, u16)>,
    pub(super) is_gone: Vec<bool>,
    pub(super) differences: Vec<u32>,
    /// At the link's time 0.
    pub(super) dc_time: u64,
    /// By sync unit: counter, inputs.
    pub(super) units: Vec<(u16, Vec<u8>)>,
    pub(super) outputs: Vec<Vec<u8>>,
}

pub(super) type Tamper = Box<dyn FnMut(&mut VecDeque<(u64, Vec<u8>)>)>;

/// A link to them. Frames arrive after `ROUND_TRIP`; `tamper` works on what is under way once all of a cycle are sent.
pub(super) struct Script {
    pub(super) devices: Devices,
    pub(super) under_way: VecDeque<(u64, Vec<u8>)>,
    pub(super) tamper: Option<Tamper>,
    pub(super) now: u64,
    pub(super) is_down: bool,
}

impl Devices {
    fn alive(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.states.len()).filter(|n| !self.is_gone[*n])
    }

    fn control(&mut self, device: usize, value: u16) {
        let (status, code) = &mut self.states[device];
        if *status & 0x10 != 0 {
            if value & 0x10 != 0 {
                (*status, *code) = (*status & 0x0F, 0);
            }
        } else if value & 0x0F == 8 && self.refuses.is_some_and(|(who, _)| who == device) {
            (*status, *code) = (0x14, self.refuses.unwrap().1);
        } else {
            *status = value & 0x0F;
        }
    }

    fn pass(&mut self, frame: &mut [u8]) {
        frame[6] |= 2;
        let found: Vec<_> = Frame::parse(frame)
            .unwrap()
            .datagrams()
            .map(|d| d.unwrap())
            .map(|d| (d.command, d.station(), d.register(), d.address, d.data.to_vec(), d.at))
            .collect();
        for (command, station, register, address, data, at) in found {
            let device = usize::from(station.wrapping_sub(STATION_BASE));
            let answers = device < self.states.len() && !self.is_gone[device];
            let (counter, reply) = match (command, register) {
                (7, 0x0130) => {
                    let all = self.alive().fold(0, |all, n| all | self.states[n].0);
                    (self.alive().count(), all.to_le_bytes().to_vec())
                }
                (8, 0x0120) => {
                    let alive: Vec<_> = self.alive().collect();
                    for n in &alive {
                        self.control(*n, u16::from(data[0]));
                    }
                    (alive.len(), data)
                }
                (5, 0x0120) if answers => {
                    self.control(device, u16::from(data[0]));
                    (1, data)
                }
                (4, 0x0130) if answers => {
                    let (status, code) = self.states[device];
                    let [a, b] = status.to_le_bytes();
                    let [c, d] = code.to_le_bytes();
                    (1, vec![a, b, 0, 0, c, d])
                }
                (4, 0x092C) if answers => (1, self.differences[device].to_le_bytes().to_vec()),
                (14, 0x0910) => (self.alive().count(), self.dc_time.to_le_bytes().to_vec()),
                (12, _) => {
                    let unit = usize::try_from(address >> 16).unwrap();
                    self.outputs[unit] = data.clone();
                    let (counter, inputs) = &self.units[unit];
                    (usize::from(*counter), inputs[..data.len()].to_vec())
                }
                _ => (0, data),
            };
            if command == Command::Brd.code() || command == Command::Bwr.code() {
                let passed = u16::try_from(self.alive().count()).unwrap();
                put(frame, at + 2, &passed.to_le_bytes()).unwrap();
            }
            put(frame, at + DATAGRAM_HEADER, &reply).unwrap();
            let counter = u16::try_from(counter).unwrap();
            put(frame, at + DATAGRAM_HEADER + reply.len(), &counter.to_le_bytes()).unwrap();
        }
    }
}

impl Link for Script {
    fn send(&mut self, frame: &[u8]) -> Result<(), LinkFault> {
        if self.is_down {
            return Err(LinkFault::Down);
        }
        let mut frame = frame.to_vec();
        let dc_time = self.devices.dc_time;
        self.devices.dc_time = dc_time + self.now;
        self.devices.pass(&mut frame);
        self.devices.dc_time = dc_time;
        self.under_way.push_back((self.now + ROUND_TRIP, frame));
        Ok(())
    }

    fn receive(&mut self, buffer: &mut [u8], deadline: u64) -> Result<Option<usize>, LinkFault> {
        if self.is_down {
            return Err(LinkFault::Down);
        }
        if let Some(mut tamper) = self.tamper.take() {
            tamper(&mut self.under_way);
        }
        let due = self.under_way.iter().position(|(at, _)| *at <= deadline);
        let Some((at, frame)) = due.and_then(|n| self.under_way.remove(n)) else {
            self.now = self.now.max(deadline);
            return Ok(None);
        };
        self.now = self.now.max(at);
        buffer[..frame.len()].copy_from_slice(&frame);
        Ok(Some(frame.len()))
    }

    fn now(&self) -> u64 {
        self.now
    }

    fn idle(&mut self, until: u64) {
        self.now = self.now.max(until);
    }
}
