//! `[control]`, `[[output]]`, `[[interlock]]`, `[[stream]]` and `[[zone]]`.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::axis::{Direction, Point};
use crate::problem::{Problem, Problems};
use crate::quantity::{self, Value};
use crate::read::{
    At, FromToml, Int, Length, Map, Name, Node, OneOrMany, Position, Share, Speed, Time, section,
    word, wrong_type,
};

section! {
    /// Wired buttons. A reset counts as press and release within the window; a reset never starts motion.
    "[control]" Control {
        /// Input, 1 = pressed.
        reset: Name,
        /// Input, 1 = pressed.
        start: Name,
        /// Input, 0 = pressed (closed circuit).
        stop: Option<Name>,
        /// Shortest press, 10 ms to 1 s; default 50 ms.
        press_min: Option<Time>,
        /// Longest press, up to 30 s; default 3 s.
        press_max: Option<Time>,
    }
}

section! {
    /// An output that is not an axis' own.
    "[[output]]" Output {
        /// The output signal.
        signal: Name,
        /// Raw value without permit, at start and at the end; default 0.
        safe: Option<Int<-2_147_483_648, 4_294_967_295>>,
        /// Without permit it stays as the program asked last, as long as there is power (a gripper that holds a part); default false.
        hold: Option<At<bool>>,
        /// The group whose permit it needs; without it the whole machine's.
        group: Option<Name>,
        /// Who drives it; default `program`.
        source: Option<SourceWord>,
    }
}

word! {
    /// Who drives an output.
    "source of an output" SourceWord {
        /// Steps of the program.
        "program" => Program,
        /// 1 while the machine runs.
        "running" => Running,
        /// 1 while the machine waits for reset or start.
        "waiting" => Waiting,
        /// An inspection: its trigger or its ejector.
        "inspection" => Inspection,
    }
}

section! {
    /// One row of the cause-and-effect matrix.
    "[[interlock]]" Interlock {
        /// Its name.
        name: Name,
        /// What a person reads when it trips; default: the name.
        text: Option<String>,
        /// What to do about it.
        remedy: Option<String>,
        /// What it watches.
        cause: Cause,
        /// Group → reaction, or output → `safe`. `all`: every group; `own`: the group of the axis that caused it.
        effects: Map<At<ReactionText>>,
        /// Axis → the way that it may not go meanwhile: what moves there comes to rest, back is free.
        block: Option<Map<At<Direction>>>,
        /// The trip outlives its demand until a person resets.
        latch: bool,
        /// Only in this mode; without it in both.
        mode: Option<At<ModeWord>>,
        /// How long each stage takes from what happens to a machine that stands; what is left out is derived.
        budget: Option<Budget>,
    }
}

section! {
    /// The response-time budget of an interlock. `tactus budget FILE` prints what follows from it.
    "the budget" Budget {
        /// From what happens until the sensor says so: exposure and evaluation of a camera, filters of an input.
        sensor: Option<Time>,
        /// Until the loop has it. With a camera, `sensor` and `transport` are `age_max` of the stream; default: what is left of it.
        transport: Option<Time>,
        /// Until it is judged; default and least: one period.
        cycle: Option<Time>,
        /// Until the frame is on the wire; default and least: one period.
        bus: Option<Time>,
        /// Until the drives follow; default and least: `twin.response` of the slowest axis that is stopped.
        drive: Option<Time>,
        /// Until everything stands; default and least: the longest stop that keeps torque, the watchdog included.
        mechanics: Option<Time>,
        /// What all of it may take.
        total: Option<Time>,
    }
}

word! {
    /// A mode of the machine.
    "mode" ModeWord {
        /// The program works.
        "automatic" => Automatic,
        /// A person works it.
        "manual" => Manual,
    }
}

section! {
    /// Two modes, chosen by a wired selector. Without this section the machine is automatic.
    "[mode]" Modes {
        /// Input, 1 = automatic.
        automatic: Name,
        /// Input, 1 = manual. Exactly one of the two; neither and both stop the machine.
        manual: Name,
        /// How long neither may be 1 while the selector is turned, 10 ms to 10 s; default 500 ms.
        monitor: Option<Time>,
        /// Highest speed in manual, at most 250 mm/s; default 250 mm/s.
        speed: Option<Speed>,
        /// Highest speed of rotary groups in manual, at most 90 deg/s; default 15 deg/s.
        speed_rotary: Option<Speed>,
        /// Inputs that move an axis in manual for as long as they are held.
        jog: Vec<Jog>,
        /// Axis → the way that it may not go in manual.
        block: Option<Map<At<Direction>>>,
    }
}

section! {
    /// How a person moves an axis in manual.
    "[[mode.jog]]" Jog {
        /// Which axis.
        axis: Name,
        /// Input, 1 = towards positive positions.
        positive: Name,
        /// Input, 1 = towards negative positions.
        negative: Name,
        /// How fast; default: what manual allows.
        speed: Option<Speed>,
    }
}

section! {
    /// What an interlock watches.
    "the cause" Cause {
        /// What kind.
        kind: At<CauseKind>,
        /// Two-channel devices: first channel, 1 = permit (`two_hand`: pressed; `enabling_switch`: 1 in the middle).
        a: Option<Name>,
        /// Two-channel devices: second channel, 1 = permit (`antivalent`: 0 = permit; `enabling_switch`: 0 when pressed through).
        b: Option<Name>,
        /// Two-channel devices: longest time that the channels may differ, 1 ms to 10 s; default 500 ms (`light_curtain`: 50 ms).
        discrepancy: Option<Time>,
        /// `two_hand`: both are pressed within this time, 50 ms to 500 ms; default 500 ms.
        synchronous: Option<Time>,
        /// `light_curtain`: lets parts pass that cover sensors in the right way.
        muting: Option<Muting>,
        /// `edm`, `safety_request`: the output that is watched.
        output: Option<Name>,
        /// `edm`: the normally closed contact of the contactor, 1 = off; or those of two contactors.
        feedback: Option<OneOrMany<Name>>,
        /// `safety_request`: the input that confirms with 1 that the output's request (0) is carried out.
        confirmation: Option<Name>,
        /// `edm`, `safety_request`: how long it may take, 1 ms to 60 s.
        within: Option<Time>,
        /// `stale_vision`: the stream.
        stream: Option<Name>,
        /// `speed_limit`: the highest speed.
        speed: Option<Speed>,
        /// `torque_limit`: the highest torque, as a share of the rated torque, 1 % to 500 %.
        torque: Option<Share>,
        /// `signal_limit`: the lowest raw value that is in order.
        low: Option<Int<-2_147_483_648, 4_294_967_295>>,
        /// `signal_limit`: the highest raw value that is in order.
        high: Option<Int<-2_147_483_648, 4_294_967_295>>,
        /// `signal_limit`: back by this much is clear; default 0.
        hysteresis: Option<Int<0, 4_294_967_295>>,
        /// Limits: beyond for this long is a demand, up to 60 s; default 0 s.
        filter: Option<Time>,
        /// `zone`, `twin_zone`: the zone. `separation`: the rectangle that is watched; persons who are not seen are outside it.
        zone: Option<Name>,
        /// Causes of an axis: which ones; without it all (`twin_limit`: all that have soft limits). One row is made of each.
        axes: Option<OneOrMany<Name>>,
        /// `twin_zone`: first forbidden position. `position_limit`: first allowed one.
        from: Option<Position>,
        /// `twin_zone`: last forbidden position. `position_limit`: last allowed one.
        to: Option<Position>,
        /// `working_counter`: which sync units; without it all. One row is made of each.
        sync_units: Option<OneOrMany<Name>>,
        /// `working_counter`: wrong in so many cycles in a row, 1 to 8; default 3.
        cycles: Option<Int<1, 8>>,
        /// `supervisor`: oldest heartbeat, 10 ms to 10 s; default 500 ms.
        age_max: Option<Time>,
        /// `input`: the input that must be 1. `signal_limit`: any input.
        signal: Option<Name>,
        /// `inspection`: which.
        inspection: Option<Name>,
        /// `separation`: the moving part.
        part: Option<Name>,
        /// `separation`: nobody is faster, 1.6 m/s to 10 m/s; default 1.6 m/s.
        person_speed: Option<Speed>,
        /// `separation`: how far a person reaches towards the part before the camera sees it (C), up to 3 m. `zone`: D_DS; default 850 mm.
        intrusion: Option<Length>,
        /// `separation`: how far the camera may be off beyond what it says itself (Zd), up to 1 m; default 0 mm. `zone`: Z; default 100 mm.
        person_uncertainty: Option<Length>,
        /// `separation`: how far the part may be from where its encoders say (Zr), up to 1 m; default: the following errors of its axes.
        part_uncertainty: Option<Length>,
        /// `separation`: how far the clock that stamps pictures may be off, up to 1 s; default 0 s (this host's own clock).
        clock_error: Option<Time>,
    }
}

section! {
    /// Sensors that tell a part from a person.
    "the muting" Muting {
        /// Two inputs (crossed beams) or four (in a row: two before the curtain, two behind it), 1 = covered.
        sensors: Vec<Name>,
        /// From the first sensor to the second, 10 ms to 4 s; default 1 s.
        entry: Option<Time>,
        /// From the first sensor until all are free again, 100 ms to 10 min.
        max: Time,
        /// Output that is 1 while the curtain is muted.
        lamp: Option<Name>,
    }
}

word! {
    /// Kinds of causes. Missing, stale and unknown are demands.
    "kind of cause" CauseKind {
        /// Two channels of an emergency stop.
        "emergency_stop" => EmergencyStop,
        /// Two channels of a guard door.
        "guard_door" => GuardDoor,
        /// A zone is not known to be clear.
        "zone" => Zone,
        /// The twin predicts that the axis cannot stop before its soft limit.
        "twin_limit" => TwinLimit,
        /// The twin's residuals say that its model of the axis is wrong; needs [twin].
        "twin_doubt" => TwinDoubt,
        /// A zone is not clear and the twin predicts that the axis would enter `from` .. `to`.
        "twin_zone" => TwinZone,
        /// |commanded − actual| is beyond the limit.
        "following_error" => FollowingError,
        /// The drive reports a fault.
        "drive_fault" => DriveFault,
        /// The drive says that it ignores the target.
        "target_ignored" => TargetIgnored,
        /// A sync unit's working counter is wrong.
        "working_counter" => WorkingCounter,
        /// The bus is not operational.
        "bus" => Bus,
        /// Distributed clocks are used and not locked.
        "dc_unlocked" => DcUnlocked,
        /// More overruns than [cycle.overrun] allows.
        "overrun" => Overrun,
        /// The supervisor is silent.
        "supervisor" => Supervisor,
        /// An input that must be 1.
        "input" => Input,
        /// Two contacts that say the same: both 1.
        "equivalent" => Equivalent,
        /// Two contacts that say the opposite: `a` 1, `b` 0.
        "antivalent" => Antivalent,
        /// A three-position enabling switch is not held in its middle.
        "enabling_switch" => EnablingSwitch,
        /// Two hands are not pressed together and held.
        "two_hand" => TwoHand,
        /// A light curtain or scanner is interrupted (and not muted).
        "light_curtain" => LightCurtain,
        /// A contactor does not do what its output says.
        "edm" => Edm,
        /// A drive keeps its torque, or a device does not confirm, though it was asked to be safe.
        "safety_request" => SafetyRequest,
        /// An axis is faster than `speed`.
        "speed_limit" => SpeedLimit,
        /// An axis is outside `from` .. `to`, or has no reference.
        "position_limit" => PositionLimit,
        /// A drive reports more torque than `torque`.
        "torque_limit" => TorqueLimit,
        /// An input is outside `low` .. `high` (a temperature, a pressure).
        "signal_limit" => SignalLimit,
        /// An axis has no reference.
        "not_referenced" => NotReferenced,
        /// A stream brings no fresh, verified result.
        "stale_vision" => StaleVision,
        /// A part would not stand before a person can be where it is.
        "separation" => Separation,
        /// The mode selector says nothing, contradicts itself, or was turned.
        "mode_selector" => ModeSelector,
        /// A part that was to be rejected passed the ejector of an inspection.
        "inspection" => Inspection,
    }
}

/// A reaction as written: `"warn"`, `"limit 250 mm/s"`, `"stop 2"`, `"stop 1"`, `"stop 0"`; for an output: `"safe"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReactionText {
    Warn,
    Limit(Value),
    Stop2,
    Stop1,
    Stop0,
    Safe,
}

const REACTIONS: &str = "\"warn\", \"limit 250 mm/s\" (any speed), \"stop 2\", \"stop 1\", \"stop 0\", or \"safe\" for an output";

impl FromToml for ReactionText {
    fn read(node: &Node<'_>, problems: &mut Problems) -> Option<Self> {
        let Some(text) = node.get_ref().as_str() else {
            problems.push(wrong_type(node, &format!("a reaction: {REACTIONS}"), "it in quotes"));
            return None;
        };
        let reaction = match text.trim() {
            "warn" => Some(Self::Warn),
            "stop 2" => Some(Self::Stop2),
            "stop 1" => Some(Self::Stop1),
            "stop 0" => Some(Self::Stop0),
            "safe" => Some(Self::Safe),
            other => other
                .strip_prefix("limit ")
                .and_then(|speed| quantity::parse(speed).ok())
                .map(Self::Limit),
        };
        if reaction.is_none() {
            problems.push(
                Problem::error("bad-reaction", &node.span(), format!("\"{text}\" is no reaction"))
                    .expected(REACTIONS)
                    .found(format!("\"{text}\""))
                    .remedy("choose one of these"),
            );
        }
        reaction
    }
}

impl JsonSchema for ReactionText {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Reaction".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^(warn|safe|stop [012]|limit .+)$",
            "examples": ["warn", "limit 250 mm/s", "stop 2", "stop 1", "stop 0", "safe"],
        })
    }
}

section! {
    /// A camera process.
    "[[stream]]" Stream {
        /// Its name.
        name: Name,
        /// The id that its datagrams carry.
        id: Int<0, 65_535>,
        /// From image capture to use; older is stale. One period to 10 s.
        age_max: Time,
        /// Results below this quality do not count, 0 to 100; default 50.
        quality_min: Option<Int<0, 100>>,
        /// Where its datagrams come in; default `unix`.
        socket: Option<SocketWord>,
        /// For `udp`: address and port of this host to listen on, such as `192.168.7.1:5600`.
        address: Option<Name>,
        /// For `udp`: file with the key that camera process and this host share, 64 hexadecimal digits; nobody else may read it. Relative to the directory in which the run is started.
        key_file: Option<Name>,
        /// For `udp`: `true` does without a key, and every report says so. Anybody on that network can then clear a zone.
        insecure: Option<bool>,
        /// Whose clock its capture times are of; default: `host` with `unix`, `camera` with `udp`.
        clock: Option<ClockWord>,
    }
}

word! {
    /// Where datagrams of a stream come in.
    "socket" SocketWord {
        /// The Unix datagram socket of the run, from this host.
        "unix" => Unix,
        /// A UDP socket, from other hosts too.
        "udp" => Udp,
    }
}

word! {
    /// Whose clock capture times are of.
    "clock" ClockWord {
        /// CLOCK_MONOTONIC of this host.
        "host" => Host,
        /// The camera process's own; clock exchanges say what that is here, and without them nothing counts.
        "camera" => Camera,
    }
}

section! {
    /// A part of the machine that moves among people: a box that axes carry through the cell, seen from above.
    "[[part]]" Part {
        /// Its name.
        name: Name,
        /// The group that moves it.
        group: Name,
        /// The axis that moves it along x; without it nothing does. 1 mm of the axis is 1 mm in the cell.
        x: Option<Name>,
        /// The axis that moves it along y.
        y: Option<Name>,
        /// Two opposite corners of the box with its axes at 0, in cell coordinates, with everything that it carries.
        shape: Vec<Point>,
        /// Two opposite corners of where mechanics let any point of it be. Without it, it can be anywhere while an axis has no reference.
        travel: Vec<Point>,
    }
}

section! {
    /// An area that a stream watches.
    "[[zone]]" Zone {
        /// Its name.
        name: Name,
        /// The stream that watches it.
        stream: Name,
        /// Its bit in the datagram's zone words.
        bit: Int<0, 31>,
        /// Corners in cell coordinates: 3 to 32 points [x, y]. For the virtual camera and for people.
        polygon: Vec<Point>,
    }
}
