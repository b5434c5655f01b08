//! The machine files that we ship load, and are what they say.

use std::path::PathBuf;

fn shipped() -> Vec<(PathBuf, String)> {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("machines");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|path| (path.clone(), std::fs::read_to_string(path).unwrap())).collect()
}

#[test]
fn every_shipped_machine_loads_without_a_warning() {
    let files = shipped();
    assert!(files.len() >= 2);
    for (path, text) in files {
        let machine = config::load(&text, &path.display().to_string())
            .unwrap_or_else(|diagnostics| panic!("{diagnostics}"));
        assert_eq!(machine.warnings, Vec::new(), "{}", path.display());
    }
}

fn demo() -> config::Machine {
    let text = include_str!("../machines/demo-cell.toml");
    config::load(text, "demo-cell.toml").unwrap_or_else(|diagnostics| panic!("{diagnostics}"))
}

#[test]
fn the_hash_is_that_of_the_bytes() {
    // Given the demo cell and the same with one more byte,
    let text = include_str!("../machines/demo-cell.toml");
    let machine = demo();
    assert_eq!(machine.hash, *blake3::hash(text.as_bytes()).as_bytes());
    let first: [u8; 8] = machine.hash[..8].try_into().unwrap();
    assert_eq!(machine.hash64, u64::from_le_bytes(first));
    assert_eq!(machine.plan.config_hash, machine.hash64);
    let other = config::load(&format!("{text}\n"), "").unwrap();
    // then cameras made for one do not fit the other.
    assert_ne!(other.hash64, machine.hash64);
}

#[test]
fn quantities_become_exact_integers() {
    let machine = demo();
    let x = &machine.plan.axes[0];
    assert_eq!(machine.plan.period_ns, 1_000_000);
    // 1048576 counts on 20 mm.
    assert_eq!((x.counts_per_unit.numerator, x.counts_per_unit.denominator), (262_144, 5));
    assert_eq!(x.limits.velocity.0, 1_000_000_000_000);
    assert_eq!(x.limits.position.unwrap().1.0, 1_200_000_000_000);
    assert_eq!(x.stop.watchdog_ns, 100_000_000);
    let belt = &machine.plan.axes[2];
    // Gear 5 : 1 on a roller of 200 mm: 26214.4 counts a mm.
    assert_eq!((belt.counts_per_unit.numerator, belt.counts_per_unit.denominator), (131_072, 5));
    assert_eq!(belt.wrap.unwrap().0, 1_000_000_000_000);
}

#[test]
fn the_model_is_calculated_from_the_mechanics() {
    let machine = demo();
    // z: 8 kg on a screw of 10 mm: r = 10 mm / 2π.
    let z = &machine.plan.axes[1].model;
    let r = 0.010 / std::f64::consts::TAU;
    assert!((z.units_per_radian - r * 1e3).abs() < 1e-12);
    assert!((z.inertia_kgm2 - (0.6e-4 + 0.2e-4 + 8.0 * r * r)).abs() < 1e-12);
    // Up is positive: gravity pulls to negative positions, which is above 0.
    assert!((z.gravity_nm - 8.0 * 9.806_65 * r).abs() < 1e-12);
    assert_eq!(machine.plan.axes[0].model.gravity_nm, 0.0);
}

#[test]
fn signals_lie_in_the_image_without_overlap() {
    let machine = demo();
    let signals = &machine.bus.signals;
    assert_eq!(signals.len(), usize::from(machine.plan.signal_count));
    assert_eq!(signals.len(), machine.names.signals.len());
    for (at, a) in signals.iter().enumerate() {
        for b in &signals[at + 1..] {
            let same = (a.subdevice, a.direction) == (b.subdevice, b.direction);
            let apart = a.bit_offset + u32::from(a.bits) <= b.bit_offset
                || b.bit_offset + u32::from(b.bits) <= a.bit_offset;
            assert!(!same || apart, "{a:?} {b:?}");
        }
    }
    // Every signal is where the PDO entry that carries it is.
    for (position, device) in machine.bus.subdevices.iter().enumerate() {
        for pdos in [&device.inputs, &device.outputs] {
            let mut bit = 0;
            for entry in pdos.iter().flat_map(|pdo| &pdo.entries) {
                if let Some(id) = entry.signal {
                    let plan = &signals[usize::from(id.0)];
                    assert_eq!((plan.subdevice, plan.bit_offset), (position, bit));
                    assert_eq!((plan.bits, plan.signed), (entry.bits, entry.signed));
                }
                bit += u32::from(entry.bits);
            }
        }
    }
    let vacuum = machine.names.signal("vacuum").unwrap();
    // Behind the status word of its channel.
    assert_eq!(signals[usize::from(vacuum.0)].bit_offset, 16);
}

#[test]
fn servos_get_the_start_up_sdos_that_csp_needs() {
    use fieldbus::plan::SdoValue::{I8, I16, U8, U16, U32};
    let machine = demo();
    let startup = &machine.bus.subdevices[4].startup;
    let value = |index, subindex| {
        startup.iter().find(|sdo| (sdo.index, sdo.subindex) == (index, subindex)).unwrap().value
    };
    assert_eq!(value(0x6060, 0), I8(8));
    assert_eq!((value(0x60C2, 1), value(0x60C2, 2)), (U8(1), I8(-3)));
    // 10 mm (twice the loop's 5 mm) and 8000 mm/s², at 52428.8 counts a mm.
    assert_eq!(value(0x6065, 0), U32(524_288));
    assert_eq!(value(0x6066, 0), U16(10));
    assert_eq!(value(0x6085, 0), U32(419_430_400));
    assert_eq!((value(0x605A, 0), value(0x605E, 0), value(0x6007, 0)), (I16(2), I16(2), I16(3)));
    assert!(machine.bus.subdevices[1].startup.is_empty());
    let sync0 = machine.bus.subdevices[4].sync0.unwrap();
    assert_eq!(u64::from(sync0.cycle_ns), machine.plan.period_ns);
    assert!(machine.bus.subdevices[1].sync0.is_none());
}

#[test]
fn one_interlock_of_the_file_becomes_a_row_for_each_axis() {
    use rt_core::plan::{AxisId, Cause, GroupId, Reaction};
    let machine = demo();
    let rows: Vec<_> = machine
        .plan
        .interlocks
        .iter()
        .zip(&machine.names.interlocks)
        .filter(|(row, _)| matches!(row.cause, Cause::DriveFault { .. }))
        .collect();
    assert_eq!(rows.len(), 3);
    assert_eq!(rows[2].0.cause, Cause::DriveFault { axis: AxisId(2) });
    assert_eq!(rows[2].0.effects[0].group, GroupId(1));
    assert_eq!(rows[2].0.effects[0].reaction, Reaction::Stop1);
    assert_eq!(rows[2].1.name, "drive fault belt");
    let limits = machine.plan.interlocks.iter();
    let limits = limits.filter(|row| matches!(row.cause, Cause::TwinLimit { .. }));
    assert_eq!(limits.count(), 2, "the endless axis has no soft limit");
}

#[test]
fn the_virtual_cell_has_what_the_file_describes() {
    use config::cell::{DeviceKind, ScenarioAction};
    let machine = demo();
    let cell = &machine.virtual_cell;
    assert_eq!(cell.devices.len(), machine.bus.subdevices.len());
    // stop_button, estop_a, estop_b, door_a, door_b: channels 3 to 7.
    let rest = DeviceKind::DigitalInput { channels: 16, rest: 0b111_1100 };
    assert_eq!(cell.devices[1].kind, rest);
    let DeviceKind::Servo(z) = &cell.devices[5].kind else { panic!("no servo") };
    assert_eq!(z.brake.unwrap().release, None, "the drive works it");
    assert_eq!(z.serial, 102);
    assert_eq!((cell.zones.len(), cell.cameras.len(), cell.persons.len()), (3, 1, 2));
    assert_eq!(cell.persons[0].start_ns, Some(8_000_000_000));
    assert!(matches!(cell.rules[0].then[0].action, ScenarioAction::Pulse { .. }));
}

#[test]
fn an_event_that_repeats_and_lasts_becomes_one_for_each_change() {
    use config::cell::ScenarioAction;
    let text = include_str!("../machines/demo-cell.toml");
    let event = "[[scenario.event]]\nat = \"1 s\"\nevery = \"10 s\"\ntimes = 2\n\
                 press = [\"estop_a\", \"estop_b\"]\nfor = \"2 s\"\n";
    let machine = config::load(&format!("{text}\n{event}"), "").unwrap();
    let events = &machine.virtual_cell.events;
    let at: Vec<u64> = events.iter().map(|event| event.at_ns / 1_000_000_000).collect();
    assert_eq!(at, [1, 1, 3, 3, 11, 11, 13, 13]);
    let on: Vec<bool> = events
        .iter()
        .map(|event| match event.action {
            ScenarioAction::SetInput { on, .. } => on,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(on, [false, false, true, true, false, false, true, true]);
}

#[test]
fn links_are_read_from_the_command_line() {
    use config::{LinkChoice, parse_link};
    assert_eq!(parse_link("virtual"), Ok(LinkChoice::Virtual));
    assert_eq!(parse_link("raw:eth1"), Ok(LinkChoice::Raw("eth1".to_owned())));
    for bad in ["", "raw", "raw:", "raw:a/b", "raw:averyveryverylongname", "tcp:eth1"] {
        assert!(parse_link(bad).unwrap_err().contains("expected"), "{bad}");
    }
}
