//! A small MainDevice for the tests, and a world that follows at once.
#![expect(dead_code, reason = "every test file uses its own part")]

use segment::{
    Device, DeviceStatus, DriveStatus, Identity, Process, Segment, ServoCommand, ServoFeedback,
    ServoOptions,
};

pub(crate) const APRD: u8 = 1;
pub(crate) const APWR: u8 = 2;
pub(crate) const APRW: u8 = 3;
pub(crate) const FPRD: u8 = 4;
pub(crate) const FPWR: u8 = 5;
pub(crate) const FPRW: u8 = 6;
pub(crate) const BRD: u8 = 7;
pub(crate) const BWR: u8 = 8;
pub(crate) const LRD: u8 = 10;
pub(crate) const LWR: u8 = 11;
pub(crate) const LRW: u8 = 12;
pub(crate) const FRMW: u8 = 14;

pub(crate) const MS: u64 = 1_000_000;
pub(crate) const PERIOD: u64 = MS;
/// Station address of the first device.
pub(crate) const STATION: u16 = 0x1001;

const DEVICES: usize = 8;

/// Axes that follow at once, with whatever fault and switches a test sets.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) axes: [ServoFeedback; DEVICES],
    pub(crate) commands: [ServoCommand; DEVICES],
    pub(crate) inputs: u64,
    pub(crate) outputs: [u64; DEVICES],
    pub(crate) analog: [i16; DEVICES],
    /// The axis does not move whatever the drive wants.
    pub(crate) blocked: bool,
}

impl Process for World {
    fn advance(&mut self, _now: u64) {}

    fn servo_command(&mut self, device: usize, command: &ServoCommand) {
        self.commands[device] = *command;
        let axis = &mut self.axes[device];
        axis.velocity_counts_per_s = 0.0;
        if command.power && command.brake_released && !self.blocked {
            axis.position_counts = counts(command.target_counts);
            axis.velocity_counts_per_s = command.velocity_counts_per_s;
        }
    }

    fn servo_feedback(&self, device: usize) -> ServoFeedback {
        self.axes[device]
    }

    fn digital_inputs(&self, _device: usize) -> u64 {
        self.inputs
    }

    fn set_digital_outputs(&mut self, device: usize, bits: u64) {
        self.outputs[device] = bits;
    }

    fn analog_input(&self, device: usize, channel: usize) -> i16 {
        self.analog[device] + i16::try_from(channel).expect("few")
    }

    fn set_analog_output(&mut self, device: usize, _channel: usize, value: i16) {
        self.analog[device] = value;
    }
}

#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "float to int saturates"
)]
fn counts(value: f64) -> i64 {
    (value + if value < 0.0 { -0.5 } else { 0.5 }) as i64
}

pub(crate) fn identity(product: u32) -> Identity {
    Identity { vendor: 0xB0B, product, revision: 1, serial: product * 7 }
}

/// A datagram to send: command, position, offset, data.
pub(crate) struct Ask<'a>(pub(crate) u8, pub(crate) u16, pub(crate) u16, pub(crate) &'a [u8]);

/// A datagram that came back.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) position: u16,
    pub(crate) data: Vec<u8>,
    pub(crate) counter: u16,
}

pub(crate) fn frame(asks: &[Ask<'_>]) -> Vec<u8> {
    let mut frame = vec![0xFF; 6];
    frame.extend([0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x88, 0xA4, 0, 0]);
    for (number, Ask(command, position, offset, data)) in asks.iter().enumerate() {
        let more = if number + 1 < asks.len() { 0x8000 } else { 0 };
        frame.extend([*command, u8::try_from(number).expect("few")]);
        frame.extend(position.to_le_bytes());
        frame.extend(offset.to_le_bytes());
        frame.extend((u16::try_from(data.len()).expect("short") | more).to_le_bytes());
        frame.extend([0, 0]);
        frame.extend(*data);
        frame.extend([0, 0]);
    }
    let length = u16::try_from(frame.len() - 16).expect("short") | 0x1000;
    frame[14..16].copy_from_slice(&length.to_le_bytes());
    frame
}

/// A segment and the MainDevice's side of it.
pub(crate) struct Bus {
    pub(crate) segment: Segment<World>,
    pub(crate) now: u64,
    counter: u8,
}

impl Bus {
    pub(crate) fn new(devices: Vec<Device>) -> Self {
        Self { segment: Segment::new(devices, World::default()), now: 1_000 * MS, counter: 0 }
    }

    /// Sends a frame now.
    pub(crate) fn send(&mut self, asks: &[Ask<'_>]) -> Vec<Answer> {
        self.try_send(asks).expect("the frame does not come back")
    }

    pub(crate) fn try_send(&mut self, asks: &[Ask<'_>]) -> Option<Vec<Answer>> {
        let mut frame = frame(asks);
        if !self.segment.pass(&mut frame, self.now) {
            return None;
        }
        let mut at = 16;
        let mut answers = Vec::new();
        for Ask(_, _, _, data) in asks {
            let end = at + 10 + data.len();
            answers.push(Answer {
                position: u16::from_le_bytes([frame[at + 2], frame[at + 3]]),
                data: frame[at + 10..end].to_vec(),
                counter: u16::from_le_bytes([frame[end], frame[end + 1]]),
            });
            at = end + 2;
        }
        Some(answers)
    }

    pub(crate) fn one(&mut self, command: u8, position: u16, offset: u16, data: &[u8]) -> Answer {
        self.send(&[Ask(command, position, offset, data)]).remove(0)
    }

    /// A read of `N` bytes that must succeed.
    pub(crate) fn read<const N: usize>(&mut self, device: u16, register: u16) -> [u8; N] {
        let answer = self.one(FPRD, STATION + device, register, &[0; N]);
        assert_eq!(answer.counter, 1, "device {device} register {register:#x}");
        answer.data.try_into().expect("as long as asked")
    }

    /// A write that must succeed.
    pub(crate) fn write(&mut self, device: u16, register: u16, data: &[u8]) {
        let answer = self.one(FPWR, STATION + device, register, data);
        assert_eq!(answer.counter, 1, "device {device} register {register:#x}");
    }

    pub(crate) fn wait(&mut self, ns: u64) {
        self.now += ns;
        self.segment.advance(self.now);
    }

    pub(crate) fn status(&self, device: usize) -> DeviceStatus {
        self.segment.snapshot(device).expect("a device")
    }

    pub(crate) fn drive(&self, device: usize) -> DriveStatus {
        self.status(device).drive.expect("a drive")
    }

    pub(crate) fn give_addresses(&mut self) {
        for device in 0..u16::try_from(self.segment.len()).expect("few") {
            self.one(APWR, 0_u16.wrapping_sub(device), 0x0010, &(STATION + device).to_le_bytes());
        }
    }

    pub(crate) fn request_state(&mut self, device: u16, state: u8) {
        self.write(device, 0x0120, &[state, 0]);
    }

    /// AL status and code.
    pub(crate) fn al(&mut self, device: u16) -> (u8, u16) {
        let [status, _] = self.read(device, 0x0130);
        (status, u16::from_le_bytes(self.read(device, 0x0134)))
    }

    pub(crate) fn set_sync_manager(
        &mut self,
        device: u16,
        number: u16,
        start: u16,
        length: u16,
        control: u8,
    ) {
        let ([a, b], [c, d]) = (start.to_le_bytes(), length.to_le_bytes());
        self.write(device, 0x0800 + 8 * number, &[0; 8]);
        self.write(device, 0x0800 + 8 * number, &[a, b, c, d, control, 0, 1, 0]);
    }

    /// `kind` 1 read, 2 write; whole bytes.
    pub(crate) fn set_fmmu(
        &mut self,
        device: u16,
        number: u16,
        logical: u8,
        length: u8,
        physical: u16,
        kind: u8,
    ) {
        let [low, high] = physical.to_le_bytes();
        let fmmu = [logical, 0, 0, 0, length, 0, 0, 7, low, high, 0, kind, 1, 0, 0, 0];
        self.write(device, 0x0600 + 16 * number, &fmmu);
    }

    /// A drive in PreOp.
    pub(crate) fn drive_to_pre_op(&mut self, device: u16) {
        self.set_sync_manager(device, 0, 0x1000, 128, 0x26);
        self.set_sync_manager(device, 1, 0x1080, 128, 0x22);
        self.request_state(device, 2);
        assert_eq!(self.al(device), (0x02, 0));
    }

    /// The body of a CoE message there and back.
    pub(crate) fn coe(&mut self, device: u16, body: &[u8]) -> Vec<u8> {
        self.counter = self.counter % 7 + 1;
        let mut message = vec![0; 128];
        message[..2].copy_from_slice(&u16::try_from(body.len()).expect("short").to_le_bytes());
        message[5] = 0x03 | self.counter << 4;
        message[6..6 + body.len()].copy_from_slice(body);
        self.write(device, 0x1000, &message);
        for _ in 0..8 {
            self.wait(MS);
            let answer = self.one(FPRD, STATION + device, 0x1080, &[0; 128]);
            if answer.counter == 1 {
                let length = usize::from(u16::from_le_bytes([answer.data[0], answer.data[1]]));
                return answer.data[6..6 + length].to_vec();
            }
        }
        panic!("no answer in the mailbox");
    }

    pub(crate) fn download(
        &mut self,
        device: u16,
        index: u16,
        subindex: u8,
        data: &[u8],
    ) -> Result<(), u32> {
        let [low, high] = index.to_le_bytes();
        let unused = u8::try_from(4 - data.len()).expect("expedited");
        let mut body = vec![0, 0x20, 0x23 | unused << 2, low, high, subindex];
        body.extend(data);
        body.resize(10, 0);
        let answer = self.coe(device, &body);
        if answer[2] == 0x60 {
            Ok(())
        } else {
            Err(u32::from_le_bytes(answer[6..10].try_into().expect("4")))
        }
    }

    pub(crate) fn upload(&mut self, device: u16, index: u16, subindex: u8) -> u32 {
        let [low, high] = index.to_le_bytes();
        let answer = self.coe(device, &[0, 0x20, 0x40, low, high, subindex, 0, 0, 0, 0]);
        assert_eq!(answer[2] & 0xF3, 0x43, "not expedited: {answer:x?}");
        u32::from_le_bytes(answer[6..10].try_into().expect("4"))
    }
}

/// One drive in Op, free running, in CSP, its outputs at logical 0, its inputs at 16.
pub(crate) struct Axis {
    pub(crate) bus: Bus,
    pub(crate) controlword: u16,
    pub(crate) target: i32,
    pub(crate) mode: u8,
    /// Frames are sent.
    pub(crate) connected: bool,
}

/// What the drive's inputs say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Inputs {
    pub(crate) statusword: u16,
    pub(crate) position: i32,
    pub(crate) mode: u8,
    pub(crate) following_error: i32,
    pub(crate) error_code: u16,
    pub(crate) digital_inputs: u32,
    pub(crate) index_position: i32,
}

impl Axis {
    pub(crate) fn in_op(options: ServoOptions) -> Self {
        let mut bus = Bus::new(vec![Device::servo("Servo", identity(5), options)]);
        bus.give_addresses();
        bus.drive_to_pre_op(0);
        bus.download(0, 0x60C2, 1, &[1]).expect("period");
        bus.set_sync_manager(0, 2, 0x1100, 8, 0x64);
        bus.set_sync_manager(0, 3, 0x1400, 24, 0x20);
        bus.set_fmmu(0, 0, 0, 8, 0x1100, 2);
        bus.set_fmmu(0, 1, 16, 24, 0x1400, 1);
        bus.request_state(0, 4);
        assert_eq!(bus.al(0), (0x04, 0));
        bus.request_state(0, 8);
        assert_eq!(bus.al(0), (0x08, 0));
        Self { bus, controlword: 0, target: 0, mode: 8, connected: true }
    }

    /// One cycle of 1 ms.
    pub(crate) fn cycle(&mut self) -> Inputs {
        self.bus.now += PERIOD;
        let mut image = [0; 40];
        image[..2].copy_from_slice(&self.controlword.to_le_bytes());
        image[2..6].copy_from_slice(&self.target.to_le_bytes());
        image[6] = self.mode;
        if self.connected {
            let answer = self.bus.one(LRW, 0, 0, &image);
            assert_eq!(answer.counter, 3);
            image.copy_from_slice(&answer.data);
        } else {
            self.bus.segment.advance(self.bus.now);
        }
        let u16_at = |at: usize| u16::from_le_bytes([image[at], image[at + 1]]);
        let i32_at = |at: usize| i32::from_le_bytes(image[at..at + 4].try_into().expect("4"));
        Inputs {
            statusword: u16_at(16),
            position: i32_at(18),
            mode: image[22],
            following_error: i32_at(26),
            error_code: u16_at(30),
            digital_inputs: i32_at(32).cast_unsigned(),
            index_position: i32_at(36),
        }
    }

    pub(crate) fn cycles(&mut self, count: u32) -> Inputs {
        for _ in 1..count {
            self.cycle();
        }
        self.cycle()
    }

    /// As a MainDevice enables: the target stays on the actual position.
    pub(crate) fn enable(&mut self) {
        let inputs = self.cycle();
        self.target = inputs.position;
        for controlword in [0x06, 0x07, 0x0F] {
            self.controlword = controlword;
            self.cycles(3);
        }
        assert_eq!(self.cycle().statusword & 0x6F, 0x27, "operation enabled");
    }

    /// Moves at a constant speed.
    pub(crate) fn run(&mut self, counts_per_cycle: i32, cycles: u32) -> Inputs {
        for _ in 1..cycles {
            self.target = self.target.wrapping_add(counts_per_cycle);
            self.cycle();
        }
        self.target = self.target.wrapping_add(counts_per_cycle);
        self.cycle()
    }
}
