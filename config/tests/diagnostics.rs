//! Every check has its own message: given the demo cell with one thing changed, the file is refused for that thing.

use config::{Diagnostics, Severity};

const DEMO: &str = include_str!("../machines/demo-cell.toml");

/// The demo cell with the first `from` replaced.
fn changed(from: &str, to: &str) -> String {
    assert!(DEMO.contains(from), "the demo cell no longer has: {from}");
    DEMO.replacen(from, to, 1)
}

fn refused(text: &str) -> Diagnostics {
    match config::load(text, "cell.toml") {
        Ok(_) => panic!("loaded, but should have been refused"),
        Err(diagnostics) => diagnostics,
    }
}

fn codes(diagnostics: &Diagnostics) -> Vec<&'static str> {
    diagnostics.problems().iter().map(|problem| problem.code).collect()
}

/// Each row: what is replaced, by what, and the code that must be reported.
fn check(rows: &[(&str, &str, &str)]) {
    for (from, to, code) in rows {
        let diagnostics = refused(&changed(from, to));
        assert!(codes(&diagnostics).contains(code), "{from} -> {to}: {code} in\n{diagnostics}");
        for problem in diagnostics.problems() {
            let parts = [&problem.message, &problem.expected, &problem.found, &problem.remedy];
            assert!(parts.iter().all(|part| !part.is_empty()), "incomplete: {problem:?}");
            assert!(problem.line >= 1 && problem.column >= 1, "{problem:?}");
        }
    }
}

#[test]
fn keys_types_and_quantities() {
    check(&[
        ("period = \"1 ms\"", "period = 1", "bare-number"),
        ("period = \"1 ms\"", "period = \"1\"", "bad-quantity"),
        ("period = \"1 ms\"", "period = \"1 furlong\"", "bad-quantity"),
        ("period = \"1 ms\"", "period = \"1 mm\"", "bad-quantity"),
        ("period = \"1 ms\"", "period = \"0.3 ns\"", "bad-quantity"),
        ("period = \"1 ms\"", "period = \"1 s\"", "out-of-range"),
        ("period = \"1 ms\"", "perod = \"1 ms\"", "unknown-key"),
        ("period = \"1 ms\"", "", "missing-key"),
        ("[control]\nreset", "[controls]\nreset", "missing-key"),
        ("priority = 80", "priority = 99", "out-of-range"),
        ("priority = 80", "priority = 0", "out-of-range"),
        ("priority = 80", "cpu = -1", "out-of-range"),
        ("realtime = \"degraded\"", "realtime = \"mostly\"", "unknown-word"),
        ("latch = true", "latch = \"yes\"", "wrong-type"),
        ("name = \"demo-cell\"", "name = 7", "wrong-type"),
        ("name = \"demo-cell\"", "name = \"demo cell\"", "bad-name"),
        ("axes = [\"x\", \"z\"]", "axes = \"x\"", "wrong-type"),
        ("position = [\"0 mm\", \"1200 mm\"]", "position = [\"0 mm\"]", "wrong-type"),
        ("effects = { all = \"stop 1\" }", "effects = { all = \"stop 3\" }", "bad-reaction"),
        ("[machine]", "[machine", "syntax"),
        ("kind = \"virtual\"", "kind = \"raw\"", "link-interface"),
        ("directory = \"recordings\"", "file = \"a/b\"", "bad-file-name"),
    ]);
}

#[test]
fn names_and_references() {
    check(&[
        ("name = \"z\"\ndrive", "name = \"x\"\ndrive", "duplicate-name"),
        ("name = \"analog\"", "name = \"inputs\"", "duplicate-name"),
        ("\"start_button\", \"stop", "\"reset_button\", \"stop", "duplicate-name"),
        ("drive = \"drive_x\"", "drive = \"drive_y\"", "unknown-name"),
        ("drive = \"drive_x\"", "drive = \"inputs\"", "not-a-servo"),
        ("drive = \"drive_z\"", "drive = \"drive_x\"", "drive-used-twice"),
        ("drive = \"drive_z\"", "drive = \"drive_x\"", "drive-without-axis"),
        ("sync_unit = \"conveyor\"", "sync_unit = \"conveyer\"", "unknown-name"),
        ("reset = \"reset_button\"", "reset = \"rest_button\"", "unknown-name"),
        ("zone = \"warn\" }", "zone = \"wran\" }", "unknown-name"),
        ("stream = \"overhead\"\nbit = 0", "stream = \"side\"\nbit = 0", "unknown-name"),
        ("restart_at = \"ready\"", "restart_at = \"set\"", "unknown-name"),
        ("move = \"gantry\"", "move = \"portal\"", "unknown-name"),
        ("axes = [\"belt\"]", "axes = [\"x\"]", "axis-in-two-groups"),
        ("axes = [\"belt\"]", "axes = [\"x\"]", "axis-in-no-group"),
        ("axes = [\"belt\"]", "axes = []", "empty-group"),
        ("name = \"gantry\"\naxes", "name = \"all\"\naxes", "bad-name"),
    ]);
}

#[test]
fn the_bus() {
    let many: Vec<String> = (0..65).map(|n| format!("\"u{n}\"")).collect();
    let many = format!("sync_units = [{}, \"terminals\",", many.join(", "));
    check(&[
        ("sync_units = [\"terminals\",", &many, "too-many"),
        (
            "sync_units = [\"terminals\",",
            "sync_units = [\"spare\", \"terminals\",",
            "empty-sync-unit",
        ),
        ("position = 6", "position = 5", "duplicate-position"),
        ("position = 6", "position = 9", "missing-position"),
        ("sync_unit = \"conveyor\"", "", "no-sync-unit"),
        (
            "kind = \"coupler\"",
            "kind = \"coupler\"\nsync_unit = \"terminals\"",
            "sync-unit-without-data",
        ),
        (
            "kind = \"coupler\"",
            "kind = \"coupler\"\nwatchdog = \"1 ms\"",
            "watchdog-without-outputs",
        ),
        ("kind = \"coupler\"", "kind = \"coupler\"\nchannels = [\"a\"]", "key-does-not-fit"),
        ("kind = \"coupler\"", "kind = \"digital_input\"", "no-channels"),
        ("watchdog = \"100 ms\"", "watchdog = \"100.05 ms\"", "watchdog-range"),
        ("watchdog = \"100 ms\"", "watchdog = \"7 s\"", "watchdog-range"),
        ("watchdog = \"100 ms\"", "watchdog = \"2 ms\"", "watchdog-short"),
        ("receive_deadline = \"800 us\"", "receive_deadline = \"1 ms\"", "receive-deadline"),
        ("receive_deadline = \"800 us\"", "receive_deadline = \"15 us\"", "wire-time"),
        ("receive_deadline = \"800 us\"", "receive_deadline = \"1 ms\"", "receive-deadline"),
        ("period = \"1 ms\"", "period = \"62.5 us\"", "period-not-expressible"),
        ("lock_window = \"1 us\"", "lock_window = \"1 s\"", "out-of-range"),
        ("frame_before_sync0 = \"700 us\"", "frame_before_sync0 = \"2 ms\"", "out-of-range"),
        ("name = \"drive_belt\"", "sync0_shift = \"2 ms\"\nname = \"drive_belt\"", "sync0-shift"),
        (
            "[bus.dc]",
            "[[bus.copy]]\nfrom = \"inputs\"\nfrom_byte = 0\nto = \"outputs\"\n\
          to_byte = 0\nbytes = 9\n[bus.dc]",
            "copy-range",
        ),
    ]);
}

#[test]
fn sync0_needs_distributed_clocks() {
    let dc = DEMO.find("[bus.dc]").unwrap();
    let end = dc + DEMO[dc..].find("[[subdevice]]").unwrap();
    let text = format!("{}{}", &DEMO[..dc], &DEMO[end..]);
    let text = text.replacen("name = \"drive_x\"", "sync0 = true\nname = \"drive_x\"", 1);
    let codes = codes(&refused(&text));
    assert!(codes.contains(&"sync0-without-dc"));
    assert!(codes.contains(&"cause-impossible"));
}

#[test]
fn frames_that_do_not_reach_a_device_before_its_sync0_are_told() {
    let shifted = |shift: &str| {
        let text = format!("sync0_shift = \"{shift}\"\nname = \"drive_belt\"");
        let machine = config::load(&changed("name = \"drive_belt\"", &text), "").unwrap();
        machine.warnings.iter().map(|warning| warning.code).collect::<Vec<_>>()
    };
    assert_eq!(shifted("200 us"), [""; 0]);
    assert_eq!(shifted("-600 us"), [""; 0]);
    assert_eq!(shifted("300 us"), ["sync0-margin"], "700 + 300 us: the pulse before");
    assert_eq!(shifted("298 us"), [""; 0]);
    assert_eq!(shifted("299.5 us"), ["sync0-margin"], "clocks may be 1 us apart");
    assert_eq!(shifted("-690 us"), ["sync0-margin"], "10 us are less than the wire takes");
}

#[test]
fn start_up_sdos() {
    let sdo =
        |line: &str| format!("[[subdevice.startup]]\n{line}\n\n[[subdevice]]\nname = \"drive_z\"");
    let with = |line: &str| changed("[[subdevice]]\nname = \"drive_z\"", &sdo(line));
    let range = refused(&with("index = 0x2000\ntype = \"u8\"\nvalue = 256"));
    assert_eq!(codes(&range), ["sdo-range"]);
    let conflict = refused(&with("index = 0x6060\ntype = \"i8\"\nvalue = 1"));
    assert_eq!(codes(&conflict), ["sdo-conflict"]);
    let index = refused(&with("index = 0x0FFF\ntype = \"u8\"\nvalue = 0"));
    assert_eq!(codes(&index), ["out-of-range"]);
    assert!(config::load(&with("index = 0x2000\ntype = \"u8\"\nvalue = 255"), "").is_ok());
}

#[test]
fn generic_devices() {
    let device = |pdo: &str| {
        changed(
            "[[subdevice]]\nname = \"outputs\"",
            &format!(
                "[[subdevice]]\nname = \"extra\"\nposition = 7\nkind = \"generic\"\n\
                 identity = {{ vendor = 1, product = 1 }}\nsync_unit = \"terminals\"\n\
                 {pdo}\n[[subdevice]]\nname = \"outputs\""
            ),
        )
    };
    let index = device("input_pdo = [{ index = 0x1600, entries = [{ bits = 8 }] }]");
    assert_eq!(codes(&refused(&index)), ["pdo-index"]);
    let entry = "{ index = 0x6000, bits = 64 }, ".repeat(190);
    let large = device(&format!("input_pdo = [{{ index = 0x1A00, entries = [{entry}] }}]"));
    assert!(codes(&refused(&large)).contains(&"image-too-large"));
    let entry = "{ bits = 1 }, ".repeat(256);
    let many = device(&format!("input_pdo = [{{ index = 0x1A00, entries = [{entry}] }}]"));
    assert_eq!(codes(&refused(&many)), ["too-many"]);
}

#[test]
fn axes() {
    check(&[
        ("vertical = true", "vertical = true\nwrap = \"100 mm\"", "vertical-endless"),
        ("[axis.brake]", "[axis.brake]\noutput = \"estop_a\"", "not-an-output"),
        ("[axis.brake]", "[axis.brake]\noutput = \"gripper\"", "output-claimed-twice"),
        ("engage = \"60 ms\"", "engage = \"60 s\"", "out-of-range"),
        (
            "position = [\"0 mm\", \"1200 mm\"]",
            "position = [\"1200 mm\", \"0 mm\"]",
            "limits-order",
        ),
        ("position = [\"0 mm\", \"1200 mm\"]", "", "no-soft-limits"),
        ("position = [\"0 mm\", \"1200 mm\"]", "position = [\"0 deg\", \"1 deg\"]", "wrong-unit"),
        ("wrap = \"1000 mm\"", "wrap = \"1000.0001 mm\"", "wrap-counts"),
        (
            "[axis.limits]\nvelocity = \"400 mm/s\"",
            "[axis.limits]\nposition = [\"0 mm\", \"1 mm\"]\nvelocity = \"400 mm/s\"",
            "wrap-and-limits",
        ),
        ("velocity = \"1000 mm/s\"", "velocity = \"0 mm/s\"", "not-positive"),
        (
            "velocity_unreferenced = \"200 mm/s\"",
            "velocity_unreferenced = \"2 m/s\"",
            "limits-order",
        ),
        (
            "following_error = \"5 mm\"",
            "following_error = \"5 mm\"\nfollowing_error_drive = \"1 mm\"",
            "limits-order",
        ),
        ("ramp = \"6 m/s2\"", "", "missing-key"),
        ("ramp = \"6 m/s2\"", "ramp = \"3 m/s2\"", "weak-stop"),
        ("quick_stop = \"8 m/s2\"", "quick_stop = \"5 m/s2\"", "weak-stop"),
        ("quick_stop = \"8 m/s2\"", "quick_stop = \"90 m/s2\"", "torque-too-small"),
        ("travel_per_turn = \"20 mm\"", "", "missing-key"),
        ("travel_per_turn = \"20 mm\"", "travel_per_turn = \"0.001 mm\"", "counts-range"),
        ("direction = \"negative\"\n", "", "missing-key"),
        (
            "velocity_search = \"150 mm/s\"",
            "velocity_search = \"250 mm/s\"",
            "velocity-above-limit",
        ),
        ("velocity_latch = \"10 mm/s\"", "velocity_latch = \"160 mm/s\"", "limits-order"),
        ("load_mass = \"10 kg\"\n", "", "no-load"),
        ("load_mass = \"30 kg\"", "load_mass = \"-1 kg\"", "not-positive"),
        ("peak_torque = \"3.8 N m\"", "peak_torque = \"1 N m\"", "limits-order"),
        ("margin = \"2 mm\"", "margin = \"-2 mm\"", "not-positive"),
        ("reference = [\"-25 mm\", \"-5 mm\"]\n", "", "no-reference-switch"),
        ("spread = \"5 %\"", "spread = \"60 %\"", "out-of-range"),
        ("method = \"here\"", "method = \"kept\"", "missing-key"),
    ]);
}

/// The demo cell whose belt has an absolute encoder: 2²⁰ counts a turn, 4096 turns, and a wrap that divides them.
fn absolute(homing: &str) -> String {
    let text = DEMO
        .replace("motor_turns = 5 ", "motor_turns = 4\nabsolute_turns = 4096 ")
        .replace("wrap = \"1000 mm\"", "wrap = \"1600 mm\"")
        .replace("method = \"here\"", homing);
    assert_eq!(text.matches("absolute_turns").count(), 1);
    assert_eq!(text.matches("wrap = \"1600 mm\"").count(), 1);
    text
}

#[test]
fn a_kept_offset_needs_the_serial_number_of_its_drive() {
    let kept = absolute("method = \"kept\"\noffset = \"5 mm\"");
    let machine = config::load(&kept, "demo-cell.toml").expect("the drives have serial numbers");
    assert_eq!(machine.plan.axes[2].keeps, Some(1 << 32));
    let any = refused(&kept.replace(", serial = 103", ""));
    assert!(codes(&any).contains(&"kept-any-drive"), "{any}");
    let twice = refused(&absolute("method = \"kept\"\noffset = \"5 mm\"\nkeep = true"));
    assert!(codes(&twice).contains(&"kept-twice"), "{twice}");
}

#[test]
fn an_incremental_encoder_keeps_nothing() {
    for homing in ["method = \"kept\"\noffset = \"5 mm\"", "method = \"here\"\nkeep = true"] {
        let wrong = refused(&absolute(homing).replace("absolute_turns = 4096", ""));
        assert!(codes(&wrong).contains(&"kept-incremental"), "{wrong}");
    }
    let absolute_but_not_asked = config::load(&absolute("method = \"here\"\nkeep = false"), "");
    assert_eq!(absolute_but_not_asked.expect("right").plan.axes[2].keeps, None);
}

#[test]
fn an_encoder_that_shows_two_places_alike_keeps_nothing() {
    let keep = absolute("method = \"here\"\nkeep = true");
    assert_eq!(config::load(&keep, "").expect("right").plan.axes[2].keeps, Some(1 << 32));
    // 4 motor turns for 200 mm: 4096 of them are no whole number of 1000 mm.
    let wrap = refused(&keep.replace("wrap = \"1600 mm\"", "wrap = \"1000 mm\""));
    assert!(codes(&wrap).contains(&"kept-ambiguous"), "{wrap}");
    // x travels 1200 mm; a single-turn encoder shows every turn alike.
    let linear = |turns: u32| {
        let text =
            DEMO.replacen("[axis.gear]", &format!("[axis.gear]\nabsolute_turns = {turns}"), 1);
        text.replacen("[axis.homing]", "[axis.homing]\nkeep = true", 1)
    };
    let kept = config::load(&linear(4096), "").expect("right");
    assert_eq!(kept.plan.axes[0].keeps, Some(1 << 32));
    let single = refused(&linear(1));
    assert!(codes(&single).contains(&"kept-ambiguous"), "{single}");
}

#[test]
// SR-024
fn a_vertical_axis_without_a_brake_is_refused() {
    let start = DEMO.find("[axis.brake]").unwrap();
    let end = start + DEMO[start..].find("[axis.homing]").unwrap();
    let text = format!("{}{}", &DEMO[..start], &DEMO[end..]);
    let codes = codes(&refused(&text));
    assert!(codes.contains(&"vertical-without-brake"));
}

#[test]
fn an_axis_that_homes_outside_its_limits_is_refused() {
    let text = changed("method = \"here\"", "method = \"here\"\nposition = \"2 m\"");
    assert!(config::load(&text, "").is_ok(), "an endless axis has no limits");
    let one_axis = include_str!("../machines/one-axis.toml");
    let text = one_axis.replace("method = \"here\"", "method = \"here\", position = \"200 deg\"");
    assert_eq!(codes(&refused(&text)), ["homing-outside"]);
}

#[test]
// SR-043
fn interlocks() {
    check(&[
        ("b = \"estop_b\"", "b = \"estop_a\"", "same-channel"),
        ("b = \"estop_b\"", "b = \"gripper\"", "not-an-input"),
        ("b = \"estop_b\"", "b = \"vacuum\"", "not-a-bit"),
        (", b = \"estop_b\"", "", "missing-key"),
        ("b = \"estop_b\"", "b = \"start_button\"", "cannot-clear"),
        ("discrepancy = \"1 s\"", "discrepancy = \"20 s\"", "out-of-range"),
        (
            "cause = { kind = \"bus\" }",
            "cause = { kind = \"bus\", a = \"estop_a\" }",
            "key-does-not-fit",
        ),
        ("effects = { gantry = \"stop 2\" }", "effects = {}", "without-effect"),
        (
            "effects = { gantry = \"stop 2\" }",
            "effects = { own = \"limit 2 m/s\" }",
            "without-effect",
        ),
        ("gantry = \"limit 250 mm/s\"", "gantry = \"limit 0 mm/s\"", "not-positive"),
        ("gantry = \"limit 250 mm/s\"", "gantry = \"limit 9 deg/s\"", "wrong-unit"),
        ("gantry = \"limit 250 mm/s\"", "own = \"limit 250 mm/s\"", "own-without-axis"),
        ("effects = { own = \"stop 2\" }", "effects = { portal = \"stop 2\" }", "unknown-name"),
        ("axes = \"x\", from", "axes = \"belt\", from", "endless-axis"),
        ("from = \"800 mm\"", "from = \"1300 mm\"", "limits-order"),
        ("from = \"800 mm\", to = \"1200 mm\"", "from = \"2 m\", to = \"3 m\"", "without-effect"),
        ("kind = \"drive_fault\"", "kind = \"input\", signal = \"door_a\"", "uncovered-cause"),
    ]);
    let unlatched = changed(
        "discrepancy = \"500 ms\" }\neffects = { all = \"stop 1\" }\nlatch = true",
        "discrepancy = \"500 ms\" }\neffects = { all = \"stop 1\" }\nlatch = false",
    );
    assert_eq!(codes(&refused(&unlatched)), ["emergency-stop-unlatched"]);
    check(&[
        ("overrun = { count = 20, cycles = 1000 }", "", "cause-impossible"),
        (
            "overrun = { count = 20, cycles = 1000 }",
            "overrun = { count = 9, cycles = 3 }",
            "cause-impossible",
        ),
        (
            "{ kind = \"working_counter\", cycles = 5 }",
            "{ kind = \"working_counter\", sync_units = [\"gantry\", \"terminals\"] }",
            "uncovered-cause",
        ),
        ("start = \"start_button\"", "start = \"reset_button\"", "same-channel"),
        ("press_min = \"50 ms\"", "press_min = \"1 ms\"", "out-of-range"),
        ("press_max = \"3 s\"", "press_max = \"20 ms\"", "out-of-range"),
    ]);
}

#[test]
fn a_spin_tail_as_long_as_the_period_is_refused() {
    let fast = "period = \"150 us\"\nspin = \"149999 ns\"";
    let deadline = "receive_deadline = \"800 us\"";
    let text = changed("period = \"1 ms\"", fast).replace(deadline, "");
    let codes_of = |text: &str| match config::load(text, "cell.toml") {
        Ok(_) => Vec::new(),
        Err(wrong) => wrong.problems().iter().map(|problem| problem.code).collect::<Vec<_>>(),
    };
    assert!(!codes_of(&text).contains(&"spin-too-long"));
    assert!(codes_of(&text.replace("149999 ns", "150 us")).contains(&"spin-too-long"));
}

#[test]
fn a_limit_on_overruns_that_no_interlock_answers_is_warned_about() {
    let text = changed("{ kind = \"overrun\" }", "{ kind = \"input\", signal = \"door_a\" }");
    let machine = config::load(&text, "cell.toml").unwrap();
    let codes: Vec<_> = machine.warnings.iter().map(|warning| warning.code).collect();
    assert_eq!(codes, ["overrun-unanswered"]);
}

#[test]
fn a_machine_without_an_emergency_stop_is_warned_about() {
    let text = changed("kind = \"emergency_stop\"", "kind = \"guard_door\"");
    let machine = config::load(&text, "cell.toml").unwrap();
    let warning = &machine.warnings[0];
    assert_eq!((warning.code, warning.severity), ("no-emergency-stop", Severity::Warning));
}

#[test]
fn vision() {
    check(&[
        ("bit = 1\n", "bit = 0\n", "duplicate-id"),
        ("bit = 1\n", "bit = 32\n", "out-of-range"),
        ("age_max = \"150 ms\"", "age_max = \"20 s\"", "out-of-range"),
        ("age_max = \"150 ms\"", "age_max = \"50 ms\"", "always-stale"),
        ("[\"1250 mm\", \"-3000 mm\"], [\"-200 mm\", \"-3000 mm\"]]", "]", "bad-polygon"),
        (
            "[[stream]]",
            "[[stream]]\nname = \"side\"\nid = 2\nage_max = \"1 s\"\n\n[[stream]]",
            "unread-stream",
        ),
        (
            "[[stream]]",
            "[[stream]]\nname = \"side\"\nid = 1\nage_max = \"1 s\"\n\n[[stream]]",
            "duplicate-id",
        ),
    ]);
    let text = changed("zone = \"warn\" }", "zone = \"hand_over\" }");
    let machine = config::load(&text, "cell.toml").unwrap();
    assert_eq!(machine.warnings[0].code, "unwatched-zone");
}

#[test]
fn the_program() {
    check(&[
        ("{ name = \"homed\", wait = \"10 ms\" }", "{ name = \"homed\" }", "step-verb"),
        ("wait = \"10 ms\" }", "wait = \"10 ms\", home = \"x\" }", "step-verb"),
        ("wait = \"10 ms\" }", "wait = \"10 ms\", timeout = \"1 s\" }", "key-does-not-fit"),
        ("wait = \"10 ms\" }", "wait = \"10 ms\", value = 1 }", "key-does-not-fit"),
        ("to = { x = \"1000 mm\" }", "to = { x = \"1300 mm\" }", "target-outside"),
        ("to = { x = \"1000 mm\" }", "to = { belt = \"100 mm\" }", "axis-not-in-group"),
        ("to = { x = \"1000 mm\" }, ", "", "missing-key"),
        ("to = { x = \"1000 mm\" }", "to = {}", "empty-move"),
        ("speed = \"900 mm/s\"", "speed = \"1100 mm/s\"", "velocity-above-limit"),
        ("speed = \"900 mm/s\"", "speed = \"9 rpm\"", "wrong-unit"),
        (
            "velocity = \"belt\", speed = \"200 mm/s\"",
            "velocity = \"belt\", speed = \"500 mm/s\"",
            "velocity-above-limit",
        ),
        (
            "velocity = \"belt\", speed = \"200 mm/s\"",
            "velocity = \"x\", speed = \"200 mm/s\"",
            "velocity-on-linear-axis",
        ),
        ("output = \"gripper\", value = 1", "output = \"gripper\", value = 2", "value-range"),
        (
            "output = \"gripper\", value = 1",
            "output = \"lamp_running\", value = 1",
            "output-not-of-program",
        ),
        (
            "output = \"gripper\", value = 1",
            "output = \"drive_x.controlword\", value = 1",
            "output-of-axis",
        ),
        (
            "wait_for = \"part_at_pick\", is = 0",
            "wait_for = \"part_at_pick\", is = 2",
            "value-range",
        ),
        (
            "wait_for = \"part_at_pick\", is = 0",
            "wait_for = \"part_at_pick\", is = 0, below = 1",
            "two-conditions",
        ),
        ("join = \"home\", step = \"homed\"", "join = \"home\"", "missing-key"),
        ("join = \"home\", step = \"homed\"", "join = \"home\", step = \"home q\"", "unknown-name"),
        ("join = \"home\"", "join = \"pick and place\"", "join-itself"),
        ("home = \"x\"", "home = \"belt\"", "never-referenced"),
        ("name = \"down\"", "name = \"up\"", "duplicate-name"),
        (
            "name = \"wait for a part\", wait_for = \"part_at_pick\"",
            "loop = \"ready\"",
            "missing-key",
        ),
        (
            "name = \"wait for a part\", wait_for = \"part_at_pick\"",
            "jump = \"away\"",
            "unknown-name",
        ),
    ]);
    let steps = "{ wait = \"1 ms\" }, ".repeat(257);
    let text = changed(
        "restart_at = \"run\"\nsteps = [",
        &format!("restart_at = \"run\"\nsteps = [{steps}"),
    );
    assert!(codes(&refused(&text)).contains(&"too-many"));
    let strand =
        "[[program.strand]]\nname = \"idle\"\nsteps = []\n\n[[program.strand]]\nname = \"belt\"";
    let text = changed("[[program.strand]]\nname = \"belt\"", strand);
    assert_eq!(codes(&refused(&text)), ["empty-strand"]);
}

#[test]
fn stops() {
    const SERIAL_102: &str = "product = 0x53525631, serial = 102 }";
    let drive_z = |reactions: &str| format!("{SERIAL_102}\nreactions = {{ {reactions} }}");
    let staying = drive_z("quick_stop = 6");
    let nothing = drive_z("connection_lost = 0");
    let falling = drive_z("fault = 0");
    check(&[
        ("order = [\"stop 2\", \"stop 0\", \"stop 1\"]\n", "", "vertical-without-order"),
        ("order = [\"stop 2\", \"stop 0\", \"stop 1\"]", "order = [\"stop 1\"]", "bad-order"),
        (
            "order = [\"stop 2\", \"stop 0\", \"stop 1\"]",
            "order = [\"stop 0\", \"stop 1\", \"stop 2\"]",
            "bad-order",
        ),
        (SERIAL_102, &staying, "quick-stop-drops-load"),
        (SERIAL_102, &nothing, "connection-lost-nothing"),
        (SERIAL_102, &falling, "fault-drops-load"),
        (
            "quick_stop = \"8 m/s2\"",
            "quick_stop = \"8 m/s2\"\nenvelope = \"0 mm/s\"",
            "not-positive",
        ),
        (
            "quick_stop = \"8 m/s2\"",
            "quick_stop = \"8 m/s2\"\nescalate_after = \"1 ms\"",
            "out-of-range",
        ),
        ("jerk = \"60 m/s3\"", "jerk = \"60 m/s3\"\ntorque = \"4 N m\"", "limits-order"),
        ("jerk = \"60 m/s3\"", "jerk = \"60 m/s3\"\ntorque = \"0.5 N m\"", "torque-too-small"),
        (
            "jerk = \"60 m/s3\"",
            "jerk = \"60 m/s3\"\ndirection = \"positive\"",
            "homing-against-direction",
        ),
        ("source = \"running\"", "source = \"running\"\nhold = true", "key-does-not-fit"),
    ]);
}

#[test]
fn the_brake_of_a_vertical_axis_on_an_output_needs_a_drive_that_holds_and_is_warned_about() {
    let text = changed("\"lamp_waiting\", \"\",", "\"lamp_waiting\", \"brake_z\",");
    let text = text.replacen("[axis.brake]", "[axis.brake]\noutput = \"brake_z\"", 1);
    assert_eq!(codes(&refused(&text)), ["quick-stop-drops-load", "brake-not-of-drive"]);
    let serial = "product = 0x53525631, serial = 102 }";
    let holding = format!("{serial}\nreactions = {{ quick_stop = 6 }}");
    let machine = config::load(&text.replacen(serial, &holding, 1), "cell.toml").unwrap();
    let codes: Vec<_> = machine.warnings.iter().map(|warning| warning.code).collect();
    assert_eq!(codes, ["brake-not-of-drive"]);
}

#[test]
fn outputs() {
    check(&[
        ("signal = \"lamp_running\"", "signal = \"gripper\"", "output-claimed-twice"),
        ("signal = \"lamp_running\"", "signal = \"gripper\"", "output-without-writer"),
        ("signal = \"lamp_running\"", "signal = \"estop_a\"", "not-an-output"),
        ("safe = 0", "safe = 2", "value-range"),
        ("group = \"gantry\"\nsafe", "group = \"gantri\"\nsafe", "unknown-name"),
    ]);
}

#[test]
fn the_virtual_cell() {
    check(&[
        ("estop_a = 1\n", "", "cannot-clear"),
        ("stop_button = 1\n", "", "cannot-clear"),
        ("estop_a = 1\n", "estop_a = 1\nreset_button = 1\n", "cannot-clear"),
        ("estop_a = 1\n", "estop_a = 2\n", "value-range"),
        ("estop_a = 1\n", "gripper = 1\n", "not-an-input"),
        ("axis = \"belt\"", "axis = \"bolt\"", "unknown-name"),
        ("spacing = \"500 mm\"", "spacing = \"50 mm\"", "limits-order"),
        ("part_payload = \"110 %\"", "part_payload = \"900 %\"", "out-of-range"),
        ("speed = \"1.4 m/s\"", "speed = \"14 m/s\"", "out-of-range"),
        ("radius = \"300 mm\"", "radius = \"-1 mm\"", "not-positive"),
        ("noise = \"10 mm\"", "noise = \"-10 mm\"", "not-positive"),
        ("{ output_on = \"lamp_waiting\", for = \"1 s\" }", "{ for = \"1 s\" }", "step-verb"),
        ("{ press = \"reset_button\", for", "{ press = \"gripper\", for", "not-an-input"),
        ("zone_free = \"warn\"", "zone_free = \"worn\"", "unknown-name"),
        ("index_at = \"0 mm\"", "index_at = \"0 deg\"", "wrong-unit"),
    ]);
    let event = |lines: &str| format!("{DEMO}\n[[scenario.event]]\nat = \"1 s\"\n{lines}\n");
    for (lines, code) in [
        ("for = \"1 s\"", "step-verb"),
        ("press = \"estop_a\"\nevery = \"1 s\"", "missing-key"),
        ("press = \"vacuum\"", "not-a-bit"),
        ("set = \"estop_a\"\nvalue = 1", "not-an-input"),
        ("set = \"vacuum\"", "missing-key"),
        ("walk = \"nobody\"", "unknown-name"),
        ("camera = \"overhead\"", "missing-key"),
        ("bus = \"unplug\"", "missing-key"),
        ("bus = \"delay\"", "missing-key"),
        ("friction = \"x\"\nfactor = \"9000 %\"", "out-of-range"),
        ("walk = \"visitor\"\nfor = \"1 s\"", "key-does-not-fit"),
    ] {
        let diagnostics = refused(&event(lines));
        assert!(codes(&diagnostics).contains(&code), "{lines}: {diagnostics}");
    }
}

#[test]
fn one_bad_section_does_not_hide_the_others() {
    // Given four sections with something wrong in each,
    let text = DEMO
        .replacen("period = \"1 ms\"", "period = 1", 1)
        .replacen("acceleration = \"4 m/s2\"", "acceleration = \"fast\"", 1)
        .replacen("zone = \"warn\" }", "zone = \"wran\" }", 1)
        .replacen("wait = \"10 ms\"", "weit = \"10 ms\"", 1);
    // when it is read, then all are told, in the order of the file, and nothing that follows from them.
    let found = codes(&refused(&text));
    assert_eq!(found, ["bare-number", "bad-quantity", "unknown-name", "step-verb", "unknown-key"]);
}

#[test]
fn a_syntax_error_does_not_hide_what_is_wrong_elsewhere() {
    let text = DEMO.replacen("priority = 80", "priority = = 80", 1).replacen(
        "quality_min = 60",
        "quality_min = 600",
        1,
    );
    let found = codes(&refused(&text));
    assert!(found.contains(&"syntax") && found.contains(&"out-of-range"), "{found:?}");
}

#[test]
// SR-072
fn a_stream_from_the_network_has_a_key_or_says_that_it_has_none() {
    let id = "id = 1\nage_max = \"150 ms\"";
    let with = |keys: &str| format!("id = 1\n{keys}\nage_max = \"150 ms\"");
    let camera = "[[virtual.camera]]\nstream = \"overhead\"";
    let udp = "socket = \"udp\"\naddress = \"127.0.0.1:5600\"";
    let rows = [
        (with("socket = \"tcp\""), "unknown-word"),
        (with("socket = \"udp\""), "bad-address"),
        (with("socket = \"udp\"\naddress = \"camera\"\ninsecure = true"), "bad-address"),
        (with("socket = \"udp\"\naddress = \"127.0.0.1:0\"\ninsecure = true"), "bad-address"),
        (with(udp), "no-key"),
        (with(&format!("{udp}\ninsecure = false")), "no-key"),
        (with(&format!("{udp}\ninsecure = true\nkey_file = \"a.key\"")), "no-key"),
        (with(&format!("{udp}\nkey_file = \"a.key\"")), "camera-elsewhere"),
        (with("key_file = \"a.key\""), "not-for-unix"),
        (with("clock = \"camera\""), "camera-elsewhere"),
    ];
    let rows: Vec<_> = rows.iter().map(|(to, code)| (id, to.as_str(), *code)).collect();
    check(&rows);
    assert!(DEMO.contains(camera), "without its virtual camera the stream is right");
    let alone = DEMO.split(camera).collect::<Vec<_>>();
    let rest = alone[1].find("[[").expect("something follows");
    let text = format!("{}{}", alone[0], &alone[1][rest..]);
    let insecure = text.replacen(id, &with(&format!("{udp}\ninsecure = true")), 1);
    let machine = config::load(&insecure, "cell.toml").unwrap_or_else(|wrong| panic!("{wrong}"));
    let warned: Vec<_> = machine.warnings.iter().map(|problem| problem.code).collect();
    assert!(warned.contains(&"insecure-stream"), "{warned:?}");
    assert!(machine.stream_sources[0].own_clock);
}

#[test]
fn a_zone_without_a_stream_and_a_stream_that_nobody_reads_are_errors() {
    check(&[
        (
            "name = \"warn\"\nstream = \"overhead\"",
            "name = \"warn\"\nstream = \"ceiling\"",
            "unknown-name",
        ),
        ("name = \"warn\"\nstream = \"overhead\"", "name = \"warn\"", "missing-key"),
        (
            "[[stream]]",
            "[[stream]]\nname = \"idle\"\nid = 9\nage_max = \"1 s\"\n\n[[stream]]",
            "unread-stream",
        ),
    ]);
}

/// The demo cell with this behind it, and the kinds of what is wrong.
fn with_exports(more: &str) -> Result<config::Machine, Vec<String>> {
    let text = format!("{}\n{more}", include_str!("../machines/demo-cell.toml"));
    config::load(&text, "cell.toml").map_err(|wrong| {
        wrong.problems().iter().map(|it| format!("{}: {}", it.code, it.found)).collect()
    })
}

const HUB: &str = "[[sink]]\nname = \"hub\"\nkind = \"nats\"\naddress = \"127.0.0.1:4222\"\n";

#[test]
fn what_is_not_listed_is_not_exported_and_a_pattern_lists_what_it_matches() {
    let export = "[[export]]\nname = \"axes\"\nsignals = [\"axes.*.position\"]\nevents = [\"trip\"]\n\
                  sinks = [\"hub\"]\nowner = \"maintenance\"\nrate = \"100 ms\"\nretention = \"2 h\"\n";
    let machine = with_exports(&format!("{HUB}{export}")).unwrap();
    let [export] = &machine.forwarding.exports[..] else { panic!("one") };
    assert_eq!(export.values.len(), machine.plan.axes.len());
    assert!(export.values.iter().all(|value| value.name.ends_with(".position")));
    assert_eq!((export.events.clone(), export.sink_bits()), (vec!["trip"], 1));
    assert_eq!((export.interval_ns, export.retention_ns), (100_000_000, 7_200_000_000_000));
    assert!(!with_exports("").unwrap().forwarding.is_on());
}

#[test]
fn an_export_that_names_nothing_or_goes_nowhere_or_goes_twice_is_refused() {
    let export = |name: &str, what: &str, sink: &str| {
        format!("[[export]]\nname = \"{name}\"\n{what}\nsinks = [\"{sink}\"]\nowner = \"o\"\n")
    };
    let trips = "events = [\"trip\"]";
    for (more, code) in [
        (export("a", "signals = [\"axes.x.positon\"]", "hub"), "unknown-name"),
        (export("a", "events = [\"tripp\"]", "hub"), "unknown-name"),
        (export("a", trips, "hab"), "unknown-name"),
        (export("a", "", "hub"), "missing-key"),
        (export("a", trips, "hub") + &export("b", "events = [\"t*\"]", "hub"), "exported-twice"),
    ] {
        let wrong = with_exports(&format!("{HUB}{more}")).unwrap_err();
        assert!(wrong.len() == 1 && wrong[0].starts_with(code), "{more}: {wrong:?}");
    }
}

#[test]
fn a_sink_elsewhere_needs_all_of_mutual_tls() {
    let export = "[[export]]\nname = \"a\"\nevents = [\"*\"]\nsinks = [\"hub\"]\nowner = \"o\"\n";
    let there = HUB.replace("127.0.0.1", "hub.example");
    let tls = "ca = \"a\"\ncertificate = \"b\"\nkey = \"c\"\n";
    for (sink, right) in [
        (HUB.to_owned(), true),
        (there.clone(), false),
        (format!("{there}ca = \"a\"\n"), false),
        (format!("{there}{tls}"), true),
        (HUB.replace(":4222", ""), false),
    ] {
        assert_eq!(with_exports(&format!("{sink}{export}")).is_ok(), right, "{sink}");
    }
}

#[test]
fn an_edge_node_has_its_defaults_and_a_key_of_another_kind_of_sink_is_refused() {
    let export = "[[export]]\nname = \"a\"\nevents = [\"*\"]\nsinks = [\"hub\"]\nowner = \"o\"\n";
    let mqtt = HUB.replace("nats", "mqtt");
    let machine = with_exports(&format!("{mqtt}{export}")).unwrap();
    let edge = machine.forwarding.sinks[0].sparkplug.clone().unwrap();
    assert_eq!((edge.group.as_str(), &edge.node, &edge.primary_host), ("tactus", &None, &None));
    assert!(!edge.acknowledged && !edge.templates && !edge.datatype_on_data);
    assert_eq!(edge.rebirth_cooldown_ns, 5_000_000_000);
    let all = "group = \"g\"\nnode = \"n\"\nprimary_host = \"h\"\ndelivery = \"acknowledged\"\n\
               datatype_on_data = \"always\"\ntemplates = true\nrebirth_cooldown = \"0 s\"\n";
    let machine = with_exports(&format!("{mqtt}{all}{export}")).unwrap();
    let edge = machine.forwarding.sinks[0].sparkplug.clone().unwrap();
    assert!(edge.acknowledged && edge.templates && edge.datatype_on_data);
    assert_eq!((edge.node, edge.primary_host), (Some("n".to_owned()), Some("h".to_owned())));
    for (sink, key, code) in [
        (HUB, "group = \"g\"", "wrong-sink-key"),
        (HUB, "delivery = \"sent\"", "wrong-sink-key"),
        (mqtt.as_str(), "stream = \"S\"", "wrong-sink-key"),
        (mqtt.as_str(), "prefix = \"p\"", "wrong-sink-key"),
        (mqtt.as_str(), "group = \"a/b\"", "bad-name"),
        (mqtt.as_str(), "node = \"+\"", "bad-name"),
        (mqtt.as_str(), "rebirth_cooldown = \"1 h\"", "out-of-range"),
    ] {
        let wrong = with_exports(&format!("{sink}{key}\n{export}")).unwrap_err();
        assert!(wrong.len() == 1 && wrong[0].starts_with(code), "{key}: {wrong:?}");
    }
}
