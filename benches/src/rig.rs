//! A bus in virtual time for the benches: the MainDevice, the segment behind it in the same thread, and a tap between them, so that
//! each side can be measured alone with the same frames.

use fieldbus::link::{InlineLink, Link, Wire};
use fieldbus::plan::{
    BusPlan, DcPlan, Direction, Follow, Identity, PdoEntry, PdoPlan, SdoValue, SignalPlan,
    StartupSdo, SubDevicePlan, Sync0Plan,
};
use fieldbus::wire::{DATAGRAM_HEADER, Frame, WORKING_COUNTER, is_mailbox};
use fieldbus::{EtherCat, bring_up};
use rt_core::bus::{Bus, BusState, Exchange};
use rt_core::signal::{SignalId, Signals};
use segment::{Device, Process, Segment, ServoCommand, ServoFeedback, ServoOptions};

/// Virtual time at the start, ns.
const START_NS: u64 = 1_000_000_000;
const PERIOD_NS: u64 = 1_000_000;
/// Servos that live and die together.
const SERVOS_PER_UNIT: usize = 8;
/// Cycles until every device is in Op, or every drive enabled, at most.
const CYCLES_MAX: u32 = 20_000;
const VENDOR: u32 = 0x0A5C;
const PRODUCT: u32 = 0x5044;

/// What the segment made of a frame: everything but headers, which differ from cycle to cycle.
struct Answer {
    parts: Vec<(usize, Vec<u8>)>,
}

impl Answer {
    /// Data and working counter of every datagram.
    fn of(frame: &[u8]) -> Self {
        let datagrams = Frame::parse(frame).expect("a frame of ours").datagrams();
        let parts = datagrams.map(|datagram| {
            let datagram = datagram.expect("whole");
            let from = datagram.at + DATAGRAM_HEADER;
            let to = from + datagram.data.len() + WORKING_COUNTER;
            (from, frame[from..to].to_vec())
        });
        Self { parts: parts.collect() }
    }

    fn give(&self, frame: &mut [u8]) {
        for (from, bytes) in &self.parts {
            if let Some(to) = frame.get_mut(*from..*from + bytes.len()) {
                to.copy_from_slice(bytes);
            }
        }
        if let Some(source) = frame.get_mut(6) {
            *source |= 0x02;
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Frames go through to the segment.
    Through,
    /// And are kept.
    Keep,
    /// The kept answers come back at once: no segment.
    Answer,
}

/// Between link and segment.
pub struct Tap<W> {
    wire: W,
    mode: Mode,
    sent: Vec<Vec<u8>>,
    answers: Vec<Answer>,
    next: usize,
}

impl<W: Wire> Wire for Tap<W> {
    fn pass(&mut self, frame: &mut [u8], now: u64) -> bool {
        if is_mailbox(frame) {
            // Not of every cycle: nobody is asked while the MainDevice is alone, and it does without the answer.
            return self.mode != Mode::Answer && self.wire.pass(frame, now);
        }
        match self.mode {
            Mode::Through => self.wire.pass(frame, now),
            Mode::Keep => {
                self.sent.push(frame.to_vec());
                let back = self.wire.pass(frame, now);
                self.answers.push(Answer::of(frame));
                back
            }
            Mode::Answer => {
                self.answers[self.next].give(frame);
                self.next = (self.next + 1) % self.answers.len();
                true
            }
        }
    }

    fn advance(&mut self, now: u64) {
        if self.mode != Mode::Answer {
            self.wire.advance(now);
        }
    }

    fn round_trip_ns(&self, len: usize) -> u64 {
        self.wire.round_trip_ns(len)
    }
}

/// Signals of a drive.
#[derive(Clone, Copy, Debug)]
pub struct Drive {
    /// 0x6040.
    pub controlword: SignalId,
    /// 0x607A.
    pub target: SignalId,
    /// 0x6060.
    pub mode: Option<SignalId>,
    /// 0x6041.
    pub statusword: SignalId,
    /// 0x6064.
    pub actual: SignalId,
}

/// A bus in Op.
pub struct Rig<W: Wire> {
    /// The MainDevice.
    pub bus: EtherCat<InlineLink<Tap<W>>>,
    /// What it decodes into and encodes from.
    pub signals: Signals,
    /// When the next cycle is due, ns.
    pub next: u64,
    deadline_ns: u64,
    period_ns: u64,
}

impl<W: Wire> Rig<W> {
    /// Brings `wire` up and to Op. One at a time in a thread: its virtual time begins anew.
    ///
    /// # Panics
    /// It does not come to Op: then nothing would be measured.
    #[must_use]
    pub fn new(wire: W, plan: &BusPlan) -> Self {
        let tap = Tap { wire, mode: Mode::Through, sent: Vec::new(), answers: Vec::new(), next: 0 };
        let link = InlineLink::new(tap, START_NS);
        let mut bus = bring_up(link, plan, &mut |_| {}).unwrap_or_else(|error| panic!("{error}"));
        let now = bus.link_mut().now();
        let next = bus.aligned_start(now + plan.period_ns);
        let signals = Signals::new(plan.signals.len());
        let (deadline_ns, period_ns) = (plan.receive_deadline_ns, plan.period_ns);
        let mut rig = Self { bus, signals, next, deadline_ns, period_ns };
        let is_up = (0..CYCLES_MAX).any(|_| rig.cycle().state == BusState::Operational);
        assert!(is_up, "the bus does not come to Op");
        rig
    }

    /// Time passes until the next cycle; frames go out and come back; inputs are decoded.
    pub fn exchange(&mut self) -> Exchange {
        self.bus.link_mut().idle(self.next);
        let exchange = self.bus.exchange(self.next, self.next + self.deadline_ns);
        self.bus.decode(&mut self.signals);
        self.next += self.period_ns;
        exchange
    }

    /// A whole cycle of the bus: exchange, decode, encode.
    pub fn cycle(&mut self) -> Exchange {
        let exchange = self.exchange();
        self.bus.encode(&self.signals);
        exchange
    }

    /// Switches all drives on; they hold their positions from then on.
    ///
    /// # Panics
    /// A drive does not follow, or process data are missing.
    pub fn hold(&mut self, drives: &[Drive]) {
        for _ in 0..CYCLES_MAX {
            let now = self.next;
            let mut enabled = 0;
            for drive in drives {
                let statusword = self.signals.get(drive.statusword).value;
                let controlword = match statusword & 0x6F {
                    0x21 => 0x07,
                    0x23 => 0x0F,
                    0x27 => {
                        enabled += 1;
                        0x0F
                    }
                    _ => 0x06,
                };
                if controlword != 0x0F || statusword & 0x6F != 0x27 {
                    let actual = self.signals.get(drive.actual).value;
                    self.signals.set(drive.target, actual, now);
                }
                self.signals.set(drive.controlword, controlword, now);
                if let Some(mode) = drive.mode {
                    self.signals.set(mode, 8, now);
                }
            }
            let exchange = self.cycle();
            if enabled == drives.len() {
                assert_eq!(exchange.units_good, exchange.units_all);
                return;
            }
        }
        panic!("a drive cannot be switched on");
    }

    /// The frames of one cycle, as they are sent; their answers are kept for [`answer_alone`](Self::answer_alone).
    pub fn frames(&mut self) -> Vec<Vec<u8>> {
        self.tap().mode = Mode::Keep;
        self.cycle();
        let tap = self.tap();
        tap.mode = Mode::Through;
        std::mem::take(&mut tap.sent)
    }

    /// From now on the MainDevice is alone: the answers of [`frames`](Self::frames) come back at once.
    pub fn answer_alone(&mut self) {
        assert!(!self.tap().answers.is_empty(), "there are answers");
        self.tap().mode = Mode::Answer;
    }

    /// One cycle of the segment alone: time passes, and these frames go through it. `scratch` takes what they become.
    pub fn segment(&mut self, frames: &[Vec<u8>], scratch: &mut [u8]) {
        let now = self.next;
        self.next += self.period_ns;
        let wire = &mut self.bus.link_mut().wire_mut().wire;
        wire.advance(now);
        for frame in frames {
            let Some(room) = scratch.get_mut(..frame.len()) else { continue };
            room.copy_from_slice(frame);
            std::hint::black_box(wire.pass(room, now));
        }
    }

    /// The segment.
    pub fn wire_mut(&mut self) -> &mut W {
        &mut self.tap().wire
    }

    fn tap(&mut self) -> &mut Tap<W> {
        self.bus.link_mut().wire_mut()
    }
}

/// Motors that stand: nothing behind the drives costs anything.
#[derive(Clone, Copy, Debug, Default)]
pub struct Still;

impl Process for Still {
    fn advance(&mut self, _now: u64) {}

    fn servo_command(&mut self, _device: usize, _command: &ServoCommand) {}

    fn servo_feedback(&self, _device: usize) -> ServoFeedback {
        ServoFeedback::default()
    }

    fn digital_inputs(&self, _device: usize) -> u64 {
        0
    }

    fn set_digital_outputs(&mut self, _device: usize, _bits: u64) {}

    fn analog_input(&self, _device: usize, _channel: usize) -> i16 {
        0
    }

    fn set_analog_output(&mut self, _device: usize, _channel: usize, _value: i16) {}
}

/// A segment of servo drives.
pub struct Servos(Segment<Still>);

impl Servos {
    /// `count` servo drives, powered, in Init.
    #[must_use]
    pub fn new(count: u16) -> Self {
        let devices = (0..count).map(|n| {
            let serial = u32::from(n) + 1;
            let identity =
                segment::Identity { vendor: VENDOR, product: PRODUCT, revision: 1, serial };
            Device::servo("SD-400", identity, ServoOptions::default())
        });
        Self(Segment::new(devices.collect(), Still))
    }
}

impl Wire for Servos {
    fn pass(&mut self, frame: &mut [u8], now: u64) -> bool {
        self.0.pass(frame, now)
    }

    fn advance(&mut self, now: u64) {
        self.0.advance(now);
    }

    fn round_trip_ns(&self, len: usize) -> u64 {
        self.0.round_trip_ns(len)
    }
}

/// `count` servo drives with distributed clocks, all of them switched on and holding.
///
/// # Panics
/// They do not come up: then nothing would be measured.
#[must_use]
pub fn servos(count: u16) -> Rig<Servos> {
    let mut rig = Rig::new(Servos::new(count), &servo_plan(count));
    let drives: Vec<_> = (0..count).map(|n| drive(SIGNALS_PER_SERVO * n)).collect();
    rig.hold(&drives);
    rig
}

/// Object, bits, signed: what the loop reads of a servo, and what it writes.
const INPUTS: [(u16, u8, bool); 5] = [
    (0x6041, 16, false),
    (0x6064, 32, true),
    (0x6061, 8, true),
    (0x6077, 16, true),
    (0x603F, 16, false),
];
const OUTPUTS: [(u16, u8, bool); 3] = [(0x6040, 16, false), (0x607A, 32, true), (0x6060, 8, true)];
const SIGNALS_PER_SERVO: u16 = 8;
/// The same, as a drive has it assigned when it is switched on; object 0: padding.
const DEFAULT_INPUTS: [(u16, u8, bool); 9] = [
    (0x6041, 16, false),
    (0x6064, 32, true),
    (0x6061, 8, true),
    (0, 8, false),
    (0x6077, 16, true),
    (0x60F4, 32, true),
    (0x603F, 16, false),
    (0x60FD, 32, false),
    (0x60BA, 32, true),
];
const DEFAULT_OUTPUTS: [(u16, u8, bool); 4] =
    [(0x6040, 16, false), (0x607A, 32, true), (0x6060, 8, true), (0, 8, false)];

/// Objects of a device: what is read, and what is written.
type Objects<'a> = (&'a [(u16, u8, bool)], &'a [(u16, u8, bool)]);

fn drive(first: u16) -> Drive {
    let signal = |n| SignalId(first + n);
    Drive {
        statusword: signal(0),
        actual: signal(1),
        controlword: signal(5),
        target: signal(6),
        mode: Some(signal(7)),
    }
}

/// The plan of `count` servo drives that run free, without SYNC0, with all the process data that they have by default: what any
/// MainDevice exchanges that is told nothing.
#[must_use]
pub fn free_plan(count: u16) -> BusPlan {
    let mut plan = servo_plan(count);
    plan.dc = None;
    for device in &mut plan.subdevices {
        device.sync0 = None;
        device.inputs = pdos(0x1A00, &DEFAULT_INPUTS);
        device.outputs = pdos(0x1600, &DEFAULT_OUTPUTS);
    }
    let drives = 0..usize::from(count);
    plan.signals = drives.flat_map(|n| signals(n, (&DEFAULT_INPUTS, &DEFAULT_OUTPUTS))).collect();
    plan
}

fn servo_plan(count: u16) -> BusPlan {
    let count = usize::from(count);
    BusPlan {
        period_ns: PERIOD_NS,
        receive_deadline_ns: 800_000,
        silent_cycles_max: 3,
        subdevices: (0..count).map(servo).collect(),
        sync_units: (0..count.div_ceil(SERVOS_PER_UNIT)).map(|n| format!("unit {n}")).collect(),
        signals: (0..count).flat_map(|n| signals(n, (&INPUTS, &OUTPUTS))).collect(),
        dc: Some(DcPlan {
            follow: Follow::Reference,
            frame_before_sync0_ns: 300_000,
            lock_window_ns: 1_000,
            lock_timeout_ns: 10_000_000_000,
        }),
        copies: Vec::new(),
    }
}

fn signals(
    subdevice: usize,
    (inputs, outputs): Objects<'_>,
) -> impl Iterator<Item = SignalPlan> + use<> {
    let place = move |objects: &[(u16, u8, bool)], direction| {
        let mut bit_offset = 0;
        let places = objects.iter().filter_map(|(index, bits, signed)| {
            let place =
                SignalPlan { subdevice, direction, bit_offset, bits: *bits, signed: *signed };
            bit_offset += u32::from(*bits);
            (*index != 0).then_some(place)
        });
        places.collect::<Vec<_>>()
    };
    place(inputs, Direction::Input).into_iter().chain(place(outputs, Direction::Output))
}

fn pdos(index: u16, objects: &[(u16, u8, bool)]) -> Vec<PdoPlan> {
    let entries = objects.iter().map(|(index, bits, signed)| PdoEntry {
        index: *index,
        subindex: 0,
        bits: *bits,
        signed: *signed,
        signal: None,
    });
    vec![PdoPlan { index, entries: entries.collect() }]
}

fn servo(position: usize) -> SubDevicePlan {
    let period =
        |subindex, value| StartupSdo { index: 0x60C2, subindex, value, verify_only: false };
    SubDevicePlan {
        name: format!("servo {position}"),
        identity: Identity { vendor: VENDOR, product: PRODUCT, revision: None, serial: None },
        sync_unit: Some(position / SERVOS_PER_UNIT),
        startup: vec![period(1, SdoValue::U8(1)), period(2, SdoValue::I8(-3))],
        inputs: pdos(0x1A00, &INPUTS),
        outputs: pdos(0x1600, &OUTPUTS),
        configurable_pdos: true,
        sync0: Some(Sync0Plan { cycle_ns: 1_000_000, shift_ns: 0 }),
        watchdog_ns: Some(100_000_000),
    }
}
