//! What a person sees while the machine runs: one calm screen, or sparse lines when it is not a terminal.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write};

use rt_core::bus::BusState;
use rt_core::cycle::Quantiles;
use rt_core::interlock::Mode as Worked;
use rt_core::record::MachineState;

use crate::events;
use crate::labels::{AxisLabel, Labels};
use crate::stats::{AxisTotals, Statistics};
use crate::vision::StreamReport;
use rt_core::vision::Object;

/// Between two pictures on a terminal, ns.
pub const REDRAW_NS: u64 = 200_000_000;
/// Between two lines when it is not a terminal, ns.
const LINE_NS: u64 = 10_000_000_000;
/// Characters of a position bar.
const BAR: usize = 30;

/// Other screen, no cursor; and back. Sources: xterm's control sequences, DECSET 1049 and 25.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[2J";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";
/// To the top left corner.
const HOME: &str = "\x1b[H";
/// Clears the rest of the line, of the screen.
const LINE_END: &str = "\x1b[K\r\n";
const SCREEN_END: &str = "\x1b[J";

/// What the screen shows besides the statistics.
#[derive(Clone, Debug, Default)]
pub struct Scene {
    /// `strict`, `degraded`, `virtual`.
    pub realtime: String,
    /// `virtual` or `raw:…`.
    pub link: String,
    /// What the cameras see, all streams.
    pub people: Vec<Object>,
    /// What came from cameras and what became of it; only in real time.
    pub cameras: Vec<StreamReport>,
    /// Records: produced, dropped.
    pub records: (u64, u64),
    /// Time since start, ns.
    pub elapsed: u64,
    /// Durations are measured.
    pub measured: bool,
    /// Something to do or to know, in red.
    pub notice: Option<String>,
    /// Wake-up latency, execution time and each phase.
    pub durations: Vec<(&'static str, Quantiles)>,
}

enum Mode {
    Silent,
    Lines,
    Screen,
}

/// Shows the state of a run; gives the terminal back however it ends.
pub struct Console<W: Write> {
    out: W,
    mode: Mode,
    next: u64,
    last_machine: MachineState,
    text: String,
}

impl Console<std::io::Stdout> {
    /// For this process: a screen on a terminal, else lines; nothing when `headless`.
    #[must_use]
    pub fn new(headless: bool) -> Self {
        let out = std::io::stdout();
        let mode = match (headless, out.is_terminal()) {
            (true, _) => Mode::Silent,
            (false, true) => Mode::Screen,
            (false, false) => Mode::Lines,
        };
        Self::with(out, mode)
    }
}

impl<W: Write> Console<W> {
    fn with(mut out: W, mode: Mode) -> Self {
        if matches!(mode, Mode::Screen) {
            // A terminal that is gone shows nothing; the machine does not care.
            let _ = out.write_all(ENTER.as_bytes());
            let _ = out.flush();
        }
        let text = String::with_capacity(4096);
        Self { out, mode, next: 0, last_machine: MachineState::Boot, text }
    }

    /// Whether `show` would draw at `elapsed` ns.
    #[must_use]
    pub fn due(&self, statistics: &Statistics, elapsed: u64) -> bool {
        match self.mode {
            Mode::Silent => false,
            Mode::Screen => elapsed >= self.next,
            Mode::Lines => elapsed >= self.next || statistics.machine != self.last_machine,
        }
    }

    /// Draws, if it is time.
    pub fn show(&mut self, statistics: &Statistics, labels: &Labels, scene: &Scene) {
        if !self.due(statistics, scene.elapsed) {
            return;
        }
        self.last_machine = statistics.machine;
        self.text.clear();
        match self.mode {
            Mode::Silent => return,
            Mode::Screen => {
                self.next = scene.elapsed.saturating_add(REDRAW_NS);
                let lines = screen(statistics, labels, scene);
                self.text.push_str(HOME);
                for line in lines.lines() {
                    self.text.push_str(line);
                    self.text.push_str(LINE_END);
                }
                self.text.push_str(SCREEN_END);
            }
            Mode::Lines => {
                self.next = scene.elapsed.saturating_add(LINE_NS);
                self.text.push_str(&line(statistics, labels, scene));
            }
        }
        let _ = self.out.write_all(self.text.as_bytes());
        let _ = self.out.flush();
    }

    /// Gives the terminal back. Safe to call twice.
    pub fn leave(&mut self) {
        if matches!(self.mode, Mode::Screen) {
            let _ = self.out.write_all(LEAVE.as_bytes());
            let _ = self.out.flush();
        }
        self.mode = Mode::Silent;
    }
}

impl<W: Write> Drop for Console<W> {
    fn drop(&mut self) {
        self.leave();
    }
}

/// One line for logs.
fn line(statistics: &Statistics, labels: &Labels, scene: &Scene) -> String {
    format!(
        "{:>7.1} s  {}: {}  cycles {}  trips {}  working-counter errors {}  dropped {}\n",
        seconds(scene.elapsed),
        labels.machine,
        events::machine(statistics.machine),
        statistics.cycles,
        statistics.trips_total,
        statistics.exchange.counts.working_counter_errors,
        scene.records.1
    )
}

/// The whole screen.
#[must_use]
pub fn screen(statistics: &Statistics, labels: &Labels, scene: &Scene) -> String {
    let mut out = String::with_capacity(4096);
    // Writing to a String does not fail.
    let _ = draw(statistics, labels, scene, &mut out);
    out
}

fn draw(
    statistics: &Statistics,
    labels: &Labels,
    scene: &Scene,
    out: &mut String,
) -> std::fmt::Result {
    let colour = match statistics.machine {
        MachineState::Run => "\x1b[1;32m",
        MachineState::AwaitStart => "\x1b[1;33m",
        MachineState::Boot | MachineState::Safe => "\x1b[1;31m",
    };
    writeln!(out, "\x1b[1m{}\x1b[0m   {:.1} s", labels.machine, seconds(scene.elapsed))?;
    writeln!(out)?;
    let state = events::machine(statistics.machine).to_uppercase();
    let mode = match statistics.mode {
        Worked::Automatic => "",
        Worked::Manual => "\x1b[1;33mmanual\x1b[0m   ",
        Worked::Unknown => "\x1b[1;31mno mode selected\x1b[0m   ",
    };
    writeln!(out, "  machine   {colour}{state}\x1b[0m   {mode}{}", hint(statistics, labels))?;
    let bus = match statistics.exchange.state {
        BusState::Starting => "starting",
        BusState::Operational => "operational",
        BusState::Faulted => "\x1b[1;31mFAULTED\x1b[0m",
    };
    writeln!(out, "  bus       {bus}   link {}", scene.link)?;
    if scene.realtime == "degraded" {
        writeln!(out, "  real time \x1b[1;31mDEGRADED\x1b[0m")?;
    } else {
        writeln!(out, "  real time {}", scene.realtime)?;
    }
    writeln!(out)?;
    for (axis, label) in statistics.axes.iter().zip(&labels.axes) {
        axis_line(axis, label, out)?;
    }
    writeln!(out)?;
    zones(statistics, labels, out)?;
    people(scene, out)?;
    writeln!(out)?;
    last_trip(statistics, labels, out)?;
    counters(statistics, scene, out)?;
    writeln!(out)?;
    match &scene.notice {
        Some(notice) => writeln!(out, "  \x1b[1;31m{notice}\x1b[0m"),
        None => writeln!(out, "  Ctrl-C ends the run: the axes stop in a controlled way first."),
    }
}

/// What the machine waits for, or does.
fn hint(statistics: &Statistics, labels: &Labels) -> String {
    match statistics.machine {
        MachineState::Boot => "starting".into(),
        MachineState::Safe => match statistics.stop_unresolved {
            Some(cause) => {
                format!("stopped by {}: clear it, then reset", labels.cause(cause))
            }
            None => "waits for reset".into(),
        },
        MachineState::AwaitStart => "waits for start".into(),
        MachineState::Run if statistics.mode == Worked::Manual => "jogs what is held".into(),
        MachineState::Run => statistics.steps.first().map_or(String::new(), |step| {
            if statistics.steps_begun == 0 { String::new() } else { labels.step(*step).into() }
        }),
    }
}

fn axis_line(axis: &AxisTotals, label: &AxisLabel, out: &mut String) -> std::fmt::Result {
    let view = &axis.last;
    let range = label.range.or(label.wrap.map(|turn| (0.0, turn)));
    let bar = range.map_or_else(|| " ".repeat(BAR), |range| position_bar(view.position, range));
    let mark = if view.referenced { ' ' } else { '?' };
    writeln!(
        out,
        "  {:<10}[{bar}] {:>9.1}{mark}{:<3} {:>8.1} /s  stop {:>6.1}  {}",
        label.name,
        view.position,
        label.unit,
        at_rest(view.velocity),
        axis.stopping_distance,
        events::axis_state(view.state)
    )
}

/// What would be shown as ±0.0 is 0.
fn at_rest(velocity: f64) -> f64 {
    if velocity.abs() < 0.05 { 0.0 } else { velocity }
}

/// Where a position lies in its range.
fn position_bar(position: f64, (from, to): (f64, f64)) -> String {
    let share = if to > from { ((position - from) / (to - from)).clamp(0.0, 1.0) } else { 0.0 };
    let last = BAR - 1;
    let place = (0..last).find(|place| share <= fraction(*place, last)).unwrap_or(last);
    (0..BAR).map(|at| if at == place { '█' } else { '·' }).collect()
}

#[expect(clippy::cast_precision_loss, reason = "of a bar's 30 places")]
fn fraction(place: usize, of: usize) -> f64 {
    place as f64 / of as f64
}

fn zones(statistics: &Statistics, labels: &Labels, out: &mut String) -> std::fmt::Result {
    for (stream, label) in statistics.streams.iter().zip(&labels.streams) {
        write!(out, "  zones     ")?;
        if !stream.valid {
            writeln!(out, "\x1b[1;31m{}: no valid picture\x1b[0m", label.name)?;
            continue;
        }
        for (bit, zone) in label.zones.iter().enumerate() {
            let shifted = u32::try_from(bit).ok().and_then(|bit| stream.not_clear.checked_shr(bit));
            if shifted.is_none_or(|bits| bits & 1 == 1) {
                write!(out, "\x1b[1;33m{zone} occupied\x1b[0m   ")?;
            } else {
                write!(out, "{zone} clear   ")?;
            }
        }
        writeln!(out)?;
    }
    Ok(())
}

fn people(scene: &Scene, out: &mut String) -> std::fmt::Result {
    for stream in &scene.cameras {
        writeln!(out, "  camera    {}", stream.line())?;
    }
    write!(out, "  seen      ")?;
    if scene.people.is_empty() {
        return writeln!(out, "nobody");
    }
    for object in scene.people.iter().take(4) {
        write!(out, "({:.1} m, {:.1} m)   ", metres(object.x), metres(object.y))?;
    }
    writeln!(out)
}

fn last_trip(statistics: &Statistics, labels: &Labels, out: &mut String) -> std::fmt::Result {
    let Some(trip) = &statistics.last_trip else {
        return writeln!(out, "  trips     none");
    };
    let unit = labels.group_unit(trip.group);
    write!(
        out,
        "  trips     {}, last: {} → {} {}",
        statistics.trips_total,
        labels.cause(trip.cause),
        labels.group(trip.group),
        events::reaction(trip.reaction, unit)
    )?;
    match trip.stop_distance {
        Some(distance) => writeln!(
            out,
            ", stood after {distance:.1} {unit} (predicted {:.1})",
            trip.stop_distance_predicted
        ),
        None => writeln!(out),
    }
}

fn counters(statistics: &Statistics, scene: &Scene, out: &mut String) -> std::fmt::Result {
    let counts = &statistics.exchange.counts;
    writeln!(
        out,
        "  frames    {} sent, {} late, {} lost, {} corrupt, working-counter errors {}",
        counts.sent, counts.late, counts.lost, counts.corrupt, counts.working_counter_errors
    )?;
    writeln!(
        out,
        "  cycles    {}, periods skipped {}, records {} (dropped {})",
        statistics.cycles, statistics.periods_skipped, scene.records.0, scene.records.1
    )?;
    if !scene.measured {
        return writeln!(out, "  latency   not measured in virtual time");
    }
    phases(&scene.durations, out)
}

/// Where the time of a cycle goes, µs: a column each.
fn phases(durations: &[(&str, Quantiles)], out: &mut String) -> std::fmt::Result {
    write!(out, "  µs    ")?;
    durations.iter().try_for_each(|(name, _)| write!(out, "{name:>8.7}"))?;
    type Of = fn(&Quantiles) -> u64;
    let rows: [(&str, Of); 4] =
        [("p50", |of| of.p50), ("p99", |of| of.p99), ("p99.9", |of| of.p999), ("max", |of| of.max)];
    for (name, of) in rows {
        write!(out, "\n  {name:<6}")?;
        durations.iter().try_for_each(|(_, it)| write!(out, "{:>8}", micros(of(it))))?;
    }
    writeln!(out)
}

/// Few digits: a column is narrow.
#[expect(clippy::cast_precision_loss, reason = "for people, to three digits")]
fn micros(ns: u64) -> String {
    match ns {
        0..100_000 => format!("{:.2}", ns as f64 / 1e3),
        _ => format!("{}", ns / 1000),
    }
}

fn metres(millimetres: i32) -> f64 {
    f64::from(millimetres) / 1000.0
}

#[expect(clippy::cast_precision_loss, reason = "for people, to a tenth")]
fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels::example;
    use rt_core::record::{Body, CycleRecord, Event, Record};
    use rt_core::vision::StreamId;

    fn running() -> Statistics {
        let mut statistics = Statistics::new(vec![None, Some(1000.0)]);
        let cycle = CycleRecord { machine: MachineState::Run, ..CycleRecord::default() };
        statistics.take(&Record { cycle: 0, now: 1, body: Body::Cycle(cycle) });
        let seen = Event::Vision { stream: StreamId(0), not_clear: 0b10, valid: true };
        statistics.take(&Record { cycle: 0, now: 1, body: Body::Event(seen) });
        statistics
    }

    #[test]
    fn the_screen_shows_state_axes_zones_and_people_on_one_page() {
        let person = Object { x: 1500, y: -2000, ..Object::default() };
        let scene = Scene { people: vec![person], ..Scene::default() };
        let text = screen(&running(), &example(), &scene);
        for expected in ["RUN", "belt", "outer clear", "inner occupied", "(1.5 m, -2.0 m)"] {
            assert!(text.contains(expected), "{expected} is missing:\n{text}");
        }
        assert!(text.lines().count() <= 24, "{text}");
    }

    #[test]
    fn the_bar_shows_where_a_position_lies() {
        assert!(position_bar(0.0, (0.0, 600.0)).starts_with('█'));
        assert!(position_bar(600.0, (0.0, 600.0)).ends_with('█'));
        assert!(position_bar(1e9, (0.0, 600.0)).ends_with('█'));
        assert!(position_bar(f64::NAN, (0.0, 600.0)).contains('█'));
        let middle = position_bar(300.0, (0.0, 600.0));
        assert_eq!(middle.chars().position(|c| c == '█'), Some(15));
    }

    #[test]
    fn the_terminal_is_given_back_however_it_ends() {
        let mut out = Vec::new();
        drop(Console::with(&mut out, Mode::Screen));
        assert!(out.ends_with(LEAVE.as_bytes()));
    }

    #[test]
    fn headless_is_silent() {
        let mut out = Vec::new();
        let mut console = Console::with(&mut out, Mode::Silent);
        console.show(&running(), &example(), &Scene::default());
        drop(console);
        assert!(out.is_empty());
    }

    #[test]
    fn without_a_terminal_lines_are_few_and_plain() {
        let mut out = Vec::new();
        let mut console = Console::with(&mut out, Mode::Lines);
        for elapsed in (0..20_000_000_000_u64).step_by(100_000_000) {
            let scene = Scene { elapsed, ..Scene::default() };
            console.show(&running(), &example(), &scene);
        }
        drop(console);
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(!text.contains('\x1b'));
    }

    #[test]
    fn the_screen_is_redrawn_five_times_a_second() {
        let mut out = Vec::new();
        let mut console = Console::with(&mut out, Mode::Screen);
        for elapsed in (0..1_000_000_000_u64).step_by(10_000_000) {
            console.show(&running(), &example(), &Scene { elapsed, ..Scene::default() });
        }
        drop(console);
        let drawn = String::from_utf8(out).unwrap().matches(HOME).count();
        assert_eq!(drawn, 5);
    }
}
