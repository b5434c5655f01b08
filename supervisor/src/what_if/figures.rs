//! What one run amounts to, in numbers that people decide by. `docs/guide/what-if.md` says how each is defined.

use serde::Serialize;

/// An axis over the window of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct AxisFigures {
    /// Its name in the machine file.
    pub name: String,
    /// `mm` or `deg`.
    pub unit: String,
    /// What the motor put in while it drove, J at its shaft.
    pub energy_j: f64,
    /// What came back through the motor while it braked, J at its shaft.
    pub regenerated_j: f64,
    /// Largest |torque|, N m.
    pub torque_peak_nm: f64,
    /// What is left of the torque that the drive may give, as a share of it.
    pub torque_margin: f64,
    /// Root of the mean square of the torque, N m.
    pub torque_rms_nm: f64,
    /// 1 − (RMS torque ÷ rated torque)²: what is left of the continuous rating; below 0 the motor gets too hot in the long run.
    pub thermal_margin: f64,
    /// Largest |velocity|, axis units / s.
    pub velocity_peak: f64,
    /// What is left of the velocity limit, as a share of it.
    pub velocity_margin: f64,
    /// Largest |commanded − actual|, axis units.
    pub following_error_max: f64,
    /// What is left of the following-error limit, as a share of it.
    pub following_error_margin: f64,
    /// Way of the load, both directions added, axis units.
    pub travel: f64,
    /// Times that it turned round.
    pub reversals: u64,
    /// Wear: |torque| × way at the motor shaft ÷ (rated torque × 1 rad), an hour. Source: Archard, wear goes with load × way.
    pub wear_per_h: f64,
    /// Backlash: |torque| ÷ rated torque at each reversal, added up, an hour.
    pub reversal_load_per_h: f64,
}

/// Stops by one cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stops {
    /// Name of the interlock, or the fault in words.
    pub cause: String,
    /// What kind of cause: `zone`, `twin_limit`, ...
    pub kind: String,
    /// How many.
    pub count: u64,
}

/// What one run amounts to.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Figures {
    /// Seed of the virtual cell.
    pub seed: u64,
    /// From the first moment in which the machine ran to the end of the window, s; 0: it never ran.
    pub window_s: f64,
    /// Parts that were let go where they belong, or rounds of the program.
    pub parts: u64,
    /// Parts that fell off a belt or were dropped.
    pub parts_lost: u64,
    /// Parts an hour of the window.
    pub parts_per_h: f64,
    /// From part to part, s.
    pub cycle_times_s: Vec<f64>,
    /// Median of them; `null`: fewer than two parts.
    pub cycle_time_median_s: Option<f64>,
    /// 95 of 100 are not longer; `null`: fewer than two parts.
    pub cycle_time_p95_s: Option<f64>,
    /// Over all axes, J at the motor shafts.
    pub energy_j: f64,
    /// Over all axes, J at the motor shafts.
    pub regenerated_j: f64,
    /// (driven − regenerated) ÷ parts, J; `null`: no parts.
    pub energy_per_part_j: Option<f64>,
    /// Stops of groups, by cause, the most first.
    pub stops: Vec<Stops>,
    /// Of them, by zones (separation).
    pub separation_stops: u64,
    /// Of them, by limits of position, speed, torque and gate.
    pub limit_stops: u64,
    /// In the window, not running, s.
    pub stopped_s: f64,
    /// In the window, with a speed limit on a group, s.
    pub slow_s: f64,
    /// Times that the gate held back what motion asked.
    pub gate_violations: u64,
    /// Axes in the order of the machine file.
    pub axes: Vec<AxisFigures>,
    /// How the run ended.
    pub ended: String,
    /// With which exit code.
    pub exit_code: u8,
}

impl Figures {
    /// Calculates what follows from the rest.
    pub(super) fn complete(mut self) -> Self {
        self.cycle_time_median_s = quantile(&self.cycle_times_s, 0.5);
        self.cycle_time_p95_s = quantile(&self.cycle_times_s, 0.95);
        self.energy_j = self.axes.iter().map(|axis| axis.energy_j).sum();
        self.regenerated_j = self.axes.iter().map(|axis| axis.regenerated_j).sum();
        let parts = float(self.parts);
        if self.window_s > 0.0 {
            self.parts_per_h = parts * 3600.0 / self.window_s;
        }
        self.energy_per_part_j =
            (self.parts > 0).then(|| (self.energy_j - self.regenerated_j) / parts);
        let of = |kinds: &[&str]| {
            let those = self.stops.iter().filter(|stops| kinds.contains(&stops.kind.as_str()));
            those.map(|stops| stops.count).sum()
        };
        self.separation_stops = of(&["zone", "twin_zone"]);
        self.limit_stops =
            of(&["twin_limit", "position_limit", "speed_limit", "torque_limit", "gate"]);
        self
    }
}

/// The value below which `share` of `values` lie, by rank; `None`: there are none.
pub(super) fn quantile(values: &[f64], share: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1)?;
    let wanted = float(u64::try_from(last).unwrap_or(u64::MAX)) * share;
    let place = (0..=last).find(|place| float(u64::try_from(*place).unwrap_or(0)) >= wanted);
    sorted.get(place.unwrap_or(last)).copied()
}

#[expect(clippy::cast_precision_loss, reason = "counts of a run, for people")]
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_happened() {
        let values = [4.0, 1.0, 3.0, 2.0, 5.0];
        assert_eq!(quantile(&values, 0.5), Some(3.0));
        assert_eq!(quantile(&values, 0.95), Some(5.0));
        assert_eq!(quantile(&[7.0], 0.5), Some(7.0));
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn what_follows_from_parts_energy_and_stops_is_calculated() {
        let stops = |kind: &str, count| Stops { cause: kind.into(), kind: kind.into(), count };
        let axis = |energy_j, regenerated_j| AxisFigures {
            energy_j,
            regenerated_j,
            ..AxisFigures::default()
        };
        let figures = Figures {
            window_s: 1800.0,
            parts: 10,
            cycle_times_s: vec![2.0, 4.0, 3.0],
            axes: vec![axis(40.0, 10.0), axis(5.0, 0.0)],
            stops: vec![stops("zone", 2), stops("gate", 1), stops("twin_zone", 1)],
            ..Figures::default()
        };
        let done = figures.complete();
        assert_eq!(done.parts_per_h, 20.0);
        assert_eq!(done.cycle_time_median_s, Some(3.0));
        assert_eq!((done.energy_j, done.regenerated_j), (45.0, 10.0));
        assert_eq!(done.energy_per_part_j, Some(3.5));
        assert_eq!((done.separation_stops, done.limit_stops), (3, 1));
    }
}
