//! The matrix is true: for each row its cause is forced, and what the loop's interlocks then ask of every group is what the cells say.

use super::*;
use rt_core::bus::{BusState, Exchange};
use rt_core::gate::{OutputNeeds, Outputs};
use rt_core::interlock::{AxisFacts, Facts, GroupDemand, Interlocks, Mode};
use rt_core::plan::{Bits, Cause, InterlockId, Watched};
use rt_core::record::{Body, Event, MachineState, Record};
use rt_core::signal::Signals;
use rt_core::step::{Log, Sink};
use rt_core::vision::StreamView;
use twin_lite::Nano;

const MM: i64 = 1_000_000_000;
/// Longer than any cause of the shipped machines needs.
const CYCLES: u64 = 700;

fn machines() -> Vec<Machine> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/machines");
    let mut machines = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "toml") {
            let text = std::fs::read_to_string(&path).unwrap();
            machines.push(config::load(&text, "machine.toml").unwrap());
        }
    }
    assert!(machines.len() >= 2);
    machines
}

/// Events of the interlocks.
#[derive(Default)]
struct Heard(Vec<Event>);

impl Sink for Heard {
    fn record(&mut self, record: Record) {
        if let Body::Event(event) = record.body {
            self.0.push(event);
        }
    }
}

/// A machine in which all is well, until something is forced.
struct Bench<'a> {
    machine: &'a Machine,
    interlocks: Interlocks,
    signals: Signals,
    exchange: Exchange,
    axes: Vec<AxisFacts>,
    streams: Vec<StreamView>,
    missed: Vec<bool>,
    overruns_exceeded: bool,
    supervisor_silent: bool,
    /// What the mode selector says: automatic, manual.
    selected: (i64, i64),
    /// What is requested is confirmed.
    confirming: bool,
    now: u64,
    demanding: Vec<usize>,
}

impl<'a> Bench<'a> {
    fn new(machine: &'a Machine) -> Self {
        let plan = &machine.plan;
        let units = machine.bus.sync_units.len();
        let units_all = u64::MAX.checked_shr(64 - u32::try_from(units).unwrap()).unwrap_or(0);
        let axes = plan.axes.iter().map(|axis| {
            let middle = axis.limits.position.map_or(0, |(low, high)| i64::midpoint(low.0, high.0));
            let mut facts = AxisFacts {
                position: Nano(middle),
                commanded: Nano(middle),
                commanded_stop: Nano(middle),
                in_position_mode: true,
                following_error_max: axis.limits.following_error,
                margin: Nano(MM),
                ..AxisFacts::default()
            };
            facts.view.inputs_good = true;
            facts.view.referenced = true;
            facts.view.enabled = true;
            facts.view.follows_target = true;
            facts
        });
        let well = StreamView {
            clear: u32::MAX,
            evaluated: u32::MAX,
            captured_at: 1_000_000_000,
            refusal: None,
            ..StreamView::SILENT
        };
        Self {
            machine,
            interlocks: Interlocks::new(plan),
            signals: Signals::new(usize::from(plan.signal_count)),
            exchange: Exchange {
                state: BusState::Operational,
                units_good: units_all,
                units_all,
                ..Exchange::default()
            },
            axes: axes.collect(),
            streams: vec![well; plan.streams.len()],
            missed: vec![false; plan.inspections.len()],
            overruns_exceeded: false,
            supervisor_silent: false,
            selected: (1, 0),
            confirming: false,
            now: 1_000_000_000,
            demanding: Vec::new(),
        }
    }

    /// In the mode in which `row` counts, and with everything in hand that a person holds.
    fn ready(machine: &'a Machine, row: usize) -> Self {
        let mut bench = Self::new(machine);
        if machine.plan.interlocks[row].when == When::Manual {
            bench.selected = (0, 1);
        }
        let held =
            |cause: &Cause| matches!(cause, Cause::EnablingSwitch { .. } | Cause::TwoHand { .. });
        let rows = machine.plan.interlocks.iter().filter(|row| held(&row.cause));
        let held: Vec<_> = rows.flat_map(|row| inputs(&row.cause)).collect();
        bench.run(2, &held);
        bench.run(CYCLES, &[]);
        assert!(bench.demanding.is_empty(), "all is well at first: {:?}", bench.demanding);
        bench
    }

    /// So many cycles; inputs are as they must be, but those of `wrong`.
    fn run(&mut self, cycles: u64, wrong: &[SignalIdOf]) {
        for _ in 0..cycles {
            self.now += self.machine.plan.period_ns;
            for stream in self.streams.iter_mut().filter(|stream| stream.refusal.is_none()) {
                stream.captured_at = self.now;
            }
            for row in &self.machine.plan.interlocks {
                for (signal, well, bad) in levels(&row.cause) {
                    let value = if wrong.contains(&signal) { bad } else { well };
                    self.signals.set(signal, value, self.now);
                }
                if let Cause::SafetyRequest { request, confirmation, .. } = row.cause
                    && self.confirming
                {
                    self.signals.set(request.signal, request.value, self.now);
                    self.signals.set(confirmation.signal, confirmation.value, self.now);
                }
            }
            if let Some(mode) = &self.machine.plan.mode {
                self.signals.set(mode.automatic, self.selected.0, self.now);
                self.signals.set(mode.manual, self.selected.1, self.now);
            }
            let facts = Facts {
                now: self.now,
                signals: &self.signals,
                exchange: &self.exchange,
                axes: &self.axes,
                missed: &self.missed,
                streams: &self.streams,
                overruns_exceeded: self.overruns_exceeded,
                supervisor_at: if self.supervisor_silent { 1 } else { self.now },
                stale_after_ns: stale_after_ns(&self.machine.plan),
            };
            let mut heard = Heard::default();
            self.interlocks.evaluate(&facts, &mut Log::new(&mut heard, 0, self.now));
            for event in heard.0 {
                match event {
                    Event::Demand { interlock } => self.demanding.push(usize::from(interlock.0)),
                    Event::Clear { interlock } => {
                        self.demanding.retain(|row| *row != usize::from(interlock.0));
                    }
                    _ => {}
                }
            }
        }
    }

    /// Makes `cause` come true; returns the inputs that are 0 for it.
    fn force(&mut self, cause: &Cause) -> Vec<SignalIdOf> {
        match *cause {
            Cause::DualChannel { .. }
            | Cause::Input { .. }
            | Cause::Antivalent { .. }
            | Cause::EnablingSwitch { .. }
            | Cause::TwoHand { .. }
            | Cause::Muting(_)
            | Cause::Edm { .. }
            | Cause::SafetyRequest { .. }
            | Cause::Threshold { of: Watched::Signal(_), .. } => return inputs(cause),
            Cause::Threshold { of, band } => self.exceed(of, band.high.expect("a highest value")),
            Cause::NotReferenced { axis } => {
                self.axes[usize::from(axis.0)].view.referenced = false;
            }
            Cause::StaleVision { stream } => {
                self.streams[usize::from(stream.0)] = StreamView::SILENT;
            }
            Cause::ModeSelector => self.selected = (0, 0),
            Cause::Inspection { inspection } => self.missed[usize::from(inspection.0)] = true,
            Cause::Zone { stream, zone } => self.occupy(stream, zone),
            Cause::TwinLimit { axis } => {
                let plan = &self.machine.plan.axes[usize::from(axis.0)];
                let (_, high) = plan.limits.position.expect("config refuses it without");
                self.move_to(axis, Nano(high.0 - MM));
            }
            Cause::TwinDoubt { axis } => self.axes[usize::from(axis.0)].doubted = true,
            Cause::TwinZone { axis, stream, zone, from, to } => {
                self.occupy(stream, zone);
                self.move_to(axis, Nano(i64::midpoint(from.0, to.0)));
            }
            Cause::FollowingError { axis } => {
                let facts = &mut self.axes[usize::from(axis.0)];
                facts.view.following_error = facts.following_error_max.units() * 1.01;
            }
            Cause::DriveFault { axis } => self.axes[usize::from(axis.0)].view.fault = true,
            Cause::TargetIgnored { axis } => {
                self.axes[usize::from(axis.0)].view.follows_target = false;
            }
            Cause::WorkingCounter { unit, .. } => self.exchange.units_good &= !(1 << unit),
            Cause::Bus => self.exchange.state = BusState::Faulted,
            Cause::DcUnlocked => self.exchange.dc_unlocked = true,
            Cause::Overrun => self.overruns_exceeded = true,
            Cause::Supervisor { .. } => self.supervisor_silent = true,
            Cause::Separation(plan) => {
                self.streams[usize::from(plan.stream.0)].evaluated &= !(1 << plan.zone);
            }
        }
        Vec::new()
    }

    fn exceed(&mut self, of: Watched, high: i64) {
        match of {
            Watched::Speed(axis) => self.axes[usize::from(axis.0)].velocity = Nano(high + MM),
            Watched::Position(axis) => self.axes[usize::from(axis.0)].position = Nano(high + MM),
            Watched::Torque(axis) => {
                let torque = i16::try_from(high + 1).expect("below 500 %");
                self.axes[usize::from(axis.0)].view.torque_permille = torque;
            }
            Watched::Signal(_) => unreachable!("an input"),
        }
    }

    fn occupy(&mut self, stream: rt_core::vision::StreamId, zone: u8) {
        self.streams[usize::from(stream.0)].clear &= !(1 << zone);
    }

    /// Fast, towards positive positions, with 20 mm to stop.
    fn move_to(&mut self, axis: rt_core::plan::AxisId, position: Nano) {
        let facts = &mut self.axes[usize::from(axis.0)];
        facts.position = position;
        facts.velocity = Nano(300 * MM);
        facts.commanded_velocity = Nano(300 * MM);
        facts.stopping = Nano(20 * MM);
        facts.commanded_stop = Nano(position.0 + 20 * MM);
    }

    /// What the cells of all demanding (or latched) rows say of each group, against what the loop asks.
    fn differences(&self, matrix: &Matrix, rows: &[usize]) -> Vec<String> {
        let mut found = Vec::new();
        for (group, asked) in self.interlocks.groups().iter().enumerate() {
            let (mut stop, mut limit) = (None, f64::INFINITY);
            if let Some(mode) = &self.machine.plan.mode
                && self.interlocks.mode() != Mode::Automatic
            {
                limit = mode.speeds[group].units();
            }
            for row in rows {
                match matrix.rows[*row].effects[group] {
                    Effect::Stop2 if stop < Some(1) => stop = Some(1),
                    Effect::Stop1 if stop < Some(2) => stop = Some(2),
                    Effect::Stop0 if stop < Some(3) => stop = Some(3),
                    Effect::LimitSpeed(speed) => limit = limit.min(speed),
                    _ => {}
                }
            }
            let strength = |demand: &GroupDemand| match demand.stop.map(|stop| stop.reaction) {
                None => None,
                Some(Reaction::Stop2) => Some(1),
                Some(Reaction::Stop1) => Some(2),
                Some(Reaction::Stop0) => Some(3),
                Some(other) => panic!("{other:?} is no stop"),
            };
            let asked_limit = match asked.speed_limit {
                Nano::MAX => f64::INFINITY,
                limit => limit.units(),
            };
            // A group that is to rest may have a limit as well: it stands then.
            let rests = rows.iter().any(|row| matrix.rows[*row].effects[group] == Effect::Rest);
            if strength(asked) != stop || (asked_limit.to_bits() != limit.to_bits() && !rests) {
                found.push(format!("group {group}: cells {stop:?} ≤ {limit}, asked {asked:?}"));
            }
        }
        found.extend(self.output_differences(matrix, rows));
        found
    }

    /// The same for outputs: the program asks all of them for what is not their safe state, and the machine ran before.
    fn output_differences(&self, matrix: &Matrix, rows: &[usize]) -> Vec<String> {
        let plan = &self.machine.plan;
        let mut outputs = Outputs::new(&plan.outputs);
        for output in &plan.outputs {
            outputs.ask(output.signal, 1 - output.safe);
            outputs.drive(output.signal, output.safe == 0);
        }
        outputs.hold(self.interlocks.outputs());
        let run = self.interlocks.first_stop().is_none();
        let machine = if run { MachineState::Run } else { MachineState::Safe };
        let stopped =
            |group: GroupId| self.interlocks.groups()[usize::from(group.0)].stop.is_some();
        let released = |group: GroupId| run && !stopped(group);
        let needs =
            OutputNeeds { machine, ending: false, released: &released, brake_released: &|_| true };
        let mut signals = Signals::new(usize::from(plan.signal_count));
        outputs.write(&needs, &mut signals, 1);
        let mut found = Vec::new();
        for (place, output) in plan.outputs.iter().enumerate() {
            let says = |effect| rows.iter().any(|row| matrix.rows[*row].outputs[place] == effect);
            let expected = match output.source {
                OutputSource::Program | OutputSource::Inspection if says(OutputEffect::Safe) => {
                    output.safe
                }
                OutputSource::Program | OutputSource::Inspection => 1 - output.safe,
                OutputSource::Running => {
                    if says(OutputEffect::Safe) {
                        output.safe
                    } else {
                        1
                    }
                }
                OutputSource::Waiting => {
                    if says(OutputEffect::Waiting) {
                        1
                    } else {
                        output.safe
                    }
                }
                OutputSource::Brake(_) | OutputSource::Muted => continue,
            };
            let written = signals.get(output.signal).value;
            if written != expected {
                found.push(format!("output {place}: cells {expected}, written {written}"));
            }
        }
        found
    }
}

type SignalIdOf = rt_core::signal::SignalId;

/// Inputs of a cause: what they are when all is well, and what when it demands.
fn levels(cause: &Cause) -> Vec<(SignalIdOf, i64, i64)> {
    match *cause {
        Cause::DualChannel { a, b, .. } | Cause::TwoHand { a, b, .. } => {
            vec![(a, 1, 0), (b, 1, 0)]
        }
        Cause::EnablingSwitch { a, b } => vec![(a, 1, 0), (b, 1, 1)],
        Cause::Antivalent { closed, open, .. } => vec![(closed, 1, 0), (open, 0, 1)],
        Cause::Muting(plan) => {
            let sensors = plan.sensors.iter().flatten().map(|sensor| (*sensor, 0, 0));
            sensors.chain([(plan.a, 1, 0), (plan.b, 1, 0)]).collect()
        }
        Cause::Edm { output, feedback, second, .. } => {
            let second = second.map(|second| (second, 1, 0));
            [(output, 0, 0), (feedback, 1, 0)].into_iter().chain(second).collect()
        }
        Cause::SafetyRequest { request, confirmation, .. } => {
            let not = |bits: Bits| bits.value ^ bits.mask;
            vec![
                (request.signal, not(request), request.value),
                (confirmation.signal, not(confirmation), not(confirmation)),
            ]
        }
        Cause::Threshold { of: Watched::Signal(signal), band } => {
            let high = band.high.expect("the shipped limits have a highest value");
            vec![(signal, high - band.hysteresis - 1, high + 1)]
        }
        Cause::Input { signal } => vec![(signal, 1, 0)],
        _ => vec![],
    }
}

fn inputs(cause: &Cause) -> Vec<SignalIdOf> {
    levels(cause).into_iter().map(|(signal, ..)| signal).collect()
}

/// Forces one row; what the matrix says wrongly about it.
fn force_row(machine: &Machine, matrix: &Matrix, number: usize) -> Vec<String> {
    let mut bench = Bench::ready(machine, number);
    let selected = bench.selected;
    let cause = &machine.plan.interlocks[number].cause;
    let low = bench.force(cause);
    bench.run(CYCLES, &low);
    assert!(bench.demanding.contains(&number), "row {number} is forced: {cause:?}");
    let demanding = bench.demanding.clone();
    let mut found = bench.differences(matrix, &demanding);
    // All is well again: what latches holds on, everything else lets go.
    let well = Bench::new(machine);
    (bench.exchange, bench.axes, bench.streams) = (well.exchange, well.axes, well.streams);
    bench.missed = well.missed;
    (bench.overruns_exceeded, bench.supervisor_silent) = (false, false);
    bench.selected = selected;
    // A request that was not confirmed once must be.
    bench.confirming = true;
    bench.run(1, &[]);
    bench.confirming = false;
    bench.run(CYCLES, &[]);
    assert!(bench.demanding.is_empty(), "row {number}: {cause:?}: {:?}", bench.demanding);
    let latched: Vec<usize> = demanding.into_iter().filter(|row| matrix.rows[*row].latch).collect();
    found
        .extend(bench.differences(matrix, &latched).into_iter().map(|it| format!("latched: {it}")));
    bench.interlocks.reset();
    bench.run(1, &[]);
    found.extend(bench.differences(matrix, &[]).into_iter().map(|it| format!("reset: {it}")));
    found
}

// SR-004
#[test]
fn every_row_does_to_every_group_and_output_what_its_cells_say() {
    for machine in machines() {
        let matrix = Matrix::of(&machine);
        assert_eq!(matrix.rows.len(), machine.plan.interlocks.len());
        for number in 0..matrix.rows.len() {
            let found = force_row(&machine, &matrix, number);
            assert_eq!(found, Vec::<String>::new(), "{}: row {number}", matrix.machine);
        }
    }
}

#[test]
fn a_cell_that_lies_is_found() {
    for machine in machines() {
        let matrix = Matrix::of(&machine);
        for number in 0..matrix.rows.len() {
            for group in 0..matrix.groups.len() {
                let other = match matrix.rows[number].effects[group] {
                    Effect::Stop1 => Effect::Stop2,
                    Effect::LimitSpeed(limit) => Effect::LimitSpeed(limit + 1.0),
                    _ => Effect::Stop1,
                };
                let mut wrong = matrix.clone();
                wrong.rows[number].effects[group] = other;
                let stronger = other == Effect::Stop1;
                let found = force_row(&machine, &wrong, number);
                // A weaker cell may be covered by another row that demands too.
                assert!(!found.is_empty() || !stronger, "row {number}, group {group}");
            }
            let mut wrong = matrix.clone();
            wrong.rows[number].latch = !wrong.rows[number].latch;
            let stops = matrix.rows[number].effects.iter().any(|effect| effect.stops());
            assert!(!force_row(&machine, &wrong, number).is_empty() || !stops, "latch of {number}");
        }
    }
}

#[test]
fn the_first_of_equal_rows_names_the_stop_as_the_rules_say() {
    let machines = machines();
    let demo = machines.iter().find(|machine| machine.name == "demo-cell").unwrap();
    let mut bench = Bench::new(demo);
    bench.run(CYCLES, &[]);
    for row in &demo.plan.interlocks {
        bench.force(&row.cause);
    }
    bench.run(2 * CYCLES, &[]);
    let first = demo.plan.interlocks.iter().enumerate().find(|(number, row)| {
        let stops_1 = row.effects.iter().any(|effect| effect.reaction == Reaction::Stop1);
        stops_1 && bench.demanding.contains(number)
    });
    let first = first.map(|(number, _)| InterlockId(u16::try_from(number).unwrap()));
    assert_eq!(bench.interlocks.groups()[0].stop.map(|stop| stop.interlock), first);
}

#[test]
fn text_page_and_json_say_the_same_and_name_everything() {
    for machine in machines() {
        let matrix = Matrix::of(&machine);
        let (text, json) = (render(&matrix), matrix.to_json().unwrap());
        let page = page(&machine).replace("&#39;", "'");
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["rows"].as_array().unwrap().len(), matrix.rows.len());
        for row in &matrix.rows {
            for said in [&text, &page] {
                assert!(said.contains(&row.name) && said.contains(&row.clear), "{}", row.name);
            }
            assert!(text.contains(&row.cause));
        }
        assert!(!text.contains('?'), "everything has a name: {text}");
        for column in &matrix.groups {
            assert!(text.contains(&column.name) && page.contains(&column.name));
        }
    }
}

#[test]
fn the_budget_has_every_row_and_its_parts_add_up() {
    for machine in machines() {
        let matrix = Matrix::of(&machine);
        let rows = budget::rows(&machine, &matrix);
        assert_eq!(rows.len(), matrix.rows.len());
        for row in rows {
            assert_eq!(row.total_ns, row.detection_ns + 2 * machine.plan.period_ns);
        }
        for stop in budget::stops(&machine) {
            assert!(stop.lost.0 > stop.quick_stop.0 && stop.ramp.0 > 0.0, "{stop:?}");
        }
    }
}
