//! The report for people.

use std::fmt::Write as _;

use super::{Dc, ForwardReport, Interface, Quantiles, Report, TripReport};

/// Widest bar of a histogram, characters.
const BAR: u64 = 32;
/// Trips shown one by one.
const TRIPS_SHOWN: usize = 20;

/// The report as text, at most 100 columns wide.
#[must_use]
pub fn render(report: &Report) -> String {
    let mut out = String::with_capacity(4096);
    // Writing to a String does not fail.
    let _ = write_all(report, &mut out);
    out
}

fn write_all(report: &Report, out: &mut String) -> std::fmt::Result {
    head(report, out)?;
    timing(report, out)?;
    bus(report, out)?;
    axes(report, out)?;
    trips(report, out)?;
    crate::separation::write(&report.separation, out)?;
    crate::inspection::write(&report.inspections, out)?;
    twin(report, out)?;
    tail(report, out)
}

fn head(report: &Report, out: &mut String) -> std::fmt::Result {
    if report.realtime.as_deref() == Some("degraded") {
        writeln!(
            out,
            "{0}\n DEGRADED: this run did not have real time. Its timing proves nothing.",
            "!".repeat(78)
        )?;
        for reason in &report.degraded_reasons {
            writeln!(out, "   - {reason}")?;
        }
        writeln!(out, "{}", "!".repeat(78))?;
    }
    let text = |known: &Option<String>| known.clone().unwrap_or_else(|| "unknown".to_owned());
    writeln!(out, "{}: {}", text(&report.machine), report.ended.message)?;
    let period_ns = report.period_ns.unwrap_or(0);
    let seconds = seconds(report.cycles.saturating_mul(period_ns));
    write!(
        out,
        "  {} cycles of {} ({seconds}), link {}, real time: {}",
        report.cycles,
        duration(period_ns),
        text(&report.link),
        text(&report.realtime)
    )?;
    if let Some(seed) = report.seed {
        write!(out, ", seed {seed}")?;
    }
    if let Some(speed) = report.speed {
        write!(out, ", {speed:.0} × real time")?;
    }
    if let Some(bring_up) = report.bring_up_ms {
        write!(out, "\n  bring-up {} ms", bring_up.total)?;
    }
    let hash = text(&report.config_hash);
    let hash = hash.get(..16).unwrap_or(&hash);
    writeln!(out, "\n  machine file {hash}…, tactus {}", report.version)?;
    if !report.ended.controlled {
        writeln!(
            out,
            "  The end was NOT controlled: axes were not confirmed to stand without power."
        )?;
    }
    Ok(())
}

fn timing(report: &Report, out: &mut String) -> std::fmt::Result {
    writeln!(out, "\nTiming")?;
    writeln!(out, "  overruns {} (periods skipped {})", report.overruns, report.periods_skipped)?;
    let rows = [
        ("wake-up latency", &report.wake_up_latency_ns),
        ("execution time", &report.execution_time_ns),
    ];
    for (name, quantiles) in rows {
        match quantiles {
            Some(quantiles) => histogram(name, quantiles, out)?,
            None => writeln!(out, "  {name:<16} not measured")?,
        }
    }
    if let Some(phases) = &report.phases_ns {
        super::phase_table(phases, out)?;
    }
    report.guards.write(out)
}

fn histogram(name: &str, quantiles: &Quantiles, out: &mut String) -> std::fmt::Result {
    writeln!(
        out,
        "  {name:<16} p50 {}   p99 {}   p99.9 {}   max {}",
        duration(quantiles.p50),
        duration(quantiles.p99),
        duration(quantiles.p999),
        duration(quantiles.max)
    )?;
    let most = quantiles.histogram.iter().map(|(_, count)| *count).max().unwrap_or(0).max(1);
    for (from, count) in &quantiles.histogram {
        let bar = (count.saturating_mul(BAR)).div_ceil(most);
        let bar = "█".repeat(usize::try_from(bar).unwrap_or(0));
        writeln!(out, "    ≥ {:>8}  {bar:<32} {count}", duration(*from))?;
    }
    Ok(())
}

fn bus(report: &Report, out: &mut String) -> std::fmt::Result {
    let frames = &report.frames;
    writeln!(out, "\nBus")?;
    writeln!(
        out,
        "  frames sent {}, received {}, late {}, lost {}, truncated {}, corrupt {}, duplicate {}, \
         foreign {}",
        frames.sent,
        frames.received,
        frames.late,
        frames.lost,
        frames.truncated,
        frames.corrupt,
        frames.duplicate,
        frames.foreign
    )?;
    writeln!(out, "  working-counter errors {}", report.working_counter_errors)?;
    if let Some(interface) = &report.interface {
        granted(interface, out)?;
    }
    if let Some(dc) = &report.dc {
        clocks(dc, out)?;
    }
    writeln!(
        out,
        "  camera results received {}, refused {}",
        report.vision.received, report.vision.refused
    )?;
    for stream in &report.vision.streams {
        writeln!(out, "    {}", stream.line())?;
    }
    Ok(())
}

fn granted(interface: &Interface, out: &mut String) -> std::fmt::Result {
    let yes = |granted: Option<bool>| match granted {
        Some(true) => "granted",
        Some(false) => "refused",
        None => "unknown",
    };
    let polled = match (interface.busy_poll_us, interface.napi_id) {
        (Some(0), _) => "refused".to_owned(),
        (Some(us), Some(1..)) => format!("{us} us"),
        (Some(us), Some(0)) => format!("{us} us, without effect: the kernel polls nothing for it"),
        _ => "unknown".to_owned(),
    };
    writeln!(
        out,
        "  interface: qdisc bypass {}, receive ring {}, awake {}, busy polling {polled} (preferred: {}); carrier lost {} times",
        yes(interface.qdisc_bypass),
        interface.ring_frames,
        duration(interface.awake_ns),
        yes(interface.prefer_busy_poll),
        interface.carrier_losses
    )
}

fn clocks(dc: &Dc, out: &mut String) -> std::fmt::Result {
    let least = duration(dc.margin_min_ns.unsigned_abs());
    writeln!(
        out,
        "  clocks {}, {}; frames before SYNC0: min {}{least}, p50 {}, max {}; missed {} of {}",
        if dc.locked { "locked" } else { "NOT LOCKED" },
        match dc.follow {
            "loop" => "the reference follows the loop",
            _ => "the loop follows the reference",
        },
        if dc.margin_min_ns < 0 { "−" } else { "" },
        duration(dc.margin_p50_ns),
        duration(dc.margin_max_ns),
        dc.missed_sync0,
        dc.frames
    )?;
    if dc.reference_lost > 0 {
        let (times, cycles) = (dc.reference_lost, dc.cycles_lost);
        writeln!(out, "  reference clock LOST {times} times, for {cycles} cycles in all")?;
    }
    match &dc.difference_worst {
        Some(device) => {
            let most = duration(u64::from(dc.difference_max_ns));
            writeln!(out, "  farthest from the reference clock: {device}, {most}")
        }
        None => Ok(()),
    }
}

fn axes(report: &Report, out: &mut String) -> std::fmt::Result {
    writeln!(out, "\nAxes")?;
    writeln!(
        out,
        "  {:<12} {:<20} {:>14} {:>14} {:>16}",
        "name", "state", "position", "travel", "following max"
    )?;
    for axis in &report.axes {
        let mark = if axis.referenced == Some(true) { "" } else { " (not referenced)" };
        let position = axis.position.map_or("–".to_owned(), |at| format!("{at:.2}"));
        writeln!(
            out,
            "  {:<12} {:<20} {:>10} {:<3} {:>10.1} {:<3} {:>12.3} {:<3}{mark}",
            axis.name,
            axis.state.unwrap_or("unknown"),
            position,
            axis.unit,
            axis.travel,
            axis.unit,
            axis.following_error_max,
            axis.unit
        )?;
        if let Some(note) = &axis.reference_note {
            writeln!(out, "    {note}")?;
        }
    }
    writeln!(
        out,
        "  program steps {}, program faults {}, gate violations {}",
        report.program_steps, report.program_faults, report.gate_violations
    )
}

fn trips(report: &Report, out: &mut String) -> std::fmt::Result {
    writeln!(out, "\nTrips: {}", report.trips_total)?;
    if report.trips.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "  {:>9} {:<24} {:<12} {:<20} {:>9} {:>9} {:>9}",
        "cycle", "cause", "group", "reaction", "reacted", "stopped", "predicted"
    )?;
    for trip in report.trips.iter().take(TRIPS_SHOWN) {
        trip_line(trip, out)?;
    }
    let hidden = report.trips_total.saturating_sub(u64::try_from(TRIPS_SHOWN).unwrap_or(0));
    if hidden > 0 {
        writeln!(out, "  … and {hidden} more, in the recording and in --report")?;
    }
    let Some(prediction) = &report.prediction else { return Ok(()) };
    write!(
        out,
        "  twin: {} stops compared, {} went further than predicted, worst measured − predicted {:+.3}",
        prediction.stops, prediction.exceeded, prediction.error_max
    )?;
    match prediction.ratio_mean {
        Some(ratio) => writeln!(out, ", mean ratio {ratio:.2}"),
        None => writeln!(out),
    }
}

/// What the twin decided and learnt.
fn twin(report: &Report, out: &mut String) -> std::fmt::Result {
    let Some(twin) = &report.twin else { return Ok(()) };
    writeln!(out, "\nTwin")?;
    for decided in &twin.decisions {
        write!(
            out,
            "  {:<10} {:<18} {:<8} {} times",
            decided.axis, decided.decision, decided.mode, decided.taken
        )?;
        if let Some(error) = decided.error {
            write!(
                out,
                ", actual − predicted: mean {:+.3}, 95 % within {:.3}, worst {:+.3} {}",
                error.bias, error.p95, error.worst, decided.unit
            )?;
        }
        match decided.lead_ns {
            Some(lead) => {
                writeln!(out, ", ahead {} (least {})", duration(lead.median), duration(lead.least))?
            }
            None => writeln!(out)?,
        }
    }
    for axis in &twin.axes {
        write!(out, "  {:<10}", axis.axis)?;
        if let (Some(inertia), Some(coulomb)) = (axis.inertia_kgm2, axis.coulomb_nm) {
            write!(out, " learnt {:.3} kg cm2, {coulomb:.3} N m;", inertia * 1e4)?;
        }
        if let Some(warmth) = axis.warmth {
            write!(out, " warm to {:.0} %;", warmth * 100.0)?;
        }
        if axis.doubt > 1.0 {
            write!(out, " its model does not fit (× {:.2});", axis.doubt)?;
        }
        let changed = [axis.changed.clone(), axis.sensors.clone()].concat();
        match changed.is_empty() {
            true => writeln!(out, " {} alarms", axis.alarms)?,
            false => writeln!(out, " {} alarms, now: {}", axis.alarms, changed.join(", "))?,
        }
    }
    Ok(())
}

fn trip_line(trip: &TripReport, out: &mut String) -> std::fmt::Result {
    let number = |value: Option<f64>| value.map_or("–".to_owned(), |value| format!("{value:.2}"));
    writeln!(
        out,
        "  {:>9} {:<24} {:<12} {:<20} {:>9} {:>9} {:>9.2}",
        trip.at_cycle,
        trip.cause,
        trip.group,
        trip.reaction,
        trip.reaction_ns.map_or("–".to_owned(), duration),
        number(trip.stop_distance),
        trip.stop_distance_predicted
    )
}

fn tail(report: &Report, out: &mut String) -> std::fmt::Result {
    let records = &report.records;
    writeln!(out, "\nRecords")?;
    writeln!(
        out,
        "  produced {} = stored {} + dropped {} (stream full {}, not recorded {})",
        records.produced,
        records.stored,
        records.dropped,
        records.dropped_by_stream,
        records.dropped_by_recorder
    )?;
    if let Some(fault) = &records.fault {
        writeln!(out, "  RECORDING FAILED: {fault}\n  The machine ran on without it.")?;
    }
    if let Some(path) = &report.recording {
        writeln!(out, "  {path} ({:.1} MB)", megabytes(records.bytes))?;
    }
    if let Some(forward) = &report.forward {
        write_forward(forward, out)?;
    }
    if let Some(audit) = &report.audit {
        let written = &audit.written;
        writeln!(
            out,
            "  audit log {}: {} records, lost {}",
            audit.directory, written.records, written.lost
        )?;
        if let Some(fault) = &written.fault {
            writeln!(
                out,
                "  THE AUDIT LOG IS NOT WRITTEN: {fault}\n  The machine ran on without it."
            )?;
        }
    }
    super::flight::lines(&report.flight_recorder, out)?;
    if let Some(bytes) = report.resident_bytes {
        let locked = report.locked_bytes.unwrap_or(0);
        writeln!(
            out,
            "  memory {:.1} MB resident, {:.1} MB locked",
            megabytes(bytes),
            megabytes(locked)
        )?;
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "for people, to a tenth")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

#[expect(clippy::cast_precision_loss, reason = "for people, to a tenth")]
fn seconds(ns: u64) -> String {
    format!("{:.1} s", ns as f64 / 1e9)
}

/// A duration with the unit that suits it.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "for people, to three digits")]
pub fn duration(ns: u64) -> String {
    match ns {
        0..1_000 => format!("{ns} ns"),
        1_000..1_000_000 => format!("{:.1} µs", ns as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.2} ms", ns as f64 / 1e6),
        1_000_000_000.. => format!("{:.2} s", ns as f64 / 1e9),
    }
}
/// The accounts of what left the machine.
fn write_forward(forward: &ForwardReport, out: &mut String) -> std::fmt::Result {
    for lane in forward.queue.lanes.iter().filter(|lane| lane.produced > 0) {
        writeln!(
            out,
            "  to {}, {}: produced {} = acked {} + queued {} + lost {}",
            lane.sink,
            lane.class,
            lane.produced,
            lane.acked,
            lane.queued + lane.in_memory,
            lane.lost
        )?;
    }
    if let Some(wrong) = &forward.queue.imbalance {
        writeln!(out, "  THE ACCOUNTS DO NOT HOLD: {wrong}")?;
    }
    if let Some(fault) = &forward.queue.fault {
        writeln!(out, "  NOTHING IS QUEUED: {fault}")?;
    }
    Ok(())
}
