extern crate std;

use super::*;

const MODEL: AxisModel = AxisModel {
    units_per_radian: 1.0,
    inertia_kgm2: 1e-4,
    rated_torque_nm: 1.27,
    peak_torque_nm: 3.8,
    viscous_nms: 1e-4,
    coulomb_nm: 0.08,
    gravity_nm: 0.0,
    response_ns: 4_000_000,
    margin: 0.0,
};

/// A generator of our own: every run draws the same.
struct Draw(u64);

impl Draw {
    fn bits(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * f64::from(u32::try_from(self.bits() >> 40).unwrap()) / 16_777_216.0
    }
}

/// A window of an axis with these parameters (inertia, viscous, Coulomb, load) at work.
fn window(draw: &mut Draw, [inertia, viscous, coulomb, load]: Vector, noise: f64) -> Averages {
    let direction = if draw.bits() & 1 == 0 { 1.0 } else { -1.0 };
    let speed = direction * draw.between(5.0, 300.0);
    let acceleration = [0.0, draw.between(-4000.0, 4000.0)][usize::from(draw.bits() & 3 == 0)];
    let torque = inertia * acceleration + viscous * speed + coulomb * direction + load;
    let torque_nm = torque + draw.between(-noise, noise);
    Averages { torque_nm, acceleration, speed, direction, ..Averages::default() }
}

fn near(found: f64, truth: f64, share: f64, least: f64) -> bool {
    (found - truth).abs() <= (share * truth.abs()).max(least)
}

#[test]
fn it_converges_within_five_percent_of_the_inertia_from_a_model_that_is_wrong_by_half() {
    let mut draw = Draw(0x1234_5678_9ABC_DEF1);
    for _ in 0..200 {
        let truth = [
            1e-4 * draw.between(0.5, 2.0),
            draw.between(0.0, 5e-4),
            draw.between(0.02, 0.3),
            draw.between(-0.4, 0.4),
        ];
        let mut identifier = Identifier::new(&MODEL);
        assert_eq!(identifier.identified(), None);
        for _ in 0..600 {
            identifier.learn(&window(&mut draw, truth, 0.02));
        }
        let found = identifier.identified().expect("enough windows");
        let [inertia, viscous, coulomb, load] = truth;
        assert!(near(found.inertia_kgm2, inertia, 0.05, 0.0), "{found:?} {truth:?}");
        assert!(near(found.viscous_nms, viscous, 0.1, 5e-5), "{found:?} {truth:?}");
        assert!(near(found.coulomb_nm, coulomb, 0.05, 1e-2), "{found:?} {truth:?}");
        assert!(near(found.load_nm, load, 0.02, 5e-3), "{found:?} {truth:?}");
        assert!(found.inertia_deviation > 0.0 && found.inertia_deviation < 0.03 * inertia);
    }
}

#[test]
fn what_changes_is_followed() {
    let mut draw = Draw(77);
    let mut identifier = Identifier::new(&MODEL);
    for inertia in [1e-4, 2e-4, 0.8e-4] {
        for _ in 0..1600 {
            identifier.learn(&window(&mut draw, [inertia, 1e-4, 0.1, 0.0], 0.02));
        }
        let found = identifier.identified().expect("enough").inertia_kgm2;
        assert!(near(found, inertia, 0.05, 0.0), "{found} of {inertia}");
    }
}

#[test]
fn a_week_at_one_speed_takes_nothing_away_from_what_is_known_of_the_inertia() {
    let mut draw = Draw(5);
    let truth = [1.7e-4, 1e-4, 0.1, 0.2];
    let mut identifier = Identifier::new(&MODEL);
    for _ in 0..600 {
        identifier.learn(&window(&mut draw, truth, 0.02));
    }
    for _ in 0..500_000 {
        let torque_nm = 0.1 + 0.2 + 1e-4 * 100.0 + draw.between(-0.02, 0.02);
        let (speed, direction) = (100.0, 1.0);
        identifier.learn(&Averages { torque_nm, speed, direction, ..Averages::default() });
    }
    let found = identifier.identified().expect("it was taught");
    assert!(near(found.inertia_kgm2, 1.7e-4, 0.05, 0.0), "{found:?}");
    assert_eq!(identifier.restarts(), 0);
}

#[test]
fn windows_without_direction_teach_nothing() {
    let mut identifier = Identifier::new(&MODEL);
    let still = Averages { torque_nm: 3.0, ..Averages::default() };
    assert!(!identifier.learn(&still));
    assert_eq!(identifier.residual(&still), None);
}

#[test]
fn whatever_comes_it_neither_diverges_nor_leaves_its_ranges() {
    let special = [0.0, -0.0, 1e-320, -1e-308, 1e300, f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
    let mut draw = Draw(0xDEAD_BEEF_0BAD_F00D);
    for _ in 0..400 {
        let mut identifier = Identifier::new(&MODEL);
        for _ in 0..2000 {
            let mut any = |scale: f64| match draw.bits() & 15 {
                n @ 0..=7 => special[usize::try_from(n).unwrap()],
                8 => f64::from_bits(draw.bits()),
                _ => draw.between(-scale, scale),
            };
            let averages = Averages {
                torque_nm: any(4.0),
                acceleration: any(5000.0),
                speed: any(400.0),
                direction: 1.0,
                roughness: any(1.0),
                ripple: any(1.0),
            };
            let direction = [1.0, -1.0, 0.0][usize::try_from(draw.bits() % 3).unwrap()];
            identifier.learn(&Averages { direction, ..averages });
            for (value, most) in identifier.x.iter().zip(RANGE) {
                assert!(value.abs() <= most, "{:?}", identifier.x);
            }
            if let Some(found) = identifier.identified() {
                let ratio = found.inertia_kgm2 / MODEL.inertia_kgm2;
                assert!((INERTIA.0 * 0.999..=INERTIA.1 * 1.001).contains(&ratio), "{found:?}");
                assert!(found.viscous_nms >= 0.0 && found.coulomb_nm >= 0.0, "{found:?}");
            }
            assert!(positive(&identifier.p) && identifier.noise.is_finite());
        }
    }
}

#[test]
fn a_model_that_cannot_be_calculated_with_learns_nothing() {
    for rated_torque_nm in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let mut identifier = Identifier::new(&AxisModel { rated_torque_nm, ..MODEL });
        assert!(!identifier.learn(&window(&mut Draw(9), [1e-4, 0.0, 0.1, 0.0], 0.0)));
        assert_eq!(identifier.identified(), None);
    }
}
