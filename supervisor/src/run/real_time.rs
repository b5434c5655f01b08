//! A run in real time: the cyclic thread, and around it the segment (virtual link), the vision receiver, the recorder, and this
//! thread, which supervises.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crossbeam::channel::{Receiver, Sender, TryRecvError, bounded};

use config::{CycleSettings, Realtime};
use fieldbus::bringup::Progress;
use fieldbus::coe::{CoeClient, drive_error_text};
use fieldbus::link::{Link as _, RawOptions, SocketLink, serve};
use fieldbus::{Emergency, EtherCat, bring_up};
use rt_channel::{latest, stream};
use rt_core::cycle::{Command, Cycle, CycleReport};
use rt_core::flight::Flight;
use rt_core::program::Program;
use rt_core::step::Core;
use rt_core::vision::{Inspected, Object, VisionInputs, objects};
use rt_linux::admission::{self, Locked, Outcome};
use rt_linux::broken::{self, Broken};
use rt_linux::clock;
use rt_linux::guard;
use rt_linux::guard::filter::NoFilter;
use rt_linux::run::{Ran, Watch, WatchCalls};
use rt_linux::signal::Shutdown;
use rt_linux::thread::{spawn_helper, spawn_realtime};

use super::cable::Cable;
use super::guards::{self, Beside, Calls};
use super::link::{Tapped, Wired};
use super::supervise::Supervise;
use super::{Options, Park, Parts, Source, channels, core_of, references};
use crate::capture::{Bounds, CaptureFile, CaptureThread, Sink};
use crate::cell::{Cell, Disturbed, HORIZON_NS};
use crate::cli::Link;
use crate::console::Scene;
use crate::drain::{Checkpoints, Drain, LoopPorts, Recording};
use crate::exit::Error;
use crate::flight::{self, FlightThread};
use crate::forward::{self, Forward};
use crate::inquiry::Inquiry;
use crate::receiver::{Sockets, VisionThread};
use crate::record::RecorderThread;
use crate::references::{Keeper, Kept, Verdict};
use crate::report::{Context, Interface, Report};
use crate::vision::Judge;

/// Stack of the cyclic thread: bring-up of up to 512 devices needs 1.1 MB of it.
const STACK_BYTES: usize = 2 << 20;
/// Between two rounds of the supervisor.
const ROUND: Duration = Duration::from_millis(5);
/// The virtual devices have so long to end, ns.
const LEAVE_NS: u64 = 1_000_000_000;
/// From the last preparation to the first cycle, ns: reading back the counts that the guards begin with.
const LEAD_NS: u64 = 2_000_000;
/// Messages of the cyclic thread before its cycles begin.
const NEWS_MAX: usize = 256;

/// What the cyclic thread says before its cycles begin.
enum News {
    Progress(Progress),
    /// Admission is over.
    Admitted(Outcome),
    /// What the drives that were found mean for kept references.
    References(Vec<Verdict>),
    /// The first cycle is about to begin, ns, in this thread.
    Begins(u64, i32),
    /// Through it the loop can be asked for mailbox traffic.
    Mailboxes(Box<CoeClient>),
}

/// What the cyclic thread leaves.
struct LoopEnd {
    bus: EtherCat<Wired>,
    report: CycleReport,
    ran: Ran,
    calls: Calls,
}

/// How the cyclic thread ended.
enum Ended {
    /// It is over, and can be joined.
    Over,
    /// It handed over what it had and can do no more: it is behind a filter.
    Resting(Box<LoopEnd>),
    /// It was stopped, and cannot be joined.
    Broken(Broken),
}

/// The segment's thread, in a run on the virtual link.
struct SegmentThread {
    thread: Option<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
}

impl SegmentThread {
    /// `cpu`: that of the loop. A shared machine may hold up one of its CPUs for milliseconds; devices on another than the loop would
    /// then be silent while the loop runs, which is a fault of the bus; together they are late, which is what it is.
    fn spawn(
        source: &Source,
        options: &Options,
        cpu: Option<usize>,
    ) -> Result<(Self, SocketLink), Error> {
        let (ours, theirs) = fieldbus::link::pair()
            .map_err(|wrong| Error::environment(format!("no virtual link: {wrong}")))?;
        let socket = Some(options.vision_socket.clone());
        let start = theirs.now();
        let mut cell = Cell::new(&source.machine, options.seed, start, HORIZON_NS, socket)?;
        let stop = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stop);
        let request = admission::Request { cpu, ..beside(&source.machine.cycle) };
        let thread = spawn_helper("tactus-segment", move || {
            // Real devices are not held up by other programs; these are not either where the rights are there.
            let _armed = admission::lock(&request).and_then(Locked::arm);
            let mut link = Disturbed::new(theirs, cell.disturbance());
            serve(&mut link, &mut cell, &flag);
        })
        .map_err(no_thread)?;
        Ok((Self { thread: Some(thread), stop }, ours))
    }
}

impl Drop for SegmentThread {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        let Some(thread) = self.thread.take() else { return };
        let patience = clock::now().saturating_add(LEAVE_NS);
        while !thread.is_finished() && clock::now() < patience {
            std::thread::sleep(ROUND);
        }
        // A panic of the virtual devices was printed where it happened; and devices that ran away were stopped for good.
        if thread.is_finished() {
            let _ = thread.join();
        }
    }
}

/// Scheduling of the virtual devices: right below the loop, on any CPU.
pub(crate) fn beside(settings: &CycleSettings) -> admission::Request {
    let priority = settings.priority.unwrap_or(admission::PRIORITY_DEFAULT);
    admission::Request {
        cpu: None,
        priority: Some(priority.saturating_sub(1).max(1)),
        strict: false,
    }
}

fn no_thread(source: std::io::Error) -> Error {
    Error::environment(format!(
        "the system refuses a thread: {source}; see ulimit -u and ulimit -l"
    ))
}

pub(super) fn run<P: Program + Send + 'static>(
    source: &Source,
    options: &Options,
    shutdown: &Shutdown,
    program: P,
) -> Result<Report, Error> {
    let machine = &source.machine;
    // Memory before anything else: what comes later is locked as it comes.
    let request = request(machine.cycle, &options.link);
    let locked = admission::lock(&request).map_err(refused)?;
    // Devices before what records them: without them nothing else needs to be there.
    let (segment, link) = devices(source, options, request.cpu)?;
    let (sink, capture) = capture(options)?;
    let mut core = core_of(machine, program)?;
    let realtime = asked_for(machine.cycle.realtime);
    let mut parts = Parts::new(source, options, realtime, &mut core)?;
    let drain = Drain::new(parts.statistics.clone(), recording(&mut parts)?);
    let drain = outliving(drain, source, options, &mut parts)?;
    let keeper = Keeper::open(machine, options).threaded().map_err(no_thread)?;
    let prepared = flight::prepare(machine.plan.period_ns, &options.flight);
    let (ports, outside, checkpoints) = channels(&mut core, prepared.giver);
    let dumps = FlightThread::spawn(prepared.taker, parts.dumps.clone()).map_err(no_thread)?;
    let vision = cameras(source, options, outside.vision, outside.inspections)?;
    let (news, hear) = bounded(NEWS_MAX);
    let leave = Arc::new(AtomicBool::new(false));
    let (hand_over, resting) = bounded(1);
    let with = ForLoop {
        link: Tapped::new(link, sink),
        locked,
        core,
        ports: ports.with_witness(drain.witness()),
        flight: prepared.flight,
        news,
        kept: keeper.kept(),
        calls: options.watch_calls,
        records: options.record.is_some(),
        hand_over,
    };
    let thread = spawn_loop(source, with, &leave)?;
    let mut run = Run {
        drain,
        keeper,
        records: outside.records,
        checkpoints,
        command: outside.command,
        vision,
        hear,
        resting,
        leave,
        beside: Beside::default(),
        cable: Cable::of(&options.link),
        inquiry: Inquiry::new(machine),
        bus_patience_ns: machine.bus_patience_ns,
        supervise: None,
        outcome: Outcome::default(),
        admitted: false,
        people: Vec::new(),
        notice: Some("starting".into()),
        watch: prepared.watch,
        dumps: Some(dumps),
        capture,
        started: clock::now(),
        park: options.park,
        begins: None,
    };
    let ended = run.rounds(&thread, &mut parts, options, shutdown);
    let ended = run.what_is_left(ended, thread);
    drop(segment);
    run.end_settled(ended, parts, source, options)
}

/// The link, and on the virtual one the devices behind it.
fn devices(
    source: &Source,
    options: &Options,
    cpu: Option<usize>,
) -> Result<(Option<SegmentThread>, SocketLink), Error> {
    match &options.link {
        Link::Virtual => {
            let (thread, link) = SegmentThread::spawn(source, options, cpu)?;
            Ok((Some(thread), link))
        }
        Link::Raw(interface) => {
            let link = fieldbus::link::raw_with(interface, RawOptions::CYCLIC)
                .map_err(|wrong| Error::environment(wrong.to_string()))?;
            Ok((None, link))
        }
    }
}

/// The capture's thread, and where the loop puts the copies.
fn capture(options: &Options) -> Result<(Option<Sink>, Option<CaptureThread>), Error> {
    let Some(path) = &options.capture else { return Ok((None, None)) };
    let file = CaptureFile::create(path, Bounds::default(), wall_offset_ns())?;
    let (sink, thread) = CaptureThread::spawn(file).map_err(no_thread)?;
    Ok((Some(Sink::Stream(sink)), Some(thread)))
}

fn recording(parts: &mut Parts) -> Result<Recording, Error> {
    let Some(recorder) = parts.recorder.take() else { return Ok(Recording::Off) };
    Ok(Recording::Threaded(Box::new(RecorderThread::spawn(recorder).map_err(no_thread)?)))
}

/// The audit log, and what the machine file exports, if anything outlives the run.
fn outliving(
    drain: Drain,
    source: &Source,
    options: &Options,
    parts: &mut Parts,
) -> Result<Drain, Error> {
    let mut drain = drain.with_audit(std::mem::take(&mut parts.audit)).with_book(parts.book.take());
    for text in parts.news.drain(..) {
        drain.note(clock::now(), &text);
    }
    let Some(state) = &options.state else { return Ok(drain) };
    let directory = forward::directory(&source.machine, state, options.link == Link::Virtual);
    let program = forward::this_program();
    let forward = Forward::start(&source.machine, &parts.labels, directory, program);
    Ok(drain.with_forward(forward.map_err(no_thread)?))
}

/// Hears the cameras, if the machine has streams.
fn cameras(
    source: &Source,
    options: &Options,
    vision: latest::Writer<VisionInputs>,
    inspections: stream::Producer<Inspected>,
) -> Result<Option<VisionThread>, Error> {
    let machine = &source.machine;
    if machine.plan.streams.is_empty() {
        return Ok(None);
    }
    let judge = Judge::of(machine)?;
    let sockets = Sockets::bind(&options.vision_socket, machine)?;
    Ok(Some(VisionThread::spawn(sockets, judge, vision, inspections)?))
}

/// Streams that anybody on their network can speak for.
// SR-072
fn insecure(vision: &Option<VisionThread>) -> Vec<String> {
    let streams = vision.as_ref().map(|vision| vision.counts(0).streams).unwrap_or_default();
    let open = streams.iter().filter(|stream| stream.socket.ends_with("INSECURE"));
    open.map(|stream| format!("stream {} is INSECURE: it has no key", stream.name)).collect()
}

/// What the machine file allows; what became of it is a remark in the recording.
fn asked_for(realtime: Realtime) -> &'static str {
    match realtime {
        Realtime::Strict => "strict",
        Realtime::Degraded => "degraded allowed",
    }
}

/// What the loop asks of the kernel.
fn request(settings: CycleSettings, link: &Link) -> admission::Request {
    let strict = settings.realtime == Realtime::Strict;
    // One CPU for the loop and its virtual devices: see `SegmentThread::spawn`. Without the right to it they would share it with all others.
    let fifo = settings.priority.is_some_and(admission::fifo_is_granted);
    let together = *link == Link::Virtual && (strict || fifo);
    admission::Request {
        cpu: settings.cpu.or_else(|| if together { admission::cpu_default() } else { None }),
        priority: settings.priority,
        strict,
    }
}

// SR-047
fn refused(refused: admission::Refused) -> Error {
    Error::environment(format!(
        "the machine file asks for strict real time, and the system refuses it: {refused}\n  \
         grant it, or set realtime = \"degraded\" in [cycle] to run without"
    ))
}

/// Wall time (since 1970) less CLOCK_MONOTONIC, ns: for captures only.
fn wall_offset_ns() -> u64 {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(wall.as_nanos()).unwrap_or(0).saturating_sub(clock::now())
}

/// What the cyclic thread takes along.
struct ForLoop<P: Program> {
    link: Wired,
    locked: Locked,
    core: Core<P>,
    ports: LoopPorts,
    flight: Flight,
    news: Sender<News>,
    kept: Kept,
    calls: WatchCalls,
    /// There is a recording: checkpoints are wanted.
    records: bool,
    /// Where it leaves its end when it may not end by itself.
    hand_over: Sender<LoopEnd>,
}

fn spawn_loop<P: Program + Send + 'static>(
    source: &Source,
    with: ForLoop<P>,
    leave: &Arc<AtomicBool>,
) -> Result<JoinHandle<Result<LoopEnd, Error>>, Error> {
    let ForLoop { link, locked, mut core, ports, flight, news, kept, calls, records, hand_over } =
        with;
    let plan = source.machine.bus.clone();
    let (name, settings) = (source.machine.name.clone(), source.machine.cycle);
    let leave = Arc::clone(leave);
    spawn_realtime("tactus-loop", STACK_BYTES, move || {
        let armed = locked.arm().map_err(refused)?;
        // A supervisor that does not listen hears it from the report.
        let _ = news.try_send(News::Admitted(armed.outcome().clone()));
        let mut tell = |progress: Progress| drop(news.try_send(News::Progress(progress)));
        let mut bus = bring_up(link, &plan, &mut tell)
            .map_err(|wrong| Error::bus(format!("{name}: {wrong}")))?;
        if let Some(client) = bus.take_coe_client() {
            let _ = news.try_send(News::Mailboxes(Box::new(client)));
        }
        let verdicts = kept.judge(bus.devices());
        references::keep(&mut core, &verdicts);
        // Who keeps references must hear it; there is room as soon as the supervisor looks.
        let _ = news.send(News::References(verdicts));
        drop(kept);
        let no_filter = |wrong: NoFilter| Error::environment(wrong.to_string());
        let watch = armed.watch(calls).map_err(no_filter)?;
        let clock = armed.clock(settings.spin_ns);
        let mut cycle =
            Cycle::new(bus, clock, core, ports, settings.receive_deadline_ns).with_flight(flight);
        if records {
            cycle = cycle.with_checkpoints();
        }
        // Last: to make a loop and its first checkpoint takes longer than a short period.
        let earliest = clock::now().saturating_add(LEAD_NS + 2 * settings.period_ns);
        let begins = cycle.bus().aligned_start(earliest);
        cycle.begin_at(begins);
        let _ = news.try_send(News::Begins(begins, guard::thread_id()));
        drop(news);
        let ran = armed.run(&mut cycle, &watch, &leave).map_err(no_filter)?;
        let report = cycle.report();
        let calls = became_of(&watch, &ran);
        cycle.land();
        let (mut bus, _, core, ports) = cycle.into_parts();
        if let Watch::Trap(_) = watch {
            // Nothing is asked of the allocator here: that might take a system call.
            let _ = hand_over.try_send(LoopEnd { bus, report, ran, calls });
            std::mem::forget((core, ports));
            armed.rest();
        }
        // What became of the devices is in the recording and the exit code already.
        let _ = bus.shutdown();
        drop(ports);
        drop(armed);
        Ok(LoopEnd { bus, report, ran, calls })
    })
    .map_err(no_thread)
}

/// The system calls of a run.
fn became_of(watch: &Watch, ran: &Ran) -> Calls {
    match (watch, &ran.system_calls) {
        (Watch::Trap(_), _) => Calls::Filtered,
        (_, Some(Ok(calls))) => Calls::Counted(calls.clone()),
        (_, Some(Err(wrong))) => Calls::Unknown(wrong.to_string()),
        (Watch::Count(Err(why)), None) => Calls::Unknown(why.to_string()),
        (Watch::Count(Ok(_)) | Watch::No, None) => {
            Calls::Unknown(String::from("not counted; --guards=count counts them"))
        }
    }
}

struct Run {
    drain: Drain,
    keeper: Keeper,
    records: stream::Consumer<rt_core::Record>,
    checkpoints: Checkpoints,
    command: latest::Writer<Command>,
    vision: Option<VisionThread>,
    hear: Receiver<News>,
    /// What a loop hands over that cannot end.
    resting: Receiver<LoopEnd>,
    leave: Arc<AtomicBool>,
    beside: Beside,
    /// Of a run on an interface.
    cable: Option<Cable>,
    inquiry: Inquiry,
    /// A missing device is waited for so long, ns.
    bus_patience_ns: u64,
    /// From the first cycle on.
    supervise: Option<Supervise>,
    outcome: Outcome,
    /// `outcome` is that of this run.
    admitted: bool,
    people: Vec<Object>,
    notice: Option<String>,
    started: u64,
    watch: flight::Watch,
    /// Until the end.
    dumps: Option<FlightThread>,
    /// Until the end.
    capture: Option<CaptureThread>,
    /// Not done yet.
    park: Option<Park>,
    /// The first cycle, ns.
    begins: Option<u64>,
}

impl Run {
    /// The end of the cyclic thread, however it came.
    fn what_is_left(
        &mut self,
        ended: Ended,
        thread: JoinHandle<Result<LoopEnd, Error>>,
    ) -> Result<LoopEnd, Error> {
        match ended {
            Ended::Over => thread.join().unwrap_or_else(|_| {
                Err(Error::bus("the cyclic thread panicked: this is a fault of tactus"))
            }),
            Ended::Resting(mut end) => {
                end.ran.faults = self.beside.faults_since(end.ran.faults_before);
                // What became of the devices is in the recording and the exit code already.
                let _ = end.bus.shutdown();
                Ok(*end)
            }
            Ended::Broken(broken) => Err(Error::bus(broken.to_string())),
        }
    }

    fn rounds(
        &mut self,
        thread: &JoinHandle<Result<LoopEnd, Error>>,
        parts: &mut Parts,
        options: &Options,
        shutdown: &Shutdown,
    ) -> Ended {
        let duration_ns =
            options.duration.map(|time| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
        let mut told = false;
        while !thread.is_finished() {
            let now = clock::now();
            if let Some(sender) = shutdown.sender().filter(|_| !told) {
                told = true;
                self.drain.command(now, "end", sender);
            }
            if let Some(broken) = broken::take() {
                return Ended::Broken(broken);
            }
            if let Ok(end) = self.resting.try_recv() {
                return Ended::Resting(Box::new(end));
            }
            self.listen(duration_ns);
            self.beside.look(now);
            self.see_cable(now);
            self.park_as_asked(now);
            self.drain.take(&mut self.records);
            self.drain.checkpoints(&mut self.checkpoints);
            self.inquiry.look(&mut self.drain, now);
            references::settle(&mut self.keeper, &mut self.drain, now, options.headless);
            self.pictures();
            self.watch.look();
            let mut asked = shutdown.requested();
            if let Some(supervise) = &mut self.supervise {
                asked = supervise.look(&self.drain.statistics, asked, now);
                if supervise.out_of_patience(now) {
                    self.leave.store(true, Ordering::Relaxed);
                }
            }
            self.command.write(Command { shutdown: asked, supervisor_at: now });
            self.show(parts, options, now, asked);
            std::thread::sleep(ROUND);
        }
        Ended::Over
    }

    fn listen(&mut self, duration_ns: Option<u64>) {
        loop {
            match self.hear.try_recv() {
                Ok(News::Progress(progress)) => {
                    let text = progress_text(&progress);
                    tracing::info!("{text}");
                    self.notice = Some(text);
                }
                Ok(News::Admitted(outcome)) => {
                    for reason in outcome.reasons() {
                        tracing::warn!(
                            "degraded: {}, wanted {}, found {}",
                            reason.name,
                            reason.wanted,
                            reason.found
                        );
                    }
                    self.outcome = outcome;
                    self.admitted = true;
                    self.label_recording();
                }
                Ok(News::References(verdicts)) => self.keeper.hear(verdicts),
                Ok(News::Begins(at, thread)) => {
                    let supervise = Supervise::new(at, duration_ns);
                    self.supervise = Some(supervise.waiting_for_devices(self.bus_patience_ns));
                    self.beside.begin(thread, clock::now());
                    self.begins = Some(at);
                    self.notice = None;
                }
                Ok(News::Mailboxes(client)) => self.inquiry.begin(Some(client)),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => return,
            }
        }
    }

    /// Whoever reads the recording must see what its timing is worth.
    fn label_recording(&mut self) {
        let now = clock::now();
        for text in insecure(&self.vision) {
            self.drain.note(now, &text);
        }
        for reason in self.degraded_reasons() {
            self.drain.note(now, &format!("degraded, not real time: {reason}"));
        }
    }

    fn degraded_reasons(&self) -> Vec<String> {
        let reasons = self.outcome.reasons().map(|step| {
            let check = crate::doctor::check_for_step(step.name);
            let check = check.map(|check| format!("; tactus doctor: {}", check.id));
            let check = check.unwrap_or_default();
            format!("{}: {} (wanted: {}); {}{check}", step.name, step.found, step.wanted, step.fix)
        });
        reasons.collect()
    }

    /// What happens to the cable stands in the recording, and is the reason for a bus that is lost with it.
    fn see_cable(&mut self, now: u64) {
        let Some(cable) = &mut self.cable else { return };
        let Some(text) = cable.look(now) else { return };
        self.drain.statistics.cable = cable.reason();
        tracing::warn!("{text}");
        self.drain.note(now, &text);
        self.notice = self.drain.statistics.cable.clone();
    }

    /// See [`Park`].
    fn park_as_asked(&mut self, now: u64) {
        let (Some(Park { after, length }), Some(begins)) = (self.park, self.begins) else { return };
        if u128::from(now.saturating_sub(begins)) < after.as_nanos() {
            return;
        }
        self.park = None;
        let text = format!("test hook: the supervisor stops for {length:?}");
        tracing::warn!("{text}");
        self.drain.note(now, &text);
        self.drain.park(length);
    }

    fn pictures(&mut self) {
        let Some(vision) = &mut self.vision else { return };
        while let Some(datagram) = vision.take() {
            self.drain.vision(&datagram);
            if datagram.inspected().is_none() {
                self.people.clear();
                self.people.extend(objects(&datagram.bytes));
            }
        }
        for (picture, at) in self.drain.pictures.drain(..) {
            vision.taken(picture.stream, picture.received_at, at);
        }
    }

    fn show(&mut self, parts: &mut Parts, options: &Options, now: u64, asked: bool) {
        let elapsed = now.saturating_sub(self.started);
        if !parts.console.due(&self.drain.statistics, elapsed) {
            return;
        }
        let stopping = asked.then(|| "stopping the axes in a controlled way …".to_owned());
        let counts = self.vision.as_ref().map(|vision| vision.counts(now));
        let scene = Scene {
            cameras: counts.map(|counts| counts.streams).unwrap_or_default(),
            realtime: self.realtime().into(),
            link: options.link.to_string(),
            people: self.people.clone(),
            records: (self.records.produced(), self.records.dropped()),
            elapsed,
            measured: true,
            notice: stopping.or_else(|| self.notice.clone()),
            durations: self.watch.durations(),
        };
        parts.console.show(&self.drain.statistics, &parts.labels, &scene);
    }

    fn realtime(&self) -> &'static str {
        if self.outcome.is_realtime() { "strict" } else { "degraded" }
    }

    /// Whoever waits for what became of a broken loop need not any more.
    fn end_settled(
        self,
        ended: Result<LoopEnd, Error>,
        parts: Parts,
        source: &Source,
        options: &Options,
    ) -> Result<Report, Error> {
        let report = self.end(ended, parts, source, options);
        broken::settled();
        report
    }

    fn end(
        mut self,
        ended: Result<LoopEnd, Error>,
        mut parts: Parts,
        source: &Source,
        options: &Options,
    ) -> Result<Report, Error> {
        self.listen(None);
        if let Err(error) = &ended {
            self.drain.note(clock::now(), &error.message);
        }
        self.pictures();
        let dumps = self.dumps.take().and_then(FlightThread::finish);
        let flight = self.watch.report(dumps.as_ref().unwrap_or(&parts.dumps));
        let mut vision = self.vision.as_mut().map(VisionThread::finish).unwrap_or_default();
        references::finish(&mut self.keeper, &mut self.drain, &mut self.records, options);
        let ledger = self.drain.finish(&mut self.records);
        vision.stored = ledger.stored.vision;
        parts.console.leave();
        let known = self.context(&parts, source, options);
        let mut ended = match ended {
            Ok(ended) => ended,
            Err(error) => return Err(parts.failed(error, &known, &ledger)),
        };
        if let Some(capture) = self.capture.take() {
            capture.finish()?;
        }
        let statistics = &self.drain.statistics;
        let supervise = self.supervise.clone().unwrap_or_else(|| Supervise::new(0, None));
        let end = supervise.end(statistics).judge(statistics, &parts.labels);
        let counts = guard::is_counting().then_some(ended.ran.counts);
        let guards =
            guards::report(&self.beside, &self.outcome, counts, ended.ran.faults, &ended.calls);
        let context = Context {
            loop_report: ended.report,
            mailbox: Some(ended.bus.mailbox_counts()),
            dc: ended.bus.dc(),
            guards,
            flight,
            bring_up: Some(ended.bus.bring_up_took()),
            interface: self
                .cable
                .as_ref()
                .map(|cable| Interface::of(ended.bus.link_mut().inner().granted(), cable.losses())),
            ..known
        };
        Ok(Report::new(statistics, &parts.labels, &context, &ledger, vision, end))
    }

    /// What is known whether there were cycles or not.
    fn context(&self, parts: &Parts, source: &Source, options: &Options) -> Context {
        Context {
            realtime: if self.admitted { self.realtime().into() } else { String::new() },
            degraded_reasons: self.degraded_reasons(),
            measured: true,
            resident_bytes: guard::resident_bytes().ok(),
            locked_bytes: guard::locked_bytes().ok(),
            reference_notes: references::notes(&self.keeper, source),
            ..parts.context(source, options)
        }
    }
}

/// Bring-up, for people.
fn progress_text(progress: &Progress) -> String {
    match progress {
        Progress::Scanning => "bus: scanning".into(),
        Progress::Found(device) => format!("bus: found {} {}", device.position, device.name),
        Progress::Configuring { position, name } => {
            format!("bus: configuring {position} {name}")
        }
        Progress::Mapping => "bus: mapping process data".into(),
        Progress::SafeOp => "bus: going to SafeOp".into(),
        Progress::Emergency(Emergency { position, code, register, data }) => format!(
            "bus: device {position} sends emergency 0x{code:04X} ({}), error register \
             0x{register:02X}, data {data:02X?}",
            drive_error_text(*code)
        ),
        Progress::Took(took) => format!(
            "bus: SafeOp after {} ms: scan {}, start-up objects {}, process data {}, SafeOp {}",
            took.total_ns() / 1_000_000,
            took.scan_ns / 1_000_000,
            took.configure_ns / 1_000_000,
            took.map_ns / 1_000_000,
            took.safe_op_ns / 1_000_000
        ),
        Progress::Ready => "bus: ready".into(),
    }
}
