//! Pictures of a study as SVG: bars of before and after, points of a sweep. No script, nothing from elsewhere.

use std::fmt::Write as _;

use super::text::number;

/// Colours of baseline and changed, and of what cannot be.
pub(super) const BASE: &str = "#4b6584";
pub(super) const CHANGED: &str = "#d9822b";
pub(super) const NOT: &str = "#b3261e";

const WIDTH: f64 = 460.0;
const HEIGHT: f64 = 250.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 30.0;
const BOTTOM: f64 = 44.0;

/// Text in XML.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A point of a curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Dot {
    pub(super) x: f64,
    /// Mean, smallest, largest; `None`: there is no value.
    pub(super) y: Option<(f64, f64, f64)>,
    pub(super) feasible: bool,
}

/// From values to places of the picture.
struct Axes {
    x: (f64, f64),
    y: (f64, f64),
}

impl Axes {
    fn new(dots: impl Iterator<Item = (f64, f64)> + Clone) -> Self {
        let range = |pick: fn((f64, f64)) -> f64| {
            let low = dots.clone().map(pick).fold(f64::INFINITY, f64::min);
            let high = dots.clone().map(pick).fold(f64::NEG_INFINITY, f64::max);
            if low.is_finite() && high > low { (low, high) } else { (low - 1.0, low + 1.0) }
        };
        let (low, high) = range(|dot| dot.1);
        let air = 0.08 * (high - low);
        let bottom = if low >= 0.0 && low < 0.5 * high { 0.0 } else { low - air };
        Self { x: range(|dot| dot.0), y: (bottom, high + air) }
    }

    fn place(&self, x: f64, y: f64) -> (f64, f64) {
        let part = |value: f64, (low, high): (f64, f64)| (value - low) / (high - low);
        let across = LEFT + part(x, self.x) * (WIDTH - LEFT - RIGHT);
        (across, HEIGHT - BOTTOM - part(y, self.y) * (HEIGHT - TOP - BOTTOM))
    }
}

fn open(out: &mut String, title: &str) -> std::fmt::Result {
    write!(
        out,
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\"><title>{0}</title>\
         <text x=\"{LEFT}\" y=\"18\" class=\"t\">{0}</text>",
        escape(title)
    )
}

fn scale(out: &mut String, axes: &Axes) -> std::fmt::Result {
    for step in 0..=4 {
        let value = axes.y.0 + (axes.y.1 - axes.y.0) * f64::from(step) / 4.0;
        let (_, y) = axes.place(axes.x.0, value);
        write!(
            out,
            "<line x1=\"{LEFT}\" x2=\"{}\" y1=\"{y:.1}\" y2=\"{y:.1}\" class=\"g\"/>\
             <text x=\"{}\" y=\"{:.1}\" class=\"e\">{}</text>",
            WIDTH - RIGHT,
            LEFT - 6.0,
            y + 4.0,
            number(value)
        )?;
    }
    Ok(())
}

/// A curve over the swept value: full dots can be, crosses cannot; the range over the seeds as a line.
pub(super) fn curve(title: &str, below: &str, dots: &[Dot]) -> String {
    let mut out = String::new();
    // Writing to a String does not fail.
    let _ = draw_curve(&mut out, title, below, dots);
    out
}

fn draw_curve(out: &mut String, title: &str, below: &str, dots: &[Dot]) -> std::fmt::Result {
    open(out, title)?;
    let known = dots.iter().filter_map(|dot| Some((dot.x, dot.y?)));
    let all = known.clone().flat_map(|(x, (_, low, high))| [(x, low), (x, high)]);
    let every = dots.iter().map(|dot| dot.x);
    let mut axes = Axes::new(all);
    let (first, last) =
        (every.clone().fold(f64::INFINITY, f64::min), every.fold(f64::NEG_INFINITY, f64::max));
    if last > first {
        axes.x = (first, last);
    }
    if known.clone().next().is_none() {
        axes.y = (0.0, 1.0);
    }
    scale(out, &axes)?;
    let line: Vec<String> = known
        .map(|(x, (mean, ..))| axes.place(x, mean))
        .map(|(x, y)| format!("{x:.1},{y:.1}"))
        .collect();
    write!(out, "<polyline points=\"{}\" class=\"l\"/>", line.join(" "))?;
    for dot in dots {
        let (x, bottom) = axes.place(dot.x, axes.y.0);
        write!(
            out,
            "<text x=\"{x:.1}\" y=\"{:.1}\" class=\"m\">{}</text>",
            bottom + 15.0,
            number(dot.x)
        )?;
        let Some((mean, low, high)) = dot.y else {
            cross(out, x, bottom)?;
            continue;
        };
        let ((_, y), (_, from), (_, to)) =
            (axes.place(dot.x, mean), axes.place(dot.x, low), axes.place(dot.x, high));
        write!(
            out,
            "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{from:.1}\" y2=\"{to:.1}\" class=\"r\"/>"
        )?;
        if dot.feasible {
            write!(out, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"{BASE}\"/>")?;
        } else {
            cross(out, x, y)?;
        }
    }
    let middle = (LEFT + WIDTH - RIGHT) / 2.0;
    write!(
        out,
        "<text x=\"{middle}\" y=\"{}\" class=\"m\">{}</text></svg>",
        HEIGHT - 8.0,
        escape(below)
    )
}

fn cross(out: &mut String, x: f64, y: f64) -> std::fmt::Result {
    write!(
        out,
        "<path d=\"M{:.1} {:.1} l10 10 m0 -10 l-10 10\" stroke=\"{NOT}\" stroke-width=\"2.5\"/>",
        x - 5.0,
        y - 5.0
    )
}

/// Groups of two bars: a name, before, after.
pub(super) fn bars(title: &str, groups: &[(String, f64, Option<f64>)]) -> String {
    let mut out = String::new();
    // Writing to a String does not fail.
    let _ = draw_bars(&mut out, title, groups);
    out
}

fn draw_bars(
    out: &mut String,
    title: &str,
    groups: &[(String, f64, Option<f64>)],
) -> std::fmt::Result {
    open(out, title)?;
    let values = groups.iter().flat_map(|(_, before, after)| [Some(*before), *after]).flatten();
    let high = values.clone().fold(0.0, f64::max);
    let low = values.fold(0.0, f64::min);
    let air = if high > low { 0.08 * (high - low) } else { 1.0 };
    let axes = Axes { x: (0.0, 1.0), y: (if low < 0.0 { low - air } else { 0.0 }, high + air) };
    scale(out, &axes)?;
    let each = (WIDTH - LEFT - RIGHT) / f64::from(u32::try_from(groups.len().max(1)).unwrap_or(1));
    let mut from = LEFT;
    let (_, zero) = axes.place(0.0, 0.0);
    for (name, before, after) in groups {
        let width = (0.3 * each).min(40.0);
        let middle = from + each / 2.0;
        let pairs = [(Some(*before), BASE, middle - width - 1.0), (*after, CHANGED, middle + 1.0)];
        for (value, colour, x) in pairs {
            let Some(value) = value else { continue };
            let (_, y) = axes.place(0.0, value);
            write!(
                out,
                "<rect x=\"{x:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{:.1}\" fill=\"{colour}\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" class=\"v\">{}</text>",
                y.min(zero),
                (y - zero).abs(),
                x + width / 2.0,
                y.min(zero) - 3.0,
                number(value)
            )?;
        }
        write!(
            out,
            "<text x=\"{middle:.1}\" y=\"{}\" class=\"m\">{}</text>",
            HEIGHT - 26.0,
            escape(name)
        )?;
        from += each;
    }
    out.write_str("</svg>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_that_cannot_be_is_a_cross_and_one_that_can_a_dot() {
        let dot = |x, feasible| Dot { x, y: Some((x, x, x)), feasible };
        let gone = Dot { x: 3.0, y: None, feasible: false };
        let svg = curve("a < b", "m/s2", &[dot(1.0, true), dot(2.0, false), gone]);
        assert_eq!(svg.matches("<circle").count(), 1);
        assert_eq!(svg.matches("<path").count(), 2);
        assert!(svg.contains("a &lt; b") && svg.ends_with("</svg>"));
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }

    #[test]
    fn nothing_to_draw_is_still_a_picture() {
        for svg in [curve("", "", &[]), bars("", &[]), bars("", &[("x".into(), 0.0, None)])] {
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        }
    }
}
