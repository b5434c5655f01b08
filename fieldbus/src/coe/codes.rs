//! Codes in words: SDO aborts, mailbox errors, error codes of drives.
//!
//! Compared with the tables of other programs: aborts and mailbox errors with SOEM (`src/ec_print.c`), codes of drives with openCANopen
//! (`inc/canopen/cia402-error-codes.h`), emergencies 0xA000
//! and 0xA001 with the manual of the encoder Lika SFA-10000, which cites ETG1000.6 Table 50. Not in those, and from the standards alone: abort 0x06090033, mailbox error 9, drive errors 0x2350
//! and 0x8613.

/// What an SDO abort code says (ETG1000.6 Table 41, CiA 301 Table 22).
#[must_use]
pub fn abort_text(code: u32) -> &'static str {
    ABORT_CODES.iter().find(|(known, _, _)| *known == code).map_or(
        if code >= 0x0A00_0000 { "vendor's own, see its manual" } else { "not in the standard" },
        |(_, text, _)| text,
    )
}

/// What usually is the reason for an SDO abort code, and what to do; empty when nothing more can be said.
#[must_use]
pub fn abort_hint(code: u32) -> &'static str {
    ABORT_CODES.iter().find(|(known, _, _)| *known == code).map_or("", |(_, _, hint)| hint)
}

const OTHER_OBJECT: &str = "compare the object with the device's manual and its revision";
const OTHER_VALUE: &str = "compare the value with the range in the device's manual";
const OTHER_STATE: &str =
    "the device takes it in another AL state only, mostly PreOp: list it under startup";
const OTHER_MAPPING: &str = "compare the PDO entries with those that the device's manual allows";
const OTHER_TYPE: &str = "compare the type of the value with the device's manual";
const NOISE: &str = "messages were lost or mixed up: look at the error counters of the ports";

/// Code, what it says, what usually helps.
pub const ABORT_CODES: &[(u32, &str, &str)] = &[
    (0x0503_0000, "toggle bit did not change", NOISE),
    (
        0x0504_0000,
        "SDO protocol time-out",
        "the device is busy or its application hangs: restart it",
    ),
    (
        0x0504_0001,
        "command not valid or unknown",
        "the device does not support this kind of transfer",
    ),
    (0x0504_0005, "out of memory", "the object is longer than the device or we take"),
    (
        0x0601_0000,
        "unsupported access to an object",
        "the device does not support complete access to it, or access at all",
    ),
    (
        0x0601_0001,
        "the object can only be written",
        "do not read it back: the device never shows it",
    ),
    (0x0601_0002, "the object can only be read", "take it out of startup, or mark it verify_only"),
    (
        0x0601_0003,
        "subindex 0 must be 0 before other entries are written",
        "write 0 to subindex 0 first, then the entries, then their number",
    ),
    (
        0x0601_0004,
        "complete access is not supported for objects of variable length",
        "transfer its entries one by one",
    ),
    (0x0601_0005, "object length exceeds the mailbox size", "transfer its entries one by one"),
    (
        0x0601_0006,
        "the object is mapped to RxPDO, SDO download blocked",
        "process data set it: take it out of startup, or out of the mapping",
    ),
    (0x0602_0000, "the object does not exist", OTHER_OBJECT),
    (0x0604_0041, "the object cannot be mapped into the PDO", OTHER_MAPPING),
    (0x0604_0042, "number and length of the objects would exceed the PDO length", OTHER_MAPPING),
    (0x0604_0043, "general parameter incompatibility", OTHER_VALUE),
    (0x0604_0047, "general internal incompatibility in the device", OTHER_OBJECT),
    (
        0x0606_0000,
        "access failed because of a hardware error",
        "restart the device; if it stays, replace it",
    ),
    (0x0607_0010, "data type or length does not match", OTHER_TYPE),
    (0x0607_0012, "length too high", OTHER_TYPE),
    (0x0607_0013, "length too low", OTHER_TYPE),
    (0x0609_0011, "the subindex does not exist", OTHER_OBJECT),
    (0x0609_0030, "value outside its range", OTHER_VALUE),
    (0x0609_0031, "value too great", OTHER_VALUE),
    (0x0609_0032, "value too small", OTHER_VALUE),
    (
        0x0609_0033,
        "configured module list does not match the detected one",
        "compare the modules with the machine file",
    ),
    (0x0609_0036, "maximum is less than minimum", OTHER_VALUE),
    (
        0x0800_0000,
        "general error",
        "the device says no more: look at its display or its error history (0x10F3, 0x1003)",
    ),
    (
        0x0800_0020,
        "data cannot be transferred or stored",
        "the device is busy or locked: look at its display",
    ),
    (
        0x0800_0021,
        "data cannot be transferred because of local control",
        "the device is operated from its panel or a tool: give control back",
    ),
    (0x0800_0022, "data cannot be transferred in the present device state", OTHER_STATE),
    (
        0x0800_0023,
        "no object dictionary",
        "restart the device; if it stays, its firmware is incomplete",
    ),
];

/// What an object is, for people; "object" when it is not one that Tactus knows.
#[must_use]
pub fn object_name(index: u16) -> &'static str {
    match index {
        0x1000 => "device type",
        0x1001 => "error register",
        0x1003 => "error history",
        0x1008 => "device name",
        0x1009 => "hardware version",
        0x100A => "software version",
        0x1018 => "identity",
        0x10F3 => "diagnosis history",
        0x1600..=0x17FF => "mapping of outputs",
        0x1A00..=0x1BFF => "mapping of inputs",
        0x1C00 => "SyncManager types",
        0x1C12 => "assignment of outputs",
        0x1C13 => "assignment of inputs",
        0x1C32 => "synchronisation of outputs",
        0x1C33 => "synchronisation of inputs",
        0x6007 => "reaction to a lost connection",
        0x603F => "error code",
        0x6040 => "controlword",
        0x6041 => "statusword",
        0x605A => "reaction to quick stop",
        0x605B => "reaction to shutdown",
        0x605C => "reaction to disable operation",
        0x605D => "reaction to halt",
        0x605E => "reaction to a fault",
        0x6060 => "mode of operation",
        0x6061 => "mode of operation display",
        0x6064 => "actual position",
        0x6065 => "following error window",
        0x6066 => "following error time-out",
        0x607A => "target position",
        0x607D => "software position limits",
        0x6081 => "profile velocity",
        0x6085 => "quick stop deceleration",
        0x60C2 => "interpolation period",
        0x60F4 => "following error",
        0x6502 => "supported modes",
        _ => "object",
    }
}

/// Detail of a mailbox error reply (ETG1000.4 Table 31).
#[must_use]
pub fn mailbox_error_text(detail: u16) -> &'static str {
    match detail {
        1 => "syntax of the mailbox header",
        2 => "the device does not support this protocol",
        3 => "wrong channel",
        4 => "the device does not support this service",
        5 => "invalid header of the protocol",
        6 => "size too short",
        7 => "no memory in the device",
        8 => "inconsistent length",
        9 => "service already in use",
        _ => "not in the standard",
    }
}

/// What an error code of a drive (0x603F, emergencies) says: IEC 61800-7-201 Annex D, and its class where the code itself is the
/// vendor's.
#[must_use]
pub fn drive_error_text(code: u16) -> &'static str {
    let known = DRIVE_ERRORS.iter().find(|(known, _)| *known == code);
    let class = || DRIVE_ERRORS.iter().find(|(known, _)| *known == code & 0xFF00);
    let family = || DRIVE_ERRORS.iter().find(|(known, _)| *known == code & 0xF000);
    known.or_else(class).or_else(family).map_or("not in the standard", |(_, text)| text)
}

/// Code and text, most general codes of a class and family included.
pub const DRIVE_ERRORS: &[(u16, &str)] = &[
    (0x0000, "no error"),
    (0x1000, "generic error"),
    (0x2000, "current"),
    (0x2110, "short circuit or earth leakage at the input"),
    (0x2120, "earth leakage at the input"),
    (0x2130, "short circuit at the input"),
    (0x2200, "internal current"),
    (0x2211, "internal overcurrent"),
    (0x2213, "overcurrent in the ramp"),
    (0x2220, "continuous overcurrent inside the drive"),
    (0x2230, "short circuit or earth leakage inside the drive"),
    (0x2240, "earth leakage inside the drive"),
    (0x2250, "short circuit inside the drive"),
    (0x2300, "current at the output"),
    (0x2310, "continuous overcurrent: the motor is overloaded"),
    (0x2320, "short circuit or earth leakage of the motor"),
    (0x2330, "earth leakage of the motor"),
    (0x2340, "short circuit of the motor"),
    (0x2350, "load level: I²t"),
    (0x3000, "voltage"),
    (0x3100, "mains voltage"),
    (0x3110, "mains overvoltage"),
    (0x3120, "mains undervoltage"),
    (0x3130, "phase failure"),
    (0x3200, "DC link voltage"),
    (0x3210, "DC link overvoltage: the load feeds back, is the braking resistor there?"),
    (0x3220, "DC link undervoltage: is the power supply on?"),
    (0x3230, "load error"),
    (0x3300, "output voltage"),
    (0x4000, "temperature"),
    (0x4100, "temperature of the surroundings"),
    (0x4110, "surroundings too hot"),
    (0x4120, "surroundings too cold"),
    (0x4200, "temperature of the device"),
    (0x4210, "device too hot"),
    (0x4220, "device too cold"),
    (0x4300, "temperature of the drive or motor"),
    (0x4310, "drive or motor too hot"),
    (0x4320, "drive or motor too cold"),
    (0x4400, "temperature of the supply"),
    (0x5000, "hardware of the device"),
    (0x5100, "supply of the electronics"),
    (0x5110, "low voltage supply"),
    (0x5120, "supply of the DC link"),
    (0x5200, "control"),
    (0x5210, "measurement circuit"),
    (0x5300, "operating unit"),
    (0x5400, "power section"),
    (0x5440, "contacts of the power section"),
    (0x5441, "contact 1: manufacturer's, often safe torque off"),
    (0x5450, "fuses"),
    (0x5500, "data storage"),
    (0x6000, "software of the device"),
    (0x6010, "software reset: watchdog"),
    (0x6100, "internal software"),
    (0x6300, "parameters"),
    (0x6310, "loss of parameters"),
    (0x6320, "parameter error"),
    (0x7000, "additional modules"),
    (0x7100, "power modules"),
    (0x7110, "braking chopper"),
    (0x7120, "motor"),
    (0x7121, "motor blocked"),
    (0x7122, "motor error or commutation"),
    (0x7200, "measurement module"),
    (0x7300, "sensor"),
    (0x7303, "resolver 1: check its cable"),
    (0x7304, "resolver 2: check its cable"),
    (0x7305, "incremental encoder 1: check its cable"),
    (0x7306, "incremental encoder 2: check its cable"),
    (0x7310, "speed"),
    (0x7320, "position"),
    (0x7500, "communication of a module"),
    (0x7600, "data storage of a module"),
    (0x8000, "monitoring"),
    (0x8100, "communication"),
    (0x8300, "torque control"),
    (0x8311, "excess torque"),
    (0x8400, "velocity controller"),
    (0x8500, "position controller"),
    (0x8600, "positioning controller"),
    (0x8611, "following error: blocked, overloaded, or asked for too much"),
    (0x8612, "reference limit"),
    (0x8613, "homing error"),
    (0x8700, "synchronisation: SYNC0 or process data missing"),
    (0x9000, "external error: an input of the drive"),
    (0xA000, "PreOp → SafeOp was refused (EtherCAT state machine)"),
    (0xA001, "SafeOp → Op was refused (EtherCAT state machine)"),
    (0xF000, "additional functions"),
    (0xFF00, "manufacturer's own, see the drive's manual"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_listed_once_and_in_order() {
        assert!(ABORT_CODES.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert!(DRIVE_ERRORS.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }

    #[test]
    fn a_code_that_is_not_listed_is_told_by_its_class() {
        assert_eq!(
            drive_error_text(0x8611),
            "following error: blocked, overloaded, or asked for too much"
        );
        assert_eq!(drive_error_text(0x86FF), "positioning controller");
        assert_eq!(drive_error_text(0x81FF), "communication");
        assert_eq!(drive_error_text(0x4FFF), "temperature");
        assert_eq!(drive_error_text(0x2240), "earth leakage inside the drive");
        assert_eq!(drive_error_text(0xFF12), "manufacturer's own, see the drive's manual");
        assert_eq!(drive_error_text(0xA001), "SafeOp → Op was refused (EtherCAT state machine)");
        assert_eq!(drive_error_text(0xB000), "not in the standard");
        assert_eq!(abort_text(0x0602_0000), "the object does not exist");
        assert_eq!(abort_text(0x0601_FFFF), "not in the standard");
        assert_eq!(abort_text(0x0F00_0000), "vendor's own, see its manual");
    }
}
