//! The cell with two modes in virtual time: what a person at the machine does, and what the machine then does.

use serde_json::Value;
use tactus_tests::scenario::{kinds, press, unchanged, work};

/// Both contacts of the key switch: manual for a while.
fn manual(at: &str, lasts: &str) -> String {
    press(at, "\"key_automatic\", \"key_manual\"", lasts)
}

/// The enabling switch in its middle (only contact a changes).
fn enable(at: &str, lasts: &str) -> String {
    press(at, "\"enable_a\"", lasts)
}

/// The shipped cell, changed and with these events, for 20 s.
fn cell(name: &str, change: impl Fn(String) -> String, events: &[String]) -> Value {
    work((&format!("manual-{name}"), "manual-cell.toml", "20s"), change, events)
}

fn travel(report: &Value) -> f64 {
    report["axes"][0]["travel"].as_f64().expect("travel of the slide")
}

#[test]
fn in_automatic_it_works_and_a_part_passes_the_light_curtain() {
    let report = cell("automatic", unchanged, &[]);
    assert_eq!(kinds(&report), [""; 0], "{report:#}");
    assert_eq!((&report["mode"], &report["mode_changes"]), (&"automatic".into(), &0.into()));
    assert!(travel(&report) > 3000.0, "{report:#}");
    assert_eq!(report["gate_violations"], 0);
}

#[test]
fn a_person_does_not_pass_the_light_curtain() {
    let curtain = "\"curtain_a\", \"curtain_b\"";
    // Without sensors; with one sensor only; with the sensors too far apart.
    let walks = [
        vec![press("12 s", curtain, "1 s")],
        vec![press("11900 ms", "\"muting_1\"", "2 s"), press("12 s", curtain, "1 s")],
        vec![
            press("11 s", "\"muting_1\"", "2 s"),
            press("11700 ms", "\"muting_2\"", "2 s"),
            press("12 s", curtain, "1 s"),
        ],
    ];
    for (number, walk) in walks.iter().enumerate() {
        let report = cell(&format!("person-{number}"), unchanged, walk);
        assert_eq!(kinds(&report), ["light_curtain"], "walk {number}: {report:#}");
    }
}

#[test]
fn turning_the_key_stops_and_in_manual_the_program_rests() {
    let report = cell("turned", unchanged, &[manual("8 s", "30 s")]);
    // The selector demands for a cycle, then the enabling switch is missing.
    assert_eq!(kinds(&report)[0], "mode_selector", "{report:#}");
    assert_eq!((&report["mode"], &report["mode_changes"]), (&"manual".into(), &1.into()));
    let working = travel(&cell("not-turned", unchanged, &[]));
    assert!(travel(&report) < 0.6 * working, "{} of {working}", travel(&report));
}

#[test]
fn a_jog_moves_only_with_the_enabling_switch_and_only_while_it_is_held() {
    let key = manual("8 s", "30 s");
    let jog = |at: &str, lasts: &str| press(at, "\"jog_plus\"", lasts);
    let none = travel(&cell("jog-none", unchanged, &[key.clone(), enable("10 s", "8 s")]));
    let jogged = |name: &str, events: &[String]| {
        let all: Vec<String> = [key.clone()].iter().chain(events).cloned().collect();
        travel(&cell(name, unchanged, &all)) - none
    };
    let short = jogged("jog-1s", &[enable("10 s", "8 s"), jog("12 s", "1 s")]);
    assert!((70.0..=110.0).contains(&short), "100 mm/s for a second: {short} mm");
    let without = jogged("jog-without", &[jog("12 s", "1 s")]);
    assert!(without.abs() < 0.5, "without the switch: {without} mm");
    let let_go = jogged("jog-let-go", &[enable("10 s", "2500 ms"), jog("12 s", "3 s")]);
    assert!((30.0..=60.0).contains(&let_go), "let go after half a second: {let_go} mm");
    let panic =
        [enable("10 s", "8 s"), jog("12 s", "3 s"), press("12500 ms", "\"enable_b\"", "9 s")];
    let panic = jogged("jog-panic", &panic);
    assert!((30.0..=60.0).contains(&panic), "pressed through after half a second: {panic} mm");
    let early = jogged("jog-early", &[jog("9 s", "6 s"), enable("10 s", "8 s")]);
    assert!(early.abs() < 0.5, "pressed before the switch was held: {early} mm");
}

#[test]
fn the_door_may_be_open_in_manual_only() {
    let door = |at: &str| press(at, "\"door_a\", \"door_b\"", "3 s");
    let automatic = cell("door-automatic", unchanged, &[door("12 s")]);
    assert_eq!(kinds(&automatic), ["guard_door"], "{automatic:#}");
    let events = [
        manual("8 s", "30 s"),
        door("11 s"),
        enable("10 s", "8 s"),
        press("12 s", "\"jog_minus\"", "1 s"),
    ];
    let open = cell("door-manual", unchanged, &events);
    let shut = cell("door-shut", unchanged, &[events[0].clone(), events[2].clone()]);
    assert!(!kinds(&open).contains(&"guard_door"), "{open:#}");
    let way = travel(&open) - travel(&shut);
    assert!((70.0..=110.0).contains(&way), "jogged with the door open: {way} mm");
}

#[test]
fn two_hands_cannot_be_tied_down() {
    // Given two buttons in place of the enabling switch, and a pedal that jogs,
    let two_hand = |text: String| {
        text.replace("kind = \"enabling_switch\"", "kind = \"two_hand\"")
            .replace("enable_b = 1", "enable_b = 0")
    };
    let key = manual("8 s", "30 s");
    let pedal = press("12 s", "\"jog_plus\"", "1 s");
    let hand = |at: &str, which: &str| press(at, &format!("\"enable_{which}\""), "9 s");
    let way = |name: &str, events: &[String]| {
        let all: Vec<String> = [key.clone(), pedal.clone()].iter().chain(events).cloned().collect();
        travel(&cell(name, two_hand, &all))
    };
    let none = way("hands-none", &[]);
    let together = way("hands-together", &[hand("10 s", "a"), hand("10400 ms", "b")]) - none;
    assert!((70.0..=110.0).contains(&together), "both within half a second: {together} mm");
    let tied = way("hands-tied", &[hand("9 s", "a"), hand("10 s", "b")]) - none;
    assert!(tied.abs() < 0.5, "one was tied down: {tied} mm");
}

#[test]
fn what_is_too_hot_or_without_air_stops_or_slows() {
    let hot = "\n[[scenario.event]]\nat = \"12 s\"\nset = \"cabinet_temperature\"\nvalue = 700\n";
    let report = cell("hot", unchanged, &[hot.to_owned()]);
    assert_eq!(kinds(&report), ["signal_limit"], "{report:#}");
    let air = cell("air", unchanged, &[press("8 s", "\"air_pressure\"", "30 s")]);
    let working = travel(&cell("air-good", unchanged, &[]));
    assert!(travel(&air) < 0.7 * working, "{} of {working}", travel(&air));
    assert_eq!(air["gate_violations"], 0);
}
