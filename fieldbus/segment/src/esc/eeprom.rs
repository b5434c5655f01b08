//! SII EEPROM behind registers 0x0500..0x050F (ETG1000.4 §6.4).

use crate::num::{put, u8_at, u16_at, u32_at};

const BUSY: u16 = 0x8000;
const COMMAND_ERROR: u16 = 0x2000;
const WRITE_ENABLE: u16 = 0x0001;
const COMMAND_READ: u16 = 1;
const COMMAND_WRITE: u16 = 2;
const COMMAND_RELOAD: u16 = 4;

/// Contents and interface of the EEPROM.
#[derive(Clone, Debug)]
pub(crate) struct Eeprom {
    image: Vec<u8>,
    flags: u16,
    busy_ns: u64,
    busy_until: u64,
    busy_command: u16,
    error: u16,
}

impl Eeprom {
    /// `flags`: the constant bits of 0x0502 (bit 6: 8 bytes a read). A command takes `busy_ns`.
    pub(crate) fn new(image: Vec<u8>, flags: u16, busy_ns: u64) -> Self {
        Self { image, flags, busy_ns, busy_until: 0, busy_command: 0, error: 0 }
    }

    /// Processor interface and controller configuration (0x0140, 0x0141) as stored.
    pub(crate) fn pdi_control(&self) -> u16 {
        u16_at(&self.image, 0)
    }

    /// Configured station alias as stored.
    pub(crate) fn alias(&self) -> u16 {
        u16_at(&self.image, 8)
    }

    /// Puts the state of the interface into the registers before a read.
    pub(crate) fn refresh(&mut self, registers: &mut [u8], now: u64) {
        if now >= self.busy_until {
            self.busy_command = 0;
        }
        let busy = if self.busy_command == 0 { 0 } else { BUSY | (self.busy_command << 8) };
        put(registers, 0x0502, &(self.flags | busy | self.error).to_le_bytes());
    }

    /// The control register was written: `written` is what the MainDevice put there.
    pub(crate) fn command(&mut self, registers: &mut [u8], now: u64) {
        let control = u16_at(registers, 0x0502);
        let owner_is_device = u8_at(registers, 0x0500) & 1 != 0;
        let command = control >> 8 & 7;
        if owner_is_device || now < self.busy_until {
            return;
        }
        self.error = 0;
        let word = usize::try_from(u32_at(registers, 0x0504)).unwrap_or(usize::MAX);
        match command {
            0 => return,
            COMMAND_READ => self.read(registers, word),
            COMMAND_WRITE if control & WRITE_ENABLE != 0 => self.write(registers, word),
            COMMAND_RELOAD => put(registers, 0x0012, &self.alias().to_le_bytes()),
            _ => {
                self.error = COMMAND_ERROR;
                return;
            }
        }
        self.busy_command = command;
        self.busy_until = now.saturating_add(self.busy_ns);
    }

    fn read(&self, registers: &mut [u8], word: usize) {
        let width = if self.flags & 0x40 != 0 { 8 } else { 4 };
        let mut chunk = [0xFF; 8];
        for (offset, byte) in chunk.iter_mut().enumerate() {
            let at = word.saturating_mul(2).saturating_add(offset);
            *byte = self.image.get(at).copied().unwrap_or(0xFF);
        }
        if let Some(data) = chunk.get(..width) {
            put(registers, 0x0508, data);
        }
    }

    fn write(&mut self, registers: &[u8], word: usize) {
        let data = u16_at(registers, 0x0508).to_le_bytes();
        put(&mut self.image, word.saturating_mul(2), &data);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(eeprom: &mut Eeprom, registers: &mut [u8], control: u16, word: u32, now: u64) {
        put(registers, 0x0502, &control.to_le_bytes());
        put(registers, 0x0504, &word.to_le_bytes());
        eeprom.command(registers, now);
    }

    #[test]
    fn a_read_is_busy_for_its_time_and_gives_eight_bytes() {
        let mut registers = vec![0; 0x1000];
        let mut eeprom = Eeprom::new((0..32).collect(), 0x40, 100);
        ask(&mut eeprom, &mut registers, 0x0100, 4, 1_000);
        eeprom.refresh(&mut registers, 1_099);
        assert_eq!(u16_at(&registers, 0x0502), 0x8140);
        eeprom.refresh(&mut registers, 1_100);
        assert_eq!(u16_at(&registers, 0x0502), 0x0040);
        assert_eq!(registers[0x0508..0x0510], [8, 9, 10, 11, 12, 13, 14, 15]);
    }

    #[test]
    fn beyond_its_end_the_memory_is_erased() {
        let mut registers = vec![0; 0x1000];
        let mut eeprom = Eeprom::new(vec![1; 4], 0x40, 0);
        ask(&mut eeprom, &mut registers, 0x0100, u32::MAX, 0);
        assert_eq!(registers[0x0508..0x0510], [0xFF; 8]);
    }

    #[test]
    fn a_write_needs_its_enable_bit_in_the_same_command() {
        let mut registers = vec![0; 0x1000];
        let mut eeprom = Eeprom::new(vec![0; 16], 0x40, 0);
        put(&mut registers, 0x0508, &[0x34, 0x12]);
        ask(&mut eeprom, &mut registers, 0x0200, 4, 0);
        assert_eq!((eeprom.alias(), eeprom.error), (0, COMMAND_ERROR));
        ask(&mut eeprom, &mut registers, 0x0201, 4, 1);
        assert_eq!((eeprom.alias(), eeprom.error), (0x1234, 0));
    }

    #[test]
    fn the_device_owning_it_keeps_the_bus_out() {
        let mut registers = vec![0; 0x1000];
        put(&mut registers, 0x0500, &[1]);
        let mut eeprom = Eeprom::new((0..32).collect(), 0x40, 0);
        ask(&mut eeprom, &mut registers, 0x0100, 4, 0);
        assert_eq!(u8_at(&registers, 0x0508), 0);
    }
}
