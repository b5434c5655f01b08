//! What goes wrong in a shift: doors, buttons, cameras, drives, frames, devices, clocks, the supervisor, the loop's own lateness.

use config::cell::{BusAction, CameraFault, Obeys, ScenarioAction as Do};
use rt_core::plan::AxisId;
use segment::Fault;
use tactus_tests::random::Random;

use super::draw::{Excuse, Excused, Kind, MS, Shift};
use super::people::bounce;

/// A fault, drawn, of those that a machine can have.
type Draw = fn(&mut Shift, u64, &mut Random);

const ALL: [Draw; 11] = [
    guards,
    guards,
    camera_or_cabinet,
    drive_fault,
    disobedience,
    chain,
    frames,
    devices,
    mechanics,
    supervisor,
    late,
];

pub(crate) fn draw(shift: &mut Shift, random: &mut Random) {
    let mut at = random.from_to(500, 20_000) * MS;
    // Some shifts are quiet, some are not.
    let gap_max = random.of(&[12_000, 25_000, 50_000]);
    while at < shift.length() {
        random.of(&ALL)(shift, at, random);
        // Now and then a second one comes before the first is over.
        let gap = if random.once_in(4) { 400 } else { gap_max };
        at += random.from_to(10, gap) * MS;
    }
}

fn axes(shift: &Shift) -> usize {
    shift.machine.plan.axes.len()
}

fn axis_id(axis: usize) -> AxisId {
    AxisId(u8::try_from(axis).expect("few axes"))
}

/// Emergency stop, door, stop button: both channels, one of them for short or for long, bouncing, stuck.
fn guards(shift: &mut Shift, at: u64, random: &mut Random) {
    let pair = random.of(&[["estop_a", "estop_b"], ["door_a", "door_b"]]);
    match random.below(5) {
        0 => bounce(shift, at, &pair, random),
        1 => shift.pulse(at, pair[random.place(2)], random.from_to(2, 450) * MS),
        2 => shift.pulse(at, pair[random.place(2)], random.from_to(550, 4_000) * MS),
        3 => shift.pulse(at, "stop_button", random.from_to(2, 2_000) * MS),
        _ => {
            let long = random.from_to(20, 5_000) * MS;
            shift.pulse(at, pair[0], long);
            shift.pulse(at + random.below(40) * MS, pair[1], long);
        }
    }
}

/// The camera where there is one, temperature and air where there is none.
fn camera_or_cabinet(shift: &mut Shift, at: u64, random: &mut Random) {
    let long = random.from_to(20, 3_000) * MS;
    if shift.kind == Kind::Manual {
        match random.below(3) {
            0 => shift.pulse(at, "air_pressure", long * 3),
            _ => {
                let input = shift.channel("cabinet_temperature");
                // Of a channel with a status word the place counts, not the bits.
                let input = config::cell::Channel { channel: 0, ..input };
                let value = random.of(&[700, -5, 620]);
                shift.event(at, Do::SetAnalog { input, value });
                shift.event(at + long, Do::SetAnalog { input, value: 250 });
            }
        }
        return;
    }
    let fault = match random.below(7) {
        0 => CameraFault::Freeze,
        1 => CameraFault::Silence,
        2 => CameraFault::WrongCrc,
        3 => CameraFault::WrongHash,
        4 => CameraFault::Repeat,
        5 => CameraFault::Quality(random.byte() % 100),
        _ => CameraFault::Lag(random.from_to(10, 800) * MS),
    };
    shift.event(at, Do::CameraFault { camera: 0, fault });
    shift.event(at + long, Do::CameraFault { camera: 0, fault: CameraFault::None });
}

fn drive_fault(shift: &mut Shift, at: u64, random: &mut Random) {
    let axis = axis_id(random.place(axes(shift)));
    let code = random.of(&[0x2310, 0x3210, 0x4210, 0x7305, 0x8611]);
    shift.event(at, Do::DriveFault { axis, code });
    shift.event(at + random.from_to(1, 3_000) * MS, Do::DriveFault { axis, code: 0 });
    shift.shocks.push(at);
}

/// The firmware of a drive runs on. What hangs must still obey the quick stop: else only the certified chain helps.
fn disobedience(shift: &mut Shift, at: u64, random: &mut Random) {
    let axis = random.place(axes(shift));
    let hangs = shift.machine.plan.axes[axis].vertical;
    let all = [Obeys::QuickStop, Obeys::Power, Obeys::Nothing];
    let obeys = if hangs { Obeys::QuickStop } else { random.of(&all) };
    let to = at + random.from_to(30, 2_500) * MS;
    shift.event(at, Do::Obeys { axis: axis_id(axis), obeys });
    shift.event(to, Do::Obeys { axis: axis_id(axis), obeys: Obeys::All });
    shift.excused.push(Excused { axis, from: at, to, what: Excuse::RunsOn });
    shift.shocks.push(at);
}

/// The certified chain takes the torque of a drive, or a brake holds nothing.
fn chain(shift: &mut Shift, at: u64, random: &mut Random) {
    let axis = random.place(axes(shift));
    let to = at + random.from_to(5, 3_000) * MS;
    let id = axis_id(axis);
    if shift.machine.plan.axes[axis].brake.is_some() && random.once_in(2) {
        shift.event(at, Do::BrakeFails { axis: id, failed: true });
        shift.event(to, Do::BrakeFails { axis: id, failed: false });
    } else {
        shift.event(at, Do::SafeTorqueOff { axis: id, active: true });
        shift.event(to, Do::SafeTorqueOff { axis: id, active: false });
    }
    shift.excused.push(Excused { axis, from: at, to, what: Excuse::Chain });
    shift.shocks.push(at);
}

fn frames(shift: &mut Shift, at: u64, random: &mut Random) {
    let count = u32::try_from(random.of(&[1, 2, 3, 4, 5, 8, 40, 150, 400])).expect("small");
    let delay_ns = random.from_to(100, 2_500) * 1_000;
    let action = match random.below(6) {
        0 | 1 => BusAction::LoseFrames { count },
        2 => BusAction::CorruptFrames { count },
        3 => BusAction::DuplicateFrames { count },
        4 => BusAction::DelayFrames { count, delay_ns },
        _ => BusAction::ForeignFrames { count },
    };
    shift.event(at, Do::Bus(action));
    shift.shocks.push(at);
}

/// Devices and cables that go and come back; clocks that stand still or jump.
fn devices(shift: &mut Shift, at: u64, random: &mut Random) {
    let servos = shift.servos();
    let count = shift.machine.virtual_cell.devices.len();
    let position = 1 + random.place(count - 1);
    let to = at + random.from_to(3, 4_000) * MS;
    shift.shocks.push(at);
    match random.below(6) {
        0 => {
            shift.event(at, Do::Bus(BusAction::PowerOff { position }));
            shift.event(to, Do::Bus(BusAction::PowerOn { position }));
            if let Some(axis) = servos.iter().position(|servo| *servo == position) {
                shift.excused.push(Excused { axis, from: at, to, what: Excuse::Chain });
            }
        }
        1 | 2 => {
            shift.event(at, Do::Bus(BusAction::LinkDown { position }));
            shift.event(to, Do::Bus(BusAction::LinkUp { position }));
        }
        3 => {
            shift.injections.push((at, Fault::IgnoreProcessData { position, active: true }));
            shift.injections.push((to, Fault::IgnoreProcessData { position, active: false }));
        }
        4 => {
            let axis = random.place(servos.len());
            let position = servos[axis];
            let by_ns = random.of(&[-400_000, -20_000, 5_000, 50_000, 300_000]);
            shift.injections.push((at, Fault::ClockJump { position, by_ns }));
            shift.excused.push(Excused { axis, from: at, to, what: Excuse::Clock });
        }
        _ => {
            let axis = random.place(servos.len());
            let position = servos[axis];
            shift.excused.push(Excused { axis, from: at, to, what: Excuse::Clock });
            shift.injections.push((at, Fault::ClockStopped { position, active: true }));
            shift.injections.push((to, Fault::ClockStopped { position, active: false }));
        }
    }
}

/// A drive that is blocked, or has an easier time than it was told.
fn mechanics(shift: &mut Shift, at: u64, random: &mut Random) {
    let axis = random.place(axes(shift));
    let to = at + random.from_to(50, 2_500) * MS;
    let id = axis_id(axis);
    if random.once_in(2) {
        let factor = random.of(&[0.2, 0.5, 3.0, 20.0, 50.0]);
        shift.event(at, Do::FrictionScale { axis: id, factor });
        shift.event(to, Do::FrictionScale { axis: id, factor: 1.0 });
    } else {
        let factor = random.of(&[0.5, 0.9, 1.5, 3.0]);
        shift.event(at, Do::PayloadScale { axis: id, factor });
        shift.event(to, Do::PayloadScale { axis: id, factor: 1.0 });
    }
    shift.excused.push(Excused { axis, from: at, to, what: Excuse::Mechanics });
}

fn supervisor(shift: &mut Shift, at: u64, random: &mut Random) {
    shift.silences.push((at, at + random.from_to(500, 3_000) * MS));
}

/// The loop wakes late, by whole periods.
fn late(shift: &mut Shift, at: u64, random: &mut Random) {
    let cycles = u32::try_from(random.from_to(1, 60)).expect("small");
    shift.lates.push((at, cycles, random.from_to(1, 3)));
    shift.shocks.push(at);
}
