//! Nothing runs again but by a fresh start, after a latched trip by a reset before it; and a reset moves nothing.

use rt_core::plan::{InterlockId, MachinePlan, Reaction};
use rt_core::record::Event;

use super::{Found, Rule, Seen, Wiring};
use crate::draw::{Excuse, MS, Shift};

/// What the loop sees of a press may be so much shorter, or longer, than it was: frames are lost, cycles late.
const SAMPLING_NS: u64 = 12 * MS;

/// A button in truth.
#[derive(Clone, Copy, Debug, Default)]
struct Press {
    source: Option<usize>,
    on: bool,
    pressed_at: u64,
    released_at: u64,
    /// It has been released within the window, at.
    done_at: Option<u64>,
}

impl Press {
    fn update(&mut self, seen: &Seen<'_>, window: (u64, u64)) {
        let on = seen.input(self.source);
        if on && !self.on {
            self.pressed_at = seen.now;
        }
        if self.on && !on {
            self.released_at = seen.now;
            let held = seen.now - self.pressed_at + SAMPLING_NS;
            let short = held < window.0 || held > window.1 + 2 * SAMPLING_NS;
            self.done_at = if short { self.done_at } else { Some(seen.now) };
        }
        self.on = on;
    }
}

pub(super) struct Restart {
    reset: Press,
    /// The start button, and what jogs.
    starts: Vec<Press>,
    /// The mode selector's contact for manual: then a jog starts.
    manual: Option<usize>,
    window: (u64, u64),
    run: bool,
    fell_at: u64,
    /// When something last asked for a reset; `None`: a reset has been done since.
    latched_at: Option<u64>,
    /// The first reset since then.
    reset_at: Option<u64>,
    /// Since this reset was pressed with everything at rest nobody pressed start.
    quiet: Option<Vec<f64>>,
}

/// Its trip needs a reset, as declared.
pub(super) fn latches(plan: &MachinePlan, interlock: InterlockId) -> bool {
    plan.interlocks.get(usize::from(interlock.0)).is_some_and(|row| {
        row.latch && row.effects.iter().any(|effect| effect.reaction >= Reaction::Stop2)
    })
}

impl Restart {
    pub(super) fn new(shift: &Shift) -> Self {
        let wiring = Wiring::new(shift);
        let press = |name| Press { source: wiring.source(name), ..Press::default() };
        let control = &shift.machine.plan.control;
        Self {
            reset: press("reset_button"),
            starts: ["start_button", "jog_plus", "jog_minus"].map(press).into(),
            manual: wiring.source("key_manual"),
            window: (control.press_min_ns, control.press_max_ns),
            run: false,
            fell_at: 0,
            latched_at: Some(0),
            reset_at: None,
            quiet: None,
        }
    }

    pub(super) fn cycle(&mut self, seen: &Seen<'_>, found: &mut Found) {
        let before = self.reset;
        self.reset.update(seen, self.window);
        for start in &mut self.starts {
            start.update(seen, self.window);
        }
        for event in seen.events {
            let asks = match event {
                Event::Demand { interlock } => latches(&seen.shift.machine.plan, *interlock),
                Event::GateViolation { .. } => true,
                _ => false,
            };
            if asks {
                self.latched_at = Some(seen.now);
                self.reset_at = None;
            }
        }
        let done = self.reset.done_at.filter(|_| before.done_at != self.reset.done_at);
        self.reset_at = self.reset_at.or(done);
        self.quiet(seen, &before, found);
        match (self.run, seen.run) {
            (false, true) => self.rose(seen, found),
            (true, false) => self.fell_at = seen.now,
            (_, _) => {}
        }
        self.run = seen.run;
    }

    /// It runs again: who said so?
    fn rose(&mut self, seen: &Seen<'_>, found: &mut Found) {
        let shortest = self.window.0.saturating_sub(SAMPLING_NS);
        if let Some(latched_at) = self.latched_at {
            found.unless(self.reset_at.is_some(), Rule::Latch, || {
                format!("it runs, and nobody has reset since {latched_at} ns: {:?}", self.reset)
            });
        }
        let reset_at = self.latched_at.and(self.reset_at).unwrap_or(0);
        let after = reset_at.max(self.fell_at);
        let count = if seen.input(self.manual) { self.starts.len() } else { 1 };
        let pressed = self.starts[..count].iter().any(|start| {
            let recent = start.on || seen.now - start.released_at <= SAMPLING_NS;
            recent
                && start.pressed_at + SAMPLING_NS > after
                && seen.now - start.pressed_at >= shortest
        });
        found.unless(pressed, Rule::Restart, || {
            format!("it runs, and nobody has started it since {after} ns: {:?}", self.starts)
        });
        self.latched_at = None;
    }

    /// From the reset to the next start nothing moves that rests.
    fn quiet(&mut self, seen: &Seen<'_>, before: &Press, found: &mut Found) {
        let rests = |axis: &super::AxisSeen| {
            axis.velocity.abs() < super::still::STANDS && axis.commanded.abs() < 0.5
        };
        if self.starts.iter().any(|start| start.on) || seen.run {
            self.quiet = None;
        } else if !before.on && self.reset.on && seen.axes.iter().all(rests) {
            self.quiet = Some(seen.axes.iter().map(|axis| axis.position).collect());
        }
        let Some(at) = &self.quiet else { return };
        for (number, (axis, at)) in seen.axes.iter().zip(at).enumerate() {
            let told = axis.commanded.abs() < 0.5;
            found.unless(told, Rule::ResetMoves, || {
                format!("axis {number} is told {:.3} /s after a reset", axis.commanded)
            });
            let still = (axis.position - at).abs() <= 1.0 || !told;
            let excuse = [Excuse::Chain, Excuse::Clock, Excuse::RunsOn];
            let excused = seen.excused(number, &excuse, 4_000 * MS);
            found.unless(still || excused || axis.at_end, Rule::ResetMoves, || {
                format!("axis {number} moved by {:.3} after a reset", axis.position - at)
            });
        }
    }
}
