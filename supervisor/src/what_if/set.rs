//! `--set axis.x.payload=12kg`: what is changed, under the names of the machine file and two friendly ones, and the file that
//! comes of it.

use config::{Amount, Machine};
use rt_core::plan::{Action, AxisId};
use rt_core::program::Request;

use crate::exit::Error;
use crate::run::Source;

/// The speed of every step of the program, as a share: no key of the file.
const SPEED: &str = "cycle.speed";
/// `axis.NAME.payload` is this key of the axis.
const PAYLOAD: (&str, &str) = ("payload", "mechanics.load_mass");

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set {
    /// Where, as people wrote it.
    pub path: String,
    /// What.
    pub value: String,
}

impl Set {
    /// Reads `PATH=VALUE`.
    ///
    /// # Errors
    /// A sentence that says what is expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let parts = text.split_once('=').map(|(path, value)| (path.trim(), value.trim()));
        match parts {
            Some((path, value)) if !path.is_empty() && !value.is_empty() => {
                Ok(Self { path: path.into(), value: value.into() })
            }
            _ => Err("expected a path of the machine file, = and a value, such as \
                      axis.x.limits.acceleration=6m/s2"
                .into()),
        }
    }

    /// The key of the file that it means.
    pub(super) fn key(&self) -> String {
        let parts: Vec<&str> = self.path.split('.').collect();
        match parts[..] {
            ["axis", axis, last] if last == PAYLOAD.0 => format!("axis.{axis}.{}", PAYLOAD.1),
            _ => self.path.clone(),
        }
    }
}

impl std::fmt::Display for Set {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}={}", self.path, self.value)
    }
}

/// A machine with changes, and what was done beyond the letter.
#[derive(Clone, Debug)]
pub struct Changed {
    /// The machine.
    pub source: Source,
    /// What people should know of it.
    pub notes: Vec<String>,
}

/// The value that `path` has in the file, as a quantity; `None`: the file does not have it, or it is none.
pub(super) fn amount_at(source: &Source, path: &str) -> Option<Amount> {
    if path == SPEED {
        return Amount::parse("100 %").ok();
    }
    let set = Set { path: path.into(), value: String::new() };
    let text = String::from_utf8_lossy(&source.bytes);
    let value = config::value_at(&text, &set.key()).ok().flatten()?;
    Amount::parse(value.trim_matches(['"', '\''])).ok()
}

/// `source` with `sets`.
///
/// # Errors
/// A path that leads nowhere, or a file that is wrong with the changes: as `tactus check` says it.
pub fn apply(source: &Source, sets: &[Set]) -> Result<Changed, Error> {
    let mut text = String::from_utf8_lossy(&source.bytes).into_owned();
    let mut notes = Vec::new();
    let (speeds, keys): (Vec<&Set>, Vec<&Set>) = sets.iter().partition(|set| set.path == SPEED);
    for set in keys {
        text = config::change(&text, &set.key(), &set.value)
            .map_err(|wrong| Error::file(format!("--set {set}: {wrong}")))?;
    }
    if let Some(set) = speeds.last() {
        let machine = load(&text, source, sets)?;
        text = faster(text, &machine, set, &mut notes)?;
    }
    if sets.is_empty() {
        return Ok(Changed { source: source.clone(), notes });
    }
    let machine = load(&text, source, sets)?;
    let source = Source { machine, file_name: source.file_name.clone(), bytes: text.into_bytes() };
    Ok(Changed { source, notes })
}

fn load(text: &str, source: &Source, sets: &[Set]) -> Result<Machine, Error> {
    let name = &source.file_name;
    config::load(text, name).map_err(|wrong| {
        let said: Vec<String> = sets.iter().map(|set| format!("--set {set}")).collect();
        Error::file(format!(
            "{name} is wrong with {}:\n{}",
            said.join(" "),
            wrong.render(config::Style::Plain, 100)
        ))
    })
}

/// Every speed of the program times a share, but none above what the limits of its axes allow: the gate would hold it back.
fn faster(
    mut text: String,
    machine: &Machine,
    set: &Set,
    notes: &mut Vec<String>,
) -> Result<String, Error> {
    let share = Amount::parse(&set.value).ok().filter(|share| share.is_share() && share.nano() > 0);
    let share = share.ok_or_else(|| {
        let said = "expected a share above 0, such as cycle.speed=120%";
        Error::file(format!("--set {set}: {said}"))
    })?;
    let mut number = 0;
    for (strand, plan) in machine.plan.program.strands.iter().enumerate() {
        for (step, plan) in plan.steps.iter().enumerate() {
            let name = machine.names.steps.get(number).map_or("", |step| step.name.as_str());
            number += 1;
            let path = format!("program.strand.{strand}.steps.{step}.speed");
            let Ok(Some(speed)) = config::value_at(&text, &path) else { continue };
            let Ok(speed) = Amount::parse(speed.trim_matches(['"', '\''])) else { continue };
            let Some(wanted) = speed.times(share) else { continue };
            let most = fastest(machine, &plan.action).unwrap_or(i64::MAX);
            let nano = wanted.nano().clamp(-most, most);
            let taken = wanted.with(nano);
            if taken != wanted {
                notes.push(format!(
                    "the step {name} goes at {taken}, not {wanted}: the velocity limits of its \
                     axes allow no more"
                ));
            }
            text = config::change(&text, &path, &taken.to_string())
                .map_err(|wrong| Error::file(format!("--set {set}: {wrong}")))?;
        }
    }
    Ok(text)
}

/// What the limits of the axes allow a step, 10⁻⁹ axis units / s.
fn fastest(machine: &Machine, action: &Action) -> Option<i64> {
    let limit = |axis: AxisId| {
        machine.plan.axes.get(usize::from(axis.0)).map(|axis| axis.limits.velocity.0)
    };
    match action {
        Action::Do(Request::MoveLinear { group, target, .. }) => {
            let group = machine.plan.groups.get(usize::from(group.0))?;
            let moved = group.axes.iter().zip(target).filter(|(_, target)| target.is_some());
            let squares = moved.filter_map(|(axis, _)| limit(*axis)).map(i128::from);
            let sum: i128 = squares.map(|velocity| velocity * velocity).sum();
            i64::try_from(sum.isqrt()).ok()
        }
        Action::Do(Request::MoveRelative { axis, .. })
        | Action::Start(Request::MoveVelocity { axis, .. }) => limit(*axis),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::what_if::testing::demo;

    fn sets(texts: &[&str]) -> Vec<Set> {
        texts.iter().map(|text| Set::parse(text).unwrap()).collect()
    }

    #[test]
    fn nothing_changed_is_the_same_file_byte_by_byte() {
        let source = demo();
        let changed = apply(&source, &[]).unwrap();
        assert_eq!(changed.source.bytes, source.bytes);
        assert_eq!(changed.source.machine.hash, source.machine.hash);
    }

    #[test]
    fn a_payload_is_the_load_mass_and_changes_twin_and_world_alike() {
        let source = demo();
        let by_alias = apply(&source, &sets(&["axis.x.payload=60kg"])).unwrap().source;
        let by_key = apply(&source, &sets(&["axis.x.mechanics.load_mass=60kg"])).unwrap().source;
        assert_eq!(by_alias.bytes, by_key.bytes);
        let inertia = |of: &Source| of.machine.plan.axes[0].model.inertia_kgm2;
        assert!(inertia(&by_key) > inertia(&source) * 1.2);
    }

    #[test]
    fn speeds_are_scaled_exactly_and_held_at_the_limits_with_a_note() {
        let changed = apply(&demo(), &sets(&["cycle.speed=120%"])).unwrap();
        let text = String::from_utf8(changed.source.bytes.clone()).unwrap();
        assert!(text.contains("\"480 mm/s\"") && !text.contains("\"400 mm/s\", timeout"));
        assert!(text.contains("to = { x = \"200 mm\" }, speed = \"1000 mm/s\""));
        assert!(changed.notes.iter().any(|note| note.contains("over the belt")), "{changed:?}");
        let more = sets(&["cycle.speed=120%", "axis.x.limits.velocity=1500 mm/s"]);
        let changed = apply(&demo(), &more).unwrap();
        assert!(changed.notes.is_empty(), "{:?}", changed.notes);
        assert!(String::from_utf8(changed.source.bytes).unwrap().contains("1080 mm/s"));
    }

    #[test]
    fn a_wrong_path_or_unit_says_what_was_expected_and_what_is_near() {
        let wrong = |text: &str| apply(&demo(), &sets(&[text])).unwrap_err().message;
        let axis = wrong("axis.xx.limits.acceleration=4m/s2");
        assert!(axis.contains("expected one of x, z, belt"), "{axis}");
        let key = wrong("axis.x.limits.accelaration=4m/s2");
        assert!(key.contains("did you mean `acceleration`?"), "{key}");
        let unit = wrong("axis.x.limits.acceleration=4kg");
        assert!(unit.contains("m/s2") && unit.contains("4kg"), "{unit}");
        let share = wrong("cycle.speed=120");
        assert!(share.contains("120%"), "{share}");
        assert!(Set::parse("axis.x").is_err() && Set::parse("=3").is_err());
    }

    #[test]
    fn the_value_of_the_file_is_found_for_its_unit() {
        let source = demo();
        let at = |path: &str| amount_at(&source, path).map(|amount| amount.to_string());
        assert_eq!(at("axis.x.limits.acceleration").as_deref(), Some("4000 mm/s2"));
        assert_eq!(at("axis.x.payload").as_deref(), Some("30 kg"));
        assert_eq!(at("cycle.speed").as_deref(), Some("100 %"));
        assert_eq!(at("axis.x.name"), None);
    }
}
