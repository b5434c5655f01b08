//! The cause-and-effect matrix as people get it wrong: what `tactus check` says, word by word.

use config::{Machine, Severity};
use rt_core::plan::{Block, Cause, Reaction, When};

const CELL: &str = include_str!("../machines/manual-cell.toml");
const DEMO: &str = include_str!("../machines/demo-cell.toml");

fn changed(from: &str, to: &str) -> String {
    assert!(CELL.contains(from), "the cell no longer has: {from}");
    CELL.replacen(from, to, 1)
}

/// What is refused, one line each: code: message; expected …; found …; remedy.
fn refused(text: &str) -> Vec<String> {
    let Err(diagnostics) = config::load(text, "cell.toml") else { panic!("loaded") };
    let line = |problem: &config::Problem| {
        let (code, message) = (problem.code, &problem.message);
        let (expected, found, remedy) = (&problem.expected, &problem.found, &problem.remedy);
        format!("{code}: {message}; expected {expected}; found {found}; {remedy}")
    };
    let problems = diagnostics.problems().iter();
    problems.filter(|problem| problem.severity == Severity::Error).map(line).collect()
}

fn loaded(text: &str) -> Machine {
    config::load(text, "cell.toml").unwrap_or_else(|diagnostics| panic!("{diagnostics}"))
}

#[test]
fn an_effect_that_another_always_hides() {
    let twice = format!(
        "{CELL}\n[[interlock]]\nname = \"door again\"\n\
         cause = {{ kind = \"guard_door\", a = \"door_a\", b = \"door_b\", discrepancy = \"1 s\" }}\n\
         effects = {{ slide = \"stop 2\" }}\nlatch = false\nmode = \"automatic\"\n"
    );
    assert_eq!(
        refused(&twice),
        [
            "effect-unreachable: `door again` never does anything to the group `slide`; expected an effect that \
             something else does not always hide; found the same cause does as much to it, or more, already; \
             remove one of the two"
        ]
    );
    // It shows where the other does not count, or when it holds on for longer.
    loaded(&twice.replace("latch = false\nmode = \"automatic\"\n", "latch = false\n"));
    let longer = "latch = true\nmode = \"automatic\"\n\n[[interlock]]\nname = \"enabling switch\"";
    loaded(&twice.replace(longer, &longer.replace("true", "false")).replace(
        "effects = { slide = \"stop 2\" }\nlatch = false",
        "effects = { slide = \"stop 2\" }\nlatch = true",
    ));
}

#[test]
fn a_cause_that_nobody_reads() {
    assert_eq!(
        refused(&changed("effects = { own = \"warn\" }", "effects = {}")),
        [
            "without-effect: the interlock `not homed` does nothing; expected `effects`: at least one group and its \
             reaction (or a `block`); found none; for instance: effects = { all = \"stop 1\" }"
        ]
    );
    let machine = loaded(&changed(
        "\"muting_1\", \"muting_2\", \"\"",
        "\"muting_1\", \"muting_2\", \"gate_closed\"",
    ));
    let warning = &machine.warnings[0];
    assert_eq!(warning.code, "unread-input");
    assert_eq!(warning.message, "nobody reads the input `gate_closed`");
    assert_eq!(warning.expected, "an interlock, a button, a jog or a step that reads it");
}

#[test]
fn a_latch_that_no_reset_clears() {
    let cannot = |needs: &str| {
        format!(
            "cannot-clear: no reset clears this: it needs motion that it stops; expected {needs} stays possible: mode = \
             \"automatic\", a limit or a warning; found a stop of the group of `slide` in every mode; add `mode = \
             \"automatic\"` (with [mode]), or stop other groups only"
        )
    };
    let homing = changed("effects = { own = \"warn\" }", "effects = { own = \"stop 2\" }");
    assert_eq!(refused(&homing), [cannot("homing it")]);
    let limit = changed(
        "{ kind = \"not_referenced\", axes = \"slide\" }\neffects = { own = \"warn\" }\nlatch = false",
        "{ kind = \"position_limit\", axes = \"slide\", from = \"-280 mm\", to = \"280 mm\" }\n\
         effects = { own = \"stop 2\" }\nlatch = true",
    );
    assert_eq!(refused(&limit), [cannot("moving it back")]);
    loaded(&limit.replace("effects = { own = \"stop 2\" }\nlatch = true\n\n[[interlock]]\nname = \"soft",
        "effects = { own = \"stop 2\" }\nlatch = true\nmode = \"automatic\"\n\n[[interlock]]\nname = \"soft"));
}

#[test]
fn an_axis_without_a_stop_distance_and_one_that_falls() {
    // Other sections may miss what is lost with the axis.
    let stop = refused(&changed("stop = { ramp = \"6 m/s2\", quick_stop = \"8 m/s2\" }\n", ""));
    let missing = "missing-key: [[axis]] has no `stop`; expected the key `stop`; found no `stop` here; add `stop = …`; \
                   docs/guide/machine-file.md says what it takes";
    assert!(stop.iter().any(|line| line == missing), "{stop:#?}");
    let falls = refused(&changed(
        "drive = \"drive_slide\"\nunit = \"mm\"",
        "drive = \"drive_slide\"\nunit = \"mm\"\nvertical = true",
    ));
    assert!(falls.iter().any(|line| line.starts_with("vertical-without-brake: ")), "{falls:#?}");
}

#[test]
fn an_emergency_stop_is_of_category_0_or_1() {
    assert_eq!(
        refused(&changed(
            "effects = { all = \"stop 1\", valve = \"safe\" }",
            "effects = { all = \"stop 2\" }"
        )),
        [
            "emergency-stop-category: an emergency stop is of category 0 or 1; expected \"stop 1\" or \"stop 0\"; found \
             something weaker; IEC 60204-1: power goes, at once or when everything stands"
        ]
    );
    loaded(&changed(
        "effects = { all = \"stop 1\", valve = \"safe\" }",
        "effects = { all = \"stop 0\" }",
    ));
}

#[test]
fn muting_has_an_end_and_sensors_that_can_tell() {
    let endless = refused(&changed(" max = \"5 s\",", ""));
    let missing = "missing-key: the muting has no `max`; expected the key `max`; found no `max` here; add `max = …`; \
                   docs/guide/machine-file.md says what it takes";
    assert!(endless.iter().any(|line| line == missing), "{endless:#?}");
    assert_eq!(
        refused(&changed("sensors = [\"muting_1\", \"muting_2\"]", "sensors = [\"muting_1\"]")),
        [
            "muting-sensors: these sensors cannot tell a part; expected two sensors with crossed beams, or four in a \
             row; found 1; list two, or two before the curtain and two behind it"
        ]
    );
}

#[test]
fn devices_that_a_person_holds_belong_to_manual() {
    let held = "held-in-automatic: a device that a person holds belongs to manual; expected mode = \"manual\" in this \
                interlock; found an interlock that counts in automatic, too; add it: otherwise every letting go stops \
                the program";
    let always = |text: &str| text.replace("latch = false\nmode = \"manual\"", "latch = false");
    assert_eq!(refused(&always(CELL)), [held]);
    let two_hand = changed("kind = \"enabling_switch\"", "kind = \"two_hand\"");
    let two_hand = two_hand.replace("enable_b = 1", "enable_b = 0");
    assert_eq!(refused(&always(&two_hand)), [held]);
    loaded(&two_hand);
}

#[test]
fn modes_are_watched_and_manual_is_slow_and_permitted_by_a_person() {
    let unwatched = |kind: &str, remedy: &str| {
        format!(
            "mode-unwatched: not every group stops on `{kind}`; expected an interlock with cause {{ kind = \"{kind}\" }} \
             that stops `all`; found none, or only for some groups; {remedy}"
        )
    };
    assert_eq!(
        refused(&changed(
            "{ kind = \"mode_selector\" }\neffects = { all",
            "{ kind = \"mode_selector\" }\neffects = { feed"
        )),
        [unwatched("mode_selector", "add it: a selector that says nothing must stop the machine")]
    );
    assert_eq!(
        refused(&changed(
            "b = \"enable_b\" }\neffects = { all",
            "b = \"enable_b\" }\neffects = { feed"
        )),
        [unwatched(
            "enabling_switch",
            "add it with mode = \"manual\" (or `two_hand`): in manual a person permits motion"
        )]
    );
    assert_eq!(
        refused(&changed("speed = \"200 mm/s\"", "speed = \"251 mm/s\"")),
        [
            "manual-too-fast: this is too fast for manual; expected at most 250 mm/s; found 251 mm/s; a person is at \
             the machine: choose a lower speed"
        ]
    );
    assert_eq!(
        refused(&changed(
            "effects = { all = \"stop 1\", valve = \"safe\" }\nlatch = true",
            "effects = { all = \"stop 1\" }\nlatch = true\nmode = \"automatic\""
        )),
        [
            "must-always-count: this cause counts in every mode; expected no `mode` in this interlock; found one; \
             remove `mode`: a selector must not switch this off"
        ]
    );
    let none = DEMO.replacen("latch = false\n", "latch = false\nmode = \"automatic\"\n", 1);
    assert_eq!(
        refused(&none),
        [
            "cause-impossible: there are no modes; expected [mode] in the file, or no `mode` here; found no section \
             [mode]; add the selector, or remove `mode`"
        ]
    );
}

#[test]
fn every_new_cause_becomes_what_the_file_says() {
    let machine = loaded(CELL);
    let rows = &machine.plan.interlocks;
    let find = |is: &dyn Fn(&Cause) -> bool| rows.iter().find(|row| is(&row.cause)).expect("a row");
    let switch = find(&|cause| matches!(cause, Cause::EnablingSwitch { .. }));
    assert_eq!((switch.when, switch.latch, switch.effects.len()), (When::Manual, false, 2));
    let door = find(&|cause| matches!(cause, Cause::Muting(_)));
    assert_eq!(door.when, When::Automatic);
    let Cause::Muting(muting) = door.cause else { panic!("{door:?}") };
    assert_eq!((muting.entry_ns, muting.muting_ns), (500_000_000, 5_000_000_000));
    assert_eq!(muting.lamp, machine.names.signal("lamp_muting"));
    let hot = find(&|cause| {
        matches!(cause, Cause::Threshold { of: rt_core::plan::Watched::Signal(_), .. })
    });
    let Cause::Threshold { band, .. } = hot.cause else { panic!("{hot:?}") };
    assert_eq!(
        (band.low, band.high, band.hysteresis, band.filter_ns),
        (Some(10), Some(600), 50, 100_000_000)
    );
    let air = rows.iter().find(|row| !row.outputs.is_empty() && !row.latch).expect("air pressure");
    assert_eq!(air.outputs[0], machine.names.signal("valve").unwrap());
    assert_eq!(air.effects[0].reaction, Reaction::LimitSpeed(twin_lite::Nano(100_000_000_000)));
    let mode = machine.plan.mode.as_ref().expect("[mode]");
    assert_eq!(mode.speeds[0].0, 200_000_000_000);
    assert_eq!(mode.jogs[0].velocity.0, 100_000_000_000);
}

/// Ways of the two axes that a row leaves, and that manual leaves.
fn ways(machine: &Machine, row: &str) -> [Vec<(u8, bool, bool)>; 2] {
    let way = |block: &Block| (block.axis.0, block.left.negative, block.left.positive);
    let at = machine.names.interlocks.iter().position(|it| it.name.starts_with(row)).expect("it");
    let of_row = machine.plan.interlocks[at].blocks.iter().map(way).collect();
    let of_mode = machine.plan.mode.iter().flat_map(|mode| &mode.blocks).map(way).collect();
    [of_row, of_mode]
}

#[test]
// SR-080
fn a_row_and_the_mode_close_ways_by_name() {
    let row = "effects = { own = \"warn\" }\nlatch = false";
    let closing = row.replace('\n', "\nblock = { slide = \"positive\" }\n");
    let mode = "[mode]\n";
    let text =
        changed(row, &closing).replacen(mode, "[mode]\nblock = { feed = \"negative\" }\n", 1);
    let machine = loaded(&text);
    assert_eq!(ways(&machine, "not homed"), [vec![(0, true, false)], vec![(1, false, true)]]);
    // A row may do nothing else.
    let alone = closing.replace("{ own = \"warn\" }", "{}");
    assert_eq!(ways(&loaded(&changed(row, &alone)), "not homed")[0], [(0, true, false)]);
}

#[test]
fn a_way_of_an_axis_that_is_not_there_or_closed_anyway() {
    let row = "effects = { own = \"warn\" }\nlatch = false";
    let closing = |block: &str| changed(row, &row.replace('\n', &format!("\nblock = {block}\n")));
    let unknown = refused(&closing("{ slade = \"positive\" }"));
    assert!(unknown[0].contains("slade"), "{unknown:#?}");
    assert!(!refused(&closing("{ slide = \"up\" }")).is_empty());
    let limits = "following_error = ";
    let one_way = closing("{ slide = \"negative\" }").replacen(
        limits,
        &format!("direction = \"positive\", {limits}"),
        1,
    );
    let wrong = refused(&one_way);
    assert!(
        wrong.iter().any(|line| line.contains("this way is closed at all times")),
        "{wrong:#?}"
    );
}

#[test]
fn an_axis_that_is_homed_wherever_somebody_jogged_it_to() {
    let here = "homing = { method = \"here\", mark = \"the arrow in the middle of the rail\" }";
    let codes = |text: &str| {
        let machine = loaded(text);
        machine.warnings.iter().map(|it| it.code.to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(codes(CELL), [""; 0]);
    let unmarked = changed(here, "homing = { method = \"here\" }");
    assert_eq!(codes(&unmarked), ["here-without-mark"]);
    assert_eq!(
        codes(&changed(here, "homing = { method = \"here\", mark = \" \" }")),
        ["here-without-mark"]
    );
    // Nobody moves it, or it has no limits that could be elsewhere.
    let feed = unmarked.replace("axis = \"slide\"\npositive", "axis = \"feed\"\npositive");
    assert_ne!(feed, unmarked);
    assert_eq!(codes(&feed), [""; 0]);
}
