//! The scenario as plain data: what happens when, and what the people at the machine do in answer.

/// One thing that happens at a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Event {
    /// ns since the start of the world.
    pub at_ns: u64,
    /// What happens.
    pub action: Action,
}

/// What can happen. Indices that do not exist do nothing at run time; [`crate::World::new`]
/// refuses them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Action {
    /// A digital source takes a value.
    SetSource {
        /// Which.
        source: usize,
        /// Its value.
        on: bool,
    },
    /// A digital source leaves its rest value (the plan's) for a while: a button is pressed.
    Pulse {
        /// Which.
        source: usize,
        /// How long, ns.
        duration_ns: u64,
    },
    /// An analogue source takes a value, raw.
    SetAnalog {
        /// Which.
        source: usize,
        /// Its value.
        value: i16,
    },
    /// A person starts on the path, from its beginning.
    PersonStart {
        /// Which.
        person: usize,
    },
    /// A camera begins (or with `CameraFault::None` ends) to misbehave.
    CameraFault {
        /// Which.
        camera: usize,
        /// How.
        fault: crate::camera::CameraFault,
    },
    /// A drive reports a fault; code 0: no more.
    DriveFault {
        /// Which axis.
        axis: usize,
        /// CiA 402 error code (0x603F).
        code: u16,
    },
    /// The safety chain takes the torque of an axis, or gives it free.
    SafeTorqueOff {
        /// Which axis.
        axis: usize,
        /// Taken.
        active: bool,
    },
    /// The brake of an axis holds nothing, or holds again.
    BrakeFails {
        /// Which axis.
        axis: usize,
        /// It does not hold.
        failed: bool,
    },
    /// The firmware of a drive runs on and obeys only this.
    Obeys {
        /// Which axis.
        axis: usize,
        /// What it obeys; `All`: sound again.
        obeys: crate::drive::Obeys,
    },
    /// Friction of an axis against its plan, kept within 0 ..= 50.
    FrictionScale {
        /// Which axis.
        axis: usize,
        /// Factor.
        factor: f64,
    },
    /// Inertia and gravity of an axis' load against its plan, kept within 0.2 ..= 5.
    PayloadScale {
        /// Which axis.
        axis: usize,
        /// Factor.
        factor: f64,
    },
    /// Something on the bus: handed on to whoever wires the segment.
    Bus(BusAction),
}

/// Faults of the bus. The world only says when; positions are those on the segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BusAction {
    /// The cable behind a device comes loose; `None`: the one from the MainDevice.
    LinkDown {
        /// Last device that is still reached.
        after: Option<usize>,
    },
    /// It is back.
    LinkUp {
        /// As in `LinkDown`.
        after: Option<usize>,
    },
    /// A device loses its supply.
    PowerOff {
        /// Device position.
        position: usize,
    },
    /// It has it again.
    PowerOn {
        /// Device position.
        position: usize,
    },
    /// A device refuses Op.
    RefuseOp {
        /// Device position.
        position: usize,
        /// AL status code (0x0134).
        al_status_code: u16,
    },
    /// It no longer does.
    AllowOp {
        /// Device position.
        position: usize,
    },
    /// A device lets process data pass untouched: its share of the working counter is missing.
    IgnoreProcessData {
        /// Device position.
        position: usize,
        /// On, or over.
        active: bool,
    },
    /// The next frames are lost.
    LoseFrames {
        /// How many.
        count: u32,
    },
    /// The next frames come back with a flipped bit.
    CorruptFrames {
        /// How many.
        count: u32,
    },
    /// The next frames come back twice.
    DuplicateFrames {
        /// How many.
        count: u32,
    },
    /// The next frames come back late.
    DelayFrames {
        /// How many.
        count: u32,
        /// By how much, ns.
        delay_ns: u64,
    },
    /// A frame that nobody sent arrives.
    ForeignFrames {
        /// How many.
        count: u32,
    },
}

/// A condition on the machine. All times are "for at least so long", ns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// An output of the machine has been on.
    OutputOn {
        /// Which.
        output: usize,
        /// For, ns.
        for_ns: u64,
    },
    /// An output of the machine has been off.
    OutputOff {
        /// Which.
        output: usize,
        /// For, ns.
        for_ns: u64,
    },
    /// A digital source has been on.
    SourceOn {
        /// Which.
        source: usize,
        /// For, ns.
        for_ns: u64,
    },
    /// A digital source has been off.
    SourceOff {
        /// Which.
        source: usize,
        /// For, ns.
        for_ns: u64,
    },
    /// No person has been in a zone.
    ZoneFree {
        /// Which.
        zone: usize,
        /// For, ns.
        for_ns: u64,
    },
    /// A person has been in a zone.
    ZoneOccupied {
        /// Which.
        zone: usize,
        /// For, ns.
        for_ns: u64,
    },
}

/// One step of an answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// After the step before (the first: after the rule has fired), ns.
    pub after_ns: u64,
    /// What is done.
    pub action: Action,
}

/// What a person at the machine does whenever it is as described: the operator who resets and
/// starts, for any length of run.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// All must hold.
    pub when: Vec<Condition>,
    /// In this order.
    pub then: Vec<Step>,
    /// From the last step until the rule may fire again, ns.
    pub cooldown_ns: u64,
}
