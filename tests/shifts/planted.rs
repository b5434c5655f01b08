//! The tests of the test: every rule is broken on purpose, and found; and the seed that it prints finds it again in the same cycle.

use config::Machine;
use rt_core::SignalId;
use rt_core::plan::{Cause, DualChannelKind, MachinePlan, Reaction};
use rt_core::record::Event;
use rt_core::signal::Signals;
use twin_lite::Nano;

use super::draw::{Kind, Shift};
use super::judge::Rule;
use super::{Outcome, work};

/// What is done to what leaves the loop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Wrong {
    #[default]
    Nothing,
    /// Targets creep while the machine does not run.
    Creeps,
    /// Targets move while the reset button is pressed.
    ResetMoves,
    /// An output of the program is on without permit.
    OutputOn,
    /// Stops are promised to be four times as short.
    Promises,
    /// Nobody hears that it shall end.
    NeverEnds,
    /// After missed cycles targets make up for them at once.
    Leaps,
}

/// How far targets go wrong, counts a cycle: 5 mm/s at the spindles.
const CREEP: i64 = 262;

/// A wrapper around the loop's outputs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tamper {
    pub(crate) wrong: Wrong,
    lamp: Option<SignalId>,
    reset: Option<SignalId>,
    start: Option<SignalId>,
    output: Option<SignalId>,
    /// Target of each axis; what was sent by the loop before, and what is put on top.
    targets: Vec<(SignalId, i64, i64)>,
    resetting: u32,
    /// When targets were sent last, ns.
    sent_at: u64,
    period_ns: u64,
}

impl Tamper {
    fn new(machine: &Machine, wrong: Wrong) -> Self {
        let signal = |name: &str| machine.names.signal(name);
        let target = |axis: &rt_core::plan::AxisPlan| (axis.signals.target_position, 0, 0);
        Self {
            wrong,
            lamp: signal("lamp_running"),
            reset: signal("reset_button"),
            start: signal("start_button"),
            output: signal("valve"),
            targets: machine.plan.axes.iter().map(target).collect(),
            resetting: 0,
            sent_at: 0,
            period_ns: machine.plan.period_ns,
        }
    }

    /// What is sent, made wrong.
    pub(crate) fn outputs(&mut self, inputs: &Signals, sent: &mut Signals) {
        if self.wrong == Wrong::Nothing {
            return;
        }
        let is_on = |signals: &Signals, signal: Option<SignalId>| {
            signal.is_some_and(|signal| signals.get(signal).value == 1)
        };
        let run = is_on(sent, self.lamp);
        // With nothing else that could have moved it.
        let reset = is_on(inputs, self.reset) && !is_on(inputs, self.start) && !run;
        let rests =
            self.targets.iter().all(|(target, before, ..)| sent.get(*target).value == *before);
        self.resetting = if reset && rests { self.resetting + 1 } else { 0 };
        for (target, before, top) in &mut self.targets {
            let asked = sent.get(*target);
            let missed = missed(asked.at, self.sent_at, self.period_ns);
            if self.wrong == Wrong::Leaps && run {
                sent.set(*target, asked.value + (asked.value - *before) * missed, asked.at);
                *before = asked.value;
                continue;
            }
            let step = match self.wrong {
                Wrong::Creeps if !run => CREEP,
                Wrong::ResetMoves if self.resetting > 20 => CREEP,
                _ => 0,
            };
            *before = asked.value;
            // What has crept is gone with the next run.
            *top = if run { 0 } else { *top + step };
            sent.set(*target, asked.value + *top, asked.at);
        }
        self.sent_at = self.targets.first().map_or(0, |(target, ..)| sent.get(*target).at);
        if let Some(output) = self.output.filter(|_| self.wrong == Wrong::OutputOn && !run) {
            sent.set(output, 1, sent.get(output).at);
        }
    }

    /// What is told, made wrong.
    pub(crate) fn records(&self, events: &mut [Event]) {
        for event in events {
            if let (Wrong::Promises, Event::Trip { predicted, .. }) = (self.wrong, event) {
                *predicted = Nano(predicted.0 / 4);
            }
        }
    }
}

/// Whole periods that were missed between two cycles.
fn missed(now: u64, before: u64, period_ns: u64) -> i64 {
    let periods = now.saturating_sub(before) / period_ns.max(1);
    if before == 0 { 0 } else { i64::try_from(periods).map_or(0, |periods| (periods - 1).max(0)) }
}

/// Something wrong that must be found.
pub(crate) struct Plant {
    kind: Kind,
    /// Which rule finds it.
    rule: Rule,
    wrong: Wrong,
    /// The machine as the loop is told.
    machine: fn(&mut MachinePlan, &Machine),
    /// The plan of the shadow, which has no twin.
    shadow: Option<fn(&mut MachinePlan)>,
    /// What makes it show sooner.
    shift: fn(&mut Shift),
}

impl Plant {
    fn drawn(&self, seed: u64, cycles: u64) -> Shift {
        let mut shift = Shift::of(self.kind, seed, cycles);
        (self.shift)(&mut shift);
        shift
    }

    pub(crate) fn worked(&self, shift: &Shift) -> (Machine, Tamper) {
        let mut machine = shift.machine.clone();
        (self.machine)(&mut machine.plan, &shift.machine);
        (machine, Tamper::new(&shift.machine, self.wrong))
    }

    pub(crate) fn shadow(&self, shift: &Shift) -> Option<MachinePlan> {
        let mut plan = shift.machine.plan.clone();
        self.shadow.map(|change| {
            change(&mut plan);
            plan
        })
    }
}

fn sound(_: &mut MachinePlan, _: &Machine) {}

/// Rows that watch this have no effect any more.
fn deaf(plan: &mut MachinePlan, of: impl Fn(&Cause) -> bool) {
    let rows = plan.interlocks.iter_mut().filter(|row| of(&row.cause));
    let count = rows.map(|row| row.effects = Box::new([])).count();
    assert!(count > 0, "no row watches it");
}

/// A shift's cycles until something planted must have been found, and how many shifts are tried.
const CYCLES: u64 = 90_000;
const SEEDS: u64 = 12;

fn works(plant: &Plant, seed: u64, cycles: u64) -> Outcome {
    work(&plant.drawn(seed, cycles), Some(plant))
}

fn is_found(plant: &Plant) {
    let found = (1..=SEEDS).find_map(|seed| {
        let found = works(plant, seed, CYCLES).found?;
        Some((seed, found))
    });
    let Some((seed, (cycle, violation))) = found else {
        panic!("it is not found in {SEEDS} shifts of {CYCLES} cycles");
    };
    println!("seed {seed}, cycle {cycle}: {}: {}", violation.rule.words(), violation.what);
    assert_eq!(violation.rule, plant.rule, "seed {seed}, cycle {cycle}: {}", violation.what);
    // The same seed again: the same cycle, the same words.
    assert_eq!(works(plant, seed, CYCLES).found, Some((cycle, violation)));
    // And nothing in the same shift without it.
    let sound = work(&plant.drawn(seed, CYCLES), None);
    assert_eq!(sound.found, None, "seed {seed} is not sound");
}

fn plant(kind: Kind, rule: Rule, wrong: Wrong) -> Plant {
    Plant { kind, rule, wrong, machine: sound, shadow: None, shift: |_| {} }
}

#[test]
// SR-015
fn targets_that_creep_without_permit_are_found() {
    is_found(&plant(Kind::Manual, Rule::Motion, Wrong::Creeps));
}

#[test]
// SR-031
fn a_stop_that_is_promised_too_short_is_found() {
    is_found(&plant(Kind::Demo, Rule::StopDistance, Wrong::Promises));
}

#[test]
// SR-010
fn a_reset_that_moves_is_found() {
    is_found(&plant(Kind::Manual, Rule::ResetMoves, Wrong::ResetMoves));
}

#[test]
// SR-025
fn an_output_that_is_on_without_permit_is_found() {
    is_found(&plant(Kind::Manual, Rule::Outputs, Wrong::OutputOn));
}

#[test]
// SR-036
fn targets_that_make_up_for_missed_cycles_are_found() {
    let shift = |shift: &mut Shift| {
        let times = (8..80).map(|second| (second * 1_000_000_000, 3, 3));
        shift.lates.extend(times);
        shift.lates.sort_unstable();
    };
    is_found(&Plant { shift, ..plant(Kind::Demo, Rule::Speed, Wrong::Leaps) });
}

#[test]
// SR-046
fn an_end_that_nobody_hears_is_found() {
    let mut shift = Shift::of(Kind::Demo, 1, 12_000);
    shift.end = super::draw::End::Shutdown;
    let plant = plant(Kind::Demo, Rule::End, Wrong::NeverEnds);
    let (_, violation) = work(&shift, Some(&plant)).found.expect("it is found");
    assert_eq!(violation.rule, Rule::End);
    assert_eq!(work(&shift, None).found, None);
}

#[test]
// SR-011
fn a_machine_that_a_reset_starts_is_found() {
    let machine = |plan: &mut MachinePlan, _: &Machine| plan.control.start = plan.control.reset;
    is_found(&Plant { machine, ..plant(Kind::Demo, Rule::Restart, Wrong::Nothing) });
}

#[test]
// SR-006
fn rows_that_should_latch_and_do_not_are_found() {
    let machine = |plan: &mut MachinePlan, _: &Machine| {
        plan.interlocks.iter_mut().for_each(|row| row.latch = false);
    };
    // An operator who now and then forgets the reset.
    let shift = |shift: &mut Shift| {
        let mut hasty = shift.machine.virtual_cell.rules[0].clone();
        hasty.then.remove(0);
        hasty.cooldown_ns = 9_000_000_000;
        hasty.when.iter_mut().for_each(|seen| seen.for_ns = 100_000_000);
        let rules = &mut shift.machine.virtual_cell.rules;
        rules[0].when.iter_mut().for_each(|seen| seen.for_ns = 4_000_000_000);
        rules.push(hasty);
    };
    is_found(&Plant { machine, shift, ..plant(Kind::Demo, Rule::Latch, Wrong::Nothing) });
}

#[test]
// SR-014
fn an_emergency_stop_without_effect_is_found() {
    let machine = |plan: &mut MachinePlan, _: &Machine| {
        deaf(plan, |cause| {
            let kind = DualChannelKind::EmergencyStop;
            matches!(cause, Cause::DualChannel { kind: of, .. } if *of == kind)
        });
    };
    is_found(&Plant { machine, ..plant(Kind::Demo, Rule::Demand, Wrong::Nothing) });
}

#[test]
// SR-019
fn a_speed_limit_that_is_only_told_is_found() {
    let machine = |plan: &mut MachinePlan, _: &Machine| {
        for effect in plan.interlocks.iter_mut().flat_map(|row| &mut row.effects) {
            if matches!(effect.reaction, Reaction::LimitSpeed(_)) {
                effect.reaction = Reaction::Warn;
            }
        }
    };
    is_found(&Plant { machine, ..plant(Kind::Demo, Rule::Speed, Wrong::Nothing) });
}

#[test]
// SR-023
fn a_brake_that_comes_after_the_torque_is_found() {
    let machine = |plan: &mut MachinePlan, machine: &Machine| {
        plan.axes[1].vertical = false;
        if let Some(brake) = &mut plan.axes[1].brake {
            (brake.release, brake.engage_ns) = (machine.names.signal("lamp_running"), 1);
        }
    };
    is_found(&Plant { machine, ..plant(Kind::Demo, Rule::Drop, Wrong::Nothing) });
}

#[test]
// SR-004
fn a_manual_mode_without_enabling_switch_is_found() {
    let machine = |plan: &mut MachinePlan, _: &Machine| {
        deaf(plan, |cause| matches!(cause, Cause::EnablingSwitch { .. }));
    };
    is_found(&Plant { machine, ..plant(Kind::Manual, Rule::Manual, Wrong::Nothing) });
}

#[test]
// SR-019
fn a_manual_mode_that_is_too_fast_is_found() {
    let machine = |plan: &mut MachinePlan, _: &Machine| {
        let mode = plan.mode.as_mut().expect("it has modes");
        mode.speeds.fill(Nano::MAX);
        mode.jogs.iter_mut().for_each(|jog| jog.velocity = Nano(500_000_000_000));
    };
    is_found(&Plant { machine, ..plant(Kind::Manual, Rule::Manual, Wrong::Nothing) });
}

#[test]
// SR-030
fn a_zone_that_nothing_keeps_the_axis_out_of_is_found() {
    let machine = |plan: &mut MachinePlan, _: &Machine| {
        deaf(plan, |cause| matches!(cause, Cause::TwinZone { .. }));
    };
    // Somebody who comes more often.
    let shift = |shift: &mut Shift| {
        shift.machine.virtual_cell.persons[1].repeat_ns = Some(9_000_000_000);
    };
    is_found(&Plant { machine, shift, ..plant(Kind::Demo, Rule::Separation, Wrong::Nothing) });
}

#[test]
// SR-029
fn a_twin_that_loosens_is_found() {
    // The loop works without the twin, and its shadow with it: the twin would allow what the rest does not.
    let machine = |plan: &mut MachinePlan, _: &Machine| {
        deaf(plan, |cause| matches!(cause, Cause::TwinZone { .. } | Cause::TwinLimit { .. }));
    };
    let shadow: fn(&mut MachinePlan) = |_| {};
    let shadow = Some(shadow);
    is_found(&Plant { machine, shadow, ..plant(Kind::Demo, Rule::Twin, Wrong::Nothing) });
}
