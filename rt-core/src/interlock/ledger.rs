//! What the twin decided about an axis' limits, and what became of it.
//!
//! A decision is open from the cycle in which it is first taken until the axis stands, or has nothing ahead of it any more; then what
//! happened is set beside what was predicted. In mode `observe` that says whether it would have been right.

use crate::plan::{AxisId, TwinMode};
use crate::record::{Decision, Event};
use crate::step::Log;
use twin_lite::{Nano, limits, math, taped};

/// Cycles that an axis stands, or has nothing ahead, until a decision is over.
const OVER_CYCLES: u8 = 20;

/// What the twin foresees of one axis and its limits in one cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Foresight {
    /// Which.
    pub axis: AxisId,
    /// It moves, and where it is is known.
    pub moves: bool,
    /// The faster of actual and commanded, per s.
    pub speed: Nano,
    /// It should slow, and what becomes of that.
    pub slow: Option<TwinMode>,
    /// It should stop, and what becomes of that.
    pub stop: Option<TwinMode>,
    /// To the limit ahead; `Nano::MAX`: none.
    pub room: Nano,
    /// Room that is left when it stops now; below 0: it goes beyond.
    pub left: Nano,
    /// Room that slowing keeps.
    pub kept: Nano,
}

/// A decision that is open.
#[derive(Clone, Copy, Debug, Default)]
struct Open {
    mode: TwinMode,
    predicted: Nano,
    at: u64,
    least: Nano,
    over: u8,
}

taped!(Open { mode, predicted, at, least, over });

/// The decisions of one check.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ledger {
    slow: Option<Open>,
    stop: Option<Open>,
}

taped!(Ledger { slow, stop });

impl Ledger {
    /// One cycle.
    pub(super) fn update(&mut self, seen: &Foresight, log: &mut Log<'_>) {
        let decisions = [
            (&mut self.slow, Decision::Slow, seen.slow, seen.kept),
            (&mut self.stop, Decision::Stop, seen.stop, seen.left),
        ];
        for (open, decision, mode, predicted) in decisions {
            match open {
                None => {
                    let Some(mode) = mode.filter(|_| seen.moves) else { continue };
                    let (at, least) = (log.now, seen.room);
                    *open = Some(Open { mode, predicted, at, least, over: 0 });
                    let lead_ns = lead_ns(seen);
                    let axis = seen.axis;
                    log.event(Event::Foresight { axis, decision, mode, predicted, lead_ns });
                }
                Some(entry) => {
                    if entry.follow(seen) {
                        log.event(Event::Foreseen {
                            axis: seen.axis,
                            decision,
                            mode: entry.mode,
                            predicted: entry.predicted,
                            actual: entry.least,
                            after_ns: log.now.saturating_sub(entry.at),
                        });
                        *open = None;
                    }
                }
            }
        }
    }
}

impl Open {
    /// True: it is over.
    fn follow(&mut self, seen: &Foresight) -> bool {
        self.least = self.least.min(seen.room);
        let over = !seen.moves || seen.room == Nano::MAX;
        self.over = if over { self.over.saturating_add(1) } else { 0 };
        self.over >= OVER_CYCLES
    }
}

/// Until the limit would be reached at the present speed.
fn lead_ns(seen: &Foresight) -> u64 {
    let time = limits::time_to(seen.room.units(), seen.speed.units(), 0.0);
    time.map_or(u64::MAX, math::nanoseconds_up)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::log_testing::Kept;
    use alloc::vec::Vec;

    const MM: i64 = 1_000_000_000;

    fn seen(room: i64, left: i64) -> Foresight {
        Foresight {
            axis: AxisId(3),
            moves: true,
            speed: Nano(100 * MM),
            slow: None,
            stop: None,
            room: Nano(room * MM),
            left: Nano(left * MM),
            kept: Nano(2 * MM),
        }
    }

    fn events(cycles: &[Foresight]) -> Vec<Event> {
        let (mut ledger, mut kept) = (Ledger::default(), Kept::default());
        for (now, seen) in (1_u64..).zip(cycles) {
            ledger.update(seen, &mut kept.log(now * 1_000_000));
        }
        kept.events()
    }

    #[test]
    fn a_decision_is_told_when_it_is_taken_and_what_became_of_it_when_the_axis_stands() {
        let stop = Some(TwinMode::Observe);
        let mut cycles = Vec::from([seen(50, 10), Foresight { stop, ..seen(40, -1) }]);
        cycles.extend([Foresight { stop, ..seen(20, -3) }, seen(5, 3)]);
        cycles.extend([Foresight { moves: false, ..seen(7, 7) }; 20]);
        let axis = AxisId(3);
        let (decision, mode, predicted) = (Decision::Stop, TwinMode::Observe, Nano(-MM));
        let [Event::Foresight { lead_ns, .. }, foreseen] = events(&cycles)[..] else {
            panic!("two events: {:?}", events(&cycles));
        };
        // 40 mm at 100 mm/s.
        assert!(lead_ns.abs_diff(400_000_000) < 10, "{lead_ns}");
        let (actual, after_ns) = (Nano(5 * MM), 22_000_000);
        let expected = Event::Foreseen { axis, decision, mode, predicted, actual, after_ns };
        assert_eq!(foreseen, expected);
    }

    #[test]
    fn slow_and_stop_are_two_decisions_and_neither_is_taken_at_rest() {
        let (slow, stop) = (Some(TwinMode::Act), Some(TwinMode::Act));
        let both = Foresight { slow, stop, ..seen(40, -1) };
        assert_eq!(events(&[both]).len(), 2);
        assert_eq!(events(&[Foresight { moves: false, ..both }]), []);
    }
}
