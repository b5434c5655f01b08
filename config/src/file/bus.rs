//! `[bus]` and `[[subdevice]]`.

use crate::read::{At, Int, Name, Time, section, word};

section! {
    /// Sync units, distributed clocks and bytes carried between devices.
    "[bus]" Bus {
        /// Names of the sync units: devices that live and die together. At most 64.
        sync_units: Vec<Name>,
        /// A device that is missing or was restarted is waited for this long, then the run ends, 1 s to 1 h; default 2 s.
        wait_for_devices: Option<Time>,
        /// Distributed clocks; without it they are not used.
        dc: Option<Dc>,
        /// Bytes carried from an input to an output unseen (FSoE).
        #[schemars(default)]
        copy: Vec<Copy>,
    }
}

section! {
    /// Distributed clocks. SYNC0 has the period of the cycle.
    "[bus.dc]" Dc {
        /// Whose time counts: the loop follows the reference clock (default), or the reference clock follows the loop.
        follow: Option<FollowWord>,
        /// Frames arrive this long before SYNC0; default: half of the period.
        frame_before_sync0: Option<Time>,
        /// Locked below this difference, 100 ns to 1 ms; default 1 us.
        lock_window: Option<Time>,
        /// Give up locking after, 100 ms to 10 min; default 10 s.
        lock_timeout: Option<Time>,
    }
}

word! {
    /// Whose time counts.
    "time to follow" FollowWord {
        /// The reference clock's: the loop moves its wake-ups by at most 1 % of the period.
        "reference" => Reference,
        /// The loop's: it is written into the reference clock each cycle, and every device follows that.
        "loop" => Loop,
    }
}

section! {
    /// Carries bytes from the inputs of one device to the outputs of another.
    "[[bus.copy]]" Copy {
        /// SubDevice read.
        from: Name,
        /// First byte in its inputs.
        from_byte: Int<0, 1485>,
        /// SubDevice written.
        to: Name,
        /// First byte in its outputs.
        to_byte: Int<0, 1485>,
        /// How many.
        bytes: Int<1, 1486>,
    }
}

section! {
    /// One device on the segment.
    "[[subdevice]]" SubDevice {
        /// Its name.
        name: Name,
        /// Its place on the segment, from 0 at the MainDevice.
        position: Int<0, 1023>,
        /// What it is.
        kind: DeviceWord,
        /// What must answer there.
        identity: Identity,
        /// Its sync unit; every device with process data has one.
        sync_unit: Option<Name>,
        /// Terminals: the signal on each channel, in order; "" is a channel that nobody uses.
        #[schemars(default)]
        channels: Vec<Name>,
        /// Analogue inputs: 16 bits of status go ahead of each value, as EL30xx terminals do; default true.
        status_word: Option<At<bool>>,
        /// SyncManager watchdog of a device with outputs, a multiple of 100 us up to 6.5535 s; default 100 ms.
        watchdog: Option<Time>,
        /// SYNC0: default true for servos when [bus.dc] is there, else false.
        sync0: Option<At<bool>>,
        /// Shift of SYNC0, −period to +period; default 0.
        sync0_shift: Option<Time>,
        /// `generic`: whether PDO assignment and mapping are written; default false. Servos: always.
        configurable_pdos: Option<At<bool>>,
        /// SDOs written in PreOp, in this order, and read back. Those of servos that Tactus needs are added by itself.
        #[schemars(default)]
        startup: Vec<Startup>,
        /// `generic`: input PDOs in the order of the process image.
        #[schemars(default)]
        input_pdo: Vec<Pdo>,
        /// `generic`: output PDOs in the order of the process image.
        #[schemars(default)]
        output_pdo: Vec<Pdo>,
        /// Servo: how the drive reacts by itself.
        reactions: Option<Reactions>,
    }
}

word! {
    /// What a device is.
    "kind of SubDevice" DeviceWord {
        /// A coupler without process data.
        "coupler" => Coupler,
        /// Digital inputs, one bit each.
        "digital_input" => DigitalInput,
        /// Digital outputs, one bit each.
        "digital_output" => DigitalOutput,
        /// Analogue inputs, 16 bits each.
        "analog_input" => AnalogInput,
        /// Analogue outputs, 16 bits each.
        "analog_output" => AnalogOutput,
        /// CiA 402 drive in CSP.
        "servo" => Servo,
        /// Any other: its PDOs are listed.
        "generic" => Generic,
    }
}

section! {
    /// Identity, as the device's SII says.
    "the identity" Identity {
        /// Vendor id.
        vendor: Int<0, 4_294_967_295>,
        /// Product code.
        product: Int<0, 4_294_967_295>,
        /// Revision; without it any.
        revision: Option<Int<0, 4_294_967_295>>,
        /// Serial number; without it any.
        serial: Option<Int<0, 4_294_967_295>>,
    }
}

section! {
    /// One SDO.
    "[[subdevice.startup]]" Startup {
        /// Object.
        index: Int<0x1000, 0xFFFF>,
        /// Subindex; default 0.
        subindex: Option<Int<0, 255>>,
        /// Its type.
        r#type: SdoType,
        /// Its value.
        value: Int<-2_147_483_648, 4_294_967_295>,
        /// Only compare with what is there; default false.
        verify_only: Option<bool>,
    }
}

word! {
    /// Type of an SDO.
    "type of SDO" SdoType {
        "u8" => U8,
        "u16" => U16,
        "u32" => U32,
        "i8" => I8,
        "i16" => I16,
        "i32" => I32,
    }
}

section! {
    /// One PDO of a `generic` device.
    "a PDO" Pdo {
        /// 0x1600 to 0x17FF (outputs) or 0x1A00 to 0x1BFF (inputs).
        index: Int<0x1600, 0x1BFF>,
        /// Its entries; they follow each other bit by bit.
        entries: Vec<Entry>,
    }
}

section! {
    /// One entry of a PDO.
    "a PDO entry" Entry {
        /// Object; without it padding.
        index: Option<Int<0, 0xFFFF>>,
        /// Subindex; default 0.
        subindex: Option<Int<0, 255>>,
        /// Length, 1 to 64.
        bits: Int<1, 64>,
        /// Sign-extend; default false.
        signed: Option<bool>,
        /// The signal that lives here.
        signal: Option<Name>,
    }
}

section! {
    /// How a drive reacts by itself. Written at start and read back.
    "[subdevice.reactions]" Reactions {
        /// 0x605A, quick stop option: 2 = slow down on the quick-stop ramp, then power off (default); 6 = then hold.
        quick_stop: Option<Int<-32_768, 32_767>>,
        /// 0x605E, fault reaction: 2 = slow down on the quick-stop ramp (default); 0 = power off.
        fault: Option<Int<-32_768, 32_767>>,
        /// 0x6007, when communication is lost: 3 = quick stop (default); 1 = fault; 2 = power off.
        connection_lost: Option<Int<-32_768, 32_767>>,
        /// 0x6066, for how long the following error may be beyond 0x6065, 1 ms to 65 s; default 10 ms.
        following_error_time: Option<Time>,
        /// Only compare with what the drive has, do not write; default false.
        verify_only: Option<bool>,
    }
}
