//! `[[inspection]]`.

use crate::read::{Int, Name, OneOrMany, Position, Time, section};

section! {
    /// A camera looks at parts on a belt, and what is not known to be good is rejected. Places are those of a part's middle, along the
    /// belts, from the sensor. docs/guide/inspection.md.
    "[[inspection]]" Inspection {
        /// Its name.
        name: Name,
        /// The axis of the belt; of several in a row, the one with the sensor first.
        belts: OneOrMany<Name>,
        /// Where the second belt takes over, the third and the fourth; one less than there are belts.
        #[schemars(default)]
        transfers: Vec<Position>,
        /// Input that is 1 while a part covers the sensor.
        sensor: Name,
        /// From the edge at the sensor until the input has it (filter of the terminal), up to 1 s; default 0.
        sensor_delay: Option<Time>,
        /// Length of a part along the belt, at most.
        part_length: Position,
        /// Middle to middle, at least; parts that are nearer are both rejected.
        spacing: Position,
        /// Where the camera looks.
        camera_at: Position,
        /// Output that triggers the camera with its rising edge; an [[output]] with `source = "inspection"`.
        trigger: Name,
        /// How long the trigger is on, one period to 1 s; default 5 ms.
        trigger_pulse: Option<Time>,
        /// The stream that brings the results, each with the number of its trigger since the start.
        stream: Name,
        /// A picture that was taken later than this after its trigger is of another part; default 20 ms.
        capture_within: Option<Time>,
        /// Output of the ejector; an [[output]] with `source = "inspection"`.
        reject: Name,
        /// Where the ejector is.
        reject_at: Position,
        /// How long the ejector is on, two periods to 10 s; its middle meets the middle of the part.
        pulse: Time,
        /// From the ejector's output until it acts, up to 10 s; default 0.
        delay: Option<Time>,
        /// How far behind the ejector a part is still followed; the belt may go back by less. Default: `spacing`.
        tail: Option<Position>,
        /// Which value of a result says how far behind the middle of the view the part was, in µm along the belt: slip is corrected. Default: none.
        slip_value: Option<Int<0, 7>>,
        /// A part that slipped by more is rejected; needed with `slip_value`.
        slip_max: Option<Position>,
    }
}
