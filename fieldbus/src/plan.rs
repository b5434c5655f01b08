//! The bus as the MainDevice is told: plain data, made by `config`.

use rt_core::SignalId;

/// Everything that `fieldbus` knows of the machine.
#[derive(Clone, Debug)]
pub struct BusPlan {
    /// Period of the cycle, ns.
    pub period_ns: u64,
    /// From the start of a cycle until frames that are not back count as lost, ns; below the period.
    pub receive_deadline_ns: u64,
    /// So many cycles in a row without any reply, or with a device missing, and the bus is faulted. Range 1..=8: what the
    /// machine file allows a sync unit.
    pub silent_cycles_max: u8,
    /// Every device on the segment, by position. What is found must match.
    pub subdevices: Vec<SubDevicePlan>,
    /// Names of the sync units; devices refer to them by place. At most 64.
    pub sync_units: Vec<String>,
    /// Every signal's place on the bus, by `SignalId`.
    pub signals: Vec<SignalPlan>,
    /// Distributed clocks; `None`: not used.
    pub dc: Option<DcPlan>,
    /// Bytes carried from an input to an output unseen.
    pub copies: Vec<CopyPlan>,
}

/// One device.
#[derive(Clone, Debug)]
pub struct SubDevicePlan {
    /// Its name in the machine file.
    pub name: String,
    /// What must answer at this position.
    pub identity: Identity,
    /// Its sync unit, a place in [`BusPlan::sync_units`]; `None`: it has no process data.
    pub sync_unit: Option<usize>,
    /// Written in PreOp in this order and read back.
    pub startup: Vec<StartupSdo>,
    /// PDO assignment of the inputs (0x1C13), in the order of the process image.
    pub inputs: Vec<PdoPlan>,
    /// PDO assignment of the outputs (0x1C12).
    pub outputs: Vec<PdoPlan>,
    /// Write 0x1C12/0x1C13 and the PDO mappings (drives), or take the device's fixed ones and only compare lengths (terminals).
    pub configurable_pdos: bool,
    /// SYNC0; `None`: this device runs free.
    pub sync0: Option<Sync0Plan>,
    /// SyncManager watchdog that must be found (or is written) for outputs, ns; `None`: no outputs.
    pub watchdog_ns: Option<u64>,
}

impl SubDevicePlan {
    /// A device of which nothing is asked but to be there: no process data, no settings.
    #[must_use]
    pub fn passive(name: impl Into<String>, identity: Identity) -> Self {
        Self {
            name: name.into(),
            identity,
            sync_unit: None,
            startup: Vec::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            configurable_pdos: false,
            sync0: None,
            watchdog_ns: None,
        }
    }
}

/// Identity as the SII says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Vendor id.
    pub vendor: u32,
    /// Product code.
    pub product: u32,
    /// Revision; `None`: any.
    pub revision: Option<u32>,
    /// Serial number; `None`: any.
    pub serial: Option<u32>,
}

/// One SDO written at start-up.
#[derive(Clone, Debug)]
pub struct StartupSdo {
    /// Object.
    pub index: u16,
    /// Subindex.
    pub subindex: u8,
    /// Value.
    pub value: SdoValue,
    /// Only compare with what is there, do not write (reactions such as 0x605E where the plant sets them).
    pub verify_only: bool,
}

/// A value of an SDO with its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SdoValue {
    /// 1 byte.
    U8(u8),
    /// 2 bytes.
    U16(u16),
    /// 4 bytes.
    U32(u32),
    /// 1 byte, signed.
    I8(i8),
    /// 2 bytes, signed.
    I16(i16),
    /// 4 bytes, signed.
    I32(i32),
}

impl From<SdoValue> for i64 {
    fn from(value: SdoValue) -> Self {
        match value {
            SdoValue::U8(value) => value.into(),
            SdoValue::U16(value) => value.into(),
            SdoValue::U32(value) => value.into(),
            SdoValue::I8(value) => value.into(),
            SdoValue::I16(value) => value.into(),
            SdoValue::I32(value) => value.into(),
        }
    }
}

/// One PDO and its entries in order.
#[derive(Clone, Debug)]
pub struct PdoPlan {
    /// 0x16xx or 0x1Axx.
    pub index: u16,
    /// Its entries; they follow each other bit by bit.
    pub entries: Vec<PdoEntry>,
}

/// One entry of a PDO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PdoEntry {
    /// Object; 0 = padding.
    pub index: u16,
    /// Subindex.
    pub subindex: u8,
    /// 1..=64.
    pub bits: u8,
    /// Sign-extend.
    pub signed: bool,
    /// The signal that lives here; `None`: nobody reads or writes it (outputs stay 0).
    pub signal: Option<SignalId>,
}

/// A signal's place: bits within the image of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignalPlan {
    /// Device position.
    pub subdevice: usize,
    /// Input or output.
    pub direction: Direction,
    /// From the start of the device's inputs (or outputs), bits.
    pub bit_offset: u32,
    /// 1..=64.
    pub bits: u8,
    /// Sign-extend.
    pub signed: bool,
}

/// Seen from the MainDevice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Device → loop.
    Input,
    /// Loop → device.
    Output,
}

/// Who follows whom.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Follow {
    /// The loop's schedule follows the reference clock.
    #[default]
    Reference,
    /// The reference clock follows the loop's time, and with it every device.
    Loop,
}

/// Distributed clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DcPlan {
    /// Who follows whom.
    pub follow: Follow,
    /// The loop's phase against the reference clock: frames arrive this long before SYNC0, ns.
    pub frame_before_sync0_ns: u64,
    /// Locked below this difference (0x092C, and the loop's phase), ns.
    pub lock_window_ns: u32,
    /// Give up locking after, ns.
    pub lock_timeout_ns: u64,
}

/// SYNC0 of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sync0Plan {
    /// Cycle time, ns; the period of the loop.
    pub cycle_ns: u32,
    /// Shift against the others, ns, signed.
    pub shift_ns: i32,
}

/// Carries bytes between devices unseen (FSoE).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CopyPlan {
    /// Device position read.
    pub from: usize,
    /// Byte in its inputs.
    pub from_byte: u32,
    /// Device position written.
    pub to: usize,
    /// Byte in its outputs.
    pub to_byte: u32,
    /// How many.
    pub bytes: u32,
}
