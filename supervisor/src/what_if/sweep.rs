//! `--sweep axis.x.limits.acceleration=2..20`: the same machine with one value after the other, and which of them it can bear.

use config::Amount;
use serde::Serialize;

use super::figures::Figures;
use super::set::{self, Set};
use crate::exit::Error;
use crate::run::Source;

/// Points if nobody says the step.
const POINTS: i64 = 8;
/// Most points.
const POINTS_MAX: usize = 200;

/// One value after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sweep {
    /// Where.
    pub path: String,
    from: String,
    to: String,
    step: Option<String>,
}

impl Sweep {
    /// Reads `PATH=FROM..TO[:STEP]`.
    ///
    /// # Errors
    /// A sentence that says what is expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = "expected a path of the machine file, =, and from..to or from..to:step, such \
                     as axis.x.limits.acceleration=2..20:1";
        let set = Set::parse(text).map_err(|_| wrong)?;
        let (from, rest) = set.value.split_once("..").ok_or(wrong)?;
        let (to, step) = match rest.split_once(':') {
            Some((to, step)) => (to, Some(step.trim().to_owned())),
            None => (rest, None),
        };
        Ok(Self { path: set.path, from: from.trim().into(), to: to.trim().into(), step })
    }

    /// Its values in order, exactly. A bare number has the unit that the file writes at this place.
    ///
    /// # Errors
    /// It is no range of quantities of one kind.
    pub fn values(&self, source: &Source) -> Result<Vec<Amount>, Error> {
        let wrong = |why: String| {
            Error::file(format!("--sweep {}: {why}\n  write the unit: 2m/s2..20m/s2", self.path))
        };
        let unit = self.unit_in_file(source);
        let read = |text: &str| {
            let with_unit = match &unit {
                Some(unit) if text.parse::<f64>().is_ok() => format!("{text} {unit}"),
                _ => text.to_owned(),
            };
            Amount::parse(&with_unit).map_err(wrong)
        };
        let to = read(&self.to)?;
        // 2..20m/s2: what is said once holds for all.
        let like = |text: &str| match Amount::parse(text) {
            Err(_) if text.parse::<f64>().is_ok() => {
                let symbol = self.to.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
                let symbol = symbol.trim();
                if symbol.is_empty() { read(text) } else { read(&format!("{text} {symbol}")) }
            }
            _ => read(text),
        };
        let from = like(&self.from)?;
        if !from.same_kind(to) || to.nano() <= from.nano() {
            return Err(wrong(format!("expected a range upwards, found {from} to {to}")));
        }
        let span = to.nano().saturating_sub(from.nano());
        let step = match &self.step {
            Some(step) => like(step)?,
            None => from.with((span / (POINTS - 1)).max(1)),
        };
        if !from.same_kind(step) || step.nano() <= 0 {
            return Err(wrong(format!("expected a step above 0 in the same unit, found {step}")));
        }
        let count = usize::try_from(span / step.nano()).unwrap_or(usize::MAX);
        if count >= POINTS_MAX {
            return Err(wrong(format!("expected at most {POINTS_MAX} points, found {count}")));
        }
        let mut values = Vec::new();
        let mut nano = from.nano();
        while nano <= to.nano() {
            values.push(from.with(nano));
            nano = nano.saturating_add(step.nano());
        }
        // An even division of the range ends at its end.
        if self.step.is_none()
            && let Some(last) = values.last_mut()
        {
            *last = to;
        }
        Ok(values)
    }

    fn unit_in_file(&self, source: &Source) -> Option<String> {
        set::amount_at(source, &self.path)?;
        if self.path == "cycle.speed" {
            return Some("%".into());
        }
        let text = String::from_utf8_lossy(&source.bytes);
        let key = Set { path: self.path.clone(), value: String::new() };
        let value = config::value_at(&text, &key.key()).ok().flatten()?;
        let value = value.trim_matches(['"', '\'']).trim();
        let number = |c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | '+' | '_');
        Some(value.trim_start_matches(number).trim().to_owned())
    }
}

/// One value, and what it leads to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Point {
    /// In the unit of the sweep.
    pub value: f64,
    /// As a machine file writes it.
    pub shown: String,
    /// File, gate, torque, temperature and following error bear it.
    pub feasible: bool,
    /// Why not; empty if it is.
    pub why: Vec<String>,
    /// By seed; empty: the file is wrong with it.
    pub runs: Vec<Figures>,
}

/// What speaks against `runs`, compared with how the machine is now.
pub(super) fn against(runs: &[Figures], baseline: &[Figures]) -> Vec<String> {
    let mut why = Vec::new();
    let mut say = |text: String| {
        if !why.contains(&text) {
            why.push(text);
        }
    };
    for (place, run) in runs.iter().enumerate() {
        let now = baseline.get(place);
        for axis in &run.axes {
            let name = &axis.name;
            if axis.torque_margin <= 0.0 {
                say(format!("{name}: the torque is at its limit"));
            }
            if axis.thermal_margin < 0.0 {
                say(format!("{name}: more than the motor's continuous rating"));
            }
            if axis.following_error_margin <= 0.0 {
                say(format!("{name}: following error beyond its limit"));
            }
        }
        if run.gate_violations > now.map_or(0, |now| now.gate_violations) {
            say("the gate held it back".into());
        }
        if run.parts_lost > now.map_or(0, |now| now.parts_lost) {
            say("parts are lost".into());
        }
        let known =
            |cause: &str| now.is_some_and(|now| now.stops.iter().any(|stops| stops.cause == cause));
        for stops in run.stops.iter().filter(|stops| !known(&stops.cause)) {
            say(format!("stops by {}", stops.cause));
        }
        if run.window_s <= 0.0 {
            say(format!("it never ran: {}", run.ended));
        } else if run.parts == 0 && now.is_some_and(|now| now.parts > 0) {
            say("no part was finished".into());
        }
    }
    why
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::what_if::figures::{AxisFigures, Stops};
    use crate::what_if::testing::demo;

    fn values(text: &str) -> Vec<String> {
        let values = Sweep::parse(text).unwrap().values(&demo()).unwrap();
        values.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_sweep_has_exact_values_and_takes_the_unit_of_the_file() {
        let of_file = values("axis.x.limits.acceleration=2..6:2");
        assert_eq!(of_file, ["2000 mm/s2", "4000 mm/s2", "6000 mm/s2"]);
        assert_eq!(values("axis.x.limits.acceleration=2..6m/s2:2"), of_file);
        assert_eq!(values("axis.x.limits.acceleration=2m/s2..6m/s2:2000mm/s2"), of_file);
        let even = values("axis.x.payload=10..80");
        assert_eq!(even.len(), 8);
        assert_eq!((even[0].as_str(), even[7].as_str()), ("10 kg", "80 kg"));
        assert_eq!(values("cycle.speed=50..150:50"), ["50 %", "100 %", "150 %"]);
        assert_eq!(values("axis.x.limits.acceleration=0.1..0.3:0.1").len(), 3, "no rounding");
    }

    #[test]
    fn what_is_no_range_is_refused() {
        let wrong = |text: &str| Sweep::parse(text).unwrap().values(&demo()).unwrap_err().message;
        assert!(wrong("axis.x.limits.acceleration=6..2").contains("upwards"));
        assert!(wrong("axis.x.limits.acceleration=2kg..6m/s2").contains("upwards"));
        assert!(wrong("axis.x.limits.acceleration=2..6:0").contains("above 0"));
        assert!(wrong("axis.x.limits.acceleration=2..6:0.001").contains("at most"));
        assert!(wrong("axis.x.limits.acceleration=a..b").contains("begin with a number"));
        assert!(Sweep::parse("axis.x=3").is_err());
    }

    #[test]
    fn what_a_machine_cannot_bear_is_named_and_what_it_bears_today_is_not() {
        let sound = Figures {
            window_s: 10.0,
            parts: 3,
            axes: vec![AxisFigures {
                name: "x".into(),
                torque_margin: 0.5,
                thermal_margin: 0.5,
                following_error_margin: 0.5,
                ..AxisFigures::default()
            }],
            ..Figures::default()
        };
        let base = [sound.clone()];
        assert!(against(&base, &base).is_empty());
        let with = |change: &dyn Fn(&mut Figures)| {
            let mut run = sound.clone();
            change(&mut run);
            against(&[run], &base).join("; ")
        };
        assert!(with(&|run| run.axes[0].torque_margin = 0.0).contains("torque"));
        assert!(with(&|run| run.axes[0].thermal_margin = -0.1).contains("continuous"));
        assert!(with(&|run| run.axes[0].following_error_margin = -0.1).contains("following"));
        assert!(with(&|run| run.gate_violations = 1).contains("gate"));
        assert!(with(&|run| run.parts_lost = 1).contains("lost"));
        assert!(with(&|run| run.parts = 0).contains("no part"));
        assert!(with(&|run| run.window_s = 0.0).contains("never ran"));
        let stop = Stops { cause: "person".into(), kind: "zone".into(), count: 1 };
        assert!(with(&|run| run.stops.push(stop.clone())).contains("stops by person"));
        let mut today = sound.clone();
        today.stops.push(stop);
        assert!(against(&[today.clone()], &[today]).is_empty());
    }
}
