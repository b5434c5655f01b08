//! Outputs of the program are safe without permit: on the wire at once, at the terminal soon, also when nobody is heard any more.

use rt_core::SignalId;
use rt_core::plan::OutputSource;

use super::{Found, Rule, Seen, Since, Wiring};
use crate::draw::{Kind, MS, Shift};

/// The terminals' watchdogs are 100 ms; late cycles and the way there and back on top.
const WATCHDOG_NS: u64 = 150 * MS;
const SEEN_NS: u64 = 50 * MS;

struct Output {
    signal: SignalId,
    output: Option<usize>,
    safe: i64,
    hold: bool,
    /// Inputs that, off, ask for the safe state.
    off: Vec<Option<usize>>,
    asked: Since,
    without: Since,
    gone: Since,
}

pub(super) struct Outputs {
    outputs: Vec<Output>,
}

impl Outputs {
    pub(super) fn new(shift: &Shift) -> Self {
        let wiring = Wiring::new(shift);
        let named = |signal: SignalId| {
            let names = &shift.machine.names;
            let valve = shift.kind == Kind::Manual && names.signal("valve") == Some(signal);
            let inputs: &[&str] = if valve { &["air_pressure", "estop_a", "estop_b"] } else { &[] };
            inputs.iter().map(|name| wiring.source(name)).collect()
        };
        let plan = shift.machine.plan.outputs.iter();
        let outputs = plan.filter(|plan| plan.source == OutputSource::Program).map(|plan| Output {
            signal: plan.signal,
            output: wiring.output(plan.signal),
            safe: plan.safe,
            hold: plan.hold,
            off: named(plan.signal),
            asked: Since::default(),
            without: Since::default(),
            gone: Since::default(),
        });
        Self { outputs: outputs.collect() }
    }

    pub(super) fn cycle(&mut self, seen: &Seen<'_>, found: &mut Found) {
        for output in &mut self.outputs {
            let sent = seen.sent.get(output.signal);
            let is_safe = sent.value == output.safe || sent.at == 0 || !seen.alive;
            let on = output.output.is_some_and(|output| seen.cell.world().output(output));
            let truly_safe = i64::from(on) == output.safe;
            found.unless(seen.run || output.hold || is_safe, Rule::Outputs, || {
                format!("output {} is {} without permit", output.signal.0, sent.value)
            });
            let without = output.without.update(!seen.run, seen.now);
            let due = without.is_some_and(|held| held > WATCHDOG_NS) && !output.hold;
            found.unless(!due || truly_safe, Rule::Outputs, || {
                format!("terminal output {} is on without permit", output.signal.0)
            });
            let asked = output.off.iter().any(|source| !seen.input(*source));
            let asked = output.asked.update(asked, seen.now);
            found.unless(asked.is_none_or(|held| held < SEEN_NS) || is_safe, Rule::Outputs, || {
                format!("output {} is {}, its row asks for safe", output.signal.0, sent.value)
            });
            let gone = output.gone.update(!seen.alive, seen.now);
            found.unless(
                gone.is_none_or(|held| held < WATCHDOG_NS) || truly_safe,
                Rule::Outputs,
                || format!("terminal output {} is on, and nobody is there", output.signal.0),
            );
        }
    }
}
