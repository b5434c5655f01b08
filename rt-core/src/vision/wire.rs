//! The bytes of version 2, as `docs/vision-channel.md` lays them out. Nothing here says whether a datagram counts.

use super::{DATAGRAM_LENGTH, INSPECTION_LENGTH, OBJECTS_MAX, VALUES_MAX};
use twin_lite::taped;

/// Version of the format.
pub const VERSION: u8 = 2;
/// What every kind begins with, bytes.
pub const HEADER_LENGTH: usize = 40;
/// Length of a datagram of zone states, bytes.
pub const ZONES_LENGTH: usize = 52;
/// Length of a receipt, bytes.
pub const RECEIPT_LENGTH: usize = 76;
/// Length of a clock exchange, bytes.
pub const CLOCK_LENGTH: usize = 60;
/// Bit 0 of the flags: the capture time is of the sender's own clock.
const OWN_CLOCK: u8 = 1;
/// Where the objects begin in a datagram, and how long one is, bytes.
const OBJECTS_AT: usize = 48;
const OBJECT_LENGTH: usize = 24;

/// What a datagram is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// Zones, and up to 16 objects.
    #[default]
    Occupancy,
    /// Zones alone.
    Zones,
    /// What became of a part that was looked at.
    Inspection,
    /// From the receiver to the sender: what became of a datagram.
    Receipt,
    /// From a sender with a clock of its own: when a receipt reached it.
    Clock,
}

impl Kind {
    /// Of the byte that stands for it.
    #[must_use]
    pub fn of(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Occupancy),
            2 => Some(Self::Zones),
            3 => Some(Self::Inspection),
            4 => Some(Self::Receipt),
            5 => Some(Self::Clock),
            _ => None,
        }
    }

    /// The byte that stands for it.
    #[must_use]
    pub fn byte(self) -> u8 {
        match self {
            Self::Occupancy => 1,
            Self::Zones => 2,
            Self::Inspection => 3,
            Self::Receipt => 4,
            Self::Clock => 5,
        }
    }

    /// How long such a datagram is, bytes.
    #[must_use]
    pub fn length(self) -> usize {
        match self {
            Self::Occupancy => DATAGRAM_LENGTH,
            Self::Zones => ZONES_LENGTH,
            Self::Inspection => INSPECTION_LENGTH,
            Self::Receipt => RECEIPT_LENGTH,
            Self::Clock => CLOCK_LENGTH,
        }
    }
}

/// What every datagram begins with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// What it is about.
    pub kind: Kind,
    /// Stream id of the sender.
    pub wire_id: u16,
    /// Machine file the sender was set up for.
    pub config_hash: u64,
    /// Goes up by 1 with each datagram.
    pub sequence: u64,
    /// When the picture was taken, ns: CLOCK_MONOTONIC of this host, or the sender's own clock. In a receipt: when it was sent.
    pub captured_at: u64,
    /// ns.
    pub exposure_ns: u32,
    /// 0 to 100.
    pub quality: u8,
    /// The picture moves as live pictures do. In a receipt: what was refused, as a number.
    pub liveness: u8,
    /// How many objects were seen. In a receipt: 1 judged, 2 taken by the loop.
    pub count: u8,
    /// `captured_at` is of the sender's own clock.
    pub own_clock: bool,
}

/// Reads what every kind begins with; `None`: that is none, or not as long as its kind is.
#[must_use]
pub fn header(bytes: &[u8]) -> Option<Header> {
    let (magic, rest) = bytes.split_first_chunk::<4>()?;
    let (&[version, kind], rest) = rest.split_first_chunk::<2>()?;
    let (wire_id, rest) = rest.split_first_chunk::<2>()?;
    let (config_hash, rest) = rest.split_first_chunk::<8>()?;
    let (sequence, rest) = rest.split_first_chunk::<8>()?;
    let (captured_at, rest) = rest.split_first_chunk::<8>()?;
    let (exposure, rest) = rest.split_first_chunk::<4>()?;
    let (&[quality, liveness, count, flags], _) = rest.split_first_chunk::<4>()?;
    let kind = Kind::of(kind)?;
    let well_formed = magic == b"TVIS"
        && version == VERSION
        && bytes.len() == kind.length()
        && quality <= 100
        && flags & !OWN_CLOCK == 0
        && match kind {
            Kind::Occupancy => liveness <= 1 && usize::from(count) <= OBJECTS_MAX,
            Kind::Zones | Kind::Inspection | Kind::Clock => liveness <= 1 && count == 0,
            Kind::Receipt => true,
        };
    well_formed.then(|| Header {
        kind,
        wire_id: u16::from_le_bytes(*wire_id),
        config_hash: u64::from_le_bytes(*config_hash),
        sequence: u64::from_le_bytes(*sequence),
        captured_at: u64::from_le_bytes(*captured_at),
        exposure_ns: u32::from_le_bytes(*exposure),
        quality,
        liveness,
        count,
        own_clock: flags & OWN_CLOCK != 0,
    })
}

/// What a datagram of occupancy or zones says, before anyone asked whether it counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Occupancy {
    /// Stream id of the sender.
    pub wire_id: u16,
    /// Machine file the sender was set up for.
    pub config_hash: u64,
    /// Goes up by 1 with each datagram.
    pub sequence: u64,
    /// When the picture was taken, ns of CLOCK_MONOTONIC.
    pub captured_at: u64,
    /// 0 to 100.
    pub quality: u8,
    /// The picture moves as live pictures do.
    pub live: bool,
    /// How many objects were seen.
    pub objects: u8,
    /// `captured_at` is of the sender's own clock.
    pub own_clock: bool,
    /// Zones looked at.
    pub evaluated: u32,
    /// Zones with something in them.
    pub occupied: u32,
}

taped!(Occupancy {
    wire_id,
    config_hash,
    sequence,
    captured_at,
    quality,
    live,
    objects,
    own_clock,
    evaluated,
    occupied,
});

impl Occupancy {
    /// Zones that are clear, bit by bit: evaluated and not occupied.
    #[must_use]
    pub fn clear(&self) -> u32 {
        self.evaluated & !self.occupied
    }
}

/// Something that a camera sees, in cell coordinates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Object {
    /// mm.
    pub x: i32,
    /// mm.
    pub y: i32,
    /// mm/s.
    pub vx: i32,
    /// mm/s.
    pub vy: i32,
    /// mm.
    pub radius: u32,
    /// How far from the truth `x` and `y` may be, mm.
    pub uncertainty: u32,
}

impl Object {
    /// Nothing.
    pub(super) const NONE: Self = Self { x: 0, y: 0, vx: 0, vy: 0, radius: 0, uncertainty: 0 };
}

taped!(Object { x, y, vx, vy, radius, uncertainty });

/// The datagram in a place that has room for the longest: as long as its kind is, with nothing but zeros behind it.
#[must_use]
pub fn exact(place: &[u8; DATAGRAM_LENGTH]) -> Option<&[u8]> {
    let kind = place.get(5).copied().and_then(Kind::of)?;
    let (datagram, rest) = place.split_at_checked(kind.length())?;
    rest.iter().all(|byte| *byte == 0).then_some(datagram)
}

/// The CRC that a datagram in its place carries, as far as one can be found.
#[must_use]
pub fn carried_crc(place: &[u8; DATAGRAM_LENGTH]) -> u32 {
    let crc = exact(place).and_then(|datagram| datagram.last_chunk::<4>());
    u32::from_le_bytes(crc.copied().unwrap_or_default())
}

/// Reads the fields of a datagram of occupancy or zones whose format is right.
#[must_use]
pub fn parse(place: &[u8; DATAGRAM_LENGTH]) -> Option<Occupancy> {
    let bytes = exact(place)?;
    let header = header(bytes)?;
    if !matches!(header.kind, Kind::Occupancy | Kind::Zones) {
        return None;
    }
    let (evaluated, rest) = bytes.get(HEADER_LENGTH..)?.split_first_chunk::<4>()?;
    let (occupied, _objects) = rest.split_first_chunk::<4>()?;
    Some(Occupancy {
        wire_id: header.wire_id,
        config_hash: header.config_hash,
        sequence: header.sequence,
        captured_at: header.captured_at,
        quality: header.quality,
        live: header.liveness == 1,
        objects: header.count,
        own_clock: header.own_clock,
        evaluated: u32::from_le_bytes(*evaluated),
        occupied: u32::from_le_bytes(*occupied),
    })
}

/// What is where, of a datagram whose format is right; of any other, nothing.
pub fn objects(bytes: &[u8; DATAGRAM_LENGTH]) -> impl Iterator<Item = Object> + '_ {
    let count = parse(bytes).map_or(0, |occupancy| usize::from(occupancy.objects));
    let places = bytes.get(OBJECTS_AT..).unwrap_or_default().chunks_exact(OBJECT_LENGTH);
    places.take(count.min(OBJECTS_MAX)).map(object)
}

fn word(bytes: &[u8], place: usize) -> [u8; 4] {
    let at = bytes.get(place.saturating_mul(4)..);
    at.and_then(|rest| rest.first_chunk::<4>()).copied().unwrap_or_default()
}

fn object(bytes: &[u8]) -> Object {
    Object {
        x: i32::from_le_bytes(word(bytes, 0)),
        y: i32::from_le_bytes(word(bytes, 1)),
        vx: i32::from_le_bytes(word(bytes, 2)),
        vy: i32::from_le_bytes(word(bytes, 3)),
        radius: u32::from_le_bytes(word(bytes, 4)),
        uncertainty: u32::from_le_bytes(word(bytes, 5)),
    }
}

/// What an inspection found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verdict {
    /// It could not tell; whoever rejects parts rejects this one.
    #[default]
    Unknown,
    /// The part is good.
    Good,
    /// It is not.
    Bad,
}

/// What became of a part that was looked at, before anyone asked whether it counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Inspection {
    /// What every datagram says.
    pub header: Header,
    /// The trigger that it answers.
    pub trigger: u64,
    /// What was found.
    pub verdict: Verdict,
    /// How sure of it, millionths.
    pub score: u32,
    /// How many values were measured.
    pub value_count: u8,
    /// What was measured; camera process and machine agree on the units.
    pub values: [i32; VALUES_MAX],
}

/// Most of a score: millionths.
const SCORE_MAX: u32 = 1_000_000;

/// Reads an inspection result whose format is right.
#[must_use]
pub fn inspection(bytes: &[u8; INSPECTION_LENGTH]) -> Option<Inspection> {
    let header = header(bytes).filter(|header| header.kind == Kind::Inspection)?;
    let (trigger, rest) = bytes.get(HEADER_LENGTH..)?.split_first_chunk::<8>()?;
    let (&[verdict, value_count, reserved, reserved_too], rest) = rest.split_first_chunk::<4>()?;
    let (score, rest) = rest.split_first_chunk::<4>()?;
    let verdict = match verdict {
        0 => Verdict::Unknown,
        1 => Verdict::Good,
        2 => Verdict::Bad,
        _ => return None,
    };
    let score = u32::from_le_bytes(*score);
    let mut values = [0; VALUES_MAX];
    for (place, value) in values.iter_mut().take(usize::from(value_count)).enumerate() {
        *value = i32::from_le_bytes(word(rest, place));
    }
    let well_formed = usize::from(value_count) <= VALUES_MAX
        && score <= SCORE_MAX
        && reserved == 0
        && reserved_too == 0;
    well_formed.then_some(Inspection {
        header,
        trigger: u64::from_le_bytes(*trigger),
        verdict,
        score,
        value_count,
        values,
    })
}
