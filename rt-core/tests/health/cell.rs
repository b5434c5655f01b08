//! One axis of the world at work, and the watch over it.

use rt_core::Axis;
use rt_core::interlock::AxisFacts;
use rt_core::plan::{
    AxisId, AxisLimits, AxisModel, AxisPlan, AxisSignals, Directions, GroupId, HomingPlan, Ratio,
    StopPlan, StopWay, TwinPlan,
};
use rt_core::record::{Body, Event, Record};
use rt_core::signal::{SignalId, Signals};
use rt_core::step::{Log, Sink};
use rt_core::watch::Watch;
use twin_lite::Nano;
use twin_lite::health::Stage;
use twin_lite::sensor::SensorFaults;
use world::{Action, AxisPhysics, Nominal, ServoDrive, Wear, World, WorldPlan};

const PERIOD: u64 = 1_000_000;
const TICKS: u32 = 8;
const STATUSWORD: SignalId = SignalId(0);
const POSITION: SignalId = SignalId(1);
const TORQUE: SignalId = SignalId(2);
/// Parameters are drawn within ± this share.
const SPREAD: f64 = 0.3;
/// From watching until the fault comes, cycles.
const QUIET: u32 = 6000;
/// From the fault until the run is over, cycles.
const AFTER: u32 = 12_000;
/// An axis that is not learnt by now is not learnt at all, cycles.
const LEARNT_MOST: u32 = 60_000;

/// What comes on the axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    Friction,
    Slack,
    Slip,
    Bearing,
    Drag,
    Payload,
    Drift,
}

pub(crate) const FAULTS: [Fault; 8] = [
    Fault::None,
    Fault::Friction,
    Fault::Slack,
    Fault::Slip,
    Fault::Bearing,
    Fault::Drag,
    Fault::Payload,
    Fault::Drift,
];

impl Fault {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Friction => "friction × 2 within 3 s",
            Self::Slack => "belt slack: stiffness ÷ 20, play × 20",
            Self::Slip => "encoder slips 1/400 turn, twice a second",
            Self::Bearing => "bearing: 0.25 N m pulses (20 % of rated)",
            Self::Drag => "brake drags with 0.1 N m (8 % of rated)",
            Self::Payload => "load × 1.6",
            Self::Drift => "torque sensor drifts 80 ‰ within 5 s",
        }
    }

    /// As it is `cycle` cycles after it began.
    fn apply(self, world: &mut World, cycle: u32) {
        let part = |cycles: u32| f64::from(cycle.min(cycles)) / f64::from(cycles);
        let worn = Wear::default();
        match self {
            Self::None => {}
            Self::Friction if cycle <= 3000 && cycle.is_multiple_of(100) => {
                world.act(Action::FrictionScale { axis: 0, factor: 1.0 + part(3000) });
            }
            Self::Slack if cycle == 0 => world.wear(0, Wear { slack: 20.0, ..worn }),
            Self::Slip if cycle.is_multiple_of(500) => {
                let slip_counts = i64::from(cycle / 500 + 1) * (1 << 20) / 400;
                world.wear(0, Wear { slip_counts, ..worn });
            }
            Self::Bearing if cycle == 0 => world.wear(0, Wear { bearing_nm: 0.25, ..worn }),
            Self::Drag if cycle == 0 => world.wear(0, Wear { drag_nm: 0.1, ..worn }),
            Self::Payload if cycle == 0 => {
                world.act(Action::PayloadScale { axis: 0, factor: 1.6 });
            }
            Self::Drift if cycle <= 5000 && cycle.is_multiple_of(100) => {
                let torque_offset_permille = 80.0 * part(5000);
                world.wear(0, Wear { torque_offset_permille, ..worn });
            }
            _ => {}
        }
    }
}

/// What was found, in cycles since the fault came.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Found {
    pub(crate) seed: u64,
    pub(crate) ewma: Option<u32>,
    pub(crate) cusum: Option<u32>,
    pub(crate) sensor: Option<u32>,
    /// Channel of the first alarm; 5: a sensor.
    pub(crate) first: Option<usize>,
    /// Something alarmed before the fault came.
    pub(crate) early: bool,
    /// Times that something began to alarm while there was no fault, in so many seconds.
    pub(crate) false_alarms: u32,
    pub(crate) quiet_s: f64,
}

impl Found {
    pub(crate) fn any(&self) -> Option<u32> {
        [self.ewma, self.cusum, self.sensor].into_iter().flatten().min()
    }
}

/// xorshift, seeded so that neighbours have nothing in common.
struct Draw(u64);

impl Draw {
    fn new(seed: u64) -> Self {
        let mut mixed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        Self((mixed ^ (mixed >> 31)) | 1)
    }

    fn unit(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }
}

/// Moves between places drawn at random, with trapezoids of speed, as pick-and-place does.
struct Motion {
    draw: Draw,
    position: f64,
    velocity: f64,
    target: f64,
    speed: f64,
    acceleration: f64,
    dwell: u32,
}

impl Motion {
    fn next(&mut self) -> f64 {
        if self.dwell > 0 {
            self.dwell -= 1;
            return self.position;
        }
        let (dt, left) = (1e-3, self.target - self.position);
        if left.abs() < 1e-9 {
            self.begin();
            return self.position;
        }
        // The fastest from which it still stops in time.
        let brake = (2.0 * self.acceleration * left.abs()).sqrt() - 0.5 * self.acceleration * dt;
        let wanted = self.speed.min(brake.max(self.acceleration * dt * 0.1)) * left.signum();
        let step = self.acceleration * dt;
        self.velocity += (wanted - self.velocity).clamp(-step, step);
        let move_by = self.velocity * dt;
        if move_by.abs() >= left.abs() {
            (self.position, self.velocity) = (self.target, 0.0);
        } else {
            self.position += move_by;
        }
        self.position
    }

    fn begin(&mut self) {
        let far = self.draw.between(60.0, 300.0);
        let up = if self.position > 300.0 { -1.0 } else { 1.0 };
        let turn = if self.draw.unit() < 0.5 && (100.0..500.0).contains(&self.position) {
            -1.0
        } else {
            1.0
        };
        self.target = (self.position + far * up * turn).clamp(0.0, 600.0);
        self.speed = self.draw.between(250.0, 500.0);
        self.acceleration = self.draw.between(3000.0, 5000.0);
        self.dwell = 40 + (self.draw.unit() * 80.0) as u32;
    }
}

fn mm(value: f64) -> Nano {
    Nano::from_units(value).expect("finite")
}

fn plan(nominal: &Nominal) -> AxisPlan {
    AxisPlan {
        group: GroupId(0),
        signals: AxisSignals {
            controlword: SignalId(3),
            target_position: SignalId(4),
            mode: None,
            statusword: STATUSWORD,
            actual_position: POSITION,
            mode_display: None,
            actual_torque: Some(TORQUE),
            following_error: None,
            error_code: None,
            digital_inputs: None,
            touch_probe_position: None,
        },
        counts_per_unit: Ratio {
            numerator: i64::from(nominal.counts_per_revolution),
            denominator: 10,
        },
        wrap: None,
        limits: AxisLimits {
            position: None,
            velocity: mm(1000.0),
            acceleration: mm(5000.0),
            jerk: mm(100_000.0),
            velocity_unreferenced: mm(50.0),
            following_error: mm(5.0),
            direction: Directions::BOTH,
            torque_permille: None,
        },
        stop: StopPlan {
            ramp_deceleration: mm(8000.0),
            quick_stop_deceleration: mm(10_000.0),
            watchdog_ns: 100_000_000,
            connection_lost: StopWay::QuickStop,
            envelope: mm(50.0),
            escalate_ns: 20_000_000,
        },
        brake: None,
        vertical: false,
        homing: HomingPlan::Kept { offset: Nano::ZERO },
        keeps: None,
        model: AxisModel {
            units_per_radian: nominal.units_per_radian,
            inertia_kgm2: nominal.inertia_kgm2,
            rated_torque_nm: nominal.rated_torque_nm,
            peak_torque_nm: nominal.peak_torque_nm,
            viscous_nms: nominal.viscous_nms,
            coulomb_nm: nominal.coulomb_nm,
            gravity_nm: nominal.gravity_nm,
            response_ns: 4_000_000,
            margin: 0.0,
        },
    }
}

/// Keeps events.
struct Events<'a>(&'a mut Vec<Event>);

impl Sink for Events<'_> {
    fn record(&mut self, record: Record) {
        if let Body::Event(event) = record.body {
            self.0.push(event);
        }
    }
}

/// An axis of ours over a drive of the world: what is sent in one cycle is seen in the next.
pub(crate) struct Cell {
    pub(crate) world: World,
    pub(crate) axis: Axis,
    pub(crate) watch: Watch,
    pub(crate) facts: AxisFacts,
    pub(crate) events: Vec<Event>,
    pub(crate) physics: AxisPhysics,
    signals: Signals,
    motion: Motion,
    cycle: u64,
    demand: f64,
    target: i32,
}

impl Cell {
    pub(crate) fn new(seed: u64) -> Self {
        Self::watched(seed, &TwinPlan::default())
    }

    pub(crate) fn watched(seed: u64, twin: &TwinPlan) -> Self {
        let nominal = Nominal { travel: Some((-2000.0, 2000.0)), ..Nominal::default() };
        let physics = AxisPhysics::from_nominal(&nominal).randomised(seed, SPREAD);
        let world = WorldPlan { axes: vec![physics], ..WorldPlan::default() };
        let plan = plan(&nominal);
        let motion = Motion {
            draw: Draw::new(seed),
            position: 0.0,
            velocity: 0.0,
            target: 0.0,
            speed: 100.0,
            acceleration: 3000.0,
            dwell: 300,
        };
        Self {
            world: World::new(world, PERIOD).expect("a sound world"),
            watch: Watch::new(AxisId(0), &plan, twin, PERIOD),
            axis: Axis::new(&plan, PERIOD),
            facts: AxisFacts::default(),
            events: Vec::new(),
            physics,
            signals: Signals::new(8),
            motion,
            cycle: 1,
            demand: 0.0,
            target: 0,
        }
    }

    pub(crate) fn cycle(&mut self) {
        let now = self.cycle * PERIOD;
        self.world.advance(now);
        let sensed = self.world.servo_feedback(0);
        let at = now + PERIOD;
        self.signals.set(STATUSWORD, 0x1237, at);
        self.signals.set(POSITION, sensed.position_counts, at);
        self.signals.set(TORQUE, i64::from(sensed.torque_permille), at);
        self.axis.sense(&self.signals, at);
        let mut events = Events(&mut self.events);
        self.watch.update(
            &mut self.axis,
            &mut self.facts,
            &mut Log::new(&mut events, self.cycle, at),
        );
        self.cycle += 1;
        let step = (f64::from(self.target) - self.demand) / f64::from(TICKS);
        let position = mm(self.motion.next());
        self.target = self.axis.target_counts(position);
        self.axis.commanded(position);
        for tick in 1..=TICKS {
            self.demand += step;
            let drive = ServoDrive {
                power: true,
                brake_released: true,
                target_counts: self.demand,
                velocity_counts_per_s: step * 8000.0,
                torque_limit_permille: 3000,
            };
            self.world.servo_command(0, &drive);
            self.world.advance(at + u64::from(tick) * PERIOD / u64::from(TICKS));
        }
    }

    fn alarms(&self) -> (bool, bool, bool, Option<usize>) {
        let trends = self.watch.health().trends();
        let ewma = trends.iter().any(|trend| trend.ewma_alarm);
        let cusum = trends.iter().any(|trend| trend.cusum_alarm);
        let sensor = self.watch.sensors().faults() != SensorFaults::NONE;
        let channel = trends.iter().position(|trend| trend.alarms());
        (ewma, cusum, sensor, channel.or(sensor.then_some(5)))
    }
}

/// Learns an axis, watches it, lets the fault come, watches on.
pub(crate) fn run(fault: Fault, seed: u64) -> Found {
    let mut cell = Cell::new(seed);
    let mut learning = 0;
    while cell.watch.stage() != Stage::Watch {
        cell.cycle();
        learning += 1;
        assert!(learning < LEARNT_MOST, "seed {seed} was not learnt");
    }
    let mut found = Found {
        seed,
        ewma: None,
        cusum: None,
        sensor: None,
        first: None,
        early: false,
        false_alarms: 0,
        quiet_s: 0.0,
    };
    let mut was = false;
    let mut quiet = |cell: &Cell, found: &mut Found| {
        let (.., first) = cell.alarms();
        found.false_alarms += u32::from(first.is_some() && !was);
        found.quiet_s += 1e-3;
        was = first.is_some();
        was
    };
    for _ in 0..QUIET {
        cell.cycle();
        found.early |= quiet(&cell, &mut found);
    }
    for cycle in 0..AFTER {
        fault.apply(&mut cell.world, cycle);
        cell.cycle();
        if fault == Fault::None {
            quiet(&cell, &mut found);
        }
        let (ewma, cusum, sensor, first) = cell.alarms();
        let note = |place: &mut Option<u32>, alarm: bool| {
            if alarm && place.is_none() {
                *place = Some(cycle);
            }
        };
        note(&mut found.ewma, ewma);
        note(&mut found.cusum, cusum);
        note(&mut found.sensor, sensor);
        found.first = found.first.or(first);
    }
    found
}

/// Learns an axis that is well and watches it; each time that an alarm began: cycle, channels, sensors.
pub(crate) fn quiet(seed: u64, seconds: u64) -> Vec<(u64, u8, u8)> {
    let mut cell = Cell::new(seed);
    while cell.watch.stage() != Stage::Watch {
        cell.cycle();
    }
    let (mut alarms, mut was) = (Vec::new(), (0, 0));
    for cycle in 0..seconds * 1000 {
        cell.cycle();
        let now = (cell.watch.health().alarms(), cell.watch.sensors().faults().bits);
        if now.0 & !was.0 != 0 || now.1 & !was.1 != 0 {
            alarms.push((cycle, now.0, now.1));
        }
        was = now;
    }
    alarms
}
