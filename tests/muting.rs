//! The cell with four muting sensors in virtual time: a part passes the light curtain, a person does not; and contacts that lie.

use serde_json::Value;
use tactus_tests::scenario::{kinds, press, unchanged, work};

/// The shipped cell, changed and with these events, for 30 s.
fn cell(name: &str, change: impl Fn(String) -> String, events: &[String]) -> Value {
    work((&format!("muting-{name}"), "muting-cell.toml", "30s"), change, events)
}

#[test]
fn parts_pass_the_light_curtain_and_the_contactor_follows_without_a_stop() {
    let report = cell("parts", unchanged, &[]);
    assert_eq!(kinds(&report), [""; 0], "{report:#}");
    assert_eq!(report["gate_violations"], 0);
    let travel = report["axes"][0]["travel"].as_f64().expect("travel of the belt");
    assert!(travel > 3000.0, "{report:#}");
    // Three parts passed: without the sensors the first of them is somebody.
    let blind = |text: String| text.replace("press = \"before_2\"", "press = \"reset_button\"");
    let blind = cell("blind", blind, &[]);
    assert_eq!(kinds(&blind), ["light_curtain"], "{blind:#}");
}

#[test]
fn a_person_does_not_pass_however_the_sensors_are_covered() {
    let curtain = || press("12 s", "\"curtain_a\", \"curtain_b\"", "1 s");
    let covers = |at: &str, sensor: &str| press(at, &format!("\"{sensor}\""), "2 s");
    let walks = [
        vec![curtain()],
        vec![covers("11500 ms", "before_1"), curtain()],
        // In the wrong order, too far apart, one of each pair.
        vec![covers("11300 ms", "before_2"), covers("11600 ms", "before_1"), curtain()],
        vec![covers("10900 ms", "before_1"), covers("11600 ms", "before_2"), curtain()],
        vec![covers("11500 ms", "before_1"), covers("11700 ms", "behind_1"), curtain()],
        // As a part at first, but nothing comes out behind the curtain.
        vec![
            press("11300 ms", "\"before_1\"", "900 ms"),
            press("11500 ms", "\"before_2\"", "900 ms"),
            curtain(),
        ],
    ];
    for (number, walk) in walks.iter().enumerate() {
        let report = cell(&format!("person-{number}"), unchanged, walk);
        assert_eq!(kinds(&report), ["light_curtain"], "walk {number}: {report:#}");
    }
}

#[test]
fn a_contactor_that_does_not_follow_stops_the_belt() {
    // Its contact says off for ever: it does not pull. Or it pulls too late.
    let wiring = "[[virtual.contactor]]\noutput = \"heater\"\nfeedback = \"heater_off\"\n";
    for (name, with) in [("dead", String::new()), ("late", format!("{wiring}delay = \"150 ms\"\n"))]
    {
        let report = cell(name, |text| text.replace(wiring, &with), &[]);
        assert_eq!(kinds(&report), ["edm"], "{name}: {report:#}");
    }
}

#[test]
fn contacts_that_agree_where_they_must_not_and_differ_where_they_must_not_stop() {
    // The flap: opened; and its second contact alone. The clamp: let go; and one pressure switch alone.
    let cases = [
        ("flap", "\"flap_closed\", \"flap_open\"", "antivalent"),
        ("flap-wire", "\"flap_open\"", "antivalent"),
        ("clamp", "\"clamp_a\", \"clamp_b\"", "equivalent"),
        ("clamp-wire", "\"clamp_b\"", "equivalent"),
    ];
    for (name, inputs, kind) in cases {
        let report = cell(name, unchanged, &[press("12 s", inputs, "1 s")]);
        assert_eq!(kinds(&report), [kind], "{name}: {report:#}");
    }
}
