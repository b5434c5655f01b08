//! What the twin learns of an axis besides where it is: its parameters, health, warmth, lag and play.
//!
//! Only machines whose plan asks for it have watches. What needs every sample is a few additions a cycle; what does not is done now and
//! then, each axis in a cycle of its own, so that no cycle does it for all. Same inputs, same bits.

use crate::axis::Axis;
use crate::interlock::AxisFacts;
use crate::plan::{AxisId, AxisPlan, TwinMode, TwinPlan};
use crate::record::{Decision, Event};
use crate::step::Log;
use twin_lite::backlash::{Backlash, Play};
use twin_lite::following::Following;
use twin_lite::health::{Health, Stage, Thresholds};
use twin_lite::identify::{Identified, Identifier};
use twin_lite::sensor::{Sensed, SensorFault, SensorFaults, SensorPlan, Sensors};
use twin_lite::thermal::{Thermal, ThermalModel};
use twin_lite::window::Window;
use twin_lite::{Nano, math, taped};

/// Cycles from one look at the warmth of an axis to the next.
const THERMAL_CYCLES: u64 = 256;
/// Cycles from one account of what was learnt to the next.
const ACCOUNT_CYCLES: u64 = 1 << 16;
/// Cycles from one look at the lag of an axis to the next.
const LAG_CYCLES: u64 = 4;
/// How far a decision about warmth looks ahead, s.
const AHEAD_S: u32 = 60;
/// With less than this until it is too warm, an axis slows in proportion, s.
const DERATE_S: f64 = 120.0;
/// Slower than this share of its limit it is never asked to be for warmth.
const DERATE_LEAST: f64 = 0.25;
/// Stopping distances count on 3/4 of the peak torque: an axis up to 4/3 as heavy as its model is covered. Beyond it there is doubt, which
/// ends below the second.
const HEAVY: (f64, f64) = (4.0 / 3.0, 1.2);
/// How much worse an axis is taken to be whose encoder and model diverge.
const DIVERGED: f64 = 1.5;

/// The model of an axis whose warmth is not watched.
const UNWATCHED: ThermalModel =
    ThermalModel { winding_s: 0.0, housing_s: 0.0, housing_share: 0.0, drive_s: 0.0, limit: 0.0 };

/// A prediction about warmth that is not due yet.
#[derive(Clone, Copy, Debug, Default)]
struct Warm {
    mode: TwinMode,
    predicted: Nano,
    at: u64,
}

taped!(Warm { mode, predicted, at });

/// One axis.
#[derive(Clone, Debug)]
pub struct Watch {
    id: AxisId,
    torque_known: bool,
    period: f64,
    rated_torque: f64,
    velocity: Nano,
    derate: TwinMode,
    sensors: Sensors,
    window: Window,
    identifier: Identifier,
    health: Health,
    backlash: Backlash,
    following: Following,
    /// Of use only if its model is.
    thermal: Thermal,
    /// Sum of (torque ÷ rated)² since the last look at the warmth, and of how many cycles.
    square: f64,
    squares: u32,
    last: Nano,
    last_commanded: Nano,
    last_velocity: f64,
    doubt: f64,
    cap: Option<Nano>,
    warm: Option<Warm>,
    told: (u8, u8),
}

taped!(Watch {
    sensors, window, identifier, health, backlash, following, thermal, square, squares, last, last_commanded, last_velocity, doubt,
    cap, warm, told;
    id, torque_known, period, rated_torque, velocity, derate,
});

impl Watch {
    /// Of `axis`, cold and unknown.
    #[must_use]
    pub fn new(id: AxisId, axis: &AxisPlan, twin: &TwinPlan, period_ns: u64) -> Self {
        let (model, ratio) = (&axis.model, axis.counts_per_unit);
        let count = math::from_i64(ratio.denominator) / math::from_i64(ratio.numerator);
        let identifier = Identifier::new(model);
        let thermal = twin.thermal.get(usize::from(id.0)).copied().flatten();
        let period = math::seconds(period_ns.max(1));
        let sensors = SensorPlan {
            count,
            velocity: axis.limits.velocity.units(),
            peak_permille: model.peak_torque_nm / model.rated_torque_nm * 1e3,
            period,
        };
        Self {
            id,
            torque_known: axis.signals.actual_torque.is_some(),
            period,
            rated_torque: model.rated_torque_nm,
            velocity: axis.limits.velocity,
            derate: twin.derate,
            sensors: Sensors::new(sensors),
            window: Window::new(model.units_per_radian, period_ns),
            identifier,
            health: Health::new(&identifier, Thresholds::TUNED),
            backlash: Backlash::default(),
            following: Following::default(),
            thermal: Thermal::new(&thermal.unwrap_or(UNWATCHED)),
            square: 0.0,
            squares: 0,
            last: Nano::ZERO,
            last_commanded: Nano::ZERO,
            last_velocity: 0.0,
            doubt: 1.0,
            cap: None,
            warm: None,
            told: (0, 0),
        }
    }

    /// One cycle, after the axis has sensed.
    pub fn update(&mut self, axis: &mut Axis, facts: &mut AxisFacts, log: &mut Log<'_>) {
        let sensors = self.sense(axis);
        let phase = log.cycle.wrapping_add(u64::from(self.id.0) * 3);
        if phase.is_multiple_of(LAG_CYCLES) {
            self.lag(axis);
        }
        if self.thermal.is_usable() {
            let part = f64::from(axis.torque_permille()) * 1e-3;
            self.square += part * part;
            self.squares = self.squares.saturating_add(1);
            if phase.is_multiple_of(THERMAL_CYCLES) {
                self.warmth(log);
            }
        }
        self.doubt(axis, sensors, log);
        let told = (self.health.alarms(), sensors.bits);
        if told != self.told {
            self.told = told;
            let (channels, sensors) = told;
            log.event(Event::Health { axis: self.id, channels, sensors });
        }
        if phase % ACCOUNT_CYCLES == ACCOUNT_CYCLES - 1 {
            self.account(log);
        }
        facts.doubted = self.doubt > 1.0;
        facts.derated = self.cap;
    }

    /// What every sample is needed for.
    fn sense(&mut self, axis: &Axis) -> SensorFaults {
        let (position, commanded) = (axis.position(), axis.commanded_position());
        let rebased = axis.rebased();
        let from = |last: Nano| Nano(last.0.saturating_add(rebased.0));
        let since = |now: Nano, last: Nano| Nano(now.0.saturating_sub(from(last).0)).units();
        let moved = since(position, self.last);
        let asked = since(commanded, self.last_commanded);
        (self.last, self.last_commanded) = (position, commanded);
        let powered = axis.is_enabled() && axis.view().inputs_good;
        let elapsed = axis.elapsed_ns();
        let surprise = axis.twin().surprise();
        if rebased != Nano::ZERO {
            self.window.restart();
            self.backlash.shift(rebased.units());
        }
        if !(powered && self.torque_known) {
            self.window.restart();
            return self.sensors.faults();
        }
        let faults = self.sensors.update(&Sensed {
            moved,
            commanded: asked,
            elapsed_ns: elapsed.unwrap_or(0),
            torque_permille: axis.torque_permille(),
            surprise,
        });
        let Some(surprise) = surprise else {
            self.window.restart();
            return faults;
        };
        let torque = f64::from(axis.torque_permille()) * 1e-3 * self.rated_torque;
        let estimate = axis.twin().estimate();
        let deviation = axis.twin().deviation().velocity;
        self.backlash.update(estimate.velocity, deviation, estimate.position, surprise);
        if let Some(window) = self.window.add(position.units(), torque, surprise) {
            self.identifier.learn(&window);
            self.health.update(&window, &self.identifier);
        }
        faults
    }

    fn lag(&mut self, axis: &Axis) {
        let velocity = axis.commanded_velocity();
        let acceleration = (velocity - self.last_velocity) / (self.period * math::from_i64(4));
        self.last_velocity = velocity;
        if axis.is_enabled() {
            self.following.update(velocity, acceleration, axis.following_error().units());
        }
    }

    /// How warm it is, and whether it must slow.
    fn warmth(&mut self, log: &mut Log<'_>) {
        let thermal = &mut self.thermal;
        let cycles = f64::from(self.squares.max(1));
        thermal.update(self.square / cycles, cycles * self.period);
        (self.square, self.squares) = (0.0, 0);
        let share = |value: f64| Nano::from_units(value).unwrap_or(Nano::MAX);
        if let Some(warm) = self.warm {
            let after_ns = log.now.saturating_sub(warm.at);
            if after_ns >= u64::from(AHEAD_S) * 1_000_000_000 {
                self.warm = None;
                log.event(Event::Foreseen {
                    axis: self.id,
                    decision: Decision::Derate,
                    mode: warm.mode,
                    predicted: warm.predicted,
                    actual: share(thermal.share()),
                    after_ns,
                });
            }
        }
        let time = thermal.time_to_limit(thermal.load()).filter(|time| *time < DERATE_S);
        let factor = time.map(|time| (time / DERATE_S).max(DERATE_LEAST));
        if let (Some(time), None) = (time, self.warm) {
            let predicted = share(thermal.share_after(AHEAD_S, thermal.load()));
            self.warm = Some(Warm { mode: self.derate, predicted, at: log.now });
            log.event(Event::Foresight {
                axis: self.id,
                decision: Decision::Derate,
                mode: self.derate,
                predicted,
                lead_ns: math::nanoseconds_up(time),
            });
        }
        let cap = factor.and_then(|factor| Nano::from_units(self.velocity.units() * factor));
        // SR-052
        self.cap = cap.filter(|_| self.derate == TwinMode::Act).map(|cap| cap.min(self.velocity));
    }

    /// Whether the residuals say that the axis is another than its model; if so, its margins widen.
    // SR-053
    fn doubt(&mut self, axis: &mut Axis, sensors: SensorFaults, log: &mut Log<'_>) {
        let model = axis.twin().model().inertia_kgm2;
        let (raise, lower) = HEAVY;
        let found = self.identifier.identified().map_or(1.0, |found| {
            let sure = found.inertia_kgm2 - 3.0 * found.inertia_deviation;
            if sure > raise * model || (self.doubt > 1.0 && sure > lower * model) {
                found.inertia_kgm2 / model
            } else {
                1.0
            }
        });
        let diverged = sensors.has(SensorFault::Disagreement) || sensors.has(SensorFault::Jump);
        let doubt = if diverged { found.max(DIVERGED) } else { found };
        let moved = (doubt - self.doubt).abs() > 0.1 * self.doubt;
        if moved || (doubt > 1.0) != (self.doubt > 1.0) {
            self.doubt = doubt;
            axis.set_doubt(doubt);
            let factor = Nano::from_units(axis.twin().doubt()).unwrap_or(Nano::MAX);
            log.event(Event::Doubt { axis: self.id, factor });
        }
    }

    fn account(&self, log: &mut Log<'_>) {
        if let Some(found) = self.identifier.identified() {
            log.event(Event::Learnt {
                axis: self.id,
                inertia_kgm2: found.inertia_kgm2,
                coulomb_nm: found.coulomb_nm,
                viscous_nms: found.viscous_nms,
                warmth: self.thermal().map_or(f64::NAN, Thermal::share),
            });
        }
    }

    /// What was learnt; `None`: too little.
    #[must_use]
    pub fn identified(&self) -> Option<Identified> {
        self.identifier.identified()
    }

    /// Its health.
    #[must_use]
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// Its sensors.
    #[must_use]
    pub fn sensors(&self) -> &Sensors {
        &self.sensors
    }

    /// What is watched, and since when it is known.
    #[must_use]
    pub fn stage(&self) -> Stage {
        self.health.stage()
    }

    /// Free play seen when it reverses; `None`: none was seen.
    #[must_use]
    pub fn play(&self) -> Option<Play> {
        self.backlash.play()
    }

    /// How it lags behind its set-points.
    #[must_use]
    pub fn following(&self) -> &Following {
        &self.following
    }

    /// How warm it is; `None`: not watched.
    #[must_use]
    pub fn thermal(&self) -> Option<&Thermal> {
        Some(&self.thermal).filter(|thermal| thermal.is_usable())
    }
}
