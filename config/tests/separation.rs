//! Speed and separation, fixed zones and budgets in the machine file: what is refused, with which words.

use config::Diagnostics;
use rt_core::plan::Cause;

const CELL: &str = include_str!("../machines/separation-cell.toml");
const DEMO: &str = include_str!("../machines/demo-cell.toml");

fn refused(text: &str) -> Diagnostics {
    match config::load(text, "cell.toml") {
        Ok(_) => panic!("loaded, but should have been refused"),
        Err(diagnostics) => diagnostics,
    }
}

fn changed(of: &str, from: &str, to: &str) -> String {
    assert!(of.contains(from), "the cell no longer has: {from}");
    of.replacen(from, to, 1)
}

fn check(of: &str, rows: &[(&str, &str, &str)]) {
    for (from, to, code) in rows {
        let diagnostics = refused(&changed(of, from, to));
        let codes: Vec<_> = diagnostics.problems().iter().map(|problem| problem.code).collect();
        assert!(codes.contains(code), "{from} -> {to}: {code} in\n{diagnostics}");
        for problem in diagnostics.problems() {
            let parts = [&problem.message, &problem.expected, &problem.found, &problem.remedy];
            assert!(parts.iter().all(|part| !part.is_empty()), "incomplete: {problem:?}");
        }
    }
}

/// The demo cell with a gripper that the stop zone is there for.
fn demo_with_part() -> String {
    format!(
        "{DEMO}\n[[part]]\nname = \"gripper\"\ngroup = \"gantry\"\nx = \"x\"\n\
         shape = [[\"-120 mm\", \"-150 mm\"], [\"120 mm\", \"150 mm\"]]\n"
    )
}

#[test]
fn the_shipped_cell_says_what_its_plan_has() {
    let machine = config::load(CELL, "cell").unwrap_or_else(|wrong| panic!("{wrong}"));
    let plans = machine.plan.interlocks.iter().filter_map(|row| match row.cause {
        Cause::Separation(plan) => Some(plan),
        _ => None,
    });
    let [plan] = plans.collect::<Vec<_>>()[..] else { panic!("one row") };
    assert_eq!(plan.person_speed.units(), 1600.0);
    assert_eq!((plan.intrusion.units(), plan.person_uncertainty.units()), (300.0, 20.0));
    assert_eq!(plan.part_uncertainty.units(), 5.0, "the following error of x");
    assert_eq!(plan.watched.low.map(|at| at.units()), [-3200.0, -3600.0]);
    let part = machine.plan.parts[0];
    assert_eq!(part.axes.map(|axis| axis.map(|axis| axis.0)), [Some(0), None]);
    assert_eq!(machine.names.parts, ["gripper"]);
}

#[test]
fn parts_and_separation_that_cannot_be_are_refused() {
    let cause = "part = \"gripper\", zone = \"watched\", intrusion = \"300 mm\"";
    let (part, zone) = ("name = \"gripper\"\ngroup", "[\"4400 mm\", \"3600 mm\"], ");
    let row = "effects = { gantry = \"stop 2\" }\nlatch = false\n\n# The belt";
    let with = |effect: &str| row.replace("gantry = \"stop 2\"", effect);
    check(
        CELL,
        &[
            ("group = \"gantry\"\nx = \"x\"", "group = \"gantry\"", "part-without-axis"),
            ("group = \"gantry\"\nx = \"x\"", "group = \"gantry\"\nx = \"belt\"", "part-axis"),
            ("group = \"gantry\"\nx = \"x\"", "group = \"conveyor\"\nx = \"x\"", "part-axis"),
            ("group = \"gantry\"\nx = \"x\"", "group = \"gantry\"\nx = \"q\"", "unknown-name"),
            ("shape = [[\"-120 mm\"", "shape = [[\"120 mm\"", "bad-box"),
            (part, "name = \"hand\"\ngroup", "unknown-name"),
            (zone, "", "not-a-rectangle"),
            (cause, "part = \"gripper\", zone = \"watched\"", "missing-key"),
            (cause, "zone = \"watched\", intrusion = \"300 mm\"", "missing-key"),
            ("intrusion = \"300 mm\"", "intrusion = \"4 m\"", "out-of-range"),
            ("intrusion = \"300 mm\"", "intrusion = \"-1 mm\"", "out-of-range"),
            (cause, &format!("{cause}, person_speed = \"1 m/s\""), "out-of-range"),
            (cause, &format!("{cause}, person_speed = \"1600 deg/s\""), "out-of-range"),
            (cause, &format!("{cause}, clock_error = \"2 s\""), "out-of-range"),
            (cause, &format!("{cause}, from = \"2 mm\""), "key-does-not-fit"),
            (row, &with("gantry = \"limit 100 mm/s\""), "separation-without-stop"),
            (row, &with("gantry = \"stop 0\""), "separation-without-stop"),
            (row, &with("conveyor = \"stop 1\""), "separation-without-stop"),
            ("connection_lost = 3", "connection_lost = 2", "separation-coasts"),
        ],
    );
}

#[test]
// SR-067
fn a_zone_that_is_too_close_for_its_response_time_is_refused_with_the_arithmetic() {
    let text = demo_with_part();
    let wrong = refused(&text);
    let [problem] = wrong.problems() else { panic!("{wrong}") };
    assert_eq!(problem.code, "zone-too-close");
    // 150 + 1 + 1 + 4 + 267 (the belt) or 225 ms, at 1600 mm/s, 850 and 100 mm; the far side is at y −1500, the part at −150.
    for words in
        ["transport 150 ms", "1600 mm/s", "850 mm + 100 mm", "there are 1350 mm", "too few"]
    {
        assert!(problem.found.contains(words), "{words}: {}", problem.found);
    }
    assert!(problem.found.lines().count() >= 4, "line by line: {}", problem.found);
    let near = changed(
        &text,
        "{ kind = \"zone\", zone = \"stop\" }",
        "{ kind = \"zone\", zone = \"stop\", intrusion = \"400 mm\", person_uncertainty = \"50 mm\" }",
    );
    assert!(config::load(&near, "cell").is_ok(), "S is smaller than 1350 mm");
    let farther = text.replace("\"-1500 mm\"", "\"-2000 mm\"");
    assert!(config::load(&farther, "cell").is_ok(), "a zone that is deep enough");
}

#[test]
fn a_budget_that_does_not_add_up_is_refused() {
    let row = "cause = { kind = \"zone\", zone = \"stop\" }\n";
    let with = |budget: &str| format!("budget = {{ {budget} }}\n{row}");
    let code = "budget-does-not-add-up";
    check(
        DEMO,
        &[
            (row, &with("total = \"300 ms\""), code),
            (row, &with("sensor = \"60 ms\", transport = \"60 ms\""), code),
            (row, &with("sensor = \"160 ms\""), code),
            (row, &with("cycle = \"500 us\""), code),
            (row, &with("mechanics = \"100 ms\""), code),
            (row, &with("drive = \"1 ms\""), code),
            (row, &with("bus = \"90 s\""), "out-of-range"),
        ],
    );
    let fits =
        changed(DEMO, row, &with("sensor = \"60 ms\", mechanics = \"500 ms\", total = \"1 s\""));
    let machine = config::load(&fits, "cell").unwrap_or_else(|wrong| panic!("{wrong}"));
    let place = machine.names.interlocks.iter().position(|row| row.name == "person in the cell");
    let budget = machine.budgets[place.unwrap()];
    assert_eq!(budget.stages[0].ns() + budget.stages[1].ns(), 150_000_000);
    assert_eq!(budget.sum_ns(), 150_000_000 + 2_000_000 + 4_000_000 + 500_000_000);
    assert_eq!(machine.budgets.len(), machine.plan.interlocks.len());
}
