//! The answer as one HTML file with its pictures in it: it opens anywhere and loads nothing.

use std::fmt::Write as _;

use super::plot::{self, Dot, escape};
use super::table::{Row, rows};
use super::text::{change, spread};
use super::{Study, SweepStudy};

const STYLE: &str = "\
body{font:15px/1.45 system-ui,sans-serif;color:#1c2530;margin:2rem auto;max-width:1000px;padding:0 1rem}\
h1{font-size:1.4rem;margin-bottom:.2rem}h2{font-size:1.1rem;margin-top:1.6rem}\
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}\
td,th{padding:.2rem .6rem;border-bottom:1px solid #dde3ea;text-align:right}\
td:first-child,th:first-child{text-align:left}\
.p{display:flex;flex-wrap:wrap;gap:12px}svg{width:460px;background:#fafbfc;border:1px solid #dde3ea}\
.t{font-size:13px;font-weight:600}.e{font-size:10.5px;text-anchor:end;fill:#5a6775}\
.m{font-size:10.5px;text-anchor:middle;fill:#5a6775}.v{font-size:9.5px;text-anchor:middle}\
.g{stroke:#e3e8ee}.l{fill:none;stroke:#4b6584;stroke-width:1.5}.r{stroke:#4b6584;stroke-opacity:.45;stroke-width:3}\
.no{color:#b3261e}.key span{display:inline-block;width:.8em;height:.8em;margin:0 .3em 0 1em}";

/// The page.
#[must_use]
pub(super) fn page(study: &Study) -> String {
    let mut out = String::new();
    // Writing to a String does not fail.
    let _ = write_page(&mut out, study);
    out
}

fn write_page(out: &mut String, study: &Study) -> std::fmt::Result {
    let name = escape(&study.machine);
    write!(
        out,
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>What if: {name}</title>\
         <style>{STYLE}</style><h1>What if: {name}</h1><p>{}, {} runs of {} s in virtual time, seeds {}. \
         Parts: {}.</p>",
        escape(&study.from),
        study.baseline.len() + study.changed.len(),
        study.duration_s,
        seeds(&study.seeds),
        escape(&study.counted)
    )?;
    for change in &study.changes {
        write!(out, "<p><b>{}</b></p>", escape(change))?;
    }
    for (kind, texts) in [("Note", &study.notes), ("Assumed", &study.assumed)] {
        for text in texts {
            write!(out, "<p>{kind}: {}</p>", escape(text))?;
        }
    }
    if let Some(sweep) = &study.sweep {
        write_sweep(out, sweep)?;
    }
    let after = !study.changed.is_empty();
    out.write_str("<h2>Figures</h2>")?;
    if after {
        write!(
            out,
            "<p class=\"key\"><span style=\"background:{}\"></span>baseline\
             <span style=\"background:{}\"></span>changed</p>",
            plot::BASE,
            plot::CHANGED
        )?;
    }
    out.write_str("<div class=\"p\">")?;
    out.write_str(&groups(study, "Throughput, parts/h", &["parts_per_h"]))?;
    out.write_str(&groups(study, "Cycle time, s", &["cycle_time_median_s", "cycle_time_p95_s"]))?;
    out.write_str(&groups(study, "Energy at the motor shafts, J", &["energy_j", "regenerated_j"]))?;
    out.write_str(&groups(study, "Time, s", &["stopped_s", "slow_s"]))?;
    out.write_str(&by_axis(study, "Peak torque, N m", "torque_peak_nm"))?;
    out.write_str(&by_axis(study, "Thermal margin, % of the continuous rating", "thermal_margin"))?;
    out.write_str("</div>")?;
    write_table(out, &study.table, after)
}

fn seeds(seeds: &[u64]) -> String {
    let all: Vec<String> = seeds.iter().map(ToString::to_string).collect();
    all.join(", ")
}

fn bar(row: &Row, name: &str) -> Option<(String, f64, Option<f64>)> {
    Some((name.to_owned(), row.baseline?.mean, row.changed.map(|spread| spread.mean)))
}

fn groups(study: &Study, title: &str, keys: &[&str]) -> String {
    let of = |key: &&str| {
        let row = study.table.iter().find(|row| row.key == **key)?;
        bar(row, &row.label)
    };
    plot::bars(title, &keys.iter().filter_map(of).collect::<Vec<_>>())
}

fn by_axis(study: &Study, title: &str, key: &str) -> String {
    let of = |row: &Row| {
        let axis = row.key.strip_suffix(key)?.strip_suffix('.')?;
        bar(row, axis)
    };
    plot::bars(title, &study.table.iter().filter_map(of).collect::<Vec<_>>())
}

fn write_sweep(out: &mut String, sweep: &SweepStudy) -> std::fmt::Result {
    write!(
        out,
        "<h2>Sweep of {}</h2><p>Dots can be; crosses cannot, the table says why. Lines: range over the seeds.</p>\
         <div class=\"p\">",
        escape(&sweep.path)
    )?;
    let below = format!("{}, {}", sweep.path, sweep.unit);
    let curves = [
        ("Throughput, parts/h", "parts_per_h"),
        ("Cycle time, median, s", "cycle_time_median_s"),
        ("Energy a part, net, J", "energy_per_part_j"),
    ];
    let tables: Vec<Vec<Row>> = sweep.points.iter().map(|point| rows(&point.runs, &[])).collect();
    for (title, key) in curves {
        out.write_str(&curve(sweep, &tables, title, &below, &|row| row.key == key))?;
    }
    let least = |row: &Row| row.key.ends_with(".torque_margin");
    out.write_str(&curve(
        sweep,
        &tables,
        "Torque left to the limit, %, smallest of the axes",
        &below,
        &least,
    ))?;
    out.write_str("</div><table><tr><th>value<th>feasible<th>why not</tr>")?;
    for point in &sweep.points {
        let (class, word) = if point.feasible { ("", "yes") } else { (" class=\"no\"", "no") };
        let why = escape(&point.why.join("; "));
        write!(out, "<tr{class}><td>{}<td>{word}<td>{why}</tr>", escape(&point.shown))?;
    }
    out.write_str("</table>")
}

/// Of several rows that fit, the smallest.
fn curve(
    sweep: &SweepStudy,
    tables: &[Vec<Row>],
    title: &str,
    below: &str,
    fits: &dyn Fn(&Row) -> bool,
) -> String {
    let dots = sweep.points.iter().zip(tables).map(|(point, table)| {
        let values = table.iter().filter(|row| fits(row)).filter_map(|row| row.baseline);
        let least = values.min_by(|a, b| a.mean.total_cmp(&b.mean));
        let y = least.map(|spread| (spread.mean, spread.low, spread.high));
        Dot { x: point.value, y, feasible: point.feasible }
    });
    plot::curve(title, below, &dots.collect::<Vec<_>>())
}

fn write_table(out: &mut String, rows: &[Row], after: bool) -> std::fmt::Result {
    let heads = if after { "<th>changed<th>difference" } else { "" };
    write!(out, "<table><tr><th><th>baseline{heads}</tr>")?;
    for row in rows {
        let unit = if row.unit.is_empty() { String::new() } else { format!(", {}", row.unit) };
        write!(out, "<tr><td>{}{unit}<td>{}", escape(&row.label), spread(row.baseline))?;
        if after {
            write!(out, "<td>{}<td>{}", spread(row.changed), change(row))?;
        }
        out.write_str("</tr>")?;
    }
    out.write_str("</table></html>\n")
}
