//! What a scenario can break, and what a device looks like from outside.

use crate::al::AlState;
use crate::coe::{Emergency, MailboxFault, SdoRefusal};
use crate::servo::DriveStatus;

/// Something that goes wrong, or right again. `position` counts devices from 0; one that does not
/// exist changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The cable behind the device at `after` breaks; `None`: the cable from the MainDevice.
    LinkLost {
        /// Last device that is still reached.
        after: Option<usize>,
    },
    /// That cable is whole again.
    LinkRestored {
        /// As in `LinkLost`.
        after: Option<usize>,
    },
    /// The device loses its supply, and with it the link to all behind it.
    PowerOff {
        /// Which.
        position: usize,
    },
    /// It comes back in Init, without addresses and settings.
    PowerOn {
        /// Which.
        position: usize,
    },
    /// SafeOp → Op is refused with this AL status code; `None`: no longer.
    RefuseOp {
        /// Which.
        position: usize,
        /// AL status code (0x0134).
        code: Option<u16>,
    },
    /// As `RefuseOp`, for another state.
    RefuseState {
        /// Which.
        position: usize,
        /// The state that it does not go to.
        state: AlState,
        /// AL status code (0x0134); `None`: no longer.
        code: Option<u16>,
    },
    /// The mailbox of a CoE device does something wrong.
    Mailbox {
        /// Which.
        position: usize,
        /// What; `None` mends it.
        fault: MailboxFault,
    },
    /// A CoE device refuses one entry of its dictionary.
    Sdo {
        /// Which.
        position: usize,
        /// Index, subindex, and how; `None`: no longer.
        refusal: Option<(u16, u8, SdoRefusal)>,
    },
    /// The device lets logical datagrams pass untouched: their working counter lacks its share.
    IgnoreProcessData {
        /// Which.
        position: usize,
        /// On, or over.
        active: bool,
    },
    /// A drive finds a fault, with a CiA 402 error code above 0; a fault reset clears it.
    Drive {
        /// Which.
        position: usize,
        /// 0x603F.
        code: u16,
    },
    /// The oscillator of a device's distributed clock breaks: its time stands still, or goes on.
    ClockStopped {
        /// Which.
        position: usize,
        /// Broken, or whole again.
        active: bool,
    },
    /// The time of a device's distributed clock jumps.
    ClockJump {
        /// Which.
        position: usize,
        /// By so much, ns.
        by_ns: i64,
    },
    /// A CoE device sends an emergency.
    Emergency {
        /// Which.
        position: usize,
        /// What it says.
        emergency: Emergency,
    },
}

/// A device seen from outside the bus.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DeviceStatus {
    /// It has supply.
    pub powered: bool,
    /// Frames reach it.
    pub reachable: bool,
    /// AL state (0x0130).
    pub al_state: AlState,
    /// AL error bit.
    pub al_error: bool,
    /// AL status code (0x0134).
    pub al_status_code: u16,
    /// The process data watchdog has expired and was not triggered since.
    pub watchdog_expired: bool,
    /// How often (0x0442).
    pub watchdog_count: u8,
    /// Process data the device has taken in Op: SyncManager writes.
    pub outputs_taken: u64,
    /// A drive's firmware.
    pub drive: Option<DriveStatus>,
}
