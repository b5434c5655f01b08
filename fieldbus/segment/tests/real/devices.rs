//! The segment answers as real devices did: ethercrab's capture of an EK1100 with an EL2828 and an
//! EL2889, request by request.
//!
//! The capture is part of ethercrab's published package; its contents of EEPROM are the
//! configuration of the devices here.

use std::collections::BTreeMap;

use crate::capture::{Datagram, Exchange, datagrams, u32_at};

use segment::{
    DcSupport, Device, DeviceDescription, EscDescription, Function, Identity, PdoDescription,
    PdoEntryDescription, Process, Segment, ServoCommand, ServoFeedback, StateMachine,
    SyncManagerDescription, Usage,
};

const CAPTURE: &str = "replay-ek1100-el2828-el2889";

/// What differs, where, and why. `mask`: bits that must still be the same, in every byte of the
/// range.
const DIFFERENCES: &[Difference] = &[
    Difference {
        first: 0x0110,
        end: 0x0111,
        mask: 0xFD,
        reason: "DL status bit 1: PDI watchdog of the processor interface, not modelled",
    },
    Difference {
        first: 0x0502,
        end: 0x0504,
        mask: 0x70,
        reason: "EEPROM busy and the command it is busy with: how long I²C takes",
    },
    Difference {
        first: 0x0900,
        end: 0x0910,
        mask: 0,
        reason: "receive times: ns since switched on; absent ports hold leftovers",
    },
    Difference {
        first: 0x0910,
        end: 0x0918,
        mask: 0,
        reason: "system time: from the clock of those devices",
    },
    Difference {
        first: 0x0918,
        end: 0x0920,
        mask: 0,
        reason: "receive time of the processing unit: ns since those devices were switched on",
    },
];

struct Difference {
    first: usize,
    end: usize,
    mask: u8,
    reason: &'static str,
}

/// What the MainDevice read of each EEPROM, by station address: the configuration of the devices.
fn eeproms(exchanges: &[Exchange]) -> BTreeMap<u16, Vec<u8>> {
    let mut images: BTreeMap<u16, Vec<u8>> = BTreeMap::new();
    let mut known: BTreeMap<(u16, usize), u8> = BTreeMap::new();
    let mut words: BTreeMap<u16, usize> = BTreeMap::new();
    for exchange in exchanges {
        for (request, reply) in datagrams(&exchange.request).iter().zip(datagrams(&exchange.reply))
        {
            if request.command == 5 && request.offset == 0x0502 && request.data.len() == 6 {
                words.insert(request.position, u32_at(&request.data, 2) as usize);
            }
            if request.command == 4 && request.offset == 0x0508 {
                let image = images.entry(request.position).or_insert_with(erased);
                let first = words[&request.position] * 2;
                for (offset, byte) in reply.data.iter().enumerate() {
                    image[first + offset] = *byte;
                    let before = known.insert((request.position, first + offset), *byte);
                    assert!(
                        before.is_none_or(|before| before == *byte),
                        "the capture contradicts itself"
                    );
                }
            }
        }
    }
    images
}

/// What was not read is erased, but for the alias: register 0x0012 says that it is 0.
fn erased() -> Vec<u8> {
    let mut image = vec![0xFF; 2048];
    image[8..10].fill(0);
    image
}

fn output(sync_manager: u8, index: u16, bits: u8) -> PdoDescription {
    PdoDescription {
        index,
        name: "Channel".to_owned(),
        sync_manager: Some(sync_manager),
        entries: vec![PdoEntryDescription {
            index: 0x7000,
            subindex: 1,
            bits,
            name: "Output".to_owned(),
        }],
    }
}

fn output_byte(start: u16) -> SyncManagerDescription {
    SyncManagerDescription { start, length: 1, control: 0x44, usage: Usage::Outputs }
}

fn devices(images: &BTreeMap<u16, Vec<u8>>) -> Vec<Device> {
    let identity = |address: u16| {
        let image = &images[&address];
        Identity {
            vendor: u32_at(image, 16),
            product: u32_at(image, 20),
            revision: u32_at(image, 24),
            serial: 0,
        }
    };
    let describe = |name: &str, address: u16, esc: EscDescription| {
        let mut device = DeviceDescription::passive(name, identity(address), esc);
        device.state_machine = StateMachine::Emulation;
        device.sii_image = Some(images[&address].clone());
        device
    };
    let coupler = describe(
        "EK1100",
        0x1000,
        EscDescription { ports: 0b0010_1011, ..EscDescription::et1100() },
    );

    let terminal =
        EscDescription { features: 0x01F0, eeprom_flags: 0x0050, ..EscDescription::et1200() };
    let mut el2828 = describe("EL2828", 0x1001, terminal);
    el2828.sync_managers = vec![output_byte(0x0F00)];
    el2828.rx_pdos = vec![output(0, 0x1600, 8)];
    el2828.function = Function::DigitalOutput { channels: 8 };

    let terminal = EscDescription { dc: DcSupport::Full, ..EscDescription::et1200() };
    let mut el2889 = describe("EL2889", 0x1002, terminal);
    el2889.sync_managers = vec![output_byte(0x0F00), output_byte(0x0F01)];
    el2889.rx_pdos = vec![output(0, 0x1600, 8), output(1, 0x1608, 8)];
    el2889.function = Function::DigitalOutput { channels: 16 };
    [coupler, el2828, el2889].into_iter().map(Device::described).collect()
}

/// What the terminals' outputs showed, in order.
#[derive(Default)]
struct Lamps {
    shown: BTreeMap<usize, Vec<u64>>,
}

impl Process for Lamps {
    fn advance(&mut self, _now: u64) {}
    fn servo_command(&mut self, _device: usize, _command: &ServoCommand) {}
    fn servo_feedback(&self, _device: usize) -> ServoFeedback {
        ServoFeedback::default()
    }
    fn digital_inputs(&self, _device: usize) -> u64 {
        0
    }
    fn set_digital_outputs(&mut self, device: usize, bits: u64) {
        self.shown.entry(device).or_default().push(bits);
    }
    fn analog_input(&self, _device: usize, _channel: usize) -> i16 {
        0
    }
    fn set_analog_output(&mut self, _device: usize, _channel: usize, _value: i16) {}
}

/// Bits of the byte at a register that must be the same.
fn mask_of(datagram: &Datagram, at: usize, used: &mut [usize]) -> u8 {
    if datagram.command >= 10 && datagram.command <= 12 {
        return 0xFF;
    }
    let register = usize::from(datagram.offset) + at;
    let found = DIFFERENCES.iter().position(|range| (range.first..range.end).contains(&register));
    found.map_or(0xFF, |place| {
        used[place] += 1;
        DIFFERENCES[place].mask
    })
}

#[test]
fn a_segment_of_the_same_devices_gives_the_same_answers() {
    // Given the capture, and a segment configured as its devices.
    let exchanges = crate::capture::read(CAPTURE);
    assert!(exchanges.len() > 1_000, "the capture is the one we know");
    let mut segment = Segment::new(devices(&eeproms(&exchanges)), Lamps::default());
    let mut used = vec![0; DIFFERENCES.len()];
    let (mut compared, mut wrong) = (0, Vec::new());

    // When every request is put to it at its time.
    for exchange in &exchanges {
        let mut frame = exchange.request.clone();
        assert!(segment.pass(&mut frame, exchange.at), "swallowed");
        assert_eq!(frame[6..12], exchange.reply[6..12], "source address");
        // Then every datagram comes back with the same address, counter and data.
        for (ours, theirs) in datagrams(&frame).iter().zip(datagrams(&exchange.reply)) {
            compared += 1;
            let same_data = ours
                .data
                .iter()
                .zip(&theirs.data)
                .enumerate()
                .all(|(at, (a, b))| (a ^ b) & mask_of(ours, at, &mut used) == 0);
            let same = (ours.position, ours.offset, ours.working_counter)
                == (theirs.position, theirs.offset, theirs.working_counter);
            if !same || !same_data {
                wrong.push(format!("{ours:x?}\n  real {theirs:x?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {compared} differ:\n{}", wrong.len(), wrong.join("\n"));
    for (difference, times) in DIFFERENCES.iter().zip(used) {
        assert!(times > 0, "an exception that nothing needs: {}", difference.reason);
    }
}

#[test]
fn the_lamps_show_what_the_real_ones_showed() {
    let exchanges = crate::capture::read(CAPTURE);
    let mut segment = Segment::new(devices(&eeproms(&exchanges)), Lamps::default());
    for exchange in &exchanges {
        segment.pass(&mut exchange.request.clone(), exchange.at);
    }
    let shown = &segment.process_ref().shown;
    // The program of the capture: a binary count on the EL2828, two lamps that wander towards each
    // other on the EL2889.
    let count: Vec<u64> = (0..255).collect();
    assert_eq!(shown[&1], count);
    let pattern: Vec<u64> = (0..8).map(|step| 0x8000 >> step | 1 << step).collect();
    assert_eq!(shown[&2][..8], pattern);
}
