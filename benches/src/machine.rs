//! A machine file for any number of axes, in which everything that a step does has work to do.
//!
//! Half of the axes (and a single one) are linear: their group goes to and fro on straight lines. The other half turn without
//! end. A camera looks at a zone, predictions of the linear axes are held against it, every axis has the interlocks that the
//! shipped machines have, and the operator of the virtual cell resets and starts. The same number gives the same text.

use std::fmt::Write;

use rt_core::program::{AXES_MAX, GROUP_AXES_MAX};

/// Axes of linear groups go this far to both sides, mm.
const STROKE_MM: u32 = 150;
/// A machine with more axes has the longer period: its frames take longer on the wire.
const AXES_AT_1_KHZ: usize = 64;

const HEAD: &str = r#"
[bus.dc]
frame_before_sync0 = "200 us"
lock_window = "1 us"
lock_timeout = "10 s"

[[subdevice]]
name = "coupler"
position = 0
kind = "coupler"
identity = { vendor = 2, product = 0x044c2c52 }

[[subdevice]]
name = "inputs"
position = 1
kind = "digital_input"
identity = { vendor = 2, product = 0x03f03052 }
sync_unit = "io"
channels = ["reset_button", "start_button", "estop_a", "estop_b", "", "", "", ""]

[[subdevice]]
name = "lamps"
position = 2
kind = "digital_output"
identity = { vendor = 2, product = 0x07d83052 }
sync_unit = "io"
channels = ["lamp_waiting", "", "", "", "", "", "", ""]
"#;

const TAIL: &str = r#"
[control]
reset = "reset_button"
start = "start_button"

[[output]]
signal = "lamp_waiting"
source = "waiting"

[[stream]]
name = "overhead"
id = 1
age_max = "150 ms"

[[zone]]
name = "near"
stream = "overhead"
bit = 0
polygon = [["0 mm", "0 mm"], ["1000 mm", "0 mm"], ["1000 mm", "1000 mm"], ["0 mm", "1000 mm"]]

[[interlock]]
name = "emergency stop"
cause = { kind = "emergency_stop", a = "estop_a", b = "estop_b" }
effects = { all = "stop 1" }
latch = true

[[interlock]]
name = "soft limit ahead"
cause = { kind = "twin_limit" }
effects = { own = "stop 2" }
latch = true

[[interlock]]
name = "drive fault"
cause = { kind = "drive_fault" }
effects = { own = "stop 1" }
latch = true

[[interlock]]
name = "following error"
cause = { kind = "following_error" }
effects = { own = "stop 1" }
latch = true

[[interlock]]
name = "target ignored"
cause = { kind = "target_ignored" }
effects = { own = "stop 1" }
latch = true

[[interlock]]
name = "bus data lost"
cause = { kind = "working_counter", cycles = 5 }
effects = { all = "stop 1" }
latch = true

[[interlock]]
name = "bus"
cause = { kind = "bus" }
effects = { all = "stop 1" }
latch = true

[[interlock]]
name = "clocks"
cause = { kind = "dc_unlocked" }
effects = { all = "stop 1" }
latch = true

[[interlock]]
name = "supervisor"
cause = { kind = "supervisor", age_max = "1 s" }
effects = { all = "stop 1" }
latch = true

[virtual.rest]
estop_a = 1
estop_b = 1

[[virtual.camera]]
stream = "overhead"
period = "40 ms"
delay = "30 ms"

[[scenario.rule]]
name = "operator resets and starts"
when = [{ output_on = "lamp_waiting", for = "1 s" }]
then = [{ press = "reset_button" }, { press = "start_button", after = "700 ms" }]
"#;

/// A group: its number, and whether its axes are linear.
struct Group {
    number: usize,
    axes: std::ops::Range<usize>,
    linear: bool,
}

/// Groups of equal size, linear ones and endless ones by turns.
fn groups(axes: usize) -> Vec<Group> {
    let size = (axes / 2).clamp(1, GROUP_AXES_MAX);
    let starts = (0..axes).step_by(size).enumerate();
    let group = |(number, start): (usize, usize)| Group {
        number,
        axes: start..(start + size).min(axes),
        linear: number % 2 == 0,
    };
    starts.map(group).collect()
}

/// The text of the machine file.
///
/// # Panics
/// `axes` is not in 1 ..= [`AXES_MAX`].
#[must_use]
pub fn file(axes: usize) -> String {
    assert!((1..=AXES_MAX).contains(&axes), "1 to {AXES_MAX} axes, not {axes}");
    let groups = groups(axes);
    let mut text = String::new();
    head(&mut text, axes, &groups);
    for group in &groups {
        for axis in group.axes.clone() {
            drive(&mut text, axis, group);
        }
        text += &format!(
            "\n[[group]]\nname = \"group_{}\"\naxes = [{}]\n",
            group.number,
            list(group.axes.clone(), |axis| format!("\"axis_{axis}\""))
        );
        strand(&mut text, group);
    }
    zone(&mut text, &groups);
    text + TAIL
}

fn list(axes: impl Iterator<Item = usize>, each: impl Fn(usize) -> String) -> String {
    axes.map(each).collect::<Vec<_>>().join(", ")
}

fn head(text: &mut String, axes: usize, groups: &[Group]) {
    let (period, deadline) =
        if axes > AXES_AT_1_KHZ { ("2 ms", "1600 us") } else { ("1 ms", "800 us") };
    let units = list(groups.iter().map(|group| group.number), |n| format!("\"unit_{n}\""));
    let _ = write!(
        text,
        "# {axes} axes. Generated.\n\n[machine]\nname = \"axes-{axes}\"\n\n\
         [cycle]\nperiod = \"{period}\"\nreceive_deadline = \"{deadline}\"\nrealtime = \"degraded\"\n\n\
         [bus]\nsync_units = [\"io\", {units}]\n{HEAD}"
    );
}

fn drive(text: &mut String, axis: usize, group: &Group) {
    let position = axis + 3;
    let (unit, kind) = (group.number, if group.linear { LINEAR } else { ENDLESS });
    let _ = write!(
        text,
        "\n[[subdevice]]\nname = \"drive_{axis}\"\nposition = {position}\nkind = \"servo\"\n\
         identity = {{ vendor = 0x54414354, product = 0x53525631 }}\nsync_unit = \"unit_{unit}\"\n\
         \n[[axis]]\nname = \"axis_{axis}\"\ndrive = \"drive_{axis}\"\n{kind}"
    );
}

const LINEAR: &str = r#"unit = "mm"
gear = { counts_per_revolution = 1048576, travel_per_turn = "20 mm" }
limits = { position = ["-400 mm", "400 mm"], velocity = "1000 mm/s", acceleration = "4 m/s2", jerk = "60 m/s3", following_error = "5 mm" }
stop = { ramp = "6 m/s2", quick_stop = "8 m/s2" }
homing = { method = "here" }
mechanics = { motor_inertia = "1.2 kg cm2", load_mass = "30 kg", load_inertia = "1 kg cm2", rated_torque = "1.27 N m", peak_torque = "3.8 N m", coulomb = "0.08 N m" }
twin = { response = "4 ms", margin = "2 mm" }
"#;

const ENDLESS: &str = r#"unit = "deg"
wrap = "360 deg"
gear = { counts_per_revolution = 1048576, motor_turns = 10 }
limits = { velocity = "360 deg/s", acceleration = "1800 deg/s2", jerk = "36000 deg/s3", following_error = "2 deg" }
stop = { ramp = "2400 deg/s2", quick_stop = "3000 deg/s2" }
homing = { method = "here" }
mechanics = { motor_inertia = "0.6 kg cm2", load_inertia = "40 kg cm2", rated_torque = "1.27 N m", peak_torque = "3.8 N m", coulomb = "0.05 N m" }
"#;

fn strand(text: &mut String, group: &Group) {
    let number = group.number;
    let _ = write!(text, "\n[[program.strand]]\nname = \"strand {number}\"\n");
    if group.linear {
        text.push_str("restart_at = \"left\"\n");
    }
    text.push_str("steps = [\n");
    for axis in group.axes.clone() {
        let _ = writeln!(text, "  {{ home = \"axis_{axis}\", timeout = \"10 s\" }},");
    }
    if group.linear {
        for (name, sign) in [("left", "-"), ("right", "")] {
            let to =
                list(group.axes.clone(), |axis| format!("axis_{axis} = \"{sign}{STROKE_MM} mm\""));
            let _ = writeln!(
                text,
                "  {{ name = \"{name}\", move = \"group_{number}\", to = {{ {to} }}, \
                 speed = \"800 mm/s\" }},"
            );
        }
    } else {
        for axis in group.axes.clone() {
            let speed = 100 + axis % 200;
            let _ =
                writeln!(text, "  {{ velocity = \"axis_{axis}\", speed = \"{speed} deg/s\" }},");
        }
    }
    text.push_str("]\n");
}

/// While somebody is near, linear axes stay out of one end of their way.
fn zone(text: &mut String, groups: &[Group]) {
    let linear = groups.iter().filter(|group| group.linear);
    let axes =
        list(linear.clone().flat_map(|group| group.axes.clone()), |n| format!("\"axis_{n}\""));
    let _ = write!(
        text,
        "\n[[interlock]]\nname = \"somebody near\"\n\
         cause = {{ kind = \"twin_zone\", zone = \"near\", axes = [{axes}], \
         from = \"390 mm\", to = \"400 mm\" }}\neffects = {{ own = \"stop 2\" }}\nlatch = false\n"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_of_axes_up_to_the_bound_makes_a_machine() {
        for axes in [1, 2, 3, 4, 5, 16, 17, 63, 64, 65, 100, 255, AXES_MAX] {
            let machine = config::load(&file(axes), "generated")
                .unwrap_or_else(|problems| panic!("{axes} axes: {problems:?}"));
            assert_eq!(machine.plan.axes.len(), axes);
            let endless = machine.plan.axes.iter().filter(|axis| axis.wrap.is_some()).count();
            assert!(endless * 2 <= axes && (axes == 1 || endless > 0), "{endless} of {axes} turn");
            assert!(machine.plan.interlocks.len() > 4 * axes, "each axis is watched");
            assert_eq!(file(axes), file(axes));
        }
    }
}
