//! The cause-and-effect matrix as the code evaluates it: made from the plan that the loop is given, never from the text of the file.
//!
//! A row is an interlock, in the order in which the loop asks them; of several that demand, the strongest stop of a group wins, of equals
//! the first. A column is a group or an output. What no row names is there too: a stop of any group takes the machine out of `Run`, so
//! every other group comes to rest on its ramp and keeps its power, and every output that needs a permit falls to its safe state.

pub mod budget;
mod html;
mod text;
mod words;

use config::Machine;
use rt_core::interlock::stale_after_ns;
use rt_core::plan::{Block, GroupId, InterlockPlan, OutputSource, Reaction, StopOrder, When};
use serde::Serialize;

use crate::labels::Labels;
use crate::run::hex;

pub use html::{Html, table as html_table};
pub use text::render;

/// The matrix of a machine as a page.
#[must_use]
pub fn page(machine: &Machine) -> String {
    let matrix = Matrix::of(machine);
    let mut html = Html::default();
    let about = format!("Machine file BLAKE3 {}, tactus {}", matrix.config_hash, matrix.version);
    html.element("<p><code>", &about, "</code></p>\n");
    html_table(&matrix, &mut html);
    html.page(&format!("Cause and effect: {}", matrix.machine))
}

/// Version of the JSON; goes up when a field changes its meaning or goes away.
pub const FORMAT: u32 = 1;

/// The whole matrix.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Matrix {
    /// [`FORMAT`].
    pub format: u32,
    /// The machine's name.
    pub machine: String,
    /// BLAKE3 of the machine file.
    pub config_hash: String,
    /// `tactus` that printed it.
    pub version: &'static str,
    /// Groups, in order.
    pub groups: Vec<Column>,
    /// Outputs, in order.
    pub outputs: Vec<Output>,
    /// Interlocks, in the order in which they are asked.
    pub rows: Vec<Row>,
    /// What holds for all rows.
    pub rules: Vec<String>,
}

/// A group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its axes.
    pub axes: Vec<String>,
    /// Unit of its path.
    pub unit: String,
    /// One of its axes is vertical: its brake engages before torque goes, also with `stop0`.
    pub vertical: bool,
}

/// An output that is not an axis' own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Output {
    /// Its name.
    pub name: String,
    /// Raw value without permit.
    pub safe: i64,
    /// Group whose permit it needs; `None`: the machine's state.
    pub group: Option<String>,
    /// Who says what it is: `program`, `running`, `waiting`, `brake of …`.
    pub source: String,
}

/// What a row does to a group.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Nothing.
    None,
    /// People are told.
    Warn,
    /// Path and axis speed at most this, axis units / s.
    LimitSpeed(f64),
    /// Controlled stop, power kept.
    Stop2,
    /// Controlled stop, brakes, power off.
    Stop1,
    /// Power off at once.
    Stop0,
    /// Not named: another group stops, the machine leaves `Run`, and this group comes to rest on its ramp and keeps its power.
    Rest,
}

impl Effect {
    fn of(reaction: Reaction) -> Self {
        match reaction {
            Reaction::None => Self::None,
            Reaction::Warn => Self::Warn,
            Reaction::LimitSpeed(limit) => Self::LimitSpeed(limit.units()),
            Reaction::Stop2 => Self::Stop2,
            Reaction::Stop1 => Self::Stop1,
            Reaction::Stop0 => Self::Stop0,
        }
    }

    /// It takes the machine out of `Run`.
    #[must_use]
    pub fn stops(self) -> bool {
        matches!(self, Self::Stop2 | Self::Stop1 | Self::Stop0)
    }
}

/// What a row does to an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputEffect {
    /// Nothing.
    None,
    /// It falls to its safe state.
    Safe,
    /// It is 1 while the machine waits for a person.
    Waiting,
    /// It closes when its axis stands, before torque goes.
    Brake,
}

/// A way that is closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Blocked {
    /// The axis.
    pub axis: String,
    /// Where it may not go: `positive`, `negative`.
    pub direction: &'static str,
}

/// Ways that are closed, by the names of their axes.
fn blocked(blocks: &[Block], labels: &Labels) -> Vec<Blocked> {
    let of = |block: &Block| {
        let direction = if block.left.positive { "negative" } else { "positive" };
        Blocked { axis: labels.axis(block.axis).to_owned(), direction }
    };
    blocks.iter().map(of).collect()
}

/// The same in words; nothing if none is.
fn closed(blocks: &[Blocked]) -> String {
    let ways: Vec<String> =
        blocks.iter().map(|it| format!("{} to {} positions", it.axis, it.direction)).collect();
    if ways.is_empty() {
        return String::new();
    }
    format!("; meanwhile these ways are closed: {}", ways.join(", "))
}

/// An interlock.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// Its place, from 0.
    pub number: usize,
    /// Its name.
    pub name: String,
    /// What it watches, a stable word.
    pub kind: &'static str,
    /// What it watches, in words, with its parameters.
    pub cause: String,
    /// What a person reads when it trips.
    pub text: String,
    /// What to do about it.
    pub remedy: String,
    /// By group.
    pub effects: Vec<Effect>,
    /// By output.
    pub outputs: Vec<OutputEffect>,
    /// Ways that are closed meanwhile.
    pub blocks: Vec<Blocked>,
    /// It outlives its demand until a person resets.
    pub latch: bool,
    /// When its demand ends, in words.
    pub clear: String,
    /// What leads back to work, in words.
    pub restart: &'static str,
}

impl Matrix {
    /// Of a machine.
    #[must_use]
    pub fn of(machine: &Machine) -> Self {
        let (plan, labels) = (&machine.plan, Labels::of(machine));
        let groups = plan.groups.iter().zip(GroupId::all()).map(|(group, id)| {
            let axis = |axis: &rt_core::plan::AxisId| plan.axes.get(usize::from(axis.0));
            Column {
                name: labels.group(id).to_owned(),
                axes: group.axes.iter().map(|axis| labels.axis(*axis).to_owned()).collect(),
                unit: labels.group_unit(id).to_owned(),
                vertical: group.axes.iter().filter_map(axis).any(|axis| axis.vertical),
            }
        });
        let outputs = plan.outputs.iter().map(|output| Output {
            name: labels.signal(output.signal).to_owned(),
            safe: output.safe,
            group: output.group.map(|group| labels.group(group).to_owned()),
            source: match output.source {
                OutputSource::Program => "program".to_owned(),
                OutputSource::Running => "running".to_owned(),
                OutputSource::Waiting => "waiting".to_owned(),
                OutputSource::Muted => "muting lamp".to_owned(),
                OutputSource::Inspection => "inspection".to_owned(),
                OutputSource::Brake(axis) => format!("brake of {}", labels.axis(axis)),
            },
        });
        let rows = plan.interlocks.iter().enumerate();
        let rows = rows.map(|(number, row)| row_of(machine, &labels, number, row)).collect();
        Self {
            format: FORMAT,
            machine: machine.name.clone(),
            config_hash: hex(&machine.hash),
            version: env!("CARGO_PKG_VERSION"),
            groups: groups.collect(),
            outputs: outputs.collect(),
            rows,
            rules: rules(machine),
        }
    }

    /// As JSON for scripts.
    ///
    /// # Errors
    /// None in practice; the serialiser's type has one.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self).map(|text| text + "\n")
    }
}

/// Effects of a row by group, those that follow from its stop included.
fn effects(machine: &Machine, row: &InterlockPlan) -> Vec<Effect> {
    let groups = GroupId::all().take(machine.plan.groups.len());
    let named: Vec<Effect> = groups
        .map(|group| {
            // What the loop takes: the strongest stop, else the lowest limit.
            let own = row.effects.iter().filter(|effect| effect.group == group);
            let strongest =
                own.map(|effect| effect.reaction).max_by_key(|reaction| match reaction {
                    Reaction::LimitSpeed(limit) => Reaction::LimitSpeed(twin_lite::Nano(-limit.0)),
                    other => *other,
                });
            Effect::of(strongest.unwrap_or(Reaction::None))
        })
        .collect();
    let stops = named.iter().any(|effect| effect.stops());
    let along = |effect: Effect| if stops && !effect.stops() { Effect::Rest } else { effect };
    named.into_iter().map(along).collect()
}

fn row_of(machine: &Machine, labels: &Labels, number: usize, row: &InterlockPlan) -> Row {
    let id = rt_core::plan::InterlockId(u16::try_from(number).unwrap_or(u16::MAX));
    let effects = effects(machine, row);
    let stops = effects.iter().any(|effect| effect.stops());
    let words = words::Words { machine, labels };
    let blocks = blocked(&row.blocks, labels);
    let cause = words.cause(&row.cause) + &closed(&blocks);
    let output = |output: &rt_core::plan::OutputPlan| match output.source {
        _ if row.outputs.contains(&output.signal) => OutputEffect::Safe,
        _ if !stops => OutputEffect::None,
        OutputSource::Program if output.hold => OutputEffect::None,
        OutputSource::Program | OutputSource::Running | OutputSource::Inspection => {
            OutputEffect::Safe
        }
        OutputSource::Waiting => OutputEffect::Waiting,
        OutputSource::Muted => OutputEffect::None,
        OutputSource::Brake(axis) => {
            let group = machine.plan.axes.get(usize::from(axis.0)).map(|axis| axis.group);
            let effect = group.and_then(|group| effects.get(usize::from(group.0)));
            match effect {
                Some(Effect::Stop1 | Effect::Stop0) => OutputEffect::Brake,
                _ => OutputEffect::None,
            }
        }
    };
    Row {
        number,
        name: labels.interlock(id).to_owned(),
        kind: labels.kind(id),
        cause: match row.when {
            When::Always => cause,
            When::Automatic => format!("unless in manual: {cause}"),
            When::Manual => format!("unless in automatic: {cause}"),
        },
        text: machine.names.interlocks.get(number).map(|it| it.text.clone()).unwrap_or_default(),
        remedy: labels.remedy(id).to_owned(),
        outputs: machine.plan.outputs.iter().map(output).collect(),
        effects,
        blocks,
        latch: row.latch,
        clear: words.clear(&row.cause),
        restart: match (stops, row.latch) {
            (false, false) => "ends by itself with its cause",
            (false, true) => "once clear: reset",
            (true, false) => "once clear: fresh start",
            (true, true) => "once clear: reset, then fresh start",
        },
    }
}

fn rules(machine: &Machine) -> Vec<String> {
    let stale = match stale_after_ns(&machine.plan) {
        0 => "an input counts only in the cycle that brings it".to_owned(),
        ns => format!("an input counts until it is {} old", crate::report::duration(ns)),
    };
    let modes = machine.plan.mode.as_ref().map(|mode| {
        let closed = closed(&blocked(&mode.blocks, &Labels::of(machine)));
        let closed = closed.replace("meanwhile", "outside automatic");
        "while no mode is known every row counts; outside automatic the program rests, and every group is held to the speed of \
         manual; turning the selector stops"
            .to_owned()
            + &closed
    });
    let mut rules = vec![
        "missing, stale, unknown and not yet checked are demands; before its first cycle every row demands".to_owned(),
        stale,
        orders(machine),
        "a stop of any group takes the machine out of Run: groups that the row does not name come to rest on the gate's ramp \
         and keep their power (rest), and every output that needs a permit is safe"
            .to_owned(),
        "stop0 of a group with a vertical axis: its brake engages before its torque goes".to_owned(),
        "at power-up: reset, then fresh start; a reset never moves anything".to_owned(),
    ];
    rules.extend(modes);
    rules
}

/// Which of two stops is the stronger, by group.
fn orders(machine: &Machine) -> String {
    let groups = machine.plan.groups.iter().zip(&machine.names.groups);
    let groups = groups.map(|(group, name)| match group.stop.order {
        StopOrder::Category0Worst => format!("{name}: stop2 < stop1 < stop0"),
        StopOrder::Category1Worst => format!("{name}: stop2 < stop0 < stop1"),
    });
    let groups: Vec<String> = groups.collect();
    format!(
        "of the rows that demand, the strongest stop of a group wins ({}); of equals the first row names it; of speed \
         limits the lowest holds",
        groups.join(", ")
    )
}

#[cfg(test)]
mod tests;
