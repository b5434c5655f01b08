//! The people at the machine: rules that fire when the machine is as described, and do their steps
//! in order.

use crate::script::{Action, Condition, Rule};
use crate::signals::{Source, Timed};

/// What rules look at.
pub(crate) struct Scene<'a> {
    pub(crate) now: u64,
    pub(crate) sources: &'a [Source],
    pub(crate) outputs: &'a [Timed],
    pub(crate) zones: &'a [Timed],
}

impl Scene<'_> {
    fn holds(&self, condition: &Condition) -> bool {
        let been = |of: &[Timed], which: usize, on: bool, for_ns: u64| {
            of.get(which).is_some_and(|value| value.has_been(on, for_ns, self.now))
        };
        let source = |which: usize, on: bool, for_ns: u64| {
            let source = self.sources.get(which);
            source.is_some_and(|source| source.value.has_been(on, for_ns, self.now))
        };
        match *condition {
            Condition::OutputOn { output, for_ns } => been(self.outputs, output, true, for_ns),
            Condition::OutputOff { output, for_ns } => been(self.outputs, output, false, for_ns),
            Condition::SourceOn { source: which, for_ns } => source(which, true, for_ns),
            Condition::SourceOff { source: which, for_ns } => source(which, false, for_ns),
            Condition::ZoneFree { zone, for_ns } => been(self.zones, zone, false, for_ns),
            Condition::ZoneOccupied { zone, for_ns } => been(self.zones, zone, true, for_ns),
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Progress {
    /// Waits for its conditions, not before this time.
    Waiting { not_before: u64 },
    /// The step that comes next, and when.
    Acting { step: usize, at: u64 },
}

/// One rule at work.
#[derive(Clone, Debug)]
pub(crate) struct Operator {
    rule: Rule,
    progress: Progress,
    fired: u64,
}

impl Operator {
    pub(crate) fn new(rule: Rule) -> Self {
        Self { rule, progress: Progress::Waiting { not_before: 0 }, fired: 0 }
    }

    /// How often it has fired.
    pub(crate) fn fired(&self) -> u64 {
        self.fired
    }

    /// What is done now, at most one step a call.
    pub(crate) fn act(&mut self, scene: &Scene<'_>) -> Option<Action> {
        if let Progress::Waiting { not_before } = self.progress {
            let ready = scene.now >= not_before && !self.rule.then.is_empty();
            if !ready || !self.rule.when.iter().all(|condition| scene.holds(condition)) {
                return None;
            }
            self.fired = self.fired.saturating_add(1);
            self.progress = self.step_after(0, scene.now);
        }
        let Progress::Acting { step, at } = self.progress else { return None };
        if scene.now < at {
            return None;
        }
        let action = self.rule.then.get(step).map(|step| step.action);
        self.progress = self.step_after(step.saturating_add(1), scene.now);
        action
    }

    fn step_after(&self, step: usize, now: u64) -> Progress {
        match self.rule.then.get(step) {
            Some(next) => Progress::Acting { step, at: now.saturating_add(next.after_ns) },
            None => Progress::Waiting { not_before: now.saturating_add(self.rule.cooldown_ns) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::Step;

    const PRESS_RESET: Action = Action::Pulse { source: 0, duration_ns: 200 };
    const PRESS_START: Action = Action::Pulse { source: 1, duration_ns: 200 };

    fn operator() -> Operator {
        Operator::new(Rule {
            when: vec![
                Condition::OutputOn { output: 0, for_ns: 1_000 },
                Condition::ZoneFree { zone: 0, for_ns: 500 },
            ],
            then: vec![
                Step { after_ns: 0, action: PRESS_RESET },
                Step { after_ns: 800, action: PRESS_START },
            ],
            cooldown_ns: 3_000,
        })
    }

    fn acts(
        operator: &mut Operator,
        lamp: &Timed,
        zone: &Timed,
        times: std::ops::Range<u64>,
    ) -> Vec<(u64, Action)> {
        let mut done = Vec::new();
        for now in times.step_by(100) {
            let scene = Scene {
                now,
                sources: &[],
                outputs: std::slice::from_ref(lamp),
                zones: std::slice::from_ref(zone),
            };
            done.extend(operator.act(&scene).map(|action| (now, action)));
        }
        done
    }

    #[test]
    fn the_operator_resets_then_starts_once_all_conditions_have_held() {
        // Given a lamp that is on from 2000 and a zone that is free from 2800,
        let mut lamp = Timed::default();
        lamp.set(true, 2_000);
        let mut zone = Timed::at_rest(true, 0);
        zone.set(false, 2_800);
        // then the reset comes when both have held long enough, the start after it, and after the
        // cooldown again.
        let done = acts(&mut operator(), &lamp, &zone, 2_000..8_000);
        let expected = [
            (3_300, PRESS_RESET),
            (4_100, PRESS_START),
            (7_100, PRESS_RESET),
            (7_900, PRESS_START),
        ];
        assert_eq!(done, expected);
    }

    #[test]
    fn nobody_presses_while_somebody_is_in_the_zone_or_the_lamp_is_off() {
        let mut lamp = Timed::default();
        lamp.set(true, 2_000);
        let occupied = Timed::at_rest(true, 0);
        assert_eq!(acts(&mut operator(), &lamp, &occupied, 2_000..8_000), []);
        let off = Timed::default();
        assert_eq!(acts(&mut operator(), &off, &Timed::default(), 2_000..8_000), []);
    }

    #[test]
    fn every_condition_asks_its_own_signal_for_its_own_state_and_time() {
        use crate::script::Condition::*;
        let both = |on: bool| {
            let mut value = Timed::at_rest(!on, 0);
            value.set(on, 1_000);
            value
        };
        let (on, off) = (both(true), both(false));
        let source = |value| Source { value, ..Source::at_rest(false, 0) };
        let sources = [source(on), source(off)];
        let values = [on, off];
        for now in [1_499, 1_500] {
            let scene = Scene { now, sources: &sources, outputs: &values, zones: &values };
            let (held, for_ns) = (now >= 1_500, 500);
            for which in [0, 1] {
                let is_on = which == 0;
                let expected = [
                    (OutputOn { output: which, for_ns }, held && is_on),
                    (OutputOff { output: which, for_ns }, held && !is_on),
                    (SourceOn { source: which, for_ns }, held && is_on),
                    (SourceOff { source: which, for_ns }, held && !is_on),
                    (ZoneOccupied { zone: which, for_ns }, held && is_on),
                    (ZoneFree { zone: which, for_ns }, held && !is_on),
                ];
                for (condition, holds) in expected {
                    assert_eq!(scene.holds(&condition), holds, "{condition:?} at {now}");
                }
            }
        }
    }
}
