//! `[program]`.

use crate::read::{Int, Map, Name, Position, Speed, Time, section};

section! {
    /// The built-in program: strands of steps that run side by side.
    "[program]" Program {
        /// At most 32.
        #[schemars(default)]
        strand: Vec<Strand>,
    }
}

section! {
    /// One strand.
    "[[program.strand]]" Strand {
        /// Its name.
        name: Name,
        /// Its steps in order, 1 to 256.
        steps: Vec<Step>,
        /// The step to go to after the last; without it the strand is done then.
        restart_at: Option<Name>,
    }
}

section! {
    /// One step. Exactly one of home, move, move_by, velocity, halt, output, wait, wait_for, branch, jump, loop, join says what it does.
    "a step" Step {
        /// Its name; needed where other steps refer to it.
        name: Option<Name>,
        /// Longer than this is a program fault: for steps that take time. 1 ms to 24 h.
        timeout: Option<Time>,

        /// Finds the reference of this axis.
        home: Option<Name>,
        /// Moves this group on a straight line; with `to` and `speed`.
        r#move: Option<Name>,
        /// Moves this axis by a distance; with `distance` and `speed`.
        move_by: Option<Name>,
        /// Lets this axis run at a speed and goes on at once; with `speed` (0 = come to rest).
        velocity: Option<Name>,
        /// Brings this group to rest.
        halt: Option<Name>,
        /// Sets this output; with `value`.
        output: Option<Name>,
        /// Waits for a time of running.
        wait: Option<Time>,
        /// Waits until this signal meets the condition: `is`, `is_not`, `below` or `at_least`; default `is = 1`.
        wait_for: Option<Name>,
        /// Goes to `go_to` if this signal meets the condition.
        branch: Option<Name>,
        /// Goes to this step of the strand.
        jump: Option<Name>,
        /// Goes back to this step until it has been here `count` times.
        r#loop: Option<Name>,
        /// Waits until this strand has reached `step`.
        join: Option<Name>,

        /// `move`: axis → target. Axes that are not named stay where they are.
        to: Option<Map<Position>>,
        /// `move`, `move_by`, `velocity`: speed.
        speed: Option<Speed>,
        /// `move_by`: how far, signed.
        distance: Option<Position>,
        /// `output`: raw value.
        value: Option<Int<-2_147_483_648, 4_294_967_295>>,
        /// Condition: equal to.
        is: Option<Int<-2_147_483_648, 4_294_967_295>>,
        /// Condition: not equal to.
        is_not: Option<Int<-2_147_483_648, 4_294_967_295>>,
        /// Condition: below.
        below: Option<Int<-2_147_483_648, 4_294_967_295>>,
        /// Condition: at least.
        at_least: Option<Int<-2_147_483_648, 4_294_967_295>>,
        /// `branch`: the step to go to.
        go_to: Option<Name>,
        /// `loop`: how often in all, 1 to 65535.
        count: Option<Int<1, 65_535>>,
        /// `join`: the step of that strand.
        step: Option<Name>,
    }
}
