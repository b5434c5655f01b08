//! A camera that is triggered over a belt and an ejector behind it: what became of each part, in truth.

use crate::conveyor::Part;
use crate::datagram::{RESULT_LENGTH, Verdict, encode_result};
use crate::num::{Rng, nearest_i32};

/// Results on their way, at most.
const QUEUE: usize = 64;
/// A camera sees a part whose middle is this far from where it looks, parts of its length.
const SIGHT: f64 = 0.5;

/// Camera and ejector of an inspection. Shares are of all parts, 0 ..= 1.
#[derive(Clone, Debug, PartialEq)]
pub struct StationPlan {
    /// Stream id that results carry.
    pub stream_id: u16,
    /// Configuration hash that results carry.
    pub config_hash: u64,
    /// Output that triggers the camera.
    pub trigger: usize,
    /// Output of the ejector.
    pub reject: usize,
    /// Where the camera looks, mm along the belt.
    pub camera_at: f64,
    /// Where the ejector is, mm along the belt.
    pub reject_at: f64,
    /// From the ejector's output until it acts, ns.
    pub reject_delay_ns: u64,
    /// How far from the ejector the middle of a part may be that it takes, mm, above 0.
    pub reach: f64,
    /// From the picture until its result is sent, ns.
    pub delay_ns: u64,
    /// The delay is up to this much longer, ns.
    pub delay_jitter_ns: u64,
    /// Late results come so much later, ns.
    pub late_by_ns: u64,
    /// Parts slip by up to this much, either way, before the camera, mm.
    pub slip: f64,
    /// Bad parts.
    pub bad: f64,
    /// Late results.
    pub late: f64,
    /// Pictures without a result.
    pub silent: f64,
    /// Results that say nothing.
    pub unknown: f64,
    /// Results that are sent twice.
    pub repeated: f64,
    /// Results made for another machine file.
    pub wrong_hash: f64,
    /// Results with the number of the trigger before.
    pub wrong_trigger: f64,
    /// Triggers that the camera does not hear.
    pub deaf: f64,
}

/// What became of the parts that passed the ejector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StationCounts {
    /// Good ones that went on.
    pub good_kept: u64,
    /// Good ones that the ejector took.
    pub good_ejected: u64,
    /// Of those: their camera had done all that it must, in time.
    pub good_ejected_clean: u64,
    /// Bad ones that went on.
    pub bad_kept: u64,
    /// Bad ones that the ejector took.
    pub bad_ejected: u64,
    /// Pulses of the trigger.
    pub triggers: u64,
    /// Pictures without a part in them.
    pub empty: u64,
    /// Results sent, repeated ones as well.
    pub results: u64,
}

/// A part that was taken, and how well.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Ejection {
    /// When its middle passed the ejector, ns.
    pub passed_at: u64,
    /// Since when the ejector acted, ns.
    pub acts_since: u64,
    /// How fast the belt was, mm/s.
    pub speed: f64,
}

#[derive(Clone, Copy, Debug)]
struct Sent {
    due: u64,
    bytes: [u8; RESULT_LENGTH],
}

#[derive(Clone, Debug)]
pub(crate) struct Station {
    pub(crate) plan: StationPlan,
    part_length: f64,
    rng: Rng,
    sequence: u64,
    /// Triggers as the camera counts them.
    heard: u64,
    triggered: bool,
    acted: bool,
    /// Edges of the ejector's output that have not come through its delay, the oldest first: when it acts so, and how.
    edges: Vec<(u64, bool)>,
    output: bool,
    acts_since: u64,
    queue: Vec<Sent>,
    counts: StationCounts,
    last: Option<Ejection>,
}

impl Station {
    pub(crate) fn check(plan: &StationPlan) -> Result<(), &'static str> {
        let shares = [
            plan.bad,
            plan.late,
            plan.silent,
            plan.unknown,
            plan.repeated,
            plan.wrong_hash,
            plan.wrong_trigger,
            plan.deaf,
        ];
        if !shares.iter().all(|share| (0.0..=1.0).contains(share)) {
            return Err("station: shares");
        }
        let places = plan.camera_at >= 0.0 && plan.reject_at > plan.camera_at;
        if !places || !plan.reject_at.is_finite() {
            return Err("station: camera_at, reject_at");
        }
        let lengths = plan.reach > 0.0 && plan.reach.is_finite();
        if !(lengths && plan.slip >= 0.0 && plan.slip.is_finite()) {
            return Err("station: reach, slip");
        }
        Ok(())
    }

    pub(crate) fn new(plan: StationPlan, part_length: f64, rng: Rng) -> Self {
        Self {
            plan,
            part_length,
            rng,
            sequence: 0,
            heard: 0,
            triggered: false,
            acted: false,
            edges: Vec::with_capacity(QUEUE),
            output: false,
            acts_since: 0,
            queue: Vec::with_capacity(QUEUE),
            counts: StationCounts::default(),
            last: None,
        }
    }

    /// A part appears.
    pub(crate) fn draw(&mut self, part: &mut Part) {
        part.bad = self.rng.unit() < self.plan.bad;
        part.slip = self.plan.slip * self.rng.symmetric();
    }

    /// One tick: the belt is at `belt`, the outputs are so.
    pub(crate) fn advance(
        &mut self,
        parts: &mut [Part],
        (belt, speed): (f64, f64),
        (trigger, reject): (bool, bool),
        now: u64,
    ) {
        let acts = self.follow(reject, now);
        if trigger && !self.triggered {
            self.picture(parts, belt, now);
        }
        self.triggered = trigger;
        for part in parts {
            // It slips as soon as it is half way to the camera.
            let at = part.at(belt);
            if part.slip != 0.0 && at > self.plan.camera_at - self.part_length {
                part.appeared -= part.slip;
                part.slip = 0.0;
            }
            let beyond = part.at(belt) - self.plan.reject_at;
            part.taken |= acts && beyond.abs() <= self.plan.reach;
            if !part.passed && beyond >= 0.0 {
                part.passed = true;
                if part.taken {
                    self.last =
                        Some(Ejection { passed_at: now, acts_since: self.acts_since, speed });
                }
            }
            if part.passed && !part.counted && beyond > self.plan.reach {
                part.counted = true;
                self.count(part);
            }
        }
    }

    /// What the ejector does: what its output did, its delay ago.
    fn follow(&mut self, reject: bool, now: u64) -> bool {
        if reject != self.output && self.edges.len() < QUEUE {
            self.output = reject;
            self.edges.push((now.saturating_add(self.plan.reject_delay_ns), reject));
        }
        while let Some((at, on)) = self.edges.first().copied().filter(|(at, _)| *at <= now) {
            if on && !self.acted {
                self.acts_since = at;
            }
            self.acted = on;
            self.edges.remove(0);
        }
        self.acted
    }

    fn count(&mut self, part: &Part) {
        let counts = &mut self.counts;
        let place = match (part.bad, part.taken) {
            (false, false) => &mut counts.good_kept,
            (false, true) => &mut counts.good_ejected,
            (true, false) => &mut counts.bad_kept,
            (true, true) => &mut counts.bad_ejected,
        };
        *place = place.saturating_add(1);
        if !part.bad && part.taken && part.clean {
            counts.good_ejected_clean = counts.good_ejected_clean.saturating_add(1);
        }
    }

    fn picture(&mut self, parts: &mut [Part], belt: f64, now: u64) {
        self.counts.triggers = self.counts.triggers.saturating_add(1);
        let plan = self.plan.clone();
        if self.rng.unit() < plan.deaf {
            return;
        }
        self.heard = self.heard.saturating_add(1);
        let ahead = |part: &Part| part.at(belt) - plan.camera_at;
        let seen = parts
            .iter_mut()
            .filter(|part| ahead(part).abs() <= self.part_length * SIGHT)
            .min_by(|a, b| ahead(a).abs().total_cmp(&ahead(b).abs()));
        let mut draw = |share: f64| self.rng.unit() < share;
        let faults =
            [plan.silent, plan.unknown, plan.repeated, plan.wrong_hash, plan.wrong_trigger];
        let [silent, unknown, repeated, wrong_hash, wrong_trigger] = faults.map(&mut draw);
        let late = draw(plan.late);
        let clean = !(silent || unknown || repeated || wrong_hash || wrong_trigger || late);
        let (verdict, ahead) = match seen {
            Some(part) => {
                part.clean = clean;
                let bad = if part.bad { Verdict::Bad } else { Verdict::Good };
                (if unknown { Verdict::Unknown } else { bad }, ahead(part))
            }
            None => {
                self.counts.empty = self.counts.empty.saturating_add(1);
                (Verdict::Unknown, 0.0)
            }
        };
        if silent {
            return;
        }
        let jitter = self.rng.up_to(plan.delay_jitter_ns);
        let late_by = if late { plan.late_by_ns } else { 0 };
        let due = now.saturating_add(plan.delay_ns).saturating_add(jitter).saturating_add(late_by);
        for _ in 0..=u8::from(repeated) {
            let trigger = self.heard.saturating_sub(u64::from(wrong_trigger));
            let hash = if wrong_hash { !plan.config_hash } else { plan.config_hash };
            let ahead_um = nearest_i32(ahead * 1_000.0);
            self.send(due, |sequence| {
                encode_result(plan.stream_id, hash, sequence, now, trigger, verdict, ahead_um)
            });
        }
    }

    /// Results may overtake each other: each has its sequence when it leaves.
    fn send(&mut self, due: u64, bytes: impl FnOnce(u64) -> [u8; RESULT_LENGTH]) {
        if self.queue.len() < QUEUE {
            self.queue.push(Sent { due, bytes: bytes(0) });
            self.counts.results = self.counts.results.saturating_add(1);
        }
    }

    /// The result that leaves next, if it is due.
    pub(crate) fn take(&mut self, now: u64, into: &mut [u8; RESULT_LENGTH]) -> bool {
        let due = self.queue.iter().enumerate().filter(|(_, sent)| sent.due <= now);
        let Some((place, _)) = due.min_by_key(|(_, sent)| sent.due) else { return false };
        self.sequence = self.sequence.saturating_add(1);
        *into = self.queue.remove(place).bytes;
        crate::datagram::stamp_result(into, self.sequence);
        true
    }

    pub(crate) fn counts(&self) -> StationCounts {
        self.counts
    }

    pub(crate) fn last(&self) -> Option<Ejection> {
        self.last
    }
}
