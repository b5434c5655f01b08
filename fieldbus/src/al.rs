//! AL states and status codes in words (ETG1000.6 Table 9 and Table 11, ETG1020), and what to do about them.
//!
//! Codes were compared with the tables of three other MainDevices: SOEM (`src/ec_print.c`), IgH EtherCAT Master (`master/fsm_change.c`)
//! and ethercrab (`al_status_code.rs`), and with vendors' manuals (SEW, CODESYS). 0x002E is a cycle time in newer documents and an
//! FMMU in older firmware.

/// Name of an AL state; the error bit does not matter.
#[must_use]
pub fn state_name(status: u16) -> &'static str {
    match status & 0x0F {
        0 => "no state (it does not answer)",
        1 => "Init",
        2 => "PreOp",
        3 => "Bootstrap",
        4 => "SafeOp",
        8 => "Op",
        _ => "an unknown state",
    }
}

/// What an AL status code says.
#[must_use]
pub fn status_code_text(code: u16) -> &'static str {
    match STATUS_CODES.iter().find(|(known, _, _)| *known == code) {
        Some((_, text, _)) => text,
        None if code >= 0x8000 => "vendor's own, see its manual",
        None => "not in the standard",
    }
}

/// What usually is the reason for an AL status code, and what to do; empty when nothing more can be said.
#[must_use]
pub fn status_code_hint(code: u16) -> &'static str {
    STATUS_CODES.iter().find(|(known, _, _)| *known == code).map_or("", |(_, _, hint)| hint)
}

/// Code, what it says, what usually helps (ETG1000.6 Table 11, ETG1020 Table 15).
pub const STATUS_CODES: &[(u16, &str, &str)] = &[
    (0x0000, "no error", ""),
    (0x0001, "unspecified error", "look at the device's display or diagnosis history (0x10F3)"),
    (0x0002, "no memory", "the device cannot hold so much: shorten its PDO assignment"),
    (
        0x0003,
        "invalid device setup",
        "the device's modules or settings do not fit: compare them with its manual",
    ),
    (
        0x0004,
        "invalid revision",
        "the device's firmware is older or newer than its description: check the revision in the machine file",
    ),
    (
        0x0006,
        "SII and firmware do not fit each other",
        "program the SII that belongs to the firmware",
    ),
    (0x0007, "firmware update failed", "repeat the update with the vendor's tool"),
    (0x000E, "license error", "the device needs a licence of its vendor"),
    (0x0011, "invalid requested state change", "a step was left out: bring the segment up again"),
    (0x0012, "unknown requested state", "this is a fault of the MainDevice: report it"),
    (0x0013, "bootstrap not supported", "the device cannot be programmed over EtherCAT"),
    (0x0014, "no valid firmware", "program the device's firmware with the vendor's tool"),
    (
        0x0015,
        "invalid mailbox configuration (bootstrap)",
        "the mailbox in the SII does not fit the device: program the SII that belongs to the firmware",
    ),
    (
        0x0016,
        "invalid mailbox configuration (PreOp)",
        "the mailbox in the SII does not fit the device: program the SII that belongs to the firmware",
    ),
    (
        0x0017,
        "invalid SyncManager configuration",
        "the process data are not what the device expects: compare the PDO assignment with its manual",
    ),
    (
        0x0018,
        "no valid inputs available",
        "the device has no measurement yet: check its sensor and supply",
    ),
    (
        0x0019,
        "no valid outputs",
        "outputs do not reach the device: check the sync unit and that its frames come back",
    ),
    (
        0x001A,
        "synchronisation error",
        "SYNC0 and process data do not come in step: check period, shift and jitter of the loop",
    ),
    (
        0x001B,
        "SyncManager watchdog: no process data came in time",
        "frames were lost or the loop stood still: look at overruns, lost frames, and the watchdog time",
    ),
    (
        0x001C,
        "invalid SyncManager types",
        "the SII does not fit the device: program the SII that belongs to the firmware",
    ),
    (
        0x001D,
        "invalid output configuration",
        "the outputs are longer, shorter or others than the device expects: compare its PDO assignment (0x1C12) with the machine file",
    ),
    (
        0x001E,
        "invalid input configuration",
        "the inputs are longer, shorter or others than the device expects: compare its PDO assignment (0x1C13) with the machine file",
    ),
    (
        0x001F,
        "invalid watchdog configuration",
        "the device does not take this watchdog time: choose another",
    ),
    (0x0020, "the device needs a cold start", "switch its supply off and on"),
    (0x0021, "the device needs Init", "bring the segment up again"),
    (0x0022, "the device needs PreOp", "bring the segment up again"),
    (0x0023, "the device needs SafeOp", "bring the segment up again"),
    (
        0x0024,
        "invalid input mapping",
        "an entry of a mapping (0x1Axx) cannot be there: compare it with the device's manual",
    ),
    (
        0x0025,
        "invalid output mapping",
        "an entry of a mapping (0x16xx) cannot be there: compare it with the device's manual",
    ),
    (
        0x0026,
        "inconsistent settings",
        "two settings contradict each other: mode (0x6060), period (0x60C2) and synchronisation (0x1C32, 0x1C33)",
    ),
    (0x0027, "free run not supported", "give the device a SYNC0 in the machine file"),
    (0x0028, "synchronous mode not supported", "take the device's SYNC0 out of the machine file"),
    (0x0029, "free run needs 3-buffer mode", "program the SII that belongs to the firmware"),
    (0x002A, "background watchdog", "the device's application hangs: restart it"),
    (
        0x002B,
        "no valid inputs and outputs",
        "process data do not reach the device: check the sync unit and that its frames come back",
    ),
    (
        0x002C,
        "fatal synchronisation error: SYNC0 is missing",
        "SYNC0 was there and went away: check the reference clock and the device before this one",
    ),
    (
        0x002D,
        "no SYNC0 received",
        "distributed clocks are not set for this device: check its SYNC0 in the machine file",
    ),
    (
        0x002E,
        "cycle time too small (older firmware: invalid input FMMU configuration)",
        "the device needs a longer period: see the least cycle time in its manual (0x1C32:5)",
    ),
    (
        0x0030,
        "invalid DC SYNC configuration",
        "the device does not take this SYNC0 cycle or shift: see 0x1C32:4 and :5, and its manual",
    ),
    (0x0031, "invalid DC latch configuration", "the device does not take these latch settings"),
    (
        0x0032,
        "PLL error: the device is not in step with SYNC0",
        "the clocks are not locked or jitter too much: see the clock offsets, and the period",
    ),
    (0x0033, "DC SYNC input or output error", "the device's synchronisation failed: restart it"),
    (0x0034, "DC SYNC time-out", "SYNC0 came too late or not at all: check shift and period"),
    (0x0035, "invalid SYNC cycle time", "the device does not take this period: see its manual"),
    (0x0036, "invalid SYNC0 cycle time", "the device does not take this period: see its manual"),
    (0x0037, "invalid SYNC1 cycle time", "the device needs a SYNC1, which Tactus does not give"),
    (0x0041, "mailbox AoE error", "a protocol that Tactus does not use: restart the device"),
    (0x0042, "mailbox EoE error", "a protocol that Tactus does not use: restart the device"),
    (0x0043, "mailbox CoE error", "the device's mailbox failed: restart it"),
    (0x0044, "mailbox FoE error", "a protocol that Tactus does not use: restart the device"),
    (0x0045, "mailbox SoE error", "a protocol that Tactus does not use: restart the device"),
    (0x004F, "mailbox VoE error", "a protocol that Tactus does not use: restart the device"),
    (
        0x0050,
        "the device's SII cannot be accessed",
        "another side holds the SII: restart the device",
    ),
    (0x0051, "SII error", "the SII EEPROM is empty or damaged: program it with the vendor's tool"),
    (
        0x0052,
        "hardware outside the device is not ready",
        "check what is wired to the device, and its load supply",
    ),
    (
        0x0060,
        "the device restarted by itself",
        "the device lost its supply or its watchdog struck: check its supply",
    ),
    (0x0061, "device identification changed", "its address switch was turned: restart it"),
    (
        0x0070,
        "the modules found do not fit the list of modules",
        "compare the modules that are plugged in with the machine file",
    ),
    (0x0080, "supply voltage too low", "check the supply at the device's terminals"),
    (0x0081, "supply voltage too high", "check the supply at the device's terminals"),
    (0x0082, "temperature too low", "let the device warm up"),
    (0x0083, "temperature too high", "check cooling and load"),
    (
        0x00F0,
        "the application controller is available",
        "the device's application has just started: try again",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_codes_are_listed_once_in_order_and_each_says_what_to_do() {
        assert!(STATUS_CODES.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert!(
            STATUS_CODES.iter().skip(1).all(|(_, text, hint)| !text.is_empty() && !hint.is_empty())
        );
        assert_eq!(status_code_text(0x0030), "invalid DC SYNC configuration");
        assert_eq!(status_code_text(0x9000), "vendor's own, see its manual");
        assert_eq!(status_code_text(0x0999), "not in the standard");
    }

    /// Code, and a word that must stand in its text: from the tables named at the top of this file, not from ours.
    const ELSEWHERE: &[(u16, &str)] = &[
        (0x0002, "memory"),
        (0x0006, "SII"),
        (0x0007, "update"),
        (0x0011, "state change"),
        (0x0013, "bootstrap"),
        (0x0016, "mailbox"),
        (0x0017, "SyncManager"),
        (0x0018, "inputs"),
        (0x0019, "outputs"),
        (0x001A, "synchronisation"),
        (0x001B, "watchdog"),
        (0x001D, "output"),
        (0x001E, "input"),
        (0x0020, "cold start"),
        (0x0024, "input mapping"),
        (0x0025, "output mapping"),
        (0x0027, "free run"),
        (0x0029, "3-buffer"),
        (0x002A, "background watchdog"),
        (0x002C, "synchronisation"),
        (0x002D, "no SYNC0"),
        (0x0030, "DC SYNC"),
        (0x0031, "latch"),
        (0x0032, "PLL"),
        (0x0034, "time-out"),
        (0x0036, "SYNC0 cycle"),
        (0x0037, "SYNC1 cycle"),
        (0x0043, "CoE"),
        (0x004F, "VoE"),
        (0x0050, "SII"),
        (0x0052, "not ready"),
        (0x0060, "restarted"),
        (0x0061, "identification"),
        (0x0070, "modules"),
        (0x0080, "voltage too low"),
        (0x0081, "voltage too high"),
        (0x0082, "temperature too low"),
        (0x0083, "temperature too high"),
        (0x00F0, "application controller"),
    ];

    #[test]
    fn status_codes_say_what_other_main_devices_say() {
        for (code, word) in ELSEWHERE {
            let text = status_code_text(*code);
            assert!(text.contains(word), "0x{code:04X}: {text}");
        }
        for reserved in [0x0005, 0x0071, 0x0072, 0x00FF] {
            assert_eq!(status_code_text(reserved), "not in the standard");
        }
    }
}
