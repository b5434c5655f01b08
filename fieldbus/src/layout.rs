//! Where process data lives: logical addresses, datagrams and frames, from the plan alone.
//!
//! One sync unit is one LRW datagram (more only if it is longer than a frame). Within it each device has one region that its inputs and
//! outputs share: outputs go out in it, inputs come back in it. Working counter a device: in only 1, out only 2, both 3.

use thiserror::Error;

use crate::link::line_time_ns;
use crate::plan::{BusPlan, Direction, Follow, PdoPlan};
use crate::wire::{
    Command, DATAGRAM_OVERHEAD, DatagramSpec, FIRST_DATAGRAM, FRAME_MIN, PAYLOAD_MAX, STATION_BASE,
    register,
};

/// Most devices on a segment: a drive for each axis, couplers and terminals besides. A power of two, for ethercrab.
pub const SUBDEVICES_MAX: usize = 512;

const _: () =
    assert!(SUBDEVICES_MAX > rt_core::program::AXES_MAX && SUBDEVICES_MAX.is_power_of_two());
/// Most frames in a cycle.
pub const FRAMES_MAX: usize = 16;
/// Most process data of one device in one direction, bytes.
pub const DEVICE_BYTES_MAX: usize = 1400;
/// Kept free in the first frame for one datagram of our own a cycle (AL control, DC observation), bytes of data.
pub const APPENDED_MAX: u16 = 8;
/// What a device adds on the way through it, ns (FACTS: 0.2 to 1 µs).
pub(crate) const FORWARDING_NS: u64 = 1_000;

/// Why a plan cannot be laid out. `config` finds these first.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum LayoutError {
    /// Too many devices.
    #[error("{found} devices are planned; at most {SUBDEVICES_MAX} are supported on one segment")]
    SubDevices {
        /// How many.
        found: usize,
    },
    /// Process data without a sync unit, or with one that does not exist.
    #[error("device {position} ({name}) has process data but no valid sync unit")]
    SyncUnit {
        /// Device.
        position: usize,
        /// Its name.
        name: String,
    },
    /// Too many sync units.
    #[error("{found} sync units are planned; at most 64 are supported")]
    SyncUnits {
        /// How many.
        found: usize,
    },
    /// More process data than a datagram holds.
    #[error(
        "device {position} ({name}) has {bytes} bytes of process data; at most {DEVICE_BYTES_MAX} fit"
    )]
    DeviceTooLarge {
        /// Device.
        position: usize,
        /// Its name.
        name: String,
        /// How many.
        bytes: usize,
    },
    /// More frames than a cycle may have.
    #[error("the process data need more than {FRAMES_MAX} frames a cycle")]
    Frames,
    /// A signal outside the process data of its device.
    #[error(
        "signal {signal} is at bits {bit_offset}..{end} of device {position}, which has {bits} bits"
    )]
    Signal {
        /// `SignalId`.
        signal: usize,
        /// Device.
        position: usize,
        /// First bit.
        bit_offset: u32,
        /// Bit after the last.
        end: u32,
        /// Bits that there are.
        bits: u32,
    },
    /// A copy outside the process data of its devices.
    #[error("copy {copy}: bytes outside the process data of device {position}")]
    Copy {
        /// Place in the plan.
        copy: usize,
        /// Device.
        position: usize,
    },
}

/// Where a device's process data is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// Its sync unit.
    pub unit: u8,
    /// Logical address of its inputs and of its outputs.
    pub logical: u32,
    /// Bytes of inputs.
    pub input_bytes: u16,
    /// Bytes of outputs.
    pub output_bytes: u16,
    /// Frame.
    pub frame: usize,
    /// Datagram within the frame.
    pub datagram: usize,
    /// From the start of the datagram's data, bytes.
    pub offset: usize,
}

impl Region {
    /// Bytes it occupies.
    #[must_use]
    pub fn bytes(&self) -> u16 {
        self.input_bytes.max(self.output_bytes)
    }

    /// What it adds to the working counter.
    #[must_use]
    pub fn working_counter(&self) -> u16 {
        u16::from(self.input_bytes > 0) + 2 * u16::from(self.output_bytes > 0)
    }
}

/// What a datagram is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// AL status of all devices, OR-ed.
    Status,
    /// Tells the reference clock the loop's time, when it follows that.
    Tell,
    /// Distributes the reference clock.
    Clock,
    /// Process data of this sync unit.
    Process(u8),
}

/// A datagram of every cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CyclicDatagram {
    /// What is sent.
    pub spec: DatagramSpec,
    /// What for.
    pub purpose: Purpose,
    /// What its working counter must be.
    pub working_counter: u16,
}

/// The reference clock, known after bring-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReferenceClock {
    /// Its position.
    pub position: u16,
    /// How many devices take part.
    pub devices: u16,
}

/// The whole layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// By position; `None`: no process data.
    pub regions: Vec<Option<Region>>,
    /// Datagrams of every frame.
    pub frames: Vec<Vec<CyclicDatagram>>,
}

/// Bits of a PDO assignment.
#[must_use]
pub fn bits(pdos: &[PdoPlan]) -> u32 {
    pdos.iter().flat_map(|pdo| &pdo.entries).map(|entry| u32::from(entry.bits)).sum()
}

fn bytes(position: usize, name: &str, pdos: &[PdoPlan]) -> Result<u16, LayoutError> {
    let bytes = usize::try_from(bits(pdos).div_ceil(8)).unwrap_or(usize::MAX);
    u16::try_from(bytes)
        .ok()
        .filter(|_| bytes <= DEVICE_BYTES_MAX)
        .ok_or_else(|| LayoutError::DeviceTooLarge { position, name: name.to_owned(), bytes })
}

/// Station address of the device at `position`.
#[must_use]
pub fn station(position: usize) -> u16 {
    STATION_BASE.wrapping_add(u16::try_from(position).unwrap_or(u16::MAX))
}

struct Packer {
    frames: Vec<Vec<CyclicDatagram>>,
    /// Bytes used in the last frame.
    used: usize,
}

impl Packer {
    fn room(&self) -> usize {
        let reserved = usize::from(APPENDED_MAX) + DATAGRAM_OVERHEAD;
        let reserved = if self.frames.len() == 1 { reserved } else { 0 };
        (PAYLOAD_MAX - reserved).saturating_sub(self.used + DATAGRAM_OVERHEAD)
    }

    fn push(&mut self, datagram: CyclicDatagram) {
        self.used += DATAGRAM_OVERHEAD + usize::from(datagram.spec.length);
        if let Some(frame) = self.frames.last_mut() {
            frame.push(datagram);
        }
    }

    fn new_frame(&mut self) {
        self.frames.push(Vec::new());
        self.used = 0;
    }

    /// Frame and datagram that the next `push` makes.
    fn place(&self) -> (usize, usize) {
        (self.frames.len().saturating_sub(1), self.frames.last().map_or(0, Vec::len))
    }
}

impl Layout {
    /// Lays the plan out. `clock`: where the reference clock is, once it is known; a plan with DC and no clock yet gets the first device.
    ///
    /// # Errors
    /// What of the plan does not fit.
    pub fn new(plan: &BusPlan, clock: Option<ReferenceClock>) -> Result<Self, LayoutError> {
        let count = plan.subdevices.len();
        if count > SUBDEVICES_MAX {
            return Err(LayoutError::SubDevices { found: count });
        }
        if plan.sync_units.len() > rt_core::bus::SYNC_UNITS_MAX {
            return Err(LayoutError::SyncUnits { found: plan.sync_units.len() });
        }
        let count = u16::try_from(count).unwrap_or(u16::MAX);
        let mut packer = Packer { frames: vec![Vec::new()], used: 0 };
        packer.push(CyclicDatagram {
            spec: DatagramSpec::register(Command::Brd, 0, register::AL_STATUS, 2),
            purpose: Purpose::Status,
            working_counter: count,
        });
        if let Some(dc) = &plan.dc {
            let clock = clock.unwrap_or(ReferenceClock { position: 0, devices: 0 });
            let reference = station(usize::from(clock.position));
            if dc.follow == Follow::Loop {
                // The unit compares the lower half of the time (ESC data sheet II, 0x0910).
                let register = register::DC_SYSTEM_TIME;
                packer.push(CyclicDatagram {
                    spec: DatagramSpec::register(Command::Fpwr, reference, register, 4),
                    purpose: Purpose::Tell,
                    working_counter: 1,
                });
            }
            packer.push(CyclicDatagram {
                spec: DatagramSpec::register(Command::Frmw, reference, register::DC_SYSTEM_TIME, 8),
                purpose: Purpose::Clock,
                working_counter: clock.devices,
            });
        }
        let mut regions = vec![None; plan.subdevices.len()];
        for unit in 0..plan.sync_units.len() {
            Self::pack_unit(plan, unit, &mut packer, &mut regions)?;
        }
        Self::check_homeless(plan, &regions)?;
        if packer.frames.len() > FRAMES_MAX {
            return Err(LayoutError::Frames);
        }
        let layout = Self { regions, frames: packer.frames };
        layout.check_signals(plan)?;
        Ok(layout)
    }

    fn pack_unit(
        plan: &BusPlan,
        unit: usize,
        packer: &mut Packer,
        regions: &mut [Option<Region>],
    ) -> Result<(), LayoutError> {
        let unit_number = u8::try_from(unit).unwrap_or(u8::MAX);
        let mut members = Vec::new();
        for (position, device) in plan.subdevices.iter().enumerate() {
            let input_bytes = bytes(position, &device.name, &device.inputs)?;
            let output_bytes = bytes(position, &device.name, &device.outputs)?;
            if device.sync_unit == Some(unit) && input_bytes.max(output_bytes) > 0 {
                members.push((position, input_bytes, output_bytes));
            }
        }
        let total: usize = members.iter().map(|(_, i, o)| usize::from(*i.max(o))).sum();
        if total > packer.room() && packer.used > 0 {
            packer.new_frame();
        }
        let mut logical = u32::from(unit_number) << 16;
        let mut members = members.into_iter().peekable();
        while members.peek().is_some() {
            let room = packer.room();
            let (frame, datagram) = packer.place();
            let start = logical;
            let mut length = 0usize;
            let mut working_counter = 0;
            while let Some((position, input_bytes, output_bytes)) =
                members.next_if(|(_, i, o)| length + usize::from(*i.max(o)) <= room)
            {
                let offset = length;
                let region = Region {
                    unit: unit_number,
                    logical,
                    input_bytes,
                    output_bytes,
                    frame,
                    datagram,
                    offset,
                };
                length += usize::from(region.bytes());
                logical += u32::from(region.bytes());
                working_counter += region.working_counter();
                if let Some(slot) = regions.get_mut(position) {
                    *slot = Some(region);
                }
            }
            if length > 0 {
                packer.push(CyclicDatagram {
                    spec: DatagramSpec {
                        command: Command::Lrw,
                        address: start,
                        length: u16::try_from(length).unwrap_or(u16::MAX),
                    },
                    purpose: Purpose::Process(unit_number),
                    working_counter,
                });
            }
            if members.peek().is_some() {
                packer.new_frame();
            }
        }
        Ok(())
    }

    fn check_homeless(plan: &BusPlan, regions: &[Option<Region>]) -> Result<(), LayoutError> {
        for (position, device) in plan.subdevices.iter().enumerate() {
            let has_data = bits(&device.inputs) + bits(&device.outputs) > 0;
            if has_data && regions.get(position).is_none_or(Option::is_none) {
                return Err(LayoutError::SyncUnit { position, name: device.name.clone() });
            }
        }
        Ok(())
    }

    fn check_signals(&self, plan: &BusPlan) -> Result<(), LayoutError> {
        for (signal, place) in plan.signals.iter().enumerate() {
            let device = plan.subdevices.get(place.subdevice);
            let bits = device.map_or(0, |device| match place.direction {
                Direction::Input => bits(&device.inputs),
                Direction::Output => bits(&device.outputs),
            });
            let end = place.bit_offset.saturating_add(u32::from(place.bits));
            if end > bits || place.bits == 0 || place.bits > 64 {
                let (position, bit_offset) = (place.subdevice, place.bit_offset);
                return Err(LayoutError::Signal { signal, position, bit_offset, end, bits });
            }
        }
        for (copy, place) in plan.copies.iter().enumerate() {
            let region = |position| self.regions.get(position).copied().flatten();
            let fits = |at: u32, room: u16| {
                at.checked_add(place.bytes).is_some_and(|end| end <= u32::from(room))
            };
            if !region(place.from).is_some_and(|from| fits(place.from_byte, from.input_bytes)) {
                return Err(LayoutError::Copy { copy, position: place.from });
            }
            if !region(place.to).is_some_and(|to| fits(place.to_byte, to.output_bytes)) {
                return Err(LayoutError::Copy { copy, position: place.to });
            }
        }
        Ok(())
    }
}

/// Shortest cycle that the wire allows, ns: the frames of a cycle one after the other at 100 Mbit/s, and the way through every device.
/// What computing and the network interface need comes on top. 0 for a plan that cannot be laid out.
#[must_use]
pub fn estimate_cycle_ns(plan: &BusPlan) -> u64 {
    let Ok(layout) = Layout::new(plan, None) else { return 0 };
    let line: u64 = layout.frames.iter().zip(0..).map(|(frame, n)| frame_time_ns(frame, n)).sum();
    let devices = u64::try_from(plan.subdevices.len()).unwrap_or(u64::MAX);
    line.saturating_add(devices.saturating_mul(FORWARDING_NS))
}

fn frame_time_ns(frame: &[CyclicDatagram], number: usize) -> u64 {
    let bytes: usize = frame.iter().map(|d| DATAGRAM_OVERHEAD + usize::from(d.spec.length)).sum();
    // The first frame may carry one datagram of our own more.
    let appended = if number == 0 { DATAGRAM_OVERHEAD + usize::from(APPENDED_MAX) } else { 0 };
    line_time_ns((FIRST_DATAGRAM + bytes + appended).max(FRAME_MIN))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Identity, PdoEntry, SubDevicePlan};
    use proptest::prelude::*;

    fn pdo(bits: u32) -> Vec<PdoPlan> {
        let entry = |bits| PdoEntry { index: 0, subindex: 0, bits, signed: false, signal: None };
        let full = usize::try_from(bits / 64).unwrap();
        let mut entries = vec![entry(64); full];
        if !bits.is_multiple_of(64) {
            entries.push(entry(u8::try_from(bits % 64).unwrap()));
        }
        vec![PdoPlan { index: 0x1A00, entries }]
    }

    fn device(unit: Option<usize>, input_bits: u32, output_bits: u32) -> SubDevicePlan {
        let identity = Identity { vendor: 1, product: 1, revision: None, serial: None };
        SubDevicePlan {
            sync_unit: unit,
            inputs: pdo(input_bits),
            outputs: pdo(output_bits),
            ..SubDevicePlan::passive("d", identity)
        }
    }

    fn plan(subdevices: Vec<SubDevicePlan>, units: usize) -> BusPlan {
        BusPlan {
            period_ns: 1_000_000,
            receive_deadline_ns: 500_000,
            silent_cycles_max: 3,
            subdevices,
            sync_units: (0..units).map(|n| format!("unit {n}")).collect(),
            signals: Vec::new(),
            dc: None,
            copies: Vec::new(),
        }
    }

    #[test]
    fn a_sync_unit_is_one_datagram_and_counts_one_two_or_three_a_device() {
        let devices = vec![
            device(None, 0, 0),
            device(Some(0), 4, 0),
            device(Some(0), 0, 16),
            device(Some(1), 96, 56),
        ];
        let layout = Layout::new(&plan(devices, 2), None).unwrap();
        let [frame] = &layout.frames[..] else { panic!("one frame") };
        let counters: Vec<_> = frame.iter().map(|d| (d.purpose, d.working_counter)).collect();
        let expected = [(Purpose::Status, 4), (Purpose::Process(0), 3), (Purpose::Process(1), 3)];
        assert_eq!(counters, expected);
        assert_eq!(frame[1].spec.length, 3);
        assert_eq!(
            frame[2].spec,
            DatagramSpec { command: Command::Lrw, address: 1 << 16, length: 12 }
        );
        assert_eq!(layout.regions[0], None);
        let output = layout.regions[2].unwrap();
        assert_eq!((output.offset, output.logical, output.output_bytes), (1, 1, 2));
    }

    #[test]
    fn a_plan_that_cannot_be_is_refused() {
        let no_unit = plan(vec![device(None, 8, 0)], 1);
        assert!(matches!(
            Layout::new(&no_unit, None),
            Err(LayoutError::SyncUnit { position: 0, .. })
        ));
        let large = plan(vec![device(Some(0), 1401 * 8, 0)], 1);
        assert!(matches!(Layout::new(&large, None), Err(LayoutError::DeviceTooLarge { .. })));
        let many = plan(vec![device(None, 0, 0); SUBDEVICES_MAX + 1], 1);
        assert!(
            matches!(Layout::new(&many, None), Err(LayoutError::SubDevices { found }) if found == SUBDEVICES_MAX + 1)
        );
        let frames = plan(vec![device(Some(0), 11_000, 0); 20], 1);
        assert!(matches!(Layout::new(&frames, None), Err(LayoutError::Frames)));
        let mut signal = plan(vec![device(Some(0), 8, 0)], 1);
        signal.signals.push(crate::plan::SignalPlan {
            subdevice: 0,
            direction: Direction::Input,
            bit_offset: 4,
            bits: 5,
            signed: false,
        });
        assert!(matches!(Layout::new(&signal, None), Err(LayoutError::Signal { end: 9, .. })));
    }

    proptest! {
        #[test]
        fn regions_never_overlap_and_every_frame_can_be_built(
            devices in proptest::collection::vec((0usize..5, 0u32..6000, 0u32..6000), 1..40)
        ) {
            let devices = devices.into_iter().map(|(u, i, o)| device(Some(u), i, o)).collect();
            let Ok(layout) = Layout::new(&plan(devices, 5), None) else { return Ok(()) };
            for (n, frame) in layout.frames.iter().enumerate() {
                let specs: Vec<_> = frame.iter().map(|d| d.spec).collect();
                let mut template = crate::wire::Template::build(&specs).unwrap();
                if n == 0 {
                    let spec = DatagramSpec::register(Command::Fprd, 0, 0, APPENDED_MAX);
                    prop_assert!(template.append(spec, &[]).is_some());
                }
            }
            let mut spans: Vec<_> = layout.regions.iter().flatten()
                .map(|r| (r.logical, r.logical + u32::from(r.bytes()))).collect();
            spans.sort_unstable();
            prop_assert!(spans.windows(2).all(|pair| pair[0].1 <= pair[1].0));
            for region in layout.regions.iter().flatten() {
                let datagram = layout.frames[region.frame][region.datagram];
                prop_assert_eq!(datagram.purpose, Purpose::Process(region.unit));
                let offset = u32::try_from(region.offset).unwrap();
                prop_assert_eq!(datagram.spec.address + offset, region.logical);
                let end = region.offset + usize::from(region.bytes());
                prop_assert!(end <= usize::from(datagram.spec.length));
            }
        }
    }

    #[test]
    fn the_shortest_cycle_of_ten_drives_is_what_the_wire_needs() {
        let devices = vec![device(Some(0), 22 * 8, 22 * 8); 10];
        // One frame: 16 + BRD 14 + LRW 232 + own datagram 20 = 282 bytes, 306 on the line; ten devices 1 µs each.
        assert_eq!(estimate_cycle_ns(&plan(devices, 1)), 306 * 80 + 10_000);
    }
}
