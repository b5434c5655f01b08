//! The trends as one HTML file with its pictures in it: it opens anywhere and loads nothing.

use std::fmt::Write as _;

use super::advice::{Assessment, hours, said};
use super::assess::Trend;
use super::drift::Outlook;
use crate::what_if::escape;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 56.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 30.0;
const BOTTOM: f64 = 36.0;
const STYLE: &str = "body{font:15px/1.45 system-ui,sans-serif;color:#1c2530;margin:2rem auto;max-width:760px;padding:0 1rem}\
h1{font-size:1.4rem}h2{font-size:1.05rem;margin:1.4rem 0 .2rem}svg{width:100%;background:#fafbfc;border:1px solid #dde3ea}\
text{font-size:11px;fill:#5a6775}.g{stroke:#e3e8ee}.limit{stroke:#b3261e;stroke-dasharray:6 4}.now{stroke:#8894a0;stroke-dasharray:2 3}\
.left{fill:#1f5fa8;fill-opacity:.18}.mid{stroke:#1f5fa8;stroke-width:2}";

/// The page.
#[must_use]
pub(super) fn page(of: &Assessment) -> String {
    let mut out = String::new();
    // Writing to a String does not fail.
    let _ = write_page(&mut out, of);
    out
}

fn write_page(out: &mut String, of: &Assessment) -> std::fmt::Result {
    write!(
        out,
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Remaining useful life</title>\
         <style>{STYLE}</style><h1>Remaining useful life</h1>\
         <p>Indicators against the baseline of their operating condition. Shaded: from when one of ten to when nine of ten \
         reach the limit. An estimate for planning, no safety function. Assumed: life Weibull with shape {} and scale {}.</p>",
        of.prior.shape,
        hours(of.prior.life_hours)
    )?;
    for advice in &of.advice {
        write!(out, "<p><b>{}</b>: {}</p>", advice.who, escape(&advice.text))?;
    }
    for axis in &of.axes {
        for trend in &axis.trends {
            let name = escape(&axis.axis);
            let title = format!("{name}: {}", trend.indicator.name());
            write!(out, "<h2>{title}</h2><p>{}</p>", escape(&said(&trend.outlook)))?;
            if !trend.points.is_empty() {
                picture(out, &title, trend, of.prior.limit)?;
            }
        }
    }
    out.write_str("</html>\n")
}

fn picture(out: &mut String, title: &str, trend: &Trend, limit: f64) -> std::fmt::Result {
    let left = match trend.outlook {
        Outlook::Left(left) => Some(left),
        Outlook::Reached { .. } | Outlook::NotEnoughData(_) => None,
    };
    let now = trend.hours.max(1e-9);
    // A far end of the interval does not squeeze the points together.
    let last = left.map_or(now, |left| now + left.p90.min(3.0 * now)) * 1.02;
    let values = trend.points.iter().map(|point| point.value);
    let (low, high) = values.fold((1.0_f64, limit), |(low, high), v| (low.min(v), high.max(v)));
    let (low, high) = (low - 0.05 * (high - low), high + 0.05 * (high - low));
    let x = |hours: f64| LEFT + (WIDTH - LEFT - RIGHT) * (hours / last).min(1.0);
    let y = |value: f64| TOP + (HEIGHT - TOP - BOTTOM) * (high - value) / (high - low);
    let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
    write!(out, "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\"><title>{title}</title>")?;
    for (value, class) in [(1.0, "g"), (limit, "limit")] {
        let at = y(value);
        write!(
            out,
            "<line x1=\"{LEFT}\" x2=\"{right}\" y1=\"{at:.1}\" y2=\"{at:.1}\" class=\"{class}\"/>\
             <text x=\"4\" y=\"{:.1}\">{:.0} %</text>",
            at + 4.0,
            value * 100.0
        )?;
    }
    if let Some(left) = left {
        let (from, to, middle) = (x(now + left.p10), x(now + left.p90), x(now + left.p50));
        write!(
            out,
            "<rect x=\"{from:.1}\" width=\"{:.1}\" y=\"{TOP}\" height=\"{:.1}\" class=\"left\"/>\
             <line x1=\"{middle:.1}\" x2=\"{middle:.1}\" y1=\"{TOP}\" y2=\"{bottom}\" class=\"mid\"/>",
            (to - from).max(1.0),
            bottom - TOP
        )?;
    }
    let at = x(now);
    write!(
        out,
        "<line x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{TOP}\" y2=\"{bottom}\" class=\"now\"/>\
         <text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"end\">now, {}</text>\
         <text x=\"{right}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
        HEIGHT - 20.0,
        hours(now),
        HEIGHT - 6.0,
        hours(last)
    )?;
    for point in &trend.points {
        let (x, y) = (x(point.hours), y(point.value));
        write!(out, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.5\" fill=\"#1f5fa8\"/>")?;
    }
    out.write_str("</svg>")
}
