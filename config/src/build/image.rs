//! The process image: PDOs, their entries, and the signals that live in them.

use fieldbus::plan::{Direction, PdoEntry, PdoPlan, SignalPlan, SubDevicePlan};
use rt_core::plan::AxisSignals;
use rt_core::signal::SignalId;

use super::bus::Devices;
use super::names::{check_count, check_identifier};
use crate::cell::Channel;
use crate::file::bus as file;
use crate::file::bus::DeviceWord;
use crate::problem::{Problem, Problems};
use crate::read::{At, Name};

/// Most bytes of one direction of one device, and of one sync unit: what an LRW datagram in one frame holds.
pub(crate) const IMAGE_MAX: u32 = 1486;

/// Lays out entries one after the other and names their signals.
struct Image<'a, 'f> {
    all: &'a mut Devices<'f>,
    position: usize,
    direction: Direction,
    bits: u32,
    pdos: Vec<PdoPlan>,
}

impl<'a, 'f> Image<'a, 'f> {
    fn new(all: &'a mut Devices<'f>, position: usize, direction: Direction) -> Self {
        Self { all, position, direction, bits: 0, pdos: Vec::new() }
    }

    fn pdo(&mut self, index: u16) {
        self.pdos.push(PdoPlan { index, entries: Vec::new() });
    }

    fn entry(
        &mut self,
        mut entry: PdoEntry,
        name: Option<&Name>,
        channel: Option<u8>,
        of_drive: bool,
        problems: &mut Problems,
    ) -> Option<SignalId> {
        let plan = SignalPlan {
            subdevice: self.position,
            direction: self.direction,
            bit_offset: self.bits,
            bits: entry.bits,
            signed: entry.signed,
        };
        self.bits += u32::from(entry.bits);
        if let Some(name) = name.filter(|name| !name.value.is_empty()) {
            let channel = channel.map(|channel| Channel { device: self.position, channel });
            entry.signal = self.all.signals.add(name, plan, channel, of_drive, problems);
        }
        if let Some(pdo) = self.pdos.last_mut() {
            pdo.entries.push(entry);
        }
        entry.signal
    }

    fn done(self, name: &Name, problems: &mut Problems) -> Vec<PdoPlan> {
        if self.bits.div_ceil(8) > IMAGE_MAX {
            problems.push(
                Problem::error(
                    "image-too-large",
                    &name.span,
                    format!("the process data of `{}` do not fit a frame", name.value),
                )
                .expected(format!("at most {IMAGE_MAX} bytes in one direction"))
                .found(format!("{} bytes", self.bits.div_ceil(8)))
                .remedy("map fewer entries"),
            );
        }
        self.pdos
    }
}

pub(crate) fn pdos(
    all: &mut Devices<'_>,
    section: &file::SubDevice,
    position: usize,
    problems: &mut Problems,
) -> (Vec<PdoPlan>, Vec<PdoPlan>) {
    use DeviceWord as W;
    let mut drive = None;
    let both = match section.kind {
        W::Coupler => (Vec::new(), Vec::new()),
        W::DigitalInput | W::AnalogInput => {
            (channels(all, section, position, Direction::Input, problems), Vec::new())
        }
        W::DigitalOutput | W::AnalogOutput => {
            (Vec::new(), channels(all, section, position, Direction::Output, problems))
        }
        W::Servo => {
            let (inputs, outputs, signals) = servo(all, section, position, problems);
            drive = signals;
            (inputs, outputs)
        }
        W::Generic => (
            generic(all, section, position, Direction::Input, problems),
            generic(all, section, position, Direction::Output, problems),
        ),
    };
    all.drives.push(drive);
    both
}

/// PDO and objects of channel `n` as ETG.5001 and Beckhoff's terminals have them.
fn channels(
    all: &mut Devices<'_>,
    section: &file::SubDevice,
    position: usize,
    direction: Direction,
    problems: &mut Problems,
) -> Vec<PdoPlan> {
    let names = &section.channels;
    check_count(names.len(), 64, "channels", &section.name.span, problems);
    let digital = matches!(section.kind, DeviceWord::DigitalInput | DeviceWord::DigitalOutput);
    let analog_in = section.kind == DeviceWord::AnalogInput;
    let status = analog_in && section.status_word.as_ref().is_none_or(|status| status.value);
    let mut image = Image::new(all, position, direction);
    for (channel, name) in (0_u8..64).zip(names) {
        if !name.value.is_empty() {
            check_identifier(name, problems);
        }
        let n = u16::from(channel);
        let (pdo, object) = match direction {
            Direction::Input => (0x1A00 + n * if analog_in { 2 } else { 1 }, 0x6000 + 0x10 * n),
            Direction::Output => (0x1600 + n, 0x7000 + 0x10 * n),
        };
        image.pdo(pdo);
        let entry = PdoEntry {
            index: object,
            subindex: if analog_in { 0x11 } else { 1 },
            bits: if digital { 1 } else { 16 },
            signed: !digital,
            signal: None,
        };
        if status {
            let status = PdoEntry { subindex: 1, signed: false, ..entry };
            image.entry(status, None, None, false, problems);
        }
        image.entry(entry, Some(name), Some(channel), false, problems);
    }
    image.done(&section.name, problems)
}

/// (object, bits, signed, name) of a drive's inputs.
const SERVO_INPUTS: [(u16, u8, bool, &str); 8] = [
    (0x6041, 16, false, "statusword"),
    (0x6064, 32, true, "actual_position"),
    (0x6061, 8, true, "mode_display"),
    (0x6077, 16, true, "actual_torque"),
    (0x60F4, 32, true, "following_error"),
    (0x603F, 16, false, "error_code"),
    (0x60FD, 32, false, "digital_inputs"),
    (0x60BA, 32, true, "touch_probe_position"),
];

/// (object, bits, signed, name) of a drive's outputs.
const SERVO_OUTPUTS: [(u16, u8, bool, &str); 3] = [
    (0x6040, 16, false, "controlword"),
    (0x607A, 32, true, "target_position"),
    (0x6060, 8, true, "mode"),
];

fn servo_side(
    all: &mut Devices<'_>,
    section: &file::SubDevice,
    position: usize,
    direction: Direction,
    problems: &mut Problems,
) -> (Vec<PdoPlan>, Vec<Option<SignalId>>) {
    let (objects, pdo) = match direction {
        Direction::Input => (&SERVO_INPUTS[..], 0x1A00),
        Direction::Output => (&SERVO_OUTPUTS[..], 0x1600),
    };
    let mut image = Image::new(all, position, direction);
    image.pdo(pdo);
    let mut ids = Vec::new();
    for &(index, bits, signed, object) in objects {
        let entry = PdoEntry { index, subindex: 0, bits, signed, signal: None };
        let value = format!("{}.{object}", section.name.value);
        let name = At { value, span: section.name.span.clone() };
        ids.push(image.entry(entry, Some(&name), None, true, problems));
    }
    (image.done(&section.name, problems), ids)
}

fn servo(
    all: &mut Devices<'_>,
    section: &file::SubDevice,
    position: usize,
    problems: &mut Problems,
) -> (Vec<PdoPlan>, Vec<PdoPlan>, Option<AxisSignals>) {
    let (inputs, ins) = servo_side(all, section, position, Direction::Input, problems);
    let (outputs, outs) = servo_side(all, section, position, Direction::Output, problems);
    let signals = match (&ins[..], &outs[..]) {
        (
            [Some(status), Some(position), mode_display, torque, error, code, digital, probe],
            [Some(control), Some(target), mode],
        ) => Some(AxisSignals {
            controlword: *control,
            target_position: *target,
            mode: *mode,
            statusword: *status,
            actual_position: *position,
            mode_display: *mode_display,
            actual_torque: *torque,
            following_error: *error,
            error_code: *code,
            digital_inputs: *digital,
            touch_probe_position: *probe,
        }),
        _ => None,
    };
    (inputs, outputs, signals)
}

fn generic(
    all: &mut Devices<'_>,
    section: &file::SubDevice,
    position: usize,
    direction: Direction,
    problems: &mut Problems,
) -> Vec<PdoPlan> {
    let (pdos, range) = match direction {
        Direction::Input => (&section.input_pdo, 0x1A00..=0x1BFF),
        Direction::Output => (&section.output_pdo, 0x1600..=0x17FF),
    };
    let mut image = Image::new(all, position, direction);
    for pdo in pdos {
        let index: u16 = pdo.index.to();
        if !range.contains(&index) {
            problems.push(
                Problem::error("pdo-index", &pdo.index.span, "a PDO of the other direction")
                    .expected(format!("0x{:X} to 0x{:X}", range.start(), range.end()))
                    .found(format!("0x{index:X}"))
                    .remedy("inputs are 0x1A00 to 0x1BFF, outputs 0x1600 to 0x17FF"),
            );
        }
        check_count(pdo.entries.len(), 255, "entries in a PDO", &pdo.span, problems);
        image.pdo(index);
        for entry in &pdo.entries {
            if let Some(name) = &entry.signal {
                check_identifier(name, problems);
            }
            let plan = PdoEntry {
                index: entry.index.as_ref().map_or(0, |index| index.to()),
                subindex: entry.subindex.as_ref().map_or(0, |subindex| subindex.to()),
                bits: entry.bits.to(),
                signed: entry.signed.unwrap_or(false),
                signal: None,
            };
            image.entry(plan, entry.signal.as_ref(), None, false, problems);
        }
    }
    image.done(&section.name, problems)
}

/// Bytes of one direction of a device.
pub(crate) fn bytes(pdos: &[PdoPlan]) -> u32 {
    let bits: u32 =
        pdos.iter().flat_map(|pdo| &pdo.entries).map(|entry| u32::from(entry.bits)).sum();
    bits.div_ceil(8)
}

/// Bytes of a sync unit in its LRW datagram.
pub(crate) fn unit_bytes(plans: &[SubDevicePlan], unit: usize) -> u32 {
    plans
        .iter()
        .filter(|plan| plan.sync_unit == Some(unit))
        .map(|plan| bytes(&plan.inputs).saturating_add(bytes(&plan.outputs)))
        .fold(0, u32::saturating_add)
}
