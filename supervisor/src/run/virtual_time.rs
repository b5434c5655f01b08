//! A run in virtual time: everything in this thread, as fast as it goes, the same bytes for the same seed.

use std::time::Instant;

use fieldbus::link::InlineLink;
use fieldbus::{EtherCat, bring_up, time};
use rt_core::cycle::{Command, Cycle};
use rt_core::program::{Program, Sequence};
use rt_core::vision::{Object, objects};
use rt_linux::guard::{self, Counts};
use rt_linux::signal::Shutdown;

use super::link::{CellLink, Tapped};
use super::resume::Behind;
use super::supervise::Supervise;
use super::{Onlooker, Options, Parts, Source, channels, core_of, direct, references};
use crate::capture::{Bounds, CaptureFile, Sink};
use crate::cell::{Cell, Disturbed, HORIZON_NS};
use crate::console::Scene;
use crate::drain::{Checkpoints, Drain, LoopPorts, Outside};
use crate::exit::Error;
use crate::flight::{self, RingTaker, Watch};
use crate::inquiry::Inquiry;
use crate::references::Keeper;
use crate::report::guards::Guards;
use crate::report::{Context, Report};
use crate::vision::Judge;
use crate::what_if::{Moment, not_this};

/// Where virtual time begins, ns.
pub(super) const START_NS: u64 = 1_000_000_000;
/// Without `--for` a run in virtual time ends after this, ns.
const DURATION_NS: u64 = 60_000_000_000;
/// Cycles between looks at the wall clock for the console.
const LOOK_CYCLES: u64 = 256;

/// The thread's virtual clock.
#[derive(Clone, Copy, Debug, Default)]
struct VirtualClock;

impl rt_core::Clock for VirtualClock {
    fn now(&self) -> u64 {
        time::now()
    }

    fn sleep_until(&mut self, wake: u64) -> u64 {
        time::advance_virtual(wake);
        time::now()
    }
}

/// Gives the thread its real time back, whatever happens.
struct RealTimeAgain;

impl Drop for RealTimeAgain {
    fn drop(&mut self) {
        time::set_monotonic();
    }
}

pub(super) type VirtualLink = Tapped<Disturbed<InlineLink<Cell>>>;
type Loop<P> = Cycle<EtherCat<VirtualLink>, VirtualClock, P, LoopPorts>;

pub(super) fn run<P: Program>(
    source: &Source,
    options: &Options,
    shutdown: &Shutdown,
    program: P,
    onlooker: &mut dyn Onlooker,
    moment: Option<&Moment>,
) -> Result<Report, Error> {
    let machine = &source.machine;
    let _real_time_again = RealTimeAgain;
    let duration_ns = options
        .duration
        .map_or(DURATION_NS, |time| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    let horizon_ns = duration_ns.saturating_add(HORIZON_NS / 24).min(HORIZON_NS * 7);
    let judge = Judge::of(machine)?;
    let mut core = core_of(machine, program)?;
    let mut parts = Parts::new(source, options, "virtual", &mut core)?;
    let mut drain = Drain::new(parts.statistics.clone(), direct(parts.recorder.take()))
        .with_audit(std::mem::take(&mut parts.audit));
    let began = Instant::now();
    let flight::Prepared { flight, giver, watch, taker } =
        flight::prepare(machine.plan.period_ns, &options.flight);
    let (ports, mut outside, checkpoints) = channels(&mut core, giver);
    let mut bus = match come_up(source, options, horizon_ns, moment) {
        Ok(bus) => bus,
        Err(error) => {
            drain.note(time::now(), &error.message);
            let ledger = drain.finish(&mut outside.records);
            return Err(parts.failed(error, &context(&parts, source, options), &ledger));
        }
    };
    let mut inquiry = Inquiry::new(machine);
    inquiry.begin(bus.take_coe_client().map(Box::new));
    let mut keeper = Keeper::open(machine, options);
    let verdicts = keeper.kept().judge(bus.devices());
    references::keep(&mut core, &verdicts);
    keeper.hear(verdicts);
    let now = if moment.is_some() { time::now() } else { bus.aligned_start(time::now()) };
    time::advance_virtual(now);
    let cycle = Cycle::new(bus, VirtualClock, core, ports, machine.cycle.receive_deadline_ns)
        .with_flight(flight);
    let cycle = match moment {
        Some(moment) => {
            cycle.resumed(moment.cycle, moment.words()).map_err(|wrong| not_this(&wrong))?
        }
        None => cycle,
    };
    let cycle = if options.record.is_some() { cycle.with_checkpoints() } else { cycle };
    let mut run = Run {
        cycle,
        drain,
        keeper,
        outside,
        checkpoints,
        inquiry,
        judge,
        supervise: Supervise::new(now, Some(duration_ns))
            .waiting_for_devices(machine.bus_patience_ns),
        allocator: Counts::default(),
        people: Vec::new(),
        watch,
        taker,
    };
    run.cycles(&mut parts, (options, shutdown), began, onlooker);
    let elapsed = began.elapsed();
    run.end(parts, source, options, elapsed)
}

/// The segment, up: from the beginning, or as it was at a moment.
fn come_up(
    source: &Source,
    options: &Options,
    horizon_ns: u64,
    moment: Option<&Moment>,
) -> Result<EtherCat<VirtualLink>, Error> {
    let Some(moment) = moment else { return from_the_beginning(source, options, horizon_ns) };
    let machine = &source.machine;
    let looked = moment.look(machine, Sequence::new(&machine.plan))?;
    Behind::new(machine, looked, moment, (options.seed, horizon_ns)).bus()
}

/// The segment as it is when it is switched on.
fn from_the_beginning(
    source: &Source,
    options: &Options,
    horizon_ns: u64,
) -> Result<EtherCat<VirtualLink>, Error> {
    let machine = &source.machine;
    let cell = Cell::new(machine, options.seed, START_NS, horizon_ns, None)?;
    let disturbance = cell.disturbance();
    let link = Disturbed::new(InlineLink::new(cell, START_NS), disturbance);
    let link = Tapped::new(link, sink(options)?);
    bring_up(link, &machine.bus, &mut |_| {})
        .map_err(|wrong| Error::bus(format!("{}: {wrong}", machine.name)))
}

/// Where the frames are copied to.
fn sink(options: &Options) -> Result<Option<Sink>, Error> {
    let Some(path) = &options.capture else { return Ok(None) };
    let file = CaptureFile::create(path, Bounds::default(), 0)?;
    Ok(Some(Sink::File(Box::new(file))))
}

struct Run<P: Program> {
    cycle: Loop<P>,
    drain: Drain,
    keeper: Keeper,
    outside: Outside,
    checkpoints: Checkpoints,
    inquiry: Inquiry,
    judge: Judge,
    supervise: Supervise,
    allocator: Counts,
    people: Vec<Object>,
    watch: Watch,
    taker: RingTaker,
}

impl<P: Program> Run<P> {
    fn cycles(
        &mut self,
        parts: &mut Parts,
        (options, shutdown): (&Options, &Shutdown),
        began: Instant,
        onlooker: &mut dyn Onlooker,
    ) {
        let mut asked = false;
        for number in 0_u64.. {
            let now = time::now();
            self.outside.command.write(Command { shutdown: asked, supervisor_at: now });
            let before = guard::thread_counts();
            let more = self.cycle.run_one();
            let used = guard::thread_counts().since(before);
            self.allocator.allocations += used.allocations;
            self.allocator.frees += used.frees;
            self.pictures();
            self.watch.look();
            flight::take(&mut self.taker, &mut parts.dumps);
            self.drain.take_seen(&mut self.outside.records, &mut |record| onlooker.record(record));
            self.drain.checkpoints(&mut self.checkpoints);
            let now = time::now();
            onlooker.cycle(self.cycle.bus_mut().link_mut().cell(), now);
            self.inquiry.look(&mut self.drain, now);
            references::settle(&mut self.keeper, &mut self.drain, now, options.headless);
            asked = self.supervise.look(&self.drain.statistics, shutdown.requested(), now);
            if !more || self.supervise.out_of_patience(now) {
                break;
            }
            if number % LOOK_CYCLES == 0 {
                self.show(parts, options, began);
            }
        }
    }

    /// Hands the cameras' datagrams over, as the socket does in real time.
    fn pictures(&mut self) {
        let mut any = false;
        while let Some(bytes) = self.cycle.bus_mut().link_mut().cell().take_datagram() {
            if let Some(datagram) = self.judge.take(&bytes, time::now()) {
                self.drain.vision(&datagram);
                if let Some(result) = datagram.inspected() {
                    // Full: the stream counts it.
                    let _ = self.outside.inspections.push(result);
                    continue;
                }
                self.people.clear();
                self.people.extend(objects(&datagram.bytes));
                any = true;
            }
        }
        if any {
            self.outside.vision.write(*self.judge.inputs());
        }
        for (picture, at) in self.drain.pictures.drain(..) {
            self.judge.taken(picture.stream, picture.received_at, at);
        }
    }

    fn show(&self, parts: &mut Parts, options: &Options, began: Instant) {
        let elapsed = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        if !parts.console.due(&self.drain.statistics, elapsed) {
            return;
        }
        let scene = Scene {
            realtime: "virtual".into(),
            link: options.link.to_string(),
            people: self.people.clone(),
            cameras: Vec::new(),
            records: (self.outside.records.produced(), self.outside.records.dropped()),
            elapsed,
            measured: false,
            notice: None,
            durations: Vec::new(),
        };
        parts.console.show(&self.drain.statistics, &parts.labels, &scene);
    }

    fn end(
        mut self,
        mut parts: Parts,
        source: &Source,
        options: &Options,
        elapsed: std::time::Duration,
    ) -> Result<Report, Error> {
        let simulated = self.drain.statistics.cycles * source.machine.plan.period_ns;
        let loop_report = self.cycle.report();
        self.cycle.land();
        flight::take(&mut self.taker, &mut parts.dumps);
        // The devices go down in order; the run is over either way, and its end says how it went.
        let taken_down = self.cycle.bus_mut().shutdown();
        if let Err(wrong) = taken_down {
            self.drain.note(time::now(), &format!("the bus was not taken down in order: {wrong}"));
        }
        references::finish(&mut self.keeper, &mut self.drain, &mut self.outside.records, options);
        let ledger = self.drain.finish(&mut self.outside.records);
        let statistics = &self.drain.statistics;
        let end = self.supervise.end(statistics).judge(statistics, &parts.labels);
        parts.console.leave();
        self.cycle.bus_mut().link_mut().finish()?;
        let mut vision = self.judge.counts();
        vision.look(time::now());
        vision.stored = ledger.stored.vision;
        let context = Context {
            loop_report,
            mailbox: Some(self.cycle.bus().mailbox_counts()),
            dc: self.cycle.bus().dc(),
            guards: Guards {
                allocations: guard::is_counting().then_some(self.allocator.allocations),
                frees: guard::is_counting().then_some(self.allocator.frees),
                ..Guards::default()
            }
            .judged(),
            speed: Some(ratio(simulated, elapsed)),
            bring_up: Some(self.cycle.bus().bring_up_took()),
            flight: self.watch.report(&parts.dumps),
            reference_notes: references::notes(&self.keeper, source),
            ..context(&parts, source, options)
        };
        Ok(Report::new(statistics, &parts.labels, &context, &ledger, vision, end))
    }
}

/// What is known before the first cycle.
fn context(parts: &Parts, source: &Source, options: &Options) -> Context {
    Context {
        realtime: "degraded".into(),
        degraded_reasons: vec!["virtual time: no duration was measured".into()],
        measured: false,
        ..parts.context(source, options)
    }
}

#[expect(clippy::cast_precision_loss, reason = "for people, to three digits")]
fn ratio(simulated_ns: u64, elapsed: std::time::Duration) -> f64 {
    simulated_ns as f64 / 1e9 / elapsed.as_secs_f64().max(1e-9)
}
