//! Who is at the machine: visitors, the operator who works as he should, and others who do not.

use config::cell::{OperatorRule, RuleStep, ScenarioAction, VirtualPerson, Waypoint};
use tactus_tests::random::Random;

use super::draw::{Kind, MS, Shift};

/// Visitors of their own besides those of the machine file.
const VISITORS: usize = 1;

pub(crate) fn draw(shift: &mut Shift, random: &mut Random) {
    if shift.kind == Kind::Demo {
        for visitor in 0..VISITORS {
            walks(shift, visitor, random);
        }
    }
    operator(shift, random);
    meddlers(shift, random);
    at_boot(shift, random);
    buttons(shift, random);
    if shift.kind == Kind::Manual {
        key(shift, random);
        parts(shift, random);
    }
}

/// Somebody who comes now and then, on a path that leads anywhere.
fn walks(shift: &mut Shift, number: usize, random: &mut Random) {
    let mut path: Vec<Waypoint> = (0..random.from_to(2, 6))
        .map(|_| {
            let coordinate = |low: u32, span: u64, random: &mut Random| {
                f64::from(u32::try_from(random.below(span)).expect("small")) - f64::from(low)
            };
            Waypoint {
                x_mm: coordinate(800, 4_000, random),
                y_mm: coordinate(4_000, 5_000, random),
                dwell_ns: random.of(&[0, 0, 200, 1_000, 4_000]) * MS,
            }
        })
        .collect();
    let outside = Waypoint { x_mm: 6_000.0, y_mm: -6_000.0, dwell_ns: 0 };
    path.insert(0, outside);
    path.push(outside);
    let persons = &mut shift.machine.virtual_cell.persons;
    let person = persons.len();
    persons.push(VirtualPerson {
        name: format!("visitor {number}"),
        radius_mm: 300.0,
        speed_mm_s: random.of(&[600.0, 1_000.0, 1_600.0, 2_000.0]),
        path,
        start_ns: None,
        repeat_ns: None,
    });
    let mut at = random.from_to(5_000, 40_000) * MS;
    while at < shift.length() {
        shift.event(at, ScenarioAction::PersonStart { person });
        at += random.from_to(30_000, 90_000) * MS;
    }
}

/// The operator of the machine file, in more or less of a hurry; one of four presses whoever is near.
fn operator(shift: &mut Shift, random: &mut Random) {
    let hurry = random.of(&[200, 500, 1_000]) * MS;
    let careless = random.once_in(4);
    for rule in &mut shift.machine.virtual_cell.rules {
        for condition in &mut rule.when {
            condition.for_ns = hurry;
        }
        if careless {
            rule.when
                .retain(|condition| !matches!(condition.what, config::cell::Seen::ZoneFree(_)));
        }
    }
}

/// Those who press what they should not, whenever the lamp asks for somebody.
fn meddlers(shift: &mut Shift, random: &mut Random) {
    let (reset, start) = (shift.channel("reset_button"), shift.channel("start_button"));
    let press = |input, duration_ns, after_ns| RuleStep {
        after_ns,
        action: ScenarioAction::Pulse { input, duration_ns },
    };
    let lamp = shift.machine.virtual_cell.rules[0].when[0];
    let ms = |random: &mut Random, choice: &[u64]| random.of(choice) * MS;
    let habits: [Vec<RuleStep>; 5] = [
        // A start without reset.
        vec![press(start, ms(random, &[60, 200, 2_500]), 0)],
        // A reset that is held for too long, or just not, and again and again.
        vec![press(reset, ms(random, &[30, 2_900, 3_200, 5_000]), 0)],
        // A start that is held over the reset.
        vec![press(start, 2_000 * MS, 0), press(reset, 300 * MS, 400 * MS)],
        // Both at once.
        vec![press(reset, 200 * MS, 0), press(start, 200 * MS, 0)],
        // The reset alone.
        vec![press(reset, 200 * MS, 0), press(reset, 100 * MS, 500 * MS)],
    ];
    for (number, then) in habits.into_iter().enumerate() {
        if random.once_in(2) {
            continue;
        }
        let mut when = lamp;
        when.for_ns = random.from_to(50, 3_000) * MS;
        shift.machine.virtual_cell.rules.push(OperatorRule {
            name: format!("meddler {number}"),
            when: vec![when],
            then,
            cooldown_ns: random.from_to(5_000, 40_000) * MS,
        });
    }
}

/// Buttons that are held while the machine starts.
fn at_boot(shift: &mut Shift, random: &mut Random) {
    for button in ["reset_button", "start_button"] {
        if random.once_in(3) {
            let input = shift.channel(button);
            shift.event(0, ScenarioAction::SetInput { input, on: true });
            let until = random.from_to(100, 4_000) * MS;
            shift.event(until, ScenarioAction::SetInput { input, on: false });
        }
    }
}

/// Somebody leans on a button at any time; now and then it sticks, or bounces.
fn buttons(shift: &mut Shift, random: &mut Random) {
    let mut at = random.from_to(4_000, 20_000) * MS;
    while at < shift.length() {
        let button = random.of(&["reset_button", "start_button", "stop_button"]);
        match random.below(4) {
            0 => bounce(shift, at, &[button], random),
            1 => shift.pulse(at, button, random.from_to(5_000, 15_000) * MS),
            _ => shift.pulse(at, button, random.from_to(5, 1_500) * MS),
        }
        at += random.from_to(8_000, 60_000) * MS;
    }
}

/// Contacts that bounce before they do what they should.
pub(crate) fn bounce(shift: &mut Shift, at: u64, inputs: &[&str], random: &mut Random) {
    let mut at = at;
    for _ in 0..random.from_to(3, 12) {
        let input = random.of(inputs);
        shift.pulse(at, input, random.from_to(1, 12) * MS);
        at += random.from_to(2, 40) * MS;
    }
    if random.once_in(2) {
        let held = random.from_to(20, 800) * MS;
        inputs.iter().for_each(|input| shift.pulse(at, input, held));
    }
}

/// The key switch is turned, cleanly or not, and axes are jogged.
fn key(shift: &mut Shift, random: &mut Random) {
    let mut at = random.from_to(6_000, 20_000) * MS;
    while at < shift.length() {
        let long = random.from_to(3_000, 30_000) * MS;
        let gap = random.of(&[0, 0, 10, 100, 450, 700]) * MS;
        match random.below(6) {
            // It says nothing for a moment, or both.
            0 => shift.pulse(at, "key_automatic", random.from_to(5, 2_000) * MS),
            1 => shift.pulse(at, "key_manual", random.from_to(5, 2_000) * MS),
            _ => {
                shift.pulse(at, "key_automatic", long + gap);
                shift.pulse(at + gap, "key_manual", long);
                jogs(shift, (at + gap, at + gap + long), random);
            }
        }
        at += long + random.from_to(8_000, 40_000) * MS;
    }
}

/// What a person does in manual.
fn jogs(shift: &mut Shift, (from, to): (u64, u64), random: &mut Random) {
    let mut at = from + random.from_to(0, 2_500) * MS;
    while at < to {
        let long = random.from_to(300, 6_000) * MS;
        if !random.once_in(8) {
            shift.pulse(at, "enable_a", long);
        }
        if random.once_in(5) {
            // Pressed through.
            shift.pulse(at + random.below(long), "enable_b", random.from_to(20, 1_000) * MS);
        }
        for _ in 0..random.from_to(1, 3) {
            let button = random.of(&["jog_plus", "jog_minus"]);
            let begin = (at + random.below(long)).saturating_sub(100 * MS);
            shift.pulse(begin, button, random.from_to(10, 4_000) * MS);
        }
        if random.once_in(3) {
            shift.pulse(at, "reset_button", 200 * MS);
            shift.pulse(at + 700 * MS, "start_button", 200 * MS);
        }
        at += long + random.from_to(50, 2_000) * MS;
    }
}

/// Parts and people pass the light curtain.
fn parts(shift: &mut Shift, random: &mut Random) {
    let mut at = random.from_to(7_000, 20_000) * MS;
    let curtain = ["curtain_a", "curtain_b"];
    while at < shift.length() {
        let through = random.from_to(200, 1_500) * MS;
        match random.below(5) {
            0 => curtain.iter().for_each(|input| shift.pulse(at, input, through)),
            1 => bounce(shift, at, &curtain, random),
            _ => {
                let second = at + random.of(&[50, 200, 400, 700]) * MS;
                let last = second + 300 * MS + through + random.from_to(50, 500) * MS;
                shift.pulse(at, "muting_1", last - at);
                shift.pulse(second, "muting_2", last - second);
                curtain.iter().for_each(|input| shift.pulse(second + 300 * MS, input, through));
            }
        }
        at += random.from_to(8_000, 40_000) * MS;
    }
}
