use super::*;

const DEMO: &str = include_str!("../../../config/machines/demo-cell.toml");

fn machine() -> Machine {
    let text = DEMO.replacen("[axis.gear]", "[axis.gear]\nabsolute_turns = 4096", 1);
    let text = text.replacen("[axis.homing]", "[axis.homing]\nkeep = true", 1);
    config::load(&text, "demo-cell.toml").unwrap()
}

fn options(folder: &Path) -> Options {
    Options {
        link: Link::Virtual,
        virtual_time: true,
        seed: 1,
        duration: None,
        headless: true,
        record: None,
        capture: None,
        vision_socket: PathBuf::new(),
        flight: crate::flight::Options::default(),
        state: Some(folder.to_path_buf()),
        home_again: false,
        watch_calls: rt_linux::run::WatchCalls::No,
        park: None,
    }
}

/// The segment of the demo cell; the drive of `x` with this serial number.
fn devices(machine: &Machine, serial: Option<u32>) -> Vec<FoundDevice> {
    let devices = machine.bus.subdevices.iter().enumerate();
    let mut devices: Vec<FoundDevice> = devices
        .map(|(position, device)| FoundDevice {
            position,
            name: device.name.clone(),
            identity: device.identity,
            has_clock: true,
        })
        .collect();
    let drive = keeping(machine)[0].drive;
    devices[drive].identity.serial = serial;
    devices
}

const X: AxisId = AxisId(0);

/// Homes `x` in one run.
fn homed(machine: &Machine, folder: &Path) -> Keeper {
    let mut keeper = Keeper::open(machine, &options(folder));
    keeper.hear(keeper.kept().judge(&devices(machine, Some(101))));
    keeper.found(X, Nano(42));
    keeper
}

fn again(machine: &Machine, options: &Options, serial: Option<u32>) -> Verdict {
    let verdicts = Keeper::open(machine, options).kept().judge(&devices(machine, serial));
    assert_eq!(verdicts.len(), 1, "only x keeps its reference");
    verdicts[0].clone()
}

#[test]
fn what_one_run_found_the_next_one_knows() {
    let (folder, machine) = (crate::folder::Folder::new("kept"), machine());
    let mut first = homed(&machine, &folder);
    assert_eq!(first.settle(), ["x starts without reference: it was not homed yet; home it"]);
    assert_eq!(first.note_of(X), None, "homed by now");
    assert_eq!(again(&machine, &options(&folder), Some(101)).offset, Ok(Nano(42)));
    let text = std::fs::read_to_string(folder.join("demo-cell.virtual.references.json")).unwrap();
    assert!(text.contains("\"homed_at\": null"), "virtual time has no date: {text}");
}

#[test]
// SR-042
fn another_drive_another_scaling_or_a_wish_to_home_again_is_not_referenced() {
    let (folder, machine) = (crate::folder::Folder::new("kept-other"), machine());
    drop(homed(&machine, &folder));
    let why = |machine: &Machine, options: &Options, serial| {
        again(machine, options, serial).offset.expect_err("it must not count")
    };
    let options = options(&folder);
    let other = why(&machine, &options, Some(7));
    assert!(other.contains("serial 101; found") && other.contains("serial 7"), "{other}");
    assert!(why(&machine, &options, None).contains("serial none"));
    let wish = Options { home_again: true, ..options.clone() };
    assert!(why(&machine, &wish, Some(101)).contains("--home-again"));
    let changes: [fn(&mut Machine); 4] = [
        |machine| machine.plan.axes[0].counts_per_unit.numerator *= 2,
        |machine| machine.plan.axes[0].keeps = Some(1 << 31),
        |machine| {
            let HomingPlan::SwitchIndex { position, .. } = &mut machine.plan.axes[0].homing else {
                panic!("x homes on a switch");
            };
            position.0 += 1_000_000;
        },
        |machine| {
            let drive = keeping(machine)[0].drive;
            let value = fieldbus::plan::SdoValue::I32(5);
            machine.bus.subdevices[drive].startup.push(fieldbus::plan::StartupSdo {
                index: 0x607C,
                subindex: 0,
                value,
                verify_only: true,
            });
        },
    ];
    for change in changes {
        let mut changed = machine.clone();
        change(&mut changed);
        assert!(why(&changed, &options, Some(101)).contains("another scaling"));
    }
    assert_eq!(again(&machine, &options, Some(101)).offset, Ok(Nano(42)), "it is still there");
}

#[test]
fn a_damaged_file_is_told_set_aside_and_replaced() {
    let (folder, machine) = (crate::folder::Folder::new("kept-damaged"), machine());
    drop(homed(&machine, &folder));
    let path = folder.join("demo-cell.virtual.references.json");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace(": 42", ": 43")).unwrap();
    let mut keeper = Keeper::open(&machine, &options(&folder));
    keeper.hear(keeper.kept().judge(&devices(&machine, Some(101))));
    let news = keeper.settle();
    assert!(news.iter().any(|text| text.contains("is damaged")), "{news:?}");
    assert!(news.iter().any(|text| text.contains("x starts without reference")), "{news:?}");
    keeper.found(X, Nano(44));
    assert_eq!(again(&machine, &options(&folder), Some(101)).offset, Ok(Nano(44)));
    let aside = folder.join("demo-cell.virtual.references.json.unusable");
    assert!(std::fs::read_to_string(aside).unwrap().contains(": 43"), "a person can look at it");
}

#[test]
fn a_directory_that_cannot_be_written_is_told_and_the_run_goes_on() {
    let machine = machine();
    for threaded in [false, true] {
        let mut keeper = Keeper::open(&machine, &options(Path::new("/proc/none")));
        if threaded {
            keeper = keeper.threaded().unwrap();
        }
        keeper.hear(keeper.kept().judge(&devices(&machine, Some(101))));
        let _ = keeper.settle();
        keeper.found(X, Nano(42));
        keeper.finish();
        let news = keeper.settle();
        assert!(news[0].contains("the reference of x ends with this run"), "{news:?}");
        assert!(keeper.note_of(X).is_some_and(|note| note.contains("cannot be written")));
    }
}

#[test]
fn a_drive_without_a_serial_number_keeps_nothing() {
    let (folder, machine) = (crate::folder::Folder::new("kept-nameless"), machine());
    let mut keeper = Keeper::open(&machine, &options(&folder));
    keeper.hear(keeper.kept().judge(&devices(&machine, None)));
    keeper.found(X, Nano(42));
    assert!(keeper.settle().iter().any(|text| text.contains("no serial number")));
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
}

#[test]
fn virtual_time_keeps_nothing_unless_asked() {
    let machine = machine();
    let nowhere = Options { state: None, ..options(Path::new("x")) };
    let mut keeper = Keeper::open(&machine, &nowhere);
    keeper.hear(keeper.kept().judge(&devices(&machine, Some(101))));
    assert!(keeper.settle()[0].contains("--state"));
    keeper.found(X, Nano(42));
    assert!(keeper.settle().is_empty());
}

#[test]
fn dates_are_those_of_the_calendar() {
    for (seconds, date) in [
        (0, "1970-01-01T00:00:00Z"),
        (951_782_399, "2000-02-28T23:59:59Z"),
        (951_782_400, "2000-02-29T00:00:00Z"),
        (1_709_251_199, "2024-02-29T23:59:59Z"),
        (4_107_542_400, "2100-03-01T00:00:00Z"),
    ] {
        assert_eq!(utc(seconds), date);
    }
}
