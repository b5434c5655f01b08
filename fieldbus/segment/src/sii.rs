//! SubDevice information interface: the EEPROM image (ETG1000.6 §5.4, ETG2010).

use crate::describe::{DeviceDescription, PdoDescription, StateMachine, Usage};

const STRINGS: u16 = 10;
const GENERAL: u16 = 30;
const FMMU: u16 = 40;
const SYNC_MANAGER: u16 = 41;
const TX_PDO: u16 = 50;
const RX_PDO: u16 = 51;
const CLOCK: u16 = 60;
/// First category, in bytes.
const CATEGORIES: usize = 0x80;
/// CoE details: SDO, SDO information; with configurable PDOs also assignment and mapping.
const COE_SDO: u8 = 0x03;
const COE_PDOS: u8 = 0x0C;
const COE_COMPLETE_ACCESS: u8 = 0x20;

/// Strings, numbered from 1; 0 is no string.
#[derive(Default)]
struct Strings(Vec<String>);

impl Strings {
    fn number(&mut self, text: &str) -> u8 {
        if text.is_empty() {
            return 0;
        }
        let place = self.0.iter().position(|known| known == text).unwrap_or_else(|| {
            self.0.push(text.to_owned());
            self.0.len() - 1
        });
        u8::try_from(place + 1).unwrap_or(0)
    }

    fn category(&self) -> Vec<u8> {
        let mut bytes = vec![byte(self.0.len())];
        for text in &self.0 {
            let text = text.as_bytes();
            bytes.push(byte(text.len().min(255)));
            bytes.extend(text.iter().take(255));
        }
        bytes
    }
}

/// The image of a device, a whole number of words, with header and checksum.
pub(crate) fn image(device: &DeviceDescription) -> Vec<u8> {
    let mut strings = Strings::default();
    let general = general(device, &mut strings);
    let sync_managers: Vec<u8> = device
        .sync_managers
        .iter()
        .flat_map(|sm| {
            let [start, length] = [sm.start.to_le_bytes(), sm.length.to_le_bytes()];
            [start[0], start[1], length[0], length[1], sm.control, 0, 1, sm.usage.code()]
        })
        .collect();
    let tx = pdos(&device.tx_pdos, &mut strings);
    let rx = pdos(&device.rx_pdos, &mut strings);

    let mut image = header(device);
    category(&mut image, STRINGS, strings.category());
    category(&mut image, GENERAL, general);
    category(&mut image, FMMU, fmmu_usage(device));
    category(&mut image, SYNC_MANAGER, sync_managers);
    category(&mut image, TX_PDO, tx);
    category(&mut image, RX_PDO, rx);
    if device.sync0 {
        category(&mut image, CLOCK, clock());
    }
    image.extend([0xFF; 4]);
    let size_kibit = image.len().next_power_of_two().max(256) * 8 / 1024;
    let field = u16::try_from(size_kibit - 1).unwrap_or(u16::MAX).to_le_bytes();
    image.splice(0x7C..0x7E, field);
    image
}

fn header(device: &DeviceDescription) -> Vec<u8> {
    let mut words = [0_u16; CATEGORIES / 2];
    let mut set = |at: usize, value: u16| {
        if let Some(word) = words.get_mut(at) {
            *word = value;
        }
    };
    // PDI control: 0x05 SPI for devices with firmware, 0x04 digital I/O without.
    let emulation = u16::from(device.state_machine == StateMachine::Emulation) << 8;
    set(0, emulation | if device.mailbox.is_some() { 0x0005 } else { 0x0004 });
    set(2, 10);
    let identity = device.identity;
    let ids = [identity.vendor, identity.product, identity.revision, identity.serial];
    for (number, id) in ids.into_iter().enumerate() {
        let [a, b, c, d] = id.to_le_bytes();
        set(8 + number * 2, u16::from_le_bytes([a, b]));
        set(9 + number * 2, u16::from_le_bytes([c, d]));
    }
    if device.mailbox.is_some() {
        for (at, usage) in [(0x18, Usage::MailboxOut), (0x1A, Usage::MailboxIn)] {
            if let Some((_, sm)) = device.sync_manager(usage) {
                set(at, sm.start);
                set(at + 1, sm.length);
            }
        }
        set(0x1C, 0x0004);
    }
    set(0x3F, 1);
    let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let checksum = crc8(bytes.get(..14).unwrap_or(&[]));
    bytes.splice(14..16, [checksum, 0]);
    bytes
}

fn general(device: &DeviceDescription, strings: &mut Strings) -> Vec<u8> {
    let mut bytes = vec![0; 32];
    let name = strings.number(&device.name);
    let coe = device.mailbox.map_or(0, |mailbox| {
        COE_SDO | COE_COMPLETE_ACCESS | if mailbox.configurable_pdos { COE_PDOS } else { 0 }
    });
    let start = [0, 0, name, name, 0, coe];
    bytes.splice(..start.len(), start);
    // Physical ports, 4 bits each: 1 MII, 3 EBUS (ETG1000.6 Table 21).
    let ports = (0..4).fold(0_u16, |all, port| {
        let kind = match device.esc.ports >> (2 * port) & 3 {
            3 => 1,
            2 => 3,
            _ => 0,
        };
        all | kind << (4 * port)
    });
    bytes.splice(16..18, ports.to_le_bytes());
    bytes
}

/// One FMMU each for outputs and inputs; a mailbox device has one more for the mailbox status.
fn fmmu_usage(device: &DeviceDescription) -> Vec<u8> {
    let has = |usage| device.sync_manager(usage).is_some();
    let mut usage = Vec::new();
    if device.mailbox.is_some() {
        usage.extend([1, 2, 3]);
    } else {
        for sm in &device.sync_managers {
            usage.push(if sm.usage == Usage::Outputs { 1 } else { 2 });
        }
    }
    if !has(Usage::Outputs) && !has(Usage::Inputs) {
        usage.clear();
    }
    usage
}

fn pdos(pdos: &[PdoDescription], strings: &mut Strings) -> Vec<u8> {
    let mut bytes = Vec::new();
    for pdo in pdos {
        bytes.extend(pdo.index.to_le_bytes());
        let assigned = pdo.sync_manager.unwrap_or(0xFF);
        let name = strings.number(&pdo.name);
        bytes.extend([byte(pdo.entries.len()), assigned, 0, name, 0, 0]);
        for entry in &pdo.entries {
            bytes.extend(entry.index.to_le_bytes());
            let name = strings.number(&entry.name);
            let kind = if entry.index == 0 { 0 } else { data_type(entry.bits) };
            bytes.extend([entry.subindex, name, kind, entry.bits, 0, 0]);
        }
    }
    bytes
}

/// Base data type by width (ETG1000.6 Table 64): BOOL, UNSIGNED8, 16, 32.
fn data_type(bits: u8) -> u8 {
    match bits {
        1 => 0x01,
        8 => 0x05,
        16 => 0x06,
        32 => 0x07,
        _ => 0x00,
    }
}

/// Two operation modes: synchronous with SYNC0, and free running (ETG2010 Table 15).
fn clock() -> Vec<u8> {
    let mut bytes = Vec::new();
    for assign_activate in [0x0300_u16, 0x0000] {
        let mut mode = [0; 24];
        mode[12..14].copy_from_slice(&assign_activate.to_le_bytes());
        bytes.extend(mode);
    }
    bytes
}

fn category(image: &mut Vec<u8>, kind: u16, mut bytes: Vec<u8>) {
    if bytes.is_empty() {
        return;
    }
    if !bytes.len().is_multiple_of(2) {
        bytes.push(0);
    }
    image.extend(kind.to_le_bytes());
    image.extend(u16::try_from(bytes.len() / 2).unwrap_or(u16::MAX).to_le_bytes());
    image.extend(bytes);
}

/// x⁸ + x² + x + 1, start value 0xFF, over the first 7 words (ETG1000.6 §5.4).
fn crc8(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0xFF, |crc, byte| {
        (0..8).fold(crc ^ byte, |crc, _| if crc & 0x80 != 0 { crc << 1 ^ 0x07 } else { crc << 1 })
    })
}

fn byte(number: usize) -> u8 {
    u8::try_from(number).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Device, num::u16_at};

    #[test]
    fn the_checksum_is_the_remainder_of_the_polynomial() {
        assert_eq!(crc8(&[]), 0xFF);
        assert_eq!(crc8(&[0x05, 0x0C, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), {
            // Long division by the polynomial, bit by bit, as an oracle of its own.
            let mut register = 0xFF_u16;
            for byte in [0x05_u8, 0x0C, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] {
                for bit in (0..8).rev() {
                    let out = (register >> 7 & 1) ^ u16::from(byte >> bit & 1);
                    register = register << 1 & 0xFF;
                    if out == 1 {
                        register ^= 0x07;
                    }
                }
            }
            u8::try_from(register).expect("8 bits")
        });
    }

    #[test]
    fn categories_follow_each_other_to_the_end() {
        let identity = crate::Identity { vendor: 2, product: 7, revision: 1, serial: 9 };
        let device = Device::digital_output("DO8", identity, 8);
        let image = image(device.description());
        assert_eq!(u16_at(&image, 16), 2);
        let (mut at, mut kinds) = (CATEGORIES, Vec::new());
        while u16_at(&image, at) != 0xFFFF {
            kinds.push(u16_at(&image, at));
            at += 4 + usize::from(u16_at(&image, at + 2)) * 2;
            assert!(at < image.len(), "runs off the image");
        }
        assert_eq!(kinds, [STRINGS, GENERAL, FMMU, SYNC_MANAGER, RX_PDO]);
    }
}
