//! The built-in program: parallel strands of steps, as the machine file writes them.
//!
//! Its clock runs only while the machine does. A stop interrupts; after the next start every strand asks again for what it had asked, a
//! relative move for what is left of it, and velocities that were started go on. After axes were moved by hand all strands begin anew.

use super::{Program, Request, Requests, View};
use crate::plan::{Action, AxisId, Compare, Condition, GroupId, MachinePlan, StepPlan, StrandPlan};
use crate::signal::Signals;
use alloc::boxed::Box;
use twin_lite::{Nano, taped, taped_enum};

/// Steps that a strand may go through in one cycle: branches, jumps and outputs take no time, a circle of them must not take all.
const STEPS_PER_CYCLE_MAX: u32 = 16;
/// An axis may refuse a request for this long (it comes to rest) before that is a fault, ns of running time.
const REFUSAL_PATIENCE_NS: u64 = 250_000_000;

/// How far a step is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    /// Nothing was asked yet.
    #[default]
    Fresh,
    /// The request was taken.
    Asked,
}

taped_enum!(Phase { 0: Fresh, 1: Asked });

/// What a step wants next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// Stay.
    Stay,
    /// The step after this one.
    Onward,
    /// Another step of this strand.
    To(u16),
    /// The request was refused for too long.
    Refused,
}

/// A strand on its way.
#[derive(Clone, Debug)]
struct Strand {
    plan: StrandPlan,
    /// Number of its first step over all strands.
    first: u16,
    step: u16,
    done: bool,
    phase: Phase,
    /// Running time in this step, ns.
    elapsed_ns: u64,
    /// Way of a relative move so far, axis units, and where the axis was commanded last.
    travelled: f64,
    last: Option<f64>,
    /// How often each counted loop was passed.
    loops: Box<[u16]>,
}

taped!(Strand { step, done, phase, elapsed_ns, travelled, last, loops; plan, first });

/// What a strand shares with the others.
struct Shared<'a> {
    /// Axes of each group.
    groups: &'a [Box<[AxisId]>],
    /// Where endless axes wrap, by axis.
    wraps: &'a [Option<Nano>],
    /// Velocities that go on, by axis.
    velocities: &'a mut [Option<Nano>],
}

/// The built-in program.
#[derive(Clone, Debug)]
pub struct Sequence {
    strands: Box<[Strand]>,
    groups: Box<[Box<[AxisId]>]>,
    wraps: Box<[Option<Nano>]>,
    velocities: Box<[Option<Nano>]>,
    /// Those of them that a stop has interrupted.
    interrupted: Box<[Option<Nano>]>,
    since_restart_ns: u64,
    /// By axis: it was referenced while the program ran.
    referenced: Box<[bool]>,
    /// Time of the last cycle that ran, ns.
    last: Option<u64>,
    fault: Option<u16>,
}

taped!(Sequence { strands, velocities, interrupted, since_restart_ns, referenced, last, fault; groups, wraps });

impl Sequence {
    /// The program of `plan`, at its first steps.
    #[must_use]
    pub fn new(plan: &MachinePlan) -> Self {
        let mut first = 0_u16;
        let strand = |strand: &StrandPlan| {
            let begin = first;
            first = first.saturating_add(u16::try_from(strand.steps.len()).unwrap_or(u16::MAX));
            Strand {
                plan: strand.clone(),
                first: begin,
                step: 0,
                done: strand.steps.is_empty(),
                phase: Phase::Fresh,
                elapsed_ns: 0,
                travelled: 0.0,
                last: None,
                loops: strand.steps.iter().map(|_| 0).collect(),
            }
        };
        Self {
            strands: plan.program.strands.iter().map(strand).collect(),
            groups: plan.groups.iter().map(|group| group.axes.clone()).collect(),
            wraps: plan.axes.iter().map(|axis| axis.wrap).collect(),
            velocities: plan.axes.iter().map(|_| None).collect(),
            interrupted: plan.axes.iter().map(|_| None).collect(),
            since_restart_ns: 0,
            referenced: plan.axes.iter().map(|_| false).collect(),
            last: None,
            fault: None,
        }
    }

    /// After a start: everything that was interrupted is asked for again.
    fn restart(&mut self) {
        self.fault = None;
        for strand in &mut self.strands {
            // `last` stays: what the axis moved while it was stopped counts as way.
            strand.phase = Phase::Fresh;
            if let Some(Action::Wait(_)) = strand.current().map(|step| step.action) {
                continue;
            }
            strand.elapsed_ns = 0;
        }
        for (interrupted, velocity) in self.interrupted.iter_mut().zip(&self.velocities) {
            *interrupted = *velocity;
        }
        self.since_restart_ns = 0;
    }

    /// An axis that the program homes has lost its reference, as one whose drive was switched on anew, and nobody is about to home it.
    fn has_lost_reference(&self, view: &View<'_>) -> bool {
        let axes = self.referenced.iter().zip(view.axes).zip(AxisId::all());
        let mut lost = axes.filter(|((was, axis), _)| **was && !axis.referenced).map(|(_, id)| id);
        lost.any(|id| {
            let homes = |strand: &Strand| strand.plan.steps.iter().any(|step| step.homes(id));
            let is_homing = |strand: &Strand| strand.current().is_some_and(|step| step.homes(id));
            self.strands.iter().any(homes) && !self.strands.iter().any(is_homing)
        })
    }

    /// At the first steps, as at boot.
    fn begin_anew(&mut self) {
        for strand in &mut self.strands {
            strand.step = 0;
            strand.done = strand.plan.steps.is_empty();
            strand.phase = Phase::Fresh;
            strand.elapsed_ns = 0;
            strand.travelled = 0.0;
            strand.last = None;
            strand.loops.fill(0);
        }
        self.velocities.fill(None);
        self.interrupted.fill(None);
        self.referenced.fill(false);
    }

    /// Asks again for velocities that a stop has interrupted; `false`: one was refused for too long.
    fn resume(&mut self, passed: u64, requests: &mut dyn Requests) -> bool {
        self.since_restart_ns = self.since_restart_ns.saturating_add(passed);
        let mut all = true;
        let velocities = self.interrupted.iter_mut().zip(&self.velocities).zip(AxisId::all());
        for ((interrupted, velocity), axis) in velocities {
            // Something else was asked of the axis meanwhile: that counts.
            *interrupted = interrupted.filter(|interrupted| Some(*interrupted) == *velocity);
            if let Some(velocity) = *interrupted {
                let taken = requests.put(Request::MoveVelocity { axis, velocity });
                *interrupted = interrupted.filter(|_| !taken);
                all &= taken;
            }
        }
        all || self.since_restart_ns <= REFUSAL_PATIENCE_NS
    }
}

impl Program for Sequence {
    fn cycle(&mut self, view: View<'_>, requests: &mut dyn Requests) {
        if !view.running {
            self.last = None;
            return;
        }
        let passed = self.last.map_or(0, |last| view.now.saturating_sub(last));
        self.last = Some(view.now);
        if view.started {
            if view.moved_by_hand || self.has_lost_reference(&view) {
                self.begin_anew();
            }
            self.restart();
        }
        for (referenced, axis) in self.referenced.iter_mut().zip(view.axes) {
            *referenced |= axis.referenced;
        }
        if self.fault.is_some() {
            return;
        }
        if !self.resume(passed, requests) {
            self.fault = Some(self.position());
            return;
        }
        let mut places = [None; super::STRANDS_MAX];
        for (place, strand) in places.iter_mut().zip(&self.strands) {
            *place = (!strand.done).then_some(strand.step);
        }
        let mut shared =
            Shared { groups: &self.groups, wraps: &self.wraps, velocities: &mut self.velocities };
        for strand in &mut self.strands {
            if !strand.cycle(passed, &view, &places, &mut shared, requests) {
                self.fault = Some(strand.first.saturating_add(strand.step));
                return;
            }
        }
    }

    fn position(&self) -> u16 {
        let first = self.strands.iter().find(|strand| !strand.done);
        first.map_or(0, |strand| strand.first.saturating_add(strand.step))
    }

    fn fault(&self) -> Option<u16> {
        self.fault
    }

    fn strand(&self, number: u8) -> Option<u16> {
        let strand = self.strands.get(usize::from(number)).filter(|strand| !strand.done)?;
        Some(strand.first.saturating_add(strand.step))
    }
}

impl Strand {
    fn current(&self) -> Option<StepPlan> {
        self.plan.steps.get(usize::from(self.step)).copied()
    }

    /// One cycle, `passed` ns after the last one that ran; `false`: the present step failed.
    fn cycle(
        &mut self,
        passed: u64,
        view: &View<'_>,
        places: &[Option<u16>],
        shared: &mut Shared<'_>,
        requests: &mut dyn Requests,
    ) -> bool {
        self.elapsed_ns = self.elapsed_ns.saturating_add(passed);
        for _ in 0..STEPS_PER_CYCLE_MAX {
            if self.done {
                return true;
            }
            let Some(step) = self.current() else { return false };
            match self.run(&step, view, places, shared, requests) {
                Next::Stay => {
                    return step.timeout_ns.is_none_or(|timeout| self.elapsed_ns <= timeout);
                }
                Next::Onward => self.go(self.step.saturating_add(1)),
                Next::To(step) => self.go(step),
                Next::Refused => return false,
            }
        }
        true
    }

    /// On to another step; behind the last one the strand begins again or is done.
    fn go(&mut self, to: u16) {
        let end = usize::from(to) >= self.plan.steps.len();
        (self.step, self.done) = match (end, self.plan.restart_at) {
            (false, _) => (to, false),
            (true, Some(restart)) => (restart, false),
            (true, None) => (self.step, true),
        };
        self.phase = Phase::Fresh;
        self.elapsed_ns = 0;
        self.travelled = 0.0;
        self.last = None;
    }

    fn run(
        &mut self,
        step: &StepPlan,
        view: &View<'_>,
        places: &[Option<u16>],
        shared: &mut Shared<'_>,
        requests: &mut dyn Requests,
    ) -> Next {
        match step.action {
            Action::Do(request) => self.ask(request, view, shared, requests),
            Action::Start(request) => match self.ask(request, view, shared, requests) {
                Next::Stay if self.phase == Phase::Asked => Next::Onward,
                next => next,
            },
            Action::Wait(ns) if self.elapsed_ns >= ns => Next::Onward,
            Action::Wait(_) => Next::Stay,
            Action::WaitFor(condition) if holds(&condition, view.signals) => Next::Onward,
            Action::WaitFor(_) => Next::Stay,
            Action::Branch { condition, to } if holds(&condition, view.signals) => Next::To(to),
            Action::Branch { .. } => Next::Onward,
            Action::Jump(to) => Next::To(to),
            Action::Loop { to, count } => self.count_loop(to, count),
            Action::Join { strand, step } => {
                // A strand that is done has passed all of its steps.
                let place = places.get(usize::from(strand)).copied().flatten();
                if place.is_none_or(|place| place >= step) { Next::Onward } else { Next::Stay }
            }
        }
    }

    fn count_loop(&mut self, to: u16, count: u16) -> Next {
        let Some(passed) = self.loops.get_mut(usize::from(self.step)) else { return Next::Onward };
        *passed = passed.saturating_add(1);
        if *passed < count {
            return Next::To(to);
        }
        *passed = 0;
        Next::Onward
    }

    fn ask(
        &mut self,
        request: Request,
        view: &View<'_>,
        shared: &mut Shared<'_>,
        requests: &mut dyn Requests,
    ) -> Next {
        self.measure(&request, view, shared);
        if self.phase == Phase::Asked {
            return if is_done(&request, view, shared.groups) { Next::Onward } else { Next::Stay };
        }
        if !requests.put(self.what_is_left(request)) {
            let patient = self.elapsed_ns <= REFUSAL_PATIENCE_NS;
            return if patient { Next::Stay } else { Next::Refused };
        }
        remember(&request, shared);
        self.phase = Phase::Asked;
        if matches!(request, Request::Output { .. }) { Next::Onward } else { Next::Stay }
    }

    /// How far a relative move has come, over interruptions and the wrap of an endless axis.
    fn measure(&mut self, request: &Request, view: &View<'_>, shared: &Shared<'_>) {
        let Request::MoveRelative { axis, .. } = request else { return };
        let Some(axis_view) = view.axes.get(usize::from(axis.0)) else { return };
        if let Some(last) = self.last {
            let mut way = axis_view.commanded - last;
            if let Some(wrap) = shared.wraps.get(usize::from(axis.0)).copied().flatten() {
                let wrap = wrap.units();
                if way > wrap / 2.0 {
                    way -= wrap;
                } else if way < -wrap / 2.0 {
                    way += wrap;
                }
            }
            self.travelled += way;
        }
        self.last = Some(axis_view.commanded);
    }

    fn what_is_left(&self, request: Request) -> Request {
        match request {
            Request::MoveRelative { axis, distance, velocity } => {
                let left = Nano::from_units(distance.units() - self.travelled);
                let distance =
                    if self.travelled == 0.0 { distance } else { left.unwrap_or(distance) };
                Request::MoveRelative { axis, distance, velocity }
            }
            other => other,
        }
    }
}

/// A velocity goes on until something else is asked of the axis.
fn remember(request: &Request, shared: &mut Shared<'_>) {
    let mut set = |axis: &AxisId, velocity: Option<Nano>| {
        if let Some(slot) = shared.velocities.get_mut(usize::from(axis.0)) {
            *slot = velocity.filter(|velocity| velocity.0 != 0);
        }
    };
    match request {
        Request::MoveVelocity { axis, velocity } => set(axis, Some(*velocity)),
        Request::Home { axis } | Request::MoveRelative { axis, .. } => set(axis, None),
        Request::MoveLinear { group, .. } | Request::Halt { group } => {
            for axis in shared.groups.get(usize::from(group.0)).into_iter().flatten() {
                set(axis, None);
            }
        }
        Request::Output { .. } => {}
    }
}

/// What was asked is done; what does not exist never is.
fn is_done(request: &Request, view: &View<'_>, groups: &[Box<[AxisId]>]) -> bool {
    let axis_done =
        |axis: &AxisId| view.axes.get(usize::from(axis.0)).is_some_and(|axis| axis.done);
    let group_done = |group: &GroupId| {
        groups.get(usize::from(group.0)).is_some_and(|axes| axes.iter().all(axis_done))
    };
    match request {
        Request::Home { axis }
        | Request::MoveVelocity { axis, .. }
        | Request::MoveRelative { axis, .. } => axis_done(axis),
        Request::MoveLinear { group, .. } | Request::Halt { group } => group_done(group),
        Request::Output { .. } => true,
    }
}

/// A signal that is not good makes a condition false.
fn holds(condition: &Condition, signals: &Signals) -> bool {
    signals.good(condition.signal).is_some_and(|value| match condition.compare {
        Compare::Equal => value == condition.value,
        Compare::NotEqual => value != condition.value,
        Compare::Less => value < condition.value,
        Compare::AtLeast => value >= condition.value,
    })
}

#[cfg(test)]
#[path = "sequence_tests.rs"]
mod tests;
