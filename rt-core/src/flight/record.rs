//! One cycle, in 64 bytes.

/// Phases of a cycle, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// The frames are given to the link.
    Send = 0,
    /// Until the last frame is back, or the deadline has passed.
    Receive,
    /// Working counters, device states, process image → inputs.
    Decode,
    /// What the cameras say, and the twin.
    Twin,
    /// Interlocks and the machine's state.
    Interlock,
    /// Program and motion.
    Program,
    /// The single exit.
    Gate,
    /// The records of this cycle.
    Records,
    /// Outputs → process image.
    Encode,
    /// The newest state is shown.
    Publish,
}

/// How many phases there are.
pub const PHASES: usize = 10;

impl Phase {
    /// All of them, in order.
    pub const ALL: [Self; PHASES] = [
        Self::Send,
        Self::Receive,
        Self::Decode,
        Self::Twin,
        Self::Interlock,
        Self::Program,
        Self::Gate,
        Self::Records,
        Self::Encode,
        Self::Publish,
    ];

    /// Its place in [`CycleStamps::over_ns`].
    #[must_use]
    #[expect(clippy::as_conversions, reason = "the numbers of a repr(u8) enum without data")]
    pub fn place(self) -> usize {
        usize::from(self as u8)
    }

    /// Its name in reports and traces.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::Receive => "receive",
            Self::Decode => "decode",
            Self::Twin => "twin",
            Self::Interlock => "interlock",
            Self::Program => "program",
            Self::Gate => "gate",
            Self::Records => "records",
            Self::Encode => "encode",
            Self::Publish => "publish",
        }
    }
}

/// The cycle was over only when the next one was due.
pub const OVERRUN: u16 = 1;
/// Periods were skipped before this cycle.
pub const SKIPPED: u16 = 1 << 1;
/// A group was stopped in this cycle.
pub const TRIP: u16 = 1 << 2;
/// A sync unit's working counter was not the expected one.
pub const UNITS_WRONG: u16 = 1 << 3;
/// DC is used and not locked.
pub const DC_UNLOCKED: u16 = 1 << 4;
/// A freeze was asked for before this cycle.
pub const REQUESTED: u16 = 1 << 5;
/// Periods were skipped because it woke so late, not because the cycle before it was an overrun.
pub const WOKE_LATE: u16 = 1 << 6;
/// Where the state of the bus stands in the flags, two bits: 0 starting, 1 operational, 2 faulted.
pub const BUS_SHIFT: u32 = 8;
/// Where the machine's state stands in the flags, two bits: 0 boot, 1 safe, 2 awaits start, 3 runs.
pub const MACHINE_SHIFT: u32 = 10;

/// One cycle: when it was due, how late it woke, when each phase was over, and what was wrong. Little endian in files, in this order.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CycleStamps {
    /// Number of the cycle, from 0.
    pub cycle: u64,
    /// When it was due, ns of CLOCK_MONOTONIC (or virtual time).
    pub due: u64,
    /// Actual − scheduled wake, ns.
    pub latency_ns: u32,
    /// When each [`Phase`] was over, ns after the wake; never falling. All durations saturate at 4.29 s.
    pub over_ns: [u32; PHASES],
    /// Whole periods skipped before it.
    pub skipped: u16,
    /// [`OVERRUN`], [`SKIPPED`], …
    pub flags: u16,
}

/// Bytes of a record.
pub const RECORD_BYTES: usize = 64;
const _: () = assert!(size_of::<CycleStamps>() == RECORD_BYTES);
// No padding: every byte is said above.
const _: () = assert!(8 + 8 + 4 + 4 * PHASES + 2 + 2 == RECORD_BYTES);

impl CycleStamps {
    /// When it woke, ns.
    #[must_use]
    pub fn wake(&self) -> u64 {
        self.due.saturating_add(u64::from(self.latency_ns))
    }

    /// Wake to publish, ns.
    #[must_use]
    pub fn execution_ns(&self) -> u32 {
        let [.., last] = self.over_ns;
        last
    }

    /// Each phase: when it began, ns after the wake, and how long it took.
    pub fn phases(&self) -> impl Iterator<Item = (Phase, u32, u32)> {
        let began = core::iter::once(0).chain(self.over_ns);
        Phase::ALL
            .into_iter()
            .zip(began.zip(self.over_ns))
            .map(|(phase, (began, over))| (phase, began, over.saturating_sub(began)))
    }

    /// One of its flags is set.
    #[must_use]
    pub fn is(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }

    /// As it stands in files.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; RECORD_BYTES] {
        let mut bytes = [0; RECORD_BYTES];
        let stamps = self.over_ns.iter().flat_map(|ns| ns.to_le_bytes());
        let all = self
            .cycle
            .to_le_bytes()
            .into_iter()
            .chain(self.due.to_le_bytes())
            .chain(self.latency_ns.to_le_bytes())
            .chain(stamps)
            .chain(self.skipped.to_le_bytes())
            .chain(self.flags.to_le_bytes());
        for (place, byte) in bytes.iter_mut().zip(all) {
            *place = byte;
        }
        bytes
    }

    /// From a file.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; RECORD_BYTES]) -> Self {
        let mut rest = bytes.iter().copied();
        let cycle = u64::from_le_bytes(next(&mut rest));
        let due = u64::from_le_bytes(next(&mut rest));
        let latency_ns = u32::from_le_bytes(next(&mut rest));
        let over_ns = core::array::from_fn(|_| u32::from_le_bytes(next(&mut rest)));
        let skipped = u16::from_le_bytes(next(&mut rest));
        let flags = u16::from_le_bytes(next(&mut rest));
        Self { cycle, due, latency_ns, over_ns, skipped, flags }
    }
}

/// The next bytes; they are there by the sizes asserted above.
pub(super) fn next<const N: usize>(bytes: &mut impl Iterator<Item = u8>) -> [u8; N] {
    core::array::from_fn(|_| bytes.next().unwrap_or(0))
}
