//! What has changed in an axis since it was commissioned: residuals against a baseline, EWMA and two-sided CUSUM.
//!
//! Blocks of ISO 13374-1: acquisition and manipulation are [`crate::window`]; state detection is here; health assessment and advisory
//! are made of it outside the loop.
//!
//! 1. *Settle*: the identifier learns the axis for [`SETTLE`] windows; then a copy of it is the reference.
//! 2. *Learn*: what the reference leaves unexplained, gathered over blocks of [`BLOCK`] windows, is described by mean and
//!    standard deviation for each channel, over [`LEARN`] blocks.
//! 3. *Watch*: each block's value becomes `z = (value − mean) ÷ deviation`, clipped to ± [`CLIP`].
//!    `EWMA: m += λ·(z − m)`, alarm beyond `L·√(λ ÷ (2 − λ))`. `CUSUM: up = max(0, up + z − k)`, `down = max(0, down − z − k)`, alarm beyond `h`.
//!
//! | channel | value of a block, r = residual torque ÷ rated | moved by |
//! | --- | --- | --- |
//! | load | mean r | gravity, a torque sensor that drifts |
//! | friction | mean r·direction | friction, a brake that drags, a bearing |
//! | inertia | Σ r·φ ÷ Σ φ², φ = J·acceleration ÷ rated | payload, a belt that slips |
//! | roughness | √ mean of squared innovations | play, a bearing |
//! | ripple | √ mean variance of torque ÷ rated within windows that slow down, over [`RIPPLE`] of them | a slack belt, play |
//!
//! What a load that is held loosely does shows when the motor slows it: it overtakes, and swings.
//!
//! Source: Page, "Continuous inspection schemes", Biometrika 41 (1954); Montgomery, "Introduction to Statistical Quality Control", ch. 9.
//! Delay and false alarm rate are measured, not derived: `docs/twin.md`.

use crate::identify::Identifier;
use crate::window::Averages;
use crate::{math, taped, taped_enum};

/// Windows with a direction until the reference is taken.
pub const SETTLE: u32 = 160;
/// Windows of a block.
pub const BLOCK: u32 = 16;
/// Blocks that describe what is usual.
pub const LEARN: u32 = 32;
/// Values beyond this many deviations count as this many.
pub const CLIP: f64 = 6.0;
/// Part of a new value in the EWMA.
const LAMBDA: f64 = 0.2;
/// √(λ ÷ (2 − λ)).
const LAMBDA_DEVIATION: f64 = 1.0 / 3.0;
/// Least deviation of a channel, so that an axis that repeats itself exactly does not cry at nothing.
const LEAST: [f64; CHANNELS] = [0.004, 0.004, 0.02, 0.000_5, 0.000_5];
/// Σ φ² of a block that says something of inertia.
const ACCELERATES: f64 = 0.01;
/// With more than this, J·acceleration ÷ rated against the motion, a window slows down.
const SLOWS: f64 = 0.05;
/// So many windows in a row must slow down before one tells of ripple: what began with the slowing has died out.
const SLOWS_BEFORE: u8 = 2;
/// Windows that slow down until ripple is judged.
pub const RIPPLE: u32 = 4;
/// Channels.
pub const CHANNELS: usize = 5;

/// What is watched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Channel {
    /// Constant part.
    #[default]
    Load,
    /// Part along the motion.
    Friction,
    /// Part along the acceleration.
    Inertia,
    /// Size of the innovations.
    Roughness,
    /// How much the torque swings while it slows down.
    Ripple,
}

impl Channel {
    /// All, in the order of every list here.
    pub const ALL: [Self; CHANNELS] =
        [Self::Load, Self::Friction, Self::Inertia, Self::Roughness, Self::Ripple];
}

taped_enum!(Channel { 0: Load, 1: Friction, 2: Inertia, 3: Roughness, 4: Ripple });

/// When a channel alarms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    /// `L` of the EWMA, deviations of it.
    pub ewma: f64,
    /// `k` of the CUSUM: half the shift that is looked for, deviations.
    pub slack: f64,
    /// `h` of the CUSUM, deviations.
    pub cusum: f64,
}

impl Thresholds {
    /// Tuned on seeds of the simulated world that are not those of the published table.
    pub const TUNED: Self = Self { ewma: 6.0, slack: 1.0, cusum: 12.0 };
    /// Of ripple, whose values scatter more than a normal distribution does: as [`Self::TUNED`], and wider.
    pub const RIPPLE: Self = Self { ewma: 12.0, slack: 2.0, cusum: 18.0 };
}

/// One channel now.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Trend {
    /// Sums, then mean and deviation of what is usual.
    mean: f64,
    square: f64,
    deviation: f64,
    count: u32,
    /// EWMA of z.
    pub ewma: f64,
    /// CUSUM of what is above usual.
    pub up: f64,
    /// CUSUM of what is below usual.
    pub down: f64,
    /// The EWMA alarms.
    pub ewma_alarm: bool,
    /// The CUSUM alarms.
    pub cusum_alarm: bool,
}

taped!(Trend { mean, square, deviation, count, ewma, up, down, ewma_alarm, cusum_alarm });

impl Trend {
    /// Welford's recursion.
    fn learn(&mut self, value: f64) {
        self.count = self.count.saturating_add(1);
        let off = value - self.mean;
        self.mean += off / f64::from(self.count);
        self.square += off * (value - self.mean);
    }

    fn settle(&mut self, least: f64) {
        let spread = f64::from(self.count.saturating_sub(1).max(1));
        self.deviation = math::sqrt((self.square / spread).max(0.0)).max(least);
    }

    fn watch(&mut self, value: f64, thresholds: &Thresholds) {
        if self.count < 2 {
            return;
        }
        let z = ((value - self.mean) / self.deviation).clamp(-CLIP, CLIP);
        self.ewma += LAMBDA * (z - self.ewma);
        let most = 2.0 * thresholds.cusum;
        self.up = (self.up + z - thresholds.slack).clamp(0.0, most);
        self.down = (self.down - z - thresholds.slack).clamp(0.0, most);
        // An alarm ends half-way down, so that it does not flutter.
        let limit = |alarm: bool, limit: f64| if alarm { 0.5 * limit } else { limit };
        let ewma = limit(self.ewma_alarm, thresholds.ewma * LAMBDA_DEVIATION);
        self.ewma_alarm = self.ewma.abs() > ewma;
        let cusum = limit(self.cusum_alarm, thresholds.cusum);
        self.cusum_alarm = self.up.max(self.down) > cusum;
    }

    /// Either alarms.
    #[must_use]
    pub fn alarms(&self) -> bool {
        self.ewma_alarm || self.cusum_alarm
    }
}

/// How far it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    /// The identifier settles.
    #[default]
    Settle,
    /// What is usual is learnt.
    Learn,
    /// It watches.
    Watch,
}

taped_enum!(Stage { 0: Settle, 1: Learn, 2: Watch });

/// Sums over the windows of a block.
#[derive(Clone, Copy, Debug, Default)]
struct Block {
    windows: u32,
    load: f64,
    friction: f64,
    with_acceleration: f64,
    acceleration: f64,
    roughness: f64,
}

taped!(Block { windows, load, friction, with_acceleration, acceleration, roughness });

impl Block {
    fn add(&mut self, window: &Averages, residual: f64, accelerates: f64) {
        self.windows = self.windows.saturating_add(1);
        self.load += residual;
        self.friction += residual * window.direction;
        self.with_acceleration += residual * accelerates;
        self.acceleration += accelerates * accelerates;
        self.roughness += window.roughness;
    }

    /// By channel; `None`: the block says nothing of it.
    fn values(&self) -> [Option<f64>; CHANNELS] {
        let share = 1.0 / f64::from(self.windows.max(1));
        let inertia = self.with_acceleration / self.acceleration.max(f64::MIN_POSITIVE);
        [
            Some(self.load * share),
            Some(self.friction * share),
            (self.acceleration > ACCELERATES).then_some(inertia),
            Some(math::sqrt(self.roughness * share)),
            None,
        ]
    }
}

/// The health of one axis.
#[derive(Clone, Copy, Debug)]
pub struct Health {
    thresholds: Thresholds,
    stage: Stage,
    /// Windows or blocks of the present stage.
    count: u32,
    reference: Identifier,
    block: Block,
    /// Windows that slowed down until now, without a break.
    slows: u8,
    /// Windows that told of ripple since it was judged, and their sum.
    rippled: (u32, f64),
    trends: [Trend; CHANNELS],
}

taped!(Health { stage, count, reference, block, slows, rippled, trends; thresholds });

impl Health {
    /// Knows nothing yet. `identifier` is only a place for the reference.
    #[must_use]
    pub fn new(identifier: &Identifier, thresholds: Thresholds) -> Self {
        Self {
            thresholds,
            stage: Stage::Settle,
            count: 0,
            reference: *identifier,
            block: Block::default(),
            slows: 0,
            rippled: (0, 0.0),
            trends: [Trend::default(); CHANNELS],
        }
    }

    /// One window, after `identifier` has learnt from it.
    pub fn update(&mut self, window: &Averages, identifier: &Identifier) {
        let reference = match self.stage {
            Stage::Settle => identifier,
            Stage::Learn | Stage::Watch => &self.reference,
        };
        let Some((residual, accelerates)) = reference.residual(window) else {
            self.slows = 0;
            return;
        };
        let slows = accelerates * window.direction < -SLOWS;
        self.slows = if slows { self.slows.saturating_add(1) } else { 0 };
        if self.stage == Stage::Settle {
            self.count = self.count.saturating_add(1);
            if self.count >= SETTLE && identifier.identified().is_some() {
                self.reference = *identifier;
                (self.stage, self.count) = (Stage::Learn, 0);
            }
            return;
        }
        self.block.add(window, residual, accelerates);
        if self.slows > SLOWS_BEFORE {
            self.swing(window.ripple);
        }
        if self.block.windows >= BLOCK {
            let values = self.block.values();
            self.block = Block::default();
            self.take(values);
        }
    }

    /// A window tells of ripple.
    fn swing(&mut self, ripple: f64) {
        let per_rated = self.reference.share(1.0);
        let (windows, sum) = self.rippled;
        self.rippled = (windows + 1, sum + ripple * (per_rated * per_rated));
        if windows + 1 < RIPPLE {
            return;
        }
        let value = math::sqrt(self.rippled.1 / f64::from(RIPPLE));
        self.rippled = (0, 0.0);
        let [.., trend] = &mut self.trends;
        match self.stage {
            Stage::Watch if value.is_finite() => trend.watch(value, &Thresholds::RIPPLE),
            Stage::Learn if value.is_finite() => trend.learn(value),
            Stage::Settle | Stage::Learn | Stage::Watch => {}
        }
    }

    fn take(&mut self, values: [Option<f64>; CHANNELS]) {
        let watching = self.stage == Stage::Watch;
        for (trend, value) in self.trends.iter_mut().zip(values) {
            match value.filter(|value| value.is_finite()) {
                Some(value) if watching => trend.watch(value, &self.thresholds),
                Some(value) => trend.learn(value),
                None => {}
            }
        }
        self.count = self.count.saturating_add(1);
        if !watching && self.count >= LEARN {
            for (trend, least) in self.trends.iter_mut().zip(LEAST) {
                trend.settle(least);
            }
            self.stage = Stage::Watch;
        }
    }

    /// How far it is.
    #[must_use]
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// What the axis was like when it was learnt.
    #[must_use]
    pub fn reference(&self) -> Option<crate::identify::Identified> {
        if self.stage == Stage::Settle { None } else { self.reference.identified() }
    }

    /// By [`Channel::ALL`].
    #[must_use]
    pub fn trends(&self) -> &[Trend; CHANNELS] {
        &self.trends
    }

    /// Channels that alarm, bit by bit in the order of [`Channel::ALL`].
    #[must_use]
    pub fn alarms(&self) -> u8 {
        let bits = [1, 2, 4, 8, 16];
        let alarms = self.trends.iter().zip(bits).filter(|(trend, _)| trend.alarms());
        alarms.fold(0, |all, (_, bit)| all | bit)
    }

    /// Begins anew: the axis was repaired or changed, and a person says that it is well.
    pub fn relearn(&mut self) {
        *self = Self::new(&self.reference, self.thresholds);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::axis::AxisModel;

    const MODEL: AxisModel = AxisModel {
        units_per_radian: 1.0,
        inertia_kgm2: 1e-4,
        rated_torque_nm: 1.0,
        peak_torque_nm: 3.0,
        viscous_nms: 1e-4,
        coulomb_nm: 0.08,
        gravity_nm: 0.0,
        response_ns: 0,
        margin: 0.0,
    };

    struct Rig {
        identifier: Identifier,
        health: Health,
        state: u64,
        ripple: f64,
    }

    impl Rig {
        fn new() -> Self {
            let identifier = Identifier::new(&MODEL);
            let health = Health::new(&identifier, Thresholds::TUNED);
            Self { identifier, health, state: 7, ripple: 1e-4 }
        }

        fn noise(&mut self) -> f64 {
            self.state ^= self.state << 13;
            self.state ^= self.state >> 7;
            self.state ^= self.state << 17;
            f64::from(u32::try_from(self.state >> 40).unwrap()) / 8_388_608.0 - 1.0
        }

        fn run(&mut self, windows: u32, [inertia, friction, load, rough]: [f64; 4]) {
            for n in 0..windows {
                let direction = if n / 16 % 2 == 0 { 1.0 } else { -1.0 };
                // It speeds up, goes on, slows down.
                let acceleration = match n % 16 {
                    0..4 => 2000.0 * direction,
                    12..16 => -2000.0 * direction,
                    _ => 0.0,
                };
                let speed = 100.0 * direction;
                let torque = inertia * acceleration + 1e-4 * speed + friction * direction + load;
                let torque_nm = torque + 0.01 * self.noise();
                let roughness = rough + 0.02 * self.noise();
                let ripple = self.ripple * (1.0 + 0.1 * self.noise());
                let window =
                    Averages { torque_nm, acceleration, speed, direction, roughness, ripple };
                self.identifier.learn(&window);
                self.health.update(&window, &self.identifier);
            }
        }
    }

    const WELL: [f64; 4] = [1.3e-4, 0.1, 0.05, 0.3];

    fn alarms_after(windows: u32, now: [f64; 4]) -> u8 {
        let mut rig = Rig::new();
        rig.run(SETTLE + BLOCK * LEARN, WELL);
        assert_eq!(rig.health.stage(), Stage::Watch);
        rig.run(windows, now);
        rig.health.alarms()
    }

    #[test]
    fn a_healthy_axis_stays_quiet() {
        assert_eq!(alarms_after(200_000, WELL), 0);
    }

    #[test]
    fn each_change_is_found_in_its_own_channel() {
        let [inertia, friction, load, rough] = WELL;
        let find = |now, channel: u8| {
            let alarms = alarms_after(BLOCK * 12, now);
            assert!(alarms & 1 << channel != 0, "channel {channel}: {alarms:04b}");
        };
        find([inertia, friction, load + 0.05, rough], 0);
        find([inertia, friction * 1.5, load, rough], 1);
        find([inertia * 1.3, friction, load, rough], 2);
        find([inertia, friction, load, rough * 2.0], 3);
        find([inertia, friction * 0.5, load, rough], 1);
    }

    #[test]
    fn ripple_is_found_while_it_slows_down_and_nowhere_else() {
        let mut rig = Rig::new();
        rig.run(SETTLE + BLOCK * LEARN, WELL);
        rig.ripple = 2e-4;
        rig.run(BLOCK * 12, WELL);
        assert_eq!(rig.health.alarms(), 1 << 4);
        let mut rig = Rig::new();
        rig.run(SETTLE + BLOCK * LEARN, WELL);
        let before = rig.health.rippled;
        let taught = |rig: &mut Rig, acceleration: f64| {
            let window =
                Averages { acceleration, direction: 1.0, ripple: 1.0, ..Averages::default() };
            rig.health.update(&window, &rig.identifier);
            rig.health.rippled != before
        };
        for acceleration in [2000.0, 0.0, 2000.0, 0.0, -2000.0, 0.0, -2000.0, -2000.0] {
            assert!(!taught(&mut rig, acceleration), "{acceleration}");
        }
        assert!(taught(&mut rig, -2000.0), "the third in a row");
    }

    #[test]
    fn an_alarm_ends_when_what_caused_it_is_gone_and_relearning_starts_anew() {
        let mut rig = Rig::new();
        rig.run(SETTLE + BLOCK * LEARN, WELL);
        rig.run(BLOCK * 20, [WELL[0], 0.2, WELL[2], WELL[3]]);
        assert_ne!(rig.health.alarms(), 0);
        rig.run(BLOCK * 60, WELL);
        assert_eq!(rig.health.alarms(), 0);
        rig.health.relearn();
        assert_eq!(rig.health.stage(), Stage::Settle);
    }

    #[test]
    fn what_is_no_number_moves_nothing() {
        let mut rig = Rig::new();
        rig.run(SETTLE + BLOCK * LEARN, WELL);
        let nan = Averages { roughness: f64::NAN, direction: 1.0, ..Averages::default() };
        for _ in 0..BLOCK * 4 {
            rig.health.update(&nan, &rig.identifier);
            rig.health.update(&Averages { torque_nm: f64::NAN, ..nan }, &rig.identifier);
        }
        assert!(
            rig.health.trends().iter().all(|trend| trend.ewma.is_finite() && trend.up.is_finite())
        );
        assert_eq!(rig.health.trends()[3].ewma, 0.0);
    }
}
