//! The drive's objects (CiA 402-2, CiA 402-3).

use super::ServoOptions;
use crate::describe::{PdoDescription, PdoEntryDescription};
use crate::dictionary::{Access, DataType, Dictionary, ObjectDescription, Slot};

/// Where the firmware finds its objects.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slots {
    pub(super) error_register: Slot,
    pub(super) abort_connection_option: Slot,
    pub(super) error_code: Slot,
    pub(super) controlword: Slot,
    pub(super) statusword: Slot,
    pub(super) quick_stop_option: Slot,
    pub(super) shutdown_option: Slot,
    pub(super) disable_option: Slot,
    pub(super) fault_reaction_option: Slot,
    pub(super) mode: Slot,
    pub(super) mode_display: Slot,
    pub(super) position_demand: Slot,
    pub(super) position: Slot,
    pub(super) error_window: Slot,
    pub(super) error_time: Slot,
    pub(super) velocity: Slot,
    pub(super) torque_max: Slot,
    pub(super) torque: Slot,
    pub(super) target_position: Slot,
    pub(super) home_offset: Slot,
    pub(super) deceleration: Slot,
    pub(super) quick_stop_deceleration: Slot,
    pub(super) homing_method: Slot,
    pub(super) probe_status: Slot,
    pub(super) probe_position: Slot,
    pub(super) period_value: Slot,
    pub(super) period_exponent: Slot,
    pub(super) following_error: Slot,
    pub(super) digital_inputs: Slot,
}

impl Slots {
    pub(super) fn new(dictionary: &Dictionary) -> Self {
        let slot = |index, subindex| dictionary.find(index, subindex).unwrap_or(Slot::NONE);
        Self {
            error_register: slot(0x1001, 0),
            abort_connection_option: slot(0x6007, 0),
            error_code: slot(0x603F, 0),
            controlword: slot(0x6040, 0),
            statusword: slot(0x6041, 0),
            quick_stop_option: slot(0x605A, 0),
            shutdown_option: slot(0x605B, 0),
            disable_option: slot(0x605C, 0),
            fault_reaction_option: slot(0x605E, 0),
            mode: slot(0x6060, 0),
            mode_display: slot(0x6061, 0),
            position_demand: slot(0x6062, 0),
            position: slot(0x6064, 0),
            error_window: slot(0x6065, 0),
            error_time: slot(0x6066, 0),
            velocity: slot(0x606C, 0),
            torque_max: slot(0x6072, 0),
            torque: slot(0x6077, 0),
            target_position: slot(0x607A, 0),
            home_offset: slot(0x607C, 0),
            deceleration: slot(0x6084, 0),
            quick_stop_deceleration: slot(0x6085, 0),
            homing_method: slot(0x6098, 0),
            probe_status: slot(0x60B9, 0),
            probe_position: slot(0x60BA, 0),
            period_value: slot(0x60C2, 1),
            period_exponent: slot(0x60C2, 2),
            following_error: slot(0x60F4, 0),
            digital_inputs: slot(0x60FD, 0),
        }
    }
}

/// All objects of the profile area.
pub(crate) fn objects(options: &ServoOptions) -> Vec<ObjectDescription> {
    let mut objects = control_objects(options);
    objects.extend(motion_objects(options));
    objects
}

/// State machine, modes and options (CiA 402-2).
fn control_objects(options: &ServoOptions) -> Vec<ObjectDescription> {
    use Access::{Constant, Input, Output, Parameter};
    use DataType::{I8, I16, U16};
    let option = |value: i16| u32::from(u16::from_ne_bytes(value.to_ne_bytes()));
    let variable = ObjectDescription::variable;
    vec![
        variable(
            0x6007,
            "Abort connection option code",
            I16,
            Parameter,
            option(options.abort_connection_option),
        ),
        variable(0x603F, "Error code", U16, Input, 0),
        variable(0x6040, "Controlword", U16, Output, 0),
        variable(0x6041, "Statusword", U16, Input, 0),
        variable(
            0x605A,
            "Quick stop option code",
            I16,
            Parameter,
            option(options.quick_stop_option),
        ),
        variable(0x605B, "Shutdown option code", I16, Parameter, 0),
        variable(0x605C, "Disable operation option code", I16, Parameter, 1),
        variable(0x605D, "Halt option code", I16, Constant, 1),
        variable(
            0x605E,
            "Fault reaction option code",
            I16,
            Parameter,
            option(options.fault_reaction_option),
        ),
        variable(0x6060, "Modes of operation", I8, Output, 0),
        variable(0x6061, "Modes of operation display", I8, Input, 0),
    ]
}

/// Positions, torque, homing and inputs (CiA 402-2, CiA 402-3).
fn motion_objects(options: &ServoOptions) -> Vec<ObjectDescription> {
    use Access::{Constant, Input, Output, Parameter};
    use DataType::{I8, I16, I32, U8, U16, U32};
    let variable = ObjectDescription::variable;
    vec![
        variable(0x6062, "Position demand value", I32, Input, 0),
        variable(0x6064, "Position actual value", I32, Input, 0),
        variable(0x6065, "Following error window", U32, Parameter, options.following_error_window),
        variable(
            0x6066,
            "Following error time out",
            U16,
            Parameter,
            u32::from(options.following_error_ms),
        ),
        variable(0x606C, "Velocity actual value", I32, Input, 0),
        variable(0x6072, "Max torque", U16, Output, u32::from(options.torque_limit_permille)),
        variable(0x6075, "Motor rated current", U32, Constant, options.rated_current_ma),
        variable(0x6076, "Motor rated torque", U32, Constant, options.rated_torque_mnm),
        variable(0x6077, "Torque actual value", I16, Input, 0),
        variable(0x607A, "Target position", I32, Output, 0),
        variable(0x607C, "Home offset", I32, Parameter, 0),
        variable(0x6084, "Profile deceleration", U32, Parameter, options.slow_down_deceleration),
        variable(
            0x6085,
            "Quick stop deceleration",
            U32,
            Parameter,
            options.quick_stop_deceleration,
        ),
        ObjectDescription::list(
            0x608F,
            "Position encoder resolution",
            8,
            &[(U32, Constant, options.counts_per_revolution), (U32, Constant, 1)],
        ),
        variable(0x6098, "Homing method", I8, Parameter, 37),
        ObjectDescription::list(
            0x6099,
            "Homing speeds",
            8,
            &[(U32, Parameter, 0), (U32, Parameter, 0)],
        ),
        variable(0x609A, "Homing acceleration", U32, Parameter, 0),
        variable(0x60B8, "Touch probe function", U16, Output, 0),
        variable(0x60B9, "Touch probe status", U16, Input, 0),
        variable(0x60BA, "Touch probe 1 positive edge", I32, Input, 0),
        ObjectDescription::list(
            0x60C2,
            "Interpolation time period",
            9,
            &[(U8, Parameter, 1), (I8, Parameter, 0xFD)],
        ),
        variable(0x60F4, "Following error actual value", I32, Input, 0),
        variable(0x60FD, "Digital inputs", U32, Input, 0),
        ObjectDescription::list(
            0x60FE,
            "Digital outputs",
            8,
            &[(U32, Output, 0), (U32, Parameter, 0)],
        ),
        // Bit 5 homing, bit 7 cyclic synchronous position.
        variable(0x6502, "Supported drive modes", U32, Constant, 0x0000_00A0),
    ]
}

fn pdo(
    index: u16,
    name: &str,
    sync_manager: Option<u8>,
    entries: &[(u16, u8, &str)],
) -> PdoDescription {
    let entries = entries
        .iter()
        .map(|(index, bits, name)| PdoEntryDescription {
            index: *index,
            subindex: 0,
            bits: *bits,
            name: (*name).to_owned(),
        })
        .collect();
    PdoDescription { index, name: name.to_owned(), sync_manager, entries }
}

/// PDOs to the drive: one assigned, one free.
pub(crate) fn rx_pdos() -> Vec<PdoDescription> {
    let default = [
        (0x6040, 16, "Controlword"),
        (0x607A, 32, "Target position"),
        (0x6060, 8, "Modes of operation"),
        (0, 8, ""),
    ];
    vec![pdo(0x1600, "RxPDO 1", Some(2), &default), pdo(0x1601, "RxPDO 2", None, &[])]
}

/// PDOs from the drive: one assigned, one free.
pub(crate) fn tx_pdos() -> Vec<PdoDescription> {
    let default = [
        (0x6041, 16, "Statusword"),
        (0x6064, 32, "Position actual value"),
        (0x6061, 8, "Modes of operation display"),
        (0, 8, ""),
        (0x6077, 16, "Torque actual value"),
        (0x60F4, 32, "Following error actual value"),
        (0x603F, 16, "Error code"),
        (0x60FD, 32, "Digital inputs"),
        (0x60BA, 32, "Touch probe 1 positive edge"),
    ];
    vec![pdo(0x1A00, "TxPDO 1", Some(3), &default), pdo(0x1A01, "TxPDO 2", None, &[])]
}
