//! `tactus budget`: the response-time budget of every interlock, what a run measured of it, and the distance that each stage costs.
//!
//! What is measured comes from time stamps of one clock: a trip's `input_at` (when the camera captured, or the frame with the input came
//! back) until the frame with the reaction was due to leave, and for `separation` the age of every picture that was judged, in every
//! cycle. Stages beyond the wire are not measured by the loop: their column says so.

mod text;

use std::path::Path;

use config::Machine;
use config::budget::{Budget, STAGES, stream};
use serde::{Deserialize, Serialize};

use crate::exit::Error;
use crate::labels::Labels;
use crate::matrix::Html;
use crate::run::hex;

pub use text::render;

/// Version of the JSON; goes up when a field changes its meaning or goes away.
pub const FORMAT: u32 = 1;
/// Walking, mm / s (ISO 13855).
const WALKING: u64 = 1600;

/// The budgets of a machine.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Table {
    /// [`FORMAT`].
    pub format: u32,
    /// The machine's name.
    pub machine: String,
    /// BLAKE3 of the machine file.
    pub config_hash: String,
    /// Under which the figures were measured; `null`: nothing was.
    pub conditions: Option<Conditions>,
    /// Interlocks, in order.
    pub rows: Vec<Row>,
}

/// What a measurement belongs to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Conditions {
    /// `strict`, `degraded`.
    pub realtime: String,
    /// `virtual` or `raw:<interface>`.
    pub link: String,
    /// Cycles of the run.
    pub cycles: u64,
    /// Period, ns.
    pub period_ns: u64,
    /// The run was of this very machine file.
    pub same_file: bool,
}

/// One interlock.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// Its name.
    pub interlock: String,
    /// Stages, in order.
    pub stages: Vec<StageRow>,
    /// All of them, ns.
    pub sum_ns: u64,
    /// What the file allows, ns; `null`: it does not say.
    pub total_ns: Option<u64>,
    /// What is left of it, ns.
    pub left_ns: Option<u64>,
    /// What somebody who walks goes meanwhile, mm.
    pub distance_mm: u64,
    /// Until the frame with the reaction leaves: all that time stamps of the loop show, ns.
    pub until_wire_ns: u64,
    /// The same, measured.
    pub measured: Option<Measured>,
}

/// One stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StageRow {
    /// Its name.
    pub stage: &'static str,
    /// What counts, ns.
    pub ns: u64,
    /// The file declares it; otherwise it is derived.
    pub declared: bool,
    /// What somebody who walks goes meanwhile, mm, rounded up.
    pub distance_mm: u64,
}

/// What a run measured of a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Measured {
    /// What: `trips` (input to frame) or `pictures` (capture to judgement, every cycle, and one period to the frame).
    pub of: &'static str,
    /// How many.
    pub samples: u64,
    /// The longest, ns.
    pub max_ns: u64,
    /// What is left of the budget, ns; below 0: overrun.
    pub margin_ns: i64,
}

/// What of a report (`tactus run --report`) is needed.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Run {
    #[serde(default)]
    config_hash: Option<String>,
    #[serde(default)]
    realtime: Option<String>,
    #[serde(default)]
    link: Option<String>,
    #[serde(default)]
    cycles: u64,
    #[serde(default)]
    period_ns: Option<u64>,
    #[serde(default)]
    trips: Vec<RunTrip>,
    #[serde(default)]
    separation: Vec<RunSeparation>,
}

#[derive(Clone, Debug, Deserialize)]
struct RunTrip {
    cause: String,
    reaction_ns: Option<u64>,
}

#[derive(Clone, Debug, Deserialize)]
struct RunSeparation {
    interlock: String,
    cycles: u64,
    picture_age_max_ns: u64,
}

/// Reads the report of a run.
///
/// # Errors
/// It cannot be read, or is none.
pub fn read(path: &Path) -> Result<Run, Error> {
    let text = std::fs::read_to_string(path).map_err(|wrong| {
        Error::environment(format!("{} cannot be read: {wrong}", path.display()))
    })?;
    serde_json::from_str(&text).map_err(|wrong| {
        Error::environment(format!(
            "{} is no report of a run: {wrong}; tactus run FILE --report {0} writes one",
            path.display()
        ))
    })
}

impl Table {
    /// Of `machine`, with what `run` measured.
    #[must_use]
    pub fn of(machine: &Machine, run: Option<&Run>) -> Self {
        let labels = Labels::of(machine);
        let hash = hex(&machine.hash);
        let budgets = machine.budgets.iter().zip(&machine.plan.interlocks);
        let rows = budgets.zip(&labels.interlocks).map(|((budget, interlock), name)| {
            let picture = stream(&interlock.cause).is_some();
            row(name, budget, run.and_then(|run| measured(run, name, budget, picture)))
        });
        Self {
            format: FORMAT,
            machine: machine.name.clone(),
            rows: rows.collect(),
            conditions: run.map(|run| Conditions {
                realtime: run.realtime.clone().unwrap_or_else(|| "unknown".into()),
                link: run.link.clone().unwrap_or_else(|| "unknown".into()),
                cycles: run.cycles,
                period_ns: run.period_ns.unwrap_or(0),
                same_file: run.config_hash.as_deref() == Some(hash.as_str()),
            }),
            config_hash: hash,
        }
    }

    /// As JSON.
    ///
    /// # Errors
    /// What the writer said.
    pub fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self).map(|json| json + "\n")
    }

    /// Rows whose budget was overrun in the run.
    pub fn overrun(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| row.measured.as_ref().is_some_and(|m| m.margin_ns < 0))
    }

    /// As a table of a page.
    pub fn html(&self, html: &mut Html) {
        html.markup("<table>\n");
        let mut head = vec!["interlock"];
        head.extend(STAGES);
        head.extend(["sum", "total", "until the wire", "measured", "margin", "costs"]);
        html.head(&head);
        for row in &self.rows {
            html.row(&text::cells(row));
        }
        html.markup("</table>\n");
    }

    /// As a page to print.
    #[must_use]
    pub fn page(&self) -> String {
        let mut html = Html::default();
        html.element(
            "<p><code>",
            &format!("Machine file BLAKE3 {}", self.config_hash),
            "</code></p>\n",
        );
        html.element("<p>", &text::conditions(self), "</p>\n");
        self.html(&mut html);
        html.page(&format!("Response-time budget: {}", self.machine))
    }
}

fn row(name: &str, budget: &Budget, measured: Option<Measured>) -> Row {
    let walked = |time_ns: u64| {
        let distance = WALKING.saturating_mul(time_ns);
        distance.div_ceil(1_000_000_000)
    };
    let stages = STAGES.into_iter().zip(&budget.stages);
    let sum_ns = budget.sum_ns();
    Row {
        interlock: name.to_owned(),
        stages: stages
            .map(|(stage, of)| StageRow {
                stage,
                ns: of.ns(),
                declared: of.declared_ns.is_some(),
                distance_mm: walked(of.ns()),
            })
            .collect(),
        sum_ns,
        total_ns: budget.total_ns,
        left_ns: budget.total_ns.map(|total| total.saturating_sub(sum_ns)),
        distance_mm: walked(sum_ns),
        until_wire_ns: budget.until_wire_ns(),
        measured,
    }
}

// SR-068
/// What a run says of a row: trips that it caused, and for separation every picture that was judged.
fn measured(run: &Run, name: &str, budget: &Budget, picture: bool) -> Option<Measured> {
    let allowed = budget.until_wire_ns();
    let of = |of, samples, max_ns: u64| Measured {
        of,
        samples,
        max_ns,
        margin_ns: i64::try_from(i128::from(allowed) - i128::from(max_ns)).unwrap_or(i64::MIN),
    };
    if picture && let Some(seen) = run.separation.iter().find(|seen| seen.interlock == name) {
        let max = seen.picture_age_max_ns.saturating_add(run.period_ns.unwrap_or(0));
        return Some(of("pictures", seen.cycles, max));
    }
    let reactions = run.trips.iter().filter(|trip| trip.cause == name);
    let reactions: Vec<u64> = reactions.filter_map(|trip| trip.reaction_ns).collect();
    let max = reactions.iter().copied().max()?;
    Some(of("trips", u64::try_from(reactions.len()).unwrap_or(u64::MAX), max))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell() -> Machine {
        config::load(include_str!("../../../config/machines/separation-cell.toml"), "cell").unwrap()
    }

    fn run(trips: &str, separation: &str) -> Run {
        let text = format!(
            "{{\"realtime\":\"strict\",\"link\":\"virtual\",\"cycles\":9,\"period_ns\":1000000,\
             \"trips\":[{trips}],\"separation\":[{separation}]}}"
        );
        serde_json::from_str(&text).unwrap()
    }

    fn find<'a>(table: &'a Table, name: &str) -> &'a Row {
        table.rows.iter().find(|row| row.interlock == name).unwrap()
    }

    #[test]
    fn every_interlock_has_a_row_and_its_stages_add_up() {
        let machine = cell();
        let table = Table::of(&machine, None);
        assert_eq!(table.rows.len(), machine.plan.interlocks.len());
        for row in &table.rows {
            assert_eq!(row.sum_ns, row.stages.iter().map(|stage| stage.ns).sum::<u64>());
            assert!(row.measured.is_none());
        }
        let distance = find(&table, "distance");
        // 150 ms of picture, two periods, 4 ms of drive, 100 ms watchdog and 1000 ÷ 8000 s.
        assert_eq!(distance.sum_ns, 150_000_000 + 2_000_000 + 4_000_000 + 225_000_000);
        assert_eq!(distance.distance_mm, 610);
    }

    #[test]
    // SR-068
    fn what_was_measured_stands_beside_what_is_allowed_and_an_overrun_is_named() {
        let trips = "{\"cause\":\"guard door\",\"reaction_ns\":2000000},\
                     {\"cause\":\"guard door\",\"reaction_ns\":9000000},\
                     {\"cause\":\"bus\",\"reaction_ns\":null}";
        let pictures =
            "{\"interlock\":\"distance\",\"cycles\":700,\"picture_age_max_ns\":80000000}";
        let table = Table::of(&cell(), Some(&run(trips, pictures)));
        let door = find(&table, "guard door").measured.clone().unwrap();
        assert_eq!((door.of, door.samples, door.max_ns), ("trips", 2, 9_000_000));
        assert_eq!(door.margin_ns, 3_000_000 - 9_000_000);
        let distance = find(&table, "distance").measured.clone().unwrap();
        assert_eq!((distance.of, distance.samples), ("pictures", 700));
        assert_eq!(distance.margin_ns, 152_000_000 - 81_000_000);
        assert_eq!(find(&table, "bus").measured, None);
        let overrun: Vec<_> = table.overrun().map(|row| row.interlock.as_str()).collect();
        assert_eq!(overrun, ["guard door"]);
        let text = render(&table);
        assert!(text.contains("OVERRUN") && text.contains("another machine file"), "{text}");
        assert!(table.page().contains("guard door"));
    }
}
