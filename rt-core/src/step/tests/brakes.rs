//! What hangs must not fall.

use super::*;

#[test]
fn a_hanging_axis_is_held_by_torque_or_by_its_brake_at_every_moment() {
    for reaction in [Reaction::Stop1, Reaction::Stop0] {
        let mut bench = Bench::running(vertical_plan(reaction));
        bench.until_fast(300.0);
        assert_eq!(bench.signals.get(BRAKE).value, 1);
        bench.set(ESTOP_A, 0);
        bench.set(ESTOP_B, 0);
        let (mut engaged_at, mut off_at, mut others_off_at) = (None, None, None);
        for n in 0..600 {
            bench.cycle();
            if bench.signals.get(BRAKE).value == 0 {
                engaged_at.get_or_insert(n);
            }
            if bench.signals.get(SignalId(20)).value & 0xF != 0xF {
                off_at.get_or_insert(n);
            }
            if bench.signals.get(SignalId(10)).value & 0xF != 0xF {
                others_off_at.get_or_insert(n);
            }
        }
        let (engaged, off, others) = (engaged_at.unwrap(), off_at.unwrap(), others_off_at.unwrap());
        assert_eq!(off - engaged, 40, "{reaction:?}: torque stays until the brake holds");
        match reaction {
            Reaction::Stop0 => assert_eq!((engaged, others), (0, 0), "at once"),
            _ => assert!(engaged > 20 && others == off, "after the ramp: {engaged} {others}"),
        }
    }
}

#[test]
fn motion_waits_until_the_brake_is_free() {
    let mut bench = Bench::new(vertical_plan(Reaction::Stop1));
    bench.cycles(5);
    bench.press(RESET);
    bench.set(START, 1);
    let (mut released_at, mut permit_at) = (None, None);
    for n in 0..300 {
        bench.cycle();
        if bench.signals.get(BRAKE).value == 1 {
            assert_eq!(bench.drives[1].state, 3, "never without torque");
            released_at.get_or_insert(n);
        }
        if bench.core.status().groups[0].permit {
            permit_at.get_or_insert(n);
        }
    }
    assert_eq!(permit_at.unwrap() - released_at.unwrap(), 30);
}
