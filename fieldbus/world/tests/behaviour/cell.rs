//! Parts, operator, events: the cell as a machine sees it.

use crate::demo::{BARRIER, BELT, HELD, LAMP, PICK, PLACE, RESET, START, VACUUM, X, Z, plan};
use crate::rig::{MS, S, hold, run};
use world::{Action, BusAction, Echo, Event, ServoDrive, TICK_NS, World, WorldPlan};

/// A machine: it moves axes one after the other and sets outputs.
struct Machine {
    world: World,
    plan: WorldPlan,
    places: [f64; 3],
}

impl Machine {
    fn new(seed: u64) -> Self {
        let plan = plan(seed);
        let world = World::new(plan.clone(), 0).unwrap();
        Self { world, plan, places: [0.0, 0.0, 100.0] }
    }

    fn command(&mut self) {
        for (axis, place) in self.places.into_iter().enumerate() {
            self.world.servo_command(axis, &hold(&self.plan.axes[axis], place));
        }
    }

    /// To a place at 400 mm/s, then 300 ms of rest. Stops early when `until` says so.
    fn go(&mut self, axis: usize, to: f64, until: impl Fn(&World) -> bool) {
        while (self.places[axis] - to).abs() > 1e-9 && !until(&self.world) {
            let left = to - self.places[axis];
            self.places[axis] += left.clamp(-0.05, 0.05);
            self.command();
            self.world.advance(self.world.now() + TICK_NS);
        }
        run(&mut self.world, 300 * MS);
    }

    fn vacuum(&mut self, on: bool) {
        self.world.set_output(VACUUM, on);
        run(&mut self.world, 50 * MS);
    }

    /// Brings the next part to the barrier.
    fn feed(&mut self) {
        while !self.world.input(BARRIER) {
            let next = self.places[BELT] + 10.0;
            self.go(BELT, next, |world| world.input(BARRIER));
        }
    }

    fn pick(&mut self) {
        self.go(X, PICK.0, |_| false);
        self.go(Z, PICK.1, |_| false);
        self.vacuum(true);
        self.go(Z, 100.0, |_| false);
    }

    fn balance(&self) {
        let parts = self.world.parts(0).unwrap();
        assert_eq!(parts.spawned, parts.on_belt + parts.held + parts.placed + parts.lost());
        assert_eq!(parts.picked, parts.held + parts.placed + parts.dropped);
    }
}

#[test]
fn a_part_is_fed_picked_and_placed() {
    let mut machine = Machine::new(1);
    machine.feed();
    let (furthest, barrier) = (machine.world.part_positions(0).next().unwrap(), 530.0);
    assert!((furthest - (barrier - 30.0)).abs() < 3.0, "the barrier sees its front: {furthest}");
    machine.pick();
    assert!(machine.world.input(HELD) && !machine.world.input(BARRIER));
    machine.go(X, PLACE.0, |_| false);
    machine.go(Z, PLACE.1, |_| false);
    machine.vacuum(false);
    let parts = machine.world.parts(0).unwrap();
    assert_eq!((parts.picked, parts.placed, parts.lost()), (1, 1, 0));
    assert!(!machine.world.input(HELD));
    machine.balance();
}

#[test]
fn a_part_let_go_elsewhere_is_lost() {
    let mut machine = Machine::new(1);
    machine.feed();
    machine.pick();
    machine.go(X, PLACE.0 - 50.0, |_| false);
    machine.vacuum(false);
    assert_eq!(machine.world.parts(0).unwrap().dropped, 1);
    machine.balance();
}

#[test]
fn nothing_is_picked_beside_above_or_without_vacuum() {
    for (x, z, vacuum) in
        [(PICK.0 + 12.0, PICK.1, true), (PICK.0, PICK.1 + 6.0, true), (PICK.0, PICK.1, false)]
    {
        let mut machine = Machine::new(1);
        machine.feed();
        machine.go(X, x, |_| false);
        machine.go(Z, z, |_| false);
        machine.vacuum(vacuum);
        assert_eq!(machine.world.parts(0).unwrap().picked, 0, "at {x}, {z}, {vacuum}");
    }
}

#[test]
fn the_grip_comes_after_its_delay() {
    let mut machine = Machine::new(1);
    machine.feed();
    machine.go(X, PICK.0, |_| false);
    machine.go(Z, PICK.1, |_| false);
    machine.world.set_output(VACUUM, true);
    run(&mut machine.world, 19 * MS);
    assert!(!machine.world.input(HELD));
    run(&mut machine.world, 2 * MS);
    assert!(machine.world.input(HELD));
}

#[test]
fn parts_keep_their_spacing_and_fall_off_the_end() {
    let mut machine = Machine::new(5);
    machine.go(BELT, 3_000.0, |_| false);
    let parts = machine.world.parts(0).unwrap();
    // First at 50, then each 300 to 340 on: 9 or 10 on 3000 mm; those that have gone 1000 mm are
    // lost.
    assert!((9..=10).contains(&parts.spawned), "{parts:?}");
    assert!((6..=7).contains(&parts.ran_off), "{parts:?}");
    let places: Vec<f64> = machine.world.part_positions(0).collect();
    let spacings: Vec<f64> = places.windows(2).map(|pair| pair[0] - pair[1]).collect();
    assert!(spacings.iter().all(|spacing| (300.0..=340.0).contains(spacing)));
    assert!((spacings[0] - spacings[1]).abs() > 0.01, "they vary: {spacings:?}");
    machine.balance();
}

#[test]
fn a_held_part_weighs_on_the_vertical_axis() {
    let torque = |machine: &Machine| {
        f64::from(machine.world.servo_feedback(Z).torque_permille) * 1e-3 * 1.27
    };
    let mut machine = Machine::new(1);
    machine.feed();
    machine.go(X, PICK.0, |_| false);
    machine.go(Z, 100.0 - 1e-6, |_| false);
    machine.go(Z, 99.0, |_| false);
    machine.go(Z, 100.0, |_| false);
    let empty = torque(&machine);
    machine.pick();
    machine.go(Z, 99.0, |_| false);
    machine.go(Z, 100.0, |_| false);
    // A fifth of 0.3 N m more; what friction holds is the same after the same approach.
    let more = torque(&machine) - empty;
    assert!((more - 0.06).abs() < 0.03, "{more} N m");
}

#[test]
fn the_operator_resets_and_starts_whenever_the_machine_waits_and_the_zone_is_free() {
    // Given a machine that stops when the person is in zone 0 and waits for reset and start,
    let mut world = World::new(plan(1), 0).unwrap();
    let (mut waiting, mut was_reset, mut starts, mut stops) = (false, false, 0, 0);
    for _ in 0..60 * 8_000 {
        world.advance(world.now() + TICK_NS);
        if world.zone_occupied(0) && !waiting {
            (waiting, was_reset) = (true, false);
            stops += 1;
        }
        if waiting && world.input(RESET) {
            assert!(!world.zone_occupied(0), "nobody resets with a person in the zone");
            was_reset = true;
        }
        if waiting && was_reset && world.input(START) {
            waiting = false;
            starts += 1;
        }
        world.set_output(LAMP, waiting);
    }
    // then the demo goes on for any time: the person comes every 12 s.
    assert_eq!((world.walks(0), stops, starts), (5, 5, 5));
    assert_eq!(world.rule_fired(0), 5);
}

#[test]
fn a_press_lasts_as_long_as_the_script_says_and_inverts_a_closed_circuit() {
    let press = Action::Pulse { source: 1, duration_ns: 200 * MS };
    let world_plan = WorldPlan {
        sources: vec![false, true],
        events: vec![
            Event { at_ns: S, action: press },
            Event { at_ns: 2 * S, action: Action::SetSource { source: 0, on: true } },
        ],
        ..WorldPlan::default()
    };
    let mut world = World::new(world_plan, 5 * S).unwrap();
    let mut pressed = 0;
    for _ in 0..8 * 3_000 {
        world.advance(world.now() + TICK_NS);
        pressed += u32::from(!world.input(1));
        assert_eq!(world.input(0), world.now() >= 7 * S);
    }
    assert_eq!(pressed, 1_600);
    assert!(!world.input(99), "what does not exist rests");
}

#[test]
fn an_action_out_of_the_blue_works_at_once_and_one_on_nothing_does_nothing() {
    let mut world = World::new(plan(1), 0).unwrap();
    run(&mut world, 100 * MS);
    world.act(Action::Pulse { source: RESET, duration_ns: 50 * MS });
    world.act(Action::DriveFault { axis: X, code: 0x7305 });
    world.act(Action::SetSource { source: 99, on: true });
    world.act(Action::FrictionScale { axis: 99, factor: f64::NAN });
    assert!(world.input(RESET));
    assert_eq!(world.servo_feedback(X).fault_code, 0x7305);
    run(&mut world, 49 * MS);
    assert!(world.input(RESET));
    run(&mut world, MS);
    assert!(!world.input(RESET), "the press is over");
}

#[test]
fn an_event_sends_a_person_in() {
    let mut plan = plan(1);
    plan.persons[0].start_ns = None;
    plan.events = vec![Event { at_ns: 2 * S, action: Action::PersonStart { person: 0 } }];
    let mut world = World::new(plan, 0).unwrap();
    run(&mut world, 2 * S - TICK_NS);
    assert_eq!(world.person(0), None);
    run(&mut world, 2 * S);
    assert!(world.person(0).is_some_and(|person| person.at.x > 300.0));
}

#[test]
fn bus_faults_are_handed_on_in_order_when_they_are_due() {
    let event = |at_ns, action| Event { at_ns, action: Action::Bus(action) };
    let down = BusAction::LinkDown { after: Some(2) };
    let refuse = BusAction::RefuseOp { position: 1, al_status_code: 0x1B };
    let plan = WorldPlan {
        events: vec![
            event(S, down),
            event(S, refuse),
            event(2 * S, BusAction::LinkUp { after: Some(2) }),
        ],
        ..WorldPlan::default()
    };
    let mut world = World::new(plan, 0).unwrap();
    run(&mut world, S - TICK_NS);
    assert_eq!(world.take_bus_action(), None);
    run(&mut world, TICK_NS);
    assert_eq!(world.take_bus_action(), Some(down));
    assert_eq!(world.take_bus_action(), Some(refuse));
    assert_eq!(world.take_bus_action(), None);
    run(&mut world, S);
    assert_eq!(world.take_bus_action(), Some(BusAction::LinkUp { after: Some(2) }));
}

#[test]
fn an_echo_follows_its_output_late_and_inverted() {
    let echo = Echo { output: 0, source: 0, inverted: true, delay_ns: 30 * MS };
    let plan =
        WorldPlan { sources: vec![false], outputs: 1, echoes: vec![echo], ..WorldPlan::default() };
    let mut world = World::new(plan, 0).unwrap();
    assert!(world.input(0), "the output is off");
    world.set_output(0, true);
    run(&mut world, 29 * MS);
    assert!(world.input(0));
    run(&mut world, 2 * MS);
    assert!(!world.input(0));
}

#[test]
fn analogue_values_pass_both_ways() {
    let mut world = World::new(WorldPlan { analog_outputs: 1, ..plan(1) }, 0).unwrap();
    world.set_analog_output(0, 1_234);
    assert_eq!((world.analog_output(0), world.analog_output(1)), (1_234, 0));
    run(&mut world, 3 * S - TICK_NS);
    assert_eq!(world.analog_input(0), 0);
    run(&mut world, TICK_NS);
    assert_eq!(world.analog_input(0), -77);
}

#[test]
fn a_call_that_comes_late_is_caught_up_and_more_than_a_second_is_skipped() {
    let mut world = World::new(plan(1), 0).unwrap();
    world.servo_command(X, &ServoDrive::default());
    world.advance(500 * MS + 60_000);
    assert_eq!((world.now(), world.skipped_ns()), (500 * MS, 0));
    world.advance(10 * S);
    assert_eq!((world.now(), world.skipped_ns()), (10 * S, 8_500 * MS));
}

#[test]
fn a_zone_is_occupied_by_whoever_reaches_into_it() {
    for (x, occupied) in [(-290.0, true), (-310.0, false)] {
        let mut plan = plan(1);
        plan.persons[0].path.truncate(1);
        plan.persons[0].path[0].at.x = x;
        plan.persons[0].path[0].dwell_ns = 10 * S;
        let mut world = World::new(plan, 0).unwrap();
        run(&mut world, 2 * S);
        assert_eq!(world.zone_occupied(0), occupied, "at {x}, with a reach of 300");
    }
}

#[test]
fn travel_adds_up_in_both_directions() {
    let mut machine = Machine::new(1);
    let since = machine.world.now();
    machine.go(X, 50.0, |_| false);
    machine.go(X, 20.0, |_| false);
    let view = machine.world.axis(X).unwrap();
    assert!((view.position - 20.0).abs() < 0.1);
    assert!((view.travel - 80.0).abs() < 1.0, "{} mm", view.travel);
    let told = machine.world.travel_since(X, since).unwrap();
    assert!((told - view.travel).abs() < 0.1);
    assert_eq!(machine.world.travel_since(99, since), None);
}
