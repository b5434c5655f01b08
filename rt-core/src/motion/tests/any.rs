//! Whatever is asked, in whatever order: the limits hold in every cycle, and what is left alone comes to its end.

use super::*;
use proptest::prelude::*;

/// Something that happens, and for how many cycles it then stays.
#[derive(Clone, Debug)]
enum Happening {
    Line(f64, f64, f64),
    Relative(u8, f64, f64),
    Velocity(u8, f64),
    Halt,
    SpeedLimit(Option<f64>),
}

fn happening() -> impl Strategy<Value = (Happening, usize)> {
    let what = prop_oneof![
        3 => (0.0..900.0_f64, 0.0..900.0_f64, 1.0..600.0_f64)
            .prop_map(|(x, y, v)| Happening::Line(x, y, v)),
        2 => (0_u8..3, -300.0..300.0_f64, 1.0..600.0_f64)
            .prop_map(|(axis, by, v)| Happening::Relative(axis, by, v)),
        2 => (0_u8..3, -600.0..600.0_f64).prop_map(|(axis, v)| Happening::Velocity(axis, v)),
        1 => Just(Happening::Halt),
        2 => proptest::option::of(0.0..300.0_f64).prop_map(Happening::SpeedLimit),
    ];
    (what, 0_usize..300)
}

/// Two linear axes in one group and an endless one in another.
fn mixed() -> Cell {
    let free = |index: u16, group: u8, wrap: Option<Nano>| {
        let mut plan = axis_plan(index, group);
        plan.wrap = wrap;
        plan.limits.position = None;
        plan.limits.acceleration = mm(if index == 1 { 2000.0 } else { 5000.0 });
        plan
    };
    Cell::new(vec![free(0, 0, None), free(1, 0, None), free(2, 1, Some(mm(100.0)))])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn limits_hold_in_every_cycle(happenings in proptest::collection::vec(happening(), 1..12)) {
        let mut cell = mixed();
        for (what, cycles) in &happenings {
            let request = match *what {
                Happening::Line(x, y, velocity) => Some(linear(&[x, y], velocity)),
                Happening::Relative(axis, by, velocity) => Some(Request::MoveRelative {
                    axis: AxisId(axis), distance: mm(by), velocity: mm(velocity),
                }),
                Happening::Velocity(axis, velocity) => {
                    Some(Request::MoveVelocity { axis: AxisId(axis), velocity: mm(velocity) })
                }
                Happening::Halt => Some(Request::Halt { group: GroupId(0) }),
                Happening::SpeedLimit(limit) => {
                    cell.permit.speed_limit = limit.map_or(Nano::MAX, mm);
                    None
                }
            };
            if let Some(request) = request {
                cell.ask(request);
            }
            cell.run(*cycles);
        }
        // What is asked last is done, and exactly.
        cell.permit.speed_limit = Nano::MAX;
        cell.ask(linear(&[100.0, 50.0], 600.0));
        cell.until_done(0);
        prop_assert_eq!(cell.motion.set_point(AxisId(0)).position, mm(100.0));
        prop_assert_eq!(cell.motion.set_point(AxisId(1)).position, mm(50.0));
        cell.check_trace();
    }

    #[test]
    fn the_same_requests_give_the_same_bits(x in 0.0..900.0_f64, limit in 20.0..400.0_f64) {
        let run = || {
            let mut cell = mixed();
            cell.ask(linear(&[x, 77.0], 555.0));
            cell.run(150);
            cell.permit.speed_limit = mm(limit);
            cell.until_done(0);
            cell.trace
        };
        prop_assert_eq!(run(), run());
    }

    #[test]
    fn a_speed_limit_is_kept_once_there_was_time_to_come_down_to_it(
        before in 10.0..500.0_f64, limit in 1.0..400.0_f64,
    ) {
        let mut cell = mixed();
        cell.ask(linear(&[900.0, 450.0], before));
        cell.ask(Request::MoveVelocity { axis: AxisId(2), velocity: mm(-before) });
        cell.run(200);
        cell.permit.speed_limit = mm(limit);
        // 500 mm/s at 2000 mm/s² on the slower axis' share, and twice acceleration ÷ jerk.
        cell.run(400);
        for _ in 0..200 {
            cell.cycle();
            let speed = |axis: usize| cell.axes[axis].commanded_velocity();
            let path = speed(0) * speed(0) + speed(1) * speed(1);
            prop_assert!(path <= (limit + 1e-4) * (limit + 1e-4));
            prop_assert!(speed(2).abs() <= limit + 1e-4);
        }
    }
}
