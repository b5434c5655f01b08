//! `[[inspection]]`: the shipped machine is right, and each mistake is found where it is.

const CELL: &str = include_str!("../machines/inspection-cell.toml");

fn codes(text: &str) -> Vec<&'static str> {
    match config::load(text, "cell.toml") {
        Ok(machine) => machine.warnings.iter().map(|problem| problem.code).collect(),
        Err(wrong) => wrong.problems().iter().map(|problem| problem.code).collect(),
    }
}

#[test]
fn the_shipped_cell_follows_parts_from_its_sensor_past_camera_and_air_jet() {
    let machine = config::load(CELL, "inspection-cell.toml").expect("it is shipped");
    assert!(machine.warnings.is_empty(), "{:?}", machine.warnings);
    let [plan] = &*machine.plan.inspections else { panic!("one inspection") };
    assert_eq!(plan.track.camera_at.units(), 150.0);
    assert_eq!(plan.track.reject_at.units(), 450.0);
    assert_eq!((plan.track.pulse_ns, plan.track.delay_ns), (16_000_000, 12_000_000));
    assert_eq!((plan.track.output_ns, plan.ahead), (1_000_000, Some(0)));
    assert_eq!(machine.names.inspections, ["labels"]);
    let station = machine.virtual_cell.conveyors[0].station.as_ref().expect("a virtual camera");
    // Places of the world are counted from where parts appear: the barrier is at 100 mm.
    assert_eq!((station.camera_at, station.reject_at), (250.0, 550.0));
}

#[test]
fn each_mistake_has_its_own_code() {
    let source = "source = \"inspection\"";
    let cases: [(&str, &str, &str); 17] = [
        ("belts = \"belt\"", "belts = \"bolt\"", "unknown-name"),
        ("belts = \"belt\"", "belts = [\"belt\", \"belt\"]", "inspection-belts"),
        ("sensor = \"part_sensor\"", "sensor = \"air_jet\"", "not-an-input"),
        ("trigger = \"camera_trigger\"", "trigger = \"part_sensor\"", "not-an-output"),
        ("trigger = \"camera_trigger\"", "trigger = \"air_jet\"", "inspection-output"),
        ("spacing = \"50 mm\"                #", "spacing = \"30 mm\" #", "limits-order"),
        ("camera_at = \"150 mm\"", "camera_at = \"450 mm\"", "limits-order"),
        ("camera_at = \"150 mm\"", "camera_at = \"440 mm\"", "no-time-for-result"),
        ("reject_at = \"450 mm\"", "reject_at = \"4500 mm\"", "track-full"),
        ("pulse = \"16 ms\"", "pulse = \"100 ms\"", "ejector-hits-neighbour"),
        ("trigger_pulse = \"5 ms\"", "trigger_pulse = \"80 ms\"", "trigger-overlap"),
        ("capture_within = \"10 ms\"", "capture_within = \"80 ms\"", "capture-ambiguous"),
        ("slip_max = \"5 mm\"\n", "\n", "missing-key"),
        (source, "source = \"program\"", "inspection-output"),
        (
            "effects = { conveyor = \"stop 2\" }",
            "effects = { conveyor = \"warn\" }",
            "uncovered-cause",
        ),
        (
            "effects = { conveyor = \"stop 2\" }\nlatch = true",
            "effects = { conveyor = \"stop 2\" }\nlatch = false",
            "inspection-unlatched",
        ),
        ("bad = \"5 %\"", "bad = \"105 %\"", "out-of-range"),
    ];
    for (from, to, code) in cases {
        assert!(CELL.contains(from), "{from}");
        let found = codes(&CELL.replacen(from, to, 1));
        assert!(found.contains(&code), "{from} → {to}: {found:?}, not {code}");
    }
}

#[test]
fn a_stream_that_only_inspects_is_read_and_one_that_nobody_uses_is_not() {
    let other = "\n[[stream]]\nname = \"other\"\nid = 8\nage_max = \"1 s\"\n\n[[inspection]]";
    assert!(codes(CELL).is_empty());
    assert_eq!(codes(&CELL.replacen("\n[[inspection]]", other, 1)), ["unread-stream"]);
}
