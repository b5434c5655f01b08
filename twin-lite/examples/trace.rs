//! Every model of the twin over one course of an axis, drawn by a generator of its own: what others compare with.
//!
//! `observer` prints the course and what the observer makes of it, as CSV that loses no bit; `bits` prints one number that sums up
//! every bit of every model after every cycle.

use twin_lite::backlash::Backlash;
use twin_lite::following::Following;
use twin_lite::health::{Health, Thresholds};
use twin_lite::identify::Identifier;
use twin_lite::sensor::{Sensed, SensorPlan, Sensors};
use twin_lite::tape::{Digest, Taped};
use twin_lite::thermal::{Thermal, ThermalModel};
use twin_lite::window::Window;
use twin_lite::{AxisModel, AxisTwin, limits};

const MODEL: AxisModel = AxisModel {
    units_per_radian: 10.0 / core::f64::consts::TAU,
    inertia_kgm2: 1.2e-4,
    rated_torque_nm: 1.27,
    peak_torque_nm: 3.8,
    viscous_nms: 2e-4,
    coulomb_nm: 0.08,
    gravity_nm: 0.1,
    response_ns: 4_000_000,
    margin: 0.1,
};
const THERMAL: ThermalModel = ThermalModel {
    winding_s: 40.0,
    housing_s: 1200.0,
    housing_share: 0.6,
    drive_s: 10.0,
    limit: 1.0,
};
const PERIOD_NS: u64 = 1_000_000;

/// One stiff mass, heavier than the model, to and fro; encoder of 2²⁰ counts.
struct Course {
    state: u64,
    angle: f64,
    speed: f64,
}

impl Course {
    fn noise(&mut self) -> f64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        f64::from(u32::try_from(self.state >> 40).unwrap_or(0)) / 8_388_608.0 - 1.0
    }

    /// Measured position and torque of cycle `n`.
    fn cycle(&mut self, n: u32) -> (f64, i16) {
        let push = if (n / 700).is_multiple_of(2) { 0.35 } else { -0.35 };
        let slide = (self.speed * 2.0).clamp(-1.0, 1.0);
        let permille = 100.0 * self.noise() + 1000.0 * (push + 0.1 * slide + 0.1) / 1.27;
        let whole = permille.trunc();
        let torque = whole * 1e-3 * 1.27;
        let friction = 3e-4 * self.speed + 0.1 * slide + 0.1;
        let before = self.speed;
        self.speed += (torque - friction) / 1.5e-4 * 1e-3;
        self.angle += 0.5 * (before + self.speed) * 1e-3;
        let count = core::f64::consts::TAU / 1_048_576.0;
        let position = (self.angle / count).trunc() * count * MODEL.units_per_radian;
        #[expect(
            clippy::as_conversions,
            clippy::cast_possible_truncation,
            reason = "a few hundred"
        )]
        (position, whole as i16)
    }
}

fn observer(cycles: u32) {
    let mut course = Course { state: 0x1234_5678_9ABC_DEF1, angle: 0.0, speed: 0.0 };
    let mut twin = AxisTwin::new(&MODEL, PERIOD_NS);
    let sigma = twin.deviation();
    println!(
        "# {:?} {:?} {:?} {:?}",
        sigma.position, sigma.velocity, sigma.disturbance_nm, sigma.innovation
    );
    for n in 0..cycles {
        let (position, permille) = course.cycle(n);
        twin.update(position, permille, Some(PERIOD_NS));
        let seen = twin.estimate();
        println!(
            "{position:?},{permille},{:?},{:?},{:?}",
            seen.position, seen.velocity, seen.disturbance_nm
        );
    }
}

fn bits(cycles: u32) -> u64 {
    let mut course = Course { state: 0x0BAD_CAFE_DEAD_BEEF, angle: 0.0, speed: 0.0 };
    let mut twin = AxisTwin::new(&MODEL, PERIOD_NS);
    let mut window = Window::new(MODEL.units_per_radian, PERIOD_NS);
    let mut identifier = Identifier::new(&MODEL);
    let mut health = Health::new(&identifier, Thresholds::TUNED);
    let (mut backlash, mut following) = (Backlash::default(), Following::default());
    let mut sensors = Sensors::new(SensorPlan {
        count: 1e-5,
        velocity: 2000.0,
        peak_permille: 3000.0,
        period: 1e-3,
    });
    let mut thermal = Thermal::new(&THERMAL);
    let (mut digest, mut last) = (Digest::default(), 0.0);
    for n in 0..cycles {
        let (position, permille) = course.cycle(n);
        // Now and then late, now and then missing.
        let elapsed = [Some(PERIOD_NS), Some(1_070_000), None]
            [usize::from(n % 97 == 1) + usize::from(n % 89 == 5)];
        twin.update(position, permille, elapsed);
        let seen = twin.estimate();
        let surprise = twin.surprise();
        let moved = position - last;
        last = position;
        let sensed = Sensed {
            moved,
            commanded: moved,
            elapsed_ns: PERIOD_NS,
            torque_permille: permille,
            surprise,
        };
        sensors.update(&sensed);
        backlash.update(
            seen.velocity,
            twin.deviation().velocity,
            seen.position,
            surprise.unwrap_or(0.0),
        );
        following.update(seen.velocity, twin.acceleration(), moved);
        let torque = f64::from(permille) * 1e-3 * MODEL.rated_torque_nm;
        if let Some(averages) = window.add(position, torque, surprise.unwrap_or(0.0)) {
            identifier.learn(&averages);
            health.update(&averages, &identifier);
            thermal.update(torque * torque, 0.016);
            let ahead = [
                thermal.time_to_limit(4.0),
                limits::time_to(500.0 - position, seen.velocity, twin.acceleration()),
                following.largest(1000.0, 5000.0),
                Some(twin.stopping(8000.0, seen.velocity).distance),
                Some(twin.coasting(seen.velocity).distance),
            ];
            ahead.map(|value| value.unwrap_or(-1.0)).tape(&mut digest);
        }
        twin.tape(&mut digest);
        window.tape(&mut digest);
        identifier.tape(&mut digest);
        health.tape(&mut digest);
        backlash.tape(&mut digest);
        following.tape(&mut digest);
        sensors.tape(&mut digest);
        thermal.tape(&mut digest);
    }
    digest.0
}

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("observer") => observer(20_000),
        Some("bits") => println!("{:016x}", bits(100_000)),
        _ => println!("trace observer | trace bits"),
    }
}
