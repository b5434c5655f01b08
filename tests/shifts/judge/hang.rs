//! What hangs never drops, but where the certified chain or the supply takes its torque, or its brake is broken.

use super::still::STANDS;
use super::{Found, Rule, Seen};
use crate::draw::{Excuse, MS, Shift};

/// Downward motion of a load that shall rest, mm: more is a drop.
const DROP_MM: f64 = 0.5;
/// What moved may swing back by what it had gone ahead in this time, s.
const SWING_S: f64 = 0.012;
/// Standing, cycles.
const STANDING: u32 = 20;
/// The load must come to rest again before it is judged after an excuse.
const TAIL_NS: u64 = 3_000 * MS;
/// A drive that obeys again is where its targets are within this.
const CATCH_UP_NS: u64 = 500 * MS;

/// Of a speed so much is left as a swing after each cycle: gone after 50 ms.
const FADES: f64 = 0.95;

enum Expect {
    Moving,
    /// It comes to rest, not below this.
    Stopping {
        lowest: f64,
        standing: u32,
    },
    Rest(f64),
}

struct Load {
    /// Which axis.
    axis: usize,
    expect: Expect,
    /// The speed of which it may still swing.
    recent: f64,
    /// How far its targets are ahead of it, mm.
    ahead: f64,
}

pub(super) struct Hang(Vec<Load>);

/// How far it may still go down when it moves like this and is being stopped, mm. At worst the loop was gone just now: 100 ms on, then
/// the quick stop.
fn still_down(velocity: f64, deceleration: f64) -> f64 {
    let down = (-velocity).max(0.0);
    down * 0.11 + down * down / (2.0 * deceleration) + DROP_MM
}

impl Hang {
    pub(super) fn new(shift: &Shift, at: &[f64]) -> Self {
        let axes = shift.machine.plan.axes.iter().enumerate();
        let hanging = axes.filter(|(_, axis)| axis.vertical);
        let load =
            |axis: usize| Load { axis, expect: Expect::Rest(at[axis]), recent: 0.0, ahead: 0.0 };
        Self(hanging.map(|(axis, _)| load(axis)).collect())
    }

    pub(super) fn cycle(&mut self, seen: &Seen<'_>, found: &mut Found) {
        let period = std::time::Duration::from_nanos(seen.shift.machine.plan.period_ns);
        let period = period.as_secs_f64();
        for Load { axis: number, expect, recent, ahead } in &mut self.0 {
            let axis = &seen.axes[*number];
            let stop = &seen.shift.machine.plan.axes[*number].stop;
            let quick = stop.quick_stop_deceleration.units();
            *recent = (*recent * FADES).max(axis.velocity.abs());
            let swing = *recent * SWING_S;
            let gap = *ahead + (axis.commanded - axis.velocity) * period;
            *ahead = if axis.takes { gap } else { 0.0 };
            // A drive that ignored its targets and obeys again goes to where they stop, with torque.
            let catches_up = seen.excused(*number, &[Excuse::RunsOn], CATCH_UP_NS) && axis.takes;
            let behind = (-*ahead).max(0.0) + still_down(axis.commanded, quick);
            let lowest = axis.position
                - still_down(axis.velocity, quick)
                - swing
                - if catches_up { behind } else { 0.0 };
            let excused = seen.excused(*number, &[Excuse::Chain, Excuse::Clock], TAIL_NS);
            let excused = excused || seen.is_late();
            *expect = match expect {
                _ if seen.run => Expect::Moving,
                Expect::Moving => Expect::Stopping { lowest, standing: 0 },
                _ if excused => Expect::Stopping { lowest, standing: 0 },
                Expect::Stopping { standing, .. } if *standing >= STANDING && !catches_up => {
                    Expect::Rest(axis.position)
                }
                Expect::Stopping { lowest: before, standing } => {
                    let stands = axis.velocity.abs() < STANDS;
                    // The slower it is, the less it may still go: a load that stood and falls has used up nothing.
                    Expect::Stopping {
                        lowest: before.max(lowest),
                        standing: if stands { *standing + 1 } else { 0 },
                    }
                }
                Expect::Rest(at) => Expect::Rest(*at),
            };
            let below = match expect {
                Expect::Moving => 0.0,
                Expect::Stopping { lowest, .. } => *lowest - axis.position,
                Expect::Rest(at) => *at - axis.position,
            };
            found.unless(below <= DROP_MM, Rule::Drop, || {
                format!("axis {number} dropped by {below:.2} mm: it does {:.1} /s", axis.velocity)
            });
        }
    }
}
