//! The report of a run: everything in it was counted or measured in that run, and what was not measured is `null`.
//!
//! Durations that a virtual clock cannot have (wake-up latency, execution time) are `null` in virtual time. Reaction times are
//! there in both: they run from input to output on the clock of the loop.

mod flight;
pub mod guards;
mod text;

use fieldbus::coe::ServiceCounts;
use rt_core::cycle::CycleReport;
use serde::Serialize;

use self::guards::Guards;
use crate::audit::AuditReport;
use crate::exit::{Error, ExitCode};
use crate::foresight::TwinReport;
use crate::forward::ForwardReport;
use crate::histogram::Histogram;
use crate::inspection::{self, InspectionReport};
use crate::labels::Labels;
use crate::ledger::{Account, Life};
use crate::record::Stored;
use crate::separation::{self, SeparationReport};
use crate::stats::{Statistics, Trip};
pub use crate::vision::VisionReport;
use crate::{events, stats};

pub(crate) use flight::table as phase_table;
pub use flight::{FlightReport, PhaseReport};
pub use text::{duration, render};

/// Version of the report's format; goes up when a field changes its meaning or goes away.
pub const FORMAT: u32 = 1;

/// A run, summed up.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// [`FORMAT`].
    pub format: u32,
    /// `tactus` that ran it.
    pub version: &'static str,
    /// The machine's name; `null` if its file could not be read.
    pub machine: Option<String>,
    /// How it ended.
    pub ended: Ended,
    #[serde(skip)]
    code: ExitCode,
    /// How the process ends, 0 to 5.
    pub exit_code: u8,
    /// `strict`: all that real time needs was granted. `degraded`: it was not, or time was virtual. `null`: the run ended before.
    pub realtime: Option<String>,
    /// What was not granted and what would grant it; empty unless degraded.
    pub degraded_reasons: Vec<String>,
    /// `virtual` or `raw:<interface>`; `null`: neither command line nor a machine file that could be read said so.
    pub link: Option<String>,
    /// BLAKE3 of the machine file, hexadecimal; `null` if it could not be read.
    pub config_hash: Option<String>,
    /// Seed of the virtual cell; `null` on a real link.
    pub seed: Option<u64>,
    /// How long it took until every device was in Op; `null`: it never came so far.
    pub bring_up_ms: Option<BringUp>,
    /// Nominal length of a cycle, ns; `null` if the machine file is wrong.
    pub period_ns: Option<u64>,
    /// Cycles run; 0: the run failed before its first, and `ended` says why.
    pub cycles: u64,
    /// Cycles that came late by a period or more.
    pub overruns: u64,
    /// Periods that were skipped because of that.
    pub periods_skipped: u64,
    /// Blocks asked of the allocator by the cyclic thread, from SafeOp on; `null`: the process does not count.
    pub allocations: Option<u64>,
    /// Blocks given back by the cyclic thread, from SafeOp on.
    pub frees: Option<u64>,
    /// Page faults of the cyclic thread, from SafeOp on; `null` in virtual time.
    pub page_faults: Option<u64>,
    /// What must not happen in the cycle, and whether it did.
    pub guards: Guards,
    /// Datagrams whose working counter was not the expected one.
    pub working_counter_errors: u64,
    /// Frames.
    pub frames: Frames,
    /// Frames of mailbox traffic, which are not among `frames`; `null`: the bus did not come up.
    pub mailbox: Option<Mailbox>,
    /// The network interface; `null`: a virtual link.
    pub interface: Option<Interface>,
    /// Distributed clocks; `null`: not used.
    pub dc: Option<Dc>,
    /// Actual − scheduled wake.
    pub wake_up_latency_ns: Option<Quantiles>,
    /// Wake to publish.
    pub execution_time_ns: Option<Quantiles>,
    /// Each phase of the cycle, as the loop's thread counted it; `null` in virtual time.
    pub phases_ns: Option<Vec<PhaseReport>>,
    /// How the machine was worked at the end: `automatic`, `manual`, `unknown` (the selector said nothing).
    pub mode: &'static str,
    /// Times that the mode selector was turned.
    pub mode_changes: u64,
    /// Axes in the order of the machine file.
    pub axes: Vec<AxisReport>,
    /// Trips in order, the first 1024.
    pub trips: Vec<TripReport>,
    /// All trips.
    pub trips_total: u64,
    /// Predicted against measured stopping distance over all trips that came to rest; `null`: there was none.
    pub prediction: Option<Prediction>,
    /// What the twin decided, how right it was, and what it learnt; `null`: the machine file has no `[twin]`, or nothing happened.
    pub twin: Option<TwinReport>,
    /// Steps of the program that were begun.
    pub program_steps: u64,
    /// Failures of the program.
    pub program_faults: u64,
    /// Times the gate held back what motion asked.
    pub gate_violations: u64,
    /// Records of the loop: `produced = stored + dropped` when they are recorded.
    pub records: Records,
    /// The same over all runs of the machine, killed ones included: `produced = stored + not_recorded + dropped + lost_by_kill`; `null`:
    /// nothing outlives the run.
    pub ledger: Option<Life>,
    /// The audit log; `null`: nothing outlives the run.
    pub audit: Option<AuditReport>,
    /// What left the machine for plant systems, and what waits; `null`: nothing is exported, or nothing outlives the run.
    pub forward: Option<ForwardReport>,
    /// The flight recorder and its dumps.
    pub flight_recorder: FlightReport,
    /// Camera datagrams.
    pub vision: VisionReport,
    /// Interlocks of kind `separation`.
    pub separation: Vec<SeparationReport>,
    /// What became of inspected parts.
    pub inspections: Vec<InspectionReport>,
    /// Memory of the process at the end, bytes; `null` in virtual time, where reports are equal for equal runs.
    pub resident_bytes: Option<u64>,
    /// Of it, what cannot be paged out.
    pub locked_bytes: Option<u64>,
    /// Virtual time: simulated ÷ elapsed time; `null` in real time, and in `--report` files of virtual time.
    #[serde(skip)]
    pub speed: Option<f64>,
    /// Where the recording is.
    pub recording: Option<String>,
}

/// Bring-up, step by step, ms of the loop's clock.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct BringUp {
    /// Scan, addresses, identities, delays of the clocks, until PreOp.
    pub scan: u64,
    /// Start-up objects of all devices, side by side.
    pub startup_objects: u64,
    /// Process data, watchdogs, SYNC0.
    pub process_data: u64,
    /// PreOp → SafeOp.
    pub safe_op: u64,
    /// First cycle → Op: clocks in step, outputs there; `null`: Op was never reached.
    pub op: Option<u64>,
    /// All of it, as far as it came.
    pub total: u64,
}

impl BringUp {
    fn of(took: fieldbus::Took, statistics: &Statistics) -> Self {
        let op_ns =
            statistics.operational_at.zip(statistics.first_at).map(|(op, first)| op - first);
        let ms = |ns: u64| ns / 1_000_000;
        Self {
            scan: ms(took.scan_ns),
            startup_objects: ms(took.configure_ns),
            process_data: ms(took.map_ns),
            safe_op: ms(took.safe_op_ns),
            op: op_ns.map(ms),
            total: ms(took.total_ns().saturating_add(op_ns.unwrap_or(0))),
        }
    }
}

/// How a run ended.
#[derive(Clone, Debug, Serialize)]
pub struct Ended {
    /// `completed` (the time asked for is over), `interrupted` (Ctrl-C, SIGTERM), `safety_stop`, `bus`, `loop`; before the first
    /// cycle: `file`, `environment`, `bus`.
    pub reason: &'static str,
    /// For people: what happened, what to do.
    pub message: String,
    /// Machine state when the end was asked for; `null`: it never had one.
    pub machine: Option<&'static str>,
    /// The axes were stopped and without power before the loop ended.
    pub controlled: bool,
}

/// Frames since start.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Frames {
    /// Given to the link.
    pub sent: u64,
    /// Back in time and whole.
    pub received: u64,
    /// Back after the deadline.
    pub late: u64,
    /// Once more.
    pub duplicate: u64,
    /// Not ours.
    pub foreign: u64,
    /// Shorter than they were sent.
    pub truncated: u64,
    /// Damaged.
    pub corrupt: u64,
    /// Never back.
    pub lost: u64,
}

/// What the kernel granted of what makes an interface faster, as it says itself, and what became of the cable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Interface {
    /// Frames bypass the queueing discipline (PACKET_QDISC_BYPASS).
    pub qdisc_bypass: Option<bool>,
    /// Places of the receive ring; 0: there is none, and each frame takes a system call.
    pub ring_frames: u32,
    /// Awake for a frame so long before the loop sleeps, ns.
    pub awake_ns: u64,
    /// SO_BUSY_POLL, µs; 0: not granted.
    pub busy_poll_us: Option<u32>,
    /// SO_PREFER_BUSY_POLL.
    pub prefer_busy_poll: Option<bool>,
    /// What busy polling would poll (SO_INCOMING_NAPI_ID); 0: nothing, so it has no effect on this socket.
    pub napi_id: Option<u32>,
    /// Times that the carrier was lost, or the interface was switched off.
    pub carrier_losses: u64,
}

impl Interface {
    /// As it was read back.
    #[must_use]
    pub fn of(granted: fieldbus::link::Granted, carrier_losses: u64) -> Self {
        Self {
            qdisc_bypass: granted.qdisc_bypass,
            ring_frames: granted.ring_frames,
            awake_ns: granted.awake_ns,
            busy_poll_us: granted.busy_poll_us,
            prefer_busy_poll: granted.prefer_busy_poll,
            napi_id: granted.napi_id,
            carrier_losses,
        }
    }
}

/// Distributed clocks over the run.
#[derive(Clone, Debug, Serialize)]
pub struct Dc {
    /// Whose time counts: `reference`, which the loop follows, or `loop`, which the reference clock follows.
    pub follow: &'static str,
    /// In step at the end.
    pub locked: bool,
    /// How often the reference clock was lost: not there, stopped, or jumped.
    pub reference_lost: u64,
    /// For how many cycles in all.
    pub cycles_lost: u64,
    /// Frames that passed the reference clock.
    pub frames: u64,
    /// Of those, the ones that came behind the SYNC0 that they were meant for.
    pub missed_sync0: u64,
    /// From a frame's arrival to its SYNC0, ns: the shortest; below 0 it was missed.
    pub margin_min_ns: i64,
    /// Of the frames that were in time: the median, to 1 µs.
    pub margin_p50_ns: u64,
    /// The longest.
    pub margin_max_ns: u64,
    /// Largest difference of a device's clock to the reference (0x092C) while in step, ns.
    pub difference_max_ns: u32,
    /// Which device that was.
    pub difference_worst: Option<String>,
    /// Every clock that follows another.
    pub clocks: Vec<Clock>,
}

/// What a device said of its clock (0x092C) while all were in step, ns; above 0: it was ahead.
#[derive(Clone, Debug, Serialize)]
pub struct Clock {
    /// The device.
    pub device: String,
    /// How often it was asked.
    pub readings: u64,
    /// The mean.
    pub mean_ns: i64,
    /// The lowest.
    pub min_ns: i32,
    /// The highest.
    pub max_ns: i32,
}

impl Dc {
    fn of(dc: &fieldbus::exchange::DcReport, labels: &Labels) -> Self {
        let clock = |clock: &fieldbus::exchange::ClockReport| Clock {
            device: labels.device(clock.position),
            readings: clock.difference.readings,
            mean_ns: clock.difference.mean_ns(),
            min_ns: clock.difference.min_ns,
            max_ns: clock.difference.max_ns,
        };
        Self {
            follow: match dc.follow {
                fieldbus::plan::Follow::Reference => "reference",
                fieldbus::plan::Follow::Loop => "loop",
            },
            locked: dc.locked,
            reference_lost: dc.reference_lost,
            cycles_lost: dc.cycles_lost,
            frames: dc.frames,
            missed_sync0: dc.missed,
            margin_min_ns: dc.margin_min_ns,
            margin_p50_ns: dc.margin_ns.p50,
            margin_max_ns: dc.margin_ns.max,
            difference_max_ns: dc.difference_max_ns,
            difference_worst: dc.difference_worst.map(|position| labels.device(position)),
            clocks: dc.clocks.iter().map(clock).collect(),
        }
    }
}

/// Mailbox traffic of the loop, in frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Mailbox {
    /// Given to the link.
    pub sent: u64,
    /// Back.
    pub received: u64,
    /// Never back in time.
    pub lost: u64,
    /// Cycles in which one waited for want of time.
    pub no_slack: u64,
}

impl Mailbox {
    fn of(counts: ServiceCounts) -> Self {
        let ServiceCounts { sent, received, lost, no_slack, emergencies_dropped: _ } = counts;
        Self { sent, received, lost, no_slack }
    }
}

/// A distribution of durations, ns, to about 3 %; the maximum is exact.
#[derive(Clone, Debug, Serialize)]
pub struct Quantiles {
    /// Median.
    pub p50: u64,
    /// 99 %.
    pub p99: u64,
    /// 99.9 %.
    pub p999: u64,
    /// The longest.
    pub max: u64,
    /// How many.
    pub count: u64,
    /// `[from, count]` between powers of two of nanoseconds.
    pub histogram: Vec<(u64, u64)>,
}

/// An axis over the run.
#[derive(Clone, Debug, Serialize)]
pub struct AxisReport {
    /// Its name.
    pub name: String,
    /// `mm` or `deg`.
    pub unit: String,
    /// PLCopen state at the end; `null`: it was never seen.
    pub state: Option<&'static str>,
    /// Its drive was in operation enabled at some time of the run.
    pub powered: bool,
    /// It is referenced at the end; `null`: it was never seen.
    pub referenced: Option<bool>,
    /// Where its reference comes from: `homed` in this run, `kept` from an earlier one; `null`: it had none.
    pub reference: Option<&'static str>,
    /// Why a kept reference did not count, or will not count in the next run, and what to do; mostly `null`.
    pub reference_note: Option<String>,
    /// Where it is at the end; `null`: it was never seen.
    pub position: Option<f64>,
    /// Way it moved, both directions.
    pub travel: f64,
    /// Largest |commanded − actual| while enabled.
    pub following_error_max: f64,
}

/// A trip.
#[derive(Clone, Debug, Serialize)]
pub struct TripReport {
    /// Name of the interlock; of a fault of ours, what it is.
    pub cause: String,
    /// What the interlock watches, a stable word: `emergency_stop`, `guard_door`, `zone`, `twin_zone`, `twin_limit`, `bus`, …; of a
    /// fault of ours `program`, `gate`, `axis`, `power_up`.
    pub kind: &'static str,
    /// Name of the group.
    pub group: String,
    /// `stop0`, `stop1`, `stop2`, `limit_speed …`, `warn`.
    pub reaction: String,
    /// How its axes came to rest, and what the prediction is of: `ramp`, `quick_stop`, `connection_lost`, `power_removal`.
    pub way: &'static str,
    /// The stronger stop that had to follow because an axis did not slow down; mostly `null`.
    pub escalated_to: Option<&'static str>,
    /// Cycle.
    pub at_cycle: u64,
    /// From the input (frame back, picture taken) until the frames with the reaction leave, on the loop's clock; `null`: the run
    /// ended before.
    pub reaction_ns: Option<u64>,
    /// Travelled along the path until rest; `null`: it was no stop, or had not come to rest.
    pub stop_distance: Option<f64>,
    /// What the twin predicted at the trip.
    pub stop_distance_predicted: f64,
}

/// Predicted against measured stopping distances.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Prediction {
    /// Stops compared.
    pub stops: u64,
    /// Stops that went further than predicted.
    pub exceeded: u64,
    /// Largest measured − predicted, axis units; below 0: every prediction held.
    pub error_max: f64,
    /// Mean measured ÷ predicted of the stops from motion; `null`: there was none.
    pub ratio_mean: Option<f64>,
}

/// The ledger of the loop's records.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Records {
    /// Left by the loop.
    pub produced: u64,
    /// In the recording.
    pub stored: u64,
    /// Not in the recording.
    pub dropped: u64,
    /// Of those dropped: the stream was full.
    pub dropped_by_stream: u64,
    /// Of those dropped: the disk was too slow or failed, or no recording was asked for.
    pub dropped_by_recorder: u64,
    /// Most records that waited in the stream.
    pub high_water: u64,
    /// Records that fit into the stream.
    pub capacity: u64,
    /// Every time that it was looked at, everything produced was stored, waiting, or counted as dropped.
    pub balanced: bool,
    /// Times that writing failed.
    pub faults: u64,
    /// Times that the recording went on in another file afterwards.
    pub resumed: u64,
    /// Size of the recording.
    pub bytes: u64,
    /// Why recording failed.
    pub fault: Option<String>,
}

/// What the report needs besides the statistics.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// `strict` or `degraded`; empty: not known, as with every empty text and a period of 0.
    pub realtime: String,
    /// Why it is degraded.
    pub degraded_reasons: Vec<String>,
    /// `virtual` or `raw:<interface>`.
    pub link: String,
    /// Hexadecimal.
    pub config_hash: String,
    /// Of the virtual cell.
    pub seed: Option<u64>,
    /// ns.
    pub period_ns: u64,
    /// The loop's own account: it counts cycles whose records were dropped, too.
    pub loop_report: CycleReport,
    /// Durations were measured.
    pub measured: bool,
    /// The network interface of the run.
    pub interface: Option<Interface>,
    /// Mailbox traffic.
    pub mailbox: Option<ServiceCounts>,
    /// Distributed clocks.
    pub dc: Option<fieldbus::exchange::DcReport>,
    /// Of the cyclic thread.
    pub guards: Guards,
    /// Virtual time only.
    pub speed: Option<f64>,
    /// Where the recording is.
    pub recording: Option<String>,
    /// Steps of bring-up up to SafeOp.
    pub bring_up: Option<fieldbus::Took>,
    /// Of the process.
    pub resident_bytes: Option<u64>,
    /// Of the process.
    pub locked_bytes: Option<u64>,
    /// The flight recorder.
    pub flight: FlightReport,
    /// By axis: what people should know of its reference.
    pub reference_notes: Vec<Option<String>>,
}

/// The stream's and the recorder's view of the records.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// Left by the loop.
    pub produced: u64,
    /// The stream was full.
    pub dropped_by_stream: u64,
    /// Most that waited.
    pub high_water: u64,
    /// What the recorder says.
    pub stored: Stored,
    /// Records that nobody was asked to store.
    pub not_recorded: u64,
    /// The audit log.
    pub audit: Option<AuditReport>,
    /// The queue for plant systems.
    pub forward: Option<ForwardReport>,
    /// The account of this run, as it was looked at last.
    pub account: Account,
    /// Over all runs of the machine.
    pub life: Option<Life>,
}

/// Frames since start.
fn frames(statistics: &Statistics) -> Frames {
    let counts = statistics.exchange.counts;
    Frames {
        sent: counts.sent,
        received: counts.received,
        late: counts.late,
        duplicate: counts.duplicate,
        foreign: counts.foreign,
        truncated: counts.truncated,
        corrupt: counts.corrupt,
        lost: counts.lost,
    }
}

impl Report {
    /// Sums up.
    #[must_use]
    pub fn new(
        statistics: &Statistics,
        labels: &Labels,
        context: &Context,
        ledger: &Ledger,
        vision: VisionReport,
        end: (ExitCode, Ended),
    ) -> Self {
        let (code, ended) = end;
        let counts = statistics.exchange.counts;
        // The loop's own maximum counts cycles whose records were dropped, too.
        let durations = |histogram: &Histogram, max: u64| {
            let quantiles = context.measured.then(|| Quantiles::of(histogram)).flatten()?;
            Some(Quantiles { max: quantiles.max.max(max), ..quantiles })
        };
        let own = &context.loop_report;
        Self {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION"),
            machine: known(&labels.machine),
            ended,
            code,
            exit_code: code.number(),
            realtime: known(&context.realtime),
            degraded_reasons: context.degraded_reasons.clone(),
            link: known(&context.link),
            config_hash: known(&context.config_hash),
            seed: context.seed,
            bring_up_ms: context.bring_up.map(|took| BringUp::of(took, statistics)),
            period_ns: (context.period_ns > 0).then_some(context.period_ns),
            cycles: context.loop_report.cycles,
            overruns: context.loop_report.overruns,
            periods_skipped: context.loop_report.missed,
            allocations: context.guards.allocations,
            frees: context.guards.frees,
            page_faults: context.guards.page_faults,
            guards: context.guards.clone(),
            working_counter_errors: counts.working_counter_errors,
            frames: frames(statistics),
            mailbox: context.mailbox.map(Mailbox::of),
            interface: context.interface,
            dc: context.dc.as_ref().map(|dc| Dc::of(dc, labels)),
            wake_up_latency_ns: durations(&statistics.latency, own.wake_up_latency_ns.max),
            execution_time_ns: durations(&statistics.execution, own.execution_time_ns.max),
            phases_ns: context.measured.then(|| context.flight.phases.clone()),
            mode: events::mode(statistics.mode),
            mode_changes: statistics.mode_changes,
            axes: axes(statistics, labels, &context.reference_notes),
            trips: statistics.trips.iter().map(|trip| trip_report(trip, labels)).collect(),
            trips_total: statistics.trips_total,
            prediction: Prediction::of(&statistics.trips),
            twin: statistics.twin.report(labels),
            program_steps: statistics.steps_begun,
            program_faults: statistics.program_faults,
            gate_violations: statistics.gate_violations,
            records: Records::of(ledger),
            ledger: ledger.life.clone(),
            audit: ledger.audit.clone(),
            forward: ledger.forward.clone(),
            flight_recorder: context.flight.clone(),
            vision,
            separation: separation::report(&statistics.separation, labels),
            inspections: inspection::report(&statistics.inspections, labels),
            resident_bytes: context.resident_bytes,
            locked_bytes: context.locked_bytes,
            speed: context.speed,
            recording: context.recording.clone(),
        }
    }

    /// Of a run that failed before its first cycle: what is known of it, and how it ended.
    #[must_use]
    pub fn failed(error: &Error, labels: &Labels, context: &Context, ledger: &Ledger) -> Self {
        let reason = match error.code {
            ExitCode::Done | ExitCode::File | ExitCode::Tampered => "file",
            ExitCode::Environment | ExitCode::Unknown | ExitCode::Differs => "environment",
            ExitCode::Bus => "bus",
            ExitCode::SafetyStop => "safety_stop",
        };
        let message = error.message.trim_end().to_owned();
        let ended = Ended { reason, message, machine: None, controlled: false };
        let statistics = Statistics::new(labels.axes.iter().map(|axis| axis.wrap).collect());
        let vision = VisionReport::default();
        Self::new(&statistics, labels, context, ledger, vision, (error.code, ended))
    }

    /// How the process ends.
    #[must_use]
    pub fn code(&self) -> ExitCode {
        self.code
    }

    /// As JSON for files and scripts.
    ///
    /// # Errors
    /// None in practice; the serialiser's type has one.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self).map(|text| text + "\n")
    }
}

/// A text that is not empty.
fn known(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

impl Quantiles {
    /// `None` when nothing was counted.
    #[must_use]
    pub fn of(histogram: &Histogram) -> Option<Self> {
        Some(Self {
            p50: histogram.quantile(500)?,
            p99: histogram.quantile(990)?,
            p999: histogram.quantile(999)?,
            max: histogram.max()?,
            count: histogram.total(),
            histogram: histogram.octaves(),
        })
    }
}

impl Prediction {
    /// Compares the stops that came to rest.
    #[must_use]
    pub fn of(trips: &[Trip]) -> Option<Self> {
        let stops = trips.iter().filter_map(|trip| {
            trip.stop_distance.map(|distance| (distance, trip.stop_distance_predicted))
        });
        let mut found =
            Self { stops: 0, exceeded: 0, error_max: f64::NEG_INFINITY, ratio_mean: None };
        let (mut ratios, mut moving) = (0.0, 0_u32);
        for (distance, predicted) in stops {
            found.stops += 1;
            found.exceeded += u64::from(distance > predicted);
            found.error_max = found.error_max.max(distance - predicted);
            if predicted > 0.0 && distance > 0.0 {
                ratios += distance / predicted;
                moving += 1;
            }
        }
        if moving > 0 {
            found.ratio_mean = Some(ratios / f64::from(moving));
        }
        (found.stops > 0).then_some(found)
    }
}

impl Records {
    fn of(ledger: &Ledger) -> Self {
        let by_recorder = ledger.stored.dropped + ledger.not_recorded;
        Self {
            produced: ledger.produced,
            stored: ledger.stored.stored,
            dropped: ledger.dropped_by_stream + by_recorder,
            dropped_by_stream: ledger.dropped_by_stream,
            dropped_by_recorder: by_recorder,
            high_water: ledger.high_water,
            capacity: ledger.account.ring_capacity,
            balanced: ledger.account.imbalances == 0,
            faults: ledger.stored.faults,
            resumed: ledger.stored.resumed,
            bytes: ledger.stored.bytes,
            fault: ledger.stored.fault.clone(),
        }
    }
}

fn axes(statistics: &Statistics, labels: &Labels, notes: &[Option<String>]) -> Vec<AxisReport> {
    let notes = notes.iter().cloned().chain(std::iter::repeat(None));
    let pairs = statistics.axes.iter().zip(&labels.axes).zip(notes);
    pairs
        .map(|((axis, label), note): ((&stats::AxisTotals, _), _)| AxisReport {
            name: label.name.clone(),
            unit: label.unit.clone(),
            state: axis.seen.then(|| events::axis_state(axis.last.state)),
            powered: axis.powered,
            referenced: axis.seen.then_some(axis.last.referenced),
            reference: axis.reference_kept.map(|kept| if kept { "kept" } else { "homed" }),
            reference_note: note,
            position: axis.seen.then_some(axis.last.position),
            travel: axis.travel,
            following_error_max: axis.following_error_max,
        })
        .collect()
}

fn trip_report(trip: &Trip, labels: &Labels) -> TripReport {
    TripReport {
        cause: labels.cause(trip.cause),
        kind: labels.cause_kind(trip.cause),
        group: labels.group(trip.group).to_owned(),
        reaction: events::reaction(trip.reaction, labels.group_unit(trip.group)),
        way: events::stop_way(trip.way),
        escalated_to: trip.escalated.map(events::stop_way),
        at_cycle: trip.at_cycle,
        reaction_ns: trip.reaction_ns,
        stop_distance: trip.stop_distance,
        stop_distance_predicted: trip.stop_distance_predicted,
    }
}

#[cfg(test)]
mod tests;
