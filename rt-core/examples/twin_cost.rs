//! What a full update of the twin costs: observer, stopping distance and everything that `[twin]` asks for, of 1 to 256 axes that move.
//! `cargo run --release -p rt-core --example twin_cost` prints ns an axis; `twin_cost 64 1000` does 1000 cycles of 64 axes and no more
//! (for callgrind).

use std::hint::black_box;
use std::time::Instant;

use twin_lite::backlash::Backlash;
use twin_lite::following::Following;
use twin_lite::health::{Health, Thresholds};
use twin_lite::identify::Identifier;
use twin_lite::sensor::{Sensed, SensorPlan, Sensors};
use twin_lite::thermal::{Thermal, ThermalModel};
use twin_lite::window::Window;
use twin_lite::{AxisModel, AxisTwin};

const PERIOD_NS: u64 = 1_000_000;
const MODEL: AxisModel = AxisModel {
    units_per_radian: 1.59,
    inertia_kgm2: 1.2e-4,
    rated_torque_nm: 1.27,
    peak_torque_nm: 3.8,
    viscous_nms: 2e-4,
    coulomb_nm: 0.08,
    gravity_nm: 0.0,
    response_ns: 4_000_000,
    margin: 1.0,
};

struct Axis {
    twin: AxisTwin,
    window: Window,
    identifier: Identifier,
    health: Health,
    sensors: Sensors,
    backlash: Backlash,
    following: Following,
    thermal: Thermal,
    square: f64,
    position: f64,
}

impl Axis {
    fn new() -> Self {
        let identifier = Identifier::new(&MODEL);
        let plan = SensorPlan { count: 1e-5, velocity: 1e3, peak_permille: 3e3, period: 1e-3 };
        let (winding_s, housing_s, drive_s) = (40.0, 1200.0, 10.0);
        let warm = ThermalModel { winding_s, housing_s, housing_share: 0.6, drive_s, limit: 1.0 };
        Self {
            twin: AxisTwin::new(&MODEL, PERIOD_NS),
            window: Window::new(MODEL.units_per_radian, PERIOD_NS),
            identifier,
            health: Health::new(&identifier, Thresholds::TUNED),
            sensors: Sensors::new(plan),
            backlash: Backlash::default(),
            following: Following::default(),
            thermal: Thermal::new(&warm),
            square: 0.0,
            position: 0.0,
        }
    }

    /// As `rt_core::watch` does it.
    fn cycle(&mut self, phase: u32) {
        let speed = if (phase / 500).is_multiple_of(2) { 0.3 } else { -0.3 };
        let torque_permille = if phase % 100 < 20 { 300 } else { 70 };
        self.position += speed;
        self.twin.update(black_box(self.position), black_box(torque_permille), Some(PERIOD_NS));
        black_box(self.twin.stopping(4000.0, 300.0));
        let surprise = self.twin.surprise();
        self.sensors.update(&Sensed {
            moved: speed,
            commanded: speed,
            elapsed_ns: PERIOD_NS,
            torque_permille,
            surprise,
        });
        let seen = self.twin.estimate();
        let surprise = surprise.unwrap_or(0.0);
        let deviation = self.twin.deviation().velocity;
        self.backlash.update(seen.velocity, deviation, seen.position, surprise);
        let part = f64::from(torque_permille) * 1e-3;
        if let Some(window) = self.window.add(self.position, part * 1.27, surprise) {
            self.identifier.learn(&window);
            self.health.update(&window, &self.identifier);
        }
        if phase.is_multiple_of(4) {
            self.following.update(seen.velocity, self.twin.acceleration(), speed);
        }
        self.square += part * part;
        if phase.is_multiple_of(256) {
            self.thermal.update(self.square / 256.0, 0.256);
            black_box(self.thermal.time_to_limit(self.thermal.load()));
            self.square = 0.0;
        }
    }
}

fn cycles(axes: &mut [Axis], cycles: u32) {
    for cycle in 0..cycles {
        for (number, axis) in (0_u32..).zip(axes.iter_mut()) {
            axis.cycle(cycle + 3 * number);
        }
    }
}

fn main() {
    let numbers: Vec<u32> = std::env::args().skip(1).filter_map(|text| text.parse().ok()).collect();
    if let [count, repeats] = numbers[..] {
        let mut axes: Vec<_> = (0..count).map(|_| Axis::new()).collect();
        return cycles(&mut axes, repeats);
    }
    for count in [1_u32, 16, 64, 256] {
        let mut axes: Vec<_> = (0..count).map(|_| Axis::new()).collect();
        cycles(&mut axes, 2000);
        let repeats = 64_000 / count;
        let mut blocks: Vec<f64> = (0..15)
            .map(|_| {
                let began = Instant::now();
                cycles(&mut axes, repeats);
                let nanoseconds = began.elapsed().as_secs_f64() * 1e9;
                nanoseconds / f64::from(repeats) / f64::from(count)
            })
            .collect();
        blocks.sort_by(f64::total_cmp);
        println!("{count:>4} axes: {:.1} ns an axis (least {:.1})", blocks[7], blocks[0]);
    }
}
