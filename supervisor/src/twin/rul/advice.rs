//! Who is told what: ISO 13374's advisory generation, in words.

use std::fmt::Write as _;

use serde::Serialize;

use super::assess::{Indicator, Trend, assess};
use super::drift::{NotEnough, Outlook, Prior};
use super::store::Store;

/// A recommendation to people. Nothing is done by itself.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Advice {
    /// Who: `operator`, `maintenance`, `engineering`.
    pub who: &'static str,
    /// Name of the axis.
    pub axis: String,
    /// One sentence.
    pub text: String,
}

/// What is known of the axes.
#[derive(Clone, Debug, Serialize)]
pub struct Assessment {
    /// Version of this JSON; goes up when a field changes its meaning or goes away.
    pub format: u32,
    /// What was assumed before anything was seen.
    pub prior: Prior,
    /// Hours within which maintenance wants to know.
    pub horizon_hours: f64,
    /// By axis.
    pub axes: Vec<AxisTrends>,
    /// Who is told what.
    pub advice: Vec<Advice>,
}

/// The trends of one axis.
#[derive(Clone, Debug, Serialize)]
pub struct AxisTrends {
    /// Its name.
    pub axis: String,
    /// Hours of work seen since the last repair.
    pub hours: f64,
    /// By indicator.
    pub trends: Vec<Trend>,
}

impl Assessment {
    /// Of the axes in the store; `only`: of this one.
    #[must_use]
    pub fn of(store: &Store, only: Option<&str>, prior: Prior, horizon_hours: f64) -> Self {
        let axes = store.axes().into_iter().filter(|axis| only.is_none_or(|only| only == *axis));
        let trends = |axis: &str| {
            let slices = store.slices(axis);
            let trends = Indicator::ALL.map(|indicator| assess(&slices, indicator, &prior));
            let hours = slices.iter().map(|slice| slice.hours).sum();
            AxisTrends { axis: axis.to_owned(), hours, trends: trends.to_vec() }
        };
        let axes: Vec<AxisTrends> = axes.map(trends).collect();
        let each = axes.iter().flat_map(|axis| axis.trends.iter().map(move |trend| (axis, trend)));
        let advice = each.filter_map(|(axis, trend)| advice(&axis.axis, trend, horizon_hours));
        let advice = advice.collect();
        Self { format: 1, prior, horizon_hours, axes, advice }
    }

    /// For people.
    #[must_use]
    pub fn render(&self) -> String {
        let mut out = format!(
            "{:<12} {:<10} {:>9} {:>7} {:>7}  {}\n",
            "axis", "indicator", "worked", "points", "now", "until the limit: 10 · 50 · 90 %"
        );
        for axis in &self.axes {
            for trend in &axis.trends {
                let now = match trend.outlook {
                    Outlook::Left(left) => change(left.level),
                    Outlook::Reached { level } => change(level),
                    Outlook::NotEnoughData(_) => "-".into(),
                };
                let _ = writeln!(
                    out,
                    "{:<12} {:<10} {:>9} {:>7} {now:>7}  {}",
                    axis.axis,
                    trend.indicator.name(),
                    hours(trend.hours),
                    trend.points.len(),
                    said(&trend.outlook)
                );
            }
        }
        for advice in &self.advice {
            let _ = writeln!(out, "advise {}: {}", advice.who, advice.text);
        }
        let Prior { shape, life_hours, limit } = self.prior;
        let _ = writeln!(
            out,
            "Assumed: limit {}, life Weibull with shape {shape} and scale {}. An estimate for planning, no safety function.",
            change(limit),
            hours(life_hours)
        );
        out
    }
}

fn change(value: f64) -> String {
    format!("{:+.0} %", (value - 1.0) * 100.0)
}

/// A time as people say it.
pub(super) fn hours(hours: f64) -> String {
    match hours {
        h if h >= 9.95 => format!("{h:.0} h"),
        h if h >= 0.995 => format!("{h:.1} h"),
        h if h * 60.0 >= 0.995 => format!("{:.1} min", h * 60.0),
        h => format!("{:.1} s", h * 3600.0),
    }
}

/// An outlook in words.
pub(super) fn said(outlook: &Outlook) -> String {
    match *outlook {
        Outlook::Left(left) => {
            format!("{} · {} · {}", hours(left.p10), hours(left.p50), hours(left.p90))
        }
        Outlook::Reached { .. } => "the limit is reached".into(),
        Outlook::NotEnoughData(why) => format!("not enough data: {}", reason(why)),
    }
}

fn reason(why: NotEnough) -> String {
    match why {
        NotEnough::Points { found, needed } => format!("{found} points, {needed} are needed"),
        NotEnough::NoTrend => "it does not rise more than it scatters".into(),
        NotEnough::DoesNotFit { hours: at } => {
            format!("a step after {}: was it repaired? (--repaired)", hours(at))
        }
        NotEnough::ConditionNotSeen { seen } => format!(
            "{:.0} % of the work was done in conditions that the baseline has",
            seen * 100.0
        ),
        NotEnough::NoBaseline => "no steady motion in the baseline".into(),
    }
}

/// What to look at.
fn look_at(indicator: Indicator) -> &'static str {
    match indicator {
        Indicator::Friction => "guides, lubrication, brake, belt tension",
        Indicator::Roughness => "bearings, coupling, play",
    }
}

/// What is advised because of one trend.
fn advice(axis: &str, trend: &Trend, horizon_hours: f64) -> Option<Advice> {
    let (name, look) = (trend.indicator.name(), look_at(trend.indicator));
    let (who, text) = match trend.outlook {
        Outlook::Reached { level } => {
            let text = format!(
                "{axis}: {name} has reached its limit ({}): look at {look} now",
                change(level)
            );
            ("maintenance", text)
        }
        Outlook::Left(left) if left.p10 <= horizon_hours => {
            let text = format!(
                "{axis}: {name} is {} and reaches its limit in {} to {} of work (8 of 10 cases): plan {look} within {}",
                change(left.level),
                hours(left.p10),
                hours(left.p90),
                hours(left.p10)
            );
            ("maintenance", text)
        }
        Outlook::NotEnoughData(NotEnough::DoesNotFit { hours: at }) => {
            let text = format!(
                "{axis}: {name} made a step after {} of work: if the axis was repaired, say --repaired {axis}; if not, look at {look}",
                hours(at)
            );
            ("maintenance", text)
        }
        Outlook::NotEnoughData(NotEnough::ConditionNotSeen { .. }) => {
            let text = format!(
                "{axis}: it works in conditions that its baseline has not: say --repaired {axis} when it is known to be well"
            );
            ("engineering", text)
        }
        Outlook::Left(_) | Outlook::NotEnoughData(_) => return None,
    };
    Some(Advice { who, axis: axis.to_owned(), text })
}

#[cfg(test)]
mod tests {
    use super::super::drift::Left;
    use super::*;

    fn trend(outlook: Outlook) -> Trend {
        let (conditions, points) = (vec![], vec![]);
        Trend { indicator: Indicator::Friction, hours: 9.0, conditions, unseen: 0, points, outlook }
    }

    #[test]
    fn maintenance_is_told_when_one_of_ten_fails_within_the_horizon_and_not_before() {
        let left = Left { p10: 120.0, p50: 300.0, p90: 900.0, exponential: 0.1, level: 1.4 };
        let told = |horizon| advice("x", &trend(Outlook::Left(left)), horizon);
        assert_eq!(told(119.0), None);
        let told = told(120.0).unwrap();
        assert_eq!(told.who, "maintenance");
        assert!(told.text.contains("+40 %") && told.text.contains("120 h to 900 h"), "{told:?}");
    }

    #[test]
    fn not_enough_data_says_why_and_no_number_of_hours_left() {
        let why = |why| said(&Outlook::NotEnoughData(why));
        assert_eq!(
            why(NotEnough::Points { found: 3, needed: 8 }),
            "not enough data: 3 points, 8 are needed"
        );
        assert!(why(NotEnough::NoTrend).starts_with("not enough data"));
        assert!(why(NotEnough::ConditionNotSeen { seen: 0.25 }).contains("25 %"));
        assert_eq!(advice("x", &trend(Outlook::NotEnoughData(NotEnough::NoTrend)), 1e9), None);
    }
}
