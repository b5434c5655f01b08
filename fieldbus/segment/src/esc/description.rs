//! The controller chip, as plain data.

/// What of the distributed clocks a controller has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DcSupport {
    /// Nothing.
    #[default]
    None,
    /// It latches receive times, so that delays can be measured; it has no system time.
    ReceiveTimes,
    /// All of it, 64 bits.
    Full,
}

/// The controller chip of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EscDescription {
    /// Type (0x0000): 0x11 ET1100, 0x12 ET1200, 0x04 IP core.
    pub kind: u8,
    /// Revision (0x0001).
    pub revision: u8,
    /// Build (0x0002).
    pub build: u16,
    /// FMMUs, 0..=16.
    pub fmmu_count: u8,
    /// SyncManagers, 0..=16.
    pub sync_manager_count: u8,
    /// Process RAM, KiB, 1..=60.
    pub ram_kib: u8,
    /// Port descriptor (0x0007): 2 bits a port; 0 absent, 2 EBUS, 3 MII.
    pub ports: u8,
    /// Features (0x0008), without the bits of the distributed clocks.
    pub features: u16,
    /// Distributed clocks.
    pub dc: DcSupport,
    /// Constant bits of the EEPROM control register (0x0502); bit 6: 8 bytes a read.
    pub eeprom_flags: u16,
    /// How long an EEPROM command takes, ns.
    pub eeprom_busy_ns: u64,
    /// From port 0 in to the next device's port 0, and the same back, ns.
    pub forwarding_ns: u64,
}

impl EscDescription {
    /// As an ET1100 in a drive: 8 FMMUs, 8 SyncManagers, 8 KiB, two MII ports, distributed clocks.
    #[must_use]
    pub const fn et1100() -> Self {
        Self {
            kind: 0x11,
            revision: 0,
            build: 2,
            fmmu_count: 8,
            sync_manager_count: 8,
            ram_kib: 8,
            ports: 0b1111,
            features: 0x00F0,
            dc: DcSupport::Full,
            eeprom_flags: 0x0040,
            eeprom_busy_ns: 100_000,
            forwarding_ns: 500,
        }
    }

    /// As an ET1200 in a terminal: 3 FMMUs, 4 SyncManagers, 1 KiB, EBUS, receive times only.
    #[must_use]
    pub const fn et1200() -> Self {
        Self {
            kind: 0x12,
            fmmu_count: 3,
            sync_manager_count: 4,
            ram_kib: 1,
            ports: 0b1010,
            dc: DcSupport::ReceiveTimes,
            forwarding_ns: 150,
            ..Self::et1100()
        }
    }
}
