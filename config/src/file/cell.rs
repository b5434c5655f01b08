//! `[virtual]` and `[scenario]`: the world for running without hardware.

use super::axis::Point;
use crate::read::{
    Int, Length, Map, Name, OneOrMany, Position, Share, Speed, Time, Walk, section, word,
};

section! {
    /// What the virtual cell is made of.
    "[virtual]" Virtual {
        /// Value of inputs while nothing happens; those not named: 0.
        rest: Option<Map<Int<-32_768, 65_535>>>,
        /// Belts with parts on them.
        #[schemars(default)]
        conveyor: Vec<Conveyor>,
        /// Cameras; a stream without one is silent.
        #[schemars(default)]
        camera: Vec<Camera>,
        /// Persons.
        #[schemars(default)]
        person: Vec<Person>,
        /// The certified chain that takes the torque of all drives.
        safety_chain: Option<SafetyChain>,
        /// Contactors with a feedback contact.
        #[schemars(default)]
        contactor: Vec<Contactor>,
    }
}

section! {
    /// A contactor whose normally closed contact says whether it is off.
    "[[virtual.contactor]]" Contactor {
        /// The output that switches it.
        output: Name,
        /// The input of its contact: 1 while it is off.
        feedback: Name,
        /// Until it has switched, 0 to 10 s; default 20 ms.
        delay: Option<Time>,
    }
}

section! {
    /// A safety relay with safe stop 1 (SS1-t): the one thing that may take torque whatever the loop does.
    "[virtual.safety_chain]" SafetyChain {
        /// Inputs that are 1 while all is well: what the relay is wired to as well.
        inputs: Vec<Name>,
        /// From an open input to safe torque off, 0 to 60 s; default 500 ms.
        delay: Option<Time>,
    }
}

section! {
    /// A belt with parts on it.
    "[[virtual.conveyor]]" Conveyor {
        /// Its name.
        name: Name,
        /// The axis that moves it.
        axis: Name,
        /// From where parts appear to where they fall off.
        length: Position,
        /// Length of a part.
        part_length: Position,
        /// Belt travel from the start to the first part; default 0.
        first_part: Option<Position>,
        /// Belt travel from part to part; more than `part_length`.
        spacing: Position,
        /// The spacing is up to this much longer; default 0.
        spacing_jitter: Option<Position>,
        /// A light barrier.
        barrier: Option<Barrier>,
        /// The gripper that takes parts.
        gripper: Option<Gripper>,
        /// Camera and ejector of an inspection.
        inspection: Option<Station>,
    }
}

section! {
    /// A light barrier.
    "a light barrier" Barrier {
        /// Input that is 1 while a part covers it.
        signal: Name,
        /// Where on the belt.
        at: Position,
    }
}

section! {
    /// Camera and ejector of an inspection, behind the light barrier of this belt. Shares are of all parts, drawn by the seed.
    "[virtual.conveyor.inspection]" Station {
        /// Which inspection.
        name: Name,
        /// Parts that are bad; default 5 %.
        bad: Option<Share>,
        /// From the picture until its result is sent, 0 to 10 s.
        delay: Time,
        /// The delay is up to this much longer; default 0.
        delay_jitter: Option<Time>,
        /// Results that come `late_by` later; default 0 %.
        late: Option<Share>,
        /// Default 1 s.
        late_by: Option<Time>,
        /// Pictures without a result; default 0 %.
        silent: Option<Share>,
        /// Results that say nothing about the part; default 0 %.
        unknown: Option<Share>,
        /// Results that are sent twice, with a sequence of their own; default 0 %.
        repeated: Option<Share>,
        /// Results made for another machine file; default 0 %.
        wrong_hash: Option<Share>,
        /// Results with the number of the trigger before; default 0 %.
        wrong_trigger: Option<Share>,
        /// Triggers that the camera does not hear: from then on its numbers are one behind; default 0 %.
        deaf: Option<Share>,
        /// Parts slip by up to this much, either way, between barrier and camera; default 0.
        slip: Option<Position>,
        /// How far from the ejector the middle of a part may be that it takes; default 2 mm.
        reach: Option<Position>,
    }
}

section! {
    /// A gripper that takes parts off a belt.
    "[virtual.conveyor.gripper]" Gripper {
        /// Output that closes it with 1.
        signal: Name,
        /// The horizontal axis.
        x: Name,
        /// The vertical axis.
        z: Name,
        /// Where on the belt it picks.
        belt_at: Position,
        /// Where the axes must be to grip.
        pick: Spot,
        /// Where the axes must be to let go.
        place: Spot,
        /// From the output to the grip; default 50 ms.
        delay: Option<Time>,
        /// Largest difference of speeds at the grip; default 50 mm/s.
        speed_tolerance: Option<Speed>,
        /// How x goes with the belt: 0 across (default), 1 along, -1 against it.
        along: Option<Int<-1, 1>>,
        /// Load of the vertical axis while a part is held, 20 to 500 % of the empty one; default 100 %.
        part_payload: Option<Share>,
        /// Input that is 1 while a part is held.
        held: Option<Name>,
    }
}

section! {
    /// A place of the gripper.
    "a place of a gripper" Spot {
        /// Position of the horizontal axis.
        x: Position,
        /// Position of the vertical axis.
        z: Position,
        /// How far off either may be; default 5 mm.
        tolerance: Option<Length>,
    }
}

section! {
    /// A camera.
    "[[virtual.camera]]" Camera {
        /// The stream that it sends.
        stream: Name,
        /// Between pictures, 1 ms to 10 s.
        period: Time,
        /// From capture until the datagram is sent, 0 to 10 s.
        delay: Time,
        /// The delay is up to this much longer; default 0.
        delay_jitter: Option<Time>,
        /// Exposure, up to 1 s; default 2 ms.
        exposure: Option<Time>,
        /// Quality that it reports, 0 to 100; default 90.
        quality: Option<Int<0, 100>>,
        /// Standard deviation of positions; default 10 mm.
        noise: Option<Length>,
        /// Corners of what it can see; without it everything.
        #[schemars(default)]
        view: Vec<Point>,
    }
}

section! {
    /// Somebody who walks; before the first and after the last place the person is not there.
    "[[virtual.person]]" Person {
        /// Name.
        name: Name,
        /// How far body and arms reach; default 300 mm.
        radius: Option<Length>,
        /// Walking speed, up to 5 m/s; default 1.4 m/s.
        speed: Option<Walk>,
        /// 1 to 64 places in cell coordinates.
        path: Vec<Waypoint>,
        /// First walk, since the start of the run; without it only when an event says so.
        start: Option<Time>,
        /// From one walk's start to the next; without it once.
        every: Option<Time>,
    }
}

section! {
    /// A place on a path.
    "a place on a path" Waypoint {
        /// [x, y]
        at: Point,
        /// Stays here before going on; default 0.
        stay: Option<Time>,
    }
}

section! {
    /// What happens in the virtual cell.
    "[scenario]" Scenario {
        /// Things that happen at a time.
        #[schemars(default)]
        event: Vec<Event>,
        /// What the operator does when he sees something.
        #[schemars(default)]
        rule: Vec<Rule>,
    }
}

section! {
    /// Something that happens. Exactly one of press, release, set, walk, camera, drive_fault, safe_torque_off,
    /// brake_fails, runs_on, friction, payload, bus says what.
    "[[scenario.event]]" Event {
        /// Since the start of the run.
        at: Time,
        /// Again after each; with `times`.
        every: Option<Time>,
        /// How often in all, 2 to 1000.
        times: Option<Int<2, 1000>>,
        /// How long it lasts; default: for good.
        r#for: Option<Time>,

        /// Inputs leave their rest value: buttons are pressed, emergency stops hit, doors opened.
        press: Option<OneOrMany<Name>>,
        /// Inputs come back to their rest value.
        release: Option<OneOrMany<Name>>,
        /// An analogue input takes `value`.
        set: Option<Name>,
        /// A person walks.
        walk: Option<Name>,
        /// The camera of this stream misbehaves as `fault` says.
        camera: Option<Name>,
        /// The drive of this axis fails with `code`.
        drive_fault: Option<Name>,
        /// The safety chain takes the torque of this axis.
        safe_torque_off: Option<Name>,
        /// The brake of this axis closes and holds nothing.
        brake_fails: Option<Name>,
        /// The drive of this axis runs on at the speed it has and obeys only `obeys`.
        runs_on: Option<Name>,
        /// Friction of this axis becomes `factor`.
        friction: Option<Name>,
        /// Load of this axis becomes `factor`.
        payload: Option<Name>,
        /// The bus misbehaves like this.
        bus: Option<BusFault>,

        /// `set`: raw value.
        value: Option<Int<-32_768, 32_767>>,
        /// `camera`: how.
        fault: Option<CameraFault>,
        /// `camera` with fault `poor`: the quality, default 10.
        quality: Option<Int<0, 100>>,
        /// `camera` with fault `lag`, `bus = "delay"`: by how much.
        delay: Option<Time>,
        /// `drive_fault`: CiA 402 error code; default 0x7121 (motor blocked).
        code: Option<Int<1, 65_535>>,
        /// `runs_on`: what the drive still obeys; default `quick_stop`.
        obeys: Option<ObeysWord>,
        /// `friction`, `payload`: share of what the file describes, for instance "200 %".
        factor: Option<Share>,
        /// `bus` with `unplug`, `power_off`, `refuse_op`: the device.
        device: Option<Name>,
        /// `bus`: hits so many frames; default 1.
        frames: Option<Int<1, 1_000_000>>,
    }
}

word! {
    /// What a drive that runs on still obeys.
    "what a drive obeys" ObeysWord {
        /// Quick stop, and disable voltage.
        "quick_stop" => QuickStop,
        /// Only disable voltage.
        "power" => Power,
        /// Nothing: only the safety chain stops it.
        "nothing" => Nothing,
    }
}

word! {
    /// How the bus misbehaves.
    "disturbance of the bus" BusFault {
        /// The next `frames` vanish.
        "lose" => Lose,
        /// The next `frames` come back damaged.
        "corrupt" => Corrupt,
        /// The next `frames` come back twice.
        "duplicate" => Duplicate,
        /// The next `frames` come back late, by `delay`.
        "delay" => Delay,
        /// `frames` of somebody else arrive.
        "foreign" => Foreign,
        /// The cable is out at `device`: it and all behind it do not answer.
        "unplug" => Unplug,
        /// `device` loses its supply; with `for` it comes back in Init.
        "power_off" => PowerOff,
        /// `device` refuses Op, with AL status code `code` (default 0x001D).
        "refuse_op" => RefuseOp,
    }
}

word! {
    /// How a camera misbehaves.
    "camera fault" CameraFault {
        /// Sends nothing.
        "silent" => Silent,
        /// The picture stands still; new sequence and capture time, liveness 0.
        "frozen" => Frozen,
        /// Sends the last datagram again and again.
        "repeat" => Repeat,
        /// Sends with a wrong CRC.
        "wrong_crc" => WrongCrc,
        /// Sends with another machine's configuration hash.
        "wrong_hash" => WrongHash,
        /// Sends with the low `quality`.
        "poor" => Poor,
        /// Sends later by `delay`.
        "lag" => Lag,
    }
}

section! {
    /// What the operator does whenever he sees something.
    "[[scenario.rule]]" Rule {
        /// Name.
        name: Name,
        /// All must hold.
        when: Vec<Condition>,
        /// What he does, one after the other.
        then: Vec<Action>,
        /// From the last step until he may act again; default 1 s.
        cooldown: Option<Time>,
    }
}

section! {
    /// Exactly one of output_on, output_off, input_on, input_off, zone_free, zone_occupied.
    "a condition of a rule" Condition {
        /// This output is on.
        output_on: Option<Name>,
        /// This output is off.
        output_off: Option<Name>,
        /// This input is on.
        input_on: Option<Name>,
        /// This input is off.
        input_off: Option<Name>,
        /// Nobody is in this zone.
        zone_free: Option<Name>,
        /// Somebody is in this zone.
        zone_occupied: Option<Name>,
        /// It has been so for at least; default 0.
        r#for: Option<Time>,
    }
}

section! {
    /// Exactly one of press, walk.
    "an action of a rule" Action {
        /// Presses this input.
        press: Option<Name>,
        /// For how long; default 200 ms.
        r#for: Option<Time>,
        /// This person walks.
        walk: Option<Name>,
        /// After the action before; default 0.
        after: Option<Time>,
    }
}
