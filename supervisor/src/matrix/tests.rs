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
const CYCLES: u64 = 1300;

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
    overruns_exceeded: bool,
    supervisor_silent: bool,
    now: u64,
    demanding: Vec<usize>,
    /// Selected, if there is a selector.
    manual: bool,
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
        let well = StreamView { clear: u32::MAX, captured_at: 1, refusal: None };
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
            overruns_exceeded: false,
            supervisor_silent: false,
            now: 1_000_000_000,
            demanding: Vec::new(),
            manual: false,
        }
    }

    /// So many cycles; inputs that must be 1 are, but `low`.
    fn run(&mut self, cycles: u64, low: &[SignalIdOf]) {
        for _ in 0..cycles {
            self.now += self.machine.plan.period_ns;
            self.set_inputs(low);
            let facts = Facts {
                now: self.now,
                signals: &self.signals,
                exchange: &self.exchange,
                axes: &self.axes,
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

    fn set_inputs(&mut self, low: &[SignalIdOf]) {
        let plan = &self.machine.plan;
        for signal in 0..plan.signal_count {
            self.signals.set(rt_core::signal::SignalId(signal), 0, self.now);
        }
        for row in &plan.interlocks {
            for signal in inputs(&row.cause) {
                self.signals.set(signal, i64::from(!low.contains(&signal)), self.now);
            }
            if let Cause::Threshold { of: Watched::Signal(signal), band } = row.cause {
                let well =
                    band.low.unwrap_or(0).midpoint(band.high.unwrap_or(band.low.unwrap_or(0)));
                let beyond = band.high.map_or_else(|| band.low.unwrap_or(0) - 1, |high| high + 1);
                let value = if low.contains(&signal) { beyond } else { well };
                self.signals.set(signal, value, self.now);
            }
            if let Cause::SafetyRequest { request, confirmation, .. } = row.cause
                && low.contains(&confirmation.signal)
            {
                let Bits { signal, mask, value } = confirmation;
                self.signals.set(request.signal, request.value, self.now);
                self.signals.set(signal, value ^ mask, self.now);
            }
        }
        if let Some(mode) = &plan.mode {
            let selected = low.contains(&mode.automatic) || low.contains(&mode.manual);
            self.signals.set(mode.automatic, i64::from(!self.manual && !selected), self.now);
            self.signals.set(mode.manual, i64::from(self.manual && !selected), self.now);
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
            | Cause::Edm { .. }
            | Cause::Muting(_) => return inputs(cause),
            Cause::Threshold { of: Watched::Signal(signal), .. } => return vec![signal],
            Cause::Threshold { of: Watched::Speed(axis), band } => {
                let facts = &mut self.axes[usize::from(axis.0)];
                facts.velocity = Nano(band.high.expect("a speed has an upper limit") + 1);
            }
            Cause::Threshold { of: Watched::Position(_) | Watched::Torque(_), .. } => {
                panic!("no shipped machine has one: say here how it is forced")
            }
            Cause::SafetyRequest { confirmation, .. } => return vec![confirmation.signal],
            Cause::NotReferenced { axis } => {
                self.axes[usize::from(axis.0)].view.referenced = false;
            }
            Cause::StaleVision { stream } => {
                self.streams[usize::from(stream.0)] = StreamView::SILENT;
            }
            Cause::ModeSelector => {
                let mode = self.machine.plan.mode.as_ref().expect("config refuses it without");
                return vec![mode.automatic, mode.manual];
            }
            Cause::Zone { stream, zone } => self.occupy(stream, zone),
            Cause::TwinLimit { axis } => {
                let plan = &self.machine.plan.axes[usize::from(axis.0)];
                let (_, high) = plan.limits.position.expect("config refuses it without");
                self.move_to(axis, Nano(high.0 - MM));
            }
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
        }
        Vec::new()
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
            let plan = &self.machine.plan;
            let order = plan.groups[group].stop.order;
            let (mut stop, mut limit) = (Reaction::None, f64::INFINITY);
            for row in rows {
                match matrix.rows[*row].effects[group] {
                    Effect::Stop2 => stop = order.worst(stop, Reaction::Stop2),
                    Effect::Stop1 => stop = order.worst(stop, Reaction::Stop1),
                    Effect::Stop0 => stop = order.worst(stop, Reaction::Stop0),
                    Effect::LimitSpeed(speed) => limit = limit.min(speed),
                    _ => {}
                }
            }
            // In manual, and while the mode is not known, every group is held to its speed besides.
            if let Some(mode) =
                plan.mode.as_ref().filter(|_| self.interlocks.mode() != Mode::Automatic)
            {
                limit = limit.min(mode.speeds[group].units());
            }
            let strength =
                |demand: &GroupDemand| demand.stop.map_or(Reaction::None, |stop| stop.reaction);
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
        }
        let run = self.interlocks.first_stop().is_none();
        let machine = if run { MachineState::Run } else { MachineState::Safe };
        let stopped =
            |group: GroupId| self.interlocks.groups()[usize::from(group.0)].stop.is_some();
        let released = |group: GroupId| run && !stopped(group);
        let needs =
            OutputNeeds { machine, ending: false, released: &released, brake_released: &|_| true };
        let mut signals = Signals::new(usize::from(plan.signal_count));
        outputs.hold(self.interlocks.outputs());
        outputs.write(&needs, &mut signals, 1);
        let mut found = Vec::new();
        for (place, output) in plan.outputs.iter().enumerate() {
            let says = |effect| rows.iter().any(|row| matrix.rows[*row].outputs[place] == effect);
            let expected = match output.source {
                OutputSource::Program if says(OutputEffect::Safe) => output.safe,
                OutputSource::Program => 1 - output.safe,
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

/// Inputs that must be 1 for a cause to be clear.
fn inputs(cause: &Cause) -> Vec<SignalIdOf> {
    match *cause {
        Cause::DualChannel { a, b, .. } => vec![a, b],
        Cause::Input { signal } => vec![signal],
        Cause::EnablingSwitch { a, b } | Cause::TwoHand { a, b, .. } => vec![a, b],
        Cause::Antivalent { closed, .. } => vec![closed],
        Cause::Edm { feedback, .. } => vec![feedback],
        Cause::Muting(muting) => vec![muting.a, muting.b],
        _ => vec![],
    }
}

/// A machine in which nothing demands, in the mode in which a row counts: devices that are worked were let go before.
fn well(machine: &Machine, number: usize) -> Bench<'_> {
    let mut bench = Bench::new(machine);
    let row = &machine.plan.interlocks[number];
    bench.manual = row.when == When::Manual;
    let held = machine.plan.interlocks.iter().filter_map(|row| match row.cause {
        Cause::EnablingSwitch { a, .. } => Some(a),
        _ => None,
    });
    bench.run(CYCLES, &held.collect::<Vec<_>>());
    bench.run(CYCLES, &[]);
    bench.interlocks.reset();
    bench.run(1, &[]);
    assert_eq!(bench.demanding, Vec::<usize>::new(), "all is well at first");
    bench
}

/// Forces one row; what the matrix says wrongly about it.
fn force_row(machine: &Machine, matrix: &Matrix, number: usize) -> Vec<String> {
    let mut bench = well(machine, number);
    let cause = &machine.plan.interlocks[number].cause;
    let low = bench.force(cause);
    bench.run(CYCLES, &low);
    assert!(bench.demanding.contains(&number), "row {number} is forced: {cause:?}");
    let demanding = bench.demanding.clone();
    let mut found = bench.differences(matrix, &demanding);
    // All is well again: what latches holds on, everything else lets go.
    let well = Bench::new(machine);
    (bench.exchange, bench.axes, bench.streams) = (well.exchange, well.axes, well.streams);
    (bench.overruns_exceeded, bench.supervisor_silent) = (false, false);
    bench.run(CYCLES, &[]);
    assert!(bench.demanding.is_empty());
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
                    Effect::Stop1 | Effect::Stop0 => Effect::Stop2,
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
    let mut bench = well(demo, 0);
    for row in &demo.plan.interlocks {
        bench.force(&row.cause);
    }
    bench.run(CYCLES, &[]);
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
