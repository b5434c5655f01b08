//! A camera and its process: takes pictures at its own pace, sees persons with noise, sends
//! datagrams late.

use crate::datagram::{DATAGRAM_LENGTH, OBJECTS_MAX, Object, Picture, encode, spoil};
use crate::geometry::{Area, Point};
use crate::num::{Rng, nearest_i32};
use crate::person::Person;

/// A camera.
#[derive(Clone, Debug, PartialEq)]
pub struct CameraPlan {
    /// Stream id that its datagrams carry.
    pub stream_id: u16,
    /// Configuration hash that its datagrams carry.
    pub config_hash: u64,
    /// Sequence of the first datagram, above 0.
    pub first_sequence: u64,
    /// First picture, ns since the start of the world.
    pub start_ns: u64,
    /// Between pictures, ns, at least 1 ms.
    pub period_ns: u64,
    /// A picture is taken up to this much after its time, ns, below the period; it does not add up.
    pub jitter_ns: u64,
    /// From the picture to the datagram, ns.
    pub delay_ns: u64,
    /// The delay is up to this much longer, ns.
    pub delay_jitter_ns: u64,
    /// Exposure, ns.
    pub exposure_ns: u32,
    /// What the process thinks of its pictures, 0 ..= 100.
    pub quality: u8,
    /// What it can see.
    pub view: Area,
    /// Bit n of the zone words is zone `zones[n]` of the plan; at most 32. A zone that is not
    /// wholly in view is not evaluated.
    pub zones: Vec<usize>,
    /// Standard deviation of a position, mm, ≥ 0; the uncertainty it reports is three times that.
    pub noise_mm: f64,
}

/// How a camera misbehaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CameraFault {
    /// It does not.
    #[default]
    None,
    /// The picture stands still and the process notices: new sequence and capture time, old
    /// content, liveness 0.
    Freeze,
    /// Nothing comes.
    Silence,
    /// The CRC does not fit.
    WrongCrc,
    /// Made for another machine file.
    WrongHash,
    /// The last datagram again, byte for byte.
    Repeat,
    /// The picture is poor: this quality.
    Quality(u8),
    /// Datagrams come later by this, ns.
    Lag(u64),
}

/// Datagrams on their way, at most: 2 s at 30 Hz.
const QUEUE: usize = 64;

#[derive(Clone, Copy, Debug)]
struct Sent {
    due: u64,
    bytes: [u8; DATAGRAM_LENGTH],
}

/// One camera.
#[derive(Clone, Debug)]
pub(crate) struct Camera {
    plan: CameraPlan,
    rng: Rng,
    fault: CameraFault,
    evaluated: u32,
    sequence: u64,
    /// The picture's time without jitter.
    slot: u64,
    next: u64,
    last: Option<Picture>,
    last_bytes: Option<[u8; DATAGRAM_LENGTH]>,
    queue: Vec<Sent>,
    head: usize,
    waiting: usize,
    dropped: u64,
}

impl Camera {
    pub(crate) fn check(plan: &CameraPlan, zones: usize) -> Result<(), &'static str> {
        if plan.period_ns < 1_000_000 {
            return Err("period_ns");
        }
        if plan.jitter_ns >= plan.period_ns {
            return Err("jitter_ns");
        }
        if plan.first_sequence == 0 {
            return Err("first_sequence");
        }
        if plan.quality > 100 {
            return Err("quality");
        }
        if plan.zones.len() > 32 || plan.zones.iter().any(|&zone| zone >= zones) {
            return Err("zones");
        }
        if !plan.view.is_valid() {
            return Err("view");
        }
        if !(plan.noise_mm.is_finite() && plan.noise_mm >= 0.0) {
            return Err("noise_mm");
        }
        Ok(())
    }

    /// The plan has been checked.
    pub(crate) fn new(plan: CameraPlan, zones: &[Area], rng: Rng, start_ns: u64) -> Self {
        let mut evaluated = 0;
        for (bit, &zone) in plan.zones.iter().enumerate().take(32) {
            if zones.get(zone).is_some_and(|zone| plan.view.covers(zone)) {
                evaluated |= 1 << bit;
            }
        }
        let slot = start_ns.saturating_add(plan.start_ns);
        Self {
            sequence: plan.first_sequence,
            rng,
            fault: CameraFault::None,
            evaluated,
            slot,
            next: slot,
            last: None,
            last_bytes: None,
            queue: vec![Sent { due: 0, bytes: [0; DATAGRAM_LENGTH] }; QUEUE],
            head: 0,
            waiting: 0,
            dropped: 0,
            plan,
        }
    }

    pub(crate) fn set_fault(&mut self, fault: CameraFault) {
        self.fault = fault;
    }

    /// When the next picture is due.
    pub(crate) fn next_capture(&self) -> u64 {
        self.next
    }

    /// Takes the picture that is due.
    pub(crate) fn capture(&mut self, now: u64, persons: &[Person], zones: &[Area]) {
        // Pictures missed while nobody called are skipped; the grid stays.
        let behind = now.saturating_sub(self.slot) / self.plan.period_ns;
        let slots = behind.saturating_add(1).saturating_mul(self.plan.period_ns);
        self.slot = self.slot.saturating_add(slots);
        self.next = self.slot.saturating_add(self.rng.up_to(self.plan.jitter_ns));
        let delay = self.plan.delay_ns.saturating_add(self.rng.up_to(self.plan.delay_jitter_ns));
        let seen = self.look(now, persons, zones);
        let Some(bytes) = self.datagram(now, seen) else { return };
        let lag = if let CameraFault::Lag(lag) = self.fault { lag } else { 0 };
        self.last_bytes = Some(bytes);
        self.send(Sent { due: now.saturating_add(delay).saturating_add(lag), bytes });
    }

    /// What the process makes of the picture, `None` if nothing is sent.
    fn datagram(&mut self, now: u64, seen: Picture) -> Option<[u8; DATAGRAM_LENGTH]> {
        let mut picture = seen;
        match self.fault {
            CameraFault::None | CameraFault::WrongCrc | CameraFault::Lag(_) => {}
            CameraFault::Silence => return None,
            CameraFault::Repeat => {
                if let Some(bytes) = self.last_bytes {
                    return Some(bytes);
                }
            }
            CameraFault::Freeze => {
                let frozen = self.last.unwrap_or(picture);
                picture = Picture { captured_at: now, alive: false, ..frozen };
            }
            CameraFault::WrongHash => picture.config_hash = !picture.config_hash,
            CameraFault::Quality(quality) => picture.quality = quality.min(100),
        }
        picture.sequence = self.sequence;
        self.sequence = self.sequence.saturating_add(1);
        if self.fault != CameraFault::Freeze {
            self.last = Some(seen);
        }
        let mut bytes = encode(&picture);
        if self.fault == CameraFault::WrongCrc {
            spoil(&mut bytes);
        }
        Some(bytes)
    }

    fn look(&mut self, now: u64, persons: &[Person], zones: &[Area]) -> Picture {
        let mut picture = Picture {
            stream_id: self.plan.stream_id,
            config_hash: self.plan.config_hash,
            captured_at: now,
            exposure_ns: self.plan.exposure_ns,
            quality: self.plan.quality,
            alive: true,
            zones_evaluated: self.evaluated,
            ..Picture::default()
        };
        let uncertainty = 3.0 * self.plan.noise_mm;
        let mut seen = 0;
        for person in persons.iter().filter_map(Person::state) {
            if !self.plan.view.contains(person.at) || seen >= OBJECTS_MAX {
                continue;
            }
            // Bounded, so that in x and y together nobody is farther off than the uncertainty says.
            let mut noisy =
                |value: f64| value + self.plan.noise_mm * self.rng.bell().clamp(-2.12, 2.12);
            let at = Point::new(noisy(person.at.x), noisy(person.at.y));
            let velocity = Point::new(noisy(person.velocity.x), noisy(person.velocity.y));
            picture.zones_occupied |= self.occupied(at, person.radius_mm + uncertainty, zones);
            if let Some(object) = picture.objects.get_mut(seen) {
                *object = Object {
                    x: nearest_i32(at.x),
                    y: nearest_i32(at.y),
                    vx: nearest_i32(velocity.x),
                    vy: nearest_i32(velocity.y),
                    radius: nearest_i32(person.radius_mm).unsigned_abs(),
                    uncertainty: nearest_i32(uncertainty).unsigned_abs(),
                };
            }
            seen += 1;
        }
        picture.object_count = u8::try_from(seen).unwrap_or(u8::MAX);
        picture
    }

    fn occupied(&self, at: Point, reach: f64, zones: &[Area]) -> u32 {
        let mut bits = 0;
        for (bit, &zone) in self.plan.zones.iter().enumerate().take(32) {
            if zones.get(zone).is_some_and(|zone| zone.touches(at, reach)) {
                bits |= 1 << bit;
            }
        }
        bits
    }

    fn send(&mut self, sent: Sent) {
        if self.waiting >= QUEUE {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        if let Some(place) = self.queue.get_mut((self.head + self.waiting) % QUEUE) {
            *place = sent;
            self.waiting += 1;
        }
    }

    /// The oldest datagram that has arrived by `now`; they never overtake each other.
    pub(crate) fn take(&mut self, now: u64, into: &mut [u8; DATAGRAM_LENGTH]) -> bool {
        if self.waiting == 0 {
            return false;
        }
        match self.queue.get(self.head) {
            Some(sent) if sent.due <= now => *into = sent.bytes,
            _ => return false,
        }
        self.head = (self.head + 1) % QUEUE;
        self.waiting -= 1;
        true
    }

    /// Datagrams that found no place in the queue.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }
}
