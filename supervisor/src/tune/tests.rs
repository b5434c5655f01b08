//! Variants of machine files, and that nothing can be started in a trial.

use super::*;

fn source() -> Source {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/machines/demo-cell.toml");
    let bytes = std::fs::read(path).unwrap();
    let machine = config::load(&String::from_utf8_lossy(&bytes), "demo-cell.toml").unwrap();
    Source { machine, file_name: "demo-cell.toml".into(), bytes }
}

fn setting(period_ns: u64) -> Setting {
    Setting {
        period_ns,
        spin_ns: 0,
        receive_deadline_ns: period_ns / 10 * 8,
        frame_before_sync0_ns: Some(period_ns / 10 * 7),
    }
}

#[test]
fn a_variant_is_the_same_machine_with_another_cycle() {
    let source = source();
    let variants = Variants::new(&source).unwrap();
    let faster = variants.machine(Setting { spin_ns: 20_000, ..setting(500_000) }).unwrap().machine;
    let (old, new) = (&source.machine, &faster);
    assert_eq!((new.cycle.period_ns, new.cycle.spin_ns), (500_000, 20_000));
    assert_eq!((new.plan.period_ns, new.cycle.receive_deadline_ns), (500_000, 400_000));
    assert_eq!(new.bus.dc.as_ref().map(|dc| dc.frame_before_sync0_ns), Some(350_000));
    assert_eq!(variants.file(old), setting(1_000_000), "what the file has");
    assert_eq!(new.names, old.names);
    assert_eq!(format!("{:?}", new.plan.interlocks), format!("{:?}", old.plan.interlocks));
    assert_eq!(new.cycle.priority, old.cycle.priority);
}

#[test]
fn the_checks_of_the_machine_file_judge_each_variant() {
    let variants = Variants::new(&source()).unwrap();
    // 333.333 µs is no value of 0x60C2; 12 µs is less than the frames take on the wire.
    let short = Setting { receive_deadline_ns: 12_000, ..setting(100_000) };
    for wrong in [setting(333_333), short] {
        let Err(why) = variants.machine(wrong) else { panic!("{wrong:?} is not refused") };
        assert!(why.contains("expected"), "{why}");
    }
    let late = Setting { receive_deadline_ns: 2_000_000, ..setting(1_000_000) };
    assert!(variants.machine(late).is_err());
}

#[test]
fn nobody_can_start_a_machine_that_is_disarmed() {
    let mut machine = source().machine;
    assert!(!machine.virtual_cell.rules.is_empty(), "there is an operator to send home");
    disarm(&mut machine);
    assert!(machine.virtual_cell.rules.is_empty() && machine.virtual_cell.events.is_empty());
    assert_eq!(machine.plan.control.press_min_ns, u64::MAX);
}

#[test]
fn the_recommendation_is_a_part_of_a_machine_file() {
    let text = snippet(Setting {
        period_ns: 62_500,
        spin_ns: 60_000,
        receive_deadline_ns: 40_000,
        frame_before_sync0_ns: Some(43_750),
    });
    let table: toml::Table = text.parse().unwrap();
    let cycle = table["cycle"].as_table().unwrap();
    assert_eq!(cycle["period"].as_str(), Some("62.5 us"));
    assert_eq!(cycle["spin"].as_str(), Some("60 us"));
    assert_eq!(cycle["receive_deadline"].as_str(), Some("40 us"));
    assert_eq!(table["bus"]["dc"]["frame_before_sync0"].as_str(), Some("43.75 us"));
    let without = snippet(Setting { frame_before_sync0_ns: None, ..setting(1_000_000) });
    assert!(!without.contains("bus"), "{without}");
}

#[test]
fn a_search_that_was_disturbed_or_ended_is_inconclusive() {
    let best = Some(setting(500_000));
    let found = |recommended, unclear, interrupted| {
        verdict(&Found { recommended, unclear, interrupted, ..Found::default() })
    };
    assert_eq!(found(best, false, false), Verdict::Found);
    assert_eq!(found(None, false, false), Verdict::NothingSustained);
    assert_eq!(found(best, true, false), Verdict::Inconclusive);
    assert_eq!(found(None, false, true), Verdict::Inconclusive);
}

/// Some axis had power within 20 s of virtual time.
fn had_power(machine: Machine) -> bool {
    let source = Source { machine, ..source() };
    let options = run::Options {
        link: Link::Virtual,
        virtual_time: true,
        seed: 1,
        duration: Some(Duration::from_secs(20)),
        headless: true,
        record: None,
        capture: None,
        vision_socket: PathBuf::new(),
        flight: flight::Options::default(),
        state: None,
        home_again: false,
        watch_calls: WatchCalls::No,
        park: None,
    };
    let report = run::run(&source, &options, &Shutdown::detached()).unwrap();
    assert!(report.cycles > 19_000, "it ran");
    report.axes.iter().any(|axis| axis.powered)
}

#[test]
fn a_machine_that_is_disarmed_has_no_power_whoever_presses_reset_and_start() {
    // given the operator, who resets and starts: it runs
    assert!(had_power(source().machine), "the test could not fail");
    // when presses do not count
    let mut pressed = source().machine;
    let rules = pressed.virtual_cell.rules.clone();
    disarm(&mut pressed);
    pressed.virtual_cell.rules = rules;
    assert!(!had_power(pressed));
    // and when nobody presses
    let mut disarmed = source().machine;
    disarm(&mut disarmed);
    assert!(!had_power(disarmed));
}
