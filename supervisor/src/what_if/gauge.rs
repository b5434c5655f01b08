//! Looks on while a machine runs in virtual time, and measures the world: torque, energy, ways, parts; and from the loop's records:
//! when it ran, when it was slow, what stopped it.

use std::collections::BTreeMap;

use config::Machine;
use config::cell::{DeviceKind, VirtualServo};
use rt_core::machine::SafeCause;
use rt_core::plan::Reaction;
use rt_core::record::{Body, Event, MachineState, Record};
use twin_lite::Nano;

use super::figures::{AxisFigures, Figures, Stops, float};
use crate::cell::Cell;
use crate::labels::Labels;
use crate::report::Report;
use crate::run::Onlooker;

/// Slower than this share of the velocity limit is no motion in a direction: noise of the encoder is no reversal.
const CREEP: f64 = 0.005;

/// What is measured of one axis.
#[derive(Clone, Debug, Default)]
struct AxisGauge {
    rated_nm: f64,
    torque_most_nm: f64,
    units_per_radian: f64,
    velocity_limit: f64,
    following_limit: f64,
    work: Option<f64>,
    travel: Option<f64>,
    direction: f64,
    squares: f64,
    samples: u64,
    load_way: f64,
    reversal_load: f64,
    figures: AxisFigures,
}

impl AxisGauge {
    fn take(&mut self, view: &world::AxisView, torque_nm: f64) {
        let figures = &mut self.figures;
        let done = view.work - self.work.replace(view.work).unwrap_or(view.work);
        figures.energy_j += done.max(0.0);
        figures.regenerated_j += (-done).max(0.0);
        let way = view.travel - self.travel.replace(view.travel).unwrap_or(view.travel);
        figures.travel += way;
        figures.torque_peak_nm = figures.torque_peak_nm.max(torque_nm.abs());
        figures.velocity_peak = figures.velocity_peak.max(view.velocity.abs());
        self.load_way += torque_nm.abs() * way / self.units_per_radian;
        self.squares += torque_nm * torque_nm;
        self.samples += 1;
        if view.velocity.abs() > CREEP * self.velocity_limit {
            let direction = view.velocity.signum();
            if self.direction * direction < 0.0 {
                figures.reversals += 1;
                self.reversal_load += torque_nm.abs() / self.rated_nm;
            }
            self.direction = direction;
        }
    }

    fn done(mut self, hours: f64) -> AxisFigures {
        let figures = &mut self.figures;
        if self.samples > 0 {
            figures.torque_rms_nm = (self.squares / float(self.samples)).sqrt();
        }
        let left = |used: f64, of: f64| 1.0 - used / of;
        let share = figures.torque_rms_nm / self.rated_nm;
        figures.thermal_margin = 1.0 - share * share;
        figures.torque_margin = left(figures.torque_peak_nm, self.torque_most_nm);
        figures.velocity_margin = left(figures.velocity_peak, self.velocity_limit);
        figures.following_error_margin = left(figures.following_error_max, self.following_limit);
        if hours > 0.0 {
            figures.wear_per_h = self.load_way / self.rated_nm / hours;
            figures.reversal_load_per_h = self.reversal_load / hours;
        }
        self.figures
    }
}

/// Looks on.
pub(super) struct Gauge {
    labels: Labels,
    axes: Vec<AxisGauge>,
    conveyors: usize,
    has_gripper: bool,
    /// Steps (numbered over all strands) at which a round of a strand begins; the last step of each strand.
    rounds: Vec<(u16, u16)>,
    /// By strand: the step it is in.
    steps: Vec<u16>,
    machine: MachineState,
    limits: BTreeMap<u8, Nano>,
    /// Not before so long after the first cycle, ns.
    settles_ns: u64,
    first: Option<u64>,
    began: Option<u64>,
    last: u64,
    over: bool,
    placed: u64,
    marks: Vec<u64>,
    lost_before: Option<u64>,
    stops: BTreeMap<(String, String), u64>,
    stopped_ns: u64,
    slow_ns: u64,
    gate_violations: u64,
    figures: Figures,
}

fn servos(machine: &Machine) -> impl Iterator<Item = &VirtualServo> {
    machine.virtual_cell.devices.iter().filter_map(|device| match &device.kind {
        DeviceKind::Servo(servo) => Some(servo.as_ref()),
        _ => None,
    })
}

impl Gauge {
    pub(super) fn new(machine: &Machine, seed: u64) -> Self {
        let labels = Labels::of(machine);
        let mut axes: Vec<AxisGauge> = Vec::new();
        for (plan, label) in machine.plan.axes.iter().zip(&labels.axes) {
            axes.push(AxisGauge {
                velocity_limit: plan.limits.velocity.units(),
                following_limit: plan.limits.following_error.units(),
                rated_nm: 1.0,
                torque_most_nm: 1.0,
                units_per_radian: 1.0,
                figures: AxisFigures {
                    name: label.name.clone(),
                    unit: label.unit.clone(),
                    ..AxisFigures::default()
                },
                ..AxisGauge::default()
            });
        }
        for servo in servos(machine) {
            let place = usize::from(servo.axis.0);
            let Some(axis) = axes.get_mut(place) else { continue };
            let limited = machine.plan.axes.get(place).and_then(|it| it.limits.torque_permille);
            let limited = limited.map(|it| f64::from(it) * 1e-3 * servo.rated_torque_nm);
            axis.rated_nm = servo.rated_torque_nm;
            axis.torque_most_nm = limited.unwrap_or(f64::MAX).min(servo.peak_torque_nm);
            axis.units_per_radian = servo.units_per_radian;
        }
        let strands = &machine.plan.program.strands;
        let mut first = 0_u16;
        let mut rounds = Vec::new();
        for strand in strands {
            let steps = u16::try_from(strand.steps.len()).unwrap_or(u16::MAX);
            let begins = strand.restart_at.map_or(u16::MAX, |step| first.saturating_add(step));
            rounds.push((begins, steps));
            first = first.saturating_add(steps);
        }
        let conveyors = &machine.virtual_cell.conveyors;
        Self {
            axes,
            conveyors: conveyors.len(),
            has_gripper: conveyors.iter().any(|conveyor| conveyor.gripper.is_some()),
            steps: vec![0; rounds.len()],
            rounds,
            labels,
            machine: MachineState::Boot,
            limits: BTreeMap::new(),
            settles_ns: 0,
            first: None,
            began: None,
            last: 0,
            over: false,
            placed: 0,
            marks: Vec::new(),
            lost_before: None,
            stops: BTreeMap::new(),
            stopped_ns: 0,
            slow_ns: 0,
            gate_violations: 0,
            figures: Figures { seed, ..Figures::default() },
        }
    }

    /// The first `ns` are not counted: a world that begins in the middle settles.
    pub(super) fn settling(self, ns: u64) -> Self {
        Self { settles_ns: ns, ..self }
    }

    /// What is counted as a part.
    pub(super) fn counts(machine: &Machine) -> String {
        if machine.virtual_cell.conveyors.iter().any(|conveyor| conveyor.gripper.is_some()) {
            return "parts that the gripper placed".into();
        }
        match longest_round(machine) {
            Some(strand) => {
                let names = &machine.names.steps;
                let name = names.iter().find(|step| step.strand == strand);
                let name = name.map_or("?", |step| step.strand_name.as_str());
                format!("rounds of the strand {name}")
            }
            None => "nothing: no gripper, and no strand that begins again".into(),
        }
    }

    fn event(&mut self, now: u64, event: &Event) {
        match *event {
            Event::Machine { to, .. } => self.machine = to,
            Event::SpeedLimit { group, limit } => {
                self.limits.insert(group.0, limit);
            }
            Event::Step { strand, step } => self.step(now, strand, step),
            Event::ShutdownRequested => self.over = true,
            Event::GateViolation { .. } if self.open() => self.gate_violations += 1,
            Event::Trip { cause, reaction, .. }
                if self.open()
                    && reaction >= Reaction::Stop2
                    && !matches!(cause, SafeCause::Boot | SafeCause::Shutdown) =>
            {
                let key = (self.labels.cause(cause), self.labels.cause_kind(cause).to_owned());
                *self.stops.entry(key).or_default() += 1;
            }
            _ => {}
        }
    }

    fn open(&self) -> bool {
        self.began.is_some() && !self.over
    }

    /// A strand with a gripper's parts needs no rounds; without one, the longest strand that begins again says what a part is.
    fn step(&mut self, now: u64, strand: u8, step: u16) {
        let place = usize::from(strand);
        let longest = self.longest();
        let Some(before) = self.steps.get_mut(place) else { return };
        let was = std::mem::replace(before, step);
        let begins = self.rounds.get(place).map_or(u16::MAX, |(begins, _)| *begins);
        if !self.has_gripper
            && longest == Some(place)
            && step == begins
            && was > step
            && self.open()
        {
            self.marks.push(now);
        }
    }

    fn longest(&self) -> Option<usize> {
        let again = self.rounds.iter().enumerate().filter(|(_, (begins, _))| *begins != u16::MAX);
        again.max_by_key(|(_, (_, steps))| *steps).map(|(place, _)| place)
    }

    fn parts(&mut self, world: &world::World, now: u64) {
        let counts = (0..self.conveyors).filter_map(|conveyor| world.parts(conveyor));
        let (mut placed, mut lost) = (0, 0);
        for count in counts {
            placed += count.placed;
            lost += count.lost();
        }
        let before = *self.lost_before.get_or_insert(lost);
        self.figures.parts_lost = lost.saturating_sub(before);
        for _ in self.placed..placed {
            self.marks.push(now);
        }
        self.placed = placed;
    }

    /// What it amounts to.
    pub(super) fn done(mut self, report: &Report) -> Figures {
        let window_ns = self.began.map_or(0, |began| self.last.saturating_sub(began));
        let seconds = |ns: u64| float(ns) / 1e9;
        let window_s = seconds(window_ns);
        let mut figures = std::mem::take(&mut self.figures);
        figures.window_s = window_s;
        figures.parts = u64::try_from(self.marks.len()).unwrap_or(u64::MAX);
        let pairs = self.marks.windows(2).filter_map(|pair| match pair {
            [from, to] => Some(seconds(to.saturating_sub(*from))),
            _ => None,
        });
        figures.cycle_times_s = pairs.collect();
        let stops = self.stops.into_iter();
        figures.stops = stops.map(|((cause, kind), count)| Stops { cause, kind, count }).collect();
        figures.stops.sort_by_key(|stops| std::cmp::Reverse(stops.count));
        figures.stopped_s = seconds(self.stopped_ns);
        figures.slow_s = seconds(self.slow_ns);
        figures.gate_violations = self.gate_violations;
        figures.axes = self.axes.into_iter().map(|axis| axis.done(window_s / 3600.0)).collect();
        figures.ended.clone_from(&report.ended.message);
        figures.exit_code = report.exit_code;
        figures.complete()
    }
}

fn longest_round(machine: &Machine) -> Option<usize> {
    let strands = machine.plan.program.strands.iter().enumerate();
    let again = strands.filter(|(_, strand)| strand.restart_at.is_some());
    again.max_by_key(|(_, strand)| strand.steps.len()).map(|(place, _)| place)
}

impl Onlooker for Gauge {
    fn record(&mut self, record: &Record) {
        match &record.body {
            Body::Cycle(cycle) => self.machine = cycle.machine,
            Body::Event(event) => self.event(record.now, event),
            Body::Axis(axis) if self.open() => {
                let view = &axis.view;
                if let Some(gauge) = self.axes.get_mut(usize::from(axis.axis.0))
                    && view.enabled
                {
                    let most = &mut gauge.figures.following_error_max;
                    *most = most.max(view.following_error.abs());
                }
            }
            _ => {}
        }
    }

    fn cycle(&mut self, cell: &Cell, now: u64) {
        if self.over {
            return;
        }
        if self.began.is_none() {
            let first = *self.first.get_or_insert(now);
            let settling = now.saturating_sub(first) < self.settles_ns;
            if settling || self.machine != MachineState::Run {
                return;
            }
            self.began = Some(now);
            self.last = now;
        }
        let since = now.saturating_sub(std::mem::replace(&mut self.last, now));
        if self.machine == MachineState::Run {
            if self.limits.values().any(|limit| *limit != Nano::MAX) {
                self.slow_ns += since;
            }
        } else {
            self.stopped_ns += since;
        }
        let world = cell.world();
        if self.has_gripper {
            self.parts(world, now);
        }
        for place in 0..world.axis_count() {
            let gauge = cell.machine_axis(place).and_then(|axis| self.axes.get_mut(axis));
            if let (Some(gauge), Some(view)) = (gauge, world.axis(place)) {
                let permille = f64::from(world.servo_feedback(place).torque_permille);
                let torque_nm = permille * 1e-3 * gauge.rated_nm;
                gauge.take(&view, torque_nm);
            }
        }
    }
}
