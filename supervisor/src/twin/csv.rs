//! An axis' data as CSV. docs/guide/twin-evaluate.md has the format.

use std::fmt::Write as _;

use prost::Message as _;

use crate::exit::Error;
use crate::record::messages::Axis;
use crate::replay::Reading;

/// The columns that must be there.
const COLUMNS: [&str; 3] = ["time_s", "position", "torque_permille"];

/// One line of data.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sample {
    /// s, rising.
    pub time_s: f64,
    /// Axis units.
    pub position: f64,
    /// ‰ of rated torque.
    pub torque_permille: i16,
}

/// A time in which something was wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct Label {
    /// s, on the clock of the data.
    pub from_s: f64,
    /// s.
    pub to_s: f64,
    /// What; may be empty.
    pub name: String,
}

/// What the recording says of `axis`, while it was enabled and its inputs were good; with what the twin in the loop made of it.
pub(super) fn export(reading: &Reading, axis: &str) -> Result<String, Error> {
    let topic = format!("/axes/{axis}");
    let mut out =
        String::from("time_s,position,torque_permille,velocity,disturbance_nm,stopping_distance\n");
    let mut first = None;
    let mut others = std::collections::BTreeSet::new();
    reading.messages(|found, time, data| {
        if let Some(name) = found.strip_prefix("/axes/") {
            others.insert(name.to_owned());
        }
        let view = if found == topic { Axis::decode(data).ok() } else { None };
        let Some(view) = view.filter(|view| view.enabled && view.inputs_good) else { return };
        let since = time.saturating_sub(*first.get_or_insert(time));
        let _ = writeln!(
            out,
            "{}.{:09},{},{},{},{},{}",
            since / 1_000_000_000,
            since % 1_000_000_000,
            view.position,
            view.torque_permille,
            view.velocity,
            view.disturbance_nm,
            view.stopping_distance
        );
    })?;
    if first.is_none() {
        let others: Vec<String> = others.into_iter().collect();
        return Err(Error::file(format!(
            "the recording says nothing of an enabled axis {axis}\n  expected one of {}",
            others.join(", ")
        )));
    }
    Ok(out)
}

/// Lines that are no comments, with their numbers.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let numbered = text.lines().enumerate().map(|(number, line)| (number + 1, line.trim()));
    numbered.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

fn number(cell: Option<&str>, line: usize, name: &str) -> Result<f64, Error> {
    let value = cell.and_then(|cell| cell.trim().parse::<f64>().ok());
    value.filter(|value| value.is_finite()).ok_or_else(|| {
        Error::file(format!("line {line}: expected a number for {name}, found {cell:?}"))
    })
}

/// Reads data: a line of column names, of which `time_s`, `position` and `torque_permille` must be there, then numbers.
///
/// # Errors
/// Which line is wrong, and how.
pub fn samples(text: &str) -> Result<Vec<Sample>, Error> {
    let mut lines = lines(text);
    let heads: Vec<&str> =
        lines.next().map(|(_, line)| line.split(',').map(str::trim).collect()).unwrap_or_default();
    let mut places = Vec::new();
    for name in COLUMNS {
        let place = heads.iter().position(|head| *head == name).ok_or_else(|| {
            let found = heads.join(", ");
            Error::file(format!("expected a column {name}, found {found}"))
        })?;
        places.push((name, place));
    }
    let mut samples: Vec<Sample> = Vec::new();
    for (line, text) in lines {
        let cells: Vec<&str> = text.split(',').collect();
        let mut values = [0.0; 3];
        for (value, (name, place)) in values.iter_mut().zip(&places) {
            *value = number(cells.get(*place).copied(), line, name)?;
        }
        let [time_s, position, torque] = values;
        if samples.last().is_some_and(|before| before.time_s >= time_s) {
            return Err(Error::file(format!("line {line}: time_s does not rise")));
        }
        let torque = twin_lite::Nano::from_units(torque * 1e-9).map_or(0, |torque| torque.0);
        let torque_permille = i16::try_from(torque).map_err(|_| {
            Error::file(format!("line {line}: torque_permille is beyond what a drive reports"))
        })?;
        samples.push(Sample { time_s, position, torque_permille });
    }
    Ok(samples)
}

/// Reads labels: `from_s,to_s[,name]`.
///
/// # Errors
/// Which line is wrong, and how.
pub fn labels(text: &str) -> Result<Vec<Label>, Error> {
    let mut labels = Vec::new();
    for (line, text) in lines(text).filter(|(_, line)| !line.starts_with("from_s")) {
        let mut cells = text.splitn(3, ',');
        let from_s = number(cells.next(), line, "from_s")?;
        let to_s = number(cells.next(), line, "to_s")?;
        if to_s <= from_s {
            return Err(Error::file(format!("line {line}: to_s is not after from_s")));
        }
        let name = cells.next().unwrap_or_default().trim().to_owned();
        labels.push(Label { from_s, to_s, name });
    }
    Ok(labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_found_by_name_and_comments_are_left_out() {
        let text =
            "# made by hand\ntime_s, torque_permille, extra, position\n0,-10,x,1.5\n0.5,20,y,2\n";
        let read = samples(text).unwrap();
        let first = Sample { time_s: 0.0, position: 1.5, torque_permille: -10 };
        assert_eq!((read.len(), read[0]), (2, first));
        let labels = labels("from_s,to_s,name\n1,2,belt, slack\n3,4\n").unwrap();
        assert_eq!((labels[0].name.as_str(), labels[1].from_s), ("belt, slack", 3.0));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        let wrong = |text: &str| samples(text).unwrap_err().message;
        assert!(wrong("time_s,position\n").contains("torque_permille"));
        let head = "time_s,position,torque_permille\n";
        assert!(wrong(&format!("{head}0,1,2\n0,1,2\n")).contains("line 3: time_s"));
        assert!(wrong(&format!("{head}0,NaN,2\n")).contains("line 2: expected a number"));
        assert!(wrong(&format!("{head}0,1,99999\n")).contains("beyond"));
        assert!(labels("2,1\n").unwrap_err().message.contains("not after"));
    }
}
