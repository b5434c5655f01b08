//! The histogram of both as SVG: latency and count on logarithmic scales.

use std::fmt::Write as _;

use super::{Measurement, Side};
use crate::report::duration;

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 540.0;
const LEFT: f64 = 80.0;
const RIGHT: f64 = 30.0;
const TOP: f64 = 90.0;
const BOTTOM: f64 = 60.0;
/// From here to there, µs; bin 0 is drawn at its upper half.
const FROM_US: f64 = 0.5;
/// Bars wider than 1 µs begin here, so that single wake-ups in the tail stay readable.
const GROW: f64 = 1.1;
const COLOURS: [&str; 2] = ["#1f5fa8", "#c2410c"];

/// The picture.
#[must_use]
pub(super) fn svg(of: &Measurement) -> String {
    let sides = [&of.ours, &of.theirs];
    let curves = sides.map(steps);
    let last_us = curves.iter().flatten().map(|step| step.to_us).fold(10.0, f64::max);
    let most = curves.iter().flatten().map(|step| step.count).fold(10.0, f64::max);
    let frame = Frame { decades_x: decade_above(last_us), decades_y: decade_above(most) };
    let mut out = String::with_capacity(16 * 1024);
    // Writing to a String does not fail.
    let _ = draw(&mut out, of, &frame, &curves);
    out
}

/// A bar: so many wake-ups from here to there.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Step {
    from_us: f64,
    to_us: f64,
    count: f64,
}

/// Neighbouring bins together where the scale gets narrow. Empty bars are kept: they are gaps.
fn steps(side: &Side) -> Vec<Step> {
    let bins = side.distribution.bins();
    let used = bins.iter().rposition(|count| *count > 0).map_or(0, |last| last + 1);
    let mut steps = Vec::new();
    let mut from = 0;
    while from < used {
        let to = wider(from).min(bins.len());
        let count: u64 = bins.get(from..to).unwrap_or_default().iter().sum();
        let from_us = if from == 0 { FROM_US } else { float(from) };
        steps.push(Step { from_us, to_us: float(to), count: float_u64(count) });
        from = to;
    }
    if side.above > 0 {
        let longest_us = float_u64(side.latency_ns.max / 1_000);
        let from_us = float(bins.len());
        let step =
            Step { from_us, to_us: longest_us.max(from_us + 1.0), count: float_u64(side.above) };
        steps.push(step);
    }
    steps
}

/// End of the bar that begins at this bin.
fn wider(from: usize) -> usize {
    let end = (float(from) * GROW).floor();
    (from + 1..).find(|to| float(*to) >= end).unwrap_or(from + 1)
}

fn decade_above(value: f64) -> f64 {
    value.log10().ceil().max(1.0)
}

/// From values to places.
struct Frame {
    /// The right edge is 10 to this, µs.
    decades_x: f64,
    /// The upper edge is 10 to this, wake-ups.
    decades_y: f64,
}

impl Frame {
    fn x(&self, us: f64) -> f64 {
        let least = FROM_US.log10();
        let share = (us.max(FROM_US).log10() - least) / (self.decades_x - least);
        LEFT + share * (WIDTH - LEFT - RIGHT)
    }

    /// Nothing lies on the lower edge; one wake-up a little above it.
    fn y(&self, count: f64) -> f64 {
        let share = if count < 1.0 { 0.0 } else { (count.log10() + 0.3) / (self.decades_y + 0.3) };
        HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)
    }
}

fn draw(
    out: &mut String,
    of: &Measurement,
    frame: &Frame,
    curves: &[Vec<Step>; 2],
) -> std::fmt::Result {
    writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>"
    )?;
    writeln!(
        out,
        "<text x=\"{LEFT}\" y=\"24\" font-size=\"16\" font-weight=\"bold\">Wake-up latency, CPU {}, \
         SCHED_FIFO {}, period {}: {:?}</text>",
        of.cpu,
        of.priority,
        duration(of.period_ns),
        of.judgement.verdict
    )?;
    legend(out, of)?;
    grid(out, frame)?;
    for (curve, colour) in curves.iter().zip(COLOURS) {
        let mut path = String::new();
        let Some(first) = curve.first() else { continue };
        write!(path, "M{:.1} {:.1}", frame.x(first.from_us), frame.y(0.0))?;
        for step in curve {
            let y = frame.y(step.count);
            write!(path, "L{:.1} {y:.1}L{:.1} {y:.1}", frame.x(step.from_us), frame.x(step.to_us))?;
        }
        let end = curve.last().map_or(0.0, |step| frame.x(step.to_us));
        write!(path, "L{end:.1} {:.1}Z", frame.y(0.0))?;
        writeln!(
            out,
            "<path d=\"{path}\" fill=\"{colour}\" fill-opacity=\"0.15\" stroke=\"{colour}\" \
             stroke-width=\"1.5\" stroke-linejoin=\"round\"/>"
        )?;
    }
    writeln!(out, "</svg>")
}

fn legend(out: &mut String, of: &Measurement) -> std::fmt::Result {
    for ((side, colour), y) in [&of.ours, &of.theirs].into_iter().zip(COLOURS).zip([46, 66]) {
        let latency = &side.latency_ns;
        writeln!(
            out,
            "<rect x=\"{LEFT}\" y=\"{}\" width=\"14\" height=\"10\" fill=\"{colour}\"/>\
             <text x=\"{}\" y=\"{y}\">{}: p50 {}, p99 {}, p99.9 {}, max {}, {} wake-ups</text>",
            y - 10,
            LEFT + 22.0,
            side.name,
            duration(latency.p50),
            duration(latency.p99),
            duration(latency.p999),
            duration(latency.max),
            latency.count
        )?;
    }
    Ok(())
}

fn grid(out: &mut String, frame: &Frame) -> std::fmt::Result {
    let (low, high) = (HEIGHT - BOTTOM, TOP);
    let mut us = 1.0;
    while us <= 10_f64.powf(frame.decades_x) {
        let x = frame.x(us);
        let label = match us {
            it if it < 1e3 => format!("{it} µs"),
            it if it < 1e6 => format!("{} ms", it / 1e3),
            it => format!("{} s", it / 1e6),
        };
        writeln!(
            out,
            "<line x1=\"{x:.1}\" y1=\"{low}\" x2=\"{x:.1}\" y2=\"{high}\" stroke=\"#ddd\"/>\
             <text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{label}</text>",
            low + 18.0
        )?;
        us *= 10.0;
    }
    let mut count = 1.0;
    while count <= 10_f64.powf(frame.decades_y) {
        let y = frame.y(count);
        writeln!(
            out,
            "<line x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{}\" y2=\"{y:.1}\" stroke=\"#ddd\"/>\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{count}</text>",
            WIDTH - RIGHT,
            LEFT - 8.0,
            y + 4.0
        )?;
        count *= 10.0;
    }
    writeln!(
        out,
        "<line x1=\"{LEFT}\" y1=\"{low}\" x2=\"{}\" y2=\"{low}\" stroke=\"#333\"/>\
         <text x=\"{}\" y=\"{}\" text-anchor=\"middle\">latency (actual − scheduled wake)</text>\
         <text x=\"20\" y=\"{}\" text-anchor=\"middle\" transform=\"rotate(-90 20 {})\">wake-ups</text>",
        WIDTH - RIGHT,
        WIDTH / 2.0,
        HEIGHT - 14.0,
        HEIGHT / 2.0,
        HEIGHT / 2.0
    )
}

#[expect(clippy::cast_precision_loss, reason = "a place in a picture")]
fn float(of: usize) -> f64 {
    of as f64
}

#[expect(clippy::cast_precision_loss, reason = "a place in a picture")]
fn float_u64(of: u64) -> f64 {
    of as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latency::distribution::Distribution;

    fn side(bins: Vec<u64>, above: u64, max_ns: u64) -> Side {
        let distribution = Distribution::new(bins, above, max_ns);
        let latency_ns = distribution.quantiles();
        Side { name: "tactus", latency_ns, histogram: vec![], above, distribution }
    }

    #[test]
    fn every_wake_up_is_in_one_bar_and_the_bars_touch() {
        let mut bins = vec![0; 8192];
        [0, 1, 9, 10, 11, 100, 101, 1_000, 8_191].iter().for_each(|at| bins[*at] += 3);
        let steps = steps(&side(bins, 2, 50_000_000));
        assert!((steps.iter().map(|step| step.count).sum::<f64>() - 29.0).abs() < 1e-9);
        for pair in steps.windows(2) {
            assert!((pair[0].to_us - pair[1].from_us).abs() < 1e-9, "{pair:?}");
        }
        assert!((steps.last().unwrap().to_us - 50_000.0).abs() < 1e-9);
        assert!(steps.len() < 90, "readable: {}", steps.len());
    }

    #[test]
    fn one_wake_up_is_seen_and_decades_are_evenly_apart() {
        let frame = Frame { decades_x: 3.0, decades_y: 4.0 };
        assert!(frame.y(0.0) - frame.y(1.0) > 10.0);
        let decade = frame.x(10.0) - frame.x(1.0);
        assert!((frame.x(100.0) - frame.x(10.0) - decade).abs() < 1e-9);
        assert!((frame.x(1_000.0) - (WIDTH - RIGHT)).abs() < 1e-9);
        assert!((frame.y(10_000.0) - TOP).abs() < 1e-9);
    }
}
