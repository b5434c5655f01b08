//! Which registers an EtherCAT SubDevice controller has, and who may write them (ETG1000.4 §6, ESC
//! data sheet section II).

use super::{DcSupport, EscDescription, REGISTERS};

/// The MainDevice may read this byte.
pub(crate) const READ: u8 = 1;
/// The MainDevice may write this byte.
pub(crate) const WRITE: u8 = 2;

/// Ranges that the MainDevice may write, `first ..= last`, whatever the controller.
const WRITABLE: &[(usize, usize)] = &[
    (0x0010, 0x0011), // configured station address
    (0x0020, 0x0021), // write register enable, protection
    (0x0030, 0x0031), // ESC write enable, protection
    (0x0040, 0x0040), // ESC reset
    (0x0100, 0x0103), // DL control
    (0x0120, 0x0121), // AL control
    (0x0200, 0x0201), // ECAT event mask
    (0x0300, 0x030D), // error counters: a write clears them
    (0x0310, 0x0313), // lost link counters: a write clears them
    (0x0400, 0x0401), // watchdog divider
    (0x0410, 0x0411), // PDI watchdog time
    (0x0420, 0x0421), // process data watchdog time
    (0x0442, 0x0443), // watchdog counters: a write clears them
    (0x0500, 0x0500), // SII access: owner
    (0x0502, 0x050F), // SII control, address, data
    (0x0F00, 0x0F03), // digital output data
    (0x0F80, 0x0FFF), // user RAM
];

/// Registers of the distributed clock unit that the MainDevice may write.
const WRITABLE_DC: &[(usize, usize)] = &[
    (0x0910, 0x0917), // system time: a write is compared
    (0x0920, 0x0927), // system time offset
    (0x0928, 0x092B), // system time delay
    (0x0930, 0x0931), // speed counter start
    (0x0934, 0x0935), // filter depths
    (0x0980, 0x0981), // cyclic unit control, activation
    (0x0990, 0x0997), // start time of cyclic operation
    (0x09A0, 0x09A7), // SYNC0, SYNC1 cycle time
    (0x09A8, 0x09A9), // latch control
];

/// The access rights of every register byte of a controller.
pub(crate) fn table(description: &EscDescription) -> Box<[u8]> {
    let mut table = vec![READ; REGISTERS].into_boxed_slice();
    let fmmus_end = 0x0600 + usize::from(description.fmmu_count) * 16;
    let sms_end = 0x0800 + usize::from(description.sync_manager_count) * 8;
    set(&mut table, fmmus_end, 0x07FF, 0);
    set(&mut table, sms_end, 0x08FF, 0);
    for (first, last) in WRITABLE {
        set(&mut table, *first, *last, READ | WRITE);
    }
    if fmmus_end > 0x0600 {
        set(&mut table, 0x0600, fmmus_end - 1, READ | WRITE);
    }
    if sms_end > 0x0800 {
        set(&mut table, 0x0800, sms_end - 1, READ | WRITE);
    }
    match description.dc {
        DcSupport::None => set(&mut table, 0x0900, 0x09FF, 0),
        DcSupport::ReceiveTimes => {
            set(&mut table, 0x0900, 0x0903, READ | WRITE);
            set(&mut table, 0x0910, 0x09FF, 0);
        }
        DcSupport::Full => {
            set(&mut table, 0x0900, 0x0903, READ | WRITE);
            for (first, last) in WRITABLE_DC {
                set(&mut table, *first, *last, READ | WRITE);
            }
        }
    }
    table
}

fn set(table: &mut [u8], first: usize, last: usize, rights: u8) {
    if let Some(range) = table.get_mut(first..=last) {
        range.fill(rights);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_controller_without_clock_unit_has_no_clock_registers() {
        let with = table(&EscDescription::et1100());
        let without = table(&EscDescription { dc: DcSupport::None, ..EscDescription::et1100() });
        assert_eq!(with[0x0910], READ | WRITE);
        assert_eq!(without[0x0910], 0);
        assert_eq!(with[0x092C], READ);
    }

    #[test]
    fn registers_of_absent_fmmus_and_sync_managers_are_absent() {
        let table = table(&EscDescription {
            fmmu_count: 3,
            sync_manager_count: 4,
            ..EscDescription::et1100()
        });
        assert_eq!((table[0x062F], table[0x0630]), (READ | WRITE, 0));
        assert_eq!((table[0x081F], table[0x0820]), (READ | WRITE, 0));
    }
}
