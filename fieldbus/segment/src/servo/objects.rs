//! The drive's objects (CiA 402-2, CiA 402-3).

use super::ServoOptions;
use crate::describe::{PdoDescription, PdoEntryDescription};
use crate::dictionary::Access::{Constant, Input, Output, Parameter};
use crate::dictionary::DataType::{I8, I16, I32, U8, U16, U32};
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
    pub(super) torque_positive: Slot,
    pub(super) torque_negative: Slot,
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
            torque_positive: slot(0x60E0, 0),
            torque_negative: slot(0x60E1, 0),
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

/// A variable: index, name, type, rights, value after power-up.
type Row = (u16, &'static str, DataType, Access, u32);

/// A list: index, name, object code (8 array, 9 record), and its two entries.
type ListRow = (u16, &'static str, u8, [(DataType, Access, u32); 2]);

/// All objects of the profile area; the dictionary sorts them.
pub(crate) fn objects(options: &ServoOptions) -> Vec<ObjectDescription> {
    let sections = [&state_machine(options)[..], &motion(options), &HOMING_AND_PROBE, &SENSED];
    let variables = sections.into_iter().flatten().map(|&(index, name, kind, access, value)| {
        ObjectDescription::variable(index, name, kind, access, value)
    });
    let lists = lists(options);
    let lists = lists
        .iter()
        .map(|(index, name, code, entries)| ObjectDescription::list(*index, name, *code, entries));
    variables.chain(lists).collect()
}

/// State machine, modes and options (CiA 402-2).
fn state_machine(options: &ServoOptions) -> [Row; 11] {
    let option = |value: i16| u32::from(u16::from_ne_bytes(value.to_ne_bytes()));
    let connection_lost = option(options.abort_connection_option);
    let quick_stop = option(options.quick_stop_option);
    let fault = option(options.fault_reaction_option);
    [
        (0x6007, "Abort connection option code", I16, Parameter, connection_lost),
        (0x603F, "Error code", U16, Input, 0),
        (0x6040, "Controlword", U16, Output, 0),
        (0x6041, "Statusword", U16, Input, 0),
        (0x605A, "Quick stop option code", I16, Parameter, quick_stop),
        (0x605B, "Shutdown option code", I16, Parameter, 0),
        (0x605C, "Disable operation option code", I16, Parameter, 1),
        (0x605D, "Halt option code", I16, Constant, 1),
        (0x605E, "Fault reaction option code", I16, Parameter, fault),
        (0x6060, "Modes of operation", I8, Output, 0),
        (0x6061, "Modes of operation display", I8, Input, 0),
    ]
}

/// Positions, velocity and torque, with their limits (CiA 402-2).
fn motion(options: &ServoOptions) -> [Row; 14] {
    let following_error_ms = u32::from(options.following_error_ms);
    let torque_max = u32::from(options.torque_limit_permille);
    [
        (0x6062, "Position demand value", I32, Input, 0),
        (0x6064, "Position actual value", I32, Input, 0),
        (0x6065, "Following error window", U32, Parameter, options.following_error_window),
        (0x6066, "Following error time out", U16, Parameter, following_error_ms),
        (0x606C, "Velocity actual value", I32, Input, 0),
        (0x6072, "Max torque", U16, Output, torque_max),
        (0x6075, "Motor rated current", U32, Constant, options.rated_current_ma),
        (0x6076, "Motor rated torque", U32, Constant, options.rated_torque_mnm),
        (0x6077, "Torque actual value", I16, Input, 0),
        (0x607A, "Target position", I32, Output, 0),
        (0x6084, "Profile deceleration", U32, Parameter, options.slow_down_deceleration),
        (0x6085, "Quick stop deceleration", U32, Parameter, options.quick_stop_deceleration),
        (0x60E0, "Positive torque limit value", U16, Parameter, torque_max),
        (0x60E1, "Negative torque limit value", U16, Parameter, torque_max),
    ]
}

/// Homing and touch probe (CiA 402-2).
const HOMING_AND_PROBE: [Row; 6] = [
    (0x607C, "Home offset", I32, Parameter, 0),
    (0x6098, "Homing method", I8, Parameter, 37),
    (0x609A, "Homing acceleration", U32, Parameter, 0),
    (0x60B8, "Touch probe function", U16, Output, 0),
    (0x60B9, "Touch probe status", U16, Input, 0),
    (0x60BA, "Touch probe 1 positive edge", I32, Input, 0),
];

/// What is seen, and what the drive can do.
const SENSED: [Row; 3] = [
    (0x60F4, "Following error actual value", I32, Input, 0),
    (0x60FD, "Digital inputs", U32, Input, 0),
    // Bit 5 homing, bit 7 cyclic synchronous position.
    (0x6502, "Supported drive modes", U32, Constant, 0x0000_00A0),
];

/// Arrays and records.
fn lists(options: &ServoOptions) -> [ListRow; 4] {
    let resolution = [(U32, Constant, options.counts_per_revolution), (U32, Constant, 1)];
    [
        (0x608F, "Position encoder resolution", 8, resolution),
        (0x6099, "Homing speeds", 8, [(U32, Parameter, 0), (U32, Parameter, 0)]),
        (0x60C2, "Interpolation time period", 9, [(U8, Parameter, 1), (I8, Parameter, 0xFD)]),
        (0x60FE, "Digital outputs", 8, [(U32, Output, 0), (U32, Parameter, 0)]),
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
