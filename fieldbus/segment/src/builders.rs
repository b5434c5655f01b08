//! The usual devices.

use crate::describe::{
    ClockDescription, DeviceDescription, Function, Identity, MailboxDescription, PdoDescription,
    PdoEntryDescription, StateMachine, SyncManagerDescription, Usage,
};
use crate::device::Device;
use crate::esc::EscDescription;
use crate::servo::{ServoOptions, objects};

/// Buffered, MainDevice writes, watchdog.
const CONTROL_OUTPUTS: u8 = 0x64;
/// Buffered, MainDevice reads.
const CONTROL_INPUTS: u8 = 0x20;
const CONTROL_MAILBOX_OUT: u8 = 0x26;
const CONTROL_MAILBOX_IN: u8 = 0x22;
/// Bytes of each mailbox of a drive.
const MAILBOX_BYTES: u16 = 128;

impl DeviceDescription {
    /// A device that passes frames on and has no process data.
    #[must_use]
    pub fn passive(name: &str, identity: Identity, esc: EscDescription) -> Self {
        // Every crystal is a little off; which way, the identity decides: the same machine has the
        // same clocks.
        let seed = identity.serial.wrapping_mul(2_654_435_761) ^ identity.product.rotate_left(16);
        let drift_ppb = i32::try_from(seed % 60_001).unwrap_or(0) - 30_000;
        Self {
            name: name.to_owned(),
            identity,
            esc,
            sync_managers: Vec::new(),
            rx_pdos: Vec::new(),
            tx_pdos: Vec::new(),
            mailbox: None,
            objects: Vec::new(),
            sync0: false,
            function: Function::Passive,
            state_machine: StateMachine::Firmware,
            clock: ClockDescription { start_ns: u64::from(seed) * 1_000, drift_ppb },
            sii_image: None,
        }
    }

    /// A terminal with one SyncManager and a PDO a channel.
    fn terminal(
        name: &str,
        identity: Identity,
        channels: u8,
        bits: u8,
        usage: Usage,
        function: Function,
    ) -> Self {
        let outputs = usage == Usage::Outputs;
        let (pdo, object) = if outputs { (0x1600, 0x7000) } else { (0x1A00, 0x6000) };
        let pdos = (0..u16::from(channels))
            .map(|channel| PdoDescription {
                index: pdo + channel,
                name: format!("Channel {}", channel + 1),
                sync_manager: Some(0),
                entries: vec![PdoEntryDescription {
                    index: object + channel * 0x10,
                    subindex: 1,
                    bits,
                    name: if outputs { "Output".to_owned() } else { "Input".to_owned() },
                }],
            })
            .collect();
        let length = (u16::from(channels) * u16::from(bits)).div_ceil(8);
        let digital_output = outputs && bits == 1 && length <= 4;
        let sync_manager = SyncManagerDescription {
            start: if digital_output { 0x0F00 } else { 0x1000 },
            length,
            control: if outputs { CONTROL_OUTPUTS } else { CONTROL_INPUTS },
            usage,
        };
        let mut description = Self::passive(name, identity, EscDescription::et1200());
        description.sync_managers = vec![sync_manager];
        if outputs {
            description.rx_pdos = pdos;
        } else {
            description.tx_pdos = pdos;
        }
        description.function = function;
        description
    }

    /// A CiA 402 servo drive: CoE with configurable PDOs, distributed clocks, SYNC0.
    #[must_use]
    pub fn servo(name: &str, identity: Identity, options: ServoOptions) -> Self {
        let sm = |start, length, control, usage| SyncManagerDescription {
            start,
            length,
            control,
            usage,
        };
        let mut description = Self::passive(name, identity, EscDescription::et1100());
        description.rx_pdos = objects::rx_pdos();
        description.tx_pdos = objects::tx_pdos();
        let bytes = |pdos: &[PdoDescription]| {
            let assigned = pdos.iter().filter(|pdo| pdo.sync_manager.is_some());
            let bits: usize = assigned.map(PdoDescription::bits).sum();
            u16::try_from(bits.div_ceil(8)).unwrap_or(u16::MAX)
        };
        description.sync_managers = vec![
            sm(0x1000, MAILBOX_BYTES, CONTROL_MAILBOX_OUT, Usage::MailboxOut),
            sm(0x1000 + MAILBOX_BYTES, MAILBOX_BYTES, CONTROL_MAILBOX_IN, Usage::MailboxIn),
            sm(0x1100, bytes(&description.rx_pdos), CONTROL_OUTPUTS, Usage::Outputs),
            sm(0x1400, bytes(&description.tx_pdos), CONTROL_INPUTS, Usage::Inputs),
        ];
        description.mailbox = Some(MailboxDescription { configurable_pdos: true });
        description.objects = objects::objects(&options);
        description.sync0 = true;
        description.function = Function::Servo(options);
        description
    }
}

impl Device {
    /// A bus coupler: no process data.
    #[must_use]
    pub fn coupler(name: &str, identity: Identity) -> Self {
        let esc = EscDescription {
            ports: 0b0010_1011,
            sync_manager_count: 4,
            fmmu_count: 3,
            ram_kib: 1,
            forwarding_ns: 300,
            ..EscDescription::et1100()
        };
        Self::described(DeviceDescription::passive(name, identity, esc))
    }

    /// A digital input terminal, `channels` 1..=64.
    #[must_use]
    pub fn digital_input(name: &str, identity: Identity, channels: u8) -> Self {
        let channels = channels.clamp(1, 64);
        let function = Function::DigitalInput { channels };
        Self::described(DeviceDescription::terminal(
            name,
            identity,
            channels,
            1,
            Usage::Inputs,
            function,
        ))
    }

    /// A digital output terminal, `channels` 1..=64, with SyncManager watchdog.
    #[must_use]
    pub fn digital_output(name: &str, identity: Identity, channels: u8) -> Self {
        let channels = channels.clamp(1, 64);
        let function = Function::DigitalOutput { channels };
        Self::described(DeviceDescription::terminal(
            name,
            identity,
            channels,
            1,
            Usage::Outputs,
            function,
        ))
    }

    /// An analogue input terminal, `channels` 1..=16, 16 bit each.
    #[must_use]
    pub fn analog_input(name: &str, identity: Identity, channels: u8) -> Self {
        let channels = channels.clamp(1, 16);
        let function = Function::AnalogInput { channels };
        Self::described(DeviceDescription::terminal(
            name,
            identity,
            channels,
            16,
            Usage::Inputs,
            function,
        ))
    }

    /// An analogue output terminal, `channels` 1..=16, 16 bit each, with SyncManager watchdog.
    #[must_use]
    pub fn analog_output(name: &str, identity: Identity, channels: u8) -> Self {
        let channels = channels.clamp(1, 16);
        let function = Function::AnalogOutput { channels };
        Self::described(DeviceDescription::terminal(
            name,
            identity,
            channels,
            16,
            Usage::Outputs,
            function,
        ))
    }

    /// A CiA 402 servo drive.
    #[must_use]
    pub fn servo(name: &str, identity: Identity, options: ServoOptions) -> Self {
        Self::described(DeviceDescription::servo(name, identity, options))
    }
}
