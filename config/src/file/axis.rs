//! `[[axis]]` and `[[group]]`.

use crate::read::{
    Acceleration, At, Inertia, Int, Jerk, Length, Mass, Name, Pair, Position, Share, Speed,
    Stiffness, Time, Torque, Viscous, section, word,
};

section! {
    /// One axis over one servo drive, in cyclic synchronous position mode.
    "[[axis]]" Axis {
        /// Its name.
        name: Name,
        /// The servo that moves it.
        drive: Name,
        /// Unit of its positions.
        unit: UnitWord,
        /// Mode of operation; default `csp`, the only one.
        mode: Option<Mode>,
        /// Endless axis: the position at which it is 0 again. A whole number of encoder counts.
        wrap: Option<Position>,
        /// Gravity moves it when torque goes; it must have a brake. Default false.
        vertical: Option<At<bool>>,
        /// From motor and encoder to the axis.
        gear: Gear,
        /// What the gate holds whatever motion asks.
        limits: Limits,
        /// How it stops.
        stop: Stop,
        /// Holding brake.
        brake: Option<Brake>,
        /// How it finds its reference.
        homing: Homing,
        /// Motor and load, as data sheets say. The twin's model is calculated from it.
        mechanics: Mechanics,
        /// What the twin believes where it differs from `mechanics`.
        twin: Option<Twin>,
        /// What only the virtual cell needs.
        r#virtual: Option<VirtualAxis>,
    }
}

word! {
    /// Unit of an axis' positions.
    "unit of an axis" UnitWord {
        /// Millimetres.
        "mm" => Millimetre,
        /// Degrees.
        "deg" => Degree,
    }
}

word! {
    /// Mode of operation.
    "mode of an axis" Mode {
        /// Cyclic synchronous position.
        "csp" => Csp,
    }
}

section! {
    /// counts = position × counts_per_revolution × motor_turns ÷ (load_turns × travel_per_turn), exactly.
    "[axis.gear]" Gear {
        /// Encoder counts of one motor turn.
        counts_per_revolution: Int<1, 1_073_741_824>,
        /// What one turn behind the gear moves: pitch of a screw, circumference of a pulley; default for deg: 360 deg.
        travel_per_turn: Option<Position>,
        /// Turns of the motor that an absolute encoder tells apart over a power-down, usually 4096; 1: single-turn. Without it: incremental.
        absolute_turns: Option<Int<1, 4_294_967_296>>,
        /// Gear: so many turns of the motor …; default 1.
        motor_turns: Option<Int<1, 1_000_000>>,
        /// … make so many turns behind it; default 1.
        load_turns: Option<Int<1, 1_000_000>>,
    }
}

section! {
    /// Limits that the gate holds.
    "[axis.limits]" Limits {
        /// Soft limits [from, to]; they hold once the axis is referenced. Required unless the axis has `wrap`.
        position: Option<Pair<Position>>,
        /// Largest speed.
        velocity: Speed,
        /// Largest acceleration.
        acceleration: Acceleration,
        /// Largest jerk.
        jerk: Jerk,
        /// Largest speed while not referenced; default: a tenth of `velocity`.
        velocity_unreferenced: Option<Speed>,
        /// Largest |commanded − actual| before it is a demand.
        following_error: Position,
        /// Following error at which the drive itself faults (0x6065); default: twice `following_error`.
        following_error_drive: Option<Position>,
        /// The only way that it may go; default: both.
        direction: Option<Direction>,
        /// Largest torque at the motor: the drive is set to it (0x6072, 0x60E0, 0x60E1) and watched; default: what the motor has.
        torque: Option<Torque>,
    }
}

section! {
    /// The ways to stop.
    "[axis.stop]" Stop {
        /// Deceleration of the gate's ramp (stop 2 and stop 1).
        ramp: Acceleration,
        /// Deceleration of the drive's quick stop (0x6085): at least `ramp`.
        quick_stop: Acceleration,
        /// While stopping it may be so much faster than the stop says; default: a twentieth of `velocity`.
        envelope: Option<Speed>,
        /// Faster than that for so long, and the next stronger stop follows, 3 ms to 1 s; default 20 ms.
        escalate_after: Option<Time>,
    }
}

section! {
    /// A holding brake.
    "[axis.brake]" Brake {
        /// Output that releases it with 1; without it the drive works the brake.
        output: Option<Name>,
        /// From the command until it holds, 1 ms to 5 s: torque stays for that long.
        engage: Time,
        /// From the command until it is free, 1 ms to 5 s: motion waits for that long.
        release: Time,
    }
}

section! {
    /// How it finds its reference.
    "[axis.homing]" Homing {
        /// The method.
        method: HomingMethod,
        /// `switch_index`: towards the switch.
        direction: Option<Direction>,
        /// `switch_index`: speed towards the switch.
        velocity_search: Option<Speed>,
        /// `switch_index`: speed towards the index pulse.
        velocity_latch: Option<Speed>,
        /// What the place is called that was found; default 0.
        position: Option<Position>,
        /// `switch_index`: give up after, 1 s to 10 min; default 60 s.
        timeout: Option<Time>,
        /// `here`, `switch_index`: the reference outlives the run, for this drive and scaling; see homing.md. Needs `absolute_turns`. Default false.
        keep: Option<At<bool>>,
        /// `here`: the mark that a person moves the axis to before it is homed, in words.
        mark: Option<String>,
        /// `kept`: position = counts ÷ counts per unit + offset.
        offset: Option<Position>,
    }
}

word! {
    /// How an axis finds its reference.
    "homing method" HomingMethod {
        /// Here, at standstill, is `position` (CiA 402 methods 35 and 37).
        "here" => Here,
        /// On to the reference switch, off it slowly, then the encoder's index pulse.
        "switch_index" => SwitchIndex,
        /// `offset` says it, valid for the drive whose serial number `identity` names. Needs `absolute_turns`.
        "kept" => Kept,
    }
}

word! {
    /// A direction.
    "direction" Direction {
        "positive" => Positive,
        "negative" => Negative,
    }
}

section! {
    /// Motor and load. Everything but the load is at the motor shaft.
    "[axis.mechanics]" Mechanics {
        /// Rotor with brake and coupling.
        motor_inertia: Inertia,
        /// mm axes: what moves along.
        load_mass: Option<Mass>,
        /// deg axes: what turns, behind the gear. mm axes: screw or pulleys, behind the gear.
        load_inertia: Option<Inertia>,
        /// Mass that balances a vertical axis; default 0.
        counterweight: Option<Mass>,
        /// Vertical mm axes: which way is up; default `positive`.
        up: Option<Direction>,
        /// Constant load at the motor shaft instead of the one from mass and gravity; above 0 pulls to negative positions.
        gravity_torque: Option<Torque>,
        /// Rated torque of the motor: 0x6077 counts in ‰ of it.
        rated_torque: Torque,
        /// Largest torque.
        peak_torque: Torque,
        /// Coulomb friction; default 0.
        coulomb: Option<Torque>,
        /// Viscous friction; default 0.
        viscous: Option<Viscous>,
    }
}

section! {
    /// What the twin believes.
    "[axis.twin]" Twin {
        /// From a set-point on the wire until the axis follows, 0 to 1 s; default: 4 ms.
        response: Option<Time>,
        /// Added to every stopping distance; default 1 mm or 1 deg.
        margin: Option<Position>,
        /// Motor and load at the motor shaft.
        inertia: Option<Inertia>,
        /// Coulomb friction.
        coulomb: Option<Torque>,
        /// Viscous friction.
        viscous: Option<Viscous>,
        /// How motor and drive warm up; without it their warmth is not watched. Needs `[twin]`.
        thermal: Option<Thermal>,
    }
}

section! {
    /// How motor and drive warm up, as data sheets say. All in shares of what rated torque makes of them in the end.
    "[axis.twin.thermal]" Thermal {
        /// Time constant of the winding against the housing, 1 s to 1 h.
        winding: Time,
        /// Time constant of the housing against the air, 1 s to 24 h.
        housing: Time,
        /// The housing's share of the winding's rise at rated torque, 0 to 95 %; default 50 %.
        housing_share: Option<Share>,
        /// Time constant of the drive's I²t, 100 ms to 1 h.
        drive: Time,
        /// What must not be reached, in shares of the rise at rated torque, 10 to 200 %; default 100 %.
        limit: Option<Share>,
    }
}

section! {
    /// What only the virtual cell needs. Positions are true machine positions.
    "[axis.virtual]" VirtualAxis {
        /// Where it stands at power-up; default 0.
        start: Option<Position>,
        /// Mechanical ends; default: 20 units outside the soft limits.
        hard_stops: Option<Pair<Position>>,
        /// Limit switches; default: 10 units outside the soft limits.
        limit_switches: Option<Pair<Position>>,
        /// Where the reference switch is hit.
        reference: Option<Pair<Position>>,
        /// Where one index pulse is; default: `homing.position`.
        index_at: Option<Position>,
        /// Free play between motor and load; default: the world chooses.
        backlash: Option<Position>,
        /// Stiffness between motor and load at the motor shaft; default: the world chooses.
        stiffness: Option<Stiffness>,
        /// Each physical parameter is drawn within ± this share of its value, 0 to 50 %; default 5 %.
        spread: Option<Share>,
        /// What the brake holds; default: twice the rated torque.
        brake_torque: Option<Torque>,
        /// Encoder counts at position 0; default 0.
        encoder_offset: Option<Int<-4_611_686_018_427_387_904, 4_611_686_018_427_387_904>>,
    }
}

section! {
    /// Axes that move and stop together.
    "[[group]]" Group {
        /// Its name; not `all` and not `own`.
        name: Name,
        /// 1 to 8 axes, in the order of a point's coordinates.
        axes: Vec<Name>,
        /// Stops from the mildest to the worst; of two that are asked at once the worse wins. Default ["stop 2", "stop 1", "stop 0"];
        /// a group with a vertical axis must say it.
        #[schemars(default)]
        order: Vec<StopWord>,
        /// How category 1 brings the axes to rest; default `ramp`.
        category_1: Option<Category1>,
    }
}

word! {
    /// A stop category.
    "stop category" StopWord {
        /// Controlled stop, power stays.
        "stop 2" => Stop2,
        /// Controlled stop, then brakes, then power off.
        "stop 1" => Stop1,
        /// Brakes and power off at once.
        "stop 0" => Stop0,
    }
}

word! {
    /// How category 1 brings a group to rest.
    "way of category 1" Category1 {
        /// The gate's ramp: all axes together, on their path.
        "ramp" => Ramp,
        /// The drives' quick stop: each axis for itself, as fast as `quick_stop` says.
        "quick stop" => QuickStop,
    }
}

/// Used by the virtual cell for corners and places.
pub(crate) type Point = Pair<Length>;
