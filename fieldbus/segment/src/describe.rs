//! What a device is: plain data. The builders in `builders` fill it for the usual ones.

use crate::dictionary::ObjectDescription;
use crate::esc::EscDescription;
use crate::servo::ServoOptions;

/// Identity in SII and object 0x1018.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Vendor id.
    pub vendor: u32,
    /// Product code.
    pub product: u32,
    /// Revision number.
    pub revision: u32,
    /// Serial number.
    pub serial: u32,
}

/// What a SyncManager is for, as SII category 41 says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// MainDevice → device, messages.
    MailboxOut,
    /// Device → MainDevice, messages.
    MailboxIn,
    /// MainDevice → device, process data.
    Outputs,
    /// Device → MainDevice, process data.
    Inputs,
}

impl Usage {
    /// The number in the SII.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::MailboxOut => 1,
            Self::MailboxIn => 2,
            Self::Outputs => 3,
            Self::Inputs => 4,
        }
    }
}

/// One SyncManager as the SII proposes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyncManagerDescription {
    /// First byte.
    pub start: u16,
    /// Bytes; for process data the length of the default PDOs.
    pub length: u16,
    /// Control byte (0x0804): 0x26 mailbox out, 0x22 mailbox in, 0x64 outputs with watchdog, 0x20
    /// inputs.
    pub control: u8,
    /// What for.
    pub usage: Usage,
}

/// One entry of a PDO; index 0 is padding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PdoEntryDescription {
    /// Object.
    pub index: u16,
    /// Subindex.
    pub subindex: u8,
    /// 1..=64.
    pub bits: u8,
    /// Its name in the SII.
    pub name: String,
}

/// One PDO.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PdoDescription {
    /// 0x16xx or 0x1Axx.
    pub index: u16,
    /// Its name in the SII.
    pub name: String,
    /// SyncManager that carries it by default; `None`: not assigned.
    pub sync_manager: Option<u8>,
    /// In the order of the process image.
    pub entries: Vec<PdoEntryDescription>,
}

impl PdoDescription {
    /// Sum of its entries.
    #[must_use]
    pub fn bits(&self) -> usize {
        self.entries.iter().map(|entry| usize::from(entry.bits)).sum()
    }
}

/// A CoE mailbox; its two SyncManagers are the first of their usage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MailboxDescription {
    /// The MainDevice may write 0x1C12/0x1C13 and the PDO mappings in PreOp.
    pub configurable_pdos: bool,
}

/// What the device does with its process data.
#[derive(Clone, Debug, PartialEq)]
pub enum Function {
    /// Nothing: a coupler, or a device whose process data only exist.
    Passive,
    /// Digital inputs from the process.
    DigitalInput {
        /// 1..=64, one bit each.
        channels: u8,
    },
    /// Digital outputs to the process.
    DigitalOutput {
        /// 1..=64, one bit each.
        channels: u8,
    },
    /// Analogue inputs from the process, 16 bit each.
    AnalogInput {
        /// 1..=16.
        channels: u8,
    },
    /// Analogue outputs to the process, 16 bit each.
    AnalogOutput {
        /// 1..=16.
        channels: u8,
    },
    /// A CiA 402 servo drive.
    Servo(ServoOptions),
}

/// Who runs the AL state machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StateMachine {
    /// The device's firmware: it checks its configuration, and leaves Op when its watchdog expires.
    #[default]
    Firmware,
    /// The controller alone (0x0141 bit 0, device emulation): AL status repeats AL control; an
    /// expired watchdog switches the outputs off and the state stays. Simple terminals are made
    /// like that.
    Emulation,
}

/// The crystal of a device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClockDescription {
    /// What its local clock shows at time 0, ns.
    pub start_ns: u64,
    /// How fast it runs against true time, ppb. Range −200 000 ..= 200 000.
    pub drift_ppb: i32,
}

/// Everything that makes a device.
#[derive(Clone, Debug, PartialEq)]
pub struct DeviceDescription {
    /// Type name (SII string, object 0x1008); masters show it.
    pub name: String,
    /// Who it is.
    pub identity: Identity,
    /// Its controller.
    pub esc: EscDescription,
    /// In order of their numbers.
    pub sync_managers: Vec<SyncManagerDescription>,
    /// PDOs from the MainDevice.
    pub rx_pdos: Vec<PdoDescription>,
    /// PDOs to the MainDevice.
    pub tx_pdos: Vec<PdoDescription>,
    /// CoE; `None`: a simple device.
    pub mailbox: Option<MailboxDescription>,
    /// Objects beyond those that every CoE device has, or instead of them.
    pub objects: Vec<ObjectDescription>,
    /// It can run with SYNC0 (SII category 60).
    pub sync0: bool,
    /// What it does.
    pub function: Function,
    /// Who runs its AL state machine.
    pub state_machine: StateMachine,
    /// Its clock.
    pub clock: ClockDescription,
    /// Contents of the EEPROM; `None`: made from the rest.
    pub sii_image: Option<Vec<u8>>,
}

impl DeviceDescription {
    /// The first SyncManager of a usage, with its number.
    pub(crate) fn sync_manager(&self, usage: Usage) -> Option<(usize, SyncManagerDescription)> {
        let found = self.sync_managers.iter().enumerate().find(|(_, sm)| sm.usage == usage);
        found.map(|(number, sm)| (number, *sm))
    }
}
